"""How far the gateway's clock is from ours, from the ``Date`` header of its replies.

The header has whole seconds, so one reply says only: the offset lies in an interval. Intervals of many replies overlap
in a narrow one.
"""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

__all__ = ["ClockOffset"]

_KEEP = 64


class ClockOffset:
    """``offset_s``: gateway minus ours, seconds; None before the first usable header."""

    def __init__(self) -> None:
        self._intervals: deque[tuple[float, float]] = deque(maxlen=_KEEP)
        self._within: tuple[float, float] | None = None  # where they overlap; read for every decision

    def observe(self, date_header: str | None, sent: datetime, received: datetime) -> None:
        """One reply, written by the gateway between ``sent`` and ``received`` (our clock, aware)."""
        if not date_header:
            return
        try:
            stamp = parsedate_to_datetime(date_header)
        except ValueError:
            return
        if stamp.tzinfo is None:
            stamp = stamp.replace(tzinfo=UTC)
        low = (stamp - received).total_seconds()
        high = (stamp - sent).total_seconds() + 1.0
        if self._within is not None and (low > self._within[1] or high < self._within[0]):
            self._intervals.clear()  # one of the clocks was set
        self._intervals.append((low, high))
        self._within = max(low for low, _ in self._intervals), min(high for _, high in self._intervals)

    @property
    def offset_s(self) -> float | None:
        return sum(self._within) / 2 if self._within is not None else None
