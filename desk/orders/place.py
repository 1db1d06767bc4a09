"""The stop plan: one protective stop that was placed by itself, until the venue has it or surely has not.

```
 SUBMITTED ──done, refused, not sent──▶ ended
     │ unclear, or the tag is taken
     ▼
 SEARCHING ──nothing──▶ WAITING ─1 s─▶ SEARCHING ──nothing twice──▶ ended: never arrived
     ▲  └──error──▶ WAITING (back-off) ────┘
```
A report of the order with its tag, from anywhere and at any step, ends it. Whoever placed the stop looks at the order and sends
again, where it is still needed, under the same tag: should the first sending have arrived after all, the venue refuses the
repeat. Another tag is used only after a final refusal, so that one gap never gets two stops.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from desk.core.events import Outcome, OutcomeKind, TagSearched
from desk.core.orders import OrderState, TrackedOrder
from desk.core.plans import StopPlan, StopStep
from desk.orders.enter import is_tag_taken
from desk.orders.move import Move, Timer, backoff_s

__all__ = [
    "NEVER_ARRIVED",
    "begin",
    "is_through",
    "is_wanted_again",
    "on_order",
    "on_resume",
    "on_search",
    "on_settled",
    "on_timer",
    "search",
]

SEARCH_GAP_S = 1.0  # two searches at least this far apart (design: order identity)
MISSES_THAT_SETTLE = 2
NEVER_ARRIVED = "never arrived"
_OUT_OF_RANGE = "outside allowed range"  # gateway reference 3.14: the market is through the price already

_replace = msgspec.structs.replace


def begin(order: TrackedOrder, now: datetime) -> StopPlan:
    """The plan that goes into the journal together with the submitted order."""
    return StopPlan(
        plan_id=f"stop:{order.client_order_id}",
        cause=order.cause,
        account_id=order.account_id,
        contract_id=order.contract_id,
        order=order.client_order_id,
        step=StopStep.SUBMITTED,
        started_at=now,
    )


def is_through(outcome: Outcome) -> bool:
    """Refused, because the market is already beyond the price of the stop."""
    return outcome.kind is OutcomeKind.REFUSED and _OUT_OF_RANGE in outcome.text.lower()


def is_wanted_again(order: TrackedOrder) -> bool:
    """Surely not at the venue and not refused: it may be sent once more under its tag."""
    return order.state is OrderState.EXPIRED and order.gateway_order_id is None


def on_settled(plan: StopPlan, outcome: Outcome) -> Move:
    """The reply to the sending came, or surely will not."""
    if outcome.kind is OutcomeKind.UNCLEAR or is_tag_taken(outcome):
        return search(plan)
    return Move(None, result=outcome.kind.value)


def on_search(plan: StopPlan, answer: TagSearched) -> Move:
    """One search by tag came back with nothing or an error; a found order goes through :func:`on_order`."""
    if answer.error is not None:
        failures = plan.failures + 1
        text = f"{plan.contract_id}: a protective stop cannot be looked up: {answer.error}"
        waiting = _replace(plan, step=StopStep.WAITING, failures=failures)
        pause = Timer(plan.plan_id, backoff_s(failures, SEARCH_GAP_S))
        return Move(waiting, timer=pause, incident=("order.unsettled", text) if failures == 1 else None)
    if plan.missed_at is None or answer.ts - plan.missed_at >= timedelta(seconds=SEARCH_GAP_S):
        plan = _replace(plan, misses=plan.misses + 1, missed_at=answer.ts)
    if plan.misses >= MISSES_THAT_SETTLE:
        return Move(None, result=NEVER_ARRIVED)
    return Move(_replace(plan, step=StopStep.WAITING), timer=Timer(plan.plan_id, SEARCH_GAP_S))


def on_timer(plan: StopPlan) -> Move:
    return search(plan) if plan.step is StopStep.WAITING else Move(plan)


def on_order(plan: StopPlan, order: TrackedOrder) -> Move | None:
    """The venue spoke about the order. None: nobody knows yet.

    A rejection that the hub tells before the reply may be of a repeat, refused because the first sending has the tag.
    """
    if order.state.is_unsettled or (order.state is OrderState.REJECTED and plan.step is StopStep.SUBMITTED):
        return None
    return Move(None, result=order.state.value)


def on_resume(plan: StopPlan, order: TrackedOrder | None) -> Move:
    """After a start, once the account was read: what the read did not settle is searched for."""
    if order is None or not order.state.is_unsettled:
        return Move(None, result=order.state.value if order is not None else "its order is not in the journal")
    return search(_replace(plan, misses=0, missed_at=None))


def search(plan: StopPlan) -> Move:
    return Move(_replace(plan, step=StopStep.SEARCHING), searches=True)
