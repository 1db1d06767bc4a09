"""Every template, once TradingView has filled it in, is read and accepted; and the command shows what to paste."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from desk.alerts import TEMPLATE_KINDS, DialectTerms, read_body, templates
from desk.core.secret import Secret
from desk.surfaces.calls import Caller, CommandResult
from desk.surfaces.commands import COMMANDS, run_command
from desk.surfaces.completion import complete
from desk.surfaces.explain_rules import Answer
from tests.surfaces import room as rooms
from tests.surfaces.room import T0, TOKEN, Room
from tests.surfaces.test_explain import FLAT, LONG, told

FILLED = {
    "timenow": f"{T0:%Y-%m-%dT%H:%M:%SZ}",
    "time": f"{T0:%Y-%m-%dT%H:%M:%SZ}",
    "interval": "5",
    "exchange": "CME_MINI",
    "ticker": "MNQ1!",
    "close": "21034.25",
    "strategy.order.price": "21034.25",
    "strategy.order.id": "Long",
    "strategy.order.contracts": "2",
}
BUYS = {
    "strategy.order.action": "buy",
    "strategy.market_position": "long",
    "strategy.market_position_size": "2",
    "strategy.prev_market_position": "flat",
    "strategy.prev_market_position_size": "0",
}
SELLS = {
    "strategy.order.action": "sell",
    "strategy.market_position": "flat",
    "strategy.market_position_size": "0",
    "strategy.prev_market_position": "long",
    "strategy.prev_market_position_size": "2",
}
LONG_PLOTS = {'plot("SL")': "21014.25", 'plot("TP")': "21074.25"}
SHORT_PLOTS = {'plot("SL")': "21054.25", 'plot("TP")': "20994.25"}


def filled(message: str, values: dict[str, str]) -> str:
    """As TradingView does it: plain text for each placeholder."""
    for name, value in (FILLED | values).items():
        message = message.replace("{{" + name + "}}", value)
    assert "{{" not in message
    return message


@pytest.mark.parametrize(
    ("kind", "number", "values", "state", "words"),
    [
        ("strategy", 0, BUYS, FLAT, "buy 2 MNQZ6 at market, stop 80 ticks"),
        ("strategy", 0, SELLS, LONG, "close all MNQZ6"),
        ("indicator", 0, LONG_PLOTS, FLAT, "buy 2 MNQZ6 at market, stop at 21014.25, target at 21074.25"),
        ("indicator", 1, SHORT_PLOTS, FLAT, "sell 2 MNQZ6 at market, stop at 21054.25, target at 20994.25"),
        ("exit", 0, {}, LONG, "close all MNQZ6"),
        ("heartbeat", 0, {}, FLAT, None),
    ],
)  # fmt: skip
def test_a_filled_in_template_is_accepted(
    kind: str, number: int, values: dict[str, str], state: object, words: str | None
) -> None:
    template = templates(kind, "default", stop_points=Decimal(20))[number]
    (message,) = told(filled(template.message, values), LONG if state is LONG else FLAT).messages
    assert message.verdict == "accepted", message.text
    assert message.warnings == ()
    assert [rule.rule for rule in message.rules if rule.answer in {Answer.FAIL, Answer.UNKNOWN}] == []
    assert (message.would is None) if words is None else message.would is not None and message.would.startswith(words)


def test_one_strategy_on_two_charts_has_two_ids_in_the_same_second() -> None:
    """Equal ids with other content are a conflict, and the second chart's exit would be refused."""
    (template,) = templates("strategy", "default", stop_points=Decimal(20))
    charts = [SELLS, SELLS | {"ticker": "MES1!"}]
    readings = [read_body(filled(template.message, {**FILLED, **chart}).encode()) for chart in charts]
    assert len({reading.alerts[0].sender_id for reading in readings}) == len(charts)


@pytest.mark.parametrize("kind", TEMPLATE_KINDS)
def test_a_template_names_each_of_its_placeholders_and_keeps_its_secret(kind: str) -> None:
    for template in templates(kind, 'o"rb', Secret("hush-hush-hush-hush")):
        reading = read_body(filled(template.message, BUYS | LONG_PLOTS).encode())
        assert reading.problem is None
        assert reading.secret == Secret("hush-hush-hush-hush")
        assert reading.alerts[0].bot == 'o"rb'
        assert [name for name, _ in template.placeholders if name not in template.message] == []
        assert template.message.count("{{") >= len(template.placeholders) > 0
        assert max(map(len, template.message.splitlines())) <= 130


def test_an_empty_plot_is_a_missing_stop_and_not_broken_json() -> None:
    text = filled(templates("indicator", "default")[0].message, {'plot("SL")': "", 'plot("TP")': "NaN"})
    (message,) = told(text).messages
    assert message.verdict == "denied"
    assert "stop" in message.text


def test_the_keys_of_two_signals_in_one_second_differ() -> None:
    long, short = (filled(t.message, LONG_PLOTS) for t in templates("indicator", "default"))
    assert json.loads(long)["id"] != json.loads(short)["id"]


# --- the command -----------------------------------------------------------------------------------------------------


async def run(room: Room, line: str, caller: Caller) -> CommandResult:
    return await run_command(room.desk, line, caller)


@pytest.mark.parametrize("kind", TEMPLATE_KINDS)
async def test_the_command_shows_url_message_and_placeholders(room: Room, caller: Caller, kind: str) -> None:
    result = await run(room, f"template default {kind}", caller)
    assert result.ok
    assert f"http://127.0.0.1:8080/tv/{TOKEN}" in result.text.splitlines()
    assert isinstance(result.data, dict)
    for message in result.data["templates"]:
        assert message["message"] in result.text, "whole, to be pasted"
        assert json.loads(filled(message["message"], BUYS | LONG_PLOTS))["bot"] == "default"
    assert "{{timenow}}" in result.text


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("template", "For which bot?"),
        ("template exit", "For which bot?"),
        ("template nobody", "neither a bot nor a kind"),
        ("template default second", "One bot and one kind"),
        ("template exit heartbeat", "One bot and one kind"),
    ],
)
async def test_a_template_that_nobody_knows_gets_the_names(room: Room, caller: Caller, line: str, says: str) -> None:
    result = await run(room, line, caller)
    assert not result.ok
    assert says in result.text


async def test_one_bot_need_not_be_named_and_strategy_is_meant(room: Room, caller: Caller) -> None:
    room.desk.bots = room.desk.bots[:1]
    result = await run(room, "template", caller)
    assert isinstance(result.data, dict)
    assert result.data["kind"] == "strategy"


async def test_a_bot_that_reads_another_form_is_told(room: Room, caller: Caller) -> None:
    pinned = rooms.bot_config(dialect=DialectTerms(pinned="TradersPost"))
    ctx = room.desk.context()
    room.desk.context = lambda: type(ctx)(ctx.now, {"default": pinned}, ctx.contracts)
    assert "reads TradersPost only" in (await run(room, "template default exit", caller)).text


async def test_tab_offers_bots_and_kinds(room: Room) -> None:
    assert complete(room.desk, "template ") == ["default", "second"]
    assert complete(room.desk, "template default e") == ["exit"]
    assert complete(room.desk, "alerts verdict=den") == ["verdict=denied"]
    assert complete(room.desk, "alerts bot=s") == ["bot=second"]
    assert "template" in COMMANDS
