"""Closing a part of a position, legs first."""

from __future__ import annotations

from desk.core.events import ReduceSettled, SnapshotRead
from desk.core.intents import Reduce
from desk.core.orders import TrackedOrder
from desk.core.plans import ReducePlan
from desk.core.words import Contract
from desk.engine.draft import Context, Draft
from desk.engine.rulings import Asker, Ruling
from desk.engine.state import State


def rule_reduce(state: State, wanted: Reduce, contract: Contract, asker: Asker, ctx: Context) -> Ruling:
    """A part of what is held."""
    raise NotImplementedError


def on_settled(draft: Draft, plan: ReducePlan, event: ReduceSettled) -> None:
    """A modify, a cancel or the close came back."""


def on_order(draft: Draft, order: TrackedOrder) -> None:
    """An order of ours changed; it may be a leg that a plan resizes."""


def on_read(draft: Draft, plan: ReducePlan, snapshot: SnapshotRead) -> None:
    """The read that it asked for."""


def on_read_failed(draft: Draft, plan: ReducePlan, reason: str) -> None:
    """No answer proves nothing."""


def on_timer(draft: Draft, plan: ReducePlan) -> None:
    """A pause is over."""


def resume(draft: Draft, plan: ReducePlan) -> None:
    """After a start."""
