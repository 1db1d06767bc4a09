"""The laws: what is stored, and what was answered, is what the simulator's own bars say. Pure."""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.barproof.asker import Answer
from tests.barproof.oracle import Frame, Rows

__all__ = ["Heard", "SeriesProof", "Spans", "Stored", "judge_answers", "judge_series", "lacking", "united"]

Spans = list[tuple[int, int]]
"""Half-open, epoch seconds."""
JUST_CLOSED_S = 3.0
"""So soon after its end a bar's last trades may still be on their way."""
YOUNG_S = 90.0
"""Younger bars may come from the hub, and be checked against the gateway later."""
SHOWN = 5


@dataclass
class Stored:
    """One series as it lies in the archive: the rows of all its files, and the seconds they vouch for."""

    covered: Spans = field(default_factory=list)
    rows: Rows = field(default_factory=dict)
    files: int = 0
    bytes: int = 0


@dataclass
class SeriesProof:
    """One line of the table."""

    root: str
    frame: Frame
    covered: Spans
    compared: int
    different: list[str]
    missing: list[int]
    extra: list[int]
    uncovered: Spans  # of what must be covered
    bytes: int = 0

    @property
    def is_good(self) -> bool:
        return not (self.different or self.missing or self.extra or self.uncovered) and self.compared > 0


def united(spans: Sequence[tuple[int, int]]) -> Spans:
    result: Spans = []
    for start, end in sorted(spans):
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(end, result[-1][1]))
        elif start < end:
            result.append((start, end))
    return result


def lacking(covered: Spans, start: int, end: int) -> Spans:
    """What of ``start..end`` is not covered."""
    result: Spans = []
    for first, last in united(covered):
        if last <= start:
            continue
        if first >= end:
            break
        if first > start:
            result.append((start, first))
        start = max(start, last)
    return [*result, (start, end)] if start < end else result


def judge_series(root: str, frame: Frame, stored: Stored, truth: Rows, must: tuple[int, int] | None) -> SeriesProof:
    """truth: at least over everything that is covered or stored. must: what has to be covered without a hole."""
    covered = united(stored.covered)
    expected = {at for at in truth if any(start <= at < end for start, end in covered)}
    different = [
        f"{at}: stored {row}, the gateway has {truth[at]}"
        for at, row in sorted(stored.rows.items())
        if at in truth and truth[at] != row
    ]
    return SeriesProof(
        root,
        frame,
        covered,
        compared=len(expected & stored.rows.keys()),
        different=different,
        missing=sorted(expected - stored.rows.keys()),
        extra=sorted(at for at in stored.rows if at not in truth),
        uncovered=lacking(covered, *must) if must is not None else [],
        bytes=stored.bytes,
    )


@dataclass
class Heard:
    """All answers beside the truth."""

    answers: int = 0
    bars: int = 0
    young: int = 0  # of them, closed within YOUNG_S
    unknowable: int = 0  # young ones of which the hub was made to lie
    stale: int = 0  # answers that said themselves that they are not up to date
    sources: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def judge_answers(
    answers: Sequence[Answer], truth: Callable[[str, Frame], Rows], is_unknowable: Callable[[str, int, int], bool]
) -> Heard:
    """is_unknowable(root, start, end): whether trades of that time were lost, doubled or late on the way."""
    heard, order = Heard(), dict[tuple[str, str], list[int]]()
    for answer in answers:
        rows = truth(answer.root, answer.frame)
        heard.answers += 1
        heard.sources[answer.source] += 1
        heard.stale += answer.problem is not None
        starts = order.setdefault((answer.root, answer.frame.text), sorted(rows))
        _judge_one(answer, rows, starts, is_unknowable, heard)
    return heard


def _judge_one(
    answer: Answer, truth: Rows, starts: list[int], is_unknowable: Callable[[str, int, int], bool], heard: Heard
) -> None:
    step, asked = answer.frame.seconds, answer.asked_at
    closed = {at: row for at, row in answer.rows.items() if at + step <= asked - JUST_CLOSED_S}
    for at, row in closed.items():
        is_young = at + step > asked - YOUNG_S
        heard.bars += 1
        heard.young += is_young
        if is_young and is_unknowable(answer.root, at, at + step):
            heard.unknowable += 1
        elif truth.get(at) != row:
            heard.wrong.append(f"{answer.line} at {asked:.1f} ({answer.source}): {at} was {row}, not {truth.get(at)}")
    for at in _missing(answer, starts):
        if not (at + step > asked - YOUNG_S and is_unknowable(answer.root, at, at + step)):
            heard.wrong.append(f"{answer.line} at {asked:.1f} ({answer.source}, {answer.problem}): {at} was left out")


def _missing(answer: Answer, starts: list[int]) -> list[int]:
    """Closed bars that were asked for and not told; an answer that says it is behind owes those between its own."""
    if answer.span is not None and answer.problem is None:
        first, last = answer.span[0], answer.span[1] - 1
    elif answer.rows:
        first, last = min(answer.rows), max(answer.rows)
    else:
        return []
    if answer.n is not None and answer.problem is None:
        last = max(last, int(answer.asked_at - JUST_CLOSED_S) - answer.frame.seconds)
        if len(answer.rows) < answer.n:
            first = 0  # whatever there was before should have been told, too
    inside = starts[bisect.bisect_left(starts, first) : bisect.bisect_right(starts, last)]
    return [
        at for at in inside if at not in answer.rows and at + answer.frame.seconds <= answer.asked_at - JUST_CLOSED_S
    ]
