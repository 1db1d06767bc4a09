"""Trade groups: the entries of a staged exit, one after the other."""

from __future__ import annotations

from desk.core.orders import TrackedOrder
from desk.core.plans import GroupPlan
from desk.engine.draft import Draft


def on_order(draft: Draft, order: TrackedOrder) -> None:
    """An order of ours changed; it may belong to a group."""


def on_timer(draft: Draft, plan: GroupPlan) -> None:
    """A pause is over."""


def resume(draft: Draft, plan: GroupPlan) -> None:
    """After a start."""
