"""An alert written down again says what it said."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from desk.alerts import read_body
from desk.alerts.written import written
from desk.core.alert import Alert

GOLDEN = sorted(
    path
    for path in (Path(__file__).parent / "golden").rglob("*.json")
    if ".expected" not in path.name and read_body(path.read_bytes()).alerts
)


def bare(alert: Alert) -> Alert:
    """In our own form, without what is kept as text, and without what only the reading of the first text had to say."""
    policy = msgspec.structs.replace(alert.policy, window=None)
    return msgspec.structs.replace(alert, warnings=(), extras={}, policy=policy, is_text=False, dialect="desk")


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_reading_it_again_gives_the_same_alert(path: Path) -> None:
    for alert in read_body(path.read_bytes()).alerts:
        said = msgspec.json.Encoder(decimal_format="number").encode(written(bare(alert)))
        again = read_body(said)
        assert again.problem is None
        assert bare(again.alerts[0]) == bare(alert)


def test_what_was_not_said_is_left_out() -> None:
    (alert,) = read_body(
        b'{"v":1,"action":"exit","symbol":"MNQ1!","qty":"","stop":{"unit":"points","value":"na"}}'
    ).alerts
    assert written(alert) == {"v": 1, "symbol": "MNQ1!", "action": "exit"}
