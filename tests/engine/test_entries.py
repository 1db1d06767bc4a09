"""Entries of every type: what is refused and why, how they rest, expire, fill in parts, and survive a kill."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from desk.core.events import OrderReported, Stopping
from desk.core.intents import BreakEven, Care, Stage, Trail
from desk.core.orders import OrderState, Role
from desk.core.plans import EnterPlan, EnterStep
from desk.core.records import VerdictKind
from desk.core.words import OrderStatus, OrderType, Side
from desk.engine import ReadAccount, Submit
from tests.engine.test_scenarios import incidents
from tests.engine.test_world import calm, ready
from tests.engine.venue import Venue
from tests.engine.world import MNQ, PLACE, Faults, World, exit_, opens, with_bot

ROOMY = with_bot(max_position=4)
LIMIT = {"type": OrderType.LIMIT, "limit_price": Decimal(19990)}


def roomy(**given: Any) -> World:
    return ready(bot=ROOMY, **given)


def quoted(last: int | None = 20000, **given: Any) -> World:
    world = roomy(**given)
    world.price(last, bid="19999.75", ask="20000.25")
    return world


def rests(world: World, **more: Any) -> Any:
    """An entry that rests at the venue; its gateway id."""
    verdict = world.command(opens(**{**LIMIT, **more}))
    assert verdict.kind is VerdictKind.ACCEPTED, verdict.text
    world.run(0.5)
    return world.resting()[-1].gateway_order_id


# --- types -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "sent", "said"),
    [
        (opens(), {"type": OrderType.MARKET}, "at market"),
        (opens(**LIMIT), {"limit_price": Decimal(19990)}, "limit at 19990"),
        (
            opens(type=OrderType.STOP, stop_price=Decimal("20001.5")),
            {"stop_price": Decimal("20001.5")},
            "stop at 20001.5",
        ),
        (
            opens(type=OrderType.TRAILING_STOP, trail_ticks=40),
            {"type": OrderType.TRAILING_STOP, "trail_price": Decimal(20010), "stop_price": None},
            "now at 20010",
        ),
        (
            opens(side=Side.SELL, type=OrderType.TRAILING_STOP, trail_ticks=40),
            {"trail_price": Decimal(19990)},
            "now at 19990",
        ),
        (opens(type=OrderType.JOIN_ASK), {"type": OrderType.JOIN_BID, "limit_price": None}, "best bid"),
        (opens(side=Side.SELL, type=OrderType.JOIN_BID), {"type": OrderType.JOIN_ASK}, "best ask"),
    ],
)
def test_an_entry_goes_out_as_its_type_says(wanted: Any, sent: dict[str, Any], said: str) -> None:
    world = quoted()
    verdict = world.command(wanted)
    assert verdict.kind is VerdictKind.ACCEPTED, verdict.text
    assert said in verdict.text
    assert "stop 80 ticks" in verdict.text
    world.run(0.5)
    (order,) = world.entries()
    assert {name: getattr(order, name) for name in sent} == sent
    assert (order.stop_ticks, order.target_ticks) == (80, None)


@pytest.mark.parametrize(
    ("wanted", "reason", "says"),
    [
        (opens(type=OrderType.LIMIT), "BAD_PRICE", "limit price"),
        (opens(type=OrderType.LIMIT, limit_price=Decimal("19990.1")), "BAD_PRICE", "19990.00 or 19990.25"),
        (opens(type=OrderType.STOP, stop_price=Decimal("20010.30")), "BAD_PRICE", "20010.25 or 20010.50"),
        (opens(type=OrderType.STOP, stop_price=Decimal("19999.75")), "WRONG_SIDE", "below the market (19999.75)"),
        (
            opens(side=Side.SELL, type=OrderType.STOP, stop_price=Decimal(20001)),
            "WRONG_SIDE",
            "above the market (20000.25)",
        ),
        (opens(type=OrderType.TRAILING_STOP), "BAD_PRICE", "1 to 1000"),
        (opens(type=OrderType.TRAILING_STOP, trail_ticks=1001), "BAD_PRICE", "1001 ticks"),
        (opens(type=OrderType.STOP_LIMIT), "NOT_SUPPORTED", "touch price"),
        (opens(qty=2, stages=(Stage(qty=1), Stage(qty=2))), "BAD_SIZE", "add up to 3"),
        (opens(qty=0), "BAD_SIZE", "at least 1"),
        (opens(stop_ticks=None), "NO_STOP", ""),
        (opens(stop_ticks=3), "STOP_TOO_CLOSE", "3 ticks"),
        (opens(qty=5), "MAX_POSITION", "5 contracts, allowed 4"),
        (
            opens(stop_ticks=None, care=Care(stop_price=Decimal(20005))),
            "WRONG_SIDE",
            "20005.00 with an entry at 20000.25",
        ),
        (opens(stop_ticks=None, care=Care(stop_price=Decimal("19999.50"))), "STOP_TOO_CLOSE", "3 ticks"),
        (opens(stages=(Stage(qty=2, target_price=Decimal(19000)),)), "WRONG_SIDE", "target"),
        (opens(stages=(Stage(qty=2, target_price=Decimal(20001)),)), "TARGET_TOO_CLOSE", "3 ticks"),
    ],
)
def test_what_the_venue_would_refuse_is_denied_with_the_numbers(wanted: Any, reason: str, says: str) -> None:
    world = quoted()
    verdict = world.command(wanted)
    assert (verdict.kind, verdict.reason) == (VerdictKind.DENIED, reason), verdict.text
    assert says in verdict.text
    assert world.sent == []


def test_a_limit_through_the_market_is_taken_with_a_warning() -> None:
    verdict = quoted().command(opens(type=OrderType.LIMIT, limit_price=Decimal(20010)))
    assert verdict.kind is VerdictKind.ACCEPTED
    assert "fills at once" in verdict.warnings[0]


@pytest.mark.parametrize("age_s", [2.0, None])
def test_prices_that_need_the_market_are_denied_without_a_young_quote(age_s: float | None) -> None:
    world = roomy()
    if age_s is not None:
        world.price(20000)
        world.run(age_s)
    for wanted in (
        opens(type=OrderType.TRAILING_STOP, trail_ticks=40),
        opens(stop_ticks=None, care=Care(stop_price=Decimal(19980))),
        opens(type=OrderType.JOIN_BID, stop_ticks=None, care=Care(stop_price=Decimal(19980))),
    ):
        assert world.command(wanted).reason == "NO_QUOTE"
    assert world.command(opens(type=OrderType.STOP, stop_price=Decimal(19000))).kind is VerdictKind.ACCEPTED


@pytest.mark.parametrize(
    ("wanted", "stop", "target"),
    [
        # counted from the entry's own price, else from the side of the book where it will trade
        (opens(**LIMIT, stop_ticks=None, care=Care(stop_price=Decimal(19980))), 40, None),
        (opens(stop_ticks=None, care=Care(stop_price=Decimal("19980.25"))), 80, None),
        (opens(side=Side.SELL, stop_ticks=None, care=Care(stop_price=Decimal("20019.75"))), 80, None),
        # off the grid: towards the entry, never more risk than asked
        (opens(**LIMIT, stop_ticks=None, care=Care(stop_price=Decimal("19979.90"))), 40, None),
        (opens(**LIMIT, stages=(Stage(qty=2, target_price=Decimal("20000.10")),)), 80, 40),
        # ticks stand in for an exact price only where there is no quote
        (opens(**LIMIT, stop_ticks=200, care=Care(stop_price=Decimal(19980))), 40, None),
    ],
)
def test_exact_prices_become_ticks_that_never_risk_more(wanted: Any, stop: int, target: int | None) -> None:
    world = quoted()
    world.command(wanted)
    world.run(0.5)
    (order,) = world.entries()
    assert (order.stop_ticks, order.target_ticks) == (stop, target)
    care = world.state.orders[order.client_order_id].care
    for price in (care.stop_price, care.target_price):
        assert price is None or MNQ.is_on_grid(price)


def test_without_a_quote_ticks_stand_in_and_the_exact_price_is_kept_for_later() -> None:
    world = roomy()
    assert world.command(opens(care=Care(stop_price=Decimal("19980.10")))).kind is VerdictKind.ACCEPTED
    (order,) = world.state.orders.values()
    assert (order.stop_ticks, order.care.stop_price) == (80, Decimal("19980.25"))


# --- resting ---------------------------------------------------------------------------------------------------------


def test_a_resting_entry_is_not_read_for_over_and_over() -> None:
    world = roomy()
    rests(world)
    reads = []
    carry_out = world._carry_out
    world._carry_out = lambda e: (reads.append(e) if isinstance(e, ReadAccount) else None, carry_out(e))[1]  # type: ignore[assignment,func-returns-value]
    world.run(60)
    assert len(reads) <= 5, "the watch of the account, every 15 s"
    assert calm(world).resting()


def test_an_accepted_entry_of_which_nothing_is_heard_is_read_once() -> None:
    world = roomy(faults=Faults(lost_event=1))
    rests(world)
    world.run(3)
    (order,) = (o for o in world.state.orders.values() if o.role is Role.ENTRY)
    assert order.state is OrderState.WORKING


def test_a_resting_entry_counts_against_the_limit_in_full() -> None:
    world = roomy()
    rests(world, qty=3)
    assert world.command(opens(qty=2)).reason == "MAX_POSITION"
    assert world.command(opens(qty=1)).kind is VerdictKind.ACCEPTED


def test_an_entry_against_one_that_rests_is_denied() -> None:
    """Cause: both fill, they close each other, and the legs of both are left to open something."""
    world = roomy()
    rests(world, qty=1)
    verdict = world.command(opens(qty=1, side=Side.SELL))
    assert verdict.reason == "OPPOSITE_ENTRY"
    assert "pair" in verdict.text


def test_freshness_limits_the_sending_and_not_the_resting() -> None:
    world = roomy()
    rests(world, fresh_until=world.now + timedelta(seconds=2))
    world.run(120)
    world.trade(world.resting()[0].gateway_order_id)
    assert calm(world).venue.qty(PLACE) == 2


@pytest.mark.parametrize("fault", ["none", "lost reply", "lost events", "slow", "not sent"])
def test_an_entry_goes_when_its_time_is_over(fault: str) -> None:
    world = roomy()
    rests(world, expires_at=world.now + timedelta(seconds=30))
    world.run(29)
    assert world.resting()
    world.faults = {
        "none": Faults(), "lost reply": Faults(lost_reply=1), "lost events": Faults(lost_event=1),
        "slow": Faults(slow_s=2), "not sent": Faults(not_sent=1),
    }[fault]  # fmt: skip
    world.run(4)
    assert bool(world.resting()) == (fault == "not sent")
    calm(world)
    assert not world.resting()
    assert not world.state.plans
    assert "entry.expired" in incidents(world)


def test_an_expiry_that_the_venue_does_not_carry_out_is_told_and_tried_on() -> None:
    world = roomy()
    rests(world, expires_at=world.now + timedelta(seconds=5))
    world.venue.keeps = True
    world.run(30)
    assert "entry.stuck" in incidents(world)
    world.venue.keeps = False
    assert not calm(world).resting()


@pytest.mark.parametrize("when", ["before", "overdue"])
def test_an_expiry_survives_a_kill(when: str) -> None:
    world = roomy()
    rests(world, expires_at=world.now + timedelta(seconds=10))
    world.kill() if when == "before" else world.run(9.4)
    if when == "overdue":
        world.life += 1  # dead while the time runs out
        world.pending.clear()
        world.run(20)
        world.kill()
    world.run(12)
    assert not calm(world).resting()
    assert "entry.expired" in incidents(world)


@pytest.mark.parametrize("after_s", [0.0, 0.005, 0.02, 0.04, 0.06])
@pytest.mark.parametrize("part", [1, 2])
def test_a_fill_that_crosses_the_cancel_counts_and_is_protected(after_s: float, part: int) -> None:
    world = roomy()
    order_id = rests(world, expires_at=world.now + timedelta(seconds=5))
    world.later(4.5 + after_s, lambda: world.trade(order_id, part))
    world.run(10)
    held = world.venue.qty(PLACE)
    calm(world)
    assert world.venue.qty(PLACE) == held
    assert not world.resting()


def test_a_part_that_filled_stays_protected_when_the_rest_expires() -> None:
    world = roomy()
    order_id = rests(world, expires_at=world.now + timedelta(seconds=10))
    world.trade(order_id, 1)
    world.run(1)
    assert world.state.orders[world.entries()[0].client_order_id].state is OrderState.PARTIALLY_FILLED
    assert world.state.position_qty(PLACE) == 1
    world.run(15)
    assert calm(world).venue.qty(PLACE) == 1
    assert not world.resting()
    assert [stop.qty for stop in world.state.protective_stops(PLACE)] == [1]


def test_parts_grow_the_legs_and_never_the_position_beyond_the_order() -> None:
    world = roomy()
    order_id = rests(world, qty=3)
    for held in (1, 2, 3):
        world.trade(order_id, 1)
        world.run(1)
        assert world.state.position_qty(PLACE) == held
        assert sum(stop.qty for stop in world.state.protective_stops(PLACE)) == held
    assert calm(world).venue.qty(PLACE) == 3


def test_an_exit_of_a_partly_filled_entry_takes_the_rest_along() -> None:
    world = roomy()
    world.trade(rests(world), 1)
    world.run(0.5)
    world.alert(exit_())
    assert calm(world).venue.qty(PLACE) == 0
    assert not world.resting()
    assert "entry.ended" not in incidents(world), "the exit asked for it"


@pytest.mark.parametrize("status", [OrderStatus.CANCELLED, OrderStatus.EXPIRED, OrderStatus.REJECTED])
def test_an_entry_that_ends_at_the_venue_is_told(status: OrderStatus) -> None:
    world = roomy()
    order = world.venue.orders[rests(world)]
    for leg in [leg for leg in world.venue.orders.values() if leg.parent_id == order.gateway_order_id]:
        world.venue._put(msgspec.structs.replace(leg, status=OrderStatus.CANCELLED))
    world.venue._put(msgspec.structs.replace(order, status=status))
    world.publish()
    calm(world)
    assert {"entry.ended", "order.rejected"} & incidents(world)


def test_an_entry_that_vanished_over_night_is_told() -> None:
    world = roomy()
    rests(world)
    world.venue = Venue(world.now)
    world.run(40)
    calm(world)
    assert "entry.ended" in incidents(world)


def test_stopping_cancels_what_rests_even_when_it_is_killed_meanwhile() -> None:
    world = roomy()
    rests(world)
    world.give(Stopping(reason="test", ts=world.now))
    world.kill()
    world.run(5)
    assert not calm(world).resting()


def test_stopping_cancels_an_entry_that_was_still_in_flight() -> None:
    world = roomy(faults=Faults(lost_reply=1))
    world.command(opens(**LIMIT))
    world.give(Stopping(reason="test", ts=world.now))
    world.run(5)
    assert not calm(world).resting()
    assert len(world.entries()) == 1


def test_somebody_elses_position_beside_a_resting_entry_is_not_ours() -> None:
    """Cause: an entry under way on the same side was taken for what had opened the position; a hand-made one was closed."""
    world = roomy()
    rests(world)
    hand = world.entries()[0].__class__(
        client_order_id="hand", account_id=PLACE[0], contract_id=PLACE[1], type=OrderType.MARKET, side=Side.BUY, qty=1,
    )  # fmt: skip
    world.venue.place(hand)
    world.publish()
    world.trade(world.venue.due()[0])
    before = len(world.sent)
    world.run(30)
    assert world.venue.qty(PLACE) == 1
    assert len(world.sent) == before


def test_a_fill_of_a_resting_entry_that_nobody_told_is_found_soon() -> None:
    world = roomy()
    order_id = rests(world)
    world.faults.lost_event = 1
    world.venue.fill(order_id)
    events = world.venue.take_events()
    world.give(events[-1] if type(events[-1]).__name__ == "PositionReported" else events[2])
    world.run(4)
    assert world.state.positions[PLACE].entry == world.entries()[0].client_order_id


def test_legs_left_by_hand_are_swept_although_another_entry_rests() -> None:
    world = roomy()
    world.command(opens())
    world.run(2)
    rests(world)
    world.close_by_hand()
    world.run(20)
    calm(world)
    assert len(world.resting()) == 1
    assert "order.orphan" in incidents(world)


def test_an_entry_that_one_read_lacked_is_followed_again_when_the_next_shows_it() -> None:
    """Cause: it was taken for cancelled for ever, and worked on at the venue with nobody to end it."""
    world = roomy()
    order_id = rests(world, expires_at=world.now + timedelta(seconds=60))
    hidden = {n: world.venue.orders.pop(n) for n in (order_id, order_id + 1)}
    world.venue.events = [object()]  # type: ignore[list-item]
    world.venue.take_events()
    world.run(20)
    assert "entry.ended" in incidents(world)
    world.venue.orders |= hidden
    world.venue.events = [object()]  # type: ignore[list-item]
    world.venue.take_events()
    world.run(1)
    world.resync()
    world.run(3)
    assert "entry.back" in incidents(world)
    world.run(60)
    assert not calm(world).resting(), "its time was over"


def test_an_entry_that_was_given_up_and_arrives_after_all_is_cancelled() -> None:
    world = roomy(faults=Faults(not_sent=1))
    world.command(opens(**LIMIT, fresh_until=world.now + timedelta(seconds=2)))
    asked = next(e for e in world.sent if isinstance(e, Submit)).approved.order
    world.run(6)
    assert "entry.expired" in incidents(world)
    world.faults = Faults()
    world.venue.place(asked)
    world.publish()
    world.run(3)
    assert "entry.back" in incidents(world)
    assert not calm(world).resting()


def test_a_fill_whose_position_nobody_reported_stands_against_the_other_side() -> None:
    world = roomy()
    world.command(opens())
    world.faults.lost_event = 1
    world.run(0.2)
    tag = world.entries()[0].client_order_id
    reported = next(o for o in world.venue.orders.values() if o.tag == tag)
    world.give(OrderReported(order=reported, ts=world.now))
    assert world.state.position_qty(PLACE) == 0
    assert world.command(opens(side=Side.SELL)).reason == "OPPOSITE_POSITION"


def test_a_fill_that_the_position_does_not_show_yet_counts_for_a_moment() -> None:
    """Cause: of two additions within milliseconds the second saw neither the first's order nor its contracts."""
    world = roomy()
    world.command(opens())
    world.run(3)
    world.command(opens(qty=2))
    while sum(order.filled_qty for order in world.state.orders.values()) < 4:
        world.step()
    assert world.state.position_qty(PLACE) == 2
    assert world.command(opens(qty=1)).reason == "MAX_POSITION"
    world.run(3)
    assert world.venue.most_held == 4


def test_the_rest_of_an_entry_goes_when_the_part_that_filled_was_closed_by_hand() -> None:
    """Cause: its leg worked on at a flat place, because the entry was still under way, and would have opened a position."""
    world = roomy()
    world.trade(rests(world), 1)
    world.run(1)
    world.close_by_hand()
    world.run(40)
    calm(world)
    assert not world.venue.working(PLACE)
    assert {"entry.expired", "order.orphan"} <= incidents(world)


# --- sending again -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wanted",
    [
        opens(**LIMIT),
        opens(type=OrderType.STOP, stop_price=Decimal(20010)),
        opens(type=OrderType.TRAILING_STOP, trail_ticks=40),
        opens(type=OrderType.JOIN_BID, is_stop_trailing=True),
    ],
)
def test_an_entry_that_was_not_sent_goes_out_later_as_it_was_asked_for(wanted: Any) -> None:
    world = quoted(faults=Faults(not_sent=1))
    world.command(wanted)
    asked = next(e for e in world.sent if isinstance(e, Submit)).approved.order
    world.run(0.5)
    world.faults = Faults()
    world.price(20004, bid=20003, ask=20005)
    world.run(1.5)
    (order,) = world.entries()
    trailed = asked.trail_price and asked.trail_price + 4  # from the newest price
    assert order == msgspec.structs.replace(asked, trail_price=trailed)


def test_an_addition_goes_out_later_only_to_the_position_that_it_was_for() -> None:
    for is_changed in (False, True):
        world = roomy()
        world.command(opens(qty=1))
        world.run(3)
        world.faults = Faults(not_sent=1)
        world.command(opens(qty=1))
        world.run(0.5)
        world.faults = Faults()
        if is_changed:
            world.close_by_hand()
        world.run(5)
        assert len(world.entries()) == (1 if is_changed else 2)
        calm(world)


def test_a_trailing_entry_waits_for_a_quote_to_be_sent_again_and_expires_without_one() -> None:
    world = quoted(faults=Faults(not_sent=1))
    world.command(opens(type=OrderType.TRAILING_STOP, trail_ticks=40, fresh_until=world.now + timedelta(seconds=15)))
    world.run(4)
    world.faults = Faults()
    world.run(5)
    assert world.entries() == []
    world.run(20)
    assert "entry.expired" in incidents(calm(world))


def test_an_entry_whose_time_is_over_is_not_sent_again() -> None:
    world = roomy(faults=Faults(not_sent=1))
    world.command(opens(**LIMIT, expires_at=world.now + timedelta(seconds=5)))
    world.run(6)
    world.faults = Faults()
    assert calm(world).entries() == []


def test_a_persons_entry_on_an_account_without_a_bot_keeps_its_own_limit() -> None:
    world = roomy(faults=Faults(not_sent=1))
    world.command(opens(max_position=2))
    world.bot = with_bot(account_id=None)
    world.run(0.5)
    world.faults = Faults()
    world.run(3)
    assert [order.qty for order in world.entries()] == [2]


# --- position brackets -------------------------------------------------------------------------------------------------

BRACKETS = "Brackets cannot be used with Position Brackets. You must enable Auto OCO Brackets."


def test_an_account_that_refuses_stops_is_not_asked_again_for_a_minute() -> None:
    world = roomy()
    world.venue.refusals = [BRACKETS]
    world.command(opens())
    world.run(1)
    assert "order.rejected" in incidents(world)
    verdict = world.command(opens())
    assert verdict.reason == "POSITION_BRACKETS"
    assert "Auto OCO Brackets" in verdict.text
    world.kill()
    world.run(30)
    assert world.command(opens()).reason == "POSITION_BRACKETS", "it is remembered over a kill"
    world.run(30)
    assert world.command(opens()).kind is VerdictKind.ACCEPTED
    world.run(1)
    assert world.state.accounts[PLACE[0]].brackets_refused_at is None
    assert world.command(opens()).kind is VerdictKind.ACCEPTED


def test_no_plan_is_left_of_an_entry_that_is_over() -> None:
    world = roomy()
    world.trade(rests(world))
    calm(world)
    assert not any(isinstance(plan, EnterPlan) for plan in world.state.plans.values())
    assert EnterStep.CANCELLING not in {getattr(plan, "step", None) for plan in world.state.plans.values()}


@pytest.mark.parametrize(
    ("care", "said"),
    [
        (Care(breakeven=BreakEven(trigger_ticks=60)), ", break-even after 15 points"),
        (Care(breakeven=BreakEven(trigger_ticks=60, offset_ticks=2)), ", break-even plus 0.5 points after 15 points"),
        (Care(trail=Trail(distance_ticks=48, trigger_ticks=100)), ", trail 12 points from +25"),
        (Care(breakeven=BreakEven(trigger_ticks=4), trail=Trail(distance_ticks=48)), "after 1 point, trail 12 points"),
        (Care(), ", stop 80 ticks"),
    ],
)
def test_the_answer_says_what_is_done_with_the_stop_after_the_fill(care: Care, said: str) -> None:
    verdict = roomy().command(opens(care=care))
    assert verdict.kind is VerdictKind.ACCEPTED, verdict.text
    assert verdict.text.endswith(said)
