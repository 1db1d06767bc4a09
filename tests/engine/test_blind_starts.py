"""The user hub is down, or does not come up after a start, and REST answers: what gets out or protects goes on all the same."""

from __future__ import annotations

from decimal import Decimal

import pytest

from desk.core.ids import client_order_id
from desk.core.orders import OrderRequest, Role
from desk.core.words import OrderType, Side
from desk.engine import ReadAccount
from tests.engine.hands import stops, trade_by_hand
from tests.engine.test_scenarios import holding
from tests.engine.world import ACCOUNT, MNQ, PLACE, World, exit_


def restarted_blind(world: World) -> World:
    world.is_checked = False
    comes_up, world.hub = world.hub, lambda is_up: None  # type: ignore[method-assign]
    world.kill()
    world.hub = comes_up  # type: ignore[method-assign]
    world.is_checked = True
    return world


@pytest.mark.parametrize("steps", range(12))
def test_an_exit_is_finished(steps: int) -> None:
    """Cause: after a kill its stop was cancelled already, and nothing was read before the hub came."""
    world = holding()
    world.alert(exit_())
    for _ in range(steps):
        world.step()
    restarted_blind(world)
    world.run(60)
    assert world.venue.qty(PLACE) == 0, world.state.plans
    assert not world.venue.working(PLACE)


@pytest.mark.parametrize("steps", range(12))
def test_a_person_can_flatten(steps: int) -> None:
    """Cause: the order to be flat joined the exit of before the kill, which waited for the hub."""
    world = holding()
    world.alert(exit_())
    for _ in range(steps):
        world.step()
    restarted_blind(world)
    world.run(5)
    world.flatten(ACCOUNT)
    world.run(60)
    assert world.venue.qty(PLACE) == 0, world.state.plans


@pytest.mark.parametrize("steps", range(8))
def test_a_stop_that_is_gone_is_missed(steps: int) -> None:
    """Somebody cancels it on the platform while the hub is down; the guard knows it from a read."""
    world = holding()
    for _ in range(steps):
        world.step()
    world.hub(False)
    world.venue.cancel(world.leg(Role.STOP).gateway_order_id)
    world.publish()
    world.run(30)
    assert stops(world) == [2]


def test_a_guard_of_before_the_restart_goes_on() -> None:
    world = holding()
    world.venue.cancel(world.leg(Role.STOP).gateway_order_id)
    world.publish()
    world.run(0.1)
    assert world.state.protect_plan(PLACE) is not None
    restarted_blind(world)
    world.run(20)
    assert stops(world) == [2]


def test_a_hub_that_came_and_went_before_the_account_was_known_leaves_the_exit_to_the_reads() -> None:
    world = holding()
    world.alert(exit_())
    world.step()
    restarted_blind(world)
    world.hub(True)
    world.hub(False)
    world.run(60)
    assert world.venue.qty(PLACE) == 0


def test_one_chain_of_reads_however_often_the_hub_comes_and_goes() -> None:
    world = holding()
    for is_up in (False, True) * 10:
        world.hub(is_up)
        world.run(0.1)
    world.hub(False)
    world.run(4)
    asked: list[str] = []
    read = world._read

    def count(effect: ReadAccount) -> None:
        asked.append(effect.asked_by)
        read(effect)

    world._read = count  # type: ignore[method-assign]
    world.run(60)
    assert asked == ["blind"] * 4


@pytest.mark.parametrize("is_blind", [False, True])
def test_the_read_that_an_exit_waits_for_after_a_start_is_urgent(is_blind: bool) -> None:
    """Cause: it stood in the line of calm reads, which a 429 stops for a minute or more, and there was no stop."""
    world = holding()
    world.alert(exit_())
    world.step()
    asked: list[ReadAccount] = []
    read = world._read

    def keep(effect: ReadAccount) -> None:
        asked.append(effect)
        read(effect)

    world._read = keep  # type: ignore[method-assign]
    restarted_blind(world)
    if not is_blind:
        world.hub(True)
    world.run(4)
    first = next(effect for effect in asked if effect.is_full)
    assert first.is_urgent


def test_a_stop_that_is_no_order_of_the_desk_is_missed_as_soon_as_it_is_gone() -> None:
    """Cause: only the next read of the account, 15 s to a minute later, made the guard look. A stop of ours that a full disk kept
    out of the journal is such a one, too, after the restart."""
    world = holding()
    trade_by_hand(world, Side.SELL, 2, OrderType.STOP, stop_price=Decimal(20980))
    world.venue.cancel(world.leg(Role.STOP).gateway_order_id)
    world.publish()
    world.run(6)
    (stop,) = (order for order in world.venue.working(PLACE) if order.type is OrderType.STOP)
    assert world.state.protect_plan(PLACE) is None
    world.venue.cancel(stop.gateway_order_id)
    world.publish()
    world.run(4)
    assert stops(world) == [2]


@pytest.mark.parametrize("ends", [Role.TARGET, None])
def test_a_stop_that_the_journal_has_no_word_of_ends_with_its_position(ends: Role | None) -> None:
    """Cause: placed while the disk was full, after the restart a stranger's: the target traded, it stayed and opened a short."""
    world = holding()
    tag = client_order_id(world.state.positions[PLACE].cause, ACCOUNT, "protect-1", 1)
    world.venue.cancel(world.leg(Role.STOP).gateway_order_id)
    stop = OrderRequest(
        client_order_id=tag, account_id=ACCOUNT, contract_id=MNQ.contract_id, type=OrderType.STOP, side=Side.SELL,
        qty=2, stop_price=Decimal(20980),
    )  # fmt: skip
    world.venue.place(stop)
    world.venue.take_events()  # nobody is there
    world.kill()
    world.run(5 if ends is None else 1)  # later the target would be gone, too
    assert stops(world) == [2]
    assert world.state.orders[tag].role is Role.STOP
    if ends is None:
        world.alert(exit_())
    else:
        world.trade(world.leg(ends).gateway_order_id)
    world.run(5)
    assert world.venue.qty(PLACE) == 0
    assert not world.venue.working(PLACE)
