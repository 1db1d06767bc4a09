"""Emulated orders: what goes out once the market trades at a price."""

from __future__ import annotations

from desk.core.plans import TouchPlan
from desk.engine.draft import Draft


def on_price(draft: Draft, plan: TouchPlan) -> None:
    """The newest quote of the contract is in the context."""


def on_timer(draft: Draft, plan: TouchPlan) -> None:
    """It expired."""


def resume(draft: Draft, plan: TouchPlan) -> None:
    """After a start."""
