"""Both SignalR hubs, server side: upgrade, handshake, invocations, pings, and what is pushed (reference 5)."""

import asyncio
import contextlib
import json
import logging
import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from aiohttp import WSMsgType, web

from desk.sim.config import SimConfig
from desk.sim.connection import END, HubConnection, Subscription, invocation
from desk.sim.eventlog import EventLog
from desk.sim.faults import Faults, How
from desk.sim.tokens import Token, Tokens

if TYPE_CHECKING:
    from desk.sim.venue import Venue

log = logging.getLogger("desk.sim")

HUBS = ("user", "market")
_MAX_CLIENT_MESSAGE = 32 * 1024
_KINDS = {
    "user": {"Accounts": "account", "Orders": "order", "Positions": "position", "Trades": "trade"},
    "market": {"ContractQuotes": "quote", "ContractTrades": "trade", "ContractMarketDepth": "depth"},
}
_METHODS = {
    hub: {f"{verb}{name}".lower(): (kind, verb == "Subscribe") for name, kind in kinds.items()
          for verb in ("Subscribe", "Unsubscribe")}
    for hub, kinds in _KINDS.items()
}  # fmt: skip
"""Hub, then method in lower case (SignalR's names have none) to kind, and whether it subscribes (reference 5.2)."""


class HubError(Exception):
    """An invocation that fails; its text goes into the completion."""


def _no_method(target: object) -> str:
    return f"Failed to invoke '{target}' due to an error on the server. HubException: Method does not exist."


class Hubs:
    """The connections of both hubs and the door to them."""

    def __init__(self, config: SimConfig, venue: "Venue", tokens: Tokens, faults: Faults, event_log: EventLog) -> None:
        self.log = event_log
        self._config = config
        self._venue = venue
        self._tokens = tokens
        self._faults = faults
        self._live: dict[str, dict[str, HubConnection]] = {hub: {} for hub in HUBS}
        self._all: dict[str, list[HubConnection]] = {hub: [] for hub in HUBS}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._takers: dict[tuple[str, Subscription], list[HubConnection]] = {}
        self._followed: set[str] = set()
        self._dice = random.Random(config.seed)
        self.token_clock = config.clock
        self.cut_chars = config.hub_cut_chars
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
        return self._followed

    def has_takers(self, subscription: Subscription) -> bool:
        """True when somebody subscribed to this on the market hub."""
        return ("market", subscription) in self._takers

    def push(self, hub: str, subscription: Subscription, target: str, arguments: list[Any]) -> None:
        """Send one event to everybody who subscribed to it."""
        if (hub, subscription) in self._takers:
            self.push_text(hub, subscription, invocation(target, arguments))

    def push_account(self, account_id: int, target: str, arguments: list[Any]) -> None:
        """An account's row goes to the logins that have it; its subscription names no account."""
        account = self._venue.exchange.books.accounts[account_id]
        if "user" not in self._faults.silent_hubs:
            for one in self._takers.get(("user", ("account", None)), ()):
                if account.is_shown_to(one.token.user):
                    one.send_text(invocation(target, arguments))

    def push_text(self, hub: str, subscription: Subscription, text: str) -> None:
        """The same with messages that are encoded already, one or several."""
        if hub not in self._faults.silent_hubs:
            for one in self._takers.get((hub, subscription), ()):
                one.send_text(text)

    async def drop(self, hub: str, how: How = "abort") -> int:
        """End all connections of a hub: cut, closed with type 7, or told GatewayLogout first."""
        ended = self._drop_now(hub, how)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*(one.gone.wait() for one in ended)), 1.0)
        return len(ended)

    def _drop_now(self, hub: str, how: How) -> list[HubConnection]:
        ended = list(self._live[hub].values())
        self._faults.say(f"hub.dropped hub={hub} how={how} connections={len(ended)}")
        for one in ended:
            self._end(one, how)
        return ended

    def faulty_beat(self, seconds: float) -> None:
        """Let the hub faults begin that the dice say begin in these seconds."""
        for fault in self._faults.due_hub_faults(seconds):
            if fault.kind == "drop":
                self._drop_now(fault.hub, fault.how)
            elif fault.hub not in self._faults.silent_hubs:
                self._faults.silence_hub(fault.hub)
                timer = asyncio.get_running_loop().call_later(fault.for_s, self._speak, fault.hub)
                self._timers[fault.hub] = timer

    def _speak(self, hub: str) -> None:
        self._timers.pop(hub, None)
        self._faults.silence_hub(hub, silent=False)

    def close(self) -> None:
        """Tell every client with type 7, and forget what was to come."""
        for timer in self._timers.values():
            timer.cancel()
        for hub in HUBS:
            for one in self.live(hub):
                one.finish()

    def expire(self) -> None:
        """All tokens are dead: open hubs end as ``when_expired`` says (reference 2.3)."""
        if self._faults.when_expired != "ignore":
            for hub in HUBS:
                for one in list(self._live[hub].values()):
                    self._expire_one(one)

    def _expire_one(self, one: HubConnection) -> None:
        how = self._faults.when_expired
        self._faults.say(f"hub.token_expired hub={one.hub} how={how}")
        self._end(one, "logout" if how == "logout" else "abort")

    def _recount(self) -> None:
        """Who takes what; after every change of a subscription."""
        self._takers = {}
        for hub in HUBS:
            for one in self._live[hub].values():
                for subscription in one.subscriptions:
                    self._takers.setdefault((hub, subscription), []).append(one)
        self._followed = {str(key) for hub, (_, key) in self._takers if hub == "market"}

    def _end(self, one: HubConnection, how: How) -> None:
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
        if request.method != "POST":
            return web.Response(status=405, headers={"Allow": "POST"})
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
        ws = web.WebSocketResponse(max_msg_size=_MAX_CLIENT_MESSAGE, timeout=0.2, compress=False)
        if not ws.can_prepare(request).ok:
            return web.Response(status=400)
        await ws.prepare(request)
        one = HubConnection(hub, token, time.monotonic())
        one.transport = request.transport
        self._live[hub][one.id] = one
        self._all[hub].append(one)
        log.info("hub.opened hub=%s connection=%s", hub, one.id)
        self.log.write("hub", hub=hub, connection=one.id, user=token.user, is_open=True)
        try:
            await self._serve(ws, one)
        finally:
            one.closed = time.monotonic()
            one.queue = asyncio.Queue(1)  # what was never sent need not be kept as long as the history
            one.gone.set()
            del self._live[hub][one.id]
            self._recount()
            log.info("hub.closed hub=%s connection=%s", hub, one.id)
            self.log.write("hub", hub=hub, connection=one.id, user=token.user, is_open=False)
        return ws

    def _token_of(self, request: web.Request) -> Token | None:
        text = request.query.get("access_token", "")
        if not text:
            text = request.headers.get("Authorization", "").partition(" ")[2]
        return self._tokens.read(text, self.token_clock())

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
            for frame in self._frames("".join(parts)):
                await ws.send_str(frame)
            if text is None:
                return

    def _frames(self, text: str) -> list[str]:
        """One frame, or with ``cut_chars`` several of random length that end in the middle of messages."""
        if self.cut_chars is None:
            return [text] if text else []
        frames: list[str] = []
        while text:
            size = self._dice.randint(1, self.cut_chars)
            frames.append(text[:size])
            text = text[size:]
        return frames

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
            if self._faults.when_expired != "ignore" and one.token.expires <= self.token_clock().timestamp():
                self._expire_one(one)
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
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict):
            one.finish("Connection closed with an error.", announce=one.is_ready)
        elif not one.is_ready:
            self._shake_hands(one, message)
        elif message.get("type") == 1:
            self._invoke(one, message)
        elif message.get("type") == 4:
            self._complete(one, message, _no_method(message.get("target")))
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
        arguments, error = message.get("arguments"), None
        try:
            self._subscribe(one, message.get("target"), arguments if isinstance(arguments, list) else [])
        except HubError as exc:
            error = str(exc)
        self._complete(one, message, error)

    def _complete(self, one: HubConnection, message: dict[str, Any], error: str | None) -> None:
        """Type 3, when the client gave the call an id; ids are strings."""
        identity = message.get("invocationId")
        if isinstance(identity, str):
            outcome: dict[str, Any] = {"result": 0} if error is None else {"error": error}
            one.send({"type": 3, "invocationId": identity} | outcome)

    def _subscribe(self, one: HubConnection, target: object, arguments: list[Any]) -> None:
        method = _METHODS[one.hub].get(target.lower()) if isinstance(target, str) else None
        if method is None:
            raise HubError(_no_method(target))
        kind, wanted = method
        subscription = kind, self._key(one, kind, str(target), arguments)
        if wanted:
            one.subscriptions.add(subscription)
        else:
            one.subscriptions.discard(subscription)
        self._recount()
        if wanted and one.hub == "market" and self.on_market_subscribe is not None:
            self.on_market_subscribe(one, subscription)

    def _key(self, one: HubConnection, kind: str, target: str, arguments: list[Any]) -> int | str | None:
        """The checked argument: nothing, an account id as a JSON number, or a contract id."""
        failed = f"Failed to invoke '{target}' due to an error on the server."
        if len(arguments) != (kind != "account"):
            raise HubError(f"{failed} InvalidDataException: Invocation provides {len(arguments)} argument(s).")
        if kind == "account":
            return None
        key = arguments[0]
        if one.hub == "user":
            if isinstance(key, bool) or not isinstance(key, int):
                raise HubError(f"{failed} InvalidDataException: Error binding arguments.")
            account = self._venue.exchange.books.accounts.get(key)
            if account is None or not account.is_shown_to(one.token.user):
                raise HubError(f"{failed} HubException: Account not found.")
            return key
        if not isinstance(key, str):
            raise HubError(f"{failed} InvalidDataException: Error binding arguments.")
        if self._venue.find(key) is None:
            raise HubError(f"{failed} HubException: Contract not found.")
        return key
