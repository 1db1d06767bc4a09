"""What the words of a span mean, on a Wednesday in November in Berlin."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.surfaces.calls import BadCall
from desk.surfaces.spans import Span, parse_span

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 18, 14, 30, tzinfo=UTC)


def span(line: str, now: datetime = NOW) -> Span:
    return parse_span(line.split(), now, BERLIN)


def bounds(line: str, now: datetime = NOW) -> tuple[str, str]:
    found = span(line, now)
    return f"{found.start:%m-%d %H:%M}", f"{found.end:%m-%d %H:%M}"


@pytest.mark.parametrize(
    ("line", "start", "end"),
    [
        ("", "11-17 23:00", "11-18 23:00"),
        ("today", "11-17 23:00", "11-18 23:00"),
        ("YESTERDAY", "11-16 23:00", "11-17 23:00"),
        ("week", "11-15 23:00", "11-18 23:00"),
        ("month", "10-31 22:00", "11-18 23:00"),  # summer time ended on the first
        ("2026-11-16", "11-15 23:00", "11-16 23:00"),
        ("11/16/2026", "11-15 23:00", "11-16 23:00"),
        ("20261116", "11-15 23:00", "11-16 23:00"),
        ("2026-11-16 2026-11-17", "11-15 23:00", "11-17 23:00"),
        ("2026-11-16 yesterday", "11-15 23:00", "11-17 23:00"),
        ("2026-11-17T14:30", "11-17 13:30", "11-18 23:00"),
        ("2026-11-17T14:30Z", "11-17 14:30", "11-18 23:00"),
        ("2026-11-17t14:30:00-06:00", "11-17 20:30", "11-18 23:00"),
        ("2026-11-17T14:30 2026-11-17T15:30", "11-17 13:30", "11-17 14:30"),
        ("2026-11-17T14:30 2026-11-17", "11-17 13:30", "11-17 23:00"),
        ("2026-11-17 14:30", "11-17 13:30", "11-18 23:00"),
        ('"2026-11-17 14:30" "11/17/2026 15:30"', "11-17 13:30", "11-17 14:30"),
        ("yesterday 9:30 2026-11-17", "11-17 08:30", "11-17 23:00"),
    ],
)
def test_a_day_is_a_trading_day_and_a_time_is_the_users(line: str, start: str, end: str) -> None:
    assert bounds(line) == (start, end)


@pytest.mark.parametrize(("day", "before"), [(16, "11-12 23:00"), (15, "11-12 23:00"), (17, "11-15 23:00")])
def test_the_trading_day_before_monday_is_friday(day: int, before: str) -> None:
    assert bounds("yesterday", datetime(2026, 11, day, 18, tzinfo=UTC))[0] == before


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("tomorrow", "is not a time"),
        ("2026-13-01", "is not a time"),
        ("20/11/2026", "is not a time"),
        ("20.11.2026", "11/20/2026"),
        ("0001-01-01", "is not a time"),
        ("9999-12-31T23:59", "is not a time"),
        ("9" * 4000, "is not a time"),
        ("week today", "week alone"),
        ("2026-11-17 2026-11-16", "earlier time first"),
        ("today today today", "Too many"),
    ],
)
def test_what_is_not_understood_is_refused_with_what_to_write(line: str, hint: str) -> None:
    with pytest.raises(BadCall, match=hint):
        span(line)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("", "2026-11-18_2026-11-18"),
        ("week", "2026-11-16_2026-11-18"),
        ("all", "all"),
        ("2026-11-17T14:30Z", "20261117T143000Z_20261118T230000Z"),
    ],
)
def test_its_name_is_fit_for_a_file(line: str, name: str) -> None:
    assert span(line).name == name


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_text_is_a_span_or_a_refusal(first: str, last: str) -> None:
    try:
        found = parse_span([first, last], NOW, None)
    except BadCall:
        return
    assert found.start < found.end
