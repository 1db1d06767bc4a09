"""What a run found, as text."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tests.barproof.judge import SeriesProof

if TYPE_CHECKING:
    from tests.barproof.run import Outcome

__all__ = ["text_of"]

SHOWN = 6
HEADER = (
    "product",
    "bars",
    "covered from",
    "to (UTC)",
    "holes",
    "compared",
    "different",
    "missing",
    "extra",
    "bytes/bar",
)


def text_of(outcome: Outcome) -> str:
    plan, heard = outcome.plan, outcome.heard
    start, end = outcome.hour
    longest = max((last - first for first, last in outcome.outages), default=0.0)
    happened = ", ".join(f"{count} {name}" for name, count in sorted(outcome.happened.items()))
    faults = ", ".join(f"{count} {name}" for name, count in outcome.faults.most_common(20))
    requests = ", ".join(f"{count} {path.removeprefix('/api/')}" for path, count in outcome.requests.most_common(6))
    sources = ", ".join(f"{count} {name}" for name, count in heard.sources.most_common())
    unanswered = ", ".join(f"{count} {why}" for why, count in outcome.refused.most_common(6))
    parts = [
        f"seed {plan.seed}, {plan.minutes:g} minutes of trouble, {outcome.took_s:.0f} s in all; "
        f"must be covered by 1m: {_time(start)} to {_time(end)}",
        f"  kill -9: {outcome.kills}; {happened}" + ("" if outcome.with_redis else "; without Redis"),
        f"  damaged files that nobody has asked for since, and that vouch for nothing: {outcome.still_damaged}",
        f"  faults of the gateway: {faults}",
        f"  requests at the gateway: {requests}",
        f"  market hub down {len(outcome.outages)} times, the longest time {longest:.1f} s",
        f"  asked: {heard.answers} answers ({sources}), {heard.bars} closed bars in them, {heard.young} of them young, "
        f"{heard.unknowable} not knowable (the hub was made to lie), {heard.stale} answers said that they are behind",
        f"  not answered: {unanswered or 'none'}",
        _table([HEADER, *(_row(one) for one in outcome.series)]),
    ]
    wrong = [*outcome.problems, *heard.wrong]
    for one in outcome.series:
        wrong += [f"{one.root} {one.frame.text} {text}" for text in _faults_of(one)]
    if wrong:
        parts += [f"WRONG: {len(wrong)}", *(f"  {text[:400]}" for text in wrong[:30])]
    else:
        parts.append("Every bar that the archive vouches for, and every closed bar that was told, is the simulator's.")
    return "\n".join([*parts, f"again: {plan.command}"])


def _faults_of(one: SeriesProof) -> list[str]:
    texts = [f"differs at {text}" for text in one.different[:SHOWN]]
    texts += [f"has no bar at {at}" for at in one.missing[:SHOWN]]
    texts += [f"has a bar at {at} that the gateway has not" for at in one.extra[:SHOWN]]
    texts += [f"does not cover {_time(start)} to {_time(end)}" for start, end in one.uncovered[:SHOWN]]
    return texts or ([] if one.is_good else ["has nothing stored"])


def _row(one: SeriesProof) -> tuple[str, ...]:
    first, last = (_time(one.covered[0][0]), _time(one.covered[-1][1])) if one.covered else ("-", "-")
    holes = max(0, len(one.covered) - 1)
    each = f"{one.bytes / one.compared:.1f}" if one.compared else "-"
    counts = (one.compared, len(one.different), len(one.missing), len(one.extra))
    return (one.root, one.frame.text, first, last, str(holes), *(f"{count:,}" for count in counts), each)


def _table(rows: list[tuple[str, ...]]) -> str:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return "\n".join(
        "  " + "  ".join(cell.ljust(widths[at]) if at < 2 else cell.rjust(widths[at]) for at, cell in enumerate(row))
        for row in rows
    )


def _time(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%m-%d %H:%M:%S")
