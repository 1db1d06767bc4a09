"""The operations that a paper trader rarely meets, over raw HTTP: all 21 doors, every code and text of reference 3.13, 3.14."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest

from desk.sim import SimServer

from .raw import COMBINE, MNQ, PRACTICE, Rest

FOLLOWER = 21000004
OPERATIONS = (
    "Account/search", "Auth/loginApp", "Auth/loginKey", "Auth/logout", "Auth/validate", "Contract/available",
    "Contract/search", "Contract/searchById", "History/retrieveBars", "Order/cancel", "Order/modify", "Order/place",
    "Order/search", "Order/searchById", "Order/searchOpen", "Order/v2/query", "Position/closeContract",
    "Position/partialCloseContract", "Position/searchOpen", "Trade/search",
)  # fmt: skip

Open = Callable[..., Awaitable[tuple[SimServer, Rest]]]


def refusal(reply: dict[str, Any]) -> tuple[int, str | None]:
    assert reply["success"] is False
    return reply["errorCode"], reply["errorMessage"]


# -- doors ------------------------------------------------------------------------------------------------------------


async def test_there_are_21_operations_and_only_ping_is_a_get(rest: Rest) -> None:
    """Reference 3.12: every other path is 404, every other method 405 without a body."""
    assert len(OPERATIONS) == 20
    for name in OPERATIONS:
        status, headers, text = await rest.raw("GET", f"/api/{name}")
        assert (status, headers["Allow"], text) == (405, "POST", "")
        status, _, _ = await rest.raw("POST", f"/api/{name}", json={})
        assert status == (400 if name.startswith("Auth/login") and name != "Auth/logout" else 401)
    for method in ("POST", "PUT", "DELETE", "HEAD"):
        assert (await rest.raw(method, "/api/Status/ping"))[0] == 405
    for path in (
        "/api/Quote/search",
        "/api/Order",
        "/api",
        "/api/Account/search/1",
        "/Account/search",
        "/api/Order/v2",
    ):
        assert (await rest.raw("POST", path, json={}))[::2] == (404, "")


async def test_paths_have_no_case(rest: Rest) -> None:
    """ASP.NET routes, as the swagger host serves them."""
    await rest.ok("/api/account/Search", {"onlyActiveAccounts": True})
    assert (await rest.raw("GET", "/api/status/PING"))[2] == "pong"


async def test_the_ping_needs_no_token_and_says_pong_as_plain_text(rest: Rest) -> None:
    """Reference 3.11."""
    status, headers, text = await rest.raw("GET", "/api/Status/ping")
    assert (status, text) == (200, "pong")
    assert headers["Content-Type"].startswith("text/plain")


# -- login ------------------------------------------------------------------------------------------------------------

APP = {"userName": "Paper", "password": "paper", "deviceId": "d-1", "appId": "paper", "verifyKey": "paper"}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"userName": "nobody"}, 1),
        ({"password": "wrong"}, 2),
        ({"appId": "other"}, 4),
        ({"verifyKey": "wrong"}, 5),
        ({"deviceId": " "}, 6),
    ],
)
async def test_login_app_names_what_is_wrong(rest: Rest, change: dict[str, str], code: int) -> None:
    """Reference 2.2, LoginErrorCode."""
    status, reply = await rest.post("/api/Auth/loginApp", APP | change)
    assert (status, reply) == (200, {"token": None, "success": False, "errorCode": code, "errorMessage": None})


async def test_login_app_opens_the_same_door_as_a_key(rest: Rest) -> None:
    """Reference 2.2: all five members are required."""
    rest.token = (await rest.ok("/api/Auth/loginApp", APP))["token"]
    await rest.ok("/api/Account/search", {"onlyActiveAccounts": True})
    for name in APP:
        body = {key: value for key, value in APP.items() if key != name}
        assert (await rest.post("/api/Auth/loginApp", body))[0] == 400


async def test_logout_has_an_envelope_and_the_token_is_dead_for_hub_and_validate(sim: SimServer, rest: Rest) -> None:
    """Reference 2.2, SIM choice: that token only."""
    assert await rest.ok("/api/Auth/logout") == {"success": True, "errorCode": 0, "errorMessage": None}
    assert (await rest.post("/api/Auth/validate"))[0] == 401
    assert (await rest.post("/api/Auth/logout"))[0] == 401
    assert (await rest.raw("GET", f"/hubs/user?access_token={rest.token}"))[0] == 401


# -- bodies -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("Account/search", {}),
        ("Account/search", {"onlyActiveAccounts": "true"}),
        ("Contract/available", {}),
        ("Contract/search", {"searchText": "NQ"}),
        ("Contract/searchById", {"contractId": None}),
        ("History/retrieveBars", {"contractId": MNQ}),
        ("Order/place", {"accountId": 2**31, "contractId": MNQ, "type": 2, "side": 0, "size": 1}),
        ("Order/place", {"accountId": 1, "contractId": MNQ, "type": 2, "side": 0, "size": 1.5}),
        ("Order/place", {"accountId": 1, "contractId": MNQ, "type": 1, "side": 0, "size": 1, "limitPrice": "1"}),
        ("Order/place", {"accountId": 1, "contractId": MNQ, "type": 2, "side": 0, "size": 1, "stopLossBracket": {}}),
        ("Order/cancel", {"accountId": 1}),
        ("Order/modify", {"orderId": 1}),
        ("Order/search", {"accountId": 1}),
        ("Order/search", {"accountId": 1, "startTimestamp": "yesterday"}),
        ("Order/searchById", {"accountId": 1}),
        ("Order/v2/query", {"filter": {}}),
        ("Order/v2/query", {"filter": {"accountId": COMBINE}, "pageSize": -1}),
        ("Order/v2/query", {"filter": {"accountId": COMBINE}, "pageOffset": -1}),
        ("Order/v2/query", {"filter": {"accountId": COMBINE}, "sortBy": 2}),
        ("Order/v2/query", {"filter": {"accountId": COMBINE}, "sortDirection": 2}),
        ("Order/v2/query", {"filter": {"accountId": COMBINE, "statuses": [1, 9]}}),
        ("Order/v2/query", {"filter": {"accountId": COMBINE, "statuses": 1}}),
        ("Position/closeContract", {"accountId": 1}),
        ("Position/partialCloseContract", {"accountId": 1, "contractId": MNQ}),
        ("Trade/search", {}),
        ("Trade/search", "text"),
    ],
)
async def test_what_does_not_bind_is_problem_details(rest: Rest, path: str, body: object) -> None:
    """Reference 3.1: RFC 7807, never an envelope."""
    headers = {"Authorization": f"Bearer {rest.token}"}
    status, got, _ = await rest.raw("POST", f"/api/{path}", json=body, headers=headers)
    assert (status, got["Content-Type"].split(";")[0]) == (400, "application/problem+json")
    _, reply = await rest.post(f"/api/{path}", body)
    assert reply["status"] == 400
    assert {"type", "title", "status", "detail", "instance", "errors"} == reply.keys()


@pytest.mark.parametrize("raw", [b"{", b"[]", b'"x"', b"\xff", b'{"accountId":1e99999999999999999999}', b"[" * 4000])
async def test_what_is_no_json_object_is_problem_details(rest: Rest, raw: bytes) -> None:
    """Reference 3.1."""
    headers = {"Authorization": f"Bearer {rest.token}", "Content-Type": "application/json"}
    status, _, _ = await rest.raw("POST", "/api/Order/place", data=raw, headers=headers)
    assert status == 400


# -- place, word by word ----------------------------------------------------------------------------------------------


def bracket(ticks: int, kind: int) -> dict[str, int]:
    return {"ticks": ticks, "type": kind}


LONG, SHORT = {"side": 0}, {"side": 1}


@pytest.mark.parametrize(
    ("members", "text"),
    [
        (LONG | {"stopLossBracket": bracket(40, 4)},
         "Invalid stop loss ticks (40). Ticks should be less than zero when longing."),
        (LONG | {"takeProfitBracket": bracket(-40, 1)},
         "Invalid take profit ticks (-40). Ticks should be greater than zero when longing."),
        (SHORT | {"stopLossBracket": bracket(-40, 4)},
         "Invalid stop loss ticks (-40). Ticks should be greater than zero when going short."),
        (SHORT | {"takeProfitBracket": bracket(30, 1)},
         "Invalid take profit ticks (30). Ticks should be less than zero when going short."),
        (SHORT | {"stopLossBracket": bracket(1, 4)},
         "Invalid stop loss ticks (1). Price should be at least 4 ticks away."),
        (LONG | {"stopLossBracket": bracket(-3, 5)},
         "Invalid stop loss ticks (-3). Price should be at least 4 ticks away."),
        (LONG | {"stopLossBracket": bracket(-40, 1)}, "Invalid stop loss type (Limit)"),
        (LONG | {"takeProfitBracket": bracket(40, 4)}, "Invalid take profit type (Stop)"),
        ({"type": 1, "limitPrice": 29990.1}, "Invalid limit price. Price is not aligned to tick size."),
        ({"type": 4, "stopPrice": 30010.1}, "Invalid stop price. Price is not aligned to tick size."),
        ({"type": 5, "trailPrice": 30010.1}, "Invalid trail price. Price is not aligned to tick size."),
        ({"type": 4, "stopPrice": 30000}, "Order price is outside allowed range. Please set price above best bid."),
        (SHORT | {"type": 4, "stopPrice": 30000.25},
         "Order price is outside allowed range. Please set price below best ask."),
        ({"type": 5}, "Trail Distance not set."),
        ({"type": 5, "trailPrice": 30000}, "Trail Distance not set."),
        ({"type": 5, "trailPrice": 29749.75}, "Trail Distance exceeds maximum (1000)"),
        ({"size": 51}, "Maximum position size exceeded"),
        ({"size": 0}, "Invalid order size (0)."),
        ({"side": 2}, "Invalid order side (2)."),
        ({"type": 3, "limitPrice": 29990, "stopPrice": 29995}, "Invalid order type (3)."),
    ],
)  # fmt: skip
async def test_a_rejection_is_code_2_with_its_text_and_an_order_of_status_5(
    opened: Open, members: dict[str, Any], text: str
) -> None:
    """Reference 3.6 and 3.14, signs mirrored; the reason is in the reply only."""
    _, rest = await opened()
    reply = await rest.place(customTag="t", **members)
    assert refusal(reply) == (2, text)
    order = (await rest.ok("/api/Order/searchById", {"accountId": COMBINE, "orderId": reply["orderId"]}))["order"]
    assert (order["status"], order["customTag"]) == (5, "t")
    assert refusal(await rest.place(customTag="t")) == (2, "Specified custom tag is already in use")


async def test_codes_1_3_4_8_9_and_10_of_place(opened: Open) -> None:
    """Reference 3.13."""
    sim, rest = await opened(margin_per_mini_usd=Decimal(60_000))
    assert refusal(await rest.place(1)) == (1, None)
    assert refusal(await rest.place(size=9)) == (3, "Not enough margin.")
    sim.set_account(COMBINE, can_trade=False)
    assert refusal(await rest.place()) == (4, None)
    assert refusal(await rest.place(contractId="CON.F.US.MNQ.A26")) == (8, None)
    assert refusal(await rest.place(PRACTICE, contractId="CON.F.US.MNQ.H27")) == (9, None)
    assert refusal(await rest.place(FOLLOWER)) == (10, None)


async def test_an_empty_tag_is_no_tag_and_linked_order_id_makes_no_oco(opened: Open) -> None:
    """Reference 3.6."""
    sim, rest = await opened()
    first = await rest.place(type=1, limitPrice=29990, customTag="")
    second = await rest.place(type=1, limitPrice=29980, customTag="", linkedOrderId=first["orderId"])
    assert (first["success"], second["success"]) == (True, True)
    sim.set_price(MNQ, Decimal("29989.75"))
    rows = (await rest.ok("/api/Order/searchOpen", {"accountId": COMBINE}))["orders"]
    assert [(row["id"], row["customTag"]) for row in rows] == [(second["orderId"], None)]


async def test_a_trailing_stop_reads_back_as_a_distance(opened: Open) -> None:
    """Reference 3.6: sent as a level; trailPrice comes back in price units, trailDistance in ticks."""
    sim, rest = await opened()
    identity = (await rest.place(type=5, side=1, trailPrice=29990))["orderId"]
    (row,) = (await rest.ok("/api/Order/searchOpen", {"accountId": COMBINE}))["orders"]
    assert (row["trailPrice"], row["trailDistance"]) == (10, 40)
    modify = {"accountId": COMBINE, "orderId": identity}
    await rest.ok("/api/Order/modify", modify | {"trailPrice": 29980})
    sim.set_price(MNQ, Decimal(30005))
    (row,) = (await rest.ok("/api/Order/searchOpen", {"accountId": COMBINE}))["orders"]
    assert (row["trailDistance"], row["stopPrice"]) == (80, 29985)
    await rest.ok("/api/Order/modify", modify | {"trailPrice": 20})
    (row,) = (await rest.ok("/api/Order/searchOpen", {"accountId": COMBINE}))["orders"]
    assert row["trailDistance"] == 119_940
