"""Orders that wait for a price: nothing at the venue before, a normal entry then."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from desk.core.events import PriceMoved, Stopping
from desk.core.intents import Cancel, Care, Exit, Stage
from desk.core.plans import TouchPlan
from desk.core.records import PlanEnded, VerdictKind
from desk.core.words import OrderType, Quote, Side
from desk.engine.draft import Draft
from desk.engine.touches import end_touches
from tests.engine.test_entries import quoted, roomy
from tests.engine.test_scenarios import incidents
from tests.engine.test_world import calm
from tests.engine.world import MNQ, PLACE, Faults, World, opens

UP = {"touch_price": Decimal(20010)}


def waiting(wanted: Any = None, **given: Any) -> World:
    world = quoted(**given)
    verdict = world.command(wanted or opens(**UP))
    assert verdict.kind is VerdictKind.ACCEPTED, verdict.text
    assert "Nothing is at the venue until then" in verdict.text
    world.run(1)
    assert world.sent == []
    return world


def touches(world: World) -> list[TouchPlan]:
    return [plan for plan in world.state.plans.values() if isinstance(plan, TouchPlan)]


def test_a_market_if_touched_goes_out_at_the_touch_and_once() -> None:
    world = waiting()
    world.price("20009.75", bid=20009, ask=20010)
    assert world.sent == []
    for last in (20010, 20011, 20010):
        world.price(last)
    world.run(3)
    assert [order.type for order in world.entries()] == [OrderType.MARKET]
    assert calm(world).venue.qty(PLACE) == 2
    assert any("touched 20010.00 (last 20010.00" in r.result for r in world.journal if isinstance(r, PlanEnded))


def test_a_stop_limit_rests_at_its_limit_after_the_touch() -> None:
    world = waiting(opens(**UP, type=OrderType.LIMIT, limit_price=Decimal(20012)))
    world.price(20010)
    world.run(1)
    (order,) = world.resting()
    assert (order.type, order.limit_price) == (OrderType.LIMIT, 20012)


@pytest.mark.parametrize(
    ("touch", "prices", "is_sent"),
    [
        (20010, [(None, 20009, 20011)], False),
        (20010, [(None, 20010, 20011)], True),
        (19990, [(19991, None, None)], False),
        (19990, [(19990, None, None)], True),
        (19990, [(None, 19989, 19990)], True),
        (19990, [(None, 19989, 19991)], False),
        (20000, [(20000, None, None)], True),
    ],
)
def test_it_is_touched_by_the_last_price_or_by_the_book_from_its_side(touch: int, prices: Any, is_sent: bool) -> None:
    world = waiting(opens(touch_price=Decimal(touch)))
    for price in prices:
        world.price(*price)
    assert bool(world.sent) == is_sent


def test_a_quote_that_is_too_old_triggers_nothing() -> None:
    world = waiting()
    world.is_checked = False
    world.price("20009.75")
    old = world.now - timedelta(seconds=2)
    world.quote = Quote(contract_id=MNQ.contract_id, last=Decimal(20010), ts_event=old, ts_recv=old)
    world.give(PriceMoved(contract_id=MNQ.contract_id, ts=world.now))
    assert world.sent == []


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        (opens(touch_price=Decimal("20010.1")), "BAD_PRICE"),
        (opens(**UP, type=OrderType.STOP, stop_price=Decimal(20011)), "NOT_SUPPORTED"),
        (opens(**UP, qty=9), "MAX_POSITION"),
        (opens(**UP, stop_ticks=None), "NO_STOP"),
        (opens(**UP, stop_ticks=None, care=Care(stop_price=Decimal(20010))), "WRONG_SIDE"),
    ],
)
def test_what_would_be_denied_then_is_denied_now(wanted: Any, reason: str) -> None:
    assert quoted().command(wanted).reason == reason


def test_without_a_quote_nobody_knows_from_where_it_is_touched() -> None:
    assert roomy().command(opens(**UP)).reason == "NO_QUOTE"


def test_it_counts_against_the_limit_only_when_it_is_sent_and_is_checked_again() -> None:
    world = waiting()
    assert world.command(opens(qty=3)).kind is VerdictKind.ACCEPTED
    world.run(2)
    world.price(20010)
    assert touches(world) == []
    assert "entry.expired" in incidents(world)
    assert calm(world).venue.qty(PLACE) == 3


def test_its_own_freshness_does_not_limit_the_waiting() -> None:
    world = waiting(opens(**UP, fresh_until=World().now + timedelta(seconds=15)))
    world.run(3600)
    world.price(20010)
    world.run(2)
    assert calm(world).venue.qty(PLACE) == 2


@pytest.mark.parametrize("killed", [False, True])
def test_it_expires_and_is_told(killed: bool) -> None:
    world = waiting(opens(**UP, expires_at=World().now + timedelta(seconds=20)))
    if killed:
        world.kill()
    world.run(25)
    assert touches(world) == []
    world.price(20010)
    assert calm(world).entries() == []
    assert "entry.expired" in incidents(world)


def test_its_limit_order_rests_no_longer_than_it_may() -> None:
    until = World().now + timedelta(seconds=20)
    world = waiting(opens(**UP, type=OrderType.LIMIT, limit_price=Decimal(20010), expires_at=until))
    world.price(20010)
    world.run(5)
    assert world.resting()
    world.run(15)
    assert not calm(world).resting()


@pytest.mark.parametrize("how", ["exit", "flatten", "stop", "cancel", "exit of everything"])
def test_an_order_to_be_flat_ends_what_waits(how: str) -> None:
    world = waiting()
    match how:
        case "exit":
            world.command(Exit())
        case "exit of everything":
            world.command(Exit(everything=True))
        case "flatten":
            world.flatten()
        case "stop":
            world.give(Stopping(reason="test", ts=world.now))
        case "cancel":
            draft = Draft(world.state, world.context)
            assert end_touches(draft, PLACE[0], None, world.new_cause(), "cancelled") == 1
            world.state = draft.finish().state
            world.journal += draft.records
    assert touches(world) == []
    world.price(20010)
    assert calm(world).entries() == []


@pytest.mark.parametrize("by_id", [False, True])
def test_a_cancel_that_was_asked_for_is_an_end_and_no_incident(by_id: bool) -> None:
    world = waiting()
    (plan,) = touches(world)
    verdict = world.command(Cancel(waiting=(plan.plan_id,)) if by_id else Cancel())
    assert verdict.kind is VerdictKind.ACCEPTED
    assert touches(world) == []
    assert not incidents(world)
    (end,) = [r for r in world.journal if isinstance(r, PlanEnded) and r.plan_id == plan.plan_id]
    assert end.result.startswith("not sent: cancelled (")
    again = world.command(Cancel(waiting=(plan.plan_id,)))
    assert (again.kind, again.reason) == (VerdictKind.DENIED, "NO_SUCH_ORDER")


def test_one_of_two_that_wait_is_cancelled_by_its_id() -> None:
    world = waiting()
    world.command(opens(touch_price=Decimal(19990), qty=1))
    first, second = sorted(touches(world), key=lambda plan: plan.started_at)
    verdict = world.command(Cancel(waiting=(first.plan_id,)))
    assert verdict.text == "cancelling the waiting order buy 2 MNQZ6 at a touch of 20010.00"
    assert touches(world) == [second]


def test_a_touch_with_stages_becomes_a_group() -> None:
    stages = (Stage(qty=1, target_ticks=40), Stage(qty=1, target_ticks=80))
    world = waiting(opens(side=Side.SELL, touch_price=Decimal(19990), stages=stages))
    world.price(19990)
    world.run(3)
    assert [order.target_ticks for order in world.entries()] == [40, 80]
    assert calm(world).venue.qty(PLACE) == -2


def test_it_waits_until_the_account_is_known_again() -> None:
    world = waiting()
    world.hub(False)
    world.price(20010)
    assert touches(world)
    world.hub(True)
    world.run(1)
    world.price(20010)
    assert calm(world).venue.qty(PLACE) == 2


@pytest.mark.parametrize("fault", ["none", "lost reply", "lost events"])
def test_a_touch_killed_at_every_step_is_sent_once(fault: str) -> None:
    faults = {"none": Faults(), "lost reply": Faults(lost_reply=1), "lost events": Faults(lost_event=1)}[fault]

    def play(kill_at: int) -> int:
        world, steps = waiting(seed=7), 0
        world.faults = Faults(**vars(faults))
        until, touched = world.now + timedelta(seconds=5), False
        while world.due and world.due[0][0] <= until:
            if steps == kill_at:
                world.kill()
            world.price(20010 if steps > 2 else 20009)
            touched = touched or steps > 2
            steps += 1
            world.step()
        world.price(20010)
        assert abs(calm(world).venue.qty(PLACE)) == 2
        assert len(world.entries()) == 1
        return steps

    for kill_at in range(min(play(-1), 40)):
        play(kill_at)
