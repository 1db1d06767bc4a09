"""Price paths as a pure function of (seed, path name, time): hashed value noise in many octaves.

A path has one print every quarter second. Its value is a slow part, fixed at whole minutes and straight between
them, plus four fast octaves. Hashes are counted, not drawn, so any instant can be asked for in any order and gives
the same bits. Minutes are whole minutes since 1970-01-01 UTC; there are 240 prints in each.
"""

import hashlib
import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

PRINTS = 240
"""Prints per minute."""
PRINTS_PER_SECOND = 4
SLOW_MINUTES = (1, 5, 20, 60, 240, 720, 2880, 14400, 57600, 230400, 921600)
"""Periods of the slow octaves; each divides the next."""
FAST_PRINTS = (1, 4, 12, 60)
"""Periods of the fast octaves in prints; each divides a minute."""
ROUGHNESS = 1.27
"""Octave amplitude over (volatility times the root of its period); measured so that ranges come out right."""
_CALM_FROM = 864_000.0
_CHUNK = 512
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_M1, _M2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)


@lru_cache(maxsize=8192)
def key_of(*parts: object) -> np.uint64:
    """A 64-bit key from anything printable, the same on every machine."""
    digest = hashlib.sha256("|".join(map(str, parts)).encode()).digest()
    return np.uint64(int.from_bytes(digest[:8], "big"))


def uniform(key: np.uint64, counter: Ints) -> Floats:
    """splitmix64 of key and counter as float64 in [-1, 1)."""
    x = counter.astype(np.uint64)
    x *= _GOLDEN
    x += key
    x ^= x >> _S30
    x *= _M1
    x ^= x >> _S27
    x *= _M2
    x ^= x >> _S31
    result: Floats = (x >> _S11).astype(np.float64)
    result *= 2.0 / 9007199254740992.0
    result -= 1.0
    return result


@dataclass(frozen=True)
class Path:
    """One price path. ``price``: where it hovers; ``daily_pct``: usual standard deviation of a day's move."""

    seed: int
    name: str
    price: float
    daily_pct: float

    @property
    def _sigma(self) -> float:
        """Points per root of a second."""
        return self.price * self.daily_pct / 100 / math.sqrt(86_400)

    @property
    def reach(self) -> float:
        """The fast octaves never move a print further than this from the slow part."""
        return sum(self._amplitude(period / PRINTS_PER_SECOND) for period in FAST_PRINTS)

    def _amplitude(self, seconds: float) -> float:
        """Of the octave with this period; beyond ten days it grows no more, so prices stay near where they hover."""
        return ROUGHNESS * self._sigma * math.sqrt(min(seconds, _CALM_FROM))

    def knots(self, minutes: Ints) -> Floats:
        """The slow part at the start of each minute, float64 (n,)."""
        total = np.full(minutes.shape, self.price, dtype=np.float64)
        for period in SLOW_MINUTES:
            key = key_of(self.seed, self.name, "slow", period)
            cell, inside = np.divmod(minutes, period)
            share = inside / period
            share = share * share * (3.0 - 2.0 * share)
            low, high = uniform(key, np.concatenate((cell, cell + 1))).reshape(2, -1)
            total += self._amplitude(period * 60.0) * (low + (high - low) * share)
        return total

    def opens(self, minutes: Ints) -> Floats:
        """The first print of each minute, float64 (n,); bit for bit the first column of ``rows``."""
        total = self.knots(minutes)
        for period in reversed(FAST_PRINTS):
            key = key_of(self.seed, self.name, "fast", period)
            total += self._amplitude(period / PRINTS_PER_SECOND) * uniform(key, minutes * (PRINTS // period))
        return total

    def rows(self, minutes: Ints) -> Floats:
        """All prints of each minute, float64 (n, 240)."""
        result = np.empty((len(minutes), PRINTS))
        for start in range(0, len(minutes), _CHUNK):
            part = minutes[start : start + _CHUNK]
            result[start : start + len(part)] = self._rows(part)
        return result

    def extremes(self, minutes: Ints, every: int = 1) -> tuple[Floats, Floats]:
        """Highest and lowest of each minute over each ``every``-th print, float64 (n,), without keeping the prints."""
        high, low = np.empty(len(minutes)), np.empty(len(minutes))
        for start in range(0, len(minutes), _CHUNK):
            rows = self._rows(minutes[start : start + _CHUNK])[:, ::every]
            high[start : start + len(rows)] = rows.max(axis=1)
            low[start : start + len(rows)] = rows.min(axis=1)
        return high, low

    def _rows(self, minutes: Ints) -> Floats:
        count = len(minutes)
        if count == 1 or (np.diff(minutes) == 1).all():
            knots = self.knots(np.append(minutes, minutes[-1] + 1))
            low, high = knots[:-1], knots[1:]
        else:
            low, high = self.knots(minutes), self.knots(minutes + 1)
        total: Floats = low[:, None] + (high - low)[:, None] * (np.arange(PRINTS) / PRINTS)
        for period in reversed(FAST_PRINTS):
            cells = PRINTS // period
            key = key_of(self.seed, self.name, "fast", period)
            corners = minutes[:, None] * cells + np.arange(cells + (period > 1))
            values = self._amplitude(period / PRINTS_PER_SECOND) * uniform(key, corners)
            if period == 1:
                total += values
                continue
            left, right = values[:, :-1, None], values[:, 1:, None]
            total += (left + (right - left) * (np.arange(period) / period)).reshape(count, PRINTS)
        return total


def buyer_started(seed: int, symbol: str, indexes: Ints) -> npt.NDArray[np.bool_]:
    """Whether each print was an aggressive buy, bool (n,)."""
    return uniform(key_of(seed, symbol, "aggressor"), indexes) >= 0.0
