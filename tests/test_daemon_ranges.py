"""Average true ranges over real sockets: read beside the start, used by alerts and by a person."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from desk.core.ids import ContractId
from desk.sim import SimServer
from tests.daemon import (
    MNQ,
    RunningDesk,
    alert,
    is_flat,
    is_protected,
    places,
    quiet_sim,
    requests_to,
    running_desk,
    until,
)

HISTORY = "/api/History/retrieveBars"
TICK = Decimal("0.25")


@pytest.fixture
async def sim() -> AsyncIterator[SimServer]:
    async with quiet_sim() as server:
        yield server


@pytest.fixture
async def desk(sim: SimServer, tmp_path: Path) -> AsyncIterator[RunningDesk]:
    async with running_desk(sim.url, tmp_path, atr=(10, "15m")) as running:
        await running.ready()
        yield running


def in_atr(**more: Any) -> dict[str, Any]:
    return alert(stop={"unit": "atr", "value": 2}, targets=[{"unit": "atr", "value": 3}], **more)


async def known(desk: RunningDesk) -> Decimal:
    atr: Decimal = await until(lambda: desk.session.desk.ranges.get(ContractId(MNQ)))
    return atr


async def test_an_alert_in_ranges_carries_its_ticks_to_the_venue(sim: SimServer, desk: RunningDesk) -> None:
    atr = await known(desk)
    _, answer = await desk.post(in_atr())
    assert answer["verdict"] == "accepted", answer
    await desk.state_when(is_protected)
    (order,) = places(sim)
    ticks = [abs(order[bracket]["ticks"]) for bracket in ("stopLossBracket", "takeProfitBracket")]
    assert ticks == [int(2 * atr // TICK), int(3 * atr // TICK)]


async def test_a_person_types_them(sim: SimServer, desk: RunningDesk) -> None:
    atr = await known(desk)
    answer = await desk.command("trade MNQ buy 1 stop=2atr target=3atr")
    assert answer["ok"], answer
    (order,) = places(sim)
    assert abs(order["stopLossBracket"]["ticks"]) == int(2 * atr // TICK)
    assert "the ATR(10, 15m) is" in json.dumps(answer["data"]["warnings"])
    await desk.state_when(is_protected)
    assert (await desk.command("close MNQ"))["ok"]
    await desk.state_when(is_flat)


async def test_without_history_the_desk_is_ready_and_refuses_only_ranges(sim: SimServer, tmp_path: Path) -> None:
    sim.faults.next("history", times=None).rejects(1, "no data today")
    async with running_desk(sim.url, tmp_path, prefetch_symbols=()) as desk:
        await desk.ready()
        await until(lambda: requests_to(sim, HISTORY))
        _, answer = await desk.post(in_atr())
        assert (answer["verdict"], answer["reason"]) == ("denied", "NO_ATR")
        assert "stop in atr: the ATR(14, 5m) of MNQZ6 is not known yet" in answer["text"]
        _, answer = await desk.post(alert(id="in points"))
        assert answer["verdict"] == "accepted", answer
        await desk.state_when(is_protected)
    assert len(places(sim)) == 1
