"""Text messages of other bridges: raw -> canonical -> what the bot would do (TradingView reference 6, 10.3, 10.5, 10.6)."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.alerts import DialectTerms, read_body
from desk.alerts.dialects.crosstrade import COMMANDS
from desk.alerts.dialects.pairs import Pairs
from desk.bots import Meaning, Nothing, Refusal, Wanted, interpret, may_open
from desk.core.alert import Action, Alert, PositionSide, Unit
from desk.core.intents import BreakEven, Cancel, Enter, Exit, Intent, MoveStop, MoveTarget, Reduce, Reverse, Then, Trail
from desk.core.secret import Secret
from desk.core.words import OrderType, Side
from desk.risk import Reason
from tests.alerts.test_golden import canonical
from tests.bots.build import BOT, NOW, entry, reason, wanted, where

GOLDEN = Path(__file__).parent / "golden" / "dialects"
RAW = sorted(GOLDEN.glob("*.txt"))
KEY = "Sekret-4711-x"
LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
PLACE = "command=PLACE;instrument=MNQ1!;action=BUY;qty=2;order_type=MARKET;tif=DAY"
ATM = f"{PLACE};atm_targets=40,80;atm_stops=60"


def read_all(text: str) -> tuple[Alert, ...]:
    reading = read_body(text.encode())
    assert reading.problem is None, reading.problem
    return reading.alerts


def read(text: str) -> Alert:
    (alert,) = read_all(text)
    return alert


def problem(text: str) -> str:
    reading = read_body(text.encode())
    assert reading.alerts == (), reading.alerts
    assert reading.problem is not None
    return reading.problem


def meaning(alert: Alert, held: int = 0) -> Meaning:
    return interpret(alert, BOT, None if alert.symbol is None else where(held, avg_price=Decimal(21000)), NOW)


def test_there_are_golden_files() -> None:
    assert {path.name.partition("_")[0] for path in RAW} == {"crosstrade", "octobot", "autoview", "alertatron"}
    assert len(RAW) >= 15


@pytest.mark.parametrize("path", RAW, ids=lambda path: path.stem)
def test_a_golden_message_reads_as_written_down(path: Path) -> None:
    assert canonical(path.read_bytes()) == json.loads(path.with_suffix(".expected.json").read_text(encoding="utf-8"))


# --- name=value texts ----------------------------------------------------------------------------------------------------

FIELDS = {
    "key": KEY, "command": "PLACE", "account": "main", "instrument": "MNQ 12-26", "action": "BUY", "qty": "2",
    "order_type": "STOPLIMIT", "limit_price": "21002", "stop_price": "21000", "stop_loss": "20980", "take_profit": "21040",
}  # fmt: skip
SEPARATOR = st.sampled_from([";", "\n", "\r\n", ";\r\n", " ; ", ";\n\n", ";;", "\t;"])
SIGN = st.sampled_from(["=", " = ", "= ", "\t=", " =  "])
QUOTE = st.sampled_from(["", "", '"', "'"])


@given(st.data())
def test_blanks_separators_quotes_order_and_case_do_not_change_a_message(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(["", " ", "\r\n", "# a comment; with = signs\n"]))
    for name in data.draw(st.permutations(sorted(FIELDS))):
        spelt = name if name == "key" else data.draw(st.sampled_from([name, name.upper(), name.replace("_", "")]))
        quote = data.draw(QUOTE)
        text += f"{spelt}{data.draw(SIGN)}{quote}{FIELDS[name]}{quote}{data.draw(SEPARATOR)}"
    reading = read_body(text.encode())
    assert reading.alerts == read_all(";".join(f"{name}={value}" for name, value in FIELDS.items())), text
    assert reading.secret == Secret(KEY)
    assert KEY not in reading.raw + repr(reading.alerts)


@pytest.mark.parametrize(
    "text",
    [
        f"key={KEY};command=FLATTEN",
        f"command=FLATTEN;\r\nKEY = {KEY} ;\r\n",
        f'command=FLATTEN\nkey="{KEY}"',
        f"SYMBOL=MNQ1!;SIGNAL=SELL;REDUCE_ONLY=true;TOKEN={KEY}",
        f"SYMBOL=MNQ1!\r\nTOKEN = {KEY}\r\nSIGNAL = CANCEL",
        f"key={KEY};command=PLACE;instrument={KEY}",
        f"key={KEY};command={KEY}",
    ],
)
def test_the_secret_of_a_text_is_found_and_kept_nowhere(text: str) -> None:
    reading = read_body(text.encode())
    assert reading.secret == Secret(KEY)
    assert KEY not in reading.raw + repr(reading.alerts) + (reading.problem or "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("command=FLATTEN;command=PLACE", "command stands twice"),
        ("command=PLACE;QTY=1;qty=1", "qty stands twice"),
        ("command=PLACE;stopLoss=1;stop_loss=2", "stop_loss stands twice"),
        (f"{PLACE};quantity=3", "qty and quantity are the same field"),
        ("command=FLATTEN;please", "'please' is no name=value"),
        ("command=FLATTEN;=3", "'=3' is no name=value"),
        ("command=FLATTEN;a b=3", "'a b=3' is no name=value"),
        ("command=FLATTEN" + "".join(f";n{number}=1" for number in range(120)), "more than 100 fields"),
    ],
)
def test_what_is_no_clear_pair_is_refused_by_name(text: str, said: str) -> None:
    assert said in problem(text)


def test_what_nobody_knows_is_kept_and_said() -> None:
    alert = read("command=FLATTEN;instrument=MNQ1!;colour=red")
    assert alert.extras == {"colour": '"red"'}
    assert "field 'colour' is not used by this message: kept" in alert.warnings


def test_any_sender_may_add_our_own_id_and_time() -> None:
    alert = read("SYMBOL=MNQ1!;SIGNAL=CANCEL;id=c1;fired_at=2026-11-20T14:30:01Z;comment=x")
    assert (alert.sender_id, alert.comment) == ("c1", "x")
    assert alert.fired_at is not None
    assert alert.warnings == ()


def test_tradingviews_default_text_in_a_comment_does_not_hide_a_command() -> None:
    text = "order buy @ 2 filled on MNQ1!. New strategy position is 2"
    assert read(f"command=FLATTEN;comment={text}").action is Action.FLATTEN_ALL
    assert read(f"My (1, b=2, s=3): {text}").is_text


def test_a_bot_that_pinned_its_dialect_takes_no_other() -> None:
    terms = DialectTerms(pinned="CrossTrade")
    assert read_body(b"command=FLATTEN", terms_of=lambda _: terms).problem is None
    for text in ("SYMBOL=MNQ1!;SIGNAL=CANCEL", "s=MNQ1! c=position", '{"embeds":[{"title":"session close"}]}'):
        assert "reads CrossTrade only" in (read_body(text.encode(), terms_of=lambda _: terms).problem or "")


@pytest.mark.parametrize(
    "piece", ["command=x;", "command=", "a=b ", "s=b c=position|", 'command="', "#;", "SIGNAL=' ", "n(", "a() {("]
)
def test_no_text_makes_a_translator_slow(piece: str) -> None:
    started = time.perf_counter()
    for head in ("command=PLACE;", "SIGNAL=BUY;", "s=a b=long q=1 ", "x(Y) {"):
        read_body((head + piece * (60_000 // len(piece))).encode())
    assert time.perf_counter() - started < 2


def first_cells(section: str, heading: str) -> set[str]:
    """What the first column of one table of the page names."""
    page = (Path(__file__).parents[2] / "docs" / "dialects.md").read_text(encoding="utf-8")
    table = page.split(f"### {section}\n")[1].split(f"| {heading} |")[1].split("\n\n")[0]
    return set(re.findall(r"`([^`]+)`", "".join(row.split("|")[1] for row in table.splitlines()[2:])))


def test_the_page_has_every_crosstrade_command_and_no_other() -> None:
    assert first_cells("CrossTrade", "command") == set(COMMANDS)


@pytest.mark.parametrize(
    ("section", "texts"),
    [
        ("CrossTrade", [*(f"command={name};instrument=MNQ1!;action=BUY;qty=2;stop_loss=1" for name in COMMANDS), ATM]),
        ("OctoBot", ["SYMBOL=MNQ1!;SIGNAL=BUY;TAKE_PROFIT_PRICE=1", "SYMBOL=MNQ1!;SIGNAL=SELL;ORDER_TYPE=STOP"]),
    ],
)
def test_the_page_has_every_field_that_is_read_and_no_other(
    section: str, texts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: set[str] = set()
    take = Pairs.take

    def noted(pairs: Pairs, *names: str) -> str | None:
        taken.update(names)
        return take(pairs, *names)

    monkeypatch.setattr(Pairs, "take", noted)
    for path in RAW:
        if path.name.startswith(section.lower()):
            read_body(path.read_bytes())
    for text in texts:
        read_body(text.encode())
    known = {"command", "id", "fired_at", "bot", "comment"}  # said above the tables
    numbered = {re.sub(r"_[0-9]+\Z", "", name.lower()) for name in taken} - known
    assert {re.sub(r"_[0-9]+\Z", "", name.lower()) for name in first_cells(section, "field")} - {"..."} == numbered


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


# --- OctoBot -------------------------------------------------------------------------------------------------------------

BUY = "SYMBOL=MNQ1!;SIGNAL=BUY;VOLUME=3;STOP_PRICE=20980"


def test_an_octobot_signal_with_a_stop_is_an_entry_and_its_targets_share_evenly() -> None:
    made = entry(meaning(read(f"{BUY};TAKE_PROFIT_PRICE=21040;TAKE_PROFIT_PRICE_1=60d;TAKE_PROFIT_PRICE_2=21080")))
    assert (made.side, made.qty, made.care.stop_price) == (Side.BUY, 3, 20980)
    assert [(stage.qty, stage.target_price, stage.target_ticks) for stage in made.stages] == [
        (1, 21040, None), (1, None, 240), (1, 21080, None),
    ]  # fmt: skip


def test_the_ratios_are_those_of_the_prices_in_their_order() -> None:
    text = f"{BUY};TAKE_PROFIT_PRICE_10=21090;TAKE_PROFIT_PRICE_2=21040;TAKE_PROFIT_VOLUME_RATIO_1=1;TAKE_PROFIT_VOLUME_RATIO_2=2"
    targets = read(text).targets
    assert [(target.distance.value, target.qty_ratio) for target in targets] == [(21040, 1), (21090, 2)]


@pytest.mark.parametrize(
    ("text", "held", "wants"),
    [
        ("SYMBOL=MNQ1!;SIGNAL=SELL;REDUCE_ONLY=true;VOLUME=1", 3, Reduce(qty=1, side=LONG)),
        ("SYMBOL=MNQ1!;SIGNAL=SELL;REDUCE_ONLY=true", 3, Exit(side=LONG)),
        ("SYMBOL=MNQ1!;SIGNAL=buy;REDUCE_ONLY=1;VOLUME=9", -3, Exit(side=SHORT)),
        ("SYMBOL=MNQ1!;SIGNAL=SELL;ORDER_TYPE=STOP;STOP_PRICE=20990;VOLUME=1", 3, MoveStop(price=Decimal(20990))),
        ("SYMBOL=MNQ1!;SIGNAL=CANCEL", 3, Cancel()),
    ],
)
def test_an_octobot_signal_gets_out(text: str, held: int, wants: Intent) -> None:
    alert = read(text)
    assert wanted(meaning(alert, held)) == wants
    assert not may_open(alert)
    if not isinstance(wants, Cancel):
        assert isinstance(meaning(alert, -held), Refusal | Nothing)
        assert isinstance(meaning(alert, 0), Refusal | Nothing)


def test_a_bare_signal_is_left_to_the_bots_own_rule() -> None:
    alert = read("SYMBOL=MNQ1!;SIGNAL=SELL;VOLUME=1")
    assert alert.action is Action.SELL
    assert "may be an entry or an exit" in alert.warnings[0]


@pytest.mark.parametrize(
    ("exchange", "symbol"),
    [
        ("CME_MINI", "CME_MINI:MNQ1!"),
        ("CME_MINI_DL", "CME_MINI_DL:MNQ1!"),
        ("binance", "MNQ1!"),
        ("{{exchange}}", "MNQ1!"),
    ],
)
def test_the_exchange_tells_when_the_chart_is_delayed(exchange: str, symbol: str) -> None:
    alert = read(f"EXCHANGE={exchange};{BUY}")
    assert alert.symbol == symbol
    got = interpret(alert, BOT, where(symbol=symbol), NOW)
    assert isinstance(got, Refusal) is ("_DL" in symbol)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("SIGNAL=BUY", "SYMBOL is missing"),
        ("SYMBOL=MNQ1!;SIGNAL={{x}}", "SIGNAL is missing"),
        ("SYMBOL=MNQ1!;SIGNAL=HOLD", "SIGNAL is 'hold'"),
        ("SYMBOL=MNQ1!;SIGNAL=CANCEL;TAG=exit1", "TAG with SIGNAL=CANCEL"),
        ("SYMBOL=MNQ1!;SIGNAL=CANCEL;PARAM_SIDE=SELL", "PARAM_SIDE with SIGNAL=CANCEL"),
        ("SYMBOL=MNQ1!;SIGNAL=SELL;ORDER_TYPE=STOP", "STOP_PRICE is missing"),
        ("SYMBOL=MNQ1!;SIGNAL=SELL;ORDER_TYPE=STOP;STOP_PRICE=-3d", "only a price"),
        (f"{BUY};ORDER_TYPE=ICEBERG", "ORDER_TYPE is 'iceberg'"),
        (f"{BUY};ORDER_TYPE=LIMIT", "order.price is missing"),
        (f"{BUY};ORDER_TYPE=LIMIT;PRICE=-3d", "PRICE is '-3d'"),
        (f"{BUY};TRAILING_PROFILE=x", "TRAILING_PROFILE"),
        (f"{BUY};CANCEL_POLICY=x", "CANCEL_POLICY"),
        (f"{BUY};TAKE_PROFIT_PRICE=-1%", "TAKE_PROFIT_PRICE is '-1%'"),
        (f"{BUY};TAKE_PROFIT_PRICE=21040;TAKE_PROFIT_PRICE_1=21080;TAKE_PROFIT_VOLUME_RATIO_1=1", "give one for each"),
        (BUY.replace("20980", "10%"), "did you mean -10%?"),
        *[(BUY.replace("VOLUME=3", f"VOLUME={size}"), "VOLUME is") for size in ("12%", "20p%", "100q", "0.01", "3a%", "-1")],
    ],
)  # fmt: skip
def test_what_octobot_can_say_and_is_not_available_is_refused_by_name(text: str, said: str) -> None:
    assert said in problem(text)


# --- AutoView and Alertatron ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "held", "wants"),
    [
        ("a=* e=cme s=MNQ1! c=position", 3, Exit()),
        ("s = MNQ1! c = position b = long", 3, Exit(side=LONG)),
        ("s=MNQ 12-26 c=position b=short q=50%", -4, Reduce(qty=2, side=SHORT)),
        ("s=MNQ1! c=position cm=1 delay=3 sl=20", 3, Reduce(qty=1, side=LONG)),
        ("s=MNQ1! c=order", 3, Cancel()),
    ],
)
def test_an_autoview_command_gets_out(text: str, held: int, wants: Intent) -> None:
    alert = read(text)
    assert wanted(meaning(alert, held)) == wants
    assert not may_open(alert)


def test_autoview_commands_are_read_one_by_one() -> None:
    alerts = read_all("s=MNQ1! c=position | s=MES1! c=order\r\n# nothing\r\ns=M2K1! c=position b=sell")
    assert [(alert.action, alert.symbol) for alert in alerts] == [
        (Action.EXIT, "MNQ1!"),
        (Action.CANCEL, "MES1!"),
        (Action.EXIT_SHORT, "M2K1!"),
    ]


def test_an_autoview_entry_has_no_stop_and_is_refused_for_it() -> None:
    alert = read("a=main s=MNQ1! b=long q=1 t=limit fp=21000 d=1 l=5")
    assert alert.dry_run
    assert reason(meaning(alert)) is Reason.NO_STOP
    assert read("s=MNQ1! b=sell q=1").action is Action.SELL


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("s=MNQ1! b=long q=1 sl=20", "sl='20'"),
        ("s=MNQ1! b=long q=1 p=-1%", "p='-1%'"),
        ("s=MNQ1! b=long q=1 delay=5", "delay='5'"),
        ("s=MNQ1! b=long q=50%", "q is '50%'"),
        ("s=MNQ1! b=long q=1 & tp=20", "& adds orders"),
        ("s=MNQ1! c=order b=buy", "c=order with b=buy"),
        ("s=MNQ1! b=up q=1", "b is 'up'"),
        ("a=1 b=buy q=1", "s is missing"),
        ("s=MNQ1! a=1 q=1", "b is missing"),
        ("s=MNQ1! c=all", "c is 'all'"),
        ("s=MNQ1! b=long t=fok", "t is 'fok'"),
        ("s=MNQ1! c=position\n" * 11, "11 commands"),
        ("bitmex(XBTUSD) { market(side=buy, amount=1); }", "template"),
    ],
)
def test_what_is_not_clear_for_futures_is_refused_by_name(text: str, said: str) -> None:
    assert said in problem(text)


# --- properties ----------------------------------------------------------------------------------------------------------

NAMES = [
    "instrument", "symbol", "s", "action", "signal", "b", "c", "q", "qty", "volume", "command", "order_type",
    "limit_price", "stop_price", "stop_loss", "take_profit", "price", "account", "flatten_first",
    "require_market_position", "max_positions", "delay", "atm_targets", "atm_stops", "atm_qtys", "atm_trail",
    "atm_breakeven", "reduce_only", "percent", "market_position", "take_profit_price", "take_profit_price_1",
    "take_profit_volume_ratio_1", "tag", "leverage", "exchange", "id", "fired_at", "tif", "d", "t", "a", "e",
]  # fmt: skip
SPECIAL = [
    "", "1", "2", "0", "-1", "21000", "20980", "-20 ticks", "10%", "-3d", "50%", "true", "flat", "long", "short", "BUY", "sell",
    "MARKET", "LIMIT", "STOP", "MNQ1!", "20,40", "{{x}}", "NaN", "na", "position", "order", "sim101", '"', "=", "x" * 300,
]  # fmt: skip
VALUES = st.sampled_from(SPECIAL) | st.text(max_size=6)
FREE = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=8)


def joined(fields: dict[str, str]) -> str:
    return ";".join(f"{name}={value}" for name, value in fields.items())


@given(
    st.sampled_from(["command=" + name for name in COMMANDS] + ["SIGNAL=BUY", "SIGNAL=SELL", "s=MNQ1! c=order", ""]),
    FREE,
    st.text(max_size=20),
)
def test_no_text_makes_a_reader_raise(head: str, fields: dict[str, str], tail: str) -> None:
    for text in (
        f"{head};{joined(fields)}",
        f"{head} {joined(fields).replace(';', ' ')}",
        f"{head};{tail}",
        f"{tail}\n{head}",
    ):
        reading = read_body(text.encode("utf-8", "replace"))
        assert (reading.problem is None) is bool(reading.alerts)
        for alert in reading.alerts:
            assert isinstance(meaning(at_the_place(alert), 2), Wanted | Nothing | Refusal)


def at_the_place(alert: Alert) -> Alert:
    """The tests' bot knows one place; which symbol was sent is for the engine to look up."""
    return alert if alert.symbol is None else msgspec.structs.replace(alert, symbol="MNQ1!")


OUT = ["command=" + name for name in COMMANDS if name not in {"PLACE", "FLATPLACE", "REVERSE", "REVERSEPOSITION"}]


@given(
    st.sampled_from(
        [
            *OUT,
            "command=REVERSE;stop_loss={{x}}",
            "SIGNAL=SELL;REDUCE_ONLY=true",
            "SIGNAL=BUY;ORDER_TYPE=STOP",
            "SIGNAL=CANCEL",
        ]
    ),
    FREE,
    st.integers(-5, 5),
)
def test_a_text_that_gets_out_never_opens(head: str, fields: dict[str, str], held: int) -> None:
    taken = {name.lower() for name in ("command", "signal", "reduce_only", "order_type", "stop_loss")}
    kept = {name: value for name, value in fields.items() if name not in taken}
    text = f"{head};{joined({'instrument': 'MNQ1!', 'symbol': 'MNQ1!'} | kept)}"
    for alert in read_body(text.encode("utf-8", "replace")).alerts:
        assert not may_open(alert), text
        check_out(meaning(at_the_place(alert), held), held)


def check_out(got: Any, held: int) -> None:
    match got:
        case Wanted(Reduce(qty=qty)):
            assert 1 <= qty < abs(held)
        case Wanted(Exit(everything=everything)):
            assert everything or held
        case Wanted(intent):
            assert isinstance(intent, Cancel) or (held and isinstance(intent, MoveStop | MoveTarget)), intent
        case _:
            assert isinstance(got, Nothing | Refusal)


def test_a_bot_of_another_size_limit_is_asked_as_ever() -> None:
    got = interpret(
        read(f"{PLACE.replace('qty=2', 'qty=9')};stop_loss=20980"), replace(BOT, max_position=5), where(), NOW
    )
    assert reason(got) is Reason.MAX_POSITION
