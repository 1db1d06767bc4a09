"""The main loop on a real journal: one commit for many, and what happens when the commit fails."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from desk.bots import BotConfig
from desk.core.errors import StoreError, Unavailable
from desk.core.events import AccountReported, FlattenRequested, HubChanged
from desk.core.ids import new_cause_id
from desk.core.records import AlertJournalled, Record, ResyncStarted, Verdict
from desk.engine import Context, Effect, StartTimer
from desk.engine.snapshot import FORMAT
from desk.engine.watchdog import LOOKS_EVERY_S, WATCHDOG
from desk.gateway.config import SystemClock
from desk.runtime import Inbox, MainLoop
from desk.store import Journal, open_journal
from tests.daemon import until
from tests.runtime.words import ACCOUNT, MNQ, alert_event, snapshot

CLOCK = SystemClock()


class Loop:
    """A main loop with its inbox, running; without hands: what it decided is looked at in its state."""

    def __init__(self, journal: Journal, folder: Path, inbox: Inbox | None = None) -> None:
        self.journal = journal
        self.inbox = Inbox() if inbox is None else inbox
        self.published = 0
        self.fails = False
        self.main = MainLoop(journal, self.inbox, CLOCK, self.context, self._publish, folder)

    def context(self, is_journal_ok: bool) -> Context:
        assert not self.fails, "a broken invariant"
        bot = BotConfig(
            name="default",
            account_id=ACCOUNT.account_id,
            symbols=frozenset({"MNQ"}),
            default_qty=1,
            max_position=4,
            max_alert_age_s=15,
            takes_delayed_data=True,
        )
        contracts = {MNQ.contract_id: MNQ}
        return Context(now=CLOCK.now(), bots={bot.name: bot}, contracts=contracts, is_journal_ok=is_journal_ok)

    def _publish(self, _: object) -> None:
        self.published += 1

    async def reconcile(self) -> None:
        """The account is known and agrees: entries are possible."""
        self.inbox.put(AccountReported(account=ACCOUNT, ts=CLOCK.now()))
        self.inbox.put(HubChanged(is_up=True, reason="connected", ts=CLOCK.now()))
        while not self.main.state.is_reconciled(ACCOUNT.account_id):
            self.inbox.put(snapshot(CLOCK.now()))
            await asyncio.sleep(0.01)

    async def ask(self, number: int, action: str = "note") -> Verdict:
        return await self.inbox.ask(alert_event(number, CLOCK.now(), action))


@asynccontextmanager
async def running(journal: Journal, folder: Path, inbox: Inbox | None = None) -> AsyncIterator[Loop]:
    loop = Loop(journal, folder, inbox)
    await loop.main.recover("paper", "test")
    task = asyncio.create_task(loop.main.run(), name="main loop")
    try:
        yield loop
    finally:
        loop.main.close()
        await task


class CountingJournal(Journal):
    """The real one; ``appends`` counts its transactions, ``says_failed`` makes one that lands report a failure."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.appends: list[int] = []
        self.says_failed = False

    async def append(self, records: Sequence[Record]) -> int:
        self.appends.append(len(records))
        seq = await super().append(records)
        if self.says_failed:
            self.says_failed = False
            raise StoreError("the answer of the disk got lost")
        return seq


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[CountingJournal]:
    async with open_journal(tmp_path):  # makes the file
        pass
    counting = CountingJournal(tmp_path / "journal.sqlite3")
    await counting._open()
    try:
        yield counting
    finally:
        await counting._close()


@pytest.fixture
async def loop(journal: CountingJournal, tmp_path: Path) -> AsyncIterator[Loop]:
    async with running(journal, tmp_path) as one:
        yield one


@contextmanager
def locked(journal: Journal) -> Iterator[None]:
    """Another program holds the file."""
    with closing(sqlite3.connect(journal.path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        try:
            yield
        finally:
            other.execute("ROLLBACK")


async def kept(journal: Journal) -> list[Record]:
    return [record for _, record in await journal.read()]


async def test_many_alerts_share_few_commits_and_keep_their_order(loop: Loop, journal: CountingJournal) -> None:
    journal.appends.clear()
    await asyncio.gather(*(loop.ask(number) for number in range(300)))
    assert len(journal.appends) <= 5, journal.appends
    alerts = [record.alert.dedupe_key for record in await kept(journal) if isinstance(record, AlertJournalled)]
    assert alerts == [f"key-{number}" for number in range(300)]


async def test_an_answer_comes_after_its_commit(loop: Loop, journal: CountingJournal) -> None:
    await loop.ask(1)
    with closing(sqlite3.connect(journal.path)) as other:
        assert other.execute("SELECT count(*) FROM alerts").fetchone() == (1,)


async def test_one_batch_is_decided_in_order_on_its_own_outcomes(loop: Loop) -> None:
    await loop.reconcile()
    first, again, second = await asyncio.gather(
        loop.ask(1, "enter_long"), loop.ask(1, "enter_long"), loop.ask(2, "enter_long")
    )
    assert [verdict.kind.value for verdict in (first, again, second)] == ["accepted", "duplicate", "ignored"]


async def test_a_locked_journal_refuses_alerts_and_changes_nothing(loop: Loop, journal: CountingJournal) -> None:
    await loop.reconcile()
    before = loop.main.state
    with locked(journal):
        with pytest.raises(StoreError):
            await loop.ask(1, "enter_long")
        assert not loop.main.is_journal_ok
        assert (loop.main.state.orders, loop.main.state.seen) == (before.orders, before.seen)
    await until(lambda: loop.main.is_journal_ok)  # its own probe finds out
    assert not any(isinstance(record, AlertJournalled) for record in await kept(journal))
    await loop.reconcile()
    assert (await loop.ask(1, "enter_long")).kind.value == "accepted", "the sender's repeat is no duplicate"


async def test_what_protects_goes_on_without_a_journal_and_is_written_late(
    loop: Loop, journal: CountingJournal, tmp_path: Path
) -> None:
    await loop.reconcile()
    with locked(journal):
        cause = new_cause_id(CLOCK.now(), bytes(10))
        flatten = FlattenRequested(cause=cause, account_id=None, contract_id=None, by="console", ts=CLOCK.now())
        verdict = await loop.inbox.ask(flatten)
        assert verdict.kind.value == "accepted"
        assert verdict.plan_id in loop.main.state.plans
        assert cause in (tmp_path / "unjournalled.jsonl").read_text()
    await until(lambda: loop.main.is_journal_ok)
    assert any(record.cause == cause for record in await kept(journal)), "it was first in line when the disk was back"


async def test_a_commit_that_landed_although_it_failed_counts(loop: Loop, journal: CountingJournal) -> None:
    await loop.reconcile()
    journal.says_failed = True
    with pytest.raises(StoreError):
        await loop.ask(1, "enter_long")
    again = await loop.ask(1, "enter_long")
    assert again.kind.value == "duplicate"
    assert len(loop.main.state.orders) == 1


async def test_the_folded_journal_is_the_live_state(loop: Loop, journal: CountingJournal, tmp_path: Path) -> None:
    await loop.reconcile()
    await asyncio.gather(*(loop.ask(number, "enter_long") for number in range(5)))
    journal.says_failed = True
    with pytest.raises(StoreError):
        await loop.ask(10, "enter_short")
    await loop.ask(11)
    live = loop.main.state
    async with open_journal(tmp_path) as second:
        other = MainLoop(second, Inbox(), CLOCK, loop.context, lambda _: None, tmp_path)
        await other._load()
    assert other.state == live


async def test_a_snapshot_saves_the_fold_of_everything_before(journal: CountingJournal, tmp_path: Path) -> None:
    async with running(journal, tmp_path) as loop:
        await loop.reconcile()
        await loop.ask(1, "enter_long")
    snapshot_seq, _ = await journal.newest_snapshot(FORMAT) or (0, b"")
    assert snapshot_seq == await journal.last_seq()
    async with running(journal, tmp_path) as second:
        assert (await second.ask(1, "enter_long")).kind.value == "duplicate"
        assert len(second.main.state.orders) == 1


async def test_a_broken_invariant_ends_the_loop_and_nobody_waits_for_ever(
    journal: CountingJournal, tmp_path: Path
) -> None:
    loop = Loop(journal, tmp_path)
    await loop.main.recover("paper", "test")
    task = asyncio.create_task(loop.main.run(), name="main loop")
    await loop.ask(1)
    loop.fails = True
    answers = await asyncio.gather(*(loop.ask(number) for number in (2, 3)), return_exceptions=True)
    assert all(isinstance(answer, Unavailable) for answer in answers), answers
    with pytest.raises(AssertionError, match="broken invariant"):
        await task
    with pytest.raises(Unavailable, match="stopped"):
        await loop.ask(4)


async def test_reports_that_did_not_fit_make_the_account_be_read_again(
    journal: CountingJournal, tmp_path: Path
) -> None:
    async with running(journal, tmp_path, Inbox(limit=10)) as loop:
        await loop.reconcile()
        for _ in range(50):
            loop.inbox.put(AccountReported(account=ACCOUNT, ts=CLOCK.now()))
        await until(lambda: not loop.main.state.is_reconciled(ACCOUNT.account_id))
    reasons = [record.reason for record in await kept(journal) if isinstance(record, ResyncStarted)]
    assert reasons == ["40 reports were dropped: the inbox was full"]


async def test_what_the_start_asked_for_is_carried_out_as_soon_as_there_are_hands(loop: Loop) -> None:
    """Cause: its timers were dropped, for the hands come after the recovery; the watchdog never began."""
    asked: list[Effect] = []
    loop.main.executor = SimpleNamespace(carry_out=asked.extend, in_flight=frozenset())  # type: ignore[assignment]
    await loop.ask(1)
    await loop.ask(2)
    assert [effect for effect in asked if isinstance(effect, StartTimer)] == [StartTimer(WATCHDOG, LOOKS_EVERY_S)]
