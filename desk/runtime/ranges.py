"""The average true range of the contracts that may be traded, kept warm from closed bars.

Read in the background once the desk is ready, and again when a bar has closed: one request per contract and bar, none where
history has the bars anyway. A read that fails is tried again with a growing pause. Nothing waits for it: what is not known is
refused by name.

The venue's closed hours make nothing old: over the daily pause and the weekend the last bars count, and so they do in a new
session until two bars and a minute of it have passed.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import structlog

from desk.core.clock import Clock
from desk.core.errors import DeskError
from desk.core.ids import ContractId
from desk.core.timeframe import Timeframe, parse_timeframe
from desk.market import average_true_range, cme_open_since
from desk.runtime.history import HistoryService

__all__ = ["Ranges"]

log = structlog.get_logger("desk.ranges")

GRACE = timedelta(seconds=2.5)  # after a bar's end, a little more than history's own: then it is final
LOOK_AGAIN_S = 5.0  # at the latest: contracts may come and go, and the computer may have slept
FIRST_PAUSE_S = 5.0
LONGEST_PAUSE_S = 120.0
_A_MINUTE = timedelta(minutes=1)
_AT_ONCE = 2  # a person's `history` goes in between


@dataclass(slots=True)
class _Known:
    """points, ends_at: of the newest bars that were read; None: none yet. bar: which one was read for. tries: failed ones."""

    points: Decimal | None = None
    ends_at: datetime | None = None
    bar: int | None = None
    tries: int = 0
    next_try: float = 0.0  # monotonic


class Ranges:
    """wanted: the contracts to keep warm, asked for again and again. open_since: see ``cme_open_since``."""

    def __init__(
        self,
        history: HistoryService,
        clock: Clock,
        *,
        period: int = 14,
        timeframe: str = "5m",
        wanted: Callable[[], Collection[ContractId]] = tuple,
        open_since: Callable[[datetime], datetime | None] = cme_open_since,
    ) -> None:
        self._history = history
        self._clock = clock
        self._period = period
        self._timeframe: Timeframe = parse_timeframe(timeframe)
        assert self._timeframe.is_on_the_hour, "the ends of longer bars follow the session"
        self._wanted = wanted
        self._open_since = open_since
        self._known: dict[ContractId, _Known] = {}
        self._gate = asyncio.Semaphore(_AT_ONCE)

    @property
    def name(self) -> str:
        return f"ATR({self._period}, {self._timeframe})"

    def get(self, contract_id: ContractId) -> Decimal | None:
        """Points. None: not read yet, too few bars, or older than two bars and a minute of open market."""
        known = self._known.get(contract_id)
        if known is None or known.points is None or known.ends_at is None:
            return None
        now = self._clock.now()
        session = self._open_since(now)
        is_old = session is not None and now - max(known.ends_at, session) > self._timeframe.step * 2 + _A_MINUTE
        return None if is_old else known.points

    async def read(self, contract_id: ContractId) -> Decimal | None:
        """The same for whoever can wait: bars of a contract that is not kept warm are read now. Cancelling is safe."""
        points = self.get(contract_id)
        if points is None:
            await self._read(contract_id, self._bar())
            points = self.get(contract_id)
        return points

    async def run(self) -> None:
        """Keeps them warm. Ends when cancelled."""
        while True:
            bar = self._bar()
            due = [contract_id for contract_id in self._wanted() if self._is_due(contract_id, bar)]
            async with asyncio.TaskGroup() as tasks:
                for contract_id in due:
                    tasks.create_task(self._read(contract_id, bar), name=f"atr {contract_id}")
            await asyncio.sleep(min(LOOK_AGAIN_S, self._until_next_bar_s()))

    def _is_due(self, contract_id: ContractId, bar: int) -> bool:
        known = self._known.get(contract_id)
        return known is None or (known.bar != bar and self._clock.monotonic() >= known.next_try)

    def _bar(self) -> int:
        """The number of the newest bar that is surely closed."""
        return int((self._clock.now() - GRACE).timestamp() // self._timeframe.step.total_seconds())

    def _until_next_bar_s(self) -> float:
        step = self._timeframe.step.total_seconds()
        return step - (self._clock.now() - GRACE).timestamp() % step

    async def _read(self, contract_id: ContractId, bar: int) -> None:
        known = self._known.setdefault(contract_id, _Known())
        try:
            async with self._gate:
                reply = await self._history.bars(
                    contract_id, self._timeframe, self._period + 1, partial=False, is_asked=False
                )
        except DeskError as error:
            self._failed(contract_id, known, str(error))
            return
        if reply.problem is not None:  # the last of the older bars may have been read while it was forming
            self._failed(contract_id, known, reply.problem)
            return
        if reply.bars:
            known.points = average_true_range(reply.bars, self._period)
            known.ends_at = reply.bars[-1].ts_open + self._timeframe.step
        if known.tries:
            log.info("atr.read_again", contract=contract_id, failures=known.tries)
        known.bar, known.tries = bar, 0

    def _failed(self, contract_id: ContractId, known: _Known, error: str) -> None:
        """A value that is there stays until it is too old."""
        if not known.tries:
            log.warning("atr.not_read", contract=contract_id, error=error, meaning="distances in atr may be refused")
        pause_s = min(FIRST_PAUSE_S * 2**known.tries, LONGEST_PAUSE_S) * random.uniform(0.8, 1.2)  # noqa: S311 - jitter, not cryptography
        known.tries = min(known.tries + 1, 30)
        known.next_try = self._clock.monotonic() + pause_s
