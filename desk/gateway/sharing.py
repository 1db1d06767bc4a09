"""Identical reads in flight are one request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, TypeVar

__all__ = ["SingleFlight"]

_T = TypeVar("_T")


class SingleFlight:
    """Callers with an equal key share one running coroutine and its result or error.

    One caller's cancellation leaves the others alone; the last one's ends the work. Only for answers that do not go
    stale while they travel: a caller that must see what happened a moment ago asks for itself.
    """

    def __init__(self) -> None:
        self._running: dict[Hashable, tuple[asyncio.Task[Any], list[None]]] = {}

    async def run(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        """Join what runs under ``key`` or start ``work``."""
        running = self._running.get(key)
        if running is None:
            task: asyncio.Task[_T] = asyncio.create_task(work(), name=f"shared {key!r}")  # awaited by its callers below
            running = self._running[key] = (task, [])
            task.add_done_callback(lambda ended: self._forget(key, ended))
        task, waiters = running
        waiters.append(None)
        try:
            return await asyncio.shield(task)
        finally:
            waiters.pop()
            if not waiters and not task.done():
                task.cancel()
                self._forget(key, task)
                await asyncio.wait([task])

    def _forget(self, key: Hashable, task: asyncio.Task[Any]) -> None:
        running = self._running.get(key)
        if running is not None and running[0] is task:
            del self._running[key]
        if task.done() and not task.cancelled():
            task.exception()  # nobody may be left to hear of it
