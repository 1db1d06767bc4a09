"""Ending what waits to open something: an order to be flat, or to stop, comes after it. Nothing here touches the venue."""

from __future__ import annotations

from desk.core.ids import AccountId, CauseId, ContractId
from desk.core.plans import EitherPlan, GroupPlan, Plan, ReversePlan, TouchPlan
from desk.core.records import PlanEnded
from desk.engine.draft import Draft, entering_qty
from desk.engine.effects import StartTimer
from desk.engine.state import Place, State
from desk.orders import either, group, touch

__all__ = ["end_touch", "end_touches", "end_waiting", "has_waiting", "waiting_qty"]

SOON_S = 0.05  # groups and pairs look again at what is left of them


def waiting_qty(state: State, place: Place) -> int:
    """Signed contracts that plans of the place will still send: a repeated target must not ask for them again.

    A reversal that waits for its exit takes away what is held and what is on its way there, and brings its entry.
    """
    qty = 0
    for plan in state.plans.values():
        match plan:
            case TouchPlan() if (plan.account_id, plan.contract_id) == place:
                qty += plan.enter.side.sign * plan.enter.qty
            case GroupPlan() if (plan.account_id, plan.contract_id) == place and not plan.held_back:
                left = plan.tickets[len(plan.members) :]
                qty += sum(ticket.order.side.sign * ticket.order.qty for ticket in left)
            case ReversePlan() if (plan.account_id, plan.contract_id) == place:
                leaves = state.position_qty(place) + entering_qty(state, place)
                qty += plan.enter.side.sign * plan.enter.qty - leaves
    return qty


def has_waiting(state: State, place: Place) -> bool:
    """Entries rest there, or wait for their price: an exit ends them, although nothing is held."""
    if any(state.entries_at(place)):
        return True
    kinds = (TouchPlan, GroupPlan, EitherPlan, ReversePlan)
    return any(isinstance(p, kinds) and (p.account_id, p.contract_id) == place for p in state.plans.values())


def end_waiting(draft: Draft, account_id: AccountId, contract_id: ContractId | None, why: str) -> None:
    """Whatever of the account (or of one contract) was still to be sent is not sent. ``why``: for a person."""
    end_touches(draft, account_id, contract_id, None, why)
    for plan in _of(draft, account_id, contract_id):
        if isinstance(plan, ReversePlan):
            text = f"{plan.contract_id}: the position is closed, but not reversed: {why}"
            draft.tell(plan.cause, "reverse.ended", text)
            draft.record(PlanEnded(cause=plan.cause, plan_id=plan.plan_id, result=why, ts=draft.now))
        elif isinstance(plan, GroupPlan) and len(plan.members) < len(plan.tickets):
            parts = [group.Part(draft.state.orders.get(tag), is_under_way=True) for tag in plan.members]
            draft.follow(plan, group.hold_back(plan, why, parts))
        elif isinstance(plan, EitherPlan) and not plan.is_second_sent:
            draft.follow(plan, either.hold_back(plan, why))
        if isinstance(plan, GroupPlan | EitherPlan):
            draft.effects.append(StartTimer(plan.plan_id, SOON_S))


def end_touches(
    draft: Draft, account_id: AccountId, contract_id: ContractId | None, cause: CauseId | None, why: str
) -> int:
    """Orders that wait for their price end; how many did. ``contract_id`` None: of the whole account; ``cause``: of the cancel
    that asked for it, where one did; then nobody is told."""
    waiting = [plan for plan in _of(draft, account_id, contract_id) if isinstance(plan, TouchPlan)]
    for plan in waiting:
        end_touch(draft, plan, cause, why)
    return len(waiting)


def end_touch(draft: Draft, plan: TouchPlan, cause: CauseId | None, why: str) -> None:
    """As :func:`end_touches`, one of them."""
    text = why if cause is None else f"{why} ({cause})"
    draft.follow(plan, touch.end(plan, text, is_asked_for=cause is not None))


def _of(draft: Draft, account_id: AccountId, contract_id: ContractId | None) -> list[Plan]:
    plans = draft.state.plans.values()
    return [
        p
        for p in plans
        if p.account_id == account_id and (contract_id is None or getattr(p, "contract_id", None) == contract_id)
    ]
