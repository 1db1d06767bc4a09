"""The exchange's hours against the simulator's own table, and what may be called surely closed."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.core.holidays import GROUPS, HOLIDAYS
from desk.core.sessions import group_of, is_open, next_open, open_spans, session_open, shut_spans
from desk.core.symbols import ROOTS
from desk.sim import sessions as theirs
from desk.sim.catalogue import PRODUCTS

START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 12, 31, 23, tzinfo=UTC)
OFFERED = [root for root, product in ROOTS.items() if product.offered]


def epoch(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def test_there_are_51_products_and_each_has_a_group() -> None:
    assert len(OFFERED) == 51
    assert {group_of(root) for root in ROOTS} == set(GROUPS)


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.symbol)
def test_hours_of_two_years_are_those_of_the_simulators_own_table(product: object) -> None:
    symbol, group = product.symbol, product.group  # type: ignore[attr-defined]
    first, last = int(START.timestamp()), int(END.timestamp())
    expected = [
        (max(int(span.start.timestamp()), first), min(int(span.end.timestamp()), last))
        for span in theirs.open_spans(group, START, END)
    ]
    assert group_of(symbol) == group
    assert open_spans(symbol, first, last) == expected


@given(st.integers(int(START.timestamp()), int(END.timestamp())), st.sampled_from(OFFERED))
def test_an_instant_is_open_exactly_when_it_lies_in_a_stretch(second: int, root: str) -> None:
    at = datetime.fromtimestamp(second, UTC)
    assert is_open(root, at) == theirs.is_open(group_of(root), at) == bool(open_spans(root, second, second + 1))
    if is_open(root, at):
        since = session_open(root, at)
        assert since is not None
        assert since <= at
        assert is_open(None, at)
        assert next_open(root, at) == at
        assert not is_open(root, since - timedelta(seconds=1))
        assert not shut_spans(root, second, second + 1)
    else:
        assert session_open(root, at) is None
        opens = next_open(root, at)
        assert opens > at
        assert is_open(root, opens)
        assert not is_open(root, opens - timedelta(seconds=1))


@given(st.integers(int(START.timestamp()), int(END.timestamp())), st.integers(0, 40 * 86400), st.sampled_from(OFFERED))
def test_what_is_surely_shut_never_touches_what_is_open(start: int, length: int, root: str) -> None:
    spans = [*open_spans(root, start, start + length), *shut_spans(root, start, start + length)]
    ordered = sorted(spans)
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(ordered))
    assert all(start <= first < last <= start + length for first, last in spans)


@pytest.mark.parametrize(
    ("root", "spans"),
    [
        ("MNQ", [("2026-11-20 22:00", "2026-11-22 23:00")]),  # Friday 16:00 to Sunday 17:00 in Chicago
        ("MBT", []),  # crypto may trade through the weekend
        ("XX", []),
        (None, []),
    ],
)
def test_a_weekend_is_surely_shut(root: str | None, spans: list[tuple[str, str]]) -> None:
    found = shut_spans(root, epoch("2026-11-20 12:00"), epoch("2026-11-25 12:00"))
    assert found == [(epoch(first), epoch(last)) for first, last in spans]


def test_christmas_is_one_stretch_with_its_weekend_and_good_friday_2027_is_only_assumed() -> None:
    christmas = shut_spans("GC", epoch("2026-12-24 12:00"), epoch("2026-12-29 00:00"))
    assert christmas == [(epoch("2026-12-24 22:00"), epoch("2026-12-27 23:00"))]
    assert shut_spans("GC", epoch("2027-03-25 22:00"), epoch("2027-03-26 20:59")) == []
    assert open_spans("GC", epoch("2027-03-25 22:00"), epoch("2027-03-26 20:59")) == []
    assert HOLIDAYS[date(2027, 3, 26)].is_full
    assert not HOLIDAYS[date(2027, 3, 26)].is_published


@pytest.mark.parametrize("root", ["MNQ", None, "XX"])
def test_an_empty_or_backward_window_has_no_stretch(root: str | None) -> None:
    assert open_spans(root, 1_790_000_000, 1_790_000_000) == open_spans(root, 10, 5) == shut_spans(root, 10, 5) == []


def test_before_the_table_there_are_weekends_only() -> None:
    assert is_open("ES", datetime(2019, 12, 25, 15, tzinfo=UTC))
    assert not is_open("ES", datetime(2019, 12, 28, 15, tzinfo=UTC))
