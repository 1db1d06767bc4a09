"""One object of another bridge while it is translated: read, kept, or refused, field by field and by the sender's own names.

A value that is empty, ``null``, ``NaN`` or still holds ``{{`` is missing, never zero. A message that only gets out of a
position is not held up by a field that it can do without: what is wrong there becomes a warning.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from decimal import Decimal
from typing import TypeVar

from desk.alerts.redact import is_secret_name
from desk.alerts.values import (
    Refusal,
    choice_of,
    contracts_of,
    is_missing,
    positive_of,
    shown,
    switch_of,
    text_of,
    time_of,
)
from desk.alerts.wire import Json, JsonObject, Number, dump

__all__ = ["Foreign", "distance", "is_nothing", "written"]

T = TypeVar("T")

_NOT_FINITE = frozenset({"nan", "inf", "+inf", "-inf", "infinity", "+infinity", "-infinity", "+nan", "-nan"})
_ID_CHARS = 80  # of the sender's time; with the digest it stays under the 128 that an id may have


def is_nothing(value: Json) -> bool:
    """Missing, or a number that nobody computed (TradingView reference 5)."""
    return is_missing(value) or (isinstance(value, str) and value.strip().lower() in _NOT_FINITE)


def written(number: Decimal) -> Number:
    """A number as our own form writes it: ``2``, ``20.5``; never with an exponent."""
    return Number(format(number.normalize(), "f") if number else "0")


def distance(unit: str, value: Decimal) -> JsonObject:
    return {"unit": unit, "value": written(value)}


class Foreign:
    """One foreign object. Each known name is taken once; what is kept, and what nobody knows, ends up in ``extras``.

    gets_out: the message only leaves a position, as soon as its action is known.
    """

    __slots__ = ("_left", "_path", "_whole", "extras", "gets_out", "warnings")

    def __init__(self, data: JsonObject, path: str = "", *, gets_out: bool = False) -> None:
        self._left = dict(data)
        self._path = path
        self._whole = data
        self.extras: JsonObject = {}
        self.warnings: list[str] = []
        self.gets_out = gets_out

    def path(self, name: str) -> str:
        return self._path + name

    def take(self, name: str) -> Json:
        return self._left.pop(name, None)

    def peek(self, name: str) -> Json:
        return self._left.get(name)

    def says(self, name: str) -> bool:
        """The field is there, whatever stands in it."""
        return name in self._whole

    # --- one field -------------------------------------------------------------------------------------------------

    def read(self, name: str, reader: Callable[[str, object], T | None]) -> T | None:
        """None when missing. Raises Refusal; where the message only gets out, warns and leaves it out instead."""
        value = self.take(name)
        try:
            return reader(self.path(name), value)
        except Refusal as refusal:
            if not self.gets_out:
                raise
            self.warnings.append(f"left out, getting out does not need it: {refusal}")
            return None

    def text(self, name: str, limit: int = 256) -> str | None:
        return self.read(name, lambda path, value: text_of(path, value, limit))

    def interval(self, name: str) -> str | None:
        return self.text(name, 16)

    def comment(self, name: str) -> str | None:
        """Free text, which stops nothing: what is no text is kept."""
        value = self.take(name)
        if isinstance(value, str) and not is_nothing(value):
            return str(value)
        if not is_nothing(value):
            self.extras[name] = value
        return None

    def switch(self, name: str) -> bool | None:
        return self.read(name, switch_of)

    def positive(self, name: str) -> Decimal | None:
        return self.read(name, positive_of)

    def choice(self, name: str, allowed: tuple[str, ...]) -> str | None:
        return self.read(name, lambda path, value: choice_of(path, value, allowed))

    def needed(self, name: str, allowed: tuple[str, ...], *, unless: str | None = None) -> str:
        """What the message is about: never left out. unless: it is known from another field, whatever stands here."""
        if unless is not None:
            self.take(name)
            return unless
        word = choice_of(self.path(name), self.take(name), allowed)
        if word is None:
            text = f"{self.path(name)} is missing (an empty placeholder?); allowed is one of: {', '.join(allowed)}."
            raise Refusal(text)
        return word

    def symbol(self, name: str) -> str:
        """Which future: never left out, for a cancel without it would be about the whole account."""
        value = self.take(name)
        symbol = text_of(self.path(name), value, 40)
        if not symbol:
            what = f"is {shown(value)}" if value else "is missing"
            raise Refusal(f"{self.path(name)} {what}; write for example CME_MINI:MNQ1!.")
        return symbol

    def time(self, name: str) -> Json:
        """As it was sent, once it is sure that it is a time."""
        value = self._left.get(name)
        return None if self.read(name, time_of) is None else value

    def size(self, name: str, reader: Callable[[str, object], Decimal | None] = contracts_of) -> Decimal | None:
        """Contracts, or what ``reader`` takes; a wrong one is refused even where the message gets out: how much was meant?

        There ``NaN`` and 0 are missing: the size after an exit, which some senders put there, is 0.
        """
        value = self.take(name)
        is_none = self.gets_out and (is_nothing(value) or _is_off(value))
        return None if is_none else reader(self.path(name), value)

    def inner(self, name: str) -> Foreign | None:
        """The object under ``name``; None when it is missing or empty."""
        value = self.take(name)
        if is_missing(value) or value == {}:
            return None
        if not isinstance(value, dict):
            raise Refusal(f"{self.path(name)} is {shown(value)}; an object is wanted there.")
        return Foreign(value, self.path(name) + ".", gets_out=self.gets_out)

    # --- what is not traded ----------------------------------------------------------------------------------------

    def keep(self, *names: str) -> None:
        """Fields without a meaning for the trade."""
        for name in names:
            if name in self._left:
                self.extras[name] = self._left.pop(name)

    def refuse(self, names: tuple[str, ...], why: str) -> None:
        """Fields that would change the trade and cannot be honoured, wherever they hold something.

        A switch that is off and a zero hold nothing. Getting out goes on without them, and says so.
        """
        for name in names:
            value = self.take(name)
            if is_nothing(value) or _is_off(value):
                continue
            text = f"{self.path(name)} is {shown(value)}: {why}"
            if not self.gets_out:
                raise Refusal(text)
            self.extras[name] = value
            self.warnings.append(f"not honoured, the exit is carried out without it: {text}")

    def absorb(self, inner: Foreign, name: str) -> None:
        """What was left over in an object that stood under ``name``."""
        rest = inner.rest()
        if rest:
            self.extras[name] = rest
        self.warnings += inner.warnings

    def rest(self) -> JsonObject:
        """Everything that was kept, and what nobody knows, verbatim; never a reason to fail (TradingView reference 6)."""
        for name, value in self._left.items():
            if is_secret_name(name):
                continue
            self.extras[name] = value
            self.warnings.append(f"unknown field {shown(self.path(name))}: kept, not used")
        self._left = {}
        return self.extras

    def finished(self, message: JsonObject) -> JsonObject:
        """``message`` without what is missing, with ``dry_run`` where the sender added it, and the rest as extras."""
        found: JsonObject = {name: value for name, value in message.items() if value is not None}
        if switch_of("dry_run", self.take("dry_run")):
            found["dry_run"] = True
        extras = self.rest()
        return {**found, "extras": extras} if extras else found

    def id_from(self, time: str) -> str | None:
        """An idempotency key: the sender's time and a digest of the whole, so that two signals of one second stay two.

        None without a time: a text that says the same every time would be taken for a repeat for days.
        """
        value = self._whole.get(time)
        if is_nothing(value) or not isinstance(value, str):
            return None
        digest = hashlib.sha256(dump(self._whole).encode()).hexdigest()[:24]
        return f"{value.strip()[:_ID_CHARS]}|{digest}"


def _is_off(value: Json) -> bool:
    if value is False or value in ({}, []):
        return True
    if not isinstance(value, str):
        return False
    word = value.strip().lower()
    return word in {"false", "off", "no"} or (bool(word) and not word.strip("+-0.") and "0" in word)
