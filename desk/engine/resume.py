"""Taking up plans again after a start, or when answers may have been lost, once the account was read; nothing is decided anew."""

from __future__ import annotations

from desk.core.ids import AccountId
from desk.core.plans import EnterPlan, ExitPlan, FlattenPlan, ProtectPlan
from desk.core.records import PlanEnded
from desk.engine.draft import Draft
from desk.orders import enter, protect
from desk.orders import exit as exit_plan

__all__ = ["resume_plans"]


def resume_plans(draft: Draft, account_id: AccountId) -> None:
    """Exits first, then protection, then entries whose fate is unknown. In shadow a plan of an earlier mode ends."""
    if draft.ctx.is_shadow:
        for plan in [plan for plan in draft.state.plans.values() if plan.account_id == account_id]:
            draft.record(PlanEnded(cause=plan.cause, plan_id=plan.plan_id, result="shadow: not gone on", ts=draft.now))
        return
    mine = [plan for plan in draft.state.plans.values() if plan.account_id == account_id]
    for plan in sorted(mine, key=_urgency):
        match plan:
            case ExitPlan():
                draft.follow(plan, exit_plan.on_resume(plan, draft.now))
            case FlattenPlan():
                if not plan.waits_for:
                    draft.read(account_id, plan.plan_id)
            case ProtectPlan():
                draft.follow(plan, protect.on_resume(plan))
            case EnterPlan():
                move = enter.on_resume(plan, draft.state.orders.get(plan.entry))
                draft.follow(plan, move)
                if move.searches:
                    draft.search(account_id, plan.entry)


def _urgency(plan: EnterPlan | ExitPlan | FlattenPlan | ProtectPlan) -> tuple[int, str]:
    order = (ExitPlan, FlattenPlan, ProtectPlan, EnterPlan)
    return order.index(type(plan)), plan.plan_id
