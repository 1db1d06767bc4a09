"""Alerts in the form of a Discord message with an embed (TradingView reference 10.6, existing-bots 1.4).

The title says what happened, ``[MNQ1!] open long``, and the fields carry the prices. What the first bots made of the words is
corrected where it closed more than was said (existing-bots 1.18): a side is that side, and a symbol is that symbol.

The title must say one of the known phrases and nothing else: "open long cancelled" opens nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from desk.alerts.dialects.discord_price import price_in
from desk.alerts.dialects.words import Translation
from desk.alerts.terms import DialectTerms, DiscordTerms
from desk.alerts.values import Refusal, shown, time_of
from desk.alerts.wire import Json, JsonObject
from desk.core.errors import UnknownSymbol
from desk.core.symbols import parse_symbol

__all__ = ["PHRASES", "read_discord"]

_BRACKET = re.compile(r"\[([^\[\]]{1,64})\]")
_WORD = re.compile(r"[^\W_]+")  # of every script, so that no word is overlooked; emoji and signs are none
_FILLERS = frozenset({"for", "position"})
_MOST_FIELDS = 25  # Discord's own limit
_NAMED = (  # in the name of a field, without blanks -> which price it is; the first that fits
    ("target 1", re.compile(r"(?:target|takeprofit|tp)1(?![0-9])")),
    ("target 2", re.compile(r"(?:target|takeprofit|tp)2(?![0-9])")),
    ("target 1", re.compile(r"(?:target|takeprofit|(?<![a-z])tp)(?![a-z0-9])")),
    ("entry", re.compile(r"entry")),
    ("stop", re.compile(r"stop")),
)
_OWN = ("id", "fired_at", "bot")

Read = Callable[["_Message"], JsonObject]


@dataclass(frozen=True, slots=True)
class _Message:
    """side: what the title names, ``long``, ``short`` or nothing."""

    words: str
    side: str
    symbol: str | None
    fields: Json
    terms: DiscordTerms
    warnings: list[str]


def read_discord(data: JsonObject, terms: DialectTerms) -> Translation:
    """One message. Raises Refusal with the title's words and the known ones, or with the name of the field."""
    embed = _embed(data)
    title = embed.get("title")
    if not isinstance(title, str) or not title.strip():
        raise Refusal(f"embeds[0].title is {shown(title)}; a text such as [MNQ1!] open long is wanted there.")
    symbol, words = _taken_apart(title)
    known = _KNOWN.get(words)
    if known is None:
        raise Refusal(
            f"The title says {shown(words)}, which is not known. Known, behind a symbol in brackets, is: {_TO_SAY}."
        )
    phrase, side, read = known
    message = _Message(words, side, symbol, embed.get("fields"), terms.discord, [])
    if terms.discord.ignores_non_entries and phrase not in _NEVER_IGNORED:
        text = f"{words}: not carried out, only entries, stop outs and the session close are (IGNORE_NON_ENTRY_SIGNALS)"
        message.warnings.append(text)
        meant: JsonObject = {"action": "note", "symbol": symbol}
    else:
        meant = read(message)
    meant["comment"] = title.strip()[:1024]
    meant |= {name: data[name] for name in _OWN if name in data}
    meant |= _bar_time(embed, message.warnings)
    return Translation((meant,), tuple(message.warnings))


def _embed(data: JsonObject) -> JsonObject:
    """The one that carries the signal. A second one with a title would be a second signal."""
    embeds = data.get("embeds")
    if not isinstance(embeds, list) or not embeds or not isinstance(embeds[0], dict):
        raise Refusal(f"embeds is {shown(embeds)}; a list with one object is wanted there.")
    if any(isinstance(more, dict) and more.get("title") for more in embeds[1:]):
        raise Refusal(f"embeds holds {len(embeds)} entries with a title; send one signal per message.")
    return embeds[0]


def _taken_apart(title: str) -> tuple[str | None, str]:
    """The symbol, and the words without it: lower case, no emoji, no signs. ``trim / close long`` is ``trim/close long``."""
    symbol = None
    rest = title
    match = _BRACKET.search(title)
    if match is not None:
        symbol = _symbol(match[1])
        rest = title[: match.start()] + " " + title[match.end() :]
    words = [word for word in _WORD.findall(rest.lower()) if word not in _FILLERS]
    return symbol, " ".join(words).replace("trim close", "trim/close")


def _symbol(text: str) -> str:
    """``MNQ1!`` out of ``MNQ1!, 5m``, by the known roots, so that M2K1! and 6E1! come out right. Unknown ones as sent."""
    for part in (text, *re.split(r"[\s,;|]+", text.strip())):
        try:
            parse_symbol(part)
        except UnknownSymbol:
            continue
        return part.strip()
    return text.strip()


def _bar_time(embed: JsonObject, warnings: list[str]) -> JsonObject:
    """The embed's own time. It may be the bar's opening, so no age is counted from it."""
    try:
        given = time_of("timestamp", embed.get("timestamp"))
    except Refusal as refusal:
        warnings.append(f"not used: {refusal}")
        return {}
    return {} if given is None else {"bar_time": given.isoformat()}


# --- what the words mean -------------------------------------------------------------------------------------------------


def _open(message: _Message) -> JsonObject:
    """An entry of the bot's own size. Its stop is a price; without one it is refused by the rule for every entry."""
    prices = _prices(message.fields, message.warnings)
    entry, stop = prices.get("entry"), prices.get("stop")
    meant = _placed(message, f"enter_{message.side}") | {"qty": {"mode": "default"}}
    if message.terms.uses_stop_entry:
        if entry is None:
            raise Refusal("entry has no price, and the entry is a stop order at that price (USE_STOP_ENTRY).")
        meant["order"] = {"type": "stop", "stop_price": f"{entry:f}"}
    if entry is not None:
        meant["price"] = f"{entry:f}"
    if stop is not None:
        meant["stop"] = {"unit": "price", "value": f"{stop:f}"}
    targets = _targets(prices, message.terms)
    return meant | ({"targets": targets} if targets else {})


def _targets(prices: dict[str, Decimal], terms: DiscordTerms) -> list[Json]:
    """All of it at the first target, or a share there and the rest at the second; what has no target waits for its message."""
    first, second = prices.get("target 1"), prices.get("target 2")
    share = terms.tp1_fraction * 100
    if first is None or terms.closes_all_at_tp1 or not 0 < share < 100:
        only = second if first is None else first
        return [] if only is None else [_target(only, None)]
    return [_target(first, share)] + ([] if second is None else [_target(second, 100 - share)])


def _target(price: Decimal, pct: Decimal | None) -> Json:
    target: JsonObject = {"unit": "price", "value": f"{price:f}"}
    return target if pct is None else {**target, "qty_pct": f"{pct.normalize():f}"}


def _prices(fields: Json, warnings: list[str]) -> dict[str, Decimal]:
    """By what the names of the fields contain. Two fields for one price are refused."""
    if fields is None:
        return {}
    if not isinstance(fields, list) or len(fields) > _MOST_FIELDS:
        raise Refusal(f"fields is {shown(fields)}; a list of at most {_MOST_FIELDS} objects is wanted there.")
    found: dict[str, Decimal] = {}
    seen: dict[str, str] = {}
    for field in fields:
        name = field.get("name") if isinstance(field, dict) else None
        if not isinstance(field, dict) or not isinstance(name, str):
            raise Refusal(f"fields holds {shown(field)}; an object with name and value is wanted there.")
        compact = re.sub(r"[\s_-]+", "", name.lower())
        wanted = next((which for which, pattern in _NAMED if pattern.search(compact)), None)
        if wanted is None:
            warnings.append(f"field {shown(name)} is not used")
            continue
        if wanted in seen:
            raise Refusal(f"The fields {shown(seen[wanted])} and {shown(name)} are both {wanted}. Keep one of them.")
        seen[wanted] = name
        price = price_in(name, field.get("value"))
        if price is not None:
            found[wanted] = price
    return found


def _first_target(message: _Message) -> JsonObject:
    """The first target was reached: all of that side, or the share of it that the owner set."""
    if message.terms.closes_all_at_tp1:
        return _out(message)
    return _part(message)


def _part(message: _Message) -> JsonObject:
    action = f"exit_{message.side}" if message.side else "reduce"
    pct = min(max(message.terms.tp1_fraction * 100, Decimal("0.01")), Decimal(100))
    return _placed(message, action) | {"qty": {"mode": "position_pct", "value": f"{pct.normalize():f}"}}


def _out(message: _Message) -> JsonObject:
    """Of that side in that symbol, and nothing else."""
    return _placed(message, f"exit_{message.side}" if message.side else "exit")


def _flatten(message: _Message) -> JsonObject:
    """The bot's whole account, as the session ends for all of it."""
    del message
    return {"action": "flatten_all"}


def _placed(message: _Message, action: str) -> JsonObject:
    if message.symbol is None:
        raise Refusal(f"The title says {message.words} without a symbol in square brackets: [MNQ1!] {message.words}.")
    return {"action": action, "symbol": message.symbol}


_READ: dict[str, Read] = {
    "open": _open,
    "trim": _part,
    "trim/close": _first_target,
    "tp1 hit": _first_target,
    "tp2 hit": _out,
    "tp3 hit": _out,
    "stop out": _out,
    "close": _out,
    "exit": _out,
    "session close": _flatten,
}
_NEVER_IGNORED = frozenset({"open", "stop out", "session close"})
_SIDES = ("long", "short")


def _known() -> dict[str, tuple[str, str, Read]]:
    """The words of a title -> phrase, side and what reads it. Entries name their side, the session has none."""
    known: dict[str, tuple[str, str, Read]] = {}
    for phrase, read in _READ.items():
        if phrase not in {"open", "trim/close"}:
            known[phrase] = (phrase, "", read)
        if phrase != "session close":
            with_side = _first_target if phrase == "trim" else read
            known |= {f"{phrase} {side}": (phrase, side, with_side) for side in _SIDES}
    return known


_KNOWN = _known()
PHRASES = tuple(_KNOWN)
_TO_SAY = "; ".join(
    f"{phrase} long|short"
    if f"{phrase} long" in _KNOWN and phrase not in _KNOWN
    else f"{phrase} [long|short]"
    if f"{phrase} long" in _KNOWN
    else phrase
    for phrase in _READ
)
