"""The flatten plan: one account to verified flat. Reads, starts an exit for each contract that holds something, reads again.

```
 reading ──something──▶ exits run ──all ended──▶ reading ──nothing──▶ ended: flat
```
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from desk.core.ids import AccountId, CauseId
from desk.core.plans import ExitReason, FlattenPlan
from desk.orders.move import Move, Timer, backoff_s

__all__ = ["begin", "on_exit_ended", "on_read_failed", "on_snapshot"]

_replace = msgspec.structs.replace


def begin(account_id: AccountId, cause: CauseId, reason: ExitReason, now: datetime) -> Move:
    plan = FlattenPlan(
        plan_id=f"flatten:{cause}:{account_id}", cause=cause, account_id=account_id, reason=reason, started_at=now
    )
    return Move(plan, reads=True)


def on_snapshot(plan: FlattenPlan, exits: tuple[str, ...]) -> Move:
    """exits: the exit plans that run or were just started for what the read showed; none: the account is flat."""
    if plan.waits_for:
        return Move(plan)
    if not exits:
        return Move(None, result="flat")
    return Move(_replace(plan, waits_for=exits))


def on_exit_ended(plan: FlattenPlan, exit_id: str) -> Move:
    left = tuple(waiting for waiting in plan.waits_for if waiting != exit_id)
    return Move(_replace(plan, waits_for=left), reads=not left)


def on_read_failed(plan: FlattenPlan, reason: str) -> Move:
    incident = ("flatten.blind", f"account {plan.account_id} cannot be read ({reason}); trying again until it answers")
    again = _replace(plan, tries=plan.tries + 1)
    timer = Timer(plan.plan_id, backoff_s(again.tries))
    return Move(again, timer=timer, incident=incident if plan.tries == 0 else None)
