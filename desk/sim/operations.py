"""The REST operations: one function per endpoint, from a bound body to the reply's members (reference 3)."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from desk.sim.model import Order, Reply
from desk.sim.sessions import listing_day
from desk.sim.tokens import Token, Tokens
from desk.sim.wire import (
    BadRequest,
    Body,
    Json,
    account_json,
    contract_json,
    order_json,
    place_request,
    position_json,
    trade_json,
)
from desk.sim.words import Login, Status

if TYPE_CHECKING:
    from desk.sim.venue import Venue

MAX_BARS = 20_000


@dataclass(frozen=True)
class Call:
    """One authenticated request: the world, the body, and who asks with which token."""

    venue: "Venue"
    tokens: Tokens
    body: Body
    token: Token


Operation = Callable[[Call], Awaitable[Json | bytes]]


def envelope(code: int = 0, message: str | None = None, **payload: Any) -> Json:
    """The payload member, then success, errorCode and errorMessage (reference 3.1)."""
    return {**payload, "success": code == 0, "errorCode": int(code), "errorMessage": message}


def _of(reply: Reply) -> Json:
    return envelope(reply.code, reply.message)


async def login_key(venue: "Venue", tokens: Tokens, body: Body) -> Json:
    """Auth/loginKey: a wrong pair is HTTP 200 with code 3; the user's name has no case (reference 2.1)."""
    user, key = body.text("userName"), body.text("apiKey")
    known = venue.config.logins
    if known.get(user.lower()) != key:
        return envelope(Login.INVALID_CREDENTIALS, token=None)
    return envelope(token=tokens.issue(user.lower(), venue.config.clock()))


async def login_app(venue: "Venue", tokens: Tokens, body: Body) -> Json:
    """Auth/loginApp, for registered applications: user, password, device, application, in this order (reference 2.2)."""
    user, password, device = body.text("userName"), body.text("password"), body.text("deviceId")
    app, key = body.text("appId"), body.text("verifyKey")
    known = venue.config.logins
    code = Login.SUCCESS
    if user.lower() not in known:
        code = Login.USER_NOT_FOUND
    elif known[user.lower()] != password:
        code = Login.PASSWORD_VERIFICATION_FAILED
    elif not device.strip():
        code = Login.INVALID_DEVICE
    elif app not in venue.config.apps:
        code = Login.APP_NOT_FOUND
    elif venue.config.apps[app] != key:
        code = Login.APP_VERIFICATION_FAILED
    if code is not Login.SUCCESS:
        return envelope(code, token=None)
    return envelope(token=tokens.issue(user.lower(), venue.config.clock()))


async def validate(call: Call) -> Json:
    """Auth/validate: a new token; the old one goes on."""
    return envelope(newToken=call.tokens.issue(call.token.user, call.venue.config.clock()))


async def logout(call: Call) -> Json:
    """Auth/logout: ends this one token (SIM choice of reference 2.2)."""
    call.tokens.end(call.token)
    return envelope()


async def search_accounts(call: Call) -> Json:
    """Account/search."""
    active_only = call.body.flag("onlyActiveAccounts")
    rows = [row for row in call.venue.exchange.books.accounts.values() if row.is_shown_to(call.token.user)]
    return envelope(accounts=[account_json(row) for row in rows if row.is_visible or not active_only])


async def available_contracts(call: Call) -> Json:
    """Contract/available; without a live data subscription ``live:true`` has no rows."""
    live = call.body.flag("live")
    rows = [] if live else call.venue.available()
    return envelope(contracts=[contract_json(row) for row in rows])


async def search_contracts(call: Call) -> Json:
    """Contract/search: at most 20."""
    text, live = call.body.text("searchText"), call.body.flag("live")
    rows = [] if live else call.venue.catalogue.search(text, listing_day(call.venue.config.clock()))
    return envelope(contracts=[contract_json(row) for row in rows])


async def contract_by_id(call: Call) -> Json:
    """Contract/searchById: expired months resolve, too."""
    contract = call.venue.find(call.body.text("contractId"))
    if contract is None:
        return envelope(1, contract=None)
    return envelope(contract=contract_json(contract))


async def retrieve_bars(call: Call) -> Json | bytes:
    """History/retrieveBars, newest first, computed and rendered off the loop (reference 3.4)."""
    body, venue = call.body, call.venue
    contract = venue.find(body.text("contractId"))
    live, first, last = body.flag("live"), body.instant("startTime"), body.instant("endTime")
    unit, count, limit = body.int32("unit"), body.int32("unitNumber"), body.int32("limit")
    forming = body.flag("includePartialBar")
    if contract is None:
        return envelope(1, bars=None)
    if unit not in range(1, 7):
        return envelope(2, bars=None)
    if count <= 0:
        return envelope(3, bars=None)
    if not 0 < limit <= MAX_BARS:
        return envelope(4, bars=None)
    if live:
        return envelope(bars=[])
    from desk.sim.history import BarQuery  # brings numpy, which is loaded by now

    now = venue.config.clock()
    venue.market.is_frozen(contract)  # settles where it stands here, not in the thread
    query = BarQuery(unit, count, first, last, limit, forming)
    bars = await venue.in_thread(lambda: venue.market.bars_json(contract, query, now))
    return b'{"bars":' + bars + b',"success":true,"errorCode":0,"errorMessage":null}'


async def place(call: Call) -> Json:
    """Order/place: the id comes back for a rejected order, too."""
    request = place_request(call.body)
    reply = call.venue.act(request.contract_id, lambda now: call.venue.exchange.place(request, now))
    return {"orderId": reply.order_id} | _of(reply)


async def cancel(call: Call) -> Json:
    """Order/cancel."""
    account_id, order_id = call.body.int32("accountId"), call.body.int64("orderId")
    return _of(call.venue.act(None, lambda now: call.venue.exchange.cancel(account_id, order_id, now)))


async def modify(call: Call) -> Json:
    """Order/modify: absent and null members stay as they are."""
    body, venue = call.body, call.venue
    account_id, order_id = body.int32("accountId"), body.int64("orderId")
    size = body.maybe(body.int32, "size")
    limit, stop = body.maybe(body.price, "limitPrice"), body.maybe(body.price, "stopPrice")
    trail = body.maybe(body.price, "trailPrice")
    reply = venue.act(
        venue.order_contract(order_id),
        lambda now: venue.exchange.modify(
            account_id, order_id, now, size=size, limit_price=limit, stop_price=stop, trail_price=trail
        ),
    )
    return _of(reply)


def _orders_of(call: Call, account_id: int) -> list[Order] | None:
    call.venue.sync()
    books = call.venue.exchange.books
    if account_id not in books.accounts:
        return None
    return sorted((row for row in books.orders.values() if row.account_id == account_id), key=lambda row: row.id)


async def search_open_orders(call: Call) -> Json:
    """Order/searchOpen: status Open only, so sleeping children are not in it."""
    rows = _orders_of(call, call.body.int32("accountId"))
    if rows is None:
        return envelope(1, orders=None)
    return envelope(orders=[order_json(row) for row in rows if row.status is Status.OPEN])


async def search_orders(call: Call) -> Json:
    """Order/search: created inside the window, oldest first, without sleeping children (reference 3.7)."""
    first = call.body.instant("startTimestamp")
    last = call.body.maybe(call.body.instant, "endTimestamp")
    rows = _orders_of(call, call.body.int32("accountId"))
    if rows is None:
        return envelope(1, orders=None)
    kept = [row for row in rows if _inside(row.created, first, last) and row.status is not Status.SUSPENDED]
    return envelope(orders=[order_json(row) for row in kept])


async def order_by_id(call: Call) -> Json:
    """Order/searchById: shows sleeping children."""
    order_id = call.body.int64("orderId")
    rows = _orders_of(call, call.body.int32("accountId")) or []
    found = next((row for row in rows if row.id == order_id), None)
    if found is None:
        return envelope(1, order=None)
    return envelope(order=order_json(found))


async def query_orders(call: Call) -> Json:
    """Order/v2/query: any status; ``pageOffset`` counts rows (reference 3.8)."""
    body, chosen = call.body, call.body.part("filter")
    rows = _orders_of(call, chosen.int32("accountId"))
    statuses = chosen.maybe(chosen.integers, "statuses")
    contract_id = chosen.maybe(chosen.text, "contractId")
    first, last = chosen.maybe(chosen.instant, "createdAfter"), chosen.maybe(chosen.instant, "createdBefore")
    size, offset = body.maybe(body.int32, "pageSize"), body.maybe(body.int32, "pageOffset") or 0
    sort_by, direction = body.maybe(body.int32, "sortBy") or 0, body.maybe(body.int32, "sortDirection") or 0
    if size is not None and size <= 0:
        raise BadRequest("pageSize", "The field pageSize must be greater than 0.")
    if offset < 0:
        raise BadRequest("pageOffset", "The field pageOffset must not be negative.")
    if sort_by not in (0, 1):
        raise BadRequest("sortBy", f"The value '{sort_by}' is invalid.")
    if direction not in (0, 1):
        raise BadRequest("sortDirection", f"The value '{direction}' is invalid.")
    if unknown := [one for one in statuses or () if one not in set(Status)]:
        raise BadRequest("filter.statuses", f"The value '{unknown[0]}' is invalid.")
    if rows is None:
        return envelope(1, orders=None)
    kept = [
        row
        for row in rows
        if (statuses is None or row.status in statuses)
        and (contract_id is None or row.contract_id == contract_id)
        and _inside(row.created, first, last)
    ]
    kept.sort(key=lambda row: row.id if sort_by == 1 else (row.created, row.id), reverse=direction == 1)
    page = kept[offset:] if size is None else kept[offset : offset + size]
    total: Json = {"totalCount": len(kept)} if body.has("includeTotalCount") and body.flag("includeTotalCount") else {}
    return envelope(orders=[order_json(row) for row in page], **total)


async def search_positions(call: Call) -> Json:
    """Position/searchOpen: one row per contract, none when flat."""
    account_id = call.body.int32("accountId")
    call.venue.sync()
    books = call.venue.exchange.books
    if account_id not in books.accounts:
        return envelope(1, positions=None)
    return envelope(positions=[position_json(row) for row in books.positions.values() if row.account_id == account_id])


async def close_contract(call: Call) -> Json:
    """Position/closeContract: leaves stops and targets working (reference 3.9)."""
    account_id, contract_id = call.body.int32("accountId"), call.body.text("contractId")
    return _of(call.venue.act(contract_id, lambda now: call.venue.exchange.close(account_id, contract_id, now)))


async def partial_close(call: Call) -> Json:
    """Position/partialCloseContract."""
    account_id, contract_id = call.body.int32("accountId"), call.body.text("contractId")
    size = call.body.int32("size")
    return _of(call.venue.act(contract_id, lambda now: call.venue.exchange.close(account_id, contract_id, now, size)))


async def search_trades(call: Call) -> Json:
    """Trade/search: half-turns inside the window, newest first (reference 3.10)."""
    account_id = call.body.int32("accountId")
    first = call.body.maybe(call.body.instant, "startTimestamp")
    last = call.body.maybe(call.body.instant, "endTimestamp")
    call.venue.sync()
    books = call.venue.exchange.books
    if account_id not in books.accounts:
        return envelope(1, trades=None)
    rows = [row for row in reversed(books.trades) if row.account_id == account_id and _inside(row.created, first, last)]
    return envelope(trades=[trade_json(row) for row in rows])


def _inside(at: datetime, first: datetime | None, last: datetime | None) -> bool:
    return (first is None or at >= first) and (last is None or at <= last)


LOGINS: dict[str, Callable[["Venue", Tokens, Body], Awaitable[Json]]] = {
    "/api/Auth/loginKey": login_key,
    "/api/Auth/loginApp": login_app,
}
"""The two operations that need no token; with ``Status/ping`` and those below the 21 of reference 3.12."""

OPERATIONS: dict[str, Operation] = {
    "/api/Auth/validate": validate,
    "/api/Auth/logout": logout,
    "/api/Account/search": search_accounts,
    "/api/Contract/available": available_contracts,
    "/api/Contract/search": search_contracts,
    "/api/Contract/searchById": contract_by_id,
    "/api/History/retrieveBars": retrieve_bars,
    "/api/Order/place": place,
    "/api/Order/cancel": cancel,
    "/api/Order/modify": modify,
    "/api/Order/search": search_orders,
    "/api/Order/searchOpen": search_open_orders,
    "/api/Order/searchById": order_by_id,
    "/api/Order/v2/query": query_orders,
    "/api/Position/searchOpen": search_positions,
    "/api/Position/closeContract": close_contract,
    "/api/Position/partialCloseContract": partial_close,
    "/api/Trade/search": search_trades,
}
