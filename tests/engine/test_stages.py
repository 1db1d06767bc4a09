"""What follows a stage's target, where the stops that are left are not known to work at that moment."""

from __future__ import annotations

from decimal import Decimal

import pytest

from desk.core.events import Event, OrderReported
from desk.core.ids import stop_leg_id
from desk.core.intents import Care, Enter, Stage, Then, Trail
from desk.core.orders import Role
from desk.core.records import Verdict, VerdictKind
from desk.core.words import OrderStatus, OrderType, Side
from tests.engine.caring import TICK, MarketWorld, at_market
from tests.engine.venue import PRICE
from tests.engine.world import PLACE, with_bot

TRAIL = Care(trail=Trail(distance_ticks=5, trigger_ticks=0, step_ticks=1))
LATER = Care(trail=Trail(distance_ticks=70, trigger_ticks=60, step_ticks=1))


def two_stages(then: Then, care: Care, **more: object) -> Enter:
    stages = (Stage(qty=1, target_ticks=20, then=then), Stage(qty=1, target_ticks=160))
    own = TRAIL if then is Then.TRAIL_ON else care
    return Enter(side=Side.BUY, qty=2, stop_ticks=80, max_position=4, care=own, stages=stages, **more)  # type: ignore[arg-type]


def loses_the_second_stop(world: MarketWorld) -> None:
    """The report that the stop of the second member works is lost, once."""
    give = world.give
    lost: list[Event] = []

    def lossy(event: Event) -> Verdict | None:
        second = world.venue.placed[1].client_order_id if len(world.venue.placed) > 1 else None
        is_it = isinstance(event, OrderReported) and event.order.status is OrderStatus.OPEN and second is not None
        if is_it and not lost and event.order.tag == stop_leg_id(second):  # type: ignore[union-attr, arg-type]
            lost.append(event)
            return None
        return give(event)

    world.give = lossy  # type: ignore[method-assign]


def stop_ticks(world: MarketWorld) -> Decimal:
    (stop,) = [order for order in world.venue.working(PLACE) if order.type is OrderType.STOP]
    assert stop.stop_price is not None
    return (stop.stop_price - PRICE) / TICK


@pytest.mark.parametrize("care", [Care(), LATER])
@pytest.mark.parametrize(("then", "goal"), [(Then.BREAKEVEN, 0), (Then.STOP_TO_PREV_TARGET, 0), (Then.TRAIL_ON, 21)])
def test_a_stop_that_is_heard_of_after_the_target_catches_up(then: Then, goal: int, care: Care) -> None:
    """Cause: the stage counted as done, and the stop whose report was lost kept its whole risk for good."""
    world = at_market(bot=with_bot(max_position=4))
    world.care = care
    loses_the_second_stop(world)
    assert world.command(two_stages(then, care)).kind is VerdictKind.ACCEPTED
    world.run(0.5)
    assert world.venue.qty(PLACE) == 2
    assert len([leg for leg in world.legs() if leg.role is Role.STOP and leg.state == "working"]) == 1
    world.ticks(25)
    world.run(10)
    world.ticks(26)
    world.run(2)
    assert world.venue.qty(PLACE) == 1
    assert stop_ticks(world) == goal


def test_a_member_that_fills_after_the_target_keeps_its_stop() -> None:
    """The market is back at its price: break-even would close it at once."""
    world = at_market(bot=with_bot(max_position=4))
    world.ticks(8)
    limit = {"type": OrderType.LIMIT, "limit_price": PRICE}
    assert world.command(two_stages(Then.BREAKEVEN, Care(), **limit)).kind is VerdictKind.ACCEPTED
    world.run(1)
    first, second = [order.gateway_order_id for order in world.resting()]
    world.trade(first)
    world.run(1)
    world.ticks(25)
    world.run(2)
    world.ticks(4)
    world.trade(second)
    world.run(5)
    assert world.venue.qty(PLACE) == 1
    assert stop_ticks(world) == -80
