"""The protect plan: a position of ours without a confirmed working stop is an incident with a deadline.

```
 started ──2 s──▶ read ──stop there, or flat──▶ ended
                   │ naked: announced
                   └──0.6 s──▶ read … two naked reads and 5 s ──▶ ended: the engine closes the position
```
It ends by itself as soon as the hub shows the stop working. A read that fails proves nothing: it is repeated, with an alarm.
A read that says "all is well" although the hub told something younger than it can know is repeated, too.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from desk.core.ids import AccountId, CauseId, ContractId
from desk.core.plans import ProtectPlan
from desk.orders.move import Move, Reading, Timer, is_covered_by

__all__ = ["CLOSING", "begin", "on_read_failed", "on_resume", "on_snapshot", "on_timer"]

CONFIRM_S = 2.0
CLOSE_AFTER = timedelta(seconds=5)
READ_GAP = timedelta(milliseconds=500)
READ_AGAIN_S = 0.6
CLOSING = "no stop: closing at market"

_replace = msgspec.structs.replace


def begin(account_id: AccountId, contract_id: ContractId, cause: CauseId, now: datetime) -> Move:
    plan = ProtectPlan(
        plan_id=f"protect:{account_id}:{contract_id}",
        cause=cause,
        account_id=account_id,
        contract_id=contract_id,
        started_at=now,
    )
    return Move(plan, timer=Timer(plan.plan_id, CONFIRM_S))


def on_snapshot(plan: ProtectPlan, seen: Reading, now: datetime) -> Move:
    """The gateway's own word on the place. One that is too young, or too soon after the last, proves nothing: look again."""
    qty = seen.qty
    is_good = qty == 0 or is_covered_by(seen.working, qty, seen.entries)
    is_too_soon = plan.last_read_at is not None and seen.asked_at - plan.last_read_at < READ_GAP
    if (is_good and not seen.is_settled) or (not is_good and is_too_soon):
        return Move(plan, timer=Timer(plan.plan_id, READ_AGAIN_S))
    if is_good:
        return Move(None, result="protected" if qty else "flat")
    left_s = CONFIRM_S - (seen.asked_at - plan.started_at).total_seconds()
    if (
        left_s > 0
    ):  # asked for by somebody else, or by the timer of an earlier plan here: the legs may still be waking up
        return Move(plan, timer=Timer(plan.plan_id, left_s))
    naked = plan.naked_reads + 1
    if naked >= 2 and now - plan.started_at >= CLOSE_AFTER:
        return Move(
            None, result=CLOSING, incident=("position.unprotected", _text(plan, qty) + " It is closed at market.")
        )
    text = _text(plan, qty) + " Looking again; without one it is closed at market."
    announced = _replace(plan, naked_reads=naked, last_read_at=seen.asked_at, is_announced=True)
    incident = None if plan.is_announced else ("position.unprotected", text)
    return Move(announced, timer=Timer(plan.plan_id, READ_AGAIN_S), incident=incident)


def on_read_failed(plan: ProtectPlan, reason: str) -> Move:
    incident = (
        "position.unconfirmed",
        f"{plan.contract_id}: a stop cannot be confirmed, the account cannot be read: {reason}",
    )
    waiting = _replace(plan, naked_reads=0, last_read_at=None, is_announced=True)
    timer = Timer(plan.plan_id, 1.0)
    return Move(waiting, timer=timer, incident=None if plan.is_announced else incident)


def on_timer(plan: ProtectPlan) -> Move:
    return Move(plan, reads=True)


def on_resume(plan: ProtectPlan) -> Move:
    return Move(_replace(plan, naked_reads=0, last_read_at=None), reads=True)


def _text(plan: ProtectPlan, qty: int) -> str:
    return f"{plan.contract_id}: position {qty:+d} has no working stop at the venue."
