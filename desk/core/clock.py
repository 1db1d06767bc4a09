"""Time as a thing that is handed in. Pure code takes ``now``; only shells hold a :class:`Clock`."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

__all__ = ["Clock"]


class Clock(Protocol):
    """Wall time and monotonic time of one source, so that a test can move both."""

    def now(self) -> datetime:
        """Aware UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back."""
        ...
