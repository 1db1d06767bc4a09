"""Habits of the real gateway that the simulator has on request only, met by the whole daemon."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.daemon import MNQ, PRICE, enter, is_flat, places, quiet_sim, running_desk, until, working


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
