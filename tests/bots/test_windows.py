"""When a bot may open, by the clock of the window's own zone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.bots import Refusal, Wanted, interpret
from desk.bots.config import Window
from desk.bots.windows import is_open, next_opening, why_closed
from desk.core.alert import Action, PositionSide
from desk.core.intents import Exit
from desk.risk import Reason
from tests.bots.build import BOT, NOW, alert, where

CHICAGO = ZoneInfo("America/Chicago")
WEEKDAYS = frozenset(range(5))
DAY = Window(time(8, 30), time(15), WEEKDAYS)
NIGHT = Window(time(17), time(2), frozenset({6, 0, 1, 2, 3}))  # Sunday evening to Friday morning


def at(day: int, hour: int, minute: int = 0, second: int = 0) -> datetime:
    """In November 2026, whose 16th is a Monday, in Chicago."""
    return datetime(2026, 11, day, hour, minute, second, tzinfo=CHICAGO).astimezone(UTC)


@pytest.mark.parametrize(
    ("window", "moment", "expected"),
    [
        (DAY, at(16, 8, 30), True),
        (DAY, at(16, 8, 29, 59), False),
        (DAY, at(16, 14, 59, 59), True),
        (DAY, at(16, 15), False),
        (DAY, at(21, 10), False),  # Saturday
        (NIGHT, at(15, 17), True),  # Sunday evening
        (NIGHT, at(16, 1, 59), True),  # its morning
        (NIGHT, at(16, 2), False),
        (NIGHT, at(20, 1), True),  # Friday morning belongs to Thursday
        (NIGHT, at(20, 18), False),
        (NIGHT, at(15, 1), False),  # Sunday morning would belong to Saturday
        (Window(time(), time(), frozenset({0})), at(16, 23, 59), True),
        (Window(time(), time(), frozenset({0})), at(17, 0), False),
        (Window(time(6), time(6), frozenset({0})), at(17, 5, 59), True),
        (Window(time(9, 30), time(16), WEEKDAYS, "America/New_York"), at(16, 8, 30), True),
    ],
)
def test_a_window_begins_with_its_start_and_ends_before_its_end(
    window: Window, moment: datetime, expected: bool
) -> None:
    assert is_open((window,), moment) is expected


def test_a_window_moves_with_the_clocks_of_its_zone() -> None:
    summer, winter = datetime(2026, 10, 30, 13, 30, tzinfo=UTC), datetime(2026, 11, 2, 13, 30, tzinfo=UTC)
    assert is_open((DAY,), summer)
    assert not is_open((DAY,), winter)
    assert is_open((DAY,), winter + timedelta(hours=1))


@pytest.mark.parametrize(
    ("windows", "moment", "words"),
    [
        ((DAY,), at(16, 15), "opens Tue 2026-11-17 08:30 America/Chicago"),
        ((DAY,), at(20, 15), "opens Mon 2026-11-23 08:30"),
        ((DAY, NIGHT), at(16, 16), "opens Mon 2026-11-16 17:00"),
        ((Window(time(9), time(10), frozenset()),), at(16, 9), "none of which ever opens"),
    ],
)
def test_a_closed_window_says_when_it_opens_next(windows: tuple[Window, ...], moment: datetime, words: str) -> None:
    assert words in (why_closed(windows, moment) or "")


@given(
    start=st.times(),
    end=st.times(),
    days=st.frozensets(st.integers(0, 6), min_size=1),
    zone=st.sampled_from(["America/Chicago", "UTC", "Asia/Tokyo", "Australia/Lord_Howe"]),
    moment=st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_at_its_next_opening_a_window_is_open_and_that_is_within_eight_days(
    start: time, end: time, days: frozenset[int], zone: str, moment: datetime
) -> None:
    window = Window(start, end, days, zone)
    opening = next_opening(window, moment)
    assert opening is not None
    assert timedelta() < opening - moment <= timedelta(days=8, hours=2)
    is_in_the_gap_of_a_clock_change = opening.astimezone(ZoneInfo(zone)).time() != start
    assert is_in_the_gap_of_a_clock_change or is_open((window,), opening)


def test_a_zone_that_nobody_knows_is_closed() -> None:
    assert "time zone that is not known" in (why_closed((Window(time(), time(), zone="Mars/Base"),), NOW) or "")


def test_a_side_that_the_bot_may_not_open_is_refused_and_its_exit_is_not() -> None:
    long_only = replace(BOT, sides=frozenset({PositionSide.LONG}))
    refused = interpret(alert(Action.ENTER_SHORT), long_only, where(), NOW)
    assert isinstance(refused, Refusal)
    assert refused.reason is Reason.SIDE_NOT_ALLOWED
    assert interpret(alert(Action.EXIT), long_only, where(-2), NOW) == Wanted(Exit())


@pytest.mark.parametrize("action", [Action.ENTER_LONG, Action.EXIT, Action.MOVE_STOP])
def test_what_another_bot_of_the_account_trades_is_left_alone(action: Action) -> None:
    shared = replace(BOT, others_symbols=frozenset({"MNQ"}))
    refused = interpret(alert(action), shared, where(2), NOW)
    assert isinstance(refused, Refusal)
    assert refused.reason is Reason.SYMBOL_NOT_ALLOWED
    assert "another bot" in refused.text
