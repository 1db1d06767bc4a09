"""docs/alerts.md says what the program does: the parser's fields, the actions, the units, and its examples."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from desk.alerts import read_body
from desk.alerts.detect import CANONICAL_KEYS
from desk.alerts.sections import Fields
from desk.bots import Wanted, interpret
from desk.core.alert import Action, Alert, Unit
from tests.bots.build import BOT, NOW, where

PAGE = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"\(held: ([+-]?\d+) → `(\w+)`\).*?```json\n(.*?)```", PAGE, re.DOTALL)
DISTANCE = {"unit": "points", "value": 9}
FULL: dict[str, Any] = {
    "v": 1, "symbol": "MNQ1!", "action": "enter_long", "position": {"now": "long"}, "qty": {"value": 1},
    "order": {"type": "market"}, "stop": DISTANCE, "targets": [DISTANCE], "breakeven": {"trigger": DISTANCE, "offset": DISTANCE},
    "trail": {"distance": DISTANCE, "trigger": DISTANCE, "step": DISTANCE}, "policy": {"same": "add"},
    "accounts": [{"ref": "main"}],
}  # fmt: skip


def rows(heading: str) -> list[str]:
    """First cells of the table under a heading."""
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    return [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]


def named(heading: str) -> list[str]:
    return [name for cell in rows(heading) for name in re.findall(r"`([^`]+)`", cell)]


def test_every_field_that_is_read_stands_in_the_table_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: set[str] = set()
    take = Fields.take

    def noted(fields: Fields, name: str) -> object:
        taken.add(fields.path(name))
        return take(fields, name)

    monkeypatch.setattr(Fields, "take", noted)
    assert read_body(json.dumps(FULL).encode()).problem is None
    leaves = {re.sub(r"\[\d+\]", "[]", path) for path in taken}
    leaves = {re.sub(r"^((?:breakeven|trail)\.\w+)\.(?:unit|value)$", r"\1", path) for path in leaves}
    leaves -= {"position", "qty", "order", "stop", "targets", "breakeven", "trail", "policy", "accounts"}
    fields = named("Fields")
    assert sorted(fields) == sorted(leaves)
    assert {re.split(r"[.\[]", name)[0] for name in fields} == CANONICAL_KEYS


def test_every_action_and_every_unit_stands_in_its_table() -> None:
    assert sorted(named("Actions")) == sorted(Action)
    assert sorted(named("Units")) == sorted(Unit)


@pytest.mark.parametrize(("held", "becomes", "text"), EXAMPLES)
def test_an_example_becomes_what_the_page_says(held: str, becomes: str, text: str) -> None:
    reading = read_body(text.encode())
    assert reading.problem is None
    meaning = interpret(reading.alerts[0], BOT, where(int(held), avg_price=Decimal(21000)), NOW)
    assert isinstance(meaning, Wanted), meaning
    assert type(meaning.intent).__name__ == becomes
    assert not [text for text in meaning.warnings if "limit" not in text]


def test_every_example_is_tried() -> None:
    assert len(EXAMPLES) == PAGE.count("```json")


def test_an_alert_of_an_older_journal_is_read_and_its_flags_refuse_it() -> None:
    old = b'{"action":"enter_long","symbol":"MNQ1!","has_breakeven":true,"has_trail":true,"extras":{"trail":"{}"}}'
    message = msgspec.json.decode(old, type=Alert)
    meaning = interpret(message, BOT, where(), NOW)
    assert "breakeven, read by an older version, trail, read by an older version" in meaning.text  # type: ignore[union-attr]
