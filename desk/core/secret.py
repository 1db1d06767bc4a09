"""A value that must never reach a log, a repr, an error or a journal row."""

from __future__ import annotations

import hmac
from typing import NoReturn

__all__ = ["Secret"]


class Secret:
    """Wraps a secret text. Shows as ``***``; only :meth:`reveal` gives it, only :meth:`matches` compares it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, for the one place that must send it."""
        return self._text

    def matches(self, other: str) -> bool:
        """Equality in constant time, for any text that a sender can make up (half surrogate pairs included)."""
        return hmac.compare_digest(self._text.encode("utf-8", "surrogatepass"), other.encode("utf-8", "surrogatepass"))

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.matches(other._text)

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is never serialised")
