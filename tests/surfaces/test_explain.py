"""What an explanation says: the engine's verdict, the orders with their distances, every rule. On states and contexts alone."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from immutables import Map

from desk.alerts import DialectTerms, dedupe_key, read_body
from desk.bots import BotConfig
from desk.bots.config import Window
from desk.core.alert import PositionSide
from desk.core.events import AlertReceived
from desk.core.ids import new_cause_id
from desk.core.plans import ExitReason
from desk.core.records import AlertJournalled, BotEntered, BotSwitched, Record, Verdict, VerdictKind
from desk.core.secret import Secret
from desk.core.switches import Switch
from desk.core.words import Quote
from desk.engine import Context, State, decide, fold
from desk.engine.state import LastExit
from desk.risk import Reason
from desk.surfaces import view
from desk.surfaces.explain import Explained, Explanation, explained
from desk.surfaces.explain_page import explained_page
from desk.surfaces.explain_rules import RULES, Answer
from desk.surfaces.sheet import page_as_text
from tests.surfaces import room as rooms
from tests.surfaces.room import MNQ, T0

QUOTE = Quote(
    contract_id=MNQ.contract_id,
    bid=Decimal("21034.25"),
    ask=Decimal("21034.50"),
    last=Decimal("21034.25"),
    ts_event=T0,
    ts_recv=T0,
)
GOLDEN = Path(__file__).parents[1] / "alerts" / "golden"
FLAT = fold(State(), rooms.account_records())
LONG = fold(FLAT, rooms.position_records())
ENTRY: dict[str, Any] = {
    "v": 1,
    "symbol": "CME_MINI:MNQ1!",
    "action": "enter_long",
    "fired_at": "2026-11-18T14:29:58Z",
    "qty": 2,
    "stop": {"unit": "points", "value": 20},
    "targets": [{"unit": "points", "value": 40}],
}


def context(bot: BotConfig | None = None, **changes: Any) -> Context:
    bot = bot or rooms.bot_config()
    ctx = Context(T0, {bot.name: bot}, {MNQ.contract_id: MNQ}, quote=lambda _: QUOTE)
    return replace(ctx, **changes)


def told(text: str, state: State = FLAT, ctx: Context | None = None) -> Explained:
    """Whatever it is, it can be shown and sent."""
    ctx = ctx or context()
    found = explained(text, next(iter(ctx.bots.values())), state, ctx)
    assert page_as_text(explained_page(found, [MNQ], None))
    view.encode(found)
    return found


def one(state: State = FLAT, ctx: Context | None = None, **fields: Any) -> Explanation:
    """The entry above with other fields; ``None`` takes one out."""
    said = {name: value for name, value in (ENTRY | fields).items() if value is not None}
    (message,) = told(json.dumps(said), state, ctx).messages
    return message


def event_of(text: str, index: int = 0, ctx: Context | None = None) -> AlertReceived:
    """One message of a body, as the door makes it."""
    reading = read_body(text.encode(), (), lambda _: (ctx or context()).bots["default"].dialect)
    key, window = dedupe_key(reading, index)
    alert = reading.alerts[index] if reading.alerts else None
    return AlertReceived(
        cause=new_cause_id(T0, bytes([index] * 10)), bot="default", alert=alert, problem=reading.problem, raw=reading.raw,
        body_sha256=reading.body_sha256, dedupe_key=key, dedupe_window_s=window, source="127.0.0.1", ts=T0,
    )  # fmt: skip


def journalled(text: str) -> Record:
    verdict = Verdict(kind=VerdictKind.DENIED, reason="NO_STOP")
    event = event_of(text)
    return AlertJournalled(cause=event.cause, alert=event, verdict=verdict, ts=T0)


def answers(message: Explanation, *kinds: Answer) -> dict[str, str]:
    return {rule.rule: rule.reason for rule in message.rules if rule.answer in kinds}


def refused(message: Explanation) -> dict[str, str]:
    return answers(message, Answer.FAIL)


# --- what would be sent ------------------------------------------------------------------------------------------


def test_an_entry_shows_its_orders_with_every_distance_in_ticks_points_and_dollars() -> None:
    message = one()
    assert (message.verdict, message.sends, message.contract) == ("accepted", True, "MNQZ6")
    assert message.would == "buy 2 MNQZ6 at market, stop 80 ticks, target 160 ticks"
    entry, stop, target = message.orders
    assert (entry.side, entry.qty, entry.type, entry.price, entry.is_about) == (
        "buy", 2, "market", Decimal("21034.50"), True,
    )  # fmt: skip
    assert (stop.ticks, stop.points, stop.usd_each, stop.usd_total) == (80, 20, 40, 80)
    assert (target.side, target.price) == ("sell", Decimal("21074.50"))
    assert (target.ticks, target.points, target.usd_each, target.usd_total) == (160, 40, 80, 160)
    assert "loses 80.00 $" in message.sums
    assert "earns 160.00 $" in message.sums
    assert not refused(message)
    assert answers(message, Answer.UNKNOWN) == {}


def test_exact_prices_are_measured_from_where_the_entry_fills() -> None:
    message = one(
        order={"type": "limit", "price": 21000, "expire_s": 600},
        stop={"unit": "price", "value": 20990.1},
        targets=[{"unit": "price", "value": 21010, "qty": 1, "then": "breakeven"}, {"unit": "r", "value": 2}],
    )
    assert message.verdict == "accepted"
    kinds = [(part.what, part.qty, part.price, part.ticks, part.is_about) for part in message.orders]
    assert kinds == [
        ("entry", 1, 21000, None, False),
        ("stop", 1, Decimal("20990.25"), 39, False),
        ("target", 1, 21010, 40, False),
        ("entry", 1, 21000, None, False),
        ("stop", 1, Decimal("20990.25"), 39, False),
        ("target", 1, Decimal("21019.5"), 78, False),
    ]
    assert message.orders[2].note == "then breakeven"
    assert "until 2026-11-18 14:39:58 UTC" in message.orders[0].note


def test_what_is_done_with_the_legs_is_shown_with_its_distance() -> None:
    message = one(
        breakeven={"trigger": {"unit": "ticks", "value": 40}, "offset": {"unit": "ticks", "value": 4}},
        trail={"distance": {"unit": "points", "value": 12}, "trigger": {"unit": "points", "value": 25}},
    )
    care = {part.what: part for part in message.orders[3:]}
    assert care["break-even"].ticks == 40
    assert care["break-even"].usd_total == 40
    assert "4 ticks in favour" in care["break-even"].note
    assert (care["trail"].ticks, care["trail"].points) == (48, 12)
    assert "from 100 ticks" in care["trail"].note


def test_an_emulated_order_says_for_what_it_waits() -> None:
    message = one(order={"type": "stop_limit", "stop_price": 21050, "price": 21052})
    assert message.verdict == "accepted"
    assert message.orders[0].price == 21052
    assert "waits here until 21050" in message.orders[0].note


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"action": "exit", "stop": None, "targets": None, "qty": None}, "close all MNQZ6 at market; +2 held"),
        ({"action": "reduce", "qty": 1, "stop": None, "targets": None}, "close 1 MNQZ6 long at market, never more"),
        ({"action": "move_stop", "stop": {"unit": "price", "value": 21020}, "qty": None, "targets": None}, "stop to 21020.00"),
        ({"action": "flatten_all", "symbol": None, "stop": None, "targets": None, "qty": None}, "flatten the account"),
        ({"policy": {"same": "replace"}}, "replace what is there in MNQZ6: flat first, then buy 2"),
        ({"action": "sell", "position": {"now": "short", "size": 1}}, "reverse MNQZ6: flat first, then sell 1"),
    ],
)  # fmt: skip
def test_exits_and_moves_are_told_in_words(fields: dict[str, Any], words: str) -> None:
    message = one(LONG, **fields)
    assert message.verdict == "accepted", message.text
    assert words in (message.would or "")
    assert "age" not in refused(message)


def test_a_moved_stop_is_measured_from_the_average_price() -> None:
    message = one(LONG, action="move_stop", stop={"unit": "price", "value": 21024.25}, qty=None, targets=None)
    (part,) = message.orders
    assert (part.what, part.ticks, part.points, part.usd_each) == ("moved stop", 40, 10, 20)


def test_several_messages_are_decided_one_after_the_other() -> None:
    text = json.dumps([ENTRY | {"id": "a", "qty": 3}, ENTRY | {"id": "b", "qty": 3}])
    first, second = told(text).messages
    assert first.verdict == "accepted"
    assert (second.verdict, second.reason) == ("ignored", "ALREADY_THERE"), "the first one's order is on its way"


@pytest.mark.parametrize("held", [FLAT, LONG], ids=["flat", "long"])
def test_every_recorded_body_of_every_form_is_explained_as_it_would_be_decided(held: State) -> None:
    bodies = [path for path in GOLDEN.rglob("*.json") if ".expected" not in path.name]
    assert len(bodies) > 10
    ctx = context()
    for path in bodies:
        text = path.read_text(encoding="utf-8")
        found, state = told(text, held, ctx), held
        for index, message in enumerate(found.messages):
            decision = decide(state, event_of(text, index, ctx), ctx)
            assert decision.verdict is not None
            assert (message.verdict, message.text) == (decision.verdict.kind, decision.verdict.text), path.name
            state = decision.state


# --- the rules -----------------------------------------------------------------------------------------------------


def test_every_reason_of_the_engine_belongs_to_one_rule() -> None:
    named = [reason for rule in RULES for reason in rule.reasons]
    assert len(named) == len(set(named))
    assert set(Reason) - set(named) == {Reason.NOTED, Reason.NO_ORDER}, "those two refuse nothing"


@pytest.mark.parametrize(
    ("fields", "bot", "rule"),
    [
        ({"bot": "other"}, {}, {"bot": "UNKNOWN_BOT"}),
        ({"symbol": "CL1!"}, {}, {"symbol": "UNKNOWN_SYMBOL"}),
        ({}, {"symbols": frozenset({"MES"})}, {"symbol allowed": "SYMBOL_NOT_ALLOWED"}),
        ({"symbol": "CME_MINI_DL:MNQ1!"}, {"takes_delayed_data": False}, {"real-time data": "DELAYED_DATA"}),
        ({"fired_at": "2026-11-18T14:00:00Z"}, {}, {"age": "TOO_OLD"}),
        ({"fired_at": "2026-11-18T15:00:00Z"}, {}, {"age": "FROM_THE_FUTURE"}),
        ({"action": "buy"}, {}, {"side": "AMBIGUOUS_SIDE"}),
        ({"accounts": [{"ref": "elsewhere"}]}, {}, {"account": "ACCOUNT_NOT_ALLOWED"}),
        ({"policy": {"contract": "require_match"}}, {}, {"supported": "NOT_SUPPORTED"}),
        ({"policy": {"require_position": "short"}}, {}, {"position": "REQUIRED_POSITION"}),
        ({"qty": 5}, {}, {"size": "MAX_POSITION"}),
        ({"stop": None}, {}, {"stop": "NO_STOP"}),
        ({"stop": {"unit": "ticks", "value": 2}}, {}, {"stop": "STOP_TOO_CLOSE"}),
        ({"stop": {"unit": "price", "value": 21100}}, {}, {"prices": "WRONG_SIDE"}),
        ({"dry_run": True}, {}, {"sent for real": "DRY_RUN"}),
    ],
)
def test_the_rule_that_says_no_is_named_with_the_engines_reason(
    fields: dict[str, Any], bot: dict[str, Any], rule: dict[str, str]
) -> None:
    message = one(ctx=context(rooms.bot_config(**bot)), **fields)
    assert refused(message) == rule
    assert not message.sends
    assert message.reason == next(iter(rule.values()))


LAST = LastExit(cause=rooms.CAUSE, reason=ExitReason.STOP, qty=2, ts=T0)
ENDED = msgspec.structs.replace(FLAT, last_exits=Map({(rooms.ACCOUNT, MNQ.contract_id): LAST}))
WINDOW = Window(time(1), time(2), zone="UTC")
OUT = {"action": "exit", "stop": None, "targets": None, "qty": None}


def switched(switch: Switch) -> State:
    stop = BotSwitched(cause=rooms.CAUSE, bot="default", switch=switch, by="console", why="lunch", ts=T0)
    return fold(FLAT, [stop])


def heard(pair: dict[str, Any], **fields: Any) -> State:
    """The bot's sender said before where it stands."""
    return fold(FLAT, [journalled(json.dumps(ENTRY | {"id": "before", "position": pair} | fields))])


@pytest.mark.parametrize(
    ("state", "fields", "bot", "rule"),
    [
        (switched(Switch.PAUSE), {}, {}, {"armed": "PAUSED"}),
        (switched(Switch.DISARM), {}, {}, {"armed": "DISARMED"}),
        (switched(Switch.HALT), {}, {}, {"armed": "HALTED"}),
        (FLAT, {}, {"sides": frozenset({PositionSide.SHORT})}, {"side": "SIDE_NOT_ALLOWED"}),
        (FLAT, {}, {"windows": (WINDOW,)}, {"trading hours": "OUTSIDE_WINDOW"}),
        (FLAT, {"price": 20000}, {"price_bound_pct": Decimal(1)}, {"prices": "PRICE_BOUND"}),
        (FLAT, {"contract": "MNQH2027"}, {"contract_policy": "require_match"}, {"symbol": "CONTRACT_MISMATCH"}),
        (FLAT, {}, {"entries_per_minute": 0}, {"pace": "TOO_MANY_ENTRIES"}),
        (
            fold(LONG, [BotEntered(cause=rooms.CAUSE, bot="default", symbol="MNQ", side=PositionSide.LONG, ts=T0)]),
            {"policy": {"same": "add"}},
            {"debounce_s": 60.0},
            {"pace": "DEBOUNCED"},
        ),
        (ENDED, {}, {"cooldown_s": 60.0}, {"pace": "COOLDOWN"}),
        (
            heard({"now": "long", "size": 2, "prev": "flat", "prev_size": 0}, fired_at="2026-11-18T14:29:57Z"),
            {"position": {"now": "long", "size": 3, "prev": "long", "prev_size": 1}},
            {"reorder_ms": 250},
            {"in order": "OUT_OF_ORDER"},
        ),
    ],
)
def test_what_the_bot_was_told_and_what_its_sender_said_are_rules_too(
    state: State, fields: dict[str, Any], bot: dict[str, Any], rule: dict[str, str]
) -> None:
    message = one(state, context(rooms.bot_config(**bot)), **fields)
    asked = answers(message, Answer.FAIL, Answer.UNKNOWN)
    assert asked == rule
    assert message.would is not None, "shown all the same: what it is without the rule"


def test_a_paused_bot_is_asked_of_entries_only() -> None:
    state = fold(switched(Switch.PAUSE), rooms.position_records())
    message = one(state, **OUT)
    assert message.verdict == "accepted"
    assert "armed" in answers(message, Answer.NOT_ASKED)


def test_a_message_that_pauses_says_so_and_does_not() -> None:
    (message,) = told('{"v":1,"action":"pause"}').messages
    assert message.verdict == "accepted"
    assert "is paused" in message.text
    assert message.would is None


def test_rules_behind_the_first_no_are_asked_too() -> None:
    message = one(
        ctx=context(rooms.bot_config(takes_delayed_data=False), is_shadow=True),
        symbol="CME_MINI_DL:MNQ1!", fired_at="2026-11-18T14:00:00Z", qty=9,
    )  # fmt: skip
    assert refused(message) == {
        "real-time data": "DELAYED_DATA", "age": "TOO_OLD", "size": "MAX_POSITION", "sent for real": "SHADOW",
    }  # fmt: skip
    assert message.reason == "DELAYED_DATA", "the engine's own first no"
    assert not answers(message, Answer.UNKNOWN)
    assert message.would is not None, "what it would be without them"


def test_behind_a_no_that_cannot_be_lifted_the_rest_is_unknown_and_what_is_sure_is_said() -> None:
    message = one(stop=None, fired_at="2026-11-18T14:00:00Z")
    assert refused(message) == {"stop": "NO_STOP", "age": ""}
    assert {"size", "prices", "desk"} <= set(answers(message, Answer.UNKNOWN))
    assert {"symbol", "symbol allowed", "supported", "account"} <= set(answers(message, Answer.PASS))


def test_what_was_traded_already_is_a_duplicate_and_still_explained() -> None:
    text = json.dumps(ENTRY | {"id": "one"})
    state = fold(FLAT, [journalled(text)])
    (message,) = told(text, state).messages
    assert (message.verdict, refused(message)) == ("duplicate", {"not seen before": "DUPLICATE"})
    (other,) = told(json.dumps(ENTRY | {"id": "one", "qty": 1}), state).messages
    assert refused(other) == {"not seen before": "ID_CONFLICT"}
    assert other.would == "buy 1 MNQZ6 at market, stop 80 ticks, target 160 ticks"


def test_an_account_that_nobody_compared_is_unknown_never_a_yes() -> None:
    state = fold(State(), rooms.account_records(is_reconciled=False))
    message = one(state)
    assert message.verdict == "held"
    assert answers(message, Answer.UNKNOWN) == {"account": "NOT_RECONCILED"}
    assert not message.sends
    assert message.would is not None


def test_before_the_gateway_listed_anything_nothing_is_known_of_the_order() -> None:
    message = one(ctx=context(contracts={}))
    assert message.verdict == "held"
    assert message.would is None
    assert {"symbol", "size", "stop"} <= set(answers(message, Answer.UNKNOWN))


def test_an_exit_is_not_asked_for_what_binds_entries() -> None:
    message = one(LONG, action="exit", fired_at="2026-11-01T14:00:00Z", stop=None, targets=None, qty=None)
    assert message.verdict == "accepted"
    not_asked = set(answers(message, Answer.NOT_ASKED))
    assert {"age", "side", "trading hours", "real-time data", "size", "stop", "symbol allowed"} <= not_asked


def test_a_reversal_in_a_month_that_is_not_listed_is_told_to_close_only() -> None:
    message = one(LONG, symbol="MNQH2027", action="reverse")
    assert message.verdict == "accepted"
    assert any("closing only" in text for text in message.warnings)
    assert any(rule.rule == "symbol" and "nothing is opened" in rule.text for rule in message.rules)


def test_a_heartbeat_and_a_text_ask_for_no_order() -> None:
    for text in ('{"v":1,"action":"heartbeat"}', "MNQ1! Crossing 21000"):
        (message,) = told(text).messages
        assert message.would is None
        assert not refused(message)


def test_a_stop_at_a_price_needs_a_fresh_quote() -> None:
    stale = msgspec.structs.replace(QUOTE, ts_recv=T0 - timedelta(seconds=9))
    message = one(ctx=context(quote=lambda _: stale), stop={"unit": "price", "value": 21014.25}, targets=None)
    assert (message.verdict, message.reason) == ("held", "NO_QUOTE"), "the desk would wait two seconds for one"
    assert "prices" in answers(message, Answer.UNKNOWN)
    assert message.orders[1].price == Decimal("21014.25")
    assert message.orders[1].ticks is None
    assert message.sums.startswith("What the stop loses is not known")


def test_a_pinned_bot_refuses_another_form() -> None:
    bot = rooms.bot_config(dialect=DialectTerms(pinned="TradersPost"))
    (message,) = told(json.dumps(ENTRY), ctx=context(bot)).messages
    assert refused(message) == {"readable": "UNREADABLE"}
    assert "TradersPost only" in message.text
    assert message.dialect is None


def test_warnings_of_every_step_are_shown_once() -> None:
    message = one(fired_at=None, targets=[{"unit": "points", "value": 40.1}], order={"type": "market", "expire_s": 5})
    assert any("no fired_at" in text for text in message.warnings)
    assert len(message.warnings) == len(set(message.warnings))
    assert "age" in answers(message, Answer.UNKNOWN), "an age that nobody knows was not checked"


# --- what it must not do -------------------------------------------------------------------------------------------


@settings(max_examples=25)
@given(text=st.text(max_size=300) | st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=8) | st.sampled_from(["MNQ1!", "enter_long", "exit", "{{x}}"]),
    lambda inner: st.dictionaries(st.sampled_from([*ENTRY, "order", "policy", "position", "trail", "x"]), inner, max_size=6)
    | st.lists(inner, max_size=3),
    max_leaves=12,
).map(lambda value: json.dumps({**ENTRY, **value} if isinstance(value, dict) else value)))  # fmt: skip
@example("")
@example("[" * 500)
@example("\ud800")
@example('{"v":1,"action":"enter_long","symbol":"MNQ1!","qty":1e400}')
def test_any_text_is_explained_and_nothing_changes(text: str) -> None:
    before = msgspec.json.encode(list(LONG.orders.values()))
    found = told(text, LONG)
    assert len(found.messages) >= 1
    assert msgspec.json.encode(list(LONG.orders.values())) == before


def test_a_secret_in_the_text_is_in_nothing_that_comes_back() -> None:
    text = json.dumps(ENTRY | {"secret": "hush-hush-hush-hush", "x": "a-known-token-of-ours"})
    ctx = context()
    found = explained(text, ctx.bots["default"], FLAT, ctx, [Secret("a-known-token-of-ours")])
    shown = view.encode(found).decode() + page_as_text(explained_page(found, [MNQ], None))
    assert "hush" not in shown
    assert "a-known-token" not in shown


def test_the_page_fits_eighty_columns_but_for_sentences() -> None:
    text = page_as_text(explained_page(told(json.dumps(ENTRY)), [MNQ], None))
    table = text[text.index("what    side") :].splitlines()[:4]
    assert max(map(len, table)) <= 80
    assert "~21034.50" in table[1]
