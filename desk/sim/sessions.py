"""When a product trades: exchange hours, Topstep's 15:10 cut, weekends and holidays (reference 6.4, Topstep rules 8, 10).

Pure: instants in, instants out, all aware UTC; Chicago's clock is read from the time zone data, so the two weeks of
different daylight saving time come out right. A *trading day* is named by the date on which it ends: Monday's session
opens on Sunday at 17:00. Spans are half open: the opening instant is inside, the closing one is not.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from desk.sim.holidays import GROUPS, HOLIDAYS

__all__ = [
    "GROUPS", "TOPSTEP_FLAT", "is_open", "is_tradable", "listing_day", "next_change", "next_cut", "next_tradable",
    "open_spans", "trading_day",
]  # fmt: skip

CHICAGO = ZoneInfo("America/Chicago")
TOPSTEP_FLAT = time(15, 10)
FIRM_LEAD = timedelta(seconds=10)
"""The firm closes what is still open about so long before everything must be flat (Topstep rules 8)."""
_DAY = timedelta(days=1)
_ROLL_OVER = timedelta(hours=7)
"""17:00 in Chicago plus this is midnight: the calendar day of the result is the trading day."""


@dataclass(frozen=True)
class Span:
    """An uninterrupted stretch of trading, UTC, end not included."""

    start: datetime
    end: datetime


def trading_day(at: datetime) -> date:
    """The trading day of an instant: from 17:00 Chicago on it is the next calendar day."""
    return (at.astimezone(CHICAGO).replace(tzinfo=None) + _ROLL_OVER).date()


def is_open(group: str, at: datetime) -> bool:
    """True while the exchange trades a product group. Raises KeyError for an unknown group."""
    return _inside(_around(group, at), at)


def is_tradable(group: str, at: datetime) -> bool:
    """True while Topstep takes orders for it: the exchange is open and the day's cut has not come."""
    return _inside(_tradable_around(group, at), at)


def next_change(group: str, at: datetime) -> datetime:
    """The first instant after ``at`` at which ``is_open`` answers differently."""
    day = trading_day(at)
    for offset in range(-1, 15):
        for span in exchange_spans(group, day + offset * _DAY):
            for edge in (span.start, span.end):
                if edge > at:
                    return edge
    raise AssertionError(f"{group} stands still for two weeks after {at}")


def next_cut(group: str, at: datetime) -> datetime:
    """The first instant after ``at`` by which everything in the group must be flat: 15:10, or the day's earlier end."""
    day = trading_day(at)
    for offset in range(-1, 15):
        spans = tradable_spans(group, day + offset * _DAY)
        if spans and spans[-1].end > at:
            return spans[-1].end
    raise AssertionError(f"{group} stands still for two weeks after {at}")


def next_tradable(group: str, at: datetime) -> datetime:
    """The first instant from ``at`` on at which Topstep takes orders for a group."""
    day = trading_day(at)
    for offset in range(15):
        for span in tradable_spans(group, day + offset * _DAY):
            if span.end > at:
                return max(span.start, at)
    raise AssertionError(f"{group} stands still for two weeks after {at}")


def listing_day(at: datetime) -> date:
    """The day by which the front month is chosen: it changes in the daily pause, at 16:00 (Topstep rules 15)."""
    return _listing_day(int(at.timestamp()) // 3600)


@lru_cache(maxsize=64)
def _listing_day(hour: int) -> date:
    at = datetime.fromtimestamp(hour * 3600, CHICAGO)
    return (at.replace(tzinfo=None) + _ROLL_OVER + timedelta(hours=1)).date()


def open_spans(group: str, first: datetime, last: datetime) -> list[Span]:
    """Exchange hours that touch ``first <= t < last``, oldest first, uncut."""
    day, stop = trading_day(first) - _DAY, trading_day(last) + _DAY
    found: list[Span] = []
    while day <= stop:
        found += [span for span in exchange_spans(group, day) if span.end > first and span.start < last]
        day += _DAY
    return found


@lru_cache(maxsize=8192)
def exchange_spans(group: str, day: date) -> tuple[Span, ...]:
    """The exchange's hours on a trading day, oldest first; empty on weekends and full holidays."""
    hours = _HOURS[group]
    if day.weekday() >= 5:
        return ()
    holiday = HOLIDAYS.get(day)
    if holiday is None or group not in holiday.closes:
        return tuple(_span(day, opens, closes) for opens, closes in hours)
    early = holiday.closes[group]
    if early is None:
        return ()
    return _cut_at(tuple(_span(day, opens, closes) for opens, closes in hours), _instant(day, early))


@lru_cache(maxsize=8192)
def tradable_spans(group: str, day: date) -> tuple[Span, ...]:
    """The hours of a trading day in which Topstep takes orders."""
    holiday = HOLIDAYS.get(day)
    flat = holiday.flat_by if holiday is not None and holiday.flat_by is not None else TOPSTEP_FLAT
    return _cut_at(exchange_spans(group, day), _instant(day, flat))


_LONG = ((time(17), time(16)),)
_HOURS: dict[str, tuple[tuple[time, time], ...]] = {
    **dict.fromkeys(GROUPS, _LONG),
    "grains": ((time(19), time(7, 45)), (time(8, 30), time(13, 20))),
    "livestock": ((time(8, 30), time(13, 5)),),
}
"""Opening and closing in Chicago; an opening in the evening is the evening before the trading day."""


def _span(day: date, opens: time, closes: time) -> Span:
    return Span(_instant(day - _DAY if opens >= time(16) else day, opens), _instant(day, closes))


def _instant(day: date, at: time) -> datetime:
    return datetime.combine(day, at, CHICAGO).astimezone(UTC)


def _cut_at(spans: tuple[Span, ...], end: datetime) -> tuple[Span, ...]:
    return tuple(Span(span.start, min(span.end, end)) for span in spans if span.start < end)


def _around(group: str, at: datetime) -> tuple[Span, ...]:
    return exchange_spans(group, trading_day(at))


def _tradable_around(group: str, at: datetime) -> tuple[Span, ...]:
    return tradable_spans(group, trading_day(at))


def _inside(spans: tuple[Span, ...], at: datetime) -> bool:
    return any(span.start <= at < span.end for span in spans)
