"""What happens to the legs of a position: exact prices, break-even, trailing, and what people ask for."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desk.core.events import Outcome, OutcomeKind
from desk.core.ids import ClientOrderId
from desk.core.intents import (
    BreakEven,
    BreakEvenNow,
    Cancel,
    Care,
    Enter,
    Exit,
    MoveStop,
    MoveTarget,
    Reduce,
    Stage,
    Then,
    Trail,
    TrailOff,
    TrailOn,
)
from desk.core.orders import Role, StopTouch
from desk.core.plans import CarePlan, ExitPlan, ExitReason, GroupPlan
from desk.core.records import PlanChanged, VerdictKind
from desk.core.words import OrderStatus, OrderType, Side
from desk.engine.cares import contracts_that_wait_for_prices, on_stage_done
from desk.engine.draft import Draft
from desk.orders.care import plan_id_of as care_id_of
from tests.engine.caring import TICK, Faults, MarketWorld, amends, at_market, entered, holding
from tests.engine.venue import PRICE
from tests.engine.world import ACCOUNT, MNQ, PLACE, enter, exit_, with_bot


def at(ticks: int) -> Decimal:
    return PRICE + ticks * TICK


def trailing(distance: int = 20, trigger: int = 0, step: int = 1) -> Care:
    return Care(trail=Trail(distance_ticks=distance, trigger_ticks=trigger, step_ticks=step))


# --- exact prices -------------------------------------------------------------------------------------------------------


def test_the_legs_go_to_their_exact_prices_once() -> None:
    world = holding(care=Care(stop_price=at(-77), target_price=at(150)))
    assert world.stop.stop_price == at(-77)
    assert world.leg(Role.TARGET).limit_price == at(150)
    assert len(world.modifies) == 2
    world.run(60)
    assert len(world.modifies) == 2
    assert amends(world) == []


def test_an_exact_stop_that_would_loosen_is_left_where_the_bracket_has_it() -> None:
    world = holding(care=Care(stop_price=at(-90)))
    assert world.stop_ticks == -80
    assert world.modifies == []


def test_of_a_short_the_stop_goes_down() -> None:
    world = holding("enter_short", care=Care(stop_price=at(77), target_price=at(-150)))
    assert world.stop.stop_price == at(77)
    assert world.leg(Role.TARGET).limit_price == at(-150)


def test_an_exact_stop_beyond_the_market_closes_the_position_and_says_so() -> None:
    world = entered(care=Care(stop_price=at(5)))
    world.run(10)
    assert world.venue.qty(PLACE) == 0
    assert "care.closing" in world.incidents()
    assert [closed.reason for closed in world.closed()] == [ExitReason.STOP]
    assert world.ended("care:") == ["its legs are over"]


def test_an_exact_stop_that_the_venue_does_not_take_is_told_and_tried_later() -> None:
    world = entered(care=Care(stop_price=at(-77)), refuses="no")
    world.run(17)
    assert world.incidents() == ["amend.refused"]
    assert len(world.modifies) == 3
    world.venue.refuses = None
    world.run(60)
    assert world.stop.stop_price == at(-77)


def test_a_plan_is_begun_and_ended_with_the_legs() -> None:
    world = holding(care=trailing())
    assert len(world.plans(CarePlan)) == 1
    world.alert(exit_())
    world.run(10)
    assert world.plans(CarePlan) == []
    world.check_quiet()


# --- break-even ---------------------------------------------------------------------------------------------------------


def breakeven(world_side: str = "enter_long") -> MarketWorld:
    return holding(world_side, care=Care(breakeven=BreakEven(trigger_ticks=40, offset_ticks=2)))


def test_break_even_moves_the_stop_once_and_names_the_exit() -> None:
    world = breakeven()
    world.ticks(39)
    world.run(2)
    assert world.modifies == []
    world.ticks(40)
    world.run(2)
    assert world.stop_ticks == 2
    world.ticks(90)
    world.run(2)
    assert len(world.modifies) == 1
    world.ticks(1)
    world.run(2)
    assert [closed.reason for closed in world.closed()] == [ExitReason.BREAK_EVEN]


def test_break_even_of_a_short_goes_by_the_ask() -> None:
    world = breakeven("enter_short")
    world.ticks(-40)
    world.run(2)
    assert world.modifies == [], "the ask is a tick higher"
    world.ticks(-41)
    world.run(2)
    assert world.stop_ticks == -2


def test_break_even_stands_in_the_journal_before_its_modify_leaves() -> None:
    world = breakeven()
    world.ticks(40)
    plans = [r.plan for r in world.journal if isinstance(r, PlanChanged) and isinstance(r.plan, CarePlan)]
    assert plans[-1].is_at_break_even
    assert plans[-1].stop_goal == at(2)
    assert world.venue.orders[world.stop.gateway_order_id].stop_price == at(-80)


# --- trailing -----------------------------------------------------------------------------------------------------------


def test_the_stop_follows_and_never_goes_back() -> None:
    world = holding(care=trailing(20, trigger=10))
    for ticks, stop in ((9, -80), (10, -10), (30, 10), (12, 10), (31, 11)):
        world.ticks(ticks)
        world.run(1)
        assert world.stop_ticks == stop
    world.ticks(11)
    world.run(1)
    assert [closed.reason for closed in world.closed()] == [ExitReason.TRAILING]


def test_a_step_that_is_too_small_moves_nothing() -> None:
    world = holding(care=trailing(20, trigger=0, step=8))
    world.ticks(0)
    world.run(1)
    assert world.stop_ticks == -24, "56 of 60 ticks: whole steps from where it was"
    world.ticks(3)
    world.run(1)
    assert world.stop_ticks == -24
    world.ticks(4)
    world.run(1)
    assert world.stop_ticks == -16


def test_a_peak_between_two_moves_is_not_forgotten() -> None:
    world = holding(care=trailing(20))
    world.ticks(10)
    world.run(0.1)
    world.ticks(40)
    world.run(0.1)
    world.ticks(30)
    assert len(world.modifies) == 1
    world.run(1)
    assert world.stop_ticks == 20
    assert len(world.modifies) == 2


def test_a_quote_that_is_too_old_moves_nothing() -> None:
    world = holding(care=trailing(20))
    world.is_blind = True
    world.ticks(10)
    assert world.quote is None
    world.is_blind = False
    world.ticks(10)
    world.run(1)
    moves = len(world.modifies)
    world.is_blind = True
    world.run(2)
    world.ticks(50)
    world.run(1)
    assert len(world.modifies) == moves


def test_blindness_is_told_once_and_so_is_its_end() -> None:
    world = holding(care=trailing(20))
    world.ticks(1)
    world.is_blind = True
    for _ in range(30):
        world.run(1)
        world.look()
    assert world.incidents() == ["care.blind"]
    world.is_blind = False
    world.ticks(2)
    world.ticks(3)
    assert world.incidents() == ["care.blind", "care.sees"]


def test_without_any_quote_at_all_blindness_is_told_too() -> None:
    world = holding(care=trailing(20))
    for _ in range(13):
        world.run(1)
        world.look()
    assert world.incidents() == ["care.blind"]


def test_the_market_that_fell_through_the_new_stop_closes_the_position() -> None:
    world = holding(care=trailing(20), faults=Faults(slow_s=0.5))
    world.ticks(60)
    world.venue.bid = at(30)
    world.run(20)
    assert world.venue.qty(PLACE) == 0
    assert [closed.reason for closed in world.closed()] == [ExitReason.TRAILING]
    assert "care.closing" in world.incidents()


def test_a_stop_placed_by_hand_beside_it_is_not_closed_with_it() -> None:
    world = holding(care=trailing(20))
    world.venue.rest(Side.SELL, 1, stop=at(-60))
    world.publish()
    world.run(1)
    world.ticks(60)
    world.venue.bid = at(30)
    world.run(20)
    assert world.venue.qty(PLACE) == 2
    assert "care.beyond" in world.incidents()


def test_refusals_are_remembered() -> None:
    world = holding(care=trailing(20))
    world.venue.refuses = "no"
    for step in range(200):
        world.ticks(step // 2)
        world.run(0.25)
    assert len(world.modifies) == 3
    assert world.incidents() == ["amend.refused"]


def test_after_a_kill_trailing_goes_on_from_the_peak_and_nothing_loosens() -> None:
    world = holding(care=trailing(20))
    world.ticks(60)
    world.run(1)
    world.kill()
    world.run(5)
    world.ticks(45)
    world.run(1)
    assert world.stop_ticks == 40
    world.ticks(70)
    world.run(1)
    assert world.stop_ticks == 50


@pytest.mark.parametrize("after_s", [0.0, 0.01, 0.03, 0.06, 0.12, 0.3])
@pytest.mark.parametrize("faults", [Faults(), Faults(lost_reply=1), Faults(lost_event=1), Faults(read_lag_s=0.9)])
def test_killed_in_the_middle_of_a_move_the_stop_ends_where_it_was_to_go(after_s: float, faults: Faults) -> None:
    world = holding(care=Care(breakeven=BreakEven(trigger_ticks=40)))
    world.faults = faults
    world.ticks(40)
    world.run(after_s)
    world.kill()
    world.run(15)
    assert world.stop_ticks == 0
    assert len(world.modifies) <= 2
    assert world.stop.status is OrderStatus.OPEN


def test_an_exit_ends_the_moves_quietly() -> None:
    world = holding(care=trailing(20))
    world.ticks(60)
    world.alert(exit_())
    assert amends(world) == []
    assert "an exit runs" in world.ended("amend:")
    world.ticks(80)
    world.run(10)
    assert world.venue.qty(PLACE) == 0
    world.check_quiet()


def test_who_waits_for_prices() -> None:
    assert contracts_that_wait_for_prices(holding().state) == frozenset()
    assert contracts_that_wait_for_prices(holding(care=Care(stop_price=at(-70))).state) == frozenset()
    world = breakeven()
    assert contracts_that_wait_for_prices(world.state) == {MNQ.contract_id}
    world.ticks(50)
    assert contracts_that_wait_for_prices(world.state) == frozenset()
    assert contracts_that_wait_for_prices(holding(care=trailing()).state) == {MNQ.contract_id}


FAULTS = st.builds(
    Faults,
    lost_event=st.sampled_from([0.0, 0.3, 1.0]),
    twice=st.sampled_from([0.0, 0.3]),
    shuffled=st.sampled_from([0.0, 0.3]),
    lost_reply=st.sampled_from([0.0, 0.3]),
    not_sent=st.sampled_from([0.0, 0.3]),
    failed_read=st.sampled_from([0.0, 0.3]),
    read_lag_s=st.sampled_from([0.0, 0.9]),
    slow_s=st.sampled_from([0.01, 0.3, 1.0]),
    is_limited_falsely=st.booleans(),
)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32),
    faults=FAULTS,
    path=st.lists(st.tuples(st.integers(-60, 120), st.sampled_from([0.02, 0.1, 0.4, 1.5])), max_size=25),
    is_long=st.booleans(),
    kills=st.sets(st.integers(0, 25), max_size=2),
)
def test_whatever_prices_come_a_stop_never_loosens(
    seed: int, faults: Faults, path: list[tuple[int, float]], is_long: bool, kills: set[int]
) -> None:
    care = Care(breakeven=BreakEven(trigger_ticks=15, offset_ticks=1), trail=Trail(distance_ticks=12, trigger_ticks=5))
    world = holding("enter_long" if is_long else "enter_short", care=care, seed=seed)
    world.faults = faults
    for number, (ticks, pause) in enumerate(path):
        world.ticks(ticks if is_long else -ticks)
        world.run(pause)
        if number in kills:
            world.kill()
    world.faults = Faults()
    world.run(60)
    sign = 1 if is_long else -1
    for prices in world.venue.stops.values():
        assert all((b - a) * sign >= 0 for a, b in pairwise(prices)), prices
    qty = world.venue.qty(PLACE)
    stops = [o for o in world.venue.working(PLACE) if o.stop_price is not None]
    assert (sum(o.qty for o in stops) >= abs(qty)) if qty else not stops


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(-30, 200), st.sampled_from([0.05, 0.1, 0.3])), min_size=1, max_size=60))
def test_writes_are_bounded_by_time_and_each_moves_a_tick_at_least(path: list[tuple[int, float]]) -> None:
    world = holding(care=trailing(12))
    began = world.now
    for ticks, pause in path:
        world.ticks(ticks)
        world.run(pause)
    took_s = (world.now - began).total_seconds()
    assert len(world.modifies) <= 1 + took_s / 0.5
    for prices in world.venue.stops.values():
        assert all(b - a >= TICK for a, b in pairwise(prices) if b != a)
    goals = [what.stop_price for what in world.modifies]
    assert len(set(goals)) == len(goals), "no price is sent twice"


# --- commands -----------------------------------------------------------------------------------------------------------


def test_move_stop_says_from_where_to_where_and_names_the_leg() -> None:
    world = holding()
    verdict = world.command(MoveStop(price=at(-40)))
    assert verdict.kind is VerdictKind.ACCEPTED
    assert f"from {at(-80)} to {at(-40)}" in verdict.text
    world.run(2)
    assert world.stop_ticks == -40
    assert [leg.touched for leg in world.legs() if leg.role is Role.STOP] == [StopTouch.MOVED]
    world.ticks(-40)
    world.run(2)
    assert [closed.reason for closed in world.closed()] == [ExitReason.STOP]


def test_a_stop_is_never_loosened_by_a_command() -> None:
    world = holding()
    world.command(MoveStop(price=at(-40)))
    verdict = world.command(MoveStop(price=at(-60)))
    assert verdict.reason == "ADDS_RISK"
    assert verdict.text == f"a stop only moves towards less risk; the position's stop is at {at(-40)}"
    assert world.command(MoveStop(price=at(-40))).kind is VerdictKind.IGNORED


DENIED: list[tuple[str, Callable[[], object], str, str]] = [
    ("between two ticks", lambda: MoveStop(price=Decimal("19990.10")), "BAD_PRICE", "19990.00 and 19990.25"),
    ("beyond the market", lambda: MoveStop(price=at(10)), "WRONG_SIDE", "below the best ask"),
    ("a target below the market", lambda: MoveTarget(price=at(-1)), "WRONG_SIDE", "fills at once"),
    ("break-even in the red", lambda: BreakEvenNow(offset_ticks=4), "WRONG_SIDE", "not beyond"),
    ("a trail of nothing", lambda: TrailOn(trail=Trail(distance_ticks=0)), "BAD_PRICE", "one tick"),
]


@pytest.mark.parametrize(("name", "intent", "reason", "text"), DENIED, ids=[row[0] for row in DENIED])
def test_denials(name: str, intent: Callable[[], object], reason: str, text: str) -> None:
    world = holding()
    world.ticks(0)
    verdict = world.command(intent())  # type: ignore[arg-type]
    assert (verdict.kind, verdict.reason) == (VerdictKind.DENIED, reason)
    assert text in verdict.text
    assert world.modifies == []


def test_without_a_position_there_is_nothing_to_move() -> None:
    world = MarketWorld()
    world.run(3)
    assert world.command(MoveStop(price=at(-10))).reason == "NO_POSITION"
    assert world.command(TrailOff()).reason == "NO_POSITION"


def test_break_even_now_goes_by_the_average_price() -> None:
    world = holding()
    world.ticks(20)
    assert world.command(BreakEvenNow(offset_ticks=2)).kind is VerdictKind.ACCEPTED
    world.run(2)
    assert world.stop_ticks == 2
    world.ticks(1)
    world.run(2)
    assert [closed.reason for closed in world.closed()] == [ExitReason.BREAK_EVEN]


def test_move_target() -> None:
    world = holding()
    world.ticks(0)
    assert f"from {at(160)} to {at(100)}" in world.command(MoveTarget(price=at(100))).text
    world.run(2)
    assert world.leg(Role.TARGET).limit_price == at(100)
    assert world.stop_ticks == -80


def test_trailing_is_switched_on_changed_and_off() -> None:
    world = holding()
    world.ticks(30)
    assert world.command(TrailOff()).kind is VerdictKind.IGNORED
    assert world.command(TrailOn(trail=Trail(distance_ticks=20))).kind is VerdictKind.ACCEPTED
    world.run(1)
    assert world.stop_ticks == 10
    world.command(TrailOn(trail=Trail(distance_ticks=40)))
    world.ticks(40)
    world.run(1)
    assert world.stop_ticks == 10, "a wider trail does not loosen"
    assert world.command(TrailOff()).kind is VerdictKind.ACCEPTED
    world.ticks(150)
    world.run(1)
    assert world.stop_ticks == 10


@pytest.mark.parametrize(
    ("trail", "until"),
    [
        (Trail(distance_ticks=40), None),
        (Trail(distance_ticks=100), "20005.25"),
        (Trail(distance_ticks=100, step_ticks=4), "20006.00"),
        (Trail(distance_ticks=100, trigger_ticks=30), None),
        (Trail(distance_ticks=100, trigger_ticks=12), "20005.25"),
    ],
)
def test_a_trail_that_is_looser_than_the_stop_says_from_where_it_moves_it(trail: Trail, until: str | None) -> None:
    world = holding()
    world.ticks(0)
    verdict = world.command(TrailOn(trail=trail))
    assert verdict.kind is VerdictKind.ACCEPTED
    assert ("looser" in verdict.text) == (until is not None)
    if until is not None:
        assert verdict.text.endswith(f"than the stop at 19980.00, which stays there until the market is at {until}")


def test_without_a_target_it_is_said_what_can_be_done_instead() -> None:
    world = holding()
    world.command(Cancel(order_ids=(world.leg(Role.TARGET).gateway_order_id,)))
    world.run(3)
    verdict = world.command(MoveTarget(price=at(100)))
    assert (verdict.kind, verdict.reason) == (VerdictKind.DENIED, "NO_LEG")
    assert "Instead: tighten the stop" in verdict.text


def test_a_move_that_the_market_overtakes_is_told_and_the_stop_stays() -> None:
    world = holding()
    world.venue.bid = at(-50)
    assert world.command(MoveStop(price=at(-40))).kind is VerdictKind.ACCEPTED, "no quote: the venue decides"
    world.run(3)
    assert world.incidents() == ["care.beyond"]
    assert world.stop_ticks == -80
    assert world.plans(ExitPlan) == []


def test_in_shadow_nothing_is_moved() -> None:
    world = holding()
    world.is_shadow = True
    verdict = world.command(MoveStop(price=at(-40)))
    assert verdict.kind is VerdictKind.WOULD_SEND
    world.run(2)
    assert world.modifies == []


# --- stages -------------------------------------------------------------------------------------------------------------


def stage_done(world: MarketWorld, stage: int, then: Then, care: Care) -> None:
    """The target of an earlier member filled; the one that is held is the last of three."""
    (entry,) = world.entries()
    enter = Enter(
        side=Side.BUY,
        qty=3,
        stop_ticks=80,
        max_position=3,
        care=care,
        stages=tuple(Stage(qty=1, target_price=at(10 + 10 * number), then=then) for number in range(3)),
    )
    members = (ClientOrderId("first"), ClientOrderId("second"), entry.client_order_id)
    group = GroupPlan(
        plan_id="group:1",
        cause=world.new_cause(),
        account_id=ACCOUNT,
        contract_id=MNQ.contract_id,
        enter=enter,
        tickets=(),
        members=members,
        started_at=world.now,
    )
    draft = Draft(world.state, world.context)
    on_stage_done(draft, group, stage)
    world.journal += draft.records
    world.state = draft.state
    for effect in draft.finish().effects:
        world._carry_out(effect)
    world.run(2)


@pytest.mark.parametrize(
    ("then", "stage", "stop", "touch"),
    [
        (Then.BREAKEVEN, 0, 0, StopTouch.BREAK_EVEN),
        (Then.STOP_TO_PREV_TARGET, 0, 0, StopTouch.BREAK_EVEN),
        (Then.STOP_TO_PREV_TARGET, 1, 10, StopTouch.MOVED),
    ],
)
def test_a_stages_target_moves_the_stops_that_are_left(then: Then, stage: int, stop: int, touch: StopTouch) -> None:
    world = holding()
    world.ticks(20)
    stage_done(world, stage, then, Care())
    assert world.stop_ticks == stop
    assert [leg.touched for leg in world.legs() if leg.role is Role.STOP] == [touch]


def test_trailing_that_a_stage_switches_on_begins_at_once() -> None:
    world = holding()
    stage_done(world, 0, Then.TRAIL_ON, trailing(12, trigger=99))
    world.ticks(20)
    world.run(1)
    assert world.stop_ticks == 8


def test_a_stage_after_which_the_market_fell_back_closes_what_is_left() -> None:
    world = holding()
    world.ticks(-5)
    stage_done(world, 0, Then.BREAKEVEN, Care())
    world.run(10)
    assert world.venue.qty(PLACE) == 0
    assert [closed.reason for closed in world.closed()] == [ExitReason.BREAK_EVEN]


EVEN = Care(breakeven=BreakEven(trigger_ticks=8, offset_ticks=0))


def without_resizing(care: Care, **given: Any) -> MarketWorld:
    """A venue that refuses another size of a leg."""
    world = at_market(care=care, **given)
    world.alert(enter())
    world.run(3)
    modify = world.venue.modify
    refused = Outcome(kind=OutcomeKind.REFUSED, code=3)
    world.venue.modify = lambda what: refused if what.qty is not None else modify(what)  # type: ignore[method-assign]
    return world


def lone_stop(world: MarketWorld) -> Decimal:
    (stop,) = [order for order in world.venue.working(PLACE) if order.type is OrderType.STOP]
    assert stop.qty == abs(world.venue.qty(PLACE)) == 1
    assert stop.stop_price is not None
    return (stop.stop_price - PRICE) / TICK


@pytest.mark.parametrize(("care", "goal"), [(EVEN, 0), (trailing(12), 28)])
def test_a_smaller_stop_that_stands_in_for_another_is_cared_for_like_it(care: Care, goal: int) -> None:
    """Cause: the care ended with the legs that a partial close took away, and what remained kept its first stop."""
    world = without_resizing(care)
    assert world.command(Reduce(qty=1)).kind is VerdictKind.ACCEPTED
    world.run(5)
    assert lone_stop(world) == -80
    world.ticks(40)
    world.run(2)
    assert lone_stop(world) == goal
    world.kill()
    world.run(5)
    assert world.plans(CarePlan)
    world.command(Exit())
    world.run(10)
    assert world.venue.qty(PLACE) == 0
    assert not world.plans(CarePlan)


def test_the_smaller_stop_of_a_smaller_stop_goes_on_with_the_same_plan() -> None:
    """Cause: the second one began another plan, and the first one's stayed for ever, without a stop: a stage that was done
    asked it and moved nothing, and its contract counted as open after the exit."""
    world = without_resizing(EVEN, bot=with_bot(default_qty=3, max_position=3))
    entry = world.entries()[0].client_order_id
    for _ in range(2):
        assert world.command(Reduce(qty=1)).kind is VerdictKind.ACCEPTED
        world.run(5)
    (plan,) = world.plans(CarePlan)
    assert plan.plan_id == care_id_of(entry)
    world.ticks(40)
    world.run(2)
    assert lone_stop(world) == 0
    world.command(Exit())
    world.run(10)
    assert not world.plans(CarePlan)


def test_a_trail_for_the_smaller_stop_is_one_plan() -> None:
    world = without_resizing(EVEN)
    assert world.command(Reduce(qty=1)).kind is VerdictKind.ACCEPTED
    world.run(5)
    assert world.command(TrailOn(trail=trailing(12).trail)).kind is VerdictKind.ACCEPTED  # type: ignore[arg-type]
    world.ticks(40)
    world.run(2)
    assert lone_stop(world) == 28
    assert len(world.plans(CarePlan)) == 1


def test_care_begins_although_the_catalogue_came_after_the_fill() -> None:
    """Cause: at a start the account was read before the contracts were. The entry had filled, its stop worked, and nothing
    was reported of them any more: no break-even, no trailing, no exact stop, as long as the position was held."""
    world = at_market(care=EVEN)
    world.alert(enter())
    while not world.venue.placed:
        world.step()
    world.kill()
    world.has_contracts = False
    world.run(5)
    for order_id in world.venue.due():
        world.trade(order_id)
    world.run(30)
    world.has_contracts = True
    world.run(30)
    world.ticks(20)
    world.run(1)
    assert world.stop_ticks == 0
