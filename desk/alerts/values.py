"""One field at a time: text, number, whole contracts, switch, time, choice (TradingView reference 5 and 6).

A value that is empty, ``na``, ``null`` or still holds ``{{`` is missing, never zero. ``NaN`` and ``Infinity`` are
missing where nothing hangs on the value and refused for sizes, prices and distances. Every reader returns ``None`` for
missing and raises :class:`Refusal` with the field's path and what is allowed. Values are exact, never through float.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal

__all__ = [
    "MAX_CONTRACTS",
    "Refusal",
    "choice_of",
    "contracts_of",
    "decimal_of",
    "is_missing",
    "not_negative_of",
    "positive_of",
    "seconds_of",
    "shown",
    "switch_of",
    "text_of",
    "time_of",
]

MAX_CONTRACTS = 1000  # far above any Topstep limit; a bigger number is a slip or an attack
_MISSING = frozenset({"", "na", "n/a", "null"})
_NOT_FINITE = frozenset({"nan", "inf", "+inf", "-inf", "infinity", "+infinity", "-infinity", "+nan", "-nan"})
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,30}(?:\.[0-9]{0,30})?|\.[0-9]{1,30})(?:[eE][+-]?[0-9]{1,5})?")
_TIME = re.compile(
    r"20[0-9]{2}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?(?:Z|z|[+-][0-9]{2}:?[0-9]{2})?"
)
_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off"})


class Refusal(Exception):
    """This message cannot be executed as it stands; the text tells a person what to change. Never leaves the room."""


def shown(value: object) -> str:
    """A value as it may be quoted back: short, and without characters that disturb a terminal."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = str(value)
    return ascii(text if len(text) <= 40 else text[:40] + "...")


def is_missing(value: object) -> bool:
    """Empty, ``na``, ``null``, or a placeholder that nobody replaced (TradingView reference 5)."""
    if value is None:
        return True
    if not isinstance(value, str):
        return False
    return "{{" in value or (len(value) < 16 and value.strip().lower() in _MISSING)


def _is_not_finite(value: object) -> bool:
    return isinstance(value, str) and len(value) < 16 and value.strip().lower() in _NOT_FINITE


def text_of(path: str, value: object, limit: int = 256) -> str | None:
    if is_missing(value) or _is_not_finite(value):
        return None
    if not isinstance(value, str):
        raise Refusal(f"{path} is {shown(value)}; a text is allowed there.")
    text = str(value).strip()
    if len(text) > limit:
        raise Refusal(f"{path} has {len(text)} characters; at most {limit} are allowed.")
    return text


def decimal_of(path: str, value: object, allowed: str = "a finite number with a dot") -> Decimal | None:
    """Any finite number of sane size, from JSON number or text. ``NaN`` is refused: it is a price nobody computed."""
    if is_missing(value):
        return None
    if not isinstance(value, str):
        raise Refusal(f"{path} is {shown(value)}; allowed is {allowed}.")
    text = value.strip()
    if not _NUMBER.fullmatch(text):
        if "," in text and _NUMBER.fullmatch(text.replace(",", "")):
            raise Refusal(
                f"{path} is {shown(value)}, with a comma. Write numbers with a decimal dot and no thousands separator."
            )
        raise Refusal(f"{path} is {shown(value)}; allowed is {allowed}.")
    number = Decimal(text)
    if number and not -12 <= number.adjusted() <= 12:
        raise Refusal(f"{path} is {shown(value)}, which is beyond any price or size; allowed is {allowed}.")
    return number


def positive_of(path: str, value: object, allowed: str = "a number above 0") -> Decimal | None:
    number = decimal_of(path, value, allowed)
    if number is not None and number <= 0:
        raise Refusal(f"{path} is {shown(value)}; allowed is {allowed}.")
    return number


def not_negative_of(path: str, value: object, allowed: str = "a number, 0 or more") -> Decimal | None:
    number = decimal_of(path, value, allowed)
    if number is not None and number < 0:
        raise Refusal(f"{path} is {shown(value)}; allowed is {allowed}.")
    return number


def contracts_of(path: str, value: object, least: int = 1) -> Decimal | None:
    """Whole contracts; ``2.0`` is 2. A size is never rounded."""
    allowed = f"a whole number of contracts from {least} to {MAX_CONTRACTS}"
    number = decimal_of(path, value, allowed)
    if number is None:
        return None
    if not least <= number <= MAX_CONTRACTS or number != int(number):
        raise Refusal(f"{path} is {shown(value)}; allowed is {allowed}.")
    return Decimal(int(number))


def seconds_of(path: str, value: object) -> Decimal | None:
    """A duration, 0 or more. Nothing hangs on it alone, so ``NaN`` counts as missing."""
    if _is_not_finite(value):
        return None
    return not_negative_of(path, value, "seconds, 0 or more")


def switch_of(path: str, value: object) -> bool | None:
    if isinstance(value, bool):
        return value
    if is_missing(value):
        return None
    word = value.strip().lower() if isinstance(value, str) else ""
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise Refusal(f"{path} is {shown(value)}; allowed is true or false.")


def choice_of(path: str, value: object, allowed: Iterable[str]) -> str | None:
    word = text_of(path, value)
    if word is None:
        return None
    word = word.lower()
    if word not in allowed:
        raise Refusal(f"{path} is {shown(word)}; allowed is one of: {', '.join(allowed)}.")
    return word


def time_of(path: str, value: object) -> datetime | None:
    """ISO 8601, or epoch seconds, milliseconds or microseconds by magnitude. Aware UTC; no zone means UTC."""
    text = text_of(path, value)
    if text is None:
        return None
    allowed = "a time such as 2026-11-20T14:30:00Z, or epoch seconds or milliseconds"
    try:
        if _TIME.fullmatch(text):
            moment = datetime.fromisoformat(text.upper())
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        if _NUMBER.fullmatch(text):
            return _from_epoch(Decimal(text))
    except (ValueError, OverflowError, OSError):
        pass
    raise Refusal(f"{path} is {shown(value)}; allowed is {allowed}.")


def _from_epoch(number: Decimal) -> datetime:
    """Raises ValueError outside of the years 2001 to 2100."""
    if not 0 < number.adjusted() < 17:
        raise ValueError
    for scale in (1, 1_000, 1_000_000):
        seconds = number / scale
        if 1_000_000_000 <= seconds < 4_100_000_000:
            return datetime.fromtimestamp(int(seconds), UTC).replace(microsecond=int(seconds % 1 * 1_000_000))
    raise ValueError
