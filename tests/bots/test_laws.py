"""What holds for every message, however odd, from the bytes to the intent."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from desk.alerts import read_body
from desk.bots import Meaning, Wanted, interpret, may_open, wants_exit
from desk.core.alert import Action, Alert, AlertPolicy, AlertPosition, AlertQty
from desk.core.intents import Cancel, Enter, Exit, MoveStop, MoveTarget, Reduce, Reverse
from desk.core.words import Side
from tests.bots.build import BOT, MNQ, NOW, SIDE, alert, target, target_at, where

ODD = st.sampled_from([None, "", "na", "NaN", "{{x}}", True, False, [], {}, -1, 0, 1e300, "1e400", "9" * 40, "x", 0.1])
DISTANCE = st.builds(
    lambda unit, value: {"unit": unit, "value": value},
    st.sampled_from(["points", "ticks", "usd", "points", "ticks", "usd_total", "pct", "r", "atr", "price"]),
    st.sampled_from([0.1, 1, 5, 10.3, 20, 40, "100"]),
)
LEVEL = st.sampled_from([20980, 20990.1, "21000.00", 21010.3, 21020])  # around the price
AT_PRICE = st.builds(lambda value: {"unit": "price", "value": value}, LEVEL)
SIZE = st.sampled_from([1, 2, 3, 4, "2.0"])
TARGET = st.builds(
    lambda distance, part, size, then: distance | {part: size, "then": then},
    DISTANCE | AT_PRICE,
    st.sampled_from(["qty", "qty_pct", "qty_ratio"]),
    st.sampled_from([None, 1, 2, 25, 50]),
    st.sampled_from([None, None, "breakeven", "stop_to_prev_target", "trail_on"]),
)
ORDERS = st.sampled_from(["market", "limit", "stop", "stop_limit", "trailing_stop", "join", "market_if_touched"])


def order_of(kind: str, first: object, second: object, extra: dict[str, object]) -> dict[str, object]:
    needs = {"limit": ["price"], "stop": ["stop_price"], "stop_limit": ["price", "stop_price"]}
    needed = needs.get(kind, ["price"] if kind == "market_if_touched" else [])
    order = dict(zip(needed, [first, second], strict=False))
    return {"type": kind} | order | ({"trail_ticks": 40} if kind == "trailing_stop" else {}) | extra


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


def seldom(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | st.none() | strategy


ACTIONS = st.sampled_from(
    [action.value for action in Action] + ["enter_long", "enter_short", "set_position", "buy"] * 4
)
MODES = st.sampled_from(["contracts", "contracts", "factor", "risk_usd", "position_pct", "equity_pct"])
SANE = st.fixed_dictionaries(
    {
        "v": st.just(1),
        "action": ACTIONS,
        "symbol": st.just("MNQ1!"),
        "stop": DISTANCE | DISTANCE | AT_PRICE,
        "price": LEVEL,
        "position": seldom(
            st.sampled_from(
                [{"now": now, "size": size} for now in ("long", "short") for size in (1, 2, 5, 9, None)]
                + [{"now": "flat", "size": 0}]
            )
        ),
        "qty": seldom(st.builds(lambda mode, value: {"mode": mode, "value": value}, MODES, SIZE | st.just(50)) | SIZE),
        "order": seldom(st.builds(order_of, ORDERS, LEVEL, LEVEL, some(expire_s=SIZE) | some(max_slippage_ticks=SIZE))),
        "targets": seldom(st.lists(TARGET, max_size=4)),
        "breakeven": seldom(
            st.builds(lambda trigger, more: {"trigger": trigger} | more, DISTANCE, some(offset=DISTANCE))
        ),
        "trail": seldom(
            st.builds(lambda far, more: {"distance": far} | more, DISTANCE, some(trigger=DISTANCE, step=DISTANCE))
        ),
        "policy": some(
            opposite=st.sampled_from(["reverse", "close_only", "ignore", "reject"]),
            same=st.sampled_from(["ignore", "add", "replace", "reject"]),
            require_position=seldom(st.sampled_from(["flat", "long", "short", "any"])),
            max_position=SIZE,
            max_age_s=SIZE,
        ),
    },
)


@st.composite
def spoilt(draw: st.DrawFn) -> Any:
    """A message with something odd in one or two places."""
    body = draw(SANE)
    for _ in range(draw(st.integers(1, 2))):
        node: Any = body
        name: Any = draw(st.sampled_from(sorted(node)))
        while isinstance(node[name], dict | list) and node[name] and draw(st.booleans()):
            node = node[name]
            name = draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
        node[name] = draw(ODD)
    return body


BODY = SANE | spoilt()
HELD = st.integers(-5, 5)


def sane(value: Any) -> bool:
    return value is None or (value.is_finite() and value > 0 and value % MNQ.tick_size == 0)


def check_entry(made: Enter) -> None:
    assert 1 <= made.qty <= made.max_position <= BOT.max_position
    assert made.stages == () or sum(stage.qty for stage in made.stages) == made.qty
    assert all(stage.qty >= 1 for stage in made.stages)
    assert all((stage.target_ticks is None) or (stage.target_price is None) for stage in made.stages)
    assert (made.stop_ticks is None) is (made.care.stop_price is not None)
    prices = [made.limit_price, made.stop_price, made.touch_price, made.care.stop_price]
    assert all(map(sane, [*prices, *(stage.target_price for stage in made.stages)]))
    assert made.fresh_until is not None


def check(message: Alert, held: int, meaning: Meaning) -> None:
    if not isinstance(meaning, Wanted):
        assert meaning.text
        return
    match meaning.intent:
        case Enter() as made:
            assert may_open(message)
            assert held * made.side.sign >= 0, "an entry never works against what is held"
            check_entry(made)
        case Reverse(enter=made, replaces=replaces):
            assert may_open(message)
            assert held * made.side.sign < 0 or (replaces and message.policy.same == "replace")
            check_entry(made)
        case Reduce(qty=qty, side=side):
            assert 1 <= qty < abs(held), "a part, never more than is held"
            assert side is SIDE[1 if held > 0 else -1]
            assert not wants_exit(message)
        case Exit(everything=everything):
            assert held or everything
        case MoveStop(price=price) | MoveTarget(price=price):
            assert held
            assert sane(price)
        case _:
            assert held or isinstance(meaning.intent, Cancel)


@given(BODY, HELD, st.sampled_from([None, Decimal("21000.1")]))
def test_whatever_a_body_says_it_is_read_and_its_meaning_is_sound(body: Any, held: int, avg: Decimal | None) -> None:
    reading = read_body(json.dumps(body).encode())
    for message in reading.alerts:
        check(message, held, interpret(message, BOT, where(held, avg_price=avg), NOW))


@given(st.binary(max_size=200) | st.recursive(ODD, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_no_body_makes_the_reader_raise(body: Any) -> None:
    reading = read_body(body if isinstance(body, bytes) else json.dumps(body).encode())
    assert (reading.problem is None) is bool(reading.alerts)


ENTRY_PART = st.decimals("0.1", "200", places=1)


@given(
    st.integers(1, 5),
    st.lists(ENTRY_PART, min_size=1, max_size=8),
    st.sampled_from(["qty_pct", "qty_ratio"]),
    st.booleans(),
)
def test_stages_always_add_up_to_the_entry(qty: int, parts: list[Decimal], kind: str, is_open: bool) -> None:
    if kind == "qty_pct":
        parts = [part * 100 / max(sum(parts), Decimal(100)) for part in parts]
    targets = [target_at(10 + index, **{kind: part}) for index, part in enumerate(parts)]
    if is_open:
        targets = [*targets[:7], target_at(99)]
    message = alert(targets=tuple(targets), qty=AlertQty(mode="contracts", value=Decimal(qty)))
    meaning = interpret(message, BOT, where(), NOW)
    check(message, 0, meaning)
    if isinstance(meaning, Wanted) and kind == "qty_ratio":
        assert isinstance(meaning.intent, Enter)
        assert all(stage.target_ticks for stage in meaning.intent.stages), "ratios leave nothing without a target"


def after(held: int, meaning: Meaning) -> int:
    """The position once everything filled."""
    if not isinstance(meaning, Wanted):
        return held
    match meaning.intent:
        case Enter(side=side, qty=qty, max_position=most):
            return held + side.sign * qty if abs(held) + qty <= most else held  # as risk would
        case Reverse(enter=made):
            return made.side.sign * made.qty
        case Reduce(qty=qty):
            return held - qty if held > 0 else held + qty
        case Exit():
            return 0
    return held


def run(held: int, messages: list[Alert]) -> int:
    for message in messages:
        held = after(held, interpret(message, BOT, where(held), NOW))
        assert abs(held) <= BOT.max_position
    return held


@given(HELD, st.lists(HELD, max_size=6), st.randoms(use_true_random=False), HELD)
def test_the_last_position_target_decides_whatever_came_before_it(
    held: int, goals: list[int], order: Any, last: int
) -> None:
    earlier = [target(goal) for goal in goals]
    order.shuffle(earlier)
    lost = earlier[1:]
    assert run(held, [*earlier, target(last)]) == run(held, [*lost, target(last)]) == last
    assert run(held, [*earlier, target(last), target(last)]) == last, "twice is once"


@given(HELD, HELD, st.sampled_from([Action.BUY, Action.SELL]))
def test_a_strategy_message_ends_at_its_target_or_nearer_to_flat(held: int, goal: int, action: Action) -> None:
    got = run(held, [target(goal, action)])
    only_reduces = goal != 0 and (action is Action.BUY) is (goal < 0)
    if only_reduces and held * goal <= 0:
        assert got == 0
    elif only_reduces:
        assert abs(got) == min(abs(held), abs(goal))
    else:
        assert got == goal


@given(st.lists(BODY, max_size=5), HELD)
def test_no_sequence_opens_more_than_the_bot_may_hold(bodies: list[Any], held: int) -> None:
    messages = [message for body in bodies for message in read_body(json.dumps(body).encode()).alerts]
    run(held, messages)


@given(HELD, st.sampled_from([Action.EXIT, Action.EXIT_LONG, Action.EXIT_SHORT, Action.REDUCE, Action.FLATTEN]), HELD)
def test_getting_out_never_opens_and_never_turns(held: int, action: Action, goal: int) -> None:
    position = AlertPosition(now=SIDE[(goal > 0) - (goal < 0)], size=Decimal(abs(goal)))
    for message in (alert(action), alert(action, position=position), alert(action, qty=AlertQty(value=Decimal(2)))):
        policy = AlertPolicy(same="add", opposite="reverse")
        for given_message in (message, alert(action, position=message.position, qty=message.qty, policy=policy)):
            got = run(held, [given_message])
            assert abs(got) <= abs(held)
            assert got * held >= 0


def test_the_sides_of_a_reversal_are_never_held_together() -> None:
    meaning = interpret(target(-3), BOT, where(2), NOW)
    assert isinstance(meaning, Wanted)
    assert isinstance(meaning.intent, Reverse), "flat comes first; a sell of five would work as well, and overshoot"
    assert (meaning.intent.enter.side, meaning.intent.enter.qty) == (Side.SELL, 3)
