"""What has to follow the fill of a leg is looked for before what is left of the position's legs can trade."""

from __future__ import annotations

from desk.core.events import OrderReported
from desk.core.orders import Role
from desk.core.words import OrderStatus, OrderType, VenueOrder
from tests.engine.world import PLACE, Faults, World, enter

SOON_S = 4.0  # two looks, a second apart, and the cancel; the watch comes by every 15 s only


def lone_stop(world: World) -> VenueOrder:
    return next(o for o in world.venue.working(PLACE) if o.type is OrderType.STOP and not (o.tag or "").endswith("-SL"))


def with_a_lone_stop() -> World:
    """Somebody cancelled the stop, and the guard placed another one just now: the target that the venue does not end with it is
    still there."""
    world = World()
    world.run(3)
    world.alert(enter())
    world.run(20)
    world.venue.cancel(world.leg(Role.STOP).gateway_order_id)
    world.publish()
    world.run(3.5)
    assert lone_stop(world).status is OrderStatus.OPEN
    assert world.leg(Role.TARGET).status is OrderStatus.OPEN
    return world


def told_only(world: World, order_id: object) -> None:
    """Every report of it is lost but the order's own."""
    world.faults = Faults(lost_event=1.0)
    world.trade(order_id)
    world.faults = Faults()
    filled = world.venue.orders[order_id]  # type: ignore[index]
    assert filled.status is OrderStatus.FILLED
    world.give(OrderReported(order=filled, ts=world.now))


def test_the_target_goes_soon_after_a_lone_stop_filled_and_nobody_told_the_end() -> None:
    world = with_a_lone_stop()
    told_only(world, lone_stop(world).gateway_order_id)
    assert world.state.position_qty(PLACE) == 2, "as far as anybody told"
    world.run(SOON_S)
    assert not world.venue.working(PLACE)
    assert world.state.position_qty(PLACE) == 0


def test_a_lone_stop_goes_soon_after_the_target_filled() -> None:
    world = with_a_lone_stop()
    told_only(world, world.leg(Role.TARGET).gateway_order_id)
    world.run(SOON_S)
    assert not world.venue.working(PLACE)


def test_a_target_that_is_left_is_looked_for_again_when_the_reads_fail() -> None:
    """The cancel is lost, then no read is answered for a while: nobody waits for the watch to come round."""
    world = with_a_lone_stop()
    told_only(world, lone_stop(world).gateway_order_id)
    world.faults = Faults(failed_read=1.0)
    world.run(8)
    assert world.venue.working(PLACE), "nobody could know"
    world.faults = Faults()
    world.run(4)
    assert not world.venue.working(PLACE)
