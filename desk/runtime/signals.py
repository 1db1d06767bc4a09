"""Ctrl-C and SIGTERM: the first asks for an orderly stop, the second ends the process at once.

So does a terminal that goes away, and that never counts as the second one: shell and system may both tell it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType

from desk.runtime.logs import say
from desk.runtime.logwriter import last_word

__all__ = ["stop_on_signals"]

_SECOND_SIGNAL = 130


def stop_on_signals(stop: asyncio.Event, last_words: Callable[[], str]) -> None:
    """Installs the handlers for the running loop. On Windows only Ctrl-C and Ctrl-Break arrive.

    last_words: what a person must know who leaves at once; empty: nothing.
    """
    loop = asyncio.get_running_loop()

    def ask() -> None:
        is_second = stop.is_set()
        stop.set()
        if not is_second:
            say("stopping; once more leaves at once")
            return
        try:
            last_word(f"second signal: leaving now; {last_words() or 'protective stops are at the venue'}")
        finally:
            os._exit(_SECOND_SIGNAL)

    def from_any_thread(_number: int, _frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(ask)

    for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
        number = getattr(signal, name, None)
        if number is None:
            continue
        try:
            loop.add_signal_handler(number, ask)
        except NotImplementedError:  # the loop of Windows
            signal.signal(number, from_any_thread)

    if sys.platform == "win32":
        return
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup: it shall go on without one
        loop.add_signal_handler(signal.SIGHUP, stop.set)
