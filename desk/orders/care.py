"""The care plan: what is done with an entry's legs after its fill. Pure; one per entry, as long as its legs live.

```
 begun (filled, its stop works) ──▶ exact stop, once ──▶ at rest ◀──────────────┐
                                                           │ price              │
        break-even's trigger, or a trail's step            ▼                    │
             ──▶ goal written down ──the last move is 0.5 s old──▶ sent ────────┤
                                  └─younger: due, sent then ────────┘           │
        moved ──────────────────────────────────────────────────────────────────┤
        not carried out ──▶ blocked for a while, then from where the stop is ───┘
        the market is beyond it ──▶ the engine closes      legs over ──▶ ended
```
Every goal is tighter than the last one and than what the venue shows by at least a tick; it stands in the plan before its
modify leaves. So a crash loses nothing that had moved a stop: a price that moved none is forgotten, and would have moved none.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import msgspec

from desk.core.intents import Care, Trail
from desk.core.orders import StopTouch, TrackedOrder
from desk.core.plans import CarePlan
from desk.core.words import Quote, Side
from desk.orders.amend import is_tighter

__all__ = [
    "Step",
    "asks_for_something",
    "begin",
    "failed",
    "favour",
    "in_favour",
    "move_to",
    "moved",
    "on_exact",
    "on_price",
    "on_timer",
    "plan_id_of",
    "wants_prices",
    "with_trail",
]

MOVE_GAP = timedelta(milliseconds=500)  # two moves of one stop at least this far apart
BLOCK_S = 60.0  # after a move that was not carried out, doubling
MOST_BLOCK_S = 900.0

_replace = msgspec.structs.replace


@dataclass(frozen=True, slots=True)
class Step:
    """The plan as it now is. ``stop``: the modify to be sent now; ``delay_s``: or not before."""

    plan: CarePlan
    stop: Decimal | None = None
    delay_s: float | None = None


def plan_id_of(entry: str) -> str:
    return f"care:{entry}"


def asks_for_something(care: Care) -> bool:
    """Whether anything is to be done before a stage's target fills."""
    return (care.stop_price, care.target_price, care.breakeven, care.trail) != (None, None, None, None)


def begin(entry: TrackedOrder, care: Care, side: Side, basis: Decimal, tick_size: Decimal, now: datetime) -> CarePlan:
    """entry: the filled entry, or a protective stop that was placed by itself; then ``side`` is that of the position."""
    return CarePlan(
        plan_id=plan_id_of(entry.client_order_id),
        cause=entry.cause,
        account_id=entry.account_id,
        contract_id=entry.contract_id,
        entry=entry.client_order_id,
        side=side,
        care=care,
        basis=basis,
        tick_size=tick_size,
        target_goal=care.target_price,
        is_exact=care.stop_price is None,
        started_at=now,
    )


def wants_prices(plan: CarePlan) -> bool:
    is_waiting = plan.care.breakeven is not None and not plan.is_at_break_even
    return is_waiting or plan.care.trail is not None


def favour(side: Side, quote: Quote) -> Decimal | None:
    """The price at which a position of ``side`` could be closed; the last trade where that side of the book is missing."""
    best = quote.bid if side is Side.BUY else quote.ask
    return best if best is not None else quote.last


def in_favour(side: Side, price: Decimal, ticks: int, tick_size: Decimal) -> Decimal:
    """``ticks`` in favour of a position of ``side`` from ``price``, on the grid and never less."""
    whole = (price / tick_size).to_integral_value(ROUND_CEILING if side is Side.BUY else ROUND_FLOOR)
    return (whole + side.sign * ticks) * tick_size


def on_exact(plan: CarePlan, stop: Decimal, now: datetime) -> Step:
    """The exact stop, once. stop: where it is. Only towards less risk."""
    if plan.is_exact or plan.care.stop_price is None:
        return Step(plan)
    return move_to(_replace(plan, is_exact=True), plan.care.stop_price, StopTouch.MOVED, stop, now)


def on_price(plan: CarePlan, price: Decimal, stop: Decimal, now: datetime) -> Step:
    """price: the newest, fresh one in favour. stop: where the protective stop is."""
    if _is_blocked(plan, now):
        return Step(plan)
    held = _held(plan, stop)
    after = plan
    goals: list[tuple[Decimal, StopTouch]] = []
    breakeven = plan.care.breakeven
    if breakeven is not None and not plan.is_at_break_even:
        goal = in_favour(plan.side, plan.basis, breakeven.offset_ticks, plan.tick_size)
        is_beyond = (price - goal) * plan.side.sign >= plan.tick_size
        if _ticks(plan, price, plan.basis) >= breakeven.trigger_ticks and is_beyond:
            after = _replace(after, is_at_break_even=True)
            goals.append((goal, StopTouch.BREAK_EVEN))
    trail = plan.care.trail
    if trail is not None and (plan.is_trailing or _ticks(plan, price, plan.basis) >= trail.trigger_ticks):
        peak = price if plan.peak is None or _ticks(plan, price, plan.peak) > 0 else plan.peak
        behind = _trailed(plan, trail, peak, held)
        if behind is not None or not plan.is_trailing:
            after = _replace(after, is_trailing=True, peak=peak)
        if behind is not None:
            goals.append((behind, StopTouch.TRAILING))
    tighter = [(goal, by) for goal, by in goals if _ticks(plan, goal, held) >= 1]
    if not tighter:
        return _if_due(after, now)
    goal, by = max(tighter, key=lambda one: one[0] * plan.side.sign)
    return _if_due(_replace(after, stop_goal=goal, goal_by=by, is_goal_due=True), now)


def on_timer(plan: CarePlan, now: datetime) -> Step:
    """A pause is over: what was decided meanwhile is sent."""
    return _if_due(plan, now)


def move_to(plan: CarePlan, goal: Decimal, by: StopTouch, stop: Decimal, now: datetime) -> Step:
    """A price that was decided on elsewhere, as soon as the last move is old enough. A looser one changes nothing."""
    if _ticks(plan, goal, _held(plan, stop)) < 1:
        return Step(plan)
    return _if_due(_replace(plan, stop_goal=goal, goal_by=by, is_goal_due=True), now)


def with_trail(plan: CarePlan, trail: Trail | None) -> CarePlan:
    """Trails from now on, or no more: then the stop stays where it is, and a step that was not sent yet is dropped."""
    changed = _replace(plan, care=_replace(plan.care, trail=trail), is_trailing=False, peak=None)
    if trail is None and plan.is_goal_due and plan.goal_by is StopTouch.TRAILING:
        changed = _replace(changed, is_goal_due=False, stop_goal=None)
    return changed


def moved(plan: CarePlan) -> CarePlan:
    """The venue shows the stop where it was sent."""
    return _replace(plan, failures=0, blocked_until=None)


def failed(plan: CarePlan, now: datetime) -> CarePlan:
    """The venue did not carry a move out. Refusals are remembered: no other try for a while, then from where the stop is."""
    block = min(MOST_BLOCK_S, BLOCK_S * 2.0 ** min(plan.failures, 10))
    return _replace(
        plan,
        stop_goal=None,
        is_goal_due=False,
        failures=plan.failures + 1,
        blocked_until=now + timedelta(seconds=block),
        is_exact=plan.is_exact and plan.goal_by is not StopTouch.MOVED,
        is_at_break_even=plan.is_at_break_even and plan.goal_by is not StopTouch.BREAK_EVEN,
    )


def _if_due(plan: CarePlan, now: datetime) -> Step:
    """Sends the goal where the last move is old enough. A clock that went back counts as old enough."""
    if not plan.is_goal_due or plan.stop_goal is None:
        return Step(plan)
    since = now - plan.moved_at if plan.moved_at is not None else MOVE_GAP
    if timedelta(0) <= since < MOVE_GAP:
        return Step(plan, delay_s=(MOVE_GAP - since).total_seconds())
    return Step(_replace(plan, is_goal_due=False, moved_at=now), stop=plan.stop_goal)


def _trailed(plan: CarePlan, trail: Trail, peak: Decimal, held: Decimal) -> Decimal | None:
    """The stop behind the peak, from where it is in whole steps; None under one step."""
    goal = in_favour(plan.side, peak, -trail.distance_ticks, plan.tick_size)
    steps = _ticks(plan, goal, held) // max(1, trail.step_ticks)
    if steps < 1:
        return None
    return held + plan.side.sign * steps * max(1, trail.step_ticks) * plan.tick_size


def _held(plan: CarePlan, stop: Decimal) -> Decimal:
    """Where the stop is or is on its way to."""
    if plan.stop_goal is not None and is_tighter(plan.side.opposite, plan.stop_goal, stop):
        return plan.stop_goal
    return stop


def _ticks(plan: CarePlan, price: Decimal, than: Decimal) -> int:
    """Whole ticks by which ``price`` is more in favour than ``than``; negative: less."""
    return int(((price - than) * plan.side.sign / plan.tick_size).to_integral_value(ROUND_FLOOR))


def _is_blocked(plan: CarePlan, now: datetime) -> bool:
    return plan.blocked_until is not None and now < plan.blocked_until
