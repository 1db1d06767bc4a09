"""Simulators that stand still, raw REST callers, and raw hubs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import aiohttp
import pytest
from websockets.asyncio.client import connect

from desk.sim import SimConfig, SimServer

from .raw import MNQ, RawHub, Rest

NOW = datetime(2026, 11, 18, 15, tzinfo=UTC)


@pytest.fixture
async def sim() -> AsyncIterator[SimServer]:
    """A manual market in which everything happens at once."""
    async with SimServer(SimConfig(market="manual", fill_delay_ms=0)) as server:
        yield server


@pytest.fixture
async def rest(sim: SimServer) -> AsyncIterator[Rest]:
    """Logged in."""
    async with aiohttp.ClientSession() as session:
        caller = Rest(session, sim.url)
        await caller.login()
        yield caller


@pytest.fixture
async def open_hub(sim: SimServer, rest: Rest) -> AsyncIterator[Callable[[str], Awaitable[RawHub]]]:
    """Opens a hub and shakes hands; all are closed after the test."""
    async with AsyncExitStack() as stack:

        async def opened(hub: str) -> RawHub:
            url = f"{sim.url.replace('http', 'ws')}/hubs/{hub}?access_token={rest.token}"
            raw = RawHub(await stack.enter_async_context(connect(url, close_timeout=0.5)))
            await raw.shake_hands()
            return raw

        yield opened


@pytest.fixture
async def opened() -> AsyncIterator[Callable[..., Awaitable[tuple[SimServer, Rest]]]]:
    """Opens a simulator that stands still on 18 November 2026 with some options, logged in."""
    async with AsyncExitStack() as stack:

        async def open_one(**options: Any) -> tuple[SimServer, Rest]:
            settings: dict[str, Any] = {
                "market": "manual",
                "fill_delay_ms": 0,
                "feed_interval_s": 60,
                "clock": lambda: NOW,
            }
            sim = await stack.enter_async_context(SimServer(SimConfig(**settings | options)))
            rest = Rest(await stack.enter_async_context(aiohttp.ClientSession()), sim.url)
            await rest.login()
            sim.set_price(MNQ, Decimal(30000))
            return sim, rest

        yield open_one
