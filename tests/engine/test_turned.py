"""Somebody turns the position round on the platform: what the desk had there to get out of it would add to the new one."""

from __future__ import annotations

import pytest

from desk.core.orders import Role
from desk.core.words import Side
from tests.engine.hands import incidents, staged, trade_by_hand
from tests.engine.test_world import calm
from tests.engine.world import MNQ, PLACE, Faults, World


def turned(qty: int, side: Side, *stages: int) -> World:
    world = staged(*stages, side=side)
    world.venue.may_reverse = True
    trade_by_hand(world, side.opposite, qty)
    assert world.venue.qty(PLACE) == side.opposite.sign * (qty - sum(stages))
    return world


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
@pytest.mark.parametrize(("qty", "stages"), [(4, (2,)), (3, (2,)), (6, (2, 1))])
def test_stops_and_targets_of_the_other_side_go(side: Side, qty: int, stages: tuple[int, ...]) -> None:
    """Cause: they are looked for where nothing is held, and a stop by itself where the side changed; the pair stayed."""
    world = turned(qty, side, *stages)
    world.run(3)
    assert not world.venue.working(PLACE)
    assert world.venue.qty(PLACE) == side.opposite.sign * (qty - sum(stages))
    assert len(incidents(world, "order.orphan")) == 1
    world.run(60)
    assert len(incidents(world, "order.orphan")) == 1


def test_so_they_do_when_nothing_was_heard_of_it() -> None:
    world = staged(2)
    world.venue.may_reverse = True
    world.faults = Faults(lost_event=1)
    trade_by_hand(world, Side.SELL, 4)
    world.run(40)
    assert not world.venue.working(PLACE)


def test_one_wrong_read_takes_no_stop_away() -> None:
    """A read that shows the other side for a moment is no proof; legs of the side that is held stay."""
    world = staged(2)
    before = world.venue.positions[PLACE]
    world.venue.positions[PLACE] = type(before)(
        account_id=before.account_id, contract_id=MNQ.contract_id, qty=-2, avg_price=before.avg_price
    )
    world.venue.take_events()
    world.venue.pictures.append(world.venue.picture(world.now))
    world.resync()
    world.run(0.06)
    world.venue.positions[PLACE] = before
    calm(world)
    assert world.leg(Role.STOP).qty == 2
