"""What an alert can turn out to mean, and what its meaning depends on."""

from __future__ import annotations

from dataclasses import dataclass

from desk.core.intents import Intent
from desk.core.symbols import Symbol
from desk.core.words import Contract
from desk.risk import Reason

__all__ = ["Meaning", "Nothing", "Refusal", "Situation"]


@dataclass(frozen=True, slots=True)
class Situation:
    """What the bot's place looks like now: signed position and signed contracts of entries under way."""

    contract: Contract
    symbol: Symbol
    position_qty: int
    entering_qty: int
    has_working_orders: bool = False


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


Meaning = Intent | Nothing | Refusal
"""What an alert turned out to mean."""
