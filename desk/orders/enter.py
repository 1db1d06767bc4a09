"""The enter plan: one entry from submission until it is over, and the only way in which the desk cancels one by itself.

```
 SUBMITTED ──done──▶ ACCEPTED ──order over──▶ ended
     │ unclear, or the tag is taken        ▲ found
     ▼                                     │
 SEARCHING ──nothing──▶ WAITING ─1 s─▶ SEARCHING ──nothing twice──▶ the engine: approve again and send under the
     ▲  └──error──▶ WAITING (back-off) ────┘                        same tag if still fresh, else EXPIRED, ended

 ACCEPTED ──its time is over, or it shall go──▶ CANCELLING ──answered──▶ CONFIRMING ──order over──▶ ended
                                                    ▲ still there after the pause │
                                                    └─────────────────────────────┘
```
A refusal ends it; "surely not sent" waits 1 s and then is approved again under the same tag, while fresh: should it have
arrived after all, the venue refuses the repeat. A report of the order with its tag, from anywhere and at any step, settles it:
an event may arrive before the reply. An accepted order that is not known to work after 2 s has the account read once: its
events may be lost. One that rests is not read for: the watch of its account sees to it.

An entry that shall go while it is in flight or lost on the way is marked (``ending``), cancelled as soon as it is found and
never sent again. A fill that crosses the cancel counts; the legs at the venue protect it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from desk.core.events import Outcome, OutcomeKind, TagSearched
from desk.core.orders import OrderState, TrackedOrder
from desk.core.plans import EnterPlan, EnterStep, EntryEnd
from desk.core.words import Contract, OrderType
from desk.orders.move import Move, Timer, backoff_s
from desk.orders.reducing import Reducing, cancel_order

__all__ = [
    "begin",
    "begin_search",
    "end",
    "is_absent",
    "is_tag_taken",
    "later",
    "name_of",
    "on_cancel_settled",
    "on_order",
    "on_resume",
    "on_search",
    "on_settled",
    "on_timer",
    "was_never_sent",
    "withdraw",
]

SEARCH_GAP_S = 1.0  # two searches at least this far apart (design: order identity)
RETRY_S = 1.0
LOOK_S = 2.0  # an accepted order that is not known to work by then is read
CONFIRM_S = 1.0  # the hub tells of a cancel within milliseconds
MISSES_THAT_SETTLE = 2
TRIES_UNTIL_TOLD = 4
_TAG_TAKEN = "already in use"  # gateway reference 3.14
_HELD_STEPS = {EnterStep.ACCEPTED, EnterStep.CANCELLING, EnterStep.CONFIRMING}

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


def begin_search(order: TrackedOrder, ending: EntryEnd | None) -> Move:
    """The plan of an order whose tag turned out to be taken: an earlier sending of it may live."""
    return _search(_replace(begin(order), ending=ending))


def is_tag_taken(outcome: Outcome) -> bool:
    """Refused, because the venue knows the tag already (gateway reference 3.14)."""
    return outcome.kind is OutcomeKind.REFUSED and _TAG_TAKEN in outcome.text.lower()


def on_settled(plan: EnterPlan, outcome: Outcome, order: TrackedOrder, now: datetime) -> Move:
    """The reply to the sending came, or surely will not. ``order``: with what the reply told."""
    match outcome.kind:
        case OutcomeKind.DONE:
            return _accepted(plan, order, now)
        case OutcomeKind.REFUSED:
            return Move(None, result=f"rejected: {outcome.text or outcome.code}")
        case OutcomeKind.NOT_SENT:
            return later(plan) if plan.ending is None else _not_sent(order, plan.ending)
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


def is_absent(plan: EnterPlan, order: TrackedOrder) -> bool:
    """The pause is over and the order surely is not at the venue: it may be approved again, or given up."""
    return plan.step is EnterStep.WAITING and (was_never_sent(order) or plan.misses >= MISSES_THAT_SETTLE)


def on_timer(plan: EnterPlan, order: TrackedOrder, now: datetime) -> Move:
    """A pause is over: the order may still live, or its time may be up, or its cancel did not end it."""
    match plan.step:
        case EnterStep.ACCEPTED if _is_expired(order, now):
            return end(plan, order, EntryEnd.EXPIRED)
        case EnterStep.ACCEPTED:
            is_resting = order.state in {OrderState.WORKING, OrderState.PARTIALLY_FILLED}
            reads = not is_resting or order.type is OrderType.MARKET
            left_s = _left_s(order, now)
            return Move(plan, reads=reads, timer=None if left_s is None else _timer(plan, left_s))
        case EnterStep.CONFIRMING:
            return _cancel_again(plan, order)
        case EnterStep.WAITING:
            return _search(plan)
        case _:
            return Move(plan)


def end(plan: EnterPlan, order: TrackedOrder, why: EntryEnd) -> Move:
    """It shall not fill any more. At the venue: cancelled now. In flight or lost on the way: as soon as it is found."""
    if plan.ending is not None:
        return Move(plan)
    plan = _replace(plan, ending=why)
    if plan.step is EnterStep.ACCEPTED:
        return _cancel(plan, order)
    if plan.step is EnterStep.WAITING and was_never_sent(order):
        return _not_sent(order, why)
    return Move(plan)


def on_cancel_settled(plan: EnterPlan, outcome: Outcome) -> Move:
    """The cancel was answered. A refusal may mean that it filled or is gone: only the venue's word on the order tells."""
    if plan.step is not EnterStep.CANCELLING:
        return Move(plan)
    waiting = _replace(plan, step=EnterStep.CONFIRMING)
    return Move(
        waiting, reads=outcome.kind is not OutcomeKind.DONE, timer=_timer(plan, backoff_s(plan.tries, CONFIRM_S))
    )


def on_order(plan: EnterPlan, order: TrackedOrder, now: datetime) -> Move | None:
    """The venue spoke about the order. None: nothing new for the plan."""
    if order.state.is_unsettled:
        return None
    if order.state.is_over:
        return _over(plan, order)
    return _accepted(plan, order, now) if plan.step not in _HELD_STEPS else None


def on_resume(plan: EnterPlan, order: TrackedOrder | None, now: datetime) -> Move:
    """After a start, once the account was read: what the read did not settle is searched for."""
    if order is None:
        return Move(None, result="its order is not in the journal")
    if was_never_sent(order):
        return later(plan)
    if order.state.is_over:
        return _over(plan, order)
    if not order.state.is_unsettled:
        return _accepted(plan, order, now)
    return _search(_replace(plan, misses=0, missed_at=None))


def withdraw(order: TrackedOrder) -> Reducing | None:
    """The cancel of an order that the venue has, where no plan follows it; None where there is nothing to cancel."""
    if order.state.is_over or order.gateway_order_id is None:
        return None
    return cancel_order("withdraw", order.account_id, order.contract_id, order.gateway_order_id)


def name_of(order: TrackedOrder, contract: Contract | None = None) -> str:
    """The order in a sentence for a person; as a plan knows it, or with its contract's name and decimals."""
    price = order.limit_price if order.limit_price is not None else order.stop_price
    shown = contract.price_text(price) if contract is not None else f"{price:f}" if price is not None else ""
    at = f" at {shown}" if price is not None and order.type is not OrderType.MARKET else ""
    symbol = contract.name if contract is not None else order.contract_id
    return f"{order.side} {order.qty} {symbol} {order.type.replace('_', ' ')}{at}"


def was_never_sent(order: TrackedOrder) -> bool:
    """Not at the venue, as far as anybody knows: its sending failed, or two searches did not find it. See ``engine/doubts``."""
    return order.state is OrderState.EXPIRED and order.gateway_order_id is None


def _left_s(order: TrackedOrder, now: datetime) -> float | None:
    """Until its time is over. A market order does not rest, and nobody can cancel it."""
    if order.expires_at is None or order.type is OrderType.MARKET:
        return None
    return max(0.0, (order.expires_at - now).total_seconds())


def _is_expired(order: TrackedOrder, now: datetime) -> bool:
    return _left_s(order, now) == 0.0


def _accepted(plan: EnterPlan, order: TrackedOrder, now: datetime) -> Move:
    plan = _replace(plan, step=EnterStep.ACCEPTED)
    if plan.ending is not None:
        return _cancel(plan, order)
    if _is_expired(order, now):
        return end(plan, order, EntryEnd.EXPIRED)
    left_s = _left_s(order, now)
    return Move(plan, timer=_timer(plan, LOOK_S if left_s is None else min(LOOK_S, left_s)))


def _cancel(plan: EnterPlan, order: TrackedOrder) -> Move:
    if order.type is OrderType.MARKET:  # it trades at once, or the venue ends it
        return Move(_replace(plan, step=EnterStep.ACCEPTED), timer=_timer(plan, LOOK_S))
    if order.gateway_order_id is None:
        pause = _timer(plan, backoff_s(plan.tries, CONFIRM_S))
        return Move(_replace(plan, step=EnterStep.CONFIRMING), timer=pause, reads=True)
    cancel = cancel_order(plan.plan_id, order.account_id, order.contract_id, order.gateway_order_id)
    return Move(_replace(plan, step=EnterStep.CANCELLING), reducings=(cancel,))


def _cancel_again(plan: EnterPlan, order: TrackedOrder) -> Move:
    """Neither the hub nor a read told its end: ask both again. Cancelling what is over harms nothing."""
    again = _replace(plan, tries=plan.tries + 1)
    move = _cancel(again, order)
    text = f"{name_of(order)} shall go ({plan.ending}), and the venue does not cancel it; still trying"
    incident = ("entry.stuck", text) if again.tries == TRIES_UNTIL_TOLD else None
    return Move(move.plan, reducings=move.reducings, reads=True, timer=move.timer, incident=incident)


def _not_sent(order: TrackedOrder, why: EntryEnd) -> Move:
    """It stays at home. Of a pair its own plan tells."""
    is_told = why in {EntryEnd.OTHER_FILLED, EntryEnd.OTHER_REFUSED}
    text = f"{name_of(order)} was not carried out: {why}"
    return Move(None, result=f"not sent: {why}", incident=None if is_told else ("entry.expired", text))


def _over(plan: EnterPlan, order: TrackedOrder) -> Move:
    """Its story for the journal, and for a person where it did not end as asked."""
    has_part = 0 < order.filled_qty < order.qty
    part = f"; {order.filled_qty} of {order.qty} filled before" if has_part else ""
    incident: tuple[str, str] | None = None
    if order.state is OrderState.FILLED:
        was_cancelling = plan.step in {EnterStep.CANCELLING, EnterStep.CONFIRMING}
        if was_cancelling and plan.ending in {EntryEnd.EXPIRED, EntryEnd.STOPPING}:
            text = f"{name_of(order)} filled while it was being cancelled ({plan.ending}); its stop protects it"
            incident = ("entry.crossed", text)
        elif plan.ending is EntryEnd.GIVEN_UP:
            text = f"{name_of(order)} had been given up, and filled after all; its stop protects it. Close it if it is not wanted"
            incident = ("entry.crossed", text)
    elif order.state is OrderState.REJECTED:
        if plan.step is not EnterStep.SUBMITTED:  # else the reply is still to come, and brings the reason
            incident = ("order.rejected", f"{name_of(order)} was rejected by the venue after it had been sent")
    elif plan.ending in {EntryEnd.EXPIRED, EntryEnd.CLOSED}:
        incident = ("entry.expired", f"{name_of(order)} was cancelled: {plan.ending}{part}")
    elif plan.ending is None:
        incident = ("entry.ended", f"{name_of(order)} is {order.state} at the venue{part}; the desk did not ask for it")
    result = f"{order.state}{f': {plan.ending}' if plan.ending is not None else ''}{part}"
    return Move(None, result=result, incident=incident)


def _search(plan: EnterPlan) -> Move:
    return Move(_replace(plan, step=EnterStep.SEARCHING), searches=True)


def _timer(plan: EnterPlan, delay_s: float) -> Timer:
    return Timer(plan.plan_id, delay_s)
