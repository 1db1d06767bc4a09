"""The gateway's JSON models and what becomes of them: each turns into a core type here, or raises ProtocolError here.

The section numbers are those of the gateway reference. REST sends ``null`` for empty members, hubs leave them out, both
are ``None``; unknown members are ignored; unknown enum numbers become ``UNKNOWN`` where the core type has one; an
absent list proves nothing and raises, only ``[]`` is empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import TypeVar

import msgspec

from desk.core.errors import ProtocolError
from desk.core.ids import AccountId, ClientOrderId, ContractId, FillId, GatewayOrderId
from desk.core.words import (
    Account,
    Bar,
    Contract,
    Fill,
    OrderStatus,
    OrderType,
    Side,
    VenueOrder,
    VenuePosition,
)

__all__ = [
    "ORDER_TYPES",
    "SIDES",
    "STATUSES",
    "WireAccount",
    "WireBar",
    "WireContract",
    "WireOrder",
    "WirePosition",
    "WireTrade",
    "decode",
    "parse_id",
    "parse_price",
    "parse_time",
]

SIDES: Mapping[int, Side] = {0: Side.BUY, 1: Side.SELL}  # 4: OrderSide Bid, Ask
ORDER_TYPES: Mapping[int, OrderType] = {  # 4
    1: OrderType.LIMIT,
    2: OrderType.MARKET,
    3: OrderType.STOP_LIMIT,
    4: OrderType.STOP,
    5: OrderType.TRAILING_STOP,
    6: OrderType.JOIN_BID,
    7: OrderType.JOIN_ASK,
}
STATUSES: Mapping[int, OrderStatus] = {  # 4, and 3.7 for 7 and 8
    0: OrderStatus.NONE,
    1: OrderStatus.OPEN,
    2: OrderStatus.FILLED,
    3: OrderStatus.CANCELLED,
    4: OrderStatus.EXPIRED,
    5: OrderStatus.REJECTED,
    6: OrderStatus.PENDING,
    7: OrderStatus.PENDING_CANCEL,
    8: OrderStatus.SUSPENDED,
}

WireId = int | str  # some authors saw ids as digit strings (5.4)
_T = TypeVar("_T")
_FINEST = Decimal("1e-9")  # the wire shows at most nine decimals (3.1); beyond is float noise
_MAX_DIGITS = 18  # before the point; with nine behind it within the 28 digits that Decimal computes with


def decode(data: bytes, decoder: msgspec.json.Decoder[_T]) -> _T:
    """Typed JSON. Raises ProtocolError with the field's path and the bytes."""
    try:
        return decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise ProtocolError(f"unreadable: {exc}", bytes(data)) from exc


def parse_price(value: Decimal, field: str) -> Decimal:
    """A finite number of at most nine decimals without trailing zeros.

    ``6335.250000000`` and ``6335.25`` are one text.
    """
    if not value.is_finite() or value.adjusted() >= _MAX_DIGITS:
        raise ProtocolError(f"{field}: {value!s:.40} is not a price", str(value))
    return _in_one_form(value)


@lru_cache(maxsize=8192)  # equal numbers have one form, and a feed repeats its prices
def _in_one_form(value: Decimal) -> Decimal:
    if value.as_tuple().exponent < -9:  # type: ignore[operator] # an int, the value is finite
        value = value.quantize(_FINEST)
    value = value.normalize() + 0  # no negative zero
    return value.quantize(Decimal(1)) if value == value.to_integral_value() else value


def _price_or_none(value: Decimal | None, field: str) -> Decimal | None:
    return None if value is None else parse_price(value, field)


def parse_time(value: datetime, field: str) -> datetime:
    """Aware UTC. A time without an offset is taken as UTC: the gateway has no other zone (3.1)."""
    if value.tzinfo is UTC:  # as it nearly always is
        return value
    if value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    try:
        return value.astimezone(UTC)
    except OverflowError as exc:
        raise ProtocolError(f"{field}: {value} is out of range", str(value)) from exc


def parse_id(value: WireId, field: str) -> int:
    """An int64, also when it came as a digit string."""
    if isinstance(value, str):
        if not (value.isascii() and value.isdigit() and len(value) <= 19):
            raise ProtocolError(f"{field}: {value[:40]!r} is not an id", value)
        return int(value)
    return value


def _parse_side(value: int, field: str) -> Side:
    side = SIDES.get(value)
    if side is None:
        raise ProtocolError(f"{field}: {value} is neither 0 (buy) nor 1 (sell)", str(value))
    return side


class WireAccount(msgspec.Struct, frozen=True, rename="camel"):
    """TradingAccount (3.2): balance is realised cash net of fees, without open P&L."""

    id: WireId
    name: str
    balance: Decimal
    can_trade: bool
    is_visible: bool | None = None
    simulated: bool | None = None  # older samples lack it; true for Combine and practice alike

    def to_core(self) -> Account:
        return Account(
            account_id=AccountId(parse_id(self.id, "account.id")),
            name=self.name,
            balance=parse_price(self.balance, "account.balance"),
            can_trade=self.can_trade,
            is_visible=self.is_visible is not False,
            simulated=self.simulated,
        )


class WireContract(msgspec.Struct, frozen=True, rename="camel"):
    """Contract (3.3): tickSize in points, tickValue in dollars per tick and contract."""

    id: str
    name: str
    tick_size: Decimal
    tick_value: Decimal
    active_contract: bool
    symbol_id: str
    description: str | None = None

    def to_core(self) -> Contract:
        tick_size, tick_value = parse_price(self.tick_size, "tickSize"), parse_price(self.tick_value, "tickValue")
        if tick_size <= 0 or tick_value <= 0:
            raise ProtocolError(f"{self.id}: tickSize {tick_size} and tickValue {tick_value} must be over 0", self.id)
        return Contract(
            contract_id=ContractId(self.id),
            name=self.name,
            description=self.description or "",
            tick_size=tick_size,
            tick_value=tick_value,
            symbol_id=self.symbol_id,
            is_active=self.active_contract,
        )


class WireBar(msgspec.Struct, frozen=True, gc=False):
    """AggregateBar (3.4): ``t`` is the bar's opening time."""

    t: datetime
    o: Decimal
    h: Decimal
    l: Decimal  # noqa: E741 - the wire's name
    c: Decimal
    v: int

    def to_core(self) -> Bar:
        return Bar(
            ts_open=parse_time(self.t, "bar.t"),
            open=parse_price(self.o, "bar.o"),
            high=parse_price(self.h, "bar.h"),
            low=parse_price(self.l, "bar.l"),
            close=parse_price(self.c, "bar.c"),
            volume=self.v,
        )


class WireOrder(msgspec.Struct, frozen=True, rename="camel"):
    """Order (3.5), over REST and over the user hub.

    ``trailPrice``/``trailDistance`` are not read: they show a distance, never what a modify takes (3.6). One author saw
    the id of a hub event under ``orderId`` (5.4).
    """

    account_id: WireId
    contract_id: str
    creation_timestamp: datetime
    status: int
    type: int
    side: int
    size: int
    id: WireId | None = None
    order_id: WireId | None = None
    update_timestamp: datetime | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    fill_volume: int | None = None
    filled_price: Decimal | None = None  # average
    custom_tag: str | None = None
    parent_order_id: WireId | None = None

    def to_core(self) -> VenueOrder:
        own_id = self.id if self.id is not None else self.order_id
        if own_id is None:
            raise ProtocolError("order without id")
        if self.size < 0 or (self.fill_volume or 0) < 0:
            raise ProtocolError(f"order {own_id}: negative size or fillVolume")
        return VenueOrder(
            gateway_order_id=GatewayOrderId(parse_id(own_id, "order.id")),
            account_id=AccountId(parse_id(self.account_id, "order.accountId")),
            contract_id=ContractId(self.contract_id),
            status=STATUSES.get(self.status, OrderStatus.UNKNOWN),
            type=ORDER_TYPES.get(self.type, OrderType.UNKNOWN),
            side=_parse_side(self.side, "order.side"),
            qty=self.size,
            filled_qty=self.fill_volume or 0,
            filled_price=_price_or_none(self.filled_price, "order.filledPrice"),
            limit_price=_price_or_none(self.limit_price, "order.limitPrice"),
            stop_price=_price_or_none(self.stop_price, "order.stopPrice"),
            tag=None if self.custom_tag is None else ClientOrderId(self.custom_tag),
            parent_id=_parent(self.parent_order_id),
            created_at=parse_time(self.creation_timestamp, "order.creationTimestamp"),
            updated_at=None
            if self.update_timestamp is None
            else parse_time(self.update_timestamp, "order.updateTimestamp"),
        )


def _parent(value: WireId | None) -> GatewayOrderId | None:
    number = 0 if value is None else parse_id(value, "order.parentOrderId")
    return GatewayOrderId(number) if number else None


class WirePosition(msgspec.Struct, frozen=True, rename="camel"):
    """Position (3.9): type 1 long, 2 short; size always positive. Closed on the hub: type 0, size 0 (5.4)."""

    account_id: WireId
    contract_id: str
    type: int
    size: int
    average_price: Decimal
    creation_timestamp: datetime | None = None

    def to_core(self) -> VenuePosition:
        sign = {1: 1, 2: -1}.get(self.type, 0)
        if self.size < 0 or (sign == 0 and self.size != 0):
            raise ProtocolError(f"position in {self.contract_id}: type {self.type} with size {self.size}")
        opened = self.creation_timestamp
        return VenuePosition(
            account_id=AccountId(parse_id(self.account_id, "position.accountId")),
            contract_id=ContractId(self.contract_id),
            qty=sign * self.size,
            avg_price=parse_price(self.average_price, "position.averagePrice"),
            opened_at=None if opened is None else parse_time(opened, "position.creationTimestamp"),
        )


class WireTrade(msgspec.Struct, frozen=True, rename="camel"):
    """HalfTrade (3.10): one row per fill of ours. profitAndLoss null: an opening fill; else gross, of this closing
    fill.

    ``fees`` and ``commissions`` are dollars for this side and the row's size; rows of 2025 lack commissions.
    """

    id: WireId
    account_id: WireId
    contract_id: str
    creation_timestamp: datetime
    price: Decimal
    side: int
    size: int
    order_id: WireId
    profit_and_loss: Decimal | None = None
    fees: Decimal | None = None
    commissions: Decimal | None = None
    voided: bool | None = None

    def to_core(self) -> Fill:
        if self.size <= 0:
            raise ProtocolError(f"trade {self.id}: size {self.size}")
        return Fill(
            fill_id=FillId(parse_id(self.id, "trade.id")),
            account_id=AccountId(parse_id(self.account_id, "trade.accountId")),
            contract_id=ContractId(self.contract_id),
            gateway_order_id=GatewayOrderId(parse_id(self.order_id, "trade.orderId")),
            side=_parse_side(self.side, "trade.side"),
            qty=self.size,
            price=parse_price(self.price, "trade.price"),
            gross_pnl=_price_or_none(self.profit_and_loss, "trade.profitAndLoss"),
            fees=_price_or_none(self.fees, "trade.fees") or Decimal(0),
            commissions=_price_or_none(self.commissions, "trade.commissions") or Decimal(0),
            ts_event=parse_time(self.creation_timestamp, "trade.creationTimestamp"),
            voided=bool(self.voided),
        )
