"""A relay between the daemon and the gateway that lies about trades: some come twice, late, or never.

Everything else goes through as it is, broken connections included. What was done to which trade is kept: for a bar in which a
trade was lost no listener can know the truth until it has asked for it.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime

import aiohttp
from aiohttp import web

__all__ = ["Gate", "open_gate"]

END = "\x1e"
MARKET = "/hubs/market"
KEPT_BACK_S = (0.2, 4.0)
_OF_ONE_HOP = {"host", "connection", "content-length", "transfer-encoding", "upgrade", "content-encoding"}
_HAND_SHAKEN = ("sec-websocket",)


@dataclass
class Gate:
    """``badness`` is the chance that a message with trades is tampered with. Times are epoch seconds."""

    upstream: str
    http: aiohttp.ClientSession
    dice: random.Random
    badness: float = 0.0
    url: str = ""
    tampered: Counter[str] = field(default_factory=Counter)
    touched: dict[str, list[float]] = field(default_factory=dict)  # contract id to the times of such trades
    outages: list[tuple[float, float]] = field(default_factory=list)  # of the market hub, as the daemon saw it
    _open: int = 0
    _down_since: float | None = None
    _later: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def longest_outage_s(self) -> float:
        return max((end - start for start, end in self.outages), default=0.0)

    async def relay(self, request: web.Request) -> web.StreamResponse:
        """One call or one hub connection."""
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._hub(request)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _OF_ONE_HOP}
        try:
            async with self.http.request(
                request.method, self.upstream + request.path_qs, headers=headers, data=await request.read()
            ) as reply:
                body = await reply.read()
                kept = {name: value for name, value in reply.headers.items() if name.lower() not in _OF_ONE_HOP}
                return web.Response(status=reply.status, headers=kept, body=body)
        except (aiohttp.ClientError, ConnectionError):
            return self._cut(request)

    async def close(self) -> None:
        """What was kept back never comes."""
        for task in self._later:
            task.cancel()
        await asyncio.gather(*self._later, return_exceptions=True)

    def _cut(self, request: web.Request) -> web.Response:
        """The connection broke there, so it breaks here."""
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=502)

    async def _hub(self, request: web.Request) -> web.StreamResponse:
        headers = {
            name: value
            for name, value in request.headers.items()
            if name.lower() not in _OF_ONE_HOP and not name.lower().startswith(_HAND_SHAKEN)
        }
        try:
            there = await self.http.ws_connect(
                self.upstream + request.path_qs, headers=headers, max_msg_size=0, autoping=False
            )
        except aiohttp.WSServerHandshakeError as refused:
            return web.Response(status=refused.status)
        except (aiohttp.ClientError, ConnectionError):
            return self._cut(request)
        here = web.WebSocketResponse(max_msg_size=0, compress=False, autoping=False)
        is_market = request.path == MARKET
        try:
            await here.prepare(request)
            self._opened(is_market)
            ways = [
                asyncio.create_task(self._pass(here, there, lies=False)),
                asyncio.create_task(self._pass(there, here, lies=is_market)),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
                self._closed(is_market)
        finally:
            await there.close()
        if there.close_code in {None, 1006}:
            self._cut(request)
        else:
            with suppress(ConnectionError):
                await here.close(code=there.close_code or 1000)
        return here

    def _opened(self, is_market: bool) -> None:
        if is_market:
            self._open += 1
            if self._down_since is not None:
                self.outages.append((self._down_since, time.time()))
                self._down_since = None

    def _closed(self, is_market: bool) -> None:
        if is_market:
            self._open -= 1
            if self._open == 0:
                self._down_since = time.time()

    async def _pass(self, source: object, sink: object, *, lies: bool) -> None:
        """Until one side ends."""
        assert isinstance(source, aiohttp.ClientWebSocketResponse | web.WebSocketResponse), "a hub connection"
        assert isinstance(sink, aiohttp.ClientWebSocketResponse | web.WebSocketResponse), "a hub connection"
        async for message in source:
            with suppress(ConnectionError):
                if message.type is aiohttp.WSMsgType.TEXT:
                    await sink.send_str(self._told(message.data, sink) if lies and self.badness else message.data)
                elif message.type is aiohttp.WSMsgType.BINARY:
                    await sink.send_bytes(message.data)
                elif message.type is aiohttp.WSMsgType.PING:
                    await sink.ping(message.data)
                elif message.type is aiohttp.WSMsgType.PONG:
                    await sink.pong(message.data)

    def _told(self, text: str, sink: aiohttp.ClientWebSocketResponse | web.WebSocketResponse) -> str:
        """The records that go on at once."""
        if "GatewayTrade" not in text or not text.endswith(END):
            return text
        kept: list[str] = []
        for record in text.split(END)[:-1]:
            if "GatewayTrade" not in record or self.dice.random() >= self.badness:
                kept.append(record)
                continue
            way = self.dice.choice(("twice", "late", "lost"))
            self.tampered[f"trade {way}"] += 1
            self._note(record)
            if way == "twice":
                kept += [record, record]
            elif way == "late":
                self._send_later(record, sink)
        return "".join(f"{record}{END}" for record in kept)

    def _note(self, record: str) -> None:
        contract_id, trades = json.loads(record)["arguments"]
        times = (datetime.fromisoformat(trade["timestamp"]).timestamp() for trade in trades)
        self.touched.setdefault(contract_id, []).extend(times)

    def _send_later(self, record: str, sink: aiohttp.ClientWebSocketResponse | web.WebSocketResponse) -> None:
        async def later() -> None:
            await asyncio.sleep(self.dice.uniform(*KEPT_BACK_S))
            with suppress(ConnectionError, RuntimeError):
                await sink.send_str(record + END)

        task = asyncio.create_task(later(), name="late trade")
        self._later.add(task)
        task.add_done_callback(self._later.discard)


@asynccontextmanager
async def open_gate(upstream: str, dice: random.Random) -> AsyncIterator[Gate]:
    """Listens on a free port until the block ends."""
    timeout = aiohttp.ClientTimeout(total=None)
    connector = aiohttp.TCPConnector(limit=0, force_close=True)  # a broken connection is then nobody else's
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=True) as http:
        gate = Gate(upstream, http, dice)
        app = web.Application(client_max_size=1 << 26)
        app.router.add_route("*", "/{path:.*}", gate.relay)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2, handler_cancellation=True)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        gate.url = f"http://{host}:{port}"
        try:
            yield gate
        finally:
            await gate.close()
            await runner.cleanup()
