"""Both hubs, frame by frame (reference 5)."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from decimal import Decimal

import aiohttp
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from desk.sim import SimConfig, SimServer

from .raw import COMBINE, END, PRACTICE, RawHub, Rest

OpenHub = Callable[[str], Awaitable[RawHub]]


def contract_of(sim: SimServer) -> str:
    return next(row.id for row in sim.contracts if row.symbol_id == "F.US.MNQ")


def ws_url(sim: SimServer, hub: str, token: str | None) -> str:
    return f"{sim.url.replace('http', 'ws')}/hubs/{hub}" + (f"?access_token={token}" if token else "")


async def test_the_upgrade_asks_for_a_token(sim: SimServer, rest: Rest) -> None:
    """Reference 5.1."""
    for token in (None, "bad"):
        with pytest.raises(InvalidStatus) as refused:
            await connect(ws_url(sim, "user", token))
        assert refused.value.response.status_code == 401
    assert (await rest.raw("HEAD", "/hubs/user"))[0] == 405


async def test_negotiate_offers_websockets_only(sim: SimServer, rest: Rest) -> None:
    """Reference 5.1."""
    headers = {"Authorization": f"Bearer {rest.token}"}
    status, _, text = await rest.raw("POST", "/hubs/market/negotiate?negotiateVersion=1", headers=headers)
    reply = json.loads(text)
    assert status == 200
    assert reply["negotiateVersion"] == 1
    assert [row["transport"] for row in reply["availableTransports"]] == ["WebSockets"]
    url = ws_url(sim, "market", rest.token) + f"&id={reply['connectionToken']}"
    async with connect(url) as socket:
        await RawHub(socket).shake_hands()
    assert (await rest.raw("POST", "/hubs/market/negotiate?negotiateVersion=1"))[0] == 401
    assert (await rest.raw("HEAD", "/hubs/market/negotiate?negotiateVersion=1"))[0] == 405


async def test_handshake_version_0_is_closed_without_a_word(sim: SimServer, rest: Rest) -> None:
    """Reference 5.1: the fault of older Python clients."""
    async with connect(ws_url(sim, "user", rest.token)) as socket:
        await socket.send('{"protocol":"json","version":0}' + END)
        with pytest.raises(ConnectionClosed):
            await socket.recv()
    assert sim.connections_opened("user") == 1
    assert sim.connections("user") == []


async def test_another_protocol_is_refused_with_an_error(sim: SimServer, rest: Rest) -> None:
    """Reference 5.1: ``{"error":"..."}`` and close."""
    async with connect(ws_url(sim, "user", rest.token)) as socket:
        hub = RawHub(socket)
        await hub.send({"protocol": "messagepack", "version": 1})
        assert "messagepack" in (await hub.receive())["error"]
        with pytest.raises(ConnectionClosed):
            await socket.recv()


async def test_messages_may_share_a_frame_or_be_cut_anywhere(sim: SimServer, rest: Rest) -> None:
    """Reference 5.1."""
    async with connect(ws_url(sim, "user", rest.token)) as socket:
        hub = RawHub(socket)
        text = '{"protocol":"json","version":1}' + END
        for number, target in enumerate(("SubscribeOrders", "SubscribeTrades")):
            call = {"type": 1, "invocationId": str(number), "target": target, "arguments": [COMBINE]}
            text += json.dumps(call) + END
        await socket.send(text[:50])
        await socket.send(text[50:])
        assert [await hub.receive() for _ in range(3)] == [
            {},
            {"type": 3, "invocationId": "0", "result": 0},
            {"type": 3, "invocationId": "1", "result": 0},
        ]


@pytest.mark.parametrize(
    ("hub", "target", "arguments", "words"),
    [
        ("market", "SubscribeContractDepth", ["CON.F.US.MNQ.Z26"], "Method does not exist"),
        ("user", "SubscribeContractQuotes", ["CON.F.US.MNQ.Z26"], "Method does not exist"),
        ("user", "SubscribeOrders", [str(COMBINE)], "Error binding arguments"),
        ("user", "SubscribeOrders", [5], "Account not found"),
        ("user", "SubscribeOrders", [], "argument"),
        ("user", "SubscribeAccounts", [COMBINE], "argument"),
        ("market", "SubscribeContractQuotes", [5], "Error binding arguments"),
    ],
)
async def test_a_failed_invocation_completes_with_an_error(
    open_hub: OpenHub, hub: str, target: str, arguments: list[object], words: str
) -> None:
    """Reference 5.2."""
    raw = await open_hub(hub)
    completion = await raw.invoke(target, *arguments)
    assert "result" not in completion
    assert words in completion["error"]


async def test_user_events_come_in_an_envelope_without_empty_members(
    sim: SimServer, rest: Rest, open_hub: OpenHub
) -> None:
    """Reference 5.4: order(6), order(2), trade, position, account; a closed position is action 2, type 0, size 0."""
    contract = contract_of(sim)
    sim.set_price(contract, Decimal(29539))
    raw = await open_hub("user")
    for target in ("SubscribeOrders", "SubscribePositions", "SubscribeTrades"):
        assert (await raw.invoke(target, PRACTICE))["result"] == 0
    assert (await raw.invoke("SubscribeAccounts"))["result"] == 0
    await rest.place(PRACTICE, contractId=contract, customTag="x-1")
    events = [await raw.receive() for _ in range(5)]
    assert [event["target"] for event in events] == [
        "GatewayUserOrder", "GatewayUserOrder", "GatewayUserTrade", "GatewayUserPosition", "GatewayUserAccount",
    ]  # fmt: skip
    payloads = [event["arguments"][0] for event in events]
    assert [payload["action"] for payload in payloads] == [1, 1, 0, 1, 1]
    assert payloads[0]["data"]["status"] == 6
    assert payloads[1]["data"]["status"] == 2
    assert payloads[1]["data"]["customTag"] == "x-1"
    assert "limitPrice" not in payloads[0]["data"]
    assert "profitAndLoss" not in payloads[2]["data"]
    assert "customTag" not in payloads[2]["data"]
    await rest.ok("/api/Position/closeContract", {"accountId": PRACTICE, "contractId": contract})
    (closed,) = await raw.event("GatewayUserPosition")
    assert closed["action"] == 2
    assert (closed["data"]["type"], closed["data"]["size"], closed["data"]["averagePrice"]) == (0, 0, 29539.25)


async def test_orders_of_other_accounts_stay_away_but_accounts_come_for_all(
    sim: SimServer, rest: Rest, open_hub: OpenHub
) -> None:
    """Reference 5.4."""
    raw = await open_hub("user")
    await raw.invoke("SubscribeOrders", PRACTICE)
    await raw.invoke("SubscribeAccounts")
    await rest.place(COMBINE, contractId=contract_of(sim))
    first = await raw.receive()
    assert (first["target"], first["arguments"][0]["data"]["id"]) == ("GatewayUserAccount", COMBINE)


async def test_a_rejected_order_is_pushed_with_status_5_and_no_reason(
    sim: SimServer, rest: Rest, open_hub: OpenHub
) -> None:
    """Reference 3.6 and 5.4."""
    raw = await open_hub("user")
    await raw.invoke("SubscribeOrders", COMBINE)
    reply = await rest.place(contractId=contract_of(sim), type=1, limitPrice=100.1)
    (payload,) = await raw.event("GatewayUserOrder")
    assert (payload["data"]["id"], payload["data"]["status"]) == (reply["orderId"], 5)
    assert not any("essage" in name for name in payload["data"])


async def test_quotes_are_whole_once_and_sparse_after_that(sim: SimServer, open_hub: OpenHub) -> None:
    """Reference 5.3: symbol and lastUpdated always, prices only when they changed."""
    contract = contract_of(sim)
    sim.set_price(contract, Decimal(30000))
    raw = await open_hub("market")
    assert (await raw.invoke("SubscribeContractQuotes", contract))["result"] == 0
    identity, whole = await raw.event("GatewayQuote")
    assert identity == contract
    assert (whole["bestBid"], whole["bestAsk"], whole["lastPrice"]) == (30000, 30000.25, 30000)
    assert whole["symbol"] == "F.US.MNQ"
    sparse = (await raw.event("GatewayQuote"))[1]
    while "lastPrice" in sparse:
        sparse = (await raw.event("GatewayQuote"))[1]
    assert sparse.keys() == {"symbol", "lastUpdated", "timestamp", "contract"}


async def test_market_trades_come_as_an_array(sim: SimServer, open_hub: OpenHub) -> None:
    """Reference 5.3: a walk by hand prints every tick on the way."""
    contract = contract_of(sim)
    sim.set_price(contract, Decimal(30000))
    raw = await open_hub("market")
    await raw.invoke("SubscribeContractTrades", contract)
    assert {(kind, key) for one in sim.connections("market") for kind, key in one.subscriptions} == {
        ("trade", contract)
    }
    sim.set_price(contract, Decimal("29999.25"))
    identity, rows = await raw.event("GatewayTrade")
    assert identity == contract
    assert [(row["price"], row["type"]) for row in rows] == [(29999.75, 1), (29999.5, 1), (29999.25, 1)]
    assert rows[0].keys() == {"symbolId", "price", "timestamp", "type", "volume", "contractId"}


async def test_a_generated_market_quotes_and_trades_by_itself() -> None:
    """Some quotes and trades per second for every contract that somebody follows, and for nobody else."""
    async with SimServer(SimConfig(feed_interval_s=0.02)) as sim, aiohttp.ClientSession() as session:
        rest = Rest(session, sim.url)
        await rest.login()
        contract = contract_of(sim)
        async with connect(ws_url(sim, "market", rest.token)) as socket:
            raw = RawHub(socket)
            await raw.shake_hands()
            await raw.invoke("SubscribeContractTrades", contract)
            (first,), (second,) = (await raw.event("GatewayTrade"))[1:], (await raw.event("GatewayTrade"))[1:]
            assert first[0]["timestamp"] < second[0]["timestamp"]
            assert (await raw.invoke("UnsubscribeContractTrades", contract))["result"] == 0
            assert sim.connections("market")[0].subscriptions == set()


async def test_pings_come_and_a_silent_client_is_dropped(rest: Rest) -> None:
    """Reference 5.1, with the times made short; the client's own pings keep it alive."""
    config = SimConfig(market="manual", hub_ping_s=0.05, hub_idle_s=0.3)
    async with SimServer(config) as sim:
        rest.url = sim.url
        await rest.login()
        async with connect(ws_url(sim, "user", rest.token)) as socket:
            raw = RawHub(socket)
            await raw.shake_hands()
            for _ in range(8):
                assert await raw.receive() == {"type": 6}
                await raw.send({"type": 6})
            assert len(sim.connections("user")) == 1
            closing = await raw.until(lambda message: message["type"] == 7)
            assert closing["allowReconnect"] is True
            with pytest.raises(ConnectionClosed):
                await socket.recv()


async def test_who_never_shakes_hands_is_let_go(rest: Rest) -> None:
    """Reference 5.1."""
    async with SimServer(SimConfig(market="manual", handshake_s=0.1)) as sim:
        rest.url = sim.url
        await rest.login()
        async with connect(ws_url(sim, "user", rest.token)) as socket:
            with pytest.raises(ConnectionClosed):
                await asyncio.wait_for(socket.recv(), 3)


@pytest.mark.parametrize("how", ["abort", "close", "logout"])
async def test_hubs_can_be_dropped(sim: SimServer, open_hub: OpenHub, how: str) -> None:
    """Reference 5.4 and 5.5: cut, type 7, or GatewayLogout before it."""
    raw = await open_hub("user")
    assert await sim.drop_hubs("user", how) == 1
    assert sim.connections("user") == []
    assert sim.hub_history("user")[0].closed is not None
    if how != "abort":
        messages = [await raw.receive()] + ([await raw.receive()] if how == "logout" else [])
        assert messages[-1] == {"type": 7, "error": "Connection closed with an error.", "allowReconnect": True}
        assert messages[0].get("target") == ("GatewayLogout" if how == "logout" else None)
    with pytest.raises(ConnectionClosed):
        await raw.receive()


@pytest.mark.parametrize("how", ["close", "logout"])
async def test_an_open_hub_ends_with_its_token_when_told_to(rest: Rest, how: str) -> None:
    """Reference 2.3, both SIM behaviours."""
    config = SimConfig(market="manual", token_lifetime_s=0.3, when_expired=how, hub_ping_s=0.1)  # type: ignore[arg-type]
    async with SimServer(config) as sim:
        rest.url = sim.url
        await rest.login()
        async with connect(ws_url(sim, "user", rest.token)) as socket:
            raw = RawHub(socket)
            await raw.shake_hands()
            if how == "logout":
                await raw.until(lambda message: message.get("target") == "GatewayLogout")
                await raw.until(lambda message: message["type"] == 7)
            with pytest.raises(ConnectionClosed):
                await raw.until(lambda message: message["type"] != 6)


async def test_the_server_stops_at_once_with_hubs_open(rest: Rest) -> None:
    """Clients that do not even read are let go; a reading one is told with type 7."""
    async with AsyncExitStack() as stack:
        async with SimServer(SimConfig(market="manual")) as sim:
            rest.url = sim.url
            await rest.login()
            hubs = [
                RawHub(await stack.enter_async_context(connect(ws_url(sim, hub, rest.token), close_timeout=0.2)))
                for hub in ("user", "market", "market")
            ]
            for hub in hubs:
                await hub.shake_hands()
            assert sim.connections_opened("market") == 2
            started = time.monotonic()
        assert time.monotonic() - started < 5
        assert await hubs[0].receive() == {"type": 7}
