"""One hub connection as the server holds it: what it subscribed to, what waits to be sent, how it ends."""

import asyncio
import contextlib
import json
import logging
from collections.abc import Iterable
from typing import Any
from uuid import uuid4

from desk.sim.tokens import Token

log = logging.getLogger("desk.sim")

END = "\x1e"
"""Ends every SignalR message (reference 5.1)."""
_QUEUE_LIMIT = 20_000

Subscription = tuple[str, int | str | None]


def invocation(target: str, arguments: Iterable[Any]) -> str:
    """One event as text with its end mark."""
    return json.dumps({"type": 1, "target": target, "arguments": list(arguments)}, separators=(",", ":")) + END


class HubConnection:
    """One open WebSocket of a hub.

    Life: upgraded -> handshake done -> (invocations, pings, pushes) -> closed. ``subscriptions`` holds pairs of kind
    (account, order, position, trade / quote, trade, depth) and account or contract id.
    """

    def __init__(self, hub: str, token: Token, opened: float) -> None:
        self.hub = hub
        self.token = token
        self.id = uuid4().hex
        self.opened = opened
        self.closed: float | None = None
        self.subscriptions: set[Subscription] = set()
        self.last_heard = opened
        self.is_ready = False
        self.queue: asyncio.Queue[str | None] = asyncio.Queue(_QUEUE_LIMIT)
        self.close_reason: str | None = None
        self.gone = asyncio.Event()
        self.transport: asyncio.Transport | None = None

    def send(self, message: dict[str, Any]) -> None:
        """Queue one message."""
        self.send_text(json.dumps(message, separators=(",", ":")) + END)

    def send_text(self, text: str) -> None:
        """Queue messages that are encoded already; a client that does not read is cut off."""
        try:
            self.queue.put_nowait(text)
        except asyncio.QueueFull:
            log.warning("hub.slow hub=%s connection=%s", self.hub, self.id)
            self.abort()

    def finish(self, error: str | None = None, *, announce: bool = True) -> None:
        """Close in good order after what is queued: type 7 when announced, then the WebSocket's own close."""
        if announce:
            close: dict[str, Any] = {"type": 7}
            if error is not None:
                close |= {"error": error, "allowReconnect": True}
            self.send(close)
        with contextlib.suppress(asyncio.QueueFull):
            self.queue.put_nowait(None)

    def abort(self) -> None:
        """Cut the line without a word."""
        if self.transport is not None:
            self.transport.abort()
