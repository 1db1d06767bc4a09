"""Contracts without a stop get one of their own, in time and no more than one; nothing of it is left when they are gone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest

from desk.core.events import FillReported, OrderReported, PositionReported, SnapshotRead
from desk.core.ids import GatewayOrderId
from desk.core.orders import OrderRequest, Role, TrackedOrder
from desk.core.plans import ExitReason, ProtectPlan
from desk.core.records import FillRecorded
from desk.core.words import OrderStatus, OrderType, Quote, Side
from desk.orders import PlaceStop
from tests.engine.hands import enter, incidents, staged, stops, trade_by_hand
from tests.engine.test_world import calm, ready
from tests.engine.venue import PRICE
from tests.engine.world import ACCOUNT, MNQ, PLACE, Faults, World, exit_, opens, with_bot
from tests.engine.world import enter as entry_alert

LEVEL = PRICE - 20


def strip(world: World, which: int = 0) -> None:
    """Somebody cancels a stop on the platform, its target stays."""
    working = [o for o in world.venue.working(PLACE) if o.type is OrderType.STOP]
    world.venue.cancel(sorted(working, key=lambda order: order.gateway_order_id)[which].gateway_order_id)
    world.publish()


def turn_down(world: World, order_id: GatewayOrderId) -> None:
    """The venue had taken the order, and rejects it now."""
    rejected = msgspec.structs.replace(world.venue.orders[order_id], status=OrderStatus.REJECTED)
    world.venue.orders[order_id] = rejected
    world.venue.events.append(OrderReported(order=rejected, ts=world.now))
    world.publish()


def placed(world: World) -> list[PlaceStop]:
    writes = [effect.reducing.what for effect in world.sent if hasattr(effect, "reducing")]
    return [what for what in writes if isinstance(what, PlaceStop)]


def by_itself(world: World) -> list[TrackedOrder]:
    return [order for order in world.state.protective_stops(PLACE) if order.parent is None]


@pytest.mark.parametrize("side", Side)
def test_only_the_missing_contracts_get_a_stop_where_the_old_one_was(side: Side) -> None:
    world = staged(1, 2, side=side)
    strip(world, 1)
    world.run(2.5)
    assert any("2 of 3 contracts have no working stop" in text for text in incidents(world, "position.unprotected"))
    world.run(2)
    assert stops(world) == [1, 2]
    assert [order.stop_price for order in by_itself(world)] == [PRICE - side.sign * 20]
    calm(world)


def test_two_agreeing_reads_come_before_it() -> None:
    world = staged(2)
    strip(world)
    world.run(2.5)
    assert placed(world) == []
    world.run(0.5)
    assert len(placed(world)) == 1


@pytest.mark.parametrize(
    "faults",
    [
        Faults(lost_reply=1),
        Faults(lost_reply=1, lost_event=1),
        Faults(not_sent=1, is_limited_falsely=True, lost_event=1),
        Faults(lost_event=1, read_lag_s=0.95),
    ],
)
def test_a_stop_that_nobody_answers_is_looked_for_and_never_placed_twice(faults: Faults) -> None:
    world = staged(2)
    strip(world)
    world.run(2.2)
    world.faults = faults
    world.run(1.5)
    world.faults = Faults(lost_event=faults.lost_event)
    world.run(20)
    calm(world)
    assert sum(stops(world)) == abs(world.venue.qty(PLACE))
    tags = [order.client_order_id for order in world.venue.placed]
    assert len(tags) == len(set(tags))


def test_a_stop_that_surely_did_not_arrive_goes_out_again_under_its_tag() -> None:
    world = staged(2)
    strip(world)
    world.run(2.2)
    world.faults = Faults(not_sent=1)
    world.run(0.9)
    world.faults = Faults()
    world.run(1.5)
    assert stops(world) == [2]
    assert len({what.order.client_order_id for what in placed(world)}) == 1 < len(placed(world))
    calm(world)


def test_a_price_through_the_market_closes_at_once() -> None:
    world = staged(2)
    world.venue.refuses_stops = "Order price is outside allowed range. Please set price below best ask."
    strip(world)
    world.run(3.5)
    assert world.venue.qty(PLACE) == 0
    assert [closed.reason for closed in world.closed()] == [ExitReason.UNPROTECTED]
    calm(world)


def test_a_quote_beyond_the_missing_stop_closes_without_trying() -> None:
    world = staged(2)
    quote = lambda contract: Quote(  # noqa: E731
        contract_id=contract, bid=LEVEL - 1, ask=LEVEL, last=LEVEL, ts_event=world.now, ts_recv=world.now
    )
    context = type(world).context.fget  # type: ignore[attr-defined]
    world.__class__ = type("Quoted", (World,), {"context": property(lambda w: replace(context(w), quote=quote))})
    strip(world)
    world.run(3.5)
    assert (world.venue.qty(PLACE), placed(world)) == (0, [])


def test_a_refusal_for_another_reason_is_tried_again_until_the_deadline() -> None:
    world = staged(2)
    world.venue.refuses_stops = "Trading is currently unavailable."
    strip(world)
    world.run(3.2)
    world.venue.refuses_stops = ""
    world.run(1)
    assert stops(world) == [2]
    assert len({what.order.client_order_id for what in placed(world)}) == len(placed(world)) > 1, (
        "a refusal burns a tag"
    )
    calm(world)


def test_without_the_contracts_tick_size_the_leg_that_was_tells_the_price() -> None:
    world = staged(2)
    world.has_contracts = False
    strip(world)
    world.run(4)
    assert [order.stop_price for order in by_itself(world)] == [LEVEL]


def test_the_stop_goes_at_once_when_the_target_ends_the_position() -> None:
    world = staged(2)
    strip(world)
    world.run(3.5)  # a second later the target would be gone, too
    assert len(by_itself(world)) == 1
    world.trade(world.leg(Role.TARGET).gateway_order_id)
    world.run(0.2)
    assert world.venue.working(PLACE) == []
    calm(world)


def test_a_late_flat_of_an_earlier_position_takes_no_stop_away() -> None:
    world = staged(2)
    first = world.state.positions[PLACE]
    world.alert(exit_())
    calm(world)
    enter(world, 2)
    world.run(2)
    strip(world)
    world.run(4)
    late = next(iter(world.venue.positions.values())).__class__(
        account_id=PLACE[0], contract_id=PLACE[1], qty=0, avg_price=first.avg_price, opened_at=first.opened_at
    )
    world.give(PositionReported(position=late, ts=world.now))
    world.run(0.1)
    assert stops(world) == [2]


def test_a_late_flat_of_a_position_that_another_one_followed_on_the_same_side_leaves_that_one_ours() -> None:
    """The word of the first one's end comes after the word of the second one's beginning."""
    world = staged(2)
    first = world.state.positions[PLACE]
    assert first.opened_at is not None
    a_position = next(iter(world.venue.positions.values())).__class__
    for qty, price, opened_at in ((2, PRICE + 1, first.opened_at + timedelta(seconds=1)), (0, PRICE, first.opened_at)):
        told = a_position(
            account_id=PLACE[0], contract_id=PLACE[1], qty=qty, avg_price=Decimal(price), opened_at=opened_at
        )
        world.give(PositionReported(position=told, ts=world.now))
    assert world.state.positions[PLACE].entry == first.entry
    assert world.state.position_qty(PLACE) == 2


def test_a_second_stop_for_the_same_contracts_is_taken_away() -> None:
    """A stop that was lost on its way arrives after another one had taken its place."""
    world = staged(2)
    strip(world)
    world.run(4)
    (order,) = by_itself(world)
    late = order.request.__class__(
        client_order_id="late", account_id=order.account_id, contract_id=order.contract_id, type=OrderType.STOP,
        side=order.side, qty=2, stop_price=order.stop_price,
    )  # fmt: skip
    order_id, _ = world.venue.place(late)
    known = replace_tag(order, order_id)
    world.state = world.state.__class__(
        **{name: getattr(world.state, name) for name in world.state.__struct_fields__}
        | {
            "orders": world.state.orders.set(known.client_order_id, known),
            "tags_at": world.state.tags_at.set(PLACE, (*world.state.tags_at[PLACE], known.client_order_id)),
            "by_gateway_id": world.state.by_gateway_id.set(order_id, known.client_order_id),
        }
    )
    world.publish()
    world.run(40)
    assert stops(world) == [2]


def replace_tag(order: TrackedOrder, order_id: int) -> TrackedOrder:
    fields = {name: getattr(order, name) for name in order.__struct_fields__}
    return TrackedOrder(**fields | {"client_order_id": "late", "gateway_order_id": order_id})


def test_both_legs_of_a_pair_fill_and_what_they_opened_is_closed_at_once() -> None:
    world = staged(2)
    world.venue.may_reverse = True
    stop, target = world.leg(Role.STOP), world.leg(Role.TARGET)
    world.venue._put(replace_parent(target))
    world.trade(stop.gateway_order_id)
    world.trade(target.gateway_order_id)
    assert world.venue.qty(PLACE) == -2
    world.run(1.5)
    assert world.venue.qty(PLACE) == 0
    assert incidents(world, "position.reversed")
    calm(world)


def replace_parent(order: object) -> object:
    """An OCO that does not hold: the leg does not go with its sibling."""
    fields = {name: getattr(order, name) for name in order.__struct_fields__}  # type: ignore[attr-defined]
    return type(order)(**fields | {"parent_id": None})


def test_a_jump_from_long_to_short_by_our_own_stops_is_closed_at_once() -> None:
    """As above, and neither the flat moment between nor the fills were told."""
    world = staged(2)
    world.venue.may_reverse = True
    stop, target = world.leg(Role.STOP), world.leg(Role.TARGET)
    world.venue._put(replace_parent(target))
    world.venue.fill(stop.gateway_order_id)
    world.venue.fill(target.gateway_order_id)
    flat = [e for e in world.venue.events if isinstance(e, PositionReported) and e.position.qty == 0]
    fills = [e for e in world.venue.events if isinstance(e, FillReported)]
    world.venue.events = [e for e in world.venue.events if e not in [*flat, *fills]]
    world.publish()
    world.run(2)
    assert world.venue.qty(PLACE) == 0
    assert incidents(world, "position.reversed")
    calm(world)


def test_a_stop_that_is_larger_than_what_somebody_left_opens_nothing_that_stays() -> None:
    world = staged(3)
    world.venue.may_reverse = True
    trade_by_hand(world, Side.SELL, 1)
    world.trade(world.leg(Role.STOP).gateway_order_id)
    assert world.venue.qty(PLACE) == -1
    world.run(2)
    assert world.venue.qty(PLACE) == 0
    assert incidents(world, "position.reversed")
    calm(world)


def test_a_person_who_turns_the_position_is_left_alone() -> None:
    world = staged(2)
    world.venue.may_reverse = True
    trade_by_hand(world, Side.SELL, 5)
    for order in world.venue.working(PLACE):
        world.venue.cancel(order.gateway_order_id)
    world.publish()
    world.run(60)
    assert world.venue.qty(PLACE) == -3
    assert not incidents(world, "position.reversed")


def test_contracts_added_by_hand_are_neither_closed_nor_protected_and_ours_keep_their_stop() -> None:
    world = staged(2)
    trade_by_hand(world, Side.BUY, 1)
    strip(world)
    world.run(20)
    assert (world.venue.qty(PLACE), stops(world)) == (3, [2])
    assert sum("1 of 3 contracts" in text for text in incidents(world, "position.foreign")) == 1


def test_when_ours_cannot_be_protected_only_ours_are_closed() -> None:
    world = staged(2)
    trade_by_hand(world, Side.BUY, 1)
    world.run(20)
    world.venue.refuses_stops = "Order price is outside allowed range."
    strip(world)
    world.run(20)
    assert world.venue.qty(PLACE) == 1
    world.run(60)
    assert world.venue.qty(PLACE) == 1
    assert not any(isinstance(plan, ProtectPlan) for plan in world.state.plans.values())


def test_killed_at_every_step_one_stop_comes_of_it() -> None:
    def play(kill_at: int) -> tuple[World, int]:
        world, steps = staged(2, is_checked=False), 0
        strip(world)
        until = world.now + timedelta(seconds=4)
        while world.due and world.due[0][0] <= until:
            if steps == kill_at:
                world.kill()
            steps += 1
            world.step()
        return calm(world), steps

    _, steps = play(-1)
    for kill_at in range(steps):
        world, _ = play(kill_at)
        is_late = (world.venue.qty(PLACE), stops(world)) == (0, [])  # the search took the time until the deadline
        assert is_late or (world.venue.qty(PLACE), stops(world)) == (2, [2]), f"killed at {kill_at}"


def test_an_exit_takes_a_stop_by_itself_with_it_also_one_in_flight() -> None:
    for after_s in (2.7, 2.72, 2.75, 3.0, 5.0):
        world = staged(2)
        strip(world)
        world.faults = Faults(lost_reply=1)
        world.run(after_s)
        world.alert(exit_())
        world.run(10)
        assert calm(world).venue.qty(PLACE) == 0


def test_the_level_is_rounded_to_the_grid_towards_less_risk() -> None:
    world = staged(1)
    assert MNQ.tick_size == Decimal("0.25")
    strip(world)
    world.run(4)
    assert all(order.stop_price is not None and MNQ.is_on_grid(order.stop_price) for order in by_itself(world))


def test_the_stop_by_itself_is_the_reason_of_the_exit_that_it_makes() -> None:
    world = staged(2)
    opener = world.state.positions[PLACE].cause
    strip(world)
    world.run(4)
    (stop,) = by_itself(world)
    assert stop.gateway_order_id is not None
    world.trade(stop.gateway_order_id)
    world.run(3)
    assert [(closed.reason, closed.cause) for closed in world.closed()] == [(ExitReason.STOP, opener)]


def test_an_exits_own_fill_carries_its_cause_and_the_end_remembers_both() -> None:
    world = staged(2)
    opener = world.state.positions[PLACE].cause
    verdict = world.alert(exit_())
    calm(world)
    closing = [r for r in world.journal if isinstance(r, FillRecorded) and r.fill.gross_pnl is not None]
    asked = {record.cause for record in closing}
    last = world.state.last_exits[PLACE]
    assert verdict.plan_id is not None
    assert asked == {last.ended_by}
    assert (last.cause, last.reason) == (opener, ExitReason.ALERT)
    assert str(last.ended_by) in verdict.plan_id


def test_a_position_whose_stops_are_taken_and_then_turned_down_is_closed_at_the_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = staged(2)
    place = world.venue.place

    def take_and_turn_down(order: OrderRequest) -> tuple[GatewayOrderId, str]:
        order_id, refused = place(order)
        world.later(0.2, lambda: turn_down(world, order_id))
        return order_id, refused

    monkeypatch.setattr(world.venue, "place", take_and_turn_down)
    strip(world)
    world.run(7)
    assert world.venue.qty(PLACE) == 0
    assert [closed.reason for closed in world.closed()] == [ExitReason.UNPROTECTED]
    calm(world)


def test_a_stop_that_stays_ends_the_guard_after_a_second() -> None:
    world = staged(2)
    strip(world)
    world.run(3.5)
    assert stops(world) == [2]
    assert world.state.protect_plan(PLACE) is not None
    world.run(1)
    assert world.state.protect_plan(PLACE) is None


def test_a_read_from_before_the_next_fill_places_no_more_than_it_shows() -> None:
    """Cause: the gap was counted from what the hub had told since, and a stop larger than the position read ended the desk."""
    world = ready(bot=with_bot(max_position=4))
    world.command(opens(qty=1, type=OrderType.LIMIT, limit_price=Decimal(19990)))
    world.run(1)
    world.venue.naked = True
    world.command(opens())
    while not (plan := world.state.protect_plan(PLACE)) or not plan.naked_reads:
        world.step()
    world.run(0.5)
    before = world.venue.picture(world.now)
    world.trade(world.resting()[0].gateway_order_id)
    world.run(0.05)
    assert world.state.position_qty(PLACE) == 3
    late = SnapshotRead(
        account_id=ACCOUNT,
        asked_by=(plan.plan_id,),
        is_full=False,
        account=None,
        positions=tuple(before.positions.values()),
        working=tuple(order for order in before.orders.values() if order.status.is_working),
        finished=(),
        fills=(),
        asked_at=world.now,
        ts=world.now,
    )
    world.give(late)
    assert [what.order.qty for what in placed(world)] == [2]
    world.venue.naked = False
    calm(world)


@pytest.mark.parametrize("seed", [24, 43, 44, 45])
def test_a_read_that_is_older_than_the_new_stop_gives_nothing_up(seed: int) -> None:
    """Cause: the guard waits a second for its stop to stay. At a slow gateway a read from before that stop came at the
    deadline meanwhile, and a person was told that the position is closed at market, which it was not."""
    world = World(seed=seed)
    world.run(3)
    world.alert(entry_alert())
    world.run(3)
    world.faults = Faults(slow_s=1.5, read_lag_s=1.0)
    strip(world)
    world.run(30)
    assert stops(world) == [2]
    assert not [text for text in incidents(world, "position.unprotected") if "closed at market" in text]
    assert not world.state.positions[PLACE].is_given_up
