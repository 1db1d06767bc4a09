"""One connection per hub and login, whatever is subscribed through it; counted by the server, over real sockets."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import NamedTuple

import pytest

from desk.core.errors import ConfigError
from desk.core.ids import AccountId, ContractId
from desk.core.secret import Secret
from desk.gateway import (
    GatewayClient,
    GatewayConfig,
    HubPool,
    HubTimings,
    Kind,
    MarketFeed,
    PoolFull,
    UserFeed,
)
from desk.sim import SimConfig, SimServer

SERVER_KINDS = {Kind.QUOTES: "quote", Kind.TRADES: "trade", Kind.DEPTH: "depth"}


class World(NamedTuple):
    sim: SimServer
    client: GatewayClient
    pool: HubPool
    contracts: list[ContractId]

    def feed(self) -> MarketFeed:
        return MarketFeed(self.pool, self.sim.market_hub_url, self.client.tokens)

    def server_side(self) -> list[set[tuple[str, ContractId]]]:
        """The subscriptions of each open market connection, as the server keeps them."""
        return [one.subscriptions for one in self.sim.connections("market")]  # type: ignore[misc]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with SimServer(SimConfig(market="manual", feed_interval_s=0.05)) as sim:
        config = GatewayConfig(sim.url, sim.user_hub_url, sim.market_hub_url, "paper", Secret("paper"))
        timings = HubTimings(backoff_s=(0.0, 0.02, 0.05))
        async with GatewayClient(config) as client, HubPool(max_size=2, timings=timings) as pool:
            await client.login()
            contracts = [contract.contract_id for contract in await client.contracts()]
            yield World(sim, client, pool, contracts)


async def test_the_pool_starts_empty_and_opens_a_connection_on_first_use(world: World) -> None:
    assert (world.pool.size, world.pool.statuses, world.sim.connections_opened("market")) == (0, {}, 0)
    await world.feed().settled()
    assert (world.pool.size, world.sim.connections_opened("market")) == (1, 1)
    (status,) = world.pool.statuses.values()
    assert status.is_up


@pytest.mark.parametrize("size", [1, 5, 40])
async def test_the_size_is_configurable(size: int) -> None:
    async with HubPool(max_size=size) as pool:
        assert pool.max_size == size


@pytest.mark.parametrize("size", [0, -1])
def test_a_size_without_room_for_a_connection_is_refused_by_its_setting(size: int) -> None:
    with pytest.raises(ConfigError, match="WEBSOCKET_POOL_MAX_SIZE"):
        HubPool(max_size=size)


async def test_one_connection_is_reused_for_many_symbols(world: World) -> None:
    feed = world.feed()
    for contract_id in world.contracts[:4]:
        await feed.subscribe(contract_id)
        await feed.settled()
    assert world.sim.connections_opened("market") == 1
    assert {contract_id for _, contract_id in world.server_side()[0]} == set(world.contracts[:4])


async def test_no_new_connection_is_made_while_one_is_connected(world: World) -> None:
    feeds = [world.feed() for _ in range(5)]
    await asyncio.gather(*(feed.settled() for feed in feeds))
    assert len({id(feed.connection) for feed in feeds}) == 1
    assert (world.pool.size, world.sim.connections_opened("market")) == (1, 1)


async def test_subscribed_symbols_are_tracked(world: World) -> None:
    feed, (first, second) = world.feed(), world.contracts[:2]
    await feed.subscribe(first)
    await feed.subscribe(first)
    await feed.subscribe(second, [Kind.QUOTES])
    assert feed.subscribed == {first, second}
    await feed.unsubscribe(first)
    assert feed.subscribed == {first, second}, "somebody else still wants the first"
    await feed.unsubscribe(first)
    await feed.settled()
    assert (feed.subscribed, feed.pending) == ({second}, frozenset())
    assert world.server_side() == [{("quote", second)}]


async def test_what_is_asked_for_while_disconnected_waits_and_is_served_on_connect(world: World) -> None:
    world.sim.faults.refuse_hub("market", times=3)
    feed, wanted = world.feed(), set(world.contracts[:3])
    for contract_id in wanted:
        await feed.subscribe(contract_id, [Kind.QUOTES])
    assert (feed.is_up, feed.pending, world.server_side()) == (False, wanted, [])
    await feed.settled()
    assert feed.pending == frozenset()
    assert world.server_side() == [{("quote", contract_id) for contract_id in wanted}]


async def test_ten_symbols_cost_one_connection(world: World) -> None:
    feed = world.feed()
    await asyncio.gather(*(feed.subscribe(contract_id) for contract_id in world.contracts[:10]))
    await feed.settled()
    assert world.sim.connections_opened("market") == 1
    assert len({contract_id for _, contract_id in world.server_side()[0]}) == 10


async def test_fifty_tasks_subscribing_and_unsubscribing_at_random_leave_exactly_the_wanted_subscriptions(
    world: World,
) -> None:
    """Each task keeps its own books; a hub drop in the middle must not matter either."""
    dice = random.Random(50)
    feed, wanted = world.feed(), Counter[tuple[Kind, ContractId]]()

    async def one_subscriber(number: int) -> None:
        mine: list[tuple[Kind, ContractId]] = []
        for _ in range(20):
            if mine and dice.random() < 0.55:
                kind, contract_id = mine.pop(dice.randrange(len(mine)))
                await feed.unsubscribe(contract_id, [kind])
            else:
                kind, contract_id = dice.choice(list(Kind)), dice.choice(world.contracts[:12])
                mine.append((kind, contract_id))
                await feed.subscribe(contract_id, [kind])
            await asyncio.sleep(dice.random() * 0.01)
            if number == 0 and len(mine) == 2:
                await world.sim.drop_hubs("market")
        wanted.update(mine)

    async with asyncio.TaskGroup() as group:
        for number in range(50):
            group.create_task(one_subscriber(number))
    await feed.settled()
    assert world.server_side() == [{(SERVER_KINDS[kind], contract_id) for kind, contract_id in wanted}]
    assert feed.subscribed == {contract_id for _, contract_id in wanted}


async def test_beyond_the_maximum_size_the_error_names_the_setting(world: World) -> None:
    feed = world.feed()
    UserFeed(world.pool, world.sim.user_hub_url, world.client.tokens, [AccountId(21000001)])
    with pytest.raises(PoolFull, match="WEBSOCKET_POOL_MAX_SIZE=2") as caught:
        MarketFeed(world.pool, world.sim.market_hub_url + "/third", world.client.tokens)
    assert world.sim.market_hub_url in str(caught.value)
    await feed.settled()
    assert world.pool.size == 2, "those that were open stay"
    assert world.feed().connection is feed.connection, "and are still shared"


async def test_closing_the_pool_closes_its_connections() -> None:
    async with SimServer(SimConfig(market="manual")) as sim:
        config = GatewayConfig(sim.url, sim.user_hub_url, sim.market_hub_url, "paper", Secret("paper"))
        async with GatewayClient(config) as client:
            async with HubPool() as pool:
                feed = MarketFeed(pool, sim.market_hub_url, client.tokens)
                await feed.settled()
                started = datetime.now(UTC)
            assert (datetime.now(UTC) - started).total_seconds() < 1
            async with asyncio.timeout(5):
                while sim.connections("market"):  # noqa: ASYNC110 - the server has no event for it
                    await asyncio.sleep(0.005)
