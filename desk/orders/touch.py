"""The touch plan: an order that the venue does not offer, a stop-limit or a market-if-touched. Nothing is at the venue yet.

```
 waiting ──the market trades at the touch price──▶ ended: the engine asks risk and sends it as a normal entry
    │ its time is over, an exit or flatten came, the desk stops      │ cancelled
    └──▶ ended: told                                                 └──▶ ended
```
It wakes with the prices of its contract. A price that nobody saw triggers nothing: a quote older than 2 s counts as none.
"""

from __future__ import annotations

from datetime import datetime

from desk.core.ids import AccountId, CauseId, ContractId
from desk.core.intents import Enter
from desk.core.plans import TouchPlan
from desk.orders.move import Move, Timer

__all__ = ["begin", "end", "on_time"]


def begin(
    cause: CauseId, account_id: AccountId, contract_id: ContractId, enter: Enter, *, is_above: bool, now: datetime
) -> Move:
    """``is_above``: the touch price lies above the market."""
    assert enter.touch_price is not None, "an order that waits for a price names it"
    plan = TouchPlan(
        plan_id=f"touch:{cause}:{account_id}:{contract_id}",
        cause=cause,
        account_id=account_id,
        contract_id=contract_id,
        enter=enter,
        is_above=is_above,
        started_at=now,
    )
    return on_time(plan, now)


def on_time(plan: TouchPlan, now: datetime) -> Move:
    """Its time is over, or the timer is set for when it will be."""
    until = plan.enter.expires_at
    if until is None:
        return Move(plan)
    if now >= until:
        return end(plan, "its time is over")
    return Move(plan, timer=Timer(plan.plan_id, (until - now).total_seconds()))


def end(plan: TouchPlan, why: str, *, is_asked_for: bool = False) -> Move:
    """It will not be sent. Somebody asked for that: then nobody has to be told."""
    if is_asked_for:
        return Move(None, result=f"not sent: {why}")
    wanted = plan.enter
    text = f"{wanted.side} {wanted.qty} {plan.contract_id} at a touch of {wanted.touch_price:f} was not sent: {why}"
    return Move(None, result=f"not sent: {why}", incident=("entry.expired", text))
