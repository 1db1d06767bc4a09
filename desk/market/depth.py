"""A best-effort book out of depth rows. Pure.

The rules of the feed are documented nowhere (reference 5.3): use it as a hint. What is taken as sure:
* ``reset`` empties the book; trades, fills, session highs and lows are prints and no levels; unknown kinds are passed over.
* ``volume`` is what rests at the price, and a level with none is gone. ``current_volume`` is not read: nobody knows what it says.
* A best row says that its side has nothing better: what is better there is dropped, it had been missed.
* A level that would cross the other side replaces what it crosses there: the newer word counts, and the sides never cross.
* A level that nobody spoke of for ``STALE_S`` is dropped when something looks; a side keeps ``LEVELS`` levels, the best ones.
* Rows older than the newest reset, by their own time, are passed over; so are prices and volumes that cannot be.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from desk.market.tape import DepthKind, DepthRow

__all__ = ["LEVELS", "STALE_S", "DepthBook", "DepthTop", "Level"]

LEVELS = 50
STALE_S = 300.0

_BIDS = frozenset({DepthKind.BID, DepthKind.BEST_BID, DepthKind.NEW_BEST_BID})
_ASKS = frozenset({DepthKind.ASK, DepthKind.BEST_ASK, DepthKind.NEW_BEST_ASK})
_BEST = frozenset({DepthKind.BEST_BID, DepthKind.NEW_BEST_BID, DepthKind.BEST_ASK, DepthKind.NEW_BEST_ASK})


@dataclass(frozen=True, slots=True)
class Level:
    """price: points; qty: contracts; age_s: since the feed last spoke of it, on our clock."""

    price: Decimal
    qty: int
    age_s: float


@dataclass(frozen=True, slots=True)
class DepthTop:
    """Best first. age_s: since the newest row of the contract; None: there was none."""

    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    age_s: float | None


class DepthBook:
    """One contract's levels."""

    def __init__(self) -> None:
        self._bids: dict[Decimal, tuple[int, datetime]] = {}
        self._asks: dict[Decimal, tuple[int, datetime]] = {}
        self._reset_at: datetime | None = None
        self._heard: datetime | None = None

    def apply(self, row: DepthRow) -> None:
        if self._reset_at is not None and row.ts_event is not None and row.ts_event < self._reset_at:
            return
        self._heard = row.ts_recv
        if row.kind is DepthKind.RESET:
            self.clear()
            self._heard, self._reset_at = row.ts_recv, row.ts_event
        elif row.kind in _BIDS or row.kind in _ASKS:
            self._level(row)

    def clear(self) -> None:
        """The feed was lost: nothing is known."""
        self._bids.clear()
        self._asks.clear()
        self._reset_at = self._heard = None

    def top(self, n: int, now: datetime) -> DepthTop:
        """The best ``n`` levels of each side."""
        self._drop_stale(now)
        age_s = None if self._heard is None else max(0.0, (now - self._heard).total_seconds())
        return DepthTop(_best(self._bids, n, now, is_bid=True), _best(self._asks, n, now, is_bid=False), age_s)

    def _level(self, row: DepthRow) -> None:
        is_bid = row.kind in _BIDS
        mine, other = (self._bids, self._asks) if is_bid else (self._asks, self._bids)
        price = row.price
        if not price.is_finite() or row.volume < 0:
            return
        if row.volume == 0:
            mine.pop(price, None)
            return
        crossed = [one for one in other if (one <= price if is_bid else one >= price)]
        for one in crossed:
            del other[one]
        if row.kind in _BEST:
            for one in [one for one in mine if (one > price if is_bid else one < price)]:
                del mine[one]
        mine[price] = (row.volume, row.ts_recv)
        if len(mine) > LEVELS:
            del mine[min(mine) if is_bid else max(mine)]

    def _drop_stale(self, now: datetime) -> None:
        before = now - timedelta(seconds=STALE_S)
        for side in (self._bids, self._asks):
            for price in [price for price, (_, at) in side.items() if at < before]:
                del side[price]


def _best(side: dict[Decimal, tuple[int, datetime]], n: int, now: datetime, *, is_bid: bool) -> tuple[Level, ...]:
    prices = sorted(side, reverse=is_bid)[: max(0, n)]
    return tuple(Level(price, side[price][0], max(0.0, (now - side[price][1]).total_seconds())) for price in prices)
