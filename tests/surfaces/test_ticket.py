"""Order tickets: words in, an intent or a sentence out."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.core.alert import PositionSide
from desk.core.intents import (
    BreakEven,
    Care,
    Enter,
    EnterEither,
    Exit,
    Intent,
    Reduce,
    Reverse,
    Stage,
    Trail,
    TrailOn,
)
from desk.core.words import OrderType, Side
from desk.surfaces.amounts import Ranging
from desk.surfaces.arguments import take_apart
from desk.surfaces.calls import BadCall
from desk.surfaces.entry_terms import ENTRY_OPTIONS, FRESH_FOR, Scene
from desk.surfaces.intent_words import intent_words
from desk.surfaces.manual import USAGE
from desk.surfaces.ticket import BREAKEVEN_FLAG, TICKETS, later, write_ticket
from tests.surfaces.room import MNQ, T0

BUY, SELL, LIMIT, STOP = Side.BUY, Side.SELL, OrderType.LIMIT, OrderType.STOP


def scene(held: int) -> Scene:
    return Scene(contract=MNQ, held=held, max_position=4, now=T0, ranging=Ranging(at("10.1")))


def write(line: str, held: int = 0) -> Intent:
    command, *args = line.split()
    asked = take_apart(args, ENTRY_OPTIONS, USAGE[command], {BREAKEVEN_FLAG} if command == "stop_bracket" else ())
    return write_ticket(command, scene(held), asked)


def entry(side: Side = BUY, qty: int = 1, stop_ticks: int | None = 80, **terms: object) -> Enter:
    made = Enter(side=side, qty=qty, stop_ticks=stop_ticks, max_position=4, fresh_until=T0 + FRESH_FOR)
    return msgspec.structs.replace(made, **terms)


def at(price: str) -> Decimal:
    return Decimal(price)


@pytest.mark.parametrize(
    ("line", "intent"),
    [
        ("trade MNQ buy 1 stop=80", entry()),
        ("trade MNQ SELL 2 STOP=20p", entry(SELL, 2)),
        ("trade MNQ long 1 stop=@21000", entry(stop_ticks=None, care=Care(stop_price=at("21000")))),
        ("trade MNQ buy 1 stop=2atr", entry()),
        (
            "trade MNQ buy 2 stop=1.5atr target=2atr:1,none:1",
            entry(qty=2, stop_ticks=60, stages=(Stage(qty=1, target_ticks=80), Stage(qty=1))),
        ),
        (
            "trade MNQ buy 1 stop=80 be=1atr:.1atr trail=1.5ATR:2atr:4",
            entry(
                care=Care(
                    breakeven=BreakEven(trigger_ticks=40, offset_ticks=4),
                    trail=Trail(distance_ticks=60, trigger_ticks=80, step_ticks=4),
                )
            ),
        ),
        ("bracket MNQ buy 1 2atr 4atr", entry(stages=(Stage(qty=1, target_ticks=161),))),
        ("trade MNQ buy 2 stop=80 target=160", entry(qty=2, stages=(Stage(qty=2, target_ticks=160),))),
        (
            "trade MNQ buy 3 stop=80 target=40,@21100",
            entry(qty=3, stages=(Stage(qty=2, target_ticks=40), Stage(qty=1, target_price=at("21100")))),
        ),
        (
            "trade MNQ buy 3 stop=80 target=40:1,none:2",
            entry(qty=3, stages=(Stage(qty=1, target_ticks=40), Stage(qty=2))),
        ),
        (
            "trade MNQ buy 1 stop=80 be=40:4 trail=10p:80:4",
            entry(
                care=Care(
                    breakeven=BreakEven(trigger_ticks=40, offset_ticks=4),
                    trail=Trail(distance_ticks=40, trigger_ticks=80, step_ticks=4),
                )
            ),
        ),
        ("limit MNQ buy 1 20990.25 stop=80", entry(type=LIMIT, limit_price=at("20990.25"))),
        (
            "limit MNQ buy 1 20990 stop=80 expire=15m",
            entry(type=LIMIT, limit_price=at("20990"), expires_at=T0 + timedelta(minutes=15)),
        ),
        ("stop MNQ sell 1 20950 stop=80", entry(SELL, type=STOP, stop_price=at("20950"))),
        ("stop_buy MNQ 1 21050 stop=80", entry(type=STOP, stop_price=at("21050"))),
        ("stop_sell MNQ 1 20950 stop=80", entry(SELL, type=STOP, stop_price=at("20950"))),
        ("touch MNQ buy 1 20950 stop=80", entry(touch_price=at("20950"))),
        (
            "stop_limit MNQ buy 1 21050 21052.5 stop=80",
            entry(type=LIMIT, limit_price=at("21052.5"), touch_price=at("21050")),
        ),
        ("join MNQ buy 1 stop=80", entry(type=OrderType.JOIN_BID)),
        ("join MNQ sell 1 stop=80", entry(SELL, type=OrderType.JOIN_ASK)),
        ("trail MNQ buy 1 15 stop=80", entry(type=OrderType.TRAILING_STOP, trail_ticks=60)),
        ("bracket MNQ buy 1 80 160", entry(stages=(Stage(qty=1, target_ticks=160),))),
        (
            "native_bracket MNQ buy 1 20980 21060.25",
            entry(
                stop_ticks=None,
                care=Care(stop_price=at("20980")),
                stages=(Stage(qty=1, target_price=at("21060.25")),),
            ),
        ),
        (
            "stop_bracket MNQ sell 1 20950 20970 20900 --breakeven",
            entry(
                SELL,
                stop_ticks=None,
                type=STOP,
                stop_price=at("20950"),
                stages=(Stage(qty=1, target_price=at("20900")),),
                care=Care(stop_price=at("20970"), breakeven=BreakEven(trigger_ticks=80)),
            ),
        ),
        (
            "oco MNQ 1 21050 20950 stop=80",
            EnterEither(
                first=entry(type=STOP, stop_price=at("21050")), second=entry(SELL, type=STOP, stop_price=at("20950"))
            ),
        ),
    ],
)
def test_a_ticket_is_what_its_words_say(line: str, intent: Intent) -> None:
    assert write(line) == intent
    assert write(f"{line} yes") == intent
    assert "NO STOP" not in intent_words(intent, MNQ, "MNQZ6")


@pytest.mark.parametrize(
    ("line", "held", "intent"),
    [
        ("trade MNQ sell 2", 2, Exit(side=PositionSide.LONG)),
        ("trade MNQ sell 1", 2, Reduce(qty=1, side=PositionSide.LONG)),
        ("trade MNQ buy 1", -1, Exit(side=PositionSide.SHORT)),
        ("trade MNQ buy 1 stop=80", 2, entry()),
        ("trail MNQ sell 2 10", 2, TrailOn(trail=Trail(distance_ticks=40))),
        ("trail MNQ sell 2 1atr", 2, TrailOn(trail=Trail(distance_ticks=40))),
        ("trail MNQ sell 2 40t", 2, TrailOn(trail=Trail(distance_ticks=40))),
        ("reverse MNQ stop=80", 2, Reverse(enter=entry(SELL, 2))),
        ("reverse MNQ 1 stop=80", -3, Reverse(enter=entry())),
    ],
)
def test_against_a_position_a_trade_only_closes(line: str, held: int, intent: Intent) -> None:
    assert write(line, held) == intent


@pytest.mark.parametrize(
    ("line", "held", "hint"),
    [
        ("trade MNQ buy 1", 0, "an entry needs a protective stop"),
        ("reverse MNQ", 2, "an entry needs a protective stop"),
        ("oco MNQ 1 21050 20950", 0, "an entry needs a protective stop"),
        ("trade MNQ sell 3", 2, "write reverse MNQ stop=... to turn it around".replace("write ", "")),
        ("trade MNQ sell 1 stop=80", 2, "stop= belongs to an entry"),
        ("trade MNQ buy", 0, "something is missing. Write trade SYMBOL buy|sell QTY"),
        ("trade MNQ buy 1 80", 0, "too many words"),
        ("trade MNQ up 1 stop=80", 0, "write buy or sell"),
        ("trade MNQ buy 1.5 stop=80", 0, "whole contracts"),
        ("trade MNQ buy 1 stop=80 expire=5m", 0, "a market order fills at once"),
        ("trade MNQ buy 1 stopp=80", 0, "there is no option 'stopp'"),
        ("trade MNQ buy 1 stop=80 stop=90", 0, "twice"),
        ("trade MNQ buy 1 stop=", 0, "needs a value"),
        ("trade MNQ buy 1 stop=80 target=40,80", 0, "2 targets need at least as many contracts"),
        ("trade MNQ buy 3 stop=80 target=40:1,80:1", 0, "the targets take 2 contracts"),
        ("trade MNQ buy 3 stop=80 target=40:1,80", 0, "every target its quantity, or none"),
        ("trade MNQ buy 1 stop=80 be=40:40", 0, "cannot go 40 ticks in favour"),
        ("trade MNQ buy 1 stop=80 be=1:2:3", 0, "TRIGGER[:OFFSET]"),
        ("trade MNQ buy 1 stop=80 trail=1:2:3:4", 0, "DISTANCE[:TRIGGER[:STEP]]"),
        ("trade MNQ buy 1 stop=@21000 target=@20900", 0, "has its stop below its target"),
        ("limit MNQ sell 1 21100 stop=80", 2, "modify_tp MNQ PRICE"),
        ("stop_sell MNQ 1 20950 stop=80", 2, "modify_stop MNQ PRICE"),
        ("limit MNQ buy 1 21000 stop=@21010", 0, "has to lie below the entry 21000.00"),
        ("limit MNQ sell 1 21000 stop=@20990", 0, "has to lie above the entry"),
        ("limit MNQ buy 1 21000 stop=80 target=@20990", 0, "has to lie above the entry"),
        ("limit MNQ buy 1 21000.1 stop=80", 0, "21000.00 or 21000.25"),
        ("bracket MNQ buy 1 80 160 stop=80", 0, "which one is meant"),
        ("stop_bracket MNQ buy 1 21000 21010 21050", 0, "has to lie below the entry"),
        ("oco MNQ 1 20950 21050 stop=80", 0, "has to lie above the sell stop"),
        ("oco MNQ 1 21050 20950 stop=@21000", 0, "one price cannot fit both"),
        ("oco MNQ 1 21050 20950 stop=80", 1, "one of the two would close it"),
        ("trail MNQ sell 1 10", 2, "write trail MNQ sell 2 10"),
        ("trail MNQ buy 1 NaN stop=80", 0, "amount 'NaN': write a distance, 20 for points or 80t for ticks"),
        ("trail MNQ buy 1 0.1 stop=80", 0, "amount '0.1' is no whole number of ticks"),
        ("trail MNQ sell 2 10 stop=80", 2, "belongs to an entry"),
        ("trail MNQ buy 1 10.1 stop=80", 0, "10.00p or 10.25p"),
        ("reverse MNQ stop=80", 0, "nothing to reverse"),
    ],
)
def test_a_wrong_ticket_names_the_cause_and_the_next_step(line: str, held: int, hint: str) -> None:
    with pytest.raises(BadCall) as refused:
        write(line, held)
    assert hint in str(refused.value)


WORDS = st.sampled_from([
    "MNQ", "buy", "sell", "long", "1", "2", "0", "21000", "20990.25", "21000.1", "1e9", "nan", "-1", "80", "yes",
    "--breakeven", "stop=80", "stop=@21000.25", "stop=20p", "stop=", "target=40,80", "target=40:1,none:1", "target=:,:",
    "be=40:4", "be=:", "trail=40:20:4", "trail=::::", "expire=15m", "expire=0", "account=x", "=", "x=y", "٣", "²",
])  # fmt: skip


@given(
    command=st.sampled_from(sorted(TICKETS)),
    words=st.lists(WORDS | st.text(alphabet="0123456789.:,=@ptsmh-xyes²½", max_size=12), max_size=9),
    held=st.integers(-4, 4),
)
def test_whatever_is_written_becomes_an_intent_or_a_sentence(command: str, words: list[str], held: int) -> None:
    flags = {BREAKEVEN_FLAG} if command == "stop_bracket" else ()
    try:
        asked = take_apart(words, ENTRY_OPTIONS, USAGE[command], flags)
        intent = write_ticket(command, scene(held), asked)
    except BadCall:
        return
    assert "NO STOP" not in intent_words(intent, MNQ, "MNQZ6")
    if isinstance(intent, Exit | Reduce):
        assert held, "only what is held can be closed"
    if isinstance(intent, Enter):
        assert intent.stop_ticks is not None or intent.care.stop_price is not None
        assert not intent.stages or sum(stage.qty for stage in intent.stages) == intent.qty
        assert held * intent.side.sign >= 0, "an entry never stands against what is held"


@given(qty=st.integers(1, 1000), n=st.integers(1, 8))
def test_targets_share_the_quantity_evenly(qty: int, n: int) -> None:
    targets = ",".join(str(40 * i) for i in range(1, n + 1))
    if n > qty:
        return
    made = write(f"trade MNQ buy {qty} stop=80 target={targets}")
    assert isinstance(made, Enter)
    sizes = [stage.qty for stage in made.stages]
    assert (sum(sizes), len(sizes)) == (qty, n)
    assert max(sizes) - min(sizes) <= 1


def test_the_time_that_a_question_stood_is_not_taken_from_the_order() -> None:
    passed = timedelta(seconds=40)
    made = later(write("limit MNQ buy 1 20990 stop=80 expire=60"), passed)
    assert isinstance(made, Enter)
    assert (made.fresh_until, made.expires_at) == (T0 + FRESH_FOR + passed, T0 + timedelta(seconds=100))
    assert later(Exit(), passed) == Exit()
