"""The history service against a market made of a function: what is asked of the gateway, and what memory answers."""

from __future__ import annotations

import asyncio
import gc
import weakref
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from desk.core.errors import Unavailable
from desk.core.ids import ContractId
from desk.core.timeframe import BarUnit, parse_timeframe
from desk.core.words import Bar
from desk.market.bars import Bars
from desk.market.spans import Span, Spans, clipped
from desk.runtime.barfetch import REQUEST_BARS
from desk.runtime.history import MAX_BARS, HistoryService
from desk.store import open_bar_archive

MNQ, ES = ContractId("CON.F.US.MNQ.Z26"), ContractId("CON.F.US.EP.Z26")
T0 = datetime(2026, 11, 18, 14, 30, 30, tzinfo=UTC)  # a Wednesday
M1, M5, D1 = (parse_timeframe(text) for text in ("1m", "5m", "1d"))
LENGTHS = {BarUnit.S: 1, BarUnit.M: 60, BarUnit.H: 3600, BarUnit.D: 86400, BarUnit.W: 604800, BarUnit.MO: 2592000}


class Clock:
    def __init__(self, now: datetime = T0) -> None:
        self.time = now

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.time.timestamp()

    def advance(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


class Market:
    """The gateway's bars: closed from Friday 22:00 to Sunday 23:00 UTC, nothing before ``first``."""

    def __init__(self, clock: Clock, first: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self.clock, self.first = clock, first
        self.asked: list[tuple[ContractId, datetime, datetime, int, bool]] = []
        self.failure: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(
        self,
        contract_id: ContractId,
        unit: BarUnit,
        unit_number: int,
        start: datetime,
        end: datetime,
        limit: int,
        partial: bool,
    ) -> Bars:
        assert 0 < limit <= REQUEST_BARS, "the gateway refuses this"
        self.asked.append((contract_id, start, end, limit, partial))
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        step = timedelta(seconds=LENGTHS[unit] * unit_number)
        now, bars = self.clock.now(), []
        opens = now - (now - datetime(2026, 1, 1, tzinfo=UTC)) % step
        while opens >= max(start, self.first) and len(bars) < limit:
            is_seen = opens < end and (partial or opens + step <= now)
            if is_seen and self.is_open(opens):
                bars.append(self.bar(opens, step))
            opens -= step
        return Bars.of(bars)

    def is_open(self, when: datetime) -> bool:
        hour = when.weekday() * 24 + when.hour
        return not 4 * 24 + 22 <= hour < 6 * 24 + 23

    def open_spans(self, contract_id: ContractId, span: Span) -> Spans:
        """Sunday 23:00 to Friday 22:00, over so many weeks."""
        del contract_id
        sunday = int(datetime(2026, 1, 4, 23, tzinfo=UTC).timestamp())
        weeks = range((span[0] - sunday) // 604_800 - 1, (span[1] - sunday) // 604_800 + 1)
        return clipped([(sunday + 604_800 * w, sunday + 604_800 * w + 119 * 3600) for w in weeks], span)

    def bar(self, opens: datetime, step: timedelta) -> Bar:
        """A forming bar's volume grows with the seconds it has."""
        seconds = min(step, self.clock.now() - opens).total_seconds()
        price = Decimal(21000)
        return Bar(ts_open=opens, open=price, high=price, low=price, close=price, volume=int(seconds))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def market(clock: Clock) -> Market:
    return Market(clock)


@pytest.fixture
def history(market: Market, clock: Clock) -> HistoryService:
    return HistoryService(market, clock)


def opens_of(bars: tuple[Bar, ...]) -> list[str]:
    return [f"{bar.ts_open:%H:%M}" for bar in bars]


async def test_the_newest_bars_come_ascending_and_the_last_is_still_forming(history: HistoryService) -> None:
    reply = await history.bars(MNQ, M5, 3)
    assert opens_of(reply.bars) == ["14:20", "14:25", "14:30"]
    assert (reply.source, reply.has_partial, reply.problem) == ("gateway", True, None)


async def test_without_the_forming_bar_only_closed_ones_come(history: HistoryService) -> None:
    reply = await history.bars(MNQ, M5, 3, partial=False)
    assert opens_of(reply.bars) == ["14:15", "14:20", "14:25"]
    assert not reply.has_partial


async def test_the_same_question_again_is_answered_from_memory(history: HistoryService, market: Market) -> None:
    first = await history.bars(MNQ, M1, 500)
    again = await history.bars(MNQ, M1, 500)
    assert again.source == "memory"
    assert again.bars == first.bars
    assert len(market.asked) == 1


async def test_only_what_is_missing_is_asked_for(history: HistoryService, market: Market, clock: Clock) -> None:
    await history.bars(MNQ, M1, 500)
    clock.advance(180)
    reply = await history.bars(MNQ, M1, 500)
    assert opens_of(reply.bars)[-3:] == ["14:31", "14:32", "14:33"]
    assert len(reply.bars) == 500
    assert market.asked[-1][3] <= 7, "a few bars, not five hundred"
    assert len(market.asked) == 2


async def test_more_bars_than_known_ask_for_the_older_ones_only(history: HistoryService, market: Market) -> None:
    await history.bars(MNQ, M1, 100)
    reply = await history.bars(MNQ, M1, 250)
    assert len(reply.bars) == 250
    assert len({bar.ts_open for bar in reply.bars}) == 250
    assert market.asked[-1][3] <= 150
    assert market.asked[-1][2] <= reply.bars[150].ts_open


async def test_a_bar_that_has_closed_replaces_its_forming_self(history: HistoryService, clock: Clock) -> None:
    forming = (await history.bars(MNQ, M1, 1)).bars[-1]
    clock.advance(60)
    closed = (await history.bars(MNQ, M1, 2)).bars[0]
    assert (forming.ts_open, forming.volume, closed.volume) == (closed.ts_open, 30, 60)


async def test_a_bar_that_closed_a_second_ago_is_read_again_because_it_may_still_change(
    history: HistoryService, market: Market, clock: Clock
) -> None:
    clock.time = T0.replace(minute=31, second=1)
    await history.bars(MNQ, M1, 5)
    clock.advance(5)
    await history.bars(MNQ, M1, 5)
    assert market.asked[-1][1] <= T0.replace(second=0), "from the opening of the bar that had just closed"


async def test_closed_bars_cost_no_request_until_the_next_one_has_closed(
    history: HistoryService, market: Market, clock: Clock
) -> None:
    await history.bars(MNQ, M5, 10, partial=False)
    clock.advance(200)
    assert (await history.bars(MNQ, M5, 10, partial=False)).source == "memory"
    clock.advance(80)
    reply = await history.bars(MNQ, M5, 10, partial=False)
    assert (reply.source, opens_of(reply.bars)[-1]) == ("gateway", "14:30")
    assert len(market.asked) == 2


async def test_a_weekend_in_between_does_not_shorten_the_answer(market: Market) -> None:
    market.clock.time = datetime(2026, 11, 22, 23, 10, 10, tzinfo=UTC)  # ten minutes after Sunday's opening
    history = HistoryService(market, market.clock)
    reply = await history.bars(MNQ, M5, 100)
    assert len(reply.bars) == 100
    assert reply.bars[0].ts_open.weekday() == 4
    assert len(market.asked) == 1


async def test_a_closed_market_has_no_forming_bar(market: Market) -> None:
    market.clock.time = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)  # Saturday
    reply = await HistoryService(market, market.clock).bars(MNQ, M5, 20)
    assert (len(reply.bars), reply.has_partial) == (20, False)


async def test_a_contract_listed_yesterday_gives_what_there_is_and_is_not_searched_again(clock: Clock) -> None:
    market = Market(clock, first=T0 - timedelta(hours=20))
    history = HistoryService(market, clock)
    first = await history.bars(MNQ, parse_timeframe("1h"), 500)
    requests = len(market.asked)
    again = await history.bars(MNQ, parse_timeframe("1h"), 500)
    assert len(first.bars) == len(again.bars) == 20
    assert (again.source, len(market.asked)) == ("memory", requests)


async def test_a_question_that_one_request_can_answer_is_one(history: HistoryService, market: Market) -> None:
    reply = await history.bars(MNQ, M1, REQUEST_BARS)
    assert len(reply.bars) == REQUEST_BARS
    assert (await history.bars(MNQ, M1, REQUEST_BARS)).source == "memory"
    assert len(market.asked) == 1


@pytest.mark.parametrize("n", [0, -1, MAX_BARS + 1])
async def test_a_number_of_bars_out_of_range_is_refused(history: HistoryService, n: int) -> None:
    with pytest.raises(ValueError, match="1 to 1000000"):
        await history.bars(MNQ, M1, n)


async def test_fifty_who_ask_the_same_share_one_request(history: HistoryService, market: Market) -> None:
    market.gate.clear()
    asking = [asyncio.create_task(history.bars(MNQ, M1, 200)) for _ in range(50)]
    await asyncio.sleep(0)
    market.gate.set()
    replies = await asyncio.gather(*asking)
    assert len(market.asked) == 1
    assert all(reply.bars == replies[0].bars for reply in replies)


async def test_all_who_share_a_request_get_its_error(history: HistoryService, market: Market) -> None:
    market.gate.clear()
    market.failure = Unavailable("no connection")
    asking = [asyncio.create_task(history.bars(MNQ, M1, 200)) for _ in range(5)]
    await asyncio.sleep(0)
    market.gate.set()
    errors = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(error) for error in errors] == [Unavailable] * 5
    assert len(market.asked) == 1


async def test_one_who_gives_up_leaves_the_others_with_their_answer(history: HistoryService, market: Market) -> None:
    market.gate.clear()
    first, second = (asyncio.create_task(history.bars(MNQ, M1, 20)) for _ in range(2))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    market.gate.set()
    assert len((await second).bars) == 20
    assert first.cancelled()


async def test_a_silent_gateway_gives_what_memory_has_and_says_so(
    history: HistoryService, market: Market, clock: Clock
) -> None:
    before = await history.bars(MNQ, M5, 10)
    market.failure = Unavailable("no connection")
    clock.advance(600)
    reply = await history.bars(MNQ, M5, 10)
    assert reply.bars == before.bars[1:-1] or reply.bars[-1] == before.bars[-2], (
        "what was forming then is not shown as closed"
    )
    assert reply.problem == "no connection"
    assert not reply.has_partial


async def test_memory_is_bounded_and_forgets_what_was_not_asked_for_longest(market: Market, clock: Clock) -> None:
    history = HistoryService(market, clock, memory_bytes=16_000)
    await history.bars(MNQ, M1, 100)
    await history.bars(MNQ, M5, 100)
    await history.bars(MNQ, M1, 100)
    await history.bars(ES, M1, 100)  # too many: MNQ 5m goes
    assert history.stats().memory_bytes <= 16_000
    assert (await history.bars(MNQ, M1, 100)).source == "memory"
    assert (await history.bars(MNQ, M5, 100)).source == "gateway"


async def test_the_newest_bars_of_a_series_hold_no_reply_in_memory(market: Market, clock: Clock) -> None:
    """They are remembered outside of the bound: three bars, not the 20,000 that came with them."""
    replies = []

    async def fetch(*args: Any) -> Bars:
        bars = await market(*args)
        replies.append(weakref.ref(bars.ts if bars.ts.base is None else bars.ts.base))
        return bars

    history = HistoryService(fetch, clock)
    assert len((await history.bars(MNQ, M1, 100)).columns) == 100
    gc.collect()
    assert replies
    assert all(reply() is None for reply in replies)


async def test_an_answer_larger_than_memory_is_fetched_once_and_let_go(market: Market, clock: Clock) -> None:
    history = HistoryService(market, clock, memory_bytes=16_000, open_spans=market.open_spans)
    reply = await history.bars(MNQ, M1, 25_000)
    assert (len(reply.columns), len(market.asked)) == (25_000, 2)
    assert history.stats().memory_bytes <= 16_000


async def test_a_daemon_that_runs_for_days_has_no_hole(market: Market, clock: Clock) -> None:
    history = HistoryService(market, clock)
    for _ in range(60):
        await history.bars(MNQ, M1, 50)
        clock.advance(600)
    reply = await history.bars(MNQ, M1, 300)
    assert len(market.asked) == 61
    assert [b.ts_open - a.ts_open for a, b in zip(reply.bars, reply.bars[1:], strict=False)] == [
        timedelta(minutes=1)
    ] * 299


async def test_prefetch_fills_memory_and_names_what_failed(history: HistoryService, market: Market) -> None:
    report = await history.prefetch([MNQ, ES], [M1, M5], 300)
    assert (report.series, report.failures) == (4, ())
    assert report.bars == 1200
    assert (await history.bars(ES, M5, 300, partial=False)).source == "memory"
    market.failure = Unavailable("no connection")
    report = await history.prefetch([ContractId("CON.F.US.M2K.Z26")], [M1], 300)
    assert [(f.contract_id, f.timeframe, f.reason) for f in report.failures] == [
        ("CON.F.US.M2K.Z26", "1m", "no connection")
    ]


async def test_a_lazy_prefetch_waits_for_the_first_question(history: HistoryService, market: Market) -> None:
    told: list[tuple[int, int]] = []
    work = history.prefetch([MNQ, ES], [M5], 50, when_asked=True, on_progress=lambda *far: told.append(far))
    waiting = asyncio.create_task(work)
    for _ in range(3):
        await asyncio.sleep(0)
    assert not market.asked
    assert not told, "its time counts from the question on"
    await history.between(MNQ, M1, T0 - timedelta(minutes=9), T0 - timedelta(minutes=2), is_asked=False)
    assert len(market.asked) == 1, "the desk's own questions are nobody's"
    await history.bars(MNQ, M1, 10)
    assert (await waiting).series == 2
    assert told == [(0, 2), (1, 2), (2, 2)]


@pytest.mark.parametrize(
    ("text", "unit", "number", "canonical"),
    [
        ("30s", BarUnit.S, 30, "30s"),
        ("5m", BarUnit.M, 5, "5m"),
        ("1H", BarUnit.H, 1, "1h"),
        (" 4h ", BarUnit.H, 4, "4h"),
        ("1D", BarUnit.D, 1, "1d"),
        ("1w", BarUnit.W, 1, "1w"),
        ("1M", BarUnit.MO, 1, "1M"),
        ("01m", BarUnit.M, 1, "1m"),
    ],
)
def test_timeframes_are_read(text: str, unit: BarUnit, number: int, canonical: str) -> None:
    timeframe = parse_timeframe(text)
    assert (timeframe.unit, timeframe.number, timeframe.text) == (unit, number, canonical)


@pytest.mark.parametrize("text", ["", "5", "m", "0m", "5x", "1.5h", "5 m", "-5m", "\u0665m", "9999m"])
def test_what_is_no_timeframe_gets_examples(text: str) -> None:
    with pytest.raises(ValueError, match="such as 30s, 5m, 1h"):
        parse_timeframe(text)


def test_a_bare_number_gets_the_likely_meaning() -> None:
    with pytest.raises(ValueError, match="Did you mean 5m"):
        parse_timeframe("5")


async def test_months_of_bars_do_not_reach_before_time_began(clock: Clock) -> None:
    market = Market(clock)
    reply = await HistoryService(market, clock).bars(MNQ, parse_timeframe("1M"), REQUEST_BARS)
    assert 1 <= len(reply.bars) <= 12


async def test_day_bars_are_read_again_after_a_moment(history: HistoryService, market: Market, clock: Clock) -> None:
    await history.bars(MNQ, D1, 5)
    clock.advance(1)
    assert (await history.bars(MNQ, D1, 5)).source == "memory"
    clock.advance(10)
    assert (await history.bars(MNQ, D1, 5)).source == "gateway"


async def test_a_bar_is_closed_only_when_it_is_so_by_the_gateways_clock_too(market: Market, clock: Clock) -> None:
    clock.time = T0.replace(minute=31, second=3)
    history = HistoryService(market, clock, offset_s=lambda: -5.0)  # the gateway says 14:30:58
    assert opens_of((await history.bars(MNQ, M1, 2, partial=False)).bars) == ["14:28", "14:29"]
    assert (await history.bars(MNQ, M1, 2)).has_partial


async def test_a_clock_that_was_set_forward_makes_no_forming_bar_final(market: Market, clock: Clock) -> None:
    """Only the reply tells that our clock is wrong; the hour that is yet to come was kept as one without a bar."""
    ours, offset = Clock(), 0.0

    async def fetch(*args: Any) -> Bars:
        nonlocal offset
        bars = await market(*args)
        offset = (clock.time - ours.time).total_seconds()
        return bars

    history = HistoryService(fetch, ours, offset_s=lambda: offset)
    ours.advance(3600)
    await history.bars(MNQ, M1, 5)
    ours.time, offset = clock.time, 0.0
    for one in (ours, clock):
        one.advance(7200)
    reply = await history.bars(MNQ, M1, 130, partial=False)
    assert {bar.volume for bar in reply.bars} == {60}
    assert len({bar.ts_open for bar in reply.bars}) == 130
    assert reply.bars[-1].ts_open - reply.bars[0].ts_open == timedelta(minutes=129)


@pytest.mark.parametrize(("text", "behind_s"), [("5s", 20), ("1m", 200)])
async def test_a_computer_whose_clock_is_slow_gets_whole_answers(
    market: Market, clock: Clock, text: str, behind_s: int
) -> None:
    """There are more bars than our clock would have; a reply cut by the limit left a hole that nothing could fill."""
    ours = Clock(T0 - timedelta(seconds=behind_s))
    history = HistoryService(market, ours, offset_s=lambda: float(behind_s))
    for _ in range(3):
        reply = await history.bars(MNQ, parse_timeframe(text), 20)
        assert reply.problem is None
        assert len(reply.bars) == 20
        for one in (ours, clock):
            one.advance(7)


async def test_a_clock_that_was_set_back_does_not_freeze_the_newest_bars(
    history: HistoryService, market: Market, clock: Clock
) -> None:
    clock.advance(3600)
    await history.bars(MNQ, M1, 5)
    clock.advance(-3600)
    for minute in range(3):
        clock.advance(60)
        assert opens_of((await history.bars(MNQ, M1, 1)).bars) == [f"14:{31 + minute}"]
    assert len(market.asked) == 4


@pytest.mark.parametrize(("first", "then"), [(100, 104), (100, 250_000)])
async def test_a_gateway_that_counts_the_end_as_inside_gives_no_shorter_answers(
    market: Market, clock: Clock, first: int, then: int
) -> None:
    """Whether it does is unproven (reference 3.4): the one bar that came was the one at the end."""

    async def fetch(*args: Any) -> Bars:
        return await market(*args[:4], args[4] + timedelta(seconds=1), *args[5:])

    history = HistoryService(fetch, clock)
    await history.bars(MNQ, M1, first)
    reply = await history.bars(MNQ, M1, then)
    assert reply.problem is None
    assert len(reply.columns) == then


async def test_longer_bars_made_of_an_import_are_no_word_of_the_gateway(history: HistoryService, clock: Clock) -> None:
    start = int(datetime(2026, 11, 17, 15, tzinfo=UTC).timestamp())
    span = (start, start + 600)

    def file_of(step: int, price: int) -> Bars:
        ts = np.arange(*span, step)
        return Bars(ts, *(np.full(len(ts), price) for _ in range(5)))

    await history.keep(MNQ, M1, file_of(60, 1), (span,), "a file")
    first, last = (datetime.fromtimestamp(at, UTC) for at in span)
    made = await history.between(MNQ, M5, first, last)
    assert made.columns.volume.tolist() == [5, 5]
    assert made.requests == 0
    assert await history.keep(MNQ, M5, file_of(300, 2), (span,), "a better file") == 0, "they differ from no gateway's"
    assert (await history.between(MNQ, M5, first, last)).columns.volume.tolist() == [2, 2]


def day_of_november(day: int) -> tuple[datetime, datetime]:
    return datetime(2026, 11, day, 6, tzinfo=UTC), datetime(2026, 11, day, 20, tzinfo=UTC)


async def test_an_outage_told_as_an_empty_list_is_not_kept_for_ever(market: Market, clock: Clock) -> None:
    has_outage = True

    async def fetch(*args: Any) -> Bars:
        bars = await market(*args)
        return Bars.empty() if has_outage else bars

    history = HistoryService(fetch, clock, open_spans=market.open_spans)
    for _ in range(2):
        assert len((await history.between(MNQ, M1, *day_of_november(17))).columns) == 0
    assert len(market.asked) == 1, "a moment later it would say the same"
    has_outage = False
    clock.advance(61)
    assert len((await history.between(MNQ, M1, *day_of_november(17))).columns) == 14 * 60


async def test_hours_in_which_nothing_traded_are_asked_for_twice_and_never_again(clock: Clock) -> None:
    market = Market(clock, first=datetime(2026, 11, 18, tzinfo=UTC))
    history = HistoryService(market, clock, open_spans=market.open_spans)
    for _ in range(5):
        assert len((await history.between(MNQ, M1, *day_of_november(17))).columns) == 0
        clock.advance(901)
    assert len(market.asked) == 2


async def test_a_pause_without_a_bar_is_asked_for_once(market: Market, clock: Clock) -> None:
    market.is_open = lambda when: when.hour != 9  # type: ignore[method-assign]
    history = HistoryService(market, clock, open_spans=market.open_spans)
    start = datetime(2026, 11, 17, 9, tzinfo=UTC)
    for _ in range(3):
        assert len((await history.between(MNQ, M1, start, start + timedelta(hours=1))).columns) == 0
        clock.advance(61)
    assert len(market.asked) == 1


async def test_no_window_begins_or_ends_inside_a_bar(market: Market, clock: Clock) -> None:
    """What the gateway says of a bar that closes behind the window's end is unproven, and here it would be lost."""
    market.is_open = lambda when: when.minute == 0  # type: ignore[method-assign]
    history = HistoryService(market, clock)
    for n in (7, 200, 333, 250_001):
        await history.bars(MNQ, M1, n)
    edges = {edge for _, start, end, *_ in market.asked for edge in (start, end)} - {clock.time}
    assert len(edges) > 4
    assert {edge.second for edge in edges} == {0}


@pytest.mark.parametrize("is_restarted", [False, True])
async def test_stored_bars_older_than_the_gateways_first_stay_in_the_answer(
    clock: Clock, tmp_path: Path, is_restarted: bool
) -> None:
    """The gateway forgets the minutes of an expired month, and a search for its first bar must not hide what is kept."""
    market = Market(clock, first=datetime(2026, 11, 16, tzinfo=UTC))
    start = int(datetime(2026, 9, 1, 15, tzinfo=UTC).timestamp())
    ts = np.arange(start, start + 6000, 60)
    async with open_bar_archive(tmp_path) as archive:
        history = HistoryService(market, clock, tiers=[archive])
        await history.keep(
            MNQ, M1, Bars(ts, *(np.full(100, 10**9) for _ in range(5))), ((start, start + 6000),), "file"
        )
        if is_restarted:
            await history.flush()
            history = HistoryService(market, clock, tiers=[archive])
        for n in (250_001, 20_000):
            reply = await history.bars(MNQ, M1, n)
            assert reply.problem is None
            assert int(reply.columns.ts[0]) == start
            assert len(reply.columns) == 3851
        day = await history.between(MNQ, M1, datetime(2026, 9, 1, tzinfo=UTC), datetime(2026, 9, 2, tzinfo=UTC))
        assert day.columns.ts.tolist() == ts.tolist()
        assert day.requests == 0


@pytest.mark.parametrize("minutes", [3, 10])
async def test_history_that_lags_behind_loses_no_bar(market: Market, clock: Clock, minutes: int) -> None:
    lag = timedelta(minutes=minutes)

    async def fetch(*args: Any) -> Bars:
        bars = await market(*args)
        return bars.between(0, int((clock.time - lag).timestamp()))

    history = HistoryService(fetch, clock)
    for _ in range(20):
        await history.bars(MNQ, M1, 50)
        clock.advance(61)
    assert len(market.asked) <= 40
    lag = timedelta(0)
    clock.advance(61)
    reply = await history.bars(MNQ, M1, 50)
    assert [b.ts_open - a.ts_open for a, b in pairwise(reply.bars)] == [timedelta(minutes=1)] * 49


async def test_a_warm_up_leaves_requests_to_people(
    market: Market, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        clock.advance(seconds)

    monkeypatch.setattr("desk.runtime.history.asyncio.sleep", sleep)
    contracts = [ContractId(f"CON.F.US.X{number}.Z26") for number in range(33)]
    report = await HistoryService(market, clock).prefetch(contracts, [M1], 100)
    assert (report.series, report.failures) == (33, ())
    assert sum(pauses) >= 30
