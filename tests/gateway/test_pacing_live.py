"""The limiter against a gateway with the true windows of reference 6.1: 200 in 60 s and 50 in 30 s, sliding."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from desk.core.errors import OutcomeUnknown, RateLimited, Refused
from desk.core.ids import GatewayOrderId
from desk.core.timeframe import BarUnit
from desk.gateway import GatewayClient, Lane, RequestDone
from desk.sim import SimServer

from .conftest import ACCOUNT, MNQ, config_of, count, market

CANCEL, BARS, POSITIONS = "/api/Order/cancel", "/api/History/retrieveBars", "/api/Position/searchOpen"
END = datetime(2026, 11, 18, 15, tzinfo=UTC)


async def history(client: GatewayClient, number: int) -> None:
    await client.bars(MNQ, BarUnit.M, 1, END - timedelta(minutes=10 + number), END, 5)


async def test_at_the_true_limits_a_storm_on_all_lanes_never_meets_a_429_of_its_own(
    sim: SimServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("desk.gateway.client._HISTORY_WAIT_S", 6.0)
    async with GatewayClient(config_of(sim, timeout_s=6.0)) as client:
        await client.login()
        work = [history(client, number) for number in range(80)]
        work += [client.positions(ACCOUNT) for _ in range(200)]  # type: ignore[misc]
        reads = await asyncio.gather(*work, return_exceptions=True)
        entries = await asyncio.gather(*(client.place(market(tag=f"t-{n}")) for n in range(30)), return_exceptions=True)
        work = [client.cancel(ACCOUNT, GatewayOrderId(7)) for _ in range(40)]
        exits = await asyncio.gather(*work, return_exceptions=True)
    assert Counter(row.status for row in sim.requests).keys() == {200}
    assert count(sim, BARS) == 50
    assert len(sim.requests) - 50 <= 200
    kept_back = Counter(type(one) for one in [*reads, *entries, *exits] if isinstance(one, BaseException))
    assert set(kept_back) == {RateLimited, Refused}, "never sent, or an answer"
    assert sum(isinstance(one, Refused) for one in exits) >= 30, "the reserve was there for the exits"
    assert sum(not isinstance(one, RateLimited) for one in entries) >= 20, "and a part of the budget for entries"


async def test_a_place_waits_behind_none_of_three_hundred_history_requests(sim: SimServer, unit: float) -> None:
    done: list[RequestDone] = []
    sim.faults.set_latency({"history": 300})
    async with GatewayClient(config_of(sim), on_request=done.append) as client:
        await client.login()
        queue = [asyncio.create_task(history(client, number)) for number in range(300)]
        while count(sim, BARS) < 8:  # noqa: ASYNC110 - as many as may be in flight
            await asyncio.sleep(0.005)
        for number in range(3):
            await client.place(market(tag=f"t-{number}"))
        for task in queue:
            task.cancel()
        await asyncio.wait(queue)
    waits = [one.waited_s for one in done if one.lane is Lane.PLACE]
    assert len(waits) == 3
    assert max(waits) < unit  # for one of them it would be 300 ms at least


async def test_after_a_429_of_its_own_the_exit_lane_goes_on_within_two_seconds(
    sim: SimServer, client: GatewayClient
) -> None:
    sim.faults.next(CANCEL, times=3).refuses(429, retry_after_s=60)
    times: list[float] = []
    loop = asyncio.get_running_loop()
    for _ in range(3):
        with pytest.raises(RateLimited) as caught:
            await client.cancel(ACCOUNT, GatewayOrderId(7))
        assert caught.value.retry_after_s == 60
        times.append(loop.time())
    with pytest.raises((Refused, OutcomeUnknown)):
        await client.cancel(ACCOUNT, GatewayOrderId(7))
    times.append(loop.time())
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert all(0.2 < pause < 2.5 for pause in pauses), "0.25, 0.5 and 1 s"
    assert pauses == sorted(pauses)
    with pytest.raises(RateLimited, match="not sent"):
        await client.place(market())
    asked = count(sim, POSITIONS)
    assert await client.positions(ACCOUNT, urgent=True) == []
    assert count(sim, POSITIONS) == asked + 1
