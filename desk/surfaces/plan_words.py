"""A running plan in words: what it is, how far it got. Total over all plans."""

from __future__ import annotations

from typing import assert_never

from desk.core.contractmonths import month_of_contract
from desk.core.errors import UnknownSymbol
from desk.core.ids import AccountId, ContractId, stop_leg_id
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
from desk.core.words import Contract
from desk.runtime.desk import Desk
from desk.surfaces.intent_words import care_words, enter_words
from desk.surfaces.show import price_text

__all__ = ["account_name", "amend_words", "plan_kind", "plan_step", "plan_words", "symbol_of"]


def plan_kind(plan: Plan) -> str:
    return type(plan).__name__.removesuffix("Plan").lower()


def plan_step(plan: Plan) -> str | None:
    """The step it is in; None for a plan that only waits."""
    step = getattr(plan, "step", None)
    return None if step is None else str(step.value)


def plan_words(desk: Desk, plan: Plan) -> str:
    """Without its account and symbol, which stand beside it."""
    match plan:
        case EnterPlan():
            return f"{plan.entry}" + (f", {plan.misses} searches found nothing" if plan.misses else "")
        case ExitPlan():
            numbers = f"{len(plan.cancelling)} cancels open, {plan.empty_reads} empty reads, {plan.tries} tries"
            return f"{plan.reason.value}: {numbers}"
        case FlattenPlan():
            return f"waits for {len(plan.waits_for)} exits, {plan.tries} tries"
        case ProtectPlan():
            return f"{plan.naked_reads} reads without a stop"
        case TouchPlan():
            way = "up" if plan.is_above else "down"
            words = enter_words(plan.enter, _contract(desk, plan.contract_id), symbol_of(desk, plan.contract_id))
            return f"waits for the market to come {way}: {words}"
        case GroupPlan():
            stages, sent = max(1, len(plan.enter.stages)), len(plan.members)
            what = f"{plan.enter.side} {plan.enter.qty} in {stages} stages"
            held_back = f"; the others stay at home: {plan.held_back}" if plan.held_back else ""
            filled = f"{plan.targets_done} target{'' if plan.targets_done == 1 else 's'} filled"
            return f"{what}: {sent} sent, {filled}{held_back}"
        case EitherPlan():
            alone = f" ({plan.alone})" if plan.alone else ""
            if plan.winner is None:
                return f"{plan.first} or {plan.second}: neither filled yet{alone}"
            return f"{plan.winner} filled, the other one goes{alone}"
        case ReversePlan():
            words = enter_words(plan.enter, _contract(desk, plan.contract_id), symbol_of(desk, plan.contract_id))
            return f"once {plan.waits_for} is flat: {words}"
        case AmendPlan():
            return f"{amend_words(desk, plan)}, {plan.sends} sent"
        case CarePlan():
            return _care_state(desk, plan)
        case StopPlan():
            return f"{plan.order}" + (f", {plan.misses} searches found nothing" if plan.misses else "")
        case ReducePlan() if plan.is_trim:
            return (
                f"a part was closed by somebody else: stops and targets as small as {plan.keeps:+d}, {plan.tries} tries"
            )
        case ReducePlan():
            return f"{plan.reason.value}: {plan.qty} to close, {plan.keeps:+d} remain, {plan.tries} tries"
        case _ as never:
            assert_never(never)


def amend_words(desk: Desk, plan: AmendPlan) -> str:
    """Which order it is about, and what that shall be."""
    if plan.is_cancel:
        return f"order #{plan.gateway_order_id} goes"
    contract = _contract(desk, plan.contract_id)
    goals = [f"quantity {plan.qty}"] if plan.qty is not None else []
    prices = (("limit", plan.limit_price), ("stop", plan.stop_price))
    goals += [f"{name} {price_text(price, contract)}" for name, price in prices if price is not None]
    return f"order #{plan.gateway_order_id} to {', '.join(goals) or 'what it is'}"


def _care_state(desk: Desk, plan: CarePlan) -> str:
    """Break-even and trailing: what is to come, and what has begun."""
    contract = _contract(desk, plan.contract_id)
    words = list(care_words(plan.care))
    if plan.is_at_break_even:
        words.append("break-even done")
    if plan.peak is not None:
        words.append(f"trailing, best price {price_text(plan.peak, contract)}")
    legs = [desk.state.orders.get(tag) for tag in (stop_leg_id(plan.entry), plan.entry)]  # or the stop itself
    is_there = any(leg is not None and leg.stop_price == plan.stop_goal for leg in legs)
    if plan.stop_goal is not None:
        words.append(f"stop {'is at' if is_there else 'goes to'} {price_text(plan.stop_goal, contract)}")
    if plan.target_goal is not None:
        words.append(f"target goes to {price_text(plan.target_goal, contract)}")
    return "; ".join([f"entry {price_text(plan.basis, contract)}", *words])


def symbol_of(desk: Desk, contract_id: ContractId) -> str:
    """As the gateway names it; one that it lists no more ``MNQH26``, after its id."""
    contract = _contract(desk, contract_id)
    if contract is not None:
        return contract.name
    try:
        return month_of_contract(contract_id).name
    except UnknownSymbol:
        return contract_id


def account_name(desk: Desk, account_id: AccountId) -> str:
    known = desk.state.accounts.get(account_id)
    return known.account.name if known is not None else str(account_id)


def _contract(desk: Desk, contract_id: ContractId) -> Contract | None:
    return desk.catalogue.get(contract_id)
