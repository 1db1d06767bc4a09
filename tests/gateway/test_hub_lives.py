"""When a connection counts as up, as lost and as proven, against servers that answer some calls and not others."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal

import msgspec
from websockets.asyncio.server import ServerConnection, serve

from desk.gateway import GatewayClient, HubPool, HubTimings, Kind, MarketFeed, UserFeed
from desk.gateway.subscriptions import Subscription
from desk.sim import SimServer

from .conftest import ACCOUNT, MNQ, count, until
from .test_hub import QUICK, SHAKEN, Log, OneToken

Answer = Callable[[ServerConnection, str], Awaitable[str | None]]
"""What a call of that name is answered with: the members of its completion, None for nothing at all."""
DONE = '"result":0'


def quote_of(members: str) -> str:
    times = '"lastUpdated":"2026-11-18T15:00:00.1234567+00:00"'
    return f'{{"type":1,"target":"GatewayQuote","arguments":["{MNQ}",{{{members},{times}}}]}}\x1e'


async def serve_calls(socket: ServerConnection, answer: Answer) -> None:
    await socket.send(SHAKEN)
    async for frame in socket:
        for record in str(frame).split("\x1e"):
            message = msgspec.json.decode(record) if record else {}
            if message.get("type") != 1:
                continue
            members = await answer(socket, message["target"])
            if members is not None:
                await socket.send('{"type":3,"invocationId":"' + message["invocationId"] + '",' + members + "}\x1e")


@asynccontextmanager
async def hub_of(
    lives: list[Answer], tokens: OneToken, timings: HubTimings = QUICK
) -> AsyncIterator[tuple[HubPool, str]]:
    """A server whose connections behave as listed, the later ones as the last; yields a pool and the hub's URL."""
    served = 0

    async def handle(socket: ServerConnection) -> None:
        nonlocal served
        served += 1
        await serve_calls(socket, lives[min(served, len(lives)) - 1])

    async with serve(handle, "127.0.0.1", 0) as server, HubPool(timings=timings) as pool:
        yield pool, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hubs/any"


async def test_who_joins_a_connection_that_is_up_hears_so_when_its_own_calls_are_answered() -> None:
    """What is read before the subscription stands misses what happens until then (reference 5.5, 4)."""
    answered, may_answer, log = list[str](), asyncio.Event(), Log()

    async def answer(socket: ServerConnection, target: str) -> str | None:
        await may_answer.wait()
        answered.append(target)
        return DONE

    tokens = OneToken()
    async with hub_of([answer], tokens) as (pool, url):
        connection = pool.connection(url, tokens)
        await connection.settled()
        user = UserFeed(pool, url, tokens, [ACCOUNT], watch=log.watch)
        heard_before = list(log.lines)
        may_answer.set()
        await user.settled()
        assert (heard_before, log.lines, len(answered)) == ([], ["up"], 4)
        late = Log()
        UserFeed(pool, url, tokens, [ACCOUNT], watch=late.watch)
        assert late.lines == ["up"], "all it wants is there already"


async def test_a_logout_is_a_loss_before_the_new_login_comes(sim: SimServer, client: GatewayClient) -> None:
    """While the login takes its time nothing is heard: what is known is stale from the logout on (reference 5.4)."""
    log = Log()
    async with HubPool(timings=QUICK) as pool:
        feed = UserFeed(pool, sim.user_hub_url, client.tokens, [ACCOUNT], watch=log.watch)
        await feed.settled()
        sim.faults.next("login").hangs()
        await sim.drop_hubs("user", "logout")
        await until(lambda: len(log.lines) > 1)
        assert log.lines[1] == "lost: GatewayLogout"
        await until(lambda: log.ups == 2)


async def test_what_a_connection_said_before_it_was_up_is_lost_with_it() -> None:
    """Quotes come as soon as theirs is answered: the next connection's must not be merged with them (reference 5.3)."""

    async def half(socket: ServerConnection, target: str) -> str | None:
        if target == "SubscribeContractQuotes":
            await socket.send(quote_of('"bestBid":1.25,"bestAsk":1.5'))
            return DONE
        await until(lambda: feed.quote(MNQ))
        await socket.close()
        return None

    async def whole(socket: ServerConnection, target: str) -> str | None:
        if target == "SubscribeContractQuotes":
            await socket.send(quote_of('"bestBid":2.25'))
        return DONE

    log, tokens = Log(), OneToken()
    async with hub_of([half, whole], tokens) as (pool, url):
        feed = MarketFeed(pool, url, tokens, watch=log.watch)
        await feed.subscribe(MNQ, [Kind.QUOTES, Kind.TRADES])
        await feed.settled()
        await until(lambda: (quote := feed.quote(MNQ)) and quote.bid == Decimal("2.25"))
        quote = feed.quote(MNQ)
        assert quote is not None
        assert quote.ask is None
        assert [line for line in log.lines if not line.startswith("waiting")] == ["lost: ConnectionClosedOK", "up"]


async def test_connections_that_never_come_up_wait_longer_and_bring_a_new_login_however_long_they_live() -> None:
    """A server that upgrades and then says nothing is no connection that proved itself (reference 5.5, 1 and 2)."""
    log, tokens = Log(), OneToken()
    timings = HubTimings(handshake_s=0.03, early_death_s=0.01, backoff_s=(0.0, 0.01, 0.02), look_every_s=0.01)

    async def mute(socket: ServerConnection) -> None:
        await socket.wait_closed()

    async with serve(mute, "127.0.0.1", 0) as server, HubPool(timings=timings) as pool:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hubs/market"
        feed = MarketFeed(pool, url, tokens, watch=log.watch)
        await until(lambda: feed.status.opened >= 6)
        assert feed.status.failures >= 5
        assert log.lines[:5] == ["waiting: no handshake within 0.03 s"] * 5
        assert tokens.replaced == 1


async def test_a_refusal_is_told_once_and_so_is_its_end() -> None:
    """Nothing of it is heard in between, and the connection stays up: whoever needs it has to read (reference 5.5, 3)."""
    told: list[dict[Subscription, str]] = []
    asked, log, tokens = Counter[str](), Log(), OneToken()

    async def answer(socket: ServerConnection, target: str) -> str | None:
        asked[target] += 1
        return '"error":"try later"' if target == "SubscribeOrders" and asked[target] < 4 else DONE

    async with hub_of([answer], tokens, replace(QUICK, refused_retry_s=0.02)) as (pool, url):
        watch = replace(log.watch, on_refused=lambda refused: told.append(dict(refused)))
        feed = UserFeed(pool, url, tokens, [ACCOUNT], watch=watch)
        await until(lambda: len(told) > 1)
        assert told == [{Subscription("Orders", ACCOUNT): "try later"}, {}]
        assert (log.lines, feed.status.active) == (["up"], 4)


async def test_a_hub_that_turns_every_token_away_costs_one_login(sim: SimServer, client: GatewayClient) -> None:
    """No data entitlement, for instance (reference 6.3): REST and the user hub go on with the token they have."""
    log = Log()
    sim.faults.refuse_hub("market", times=5, status=401)
    async with HubPool(timings=QUICK) as pool:
        feed = MarketFeed(pool, sim.market_hub_url, client.tokens, watch=log.watch)
        await feed.settled()
        assert log.lines == [*["waiting: HTTP 401 at the upgrade"] * 5, "up"]
        assert count(sim, "/api/Auth/loginKey") == 2
        sim.expire_tokens()
        await sim.drop_hubs("market")
        await until(lambda: log.ups == 2)
        assert count(sim, "/api/Auth/loginKey") == 3, "after it was open once a refusal is the token's again"
