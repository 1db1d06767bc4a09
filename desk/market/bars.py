"""Many bars as columns: exact, small, quick to cut. Pure.

Prices are whole *nano points* (a point is 1,000,000,000 of them): the gateway writes at most nine decimals (reference 3.1), so
nothing is rounded, whatever the tick.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from desk.core.words import Bar

__all__ = ["COLUMNS", "NANOS", "Bars", "Ints", "aggregated", "joined", "nanos_of", "price_of"]

Ints = NDArray[np.int64]
NANOS = 1_000_000_000
COLUMNS = ("ts", "open", "high", "low", "close", "volume")


@dataclass(frozen=True, slots=True, eq=False)
class Bars:
    """int64 (n,) each. ``ts``: epoch seconds of the opening, ascending, each once; prices in nano points; volume in contracts."""

    ts: Ints
    open: Ints
    high: Ints
    low: Ints
    close: Ints
    volume: Ints

    @classmethod
    def empty(cls) -> Bars:
        return cls(*(np.zeros(0, dtype=np.int64) for _ in COLUMNS))

    @classmethod
    def of(cls, bars: Iterable[Bar]) -> Bars:
        """In any order; of two with the same opening the later one counts."""
        by_time = {int(bar.ts_open.timestamp()): bar for bar in bars}
        rows = [
            (ts, nanos_of(bar.open), nanos_of(bar.high), nanos_of(bar.low), nanos_of(bar.close), bar.volume)
            for ts, bar in sorted(by_time.items())
        ]
        return cls(*np.array(rows, dtype=np.int64).reshape(-1, len(COLUMNS)).T.copy())

    def __len__(self) -> int:
        return len(self.ts)

    @property
    def nbytes(self) -> int:
        return len(self.ts) * 8 * len(COLUMNS)

    def cut(self, start: int, stop: int | None = None) -> Bars:
        """By place, as a list is sliced."""
        return Bars(*(getattr(self, name)[start:stop] for name in COLUMNS))

    def between(self, start: int, end: int) -> Bars:
        """Those that opened in ``start <= ts < end``, epoch seconds."""
        first, last = np.searchsorted(self.ts, (start, end), side="left")
        return self.cut(int(first), int(last))

    def newest(self, n: int) -> Bars:
        return self.cut(max(0, len(self) - n))

    def equals(self, other: Bars) -> bool:
        """Bar for bar and value for value."""
        return all(np.array_equal(getattr(self, name), getattr(other, name)) for name in COLUMNS)

    def rows(self) -> tuple[Bar, ...]:
        columns = (getattr(self, name).tolist() for name in COLUMNS)
        return tuple(
            Bar(
                ts_open=datetime.fromtimestamp(ts, UTC),
                open=price_of(opened),
                high=price_of(high),
                low=price_of(low),
                close=price_of(close),
                volume=volume,
            )
            for ts, opened, high, low, close, volume in zip(*columns, strict=True)
        )


def nanos_of(price: Decimal) -> int:
    """Raises ValueError for a price with more than nine decimals: no venue writes one."""
    scaled = price.scaleb(9)
    whole = int(scaled)
    if whole != scaled:
        raise ValueError(f"the price {price} has more than nine decimals")
    return whole


def price_of(nanos: int) -> Decimal:
    """Points, without trailing zeros behind the point."""
    whole, part = divmod(nanos, NANOS)
    return Decimal(whole) if part == 0 else Decimal(nanos).scaleb(-9).normalize()


def joined(*parts: Bars) -> Bars:
    """All bars in order; where two parts have the same opening, the later part counts."""
    filled = [part for part in parts if len(part)]
    if not filled:
        return Bars.empty()
    if all(before.ts[-1] < after.ts[0] for before, after in pairwise(filled)):
        return Bars(*(np.concatenate([getattr(part, name) for part in filled]) for name in COLUMNS))
    backwards = Bars(*(np.concatenate([getattr(part, name)[::-1] for part in filled[::-1]]) for name in COLUMNS))
    _, newest = np.unique(backwards.ts, return_index=True)
    return Bars(*(getattr(backwards, name)[newest] for name in COLUMNS))


def aggregated(bars: Bars, step_s: int) -> Bars:
    """Longer bars of shorter ones; ``step_s`` divides the hour and is a multiple of theirs. Exact where none is missing.

    The first and the last one are cut short where ``bars`` begin or end inside them: the caller asks for whole ones.
    """
    if not len(bars):
        return bars
    opened = bars.ts - bars.ts % step_s
    starts = np.flatnonzero(np.r_[True, np.diff(opened) != 0])
    ends = np.r_[starts[1:], len(opened)] - 1
    return Bars(
        opened[starts],
        bars.open[starts],
        np.maximum.reduceat(bars.high, starts),
        np.minimum.reduceat(bars.low, starts),
        bars.close[ends],
        np.add.reduceat(bars.volume, starts),
    )
