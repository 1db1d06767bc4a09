"""Spans of time, in epoch seconds: what is left of some when others are taken away."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["Span", "both", "minus", "seconds"]

Span = tuple[float, float]


def minus(spans: Iterable[Span], others: Iterable[Span]) -> list[Span]:
    """The parts of ``spans`` that lie in none of ``others``."""
    left = list(spans)
    for start, end in others:
        left = [
            piece
            for low, high in left
            for piece in ((low, min(high, start)), (max(low, end), high))
            if piece[1] > piece[0]
        ]
    return left


def both(spans: list[Span], others: Iterable[Span]) -> list[Span]:
    """The parts of ``spans`` that lie in some of ``others``."""
    return minus(spans, minus(spans, others))


def seconds(spans: Iterable[Span]) -> float:
    return sum(end - start for start, end in spans)
