"""The token (reference 2): one login at a time, refreshed at half of its life, never shown.

Expiry is counted on our clock from the moment of issue, so that a clock that is hours wrong does not make every
token look dead.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NoReturn

import msgspec

from desk.core.clock import Clock
from desk.core.errors import AuthFailed, DeskError, GatewayError, ProtocolError, Refused
from desk.core.secret import Secret
from desk.gateway.calls import Caller, TokenRejected, retrying
from desk.gateway.config import AppLogin, GatewayConfig
from desk.gateway.endpoints import LOGIN, LOGIN_APP, VALIDATE, Endpoint
from desk.gateway.replies import LoginReply, ValidateReply
from desk.gateway.requests import LoginApp, LoginKey, NoBody
from desk.gateway.sharing import SingleFlight

__all__ = ["TokenKeeper"]

_LIFETIME_S = 24 * 3600.0  # documented; used when the token does not say
_NOT_FATAL = frozenset({8})  # UnknownError; every other number that the reference lists is final
_DEAD = frozenset({1, 2, 3})  # of validate: InvalidSession, SessionNotFound, ExpiredToken; 4 says nothing of the token
FINAL_COUNTS_S = 60.0  # then one more try: what is held must be got out of once a person has set it right
_LOOK_EVERY_S = 60.0  # by the wall clock, because a laptop that slept does not advance timers
_login_decoder = msgspec.json.Decoder(LoginReply)
_validate_decoder = msgspec.json.Decoder(ValidateReply)


class _Claims(msgspec.Struct, frozen=True):
    exp: float | None = None
    iat: float | None = None


_claims_decoder = msgspec.json.Decoder(_Claims)


def lifetime_s(token: str, now: datetime) -> float:
    """Seconds a fresh JWT is valid, from its own ``exp`` and ``iat``; 24 h when it does not say."""
    parts = token.split(".")
    try:
        payload = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        claims = _claims_decoder.decode(payload)
    except (IndexError, binascii.Error, ValueError, msgspec.MsgspecError, RecursionError):
        return _LIFETIME_S
    if claims.exp is None:
        return _LIFETIME_S
    seconds = claims.exp - (now.timestamp() if claims.iat is None else claims.iat)
    return seconds if 0 < seconds < 366 * 86400 else _LIFETIME_S


class TokenKeeper:
    """Owns the current token, and knows how to get another one: with the API key, or as an application once told to.

    A final refusal (wrong key, no subscription) is remembered: for a minute every later call raises it without asking again,
    unless :meth:`login` is called on purpose (reference 2.2: do not loop). on_login: told of each login, why it failed
    or None. A token that still lives serves on, whatever becomes of a login.
    """

    def __init__(self, config: GatewayConfig, caller: Caller, clock: Clock) -> None:
        self.name = config.username
        self._config = config
        self._caller = caller
        self._clock = clock
        self._flight = SingleFlight()
        self._token: Secret | None = None
        self._expires_at: datetime | None = None
        self._refresh_at: datetime | None = None
        self._lifetime_s = _LIFETIME_S
        self._final: AuthFailed | None = None
        self._final_until_s = 0.0  # monotonic
        self.on_login: Callable[[DeskError | None], None] = lambda _: None
        self._app: AppLogin | None = None

    @property
    def token(self) -> Secret:
        """The token as it stands. Raises AuthFailed before the first login."""
        if self._token is None:
            raise self._final or AuthFailed("not logged in")
        return self._token

    @property
    def expires_at(self) -> datetime | None:
        """When the current token ends, on our clock; None: there is none."""
        return self._expires_at if self._token is not None else None

    async def login(self, app: AppLogin | None = None) -> None:
        """Log in now; callers at the same time share one request. Raises AuthFailed, Unavailable, RateLimited.

        app: how, from now on; None: with the API key.
        """
        self._final, self._app = None, app
        await self._log_in()

    async def current(self) -> Secret:
        """A token that should work, logging in when there is none. Raises as :meth:`login`."""
        if self._token is not None and self._expires_at is not None and self._clock.now() < self._expires_at:
            return self._token
        if self._final is not None and self._clock.monotonic() < self._final_until_s:
            raise self._final
        await self._log_in()
        return self.token

    async def replace(self, rejected: Secret) -> Secret:
        """The gateway refused this token: get another one, once for all who were refused with it."""
        self.reject(rejected)
        return await self.current()

    def reject(self, rejected: Secret) -> None:
        """Forget this token, if it is still the current one; the next call logs in first."""
        if self._token is not None and self._token == rejected:
            self._token = None

    async def refresh(self) -> None:
        """Validate, and take the new token if one comes; log in again when the session is gone.

        Raises AuthFailed, Unavailable, RateLimited; the old token stays then.
        """
        old = await self.current()
        try:
            reply = await retrying(
                lambda left_s: self._caller.call(VALIDATE, NoBody(), _validate_decoder, token=old, budget_s=left_s),
                self._config.timeout_s,
                self._clock,
            )
        except (TokenRejected, Refused) as exc:
            if not isinstance(exc, Refused) or exc.code in _DEAD:
                self.reject(old)
            await self._log_in()
            return
        if reply.new_token:
            self._accept(reply.new_token)
            return
        assert self._expires_at is not None, "a token has an expiry"
        left = self._expires_at - self._clock.now()
        if left.total_seconds() < self._lifetime_s / 10:
            await self._log_in()
        else:
            self._refresh_at = self._clock.now() + left / 2

    async def keep_fresh(self) -> NoReturn:
        """Refresh at half of the token's life. Ends only by cancellation.

        A failure is tried again, the old token serves on.
        """
        while True:
            await asyncio.sleep(min(_LOOK_EVERY_S, max(self._lifetime_s / 20, 0.05)))
            is_refused = self._final is not None and self._clock.monotonic() < self._final_until_s
            if self._refresh_at is None or self._clock.now() < self._refresh_at or is_refused:
                continue
            try:
                await self.refresh()
            except (GatewayError, ProtocolError):
                pass  # whoever needs a token next meets the same error and reports it

    async def _log_in(self) -> None:
        app = self._app
        await self._flight.run(("login", app), lambda: self._login(app))

    async def _login(self, app: AppLogin | None) -> None:
        endpoint, body = self._credentials(app)
        try:
            # Once: who starts the desk shows each failure with its back-off, and a read repeats itself with its login.
            reply = await self._caller.call(endpoint, body, _login_decoder, token=None, budget_s=self._config.timeout_s)
        except (Refused, TokenRejected) as exc:
            fatal = isinstance(exc, Refused) and exc.code in endpoint.codes and exc.code not in _NOT_FATAL
            failed = AuthFailed(f"login refused: {exc.text}", fatal=fatal, endpoint=endpoint.path, code=exc.code)
            self._final = failed if failed.fatal else None
            self._final_until_s = self._clock.monotonic() + FINAL_COUNTS_S
            self.on_login(failed)
            raise failed from exc
        except DeskError as failed_for_now:
            self.on_login(failed_for_now)
            raise
        if not reply.token:
            raise ProtocolError("login succeeded without a token")
        self._accept(reply.token)
        self._final = None
        self.on_login(None)

    def _credentials(self, app: AppLogin | None) -> tuple[Endpoint, LoginKey | LoginApp]:
        user = self._config.username
        if app is None:
            return LOGIN, LoginKey(user_name=user, api_key=self._config.api_key.reveal())
        return LOGIN_APP, LoginApp(
            user_name=user,
            password=app.password.reveal(),
            device_id=app.device_id,
            app_id=app.app_id,
            verify_key=app.verify_key.reveal(),
        )

    def _accept(self, token: str) -> None:
        if not (token.isascii() and token.isprintable() and " " not in token):  # it goes into a header and into URLs
            raise ProtocolError("a token that is none: spaces, control or foreign characters")
        now = self._clock.now()
        self._token = Secret(token)
        self._lifetime_s = lifetime_s(token, now)
        self._expires_at = now + timedelta(seconds=self._lifetime_s)
        self._refresh_at = now + timedelta(seconds=self._lifetime_s / 2)
