"""The exchange's hours as a mask over minutes, for ``--hours exchange`` (reference 6.4)."""

from datetime import UTC, datetime, timedelta

import numpy as np

from desk.sim.noise import Ints
from desk.sim.sessions import open_spans
from desk.sim.stream import Flags

_LOOK_BACK = timedelta(days=8)


class OpenMask:
    """The hours of one product group. Answers are pure; the spans behind them are cached by ``sessions``."""

    def __init__(self, group: str) -> None:
        self._group = group

    def __call__(self, minutes: Ints) -> Flags:
        """Whether the market is open in each minute, bool (n,)."""
        if not len(minutes):
            return np.zeros(0, dtype=np.bool_)
        spans = open_spans(self._group, _instant(int(minutes.min())), _instant(int(minutes.max()) + 1))
        if not spans:
            return np.zeros(len(minutes), dtype=np.bool_)
        starts = np.array([int(span.start.timestamp()) // 60 for span in spans])
        ends = np.array([int(span.end.timestamp()) // 60 for span in spans])
        place = np.searchsorted(starts, minutes, side="right") - 1
        result: Flags = (place >= 0) & (minutes < ends[np.maximum(place, 0)])
        return result

    def open_before(self, minute: int) -> int | None:
        """The newest open minute before this one, looked for over eight days."""
        spans = open_spans(self._group, _instant(minute) - _LOOK_BACK, _instant(minute))
        ends = [min(int(span.end.timestamp()) // 60, minute) for span in spans]
        return max(ends) - 1 if ends else None


def _instant(minute: int) -> datetime:
    return datetime.fromtimestamp(minute * 60, UTC)
