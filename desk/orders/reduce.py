"""The reduce plan: a part of a position is closed, and what remains never is without its stop.

```
            ┌──────────── too many stops or targets for what shall remain ──────────────┐
            ▼                                                                           │
 RESIZING ──all answered──▶ READING ──a leg cannot be resized──▶ PLACING ──answered──▶ READING
                              │ ▲
              all legs fit,   │ └── WAITING (pause, back-off) ◀── close answered, read failed, read too old
              too much held   ▼                                     ▲
                           CLOSING ─────────────────────────────────┘
        no more than what shall remain, known or in two reads ──▶ ended: reduced
```
Stops and targets come first, because a leg that is larger than the rest of its position opens another one when it trades.
Whole stages go where their sizes add up; otherwise a pair gets smaller; where the venue refuses that, a smaller stop is placed by
itself, and the old pair goes once it works. Only then contracts are closed, counted from a read: as many as are above
``keeps``. A leg that trades meanwhile leaves fewer to close, so that a repeat can never close too much. A partial close carries
no tag: it is repeated only when two reads, asked for after its settling time and apart, still show the contracts.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from desk.core.events import Outcome, OutcomeKind
from desk.core.ids import CauseId, GatewayOrderId
from desk.core.plans import ExitReason, ReducePlan, ReduceStep
from desk.orders.fit import (
    GIVEN_UP,
    SETTLES,
    TRIES_AT_MOST,
    Sight,
    fit_legs,
    give_up,
    ms_of,
    read,
    try_later,
    uncounted,
    wait,
)
from desk.orders.move import Move, PlaceView, Timer
from desk.orders.reducing import cancel_order, close_part

__all__ = [
    "GIVEN_UP",
    "begin",
    "begin_trim",
    "close_under_way",
    "on_read_failed",
    "on_resume",
    "on_settled",
    "on_snapshot",
    "on_stop_settled",
    "on_stop_working",
    "on_timer",
]

READS_THAT_PROVE = 2
READ_GAP = timedelta(milliseconds=500)  # a read right after a fill can be a moment old (gateway reference 6.3)
AFTER_CLOSE_S = 0.15
_POSITION_NOT_FOUND = 2
_INVALID_CLOSE_SIZE = 5

_replace = msgspec.structs.replace


def begin(view: PlaceView, cause: CauseId, reason: ExitReason, qty: int, now: datetime, entered: int) -> Move:
    """``qty``: less than is held. ``entered``: signed contracts that entries of ours filled until now."""
    assert 0 < qty < abs(view.qty), "a part is closed, and something remains"
    plan = ReducePlan(
        plan_id=f"reduce:{cause}:{view.account_id}:{view.contract_id}",
        cause=cause,
        account_id=view.account_id,
        contract_id=view.contract_id,
        qty=qty,
        keeps=view.qty - qty if view.qty > 0 else view.qty + qty,
        entered=entered,
        reason=reason,
        step=ReduceStep.READING,
        started_at=now,
    )
    return read(plan)


def begin_trim(view: PlaceView, cause: CauseId, now: datetime, entered: int) -> Move:
    """A read showed legs that are larger than the position. Nothing is sent before the second one."""
    assert view.qty, "without a position its legs are orphans"
    plan = ReducePlan(
        plan_id=f"trim:{view.account_id}:{view.contract_id}:{ms_of(now)}",
        cause=cause,
        account_id=view.account_id,
        contract_id=view.contract_id,
        qty=0,
        keeps=view.qty,
        entered=entered,
        reason=ExitReason.MANUAL,
        step=ReduceStep.WAITING,
        started_at=now,
    )
    return Move(plan, timer=Timer(plan.plan_id, READ_GAP.total_seconds()))


def close_under_way(plan: ReducePlan, now: datetime) -> datetime | None:
    """When its partial close was sent, as long as that may still be carried out."""
    if plan.closed_at is None or (plan.step is not ReduceStep.CLOSING and now - plan.closed_at >= SETTLES):
        return None
    return plan.closed_at


def on_settled(plan: ReducePlan, order_id: GatewayOrderId | None, outcome: Outcome, now: datetime) -> Move:
    """A modify or a cancel (``order_id``), or the close (None) was answered. The next read tells what came of it."""
    if order_id is not None:
        return _resized(plan, order_id, outcome, now)
    if plan.step is not ReduceStep.CLOSING:
        return Move(plan)
    plan = _replace(plan, closed_at=now)
    if outcome.kind is OutcomeKind.DONE:
        return wait(plan, AFTER_CLOSE_S)
    if outcome.kind is OutcomeKind.UNCLEAR:
        return wait(_replace(plan, tries=plan.tries + 1), SETTLES.total_seconds())
    plan = _replace(plan, closed_at=None)  # surely no close is under way
    if outcome.kind is OutcomeKind.REFUSED and outcome.code in {_POSITION_NOT_FOUND, _INVALID_CLOSE_SIZE}:
        return try_later(plan)  # fewer are held than were read
    text = f"{plan.contract_id}: the partial close was not carried out ({outcome.text or outcome.code}); trying again"
    return try_later(plan, ("reduce.refused", text))


def _resized(plan: ReducePlan, order_id: GatewayOrderId, outcome: Outcome, now: datetime) -> Move:
    left = tuple(waiting for waiting in plan.resizing if waiting != order_id)
    is_modify = order_id in plan.modifying
    is_refused = is_modify and outcome.kind is OutcomeKind.REFUSED
    plan = _replace(plan, resizing=left, cannot_resize=plan.cannot_resize or is_refused)
    if left or plan.step is not ReduceStep.RESIZING:
        return Move(plan)
    is_other_way = plan.cannot_resize and bool(plan.modifying)  # what comes next was not sent yet
    return read(_replace(plan, resized_at=None if is_other_way else now, modifying=()))


def on_stop_settled(plan: ReducePlan, outcome: Outcome) -> Move:
    """The smaller stop was answered."""
    if plan.step is not ReduceStep.PLACING:
        return Move(plan)
    if outcome.kind is OutcomeKind.REFUSED:
        plan = _replace(plan, stop=None, replaces=None, attempt=plan.attempt + 1)
        text = (
            f"{plan.contract_id}: the smaller stop was refused ({outcome.text or outcome.code}); nothing is closed yet"
        )
        return try_later(plan, ("reduce.refused", text))
    return read(plan) if outcome.kind is OutcomeKind.DONE else wait(plan, SETTLES.total_seconds())


def on_stop_working(plan: ReducePlan, old: tuple[GatewayOrderId, ...]) -> Move | None:
    """The hub shows the smaller stop working: the legs that it stands in for go at once, for together they are too many."""
    if plan.step not in {ReduceStep.PLACING, ReduceStep.WAITING} or not old:
        return None
    cancels = tuple(cancel_order(plan.plan_id, plan.account_id, plan.contract_id, order_id) for order_id in old)
    return Move(_replace(uncounted(plan), step=ReduceStep.RESIZING, resizing=old, modifying=()), reducings=cancels)


def on_snapshot(plan: ReducePlan, sight: Sight, now: datetime) -> Move:
    """The gateway's own word on the place: legs first, then the contracts, then proof."""
    if plan.step is not ReduceStep.READING:
        return Move(plan)  # an answer to an earlier question, older than what this plan did since
    seen, sign = sight.seen, 1 if plan.keeps > 0 else -1
    if sight.keeps * sign <= 0 and not plan.is_trim:
        return give_up(plan, "the position turned", "entries filled against it meanwhile")
    if plan.seen_at is None or seen.qty != plan.seen_qty:
        plan = _replace(plan, seen_qty=seen.qty, seen_at=seen.asked_at)
    held, keeps = max(0, seen.qty * sign), abs(sight.keeps)
    if plan.is_trim and (held > keeps or sight.keeps * sign <= 0 or not sight.is_agreed):
        return Move(None, result="the position changed meanwhile")  # the next read begins anew, where it has to
    if held - keeps > plan.qty:
        text = f"{plan.contract_id}: the position grew to {seen.qty:+d} while it was being reduced to {sight.keeps:+d}"
        return try_later(uncounted(plan), ("reduce.grown", text))
    if held:
        move = fit_legs(plan, sight, min(held, keeps))
        if move is not None:
            return move
    if held > keeps:
        return _close(_replace(plan, done_reads=0), sight, held - keeps, now)
    return _done(plan, sight)


def on_read_failed(plan: ReducePlan, reason: str) -> Move:
    """No answer is not "nothing there": keep asking."""
    if plan.step is not ReduceStep.READING:
        return Move(plan)
    text = f"{plan.contract_id}: cannot read the account ({reason}); trying again until it answers"
    tries = min(plan.tries, TRIES_AT_MOST - 2)  # not a reason to give up
    return try_later(_replace(plan, tries=tries), ("reduce.blind", text))


def on_timer(plan: ReducePlan) -> Move:
    return read(plan) if plan.step is ReduceStep.WAITING else Move(plan)


def on_resume(plan: ReducePlan, now: datetime) -> Move:
    """After a start: nobody knows which answers were lost, so read first. A close that was sent may still be settling."""
    closed_at = now if plan.closed_at is not None else None
    return read(
        _replace(uncounted(plan), resizing=(), modifying=(), seen_at=None, resized_at=None, closed_at=closed_at)
    )


# --- contracts -----------------------------------------------------------------------------------------------------------


def _close(plan: ReducePlan, sight: Sight, surplus: int, now: datetime) -> Move:
    """The first close when read and hub agree, or two reads. Another one only when reads that must know of the last one
    show the contracts twice."""
    seen = sight.seen
    if plan.closed_at is not None or not sight.is_agreed:
        is_old = plan.closed_at is not None and seen.asked_at < plan.closed_at + SETTLES
        if is_old or not _is_apart(plan, seen.asked_at):
            return wait(plan, READ_GAP.total_seconds())
        plan = _replace(plan, full_reads=plan.full_reads + 1, counted_at=seen.asked_at)
        if plan.full_reads < READS_THAT_PROVE:
            return wait(plan, READ_GAP.total_seconds())
    if plan.tries >= TRIES_AT_MOST:
        return give_up(plan, "its close is not carried out", f"{surplus} contracts more than wanted are held")
    closing = _replace(uncounted(plan), step=ReduceStep.CLOSING, closed_at=now, tries=plan.tries + 1)
    part = close_part(plan.plan_id, plan.account_id, plan.contract_id, seen.qty, surplus)
    return Move(closing, reducings=(part,))


def _done(plan: ReducePlan, sight: Sight) -> Move:
    seen = sight.seen
    if sight.is_agreed:
        return Move(
            None, result=f"stops and targets fit {seen.qty:+d}" if plan.is_trim else f"reduced to {seen.qty:+d}"
        )
    if not _is_apart(plan, seen.asked_at):
        return wait(plan, READ_GAP.total_seconds())
    done = plan.done_reads + 1
    if done >= READS_THAT_PROVE:
        return Move(None, result=f"reduced to {seen.qty:+d}")
    return wait(_replace(plan, done_reads=done, full_reads=0, counted_at=seen.asked_at), READ_GAP.total_seconds())


def _is_apart(plan: ReducePlan, asked_at: datetime) -> bool:
    """Asked long enough after the last read that counted to be a second witness."""
    return plan.counted_at is None or asked_at - plan.counted_at >= READ_GAP
