"""Bars from the gateway: whole stretches in windows of at most 20,000, side by side, each asked for once.

Everything that a reply proves goes into the pages at once, so a long fetch that fails or is cancelled keeps what it brought.
Only trading time behind the last bar of a reply waits for a second one, a quarter of an hour later, unless a bar follows it.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Protocol

from desk.core.clock import Clock
from desk.core.errors import DeskError, ProtocolError
from desk.core.ids import ContractId
from desk.core.timeframe import BarUnit, Timeframe
from desk.gateway.sharing import SingleFlight
from desk.market.bars import Bars, joined
from desk.market.pages import pages_of
from desk.market.spans import Span, Spans, shared, united, without
from desk.runtime.pagestore import PageStore
from desk.runtime.settling import Tail, final_before, final_once_read, grid

__all__ = ["FLOOR", "REQUEST_BARS", "BarFetcher", "FetchBars", "Job", "Series", "windows"]

REQUEST_BARS = 20_000  # one request of the gateway gives no more (reference 3.4)
FLOOR = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp())  # the gateway's bars go back a few years
_AT_ONCE = 4  # requests of one question: another person's goes in between
_LATEST = 2**40
_ODD_S = 6 * 3600  # of open hours without a bar; a pause after an early close is shorter
_NEW_S = 3600  # and any of the last hour: the gateway's history may lag behind
_SHUT_S = 14 * 86_400  # in more than that some hours are open
_ASK_AGAIN_S = 60.0  # where somebody wants them
_BELIEVED_S = 900.0
_BEYOND = 2  # bars after the end, in a window that was widened by one bar


class FetchBars(Protocol):
    """``GatewayClient.bar_columns``: the newest ``limit`` bars that opened between ``start`` and ``end``."""

    async def __call__(
        self,
        contract_id: ContractId,
        unit: BarUnit,
        unit_number: int,
        start: datetime,
        end: datetime,
        limit: int,
        partial: bool,
    ) -> Bars: ...


class Series(NamedTuple):
    contract_id: ContractId
    timeframe: Timeframe


@dataclass(frozen=True, slots=True)
class Job:
    """One stretch to fetch, epoch seconds. end None: up to this moment, the forming bar included if ``partial``.

    is_whole: all of it, in several requests if need be; else its newest ``limit`` bars are enough.
    """

    start: int
    end: int | None
    limit: int = REQUEST_BARS
    is_whole: bool = True
    partial: bool = True

    def overlaps(self, other: Job) -> bool:
        return self.start < (other.end or _LATEST) and other.start < (self.end or _LATEST)

    def seconds(self, now: int) -> int:
        return max(0, (self.end or now) - self.start)


class BarFetcher:
    """offset_s: the gateway's clock minus ours; None: not known. A bar is final when it is so by both clocks."""

    def __init__(
        self,
        fetch: FetchBars,
        store: PageStore,
        clock: Clock,
        open_spans: Callable[[ContractId, Span], Spans],
        offset_s: Callable[[], float | None] = lambda: None,
    ) -> None:
        self._fetch = fetch
        self._store = store
        self._clock = clock
        self._open_spans = open_spans
        self._offset_s = offset_s
        self._flights = SingleFlight()
        self._under_way: dict[Series, Counter[Job]] = {}
        self.tails: dict[tuple[Series, bool], Tail] = {}
        self.searched: set[Series] = set()
        self._floors: dict[Series, int] = {}
        self._oldest: dict[Series, int] = {}
        self._learned: set[Series] = set()
        self._doubts: dict[Series, list[tuple[Span, float]]] = {}
        self._doubted_at: dict[Series, float] = {}
        self.requests = 0
        self.bars = 0

    def now(self) -> int:
        """Epoch seconds by the clock that is behind: nothing is called final too early."""
        return int(self._clock.now().timestamp() + min(0.0, self._offset_s() or 0.0))

    def latest(self) -> int:
        """Epoch seconds by the clock that is ahead: no bar opened later."""
        return int(self._clock.now().timestamp() + max(0.0, self._offset_s() or 0.0))

    def floor(self, series: Series) -> int:
        """Before this moment the gateway has no bars of the series; epoch seconds."""
        return self._floors.get(series, FLOOR)

    def reach(self, series: Series) -> int:
        """Before this moment nobody has any: what was imported, or kept until the gateway had it no more, may be older."""
        return min(self.floor(series), self._oldest.get(series, _LATEST))

    def has_stored(self, series: Series, since: int) -> None:
        """Somebody else knows bars since then."""
        self._oldest[series] = min(since, self._oldest.get(series, _LATEST))

    def doubted(self, series: Series) -> Spans:
        """Where a reply had no bar a moment ago: shown so, and nowhere kept. Asking again at once would prove nothing."""
        if self._clock.monotonic() - self._doubted_at.get(series, -_ASK_AGAIN_S) >= _ASK_AGAIN_S:
            return ()
        return united(span for span, _ in self._doubts.get(series, ()))

    async def run(self, series: Series, jobs: Iterable[Job], on_done: Callable[[Job], None]) -> int:
        """Does all jobs, a few at a time, and returns how many requests had to be waited for.

        After an error no new one is begun; those under way end, and it is raised: a DeskError.
        """
        queue, errors, counted = deque(jobs), list[DeskError](), list[int]()

        async def work() -> None:
            while queue and not errors:
                job = queue.popleft()
                try:
                    counted.append(await self._shared(series, job))
                except DeskError as error:
                    errors.append(error)
                else:
                    on_done(job)

        if len(queue) == 1:
            await work()
        else:
            async with asyncio.TaskGroup() as tasks:
                for number in range(min(_AT_ONCE, len(queue))):
                    tasks.create_task(work(), name=f"bars {series.contract_id} {series.timeframe} {number}")
        if errors:
            raise errors[0]
        return sum(counted)

    async def search_floor(self, series: Series, span: Span) -> int:
        """Finds where the series begins inside a long span, by halves; one bar a request. Returns the requests made."""
        low, high = max(span[0], self.floor(series)), span[1]
        before = self.requests
        self.searched.add(series)
        await self._learn_oldest(series)
        while high - low > 2 * REQUEST_BARS * series.timeframe.seconds:
            middle = grid(series.timeframe, (low + high) // 2)
            bars, _ = await self._ask(series, Job(FLOOR, middle, partial=False), middle, 1)
            if len(bars):
                high = int(bars.ts[0])
            else:
                low = self._floors[series] = middle
        return self.requests - before

    async def _shared(self, series: Series, job: Job) -> int:
        """Joins a job that fetches part of the same, or begins this one. The caller looks again at what is missing."""
        under_way = self._under_way.setdefault(series, Counter())
        joined = next((other for other in under_way if other.overlaps(job) and other.partial == job.partial), job)
        under_way[joined] += 1
        try:
            return await self._flights.run((series, joined), lambda: self._do(series, job))
        finally:
            under_way[joined] -= 1
            if not under_way[joined]:
                del under_way[joined]
            if not under_way and self._under_way.get(series) is under_way:
                del self._under_way[series]

    async def _do(self, series: Series, job: Job) -> int:
        """The requests of one job, backwards from its end. Returns how many there were."""
        end, limit, requests = job.end, job.limit, 0
        while True:
            asked_at, read_at = self._clock.now().timestamp(), self.now()
            bars, is_full = await self._ask(series, job, end, limit)
            requests += 1
            read_at = min(read_at, self.now())  # the reply says the gateway's time: our clock may have been set forward
            if not is_full and job.start <= self.floor(series):
                await self._learn_oldest(series)
            since = int(bars.ts[0]) if is_full else self._beginning(series, job, bars, end or read_at)
            if end is None:
                self._keep_newest(series, job, bars, since, asked_at, read_at)
            else:
                self._keep(series, bars, (since, min(end, final_before(series.timeframe, read_at))))
            if not is_full or since <= job.start or not job.is_whole:
                return requests
            end, limit = since, REQUEST_BARS

    def _beginning(self, series: Series, job: Job, bars: Bars, end: int) -> int:
        """Since when everything is known after a reply that was not full. One from the first day on finds the floor."""
        if job.start > self.floor(series):
            return job.start
        if len(bars):
            self._floors[series] = int(bars.ts[0])
        elif job.end is not None:
            self._floors[series] = end
        return self._floors.get(series, end)

    async def _learn_oldest(self, series: Series) -> None:
        """Once, before a floor is found: from then on nobody looks for older pages."""
        if series in self._learned:
            return
        self._learned.add(series)
        for stored in await self._store.series():
            self.has_stored(Series(stored.contract_id, stored.timeframe), stored.first)

    async def _ask(self, series: Series, job: Job, end: int | None, limit: int) -> tuple[Bars, bool]:
        """The bars of the window, and whether there may be older ones in it."""
        timeframe = series.timeframe
        now = self._clock.now() + timedelta(seconds=max(0.0, self._offset_s() or 0.0))
        last = now if end is None else datetime.fromtimestamp(end, UTC)
        if end is not None and timeframe.is_on_the_hour:
            limit = min(REQUEST_BARS, limit + 1)  # the end itself may belong to the window (reference 3.4)
        elif end is not None:  # a bar that opened before the end may close after it
            last = min(now, last + timeframe.step)
            limit = min(REQUEST_BARS, limit + _BEYOND)
        self.requests += 1
        bars = await self._fetch(
            series.contract_id,
            timeframe.unit,
            timeframe.number,
            datetime.fromtimestamp(job.start, UTC),
            max(last, datetime.fromtimestamp(job.start, UTC)),
            limit,
            job.partial and end is None,
        )
        self.bars += len(bars)
        inside = bars.between(job.start, _LATEST if end is None else end)
        is_full = len(bars) >= limit
        if is_full and not len(inside):
            raise ProtocolError(f"{limit} bars came, and none of them opened in the window that was asked for")
        return inside, is_full

    def _keep_newest(self, series: Series, job: Job, bars: Bars, since: int, asked_at: float, read_at: int) -> None:
        """Splits what was read up to this moment into final bars and the tail."""
        edge = max(since, final_once_read(series.timeframe, read_at, bars))
        self._keep(series, bars, (since, edge))
        tail = joined(bars.between(edge, _LATEST))  # a copy: a part would keep all of the reply in memory
        self.tails[series, job.partial] = Tail(edge, tail, asked_at, self._clock.monotonic())

    def _keep(self, series: Series, bars: Bars, span: Span) -> None:
        for known in self._believed(series, bars, span):
            for key in pages_of(series.contract_id, series.timeframe, known):
                covered = (max(known[0], key.start), min(known[1], key.end))
                self._store.add(key, bars.between(*covered), (covered,))

    def _believed(self, series: Series, bars: Bars, span: Span) -> Spans:
        """What may be kept for ever. Trading time behind the last bar is an outage until a later reply says the same."""
        doubts, now, believed = self._doubts.pop(series, []), self._clock.monotonic(), united([span])
        later = bars.between(span[0], _LATEST).ts
        quiet = (int(later[-1]) + series.timeframe.seconds if len(later) else span[0], span[1])
        if quiet[0] < quiet[1] and self._is_odd(series, quiet):
            self._doubted_at[series] = now
            told = united(known for known, told_at in doubts if now - told_at >= _BELIEVED_S)
            doubts += [(part, now) for part in without((quiet,), united(known for known, _ in doubts))]
            believed = united([(span[0], quiet[0])], shared((quiet,), told))
        left = [(part, told_at) for known, told_at in doubts for part in without((known,), believed)]
        if left:
            self._doubts[series] = left
        return believed

    def _is_odd(self, series: Series, span: Span) -> bool:
        """Whether bars should be there: not over a pause or an early close, nor where long bars have their openings outside."""
        is_new = series.timeframe.is_on_the_hour and span[1] > self.now() - _NEW_S
        least = 0 if is_new else max(_ODD_S, 2 * series.timeframe.seconds)
        newest = (max(span[0], span[1] - 2 * least - _SHUT_S), span[1])  # a series' whole past would take long to count
        return sum(end - start for start, end in self._open_spans(series.contract_id, newest)) > least


def windows(timeframe: Timeframe, span: Span, open_spans: Sequence[Span]) -> list[Span]:
    """The span in pieces that surely hold at most 20,000 bars each, as few as that allows; newest first.

    open_spans: when the exchange may be open, sorted; shut hours in between need no room.
    """
    room_s, found, end = REQUEST_BARS * timeframe.seconds, list[Span](), span[1]
    left = room_s
    for opened, closed in reversed([s for s in open_spans if s[0] < span[1] and s[1] > span[0]]):
        start, at = max(opened, span[0]), min(closed, span[1])
        while at - start > left:
            at = -(-(at - left) // timeframe.seconds) * timeframe.seconds if timeframe.is_on_the_hour else at - left
            found.append((at, end))
            end, left = at, room_s
        left -= at - start
    if end > span[0]:
        found.append((span[0], end))
    return found
