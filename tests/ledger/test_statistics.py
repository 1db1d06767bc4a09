"""Figures over round trips, each worked out by hand."""

from __future__ import annotations

from decimal import Decimal

from desk.core.records import FillRecorded
from desk.ledger import Statistics, keep_book, statistics_of
from tests.ledger.samples import CONTRACTS, fill


def figures(*points: str) -> Statistics:
    """One MNQ each, out after a minute, so many points better; two dollars a point, 1.22 of costs."""
    records: list[FillRecorded] = []
    for i, move in enumerate(points):
        records.append(fill(2 * i, "buy", 1, "21000"))
        records.append(fill(2 * i + 1, "sell", 1, Decimal(21000) + Decimal(move)))
    return statistics_of(keep_book(records, CONTRACTS).trips)


def test_no_trip_is_no_number() -> None:
    nothing = statistics_of([])
    assert (nothing.trips, nothing.wins, nothing.losses, nothing.break_even, nothing.unknown) == (0, 0, 0, 0, 0)
    measured = [
        getattr(nothing, name) for name in nothing.__struct_fields__ if not isinstance(getattr(nothing, name), int)
    ]
    assert measured
    assert all(value is None for value in measured)


def test_wins_and_losses_are_what_is_left_after_costs() -> None:
    found = figures("10", "0.50", "-5", "20", "0.61")
    assert (found.trips, found.wins, found.losses, found.break_even) == (5, 2, 2, 1)
    assert found.win_rate == Decimal("0.4")
    assert (found.total_gross, found.total_net) == (Decimal("52.22"), Decimal("46.12"))
    assert (found.total_fees, found.total_commissions) == (Decimal("3.60"), Decimal("2.50"))
    assert (found.average_gross, found.average_net) == (Decimal("10.44"), Decimal("9.22"))
    assert (found.average_win, found.average_loss) == (Decimal("28.78"), Decimal("-5.72"))
    assert (found.largest_win, found.largest_loss) == (Decimal("38.78"), Decimal("-11.22"))
    assert found.profit_factor == (Decimal("57.56") / Decimal("11.44")).quantize(Decimal("0.0001"))
    assert found.expectancy == found.average_net
    assert found.average_duration_ms == 60_000


def test_without_a_loss_there_is_no_profit_factor() -> None:
    found = figures("10", "20")
    assert (found.profit_factor, found.average_loss, found.largest_loss) == (None, None, None)
    assert found.max_drawdown == 0


def test_the_drawdown_is_the_deepest_fall_below_a_peak_and_the_start_is_one() -> None:
    assert figures("-5", "10", "-20", "-1", "50").max_drawdown == Decimal("41.22") + Decimal("3.22")
    assert figures("-5", "-5").max_drawdown == Decimal("22.44")


def test_streaks_are_counted_in_the_order_of_the_ends() -> None:
    found = figures("5", "5", "-5", "-5", "-5", "0.61", "-5", "5")
    assert (found.longest_win_streak, found.longest_loss_streak) == (2, 3)


def test_a_trip_without_a_result_is_counted_apart() -> None:
    records = [fill(1, "buy", 1, "21000"), fill(2, "sell", 1, "21010")]
    found = statistics_of(keep_book(records, {}).trips)
    assert (found.trips, found.unknown, found.total_net) == (0, 1, None)
