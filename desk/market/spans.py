"""Stretches of time that are known, as whole epoch seconds, end not included. Pure.

``Spans`` are sorted, disjoint, and never touch each other: two sets that cover the same seconds are equal.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["Span", "Spans", "clipped", "missing", "shared", "united", "without"]

Span = tuple[int, int]
Spans = tuple[Span, ...]


def united(*parts: Iterable[Span]) -> Spans:
    """All seconds of all parts. Empty stretches fall away."""
    found: list[Span] = []
    for start, end in sorted(span for part in parts for span in part if span[0] < span[1]):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return tuple(found)


def clipped(spans: Iterable[Span], window: Span) -> Spans:
    """What of ``spans`` lies inside the window."""
    return united((max(start, window[0]), min(end, window[1])) for start, end in spans)


def missing(window: Span, known: Iterable[Span]) -> Spans:
    """What of the window is not known."""
    at, found = window[0], []
    for start, end in clipped(known, window):
        if at < start:
            found.append((at, start))
        at = end
    if at < window[1]:
        found.append((at, window[1]))
    return tuple(found)


def without(spans: Spans, others: Spans) -> Spans:
    """Seconds of ``spans`` that are not in ``others``. Linear in both: a thin market's page has thousands of stretches."""
    found: list[Span] = []
    place = 0
    for start, end in spans:
        at = start
        while place < len(others) and others[place][1] <= at:
            place += 1
        look = place
        while look < len(others) and others[look][0] < end:
            if at < others[look][0]:
                found.append((at, others[look][0]))
            at = max(at, others[look][1])
            look += 1
        if at < end:
            found.append((at, end))
    return tuple(found)


def shared(spans: Spans, others: Spans) -> Spans:
    """Seconds that are in both."""
    return without(spans, without(spans, others))
