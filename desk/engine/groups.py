"""Trade groups: the entries of a staged exit, one after the other."""

from __future__ import annotations

from collections.abc import Sequence

from desk.core.ids import CauseId, ClientOrderId, stop_leg_id, target_leg_id
from desk.core.intents import Enter
from desk.core.orders import TrackedOrder
from desk.core.plans import GroupPlan, Ticket
from desk.core.records import PlanChanged
from desk.core.words import OrderType
from desk.engine import cares
from desk.engine.draft import Draft, fresh_quote, unreported_fill
from desk.engine.effects import StartTimer
from desk.engine.pricing import with_trail_price
from desk.engine.sending import account_view, approve_ticket, group_of, is_over_for_good, submit, unseen_fills
from desk.engine.state import Place, State
from desk.orders import group
from desk.risk import Approved, Denied, Reason

__all__ = ["begin", "on_flat", "on_order", "on_timer", "part_of", "parts_of", "resume"]

AGAIN_S = 1.0  # the catalogue is being read


def begin(draft: Draft, cause: CauseId, enter: Enter, tickets: Sequence[Ticket], first: Approved) -> None:
    """The whole was approved; the first member goes out now."""
    order = tickets[0].order
    plan = group.begin(cause, order.account_id, order.contract_id, enter, tickets, draft.now)
    plan = group.sent(plan, order.client_order_id)
    draft.record(PlanChanged(cause=cause, plan=plan, ts=draft.now))
    submit(draft, first, cause, tickets[0])


def on_order(draft: Draft, order: TrackedOrder) -> None:
    """An order of ours changed; it may belong to a group."""
    member = order.parent or order.client_order_id
    plan = group_of(draft.state, member)
    if plan is not None:
        _go_on(draft, plan)
        _catch_up(draft, plan, member)


def _catch_up(draft: Draft, plan: GroupPlan, member: ClientOrderId) -> None:
    """A member had filled when the target of a stage did, and that its stop works was not known yet: what follows that target
    is done with it now. One that fills later keeps its stop: the market is back at its price."""
    entry = draft.state.orders.get(member)
    if not plan.done or entry is None or not entry.filled_qty or cares.caring_for(draft.state, member) is not None:
        return
    for stage in plan.done:
        target = draft.state.orders.get(target_leg_id(plan.members[stage]))
        was_in = entry.type is OrderType.MARKET or (target is not None and entry.updated_at <= target.updated_at)
        if plan.members[stage] != member and was_in:
            cares.do_then(draft, plan, stage, member)


def on_flat(draft: Draft, place: Place) -> None:
    """The place is flat: groups there may be over."""
    for plan in list(draft.state.plans.values()):
        if isinstance(plan, GroupPlan) and (plan.account_id, plan.contract_id) == place:
            _go_on(draft, plan)


def on_timer(draft: Draft, plan: GroupPlan) -> None:
    """A pause is over."""
    _go_on(draft, plan)


def resume(draft: Draft, plan: GroupPlan) -> None:
    """After a start: what was sent is followed by the plans of its entries, what was not is approved as ever."""
    _go_on(draft, plan)


def parts_of(state: State, plan: GroupPlan) -> list[group.Part]:
    return [part_of(state, tag) for tag in plan.members]


def part_of(state: State, tag: ClientOrderId) -> group.Part:
    return group.Part(
        entry=state.orders.get(tag),
        is_under_way=not is_over_for_good(state, tag),
        stop=state.orders.get(stop_leg_id(tag)),
        target=state.orders.get(target_leg_id(tag)),
    )


def _go_on(draft: Draft, plan: GroupPlan) -> None:
    parts = parts_of(draft.state, plan)
    for stage in group.stages_done(plan, parts):
        plan = group.with_done(plan, stage)
        draft.record(PlanChanged(cause=plan.cause, plan=plan, ts=draft.now))
        cares.on_stage_done(draft, plan, stage)
    place = (plan.account_id, plan.contract_id)
    is_flat = place not in draft.state.positions and not unreported_fill(draft.state, place)[1]
    move = group.look(plan, parts, is_flat=is_flat)
    draft.follow(plan, move)
    if isinstance(move.plan, GroupPlan):
        ticket = group.next_ticket(move.plan, parts)
        if ticket is not None:
            _send_next(draft, move.plan, ticket, parts)


def _send_next(draft: Draft, plan: GroupPlan, ticket: Ticket, parts: list[group.Part]) -> None:
    """Approved here and now, under the ceiling of the whole. Its brothers count as what they are: held, or on their way."""
    contract = draft.ctx.contracts.get(plan.contract_id)
    if contract is None and not draft.ctx.contracts:
        draft.effects.append(StartTimer(plan.plan_id, AGAIN_S))
        return
    place = (plan.account_id, plan.contract_id)
    priced = (
        with_trail_price(ticket, contract, fresh_quote(draft.ctx, contract.contract_id))
        if contract is not None
        else None
    )
    if contract is None or priced is None:
        why = "its contract is gone" if contract is None else "there is no fresh quote for its trailing stop"
        draft.follow(plan, group.hold_back(plan, why, parts))
        return
    answer = approve_ticket(priced, contract, account_view(draft.state, place, draft.ctx), draft.ctx)
    if (
        isinstance(answer, Denied)
        and answer.reason is Reason.MAX_POSITION
        and unseen_fills(draft.state, place, draft.ctx)
    ):
        draft.effects.append(
            StartTimer(plan.plan_id, AGAIN_S)
        )  # perhaps a brother's fill that counts twice for a moment
        return
    if isinstance(answer, Denied):
        draft.follow(plan, group.hold_back(plan, f"{answer.reason}: {answer.text}", parts))
        return
    after = group.sent(plan, ticket.order.client_order_id)
    draft.record(PlanChanged(cause=plan.cause, plan=after, ts=draft.now))
    submit(draft, answer, plan.cause, priced)
