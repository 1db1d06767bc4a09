"""Results as rows of text, for the terminal and for the document alike."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.figures import Figure, Report

__all__ = ["HEADER", "as_text", "number", "row_of"]

HEADER = ("Figure", "Measured", "Lowest–highest round", "Floor", "Ratio", "Goal", "")
DASH = "–"


def number(value: float, unit: str) -> str:
    """Three figures that mean something: 0.412 ms, 1.87 ms, 523 ms, 4,210 /s."""
    digits = 0 if abs(value) >= 100 or unit.startswith("of") else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:,.{digits}f} {unit}"


def row_of(figure: Figure) -> tuple[str, ...]:
    """In the order of HEADER."""
    low_high = DASH
    if figure.spread is not None:
        low, high = (number(value, figure.unit).removesuffix(f" {figure.unit}") for value in figure.spread)
        low_high = f"{low}–{high}"
    verdict = {None: "", True: "met", False: "MISSED"}[figure.is_met]
    return (
        figure.name,
        number(figure.value, figure.unit),
        low_high,
        DASH if figure.floor is None else number(figure.floor, figure.unit),
        DASH if figure.ratio is None else f"{figure.ratio:.2f}x",
        figure.goal or DASH,
        verdict,
    )


def as_text(report: Report) -> str:
    """One aligned table per group, numbers to the right, with its notes below."""
    lines = [f"{report.date} UTC, {report.counts.name} run, {report.took_s:.0f} s"]
    for group in report.groups:
        lines += ["", group.title, *_aligned([HEADER, *(row_of(figure) for figure in group.figures)])]
        lines += [f"  {note}" for note in group.notes]
        for figure in group.figures:
            if figure.parts:
                lines += ["", f"  {figure.name}: where the time goes"]
                lines += [f"    {part.ms:8.3f} ms  {part.share:4.0%}  {part.name}" for part in figure.parts]
                lines += [
                    f"    {part.ms:8.3f} ms  {part.share:4.0%}  floor: {part.name}" for part in figure.floor_parts
                ]
    return "\n".join(lines)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if column in {0, len(widths) - 1} else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
