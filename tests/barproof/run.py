"""The phases: trouble for so many minutes, fair weather, everything asked for once more, stopped, read, judged.

```
 all up ─▶ trouble, and asked all the while ─▶ fair weather ─▶ asked for the whole hour ─▶ SIGTERM ─▶ judge
```
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from load_env import SETTINGS
from tests.barproof import redis
from tests.barproof.archive import files_in, read_archive
from tests.barproof.asker import Asker
from tests.barproof.gate import Gate, open_gate
from tests.barproof.judge import Heard, SeriesProof, Stored, judge_answers, judge_series
from tests.barproof.oracle import FRAMES, LOGIN, Frame, Oracle, Rows
from tests.barproof.redis import RedisProcess
from tests.barproof.report import text_of
from tests.barproof.trouble import Kills, Trouble, Weather, plan_faults, up
from tests.chaos.fleet import Simulator, simulator_process
from tests.daemon import SCALE, Daemon, process

__all__ = ["ROOTS", "Outcome", "Plan", "run"]

ROOTS = ("MNQ", "MES", "MGC", "MCL", "M2K")
ASKERS = 3
FINAL_S = 45  # a bar is final half a minute after it closed; the rest is for a slow machine
HOUR_S = 3_600
WARM_S = 120.0 * SCALE
STOP_S = 30.0 * SCALE
UNSEEN_S = 60  # a hub that says nothing is found out by then
LOOK_BACK = 20  # bars before the first that was told, to see whether it might have been told more
SHORT = Weather(
    drop_every_s=4.0, silence_every_s=9.0, silence_s=4.0, redis_every_s=5.0, redis_s=3.0, lies_every_s=5.0, lies_s=4.0,
    pause_s=1.0,
)  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """What is asked for."""

    seed: int = 1
    minutes: float = 60.0
    kills: int | None = None  # None: one in five minutes

    @property
    def is_long(self) -> bool:
        return self.minutes >= 5

    @property
    def how_many_kills(self) -> int:
        return max(1, round(self.minutes / 5)) if self.kills is None else self.kills

    @property
    def command(self) -> str:
        return f"python -m tests.barproof --minutes {self.minutes:g} --seed {self.seed} --kills {self.how_many_kills}"


@dataclass
class Outcome:
    """What was found. ``text`` is all of it for a reader."""

    plan: Plan
    series: list[SeriesProof] = field(default_factory=list)
    heard: Heard = field(default_factory=Heard)
    happened: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    requests: Counter[str] = field(default_factory=Counter)  # at the gateway, by path
    faults: Counter[str] = field(default_factory=Counter)  # as the gateway tells them
    outages: list[tuple[float, float]] = field(default_factory=list)
    hour: tuple[int, int] = (0, 0)
    still_damaged: int = 0  # files that nobody asked for since
    with_redis: bool = False
    problems: list[str] = field(default_factory=list)
    took_s: float = 0.0
    text: str = ""

    @property
    def is_good(self) -> bool:
        return not self.problems and not self.heard.wrong and all(one.is_good for one in self.series)


@dataclass
class _Run:
    """One run in progress."""

    plan: Plan
    sim: Simulator
    gate: Gate
    oracle: Oracle
    daemon: Daemon
    trouble: Trouble
    asker: Asker
    kills: Kills
    say: Callable[[str], None]
    problems: list[str] = field(default_factory=list)

    async def storm(self) -> None:
        """Trouble and questions, until the time is over and the last kill is done."""
        await plan_faults(self.sim)
        over_s = self.plan.minutes * 60
        async with asyncio.TaskGroup() as tasks:
            beside = [
                tasks.create_task(one)
                for one in (
                    *self.trouble.all(),
                    *(self.asker.ask(self.trouble.dice(f"asker {n}")) for n in range(ASKERS)),
                    self._watch(),
                )
            ]
            killing = tasks.create_task(self.kills.carry_out())
            await asyncio.sleep(over_s)
            await killing
            for task in beside:
                task.cancel()

    async def settle(self) -> tuple[int, int]:
        """Fair weather; then the whole hour is asked for, and must be given. Returns that hour, epoch seconds."""
        await self.trouble.end()
        assert self.daemon.doors is not None, "it is up after the kills"
        await self.daemon.doors.state_when(lambda state: state["ready"], WARM_S)
        end = (int(time.time()) - FINAL_S) // 60 * 60
        start = end - max(HOUR_S, int(self.plan.minutes * 60) // 60 * 60)
        async with asyncio.TaskGroup() as tasks:
            for root in ROOTS:
                tasks.create_task(self._ask_until_given(root, start))
        return start, end

    async def _ask_until_given(self, root: str, start: int) -> None:
        for frame in FRAMES.values():
            n = int(time.time() - start) // frame.seconds + 3
            async with asyncio.timeout(WARM_S):
                while True:
                    answer = await self.asker.ask_one(f"history {root} {frame.text} {n}", root, frame, n)
                    if answer is not None and answer.problem is None:
                        break
                    await asyncio.sleep(0.5)

    async def stop(self) -> None:
        self.daemon.ask_to_stop()
        code = await self.daemon.exit_code(STOP_S)
        if code != 0:
            self.problems.append(f"SIGTERM ended it with exit code {code}:\n{self.daemon.err[-2000:]}")

    async def _watch(self) -> None:
        """A daemon that ends by itself ends the run. Says now and then where it is."""
        began = time.monotonic()
        while True:
            await asyncio.sleep(0.2)
            running = self.daemon.process
            if self.daemon.doors is not None and running is not None and running.poll() not in {None, -9}:
                raise RuntimeError(f"the daemon ended by itself:\n{self.daemon.err[-3000:]}")
            self.say(f"{time.monotonic() - began:.0f} s: {len(self.asker.answers)} answers, {self.kills.done} kills")

    def is_unknowable(self, contract: str, start: int, end: int) -> bool:
        """Whether trades of that time were tampered with, or the hub said nothing without breaking."""
        touched = self.gate.touched.get(contract, ())
        return any(start - 1 <= at <= end + 1 for at in touched) or any(
            first < end + 1 and last + 1 > start for first, last in self.trouble.silences
        )


async def run(plan: Plan, folder: Path, say: Callable[[str], None] = lambda text: None) -> Outcome:
    """All phases; the processes are gone when this returns. ``folder`` keeps logs and the archive."""
    began, outcome = time.monotonic(), Outcome(plan)
    async with _running(plan, folder, say) as running:
        contracts = await running.oracle.contracts(ROOTS)
        await running.storm()
        say("fair weather, and everything is asked for once more")
        outcome.hour = await running.settle()
        await running.stop()
        say("judging")
        await _judge(running, contracts, outcome)
        await _count(running, outcome)
    outcome.problems = running.problems
    outcome.took_s = time.monotonic() - began
    outcome.text = text_of(outcome)
    return outcome


@asynccontextmanager
async def _running(plan: Plan, folder: Path, say: Callable[[str], None]) -> AsyncIterator[_Run]:
    rules = folder / "accounts.toml"
    rules.write_text(
        '[[account]]\nid = 21000001\nname = "PRAC-1"\nbalance = 100000\nlogin = "paper"\n'
        f'[[account]]\nid = 21000002\nname = "PRAC-2"\nbalance = 100000\nlogin = "{LOGIN}"\n',
        encoding="utf-8",
    )
    with_redis = redis.is_there() and any(row.key == "REDIS_URL" for row in SETTINGS)
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http,
        simulator_process(folder, http, "--seed", str(plan.seed), "--accounts", str(rules)) as sim,
        open_gate(sim.url, random.Random(f"{plan.seed}:gate")) as gate,
    ):
        settings = {
            "SYMBOLS": ",".join(ROOTS),
            "PREFETCH_SYMBOLS": ",".join(ROOTS),
            "PREFETCH_TIMEFRAMES": "1m",
            "API_TIMEOUT": "5",
            "LOG_FORMAT": "json",
        }
        server = RedisProcess(folder) if with_redis else None
        if server is not None:
            settings["REDIS_URL"] = server.url
            server.start()
        try:
            async with process(folder, gate.url, **settings) as daemon:
                trouble = Trouble(sim, gate, server, plan.seed, Weather() if plan.is_long else SHORT)
                asker = Asker(daemon, ROOTS, plan.is_long, pause_s=0.6 if plan.is_long else 0.2)
                data = folder / "data"
                kills = Kills(daemon, http, trouble, lambda: files_in(data), plan.how_many_kills, plan.minutes * 60)
                await up(daemon, http)
                yield _Run(plan, sim, gate, Oracle(http, sim.url), daemon, trouble, asker, kills, say)
        finally:
            if server is not None:
                server.kill()


async def _judge(running: _Run, contracts: dict[str, str], outcome: Outcome) -> None:
    found, damaged = await asyncio.to_thread(read_archive, running.daemon.folder / "data")
    outcome.still_damaged = len(damaged)
    running.problems += [f"{path} is damaged, and not by us" for path in damaged if path not in running.trouble.hurt]
    truths: dict[tuple[str, str], Rows] = {}
    for root, contract_id in contracts.items():
        for frame in FRAMES.values():
            stored = found.get((contract_id, frame.text), Stored())
            truth = await _truth(running, root, contract_id, frame, stored)
            truths[root, frame.text] = truth
            must = outcome.hour if frame.text == "1m" else None
            outcome.series.append(judge_series(root, frame, stored, truth, must))
    outcome.heard = judge_answers(
        running.asker.answers,
        lambda root, frame: truths[root, frame.text],
        lambda root, start, end: running.is_unknowable(contracts[root], start, end),
    )


async def _truth(running: _Run, root: str, contract_id: str, frame: Frame, stored: Stored) -> Rows:
    """The simulator's bars over everything that was stored or told."""
    times = [edge for span in stored.covered for edge in span] + list(stored.rows)
    for answer in running.asker.answers:
        if (answer.root, answer.frame) == (root, frame):
            times += [*answer.rows, *(answer.span or ())]
    if not times:
        return {}
    start, end = min(times) - LOOK_BACK * frame.seconds, min(max(times) + frame.seconds, int(time.time()))
    return await running.oracle.bars(contract_id, frame, start, max(end, start))


async def _count(running: _Run, outcome: Outcome) -> None:
    state = await running.sim.state()
    own = [row for row in state["requests"] if (row.get("user") or "paper") == "paper"]
    outcome.requests = Counter(row["path"] for row in own)
    outcome.faults = Counter(row["fault"].partition(" path=")[0] for row in state["faults"])
    outcome.happened = running.trouble.happened + running.gate.tampered
    outcome.happened["archive file damaged"] = len(running.trouble.hurt)
    outcome.kills = running.kills.done
    outcome.refused = running.asker.refused
    outcome.outages = running.gate.outages
    outcome.with_redis = running.trouble.redis is not None
