"""Targets whose own stop is gone. The venue ends a target with the stop of its bracket and with no other order (gateway reference
3.7), so what the guard placed instead may trade while the desk is away, and the target would open a position without a stop."""

from __future__ import annotations

from desk.core.ids import ClientOrderId, stop_leg_id
from desk.core.orders import OrderState, Role, TrackedOrder
from desk.core.plans import AmendPlan
from desk.engine import amends
from desk.engine.cover import our_need
from desk.engine.draft import Draft
from desk.engine.effects import StartTimer
from desk.engine.state import Place, State
from desk.orders.amend import plan_id_of
from desk.orders.move import Reading, gap_seen

__all__ = ["look_soon", "saw_position"]

LOOK_AFTER_S = 1.2  # a read may lag by a second


def look_soon(draft: Draft, order: TrackedOrder) -> None:
    """A stop came or went: a target may have lost the one that ends it."""
    place = (order.account_id, order.contract_id)
    if order.role is Role.STOP and place in draft.state.positions and _untied(draft.state, place):
        draft.effects.append(StartTimer(f"look:{order.account_id}", LOOK_AFTER_S))


def saw_position(draft: Draft, place: Place, seen: Reading) -> None:
    """Such a target goes where read and state agree for a second already, and not before other stops cover what is ours:
    until then it is the only way out that the venue knows."""
    state = draft.state
    qty = state.position_qty(place)
    if not qty or seen.qty != qty or not seen.is_settled or state.exit_plan(place) or state.reduce_plan(place):
        return
    shown = {order.gateway_order_id for order in seen.working}
    tags = {order.tag for order in seen.working}
    targets = [target for target in _untied(state, place) if target.side.sign * qty < 0]
    targets = [o for o in targets if o.gateway_order_id in shown and _stop_id(o) not in tags]
    if not targets or draft.ctx.is_shadow or gap_seen(seen, our_need(state, place)):
        return
    text = (
        f"{place[1]}: a target has lost the stop that the venue had tied to it, and another stop covers the position. Tied to "
        "none it may open a position while the desk is away: it is cancelled. The position ends by its stop or by an exit."
    )
    draft.tell(targets[0].cause, "target.untied", text)
    for target in targets:
        assert target.gateway_order_id is not None, "the read shows it"
        amends.start_cancel(draft, target.gateway_order_id, target.cause, *place)


def _untied(state: State, place: Place) -> list[TrackedOrder]:
    """Those that nobody cancels yet. The legs of an entry under way may wake up one after the other."""
    kept = {entry.client_order_id for entry in state.entries_at(place)}
    targets = [o for o in state.orders_at(place) if o.role is Role.TARGET and o.parent is not None]
    return [o for o in targets if o.parent not in kept and _has_lost_its_stop(state, o) and not _is_leaving(state, o)]


def _has_lost_its_stop(state: State, target: TrackedOrder) -> bool:
    """One that filled takes its target along."""
    stop = state.orders.get(_stop_id(target))
    return stop is None or (stop.state.is_over and stop.state is not OrderState.FILLED)


def _is_leaving(state: State, target: TrackedOrder) -> bool:
    plan = state.plans.get(plan_id_of(target.gateway_order_id)) if target.gateway_order_id is not None else None
    return isinstance(plan, AmendPlan) and plan.is_cancel


def _stop_id(target: TrackedOrder) -> ClientOrderId:
    assert target.parent is not None, "a leg has its entry"
    return stop_leg_id(target.parent)
