"""To verified flat, then the other way."""

from __future__ import annotations

from dataclasses import replace

from desk.core.intents import Reverse
from desk.core.plans import ExitPlan, ExitReason, ReversePlan
from desk.core.records import PlanChanged, PlanEnded, WouldHaveSent
from desk.core.words import Contract
from desk.engine.draft import Context, Draft, entering_qty
from desk.engine.entries import check, rule_enter
from desk.engine.exits import start_exit
from desk.engine.pricing import price_entry
from desk.engine.rulings import Asker, Ruling, accepted, denied, place_of, would
from desk.engine.sending import account_view
from desk.engine.state import State
from desk.engine.waiting import has_waiting
from desk.orders import reverse
from desk.risk import Denied, Reason

__all__ = ["on_exit_ended", "on_timer", "resume", "rule_reverse"]

_PASSING = {Reason.NO_QUOTE, Reason.TOO_OLD, Reason.STOPPING, Reason.JOURNAL_DOWN, Reason.BUDGET_LOW}


def rule_reverse(state: State, wanted: Reverse, contract: Contract, asker: Asker, ctx: Context) -> Ruling:
    """An exit and an entry. What could never be entered is refused as a whole; what only may come too late is not: the exit
    runs."""
    enter, place = wanted.enter, place_of(asker, contract)
    held, coming = state.position_qty(place), entering_qty(state, place)
    is_there = (held or coming) * enter.side.sign > 0 and held * coming >= 0
    if is_there and not wanted.replaces and state.exit_plan(place) is None:
        text = f"position is {held:+d}, on its way {coming:+d}: already on the side it shall be reversed to"
        return denied(Reason.ALREADY_THERE, text, asker.warnings)
    is_working = any(state.orders_at(place)) or any(state.foreign_at(place)) or has_waiting(state, place)
    has_something = held or coming or is_working
    if not has_something and state.exit_plan(place) is None:
        return rule_enter(state, enter, contract, asker, ctx)
    if state.flatten_plan(asker.account_id) is not None:
        return denied(
            Reason.EXIT_RUNNING, "the account is being flattened; send it again once it is flat", asker.warnings
        )
    if enter.touch_price is not None:
        text = "a reversal enters at once or with a resting order, not at a touch"
        return denied(Reason.NOT_SUPPORTED, text, asker.warnings)
    priced = price_entry(enter, contract, asker, ctx)
    answer = priced
    if not isinstance(priced, Denied):
        flat = replace(
            account_view(state, place, ctx),
            position_qty=0,
            opening_qty=0,
            buying_qty=0,
            selling_qty=0,
            has_exit_running=False,
            unprotected=None,
            orphan_orders=0,
        )
        approved = check(priced, contract, flat, ctx)
        answer = approved if isinstance(approved, Denied) else priced
    is_passing = isinstance(answer, Denied) and answer.reason in _PASSING and not wanted.replaces
    if isinstance(answer, Denied) and not is_passing:  # only a turn is worth an exit that leaves flat
        return denied(answer.reason, answer.text, asker.warnings)
    then = f"as it stands not the entry ({answer.reason}: {answer.text})" if isinstance(answer, Denied) else answer.text
    first = f"exiting {contract.name} ({held:+d})" if held else f"cancelling what works in {contract.name}"
    text = f"{first}, then {then}; the entry is checked again when the place is flat"
    if ctx.is_shadow or asker.is_dry_run:
        return would(f"would reverse: {text}", ctx)
    plan_id = f"reverse:{asker.cause}:{place[0]}:{place[1]}"

    def begin(draft: Draft) -> None:
        exit_id = start_exit(draft, place, asker.cause, asker.reason)
        plan = reverse.begin(asker.cause, place[0], place[1], enter, exit_id, draft.now)
        draft.record(PlanChanged(cause=asker.cause, plan=plan, ts=draft.now))

    orders = () if isinstance(priced, Denied) else tuple(ticket.order.client_order_id for ticket in priced.tickets)
    return Ruling(accepted(text, orders, plan_id=plan_id, warnings=asker.warnings), begin=begin, opens=True)


def on_exit_ended(draft: Draft, plan: ExitPlan) -> None:
    """The exit that a reversal waits for ended flat."""
    for waiting in list(draft.state.plans.values()):
        if isinstance(waiting, ReversePlan) and waiting.waits_for == plan.plan_id:
            _enter(draft, waiting)


def on_timer(draft: Draft, plan: ReversePlan) -> None:
    """A pause is over."""
    if plan.flat_at is not None:
        _enter(draft, plan)


def resume(draft: Draft, plan: ReversePlan) -> None:
    """After a start. An exit that still runs was resumed before; what was flat already goes on."""
    if plan.flat_at is not None:
        _enter(draft, plan)
    elif plan.waits_for not in draft.state.plans:
        draft.follow(plan, reverse.end(plan, "its exit is not known any more"))


def _enter(draft: Draft, plan: ReversePlan) -> None:
    """Priced and approved as a new entry of the same cause. Nothing makes it fresher than its sender wanted."""
    plan = reverse.on_flat(plan, draft.now)
    contract = draft.ctx.contracts.get(plan.contract_id)
    if contract is None:
        draft.follow(plan, reverse.on_no_quote(plan, "its contract is not in the gateway's list", draft.now))
        return
    asker = Asker(cause=plan.cause, account_id=plan.account_id, ts=plan.started_at, reason=ExitReason.ALERT)
    ruling = rule_enter(draft.state, plan.enter, contract, asker, draft.ctx)
    verdict = ruling.verdict
    if verdict.reason == Reason.NO_QUOTE:
        draft.follow(plan, reverse.on_no_quote(plan, verdict.text, draft.now))
    elif ruling.begin is None:
        if ruling.would is not None:
            would_have = WouldHaveSent(cause=plan.cause, account_id=plan.account_id, text=ruling.would, ts=draft.now)
            draft.record(would_have)
        draft.follow(plan, reverse.end(plan, f"{verdict.reason}: {verdict.text}"))
    else:
        result = f"flat, then {verdict.text}"
        draft.record(PlanEnded(cause=plan.cause, plan_id=plan.plan_id, result=result, ts=draft.now))
        ruling.begin(draft)
