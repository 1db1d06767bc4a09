"""What a plan sees of its place, and what one step of it asks the world for."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from desk.core.ids import AccountId, ContractId, GatewayOrderId
from desk.core.orders import OrderState, Role, TrackedOrder
from desk.core.plans import Plan
from desk.core.words import OrderStatus, OrderType, VenueOrder
from desk.orders.reducing import Reducing

__all__ = [
    "Move",
    "Need",
    "PlaceView",
    "Reading",
    "Timer",
    "backoff_s",
    "gap_known",
    "gap_seen",
    "is_protected",
    "is_stop_against",
]


@dataclass(frozen=True, slots=True)
class PlaceView:
    """One account and contract as known: signed position, our orders that are not over, other working orders."""

    account_id: AccountId
    contract_id: ContractId
    qty: int
    ours: tuple[TrackedOrder, ...] = ()
    foreign: tuple[VenueOrder, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """What a read showed at one place: signed position and working orders. A read may lag the hub by a second.

    entries: those of ours that open something.
    unseen: orders of ours that may still trade and were reported too recently for the read to show them.
    is_settled: nothing is under way or so young that this read cannot know it; only then does "empty" prove anything.
    """

    asked_at: datetime
    qty: int
    working: tuple[VenueOrder, ...] = ()
    unseen: tuple[GatewayOrderId, ...] = ()
    entries: tuple[GatewayOrderId, ...] = ()
    is_settled: bool = True
    own: frozenset[GatewayOrderId] = frozenset()  # which of the working orders are ours


@dataclass(frozen=True, slots=True)
class Timer:
    key: str
    delay_s: float


@dataclass(frozen=True, slots=True)
class Move:
    """One step: the plan as it now is (None: ended, with ``result``), and what is to be done after the commit."""

    plan: Plan | None
    result: str = ""
    reducings: tuple[Reducing, ...] = ()
    reads: bool = False  # ask for a snapshot of the account
    searches: bool = False  # look the entry's tag up
    timer: Timer | None = None
    incident: tuple[str, str] | None = field(default=None)  # kind, text


def backoff_s(tries: int, first_s: float = 0.5, most_s: float = 5.0) -> float:
    """Pause before the next round, doubling."""
    return min(most_s, first_s * 2.0 ** min(tries, 10))


@dataclass(frozen=True, slots=True)
class Need:
    """What of a position is to be protected: ``qty`` contracts are, ``spare`` others are somebody else's business."""

    qty: int
    spare: int = 0

    def gap(self, own: int, foreign: int) -> int:
        """Contracts without a stop, where that many are covered. Stops of others count as far as theirs do not need them."""
        return max(0, self.qty - own - max(0, foreign - self.spare))


def gap_known(view: PlaceView, need: Need) -> int:
    """Contracts of ``need`` for which the tracked state shows no working stop."""
    own = sum(
        order.qty - order.filled_qty
        for order in view.ours
        if order.role is Role.STOP
        and order.state in {OrderState.WORKING, OrderState.PARTIALLY_FILLED}
        and order.side.sign * view.qty < 0
    )
    return need.gap(own, sum(o.qty - o.filled_qty for o in view.foreign if is_stop_against(o, view.qty)))


def gap_seen(seen: Reading, need: Need) -> int:
    """Contracts of ``need`` for which the gateway's own list shows no open stop.

    A resting stop entry on the other side is none, it opens a position: ``entries`` names ours, and legs tell the others.
    """
    opening = {*seen.entries, *(order.parent_id for order in seen.working)}
    stops = [o for o in seen.working if is_stop_against(o, seen.qty) and o.gateway_order_id not in opening]
    own = sum(order.qty - order.filled_qty for order in stops if order.gateway_order_id in seen.own)
    return need.gap(own, sum(o.qty - o.filled_qty for o in stops if o.gateway_order_id not in seen.own))


def is_protected(view: PlaceView) -> bool:
    """The tracked state shows working stops for at least the whole position."""
    return view.qty != 0 and not gap_known(view, Need(abs(view.qty)))


def is_stop_against(order: VenueOrder, qty: int) -> bool:
    """An open stop that lessens a position of ``qty``."""
    is_stop = order.type in {OrderType.STOP, OrderType.TRAILING_STOP}
    return is_stop and order.status is OrderStatus.OPEN and order.side.sign * qty < 0
