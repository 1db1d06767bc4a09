"""The gateway's clocks: with a skew when a fault asks for it, and for tokens the wall's while a recording is replayed."""

from collections.abc import Callable
from datetime import datetime, timedelta

from desk.sim.config import utc_now
from desk.sim.faults import Faults
from desk.sim.tokens import Token, Tokens


class SkewedClock:
    """Another clock, wrong by ``faults.skew_s``."""

    def __init__(self, base: Callable[[], datetime], faults: Faults) -> None:
        self._base = base
        self._faults = faults

    def __call__(self) -> datetime:
        """Now, aware UTC, as the gateway believes."""
        skew = self._faults.skew_s
        return self._base() + timedelta(seconds=skew) if skew else self._base()


class WallTokens(Tokens):
    """Tokens that live by the wall clock: their ``exp`` must make sense to a client whose market is years ago."""

    def issue(self, user: str, now: datetime) -> str:
        """A fresh token, whatever the recording's time."""
        return super().issue(user, utc_now())

    def read(self, text: str, now: datetime) -> Token | None:
        """The token when it is alive by the wall clock."""
        return super().read(text, utc_now())

    def end_all(self, now: datetime) -> None:
        """Every token issued until now is dead."""
        super().end_all(utc_now())
