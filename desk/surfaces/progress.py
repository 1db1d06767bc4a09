"""How far a long fetch is, as one line. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from desk.surfaces.calls import Caller

if TYPE_CHECKING:
    from desk.runtime.tiers import Progress as Fetched

__all__ = ["Progress", "progress_line"]

_BAR_WIDTH = 24


@dataclass(slots=True)
class Progress:
    """``name``: what is fetched. ``began``: monotonic seconds. ``has_end``: it will tell how far it is. ``newest``: what it
    said last.
    """

    name: str
    began: float
    has_end: bool = False
    newest: Fetched | None = None

    def told(self, newest: Fetched) -> None:
        self.newest = newest


def progress_line(progress: Progress, now: float, caller: Caller) -> str:
    """``MNQZ6 1m  [######------]  52 %  12,345 bars  3 s  Ctrl-C stops``; without a share where nobody knows one."""
    newest, seconds = progress.newest, max(0.0, now - progress.began)
    parts = [progress.name]
    if progress.has_end or newest is not None:
        share = 0.0
        if newest is not None and newest.wanted_s > 0:
            share = min(1.0, max(0.0, newest.fetched_s / newest.wanted_s))
        full, empty = ("#", "-") if caller.is_ascii else ("█", "░")
        done = round(share * _BAR_WIDTH)
        parts += [full * done + empty * (_BAR_WIDTH - done), f"{share:4.0%}", f"{newest.bars if newest else 0:,} bars"]
    return "  ".join([*parts, f"{seconds:.0f} s", "Ctrl-C stops"])
