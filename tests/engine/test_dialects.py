"""Messages of other bridges, from their body to what is held and works at the venue (TradingView reference 10)."""

from __future__ import annotations

from typing import Any

from desk.core.records import Verdict, VerdictKind
from desk.core.words import OrderType
from tests.alerts.test_dialects_json import read
from tests.engine.test_entries import quoted
from tests.engine.test_world import calm
from tests.engine.world import PLACE, World

POST: dict[str, Any] = {"ticker": "MNQ1!", "action": "buy", "quantity": 2, "stopLoss": {"amount": 20}}
PICK: dict[str, Any] = {"symbol": "MNQ1!", "data": "buy", "quantity": 2, "dollar_sl": 20, "token": "PMT-1f0e88a2c4"}
LEGS = [{"quantity": 2, "dollar_tp": 20, "dollar_sl": 20}, {"quantity": 1, "dollar_tp": 40, "dollar_sl": 20}]


def say(world: World, message: dict[str, Any], seconds: float = 10) -> list[Verdict]:
    reading = read(message)
    assert reading.problem is None, reading.problem
    verdicts = [world.alert(alert) for alert in reading.alerts]
    world.run(seconds)
    return verdicts


def kinds(verdicts: list[Verdict]) -> list[VerdictKind]:
    return [verdict.kind for verdict in verdicts]


def test_a_traderspost_buy_cancels_what_rests_before_it_enters() -> None:
    world = quoted()
    say(world, POST | {"orderType": "limit", "limitPrice": 19990})
    assert len(world.resting()) == 1
    (verdict,) = say(world, POST | {"quantity": 1})
    assert "cancelling what works" in verdict.text
    assert not world.resting()
    assert calm(world).venue.qty(PLACE) == 1, "the limit would have made it three"


def test_a_traderspost_buy_that_does_not_cancel_leaves_what_rests() -> None:
    world = quoted()
    say(world, POST | {"orderType": "limit", "limitPrice": 19990})
    (verdict,) = say(world, POST | {"cancel": "false"})
    assert (verdict.kind, verdict.reason) == (VerdictKind.IGNORED, "ALREADY_THERE")
    assert len(world.resting()) == 1


def test_a_traderspost_sell_turns_a_position_and_flat_closes_it_once() -> None:
    world = quoted()
    say(world, POST)
    assert kinds(say(world, POST)) == [VerdictKind.IGNORED], "a long is open"
    say(world, POST | {"action": "sell", "quantity": 1})
    assert world.venue.qty(PLACE) == -1
    flat = POST | {"action": "buy", "sentiment": "flat"}
    assert [kinds(say(world, flat))[0] for _ in range(2)] == [VerdictKind.ACCEPTED, VerdictKind.IGNORED]
    assert calm(world).venue.qty(PLACE) == 0
    assert not world.venue.working(PLACE)


def test_a_traderspost_partial_exit_never_turns_round() -> None:
    world = quoted()
    say(world, POST)
    part = POST | {"action": "sell", "sentiment": "bullish", "quantity": 1}
    for left in (1, 0, 0):
        say(world, part)
        assert calm(world).venue.qty(PLACE) == left


def test_a_pickmytrade_entry_replaces_the_same_side_without_ever_holding_both() -> None:
    world = quoted()
    say(world, PICK | {"reverse_order_close": True, "quantity": 1})
    assert kinds(say(world, PICK | {"reverse_order_close": True})) == [VerdictKind.ACCEPTED]
    assert calm(world).venue.qty(PLACE) == 2
    stops = [order for order in world.venue.working(PLACE) if order.type is OrderType.STOP]
    assert sum(order.qty for order in stops) == 2, "the old bracket is gone"


def test_pickmytrade_legs_are_staged_and_their_stops_are_moved_together() -> None:
    world = quoted()
    say(world, PICK | {"quantity": 3, "advance_tp_sl": LEGS, "dollar_sl": 0})
    assert [order.qty for order in world.entries()] == [2, 1]
    assert calm(world).venue.qty(PLACE) == 3
    moves = say(world, PICK | {"update_sl": True, "update_tp": True, "dollar_sl": 0, "sl": 19990, "tp": 20030})
    assert kinds(moves) == [VerdictKind.ACCEPTED, VerdictKind.ACCEPTED]
    working = calm(world).venue.working(PLACE)
    assert {order.stop_price for order in working if order.type is OrderType.STOP} == {19990}
    assert {order.limit_price for order in working if order.type is OrderType.LIMIT} == {20030}
