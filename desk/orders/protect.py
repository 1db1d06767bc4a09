"""The protect plan: contracts without a confirmed working stop are an incident with a deadline.

```
 started ──2 s──▶ read ──stops there, or flat──▶ ended
                   │ a gap: announced
                   └──0.6 s──▶ read ──the second gap──▶ a stop is placed for it ──▶ read … a stop there ──▶ ended
                                       │ market through its price, or the venue says so
                                       ├──▶ ended: the engine closes what is not protected
                                       └── two reads with a gap, and 5 s ──▶ ended: the same
```
It ends by itself as soon as the hub shows the stops working; one that it placed itself must have worked for a second, for
the venue may turn a stop down just after it took it, and the deadline runs on then. A read that fails proves nothing: it is
repeated, with an alarm. A read that says "all is well" although the hub told something younger than it can know is repeated,
too. While nobody knows whether a placed stop lives no other one is sent (``place.py`` finds out). Contracts that are not ours
are never closed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from desk.core.events import Outcome, OutcomeKind
from desk.core.ids import AccountId, CauseId, ContractId, client_order_id
from desk.core.orders import OrderRequest, TrackedOrder
from desk.core.plans import ProtectPlan
from desk.core.words import OrderType, Side
from desk.orders.move import Move, Need, Reading, Timer, gap_seen
from desk.orders.place import is_through, is_wanted_again
from desk.orders.reducing import place_stop

__all__ = [
    "CLOSING",
    "UNPROTECTABLE",
    "Level",
    "Placed",
    "begin",
    "has_settled",
    "on_read_failed",
    "on_resume",
    "on_snapshot",
    "on_stop_settled",
    "on_timer",
]

CONFIRM_S = 2.0
CLOSE_AFTER = timedelta(seconds=5)
GIVE_UP_AFTER = timedelta(seconds=30)  # on contracts that are not ours: nothing is closed, so there is time to try
READ_GAP = timedelta(milliseconds=500)
READ_AGAIN_S = 0.6
SETTLES_AFTER = timedelta(seconds=1)  # the venue turns an order down within milliseconds of taking it
CLOSING = "no stop: closing at market"
UNPROTECTABLE = "no stop, and not ours to close"

_replace = msgspec.structs.replace


@dataclass(frozen=True, slots=True)
class Level:
    """Where the missing stop belongs. ``is_through``: the market is beyond it already. Without a price nothing is placed."""

    price: Decimal | None = None
    is_through: bool = False


@dataclass(frozen=True, slots=True)
class Placed:
    """The stop that the plan placed before, as it is known now. is_settled: nobody looks for it any more."""

    order: TrackedOrder
    is_settled: bool

    @property
    def is_over(self) -> bool:
        """It surely is not there: never arrived, refused, traded, or somebody took it away."""
        return self.is_settled and self.order.state.is_over


def begin(
    account_id: AccountId, contract_id: ContractId, cause: CauseId, now: datetime, *, is_foreign: bool = False
) -> Move:
    plan = ProtectPlan(
        plan_id=f"protect:{account_id}:{contract_id}",
        cause=cause,
        account_id=account_id,
        contract_id=contract_id,
        is_foreign=is_foreign,
        started_at=now,
    )
    return Move(plan, timer=Timer(plan.plan_id, CONFIRM_S))


def on_snapshot(
    plan: ProtectPlan, seen: Reading, need: Need, level: Level, now: datetime, placed: Placed | None = None
) -> Move:
    """The gateway's own word on the place. One that is too young, or too soon after the last, proves nothing: look again."""
    gap = min(gap_seen(seen, need), abs(seen.qty))  # what filled since is for the next read to tell
    is_too_soon = plan.last_read_at is not None and seen.asked_at - plan.last_read_at < READ_GAP
    is_older_than_stop = placed is not None and placed.order.gateway_order_id in seen.unseen
    if (not gap and not seen.is_settled) or (gap and (is_too_soon or is_older_than_stop)):
        return Move(plan, timer=Timer(plan.plan_id, READ_AGAIN_S))
    if not gap and seen.qty and placed is not None and not has_settled(placed.order, now):
        return Move(plan, timer=Timer(plan.plan_id, READ_AGAIN_S))
    if not gap:
        return Move(None, result="protected" if seen.qty else "flat")
    left_s = CONFIRM_S - (seen.asked_at - plan.started_at).total_seconds()
    if (
        left_s > 0
    ):  # asked for by somebody else, or by the timer of an earlier plan here: the legs may still be waking up
        return Move(plan, timer=Timer(plan.plan_id, left_s))
    text = _text(plan, seen.qty, gap)
    naked = _replace(plan, naked_reads=plan.naked_reads + 1, last_read_at=seen.asked_at, is_announced=True)
    deadline = GIVE_UP_AFTER if plan.is_foreign else CLOSE_AFTER
    if naked.naked_reads >= 2 and (level.is_through or now - plan.started_at >= deadline):
        return _give_up(plan, text)
    incident = None if plan.is_announced else ("position.unprotected", f"{text} {_outlook(plan, level)}")
    waiting = Move(naked, timer=Timer(plan.plan_id, READ_AGAIN_S), incident=incident)
    if naked.naked_reads < 2 or level.price is None or (placed is not None and not placed.is_over):
        return waiting
    return _place(naked, seen.qty, gap, level.price, placed, incident)


def has_settled(stop: TrackedOrder, now: datetime) -> bool:
    """Whether the stop that the plan placed has been there for long enough to be believed."""
    return stop.state.is_over or now - stop.submitted_at >= SETTLES_AFTER


def on_stop_settled(plan: ProtectPlan, outcome: Outcome) -> Move:
    """The stop that the plan placed was answered."""
    if is_through(outcome):
        return _give_up(plan, f"{plan.contract_id}: the market is through the price of the missing stop.")
    if outcome.kind is OutcomeKind.REFUSED:
        return Move(_replace(plan, attempt=plan.attempt + 1, stop=None))
    return Move(plan, reads=outcome.kind is OutcomeKind.DONE)


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


def _place(
    plan: ProtectPlan,
    held: int,
    gap: int,
    price: Decimal,
    placed: Placed | None,
    incident: tuple[str, str] | None,
) -> Move:
    attempt = plan.attempt + (placed is not None and not is_wanted_again(placed.order))
    leg = f"protect-{int(plan.started_at.timestamp() * 1000)}"  # each gap has stops of its own
    order = OrderRequest(
        client_order_id=client_order_id(plan.cause, plan.account_id, leg, attempt),
        account_id=plan.account_id,
        contract_id=plan.contract_id,
        type=OrderType.STOP,
        side=Side.SELL if held > 0 else Side.BUY,
        qty=gap,
        stop_price=price,
    )
    placing = _replace(plan, attempt=attempt, stop=order.client_order_id)
    return Move(
        placing,
        reducings=(place_stop(plan.plan_id, order, held),),
        timer=Timer(plan.plan_id, READ_AGAIN_S),
        incident=incident,
    )


def _give_up(plan: ProtectPlan, text: str) -> Move:
    if plan.is_foreign:
        text = f"{text} They were not opened by the desk, so it does not close them: place a stop, or flatten."
        return Move(None, result=UNPROTECTABLE, incident=("position.unprotected", text))
    return Move(None, result=CLOSING, incident=("position.unprotected", f"{text} They are closed at market."))


def _outlook(plan: ProtectPlan, level: Level) -> str:
    if level.price is not None and not level.is_through:
        return f"Looking again; then a stop is placed at {level.price}."
    return "Looking again; without one they are " + ("left as they are." if plan.is_foreign else "closed at market.")


def _text(plan: ProtectPlan, qty: int, gap: int) -> str:
    return f"{plan.contract_id}: {gap} of {abs(qty)} contracts have no working stop at the venue (position {qty:+d})."
