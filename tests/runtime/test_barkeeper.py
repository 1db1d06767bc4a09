"""The 1-minute bars of watched contracts are asked for once each, back to the first day that is wanted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np

from desk.core.errors import Unavailable
from desk.core.ids import ContractId
from desk.market.bars import Bars
from desk.runtime.barkeeper import Barkeeper, KeeperConfig

MNQ, ES = ContractId("CON.F.US.MNQ.Z26"), ContractId("CON.F.US.EP.Z26")
T0 = datetime(2026, 11, 18, 15, 0, 30, tzinfo=UTC)
CONFIG = KeeperConfig(days=16, rest_s=0.0)


class World:
    """A clock, and a history that writes down what it is asked."""

    def __init__(self) -> None:
        self.time = T0
        self.asked: list[tuple[ContractId, datetime, datetime]] = []
        self.watched = {MNQ}
        self.failing_before: datetime | None = None
        self.bars, self.requests = 1, 1
        self.keeper = Barkeeper(self, self, lambda: self.watched, CONFIG)

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.time.timestamp()

    async def between(self, contract_id: ContractId, timeframe: Any, start: datetime, end: datetime, **_: Any) -> Any:
        self.asked.append((contract_id, start, end))
        if self.failing_before is not None and start < self.failing_before:
            raise Unavailable("the gateway does not answer")
        columns = Bars(*(np.arange(self.bars) for _ in range(6)))
        return SimpleNamespace(columns=columns, problem=None, requests=self.requests)


async def test_the_first_round_goes_back_as_many_days_as_are_wanted_and_the_next_one_asks_for_the_rest_only() -> None:
    world = World()
    await world.keeper.round()
    ends = T0.replace(second=0) - timedelta(minutes=1)
    assert [(start, end) for _, start, end in world.asked] == [
        (ends - timedelta(days=7), ends),
        (ends - timedelta(days=14), ends - timedelta(days=7)),
        (ends - timedelta(days=16), ends - timedelta(days=14)),
    ]
    world.asked.clear()
    world.time += timedelta(minutes=3)
    await world.keeper.round()
    assert world.asked == [(MNQ, ends - timedelta(minutes=5), ends + timedelta(minutes=3))]
    await world.keeper.round()
    assert len(world.asked) == 1, "nothing closed since"
    assert world.keeper.recorded[MNQ].since == ends - timedelta(days=16)


async def test_what_failed_is_tried_again_and_another_contract_does_not_wait_for_it() -> None:
    world = World()
    world.watched = {MNQ, ES}
    world.failing_before = T0 - timedelta(days=10)
    await world.keeper.round()
    ends = T0.replace(second=0) - timedelta(minutes=1)
    assert {key: one.since for key, one in world.keeper.recorded.items()} == dict.fromkeys(
        (MNQ, ES), ends - timedelta(days=7)
    )
    world.failing_before = None
    await world.keeper.round()
    assert {one.since for one in world.keeper.recorded.values()} == {ends - timedelta(days=16)}


async def test_what_a_request_found_empty_is_asked_again_until_history_knows_it() -> None:
    world = World()
    world.bars = 0
    for _ in range(2):
        await world.keeper.round()
    assert world.asked[0] == world.asked[1]
    assert not world.keeper.recorded
    world.requests = 0
    await world.keeper.round()
    assert world.keeper.recorded[MNQ].since == T0.replace(second=0) - timedelta(minutes=1, days=16)


async def test_no_days_record_nothing() -> None:
    world = World()
    world.keeper = Barkeeper(world, world, lambda: world.watched, KeeperConfig(days=0))
    await world.keeper.run()
    await world.keeper.round()
    assert not world.asked
