"""Lines of the log, written by a thread: whoever stops reading them must not stop the desk.

A pager, a terminal that is paused or in which somebody selects text, and a disk that hangs keep a write waiting for as
long as they like.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from queue import SimpleQueue
from typing import TextIO

import structlog

__all__ = ["LogWriter", "last_word"]

MOST_LINES = 10_000  # that wait to be written; what comes beyond them is lost, and counted
_LAST_WORD_S = 0.3
_STANDARD_ERROR = 2
_BUSY_S = 0.05

log = structlog.get_logger("desk.log")


class LogWriter:
    """A text file that never waits. ``stream`` None: standard error as it is when a line is written, so that a console may
    put itself in front of it. A line that cannot be written (a full disk, a reader that went away) is lost.
    """

    def __init__(self, stream: TextIO | None = None, most: int = MOST_LINES) -> None:
        self._stream = stream
        self._most = most
        self._lost = 0
        self._waiting: SimpleQueue[str | threading.Event] = SimpleQueue()
        threading.Thread(target=self._run, name="log", daemon=True).start()  # ends with the program

    def write(self, text: str) -> int:
        if self._waiting.qsize() < self._most:
            self._waiting.put(text)
        else:
            self._lost += 1
        return len(text)

    def flush(self) -> None:
        """What a file has to have; see :meth:`drain`."""

    def drain(self, timeout_s: float) -> bool:
        """Waits until all that was written before is out; False: it is not."""
        is_out = threading.Event()
        self._waiting.put(is_out)
        return is_out.wait(timeout_s)

    def _run(self) -> None:
        while True:
            item = self._waiting.get()
            if isinstance(item, threading.Event):
                item.set()
                continue
            self._put(item)
            if lost := self._lost:
                self._lost = 0
                log.warning("log.lines_lost", count=lost)

    def _put(self, text: str) -> None:
        stream = self._stream or sys.stderr
        try:
            real = next((one for one in (sys.__stderr__, sys.__stdout__) if one is stream), None)
            if real is not None:
                _write(real.fileno(), text)  # past its lock, on which the end of the program would wait
            else:
                stream.write(text)
                stream.flush()
        except (AttributeError, OSError, ValueError):  # no standard error at all, a bad one, a closed one
            pass


def last_word(text: str) -> None:
    """Straight to standard error, for the process ends at once. Waits a moment at most."""

    def say() -> None:
        try:
            _write(_STANDARD_ERROR, f"{text}\n")
        except OSError:
            pass  # as above

    saying = threading.Thread(target=say, daemon=True)
    saying.start()
    saying.join(_LAST_WORD_S)


def _write(descriptor: int, text: str) -> None:
    data = text.encode("utf-8", "backslashreplace")
    while data:
        try:
            data = data[os.write(descriptor, data) :]
        except BlockingIOError:  # somebody else made the terminal so
            time.sleep(_BUSY_S)
