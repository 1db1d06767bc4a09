"""What a message changes about the exits of a position that is there: stop, target, break-even, trailing. Pure.

Distances count from the position's average price. None of this is ever too late: it only takes risk away.
"""

from __future__ import annotations

from decimal import Decimal

from desk.bots.distances import Measure, exit_price, price_on_grid, ticks_of
from desk.bots.entry import trail_of
from desk.bots.words import CannotHave, Meaning, Nothing, Refusal, Situation, Wanted
from desk.core.alert import Action, Alert, Distance, Unit
from desk.core.intents import BreakEvenNow, MoveStop, MoveTarget, TrailOff, TrailOn
from desk.core.words import Side
from desk.risk import Reason

__all__ = ["MOVES", "move"]

Moved = MoveStop | MoveTarget | BreakEvenNow | TrailOn | TrailOff
MOVES = frozenset({Action.MOVE_STOP, Action.MOVE_TARGET, Action.BREAKEVEN, Action.TRAIL_ON, Action.TRAIL_OFF})


def move(alert: Alert, now_at: Situation) -> Meaning:
    """``alert.action`` is one of MOVES."""
    qty = now_at.position_qty
    if qty == 0 and now_at.entering_qty:
        text = f"{alert.action}: the entry is still under way, its position is not known yet; send it again"
        return Refusal(Reason.ENTRY_IN_FLIGHT, text, by_position=True)
    if qty == 0:
        return Nothing(Reason.NOTHING_TO_EXIT, f"{alert.action}: no position in {now_at.contract.name}")
    warnings: list[str] = []
    by = Measure(
        now_at.contract,
        Side.BUY if qty > 0 else Side.SELL,
        warnings,
        qty=abs(qty),
        reference=now_at.avg_price,
        atr_points=now_at.atr_points,
        atr_name=now_at.atr_name,
    )
    try:
        return Wanted(_moved(alert, by), tuple(warnings))
    except CannotHave as problem:
        return Refusal(problem.reason, problem.text, by_position=True)


def _moved(alert: Alert, by: Measure) -> Moved:
    match alert.action:
        case Action.MOVE_STOP:
            return MoveStop(price=_stop_price(alert, by))
        case Action.MOVE_TARGET:
            return MoveTarget(price=_target_price(alert, by))
        case Action.BREAKEVEN:
            return _break_even_now(alert, by)
        case Action.TRAIL_ON:
            if alert.trail is None:
                text = 'trail_on needs trail, e.g. "trail": {"distance": {"unit": "points", "value": 12}}'
                raise CannotHave(Reason.BAD_SIZE, text)
            return TrailOn(trail=trail_of(alert.trail, by))
        case _:
            return TrailOff()


def _stop_price(alert: Alert, by: Measure) -> Decimal:
    if alert.stop is None:
        raise CannotHave(Reason.BAD_PRICE, 'move_stop needs stop, e.g. "stop": {"unit": "price", "value": 21000}')
    if alert.stop.kind != "stop":
        raise CannotHave(Reason.NOT_SUPPORTED, f"move_stop with stop.kind {alert.stop.kind}: send trail_on")
    return _price(alert.stop.distance, "stop", by, is_stop=True)


def _target_price(alert: Alert, by: Measure) -> Decimal:
    if len(alert.targets) != 1:
        text = f"move_target with {len(alert.targets)} targets: it needs one, which all take profits go to"
        raise CannotHave(Reason.NOT_SUPPORTED, text)
    target = alert.targets[0]
    is_part = target.qty is not None or target.qty_ratio is not None or target.qty_pct not in {None, Decimal(100)}
    if is_part or target.then is not None:
        text = "move_target with qty, qty_pct, qty_ratio or then: not available, all take profits move"
        raise CannotHave(Reason.NOT_SUPPORTED, text)
    return _price(target.distance, "target", by, is_stop=False)


def _price(distance: Distance, name: str, by: Measure, *, is_stop: bool) -> Decimal:
    """A stop may lie on either side of the average price: it may lock in a profit. Where the market is, the engine knows."""
    is_above = (by.side is Side.SELL) is is_stop
    if distance.unit is Unit.PRICE:
        return price_on_grid(distance.value, name, by.contract, by.warnings, up=not is_above)
    if by.reference is None:
        raise CannotHave(
            Reason.BAD_PRICE, f"{name} in {distance.unit}: the position's average price is not known; give a price"
        )
    points = ticks_of(distance, name, by, least=1) * by.contract.tick_size
    level = by.reference + points if is_above else by.reference - points
    return exit_price(level, name, by, is_stop=is_stop)


def _break_even_now(alert: Alert, by: Measure) -> BreakEvenNow:
    spec = alert.breakeven
    if spec is None:
        return BreakEvenNow()
    if spec.trigger is not None:
        by.warnings.append("breakeven.trigger is not used by the action breakeven: it acts at once")
    return BreakEvenNow(offset_ticks=0 if spec.offset is None else ticks_of(spec.offset, "breakeven.offset", by))
