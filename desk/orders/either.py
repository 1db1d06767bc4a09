"""The either plan: two resting entries of which one may fill. The venue knows nothing of the pair; the desk cancels.

```
 first sent ──accepted──▶ second sent ──▶ both rest ──one has any fill──▶ the other is cancelled at once, and confirmed
     │ over or filled: the second stays at home │ refused: the first is cancelled, told       │ it had filled, too
     │                                          │ one cancelled or expired: the other stays   ▼
     │                                          │                              an exit of the place, told
     └──────────────────────────────────────────┴─▶ both over, and 3 s without news ──▶ ended
```
Cancelling is the work of each entry's own plan. Two fills are more than was asked for, or legs without a position: the place
is made flat. The last seconds are for a fill that crossed a cancel on the wire.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import msgspec

from desk.core.ids import AccountId, CauseId, ClientOrderId, ContractId
from desk.core.plans import EitherPlan, EntryEnd, Ticket
from desk.orders.group import Part
from desk.orders.move import Move, Timer

__all__ = ["Step", "begin", "hold_back", "look", "refused", "second_sent"]

LINGER_S = 3.0

_replace = msgspec.structs.replace


@dataclass(frozen=True, slots=True)
class Step:
    """``move`` as ever; besides: may the second go out, which entry is to be cancelled and why, and is the place to be flat."""

    move: Move
    sends: bool = False
    ends: tuple[ClientOrderId, EntryEnd] | None = None
    exits: bool = False


def begin(
    cause: CauseId,
    account_id: AccountId,
    contract_id: ContractId,
    tickets: tuple[Ticket, Ticket],
    now: datetime,
) -> EitherPlan:
    """Nothing is sent yet."""
    return EitherPlan(
        plan_id=f"either:{tickets[0].order.client_order_id}",
        cause=cause,
        account_id=account_id,
        contract_id=contract_id,
        tickets=tickets,
        started_at=now,
    )


def second_sent(plan: EitherPlan) -> EitherPlan:
    assert not plan.is_second_sent, "the second one goes out once"
    assert not plan.alone, "it was held back"
    return _replace(plan, is_second_sent=True)


def hold_back(plan: EitherPlan, why: str) -> Move:
    """The second one is not sent."""
    return _told(plan, why, "only the first of a pair was sent")


def look(plan: EitherPlan, first: Part, second: Part | None, *, is_timer: bool = False) -> Step:
    """What the two entries mean for the pair; ``second`` None: not sent yet."""
    step = _news(plan, first, second)
    if first.is_under_way or (second is not None and second.is_under_way):
        return step
    if is_timer and step.move.plan == plan:
        return Step(Move(None, result=plan.alone or ("one filled" if plan.winner is not None else "none filled")))
    return replace(step, move=replace(step.move, timer=Timer(plan.plan_id, LINGER_S)))


def _news(plan: EitherPlan, first: Part, second: Part | None) -> Step:
    filled = [part.entry for part in (first, second) if part is not None and part.entry and part.entry.filled_qty]
    if len(filled) == 2 and not plan.is_surplus:
        return _both(plan, is_same_side=filled[0].side is filled[1].side)
    if second is None and not plan.alone:
        return _with_first_alone(plan, first)
    if len(filled) == 1 and plan.winner is None:
        plan = _replace(plan, winner=filled[0].client_order_id)
    if plan.winner is not None:
        other, part = (plan.first, first) if plan.winner == plan.second else (plan.second, second)
        is_left = part is not None and part.is_under_way
        return Step(Move(plan), ends=(other, EntryEnd.OTHER_FILLED) if is_left else None)
    if second is not None and not plan.alone:
        return _one_failed(plan, first, second) or Step(Move(plan))
    return Step(Move(plan))


def _with_first_alone(plan: EitherPlan, first: Part) -> Step:
    entry = first.entry
    if entry is not None and entry.filled_qty:
        why = "the first filled before the second was sent"
        return Step(Move(_replace(plan, winner=entry.client_order_id, alone=why)))
    if first.has_failed or entry is None:
        return Step(_told(plan, "the first one was refused, cancelled or too late", "nothing of a pair is sent"))
    return Step(Move(plan), sends=not entry.state.is_unsettled and not entry.state.is_over)


def _one_failed(plan: EitherPlan, first: Part, second: Part) -> Step | None:
    for failed, other, tag in ((first, second, plan.second), (second, first, plan.first)):
        if not failed.has_failed or not other.is_under_way or other.is_leaving:
            continue
        if failed.was_refused:
            return Step(refused(plan, "the other one was refused"), ends=(tag, EntryEnd.OTHER_REFUSED))
        return Step(_told(plan, "the other one was cancelled or expired", "one entry of a pair stays alone"))
    return None


def refused(plan: EitherPlan, why: str) -> Move:
    """One of them cannot be had: nothing half."""
    return _told(plan, why, "a pair is cancelled, nothing half is kept")


def _both(plan: EitherPlan, *, is_same_side: bool) -> Step:
    what = "more is held than was asked for" if is_same_side else "they close each other, and their stops are left over"
    text = f"{plan.contract_id}: both entries of a pair filled before one could be cancelled: {what}. It is made flat"
    flat = _replace(plan, is_surplus=True, alone="both filled")
    return Step(Move(flat, incident=("either.both", text)), exits=True)


def _told(plan: EitherPlan, why: str, what: str) -> Move:
    if plan.alone:
        return Move(plan)
    return Move(_replace(plan, alone=why), incident=("either.alone", f"{plan.contract_id}: {what}: {why}"))
