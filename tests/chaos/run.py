"""The phases: true rate limits, then the storm with its kills, then calm, flat, and the proof.

```
 true limits (200/60 s, 50/30 s on both sides) ─▶ stopped ─▶ storm (raised, faults, kills) ─▶ calm: agree ─▶ flatten ─▶ prove
```
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp

from tests.chaos import trouble
from tests.chaos.books import read_books
from tests.chaos.fleet import SETTLED_S, Desk, Simulator, all_up, desks, lines_of, logins, simulator
from tests.chaos.messages import Messages
from tests.chaos.proof import Evidence, Offence, Proof, prove
from tests.chaos.report import LAWS, story, table
from tests.chaos.sender import Sender
from tests.chaos.spans import Span
from tests.chaos.venue import Venue, read_venue

__all__ = ["Outcome", "Plan", "run"]

LOOK_S = 0.2


@dataclass(frozen=True)
class Plan:
    """What is asked for. Rates are messages a second over all accounts."""

    seed: int
    alerts: int = 10_000
    kills: int = 20
    accounts: int = 3
    rate: float = 25.0
    true_alerts: int = 120
    true_rate: float = 1.5
    expire_every_s: float = 45.0
    weather: float = 1.0

    @property
    def command(self) -> str:
        return (
            f"python -m tests.chaos --seed {self.seed} --alerts {self.alerts} --kills {self.kills} --accounts {self.accounts} "
            f"--rate {self.rate:g} --true-alerts {self.true_alerts} --true-rate {self.true_rate:g} --weather {self.weather:g}"
        )


@dataclass
class Outcome:
    """What was found. ``text`` is all of it for a reader."""

    proof: Proof
    venue: Venue
    kills: dict[str, int]
    own_429: int
    true_requests: int
    took_s: dict[str, float]
    first_story: str = ""
    text: str = ""

    @property
    def is_good(self) -> bool:
        return not self.proof.offences


@dataclass
class _Run:
    """One run in progress."""

    plan: Plan
    sim: Simulator
    fleet: list[Desk]
    http: aiohttp.ClientSession
    messages: Messages
    sender: Sender
    say: Callable[[str, int], None]
    killer: trouble.Killer
    offences: list[Offence] = field(default_factory=list)
    took_s: dict[str, float] = field(default_factory=dict)
    true_span: Span = (0.0, 0.0)

    def dice(self, name: str) -> random.Random:
        """Each part throws its own, so that one more fault does not move the market."""
        return random.Random(f"{self.plan.seed}:{name}")

    async def true_limits(self) -> None:
        """At the gateway's own windows, in showers: the daemons must keep within them by themselves."""
        began = time.time()
        await trouble.plan_showers(self.sim, self.plan.weather)
        await all_up(self.fleet, self.http, raised=False)
        background = [trouble.move_prices(self.sim, self.dice("true prices"))]
        messages = self.messages.phase(self.plan.true_alerts, self.plan.true_rate)
        async with self._beside(*background):
            await self.sender.send(self._told("true limits", messages))
        await self._calm()
        self.true_span = (began, time.time())
        await self._stop_all()
        self.took_s["true limits"] = time.time() - began

    async def storm(self) -> None:
        began, before, plan = time.time(), self.sender.sent, self.plan
        await trouble.plan_storm(self.sim, plan.weather)
        await all_up(self.fleet, self.http, raised=True)
        kills = trouble.kills_of(self.dice("kills"), plan.kills, plan.alerts, len(self.fleet))
        messages = self.messages.phase(plan.alerts, plan.rate)
        background = (
            trouble.move_prices(self.sim, self.dice("prices")),
            trouble.expire_tokens(self.sim, self.dice("tokens"), plan.expire_every_s),
        )
        async with self._beside(*background), asyncio.TaskGroup() as tasks:
            tasks.create_task(self.sender.send(self._told("storm", messages)), name="sender")
            tasks.create_task(self.killer.carry_out(kills, lambda: self.sender.sent - before), name="killer")
        await self._calm()
        self.took_s["storm"] = time.time() - began

    async def flat(self) -> None:
        """Everything closed by command, and proven flat at the simulator."""
        began = time.time()
        for desk in self.fleet:
            assert desk.doors is not None, "all are up after a phase"
            said = await desk.doors.command("flatten yes")
            if not said.get("data", {}).get("is_flat"):
                self._broke("not flat", f"flatten says: {said.get('text')}", desk)
        state = await self.sim.state()
        for row in (*state["positions"], *(order for order in state["orders"] if order["status"] in {1, 6, 7, 8})):
            self._broke("not flat", f"after flatten the gateway still has {row}", self._desk(row["accountId"]))
        await self._stop_all()
        self.took_s["flat"] = time.time() - began

    async def _calm(self) -> None:
        """No more trouble: soon every daemon agrees with the gateway, and every position is protected."""
        await self.sim.control("clear")
        differ = {desk.account_id: "" for desk in self.fleet}
        try:
            async with asyncio.timeout(SETTLED_S):
                while differ:
                    await asyncio.sleep(0.5)
                    at_gateway = await self.sim.state()
                    differ = {
                        desk.account_id: why for desk in self.fleet if (why := await _difference(desk, at_gateway))
                    }
        except TimeoutError:
            for account_id, why in differ.items():
                self._broke("disagrees", f"after {SETTLED_S:g} s without trouble: {why}", self._desk(account_id))

    async def _stop_all(self) -> None:
        codes = await asyncio.gather(*(desk.stopped() for desk in self.fleet))
        for desk, code in zip(self.fleet, codes, strict=True):
            if code != 0:
                self._broke("stop", f"SIGTERM ended it with exit code {code}:\n{desk.err[-2000:]}", desk)

    @asynccontextmanager
    async def _beside(self, *work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
        """What goes on as long as the block, a look at the processes included."""
        async with asyncio.TaskGroup() as tasks:
            beside = [tasks.create_task(one) for one in (*work, self._watch())]
            yield
            for task in beside:
                task.cancel()

    async def _watch(self) -> None:
        """A daemon that ends by itself ends the run."""
        while True:
            await asyncio.sleep(LOOK_S)
            for desk in self.fleet:
                if desk.died_unasked:
                    raise RuntimeError(f"the daemon of {desk.login} ended by itself:\n{desk.err[-3000:]}")

    def _told(self, phase: str, messages: Any) -> Any:
        for message in messages:
            self.say(phase, self.sender.answered)
            yield message

    def _desk(self, account_id: int) -> Desk:
        return next(desk for desk in self.fleet if desk.account_id == account_id)

    def _broke(self, law: str, text: str, desk: Desk) -> None:
        self.offences.append(Offence(law, f"{desk.login}: {text}", desk.account_id, time.time()))


async def _difference(desk: Desk, at_gateway: dict[str, Any]) -> str:
    """Why daemon and gateway differ, or a position is not protected; empty when all is well."""
    assert desk.doors is not None, "all are up after a phase"
    state = await desk.doors.get("/api/state")
    held = {(row["contract_id"], row["qty"]) for row in state["positions"]}
    there = {
        (row["contractId"], row["size"] if row["type"] == 1 else -row["size"])
        for row in at_gateway["positions"]
        if row["accountId"] == desk.account_id
    }
    orders = {row["gateway_order_id"] for row in state["orders"]}
    working = {
        row["id"]
        for row in at_gateway["orders"]
        if row["accountId"] == desk.account_id and row["status"] in {1, 6, 7, 8}
    }
    if not state["ready"] or not state["user_hub_is_up"] or state["held"] or state["plans"]:
        return str({key: state[key] for key in ("ready", "user_hub_is_up", "held", "plans")})
    if held != there or orders != working:
        return f"it holds {held} with {orders}, the gateway has {there} with {working}"
    naked = [row for row in state["positions"] if not row["is_protected"]]
    return f"not protected: {naked}" if naked else ""


async def run(plan: Plan, folder: Path, say: Callable[[str, int], None] = lambda phase, answered: None) -> Outcome:
    """All phases; the processes are gone when this returns. ``folder`` keeps logs and journals."""
    accounts = logins(plan.accounts)
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http,
        simulator(folder, http, accounts, plan.seed) as sim,
        desks(folder, sim, accounts) as fleet,
    ):
        ticks = {root: Decimal(str(row["tickSize"])) for root, row in sim.contracts.items()}
        sender = Sender({desk.account_id: desk for desk in fleet})
        killer = trouble.Killer(sim, fleet, http, random.Random(f"{plan.seed}:moments"))
        sender.on_answer = killer.on_answer
        running = _Run(plan, sim, fleet, http, Messages(plan.seed, list(accounts), ticks), sender, say, killer)
        if plan.true_alerts:
            await running.true_limits()
        await running.storm()
        await running.flat()
        contracts = {root: row["id"] for root, row in sim.contracts.items()}
    return _judge(running, contracts)


def _judge(running: _Run, contracts: dict[str, str]) -> Outcome:
    began = time.time()
    read = {desk.account_id: read_books(desk.data_dir, desk.account_id) for desk in running.fleet}
    venue = read_venue(lines_of(running.sim.log))
    books = {account_id: one for account_id, (one, _) in read.items()}
    out = {desk.account_id: desk.absent for desk in running.fleet}
    proof = prove(Evidence(running.sender.deliveries, venue, books, out, contracts))
    start, end = running.true_span
    own = [(at, user) for at, user in venue.throttled if start <= at <= end]
    proof.offences = [*proof.offences, *running.offences]
    if own:
        text = f"{len(own)} answers 429 at the true rate limits, the first to {own[0][1]}"
        proof.offences.append(Offence("own 429", text, 0, own[0][0]))
    running.took_s["judging"] = time.time() - began
    outcome = Outcome(
        proof, venue, dict(running.killer.happened), len(own), _requests_in(running.sim.log, start, end), running.took_s
    )
    if proof.offences:
        proof.offences.sort(key=lambda one: (one.law not in LAWS, one.at))
        first = proof.offences[0]
        records = read[first.account_id][1] if first.account_id in read else []
        outcome.first_story = story(first, records, lines_of(running.sim.log))
    outcome.text = _text(running.plan, outcome)
    return outcome


def _requests_in(log: Path, start: float, end: float) -> int:
    return sum(row["kind"] == "request" and start <= row["at"] <= end for row in lines_of(log))


def _text(plan: Plan, outcome: Outcome) -> str:
    took = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in outcome.took_s.items())
    kills = ", ".join(f"{count} {way}" for way, count in sorted(outcome.kills.items()))
    faults = ", ".join(f"{count} {name}" for name, count in outcome.venue.faults.most_common(40))
    requests = sum(outcome.venue.requests.values())
    parts = [
        f"seed {plan.seed}: {plan.accounts} accounts, one daemon, login and DATA_DIR each, one simulator; {took}",
        "  storm: rate windows RAISED to 1,000,000/60 s on both sides; API_TIMEOUT 5 s; prices moved by hand",
        f"  kill -9: {sum(outcome.kills.values())} ({kills})",
        f"  faults: {faults}",
        f"  requests at the gateway: {requests}, answered 429: {len(outcome.venue.throttled)} (planned, but for the next line)",
        f"  true limits 200/60 s and 50/30 s on both sides: {plan.true_alerts} alerts, {outcome.true_requests} requests, "
        f"429 of their own: {outcome.own_429} (must be 0)",
        table(outcome.proof),
    ]
    offences = outcome.proof.offences
    if offences:
        parts += [f"BROKEN: {len(offences)}", *(f"  {one.law}: {one.text[:400]}" for one in offences[:10])]
        parts += ["The first one's story:", outcome.first_story]
    else:
        parts.append("No law is broken: nothing lost, nothing doubled, no orphan, nothing naked, flat at the end.")
    return "\n".join([*parts, f"again: {plan.command}"])
