"""To verified flat, then the other way, if it is still wanted then."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from desk.core.events import Stopping
from desk.core.intents import Care, Exit, Reverse, Stage
from desk.core.plans import ReversePlan
from desk.core.records import VerdictKind
from desk.core.words import OrderType, Side
from tests.engine.test_entries import LIMIT, quoted, roomy
from tests.engine.test_scenarios import incidents
from tests.engine.test_world import calm
from tests.engine.world import PLACE, Faults, World, opens


def held(**given: Any) -> World:
    world = roomy(**given)
    world.command(opens())
    world.run(3)
    assert world.venue.qty(PLACE) == 2
    return world


def short(**more: Any) -> Reverse:
    return Reverse(enter=opens(side=Side.SELL, **more))


def test_a_position_is_closed_and_then_opened_the_other_way() -> None:
    world = held()
    verdict = world.command(short(qty=3))
    assert verdict.kind is VerdictKind.ACCEPTED
    assert "exiting" in verdict.text
    assert "sell 3" in verdict.text
    world.run(0.05)
    assert len(world.entries()) == 1, "not before it is flat"
    world.run(10)
    assert calm(world).venue.qty(PLACE) == -3
    assert len(world.entries()) == 2


def test_from_flat_it_is_simply_an_entry() -> None:
    world = roomy()
    verdict = world.command(short())
    assert verdict.plan_id is None
    world.run(2)
    assert calm(world).venue.qty(PLACE) == -2


def test_on_the_wanted_side_there_is_nothing_to_reverse() -> None:
    world = held()
    assert world.command(Reverse(enter=opens())).reason == "ALREADY_THERE"
    assert world.venue.qty(PLACE) == 2


def test_a_replacement_closes_the_same_side_and_enters_anew() -> None:
    world = held()
    assert "exiting" in world.command(Reverse(enter=opens(qty=3), replaces=True)).text
    world.run(0.05)
    assert len(world.entries()) == 1, "not before it is flat"
    world.run(10)
    assert calm(world).venue.qty(PLACE) == 3
    assert len(world.entries()) == 2


@pytest.mark.parametrize("late", [{"fresh_until": -1}, {"qty": 9}])
def test_a_replacement_that_cannot_be_closes_nothing(late: dict[str, int]) -> None:
    world = held()
    more: dict[str, Any] = dict(late)
    if "fresh_until" in late:
        more["fresh_until"] = world.now - timedelta(seconds=1)
    assert world.command(Reverse(enter=opens(**more), replaces=True)).kind is VerdictKind.DENIED
    world.run(3)
    assert calm(world).venue.qty(PLACE) == 2


@pytest.mark.parametrize("waits", [LIMIT, {"touch_price": Decimal(20010)}])
def test_what_rests_or_waits_on_the_same_side_is_cancelled_before_a_replacement(waits: dict[str, Any]) -> None:
    world = quoted()
    assert world.command(opens(**waits)).kind is VerdictKind.ACCEPTED
    world.run(1)
    assert "cancelling what works" in world.command(Reverse(enter=opens(), replaces=True)).text
    world.run(10)
    assert calm(world).venue.qty(PLACE) == 2
    assert not world.resting()
    assert len(world.entries()) == (2 if waits is LIMIT else 1)


def test_what_rests_on_the_other_side_goes_first() -> None:
    world = roomy()
    world.command(opens(**LIMIT))
    world.run(1)
    world.command(short())
    world.run(10)
    assert calm(world).venue.qty(PLACE) == -2
    assert not world.resting()


def test_an_entry_that_could_never_be_is_refused_as_a_whole() -> None:
    world = held()
    for wanted in (short(qty=9), short(stop_ticks=None), short(touch_price=Decimal(20010))):
        assert world.command(wanted).kind is VerdictKind.DENIED
    assert calm(world).venue.qty(PLACE) == 2


def test_one_that_came_too_late_still_exits() -> None:
    world = held()
    verdict = world.command(short(fresh_until=world.now - timedelta(seconds=1)))
    assert verdict.kind is VerdictKind.ACCEPTED
    assert "TOO_OLD" in verdict.text
    world.run(10)
    assert calm(world).venue.qty(PLACE) == 0
    assert "reverse.ended" in incidents(world)


def test_an_exit_that_takes_too_long_leaves_flat_and_is_told() -> None:
    world = held()
    world.faults = Faults(failed_read=1)
    world.command(short(fresh_until=world.now + timedelta(seconds=5)))
    world.run(8)
    world.faults = Faults()
    world.run(10)
    assert calm(world).venue.qty(PLACE) == 0
    assert "reverse.ended" in incidents(world)


@pytest.mark.parametrize("how", ["exit", "flatten", "stop"])
def test_an_order_to_be_flat_meanwhile_ends_the_reversal(how: str) -> None:
    world = held()
    world.command(short())
    world.run(0.1)
    if how == "stop":
        world.give(Stopping(reason="test", ts=world.now))
    else:
        world.command(Exit()) if how == "exit" else world.flatten()
    world.run(10)
    assert calm(world).venue.qty(PLACE) == 0
    assert "reverse.ended" in incidents(world)


def test_it_joins_an_exit_that_runs_and_waits_for_a_flattening_to_end() -> None:
    world = held()
    world.command(Exit())
    assert world.command(short()).kind is VerdictKind.ACCEPTED
    world.run(10)
    assert calm(world).venue.qty(PLACE) == -2
    world = held()
    world.flatten()
    assert world.command(short()).reason == "EXIT_RUNNING"


def test_exact_prices_wait_a_moment_for_a_quote_and_no_longer() -> None:
    for comes in (True, False):
        world = held()
        world.price(20000, bid=20000, ask=20000)
        world.command(short(stop_ticks=None, care=Care(stop_price=Decimal(20020))))
        while not any(isinstance(plan, ReversePlan) and plan.flat_at for plan in world.state.plans.values()):
            if not world.step():
                break
            world.quote = None
        if comes:
            world.price(20000, bid=20000, ask=20000)
        world.run(5)
        assert calm(world).venue.qty(PLACE) == (-2 if comes else 0)
        assert ("reverse.ended" in incidents(world)) is not comes


def test_a_reversal_may_be_staged_or_rest() -> None:
    world = held()
    world.command(short(stages=(Stage(qty=1, target_ticks=40), Stage(qty=1))))
    world.run(10)
    assert calm(world).venue.qty(PLACE) == -2
    world = held()
    world.command(short(type=OrderType.LIMIT, limit_price=Decimal(20010)))
    world.run(10)
    assert len(calm(world).resting()) == 1
    assert world.venue.qty(PLACE) == 0


@pytest.mark.parametrize("fault", ["none", "lost reply", "lost events"])
def test_a_reversal_killed_at_every_step_ends_reversed_or_flat_and_told(fault: str) -> None:
    faults = {"none": Faults(), "lost reply": Faults(lost_reply=1), "lost events": Faults(lost_event=1)}[fault]

    def play(kill_at: int) -> int:
        world, steps = held(seed=7), 0
        world.faults = Faults(**vars(faults))
        world.command(short())
        until = world.now + timedelta(seconds=8)
        while world.due and world.due[0][0] <= until:
            if steps == kill_at:
                world.kill()
            steps += 1
            world.step()
        assert calm(world).venue.qty(PLACE) == -2 or "reverse.ended" in incidents(world)
        assert len(world.entries()) <= 2
        return steps

    for kill_at in range(play(-1)):
        play(kill_at)
