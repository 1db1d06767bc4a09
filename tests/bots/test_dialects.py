"""What messages of other bridges ask for: golden bodies -> intents, by what is held (TradingView reference 10 and 13)."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from desk.bots import Meaning, Wanted, interpret
from tests.alerts.test_dialects_json import goldens, read
from tests.alerts.test_golden import without_blanks
from tests.bots.build import BOT, NOW, where

HELD = (0, 2, -2)
LIMITS = ("max_position", "fresh_until")  # of the bot, the same everywhere


def told(meaning: Meaning) -> Any:
    """An intent without what is empty, or the reason why there is none."""
    if not isinstance(meaning, Wanted):
        return f"{type(meaning).__name__} {meaning.reason}"
    made = json.loads(msgspec.json.encode(meaning.intent))
    for entry in (made, made.get("enter", {})):
        for name in LIMITS:
            entry.pop(name, None)
    return without_blanks(made)


def becomes(body: bytes) -> dict[str, Any]:
    """By the position that is held: one meaning for each alert of the body."""
    alerts = read(body).alerts
    return {
        f"{held:+d}": [told(interpret(alert, BOT, where(held, avg_price=Decimal(21000)), NOW)) for alert in alerts]
        for held in HELD
    }


@pytest.mark.parametrize("path", goldens(), ids=lambda path: path.stem)
def test_a_golden_body_becomes_what_is_written_down(path: Path) -> None:
    expected = json.loads(path.with_suffix(".expected.json").read_text(encoding="utf-8"))
    assert becomes(path.read_bytes()) == expected["becomes"]
