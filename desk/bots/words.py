"""What an alert can turn out to mean, and what its meaning depends on."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from desk.core.intents import Intent
from desk.core.symbols import Symbol
from desk.core.words import Contract
from desk.risk import Reason

__all__ = ["CannotHave", "Meaning", "Nothing", "Refusal", "Situation", "Wanted"]


@dataclass(frozen=True, slots=True)
class Situation:
    """What the bot's place looks like now: signed position and signed contracts of entries under way."""

    contract: Contract
    symbol: Symbol
    position_qty: int
    entering_qty: int
    has_working_orders: bool = False
    has_entries: bool = False  # entries rest or wait there, also such as cancel out: a pair
    avg_price: Decimal | None = None  # of the position; None: flat, or not known
    atr_points: Decimal | None = None  # average true range; None: not known at this moment
    atr_name: str = "ATR(14, 5m)"
    balance: Decimal | None = None  # of the account, USD; None: not known
    not_listed: str | None = (
        None  # why the month that the message names cannot be entered; ``contract`` is of the product
    )

    @property
    def held(self) -> int:
        """Signed, as if every entry under way had filled."""
        return self.position_qty + self.entering_qty

    @property
    def has_anything(self) -> bool:
        """Something is held, on its way, or rests or waits there."""
        return bool(self.position_qty or self.entering_qty or self.has_entries)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Something is to be done. ``warnings``: what a person should know of how it was understood."""

    intent: Intent
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


class CannotHave(Exception):
    """A term that cannot be had as it was asked for. Becomes a Refusal in this room and never leaves it."""

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.reason = reason
        self.text = text


Meaning = Wanted | Nothing | Refusal
"""What an alert turned out to mean."""
