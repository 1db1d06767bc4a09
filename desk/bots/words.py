"""What an alert can turn out to mean, and what its meaning depends on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from desk.core.symbols import Symbol
from desk.core.words import Contract, Side
from desk.risk import Reason

__all__ = ["Enter", "Exit", "Intent", "Nothing", "Refusal", "Situation"]


@dataclass(frozen=True, slots=True)
class Situation:
    """What the bot's place looks like now: signed position and signed contracts of entries under way."""

    contract: Contract
    symbol: Symbol
    position_qty: int
    entering_qty: int
    has_working_orders: bool = False


@dataclass(frozen=True, slots=True)
class Enter:
    side: Side
    qty: int
    stop_ticks: int
    target_ticks: int | None
    max_position: int
    fresh_until: datetime | None


@dataclass(frozen=True, slots=True)
class Exit:
    """To flat. ``everything``: all of the bot's account, else the alert's contract."""

    everything: bool = False
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Nothing:
    """Understood, and nothing is to be done."""

    reason: Reason
    text: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """``by_position``: another position would have given another answer, so it must be known for sure."""

    reason: Reason
    text: str
    by_position: bool = False


Intent = Enter | Exit | Nothing | Refusal
