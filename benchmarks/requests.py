"""How many requests an action of the whole desk costs the gateway's budget, beside the fewest that can do it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.desk import RAISED, measured_desk, symbols
from benchmarks.figures import Counts, Figure, Group
from benchmarks.processes import one_free_account, running_simulator, simulator_state

__all__ = ["measure"]

HISTORY = "/api/History/retrieveBars"
OF_LOGIN = 3  # log in, accounts, contracts
OF_ACCOUNT = 4  # positions, working orders, orders since, fills since
FIRST_S = 15.0
HOW = (
    "The daemon in its own process against the simulator in its own, which logs every request; history is left out, it has a "
    "budget of its own. An action is over when no request came for a while. The fewest: a start logs in, reads accounts and "
    "contracts and reconciles the account; reconciling reads the accounts, and of each its positions, working "
    "orders, orders and fills since (reference 5.5); flattening n positions with two legs each "
    "cancels 2n orders, closes n positions, and reads orders and positions of the account once after the cancels and once "
    "after the closes (reference 3.9): 3n + 4."
)


async def measure(counts: Counts, folder: Path, profile: Path | None = None) -> Group:
    """One desk: its start, a reconciliation after a lost user hub, and one flatten per size."""
    figures, notes = list[Figure](), list[str]()

    def add(name: str, seen: Sequence[str], fewest: int) -> None:
        figures.append(
            Figure(
                name=name,
                value=len(seen),
                unit="requests",
                floor=fewest,
                floor_name="the fewest that can do it",
                ratio=len(seen) / fewest,
            )
        )
        named = ", ".join(f"{number} {path.removeprefix('/api/')}" for path, number in sorted(Counter(seen).items()))
        notes.append(f"{name}: {named}.")

    with running_simulator(folder, "--market", "manual", *one_free_account(folder)) as gateway:
        log = _Log(gateway, counts.quiet_s)
        async with measured_desk(folder, gateway, profile) as desk:
            add("start, one account", await log.until_quiet(), OF_LOGIN + OF_ACCOUNT)
            await _drop_user_hub(gateway)
            add("reconcile after a lost user hub", await log.until_quiet(), 1 + OF_ACCOUNT)
            for positions in counts.flattened:
                names = symbols()[:positions]
                held = await desk.open(names)
                await log.until_quiet()
                await desk.flatten(names[0])
                add(f"flatten {held} position{'s' if held > 1 else ''}", await log.until_quiet(), 3 * held + 4)
    return Group(
        key="requests",
        title="Requests",
        how=HOW,
        figures=tuple(figures),
        raised=(*RAISED, "the simulator has one account without a position limit"),
        notes=tuple(notes),
    )


class _Log:
    """The simulator's request log, read on from where it was read last."""

    def __init__(self, url: str, quiet_s: float) -> None:
        self._url = url
        self._quiet_s = quiet_s
        self._read = len(simulator_state(url)["requests"])

    async def until_quiet(self) -> list[str]:
        """Paths of what came since, once something came and nothing more comes. Raises TimeoutError."""
        paths: list[str] = []
        async with asyncio.timeout(FIRST_S) as patience:
            while True:
                await asyncio.sleep(self._quiet_s)
                state = await asyncio.to_thread(simulator_state, self._url)
                rows: list[dict[str, Any]] = state["requests"][self._read :]
                self._read += len(rows)
                new = [row["path"] for row in rows if row["path"] not in (HISTORY, "/api/Status/ping")]
                if paths and not new:
                    return paths
                paths += new
                patience.reschedule(asyncio.get_running_loop().time() + FIRST_S)


async def _drop_user_hub(gateway: str) -> None:
    what = {"hub": "user", "how": "close"}
    async with aiohttp.ClientSession() as control, control.post(f"{gateway}/sim/drop", json=what) as reply:
        reply.raise_for_status()
