"""A real signal to this process, and who gets it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import pytest

from desk.runtime.signals import Interrupts, stop_on_signals

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a process of Windows cannot send itself a Ctrl-C")


async def sent(number: signal.Signals) -> None:
    """To ourselves; the loop has handled it when this returns."""
    os.kill(os.getpid(), number)
    for _ in range(3):
        await asyncio.sleep(0)


async def test_an_interrupt_is_the_consoles_while_it_takes_them(capsys: pytest.CaptureFixture[str]) -> None:
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
    assert "stopping; once more leaves at once" in capsys.readouterr().err


async def test_sigterm_stops_whoever_takes_interrupts() -> None:
    stop = asyncio.Event()
    with stop_on_signals(stop, lambda: "").taken_by(lambda: None):
        await sent(signal.SIGTERM)
    assert stop.is_set()


def test_nobody_takes_what_nobody_wants() -> None:
    assert not Interrupts().offer()
