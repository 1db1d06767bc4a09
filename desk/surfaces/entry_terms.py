"""The terms of an entry as a person writes them: stop, targets, break-even, trailing, until when. Pure.

Every entry needs a stop; without one the refusal explains what to write, nothing is traded naked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from desk.core.alert import PositionSide
from desk.core.intents import BreakEven, Care, Enter, Stage, Trail
from desk.core.words import Contract, OrderType, Side
from desk.surfaces.amounts import Ranging, Where, read_qty, read_span, read_ticks, read_where, shown
from desk.surfaces.arguments import Arguments
from desk.surfaces.calls import BadCall
from desk.surfaces.show import price_text

__all__ = ["ENTRY_OPTIONS", "Scene", "write_entry"]

FRESH_FOR = timedelta(seconds=15)  # what a person wants now is not sent later
ENTRY_OPTIONS = ("stop", "target", "be", "trail", "expire", "account")


@dataclass(frozen=True, slots=True)
class Scene:
    """What a ticket is written for: the contract, what is held of it (signed), the most that may be, the time, its range."""

    contract: Contract
    held: int
    max_position: int
    now: datetime
    ranging: Ranging = field(default_factory=Ranging)

    @property
    def side_held(self) -> PositionSide:
        return PositionSide.LONG if self.held > 0 else PositionSide.SHORT


def write_entry(
    scene: Scene,
    asked: Arguments,
    side: Side,
    qty: int,
    *,
    type: OrderType = OrderType.MARKET,  # noqa: A002 - the order's own word
    limit_price: Decimal | None = None,
    stop_price: Decimal | None = None,
    trail_ticks: int | None = None,
    touch_price: Decimal | None = None,
    stop: Where | None = None,
    target: Where | None = None,
) -> Enter:
    """stop, target: what the form itself says; else the options do."""
    for name, given in (("stop", stop), ("target", target)):
        if given is not None and name in asked.options:
            raise BadCall(f"{name}= and the form's own {name} both stand there: which one is meant?")
    stop = stop or _stop_option(scene, asked)
    stages = _stages(scene, asked, qty) if target is None else (_stage(qty, target),)
    entry = next((price for price in (limit_price, stop_price, touch_price) if price is not None), None)
    _check_sides(scene.contract, side, entry, stop, stages)
    expire = read_span(asked.options["expire"], "expire") if "expire" in asked.options else None
    return Enter(
        side=side,
        qty=qty,
        stop_ticks=stop.ticks,
        stages=stages,
        type=type,
        limit_price=limit_price,
        stop_price=stop_price,
        trail_ticks=trail_ticks,
        touch_price=touch_price,
        care=Care(stop_price=stop.price, breakeven=_breakeven(scene, asked), trail=_trailing(scene, asked)),
        max_position=scene.max_position,
        fresh_until=scene.now + FRESH_FOR,
        expires_at=None if expire is None else scene.now + expire,
    )


def _stop_option(scene: Scene, asked: Arguments) -> Where:
    if "stop" not in asked.options:
        raise BadCall(
            "an entry needs a protective stop, and none is given. Add stop=80 (ticks), stop=20p (points), stop=2atr "
            f"or stop=@PRICE. Write {asked.usage}"
        )
    return read_where(asked.options["stop"], scene.contract, "stop", scene.ranging)


def _stages(scene: Scene, asked: Arguments, qty: int) -> tuple[Stage, ...]:
    """``40``; ``40,80``: the quantity is split evenly, the first ones get the rest; ``40:1,80:1``; ``none``: no target."""
    if "target" not in asked.options:
        return ()
    parts = [part.partition(":") for part in asked.options["target"].split(",")]
    if len(parts) > qty:
        raise BadCall(f"{len(parts)} targets need at least as many contracts, and the quantity is {qty}")
    has_sizes = {bool(colon) for _, colon, _ in parts}
    if len(has_sizes) > 1:
        raise BadCall("give every target its quantity, or none of them: target=40,80 or target=40:1,80:1,none:1")
    each, rest = divmod(qty, len(parts))
    sizes = [each + (i < rest) for i in range(len(parts))]
    if has_sizes == {True}:
        sizes = [read_qty(size, "quantity of a target") for _, _, size in parts]
        if sum(sizes) != qty:
            raise BadCall(f"the targets take {sum(sizes)} contracts, the quantity is {qty}. For a rest without: none:1")
    wheres = [
        Where() if text.lower() == "none" else read_where(text, scene.contract, "target", scene.ranging)
        for text, _, _ in parts
    ]
    return tuple(_stage(size, where) for size, where in zip(sizes, wheres, strict=True))


def _stage(qty: int, where: Where) -> Stage:
    return Stage(qty=qty, target_ticks=where.ticks, target_price=where.price)


def _breakeven(scene: Scene, asked: Arguments) -> BreakEven | None:
    """``be=40`` or ``be=40:4``: trigger and what the stop then keeps in favour."""
    if "be" not in asked.options:
        return None
    trigger, *rest = _numbers(scene, asked, "be", "TRIGGER[:OFFSET]", (1, 0))
    offset = rest[0] if rest else 0
    if offset >= trigger:
        raise BadCall(f"be: the stop cannot go {offset} ticks in favour when the market is only {trigger} there")
    return BreakEven(trigger_ticks=trigger, offset_ticks=offset)


def _trailing(scene: Scene, asked: Arguments) -> Trail | None:
    if "trail" not in asked.options:
        return None
    distance, *rest = _numbers(scene, asked, "trail", "DISTANCE[:TRIGGER[:STEP]]", (1, 0, 1))
    trigger, step = (*rest, *(0, 1)[len(rest) :])
    return Trail(distance_ticks=distance, trigger_ticks=trigger, step_ticks=step)


def _numbers(scene: Scene, asked: Arguments, name: str, form: str, leasts: tuple[int, ...]) -> list[int]:
    texts = asked.options[name].split(":")
    if len(texts) > len(leasts):
        raise BadCall(f"{name}={shown(asked.options[name])}: write {name}={form}")
    return [
        read_ticks(text, scene.contract, name, least=least, ranging=scene.ranging)
        for text, least in zip(texts, leasts, strict=False)
    ]


def _check_sides(contract: Contract, side: Side, entry: Decimal | None, stop: Where, stages: tuple[Stage, ...]) -> None:
    """Exact prices lie on their side of the entry, and of each other where the entry's price is not known yet."""
    below, above = ("below", "above") if side is Side.BUY else ("above", "below")
    if entry is not None and stop.price is not None and (entry - stop.price) * side.sign <= 0:
        raise BadCall(
            f"the stop {price_text(stop.price, contract)} of a {side} has to lie {below} the entry {price_text(entry, contract)}"
        )
    for target in (stage.target_price for stage in stages):
        if target is None:
            continue
        if entry is not None and (target - entry) * side.sign <= 0:
            raise BadCall(
                f"the target {price_text(target, contract)} of a {side} has to lie {above} "
                f"the entry {price_text(entry, contract)}"
            )
        if stop.price is not None and (target - stop.price) * side.sign <= 0:
            raise BadCall(
                f"stop {price_text(stop.price, contract)} and target {price_text(target, contract)}: "
                f"a {side} has its stop {below} its target"
            )
