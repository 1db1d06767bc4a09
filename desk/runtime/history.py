"""Bars from memory, and from the gateway only what memory lacks.

A closed bar never changes, so it is kept; the newest minutes of a series are its *tail* (the forming bar, and bars that
closed a moment ago and may still change, gateway reference 3.4) and are read again after a short time. A series is one
(contract, timeframe): everything between ``start`` and ``end`` is known, gaps of a closed market included.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Protocol

from desk.core.clock import Clock
from desk.core.errors import DeskError
from desk.core.ids import ContractId
from desk.core.timeframe import BarUnit, Timeframe
from desk.core.words import Bar
from desk.market.bars import Bars
from desk.market.spans import Spans
from desk.runtime.tiers import CacheStats, Progress, SeriesInfo

__all__ = [
    "FetchBars",
    "HistoryReply",
    "HistoryService",
    "PrefetchFailure",
    "PrefetchReport",
]

MAX_BARS = 20_000  # one request of the gateway gives no more (reference 3.4)
_GRACE = timedelta(seconds=2)  # a bar just closed can be missing or change for that long
_CLOSED_MARKET = timedelta(days=4)  # a weekend with a holiday
_WIDENINGS = 3
_NOTHING_BEFORE = datetime(2000, 1, 1, tzinfo=UTC)  # the gateway's bars go back a few years
_PREFETCHES_AT_ONCE = 4


class FetchBars(Protocol):
    """``GatewayClient.bars``: the newest ``limit`` bars that opened between ``start`` and ``end``, oldest first."""

    async def __call__(
        self,
        contract_id: ContractId,
        unit: BarUnit,
        unit_number: int,
        start: datetime,
        end: datetime,
        limit: int,
        partial: bool,
    ) -> list[Bar]: ...


@dataclass(frozen=True)
class HistoryReply:
    """``columns``: ascending, no more than asked for. ``problem``: the gateway did not answer, these are not all."""

    columns: Bars
    source: str  # the slowest place that was needed: memory | live | redis | archive | gateway
    took_ms: float
    has_partial: bool  # the last bar is still forming
    problem: str | None = None
    requests: int = 0  # that were made for this answer, shared ones included

    @cached_property
    def bars(self) -> tuple[Bar, ...]:
        """The same as rows, computed once."""
        return self.columns.rows()


@dataclass(frozen=True, slots=True)
class PrefetchFailure:
    contract_id: ContractId
    timeframe: str
    reason: str


@dataclass(frozen=True, slots=True)
class PrefetchReport:
    series: int
    bars: int
    took_ms: float
    failures: tuple[PrefetchFailure, ...]


_Key = tuple[ContractId, Timeframe]


@dataclass(slots=True)
class _Series:
    """``settled``: every bar that opened in [start, end), closed and final. ``tail``: later ones as of ``read_at``."""

    start: datetime
    end: datetime
    read_at: datetime
    settled: list[Bar] = field(default_factory=list)
    tail: list[Bar] = field(default_factory=list)
    is_oldest_known: bool = False  # the gateway has nothing before ``start``

    def __len__(self) -> int:
        return len(self.settled) + len(self.tail)

    def add(self, bars: list[Bar], end: datetime, now: datetime) -> None:
        """``bars`` replace the tail; those that opened before ``end`` are final."""
        self.settled += [bar for bar in bars if self.end <= bar.ts_open < end]
        self.tail = [bar for bar in bars if bar.ts_open >= end]
        self.end, self.read_at = end, now

    def newest(self, n: int) -> tuple[Bar, ...]:
        old = self.settled[-(n - len(self.tail)) :] if n > len(self.tail) else []
        return (*old, *self.tail[-n:])


class HistoryService:
    """``bars`` for everybody; one request at a time per series, shared by all who wait for it.

    max_bars: bars kept in memory over all series; beyond it the series that was not asked for longest goes first.
    tail_s: for how long a forming bar is shown without reading it again.
    """

    def __init__(self, fetch: FetchBars, clock: Clock, *, max_bars: int = 100_000, tail_s: float = 3.0) -> None:
        self._fetch = fetch
        self._clock = clock
        self._max_bars = max_bars
        self._tail = timedelta(seconds=tail_s)
        self._series: OrderedDict[_Key, _Series] = OrderedDict()
        self._reading: dict[_Key, asyncio.Future[None]] = {}
        self._asked = asyncio.Event()

    @property
    def bars_in_memory(self) -> int:
        return sum(len(series) for series in self._series.values())

    async def bars(
        self, contract_id: ContractId, timeframe: Timeframe, n: int, *, partial: bool = True, is_asked: bool = True
    ) -> HistoryReply:
        """The newest ``n`` (1 to 20000) bars; fewer when there are no more. Cancelling is safe.

        partial: with the bar that is still forming. Without it, closed bars that are in memory cost no request.
        is_asked: somebody wants history, so a prefetch that waits for that may begin.
        Raises ValueError for an ``n`` out of range, a GatewayError when there is nothing to show.
        """
        if is_asked:
            self._asked.set()
        return await self._bars(contract_id, timeframe, n, partial)

    async def between(
        self,
        contract_id: ContractId,
        timeframe: Timeframe,
        start: datetime,
        end: datetime,
        *,
        partial: bool = True,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> HistoryReply:
        """Bars that opened in ``start <= t < end`` (aware), any length. Cancelling is safe.

        Raises ValueError for a window that is none, a GatewayError when its beginning cannot be had. ``problem`` names
        the moment from which bars are missing.
        """
        raise NotImplementedError

    async def keep(self, contract_id: ContractId, timeframe: Timeframe, bars: Bars, covered: Spans, origin: str) -> int:
        """Final bars that somebody else knows (an import, a recorder), and the seconds for which these are all.

        What the gateway said stays; returns how many bars there differ from it. ``origin``: for the log.
        """
        raise NotImplementedError

    def stats(self) -> CacheStats:
        raise NotImplementedError

    async def series(self) -> list[SeriesInfo]:
        """What is stored, over all tiers that answer; sorted."""
        raise NotImplementedError

    async def prefetch(
        self, contracts: Iterable[ContractId], timeframes: Iterable[Timeframe], n: int, *, when_asked: bool = False
    ) -> PrefetchReport:
        """Fills memory. Never raises for a series that fails: the report names it. Run it as a task of its own.

        when_asked: begin at the first ``bars`` (``CACHE_INIT=lazy``).
        """
        if when_asked:
            await self._asked.wait()
        began = self._clock.monotonic()
        wanted = [(contract, timeframe) for contract in contracts for timeframe in timeframes]
        gate = asyncio.Semaphore(_PREFETCHES_AT_ONCE)

        async def one(contract_id: ContractId, timeframe: Timeframe) -> int | PrefetchFailure:
            async with gate:
                try:
                    reply = await self._bars(contract_id, timeframe, n, partial=False)
                except DeskError as error:
                    return PrefetchFailure(contract_id, timeframe.text, str(error))
            return PrefetchFailure(contract_id, timeframe.text, reply.problem) if reply.problem else len(reply.bars)

        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(one(*item), name=f"prefetch {item[0]} {item[1]}") for item in wanted]
        results = [task.result() for task in running]
        loaded = [result for result in results if isinstance(result, int)]
        return PrefetchReport(
            series=len(loaded),
            bars=sum(loaded),
            took_ms=self._ms_since(began),
            failures=tuple(result for result in results if isinstance(result, PrefetchFailure)),
        )

    async def _bars(self, contract_id: ContractId, timeframe: Timeframe, n: int, partial: bool) -> HistoryReply:
        if not 1 <= n <= MAX_BARS:
            raise ValueError(f"{n} bars: ask for 1 to {MAX_BARS}")
        key, began = (contract_id, timeframe), self._clock.monotonic()
        source, problem = "memory", None
        while not self._has(key, n, partial):
            source = "gateway"
            try:
                if await self._was_read_by_another(key):
                    continue  # look again: that may be enough
                await self._read(key, n if partial else n + 1)
            except DeskError as error:
                if key not in self._series:
                    raise
                problem = str(error)
            break  # the gateway gave what it has
        return self._reply(key, n, partial, began, source, problem)

    def _reply(self, key: _Key, n: int, partial: bool, began: float, source: str, problem: str | None) -> HistoryReply:
        series = self._series[key]
        self._series.move_to_end(key)
        bars = series.newest(n + 1)
        is_forming = bool(bars) and bars[-1].ts_open + key[1].step > self._clock.now()
        if is_forming and not partial:
            bars, is_forming = bars[:-1], False
        return HistoryReply(Bars.of(bars[-n:]), source, self._ms_since(began), is_forming, problem)

    def _has(self, key: _Key, n: int, partial: bool) -> bool:
        """Whether memory can answer as well as the gateway could."""
        series, now, timeframe = self._series.get(key), self._clock.now(), key[1]
        if series is None or (len(series) < (n if partial else n + 1) and not series.is_oldest_known):
            return False
        if partial or not timeframe.is_on_the_hour:
            return now - series.read_at < self._tail and not _has_ended(timeframe, series.read_at, now)
        return not _has_ended(timeframe, series.read_at - _GRACE, now - _GRACE)

    async def _was_read_by_another(self, key: _Key) -> bool:
        """Waits for a read of this series that is under way, and shares its error. False: there is none."""
        reading = self._reading.get(key)
        if reading is None:
            return False
        await asyncio.wait([reading])
        if not reading.cancelled():
            reading.result()
        return True

    async def _read(self, key: _Key, need: int) -> None:
        """The one read of this series. A reader that is cancelled leaves its place to one who waits."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._reading[key] = done
        try:
            await self._refresh(key, need)
            done.set_result(None)
        except DeskError as error:
            done.set_exception(error)
            done.exception()  # looked at: it is no fault that nobody else waits
            raise
        finally:
            del self._reading[key]
            done.cancel()

    async def _refresh(self, key: _Key, need: int) -> None:
        """Reads the tail again, and older bars where memory holds too few."""
        timeframe, now = key[1], self._clock.now()
        series = self._series.get(key)
        if series is None:
            start, limit = _before(now, _window(timeframe, need)), min(MAX_BARS, need)
            bars = await self._ask(key, start, now, limit, partial=True)
            series = _Series(start=bars[0].ts_open if len(bars) == limit else start, end=start, read_at=now)
        else:
            limit = min(MAX_BARS, int((now - series.end) / timeframe.step) + 2)
            bars = await self._ask(key, series.end, now, limit, partial=True)
            if len(bars) == MAX_BARS:  # more than one request can bring: memory would have a hole
                series = _Series(start=bars[0].ts_open, end=bars[0].ts_open, read_at=now)
        series.add(bars, max(series.end, now - _GRACE - timeframe.step), now)
        self._keep(key, series, need)
        await self._extend_back(key, series, need)
        self._keep(key, series, need)

    async def _extend_back(self, key: _Key, series: _Series, need: int) -> None:
        """Older bars until there are ``need``; each window is wider than the last, for the market may be closed."""
        for widening in range(_WIDENINGS):
            missing = need - len(series)
            if missing <= 0 or series.is_oldest_known:
                return
            start = _before(series.start, _window(key[1], missing) * 4**widening)
            limit = min(MAX_BARS, missing)
            bars = await self._ask(key, start, series.start, limit, partial=False)
            series.settled[:0] = [bar for bar in bars if bar.ts_open < series.start]
            series.start = bars[0].ts_open if len(bars) == limit else start
        series.is_oldest_known = len(series) < need

    async def _ask(self, key: _Key, start: datetime, end: datetime, limit: int, *, partial: bool) -> list[Bar]:
        contract_id, timeframe = key
        bars = await self._fetch(contract_id, timeframe.unit, timeframe.number, start, end, limit, partial)
        return sorted({bar.ts_open: bar for bar in bars}.values(), key=lambda bar: bar.ts_open)

    def _keep(self, key: _Key, series: _Series, need: int) -> None:
        """Stores the series as the newest, and drops what was not asked for longest."""
        self._series[key] = series
        self._series.move_to_end(key)
        while self.bars_in_memory > self._max_bars and len(self._series) > 1:
            self._series.popitem(last=False)
        excess = len(series) - max(self._max_bars, need)
        if excess > 0 and excess < len(series.settled):
            del series.settled[:excess]
            series.start, series.is_oldest_known = series.settled[0].ts_open, False

    def _ms_since(self, began: float) -> float:
        return (self._clock.monotonic() - began) * 1000


def _window(timeframe: Timeframe, n: int) -> timedelta:
    """How far back ``n`` bars surely reach: the market is open 115 of 168 hours, and a weekend may lie at the edge."""
    return timeframe.step * n * 1.6 + _CLOSED_MARKET


def _before(when: datetime, window: timedelta) -> datetime:
    return when - window if when - _NOTHING_BEFORE > window else min(_NOTHING_BEFORE, when)


def _has_ended(timeframe: Timeframe, before: datetime, now: datetime) -> bool:
    """Whether a bar ended between the two; False for timeframes whose ends follow the exchange's session."""
    step = timeframe.step.total_seconds()
    return timeframe.is_on_the_hour and before.timestamp() // step != now.timestamp() // step
