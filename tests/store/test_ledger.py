"""Fills and ends of positions are found by time, without a look at anything else."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from desk.core.records import ExitExplained
from desk.store import Journal, open_journal
from tests.ledger.samples import ACCOUNT, CAUSE, MNQ, T0, closed, fill
from tests.store.samples import incident

MINUTE = timedelta(minutes=1)


async def test_the_ledgers_records_come_back_oldest_first_and_nothing_else(journal: Journal) -> None:
    explained = ExitExplained(
        cause=CAUSE, account_id=ACCOUNT, contract_id=MNQ.contract_id, reason=closed(0).reason, ts=T0 + 4 * MINUTE
    )
    records = [fill(2, "sell", 1, "21010", "20"), fill(1, "buy", 1, "21000"), closed(180), incident("c"), explained]
    await journal.append(records)
    assert await journal.ledger(T0, T0 + 5 * MINUTE) == [records[1], records[0], records[2], explained]
    assert await journal.ledger(T0 + 2 * MINUTE, T0 + 3 * MINUTE) == [records[0]]


async def test_a_question_about_a_day_reads_the_fills_of_that_day_only(journal: Journal) -> None:
    """A record that cannot be read fails whoever reads it; of another time or kind, nobody does."""
    await journal.append([fill(1, "buy", 1, "21000"), fill(2000, "buy", 1, "21000"), incident("c")])
    with closing(sqlite3.connect(journal.path)) as raw:
        raw.execute("UPDATE journal SET body = '{' WHERE seq > 1")
        raw.commit()
    assert len(await journal.ledger(T0, T0 + timedelta(days=1))) == 1


async def test_a_journal_from_before_the_index_gets_it_and_keeps_its_format(tmp_path: Path) -> None:
    async with open_journal(tmp_path) as journal:
        await journal.append([fill(1, "buy", 1, "21000")])
        path = journal.path
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("DROP INDEX journal_ledger_by_ts")
        raw.commit()
    async with open_journal(tmp_path) as journal:
        assert len(await journal.ledger(T0, T0 + timedelta(days=1))) == 1
    with closing(sqlite3.connect(path)) as raw:
        names = {name for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}
        assert "journal_ledger_by_ts" in names
        assert raw.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone() == ("1",)
