"""The one gate in front of every opening order. An ``Approved`` cannot be made anywhere else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from desk.core.orders import OrderRequest
from desk.core.words import Account, Contract, Side
from desk.risk.reasons import Reason

__all__ = ["AccountView", "Approved", "Denied", "Limits", "approve"]

MIN_BRACKET_TICKS = 4  # the venue's minimum (gateway reference 3.6)
MAX_BRACKET_TICKS = 1000  # of trailing stops at the venue; a farther stop is a typing mistake (gateway reference 3.6)

BRACKETS_REFUSED_FOR = timedelta(seconds=60)  # then one entry may find out whether the switch was flipped

_SEAL: Final = object()


class Approved:
    """An opening order that may be sent, once, until ``fresh_until``."""

    __slots__ = ("fresh_until", "order")

    def __init__(self, seal: object, order: OrderRequest, fresh_until: datetime | None) -> None:
        assert seal is _SEAL, "only risk.approve makes an Approved: no opening order goes around it"
        self.order = order
        self.fresh_until = fresh_until

    def __repr__(self) -> str:
        return f"Approved({self.order})"


@dataclass(frozen=True, slots=True)
class Denied:
    """We said no; nothing left the house. ``text`` carries the numbers."""

    reason: Reason
    text: str


@dataclass(frozen=True, slots=True)
class Limits:
    """What one bot may hold, in contracts of one instrument."""

    max_position: int


@dataclass(frozen=True, slots=True)
class AccountView:
    """What is known of the account at this moment. ``None`` and False mean: not known, so no."""

    account: Account | None
    is_reconciled: bool
    position_qty: int  # signed, in the order's contract
    opening_qty: int  # contracts of entries there that are in flight or working, same or either side
    has_exit_running: bool
    unprotected: str | None  # a contract of the account whose position has no confirmed stop
    is_stopping: bool
    is_journal_ok: bool = True
    is_budget_low: bool = False  # too few requests are left to get everything flat, this entry included
    orphan_orders: int = 0  # working legs of a position that ended, in the order's contract
    buying_qty: int = 0  # of the entries under way: contracts of those that buy
    selling_qty: int = 0
    brackets_refused_at: datetime | None = (
        None  # when the account last refused a stop in an entry, with no success since
    )


def approve(
    order: OrderRequest,
    contract: Contract,
    view: AccountView,
    limits: Limits,
    fresh_until: datetime | None,
    now: datetime,
) -> Approved | Denied:
    """Yes or no to one opening order, here and now. Every no names its reason and numbers."""
    denied = (
        _state_denies(view)
        or _brackets_deny(view, now)
        or _age_denies(fresh_until, now)
        or _order_denies(order, contract, view, limits)
    )
    return denied or Approved(_SEAL, order, fresh_until)


def _state_denies(view: AccountView) -> Denied | None:
    if view.is_stopping:
        return Denied(Reason.STOPPING, "the desk is stopping; no new entries")
    if not view.is_journal_ok:
        return Denied(Reason.JOURNAL_DOWN, "the journal cannot be written; entries wait until it can (disk full?)")
    if view.account is None:
        return Denied(Reason.ACCOUNT_UNKNOWN, "the gateway does not list the bot's account; check PROJECT_X_ACCOUNT_ID")
    if not view.is_reconciled:
        return Denied(Reason.NOT_RECONCILED, f"account {view.account.name} is not reconciled with the gateway yet")
    if not view.account.can_trade:
        return Denied(
            Reason.ACCOUNT_LOCKED, f"the gateway says account {view.account.name} may not trade (canTrade false)"
        )
    if view.is_budget_low:
        text = "the request budget is nearly used up; what is left is kept for exits. Send it again in a few seconds"
        return Denied(Reason.BUDGET_LOW, text)
    if view.has_exit_running:
        return Denied(
            Reason.EXIT_RUNNING, "an exit of this contract is under way; send the entry again once it is flat"
        )
    if view.orphan_orders:
        text = f"{view.orphan_orders} protective orders of an ended position still work there; send it again once they are gone"
        return Denied(Reason.ORPHAN_ORDERS, text)
    if view.unprotected is not None:
        return Denied(
            Reason.UNPROTECTED, f"{view.unprotected} has a position without a confirmed stop; that comes first"
        )
    return None


def _brackets_deny(view: AccountView, now: datetime) -> Denied | None:
    """An entry without its stop at the venue is never the answer (gateway reference 3.6, 3.14)."""
    if view.brackets_refused_at is None or now - view.brackets_refused_at >= BRACKETS_REFUSED_FOR:
        return None
    again = view.brackets_refused_at + BRACKETS_REFUSED_FOR
    text = (
        "the account is in Position Brackets mode and refuses the stop of an entry; on TopstepX set Settings > "
        f"Risk Settings to Auto OCO Brackets. The next entry after {again:%H:%M:%S} UTC tries it again"
    )
    return Denied(Reason.POSITION_BRACKETS, text)


def _age_denies(fresh_until: datetime | None, now: datetime) -> Denied | None:
    if fresh_until is not None and now > fresh_until:
        late_s = (now - fresh_until).total_seconds()
        return Denied(Reason.TOO_OLD, f"the entry is {late_s:.1f} s past its age limit; late entries are not taken")
    return None


def _order_denies(order: OrderRequest, contract: Contract, view: AccountView, limits: Limits) -> Denied | None:
    if not contract.is_active:
        return Denied(Reason.CONTRACT_INACTIVE, f"{contract.name} is not the gateway's active contract")
    if order.qty < 1:
        return Denied(Reason.BAD_SIZE, f"size {order.qty}: at least 1 contract")
    if order.stop_ticks is None:
        return Denied(Reason.NO_STOP, "an entry needs a protective stop in the same order")
    if order.stop_ticks < MIN_BRACKET_TICKS:
        return Denied(Reason.STOP_TOO_CLOSE, f"stop {order.stop_ticks} ticks away; at least {MIN_BRACKET_TICKS}")
    if order.stop_ticks > MAX_BRACKET_TICKS:
        return Denied(Reason.STOP_TOO_FAR, f"stop {order.stop_ticks} ticks away; at most {MAX_BRACKET_TICKS}")
    if order.target_ticks is not None and order.target_ticks < MIN_BRACKET_TICKS:
        return Denied(Reason.TARGET_TOO_CLOSE, f"target {order.target_ticks} ticks away; at least {MIN_BRACKET_TICKS}")
    if view.position_qty * order.side.sign < 0:
        text = f"position is {view.position_qty:+d}; an opening order against it would leave its legs orphaned"
        return Denied(Reason.OPPOSITE_POSITION, text)
    against = view.selling_qty if order.side is Side.BUY else view.buying_qty
    if against:
        text = (
            f"entries of {against} contracts on the other side are under way or rest; both filled, each would leave its legs "
            "behind. Cancel them first, or give both as a pair of which one may fill"
        )
        return Denied(Reason.OPPOSITE_ENTRY, text)
    worst = abs(view.position_qty) + view.opening_qty + order.qty  # every working entry fills
    if worst > limits.max_position:
        held = f"position {view.position_qty:+d}, entries under way {view.opening_qty}, this order {order.qty}"
        return Denied(
            Reason.MAX_POSITION, f"{held}: {worst} contracts, allowed {limits.max_position} (MAX_POSITION_SIZE)"
        )
    return None
