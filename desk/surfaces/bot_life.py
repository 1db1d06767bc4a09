"""How a bot stands in the engine: whether it takes alerts, and why not. The one place that asks the engine for it."""

from __future__ import annotations

from dataclasses import dataclass

from desk.bots import BotConfig
from desk.engine import State

__all__ = ["Life", "life_of"]


@dataclass(frozen=True, slots=True)
class Life:
    """what: armed, paused or halted. text: the same with its reason, for a person."""

    what: str
    text: str


def life_of(state: State, bot: BotConfig) -> Life:
    """The engine knows no pause and no halt: a bot that is configured takes alerts."""
    del state, bot
    return Life("armed", "takes alerts")
