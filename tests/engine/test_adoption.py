"""Positions and orders that the desk did not make."""

from __future__ import annotations

from dataclasses import replace

import pytest

from desk.core.intents import BreakEvenNow, Modify
from desk.core.plans import ProtectPlan
from desk.core.records import VerdictKind
from desk.core.words import OrderType, Side
from desk.engine import Context
from desk.engine.config import ForeignPolicy
from tests.engine.hands import enter, incidents, staged, stops, trade_by_hand
from tests.engine.test_world import calm, ready
from tests.engine.venue import PRICE
from tests.engine.world import PLACE, Faults, World, exit_, with_bot
from tests.engine.world import enter as an_entry


class Protecting(World):
    @property
    def context(self) -> Context:
        return replace(super().context, foreign=ForeignPolicy(stop_ticks=40))


def protecting() -> World:
    world = Protecting()
    world.run(3)
    return world


def quiet(world: World) -> bool:
    return not world.state.plans and world.state.position_qty(PLACE) == world.venue.qty(PLACE)


def test_a_position_made_by_hand_is_told_once_and_left_alone() -> None:
    world = ready()
    trade_by_hand(world, Side.BUY, 2)
    world.run(120)
    world.kill()
    world.run(60)
    assert len(incidents(world, "position.foreign")) == 1
    assert (world.venue.qty(PLACE), world.sent) == (2, [])
    assert quiet(world)


def test_more_of_it_is_told_again_and_a_new_position_anew() -> None:
    world = ready(bot=with_bot(max_position=9))
    trade_by_hand(world, Side.BUY, 2)
    world.run(20)
    trade_by_hand(world, Side.BUY, 1)
    world.run(20)
    trade_by_hand(world, Side.SELL, 3)
    world.run(20)
    trade_by_hand(world, Side.SELL, 1)
    world.run(20)
    assert len(incidents(world, "position.foreign")) == 3


@pytest.mark.parametrize("side", Side)
def test_where_the_setting_says_so_it_gets_a_stop(side: Side) -> None:
    world = protecting()
    trade_by_hand(world, side, 2)
    world.run(10)
    (stop,) = world.venue.working(PLACE)
    assert (stop.qty, stop.side, stop.stop_price) == (2, side.opposite, PRICE - side.sign * 10)
    calm(world)


def test_its_own_stop_is_enough() -> None:
    world = protecting()
    trade_by_hand(world, Side.BUY, 2)
    trade_by_hand(world, Side.SELL, 2, OrderType.STOP, stop_price=PRICE - 5)
    world.run(60)
    assert world.sent == []


def test_the_stop_goes_when_the_person_closes_the_position() -> None:
    world = protecting()
    trade_by_hand(world, Side.BUY, 2)
    world.run(10)
    trade_by_hand(world, Side.SELL, 2)
    world.run(0.2)
    assert world.venue.working(PLACE) == []
    calm(world)


def test_through_the_market_it_is_told_and_nothing_is_closed() -> None:
    world = protecting()
    world.venue.refuses_stops = "Order price is outside allowed range. Please set price below best ask."
    trade_by_hand(world, Side.BUY, 2)
    world.run(120)
    assert world.venue.qty(PLACE) == 2
    assert any("does not close them" in text for text in incidents(world, "position.unprotected"))
    assert len(world.sent) == 1, "it is tried once"
    assert quiet(world)


def test_contracts_added_by_hand_to_ours_get_a_stop_of_their_own() -> None:
    world = Protecting(bot=with_bot(max_position=9))
    world.run(3)
    enter(world, 2)
    world.run(2)
    trade_by_hand(world, Side.BUY, 1)
    world.run(10)
    assert stops(world) == [1, 2]
    calm(world)


def test_an_exit_that_somebody_asks_for_closes_it() -> None:
    world = ready()
    trade_by_hand(world, Side.BUY, 2)
    world.run(10)
    world.alert(exit_())
    assert calm(world).venue.qty(PLACE) == 0


def test_an_order_of_others_against_our_position_is_told_once_and_again_when_it_is_left() -> None:
    world = staged(2)
    trade_by_hand(world, Side.SELL, 2, OrderType.STOP, stop_price=PRICE - 50)
    world.run(40)
    assert len(incidents(world, "order.foreign")) == 1
    world.close_by_hand()
    world.run(5)
    told = incidents(world, "order.foreign")
    assert len(told) == 2
    assert "would open another one" in told[-1]
    assert all((order.tag or "").startswith("hand") for order in world.venue.working(PLACE)), "and not touched"


def test_the_venues_own_close_is_not_an_order_of_others() -> None:
    world = staged(2)
    world.alert(exit_())
    calm(world)
    assert incidents(world, "order.foreign") == []


def test_ours_is_never_called_foreign_whatever_is_lost_on_the_way() -> None:
    for seed in range(40):
        world = ready(seed=seed, faults=Faults(lost_event=0.4, shuffled=0.4, read_lag_s=0.9, lost_reply=0.3))
        world.alert(an_entry())
        world.run(60)
        assert incidents(world, "position.foreign") == []
        assert not any(isinstance(plan, ProtectPlan) and plan.is_foreign for plan in world.state.plans.values())


def test_a_stop_by_hand_that_guards_a_position_keeps_its_quantity_too() -> None:
    world = ready()
    trade_by_hand(world, Side.BUY, 2)
    trade_by_hand(world, Side.SELL, 2, OrderType.STOP, stop_price=PRICE - 5)
    world.run(5)
    (stop,) = world.venue.working(PLACE)
    verdict = world.command(Modify(order_id=stop.gateway_order_id, qty=1))
    assert verdict.reason == "PROTECTS"
    assert "stops for 1 would be left" in verdict.text
    world.run(5)
    assert [order.qty for order in world.venue.working(PLACE)] == [2]


def test_a_stop_by_hand_may_shrink_to_what_is_held() -> None:
    world = ready()
    trade_by_hand(world, Side.BUY, 1)
    trade_by_hand(world, Side.SELL, 2, OrderType.STOP, stop_price=PRICE - 5)
    world.run(5)
    (stop,) = world.venue.working(PLACE)
    assert world.command(Modify(order_id=stop.gateway_order_id, qty=1)).kind is VerdictKind.ACCEPTED


def test_nobody_says_that_a_position_by_hand_will_be_closed() -> None:
    world = ready()
    trade_by_hand(world, Side.BUY, 2)
    world.run(60)
    verdict = world.command(BreakEvenNow(offset_ticks=0))
    assert verdict.reason == "NO_LEG"
    assert "does not close it" in verdict.text
    assert world.venue.qty(PLACE) == 2
