"""JSON messages of other bridges -> our own form (TradingView reference 10; docs/dialects.md). Golden files are rewritten by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from desk.alerts import DialectTerms, Reading, read_body
from tests.alerts.test_golden import without_blanks

GOLDEN = Path(__file__).parent / "golden" / "dialects"
MINE = ("traderspost", "pickmytrade", "threecommas", "topstepbot", "minimal", "robswc")
TERMS = DialectTerms(pickmytrade_dollar="points")


def goldens() -> list[Path]:
    every = sorted(GOLDEN.glob("*.json"))
    return [path for path in every if path.stem.split("_")[0] in MINE and not path.name.endswith(".expected.json")]


def read(message: Any, terms: DialectTerms = TERMS) -> Reading:
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    return read_body(body, (), lambda secret: terms)


def canonical(body: bytes) -> dict[str, Any]:
    reading = read(body)
    return {
        "alerts": [without_blanks(json.loads(msgspec.json.encode(alert))) for alert in reading.alerts],
        "problem": reading.problem,
    }


@pytest.mark.parametrize("path", goldens(), ids=lambda path: path.stem)
def test_a_golden_body_reads_as_written_down(path: Path) -> None:
    expected = json.loads(path.with_suffix(".expected.json").read_text(encoding="utf-8"))
    assert canonical(path.read_bytes()) == {name: expected[name] for name in ("alerts", "problem")}
