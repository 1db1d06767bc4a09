"""When a product trades: the exchange's week, each group's hours, early closes and holidays (gateway reference 6.4, 7;
topstep-rules 8, 10, 17). Pure.

Stretches are half-open epoch seconds, as everywhere where bars are kept. A *trading day* is named by the date on which it
ends: Monday's begins on Sunday at 17:00 in Chicago. Firm rules (flat by 15:10) are not hours of the exchange and not here.

Two questions, two answers: :func:`open_spans` is the best that is known, and can be wrong on a holiday; :func:`shut_spans`
is what is sure, and may spare a request for bars.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

from desk.core.holidays import GROUPS, HOLIDAYS
from desk.core.symbols import ROOTS
from desk.core.trading_day import EXCHANGE_ZONE, day_start, trading_day

__all__ = [
    "GROUPS",
    "day_start",
    "group_of",
    "is_open",
    "next_open",
    "open_spans",
    "session_open",
    "shut_spans",
    "trading_day",
]

Span = tuple[int, int]

# Families of :data:`desk.core.symbols.ROOTS`, so that each product is named once and a new one in no group fails a test.
_FAMILIES = {
    "index": "ES NQ RTY YM EMD NKD",
    "crypto": "MBT MET",
    "fx": "6A 6B 6C 6E 6J 6M 6N 6S",
    "energy": "CL NG RB HO",
    "metals": "GC SI HG PL",
    "rates": "ZT ZF ZN TN ZB UB",
    "grains": "ZC ZW ZS ZM ZL",
    "livestock": "HE LE",
}
_GROUP_OF_FAMILY = {family: group for group, families in _FAMILIES.items() for family in families.split()}

_CLOSE, _OPEN = time(16), time(17)
_HOURS: dict[str, tuple[tuple[time, time], ...]] = {
    "grains": ((time(19), time(7, 45)), (time(8, 30), time(13, 20))),
    "livestock": ((time(8, 30), time(13, 5)),),
}
_USUAL = ((_OPEN, _CLOSE),)
"""Opening and close in Chicago; an opening in the evening is the evening before the trading day."""
_DAY = timedelta(days=1)
_SATURDAY, _SUNDAY = 5, 6
_LONGEST_CLOSED = 14  # trading days that are looked through for the next opening


def group_of(root: str) -> str:
    """The group whose hours a product (exchange root) keeps. Raises KeyError for an unknown root."""
    return _GROUP_OF_FAMILY[ROOTS[root].family]


def open_spans(root: str | None, start: int, end: int) -> list[Span]:
    """The exchange's hours for a product inside ``start <= t < end`` (epoch seconds), cut to it, oldest first.

    root: exchange root; None, or one that nobody knows: whenever any product trades.
    """
    if start >= end:
        return []
    group = _group_or_none(root)
    day = trading_day(datetime.fromtimestamp(start, UTC)) - _DAY
    last = trading_day(datetime.fromtimestamp(end, UTC))
    found: list[Span] = []
    while day <= last:
        for opens, closes in _spans_of(group, day):
            if closes > start and opens < end:
                found.append((max(opens, start), min(closes, end)))
        day += _DAY
    return found


def is_open(root: str | None, at: datetime) -> bool:
    """Whether the exchange trades the product. root: as for :func:`open_spans`; at: aware."""
    return _running(root, at) is not None


def session_open(root: str | None, at: datetime) -> datetime | None:
    """When the stretch of trading began that is running at ``at``; None while it is closed. UTC."""
    span = _running(root, at)
    return None if span is None else datetime.fromtimestamp(span[0], UTC)


def next_open(root: str | None, at: datetime) -> datetime:
    """The first opening after ``at``, or ``at`` itself where the product trades. UTC."""
    if is_open(root, at):
        return at.astimezone(UTC)
    day, now = trading_day(at), at.timestamp()
    for offset in range(_LONGEST_CLOSED):
        for opens, _ in _spans_of(_group_or_none(root), day + offset * _DAY):
            if opens > now:
                return datetime.fromtimestamp(opens, UTC)
    raise AssertionError(f"{root} does not open within {_LONGEST_CLOSED} days after {at}")


def shut_spans(root: str | None, start: int, end: int) -> list[Span]:
    """When surely nothing traded inside ``start <= t < end``: weekends, and full holidays that were published.

    Empty for crypto, which may trade around the clock (topstep-rules 17), and for a product that nobody knows.
    """
    group = _group_or_none(root)
    if group is None or group == "crypto" or start >= end:
        return []
    day = trading_day(datetime.fromtimestamp(start, UTC)) - _DAY
    last = trading_day(datetime.fromtimestamp(end, UTC)) + _DAY
    found: list[Span] = []
    while day <= last:
        if _is_surely_shut(day):
            begins, ends = _pause_before(day), int(day_start(day + _DAY).timestamp())
            if ends > start and begins < end:
                _append(found, (max(begins, start), min(ends, end)))
        day += _DAY
    return found


def _is_surely_shut(day: date) -> bool:
    """Saturday and Sunday have no session; Monday's begins on Sunday at 17:00, which is after Sunday's day."""
    if day.weekday() in (_SATURDAY, _SUNDAY):
        return True
    holiday = HOLIDAYS.get(day)
    return holiday is not None and holiday.is_full and holiday.is_published


def _pause_before(day: date) -> int:
    """A day without a session begins with the close of the day before it."""
    return int(datetime.combine(day - _DAY, _CLOSE, EXCHANGE_ZONE).timestamp())


def _group_or_none(root: str | None) -> str | None:
    return group_of(root) if root is not None and root in ROOTS else None


def _running(root: str | None, at: datetime) -> Span | None:
    now = at.timestamp()
    for span in _spans_of(_group_or_none(root), trading_day(at)):
        if span[0] <= now < span[1]:
            return span
    return None


@lru_cache(maxsize=8192)
def _spans_of(group: str | None, day: date) -> tuple[Span, ...]:
    """The hours of one trading day, oldest first; none on weekends and full holidays."""
    if group is None:
        found: list[Span] = []
        for span in sorted(span for one in GROUPS for span in _spans_of(one, day)):
            _append(found, span)
        return tuple(found)
    holiday = HOLIDAYS.get(day)
    early = _CLOSE if holiday is None else holiday.closes.get(group, _CLOSE)
    if day.weekday() in (_SATURDAY, _SUNDAY) or early is None:
        return ()
    spans = [_span(day, opens, min(closes, early)) for opens, closes in _cut(_HOURS.get(group, _USUAL), early)]
    return tuple(spans)


def _cut(hours: tuple[tuple[time, time], ...], early: time) -> list[tuple[time, time]]:
    """Without what would begin after an early close; an evening's opening comes before any close."""
    return [(opens, closes) for opens, closes in hours if opens >= _CLOSE or opens < early]


def _span(day: date, opens: time, closes: time) -> Span:
    first = datetime.combine(day - _DAY if opens >= _CLOSE else day, opens, EXCHANGE_ZONE)
    return int(first.timestamp()), int(datetime.combine(day, closes, EXCHANGE_ZONE).timestamp())


def _append(found: list[Span], span: Span) -> None:
    """Onto the end of sorted stretches; what touches becomes one."""
    if found and span[0] <= found[-1][1]:
        found[-1] = (found[-1][0], max(found[-1][1], span[1]))
    else:
        found.append(span)
