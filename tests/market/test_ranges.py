"""The average true range: one vector by hand, and what holds for any bars."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.core.words import Bar
from desk.market import average_true_range, true_range

T0 = datetime(2026, 11, 18, 14, 30, tzinfo=UTC)
TICK = Decimal("0.25")
ticks = st.integers(1, 200_000)
rows = st.tuples(ticks, ticks, ticks).map(sorted)  # low, close, high
markets = st.lists(rows, min_size=1, max_size=30)


def bar(i: int, high: str | Decimal, low: str | Decimal, close: str | Decimal) -> Bar:
    close = Decimal(close)
    return Bar(
        ts_open=T0 + timedelta(minutes=5 * i), open=close, high=Decimal(high), low=Decimal(low), close=close, volume=1
    )


def bars_of(market: list[list[int]], shift: int = 0) -> list[Bar]:
    return [
        bar(i, (high + shift) * TICK, (low + shift) * TICK, (close + shift) * TICK)
        for i, (low, close, high) in enumerate(market)
    ]


BY_HAND = [
    bar(0, "21010", "21000", "21005"),
    bar(1, "21011", "21001", "21010"),  # 10: the bar itself
    bar(2, "21030", "21020", "21025"),  # 20: a gap up from 21010
    bar(3, "21006", "21000", "21002"),  # 25: a gap down from 21025
]


@pytest.mark.parametrize(("n", "atr"), [(3, "18.33333333"), (2, "22.5"), (1, "25")])
def test_a_vector_made_by_hand(n: int, atr: str) -> None:
    assert average_true_range(BY_HAND, n) == Decimal(atr)  # 55 / 3, 45 / 2, 25 / 1


@given(markets, st.integers(1, 30))
def test_it_needs_one_bar_more_than_its_period(market: list[list[int]], n: int) -> None:
    assert (average_true_range(bars_of(market), n) is None) is (len(market) <= n)


@given(markets.filter(lambda market: len(market) > 1), st.data())
def test_it_lies_between_the_smallest_and_the_largest_true_range(market: list[list[int]], data: st.DataObject) -> None:
    bars = bars_of(market)
    n = data.draw(st.integers(1, len(bars) - 1))
    atr = average_true_range(bars, n)
    ranges = [true_range(now, before.close) for before, now in zip(bars[-n - 1 :], bars[-n:], strict=False)]
    assert atr is not None
    assert min(ranges) - Decimal("1e-8") < atr <= max(ranges)
    assert all(wide >= now.high - now.low for wide, now in zip(ranges, bars[-n:], strict=True))


@given(markets, st.integers(1, 10), st.integers(0, 1_000_000), markets)
def test_neither_the_price_level_nor_older_bars_change_it(
    market: list[list[int]], n: int, shift: int, older: list[list[int]]
) -> None:
    atr = average_true_range(bars_of(market), n)
    assert average_true_range(bars_of(market, shift), n) == atr
    if atr is not None:
        assert average_true_range(bars_of([*older, *market]), n) == atr


@given(ticks, st.integers(1, 20))
def test_a_market_that_stands_still_has_none(price: int, n: int) -> None:
    assert average_true_range(bars_of([[price, price, price]] * (n + 1)), n) == 0
