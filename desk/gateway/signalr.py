"""SignalR's JSON protocol without a socket (reference 5.1): bytes in, messages out; calls in, bytes out.

States: ``handshake`` (ours is queued, theirs awaited) → ``open`` → whatever the socket does. Each message is JSON
followed by 0x1E; a frame may hold several messages or part of one. Unknown message types are skipped.
"""

from __future__ import annotations

import msgspec

from desk.core.errors import ProtocolError

__all__ = ["Closed", "Completion", "Handshake", "HubMessage", "HubProtocol", "Invocation", "Ping"]

_END = b"\x1e"
_LARGEST_MESSAGE = 16 * 1024 * 1024


class Handshake(msgspec.Struct, frozen=True):
    """The answer to ours; ``error`` None: accepted."""

    error: str | None = None


class Invocation(msgspec.Struct, frozen=True):
    """The server calls: an event. ``arguments`` are undecoded JSON, each decoded by whoever knows its type."""

    target: str
    arguments: list[msgspec.Raw]


class Completion(msgspec.Struct, frozen=True):
    """The answer to an invocation of ours; ``error`` None: done."""

    invocation_id: str
    error: str | None


class Ping(msgspec.Struct, frozen=True):
    """Keep-alive; needs no answer."""


class Closed(msgspec.Struct, frozen=True):
    """The server closes; every reason is one to reconnect."""

    error: str | None


HubMessage = Handshake | Invocation | Completion | Ping | Closed


class _Frame(msgspec.Struct, frozen=True, rename="camel"):
    type: int
    target: str | None = None
    arguments: list[msgspec.Raw] | None = None
    invocation_id: str | None = None
    error: str | None = None


_frame_decoder = msgspec.json.Decoder(_Frame)
_handshake_decoder = msgspec.json.Decoder(Handshake)
_encoder = msgspec.json.Encoder()
_PING = Ping()


class HubProtocol:
    """One connection's protocol state. Make a new one for every connection."""

    def __init__(self) -> None:
        self._buffer = b""
        self._outgoing = bytearray(b'{"protocol":"json","version":1}' + _END)  # any other version is closed silently
        self._is_open = False
        self._calls = 0

    @property
    def is_open(self) -> bool:
        """The handshake was accepted."""
        return self._is_open

    def receive(self, data: bytes | str) -> list[HubMessage]:
        """All messages that are complete now; the rest waits for more bytes.

        Raises ProtocolError on what is not a hub message; the connection is of no more use then.
        """
        if isinstance(data, str):
            data = data.encode()
        if self._buffer:
            data = self._buffer + data
        *records, self._buffer = data.split(_END)
        if len(self._buffer) > _LARGEST_MESSAGE:
            raise ProtocolError("a hub message without end", self._buffer[:200])
        messages: list[HubMessage] = []
        for record in records:
            message = self._parse(record) if self._is_open else self._parse_handshake(record)
            if message is not None:
                messages.append(message)
        return messages

    def invoke(self, target: str, *arguments: int | str) -> str:
        """Queue a call; its :class:`Completion` carries the returned id."""
        self._calls += 1
        call_id = str(self._calls)
        frame = {"type": 1, "invocationId": call_id, "target": target, "arguments": list(arguments)}
        self._outgoing += _encoder.encode(frame) + _END
        return call_id

    def ping(self) -> None:
        """Queue a keep-alive."""
        self._outgoing += b'{"type":6}' + _END

    def to_send(self) -> bytes:
        """Take what is queued; empty when there is nothing."""
        data = bytes(self._outgoing)
        self._outgoing.clear()
        return data

    def _parse_handshake(self, record: bytes) -> Handshake:
        try:
            handshake = _handshake_decoder.decode(record)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
            raise ProtocolError(f"not a hub handshake: {exc}", record[:2000]) from exc
        self._is_open = handshake.error is None
        return handshake

    def _parse(self, record: bytes) -> HubMessage | None:
        try:
            frame = _frame_decoder.decode(record)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
            raise ProtocolError(f"not a hub message: {exc}", record[:2000]) from exc
        if frame.type == 1 and frame.target is not None:  # nearly all of them
            return Invocation(frame.target, frame.arguments or [])
        match frame.type:
            case 3 if frame.invocation_id is not None:
                return Completion(frame.invocation_id, frame.error)
            case 6:
                return _PING
            case 7:
                return Closed(frame.error)
            case 1 | 3:
                raise ProtocolError(f"hub message of type {frame.type} without its name", record[:2000])
            case _:
                return None
