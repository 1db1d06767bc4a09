"""The keys of a table ``[bots.NAME]`` in ``desk.toml``: what may stand there, what is meant, and what holds without them.

What the default bot can also have in ``.env`` is called the same here, in lower case and without ``BOT_``, and has the same
default. A value is what TOML makes of it (text, number, true, list); texts are read by the kinds that ``.env`` is read by.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import time
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from desk.bots.config import Window
from desk.settings import kinds
from desk.settings.kinds import Kind
from desk.settings.table import DIALECTS

__all__ = ["BOT_FIELDS", "DAYS", "BotField"]

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WINDOW = re.compile(
    r"(?:(?P<days>[a-z]{3}(?:[-,][a-z]{3})*)\s+)?"
    r"(?P<start>[0-2][0-9]:[0-5][0-9])\s*-\s*(?P<end>[0-2][0-9]:[0-5][0-9])"
    r"(?:\s+(?P<zone>[A-Za-z][A-Za-z0-9_+/-]{1,63}))?"
)


class BotField(NamedTuple):
    """``parse`` takes what TOML read, or raises ValueError. ``default`` is for a person, ``fallback`` the value of it; None: see
    ``meaning``."""

    allowed: str
    parse: Callable[[object], Any]
    default: str | None
    meaning: str
    fallback: Any = None


def _text(kind: Kind, default: str | None, meaning: str) -> BotField:
    def parse(value: object) -> object:
        if not isinstance(value, str) or not value.strip():
            raise ValueError
        return kind.parse(value.strip())

    return BotField(kind.allowed, parse, default, meaning, None if default is None else kind.parse(default))


def _number(kind: Kind, default: str | None, meaning: str) -> BotField:
    """A number of TOML; text only where a word such as none is allowed."""

    def parse(value: object) -> object:
        if isinstance(value, int | Decimal) and not isinstance(value, bool):
            return kind.parse(f"{value:f}" if isinstance(value, Decimal) else str(value))
        if value == "none" and kind.allowed.endswith("none"):
            return None
        raise ValueError

    return BotField(kind.allowed, parse, default, meaning, None if default is None else kind.parse(default))


def _flag(default: str, meaning: str) -> BotField:
    def parse(value: object) -> bool:
        if not isinstance(value, bool):
            raise ValueError
        return value

    return BotField("true or false", parse, default, meaning, default == "true")


def _account(value: object) -> int | str:
    if isinstance(value, bool):
        raise ValueError
    if isinstance(value, int):
        return int(str(kinds.whole(1, 2**63 - 1).parse(str(value))))
    if isinstance(value, str) and value.strip():
        return str(kinds.line().parse(value.strip()))
    raise ValueError


def _symbols(value: object) -> tuple[str, ...]:
    """A list of roots; an empty one: it opens nothing."""
    if not isinstance(value, list) or not all(isinstance(item, str) and item.strip() for item in value):
        raise ValueError
    parse = kinds.roots().parse
    found = [root for item in value for root in _roots(parse(item.strip()))]
    return tuple(dict.fromkeys(found))


def _roots(parsed: object) -> tuple[str, ...]:
    if not isinstance(parsed, tuple) or len(parsed) != 1:  # commas inside of an item, or none
        raise ValueError
    return parsed


def _windows(value: object) -> tuple[Window, ...]:
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list) or not 1 <= len(items) <= 20:
        raise ValueError
    return tuple(_window(item) for item in items)


def _window(text: object) -> Window:
    """``mon-fri 08:30-15:00 America/Chicago``; days and zone may be left out."""
    found = _WINDOW.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None:
        raise ValueError
    start, end = time.fromisoformat(found["start"]), time.fromisoformat(found["end"])
    zone = found["zone"] or "America/Chicago"
    try:
        ZoneInfo(zone)
    except (KeyError, OSError) as unknown:  # ZoneInfoNotFoundError is a KeyError; a folder is an OSError
        raise ValueError from unknown
    days = frozenset(range(7)) if found["days"] is None else _days(found["days"])
    return Window(start, end, days, zone)


def _days(text: str) -> frozenset[int]:
    """``mon-fri``, ``mon,wed``, ``fri-sun``; ``sat-mon`` goes over the weekend."""
    days: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        begin, end = DAYS.index(first), DAYS.index(last or first)  # ValueError for what is no day
        days |= {(begin + step) % 7 for step in range((end - begin) % 7 + 1)}
    return frozenset(days)


# fmt: off
BOT_FIELDS: Mapping[str, BotField] = MappingProxyType({
    "account": BotField(
        "an account's id, or its name in quotes", _account, None,
        "The account it trades. Missing: PROJECT_X_ACCOUNT_ID."),
    "token": _text(kinds.token(), None,
        "Secret of its webhook, /tv/TOKEN. Missing: made at the first start and kept in DATA_DIR/bot_NAME.token."),
    "token_file": _text(kinds.file(), None, "Or the file in which the secret stands, seen from desk.toml's folder."),
    "symbols": BotField(
        'a list of roots such as ["MNQ", "ES"]', _symbols, None, "The roots that it may open positions in. Needed."),
    "sides": _text(kinds.sides(), "both", "On which sides it may open."),
    "position_size": _number(kinds.whole(1, 100), "1", "Contracts of an entry whose alert names no quantity."),
    "max_position_size": _number(kinds.whole(1, 200), None,
        "The most contracts it may hold per symbol. Missing: twice position_size."),
    "sizing": _text(kinds.choice("as_sent", "fixed", "factor", "risk_usd"), "as_sent",
        "How many contracts an entry has: as the alert says; always position_size; the alert's times sizing_value; as many "
        "as lose sizing_value dollars at the stop. Rounded down."),
    "sizing_value": _number(kinds.exact("0.01", "100000"), None, "The number to sizing factor and risk_usd."),
    "stop_loss_ticks": _number(kinds.or_none(kinds.whole(4, 1000)), "none",
        "Ticks to the stop of an entry whose message has none. none: such an entry is refused."),
    "take_profit_ticks": _number(kinds.or_none(kinds.whole(4, 10000)), "none",
        "Ticks to the target of an entry whose message has none. none: it has no target."),
    "max_alert_age": _number(kinds.number(1, 300), "15", "Seconds after which an entry is too late and refused."),
    "windows": BotField(
        'a list of times such as ["mon-fri 08:30-15:00 America/Chicago"]', _windows, None,
        "When it may open: from the first minute on, before the last. Days and zone (America/Chicago) may be left out. "
        "Missing: always. Exits know no window."),
    "entries_per_minute": _number(kinds.or_none(kinds.whole(1, 600)), "none", "Entries beyond so many in a minute are refused."),
    "cooldown_seconds": _number(kinds.number(0, 86400), "0",
        "After an exit, no entry of that symbol for so many seconds."),
    "debounce_seconds": _number(kinds.number(0, 86400), "300",
        "While a position is held, a repeated entry of the same symbol and side is ignored for so many seconds."),
    "same": _text(kinds.or_none(kinds.choice("ignore", "add", "reject")), "none",
        "An entry where that side is held, unless the alert says it (pyramiding: add)."),
    "opposite": _text(kinds.or_none(kinds.choice("reverse", "close_only", "ignore", "reject")), "none",
        "An entry against a position, unless the alert says it."),
    "bare_side": _text(kinds.choice("refuse", "entry", "exit_opposite"), "refuse",
        "What a message means that only says buy or sell."),
    "signal_mode": _text(kinds.choice("target", "difference"), "target",
        "Whether the position in a message is the goal, or the order's own quantity is traded."),
    "on_gap": _text(kinds.choice("follow_target", "reduce_only", "halt_bot"), "follow_target",
        "When a message was lost, doubled or came out of order: go to the newest goal, only reduce, or halt the bot."),
    "reorder_ms": _number(kinds.whole(0, 2000), "250",
        "Milliseconds that a message which does not fit the last one waits for the one in between."),
    "price_bound_pct": _number(kinds.or_none(kinds.exact("0.01", "50")), "1",
        "An entry whose price is further than so many per cent from the live price is refused."),
    "contract_policy": _text(kinds.choice("follow_gateway", "require_match", "reject"), "follow_gateway",
        "When the chart's contract is not the gateway's."),
    "heartbeat_minutes": _number(kinds.or_none(kinds.number(1, 10080)), "none",
        "How often TradingView sends a heartbeat. One that is overdue in trading hours is told."),
    "dialect": _text(kinds.or_none(kinds.choice(*DIALECTS)), "none",
        "The only form of message that it reads. none: whichever is recognised."),
    "pickmytrade_dollar_unit": _text(kinds.or_none(kinds.choice("points", "ticks", "usd")), "none",
        "What dollar_tp and dollar_sl of PickMyTrade messages are counted in. none: such messages are refused."),
    "use_stop_entry": _flag("true",
        "Discord-style messages: an entry is a stop order at the alert's entry price; false: a market order."),
    "close_entire_position_at_tp1": _flag("false",
        "Discord-style messages: the first target takes the whole position."),
    "tp1_fraction": _number(kinds.exact("0.01", "1"), "0.75",
        "Discord-style messages: else the first target takes this share of it, the second one the rest."),
    "ignore_non_entry_signals": _flag("false",
        "Discord-style messages: only entries, stop outs and the session close are carried out."),
})
# fmt: on
