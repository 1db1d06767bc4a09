"""What a hub should send us and what it does.

Wishes counted per subscriber, and the calls that make one equal the other. Pure.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

__all__ = ["Call", "Subscription", "Subscriptions"]


class Subscription(NamedTuple):
    """What the server is asked for.

    ``Subscribe<what>(argument)`` and ``Unsubscribe<what>(argument)`` (reference 5.2).
    """

    what: str
    argument: int | str | None = None


class Call(NamedTuple):
    """One invocation that is due."""

    subscription: Subscription
    is_subscribe: bool

    @property
    def method(self) -> str:
        return ("Subscribe" if self.is_subscribe else "Unsubscribe") + self.subscription.what

    @property
    def arguments(self) -> tuple[int | str, ...]:
        return () if self.subscription.argument is None else (self.subscription.argument,)


class Subscriptions:
    """Wanted (counted), active (confirmed on the present connection), refused (answered with an error)."""

    def __init__(self) -> None:
        self._wanted: Counter[Subscription] = Counter()
        self._active: set[Subscription] = set()
        self._refused: dict[Subscription, str] = {}

    def want(self, one: Subscription) -> bool:
        """One more subscriber. True: the first, so the server has to be asked."""
        self._wanted[one] += 1
        if self._wanted[one] > 1:
            return False
        self._refused.pop(one, None)
        return True

    def unwant(self, one: Subscription) -> bool:
        """One subscriber less. True: the last, so the server has to be told. Without any it stays so."""
        if self._wanted[one] > 1:
            self._wanted[one] -= 1
            return False
        was_wanted = self._wanted.pop(one, 0) == 1
        if was_wanted:
            self._refused.pop(one, None)
        return was_wanted

    def wants(self, one: Subscription) -> bool:
        return one in self._wanted

    @property
    def wanted(self) -> frozenset[Subscription]:
        return frozenset(self._wanted)

    @property
    def active(self) -> frozenset[Subscription]:
        return frozenset(self._active)

    @property
    def pending(self) -> frozenset[Subscription]:
        """Wanted and not confirmed: waits for a connection or its completion, or was refused."""
        return frozenset(self._wanted.keys() - self._active)

    @property
    def refused(self) -> dict[Subscription, str]:
        """With the server's words."""
        return dict(self._refused)

    def due(self) -> list[Call]:
        """The calls that are missing, in a stable order; nothing that was refused."""
        missing = self._wanted.keys() - self._active - self._refused.keys()
        surplus = self._active - self._wanted.keys() - self._refused.keys()
        calls = [Call(one, True) for one in missing] + [Call(one, False) for one in surplus]
        return sorted(calls, key=str)

    def answered(self, call: Call, error: str | None) -> None:
        """The server's completion of a call."""
        if error is not None:
            self._refused[call.subscription] = error
        elif call.is_subscribe:
            self._active.add(call.subscription)
        else:
            self._active.discard(call.subscription)

    def ask_refused_again(self) -> None:
        self._refused.clear()

    def disconnected(self) -> None:
        """Subscriptions do not survive (5.5); wishes do."""
        self._active.clear()
        self._refused.clear()
