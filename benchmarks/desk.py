"""A running measured daemon from the outside: its doors, its probes' report, and the alerts it is sent."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.client import Connection
from benchmarks.daemon import DaemonReport
from benchmarks.processes import child
from desk.core.symbols import ROOTS

__all__ = ["API_TOKEN", "RAISED", "MeasuredDesk", "entry", "flatten_all", "measured_desk", "note", "symbols"]

TOKEN = "benchmark"  # noqa: S105 - of a desk that lives for a minute on loopback
API_TOKEN = "benchmark-api"  # noqa: S105
PATH = f"/tv/{TOKEN}"
FLAT_S = 30.0
RAISED = (
    "request windows of the gateway client: 1,000,000 per window instead of 200/60 s and 50/30 s",
    "rate limits of the simulator: off",
    "alerts of one bot at once: 1,000,000 instead of 2,000",
    "SYMBOLS: every product instead of four",
    "MAX_ALERT_AGE: 60 s instead of 15 s",
)


def symbols() -> list[str]:
    """TradingView symbols of every product that is offered."""
    return [product.tradingview for product in ROOTS.values() if product.offered]


def entry(symbol: str, alert_id: str, *, dry_run: bool = False) -> bytes:
    """One contract at market, with a stop and a target, as the README's example has them."""
    return msgspec.json.encode(
        {
            "v": 1,
            "id": alert_id,
            "symbol": symbol,
            "action": "enter_long",
            "fired_at": datetime.now(UTC),
            "qty": {"mode": "contracts", "value": 1},
            "stop": {"unit": "ticks", "value": 80},
            "targets": [{"unit": "ticks", "value": 160}],
            "dry_run": dry_run,
        }
    )


def flatten_all() -> bytes:
    return msgspec.json.encode({"v": 1, "id": uuid.uuid4().hex, "action": "flatten_all"})


def note(alert_id: str) -> bytes:
    return msgspec.json.encode({"v": 1, "id": alert_id, "action": "note", "comment": "volume above its average"})


class MeasuredDesk:
    """Both doors. ``report`` is there once the block of :func:`measured_desk` was left."""

    def __init__(self, public: str, private: str, data_dir: Path) -> None:
        self.public = public
        self.private = private
        self.data_dir = data_dir
        self.report: DaemonReport | None = None

    async def state(self) -> Any:
        connection = await Connection.open(self.private)
        try:
            return msgspec.json.decode((await connection.get("/api/state", API_TOKEN)).body)
        finally:
            connection.close()

    async def open(self, names: Sequence[str]) -> int:
        """One bracketed contract each, beside what is held; how many positions there are then."""
        held = len((await self.state())["positions"])
        connection = await Connection.open(self.public)
        try:
            for name in names:
                await connection.post(PATH, entry(name, uuid.uuid4().hex))
        finally:
            connection.close()
        await self.settle_entries()
        await asyncio.sleep(1.0)
        opened = len((await self.state())["positions"]) - held
        if opened != len(names):
            raise RuntimeError(f"{len(names)} entries were sent and {opened} positions were opened")
        return held + opened

    async def settle_entries(self) -> None:
        """Until every position has both legs working and nothing is under way. Raises RuntimeError after a while."""
        await self._until(
            lambda state: all(order["state"] not in {"submitted", "unknown"} for order in state["orders"])
        )

    async def flatten(self, symbol: str) -> None:
        """No position, no working order, no plan under way, and an entry would be taken again."""
        connection = await Connection.open(self.public)
        try:
            await connection.post(PATH, flatten_all())
            await self._until(lambda state: not (state["positions"] or state["orders"] or state["plans"]))
            answer = await connection.post(PATH, entry(symbol, uuid.uuid4().hex, dry_run=True))
        finally:
            connection.close()
        verdict = msgspec.json.decode(answer.body)
        if verdict.get("verdict") != "would_send":
            raise RuntimeError(f"after flattening an entry would not be taken: {verdict}")

    async def _until(self, is_so: Any) -> None:
        give_up_at = time.monotonic() + FLAT_S
        while not is_so(state := await self.state()):
            if time.monotonic() > give_up_at:
                held = {name: len(state[name]) for name in ("positions", "orders", "plans")}
                raise RuntimeError(f"the desk did not settle within {FLAT_S:.0f} s; still there: {held}")
            await asyncio.sleep(0.05)


@asynccontextmanager
async def measured_desk(
    folder: Path,
    gateway_url: str,
    profile: Path | None = None,
    *,
    subscribed: int | None = None,
    more: Mapping[str, str] | None = None,
) -> AsyncIterator[MeasuredDesk]:
    """A daemon with probes in its own process, ready; ended in order, its report read.

    subscribed: how many products are in SYMBOLS, None: all. more: settings beside or instead of these. In a folder that a
    desk has used it is a restart of that one.
    """
    data_dir, report = folder / "data", folder / "report.json"
    settings = {
        "DATA_DIR": str(data_dir),
        "PAPER_GATEWAY_URL": gateway_url,
        "WEBHOOK_PORT": "0",
        "WEBHOOK_TOKEN": TOKEN,
        "API_PORT": "0",
        "API_TOKEN": API_TOKEN,
        "SYMBOLS": ",".join([product.root for product in ROOTS.values() if product.offered][:subscribed]),
        "MAX_ALERT_AGE": "60",
        "PREFETCH_SYMBOLS": "none",
        "LOG_FORMAT": "json",
    } | dict(more or {})
    arguments = ["-m", "benchmarks.daemon", "--report", str(report)]
    if profile is not None:
        arguments += ["--profile", str(profile)]
    with child(arguments, folder / "daemon.log", settings) as daemon:
        opened = msgspec.json.decode(await asyncio.to_thread(daemon.wait_for, '"doors.opened"'))
        await asyncio.to_thread(daemon.wait_for, '"desk.ready"')
        desk = MeasuredDesk(opened["public"], opened["private"], data_dir)
        yield desk
    desk.report = msgspec.json.decode(report.read_bytes(), type=DaemonReport)
