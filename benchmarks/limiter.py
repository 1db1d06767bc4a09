"""How long orders wait in the client's own limiter while a storm of reads uses up every window."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.figures import Counts, Figure, Group, percentile
from benchmarks.processes import child, simulator_state
from desk.core.errors import GatewayError
from desk.core.ids import AccountId, ClientOrderId, ContractId, GatewayOrderId
from desk.core.orders import OrderRequest
from desk.core.secret import Secret
from desk.core.timeframe import BarUnit
from desk.core.words import OrderType, Side
from desk.gateway import GatewayClient, GatewayConfig, Lane, PacingConfig, RequestDone
from desk.gateway.config import SystemClock
from desk.gateway.pacing import Limiter

__all__ = ["measure"]

HISTORY, READS, ENTRIES, EXITS = 300, 300, 10, 20
GOAL_MS = 5.0
ACCOUNT, MNQ = AccountId(21000001), ContractId("CON.F.US.MNQ.Z26")
END = datetime(2026, 11, 18, 15, tzinfo=UTC)
HOW = (
    f"{HISTORY} different history requests and {READS} position reads are asked for at once, through one client with the default "
    "budgets, at a simulator in its own process that enforces the true ones (200 in 60 s, 50 in 30 s, sliding). While they "
    f"queue, {ENTRIES} entries and {EXITS} cancels go out one after the other; the figure is what each of them waited in the "
    "limiter. The floor is the same limiter with nobody else in it."
)


async def measure(counts: Counts, folder: Path) -> Group:
    """Each storm with a gateway and a client of its own, for the windows are a minute long."""
    entries, exits, refused, asked = list[float](), list[float](), 0, 0
    for number in range(counts.storms):
        with child(
            ("-m", "desk.sim", "--port", "0"), folder / f"sim-{number}.log", by_closing_input=False
        ) as simulator:
            url = simulator.wait_for("simulated ProjectX gateway: ").rpartition(" ")[2]
            simulator.wait_for("Ctrl-C ends it")
            done = await _storm(url)
            state = await asyncio.to_thread(simulator_state, url)
        entries += [one.waited_s * 1000 for one in done if one.lane is Lane.PLACE]
        exits += [one.waited_s * 1000 for one in done if one.lane is Lane.EXIT and one.path.endswith("cancel")]
        refused += sum(row["status"] == 429 for row in state["requests"])
        asked += len(state["requests"])
    idle = await _idle()
    return Group(
        key="limiter",
        title="Limiter",
        how=HOW,
        figures=(
            _waits("an entry's wait, p99", entries, idle),
            _waits("a cancel's wait, p99", exits, idle),
            Figure(
                name="requests of our own that met a 429",
                value=refused,
                unit=f"of {asked:,}",
                goal="= 0",
                is_met=refused == 0,
                samples=asked,
            ),
        ),
    )


async def _storm(url: str) -> list[RequestDone]:
    done: list[RequestDone] = []
    config = GatewayConfig(url, f"{url}/hubs/user", f"{url}/hubs/market", "paper", Secret("paper"))
    async with GatewayClient(config, on_request=done.append) as client:
        await client.login()
        storm = [asyncio.create_task(_quietly(_history(client, number))) for number in range(HISTORY)]
        storm += [asyncio.create_task(_quietly(client.positions(ACCOUNT))) for _ in range(READS)]
        await asyncio.sleep(0.2)
        for number in range(EXITS):
            await _quietly(client.cancel(ACCOUNT, GatewayOrderId(7)))
            if number < ENTRIES:
                await _quietly(client.place(_order(number)))
            await asyncio.sleep(0.02)
        for task in storm:
            task.cancel()
        await asyncio.wait(storm)
    return done


async def _quietly(work: object) -> None:
    try:
        await work  # type: ignore[misc] # a coroutine of any result
    except GatewayError:
        pass  # refused, or kept back: neither is what is measured


async def _history(client: GatewayClient, number: int) -> None:
    await client.bars(MNQ, BarUnit.M, 1, END - timedelta(minutes=10 + number), END, 5)


def _order(number: int) -> OrderRequest:
    return OrderRequest(
        client_order_id=ClientOrderId(f"bench-{number}"),
        account_id=ACCOUNT,
        contract_id=MNQ,
        side=Side.BUY,
        type=OrderType.MARKET,
        qty=1,
    )


async def _idle() -> list[float]:
    limiter, waits = Limiter(PacingConfig(), SystemClock()), []
    for _ in range(100):
        asked = time.monotonic()
        async with limiter.slot(Lane.PLACE, 5.0):
            waits.append((time.monotonic() - asked) * 1000)
    return waits


def _waits(name: str, waits: list[float], idle: list[float]) -> Figure:
    value, floor = percentile(waits, 99), percentile(idle, 99)
    return Figure(
        name=name,
        value=value,
        unit="ms",
        floor=floor,
        floor_name="the limiter with nobody else in it",
        ratio=value / floor,
        goal=f"< {GOAL_MS:g} ms",
        is_met=value < GOAL_MS,
        spread=(min(waits), max(waits)),
        samples=len(waits),
    )
