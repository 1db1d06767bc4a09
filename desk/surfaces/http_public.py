"""The public door: alerts come in here. It knows the engine's inbox and nothing of the gateway.

Order of a request: who is it (secret and address, in the same time whatever is wrong) → body (bounded in size and time)
→ read → ask the engine → answer. What fails the first step learns nothing, not even that there is a bot.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

import msgspec
import structlog
from aiohttp import web

from desk.alerts import Reading, dedupe_key, read_body
from desk.alerts.terms import NO_TERMS, DialectTerms
from desk.core.errors import StoreError, Unavailable
from desk.core.events import AlertReceived
from desk.core.records import Verdict
from desk.core.secret import Secret
from desk.runtime.desk import BotDoor, Desk, Phase
from desk.surfaces.http_server import Porter, json_answer, offered_secret

__all__ = ["MAX_BODY", "AllowedSources", "PublicDoor"]

MAX_BODY = 64 * 1024
BODY_S = 2.0  # TradingView gives up after three

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class AllowedSources:
    """Which addresses may post. ``networks`` None: all. ``proxy_header``: where our own proxy on this computer names
    the sender; only its last hop counts, for the ones before are whatever the sender wrote.
    """

    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] | None = None
    proxy_header: str | None = None

    @classmethod
    def of(cls, allowed: Sequence[str] | None, proxy_header: str | None) -> AllowedSources:
        networks = None if allowed is None else tuple(ipaddress.ip_network(text, strict=False) for text in allowed)
        return cls(networks, proxy_header)

    def source(self, request: web.Request) -> str:
        """The sender's address as far as it can be known."""
        peer = request.remote or ""
        if self.proxy_header is None or not _is_loopback(peer):
            return peer
        hops = ",".join(request.headers.getall(self.proxy_header, [])).split(",")
        return hops[-1].strip() or peer

    def allows(self, source: str) -> bool:
        if self.networks is None:
            return True
        address = _address(source)
        return address is not None and any(address in network for network in self.networks)


class PublicDoor:
    """``POST /tv/<token>``, ``POST /webhook`` with a ``secret`` in the body, ``GET /health``."""

    def __init__(self, desk: Desk, sources: AllowedSources, *, body_s: float = BODY_S) -> None:
        self._desk = desk
        self._sources = sources
        self._body_s = body_s
        self.porter = Porter("public")

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self.porter.watch], client_max_size=MAX_BODY)
        app.router.add_post("/tv/{token}", self._on_path)
        app.router.add_post("/webhook", self._on_body)
        app.router.add_get("/health", self._on_health)
        return app

    async def _on_health(self, request: web.Request) -> web.Response:
        del request
        is_up = self._desk.phase is not Phase.STOPPING
        return web.Response(text="ok" if is_up else "stopping", status=200 if is_up else 503)

    async def _on_path(self, request: web.Request) -> web.Response:
        began = asyncio.get_running_loop().time()
        source = self._sources.source(request)
        bot, is_allowed = self._bot(request.match_info["token"]), self._sources.allows(source)
        if bot is None or not is_allowed:
            self._turn_away()
        if self._desk.phase is Phase.STOPPING:
            return _stopping()
        return await self._take(bot, self._read(await self._body(request), bot), source, began)

    async def _on_body(self, request: web.Request) -> web.Response:
        began = asyncio.get_running_loop().time()
        source = self._sources.source(request)
        if not self._sources.allows(source):
            self._turn_away()
        reading = self._read(await self._body(request))
        bot = self._bot(reading.secret.reveal() if reading.secret is not None else "")
        if bot is None:
            self._turn_away()
        if self._desk.phase is Phase.STOPPING:
            return _stopping()
        return await self._take(bot, reading, source, began)

    def _bot(self, offered: str) -> BotDoor | None:
        """The bot whose secret this is. Compares with every bot's, so that the time says nothing."""
        text = offered_secret(offered)
        matching = [bot for bot in self._desk.bots if bot.token.matches(text)]
        return matching[0] if matching else None

    @staticmethod
    def _turn_away() -> NoReturn:
        raise web.HTTPNotFound

    async def _body(self, request: web.Request) -> bytes:
        """At most 64 KiB, within two seconds; what is announced as larger is not read at all."""
        if (request.content_length or 0) > MAX_BODY:
            raise web.HTTPRequestEntityTooLarge(MAX_BODY, request.content_length or 0)
        try:
            async with asyncio.timeout(self._body_s):
                return await request.read()
        except TimeoutError:
            raise web.HTTPRequestTimeout from None
        except (web.RequestPayloadError, ConnectionError):
            raise web.HTTPBadRequest from None  # it hung up in the middle, or the chunks make no sense

    def _read(self, body: bytes, known: BotDoor | None = None) -> Reading:
        """By the terms of the bot that the path names, else of the one whose secret the body carries."""

        def terms_of(secret: Secret | None) -> DialectTerms:
            bot = known or self._bot(secret.reveal() if secret is not None else "")
            return bot.terms if bot is not None else NO_TERMS

        return read_body(body, [bot.token for bot in self._desk.bots], terms_of)

    async def _take(self, bot: BotDoor, reading: Reading, source: str, began: float) -> web.Response:
        """Hands every alert of the body to the engine at once, so that they share a commit, in their order."""
        events = [self._event(bot, reading, index, source) for index in range(max(1, len(reading.alerts)))]
        answers = await asyncio.gather(*(self._desk.ask(event) for event in events), return_exceptions=True)
        told = []
        for event, answer in zip(events, answers, strict=True):
            latency_ms = round((asyncio.get_running_loop().time() - began) * 1000, 2)
            if isinstance(answer, StoreError | Unavailable):
                log.error("alert.not_journalled", alert_id=event.cause, bot=bot.name, reason=str(answer))
                return _unavailable("nothing was recorded and nothing done; send it again")
            if isinstance(answer, BaseException):
                raise answer
            log.info("alert.answered", alert_id=event.cause, bot=bot.name, verdict=answer.kind.value,
                     reason=answer.reason, text=answer.text, latency_ms=latency_ms)  # fmt: skip
            told.append(_told(event, answer))
        return json_answer(msgspec.json.encode(told[0] if len(told) == 1 else {"alerts": told}))

    def _event(self, bot: BotDoor, reading: Reading, index: int, source: str) -> AlertReceived:
        key, window_s = dedupe_key(reading, index)
        return AlertReceived(
            cause=self._desk.new_cause(),
            bot=bot.name,
            alert=reading.alerts[index] if reading.alerts else None,
            problem=reading.problem,
            raw=reading.raw,
            body_sha256=reading.body_sha256,
            dedupe_key=key,
            dedupe_window_s=window_s,
            source=source,
            ts=self._desk.clock.now(),
        )


def _told(event: AlertReceived, verdict: Verdict) -> dict[str, object]:
    told: dict[str, object] = {
        "alert_id": event.cause,
        "verdict": verdict.kind.value,
        "reason": verdict.reason,
        "text": verdict.text,
        "orders": verdict.orders,
        "warnings": verdict.warnings,
    }
    if verdict.of is not None:
        told["of"] = verdict.of
    return told


def _stopping() -> web.Response:
    return _unavailable("stopping; send it again")


def _unavailable(text: str) -> web.Response:
    """503: the one answer after which TradingView sends the same body again (TradingView reference 2)."""
    return web.json_response({"error": text}, status=503)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _is_loopback(text: str) -> bool:
    address = _address(text)
    return address is not None and address.is_loopback
