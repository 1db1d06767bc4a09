"""Errors that only this room raises. The rest of the tree stands in ``desk/core/errors.py``."""

from __future__ import annotations

from desk.core.errors import ConfigError, Unavailable

__all__ = ["PoolFull", "ReadOnlyGateway"]


class ReadOnlyGateway(Unavailable):
    """Somebody tried to write through a client in shadow mode: a bug of ours. Surely nothing was sent."""


class PoolFull(ConfigError):
    """One more hub connection than ``WEBSOCKET_POOL_MAX_SIZE`` allows."""
