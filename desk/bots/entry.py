"""An entry as the alert asks for it: the order, its size, its stop, its stages and what is done with them later. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import msgspec

from desk.bots.config import BotConfig
from desk.bots.distances import Measure, exit_price, ticks_of
from desk.bots.order import order_terms
from desk.bots.sizes import Yardstick, needs_stop, position_limit, shares_of, size_of
from desk.bots.terms import check_terms
from desk.bots.words import CannotHave, Situation
from desk.core.alert import Alert, BreakEvenSpec, StopSpec, TargetSpec, TrailSpec, Unit
from desk.core.intents import BreakEven, Care, Enter, Stage, Then, Trail
from desk.core.words import Side
from desk.risk import Reason

__all__ = ["enter_of", "trail_of"]


def enter_of(
    alert: Alert,
    bot: BotConfig,
    now_at: Situation,
    side: Side,
    received: datetime,
    warnings: list[str],
    *,
    goal: int | None = None,
    held: int = 0,
) -> Enter:
    """goal: the position wanted afterwards, of which ``held`` is there; None: the alert's own size. Raises CannotHave."""
    alert = _with_the_bots_own(alert, bot, warnings)
    check_terms(alert, bot, now_at, has_goal=goal is not None)
    order = order_terms(alert, bot, now_at.contract, side, received, warnings)
    if now_at.symbol.delayed:  # in live mode that was refused just now
        warnings.append(f"{alert.symbol} is delayed data: taken in paper mode only")
    if alert.stop is None:
        text = 'an entry needs a stop, e.g. "stop": {"unit": "points", "value": 20}, or set one for the bot (STOP_LOSS_TICKS)'
        raise CannotHave(Reason.NO_STOP, text)
    by = Measure(
        now_at.contract,
        side,
        warnings,
        reference=order.reference,
        atr_points=now_at.atr_points,
        atr_name=now_at.atr_name,
    )
    yardstick = Yardstick(now_at.contract, None, order.reference, now_at.balance, abs(now_at.held))
    if needs_stop(alert, bot, goal):
        stop_ticks, stop_price, risk_ticks = _stop(alert.stop, by)
        qty = size_of(alert, bot, replace(yardstick, stop_ticks=risk_ticks), None, warnings)
    else:
        qty = size_of(alert, bot, yardstick, goal, warnings) - held
        stop_ticks, stop_price, risk_ticks = _stop(alert.stop, replace(by, qty=qty))
    by = replace(by, qty=qty, stop_ticks=risk_ticks)
    stages = _stages(alert, qty, by)
    return Enter(
        side=side,
        qty=qty,
        stop_ticks=stop_ticks,
        stages=stages,
        type=order.type,
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        trail_ticks=order.trail_ticks,
        touch_price=order.touch_price,
        is_stop_trailing=alert.stop.kind == "trailing_stop",
        care=_care(alert, by, stages, stop_price),
        max_position=position_limit(alert, bot),
        fresh_until=order.fresh_until,
        expires_at=order.expires_at,
    )


def _with_the_bots_own(alert: Alert, bot: BotConfig, warnings: list[str]) -> Alert:
    """Many senders know no stop. The bot's own stands in for what is missing, and never for what was sent."""
    if alert.stop is None and bot.stop is not None:
        warnings.append(f"no stop in the message: the bot's own, {bot.stop.value} {bot.stop.unit}")
        alert = msgspec.structs.replace(alert, stop=StopSpec(distance=bot.stop))
    if not alert.targets and bot.target is not None:
        warnings.append(f"no target in the message: the bot's own, {bot.target.value} {bot.target.unit}")
        alert = msgspec.structs.replace(alert, targets=(TargetSpec(distance=bot.target),))
    return alert


def _stop(stop: StopSpec, by: Measure) -> tuple[int | None, Decimal | None, int | None]:
    """(ticks from the fill, exact price, ticks that are at risk as far as known); one of the first two is None."""
    if stop.distance.unit is not Unit.PRICE:
        ticks = ticks_of(stop.distance, "stop", by)
        return ticks, None, ticks
    price = exit_price(stop.distance.value, "stop", by, is_stop=True)
    return None, price, _ticks_between(price, by)


def _ticks_between(price: Decimal, by: Measure) -> int | None:
    return None if by.reference is None else int(abs(by.reference - price) // by.contract.tick_size)


def _stages(alert: Alert, qty: int, by: Measure) -> tuple[Stage, ...]:
    """One for each target that gets contracts, and one without a target for those that are left."""
    shares = shares_of(alert.targets, qty, by.warnings)
    given = [
        (index, target, share) for index, (target, share) in enumerate(zip(alert.targets, shares, strict=True)) if share
    ]
    left = qty - sum(shares)
    stages = [
        _stage(f"targets[{index}]" if len(alert.targets) > 1 else "target", target, share, by)
        for index, target, share in given
    ]
    if stages and not left and stages[-1].then is not None:
        by.warnings.append(f"then {stages[-1].then} after the last target: nothing is left for it")
        stages[-1] = Stage(
            qty=stages[-1].qty, target_ticks=stages[-1].target_ticks, target_price=stages[-1].target_price
        )
    if stages and left:
        stages.append(Stage(qty=left))
    return tuple(stages)


def _stage(name: str, target: TargetSpec, qty: int, by: Measure) -> Stage:
    then = None if target.then is None else Then(target.then)
    if target.distance.unit is Unit.PRICE:
        return Stage(qty=qty, target_price=exit_price(target.distance.value, name, by, is_stop=False), then=then)
    return Stage(qty=qty, target_ticks=ticks_of(target.distance, name, by), then=then)


def _care(alert: Alert, by: Measure, stages: tuple[Stage, ...], stop_price: Decimal | None) -> Care:
    trail = None if alert.trail is None else trail_of(alert.trail, by, _trail_starts(alert.trail, by, stages))
    if trail is None and any(stage.then is Then.TRAIL_ON for stage in stages):
        raise CannotHave(Reason.BAD_SIZE, "targets: then trail_on needs trail, which says how far the stop follows")
    breakeven = None if alert.breakeven is None else _break_even(alert.breakeven, by)
    if alert.stop is not None and alert.stop.kind == "trailing_stop":
        asked = [
            (trail is not None, "trail"),
            (breakeven is not None, "breakeven"),
            (stop_price is not None, "a price"),
            (any(stage.then is not None for stage in stages), "targets.then"),
        ]
        names = [name for is_asked, name in asked if is_asked]
        if names:
            text = f"stop.kind trailing_stop with {', '.join(names)}: not available; the venue trails such a stop by itself"
            raise CannotHave(Reason.NOT_SUPPORTED, text)
    return Care(stop_price=stop_price, breakeven=breakeven, trail=trail)


def _break_even(spec: BreakEvenSpec, by: Measure) -> BreakEven:
    if spec.trigger is None:
        raise CannotHave(Reason.BAD_SIZE, "breakeven.trigger is missing; it says how far in favour the market must be")
    trigger = ticks_of(spec.trigger, "breakeven.trigger", by, least=1)
    offset = 0 if spec.offset is None else ticks_of(spec.offset, "breakeven.offset", by)
    if offset >= trigger:
        text = f"breakeven.offset {offset} ticks: must be less than its trigger, {trigger} ticks"
        raise CannotHave(Reason.BAD_SIZE, text)
    return BreakEven(trigger_ticks=trigger, offset_ticks=offset)


def trail_of(spec: TrailSpec, by: Measure, trigger_ticks: int | None = None) -> Trail:
    """trigger_ticks: where the alert gives no trigger; None: at once."""
    trigger = trigger_ticks or 0
    if spec.trigger is not None:
        trigger = ticks_of(spec.trigger, "trail.trigger", by)
    return Trail(
        distance_ticks=ticks_of(spec.distance, "trail.distance", by, least=1),
        trigger_ticks=trigger,
        step_ticks=1 if spec.step is None else ticks_of(spec.step, "trail.step", by, least=1),
    )


def _trail_starts(spec: TrailSpec, by: Measure, stages: tuple[Stage, ...]) -> int | None:
    """Trailing that a target turns on must not begin before it: without a trigger of its own it begins that far away."""
    for stage in stages:
        if stage.then is not Then.TRAIL_ON or spec.trigger is not None:
            continue
        ticks = stage.target_ticks if stage.target_price is None else _ticks_between(stage.target_price, by)
        if ticks is None:
            text = (
                "then trail_on after a target at a price: give trail.trigger, or price, so that its distance is known"
            )
            raise CannotHave(Reason.BAD_PRICE, text)
        return ticks
    return None
