"""The pure parts of history: when a bar is final, how a span is cut, what two pages know together."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.core.timeframe import Timeframe, parse_timeframe
from desk.market.bars import Bars
from desk.market.pages import EMPTY, Page
from desk.market.spans import Span, Spans, united
from desk.runtime.barfetch import REQUEST_BARS, windows
from desk.runtime.derive import bases_of
from desk.runtime.pagestore import both
from desk.runtime.settling import Tail, final_before, final_once_read

M1, M5, H4, D1 = (parse_timeframe(text) for text in ("1m", "5m", "4h", "1d"))
T0 = int(datetime(2026, 11, 18, 15, tzinfo=UTC).timestamp())
DAY = 86_400


def bars_at(*times: int, price: int = 1) -> Bars:
    ts = np.array(times, dtype=np.int64)
    return Bars(ts, *(np.full(len(ts), price, dtype=np.int64) for _ in range(5)))


@pytest.mark.parametrize(("second", "final"), [(29, -60), (30, 0), (31, 0), (89, 0), (90, 60)])
def test_a_minute_is_final_thirty_seconds_after_its_end(second: int, final: int) -> None:
    assert final_before(M1, T0 + second) == T0 + final


def test_a_day_is_final_when_another_follows_and_not_for_its_age_alone() -> None:
    opened = T0 - DAY - 3600
    assert final_once_read(D1, T0, bars_at(opened - DAY, opened)) == opened, "a holiday may make it longer than a day"
    assert final_once_read(D1, T0, bars_at(opened, T0 - 3600)) > opened
    assert final_once_read(D1, T0, bars_at(T0 - DAY, T0 - 10)) <= T0 - DAY, "it closed ten seconds ago"
    assert final_once_read(D1, T0 + 6 * DAY, bars_at(opened)) > opened, "no holiday is that long"


@pytest.mark.parametrize("timeframe", [M1, M5, H4, D1])
@given(now=st.integers(T0, T0 + 9 * DAY), ages=st.lists(st.integers(0, 40 * DAY), max_size=6))
def test_nothing_is_final_that_has_not_closed_thirty_seconds_ago(
    timeframe: Timeframe, now: int, ages: list[int]
) -> None:
    step = timeframe.seconds
    openings = sorted({(now - age) // step * step for age in ages})
    edge = final_once_read(timeframe, now, bars_at(*openings))
    assert all(opened + step + 30 <= now for opened in openings if opened < edge)


@pytest.mark.parametrize(
    ("asked", "now", "partial", "is_fresh"),
    [
        (10, 12, True, True),
        (10, 14, True, False),  # older than its time to live
        (58, 60, True, False),  # a bar has ended
        (10, 29, False, True),  # closed bars only: nothing ended
        (10, 30, False, False),  # the one that ended at 0 was young, and is final now
        (35, 59, False, True),
        (61, 63, False, False),  # the bar that ended at 60 was two seconds young
        (63, 90, False, False),  # it was young, and is final now
        (63, 89, False, True),
    ],
)
def test_when_the_newest_bars_are_read_again(asked: int, now: int, partial: bool, is_fresh: bool) -> None:
    start = final_before(M1, T0 + asked)
    tail = Tail(start, bars_at(*range(start, T0 + asked + 1, 60)), T0 + asked, 0.0)
    fresh = tail.is_fresh(M1, now=T0 + now, age_s=now - asked, ttl_s=3.0, partial=partial, is_quiet=False)
    assert fresh == is_fresh


def test_a_shut_exchange_ends_no_bar() -> None:
    tail = Tail(T0, bars_at(), T0, 0.0)
    assert tail.is_fresh(M1, now=T0 + 600, age_s=600, ttl_s=900, partial=True, is_quiet=True)
    assert not tail.is_fresh(M1, now=T0 + 901, age_s=901, ttl_s=900, partial=True, is_quiet=True)


def open_seconds(span: Span, opened: Spans) -> int:
    return sum(max(0, min(span[1], end) - max(span[0], start)) for start, end in opened)


@given(
    st.integers(1, 60 * DAY // 300),
    st.lists(st.tuples(st.integers(0, 60 * DAY // 300), st.integers(1, 4 * DAY // 300)), min_size=1, max_size=12),
)
def test_windows_cover_the_span_and_none_can_hold_more_than_a_request_gives(
    length: int, stretches: list[tuple[int, int]]
) -> None:
    span = (T0, T0 + length * 300)
    opened = united((T0 + start * 300, T0 + (start + more) * 300) for start, more in stretches)
    timeframe = parse_timeframe("15s")
    found = windows(timeframe, span, opened)
    assert united(found) == (span,)
    assert all(open_seconds(piece, opened) <= REQUEST_BARS * 15 for piece in found)
    fewest = -(-open_seconds(span, opened) // (REQUEST_BARS * 15))
    assert len(found) <= max(1, fewest)


SPANS = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9)), max_size=4).map(
    lambda parts: united((start * 60, (start + more) * 60) for start, more in parts)
)


def page_of(covered: Spans, imported: Spans, price: int) -> Page:
    page = EMPTY
    for spans, is_imported in ((covered, False), (imported, True)):
        ts = [at for start, end in spans for at in range(start, end, 60)]
        page = page.merged(bars_at(*ts, price=price + is_imported), spans, is_imported=is_imported)
    return page


def told(page: Page, at: int) -> str:
    if any(start <= at < end for start, end in page.imported):
        return "import"
    return "gateway" if any(start <= at < end for start, end in page.covered) else "nothing"


@given(SPANS, SPANS, SPANS, SPANS)
def test_two_pages_together_believe_the_gateway_first_and_lose_nothing(a: Spans, b: Spans, c: Spans, d: Spans) -> None:
    mine, theirs = page_of(a, b, 10), page_of(c, d, 20)
    page = both(mine, theirs)
    price = dict(zip(page.bars.ts.tolist(), page.bars.open.tolist(), strict=True))
    for at in range(0, 40 * 60, 60):
        ranks = [told(mine, at), told(theirs, at)]
        best = "gateway" if "gateway" in ranks else "import" if "import" in ranks else "nothing"
        assert told(page, at) == best
        if best != "nothing":
            assert price[at] == (10 if ranks[0] == best else 20) + (best == "import")
        else:
            assert at not in price


def test_only_what_divides_the_hour_is_made_of_shorter_bars() -> None:
    def names(text: str) -> list[str]:
        return [base.text for base in bases_of(parse_timeframe(text))]

    assert names("1h") == ["5m", "1m"]
    assert names("3m") == ["1m"]
    assert names("30s") == ["15s", "5s", "1s"]
    assert [names(text) for text in ("1m", "7m", "4h", "1d", "1w", "1M", "1s")] == [[]] * 7
