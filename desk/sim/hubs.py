"""Both SignalR hubs, server side: upgrade, handshake, invocations, pings, and what is pushed (reference 5)."""

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

from aiohttp import WSMsgType, web

from desk.sim.config import SimConfig
from desk.sim.connection import END, HubConnection, Subscription, invocation
from desk.sim.faults import Faults
from desk.sim.tokens import Token, Tokens

if TYPE_CHECKING:
    from desk.sim.venue import Venue

log = logging.getLogger("desk.sim")

HUBS = ("user", "market")
_MAX_CLIENT_MESSAGE = 32 * 1024
_USER_METHODS = {"Accounts": "account", "Orders": "order", "Positions": "position", "Trades": "trade"}
_MARKET_METHODS = {"ContractQuotes": "quote", "ContractTrades": "trade", "ContractMarketDepth": "depth"}


class HubError(Exception):
    """An invocation that fails; its text goes into the completion."""


class Hubs:
    """The connections of both hubs and the door to them."""

    def __init__(self, config: SimConfig, venue: "Venue", tokens: Tokens, faults: Faults) -> None:
        self._config = config
        self._venue = venue
        self._tokens = tokens
        self._faults = faults
        self._live: dict[str, dict[str, HubConnection]] = {hub: {} for hub in HUBS}
        self._all: dict[str, list[HubConnection]] = {hub: [] for hub in HUBS}
        self.on_market_subscribe: Callable[[HubConnection, Subscription], None] | None = None

    # -- what tests and feeds ask -----------------------------------------------------------------------------

    def live(self, hub: str) -> list[HubConnection]:
        """Open connections whose handshake is done."""
        return [one for one in self._live[hub].values() if one.is_ready]

    def ever(self, hub: str) -> list[HubConnection]:
        """Every connection that was ever opened, with its times."""
        return self._all[hub]

    def followed(self) -> set[str]:
        """Contracts somebody subscribed to."""
        return {str(key) for one in self._live["market"].values() for _, key in one.subscriptions}

    def push(self, hub: str, subscription: Subscription, target: str, arguments: list[Any]) -> None:
        """Send one event to everybody who subscribed to it."""
        if hub in self._faults.silent_hubs:
            return
        takers = [one for one in self._live[hub].values() if subscription in one.subscriptions]
        if takers:
            text = invocation(target, arguments)
            for one in takers:
                one.send_text(text)

    async def drop(self, hub: str, how: Literal["abort", "close", "logout"] = "abort") -> int:
        """End all connections of a hub: cut, closed with type 7, or told GatewayLogout first."""
        ended = list(self._live[hub].values())
        log.warning("fault hub.dropped hub=%s how=%s connections=%d", hub, how, len(ended))
        for one in ended:
            self._end(one, how)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*(one.gone.wait() for one in ended)), 1.0)
        return len(ended)

    def _end(self, one: HubConnection, how: Literal["abort", "close", "logout"]) -> None:
        if how == "abort":
            one.abort()
            return
        if how == "logout":
            one.send({"type": 1, "target": "GatewayLogout", "arguments": []})
        one.finish("Connection closed with an error.")

    # -- the door ---------------------------------------------------------------------------------------------

    async def negotiate(self, request: web.Request) -> web.StreamResponse:
        """POST /hubs/<hub>/negotiate: WebSockets is all there is."""
        if request.match_info["hub"] not in HUBS:
            return web.Response(status=404)
        if self._token_of(request) is None:
            return web.Response(status=401)
        identity = uuid4().hex
        return web.json_response(
            {
                "negotiateVersion": 1,
                "connectionId": identity,
                "connectionToken": identity,
                "availableTransports": [{"transport": "WebSockets", "transferFormats": ["Text", "Binary"]}],
            }
        )

    async def connect(self, request: web.Request) -> web.StreamResponse:
        """GET /hubs/<hub>: the upgrade, then the connection's whole life."""
        hub = request.match_info["hub"]
        if hub not in HUBS:
            return web.Response(status=404)
        if request.method != "GET":
            return web.Response(status=405)
        if (status := self._faults.take_hub_refusal(hub)) is not None:
            return web.Response(status=status)
        token = self._token_of(request)
        if token is None:
            return web.Response(status=401, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
        ws = web.WebSocketResponse(max_msg_size=_MAX_CLIENT_MESSAGE, timeout=0.2)
        if not ws.can_prepare(request).ok:
            return web.Response(status=400)
        await ws.prepare(request)
        one = HubConnection(hub, token, time.monotonic())
        one.transport = request.transport
        self._live[hub][one.id] = one
        self._all[hub].append(one)
        log.info("hub.opened hub=%s connection=%s", hub, one.id)
        try:
            await self._serve(ws, one)
        finally:
            one.closed = time.monotonic()
            one.gone.set()
            del self._live[hub][one.id]
            log.info("hub.closed hub=%s connection=%s", hub, one.id)
        return ws

    def _token_of(self, request: web.Request) -> Token | None:
        text = request.query.get("access_token", "")
        if not text:
            text = request.headers.get("Authorization", "").partition(" ")[2]
        return self._tokens.read(text, self._config.clock())

    async def _serve(self, ws: web.WebSocketResponse, one: HubConnection) -> None:
        """Reader, writer and keeper of one connection; ends with the first of them that ends."""
        tasks = [
            asyncio.create_task(self._read(ws, one), name=f"hub-read-{one.id}"),
            asyncio.create_task(self._write(ws, one), name=f"hub-write-{one.id}"),
            asyncio.create_task(self._keep(one), name=f"hub-keep-{one.id}"),
        ]
        try:
            await asyncio.wait(tasks[:2], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(outcome, Exception) and not isinstance(outcome, ConnectionError):
                    log.error("hub.failed hub=%s", one.hub, exc_info=outcome)
            await ws.close()

    async def _write(self, ws: web.WebSocketResponse, one: HubConnection) -> None:
        """Send what is queued, several messages in one frame when they wait; ends at the closing mark."""
        while True:
            text = await one.queue.get()
            parts: list[str] = []
            while text is not None:
                parts.append(text)
                if one.queue.empty() or len(parts) == 64:
                    break
                text = one.queue.get_nowait()
            if parts:
                await ws.send_str("".join(parts))
            if text is None:
                return

    async def _keep(self, one: HubConnection) -> None:
        """Pings, the handshake's deadline, the idle limit and the token's end; cancelled with the connection."""
        pinged = one.opened
        step = min(self._config.hub_ping_s, self._config.hub_idle_s, self._config.handshake_s) / 4
        while True:
            await asyncio.sleep(min(step, 1.0))
            now = time.monotonic()
            if not one.is_ready:
                if now - one.opened > self._config.handshake_s:
                    one.finish(announce=False)
                    return
                continue
            if now - pinged >= self._config.hub_ping_s:
                pinged = now
                one.send({"type": 6})
            if now - one.last_heard > self._config.hub_idle_s:
                log.warning("hub.idle hub=%s connection=%s", one.hub, one.id)
                one.finish("Connection closed with an error.")
                return
            if self._config.when_expired != "ignore" and one.token.expires <= self._config.clock().timestamp():
                log.warning("fault hub.token_expired hub=%s how=%s", one.hub, self._config.when_expired)
                self._end(one, "logout" if self._config.when_expired == "logout" else "abort")
                return

    async def _read(self, ws: web.WebSocketResponse, one: HubConnection) -> None:
        """Split what comes at 0x1E and answer it; ends when the client goes or breaks the protocol."""
        buffer = ""
        async for frame in ws:
            if frame.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                return
            one.last_heard = time.monotonic()
            data = frame.data if isinstance(frame.data, str) else frame.data.decode(errors="replace")
            *messages, buffer = (buffer + data).split(END)
            if len(buffer) > _MAX_CLIENT_MESSAGE:
                one.finish("Connection closed with an error.")
            for message in messages:
                self._take(one, message)

    def _take(self, one: HubConnection, text: str) -> None:
        try:
            message = json.loads(text)
        except ValueError:
            message = None
        if not isinstance(message, dict):
            one.finish("Connection closed with an error.", announce=one.is_ready)
        elif not one.is_ready:
            self._shake_hands(one, message)
        elif message.get("type") == 1:
            self._invoke(one, message)
        elif message.get("type") == 7:
            one.finish(announce=False)

    def _shake_hands(self, one: HubConnection, message: dict[str, Any]) -> None:
        """Version 1 of the JSON protocol; version 0 is shut out without a word, as the real hub does."""
        if message.get("protocol") != "json":
            one.send({"error": f"The protocol '{message.get('protocol')}' is not supported."})
            one.finish(announce=False)
        elif message.get("version") != 1:
            log.warning("hub.refused hub=%s handshake=%s", one.hub, message)
            one.finish(announce=False)
        else:
            one.is_ready = True
            one.send({})

    def _invoke(self, one: HubConnection, message: dict[str, Any]) -> None:
        identity, error = message.get("invocationId"), None
        try:
            self._subscribe(one, str(message.get("target")), message.get("arguments") or [])
        except HubError as exc:
            error = str(exc)
        if identity is None:
            return
        outcome: dict[str, Any] = {"result": 0} if error is None else {"error": error}
        one.send({"type": 3, "invocationId": identity} | outcome)

    def _subscribe(self, one: HubConnection, target: str, arguments: list[Any]) -> None:
        wanted = not target.startswith("Un")
        name = target.removeprefix("Subscribe").removeprefix("Unsubscribe")
        kind = (_USER_METHODS if one.hub == "user" else _MARKET_METHODS).get(name)
        if kind is None or name == target:
            raise HubError(f"Failed to invoke '{target}' due to an error on the server. "
                           "HubException: Method does not exist.")  # fmt: skip
        subscription = kind, self._key(one.hub, kind, target, arguments)
        if not wanted:
            one.subscriptions.discard(subscription)
            return
        one.subscriptions.add(subscription)
        if one.hub == "market" and self.on_market_subscribe is not None:
            self.on_market_subscribe(one, subscription)

    def _key(self, hub: str, kind: str, target: str, arguments: list[Any]) -> int | str | None:
        """The checked argument: nothing, an account id as a JSON number, or a contract id."""
        failed = f"Failed to invoke '{target}' due to an error on the server."
        if kind == "account":
            return None
        if len(arguments) != 1:
            raise HubError(f"{failed} InvalidDataException: Invocation provides {len(arguments)} argument(s).")
        key = arguments[0]
        if hub == "user":
            if isinstance(key, bool) or not isinstance(key, int):
                raise HubError(f"{failed} InvalidDataException: Error binding arguments.")
            if key not in self._venue.exchange.books.accounts:
                raise HubError(f"{failed} HubException: Account not found.")
            return key
        if not isinstance(key, str):
            raise HubError(f"{failed} InvalidDataException: Error binding arguments.")
        if self._venue.find(key) is None:
            raise HubError(f"{failed} HubException: Contract not found.")
        return key
