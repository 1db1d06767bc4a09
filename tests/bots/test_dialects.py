"""What messages of other bridges ask for: golden bodies -> intents, by what is held (TradingView reference 10 and 13)."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.bots import Meaning, Wanted, interpret
from desk.core.intents import Enter, EnterEither, Exit, Reverse
from tests.alerts.test_dialects_json import goldens, read
from tests.alerts.test_golden import without_blanks
from tests.bots.build import BOT, NOW, where
from tests.bots.test_laws import HELD, ODD, check

POSITIONS = (0, 2, -2)
DETECTED = frozenset({"token", "strat", "bot_uuid", "action", "data", "type"})  # by these the form is recognised
LIMITS = ("max_position", "fresh_until")  # of the bot, the same everywhere


def told(meaning: Meaning) -> Any:
    """An intent without what is empty, or the reason why there is none."""
    if not isinstance(meaning, Wanted):
        return f"{type(meaning).__name__} {meaning.reason}"
    made = json.loads(msgspec.json.encode(meaning.intent))
    for entry in (made, made.get("enter", {})):
        for name in LIMITS:
            entry.pop(name, None)
    return without_blanks(made)


def becomes(body: bytes) -> dict[str, Any]:
    """By the position that is held: one meaning for each alert of the body."""
    alerts = read(body).alerts
    return {
        f"{held:+d}": [told(interpret(alert, BOT, where(held, avg_price=Decimal(21000)), NOW)) for alert in alerts]
        for held in POSITIONS
    }


@pytest.mark.parametrize("path", goldens(), ids=lambda path: path.stem)
def test_a_golden_body_becomes_what_is_written_down(path: Path) -> None:
    expected = json.loads(path.with_suffix(".expected.json").read_text(encoding="utf-8"))
    assert becomes(path.read_bytes()) == expected["becomes"]


# --- whatever stands in a message of another bridge --------------------------------------------------------------------

LEG = {"quantity": 1, "dollar_tp": 40, "dollar_sl": 20, "breakeven": 15, "trail": 0}
FULL: dict[str, dict[str, Any]] = {
    "TradersPost": {
        "ticker": "MNQ1!", "action": "buy", "sentiment": "bullish", "quantity": 2, "quantityType": "fixed_quantity",
        "price": 21000, "signalPrice": 21000, "orderType": "market", "takeProfit": {"amount": 40}, "cancel": True,
        "stopLoss": {"type": "stop", "amount": 20}, "timeInForce": "day", "time": "2026-11-18T11:59:58Z", "delay": 0,
    },
    "PickMyTrade": {
        "symbol": "MNQ1!", "data": "buy", "date": "2026-11-18T11:59:58Z", "quantity": 2, "price": 21000, "order_type": "MKT",
        "dollar_tp": 0, "dollar_sl": 0, "trail": 1, "trail_stop": 12, "trail_trigger": 25, "advance_tp_sl": [LEG, LEG],
        "update_tp": False, "update_sl": False, "token": "PMT-1f0e88a2c4", "pyramid": True, "reverse_order_close": True,
        "multiple_accounts": [{"account_id": "main", "quantity_multiplier": 1}], "breakeven": 15,
    },
    "3Commas": {
        "tv_instrument": "MNQ1!", "tv_exchange": "CME_MINI", "action": "buy", "bot_uuid": "b", "max_lag": "300",
        "secret": "x" * 9, "timestamp": "2026-11-18T11:59:58Z",
        "strategy_info": {"market_position": "long", "market_position_size": "2", "prev_market_position": "flat"},
        "order": {"amount": "2", "currency_type": "base"}, "stop": {"unit": "points", "value": 20},
    },
    "topstepbot": {
        "ticker": "MNQ1!", "type": "SIGNAL", "side": "BUY", "entry": 21000, "stop": 20980, "tp": 21040, "strat": "x",
        "timeframe": "M5",
    },
    "minimal REST": {"action": "BUY", "symbol": "MNQ1!", "quantity": 1, "price": 21000, "stop_loss": 20980, "take_profit": 21040},
}  # fmt: skip
OUT: list[tuple[str, dict[str, Any]]] = [
    ("TradersPost", {"action": "exit"}),
    ("TradersPost", {"action": "cancel"}),
    *(("TradersPost", {"action": action, "sentiment": "flat"}) for action in ("buy", "sell", "exit", "add")),
    ("TradersPost", {"action": "sell", "sentiment": "long"}),
    ("TradersPost", {"action": "buy", "sentiment": "bearish"}),
    *(("PickMyTrade", {"data": word}) for word in ("close", "flat", "exit", "CLOSE")),
    ("PickMyTrade", {"update_sl": True, "sl": 20990}),
    ("3Commas", {"action": "exit_long"}),
    ("3Commas", {"action": "exit_short"}),
    ("3Commas", {"strategy_info": {"market_position": "flat", "market_position_size": 0}}),
    ("3Commas", {"action": "sell"}),
    *(("topstepbot", {"type": word}) for word in ("PARTIAL", "CLOSE", "MOVEBE", "SETUP")),
    ("minimal REST", {"action": "CLOSE"}),
    ("minimal REST", {"action": "FLATTEN"}),
]


@st.composite
def spoilt(draw: st.DrawFn, message: dict[str, Any], spared: frozenset[str]) -> dict[str, Any]:
    """The message with something odd, or nothing, in some of its fields, those spared that say what is asked for."""
    message = json.loads(json.dumps(message))
    for name in draw(st.lists(st.sampled_from(sorted(set(message) - spared)), max_size=3, unique=True)):
        inner = message[name]
        if isinstance(inner, dict) and inner and draw(st.booleans()):
            inner[draw(st.sampled_from(sorted(inner)))] = draw(ODD)
        elif draw(st.booleans()):
            message[name] = draw(ODD)
        else:
            del message[name]
    return message


@given(st.sampled_from(sorted(FULL)).flatmap(lambda name: spoilt(FULL[name], frozenset())), HELD)
def test_whatever_a_foreign_message_says_its_meaning_is_sound(message: dict[str, Any], held: int) -> None:
    reading = read(message)
    assert (reading.problem is None) is bool(reading.alerts)
    for alert in reading.alerts:
        check(alert, held, interpret(alert, BOT, where(held, avg_price=Decimal(21000)), NOW))


@given(st.sampled_from(OUT).flatmap(lambda out: spoilt(FULL[out[0]] | out[1], frozenset(out[1]) | DETECTED)), HELD)
def test_what_asks_to_get_out_never_opens_anything(message: dict[str, Any], held: int) -> None:
    for alert in read(message).alerts:
        meaning = interpret(alert, BOT, where(held, avg_price=Decimal(21000)), NOW)
        assert not (isinstance(meaning, Wanted) and isinstance(meaning.intent, Enter | Reverse | EnterEither))


WHOLE: list[tuple[str, dict[str, Any], set[str]]] = [  # what closes everything, and what it cannot do without
    ("TradersPost", {"sentiment": "flat"}, {"ticker", "sentiment"}),
    (
        "TradersPost",
        {"action": "exit", "quantity": None},
        {"ticker", "action", "quantity", "quantityType", "orderType", "sentiment"},
    ),
    ("PickMyTrade", {"data": "close"}, {"symbol", "data", "token", "multiple_accounts"}),
    (
        "3Commas",
        {"strategy_info": {"market_position": "flat", "market_position_size": "0"}},
        {"tv_instrument", "strategy_info"},
    ),
    (
        "3Commas",
        {"action": "exit_long", "order": None, "strategy_info": None},
        {"tv_instrument", "action", "order", "bot_uuid", "strategy_info"},
    ),
    ("topstepbot", {"type": "CLOSE"}, {"ticker", "type", "strat"}),
    ("minimal REST", {"action": "FLATTEN"}, {"action", "symbol"}),
]


@given(st.sampled_from(WHOLE).flatmap(lambda out: spoilt(FULL[out[0]] | out[1], frozenset(out[2]))))
def test_what_closes_everything_is_not_held_up_by_what_it_can_do_without(message: dict[str, Any]) -> None:
    if "ticker" in message and "strat" not in message:
        message.setdefault("action", None)  # by its presence the form is recognised, whatever stands there
    (alert,) = read(message).alerts
    meaning = interpret(alert, BOT, where(2, avg_price=Decimal(21000)), NOW)
    assert isinstance(meaning, Wanted), meaning
    assert isinstance(meaning.intent, Exit)


@pytest.mark.parametrize("name", sorted(FULL))
def test_the_messages_that_are_spoilt_are_whole_before(name: str) -> None:
    (alert,) = read(FULL[name]).alerts
    assert alert.dialect == name
    meaning = interpret(alert, BOT, where(), NOW)
    assert isinstance(meaning, Wanted), meaning
    assert isinstance(meaning.intent, Enter)
