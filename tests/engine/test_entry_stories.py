"""Entries of every kind against a venue that loses, doubles, delays and lags, and a person who interferes."""

from __future__ import annotations

import random
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desk.core.intents import EnterEither, Exit, Intent, Reverse, Stage
from desk.core.plans import GroupPlan
from desk.core.records import CommandDecided, IncidentRaised, PlanChanged
from desk.core.words import OrderType, Side
from tests.engine.test_entries import roomy
from tests.engine.test_world import FAULTS, PAUSES, act, calm
from tests.engine.world import PLACE, Faults, World, opens

LIMIT = {"type": OrderType.LIMIT, "limit_price": Decimal(19990)}
STOP_UP = {"type": OrderType.STOP, "stop_price": Decimal(20010)}
STOP_DOWN = {"type": OrderType.STOP, "stop_price": Decimal(19990), "side": Side.SELL}
STAGES = (Stage(qty=1, target_ticks=40), Stage(qty=1, target_ticks=80))
OPENING = [
    "market",
    "limit",
    "sell stop",
    "staged",
    "staged limit",
    "pair",
    "pair of one side",
    "reverse",
    "touch",
    "brief",
]
HAPPENS = ["exit", "flatten", "stop", "target", "wait", "gap", "kill", "resync", "by hand", "naked"]
MARKET = ["up", "down", "part", "fill", "fill all", "cancelled", "refuse"]
WORDS = [*OPENING, *HAPPENS, *MARKET, "fill", "part"]


def intent(world: World, what: str) -> Intent:
    fresh = world.now + timedelta(seconds=15)
    side = world.dice.choice([Side.BUY, Side.SELL])
    match what:
        case "market":
            return opens(side=side, fresh_until=fresh)
        case "limit":
            return opens(**LIMIT, fresh_until=fresh)
        case "sell stop":
            return opens(**STOP_DOWN, fresh_until=fresh)
        case "staged":
            return opens(side=side, stages=STAGES, fresh_until=fresh)
        case "staged limit":
            return opens(**LIMIT, stages=STAGES, fresh_until=fresh)
        case "pair":
            return EnterEither(first=opens(**STOP_UP, fresh_until=fresh), second=opens(**STOP_DOWN, fresh_until=fresh))
        case "pair of one side":
            return EnterEither(first=opens(**STOP_UP), second=opens(qty=1, **LIMIT, fresh_until=fresh))
        case "reverse":
            return Reverse(enter=opens(side=side, fresh_until=fresh))
        case "touch":
            return opens(touch_price=Decimal(world.dice.choice([20020, 19980])))
        case _:
            return opens(**LIMIT, expires_at=world.now + timedelta(seconds=2))


def happen(world: World, what: str) -> None:
    resting = world.resting()
    match what:
        case _ if what in OPENING:
            world.price(20000, bid=20000, ask=20000)
            world.command(intent(world, what))
        case "exit":
            world.command(Exit())
        case "up" | "down":
            world.price({"up": 20020, "down": 19980}[what])
        case "part" | "fill":
            for order in resting[:1]:
                world.trade(order.gateway_order_id, 1 if what == "part" else None)
        case "fill all":
            for order in resting:
                world.trade(order.gateway_order_id)
        case "cancelled":
            for order in resting[-1:]:
                world.venue.cancel(order.gateway_order_id)
                world.publish()
        case "refuse":
            world.venue.refusals = ["", "Not enough margin."]
        case _:
            act(world, what)


def check_story(world: World) -> None:
    """What holds however it went: no group sends more than was asked, both of a pair end flat, and all is protected."""
    groups = [r.plan for r in world.journal if isinstance(r, PlanChanged) and isinstance(r.plan, GroupPlan)]
    for plan in groups:
        sent = [o for o in world.venue.placed if o.client_order_id in plan.members]
        assert sum(o.qty for o in sent) <= plan.enter.qty
    asked = {r.cause for r in world.journal if isinstance(r, CommandDecided)}
    assert {r.cause for r in groups} <= asked
    calm(world)
    world.command(Exit(everything=True))
    calm(world)
    assert world.venue.qty(PLACE) == 0
    assert not world.venue.working(PLACE)
    assert not world.state.plans


def told(world: World) -> set[str]:
    return {record.kind for record in world.journal if isinstance(record, IncidentRaised)}


@settings(max_examples=150)
@given(
    seed=st.integers(0, 2**32),
    story=st.lists(st.tuples(st.sampled_from(WORDS), st.sampled_from(PAUSES)), max_size=12),
    faults=FAULTS,
)
def test_whatever_entries_meet_all_ends_protected_or_flat(
    seed: int, story: list[tuple[str, float]], faults: Faults
) -> None:
    world = roomy(seed=seed)
    world.most_beyond, world.venue.nets = 3, True  # both of a pair filled, before anybody heard of it
    world.faults = faults
    for what, pause in story:
        happen(world, what)
        world.run(pause)
    check_story(world)


@pytest.mark.parametrize("seed", range(10))
def test_an_entry_that_fills_after_the_old_position_ended_is_ours(seed: int) -> None:
    """It was sent while that one was open, and the venue turns its stop down."""
    world = roomy(seed=seed)
    world.most_beyond, world.venue.nets = 3, True
    for what in ("market", "wait", "market", "stop", "naked"):
        happen(world, what)
    check_story(world)


@pytest.mark.parametrize("batch", range(4))
def test_long_random_stories_of_entries_end_protected_or_flat(batch: int) -> None:
    for seed in range(batch * 150, batch * 150 + 150):
        dice = random.Random(seed)
        world = roomy(seed=seed)
        world.most_beyond, world.venue.nets = 3, True
        world.faults = Faults(
            lost_event=dice.choice([0, 0, 0.3, 1]),
            twice=dice.choice([0, 0.3]),
            shuffled=dice.choice([0, 0.3]),
            lost_reply=dice.choice([0, 0.3, 0.7]),
            not_sent=dice.choice([0, 0.3]),
            failed_read=dice.choice([0, 0.3]),
            read_lag_s=dice.choice([0, 0.9]),
            slow_s=dice.choice([0.01, 0.3, 2]),
            is_limited_falsely=dice.choice([False, False, True]),
        )
        for _ in range(dice.randrange(2, 16)):
            happen(world, dice.choice(WORDS))
            world.run(dice.choice(PAUSES))
        check_story(world)
