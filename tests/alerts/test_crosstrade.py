"""CrossTrade commands, from the text to the intent (TradingView reference 10.3)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from desk.bots import Wanted, interpret, may_open
from desk.core.alert import Action, PositionSide, Unit
from desk.core.intents import BreakEven, Cancel, Enter, Exit, Intent, MoveStop, MoveTarget, Reduce, Reverse, Then, Trail
from desk.core.words import OrderType, Side
from desk.risk import Reason
from tests.alerts.told import ATM, LONG, PLACE, SHORT, meaning, problem, read, read_all
from tests.bots.build import BOT, NOW, entry, reason, wanted, where

# --- CrossTrade: getting out -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "held", "wants"),
    [
        ("command=CLOSEPOSITION;instrument=MNQ1!", 3, Exit()),
        ("command=CLOSEPOSITION;instrument=MNQ1!;qty=2", 3, Reduce(qty=2, side=LONG)),
        ("command=CLOSEPOSITION;instrument=MNQ1!;qty=9", -3, Exit()),
        ("command=CLOSEPOSITION;instrument=MNQ1!;percent=0.5", -3, Reduce(qty=1, side=SHORT)),
        ("command=CLOSEPOSITION;instrument=MNQ1!;percent=50%", 4, Reduce(qty=2, side=LONG)),
        ("command=CLOSEPOSITION;instrument=MNQ1!;percent=0.1", 1, Exit()),
        ("command=CLOSEPOSITION;instrument=MNQ1!;percent=1", 3, Exit()),
        ("command=CLOSEPOSITION;instrument=MNQ1!;delay=5;rate_limit=3;strategy=x;max_positions=1", 3, Exit()),
        ("command=CLOSESTRATEGY;strategy_id=a;instrument=MNQ1!", 3, Exit()),
        ("command=FLATTEN;instrument=MNQ1!", -3, Exit()),
        ("command=FLATTEN;instrument=MNQ1!;market_position=short", -3, Exit(side=SHORT)),
        ("command=FLATTEN", 3, Exit(everything=True)),
        ("command=flatteneverything", 0, Exit(everything=True)),
        ("command=CANCELORDERS;instrument=MNQ1!", 3, Cancel()),
        ("command=CANCELORDERS", 0, Cancel()),
        ("command=CANCELALLORDERS;instrument=MNQ1!", 0, Cancel()),
        ("command=REVERSE;instrument=MNQ1!", 3, Exit()),
        ("command=PLACE;instrument=MNQ1!;action=SELL;qty=2;require_market_position=long", 3, Reduce(qty=2, side=LONG)),
        ("command=PLACE;instrument=MNQ1!;action=BUY;qty=2;require_market_position=short", -2, Exit(side=SHORT)),
    ],
)  # fmt: skip
def test_a_crosstrade_command_gets_out(text: str, held: int, wants: Intent) -> None:
    alert = read(text)
    assert wanted(meaning(alert, held)) == wants
    assert not may_open(alert)


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("command=CLOSEPOSITION;instrument=MNQ1!", 0),
        ("command=FLATTEN;instrument=MNQ1!;market_position=short", 3),
        ("command=REVERSE;instrument=MNQ1!", 0),
        ("command=PLACE;instrument=MNQ1!;action=SELL;qty=2;require_market_position=long", 0),
    ],
)
def test_a_command_that_gets_out_finds_nothing_to_do(text: str, held: int) -> None:
    assert reason(meaning(read(text), held)) is Reason.NOTHING_TO_EXIT


def test_what_an_exit_cannot_have_is_said_and_does_not_hold_it_up() -> None:
    alert = read("command=CLOSEPOSITION;instrument=MNQ1!;delay=5;trading_window=9-16;strategy=x")
    assert [name for name in ("delay", "trading_window", "strategy") if any(name in text for text in alert.warnings)] == [
        "delay", "trading_window", "strategy",
    ]  # fmt: skip


def test_cancelandbracket_moves_the_stop_then_the_target_and_then_cancels_the_entries() -> None:
    alerts = read_all("command=CANCELANDBRACKET;instrument=MNQ1!;stop_loss=20990;take_profit=21080;id=a")
    assert [wanted(meaning(alert, 2)) for alert in alerts] == [
        MoveStop(price=Decimal(20990)),
        MoveTarget(price=Decimal(21080)),
        Cancel(),
    ]
    assert [alert.sender_id for alert in alerts] == ["a", "a#2", "a#3"]
    assert not any(map(may_open, alerts))
    assert [reason(meaning(alert)) for alert in alerts[:2]] == [Reason.NOTHING_TO_EXIT] * 2


# --- CrossTrade: entries ---------------------------------------------------------------------------------------------------


def test_place_with_a_bracket_is_an_entry() -> None:
    made = entry(meaning(read(f"{PLACE};stop_loss=20980;take_profit=21040")))
    assert (made.side, made.qty, made.type, made.care.stop_price) == (Side.BUY, 2, OrderType.MARKET, 20980)
    assert [(stage.qty, stage.target_price) for stage in made.stages] == [(2, 21040)]


@pytest.mark.parametrize(
    ("terms", "kind", "prices"),
    [
        ("order_type=LIMIT;limit_price=21000;stop_price=0", OrderType.LIMIT, (21000, None, None)),
        ("order_type=STOPMARKET;stop_price=21000;limit_price=0", OrderType.STOP, (None, 21000, None)),
        ("order_type=Stop Limit;stop_price=21000;limit_price=21002", OrderType.LIMIT, (21002, None, 21000)),
    ],
)
def test_an_order_type_takes_its_own_prices(terms: str, kind: OrderType, prices: tuple[object, ...]) -> None:
    made = entry(meaning(read(f"command=PLACE;instrument=MNQ1!;action=BUY;qty=1;{terms};stop_loss=-20 points")))
    assert (made.type, made.limit_price, made.stop_price, made.touch_price) == (kind, *prices)
    assert made.stop_ticks == 80


@pytest.mark.parametrize(
    ("action", "stop", "unit", "value"),
    [
        ("BUY", "-25 ticks", Unit.TICKS, "25"), ("BUY", "-25ticks", Unit.TICKS, "25"), ("SELL", "25 ticks", Unit.TICKS, "25"),
        ("SELL", "+6.25 pts", Unit.POINTS, "6.25"), ("BUY", "- 5 points", Unit.POINTS, "5"), ("BUY", "-1.5%", Unit.PCT, "1.5"),
        ("SELL", "21040.25", Unit.PRICE, "21040.25"),
    ],
)  # fmt: skip
def test_a_stop_is_a_price_or_an_offset(action: str, stop: str, unit: Unit, value: str) -> None:
    alert = read(f"command=PLACE;instrument=MNQ1!;action={action};qty=1;stop_loss={stop}")
    assert alert.stop is not None
    assert (alert.stop.distance.unit, alert.stop.distance.value) == (unit, Decimal(value))


def test_an_offset_on_the_wrong_side_is_asked_back() -> None:
    assert "did you mean -25 ticks?" in problem(f"{PLACE};stop_loss=25 ticks")
    assert "did you mean +2%?" in problem(f"{PLACE};stop_loss=20980;take_profit=-2%")


@pytest.mark.parametrize("form", ["command=FLATPLACE", "command=PLACE;flatten_first=true"])
@pytest.mark.parametrize(
    ("held", "wants"),
    [(0, ("enter", 2)), (-3, ("reverse", 2)), (1, ("enter", 1)), (3, ("reduce", 1)), (2, Reason.ALREADY_THERE)],
)
def test_flatplace_ends_at_the_position_that_was_asked_for_and_never_beyond(
    form: str, held: int, wants: object
) -> None:
    alert = read(f"{form};instrument=MNQ1!;action=BUY;qty=2;order_type=MARKET;stop_loss=20980")
    match meaning(alert, held):
        case Wanted(Enter(side=Side.BUY, qty=qty)):
            assert wants == ("enter", qty)
        case Wanted(Reverse(enter=Enter(side=Side.BUY, qty=qty))):
            assert wants == ("reverse", qty)
        case Wanted(Reduce(qty=qty, side=PositionSide.LONG)):
            assert wants == ("reduce", qty)
        case other:
            assert reason(other) is wants


@pytest.mark.parametrize(
    ("held", "wants"), [(2, "reverse"), (0, Reason.REQUIRED_POSITION), (-2, Reason.REQUIRED_POSITION)]
)
def test_reverseposition_begins_at_the_other_side(held: int, wants: object) -> None:
    text = "command=REVERSEPOSITION;instrument=MNQ1!;action=SELL;qty=1;order_type=MARKET"
    got = meaning(read(f"{text};stop_loss=21040"), held)
    if wants == "reverse":
        turned = wanted(got)
        assert isinstance(turned, Reverse)
        assert (turned.enter.side, turned.enter.qty) == (Side.SELL, 1)
        assert wanted(meaning(read(text), held)) == Exit(), "without a stop it closes only"
    else:
        assert reason(got) is wants


def test_reverse_enters_the_other_side_only_with_its_size_and_stop() -> None:
    alert = read("command=REVERSE;instrument=MNQ1!;qty=1;stop_loss=21040")
    turned = wanted(meaning(alert, 3))
    assert isinstance(turned, Reverse)
    assert (turned.enter.side, turned.enter.qty) == (Side.SELL, 1)
    assert reason(meaning(alert, 0)) is Reason.NOTHING_TO_EXIT
    closing = read("command=REVERSE;instrument=MNQ1!;qty=1")
    assert wanted(meaning(closing, 3)) == Exit()
    assert "closing only" in closing.warnings[0]


def test_a_bare_place_is_left_to_the_bots_own_rule() -> None:
    alert = read(PLACE)
    assert alert.action is Action.BUY
    assert "may be an entry or an exit" in alert.warnings[0]
    assert reason(meaning(alert)) is Reason.AMBIGUOUS_SIDE


@pytest.mark.parametrize(
    ("required", "held", "wants"),
    [("flat", 0, 2), ("flat", 1, Reason.REQUIRED_POSITION), ("long", 1, 2), ("long", 0, Reason.REQUIRED_POSITION)],
)
def test_a_required_position_decides(required: str, held: int, wants: object) -> None:
    got = meaning(read(f"{PLACE};stop_loss=20980;require_market_position={required}"), held)
    assert (entry(got).qty if isinstance(got, Wanted) else reason(got)) == wants


@pytest.mark.parametrize(
    ("account", "is_ours"),
    [("main", True), ("default", True), ("1", True), ("all", True), ("sim101", False), ("main,sim101", False)],
)
def test_an_account_that_is_not_the_bots_is_refused(account: str, is_ours: bool) -> None:
    for command in (f"{PLACE};stop_loss=20980", "command=CLOSEPOSITION;instrument=MNQ1!"):
        got = meaning(read(f"{command};account={account}"), 0 if "PLACE" in command else 2)
        assert isinstance(got, Wanted) if is_ours else reason(got) is Reason.ACCOUNT_NOT_ALLOWED


@pytest.mark.parametrize(
    ("sent", "read_as"),
    [
        ("MNQ 12-26", "MNQ 12-26"),
        ("MNQ1!", "MNQ1!"),
        ("MNQZ6", "MNQZ6"),
        ("MNQ DEC26", "MNQ 12-26"),
        ("mnq mar27", "mnq 03-27"),
        ("CL 4-26", "CL 04-26"),
    ],
)
def test_an_instrument_is_read_in_every_spelling(sent: str, read_as: str) -> None:
    assert read(f"command=CLOSEPOSITION;instrument={sent}").symbol == read_as


def test_targets_inside_the_message_are_stages_with_one_stop() -> None:
    made = entry(meaning(read(f"{ATM};qty=3".replace("qty=2;", "") + ";atm_qtys=2,1;atm_breakeven=1")))
    assert [(stage.qty, stage.target_ticks, stage.then) for stage in made.stages] == [
        (2, 40, Then.BREAKEVEN),
        (1, 80, None),
    ]
    assert (made.qty, made.stop_ticks) == (3, 60)


def test_break_even_and_trailing_inside_the_message() -> None:
    text = f"{ATM};atmBreakeven=2;atmBreakevenOffset=1pt;atmTrail=true,true;atmTrailTrigger=20pt;atmTrailOffset=48"
    care = entry(meaning(read(text))).care
    assert care.breakeven == BreakEven(trigger_ticks=80, offset_ticks=4)
    assert care.trail == Trail(distance_ticks=48, trigger_ticks=80)
    assert entry(meaning(read(f"{ATM};atm_trail=1"))).care.trail == Trail(distance_ticks=60)


def test_targets_share_evenly_and_the_last_takes_what_is_left() -> None:
    alert = read(ATM.replace("qty=2", "qty=5"))
    assert [target.qty for target in alert.targets] == [2, 3]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("command=HOLD;qty=1", "command is 'HOLD'; known are: PLACE, FLATPLACE"),
        ("command={{x}};qty=1", "command is ''"),
        ("command=CANCEL;order_id=7", "CANCELORDERS"),
        ("command=CHANGE;order_id=7;limit_price=3", "CANCELANDBRACKET"),
        ("command=CANCELREPLACE;order_id=7", "then PLACE"),
        ("command=CLOSESTRATEGY;strategy_id=x", "CLOSEPOSITION"),
        ("command=CLOSEPOSITION", "instrument is missing"),
        ("command=CLOSEPOSITION;instrument=MNQ1!;percent=150", "percent is '150'"),
        ("command=FLATTEN;market_position=long", "one message per instrument"),
        ("command=FLATTEN;instrument={{tickr}}", "instrument is missing"),  # and not the whole account
        ("command=CANCELORDERS;instrument=", "instrument is missing"),
        (f"{PLACE};stop_loss=20980;require_market_position={{{{x}}}}", "require_market_position is '{{x}}'"),
        (f"{PLACE.replace('PLACE', 'FLATPLACE')};require_market_position=", "require_market_position is ''"),
        (f"{PLACE};stop_loss=20980;flatten_first=", "flatten_first is ''"),
        ("command=CANCELANDBRACKET;instrument=MNQ1!", "needs stop_loss or take_profit"),
        ("command=CANCELANDBRACKET;instrument=MNQ1!;stop_loss=-20 ticks", "only a price"),
        ("command=REVERSEPOSITION;instrument=MNQ1!;action=BUY;qty=1;require_market_position=flat", "begins at short"),
        (f"{PLACE};delay=5", "delay='5'"),
        (f"{PLACE};rate_limit=1", "rate_limit='1'"),
        (f"{PLACE};strategy=MyAtm", "strategy='MyAtm'"),
        (f"{PLACE};oco_id=a", "oco_id='a'"),
        (f"{PLACE};max_positions=1", "require_market_position=flat"),
        (f"{PLACE};window_start=09:30", "window_start='09:30'"),
        (f"{PLACE};limit_order_timeout=30", "order.expire_s"),
        (f"{PLACE};stop_loss=250 dollars", "stop_loss is '250 dollars'; allowed is a price"),
        (f"{PLACE};stop_loss=-21000", "a price has no sign"),
        (f"{PLACE};stop_loss=21.000,50", "stop_loss is"),
        (f"{PLACE};stop_loss=NaN", "stop_loss is 'NaN'"),
        (f"{PLACE};stop_loss=-0 ticks", "other than 0"),
        (f"{PLACE};stop_loss_limit=20980", "stop_loss_limit"),
        (f"{PLACE};limit_price=-2%", "limit_price is '-2%'"),
        (f"{PLACE};flatten_first=maybe", "flatten_first is 'maybe'"),
        (f"{PLACE};require_market_position=flat,long", "require_market_position is"),
        (PLACE.replace("tif=DAY", "tif=IOC"), "tif is 'ioc'"),
        (PLACE.replace("BUY", "HOLD"), "action is 'hold'"),
        (PLACE.replace("BUY", ""), "action is missing"),
        (PLACE.replace("qty=2", "qty={{plot}}"), "qty is missing"),
        (PLACE.replace("qty=2", "qty=1.5"), "qty is '1.5'"),
        (PLACE.replace("MARKET", "ICEBERG"), "order_type is 'iceberg'"),
        (f"{ATM};stop_loss=20980", "which of them is meant"),
        (f"{PLACE};atm_targets=40", "atm_stops is missing"),
        (f"{PLACE};atm_trail=true", "atm_targets is missing"),
        (f"{ATM},70", "one stop for all"),
        (f"{ATM};atm_qtys=1,2", "add up to qty=2"),
        (f"{ATM};atm_qtys=2", "one per target"),
        (f"{ATM};atm_breakeven=3", "from 1 to 2"),
        (f"{ATM};atm_breakeven_offset=3", "without atm_breakeven"),
        (f"{ATM};atm_trail=true,false", "all of the position trails"),
        (f"{ATM};atm_trail_trigger=3", "without atm_trail"),
        (ATM.replace("40,80", "40,80,120"), "3 targets for qty=2"),
        (ATM.replace("40,80", "1%,80"), "atm_targets is '1%'"),
    ],
)  # fmt: skip
def test_what_crosstrade_can_say_and_is_not_available_is_refused_by_name(text: str, said: str) -> None:
    assert said in problem(text)


def test_a_bot_of_another_size_limit_is_asked_as_ever() -> None:
    got = interpret(
        read(f"{PLACE.replace('qty=2', 'qty=9')};stop_loss=20980"), replace(BOT, max_position=5), where(), NOW
    )
    assert reason(got) is Reason.MAX_POSITION
