"""Emulated orders: what goes out once the market trades at a price."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from desk.core.plans import ExitReason, TouchPlan
from desk.core.records import PlanEnded
from desk.engine.draft import Draft, fresh_quote
from desk.engine.entries import rule_enter
from desk.engine.pricing import is_touched
from desk.engine.rulings import Asker
from desk.engine.waiting import end_touch, end_touches
from desk.orders import touch

__all__ = ["end_touch", "end_touches", "on_price", "on_timer", "resume"]

SENT_WITHIN = timedelta(seconds=5)  # of the touch: what cannot go out by then has missed it


def on_price(draft: Draft, plan: TouchPlan) -> None:
    """The newest quote of the contract is in the context. Too old, or nothing known of the account: it triggers nothing."""
    wanted, contract = plan.enter, draft.ctx.contracts.get(plan.contract_id)
    assert wanted.touch_price is not None, "an order that waits for a price names it"
    if contract is None or not draft.state.is_reconciled(plan.account_id):
        return
    if wanted.expires_at is not None and draft.now >= wanted.expires_at:
        on_timer(draft, plan)
        return
    quote = fresh_quote(draft.ctx, contract.contract_id)
    if quote is None or not is_touched(quote, wanted.touch_price, from_below=plan.is_above):
        return
    at_once = msgspec.structs.replace(wanted, touch_price=None, fresh_until=draft.now + SENT_WITHIN)
    asker = Asker(cause=plan.cause, account_id=plan.account_id, ts=plan.started_at, reason=ExitReason.ALERT)
    ruling = rule_enter(draft.state, at_once, contract, asker, draft.ctx)
    last, bid, ask = (contract.price_text(price) for price in (quote.last, quote.bid, quote.ask))
    seen = f"touched {contract.price_text(wanted.touch_price)} (last {last}, bid {bid}, ask {ask})"
    if ruling.begin is None:
        draft.follow(plan, touch.end(plan, f"{seen}, and {ruling.verdict.reason}: {ruling.verdict.text}"))
        return
    result = f"{seen}: {ruling.verdict.text}"
    draft.record(PlanEnded(cause=plan.cause, plan_id=plan.plan_id, result=result, ts=draft.now))
    ruling.begin(draft)


def on_timer(draft: Draft, plan: TouchPlan) -> None:
    """It expired, or the timer fired early."""
    draft.follow(plan, touch.on_time(plan, draft.now))


def resume(draft: Draft, plan: TouchPlan) -> None:
    """After a start: its time may be over, and the market may trade there now."""
    on_timer(draft, plan)
    if plan.plan_id in draft.state.plans:
        on_price(draft, plan)
