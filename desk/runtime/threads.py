"""How much the threads beside the event loop may keep it waiting, and what must not wait for them."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

__all__ = ["WorkThreads", "keep_loop_first"]

P = ParamSpec("P")
T = TypeVar("T")

SWITCH_S = 0.001
AT_ONCE = 2  # each that computes may keep the loop waiting for one switch
LOOKUPS_AT_ONCE = 4  # these compute nothing
_LOOKUPS: tuple[object, ...] = (socket.getaddrinfo, socket.getnameinfo)


class WorkThreads(ThreadPoolExecutor):
    """For ``loop.set_default_executor``. The loop looks up names in its default threads: an order over a new connection must
    not wait until two long tables are drawn, or for a file that hangs."""

    def __init__(self) -> None:
        super().__init__(AT_ONCE, thread_name_prefix="work")
        self._lookups = ThreadPoolExecutor(LOOKUPS_AT_ONCE, thread_name_prefix="names")

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        if fn in _LOOKUPS:
            return self._lookups.submit(fn, *args, **kwargs)
        return super().submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._lookups.shutdown(wait, cancel_futures=cancel_futures)
        super().shutdown(wait, cancel_futures=cancel_futures)


def keep_loop_first() -> None:
    """On the running loop, once: whoever draws tables or reads numbers in a thread gives the interpreter back soon."""
    sys.setswitchinterval(SWITCH_S)
    asyncio.get_running_loop().set_default_executor(WorkThreads())
