"""What holds for every story that a gateway can tell."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from desk.core.ids import FillId
from desk.core.records import FillRecorded
from desk.ledger import Book, RoundTrip, keep_book, results_by_day, statistics_of
from tests.ledger.samples import CONTRACTS, streams, without_pnl

_replace = msgspec.structs.replace


def total(amounts: object) -> Decimal:
    return sum(amounts, Decimal(0))  # type: ignore[call-overload, no-any-return]


def gross_of(book: Book) -> Decimal:
    """Everything realised, by trips that ended and by those that go on."""
    return total(item.gross for item in (*book.trips, *book.open))


@given(streams())
def test_a_position_is_the_signed_sum_of_its_fills(records: list[FillRecorded]) -> None:
    sums: Counter[object] = Counter()
    for record in records:
        sums[record.fill.account_id, record.fill.contract_id] += record.fill.qty * record.fill.side.sign
    held = {(trade.account_id, trade.contract_id): trade.qty for trade in keep_book(records, CONTRACTS).open}
    assert held == {place: qty for place, qty in sums.items() if qty}


@given(streams())
def test_the_trips_earn_what_the_gateway_says(records: list[FillRecorded]) -> None:
    told = total(record.fill.gross_pnl or 0 for record in records)
    assert gross_of(keep_book(records, {})) == told


@given(streams(), st.data())
def test_wherever_the_story_begins_and_whatever_is_missing_only_told_money_is_counted(
    records: list[FillRecorded], data: st.DataObject
) -> None:
    kept = [record for record in records[data.draw(st.integers(0, len(records))) :] if data.draw(st.integers(0, 9))]
    telling = {record.fill.account_id for record in kept if record.fill.gross_pnl is not None}
    rest = [record for record in kept if record.fill.account_id in telling]
    book = keep_book(rest, CONTRACTS)
    assert total(booked.gross for booked in book.fills) == total(record.fill.gross_pnl or 0 for record in rest)
    assert total(item.fees for item in (*book.trips, *book.open)) == total(record.fill.fees for record in rest)
    assert all(trip.gross is not None or trip.exit_avg is None for trip in book.trips)


@given(streams())
def test_the_contract_record_gives_the_same_as_the_gateway(records: list[FillRecorded]) -> None:
    told, computed = keep_book(records, {}), keep_book(without_pnl(records), CONTRACTS)
    assert told.trips == computed.trips
    assert told.open == computed.open


@given(streams())
def test_net_is_gross_less_all_costs_and_no_cost_is_lost(records: list[FillRecorded]) -> None:
    book = keep_book(records, CONTRACTS)
    for trip in book.trips:
        assert trip.gross is not None
        assert trip.net == trip.gross - trip.fees - trip.commissions
    ends = (*book.trips, *book.open)
    assert total(item.fees for item in ends) == total(record.fill.fees for record in records)
    assert total(item.commissions for item in ends) == total(record.fill.commissions for record in records)


@given(streams(), st.randoms(), st.lists(st.integers(0, 100), max_size=10))
def test_order_of_delivery_and_repeats_change_nothing(
    records: list[FillRecorded], dice: object, repeats: list[int]
) -> None:
    again = records + [records[i % len(records)] for i in repeats if records]
    dice.shuffle(again)  # type: ignore[attr-defined]
    assert keep_book(again, CONTRACTS) == keep_book(records, CONTRACTS)


@given(streams(), st.data())
def test_a_fill_in_several_parts_changes_nothing_but_counts(records: list[FillRecorded], data: st.DataObject) -> None:
    parts: list[FillRecorded] = []
    for record in records:
        first = data.draw(st.integers(0, record.fill.qty - 1))
        shares = [share for share in (first, record.fill.qty - first) if share]
        parts += [_part(record, share, i) for i, share in enumerate(shares)]
    whole, split = keep_book(records, CONTRACTS), keep_book(parts, CONTRACTS)
    assert [_uncounted(trip) for trip in split.trips] == [_uncounted(trip) for trip in whole.trips]
    assert [_replace(trade, fills=0) for trade in split.open] == [_replace(trade, fills=0) for trade in whole.open]


def _part(record: FillRecorded, share: int, i: int) -> FillRecorded:
    fill = record.fill

    def of(amount: Decimal) -> Decimal:
        return amount * share / fill.qty

    part = _replace(
        fill,
        fill_id=FillId(fill.fill_id * 10 + i),
        qty=share,
        gross_pnl=None,
        fees=of(fill.fees),
        commissions=of(fill.commissions),
    )
    return _replace(record, fill=part)


def _uncounted(trip: RoundTrip) -> RoundTrip:
    return _replace(trip, fills=0)


@given(streams())
def test_one_row_for_a_reversal_is_as_good_as_two(records: list[FillRecorded]) -> None:
    """The simulator writes two; nobody knows what the gateway does."""
    merged: list[FillRecorded] = []
    for record in records:
        fill = record.fill
        if fill.fill_id % 10 == 1:  # the second half of a reversal
            half = merged[-1].fill
            whole = _replace(half, qty=half.qty + fill.qty, fees=half.fees + fill.fees)
            whole = _replace(whole, commissions=half.commissions + fill.commissions)
            merged[-1] = _replace(merged[-1], fill=whole)
        else:
            merged.append(record)
    two, one = keep_book(records, CONTRACTS), keep_book(merged, CONTRACTS)
    assert one.trips == two.trips
    assert one.open == two.open


@given(streams())
def test_days_and_statistics_tell_the_same_as_the_trips(records: list[FillRecorded]) -> None:
    book = keep_book(records, CONTRACTS)
    days, figures = results_by_day(book.fills), statistics_of(book.trips)
    assert total(day.gross for day in days) == gross_of(book)
    assert figures.wins + figures.losses + figures.break_even == figures.trips == len(book.trips)
    if book.trips:
        assert figures.total_net == total(trip.net for trip in book.trips)
        assert figures.max_drawdown is not None
        assert figures.max_drawdown >= 0
        assert figures.longest_win_streak <= figures.wins
        assert figures.longest_loss_streak <= figures.losses
