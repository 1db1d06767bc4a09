"""How the simulator writes times (reference 3.1): an offset, 0 to 7 digits of fraction, no trailing zeros."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.sim.wire import stamp

SECOND = datetime(2026, 8, 19, 20, 51, 31, tzinfo=UTC)
WRITTEN = re.compile(r"2026-08-19T20:51:31(\.\d{0,6}[1-9])?\+00:00")


@pytest.mark.parametrize(
    ("microseconds", "fraction"),
    [(0, ""), (500_000, ".5"), (52_000, ".052"), (156_735, ".156735"), (434_754, ".4347544"), (999_999, ".9999994")],
)
def test_a_time_that_is_no_whole_millisecond_has_up_to_seven_digits(microseconds: int, fraction: str) -> None:
    assert stamp(SECOND + timedelta(microseconds=microseconds)) == f"2026-08-19T20:51:31{fraction}+00:00"


@given(st.integers(0, 999_999))
def test_whoever_rounds_or_cuts_the_seventh_digit_reads_the_same(microseconds: int) -> None:
    at = SECOND + timedelta(microseconds=microseconds)
    text = stamp(at)
    assert WRITTEN.fullmatch(text)
    assert datetime.fromisoformat(text) == at
    assert msgspec.json.decode(f'"{text}"', type=datetime) == at
