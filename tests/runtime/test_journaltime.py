"""After a clock that was ahead: what happens now is not older than what the journal says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from desk.core.errors import ConfigError
from desk.engine.snapshot import FORMAT, encode_state
from desk.engine.state import State
from desk.gateway.config import SystemClock
from desk.runtime import Inbox, MainLoop
from desk.runtime.journaltime import FARTHEST, go_on_after
from desk.store import open_journal
from tests.runtime.test_loop import CLOCK, Loop


@pytest.fixture(autouse=True)
def _time_of_this_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SystemClock, "_told", (0.0, 0.0))


def test_time_goes_on_after_the_newest_record() -> None:
    newest = datetime.now(UTC) + timedelta(minutes=10)
    go_on_after(newest)
    assert newest <= CLOCK.now() < newest + timedelta(minutes=1)


def test_a_journal_of_the_past_changes_nothing() -> None:
    go_on_after(datetime.now(UTC) - timedelta(days=3))
    assert abs(CLOCK.now() - datetime.now(UTC)) < timedelta(seconds=5)


def test_one_that_is_hours_ahead_ends_the_start_and_says_what_to_do() -> None:
    with pytest.raises(ConfigError, match=r"3\.0 h ahead of this computer's clock\. Set the clock right"):
        go_on_after(datetime.now(UTC) + FARTHEST + timedelta(hours=1))


@pytest.mark.parametrize("has_snapshot", [False, True])
async def test_a_start_asks_before_anything_is_decided(tmp_path: Path, has_snapshot: bool) -> None:
    async with open_journal(tmp_path) as journal:
        loop = Loop(journal, tmp_path)
        await loop.main.recover("paper", "0")
        written = await journal.read()
        if has_snapshot:
            await journal.save_snapshot(written[-1][0], FORMAT, encode_state(loop.main.state))
        asked: list[datetime] = []
        again = MainLoop(journal, Inbox(), CLOCK, loop.context, lambda _: None, tmp_path, go_on_after=asked.append)
        await again.recover("paper", "0")
        assert asked == [written[-1][1].ts]
        assert again.state != State()
