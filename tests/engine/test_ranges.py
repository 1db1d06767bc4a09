"""Distances in multiples of the average true range: what they become, and when they are refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from desk.core.alert import Action, Alert, BreakEvenSpec, Distance, StopSpec, TargetSpec, TrailSpec, Unit
from desk.core.intents import BreakEven, Trail
from desk.core.orders import OrderRequest, Role
from desk.core.records import Verdict, VerdictKind
from desk.engine import Submit
from desk.risk import Reason
from tests.engine.caring import TICK, at_market, holding
from tests.engine.venue import PRICE
from tests.engine.world import World, enter

ATR = Decimal("13.33333333")  # 53.33 ticks


def atr(value: str) -> Distance:
    return Distance(unit=Unit.ATR, value=Decimal(value))


def in_atr(world: World, **more: Any) -> Verdict:
    terms: dict[str, Any] = {"stop": StopSpec(distance=atr("1.5")), "targets": (TargetSpec(distance=atr("3")),), **more}
    alert = enter()
    return world.alert(Alert(action=alert.action, symbol=alert.symbol, **terms))


def entries(world: World) -> list[OrderRequest]:
    return [effect.approved.order for effect in world.sent if isinstance(effect, Submit)]


def test_stop_and_target_go_out_in_whole_ticks_towards_the_entry() -> None:
    world = at_market(atr=ATR)
    verdict = in_atr(world)
    assert verdict.kind is VerdictKind.ACCEPTED
    assert [(order.stop_ticks, order.target_ticks) for order in entries(world)] == [(79, 159)]
    assert verdict.warnings == (
        "stop 1.5 atr is 79 ticks (19.75 points); the ATR(14, 5m) is 13.33333333 points",
        "target 3 atr is 159 ticks (39.75 points); the ATR(14, 5m) is 13.33333333 points",
    )


def test_break_even_and_trailing_are_kept_in_ticks() -> None:
    world = World(atr=Decimal(10))
    world.run(3)
    breakeven = BreakEvenSpec(trigger=atr("1"), offset=atr("0.1"))
    trail = TrailSpec(distance=atr("1.5"), trigger=atr("2"), step=atr("0.25"))
    assert in_atr(world, breakeven=breakeven, trail=trail).kind is VerdictKind.ACCEPTED
    (entry,) = [order for order in world.state.orders.values() if order.role is Role.ENTRY]
    assert entry.care.breakeven == BreakEven(trigger_ticks=40, offset_ticks=4)
    assert entry.care.trail == Trail(distance_ticks=60, trigger_ticks=80, step_ticks=10)


def test_what_was_decided_stays_when_the_range_changes() -> None:
    world = at_market(atr=Decimal(10))
    in_atr(world)
    world.atr = Decimal(50)
    world.run(3)
    world.kill()  # folds the journal, and is checked against the live state
    assert world.stop_ticks == -60


def test_an_unknown_range_refuses_the_entry_and_says_what_to_do() -> None:
    world = at_market()
    verdict = in_atr(world)
    assert (verdict.kind, verdict.reason) == (VerdictKind.DENIED, Reason.NO_ATR)
    assert verdict.text == (
        "stop in atr: the ATR(14, 5m) of MNQZ6 is not known yet; its bars are read all the time: send it again later, "
        "or give points or ticks"
    )
    assert entries(world) == []


@pytest.mark.parametrize("action", [Action.MOVE_STOP, Action.TRAIL_ON])
def test_the_stop_of_a_position_moves_by_it(action: Action) -> None:
    world = holding(atr=Decimal(10))
    terms: dict[str, Any] = {"stop": StopSpec(distance=atr("1.5"))}
    if action is Action.TRAIL_ON:
        terms = {"trail": TrailSpec(distance=atr("1.5"))}
    world.ticks(0)
    assert world.alert(Alert(action=action, symbol="MNQ1!", **terms)).kind is VerdictKind.ACCEPTED
    world.run(2)
    world.ticks(0)
    world.run(2)
    assert world.stop.stop_price == PRICE - 60 * TICK
