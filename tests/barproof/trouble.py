"""What goes wrong, and when. All by seeded dice, each kind with its own, so that one more fault moves no other."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from tests.barproof.gate import Gate
from tests.barproof.redis import RedisProcess
from tests.chaos.fleet import Simulator
from tests.daemon import Daemon

__all__ = ["Kills", "Trouble", "Weather", "damaged", "plan_faults", "up"]

TRUE_LIMITS = {"general": [200, 60], "history": [50, 30]}
RAISED = [1_000_000, 60]
LIES = 0.002
"""Of the messages with trades, while the relay lies."""
_HISTORY: tuple[dict[str, Any], ...] = (
    {"kind": "refuse", "status": 429, "retryAfter": 1, "probability": 0.02},
    {"kind": "refuse", "status": 503, "probability": 0.03},
    {"kind": "refuse", "status": 500, "probability": 0.02},
    {"kind": "refuse_after", "status": 502, "probability": 0.02},
    {"kind": "drop_before", "probability": 0.02},
    {"kind": "drop_after", "probability": 0.03},
    {"kind": "delay", "ms": 400, "probability": 0.1},
    {"kind": "delay_after", "ms": 1_500, "probability": 0.04},
    {"kind": "hang", "probability": 0.003},
)
_OTHERS: tuple[dict[str, Any], ...] = (
    {"endpoint": "contracts", "kind": "refuse", "status": 503, "probability": 0.1},
    {"endpoint": "accounts", "kind": "refuse", "status": 503, "probability": 0.05},
    {"hub": "market", "kind": "refuse", "probability": 0.15, "status": 503},
    {"hub": "user", "kind": "refuse", "probability": 0.1, "status": 503},
)


@dataclass(frozen=True)
class Weather:
    """Mean seconds between two of a kind, and how long each lasts at most."""

    drop_every_s: float = 25.0
    silence_every_s: float = 240.0
    silence_s: float = 25.0
    redis_every_s: float = 150.0
    redis_s: float = 40.0
    lies_every_s: float = 90.0
    lies_s: float = 30.0
    pause_s: float = 60.0  # after a kill, at most


async def plan_faults(sim: Simulator) -> None:
    """The gateway's true rate limits, and the standing faults of its calls and upgrades."""
    await sim.control("limits", **TRUE_LIMITS)
    await sim.control("token", whenExpired="logout")
    for fault in _HISTORY:
        await sim.control("fault", endpoint="history", **fault)
    for fault in _OTHERS:
        await sim.control("fault", **fault)


def damaged(files: list[Path], dice: random.Random, most: int = 3) -> list[Path]:
    """Damages up to so many files in one of the ways in which disks do it; returns which."""
    hurt = dice.sample(files, min(len(files), dice.randint(1, most)))
    for file in hurt:
        data = bytearray(file.read_bytes())
        match dice.choice(("bit", "bytes", "cut", "empty", "zeros")):
            case "bit":
                data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
            case "bytes":
                at = dice.randrange(len(data))
                data[at : at + 16] = dice.randbytes(len(data[at : at + 16]))
            case "cut":
                del data[dice.randrange(1, len(data)) :]
            case "empty":
                data.clear()
            case _:
                at = dice.randrange(len(data))
                data[at:] = bytes(len(data) - at)
        file.write_bytes(data)
    return hurt


@dataclass
class Trouble:
    """Everything beside the kills. ``happened`` counts; ``silences`` are the spans in which the hub said nothing."""

    sim: Simulator
    gate: Gate
    redis: RedisProcess | None
    seed: int
    weather: Weather
    happened: Counter[str] = field(default_factory=Counter)
    silences: list[tuple[float, float]] = field(default_factory=list)
    hurt: list[Path] = field(default_factory=list)

    def dice(self, name: str) -> random.Random:
        return random.Random(f"{self.seed}:{name}")

    def all(self) -> list[Coroutine[Any, Any, None]]:
        """Each ends when it is cancelled."""
        ways = [self._drops(), self._silence(), self._lies()]
        return [*ways, self._redis(self.redis)] if self.redis is not None else ways

    async def end(self) -> None:
        """Fair weather from now on."""
        self.gate.badness = 0.0
        await self.sim.control("clear")
        await self.sim.control("silence", hub="market", silent=False)
        await self.sim.control("limits", general=RAISED, history=RAISED)
        if self.redis is not None:
            self.redis.kill()
            self.redis.start()

    async def _drops(self) -> None:
        dice = self.dice("drops")
        while True:
            await _pause(dice, self.weather.drop_every_s)
            hub, how = (
                dice.choice(("market", "market", "market", "user", "both")),
                dice.choice(("abort", "close", "logout")),
            )
            await self.sim.control("drop", hub=hub, how=how)
            self.happened[f"hub {hub} dropped"] += 1
            if dice.random() < 0.3:
                await self.sim.control("refuse", hub="market", times=dice.randint(1, 4))
                self.happened["hub upgrades refused for a while"] += 1

    async def _silence(self) -> None:
        dice = self.dice("silence")
        while True:
            await _pause(dice, self.weather.silence_every_s)
            began = time.time()
            await self.sim.control("silence", hub="market", silent=True)
            try:
                await asyncio.sleep(dice.uniform(0.1, 1.0) * self.weather.silence_s)
            finally:
                await self.sim.control("silence", hub="market", silent=False)
                self.silences.append((began, time.time()))
                self.happened["hub silent"] += 1

    async def _lies(self) -> None:
        dice = self.dice("lies")
        while True:
            await _pause(dice, self.weather.lies_every_s)
            self.gate.badness = LIES * dice.choice((1, 5, 25))
            try:
                await asyncio.sleep(dice.uniform(0.2, 1.0) * self.weather.lies_s)
            finally:
                self.gate.badness = 0.0

    async def _redis(self, redis: RedisProcess) -> None:
        dice = self.dice("redis")
        while True:
            await _pause(dice, self.weather.redis_every_s)
            if dice.random() < 0.4:
                if await asyncio.to_thread(redis.spoil, dice):
                    self.happened["Redis value spoiled"] += 1
                continue
            redis.kill()
            self.happened["Redis killed"] += 1
            try:
                await asyncio.sleep(dice.uniform(0.0, 1.0) * self.weather.redis_s)
            finally:
                redis.start()


async def _pause(dice: random.Random, mean_s: float) -> None:
    await asyncio.sleep(dice.uniform(0.4, 1.6) * mean_s)


@dataclass
class Kills:
    """kill -9 at random moments, files damaged while it is down, and started again."""

    daemon: Daemon
    http: aiohttp.ClientSession
    trouble: Trouble
    files: Callable[[], list[Path]]
    count: int
    over_s: float
    done: int = 0

    async def carry_out(self) -> None:
        """Ends after the last one, with the daemon up."""
        dice, began = self.trouble.dice("kills"), time.monotonic()
        for number in range(self.count):
            due = began + (number + dice.uniform(0.3, 0.9)) * self.over_s / self.count
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            self.daemon.kill()
            self.daemon.doors = None
            self.done += 1
            if files := self.files():
                self.trouble.hurt += damaged(files, dice)
            await asyncio.sleep(dice.choice((0.0, 0.0, 0.1, 1.0)) * self.trouble.weather.pause_s)
            await up(self.daemon, self.http)


async def up(daemon: Daemon, http: aiohttp.ClientSession) -> None:
    """Its doors answer; it may not be ready yet: history is asked all the same."""
    await daemon.start(http, lambda state: True)
