"""The amend plan: one working order to other values, or gone, until the venue itself shows it.

```
 SENDING ──done, unclear──▶ CONFIRMING ──1 s: read──▶ the goal, or the order is over ──▶ ended
   ▲ │ └──refused──▶ CONFIRMING after a back-off       │ │ still the old value: once after a refusal,
   │ └─not sent─▶ WAITING ──┐                          │ │ else in two reads
   └────────────────────────┴──────────────────────────┼─┘
                                                       └ too young, or the first of two: 0.6 s, read again
```
The answer proves nothing by itself: a report of the order, or a read that was asked for after the answer, does. A modify and a
cancel carry no tag but may be repeated, for they say what shall be and not what shall change; even so they are only repeated
when reads that must know of them still show the old value. A protective stop only tightens, whatever is asked for. A price
that the venue refuses because the market is beyond it ends the plan, and so does the third other refusal, with an incident.
A new goal replaces the old one: at once, except where nobody knows what became of the last write.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from desk.core.events import Outcome, OutcomeKind
from desk.core.ids import AccountId, CauseId, ContractId, GatewayOrderId
from desk.core.orders import StopTouch, TrackedOrder
from desk.core.plans import AmendPlan, AmendStep, ExitReason
from desk.core.words import Side, VenueOrder, decimals_text
from desk.orders.move import Move, Timer, backoff_s
from desk.orders.reducing import ModifyOrder, cancel_order, modify_order

__all__ = [
    "BEYOND",
    "DONE",
    "GONE",
    "Goal",
    "Seen",
    "begin",
    "change",
    "is_beyond",
    "is_tighter",
    "on_read",
    "on_read_failed",
    "on_report",
    "on_resume",
    "on_settled",
    "on_timer",
    "plan_id_of",
    "seen_of",
]

DONE = "done"
GONE = "the order is over"
BEYOND = "the market is beyond the price"

CONFIRM_S = 1.0
SETTLES = timedelta(seconds=1)  # a read may lag the venue by as much (gateway reference 6.3)
READ_GAP = timedelta(milliseconds=500)
READ_AGAIN_S = 0.6
READS_THAT_PROVE = 2
REFUSALS = 3
SENDS = 5  # writes that change nothing, and are not refused either
DELAYS_UNTIL_TOLD = 6
FAILURES_UNTIL_TOLD = 3
_BEYOND_TEXT = "outside allowed range"  # gateway reference 3.14

_replace = msgspec.structs.replace


@dataclass(frozen=True, slots=True)
class Goal:
    """What the order shall be; None: unchanged. ``or_close``: see AmendPlan."""

    qty: int | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    is_cancel: bool = False
    touch: StopTouch | None = None
    or_close: ExitReason | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What a report or a read says of the order."""

    qty: int
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    is_over: bool = False


def plan_id_of(order_id: GatewayOrderId) -> str:
    return f"amend:{order_id}"


def seen_of(order: TrackedOrder | VenueOrder) -> Seen:
    is_over = order.state.is_over if isinstance(order, TrackedOrder) else order.status.is_terminal
    return Seen(order.qty, order.limit_price, order.stop_price, is_over)


def is_tighter(side: Side, price: Decimal, than: Decimal) -> bool:
    """A protective stop of ``side`` at ``price`` risks less than one at ``than``: a sell stop higher, a buy stop lower."""
    return (than - price) * side.sign > 0


def is_beyond(outcome: Outcome) -> bool:
    """The venue says that the market has passed the price (gateway reference 3.14)."""
    return outcome.kind is OutcomeKind.REFUSED and _BEYOND_TEXT in outcome.text.lower()


def begin(
    order_id: GatewayOrderId,
    cause: CauseId,
    place: tuple[AccountId, ContractId],
    goal: Goal,
    seen: Seen,
    now: datetime,
    *,
    protects: Side | None = None,
    tick_size: Decimal | None = None,
) -> Move:
    """Sends at once; without a plan where the order is over or shows the goal already."""
    plan = AmendPlan(
        plan_id=plan_id_of(order_id),
        cause=cause,
        account_id=place[0],
        contract_id=place[1],
        gateway_order_id=order_id,
        step=AmendStep.SENDING,
        tick_size=tick_size,
        protects=protects,
        started_at=now,
    )
    plan = _with_goal(plan, goal)
    return _ended(plan, seen) or _send(plan, seen)


def change(plan: AmendPlan, goal: Goal, seen: Seen) -> Move:
    """Another goal for the same order. A cancel stays one."""
    changed = _with_goal(plan, goal)
    if _values(changed) == _values(plan):
        return Move(changed)
    changed = _replace(changed, is_goal_sent=False, sends=0)
    if plan.step is AmendStep.CONFIRMING and plan.last is OutcomeKind.DONE:
        return _send(changed, seen)
    return Move(changed)  # in flight, or its fate is not known: sent when that is over


def on_settled(plan: AmendPlan, outcome: Outcome, seen: Seen | None, is_through: bool, now: datetime) -> Move:
    """An answer. is_through: the newest quote shows the market beyond the stop's price, whatever the refusal's text."""
    fresh = _replace(plan, settled_at=now, old_reads=0, missing_reads=0, counted_at=None)
    if plan.step is not AmendStep.SENDING:
        return Move(fresh)  # the answer to a write of before a restart: what was read before it does not count
    fresh = _replace(fresh, last=outcome.kind, step=AmendStep.CONFIRMING)
    if seen is not None and (seen.is_over or plan.is_goal_sent):
        ended = _ended(fresh, seen)
        if ended is not None:
            return ended
    match outcome.kind:
        case OutcomeKind.DONE:
            fresh = _replace(fresh, delays=0)
            return _send(fresh, seen) if not plan.is_goal_sent else _confirm(fresh, CONFIRM_S)
        case OutcomeKind.UNCLEAR:
            return _confirm(_replace(fresh, delays=0), CONFIRM_S)
        case OutcomeKind.REFUSED:
            is_of_price = plan.stop_price is not None and not plan.is_cancel
            return _refused(fresh, outcome, is_of_price and (is_beyond(outcome) or is_through))
        case OutcomeKind.NOT_SENT:
            return _later(fresh, outcome)


def on_report(plan: AmendPlan, seen: Seen) -> Move | None:
    """The venue spoke about the order. None: nothing new for the plan. While a write is in flight its answer is awaited."""
    if seen.is_over or (plan.step is not AmendStep.SENDING and plan.is_goal_sent):
        return _ended(plan, seen)
    return None


def on_read(plan: AmendPlan, seen: Seen | None, asked_at: datetime, now: datetime) -> Move:
    """A read that the plan asked for. seen None: it does not show the order."""
    if plan.step is not AmendStep.CONFIRMING:
        return Move(plan)
    if seen is not None and seen.is_over:
        return Move(None, result=DONE if plan.is_cancel else GONE)
    plan = _replace(plan, failed_reads=0)
    settled_at = plan.settled_at or plan.started_at
    if asked_at < settled_at:
        return _confirm(plan, READ_AGAIN_S)
    if seen is not None and plan.is_goal_sent:
        ended = _ended(plan, seen)
        if ended is not None:
            return ended
    left_s = (settled_at + SETTLES - asked_at).total_seconds()
    is_sure = plan.last is OutcomeKind.REFUSED
    if left_s > 0 and not (is_sure and seen is not None):
        return _confirm(plan, max(left_s, READ_AGAIN_S))
    if plan.counted_at is not None and asked_at - plan.counted_at < READ_GAP:
        return _confirm(plan, READ_AGAIN_S)
    plan = _replace(plan, counted_at=asked_at)
    if seen is None:
        missing = plan.missing_reads + 1
        if missing >= READS_THAT_PROVE:
            return Move(None, result=DONE if plan.is_cancel else GONE)
        return _confirm(_replace(plan, missing_reads=missing, old_reads=0), READ_AGAIN_S)
    old = plan.old_reads + 1
    if is_sure or old >= READS_THAT_PROVE:
        return _send(plan, seen)
    return _confirm(_replace(plan, old_reads=old, missing_reads=0), READ_AGAIN_S)


def on_read_failed(plan: AmendPlan, reason: str) -> Move:
    """No answer proves nothing: ask again."""
    if plan.step is not AmendStep.CONFIRMING:
        return Move(plan)
    failed = plan.failed_reads + 1
    text = f"{_name(plan)} cannot be confirmed, the account cannot be read ({reason}); trying again until it answers"
    incident = ("amend.unconfirmed", text) if failed == FAILURES_UNTIL_TOLD else None
    timer = Timer(plan.plan_id, backoff_s(failed))
    return Move(_replace(plan, failed_reads=failed), timer=timer, incident=incident)


def on_timer(plan: AmendPlan, seen: Seen | None) -> Move:
    match plan.step:
        case AmendStep.SENDING:
            return Move(plan)  # an older pause
        case AmendStep.CONFIRMING:
            return Move(plan, reads=True)
        case AmendStep.WAITING:
            is_telling = seen is not None and (seen.is_over or plan.is_goal_sent)
            return (_ended(plan, seen) if is_telling and seen is not None else None) or _send(plan, seen)


def on_resume(plan: AmendPlan, now: datetime) -> Move:
    """After a start nobody knows what became of the last write: as after an unclear answer, read."""
    again = _replace(
        plan, step=AmendStep.CONFIRMING, last=None, settled_at=now, old_reads=0, missing_reads=0, counted_at=None
    )
    return Move(again, reads=True)


def _with_goal(plan: AmendPlan, goal: Goal) -> AmendPlan:
    """The newer word counts, except that a stop's goal only tightens, a quantity only falls, and a cancel stays one."""
    stop = goal.stop_price if goal.stop_price is not None else plan.stop_price
    if plan.protects is not None and plan.stop_price is not None and stop is not None:
        stop = stop if is_tighter(plan.protects, stop, plan.stop_price) else plan.stop_price
    is_stop_new = stop is not None and stop != plan.stop_price
    quantities = [qty for qty in (goal.qty, plan.qty) if qty is not None]
    return _replace(
        plan,
        qty=min(quantities, default=None),
        limit_price=goal.limit_price if goal.limit_price is not None else plan.limit_price,
        stop_price=stop,
        is_cancel=goal.is_cancel or plan.is_cancel,
        touch=goal.touch if is_stop_new else plan.touch,
        or_close=goal.or_close if is_stop_new else plan.or_close,
    )


def _values(plan: AmendPlan) -> tuple[object, ...]:
    return plan.qty, plan.limit_price, plan.stop_price, plan.is_cancel


def _ended(plan: AmendPlan, seen: Seen) -> Move | None:
    if seen.is_over:
        return Move(None, result=DONE if plan.is_cancel else GONE)
    return Move(None, result=DONE) if _is_reached(plan, seen) else None


def _is_reached(plan: AmendPlan, seen: Seen) -> bool:
    if plan.is_cancel or (plan.qty is not None and seen.qty > plan.qty):
        return False
    if plan.stop_price is not None:
        if seen.stop_price is None:
            return False
        is_there = _is_same(plan, seen.stop_price, plan.stop_price)
        is_past = plan.protects is not None and is_tighter(plan.protects, seen.stop_price, plan.stop_price)
        if not is_there and not is_past:
            return False
    return plan.limit_price is None or (
        seen.limit_price is not None and _is_same(plan, seen.limit_price, plan.limit_price)
    )


def _is_same(plan: AmendPlan, a: Decimal, b: Decimal) -> bool:
    return a == b if plan.tick_size is None else round(a / plan.tick_size) == round(b / plan.tick_size)


def _send(plan: AmendPlan, seen: Seen | None) -> Move:
    if plan.sends >= SENDS:
        text = f"{_name(plan)}: the venue does not carry it out, and does not refuse it either; given up"
        return Move(None, result="not carried out", incident=("amend.given_up", text))
    sending = _replace(
        plan,
        step=AmendStep.SENDING,
        is_goal_sent=True,
        sends=plan.sends + 1,
        old_reads=0,
        missing_reads=0,
        counted_at=None,
    )
    if plan.is_cancel:
        write = cancel_order(plan.plan_id, plan.account_id, plan.contract_id, plan.gateway_order_id)
        return Move(sending, reducings=(write,))
    is_smaller = plan.qty is not None and (seen is None or seen.qty > plan.qty)
    stop = plan.stop_price
    if plan.protects is not None and stop is not None and seen is not None and seen.stop_price is not None:
        stop = stop if is_tighter(plan.protects, stop, seen.stop_price) else None
    what = ModifyOrder(
        gateway_order_id=plan.gateway_order_id,
        qty=plan.qty if is_smaller else None,
        limit_price=plan.limit_price,
        stop_price=stop,
    )
    if (what.qty, what.limit_price, what.stop_price) == (None, None, None):
        return Move(None, result=DONE)
    return Move(sending, reducings=(modify_order(plan.plan_id, plan.account_id, plan.contract_id, what),))


def _refused(plan: AmendPlan, outcome: Outcome, is_beyond_market: bool) -> Move:
    if is_beyond_market:
        return Move(None, result=BEYOND)
    plan = _replace(plan, refusals=plan.refusals + 1, delays=0)
    why = outcome.text or f"code {outcome.code}"
    if plan.refusals >= REFUSALS:
        text = f"{_name(plan)} was refused {plan.refusals} times: {why}; it stays as it is"
        return Move(None, result=f"refused: {why}", incident=("amend.refused", text))
    return _confirm(plan, backoff_s(plan.refusals))


def _later(plan: AmendPlan, outcome: Outcome) -> Move:
    delays = plan.delays + 1
    text = f"{_name(plan)} cannot be sent ({outcome.text or outcome.code}); trying again until it can"
    incident = ("amend.delayed", text) if delays == DELAYS_UNTIL_TOLD else None
    waiting = _replace(plan, step=AmendStep.WAITING, delays=delays, sends=max(0, plan.sends - 1))
    return Move(waiting, timer=Timer(plan.plan_id, backoff_s(delays - 1)), incident=incident)


def _confirm(plan: AmendPlan, delay_s: float) -> Move:
    return Move(_replace(plan, step=AmendStep.CONFIRMING), timer=Timer(plan.plan_id, delay_s))


def _name(plan: AmendPlan) -> str:
    if plan.is_cancel:
        return f"{plan.contract_id}: the cancel of order {plan.gateway_order_id}"
    named = {"stop": _text(plan, plan.stop_price), "limit": _text(plan, plan.limit_price), "quantity": plan.qty}
    goal = ", ".join(f"{name} {value}" for name, value in named.items() if value is not None)
    return f"{plan.contract_id}: order {plan.gateway_order_id} to {goal}"


def _text(plan: AmendPlan, price: Decimal | None) -> str | None:
    """With the decimals of the tick; of an unknown contract as it is."""
    if price is None or plan.tick_size is None:
        return str(price) if price is not None else None
    return decimals_text(price, plan.tick_size)
