"""Taking up plans again after a start, or when answers may have been lost, once the account was read; nothing is decided anew."""

from __future__ import annotations

from typing import assert_never

from desk.core.ids import AccountId
from desk.core.plans import (
    AmendPlan,
    CarePlan,
    EitherPlan,
    EnterPlan,
    ExitPlan,
    FlattenPlan,
    GroupPlan,
    Plan,
    ProtectPlan,
    ReducePlan,
    ReversePlan,
    StopPlan,
    TouchPlan,
)
from desk.core.records import PlanEnded
from desk.engine import amends, cares, eithers, groups, reduces, reverses, stops, touches
from desk.engine.draft import Draft
from desk.engine.entries import resume_entry
from desk.orders import exit as exit_plan
from desk.orders import protect

__all__ = ["resume_plans", "resume_ways_out"]


def resume_ways_out(draft: Draft, account_id: AccountId) -> None:
    """Only what gets out or protects: the user hub is down, and the rest waits for its return."""
    resume_plans(draft, account_id, _WAYS_OUT)


def resume_plans(draft: Draft, account_id: AccountId, kinds: tuple[type, ...] = (object,)) -> None:
    """Exits first, then protection, then entries whose fate is unknown. In shadow a plan of an earlier mode ends.

    Within a process a write may still wait in its lane: such a plan stays as it is, its answer will come. Taken up again, it
    would know nothing of the write that goes out later, and could send a second close.
    """
    if draft.ctx.is_shadow:
        for left in [plan for plan in draft.state.plans.values() if plan.account_id == account_id]:
            draft.record(PlanEnded(cause=left.cause, plan_id=left.plan_id, result="shadow: not gone on", ts=draft.now))
        return
    mine = [plan for plan in draft.state.plans.values() if plan.account_id == account_id and isinstance(plan, kinds)]
    for planned in sorted(mine, key=_urgency):
        plan = draft.state.plans.get(planned.plan_id)  # one that was resumed before it may have changed or ended it
        if plan is not None and not _writes_of(plan).isdisjoint(draft.ctx.in_flight):
            continue
        match plan:
            case None:
                pass
            case ExitPlan():
                draft.follow(plan, exit_plan.on_resume(plan, draft.now))
            case FlattenPlan():
                if not plan.waits_for:
                    draft.read(account_id, plan.plan_id)
            case ProtectPlan():
                draft.follow(plan, protect.on_resume(plan))
            case EnterPlan():
                resume_entry(draft, plan)
            case StopPlan():
                stops.resume(draft, plan)
            case ReducePlan():
                reduces.resume(draft, plan)
            case AmendPlan():
                amends.resume(draft, plan)
            case ReversePlan():
                reverses.resume(draft, plan)
            case EitherPlan():
                eithers.resume(draft, plan)
            case GroupPlan():
                groups.resume(draft, plan)
            case CarePlan():
                cares.resume(draft, plan)
            case TouchPlan():
                touches.resume(draft, plan)
            case _ as never:
                assert_never(never)


def _writes_of(plan: Plan) -> set[str]:
    """Under which names the writes of a plan are in flight."""
    match plan:
        case EnterPlan():
            return {plan.plan_id, plan.entry}
        case StopPlan():
            return {plan.plan_id, plan.order}
        case ReducePlan() if plan.stop is not None:
            return {plan.plan_id, plan.stop}
        case _:
            return {plan.plan_id}


_WAYS_OUT = (ExitPlan, FlattenPlan, StopPlan, ProtectPlan, ReducePlan, AmendPlan)
_ORDER = (
    ExitPlan,
    FlattenPlan,
    StopPlan,
    ProtectPlan,
    ReducePlan,
    AmendPlan,
    ReversePlan,
    EitherPlan,
    EnterPlan,
    GroupPlan,
    CarePlan,
    TouchPlan,
)


def _urgency(plan: Plan) -> tuple[int, str]:
    return _ORDER.index(type(plan)), plan.plan_id
