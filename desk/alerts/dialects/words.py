"""What a translator gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from desk.alerts.terms import DialectTerms
from desk.alerts.wire import JsonObject

__all__ = ["ReadsObject", "ReadsText", "Translation"]


@dataclass(frozen=True, slots=True)
class Translation:
    """One foreign message in our own words: the messages that it stands for, in order, as objects of TradingView reference 11.

    warnings: for a person, about what was understood in a way that he may not expect. What cannot be honoured is no warning:
    the translator raises Refusal for it.
    """

    messages: tuple[JsonObject, ...]
    warnings: tuple[str, ...] = ()


ReadsObject: TypeAlias = Callable[[JsonObject, DialectTerms], Translation]
ReadsText: TypeAlias = Callable[[str, DialectTerms], Translation]
