"""What may be taken over from a file: one bad row refuses all of it, and a file proves no more than its bars."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.core.timeframe import parse_timeframe
from desk.market.bars import NANOS, Bars
from desk.market.importing import Checked, checked, spacing_of, stretches

NOW = 1_795_012_200  # 2026-11-18T14:30:00Z
M1 = parse_timeframe("1m")
LISTED = (NOW - 10**7, NOW + 10**7)


@dataclass
class Rows:
    """Five good minutes that ended long ago."""

    ts: Any = field(default_factory=lambda: NOW - 3600 + np.arange(5) * 60)
    prices: Any = field(default_factory=lambda: np.tile(np.array([[100.0], [101.0], [99.0], [100.25]]), 5))
    volume: Any = field(default_factory=lambda: np.arange(5.0))

    def check(self, timeframe: str = "1m", now: int = NOW, tick: str = "0.25") -> Checked:
        return checked(self.ts, self.prices, self.volume, Decimal(tick), parse_timeframe(timeframe), now, LISTED)


def test_good_rows_come_out_exactly() -> None:
    found = Rows().check()
    assert (found.faults, found.repeated, found.unfinished, found.was_sorted) == ((), 0, 0, True)
    assert found.bars.close.tolist() == [100_250_000_000] * 5
    assert found.bars.volume.tolist() == [0, 1, 2, 3, 4]


def _broken(row: int, column: int, value: float) -> Rows:
    rows = Rows()
    rows.prices[column, row] = value
    return rows


def _volume(value: float) -> Rows:
    rows = Rows()
    rows.volume[3] = value
    return rows


def _at(row: int, ts: int) -> Rows:
    rows = Rows()
    rows.ts[row] = ts
    return rows


@pytest.mark.parametrize(
    ("rows", "row", "reason"),
    [
        (_broken(2, 0, 100.1), 2, "grid of 0.25"),
        (_broken(2, 0, float("nan")), 2, "grid"),
        (_broken(2, 1, float("inf")), 2, "grid"),
        (_broken(2, 1, 1e300), 2, "grid"),
        (_broken(4, 1, 99.5), 4, "low <= open, close <= high"),
        (_broken(0, 2, 100.25), 0, "low <= open, close <= high"),
        (_volume(-1), 3, "whole number"),
        (_volume(1.5), 3, "whole number"),
        (_volume(float("nan")), 3, "whole number"),
        (_at(1, NOW - 3539), 1, "no bar of 1m opens then"),
        (_at(4, NOW + 60), 4, "in the future"),
        (_at(0, LISTED[0] // 60 * 60 - 60), 0, "the contract trades from"),
        (_at(1, NOW - 3600), 1, "says something else"),
    ],
)
def test_one_bad_row_refuses_everything(rows: Rows, row: int, reason: str) -> None:
    found = rows.check()
    assert len(found.bars) == 0
    assert found.fault_count >= 1
    assert (found.faults[0].row, reason in found.faults[0].reason) == (row, True)


@pytest.mark.parametrize("tick", ["0.25", "0.1", "0.00390625", "0.0000005", "0.00005", "5", "0.01"])
@given(ticks=st.integers(1, 10_000_000))
def test_float_noise_is_no_other_price(tick: str, ticks: int) -> None:
    """Neither of 64 bits nor of 32, as far as 32 bits tell one tick from the next."""
    rows = Rows()
    exact = Decimal(tick) * ticks
    narrow = ticks < 2**12
    rows.prices[:] = float(np.float32(float(exact))) if narrow else float(exact)
    found = rows.check(tick=tick)
    assert found.faults == ()
    assert found.bars.open[0] == int(exact * NANOS)


def test_a_newest_first_file_is_turned_around_and_repeated_rows_count_once() -> None:
    rows = Rows()
    rows.ts, rows.prices, rows.volume = (
        np.r_[rows.ts[::-1], rows.ts[:1]],
        np.c_[rows.prices, rows.prices[:, :1]],
        np.r_[rows.volume[::-1], rows.volume[:1]],
    )
    found = rows.check()
    assert (found.repeated, found.was_sorted, found.faults) == (1, False, ())
    assert found.bars.volume.tolist() == [0, 1, 2, 3, 4]


def test_the_bar_that_still_forms_is_left_out() -> None:
    last = int(Rows().ts[-1])
    assert Rows().check(now=last + 59).unfinished == 1
    assert len(Rows().check(now=last + 89).bars) == 4  # closed, and may still change
    assert len(Rows().check(now=last + 90).bars) == 5


@pytest.mark.parametrize(
    ("steps", "text"),
    [([60, 60, 120], "1m"), ([300, 3600], "5m"), ([15], "15s"), ([3600], "1h"), ([86_400], "1d"), ([], None)],
)
def test_the_length_follows_from_the_smallest_distance(steps: list[int], text: str | None) -> None:
    found = spacing_of(np.cumsum([0, *steps]))
    assert (found and found.text) == text


@given(present=st.sets(st.integers(0, 200), max_size=80))
def test_a_file_proves_the_seconds_of_its_bars_and_no_other(present: set[int]) -> None:
    ts = np.array(sorted(present), dtype=np.int64) * 60
    known = stretches(Bars(ts, *(np.ones(len(ts), dtype=np.int64) for _ in range(5))), 60)
    inside = {minute for start, end in known for minute in range(start // 60, end // 60)}
    assert inside == present
    assert all(before[1] < after[0] for before, after in pairwise(known))
