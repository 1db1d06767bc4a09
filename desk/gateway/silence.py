"""The watchdog on data (reference 5.5, 6): the socket is open and pings flow, but no quote comes. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from desk.core.ids import ContractId
from desk.market import is_liquid

__all__ = ["Silence", "SilenceConfig"]


def _always(_: datetime) -> bool:
    return True


@dataclass(frozen=True)
class SilenceConfig:
    """When no quote is a fault.

    after_s: seconds without any quote, while the market ``is_open`` and a contract that ``is_liquid`` is subscribed;
    0: off. longest_s: each rebuilding that brought no quote doubles the patience up to here, for a holiday is silent, too.
    """

    after_s: float = 20.0
    longest_s: float = 600.0
    is_open: Callable[[datetime], bool] = _always
    is_liquid: Callable[[ContractId], bool] = is_liquid


class Silence:
    """``heard`` is set by whoever gets a quote; :meth:`check` is asked now and then."""

    def __init__(self, config: SilenceConfig) -> None:
        self._config = config
        self._patience_s = config.after_s
        self._since: float | None = None
        self.heard = False

    def begin(self) -> None:
        """A new connection, or new subscriptions: the first quote may take its time."""
        self._since = None

    def check(self, now_s: float, now: datetime, *, is_expected: bool) -> str | None:
        """Why the connection has to be rebuilt, None when all is well.

        now_s: monotonic; now: the time, for the market's hours. is_expected: connected, and a liquid contract subscribed.
        """
        if self.heard:
            self.heard, self._since, self._patience_s = False, now_s, self._config.after_s
            return None
        if not self._config.after_s or not is_expected or not self._config.is_open(now):
            self._since = None
            return None
        if self._since is None:
            self._since = now_s
        if now_s - self._since < self._patience_s:
            return None
        reason = f"silent: no quote for {self._patience_s:g} s"
        self._patience_s = min(self._patience_s * 2, max(self._config.longest_s, self._config.after_s))
        self._since = None
        return reason
