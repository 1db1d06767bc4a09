"""Messages of one moment as a walk from pair to pair. Pure.

Each message says from where to where its sender went. In whatever order they come, all of them together lead from where the
sender stood before to one place only.
"""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from itertools import chain

import msgspec

from desk.core.alert import PositionSide

__all__ = ["Pair", "Steps", "end_of"]


class Pair(msgspec.Struct, frozen=True):
    """market_position and market_position_size. size None: the message gave none."""

    side: PositionSide
    size: Decimal | None = None

    def matches(self, other: Pair) -> bool:
        return self.side is other.side and (self.size == other.size or self.size is None or other.size is None)

    def __str__(self) -> str:
        return str(self.side) if self.side is PositionSide.FLAT else f"{self.side} {self.size or ''}".rstrip()


Steps = tuple[tuple[Pair, Pair], ...]
"""From where to where, as they came."""


def end_of(base: Pair | None, steps: Steps) -> Pair | None:
    """Where all of the steps lead from ``base``; None: they are not one walk.

    A walk over all of them exists only if every place is left as often as it is reached, but for the last one: so the last
    one is the same for every such walk. base None: not known, and then the one place that is only left must be it.
    """
    known = [pair for pair in (base, *chain.from_iterable(steps)) if pair is not None]
    has_sizes = all(pair.size is not None for pair in known)
    places = [pair if has_sizes else Pair(pair.side) for pair in known]
    base = places.pop(0) if base is not None else None
    degree = Counter(places[1::2])
    degree.subtract(places[::2])
    if base is None:
        base = next((place for place, times in degree.items() if times < 0), None)
    if base is None:
        return None
    degree[base] += 1
    ends = [place for place, times in degree.items() if times]
    return ends[0] if len(ends) == 1 and degree[ends[0]] == 1 and _is_one_piece(base, places) else None


def _is_one_piece(base: Pair, places: list[Pair]) -> bool:
    """Whether every step can be reached from ``base``. places: start, end, start, end ..."""
    reached, left = {base}, [set(step) for step in zip(places[::2], places[1::2], strict=True)]
    while touching := [step for step in left if step & reached]:
        left = [step for step in left if not step & reached]
        reached |= set().union(*touching)
    return not left
