"""Ctrl-C, SIGTERM and a closed terminal: the first asks for an orderly stop, the second ends the process at once.

Beside a console a Ctrl-C is the console's. A terminal that goes away never counts as the second one: shell and system may
both tell it.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from desk.runtime.logs import say
from desk.runtime.logwriter import last_word

__all__ = ["Interrupts", "stop_on_signals"]

_SECOND_SIGNAL = 130
_HANG_UP = getattr(signal, "SIGHUP", None)


class Interrupts:
    """Lets a console have the Ctrl-C that comes while no prompt reads keys. One taker at a time."""

    def __init__(self) -> None:
        self._take: Callable[[], None] | None = None

    @contextmanager
    def taken_by(self, take: Callable[[], None]) -> Iterator[None]:
        self._take = take
        try:
            yield
        finally:
            self._take = None

    def offer(self) -> bool:
        """Whether somebody took it."""
        if self._take is None:
            return False
        self._take()
        return True


def stop_on_signals(stop: asyncio.Event, last_words: Callable[[], str]) -> Interrupts:
    """Installs the handlers for the running loop. On Windows only Ctrl-C and Ctrl-Break arrive; elsewhere also that the
    terminal was closed, unless ``nohup`` said that this is nothing.

    last_words: what a person must know who leaves at once; empty: nothing. A Ctrl-C that the console takes stops nothing.
    """
    loop = asyncio.get_running_loop()
    interrupts = Interrupts()

    def ask(number: int) -> None:
        if number == signal.SIGINT and not stop.is_set() and interrupts.offer():
            return
        is_second = stop.is_set()
        if is_second and number == _HANG_UP:
            return
        stop.set()
        if not is_second:
            say("stopping; once more leaves at once")
            return
        try:
            last_word(f"second signal: leaving now; {last_words() or 'protective stops are at the venue'}")
        finally:
            os._exit(_SECOND_SIGNAL)

    def from_any_thread(number: int, _frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(ask, number)

    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
        number = getattr(signal, name, None)
        if number is None or (number == _HANG_UP and signal.getsignal(number) is signal.SIG_IGN):
            continue  # nohup: it shall go on without a terminal
        try:
            loop.add_signal_handler(number, ask, number)
        except NotImplementedError:  # the loop of Windows
            signal.signal(number, from_any_thread)
    return interrupts
