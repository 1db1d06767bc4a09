"""Daemons to test: one inside the test (``running_desk``), one as a process of its own (``Daemon``), and what they are told.

Both talk to a simulated gateway over real sockets; alerts and commands go through the real doors.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp

from desk.bots import BotConfig, BotSetup
from desk.core.secret import Secret
from desk.gateway import GatewayClient, GatewayConfig, HubPool
from desk.runtime.config import StartConfig
from desk.runtime.executor import Executor
from desk.runtime.session import Session, SessionConfig
from desk.sim import SimConfig, SimServer
from desk.store import open_journal
from webhook_server import DoorsConfig, open_doors

ROOT = Path(__file__).parents[1]
MNQ = "CON.F.US.MNQ.Z26"
ACCOUNT = 21000001
PRICE = Decimal("21000.25")
WEBHOOK_TOKEN = "a-webhook-token-of-tests"
API_TOKEN = "an-api-token-of-tests"
PLACE = "/api/Order/place"
BOT = BotConfig(
    name="default",
    account_id=None,
    symbols=frozenset({"MNQ", "ES"}),
    default_qty=1,
    max_position=4,
    max_alert_age_s=15,
)
SCALE = float(os.environ.get("TEST_TIME_SCALE", "1"))
DEADLINE_S = 10.0 * SCALE
START_S = 20.0 * SCALE  # a process needs a second of a processor that others want, too


def alert(action: str = "enter_long", **more: Any) -> dict[str, Any]:
    """The README's alert, or another one of the same form; ``None`` takes a field out."""
    body: dict[str, Any] = {"v": 1, "id": f"{action}-1", "symbol": "CME_MINI:MNQ1!", "action": action}
    if action.startswith("enter"):
        body |= {
            "qty": {"mode": "contracts", "value": 2},
            "stop": {"unit": "points", "value": 20},
            "targets": [{"unit": "points", "value": 40}],
        }
    return {key: value for key, value in (body | more).items() if value is not None}


async def until(claim: Callable[[], Any], timeout_s: float = DEADLINE_S) -> Any:
    """The first true value of ``claim``, which another task or process brings about. Raises TimeoutError."""
    async with asyncio.timeout(timeout_s):
        while not (value := claim()):  # noqa: ASYNC110 - what is waited for has no event of its own
            await asyncio.sleep(0.005)
    return value


def requests_to(sim: SimServer, path: str) -> list[Any]:
    return [row for row in sim.requests if row.path == path]


def places(sim: SimServer) -> list[dict[str, Any]]:
    """Bodies of the place requests that reached the simulator."""
    return [json.loads(row.body) for row in requests_to(sim, PLACE)]


def working(sim: SimServer) -> list[Any]:
    return [order for order in sim.orders if order.status in {1, 6, 7, 8}]


@dataclass
class Doors:
    """The two doors of a running daemon, as their users see them."""

    http: aiohttp.ClientSession
    public: str
    private: str

    async def post(self, body: object, token: str = WEBHOOK_TOKEN) -> tuple[int, dict[str, Any]]:
        """An alert; ``body`` is JSON-encoded unless it is bytes already."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self.http.post(f"{self.public}/tv/{token}", data=data) as answer:
            return answer.status, await answer.json()

    async def get(self, path: str) -> Any:
        async with self.http.get(self.private + path, headers=self._key) as answer:
            return await answer.json()

    async def command(self, line: str) -> dict[str, Any]:
        async with self.http.post(f"{self.private}/api/command", json={"line": line}, headers=self._key) as answer:
            result: dict[str, Any] = await answer.json()
            return result

    async def state_when(self, claim: Callable[[dict[str, Any]], Any], timeout_s: float = DEADLINE_S) -> dict[str, Any]:
        """``GET /api/state`` as soon as ``claim`` holds of it. Raises TimeoutError with the last one."""
        state: dict[str, Any] = {}
        try:
            async with asyncio.timeout(timeout_s):
                while not (state and claim(state)):
                    await asyncio.sleep(0.02)
                    state = await self.get("/api/state")
        except TimeoutError:
            raise TimeoutError(json.dumps(state, indent=1)) from None
        return state

    @property
    def _key(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {API_TOKEN}"}


def is_protected(state: dict[str, Any]) -> bool:
    """One position, and both of its legs work."""
    positions = state["positions"]
    roles = sorted(order["role"] for order in state["orders"] if order["state"] == "working")
    return len(positions) == 1 and positions[0]["is_protected"] and roles == ["stop", "target"]


def is_flat(state: dict[str, Any]) -> bool:
    return not state["positions"] and not state["orders"] and not state["plans"]


def entries(sim: SimServer) -> list[Any]:
    """Our entries as the gateway has them, rejected ones included."""
    return [order for order in sim.orders if order.parent_id is None and (order.custom_tag or "").startswith("dsk-")]


def agrees(state: dict[str, Any], sim: SimServer) -> bool:
    """Positions and working orders of the desk are those of the gateway, and nothing is under way."""
    held = {(p["contract_id"], p["qty"]) for p in state["positions"]}
    orders = {order["gateway_order_id"] for order in state["orders"]}
    at_venue = {(p.contract_id, p.net) for p in sim.positions}
    return held == at_venue and orders == {order.id for order in working(sim)} and not state["plans"]


async def enter(doors: Doors, **more: Any) -> str:
    """A protected position, by the README's alert. Returns the alert's id."""
    status, answer = await doors.post(alert(**more))
    assert (status, answer["verdict"]) == (200, "accepted"), answer
    await doors.state_when(is_protected)
    return str(answer["alert_id"])


@dataclass
class RunningDesk(Doors):
    """A desk inside the test."""

    session: Session
    gateway: GatewayClient

    async def ready(self, timeout_s: float = DEADLINE_S) -> None:
        async with asyncio.timeout(timeout_s):
            await self.session.is_ready.wait()


@asynccontextmanager
async def quiet_sim(**config: Any) -> AsyncIterator[SimServer]:
    """A simulator whose market stands still at ``PRICE``."""
    async with SimServer(SimConfig(market="manual", feed_interval_s=0.02, **config)) as sim:
        sim.set_price(MNQ, PRICE)
        yield sim


@asynccontextmanager
async def running_desk(url: str, data_dir: Path, **changes: Any) -> AsyncIterator[RunningDesk]:
    """Session and doors as ``trading_bot.py`` puts them together, against the gateway at ``url``; stopped at the end.

    changes: fields of StartConfig, of SessionConfig, of GatewayConfig, or of the default bot's BotConfig.
    """
    start = _filled(
        StartConfig(None, False, ("MNQ",), ("MNQ",), ("1m",), prefetch_bars=50, first_retry_s=0.05), changes
    )
    setup = BotSetup(_filled(BOT, changes, kept=("account_id",)), token=Secret(WEBHOOK_TOKEN))
    config = SessionConfig(mode="paper", data_dir=data_dir, bots=(setup,), start=start)
    hubs = (f"{url}/hubs/user", f"{url}/hubs/market")
    gateway_config = _filled(GatewayConfig(url, *hubs, "paper", Secret("paper"), timeout_s=5), changes)
    config = _filled(config, changes)
    assert not changes, f"nobody knows {changes}"
    async with AsyncExitStack() as stack:
        journal = await stack.enter_async_context(open_journal(data_dir))
        session = Session(journal, config)
        await stack.enter_async_context(session.main_loop_running())
        ports = DoorsConfig(api_token=Secret(API_TOKEN), webhook_port=0, api_port=0)
        doors = await stack.enter_async_context(open_doors(session.desk, ports))
        gateway = await stack.enter_async_context(GatewayClient(gateway_config))
        pool = await stack.enter_async_context(HubPool())
        executor = await stack.enter_async_context(Executor(gateway, session.desk.inbox, session.desk.clock))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        serving = asyncio.create_task(session.serve(gateway, pool, executor, asyncio.sleep(0)), name="serve")
        try:
            yield RunningDesk(http, doors.public_url, doors.private_url, session, gateway)
        finally:
            session.desk.stop.set()
            await serving


def _filled(config: Any, changes: dict[str, Any], kept: tuple[str, ...] = ()) -> Any:
    fields = set(config.__dataclass_fields__) - set(kept)
    mine = {name: changes.pop(name) for name in list(changes) if name in fields}
    return replace(config, **mine)


class Daemon:
    """``trading_bot.py --no-console`` as a process. ``settings`` are environment variables on top of the tests' own."""

    program: tuple[str, ...] = (str(ROOT / "trading_bot.py"),)

    def __init__(self, folder: Path, gateway_url: str | None, **settings: str) -> None:
        self.folder = folder
        self.settings = {
            "DATA_DIR": str(folder / "data"),
            "WEBHOOK_PORT": "0",
            "API_PORT": "0",
            "WEBHOOK_TOKEN": WEBHOOK_TOKEN,
            "API_TOKEN": API_TOKEN,
            "PREFETCH_TIMEFRAMES": "5m",
            "PREFETCH_SYMBOLS": "MNQ",
            "SYMBOLS": "MNQ",
            "MAX_POSITION_SIZE": "4",
        }
        if gateway_url is not None:
            self.settings["PAPER_GATEWAY_URL"] = gateway_url
        self.settings |= settings
        self.process: subprocess.Popen[bytes] | None = None
        self.doors: Doors | None = None
        self.out_to: int | None = None  # descriptors in place of the files
        self.log_to: int | None = None
        self._runs = 0

    @property
    def out(self) -> str:
        return (self.folder / f"out{self._runs}.txt").read_text()

    @property
    def err(self) -> str:
        return (self.folder / f"err{self._runs}.txt").read_text()

    def spawn(self, *, with_console: bool = False, stdin: int = subprocess.DEVNULL) -> None:
        """Starts it, without waiting for anything."""
        self._runs += 1
        kept = {key: os.environ[key] for key in ("PATH", "HOME", "SYSTEMROOT", "TMPDIR", "LANG") if key in os.environ}
        out, err = self.folder / f"out{self._runs}.txt", self.folder / f"err{self._runs}.txt"
        command = [sys.executable, *self.program, *([] if with_console else ["--no-console"])]
        with out.open("wb") as stdout, err.open("wb") as stderr:
            self.process = subprocess.Popen(
                command,
                cwd=self.folder,
                env={**kept, "PYTHONPATH": str(ROOT), **self.settings},
                stdin=stdin,
                stdout=stdout if self.out_to is None else self.out_to,
                stderr=stderr if self.log_to is None else self.log_to,
            )

    async def start(self, http: aiohttp.ClientSession, is_up: Callable[[dict[str, Any]], Any] | None = None) -> Doors:
        """Starts it and waits until it is ready, or until ``is_up`` holds of its state."""
        self.spawn()
        urls = await until(self._urls, START_S)
        self.doors = Doors(http, urls["public"], urls["private"])
        await self.doors.state_when(is_up or (lambda state: state["ready"]), START_S)
        return self.doors

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None, "started before"
        self.process.kill()
        self.process.wait()

    def ask_to_stop(self, number: int = signal.SIGTERM) -> None:
        assert self.process is not None, "started before"
        self.process.send_signal(number)

    async def exit_code(self, timeout_s: float = 10.0 * SCALE) -> int:
        process = self.process
        assert process is not None, "started before"
        await until(lambda: process.poll() is not None, timeout_s)
        return process.wait()

    async def stop(self) -> int:
        self.ask_to_stop()
        return await self.exit_code()

    def events(self, name: str) -> list[dict[str, Any]]:
        """Log lines of that name."""
        lines = [json.loads(line) for line in self.err.splitlines() if line.startswith("{") and name in line]
        return [line for line in lines if line.get("event") == name]

    def _urls(self) -> dict[str, Any] | None:
        assert self.process is not None, "started before"
        assert self.process.poll() is None, f"it ended with {self.process.returncode}:\n{self.err}"
        return next(iter(self.events("doors.opened")), None)


@asynccontextmanager
async def process(folder: Path, gateway_url: str | None, **settings: str) -> AsyncIterator[Daemon]:
    """A daemon that is gone when the block ends, whatever happened."""
    daemon = Daemon(folder, gateway_url, **settings)
    try:
        yield daemon
    finally:
        if daemon.process is not None and daemon.process.poll() is None:
            daemon.kill()
