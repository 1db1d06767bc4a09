"""Bytes to the gateway and back: one aiohttp session with keep-alive, and a new one after a sleep. No library error leaves it.

A request is never sent twice by this file or below it: aiohttp repeats only idempotent methods on a dead keep-alive
connection, everything but ``Status/ping`` is a POST, and redirects are not followed.
"""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Self

import aiohttp

from desk.core.clock import Clock
from desk.core.errors import OutcomeUnknown, Unavailable
from desk.core.secret import Secret
from desk.gateway.clockoffset import ClockOffset
from desk.gateway.endpoints import Endpoint
from desk.gateway.pacing import Lane
from desk.gateway.sleepwatch import SleepWatch

__all__ = ["NeverSent", "Reply", "Transport"]

_CONNECT_S = 10.0
_KEEP_ALIVE_S = 60.0
_DEFAULT_RETRY_AFTER_S = {Lane.HISTORY: 30.0}  # reference 6.1
_RETRY_AFTER_S = 60.0
_LONGEST_RETRY_AFTER_S = 600.0


class NeverSent(Unavailable):
    """No connection came about: not one byte of the request left. It used up no budget."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer, whatever its status."""

    status: int
    body: bytes
    retry_after: str | None

    def retry_after_s(self, lane: Lane, clock: Clock) -> float:
        """Seconds to wait after a 429: the header (seconds or a date), else the reference's default for the budget."""
        default = _DEFAULT_RETRY_AFTER_S.get(lane, _RETRY_AFTER_S)
        text = (self.retry_after or "").strip()
        try:
            seconds = float(text) if text[:1].isdigit() else (parsedate_to_datetime(text) - clock.now()).total_seconds()
        except (ValueError, TypeError):
            return default
        return min(max(seconds, 0.0), _LONGEST_RETRY_AFTER_S) if seconds == seconds else default


class Transport:
    """Async context manager around the session."""

    def __init__(self, api_url: str, clock: Clock) -> None:
        self._base = api_url.rstrip("/")
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None
        self._before_sleep: aiohttp.ClientSession | None = None
        self._sleep = SleepWatch(clock)
        self.offset = ClockOffset()

    async def __aenter__(self) -> Self:
        self._session = _open_session()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for session in (self._session, self._before_sleep):
            if session is not None:
                await session.close()
        self._session = self._before_sleep = None

    async def post(
        self,
        endpoint: Endpoint,
        body: bytes,
        *,
        token: Secret | None,
        timeout_s: float,
        client_order_id: str | None = None,
    ) -> Reply:
        """Send once. Cancelling after the call began leaves the outcome of a write unknown.

        Raises NeverSent; Unavailable for a read and OutcomeUnknown for a write when the answer got lost.
        """
        return await self._exchange("POST", endpoint, body, token, timeout_s, client_order_id)

    async def get(self, endpoint: Endpoint, *, timeout_s: float) -> Reply:
        """A GET without authorization; only ``Status/ping`` is one."""
        return await self._exchange("GET", endpoint, None, None, timeout_s, None)

    async def _exchange(
        self,
        method: str,
        endpoint: Endpoint,
        body: bytes | None,
        token: Secret | None,
        timeout_s: float,
        client_order_id: str | None,
    ) -> Reply:
        session = await self._awake()
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if token is not None:
            headers["Authorization"] = f"Bearer {token.reveal()}"
        lost = OutcomeUnknown if endpoint.is_write else Unavailable
        sent = self._clock.now()
        try:
            async with session.request(
                method,
                self._base + endpoint.path,
                data=body,
                headers=headers,
                timeout=_timeout(timeout_s, is_write=endpoint.is_write),
                allow_redirects=False,
            ) as response:
                content = await response.read()
                self.offset.observe(response.headers.get("Date"), sent, self._clock.now())
                return Reply(response.status, content, response.headers.get("Retry-After"))
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as exc:
            text = f"no connection to the gateway: {_why(exc)}"
            raise NeverSent(text, endpoint=endpoint.path, client_order_id=client_order_id) from exc
        except TimeoutError as exc:
            text = f"no answer within {timeout_s:.1f} s"
            raise lost(text, endpoint=endpoint.path, client_order_id=client_order_id) from exc
        except (aiohttp.ClientError, OSError) as exc:
            text = f"connection lost: {type(exc).__name__}"
            raise lost(text, endpoint=endpoint.path, client_order_id=client_order_id) from exc

    async def _awake(self) -> aiohttp.ClientSession:
        """The session; after a sleep a fresh one. What was under way keeps the old one until the next sleep."""
        assert self._session is not None, "the client is used inside its own 'async with'"
        if self._sleep.slept_s():
            older, self._before_sleep, self._session = self._before_sleep, self._session, _open_session()
            if older is not None:
                await older.close()
        return self._session


def _open_session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE_S),  # the limiter bounds what is open
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Accept": "application/json"},
        trust_env=False,  # orders take no proxy (reference 6.4)
    )


def _why(exc: aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError) -> str:
    """Where to and what happened, without the library's inner words."""
    if isinstance(exc, aiohttp.ClientConnectorError):
        reason = exc.os_error.strerror or str(exc.os_error)
        return f"{exc.host}:{exc.port}: {reason}"
    return "it did not answer the connection in time"


def _timeout(timeout_s: float, *, is_write: bool) -> aiohttp.ClientTimeout:
    """Per-call budgets. A read that hears nothing for half its time is tried again; a write waits to the end."""
    connect_s = min(_CONNECT_S, timeout_s / 2)
    return aiohttp.ClientTimeout(
        total=timeout_s, connect=connect_s, sock_connect=connect_s, sock_read=None if is_write else timeout_s / 2
    )
