"""What the venue says of orders, fills, positions and accounts, over the hub or in a read. Late, twice and reordered."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import msgspec

from desk.core.ids import AccountId, CauseId, ClientOrderId, ContractId, stop_leg_id, target_leg_id
from desk.core.orders import OrderState, Role, StopTouch, TrackedOrder
from desk.core.plans import AmendPlan, EnterPlan, EntryEnd, ExitReason
from desk.core.records import (
    AccountChanged,
    ExitExplained,
    FillRecorded,
    ForeignOrderChanged,
    OrderChanged,
    PlanChanged,
    PositionChanged,
    PositionClosed,
)
from desk.core.words import Account, Fill, OrderStatus, OrderType, VenueOrder, VenuePosition
from desk.engine import adoption, amends, cares, doubts, eithers, groups, reduces, stops, trims, untied
from desk.engine.apply import entry_behind, is_resting
from desk.engine.draft import SWEEPS_LAST_S, Draft, unreported_fill
from desk.engine.effects import StartTimer
from desk.engine.exits import guard
from desk.engine.sending import follow_enter
from desk.engine.state import Place, Position, State
from desk.orders import advance, enter, leg_of
from desk.orders import exit as exit_plan

__all__ = [
    "FOUND",
    "LOOK_AFTER_S",
    "VENUE",
    "end_order",
    "on_account",
    "on_after_timer",
    "on_fill",
    "on_order",
    "on_position",
    "saw_flat",
]

VENUE = CauseId("venue")
FOUND = "found by its tag"
LOOK_AFTER_S = 1.2  # the venue's own OCO takes milliseconds, a read may lag by a second


def on_order(draft: Draft, reported: VenueOrder, why: str, as_of: datetime | None = None) -> None:
    """One report of an order. Ours are matched by tag, then by the gateway's id; others are kept while they work.

    as_of: of a read, when at the latest what it shows was so: an order that was thought to be over may be back.
    """
    known = _ours(draft.state, reported)
    place = (reported.account_id, reported.contract_id)
    if known is None:
        leg = _new_leg(draft, reported)
        if leg is None:
            _foreign(draft, reported)
            return
        draft.record(OrderChanged(cause=leg.cause, order=leg, why=why, ts=draft.now))
        doubts.saw_leg(draft, leg)
        guard(draft, place)
        _tell_plans(draft, leg)
        return
    if known.state is OrderState.UNKNOWN and reported.status is OrderStatus.REJECTED and why != FOUND:
        return  # perhaps of a repeat that was refused because the first sending has the tag: the search tells
    changed = advance(known, reported, draft.now, as_of)
    if changed is not None:
        _take_up_again(draft, known, changed)
        _changed(draft, changed, why)


def _take_up_again(draft: Draft, before: TrackedOrder, order: TrackedOrder) -> None:
    """An entry whose plan had ended lives: it is followed again, and goes where it had been given up."""
    is_alive = not order.state.is_over and not order.state.is_unsettled
    if order.role is not Role.ENTRY or not before.state.is_over or not is_alive or draft.ctx.is_shadow:
        return
    if f"enter:{order.client_order_id}" in draft.state.plans:
        return
    is_given_up = enter.was_never_sent(before)
    plan = msgspec.structs.replace(enter.begin(order), ending=EntryEnd.GIVEN_UP if is_given_up else None)
    draft.record(PlanChanged(cause=order.cause, plan=plan, ts=draft.now))
    what = "it is cancelled" if is_given_up else "it is followed again"
    name = enter.name_of(order, draft.ctx.contracts.get(order.contract_id))
    draft.tell(order.cause, "entry.back", f"{name} was thought to be over and works at the venue: {what}")


def _look_after(draft: Draft, leg: TrackedOrder) -> None:
    """It filled, or it works where nothing is held: what has to follow may be lost on its way."""
    draft.effects.append(StartTimer(f"after:{leg.account_id}:{leg.contract_id}", LOOK_AFTER_S))


def on_after_timer(draft: Draft, key: str) -> None:
    """The report of the position's end did not come, or a leg works on at a flat place (a stop by itself has no other leg that
    the venue would cancel; one that was given up may arrive after all): it is looked at, before it trades."""
    _, account, contract = key.split(":", 2)
    place = (AccountId(int(account)), ContractId(contract))
    is_to_come = draft.state.user_hub_is_up and not draft.state.is_reconciled(place[0])  # its reconciliation looks
    if _left_since(draft.state, place) is not None and not is_to_come:
        draft.read_fully(place[0])


def look_again(draft: Draft, account_id: AccountId) -> None:
    """A read failed. Where a leg may work on at a flat place it is looked at again soon, rarer and rarer, and after
    a minute by the watch alone."""
    here = {order.contract_id for order in draft.state.orders.values() if order.account_id == account_id}
    for place in [(account_id, contract_id) for contract_id in sorted(here)]:
        since = _left_since(draft.state, place)
        left_s = SWEEPS_LAST_S if since is None else (draft.now - since).total_seconds()
        if left_s < SWEEPS_LAST_S and draft.state.exit_plan(place) is None:
            draft.effects.append(StartTimer(f"after:{place[0]}:{place[1]}", max(LOOK_AFTER_S, left_s / 4)))


def _left_since(state: State, place: Place) -> datetime | None:
    """Since when legs of ours are more than what is held there; None: they are not, or since nobody knows when."""
    position = state.positions.get(place)
    if position is None:
        is_left = any(order.role is not Role.ENTRY for order in state.orders_at(place))
        return state.flat_since.get(place) if is_left else None
    filled = [o.updated_at for o in state.remembered_at(place) if _is_filled_leg(o)]
    return min((at for at in filled if at >= position.updated_at), default=None)


def _is_filled_leg(order: TrackedOrder) -> bool:
    return order.role is not Role.ENTRY and order.state is OrderState.FILLED


def end_order(draft: Draft, order: TrackedOrder, why: str) -> None:
    """The venue does not have it any more, and did not tell how it ended."""
    ended = msgspec.structs.replace(order, state=OrderState.CANCELED, updated_at=draft.now)
    _changed(draft, ended, why)


def _changed(draft: Draft, order: TrackedOrder, why: str) -> None:
    draft.record(OrderChanged(cause=order.cause, order=order, why=why, ts=draft.now))
    if order.role is Role.ENTRY:
        _entry_moved(draft, order)
    elif order.state is OrderState.FILLED:
        _explain(draft, (order.account_id, order.contract_id), _opener_of(draft.state, order), _reason_of(order))
        _look_after(draft, order)
    elif order.state is OrderState.WORKING and (order.account_id, order.contract_id) not in draft.state.positions:
        _look_after(draft, order)
    untied.look_soon(draft, order)
    _attribute(draft, (order.account_id, order.contract_id))
    guard(draft, (order.account_id, order.contract_id))
    _tell_plans(draft, order)


def _tell_plans(draft: Draft, order: TrackedOrder) -> None:
    """Whoever waits for one of our orders hears of its change: amendments first, for the others may begin new ones."""
    for listen in (
        amends.on_order,
        stops.on_order,
        reduces.on_order,
        eithers.on_order,
        groups.on_order,
        cares.on_order,
    ):
        listen(draft, order)


def _ours(state: State, reported: VenueOrder) -> TrackedOrder | None:
    """By tag; without one by the gateway's id; and only at its own account: a copied order may carry a copied tag.

    A number that comes back under another tag is another order: a paper gateway that was started afresh counts anew.
    """
    tag = reported.tag if reported.tag is not None else state.by_gateway_id.get(reported.gateway_order_id)
    order = state.orders.get(tag) if tag is not None else None
    return order if order is not None and order.account_id == reported.account_id else None


def _new_leg(draft: Draft, reported: VenueOrder) -> TrackedOrder | None:
    tag = reported.tag or ""
    if not tag.endswith(("-SL", "-TP")):
        return stops.without_journal(draft, reported)
    entry = draft.state.orders.get(ClientOrderId(tag[:-3]))
    if entry is None or entry.account_id != reported.account_id:
        return None
    return leg_of(entry, reported, draft.now)


def _foreign(draft: Draft, reported: VenueOrder) -> None:
    known = draft.state.foreign_orders.get(reported.gateway_order_id)
    if known == reported or (known is None and reported.status.is_terminal):
        return
    draft.record(ForeignOrderChanged(cause=VENUE, order=reported, ts=draft.now))
    if known is None:
        adoption.saw_foreign_order(draft, reported)
    amends.on_foreign(draft, reported)
    if known is not None:
        guard(draft, (reported.account_id, reported.contract_id))  # it may have been the position's stop


def _entry_moved(draft: Draft, order: TrackedOrder) -> None:
    """An entry got on: its plan follows, and a position that was reported first learns whose it is."""
    plan = draft.state.plans.get(f"enter:{order.client_order_id}")
    if isinstance(plan, EnterPlan):
        move = enter.on_order(plan, order, draft.now)
        if move is not None and _is_asked_for(draft, order):
            move = replace(move, incident=None)
        if move is not None:
            follow_enter(draft, plan, move)


def _is_asked_for(draft: Draft, order: TrackedOrder) -> bool:
    """An exit, a flattening, or a person's own cancel ends it: nobody has to be told."""
    place = (order.account_id, order.contract_id)
    if draft.state.exit_plan(place) is not None or draft.state.flatten_plan(order.account_id) is not None:
        return True
    amended = [plan for plan in draft.state.plans.values() if isinstance(plan, AmendPlan)]
    return any(plan.is_cancel and plan.gateway_order_id == order.gateway_order_id for plan in amended)


def _attribute(draft: Draft, place: Place) -> None:
    """A position that was reported before what opened it learns whose it is, or that it is not ours after all."""
    position = draft.state.positions.get(place)
    if position is None:
        return
    entry = entry_behind(draft.state, place, position.qty, position.flat_before)
    if (entry.client_order_id if entry is not None else None) == position.entry:
        return
    again = VenuePosition(
        account_id=position.account_id,
        contract_id=position.contract_id,
        qty=position.qty,
        avg_price=position.avg_price,
        opened_at=position.opened_at,
    )
    cause = entry.cause if entry is not None else VENUE
    draft.record(PositionChanged(cause=cause, position=again, source="entry", ts=draft.now))


def on_fill(draft: Draft, fill: Fill) -> None:
    """One execution, once. It names the reason of an exit that was unknown when the position went flat."""
    if fill.fill_id in draft.state.fills_seen:
        return
    tag = draft.state.by_gateway_id.get(fill.gateway_order_id)
    order = draft.state.orders.get(tag) if tag is not None else None
    if order is not None and order.account_id != fill.account_id:
        tag = order = None
    cause = order.cause if order is not None else _closer(draft.state, fill)
    draft.record(FillRecorded(cause=cause, fill=fill, client_order_id=tag, ts=draft.now))
    place = (fill.account_id, fill.contract_id)
    _attribute(draft, place)
    guard(draft, place)
    last = draft.state.last_exits.get(place)
    if last is None or fill.gross_pnl is None or fill.voided:
        return
    if order is not None:
        _explain(draft, place, _opener_of(draft.state, order), _reason_of(order))
    elif cause == VENUE and last.qty * fill.side.sign < 0 and _knows_legs(draft.state, place, last.cause):
        _explain(draft, place, last.cause, ExitReason.MANUAL)


def _closer(state: State, fill: Fill) -> CauseId:
    """Who closed, where no order of ours did: a close carries no tag, so one of ours that is in flight there is behind it."""
    place = (fill.account_id, fill.contract_id)
    for plan in (state.exit_plan(place), state.reduce_plan(place)):
        if plan is not None and plan.closed_at is not None and fill.gross_pnl is not None:
            return plan.cause
    return VENUE


def _explain(draft: Draft, place: Place, cause: CauseId, reason: ExitReason) -> None:
    """Names the reason of the last end at the place, where it was unknown and ``cause`` is what had opened it."""
    last = draft.state.last_exits.get(place)
    if last is None or last.reason is not ExitReason.UNKNOWN or last.cause != cause or place in draft.state.positions:
        return
    if reason is not ExitReason.UNKNOWN:
        draft.record(ExitExplained(cause=cause, account_id=place[0], contract_id=place[1], reason=reason, ts=draft.now))


def _opener_of(state: State, order: TrackedOrder) -> CauseId:
    """What opened the position that this order ended. A stop by itself may have been placed for somebody else's command."""
    last = state.last_exits.get((order.account_id, order.contract_id))
    return last.cause if last is not None and order.role is Role.STOP and order.parent is None else order.cause


def _knows_legs(state: State, place: Place, cause: CauseId) -> bool:
    """An execution of an order that we do not know cannot be of a leg of ours: all of them are known."""
    for order in state.remembered_at(place):
        if order.cause == cause and order.role is Role.ENTRY:
            has_target = order.target_ticks is None or target_leg_id(order.client_order_id) in state.orders
            return has_target and stop_leg_id(order.client_order_id) in state.orders
    return True


def on_position(draft: Draft, reported: VenuePosition, source: str) -> None:
    """The venue's net position of a place. Absolute, so repeats are harmless."""
    place = (reported.account_id, reported.contract_id)
    before = draft.state.positions.get(place)
    if before is None and reported.qty == 0:
        return
    if before is not None and before.qty == reported.qty and before.avg_price == reported.avg_price:
        return
    if before is not None and _is_of_an_earlier_one(before, reported):
        return
    if before is None:
        doubts.saw_position(draft, reported)
    has_ended = before is not None and before.qty * reported.qty <= 0
    reason, ended_by = _exit_reason(draft.state, place) if has_ended else (ExitReason.UNKNOWN, None)
    cause = before.cause if before is not None else _opener(draft.state, reported)
    draft.record(PositionChanged(cause=cause, position=reported, source=source, ts=draft.now))
    if before is not None and has_ended:
        draft.record(
            PositionClosed(
                cause=before.cause,
                account_id=place[0],
                contract_id=place[1],
                qty=before.qty,
                avg_price=before.avg_price,
                reason=reason,
                ended_by=ended_by,
                ts=draft.now,
            )
        )
        running = draft.state.exit_plan(place)
        move = exit_plan.on_flat_report(running) if running is not None and reported.qty == 0 else None
        if running is not None and move is not None:
            draft.follow(running, move)
    if reported.qty == 0 and source == "hub":
        stops.sweep_flat(draft, place)
    elif reported.qty:
        stops.sweep_wrong_side(draft, place)
        if before is not None and 0 < reported.qty / before.qty < 1:
            trims.look_soon(draft, place)
    if reported.qty == 0:
        adoption.on_flat(draft, place)
    is_unexplained = any(is_resting(order) for order in draft.state.entries_at(place))  # one may have filled: look
    if is_unexplained or ((has_ended or reported.qty == 0) and any(draft.state.orders_at(place))):
        draft.effects.append(StartTimer(f"look:{place[0]}", LOOK_AFTER_S))
    guard(draft, place)
    if reported.qty == 0:
        groups.on_flat(draft, place)


def _is_of_an_earlier_one(position: Position, reported: VenuePosition) -> bool:
    """A report that came late: it is of a position that began before the one that is known."""
    if position.opened_at is None or reported.opened_at is None:
        return False
    return reported.opened_at < position.opened_at


def saw_flat(draft: Draft, place: Place, source: str) -> None:
    """Flat for sure. A position of which no report ever came gets its story now, from the fill that opened it."""
    entry, qty = unreported_fill(draft.state, place)
    if entry is not None and entry.filled_price is not None:
        missed = VenuePosition(account_id=place[0], contract_id=place[1], qty=qty, avg_price=entry.filled_price)
        draft.record(PositionChanged(cause=entry.cause, position=missed, source="fill", ts=draft.now))
    known = draft.state.positions.get(place)
    flat = VenuePosition(
        account_id=place[0], contract_id=place[1], qty=0, avg_price=known.avg_price if known is not None else Decimal(0)
    )
    if known is not None:
        on_position(draft, flat, source)
    elif entry is not None:  # filled at a price that nobody told
        draft.record(PositionChanged(cause=entry.cause, position=flat, source=source, ts=draft.now))
        groups.on_flat(draft, place)


def _opener(state: State, reported: VenuePosition) -> CauseId:
    """The alert or command whose entry opened the position; ``VENUE`` where none of ours did."""
    place = (reported.account_id, reported.contract_id)
    entry = entry_behind(state, place, reported.qty, state.flat_since.get(place))
    return entry.cause if entry is not None else VENUE


def _exit_reason(state: State, place: Place) -> tuple[ExitReason, CauseId | None]:
    """Why the position at the place ended, from its newest fill, else from its legs, else from what we were doing."""
    position = state.positions[place]
    plan = state.exit_plan(place)
    ended_by = plan.cause if plan is not None else None
    last = state.last_fills.get(place)
    if last is not None and last.ts < position.updated_at:
        last = None  # of an earlier round trip; the closing fill is still to come
    if last is not None and last.fill.gross_pnl is not None and last.client_order_id is not None:
        order = state.orders.get(last.client_order_id)
        if order is not None and order.role is not Role.ENTRY:
            return _reason_of(order), None
    for leg in state.remembered_at(place):
        is_leg = leg.parent is not None and leg.parent == position.entry
        is_by_itself = leg.parent is None and leg.role is Role.STOP and state.is_since(leg, position.flat_before)
        if (is_leg or is_by_itself) and leg.state is OrderState.FILLED:
            return _reason_of(leg), None
    if plan is not None:
        return plan.reason, ended_by
    is_closing = last is not None and last.fill.gross_pnl is not None and last.fill.side.sign * position.qty < 0
    return (ExitReason.MANUAL if is_closing else ExitReason.UNKNOWN), None


def _reason_of(order: TrackedOrder) -> ExitReason:
    if order.role is Role.STOP and order.touched is StopTouch.BREAK_EVEN:
        return ExitReason.BREAK_EVEN
    if order.role is Role.STOP and (order.touched is StopTouch.TRAILING or order.type is OrderType.TRAILING_STOP):
        return ExitReason.TRAILING
    return {Role.STOP: ExitReason.STOP, Role.TARGET: ExitReason.TARGET}.get(order.role, ExitReason.UNKNOWN)


def on_account(draft: Draft, account: Account) -> None:
    known = draft.state.accounts.get(account.account_id)
    if known is None or known.account != account:
        draft.record(AccountChanged(cause=VENUE, account=account, ts=draft.now))
