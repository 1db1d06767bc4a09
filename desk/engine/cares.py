"""What is done with the legs of a position: exact prices, break-even, trailing, and what a person moves."""

from __future__ import annotations

from desk.core.intents import BreakEvenNow, MoveStop, MoveTarget, TrailOff, TrailOn
from desk.core.orders import TrackedOrder
from desk.core.plans import CarePlan, GroupPlan
from desk.core.words import Contract
from desk.engine.draft import Context, Draft
from desk.engine.rulings import Asker, Ruling
from desk.engine.state import State

Wanted = MoveStop | MoveTarget | BreakEvenNow | TrailOn | TrailOff


def rule_care(
    state: State,
    wanted: Wanted,
    contract: Contract,
    asker: Asker,
    ctx: Context,
) -> Ruling:
    """A change to the legs of what is held."""
    raise NotImplementedError


def on_order(draft: Draft, order: TrackedOrder) -> None:
    """An order of ours changed: an entry filled, a leg woke up, moved or ended."""


def on_stage_done(draft: Draft, plan: GroupPlan, stage: int) -> None:
    """The target of a stage filled: what it asks to be done to the stops of the stages that are left."""


def on_price(draft: Draft, plan: CarePlan) -> None:
    """The newest quote of the contract is in the context."""


def on_timer(draft: Draft, plan: CarePlan) -> None:
    """A pause is over."""


def resume(draft: Draft, plan: CarePlan) -> None:
    """After a start."""
