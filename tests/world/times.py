"""Time that stands still until it is moved, and an event loop that moves it to whatever is due next."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

START = datetime(2026, 11, 18, 12, tzinfo=UTC)
EQUAL_S = 1e-6  # timers that are no further apart are due together
T = TypeVar("T")


class ManualClock:
    """A clock of the runtime that shows what it was set to."""

    def __init__(self, start: datetime = START) -> None:
        self._start = start
        self.seconds = 0.0

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.seconds += seconds


class NothingIsDue(RuntimeError):
    """Everybody waits, and nothing will ever happen."""


class TimeLoop(asyncio.BaseEventLoop):
    """Runs what is ready in the order in which it became so, and never waits: when nothing is, the clock leaps to the next
    timer. What would be a thread runs at once."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self._clock = clock
        self.set_debug(False)

    def time(self) -> float:
        return self._clock.seconds

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]
        done: asyncio.Future[T] = self.create_future()
        done.set_result(func(*args))
        return done

    def _run_once(self) -> None:
        ready, timers = self._ready, self._scheduled  # type: ignore[attr-defined]
        if not ready:
            while timers and timers[0].cancelled():
                heapq.heappop(timers)._scheduled = False
            if not timers:
                raise NothingIsDue("no timer is left, and the run is not over")
            now = max(timers[0].when(), self._clock.seconds)
            self._clock.advance(now - self._clock.seconds)
            while timers and timers[0].when() <= now + EQUAL_S:
                timer = heapq.heappop(timers)
                timer._scheduled = False
                ready.append(timer)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle.cancelled():
                handle._run()

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """It is dropped when its time comes."""
