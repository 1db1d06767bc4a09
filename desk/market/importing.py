"""Whether the bars of a file may be taken over, and what they prove. Pure.

Wrong bars are worse than none: one bad row refuses the whole file. Only lengths that divide the hour can be checked, because
nobody documents when the gateway's longer bars open (gateway reference 3.4).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from desk.core.timeframe import Timeframe, parse_timeframe
from desk.market.bars import Bars, Ints, nanos_of
from desk.market.spans import Spans

__all__ = ["Checked", "Fault", "checked", "spacing_of", "stretches"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
_OFF_GRID = 1e-3  # of a tick: the noise of a float, even of one with 32 bits
_NAMED = 5
_MOST_TICKS = 2.0**52
_SETTLED_S = 30  # a bar is final when it closed so long ago


@dataclass(frozen=True, slots=True)
class Fault:
    """``row``: its number in the file, from 0."""

    row: int
    reason: str


@dataclass(frozen=True, slots=True)
class Checked:
    """``bars``: final ones, or none when there are ``faults`` (the first few of ``fault_count``).

    repeated: identical rows that stood there more than once. unfinished: newest rows whose bar is not final yet, left out.
    """

    bars: Bars
    faults: tuple[Fault, ...]
    fault_count: int
    repeated: int
    unfinished: int
    was_sorted: bool


def spacing_of(ts: Ints) -> Timeframe | None:
    """The length of the bars, from the smallest distance of two openings; None: fewer than two, or no length that is known."""
    steps = np.diff(np.unique(ts))
    if not len(steps):
        return None
    smallest = int(steps.min())
    for letter, length in (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)):
        if smallest % length == 0:
            return parse_timeframe(f"{smallest // length}{letter}") if smallest // length < 1000 else None
    return None


def checked(
    ts: Ints,
    prices: Floats,
    volume: Floats,
    tick_size: Decimal,
    timeframe: Timeframe,
    now_s: int,
    listed: tuple[int, int],
) -> Checked:
    """Every rule over every row.

    ts: openings, epoch seconds (n,); prices: points (4, n); volume (n,). tick_size: points. timeframe: divides the hour.
    listed: between which openings (epoch seconds) the contract can have traded.
    """
    tick = nanos_of(tick_size)
    ticks = prices / float(tick_size)
    with np.errstate(invalid="ignore"):
        whole = np.rint(ticks)
        is_price = (np.isfinite(ticks) & (np.abs(ticks) < _MOST_TICKS) & (np.abs(ticks - whole) <= _OFF_GRID)).all(
            axis=0
        )
        is_volume = np.isfinite(volume) & (volume >= 0) & (volume == np.floor(volume)) & (volume < 2.0**53)
    nanos = np.where(is_price, whole, 0).astype(np.int64) * tick
    opened, high, low, close = nanos
    at_close = ts + timeframe.seconds
    rules: list[tuple[Flags, str]] = [
        (np.logical_not(is_price), f"a price is not on the grid of {tick_size} points"),
        (is_price & ((low > np.minimum(opened, close)) | (high < np.maximum(opened, close))),
         "low <= open, close <= high is not so"),
        (~is_volume, "the volume is not a whole number of contracts"),
        (ts % timeframe.seconds != 0, f"no bar of {timeframe} opens then"),
        (ts > now_s, "it is in the future"),
        ((ts < listed[0]) | (ts >= listed[1]), f"the contract trades from {_day(listed[0])} to {_day(listed[1])}"),
    ]  # fmt: skip
    columns = np.stack([ts, *nanos, np.where(is_volume, volume, 0).astype(np.int64)])
    order = np.argsort(ts, kind="stable")
    columns = columns[:, order]
    is_again = np.r_[False, np.diff(columns[0]) == 0]
    is_same = np.r_[False, (columns[:, 1:] == columns[:, :-1]).all(axis=0)]
    differs = np.zeros(len(ts), dtype=bool)
    differs[order[is_again & ~is_same]] = True
    rules.append((differs, "another row of the same time says something else"))
    faults = sorted(
        (Fault(int(row), reason) for broken, reason in rules for row in np.flatnonzero(broken)[:_NAMED]),
        key=lambda fault: fault.row,
    )
    is_final = (at_close + _SETTLED_S <= now_s)[order]
    kept = columns[:, ~is_again & is_final] if not faults else columns[:, :0]
    return Checked(
        bars=Bars(*(np.ascontiguousarray(column) for column in kept)),
        faults=tuple(faults[:_NAMED]),
        fault_count=sum(int(broken.sum()) for broken, _ in rules),
        repeated=int((is_again & is_same).sum()),
        unfinished=int((~is_final & ~is_again).sum()),
        was_sorted=bool((np.diff(ts) >= 0).all()),
    )


def stretches(bars: Bars, step_s: int) -> Spans:
    """What a file proves to be known: the seconds of its bars, and not one more.

    Between two bars that do not follow each other nothing may have traded, or the file may lack it: nobody can tell, so the
    hole stays unknown and the gateway is asked for it.
    """
    if not len(bars):
        return ()
    breaks = np.flatnonzero(np.diff(bars.ts) != step_s) + 1
    first, last = np.r_[0, breaks], np.r_[breaks, len(bars)] - 1
    return tuple(zip(bars.ts[first].tolist(), (bars.ts[last] + step_s).tolist(), strict=True))


def _day(at: int) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}"
