"""Fills to positions and round trips: stories of a few fills, each worked out by hand."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest

from desk.core.ids import ContractId
from desk.core.words import Side
from desk.ledger import Mark, UnknownContract, economics_of, keep_book, unrealised
from tests.ledger.samples import CAUSE, CONTRACTS, MNQ, T0, VENUE, YEN, fill, without_pnl


def test_entry_to_flat_is_one_round_trip() -> None:
    book = keep_book([fill(1, "buy", 1, "29539"), fill(2, "sell", 1, "29542.25", "6.5")], CONTRACTS)
    (trip,) = book.trips
    assert (trip.side, trip.qty, trip.entry_avg, trip.exit_avg) == (Side.BUY, 1, Decimal(29539), Decimal("29542.25"))
    assert (trip.gross, trip.fees, trip.commissions) == (Decimal("6.5"), Decimal("0.72"), Decimal("0.50"))
    assert trip.net == Decimal("5.28")
    assert trip.duration == timedelta(minutes=1)
    assert (trip.cause, trip.fills) == (CAUSE, 2)
    assert book.open == ()


def test_an_add_moves_the_average_by_its_size_and_a_partial_close_does_not() -> None:
    records = [
        fill(1, "buy", 1, "21000"),
        fill(2, "buy", 2, "21003"),
        fill(3, "sell", 1, "21005", "6"),
    ]
    (held,) = keep_book(records, CONTRACTS).open
    assert (held.qty, held.max_qty, held.avg_price, held.gross) == (2, 3, Decimal(21002), Decimal(6))
    (trip,) = keep_book([*records, fill(4, "sell", 2, "21001", "-4")], CONTRACTS).trips
    assert (trip.qty, trip.entry_avg, trip.gross, trip.fills) == (3, Decimal(21002), Decimal(2), 4)
    assert trip.fees == Decimal("2.16")


def test_an_average_between_two_ticks_loses_nothing() -> None:
    records = [
        fill(1, "buy", 1, "21000"),
        fill(2, "buy", 2, "21000.25"),
        fill(3, "sell", 1, "21001"),
        fill(4, "sell", 2, "21001"),
    ]
    (trip,) = keep_book(records, CONTRACTS).trips
    assert trip.gross == Decimal(5)
    assert trip.entry_avg == Decimal("21000.1666666667")


@pytest.mark.parametrize("rows", [1, 2])
def test_a_reversal_ends_one_trip_and_begins_another_in_one_row_or_in_two(rows: int) -> None:
    turn = (
        [fill(2, "sell", 3, "21010", "20")]
        if rows == 1
        else [fill(2, "sell", 1, "21010", "20", after_s=120), fill(3, "sell", 2, "21010", after_s=120)]
    )
    book = keep_book([fill(1, "buy", 1, "21000"), *turn], CONTRACTS)
    (trip,), (held,) = book.trips, book.open
    assert (trip.side, trip.qty, trip.gross) == (Side.BUY, 1, Decimal(20))
    assert (trip.fees, trip.commissions) == (Decimal("0.72"), Decimal("0.50"))
    assert (held.qty, held.avg_price, held.fees) == (-2, Decimal(21010), Decimal("0.72"))


def test_of_a_reversals_two_rows_the_closing_one_comes_first_whatever_their_ids() -> None:
    turn = [
        fill(2, "sell", 2, "21010", after_s=120, order=9),
        fill(3, "sell", 1, "21010", "20", after_s=120, order=9),
    ]
    book = keep_book([fill(1, "buy", 1, "21000"), *turn], CONTRACTS)
    assert [(trip.side, trip.gross, trip.is_whole) for trip in book.trips] == [(Side.BUY, Decimal(20), True)]
    assert [held.qty for held in book.open] == [-2]


def test_costs_of_a_reversal_that_cannot_be_split_evenly_are_all_there() -> None:
    turn = fill(2, "sell", 3, "21010", "20")
    turn = msgspec.structs.replace(turn, fill=msgspec.structs.replace(turn.fill, fees=Decimal("1")))
    book = keep_book([fill(1, "buy", 1, "21000"), turn], CONTRACTS)
    assert book.trips[0].fees + book.open[0].fees == Decimal("1.36")


def test_a_short_earns_when_the_price_falls() -> None:
    records = [fill(1, "sell", 2, "0.0065", contract=YEN), fill(2, "buy", 2, "0.0064995", contract=YEN)]
    (trip,) = keep_book(records, CONTRACTS).trips
    assert (trip.side, trip.gross) == (Side.SELL, Decimal("12.5"))


def test_a_voided_fill_counts_for_nothing_in_whichever_order_the_news_came() -> None:
    good, void = fill(1, "buy", 1, "21000"), fill(1, "buy", 1, "21000", voided=True)
    for records in ([good, void], [void, good]):
        book = keep_book(records, CONTRACTS)
        assert (book.trips, book.open, book.fills) == ((), (), ())


def test_of_two_reports_of_one_fill_the_one_that_says_more_counts() -> None:
    opening = fill(1, "buy", 1, "21000")
    told, untold = fill(2, "sell", 1, "21010", "20"), fill(2, "sell", 1, "21010", tag=None, cause=VENUE)
    for records in ([opening, told, untold], [opening, untold, told]):
        (trip,) = keep_book(records, {}).trips
        assert trip.gross == Decimal(20)


def test_fills_of_one_instant_go_by_their_id() -> None:
    records = [fill(8, "sell", 1, "21001", after_s=60), fill(7, "buy", 1, "21000", after_s=60)]
    (trip,) = keep_book(records, CONTRACTS).trips
    assert trip.side is Side.BUY


# --- the middle of a story -----------------------------------------------------------------------------------------


def test_a_close_of_what_nobody_saw_opening_is_a_trip_without_an_entry() -> None:
    (trip,) = keep_book([fill(1, "sell", 2, "21010", "35.5")], CONTRACTS).trips
    assert (trip.side, trip.qty, trip.gross) == (Side.BUY, 2, Decimal("35.5"))
    assert (trip.entry_avg, trip.opened_at, trip.duration, trip.entry_tag) == (None, None, None, None)
    assert not trip.is_whole


def test_several_closes_of_an_unseen_entry_are_one_trip_and_the_next_opening_begins_another() -> None:
    records = [
        fill(1, "sell", 1, "21010", "20"),
        fill(2, "sell", 1, "21012", "24"),
        fill(3, "buy", 1, "21000"),
        fill(4, "sell", 1, "21001", "2"),
    ]
    trips = keep_book(records, CONTRACTS).trips
    assert [(trip.is_whole, trip.qty, trip.gross) for trip in trips] == [(False, 2, Decimal(44)), (True, 1, Decimal(2))]


def test_unseen_entries_of_both_sides_are_two_trips() -> None:
    trips = keep_book([fill(1, "sell", 1, "21010", "20"), fill(2, "buy", 1, "21000", "5")], CONTRACTS).trips
    assert [(trip.side, trip.gross) for trip in trips] == [(Side.BUY, Decimal(20)), (Side.SELL, Decimal(5))]


def test_a_missing_fill_costs_its_own_trades_only_and_heals_when_it_comes() -> None:
    first, last = fill(1, "buy", 1, "21000"), fill(4, "buy", 1, "21005", "10")
    book = keep_book([first, last], CONTRACTS)
    lost, unseen = sorted(book.trips, key=lambda trip: trip.entry_avg is None)
    assert (lost.side, lost.entry_avg, lost.exit_avg, lost.net, lost.duration) == (Side.BUY, 21000, None, None, None)
    assert (unseen.side, unseen.entry_avg, unseen.gross) == (Side.SELL, None, Decimal(10))
    assert book.open == ()
    found = [fill(2, "sell", 1, "21001", "2"), fill(3, "sell", 1, "21010")]
    book = keep_book([first, last, *found], CONTRACTS)
    assert [(trip.side, trip.gross, trip.is_whole) for trip in book.trips] == [
        (Side.BUY, Decimal(2), True),
        (Side.SELL, Decimal(10), True),
    ]
    assert book.open == ()


def test_an_opening_fill_against_what_is_held_shows_an_end_that_nobody_saw() -> None:
    records = [fill(1, "buy", 1, "21000"), fill(3, "sell", 2, "21010"), fill(4, "buy", 2, "21000", "40")]
    trips = keep_book(records, CONTRACTS).trips
    assert [(trip.side, trip.qty, trip.gross) for trip in trips] == [
        (Side.BUY, 1, None),
        (Side.SELL, 2, Decimal(40)),
    ]


def test_a_close_of_more_than_was_seen_is_no_reversal_when_its_money_says_so() -> None:
    """Two were held before the first known fill; 51 dollars are not what one from 21000 to 21010 earns."""
    book = keep_book([fill(1, "buy", 1, "21000"), fill(2, "sell", 3, "21010", "51")], CONTRACTS)
    (trip,) = book.trips
    assert (trip.qty, trip.gross, trip.entry_avg, trip.is_whole) == (3, Decimal(51), None, False)
    assert book.open == ()


# --- economics -----------------------------------------------------------------------------------------------------


def test_without_a_contract_record_and_without_the_gateways_word_the_result_is_unknown() -> None:
    records = [fill(1, "buy", 1, "21000"), fill(2, "sell", 1, "21010")]
    (trip,) = keep_book(records, {}).trips
    assert (trip.gross, trip.net) == (None, None)


def test_the_gateways_word_needs_no_contract_record() -> None:
    records = [fill(1, "buy", 1, "21000"), fill(2, "sell", 1, "21010", "20")]
    (trip,) = keep_book(records, {}).trips
    assert trip.gross == Decimal(20)


def test_an_unknown_contract_is_named_and_never_given_default_economics() -> None:
    (held,) = keep_book([fill(1, "buy", 1, "21000")], {}).open
    with pytest.raises(UnknownContract, match=r"CON\.F\.US\.MNQ\.Z26"):
        unrealised(held, Mark(price=Decimal(21001), age_ms=10), {})
    with pytest.raises(UnknownContract, match=r"CON\.F\.US\.XYZ\.Z26"):
        economics_of(ContractId("CON.F.US.XYZ.Z26"), CONTRACTS)


@pytest.mark.parametrize(("side", "usd"), [("buy", "21"), ("sell", "-21")])
def test_what_is_open_is_worth_its_distance_to_the_mark(side: str, usd: str) -> None:
    (held,) = keep_book([fill(1, side, 3, "21000")], CONTRACTS).open
    assert unrealised(held, Mark(price=Decimal("21003.50"), age_ms=10), CONTRACTS) == Decimal(usd)


def test_the_venues_pnl_and_the_contract_records_agree() -> None:
    """The gateway's own figures of 19 August 2026 (gateway reference 3.10), and a scale-out of a short."""
    told = [
        fill(1, "buy", 1, "29539"),
        fill(2, "sell", 1, "29542.25", "6.5"),
        fill(3, "sell", 3, "29500"),
        fill(4, "buy", 1, "29490", "20"),
        fill(5, "buy", 2, "29510.25", "-41"),
    ]
    given, computed = keep_book(told, {}), keep_book(without_pnl(told), CONTRACTS)
    assert [trip.gross for trip in given.trips] == [trip.gross for trip in computed.trips] == [Decimal("6.5"), -21]


def test_times_come_from_the_venue() -> None:
    late = fill(2, "sell", 1, "21010", "20", recorded_s=3600)
    (trip,) = keep_book([late, fill(1, "buy", 1, "21000")], {MNQ.contract_id: MNQ}).trips
    assert trip.closed_at == T0 + timedelta(minutes=2)
    assert trip.recorded_at == T0 + timedelta(hours=1)
