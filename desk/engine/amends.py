"""Changing and cancelling single working orders, until the venue itself shows the change."""

from __future__ import annotations

from desk.core.events import ReduceSettled, SnapshotRead
from desk.core.intents import Cancel, Modify
from desk.core.orders import TrackedOrder
from desk.core.plans import AmendPlan
from desk.core.words import Contract, VenueOrder
from desk.engine.draft import Context, Draft
from desk.engine.rulings import Asker, Ruling
from desk.engine.state import State


def rule_cancel(state: State, wanted: Cancel, contract: Contract | None, asker: Asker, ctx: Context) -> Ruling:
    """Orders by id, or the resting entries of the place or account."""
    raise NotImplementedError


def rule_modify(state: State, wanted: Modify, asker: Asker, ctx: Context) -> Ruling:
    """One working order."""
    raise NotImplementedError


def on_settled(draft: Draft, plan: AmendPlan, event: ReduceSettled) -> None:
    """The modify or cancel came back."""


def on_order(draft: Draft, order: TrackedOrder) -> None:
    """An order of ours changed; it may be what a plan waits for."""


def on_foreign(draft: Draft, order: VenueOrder) -> None:
    """An order that is not ours changed."""


def on_read(draft: Draft, plan: AmendPlan, snapshot: SnapshotRead) -> None:
    """The read that it asked for."""


def on_read_failed(draft: Draft, plan: AmendPlan, reason: str) -> None:
    """No answer proves nothing."""


def on_timer(draft: Draft, plan: AmendPlan) -> None:
    """A pause is over."""


def resume(draft: Draft, plan: AmendPlan) -> None:
    """After a start."""
