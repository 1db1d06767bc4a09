"""Two ways out of a bracketed position: cancel the legs and close, or move the target to the market and let the OCO work."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.figures import Counts, Figure, Group, percentile
from benchmarks.processes import one_free_account, running_simulator, simulator_state
from desk.core.errors import GatewayError
from desk.core.ids import AccountId, ClientOrderId, ContractId
from desk.core.orders import OrderRequest
from desk.core.secret import Secret
from desk.core.words import OrderStatus, OrderType, Side, VenueOrder
from desk.gateway import GatewayClient, GatewayConfig, PacingConfig

__all__ = ["measure"]

ACCOUNT, MNQ = AccountId(21000001), ContractId("CON.F.US.MNQ.Z26")
PRICE, TICK = Decimal(21000), Decimal("0.25")
STOP_TICKS, TARGET_TICKS, COLLAR_TICKS = 80, 160, 20
RUN_TICKS = 30  # further than the collar
MANY = 1_000_000
LATENCY_MS = 50  # of every request: the gateway takes 50 to 200 (reference 6.5)
HOW = (
    f"One client against the simulator in its own process, every request takes {LATENCY_MS} ms; two contracts with stop and "
    "target. Cancel, then close: both cancels at once, one read of positions and orders, closeContract. Move the target: one "
    f"modify of the target's limit to {COLLAR_TICKS} ticks beyond the market, which fills it; the venue's OCO cancels the stop. "
    "Times are the simulator's own stamps: without a stop is from the stop's end to the fill, a lone stop from the fill to the "
    "stop's end. The reads that prove flat are the same for both and not counted."
)


@dataclass
class Ways:
    """What one way did in one case, over all rounds."""

    naked_ms: list[float]
    lone_ms: list[float]
    requests: list[int]
    left: int = 0  # rounds that were not flat when patience ended


Way = Callable[["_Bench"], Awaitable[None]]


async def measure(counts: Counts, folder: Path) -> Group:
    """Both ways in each case; the figures are of the plain case, what the others did stands in the notes."""
    figures, notes = list[Figure](), list[str]()
    with running_simulator(folder, "--market", "manual", *one_free_account(folder)) as url:
        free = PacingConfig(general_limit=MANY)
        config = GatewayConfig(url, f"{url}/hubs/user", f"{url}/hubs/market", "paper", Secret("paper"), pacing=free)
        async with GatewayClient(config) as client, aiohttp.ClientSession() as http:
            await client.login()
            bench = _Bench(url, client, http, counts.exit_patience_s)
            await bench.control("latency", dict.fromkeys(("cancel", "modify", "close"), LATENCY_MS))
            for case in ("plain", "the market runs", "in parts", "no target"):
                for name, way in (("cancel, then close", _close), ("move the target", _move)):
                    done = await bench.rounds(case, way, counts.exits if case == "plain" else max(1, counts.exits // 5))
                    if case == "plain":
                        figures += _figures(name, done)
                    notes.append(f"{case}; {name}: {_words(done)}.")
    return Group(
        key="exits",
        title="Two ways out",
        how=HOW,
        figures=tuple(figures),
        raised=("no rate windows", f"{LATENCY_MS} ms per write"),
        notes=tuple(notes),
    )


@dataclass
class _Bench:
    url: str
    client: GatewayClient
    http: aiohttp.ClientSession
    patience_s: float
    case: str = "plain"

    async def control(self, what: str, body: dict[str, Any]) -> None:
        async with self.http.post(f"{self.url}/sim/{what}", json=body) as reply:
            reply.raise_for_status()

    async def price(self, price: Decimal) -> None:
        await self.control("price", {"contractId": MNQ, "price": float(price)})

    async def legs(self) -> list[VenueOrder]:
        return await self.client.working_orders(ACCOUNT)

    async def rounds(self, case: str, way: Way, count: int) -> Ways:
        done, self.case = Ways([], [], []), case
        for _ in range(count):
            await self._round(way, done)
        return done

    async def _round(self, way: Way, done: Ways) -> None:
        await self.control("fills", {"partial": 0})
        await self.price(PRICE)
        entry = OrderRequest(
            client_order_id=ClientOrderId(uuid.uuid4().hex),
            account_id=ACCOUNT,
            contract_id=MNQ,
            type=OrderType.MARKET,
            side=Side.BUY,
            qty=2,
            stop_ticks=STOP_TICKS,
            target_ticks=None if self.case == "no target" else TARGET_TICKS,
        )
        await self.client.place(entry)
        wanted = 1 if self.case == "no target" else 2
        async with asyncio.timeout(10):
            while sum(leg.status is OrderStatus.OPEN for leg in await self.legs()) < wanted:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.02)
        await self.control("fills", {"partial": 1 if self.case == "in parts" else 0})
        before = len((await self.state())["requests"])
        began = asyncio.get_running_loop().time()
        await way(self)
        is_flat = await self._until_flat(began)
        state = await self.state()
        self._note(state, entry.client_order_id, before, done)
        done.left += not is_flat
        await self._clean_up()

    async def _until_flat(self, began: float) -> bool:
        while asyncio.get_running_loop().time() - began < self.patience_s:
            if not await self.client.positions(ACCOUNT):
                return True
            await asyncio.sleep(0.02)
        return False

    def _note(self, state: Any, tag: str, before: int, done: Ways) -> None:
        """From the simulator's stamps, the clock on which everything happened."""
        writes = [row for row in state["requests"][before:] if row["path"] in _WRITES]
        counted = [row for row in state["requests"][before:] if row["path"] in {*_WRITES, *_READS}]
        own = len(writes) + (2 if len(writes) > 1 else 0)
        done.requests.append(min(own, len(counted)))
        stop = next(order for order in state["orders"] if order["customTag"] == f"{tag}-SL")
        fills = [t for t in state["trades"] if t["profitAndLoss"] is not None]
        if not fills or stop["status"] not in {2, 3}:
            return
        out, gone = _time(fills[-1]["creationTimestamp"]), _time(stop["updateTimestamp"])
        done.naked_ms.append(max(0.0, (out - gone).total_seconds() * 1000))
        done.lone_ms.append(max(0.0, (gone - out).total_seconds() * 1000))

    async def _clean_up(self) -> None:
        await self.control("fills", {"partial": 0})
        for leg in await self.legs():
            await _quietly(self.client.cancel(ACCOUNT, leg.gateway_order_id))
        await _quietly(self.client.close_position(ACCOUNT, MNQ))
        async with asyncio.timeout(10):
            while await self.client.positions(ACCOUNT):  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.02)

    async def state(self) -> Any:
        return await asyncio.to_thread(simulator_state, self.url)


_WRITES = {"/api/Order/cancel", "/api/Order/modify", "/api/Position/closeContract"}
_READS = {"/api/Position/searchOpen", "/api/Order/v2/query"}


async def _close(bench: _Bench) -> None:
    legs = await bench.legs()
    await _run(bench)
    await asyncio.gather(*(_quietly(bench.client.cancel(ACCOUNT, leg.gateway_order_id)) for leg in legs))
    await asyncio.gather(bench.client.positions(ACCOUNT), bench.legs())
    await _quietly(bench.client.close_position(ACCOUNT, MNQ))


async def _move(bench: _Bench) -> None:
    targets = [leg for leg in await bench.legs() if leg.type is OrderType.LIMIT]
    await _run(bench)
    price = PRICE - COLLAR_TICKS * TICK
    for target in targets:
        await _quietly(bench.client.modify(ACCOUNT, target.gateway_order_id, limit_price=price))


async def _run(bench: _Bench) -> None:
    """The market is elsewhere by the time the request arrives."""
    if bench.case == "the market runs":
        await bench.price(PRICE - RUN_TICKS * TICK)


async def _quietly(work: Awaitable[object]) -> None:
    try:
        await work
    except GatewayError:
        pass  # the order was gone already: what counts is how it ended


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _figures(name: str, done: Ways) -> list[Figure]:
    rows = (("without a stop, p50", done.naked_ms), ("a lone stop, p50", done.lone_ms))
    found = [
        Figure(
            name=f"{name}: {what}",
            value=percentile(values, 50),
            unit="ms",
            spread=(min(values), max(values)),
            samples=len(values),
        )
        for what, values in rows
        if values
    ]
    count = max(done.requests)
    asked = Figure(
        name=f"{name}: requests",
        value=count,
        unit="requests",
        floor=1,
        floor_name="one request",
        ratio=count,
    )
    return [asked, *found]


def _words(done: Ways) -> str:
    rounds = len(done.requests)
    naked = f"{max(done.naked_ms):.0f} ms without a stop at most" if done.naked_ms else "the stop was still there"
    lone = f", a lone stop for {max(done.lone_ms):.0f} ms" if any(done.lone_ms) else ""
    return f"{rounds - done.left} of {rounds} flat in time, {naked}{lone}, {max(done.requests)} requests"
