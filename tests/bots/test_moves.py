"""What changes the exits of a position that is there."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from desk.bots import Meaning, Wanted
from desk.core.alert import Action, BreakEvenSpec, StopSpec, TargetSpec, TrailSpec, Unit
from desk.core.intents import BreakEvenNow, MoveStop, MoveTarget, Trail, TrailOff, TrailOn
from desk.risk import Reason
from tests.bots.build import alert, ask, distance, reason, stop_at, target_at, wanted

AVG = Decimal("21000.10")  # an average need not lie on the grid
MOVES = [Action.MOVE_STOP, Action.MOVE_TARGET, Action.BREAKEVEN, Action.TRAIL_ON, Action.TRAIL_OFF]


def moved(action: Action, qty: int, avg: Decimal | None = AVG, **fields: Any) -> Meaning:
    return ask(alert(action, **fields), qty, avg_price=avg)


@pytest.mark.parametrize(
    ("stop", "long", "short"),
    [
        (stop_at("20990.1", Unit.PRICE), "20990.25", "20990.00"),
        (stop_at("21010", Unit.PRICE), "21010", "21010"),  # in profit for a long: where the market is, the engine knows
        (stop_at(10), "20990.25", "21010.00"),
        (stop_at("10.1"), "20990.25", "21010.00"),
        (stop_at(40, Unit.TICKS), "20990.25", "21010.00"),
        (stop_at(20, Unit.USD), "20990.25", "21010.00"),
        (stop_at(40, Unit.USD_TOTAL), "20990.25", "21010.00"),
    ],
)
def test_a_stop_moves_to_a_price_or_so_far_from_the_average(stop: StopSpec, long: str, short: str) -> None:
    assert wanted(moved(Action.MOVE_STOP, 2, stop=stop)) == MoveStop(price=Decimal(long))
    assert wanted(moved(Action.MOVE_STOP, -2, stop=stop)) == MoveStop(price=Decimal(short))


@pytest.mark.parametrize(
    ("goal", "long", "short"),
    [
        (target_at("21040.1", Unit.PRICE), "21040.00", "21040.25"),
        (target_at(10), "21010.00", "20990.25"),
        (target_at(10, qty_pct=100), "21010.00", "20990.25"),
    ],
)
def test_the_targets_move_together(goal: TargetSpec, long: str, short: str) -> None:
    assert wanted(moved(Action.MOVE_TARGET, 2, targets=(goal,))) == MoveTarget(price=Decimal(long))
    assert wanted(moved(Action.MOVE_TARGET, -2, targets=(goal,))) == MoveTarget(price=Decimal(short))


def test_break_even_and_trailing_at_once() -> None:
    assert wanted(moved(Action.BREAKEVEN, 2)) == BreakEvenNow()
    offset = BreakEvenSpec(offset=distance("0.5"))
    assert wanted(moved(Action.BREAKEVEN, -2, breakeven=offset)) == BreakEvenNow(offset_ticks=2)
    meaning = moved(Action.BREAKEVEN, 2, breakeven=BreakEvenSpec(trigger=distance(9)))
    assert isinstance(meaning, Wanted)
    assert "acts at once" in meaning.warnings[0]
    trail = TrailSpec(distance=distance(12), trigger=distance(5))
    assert wanted(moved(Action.TRAIL_ON, 2, trail=trail)) == TrailOn(trail=Trail(distance_ticks=48, trigger_ticks=20))
    assert wanted(moved(Action.TRAIL_OFF, 2)) == TrailOff()


@pytest.mark.parametrize(
    ("action", "fields", "why", "name"),
    [
        (Action.MOVE_STOP, {"stop": None}, Reason.BAD_PRICE, "move_stop needs stop"),
        (Action.MOVE_STOP, {"stop": stop_at(5, kind="trailing_stop")}, Reason.NOT_SUPPORTED, "send trail_on"),
        (Action.MOVE_STOP, {"stop": stop_at(1, Unit.R)}, Reason.BAD_PRICE, "stop in r"),
        (Action.MOVE_STOP, {"stop": stop_at(1, Unit.ATR)}, Reason.NO_ATR, "stop in atr"),
        (Action.MOVE_STOP, {"stop": stop_at("0.1")}, Reason.BAD_SIZE, "0 ticks"),
        (Action.MOVE_STOP, {"stop": stop_at("NaN", Unit.PRICE)}, Reason.BAD_PRICE, "no price"),
        (Action.MOVE_STOP, {"stop": stop_at(99999)}, Reason.BAD_PRICE, "no price"),
        (Action.MOVE_TARGET, {"targets": ()}, Reason.NOT_SUPPORTED, "0 targets"),
        (Action.MOVE_TARGET, {"targets": (target_at(1), target_at(2))}, Reason.NOT_SUPPORTED, "2 targets"),
        (Action.MOVE_TARGET, {"targets": (target_at(1, qty=1),)}, Reason.NOT_SUPPORTED, "all take profits move"),
        (Action.MOVE_TARGET, {"targets": (target_at(1, then="breakeven"),)}, Reason.NOT_SUPPORTED, "then"),
        (Action.TRAIL_ON, {}, Reason.BAD_SIZE, "trail_on needs trail"),
        (Action.TRAIL_ON, {"trail": TrailSpec(distance=distance(1, Unit.R))}, Reason.BAD_PRICE, "trail.distance in r"),
        (Action.BREAKEVEN, {"breakeven": BreakEvenSpec(offset=distance(1, Unit.R))}, Reason.BAD_PRICE, "offset in r"),
    ],
)
def test_a_move_that_lacks_its_field_is_refused_by_name(
    action: Action, fields: dict[str, Any], why: Reason, name: str
) -> None:
    meaning = moved(action, 2, **fields)
    assert reason(meaning) is why
    assert name in meaning.text  # type: ignore[union-attr]


@pytest.mark.parametrize("action", MOVES)
def test_without_a_position_there_is_nothing_to_move(action: Action) -> None:
    assert reason(moved(action, 0)) is Reason.NOTHING_TO_EXIT
    assert reason(ask(alert(action), 0, entering=2)) is Reason.ENTRY_IN_FLIGHT


def test_a_distance_needs_the_average_price_and_a_price_does_not() -> None:
    assert reason(moved(Action.MOVE_STOP, 2, avg=None)) is Reason.BAD_PRICE
    assert wanted(moved(Action.MOVE_STOP, 2, avg=None, stop=stop_at(20990, Unit.PRICE)))
