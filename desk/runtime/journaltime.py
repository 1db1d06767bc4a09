"""A journal from the future: the computer's clock was ahead, and was put right while nothing ran."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import structlog

from desk.core.errors import ConfigError
from desk.gateway.config import SystemClock

__all__ = ["go_on_after"]

FARTHEST = timedelta(hours=2)  # alerts look that much too old, for twice as long

log = structlog.get_logger("desk.session")


def go_on_after(newest: datetime) -> None:
    """newest: the time of the journal's last record. What happens now must not seem older than that: reads would correct
    nothing, and a position would be taken for somebody else's. Raises ConfigError where it lies too far ahead to trade."""
    ahead = newest - datetime.now(UTC)
    if ahead > FARTHEST:
        raise ConfigError(
            f"the journal was last written at {newest:%Y-%m-%d %H:%M:%S} UTC, {ahead.total_seconds() / 3600:.1f} h ahead of this "
            "computer's clock. Set the clock right (it must follow a time server). If it is right now, the desk starts once that "
            "time has come, or at once with an empty DATA_DIR: what is open is then shown as not opened by the desk"
        )
    if ahead > timedelta(0):
        meaning = "time goes on at half its pace until the clock has caught up; alerts look that much older"
        log.warning("clock.was_ahead", ahead_s=round(ahead.total_seconds(), 3), meaning=meaning)
        SystemClock.not_before(newest)
