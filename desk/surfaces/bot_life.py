"""How a bot stands in the engine: whether it may open, how its sender keeps time. The one place that asks the engine for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from desk.bots import BotConfig
from desk.core.switches import Switch
from desk.engine import State
from desk.engine.bots import TRIGGERS_WITHIN

__all__ = ["Life", "burst_of", "life_of"]

_WORDS = {Switch.DISARM: "disarmed", Switch.HALT: "halted", Switch.PAUSE: "paused"}


@dataclass(frozen=True, slots=True)
class Life:
    """what: armed, paused, halted or disarmed. text: the same with its reason, for a person.

    late_*: milliseconds between firing and coming in, of the newest ``late_n`` messages that said when they were fired. version:
    the newest alert_version. heartbeat_due: None where none is expected or none came yet.
    """

    what: str
    text: str
    late_p50_ms: float | None
    late_p95_ms: float | None
    late_n: int
    version: str | None
    heartbeat_due: datetime | None


def life_of(state: State, bot: BotConfig) -> Life:
    memory = state.bot(bot.name)
    what, text = "armed", "may open; exits run at any time"
    if memory.stopped_by is not None:
        switch, stop = memory.stopped_by
        what = _WORDS[switch]
        text = f"{what} since {stop.ts:%Y-%m-%d %H:%M:%S} UTC by {stop.by} ({stop.why}); exits run at any time"
    due = None
    if bot.heartbeat_s is not None and memory.heartbeat_at is not None:
        due = memory.heartbeat_at + timedelta(seconds=bot.heartbeat_s)
    p50, p95 = memory.late_ms(50), memory.late_ms(95)
    return Life(
        what=what,
        text=text,
        late_p50_ms=None if p50 is None else max(0, p50),
        late_p95_ms=None if p95 is None else max(0, p95),
        late_n=len(memory.lateness_ms),
        version=memory.version,
        heartbeat_due=due,
    )


def burst_of(state: State, bot: BotConfig, now: datetime) -> int:
    """Most triggers of one alert within three minutes: TradingView counts each alert by itself (TradingView reference 3)."""
    times = state.bot(bot.name).triggers.values()
    return max((sum(1 for at in alert if now - at < TRIGGERS_WITHIN) for alert in times), default=0)
