"""The exit plan: from a position with legs to verified flat, at one account and contract (gateway reference 3.9).

```
            ┌─────────── something is left ────────────┐
            ▼                                          │
 CANCELLING ──all answered──▶ READING ──orders──▶ CANCELLING
                                 │ ▲
                        position │ └── WAITING (pause, back-off) ◀── close answered, read failed, not settled yet
                                 ▼                                        ▲
                              CLOSING ────────────────────────────────────┘
                 nothing in two reads ──▶ ended: flat
```
Orders go first, because a leg that fills while a close is under way reverses the position. Every decision is taken on a read
that was asked for after the last answer. A close carries no tag, so it is never repeated blindly: only when two reads, asked
for after its settling time and apart, still show the position. Reads prove nothing while an order may or may not live, or while
what the hub told is younger than a read can know. A pause may end early (an older timer): what counts is when a read was asked.
An order whose cancel was answered "done" or "not there" cannot trade any more: it is not waited for, however young its last
report is, and cancelled once more only when a read that must know of the answer still shows it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import msgspec

from desk.core.events import Outcome, OutcomeKind
from desk.core.ids import CauseId, GatewayOrderId
from desk.core.plans import ExitPlan, ExitReason, ExitStep
from desk.core.words import OrderStatus, OrderType, VenueOrder
from desk.orders.move import Move, PlaceView, Reading, Timer, backoff_s
from desk.orders.reducing import cancel_order, close_position

__all__ = ["begin", "on_flat_report", "on_read_failed", "on_resume", "on_settled", "on_snapshot", "on_timer"]

READS_THAT_PROVE = 2
READ_GAP = timedelta(milliseconds=500)  # a read right after a fill can be a moment old (gateway reference 6.3)
CLOSE_SETTLES = timedelta(seconds=1)
AFTER_CLOSE_S = 0.15
READ_MAY_LAG = timedelta(seconds=1)  # gateway reference 6.3
BUSY_S = 0.25
MOST_NAKED_S = 0.5  # between two rounds: the stop is gone already
PATIENT_TRIES = 20  # then less often, or an exit that cannot get on would use up the requests of all the others
TRIES_UNTIL_TOLD = 6
_POSITION_NOT_FOUND = 2
_ORDER_NOT_THERE = frozenset({2, 5})  # 5: what a finished order was seen to be answered with (gateway reference 3.8)

_replace = msgspec.structs.replace


def begin(
    view: PlaceView, cause: CauseId, reason: ExitReason, now: datetime, closed_at: datetime | None = None
) -> Move:
    """Starts an exit. Known working orders are cancelled at once, without a read first.

    closed_at: a partial close was sent then and may still be under way; two closes at one moment could reverse.
    """
    plan = ExitPlan(
        plan_id=f"exit:{cause}:{view.account_id}:{view.contract_id}",
        cause=cause,
        account_id=view.account_id,
        contract_id=view.contract_id,
        reason=reason,
        step=ExitStep.READING,
        closed_at=closed_at,
        started_at=now,
    )
    ids = [
        o.gateway_order_id
        for o in view.ours
        if o.gateway_order_id is not None and not _goes_with_parent(o.parent, view)
    ]
    ids += [order.gateway_order_id for order in view.foreign if order.type is not OrderType.MARKET]
    return _cancel(plan, tuple(ids), now) if ids else _read(plan)


def on_settled(plan: ExitPlan, order_id: GatewayOrderId | None, outcome: Outcome, now: datetime) -> Move:
    """A cancel (``order_id``) or the close (None) was answered. Whatever the answer: the next read tells the truth."""
    if order_id is not None:
        left = tuple(waiting for waiting in plan.cancelling if waiting != order_id)
        plan = _replace(plan, cancelling=left)
        if outcome.kind is OutcomeKind.DONE or outcome.code in _ORDER_NOT_THERE:
            plan = _replace(plan, gone=(*(one for one in plan.gone if one[0] != order_id), (order_id, now)))
        return _read(plan) if not left and plan.step is ExitStep.CANCELLING else Move(plan)
    if plan.step is not ExitStep.CLOSING:
        return Move(plan)
    plan = _replace(plan, closed_at=now)
    if outcome.kind is OutcomeKind.REFUSED and outcome.code == _POSITION_NOT_FOUND:
        return _read(plan)
    if outcome.kind is OutcomeKind.DONE:
        return _wait(plan, AFTER_CLOSE_S)
    if outcome.kind in {OutcomeKind.REFUSED, OutcomeKind.NOT_SENT}:
        text = f"the close of {plan.contract_id} was not carried out ({outcome.text or outcome.code}); trying again"
        again = _replace(plan, closed_at=None)  # surely no close is under way
        return _try_later(again, ("exit.refused", text))
    return _wait(_replace(plan, tries=plan.tries + 1), CLOSE_SETTLES.total_seconds())


def on_snapshot(plan: ExitPlan, seen: Reading, now: datetime) -> Move:
    """The gateway's own word on the place: orders first, then the position, then proof that nothing is left."""
    if plan.step is not ExitStep.READING:
        return Move(plan)  # an answer to an earlier question, older than what this plan did since
    shown = {order.gateway_order_id for order in seen.working}
    gone = {order_id for order_id, _ in plan.gone}
    too_soon = {order_id for order_id, at in plan.gone if seen.asked_at < at + READ_MAY_LAG}
    ids = (
        *(order_id for order_id in _to_cancel(seen.working) if order_id not in too_soon),
        *(order_id for order_id in seen.unseen if order_id not in shown | gone),
    )
    if ids:
        return _cancel_again(_uncounted(plan), ids, now)
    if shown & too_soon:  # gone by its answer, and the read may be older than that
        return _wait(_uncounted(plan), BUSY_S)
    if seen.working:  # a cancel or a market order is being carried out
        return _try_later(_uncounted(plan), first_s=BUSY_S)
    if seen.qty:
        return _close(_replace(plan, empty_reads=0), seen, now)
    if not seen.is_settled:
        return _try_later(_uncounted(plan), first_s=BUSY_S)
    if not _is_apart(plan, seen.asked_at):
        return _wait(plan, READ_GAP.total_seconds())
    empty = plan.empty_reads + 1
    if empty >= READS_THAT_PROVE:
        return Move(None, result="flat")
    return _wait(_replace(plan, empty_reads=empty, full_reads=0, counted_at=seen.asked_at), READ_GAP.total_seconds())


def on_read_failed(plan: ExitPlan, reason: str) -> Move:
    """No answer is not "nothing there": keep asking."""
    if plan.step is not ExitStep.READING:
        return Move(plan)
    text = f"{plan.contract_id}: cannot read the account ({reason}); trying again until it answers"
    return _try_later(plan, ("exit.blind", text))


def on_timer(plan: ExitPlan) -> Move:
    return _read(plan) if plan.step is ExitStep.WAITING else Move(plan)


def on_flat_report(plan: ExitPlan) -> Move | None:
    """The hub says flat: no need to wait out the pause."""
    return (
        _read(plan) if plan.step is ExitStep.WAITING and plan.closed_at is not None and not plan.empty_reads else None
    )


def on_resume(plan: ExitPlan, now: datetime) -> Move:
    """After a start: nobody knows which answers were lost, so read first. A close that was sent may still be settling."""
    closed_at = now if plan.closed_at is not None else None
    return _read(_replace(_uncounted(plan), cancelling=(), closed_at=closed_at))


def _close(plan: ExitPlan, seen: Reading, now: datetime) -> Move:
    """The first close at once. Another one only when reads that must know of the last one show the position twice."""
    if plan.closed_at is not None:
        if seen.asked_at < plan.closed_at + CLOSE_SETTLES or not _is_apart(plan, seen.asked_at):
            return _wait(plan, READ_GAP.total_seconds())
        plan = _replace(plan, full_reads=plan.full_reads + 1, counted_at=seen.asked_at)
        if plan.full_reads < READS_THAT_PROVE:
            return _wait(plan, READ_GAP.total_seconds())
    closing = _replace(_uncounted(plan), step=ExitStep.CLOSING, closed_at=now)
    return Move(closing, reducings=(close_position(plan.plan_id, plan.account_id, plan.contract_id, seen.qty),))


def _is_apart(plan: ExitPlan, asked_at: datetime) -> bool:
    """Asked long enough after the last read that counted to be a second witness."""
    return plan.counted_at is None or asked_at - plan.counted_at >= READ_GAP


def _uncounted(plan: ExitPlan) -> ExitPlan:
    return _replace(plan, empty_reads=0, full_reads=0, counted_at=None)


def _to_cancel(working: tuple[VenueOrder, ...]) -> tuple[GatewayOrderId, ...]:
    """What must be cancelled by us: not what goes by itself, not a market order, not what is being cancelled."""
    ids = {order.gateway_order_id for order in working}
    return tuple(
        order.gateway_order_id
        for order in working
        if order.type is not OrderType.MARKET
        and order.status is not OrderStatus.PENDING_CANCEL
        and not (order.status is OrderStatus.SUSPENDED and order.parent_id in ids)
    )


def _goes_with_parent(parent: str | None, view: PlaceView) -> bool:
    """A leg of an entry that is itself still working is cancelled by the venue together with the entry."""
    return parent is not None and any(o.client_order_id == parent and o.gateway_order_id is not None for o in view.ours)


def _cancel(plan: ExitPlan, ids: tuple[GatewayOrderId, ...], now: datetime) -> Move:
    cancels = tuple(cancel_order(plan.plan_id, plan.account_id, plan.contract_id, order_id) for order_id in ids)
    plan = _replace(plan, step=ExitStep.CANCELLING, cancelling=ids, cancelled_at=now)
    return Move(plan, reducings=cancels)


def _cancel_again(plan: ExitPlan, ids: tuple[GatewayOrderId, ...], now: datetime) -> Move:
    """Still there, or there only now: the first time at once, then not oftener than the back-off. The wait is no new try."""
    if plan.cancelled_at is not None and plan.tries:
        left_s = _pause_s(plan.tries, BUSY_S) - (now - plan.cancelled_at).total_seconds()
        if left_s > 0:
            return _wait(plan, left_s)
    plan, incident = _tell_once(_replace(plan, tries=plan.tries + 1))
    return replace(_cancel(plan, ids, now), incident=incident)


def _read(plan: ExitPlan) -> Move:
    return Move(_replace(plan, step=ExitStep.READING), reads=True)


def _wait(plan: ExitPlan, delay_s: float, incident: tuple[str, str] | None = None) -> Move:
    timer = Timer(plan.plan_id, delay_s)
    return Move(_replace(plan, step=ExitStep.WAITING), timer=timer, incident=incident)


def _try_later(plan: ExitPlan, trouble: tuple[str, str] | None = None, first_s: float = MOST_NAKED_S) -> Move:
    """It does not get on: pause with back-off, and tell a person once, at once where there is a reason to name."""
    plan, incident = _tell_once(_replace(plan, tries=plan.tries + 1), trouble)
    return _wait(plan, _pause_s(plan.tries, first_s), incident=incident)


def _tell_once(plan: ExitPlan, trouble: tuple[str, str] | None = None) -> tuple[ExitPlan, tuple[str, str] | None]:
    if trouble is None and plan.tries >= TRIES_UNTIL_TOLD:
        text = f"{plan.contract_id}: the exit does not get on, orders there do not go away; still trying"
        trouble = ("exit.slow", text)
    if trouble is None or plan.is_announced:
        return plan, None
    return _replace(plan, is_announced=True), trouble


def _pause_s(tries: int, first_s: float) -> float:
    """Short as long as it helps, for there is no stop meanwhile."""
    patient = tries - PATIENT_TRIES
    return backoff_s(tries - 1, first_s, MOST_NAKED_S) if patient <= 0 else backoff_s(patient)
