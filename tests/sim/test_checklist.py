"""The checklist of reference 6.5, row by row, over raw HTTP and hand-written frames; our own client has no part in it.

``ROWS`` names what holds each row besides the test here; the last test reads that those tests exist.
"""

from __future__ import annotations

import ast
import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from desk.sim import SimServer
from desk.sim.faults import EventFault

from .raw import COMBINE, POSITION_BRACKETS, RawHub, Rest

OpenHub = Callable[[str], Awaitable[RawHub]]
HERE = Path(__file__).parent
ROWS: dict[int, tuple[str, ...]] = {
    1: (
        "test_rest.test_a_wrong_key_is_http_200_with_code_3",
        "test_rest.test_a_bad_token_is_401_without_a_body",
        "test_rest_operations.test_codes_1_3_4_8_9_and_10_of_place",
        "test_rest.test_closing_has_codes_of_its_own_and_the_partial_one_is_shifted",
        "test_faults.test_a_line_cut_after_execution_leaves_the_order",
        "test_faults.test_a_refusal_after_execution_hides_an_order",
    ),
    2: ("test_rest.test_a_market_entry_with_brackets_shows_three_consecutive_orders",),
    3: (
        "test_hubs.test_quotes_are_whole_once_and_sparse_after_that",
        "test_hubs.test_market_trades_come_as_an_array",
        "test_hubs.test_user_events_come_in_an_envelope_without_empty_members",
    ),
    4: (
        "test_exchange.test_a_bracket_lives_as_the_captures_show",
        "test_exchange.test_one_leg_fills_and_the_other_is_cancelled",
        "test_rest.test_sleeping_children_show_in_v2_query_and_search_by_id_only",
    ),
    5: ("test_faults.test_user_events_can_be_lost_doubled_and_late",),
    6: ("test_hubs.test_a_rejected_order_is_pushed_with_status_5_and_no_reason",),
    7: (
        "test_exchange.test_closing_a_position_leaves_its_legs_working_and_a_left_stop_opens_a_new_one",
        "test_exchange.test_the_average_price_is_weighted_by_size",
        "test_rest.test_positions_and_trades_of_a_round_trip",
    ),
    8: (
        "test_rest_operations.test_a_rejection_is_code_2_with_its_text_and_an_order_of_status_5",
        "test_rest.test_an_account_in_position_brackets_mode_refuses_brackets_with_the_known_text",
        "test_exchange_options.test_a_modify_has_no_maximum_so_a_distance_becomes_a_huge_trail",
        "test_exchange_options.test_a_tag_whose_leg_would_repeat_another_is_in_use",
    ),
    9: ("test_sessions.test_the_session_clock_over_http",),
    10: (
        "test_hubs.test_handshake_version_0_is_closed_without_a_word",
        "test_hubs.test_messages_may_share_a_frame_or_be_cut_anywhere",
        "test_hubs.test_pings_come_and_a_silent_client_is_dropped",
        "test_hubs.test_hubs_can_be_dropped",
        "test_hubs.test_an_open_hub_ends_with_its_token_when_told_to",
        "test_faults.test_a_hub_can_refuse_and_go_silent",
    ),
    11: (
        "test_faults.test_two_rate_windows_slide_per_user",
        "test_rest.test_bars_come_newest_first_and_the_limit_cuts_the_old_end",
        "test_rest.test_bars_have_their_own_error_codes",
    ),
    12: ("test_faults.test_latency_is_per_endpoint_and_calls_overlap_in_the_log",),
}
BRACKETS: dict[str, Any] = {"stopLossBracket": {"ticks": -40, "type": 4}, "takeProfitBracket": {"ticks": 80, "type": 1}}
EVERYTHING = {"startTimestamp": "2020-01-01T00:00:00Z"}


def front(sim: SimServer) -> str:
    return next(row.id for row in sim.contracts if row.symbol_id == "F.US.MNQ")


async def order(rest: Rest, identity: int, account: int = COMBINE) -> Any:
    return (await rest.ok("/api/Order/searchById", {"accountId": account, "orderId": identity}))["order"]


async def follow(hub: RawHub, account: int = COMBINE) -> None:
    for number, target in enumerate(("SubscribeOrders", "SubscribePositions", "SubscribeTrades")):
        await hub.invoke(target, account, identity=str(number))
    await hub.invoke("SubscribeAccounts")


async def test_row_1_envelopes_codes_statuses_and_a_reply_lost_after_execution(sim: SimServer, rest: Rest) -> None:
    """HTTP 200 envelopes, per-endpoint codes, 401 without JSON, 429, injectable timeouts *after* execution."""
    contract = front(sim)
    reply = await rest.place(contractId="CON.F.US.NOPE.Z26")
    assert reply == {"orderId": None, "success": False, "errorCode": 8, "errorMessage": None}
    body = {"accountId": COMBINE, "contractId": "CON.F.US.NOPE.Z26"}
    assert (await rest.post("/api/Position/closeContract", body))[1]["errorCode"] == 3
    status, headers, text = await rest.raw("POST", "/api/Account/search", json={"onlyActiveAccounts": True})
    assert (status, text) == (401, "")
    assert headers["WWW-Authenticate"].startswith("Bearer")
    sim.faults.next("/api/Order/place").refuses(429, retry_after_s=3)
    headers = {"Authorization": f"Bearer {rest.token}"}
    status, got, text = await rest.raw("POST", "/api/Order/place", json={}, headers=headers)
    assert (status, got["Retry-After"], text) == (429, "3", "")
    sim.faults.next("/api/Order/place").drops_after_execution()
    with pytest.raises(aiohttp.ClientError):
        await rest.place(contractId=contract, customTag="lost")
    rows = (await rest.ok("/api/Order/search", {"accountId": COMBINE} | EVERYTHING))["orders"]
    assert [(row["customTag"], row["status"]) for row in rows] == [("lost", 2)]


async def test_row_2_ids(sim: SimServer, rest: Rest) -> None:
    """Account int32, orders and trades above 2^31, increasing; children consecutive."""
    contract = front(sim)
    accounts = (await rest.ok("/api/Account/search", {"onlyActiveAccounts": True}))["accounts"]
    assert all(0 < row["id"] < 2**31 for row in accounts)
    first, second = [(await rest.place(contractId=contract, **BRACKETS))["orderId"] for _ in range(2)]
    assert first > 2**31
    assert second == first + 3
    rows = (await rest.ok("/api/Order/search", {"accountId": COMBINE} | EVERYTHING))["orders"]
    assert {row["id"]: row.get("parentOrderId") for row in rows} == {
        first: None, first + 1: first, first + 2: first, second: None, second + 1: second, second + 2: second,
    }  # fmt: skip
    trades = [row["id"] for row in (await rest.ok("/api/Trade/search", {"accountId": COMBINE} | EVERYTHING))["trades"]]
    assert min(trades) > 2**31
    assert trades == sorted(set(trades), reverse=True)
    (position,) = (await rest.ok("/api/Position/searchOpen", {"accountId": COMBINE}))["positions"]
    assert 0 < position["id"] < 2**31


async def test_row_3_shapes_of_the_wire(sim: SimServer, rest: Rest, open_hub: OpenHub) -> None:
    """Sparse quotes, array trades and depth, ``{action, data}`` user events, nulls omitted on hubs and present in REST."""
    contract = front(sim)
    sim.set_price(contract, Decimal(30000))
    market, user = await open_hub("market"), await open_hub("user")
    await follow(user)
    for number, kind in enumerate(("Quotes", "Trades", "MarketDepth")):
        await market.invoke(f"SubscribeContract{kind}", contract, identity=str(number))
    sim.set_price(contract, Decimal("30000.25"))
    for target in ("GatewayDepth", "GatewayTrade"):
        contract_id, rows = await market.event(target)
        assert contract_id == contract
        assert isinstance(rows, list)
    sim.set_price(contract, Decimal("30000.50"))

    def is_sparse(one: dict[str, Any]) -> bool:
        return (
            one.get("target") == "GatewayQuote"
            and not {"lastPrice", "bestBid", "bestAsk"} <= one["arguments"][1].keys()
        )

    quote = (await market.until(is_sparse))["arguments"][1]
    assert {"symbol", "lastUpdated", "timestamp"} <= quote.keys()
    identity = (await rest.place(contractId=contract, type=1, limitPrice=29000))["orderId"]
    (event,) = await user.event("GatewayUserOrder")
    assert event.keys() == {"action", "data"}
    assert not any(value is None for value in event["data"].values())
    row = await order(rest, identity)
    assert [row[name] for name in ("stopPrice", "filledPrice", "customTag")] == [None, None, None]


async def test_row_4_the_life_of_a_bracket(sim: SimServer, rest: Rest, open_hub: OpenHub) -> None:
    """Suspended children hidden from both searches, OCO cancel of the sibling, ``-SL`` and ``-TP`` tags."""
    contract = front(sim)
    sim.set_price(contract, Decimal(30000))
    hub = await open_hub("user")
    await hub.invoke("SubscribeOrders", COMBINE)
    entry = (await rest.place(contractId=contract, type=1, limitPrice=29990, customTag="b", **BRACKETS))["orderId"]
    born = [(await hub.event("GatewayUserOrder"))[0]["data"] for _ in range(3)]
    assert [(row["customTag"], row["status"], row.get("trailDistance")) for row in born] == [
        ("b-SL", 8, -40), ("b", 1, None), ("b-TP", 8, 80),
    ]  # fmt: skip
    for path, body in (("searchOpen", {}), ("search", EVERYTHING)):
        rows = (await rest.ok(f"/api/Order/{path}", {"accountId": COMBINE} | body))["orders"]
        assert [row["id"] for row in rows] == [entry]
    working = {"filter": {"accountId": COMBINE, "statuses": [1, 6, 7, 8]}}
    rows = (await rest.ok("/api/Order/v2/query", working))["orders"]
    assert [(row["id"] - entry, row["status"]) for row in rows] == [(0, 1), (1, 8), (2, 8)]
    sim.set_price(contract, Decimal("29989.75"))
    assert [(await order(rest, entry + leg))["status"] for leg in range(3)] == [2, 1, 1]
    assert (await order(rest, entry + 2))["linkedOrderId"] == entry + 1
    assert (await order(rest, entry + 1))["stopPrice"] == 29980
    sim.set_price(contract, Decimal("30010.25"))
    assert [(await order(rest, entry + leg))["status"] for leg in range(3)] == [2, 3, 2]


async def test_row_5_order_events_before_and_after_the_reply_lost_doubled_and_overtaken(
    sim: SimServer, rest: Rest, open_hub: OpenHub
) -> None:
    """Delivered before or after the HTTP reply, optional event loss, duplicate, delay, reorder across kinds."""
    contract = front(sim)
    hub = await open_hub("user")
    await follow(hub)
    sim.faults.next("/api/Order/place").delays_reply(150)
    placing = asyncio.create_task(rest.place(contractId=contract, customTag="early"))
    (event,) = await hub.event("GatewayUserOrder")
    assert event["data"]["customTag"] == "early"
    assert not placing.done()
    await placing
    await hub.event("GatewayUserAccount")
    sim.faults.delay_user_events(400)
    started = time.monotonic()
    identity = (await rest.place(contractId=contract, type=1, limitPrice=100))["orderId"]
    assert time.monotonic() - started < 0.4, "the reply does not wait for the event"
    (event,) = await hub.event("GatewayUserOrder")
    assert event["data"]["id"] == identity
    sim.faults.delay_user_events(0)
    sim.faults.lose_user_events(1)
    sim.faults.duplicate_user_events(1)
    await rest.place(contractId=contract, type=1, limitPrice=101)
    await rest.place(contractId=contract, type=1, limitPrice=102)
    prices = [(await hub.event("GatewayUserOrder"))[0]["data"]["limitPrice"] for _ in range(2)]
    assert prices == [102, 102]
    sim.faults.event_faults.append(EventFault("reorder", row="position"))
    await rest.place(contractId=contract)
    targets = [(await hub.until(lambda one: one.get("type") == 1))["target"] for _ in range(5)]
    assert sorted(targets) == [
        "GatewayUserAccount", "GatewayUserOrder", "GatewayUserOrder", "GatewayUserPosition", "GatewayUserTrade",
    ]  # fmt: skip
    assert targets.index("GatewayUserPosition") > targets.index("GatewayUserAccount")


async def test_row_6_a_rejected_place_has_an_id_a_reason_and_an_event_without_one(
    sim: SimServer, rest: Rest, open_hub: OpenHub
) -> None:
    """Rejected place returns an id; reason only in the reply; status-5 event."""
    hub = await open_hub("user")
    await hub.invoke("SubscribeOrders", COMBINE)
    reply = await rest.place(contractId=front(sim), size=51, customTag="big")
    assert (reply["success"], reply["errorMessage"]) == (False, "Maximum position size exceeded")
    (event,) = await hub.event("GatewayUserOrder")
    assert (event["data"]["id"], event["data"]["status"], event["data"]["customTag"]) == (reply["orderId"], 5, "big")
    assert "Maximum" not in str(event)
    assert "Maximum" not in str(await order(rest, reply["orderId"]))


async def test_row_7_money_positions_and_what_a_close_leaves(sim: SimServer, rest: Rest, open_hub: OpenHub) -> None:
    """closeContract leaves orders; close event 0/0; average weighted; gross P&L per closing fill; fees at once."""
    contract = front(sim)
    sim.set_price(contract, Decimal("29999.75"))
    hub = await open_hub("user")
    await hub.invoke("SubscribePositions", COMBINE)
    await rest.place(contractId=contract, **BRACKETS)

    async def balance() -> float:
        rows = (await rest.ok("/api/Account/search", {"onlyActiveAccounts": True}))["accounts"]
        return float(rows[0]["balance"])

    assert await balance() == pytest.approx(50_000 - 0.61)
    sim.set_price(contract, Decimal("30002.75"))
    await rest.place(contractId=contract, size=2)
    (position,) = (await rest.ok("/api/Position/searchOpen", {"accountId": COMBINE}))["positions"]
    assert (position["size"], position["averagePrice"]) == (3, 30002)
    await rest.ok("/api/Position/closeContract", {"accountId": COMBINE, "contractId": contract})
    closed = (await hub.until(lambda one: bool(one["arguments"][0]["action"] == 2)))["arguments"][0]["data"]
    assert (closed["type"], closed["size"], closed["averagePrice"]) == (0, 0, 30002)
    rows = (await rest.ok("/api/Order/searchOpen", {"accountId": COMBINE}))["orders"]
    assert [row["type"] for row in rows] == [4, 1]
    trades = (await rest.ok("/api/Trade/search", {"accountId": COMBINE} | EVERYTHING))["trades"]
    assert [(row["size"], row["profitAndLoss"], row["fees"], row["commissions"]) for row in trades] == [
        (3, 4.5, 1.08, 0.75), (2, None, 0.72, 0.5), (1, None, 0.36, 0.25),
    ]  # fmt: skip
    assert await balance() == pytest.approx(50_000 + 4.5 - 6 * 0.61)


async def test_row_8_what_is_refused(sim: SimServer, rest: Rest) -> None:
    """Tags incl. rejected ones, tick alignment, stop side, 4 ticks, bracket mode, signs, 1000 ticks on place only."""
    contract = front(sim)
    sim.set_price(contract, Decimal(30000))
    texts = [
        (await rest.place(account, contractId=contract, **members))["errorMessage"]
        for account, members in (
            (COMBINE, {"size": 99, "customTag": "t"}),
            (COMBINE, {"customTag": "t"}),
            (COMBINE, {"type": 1, "limitPrice": 4134.900000000001}),
            (COMBINE, {"type": 4, "side": 1, "stopPrice": 30010}),
            (COMBINE, {"stopLossBracket": {"ticks": -3, "type": 4}}),
            (COMBINE, {"stopLossBracket": {"ticks": 40, "type": 4}}),
            (COMBINE, {"type": 5, "trailPrice": 29000}),
            (POSITION_BRACKETS, BRACKETS),
        )
    ]
    assert texts == [
        "Maximum position size exceeded",
        "Specified custom tag is already in use",
        "Invalid limit price. Price is not aligned to tick size.",
        "Order price is outside allowed range. Please set price below best ask.",
        "Invalid stop loss ticks (-3). Price should be at least 4 ticks away.",
        "Invalid stop loss ticks (40). Ticks should be less than zero when longing.",
        "Trail Distance exceeds maximum (1000)",
        "Brackets cannot be used with Position Brackets. You must enable Auto OCO Brackets.",
    ]
    trail = (await rest.place(contractId=contract, type=5, side=1, trailPrice=29990))["orderId"]
    await rest.ok("/api/Order/modify", {"accountId": COMBINE, "orderId": trail, "trailPrice": 29000})
    assert (await order(rest, trail))["trailDistance"] == 4000


def test_every_row_has_its_tests_and_none_of_them_uses_our_client() -> None:
    """Twelve rows; each has a test of its own, and every test named in the table exists."""
    found: dict[str, set[str]] = {}
    for path in HERE.glob("*.py"):
        tree = ast.parse(path.read_text())
        found[path.stem] = {
            node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }  # fmt: skip
        imported = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert not any(name.startswith("desk.") and not name.startswith("desk.sim") for name in imported), path.name
    names = found["test_checklist"] | found["test_checklist_hubs"]
    own = {int(match[1]) for name in names if (match := re.match(r"test_row_(\d+)_", name))}
    assert own == set(ROWS) == set(range(1, 13))
    missing = [name for names in ROWS.values() for name in names if name.split(".")[1] not in found[name.split(".")[0]]]
    assert missing == []
