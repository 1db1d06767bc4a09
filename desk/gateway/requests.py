"""The request bodies of REST. Absent optional members are left out.

Prices go out as JSON numbers, times as UTC ``Z``.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import msgspec

from desk.core.orders import OrderRequest
from desk.core.words import OrderType, Side
from desk.gateway.wire import ORDER_TYPES, SIDES

__all__ = ["build_place", "encode"]

_encoder = msgspec.json.Encoder(decimal_format="number")


def encode(body: msgspec.Struct) -> bytes:
    """JSON of one request."""
    return _encoder.encode(body)


class _Request(msgspec.Struct, frozen=True, rename="camel", kw_only=True, omit_defaults=True):
    """Members that are None by default are left out: for modify that means unchanged (3.8)."""


class NoBody(_Request, frozen=True):
    """``{}`` for operations without members."""


class LoginKey(_Request, frozen=True, rename="camel", kw_only=True):
    user_name: str
    api_key: str


class LoginApp(_Request, frozen=True, rename="camel", kw_only=True):
    user_name: str
    password: str
    device_id: str
    app_id: str
    verify_key: str


class SearchAccounts(_Request, frozen=True, rename="camel", kw_only=True):
    only_active_accounts: bool


class AvailableContracts(_Request, frozen=True, rename="camel", kw_only=True):
    live: bool


class SearchContracts(_Request, frozen=True, rename="camel", kw_only=True):
    search_text: str
    live: bool


class ContractById(_Request, frozen=True, rename="camel", kw_only=True):
    contract_id: str


class RetrieveBars(_Request, frozen=True, rename="camel", kw_only=True):
    contract_id: str
    live: bool
    start_time: datetime
    end_time: datetime
    unit: int
    unit_number: int
    limit: int
    include_partial_bar: bool


class Bracket(_Request, frozen=True, rename="camel", kw_only=True):
    """``ticks``: signed distance from the entry's fill (3.6)."""

    ticks: int
    type: int


class PlaceOrder(_Request, frozen=True, rename="camel", kw_only=True):
    account_id: int
    contract_id: str
    type: int
    side: int
    size: int
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_price: Decimal | None = None  # an absolute level, as all prices; read back it is a distance (3.6)
    custom_tag: str | None = None
    stop_loss_bracket: Bracket | None = None
    take_profit_bracket: Bracket | None = None


class AccountAndOrder(_Request, frozen=True, rename="camel", kw_only=True):
    account_id: int
    order_id: int


class ModifyOrder(_Request, frozen=True, rename="camel", kw_only=True):
    account_id: int
    order_id: int
    size: int | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_price: Decimal | None = None


class AccountAndContract(_Request, frozen=True, rename="camel", kw_only=True):
    account_id: int
    contract_id: str


class PartialClose(_Request, frozen=True, rename="camel", kw_only=True):
    account_id: int
    contract_id: str
    size: int


class OfAccount(_Request, frozen=True, rename="camel", kw_only=True):
    account_id: int


class InWindow(_Request, frozen=True, rename="camel", kw_only=True):
    """Order/search and Trade/search: what was created from ``start`` to ``end``."""

    account_id: int
    start_timestamp: datetime
    end_timestamp: datetime | None = None


class OrderFilter(_Request, frozen=True, rename="camel", kw_only=True):
    account_id: int
    statuses: list[int]


class QueryOrders(_Request, frozen=True, rename="camel", kw_only=True):
    filter: OrderFilter
    page_size: int
    page_offset: int
    include_total_count: bool


_SIDE_NUMBERS = {side: number for number, side in SIDES.items()}
_TYPE_NUMBERS = {type_: number for number, type_ in ORDER_TYPES.items()}
_STOP = _TYPE_NUMBERS[OrderType.STOP]
_TRAILING_STOP = _TYPE_NUMBERS[OrderType.TRAILING_STOP]
_LIMIT = _TYPE_NUMBERS[OrderType.LIMIT]
_PRICES_OF = {  # type → (needs a limit price, needs a stop price, needs a trail price)
    OrderType.MARKET: (False, False, False),
    OrderType.LIMIT: (True, False, False),
    OrderType.STOP: (False, True, False),
    OrderType.TRAILING_STOP: (False, False, True),
    OrderType.JOIN_BID: (False, False, False),
    OrderType.JOIN_ASK: (False, False, False),
}


def build_place(order: OrderRequest) -> PlaceOrder:
    """The wire form of one order, brackets signed: a buy's stop is below its fill, a sell's above (3.6).

    Asserts what the engine guarantees: a type that can be placed with exactly its prices, whole contracts, positive
    distances. Where the level of a trailing stop may be, the market decides, and the gateway says (3.14).
    """
    prices = _PRICES_OF.get(order.type)
    assert prices is not None, f"{order.type} orders are never placed"
    given = tuple(price is not None for price in (order.limit_price, order.stop_price, order.trail_price))
    assert prices == given, f"wrong prices for {order.type}"
    assert order.qty > 0, "an order is for at least one contract"
    assert order.stop_ticks is not None or not order.stop_is_trailing, "a stop that trails has a distance"
    return PlaceOrder(
        account_id=order.account_id,
        contract_id=order.contract_id,
        type=_TYPE_NUMBERS[order.type],
        side=_SIDE_NUMBERS[order.side],
        size=order.qty,
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        trail_price=order.trail_price,
        custom_tag=order.client_order_id,
        stop_loss_bracket=_bracket(
            order.stop_ticks, order.side.opposite, _TRAILING_STOP if order.stop_is_trailing else _STOP
        ),
        take_profit_bracket=_bracket(order.target_ticks, order.side, _LIMIT),
    )


def _bracket(ticks: int | None, direction: Side, type_: int) -> Bracket | None:
    if ticks is None:
        return None
    assert ticks > 0, "bracket distances are positive ticks; the sign is made here"
    return Bracket(ticks=direction.sign * ticks, type=type_)
