"""What is known for a question, and the jobs that would bring the rest. Reads tiers, never the gateway.

The *edge* is where pages end and the tail begins. Below it the pages say what is missing; above it the tail has everything, or
has to be read again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from desk.core.clock import Clock
from desk.core.ids import ContractId
from desk.core.timeframe import Timeframe
from desk.market.bars import Bars, joined
from desk.market.pages import Page, PageKey, pages_of
from desk.market.spans import Span, Spans, united, without
from desk.runtime.barfetch import FLOOR, REQUEST_BARS, BarFetcher, Job, Series, windows
from desk.runtime.derive import bases_of, derive
from desk.runtime.pagestore import PageStore
from desk.runtime.settling import final_before, grid
from desk.runtime.tiers import LiveTail

__all__ = ["Question", "Survey", "Surveyor"]

_CLOSED_S = 4 * 86_400  # a weekend with a holiday
_LOOK_BACK = 40  # bars, to find where the pages end
_MANY = 8  # windows; beyond, the first bar there is gets searched for


@dataclass(frozen=True, slots=True)
class Question:
    """``n``: the newest so many, else ``window``: epoch seconds. partial: with the forming bar."""

    series: Series
    partial: bool
    n: int = 0
    window: Span | None = None


@dataclass(slots=True)
class Survey:
    """bars: what is known, without a hole. jobs: what is missing, newest first; empty: the answer is whole.

    until: where the known ends, when some of it is missing. search: first find the first bar inside this, then look again.
    """

    bars: Bars
    sources: set[str] = field(default_factory=set)
    jobs: list[Job] = field(default_factory=list)
    search: Span | None = None
    until: int = 0
    is_any_known: bool = True
    has_partial: bool = False


@dataclass(slots=True)
class _Edge:
    """at: where the pages' part ends. tail: bars from there on; None: it has to be read, from ``at`` on or further back."""

    at: int
    tail: Bars | None
    source: str
    is_settled: bool = False  # the pages know everything right up to ``at``


@dataclass(slots=True)
class _Walk:
    """Backwards from the edge. parts: newest first. open_end: (where nothing is known any more, bars still wanted)."""

    parts: list[Bars] = field(default_factory=list)
    holes: list[Span] = field(default_factory=list)
    open_end: tuple[int, int] | None = None


class Surveyor:
    """The parameters are those of :class:`~desk.runtime.history.HistoryService`."""

    def __init__(
        self,
        store: PageStore,
        fetcher: BarFetcher,
        clock: Clock,
        *,
        tail_s: float,
        quiet_tail_s: float,
        is_open: Callable[[ContractId, datetime], bool],
        open_spans: Callable[[ContractId, Span], Spans],
        live: LiveTail | None,
    ) -> None:
        self._store = store
        self._fetcher = fetcher
        self._clock = clock
        self._tail_s = tail_s
        self._quiet_tail_s = quiet_tail_s
        self._is_open = is_open
        self._open_spans = open_spans
        self.live = live

    async def look(self, question: Question, asked_at: float, number: int, *, is_last: bool = False) -> Survey:
        """asked_at: a tail read since then is new enough. number: of the round. is_last: nothing more can be fetched."""
        if not is_last and (search := self._search(question)) is not None:
            return Survey(Bars.empty(), search=search, is_any_known=False)
        if question.window is not None:
            return await self._look_between(question, question.window, asked_at, is_last)
        return await self._look_newest(question, asked_at, number, is_last)

    # -- the newest n --------------------------------------------------------------------------------------------------

    async def _look_newest(self, question: Question, asked_at: float, number: int, is_last: bool) -> Survey:
        series, step = question.series, question.series.timeframe.seconds
        edge, now = await self._edge(question, asked_at, is_last), self._fetcher.latest()
        found = Survey(Bars.empty(), {edge.source})
        tail = self._shown(question, edge.tail)
        wanted = question.n - len(tail)
        if edge.tail is None and edge.is_settled and not is_last:
            wanted -= (now - edge.at) // step + 1  # that many may come
        walk = await self._walk(series, edge.at, wanted, found.sources, is_last)
        found.until = edge.at
        if not is_last:
            found.jobs = self._jobs_back(question, edge, walk, now, number)
        if not found.jobs:  # else it would be put together for nothing
            found.bars = joined(*reversed(walk.parts), tail).newest(question.n)
            found.has_partial = self._ends_forming(question, found.bars)
            found.is_any_known = len(found.bars) > 0
        return found

    def _search(self, question: Question) -> Span | None:
        """Where to look for the first bar there is, before very long questions: once for a series."""
        series, now = question.series, self._fetcher.now()
        start, end = question.window or (now - question.n * series.timeframe.seconds, now)
        is_long = end - start > _MANY * REQUEST_BARS * series.timeframe.seconds
        return (FLOOR, min(end, now)) if is_long and series not in self._fetcher.searched else None

    async def _walk(self, series: Series, at: int, wanted: int, sources: set[str], is_last: bool) -> _Walk:
        """Page after page, until enough bars are known or nothing is: then it may be that more exist."""
        walk, step, tried = _Walk(), series.timeframe.seconds, set[int]()
        while wanted > 0 and at > (reach := self._fetcher.reach(series)):
            key = pages_of(series.contract_id, series.timeframe, (at - 1, at))[0]
            low = max(key.start, reach)
            page, source = await self._store.read(key, (low, at))
            sources.add(source)
            hole = next(reversed(self._holes(series, page, (low, at))), None)
            if hole is not None and hole[1] not in tried:
                tried.add(hole[1])
                region = (max(hole[0], hole[1] - _wide(series.timeframe, wanted)), hole[1])
                if await self._derived(series, region, sources):
                    continue
            known = page.bars.between(hole[1] if hole else low, at).newest(wanted)
            if len(known) or hole is None or hole[1] < at:
                walk.parts.append(known)
            wanted -= len(known)
            if hole is None:
                at = low
                continue
            if wanted <= 0 or is_last:
                break
            if hole[1] - wanted * step > hole[0] or hole[0] <= self._fetcher.floor(series):
                walk.open_end = (hole[1], wanted)
                break
            walk.holes.append(hole)
            wanted -= (hole[1] - hole[0]) // step
            at = hole[0]
        return walk

    def _jobs_back(self, question: Question, edge: _Edge, walk: _Walk, now: int, number: int) -> list[Job]:
        series, timeframe = question.series, question.series.timeframe
        flag = question.partial or timeframe.is_on_the_hour
        holes, end, wanted = list(united(walk.holes)), None, 0
        if walk.open_end is not None:
            end, wanted = walk.open_end
        while holes and holes[0][0] == end:  # one hole over the border of two pages
            start, end = holes.pop(0)
            wanted += (end - start) // timeframe.seconds
        jobs = self._jobs_for(series, holes, edge, now, flag)
        if end is not None:
            is_top = edge.tail is None and not edge.is_settled and end == edge.at
            if wanted > REQUEST_BARS and number % 2 == 0:
                jobs += self._jobs_for(series, [self._span_back(series, end, wanted)], edge, now, flag)
            else:
                start = self._fetcher.floor(series) if number > 1 else end - _wide(timeframe, wanted) * 8**number
                extra = _slots(timeframe, edge.at, now) if is_top else 0
                jobs.append(
                    Job(
                        max(grid(timeframe, start), self._fetcher.floor(series)),
                        None if is_top else end,
                        min(REQUEST_BARS, wanted + extra),
                        is_whole=False,
                        partial=flag,
                    )
                )
        if edge.tail is None and not any(job.end is None for job in jobs):
            jobs.insert(0, Job(edge.at, None, min(REQUEST_BARS, _slots(timeframe, edge.at, now)), partial=flag))
        return jobs

    def _span_back(self, series: Series, end: int, wanted: int) -> Span:
        """So far back that every bar in it is among the ``wanted`` newest, shut hours not counted."""
        floor, room_s = self._fetcher.floor(series), wanted * series.timeframe.seconds
        start = end - room_s
        while series.timeframe.is_on_the_hour and start > floor:
            open_s = sum(closed - opened for opened, closed in self._open_spans(series.contract_id, (start, end)))
            if open_s >= room_s:
                break
            start -= -(-(room_s - open_s) // series.timeframe.seconds) * series.timeframe.seconds
        return max(floor, start), end

    # -- a window ------------------------------------------------------------------------------------------------------

    async def _look_between(self, question: Question, window: Span, asked_at: float, is_last: bool) -> Survey:
        series, timeframe = question.series, question.series.timeframe
        now, sure = self._fetcher.latest(), final_before(timeframe, self._fetcher.now())
        low = max(grid(timeframe, window[0]), self._fetcher.reach(series))
        high = -grid(timeframe, -window[1]) if timeframe.is_on_the_hour else window[1]
        needs_tail = high > sure
        edge = await self._edge(question, asked_at, is_last) if needs_tail else _Edge(high, Bars.empty(), "memory")
        found, parts, holes = Survey(Bars.empty(), {edge.source}), list[Bars](), list[Span]()
        for key in pages_of(series.contract_id, timeframe, (low, min(high, edge.at))):
            part = (max(low, key.start), min(high, edge.at, key.end))
            page = await self._page(series, key, part, found.sources)
            parts.append(page.bars.between(max(window[0], part[0]), part[1]))
            holes += self._holes(series, page, part)
        holes = list(united(holes))
        if not is_last:
            flag = question.partial or timeframe.is_on_the_hour
            found.jobs = self._jobs_for(series, holes, edge, now, flag)
            if edge.tail is None and not any(job.end is None for job in found.jobs):
                start = max(edge.at if edge.is_settled else 0, min(low, sure))
                found.jobs.insert(0, Job(start, None, partial=flag))
        if found.jobs:
            return found  # what there is would be put together for nothing
        tail = self._shown(question, edge.tail).between(max(edge.at, window[0]), window[1])
        found.until = holes[0][0] if holes else edge.at if edge.tail is None else high
        found.is_any_known = found.until > low
        found.bars = joined(*parts, tail)
        if holes or edge.tail is None:
            found.bars = found.bars.between(window[0], found.until)
        found.has_partial = self._ends_forming(question, found.bars)
        return found

    async def _page(self, series: Series, key: PageKey, part: Span, sources: set[str]) -> Page:
        page, source = await self._store.read(key, part)
        sources.add(source)
        holes = self._holes(series, page, part)
        if holes and bases_of(series.timeframe):
            derived = [await self._derived(series, hole, sources) for hole in holes]
            if any(derived):
                page, _ = await self._store.read(key, part)
        return page

    # -- the edge ------------------------------------------------------------------------------------------------------

    async def _edge(self, question: Question, asked_at: float, is_last: bool) -> _Edge:
        series, timeframe = question.series, question.series.timeframe
        sure = final_before(timeframe, self._fetcher.now())
        settled = await self._settled_end(series, sure)
        if self.live is not None and timeframe.is_on_the_hour:
            for since in dict.fromkeys((settled or sure, sure)):
                built = self.live.tail(series.contract_id, timeframe, since)
                if built is not None:
                    return _Edge(since, built, "live")
        tail = self._fetcher.tails.get((series, question.partial or timeframe.is_on_the_hour))
        if tail is not None:
            now, age_s = self._clock.now().timestamp(), self._clock.monotonic() - tail.got_at
            is_quiet = not self._is_open(series.contract_id, self._clock.now()) and not self._is_open(
                series.contract_id, datetime.fromtimestamp(tail.asked_at, self._clock.now().tzinfo)
            )
            is_good = asked_at <= tail.asked_at <= now or tail.is_fresh(
                timeframe,
                now=now,
                age_s=age_s,
                ttl_s=self._quiet_tail_s if is_quiet else self._tail_s,
                partial=question.partial,
                is_quiet=is_quiet,
            )
            if is_good or (is_last and tail.is_still_forming(timeframe, now)):
                at = max(tail.start, settled or 0)
                return _Edge(at, tail.bars.between(at, 2**40), self._store.names[0])
        if settled is not None and sure - settled <= (REQUEST_BARS - 64) * timeframe.seconds:
            return _Edge(settled, None, self._store.names[0], is_settled=True)
        return _Edge(sure, None, self._store.names[0])

    async def _settled_end(self, series: Series, sure: int) -> int | None:
        """Up to where the pages know everything, near this moment."""
        window = (sure - _LOOK_BACK * series.timeframe.seconds, sure)
        for key in reversed(pages_of(series.contract_id, series.timeframe, window)):
            page, _ = await self._store.read(key, (max(key.start, window[0]), min(key.end, sure)))
            if page.covered:
                return min(page.covered[-1][1], sure)
        return None

    # -- small parts ---------------------------------------------------------------------------------------------------

    async def _derived(self, series: Series, span: Span, sources: set[str]) -> bool:
        source = await derive(self._store, series, span)
        if source is not None:
            sources.add(source)
        return source is not None

    def _holes(self, series: Series, page: Page, span: Span) -> Spans:
        """What the page lacks and the gateway may have: nothing that was empty a moment ago, nor hours of a shut exchange."""
        told = united(self._fetcher.doubted(series), [(0, self._fetcher.floor(series))])
        holes = without(page.lacks(span), told)
        if not holes or not series.timeframe.is_on_the_hour:
            return holes
        return tuple(hole for hole in holes if self._open_spans(series.contract_id, hole))

    def _jobs_for(self, series: Series, holes: Iterable[Span], edge: _Edge, now: int, partial: bool) -> list[Job]:
        """Newest first. A hole that reaches up to a tail that has to be read is read up to this moment."""
        jobs, timeframe = list[Job](), series.timeframe
        for start, end in holes:
            is_top = edge.tail is None and end == edge.at
            top = grid(timeframe, now) + timeframe.seconds if is_top else end
            opened = self._open_spans(series.contract_id, (start, top)) if timeframe.is_on_the_hour else ((start, top),)
            for piece in windows(timeframe, (start, top), opened):
                jobs.append(Job(piece[0], None if is_top and piece[1] == top else piece[1], partial=partial))
        return sorted(jobs, key=lambda job: -job.start)

    def _shown(self, question: Question, tail: Bars | None) -> Bars:
        """What of the tail the question wants. Closed is what is so by both clocks."""
        if tail is None:
            return Bars.empty()
        timeframe = question.series.timeframe
        if question.partial or not timeframe.is_on_the_hour:
            return tail
        return tail.between(0, self._fetcher.now() - timeframe.seconds + 1)

    def _ends_forming(self, question: Question, bars: Bars) -> bool:
        ends = int(bars.ts[-1]) + question.series.timeframe.seconds if len(bars) else 0
        return question.partial and ends > self._fetcher.now()


def _wide(timeframe: Timeframe, n: int) -> int:
    """How far back ``n`` bars surely reach, nearly: the market is open 115 of 168 hours, a weekend may lie at the edge."""
    return int(timeframe.seconds * n * 1.6) + _CLOSED_S


def _slots(timeframe: Timeframe, since: int, now: int) -> int:
    """How many bars there may be from then until now, the forming one included, and a few."""
    return max(0, now - since) // timeframe.seconds + 3
