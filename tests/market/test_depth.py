"""The best-effort book: whatever rows come, its sides never cross, and what cannot be a level is none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from desk.core.ids import ContractId
from desk.market.depth import LEVELS, STALE_S, DepthBook
from desk.market.tape import DepthKind, DepthRow

MNQ = ContractId("CON.F.US.MNQ.Z26")
T0 = datetime(2026, 11, 18, 15, tzinfo=UTC)


def row(kind: DepthKind, price: int | str | Decimal = 100, qty: int = 5, at: float = 0.0) -> DepthRow:
    when = T0 + timedelta(seconds=at)
    return DepthRow(
        contract_id=MNQ, kind=kind, price=Decimal(price), volume=qty, current_volume=0, ts_event=when, ts_recv=when
    )


def book(*rows: DepthRow) -> DepthBook:
    one = DepthBook()
    for each in rows:
        one.apply(each)
    return one


def shown(one: DepthBook, n: int = 10, at: float = 1.0) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    top = one.top(n, T0 + timedelta(seconds=at))
    return [(int(level.price), level.qty) for level in top.bids], [(int(level.price), level.qty) for level in top.asks]


def test_levels_are_shown_best_first_with_their_age() -> None:
    one = book(
        row(DepthKind.BID, 99, 3),
        row(DepthKind.BEST_BID, 100, 2, at=1),
        row(DepthKind.ASK, 103, 7),
        row(DepthKind.NEW_BEST_ASK, 101, 1, at=2),
    )
    assert shown(one, at=4) == ([(100, 2), (99, 3)], [(101, 1), (103, 7)])
    top = one.top(1, T0 + timedelta(seconds=4))
    assert (len(top.bids), len(top.asks), top.bids[0].age_s, top.age_s) == (1, 1, 3.0, 2.0)
    assert shown(one, n=0) == ([], [])


def test_prints_extremes_and_unknown_rows_are_no_levels() -> None:
    kinds = (DepthKind.TRADE, DepthKind.FILL, DepthKind.LOW, DepthKind.HIGH, DepthKind.UNKNOWN)
    assert shown(book(*(row(kind) for kind in kinds))) == ([], [])


def test_a_level_without_volume_is_gone_and_one_that_cannot_be_never_comes() -> None:
    one = book(row(DepthKind.BID, 99), row(DepthKind.BID, 98), row(DepthKind.BID, 99, 0), row(DepthKind.BID, 97, -2))
    one.apply(row(DepthKind.ASK, "NaN"))
    assert shown(one) == ([(98, 5)], [])


def test_a_reset_empties_the_book_and_older_rows_do_not_come_back() -> None:
    one = book(
        row(DepthKind.BID, 99),
        row(DepthKind.RESET, 0, at=5),
        row(DepthKind.BID, 98, at=4),
        row(DepthKind.BID, 97, at=5),
    )
    assert shown(one, at=6) == ([(97, 5)], [])


def test_the_newer_word_removes_what_it_crosses_and_what_would_be_better_than_the_best() -> None:
    one = book(row(DepthKind.BID, 100), row(DepthKind.BID, 99), row(DepthKind.ASK, 100, 4))
    assert shown(one) == ([(99, 5)], [(100, 4)])
    one.apply(row(DepthKind.BEST_BID, 98, 1))
    assert shown(one) == ([(98, 1)], [(100, 4)])


def test_a_level_that_nobody_spoke_of_for_long_is_dropped() -> None:
    one = book(row(DepthKind.BID, 99), row(DepthKind.BID, 98, at=60))
    assert shown(one, at=STALE_S + 1) == ([(98, 5)], [])


def test_a_lost_feed_leaves_nothing() -> None:
    one = book(row(DepthKind.BID, 99))
    one.clear()
    assert one.top(5, T0).age_s is None
    assert shown(one) == ([], [])


rows = st.builds(
    row,
    st.sampled_from(list(DepthKind)),
    st.integers(-200, 200),
    st.integers(-2, 50),
    st.floats(0, 600, allow_nan=False),
)


@given(st.lists(rows, max_size=300))
def test_the_sides_never_cross_and_never_grow_without_bound(told: list[DepthRow]) -> None:
    one = DepthBook()
    for each in told:
        one.apply(each)
        bids, asks = shown(one, n=1000, at=0)
        assert not bids or not asks or bids[0][0] < asks[0][0]
        assert len(bids) <= LEVELS
        assert len(asks) <= LEVELS
        assert bids == sorted(bids, reverse=True)
        assert asks == sorted(asks)
        assert all(qty > 0 for _, qty in bids + asks)
