"""Bars of a path: every timeframe is an aggregate of the same quarter-second prints (reference 3.4)."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from desk.sim.noise import PRINTS_PER_SECOND, Floats, Ints
from desk.sim.stream import Stream

CHICAGO = "America/Chicago"
SESSION_OPEN = time(17)
UNIT_SECONDS = {1: 1, 2: 60, 3: 3600}
COLUMNS = ("start", "open", "high", "low", "close", "volume")
_CHUNK_SECONDS = 60_000
"""Bars of seconds are made from so much tape at a time."""
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


def opening_around(now: datetime) -> tuple[int, int]:
    """When the session of an instant opened and when the next one opens (17:00 Chicago), epoch seconds."""
    at = now.timestamp()
    edges = bar_starts(4, 1, int(at) - 3 * 86_400, int(at) + 3 * 86_400, 10)
    return max(edge for edge in edges if edge <= at), min(edge for edge in edges if edge > at)


def next_opening(after: int) -> int:
    """The session opening that follows this one, epoch seconds."""
    return opening_around(datetime.fromtimestamp(after, UTC))[1]


def _opens_bar(day: date, unit: int, number: int) -> bool:
    if unit == 4:
        return day.toordinal() % number == 0
    if unit == 5:
        return day.weekday() == 0 and (day.toordinal() // 7) % number == 0
    return day.day == 1 and (day.year * 12 + day.month) % number == 0


def aggregate(stream: Stream, tick: float, edges: list[int]) -> Bars:
    """Bars between consecutive edges (epoch seconds), all closed; where nothing traded there is none (reference 3.4)."""
    marks = np.array(edges, dtype=np.int64)
    if np.all(marks % 60 == 0):
        return _of_minutes(stream, tick, marks)
    step = max(1, _CHUNK_SECONDS // int(np.diff(marks).max()))
    return joined([_of_prints(stream, tick, marks[at : at + step + 1]) for at in range(0, len(marks) - 1, step)])


def joined(parts: list[Bars]) -> Bars:
    """Bars one after the other."""
    empty = np.array([], dtype=np.int64)
    columns = ([getattr(part, name) for part in parts] or [empty] for name in COLUMNS)
    return Bars(*(np.concatenate(column) for column in columns))


def _of_minutes(stream: Stream, tick: float, marks: Ints) -> Bars:
    minutes = np.arange(marks[0] // 60, marks[-1] // 60)
    volumes = stream.volumes(minutes)
    traded = np.flatnonzero(volumes)
    group_of = np.searchsorted(marks, minutes[traded] * 60, side="right") - 1
    kept, groups = np.unique(group_of, return_index=True)
    if not len(kept):
        return Bars(*(np.array([], dtype=np.int64) for _ in range(6)))
    sizes = np.diff(np.append(groups, len(traded)))
    minutes, volumes = minutes[traded], volumes[traded]
    if sizes.max() < _PRUNE_FROM:
        highs, lows = stream.extremes(minutes)
    else:
        highs, lows = _pruned_extremes(stream, minutes, groups, sizes)
    return Bars(
        marks[kept],
        to_ticks(stream.opens(minutes[groups]), tick),
        to_ticks(np.maximum.reduceat(highs, groups), tick),
        to_ticks(np.minimum.reduceat(lows, groups), tick),
        to_ticks(stream.closes(minutes[groups + sizes - 1]), tick),
        np.add.reduceat(volumes, groups),
    )


def _pruned_extremes(stream: Stream, minutes: Ints, groups: Ints, sizes: Ints) -> tuple[Floats, Floats]:
    """Per minute a high and a low whose group-wise extremes are exact; most minutes are never looked into."""
    opens = stream.opens(minutes)
    before, after = stream.knots(minutes), stream.knots(minutes + 1)
    top = np.repeat(np.maximum.reduceat(opens, groups), sizes)
    bottom = np.repeat(np.minimum.reduceat(opens, groups), sizes)
    could = np.maximum(before, after) + stream.reach >= top
    could |= np.minimum(before, after) - stream.reach <= bottom
    highs, lows = opens.copy(), opens
    highs[could], lows[could] = stream.extremes(minutes[could])
    return highs, lows


def _of_prints(stream: Stream, tick: float, marks: Ints) -> Bars:
    first = int(marks[0] // 60)
    prints, volumes = prints_of(stream, np.arange(first, int(marks[-1] - 1) // 60 + 1))
    at = (marks - first * 60) * PRINTS_PER_SECOND
    return of_prints(prints[at[0] : at[-1]], volumes[at[0] : at[-1]], tick, at - at[0], marks)


def of_prints(prints: Floats, volumes: Ints, tick: float, at: Ints, marks: Ints) -> Bars:
    """Bars that begin at the prints ``at[:-1]`` and are called ``marks[:-1]``, where anything traded."""
    traded = np.flatnonzero(volumes)
    kept, groups = np.unique(np.searchsorted(at, traded, side="right") - 1, return_index=True)
    if not len(kept):
        return Bars(*(np.array([], dtype=np.int64) for _ in range(6)))
    ticks, volumes = to_ticks(prints[traded], tick), volumes[traded]
    last = np.append(groups[1:], len(traded)) - 1
    return Bars(
        marks[kept],
        ticks[groups],
        np.maximum.reduceat(ticks, groups),
        np.minimum.reduceat(ticks, groups),
        ticks[last],
        np.add.reduceat(volumes, groups),
    )


def prints_of(stream: Stream, minutes: Ints) -> tuple[Floats, Ints]:
    """Every print of consecutive minutes: prices float64 (240 n,) and contracts int64 (240 n,)."""
    return stream.rows(minutes).reshape(-1), stream.shares(minutes).reshape(-1)


def to_ticks(prices: Floats, tick: float) -> Ints:
    """Nearest tick; monotone, so the extremes of rounded prints are the rounded extremes."""
    return np.rint(prices / tick).astype(np.int64)
