"""Trouble on request, rate windows and the request log: what a test asks of the server's side."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal

import aiohttp
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from desk.sim import SimConfig, SimServer, parse_latency

from .raw import COMBINE, RawHub, Rest, until

PLACE = "/api/Order/place"
OpenHub = Callable[[str], Awaitable[RawHub]]


def contract_of(sim: SimServer) -> str:
    return next(row.id for row in sim.contracts if row.symbol_id == "F.US.MNQ")


async def test_a_line_cut_before_execution_leaves_no_order(sim: SimServer, rest: Rest) -> None:
    sim.faults.next(PLACE).drops_before_execution()
    with pytest.raises(aiohttp.ClientError):
        await rest.place(contractId=contract_of(sim))
    assert sim.orders == []
    assert sim.requests[-1].status == 0
    await rest.place(contractId=contract_of(sim))
    assert len(sim.orders) == 1


async def test_a_line_cut_after_execution_leaves_the_order(sim: SimServer, rest: Rest) -> None:
    sim.faults.next("place", times=2).drops_after_execution()
    for number in range(2):
        with pytest.raises(aiohttp.ClientError):
            await rest.place(contractId=contract_of(sim), customTag=f"lost-{number}")
    assert [row.custom_tag for row in sim.orders] == ["lost-0", "lost-1"]


@pytest.mark.parametrize("status", [401, 429, 500, 503])
async def test_a_refusal_has_its_status_and_no_envelope(
    sim: SimServer, rest: Rest, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Reference 3.1; each fault names itself in the log."""
    caplog.set_level(logging.WARNING, "desk.sim")
    sim.faults.next(PLACE).refuses(status, retry_after_s=7)
    headers = {"Authorization": f"Bearer {rest.token}"}
    answered, got, text = await rest.raw("POST", PLACE, json={}, headers=headers)
    assert (answered, text, got["Retry-After"]) == (status, "", "7")
    assert sim.orders == []
    assert f"fault refuse with HTTP {status} path={PLACE}" in caplog.text


async def test_a_refusal_after_execution_hides_an_order(sim: SimServer, rest: Rest) -> None:
    sim.faults.next(PLACE).refuses_after_execution(503)
    body = {"accountId": COMBINE, "contractId": contract_of(sim), "type": 2, "side": 0, "size": 1}
    assert await rest.post(PLACE, body) == (503, None)
    assert len(sim.orders) == 1


async def test_a_business_refusal_can_be_ordered(sim: SimServer, rest: Rest) -> None:
    sim.faults.next("modify").rejects(3, "not now")
    _, reply = await rest.post("/api/Order/modify", {"accountId": COMBINE, "orderId": 1})
    assert reply == {"success": False, "errorCode": 3, "errorMessage": "not now"}


async def test_a_hanging_request_ends_with_the_server() -> None:
    async with aiohttp.ClientSession() as session:
        async with SimServer(SimConfig(market="manual")) as sim:
            rest = Rest(session, sim.url)
            await rest.login()
            sim.faults.next("accounts").hangs()
            sim.faults.set_latency({"positions": 60_000})
            calls = [
                asyncio.create_task(rest.post("/api/Account/search", {"onlyActiveAccounts": True})),
                asyncio.create_task(rest.post("/api/Position/searchOpen", {"accountId": COMBINE})),
            ]
            await until(lambda: len(sim.requests) == 3)
            started = time.monotonic()
        assert time.monotonic() - started < 10
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(outcome, aiohttp.ClientError) for outcome in outcomes)


async def test_latency_is_per_endpoint_and_calls_overlap_in_the_log(rest: Rest) -> None:
    config = SimConfig(market="manual", latency_ms={"accounts": 150, "/api/Contract/available": 150})
    async with SimServer(config) as sim:
        rest.url = sim.url
        await rest.login()
        started = time.monotonic()
        await asyncio.gather(
            rest.ok("/api/Account/search", {"onlyActiveAccounts": True}),
            rest.ok("/api/Contract/available", {"live": False}),
        )
        assert time.monotonic() - started >= 0.15
        _, first, second = sim.requests
        assert first.ended is not None
        assert second.started < first.ended
        assert [row.status for row in sim.requests] == [200, 200, 200]
        assert '"onlyActiveAccounts"' in first.body + second.body


def test_latency_is_read_from_text_and_names_what_is_wrong() -> None:
    assert parse_latency("login=270, accounts=230") == {"login": 270, "accounts": 230}
    for text in ("login", "login=x"):
        with pytest.raises(ValueError, match="login"):
            parse_latency(text)
    with pytest.raises(ValueError, match="logni"):
        SimConfig(latency_ms={"logni": 5})


async def test_two_rate_windows_slide_per_user(rest: Rest) -> None:
    """Reference 6.1: everything together, and bars on their own; 429 with Retry-After and no body."""
    config = SimConfig(market="manual", general_limit=(3, 1.0), history_limit=(1, 60))
    async with SimServer(config) as sim:
        rest.url = sim.url
        await rest.login()
        headers = {"Authorization": f"Bearer {rest.token}"}
        accounts, history = "/api/Account/search", "/api/History/retrieveBars"
        body = {"onlyActiveAccounts": True}
        assert [(await rest.post(accounts, body))[0] for _ in range(3)] == [200, 200, 429]
        assert (await rest.post(history, {}))[0] == 400
        status, got, text = await rest.raw("POST", history, json={}, headers=headers)
        assert (status, text) == (429, "")
        assert 1 <= int(got["Retry-After"]) <= 60
        oldest = sim.requests[0].started
        await until(lambda: time.monotonic() > oldest + 1.0)
        assert (await rest.post(accounts, body))[0] == 200


async def test_a_hub_can_refuse_and_go_silent(sim: SimServer, rest: Rest, open_hub: OpenHub) -> None:
    """Reference 5.5: 503 at the upgrade for a while; open, pinging, and without data."""
    sim.faults.refuse_hub("user", status=503)
    with pytest.raises(InvalidStatus):
        await connect(f"{sim.url.replace('http', 'ws')}/hubs/user?access_token={rest.token}")
    raw = await open_hub("user")
    await raw.invoke("SubscribeOrders", COMBINE)
    sim.faults.silence_hub("user")
    await rest.place(contractId=contract_of(sim))
    sim.faults.silence_hub("user", silent=False)
    reply = await rest.place(contractId=contract_of(sim))
    assert (await raw.event("GatewayUserOrder"))[0]["data"]["id"] == reply["orderId"]


async def test_user_events_can_be_lost_doubled_and_late(sim: SimServer, rest: Rest, open_hub: OpenHub) -> None:
    """Reference 6.5: events before or after the reply."""
    raw = await open_hub("user")
    await raw.invoke("SubscribeOrders", COMBINE)
    sim.faults.lose_user_events(1)
    await rest.place(contractId=contract_of(sim))
    assert (await raw.event("GatewayUserOrder"))[0]["data"]["status"] == 2
    sim.faults.duplicate_user_events(1)
    sim.faults.delay_user_events(30)
    reply = await rest.place(contractId=contract_of(sim))
    statuses = [(await raw.event("GatewayUserOrder"))[0]["data"] for _ in range(3)]
    assert [(row["id"], row["status"]) for row in statuses] == [(reply["orderId"], status) for status in (6, 6, 2)]


async def test_the_control_door_steers_from_another_process(sim: SimServer, rest: Rest, open_hub: OpenHub) -> None:
    contract = contract_of(sim)
    raw = await open_hub("market")
    await raw.invoke("SubscribeContractQuotes", contract)
    assert (await rest.post("/sim/price", {"contractId": contract, "price": 30010.25}))[0] == 200
    assert sim.quote(contract).last == Decimal("30010.25")
    assert (await rest.post("/sim/price", {"contractId": contract, "price": 30010.3}))[0] == 400
    assert (await rest.post("/sim/fault", {"endpoint": "place", "kind": "refuse", "status": 500}))[0] == 200
    assert (await rest.post(PLACE, {}))[0] == 500
    assert (await rest.post("/sim/fault", {"endpoint": "place", "kind": "explode"}))[0] == 400
    assert (await rest.post("/sim/nothing", {}))[0] == 404
    await rest.place(contractId=contract, customTag="seen")
    _, _, text = await rest.raw("GET", "/sim/state")
    assert '"customTag": "seen"' in text
    assert f'["quote", "{contract}"]' in text
    assert (await rest.post("/sim/account", {"accountId": COMBINE, "canTrade": False}))[0] == 200
    assert (await rest.place(contractId=contract))["errorCode"] == 4
    assert (await rest.post("/sim/drop", {"hub": "market", "how": "close"}))[1] == {"ok": True, "dropped": 1}
    assert (await rest.post("/sim/latency", {"accounts": 1}))[0] == 200
    assert (await rest.post("/sim/clear", {}))[0] == 200
    assert (await rest.post("/sim/expire", {}))[0] == 200
    assert (await rest.post("/api/Account/search", {"onlyActiveAccounts": True}))[0] == 401


async def test_with_a_latency_events_come_before_some_replies_and_after_others(
    sim: SimServer, rest: Rest, open_hub: OpenHub
) -> None:
    """Reference 5.4 and 6.5, 5: a writing call spends a part of its time after it was carried out, or none of it."""
    contract = contract_of(sim)
    raw = await open_hub("user")
    await raw.invoke("SubscribeOrders", COMBINE)
    sim.faults.set_latency({"place": 60})
    is_early: list[bool] = []
    for number in range(16):
        placing = asyncio.create_task(rest.place(contractId=contract, type=1, limitPrice=100 + number))
        await raw.event("GatewayUserOrder")
        is_early.append(sim.requests[-1].ended is None)
        await placing
        row = sim.requests[-1]
        assert row.ended is not None
        assert row.ended - row.started >= 0.06
    assert 2 < sum(is_early) < 14
