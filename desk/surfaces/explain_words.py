"""A bot's settings in words, for ``explain`` and ``bots``."""

from __future__ import annotations

from collections.abc import Collection

from desk.bots import BotConfig
from desk.bots.config import Window

__all__ = ["days_text", "settings_of", "windows_text"]

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def settings_of(bot: BotConfig) -> str:
    """Its name, and what it reads."""
    return f"{bot.name}, reads {f'{bot.dialect.pinned} only' if bot.dialect.pinned else 'every form'}"


def windows_text(windows: Collection[Window]) -> str:
    """``09:30-15:00 Mon Tue America/Chicago``; no window is always."""
    if not windows:
        return "always"
    return "; ".join(f"{w.start:%H:%M}-{w.end:%H:%M}{days_text(w.days)} {w.zone}" for w in windows)


def days_text(days: Collection[int]) -> str:
    """With a blank in front; nothing for every day. 0 is Monday."""
    if len(set(days)) == len(_DAYS):
        return ""
    return "".join(f" {_DAYS[day]}" for day in sorted(days))
