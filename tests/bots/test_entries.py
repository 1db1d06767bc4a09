"""What an entry asks for: order types, distances in every unit, sizes, stages, and what is done with them later."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from desk.bots import Meaning, Refusal, Wanted, interpret
from desk.core.alert import (
    Action,
    Alert,
    AlertOrder,
    AlertPolicy,
    AlertQty,
    BreakEvenSpec,
    Distance,
    TargetSpec,
    TrailSpec,
    Unit,
)
from desk.core.intents import BreakEven, Care, Stage, Then, Trail
from desk.core.words import OrderType
from desk.risk import Reason
from tests.bots.build import (
    BOT,
    NOW,
    alert,
    ask,
    distance,
    entry,
    reason,
    stop_at,
    target,
    target_at,
    wanted,
    where,
)

PRICE = Decimal("21000.00")


def order(kind: str, **more: Any) -> AlertOrder:
    return AlertOrder(type=kind, **{name: Decimal(str(value)) for name, value in more.items()})


def warnings(meaning: Meaning) -> tuple[str, ...]:
    assert isinstance(meaning, Wanted), meaning
    return meaning.warnings


# --- order types ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "long", "short"),
    [
        (order("limit", price="21000.1"), {"type": OrderType.LIMIT, "limit_price": "21000.00"}, {"limit_price": "21000.25"}),
        (order("stop", stop_price="21000.1"), {"type": OrderType.STOP, "stop_price": "21000.25"}, {"stop_price": "21000.00"}),
        (
            order("stop_limit", stop_price="21000", price="21001"),
            {"type": OrderType.LIMIT, "touch_price": "21000", "limit_price": "21001"},
            {"type": OrderType.LIMIT, "touch_price": "21000", "limit_price": "21001"},
        ),
        (
            order("market_if_touched", price="20990"),
            {"type": OrderType.MARKET, "touch_price": "20990"},
            {"type": OrderType.MARKET, "touch_price": "20990"},
        ),
        (order("trailing_stop", trail_ticks="40"), {"type": OrderType.TRAILING_STOP, "trail_ticks": 40}, {"trail_ticks": 40}),
        (order("join"), {"type": OrderType.JOIN_BID}, {"type": OrderType.JOIN_ASK}),
        (order("market"), {"type": OrderType.MARKET}, {"type": OrderType.MARKET}),
    ],
)  # fmt: skip
def test_every_order_type_becomes_its_entry(asked: AlertOrder, long: dict[str, Any], short: dict[str, Any]) -> None:
    for action, expected in ((Action.ENTER_LONG, long), (Action.ENTER_SHORT, short)):
        made = entry(ask(alert(action, order=asked)))
        names = ("type", "limit_price", "stop_price", "touch_price", "trail_ticks")
        got = {name: value for name in names if (value := getattr(made, name)) is not None}
        wish = {k: Decimal(v) if isinstance(v, str) and k.endswith("price") else v for k, v in expected.items()}
        assert got == {"type": made.type} | wish
        assert made.expires_at is None


@pytest.mark.parametrize(
    ("asked", "name", "why"),
    [
        (order("limit"), "order.price", Reason.BAD_PRICE),
        (order("stop"), "order.stop_price", Reason.BAD_PRICE),
        (order("stop_limit", price=1), "order.stop_price", Reason.BAD_PRICE),
        (order("stop_limit", stop_price=1), "order.price", Reason.BAD_PRICE),
        (order("trailing_stop"), "order.trail_ticks", Reason.BAD_PRICE),
        (order("market_if_touched"), "order.price", Reason.BAD_PRICE),
        (order("limit", price="0.1"), "order.price", Reason.BAD_PRICE),  # a long's limit under one tick
        (order("trailing_stop", trail_ticks="0.5"), "order.trail_ticks", Reason.BAD_SIZE),
        (order("market", price=1), "order price", Reason.NOT_SUPPORTED),
        (order("market", stop_price=1), "order stop_price", Reason.NOT_SUPPORTED),
        (order("market", trail_ticks=1), "order trail_ticks", Reason.NOT_SUPPORTED),
        (order("limit", price=1, stop_price=1), "order stop_price", Reason.NOT_SUPPORTED),
        (order("stop", price=1, stop_price=1), "order price", Reason.NOT_SUPPORTED),
        (order("market", offset_ticks=2), "offset_ticks", Reason.NOT_SUPPORTED),
        (order("limit", price=PRICE, max_slippage_ticks=2), "max_slippage_ticks", Reason.NOT_SUPPORTED),
        (order("market", max_slippage_ticks=2), "max_slippage_ticks needs price", Reason.BAD_PRICE),
        (order("iceberg"), "iceberg", Reason.NOT_SUPPORTED),
        (order("limit", price=PRICE, expire_s=0), "order.expire_s", Reason.TOO_OLD),
    ],
)
def test_an_order_that_lacks_or_mixes_prices_is_refused_by_the_field(asked: AlertOrder, name: str, why: Reason) -> None:
    meaning = ask(alert(order=asked))
    assert reason(meaning) is why
    assert name in meaning.text  # type: ignore[union-attr]


def test_a_resting_order_expires_and_its_life_is_not_its_age() -> None:
    message = alert(order=order("limit", price=PRICE, expire_s=600), fired_at=NOW - timedelta(seconds=2))
    made = entry(ask(message))
    assert made.expires_at == NOW + timedelta(seconds=598)
    assert made.fresh_until == NOW + timedelta(seconds=13)
    endless = entry(ask(alert(order=order("limit", price=PRICE, expire_s="1e12"))))
    assert endless.expires_at == NOW + timedelta(days=366)


@pytest.mark.parametrize(
    ("action", "price", "slippage", "limit"),
    [
        (Action.ENTER_LONG, "21000", 8, "21002"),
        (Action.ENTER_SHORT, "21000", 8, "20998"),
        (Action.ENTER_LONG, "21000.1", 8, "21002"),  # off the grid: never more slippage than asked for
        (Action.ENTER_SHORT, "21000.1", 8, "20998.25"),
        (Action.ENTER_LONG, "21000", 0, "21000"),
    ],
)
def test_a_market_order_that_may_slip_so_far_is_a_limit_that_does_not_stay(
    action: Action, price: str, slippage: int, limit: str
) -> None:
    asked = order("market", max_slippage_ticks=slippage, expire_s=5)
    meaning = ask(alert(action, order=asked, price=Decimal(price)))
    made = entry(meaning)
    assert (made.type, made.limit_price) == (OrderType.LIMIT, Decimal(limit))
    assert made.expires_at == made.fresh_until == NOW + timedelta(seconds=5)
    assert f"sent as a limit at {made.limit_price}" in warnings(meaning)[0]


# --- distances -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "ticks", "warning"),
    [
        (distance(20), 80, None),
        (distance("20.1"), 80, "stop 20.1 points is 80 ticks (20.00 points)"),
        (distance(80, Unit.TICKS), 80, None),
        (distance("8.9", Unit.TICKS), 8, "stop 8.9 ticks is 8 ticks (2.00 points)"),
        (distance(10, Unit.USD), 20, None),
        (distance("10.3", Unit.USD), 20, "stop 10.3 usd is 20 ticks (5.00 points)"),
        (distance(60, Unit.USD_TOTAL), 60, None),  # 2 contracts, 0.5 USD per tick each
        (distance("0.1", Unit.PCT), 84, None),  # of 21000
        (distance("0.05", Unit.PCT), 42, None),
        (distance("1.5", Unit.ATR), 78, None),  # of 13 points
    ],
)
def test_distances_are_rounded_towards_the_entry_and_it_is_said(
    given: Distance, ticks: int, warning: str | None
) -> None:
    two = AlertQty(mode="contracts", value=Decimal(2))
    message = alert(stop=stop_at(given.value, given.unit), qty=two, price=PRICE)
    meaning = ask(message, atr_points=Decimal(13))
    assert entry(meaning).stop_ticks == ticks
    assert warnings(meaning) == (() if warning is None else (warning,))
    aim = alert(targets=(target_at(given.value, given.unit),), qty=two, price=PRICE)
    assert entry(ask(aim, atr_points=Decimal(13))).stages == (Stage(qty=2, target_ticks=ticks),)


@pytest.mark.parametrize(
    ("changes", "name", "why"),
    [
        ({"stop": stop_at(1, Unit.PCT)}, "stop in pct needs a price", Reason.BAD_PRICE),
        ({"stop": stop_at(2, Unit.ATR)}, "stop in atr: the ATR(14, 5m) of MNQZ6 is not known yet", Reason.NO_ATR),
        ({"stop": stop_at(2, Unit.R)}, "stop in r", Reason.BAD_PRICE),
        ({"targets": (target_at(2, Unit.ATR),)}, "target in atr", Reason.NO_ATR),
        ({"stop": stop_at("NaN")}, "stop NaN points", Reason.BAD_SIZE),
        ({"stop": stop_at("-1")}, "stop -1 points", Reason.BAD_SIZE),
        ({"stop": stop_at("1e40")}, "stop 1E+40 points", Reason.BAD_SIZE),
        (
            {"stop": stop_at(100, Unit.USD_TOTAL), "qty": AlertQty(mode="risk_usd", value=Decimal(100))},
            "stop in usd_total",
            Reason.NOT_SUPPORTED,
        ),
        ({"stop": stop_at(21000, Unit.PRICE), "targets": (target_at(2, Unit.R),)}, "target in r", Reason.BAD_PRICE),
        ({"trail": TrailSpec(distance=distance(5, Unit.PRICE))}, "trail.distance in price", Reason.NOT_SUPPORTED),
    ],
)
def test_a_distance_that_cannot_be_measured_is_refused_by_name(changes: dict[str, Any], name: str, why: Reason) -> None:
    meaning = ask(alert(**changes))
    assert reason(meaning) is why
    assert name in meaning.text  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("action", "stop", "goal", "stop_price", "target_price"),
    [
        (Action.ENTER_LONG, "20980.1", "21040.1", "20980.25", "21040.00"),
        (Action.ENTER_SHORT, "21020.1", "20960.1", "21020.00", "20960.25"),
    ],
)
@pytest.mark.parametrize("price", [PRICE, None])
def test_prices_are_kept_on_the_grid_for_after_the_fill(
    action: Action, stop: str, goal: str, stop_price: str, target_price: str, price: Decimal | None
) -> None:
    message = alert(action, stop=stop_at(stop, Unit.PRICE), targets=(target_at(goal, Unit.PRICE),), price=price)
    meaning = ask(message)
    made = entry(meaning)
    assert made.stop_ticks is None
    assert made.care == Care(stop_price=Decimal(stop_price))
    assert made.stages == (Stage(qty=1, target_price=Decimal(target_price)),)
    assert warnings(meaning) == (
        f"stop {stop} is not on the tick grid: {stop_price}",
        f"target {goal} is not on the tick grid: {target_price}",
    )


@pytest.mark.parametrize(
    ("action", "changes", "name"),
    [
        (Action.ENTER_LONG, {"stop": stop_at(21010, Unit.PRICE)}, "stop 21010"),
        (Action.ENTER_LONG, {"stop": stop_at(21000, Unit.PRICE)}, "stop 21000"),
        (Action.ENTER_SHORT, {"stop": stop_at(20990, Unit.PRICE)}, "stop 20990"),
        (Action.ENTER_LONG, {"targets": (target_at(20990, Unit.PRICE),)}, "target 20990"),
        (Action.ENTER_SHORT, {"targets": (target_at(21010, Unit.PRICE),)}, "target 21010"),
    ],
)
@pytest.mark.parametrize("asked", [{"price": PRICE}, {"order": order("limit", price=PRICE)}])
def test_a_price_on_the_wrong_side_of_the_entry_is_refused(
    action: Action, changes: dict[str, Any], name: str, asked: dict[str, Any]
) -> None:
    meaning = ask(alert(action, **changes, **asked))
    assert reason(meaning) is Reason.BAD_PRICE
    assert name in meaning.text  # type: ignore[union-attr]
    assert "wrong side" in meaning.text  # type: ignore[union-attr]


def test_r_is_the_distance_of_the_stop_wherever_it_came_from() -> None:
    in_r = (target_at("1.5", Unit.R),)
    care: dict[str, Any] = {
        "breakeven": BreakEvenSpec(trigger=distance(1, Unit.R)),
        "trail": TrailSpec(distance=distance("0.5", Unit.R), trigger=distance(1, Unit.R)),
    }
    made = entry(ask(alert(targets=in_r, **care)))
    assert made.stages[0].target_ticks == 120
    assert made.care == Care(
        breakeven=BreakEven(trigger_ticks=80), trail=Trail(distance_ticks=40, trigger_ticks=80, step_ticks=1)
    )
    at_price = alert(stop=stop_at(20990, Unit.PRICE), targets=in_r, order=order("limit", price=PRICE))
    assert entry(ask(at_price)).stages[0].target_ticks == 60


# --- sizes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("qty", "size"),
    [
        (AlertQty(mode="factor", value=Decimal("1.5")), 3),  # of POSITION_SIZE 2
        (AlertQty(mode="factor", value=Decimal("0.9")), 1),
        (AlertQty(mode="factor", value=Decimal("0.4")), Reason.BAD_SIZE),
        (AlertQty(mode="factor", value=Decimal(3)), Reason.MAX_POSITION),
        (AlertQty(mode="factor", value=Decimal(3), max=Decimal(4)), 4),
        (AlertQty(mode="risk_usd", value=Decimal(100)), 2),  # 80 ticks x 0.50 USD = 40 USD each
        (AlertQty(mode="risk_usd", value=Decimal(80)), 2),
        (AlertQty(mode="risk_usd", value=Decimal("79.99")), 1),
        (AlertQty(mode="risk_usd", value=Decimal("39.99")), Reason.BAD_SIZE),
        (AlertQty(mode="risk_usd", value=Decimal(400), max=Decimal(3)), 3),
        (AlertQty(mode="risk_usd", value=Decimal(400)), Reason.MAX_POSITION),
        (AlertQty(mode="risk_usd"), Reason.BAD_SIZE),
        (AlertQty(mode="contracts", value=Decimal(6)), Reason.MAX_POSITION),
    ],
)
def test_computed_sizes_are_rounded_down_and_bounded(qty: AlertQty, size: int | Reason) -> None:
    meaning = interpret(alert(qty=qty), replace(BOT, default_qty=2), where(), NOW)
    if isinstance(size, Reason):
        assert reason(meaning) is size
    else:
        assert entry(meaning).qty == size
        assert bool(warnings(meaning)) is (qty.max is not None)


def test_a_size_by_risk_needs_to_know_its_stop() -> None:
    qty = AlertQty(mode="risk_usd", value=Decimal(100))
    stop = stop_at(20990, Unit.PRICE)
    assert reason(ask(alert(qty=qty, stop=stop))) is Reason.BAD_SIZE
    assert entry(ask(alert(qty=qty, stop=stop, order=order("limit", price=PRICE)))).qty == 5  # 40 ticks, 20 USD
    assert reason(ask(alert(qty=qty, stop=stop_at("0.1")))) is Reason.BAD_SIZE


def test_the_messages_own_limits_bind_the_target_too() -> None:
    tight = AlertPolicy(max_position=Decimal(2))
    assert reason(ask(target(3, policy=tight))) is Reason.MAX_POSITION
    assert reason(ask(target(3, policy=tight), 1)) is Reason.MAX_POSITION
    assert (
        reason(ask(target(3, qty=AlertQty(max=Decimal(2))), 1)) is Reason.BAD_SIZE
    )  # not only the two that are missing
    assert entry(ask(target(2, policy=tight), 1)).qty == 1


# --- stages --------------------------------------------------------------------------------------------------------

A, B, C = (target_at(points) for points in (10, 20, 30))
TICKS = (40, 80, 120)


def with_part(spec: TargetSpec, then: str | None = None, **part: object) -> TargetSpec:
    return target_at(spec.distance.value, **part, then=then)


@pytest.mark.parametrize(
    ("qty", "targets", "sizes"),
    [
        (3, (), ()),
        (3, (A,), (3,)),
        (3, (with_part(A, qty=3),), (3,)),
        (3, (with_part(A, qty=1),), (1, 2)),
        (3, (with_part(A, qty_pct=100),), (3,)),
        (3, (with_part(A, qty_ratio=7),), (3,)),
        (3, (with_part(A, qty=1), with_part(B, qty=2)), (1, 2)),
        (3, (with_part(A, qty=1), with_part(B, qty=1)), (1, 1, 1)),
        (3, (with_part(A, qty=1), B), (1, 2)),  # the last one takes the rest
        (4, (with_part(A, qty_pct=50), with_part(B, qty_pct=50)), (2, 2)),
        (3, (with_part(A, qty_pct=50), with_part(B, qty_pct=50)), (2, 1)),
        (3, (with_part(A, qty_pct=50), with_part(B, qty_pct=25)), (1, 1, 1)),
        (3, (with_part(A, qty_pct=50), B), (1, 2)),
        (5, tuple(with_part(t, qty_pct=p) for t, p in ((A, "33.3"), (B, "33.3"), (C, "33.4"))), (2, 1, 2)),
        (5, tuple(with_part(t, qty_ratio=1) for t in (A, B, C)), (2, 2, 1)),
        (4, tuple(with_part(t, qty_ratio=p) for t, p in ((A, 2), (B, 1), (C, 1))), (2, 1, 1)),
    ],
)
def test_contracts_are_shared_out_by_the_largest_remainder(
    qty: int, targets: tuple[TargetSpec, ...], sizes: tuple[int, ...]
) -> None:
    message = alert(targets=targets, qty=AlertQty(mode="contracts", value=Decimal(qty)))
    meaning = ask(message)
    made = entry(meaning)
    assert tuple(stage.qty for stage in made.stages) == sizes
    ticks = [stage.target_ticks for stage in made.stages]
    assert ticks == [*TICKS[: len(targets)], *([None] * (len(sizes) - len(targets)))]
    assert warnings(meaning) == ()


def test_a_target_that_gets_no_contract_is_left_out_and_said() -> None:
    targets = tuple(with_part(t, qty_pct=p) for t, p in ((A, 33), (B, 33), (C, 34)))
    meaning = ask(alert(targets=targets, qty=AlertQty(mode="contracts", value=Decimal(2))))
    assert [(stage.qty, stage.target_ticks) for stage in entry(meaning).stages] == [(1, 40), (1, 120)]
    assert warnings(meaning) == ("targets[1] gets none of 2 contracts",)


@pytest.mark.parametrize(
    ("targets", "warning"),
    [
        ((A,), None),
        ((with_part(A, qty_pct=50), with_part(B, qty_pct=50)), "only the first of 2 targets applies"),
        ((with_part(A, qty=1), with_part(B, qty=1)), "only the first of 2 targets applies"),
        ((A, B), "only the first of 2 targets applies"),
        ((with_part(A, qty_pct=50),), "the target takes it whole"),
    ],
)
def test_one_contract_has_one_target(targets: tuple[TargetSpec, ...], warning: str | None) -> None:
    meaning = ask(alert(targets=targets))
    assert entry(meaning).stages == (Stage(qty=1, target_ticks=40),)
    assert len(warnings(meaning)) == (warning is not None)
    assert warning is None or warning in warnings(meaning)[0]


@pytest.mark.parametrize(
    ("qty", "targets", "name"),
    [
        (2, (with_part(A, qty=2), with_part(B, qty=1)), "qty 2 + 1 of 2"),
        (2, (with_part(A, qty=3),), "qty 3 of 2"),
        (1, (with_part(A, qty=2), B), "targets[0].qty 2"),
        (2, (with_part(A, qty="1.5"),), "whole contracts"),
        (2, (with_part(A, qty_pct=80), with_part(B, qty_pct=30)), "adds up to 110"),
        (2, (A, B), "how many contracts each one takes"),
        (2, (A, with_part(B, qty=1)), "how many contracts each one takes"),
        (2, (with_part(A, qty_ratio=1), B), "how many contracts each one takes"),
        (2, (with_part(A, qty=1), with_part(B, qty_pct=50)), "give one of qty, qty_pct"),
        (2, (with_part(A, qty=2), B), "nothing of 2 contracts is left"),
        (2, (with_part(A, qty_pct="NaN"), B), "qty_pct NaN"),
    ],
)
def test_parts_that_do_not_fit_are_refused(qty: int, targets: tuple[TargetSpec, ...], name: str) -> None:
    meaning = ask(alert(targets=targets, qty=AlertQty(mode="contracts", value=Decimal(qty))))
    assert reason(meaning) is Reason.BAD_SIZE
    assert name in meaning.text  # type: ignore[union-attr]


def test_what_a_target_does_to_the_rest_is_kept_where_there_is_a_rest() -> None:
    two = AlertQty(mode="contracts", value=Decimal(2))
    parts = (with_part(A, "breakeven", qty=1), with_part(B, "stop_to_prev_target", qty=1))
    meaning = ask(alert(targets=parts, qty=two))
    assert entry(meaning).stages == (
        Stage(qty=1, target_ticks=40, then=Then.BREAKEVEN),
        Stage(qty=1, target_ticks=80),
    )
    assert warnings(meaning) == ("then stop_to_prev_target after the last target: nothing is left for it",)
    runner = ask(alert(targets=(with_part(A, "breakeven", qty=1),), qty=two))
    assert entry(runner).stages == (Stage(qty=1, target_ticks=40, then=Then.BREAKEVEN), Stage(qty=1))


# --- care ----------------------------------------------------------------------------------------------------------

TRAIL = TrailSpec(distance=distance(12), step=distance(4, Unit.TICKS))


def test_break_even_and_trailing_are_care() -> None:
    message = alert(
        breakeven=BreakEvenSpec(trigger=distance(15), offset=distance("1.5", Unit.TICKS)),
        trail=TrailSpec(distance=distance(12), trigger=distance(25), step=distance(4, Unit.TICKS)),
        has_breakeven=True,
        has_trail=True,
    )
    meaning = ask(message)
    assert entry(meaning).care == Care(
        breakeven=BreakEven(trigger_ticks=60, offset_ticks=1),
        trail=Trail(distance_ticks=48, trigger_ticks=100, step_ticks=4),
    )
    assert warnings(meaning) == ("breakeven.offset 1.5 ticks is 1 ticks (0.25 points)",)


def test_trailing_begins_at_the_fill_or_with_the_target_that_turns_it_on() -> None:
    assert entry(ask(alert(trail=TRAIL))).care.trail == Trail(distance_ticks=48, trigger_ticks=0, step_ticks=4)
    two = AlertQty(mode="contracts", value=Decimal(2))
    on_target: dict[str, Any] = {"qty": two, "trail": TRAIL}
    by_ticks = alert(targets=(with_part(A, "trail_on", qty=1),), **on_target)
    assert entry(ask(by_ticks)).care.trail == Trail(distance_ticks=48, trigger_ticks=40, step_ticks=4)
    at_price = (target_at(21010, Unit.PRICE, qty=1, then="trail_on"),)
    trail = entry(ask(alert(targets=at_price, price=PRICE, **on_target))).care.trail
    assert trail is not None
    assert trail.trigger_ticks == 40
    assert reason(ask(alert(targets=at_price, **on_target))) is Reason.BAD_PRICE


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"breakeven": BreakEvenSpec()}, "breakeven.trigger is missing"),
        ({"breakeven": BreakEvenSpec(trigger=distance("0.1"))}, "breakeven.trigger 0.1 points is 0 ticks"),
        ({"breakeven": BreakEvenSpec(trigger=distance(2), offset=distance(2))}, "breakeven.offset 8 ticks"),
        ({"trail": TrailSpec(distance=distance("0.1"))}, "trail.distance 0.1 points is 0 ticks"),
        ({"trail": TrailSpec(distance=distance(9), step=distance("0.1"))}, "trail.step 0.1 points is 0 ticks"),
        (
            {"targets": (with_part(A, "trail_on", qty=1),), "qty": AlertQty(mode="contracts", value=Decimal(2))},
            "then trail_on needs trail",
        ),
    ],
)
def test_care_that_makes_no_sense_is_refused_by_its_field(changes: dict[str, Any], name: str) -> None:
    meaning = ask(alert(**changes))
    assert reason(meaning) is Reason.BAD_SIZE
    assert name in meaning.text  # type: ignore[union-attr]


def test_a_trailing_stop_is_the_venues() -> None:
    trailing = stop_at(20, kind="trailing_stop")
    made = entry(ask(alert(stop=trailing)))
    assert (made.is_stop_trailing, made.stop_ticks) == (True, 80)
    assert not entry(ask(alert())).is_stop_trailing
    two = AlertQty(mode="contracts", value=Decimal(2))
    for changes, name in (
        ({"trail": TRAIL}, "with trail"),
        ({"breakeven": BreakEvenSpec(trigger=distance(5))}, "with breakeven"),
        ({"stop": stop_at(20990, Unit.PRICE, kind="trailing_stop")}, "with a price"),
        ({"targets": (with_part(A, "breakeven", qty=1),), "qty": two}, "with targets.then"),
    ):
        meaning = ask(alert(**({"stop": trailing} | changes)))
        assert reason(meaning) is Reason.NOT_SUPPORTED
        assert name in meaning.text  # type: ignore[union-attr]


def test_a_reversal_carries_the_whole_entry() -> None:
    message = target(-2, trail=TRAIL, targets=(with_part(A, qty=1),), order=order("limit", price=PRICE))
    flat = entry(ask(message))
    assert wanted(ask(message, 2)).enter == flat  # type: ignore[union-attr]
    assert flat.stages == (Stage(qty=1, target_ticks=40), Stage(qty=1))


def test_refusals_that_hang_on_the_position_say_so() -> None:
    first: Alert = target(2, stop=None)
    meaning = ask(first, 1)
    assert isinstance(meaning, Refusal)
    assert meaning.by_position
    plain = ask(alert(stop=None))
    assert isinstance(plain, Refusal)
    assert not plain.by_position
