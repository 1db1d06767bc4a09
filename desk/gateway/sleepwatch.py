"""Whether the computer slept. Its monotonic time stands still meanwhile (Linux, macOS), so that every connection looks as young
as before; the gateway and the boxes on the way have forgotten it."""

from __future__ import annotations

import math

from desk.core.clock import Clock

__all__ = ["SLEEP_S", "SleepWatch"]

SLEEP_S = 30.0  # a shorter one, or a clock that was set by so much, outlives no connection


class SleepWatch:
    """Compares the two clocks each time it is asked."""

    def __init__(self, clock: Clock, least_s: float = SLEEP_S) -> None:
        self._clock = clock
        self._least_s = least_s
        self._ahead_s = math.inf

    def slept_s(self) -> float:
        """Seconds that it slept, or that its clock was set ahead, since this was last asked; 0 the first time."""
        before_s, self._ahead_s = self._ahead_s, self._clock.now().timestamp() - self._clock.monotonic()
        passed_s = self._ahead_s - before_s
        return passed_s if passed_s > self._least_s else 0.0
