"""What both doors share: listening on a port, closing what is slow, hiding what we are, counting the unwanted."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler
from aiohttp.web_protocol import RequestHandler

from desk.core.errors import ConfigError

__all__ = ["IDLE_S", "Porter", "TurnedAway", "json_answer", "listening", "most_connections", "offered_secret"]

IDLE_S = 10.0  # a connection that never brought a whole request head is closed: slow-loris, and forgotten probes
_KEPT_S = 300.0  # one that did may wait longer than any proxy keeps it, else the two race and an alert is lost
_SWEEP_EVERY_S = 1.0
_STOP_S = 0.2  # aiohttp waits twice that long for handlers
_LINGER_S = 0.2  # a refused body is drained for that long, so that the sender can read the answer
_LOG_EVERY_S = 60.0
_MOST_CONNECTIONS = 1_000  # beyond it the slowest one makes room for a new one
_BACKLOG = 256  # that wait to be accepted; as many are accepted in one go, which stops the loop for some 15 ms
_MOST_SOURCES = 1_000  # that are told apart in a minute's line

_QUIET = logging.Logger("desk.http", level=logging.CRITICAL)

log = structlog.get_logger()


class TurnedAway(web.HTTPNotFound):
    """Somebody who may not come in; he learns nothing. source: his address, as far as the door knows it."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.source = source


def offered_secret(text: str) -> str:
    """Something from outside that will be compared with a secret: without half characters, which cannot be encoded."""
    return text.encode("utf-8", "replace").decode()


def json_answer(body: bytes, status: int = 200) -> web.Response:
    return web.Response(body=body, status=status, content_type="application/json")


class Porter:
    """Watches one door's connections. Use :meth:`watch` as the outermost middleware of its application."""

    def __init__(self, door: str) -> None:
        self._door = door
        self._most = most_connections()
        self._busy: set[RequestHandler] = set()
        self._reading: dict[RequestHandler, None] = {}  # busy, and only with a body that is not there yet; oldest first
        self._seen: dict[RequestHandler, float] = {}  # since when
        self._asked: dict[RequestHandler, float] = {}  # when its last request ended
        self._turned_away: Counter[str] = Counter()
        self._sources: Counter[str] = Counter()
        self._next_log = 0.0

    @web.middleware
    async def watch(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        protocol = request.protocol
        self._busy.add(protocol)
        try:
            return await handler(request)
        except web.HTTPException as refusal:
            self.turn_away(str(refusal.status), refusal.source if isinstance(refusal, TurnedAway) else "")
            return web.json_response({"error": refusal.reason.lower()}, status=refusal.status, headers=_kept(refusal))
        except Exception:
            log.exception("request.failed", door=self._door, method=request.method)  # no path: it may hold a secret
            return web.json_response({"error": "internal error"}, status=500)
        finally:
            self._busy.discard(protocol)
            self._asked[protocol] = asyncio.get_running_loop().time()

    @contextmanager
    def reading(self, request: web.Request) -> Iterator[None]:
        """While the body comes in: such a connection may be closed for a new one, one whose alert is decided may not."""
        self._reading[request.protocol] = None
        try:
            yield
        finally:
            self._reading.pop(request.protocol, None)

    def turn_away(self, why: str, source: str = "") -> None:
        """Counts; the log gets one line per minute, however many there are. source: an address, if it is of interest."""
        self._turned_away[why] += 1
        if source and (source in self._sources or len(self._sources) < _MOST_SOURCES):
            self._sources[source] += 1
        self.log_refusals(asyncio.get_running_loop().time())

    def log_refusals(self, now: float, *, is_last: bool = False) -> None:
        if self._turned_away and (now >= self._next_log or is_last):
            most = {"most_from": self._sources.most_common(1)[0]} if self._sources else {}
            log.warning("door.turned_away", door=self._door, counts=dict(self._turned_away),
                        sources=len(self._sources), **most)  # fmt: skip
            self._turned_away.clear()
            self._sources.clear()
            self._next_log = now + _LOG_EVERY_S

    def make_room(self, connections: Sequence[RequestHandler]) -> None:
        """Before one more is taken: where there are too many, the slowest is closed. Never one whose alert is in hand."""
        if len(connections) < self._most:
            return
        living = [connection for connection in connections if connection.transport is not None]
        if len(living) >= self._most and (slowest := self._slowest(living)) is not None:
            slowest.force_close()
            self.turn_away("too many connections")

    def _slowest(self, living: Sequence[RequestHandler]) -> RequestHandler | None:
        """The first that never asked anything, else whose body is awaited longest, else who was silent longest."""
        idle = [connection for connection in living if connection not in self._busy]
        if not idle:
            return next((connection for connection in self._reading if connection in living), None)
        never = [connection for connection in idle if connection not in self._asked]
        if never:
            return never[0]
        body = next((connection for connection in self._reading if connection in living), None)
        return body or min(idle, key=lambda connection: self._asked[connection])

    def sweep(self, connections: list[RequestHandler], now: float) -> None:
        """Closes what sits there without asking anything."""
        self._seen = {connection: self._seen.get(connection, now) for connection in connections}
        self._asked = {connection: at for connection, at in self._asked.items() if connection in self._seen}
        for connection, seen_at in self._seen.items():
            asked_at = self._asked.get(connection)
            is_late = now - seen_at > IDLE_S if asked_at is None else now - asked_at > _KEPT_S
            if is_late and connection not in self._busy:
                connection.force_close()


def most_connections() -> int:
    """How many one door holds at once: the system's bound on open files leaves as much again for everything else."""
    if sys.platform == "win32":
        return _MOST_CONNECTIONS
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST_CONNECTIONS if soft == resource.RLIM_INFINITY else min(_MOST_CONNECTIONS, max(soft // 2, 16))


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
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_STOP_S)
    await runner.setup()
    assert runner.server is not None, "set up"
    sweeping: asyncio.Task[None] | None = None
    listener: asyncio.Server | None = None
    try:
        listener = await _listen(runner.server, host, port, setting, porter)
        sweeping = asyncio.create_task(_keep_sweeping(runner, porter), name=f"sweep {setting}")
        yield listener.sockets[0].getsockname()[1]
    finally:
        if sweeping is not None:
            sweeping.cancel()
            await asyncio.wait([sweeping])
        if listener is not None:
            listener.close()
        await runner.cleanup()
        porter.log_refusals(asyncio.get_running_loop().time(), is_last=True)


class _Connection(RequestHandler):
    """One connection. What is no HTTP gets a bare 400, no word about the software and nothing of what was sent."""

    __slots__ = ("_porter",)

    def __init__(self, server: web.Server, porter: Porter) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(
            server,
            loop=loop,
            access_log=None,  # type: ignore[arg-type]
            logger=_QUIET,
            lingering_time=_LINGER_S,
            auto_decompress=False,  # it would unpack for strangers, too: 58 KiB can be 60 MB
        )
        self._porter = porter

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        del exc, message
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun, and no other can follow")
        self._porter.turn_away(str(status))
        answer = web.Response(status=status, headers={"Server": ""})
        answer.force_close()
        return answer


async def _listen(server: web.Server, host: str, port: int, setting: str, porter: Porter) -> asyncio.Server:
    def answer() -> RequestHandler:
        porter.make_room(server.connections)
        return _Connection(server, porter)

    try:
        return await asyncio.get_running_loop().create_server(answer, host, port, backlog=_BACKLOG)
    except OSError as exc:
        if isinstance(exc, socket.gaierror) or exc.errno == errno.EADDRNOTAVAIL:
            raise ConfigError(
                f"{host} is no address of this computer: set WEBHOOK_HOST to 127.0.0.1 for a tunnel, 0.0.0.0 for a port forward"
            ) from exc
        reason = {errno.EADDRINUSE: "another program has it", errno.EACCES: "it needs more rights"}.get(
            exc.errno or 0, exc.strerror or str(exc)
        )
        raise ConfigError(f"port {port} on {host} cannot be used ({reason}): free it or change {setting}") from exc


async def _keep_sweeping(runner: web.AppRunner, porter: Porter) -> None:
    """Ends when its door closes."""
    loop = asyncio.get_running_loop()
    while runner.server is not None:
        await asyncio.sleep(_SWEEP_EVERY_S)
        porter.sweep(runner.server.connections, loop.time())
        porter.log_refusals(loop.time())
