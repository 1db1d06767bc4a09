"""What ``trades`` adds up to is what the account's balance moved by, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from desk.sim import SimServer
from tests.daemon import DEADLINE_S, MNQ, PRICE, RunningDesk, enter, is_flat, quiet_sim, running_desk


@pytest.fixture
async def sim() -> AsyncIterator[SimServer]:
    async with quiet_sim() as server:
        yield server


@pytest.fixture
async def desk(sim: SimServer, tmp_path: Path) -> AsyncIterator[RunningDesk]:
    async with running_desk(sim.url, tmp_path) as running:
        await running.ready()
        yield running


async def trades_when(desk: RunningDesk, claim: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    """``GET /api/trades`` as soon as ``claim`` holds of it: fills and positions are reported one by one."""
    found: dict[str, Any] = {}
    async with asyncio.timeout(DEADLINE_S):
        while not (found and claim(found)):
            await asyncio.sleep(0.02)
            found = await desk.get("/api/trades")
    return found


def balance_in(state: dict[str, Any]) -> Decimal:
    (balance,) = [account["balance"] for account in state["accounts"] if account["is_default"]]
    return Decimal(str(balance))


async def test_the_trades_add_up_to_what_the_balance_moved_by(sim: SimServer, desk: RunningDesk) -> None:
    before = balance_in(await desk.get("/api/state"))
    first = await enter(desk)
    sim.set_price(MNQ, PRICE + 45)
    await desk.state_when(is_flat)
    second = await enter(desk, action="enter_short", id="second")
    sim.set_price(MNQ, PRICE + 50)
    await desk.command("flatten yes")

    found = await trades_when(desk, lambda found: len(found["trades"]) == 2 and not found["open"])
    assert [(trade["side"], trade["exit_reason"], trade["cause"]) for trade in found["trades"]] == [
        ("long", "target", first),
        ("short", "manual", second),
    ]
    assert found["notes"] == []
    net = Decimal(str(found["statistics"]["total_net"]))
    assert net != 0
    await desk.state_when(lambda state: balance_in(state) - before == net)
    assert f"{net:+,.2f}" in (await desk.command("trades"))["text"]


async def test_an_open_position_is_a_trade_that_goes_on(desk: RunningDesk) -> None:
    opened = await enter(desk)
    found = await trades_when(desk, lambda found: found["open"])
    (position,) = await desk.get("/api/positions")
    assert [(trade["cause"], trade["qty"]) for trade in found["open"]] == [(opened, position["qty"])]


async def test_a_span_that_is_not_understood_is_refused_with_what_to_write(desk: RunningDesk) -> None:
    for query in ("from=soon", "to=2026-11-20", "from=2026-11-20&to=2026-11-19"):
        assert "error" in await desk.get(f"/api/trades?{query}")
