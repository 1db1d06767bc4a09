"""Protective stops that were placed by themselves: written down before they leave, looked up when lost, and gone in time."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from desk.core.events import Outcome, OutcomeKind, SubmitSettled, TagSearched
from desk.core.ids import ClientOrderId, is_client_order_id
from desk.core.orders import OrderRequest, OrderState, Role, TrackedOrder
from desk.core.plans import Plan, ProtectPlan, ReducePlan, StopPlan
from desk.core.records import OrderChanged, PlanChanged
from desk.core.words import OrderType, VenueOrder
from desk.engine import doubts
from desk.engine.cover import our_need
from desk.engine.draft import Draft, unreported_fill, view_of
from desk.engine.effects import Reduce
from desk.engine.state import Place, State
from desk.orders import Move, PlaceStop, enter, place, settle
from desk.orders.lifecycle import state_of
from desk.orders.move import Need, Reading, gap_known, gap_seen

__all__ = [
    "follow",
    "is_by_itself",
    "on_order",
    "on_search",
    "on_submit_settled",
    "on_timer",
    "owners",
    "resume",
    "sweep_excess",
    "sweep_flat",
    "sweep_turned",
    "sweep_wrong_side",
    "without_journal",
]


def follow(draft: Draft, plan: Plan, move: Move) -> None:
    """As ``draft.follow``; a stop that the step places is journalled before."""
    for reducing in move.reducings:
        if isinstance(reducing.what, PlaceStop):
            _submitted(draft, plan, reducing.what.order)
    draft.follow(plan, move)


def _submitted(draft: Draft, plan: Plan, asked: OrderRequest) -> None:
    order = TrackedOrder(
        client_order_id=asked.client_order_id,
        cause=plan.cause,
        account_id=asked.account_id,
        contract_id=asked.contract_id,
        role=Role.STOP,
        type=asked.type,
        side=asked.side,
        qty=asked.qty,
        state=OrderState.SUBMITTED,
        stop_price=asked.stop_price,
        submitted_at=draft.now,
        updated_at=draft.now,
    )
    draft.record(OrderChanged(cause=plan.cause, order=order, why="submitted", ts=draft.now))
    draft.record(PlanChanged(cause=plan.cause, plan=place.begin(order, draft.now), ts=draft.now))


def without_journal(draft: Draft, reported: VenueOrder) -> TrackedOrder | None:
    """A stop of ours of which the journal has no word: the disk was full when it was placed, and the process ended. Nothing else
    of ours leaves without a journal. As a stranger's it would outlive the position, and open another one."""
    at = (reported.account_id, reported.contract_id)
    position, tag = draft.state.positions.get(at), reported.tag
    if position is None or tag is None or not is_client_order_id(tag):
        return None
    is_stop = reported.type is OrderType.STOP and reported.status.is_working and reported.side.sign * position.qty < 0
    if not is_stop or reported.gateway_order_id in draft.state.foreign_orders or not our_need(draft.state, at).qty:
        return None
    return TrackedOrder(
        client_order_id=tag,
        cause=position.cause,
        account_id=reported.account_id,
        contract_id=reported.contract_id,
        role=Role.STOP,
        type=reported.type,
        side=reported.side,
        qty=reported.qty,
        state=state_of(reported) or OrderState.ACCEPTED,
        gateway_order_id=reported.gateway_order_id,
        filled_qty=reported.filled_qty,
        stop_price=reported.stop_price,
        reported_at=reported.updated_at,
        submitted_at=draft.now,
        updated_at=draft.now,
    )


def is_by_itself(state: State, client_order_id: ClientOrderId) -> bool:
    """Whether that order is a protective stop that no entry brought."""
    order = state.orders.get(client_order_id)
    return order is not None and order.role is Role.STOP and order.parent is None


def on_submit_settled(draft: Draft, event: SubmitSettled) -> Outcome:
    """The reply to the sending of a stop. Returns what it says to whoever placed it: a taken tag settles nothing."""
    order = draft.state.orders[event.client_order_id]
    plan = draft.state.plans.get(f"stop:{event.client_order_id}")
    is_taken = enter.is_tag_taken(event.outcome)
    if is_taken and order.state in {OrderState.SUBMITTED, OrderState.UNKNOWN, OrderState.REJECTED}:
        changed: TrackedOrder | None = msgspec.structs.replace(
            order, state=OrderState.UNKNOWN, gateway_order_id=None, updated_at=draft.now
        )
    else:
        changed = None if is_taken else settle(order, event.outcome, draft.now)
    if changed is not None:
        why = event.outcome.kind.value + (f": {event.outcome.text}" if event.outcome.text else "")
        draft.record(OrderChanged(cause=order.cause, order=changed, why=why, ts=draft.now))
    if not isinstance(plan, StopPlan):
        return event.outcome
    if event.outcome.kind is OutcomeKind.REFUSED and not is_taken:
        text = (
            f"protective stop {order.side} {order.qty} {order.contract_id}: {event.outcome.text or event.outcome.code}"
        )
        draft.tell(order.cause, "order.rejected", text)
    _go_on(draft, plan, place.on_settled(plan, event.outcome))
    return Outcome(kind=OutcomeKind.UNCLEAR, text=event.outcome.text) if is_taken else event.outcome


def on_search(draft: Draft, plan: StopPlan, event: TagSearched) -> None:
    """The search for it came back. What the hub had told before the reply was lost counts, now that nothing better is found."""
    order = draft.state.orders[plan.order]
    move = place.on_search(plan, event) if order.state.is_unsettled else Move(None, result=order.state.value)
    _go_on(draft, plan, move)
    if move.result == place.NEVER_ARRIVED:
        expired = msgspec.structs.replace(order, state=OrderState.EXPIRED, updated_at=draft.now)
        draft.record(OrderChanged(cause=order.cause, order=expired, why=place.NEVER_ARRIVED, ts=draft.now))
        doubts.given_up(draft, expired)


def on_order(draft: Draft, order: TrackedOrder) -> None:
    """An order of ours changed; it may be one whose fate a plan looks for."""
    plan = draft.state.plans.get(f"stop:{order.client_order_id}")
    move = place.on_order(plan, order) if isinstance(plan, StopPlan) else None
    if isinstance(plan, StopPlan) and move is not None:
        _go_on(draft, plan, move)


def on_timer(draft: Draft, plan: StopPlan) -> None:
    _go_on(draft, plan, place.on_timer(plan))


def resume(draft: Draft, plan: StopPlan) -> None:
    _go_on(draft, plan, place.on_resume(plan, draft.state.orders.get(plan.order)))


def _go_on(draft: Draft, plan: StopPlan, move: Move) -> None:
    draft.follow(plan, move)
    if move.searches:
        draft.search(plan.account_id, plan.order)


def owners(state: State, client_order_id: ClientOrderId) -> list[ProtectPlan | ReducePlan]:
    """The plans that placed it and wait for it."""
    plans = state.plans.values()
    return [plan for plan in plans if isinstance(plan, ProtectPlan | ReducePlan) and plan.stop == client_order_id]


# --- stops that are not wanted any more ----------------------------------------------------------------------------------


def sweep_flat(draft: Draft, at: Place) -> None:
    """The hub says flat: nothing cancels such a stop with its position, so it goes at once. Not while anything is coming in,
    for then the report may be of an earlier position; what only a read says needs its second witness (``sweep_orphans``)."""
    state = draft.state
    is_flat = at not in state.positions and not unreported_fill(state, at)[1] and not any(state.entries_at(at))
    if is_flat and state.exit_plan(at) is None:
        _cancel(draft, [order for order in state.protective_stops(at) if order.parent is None])


def sweep_wrong_side(draft: Draft, at: Place) -> None:
    """The position changed its side: a stop on its side would add to it."""
    qty = draft.state.position_qty(at)
    if draft.state.exit_plan(at) is None:
        stops = draft.state.protective_stops(at)
        _cancel(draft, [order for order in stops if order.parent is None and order.side.sign * qty > 0])


def sweep_excess(draft: Draft, at: Place, seen: Reading) -> None:
    """More stops than contracts would open a position. One that was placed by itself goes, where read and state agree that
    the others cover all of it: a stop that was lost on its way arrived after another had taken its place."""
    state = draft.state
    qty = state.position_qty(at)
    if not qty or seen.qty != qty or not seen.is_settled or state.exit_plan(at) or state.reduce_plan(at):
        return
    shown = {order.gateway_order_id for order in seen.working}
    view = view_of(state, at)
    for order in [order for order in view.ours if order.role is Role.STOP and order.parent is None]:
        rest = tuple(other for other in view.ours if other.client_order_id != order.client_order_id)
        others = type(view)(view.account_id, view.contract_id, view.qty, rest, view.foreign)
        working = tuple(other for other in seen.working if other.gateway_order_id != order.gateway_order_id)
        without = replace(seen, working=working)
        is_covered = not gap_known(others, Need(abs(qty))) and not gap_seen(without, Need(abs(qty)))
        if order.gateway_order_id in shown and is_covered:
            _cancel(draft, [order])
            return


def sweep_turned(draft: Draft, at: Place, seen: Reading) -> None:
    """The position changed its side, by somebody's hand mostly, and stops and targets of the one before work on: nothing cancels
    them, and they would add to it. Where read and state agree for a second already they go. Not those of an entry under way."""
    state = draft.state
    qty = state.position_qty(at)
    if not qty or seen.qty != qty or not seen.is_settled or state.exit_plan(at) or state.reduce_plan(at):
        return
    shown = {order.gateway_order_id for order in seen.working}
    kept = {entry.client_order_id for entry in state.entries_at(at)}
    legs = [o for o in state.orders_at(at) if o.role is not Role.ENTRY and o.parent not in kept]
    legs = [o for o in legs if o.side.sign * qty > 0 and o.gateway_order_id in shown]
    if legs and not draft.ctx.is_shadow:
        text = f"{at[1]}: the position is {qty:+d} now, and {len(legs)} protective orders of ours from before would add to it"
        draft.tell(legs[0].cause, "order.orphan", f"{text}. They are cancelled.")
        _cancel(draft, legs)


def _cancel(draft: Draft, orders: list[TrackedOrder]) -> None:
    cancels = [cancel for cancel in map(enter.withdraw, orders) if cancel is not None]
    if cancels and not draft.ctx.is_shadow:
        draft.effects += [Reduce(cancel) for cancel in cancels]
