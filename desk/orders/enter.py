"""The enter plan: one entry from submission until the venue has it or surely has not.

```
 SUBMITTED ──done──▶ ACCEPTED ──order over──▶ ended
     │ unclear, or the tag is taken        ▲ found
     ▼                                     │
 SEARCHING ──nothing──▶ WAITING ─1 s─▶ SEARCHING ──nothing twice──▶ the engine: approve again and send under the
     ▲  └──error──▶ WAITING (back-off) ────┘                        same tag if still fresh, else EXPIRED, ended
```
A refusal ends it; "surely not sent" waits 1 s and then is approved again under the same tag, while fresh: should it have
arrived after all, the venue refuses the repeat. A report of the order with its tag, from anywhere and at any step, settles it:
an event may arrive before the reply. An accepted market order that is not over after 2 s has the account read once: its
events may be lost.
"""

from __future__ import annotations

from datetime import timedelta

import msgspec

from desk.core.events import Outcome, OutcomeKind, TagSearched
from desk.core.orders import OrderState, TrackedOrder
from desk.core.plans import EnterPlan, EnterStep
from desk.orders.move import Move, Timer, backoff_s
from desk.orders.reducing import Reducing, cancel_order

__all__ = [
    "begin",
    "begin_search",
    "is_tag_taken",
    "later",
    "on_order",
    "on_resume",
    "on_search",
    "on_settled",
    "on_timer",
    "resends",
    "withdraw",
]

SEARCH_GAP_S = 1.0  # two searches at least this far apart (design: order identity)
RETRY_S = 1.0
LOOK_S = 2.0  # an accepted order that is not over by then is read
MISSES_THAT_SETTLE = 2
_TAG_TAKEN = "already in use"  # gateway reference 3.14

_replace = msgspec.structs.replace


def begin(order: TrackedOrder) -> EnterPlan:
    """The plan that goes into the journal together with the submitted order."""
    return EnterPlan(
        plan_id=f"enter:{order.client_order_id}",
        cause=order.cause,
        account_id=order.account_id,
        contract_id=order.contract_id,
        entry=order.client_order_id,
        step=EnterStep.SUBMITTED,
        started_at=order.submitted_at,
    )


def begin_search(order: TrackedOrder) -> Move:
    """The plan of an order whose tag turned out to be taken: an earlier sending of it may live."""
    return _search(begin(order))


def is_tag_taken(outcome: Outcome) -> bool:
    """Refused, because the venue knows the tag already (gateway reference 3.14)."""
    return outcome.kind is OutcomeKind.REFUSED and _TAG_TAKEN in outcome.text.lower()


def on_settled(plan: EnterPlan, outcome: Outcome) -> Move:
    """The reply to the sending came, or surely will not."""
    match outcome.kind:
        case OutcomeKind.DONE:
            return _accepted(plan)
        case OutcomeKind.REFUSED:
            return Move(None, result=f"rejected: {outcome.text or outcome.code}")
        case OutcomeKind.NOT_SENT:
            return later(plan)
        case OutcomeKind.UNCLEAR:
            return _search(plan)


def on_search(plan: EnterPlan, answer: TagSearched) -> Move:
    """One search by tag came back with nothing or an error; a found order goes through :func:`on_order`."""
    if answer.error is not None:
        failures = plan.failures + 1
        incident = ("order.unsettled", f"an order cannot be looked up: {answer.error}") if failures == 1 else None
        waiting = _replace(plan, step=EnterStep.WAITING, failures=failures)
        return Move(waiting, timer=_timer(plan, backoff_s(failures, SEARCH_GAP_S)), incident=incident)
    is_apart = plan.missed_at is None or answer.ts - plan.missed_at >= timedelta(seconds=SEARCH_GAP_S)
    if is_apart:
        plan = _replace(plan, misses=plan.misses + 1, missed_at=answer.ts)
    return Move(_replace(plan, step=EnterStep.WAITING), timer=_timer(plan, SEARCH_GAP_S))


def later(plan: EnterPlan) -> Move:
    """Not sent, or not to be sent at this moment: once more after a pause."""
    return Move(_replace(plan, step=EnterStep.WAITING), timer=_timer(plan, RETRY_S))


def resends(plan: EnterPlan, order: TrackedOrder) -> bool:
    """Whether the pause is over and the order surely is not at the venue, so that it may be approved again."""
    return plan.step is EnterStep.WAITING and (_was_never_sent(order) or plan.misses >= MISSES_THAT_SETTLE)


def on_timer(plan: EnterPlan) -> Move:
    """The pause is over and the order may still live: search again, or read what became of an accepted one."""
    if plan.step is EnterStep.ACCEPTED:
        return Move(plan, reads=True)
    return _search(plan) if plan.step is EnterStep.WAITING else Move(plan)


def on_order(plan: EnterPlan, order: TrackedOrder) -> Move | None:
    """The venue spoke about the order. None: nothing new for the plan."""
    if order.state.is_unsettled:
        return None
    if order.state.is_over:
        return Move(None, result=order.state.value)
    return _accepted(plan) if plan.step is not EnterStep.ACCEPTED else None


def on_resume(plan: EnterPlan, order: TrackedOrder | None) -> Move:
    """After a start, once the account was read: what the read did not settle is searched for."""
    if order is None:
        return Move(None, result="its order is not in the journal")
    if _was_never_sent(order):
        return later(plan)
    if order.state.is_over:
        return Move(None, result=order.state.value)
    if not order.state.is_unsettled:
        return _accepted(plan)
    return _search(_replace(plan, misses=0, missed_at=None))


def withdraw(order: TrackedOrder) -> Reducing | None:
    """The cancel of an entry that the venue has and that is not over; None where there is nothing to cancel."""
    if order.state.is_over or order.gateway_order_id is None:
        return None
    return cancel_order("withdraw", order.account_id, order.contract_id, order.gateway_order_id)


def _was_never_sent(order: TrackedOrder) -> bool:
    """Surely not processed: its sending failed before the venue could take it."""
    return order.state is OrderState.EXPIRED and order.gateway_order_id is None


def _accepted(plan: EnterPlan) -> Move:
    return Move(_replace(plan, step=EnterStep.ACCEPTED), timer=_timer(plan, LOOK_S))


def _search(plan: EnterPlan) -> Move:
    return Move(_replace(plan, step=EnterStep.SEARCHING), searches=True)


def _timer(plan: EnterPlan, delay_s: float) -> Timer:
    return Timer(plan.plan_id, delay_s)
