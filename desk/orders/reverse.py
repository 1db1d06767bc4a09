"""The reverse plan: to verified flat, then the entry on the other side, or on the same one where it replaces what is there.

```
 waiting for the exit ──verified flat──▶ the engine prices the entry and asks risk ──▶ ended: sent, or denied and told
    │ an order to be flat, or a stop of the desk                │ no fresh quote ▲
    └──▶ ended: told                                            └──0.5 s, 2 s ───┘
```
The exit is an exit plan like any other and is not undone. The entry's freshness is what the sender gave it: an exit that
took longer than that leaves flat.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from desk.core.ids import AccountId, CauseId, ContractId
from desk.core.intents import Enter
from desk.core.plans import ReversePlan
from desk.orders.move import Move, Timer

__all__ = ["begin", "end", "on_flat", "on_no_quote"]

QUOTE_COMES_WITHIN = timedelta(seconds=2)
AGAIN_S = 0.5

_replace = msgspec.structs.replace


def begin(
    cause: CauseId, account_id: AccountId, contract_id: ContractId, enter: Enter, exit_id: str, now: datetime
) -> ReversePlan:
    """``exit_id``: of the exit that was begun, or that ran already."""
    return ReversePlan(
        plan_id=f"reverse:{cause}:{account_id}:{contract_id}",
        cause=cause,
        account_id=account_id,
        contract_id=contract_id,
        waits_for=exit_id,
        enter=enter,
        started_at=now,
    )


def on_flat(plan: ReversePlan, now: datetime) -> ReversePlan:
    return plan if plan.flat_at is not None else _replace(plan, flat_at=now, waits_for="")


def on_no_quote(plan: ReversePlan, why: str, now: datetime) -> Move:
    """Its prices need a quote that is not there: it waits a moment for one."""
    assert plan.flat_at is not None, "the entry is priced when the place is flat"
    if now - plan.flat_at >= QUOTE_COMES_WITHIN:
        return end(plan, why)
    return Move(plan, timer=Timer(plan.plan_id, AGAIN_S))


def end(plan: ReversePlan, why: str) -> Move:
    """The entry is not sent."""
    text = f"{plan.contract_id}: the position is closed, but not reversed: {why}"
    return Move(None, result=f"not reversed: {why}", incident=("reverse.ended", text))
