"""What both doors share: listening on a port, closing what is slow, hiding what we are, counting the unwanted."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler
from aiohttp.web_protocol import RequestHandler

from desk.core.errors import ConfigError

__all__ = ["IDLE_S", "Porter", "json_answer", "listening", "offered_secret"]

IDLE_S = 10.0  # a connection that never brought a whole request head is closed: slow-loris, and forgotten probes
_KEPT_S = 300.0  # one that did may wait longer than any proxy keeps it, else the two race and an alert is lost
_SWEEP_EVERY_S = 1.0
_STOP_S = 0.2  # aiohttp waits twice that long for handlers
_LINGER_S = 0.2  # a refused body is drained for that long, so that the sender can read the answer
_LOG_EVERY_S = 60.0

log = structlog.get_logger()


def offered_secret(text: str) -> str:
    """Something from outside that will be compared with a secret: without half characters, which cannot be encoded."""
    return text.encode("utf-8", "replace").decode()


def json_answer(body: bytes, status: int = 200) -> web.Response:
    return web.Response(body=body, status=status, content_type="application/json")


class Porter:
    """Watches one door's connections. Use :meth:`watch` as the outermost middleware of its application."""

    def __init__(self, door: str) -> None:
        self._door = door
        self._busy: set[RequestHandler] = set()
        self._seen: dict[RequestHandler, float] = {}  # since when
        self._asked: dict[RequestHandler, float] = {}  # when its last request ended
        self._turned_away: Counter[str] = Counter()
        self._next_log = 0.0

    @web.middleware
    async def watch(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        protocol = request.protocol
        self._busy.add(protocol)
        try:
            return await handler(request)
        except web.HTTPException as refusal:
            self.turn_away(str(refusal.status))
            return web.json_response({"error": refusal.reason.lower()}, status=refusal.status, headers=_kept(refusal))
        except Exception:
            log.exception("request.failed", door=self._door, method=request.method)  # no path: it may hold a secret
            return web.json_response({"error": "internal error"}, status=500)
        finally:
            self._busy.discard(protocol)
            self._asked[protocol] = asyncio.get_running_loop().time()

    def turn_away(self, why: str) -> None:
        """Counts; the log gets one line per minute, however many there are."""
        self._turned_away[why] += 1
        self.log_refusals(asyncio.get_running_loop().time())

    def log_refusals(self, now: float, *, is_last: bool = False) -> None:
        if self._turned_away and (now >= self._next_log or is_last):
            log.warning("door.turned_away", door=self._door, counts=dict(self._turned_away))
            self._turned_away.clear()
            self._next_log = now + _LOG_EVERY_S

    def sweep(self, connections: list[RequestHandler], now: float) -> None:
        """Closes what sits there without asking anything."""
        self._seen = {connection: self._seen.get(connection, now) for connection in connections}
        self._asked = {connection: at for connection, at in self._asked.items() if connection in self._seen}
        for connection, seen_at in self._seen.items():
            asked_at = self._asked.get(connection)
            is_late = now - seen_at > IDLE_S if asked_at is None else now - asked_at > _KEPT_S
            if is_late and connection not in self._busy:
                connection.force_close()


def _kept(refusal: web.HTTPException) -> dict[str, str]:
    return {"Allow": refusal.headers["Allow"]} if "Allow" in refusal.headers else {}


async def _hide(request: web.Request, response: web.StreamResponse) -> None:
    """No word about the software, and nothing is kept by anybody between."""
    del request
    response.headers.pop("Server", None)
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"


@asynccontextmanager
async def listening(app: web.Application, host: str, port: int, setting: str, porter: Porter) -> AsyncIterator[int]:
    """Serves ``app`` and gives the port it got. Ends within a second. Raises ConfigError when it cannot be had."""
    app.on_response_prepare.append(_hide)
    quiet = logging.Logger("desk.http", level=logging.CRITICAL)
    runner = web.AppRunner(app, access_log=None, logger=quiet, shutdown_timeout=_STOP_S, lingering_time=_LINGER_S)
    await runner.setup()
    sweeping: asyncio.Task[None] | None = None
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as exc:
            reason = exc.strerror or str(exc)
            raise ConfigError(f"port {port} on {host} cannot be used ({reason}): free it or change {setting}") from exc
        sweeping = asyncio.create_task(_keep_sweeping(runner, porter), name=f"sweep {setting}")
        yield site.port
    finally:
        if sweeping is not None:
            sweeping.cancel()
            await asyncio.wait([sweeping])
        await runner.cleanup()
        porter.log_refusals(asyncio.get_running_loop().time(), is_last=True)


async def _keep_sweeping(runner: web.AppRunner, porter: Porter) -> None:
    """Ends when its door closes."""
    loop = asyncio.get_running_loop()
    while runner.server is not None:
        await asyncio.sleep(_SWEEP_EVERY_S)
        porter.sweep(runner.server.connections, loop.time())
        porter.log_refusals(loop.time())
