"""What a result is: figures with floor, ratio, goal and verdict; and the few statistics that are needed."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

__all__ = ["Counts", "Figure", "Group", "Machine", "Part", "Report", "at_most", "median", "parts_of", "percentile"]


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """How much is measured. Rounds alternate between desk and floor, so that both see the same machine."""

    name: str
    start_runs: int
    alert_rounds: int  # of each kind: serial and at the rate
    alerts_per_round: int  # at most the number of products
    pause_s: float  # between two serial alerts, after the answer
    notes_rounds: int
    notes_s: float  # of each round
    warm_ups: int = 1  # rounds that are not counted
    hub_rounds: int = 5
    hub_events: int = 20_000  # of each round
    reconnects: int = 100
    storms: int = 5
    flattened: tuple[int, ...] = (1, 5, 20)  # positions
    quiet_s: float = 1.5  # no request for so long: an action is over
    memory_s: float = 60.0
    symbols: int = 20  # that stream, and that the warm-up reads
    restarts: int = 5  # of each number of open orders
    held: tuple[int, ...] = (0, 5, 50)  # positions at a restart, two open orders each
    exits: int = 15  # of each way and case
    exit_patience_s: float = 2.0
    parse_rounds: int = 7
    parse_repeats: int = 500  # of each sample, in a round
    slow_clients: int = 500
    history_days: int = 30
    history_rounds: int = 5
    history_asks: int = 20  # from memory
    memory_bars: int = 20_000
    live_trades: int = 5_000


class Part(msgspec.Struct, frozen=True):
    """One stretch of a path: its median, and its share of the sum of all."""

    name: str
    ms: float
    share: float


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One number. ``ratio`` is to the floor. ``is_met`` None: there is no goal. ``spread``: lowest and highest round."""

    name: str
    value: float
    unit: str
    floor: float | None = None
    floor_name: str = ""
    ratio: float | None = None
    goal: str = ""
    is_met: bool | None = None
    spread: tuple[float, float] | None = None
    samples: int | None = None
    parts: tuple[Part, ...] = ()
    floor_parts: tuple[Part, ...] = ()


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Figures that were taken together, and how."""

    key: str
    title: str
    how: str
    figures: tuple[Figure, ...]
    raised: tuple[str, ...] = ()  # settings that differ from the defaults
    notes: tuple[str, ...] = ()  # what else was seen, measured too


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What it ran on; nothing that names the computer or its owner."""

    cpu: str
    cores: int
    memory_gb: float | None
    python: str
    system: str
    filesystem: str
    load_before: float | None  # average over the last minute, before the run
    commit_ms: float  # one row into a bare SQLite file, WAL and synchronous=FULL, median
    versions: dict[str, str]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One run; benchmarks/results.json."""

    date: str  # UTC
    counts: Counts
    took_s: float
    machine: Machine
    groups: tuple[Group, ...]


def percentile(values: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile: a value that was really measured."""
    assert values, "nothing was measured"
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def median(values: Sequence[float]) -> float:
    return percentile(values, 50)


def at_most(
    name: str,
    value: float,
    unit: str,
    *,
    floor: float,
    floor_name: str,
    ratio: float | None = None,
    spread: tuple[float, float] | None = None,
    samples: int | None = None,
    parts: tuple[Part, ...] = (),
    floor_parts: tuple[Part, ...] = (),
) -> Figure:
    """A figure beside its floor; ``ratio`` is the most that the goal allows, None when there is no goal."""
    return Figure(
        name=name,
        value=value,
        unit=unit,
        floor=floor,
        floor_name=floor_name,
        ratio=value / floor,
        goal="" if ratio is None else f"≤ {ratio:g}x",
        is_met=None if ratio is None else value <= ratio * floor,
        spread=spread,
        samples=samples,
        parts=parts,
        floor_parts=floor_parts,
    )


def parts_of(rows: Sequence[Sequence[float]], names: Sequence[str]) -> tuple[Part, ...]:
    """rows: per sample one stamp more than there are names, in seconds. Medians, each beside its share of their sum."""
    if not rows:
        return ()
    medians = [median([row[i + 1] - row[i] for row in rows]) * 1000 for i in range(len(names))]
    total = sum(medians)
    return tuple(Part(name, ms, ms / total) for name, ms in zip(names, medians, strict=True))
