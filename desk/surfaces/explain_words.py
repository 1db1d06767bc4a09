"""A bot's settings in words, for ``explain`` and ``bots``."""

from __future__ import annotations

from collections.abc import Collection
from typing import assert_never

from desk.bots import BotConfig
from desk.bots.config import Sizing, Window

__all__ = ["days_text", "settings_of", "sizing_text", "windows_text"]

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def settings_of(bot: BotConfig) -> str:
    """Its name, and what it reads."""
    return f"{bot.name}, reads {f'{bot.dialect.pinned} only' if bot.dialect.pinned else 'every form'}"


def windows_text(windows: Collection[Window]) -> str:
    """``09:30-15:00 Mon-Fri America/Chicago``; no window is always."""
    if not windows:
        return "always"
    return "; ".join(f"{w.start:%H:%M}-{w.end:%H:%M}{days_text(w.days)} {w.zone}" for w in windows)


def days_text(days: Collection[int]) -> str:
    """With a blank in front, neighbours as ``Mon-Fri``; nothing for every day. 0 is Monday."""
    runs: list[list[int]] = []
    for day in sorted(set(days)):
        if runs and runs[-1][-1] == day - 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    if runs and len(runs[0]) == len(_DAYS):
        return ""
    return "".join(f" {_DAYS[run[0]]}" + (f"-{_DAYS[run[-1]]}" if len(run) > 1 else "") for run in runs)


def sizing_text(sizing: Sizing) -> str:
    """How an entry's size is made."""
    match sizing.mode:
        case "as_sent":
            return "sizes as sent"
        case "fixed":
            return "always its own size"
        case "factor":
            return f"sizes as sent times {sizing.value}"
        case "risk_usd":
            return f"sized to risk {sizing.value} $"
        case _ as never:
            assert_never(never)
