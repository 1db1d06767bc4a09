"""When a bar is final, and for how long the newest ones may be shown. Pure.

A bar is final when it closed ``SETTLED_S`` before it was read: the gateway may still change one that has just closed (reference
3.4). Where bars divide the hour their ends are known. Where longer bars open is not, and a holiday can make a day bar twice as
long, so those are final when a newer bar follows, or when so much time has passed that no holiday explains it.
"""

from __future__ import annotations

from dataclasses import dataclass

from desk.core.timeframe import Timeframe
from desk.market.bars import Bars

__all__ = ["SETTLED_S", "Tail", "final_before", "final_once_read", "grid"]

SETTLED_S = 30
_GRACE_S = 2  # a bar that closed so long ago is shown as closed, and read again once it is final
_LONGEST_HOLIDAY_S = 4 * 86_400


def final_before(timeframe: Timeframe, now: int) -> int:
    """Every bar that opened before this moment is final if it is read ``now``, those that do not exist included."""
    if timeframe.is_on_the_hour:
        return timeframe.opening(now - SETTLED_S)
    return now - SETTLED_S - timeframe.seconds - _LONGEST_HOLIDAY_S


def final_once_read(timeframe: Timeframe, now: int, bars: Bars) -> int:
    """The same, knowing all bars up to ``now``: a bar that another one follows closed before that one opened."""
    sure = final_before(timeframe, now)
    following = bars.ts[bars.ts <= now - SETTLED_S]
    if timeframe.is_on_the_hour or not len(following):
        return sure
    return max(sure, min(now - SETTLED_S - timeframe.seconds, int(following[-1])))


def grid(timeframe: Timeframe, at: int) -> int:
    """The opening of the bar in which ``at`` lies, where that is known."""
    return timeframe.opening(at) if timeframe.is_on_the_hour else at


@dataclass(frozen=True, slots=True)
class Tail:
    """Every bar that opened at or after ``start``, as of ``asked_at``. Epoch seconds; got_at: monotonic."""

    start: int
    bars: Bars
    asked_at: float
    got_at: float

    def is_fresh(
        self, timeframe: Timeframe, *, now: float, age_s: float, ttl_s: float, partial: bool, is_quiet: bool
    ) -> bool:
        """Whether it may be shown without reading it again.

        partial: with the forming bar. is_quiet: the exchange was shut when it was read and is shut now: no bar can end.
        """
        if is_quiet or not timeframe.is_on_the_hour:
            return age_s < ttl_s
        if partial:
            return age_s < ttl_s and not _has_ended(timeframe, self.asked_at, now)
        return not _has_ended(timeframe, self.asked_at - _GRACE_S, now - _GRACE_S) and not self._is_final_by(
            timeframe, now
        )

    def _is_final_by(self, timeframe: Timeframe, now: float) -> bool:
        """Whether a closed bar in it was young when it was read, and has become final since."""
        closed = self.bars.ts + timeframe.seconds <= self.asked_at
        return bool((closed & (self.bars.ts + timeframe.seconds + SETTLED_S <= now)).any())

    def is_still_forming(self, timeframe: Timeframe, now: float) -> bool:
        """Whether nothing but the age of the forming bar is wrong with it."""
        return timeframe.is_on_the_hour and not _has_ended(timeframe, self.asked_at, now)


def _has_ended(timeframe: Timeframe, before: float, now: float) -> bool:
    return before // timeframe.seconds != now // timeframe.seconds
