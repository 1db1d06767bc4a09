"""Hub connections against the simulated gateway, and against a bare server where it must misbehave."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from websockets.asyncio.server import ServerConnection, serve

from desk.core.errors import ProtocolError
from desk.core.ids import AccountId
from desk.core.secret import Secret
from desk.core.words import Account, Fill, OrderStatus, Quote, VenueOrder, VenuePosition
from desk.gateway import FeedWatch, GatewayClient, HubPool, HubTimings, Kind, MarketFeed, UserFeed
from desk.market import DepthRow, MarketTrade
from desk.sim import SimConfig, SimServer

from .conftest import ACCOUNT, MNQ, PRICE, Sleeper, config_of, count, market, until

QUICK = HubTimings(backoff_s=(0.0, 0.01, 0.02), early_death_s=0.05, connect_s=2, handshake_s=2, invoke_s=2)
LOGIN = "/api/Auth/loginKey"


class Log:
    """What a feed said about its connection, in order."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.bad: list[ProtocolError] = []
        self.watch = FeedWatch(
            on_up=lambda: self.lines.append("up"),
            on_lost=lambda reason: self.lines.append(f"lost: {reason}"),
            on_waiting=lambda reason, wait_s: self.lines.append(f"waiting: {reason}"),
            on_bad_event=self.bad.append,
        )

    @property
    def ups(self) -> int:
        return self.lines.count("up")


@asynccontextmanager
async def market_feed(
    sim: SimServer, client: GatewayClient, timings: HubTimings = QUICK, **callbacks: Any
) -> AsyncIterator[tuple[MarketFeed, Log]]:
    log = Log()
    async with HubPool(timings=timings) as pool:
        feed = MarketFeed(pool, sim.market_hub_url, client.tokens, watch=log.watch, **callbacks)
        await feed.subscribe(MNQ)
        await feed.settled()
        yield feed, log


def subscribed(sim: SimServer, hub: str = "market") -> list[set[Any]]:
    return [one.subscriptions for one in sim.connections(hub)]


BOTH = {("quote", MNQ), ("trade", MNQ)}


async def test_quotes_prints_and_depth_arrive_as_core_words(sim: SimServer, client: GatewayClient) -> None:
    quotes, trades, depth = list[Quote](), list[MarketTrade](), list[DepthRow]()
    callbacks = {"on_quote": quotes.append, "on_trade": trades.append, "on_depth": depth.append}
    async with market_feed(sim, client, **callbacks) as (feed, _):
        await feed.subscribe(MNQ, [Kind.DEPTH])
        await feed.settled()
        sim.set_price(MNQ, PRICE + 2)
        await until(lambda: quotes and quotes[-1].last == PRICE + 2)
        assert trades[-1].price == PRICE + 2
        assert feed.quote(MNQ) == quotes[-1]
        assert quotes[-1].bid == PRICE + 2
        assert feed.last_data_at is not None
        await feed.unsubscribe(MNQ, [Kind.QUOTES])
        await feed.settled()
        assert subscribed(sim) == [{("trade", MNQ), ("depth", MNQ)}]
        assert feed.quote(MNQ) is None


async def test_the_user_hub_tells_of_orders_positions_fills_and_balance_of_the_wanted_account_only(
    sim: SimServer, client: GatewayClient
) -> None:
    orders, positions, fills, accounts = list[VenueOrder](), list[VenuePosition](), list[Fill](), list[Account]()
    async with HubPool(timings=QUICK) as pool:
        feed = UserFeed(
            pool,
            sim.user_hub_url,
            client.tokens,
            [ACCOUNT],
            on_order=orders.append,
            on_position=positions.append,
            on_fill=fills.append,
            on_account=accounts.append,
        )
        await feed.settled()
        sim.set_account(21000002, balance=Decimal(1))
        await client.place(market(stop_ticks=40, target_ticks=80))
        await client.close_position(ACCOUNT, MNQ)
        await until(lambda: len(fills) == 2 and positions[-1].qty == 0 and accounts)
        assert {account.account_id for account in accounts} == {ACCOUNT}
        assert (OrderStatus.FILLED, "dsk-1") in {(order.status, order.tag) for order in orders}
        assert {"dsk-1-SL", "dsk-1-TP"} <= {order.tag for order in orders}
        assert [position.qty for position in positions] == [1, 0]


@pytest.mark.parametrize("how", ["abort", "close", "logout"])
async def test_after_every_drop_the_subscriptions_are_made_again(
    sim: SimServer, client: GatewayClient, how: str
) -> None:
    async with market_feed(sim, client) as (feed, log):
        for round_ in range(3):
            await sim.drop_hubs("market", how)
            await until(lambda: log.ups == round_ + 2)  # noqa: B023 - awaited here
            await feed.settled()
            assert subscribed(sim) == [BOTH]
        assert [line.partition(":")[0] for line in log.lines if line[0] != "w"] == ["up", *["lost", "up"] * 3]
        assert sim.connections_opened("market") == 4


async def test_nothing_of_before_a_gap_is_left_in_the_quotes(sim: SimServer, client: GatewayClient) -> None:
    seen_at_loss: list[Quote | None] = []
    async with market_feed(sim, client) as (feed, log):
        await until(lambda: feed.quote(MNQ))
        feed._watch = FeedWatch(on_lost=lambda _: seen_at_loss.append(feed.quote(MNQ)), on_up=log.watch.on_up)
        await sim.drop_hubs("market")
        await until(lambda: log.ups == 2)
        assert seen_at_loss == [None]


async def test_a_connection_comes_back_after_its_token_ended(sim: SimServer, client: GatewayClient) -> None:
    async with market_feed(sim, client) as (feed, log):
        sim.expire_tokens()
        await sim.drop_hubs("market")
        await until(lambda: log.ups == 2)
        assert count(sim, LOGIN) == 2
        assert "lost" in log.lines[1]
        await feed.settled()


async def test_a_logout_of_both_hubs_costs_one_login_each_time(sim: SimServer, client: GatewayClient) -> None:
    async with market_feed(sim, client) as (feed, log):
        await sim.drop_hubs("market", "logout")
        await until(lambda: log.ups == 2)
        assert feed.status.logouts == 1
        assert not feed.status.is_contested
        assert count(sim, LOGIN) == 2


async def test_a_refused_upgrade_is_tried_again_for_as_long_as_it_takes(sim: SimServer, client: GatewayClient) -> None:
    sim.faults.refuse_hub("market", times=12, status=503)
    async with market_feed(sim, client) as (feed, log):
        assert log.lines.count("waiting: HTTP 503 at the upgrade") == 12
        assert log.ups == 1
        assert feed.status.failures == 12
        assert count(sim, LOGIN) == 1, "nothing was opened, so nothing is wrong with the session"


async def test_five_connections_that_die_young_bring_a_new_login(sim: SimServer, client: GatewayClient) -> None:
    timings = HubTimings(backoff_s=(0.0,), early_death_s=60)
    async with market_feed(sim, client, timings) as (_, log):
        for round_ in range(5):
            assert count(sim, LOGIN) == 1
            await sim.drop_hubs("market")
            await until(lambda: log.ups == round_ + 2)  # noqa: B023 - awaited here
        assert count(sim, LOGIN) == 2


async def test_a_refused_subscription_is_named_and_does_not_stop_the_others(
    sim: SimServer, client: GatewayClient
) -> None:
    async with HubPool(timings=QUICK) as pool:
        feed = UserFeed(pool, sim.user_hub_url, client.tokens, [ACCOUNT, AccountId(1)])
        await feed.settled()
        status = feed.status
        assert (status.is_up, status.active, len(status.refused)) == (True, 4, 3)
        assert all("Account not found" in words for words in status.refused.values())


async def test_pings_keep_a_quiet_connection_alive() -> None:
    config = SimConfig(market="manual", hub_idle_s=0.3, hub_ping_s=0.1)
    timings = HubTimings(ping_after_s=0.1, dead_after_s=0.4, backoff_s=(0.0,))
    async with SimServer(config) as sim, GatewayClient(config_of(sim)) as client, HubPool(timings=timings) as pool:
        feed = UserFeed(pool, sim.user_hub_url, client.tokens, [ACCOUNT])
        await feed.settled()
        (connection,) = sim.connections("user")
        await until(lambda: connection.last_heard - connection.opened > 0.7)
        assert feed.is_up
        assert sim.connections_opened("user") == 1


async def test_a_connection_without_a_byte_is_given_up(sim: SimServer, client: GatewayClient) -> None:
    timings = HubTimings(dead_after_s=0.2, backoff_s=(0.0,))
    log = Log()
    async with HubPool(timings=timings) as pool:
        UserFeed(pool, sim.user_hub_url, client.tokens, [ACCOUNT], watch=log.watch)
        await until(lambda: log.ups == 2)
    assert log.lines[1] == "lost: nothing heard for 0.2 s"


@pytest.mark.parametrize(("slept_s", "ups"), [(20.0, 1), (3600.0, 2)])
async def test_after_a_sleep_no_connection_is_believed(
    sim: SimServer, client: GatewayClient, slept_s: float, ups: int
) -> None:
    """Cause: what had happened meanwhile was unknown for up to 30 s, and alerts were decided on it."""
    log, clock = Log(), Sleeper()
    timings = replace(QUICK, look_every_s=0.02)
    async with HubPool(timings=timings, clock=clock) as pool:
        feed = MarketFeed(pool, sim.market_hub_url, client.tokens, watch=log.watch)
        await feed.subscribe(MNQ)
        await feed.settled()
        clock.slept_s = slept_s
        await until(lambda: log.ups == ups)
        asked = clock.asked
        await until(lambda: clock.asked > asked + 10)
        assert log.ups == ups, "once, and not at every look"
        lost = [line for line in log.lines if line.startswith("lost: ")]
        assert lost == ["lost: this computer slept for 3600 s, or its clock was set"] * (ups - 1)


async def test_a_silent_feed_is_rebuilt_on_request(sim: SimServer, client: GatewayClient) -> None:
    async with market_feed(sim, client) as (feed, log):
        feed.restart("no quote for 20 s")
        await until(lambda: log.ups == 2)
        assert log.lines[1] == "lost: no quote for 20 s"


async def test_a_connection_is_rotated_before_its_token_ends(sim: SimServer, client: GatewayClient) -> None:
    timings = HubTimings(rotate_after_s=0.15, early_death_s=0.05, backoff_s=(0.0,))
    async with market_feed(sim, client, timings) as (_, log):
        await until(lambda: log.ups == 2)
        assert "rotated" in log.lines[1]


async def test_the_token_of_the_url_shows_nowhere(
    sim: SimServer, client: GatewayClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    sim.faults.refuse_hub("market", times=2, status=503)
    async with market_feed(sim, client) as (feed, log):
        await sim.drop_hubs("market")
        await until(lambda: log.ups == 2)
        seen = [repr(feed.status), *log.lines, *(record.getMessage() for record in caplog.records)]
    assert not [text for text in seen if client.token.reveal() in text or "access_token" in text]


# --- a server that misbehaves -----------------------------------------------------------------------------------------


class OneToken:
    """A login that always works; counts the tokens that were called bad."""

    name = "paper"
    expires_at = None

    def __init__(self) -> None:
        self.replaced = 0

    async def current(self) -> Secret:
        return Secret("t")

    async def replace(self, rejected: Secret) -> Secret:
        self.reject(rejected)
        return Secret("t")

    def reject(self, rejected: Secret) -> None:
        self.replaced += 1


Behaviour = Callable[[ServerConnection], Awaitable[None]]
SHAKEN = "{}\x1e"


async def completions(socket: ServerConnection) -> None:
    """Accept the handshake and every call."""
    await socket.send(SHAKEN)
    async for frame in socket:
        for record in str(frame).split("\x1e"):
            message = msgspec.json.decode(record) if record else {}
            if message.get("type") == 1:
                await socket.send('{"type":3,"invocationId":"' + message["invocationId"] + '","result":null}\x1e')


async def ends_after(behaviour: Behaviour, timings: HubTimings = QUICK) -> tuple[Log, MarketFeed]:
    """Serve with this behaviour first and well afterwards; return when the feed is up."""
    served = 0

    async def handle(socket: ServerConnection) -> None:
        nonlocal served
        served += 1
        await (behaviour if served == 1 else completions)(socket)

    log = Log()
    async with serve(handle, "127.0.0.1", 0) as server, HubPool(timings=timings) as pool:
        port = server.sockets[0].getsockname()[1]
        feed = MarketFeed(pool, f"http://127.0.0.1:{port}/hubs/market", OneToken(), watch=log.watch)
        await feed.subscribe(MNQ)
        await until(lambda: served > 1 and feed.is_up)
        return log, feed


async def say(socket: ServerConnection, text: str) -> None:
    await socket.send(text)
    await socket.wait_closed()


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        ('{"error":"Requested protocol version 0."}\x1e', "handshake refused: Requested protocol version 0."),
        (SHAKEN + "junk\x1e", "not a hub message"),
        ("<html>\x1e", "not a hub handshake"),
        (SHAKEN + '{"type":7,"error":"bye","allowReconnect":true}\x1e', "closed by the server: bye"),
        (SHAKEN + '{"type":1,"target":"gatewaylogout","arguments":[]}\x1e', "GatewayLogout"),
    ],
)
async def test_whatever_a_server_says_wrong_ends_the_connection_and_not_the_feed(texts: str, reason: str) -> None:
    log, _ = await ends_after(lambda socket: say(socket, texts))
    assert log.lines[0].startswith(f"waiting: {reason}")


async def test_a_missing_handshake_or_completion_ends_the_connection() -> None:
    timings = HubTimings(handshake_s=0.1, invoke_s=0.1, backoff_s=(0.0, 0.01))
    log, _ = await ends_after(lambda socket: socket.wait_closed(), timings)
    assert log.lines[0] == "waiting: no handshake within 0.1 s"
    log, _ = await ends_after(lambda socket: say(socket, SHAKEN), timings)
    assert log.lines[0] == "waiting: a subscription was not answered within 0.1 s"


async def test_an_event_that_nobody_understands_is_reported_and_the_next_one_is_read() -> None:
    quotes: list[Quote] = []
    log = Log()

    async def handle(socket: ServerConnection) -> None:
        await socket.send(SHAKEN)
        await socket.recv()
        for payload in ("null", '{"lastUpdated":"x"}', '{"lastUpdated":"2026-08-19T20:51:31Z","bestBid":1.5}'):
            await socket.send('{"type":1,"target":"GatewayQuote","arguments":["' + MNQ + '",' + payload + "]}\x1e")
        await socket.send('{"type":1,"target":"GatewayNews","arguments":[]}\x1e')
        await socket.wait_closed()

    async with serve(handle, "127.0.0.1", 0) as server, HubPool(timings=QUICK) as pool:
        port = server.sockets[0].getsockname()[1]
        url = f"http://127.0.0.1:{port}/hubs/market"
        feed = MarketFeed(pool, url, OneToken(), on_quote=quotes.append, watch=log.watch)
        await feed.subscribe(MNQ)
        await until(lambda: quotes)
        assert (quotes[0].bid, len(log.bad), feed.status.bad_events) == (Decimal("1.5"), 2, 2)


async def test_a_bug_in_a_callback_ends_the_pool_instead_of_being_swallowed(
    sim: SimServer, client: GatewayClient
) -> None:
    def on_quote(quote: Quote) -> None:
        raise ZeroDivisionError(quote.contract_id)

    async def listen() -> None:
        async with HubPool(timings=QUICK) as pool:
            feed = MarketFeed(pool, sim.market_hub_url, client.tokens, on_quote=on_quote)
            await feed.subscribe(MNQ)
            await asyncio.Event().wait()

    with pytest.raises(BaseExceptionGroup) as caught:
        await listen()
    assert caught.group_contains(ZeroDivisionError)


async def test_what_the_callers_block_raises_comes_out_as_it_was(sim: SimServer, client: GatewayClient) -> None:
    async def fail() -> None:
        async with HubPool(timings=QUICK) as pool:
            MarketFeed(pool, sim.market_hub_url, client.tokens)
            raise KeyError("mine")

    with pytest.raises(KeyError):
        await fail()
