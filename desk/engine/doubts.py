"""Orders that were taken for such as never reached the venue, and that may be there all the same.

An entry was "surely not sent" (a 429, design 3), and something at the venue speaks for it: a leg under its tag, or a position on
its side. Then nobody knows any more, and it is looked for. What two searches did not find was given up; it may arrive later, and
the hub may not tell: for a minute the account is read from time to time, so that it is found before it trades.
"""

from __future__ import annotations

import msgspec

from desk.core.events import Outcome, OutcomeKind
from desk.core.ids import ClientOrderId
from desk.core.orders import OrderState, Role, TrackedOrder
from desk.core.plans import EnterPlan, EntryEnd
from desk.core.records import OrderChanged
from desk.core.words import VenuePosition
from desk.engine.draft import SWEEPS_LAST_S, Draft
from desk.engine.effects import StartTimer
from desk.engine.sending import follow_enter
from desk.engine.state import State
from desk.orders import enter

__all__ = ["LATE", "begin", "doubted", "given_up", "on_timer", "saw_leg", "saw_position"]

LATE = "late"  # names the timers, and asks the reads
LOOK_S = 2.0  # then every quarter of the time that has passed


def doubted(state: State, order: TrackedOrder, outcome: Outcome) -> Outcome:
    """No "not sent" counts for an entry of which a leg was reported already: the venue makes legs of nothing else."""
    if outcome.kind is OutcomeKind.NOT_SENT and any(
        leg.parent == order.client_order_id for leg in state.orders.values()
    ):
        return msgspec.structs.replace(outcome, kind=OutcomeKind.UNCLEAR)
    return outcome


def saw_leg(draft: Draft, leg: TrackedOrder) -> None:
    """A leg was reported for the first time. Its entry arrived, whatever was said of it."""
    entry = draft.state.orders.get(leg.parent) if leg.parent is not None else None
    if entry is not None and enter.was_never_sent(entry):
        _doubt(draft, entry, "its leg is at the venue")


def saw_position(draft: Draft, reported: VenuePosition) -> None:
    """A position comes up while an entry on its side waits to be sent again."""
    for order in list(draft.state.remembered_at((reported.account_id, reported.contract_id))):
        is_waiting = f"enter:{order.client_order_id}" in draft.state.plans
        if is_waiting and order.side.sign * reported.qty > 0 and enter.was_never_sent(order):
            _doubt(draft, order, "a position on its side came up")


def given_up(draft: Draft, order: TrackedOrder) -> None:
    """Two searches did not find it."""
    if not draft.ctx.is_shadow:
        draft.effects.append(StartTimer(f"{LATE}:{order.client_order_id}", LOOK_S))


def begin(draft: Draft) -> None:
    """After a start: what the process before it had given up a moment ago."""
    for order in draft.state.orders.values():
        if enter.was_never_sent(order) and _age_s(draft, order) < SWEEPS_LAST_S:
            given_up(draft, order)


def on_timer(draft: Draft, key: str) -> None:
    """Also while the user hub is down: whoever gave it up has nobody else to ask."""
    order = draft.state.orders.get(ClientOrderId(key.partition(":")[2]))
    if order is not None and enter.was_never_sent(order) and _age_s(draft, order) < SWEEPS_LAST_S:
        draft.read(order.account_id, LATE)
        draft.effects.append(StartTimer(key, max(LOOK_S, _age_s(draft, order) / 4)))


def _age_s(draft: Draft, order: TrackedOrder) -> float:
    return (draft.now - order.updated_at).total_seconds()


def _doubt(draft: Draft, order: TrackedOrder, why: str) -> None:
    """Looked for by its tag. One that was given up goes as soon as it is found."""
    if draft.ctx.is_shadow or order.role is not Role.ENTRY:
        return
    unknown = msgspec.structs.replace(order, state=OrderState.UNKNOWN, updated_at=draft.now)
    draft.record(OrderChanged(cause=order.cause, order=unknown, why=f"unknown: {why}", ts=draft.now))
    plan = draft.state.plans.get(f"enter:{order.client_order_id}")
    move = enter.begin_search(unknown, plan.ending if isinstance(plan, EnterPlan) else EntryEnd.GIVEN_UP)
    assert isinstance(move.plan, EnterPlan), "a search belongs to a plan"
    follow_enter(draft, move.plan, move)
