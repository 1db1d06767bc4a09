"""What an alert is told besides its verdict, and what a plain text is told."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from desk.core.alert import Action, Alert, AlertPosition, Distance, PositionSide, StopSpec, Unit
from desk.core.intents import Care, Stage, Then, Trail
from desk.core.orders import Role
from desk.core.plans import EitherPlan, TouchPlan
from desk.core.records import VerdictKind
from tests.engine.test_eithers import paired
from tests.engine.test_touches import waiting
from tests.engine.test_world import calm, ready
from tests.engine.world import PLACE, opens


@pytest.mark.parametrize("is_up", [True, False])
def test_a_plain_text_is_ignored_and_told_so_at_once(is_up: bool) -> None:
    world = ready()
    world.hub(is_up)
    verdict = world.alert(Alert(action=Action.NOTE, comment="hello", is_text=True), key="t", body="t")
    assert (verdict.kind, verdict.reason) == (VerdictKind.IGNORED, "NO_ORDER")
    assert "nothing was done" in verdict.text
    note = world.alert(Alert(action=Action.NOTE, comment="hello"), key="n", body="n")
    assert (note.kind, note.reason) == (VerdictKind.ACCEPTED, "NOTED")


def test_what_rounding_changed_is_said_beside_the_verdict() -> None:
    world = ready()
    stop = StopSpec(distance=Distance(unit=Unit.POINTS, value=Decimal("20.1")))
    message = Alert(action=Action.ENTER_LONG, symbol="MNQ1!", stop=stop, warnings=("from the sender",))
    verdict = world.alert(message, key="k", body="b")
    assert verdict.kind is VerdictKind.ACCEPTED
    assert verdict.warnings == ("from the sender", "stop 20.1 points is 80 ticks (20.00 points)")
    assert len(calm(world).entries()) == 1


def target(position: AlertPosition, **more: Any) -> Alert:
    """The sender's position after its signal."""
    stop = StopSpec(distance=Distance(unit=Unit.TICKS, value=Decimal(80)))
    return Alert(action=Action.SET_POSITION, symbol="MNQ1!", position=position, stop=stop, **more)


def test_a_repeated_target_does_not_ask_again_for_what_waits_for_its_price() -> None:
    """Cause: an order that waits at home counted for nothing, so the same target opened twice."""
    world = waiting(opens(qty=2, touch_price=Decimal(20010)))
    verdict = world.alert(target(AlertPosition(now=PositionSide.LONG, size=Decimal(2))))
    assert (verdict.kind, verdict.reason) == (VerdictKind.IGNORED, "ALREADY_THERE")
    world.price(20010)
    assert calm(world).venue.qty(PLACE) == 2


def test_a_repeated_target_does_not_ask_again_for_a_reversal_under_way() -> None:
    world = ready()
    assert world.alert(target(AlertPosition(now=PositionSide.LONG, size=Decimal(2)))).kind is VerdictKind.ACCEPTED
    world.run(3)
    short = target(AlertPosition(now=PositionSide.SHORT, size=Decimal(2)))
    assert world.alert(short, key="1").kind is VerdictKind.ACCEPTED
    again = world.alert(short, key="2")
    assert (again.kind, again.reason) == (VerdictKind.IGNORED, "ALREADY_THERE")
    assert calm(world).venue.qty(PLACE) == -2
    assert len(world.entries()) == 2


@pytest.mark.parametrize("make", [paired, waiting])
def test_an_exit_alert_ends_what_rests_or_waits_although_nothing_is_held(make: Any) -> None:
    """Cause: a buy stop and a sell stop of a pair added up to nothing, so there was nothing to exit."""
    world = make()
    verdict = world.alert(Alert(action=Action.EXIT, symbol="MNQ1!"))
    assert verdict.kind is VerdictKind.ACCEPTED, verdict.text
    calm(world)
    assert world.resting() == []
    assert not any(isinstance(plan, TouchPlan | EitherPlan) for plan in world.state.plans.values())


def test_trailing_that_a_stage_switches_on_does_not_begin_before() -> None:
    """Cause: the members of the group carried the trail from the start."""
    world = ready()
    stages = (Stage(qty=1, target_ticks=40, then=Then.TRAIL_ON), Stage(qty=1, target_ticks=80))
    care = Care(trail=Trail(distance_ticks=20))
    assert world.command(opens(qty=2, stages=stages, care=care)).kind is VerdictKind.ACCEPTED
    world.run(3)
    members = [order for order in world.state.orders.values() if order.role is Role.ENTRY]
    assert [order.care.trail for order in members] == [None, None]
