"""Resident memory of the daemon while 20 symbols stream, the simulator in its own process."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import msgspec
from msgspec.structs import replace

from benchmarks.figures import Counts, Figure, Group, at_most, median
from benchmarks.processes import Child, child, running_simulator, simulator_state
from desk.core.symbols import ROOTS

__all__ = ["measure"]

GOAL_MB = 150.0
PARQUET_GOAL_MB = 190.0
API_TOKEN = "benchmark-api"  # noqa: S105 - of a desk that lives for a minute on loopback
FLAT = 1.05
SETTLE_S = 2.0
STORED_S = 10.0  # what was read is written behind the answer
BARE = (
    "import sys, aiohttp, aiohttp.web, msgspec, structlog, websockets.asyncio.client, sqlite3; "
    "print('ready', flush=True); sys.stdin.read()"
)
HOW = (
    "`trading_bot.py --no-console` with many symbols, whose quotes stream from the simulator's generated market in its own "
    "process; resident memory is read once a second. The floor is an interpreter that has only imported the same libraries. "
    "Flat: the median of the last third beside that of the first."
)


def measure(counts: Counts, folder: Path) -> Group:
    """For ``counts.memory_s`` seconds after the desk was ready."""
    roots = [product.root for product in ROOTS.values() if product.offered][: counts.symbols]
    with child(("-c", BARE), folder / "bare.log") as bare:
        bare.wait_for("ready")
        floor_mb = _resident_mb(bare)
    with running_simulator(folder) as gateway:
        settings = {
            "DATA_DIR": str(folder / "data"),
            "PAPER_GATEWAY_URL": gateway,
            "WEBHOOK_PORT": "0",
            "API_PORT": "0",
            "API_TOKEN": API_TOKEN,
            "LOG_FORMAT": "json",
            "SYMBOLS": ",".join(roots),
        }
        arguments = ("trading_bot.py", "--no-console", "--env-file", os.devnull)
        with child(arguments, folder / "daemon.log", settings, by_closing_input=False) as daemon:
            private: str = msgspec.json.decode(daemon.wait_for('"doors.opened"'))["private"]
            daemon.wait_for('"desk.ready"')
            time.sleep(SETTLE_S)
            _check_streams(gateway, len(roots))
            samples = _samples(daemon, counts.memory_s)
            _read_history(private, roots, counts.memory_bars)
            _check_stored(folder / "data")
            parquet = _samples(daemon, counts.memory_s / 6)
    third = max(1, len(samples) // 3)
    growth = median(samples[-third:]) / median(samples[:third])
    peak = at_most(
        f"resident memory, {len(roots)} symbols streaming for {counts.memory_s:.0f} s, highest",
        max(samples),
        "MB",
        floor=floor_mb,
        floor_name="an interpreter with the same libraries",
        spread=(min(samples), max(samples)),
        samples=len(samples),
    )
    return Group(
        key="memory",
        title="Memory",
        how=HOW,
        figures=(
            _with_goal(peak),
            Figure(
                name="the last third beside the first",
                value=growth,
                unit="x",
                goal=f"≤ {FLAT:g}x",
                is_met=growth <= FLAT,
            ),
            Figure(
                name=f"once Parquet was used: {counts.memory_bars:,} minutes of each of {len(roots)} symbols were read, highest",
                value=max(parquet),
                unit="MB",
                goal=f"< {PARQUET_GOAL_MB:.0f} MB",
                is_met=max(parquet) < PARQUET_GOAL_MB,
                spread=(min(parquet), max(parquet)),
                samples=len(parquet),
            ),
        ),
        raised=(f"SYMBOLS: {len(roots)} instead of four", "rate limits of the simulator: off"),
    )


def _check_streams(gateway: str, symbols: int) -> None:
    """Raises RuntimeError when fewer symbols are followed than the figure says."""
    open_ones = [one for one in simulator_state(gateway)["connections"]["market"] if one["closed"] is None]
    followed = sum(kind == "quote" for one in open_ones for kind, _ in one["subscriptions"])
    if followed != symbols:
        raise RuntimeError(f"{followed} symbols are followed instead of {symbols}")


def _read_history(private: str, roots: list[str], bars: int) -> None:
    """The newest bars of every symbol, one after the other. Raises RuntimeError when one is not told."""
    for root in roots:
        body = msgspec.json.encode({"line": f"history {root} 1m {bars}"})
        headers = {"Authorization": f"Bearer {API_TOKEN}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{private}/api/command", body, headers)  # noqa: S310 - our own loopback URL
        with urllib.request.urlopen(request, timeout=60) as reply:  # noqa: S310
            told = msgspec.json.decode(reply.read())
        if not told["ok"] or told["data"]["problem"]:
            raise RuntimeError(f"history {root} was answered with {str(told)[:300]}")


def _check_stored(data_dir: Path) -> None:
    """Waits for the first Parquet file. Raises RuntimeError when none is written: the figure would say nothing."""
    give_up_at = time.monotonic() + STORED_S
    while not any(data_dir.glob("paper/bars/**/*.parquet")):
        if time.monotonic() > give_up_at:
            raise RuntimeError("history was read and nothing was stored")
        time.sleep(0.02)


def _with_goal(peak: Figure) -> Figure:
    return replace(peak, goal=f"< {GOAL_MB:.0f} MB", is_met=peak.value < GOAL_MB)


def _samples(daemon: Child, seconds: float) -> list[float]:
    samples, ends = [_resident_mb(daemon)], time.monotonic() + seconds
    while time.monotonic() < ends:
        time.sleep(min(1.0, max(0.05, seconds / 10)))
        samples.append(_resident_mb(daemon))
    return samples


def _resident_mb(running: Child) -> float:
    """Raises RuntimeError where neither /proc nor ps knows it."""
    pid = running.process.pid
    status = Path(f"/proc/{pid}/status")
    if status.exists():
        line = next(row for row in status.read_text().splitlines() if row.startswith("VmRSS:"))
        return int(line.split()[1]) / 1024
    if sys.platform == "win32":
        raise RuntimeError("resident memory is read on Linux and macOS only")
    told = subprocess.run(["/bin/ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=True)
    return int(told.stdout) / 1024
