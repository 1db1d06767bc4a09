"""The pool of hub connections: one per (hub URL, login), reused by every subscriber, bounded.

A connection is opened on first use and stays until the pool closes. An async context manager that owns the connections'
tasks; a connection that dies of a bug cancels whoever entered the pool.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from desk.core.clock import Clock
from desk.core.errors import ConfigError
from desk.gateway.config import SystemClock
from desk.gateway.errors import PoolFull
from desk.gateway.hub import HubConnection
from desk.gateway.hubhealth import HubTimings
from desk.gateway.hubwords import HubStatus, TokenSource

__all__ = ["HubPool"]

MAX_SIZE_KEY = "WEBSOCKET_POOL_MAX_SIZE"


class HubPool:
    """At most ``max_size`` connections (``WEBSOCKET_POOL_MAX_SIZE``)."""

    def __init__(self, max_size: int = 5, *, clock: Clock | None = None, timings: HubTimings | None = None) -> None:
        if max_size < 1:
            raise ConfigError(f"{MAX_SIZE_KEY} must be at least 1, not {max_size}")
        self.max_size = max_size
        self._clock: Clock = clock or SystemClock()
        self._timings = timings or HubTimings()
        self._connections: dict[tuple[str, str], HubConnection] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._group: asyncio.TaskGroup | None = None

    async def __aenter__(self) -> Self:
        self._group = asyncio.TaskGroup()
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection and wait for it."""
        assert self._group is not None, "entered before"
        group, self._group = self._group, None
        for task in self._tasks:
            task.cancel()
        try:
            await group.__aexit__(kind, error, trace)
        except BaseExceptionGroup as failures:
            if any(one is not error for one in failures.exceptions):
                raise
            # only what the caller's own block raised, wrapped: it goes on as it was
        finally:
            self._tasks.clear()
            self._connections.clear()

    def connection(self, url: str, tokens: TokenSource) -> HubConnection:
        """The connection of this URL and login, opened now if there is none. Raises PoolFull beyond ``max_size``."""
        assert self._group is not None, "the pool is used inside its own 'async with'"
        key = (url, tokens.name)
        found = self._connections.get(key)
        if found is not None:
            return found
        if len(self._connections) >= self.max_size:
            open_urls = ", ".join(sorted(open_url for open_url, _ in self._connections))
            raise PoolFull(
                f"{MAX_SIZE_KEY}={self.max_size} hub connections are open ({open_urls}); {url} would be one more. "
                f"Raise {MAX_SIZE_KEY}, or use fewer hubs or logins."
            )
        connection = self._connections[key] = HubConnection(url, tokens, self._clock, self._timings)
        task = self._group.create_task(connection.run(), name=f"hub {url}")  # ends when the pool closes
        self._tasks.append(task)
        return connection

    @property
    def size(self) -> int:
        """Connections that exist, up or trying."""
        return len(self._connections)

    @property
    def statuses(self) -> dict[str, HubStatus]:
        """By URL and login, for ``/health``."""
        return {f"{url} ({login})": one.status for (url, login), one in self._connections.items()}
