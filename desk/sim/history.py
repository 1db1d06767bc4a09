"""History as the gateway serves it: windows, the forming bar, contracts that were frozen on the way, and the JSON."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np

from desk.sim.bars import Bars, aggregate, bar_starts, prints_of, to_ticks
from desk.sim.catalogue import listed_between
from desk.sim.model import Contract
from desk.sim.noise import PRINTS, PRINTS_PER_SECOND, Path

HAND_VOLUME = 3
"""Contracts in each print of a market moved by hand."""
_COLUMNS = ("start", "open", "high", "low", "close", "volume")


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


def bars_of(path: Path, contract: Contract, query: BarQuery, now: datetime, by_hand: ByHand | None) -> Bars:
    """Bars with ``first <= t < last`` that the contract was listed for, oldest first, the newest ``limit``."""
    listed, expires = listed_between(contract.id)
    begin = max(_up(query.first), int(listed.timestamp()))
    end = min(_up(query.last), int(expires.timestamp()), int(now.timestamp()) + 1)
    edges = bar_starts(query.unit, query.number, begin, end, query.limit + 1)
    if len(edges) < 2:
        return _joined([])
    end_index = index_of(now) + 1
    if edges[-1] * PRINTS_PER_SECOND > end_index and not query.forming:
        edges = edges[:-1]
    if by_hand is not None and by_hand.since < end_index:
        parts = _partly_by_hand(path, contract, edges, end_index, by_hand)
    else:
        parts = _generated(path, contract, edges, end_index)
    whole = _joined(parts)
    keep = slice(max(0, len(whole.start) - query.limit), None)
    return Bars(*(getattr(whole, name)[keep] for name in _COLUMNS))


def _up(at: datetime) -> int:
    return int(-(-at.timestamp() // 1))


def _generated(path: Path, contract: Contract, edges: list[int], end_index: int) -> list[Bars]:
    """Closed bars, and one from the last whole edge to ``end_index`` when that is cut short."""
    closed = [edge for edge in edges if edge * PRINTS_PER_SECOND <= end_index]
    parts: list[Bars] = []
    if len(closed) > 1:
        parts.append(aggregate(path, contract.symbol_id, float(contract.tick_size), closed))
    if len(closed) < len(edges):
        parts.append(_span(path, contract, closed[-1], end_index))
    return parts


def _partly_by_hand(path: Path, contract: Contract, edges: list[int], end_index: int, by_hand: ByHand) -> list[Bars]:
    """Generated up to the freeze, from hand prints after it, merged in the bar between; no prints, no bar."""
    before = [edge for edge in edges if edge * PRINTS_PER_SECOND <= by_hand.since]
    parts: list[Bars] = []
    if len(before) > 1:
        parts.append(aggregate(path, contract.symbol_id, float(contract.tick_size), before))
    for start, stop in pairwise(edges[max(len(before) - 1, 0) :]):
        made: list[Bars] = []
        if start * PRINTS_PER_SECOND < by_hand.since:
            made.append(_span(path, contract, start, min(by_hand.since, end_index)))
        ticks = [ticks for at, ticks in by_hand.prints if start <= at < stop]
        if ticks:
            made.append(_single(start, ticks, HAND_VOLUME * len(ticks)))
        if made:
            parts.append(_merged(made))
    return parts


def _span(path: Path, contract: Contract, start: int, end_index: int) -> Bars:
    """One bar from an instant (epoch seconds) to before a print index."""
    minute, tail = divmod(end_index, PRINTS)
    made: list[Bars] = []
    tick, opened = float(contract.tick_size), start
    if start % 60 == 0 and minute > start // 60:
        made.append(aggregate(path, contract.symbol_id, tick, [start, minute * 60]))
        start = minute * 60
    if start * PRINTS_PER_SECOND < end_index:
        first = start // 60
        prints, volumes = prints_of(path, contract.symbol_id, np.arange(first, minute + 1))
        here = slice((start - first * 60) * PRINTS_PER_SECOND, (minute - first) * PRINTS + tail)
        made.append(_single(opened, to_ticks(prints[here], tick).tolist(), int(volumes[here].sum())))
    return _merged(made)


def _joined(parts: list[Bars]) -> Bars:
    empty = np.array([], dtype=np.int64)
    columns = ([getattr(part, name) for part in parts] or [empty] for name in _COLUMNS)
    return Bars(*(np.concatenate(column) for column in columns))


def _row(*values: int) -> Bars:
    return Bars(*(np.array([value], dtype=np.int64) for value in values))


def _single(start: int, ticks: list[int], volume: int) -> Bars:
    return _row(start, ticks[0], max(ticks), min(ticks), ticks[-1], volume)


def _merged(parts: list[Bars]) -> Bars:
    """Several pieces of one bar, in time order, as that bar."""
    if len(parts) == 1:
        return parts[0]
    all_ = _joined(parts)
    return _row(all_.start[0], all_.open[0], all_.high.max(), all_.low.min(), all_.close[-1], all_.volume.sum())


def render(bars: Bars, contract: Contract) -> bytes:
    """JSON by hand, newest first: 20,000 bars through a general encoder would take several times as long."""
    texts: dict[int, str] = {}
    for column in (bars.open, bars.high, bars.low, bars.close):
        for ticks in np.unique(column).tolist():
            if ticks not in texts:
                price = ticks * contract.tick_size
                texts[ticks] = json.dumps(int(price) if price == int(price) else float(price))
    columns = (getattr(bars, name)[::-1].tolist() for name in _COLUMNS)
    rows = [
        f'{{"t":"{datetime.fromtimestamp(start, UTC).isoformat()}","o":{texts[opened]},"h":{texts[high]},'
        f'"l":{texts[low]},"c":{texts[close]},"v":{volume}}}'
        for start, opened, high, low, close, volume in zip(*columns, strict=True)
    ]
    return ("[" + ",".join(rows) + "]").encode()
