"""Single things that go wrong, each with its name. Time is virtual: seconds cost nothing."""

from __future__ import annotations

import pytest

from desk.core.events import (
    OrderReported,
    PositionReported,
    TimerFired,
)
from desk.core.orders import OrderState, Role
from desk.core.plans import ExitPlan, ExitReason, ProtectPlan
from desk.core.records import ExitExplained, IncidentRaised, VerdictKind
from desk.core.words import OrderStatus, OrderType, Side, VenuePosition
from desk.engine import Reduce
from tests.engine.test_world import calm, ready
from tests.engine.venue import PRICE, Venue
from tests.engine.world import ACCOUNT, MNQ, NOON, PLACE, Faults, World, enter, exit_, with_bot


def holding(**given: object) -> World:
    world = ready(**given)
    assert world.alert(enter()).kind is VerdictKind.ACCEPTED
    world.run(3)
    assert world.venue.qty(PLACE) == 2
    return world


def incidents(world: World) -> set[str]:
    return {record.kind for record in world.journal if isinstance(record, IncidentRaised)}


# --- entries ---------------------------------------------------------------------------------------------------------


def test_a_lost_reply_still_means_one_order() -> None:
    world = ready(faults=Faults(lost_reply=1))
    world.alert(enter())
    world.run(5)
    assert len(calm(world).entries()) == 1
    assert world.venue.qty(PLACE) == 2


def test_an_entry_whose_every_event_is_lost_is_found_by_reading() -> None:
    world = ready(faults=Faults(lost_event=1))
    world.alert(enter())
    world.run(4)
    assert world.state.position_qty(PLACE) == 2
    assert world.state.positions[PLACE].entry == world.entries()[0].client_order_id
    assert any(order.state is OrderState.WORKING for order in world.state.protective_stops(PLACE))


def test_an_entry_that_was_surely_not_sent_goes_out_once_under_the_same_tag() -> None:
    world = ready(faults=Faults(not_sent=1))
    verdict = world.alert(enter())
    world.run(0.5)
    world.faults = Faults()
    assert len(calm(world).entries()) == 1
    assert world.entries()[0].client_order_id == verdict.orders[0]


def test_a_rate_limited_entry_that_arrived_all_the_same_is_adopted_and_not_doubled() -> None:
    world = ready(faults=Faults(not_sent=1, is_limited_falsely=True, lost_event=1))
    world.alert(enter())
    world.run(0.5)
    world.faults = Faults(lost_event=1)
    world.run(10)
    assert len(calm(world).entries()) == 1
    assert world.state.position_qty(PLACE) == 2


@pytest.mark.parametrize("suffix", ["-SL", "-TP"])
@pytest.mark.parametrize("when", ["before the reply", "after the reply", "after it was given up"])
def test_a_leg_at_the_venue_proves_that_its_entry_arrived_whatever_the_reply_said(when: str, suffix: str) -> None:
    world = ready(faults=Faults(lost_event=1))
    world.alert(enter("enter_short"))
    world.run(3)
    held = world.state.positions[PLACE]
    world.trade(world.leg(Role.STOP).gateway_order_id)  # of a round trip before; its fill is read after its end is told
    flat = VenuePosition(
        account_id=ACCOUNT, contract_id=MNQ.contract_id, qty=0, avg_price=held.avg_price, opened_at=held.opened_at
    )
    world.give(PositionReported(position=flat, ts=world.now))
    world.run(60)
    world.faults = Faults(not_sent=1, is_limited_falsely=True, lost_event=1, slow_s=2)
    tag = world.alert(enter()).orders[0]
    while PLACE not in world.venue.positions:
        world.step()
    leg = next(order for order in world.venue.orders.values() if order.tag == f"{tag}{suffix}")
    assert world.state.orders[tag].state is OrderState.SUBMITTED
    if when == "before the reply":
        world.give(OrderReported(order=leg, ts=world.now))
    while world.state.orders[tag].state is OrderState.SUBMITTED:
        world.step()
    if when == "after it was given up":
        world.alert(exit_())
        assert f"enter:{tag}" not in world.state.plans
    if when != "before the reply":
        world.give(OrderReported(order=leg, ts=world.now))
    world.give(PositionReported(position=world.venue.positions[PLACE], ts=world.now))
    world.faults = Faults(lost_event=1, read_lag_s=0.95)
    world.run(20)
    assert [order.client_order_id for order in calm(world).entries()].count(tag) == 1
    assert not incidents(world) & {"position.reversed", "position.unprotected"}
    if when == "after it was given up":
        assert world.venue.qty(PLACE) == 0
    else:
        assert world.venue.qty(PLACE) == 2
        assert world.state.positions[PLACE].entry == tag


def test_an_entry_that_cannot_be_sent_in_time_is_given_up_and_told() -> None:
    world = ready(faults=Faults(not_sent=1))
    world.alert(enter())
    world.run(30)
    assert calm(world).entries() == []
    assert "entry.expired" in incidents(world)


def test_an_entry_that_waits_to_be_sent_again_counts_as_under_way() -> None:
    world = ready(faults=Faults(not_sent=1))
    world.alert(enter())
    world.run(0.3)
    assert world.alert(enter()).reason == "ALREADY_THERE"
    assert world.alert(enter("enter_short")).reason == "OPPOSITE_POSITION"


def test_an_exit_stops_an_entry_that_waits_to_be_sent_again() -> None:
    world = ready(faults=Faults(not_sent=1))
    world.alert(enter())
    world.run(0.3)
    world.faults = Faults()
    assert world.alert(exit_()).kind is VerdictKind.ACCEPTED
    assert calm(world).entries() == []


def test_an_entry_is_sent_again_only_into_a_place_that_is_still_empty() -> None:
    world = ready(faults=Faults(not_sent=1), bot=with_bot(max_position=9))
    world.alert(enter())
    world.run(0.3)
    world.faults = Faults()
    world.venue.place(world.state.orders[next(iter(world.state.orders))].request.__class__(
        client_order_id="hand", account_id=ACCOUNT, contract_id=MNQ.contract_id, type=OrderType.MARKET,
        side=Side.BUY, qty=1, stop_ticks=8,
    ))  # fmt: skip
    world.publish()
    world.trade(world.venue.due()[0])
    world.run(5)
    assert [order.client_order_id for order in world.entries()] == ["hand"]


def test_sending_again_never_loosens_the_messages_own_limit() -> None:
    world = ready(faults=Faults(not_sent=1), bot=with_bot(max_position=9))
    alert = enter(policy=enter().policy.__class__(max_position=2))
    world.alert(alert)
    assert [order.max_position for order in world.state.orders.values()] == [2]


def test_events_before_the_reply_leave_one_accepted_order() -> None:
    world = ready(faults=Faults(slow_s=3.0))
    world.alert(enter())
    world.run(20)
    assert calm(world).venue.qty(PLACE) == 2


def test_a_rejection_of_a_repeat_does_not_end_the_first_sending() -> None:
    world = ready(faults=Faults(lost_reply=1, lost_event=1))
    world.alert(enter())
    while not any(order.state is OrderState.UNKNOWN for order in world.state.orders.values()):
        world.step()
    order = next(iter(world.state.orders.values()))
    refused = next(o for o in world.venue.orders.values() if o.tag == order.client_order_id).__class__(
        gateway_order_id=77, account_id=ACCOUNT, contract_id=MNQ.contract_id, status=OrderStatus.REJECTED,
        type=OrderType.MARKET, side=order.side, qty=2, filled_qty=0, tag=order.client_order_id, created_at=NOON,
    )  # fmt: skip
    world.give(OrderReported(order=refused, ts=world.now))
    assert calm(world).state.position_qty(PLACE) == 2


# --- exits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("after_s", [0.0, 0.02, 0.05, 0.08, 0.2])
@pytest.mark.parametrize("how", ["exit", "flatten"])
def test_an_exit_while_the_entry_is_in_flight_ends_flat(after_s: float, how: str) -> None:
    world = ready(faults=Faults(read_lag_s=0.95))
    world.alert(enter())
    world.run(after_s)
    verdict = world.alert(exit_()) if how == "exit" else world.flatten()
    assert verdict.kind is VerdictKind.ACCEPTED
    world.run(20)
    assert calm(world).venue.qty(PLACE) == 0


def test_a_stop_that_fills_while_the_exit_cancels_it_does_not_reverse() -> None:
    world = holding()
    stop = world.leg(Role.STOP).gateway_order_id
    world.alert(exit_())
    world.trade(stop)
    assert calm(world).venue.qty(PLACE) == 0
    assert [closed.reason for closed in world.closed()] == [ExitReason.STOP]


def test_an_exit_alert_after_the_stop_filled_makes_no_order() -> None:
    world = holding()
    world.trade(world.leg(Role.STOP).gateway_order_id)
    world.run(0.1)
    sent = len(world.sent)
    assert world.alert(exit_()).reason == "NOTHING_TO_EXIT"
    assert len(world.sent) == sent


def test_a_close_that_is_not_answered_is_not_repeated_while_it_may_be_under_way() -> None:
    world = holding(faults=Faults(read_lag_s=0.95))
    world.faults.lost_reply = 1
    world.alert(exit_())
    world.run(20)
    calm(world)
    closes = [e for e in world.sent if isinstance(e, Reduce) and "ClosePosition" in repr(e.reducing)]
    assert len(closes) == 1


def test_a_pause_that_ends_early_does_not_count_a_read_twice() -> None:
    world = holding()
    world.alert(exit_())
    while not any(isinstance(plan, ExitPlan) and plan.empty_reads for plan in world.state.plans.values()):
        world.step()
    plan = next(plan for plan in world.state.plans.values() if isinstance(plan, ExitPlan))
    world.give(TimerFired(key=plan.plan_id, ts=world.now))  # an older pause of the same plan
    started = world.now
    while world.state.plans:
        world.step()
    assert (world.now - started).total_seconds() >= 0.5


def test_an_exit_that_cannot_cancel_says_so_and_goes_on() -> None:
    world = holding()
    world.venue.cancel = lambda order_id: False  # type: ignore[method-assign]
    world.alert(exit_())
    world.run(60)
    assert "exit.slow" in incidents(world)
    assert any(isinstance(plan, ExitPlan) for plan in world.state.plans.values())


def test_entries_are_denied_while_an_exit_runs() -> None:
    world = holding()
    world.alert(exit_())
    while world.state.position_qty(PLACE):
        world.step()
    assert world.alert(enter()).reason == "EXIT_RUNNING"


def test_flat_by_hand_is_named_and_its_legs_are_swept() -> None:
    world = holding()
    world.close_by_hand()
    world.run(0.2)
    assert world.alert(enter()).reason == "ORPHAN_ORDERS"
    world.run(3)
    calm(world)
    assert "order.orphan" in incidents(world)
    assert [closed.reason for closed in world.closed()] == [ExitReason.MANUAL]
    assert world.alert(enter()).kind is VerdictKind.ACCEPTED


def test_the_sweep_looks_again_for_a_cancel_may_be_lost_on_its_way() -> None:
    """Cause: it waited for the watch, 15 s and more, while a target that was left could open a position."""
    world = holding()
    world.close_by_hand()
    world.venue.keeps = True
    swept = 0
    for _ in range(200):
        world.run(0.1)
        told = sum(isinstance(record, IncidentRaised) and record.kind == "order.orphan" for record in world.journal)
        assert told == swept or world.pending[f"look:{ACCOUNT}"], "nobody will see whether the cancels were carried out"
        swept = told
    assert swept > 5
    world.venue.keeps = False
    calm(world)


def test_a_leg_that_traded_after_the_position_had_ended_is_closed_at_market() -> None:
    world = holding()
    world.close_by_hand()
    world.trade(world.leg(Role.STOP).gateway_order_id)
    assert world.venue.qty(PLACE) == -2
    world.run(20)
    assert calm(world).venue.qty(PLACE) == 0


def test_the_reason_that_comes_late_is_added() -> None:
    world = holding()
    stop = world.leg(Role.STOP).gateway_order_id
    world.venue.fill(stop)
    late, early = [], []
    for event in world.venue.take_events():
        (early if isinstance(event, PositionReported) else late).append(event)
    for event in early:
        world.give(event)
    assert [closed.reason for closed in world.closed()] == [ExitReason.UNKNOWN]
    for event in late:
        world.give(event)
    explained = [record.reason for record in world.journal if isinstance(record, ExitExplained)]
    assert explained == [ExitReason.STOP]


# --- protection ------------------------------------------------------------------------------------------------------


def test_a_position_whose_legs_were_rejected_gets_another_stop_of_the_same_price() -> None:
    world = ready()
    world.venue.naked = True
    world.alert(enter())
    world.run(4.5)
    assert "position.unprotected" in incidents(world)
    (stop,) = world.venue.working(PLACE)
    assert (stop.type, stop.qty, stop.stop_price) == (OrderType.STOP, 2, PRICE - 20)
    assert calm(world).venue.qty(PLACE) == 2


def test_a_position_for_which_no_stop_is_taken_is_closed_after_five_seconds() -> None:
    world = ready()
    world.venue.naked = True
    world.venue.refuses_stops = "Trading is currently unavailable."
    world.alert(enter())
    world.run(4.5)
    assert world.venue.qty(PLACE) == 2
    assert "position.unprotected" in incidents(world)
    world.run(5)
    assert calm(world).venue.qty(PLACE) == 0
    assert [closed.reason for closed in world.closed()] == [ExitReason.UNPROTECTED]


def test_a_position_report_that_never_comes_is_read() -> None:
    world = ready()
    world.alert(enter())
    publish = world.publish

    def without_positions() -> None:
        world.venue.events = [e for e in world.venue.events if not isinstance(e, PositionReported)]
        publish()

    world.publish = without_positions  # type: ignore[method-assign]
    world.run(0.5)
    assert world.state.position_qty(PLACE) == 0
    assert world.alert(enter()).reason == "ALREADY_THERE", "a fill whose position report is missing counts"
    world.run(3)
    assert world.state.position_qty(PLACE) == 2


def test_somebody_elses_position_is_never_guarded_nor_closed() -> None:
    world = ready()
    order = holding().entries()[0]
    world.venue.place(order.__class__(
        client_order_id="hand", account_id=ACCOUNT, contract_id=MNQ.contract_id, type=OrderType.MARKET,
        side=order.side, qty=1,
    ))  # fmt: skip
    world.publish()
    world.trade(world.venue.due()[0])
    world.run(60)
    assert world.state.position_qty(PLACE) == 1
    assert not any(isinstance(plan, ProtectPlan) for plan in world.state.plans.values())
    assert world.sent == []


def test_two_guards_reads_in_a_hurry_do_not_leave_the_plan_waiting_for_ever() -> None:
    world = ready()
    world.venue.naked = True
    world.alert(enter())
    world.run(2.5)
    world.resync()  # reads at once, in the middle of the plan's own pauses: liveness is checked after every event
    world.run(0.05)
    world.resync()
    world.run(20)
    assert calm(world).venue.qty(PLACE) == 2


def test_a_late_report_of_an_earlier_round_trip_does_not_hide_the_position() -> None:
    world = holding()
    first = world.state.positions[PLACE]
    world.alert(exit_())
    world.run(5)
    world.alert(enter())
    world.run(2)
    late = next(iter(world.venue.positions.values())).__class__(
        account_id=ACCOUNT, contract_id=MNQ.contract_id, qty=0, avg_price=first.avg_price, opened_at=first.opened_at
    )
    world.give(PositionReported(position=late, ts=world.now))
    assert world.state.position_qty(PLACE) == 2


# --- a venue that counts from the beginning again ------------------------------------------------------------------------


def test_an_order_number_that_comes_back_under_another_tag_is_another_order() -> None:
    """Cause: a report was matched by the gateway's number although it carries another tag than the order of that number.

    Paper accounts that were started afresh beside an old journal number their orders from the beginning again. The new
    legs were taken for finished orders of the old account: position without a stop on the screen, no working order.
    """
    world = holding()
    world.alert(exit_())
    calm(world)
    world.venue = Venue(world.now)
    world.kill()
    world.run(3)
    assert world.alert(enter()).kind is VerdictKind.ACCEPTED
    world.run(3)
    assert world.venue.qty(PLACE) == 2
    assert len(list(world.state.protective_stops(PLACE))) == 1
    calm(world)
