"""Faults by rule: per endpoint, account, row and hub, with seeded probability, from a file and over the control door."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from desk.sim import SimConfig, SimServer
from desk.sim.control import ACTIONS
from desk.sim.faultfile import FaultError, plan, read_faults
from desk.sim.faults import EVENT_KINDS, HUB_KINDS, KINDS, Faults

from .raw import COMBINE, END, PRACTICE, RawHub, Rest, until

PLACE = "/api/Order/place"
OpenHub = Callable[[str], Awaitable[RawHub]]


def contract_of(sim: SimServer) -> str:
    return next(row.id for row in sim.contracts if row.symbol_id == "F.US.MNQ")


async def told(rest: Rest, name: str, body: object) -> None:
    status, reply = await rest.post(f"/sim/{name}", body)
    assert (status, reply["ok"]) == (200, True), reply


async def fault_log(rest: Rest) -> list[str]:
    _, _, text = await rest.raw("GET", "/sim/state")
    return [row["fault"] for row in json.loads(text)["faults"]]


async def test_a_fault_is_for_one_account_and_names_itself(sim: SimServer, rest: Rest) -> None:
    await told(rest, "fault", {"endpoint": "place", "kind": "reject", "code": 7, "account": PRACTICE})
    assert (await rest.place(contractId=contract_of(sim)))["success"] is True
    assert (await rest.place(PRACTICE, contractId=contract_of(sim)))["errorCode"] == 7
    assert (await rest.place(PRACTICE, contractId=contract_of(sim)))["success"] is True
    assert await fault_log(rest) == [f"reject with errorCode 7 path={PLACE}"]


async def test_a_query_names_its_account_in_the_filter(sim: SimServer, rest: Rest) -> None:
    await told(rest, "fault", {"endpoint": "/api/Order/v2/query", "kind": "refuse", "account": PRACTICE})
    assert (await rest.post("/api/Order/v2/query", {"filter": {"accountId": COMBINE}}))[0] == 200
    assert (await rest.post("/api/Order/v2/query", {"filter": {"accountId": PRACTICE}}))[0] == 503


def test_the_dice_are_seeded_and_fair() -> None:
    def struck(seed: int) -> list[bool]:
        faults = Faults(seed=seed)
        plan(faults, {"endpoint": "place", "kind": "hang", "probability": 0.25})
        return [faults.take(PLACE) is not None for _ in range(400)]

    assert struck(1) == struck(1) != struck(2)
    assert 60 < sum(struck(1)) < 140


@pytest.mark.parametrize("kind", KINDS)
async def test_every_kind_of_call_fault_over_the_control_door(sim: SimServer, rest: Rest, kind: str) -> None:
    """What the client sees, and whether it was done."""
    await told(rest, "fault", {"endpoint": "place", "kind": kind, "status": 502, "code": 6, "ms": 40, "message": "m"})
    body = {"accountId": COMBINE, "contractId": contract_of(sim), "type": 2, "side": 0, "size": 1}
    started = time.monotonic()
    headers = {"Authorization": f"Bearer {rest.token}"}
    timeout = aiohttp.ClientTimeout(total=0.2 if kind == "hang" else 5)
    try:
        seen, _, text = await rest.raw("POST", PLACE, json=body, headers=headers, timeout=timeout)
    except (aiohttp.ClientError, TimeoutError) as exc:
        seen, text = 0, type(exc).__name__
    took = time.monotonic() - started
    done = {"drop_after", "refuse_after", "delay", "delay_after"}
    assert len(sim.orders) == (kind in done)
    assert seen == {"refuse": 502, "refuse_after": 502, "reject": 200, "delay": 200, "delay_after": 200}.get(kind, 0)
    if kind == "reject":
        assert (json.loads(text)["errorCode"], json.loads(text)["errorMessage"]) == (6, "m")
    if kind.startswith("delay"):
        assert took >= 0.04
    assert (await fault_log(rest))[0].startswith(kind)


async def test_a_late_reply_makes_events_early(sim: SimServer, rest: Rest, open_hub: OpenHub) -> None:
    """Reference 5.4: order events can arrive before the reply of place."""
    raw = await open_hub("user")
    await raw.invoke("SubscribeOrders", COMBINE)
    await told(rest, "fault", {"endpoint": "place", "kind": "delay_after", "ms": 200})
    placed = asyncio.create_task(rest.place(contractId=contract_of(sim)))
    assert (await raw.event("GatewayUserOrder"))[0]["data"]["status"] == 6
    assert not placed.done()
    assert (await placed)["success"] is True


async def test_events_of_one_kind_are_lost_doubled_late_and_overtaken(
    sim: SimServer, rest: Rest, open_hub: OpenHub
) -> None:
    """Reference 6.5: loss, duplicate, delay, reorder across kinds."""
    raw = await open_hub("user")
    for target in ("SubscribeOrders", "SubscribeTrades", "SubscribePositions"):
        await raw.invoke(target, COMBINE)
    await told(rest, "fault", {"events": "position", "kind": "lose"})
    await told(rest, "fault", {"events": "trade", "kind": "duplicate"})
    await told(rest, "fault", {"events": "order", "kind": "reorder"})
    await rest.place(contractId=contract_of(sim))
    seen = [
        (one["target"][11:], one["arguments"][0]["data"].get("status"))
        for one in [await raw.receive() for _ in range(4)]
    ]
    assert seen == [("Order", 2), ("Order", 6), ("Trade", None), ("Trade", None)]
    await told(rest, "fault", {"events": "all", "kind": "delay", "ms": 60, "account": COMBINE})
    await rest.place(contractId=contract_of(sim))
    second = [(await raw.receive())["target"][11:] for _ in range(4)]
    assert second == ["Order", "Trade", "Position", "Order"]
    assert len(await fault_log(rest)) == 4


async def test_an_accepted_stop_is_turned_down_a_moment_later(sim: SimServer, rest: Rest, open_hub: OpenHub) -> None:
    """Reference 3.6: accepted by REST, rejected on the hub; the bracket's stop leg leaves the position naked."""
    raw = await open_hub("user")
    await raw.invoke("SubscribeOrders", COMBINE)
    await told(rest, "fault", {"events": "order", "kind": "reject_stop", "ms": 10})
    bracket = {"stopLossBracket": {"ticks": -40, "type": 4}, "takeProfitBracket": {"ticks": 80, "type": 1}}
    assert (await rest.place(contractId=contract_of(sim), **bracket))["success"] is True
    while (data := (await raw.event("GatewayUserOrder"))[0]["data"])["status"] != 5:
        pass
    assert data["type"] == 4
    assert [row.is_working for row in sim.orders if int(row.type) == 1] == [True]
    assert (await rest.post("/sim/reject", {"orderId": data["id"]}))[1]["rejected"] is False


async def test_orders_fill_in_parts_on_request(sim: SimServer, rest: Rest, open_hub: OpenHub) -> None:
    """Reference 3.7: status stays 1 while fillVolume grows."""
    contract = contract_of(sim)
    price = sim.quote(contract).last
    raw = await open_hub("user")
    await raw.invoke("SubscribeOrders", COMBINE)
    await told(rest, "fills", {"partial": 1})
    await rest.place(contractId=contract, type=1, size=2, limitPrice=float(price - 5))
    sim.set_price(contract, price - 6)
    seen = [(row["status"], row["fillVolume"]) for row in
            [(await raw.event("GatewayUserOrder"))[0]["data"] for _ in range(3)]]  # fmt: skip
    assert seen == [(1, 0), (1, 1), (2, 2)]


async def test_hubs_drop_and_go_stale_by_themselves(rest: Rest) -> None:
    """Reference 5.5: on average every so many seconds; stale hubs ping."""
    async with SimServer(SimConfig(market="manual", feed_interval_s=0.01, hub_ping_s=0.05)) as sim:
        rest.url = sim.url
        await rest.login()
        url = f"{sim.url.replace('http', 'ws')}/hubs/user?access_token={rest.token}"
        await told(rest, "fault", {"hub": "user", "kind": "drop", "how": "close", "everyS": 0.05, "times": 1})
        async with connect(url) as socket:
            raw = RawHub(socket)
            await raw.shake_hands()
            assert (await raw.until(lambda one: one["type"] == 7))["allowReconnect"] is True
        await told(rest, "fault", {"hub": "user", "kind": "silence", "forS": 0.3, "everyS": 0.02, "times": 1})
        await told(rest, "fault", {"hub": "user", "kind": "refuse", "status": 404, "times": 1})
        with pytest.raises(InvalidStatus) as refused:
            await connect(url)
        assert refused.value.response.status_code == 404
        async with connect(url) as socket:
            raw = RawHub(socket)
            await raw.shake_hands()
            await raw.invoke("SubscribeOrders", COMBINE)
            await until(lambda: "user" in sim.faults.silent_hubs)
            await rest.place(contractId=contract_of(sim))
            assert await raw.receive() == {"type": 6}
            await until(lambda: "user" not in sim.faults.silent_hubs)
        assert {line.split()[0] for line in await fault_log(rest)} == {"hub.dropped", "hub.refused", "hub.silent"}


@pytest.mark.parametrize("how", ["ignore", "close", "logout"])
async def test_tokens_end_on_request_in_both_ways(sim: SimServer, rest: Rest, open_hub: OpenHub, how: str) -> None:
    """Reference 2.3: 401 from then on; open hubs stay, die silently, or hear GatewayLogout and type 7."""
    hubs = [await open_hub("user"), await open_hub("market")]
    await told(rest, "token", {"whenExpired": how, "lifetimeS": 3600})
    await told(rest, "expire", {})
    assert (await rest.post("/api/Account/search", {"onlyActiveAccounts": True}))[0] == 401
    for raw in hubs:
        if how == "ignore":
            assert "error" in await raw.invoke("Nothing")
            continue
        if how == "logout":
            assert (await raw.receive())["target"] == "GatewayLogout"
            assert (await raw.receive())["type"] == 7
        with pytest.raises(ConnectionClosed):
            await raw.receive()
    await rest.login()
    assert (await rest.post("/api/Account/search", {"onlyActiveAccounts": True}))[0] == 200


async def test_the_clock_can_be_wrong(sim: SimServer, rest: Rest) -> None:
    """Date header and timestamps."""
    await told(rest, "skew", {"seconds": -3600})
    _, headers, _ = await rest.raw("GET", "/api/Status/ping")
    behind = datetime.now(UTC) - parsedate_to_datetime(headers["Date"])
    assert timedelta(minutes=59) < behind < timedelta(minutes=61)
    await rest.place(contractId=contract_of(sim))
    assert timedelta(minutes=59) < datetime.now(UTC) - sim.orders[0].created < timedelta(minutes=61)
    await told(rest, "skew", {"seconds": 0})
    _, headers, _ = await rest.raw("GET", "/api/Status/ping")
    assert abs(datetime.now(UTC) - parsedate_to_datetime(headers["Date"])) < timedelta(seconds=5)


async def test_rate_windows_take_other_sizes(sim: SimServer, rest: Rest) -> None:
    """Reference 6.1."""
    await told(rest, "limits", {"general": [2, 60]})
    codes = [(await rest.post("/api/Account/search", {"onlyActiveAccounts": True}))[0] for _ in range(2)]
    assert codes == [200, 429]


async def test_hub_messages_can_end_in_the_middle_of_frames(sim: SimServer, rest: Rest) -> None:
    """Reference 5.1: buffer and split."""
    await told(rest, "frames", {"chars": 7})
    url = f"{sim.url.replace('http', 'ws')}/hubs/user?access_token={rest.token}"
    async with connect(url, close_timeout=0.2) as socket:
        raw = RawHub(socket)
        await raw.shake_hands()
        await raw.invoke("SubscribeOrders", COMBINE)
        await rest.place(contractId=contract_of(sim))
        frame = await socket.recv()
        assert isinstance(frame, str)
        assert len(frame) <= 7
        assert not frame.endswith(END)
        raw.buffer = frame
        assert (await raw.event("GatewayUserOrder"))[0]["data"]["status"] == 6


async def test_both_legs_of_a_pair_may_fill_on_request(sim: SimServer, rest: Rest) -> None:
    """Reference 6.3: the market is faster than the cancel of the sibling."""
    contract = contract_of(sim)
    price = sim.quote(contract).last
    await told(rest, "fills", {"ocoMs": 60_000})
    legs = {"stopLossBracket": {"ticks": -8, "type": 4}, "takeProfitBracket": {"ticks": 8, "type": 1}}
    await rest.place(contractId=contract, **legs)
    sim.set_price(contract, price + 10)
    sim.set_price(contract, price - 10)
    assert [(row.net, row.account_id) for row in sim.positions] == [(-1, COMBINE)]
    assert (await rest.post("/sim/fills", {}))[0] == 400


async def test_a_cancel_may_be_carried_out_after_its_reply(sim: SimServer, rest: Rest, open_hub: OpenHub) -> None:
    """Reference 3.9: wait for status 3."""
    contract = contract_of(sim)
    raw = await open_hub("user")
    await raw.invoke("SubscribeOrders", COMBINE)
    await told(rest, "fills", {"cancelMs": 50})
    placed = await rest.place(contractId=contract, type=1, limitPrice=100)
    assert (await raw.event("GatewayUserOrder"))[0]["data"]["status"] == 1
    await rest.ok("/api/Order/cancel", {"accountId": COMBINE, "orderId": placed["orderId"]})
    assert [int(row.status) for row in sim.orders] == [1]
    assert (await raw.event("GatewayUserOrder"))[0]["data"]["status"] == 3


async def test_quotes_may_begin_with_what_changes(sim: SimServer, rest: Rest, open_hub: OpenHub) -> None:
    """Reference 5.2 and 5.3: no snapshot, the next tick, and in it only what changed."""
    contract = contract_of(sim)
    price = sim.quote(contract).last
    await told(rest, "quotes", {"snapshot": False})
    raw = await open_hub("market")
    await raw.invoke("SubscribeContractQuotes", contract)
    always = {"symbol", "lastUpdated", "timestamp", "contract"}
    assert (await raw.event("GatewayQuote"))[1].keys() == always
    sim.set_price(contract, price + 1)
    moved = await raw.until(lambda one: one.get("target") == "GatewayQuote" and "lastPrice" in one["arguments"][1])
    assert moved["arguments"][1].keys() <= always | {
        "lastPrice", "bestBid", "bestAsk", "change", "changePercent", "high", "volume",
    }  # fmt: skip


FILE = """
[latency]
accounts = 30
[limits]
general = [500, 60]
history = [5, 1.5]
[token]
lifetimeS = 600
whenExpired = "logout"
[clock]
skewS = 90
[events]
delayMs = 3
[fills]
partial = 2
ocoMs = 15
cancelMs = 20
[quotes]
snapshot = false
[[fault]]
endpoint = "place"
kind = "drop_after"
probability = 0.1
account = 21000002
[[fault]]
hub = "market"
kind = "silence"
everyS = 600
[[fault]]
events = "all"
kind = "duplicate"
times = 3
"""


async def test_a_file_plans_everything(tmp_path: Path) -> None:
    path = tmp_path / "faults.toml"
    path.write_text(FILE)
    async with SimServer(SimConfig(market="manual", faults_file=path)) as sim, aiohttp.ClientSession() as session:
        await Rest(session, sim.url).login()
        assert sim.faults.latency_ms == {"/api/Account/search": 30}
        assert (sim.tokens.lifetime_s, sim.faults.when_expired, sim.faults.skew_s) == (600, "logout", 90)
        assert [(row.kind, row.times) for row in sim.faults.event_faults] == [("duplicate", 3)]
        assert [(row.kind, row.every_s) for row in sim.faults.hub_faults] == [("silence", 600)]
        assert (sim._door._history.size, sim._door._history.seconds) == (5, 1.5)
        floor = sim._venue.exchange.floor
        assert (floor.oco_delay, floor.cancel_delay) == (timedelta(milliseconds=15), timedelta(milliseconds=20))
        assert not sim.faults.quote_snapshot


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[fault]]\nendpoint = 'plcae'\nkind = 'hang'", "fault 1: endpoint: 'plcae' is none of login"),
        ("[[fault]]\nendpoint = 'place'\nkind = 'explode'", "fault 1: kind: one of drop_before"),
        ("[[fault]]\nkind = 'hang'", "fault 1: name one of endpoint, events or hub"),
        ("[[fault]]\nendpoint = 'place'\nkind = 'hang'\nprobability = 2", "probability: 2"),
        ("[[fault]]\nendpoint = 'place'\nkind = 'hang'\nhow = 'abort'", "endpoint has no how"),
        ("[fault]\nendpoint = 'place'", "write [[fault]]"),
        ("[limits]\ngeneral = [0, 60]", "general: requests"),
        ("[quotes]\nsnapshot = 0", "snapshot: true or false"),
        ("[nonsense]", "the file has no nonsense"),
        ("a = ", "Invalid value"),
    ],
)
def test_a_wrong_file_is_one_line_that_says_where(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "faults.toml"
    path.write_text(text)
    with pytest.raises(FaultError) as error:
        read_faults(path)
    assert words in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(
    ["place", "user", "market", "both", "order", "all", "abort", *KINDS, *EVENT_KINDS, *HUB_KINDS, COMBINE, "MNQ"]
)  # fmt: skip
_MEMBERS = st.sampled_from([
    "endpoint", "events", "hub", "kind", "times", "probability", "account", "status", "code", "message", "ms", "how",
    "retryAfter", "everyS", "forS", "silent", "lose", "duplicate", "delayMs", "general", "history", "lifetimeS",
    "whenExpired", "seconds", "partial", "orderId", "chars", "symbol", "accountId", "canTrade", "contractId", "price",
])  # fmt: skip
_BODIES = st.dictionaries(_MEMBERS, _SCALARS | st.lists(_SCALARS, max_size=3), max_size=6) | _SCALARS


async def test_the_control_door_survives_any_body(sim: SimServer, rest: Rest) -> None:
    """Fuzz: 200 or a sentence, never a crash, and the gateway goes on."""
    loop = asyncio.get_running_loop()
    cases: list[tuple[str, bytes]] = []

    @settings(max_examples=250, database=None)
    @given(name=st.sampled_from(sorted(ACTIONS)), body=_BODIES.map(json.dumps).map(str.encode) | st.binary(max_size=40))
    def collect(name: str, body: bytes) -> None:
        cases.append((name, body))

    await loop.run_in_executor(None, collect)
    for name, body in [*cases, *((name, b"[" * 50_000) for name in ("fault", "price"))]:
        status, _, text = await rest.raw("POST", f"/sim/{name}", data=body)
        assert status in (200, 400), (name, body, text)
        assert json.loads(text)["ok"] is (status == 200)
        sim.faults.clear()
    assert (await rest.raw("GET", "/api/Status/ping"))[2] == "pong"
