"""The public door: alerts come in here. It knows the engine's inbox and nothing of the gateway.

Order of a request: who is it (secret and address, in the same time whatever is wrong) → body (bounded in size and time)
→ read → ask the engine → answer. What fails the first step learns nothing, not even that there is a bot. Bots, their secrets
and their terms are those of the moment: they may be replaced while the desk runs. What is answered when, and why:
docs/receiver.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NoReturn

import msgspec
import structlog
from aiohttp import HttpVersion11, web

from desk.alerts import NO_TERMS, DialectTerms, Reading, dedupe_key, read_body
from desk.alerts.redact import secrets_of_text
from desk.core.errors import StoreError, Unavailable
from desk.core.events import AlertReceived
from desk.core.records import Verdict
from desk.core.secret import Secret
from desk.runtime.desk import BotDoor, Desk, Phase
from desk.surfaces.client_certificate import CertificateRule, CertificateWatch
from desk.surfaces.door_limits import DEFAULT_LIMITS, BotPace, DoorLimits, Strangers, counted
from desk.surfaces.door_sources import AllowedSources, is_own_proxy
from desk.surfaces.http_server import Porter, TurnedAway, json_answer, offered_secret
from desk.surfaces.packing import unpacked

__all__ = ["MAX_BODY", "PublicDoor"]

MAX_BODY = 64 * 1024
BODY_S = 2.0  # TradingView gives up after three

log = structlog.get_logger()


class PublicDoor:
    """``POST /tv/<token>``, ``POST /webhook`` with a ``secret`` in the body, ``GET /health``."""

    def __init__(
        self,
        desk: Desk,
        sources: AllowedSources,
        *,
        certificate: CertificateRule | None = None,
        limits: DoorLimits = DEFAULT_LIMITS,
        body_s: float = BODY_S,
    ) -> None:
        self._desk = desk
        self._sources = sources
        self._certificate = None if certificate is None else CertificateWatch(certificate)
        self._pace = BotPace(limits)
        self._strangers = Strangers(limits)
        self._body_s = body_s
        self.porter = Porter("public")

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self.porter.watch], client_max_size=MAX_BODY)
        app.router.add_post("/tv/{token}", self._on_path, expect_handler=_on_expect)
        app.router.add_post("/webhook", self._on_body, expect_handler=_on_expect)
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
            self._turn_away(source, began)
        self._check_certificate(request)
        if self._desk.phase is Phase.STOPPING:
            return _stopping()
        body = await self._body(request)
        tokens = [bot.token, *(each.token for each in self._desk.bots)]  # its own may have been replaced meanwhile
        return await self._take(bot, read_body(body, tokens, lambda _: bot.terms), source, began)

    async def _on_body(self, request: web.Request) -> web.Response:
        began = asyncio.get_running_loop().time()
        source = self._sources.source(request)
        if not self._sources.allows(source):
            self._turn_away(source, began)
        body = await self._body(request)
        if self._strangers.is_many(source, began) and not self._names_a_bot(body):
            self._turn_away(source, began)  # a whole reading of 64 KiB may cost 30 ms of everybody's time
        reading = read_body(body, [bot.token for bot in self._desk.bots], self._terms_of)
        bot = self._bot(reading.secret.reveal() if reading.secret is not None else None)
        if bot is None:
            self._turn_away(source, began)
        self._check_certificate(request)
        if self._desk.phase is Phase.STOPPING:
            return _stopping()
        return await self._take(bot, reading, source, began)

    def _bot(self, offered: str | None) -> BotDoor | None:
        """The bot whose secret this is. Compares with every bot's, so that the time says nothing."""
        text = offered_secret(offered or "")
        matching = [bot for bot in self._desk.bots if bot.token.matches(text)]
        return matching[0] if matching else None

    def _names_a_bot(self, body: bytes) -> bool:
        """A bot's secret stands under one of the names for it; which one counts only a whole reading tells."""
        offered = secrets_of_text(body.decode(errors="replace")).values()
        return any(self._bot(secret) is not None for secret in offered)

    def _terms_of(self, secret: Secret | None) -> DialectTerms:
        bot = self._bot(secret.reveal() if secret is not None else None)
        return NO_TERMS if bot is None else bot.terms

    def _turn_away(self, source: str, now: float) -> NoReturn:
        self._strangers.note(source, now)
        raise TurnedAway(source)

    def _check_certificate(self, request: web.Request) -> None:
        """After the secret, so that whoever does not know it can make no line in the log."""
        if self._certificate is None:
            return
        values = request.headers.getall(self._certificate.rule.header, [])
        if not self._certificate.passes(values, is_own_proxy=is_own_proxy(request)):
            raise TurnedAway(self._sources.source(request))

    async def _body(self, request: web.Request) -> bytes:
        """At most 64 KiB, within two seconds; what is announced as larger is not read at all."""
        body = await self._received(request)
        return unpacked(body, request.headers.get("Content-Encoding", ""), MAX_BODY)

    async def _received(self, request: web.Request) -> bytes:
        if (request.content_length or 0) > MAX_BODY:
            raise web.HTTPRequestEntityTooLarge(MAX_BODY, request.content_length or 0)
        try:
            if request.content.is_eof():  # it came with its head: there is nothing to wait for
                return await request.read()
            async with asyncio.timeout(self._body_s):
                with self.porter.reading(request):
                    return await request.read()
        except TimeoutError:  # after a 4xx TradingView never sends it again, and nothing was done yet
            raise web.HTTPServiceUnavailable(reason="Body came too slowly, send it again") from None
        except (web.RequestPayloadError, ConnectionError):
            raise web.HTTPBadRequest from None  # it hung up in the middle, or the chunks make no sense

    async def _take(self, bot: BotDoor, reading: Reading, source: str, began: float) -> web.Response:
        """Has every alert of the body decided and tells the sender what became of them."""
        if not self._pace.takes(bot.name, counted(reading), began):
            self.porter.turn_away(f"too many alerts for {bot.name}", source)
            return _unavailable("too many alerts at once; nothing was recorded and nothing done; send it again")
        events = [self._event(bot, reading, index, source) for index in range(max(1, len(reading.alerts)))]
        answers = await self._ask(events)
        told, is_recorded = [], False
        for event, answer in zip(events, answers, strict=True):
            if isinstance(answer, StoreError | Unavailable):
                log.error("alert.not_journalled", alert_id=event.cause, bot=bot.name, reason=str(answer))
                told.append(_not_recorded(event, str(answer)))
                continue
            if isinstance(answer, BaseException):
                raise answer
            latency_ms = round((asyncio.get_running_loop().time() - began) * 1000, 2)
            log.info("alert.answered", alert_id=event.cause, bot=bot.name, verdict=answer.kind.value,
                     reason=answer.reason, text=answer.text, latency_ms=latency_ms)  # fmt: skip
            told.append(_told(event, answer))
            is_recorded = True
        if not is_recorded:  # of a list some may have led to orders: then no 5xx, which would bring those again
            return _unavailable("nothing was recorded and nothing done; send it again")
        return json_answer(msgspec.json.encode(told[0] if len(told) == 1 else {"alerts": told}))

    async def _ask(self, events: Sequence[AlertReceived]) -> Sequence[Verdict | BaseException]:
        """Hands every alert of a body to the engine at once, so that they share a commit, in their order."""
        if len(events) > 1:
            return await asyncio.gather(*(self._desk.ask(event) for event in events), return_exceptions=True)
        try:
            return [await self._desk.ask(events[0])]  # nearly every body: without a task of its own
        except (StoreError, Unavailable) as refusal:
            return [refusal]

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


def _not_recorded(event: AlertReceived, why: str) -> dict[str, object]:
    return {"alert_id": event.cause, "verdict": "not_recorded", "reason": "journal", "text": f"{why}; nothing was done",
            "orders": [], "warnings": []}  # fmt: skip


async def _on_expect(request: web.Request) -> web.StreamResponse | None:
    """``Expect: 100-continue``: what is announced as too large is refused before it is sent."""
    if (request.content_length or 0) > MAX_BODY:
        return web.json_response({"error": "request entity too large"}, status=413, headers={"Connection": "close"})
    if request.version == HttpVersion11 and request.headers["Expect"].lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the answer itself has not begun
    return None


def _stopping() -> web.Response:
    return _unavailable("stopping; send it again")


def _unavailable(text: str) -> web.Response:
    """503: the one answer after which TradingView sends the same body again (TradingView reference 2)."""
    return web.json_response({"error": text}, status=503)
