"""The request limiter (reference 6.1): sliding windows, lanes, a reserve for exits. Own requests never meet a 429.

A slot is taken when a request is sent and freed one window *after its reply*: the gateway counted it somewhere in
between, so its window and ours can never disagree to our cost. Lanes share the general budget; what keeps an exit from
queueing behind an entry and an entry behind reads is that each lane must leave the reserves of the lanes above it. What an
exit needs grows with what is open, and so does its reserve.
History has a budget of its own.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import IntEnum

from desk.core.clock import Clock
from desk.core.errors import ConfigError, RateLimited

__all__ = ["Lane", "Limiter", "Pacer", "PacingConfig", "Ticket"]


class Lane(IntEnum):
    """Who goes first."""

    EXIT = 0  # cancel, close, protective stop, log in
    URGENT = 1  # what protection waits for: reads of exits and guards, modifies
    PLACE = 2
    READ = 3
    HISTORY = 4


@dataclass(frozen=True)
class PacingConfig:
    """Budgets and reserves, in requests; times in seconds.

    exit_reserve: requests of the general window that only exits may use, at least (:meth:`Pacer.keep_for_exits` raises it);
    place_reserve: that reads may not use; write_reserve: of the exits', that their own reads may not use: a close never
    waits behind what it was read for. exit_backoff_s: longest pause of the exit lanes after a 429 of their own.
    history_in_flight: at the same time.
    """

    general_limit: int = 200
    general_window_s: float = 60.0
    history_limit: int = 50
    history_window_s: float = 30.0
    exit_reserve: int = 30
    place_reserve: int = 20
    write_reserve: int = 15
    exit_backoff_s: float = 2.0
    history_in_flight: int = 8

    def __post_init__(self) -> None:
        """Raises ConfigError when no read could ever be sent."""
        if self.general_limit - self.exit_reserve - self.place_reserve < 1 or self.history_limit < 1:
            raise ConfigError("request budgets: the reserves leave nothing for reads")
        if not 0 <= self.write_reserve < self.general_limit:
            raise ConfigError("request budgets: write_reserve leaves nothing for the reads of an exit")
        if min(self.general_window_s, self.history_window_s) <= 0 or self.history_in_flight < 1:
            raise ConfigError("request budgets: windows and history_in_flight must be over 0")


@dataclass(eq=False)
class Ticket:
    """One request that was let through. ``done_s`` is when its reply came; None: in flight."""

    lane: Lane
    done_s: float | None = None


class _Window:
    """One budget: at most ``limit`` requests in any ``window_s`` seconds of the gateway's time."""

    def __init__(self, limit: int, window_s: float) -> None:
        self.limit = limit
        self.window_s = window_s
        self.in_flight = 0
        self._done: deque[float] = deque()  # times of replies, oldest first

    def used(self, now: float) -> int:
        while self._done and self._done[0] + self.window_s <= now:
            self._done.popleft()
        return self.in_flight + len(self._done)

    def finish(self, now: float) -> None:
        self.in_flight -= 1
        self._done.append(max(now, self._done[-1]) if self._done else now)

    def free_at(self, now: float, allowed: int) -> float:
        """When fewer than ``allowed`` slots are taken; ``inf``: not before something in flight ends."""
        excess = self.used(now) - allowed + 1
        if excess <= 0:
            return now
        return self._done[excess - 1] + self.window_s if excess <= len(self._done) else math.inf


class Pacer:
    """The decision, without waiting: times are handed in, in seconds of one monotonic clock."""

    def __init__(self, config: PacingConfig) -> None:
        self.config = config
        self._general = _Window(config.general_limit, config.general_window_s)
        self._history = _Window(config.history_limit, config.history_window_s)
        self._allowed = {
            Lane.EXIT: config.general_limit,
            Lane.URGENT: config.general_limit - config.write_reserve,
            Lane.HISTORY: config.history_limit,
        }
        self.keep_for_exits(0)
        self._paused_until = dict.fromkeys(Lane, -math.inf)
        self._exit_throttles = 0

    def keep_for_exits(self, requests: int) -> None:
        """What is open may need so many requests to get flat: entries and calm reads leave them. Reads keep a few at least."""
        config = self.config
        most = config.general_limit - config.place_reserve - 1
        shared = config.general_limit - min(max(config.exit_reserve, requests + config.write_reserve), most)
        self._allowed[Lane.PLACE] = shared
        self._allowed[Lane.READ] = shared - config.place_reserve

    def room_for_exits(self, now: float) -> int:
        """Requests that exits could send at this moment, and as many reads as they like among them."""
        return self._allowed[Lane.URGENT] - self._general.used(now)

    def ready_at(self, lane: Lane, now: float) -> float:
        """When this lane may send next: ``now`` = at once, ``inf`` = when a request in flight has ended."""
        window = self._window(lane)
        if lane is Lane.HISTORY and window.in_flight >= self.config.history_in_flight:
            return math.inf
        return max(now, self._paused_until[lane], window.free_at(now, self._allowed[lane]))

    def take(self, lane: Lane) -> Ticket:
        """A request leaves. Only after ``ready_at`` said now."""
        self._window(lane).in_flight += 1
        return Ticket(lane)

    def finish(self, ticket: Ticket, now: float, *, was_sent: bool = True) -> None:
        """Its reply came, or nothing ever will. ``was_sent`` False: it never left, the slot is free again."""
        if ticket.done_s is not None:
            return
        ticket.done_s = now
        window = self._window(ticket.lane)
        if was_sent:
            window.finish(now)
        else:
            window.in_flight -= 1

    def throttled(self, lane: Lane, now: float, retry_after_s: float) -> None:
        """A 429 came. Reads and entries pause for as long as it says; exits only for a short back-off of their own."""
        if lane is Lane.HISTORY:
            self._pause(Lane.HISTORY, now + retry_after_s)
            return
        self._pause(Lane.PLACE, now + retry_after_s)
        self._pause(Lane.READ, now + retry_after_s)
        if lane in {Lane.EXIT, Lane.URGENT}:
            self._exit_throttles += 1
            backoff_s = min(self.config.exit_backoff_s, 0.25 * 2 ** min(self._exit_throttles - 1, 10))
            self._pause(Lane.EXIT, now + min(backoff_s, retry_after_s))
            self._pause(Lane.URGENT, now + min(backoff_s, retry_after_s))

    def accepted(self, lane: Lane) -> None:
        """A reply that is not a 429."""
        if lane in {Lane.EXIT, Lane.URGENT}:
            self._exit_throttles = 0

    def used(self, now: float) -> tuple[int, int]:
        """Slots taken in the general and the history window."""
        return self._general.used(now), self._history.used(now)

    def _pause(self, lane: Lane, until: float) -> None:
        self._paused_until[lane] = max(self._paused_until[lane], until)

    def _window(self, lane: Lane) -> _Window:
        return self._history if lane is Lane.HISTORY else self._general


class Limiter:
    """Waits for the :class:`Pacer`. Fair within a lane; lanes never wait for each other, only for slots."""

    def __init__(self, config: PacingConfig, clock: Clock) -> None:
        self.pacer = Pacer(config)
        self._clock = clock
        self._turns = {lane: asyncio.Lock() for lane in Lane}
        self._freed = asyncio.Event()

    @asynccontextmanager
    async def slot(self, lane: Lane, max_wait_s: float) -> AsyncIterator[Ticket]:
        """Hold one slot for one request. Raises RateLimited, nothing sent, when it would take longer than
        ``max_wait_s``.

        Cancelling while waiting takes no slot. Mark the ticket through ``pacer.finish(..., was_sent=False)`` when
        the request never left.
        """
        ticket = await self._take(lane, max_wait_s)
        try:
            yield ticket
        finally:
            self.pacer.finish(ticket, self._clock.monotonic())
            self._freed.set()

    async def _take(self, lane: Lane, max_wait_s: float) -> Ticket:
        try:
            async with asyncio.timeout(max_wait_s), self._turns[lane]:
                give_up_at = self._clock.monotonic() + max_wait_s
                while True:
                    now = self._clock.monotonic()
                    ready_at = self.pacer.ready_at(lane, now)
                    if ready_at <= now:
                        return self.pacer.take(lane)
                    if math.isfinite(ready_at) and ready_at > give_up_at:
                        raise _too_long(lane, ready_at - now)
                    await self._wait(ready_at - now)
        except TimeoutError:
            raise _too_long(lane, max_wait_s) from None

    async def _wait(self, wait_s: float) -> None:
        """Until the time has come, or a slot may have become free."""
        self._freed.clear()
        try:
            async with asyncio.timeout(wait_s if math.isfinite(wait_s) else None):
                await self._freed.wait()
        except TimeoutError:
            pass  # the time has come


def _too_long(lane: Lane, wait_s: float) -> RateLimited:
    return RateLimited(
        f"no free slot in the {lane.name.lower()} lane: budget used up, or paused after a 429; not sent",
        retry_after_s=wait_s,
    )
