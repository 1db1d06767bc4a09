"""A ten-level book that follows the quote, as rows of GatewayDepth (reference 5.3 and 4, DomType).

Book rules are documented nowhere. SIM: ``volume`` and ``currentVolume`` both say what rests at the level after the
change, 0 when the level is gone; a subscriber first gets a Reset row and all levels; levels that pass are taken off.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

LEVELS = 10
ASK, BID, BEST_ASK, BEST_BID, TRADE, RESET, LOW, HIGH, NEW_BEST_BID, NEW_BEST_ASK = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10


@dataclass
class _Side:
    """Ten levels outwards from ``best``; ``outward`` is -1 for bids. Row types: usual, best, new best."""

    outward: int
    usual: int
    at_best: int
    new_best: int
    best: int = 0
    sizes: dict[int, int] = field(default_factory=dict)

    def type_of(self, ticks: int) -> int:
        return self.at_best if ticks == self.best else self.usual


class Book:
    """Both sides in ticks. Every method gives row texts; ``text_of`` writes a price, ``row_of`` a whole row."""

    def __init__(self, dice: random.Random, row_of: Callable[[int, int, int], str]) -> None:
        self._dice = dice
        self._row = row_of
        self._bids = _Side(-1, BID, BEST_BID, NEW_BEST_BID)
        self._asks = _Side(1, ASK, BEST_ASK, NEW_BEST_ASK)

    def levels(self) -> tuple[dict[int, int], dict[int, int]]:
        """Bids and asks: ticks to contracts."""
        return dict(self._bids.sizes), dict(self._asks.sizes)

    def snapshot(self) -> list[str]:
        """Reset, then every level, best first."""
        rows = [self._row(RESET, 0, 0)]
        for side in (self._bids, self._asks):
            levels = sorted(side.sizes, reverse=side.outward < 0)
            rows += [self._row(side.type_of(ticks), ticks, side.sizes[ticks]) for ticks in levels]
        return rows

    def move(self, bid: int, ask: int) -> list[str]:
        """Follow the quote; nothing when it stands. Levels that go come first, so the sides never cross."""
        moved = [(side, to) for side, to in ((self._bids, bid), (self._asks, ask)) if side.best != to]
        kept = {id(side): range(to, to + side.outward * LEVELS, side.outward) for side, to in moved}
        rows: list[str] = []
        for side, _ in moved:
            for ticks in [old for old in side.sizes if old not in kept[id(side)]]:
                del side.sizes[ticks]
                rows.append(self._row(side.usual, ticks, 0))
        for side, to in moved:
            side.best = to
            for ticks in kept[id(side)]:
                known = side.sizes.get(ticks)
                if known is None:
                    side.sizes[ticks] = self._size(abs(ticks - to))
                if ticks == to:
                    rows.append(self._row(side.new_best, ticks, side.sizes[ticks]))
                elif known is None:
                    rows.append(self._row(side.usual, ticks, side.sizes[ticks]))
        return rows

    def change(self) -> str:
        """One level, mostly near the market, gets another size."""
        dice = self._dice
        side = self._bids if dice.random() < 0.5 else self._asks
        away = min(int(dice.expovariate(0.5)), LEVELS - 1)
        ticks = side.best + side.outward * away
        side.sizes[ticks] = size = self._size(away)
        return self._row(side.type_of(ticks), ticks, size)

    def _size(self, away: int) -> int:
        return 1 + int(self._dice.random() * (6 + 4 * away))
