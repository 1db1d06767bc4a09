"""A simulator that stands still, a raw REST caller, and raw hubs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import aiohttp
import pytest
from websockets.asyncio.client import connect

from desk.sim import SimConfig, SimServer

from .raw import RawHub, Rest


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
