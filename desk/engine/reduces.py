"""Closing a part of a position, legs first."""

from __future__ import annotations

from desk.core.alert import PositionSide
from desk.core.events import Outcome, ReduceSettled
from desk.core.ids import ClientOrderId
from desk.core.intents import Reduce
from desk.core.orders import OrderState, Role, TrackedOrder
from desk.core.plans import ReducePlan
from desk.core.words import Contract, OrderStatus, OrderType, VenueOrder
from desk.engine import stops
from desk.engine.cover import keeps_now
from desk.engine.draft import Context, Draft
from desk.engine.exits import guard, start_exit, start_reduce
from desk.engine.rulings import Asker, Ruling, accepted, denied, place_of, would
from desk.engine.state import State
from desk.orders import Move, Reading
from desk.orders import reduce as reduce_plan
from desk.orders.fit import Sight, Unit
from desk.orders.move import is_stop_against
from desk.risk import Reason

__all__ = [
    "on_order",
    "on_read",
    "on_read_failed",
    "on_settled",
    "on_stop_settled",
    "on_timer",
    "resume",
    "rule_reduce",
    "units_of",
]


def rule_reduce(state: State, wanted: Reduce, contract: Contract, asker: Asker, ctx: Context) -> Ruling:
    """A part of what is held; all of it or more is an exit."""
    place = place_of(asker, contract)
    qty = state.position_qty(place)
    is_other_side = (wanted.side is PositionSide.LONG and qty < 0) or (wanted.side is PositionSide.SHORT and qty > 0)
    if wanted.qty < 1:
        return denied(Reason.BAD_SIZE, f"{wanted.qty} contracts cannot be closed", asker.warnings)
    if not qty or is_other_side:
        kind = f"{wanted.side} " if is_other_side else ""
        return denied(Reason.NOTHING_TO_EXIT, f"position is {qty:+d}: nothing {kind}to close", asker.warnings)
    part = min(wanted.qty, abs(qty))
    rest = f"{(abs(qty) - part) * (1 if qty > 0 else -1):+d}" if part < abs(qty) else "flat"
    text = f"closing {part} of {abs(qty)} {contract.name}, to {rest}"
    if ctx.is_shadow or asker.is_dry_run:
        return would(f"would be {text}", ctx)
    leaving, running = state.exit_plan(place), state.reduce_plan(place)
    if leaving is not None:
        text = f"an exit of {contract.name} is under way already; it closes all of it"
        return Ruling(accepted(text, plan_id=leaving.plan_id, warnings=asker.warnings))
    if running is not None and not running.may_be_replaced and part < abs(qty):
        text = f"another part of {contract.name} is being closed; send it again once that is done"
        return denied(Reason.EXIT_RUNNING, text, asker.warnings)
    kind = "exit" if part == abs(qty) else "reduce"
    plan_id = f"{kind}:{asker.cause}:{place[0]}:{place[1]}"

    def begin(draft: Draft) -> None:
        if part == abs(qty):
            start_exit(draft, place, asker.cause, asker.reason)
        else:
            start_reduce(draft, place, part, asker.cause, asker.reason)

    return Ruling(accepted(text, plan_id=plan_id, warnings=asker.warnings), begin=begin)


def on_settled(draft: Draft, plan: ReducePlan, event: ReduceSettled) -> None:
    """A modify, a cancel or the close came back."""
    _follow(draft, plan, reduce_plan.on_settled(plan, event.gateway_order_id, event.outcome, draft.now))


def on_stop_settled(draft: Draft, plan: ReducePlan, outcome: Outcome) -> None:
    """The stop that it had placed was answered."""
    _follow(draft, plan, reduce_plan.on_stop_settled(plan, outcome))


def on_order(draft: Draft, order: TrackedOrder) -> None:
    """An order of ours changed. Legs are seen with the next read; the stop that stands in for some lets them go at once."""
    plan = draft.state.reduce_plan((order.account_id, order.contract_id))
    if plan is None or plan.stop != order.client_order_id or order.state is not OrderState.WORKING:
        return
    legs = [
        leg.gateway_order_id
        for leg in draft.state.orders_at((order.account_id, order.contract_id))
        if leg.parent is not None and leg.parent == plan.replaces and leg.gateway_order_id is not None
    ]
    move = reduce_plan.on_stop_working(plan, tuple(legs))
    if move is not None:
        _follow(draft, plan, move)


def on_read(draft: Draft, plan: ReducePlan, seen: Reading) -> None:
    """The read that it asked for."""
    place = (plan.account_id, plan.contract_id)
    units = units_of(draft.state, seen)
    sight = Sight(
        seen=seen,
        units=tuple(unit for unit in units if unit.is_ours) if plan.is_trim else units,
        keeps=keeps_now(draft.state, plan),
        is_agreed=seen.qty == draft.state.position_qty(place),
        stop=draft.state.orders.get(plan.stop) if plan.stop is not None else None,
        is_sought=f"stop:{plan.stop}" in draft.state.plans,
    )
    _follow(draft, plan, reduce_plan.on_snapshot(plan, sight, draft.now))


def on_read_failed(draft: Draft, plan: ReducePlan, reason: str) -> None:
    """No answer proves nothing."""
    _follow(draft, plan, reduce_plan.on_read_failed(plan, reason))


def on_timer(draft: Draft, plan: ReducePlan) -> None:
    """A pause is over."""
    _follow(draft, plan, reduce_plan.on_timer(plan))


def resume(draft: Draft, plan: ReducePlan) -> None:
    """After a start."""
    _follow(draft, plan, reduce_plan.on_resume(plan, draft.now))


def _follow(draft: Draft, plan: ReducePlan, move: Move) -> None:
    stops.follow(draft, plan, move)
    if move.plan is None:
        guard(draft, (plan.account_id, plan.contract_id))


def units_of(state: State, seen: Reading) -> tuple[Unit, ...]:
    """What the read shows working against the position, first in first; without what we know to be over, for a read lags."""
    ours: dict[str, tuple[TrackedOrder, Unit]] = {}
    foreign: list[Unit] = []
    for shown in seen.working:
        order = _tracked(state, shown)
        if order is None:
            if is_stop_against(shown, seen.qty):
                foreign.append(Unit(key=str(shown.gateway_order_id), stop=shown, is_ours=False))
            continue
        is_exit = order.role is not Role.ENTRY and shown.side.sign * seen.qty < 0
        if not is_exit or order.state.is_over or shown.status is not OrderStatus.OPEN:
            continue
        key = order.parent or order.client_order_id
        entry, unit = ours.get(key, (state.orders.get(ClientOrderId(key), order), Unit(key=key)))
        is_stop = shown.type is not OrderType.LIMIT
        ours[key] = (
            entry,
            Unit(key=key, stop=shown if is_stop else unit.stop, target=unit.target if is_stop else shown),
        )
    first_in = sorted(ours.values(), key=lambda pair: (pair[0].submitted_at, pair[0].client_order_id))
    return (*(unit for _, unit in first_in), *foreign)


def _tracked(state: State, shown: VenueOrder) -> TrackedOrder | None:
    tag = shown.tag if shown.tag is not None else state.by_gateway_id.get(shown.gateway_order_id)
    order = state.orders.get(tag) if tag is not None else None
    return order if order is not None and order.account_id == shown.account_id else None
