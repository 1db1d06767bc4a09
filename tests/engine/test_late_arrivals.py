"""An order that arrives long after its reply was lost: two searches found nothing, it was given up, and then it is there."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import pytest

from desk.core.events import Event, Outcome, OutcomeKind, SubmitSettled
from desk.core.intents import Exit
from desk.core.orders import OrderState, Role
from desk.core.records import VerdictKind
from desk.core.words import OrderType, Side
from desk.engine import Reduce, Submit
from desk.orders import PlaceStop
from tests.engine.hands import incidents
from tests.engine.test_entries import ROOMY
from tests.engine.test_entry_stories import WORDS, check_story, happen
from tests.engine.test_world import PAUSES, calm
from tests.engine.world import PLACE, Faults, World, opens


@dataclass
class Slow(World):
    """``late``: the chance that an entry lands ``late_s`` after it was sent, of which the desk hears "no clear answer"."""

    late: float = 0.0
    late_s: tuple[float, float] = (20.0, 20.0)

    def _reach(self, effect: Submit | Reduce) -> Event:
        if not isinstance(effect, Submit) or not self._chance(self.late):
            return super()._reach(effect)
        self.later(self.dice.uniform(*self.late_s), lambda: self._execute(effect))
        outcome = Outcome(kind=OutcomeKind.UNCLEAR, text="timeout")
        return SubmitSettled(client_order_id=effect.approved.order.client_order_id, outcome=outcome, ts=self.now)


def given_up(side: Side = Side.SELL) -> Slow:
    """An entry at market was sent, not found and given up; it is still on its way, and its legs will be turned down."""
    world = Slow(bot=ROOMY)
    world.run(3)
    world.late = 1.0
    assert world.command(opens(side=side, fresh_until=world.now + timedelta(seconds=1))).kind is VerdictKind.ACCEPTED
    world.run(5)
    assert len(incidents(world, "entry.expired")) == 1
    world.late, world.venue.naked = 0.0, True
    return world


def check_protected(world: Slow, qty: int) -> None:
    world.run(18)
    assert world.venue.qty(PLACE) == qty, "it arrived"
    assert incidents(world, "position.foreign") == []
    assert [text for text in incidents(world, "entry.crossed") if "given up" in text], (
        "a person was told that it is there"
    )
    world.venue.naked = False
    calm(world)


def test_what_rests_on_the_other_side_does_not_make_it_somebody_elses() -> None:
    """Cause: an entry that rests counted as if it had filled, on whatever side, and so "explained" the position away."""
    world = given_up()
    resting = opens(type=OrderType.LIMIT, limit_price=Decimal(19990))
    assert world.command(resting).kind is VerdictKind.ACCEPTED
    check_protected(world, -2)


@pytest.mark.parametrize("how", ["by hand", "flatten"])
def test_it_is_ours_although_the_place_was_flat_in_between(how: str) -> None:
    """Cause: only what was under way when the place went flat was told from what belongs to the time before."""
    world = given_up(Side.BUY)
    world.venue.naked = False
    world.command(opens())
    world.run(3)
    assert world.venue.qty(PLACE) == 2
    if how == "flatten":
        world.flatten()
    else:
        world.close_by_hand()
    world.run(4)
    assert world.venue.qty(PLACE) == 0
    world.venue.naked = True
    check_protected(world, 2)


@pytest.mark.parametrize("batch", range(3))
def test_long_random_stories_with_late_arrivals_end_protected_or_flat(batch: int) -> None:
    for seed in range(batch * 150 + 1000, batch * 150 + 1150):
        dice = random.Random(seed)
        world = Slow(seed=seed, bot=ROOMY)
        world.run(3)
        world.late, world.late_s = 0.5, (0.5, 30.0)
        world.most_beyond, world.venue.nets = 99, True  # what was given up and sent anew, and then arrived
        world.faults = Faults(
            lost_event=dice.choice([0, 0, 0.3, 1]),
            lost_reply=dice.choice([0, 0.3]),
            failed_read=dice.choice([0, 0.3]),
            read_lag_s=dice.choice([0, 0.9]),
            slow_s=dice.choice([0.01, 0.3, 2]),
        )
        for _ in range(dice.randrange(2, 16)):
            happen(world, dice.choice(WORDS))
            world.run(dice.choice(PAUSES))
        world.late, world.faults = 0.0, Faults()
        world.run(60)
        check_story(world)


def test_the_late_word_of_a_fill_of_the_position_before_takes_nothing_from_this_one() -> None:
    """Cause: an entry whose fill nobody had told when its position was closed counted against the next one, on the other side."""
    world = Slow(bot=ROOMY)
    world.run(3)
    world.faults, answers = Faults(lost_event=1.0), world._read
    world._read = lambda effect: None if effect.is_full else answers(effect)  # type: ignore[method-assign]
    world.command(opens())
    world.run(0.2)
    world.command(Exit())
    while world.state.exit_plan(PLACE) is not None:
        world.step()
    assert world.venue.qty(PLACE) == 0
    bought = next(order for order in world.state.orders.values() if order.role is Role.ENTRY)
    assert not bought.filled_qty
    world.faults, world.venue.naked = Faults(), True
    assert world.command(opens(side=Side.SELL)).kind is VerdictKind.ACCEPTED
    world.run(0.5)
    world._read = answers  # type: ignore[method-assign]
    world.resync()
    world.run(5)
    assert world.state.orders[bought.client_order_id].filled_qty == 2
    assert incidents(world, "position.foreign") == []
    world.venue.naked = False
    calm(world)


@dataclass
class SlowStops(World):
    """Stops that are placed by themselves land ``late_s`` after they were sent; the desk hears "no clear answer"."""

    late_s: float = 0.0

    def _reach(self, effect: Submit | Reduce) -> Event:
        if not isinstance(effect, Reduce) or not isinstance(effect.reducing.what, PlaceStop):
            return super()._reach(effect)
        self.later(self.late_s, lambda: self._execute(effect))
        tag = effect.reducing.what.order.client_order_id
        outcome = Outcome(kind=OutcomeKind.UNCLEAR, text="timeout")
        return SubmitSettled(client_order_id=tag, outcome=outcome, ts=self.now)


@pytest.mark.parametrize("hub", ["up", "down", "killed"])
@pytest.mark.parametrize("late_s", [3.5, 5.0, 7.0, 12.0])
def test_a_guards_stop_that_arrives_when_its_position_is_closed_goes_before_it_trades(late_s: float, hub: str) -> None:
    """Cause: it was looked for twice and then by the watch alone, and not at all while the hub was down."""
    world = SlowStops(bot=ROOMY, late_s=late_s)
    world.run(3)
    world.venue.naked = True
    assert world.command(opens()).kind is VerdictKind.ACCEPTED
    while world.venue.qty(PLACE) == 0:
        world.step()
    while world.venue.qty(PLACE):
        world.step()
    world.faults = Faults(lost_event=1, read_lag_s=0.9)
    tag = next(
        order.client_order_id
        for order in world.state.orders.values()
        if order.parent is None and order.role is Role.STOP
    )
    while world.state.orders[tag].state is not OrderState.EXPIRED:
        world.step()
    if hub == "down":
        world.hub(False)
    if hub == "killed":
        world.kill()
        world.hub(False)
    while not any(order.tag == tag for order in world.venue.orders.values()):
        world.step()
    assert [order.tag for order in world.venue.working(PLACE)] == [tag], "it arrived at a flat place"
    world.run(4.9 if late_s < 10 else 6)
    assert world.venue.working(PLACE) == []
