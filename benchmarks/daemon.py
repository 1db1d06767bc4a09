"""The daemon as a measured process: ``trading_bot.main`` itself, with raised rate windows and a few probes.

Only the request budget of the gateway client and the pace of a bot's alerts differ from ``python trading_bot.py`` (they have
no setting, on purpose).
Ends when standard input does, and then writes what the probes saw.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import dataclasses
import gc
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

import trading_bot
from benchmarks.stamps import Stamps
from desk.gateway.config import GatewayConfig
from desk.gateway.pacing import PacingConfig
from desk.runtime import signals
from desk.surfaces.door_limits import DoorLimits
from load_env import Settings

__all__ = ["DaemonReport"]

ANY_PACE = DoorLimits(bot_burst=1_000_000)
RAISED = PacingConfig(general_limit=1_000_000, history_limit=1_000_000)
TICK_S = 0.005
_WORTH_NOTING_S = 0.001


class DaemonReport(msgspec.Struct):
    """What the probes saw. Times are CLOCK_MONOTONIC seconds."""

    stamps: dict[str, list[float]]
    stalls: list[tuple[float, float]]  # when the event loop was late, and by how much; over 1 ms
    collections: list[tuple[float, float, int]]  # garbage collections: when, how long, generation
    snapshots: list[tuple[float, float]]  # the state encoded on the event loop: when, how long
    working: dict[str, tuple[float, str]]  # client_order_id: when the state showed it working first, and why
    reconciled: list[float]  # when an account agreed with the gateway


class Probes:
    """The ticker on the event loop and the garbage collector's own reports."""

    def __init__(self, profile: bool) -> None:
        self.stalls: list[tuple[float, float]] = []
        self.collections: list[tuple[float, float, int]] = []
        self.profile = cProfile.Profile(time.perf_counter) if profile else None
        self._began = 0.0
        self._ticker: asyncio.Task[None] | None = None

    def begin(self, stop: asyncio.Event) -> None:
        """On the running loop."""
        loop = asyncio.get_running_loop()
        gc.callbacks.append(self._collected)
        self._ticker = asyncio.create_task(self._tick(), name="ticker")
        threading.Thread(target=_await_end, args=(loop, stop), name="input", daemon=True).start()
        if self.profile is not None:
            self.profile.enable()

    async def _tick(self) -> None:
        """Ends with the loop."""
        while True:
            due = time.monotonic() + TICK_S
            await asyncio.sleep(TICK_S)
            late = time.monotonic() - due
            if late > _WORTH_NOTING_S:
                self.stalls.append((due, late))

    def _collected(self, phase: str, info: dict[str, Any]) -> None:
        now = time.monotonic()
        if phase == "start":
            self._began = now
        else:
            self.collections.append((self._began, now - self._began, info["generation"]))


def _await_end(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    while os.read(0, 1024):  # not sys.stdin: its lock, held by this thread, would break an exit for another reason
        pass
    loop.call_soon_threadsafe(stop.set)


def _with_raised_windows(function: Callable[[Settings], Any]) -> Callable[[Settings], Any]:
    @asynccontextmanager
    async def raised(settings: Settings) -> AsyncIterator[GatewayConfig]:
        async with function(settings) as config:
            yield dataclasses.replace(config, pacing=RAISED)

    return raised


def _with_any_pace(function: Callable[[Settings], Any]) -> Callable[[Settings], Any]:
    def raised(settings: Settings) -> Any:
        return dataclasses.replace(function(settings), limits=ANY_PACE)

    return raised


def _with_probes(
    function: Callable[[asyncio.Event, Callable[[], str]], signals.Interrupts], probes: Probes
) -> Callable[[asyncio.Event, Callable[[], str]], signals.Interrupts]:
    def install(stop: asyncio.Event, last_words: Callable[[], str]) -> signals.Interrupts:
        interrupts = function(stop, last_words)
        probes.begin(stop)
        return interrupts

    return install


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--report", type=Path, required=True)
    parser.add_argument("--profile", type=Path)
    options = parser.parse_args()
    probes, stamps = Probes(options.profile is not None), Stamps()
    stamps.install()
    setattr(signals, "stop_on_signals", _with_probes(signals.stop_on_signals, probes))  # noqa: B010 - a replaced function
    setattr(trading_bot, "_gateway_config", _with_raised_windows(trading_bot._gateway_config))  # noqa: B010
    setattr(trading_bot, "_doors_config", _with_any_pace(trading_bot._doors_config))  # noqa: B010
    code = trading_bot.main(["--no-console", "--env-file", os.devnull])
    if probes.profile is not None:
        probes.profile.disable()
        probes.profile.dump_stats(options.profile)
    report = DaemonReport(
        stamps.by_alert, probes.stalls, probes.collections, stamps.snapshots, stamps.working, stamps.reconciled
    )
    options.report.write_bytes(msgspec.json.encode(report))
    return code


if __name__ == "__main__":
    sys.exit(main())
