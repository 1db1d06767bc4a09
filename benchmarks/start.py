"""Start: from the first login byte at the gateway to ready, with the gateway's usual latencies."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.figures import Counts, Figure, Group, at_most, median, parts_of
from benchmarks.processes import ROOT, clean_environment, running_simulator, simulator_state

__all__ = ["measure"]

LATENCY_MS = {"login": 270, "accounts": 230, "contracts": 55, "history": 10_360}
FLOOR_MS = float(LATENCY_MS["login"] + LATENCY_MS["accounts"])
ALLOWANCE_MS = 150.0
RUN_S = 30.0
_LOGIN, _ACCOUNTS, _HISTORY = "/api/Auth/loginKey", "/api/Account/search", "/api/History/retrieveBars"
_STEPS = (
    "login at the gateway",
    "login answered to accounts asked",
    "accounts at the gateway",
    "accounts answered to user hub subscribed and first account read asked",
    "account reads (reconcile)",
    "last read answered to ready",
)
HOW = (
    "`trading_bot.py --no-console` as its own process with a fresh data directory, against the simulator in its own process, "
    + ", ".join(f"{name} {ms:,} ms" for name, ms in LATENCY_MS.items())
    + ", 0 elsewhere. It begins with the login request in the simulator's log and ends when the daemon's `desk.ready` "
    "line arrives; both are CLOCK_MONOTONIC, which processes of one machine share (a marker request proves it before "
    "the first run). Each run logs in anew; the median of the runs counts, the spread is fastest and slowest."
)


def measure(counts: Counts, folder: Path) -> Group:
    """As many starts as ``counts`` says, one after the other."""
    latency = ",".join(f"{name}={ms}" for name, ms in LATENCY_MS.items())
    rows, before_login = [], []
    with running_simulator(folder, "--latency", latency) as url:
        seen = len(simulator_state(url)["requests"])
        for number in range(counts.start_runs):
            launched, ready = _start_once(url, folder / f"start-{number}")
            state = simulator_state(url)
            row = _Run(state, seen, ready)
            seen = len(state["requests"])
            rows.append(row)
            before_login.append((row.login["started"] - launched) * 1000)
    took = [row.took_ms for row in rows]
    ready_first = [row.is_ready_before_history for row in rows]
    asked_ms = median([row.history_asked_ms for row in rows])
    return Group(
        key="start",
        title="Start",
        how=HOW,
        figures=(
            _start_figure(took, rows),
            Figure(
                name="starts that were ready before the first history reply",
                value=sum(ready_first),
                unit=f"of {len(rows)}",
                goal=f"= {len(rows)}",
                is_met=all(ready_first),
                samples=len(rows),
            ),
            Figure(
                name="process launched → first login byte (interpreter, imports, journal, doors)",
                value=median(before_login),
                unit="ms",
                spread=(min(before_login), max(before_login)),
                samples=len(rows),
            ),
        ),
        notes=(
            _reads_in_words(rows),
            f"History was asked for {asked_ms:.0f} ms after the login began (median), beside what the start waits for.",
        ),
    )


def _start_figure(took: list[float], rows: list[_Run]) -> Figure:
    figure = at_most(
        "first login byte → ready",
        median(took),
        "ms",
        floor=FLOOR_MS,
        floor_name="login + accounts latency",
        spread=(min(took), max(took)),
        samples=len(took),
        parts=parts_of([row.steps for row in rows], _STEPS),
    )
    return msgspec.structs.replace(
        figure, goal=f"≤ floor + {ALLOWANCE_MS:.0f} ms", is_met=figure.value <= FLOOR_MS + ALLOWANCE_MS
    )


def _reads_in_words(rows: list[_Run]) -> str:
    """What the last wait before ready consists of."""
    took: dict[str, list[float]] = {}
    for row in rows:
        for path, ms in row.reads:
            took.setdefault(path, []).append(ms)
    named = ", ".join(f"{path} {median(ms):.0f} ms" for path, ms in sorted(took.items()))
    text = f"Reads between the accounts' answer and ready, each at the gateway (median): {named}."
    not_awaited = sorted({path for row in rows for path in row.not_awaited})
    return text + (f" Asked then, too, and not waited for: {', '.join(not_awaited)}." if not_awaited else "")


class _Run:
    """One start as the simulator saw it. ``steps``: stamps around _STEPS."""

    def __init__(self, state: Any, seen: int, ready: float) -> None:
        requests = [row for row in state["requests"][seen:] if row["started"] <= ready]
        self.login = next(row for row in requests if row["path"] == _LOGIN)
        accounts = next(row for row in requests if row["path"] == _ACCOUNTS)
        history = [row for row in state["requests"][seen:] if row["path"] == _HISTORY]
        asked = [row for row in requests if row["started"] >= accounts["ended"] and row["path"] != _HISTORY]
        reads = [row for row in asked if row["ended"] is not None and row["ended"] <= ready]
        assert reads, "a desk is not ready before it read its account"
        self.reads = [(row["path"], (row["ended"] - row["started"]) * 1000) for row in reads]
        self.not_awaited = sorted({row["path"] for row in asked if row not in reads})
        self.took_ms = (ready - self.login["started"]) * 1000
        self.is_ready_before_history = all(row["ended"] is None or row["ended"] > ready for row in history)
        self.history_asked_ms = (
            (min(row["started"] for row in history) - self.login["started"]) * 1000 if history else float("nan")
        )
        self.steps = (
            self.login["started"],
            self.login["ended"],
            accounts["started"],
            accounts["ended"],
            min(row["started"] for row in reads),
            max(row["ended"] for row in reads),
            ready,
        )


def _start_once(url: str, data_dir: Path) -> tuple[float, float]:
    """(launched, ready) of one daemon, which is told to stop then. Raises RuntimeError with its output when it fails."""
    settings = {
        "DATA_DIR": str(data_dir),
        "PAPER_GATEWAY_URL": url,
        "WEBHOOK_PORT": "0",
        "API_PORT": "0",
        "LOG_FORMAT": "json",
    }
    launched = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "trading_bot.py", "--no-console", "--env-file", os.devnull],
        cwd=ROOT,
        env=clean_environment(settings),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    watchdog = threading.Timer(RUN_S, process.kill)
    watchdog.start()
    said = []
    try:
        assert process.stderr is not None, "a pipe was asked for"
        for line in process.stderr:
            now = time.monotonic()
            said.append(line.decode(errors="replace"))
            if b'"desk.ready"' in line:
                return launched, now
        raise RuntimeError("the daemon did not get ready:\n" + "".join(said[-20:]))
    finally:
        process.terminate()
        process.communicate()
        watchdog.cancel()
