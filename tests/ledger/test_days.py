"""The trading day, and what an account earned on it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.core.ids import AccountId
from desk.core.trading_day import day_start, trading_day
from desk.ledger import keep_book, results_by_day
from tests.ledger.samples import CONTRACTS, fill


@pytest.mark.parametrize(
    ("utc", "day"),
    [
        ("2026-11-18T22:59:59", "2026-11-18"),  # 16:59:59 in Chicago, winter
        ("2026-11-18T23:00:00", "2026-11-19"),
        ("2026-07-14T21:59:59", "2026-07-14"),  # summer
        ("2026-07-14T22:00:00", "2026-07-15"),
        ("2026-11-15T23:00:00", "2026-11-16"),  # Sunday's opening is Monday's
        ("2026-11-20T23:00:00", "2026-11-21"),  # a Saturday: paper only
        ("2026-12-31T23:00:00", "2027-01-01"),
    ],
)
def test_the_day_begins_at_five_in_chicago_and_is_named_after_its_end(utc: str, day: str) -> None:
    at = datetime.fromisoformat(utc).replace(tzinfo=UTC)
    assert trading_day(at) == date.fromisoformat(day)


def test_the_clocks_change_inside_a_day() -> None:
    lengths = [day_start(day + timedelta(days=1)) - day_start(day) for day in (date(2026, 3, 8), date(2026, 11, 1))]
    assert lengths == [timedelta(hours=23), timedelta(hours=25)]


@given(st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_each_instant_lies_in_its_day(at: datetime) -> None:
    day = trading_day(at)
    assert day_start(day) <= at < day_start(day + timedelta(days=1))


def test_each_fill_counts_on_its_own_day_and_account() -> None:
    day_s = 86_400.0
    records = [
        fill(1, "buy", 2, "21000", after_s=0),
        fill(2, "sell", 1, "21010", "20", after_s=60),
        fill(3, "sell", 1, "20990", "-20", after_s=day_s),
        fill(4, "buy", 1, "21000", after_s=day_s, account=AccountId(7002)),
    ]
    days = results_by_day(keep_book(records, CONTRACTS).fills)
    assert [(day.day.day, day.account_id, day.gross, day.fills) for day in days] == [
        (18, 7001, Decimal(20), 2),
        (19, 7001, Decimal(-20), 1),
        (19, 7002, Decimal(0), 1),
    ]
    assert [day.net for day in days] == [Decimal("18.17"), Decimal("-20.61"), Decimal("-0.61")]


def test_a_day_with_an_unknown_result_has_no_sum() -> None:
    records = [fill(1, "buy", 1, "21000"), fill(2, "sell", 1, "21010")]
    (day,) = results_by_day(keep_book(records, {}).fills)
    assert (day.gross, day.net, day.fees) == (None, None, Decimal("0.72"))
