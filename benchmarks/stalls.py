"""How long the daemon's event loop stood still, and what is known to have stopped it."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.daemon import DaemonReport
from benchmarks.figures import Figure

__all__ = ["Window", "pauses_in_words", "stall_figure"]

Window = tuple[float, float]
GOAL_MS = 50.0


def stall_figure(name: str, report: DaemonReport, windows: Sequence[Window]) -> Figure:
    """The 5 ms ticker's worst lateness inside the windows."""
    late = [late_s for due, late_s in report.stalls if _is_inside(due, due + late_s, windows)]
    worst_ms = max(late, default=0.0) * 1000
    return Figure(name=name, value=worst_ms, unit="ms", goal=f"< {GOAL_MS:.0f} ms", is_met=worst_ms < GOAL_MS)


def pauses_in_words(report: DaemonReport, windows: Sequence[Window]) -> str:
    """Garbage collections and snapshots inside the windows: both stop the loop for as long as they take."""
    collected = [
        (took * 1000, generation) for at, took, generation in report.collections if _is_inside(at, at + took, windows)
    ]
    snapshots = [took * 1000 for at, took in report.snapshots if _is_inside(at, at + took, windows)]
    full = sum(1 for _, generation in collected if generation == 2)
    return (
        f"What stopped the daemon's loop meanwhile: {len(collected)} garbage collections, {full} of them full, the longest "
        f"{max((took for took, _ in collected), default=0.0):.1f} ms; {len(snapshots)} snapshots of the state, the longest "
        f"{max(snapshots, default=0.0):.1f} ms."
    )


def _is_inside(began: float, ended: float, windows: Sequence[Window]) -> bool:
    return any(ended >= window[0] and began <= window[1] for window in windows)
