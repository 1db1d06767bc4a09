"""What a strategy really sends: every row of TradingView reference 8, in both modes; bare sides; what a bot may open."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from desk.bots import BotConfig, Meaning, Nothing, Refusal, Wanted, interpret
from desk.bots.steps import tighter_gap, tighter_opposite, tighter_same
from desk.core.alert import Action, Alert, AlertPolicy, AlertPosition, AlertQty, PositionSide
from desk.core.intents import Enter, Exit, Reduce, Reverse
from desk.core.words import Side
from desk.risk import Reason
from tests.bots.build import BOT, NOW, SIDE, alert, target, where

LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
TARGET, DIFFERENCE = BOT, replace(BOT, mode="difference")
BUY, SELL = Action.BUY, Action.SELL


def sent(prev: int, now: int, action: Action, qty: int | None = None, **more: Any) -> Alert:
    """A message of the strategy template: both pairs, the order's side and its contracts."""
    position = AlertPosition(now=sign(now), size=Decimal(abs(now)), prev=sign(prev), prev_size=Decimal(abs(prev)))
    size = AlertQty(mode="contracts", value=Decimal(abs(now - prev) or 1 if qty is None else qty))
    return alert(action, position=position, qty=size, **more)


def sign(size: int) -> PositionSide:
    return SIDE[(size > 0) - (size < 0)]


def told(message: Alert, held: int, bot: BotConfig) -> object:
    """What is to be done, in one comparable value."""
    meaning: Meaning = interpret(message, bot, where(held), NOW)
    match meaning:
        case Nothing(reason=reason, text=text) | Refusal(reason=reason, text=text):
            assert text
            return reason
        case Wanted(Enter(side=side, qty=qty)):
            return ("enter", side, qty)
        case Wanted(Reverse(enter=enter)):
            return ("reverse", enter.side, enter.qty)
        case Wanted(Reduce(qty=qty, side=held_side)):
            return ("reduce", held_side, qty)
        case Wanted(intent):
            return intent


ROWS = [  # row of the reference, P, N, A, what the bot holds, difference mode, target mode
    ("entry long", 0, 2, BUY, 0, ("enter", Side.BUY, 2), ("enter", Side.BUY, 2)),
    ("entry short", 0, -2, SELL, 0, ("enter", Side.SELL, 2), ("enter", Side.SELL, 2)),
    ("add long", 1, 3, BUY, 1, ("enter", Side.BUY, 2), ("enter", Side.BUY, 2)),
    ("add short", -1, -3, SELL, -1, ("enter", Side.SELL, 2), ("enter", Side.SELL, 2)),
    ("add long, its first entry was refused", 1, 3, BUY, 0, ("enter", Side.BUY, 2), ("enter", Side.BUY, 3)),
    ("partial exit of a long", 3, 1, SELL, 3, ("reduce", LONG, 2), ("reduce", LONG, 2)),
    ("partial exit of a short", -3, -1, BUY, -3, ("reduce", SHORT, 2), ("reduce", SHORT, 2)),
    ("partial exit, more is held", 3, 2, SELL, 5, ("reduce", LONG, 1), ("reduce", LONG, 3)),
    ("partial exit, never more than held", 5, 2, SELL, 2, Exit(), Reason.ALREADY_THERE),
    ("partial exit after the live stop", 3, 1, SELL, 0, Reason.NOTHING_TO_EXIT, Reason.NOTHING_TO_EXIT),
    ("partial exit of what is not there", 3, 1, SELL, -2, Reason.NOTHING_TO_EXIT, Exit()),
    ("exit of a long", 2, 0, SELL, 2, Exit(), Exit()),
    ("exit of a short", -2, 0, BUY, -2, Exit(), Exit()),
    ("exit closes all of the bot's share", 2, 0, SELL, 3, Exit(), Exit()),
    ("exit after the live stop", 2, 0, SELL, 0, Reason.NOTHING_TO_EXIT, Reason.NOTHING_TO_EXIT),
    ("reversal in one order", 2, -2, SELL, 2, ("reverse", Side.SELL, 2), ("reverse", Side.SELL, 2)),
    ("reversal to long", -1, 3, BUY, -1, ("reverse", Side.BUY, 3), ("reverse", Side.BUY, 3)),
    ("reversal after the live stop", 2, -2, SELL, 0, ("enter", Side.SELL, 2), ("enter", Side.SELL, 2)),
    ("entry and exit inside one bar", 0, 0, BUY, 0, Reason.NOTHING_TO_EXIT, Reason.NOTHING_TO_EXIT),
    ("flat twice with something held", 0, 0, SELL, 2, Reason.NOTHING_TO_EXIT, Exit()),
    ("nothing changes", 2, 2, BUY, 2, Reason.ALREADY_THERE, Reason.ALREADY_THERE),
    ("nothing changes, nothing held", 2, 2, BUY, 0, Reason.ALREADY_THERE, ("enter", Side.BUY, 2)),
    ("entry while that side is held", 0, 2, BUY, 2, Reason.ALREADY_THERE, Reason.ALREADY_THERE),
    ("entry while the other side is held", 0, 2, BUY, -1, ("reverse", Side.BUY, 2), ("reverse", Side.BUY, 2)),
    ("its action contradicts its step", 1, 3, SELL, 0, Reason.NOTHING_TO_EXIT, Reason.NOTHING_TO_EXIT),
]  # fmt: skip


@pytest.mark.parametrize(("row", "prev", "now", "action", "held", "difference", "goal"), ROWS, ids=[r[0] for r in ROWS])
def test_each_row_of_the_table(
    row: str, prev: int, now: int, action: Action, held: int, difference: object, goal: object
) -> None:
    message = sent(prev, now, action)
    assert told(message, held, DIFFERENCE) == difference, row
    assert told(message, held, TARGET) == goal, row


@pytest.mark.parametrize("bot", [TARGET, DIFFERENCE])
@pytest.mark.parametrize(
    ("held", "goal", "action", "meaning"),
    [(0, 2, BUY, ("enter", Side.BUY, 2)), (3, 1, SELL, ("reduce", LONG, 2)), (2, 0, SELL, Exit()),
     (2, -1, SELL, ("reverse", Side.SELL, 1)), (1, 3, BUY, ("enter", Side.BUY, 2))],
)  # fmt: skip
def test_without_the_pair_before_the_target_still_works(
    bot: BotConfig, held: int, goal: int, action: Action, meaning: object
) -> None:
    assert told(target(goal, action), held, bot) == meaning


def test_flat_twice_says_what_may_be_wrong() -> None:
    meaning = interpret(sent(0, 0, BUY), TARGET, where(0), NOW)
    assert isinstance(meaning, Nothing)
    assert "wrong template" in meaning.text


@pytest.mark.parametrize(
    ("bare_side", "opposite", "held", "meaning"),
    [
        ("refuse", None, 0, Reason.AMBIGUOUS_SIDE),
        ("refuse", None, 2, Reason.AMBIGUOUS_SIDE),
        ("entry", None, 0, ("enter", Side.SELL, 1)),
        ("entry", None, -2, Reason.ALREADY_THERE),
        ("entry", None, 2, Reason.OPPOSITE_POSITION),
        ("entry", "reverse", 2, ("reverse", Side.SELL, 1)),
        ("entry", "close_only", 2, Exit()),
        ("entry", "ignore", 2, Reason.OPPOSITE_POSITION),
        ("exit_opposite", None, 2, Exit()),
        ("exit_opposite", "reverse", 2, Exit()),
        ("exit_opposite", None, 0, Reason.NOTHING_TO_EXIT),
        ("exit_opposite", None, -2, Reason.NOTHING_TO_EXIT),
    ],
)
def test_a_bare_sell_is_what_the_bot_was_told(bare_side: Any, opposite: Any, held: int, meaning: object) -> None:
    assert told(alert(SELL), held, replace(BOT, bare_side=bare_side, opposite=opposite)) == meaning


@pytest.mark.parametrize("message", ["reverse", "close_only", "ignore", "reject", None])
@pytest.mark.parametrize("bare_side", ["refuse", "entry", "exit_opposite"])
@pytest.mark.parametrize("held", [0, 2])
def test_a_bare_sell_on_a_long_only_bot_is_never_a_short(message: Any, bare_side: Any, held: int) -> None:
    bot = replace(BOT, bare_side=bare_side, sides=frozenset({LONG}), opposite="reverse")
    answer = told(alert(SELL, policy=AlertPolicy(opposite=message)), held, bot)
    assert answer == Exit() or isinstance(answer, Reason)
    assert (answer == Exit()) <= (held > 0)


@pytest.mark.parametrize("message", [alert(Action.ENTER_SHORT), target(-2), target(-2, SELL), sent(0, -2, SELL)])
def test_an_entry_on_a_side_that_the_bot_may_not_open_is_refused(message: Alert) -> None:
    bot = replace(BOT, sides=frozenset({LONG}))
    assert told(message, 0, bot) is Reason.SIDE_NOT_ALLOWED
    assert told(message, 0, replace(bot, mode="difference")) is Reason.SIDE_NOT_ALLOWED


def test_a_reversal_to_a_side_that_the_bot_may_not_open_is_an_exit() -> None:
    bot = replace(BOT, sides=frozenset({LONG}))
    meaning = interpret(target(-2, SELL), bot, where(2), NOW)
    assert isinstance(meaning, Wanted)
    assert meaning.intent == Exit()
    assert "may not open short" in meaning.warnings[0]


@pytest.mark.parametrize("message", [target(0, SELL), alert(Action.EXIT), alert(Action.FLATTEN), alert(Action.REDUCE)])
@pytest.mark.parametrize("sides", [{LONG}, {SHORT}])
def test_exits_know_no_side(message: Alert, sides: set[PositionSide]) -> None:
    part = replace(BOT, sides=frozenset(sides))
    assert told(message, 1, part) == told(message, 1, BOT)


def test_the_bot_says_what_the_message_leaves_open() -> None:
    long_alert = alert(Action.ENTER_LONG)
    assert told(long_alert, -2, replace(BOT, opposite="reverse")) == ("reverse", Side.BUY, 1)
    assert told(long_alert, -2, replace(BOT, opposite="close_only")) == Exit()
    assert told(long_alert, 2, replace(BOT, same="add")) == ("enter", Side.BUY, 1)
    assert told(target(3), 1, replace(BOT, same="ignore")) is Reason.ALREADY_THERE
    assert told(target(-1), 1, replace(BOT, opposite="close_only")) == Exit()


def test_a_message_only_tightens() -> None:
    assert tighter_opposite("reverse", "close_only") == "close_only"
    assert tighter_opposite("reject", "reverse") == "reject"
    assert tighter_opposite(None, "ignore") == "ignore"
    assert tighter_opposite("close_only", None) == "close_only"
    assert tighter_same("add", "reject") == "reject"
    assert tighter_same("replace", "add") == "replace"  # refused by name
    assert tighter_gap("follow_target", "halt_bot") == "halt_bot"
    assert tighter_gap("reduce_only", "follow_target") == "reduce_only"
    assert tighter_gap(None, "follow_target") == "follow_target"
