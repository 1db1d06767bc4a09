"""Live events and bars are made of the same prints: inside every second, over every hour, in a burst, over the book."""

from __future__ import annotations

import asyncio
import json
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import connect

from desk.sim import SimConfig, SimServer
from desk.sim.catalogue import Catalogue
from desk.sim.depth import LEVELS, Book
from desk.sim.market import BarQuery, Market
from desk.sim.noise import PRINTS
from desk.sim.sessions import is_open
from desk.sim.steps import STEPS
from desk.sim.today import session_of
from tests.stalls import longest_turn

from .raw import RawHub, Rest

US_HOURS = datetime(2026, 11, 18, 15, 2, 0, tzinfo=UTC)
NIGHT = datetime(2026, 11, 18, 3, 2, 0, tzinfo=UTC)
CATALOGUE = Catalogue()
CONTRACTS = {row.name[:-2]: row for row in CATALOGUE.available(US_HOURS.date())}
MNQ = CONTRACTS["MNQ"]


def second_bars(market: Market, name: str, start: datetime, seconds: int) -> dict[int, tuple[int, ...]]:
    query = BarQuery(1, 1, start, start + timedelta(seconds=seconds), 20_000, False)
    made = market.bars(CONTRACTS[name], query, start + timedelta(seconds=seconds + 5))
    columns = (made.start, made.open, made.high, made.low, made.close, made.volume)
    return {row[0]: row[1:] for row in zip(*(column.tolist() for column in columns), strict=True)}


@settings(max_examples=25)
@given(
    name=st.sampled_from(["MNQ", "ES", "CL", "6E", "ZN", "ZC", "HE", "NKD", "MBT"]),
    minute=st.integers(0, 500_000), seed=st.integers(0, 50),
)  # fmt: skip
def test_the_tape_of_a_second_is_that_seconds_bar(name: str, minute: int, seed: int) -> None:
    """Every step's trade is inside the bar, the last is its close, contracts add up, and no tape means no bar."""
    start = US_HOURS - timedelta(minutes=minute)
    market = Market(seed, manual=False, started=start)
    steps = market.steps(CONTRACTS[name], int(start.timestamp()) // 60)
    assert len(steps.last) == PRINTS * STEPS
    tape: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for place, volume in enumerate(steps.volume):
        assert steps.bid[place] < steps.ask[place]
        assert steps.bid[place] <= steps.last[place] <= steps.ask[place]
        if volume:
            assert steps.quoted[place]
            tape[int(start.timestamp()) + place // 40].append((steps.last[place], volume))
    folded = {
        second: (
            rows[0][0],
            max(row[0] for row in rows),
            min(row[0] for row in rows),
            rows[-1][0],
            sum(r[1] for r in rows),
        )
        for second, rows in tape.items()
    }
    assert folded == second_bars(market, name, start, 60)


@settings(max_examples=15)
@given(name=st.sampled_from(["MNQ", "ZC", "HE", "CL"]), day=st.integers(0, 300), number=st.sampled_from([1, 5, 60]))
def test_exchange_hours_leave_no_bar_where_the_market_is_shut(name: str, day: int, number: int) -> None:
    """Reference 3.4 and 6.4: gaps, and bars of hours and days made of the open minutes alone."""
    contract, now = CONTRACTS[name], US_HOURS - timedelta(days=day)
    market = Market(7, manual=False, started=now, hours="exchange")
    query = BarQuery(2, number, now - timedelta(days=4), now, 20_000, False)
    bars = market.bars(contract, query, now)
    for start in bars.start.tolist()[:: 1 + 60 // number]:
        minutes = [datetime.fromtimestamp(start + 60 * offset, UTC) for offset in range(number)]
        assert any(is_open(contract.group, at) for at in minutes)
    fine = market.bars(contract, BarQuery(2, 1, now - timedelta(days=4), now, 20_000, False), now)
    first = int(bars.start[0])
    assert bars.volume.sum() == fine.volume[(fine.start >= first) & (fine.start < bars.start[-1] + 60 * number)].sum()
    closed = next(
        (at for at in (now - timedelta(hours=h) for h in range(200)) if not is_open(contract.group, at)), None
    )
    assert closed is not None
    index = int(closed.timestamp()) * 4
    assert market.prints(contract, index, index + 8) == []
    last = market.quote(contract, closed).last
    assert market.quote(contract, closed + timedelta(seconds=3)).last == last
    before = market.bars(contract, BarQuery(2, 1, closed - timedelta(days=6), closed, 1, False), closed)
    assert int(last / contract.tick_size) == before.close[-1]


@settings(max_examples=20)
@given(moves=st.lists(st.integers(-15, 15), max_size=60), seed=st.integers(0, 1000))
def test_a_book_rebuilt_from_its_rows_is_the_book(moves: list[int], seed: int) -> None:
    """Ten levels a side, the best ones at the quote, never crossed, whatever the market does."""
    seen: dict[str, dict[int, int]] = {"bids": {}, "asks": {}}

    def take(rows: list[tuple[int, int, int]]) -> None:
        for kind, ticks, size in rows:
            side = seen["bids"] if kind in (2, 4, 9) else seen["asks"]
            if size:
                side[ticks] = size
            else:
                side.pop(ticks)

    book = Book(random.Random(seed), lambda kind, ticks, size: json.dumps([kind, ticks, size]))
    bid = 1000
    for move in [0, *moves]:
        bid += move
        take([json.loads(row) for row in book.move(bid, bid + 1 + abs(move) % 3)])
        take([json.loads(book.change())])
        assert book.levels() == (seen["bids"], seen["asks"])
        assert (max(seen["bids"]), min(seen["asks"])) == (bid, bid + 1 + abs(move) % 3)
        assert len(seen["bids"]) == len(seen["asks"]) == LEVELS
    assert [json.loads(row)[0] for row in book.snapshot()[:2]] == [6, 4]


class Clock:
    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@asynccontextmanager
async def streaming(clock: Clock, *names: str, **settings: Any) -> AsyncIterator[tuple[SimServer, RawHub]]:
    """Everything of some products, subscribed, with a clock that the test moves."""
    config = SimConfig(clock=clock, feed_interval_s=0.005, **settings)
    async with SimServer(config) as sim, aiohttp.ClientSession() as session:
        token = await Rest(session, sim.url).login()
        url = f"{sim.url.replace('http', 'ws')}/hubs/market?access_token={token}"
        async with connect(url, max_size=None) as socket:
            raw = RawHub(socket)
            await raw.shake_hands()
            for name in names:
                for kind in ("Quotes", "Trades", "MarketDepth"):
                    completion = await raw.invoke(f"SubscribeContract{kind}", CONTRACTS[name].id)
                    assert completion["result"] == 0
            yield sim, raw


async def gathered(raw: RawHub, seconds: float) -> list[dict[str, Any]]:
    """All that comes until nothing came for so long."""
    events: list[dict[str, Any]] = []
    while True:
        try:
            async with asyncio.timeout(seconds):
                events.append(await raw.receive())
        except TimeoutError:
            return [event for event in events if event.get("type") == 1]


def number_of(events: list[dict[str, Any]], target: str) -> int:
    return sum(1 for event in events if event["target"] == target)


@pytest.mark.parametrize(("at", "share"), [(US_HOURS, 1.0), (NIGHT, 0.3)])
async def test_mnq_comes_at_the_rates_of_the_reference(at: datetime, share: float) -> None:
    """Reference 5.3: about 42 quotes, 20 trades and 62 depth events a second in US hours; sparse, and true to the bars."""
    clock = Clock(at)
    async with streaming(clock, "MNQ") as (_, raw):
        await gathered(raw, 0.1)
        for _ in range(20):
            clock.now += timedelta(seconds=1)
            await asyncio.sleep(0.012)
        events = await gathered(raw, 0.1)
    for target, rate in {"GatewayQuote": 42, "GatewayTrade": 20, "GatewayDepth": 62}.items():
        assert 0.75 * rate * share < number_of(events, target) / 20 < 1.3 * rate * share, target
    tape: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in events:
        if event["target"] == "GatewayTrade":
            for row in event["arguments"][1]:
                tape[row["timestamp"][:19]].append(row)
    bars = second_bars(Market(7, manual=False, started=at), "MNQ", at, 20)
    for start, (_, high, low, close, volume) in list(bars.items())[2:]:
        rows = tape[datetime.fromtimestamp(start, UTC).isoformat()[:19]]
        prices = [row["price"] / 0.25 for row in rows]
        assert (max(prices), min(prices), prices[-1], sum(row["volume"] for row in rows)) == (high, low, close, volume)


async def test_quotes_tell_the_session_only_where_it_changed() -> None:
    """Reference 5.3: open, high, low, volume and change; volume ends where the day's bar is."""
    clock = Clock(US_HOURS)
    async with streaming(clock, "MNQ") as (_, raw):
        whole = (await raw.event("GatewayQuote"))[1]
        assert whole.keys() >= {"open", "high", "low", "volume", "change", "changePercent", "lastPrice"}
        merged, sizes = dict(whole), []
        for _ in range(8):
            clock.now += timedelta(seconds=1)
            await asyncio.sleep(0.012)
        clock.now += timedelta(seconds=0.24)
        for event in await gathered(raw, 0.1):
            if event["target"] == "GatewayQuote":
                assert None not in event["arguments"][1].values()
                merged |= event["arguments"][1]
                sizes.append(len(event["arguments"][1]))
        assert "high" not in event["arguments"][1]
        day = session_of(Market(7, manual=False, started=US_HOURS), MNQ, clock.now)
    assert min(sizes) <= 5
    assert (merged["open"] * 4, merged["high"] * 4, merged["low"] * 4) == (day.open, day.high, day.low)
    assert merged["volume"] == day.volume
    assert day.settled is not None
    assert merged["change"] == merged["lastPrice"] - day.settled * 0.25


async def test_depth_begins_with_the_whole_book_and_stays_beside_the_quote() -> None:
    """Reference 5.3, with the SIM choices of ``depth.py``."""
    clock = Clock(US_HOURS)
    async with streaming(clock, "ES") as (sim, raw):
        identity, rows = await raw.event("GatewayDepth")
        assert identity == CONTRACTS["ES"].id
        assert [row["type"] for row in rows] == [6, 4, *[2] * 9, 3, *[1] * 9]
        assert rows[1].keys() == {"contractId", "timestamp", "type", "price", "volume", "currentVolume"}
        quote = sim.quote(CONTRACTS["ES"].id)
        assert (rows[1]["price"], rows[11]["price"]) == (float(quote.bid), float(quote.ask))
        clock.now += timedelta(seconds=2)
        kinds = {row["type"] for one in await gathered(raw, 0.1) if one["target"] == "GatewayDepth"
                 for row in one["arguments"][1]}  # fmt: skip
        assert kinds >= {1, 2, 5, 9, 10}


async def test_an_0830_burst_adds_its_events_and_its_volume() -> None:
    """So many events on top, nothing outside the bar, and the bars know the contracts."""
    clock = Clock(US_HOURS)
    async with streaming(clock, "MNQ", "ES") as (sim, raw):
        await gathered(raw, 0.1)
        before = sim.quote(MNQ.id)
        sim.burst(3000, 0.2)
        events = await gathered(raw, 0.3)
        assert len(events) == pytest.approx(3000, abs=100)
        assert {event["arguments"][0] for event in events} == {MNQ.id, CONTRACTS["ES"].id}
        trades = [row for event in events if event["target"] == "GatewayTrade" for row in event["arguments"][1]
                  if row["contractId"] == MNQ.id]  # fmt: skip
        assert {row["price"] for row in trades} == {float(before.last)}
        clock.now += timedelta(seconds=59)
        query = BarQuery(2, 1, US_HOURS, US_HOURS + timedelta(minutes=1), 1, True)
        bar = sim._venue.market.bars(MNQ, query, clock.now)
        quiet = Market(7, manual=False, started=US_HOURS).bars(MNQ, query, clock.now)
        assert bar.volume[0] - quiet.volume[0] == len(trades)
        assert (bar.high[0], bar.low[0], bar.close[0]) == (quiet.high[0], quiet.low[0], quiet.close[0])


async def test_a_new_session_begins_at_17_00_in_chicago() -> None:
    """Volume and range start afresh, and the change counts from the price before."""
    clock = Clock(datetime(2026, 11, 18, 22, 59, 58, tzinfo=UTC))
    async with streaming(clock, "MNQ") as (_, raw):
        whole = (await raw.event("GatewayQuote"))[1]
        clock.now += timedelta(seconds=4)
        events = [event["arguments"][1] for event in await gathered(raw, 0.1) if event["target"] == "GatewayQuote"]
    volumes = [event["volume"] for event in events if "volume" in event]
    assert volumes[0] > whole["volume"]
    assert volumes[-1] < 2000
    assert "open" in {name for event in events for name in event}


async def test_a_clock_that_is_set_back_does_not_stop_the_market() -> None:
    """Quotes go on at the new time, and a resting order still trades."""
    clock = Clock(US_HOURS)
    async with streaming(clock, "MNQ") as (sim, raw):
        await gathered(raw, 0.1)
        sim.faults.skew(-3600)
        await gathered(raw, 0.1)
        for _ in range(4):
            clock.now += timedelta(seconds=1)
            await asyncio.sleep(0.02)
        events = await gathered(raw, 0.1)
        assert number_of(events, "GatewayQuote") > 80
        assert {event["arguments"][1]["timestamp"][:13] for event in events if event["target"] == "GatewayQuote"} == {
            "2026-11-18T14"
        }
        assert sim._venue.market.quote(MNQ, US_HOURS) != sim.quote(MNQ.id)


async def test_twenty_symbols_in_a_burst_never_hold_the_loop_for_long() -> None:
    """The goal is 50 ms; twice that here, where asyncio's debug mode looks at every step."""
    async with SimServer(SimConfig()) as sim, aiohttp.ClientSession() as session:
        token = await Rest(session, sim.url).login()
        async with connect(
            f"{sim.url.replace('http', 'ws')}/hubs/market?access_token={token}", max_size=None
        ) as socket:
            await socket.send('{"protocol":"json","version":1}\x1e')
            calls = [{"type": 1, "target": f"SubscribeContract{kind}", "arguments": [row.id]}
                     for row in sim.contracts[:20] for kind in ("Quotes", "Trades", "MarketDepth")]  # fmt: skip
            await socket.send("".join(json.dumps(call) + "\x1e" for call in calls))
            sim.burst(4000, 2.0)
            reader = asyncio.create_task(drained(socket))
            async with longest_turn() as turns:
                await asyncio.sleep(2.0)
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
    assert turns.worst_s < 0.1


async def drained(socket: Any) -> None:
    async for _ in socket:
        pass


async def test_what_a_new_subscriber_hears_first_is_not_newer_than_what_follows() -> None:
    """Its session is read in a thread: time goes on meanwhile, and those steps are told after the whole quote."""
    clock = Clock(US_HOURS)
    async with streaming(clock) as (sim, raw):
        in_thread = sim._venue.in_thread

        async def slowly(work: Callable[[], Any]) -> Any:
            result = await in_thread(work)
            clock.now += timedelta(seconds=2)
            return result

        sim._venue.in_thread = slowly  # type: ignore[method-assign]
        await raw.invoke("SubscribeContractQuotes", CONTRACTS["MNQ"].id)
        events = [await raw.event("GatewayQuote")]
        events += [one["arguments"] for one in await gathered(raw, 0.2) if one["target"] == "GatewayQuote"]
    times = [event[1]["timestamp"] for event in events]
    assert len(times) > 20
    assert times == sorted(times)
    assert all(event[1]["timestamp"] <= event[1]["lastUpdated"] for event in events)
