"""Hub events per second from socket to merged quote, the loop's stalls in a burst, and how long a reconnection takes.

``python -m benchmarks.hub`` is the source: a hub in its own process that says prepared frames as fast as they are taken.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from benchmarks.figures import Counts, Figure, Group, at_most, median, percentile
from benchmarks.processes import child, running_simulator
from desk.core.ids import ContractId
from desk.core.secret import Secret
from desk.core.symbols import ROOTS
from desk.core.words import Quote
from desk.gateway import HubPool, HubTimings, Kind, MarketFeed, SilenceConfig

__all__ = ["measure"]

SYMBOLS = 20
GOAL = 0.6
STALL_GOAL_MS = 50.0
BURST = 20_000
PARTS = (("quotes", 0.34), ("trades", 0.16), ("depth", 0.5))  # 42 to 20 to 62 (reference 5.3)
HOW = (
    f"A hub in its own process writes prepared frames, one message each, for {SYMBOLS} contracts as fast as they are taken: "
    "sparse quotes as in the gateway's captures. Measured is from the first to the last merged quote in the client "
    "(`MarketFeed` over the pool: frame, SignalR, JSON to `Decimal` on its grid, merge, callback). The floor receives the same "
    "bytes with `websockets`, splits at 0x1E and decodes with msgspec into dictionaries; rounds alternate. The burst mixes "
    "quotes, trades and depth as the product does, all at once. Reconnecting is from the loss as the feed tells it to every "
    "subscription confirmed again, at the simulator in its own process; its floor is a bare connection with the same "
    "handshake and the same calls."
)
_END = b"\x1e"
_T0 = datetime(2026, 11, 18, 14, 30, tzinfo=UTC)


def contracts() -> list[ContractId]:
    """As many as are measured with."""
    return [ContractId(f"CON.{product.symbol_id}.Z26") for product in list(ROOTS.values())[:SYMBOLS]]


# --- the source -------------------------------------------------------------------------------------------------------


def _quote(number: int, contract: str) -> dict[str, object]:
    told = (_T0 + timedelta(milliseconds=number)).isoformat()
    row: dict[str, object] = {"symbol": contract[4:-4], "lastUpdated": told, "timestamp": told, "contract": contract}
    price = 29_500 + number % 400 * 0.25
    return row | (
        {"lastPrice": price, "volume": number} if number % 3 == 0 else {"bestBid": price, "bestAsk": price + 0.25}
    )


def _event(number: int, kind: str, contract: str) -> bytes:
    told, price = (_T0 + timedelta(milliseconds=number)).isoformat(), 29_500 + number % 400 * 0.25
    row: object = _quote(number, contract)
    if kind != "quotes":
        row = [{"contractId": contract, "timestamp": told, "type": number % 2, "price": price, "volume": 2}]
    target = {"quotes": "GatewayQuote", "trades": "GatewayTrade", "depth": "GatewayDepth"}[kind]
    return msgspec.json.encode({"type": 1, "target": target, "arguments": [contract, row]}) + _END


def _frame(payload: bytes) -> bytes:
    """One unmasked text frame of a server (RFC 6455, 5.2)."""
    size = len(payload)
    assert 125 < size < 65_536, "events have this size"
    return b"\x81\x7e" + size.to_bytes(2, "big") + payload


def _prepared(kinds: list[str]) -> list[bytes]:
    """The frames in blocks, so that writing costs the source next to nothing."""
    names = contracts()
    frames = [_frame(_event(number, kind, names[number % len(names)])) for number, kind in enumerate(kinds)]
    return [b"".join(frames[at : at + 200]) for at in range(0, len(frames), 200)]


def _mixed(events: int) -> list[str]:
    kinds = []
    for number in range(events):
        share = number * 0.618034 % 1  # spread evenly, the same in every run
        kinds.append("quotes" if share < PARTS[0][1] else "trades" if share < PARTS[0][1] + PARTS[1][1] else "depth")
    return kinds


async def _serve(events: int) -> None:
    """Answers the handshake and every call; ``/hubs/market?...`` then gets all quotes, ``/hubs/burst`` the mix."""
    blocks = {"market": _prepared(["quotes"] * events), "burst": _prepared(_mixed(BURST))}

    async def speak(socket: ServerConnection) -> None:
        assert socket.request is not None, "it was upgraded"
        mine = blocks["burst" if "/burst" in socket.request.path else "market"]
        calls = 0
        async for data in socket:
            for record in (data if isinstance(data, bytes) else data.encode()).split(_END)[:-1]:
                call = msgspec.json.decode(record)
                if "protocol" in call:
                    await socket.send("{}\x1e")
                elif call.get("type") == 1:
                    calls += 1
                    await socket.send(
                        msgspec.json.encode({"type": 3, "invocationId": call["invocationId"]}).decode() + "\x1e"
                    )
            if calls >= SYMBOLS:
                break
        for block in mine:
            socket.transport.write(block)
            while socket.transport.get_write_buffer_size() > 1 << 18:  # noqa: ASYNC110 - has no event
                await asyncio.sleep(0.0005)
        await socket.wait_closed()

    async with serve(speak, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        print(f"listening: {server.sockets[0].getsockname()[1]}", flush=True)
        await asyncio.to_thread(sys.stdin.read)  # until whoever started it closes the pipe


# --- the client and its floor -----------------------------------------------------------------------------------------


class _Token:
    """A login for a hub that asks nobody."""

    name = "benchmark"
    expires_at = None

    async def current(self) -> Secret:
        return Secret("benchmark")

    async def replace(self, rejected: Secret) -> Secret:
        return rejected


class _Count:
    """Events until all have come; the clock runs from the first one."""

    def __init__(self, events: int) -> None:
        self._left = self._all = events
        self._began = 0.0
        self.seconds = 0.0
        self.done = asyncio.Event()

    def __call__(self, _: object) -> None:
        if self._left == self._all:
            self._began = time.perf_counter()
        self._left -= 1
        if not self._left:
            self.seconds = time.perf_counter() - self._began
            self.done.set()

    @property
    def rate(self) -> float:
        return (self._all - 1) / self.seconds


async def _ours(port: int, path: str, events: int) -> float:
    """Events per second; all kinds are counted."""
    count = _Count(events)

    def on_quote(quote: Quote) -> None:
        count(quote)

    async with HubPool() as pool:
        off = SilenceConfig(after_s=0)
        url = f"ws://127.0.0.1:{port}/hubs/{path}"
        feed = MarketFeed(pool, url, _Token(), on_quote=on_quote, on_trade=count, on_depth=count, silence=off)
        for contract_id in contracts():
            await feed.subscribe(contract_id, [Kind.QUOTES])
        await asyncio.wait_for(count.done.wait(), 60)
    return count.rate


def _calls() -> str:
    made = [
        {"type": 1, "invocationId": str(number), "target": "SubscribeContractQuotes", "arguments": [contract_id]}
        for number, contract_id in enumerate(contracts(), 1)
    ]
    return "".join(msgspec.json.encode(call).decode() + "\x1e" for call in made)


async def _floor(port: int, events: int) -> float:
    count = _Count(events)
    async with connect(
        f"ws://127.0.0.1:{port}/hubs/market", compression=None, ping_interval=None, proxy=None
    ) as socket:
        await socket.send('{"protocol":"json","version":1}\x1e')
        await socket.send(_calls())
        while not count.done.is_set():
            for record in (await socket.recv(decode=False)).split(_END)[:-1]:
                message = msgspec.json.decode(record)
                if message.get("type") == 1:
                    count(message)
    return count.rate


async def _worst_lateness_ms(work: Callable[[], Awaitable[object]]) -> float:
    """Of a 5 ms ticker in this loop while ``work`` runs."""
    worst = 0.0

    async def tick() -> None:
        nonlocal worst
        while True:
            due = time.perf_counter() + 0.005
            await asyncio.sleep(0.005)
            worst = max(worst, time.perf_counter() - due)

    ticker = asyncio.create_task(tick(), name="ticker")
    try:
        await work()
    finally:
        ticker.cancel()
        await asyncio.wait([ticker])
    return worst * 1000


# --- reconnecting -----------------------------------------------------------------------------------------------------


@dataclass
class _Times:
    ours: list[float]
    bare: list[float]


async def _reconnects(url: str, drops: int) -> _Times:
    """Milliseconds each: loss to all confirmed, and a bare connection to all confirmed."""
    import aiohttp

    from desk.gateway import FeedWatch, GatewayClient, GatewayConfig

    times, lost_at = _Times([], []), 0.0

    def on_lost(_: str) -> None:
        nonlocal lost_at
        lost_at = time.perf_counter()

    config = GatewayConfig(url, f"{url}/hubs/user", f"{url}/hubs/market", "paper", Secret("paper"))
    timings = HubTimings(early_death_s=0.0)  # else a connection dropped at once would wait before the next
    async with GatewayClient(config) as client, HubPool(timings=timings) as pool, aiohttp.ClientSession() as control:
        await client.login()
        up = asyncio.Event()
        watch = FeedWatch(on_lost=on_lost, on_up=up.set)
        feed = MarketFeed(pool, config.market_hub_url, client.tokens, watch=watch)
        for contract_id in contracts():
            await feed.subscribe(contract_id, [Kind.QUOTES])
        await feed.settled()
        for _ in range(drops):
            up.clear()
            async with control.post(f"{url}/sim/drop", json={"hub": "market", "how": "close"}) as reply:
                reply.raise_for_status()
            await asyncio.wait_for(up.wait(), 30)
            times.ours.append((time.perf_counter() - lost_at) * 1000)
            times.bare.append(await _bare_connection(config.market_hub_url, client.token.reveal()))
    return times


async def _bare_connection(url: str, token: str) -> float:
    began, answers = time.perf_counter(), 0
    where = url.replace("http", "ws", 1) + f"?access_token={token}"
    async with connect(where, compression=None, ping_interval=None, proxy=None) as socket:
        await socket.send('{"protocol":"json","version":1}\x1e')
        await socket.send(_calls())
        while answers < SYMBOLS:
            for record in (await socket.recv(decode=False)).split(_END)[:-1]:
                answers += msgspec.json.decode(record).get("type") == 3
        return (time.perf_counter() - began) * 1000


# --- the group --------------------------------------------------------------------------------------------------------


async def measure(counts: Counts, folder: Path) -> Group:
    """Rounds of client and floor in turn, the first of each warms up; then bursts; then drops."""
    ours, floor, stalls = list[float](), list[float](), list[float]()
    with child(("-m", "benchmarks.hub", str(counts.hub_events)), folder / "source.log") as source:
        port = int(source.wait_for("listening: ").rpartition(" ")[2])
        for number in range(-counts.warm_ups, counts.hub_rounds):
            rates = await _ours(port, "market", counts.hub_events), await _floor(port, counts.hub_events)
            if number >= 0:
                ours.append(rates[0])
                floor.append(rates[1])
        for _ in range(counts.hub_rounds):
            stalls.append(await _worst_lateness_ms(lambda: _ours(port, "burst", BURST)))
    with running_simulator(folder, "--market", "manual") as url:
        times = await _reconnects(url, counts.reconnects)
    return Group(
        key="hub",
        title="Hubs",
        how=HOW,
        figures=(_rate_figure(ours, floor), _stall(stalls), *_reconnect_figures(times)),
        raised=("a dropped connection counts as one that had proved itself: no pause before the next",),
    )


def _rate_figure(ours: list[float], floor: list[float]) -> Figure:
    ratio = median([mine / bare for mine, bare in zip(ours, floor, strict=True)])
    return Figure(
        name="socket → merged quote, events",
        value=median(ours),
        unit="/s",
        floor=median(floor),
        floor_name="`websockets` receive and msgspec decode alone",
        ratio=ratio,
        goal=f"≥ {GOAL:g}x",
        is_met=ratio >= GOAL,
        spread=(min(ours), max(ours)),
        samples=len(ours),
    )


def _stall(stalls: list[float]) -> Figure:
    return Figure(
        name=f"longest event-loop stall in a burst of {BURST:,} events at once",
        value=max(stalls),
        unit="ms",
        goal=f"< {STALL_GOAL_MS:.0f} ms",
        is_met=max(stalls) < STALL_GOAL_MS,
        samples=len(stalls),
    )


def _reconnect_figures(times: _Times) -> list[Figure]:
    return [
        at_most(
            f"reconnect: lost → {SYMBOLS} subscriptions confirmed, p{share}",
            percentile(times.ours, share),
            "ms",
            floor=percentile(times.bare, share),
            floor_name="bare connection, handshake and the same calls",
            spread=(min(times.ours), max(times.ours)),
            samples=len(times.ours),
        )
        for share in (50, 95)
    ]


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
