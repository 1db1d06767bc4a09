"""The trading day: from 17:00 to 17:00 in Chicago, named after the date on which it ends.

Every counter of the firm goes by it (topstep-rules 2): a trade on Tuesday at 18:30 is Wednesday's. On Sunday at 17:00
begins Monday. Saturday and Sunday are days, too, in which no exchange trades and only the paper market does.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

__all__ = ["EXCHANGE_ZONE", "day_start", "trading_day"]

EXCHANGE_ZONE = ZoneInfo("America/Chicago")
_BEGINS = time(17)
_ONE_DAY = timedelta(days=1)


def trading_day(at: datetime) -> date:
    """The day that ``at`` (aware) belongs to; 17:00 sharp is the next one's."""
    local = at.astimezone(EXCHANGE_ZONE)
    return local.date() + _ONE_DAY if local.time() >= _BEGINS else local.date()


def day_start(day: date) -> datetime:
    """When ``day`` begins, in UTC. It ends when the next one begins: 23 or 25 hours later where clocks are changed."""
    return datetime.combine(day - _ONE_DAY, _BEGINS, EXCHANGE_ZONE).astimezone(UTC)
