"""History as the gateway serves it: windows, the forming bar, contracts that were frozen on the way, and the JSON."""

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np

from desk.sim.bars import COLUMNS, UNIT_SECONDS, Bars, aggregate, bar_starts, joined, of_prints, prints_of
from desk.sim.catalogue import listed_between
from desk.sim.model import Contract
from desk.sim.noise import PRINTS, PRINTS_PER_SECOND
from desk.sim.stream import Stream

_MAX_CHUNK = 40_000
HAND_VOLUME = 3
"""Contracts in each print of a market moved by hand."""


@dataclass(frozen=True)
class BarQuery:
    """The members of retrieveBars; ``forming`` is includePartialBar."""

    unit: int
    number: int
    first: datetime
    last: datetime
    limit: int
    forming: bool


@dataclass(frozen=True)
class ByHand:
    """Since which print index a contract is frozen, and its prints since then: (epoch seconds, ticks)."""

    since: int
    prints: list[tuple[float, int]]


def index_of(at: datetime) -> int:
    """Number of the newest print at or before an instant."""
    return int(at.timestamp() * PRINTS_PER_SECOND)


def bars_of(stream: Stream, contract: Contract, query: BarQuery, now: datetime, by_hand: ByHand | None) -> Bars:
    """Bars with ``first <= t < last`` that the contract was listed for, oldest first, the newest ``limit``.

    Where nothing traded there is no bar, so the newest ``limit`` may reach back over a night, a weekend or more.
    """
    listed, expires = listed_between(contract.id)
    begin = max(_up(query.first), int(listed.timestamp()))
    end = min(_up(query.last), int(expires.timestamp()), int(now.timestamp()) + 1)
    end_index = index_of(now) + 1
    if by_hand is not None and by_hand.since >= end_index:
        by_hand = None
    parts: list[Bars] = []
    missing = chunk = query.limit
    while missing > 0:
        edges = bar_starts(query.unit, query.number, begin, end, chunk + 1)
        if len(edges) < 2:
            break
        reached = edges[0]
        if edges[-1] * PRINTS_PER_SECOND > end_index and not query.forming:
            edges = edges[:-1]
        if by_hand is not None:
            part = joined(_partly_by_hand(stream, contract, edges, end_index, by_hand))
        else:
            part = joined(_generated(stream, contract, edges, end_index))
        parts.insert(0, part)
        missing -= len(part.start)
        before = _traded_before(stream, by_hand, reached)
        if before is None:
            break
        end, chunk = min(reached, before), min(chunk * 2, _MAX_CHUNK)
    whole = joined(parts)
    keep = slice(max(0, len(whole.start) - query.limit), None)
    return Bars(*(getattr(whole, name)[keep] for name in COLUMNS))


def _traded_before(stream: Stream, by_hand: ByHand | None, second: int) -> int | None:
    """The end of the newest stretch before an instant in which anything traded, epoch seconds; None: nothing did."""
    if by_hand is not None and second * PRINTS_PER_SECOND > by_hand.since:
        walked = [int(at) for at, _ in by_hand.prints if at < second]
        return max([by_hand.since // PRINTS_PER_SECOND, *walked[-1:]]) + 1
    minute = stream.active_before(-(-second // 60))
    return None if minute is None else (minute + 1) * 60


def _up(at: datetime) -> int:
    return int(-(-at.timestamp() // 1))


def _generated(stream: Stream, contract: Contract, edges: list[int], end_index: int) -> list[Bars]:
    """Closed bars, and one from the last whole edge to ``end_index`` when that is cut short."""
    closed = [edge for edge in edges if edge * PRINTS_PER_SECOND <= end_index]
    parts: list[Bars] = []
    if len(closed) > 1:
        parts.append(aggregate(stream, float(contract.tick_size), closed))
    if len(closed) < len(edges):
        parts.append(_span(stream, contract, closed[-1], end_index))
    return parts


def _partly_by_hand(
    stream: Stream, contract: Contract, edges: list[int], end_index: int, by_hand: ByHand
) -> list[Bars]:
    """Generated up to the freeze, from hand prints after it, merged in the bar between; no prints, no bar."""
    before = [edge for edge in edges if edge * PRINTS_PER_SECOND <= by_hand.since]
    parts: list[Bars] = []
    if len(before) > 1:
        parts.append(aggregate(stream, float(contract.tick_size), before))
    for start, stop in pairwise(edges[max(len(before) - 1, 0) :]):
        made: list[Bars] = []
        if start * PRINTS_PER_SECOND < by_hand.since:
            made.append(_span(stream, contract, start, min(by_hand.since, end_index)))
        ticks = [ticks for at, ticks in by_hand.prints if start <= at < stop]
        if ticks:
            made.append(_single(start, ticks, HAND_VOLUME * len(ticks)))
        if made:
            parts.append(_merged(made))
    return parts


def _span(stream: Stream, contract: Contract, start: int, end_index: int) -> Bars:
    """One bar from an instant (epoch seconds) to before a print index; none when nothing traded."""
    minute, tail = divmod(end_index, PRINTS)
    made: list[Bars] = []
    tick, opened = float(contract.tick_size), start
    if start % 60 == 0 and minute > start // 60:
        made.append(aggregate(stream, tick, [start, minute * 60]))
        start = minute * 60
    if start * PRINTS_PER_SECOND < end_index:
        first = start // 60
        prints, volumes = prints_of(stream, np.arange(first, minute + 1))
        here = slice((start - first * 60) * PRINTS_PER_SECOND, (minute - first) * PRINTS + tail)
        count = here.stop - here.start
        made.append(of_prints(prints[here], volumes[here], tick, np.array([0, count]), np.array([opened, opened])))
    return _merged(made)


def _row(*values: int) -> Bars:
    return Bars(*(np.array([value], dtype=np.int64) for value in values))


def _single(start: int, ticks: list[int], volume: int) -> Bars:
    return _row(start, ticks[0], max(ticks), min(ticks), ticks[-1], volume)


def _merged(parts: list[Bars]) -> Bars:
    """Several pieces of one bar, in time order, as that bar; nothing when there is nothing."""
    all_ = joined(parts)
    if len(all_.start) < 2:
        return all_
    return _row(all_.start[0], all_.open[0], all_.high.max(), all_.low.min(), all_.close[-1], all_.volume.sum())


def with_more(bars: Bars, query: BarQuery, more: list[tuple[float, int]]) -> Bars:
    """Bars with the contracts of a burst added: (epoch seconds, contracts), where the bar exists."""
    if not len(bars.start):
        return bars
    step = UNIT_SECONDS.get(query.unit)
    ends = bars.start + step * query.number if step else np.append(bars.start[1:], np.iinfo(np.int64).max)
    volume = bars.volume.copy()
    for at, contracts in more:
        place = int(np.searchsorted(bars.start, at, side="right")) - 1
        if place >= 0 and at < ends[place]:
            volume[place] += contracts
    return replace(bars, volume=volume)


def render(bars: Bars, contract: Contract) -> bytes:
    """JSON by hand, newest first: 20,000 bars through a general encoder would take several times as long."""
    texts: dict[int, str] = {}
    for column in (bars.open, bars.high, bars.low, bars.close):
        for ticks in np.unique(column).tolist():
            if ticks not in texts:
                price = ticks * contract.tick_size
                texts[ticks] = json.dumps(int(price) if price == int(price) else float(price))
    columns = (getattr(bars, name)[::-1].tolist() for name in COLUMNS)
    rows = [
        f'{{"t":"{datetime.fromtimestamp(start, UTC).isoformat()}","o":{texts[opened]},"h":{texts[high]},'
        f'"l":{texts[low]},"c":{texts[close]},"v":{volume}}}'
        for start, opened, high, low, close, volume in zip(*columns, strict=True)
    ]
    return ("[" + ",".join(rows) + "]").encode()
