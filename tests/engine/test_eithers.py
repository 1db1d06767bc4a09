"""Two resting entries of which one may fill."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from desk.core.events import Stopping
from desk.core.intents import Cancel, EnterEither, Exit, Stage
from desk.core.plans import EitherPlan, ExitPlan
from desk.core.records import PlanChanged, VerdictKind
from desk.core.words import OrderType, Side
from tests.engine.test_entries import LIMIT, roomy
from tests.engine.test_scenarios import incidents
from tests.engine.test_world import calm
from tests.engine.world import PLACE, Faults, World, opens

UP = {"type": OrderType.STOP, "stop_price": Decimal(20010)}
DOWN = {"side": Side.SELL, "type": OrderType.STOP, "stop_price": Decimal(19990)}


def either(first: dict[str, Any] = UP, second: dict[str, Any] = DOWN, **both: Any) -> EnterEither:
    return EnterEither(first=opens(**{**first, **both}), second=opens(**{**second, **both}))


def paired(wanted: EnterEither | None = None, **given: Any) -> World:
    world = roomy(**given)
    verdict = world.command(wanted or either())
    assert verdict.kind is VerdictKind.ACCEPTED, verdict.text
    assert len(verdict.orders) == 2
    world.run(1)
    return world


def test_the_second_goes_out_after_the_first_was_taken() -> None:
    world = paired(faults=Faults(slow_s=0.5))
    world.run(3)
    assert len(world.resting()) == 2
    assert len(calm(world).resting()) == 2


def test_only_the_larger_of_the_two_counts() -> None:
    wanted = EnterEither(first=opens(qty=4, **UP), second=opens(qty=3, **DOWN))
    world = paired(wanted)
    assert [order.qty for order in world.resting()] == [4, 3]
    too_much = EnterEither(first=opens(qty=1, **UP), second=opens(qty=5, **DOWN))
    verdict = roomy().command(too_much)
    assert verdict.reason == "MAX_POSITION"
    assert "4 count against the limit" in roomy().command(wanted).text


@pytest.mark.parametrize(
    "one",
    [
        {"type": OrderType.MARKET},
        {**LIMIT, "touch_price": Decimal(20000)},
        {**LIMIT, "stages": (Stage(qty=1), Stage(qty=1))},
    ],
)
def test_only_single_resting_orders_make_a_pair(one: dict[str, Any]) -> None:
    assert roomy().command(either(first=one)).reason == "NOT_SUPPORTED"
    assert roomy().command(either(second=one)).reason == "NOT_SUPPORTED"


@pytest.mark.parametrize("winner", [0, 1])
@pytest.mark.parametrize("part", [1, 2])
def test_when_one_fills_even_in_part_the_other_goes(winner: int, part: int) -> None:
    world = paired()
    one = world.resting()[winner]
    world.trade(one.gateway_order_id, part)
    world.run(1)
    assert [order.gateway_order_id for order in world.resting()] == ([one.gateway_order_id] if part == 1 else [])
    calm(world)
    assert abs(world.venue.qty(PLACE)) == part
    assert "either.both" not in incidents(world)


@pytest.mark.parametrize("second", [DOWN, {**LIMIT, "limit_price": Decimal(19980)}])
@pytest.mark.parametrize("fault", ["none", "lost events", "lost reply", "slow"])
def test_when_both_filled_the_place_is_made_flat_and_it_is_told(second: dict[str, Any], fault: str) -> None:
    world = paired(either(second=second))
    world.faults = {
        "none": Faults(), "lost events": Faults(lost_event=1), "lost reply": Faults(lost_reply=1), "slow": Faults(slow_s=2),
    }[fault]  # fmt: skip
    for order in world.resting():
        world.trade(order.gateway_order_id)
    world.run(40)
    assert calm(world).venue.qty(PLACE) == 0
    assert "either.both" in incidents(world)


def test_a_refused_second_takes_the_first_along() -> None:
    world = roomy()
    world.venue.refusals = ["", "Not enough margin."]
    world.command(either())
    world.run(3)
    assert not calm(world).resting()
    assert "either.alone" in incidents(world)


def test_a_refused_first_sends_nothing_more() -> None:
    world = roomy()
    world.venue.refusals = ["Not enough margin."]
    world.command(either())
    assert not calm(world).resting()
    assert len([o for o in world.venue.orders.values() if o.parent_id is None]) == 1


def test_a_second_that_could_not_be_sent_in_time_takes_the_first_along() -> None:
    world = roomy()
    world.command(either(fresh_until=world.now + timedelta(seconds=5)))
    while not any(isinstance(p, EitherPlan) and p.is_second_sent for p in world.state.plans.values()):
        world.step()
    world.faults = Faults(not_sent=1)
    world.run(10)
    assert not calm(world).resting()
    assert {"either.alone", "entry.expired"} <= incidents(world)


def test_a_first_that_fills_at_once_keeps_the_second_at_home() -> None:
    world = roomy()
    world.command(either())
    while not world.resting():
        world.step()
    world.trade(world.resting()[0].gateway_order_id)
    calm(world)
    assert world.venue.qty(PLACE) == 2
    assert not world.resting()


def test_a_second_that_waits_to_be_sent_again_is_not_sent_once_the_first_filled() -> None:
    """Cause: an entry that ends without ever having been at the venue is in no report, and the pair waited for ever."""
    world = roomy()
    world.command(either())
    while not any(isinstance(p, EitherPlan) and p.is_second_sent for p in world.state.plans.values()):
        world.step()
    world.faults = Faults(not_sent=1)
    world.run(0.5)
    world.faults = Faults()
    world.trade(world.resting()[0].gateway_order_id)
    assert calm(world).venue.qty(PLACE) == 2
    assert len(world.entries()) == 1


@pytest.mark.parametrize("gone", [0, 1])
def test_one_that_is_cancelled_by_hand_leaves_the_other_and_is_told(gone: int) -> None:
    world = paired()
    kept = world.resting()[1 - gone].gateway_order_id
    world.venue.cancel(world.resting()[gone].gateway_order_id)
    world.publish()
    world.run(2)
    assert [order.gateway_order_id for order in world.resting()] == [kept]
    assert "either.alone" in incidents(world)
    world.trade(kept)
    assert abs(calm(world).venue.qty(PLACE)) == 2


def test_one_that_expires_leaves_the_other_and_is_told() -> None:
    first = opens(**UP, expires_at=World().now + timedelta(seconds=10))
    world = paired(EnterEither(first=first, second=opens(**DOWN)))
    world.run(15)
    assert len(calm(world).resting()) == 1
    assert {"entry.expired", "either.alone"} <= incidents(world)


@pytest.mark.parametrize("how", ["cancel", "exit", "flatten", "time"])
def test_that_one_stays_alone_is_not_said_of_two_that_go(how: str) -> None:
    """Cause: the first end was told as the other one's loneliness, while that was being cancelled as well."""
    ends: dict[str, Any] = {"expires_at": World().now + timedelta(seconds=10)} if how == "time" else {}
    world = paired(EnterEither(first=opens(**UP, **ends), second=opens(**DOWN, **ends)))
    match how:
        case "cancel":
            world.command(Cancel())
        case "exit":
            world.command(Exit())
        case "flatten":
            world.flatten()
    world.run(15)
    assert not calm(world).resting()
    assert "either.alone" not in incidents(world)


@pytest.mark.parametrize("how", ["exit", "flatten", "stop"])
@pytest.mark.parametrize("after_s", [0.0, 0.02, 0.06, 1.0])
def test_an_order_to_be_flat_ends_both(how: str, after_s: float) -> None:
    world = roomy(faults=Faults(slow_s=0.1))
    world.command(either())
    world.run(after_s)
    if how == "stop":
        world.give(Stopping(reason="test", ts=world.now))
    else:
        world.command(Exit()) if how == "exit" else world.flatten()
    world.run(10)
    assert not calm(world).resting()
    assert world.venue.qty(PLACE) == 0


@pytest.mark.parametrize("winner", [None, 0, 1])
@pytest.mark.parametrize("fault", ["none", "lost reply", "lost events"])
def test_a_pair_killed_at_every_step_never_leaves_more_than_one(winner: int | None, fault: str) -> None:
    faults = {"none": Faults(), "lost reply": Faults(lost_reply=1), "lost events": Faults(lost_event=1)}[fault]

    def play(kill_at: int) -> int:
        world, steps = roomy(seed=7), 0
        world.faults = Faults(**vars(faults))
        world.command(either())
        traded = False
        until = world.now + timedelta(seconds=6)
        while world.due and world.due[0][0] <= until:
            if steps == kill_at:
                world.kill()
            if winner is not None and not traded and len(world.resting()) == 2:
                traded = True
                world.trade(world.resting()[winner].gateway_order_id)
            steps += 1
            world.step()
        calm(world)
        if traded:
            assert abs(world.venue.qty(PLACE)) == 2
            assert not world.resting()
        else:
            assert len(world.resting()) in {0, 2}
        begun = [r.plan for r in world.journal if isinstance(r, PlanChanged)]
        assert not any(isinstance(plan, ExitPlan) for plan in begun)
        return steps

    for kill_at in range(play(-1)):
        play(kill_at)
