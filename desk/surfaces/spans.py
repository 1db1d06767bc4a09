"""Which stretch of time somebody means: ``today``, ``week``, a trading day, or two instants.

A date is a trading day (17:00 to 17:00 in Chicago, named after its end); a time of day is in the caller's zone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo

from desk.core.trading_day import day_start, trading_day
from desk.surfaces.calls import BadCall

__all__ = ["SPAN_WORDS", "Span", "parse_span"]

FORMS = "today, yesterday, week, month, all, 2026-11-20, 2026-11-20T14:30, 11/20/2026, 20261120"
SPAN_WORDS = ("today", "yesterday", "week", "month", "all")
_ONE_DAY = timedelta(days=1)
_YEARS = range(2000, 2100)
_CLOCK = re.compile(r"\d{1,2}:\d{2}", re.ASCII)
_AMERICAN = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Span:
    """start <= t < end, both UTC. ``name`` is fit for the name of a file, ``title`` for a person."""

    start: datetime
    end: datetime
    name: str
    title: str


@dataclass(frozen=True, slots=True)
class _Moment:
    """A whole trading day, or an instant."""

    start: datetime
    end: datetime
    day: date | None


def parse_span(words: Sequence[str], now: datetime, zone: tzinfo | None) -> Span:
    """No word: today's trading day. One day: that day. One instant: from there on. Two: from the one to the other,
    a day being meant whole. zone: of times without an offset; None is this computer's. Raises BadCall.
    """
    today = trading_day(now)
    asked = _joined([word.lower() for word in words], today) or ["today"]
    if len(asked) > 2:
        raise BadCall(f"Too many times: write one or two of {FORMS}")
    if asked[0] in {"week", "month", "all"}:
        if len(asked) > 1:
            raise BadCall(f"{asked[0]} goes until now: write {asked[0]} alone, or two dates")
        return _until_today(asked[0], today)
    first = _moment(asked[0], today, zone)
    last = first if first.day is not None else _whole(today)
    if len(asked) > 1:
        last = _moment(asked[1], today, zone)
    if last.end <= first.start:
        raise BadCall(f"{asked[0][:30]!a} begins after the end: write the earlier time first")
    if first.day is None or last.day is None:
        return Span(first.start, last.end, f"{_stamp(first.start)}_{_stamp(last.end)}", "Trades")
    return _days(first.day, last.day)


def _joined(words: Sequence[str], today: date) -> list[str]:
    """Quotes go, and a time of day belongs to the day before it: ``"2026-11-20 14:30"``, with quotes or without."""
    found: list[str] = []
    for word in (word.strip("\"'") for word in words):
        clock = _CLOCK.fullmatch(word)
        day = _day_of(found[-1], today) if clock and found else None
        if clock is None or day is None:
            found.append(word)
        else:
            found[-1] = f"{day}T{word.zfill(5)}"
    return found


def _day_of(text: str, today: date) -> date | None:
    """None: the word is no day, or one that no calendar has."""
    try:
        return {"today": today, "yesterday": _day_before(today)}.get(text) or _date(text)
    except ValueError:
        return None


def _until_today(word: str, today: date) -> Span:
    if word == "all":
        return Span(day_start(date(_YEARS.start, 1, 1)), day_start(today + _ONE_DAY), "all", "All trades")
    return _days(today.replace(day=1) if word == "month" else today - _ONE_DAY * today.weekday(), today)


def _days(first: date, last: date) -> Span:
    title = f"Trading day {first}" if first == last else f"Trading days {first} to {last}"
    return Span(day_start(first), day_start(last + _ONE_DAY), f"{first}_{last}", title)


def _moment(text: str, today: date, zone: tzinfo | None) -> _Moment:
    if text == "today":
        return _whole(today)
    if text == "yesterday":
        return _whole(_day_before(today))
    try:
        day = _date(text)
        at = datetime.fromisoformat(text.upper()) if day is None else None
    except ValueError:
        day = at = None
    year = (day or at or date.min).year
    if year not in _YEARS:
        raise BadCall(f"{text[:30]!a} is not a time that is understood. Write {FORMS}")
    if at is None:
        return _whole(day or today)
    if at.tzinfo is None and zone is not None:
        at = at.replace(tzinfo=zone)
    return _Moment(at.astimezone(UTC), at.astimezone(UTC), None)


def _whole(day: date) -> _Moment:
    return _Moment(day_start(day), day_start(day + _ONE_DAY), day)


def _date(text: str) -> date | None:
    """None: not a date alone. ValueError: one that no calendar has."""
    if american := _AMERICAN.fullmatch(text):
        month, day, year = map(int, american.groups())
        return date(year, month, day)
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _day_before(today: date) -> date:
    """Monday's is Friday: in between no exchange trades. Paper trades of a weekend are found by their date."""
    back = {0: 3, 6: 2}.get(today.weekday(), 1)
    return today - _ONE_DAY * back


def _stamp(at: datetime) -> str:
    return at.strftime("%Y%m%dT%H%M%SZ")
