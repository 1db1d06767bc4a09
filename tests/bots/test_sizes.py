"""How many contracts: what the message says, what the bot's owner said, and what the ceilings leave."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.bots import BotConfig, Meaning, Nothing, Refusal, Wanted, interpret
from desk.bots.config import Sizing
from desk.core.alert import Action, Alert, AlertPolicy, AlertPosition, AlertQty, PositionSide, Unit
from desk.core.intents import Enter, Exit, Reduce, Reverse
from desk.risk import Reason
from tests.bots.build import BOT, NOW, alert, stop_at, where

BIG = replace(BOT, default_qty=2, max_position=10)


def sized(mode: Any, value: object = None, **more: Any) -> BotConfig:
    return replace(BIG, sizing=Sizing(mode, None if value is None else Decimal(str(value))), **more)


def qty(mode: str, value: object, most: object = None) -> AlertQty:
    return AlertQty(mode=mode, value=Decimal(str(value)), max=None if most is None else Decimal(str(most)))


def ask(message: Alert, bot: BotConfig = BIG, held: int = 0, balance: object = "50000") -> Meaning:
    return interpret(message, bot, where(held, balance=None if balance is None else Decimal(str(balance))), NOW)


def contracts(meaning: Meaning) -> int:
    assert isinstance(meaning, Wanted), meaning
    assert isinstance(meaning.intent, Enter), meaning
    return meaning.intent.qty


def entry(amount: AlertQty | None = None, **more: Any) -> Alert:
    return alert(qty=amount or AlertQty(), price=Decimal(20000), **more)


# 20 points of MNQ are 80 ticks, 40 USD a contract; at 20,000 one contract stands for 40,000 USD.
@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        (qty("contracts", 3), 3),
        (AlertQty(), 2),
        (qty("factor", "2.9"), 5),  # of POSITION_SIZE
        (qty("risk_usd", 199), 4),
        (qty("risk_usd", 200), 5),
        (qty("risk_pct", "0.4"), 5),  # of 50,000 USD: 200 USD
        (qty("equity_pct", 240), 3),  # 120,000 USD
        (qty("notional_usd", 119999), 2),
        (qty("notional_usd", 120000), 3),
    ],
)
def test_each_mode_of_the_message_gives_its_contracts_rounded_down(amount: AlertQty, expected: int) -> None:
    assert contracts(ask(entry(amount))) == expected


def test_a_share_of_the_position_is_added_to_it() -> None:
    message = alert(Action.ADD, qty=qty("position_pct", 70))
    assert contracts(ask(message, held=4)) == 2


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        (qty("risk_pct", "0.07"), "qty risk_pct 0.07 (35.00 USD) with a stop that risks 40.0 USD per contract is less"),
        (qty("equity_pct", 79), "equity_pct 79 (39500.00 USD), and one contract is worth 40000 USD is less than one"),
        (qty("notional_usd", 39999), "is less than one contract"),
        (qty("position_pct", 50), "nothing is held"),
        (qty("factor", "0.49"), "is less than one contract"),
        (qty("risk_usd", 0), "a number above 0"),
        (qty("risk_pct", "-1"), "a number above 0"),
        (qty("equity_pct", "NaN"), "a number above 0"),
        (qty("notional_usd", "1e400"), "a number above 0"),
        (AlertQty(mode="risk_pct"), "a number above 0"),
    ],
)
def test_less_than_one_contract_and_what_is_no_size_are_refused_with_the_numbers(amount: AlertQty, words: str) -> None:
    meaning = ask(entry(amount))
    assert isinstance(meaning, Refusal)
    assert meaning.reason is Reason.BAD_SIZE
    assert words in meaning.text


@pytest.mark.parametrize(
    ("amount", "changes", "balance", "words"),
    [
        (qty("risk_pct", 1), {}, None, "balance is not known"),
        (qty("equity_pct", 1), {}, "-5", "balance is not known, or there is none"),
        (qty("notional_usd", 50000), {"price": None}, 50000, "needs price"),
        (
            qty("risk_usd", 100),
            {"price": None, "stop": stop_at(19980, Unit.PRICE)},
            50000,
            "stop whose distance is known",
        ),
        (qty("risk_pct", 1), {"stop": None}, 50000, "needs a stop"),
    ],
)
def test_what_a_size_is_computed_from_must_be_there(
    amount: AlertQty, changes: dict[str, Any], balance: object, words: str
) -> None:
    meaning = ask(alert(**{"qty": amount, "price": Decimal(20000)} | changes), balance=balance)
    assert isinstance(meaning, Refusal)
    assert words in meaning.text


# --- the bot's own rule --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bot", "amount", "expected"),
    [
        (sized("fixed"), qty("contracts", 9), 2),
        (sized("fixed"), qty("risk_usd", 1), 2),
        (sized("fixed"), AlertQty(), 2),
        (sized("factor", "0.5"), qty("contracts", 5), 2),
        (sized("factor", "3"), qty("contracts", 1), 3),
        (sized("factor", "0.5"), qty("risk_usd", 200), 2),  # half of five
        (sized("factor", "0.5"), AlertQty(), 2),  # POSITION_SIZE is the bot's own already
        (sized("risk_usd", 130), qty("contracts", 1), 3),
        (sized("risk_usd", 130), AlertQty(), 3),
    ],
)
def test_the_owners_rule_gives_the_size(bot: BotConfig, amount: AlertQty, expected: int) -> None:
    assert contracts(ask(entry(amount), bot)) == expected


def test_a_size_of_the_message_that_is_not_used_is_said() -> None:
    meaning = ask(entry(qty("contracts", 9)), sized("fixed"))
    assert isinstance(meaning, Wanted)
    assert "qty contracts 9 is not used: the bot's sizing is fixed" in meaning.warnings


@pytest.mark.parametrize(
    ("bot", "message", "expected"),
    [
        (sized("fixed"), entry(qty("contracts", 9, most=1)), 1),
        (sized("fixed"), entry(policy=AlertPolicy(max_position=Decimal(1))), 1),
        (sized("risk_usd", 4000), entry(), 10),  # the bot's own ceiling
        (sized("factor", 5), entry(qty("contracts", 3)), 10),
        (sized("risk_usd", 4000), entry(qty("contracts", 1, most=4)), 4),
    ],
)
def test_what_the_owners_rule_gives_is_cut_to_every_ceiling_and_that_is_said(
    bot: BotConfig, message: Alert, expected: int
) -> None:
    meaning = ask(message, bot)
    assert contracts(meaning) == expected
    assert isinstance(meaning, Wanted)
    assert any(f"cut to the maximum {expected}" in warning for warning in meaning.warnings)


@pytest.mark.parametrize(
    ("bot", "amount"),
    [
        (sized("factor", "0.5"), qty("contracts", 1)),
        (sized("factor", 2), qty("contracts", "1.5")),
        (sized("risk_usd", 39), AlertQty()),
    ],
)
def test_a_rule_that_leaves_less_than_one_contract_is_refused(bot: BotConfig, amount: AlertQty) -> None:
    meaning = ask(entry(amount), bot)
    assert isinstance(meaning, Refusal)
    assert meaning.reason is Reason.BAD_SIZE


def test_a_risk_rule_needs_a_stop_whose_distance_is_known() -> None:
    meaning = ask(alert(stop=stop_at(19980, Unit.PRICE)), sized("risk_usd", 100))
    assert isinstance(meaning, Refusal)
    assert "sizing risk_usd needs a stop whose distance is known" in meaning.text


# --- a strategy's position as the goal -----------------------------------------------------------------------------


def goal(now: int, prev: int | None = None, action: Action = Action.SET_POSITION, **more: Any) -> Alert:
    def side(size: int) -> PositionSide:
        return PositionSide.LONG if size > 0 else PositionSide.SHORT if size else PositionSide.FLAT

    before = {} if prev is None else {"prev": side(prev), "prev_size": Decimal(abs(prev))}
    return alert(action, position=AlertPosition(now=side(now), size=Decimal(abs(now)), **before), **more)


@pytest.mark.parametrize(
    ("bot", "message", "held", "intent", "number"),
    [
        (sized("factor", "0.5"), goal(4, 0), 0, Enter, 2),
        (sized("factor", "0.5"), goal(8, 4), 2, Enter, 2),  # adds the difference
        (sized("factor", "0.5"), goal(2, 4), 2, Reduce, 1),
        (sized("factor", "0.5"), goal(1, 4), 2, Exit, None),  # half a contract is none
        (sized("factor", "0.5"), goal(-4, 4), 2, Reverse, 2),
        (sized("fixed"), goal(7, 0), 0, Enter, 2),
        (sized("fixed"), goal(-7, 3), 2, Reverse, 2),
        (sized("fixed"), goal(1, 2), 2, Reduce, 1),  # its share
        (sized("fixed", default_qty=1), goal(2, 3, Action.SELL), 1, Exit, None),
        (sized("risk_usd", 120), goal(1, 0), 0, Enter, 3),
        (sized("risk_usd", 120), goal(2, 3), 3, Reduce, 1),
    ],
)
def test_a_goal_is_counted_as_the_bot_counts(
    bot: BotConfig, message: Alert, held: int, intent: type, number: int | None
) -> None:
    meaning = ask(message, bot, held)
    assert isinstance(meaning, Wanted), meaning
    assert isinstance(meaning.intent, intent), meaning
    found = meaning.intent.enter if isinstance(meaning.intent, Reverse) else meaning.intent
    assert getattr(found, "qty", None) == number


def test_a_bigger_goal_of_the_sender_adds_nothing_where_the_size_is_the_bots_own() -> None:
    assert isinstance(ask(goal(4, 2), sized("fixed"), 2), Nothing)


@pytest.mark.parametrize("mode", ["factor", "risk_usd", "risk_pct", "equity_pct", "position_pct", "notional_usd"])
def test_a_computed_size_beside_a_goal_is_two_sizes(mode: str) -> None:
    message = goal(2, qty=qty(mode, 1))
    meaning = ask(message)
    assert isinstance(meaning, Refusal)
    assert f"qty mode {mode} beside position.size" in meaning.text
    assert isinstance(ask(message, sized("fixed")), Wanted)


@given(
    mode=st.sampled_from(["as_sent", "fixed", "factor", "risk_usd"]),
    value=st.decimals("0.01", "1000", places=2),
    amount=st.one_of(
        st.just(AlertQty()),
        st.builds(
            qty,
            st.sampled_from(
                ["contracts", "factor", "risk_usd", "risk_pct", "equity_pct", "position_pct", "notional_usd"]
            ),
            st.decimals("-10", "100000", places=3),
            st.none() | st.integers(0, 5),
        ),
    ),
    held=st.integers(-4, 4),
    ceiling=st.none() | st.integers(0, 12),
)
def test_no_rule_and_no_message_leads_beyond_a_ceiling(
    mode: Any, value: Decimal, amount: AlertQty, held: int, ceiling: int | None
) -> None:
    policy = AlertPolicy(same="add", max_position=None if ceiling is None else Decimal(ceiling))
    meaning = ask(entry(amount, policy=policy), sized(mode, value), held)
    if isinstance(meaning, Wanted) and isinstance(meaning.intent, Enter):
        limits = [10, *([] if ceiling is None else [ceiling]), *([] if amount.max is None else [int(amount.max)])]
        assert 1 <= meaning.intent.qty <= min(limits)
