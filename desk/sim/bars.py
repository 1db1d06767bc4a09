"""Bars of a path: every timeframe is an aggregate of the same quarter-second prints (reference 3.4)."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from desk.sim.noise import PRINTS, Floats, Ints, Path, minute_volumes

CHICAGO = "America/Chicago"
SESSION_OPEN = time(17)
UNIT_SECONDS = {1: 1, 2: 60, 3: 3600}
_PRUNE_FROM = 15
"""Bars of so many minutes and more look only at minutes that could hold an extreme."""


@dataclass(frozen=True)
class Bars:
    """Columns, oldest first: ``start`` epoch seconds (n,), prices in ticks (n,), ``volume`` contracts (n,)."""

    start: Ints
    open: Ints
    high: Ints
    low: Ints
    close: Ints
    volume: Ints


def bar_starts(unit: int, number: int, first: int, last: int, limit: int) -> list[int]:
    """Epoch seconds at which bars open inside ``first <= t < last``, the newest ``limit``, and where the next opens.

    Seconds, minutes and hours count from 1970; days follow the exchange session (17:00 Chicago), weeks open with
    Monday's session and months with that of the first (SIM choice where reference 3.4 is unsure).
    """
    if unit in UNIT_SECONDS:
        step = UNIT_SECONDS[unit] * number
        end = -(-last // step) * step
        begin = max(-(-first // step) * step, end - limit * step)
        return list(range(begin, end + 1, step)) if begin < end else []
    opens = _session_starts(unit, number, first, last)
    inside = [index for index, at in enumerate(opens[:-1]) if first <= at < last]
    if not inside:
        return []
    inside = inside[-limit:]
    return opens[inside[0] : inside[-1] + 2]


def _session_starts(unit: int, number: int, first: int, last: int) -> list[int]:
    zone = ZoneInfo(CHICAGO)
    day = datetime.fromtimestamp(first, UTC).date() - timedelta(days=2)
    stop = datetime.fromtimestamp(last, UTC).date() + timedelta(days=2)
    starts: list[int] = []
    while day <= stop or len(starts) < 2 or starts[-1] < last:
        if _opens_bar(day, unit, number):
            opened = datetime.combine(day - timedelta(days=1), SESSION_OPEN, zone)
            starts.append(int(opened.timestamp()))
        day += timedelta(days=1)
    return starts


def _opens_bar(day: date, unit: int, number: int) -> bool:
    if unit == 4:
        return day.toordinal() % number == 0
    if unit == 5:
        return day.weekday() == 0 and (day.toordinal() // 7) % number == 0
    return day.day == 1 and (day.year * 12 + day.month) % number == 0


def aggregate(path: Path, symbol: str, tick: float, edges: list[int]) -> Bars:
    """Bars between consecutive edges (epoch seconds), all closed."""
    marks = np.array(edges, dtype=np.int64)
    if np.all(marks % 60 == 0):
        return _of_minutes(path, symbol, tick, marks)
    return _of_prints(path, symbol, tick, marks)


def _of_minutes(path: Path, symbol: str, tick: float, marks: Ints) -> Bars:
    minutes = np.arange(marks[0] // 60, marks[-1] // 60)
    groups = marks[:-1] // 60 - minutes[0]
    sizes = np.diff(marks) // 60
    if sizes.max() < _PRUNE_FROM:
        highs, lows = path.extremes(minutes)
    else:
        highs, lows = _pruned_extremes(path, minutes, groups, sizes)
    closes = _last_prints(path, marks[1:] // 60 - 1)
    return Bars(
        marks[:-1],
        to_ticks(path.opens(marks[:-1] // 60), tick),
        to_ticks(np.maximum.reduceat(highs, groups), tick),
        to_ticks(np.minimum.reduceat(lows, groups), tick),
        to_ticks(closes, tick),
        np.add.reduceat(minute_volumes(path.seed, symbol, minutes), groups),
    )


def _last_prints(path: Path, minutes: Ints) -> Floats:
    result = np.empty(len(minutes))
    for start in range(0, len(minutes), 512):
        result[start : start + 512] = path.rows(minutes[start : start + 512])[:, -1]
    return result


def _pruned_extremes(path: Path, minutes: Ints, groups: Ints, sizes: Ints) -> tuple[Floats, Floats]:
    """Per minute a high and a low whose group-wise extremes are exact; most minutes are never looked into."""
    opens = path.opens(minutes)
    knots = path.knots(np.append(minutes, minutes[-1] + 1))
    top = np.repeat(np.maximum.reduceat(opens, groups), sizes)
    bottom = np.repeat(np.minimum.reduceat(opens, groups), sizes)
    could = np.maximum(knots[:-1], knots[1:]) + path.reach >= top
    could |= np.minimum(knots[:-1], knots[1:]) - path.reach <= bottom
    highs, lows = opens.copy(), opens
    highs[could], lows[could] = path.extremes(minutes[could])
    return highs, lows


def _of_prints(path: Path, symbol: str, tick: float, marks: Ints) -> Bars:
    first = int(marks[0] // 60)
    prints, volumes = prints_of(path, symbol, np.arange(first, int(marks[-1] - 1) // 60 + 1))
    at = (marks - first * 60) * (PRINTS // 60)
    prints, volumes, groups = prints[: at[-1]], volumes[: at[-1]], at[:-1]
    return Bars(
        marks[:-1],
        to_ticks(prints[groups], tick),
        to_ticks(np.maximum.reduceat(prints, groups), tick),
        to_ticks(np.minimum.reduceat(prints, groups), tick),
        to_ticks(prints[at[1:] - 1], tick),
        np.add.reduceat(volumes, groups),
    )


def prints_of(path: Path, symbol: str, minutes: Ints) -> tuple[Floats, Ints]:
    """Every print of consecutive minutes: prices float64 (240 n,) and contracts int64 (240 n,)."""
    shares = minute_volumes(path.seed, symbol, minutes)[:, None] * np.arange(PRINTS + 1) // PRINTS
    return path.rows(minutes).reshape(-1), np.diff(shares, axis=1).reshape(-1)


def to_ticks(prices: Floats, tick: float) -> Ints:
    """Nearest tick; monotone, so the extremes of rounded prints are the rounded extremes."""
    return np.rint(prices / tick).astype(np.int64)
