"""The load generator's connection: HTTP/1.1 keep-alive over a bare protocol, so that its stamps are exact and cheap."""

from __future__ import annotations

import asyncio
import time
from typing import NamedTuple, Self
from urllib.parse import urlsplit

__all__ = ["Answer", "Connection"]

ANSWER_S = 10.0


class Answer(NamedTuple):
    """Times are CLOCK_MONOTONIC seconds: when the request was handed to the socket, when the answer was complete."""

    sent: float
    answered: float
    status: int
    body: bytes


class Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._waiting: asyncio.Future[tuple[int, bytes]] | None = None
        self._answered = 0.0

    @classmethod
    async def open(cls, url: str) -> Self:
        parts = urlsplit(url)
        loop = asyncio.get_running_loop()
        assert parts.hostname is not None, "an absolute URL"
        assert parts.port is not None, "our own servers take free ports"
        _, made = await loop.create_connection(lambda: cls(parts.netloc), parts.hostname, parts.port)
        return made

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    async def post(self, path: str, body: bytes, bearer: str = "") -> Answer:
        """Raises ConnectionError when the peer closed, TimeoutError after ten seconds."""
        return await self._ask(b"POST", path, body, f"Authorization: Bearer {bearer}\r\n" if bearer else "")

    async def get(self, path: str, bearer: str) -> Answer:
        return await self._ask(b"GET", path, b"", f"Authorization: Bearer {bearer}\r\n")

    async def _ask(self, method: bytes, path: str, body: bytes, header: str) -> Answer:
        assert self._transport is not None, "opened before"
        assert self._waiting is None, "one request at a time"
        head = (
            f" {path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: application/json\r\n"
            f"{header}Content-Length: {len(body)}\r\n\r\n"
        )
        request = method + head.encode() + body
        self._waiting = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(ANSWER_S):
                sent = time.monotonic()
                self._transport.write(request)
                status, answer = await self._waiting
        finally:
            self._waiting = None
        return Answer(sent, self._answered, status, answer)

    # -- asyncio.Protocol ----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport), "a stream"
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(exc or ConnectionResetError("the peer closed the connection"))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, rest = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if len(rest) < length:
            return
        self._answered = time.monotonic()
        self._buffer = rest[length:]
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result((int(head[9:12]), rest[:length]))
