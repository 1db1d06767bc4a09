"""An order as this program tracks it: what was asked, under which identity, and how far it got."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

from desk.core.ids import AccountId, CauseId, ClientOrderId, ContractId, GatewayOrderId
from desk.core.intents import Care
from desk.core.words import OrderType, Side

__all__ = ["OrderRequest", "OrderState", "Role", "StopTouch", "TrackedOrder"]


class Role(StrEnum):
    """What an order is for."""

    ENTRY = "entry"
    STOP = "stop"  # protective stop, a leg of an entry
    TARGET = "target"  # take profit, a leg of an entry


class StopTouch(StrEnum):
    """What moved a protective stop last: it names the reason of the exit when it fills."""

    BREAK_EVEN = "break_even"
    TRAILING = "trailing"
    MOVED = "moved"


class OrderState(StrEnum):
    """How far one of our orders got. Legal transitions: ``orders/lifecycle.py``."""

    SUBMITTED = "submitted"  # journalled, in flight, no answer yet
    UNKNOWN = "unknown"  # submitted without a clear outcome: nobody knows
    ACCEPTED = "accepted"  # the gateway said yes
    SUSPENDED = "suspended"  # a leg that waits for its entry's fill
    WORKING = "working"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"  # ended unfilled: by the venue, or surely never arrived
    REJECTED = "rejected"

    @property
    def is_over(self) -> bool:
        return self in _OVER

    @property
    def is_unsettled(self) -> bool:
        """In flight or lost on the way: may or may not live at the venue."""
        return self in {OrderState.SUBMITTED, OrderState.UNKNOWN}


_OVER = frozenset({OrderState.FILLED, OrderState.CANCELED, OrderState.EXPIRED, OrderState.REJECTED})


class OrderRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One order to be placed. Bracket distances are positive ticks; the client signs them (gateway reference 3.6).

    trail_price: of a trailing stop, the absolute level it starts at, never a distance. stop_is_trailing: the stop
    bracket of ``stop_ticks`` follows the price at that distance.
    """

    client_order_id: ClientOrderId
    account_id: AccountId
    contract_id: ContractId
    type: OrderType
    side: Side
    qty: int
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_price: Decimal | None = None
    stop_ticks: int | None = None
    stop_is_trailing: bool = False
    target_ticks: int | None = None


class TrackedOrder(msgspec.Struct, frozen=True, kw_only=True):
    """One of our orders and what is known of it. A leg's ``parent`` is its entry."""

    client_order_id: ClientOrderId
    cause: CauseId
    account_id: AccountId
    contract_id: ContractId
    role: Role
    type: OrderType
    side: Side
    qty: int
    state: OrderState
    attempt: int = 1
    stop_ticks: int | None = None
    target_ticks: int | None = None
    parent: ClientOrderId | None = None
    gateway_order_id: GatewayOrderId | None = None
    filled_qty: int = 0
    filled_price: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    submitted_at: datetime
    updated_at: datetime
    fresh_until: datetime | None = None  # an entry may be sent (again) until then
    max_position: int | None = None  # the limit under which it was approved; sending again may not loosen it
    care: Care = Care()  # of an entry: what is done with its legs after the fill
    expires_at: datetime | None = None  # of an entry: it may rest until then
    trail_ticks: int | None = None  # of a trailing-stop entry
    is_stop_trailing: bool = False  # the venue trails the stop of its bracket
    touched: StopTouch | None = None  # of a protective stop: what moved it last
    reported_at: datetime | None = (
        None  # the venue's time of the newest report: an older one does not change its prices
    )

    @property
    def request(self) -> OrderRequest:
        """The order as it was asked for, to be approved again under the same identity."""
        return OrderRequest(
            client_order_id=self.client_order_id,
            account_id=self.account_id,
            contract_id=self.contract_id,
            type=self.type,
            side=self.side,
            qty=self.qty,
            limit_price=self.limit_price,
            stop_price=self.stop_price,
            stop_ticks=self.stop_ticks,
            target_ticks=self.target_ticks,
            stop_is_trailing=self.is_stop_trailing,
        )
