"""Bars for everybody: from memory, from slower tiers, built of shorter ones, and from the gateway only what all of them lack.

A closed bar never changes once it is final, so it is kept for ever, in *pages* that know what they cover. The newest bars of a
series are its *tail* (the forming one, and those that closed a moment ago): taken from the live builder where that vouches for
them, else read again after a short time. A question looks at what is known, has fetched what is missing, and looks again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, MutableMapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import structlog

from desk.core.clock import Clock
from desk.core.errors import DeskError, Unavailable
from desk.core.ids import ContractId
from desk.core.timeframe import Timeframe
from desk.core.words import Bar
from desk.market.bars import Bars
from desk.market.pages import pages_of
from desk.market.spans import Span, Spans, clipped
from desk.runtime.barfetch import FLOOR, BarFetcher, FetchBars, Job, Series
from desk.runtime.pagestore import PageStore
from desk.runtime.settling import final_before
from desk.runtime.survey import Question, Survey, Surveyor
from desk.runtime.tiers import CacheStats, LiveTail, Progress, SeriesInfo, Tier

__all__ = [
    "MAX_BARS",
    "FetchBars",
    "HistoryReply",
    "HistoryService",
    "PrefetchFailure",
    "PrefetchReport",
]

log = structlog.get_logger("desk.history")

MAX_BARS = 1_000_000  # of one question; 48 MB
MEMORY_BYTES = 32_000_000
_ROUNDS = 12  # of looking and fetching; each fetch makes the holes smaller
_PREFETCHES_AT_ONCE = 2  # a person's question goes in between
_WARM_UP_REQUESTS, _WINDOW_S = 30, 30.0


@dataclass(frozen=True)
class HistoryReply:
    """``columns``: ascending, no more than asked for. ``problem``: the gateway did not answer, these are not all."""

    columns: Bars
    source: str  # the slowest place that was needed: memory | live | redis | archive | gateway
    took_ms: float
    has_partial: bool  # the last bar is still forming
    problem: str | None = None
    requests: int = 0  # that were waited for, shared ones included

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


@dataclass(slots=True)
class _Fetched:
    """What one question had fetched so far."""

    on_progress: Callable[[Progress], None] | None
    requests: int = 0
    done_s: int = 0
    wanted_s: int = 0
    bars_before: int = 0


class HistoryService:
    """The only writer of pages. Everything may be asked at any time by any task; cancelling is safe everywhere.

    memory_bytes: of pages in memory. tail_s, quiet_tail_s: for how long the newest bars are shown without reading them again,
    while the exchange ``is_open`` and while it is shut. tiers: slower ones, nearest first. live: see :class:`LiveTail`.
    open_spans: when the contract may trade inside a stretch; only hours that are surely shut may be left out. troubles: where
    a tier that is down is named. offset_s: the gateway's clock minus ours.
    """

    def __init__(
        self,
        fetch: FetchBars,
        clock: Clock,
        *,
        memory_bytes: int = MEMORY_BYTES,
        tail_s: float = 3.0,
        quiet_tail_s: float = 900.0,
        tiers: Sequence[Tier] = (),
        live: LiveTail | None = None,
        is_open: Callable[[ContractId, datetime], bool] = lambda contract_id, now: True,
        open_spans: Callable[[ContractId, Span], Spans] = lambda contract_id, span: (span,),
        troubles: MutableMapping[str, str] | None = None,
        offset_s: Callable[[], float | None] = lambda: None,
    ) -> None:
        self._clock = clock
        self.store = PageStore(clock, memory_bytes, tiers, troubles)
        self._fetcher = BarFetcher(fetch, self.store, clock, open_spans, offset_s)
        self._surveyor = Surveyor(
            self.store, self._fetcher, clock, tail_s=tail_s, quiet_tail_s=quiet_tail_s, is_open=is_open,
            open_spans=open_spans, live=live,
        )  # fmt: skip
        self._asked = asyncio.Event()
        self._answers: dict[str, int] = {}

    @property
    def bars_in_memory(self) -> int:
        return self.store.memory.bars

    def use_live(self, live: LiveTail) -> None:
        """The live builder, once it is there: it needs history itself."""
        self._surveyor.live = live

    # -- questions -----------------------------------------------------------------------------------------------------

    async def bars(
        self, contract_id: ContractId, timeframe: Timeframe, n: int, *, partial: bool = True, is_asked: bool = True
    ) -> HistoryReply:
        """The newest ``n`` (1 to 1,000,000) bars; fewer when there are no more. Cancelling is safe.

        partial: with the bar that is still forming. Without it, closed bars that are in memory cost no request.
        is_asked: somebody wants history, so a prefetch that waits for that may begin.
        Raises ValueError for an ``n`` out of range, a GatewayError when there is nothing to show.
        """
        if not 1 <= n <= MAX_BARS:
            raise ValueError(f"{n} bars: ask for 1 to {MAX_BARS}")
        if is_asked:
            self._asked.set()
        return await self._answer(Question(Series(contract_id, timeframe), partial, n=n), None)

    async def between(
        self,
        contract_id: ContractId,
        timeframe: Timeframe,
        start: datetime,
        end: datetime,
        *,
        partial: bool = True,
        is_asked: bool = True,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> HistoryReply:
        """Bars that opened in ``start <= t < end`` (aware), any length; is_asked: as of :meth:`bars`. Cancelling is safe.

        Raises ValueError for a window that is none, a GatewayError when its beginning cannot be had. ``problem`` names
        the moment from which bars are missing.
        """
        if start.tzinfo is None or end.tzinfo is None:
            raise ValueError("a window of history needs times with a zone")
        if start >= end:
            raise ValueError(f"the window ends ({end}) before it begins ({start})")
        if is_asked:
            self._asked.set()
        window = (max(FLOOR, _up(start)), _up(end))
        if window[0] >= window[1] or start > self._clock.now():
            return HistoryReply(Bars.empty(), self.store.memory.name, 0.0, has_partial=False)
        return await self._answer(Question(Series(contract_id, timeframe), partial, window=window), on_progress)

    async def _answer(self, question: Question, on_progress: Callable[[Progress], None] | None) -> HistoryReply:
        with self.store.memory.holding():
            return await self._look_and_fetch(question, on_progress)

    async def _look_and_fetch(self, question: Question, on_progress: Callable[[Progress], None] | None) -> HistoryReply:
        began, asked_at = self._clock.monotonic(), self._clock.now().timestamp()
        fetched = _Fetched(on_progress, bars_before=self._fetcher.bars)
        sources, problem = set[str](), None
        for number in range(_ROUNDS):
            survey = await self._surveyor.look(question, asked_at, number)
            sources |= survey.sources
            if not survey.jobs and survey.search is None:
                break
            sources.add("gateway")
            try:
                await self._fetch(question.series, survey, fetched)
            except DeskError as error:
                problem, survey = error, await self._surveyor.look(question, asked_at, number, is_last=True)
                break
        else:
            problem = Unavailable("bars are still missing after every one was asked for; try again in a moment")
            survey = await self._surveyor.look(question, asked_at, _ROUNDS, is_last=True)
        if problem is not None and not survey.is_any_known:
            raise problem
        return self._reply(question, survey, sources, began, fetched.requests, problem)

    async def _fetch(self, series: Series, survey: Survey, fetched: _Fetched) -> None:
        if survey.search is not None:
            fetched.requests += await self._fetcher.search_floor(series, survey.search)
            return
        now, jobs = self._fetcher.now(), survey.jobs
        fetched.wanted_s += sum(job.seconds(now) for job in jobs)

        def on_done(job: Job) -> None:
            fetched.done_s += job.seconds(now)
            if fetched.on_progress is not None:
                bars = self._fetcher.bars - fetched.bars_before
                fetched.on_progress(Progress(bars, fetched.done_s, fetched.wanted_s))

        fetched.requests += await self._fetcher.run(series, jobs, on_done)

    def _reply(
        self,
        question: Question,
        survey: Survey,
        sources: set[str],
        began: float,
        requests: int,
        error: DeskError | None,
    ) -> HistoryReply:
        source = max(sources, key=self._rank)
        self._answers[source] = self._answers.get(source, 0) + 1
        problem = None if error is None else str(error)
        if error is not None and question.window is not None:
            problem = (
                f"bars from {datetime.fromtimestamp(survey.until).astimezone():%Y-%m-%d %H:%M} on are missing: {error}"
            )
        return HistoryReply(
            columns=survey.bars,
            source=source,
            took_ms=(self._clock.monotonic() - began) * 1000,
            has_partial=survey.has_partial,
            problem=problem,
            requests=requests,
        )

    def _rank(self, source: str) -> float:
        """Memory is nearest, then the live bars, the slower tiers, the gateway."""
        names = self.store.names
        return {"live": 0.5, "gateway": len(names)}.get(source, names.index(source) if source in names else 0)

    # -- what others know ----------------------------------------------------------------------------------------------

    async def keep(self, contract_id: ContractId, timeframe: Timeframe, bars: Bars, covered: Spans, origin: str) -> int:
        """Final bars that somebody else knows (an import, a recorder), and the seconds for which these are all.

        What the gateway said stays; returns how many bars there differ from it. ``origin``: for the log.
        """
        sure = final_before(timeframe, self._fetcher.now())
        differing = 0
        known = clipped(covered, (FLOOR, sure))
        for key in pages_of(contract_id, timeframe, (known[0][0], known[-1][1])) if known else ():
            inside = clipped(known, key.span)
            if inside:
                self._fetcher.has_stored(Series(contract_id, timeframe), inside[0][0])
                await self.store.read_all(key)
                differing += self.store.offer(key, bars.between(*key.span), inside)
        if differing:
            log.warning(
                "history.import_differs", contract=contract_id, timeframe=timeframe.text, origin=origin, bars=differing
            )
        return differing

    # -- what is stored ------------------------------------------------------------------------------------------------

    def stats(self) -> CacheStats:
        memory = self.store.memory
        return CacheStats(
            tiers=self.store.tier_stats(),
            answers=dict(self._answers),
            requests=self._fetcher.requests,
            fetched_bars=self._fetcher.bars,
            memory_bytes=memory.bytes,
            memory_most=memory.max_bytes,
            memory_pages=len(memory),
            memory_bars=memory.bars,
            unwritten=self.store.unwritten,
        )

    async def series(self) -> list[SeriesInfo]:
        """What is stored, over all tiers that answer; sorted."""
        return await self.store.series()

    async def run(self) -> None:
        """Writes to the slower tiers behind the answers. Ends when cancelled; then ``flush`` once more."""
        await self.store.run()

    async def flush(self) -> None:
        """Writes all that the slower tiers are owed."""
        await self.store.flush()

    # -- ahead of the first question -----------------------------------------------------------------------------------

    async def prefetch(
        self,
        contracts: Iterable[ContractId],
        timeframes: Iterable[Timeframe],
        n: int,
        *,
        when_asked: bool = False,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> PrefetchReport:
        """Fills memory. Never raises for a series that fails: the report names it. Run it as a task of its own.

        when_asked: begin at the first question (``CACHE_INIT=lazy``). on_progress: series that are done (0 first), and all.
        """
        if when_asked:
            await self._asked.wait()
        began = self._clock.monotonic()
        wanted = [Series(contract, timeframe) for contract in contracts for timeframe in timeframes]
        gate, ended, pace = asyncio.Semaphore(_PREFETCHES_AT_ONCE), list[Series](), _Pace(self._clock)

        if on_progress is not None:
            on_progress(0, len(wanted))

        async def one(series: Series) -> int | PrefetchFailure:
            async with gate:
                await pace.wait()
                try:
                    reply = await self._answer(Question(series, partial=False, n=n), None)
                except DeskError as error:
                    return PrefetchFailure(series.contract_id, series.timeframe.text, str(error))
                finally:
                    ended.append(series)
                    if on_progress is not None:
                        on_progress(len(ended), len(wanted))
            pace.used(reply.requests)
            if reply.problem is not None:
                return PrefetchFailure(series.contract_id, series.timeframe.text, reply.problem)
            return len(reply.columns)

        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(one(item), name=f"prefetch {item[0]} {item[1]}") for item in wanted]
        results = [task.result() for task in running]
        loaded = [result for result in results if isinstance(result, int)]
        return PrefetchReport(
            series=len(loaded),
            bars=sum(loaded),
            took_ms=(self._clock.monotonic() - began) * 1000,
            failures=tuple(result for result in results if isinstance(result, PrefetchFailure)),
        )


class _Pace:
    """A warm-up leaves part of the gateway's budget for history (50 requests in 30 s, reference 6.1) to people."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._sent: deque[float] = deque(maxlen=_WARM_UP_REQUESTS)

    def used(self, requests: int) -> None:
        self._sent.extend([self._clock.monotonic()] * requests)

    async def wait(self) -> None:
        if len(self._sent) == _WARM_UP_REQUESTS:
            await asyncio.sleep(max(0.0, self._sent[0] + _WINDOW_S - self._clock.monotonic()))


def _up(at: datetime) -> int:
    return int(-(-at.timestamp() // 1))
