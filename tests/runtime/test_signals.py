"""A real signal to this process, and who gets it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import pytest

from desk.runtime.signals import Interrupts, stop_on_signals

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="a process of Windows cannot send itself a Ctrl-C"),
    pytest.mark.usefixtures("_hang_up_ends"),
]


async def sent(number: signal.Signals) -> None:
    """To ourselves; the loop has handled it when this returns."""
    os.kill(os.getpid(), number)
    for _ in range(3):
        await asyncio.sleep(0)


async def test_an_interrupt_is_the_consoles_while_it_takes_them() -> None:
    stop, taken = asyncio.Event(), 0

    def take() -> None:
        nonlocal taken
        taken += 1

    interrupts = stop_on_signals(stop, lambda: "")
    with interrupts.taken_by(take):
        await sent(signal.SIGINT)
        assert (taken, stop.is_set()) == (1, False)
    await sent(signal.SIGINT)
    assert (taken, stop.is_set()) == (1, True)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
async def test_what_is_no_interrupt_stops_whoever_takes_them(name: str) -> None:
    """Cause: a closed terminal ended the program at once, and its entries rested at the venue without it."""
    stop = asyncio.Event()
    with stop_on_signals(stop, lambda: "").taken_by(lambda: None):
        await sent(signal.Signals[name])
    assert stop.is_set()


async def test_a_terminal_that_hangs_up_twice_cuts_no_stop_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its shell sends on what the kernel sent already."""
    left: list[int] = []
    monkeypatch.setattr("desk.runtime.signals.os._exit", left.append)
    stop = asyncio.Event()
    stop_on_signals(stop, lambda: "")
    for _ in range(2):
        await sent(signal.Signals["SIGHUP"])
    assert (stop.is_set(), left) == (True, [])
    await sent(signal.SIGTERM)
    assert left == [130]


async def test_what_nohup_ignores_stays_ignored() -> None:
    hangup = signal.Signals["SIGHUP"]
    before = signal.signal(hangup, signal.SIG_IGN)
    try:
        stop = asyncio.Event()
        stop_on_signals(stop, lambda: "")
        await sent(hangup)
        assert not stop.is_set()
    finally:
        signal.signal(hangup, before)


def test_nobody_takes_what_nobody_wants() -> None:
    assert not Interrupts().offer()
