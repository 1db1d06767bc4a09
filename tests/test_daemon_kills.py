"""The daemon killed with ``kill -9`` at named and at random moments, and its disk full: nothing is doubled, nothing is lost."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from desk.sim import SimServer
from tests.daemon import (
    DEADLINE_S,
    MNQ,
    PRICE,
    Daemon,
    Doors,
    agrees,
    alert,
    enter,
    entries,
    is_flat,
    is_protected,
    places,
    process,
    quiet_sim,
    requests_to,
    until,
    working,
)

CANCEL, CLOSE = "/api/Order/cancel", "/api/Position/closeContract"
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's limits are set from outside on Linux only")


@pytest.fixture
async def sim() -> AsyncIterator[SimServer]:
    async with quiet_sim() as server:
        yield server


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def daemon(sim: SimServer, tmp_path: Path) -> AsyncIterator[Daemon]:
    async with process(tmp_path, sim.url) as one:
        yield one


async def test_a_kill_after_the_fill_changes_nothing(
    sim: SimServer, daemon: Daemon, http: aiohttp.ClientSession
) -> None:
    doors = await daemon.start(http)
    alert_id = await enter(doors)
    daemon.kill()
    doors = await daemon.start(http)
    state = await doors.state_when(lambda state: is_protected(state) and agrees(state, sim))
    assert state["positions"][0]["cause"] == alert_id
    assert (await doors.post(alert()))[1]["verdict"] == "duplicate"
    assert len(places(sim)) == 1


@pytest.mark.parametrize("fault", ["hangs", "drops_before_execution", "drops_after_execution"])
async def test_a_kill_while_the_order_is_on_its_way_leaves_one_order(
    sim: SimServer, daemon: Daemon, http: aiohttp.ClientSession, fault: str
) -> None:
    doors = await daemon.start(http)
    getattr(sim.faults.next("place"), fault)()
    _, answer = await doors.post(alert())
    await until(lambda: places(sim))
    daemon.kill()
    doors = await daemon.start(http, is_protected)
    state = await doors.state_when(lambda state: agrees(state, sim))
    assert state["positions"][0]["cause"] == answer["alert_id"]
    assert [(order.size, order.status) for order in entries(sim)] == [(2, 2)]
    assert len({place["customTag"] for place in places(sim)}) == 1


@pytest.mark.parametrize(("by", "path"), [("exit alert", CANCEL), ("flatten", CLOSE)])
async def test_a_kill_in_the_middle_of_an_exit_is_completed_after_the_start(
    sim: SimServer, daemon: Daemon, http: aiohttp.ClientSession, by: str, path: str
) -> None:
    doors = await daemon.start(http)
    await enter(doors)
    sim.faults.next(path, times=2).hangs()
    asked = asyncio.create_task(doors.command("flatten yes") if by == "flatten" else doors.post(alert("exit")))
    await until(lambda: requests_to(sim, path))
    daemon.kill()
    await asyncio.gather(asked, return_exceptions=True)
    sim.faults.clear()
    doors = await daemon.start(http, is_flat)
    state = await doors.state_when(lambda state: agrees(state, sim))
    assert (sim.positions, working(sim)) == ([], [])
    assert state["last_exits"][0]["reason"] == ("manual" if by == "flatten" else "alert")


async def test_kills_at_random_moments_give_exactly_one_order_per_alert(
    sim: SimServer, daemon: Daemon, http: aiohttp.ClientSession
) -> None:
    dice = random.Random(20261121)
    doors = await daemon.start(http)
    for n in range(3):
        body = alert(id=f"round-{n}", policy={"max_age_s": 60})
        posting = asyncio.create_task(doors.post(body))
        await asyncio.sleep(dice.uniform(0.001, 0.03))
        daemon.kill()
        await asyncio.gather(posting, return_exceptions=True)
        doors = await daemon.start(http)
        _, again = await doors.post(body)  # whoever got no answer asks again
        assert again["verdict"] in {"accepted", "duplicate"}
        await doors.state_when(lambda state: is_protected(state) and agrees(state, sim))
        assert len(entries(sim)) == n + 1
        sim.set_price(MNQ, PRICE - 25)  # the stop trades: the next round starts flat
        await doors.state_when(is_flat)
        sim.set_price(MNQ, PRICE)


async def test_the_own_paper_account_survives_a_kill(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    async with process(tmp_path, None) as daemon:
        doors = await daemon.start(http)
        wide = {"stop": {"unit": "points", "value": 200}, "targets": [{"unit": "points", "value": 240}]}
        await enter(doors, **wide)
        before = (await doors.get("/api/state"))["positions"][0]
        daemon.kill()
        doors = await daemon.start(http)
        after = (await doors.state_when(is_protected))["positions"][0]
        same = ("qty", "avg_price", "entry", "cause", "stop", "target")
        assert {key: after[key] for key in same} == {key: before[key] for key in same}
        assert (await doors.command("flatten yes"))["data"]["is_flat"]
        assert await daemon.stop() == 0


@on_linux
async def test_a_full_disk_refuses_alerts_with_503_still_flattens_and_heals(
    sim: SimServer, daemon: Daemon, http: aiohttp.ClientSession
) -> None:
    import resource

    doors = await daemon.start(http)
    await enter(doors)
    assert daemon.process is not None
    unlimited = resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (4096, unlimited[1]))  # the log's file is hit, too
    status, answer = await doors.post(alert("enter_short", symbol="CME_MINI:MES1!"))
    assert status == 503, answer
    assert "disk" in (await doors.get("/api/state"))["troubles"]["journal"]
    result = await doors.command("flatten yes")
    assert result["data"]["is_flat"], result["text"]
    assert (sim.positions, working(sim)) == ([], [])
    assert len(places(sim)) == 1, "no entry without a journal"
    resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, unlimited)
    await _accepted_again(doors)
    assert "journal" not in (await doors.get("/api/state"))["troubles"]
    assert (daemon.folder / "data" / "unjournalled.jsonl").stat().st_size > 0
    daemon.kill()
    doors = await daemon.start(http)
    await doors.state_when(lambda state: is_protected(state) and agrees(state, sim))


async def _accepted_again(doors: Doors) -> None:
    async with asyncio.timeout(DEADLINE_S):
        for n in range(1000):
            status, answer = await doors.post(alert(id=f"healed-{n}"))
            if (status, answer.get("verdict")) == (200, "accepted"):
                break
            await asyncio.sleep(0.1)
    await doors.state_when(is_protected)
