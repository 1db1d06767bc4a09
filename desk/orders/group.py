"""The group plan: a staged exit as several bracketed entries, each with its own stop and target at the venue.

```
 sending ──the last one sent was accepted or filled──▶ the next one, approved by risk again ──▶ … ──▶ all sent
    │ one is lost: the rest waits until it is settled                                                    │
    └─refused, expired, an exit, a stop of the desk, too old, a leg traded ──▶ held back: told           │
                                                                                  │                      │
        all members over, and the place flat or all their legs over ──▶ ended ◀───┴──────────────────────┘
```
What is protected is kept: a member that does not come leaves the others as they are. A target that fills is counted once
(``done``), for what its stage asks to be done to the stops that are left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from desk.core.ids import AccountId, CauseId, ClientOrderId, ContractId
from desk.core.intents import Enter
from desk.core.orders import OrderState, TrackedOrder
from desk.core.plans import GroupPlan, Ticket
from desk.orders.move import Move

__all__ = ["Part", "begin", "hold_back", "look", "next_ticket", "sent", "stages_done", "with_done"]

_replace = msgspec.structs.replace


@dataclass(frozen=True, slots=True)
class Part:
    """One member as known. ``entry`` None: so long over that it was forgotten."""

    entry: TrackedOrder | None
    is_under_way: bool = False  # not over, or to be sent again
    is_leaving: bool = False  # somebody takes it away already
    stop: TrackedOrder | None = None
    target: TrackedOrder | None = None

    @property
    def has_failed(self) -> bool:
        """It is over without a fill."""
        return self.entry is not None and not self.is_under_way and self.entry.filled_qty == 0

    @property
    def was_refused(self) -> bool:
        """It has failed, and never rested: the venue or the desk did not want it."""
        entry = self.entry
        return (
            entry is not None
            and self.has_failed
            and (
                entry.state is OrderState.REJECTED
                or (entry.state is OrderState.EXPIRED and entry.gateway_order_id is None)
            )
        )

    @property
    def has_leg_filled(self) -> bool:
        return any(leg is not None and leg.filled_qty > 0 for leg in (self.stop, self.target))

    @property
    def are_legs_over(self) -> bool:
        """Nothing of it is left at the venue, as far as its legs were ever reported."""
        entry = self.entry
        if entry is None or entry.filled_qty == 0:
            return True
        is_target_over = entry.target_ticks is None or (self.target is not None and self.target.state.is_over)
        return is_target_over and self.stop is not None and self.stop.state.is_over


def begin(
    cause: CauseId,
    account_id: AccountId,
    contract_id: ContractId,
    enter: Enter,
    tickets: Sequence[Ticket],
    now: datetime,
) -> GroupPlan:
    """Nothing is sent yet. The order of the tickets is that of the stages."""
    first = tickets[0].order
    return GroupPlan(
        plan_id=f"group:{first.client_order_id}",
        cause=cause,
        account_id=account_id,
        contract_id=contract_id,
        enter=enter,
        tickets=tuple(tickets),
        started_at=now,
    )


def sent(plan: GroupPlan, tag: ClientOrderId) -> GroupPlan:
    """One more member is on its way."""
    assert len(plan.members) < len(plan.tickets), "a group never sends more than its stages"
    assert tag == plan.tickets[len(plan.members)].order.client_order_id, "members go out in the order of the stages"
    return _replace(plan, members=(*plan.members, tag))


def next_ticket(plan: GroupPlan, parts: Sequence[Part]) -> Ticket | None:
    """What may be sent now: one at a time, after the venue took the one before."""
    if plan.held_back or len(plan.members) == len(plan.tickets):
        return None
    if parts:
        last = parts[-1].entry
        is_taken = last is not None and not last.state.is_unsettled and (last.filled_qty > 0 or not last.state.is_over)
        if not is_taken:
            return None
    return plan.tickets[len(plan.members)]


def stages_done(plan: GroupPlan, parts: Sequence[Part]) -> list[int]:
    """Stages whose target filled and was not counted yet."""
    return [
        stage
        for stage, part in enumerate(parts)
        if stage not in plan.done and part.target is not None and part.target.state is OrderState.FILLED
    ]


def with_done(plan: GroupPlan, stage: int) -> GroupPlan:
    return _replace(plan, done=(*plan.done, stage))


def hold_back(plan: GroupPlan, why: str, parts: Sequence[Part]) -> Move:
    """What was not sent yet stays at home, and a person hears of it."""
    if plan.held_back:
        return Move(plan)
    asked = sum(ticket.order.qty for ticket in plan.tickets)
    working = sum(
        part.entry.qty if part.is_under_way else part.entry.filled_qty for part in parts if part.entry is not None
    )
    kept = f"{working} of {asked} contracts are in or on their way, with their stops" if working else "nothing is held"
    text = f"{plan.contract_id}: staged entry incomplete, {why}. {kept}; what was not sent yet is not sent"
    return Move(_replace(plan, held_back=why), incident=("group.incomplete", text))


def look(plan: GroupPlan, parts: Sequence[Part], *, is_flat: bool) -> Move:
    """What its members and their legs mean for the group. None as plan: it is over."""
    is_sending = len(plan.members) < len(plan.tickets) and not plan.held_back
    move = Move(plan)
    if any(part.was_refused for part in parts):
        move = hold_back(plan, "a part of it was refused or could not be sent in time", parts)
    elif is_sending and any(part.has_failed for part in parts):
        move = hold_back(plan, "a part of it was cancelled", parts)
    elif is_sending and any(part.has_leg_filled for part in parts):
        move = hold_back(plan, "a stop or target of it traded already", parts)
    after = move.plan
    assert isinstance(after, GroupPlan), "holding back keeps the plan"
    is_all_sent = len(after.members) == len(after.tickets) or bool(after.held_back)
    if not is_all_sent or any(part.is_under_way for part in parts):
        return move
    if is_flat or all(part.are_legs_over for part in parts):
        return Move(None, result=after.held_back or "all its orders are over", incident=move.incident)
    return move
