"""One contract's prints, minute by minute: the price path with contracts per print, and nothing while the market is shut.

A *print* is a quarter second's trade (``noise.PRINTS`` in a minute); where no contracts changed hands there was none, and
the price only says where the market stands. Bars, fills and live events are all made of these same prints.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt

from desk.sim.noise import PRINTS, Floats, Ints, Path, key_of, uniform
from desk.sim.tempo import Tempo, business

Flags = npt.NDArray[np.bool_]


class Openings(Protocol):
    """A market's hours, minute by minute."""

    def __call__(self, minutes: Ints) -> Flags:
        """Whether it is open in each of these minutes (n,)."""

    def open_before(self, minute: int) -> int | None:
        """The newest open minute before this one."""


class Stream(Protocol):
    """What bars and market need of a source of prints; arrays are per minute (n,) or per print (n, 240)."""

    @property
    def reach(self) -> float:
        """No print is further than this from the straight line between the two knots around it."""

    def knots(self, minutes: Ints) -> Floats:
        """A rough price at the start of each minute."""

    def opens(self, minutes: Ints) -> Floats:
        """First print of each minute; anything where there is none."""

    def closes(self, minutes: Ints) -> Floats:
        """Last print of each minute; anything where there is none."""

    def extremes(self, minutes: Ints) -> tuple[Floats, Floats]:
        """Highest and lowest print of each minute; anything where there is none."""

    def rows(self, minutes: Ints) -> Floats:
        """Where the market stands in every quarter second."""

    def volumes(self, minutes: Ints) -> Ints:
        """Contracts of each minute; 0: no print."""

    def shares(self, minutes: Ints) -> Ints:
        """Contracts of each print; 0: no print."""

    def active_before(self, minute: int) -> int | None:
        """The newest minute with a print before this one; None: there never was one."""


@dataclass(frozen=True)
class Generated:
    """Prints of the seeded path. ``symbol`` makes the volumes, the path's own name the prices; mini and micro share it."""

    path: Path
    symbol: str
    tempo: Tempo
    is_open: Openings | None = None

    @property
    def reach(self) -> float:
        """As far as the fast octaves go."""
        return self.path.reach

    def knots(self, minutes: Ints) -> Floats:
        """The slow part of the path."""
        return self.path.knots(minutes)

    def opens(self, minutes: Ints) -> Floats:
        """The first print is that of the minute's first instant."""
        return self.path.opens(minutes)

    def closes(self, minutes: Ints) -> Floats:
        """The last one that moved."""
        result = np.empty(len(minutes))
        for start in range(0, len(minutes), 512):
            result[start : start + 512] = self.path.rows(minutes[start : start + 512])[:, -self.tempo.every]
        return result

    def extremes(self, minutes: Ints) -> tuple[Floats, Floats]:
        """Over the prints alone."""
        return self.path.extremes(minutes, self.tempo.every)

    def rows(self, minutes: Ints) -> Floats:
        """Between two prints the market stands where the earlier one left it."""
        every = self.tempo.every
        whole = self.path.rows(minutes)
        return whole if every == 1 else np.repeat(whole[:, ::every], every, axis=1)

    def volumes(self, minutes: Ints) -> Ints:
        """Busier in US hours, at least one contract per print, none while the market is shut."""
        least = PRINTS // self.tempo.every
        dice = uniform(self._volume_key, minutes)
        more = np.maximum(self.tempo.contracts * business(minutes) * (1.0 + 0.8 * dice) - least, 0.0)
        volumes: Ints = (least + more).astype(np.int64)
        return volumes if self.is_open is None else np.where(self.is_open(minutes), volumes, 0)

    def shares(self, minutes: Ints) -> Ints:
        """One contract for each print, the rest in uneven lots."""
        count = PRINTS // self.tempo.every
        volumes = self.volumes(minutes)
        places = minutes[:, None] * count + np.arange(count)
        weights = ((uniform(self._lot_key, places) + 1.0) * 8.0).astype(np.int64) ** 2 + 1
        until = np.zeros((len(minutes), count + 1), dtype=np.int64)
        np.cumsum(weights, axis=1, out=until[:, 1:])
        rest = np.maximum(volumes - count, 0)[:, None]
        lots = np.diff(rest * until // until[:, -1:], axis=1) + (volumes > 0)[:, None]
        result = np.zeros((len(minutes), PRINTS), dtype=np.int64)
        result[:, :: self.tempo.every] = lots
        return result

    def active_before(self, minute: int) -> int | None:
        """The one before, or the last before the market was shut."""
        return minute - 1 if self.is_open is None else self.is_open.open_before(minute)

    @cached_property
    def _volume_key(self) -> np.uint64:
        return key_of(self.path.seed, self.symbol, "volume")

    @cached_property
    def _lot_key(self) -> np.uint64:
        return key_of(self.path.seed, self.symbol, "lots")
