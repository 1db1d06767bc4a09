"""Two entries of which one may fill."""

from __future__ import annotations

from dataclasses import replace

from desk.core.ids import CauseId, ClientOrderId
from desk.core.orders import TrackedOrder
from desk.core.plans import AmendPlan, EitherPlan, EnterPlan, EntryEnd, ExitReason, Ticket
from desk.core.records import PlanChanged
from desk.engine.draft import Draft, fresh_quote
from desk.engine.effects import StartTimer
from desk.engine.exits import start_exit
from desk.engine.groups import part_of
from desk.engine.pricing import with_trail_price
from desk.engine.sending import account_view, approve_ticket, either_of, end_entry, is_over_for_good, submit
from desk.engine.state import State
from desk.orders import either
from desk.orders.amend import plan_id_of
from desk.orders.group import Part
from desk.risk import Approved, Denied

__all__ = ["begin", "larger_qty", "on_order", "on_timer", "resume"]

AGAIN_S = 1.0  # the catalogue is being read


def begin(draft: Draft, cause: CauseId, tickets: tuple[Ticket, Ticket], first: Approved) -> None:
    """Both were approved; the first goes out now."""
    order = tickets[0].order
    plan = either.begin(cause, order.account_id, order.contract_id, tickets, draft.now)
    draft.record(PlanChanged(cause=cause, plan=plan, ts=draft.now))
    submit(draft, first, cause, tickets[0])


def on_order(draft: Draft, order: TrackedOrder) -> None:
    """An order of ours changed; it may be one of a pair."""
    plan = either_of(draft.state, order.client_order_id)
    if plan is not None:
        _go_on(draft, plan)


def on_timer(draft: Draft, plan: EitherPlan) -> None:
    """A pause is over."""
    _go_on(draft, plan, is_timer=True)


def resume(draft: Draft, plan: EitherPlan) -> None:
    """After a start: each entry is followed by its own plan; what they came to while nobody looked is seen now."""
    _go_on(draft, plan)
    if plan.is_surplus and draft.state.plans.get(plan.plan_id) is not None:
        start_exit(draft, (plan.account_id, plan.contract_id), plan.cause, ExitReason.RULE)


def larger_qty(plan: EitherPlan) -> int:
    return max(ticket.order.qty for ticket in plan.tickets)


def _go_on(draft: Draft, plan: EitherPlan, *, is_timer: bool = False) -> None:
    first = _part_of(draft.state, plan.first)
    second = _part_of(draft.state, plan.second) if plan.is_second_sent else None
    step = either.look(plan, first, second, is_timer=is_timer)
    draft.follow(plan, step.move)
    if step.ends is not None:
        end_entry(draft, *step.ends)
        after = draft.state.plans.get(plan.plan_id)
        if isinstance(after, EitherPlan) and is_over_for_good(draft.state, step.ends[0]):
            _go_on(draft, after)  # it was never at the venue: no event will tell of its end
            return
    if step.exits:
        start_exit(draft, (plan.account_id, plan.contract_id), plan.cause, ExitReason.RULE)
    if step.sends:
        _send_second(draft, plan)


def _part_of(state: State, tag: ClientOrderId) -> Part:
    return replace(part_of(state, tag), is_leaving=_is_leaving(state, tag))


def _is_leaving(state: State, tag: ClientOrderId) -> bool:
    """Its own plan takes it away, or somebody's cancel, or an exit of its place."""
    order, plan = state.orders.get(tag), state.plans.get(f"enter:{tag}")
    if order is None or (isinstance(plan, EnterPlan) and plan.ending is not None):
        return order is not None
    cancel = state.plans.get(plan_id_of(order.gateway_order_id)) if order.gateway_order_id is not None else None
    is_cancelled = isinstance(cancel, AmendPlan) and cancel.is_cancel
    return is_cancelled or state.exit_plan((order.account_id, order.contract_id)) is not None


def _send_second(draft: Draft, plan: EitherPlan) -> None:
    """Approved here and now; of the two only the larger counts."""
    contract = draft.ctx.contracts.get(plan.contract_id)
    if contract is None and not draft.ctx.contracts:
        draft.effects.append(StartTimer(plan.plan_id, AGAIN_S))
        return
    place = (plan.account_id, plan.contract_id)
    ticket = (
        with_trail_price(plan.tickets[1], contract, fresh_quote(draft.ctx, contract.contract_id)) if contract else None
    )
    if contract is None or ticket is None:
        why = "its contract is gone" if contract is None else "there is no fresh quote for its trailing stop"
        _refused(draft, plan, why)
        return
    view = account_view(draft.state, place, draft.ctx, without=(plan.first,))
    answer = approve_ticket(ticket, contract, view, draft.ctx, total=larger_qty(plan))
    if isinstance(answer, Denied):
        _refused(draft, plan, f"the second one was denied: {answer.reason}: {answer.text}")
        return
    draft.record(PlanChanged(cause=plan.cause, plan=either.second_sent(plan), ts=draft.now))
    submit(draft, answer, plan.cause, ticket)


def _refused(draft: Draft, plan: EitherPlan, why: str) -> None:
    draft.follow(plan, either.refused(plan, why))
    end_entry(draft, plan.first, EntryEnd.OTHER_REFUSED)
