"""Text messages of other bridges: raw -> canonical -> what the bot would do (TradingView reference 6, 10.3, 10.5, 10.6)."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.alerts import DialectTerms, read_body
from desk.alerts.dialects.crosstrade import COMMANDS
from desk.alerts.dialects.pairs import Pairs
from desk.bots import Nothing, Refusal, Wanted, may_open
from desk.core.alert import Action, Alert
from desk.core.intents import Cancel, Exit, MoveStop, MoveTarget, Reduce
from desk.core.secret import Secret
from tests.alerts.test_golden import canonical
from tests.alerts.told import ATM, PLACE, meaning, problem, read, read_all

GOLDEN = Path(__file__).parent / "golden" / "dialects"
RAW = sorted(GOLDEN.glob("*.txt"))
KEY = "Sekret-4711-x"


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
    started = time.process_time()
    for head in ("command=PLACE;", "SIGNAL=BUY;", "s=a b=long q=1 ", "x(Y) {"):
        read_body((head + piece * (60_000 // len(piece))).encode())
    assert time.process_time() - started < 2


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
