"""What an alert means, given what is held: the table of the TradingView reference 8, and every field that asks for more."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from desk.alerts import read_body
from desk.bots import Nothing, Refusal, Situation, Wanted, interpret, may_open, wants_exit
from desk.core.alert import (
    Action,
    Alert,
    AlertAccount,
    AlertOrder,
    AlertPolicy,
    AlertPosition,
    AlertQty,
    PositionSide,
)
from desk.core.intents import Cancel, Enter, Exit, Reduce, Reverse
from desk.core.words import Side
from desk.risk import Reason
from tests.bots.build import BOT, NOW, alert, ask, entry, reason, target, wanted, where

LONG, SHORT = PositionSide.LONG, PositionSide.SHORT


def short_of(meaning: Wanted | Nothing | Refusal) -> object:
    """What is to be done, in one comparable value."""
    match meaning:
        case Nothing() | Refusal():
            return reason(meaning)
        case Wanted(Enter(side=side, qty=qty)):
            return ("enter", side, qty)
        case Wanted(Reverse(enter=enter)):
            return ("reverse", enter.side, enter.qty)
        case Wanted(Reduce(qty=qty, side=side)):
            return ("reduce", side, qty)
        case Wanted(intent):
            return intent


@pytest.mark.parametrize(
    ("held", "goal", "action", "meaning"),
    [
        (0, 2, Action.BUY, ("enter", Side.BUY, 2)),
        (0, -2, Action.SELL, ("enter", Side.SELL, 2)),
        (0, 2, Action.SET_POSITION, ("enter", Side.BUY, 2)),
        (0, 2, Action.REVERSE, ("enter", Side.BUY, 2)),
        (1, 3, Action.BUY, ("enter", Side.BUY, 2)),  # add
        (-1, -3, Action.SELL, ("enter", Side.SELL, 2)),
        (1, 3, Action.ADD, ("enter", Side.BUY, 2)),
        (1, 3, Action.SET_POSITION, ("enter", Side.BUY, 2)),
        (3, 1, Action.SELL, ("reduce", LONG, 2)),  # partial exit
        (-3, -1, Action.BUY, ("reduce", SHORT, 2)),
        (3, 1, Action.EXIT, ("reduce", LONG, 2)),
        (3, 1, Action.EXIT_LONG, ("reduce", LONG, 2)),
        (3, 1, Action.REDUCE, ("reduce", LONG, 2)),
        (3, 1, Action.SET_POSITION, ("reduce", LONG, 2)),
        (3, 1, Action.BUY, ("reduce", LONG, 2)),  # a lost partial exit before it: the target wins
        (2, 0, Action.SELL, Exit()),
        (-2, 0, Action.BUY, Exit()),
        (2, 0, Action.SET_POSITION, Exit()),
        (-2, 0, Action.SELL, Exit()),
        (2, -2, Action.SELL, ("reverse", Side.SELL, 2)),  # reversal in one order
        (-2, 3, Action.BUY, ("reverse", Side.BUY, 3)),
        (2, -2, Action.ENTER_SHORT, ("reverse", Side.SELL, 2)),
        (2, -2, Action.SET_POSITION, ("reverse", Side.SELL, 2)),
        (2, -2, Action.REVERSE, ("reverse", Side.SELL, 2)),
        (0, 0, Action.BUY, Reason.NOTHING_TO_EXIT),  # entry and exit inside one bar
        (2, 2, Action.BUY, Reason.ALREADY_THERE),
        (-3, -3, Action.SELL, Reason.ALREADY_THERE),
        (1, 2, Action.SELL, Reason.ALREADY_THERE),  # leaves 2, and there is less already
        (1, 2, Action.EXIT, Reason.ALREADY_THERE),
        (0, 1, Action.SELL, Reason.NOTHING_TO_EXIT),  # a partial exit after the live stop: never an opening buy
        (0, -1, Action.BUY, Reason.NOTHING_TO_EXIT),
        (0, 1, Action.EXIT, Reason.NOTHING_TO_EXIT),
        (0, 1, Action.REDUCE, Reason.NOTHING_TO_EXIT),
        (-2, 1, Action.SELL, Exit()),  # the wrong side goes, and what only reduces opens nothing
        (-2, 1, Action.REDUCE, Exit()),
        (0, 2, Action.ADD, Reason.REQUIRED_POSITION),
        (-1, 2, Action.ADD, Reason.REQUIRED_POSITION),
        (0, -1, Action.ENTER_LONG, Reason.AMBIGUOUS_SIDE),
    ],
)
def test_what_a_strategy_sends_becomes_what_it_means(held: int, goal: int, action: Action, meaning: object) -> None:
    assert short_of(ask(target(goal, action), held)) == meaning


@pytest.mark.parametrize(
    ("held", "now", "action", "qty", "meaning"),
    [  # the same table without sizes of the position: the message carries the difference
        (0, LONG, Action.BUY, 2, ("enter", Side.BUY, 2)),
        (0, SHORT, Action.SELL, 2, ("enter", Side.SELL, 2)),
        (1, LONG, Action.ADD, 2, ("enter", Side.BUY, 2)),
        (1, None, Action.ADD, 2, ("enter", Side.BUY, 2)),
        (-1, None, Action.ADD, 2, ("enter", Side.SELL, 2)),
        (0, None, Action.ADD, 2, Reason.REQUIRED_POSITION),
        (1, LONG, Action.BUY, 2, Reason.ALREADY_THERE),  # an entry again, or an add? policy.same says it
        (3, LONG, Action.SELL, 2, ("reduce", LONG, 2)),
        (-3, SHORT, Action.BUY, 2, ("reduce", SHORT, 2)),
        (3, LONG, Action.EXIT, 2, ("reduce", LONG, 2)),
        (3, None, Action.EXIT, 2, ("reduce", LONG, 2)),
        (3, None, Action.EXIT_LONG, 2, ("reduce", LONG, 2)),
        (3, None, Action.EXIT_SHORT, 2, Reason.NOTHING_TO_EXIT),
        (-3, None, Action.REDUCE, 2, ("reduce", SHORT, 2)),
        (3, LONG, Action.SELL, None, Reason.BAD_SIZE),
        (3, LONG, Action.EXIT, None, Reason.BAD_SIZE),
        (3, None, Action.REDUCE, None, Reason.BAD_SIZE),
        (2, None, Action.EXIT, 2, Exit()),
        (2, None, Action.REDUCE, 5, Exit()),  # never more than is held
        (0, None, Action.REDUCE, 1, Reason.NOTHING_TO_EXIT),
        (2, PositionSide.FLAT, Action.SELL, 1, Exit()),
        (2, SHORT, Action.SELL, 4, ("reverse", Side.SELL, 4)),
        (2, None, Action.REVERSE, 3, ("reverse", Side.SELL, 3)),
        (-2, None, Action.REVERSE, None, ("reverse", Side.BUY, 1)),
        (0, None, Action.REVERSE, 2, Reason.NOTHING_TO_EXIT),
        (0, None, Action.BUY, 2, Reason.AMBIGUOUS_SIDE),
        (2, None, Action.SELL, 2, Reason.AMBIGUOUS_SIDE),
    ],
)
def test_a_message_with_the_difference_means_the_difference(
    held: int, now: PositionSide | None, action: Action, qty: int | None, meaning: object
) -> None:
    size = AlertQty() if qty is None else AlertQty(mode="contracts", value=Decimal(qty))
    position = None if now is None else AlertPosition(now=now)
    assert short_of(ask(alert(action, position=position, qty=size), held)) == meaning


@pytest.mark.parametrize(
    ("pct", "held", "meaning"),
    [
        (50, 3, ("reduce", LONG, 1)),
        (50, -4, ("reduce", SHORT, 2)),
        (99, 2, ("reduce", LONG, 1)),
        (100, 3, Exit()),
        (250, 3, Exit()),
        (75, 3, ("reduce", LONG, 2)),
        (50, 1, Exit()),
        (10, 3, ("reduce", LONG, 1)),
        (1, -1, Exit()),
        (50, 0, Reason.NOTHING_TO_EXIT),
    ],
)
@pytest.mark.parametrize("action", [Action.REDUCE, Action.EXIT])
def test_a_share_of_the_position_is_rounded_down_to_at_least_one_contract(
    action: Action, pct: int, held: int, meaning: object
) -> None:
    size = AlertQty(mode="position_pct", value=Decimal(pct))
    assert short_of(ask(alert(action, qty=size), held)) == meaning


def test_a_part_of_a_position_leaves_an_entry_that_still_rests() -> None:
    size = AlertQty(mode="contracts", value=Decimal(2))
    assert short_of(ask(alert(Action.REDUCE, qty=size), 2, entering=3)) == ("reduce", LONG, 2)


@pytest.mark.parametrize(
    ("opposite", "held", "meaning"),
    [
        ("reverse", 0, ("enter", Side.SELL, 1)),
        ("reverse", 2, ("reverse", Side.SELL, 1)),
        ("reverse", -2, Reason.ALREADY_THERE),
        ("close_only", 2, Exit()),
        ("close_only", 0, Reason.AMBIGUOUS_SIDE),  # the live stop may have closed it: never an opening sell
        ("ignore", 2, Reason.AMBIGUOUS_SIDE),
        (None, 0, Reason.AMBIGUOUS_SIDE),
    ],
)
def test_a_bare_side_means_what_its_policy_says(opposite: str | None, held: int, meaning: object) -> None:
    assert short_of(ask(alert(Action.SELL, policy=AlertPolicy(opposite=opposite)), held)) == meaning


@pytest.mark.parametrize("action", [Action.BUY, Action.SELL])
def test_a_bare_side_is_refused(action: Action) -> None:
    assert reason(ask(alert(action))) is Reason.AMBIGUOUS_SIDE


def test_a_bare_side_whose_position_nobody_filled_in_enters_nothing() -> None:
    """Whatever the bot was told of bare sides: this one was meant to say whether it is an exit."""
    body = {"v": 1, "symbol": "MNQ1!", "action": "sell", "stop": {"unit": "points", "value": 20}}
    (alert_,) = read_body(json.dumps(body | {"position": {"now": "{{strategy.market_positon}}"}}).encode()).alerts
    told = replace(BOT, bare_side="entry")
    assert reason(interpret(alert_, told, where(), NOW)) is Reason.AMBIGUOUS_SIDE
    closes = interpret(alert_, replace(BOT, bare_side="exit_opposite"), where(2), NOW)
    assert wanted(closes) == Exit()


@pytest.mark.parametrize(
    "action",
    [Action.MOVE_STOP, Action.MOVE_TARGET, Action.BREAKEVEN, Action.TRAIL_ON, Action.TRAIL_OFF, Action.CANCEL,
     Action.PAUSE, Action.RESUME],
)  # fmt: skip
def test_an_action_that_trades_nothing_never_becomes_an_entry_through_its_position(action: Action) -> None:
    message = target(2, action)
    meaning = ask(message)
    assert meaning == Wanted(Cancel()) if action is Action.CANCEL else reason(meaning)
    assert not may_open(message)
    assert not wants_exit(message)


@pytest.mark.parametrize("action", [Action.NOTE, Action.HEARTBEAT])
@pytest.mark.parametrize("situation", [None, where(2)])
def test_a_note_is_noted_wherever_it_comes_from(action: Action, situation: Situation | None) -> None:
    assert reason(interpret(target(2, action), BOT, situation, NOW)) is Reason.NOTED


@pytest.mark.parametrize(
    ("action", "held", "is_exit"),
    [
        (Action.EXIT, 2, True),
        (Action.EXIT, -2, True),
        (Action.EXIT, 0, False),
        (Action.EXIT_LONG, 2, True),
        (Action.EXIT_LONG, -2, False),
        (Action.EXIT_SHORT, -2, True),
        (Action.EXIT_SHORT, 2, False),
        (Action.FLATTEN, 2, True),
        (Action.FLATTEN, 0, False),
    ],
)
def test_an_exit_acts_on_its_side_only(action: Action, held: int, is_exit: bool) -> None:
    meaning = ask(alert(action), held)
    if is_exit:
        side = {Action.EXIT_LONG: LONG, Action.EXIT_SHORT: SHORT}.get(action)
        assert wanted(meaning) == Exit(side=side)
    else:
        assert reason(meaning) is Reason.NOTHING_TO_EXIT


def test_an_exit_counts_an_entry_that_is_under_way() -> None:
    assert wanted(ask(alert(Action.EXIT), 0, entering=2)) == Exit()


def test_flatten_all_needs_no_symbol() -> None:
    assert wanted(interpret(Alert(action=Action.FLATTEN_ALL), BOT, None, NOW)) == Exit(everything=True)


@pytest.mark.parametrize("action", [Action.PAUSE, Action.RESUME])
@pytest.mark.parametrize("situation", [None, where(2)])
def test_pausing_trades_nothing_whatever_is_held(action: Action, situation: Situation | None) -> None:
    meaning = interpret(Alert(action=action), BOT, situation, NOW)
    assert reason(meaning) is Reason.NOTED
    assert f"bot default {action.value}" in meaning.text  # type: ignore[union-attr]


@pytest.mark.parametrize("situation", [None, where(), where(2)])
def test_cancel_is_for_the_symbol_or_for_the_account(situation: Situation | None) -> None:
    assert wanted(interpret(Alert(action=Action.CANCEL), BOT, situation, NOW)) == Cancel()


@pytest.mark.parametrize("situation", [None, where(2)])
def test_a_plain_text_is_no_order_and_says_so(situation: Situation | None) -> None:
    meaning = interpret(Alert(action=Action.NOTE, is_text=True), BOT, situation, NOW)
    assert isinstance(meaning, Nothing)
    assert meaning.reason is Reason.NO_ORDER
    assert "nothing was done" in meaning.text


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"has_breakeven": True}, "breakeven"),  # kept by a version that could not read it
        ({"has_trail": True}, "trail"),
        ({"qty": AlertQty(mode="lots", value=Decimal(1))}, "qty mode lots"),
        ({"qty": AlertQty(mode="default", value=Decimal(3))}, "qty value"),
        ({"position": AlertPosition(size=Decimal(3))}, "position size"),
        ({"policy": AlertPolicy(contract="require_match")}, "require_match"),
        ({"policy": AlertPolicy(window="{}")}, "policy window"),
        ({"account_terms": (AlertAccount(ref="main", factor=Decimal(2)),)}, "per account"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(changes: dict[str, Any], name: str) -> None:
    meaning = ask(alert(**changes))
    assert isinstance(meaning, Refusal)
    assert meaning.reason is Reason.NOT_SUPPORTED
    assert name in meaning.text


@pytest.mark.parametrize("mode", ["factor", "risk_usd"])
def test_a_computed_size_beside_a_position_size_is_refused(mode: str) -> None:
    meaning = ask(target(2, qty=AlertQty(mode=mode, value=Decimal(100))))
    assert reason(meaning) is Reason.NOT_SUPPORTED


@pytest.mark.parametrize(
    "message", [alert(), alert(position=AlertPosition(now=PositionSide.LONG)), target(2), target(2, Action.BUY)]
)
@pytest.mark.parametrize("busy", [{"has_working": True}, {"has_entries": True}, {"entering": -2}, {"entering": 1}])
def test_cancel_working_lets_what_rests_go_first(message: Alert, busy: dict[str, Any]) -> None:
    policy = AlertPolicy(cancel_working=True, opposite="reject", same="reject")
    message = msgspec.structs.replace(message, policy=policy)
    assert entry(ask(message))
    meaning = ask(message, **busy)
    assert isinstance(meaning, Wanted)
    assert isinstance(meaning.intent, Reverse)
    assert meaning.intent.replaces
    assert meaning.intent.enter == entry(ask(message))


def test_cancel_working_leaves_alone_what_protects_a_position() -> None:
    policy = AlertPolicy(cancel_working=True, same="add")
    assert entry(ask(alert(policy=policy), 2, has_working=True)) == entry(ask(alert())), "its bracket stays"
    meaning = ask(alert(policy=policy), 2, has_working=True, has_entries=True)
    assert "cancel_working" in meaning.text  # type: ignore[union-attr]
    assert reason(ask(target(2, policy=policy), has_working=True, entering=2)) is Reason.ALREADY_THERE


def test_replace_closes_the_same_side_and_enters_anew() -> None:
    message = alert(policy=AlertPolicy(same="replace"))
    assert entry(ask(message))
    assert wanted(ask(message, 2, has_working=True)) == Reverse(enter=entry(ask(message)), replaces=True)
    assert wanted(ask(target(3, policy=AlertPolicy(same="replace")), 2)) == Reverse(
        enter=entry(ask(target(3))), replaces=True
    )
    assert reason(ask(alert(Action.ADD, policy=AlertPolicy(same="replace")), 2)) is Reason.NOT_SUPPORTED


def test_a_replacement_that_cannot_be_had_closes_nothing() -> None:
    meaning = ask(alert(policy=AlertPolicy(same="replace"), stop=None), 2)
    assert reason(meaning) is Reason.NO_STOP
    assert isinstance(meaning, Refusal)
    assert meaning.by_position


def test_a_reversal_cancels_whatever_works_there() -> None:
    message = alert(policy=AlertPolicy(cancel_working=True, opposite="reverse"))
    assert isinstance(wanted(ask(message, -2, has_working=True)), Reverse)


@pytest.mark.parametrize("action", [Action.EXIT, Action.FLATTEN])
def test_an_exit_says_that_it_cancels_although_the_message_did_not_want_it(action: Action) -> None:
    meaning = ask(alert(action, policy=AlertPolicy(cancel_working=False)), 2)
    assert isinstance(meaning, Wanted)
    assert "cancel_working" in meaning.warnings[0]


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"qty": AlertQty(mode="factor", value=Decimal(1))}, "qty mode factor"),
        ({"qty": AlertQty(mode="risk_usd", value=Decimal(1))}, "qty mode risk_usd"),
        ({"order": AlertOrder(type="limit", price=Decimal(1))}, "order type limit"),
        (
            {
                "qty": AlertQty(mode="contracts", value=Decimal(1)),
                "account_terms": (AlertAccount(ref="main", factor=Decimal(2)),),
            },
            "per account",
        ),
    ],
)
@pytest.mark.parametrize("action", [Action.EXIT, Action.REDUCE])
def test_an_exit_in_other_words_is_refused_by_name(action: Action, changes: dict[str, Any], name: str) -> None:
    meaning = ask(alert(action, **changes), 2)
    assert isinstance(meaning, Refusal)
    assert meaning.reason is Reason.NOT_SUPPORTED
    assert meaning.by_position
    assert name in meaning.text


@pytest.mark.parametrize(
    "part", [AlertQty(mode="contracts", value=Decimal(1)), AlertQty(mode="factor", value=Decimal(1))]
)
def test_flatten_and_a_flat_target_look_at_no_size(part: AlertQty) -> None:
    limit = AlertOrder(type="limit")
    assert wanted(ask(alert(Action.FLATTEN, qty=part, order=limit), 2)) == Exit()
    assert wanted(ask(target(0, Action.SELL, qty=part, order=limit), 2)) == Exit()


@pytest.mark.parametrize("action", [Action.ENTER_LONG, Action.EXIT, Action.FLATTEN_ALL])
def test_a_message_for_another_account_does_nothing_here(action: Action) -> None:
    assert reason(ask(alert(action, accounts=("other",)), 2)) is Reason.ACCOUNT_NOT_ALLOWED


@pytest.mark.parametrize(
    ("required", "held", "is_met"),
    [("flat", 0, True), ("flat", 2, False), ("long", 0, False), ("any", 0, True), ("short", 2, False)],
)
def test_a_required_position_binds_entries(required: str, held: int, is_met: bool) -> None:
    intent = ask(alert(policy=AlertPolicy(require_position=required)), held)
    is_refused = isinstance(intent, Refusal) and intent.reason is Reason.REQUIRED_POSITION
    assert is_refused is not is_met


def test_a_required_position_binds_exits_too() -> None:
    message = alert(Action.EXIT, policy=AlertPolicy(require_position="long"))
    assert wanted(ask(message, 2)) == Exit()
    assert reason(ask(message, -2)) is Reason.REQUIRED_POSITION


@pytest.mark.parametrize(
    "action", [Action.MOVE_STOP, Action.BREAKEVEN, Action.TRAIL_OFF, Action.CANCEL, Action.REVERSE, Action.ADD]
)
def test_a_required_position_binds_everything_else_too(action: Action) -> None:
    assert reason(ask(alert(action, policy=AlertPolicy(require_position="long")), -2)) is Reason.REQUIRED_POSITION


@pytest.mark.parametrize(
    ("opposite", "meaning"),
    [(None, Reason.OPPOSITE_POSITION), ("reverse", ("reverse", Side.BUY, 1)), ("reject", Reason.OPPOSITE_POSITION),
     ("ignore", Reason.OPPOSITE_POSITION), ("close_only", Exit())],
)  # fmt: skip
def test_an_entry_against_a_position_follows_the_policy(opposite: str | None, meaning: object) -> None:
    answer = ask(alert(policy=AlertPolicy(opposite=opposite)), -2)
    assert short_of(answer) == meaning
    assert isinstance(answer, Nothing) is (opposite == "ignore")
    if opposite is None:
        assert "policy.opposite" in answer.text  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("opposite", "meaning"),
    [(None, ("reverse", Side.BUY, 2)), ("reject", Reason.OPPOSITE_POSITION), ("ignore", Reason.OPPOSITE_POSITION),
     ("close_only", Exit())],
)  # fmt: skip
def test_a_target_on_the_other_side_reverses_unless_the_policy_is_tighter(
    opposite: str | None, meaning: object
) -> None:
    assert short_of(ask(target(2, policy=AlertPolicy(opposite=opposite)), -2)) == meaning


@pytest.mark.parametrize(
    ("same", "message", "meaning"),
    [
        (None, alert(), Reason.ALREADY_THERE),
        ("ignore", alert(), Reason.ALREADY_THERE),
        ("reject", alert(), Reason.ALREADY_THERE),
        ("add", alert(), ("enter", Side.BUY, 1)),
        (None, target(3), ("enter", Side.BUY, 1)),
        ("add", target(3), ("enter", Side.BUY, 1)),
        ("ignore", target(3), Reason.ALREADY_THERE),
        ("reject", target(3), Reason.ALREADY_THERE),
        ("ignore", target(1), ("reduce", LONG, 1)),  # what takes risk away is not asked
        ("ignore", alert(Action.ADD), Reason.ALREADY_THERE),
        ("reject", alert(Action.ADD), Reason.ALREADY_THERE),
    ],
)
def test_an_entry_on_the_side_that_is_held_follows_the_policy(
    same: str | None, message: Alert, meaning: object
) -> None:
    given = alert(message.action, position=message.position, policy=AlertPolicy(same=same))
    answer = ask(given, 2)
    assert short_of(answer) == meaning
    if meaning is Reason.ALREADY_THERE:
        assert isinstance(answer, Refusal) is (same == "reject")


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"stop": None}, "NO_STOP"),
        ({"qty": AlertQty(mode="contracts", value=Decimal(6))}, "MAX_POSITION"),
        ({"qty": AlertQty(mode="equity_pct", value=Decimal(6))}, "qty equity_pct"),
        ({"fired_at": NOW + timedelta(seconds=60)}, "FROM_THE_FUTURE"),
    ],
)
def test_a_reversal_whose_entry_cannot_be_had_closes_at_least(changes: dict[str, Any], name: str) -> None:
    meaning = ask(alert(Action.REVERSE, **changes), 2)
    assert isinstance(meaning, Wanted)
    assert meaning.intent == Exit()
    assert name in meaning.warnings[0]
    assert "closing only" in meaning.warnings[0]


LATE = NOW - timedelta(hours=1)


@pytest.mark.parametrize(
    "message",
    [alert(Action.EXIT, fired_at=LATE), target(1, Action.SELL, fired_at=LATE), target(0, fired_at=LATE),
     alert(Action.CANCEL, fired_at=LATE), alert(Action.BREAKEVEN, fired_at=LATE), alert(Action.MOVE_STOP, fired_at=LATE),
     alert(Action.TRAIL_OFF, fired_at=LATE), alert(Action.FLATTEN, fired_at=LATE)],
)  # fmt: skip
def test_what_takes_risk_away_is_never_too_late(message: Alert) -> None:
    assert isinstance(ask(message, 3, avg_price=Decimal(21000)), Wanted)


def test_a_late_reversal_still_closes_and_its_entry_is_not_fresh() -> None:
    intent = wanted(ask(target(-2, fired_at=LATE), 3))
    assert isinstance(intent, Reverse)
    assert intent.enter.fresh_until is not None
    assert intent.enter.fresh_until < NOW


@pytest.mark.parametrize(
    ("message", "opens", "exits"),
    [
        (alert(), True, False),
        (alert(Action.ADD), True, False),
        (alert(Action.REVERSE), True, False),
        (target(2), True, False),
        (target(0), False, True),
        (target(2, Action.SELL), True, False),
        (target(0, Action.SELL), False, True),
        (alert(Action.BUY), True, False),
        (alert(Action.EXIT), False, True),
        (alert(Action.EXIT_LONG), False, True),
        (alert(Action.EXIT, qty=AlertQty(mode="position_pct", value=Decimal(100))), False, True),
        (alert(Action.EXIT, qty=AlertQty(mode="position_pct", value=Decimal(50))), False, False),
        (alert(Action.EXIT, qty=AlertQty(mode="contracts", value=Decimal(1))), False, False),  # of how many?
        (target(1, Action.EXIT), False, False),
        (target(0, Action.EXIT, qty=AlertQty(mode="contracts", value=Decimal(1))), False, True),
        (alert(Action.REDUCE), False, False),
        (alert(Action.FLATTEN), False, True),
        (alert(Action.FLATTEN_ALL), False, True),
        (alert(Action.CANCEL), False, False),
        (alert(Action.MOVE_STOP), False, False),
        (alert(Action.NOTE), False, False),
    ],
)
def test_what_may_open_and_what_wants_to_be_flat(message: Alert, opens: bool, exits: bool) -> None:
    assert (may_open(message), wants_exit(message)) == (opens, exits)


@pytest.mark.parametrize(
    ("qty", "size", "expected"),
    [
        (AlertQty(), None, 1),
        (AlertQty(mode="contracts", value=Decimal(3)), None, 3),
        (AlertQty(mode="contracts", value=Decimal("1.5")), None, None),
        (AlertQty(mode="contracts", value=Decimal(0)), None, None),
        (AlertQty(mode="contracts", value=Decimal("NaN")), None, None),
        (AlertQty(mode="contracts", value=Decimal(3), max=Decimal(2)), None, None),
        (AlertQty(max=Decimal("0.5")), None, None),
        (AlertQty(mode="contracts", value=Decimal(4)), 2, 2),
        (AlertQty(max=Decimal(1)), 2, None),
    ],
)
def test_sizes_are_whole_and_within_the_messages_own_maximum(
    qty: AlertQty, size: int | None, expected: int | None
) -> None:
    position = AlertPosition(now=PositionSide.LONG, size=Decimal(size)) if size is not None else None
    meaning = ask(alert(qty=qty, position=position))
    if expected is None:
        assert reason(meaning) is Reason.BAD_SIZE
    else:
        assert entry(meaning).qty == expected


def test_an_entry_without_a_stop_is_refused() -> None:
    assert reason(ask(alert(stop=None))) is Reason.NO_STOP


def test_an_entry_of_another_symbol_is_refused_and_an_exit_is_not() -> None:
    bot = replace(BOT, symbols=frozenset({"MES"}))
    assert reason(interpret(alert(), bot, where(), NOW)) is Reason.SYMBOL_NOT_ALLOWED
    assert wanted(interpret(alert(Action.EXIT), bot, where(2), NOW)) == Exit()


def test_delayed_data_opens_nothing_in_live_mode() -> None:
    assert reason(ask(alert(), symbol="CME_MINI_DL:MNQ1!")) is Reason.DELAYED_DATA


@pytest.mark.parametrize(
    ("fired_s_ago", "max_age_s", "expire_s", "left_s"),
    [
        (None, None, None, 15),
        (2, None, None, 13),
        (2, 5, None, 3),
        (2, 60, None, 13),
        (0, None, 4, 4),
        (2, 0, None, -2),
    ],
)
def test_an_entry_is_fresh_only_so_long(
    fired_s_ago: int | None, max_age_s: int | None, expire_s: int | None, left_s: int
) -> None:
    fired = None if fired_s_ago is None else NOW - timedelta(seconds=fired_s_ago)
    policy = AlertPolicy(max_age_s=None if max_age_s is None else Decimal(max_age_s))
    order = AlertOrder(expire_s=None if expire_s is None else Decimal(expire_s))
    intent = entry(ask(alert(fired_at=fired, policy=policy, order=order)))
    assert intent.expires_at is None
    assert intent.fresh_until == NOW + timedelta(seconds=left_s)


def test_a_message_from_the_future_is_refused() -> None:
    assert reason(ask(alert(fired_at=NOW + timedelta(seconds=6)))) is Reason.FROM_THE_FUTURE


def test_a_message_may_tighten_the_position_limit_and_never_widen_it() -> None:
    for asked, expected in ((2, 2), (50, 5)):
        assert entry(ask(alert(policy=AlertPolicy(max_position=Decimal(asked))))).max_position == expected
