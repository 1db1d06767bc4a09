"""Raw body -> canonical form, as files. A golden file is rewritten by hand, after reading the difference."""

import json
from pathlib import Path

import msgspec
import pytest

from desk.alerts import read_body

GOLDEN = Path(__file__).parent / "golden"
RAW = sorted(path for path in GOLDEN.glob("*.json") if not path.name.endswith(".expected.json"))


def without_blanks(value: object) -> object:
    if isinstance(value, dict):
        return {
            name: kept for name, inner in value.items() if (kept := without_blanks(inner)) not in (None, [], {}, False)
        }
    return [without_blanks(inner) for inner in value] if isinstance(value, list) else value


def canonical(body: bytes) -> object:
    reading = read_body(body)
    return {
        "alerts": [without_blanks(json.loads(msgspec.json.encode(alert))) for alert in reading.alerts],
        "problem": reading.problem,
        "raw": reading.raw,
        "has_time": reading.has_time,
    }


def test_there_are_golden_files() -> None:
    assert len(RAW) >= 8


@pytest.mark.parametrize("path", RAW, ids=lambda path: path.stem)
def test_a_golden_body_reads_as_written_down(path: Path) -> None:
    expected = json.loads(path.with_suffix(".expected.json").read_text(encoding="utf-8"))
    assert canonical(path.read_bytes()) == expected
