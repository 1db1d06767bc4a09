"""docs/performance.md, rendered from a report and from nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.figures import Figure, Group, Machine, Part, Report
from benchmarks.table import HEADER, row_of

__all__ = ["render"]

INTRO = """\
# Performance

What matters is the way from an alert to the order on the wire, and that nothing stalls the event loop. This page is
written by `make bench` from `benchmarks/results.json`; do not edit it. Every figure stands beside its floor, taken in the
same run by the same generator: compare the ratio, not the milliseconds, with another machine.
"""
MOST_NAMED = 3


def render(report: Report) -> str:
    """The whole page."""
    parts = [INTRO, _machine(report), *(_group(group, report.machine) for group in report.groups)]
    return "\n".join(parts)


def _machine(report: Report) -> str:
    machine, counts = report.machine, report.counts
    memory = "" if machine.memory_gb is None else f", {machine.memory_gb:g} GB"
    load = "not known" if machine.load_before is None else f"{machine.load_before:.2f}"
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    rows = (
        ("date", f"{report.date} UTC, {counts.name} run of {report.took_s:.0f} s"),
        ("CPU", f"{machine.cpu}, {machine.cores} cores{memory}"),
        ("system", f"{machine.system}, {machine.filesystem}"),
        ("Python", f"{machine.python}; {versions}"),
        ("load before the run", f"{load} (average of a minute)"),
        ("one bare SQLite commit", f"{machine.commit_ms:.2f} ms (1.5 kB, WAL, synchronous=FULL, median)"),
    )
    return _table(("Run", ""), rows)


def _group(group: Group, machine: Machine) -> str:
    lines = [f"## {group.title}\n", f"{group.how}\n"]
    if group.raised:
        lines += ["Settings that differ from the defaults: " + "; ".join(group.raised) + ".\n"]
    lines.append(_table(HEADER, [row_of(figure) for figure in group.figures]))
    floors = dict.fromkeys(f"{f.floor_name} ({f.name})" for f in group.figures if f.floor_name)
    lines += ["Floors: " + "; ".join(floors) + ".\n"] if floors else []
    lines += [_miss(figure, machine) for figure in group.figures if figure.is_met is False]
    lines += [f"{note}\n" for note in group.notes]
    lines += [_where(figure) for figure in group.figures if figure.parts]
    return "\n".join(lines)


def _miss(figure: Figure, machine: Machine) -> str:
    """Why, from what was measured: the largest parts beyond those that the floor has, too."""
    text = f"**Missed: {figure.name}**, {row_of(figure)[1]}"
    text += "" if figure.ratio is None else f", {figure.ratio:.2f}x its floor"
    text += f", the goal is {figure.goal}."
    if figure.parts:
        largest = sorted(figure.parts, key=lambda part: -part.ms)[:MOST_NAMED]
        named = ", ".join(f"{part.name} {part.ms:.2f} ms ({part.share:.0%})" for part in largest)
        text += f" The largest parts: {named}."
        if figure.floor_parts:
            named = ", ".join(f"{part.name} {part.ms:.2f} ms" for part in figure.floor_parts)
            text += f" The floor's: {named}. One bare SQLite commit takes {machine.commit_ms:.2f} ms here."
    return text + "\n"


def _where(figure: Figure) -> str:
    """Each stretch: medians, which need not add up to the median of the whole; of a rate, means, which do."""
    rows = _part_rows(figure.parts)
    text = f"### Where the time goes: {figure.name}\n\n"
    text += _table(("Stretch", "Time", "Share"), rows)
    if figure.floor_parts:
        text += "\nThe floor's way:\n\n" + _table(("Stretch", "Time", "Share"), _part_rows(figure.floor_parts))
    return text


def _part_rows(parts: Sequence[Part]) -> list[tuple[str, ...]]:
    return [(part.name, f"{part.ms:.3f} ms", f"{part.share:.0%}") for part in parts]


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + "|".join(["---", *["--:"] * (len(header) - 1)]) + "|"]
    if len(header) == 2:
        lines[1] = "|---|---|"
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"
