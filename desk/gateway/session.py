"""One login at one gateway: its HTTP session, its token, its limiter, and how a request of it is made.

No write is ever repeated, by nobody below this line either. Reads are repeated inside their budget.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Hashable
from contextlib import AsyncExitStack
from datetime import datetime
from types import TracebackType
from typing import Any, NoReturn, Self, TypeVar

import msgspec

from desk.core.clock import Clock
from desk.core.errors import AuthFailed, OutcomeUnknown, RateLimited, Unavailable
from desk.core.ids import ClientOrderId
from desk.core.secret import Secret
from desk.gateway import endpoints as ep
from desk.gateway import requests
from desk.gateway.auth import TokenKeeper
from desk.gateway.calls import Caller, RequestDone, TokenRejected, retrying
from desk.gateway.config import AppLogin, GatewayConfig, SystemClock
from desk.gateway.endpoints import Endpoint
from desk.gateway.errors import ReadOnlyGateway
from desk.gateway.pacing import Lane, Limiter
from desk.gateway.replies import Envelope
from desk.gateway.sharing import SingleFlight
from desk.gateway.transport import Transport

__all__ = ["GatewaySession"]

_E = TypeVar("_E", bound=Envelope)

_plain = msgspec.json.Decoder(Envelope)


class GatewaySession:
    """An async context manager; :class:`GatewayClient` puts the operations on top of it."""

    def __init__(
        self,
        config: GatewayConfig,
        clock: Clock | None = None,
        *,
        on_request: Callable[[RequestDone], None] | None = None,
    ) -> None:
        self.config = config
        self._clock: Clock = clock or SystemClock()
        self._transport = Transport(config.api_url, self._clock)
        self.limiter = Limiter(config.pacing, self._clock)
        self._caller = Caller(self._transport, self.limiter, self._clock, on_request)
        self.tokens = TokenKeeper(config, self._caller, self._clock)
        self._shared = SingleFlight()
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._open.enter_async_context(self._transport)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._open.aclose()

    # -- session -------------------------------------------------------------------------------------------------------

    async def login(self) -> None:
        """Log in. Raises AuthFailed (``fatal``: do not try again), Unavailable, RateLimited."""
        await self.tokens.login()

    async def login_app(self, app: AppLogin) -> None:
        """Log in as a vendor's registered application (2.2), now and whenever a token is needed. Raises as login."""
        await self.tokens.login(app)

    async def validate(self) -> None:
        """Take a new token while the current one lives (2.2), or log in again. Raises as login; the old one stays then."""
        await self.tokens.refresh()

    async def logout(self) -> None:
        """End this session on purpose (2.2). Not for shutting down: it may end every token of the login.

        Raises OutcomeUnknown, Refused, Unavailable, RateLimited; the token is forgotten whatever comes.
        """
        token = self.tokens.token
        self.tokens.reject(token)
        await self._caller.call(ep.LOGOUT, requests.NoBody(), _plain, token=token, budget_s=self.config.timeout_s)

    @property
    def token(self) -> Secret:
        """The current JWT. Raises AuthFailed before the first login."""
        return self.tokens.token

    @property
    def token_expires_at(self) -> datetime | None:
        return self.tokens.expires_at

    async def keep_token_fresh(self) -> NoReturn:
        """For a supervised task: refreshes the token at half of its life. Ends only by cancellation."""
        await self.tokens.keep_fresh()

    @property
    def room_for_exits(self) -> int:
        """Requests that exits could send at this moment (6.1)."""
        return self.limiter.pacer.room_for_exits(self._clock.monotonic())

    @property
    def clock_offset_s(self) -> float | None:
        """The gateway's clock minus ours, seconds; None before the first reply."""
        return self._transport.offset.offset_s

    async def ping(self) -> bool:
        """Whether ``Status/ping`` says ``pong`` within 10 s; says nothing about the matching engine (3.11)."""
        budget_s = min(self.config.timeout_s, 10.0)
        try:
            async with self.limiter.slot(ep.PING.lane, budget_s):
                reply = await self._transport.get(ep.PING, timeout_s=budget_s)
        except (Unavailable, RateLimited):
            return False
        return reply.status == 200 and reply.body.strip().strip(b'"') == b"pong"

    # -- how -----------------------------------------------------------------------------------------------------------

    async def _shared_read(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, _E]]) -> _E:
        return await self._shared.run(key, work)

    async def _read(
        self,
        endpoint: Endpoint,
        body: msgspec.Struct,
        decoder: msgspec.json.Decoder[_E],
        *,
        urgent: bool = False,
        budget_s: float | None = None,
    ) -> _E:
        lane = Lane.URGENT if urgent else endpoint.lane

        async def attempt(left_s: float) -> _E:
            token = await self.tokens.current()
            try:
                return await self._caller.call(endpoint, body, decoder, token=token, budget_s=left_s, lane=lane)
            except TokenRejected:
                token = await self.tokens.replace(token)
            try:
                return await self._caller.call(endpoint, body, decoder, token=token, budget_s=left_s, lane=lane)
            except TokenRejected as exc:
                raise AuthFailed("a new token was refused, too", endpoint=endpoint.path) from exc

        return await retrying(attempt, budget_s or self.config.timeout_s, self._clock)

    async def _write(
        self,
        endpoint: Endpoint,
        body: msgspec.Struct,
        decoder: msgspec.json.Decoder[_E],
        *,
        lane: Lane | None = None,
        tag: ClientOrderId | None = None,
    ) -> _E:
        if self.config.read_only:
            raise ReadOnlyGateway("shadow mode: nothing was sent", endpoint=endpoint.path, client_order_id=tag)
        asked = self._clock.monotonic()
        token = await self.tokens.current()
        left_s = self.config.timeout_s - (self._clock.monotonic() - asked)
        if left_s <= 0:
            raise Unavailable("logging in took too long, not sent", endpoint=endpoint.path, client_order_id=tag)
        try:
            return await self._caller.call(
                endpoint,
                body,
                decoder,
                token=token,
                budget_s=left_s,
                lane=lane,
                client_order_id=tag,
            )
        except OutcomeUnknown as exc:
            if exc.status == 401:
                self.tokens.reject(token)  # the next call logs in first; this one is not repeated
            raise
