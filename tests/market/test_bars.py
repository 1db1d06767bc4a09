"""Columns of bars: nothing is rounded, nothing lost, later parts win."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.core.ids import ContractId
from desk.core.timeframe import parse_timeframe
from desk.core.words import Bar
from desk.market.bars import Bars, aggregated, joined, nanos_of, price_of
from desk.market.pages import EMPTY, Page, pages_of
from desk.market.spans import Span, Spans, clipped, missing, shared, united, without

PRICES = st.integers(1, 400_000).map(lambda ticks: Decimal(ticks) * Decimal("0.25"))


@st.composite
def bar(draw: st.DrawFn, ts: int | None = None) -> Bar:
    ts = draw(st.integers(0, 500)) * 60 if ts is None else ts
    prices = sorted(draw(st.lists(PRICES, min_size=4, max_size=4)))
    return Bar(
        ts_open=datetime.fromtimestamp(ts, UTC),
        open=prices[1],
        high=prices[3],
        low=prices[0],
        close=prices[2],
        volume=draw(st.integers(1, 10**9)),
    )


BARS = st.lists(bar(), max_size=60)
SPANS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=8)


def seconds(spans: list[Span] | Spans) -> set[int]:
    return {at for start, end in spans for at in range(start, end)}


@given(BARS)
def test_columns_give_back_the_bars(bars: list[Bar]) -> None:
    by_time = {one.ts_open: one for one in bars}
    assert list(Bars.of(bars).rows()) == [by_time[ts] for ts in sorted(by_time)]


@given(st.decimals(-(10**6), 10**6, places=9, allow_nan=False))
def test_a_price_of_nine_decimals_is_exact(price: Decimal) -> None:
    assert price_of(nanos_of(price)) == price
    assert "E" not in str(price_of(nanos_of(Decimal(31_000))))


def test_a_tenth_decimal_is_refused() -> None:
    with pytest.raises(ValueError, match="nine decimals"):
        nanos_of(Decimal("1.0000000001"))


@given(st.lists(BARS, max_size=4))
def test_later_parts_win(parts: list[list[Bar]]) -> None:
    assert joined(*(Bars.of(part) for part in parts)).equals(Bars.of([one for part in parts for one in part]))


@given(BARS, st.sampled_from([120, 300, 900, 3600]))
def test_longer_bars_keep_volume_and_extremes(bars: list[Bar], step_s: int) -> None:
    short = Bars.of(bars)
    long = aggregated(short, step_s)
    assert long.volume.sum() == short.volume.sum()
    assert (long.low <= long.open).all()
    assert (long.close <= long.high).all()
    for row in long.rows():
        start = int(row.ts_open.timestamp())
        inside = short.between(start, start + step_s).rows()
        assert (row.open, row.close) == (inside[0].open, inside[-1].close)
        assert (row.high, row.low) == (max(one.high for one in inside), min(one.low for one in inside))


@given(SPANS, SPANS)
def test_spans_are_sets_of_seconds(first: list[Span], second: list[Span]) -> None:
    both = united(first, second)
    assert seconds(both) == seconds(first) | seconds(second)
    assert all(before[1] < after[0] for before, after in pairwise(both))
    assert seconds(clipped(first, (10, 50))) == seconds(first) & set(range(10, 50))
    assert seconds(missing((10, 50), first)) == set(range(10, 50)) - seconds(first)
    one, other = united(first), united(second)
    assert seconds(without(one, other)) == seconds(one) - seconds(other)
    assert seconds(shared(one, other)) == seconds(one) & seconds(other)
    assert without(one, other) == united(without(one, other))  # sorted, and no two touch


@given(BARS, BARS, SPANS)
def test_a_page_believes_the_newer_word_inside_what_it_covers(
    old: list[Bar], new: list[Bar], covered: list[Span]
) -> None:
    page = EMPTY.merged(Bars.of(old), ((0, 30_060),))
    known = united((start * 600, end * 600) for start, end in covered)
    merged = page.merged(Bars.of(new), known)
    inside = seconds([(start // 60, end // 60) for start, end in known])
    for source, is_inside in ((Bars.of(new), True), (Bars.of(old), False)):
        expected = [row for row in source.rows() if (row.ts_open.timestamp() // 60 in inside) is is_inside]
        assert [row for row in merged.bars.rows() if (row.ts_open.timestamp() // 60 in inside) is is_inside] == expected
    assert isinstance(merged, Page)
    assert merged.lacks((0, 30_060)) == ()


@given(st.lists(st.tuples(SPANS, st.booleans()), max_size=5))
def test_a_page_knows_what_of_it_was_imported_last(steps: list[tuple[list[Span], bool]]) -> None:
    page, expected = EMPTY, set[int]()
    for spans, is_imported in steps:
        covered = united(spans)
        page = page.merged(Bars.empty(), covered, is_imported=is_imported)
        expected = expected | seconds(covered) if is_imported else expected - seconds(covered)
    assert seconds(page.imported) == expected
    assert seconds(page.imported) <= seconds(page.covered)


@pytest.mark.parametrize(
    ("timeframe", "labels"),
    [
        ("5s", ["2026-11-30", "2026-12-01"]),
        ("1m", ["2026-11", "2026-12"]),
        ("4h", ["2026"]),
        ("1d", ["all"]),
        ("1M", ["all"]),
    ],
)
def test_pages_follow_the_calendar_without_a_hole(timeframe: str, labels: list[str]) -> None:
    window = (
        int(datetime(2026, 11, 30, 12, tzinfo=UTC).timestamp()),
        int(datetime(2026, 12, 1, 6, tzinfo=UTC).timestamp()),
    )
    keys = pages_of(ContractId("CON.F.US.MNQ.Z26"), parse_timeframe(timeframe), window)
    assert [key.label for key in keys] == labels
    assert all(before.end == after.start for before, after in pairwise(keys))
    assert keys[0].start <= window[0] < window[1] <= keys[-1].end
