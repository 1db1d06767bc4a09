"""The main loop: drain the inbox, decide, journal the batch in one transaction, then act.

One task owns all trading state. When a commit fails, none of the batch's effects run and its messages get an error, so that
their senders repeat them. The rest of the batch, the venue's own reports and a person's order to flatten, is decided
again on the state of the journal with entries denied; what protects runs then, its records go to standard error and a side
file, and stay first in line for the next commit: protection outranks bookkeeping, and nothing is lost.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import msgspec
import structlog

from desk.core.clock import Clock
from desk.core.errors import StoreError, Unavailable
from desk.core.events import AlertReceived, ResyncRequested, Started, TimerFired
from desk.core.ids import new_cause_id
from desk.core.records import Record
from desk.engine import Context, Decision, Effect, Reduce, State, Submit, decide, fold
from desk.engine.snapshot import FORMAT, decode_state, encode_state
from desk.runtime.executor import Executor
from desk.runtime.inbox import Asked, Inbox
from desk.runtime.logs import log_records
from desk.store import Journal, write_unjournalled

__all__ = ["MainLoop"]

log = structlog.get_logger("desk.loop")

TROUBLE, MEANING = "journal", "alerts get 503, entries are denied, exits go on"
SNAPSHOT_EVERY = 5_000  # records
PROBE_S = 1.0  # how often a journal that failed is tried again when nothing else happens


class MainLoop:
    """Owns the state. ``context`` gives what a decision may look at besides it; ``publish`` hands the state to readers.

    troubles: where health reads that the journal cannot be written. go_on_after: told the time of the newest record at a start,
    before anything is decided; raises what ends it.
    """

    def __init__(
        self,
        journal: Journal,
        inbox: Inbox,
        clock: Clock,
        context: Callable[[bool], Context],
        publish: Callable[[State], None],
        data_dir: Path,
        troubles: MutableMapping[str, str] | None = None,
        go_on_after: Callable[[datetime], None] = lambda _: None,
    ) -> None:
        self._journal = journal
        self._troubles: MutableMapping[str, str] = {} if troubles is None else troubles
        self._go_on_after = go_on_after
        self._inbox = inbox
        self._clock = clock
        self._context = context
        self._publish = publish
        self._data_dir = data_dir
        self._pending: list[Record] = []  # could not be journalled, are in the state, and go first at the next commit
        self._failure = ""  # why the last commit failed
        self._committed = State()  # the fold of the journal up to _seq
        self._is_closing = False
        self._seq = 0
        self._snapshot_seq = 0
        self._probe: asyncio.TimerHandle | None = None
        self._saving: asyncio.Task[None] | None = None
        self.state = State()
        self.executor: Executor | None = None  # before it is there, decisions cannot want the gateway: nothing is known
        self._at_first: Sequence[Effect] = ()  # what the start itself asked for: its timers begin with the executor

    @property
    def is_journal_ok(self) -> bool:
        return not self._failure

    async def recover(self, mode: str, version: str) -> None:
        """Newest snapshot, plus the fold of what came after. Never decides again. Raises StoreError."""
        await self._load()
        cause = new_cause_id(self._clock.now(), os.urandom(10))
        started = Started(cause=cause, mode=mode, version=version, pid=os.getpid(), ts=self._clock.now())
        decision = decide(self.state, started, self._context(True))
        self._seq = await self._journal.append(decision.records)
        self._committed = self.state = decision.state
        self._at_first = decision.effects
        self._publish(self.state)
        log.info("journal.recovered", records=self._seq, open_plans=len(self.state.plans), held=len(self.state.held))

    async def _load(self) -> None:
        snapshot = await self._journal.newest_snapshot(FORMAT)
        state, seq = State(), 0
        if snapshot is not None:
            try:
                state, seq = decode_state(snapshot[1]), snapshot[0]
            except msgspec.DecodeError as problem:  # not of this format, or damaged
                log.warning("snapshot.unusable", problem=str(problem))
        rows = await self._journal.read(
            after_seq=max(0, seq - 1)
        )  # with the last one that the snapshot has, for its time
        if rows:
            self._go_on_after(rows[-1][1].ts)
        self.state = fold(state, (record for number, record in rows if number > seq))
        self._seq = rows[-1][0] if rows else seq
        self._snapshot_seq = seq

    async def run(self) -> None:
        """Ends after :meth:`close`, never in the middle of a batch; or with a broken invariant, which is logged."""
        try:
            await self._run()
        except Exception:
            log.exception(
                "loop.died", meaning="nothing is decided any more; the program ends and recovers at its start"
            )
            raise
        finally:
            if self._probe is not None:
                self._probe.cancel()
            self._inbox.close("the desk has stopped; nothing was done")

    async def _run(self) -> None:
        while not self._is_closing:
            batch = await self._inbox.drain()
            if self._inbox.overflowed:
                dropped, self._inbox.overflowed = self._inbox.overflowed, 0
                reason = f"{dropped} reports were dropped: the inbox was full"
                batch.append((ResyncRequested(reason=reason, ts=self._clock.now()), None))
            await self._turn(batch)
        while len(self._inbox):
            await self._turn(await self._inbox.drain())
        if self._saving is not None:
            await self._saving
        if self.is_journal_ok and self._seq > self._snapshot_seq:
            await self._save_snapshot()

    def close(self) -> None:
        """What is in the inbox is still decided and journalled; then a snapshot is saved and :meth:`run` ends."""
        self._is_closing = True
        self._inbox.put(TimerFired(key="closing", ts=self._clock.now()))

    async def _turn(self, batch: Sequence[Asked]) -> None:
        """One batch; whatever goes wrong with it, nobody waits for an answer for ever."""
        try:
            await self._decide_and_act(batch)
        finally:
            for _, answer in batch:
                if answer is not None and not answer.done():
                    answer.set_exception(Unavailable("the desk failed over this; look at the journal before a repeat"))

    async def _decide_and_act(self, batch: Sequence[Asked]) -> None:
        """Decide each event on the state that the ones before it made, commit once, act."""
        tried = list(batch)
        if not self.is_journal_ok:  # something to commit, and everything to be read again once it works
            tried.append((ResyncRequested(reason=f"the journal failed: {self._failure}", ts=self._clock.now()), None))
        state, decisions = self._decide(self.state, tried, self.is_journal_ok)
        records = [record for decision in decisions for record in decision.records]
        if records or self._pending:
            try:
                self._seq = await self._journal.append([*self._pending, *records])
            except StoreError as problem:
                await self._without_journal(batch, problem)
                return
            self._committed = state
        if self._failure:
            log.info("journal.healed", written_late=len(self._pending))
            self._pending, self._failure = [], ""
            self._troubles.pop(TROUBLE, None)
        self._act(tried, state, decisions, records)
        if self._seq - self._snapshot_seq >= SNAPSHOT_EVERY and (self._saving is None or self._saving.done()):
            self._saving = asyncio.create_task(self._save_snapshot(), name="snapshot")

    def _decide(self, state: State, batch: Sequence[Asked], is_journal_ok: bool) -> tuple[State, list[Decision]]:
        decisions: list[Decision] = []
        in_flight = set(self.executor.in_flight) if self.executor is not None else set()
        for event, _ in batch:
            decision = decide(state, event, replace(self._context(is_journal_ok), in_flight=in_flight))
            state = decision.state
            in_flight |= {one.answers_to for one in decision.effects if isinstance(one, Submit | Reduce)}
            decisions.append(decision)
        return state, decisions

    def _act(
        self, batch: Sequence[Asked], state: State, decisions: Sequence[Decision], records: Sequence[Record]
    ) -> None:
        self.state = state
        self._publish(state)
        for (event, answer), decision in zip(batch, decisions, strict=True):
            self._carry_out(decision.effects)
            if answer is not None and not answer.done():
                assert decision.verdict is not None, f"{type(event).__name__} was asked and got no verdict"
                answer.set_result(decision.verdict)
        _after_what_goes_out(log_records, records)

    def _carry_out(self, effects: Sequence[Effect]) -> None:
        if self.executor is not None:
            at_first, self._at_first = self._at_first, ()
            self.executor.carry_out([*at_first, *effects])

    # -- the journal cannot be written ---------------------------------------------------------------------------------

    async def _without_journal(self, batch: Sequence[Asked], problem: StoreError) -> None:
        """None of the batch's effects run and its messages are refused. What may protect is decided again."""
        if not self._failure:
            log.error("journal.failed", problem=str(problem), meaning=MEANING)
        self._failure = str(problem)
        self._troubles[TROUBLE] = f"{problem}; {MEANING}"
        await self._rebuild()
        for event, answer in batch:
            if answer is not None and isinstance(event, AlertReceived) and not answer.done():
                answer.set_exception(problem)
        protective = [(event, answer) for event, answer in batch if not isinstance(event, AlertReceived)]
        state, decisions = self._decide(self.state, protective, is_journal_ok=False)
        records = [record for decision in decisions for record in decision.records]
        assert not any(isinstance(effect, Submit) for decision in decisions for effect in decision.effects), (
            "an entry was approved although the journal is down"
        )
        if records:
            write_unjournalled(self._data_dir, records, str(problem))
            self._pending += records
        self._act(protective, state, decisions, records)
        if self._probe is not None:
            self._probe.cancel()
        probe = TimerFired(key="journal", ts=self._clock.now())
        self._probe = asyncio.get_running_loop().call_later(PROBE_S, self._inbox.put, probe)

    async def _rebuild(self) -> None:
        """From the journal: it may have kept what it reported as failed. Then that counts, and its senders' repeats are
        duplicates; its effects never ran, so the coming reconciliation settles them as after a kill."""
        try:
            landed = await self._journal.read(after_seq=self._seq)
        except StoreError:
            return  # cannot be read either: what is in memory is what was last committed, and what waits
        if landed:
            self._seq = landed[-1][0]
            self._committed = self.state = fold(self._committed, (record for _, record in landed))
            self._pending = []

    async def _save_snapshot(self) -> None:
        """A convenience for the next start: its failure costs time then, nothing else. The state is a frozen value, so a
        thread may encode it while the next one is being made."""
        seq, state = self._seq, self.state
        self._snapshot_seq = seq  # also when it fails: the next one is due in its time
        try:
            await self._journal.save_snapshot(seq, FORMAT, await asyncio.to_thread(encode_state, state))
        except StoreError as problem:
            log.warning("snapshot.failed", problem=str(problem))


def _after_what_goes_out(work: Callable[[Sequence[Record]], None], records: Sequence[Record]) -> None:
    """Three rounds of the event loop later: the lanes' writes to the gateway are on the wire by then."""
    loop = asyncio.get_running_loop()
    loop.call_soon(loop.call_soon, loop.call_soon, work, records)
