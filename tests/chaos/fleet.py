"""The processes: one simulator, and one daemon per account with a login and a DATA_DIR of its own."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp

from tests.chaos.messages import ROOTS
from tests.chaos.spans import Span
from tests.daemon import ROOT, SCALE, Daemon, Doors, until

UP_S = 30.0 * SCALE
SETTLED_S = 180.0 * SCALE  # the pauses between two tries of a hub reach 60 s
FIRST_ACCOUNT = 21000001
API_TIMEOUT_S = 5
BASE_TICKS = 40_000


def logins(count: int) -> dict[int, str]:
    """Account to login."""
    return {FIRST_ACCOUNT + n: f"trader{n + 1}" for n in range(count)}


@dataclass
class Simulator:
    """The simulated gateway in its own process, asked through its control door; ``log`` is the truth."""

    http: aiohttp.ClientSession
    url: str
    log: Path
    contracts: dict[str, dict[str, Any]]  # root to the gateway's contract record

    async def control(self, action: str, **body: Any) -> dict[str, Any]:
        async with self.http.post(f"{self.url}/sim/{action}", json=body) as answer:
            reply: dict[str, Any] = await answer.json()
        assert reply["ok"], f"{action} {body}: {reply}"
        return reply

    async def state(self) -> dict[str, Any]:
        """Everything; large after a long run."""
        async with self.http.get(f"{self.url}/sim/state") as answer:
            reply: dict[str, Any] = await answer.json()
            return reply

    async def walk(self, root: str, ticks: int) -> None:
        contract = self.contracts[root]
        price = Decimal(str(contract["tickSize"])) * ticks
        await self.control("price", contractId=contract["id"], price=float(price))


@asynccontextmanager
async def simulator(
    folder: Path, http: aiohttp.ClientSession, accounts: dict[int, str], seed: int
) -> AsyncIterator[Simulator]:
    """Serves until the block ends; a market that only the runner moves."""
    rows = [
        f'[[account]]\nid = {number}\nname = "PRAC-{number}"\nbalance = 1000000\nlogin = "{login}"\n'
        for number, login in accounts.items()
    ]
    (folder / "accounts.toml").write_text("\n".join(rows), encoding="utf-8")
    options = ("--market", "manual", "--seed", str(seed), "--accounts", str(folder / "accounts.toml"))
    async with simulator_process(folder, http, *options, "--log", str(folder / "gateway.jsonl")) as sim:
        sim.contracts = await _contracts(sim)
        for root in ROOTS:
            await sim.walk(root, BASE_TICKS)
        yield sim


@asynccontextmanager
async def simulator_process(folder: Path, http: aiohttp.ClientSession, *options: str) -> AsyncIterator[Simulator]:
    """``python -m desk.sim`` on a free port until the block ends; it has been asked for nothing yet."""
    out = folder / "simulator.txt"
    command = [sys.executable, "-m", "desk.sim", "--port", "0", *options]
    with out.open("wb") as output:
        process = subprocess.Popen(  # noqa: ASYNC220 - a moment, at the start
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        url = await until(lambda: _url_of(out, process), UP_S)
        yield Simulator(http, url, folder / "gateway.jsonl", {})
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _url_of(out: Path, process: subprocess.Popen[bytes]) -> str | None:
    text = out.read_text(encoding="utf-8")
    assert process.poll() is None, f"the simulator ended:\n{text[-2000:]}"
    _, _, rest = text.partition("simulated ProjectX gateway: ")
    return rest.split()[0] if "Ctrl-C ends it" in rest else None


async def _contracts(sim: Simulator) -> dict[str, dict[str, Any]]:
    """By a login of its own: a daemon's rate windows are its daemon's alone."""
    async with sim.http.post(f"{sim.url}/api/Auth/loginKey", json={"userName": "paper", "apiKey": "paper"}) as answer:
        key = {"Authorization": f"Bearer {(await answer.json())['token']}"}
    async with sim.http.post(f"{sim.url}/api/Contract/available", json={"live": False}, headers=key) as answer:
        rows = (await answer.json())["contracts"]
    by_name = {row["name"][:-2]: row for row in rows}
    return {root: by_name[root] for root in ROOTS}


class Desk(Daemon):
    """One daemon, its account, and every time it died and was ready again."""

    def __init__(self, folder: Path, gateway_url: str, account_id: int, login: str) -> None:
        folder.mkdir()
        settings = {
            "PROJECT_X_ACCOUNT_ID": str(account_id),
            "SYMBOLS": ",".join(ROOTS),
            "API_TIMEOUT": str(API_TIMEOUT_S),
            "PICKMYTRADE_DOLLAR_UNIT": "points",
            "DEBOUNCE_SECONDS": "0",
            "LOG_FORMAT": "json",
        }
        super().__init__(folder, gateway_url, **settings)
        self.account_id, self.login = account_id, login
        self.is_raised = False
        self.absent: list[Span] = []  # no daemon, or not ready yet: from a kill or stop to ready
        self.may_die = False
        self._out_since: float | None = time.time()

    @property
    def data_dir(self) -> Path:
        return Path(self.settings["DATA_DIR"])

    @property
    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def spawn(self, *, with_console: bool = False, stdin: int = subprocess.PIPE) -> None:
        self.program = ("-m", "tests.chaos.bot", "--login", self.login, *(["--raised"] if self.is_raised else []))
        super().spawn(with_console=with_console, stdin=stdin)

    async def up(self, http: aiohttp.ClientSession) -> None:
        """Starts it and waits until it is ready."""
        self.doors = None
        self.spawn()
        urls = await until(self._urls, UP_S)
        self.doors = doors = Doors(http, urls["public"], urls["private"])  # alerts are taken from here on
        await doors.state_when(lambda state: state["ready"], SETTLED_S)
        if self._out_since is not None:
            self.absent.append((self._out_since, time.time()))
            self._out_since = None
        self.may_die = False

    def tell_to_die(self, point: str) -> None:
        assert self.process is not None, "started before"
        assert self.process.stdin is not None, "a pipe"
        os.write(self.process.stdin.fileno(), f"{point}\n".encode())

    def died(self) -> None:
        """Whoever waited for it knows that it is gone."""
        self.doors, self._out_since = None, time.time()
        self._close_input()

    async def stopped(self) -> int:
        """By SIGTERM, in order; its exit code."""
        self.may_die = True
        self.ask_to_stop()
        code = await self.exit_code(20 * SCALE)
        self.died()
        return code

    @property
    def died_unasked(self) -> bool:
        return self.process is not None and not self.is_alive and not self.may_die

    def kill(self) -> None:
        super().kill()
        self._close_input()

    def _close_input(self) -> None:
        if self.process is not None and self.process.stdin is not None:
            try:
                self.process.stdin.close()
            except BrokenPipeError:
                pass


@asynccontextmanager
async def desks(folder: Path, sim: Simulator, accounts: dict[int, str]) -> AsyncIterator[list[Desk]]:
    """Not started yet; gone when the block ends, whatever happened."""
    fleet = [Desk(folder / login, sim.url, account, login) for account, login in accounts.items()]
    try:
        yield fleet
    finally:
        for desk in fleet:
            if desk.is_alive:
                desk.kill()


async def all_up(fleet: list[Desk], http: aiohttp.ClientSession, *, raised: bool) -> None:
    for desk in fleet:
        desk.is_raised = raised
    await asyncio.gather(*(desk.up(http) for desk in fleet))


def lines_of(log: Path) -> list[dict[str, Any]]:
    """The simulator's log; its last line may be half written while it runs."""
    with log.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.endswith("\n")]
