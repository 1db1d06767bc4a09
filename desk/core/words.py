"""The nouns of the trade, as the rest of the program sees them: contract, order, fill, position, account, quote, bar.

Prices are ``Decimal`` on the tick grid, times aware UTC, quantities contracts and positive; only a position's is signed.
Wire numbers become these types in ``gateway/wire.py`` or raise there.
"""

from __future__ import annotations

from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from enum import StrEnum

import msgspec

from desk.core.ids import AccountId, ClientOrderId, ContractId, FillId, GatewayOrderId

__all__ = [
    "Account",
    "Bar",
    "Contract",
    "Fill",
    "OrderStatus",
    "OrderType",
    "Quote",
    "Side",
    "VenueOrder",
    "VenuePosition",
    "decimals_text",
]


class Side(StrEnum):
    """Which way. Carries the sign, so that quantities never do."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> Side:
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderType(StrEnum):
    """Gateway OrderType (reference 4); a number nobody knows is kept as ``UNKNOWN``."""

    UNKNOWN = "unknown"
    LIMIT = "limit"
    MARKET = "market"
    STOP_LIMIT = "stop_limit"
    STOP = "stop"
    TRAILING_STOP = "trailing_stop"
    JOIN_BID = "join_bid"
    JOIN_ASK = "join_ask"


class OrderStatus(StrEnum):
    """What the gateway says about an order (reference 3.7). ``UNKNOWN`` is any number that is not in its table."""

    NONE = "none"
    OPEN = "open"
    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    PENDING = "pending"
    PENDING_CANCEL = "pending_cancel"
    SUSPENDED = "suspended"
    UNKNOWN = "unknown"

    @property
    def is_terminal(self) -> bool:
        """No further change is expected. Unknown is not terminal: nobody knows."""
        return self in _TERMINAL

    @property
    def is_working(self) -> bool:
        """May still trade: everything that is not surely over."""
        return not self.is_terminal


_TERMINAL = frozenset({OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.EXPIRED, OrderStatus.REJECTED})


def decimals_text(price: Decimal, tick_size: Decimal) -> str:
    """With the decimals of the tick, or all of its own where it has more."""
    exponent = tick_size.normalize().as_tuple().exponent
    assert isinstance(exponent, int), "a tick size is a finite number"
    rounded = round(price, max(0, -exponent))
    return f"{rounded if rounded == price else price:f}"


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """One tradable contract, from the gateway's contract record (reference 3.3). There is no default economics."""

    contract_id: ContractId
    name: str
    description: str
    tick_size: Decimal  # points
    tick_value: Decimal  # USD per tick and contract
    symbol_id: str
    is_active: bool

    @property
    def point_value(self) -> Decimal:
        """USD per point and contract."""
        return self.tick_value / self.tick_size

    def price_text(self, price: Decimal | None) -> str:
        """For a person: with the decimals of the tick, or all of its own where it lies between two ticks."""
        if price is None:
            return "none"
        return decimals_text(price, self.tick_size)

    def points_text(self, ticks: int) -> str:
        """A distance for a person: ``15 points``."""
        points = (ticks * self.tick_size).normalize()
        return f"{points:f} point{'' if points == 1 else 's'}"

    def is_on_grid(self, price: Decimal) -> bool:
        return price % self.tick_size == 0

    def ticks_floor(self, points: Decimal) -> int:
        """Whole ticks in a distance, rounded down. points: not negative."""
        return int((points / self.tick_size).to_integral_value(ROUND_FLOOR))

    def ticks_ceil(self, points: Decimal) -> int:
        """Whole ticks in a distance, rounded up. points: not negative."""
        return int((points / self.tick_size).to_integral_value(ROUND_CEILING))


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """An account as the gateway lists it (reference 3.2). ``simulated`` is true for a Combine as well as for practice."""

    account_id: AccountId
    name: str
    balance: Decimal  # USD, realised, net of fees
    can_trade: bool
    is_visible: bool = True
    simulated: bool | None = None  # None: the reply lacked it


class VenueOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order as the gateway reports it, over REST or over the user hub (reference 3.5)."""

    gateway_order_id: GatewayOrderId
    account_id: AccountId
    contract_id: ContractId
    status: OrderStatus
    type: OrderType
    side: Side
    qty: int
    filled_qty: int
    filled_price: Decimal | None = None  # average, points
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    tag: ClientOrderId | None = None  # customTag; legs carry the entry's with -SL or -TP
    parent_id: GatewayOrderId | None = None
    created_at: datetime
    updated_at: datetime | None = None


class VenuePosition(msgspec.Struct, frozen=True, kw_only=True):
    """Net position in one contract as the gateway reports it (reference 3.9). ``qty`` is signed; 0 is flat."""

    account_id: AccountId
    contract_id: ContractId
    qty: int
    avg_price: Decimal
    opened_at: datetime | None = None


class Fill(msgspec.Struct, frozen=True, kw_only=True):
    """One execution of ours; the gateway says trade (reference 3.10)."""

    fill_id: FillId
    account_id: AccountId
    contract_id: ContractId
    gateway_order_id: GatewayOrderId
    side: Side
    qty: int
    price: Decimal
    gross_pnl: Decimal | None  # USD; None: an opening fill
    fees: Decimal  # USD, this side
    commissions: Decimal  # USD, this side
    ts_event: datetime
    voided: bool = False


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """Newest merged quote of a contract. Any price may still be missing: absent is not zero (reference 5.3)."""

    contract_id: ContractId
    bid: Decimal | None = None
    ask: Decimal | None = None
    last: Decimal | None = None
    volume: int | None = None  # session total
    ts_event: datetime
    ts_recv: datetime


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """OHLCV of one interval; ``ts_open`` is its opening time (reference 3.4)."""

    ts_open: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int
