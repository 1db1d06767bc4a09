"""The private door: the JSON API for the owner's own programs on this computer.

Everything needs the Bearer token. A browser page from elsewhere cannot use it: its Origin is foreign, and a name that
was bent to 127.0.0.1 (DNS rebinding) shows in the Host header.
"""

from __future__ import annotations

import asyncio
import ipaddress
from urllib.parse import urlsplit

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from desk.core.errors import DeskError, StoreError
from desk.core.secret import Secret
from desk.runtime.desk import Desk
from desk.surfaces import house, view
from desk.surfaces.alert_table import MOST_ALERTS, alert_data, found_alerts
from desk.surfaces.bots_view import view_bots
from desk.surfaces.calls import Caller, CommandResult, Urls, whole_number
from desk.surfaces.commands import run_command
from desk.surfaces.explain_command import explain_text
from desk.surfaces.http_server import Porter, json_answer, offered_secret
from desk.surfaces.spans import parse_span
from desk.surfaces.story import story_data
from desk.surfaces.trade_view import view_trades

__all__ = ["PrivateDoor"]

MAX_BODY = 64 * 1024
_BEARER = "bearer "


class _Line(msgspec.Struct, frozen=True):
    line: str


class _Message(msgspec.Struct, frozen=True):
    text: str
    bot: str | None = None  # None: the first one


class PrivateDoor:
    """``urls`` is set once both doors have their ports."""

    def __init__(self, desk: Desk, token: Secret, urls: Urls) -> None:
        self._desk = desk
        self._token = token
        self.urls = urls
        self.porter = Porter("private")

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self.porter.watch, self._guard], client_max_size=MAX_BODY)
        app.router.add_get("/health", self._health)
        app.router.add_get("/api/state", self._state)
        app.router.add_get("/api/accounts", self._accounts)
        app.router.add_get("/api/positions", self._positions)
        app.router.add_get("/api/orders", self._orders)
        app.router.add_get("/api/trades", self._trades)
        app.router.add_get("/api/alerts", self._alerts)
        app.router.add_get("/api/alerts/{alert_id}", self._alert)
        app.router.add_get("/api/bots", self._bots)
        app.router.add_post("/api/command", self._command)
        app.router.add_post("/api/explain", self._explain)
        return app

    @property
    def _caller(self) -> Caller:
        return Caller(by="api", urls=self.urls)

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not _is_this_computer(request.headers.get("Host", "")) or not _is_own_origin(request):
            self.porter.turn_away("foreign origin or host")
            return _problem(403, "this door serves programs on this computer only, not pages from elsewhere")
        offered = offered_secret(request.headers.get("Authorization", ""))
        is_right = self._token.matches(offered[len(_BEARER) :].strip()) and offered.lower().startswith(_BEARER)
        if not is_right:
            self.porter.turn_away("token")
            where = self.urls.api_token_file or "the setting API_TOKEN"
            refusal = _problem(401, f"send the header Authorization: Bearer <API_TOKEN>; the token is in {where}")
            refusal.headers["WWW-Authenticate"] = "Bearer"
            return refusal
        try:
            return await handler(request)
        except StoreError as error:
            return _problem(503, str(error))
        except DeskError as error:
            return _problem(400, str(error))

    async def _health(self, request: web.Request) -> web.Response:
        """The detailed one: what ``status`` says, and 503 while something that trading needs is missing."""
        del request
        result = await house.status(self._desk, (), self._caller)
        state = view.state_view(self._desk)
        is_well = state.ready and not self._desk.troubles and all(a.is_reconciled for a in state.accounts)
        return json_answer(view.encode({"ok": is_well, "status": result.data}), 200 if is_well else 503)

    async def _state(self, request: web.Request) -> web.Response:
        del request
        return json_answer(view.encode(view.state_view(self._desk)))

    async def _accounts(self, request: web.Request) -> web.Response:
        del request
        return json_answer(view.encode(view.view_accounts(self._desk)))

    async def _positions(self, request: web.Request) -> web.Response:
        del request
        return json_answer(view.encode(view.view_positions(self._desk)))

    async def _orders(self, request: web.Request) -> web.Response:
        del request
        return json_answer(view.encode(view.view_orders(self._desk)))

    async def _trades(self, request: web.Request) -> web.Response:
        """``?from=2026-11-16&to=2026-11-20``, as the command takes them; without both today's trading day."""
        words = [request.query[name] for name in ("from", "to") if name in request.query]
        if words and "from" not in request.query:
            return _problem(400, "to needs a from")
        span = parse_span(words, self._desk.clock.now(), self._caller.zone)
        found = await view_trades(self._desk, span)
        return json_answer(await asyncio.to_thread(view.encode, found))

    async def _alerts(self, request: web.Request) -> web.Response:
        """``?limit=50&before=<alert_id>&bot=default&verdict=denied``, newest first."""
        limit = whole_number(request.query.get("limit", "50"), MOST_ALERTS)
        if limit is None:
            return _problem(400, f"limit is a number from 1 to {MOST_ALERTS}")
        asked = request.query
        rows = await found_alerts(self._desk, limit, asked.get("bot"), asked.get("verdict"), before=asked.get("before"))
        return json_answer(view.encode([alert_data(row) for row in rows]))

    async def _alert(self, request: web.Request) -> web.Response:
        alert_id = request.match_info["alert_id"].upper()
        row = await self._desk.journal.alert(alert_id)
        if row is None:
            return _problem(404, "no alert has this id; /api/alerts lists the newest")
        story = story_data(self._desk, await self._desk.journal.story(alert_id))
        return json_answer(view.encode({**alert_data(row), "story": story}))

    async def _bots(self, request: web.Request) -> web.Response:
        del request
        return json_answer(view.encode(await view_bots(self._desk)))

    async def _command(self, request: web.Request) -> web.Response:
        try:
            asked = msgspec.json.decode(await request.read(), type=_Line)
        except msgspec.DecodeError:
            return _problem(400, 'the body must be JSON like {"line": "history MNQ 5m 20"}')
        result = await run_command(self._desk, asked.line, self._caller)
        return json_answer(await asyncio.to_thread(_answer, result))

    async def _explain(self, request: web.Request) -> web.Response:
        """What an alert of that text would do; nothing is done."""
        try:
            asked = msgspec.json.decode(await request.read(), type=_Message)
        except msgspec.DecodeError:
            return _problem(400, 'the body must be JSON like {"text": "the alert as it is sent", "bot": "default"}')
        result = explain_text(self._desk, asked.text, asked.bot, self._caller)
        assert isinstance(result.data, dict), "an explanation is an object"
        return json_answer(view.encode({"ok": result.ok, **result.data, "text": result.text}))


def _answer(result: CommandResult) -> bytes:
    """In a thread: tables of 1,000 rows and arrays of 20,000 bars take longer than the loop may stand still."""
    return view.encode({"ok": result.ok, "data": result.data, "text": result.text})


def _problem(status: int, text: str) -> web.Response:
    return web.json_response({"error": text}, status=status)


def _is_this_computer(host: str) -> bool:
    """A Host header that can only mean this computer, with any port."""
    name = urlsplit(f"//{host}").hostname or ""
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _is_own_origin(request: web.Request) -> bool:
    """No Origin (a program), or the one of this door itself."""
    origin = request.headers.get("Origin")
    return origin is None or origin == f"http://{request.headers.get('Host', '')}"
