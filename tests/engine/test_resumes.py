"""Plans are taken up again after answers may have been lost, but not those whose answers are still to come."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from desk.core.events import ResyncRequested, SnapshotRead
from desk.core.plans import EnterPlan, ExitPlan, ExitStep
from desk.engine import Decision, ReadAccount, State, decide
from tests.engine.test_scenarios import holding
from tests.engine.test_world import ready
from tests.engine.world import ACCOUNT, PLACE, World, enter, exit_

TWO_SECONDS = timedelta(seconds=2)


def resynced(world: World, in_flight: frozenset[str]) -> State:
    """A resync within the process, with its read answered: what becomes of the plans."""
    context = replace(world.context, in_flight=in_flight)
    asked = decide(world.state, ResyncRequested(reason="the inbox was full", ts=world.now), context)
    assert any(isinstance(effect, ReadAccount) for effect in asked.effects)
    read = SnapshotRead(
        account_id=ACCOUNT,
        asked_by=("reconcile",),
        is_full=True,
        account=None,
        positions=tuple(world.venue.positions.values()),
        working=tuple(world.venue.working(PLACE)),
        finished=(),
        fills=(),
        asked_at=world.now,
        ts=world.now,
    )
    done: Decision = decide(asked.state, read, context)
    assert done.state.is_reconciled(ACCOUNT)
    return done.state


def closing() -> tuple[World, ExitPlan]:
    world = holding()
    world.alert(exit_())
    while True:
        plan = world.state.exit_plan(PLACE)
        assert plan is not None
        if plan.step is ExitStep.CLOSING:
            return world, plan
        world.step()


def test_an_exit_whose_close_is_in_flight_is_left_as_it_is() -> None:
    """Cause: a close that waited behind a hanging write went out while its plan, taken up again, thought of sending another."""
    world, plan = closing()
    world.now += TWO_SECONDS
    assert resynced(world, frozenset({plan.plan_id})).exit_plan(PLACE) == plan


def test_an_exit_with_nothing_in_flight_reads_first() -> None:
    world, _ = closing()
    world.now += TWO_SECONDS
    resumed = resynced(world, frozenset()).exit_plan(PLACE)
    assert resumed is not None
    assert resumed.step is ExitStep.READING


@pytest.mark.parametrize("is_in_flight", [True, False])
def test_an_entry_that_is_still_to_be_answered_is_not_looked_up(is_in_flight: bool) -> None:
    world = ready()
    world.alert(enter())
    (plan,) = [plan for plan in world.state.plans.values() if isinstance(plan, EnterPlan)]
    world.now += TWO_SECONDS
    after = resynced(world, frozenset({plan.entry} if is_in_flight else ()))
    assert (after.plans[plan.plan_id] == plan) is is_in_flight
