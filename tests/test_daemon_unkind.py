"""Habits of the real gateway that the simulator has on request only, met by the whole daemon."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.daemon import MNQ, PRICE, enter, is_flat, places, quiet_sim, requests_to, running_desk, until, working


@pytest.mark.parametrize("first", [1, -1])
async def test_a_reversal_by_both_legs_of_a_pair_is_flattened(tmp_path: Path, first: int) -> None:
    """Reference 6.3: the market is faster than the cancel of the sibling, so the second leg opens a position."""
    async with quiet_sim() as sim, running_desk(sim.url, tmp_path) as desk:
        await desk.ready()
        await enter(desk)
        legs = {order.limit_price or order.stop_price for order in sim.orders if order.status == 1}
        assert len(legs) == 2
        sim.cancel_pairs_after(10_000)
        target, stop = max(legs) + 1, min(legs) - 1
        for price in (target, stop)[::first]:
            sim.set_price(MNQ, price)
        assert [row.net for row in sim.positions] == [-2]
        await until(lambda: not sim.positions and not working(sim))
        state = await desk.state_when(is_flat)
        assert not state["plans"]


async def test_an_entry_finds_its_price_when_quotes_begin_with_changes_only(tmp_path: Path) -> None:
    """Reference 5.2: nothing tells the price of before; the first quotes have times and nothing else."""
    async with quiet_sim(quote_snapshot=False) as sim, running_desk(sim.url, tmp_path) as desk:
        await desk.ready()
        sim.set_price(MNQ, PRICE + 1)
        await enter(desk)
        assert len(places(sim)) == 1


@pytest.mark.parametrize("fills", [False, True])
async def test_flatten_waits_for_cancels_that_take_their_time(tmp_path: Path, fills: bool) -> None:
    """Reference 3.9: closing while a leg still works, or just fills, would be a double exit."""
    async with quiet_sim() as sim, running_desk(sim.url, tmp_path) as desk:
        await desk.ready()
        await enter(desk)
        stop = next(order for order in sim.orders if order.status == 1 and order.stop_price)
        sim.cancel_after(400)
        flattening = asyncio.create_task(desk.command("flatten"))
        await until(lambda: requests_to(sim, "/api/Order/cancel"))
        if fills:
            sim.set_price(MNQ, stop.stop_price - 1)
        await flattening
        await desk.state_when(is_flat)
        assert not sim.positions
        assert not working(sim)
        closing = [row for row in sim.trades if row.side != 0]
        assert [row.size for row in closing] == [2], "one exit of all, not two"
        cancelled = [order.updated for order in sim.orders if order.status == 3]
        assert max(cancelled) <= min(row.created for row in closing) or fills
