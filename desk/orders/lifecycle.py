"""How one of our orders may change. One table, the unlikely transitions included, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from desk.core.events import Outcome, OutcomeKind
from desk.core.ids import ClientOrderId, stop_leg_id, target_leg_id
from desk.core.orders import OrderState, Role, TrackedOrder
from desk.core.words import OrderStatus, VenueOrder

__all__ = ["BACK", "NEXT", "advance", "leg_of", "settle", "state_of"]

_S = OrderState
_LIVE = {_S.ACCEPTED, _S.SUSPENDED, _S.WORKING, _S.PARTIALLY_FILLED}
_OVER = {_S.FILLED, _S.CANCELED, _S.EXPIRED, _S.REJECTED}

NEXT: Mapping[OrderState, frozenset[OrderState]] = {
    # a fill can outrun the accept, and a reject the reply
    _S.SUBMITTED: frozenset({_S.UNKNOWN} | _LIVE | _OVER),
    # found, or surely not there; SUBMITTED: sent again under the same tag after two searches found nothing
    _S.UNKNOWN: frozenset({_S.SUBMITTED} | _LIVE | _OVER),
    # the venue may reject milliseconds after it accepted
    _S.ACCEPTED: frozenset({_S.SUSPENDED, _S.WORKING, _S.PARTIALLY_FILLED} | _OVER),
    # a leg wakes up with its entry's fill, or goes with its entry; it may fill within one report
    _S.SUSPENDED: frozenset({_S.ACCEPTED, _S.WORKING, _S.PARTIALLY_FILLED} | _OVER),
    _S.WORKING: frozenset({_S.PARTIALLY_FILLED} | _OVER),
    # the rest of a partly filled order may be cancelled; REJECTED would contradict the fill
    _S.PARTIALLY_FILLED: frozenset({_S.PARTIALLY_FILLED, _S.FILLED, _S.CANCELED, _S.EXPIRED}),
    _S.FILLED: frozenset(),
    # cancel and fill crossed on the wire
    _S.CANCELED: frozenset({_S.PARTIALLY_FILLED, _S.FILLED}),
    # "never arrived" was wrong after all: it arrived later
    _S.EXPIRED: frozenset({_S.SUBMITTED} | _LIVE | {_S.FILLED, _S.CANCELED, _S.REJECTED}),
    # a refusal of a repeated tag, while the first sending lives
    _S.REJECTED: frozenset({_S.PARTIALLY_FILLED, _S.FILLED}),
}

# Only on the word of a read that is younger than what we know: one that lacked the order had been wrong. The same word in
# a report of the hub is old news, it comes late and reordered.
BACK: Mapping[OrderState, frozenset[OrderState]] = {_S.CANCELED: frozenset(_LIVE)}


def state_of(order: VenueOrder) -> OrderState | None:
    """The gateway's status in our words; None where it tells nothing (none, or a number outside its table)."""
    match order.status:
        case OrderStatus.OPEN | OrderStatus.PENDING_CANCEL:
            return _S.PARTIALLY_FILLED if order.filled_qty else _S.WORKING
        case OrderStatus.PENDING:
            return _S.ACCEPTED
        case OrderStatus.SUSPENDED:
            return _S.SUSPENDED
        case OrderStatus.FILLED:
            return _S.FILLED
        case OrderStatus.CANCELLED:
            return _S.CANCELED
        case OrderStatus.EXPIRED:
            return _S.EXPIRED
        case OrderStatus.REJECTED:
            return _S.REJECTED
        case OrderStatus.NONE | OrderStatus.UNKNOWN:
            return None


def advance(
    order: TrackedOrder, reported: VenueOrder, ts: datetime, as_of: datetime | None = None
) -> TrackedOrder | None:
    """``order`` after a report of the venue, or None when the report is old news. Reports come late, twice and reordered.

    as_of: of a read, when at the latest what it shows was so.
    Two venue orders under one tag: one of them is a repeat that was refused because the tag was taken. The other counts.
    """
    before = order.state
    if order.gateway_order_id not in {None, reported.gateway_order_id}:
        if before is not _S.REJECTED or reported.status is OrderStatus.REJECTED:
            return None
        before = _S.UNKNOWN  # what was rejected was the repeat
    state = state_of(reported) or order.state
    is_newer = as_of is not None and order.updated_at <= as_of
    if state is not before and state not in NEXT[before] and not (is_newer and state in BACK.get(before, ())):
        return None
    filled_qty = max(order.filled_qty, reported.filled_qty)
    is_older = None not in {order.reported_at, reported.updated_at} and reported.updated_at < order.reported_at  # type: ignore[operator]
    changed = msgspec.structs.replace(
        order,
        state=state,
        gateway_order_id=reported.gateway_order_id,
        qty=order.qty if is_older else reported.qty or order.qty,
        filled_qty=filled_qty,
        filled_price=reported.filled_price if reported.filled_price is not None else order.filled_price,
        limit_price=order.limit_price if is_older or reported.limit_price is None else reported.limit_price,
        stop_price=order.stop_price if is_older or reported.stop_price is None else reported.stop_price,
    )
    if changed == order:
        return None
    reported_at = order.reported_at if is_older else reported.updated_at or order.reported_at
    return msgspec.structs.replace(changed, updated_at=ts, reported_at=reported_at)


def settle(order: TrackedOrder, outcome: Outcome, ts: datetime) -> TrackedOrder | None:
    """``order`` after the reply to its sending. A reply that comes after reports of the venue adds its id at most."""
    wanted = {
        OutcomeKind.DONE: _S.ACCEPTED,
        OutcomeKind.REFUSED: _S.REJECTED,
        OutcomeKind.NOT_SENT: _S.EXPIRED,
        OutcomeKind.UNCLEAR: _S.UNKNOWN,
    }[outcome.kind]
    gateway_order_id = outcome.gateway_order_id or order.gateway_order_id
    state = wanted if order.state.is_unsettled and wanted in NEXT[order.state] else order.state
    if state is order.state and gateway_order_id == order.gateway_order_id:
        return None
    return msgspec.structs.replace(order, state=state, gateway_order_id=gateway_order_id, updated_at=ts)


def leg_of(entry: TrackedOrder, reported: VenueOrder, ts: datetime) -> TrackedOrder | None:
    """The tracked form of a protective leg that the venue made for ``entry``; None when the report is not of a leg."""
    roles = {stop_leg_id(entry.client_order_id): Role.STOP, target_leg_id(entry.client_order_id): Role.TARGET}
    role = roles.get(reported.tag or ClientOrderId(""))
    if role is None or reported.tag is None:
        return None
    return TrackedOrder(
        client_order_id=reported.tag,
        cause=entry.cause,
        account_id=entry.account_id,
        contract_id=entry.contract_id,
        role=role,
        type=reported.type,
        side=reported.side,
        qty=reported.qty,
        state=state_of(reported) or _S.ACCEPTED,
        parent=entry.client_order_id,
        gateway_order_id=reported.gateway_order_id,
        filled_qty=reported.filled_qty,
        filled_price=reported.filled_price,
        limit_price=reported.limit_price,
        stop_price=reported.stop_price,
        reported_at=reported.updated_at,
        submitted_at=entry.submitted_at,
        updated_at=ts,
    )
