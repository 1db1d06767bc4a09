"""Numbers as people type them: quantities, prices on the grid, distances, spans of time, order ids.

Pure, and total: whatever is typed gives a number within its range or a ``BadCall`` that says what to write instead.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from desk.core.ids import GatewayOrderId
from desk.core.words import Contract
from desk.surfaces.calls import BadCall, whole_number
from desk.surfaces.show import price_text

__all__ = [
    "MOST_QTY",
    "Ranging",
    "Where",
    "has_decimal_point",
    "is_distance",
    "names_atr",
    "read_order_id",
    "read_price",
    "read_qty",
    "read_span",
    "read_ticks",
    "read_where",
    "shown",
]

MOST_QTY = 1_000
MOST_TICKS = 100_000
MOST_PRICE = Decimal(10_000_000)
LONGEST_SPAN = timedelta(days=7)
_NUMBER = re.compile(r"(?:[0-9]{1,9}(?:\.[0-9]{0,9})?|\.[0-9]{1,9})", re.ASCII)
_SPAN = re.compile(r"([0-9]{1,7})([smhd]?)", re.ASCII)
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True, slots=True)
class Where:
    """A stop or a target: ``ticks`` from the fill, or an exact ``price``. Exactly one of the two."""

    ticks: int | None = None
    price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Ranging:
    """What ``2atr`` is measured with. points: None while it is not known. said: what became of each, added to."""

    points: Decimal | None = None
    name: str = "ATR(14, 5m)"
    said: list[str] = field(default_factory=list)


def names_atr(text: str) -> bool:
    """Whether a distance in average true ranges is asked for."""
    return "atr" in text.lower()


def is_distance(text: str) -> bool:
    """Whether the unit of a distance stands at its end."""
    return text.lower().endswith(("p", "t", "atr"))


def shown(text: str) -> str:
    """What was typed, short enough for a sentence and without anything that moves a cursor."""
    return ascii(text if len(text) <= 30 else text[:30] + "...")


def has_decimal_point(text: str) -> bool:
    return "." in text


def read_qty(text: str, name: str = "quantity") -> int:
    qty = whole_number(text, MOST_QTY)
    if qty is None or not text.isascii():
        raise BadCall(f"{name} {shown(text)}: write whole contracts from 1 to {MOST_QTY:,}")
    return qty


def read_price(text: str, contract: Contract, name: str = "price") -> Decimal:
    """A price above zero on the contract's grid."""
    price = _number(text)
    if price is None or not 0 < price <= MOST_PRICE:
        raise BadCall(f"{name} {shown(text)}: write a price of {contract.name} as a number above 0, without commas")
    if not contract.is_on_grid(price):
        raise BadCall(
            f"{name} {shown(text)} is off the grid of {contract.name} (tick {contract.tick_size:f}): "
            f"the nearest prices are {_beside(contract, price)}"
        )
    return price


def read_ticks(
    text: str, contract: Contract, name: str, *, least: int = 1, ranging: Ranging | None = None, is_points: bool = False
) -> int:
    """A distance: ``80`` or ``80t`` in ticks, ``20p`` in points, which must be whole ticks, ``1.5atr`` rounded down to them.

    is_points: a bare number is in points.
    """
    if text.lower().endswith("atr"):
        return _in_range(_ranged(text, contract, name, ranging or Ranging()), text, name, least)
    has_unit = text[-1:].lower() in {"p", "t"}
    unit = text[-1].lower() if has_unit else "p" if is_points else "t"
    number = _number(text[:-1] if has_unit else text)
    if number is None:
        forms = "20 for points or 80t for ticks" if is_points else "80 for ticks or 20p for points"
        raise BadCall(f"{name} {shown(text)}: write a distance, {forms}")
    if unit != "p" and number != number.to_integral_value():
        raise BadCall(f"{name} {shown(text)}: ticks are whole; for points write {number:f}p")
    points = number if unit == "p" else number * contract.tick_size
    if unit == "p" and not contract.is_on_grid(points):
        beside = _beside(contract, points, "p")
        raise BadCall(f"{name} {shown(text)} is no whole number of ticks of {contract.tick_size:f}: write {beside}")
    return _in_range(int(points / contract.tick_size), text, name, least)


def _in_range(ticks: int, text: str, name: str, least: int) -> int:
    if not least <= ticks <= MOST_TICKS:
        raise BadCall(f"{name} {shown(text)}: from {least} to {MOST_TICKS:,} ticks")
    return ticks


def _ranged(text: str, contract: Contract, name: str, ranging: Ranging) -> int:
    """Ticks of so many average true ranges, as an alert's ``atr`` is rounded: never more than was asked for."""
    number = _number(text[:-3])
    if number is None:
        raise BadCall(f"{name} {shown(text)}: write a multiple of the average true range, such as 1.5atr")
    if ranging.points is None:
        raise BadCall(
            f"{name} {shown(text)}: the {ranging.name} of {contract.name} is not known yet. Try again in a moment, "
            "or write ticks (80) or points (20p)"
        )
    ticks = int(number * ranging.points // contract.tick_size)
    points = price_text(ticks * contract.tick_size, contract)
    ranging.said.append(
        f"{name} {text.lower()} is {ticks} ticks ({points} points), the {ranging.name} is {ranging.points.normalize():f}"
    )
    return ticks


def read_where(text: str, contract: Contract, name: str, ranging: Ranging | None = None) -> Where:
    """``80`` ticks, ``20p`` points, ``1.5atr`` ranges, ``@21000.25`` the exact price."""
    if text.startswith("@"):
        return Where(price=read_price(text[1:], contract, name))
    return Where(ticks=read_ticks(text, contract, name, ranging=ranging))


def read_span(text: str, name: str) -> timedelta:
    """``90`` or ``90s`` seconds, ``15m``, ``2h``."""
    match = _SPAN.fullmatch(text.lower())
    span = timedelta(seconds=int(match[1]) * _SECONDS[match[2]]) if match else timedelta(0)
    if not timedelta(0) < span <= LONGEST_SPAN:
        raise BadCall(f"{name} {shown(text)}: write 90 for seconds, 15m or 2h; at most {LONGEST_SPAN.days} days")
    return span


def read_order_id(text: str) -> GatewayOrderId:
    number = whole_number(text.removeprefix("#"), 2**63 - 1)
    if number is None:
        raise BadCall(f"{shown(text)} is not an order id. orders shows them in its first column")
    return GatewayOrderId(number)


def _number(text: str) -> Decimal | None:
    """Plain digits with at most one point; everything else (NaN, signs, exponents, commas) is no number here."""
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def _beside(contract: Contract, price: Decimal, unit: str = "") -> str:
    """The valid values below and above one that is off the grid."""
    below, above = (
        (price / contract.tick_size).to_integral_value(way) * contract.tick_size for way in (ROUND_FLOOR, ROUND_CEILING)
    )
    words = [price_text(value, contract) + unit for value in (below, above) if value > 0]
    return " or ".join(words)
