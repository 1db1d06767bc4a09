"""Bars of several contract months as one series. Pure. For looking and testing only: no such price was ever traded, so no
order may be derived from one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from desk.market.bars import Bars, joined

__all__ = ["How", "Stitched", "first_day_above", "stitch"]

How = Literal["none", "adjusted"]
_FAR_S = 5 * 86_400  # a weekend with holidays: what both months traded at before says nothing about the roll any more


@dataclass(frozen=True, slots=True)
class Stitched:
    """``shifts``: nano points added to each segment, oldest first; None: left out, the difference at a roll is not known.

    ``differences``: new minus old price at each roll; None: not known.
    """

    columns: Bars
    shifts: tuple[int | None, ...]
    differences: tuple[int | None, ...]


def stitch(segments: Sequence[Bars], rolls: Sequence[int], how: How) -> Stitched:
    """``segments[k]`` counts for ``rolls[k - 1] <= ts < rolls[k]``; so every opening stands there once.

    segments: whole contracts as far as they are known, oldest first; they overlap. rolls: epoch seconds, ascending, one less
    than segments. how: ``none`` leaves every price as it was traded, and the series jumps at a roll. ``adjusted`` moves each
    older segment by the difference of the two contracts at the roll (:func:`_difference`), in whole nano points: the newest is
    untouched, and what a price moved inside a segment stays. Older segments beyond an unknown difference are left out.
    """
    assert len(rolls) == max(0, len(segments) - 1), "a roll lies between two segments"
    differences = tuple(_difference(segments[k], segments[k + 1], at) for k, at in enumerate(rolls))
    shifts: list[int | None] = [0] * len(segments)
    if how == "adjusted":
        for k in reversed(range(len(rolls))):
            later, difference = shifts[k + 1], differences[k]
            shifts[k] = None if later is None or difference is None else later + difference
    edges = [-(2**62), *rolls, 2**62]
    parts = [
        _shifted(bars.between(edges[k], edges[k + 1]), shift)
        for k, bars in enumerate(segments)
        if (shift := shifts[k]) is not None
    ]
    return Stitched(joined(*parts), tuple(shifts), differences)


def first_day_above(old: Bars, new: Bars) -> int | None:
    """Opening of the first day bar in which the new month traded more than the old one; None: there is none.

    Only days that both months have are compared.
    """
    _, of_old, of_new = np.intersect1d(old.ts, new.ts, assume_unique=True, return_indices=True)
    above = np.flatnonzero(new.volume[of_new] > old.volume[of_old])
    return int(old.ts[of_old[above[0]]]) if len(above) else None


def _difference(old: Bars, new: Bars, roll: int) -> int | None:
    """New close minus old close in the last bar before the roll that both have, at most five days back."""
    before, after = old.between(roll - _FAR_S, roll), new.between(roll - _FAR_S, roll)
    _, of_old, of_new = np.intersect1d(before.ts, after.ts, assume_unique=True, return_indices=True)
    return int(after.close[of_new[-1]] - before.close[of_old[-1]]) if len(of_old) else None


def _shifted(bars: Bars, nanos: int) -> Bars:
    if nanos == 0:
        return bars
    return replace(bars, open=bars.open + nanos, high=bars.high + nanos, low=bars.low + nanos, close=bars.close + nanos)
