"""Fields of one message: what is missing, what is refused, what is normalised (TradingView reference 5, 6, 11)."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from desk.alerts import Reading, read_body
from desk.core.alert import (
    Action,
    Alert,
    AlertOrder,
    AlertQty,
    BreakEvenSpec,
    Distance,
    PositionSide,
    TrailSpec,
    Unit,
)

ENTRY: dict[str, Any] = {"v": 1, "action": "enter_long", "symbol": "CME_MINI:MNQ1!", "fired_at": "2026-11-20T14:30:01Z"}


def reading_of(**fields: Any) -> Reading:
    return read_body(json.dumps({**ENTRY, **fields}).encode())


def alert_of(**fields: Any) -> Alert:
    reading = reading_of(**fields)
    assert reading.problem is None, reading.problem
    return reading.alerts[0]


def problem_of(**fields: Any) -> str:
    reading = reading_of(**fields)
    assert reading.alerts == ()
    assert reading.problem is not None
    return reading.problem


@pytest.mark.parametrize(
    "size", [0, 1.5, -1, "0", "1.5", "NaN", "Infinity", "1e400", 1e300, 1001, "9" * 25, "x", True, [], {}]
)
def test_a_size_that_is_no_whole_positive_number_is_refused_by_name(size: object) -> None:
    problem = problem_of(qty={"mode": "contracts", "value": size})
    assert problem.startswith("qty.value is ")
    assert "whole number of contracts from 1 to 1000" in problem


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", "-1e-400", "9" * 5000])
def test_bare_words_and_huge_numbers_as_sizes_are_refused(number: str) -> None:
    body = '{"v":1,"action":"buy","symbol":"MNQ1!","qty":{"mode":"contracts","value":' + number + "}}"
    reading = read_body(body.encode())
    assert reading.alerts == ()
    assert (reading.problem or "").startswith("qty.value is ")


@pytest.mark.parametrize("missing", ["", "  ", "na", "NA", "null", "{{strategy.order.contracts}}", None])
def test_a_missing_size_is_refused_where_contracts_are_asked_for(missing: object) -> None:
    assert "qty.value is missing" in problem_of(qty={"mode": "contracts", "value": missing})


@pytest.mark.parametrize(("size", "expected"), [(2, 2), ("2", 2), ("2.0", 2), (2.0, 2), (" 3 ", 3), ("1e1", 10)])
def test_numeric_texts_are_sizes(size: object, expected: int) -> None:
    assert alert_of(qty={"value": size}).qty.value == expected
    assert alert_of(qty=size).qty.mode == "contracts"


@pytest.mark.parametrize("missing", ["", "na", "null", "{{close}}", None])
def test_a_missing_price_is_none_and_never_zero(missing: object) -> None:
    assert alert_of(price=missing).price is None


@pytest.mark.parametrize("price", ["NaN", "Infinity", 0, -1, "21034,25", "21,034.25", "١٢", "1_000", "0x10", True])
def test_a_price_that_is_none_is_refused(price: object) -> None:
    assert problem_of(price=price).startswith("price is ")
    assert problem_of(stop={"unit": "price", "value": price}).startswith("stop.value is ")
    assert problem_of(order={"type": "limit", "price": price}).startswith("order.price is ")


def test_a_decimal_comma_gets_a_clear_text() -> None:
    assert "decimal dot" in problem_of(price="21034,25")


def test_prices_are_exact() -> None:
    assert alert_of(price="0.0000005").price == Decimal("0.0000005")
    body = b'{"v":1,"action":"buy","symbol":"6J1!","price":0.100000000000000005551115123125}'
    assert read_body(body).alerts[0].price == Decimal("0.100000000000000005551115123125")


@pytest.mark.parametrize(
    "stop", [{"unit": "points", "value": ""}, {"unit": "points"}, {"value": 20}, {"unit": "dots", "value": 1}, 20]
)
def test_an_entry_never_loses_its_stop_quietly(stop: object) -> None:
    assert problem_of(stop=stop).startswith("stop")


@pytest.mark.parametrize("action", ["exit", "exit_long", "flatten", "flatten_all", "cancel", "reduce"])
def test_an_exit_is_never_held_up_by_prices_it_does_not_need(action: str) -> None:
    alert = alert_of(action=action, price="NaN", stop={"unit": "price", "value": "NaN"}, targets=5, fired_at="soon")
    assert (alert.price, alert.stop, alert.targets, alert.fired_at) == (None, None, (), None)
    assert len([text for text in alert.warnings if text.startswith("left out")]) == 4


def test_a_sell_to_flat_is_an_exit_in_that_respect() -> None:
    assert alert_of(action="sell", position={"now": "flat", "size": 0}, price="NaN").price is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [(True, True), ("true", True), ("False", False), (1, True), ("0", False), ("", False), (None, False)],
)
def test_switches_are_normalised(value: object, expected: bool) -> None:
    assert alert_of(dry_run=value).dry_run is expected


def test_a_switch_that_is_none_is_refused() -> None:
    assert problem_of(dry_run="maybe") == "dry_run is 'maybe'; allowed is true or false."


@pytest.mark.parametrize(
    "moment",
    [
        "2026-11-20T14:30:01Z",
        "2026-11-20 14:30:01",
        "2026-11-20T08:30:01-06:00",
        1795185001,
        "1795185001",
        1795185001000,
    ],
)
def test_times_are_iso_or_epoch_by_magnitude(moment: object) -> None:
    assert alert_of(fired_at=moment, bar_time=moment).fired_at == datetime(2026, 11, 20, 14, 30, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "moment", ["yesterday", 0, 20261120, "2026-13-01T00:00:00Z", 1e30, "1e99999", {}, "2026-11-20"]
)
def test_a_time_nobody_can_read_is_refused(moment: object) -> None:
    assert problem_of(fired_at=moment).startswith("fired_at is ")


def test_a_missing_fired_at_is_said() -> None:
    assert "no fired_at: the age of this alert cannot be checked" in alert_of(fired_at="{{timenow}}").warnings


@pytest.mark.parametrize("action", ["", None, "{{strategy.order.action}}", "long", "BUY NOW", 7, {}])
def test_an_unknown_action_is_refused_with_the_list(action: object) -> None:
    assert problem_of(action=action).startswith("action ")


@pytest.mark.parametrize("action", list(Action))
def test_every_action_is_read_in_any_case(action: Action) -> None:
    position = {"now": "long", "size": 1}
    assert alert_of(action=f" {action.value.upper()} ", position=position).action is action


@pytest.mark.parametrize("action", ["enter_long", "buy", "exit", "reverse", "move_stop"])
@pytest.mark.parametrize("symbol", ["", None, "{{exchange}}:{{ticker}}"])
def test_a_trade_needs_its_symbol(action: str, symbol: object) -> None:
    assert problem_of(action=action, symbol=symbol).startswith("symbol ")


@pytest.mark.parametrize("action", ["flatten_all", "heartbeat", "note", "pause", "cancel"])
def test_other_messages_need_no_symbol(action: str) -> None:
    assert alert_of(action=action, symbol=None).symbol is None


@pytest.mark.parametrize("symbol", ["", "na", "{{tickr}}"])
def test_a_cancel_whose_symbol_is_empty_does_not_mean_the_whole_account(symbol: str) -> None:
    assert "symbol is" in problem_of(action="cancel", symbol=symbol)


def test_a_policy_that_nobody_filled_in_is_refused_where_something_may_open() -> None:
    policy = {"require_position": "{{plot_0}}"}
    assert "policy.require_position is '{{plot_0}}'" in problem_of(policy=policy)
    assert alert_of(action="exit", policy=policy).policy.require_position is None
    assert alert_of(action="sell", position={"now": "flat"}, policy=policy).policy.require_position is None


def test_a_dry_run_that_nobody_filled_in_sends_no_entry_and_holds_no_exit_up() -> None:
    assert "dry_run is '{{plot_1}}'" in problem_of(dry_run="{{plot_1}}")
    assert not alert_of(action="exit", dry_run="{{plot_1}}").dry_run


def test_an_id_may_have_128_characters_and_no_more() -> None:
    assert alert_of(id="x" * 128).sender_id == "x" * 128
    assert problem_of(id="x" * 129) == "id has 129 characters; at most 128 are allowed."
    assert alert_of(id=17).sender_id == "17"


def test_an_id_with_a_placeholder_left_in_it_is_not_used() -> None:
    alert = alert_of(id="{{strategy.order.id}}|x")
    assert alert.sender_id is None
    assert any("not used to recognise duplicates" in text for text in alert.warnings)


@pytest.mark.parametrize("version", [2, "2", "x", 0, True, "", {}, 11])
def test_an_unknown_major_version_is_refused(version: object) -> None:
    assert problem_of(v=version).startswith('"v" is ')


def test_a_minor_version_is_read() -> None:
    assert alert_of(v="1.3").action is Action.ENTER_LONG


def test_a_position_target_is_checked_for_sense() -> None:
    position = alert_of(position={"now": "Short", "size": "2", "prev": "", "prev_size": ""}).position
    assert position is not None
    assert (position.now, position.size, position.prev) == (PositionSide.SHORT, 2, None)
    assert alert_of(position={"now": "", "size": "", "prev": None}).position is None
    assert problem_of(position={"now": "flat", "size": 2}).startswith("position says flat with size 2")
    assert problem_of(position={"now": "long", "size": 0}).startswith("position says long with size 0")
    assert problem_of(action="set_position").startswith("set_position needs")


@pytest.mark.parametrize(
    ("fields", "start"),
    [
        ({"order": {"type": "limit"}}, "order.price is missing"),
        ({"order": {"type": "stop_limit", "price": 1}}, "order.stop_price is missing"),
        ({"order": {"type": "iceberg"}}, "order.type is 'iceberg'"),
        ({"order": {"type": "limit", "price": 1, "expire_s": "NaN"}}, "order.expire_s is 'NaN'"),
        ({"order": {"expire_s": -1}}, "order.expire_s is '-1'; allowed is seconds, 0 or more."),
        ({"qty": {"mode": "risk_usd"}}, "qty.value is missing"),
        ({"qty": {"mode": "lots", "value": 1}}, "qty.mode is 'lots'"),
        ({"qty": {"value": 1, "max": 1.5}}, "qty.max is '1.5'"),
        ({"targets": [{"unit": "points", "value": 1}] * 9}, "targets is a list; a list of at most 8"),
        ({"targets": [{"unit": "points", "value": 1, "qty_pct": 60}] * 2}, "targets: qty_pct adds up"),
        ({"targets": [{"unit": "points", "value": 1, "qty_pct": 60, "qty": 1}]}, "targets[0]: give one of"),
        ({"targets": [{"unit": "points", "value": 1}, {"unit": "points"}]}, "targets[1].value is missing"),
        ({"policy": {"opposite": "maybe"}}, "policy.opposite is 'maybe'"),
        ({"policy": {"max_position": "NaN"}}, "policy.max_position is 'NaN'"),
        ({"policy": []}, "policy is a list; an object"),
        ({"accounts": "main"}, "accounts is 'main'"),
        ({"accounts": [{"factor": 2}]}, "accounts[0].ref is missing"),
        ({"symbol": {"a": 1}}, "symbol is an object"),
        ({"tags": "orb"}, "tags is 'orb'"),
    ],
)
def test_a_wrong_field_is_refused_by_its_path(fields: dict[str, Any], start: str) -> None:
    assert problem_of(**fields).startswith(start)


def test_account_entries_that_change_the_size_are_kept() -> None:
    alert = alert_of(accounts=["a", {"ref": "b"}, {"ref": "c", "factor": 0.5}])
    assert alert.accounts == ("a", "b", "c")
    assert [(entry.ref, entry.factor) for entry in alert.account_terms] == [("c", Decimal("0.5"))]


def test_break_even_and_trailing_are_read_with_their_units() -> None:
    alert = alert_of(
        breakeven={"trigger": {"unit": "points", "value": 15}, "offset": {"unit": "ticks", "value": 0}},
        trail={"distance": {"unit": "r", "value": "0.5"}, "trigger": {"unit": "usd", "value": 0}},
    )
    assert alert.breakeven == BreakEvenSpec(
        trigger=Distance(unit=Unit.POINTS, value=Decimal(15)), offset=Distance(unit=Unit.TICKS, value=Decimal(0))
    )
    assert alert.trail == TrailSpec(
        distance=Distance(unit=Unit.R, value=Decimal("0.5")), trigger=Distance(unit=Unit.USD, value=Decimal(0))
    )
    assert (alert.has_breakeven, alert.has_trail, alert.extras) == (True, True, {})


@pytest.mark.parametrize("nothing", [False, None, "", {}, "{{plot_0}}"])
def test_break_even_and_trailing_can_be_off(nothing: object) -> None:
    alert = alert_of(breakeven=nothing, trail=nothing)
    assert (alert.breakeven, alert.trail, alert.has_breakeven, alert.has_trail) == (None, None, False, False)


POINTS = {"unit": "points", "value": 15}


@pytest.mark.parametrize(
    ("fields", "start"),
    [
        ({"breakeven": True}, "breakeven is true; an object is wanted"),
        ({"breakeven": 15}, "breakeven is '15'; an object is wanted"),
        ({"breakeven": [POINTS]}, "breakeven is a list; an object is wanted"),
        ({"breakeven": {"offset": POINTS}}, "breakeven.trigger is missing"),
        ({"breakeven": {"trigger": 15}}, "breakeven.trigger is '15'; an object is wanted"),
        ({"breakeven": {"trigger": {"value": 15}}}, "breakeven.trigger.unit is missing"),
        ({"breakeven": {"trigger": {"unit": "points"}}}, "breakeven.trigger.value is missing"),
        ({"breakeven": {"trigger": {"unit": "points", "value": 0}}}, "breakeven.trigger.value is '0'"),
        ({"breakeven": {"trigger": {"unit": "points", "value": "NaN"}}}, "breakeven.trigger.value is 'NaN'"),
        ({"breakeven": {"trigger": {"unit": "dots", "value": 1}}}, "breakeven.trigger.unit is 'dots'"),
        (
            {"breakeven": {"trigger": POINTS, "offset": {"unit": "ticks", "value": -1}}},
            "breakeven.offset.value is '-1'",
        ),
        ({"trail": True}, "trail is true; an object is wanted"),
        ({"trail": {"trigger": POINTS}}, "trail.distance is missing"),
        (
            {"trail": {"distance": {"unit": "points", "value": "1e30"}}},
            "trail.distance.value is '1e30', which is beyond",
        ),
        ({"trail": {"distance": POINTS, "step": {"unit": "ticks", "value": 0}}}, "trail.step.value is '0'"),
        ({"trail": {"distance": POINTS, "trigger": {"unit": "ticks", "value": True}}}, "trail.trigger.value is true"),
    ],
)
def test_a_wrong_break_even_or_trail_is_refused_by_its_path(fields: dict[str, Any], start: str) -> None:
    assert problem_of(**fields).startswith(start)


def test_what_break_even_and_trailing_do_not_know_is_kept_and_said() -> None:
    alert = alert_of(breakeven={"trigger": POINTS | {"foo": 1}}, trail={"distance": POINTS, "freq": 2})
    assert alert.extras == {"breakeven.trigger.foo": "1", "trail.freq": "2"}
    assert len([text for text in alert.warnings if "kept, not used" in text]) == 2


@pytest.mark.parametrize(
    ("action", "needed"),
    [
        ("move_stop", "stop"),
        ("move_target", "targets"),
        ("breakeven", "breakeven"),
        ("trail_on", "trail"),
        ("trail_off", ""),
    ],
)
def test_what_protects_is_held_up_only_by_the_field_it_needs(action: str, needed: str) -> None:
    wrong = dict.fromkeys(("fired_at", "price", "stop", "targets", "breakeven", "trail", "qty", "order"), "NaN, soon")
    alert = alert_of(action=action, **{name: value for name, value in wrong.items() if name != needed})
    assert len([text for text in alert.warnings if text.startswith("left out")]) == len(wrong) - bool(needed)
    if needed:
        assert problem_of(action=action, **{needed: wrong[needed]}).startswith(needed)


def test_a_break_even_at_once_needs_no_trigger() -> None:
    spec = alert_of(action="breakeven", breakeven={"offset": {"unit": "ticks", "value": 2}}).breakeven
    assert spec is not None
    assert (spec.trigger, spec.offset) == (None, Distance(unit=Unit.TICKS, value=Decimal(2)))


@pytest.mark.parametrize("action", ["flatten", "flatten_all", "cancel"])
def test_flatten_and_cancel_do_not_look_at_sizes_and_orders(action: str) -> None:
    alert = alert_of(action=action, qty={"mode": "lots"}, order={"type": "limit"})
    assert (alert.qty, alert.order) == (AlertQty(), AlertOrder())
