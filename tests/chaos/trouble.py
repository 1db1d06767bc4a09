"""What goes wrong, and how often: the faults planned at the simulator, its prices, and the kills. All by seeded dice."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aiohttp

from tests.chaos.bot import POINTS
from tests.chaos.fleet import BASE_TICKS, Desk, Simulator
from tests.chaos.messages import ROOTS
from tests.daemon import SCALE

RAISED = [1_000_000, 60]
TRUE_LIMITS = {"general": [200, 60], "history": [50, 30]}
OUTSIDE = ("at any moment", "after an answer", "place at the gateway", "close at the gateway")
WAYS = (*OUTSIDE, *POINTS)
MOVE_EVERY_S = 0.2
FAR_TICKS = 3_000
WORST = 0.3  # of one fault's chance, however bad the weather
PATIENCE_S = 8.0 * SCALE

LOST_REPLIES = 0.02
_CALLS: dict[str, dict[tuple[str, int], float]] = {
    "place": {
        ("drop_before", 0): LOST_REPLIES / 2,
        ("drop_after", 0): LOST_REPLIES / 2,
        ("refuse", 503): 0.01,
        ("refuse_after", 503): 0.005,
        ("refuse", 429): 0.01,
        ("refuse_after", 429): 0.002,
        ("delay_after", 250): 0.03,
        ("hang", 0): 0.001,
    },
    "cancel": {("drop_before", 0): 0.01, ("drop_after", 0): 0.01, ("refuse", 503): 0.005, ("refuse", 429): 0.005},
    "close": {("drop_before", 0): 0.01, ("drop_after", 0): 0.01, ("refuse", 502): 0.005, ("refuse", 429): 0.005},
    "orders": {("delay_after", 400): 0.03, ("drop_before", 0): 0.01, ("refuse", 500): 0.005, ("refuse", 429): 0.003},
    "positions": {("delay_after", 400): 0.03, ("drop_before", 0): 0.01, ("refuse", 500): 0.005},
    "accounts": {("refuse", 503): 0.01},
}
_EVENTS: tuple[dict[str, Any], ...] = (
    {"events": "all", "kind": "lose", "probability": 0.01},
    {"events": "all", "kind": "duplicate", "probability": 0.02, "ms": 30},
    {"events": "all", "kind": "delay", "probability": 0.02, "ms": 300},
    {"events": "all", "kind": "reorder", "probability": 0.02},
)
_STOPS = {"events": "order", "kind": "reject_stop", "probability": 0.004, "ms": 20}
_HUBS: tuple[dict[str, Any], ...] = (
    {"hub": "user", "kind": "drop", "everyS": 60, "how": "abort"},
    {"hub": "user", "kind": "drop", "everyS": 90, "how": "close"},
    {"hub": "user", "kind": "drop", "everyS": 120, "how": "logout"},
    {"hub": "user", "kind": "refuse", "probability": 0.2, "status": 503},
    {"hub": "market", "kind": "drop", "everyS": 60, "how": "abort"},
)
_CANCEL_MS = 150  # after its reply; until then the order can trade
_LATENCY = {"place": 15, "cancel": 8, "close": 8, "orders": 5, "positions": 5}


async def plan_storm(sim: Simulator, weather: float) -> None:
    """Everything, from now on. weather: so many times as often as planned above; 0 is a good day."""
    await sim.control("limits", general=RAISED, history=RAISED)
    await sim.control("token", whenExpired="logout")
    await sim.control("latency", **_LATENCY)
    await sim.control("fills", cancelMs=_CANCEL_MS)
    await sim.control("quotes", snapshot=False)
    await _plan(sim, weather, with_throttling=True)
    for fault in (_STOPS, *_HUBS):
        await _plan_one(sim, weather, **fault)


async def plan_showers(sim: Simulator, weather: float) -> None:
    """Lost replies and bad events, but no 429: whatever 429 comes is the daemon's own fault."""
    await sim.control("limits", **TRUE_LIMITS)
    await _plan(sim, weather, with_throttling=False)


async def _plan(sim: Simulator, weather: float, *, with_throttling: bool) -> None:
    for endpoint, faults in _CALLS.items():
        for (kind, detail), probability in faults.items():
            if detail == 429 and not with_throttling:
                continue
            more: dict[str, Any] = {"ms" if kind.startswith("delay") else "status": detail} if detail else {}
            if detail == 429:
                more["retryAfter"] = 1
            await _plan_one(sim, weather, endpoint=endpoint, kind=kind, probability=probability, **more)
    for fault in _EVENTS:
        await _plan_one(sim, weather, **fault)


async def _plan_one(sim: Simulator, weather: float, **fault: Any) -> None:
    if weather > 0:
        if "probability" in fault:
            fault["probability"] = min(fault["probability"] * weather, WORST)
        if "everyS" in fault:
            fault["everyS"] /= weather
        await sim.control("fault", **fault)


async def move_prices(sim: Simulator, dice: random.Random) -> None:
    """Walks far enough, often enough, that stops and targets trade. Ends when it is cancelled."""
    stands = dict.fromkeys(ROOTS, BASE_TICKS)
    while True:
        await asyncio.sleep(dice.uniform(0.5, 1.5) * MOVE_EVERY_S)
        root = dice.choice(list(ROOTS))
        step = dice.choice((3, 8, 15, 40, 90)) * dice.choice((1, -1))
        if abs(stands[root] + step - BASE_TICKS) > FAR_TICKS:
            step = -step
        stands[root] += step
        await sim.walk(root, stands[root])


async def expire_tokens(sim: Simulator, dice: random.Random, every_s: float) -> None:
    """Every token dies now and then. Ends when it is cancelled."""
    while True:
        await asyncio.sleep(dice.uniform(0.5, 1.5) * every_s)
        await sim.control("expire")


@dataclass(frozen=True)
class Kill:
    """After so many messages of the phase were sent; ``wait_s`` before the daemon is started again."""

    after: int
    desk: int
    way: str
    wait_s: float


def kills_of(dice: random.Random, count: int, messages: int, desks: int) -> list[Kill]:
    """Every way before one comes again, spread over the phase."""
    ways = [way for _ in range(count // len(WAYS) + 1) for way in dice.sample(WAYS, len(WAYS))][:count]
    at = [int((n + dice.uniform(0.2, 0.8)) * messages / count) for n in range(count)]
    return [
        Kill(after, dice.randrange(desks), way, dice.choice((0.0, 0.0, 0.3, 1.5)))
        for after, way in zip(at, ways, strict=True)
    ]


class Killer:
    """Carries the kills out and starts the daemons again. ``happened`` counts the ways."""

    def __init__(self, sim: Simulator, fleet: list[Desk], http: aiohttp.ClientSession, dice: random.Random) -> None:
        self._sim, self._fleet, self._http, self._dice = sim, fleet, http, dice
        self.happened: Counter[str] = Counter()
        self._answers = {desk.account_id: asyncio.Event() for desk in fleet}

    def on_answer(self, desk: Desk) -> None:
        """The sender has an answer from there."""
        self._answers[desk.account_id].set()

    async def carry_out(self, kills: list[Kill], sent: Callable[[], int]) -> None:
        """Each daemon's one after the other; different daemons may be down at the same time."""
        async with asyncio.TaskGroup() as tasks:
            for number, desk in enumerate(self._fleet):
                tasks.create_task(
                    self._kill_again_and_again(desk, [kill for kill in kills if kill.desk == number], sent)
                )

    async def _kill_again_and_again(self, desk: Desk, kills: list[Kill], sent: Callable[[], int]) -> None:
        for kill in kills:
            while sent() < kill.after:  # noqa: ASYNC110 - the sender does not know of kills
                await asyncio.sleep(0.05)
            desk.may_die = True
            way = kill.way if await self._reach(desk, kill.way) else f"{kill.way} did not come: at any moment"
            if desk.is_alive:
                desk.kill()
            desk.died()
            self.happened[way] += 1
            await asyncio.sleep(kill.wait_s)
            await desk.up(self._http)

    async def _reach(self, desk: Desk, way: str) -> bool:
        """Returns at the moment to kill it, or when it killed itself. False: that moment did not come."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                if way in POINTS:
                    desk.tell_to_die(way)
                    while desk.is_alive:  # noqa: ASYNC110 - another process ends
                        await asyncio.sleep(0.005)
                elif way == "after an answer":
                    answered = self._answers[desk.account_id]
                    answered.clear()
                    await answered.wait()
                elif way == "at any moment":
                    await asyncio.sleep(self._dice.random())
                else:
                    path = "/api/Order/place" if way.startswith("place") else "/api/Position/closeContract"
                    await self._seen(path, desk.account_id)
        except TimeoutError:
            return False
        return True

    async def _seen(self, path: str, account_id: int) -> None:
        """Until the simulator's log shows the next such request: it is on its way through the gateway now."""
        with self._sim.log.open(encoding="utf-8") as file:
            file.seek(0, 2)
            text = ""
            while True:
                text += file.read()
                *lines, text = text.split("\n")
                for line in lines:
                    row = json.loads(line)
                    if row["kind"] == "request" and row["path"] == path and str(account_id) in row["body"]:
                        return
                await asyncio.sleep(0.002)
