"""What the engine is told besides the bots."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SHOWN", "ForeignPolicy"]


@dataclass(frozen=True, slots=True)
class ForeignPolicy:
    """Positions made by hand or by another tool. stop_ticks: distance of the stop that the desk places for them from their
    average price; None: they are shown and told, and left alone."""

    stop_ticks: int | None = None


SHOWN = ForeignPolicy()
