"""What keeps the average true range warm: when it asks, what it does when it is refused, when a value is too old."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from desk.core.errors import Unavailable
from desk.core.ids import ContractId
from desk.core.timeframe import BarUnit, parse_timeframe
from desk.core.words import Bar
from desk.market.bars import Bars
from desk.runtime import ranges
from desk.runtime.history import HistoryService
from desk.runtime.ranges import Ranges

MNQ, ES = ContractId("CON.F.US.MNQ.Z26"), ContractId("CON.F.US.EP.Z26")
WEDNESDAY = datetime(2026, 11, 18, 14, 31, tzinfo=UTC)
FIVE = timedelta(minutes=5)


class Clock:
    """Wall time that a test moves."""

    def __init__(self, now: datetime = WEDNESDAY) -> None:
        self.time = now

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.time.timestamp()


class Market:
    """Bars of 5 points' reach, up to ``newest`` (None: to this moment)."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.newest: datetime | None = None
        self.first = datetime(2026, 1, 1, tzinfo=UTC)
        self.failure: Exception | None = None
        self.asked: list[ContractId] = []

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
        assert (unit, unit_number) == (BarUnit.M, 5)
        self.asked.append(contract_id)
        if self.failure is not None:
            raise self.failure
        newest = min(end, self.newest or end)
        newest -= (newest - datetime(2026, 1, 1, tzinfo=UTC)) % FIVE
        opens = [newest - FIVE * i for i in range(limit)]
        price = Decimal(21000)
        bars = [
            Bar(ts_open=t, open=price, high=price + 3, low=price - 2, close=price, volume=1)
            for t in opens
            if max(start, self.first) <= t <= end and (partial or t + FIVE <= self.clock.now())
        ]
        return Bars.of(bars)


class Scene:
    def __init__(self) -> None:
        self.clock = Clock()
        self.market = Market(self.clock)
        self.history = HistoryService(self.market, self.clock)
        self.wanted = {MNQ, ES}
        self.ranges = Ranges(self.history, self.clock, wanted=lambda: self.wanted)

    def at(self, utc: str) -> None:
        self.clock.time = datetime.fromisoformat(utc).replace(tzinfo=UTC)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.ranges.run(), name="ranges")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def look(self) -> None:
        """One turn of the loop."""
        async with self.running():
            for _ in range(20):
                await asyncio.sleep(0)


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_the_bars_of_what_may_be_traded_are_read(scene: Scene) -> None:
    assert scene.ranges.get(MNQ) is None
    assert scene.ranges.name == "ATR(14, 5m)"
    await scene.look()
    assert scene.ranges.get(MNQ) == scene.ranges.get(ES) == 5
    assert sorted(scene.market.asked) == sorted([MNQ, ES])


async def test_one_request_per_contract_and_bar(scene: Scene) -> None:
    await scene.look()
    for utc in ("2026-11-18 14:34:59", "2026-11-18 14:35:02"):  # not closed; closed, and maybe not final
        scene.at(utc)
        await scene.look()
    assert len(scene.market.asked) == 2
    scene.at("2026-11-18 14:35:03")
    for _ in range(3):
        await scene.look()
    assert sorted(scene.market.asked[2:]) == sorted([MNQ, ES])


async def test_bars_that_history_has_anyway_cost_nothing(scene: Scene) -> None:
    await scene.history.prefetch([MNQ, ES], [parse_timeframe("5m")], 100)
    requests = len(scene.market.asked)
    await scene.look()
    assert scene.ranges.get(MNQ) == 5
    assert len(scene.market.asked) == requests


async def test_a_prefetch_that_waits_for_a_person_goes_on_waiting(scene: Scene) -> None:
    waiting = asyncio.create_task(scene.history.prefetch([MNQ], [], 100, when_asked=True))
    await scene.look()
    assert not waiting.done()
    await scene.history.bars(MNQ, parse_timeframe("5m"), 1)
    await waiting


async def test_a_failed_read_is_tried_again_later_and_later(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranges.random, "uniform", lambda low, high: 1.0)
    scene.wanted = {MNQ}
    scene.market.failure = Unavailable("the gateway is away")
    tries = []
    for second in range(60):
        scene.clock.time = WEDNESDAY + timedelta(seconds=second)
        before = len(scene.market.asked)
        await scene.look()
        if len(scene.market.asked) > before:
            tries.append(second)
    assert tries == [0, 5, 15, 35]
    assert scene.ranges.get(MNQ) is None
    scene.market.failure = None
    scene.clock.time = WEDNESDAY + timedelta(seconds=75)
    await scene.look()
    assert scene.ranges.get(MNQ) == 5


async def test_too_few_bars_are_no_average(scene: Scene) -> None:
    scene.market.first = WEDNESDAY - FIVE * 14
    await scene.look()
    assert scene.ranges.get(MNQ) is None


async def test_an_old_value_is_unknown_while_the_market_is_open(scene: Scene) -> None:
    await scene.look()  # the newest bar ended at 14:30
    scene.market.failure = Unavailable("the gateway is away")
    scene.at("2026-11-18 14:41:00")
    await scene.look()
    assert scene.ranges.get(MNQ) == 5
    scene.at("2026-11-18 14:41:01")
    assert scene.ranges.get(MNQ) is None


async def test_a_market_whose_bars_stopped_is_unknown_too(scene: Scene) -> None:
    scene.market.newest = WEDNESDAY - FIVE * 4
    await scene.look()
    assert scene.ranges.get(MNQ) is None


async def test_the_last_bars_count_while_the_exchange_is_closed_and_two_bars_longer(scene: Scene) -> None:
    scene.at("2026-11-20 22:00:03")  # Friday, 16:00 in Chicago
    await scene.look()
    scene.market.failure = Unavailable("the gateway is away")
    for utc, atr in [
        ("2026-11-21 12:00", Decimal(5)),
        ("2026-11-22 22:59", Decimal(5)),
        ("2026-11-22 23:11", Decimal(5)),  # Sunday 17:11 in Chicago
        ("2026-11-22 23:12", None),
    ]:
        scene.at(utc)
        assert scene.ranges.get(MNQ) == atr, utc


async def test_a_contract_that_is_not_kept_warm_is_read_when_somebody_asks(scene: Scene) -> None:
    scene.wanted = set()
    await scene.look()
    assert scene.market.asked == []
    assert await scene.ranges.read(MNQ) == 5
    assert await scene.ranges.read(MNQ) == 5
    assert scene.market.asked == [MNQ]


async def test_a_read_that_fails_for_a_person_is_no_error(scene: Scene) -> None:
    scene.market.failure = Unavailable("the gateway is away")
    assert await scene.ranges.read(MNQ) is None
