"""What an alert wants around a position: stop, targets, break-even, trailing (TradingView reference 11).

Every distance says its unit: points taken for ticks is a stop four times off (TradingView reference 6).
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from desk.alerts.sections import Fields
from desk.alerts.values import (
    Refusal,
    choice_of,
    contracts_of,
    is_missing,
    not_negative_of,
    positive_of,
    shown,
)
from desk.alerts.wire import Json
from desk.core.alert import BreakEvenSpec, Distance, StopSpec, TargetSpec, TrailSpec, Unit

__all__ = ["breakeven_of", "stop_of", "targets_of", "trail_of"]

_UNITS = tuple(unit.value for unit in Unit)
_STOP_KINDS = ("stop", "trailing_stop")
_THEN = ("breakeven", "stop_to_prev_target", "trail_on")
_MAX_TARGETS = 8
_Number = Callable[[str, object], Decimal | None]


def stop_of(value: Json, top: Fields) -> StopSpec | None:
    """The protective stop. Given without a value is refused: no entry loses its stop to an empty placeholder."""
    fields = top.object(value, "stop")
    if fields is None:
        return None
    distance = _distance(fields)
    kind = choice_of("stop.kind", fields.take("kind"), _STOP_KINDS) or "stop"
    fields.leave_rest()
    return StopSpec(distance=distance, kind=kind)


def targets_of(value: Json, top: Fields) -> tuple[TargetSpec, ...]:
    if is_missing(value):
        return ()
    if not isinstance(value, list) or len(value) > _MAX_TARGETS:
        raise Refusal(f"targets is {shown(value)}; a list of at most {_MAX_TARGETS} objects is wanted there.")
    targets = tuple(_target(item, f"targets[{index}]", top) for index, item in enumerate(value))
    if sum((target.qty_pct for target in targets if target.qty_pct is not None), Decimal(0)) > 100:
        raise Refusal("targets: qty_pct adds up to more than 100.")
    return targets


def _target(value: Json, path: str, top: Fields) -> TargetSpec:
    fields = top.object(value, path)
    if fields is None:
        raise Refusal(f"{path} is {shown(value)}; an object with unit and value is wanted there.")
    target = TargetSpec(
        distance=_distance(fields),
        qty=contracts_of(f"{path}.qty", fields.take("qty")),
        qty_pct=positive_of(f"{path}.qty_pct", fields.take("qty_pct")),
        qty_ratio=positive_of(f"{path}.qty_ratio", fields.take("qty_ratio")),
        then=choice_of(f"{path}.then", fields.take("then"), _THEN),
    )
    fields.leave_rest()
    if sum(part is not None for part in (target.qty, target.qty_pct, target.qty_ratio)) > 1:
        raise Refusal(f"{path}: give one of qty, qty_pct and qty_ratio, not several.")
    return target


def breakeven_of(value: Json, top: Fields, *, acts_at_once: bool) -> BreakEvenSpec | None:
    """``{"trigger", "offset"}``. acts_at_once: the action is breakeven, which needs no trigger."""
    fields = _wanted(value, "breakeven", top)
    if fields is None:
        return None
    spec = BreakEvenSpec(
        trigger=_inner(fields, "trigger", positive_of),
        offset=_inner(fields, "offset", not_negative_of),
    )
    fields.leave_rest()
    if spec.trigger is None and not acts_at_once:
        raise Refusal("breakeven.trigger is missing; it says how far in favour the market must be.")
    return spec


def trail_of(value: Json, top: Fields) -> TrailSpec | None:
    """``{"distance", "trigger", "step"}``."""
    fields = _wanted(value, "trail", top)
    if fields is None:
        return None
    trigger = _inner(fields, "trigger", not_negative_of)
    distance = _inner(fields, "distance", positive_of)
    step = _inner(fields, "step", positive_of)
    fields.leave_rest()
    if distance is None:
        raise Refusal("trail.distance is missing; it says how far behind the best price the stop follows.")
    return TrailSpec(distance=distance, trigger=trigger, step=step)


def _wanted(value: Json, path: str, top: Fields) -> Fields | None:
    """False, missing and an empty object mean: not wanted."""
    return None if value is False or value == {} else top.object(value, path)


def _inner(fields: Fields, name: str, number_of: _Number) -> Distance | None:
    inner = fields.inner(name)
    if inner is None:
        return None
    distance = _distance(inner, number_of)
    inner.leave_rest()
    return distance


def _distance(fields: Fields, number_of: _Number = positive_of) -> Distance:
    unit = choice_of(fields.path("unit"), fields.take("unit"), _UNITS)
    value = number_of(fields.path("value"), fields.take("value"))
    if unit is None:
        raise Refusal(f"{fields.path('unit')} is missing; allowed is one of: {', '.join(_UNITS)}.")
    if value is None:
        raise Refusal(f"{fields.path('value')} is missing (an empty placeholder?); a number above 0 is wanted there.")
    return Distance(unit=Unit(unit), value=value)
