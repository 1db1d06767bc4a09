"""How far a market moves from bar to bar: the average true range. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_DOWN, Decimal
from itertools import pairwise

from desk.core.words import Bar

__all__ = ["average_true_range", "true_range"]

_STEP = Decimal("1e-8")  # of the mean; far below any tick


def true_range(bar: Bar, close_before: Decimal) -> Decimal:
    """The bar's reach, a gap since the close before it included. Points, never negative."""
    return max(bar.high, close_before) - min(bar.low, close_before)


def average_true_range(bars: Sequence[Bar], n: int) -> Decimal | None:
    """Simple mean of the newest ``n`` true ranges, in points, cut (not rounded up) to eight decimals.

    bars: closed ones, oldest first. None with fewer than ``n + 1``: each range needs the close before it.
    """
    assert n >= 1, "a mean needs a bar"
    if len(bars) <= n:
        return None
    newest = bars[-n - 1 :]
    total = sum((true_range(bar, before.close) for before, bar in pairwise(newest)), Decimal(0))
    return (total / n).quantize(_STEP, ROUND_DOWN)
