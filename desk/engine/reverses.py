"""To verified flat, then the other way."""

from __future__ import annotations

from desk.core.intents import Reverse
from desk.core.plans import ExitPlan, ReversePlan
from desk.core.words import Contract
from desk.engine.draft import Context, Draft
from desk.engine.rulings import Asker, Ruling
from desk.engine.state import State


def rule_reverse(state: State, wanted: Reverse, contract: Contract, asker: Asker, ctx: Context) -> Ruling:
    """An exit and an entry."""
    raise NotImplementedError


def on_exit_ended(draft: Draft, plan: ExitPlan) -> None:
    """The exit that a reversal waits for ended flat."""


def on_timer(draft: Draft, plan: ReversePlan) -> None:
    """A pause is over."""


def resume(draft: Draft, plan: ReversePlan) -> None:
    """After a start."""
