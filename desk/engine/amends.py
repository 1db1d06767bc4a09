"""Changing and cancelling single working orders, until the venue itself shows the change.

``start_amend`` and ``start_cancel`` are for every other part of the engine; what a person or an alert may ask for is ruled in
``changes`` and ``legs``.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from desk.core.events import ReduceSettled, SnapshotRead
from desk.core.ids import AccountId, CauseId, ContractId, GatewayOrderId
from desk.core.orders import OrderState, Role, StopTouch, TrackedOrder
from desk.core.plans import AmendPlan, ExitReason
from desk.core.records import OrderChanged
from desk.core.words import OrderType, Quote, Side, VenueOrder
from desk.engine import cares
from desk.engine.draft import Draft, fresh_quote, unreported_fill
from desk.engine.state import Place, State
from desk.orders import amend
from desk.orders.amend import Goal, Seen, is_tighter, plan_id_of, seen_of
from desk.orders.move import Move

__all__ = [
    "LIVE",
    "STOPS",
    "Known",
    "held_at",
    "is_through",
    "known",
    "protects",
    "start_amend",
    "start_cancel",
    "stop_of",
]

LIVE = {OrderState.WORKING, OrderState.PARTIALLY_FILLED}
STOPS = {OrderType.STOP, OrderType.TRAILING_STOP}

Known = TrackedOrder | VenueOrder


# --- for the rest of the engine ---------------------------------------------------------------------------------------


def start_amend(
    draft: Draft,
    order_id: GatewayOrderId,
    cause: CauseId,
    account_id: AccountId,
    contract_id: ContractId,
    *,
    qty: int | None = None,
    limit_price: Decimal | None = None,
    stop_price: Decimal | None = None,
    touch: StopTouch | None = None,
    or_close: ExitReason | None = None,
) -> str:
    """Brings one working order to new values; joins and overrules a plan that runs for it. Returns the plan's id.

    The caller checked that it adds no risk; a protective stop only tightens even so. There is no plan of that id afterwards
    where nothing is to be done: the order is over, shows the values already, or an exit runs at the place.
    touch: what the stop's exit is called by, once it moved. or_close: the exit to be begun where the market is beyond it.
    """
    goal = Goal(qty=qty, limit_price=limit_price, stop_price=stop_price, touch=touch, or_close=or_close)
    return _start(draft, order_id, cause, (account_id, contract_id), goal)


def start_cancel(
    draft: Draft, order_id: GatewayOrderId, cause: CauseId, account_id: AccountId, contract_id: ContractId
) -> str:
    """One working order goes. As :func:`start_amend`."""
    return _start(draft, order_id, cause, (account_id, contract_id), Goal(is_cancel=True))


def _start(draft: Draft, order_id: GatewayOrderId, cause: CauseId, place: Place, goal: Goal) -> str:
    plan_id = plan_id_of(order_id)
    order = known(draft.state, order_id)
    running = draft.state.plans.get(plan_id)
    if order is None or draft.ctx.is_shadow or draft.state.exit_plan(place) is not None:
        return plan_id
    if isinstance(running, AmendPlan):
        _follow(draft, running, amend.change(running, goal, seen_of(order)))
        return plan_id
    contract = draft.ctx.contracts.get(place[1])
    move = amend.begin(
        order_id,
        cause,
        place,
        goal,
        seen_of(order),
        draft.now,
        protects=order.side if protects(draft.state, place, order) else None,
        tick_size=contract.tick_size if contract is not None else None,
    )
    if isinstance(move.plan, AmendPlan):
        _follow(draft, move.plan, move)
    return plan_id


def stop_of(state: State, order: Known) -> Decimal | None:
    """Where a stop is, or is on its way to: nobody may ask for less than that."""
    running = state.plans.get(plan_id_of(order.gateway_order_id)) if order.gateway_order_id is not None else None
    goal = running.stop_price if isinstance(running, AmendPlan) else None
    if goal is None or order.stop_price is None:
        return order.stop_price
    return goal if is_tighter(order.side, goal, order.stop_price) else order.stop_price


def is_through(quote: Quote | None, side: Side, stop: Decimal) -> bool:
    """The market is beyond a stop of ``side``: the venue would not take it (gateway reference 3.14)."""
    if quote is None:
        return False
    best = quote.ask if side is Side.SELL else quote.bid
    market = best if best is not None else quote.last
    return market is not None and (market - stop) * side.sign >= 0


# --- what comes back --------------------------------------------------------------------------------------------------


def on_settled(draft: Draft, plan: AmendPlan, event: ReduceSettled) -> None:
    """The modify or cancel came back."""
    is_past = False
    if plan.protects is not None and plan.stop_price is not None:
        is_past = is_through(fresh_quote(draft.ctx, plan.contract_id), plan.protects, plan.stop_price)
    _follow(draft, plan, amend.on_settled(plan, event.outcome, _seen(draft.state, plan), is_past, draft.now))


def on_order(draft: Draft, order: TrackedOrder) -> None:
    """An order of ours changed; it may be what a plan waits for."""
    _reported(draft, order)


def on_foreign(draft: Draft, order: VenueOrder) -> None:
    """An order that is not ours changed."""
    _reported(draft, order)


def _reported(draft: Draft, order: Known) -> None:
    plan = draft.state.plans.get(plan_id_of(order.gateway_order_id)) if order.gateway_order_id is not None else None
    if isinstance(plan, AmendPlan) and plan.account_id == order.account_id:
        move = amend.on_report(plan, seen_of(order))
        if move is not None:
            _follow(draft, plan, move)


def on_read(draft: Draft, plan: AmendPlan, snapshot: SnapshotRead) -> None:
    """The read that it asked for."""
    shown = [o for o in (*snapshot.working, *snapshot.finished) if o.gateway_order_id == plan.gateway_order_id]
    seen = seen_of(shown[0]) if shown else None
    _follow(draft, plan, amend.on_read(plan, seen, snapshot.asked_at, draft.now))


def on_read_failed(draft: Draft, plan: AmendPlan, reason: str) -> None:
    """No answer proves nothing."""
    _follow(draft, plan, amend.on_read_failed(plan, reason))


def on_timer(draft: Draft, plan: AmendPlan) -> None:
    """A pause is over."""
    _follow(draft, plan, amend.on_timer(plan, _seen(draft.state, plan)))


def resume(draft: Draft, plan: AmendPlan) -> None:
    """After a start."""
    _follow(draft, plan, amend.on_resume(plan, draft.now))


def _follow(draft: Draft, plan: AmendPlan, move: Move) -> None:
    if move.reads and plan.missing_reads:  # how an order ended that no read shows working
        draft.read_fully(plan.account_id, plan.plan_id)
        move = Move(move.plan, timer=move.timer, incident=move.incident)
    draft.follow(plan, move)
    if move.plan is None:
        if move.result == amend.DONE and plan.touch is not None:
            _touched(draft, plan, plan.touch)
        cares.on_amended(draft, plan, move.result)


def _touched(draft: Draft, plan: AmendPlan, touch: StopTouch) -> None:
    """The stop was moved: the reason of its fill is named by it."""
    tag = draft.state.by_gateway_id.get(plan.gateway_order_id)
    order = draft.state.orders.get(tag) if tag is not None else None
    if order is not None and order.role is Role.STOP and not order.state.is_over and order.touched is not touch:
        moved = msgspec.structs.replace(order, touched=touch)
        draft.record(OrderChanged(cause=plan.cause, order=moved, why=f"moved: {touch}", ts=draft.now))


def _seen(state: State, plan: AmendPlan) -> Seen | None:
    order = known(state, plan.gateway_order_id)
    return seen_of(order) if order is not None else None


def known(state: State, order_id: GatewayOrderId) -> Known | None:
    """The order of that number: one of ours, or another one that works."""
    tag = state.by_gateway_id.get(order_id)
    order = state.orders.get(tag) if tag is not None else None
    if order is not None and order.gateway_order_id == order_id:
        return order
    return state.foreign_orders.get(order_id)


def protects(state: State, place: Place, order: Known) -> bool:
    """A leg that is there to protect, or a stop against what is held, whoever placed it."""
    if isinstance(order, TrackedOrder) and order.role is not Role.ENTRY:
        return order.role is Role.STOP
    return order.type in STOPS and order.side.sign * held_at(state, place) < 0


def held_at(state: State, place: Place) -> int:
    """Signed position; where its report is still to come, what filled."""
    return state.position_qty(place) or unreported_fill(state, place)[1]
