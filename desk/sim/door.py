"""The REST door: every request is logged, slowed, faulted, authenticated and counted before it is executed."""

import asyncio
import json
import logging
import random
import time
from typing import TYPE_CHECKING

from aiohttp import web

from desk.sim.config import SimConfig, paths_of
from desk.sim.counters import RateWindow, RequestRow
from desk.sim.eventlog import EventLog
from desk.sim.faults import Fault, Faults
from desk.sim.operations import LOGINS, OPERATIONS, Call, envelope
from desk.sim.tokens import Token, Tokens
from desk.sim.wire import BadRequest, Body, Json

if TYPE_CHECKING:
    from desk.sim.venue import Venue

log = logging.getLogger("desk.sim")

PING = "/api/Status/ping"
HISTORY = "/api/History/retrieveBars"
_PATHS = {path.lower(): path for path in (*OPERATIONS, *LOGINS, PING)}
"""The gateway's routes have no case."""
_WRITES = frozenset(path for key in ("place", "cancel", "modify", "close") for path in paths_of(key))
_KEPT_REQUESTS = 50_000
"""A simulator that runs for weeks forgets the oldest rows of its request log."""


class Door:
    """All of ``/api``. ``requests`` is what tests read: one row per request, in the order of arrival."""

    def __init__(self, config: SimConfig, venue: "Venue", tokens: Tokens, faults: Faults, event_log: EventLog) -> None:
        self._log = event_log
        self.requests: list[RequestRow] = []
        self._config = config
        self._venue = venue
        self._tokens = tokens
        self._faults = faults
        self._general = RateWindow(*config.general_limit)
        self._history = RateWindow(*config.history_limit)
        self._closing = asyncio.Event()
        self._dice = random.Random(f"{config.seed}|replies")
        for key, value in config.latency_ms.items():
            faults.latency_ms.update(dict.fromkeys(paths_of(key), value))

    def set_limits(self, general: tuple[int, float] | None, history: tuple[int, float] | None) -> None:
        """Other rate windows from now on: requests, seconds (reference 6.1)."""
        for window, to in ((self._general, general), (self._history, history)):
            if to is not None:
                window.size, window.seconds = to

    def close(self) -> None:
        """Let hanging and delayed requests go."""
        self._closing.set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One request from arrival to reply."""
        raw = await request.read()
        row = RequestRow(request.path, raw.decode(errors="replace"), time.monotonic())
        self.requests.append(row)
        if len(self.requests) > _KEPT_REQUESTS:
            del self.requests[: _KEPT_REQUESTS // 10]
        number = self._log.request(row.path, row.body)
        user = getattr(self.token_of(request), "user", None)
        response = None
        try:
            response = await self._answer(request, raw)
        finally:
            row.end(0 if response is None else response.status)
            body = response.body if response is not None and isinstance(response.body, bytes) else None
            self._log.reply(number, row.path, user, row.status, body)
        if response is None:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)
        return response

    async def _answer(self, request: web.Request, raw: bytes) -> web.Response | None:
        """The reply, or None when the line is to be cut."""
        path = _PATHS.get(request.path.lower().rstrip("/"))
        if path is None:
            return web.Response(status=404)
        method = "GET" if path == PING else "POST"
        if request.method != method:
            return web.Response(status=405, headers={"Allow": method})
        fault = self._faults.take(path, raw)
        before_ms, after_ms = self._latency_of(path)
        if not await self._waited(before_ms + (fault.before_ms if fault else 0.0)):
            return None
        if fault is not None and fault.kind in ("drop_before", "refuse", "reject", "hang"):
            return await self._instead(fault)
        response = await self._execute(request, path, raw)
        if fault is not None and fault.kind == "drop_after":
            return None
        after_ms += fault.after_ms if fault else 0.0
        if after_ms > 0 and not await self._waited(after_ms):
            return None
        if fault is not None and fault.kind == "refuse_after":
            return _bare(fault)
        return response

    def _latency_of(self, path: str) -> tuple[float, float]:
        """Milliseconds before and after the execution. Half of the writes have both: their events are early (5.4)."""
        whole = self._faults.latency_ms.get(path, 0.0)
        if whole <= 0 or path not in _WRITES or self._dice.random() < 0.5:
            return whole, 0.0
        after = whole * self._dice.random()
        return whole - after, after

    async def _instead(self, fault: Fault) -> web.Response | None:
        if fault.kind == "hang":
            await self._closing.wait()
            return None
        if fault.kind == "drop_before":
            return None
        if fault.kind == "reject":
            return _json(envelope(fault.code, fault.message))
        return _bare(fault)

    async def _execute(self, request: web.Request, path: str, raw: bytes) -> web.Response:
        if path == PING:
            return web.Response(text="pong")
        try:
            if path in LOGINS:
                body = Body.parse(raw)
                refusal = self._over_limit(path, body.text("userName").lower())
                return refusal or _json(await LOGINS[path](self._venue, self._tokens, body))
            token = self.token_of(request)
            if token is None:
                return _unauthorized()
            if (refusal := self._over_limit(path, token.user)) is not None:
                return refusal
            call = Call(self._venue, self._tokens, Body.parse(raw), token)
            return _json(await OPERATIONS[path](call))
        except BadRequest as exc:
            return _problem(exc, path)

    def token_of(self, request: web.Request) -> Token | None:
        """The valid token of the Authorization header."""
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        return self._tokens.read(text, self._config.clock()) if scheme.lower() == "bearer" else None

    def _over_limit(self, path: str, user: str) -> web.Response | None:
        """429 with Retry-After and no body (SIM choice of reference 6.1)."""
        if not self._config.rate_limits:
            return None
        window = self._history if path == HISTORY else self._general
        wait = window.admit(user, time.monotonic())
        if wait is None:
            return None
        log.warning("rate limit path=%s retry_after_s=%d", path, wait)
        return web.Response(status=429, headers={"Retry-After": str(wait)})

    async def _waited(self, ms: float) -> bool:
        """Let time pass; False when the server stops meanwhile."""
        if ms > 0:
            try:
                await asyncio.wait_for(self._closing.wait(), ms / 1000)
            except TimeoutError:
                pass
        return not self._closing.is_set()


def _json(reply: Json | bytes) -> web.Response:
    body = reply if isinstance(reply, bytes) else json.dumps(reply, separators=(",", ":")).encode()
    return web.Response(body=body, content_type="application/json", charset="utf-8")


def _bare(fault: Fault) -> web.Response:
    """A status without a body."""
    retry = {} if fault.retry_after_s is None else {"Retry-After": str(fault.retry_after_s)}
    return web.Response(status=fault.status, headers=retry)


def _unauthorized() -> web.Response:
    """401 as ASP.NET sends it: a header, no body."""
    return web.Response(status=401, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})


def _problem(exc: BadRequest, path: str) -> web.Response:
    """RFC 7807 problem details (reference 3.1)."""
    reply = {
        "type": "https://tools.ietf.org/html/rfc9110#section-15.5.1",
        "title": "One or more validation errors occurred.",
        "status": 400,
        "detail": str(exc),
        "instance": path,
        "errors": {exc.member: [exc.detail]},
    }
    body = json.dumps(reply).encode()
    return web.Response(status=400, body=body, content_type="application/problem+json", charset="utf-8")
