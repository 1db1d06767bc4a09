"""What is done with the legs of a position: exact prices, break-even, trailing, and what follows a stage's target.

All moves go through the amend plans of the single legs, which only tighten a stop. Where the market is beyond the price that a
stop should have, the stop would have been hit: the position is closed, or, where others are held beside it, a person is told.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal

import msgspec

from desk.core.ids import ClientOrderId, ContractId, target_leg_id
from desk.core.intents import Care, Then
from desk.core.orders import Role, StopTouch, TrackedOrder
from desk.core.plans import AmendPlan, CarePlan, ExitReason, GroupPlan, TouchPlan
from desk.core.records import PlanChanged, PlanEnded
from desk.core.words import OrderType, VenueOrder
from desk.engine import amends
from desk.engine.draft import Draft, fresh_quote
from desk.engine.effects import StartTimer
from desk.engine.exits import start_exit
from desk.engine.naming import price_text
from desk.engine.sending import group_of
from desk.engine.state import Place, State
from desk.orders import amend, care
from desk.orders.care import Step

__all__ = [
    "begun_for",
    "caring_for",
    "contracts_that_wait_for_prices",
    "current",
    "do_then",
    "keep",
    "live_stops",
    "on_amended",
    "on_stage_done",
    "saw_position",
    "stops_by_hand",
]

BLIND_AFTER = timedelta(seconds=10)
BLOCKED_AGAIN_S = 1.0  # beyond the time for which a move is blocked
_CLOSES = {
    StopTouch.MOVED: ExitReason.STOP,
    StopTouch.BREAK_EVEN: ExitReason.BREAK_EVEN,
    StopTouch.TRAILING: ExitReason.TRAILING,
}

_replace = msgspec.structs.replace


def contracts_that_wait_for_prices(state: State) -> frozenset[ContractId]:
    """Contracts of which every new price is to be told to the engine."""
    return frozenset(
        plan.contract_id
        for plan in state.plans.values()
        if isinstance(plan, TouchPlan) or (isinstance(plan, CarePlan) and care.wants_prices(plan))
    )


# --- an entry's care ----------------------------------------------------------------------------------------------------


def on_order(draft: Draft, order: TrackedOrder) -> None:
    """An order of ours changed: an entry filled, a leg woke up, moved or ended."""
    entry = order if order.role is Role.ENTRY else draft.state.orders.get(order.parent or order.client_order_id)
    _take_over(draft, order)
    plan = caring_for(draft.state, order.parent or order.client_order_id)
    if plan is not None:
        if not any(not leg.state.is_over for leg in _legs(draft.state, plan)):
            draft.record(PlanEnded(cause=plan.cause, plan_id=plan.plan_id, result="its legs are over", ts=draft.now))
            return
        if order is entry and order.filled_price is not None and order.filled_price != plan.basis:
            plan = keep(draft, _replace(plan, basis=order.filled_price))
        _target(draft, plan)
    elif entry is not None and entry.role is Role.ENTRY and care.asks_for_something(entry.care):
        _begin(draft, entry)


def _take_over(draft: Draft, order: TrackedOrder) -> None:
    """A smaller stop works in the place of a leg that cannot be resized: the care of that leg goes on with it, under its old
    name, by which the stages know it. What was decided and not yet seen at the old stop is sent once more."""
    reducing = draft.state.reduce_plan((order.account_id, order.contract_id))
    if reducing is None or reducing.replaces is None or reducing.stop != order.client_order_id:
        return
    plan = caring_for(draft.state, reducing.replaces)
    plan_id = plan.plan_id if plan is not None else care.plan_id_of(reducing.replaces)
    if plan is None and group_of(draft.state, reducing.replaces) is not None:
        plan = begun_for(draft, order.client_order_id, Care())
    if (
        plan is None
        or plan.entry == order.client_order_id
        or order.state not in amends.LIVE
        or _is_leaving(draft, plan)
    ):
        return
    plan = _replace(
        plan,
        plan_id=plan_id,
        entry=order.client_order_id,
        is_goal_due=plan.stop_goal is not None,
    )
    _take(draft, plan, order, care.on_timer(plan, draft.now))


def _begin(draft: Draft, entry: TrackedOrder) -> None:
    """As soon as something filled and the protective stop works."""
    plan = begun_for(draft, entry.client_order_id, entry.care)
    if plan is None:
        return
    draft.record(PlanChanged(cause=plan.cause, plan=plan, ts=draft.now))
    stop = _stop_of(draft.state, plan)
    if stop is not None and stop.stop_price is not None:
        _take(draft, plan, stop, care.on_exact(plan, stop.stop_price, draft.now))
    _target(draft, current(draft, plan))


def saw_position(draft: Draft, place: Place) -> None:
    """A read of the place. What was filled and protected already when its care could not begin, for the catalogue was still
    being read after a start, is in no report any more: it begins now."""
    for entry in list(draft.state.remembered_at(place)):
        is_cared_for = care.plan_id_of(entry.client_order_id) in draft.state.plans
        if entry.role is Role.ENTRY and entry.filled_qty and not is_cared_for and care.asks_for_something(entry.care):
            _begin(draft, entry)


def begun_for(draft: Draft, entry_id: ClientOrderId, wanted: Care) -> CarePlan | None:
    """The plan of an entry, not yet written down; None where nothing can be cared for yet."""
    entry = draft.state.orders.get(entry_id)
    stop = next((o for o in _stops_behind(draft.state, entry_id) if o.state in amends.LIVE), None)
    contract = draft.ctx.contracts.get(stop.contract_id) if stop is not None else None
    if stop is None or contract is None or draft.ctx.is_shadow:
        return None
    position = draft.state.positions.get((stop.account_id, stop.contract_id))
    basis = entry.filled_price if entry is not None and entry.role is Role.ENTRY else None
    basis = basis or (position.avg_price if position is not None else None)
    if basis is None or draft.state.exit_plan((stop.account_id, stop.contract_id)) is not None:
        return None
    behind = entry if entry is not None else _replace(stop, client_order_id=entry_id)
    return care.begin(behind, wanted, stop.side.opposite, basis, contract.tick_size, draft.now)


def _target(draft: Draft, plan: CarePlan) -> None:
    """The exact target, once its leg works."""
    if plan.target_goal is None:
        return
    legs = [o for o in _legs(draft.state, plan) if o.role is Role.TARGET and o.state in amends.LIVE]
    if legs and legs[0].gateway_order_id is not None:
        goal = plan.target_goal
        plan = keep(draft, _replace(plan, target_goal=None))
        place = plan.account_id, plan.contract_id
        amends.start_amend(draft, legs[0].gateway_order_id, plan.cause, *place, limit_price=goal)


def on_price(draft: Draft, plan: CarePlan) -> None:
    """The newest quote of the contract is in the context. An old one moves nothing; none for long is told."""
    if not care.wants_prices(plan):
        return
    quote = fresh_quote(draft.ctx, plan.contract_id)
    plan = _looked(draft, plan, is_fresh=quote is not None)
    price = care.favour(plan.side, quote) if quote is not None else None
    stop = _stop_of(draft.state, plan)
    if price is None or stop is None or stop.stop_price is None or _is_leaving(draft, plan):
        return
    _take(draft, plan, stop, care.on_price(plan, price, stop.stop_price, draft.now))


def on_timer(draft: Draft, plan: CarePlan) -> None:
    """A pause is over."""
    stop = _stop_of(draft.state, plan)
    if stop is None or stop.stop_price is None or _is_leaving(draft, plan):
        return
    exact = not plan.is_exact and (plan.blocked_until is None or plan.blocked_until <= draft.now)
    step = care.on_exact(plan, stop.stop_price, draft.now) if exact else care.on_timer(plan, draft.now)
    _take(draft, plan, stop, step)


def resume(draft: Draft, plan: CarePlan) -> None:
    """After a start: the venue's legs are the truth, amendments under way are resumed by themselves, nothing loosens."""
    if not any(not leg.state.is_over for leg in _legs(draft.state, plan)):
        draft.record(PlanEnded(cause=plan.cause, plan_id=plan.plan_id, result="its legs are over", ts=draft.now))
        return
    _target(draft, plan)
    on_timer(draft, current(draft, plan))
    _try_exact_later(draft, current(draft, plan))


def on_amended(draft: Draft, plan: AmendPlan, result: str) -> None:
    """The amendment of an order ended."""
    tag = draft.state.by_gateway_id.get(plan.gateway_order_id)
    order = draft.state.orders.get(tag) if tag is not None else None
    caring = caring_for(draft.state, order.parent or order.client_order_id) if order else None
    if order is None or order.role is not Role.STOP or plan.stop_price is None:
        return
    if result == amend.BEYOND and plan.or_close is None:
        goal, now_at = (price_text(p, plan.contract_id, draft.ctx) for p in (plan.stop_price, order.stop_price))
        text = f"the stop cannot go to {goal}, the market is beyond it; it stays at {now_at}"
        draft.tell(plan.cause, "care.beyond", f"{plan.contract_id}: {text}")
    elif result == amend.BEYOND and isinstance(caring, CarePlan) and plan.or_close is not None:
        _market_is_beyond(draft, caring, plan.stop_price, plan.or_close)
    elif isinstance(caring, CarePlan) and plan.or_close is not None:
        if result == amend.DONE:
            keep(draft, care.moved(caring))
        elif result != amend.GONE:
            _failed(draft, caring)


def on_stage_done(draft: Draft, plan: GroupPlan, stage: int) -> None:
    """The target of that stage filled: its ``then`` is done with the stops of the members that are left.

    stop_to_prev_target: after the first stage to the entry, after a later one to the target of the stage before it.
    """
    for number, member in enumerate(plan.members):
        if number != stage:
            do_then(draft, plan, stage, member)


def do_then(draft: Draft, plan: GroupPlan, stage: int, member: ClientOrderId) -> None:
    """With the stop of that member, where it works; see ``groups`` for one of which that is not known yet."""
    then = plan.enter.stages[stage].then if stage < len(plan.enter.stages) else plan.enter.care.then
    if then is None:
        return
    entry = draft.state.orders.get(member)
    wanted = entry.care if entry is not None else Care()
    caring = caring_for(draft.state, member) or begun_for(draft, member, wanted)
    stop = _stop_of(draft.state, caring) if caring is not None else None
    if caring is None or stop is None or stop.stop_price is None or _is_leaving(draft, caring):
        return
    _take(draft, caring, stop, _after_stage(draft, plan, stage, then, caring, stop.stop_price))


def _after_stage(draft: Draft, group: GroupPlan, stage: int, then: Then, plan: CarePlan, stop: Decimal) -> Step:
    if then is Then.TRAIL_ON:
        trail = group.enter.care.trail
        return Step(plan if trail is None else care.with_trail(plan, _replace(trail, trigger_ticks=0)))
    if then is Then.BREAKEVEN:
        offset = group.enter.care.breakeven.offset_ticks if group.enter.care.breakeven is not None else 0
        goal = care.in_favour(plan.side, plan.basis, offset, plan.tick_size)
        return care.move_to(_replace(plan, is_at_break_even=True), goal, StopTouch.BREAK_EVEN, stop, draft.now)
    before = _target_price(draft.state, group, stage - 1) if stage > 0 else None
    if before is None:
        goal = care.in_favour(plan.side, plan.basis, 0, plan.tick_size)
        return care.move_to(_replace(plan, is_at_break_even=True), goal, StopTouch.BREAK_EVEN, stop, draft.now)
    return care.move_to(plan, before, StopTouch.MOVED, stop, draft.now)


def _target_price(state: State, group: GroupPlan, stage: int) -> Decimal | None:
    """Where the target of a stage was, that has filled."""
    leg = state.orders.get(target_leg_id(group.members[stage])) if stage < len(group.members) else None
    if leg is not None and leg.limit_price is not None:
        return leg.limit_price
    return group.enter.stages[stage].target_price


# --- carrying a step out ------------------------------------------------------------------------------------------------


def _take(draft: Draft, plan: CarePlan, stop: TrackedOrder, step: Step) -> None:
    """Writes the step down, then sends what is due: the goal stands in the journal before its modify leaves."""
    after = keep(draft, step.plan)
    if step.delay_s is not None:
        draft.effects.append(StartTimer(plan.plan_id, step.delay_s))
    if step.stop is None or stop.gateway_order_id is None:
        return
    reason = _CLOSES[after.goal_by or StopTouch.MOVED]
    if amends.is_through(fresh_quote(draft.ctx, plan.contract_id), stop.side, step.stop):
        _market_is_beyond(draft, after, step.stop, reason)
        return
    amends.start_amend(
        draft,
        stop.gateway_order_id,
        plan.cause,
        plan.account_id,
        plan.contract_id,
        stop_price=step.stop,
        touch=after.goal_by,
        or_close=reason,
    )


def caring_for(state: State, behind: ClientOrderId) -> CarePlan | None:
    """The plan of an entry, or of a stop that was placed by itself."""
    plan = state.plans.get(care.plan_id_of(behind))
    if isinstance(plan, CarePlan):
        return plan
    return next((plan for plan in state.plans.values() if isinstance(plan, CarePlan) and plan.entry == behind), None)


def keep(draft: Draft, plan: CarePlan) -> CarePlan:
    if draft.state.plans.get(plan.plan_id) != plan:
        draft.record(PlanChanged(cause=plan.cause, plan=plan, ts=draft.now))
    return plan


def current(draft: Draft, plan: CarePlan) -> CarePlan:
    newest = draft.state.plans.get(plan.plan_id)
    return newest if isinstance(newest, CarePlan) else plan


def _failed(draft: Draft, plan: CarePlan) -> None:
    """A move was not carried out; a person was told by its amendment."""
    _try_exact_later(draft, keep(draft, care.failed(plan, draft.now)))


def _try_exact_later(draft: Draft, plan: CarePlan) -> None:
    if not plan.is_exact and plan.blocked_until is not None and plan.blocked_until > draft.now:
        delay_s = (plan.blocked_until - draft.now).total_seconds() + BLOCKED_AGAIN_S
        draft.effects.append(StartTimer(plan.plan_id, delay_s))


def _market_is_beyond(draft: Draft, plan: CarePlan, price: Decimal, reason: ExitReason) -> None:
    """The stop would have been hit. Closing takes the whole place, so only where nothing else is held there."""
    place = (plan.account_id, plan.contract_id)
    at = price_text(price, plan.contract_id, draft.ctx)
    stops = live_stops(draft.state, place)
    is_alone = all(plan.entry == stop.client_order_id or plan.cause == stop.cause for stop in stops)
    is_alone = is_alone and not stops_by_hand(draft.state, place)
    if is_alone and abs(draft.state.position_qty(place)) <= sum(stop.qty - stop.filled_qty for stop in stops):
        text = f"{plan.contract_id}: the stop should be at {at}, the market is beyond it already: closing at market"
        draft.tell(plan.cause, "care.closing", text)
        start_exit(draft, place, plan.cause, reason)
        return
    text = f"the stop should go to {at}, the market is beyond it; other entries are held there, so it stays"
    draft.tell(plan.cause, "care.beyond", f"{plan.contract_id}: {text}")
    _failed(draft, plan)


def _looked(draft: Draft, plan: CarePlan, *, is_fresh: bool) -> CarePlan:
    """Blindness: no fresh price for long. One word for all the plans of a contract, when it begins and when it heals."""
    if is_fresh:
        if plan.unseen_since is None and not plan.is_blind:
            return plan
        seeing = keep(draft, _replace(plan, unseen_since=None, is_blind=False))
        if plan.is_blind and not any(_is_blind(draft.state, plan.contract_id)):
            draft.tell(plan.cause, "care.sees", f"{plan.contract_id}: there are prices again; its stops are cared for")
        return seeing
    quote = draft.ctx.quote(plan.contract_id)
    since = quote.ts_recv if quote is not None else plan.unseen_since
    if since is None:
        return keep(draft, _replace(plan, unseen_since=draft.now))
    if plan.is_blind or draft.now - max(since, plan.started_at) < BLIND_AFTER:
        return plan
    is_first = not any(_is_blind(draft.state, plan.contract_id))
    blind = keep(draft, _replace(plan, is_blind=True))
    if is_first:
        text = f"{plan.contract_id}: no price for 10 s; break-even and trailing wait, the stops stay where they are"
        draft.tell(plan.cause, "care.blind", text)
    return blind


def _is_blind(state: State, contract_id: ContractId) -> Iterable[bool]:
    return (
        plan.is_blind
        for plan in state.plans.values()
        if isinstance(plan, CarePlan) and plan.contract_id == contract_id and plan.is_blind
    )


# --- looking at the place -----------------------------------------------------------------------------------------------


def _legs(state: State, plan: CarePlan) -> list[TrackedOrder]:
    place = (plan.account_id, plan.contract_id)
    return [
        o
        for o in state.remembered_at(place)
        if o.role is not Role.ENTRY and plan.entry in {o.parent, o.client_order_id}
    ]


def _stops_behind(state: State, entry_id: ClientOrderId) -> list[TrackedOrder]:
    return [o for o in state.orders.values() if o.role is Role.STOP and entry_id in {o.parent, o.client_order_id}]


def _stop_of(state: State, plan: CarePlan) -> TrackedOrder | None:
    """The protective stop that works; one that the venue trails by itself is left alone."""
    stops = (
        o for o in _legs(state, plan) if o.role is Role.STOP and o.state in amends.LIVE and o.type is OrderType.STOP
    )
    return next(stops, None)


def live_stops(state: State, place: Place) -> list[TrackedOrder]:
    return [o for o in state.protective_stops(place) if o.state in amends.LIVE]


def stops_by_hand(state: State, place: Place) -> list[VenueOrder]:
    held = state.position_qty(place)
    return [o for o in state.foreign_at(place) if o.type is OrderType.STOP and o.side.sign * held < 0]


def _is_leaving(draft: Draft, plan: CarePlan) -> bool:
    return draft.state.exit_plan((plan.account_id, plan.contract_id)) is not None
