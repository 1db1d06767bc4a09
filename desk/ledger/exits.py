"""Why each round trip ended: the journal's word on a position's end, laid beside the fill that closed it.

The two come over different ways, so they are matched by place, side and time: by when the fill was written down, or by
when it happened, whichever lies nearer. An end serves one trip only. Without one the order of the last fill tells:
a leg of ours is a stop or a target by its tag, and everything else is unknown.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from datetime import timedelta

import msgspec

from desk.core.ids import AccountId, ContractId
from desk.core.plans import ExitReason
from desk.core.records import ExitExplained, FillRecorded, PositionClosed
from desk.ledger.book import Book, keep_book
from desk.ledger.money import Contracts
from desk.ledger.words import RoundTrip

__all__ = ["LedgerRecord", "keep_ledger"]

LedgerRecord = FillRecorded | PositionClosed | ExitExplained
NEAR = timedelta(minutes=2)  # a fill that the hub lost is found by the next read, which comes every quarter of a minute
_LEGS = {"-SL": ExitReason.STOP, "-TP": ExitReason.TARGET}

_Place = tuple[AccountId, ContractId]
_replace = msgspec.structs.replace


def keep_ledger(records: Iterable[LedgerRecord], contracts: Contracts) -> Book:
    """The book of the fills among ``records``, its trips with reason and cause. records: each kind oldest first."""
    fills: list[FillRecorded] = []
    ends: dict[_Place, list[PositionClosed]] = {}
    for record in records:
        match record:
            case FillRecorded():
                fills.append(record)
            case PositionClosed():
                ends.setdefault(_place(record), []).append(record)
            case ExitExplained():
                _explain(ends.get(_place(record), []), record)
    book = keep_book(fills, contracts)
    found = _matched(book.trips, ends)
    return _replace(book, trips=tuple(_with_end(trip, found.get(i)) for i, trip in enumerate(book.trips)))


def _place(record: PositionClosed | ExitExplained | RoundTrip) -> _Place:
    return record.account_id, record.contract_id


def _explain(ends: list[PositionClosed], later: ExitExplained) -> None:
    if ends and ends[-1].cause == later.cause:
        ends[-1] = _replace(ends[-1], reason=later.reason)


def _matched(trips: tuple[RoundTrip, ...], ends: dict[_Place, list[PositionClosed]]) -> dict[int, PositionClosed]:
    """By number of the trip. The surest pairs are taken first: the same cause, then the least time between them."""
    pairs: list[tuple[bool, timedelta, int, _Place, int]] = []
    for place_ends in ends.values():
        place_ends.sort(key=lambda end: end.ts)
    for number, trip in enumerate(trips):
        near = ends.get(_place(trip), [])
        for i in _indexes_near(near, trip):
            if near[i].qty * trip.side.sign > 0:
                apart = min(abs(near[i].ts - trip.recorded_at), abs(near[i].ts - trip.closed_at))
                pairs.append((near[i].cause != trip.cause, apart, number, _place(trip), i))
    found: dict[int, PositionClosed] = {}
    taken: set[tuple[_Place, int]] = set()
    for _, _, number, place, i in sorted(pairs):
        if number not in found and (place, i) not in taken:
            found[number] = ends[place][i]
            taken.add((place, i))
    return found


def _indexes_near(ends: list[PositionClosed], trip: RoundTrip) -> set[int]:
    """Ends within ``NEAR`` of the trip's last fill, by the time when it happened or when it was written down."""
    found: set[int] = set()
    for at in (trip.closed_at, trip.recorded_at):
        first = bisect_left(ends, at - NEAR, key=lambda end: end.ts)
        found.update(range(first, bisect_right(ends, at + NEAR, key=lambda end: end.ts)))
    return found


def _with_end(trip: RoundTrip, end: PositionClosed | None) -> RoundTrip:
    reason, cause = ExitReason.UNKNOWN, trip.cause
    if end is not None:
        reason = end.reason
        # A position that was reported before its fill: the end knows better what opened it.
        cause = end.cause if trip.entry_tag is None else trip.cause
    if reason is ExitReason.UNKNOWN and trip.exit_tag is not None:
        reason = _LEGS.get(trip.exit_tag[-3:], ExitReason.UNKNOWN)
    return _replace(trip, exit_reason=reason, cause=cause)
