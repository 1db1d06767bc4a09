"""How a hub connection fares and how long to wait before the next one (reference 5.5). Pure.

Seconds of one monotonic clock.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

__all__ = ["HubHealth", "HubTimings"]


@dataclass(frozen=True)
class HubTimings:
    """Seconds (reference 5.1, 5.5).

    early_death_s: a connection that was not up for so long did not prove itself. rotate_share: part of its token's remaining life
    that a connection may use. look_every_s: how often an open connection is looked at (silence, contested login).
    """

    connect_s: float = 10.0
    handshake_s: float = 10.0
    invoke_s: float = 15.0
    ping_after_s: float = 10.0
    dead_after_s: float = 30.0
    early_death_s: float = 10.0
    early_deaths_before_login: int = 5
    rotate_after_s: float = 12 * 3600.0
    rotate_share: float = 0.75
    look_every_s: float = 1.0
    refused_retry_s: float = 30.0
    backoff_s: tuple[float, ...] = (0.0, 2.0, 5.0, 10.0, 30.0, 60.0)
    logouts_window_s: float = 120.0
    logouts_tolerated: int = 5


class HubHealth:
    """Counts ends; there is no limit of attempts."""

    def __init__(self, timings: HubTimings) -> None:
        self._timings = timings
        self._logouts: deque[float] = deque()
        self._early_deaths = 0
        self.failures = 0  # ends in a row of connections that did not prove themselves
        self.opened = 0
        self.last_error: str | None = None

    def ended(self, reason: str, *, was_opened: bool, lived_s: float) -> None:
        """lived_s: how long it was up, every subscription answered; an open line alone proves nothing."""
        self.last_error = reason
        if was_opened and lived_s >= self._timings.early_death_s:
            self.failures = self._early_deaths = 0
            return
        self.failures += 1
        self._early_deaths += was_opened

    def take_login_due(self) -> bool:
        """Several connections in a row died young: a token or session problem, log in before the next. Asked once."""
        if self._early_deaths < self._timings.early_deaths_before_login:
            return False
        self._early_deaths = 0
        return True

    def logged_out(self, now: float) -> None:
        """The server said GatewayLogout."""
        self._logouts.append(now)

    def logouts(self, now: float) -> int:
        """GatewayLogout events of the last window."""
        while self._logouts and self._logouts[0] < now - self._timings.logouts_window_s:
            self._logouts.popleft()
        return len(self._logouts)

    def is_contested(self, now: float) -> bool:
        """So many logouts that somebody else must be using the login (5.4)."""
        return self.logouts(now) > self._timings.logouts_tolerated

    def backoff_s(self, now: float) -> float:
        """Before the next attempt, without jitter; the longest step while the login is contested."""
        steps = self._timings.backoff_s
        return steps[-1] if self.is_contested(now) else steps[min(self.failures, len(steps) - 1)]
