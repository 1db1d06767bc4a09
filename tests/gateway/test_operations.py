"""Every operation of reference 3.12 has a method of the client that reaches it, and both ways to log in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from desk.core.errors import AuthFailed
from desk.core.ids import GatewayOrderId
from desk.core.secret import Secret
from desk.core.timeframe import BarUnit
from desk.core.words import OrderType
from desk.gateway import AppLogin, GatewayClient
from desk.gateway import endpoints as ep
from desk.gateway.endpoints import Endpoint
from desk.sim import SimServer

from .conftest import ACCOUNT, MNQ, PRICE, config_of, count, market

HOUR = timedelta(hours=1)
APP = AppLogin(Secret("paper"), "device-1", "paper", Secret("paper"))
LOGIN_APP, LOGIN_KEY = "/api/Auth/loginApp", "/api/Auth/loginKey"


async def _resting(client: GatewayClient) -> GatewayOrderId:
    order = market(tag="dsk-rest", type=OrderType.LIMIT, limit_price=PRICE - 100)
    return next((one.gateway_order_id for one in await client.open_orders(ACCOUNT)), None) or await client.place(order)


async def _order(client: GatewayClient) -> object:
    return await client.order(ACCOUNT, await _resting(client))


async def _cancel(client: GatewayClient) -> None:
    await client.cancel(ACCOUNT, await _resting(client))


async def _modify(client: GatewayClient) -> None:
    await client.modify(ACCOUNT, await _resting(client), qty=2)


async def _after_entry(client: GatewayClient, close: Callable[[], Awaitable[None]]) -> None:
    await client.place(market(tag=f"dsk-{datetime.now(UTC).timestamp()}", qty=2))
    await close()


# operation of reference 3.12 → the method that performs it; each is really called, and nothing else reaches its path
METHODS: dict[str, Callable[[GatewayClient], Awaitable[object]]] = {
    "Auth/loginKey": lambda c: c.login(),
    "Auth/loginApp": lambda c: c.login_app(APP),
    "Auth/validate": lambda c: c.validate(),
    "Auth/logout": lambda c: c.logout(),
    "Status/ping": lambda c: c.ping(),
    "Account/search": lambda c: c.accounts(),
    "Contract/available": lambda c: c.contracts(),
    "Contract/search": lambda c: c.search_contracts("MNQ"),
    "Contract/searchById": lambda c: c.contract(MNQ),
    "History/retrieveBars": lambda c: c.bars(MNQ, BarUnit.M, 1, datetime.now(UTC) - HOUR, datetime.now(UTC), 5),
    "Order/place": lambda c: c.place(market()),
    "Order/search": lambda c: c.orders_since(ACCOUNT, datetime.now(UTC) - HOUR),
    "Order/searchOpen": lambda c: c.open_orders(ACCOUNT),
    "Order/searchById": _order,
    "Order/v2/query": lambda c: c.working_orders(ACCOUNT),
    "Order/modify": _modify,
    "Order/cancel": _cancel,
    "Position/searchOpen": lambda c: c.positions(ACCOUNT),
    "Position/partialCloseContract": lambda c: _after_entry(c, lambda: c.close_partially(ACCOUNT, MNQ, 1)),
    "Position/closeContract": lambda c: _after_entry(c, lambda: c.close_position(ACCOUNT, MNQ)),
    "Trade/search": lambda c: c.fills_since(ACCOUNT, datetime.now(UTC) - HOUR),
}


async def test_every_operation_is_reached_by_a_method_of_its_own(sim: SimServer, client: GatewayClient) -> None:
    for operation, call in METHODS.items():
        before = count(sim, f"/api/{operation}")
        await call(client)
        (*_, row) = (one for one in sim.requests if one.path == f"/api/{operation}")
        assert (count(sim, row.path), row.status) == (before + 1, 200), operation


def test_the_table_of_operations_is_the_references() -> None:
    known = {one.path.removeprefix("/api/") for one in vars(ep).values() if isinstance(one, Endpoint)}
    assert set(METHODS) == known
    assert len(known) == 21


# --- as a registered application --------------------------------------------------------------------------------------


async def test_an_application_logs_in_and_stays_one_when_its_token_dies(sim: SimServer) -> None:
    """Nothing of it needs the API key, which a vendor's user may not have."""
    async with GatewayClient(config_of(sim, api_key=Secret(""))) as client:
        await client.login_app(APP)
        await client.place(market())
        sim.expire_tokens()
        assert len(await client.positions(ACCOUNT)) == 1
        assert (count(sim, LOGIN_APP), count(sim, LOGIN_KEY)) == (2, 0)


async def test_after_an_application_the_key_serves_again(sim: SimServer) -> None:
    async with GatewayClient(config_of(sim)) as client:
        await client.login_app(APP)
        await client.login()
        sim.expire_tokens()
        await client.accounts()
        assert (count(sim, LOGIN_APP), count(sim, LOGIN_KEY)) == (1, 2)


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"username": "nobody"}, 1, "UserNotFound"),
        ({"password": Secret("wrong")}, 2, "PasswordVerificationFailed"),
        ({"app_id": "other"}, 4, "AppNotFound"),
        ({"verify_key": Secret("wrong")}, 5, "AppVerificationFailed"),
        ({"device_id": " "}, 6, "InvalidDevice"),
    ],
    ids=str,
)
async def test_a_refused_application_is_told_why_and_asked_about_once(
    sim: SimServer, change: dict[str, Any], code: int, words: str
) -> None:
    """LoginErrorCode of reference 2.2, the numbers of loginKey; every one of them is final."""
    user = {key: value for key, value in change.items() if key == "username"}
    app = replace(APP, **{key: value for key, value in change.items() if key != "username"})
    async with GatewayClient(config_of(sim, **user)) as client:
        with pytest.raises(AuthFailed, match=words) as caught:
            await client.login_app(app)
        assert (caught.value.code, caught.value.fatal, caught.value.endpoint) == (code, True, LOGIN_APP)
        with pytest.raises(AuthFailed, match=words):
            await client.accounts()
        assert [row.path for row in sim.requests] == [LOGIN_APP], "nothing else, and not again"


async def test_an_unknown_error_at_login_is_not_final(sim: SimServer) -> None:
    sim.faults.next(LOGIN_APP).rejects(8, "later")
    async with GatewayClient(config_of(sim)) as client:
        with pytest.raises(AuthFailed, match="UnknownError: later") as caught:
            await client.login_app(APP)
        assert not caught.value.fatal
        assert await client.accounts()


async def test_no_secret_of_an_application_shows(sim: SimServer) -> None:
    app = replace(APP, password=Secret("hunter2"), verify_key=Secret("verify-me"))
    async with GatewayClient(config_of(sim)) as client:
        with pytest.raises(AuthFailed) as caught:
            await client.login_app(app)
        shown = f"{app!r} {caught.value!r} {vars(caught.value)!r} {vars(client.tokens)!r}"
    assert not [one for one in ("hunter2", "verify-me") if one in shown]
