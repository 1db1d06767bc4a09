"""What the server side saw: the request log, and the sliding rate windows (reference 6.1)."""

import math
import time
from collections import deque
from dataclasses import dataclass, field


@dataclass
class RequestRow:
    """One REST request; times are monotonic seconds, ``status`` 0 while under way or when the line was cut."""

    path: str
    body: str
    started: float
    ended: float | None = None
    status: int = 0

    def end(self, status: int) -> None:
        """The reply is ready."""
        self.status = status
        self.ended = time.monotonic()


@dataclass
class RateWindow:
    """``size`` requests per ``seconds``, sliding, per user."""

    size: int
    seconds: float
    _seen: dict[str, deque[float]] = field(default_factory=dict)

    def admit(self, user: str, now: float) -> int | None:
        """None when the request may pass; else whole seconds until the next one may (Retry-After)."""
        seen = self._seen.setdefault(user, deque())
        while seen and seen[0] <= now - self.seconds:
            seen.popleft()
        if len(seen) >= self.size:
            return max(1, math.ceil(seen[0] + self.seconds - now))
        seen.append(now)
        return None
