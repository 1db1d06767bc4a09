"""What the exchange keeps: frozen rows, so that an event or a view is a snapshot for free."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from desk.sim.words import OrderType, Side, Status


@dataclass(frozen=True)
class Account:
    """A trading account; ``balance`` is realised cash net of fees (reference 3.2)."""

    id: int
    name: str
    balance: Decimal
    can_trade: bool = True
    is_visible: bool = True
    simulated: bool = True
    auto_oco: bool = True
    max_minis: int | None = None
    follower: bool = False
    position_stop_usd: Decimal | None = None
    position_target_usd: Decimal | None = None
    login: str | None = None

    def is_shown_to(self, user: str) -> bool:
        """Whether this login (lower case) has the account."""
        return self.login is None or self.login.lower() == user


@dataclass(frozen=True)
class Contract:
    """A listed contract with the economics the gateway shows, and the fees it charges per side and contract.

    ``minis`` is what one counts against a position limit, ``group`` names its hours, from ``ends`` on it is expired.
    """

    id: str
    name: str
    display_name: str
    description: str
    tick_size: Decimal
    tick_value: Decimal
    active: bool
    symbol_id: str
    fees: Decimal
    commissions: Decimal
    minis: Decimal
    group: str = "index"
    ends: date | None = None


@dataclass(frozen=True)
class Bracket:
    """A leg wish inside a place request: signed ticks from the entry fill, and an order type (reference 3.6)."""

    ticks: int
    type: int


@dataclass(frozen=True)
class PlaceRequest:
    """The members of Order/place; prices still unchecked, enums still plain numbers."""

    account_id: int
    contract_id: str
    type: int
    side: int
    size: int
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_price: Decimal | None = None
    custom_tag: str | None = None
    stop_loss: Bracket | None = None
    take_profit: Bracket | None = None


@dataclass(frozen=True)
class Reply:
    """How a mutation ended: the endpoint's own code, an optional text, and for place the order's id."""

    code: int
    message: str | None = None
    order_id: int | None = None


@dataclass(frozen=True)
class Order:
    """One order (reference 3.5). ``trail_ticks`` is the signed or trailing distance, shown as trailDistance.

    ``of_position``: attached by the platform to a position in Position-Brackets mode, which no client can see.
    """

    id: int
    account_id: int
    contract_id: str
    symbol_id: str
    created: datetime
    updated: datetime
    status: Status
    type: OrderType
    side: Side
    size: int
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_price: Decimal | None = None
    trail_ticks: int | None = None
    fill_volume: int = 0
    filled_price: Decimal | None = None
    custom_tag: str | None = None
    parent_id: int | None = None
    linked_id: int | None = None
    of_position: bool = False

    @property
    def is_working(self) -> bool:
        """True while something can still happen to it: 1, 6, 7 or 8."""
        return not self.status.is_terminal

    @property
    def left(self) -> int:
        """Contracts still to be filled."""
        return self.size - self.fill_volume


@dataclass(frozen=True)
class Position:
    """A net position; ``net`` is signed and 0 once closed, ``average_price`` is weighted by size (reference 3.9).

    ``minis``: what each contract counts against the account's limit.
    """

    id: int
    account_id: int
    contract_id: str
    display_name: str
    created: datetime
    net: int
    average_price: Decimal
    minis: Decimal = Decimal(1)

    @property
    def size(self) -> int:
        """Contracts, never negative."""
        return abs(self.net)


@dataclass(frozen=True)
class HalfTurn:
    """One fill (reference 3.10): ``profit`` is gross and None on the opening side, fees cover the row's size."""

    id: int
    account_id: int
    contract_id: str
    created: datetime
    price: Decimal
    profit: Decimal | None
    fees: Decimal
    commissions: Decimal
    side: Side
    size: int
    order_id: int
    voided: bool = False


@dataclass(frozen=True)
class Quote:
    """The market at one instant, on the tick grid."""

    bid: Decimal
    ask: Decimal
    last: Decimal


Kind = Literal["order", "position", "trade", "account"]
Row = Order | Position | HalfTurn | Account


@dataclass(frozen=True)
class UserEvent:
    """One push on the user hub; ``action`` as observed: 1 update, 2 closed position, 0 trade (reference 4)."""

    kind: Kind
    action: int
    account_id: int
    row: Row
