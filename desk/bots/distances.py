"""Distances and prices of an alert, in every unit, as whole ticks and prices on the grid. Pure.

All of them are rounded towards the entry: never more risk, never more hope, than was asked for; a rounding that changes
something is said. Division is by ``//`` on exact products, so that no digit is lost on the way.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from desk.bots.words import CannotHave
from desk.core.alert import Distance, Unit
from desk.core.words import Contract, Side
from desk.risk import Reason

__all__ = ["Measure", "exit_price", "price_on_grid", "ticks_of"]

_BEYOND = Decimal(10) ** 13  # of any price or size; keeps the arithmetic exact


@dataclass(frozen=True, slots=True)
class Measure:
    """What distances are measured with. ``None``: not known, and what needs it is refused by name.

    side: of the entry, or of what opened the position. qty: contracts. reference: the price that the entry expects.
    stop_ticks: distance of the protective stop. atr_name: of which bars ``atr_points`` is made. warnings: added to.
    """

    contract: Contract
    side: Side
    warnings: list[str]
    qty: int | None = None
    reference: Decimal | None = None
    stop_ticks: int | None = None
    atr_points: Decimal | None = None
    atr_name: str = "ATR(14, 5m)"


def ticks_of(distance: Distance, name: str, by: Measure, least: int = 0) -> int:
    """Whole ticks, rounded down. least: fewer are refused. Raises CannotHave."""
    value = distance.value
    if not value.is_finite() or value < 0 or value > _BEYOND:
        raise CannotHave(Reason.BAD_SIZE, f"{name} {value} {distance.unit}: must be above 0")
    whole, per_tick = _shares(distance, name, by)
    ticks = int(whole // per_tick)
    text = f"{name} {value} {distance.unit} is {ticks} ticks ({ticks * by.contract.tick_size} points)"
    if distance.unit is Unit.ATR:
        text += f"; the {by.atr_name} is {by.atr_points} points"
    if ticks < least:
        raise CannotHave(Reason.BAD_SIZE, f"{text}; at least {least}")
    if whole % per_tick:
        by.warnings.append(text)
    return ticks


def _shares(distance: Distance, name: str, by: Measure) -> tuple[Decimal, Decimal]:
    """(what there is, what one tick takes of it)"""
    value, tick, tick_value = distance.value, by.contract.tick_size, by.contract.tick_value
    match distance.unit:
        case Unit.TICKS:
            return value, Decimal(1)
        case Unit.POINTS:
            return value, tick
        case Unit.USD:
            return value, tick_value
        case Unit.USD_TOTAL if by.qty is not None:
            return value, tick_value * by.qty
        case Unit.PCT if by.reference is not None:
            return value * by.reference, 100 * tick
        case Unit.ATR if by.atr_points is not None:
            return value * by.atr_points, tick
        case Unit.R if by.stop_ticks is not None:
            return value * by.stop_ticks, Decimal(1)
    raise CannotHave(*_why_not(distance.unit, name, by))


def _why_not(unit: Unit, name: str, by: Measure) -> tuple[Reason, str]:
    match unit:
        case Unit.PCT:
            return Reason.BAD_PRICE, f"{name} in pct needs a price to be a share of: give price, or order.price"
        case Unit.R:
            return Reason.BAD_PRICE, f"{name} in r needs the distance of a stop; it is not known here"
        case Unit.USD_TOTAL:
            return (
                Reason.NOT_SUPPORTED,
                f"{name} in usd_total needs a size that is known before it; give usd, points or ticks",
            )
        case Unit.ATR:
            text = f"{name} in atr: the {by.atr_name} of {by.contract.name} is not known yet"
            return (
                Reason.NO_ATR,
                f"{text}; its bars are read all the time: send it again later, or give points or ticks",
            )
        case _:
            return Reason.NOT_SUPPORTED, f"{name} in {unit}: not available here; give a distance, e.g. points or ticks"


def price_on_grid(price: Decimal, name: str, contract: Contract, warnings: list[str], *, up: bool) -> Decimal:
    """The price on the tick grid, rounded up or down."""
    if not price.is_finite() or not 0 < price <= _BEYOND:
        raise CannotHave(Reason.BAD_PRICE, f"{name} {price}: no price")
    mode = ROUND_CEILING if up else ROUND_FLOOR
    rounded = (price / contract.tick_size).to_integral_value(mode) * contract.tick_size
    if rounded <= 0:
        raise CannotHave(Reason.BAD_PRICE, f"{name} {price}: below one tick ({contract.tick_size})")
    if rounded != price:
        warnings.append(f"{name} {price} is not on the tick grid: {rounded}")
    return rounded


def exit_price(price: Decimal, name: str, by: Measure, *, is_stop: bool) -> Decimal:
    """The price of a stop or a target, on the grid. Where the entry's price is known it must lie on the right side of it."""
    is_above = (by.side is Side.SELL) is is_stop  # a short's stop and a long's target lie above the entry
    level = price_on_grid(price, name, by.contract, by.warnings, up=not is_above)
    if by.reference is not None and (level <= by.reference if is_above else level >= by.reference):
        side = "above" if is_above else "below"
        text = f"{name} {level} is on the wrong side: for a {by.side} it lies {side} the entry at {by.reference}"
        raise CannotHave(Reason.BAD_PRICE, text)
    return level
