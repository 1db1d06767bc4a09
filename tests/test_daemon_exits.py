"""How long a position stands without a stop while the desk closes it, measured at the simulated gateway."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from desk.sim import SimServer
from tests.daemon import SCALE, alert, enter, is_flat, quiet_sim, requests_to, running_desk, working

CANCEL = "/api/Order/cancel"
STOP = 4
LONGEST_S = 0.05  # between two looks; what is more was another program's


class Watch:
    """Seconds during which the gateway had a position and no working stop."""

    def __init__(self) -> None:
        self.naked_s = 0.0

    async def look(self, sim: SimServer) -> None:
        seen, was_naked = time.monotonic(), False
        while True:
            now = time.monotonic()
            self.naked_s += min(now - seen, LONGEST_S) if was_naked else 0.0
            seen = now
            was_naked = bool(sim.positions) and not any(order.type == STOP for order in working(sim))
            await asyncio.sleep(0.002)


@asynccontextmanager
async def watched(sim: SimServer) -> AsyncIterator[Watch]:
    watch = Watch()
    task = asyncio.create_task(watch.look(sim))
    try:
        yield watch
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("lost", [0, 1, 2])
async def test_a_lost_report_of_a_cancel_leaves_no_position_without_a_stop(lost: int, tmp_path: Path) -> None:
    """Cause: a leg whose cancel was answered counted as alive until its report came, and was cancelled again and again."""
    async with quiet_sim() as sim, running_desk(sim.url, tmp_path) as desk:
        await desk.ready()
        await enter(desk)
        sim.faults.lose_user_events(lost)
        async with watched(sim) as watch:
            await desk.post(alert("exit"))
            await desk.state_when(is_flat, timeout_s=15)
        assert len(requests_to(sim, CANCEL)) == 2
        assert watch.naked_s < 0.5 * SCALE
        assert len([trade for trade in sim.trades if trade.side == 1]) == 1, "closed once"


async def test_late_reports_of_the_cancels_leave_no_position_without_a_stop(tmp_path: Path) -> None:
    async with quiet_sim() as sim, running_desk(sim.url, tmp_path) as desk:
        await desk.ready()
        await enter(desk)
        sim.faults.delay_user_events(1500)
        async with watched(sim) as watch:
            await desk.post(alert("exit"))
            await desk.state_when(is_flat, timeout_s=15)
        assert len(requests_to(sim, CANCEL)) == 2
        assert watch.naked_s < 0.5 * SCALE


async def test_a_stop_of_the_program_waits_for_the_guard_of_a_position_without_a_stop(tmp_path: Path) -> None:
    """Cause: only exits kept the program from ending. It left within a moment, with nothing at the venue and no word of it."""
    async with quiet_sim() as sim:
        async with running_desk(sim.url, tmp_path) as desk:
            await desk.ready()
            await enter(desk)
            (stop,) = (order for order in working(sim) if order.type == STOP)
            sim.reject_order(stop.id)
            await desk.state_when(lambda state: [plan["kind"] for plan in state["plans"]] == ["protect"])
        assert [order.type for order in working(sim) if order.type == STOP] or not sim.positions
        if sim.positions:
            assert not desk.session.last_words(), "it works, and was seen to"
