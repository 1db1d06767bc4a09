"""Restart: from the process's launch to the account reconciled, with open orders of ours waiting at the gateway."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from benchmarks.desk import measured_desk, symbols
from benchmarks.figures import Counts, Figure, Group, at_most, median, parts_of
from benchmarks.processes import one_free_account, running_simulator, simulator_state

__all__ = ["measure"]

SUBSCRIBED = 4  # as many as by default; the simulator takes longer to open more than the desk takes to ask
STATE = ("/api/Position/searchOpen", "/api/Order/v2/query", "/api/Order/search", "/api/Trade/search")
STEPS = (
    "launched to login asked (interpreter, imports, journal folded, doors)",
    "login asked to account state asked (accounts, user hub)",
    "account state at the gateway (reconcile)",
    "last read answered to reconciled in the committed state",
)
HOW = (
    "A desk opens bracketed positions, two open orders each, and is ended in order; its legs stay at the gateway. The same "
    "journal is then started again and again, each time as a new process against the same simulator, without latencies. The "
    "time begins before the process is launched and ends when the desk's committed state agrees with the gateway, both "
    "CLOCK_MONOTONIC; the median of the restarts counts. The floor of the whole is the launch up to the first byte of the "
    "login, that of the stretch after it what the gateway took for the reads of the account's state."
)


async def measure(counts: Counts, folder: Path, profile: Path | None = None) -> Group:
    """One gateway and one journal for all; the numbers of positions grow."""
    whole, after_login, opened = list[Figure](), list[Figure](), 0
    with running_simulator(folder, "--market", "manual", *one_free_account(folder)) as gateway:
        for positions in counts.held:
            async with measured_desk(folder, gateway, profile) as desk:  # the first of them makes the journal
                if positions > opened:
                    opened = await desk.open(symbols()[opened:positions])
            rows = [await _restart(folder, gateway, 2 * opened) for _ in range(counts.restarts)]
            whole.append(_whole(2 * opened, rows))
            after_login.append(_after_login(2 * opened, rows))
    return Group(
        key="restart",
        title="Restart",
        how=HOW,
        figures=(*whole, *after_login),
        raised=("the simulator has one account without a position limit, and no rate limits",),
    )


async def _restart(folder: Path, gateway: str, expected: int) -> tuple[float, ...]:
    """Stamps around STEPS. Raises RuntimeError when the desk does not hold what was left."""
    before = len((await asyncio.to_thread(simulator_state, gateway))["requests"])
    launched = time.monotonic()
    async with measured_desk(folder, gateway, subscribed=SUBSCRIBED) as desk:
        held = len((await desk.state())["orders"])
        state = await asyncio.to_thread(simulator_state, gateway)
    if held != expected:
        raise RuntimeError(f"after the restart {held} open orders are known instead of {expected}")
    assert desk.report is not None, "the daemon has ended"
    reconciled = desk.report.reconciled[0]
    asked = [row for row in state["requests"][before:] if row["started"] <= reconciled]
    login = next(row["started"] for row in asked if row["path"] == "/api/Auth/loginKey")
    reads = [row for row in asked if row["path"] in STATE]
    return launched, login, min(row["started"] for row in reads), max(row["ended"] for row in reads), reconciled


def _whole(orders: int, rows: list[tuple[float, ...]]) -> Figure:
    took = [(row[-1] - row[0]) * 1000 for row in rows]
    return at_most(
        f"process launched → reconciled, {orders} open orders",
        median(took),
        "ms",
        floor=median([(row[1] - row[0]) * 1000 for row in rows]),
        floor_name="launched → first byte of the login",
        spread=(min(took), max(took)),
        samples=len(took),
        parts=parts_of(rows, STEPS),
    )


def _after_login(orders: int, rows: list[tuple[float, ...]]) -> Figure:
    took = [(row[-1] - row[1]) * 1000 for row in rows]
    return at_most(
        f"login asked → reconciled, {orders} open orders",
        median(took),
        "ms",
        floor=median([(row[3] - row[2]) * 1000 for row in rows]),
        floor_name="the account's state at the gateway",
        spread=(min(took), max(took)),
        samples=len(took),
    )
