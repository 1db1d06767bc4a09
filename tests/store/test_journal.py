"""What was appended is there, in order, and is found again by cause, by time and by alert."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from desk.core.errors import ConfigError, StoreError
from desk.core.ids import AccountId, CauseId
from desk.core.records import AlertDecided, Record, Verdict, VerdictKind, WouldHaveSent
from desk.store import Journal, login_key, open_journal
from tests.store.samples import ACCEPTED, BUY, HELD, T0, alerted, incident


async def test_records_come_back_in_order_with_their_seq(journal: Journal) -> None:
    assert await journal.last_seq() == 0
    records = [incident(f"c{n}") for n in range(5)]
    assert await journal.append(records[:2]) == 2
    assert await journal.append(records[2:]) == 5
    assert await journal.append([]) == 5
    assert await journal.read() == list(enumerate(records, start=1))
    assert await journal.read(after_seq=3) == [(4, records[3]), (5, records[4])]


async def test_a_journal_outlives_its_process_and_leaves_no_thread_and_no_wal_file(tmp_path: Path) -> None:
    async with open_journal(tmp_path / "deep" / "with #, % and ä") as journal:
        await journal.append([incident("one")])
    async with open_journal(tmp_path / "deep" / "with #, % and ä") as journal:
        assert [record for _, record in await journal.read()] == [incident("one")]
    assert [path.name for path in (tmp_path / "deep" / "with #, % and ä").iterdir()] == ["journal.sqlite3"]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("journal")]


async def test_a_closed_journal_says_so(tmp_path: Path) -> None:
    async with open_journal(tmp_path) as journal:
        pass
    with pytest.raises(StoreError, match="closed"):
        await journal.append([incident("late")])


async def test_every_commit_reaches_the_disk(journal: Journal) -> None:
    def settings(name: str) -> object:
        from desk.store.database import connect

        with connect(journal.path, writes=True) as connection:
            return connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()

    expected = {"journal_mode": "wal", "synchronous": 2, "fullfsync": 1, "foreign_keys": 1}
    assert {name: settings(name) for name in expected} == expected


async def test_a_cancelled_append_is_whole_or_absent_and_the_journal_goes_on(journal: Journal) -> None:
    for turns in range(6):
        batch = [incident(f"batch {turns}", str(n)) for n in range(5)]
        task = asyncio.create_task(journal.append(batch))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await journal.append([incident("after")])
    stories = [await journal.story(f"batch {turns}") for turns in range(6)]
    assert {len(story) for story in stories} <= {0, 5}
    assert len(await journal.story("after")) == 1


async def test_a_read_does_not_wait_for_a_commit(journal: Journal) -> None:
    await journal.append([incident("first")])
    with closing(sqlite3.connect(journal.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert len(await journal.read()) == 1


async def test_a_story_is_everything_of_one_cause(journal: Journal) -> None:
    await journal.append([alerted("A", HELD, alert=BUY), incident("other"), incident("A", "first")])
    await journal.append([incident("A", "second", after_s=-5)])  # a clock that was set back: the commit order counts
    story = await journal.story("A")
    assert [row.seq for row in story] == [1, 3, 4]
    assert [row.type for row in story] == ["AlertJournalled", "IncidentRaised", "IncidentRaised"]
    assert story[1].record == incident("A", "first")
    assert await journal.story("nobody") == []


async def test_between_takes_the_start_and_leaves_the_end(journal: Journal) -> None:
    await journal.append([incident(str(n), after_s=n) for n in range(5)])
    found = await journal.between(T0 + timedelta(seconds=1), T0 + timedelta(seconds=4), limit=10)
    assert [row.cause for row in found] == ["1", "2", "3"]
    assert [row.cause for row in await journal.between(T0, T0 + timedelta(days=1), limit=2)] == ["0", "1"]


async def test_a_row_names_the_account_of_its_record(journal: Journal) -> None:
    sent = WouldHaveSent(cause=CauseId("A"), account_id=AccountId(7), text="buy 1 MNQ", ts=T0)
    await journal.append([sent, incident("A")])
    assert [row.account_id for row in await journal.story("A")] == [7, None]


# --- alerts ----------------------------------------------------------------------------------------------------------


async def test_an_alert_and_its_newest_verdict_are_found(journal: Journal) -> None:
    await journal.append([alerted("A", HELD, alert=BUY)])
    row = await journal.alert("A")
    assert row is not None
    assert (row.alert_id, row.ts, row.bot, row.alert, row.verdict) == ("A", T0, "default", BUY, "held")
    await journal.append([AlertDecided(cause=CauseId("A"), verdict=ACCEPTED, ts=T0)])
    row = await journal.alert("A")
    assert row is not None
    assert (row.verdict, row.reason, row.text, row.of) == ("accepted", "", "", None)
    assert await journal.alert("B") is None


async def test_a_verdict_in_the_alerts_own_batch_counts(journal: Journal) -> None:
    await journal.append([alerted("A", HELD), AlertDecided(cause=CauseId("A"), verdict=ACCEPTED, ts=T0)])
    row = await journal.alert("A")
    assert row is not None
    assert (row.verdict, row.alert) == ("accepted", None)


async def test_a_duplicate_names_the_first_one(journal: Journal) -> None:
    await journal.append([alerted("A", ACCEPTED, alert=BUY)])
    await journal.append([alerted("B", Verdict(kind=VerdictKind.DUPLICATE, of=CauseId("A")), alert=BUY)])
    row = await journal.alert("B")
    assert row is not None
    assert row.of == "A"


async def test_recent_alerts_are_paged_newest_first_without_losing_equal_times(journal: Journal) -> None:
    await journal.append([alerted(f"A{n}", ACCEPTED, after_s=n // 3) for n in range(9)])
    pages, before = [], None
    while page := await journal.recent_alerts(2, before):
        pages += [row.alert_id for row in page]
        before = page[-1].alert_id
    assert pages == [f"A{n}" for n in reversed(range(9))]
    assert await journal.recent_alerts(2, before="nobody") == []


async def test_an_alert_is_journalled_once_or_its_batch_not_at_all(journal: Journal) -> None:
    await journal.append([alerted("A", ACCEPTED)])
    with pytest.raises(StoreError, match="UNIQUE"):
        await journal.append([incident("with it"), alerted("A", HELD)])
    assert await journal.last_seq() == 1


@pytest.mark.parametrize("size", [1, 2, 49, 50, 51, 130])
async def test_a_batch_of_any_size_keeps_its_order_and_all_its_alerts(journal: Journal, size: int) -> None:
    await journal.append([incident("before")])
    batch: list[Record] = []
    for n in range(size):
        batch += [alerted(f"A{n:03}", HELD, after_s=n), incident(f"A{n:03}")]
    batch.append(AlertDecided(cause=CauseId(f"A{size - 1:03}"), verdict=ACCEPTED, ts=T0))
    assert await journal.append(batch) == 1 + len(batch)
    assert await journal.read(after_seq=1) == list(enumerate(batch, start=2))
    rows = await journal.recent_alerts(1_000)
    assert [row.alert_id for row in rows] == [f"A{n:03}" for n in reversed(range(size))]
    assert [row.verdict for row in rows] == ["accepted", *["held"] * (size - 1)]


async def test_a_batch_that_fails_in_its_last_statement_leaves_nothing(journal: Journal) -> None:
    await journal.append([alerted("A", ACCEPTED)])
    batch = [alerted(f"B{n}", ACCEPTED) for n in range(120)]
    with pytest.raises(StoreError, match="UNIQUE"):
        await journal.append([*batch, alerted("A", HELD)])
    assert await journal.last_seq() == 1
    assert [row.alert_id for row in await journal.recent_alerts(1_000)] == ["A"]
    assert await journal.append(batch) == 121
    assert [seq for seq, _ in await journal.read(after_seq=1)] == list(range(2, 122))


# --- snapshots and login ---------------------------------------------------------------------------------------------


async def test_the_newest_snapshot_of_a_format_and_the_records_after_it_are_the_state(journal: Journal) -> None:
    await journal.append([incident(str(n)) for n in range(9)])
    assert await journal.newest_snapshot(1) is None
    for seq in (2, 4, 6):
        await journal.save_snapshot(seq, 1, b"\x00state %d" % seq)
    await journal.save_snapshot(8, 2, b"another format")
    assert await journal.newest_snapshot(1) == (6, b"\x00state 6")
    assert await journal.newest_snapshot(2) == (8, b"another format")
    assert [seq for seq, _ in await journal.read(after_seq=6)] == [7, 8, 9]
    with closing(sqlite3.connect(journal.path)) as other:
        assert other.execute("SELECT seq FROM snapshots ORDER BY seq").fetchall() == [(4,), (6,), (8,)]


async def test_a_snapshot_may_be_taken_again_but_not_of_records_that_are_not_there(journal: Journal) -> None:
    await journal.append([incident("one")])
    await journal.save_snapshot(1, 1, b"first")
    await journal.save_snapshot(1, 1, b"second")
    assert await journal.newest_snapshot(1) == (1, b"second")
    with pytest.raises(StoreError, match="no such record"):
        await journal.save_snapshot(2, 1, b"from the future")


async def test_a_journal_belongs_to_one_login(tmp_path: Path) -> None:
    mine = login_key("https://api.example.com", "me")
    async with open_journal(tmp_path) as journal:
        await journal.claim("paper")
        await journal.claim("paper")
    async with open_journal(tmp_path) as journal:
        with pytest.raises(ConfigError, match=r"paper trading.*another DATA_DIR"):
            await journal.claim(mine)
        await journal.append([incident("still usable")])
