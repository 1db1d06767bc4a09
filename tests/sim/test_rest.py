"""Golden requests and replies of the REST half of the reference; each test names its section."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from desk.sim import SimServer

from .raw import COMBINE, MNQ, POSITION_BRACKETS, PRACTICE, Rest

BRACKETS: dict[str, Any] = {"stopLossBracket": {"ticks": -40, "type": 4}, "takeProfitBracket": {"ticks": 80, "type": 1}}


async def test_a_wrong_key_is_http_200_with_code_3(sim: SimServer, rest: Rest) -> None:
    """Reference 2.2."""
    status, reply = await rest.post("/api/Auth/loginKey", {"userName": "paper", "apiKey": "wrong"})
    assert status == 200
    assert reply == {"token": None, "success": False, "errorCode": 3, "errorMessage": None}


async def test_the_user_name_has_no_case_and_the_token_says_when_it_ends(rest: Rest) -> None:
    """Reference 2.1: a JWT with an exp claim 24 h ahead."""
    reply = await rest.ok("/api/Auth/loginKey", {"userName": "PAPER", "apiKey": "paper"})
    claims = json.loads(base64.urlsafe_b64decode(reply["token"].split(".")[1] + "=="))
    assert claims["exp"] - datetime.now(UTC).timestamp() == pytest.approx(86_400, abs=5)


@pytest.mark.parametrize("body", [{}, {"userName": "paper"}, {"apiKey": "paper"}, None, {"userName": 1, "apiKey": 2}])
async def test_a_login_without_its_members_is_problem_details(rest: Rest, body: Any) -> None:
    """Reference 2.1 and 3.1."""
    status, reply = await rest.post("/api/Auth/loginKey", body)
    assert status == 400
    assert {"type", "title", "status", "detail", "instance"} <= reply.keys()


async def test_validate_gives_a_new_token_and_leaves_the_old_one_alive(rest: Rest) -> None:
    """Reference 2.2."""
    old = rest.token
    reply = await rest.ok("/api/Auth/validate", {})
    assert reply["newToken"] not in (None, old)
    assert list(reply) == ["newToken", "success", "errorCode", "errorMessage"]
    await rest.ok("/api/Account/search", {"onlyActiveAccounts": True})
    rest.token = reply["newToken"]
    await rest.ok("/api/Account/search", {"onlyActiveAccounts": True})


async def test_logout_ends_this_token_only(rest: Rest) -> None:
    """Reference 2.2, SIM choice."""
    other = (await rest.ok("/api/Auth/validate"))["newToken"]
    await rest.ok("/api/Auth/logout")
    assert (await rest.post("/api/Account/search", {"onlyActiveAccounts": True}))[0] == 401
    rest.token = other
    await rest.ok("/api/Account/search", {"onlyActiveAccounts": True})


@pytest.mark.parametrize("token", ["", "Bearer", "Bearer x.y.z", "Bearer ", "Basic abc", "Bearer é.è"])
async def test_a_bad_token_is_401_without_a_body(sim: SimServer, rest: Rest, token: str) -> None:
    """Reference 2.1."""
    status, headers, text = await rest.raw("POST", "/api/Account/search", json={}, headers={"Authorization": token})
    assert status == 401
    assert text == ""
    assert "invalid_token" in headers["WWW-Authenticate"]


async def test_expired_tokens_open_nothing(sim: SimServer, rest: Rest) -> None:
    """Reference 2.1: after expiry validate fails as well."""
    sim.expire_tokens()
    assert (await rest.post("/api/Auth/validate"))[0] == 401
    await rest.login()
    await rest.ok("/api/Auth/validate")


async def test_wrong_paths_and_methods_have_no_body(rest: Rest) -> None:
    """Reference 3.1."""
    assert (await rest.raw("POST", "/api/Quote/last"))[::2] == (404, "")
    assert (await rest.raw("GET", "/api/Order/place"))[::2] == (405, "")
    assert (await rest.raw("POST", "/api/Status/ping"))[::2] == (405, "")


async def test_ping_answers_pong_to_anybody(rest: Rest) -> None:
    """Reference 3.11."""
    assert (await rest.raw("GET", "/api/Status/ping"))[::2] == (200, "pong")


async def test_accounts_show_six_members_and_their_kind_only_in_the_name(rest: Rest) -> None:
    """Reference 3.2."""
    reply = await rest.ok("/api/Account/search", {"onlyActiveAccounts": True})
    first, second, *_ = reply["accounts"]
    assert first == {
        "id": COMBINE,
        "name": "50KTC-V2-100001-87654321",
        "balance": 50000,
        "canTrade": True,
        "isVisible": True,
        "simulated": True,
    }
    assert second["name"].startswith("PRAC-V2-")


async def test_available_lists_one_active_contract_of_each_of_the_51_products(rest: Rest) -> None:
    """Reference 3.3 and 7."""
    reply = await rest.ok("/api/Contract/available", {"live": False})
    assert len(reply["contracts"]) == 51
    assert all(row["activeContract"] for row in reply["contracts"])
    assert len({row["symbolId"] for row in reply["contracts"]}) == 51
    assert (await rest.ok("/api/Contract/available", {"live": True}))["contracts"] == []


async def test_contract_search_and_search_by_id(rest: Rest) -> None:
    """Reference 3.3: the rows that the documentation shows."""
    found = (await rest.ok("/api/Contract/search", {"searchText": "MNQ", "live": False}))["contracts"]
    assert [row["symbolId"] for row in found] == ["F.US.MNQ"]
    assert found[0]["tickSize"] == 0.25
    assert found[0]["tickValue"] == 0.5
    many = (await rest.ok("/api/Contract/search", {"searchText": "e", "live": False}))["contracts"]
    assert len(many) == 20
    reply = await rest.ok("/api/Contract/searchById", {"contractId": "CON.F.US.ENQ.H25"})
    assert reply["contract"] == {
        "id": "CON.F.US.ENQ.H25",
        "name": "NQH5",
        "description": "E-mini NASDAQ-100: March 2025",
        "tickSize": 0.25,
        "tickValue": 5,
        "activeContract": False,
        "symbolId": "F.US.ENQ",
    }
    status, reply = await rest.post("/api/Contract/searchById", {"contractId": "CON.F.US.NOPE.Z26"})
    assert (status, reply) == (200, {"contract": None, "success": False, "errorCode": 1, "errorMessage": None})


async def contract_now(rest: Rest) -> str:
    rows = (await rest.ok("/api/Contract/search", {"searchText": "MNQ", "live": False}))["contracts"]
    return str(rows[0]["id"])


async def test_bars_come_newest_first_and_the_limit_cuts_the_old_end(rest: Rest) -> None:
    """Reference 3.4."""
    end = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=5)
    body = {
        "contractId": await contract_now(rest), "live": False, "startTime": f"{end - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}",
        "endTime": f"{end:%Y-%m-%dT%H:%M:%SZ}", "unit": 2, "unitNumber": 1, "limit": 3, "includePartialBar": False,
    }  # fmt: skip
    reply = await rest.ok("/api/History/retrieveBars", body)
    times = [datetime.fromisoformat(bar["t"]) for bar in reply["bars"]]
    assert times == [end - timedelta(minutes=minute) for minute in (1, 2, 3)]
    assert all(bar["t"].endswith("+00:00") for bar in reply["bars"])
    assert list(reply["bars"][0]) == ["t", "o", "h", "l", "c", "v"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"contractId": "CON.F.US.NOPE.Z26"}, 1),
        ({"unit": 7}, 2),
        ({"unitNumber": 0}, 3),
        ({"limit": 0}, 4),
        ({"limit": 20001}, 4),
    ],
)
async def test_bars_have_their_own_error_codes(rest: Rest, change: dict[str, Any], code: int) -> None:
    """Reference 3.13."""
    body = {
        "contractId": MNQ, "live": False, "startTime": "2026-11-18T14:30:00Z", "endTime": "2026-11-18T15:30:00Z",
        "unit": 2, "unitNumber": 1, "limit": 3, "includePartialBar": False,
    }  # fmt: skip
    status, reply = await rest.post("/api/History/retrieveBars", body | change)
    assert (status, reply["success"], reply["errorCode"]) == (200, False, code)


async def test_a_market_entry_with_brackets_shows_three_consecutive_orders(sim: SimServer, rest: Rest) -> None:
    """Reference 3.6 to 3.8, the golden pair of the documentation."""
    contract = await contract_now(rest)
    sim.set_price(contract, Decimal(30200))
    reply = await rest.place(contractId=contract, customTag="b7-0001", **BRACKETS)
    assert list(reply) == ["orderId", "success", "errorCode", "errorMessage"]
    entry, stop, target = (reply["orderId"] + offset for offset in range(3))
    assert entry > 2**31
    rows = (await rest.ok("/api/Order/search", {"accountId": COMBINE, "startTimestamp": "2020-01-01T00:00:00Z"}))[
        "orders"
    ]
    by_id = {row["id"]: row for row in rows}
    assert by_id.keys() == {entry, stop, target}
    assert len({row["creationTimestamp"] for row in rows}) == 1
    common = {"accountId": COMBINE, "contractId": contract, "symbolId": "F.US.MNQ", "size": 1}
    times = {"creationTimestamp", "updateTimestamp"}

    def golden(row: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in row.items() if name not in times}

    assert golden(by_id[entry]) == common | {
        "id": entry, "status": 2, "type": 2, "side": 0, "limitPrice": None, "stopPrice": None, "fillVolume": 1,
        "filledPrice": 30200.25, "customTag": "b7-0001",
    }  # fmt: skip
    assert golden(by_id[stop]) == common | {
        "id": stop, "status": 1, "type": 4, "side": 1, "limitPrice": None, "stopPrice": 30190.25, "fillVolume": 0,
        "filledPrice": None, "customTag": "b7-0001-SL", "parentOrderId": entry,
    }  # fmt: skip
    assert golden(by_id[target]) == common | {
        "id": target, "status": 1, "type": 1, "side": 1, "limitPrice": 30220.25, "stopPrice": None, "fillVolume": 0,
        "filledPrice": None, "customTag": "b7-0001-TP", "parentOrderId": entry, "linkedOrderId": stop,
    }  # fmt: skip


async def test_positions_and_trades_of_a_round_trip(sim: SimServer, rest: Rest) -> None:
    """Reference 3.9 and 3.10: gross profit on the closing row, fees and commissions on both, balance moved by all."""
    contract = await contract_now(rest)
    sim.set_price(contract, Decimal(29539))
    await rest.place(PRACTICE, contractId=contract, side=1)
    (position,) = (await rest.ok("/api/Position/searchOpen", {"accountId": PRACTICE}))["positions"]
    assert {name: position[name] for name in ("type", "size", "averagePrice")} == {
        "type": 2,
        "size": 1,
        "averagePrice": 29539,
    }
    sim.set_price(contract, Decimal("29535.50"))
    await rest.ok("/api/Position/closeContract", {"accountId": PRACTICE, "contractId": contract})
    trades = (await rest.ok("/api/Trade/search", {"accountId": PRACTICE, "startTimestamp": "2020-01-01T00:00:00Z"}))[
        "trades"
    ]
    assert [(row["price"], row["profitAndLoss"], row["side"]) for row in trades] == [
        (29535.75, 6.5, 0),
        (29539, None, 1),
    ]
    assert {(row["fees"], row["commissions"], row["voided"]) for row in trades} == {(0.36, 0.25, False)}
    assert (await rest.ok("/api/Position/searchOpen", {"accountId": PRACTICE}))["positions"] == []
    accounts = (await rest.ok("/api/Account/search", {"onlyActiveAccounts": True}))["accounts"]
    assert accounts[1]["balance"] == 150_000 + 6.5 - 1.22


async def test_an_account_in_position_brackets_mode_refuses_brackets_with_the_known_text(rest: Rest) -> None:
    """Reference 3.6: the id comes back all the same, and the order exists with status 5."""
    contract = await contract_now(rest)
    reply = await rest.place(POSITION_BRACKETS, contractId=contract, **BRACKETS)
    assert reply["errorCode"] == 2
    assert reply["errorMessage"] == "Brackets cannot be used with Position Brackets. You must enable Auto OCO Brackets."
    found = await rest.ok("/api/Order/searchById", {"accountId": POSITION_BRACKETS, "orderId": reply["orderId"]})
    assert found["order"]["status"] == 5


async def test_sleeping_children_show_in_v2_query_and_search_by_id_only(sim: SimServer, rest: Rest) -> None:
    """Reference 3.7."""
    contract = await contract_now(rest)
    sim.set_price(contract, Decimal(30000))
    reply = await rest.place(contractId=contract, type=1, limitPrice=29900, customTag="rest", **BRACKETS)
    entry = reply["orderId"]
    account = {"accountId": COMBINE}
    searched = await rest.ok("/api/Order/search", account | {"startTimestamp": "2020-01-01T00:00:00Z"})
    assert [row["id"] for row in searched["orders"]] == [entry]
    assert [row["id"] for row in (await rest.ok("/api/Order/searchOpen", account))["orders"]] == [entry]
    queried = await rest.ok(
        "/api/Order/v2/query",
        {"filter": account | {"statuses": [1, 6, 7, 8]}, "pageSize": 200, "pageOffset": 0, "includeTotalCount": True},
    )
    assert [(row["id"] - entry, row["status"]) for row in queried["orders"]] == [(0, 1), (1, 8), (2, 8)]
    assert queried["totalCount"] == 3
    child = (await rest.ok("/api/Order/searchById", account | {"orderId": entry + 1}))["order"]
    assert (child["trailDistance"], child["trailPrice"], child["stopPrice"]) == (-40, -10, None)


async def test_v2_query_pages_by_rows_and_refuses_nonsense_with_400(rest: Rest) -> None:
    """Reference 3.8."""
    contract = await contract_now(rest)
    ids = [(await rest.place(contractId=contract, type=1, limitPrice=100 + number))["orderId"] for number in range(3)]
    query = {"filter": {"accountId": COMBINE}, "pageSize": 2, "pageOffset": 1, "sortBy": 1, "sortDirection": 1}
    reply = await rest.ok("/api/Order/v2/query", query)
    assert [row["id"] for row in reply["orders"]] == [ids[1], ids[0]]
    assert (await rest.post("/api/Order/v2/query", {"pageSize": 1}))[0] == 400
    assert (await rest.post("/api/Order/v2/query", query | {"pageSize": 0}))[0] == 400


async def test_cancel_and_modify_answer_with_their_codes(sim: SimServer, rest: Rest) -> None:
    """Reference 3.8 and 3.13."""
    contract = await contract_now(rest)
    sim.set_price(contract, Decimal(30000))
    order = {
        "accountId": COMBINE,
        "orderId": (await rest.place(contractId=contract, type=4, stopPrice=30100))["orderId"],
    }
    nulls = {"size": None, "limitPrice": None, "trailPrice": None}
    await rest.ok("/api/Order/modify", order | nulls | {"stopPrice": 30150.25})
    (row,) = (await rest.ok("/api/Order/searchOpen", {"accountId": COMBINE}))["orders"]
    assert (row["stopPrice"], row["size"]) == (30150.25, 1)
    _, reply = await rest.post("/api/Order/modify", order | {"stopPrice": 30150.3})
    assert (reply["errorCode"], reply["errorMessage"]) == (3, "Invalid stop price. Price is not aligned to tick size.")
    await rest.ok("/api/Order/cancel", order)
    assert (await rest.post("/api/Order/cancel", order))[1]["errorCode"] == 5
    assert (await rest.post("/api/Order/cancel", order | {"orderId": 1}))[1]["errorCode"] == 2
    assert (await rest.post("/api/Order/cancel", order | {"accountId": 1}))[1]["errorCode"] == 1
    assert (await rest.post("/api/Order/modify", order | {"orderId": 1}))[1]["errorCode"] == 2


async def test_closing_has_codes_of_its_own_and_the_partial_one_is_shifted(sim: SimServer, rest: Rest) -> None:
    """Reference 3.9 and 3.13."""
    contract = await contract_now(rest)
    whole, part = "/api/Position/closeContract", "/api/Position/partialCloseContract"
    body = {"accountId": COMBINE, "contractId": contract}
    assert (await rest.post(whole, body))[1]["errorCode"] == 2
    assert (await rest.post(whole, body | {"accountId": 1}))[1]["errorCode"] == 1
    assert (await rest.post(whole, body | {"contractId": "CON.F.US.NOPE.Z26"}))[1]["errorCode"] == 3
    await rest.place(contractId=contract, size=3)
    assert (await rest.post(part, body | {"size": 5}))[1] == {"success": False, "errorCode": 5, "errorMessage": None}
    assert (await rest.post(part, body | {"size": 0}))[1]["errorCode"] == 5
    await rest.ok(part, body | {"size": 2})
    assert [row.net for row in sim.positions] == [1]
    await rest.ok(whole, body)
    assert sim.positions == []


async def test_placing_into_the_unknown_has_codes_1_8_and_9(rest: Rest) -> None:
    """Reference 3.13."""
    assert (await rest.place(1))["errorCode"] == 1
    assert (await rest.place(contractId="CON.F.US.NOPE.Z26"))["errorCode"] == 8
    reply = await rest.place(contractId="CON.F.US.ENQ.H25")
    assert reply["errorCode"] == 9


async def test_a_body_that_does_not_bind_is_problem_details(rest: Rest) -> None:
    """Reference 3.1."""
    for body in ({"accountId": "x"}, {"accountId": COMBINE, "contractId": MNQ}, [1]):
        status, reply = await rest.post("/api/Order/place", body)
        assert (status, reply["status"]) == (400, 400)


async def test_unknown_accounts_are_code_1_in_every_search(rest: Rest) -> None:
    """Reference 3.13; the payload is null then."""
    for path, member in (("Order/searchOpen", "orders"), ("Position/searchOpen", "positions")):
        _, reply = await rest.post(f"/api/{path}", {"accountId": 5})
        assert reply == {member: None, "success": False, "errorCode": 1, "errorMessage": None}
    for path in ("Order/search", "Trade/search"):
        _, reply = await rest.post(f"/api/{path}", {"accountId": 5, "startTimestamp": "2026-11-18T14:30:00Z"})
        assert reply["errorCode"] == 1
    _, reply = await rest.post("/api/Order/searchById", {"accountId": COMBINE, "orderId": 5})
    assert (reply["errorCode"], reply["order"]) == (1, None)
