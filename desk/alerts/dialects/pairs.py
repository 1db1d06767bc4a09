"""``key=value`` text, as several bridges write it (TradingView reference 6, 10.3, 10.5).

Separators are ``;`` and line breaks of every kind; blanks around names, signs and values do not count, and neither does the
case of a name. A value may stand in quotes. A line that starts with ``#`` or ``//`` is a comment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal

from desk.alerts.values import Refusal, decimal_of, is_missing, shown
from desk.alerts.wire import Json, JsonObject

__all__ = ["Pairs", "amount", "distance_of", "pairs_of", "with_own_ids"]

MAX_PAIRS = 100
_PIECE = re.compile(
    r"""(?P<name>[^=;\r\n"']{1,64}?)[ \t]*+=[ \t]*+"""
    r"""(?:(?P<quote>["'])(?P<quoted>[^\r\n]{0,4096}?)(?P=quote)[ \t]*+(?=[;\r\n]|\Z)|(?P<bare>[^;\r\n]*+))"""
)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
_BLANK = re.compile(r"[;\s]*+(?:(?:#|//)[^\r\n]*+[;\s]*+)*+")

_DISTANCE = re.compile(r"(?P<sign>[+-]?)\s*(?P<number>[0-9.,]+)\s*(?P<unit>%|[a-z$]+)?", re.IGNORECASE)
_OWN = ("id", "fired_at", "bot", "comment")


class Pairs:
    """The fields of one message while it is read: each known name is taken once, and what is left is said.

    ``take`` knows a field by all of its spellings: case and underscores do not count, so that ``atmTargets`` is ``atm_targets``.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self._left = {_plain(name): (name, value) for name, value in values.items()}
        self.warnings: list[str] = []

    def take(self, *names: str) -> str | None:
        """The value under one of ``names``; None when it is missing. Raises Refusal when two of them are given."""
        found = [self._left.pop(plain) for plain in dict.fromkeys(map(_plain, names)) if plain in self._left]
        given = [(name, value) for name, value in found if not is_missing(value)]
        if len(given) > 1:
            raise Refusal(f"{given[0][0]} and {given[1][0]} are the same field. Keep one of them.")
        return given[0][1] if given else None

    def has(self, *names: str) -> bool:
        return any(plain in self._left and not is_missing(self._left[plain][1]) for plain in map(_plain, names))

    def says(self, name: str) -> bool:
        """The field is there, whatever stands in it."""
        return _plain(name) in self._left

    def check_said(self, *names: str) -> None:
        """Raises Refusal for one that is there and empty: it tells an exit from an entry, and unknown is not read as no."""
        for name in names:
            if self.says(name) and not self.has(name):
                sent, value = self._left[_plain(name)]
                text = f"{sent} is {shown(value)}, and it decides what this order is for. No order was made."
                raise Refusal(f"{text} Fill it in, or leave it out.")

    def left(self) -> dict[str, str]:
        """What nobody took, by the names that were sent; it goes to the alert's ``extras``."""
        return {name: value for name, value in self._left.values() if not is_missing(value)}

    def refuse(self, names: Iterable[str], why: str, *, is_out: bool) -> None:
        """Fields that cannot be honoured. ``is_out``: the message gets out of a position, which they do not hold up."""
        for name in names:
            sent = self._left.get(_plain(name), (name, ""))[0]
            value = self.take(name)
            if value is None or value.lower() in {"0", "false", "no", "off"}:
                continue
            text = f"{sent}={shown(value)}: {why}"
            if not is_out:
                raise Refusal(f"{text} Leave it out.")
            self.warnings.append(f"{text} The message only gets out of a position, so it was carried out without it.")

    def leave_rest(self) -> JsonObject:
        """Fields that nobody knows, or that this message has no use for: kept, and said."""
        rest = self.left()
        self.warnings += [f"field {shown(name)} is not used by this message: kept" for name in rest]
        return {"extras": dict(rest)} if rest else {}


def pairs_of(text: str) -> Pairs:
    """Raises Refusal for a piece that is no pair, and for a name that stands twice."""
    values: dict[str, str] = {}
    seen: set[str] = set()
    at = _end_of_blank(text, 0)
    while at < len(text):
        match = _PIECE.match(text, at)
        name = match["name"].strip() if match else ""
        if match is None or not _NAME.fullmatch(name):
            piece = re.split(r"[;\r\n]", text[at:], maxsplit=1)[0].strip()
            raise Refusal(
                f"{shown(piece)} is no name=value. Write one field per line, or separate them with a semicolon."
            )
        if _plain(name) in seen:
            raise Refusal(f"{name} stands twice in one message. Keep one of them.")
        if len(seen) == MAX_PAIRS:
            raise Refusal(f"The message has more than {MAX_PAIRS} fields.")
        seen.add(_plain(name))
        values[name] = match["quoted"].strip() if match["bare"] is None else match["bare"].strip()
        at = _end_of_blank(text, match.end())
    return Pairs(values)


def with_own_ids(messages: Iterable[JsonObject], pairs: Pairs) -> tuple[JsonObject, ...]:
    """What any sender may add in our own words: ``id``, ``fired_at``, ``bot``, ``comment``. Several messages of one text
    get ids of their own: with equal ones the second would be a duplicate of the first."""
    own: JsonObject = {name: value for name in _OWN if (value := pairs.take(name)) is not None}
    found = []
    for number, message in enumerate(messages, start=1):
        numbered: JsonObject = {"id": f"{own['id']}#{number}"} if number > 1 and "id" in own else {}
        found.append({**message, **own, **numbered})
    return tuple(found)


def amount(value: Decimal) -> str:
    """A number as our own form takes it: exact, without exponent."""
    return f"{value:f}"


def distance_of(name: str, text: str, side_sign: int, units: Mapping[str, str]) -> Json:
    """A price, or an offset from the price of the moment: positive above it, negative below.

    side_sign: +1 where the exit lies above the entry, -1 below. units: what is written behind the number -> our unit.
    Raises Refusal for an offset on the wrong side: which of the two was meant?
    """
    match = _DISTANCE.fullmatch(text.strip())
    unit = None if match is None or match["unit"] is None else units.get(match["unit"].lower())
    if match is None or (match["unit"] is not None and unit is None):
        allowed = ", ".join(dict.fromkeys(units))
        raise Refusal(f"{name} is {shown(text)}; allowed is a price, or a number with one of: {allowed}.")
    number = decimal_of(name, match["sign"] + match["number"])
    if number is None or number == 0:
        raise Refusal(f"{name} is {shown(text)}; a number other than 0 is wanted there.")
    if unit is None:
        if match["sign"]:
            raise Refusal(f"{name} is {shown(text)}: a price has no sign, and a distance names its unit.")
        return {"unit": "price", "value": amount(number)}
    if (number > 0) is not (side_sign > 0):
        where, right = ("above", "-") if number > 0 else ("below", "+")
        raise Refusal(
            f"{name} is {shown(text)}, which lies {where} the entry, on the wrong side. Positive is above and negative below: "
            f"did you mean {right}{text.strip().lstrip('+-').strip()}?"
        )
    return {"unit": unit, "value": amount(abs(number))}


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "").replace(".", "")


def _end_of_blank(text: str, at: int) -> int:
    """First character of the next pair: behind separators, blanks and comments."""
    match = _BLANK.match(text, at)
    return match.end() if match else at
