"""When a bot may open. Pure: the time is handed in. Exits, moves and cancels know no window."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from desk.bots.config import Window

__all__ = ["is_open", "next_opening", "why_closed"]

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_ONE_DAY = timedelta(days=1)


def is_open(windows: Sequence[Window], at: datetime) -> bool:
    """at: aware. No window at all means always."""
    return not windows or any(_holds(window, at) for window in windows)


def why_closed(windows: Sequence[Window], at: datetime) -> str | None:
    """None while it is open; else when it opens next, in the window's zone."""
    if is_open(windows, at):
        return None
    openings = [(opening, window) for window in windows if (opening := next_opening(window, at)) is not None]
    if not openings:
        return "outside the bot's windows, none of which ever opens"
    opening, window = min(openings, key=lambda found: found[0])
    local = opening.astimezone(ZoneInfo(window.zone))
    return (
        f"outside the bot's windows; the next one opens {_DAYS[local.weekday()]} {local:%Y-%m-%d %H:%M} {window.zone}"
    )


def next_opening(window: Window, at: datetime) -> datetime | None:
    """The first time after ``at`` at which the window opens, UTC; None: it has no day."""
    zone = ZoneInfo(window.zone)
    today = at.astimezone(zone).date()
    for step in range(9):  # a week, and a day more on either side of midnight
        day = today + step * _ONE_DAY
        opening = datetime.combine(day, window.start, zone).astimezone(UTC)
        if day.weekday() in window.days and opening > at:
            return opening
    return None


def _holds(window: Window, at: datetime) -> bool:
    """By the clock of its zone, so that a change of clocks moves it along. An equal start and end is the whole day."""
    local = at.astimezone(ZoneInfo(window.zone))
    now, day = local.time(), local.weekday()
    if window.start < window.end:
        return day in window.days and window.start <= now < window.end
    if window.start == window.end == time():
        return day in window.days
    is_evening = day in window.days and now >= window.start
    is_morning = (day - 1) % 7 in window.days and now < window.end
    return is_evening or is_morning
