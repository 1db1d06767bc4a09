"""How long a bar is: ``15s``, ``5m``, ``4h``, ``1d``, ``1w``, ``1M``. Pure.

A small ``m`` is a minute, a capital ``M`` a month.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum

__all__ = ["BarUnit", "Timeframe", "parse_timeframe"]


class BarUnit(IntEnum):
    """AggregateBarUnit of the gateway (reference 4)."""

    S = 1
    M = 2
    H = 3
    D = 4
    W = 5
    MO = 6


_UNITS = {"s": BarUnit.S, "m": BarUnit.M, "h": BarUnit.H, "d": BarUnit.D, "w": BarUnit.W, "M": BarUnit.MO}
_SECONDS = {BarUnit.S: 1, BarUnit.M: 60, BarUnit.H: 3600, BarUnit.D: 86_400, BarUnit.W: 604_800, BarUnit.MO: 2_678_400}
_HOUR_S = 3600


@dataclass(frozen=True, slots=True)
class Timeframe:
    """Length of a bar. ``text`` is canonical and tells ``1m`` from ``1M``."""

    unit: BarUnit
    number: int
    text: str

    @property
    def seconds(self) -> int:
        """From one opening to the next; for days and longer the longest that it can be while the market is open."""
        return _SECONDS[self.unit] * self.number

    @property
    def step(self) -> timedelta:
        return timedelta(seconds=self.seconds)

    @property
    def is_intraday(self) -> bool:
        """Seconds, minutes or hours; days and longer follow the exchange's session."""
        return self.unit <= BarUnit.H

    @property
    def is_on_the_hour(self) -> bool:
        """Bars divide the hour, so their ends are known. Where longer ones open is not documented (reference 3.4)."""
        return self.is_intraday and _HOUR_S % self.seconds == 0

    def opening(self, at: int) -> int:
        """When the bar of an instant opened; epoch seconds. Only for bars that divide the hour."""
        assert self.is_on_the_hour, f"nobody knows where a bar of {self.text} opens"
        return at - at % self.seconds

    def __str__(self) -> str:
        return self.text


def parse_timeframe(text: str) -> Timeframe:
    """``30s``, ``5m``, ``1h``, ``4h``, ``1d``, ``1w``, ``1M``. Raises ValueError with examples."""
    match = re.fullmatch(r"([0-9]{1,3})([smhdwMSHDW])", text.strip(), re.ASCII)
    if match is None or int(match[1]) == 0:
        hint = ""
        if re.fullmatch(r"[0-9]+", text.strip(), re.ASCII):
            hint = f" Did you mean {text.strip()}m?"
        raise ValueError(
            f"{text[:20]!a} is not a timeframe.{hint} Write a number and s, m, h, d or w, such as 30s, 5m, 1h, 4h "
            "or 1d; a capital M is a month."
        )
    letter = match[2] if match[2] == "M" else match[2].lower()
    return Timeframe(_UNITS[letter], int(match[1]), f"{int(match[1])}{letter}")
