"""What an alert means, given what is held: the table of the TradingView reference 8, and every field that asks for more."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from desk.bots import BotConfig, Nothing, Refusal, Situation, interpret, may_open, wants_exit
from desk.bots import Meaning as Intent
from desk.core.alert import (
    Action,
    Alert,
    AlertAccount,
    AlertOrder,
    AlertPolicy,
    AlertPosition,
    AlertQty,
    Distance,
    PositionSide,
    StopSpec,
    TargetSpec,
    Unit,
)
from desk.core.ids import AccountId, ContractId
from desk.core.intents import Enter, Exit
from desk.core.symbols import parse_symbol
from desk.core.words import Contract, Side
from desk.risk import Reason

NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)
MNQ = Contract(
    contract_id=ContractId("CON.F.US.MNQ.Z26"),
    name="MNQZ6",
    description="",
    tick_size=Decimal("0.25"),
    tick_value=Decimal("0.5"),
    symbol_id="F.US.MNQ",
    is_active=True,
)
BOT = BotConfig(
    name="default",
    account_id=AccountId(1),
    symbols=frozenset({"MNQ"}),
    default_qty=1,
    max_position=5,
    max_alert_age_s=15,
)
STOP = StopSpec(distance=Distance(unit=Unit.POINTS, value=Decimal(20)))
TARGET = TargetSpec(distance=Distance(unit=Unit.POINTS, value=Decimal(40)))
SIDE = {0: PositionSide.FLAT, 1: PositionSide.LONG, -1: PositionSide.SHORT}


def where(qty: int = 0, entering: int = 0, symbol: str = "CME_MINI:MNQ1!", has_working: bool = False) -> Situation:
    return Situation(MNQ, parse_symbol(symbol), qty, entering, has_working)


def alert(action: Action = Action.ENTER_LONG, **more: Any) -> Alert:
    return Alert(**({"symbol": "CME_MINI:MNQ1!", "stop": STOP, "targets": (TARGET,)} | more), action=action)


def ask(message: Alert, qty: int = 0, **more: Any) -> Intent:
    return interpret(message, BOT, where(qty, **more), NOW)


def reason(intent: Intent) -> Reason:
    assert isinstance(intent, Refusal | Nothing)
    assert intent.text
    return intent.reason


def target(size: int, action: Action) -> Alert:
    now = SIDE[(size > 0) - (size < 0)]
    return alert(action, position=AlertPosition(now=now, size=Decimal(abs(size))))


@pytest.mark.parametrize(
    ("held", "wanted", "action", "meaning"),
    [
        (0, 2, Action.BUY, (Side.BUY, 2)),
        (0, -2, Action.SELL, (Side.SELL, 2)),
        (0, 2, Action.SET_POSITION, (Side.BUY, 2)),
        (1, 3, Action.BUY, Reason.NOT_SUPPORTED),  # add
        (3, 1, Action.SELL, Reason.NOT_SUPPORTED),  # partial exit
        (2, 0, Action.SELL, Exit),
        (-2, 0, Action.BUY, Exit),
        (2, -2, Action.SELL, Reason.OPPOSITE_POSITION),  # reversal in one order
        (-2, 2, Action.BUY, Reason.OPPOSITE_POSITION),
        (0, 0, Action.BUY, Reason.NOTHING_TO_EXIT),  # entry and exit inside one bar
        (2, 2, Action.BUY, Reason.ALREADY_THERE),
        (-3, -3, Action.SELL, Reason.ALREADY_THERE),
        (0, 1, Action.SELL, Reason.NOTHING_TO_EXIT),  # a partial exit after the live stop: never an opening buy
        (0, -1, Action.BUY, Reason.NOTHING_TO_EXIT),
        (0, 1, Action.EXIT, Reason.NOTHING_TO_EXIT),
        (0, 1, Action.REDUCE, Reason.NOTHING_TO_EXIT),
        (0, -1, Action.ENTER_LONG, Reason.AMBIGUOUS_SIDE),
    ],
)
def test_what_a_strategy_sends_becomes_what_it_means(held: int, wanted: int, action: Action, meaning: object) -> None:
    intent = ask(target(wanted, action), held)
    if isinstance(meaning, tuple):
        assert isinstance(intent, Enter)
        assert (intent.side, intent.qty) == meaning
    elif meaning is Exit:
        assert intent == Exit()
    else:
        assert reason(intent) is meaning


@pytest.mark.parametrize("action", [Action.BUY, Action.SELL])
def test_a_bare_side_is_refused(action: Action) -> None:
    assert reason(ask(alert(action))) is Reason.AMBIGUOUS_SIDE


@pytest.mark.parametrize(
    "action",
    [Action.MOVE_STOP, Action.MOVE_TARGET, Action.BREAKEVEN, Action.TRAIL_ON, Action.TRAIL_OFF, Action.CANCEL,
     Action.PAUSE, Action.RESUME],
)  # fmt: skip
def test_an_action_that_trades_nothing_never_becomes_an_entry_through_its_position(action: Action) -> None:
    message = target(2, action)
    assert reason(ask(message)) is Reason.NOT_SUPPORTED
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
    intent = ask(alert(action), held)
    assert isinstance(intent, Exit) is is_exit
    if not is_exit:
        assert reason(intent) is Reason.NOTHING_TO_EXIT


def test_an_exit_counts_an_entry_that_is_under_way() -> None:
    assert isinstance(ask(alert(Action.EXIT), 0, entering=2), Exit)


def test_flatten_all_needs_no_symbol() -> None:
    assert interpret(Alert(action=Action.FLATTEN_ALL), BOT, None, NOW) == Exit(everything=True)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"order": AlertOrder(type="limit", price=Decimal(1))}, "order type limit"),
        ({"order": AlertOrder(price=Decimal(1))}, "order price"),
        ({"order": AlertOrder(stop_price=Decimal(1))}, "order price"),
        ({"order": AlertOrder(trail_ticks=Decimal(1))}, "trail_ticks"),
        ({"order": AlertOrder(offset_ticks=Decimal(1))}, "offset_ticks"),
        ({"order": AlertOrder(max_slippage_ticks=Decimal(8))}, "max_slippage_ticks"),
        ({"has_breakeven": True}, "breakeven"),
        ({"has_trail": True}, "trailing"),
        ({"stop": StopSpec(distance=STOP.distance, kind="trailing_stop")}, "trailing"),
        ({"targets": (TARGET, TARGET)}, "several targets"),
        ({"targets": (TargetSpec(distance=TARGET.distance, qty=Decimal(1)),)}, "partial target"),
        ({"targets": (TargetSpec(distance=TARGET.distance, qty_pct=Decimal(50)),)}, "partial target"),
        ({"targets": (TargetSpec(distance=TARGET.distance, qty_ratio=Decimal(1)),)}, "partial target"),
        ({"targets": (TargetSpec(distance=TARGET.distance, then="breakeven"),)}, "after a target"),
        ({"qty": AlertQty(mode="risk_usd", value=Decimal(100))}, "qty mode risk_usd"),
        ({"qty": AlertQty(mode="default", value=Decimal(3))}, "qty value"),
        ({"position": AlertPosition(size=Decimal(3))}, "position size"),
        ({"policy": AlertPolicy(same="add")}, "policy same: add"),
        ({"policy": AlertPolicy(same="replace")}, "policy same: replace"),
        ({"policy": AlertPolicy(contract="reject")}, "policy contract"),
        ({"policy": AlertPolicy(contract="require_match")}, "require_match"),
        ({"policy": AlertPolicy(window="{}")}, "policy window"),
        ({"policy": AlertPolicy(on_gap="halt_bot")}, "on_gap"),
        ({"policy": AlertPolicy(on_gap="reduce_only")}, "on_gap"),
        ({"account_terms": (AlertAccount(ref="main", factor=Decimal(2)),)}, "per account"),
        ({"stop": StopSpec(distance=Distance(unit=Unit.ATR, value=Decimal(2)))}, "stop in atr"),
        ({"targets": (TargetSpec(distance=Distance(unit=Unit.R, value=Decimal(2))),)}, "target in r"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(changes: dict[str, Any], name: str) -> None:
    intent = ask(alert(**changes))
    assert isinstance(intent, Refusal)
    assert intent.reason is Reason.NOT_SUPPORTED
    assert name in intent.text


def test_cancel_working_is_honoured_where_there_is_nothing_to_cancel() -> None:
    message = alert(policy=AlertPolicy(cancel_working=True))
    assert isinstance(ask(message), Enter)
    assert "cancel_working" in interpret(message, BOT, where(has_working=True), NOW).text  # type: ignore[union-attr]


def test_an_exit_says_that_it_cancels_although_the_message_did_not_want_it() -> None:
    intent = ask(alert(Action.EXIT, policy=AlertPolicy(cancel_working=False)), 2)
    assert isinstance(intent, Exit)
    assert "cancel_working" in intent.warnings[0]


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"qty": AlertQty(mode="contracts", value=Decimal(1))}, "partial exit"),
        ({"qty": AlertQty(mode="position_pct", value=Decimal(50))}, "partial exit"),
        ({"qty": AlertQty(mode="factor", value=Decimal(1))}, "qty mode factor"),
        ({"order": AlertOrder(type="limit", price=Decimal(1))}, "order type limit"),
    ],
)
def test_an_exit_that_asks_for_less_than_all_is_refused_by_name(changes: dict[str, Any], name: str) -> None:
    intent = ask(alert(Action.EXIT, **changes), 2)
    assert isinstance(intent, Refusal)
    assert name in intent.text


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
    assert isinstance(ask(message, 2), Exit)
    assert reason(ask(message, -2)) is Reason.REQUIRED_POSITION


@pytest.mark.parametrize(
    ("opposite", "meaning"),
    [(None, Reason.OPPOSITE_POSITION), ("reverse", Reason.OPPOSITE_POSITION), ("reject", Reason.OPPOSITE_POSITION),
     ("ignore", Reason.OPPOSITE_POSITION), ("close_only", Exit)],
)  # fmt: skip
def test_an_entry_against_a_position_follows_the_policy(opposite: str | None, meaning: object) -> None:
    intent = ask(alert(policy=AlertPolicy(opposite=opposite)), -2)
    assert intent == Exit() if meaning is Exit else reason(intent) is meaning
    assert isinstance(intent, Nothing) is (opposite == "ignore")


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
    intent = ask(alert(qty=qty, position=position))
    if expected is None:
        assert reason(intent) is Reason.BAD_SIZE
    else:
        assert isinstance(intent, Enter)
        assert intent.qty == expected


@pytest.mark.parametrize(
    ("unit", "value", "ticks"),
    [(Unit.POINTS, "20", 80), (Unit.POINTS, "20.2", 80), (Unit.TICKS, "8.9", 8), (Unit.USD, "10", 20)],
)
def test_distances_are_rounded_towards_the_entry(unit: Unit, value: str, ticks: int) -> None:
    intent = ask(alert(stop=StopSpec(distance=Distance(unit=unit, value=Decimal(value)))))
    assert isinstance(intent, Enter)
    assert intent.stop_ticks == ticks


def test_an_entry_without_a_stop_is_refused() -> None:
    assert reason(ask(alert(stop=None))) is Reason.NO_STOP


def test_an_entry_of_another_symbol_is_refused_and_an_exit_is_not() -> None:
    bot = replace(BOT, symbols=frozenset({"MES"}))
    assert reason(interpret(alert(), bot, where(), NOW)) is Reason.SYMBOL_NOT_ALLOWED
    assert isinstance(interpret(alert(Action.EXIT), bot, where(2), NOW), Exit)


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
    intent = ask(alert(fired_at=fired, policy=policy, order=order))
    assert isinstance(intent, Enter)
    assert intent.fresh_until == NOW + timedelta(seconds=left_s)


def test_a_message_from_the_future_is_refused() -> None:
    assert reason(ask(alert(fired_at=NOW + timedelta(seconds=6)))) is Reason.FROM_THE_FUTURE


def test_a_message_may_tighten_the_position_limit_and_never_widen_it() -> None:
    for asked, expected in ((2, 2), (50, 5)):
        intent = ask(alert(policy=AlertPolicy(max_position=Decimal(asked))))
        assert isinstance(intent, Enter)
        assert intent.max_position == expected
