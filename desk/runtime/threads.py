"""The event loop's threads: few for work, so that the loop waits for few of them, and others for the names of hosts."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

__all__ = ["WorkThreads", "set_up_threads"]

P = ParamSpec("P")
T = TypeVar("T")

_LOOKUPS: tuple[object, ...] = (socket.getaddrinfo, socket.getnameinfo)


class WorkThreads(ThreadPoolExecutor):
    """For ``loop.set_default_executor``. The loop looks up names in its default threads: an order over a new connection must
    not wait until two long tables are drawn, or for a file that hangs."""

    def __init__(self, work: int = 2, lookups: int = 4) -> None:
        super().__init__(work, thread_name_prefix="work")
        self._lookups = ThreadPoolExecutor(lookups, thread_name_prefix="names")

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        if fn in _LOOKUPS:
            return self._lookups.submit(fn, *args, **kwargs)
        return super().submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._lookups.shutdown(wait, cancel_futures=cancel_futures)
        super().shutdown(wait, cancel_futures=cancel_futures)


def set_up_threads() -> None:
    """For the running loop."""
    sys.setswitchinterval(0.001)  # the journal's thread waits less for the interpreter
    asyncio.get_running_loop().set_default_executor(WorkThreads())
