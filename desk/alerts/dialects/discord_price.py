"""The price in a field of a Discord embed: text for people, with emoji, currency signs and thousands separators.

Taking everything but digits and the dot out of it, as the first TopstepX bots did (existing-bots 1.4), made 5 of "-5", 2005 of
"20.05 -> 5" and 20 of "20 points". What is not one price without doubt is refused here, with the reason.
"""

from __future__ import annotations

import re
from decimal import Decimal

from desk.alerts.values import Refusal, decimal_of, is_missing, shown
from desk.alerts.wire import Json, Number

__all__ = ["price_in"]

_NUMBER = re.compile(r"(?<![A-Za-z0-9.,])[-\u2212\u2013]?[0-9](?:[0-9.,']*[0-9])?")
_THOUSANDS = re.compile(r"[0-9]{1,3}(?:[,'][0-9]{3})+(?:\.[0-9]+)?")
_NOT_FINITE = re.compile(r"\b(?:nan|inf|infinity)\b", re.IGNORECASE)
_DISTANCE = re.compile(r"%|\b(?:points?|pts?|pips?|ticks?|r)\b", re.IGNORECASE)
_LONGEST = 200


def price_in(name: str, value: Json) -> Decimal | None:
    """None: nothing is given there (null, an empty text, "none", a placeholder). Raises Refusal for what is no single price."""
    if is_missing(value):
        return None
    if not isinstance(value, str) or len(value) > _LONGEST:
        raise Refusal(f"{name} is {shown(value)}; a price is wanted there, such as 21034.25.")
    if not any(char.isdigit() for char in value):
        if _NOT_FINITE.search(value):
            raise Refusal(f"{name} is {shown(value)}; a price is wanted there, such as 21034.25.")
        return None
    if isinstance(value, Number):
        return _above_zero(name, value, decimal_of(name, value))
    found = _NUMBER.findall(value)
    if len(found) != 1 or _DISTANCE.search(value) or _is_odd(value, found[0]):
        raise Refusal(f"{name} is {shown(value)}; one price is wanted there and nothing else, such as 21034.25.")
    return _above_zero(name, value, decimal_of(name, _without_thousands(name, value, found[0])))


def _is_odd(value: str, number: str) -> bool:
    """A letter stuck to the number (20pts, 21k), or digits that are no part of it."""
    before, _, after = value.partition(number)
    return after[:1].isalnum() or any(char.isdigit() for char in before + after if not char.isascii())


def _without_thousands(name: str, value: str, number: str) -> str:
    """``21,034.50`` is 21034.50. ``21,034`` may be a decimal comma: 1,085 is 1085 for one reader and 1.085 for another."""
    if "," not in number and "'" not in number:
        return number
    is_sure = "." in number or number.count(",") > 1 or "'" in number
    if not _THOUSANDS.fullmatch(number) or not is_sure:
        raise Refusal(
            f"{name} is {shown(value)}, with a comma that may stand for thousands or for a decimal dot. Write 21034.25."
        )
    return number.replace(",", "").replace("'", "")


def _above_zero(name: str, value: str, number: Decimal | None) -> Decimal | None:
    if number is not None and number <= 0:
        raise Refusal(f"{name} is {shown(value)}; a price above 0 is wanted there.")
    return number
