"""A target that the venue ties to no stop: when the guard's stop trades while the desk is away, it would open a position."""

from __future__ import annotations

import pytest

from desk.core.orders import Role
from desk.core.words import OrderType, Side
from tests.engine.hands import incidents, staged, stops, targets, trade_by_hand
from tests.engine.test_guards import by_itself, strip
from tests.engine.test_world import calm
from tests.engine.world import Faults


@pytest.mark.parametrize("side", Side)
def test_a_target_goes_once_the_stop_of_the_guard_covers_the_position(side: Side) -> None:
    """Cause: it stayed as long as the position, and a dead process or a dead line takes no orphan away."""
    world = staged(2, side=side)
    strip(world)
    world.run(7)
    assert stops(world) == [2]
    assert targets(world) == []
    assert len(incidents(world, "target.untied")) == 1
    calm(world)
    assert len(incidents(world, "target.untied")) == 1


def test_not_before_anything_covers_it() -> None:
    """Protection first: as long as no stop works the target is the only way out that the venue knows."""
    world = staged(2)
    strip(world)
    for _ in range(80):
        world.run(0.1)
        if targets(world) == []:
            break
        assert len(by_itself(world)) <= 1
    else:
        raise AssertionError("the target stays")
    assert stops(world) == [2]


def test_the_pairs_beside_it_stay() -> None:
    world = staged(1, 2)
    strip(world, 1)
    world.run(7)
    assert stops(world) == [1, 2]
    assert targets(world) == [1]
    calm(world)


@pytest.mark.parametrize(
    "faults", [Faults(lost_event=1), Faults(lost_reply=0.5), Faults(lost_event=1, read_lag_s=0.95)]
)
def test_it_goes_whatever_gets_lost(faults: Faults) -> None:
    world = staged(2)
    world.faults = faults
    strip(world)
    world.run(45)
    world.faults = Faults()
    assert targets(world) == []
    assert stops(world) == [2]
    calm(world)


def test_after_a_kill_in_the_middle_it_goes_too() -> None:
    world = staged(2)
    strip(world)
    while not by_itself(world):
        world.run(0.1)
    world.run(0.3)
    assert targets(world) == [2]
    world.kill()
    world.start()
    world.run(6)
    assert targets(world) == []
    assert stops(world) == [2]


def test_a_stop_by_hand_ties_it_as_little() -> None:
    world = staged(2)
    at = world.leg(Role.STOP).stop_price
    strip(world)
    trade_by_hand(world, Side.SELL, 2, OrderType.STOP, stop_price=at)
    world.run(20)
    assert targets(world) == []
    assert len(incidents(world, "target.untied")) == 1
