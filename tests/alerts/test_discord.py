"""Discord embeds: raw -> canonical -> what the bot would do (TradingView reference 10.6, existing-bots 1.4, 1.5, 1.18)."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.alerts import DialectTerms, DiscordTerms, read_body
from desk.alerts.dialects.discord import PHRASES
from desk.bots import Meaning, Nothing, Refusal, Wanted, interpret, may_open
from desk.core.alert import Action, Alert, PositionSide
from desk.core.intents import Enter, Exit, Intent, Reduce
from desk.core.words import OrderType, Side
from desk.risk import Reason
from tests.alerts.test_golden import canonical
from tests.bots.build import BOT, NOW, entry, reason, wanted, where

GOLDEN = Path(__file__).parent / "golden" / "dialects"
RAW = sorted(path for path in GOLDEN.glob("discord_*.json") if not path.name.endswith(".expected.json"))
PRICES = {"Entry": "21034.5", "Stop": "21014.5", "Target 1": "21054.5", "Target 2": "21074.5"}
LONG, SHORT = PositionSide.LONG, PositionSide.SHORT


def body(title: Any, fields: dict[str, Any] | None = None, **more: Any) -> bytes:
    named = [{"name": name, "value": value} for name, value in (fields or {}).items()]
    return json.dumps({"embeds": [{"title": title, "fields": named}], **more}).encode()


def read(title: Any, fields: dict[str, Any] | None = None, terms: DiscordTerms | None = None, **more: Any) -> Alert:
    reading = read_body(body(title, fields, **more), terms_of=lambda _: DialectTerms(discord=terms or DiscordTerms()))
    assert reading.problem is None, reading.problem
    (alert,) = reading.alerts
    return alert


def problem(title: Any, fields: dict[str, Any] | None = None, terms: DiscordTerms | None = None) -> str:
    reading = read_body(body(title, fields), terms_of=lambda _: DialectTerms(discord=terms or DiscordTerms()))
    assert reading.alerts == ()
    assert reading.problem is not None
    return reading.problem


def meaning(alert: Alert, held: int, **more: Any) -> Meaning:
    return interpret(alert, BOT, None if alert.symbol is None else where(held, **more), NOW)


def opened(title: str = "[MNQ1!] open long", terms: DiscordTerms | None = None, qty: int = 1, **prices: Any) -> Enter:
    alert = read(title, PRICES | {name.replace("_", " "): value for name, value in prices.items()}, terms)
    return entry(interpret(alert, replace(BOT, default_qty=qty), where(), NOW))


def test_there_are_golden_files() -> None:
    assert len(RAW) >= 8


@pytest.mark.parametrize("path", RAW, ids=lambda path: path.stem)
def test_a_golden_message_reads_as_written_down(path: Path) -> None:
    assert canonical(path.read_bytes()) == json.loads(path.with_suffix(".expected.json").read_text(encoding="utf-8"))


def test_the_page_has_every_phrase_and_no_other() -> None:
    page = (Path(__file__).parents[2] / "docs" / "dialects.md").read_text(encoding="utf-8")
    rows = page.split("| words |")[1].split("\n\n")[0].splitlines()[2:]
    assert sorted(re.findall(r"`([^`]+)`", "".join(row.split("|")[1] for row in rows))) == sorted(PHRASES)


# --- entries -------------------------------------------------------------------------------------------------------------


def test_an_entry_is_a_stop_order_at_the_alerts_price_with_its_stop_and_both_targets() -> None:
    made = opened(qty=4)
    assert (made.side, made.qty, made.type, made.stop_price) == (Side.BUY, 4, OrderType.STOP, Decimal("21034.5"))
    assert made.care.stop_price == Decimal("21014.5")
    assert [(stage.qty, stage.target_price) for stage in made.stages] == [
        (3, Decimal("21054.5")),
        (1, Decimal("21074.5")),
    ]


@pytest.mark.parametrize(
    ("qty", "fraction", "shares"),
    [(1, "0.75", [1]), (2, "0.75", [2]), (3, "0.75", [2, 1]), (5, "0.75", [4, 1]), (2, "0.5", [1, 1]), (4, "1", [4])],
)
def test_the_first_target_takes_its_share_and_the_second_the_rest(qty: int, fraction: str, shares: list[int]) -> None:
    made = opened(terms=DiscordTerms(tp1_fraction=Decimal(fraction)), qty=qty)
    assert [stage.qty for stage in made.stages] == shares
    assert made.stages[0].target_price == Decimal("21054.5")


def test_one_target_for_all_where_the_owner_closes_everything_at_the_first() -> None:
    made = opened(terms=DiscordTerms(closes_all_at_tp1=True), qty=4)
    assert [(stage.qty, stage.target_price) for stage in made.stages] == [(4, Decimal("21054.5"))]


def test_what_has_no_target_waits_for_its_message() -> None:
    made = opened(qty=4, Target_2=None)
    assert [(stage.qty, stage.target_price) for stage in made.stages] == [(3, Decimal("21054.5")), (1, None)]


def test_an_only_target_takes_everything_whatever_its_number() -> None:
    made = opened(qty=4, Target_1=None)
    assert [(stage.qty, stage.target_price) for stage in made.stages] == [(4, Decimal("21074.5"))]


def test_a_market_entry_measures_from_the_alerts_price() -> None:
    terms = DiscordTerms(uses_stop_entry=False)
    made = opened("[MNQ1!] open short", terms, Stop="21054.5", Target_1="21014.5", Target_2="20994.5")
    assert (made.side, made.type, made.stop_price) == (Side.SELL, OrderType.MARKET, None)
    wrong = read("[MNQ1!] open short", PRICES, terms)
    assert reason(meaning(wrong, 0)) is Reason.BAD_PRICE
    without = read("[MNQ1!] open long", {"Stop": 21000}, terms)
    assert entry(meaning(without, 0)).care.stop_price == 21000


@pytest.mark.parametrize("stop", [None, "", "none", "{{plot_1}}", "n/a"])
def test_an_entry_without_a_stop_is_refused(stop: object) -> None:
    assert reason(meaning(read("[MNQ1!] open long", PRICES | {"Stop": stop}), 0)) is Reason.NO_STOP


def test_an_entry_without_a_price_is_refused_where_it_is_a_stop_order() -> None:
    assert "USE_STOP_ENTRY" in problem("[MNQ1!] open long", {"Stop": 21000})


def test_an_entry_does_not_add_and_does_not_turn_a_position_round() -> None:
    alert = read("[MNQ1!] open long", PRICES)
    assert reason(meaning(alert, 2)) is Reason.ALREADY_THERE
    assert reason(meaning(alert, -2)) is Reason.OPPOSITE_POSITION


# --- getting out ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("title", "held", "wants"),
    [
        ("tp1 hit for long", 4, Reduce(qty=3, side=LONG)),
        ("tp1 hit long", 3, Reduce(qty=2, side=LONG)),
        ("Trim/Close Long", 1, Exit(side=LONG)),  # at least one, and one is all of it
        ("trim / close short", -2, Reduce(qty=1, side=SHORT)),
        ("trim short", -4, Reduce(qty=3, side=SHORT)),
        ("trim", 4, Reduce(qty=3, side=LONG)),  # their bot flattened the account
        ("trim", -4, Reduce(qty=3, side=SHORT)),
        ("tp1 hit", 4, Reduce(qty=3, side=LONG)),
        ("tp2 hit for long", 4, Exit(side=LONG)),
        ("tp3 hit short", -4, Exit(side=SHORT)),
        ("stop out long", 2, Exit(side=LONG)),
        ("close short", -2, Exit(side=SHORT)),
        ("exit long position", 2, Exit(side=LONG)),
        ("close", -2, Exit()),
        ("session close", 0, Exit(everything=True)),
        ("session close", 2, Exit(everything=True)),
    ],
)
def test_a_title_gets_out_of_what_it_names(title: str, held: int, wants: Intent) -> None:
    assert wanted(meaning(read(f"[MNQ1!] {title}"), held)) == wants


@pytest.mark.parametrize(
    "title", ["trim long", "tp1 hit long", "tp2 hit long", "stop out long", "close long", "exit long"]
)
@pytest.mark.parametrize("held", [-2, 0])
def test_a_long_exit_never_touches_a_short_and_opens_nothing_from_flat(title: str, held: int) -> None:
    assert reason(meaning(read(f"[MNQ1!] {title}"), held)) is Reason.NOTHING_TO_EXIT


@pytest.mark.parametrize("title", ["tp1 hit long", "trim long", "trim/close long"])
def test_the_first_target_closes_all_of_that_side_where_the_owner_says_so(title: str) -> None:
    alert = read(f"[MNQ1!] {title}", terms=DiscordTerms(closes_all_at_tp1=True))
    assert wanted(meaning(alert, 4)) == Exit(side=LONG)
    assert reason(meaning(alert, -4)) is Reason.NOTHING_TO_EXIT


def test_an_exit_names_its_own_symbol_only() -> None:
    assert read("[MES1!] close long").symbol == "MES1!"
    assert "without a symbol" in problem("close long")


def test_an_exit_does_not_look_at_prices() -> None:
    fields = {"Entry": "20 points", "Stop": "-5", "stop": {}, "Target 1": "21,034"}
    assert wanted(meaning(read("[MNQ1!] close long", fields), 2)) == Exit(side=LONG)


@pytest.mark.parametrize("title", [phrase for phrase in PHRASES if not phrase.startswith("open")])
def test_what_is_no_entry_can_be_left_out_but_for_stop_outs_and_the_session_close(title: str) -> None:
    alert = read(f"[MNQ1!] {title}", terms=DiscordTerms(ignores_non_entries=True))
    if title.startswith(("stop out", "session close")):
        assert isinstance(wanted(meaning(alert, -2 if "short" in title else 2)), Exit)
    else:
        assert alert.action is Action.NOTE
        assert "IGNORE_NON_ENTRY_SIGNALS" in alert.warnings[0]
        assert isinstance(meaning(alert, 2), Nothing)


# --- symbols, words, prices ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bracket", "symbol"),
    [
        ("MNQ1!", "MNQ1!"), ("M2K1!", "M2K1!"), ("6E1!", "6E1!"), ("M6E1!", "M6E1!"), ("E71!", "E71!"),
        ("CME_MINI:MNQ1!", "CME_MINI:MNQ1!"), ("MNQ1!, 5m", "MNQ1!"), (" MNQ 12-26 ", "MNQ 12-26"), ("MNQZ2026 5", "MNQZ2026"),
        ("NASDAQ100", "NASDAQ100"),
    ],
)  # fmt: skip
def test_the_symbol_is_found_by_the_known_roots(bracket: str, symbol: str) -> None:
    assert read(f"📈 [{bracket}] close long").symbol == symbol


@pytest.mark.parametrize(
    "title",
    [
        "open long cancelled", "do not open long", "open", "moon", "", "open long open short", "tp1 hit long tp2 hit long",
        "open long [MES1!]", "не open long", "\N{FULLWIDTH LATIN SMALL LETTER O}pen long", "open long 2", "openlong",
    ],
)  # fmt: skip
def test_other_words_are_refused_with_the_known_ones(title: str) -> None:
    text = problem(f"[MNQ1!] {title}", PRICES)
    assert "which is not known" in text
    assert "open long|short; " in text


@pytest.mark.parametrize(
    ("value", "price"),
    [
        (21000, "21000"), ("21000.25", "21000.25"), ("🛑 21,000.25", "21000.25"), ("**21000.25** USD", "21000.25"),
        ("$21000.", "21000"),
        ("1,221,000", None), ("21'000.50", "21000.50"), ("`21000`", "21000"), ("SL: 21000", "21000"),
    ],
)  # fmt: skip
def test_a_price_is_found_among_signs(value: object, price: str | None) -> None:
    fields = {"Entry": "1300000", "Stop": value} if price is None else {"Entry": 21034, "Stop": value}
    stop = read("[MNQ1!] open long", fields).stop
    assert stop is not None
    assert stop.distance.value == Decimal(price or "1221000")


@pytest.mark.parametrize(
    "value",
    [
        "-5", "-21000", "0", "21,000", "1,085", "21.000,25", "21000,25", "20 points", "20pts", "20 ticks", "1.5%", "2 R", "21k",
        "21000-21010", "21000 21010", "21000 (20)", "NaN", "inf", "1.2.3", "٢١٠٠٠", "21000²", [], {}, True, "9" * 300, "1e5",
    ],
)  # fmt: skip
def test_what_is_not_one_price_without_doubt_is_refused_by_name(value: object) -> None:
    assert "Stop" in problem("[MNQ1!] open long", {"Entry": 21034, "Stop": value})


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"Stop": 21000, "Stop loss": 21010}, "both stop"),
        ({"tp1": 21040, "Take Profit 1": 21050}, "both target 1"),
    ],
)
def test_two_fields_for_one_price_are_refused(fields: dict[str, object], text: str) -> None:
    assert text in problem("[MNQ1!] open long", {"Entry": 21034, **fields})


@pytest.mark.parametrize(
    "name", ["target 1", "Target1", "🎯 TARGET 1", "takeprofit1", "Take Profit 1", "TP1", "Target", "tp", "Take_Profit"]
)
def test_the_first_target_has_many_names(name: str) -> None:
    (only,) = read("[MNQ1!] open long", {"Entry": 21034, "Stop": 21000, name: 21050}).targets
    assert only.distance.value == 21050


def test_a_field_nobody_knows_is_said() -> None:
    assert "field 'target 3' is not used" in read("[MNQ1!] open long", PRICES | {"target 3": 1}).warnings


@pytest.mark.parametrize(
    ("embeds", "text"),
    [
        ([], "a list with one object"), (None, "embeds is null"), ("x", "embeds is 'x'"), ([1], "a list with one object"),
        ([{}], "title is null"), ([{"title": True}], "title is true"),
        ([{"title": "[MNQ1!] close long"}, {"title": "x"}], "one signal per message"),
        ([{"title": "[MNQ1!] open long", "fields": {}}], "fields is an object"),
        ([{"title": "[MNQ1!] open long", "fields": [{"value": 1}]}], "an object with name and value"),
        ([{"title": "[MNQ1!] open long", "fields": [{}] * 30}], "at most 25"),
    ],
)  # fmt: skip
def test_another_shape_is_refused_by_the_field(embeds: object, text: str) -> None:
    assert text in (read_body(json.dumps({"embeds": embeds}).encode()).problem or "")


def test_the_senders_id_time_and_secret_are_used_and_the_embeds_time_is_the_bars() -> None:
    raw = json.dumps(
        {
            "embeds": [{"title": "[MNQ1!] close long", "timestamp": "2026-11-20T14:25:00.000Z"}],
            "id": "a1",
            "fired_at": "2026-11-20T14:30:01Z",
            "secret": "s3cret-value",
        }
    ).encode()
    reading = read_body(raw)
    (alert,) = reading.alerts
    assert (alert.sender_id, str(alert.fired_at), str(alert.bar_time)) == (
        "a1", "2026-11-20 14:30:01+00:00", "2026-11-20 14:25:00+00:00",
    )  # fmt: skip
    assert reading.secret is not None
    assert "s3cret" not in repr(alert) + reading.raw
    odd = read_body(json.dumps({"embeds": [{"title": "[MNQ1!] close long", "timestamp": "soon"}]}).encode())
    assert "not used: timestamp is 'soon'" in odd.alerts[0].warnings[0]


# --- properties ----------------------------------------------------------------------------------------------------------

TERMS = st.builds(
    DiscordTerms,
    uses_stop_entry=st.booleans(),
    closes_all_at_tp1=st.booleans(),
    tp1_fraction=st.sampled_from([Decimal(part) for part in ("0", "0.001", "0.33", "0.5", "0.75", "1", "2")]),
    ignores_non_entries=st.booleans(),
)
EMOJI = st.text("🟢🔴🚀 !⚠️*_-:", max_size=6)
VALUE = st.none() | st.text(max_size=8) | st.integers() | st.sampled_from(["21000", "21,034.5", "-5", "🎯 21040"])


@given(
    st.sampled_from([phrase for phrase in PHRASES if not phrase.startswith("open")]),
    EMOJI,
    EMOJI,
    st.dictionaries(st.sampled_from(["Entry", "Stop", "Target 1", "x"]), VALUE),
    TERMS,
    st.integers(-5, 5),
)
def test_a_message_that_gets_out_never_opens(
    phrase: str, before: str, after: str, fields: dict[str, Any], terms: DiscordTerms, held: int
) -> None:
    alert = read(f"{before}[MNQ1!]{after} {phrase.upper()} {before}", fields, terms)
    assert not may_open(alert)
    match meaning(alert, held):
        case Wanted(Reduce(qty=qty, side=side)):
            assert 1 <= qty < abs(held)
            assert side is (LONG if held > 0 else SHORT)
        case Wanted(Exit(everything=everything, side=side)):
            assert everything or (held and (side is None or side is (LONG if held > 0 else SHORT)))
        case Wanted(intent):
            raise AssertionError(intent)
        case Nothing(_, text) | Refusal(_, text):
            assert text


@given(
    st.text(max_size=30) | st.none() | st.integers(),
    st.recursive(
        VALUE, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    TERMS,
)
def test_no_embed_makes_the_reader_raise(title: Any, fields: Any, terms: DiscordTerms) -> None:
    for words in (title, "[MNQ1!] open long"):
        raw = json.dumps({"embeds": [{"title": words, "fields": fields}]}).encode()
        reading = read_body(raw, terms_of=lambda _: DialectTerms(discord=terms))
        assert (reading.problem is None) is bool(reading.alerts)
