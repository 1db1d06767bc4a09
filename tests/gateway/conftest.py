"""A simulated gateway and a logged-in client of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from desk.core.ids import AccountId, ClientOrderId, ContractId
from desk.core.orders import OrderRequest
from desk.core.secret import Secret
from desk.core.words import OrderType, Side
from desk.gateway import GatewayClient, GatewayConfig
from desk.gateway.config import SystemClock
from desk.sim import SimConfig, SimServer

ACCOUNT = AccountId(21000001)
MNQ = ContractId("CON.F.US.MNQ.Z26")
PRICE = Decimal(29500)


def config_of(sim: SimServer, **changes: Any) -> GatewayConfig:
    fields = {"username": "paper", "api_key": Secret("paper"), "timeout_s": 5.0, **changes}
    return GatewayConfig(sim.url, sim.user_hub_url, sim.market_hub_url, **fields)


def market(side: Side = Side.BUY, tag: str = "dsk-1", **more: Any) -> OrderRequest:
    fields = {"type": OrderType.MARKET, "qty": 1, **more}
    return OrderRequest(client_order_id=ClientOrderId(tag), account_id=ACCOUNT, contract_id=MNQ, side=side, **fields)


def count(sim: SimServer, path: str) -> int:
    return sum(row.path == path for row in sim.requests)


class Sleeper(SystemClock):
    """Monotonic time stands still while a computer sleeps, and every connection looks as young as before."""

    slept_s, asked = 0.0, 0

    def now(self) -> datetime:
        self.asked += 1
        return datetime.now(UTC) + timedelta(seconds=self.slept_s)


async def until(claim: Callable[[], object], timeout_s: float = 10.0) -> None:
    """Wait for something that another task or the simulator does."""
    async with asyncio.timeout(timeout_s):
        while not claim():  # noqa: ASYNC110 - what is waited for has no event of its own
            await asyncio.sleep(0.005)


@pytest.fixture
async def sim() -> AsyncIterator[SimServer]:
    async with SimServer(SimConfig(market="manual", fill_delay_ms=0, feed_interval_s=0.02)) as server:
        yield server


@pytest.fixture
async def client(sim: SimServer) -> AsyncIterator[GatewayClient]:
    async with GatewayClient(config_of(sim)) as gateway:
        await gateway.login()
        sim.set_price(MNQ, PRICE)
        yield gateway
