"""Staged exits: one bracketed entry per stage, whatever happens in between."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from desk.core.events import Stopping
from desk.core.intents import Care, Stage, Then
from desk.core.orders import OrderState, Role
from desk.core.plans import GroupPlan
from desk.core.records import IncidentRaised, PlanChanged, VerdictKind
from desk.core.words import OrderType
from desk.engine import cares
from tests.engine.test_entries import BRACKETS, LIMIT, quoted, roomy
from tests.engine.test_scenarios import incidents
from tests.engine.test_world import calm
from tests.engine.world import PLACE, Faults, World, exit_, opens

STAGES = (Stage(qty=1, target_ticks=40, then=Then.BREAKEVEN), Stage(qty=1, target_ticks=80), Stage(qty=1))


def staged(**more: Any) -> Any:
    return opens(**{"qty": 3, "stages": STAGES, **more})


def group_of(world: World) -> GroupPlan:
    (plan,) = (plan for plan in world.state.plans.values() if isinstance(plan, GroupPlan))
    return plan


def says(world: World, kind: str) -> str:
    return next(record.text for record in world.journal if isinstance(record, IncidentRaised) and record.kind == kind)


def test_a_staged_entry_becomes_one_bracketed_order_per_stage() -> None:
    world = roomy()
    verdict = world.command(staged())
    assert verdict.kind is VerdictKind.ACCEPTED
    assert "targets in 3 stages: 1 at 40 ticks, 1 at 80 ticks, 1 without a target" in verdict.text
    world.run(3)
    assert [(o.qty, o.stop_ticks, o.target_ticks) for o in world.entries()] == [(1, 80, 40), (1, 80, 80), (1, 80, None)]
    assert tuple(o.client_order_id for o in world.entries()) == verdict.orders
    assert world.venue.qty(PLACE) == 3
    assert len(list(world.state.protective_stops(PLACE))) == 3
    assert [world.state.orders[tag].care.then for tag in verdict.orders] == [Then.BREAKEVEN, None, None]
    world.alert(exit_())
    assert calm(world).venue.qty(PLACE) == 0
    assert not world.state.plans


def test_the_later_members_wait_for_the_first_to_be_taken() -> None:
    world = roomy(faults=Faults(slow_s=2))
    world.command(staged())
    sent = []
    while len(world.entries()) < 3:
        world.step()
        sent.append((len(group_of(world).members), sum(o.state.is_unsettled for o in world.state.orders.values())))
    assert all(unsettled <= 1 for _, unsettled in sent), "one at a time"


def test_the_whole_is_checked_against_the_limit_before_anything_is_sent() -> None:
    world = roomy()
    assert world.command(staged(qty=5, stages=(Stage(qty=2), Stage(qty=3)))).reason == "MAX_POSITION"
    assert world.command(staged(stages=(Stage(qty=2), Stage(qty=1, target_ticks=3)))).reason == "TARGET_TOO_CLOSE"
    assert world.sent == []


def test_one_stage_is_one_order_and_no_group() -> None:
    world = roomy()
    world.command(opens(qty=2, stages=(Stage(qty=2, target_ticks=40),)))
    world.run(1)
    assert not any(isinstance(plan, GroupPlan) for plan in world.state.plans.values())


def test_an_unknown_member_holds_the_rest_until_it_is_settled() -> None:
    world = roomy()
    world.faults = Faults(lost_reply=1, lost_event=1, failed_read=1)
    world.command(staged())
    world.run(5)
    assert len(world.entries()) == 1
    world.faults = Faults()
    world.run(5)
    assert calm(world).venue.qty(PLACE) == 3
    assert len(world.entries()) == 3


@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_refused_member_keeps_what_is_protected_and_is_told(position: int) -> None:
    world = roomy()
    world.venue.refusals = [""] * position + ["Not enough margin."]
    world.command(staged())
    world.run(3)
    assert world.venue.qty(PLACE) == position
    assert "group.incomplete" in incidents(world)
    if position:
        assert f"{position} of 3 contracts are in" in says(world, "group.incomplete")
    calm(world)
    assert bool(world.state.plans) == bool(position)


def test_the_first_refusal_in_position_brackets_mode_sends_nothing_more() -> None:
    world = roomy()
    world.venue.refusals = [BRACKETS]
    world.command(staged())
    calm(world)
    assert len([o for o in world.venue.orders.values() if o.tag and o.parent_id is None]) == 1


@pytest.mark.parametrize("how", ["exit", "flatten", "stop"])
def test_an_order_to_be_flat_before_the_later_ones_went_out_ends_the_group(how: str) -> None:
    world = roomy(faults=Faults(slow_s=1))
    world.command(staged())
    if how == "stop":
        world.give(Stopping(reason="test", ts=world.now))
    else:
        world.alert(exit_()) if how == "exit" else world.flatten()
    world.run(15)
    assert len(world.entries()) == 1
    assert "group.incomplete" in incidents(world)
    assert world.venue.qty(PLACE) == (1 if how == "stop" else 0)
    calm(world)


def test_members_are_not_sent_when_they_are_not_fresh_any_more() -> None:
    world = roomy()
    world.faults = Faults(lost_reply=1, lost_event=1, failed_read=1)
    world.command(staged(fresh_until=world.now + timedelta(seconds=5)))
    world.run(8)
    world.faults = Faults()
    world.run(5)
    assert calm(world).venue.qty(PLACE) == 1
    assert "TOO_OLD" in says(world, "group.incomplete")


def test_a_member_that_was_not_sent_goes_out_again_beside_its_brothers() -> None:
    world = roomy()
    world.command(staged())
    while len(group_of(world).members) < 2:
        world.step()
    world.faults = Faults(not_sent=1)
    world.run(0.5)
    world.faults = Faults()
    world.run(5)
    assert calm(world).venue.qty(PLACE) == 3


def test_a_member_waits_no_longer_when_the_position_is_somebody_elses_too() -> None:
    world = roomy()
    world.command(staged())
    while len(group_of(world).members) < 2:
        world.step()
    world.faults = Faults(not_sent=1)
    world.run(0.5)
    world.faults = Faults()
    hand = world.entries()[0].__class__(
        client_order_id="hand", account_id=PLACE[0], contract_id=PLACE[1], type=OrderType.MARKET,
        side=world.entries()[0].side, qty=2, stop_ticks=8,
    )  # fmt: skip
    world.venue.place(hand)
    world.publish()
    world.trade(world.venue.due()[0])
    world.run(5)
    assert len(world.entries()) == 2
    assert "group.incomplete" in incidents(world)


def test_a_stop_that_trades_before_the_next_member_went_out_ends_the_sending() -> None:
    world = roomy()
    world.faults = Faults(lost_reply=1, lost_event=1, failed_read=1)
    world.command(staged())
    world.run(1)
    stop = next(o for o in world.venue.working(PLACE) if (o.tag or "").endswith("-SL"))
    world.faults = Faults()
    world.trade(stop.gateway_order_id)
    world.run(10)
    calm(world)
    assert len(world.entries()) == 1
    assert "group.incomplete" in incidents(world)


def test_a_target_that_fills_is_counted_once_and_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []
    monkeypatch.setattr(cares, "on_stage_done", lambda draft, plan, stage: seen.append((stage, plan.targets_done)))
    world = roomy()
    world.is_checked = False
    world.command(staged())
    world.run(3)
    for number in (0, 1):
        tag = world.entries()[number].client_order_id
        target = next(o for o in world.venue.working(PLACE) if o.tag == f"{tag}-TP")
        world.trade(target.gateway_order_id)
        world.run(0.2)
        world.kill()
        world.run(3)
    assert seen == [(0, 1), (1, 2)]
    assert world.venue.qty(PLACE) == 1
    world.trade(next(o for o in world.venue.working(PLACE)).gateway_order_id)
    world.run(5)
    assert not world.state.plans
    assert not calm(world).state.plans


def test_resting_stages_fill_and_go_one_by_one() -> None:
    world = roomy()
    world.command(staged(**LIMIT))
    world.run(2)
    first, second, third = world.resting()
    world.venue.cancel(second.gateway_order_id)
    world.publish()
    world.run(2)
    assert len(world.resting()) == 2, "the others stay"
    world.trade(first.gateway_order_id)
    world.trade(third.gateway_order_id)
    assert calm(world).venue.qty(PLACE) == 2


def test_resting_stages_expire_together() -> None:
    world = roomy()
    world.command(staged(**LIMIT, expires_at=world.now + timedelta(seconds=20)))
    world.run(2)
    world.trade(world.resting()[0].gateway_order_id)
    world.run(25)
    assert calm(world).venue.qty(PLACE) == 1
    assert not world.resting()


def test_exact_prices_of_each_stage_are_kept_for_its_legs() -> None:
    world = quoted()
    stages = (Stage(qty=1, target_price=Decimal(20010)), Stage(qty=1, target_price=Decimal(20020)))
    verdict = world.command(opens(**LIMIT, stages=stages, stop_ticks=None, care=Care(stop_price=Decimal(19980))))
    orders = [world.state.orders.get(tag) for tag in verdict.orders]
    world.run(1)
    orders = [world.state.orders[tag] for tag in verdict.orders]
    assert [order.care.target_price for order in orders] == [20010, 20020]
    assert [order.care.stop_price for order in orders] == [19980, 19980]
    assert [order.target_ticks for order in orders] == [80, 120]


def test_the_first_members_legs_are_remembered_as_long_as_the_group_lives() -> None:
    world = roomy()
    world.is_checked = False
    world.command(staged())
    world.run(3)
    first = group_of(world).members[0]
    world.run(3600)
    world.alert(exit_().__class__(action="note"))
    assert world.state.orders[first].state is OrderState.FILLED
    assert world.state.orders[first].role is Role.ENTRY


@pytest.mark.parametrize("kind", ["market", "limit"])
@pytest.mark.parametrize("fault", ["none", "lost reply", "lost events"])
def test_a_group_killed_at_every_step_comes_to_the_same_end(kind: str, fault: str) -> None:
    faults = {"none": Faults(), "lost reply": Faults(lost_reply=1), "lost events": Faults(lost_event=1)}[fault]

    def play(kill_at: int) -> tuple[World, int]:
        world, steps = roomy(seed=7), 0
        world.faults = Faults(**vars(faults))
        world.command(staged(**(LIMIT if kind == "limit" else {})))
        until = world.now + timedelta(seconds=6)
        while world.due and world.due[0][0] <= until:
            if steps == kill_at:
                world.kill()
            steps += 1
            world.step()
        return calm(world), steps

    undisturbed, steps = play(-1)
    for kill_at in range(steps):
        world, _ = play(kill_at)
        assert len(world.entries()) <= 3
        assert len(world.entries()) == len(undisturbed.entries()) or "group.incomplete" in incidents(world)
        plans = [r.plan for r in world.journal if isinstance(r, PlanChanged) and isinstance(r.plan, GroupPlan)]
        assert all(len(plan.members) <= 3 for plan in plans)
