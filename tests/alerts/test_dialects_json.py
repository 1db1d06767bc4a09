"""JSON messages of other bridges -> our own form (TradingView reference 10; docs/dialects.md)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from desk.alerts import DialectTerms, Reading, read_body
from desk.alerts.dialects import OBJECT_DIALECTS
from desk.alerts.wire import Number, dump, parse_json
from tests.alerts.test_golden import without_blanks

GOLDEN = Path(__file__).parent / "golden" / "dialects"
MINE = ("traderspost", "pickmytrade", "threecommas", "topstepbot", "minimal", "robswc")
TERMS = DialectTerms(pickmytrade_dollar="points")


def goldens() -> list[Path]:
    every = sorted(GOLDEN.glob("*.json"))
    return [path for path in every if path.stem.split("_")[0] in MINE and not path.name.endswith(".expected.json")]


def read(message: Any, terms: DialectTerms = TERMS) -> Reading:
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    return read_body(body, (), lambda secret: terms)


def canonical(body: bytes) -> dict[str, Any]:
    reading = read(body)
    return {
        "alerts": [without_blanks(json.loads(msgspec.json.encode(alert))) for alert in reading.alerts],
        "problem": reading.problem,
    }


@pytest.mark.parametrize("path", goldens(), ids=lambda path: path.stem)
def test_a_golden_body_reads_as_written_down(path: Path) -> None:
    expected = json.loads(path.with_suffix(".expected.json").read_text(encoding="utf-8"))
    assert canonical(path.read_bytes()) == {name: expected[name] for name in ("alerts", "problem")}


# --- what is refused, and how it is said -------------------------------------------------------------------------------

POST: dict[str, Any] = {"ticker": "MNQ1!", "action": "buy", "quantity": 1, "price": 21000, "stopLoss": {"amount": 20}}
PICK: dict[str, Any] = {
    "symbol": "MNQ1!", "data": "buy", "quantity": 1, "price": 21000, "dollar_sl": 20, "token": "PMT-1f0e88a2c4",
    "date": "2026-11-18T11:59:58Z",
}  # fmt: skip
COMMAS: dict[str, Any] = {
    "tv_instrument": "MNQ1!",
    "action": "buy",
    "bot_uuid": "b",
    "strategy_info": {"market_position": "long"},
}
STEP: dict[str, Any] = {
    "ticker": "MNQ1!",
    "type": "SIGNAL",
    "side": "BUY",
    "entry": 21000,
    "stop": 20980,
    "tp": 0,
    "strat": "x",
}
PLAIN: dict[str, Any] = {"action": "BUY", "symbol": "MNQ1!", "quantity": 1, "stop_loss": 20980}
LEG = {"quantity": 1, "dollar_tp": 40, "dollar_sl": 20}
WRONG: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    (POST, {"action": "bu"}, "action is 'bu'"),
    (POST, {"action": "{{strategy.order.action}}"}, "action is missing"),
    (POST, {"ticker": ""}, "ticker is missing"),
    (POST, {"action": "cancel", "ticker": "{{ticker}}"}, "ticker is '{{ticker}}'"),
    (POST, {"sentiment": "{{strategy.market_position}}"}, "nobody knows whether buy enters or exits"),
    (POST, {"sentiment": "sideways"}, "sentiment is 'sideways'"),
    (POST, {"action": "sell", "sentiment": "bullish", "quantity": None}, "quantity is missing"),
    (POST, {"action": "exit", "quantityType": "dollar_amount"}, "quantityType dollar_amount cannot size an exit"),
    (POST, {"action": "exit", "orderType": "limit", "limitPrice": 21100}, "an exit is always at market"),
    (POST, {"action": "exit", "quantity": "half"}, "quantity is 'half'"),
    (POST, {"action": "exit", "quantity": "half", "quantityType": "percent_of_position"}, "quantity is 'half'"),
    (COMMAS, {"action": "exit_long", "order": {"amount": "all", "currency_type": "position_percent"}}, "order.amount is 'all'"),
    (POST, {"quantity": "1.5"}, "quantity is '1.5'"),
    (POST, {"quantity": 0}, "quantity is '0'"),
    (POST, {"quantity": "NaN"}, "quantity is 'NaN'"),
    (POST, {"quantityType": "percent_of_equity"}, "quantityType percent_of_equity"),
    (POST, {"quantityType": "risk_percent"}, "quantityType risk_percent"),
    (POST, {"quantityType": "dollar_amount"}, "quantityType dollar_amount"),
    (POST, {"quantityType": "percent_of_position"}, "percent_of_position sizes an exit"),
    (POST, {"orderType": "limit", "price": ""}, "limitPrice is missing"),
    (POST, {"orderType": "stop"}, "stopPrice is missing"),
    (POST, {"orderType": "stop_limit", "stopPrice": 21050}, "limitPrice is missing"),
    (POST, {"limitPrice": 21000}, "limitPrice with orderType market"),
    (POST, {"stopPrice": 21000}, "stopPrice with orderType market"),
    (POST, {"orderType": "trailing_stop", "trailAmount": 5}, "orderType trailing_stop"),
    (POST, {"trailPercent": 1}, "trailPercent is '1'"),
    *((POST, {"timeInForce": word}, f"timeInForce is '{word}'") for word in ("ioc", "fok", "opg", "cls", "soon")),
    (POST, {"delay": 10}, "delay is '10'"),
    (POST, {"cancelOrderType": "limit"}, "cancelOrderType is 'limit'"),
    *((POST, {name: "+1"}, f"{name} is") for name in ("intrinsicValue", "expiration", "strikePrice", "strikesAway")),
    (POST, {"action": "exit", "optionType": "put"}, "optionType is 'put'"),
    (POST, {"takeProfit": {"amount": 5, "percent": 1}}, "there is percent and amount"),
    (POST, {"takeProfit": {"amount": "{{plot_0}}"}}, "there is none"),
    (POST, {"takeProfit": 5}, "takeProfit is '5'; an object"),
    (POST, {"stopLoss": {"amount": 0}}, "stopLoss.amount is 0"),
    (POST, {"stopLoss": {"type": "stop"}}, "Exactly one of stopLoss.stopPrice, stopLoss.percent, stopLoss.amount"),
    (POST, {"stopLoss": {"type": "stop_limit", "stopPrice": 20980, "limitPrice": 20970}}, "stopLoss.type stop_limit"),
    (POST, {"stopLoss": {"amount": 20, "limitPrice": 20970}}, "stopLoss.limitPrice is '20970'"),
    (POST, {"stopLoss": {"type": "trailing_stop", "trailPercent": 1}}, "stopLoss.trailPercent is '1'"),
    (POST, {"stopLoss": {"type": "trailing_stop", "amount": 20}}, "stopLoss.amount is '20'"),
    (POST, {"stopLoss": {"amount": 20, "trailAmount": 10}}, "stopLoss.trailAmount is '10'"),
    (PICK, {"data": "hold"}, "data is 'hold'"),
    (PICK, {"risk_percentage": "2"}, "risk_percentage is '2'"),
    (PICK, {"inst_type": "OPT"}, "inst_type is 'OPT'"),
    (PICK, {"place_order_at": "open"}, "place_order_at is 'open'"),
    (PICK, {"tp": 21040, "dollar_tp": 40}, "tp 21040 and dollar_tp 40: which one is meant"),
    (PICK, {"sl": -5}, "sl is '-5'"),
    (PICK, {"order_type": "LMT", "price": 0}, "price is missing; order_type LMT"),
    (PICK, {"order_type": "STPLMT"}, "stp_limit_stp_price is missing"),
    (PICK, {"order_type": "STP", "stp_limit_stp_price": 21010}, "which one is the stop"),
    (PICK, {"order_type": "TRAIL"}, "order_type is 'TRAIL'"),
    (PICK, {"trail": 1}, "trail is on and trail_stop is missing"),
    (PICK, {"update_sl": True, "dollar_sl": 0}, "update_sl is true and there is no sl"),
    (PICK, {"advance_tp_sl": [{"dollar_tp": 5}]}, "advance_tp_sl[0].quantity is missing"),
    (PICK, {"advance_tp_sl": {"quantity": 1}}, "advance_tp_sl is an object"),
    (PICK, {"advance_tp_sl": ["x"]}, "advance_tp_sl[0] is 'x'"),
    (PICK, {"advance_tp_sl": [LEG, {**LEG, "dollar_sl": 30}]}, "the legs differ in sl"),
    (PICK, {"advance_tp_sl": [LEG, {**LEG, "breakeven": 5}]}, "the legs differ in breakeven"),
    (PICK, {"advance_tp_sl": [{"quantity": 1}, LEG]}, "advance_tp_sl[0] has no target"),
    (PICK, {"advance_tp_sl": [LEG], "dollar_tp": 9}, "tp beside advance_tp_sl"),
    (PICK, {"advance_tp_sl": [LEG] * 9}, "at most 8 legs"),
    (PICK, {"multiple_accounts": "main"}, "multiple_accounts is 'main'"),
    (PICK, {"multiple_accounts": [7]}, "multiple_accounts[0] is '7'"),
    (PICK, {"multiple_accounts": [{"account_id": "a", "risk_percentage": 1}]}, "multiple_accounts[0].risk_percentage is '1'"),
    (PICK, {"multiple_accounts": [{"account_id": "a", "quantity_multiplier": 0}]}, "quantity_multiplier is 0"),
    (PICK, {"multiple_accounts": [{"quantity_multiplier": 2}]}, "multiple_accounts[0].account_id is missing"),
    (COMMAS, {"strategy_info": {"market_position": "{{strategy.market_position}}"}}, "market_position is missing"),
    (COMMAS, {"strategy_info": {}}, "market_position is missing"),
    (COMMAS, {"strategy_info": {"market_position": "up"}}, "strategy_info.market_position is 'up'"),
    (COMMAS, {"strategy_info": "long"}, "strategy_info is 'long'; an object"),
    (COMMAS, {"tv_instrument": "{{ticker}}"}, "tv_instrument is '{{ticker}}'"),
    (COMMAS, {"order": {"amount": 1}}, "order.currency_type is missing"),
    (COMMAS, {"order": {"amount": 5, "currency_type": "position_percent"}}, "order.currency_type position_percent"),
    (COMMAS, {"order": {"amount": 0.5, "currency_type": "base"}}, "order.amount is '0.5'"),
    (STEP, {"type": "ENTER"}, "type is 'ENTER'"),
    (STEP, {"side": "UP"}, "side is 'UP'"),
    (STEP, {"side": None}, "direction is missing"),
    (STEP, {"stop": None}, "stop is missing"),
    (STEP, {"stop": 0}, "stop is '0'"),
    (PLAIN, {"action": "HODL"}, "action is 'HODL'"),
    (PLAIN, {"order_type": "limit"}, "'order_type': not known in this form"),
    (PLAIN, {"symbol": ""}, "symbol is missing"),
]  # fmt: skip


@pytest.mark.parametrize(("base", "change", "said"), WRONG, ids=lambda value: value if isinstance(value, str) else "")
def test_what_cannot_be_honoured_is_refused_by_its_own_name(base: dict[str, Any], change: Any, said: str) -> None:
    assert read(base).problem is None
    reading = read({**base, **change})
    assert said.lower() in (reading.problem or "").lower()
    assert reading.alerts == ()


@pytest.mark.parametrize("name", ["dollar_tp", "dollar_sl", "breakeven", "trail_stop"])
def test_a_pickmytrade_distance_without_its_unit_is_a_question(name: str) -> None:
    message = {**PICK, "dollar_sl": 0, "sl": 20980, "trail": name == "trail_stop", name: 12}
    if name == "dollar_sl":
        del message["sl"]
    problem = read(message, DialectTerms()).problem or ""
    assert problem.startswith(f"{name}: is it in points, in ticks or in dollars per contract?")
    assert "PICKMYTRADE_DOLLAR_UNIT=points (or ticks, or usd) in .env" in problem
    assert "pickmytrade_dollar_unit of the bot in desk.toml" in problem
    assert read({**message, "data": "close"}, DialectTerms()).problem is None, "an exit needs no unit"


@pytest.mark.parametrize("unit", ["points", "ticks", "usd"])
def test_a_pickmytrade_distance_has_the_unit_that_the_owner_named(unit: str) -> None:
    (alert,) = read({**PICK, "dollar_tp": 40}, DialectTerms(pickmytrade_dollar=unit)).alerts
    assert alert.stop is not None
    assert {alert.stop.distance.unit, alert.targets[0].distance.unit} == {unit}


# --- details -----------------------------------------------------------------------------------------------------------


def one(message: dict[str, Any]) -> Any:
    reading = read(message)
    assert reading.problem is None, reading.problem
    (alert,) = reading.alerts
    return alert


@pytest.mark.parametrize(
    ("closes", "pyramid", "opposite", "same"),
    [
        (True, False, "reverse", "replace"),
        (True, None, "reverse", "replace"),
        (True, True, "reverse", "add"),
        (False, True, "reject", "add"),
        (False, False, "reject", "reject"),
        (None, False, None, "reject"),
        (None, True, None, "add"),
        (None, None, None, None),
    ],
)
def test_the_truth_table_of_reverse_and_pyramid(closes: bool, pyramid: bool, opposite: str, same: str) -> None:
    policy = one({**PICK, "reverse_order_close": closes, "pyramid": pyramid}).policy
    assert (policy.opposite, policy.same) == (opposite, same)
    older = one({**PICK, "reverse_order_close": closes, "duplicate_position_allow": pyramid}).policy
    assert (older.opposite, older.same) == (opposite, same)
    ignoring = one({**PICK, "reverse_order_close": closes, "pyramid": pyramid, "same_direction_ignore": "true"}).policy
    assert (ignoring.opposite, ignoring.same) == (opposite, "ignore")


@pytest.mark.parametrize(
    "message",
    [
        {**PICK},
        {name: value for name, value in PICK.items() if name != "token"}
        | {"multiple_accounts": [{"token": PICK["token"]}]},
    ],
)
def test_a_pickmytrade_token_is_the_secret_and_is_nowhere_kept(message: dict[str, Any]) -> None:
    reading = read({**message, "strategy_name": "orb"})
    assert reading.secret is not None
    assert reading.secret.reveal() == PICK["token"]
    assert PICK["token"] not in msgspec.json.encode(reading.alerts).decode() + reading.raw


def test_different_tokens_of_an_account_list_open_no_door() -> None:
    message = {
        "symbol": "MNQ1!",
        "data": "close",
        "multiple_accounts": [{"token": "one-token"}, {"token": "two-token"}],
    }
    reading = read(message)
    assert reading.secret is None
    assert "one-token" not in reading.raw + msgspec.json.encode(reading.alerts).decode()


def test_the_id_holds_the_time_and_everything_else() -> None:
    ids = {one({**PICK, **change}).sender_id for change in ({}, {}, {"quantity": 2}, {"date": "2026-11-18T11:59:59Z"})}
    assert len(ids) == 3
    assert one({**PICK, "date": "{{timenow}}"}).sender_id is None
    assert one({**COMMAS, "timestamp": "2026-11-18T11:59:58Z"}).sender_id.startswith("2026-11-18T11:59:58Z|")
    assert one({**COMMAS, "alertTimestamp": "MNQ1!-7"}).sender_id == "MNQ1!-7"


def test_two_moves_of_one_body_are_two_signals() -> None:
    stop, target = read({**PICK, "dollar_tp": 30, "update_sl": 1, "update_tp": 1}).alerts
    assert (stop.action, target.action) == ("move_stop", "move_target")
    assert target.sender_id == f"{stop.sender_id}|2"
    assert (stop.targets, target.stop) == ((), None)


@pytest.mark.parametrize("base", [POST, PICK, COMMAS, STEP, PLAIN])
def test_dry_run_is_honoured_in_every_form(base: dict[str, Any]) -> None:
    assert one({**base, "dry_run": "true"}).dry_run is True


def test_an_unknown_field_is_kept_and_said() -> None:
    alert = one({**POST, "colour": {"a": 1}, "stopLoss": {"amount": 20, "wide": True}})
    assert alert.extras == {"colour": '{"a":1}', "stopLoss": '{"wide":true}'}
    assert "unknown field 'colour': kept, not used" in alert.warnings
    assert "unknown field 'stopLoss.wide': kept, not used" in alert.warnings


@pytest.mark.parametrize(("base", "name"), [(POST, "message"), (PICK, "comment"), (PLAIN, "comment")])
def test_a_comment_of_any_length_and_kind_stops_nothing(base: dict[str, Any], name: str) -> None:
    assert one({**base, name: "long " * 200}).comment == ("long " * 200).strip()
    assert one({**base, name: {"a": 1}}).extras[name] == '{"a":1}'


def test_a_limit_without_its_price_takes_the_signals() -> None:
    alert = one({**POST, "orderType": "limit"})
    assert (alert.order.type, alert.order.price) == ("limit", 21000)
    assert alert.warnings[0] == "no limitPrice: the limit is price, 21000"


@pytest.mark.parametrize(
    ("body", "dialect"),
    [
        ({"bot_uuid": "x", "action": "exit_long", "tv_instrument": "MNQ1!", "ticker": "MNQ1!"}, "3Commas"),
        ({"strategy_info": {"market_position": "flat"}, "action": "sell", "tv_instrument": "MNQ1!"}, "3Commas"),
        ({"ticker": "MNQ1!", "action": "exit", "data": "x", "token": "y"}, "TradersPost"),
        ({"symbol": "MNQ1!", "data": "close", "strategy_name": "s", "action": "x"}, "PickMyTrade"),
        ({"type": "CLOSE", "strat": "a", "ticker": "MNQ1!", "symbol": "x"}, "topstepbot"),
        ({"action": "close", "symbol": "MNQ1!"}, "minimal REST"),
        ({"action": "exit", "symbol": "MNQ1!"}, "desk"),
        ({"v": 1, "action": "exit", "symbol": "MNQ1!", "ticker": "MNQ1!"}, "desk"),
    ],
)
def test_the_order_in_which_forms_are_recognised(body: dict[str, Any], dialect: str) -> None:
    assert one(body).dialect == dialect
    assert read(body, DialectTerms(pinned=dialect)).problem is None
    assert "reads robswc only" in (read(body, DialectTerms(pinned="robswc")).problem or "")


# --- laws --------------------------------------------------------------------------------------------------------------


def with_numbers_as_text(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: with_numbers_as_text(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [with_numbers_as_text(inner) for inner in value]
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


@pytest.mark.parametrize("path", goldens(), ids=lambda path: path.stem)
def test_numbers_as_text_mean_the_same(path: Path) -> None:
    """Apart from what is kept as it was sent, and from the digest of it."""
    as_text = with_numbers_as_text(json.loads(path.read_bytes()))
    for was, now in zip(read(path.read_bytes()).alerts, read(as_text).alerts, strict=True):
        same = msgspec.structs.replace(now, extras=was.extras, sender_id=was.sender_id)
        assert same == was


@pytest.mark.parametrize("path", goldens(), ids=lambda path: path.stem)
def test_the_translation_read_again_gives_the_same_alert(path: Path) -> None:
    reading = read(path.read_bytes())
    if reading.problem is not None:
        return
    tree = parse_json(reading.raw)
    assert isinstance(tree, dict)
    messages = OBJECT_DIALECTS[reading.alerts[0].dialect](tree, TERMS).messages
    for message, alert in zip(messages, reading.alerts, strict=True):
        (again,) = read_body(dump({"v": Number("1"), **message}).encode()).alerts
        assert again == msgspec.structs.replace(alert, dialect="desk", warnings=again.warnings)
