"""Which signals end the program, and which must not."""

from __future__ import annotations

import asyncio
import signal
import sys

import pytest

from desk.runtime.signals import stop_on_signals


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such signal")
@pytest.mark.parametrize(("before", "stops"), [(signal.SIG_DFL, True), (signal.SIG_IGN, False)])
async def test_under_nohup_it_outlives_its_terminal(before: signal.Handlers, stops: bool) -> None:
    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1")
    kept = {name: signal.getsignal(getattr(signal, name)) for name in names}
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    signal.signal(signal.SIGHUP, before)
    try:
        stop_on_signals(stop, lambda: "")
        signal.raise_signal(signal.SIGHUP)
        told = asyncio.Event()
        loop.add_signal_handler(signal.SIGUSR1, told.set)
        signal.raise_signal(signal.SIGUSR1)  # arrives after the other one
        await told.wait()
        assert stop.is_set() is stops
    finally:
        for name in names:
            loop.remove_signal_handler(getattr(signal, name))
            signal.signal(getattr(signal, name), kept[name])
