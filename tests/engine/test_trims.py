"""A person closes a part of a position on the platform, where the legs stay: ours get as small as what is left."""

from __future__ import annotations

from datetime import timedelta

import pytest

from desk.core.plans import ReducePlan
from desk.core.records import PlanEnded
from desk.core.words import OrderType, Side
from desk.orders import fit
from tests.engine.hands import incidents, parts_closed, reduce, staged, stops, targets, trade_by_hand
from tests.engine.test_world import calm
from tests.engine.venue import PRICE
from tests.engine.world import PLACE, Faults, World


def trims(world: World) -> list[ReducePlan]:
    return [plan for plan in world.state.plans.values() if isinstance(plan, ReducePlan)]


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize(
    ("held", "closed", "left"),
    [((3,), 1, [2]), ((2, 1), 1, [2]), ((2, 1), 2, [1]), ((1, 1, 2), 3, [1]), ((4,), 3, [1])],
)
def test_the_legs_get_as_small_as_what_is_left(side: Side, held: tuple[int, ...], closed: int, left: list[int]) -> None:
    world = staged(*held, side=side)
    trade_by_hand(world, side.opposite, closed)
    world.run(6)
    assert sum(stops(world)) == sum(targets(world)) == sum(left)
    assert parts_closed(world) == []
    assert not incidents(world, "reduce")
    assert abs(calm(world).venue.qty(PLACE)) == sum(left)


def test_nothing_is_sent_before_two_reads_agree() -> None:
    world = staged(3)
    sent = len(world.sent)
    trade_by_hand(world, Side.SELL, 1)
    until = world.now + timedelta(seconds=6)
    while not trims(world) and world.now < until:
        world.step()
    (plan,) = trims(world)
    assert (plan.qty, plan.keeps, len(world.sent)) == (0, 2, sent)
    world.run(0.4)
    assert len(world.sent) == sent
    world.run(3)
    assert stops(world) == [2]


def test_a_position_that_changes_in_between_is_looked_at_anew() -> None:
    world = staged(3)
    trade_by_hand(world, Side.SELL, 1)
    until = world.now + timedelta(seconds=6)
    while not trims(world) and world.now < until:
        world.step()
    trade_by_hand(world, Side.BUY, 1)
    world.run(20)
    assert stops(world) == [3]
    assert calm(world).venue.qty(PLACE) == 3


def test_where_legs_cannot_be_resized_a_smaller_stop_takes_the_place_of_the_pair() -> None:
    world = staged(3)
    world.venue.resizes_legs = False
    for qty in (1, 1):
        trade_by_hand(world, Side.SELL, qty)
        world.run(20)
    assert (stops(world), parts_closed(world)) == ([1], [])
    assert calm(world).venue.qty(PLACE) == 1


def test_what_cannot_be_made_smaller_is_told_once_and_tried_again() -> None:
    world = staged(3)
    world.venue.resizes_legs = False
    world.venue.refuses_stops = "no"
    trade_by_hand(world, Side.SELL, 1)
    world.run(600)
    assert len(incidents(world, "reduce")) == 1
    assert stops(world) == [3], "what protects stays"
    world.venue.refuses_stops = ""
    world.run(fit.TRIM_AGAIN_S + 5)
    assert stops(world) == [2]
    assert calm(world).venue.qty(PLACE) == 2


def test_stops_of_somebody_else_are_left_alone() -> None:
    world = staged(2)
    trade_by_hand(world, Side.SELL, 2, OrderType.STOP, stop_price=PRICE - 50)
    trade_by_hand(world, Side.SELL, 1)
    world.run(20)
    assert stops(world) == [1, 2]
    assert [o.qty for o in world.venue.working(PLACE) if (o.tag or "").startswith("hand")] == [2]


def test_a_target_that_trades_is_no_reason() -> None:
    world = staged(2, 1)
    (target, *_) = [o for o in world.venue.working(PLACE) if o.type is OrderType.LIMIT]
    world.trade(target.gateway_order_id)
    world.run(20)
    assert not [r for r in world.journal if isinstance(r, PlanEnded) and r.plan_id.startswith("trim:")]
    calm(world)


def test_a_part_that_a_person_closes_at_the_desk_comes_first() -> None:
    world = staged(4)
    trade_by_hand(world, Side.SELL, 1)
    until = world.now + timedelta(seconds=6)
    while not trims(world) and world.now < until:
        world.step()
    assert reduce(world, 1).kind == "accepted"
    world.run(10)
    assert (stops(world), targets(world), parts_closed(world)) == ([2], [2], [1])
    assert calm(world).venue.qty(PLACE) == 2


@pytest.mark.parametrize("resizes", [True, False])
@pytest.mark.parametrize(
    "faults",
    [
        Faults(),
        Faults(lost_reply=0.5),
        Faults(lost_event=0.4),
        Faults(not_sent=0.4),
        Faults(read_lag_s=0.9, shuffled=0.4),
    ],
)
def test_killed_at_any_time_the_rest_has_its_stop_and_no_more(resizes: bool, faults: Faults) -> None:
    for kill_at in range(0, 40, 3):
        world = staged(2, 2, seed=kill_at)
        world.faults = Faults(**vars(faults))
        world.venue.resizes_legs = resizes
        trade_by_hand(world, Side.SELL, 1)
        for _ in range(kill_at):
            world.step()
        world.kill()
        world.run(60)
        world.faults = Faults()
        world.run(90)
        assert sum(stops(world)) == 3, f"killed at {kill_at}"
        assert sum(targets(world)) <= 3
        assert parts_closed(world) == []
        assert calm(world).venue.qty(PLACE) == 3
