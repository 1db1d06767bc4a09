"""Two entries of which one may fill."""

from __future__ import annotations

from desk.core.orders import TrackedOrder
from desk.core.plans import EitherPlan
from desk.engine.draft import Draft


def on_order(draft: Draft, order: TrackedOrder) -> None:
    """An order of ours changed; it may be one of a pair."""


def on_timer(draft: Draft, plan: EitherPlan) -> None:
    """A pause is over."""


def resume(draft: Draft, plan: EitherPlan) -> None:
    """After a start."""
