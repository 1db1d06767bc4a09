"""How much the public door takes from one bot's senders and from one stranger. Pure: time is handed in, in seconds.

Nothing here ever locks the right secret out, and nothing that takes risk away is refused: a limit is worth less than an exit.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from desk.alerts import Reading
from desk.bots import may_open
from desk.core.alert import Action

__all__ = ["DEFAULT_LIMITS", "BotPace", "DoorLimits", "Strangers", "counted"]

_MOST_SOURCES = 1_000  # strangers that are told apart; all others are one
_OTHERS = "others"


@dataclass(frozen=True, slots=True)
class DoorLimits:
    """Far above what TradingView sends: its largest plans have about a thousand alerts, which may all fire at one bar close,
    and an alert that fires more than 15 times in 3 minutes is switched off there (TradingView reference 3).

    bot_burst: alerts of one bot at once; bot_per_second: how fast that fills up again.
    strangers_per_minute: wrong secrets of one source, beyond which nothing of its bodies is read but the secret.
    """

    bot_burst: int = 2_000
    bot_per_second: float = 20.0
    strangers_per_minute: int = 60


DEFAULT_LIMITS = DoorLimits()


class BotPace:
    """One bucket of permissions per bot, full at first."""

    def __init__(self, limits: DoorLimits) -> None:
        self._limits = limits
        self._left: dict[str, tuple[float, float]] = {}  # bot -> (permissions, when that was so)

    def takes(self, bot: str, alerts: int, now: float) -> bool:
        """Whether so many alerts may come in now; if so they are counted."""
        burst = float(self._limits.bot_burst)
        left, at = self._left.get(bot, (burst, now))
        left = min(burst, left + (now - at) * self._limits.bot_per_second)
        is_taken = alerts <= left
        self._left[bot] = (left - alerts if is_taken else left, now)
        return is_taken


def counted(reading: Reading) -> int:
    """How many alerts of a body count against its bot. None of them when one takes risk away: an exit is never too many."""
    limited = [alert for alert in reading.alerts if may_open(alert) or alert.action in {Action.NOTE, Action.HEARTBEAT}]
    if len(limited) < len(reading.alerts):
        return 0
    return max(1, len(limited))  # a body that cannot be read counts as one


class Strangers:
    """Wrong secrets by source, counted for a minute at a time."""

    def __init__(self, limits: DoorLimits) -> None:
        self._most = limits.strangers_per_minute
        self._counts: Counter[str] = Counter()
        self._until = 0.0

    def note(self, source: str, now: float) -> None:
        self._tidy(now)
        known = source in self._counts or len(self._counts) < _MOST_SOURCES
        self._counts[source if known else _OTHERS] += 1

    def is_many(self, source: str, now: float) -> bool:
        """Whether this source brought so many that its bodies are no longer read as a whole."""
        self._tidy(now)
        name = source if source in self._counts else _OTHERS
        return self._counts.get(name, 0) > self._most

    def _tidy(self, now: float) -> None:
        if now >= self._until:
            self._counts.clear()
            self._until = now + 60.0
