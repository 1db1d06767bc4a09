"""A reply of many bars as columns: no Decimal is made for a price whose nano points a float names without doubt.

20,000 bars take 30 ms of a computer's time, so this runs in a thread.
"""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import numpy as np
from numpy.typing import NDArray

from desk.core.errors import ProtocolError
from desk.gateway.wire import WireBar, decode
from desk.market.bars import NANOS, Bars, Ints

__all__ = ["parse_bars"]

_EXACT_NANOS = (
    2.0**49
)  # 562,949 points: below, the two roundings of text -> float -> nanos stay under an eighth of a nano
_NOISE = 2.0**-51  # twice what they may leave behind, as a share: more is a price with more than nine decimals


class _Row(msgspec.Struct, frozen=True, gc=False):
    t: datetime
    o: float
    h: float
    l: float  # noqa: E741 - the wire's name
    c: float
    v: int


_rows = msgspec.json.Decoder(list[_Row])
_exact_rows = msgspec.json.Decoder(list[WireBar])


def parse_bars(data: bytes) -> Bars:
    """The list of retrieveBars (reference 3.4) in any order; of two rows with one time the first counts, it is the newer.

    Raises ProtocolError for what is no list of bars, a high under its low, a volume below zero, and what fits no column.
    """
    try:
        bars = _columns(data)
    except (OverflowError, ValueError) as exc:
        raise ProtocolError(f"bars: {exc}", data[:1000]) from exc
    if len(bars) and ((bars.high < bars.low).any() or (bars.volume < 0).any()):
        bad = int(np.flatnonzero((bars.high < bars.low) | (bars.volume < 0))[0])
        raise ProtocolError(f"bars: the one of {bars.ts[bad]} (epoch) has a high under its low, or a volume below zero")
    return bars


def _columns(data: bytes) -> Bars:
    rows = decode(data, _rows)
    if not rows:
        return Bars.empty()
    prices = np.empty((4, len(rows)))  # column by column: one call for all would keep the loop's thread out for 10 ms
    prices[0] = [row.o for row in rows]
    prices[1] = [row.h for row in rows]
    prices[2] = [row.l for row in rows]
    prices[3] = [row.c for row in rows]
    nanos = _nanos(prices)
    if nanos is None:
        exact: list[WireBar] = decode(data, _exact_rows)
        return Bars.of(row.to_core() for row in exact[::-1])
    times = np.array([_epoch(row.t) for row in rows], dtype=np.int64)
    volume = np.array([row.v for row in rows], dtype=np.int64)
    ts, newest = np.unique(times, return_index=True)
    opened, high, low, close = nanos[:, newest]
    return Bars(ts, opened, high, low, close, volume[newest])


def _nanos(prices: NDArray[np.float64]) -> Ints | None:
    """None: some price is too large, or has more than nine decimals; only its text can tell what it is."""
    if not (np.abs(prices) < _EXACT_NANOS / NANOS).all():
        return None
    scaled = prices * NANOS
    whole = np.rint(scaled)
    if (np.abs(scaled - whole) > np.abs(scaled) * _NOISE).any():
        return None
    return whole.astype(np.int64)


def _epoch(at: datetime) -> int:
    """A time without an offset is taken as UTC: the gateway has no other zone (reference 3.1)."""
    return int((at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp())
