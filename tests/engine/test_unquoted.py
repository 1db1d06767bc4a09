"""An entry that needs a quote waits two seconds for it; what gets out waits for none, and ends the wait."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from desk.core.alert import Action, Alert, AlertOrder, AlertPolicy, Distance, StopSpec, Unit
from desk.core.records import VerdictKind
from tests.engine.test_signals_order import incidents, last_word, sent
from tests.engine.test_world import calm, ready
from tests.engine.world import PLACE, World, enter, exit_, with_bot

HELD, DENIED, ACCEPTED = VerdictKind.HELD, VerdictKind.DENIED, VerdictKind.ACCEPTED
AT_PRICE = StopSpec(distance=Distance(unit=Unit.PRICE, value=Decimal(19980)))
UNDER = StopSpec(distance=Distance(unit=Unit.PRICE, value=Decimal(20020)))
BARE = Alert(action=Action.ENTER_LONG, symbol="MNQ1!", stop=AT_PRICE)
TOUCH = Alert(
    action=Action.ENTER_LONG,
    symbol="MNQ1!",
    order=AlertOrder(type="market_if_touched", price=Decimal(19990)),
    stop=StopSpec(distance=Distance(unit=Unit.TICKS, value=Decimal(80))),
)
TRAILING = msgspec.structs.replace(TOUCH, order=AlertOrder(type="trailing_stop", trail_ticks=Decimal(40)))


def target(prev: int, now: int, fired_at: Any = None) -> Alert:
    """As a strategy sends it, with its stop at a price."""
    return msgspec.structs.replace(sent(prev, now, fired_at), stop=AT_PRICE if now > 0 else UNDER)


def held_qty(world: World) -> int:
    return calm(world).venue.qty(PLACE)


@pytest.mark.parametrize("message", [BARE, TOUCH, TRAILING, target(0, 2)])
def test_an_entry_without_a_quote_waits_for_it_and_is_then_denied(message: Alert) -> None:
    world = ready()
    waits = world.alert(message)
    assert (waits.kind, waits.reason) == (HELD, "NO_QUOTE")
    assert "waits up to 2 s" in waits.text
    world.run(1.9)
    assert len(world.state.held) == 1
    world.run(0.2)
    assert (last_word(world, waits).kind, last_word(world, waits).reason) == (DENIED, "NO_QUOTE")
    world.price(20000)
    assert held_qty(world) == 0
    assert world.entries() == []


@pytest.mark.parametrize("message", [BARE, target(0, 2), enter(price=Decimal(20000))])
@pytest.mark.parametrize("is_killed", [False, True])
def test_it_enters_as_soon_as_the_market_is_quoted(message: Alert, is_killed: bool) -> None:
    world = ready(bot=with_bot(price_bound_pct=Decimal(1)))
    waits = world.alert(message)
    assert waits.kind is HELD
    if is_killed:
        world.kill()
    world.run(1)
    world.price(20000)
    world.run(0.3)
    assert last_word(world, waits).kind is ACCEPTED
    assert held_qty(world) == 2


@pytest.mark.parametrize("out", [exit_(), target(2, 0), Alert(action=Action.FLATTEN, symbol="MNQ1!")])
@pytest.mark.parametrize("is_known", [False, True])
@pytest.mark.parametrize("message", [BARE, target(0, 2)])
def test_an_exit_takes_back_the_entry_that_waits(message: Alert, is_known: bool, out: Alert) -> None:
    world = ready()
    if is_known:
        world.alert(sent(0, 0))
    waits = world.alert(message)
    world.run(0.1)
    world.alert(out)
    world.run(0.5)
    world.price(20000)
    assert held_qty(world) == 0
    assert last_word(world, waits).reason in {"EXIT_RUNNING", "SUPERSEDED"}
    assert world.entries() == []
    if message is not BARE:  # a pair after a message without one is a gap, waiting or not
        assert incidents(world, "signal.gap") == []


def test_an_exit_that_was_fired_before_it_does_not() -> None:
    world = ready()
    waits = world.alert(target(0, 2, world.now))
    world.alert(target(-2, 0, world.now - timedelta(seconds=1)))
    world.price(20000)
    assert held_qty(world) == 2
    assert last_word(world, waits).kind is ACCEPTED


@pytest.mark.parametrize("action", [Action.CANCEL, Action.FLATTEN_ALL])
def test_a_cancel_of_everything_takes_it_back(action: Action) -> None:
    world = ready()
    world.alert(BARE)
    world.alert(Alert(action=action))
    world.price(20000)
    assert held_qty(world) == 0
    assert world.entries() == []


def test_a_person_who_flattens_takes_it_back() -> None:
    world = ready()
    world.alert(BARE)
    world.flatten()
    world.price(20000)
    assert held_qty(world) == 0


def test_a_reversal_closes_at_once_and_enters_when_there_is_a_quote() -> None:
    world = ready()
    world.alert(sent(0, 2))
    world.run(3)
    assert world.alert(target(2, -2)).kind is ACCEPTED
    world.run(1)
    assert world.venue.qty(PLACE) == 0
    world.price(20000)
    assert held_qty(world) == -2


@pytest.mark.parametrize("is_quoted", [True, False])
def test_what_only_replaces_leaves_what_is_held_until_it_can_be_had(is_quoted: bool) -> None:
    world = ready()
    world.alert(enter())
    world.run(3)
    waits = world.alert(msgspec.structs.replace(BARE, policy=AlertPolicy(same="replace")))
    assert (waits.kind, waits.reason) == (HELD, "NO_QUOTE")
    world.run(1)
    assert world.venue.qty(PLACE) == 2
    if is_quoted:
        world.price(20000)
    world.run(1.1)
    assert last_word(world, waits).kind is (ACCEPTED if is_quoted else DENIED)
    world.price(20000)
    assert held_qty(world) == 2
    assert len(world.entries()) == (2 if is_quoted else 1)


@pytest.mark.parametrize("message", [exit_(), target(2, 0), target(2, 1), sent(2, 1)])
def test_what_gets_out_waits_for_no_quote(message: Alert) -> None:
    world = ready(bot=with_bot(price_bound_pct=Decimal(1)))
    world.alert(sent(0, 2))
    world.run(3)
    assert world.alert(msgspec.structs.replace(message, price=Decimal(20000))).kind is ACCEPTED
    world.run(5)
    assert world.venue.qty(PLACE) in {0, 1}


def test_the_next_target_counts_in_place_of_the_one_that_waits() -> None:
    world = ready()
    first = world.alert(target(0, 2))
    world.run(0.1)
    assert world.alert(target(2, -2)).kind is HELD
    world.run(0.6)
    world.price(20000)
    assert held_qty(world) == -2
    assert last_word(world, first).reason == "SUPERSEDED"
    assert len(world.entries()) == 1


def test_a_later_entry_that_needs_no_quote_stays_behind_it() -> None:
    world = ready(bot=with_bot(same="add", default_qty=1))
    first, second = world.alert(BARE), world.alert(enter())
    assert second.kind is HELD
    world.run(0.5)
    world.price(20000)
    world.run(5)
    times = [r.ts for r in world.journal if r.__class__.__name__ == "AlertDecided"]
    assert len(times) == 2
    assert last_word(world, first).kind is ACCEPTED
    assert last_word(world, second).kind is not HELD


def test_a_later_entry_is_decided_once_the_one_before_it_is_denied() -> None:
    world = ready()
    world.alert(BARE)
    second = world.alert(enter())
    world.run(2.1)
    assert last_word(world, second).kind is ACCEPTED
    assert held_qty(world) == 2


@pytest.mark.parametrize("apart_s", [0, 1, 2])
def test_a_partial_exit_does_not_wait_with_the_add_that_it_follows(apart_s: int) -> None:
    world = ready(bot=with_bot(max_position=4, on_gap="halt_bot"))
    world.alert(sent(0, 2, world.now))
    world.run(3)
    add = world.alert(target(2, 3, world.now))
    assert add.reason == "NO_QUOTE"
    world.run(apart_s)
    assert world.alert(sent(3, 1, world.now)).kind is ACCEPTED
    assert held_qty(world) == 1
    assert incidents(world, "signal.gap") == []


def test_a_reversal_takes_the_place_of_the_add_that_waits_for_a_quote() -> None:
    world = ready(bot=with_bot(max_position=4))
    world.alert(sent(0, 2, world.now))
    world.run(3)
    add = world.alert(target(2, 3, world.now))
    world.run(1)
    world.alert(sent(3, -1, world.now))
    world.run(0.1)
    assert last_word(world, add).reason == "SUPERSEDED"
    assert held_qty(world) == -1
