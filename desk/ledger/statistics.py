"""Figures over a sequence of round trips. Each is defined on none at all: None, never a zero that nobody earned."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from decimal import ROUND_HALF_EVEN, Decimal

import msgspec

from desk.ledger.words import RoundTrip

__all__ = ["Statistics", "statistics_of"]

_CENT = Decimal("0.01")
_RATIO = Decimal("0.0001")


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """Dollars. A win is a trip that earned after its costs (net above zero); a loss is the opposite.

    Trips whose P&L is not known are counted in ``unknown`` and in nothing else. Averages are rounded to cents, ratios
    to four decimals.
    """

    trips: int  # with a P&L
    unknown: int  # without one
    wins: int
    losses: int
    break_even: int
    win_rate: Decimal | None = None  # 0 to 1
    total_gross: Decimal | None = None
    total_net: Decimal | None = None
    total_fees: Decimal | None = None
    total_commissions: Decimal | None = None
    average_gross: Decimal | None = None
    average_net: Decimal | None = None
    average_win: Decimal | None = None
    average_loss: Decimal | None = None  # negative
    largest_win: Decimal | None = None
    largest_loss: Decimal | None = None  # negative
    profit_factor: Decimal | None = None  # won by lost; None: nothing was lost
    expectancy: Decimal | None = None  # average win and loss by their chances: the average net
    max_drawdown: Decimal | None = None  # the deepest fall of the summed net below its own peak, or below the start
    longest_win_streak: int = 0
    longest_loss_streak: int = 0
    average_duration_ms: int | None = None  # of the trips whose beginning is known


def statistics_of(trips: Iterable[RoundTrip]) -> Statistics:
    """trips: in the order of their ends, as the book has them; drawdown and streaks go by that order."""
    everything = tuple(trips)
    counted = [trip for trip in everything if trip.gross is not None]
    nets = [net for trip in counted if (net := trip.net) is not None]
    wins, losses = [net for net in nets if net > 0], [net for net in nets if net < 0]
    counts = Statistics(
        trips=len(nets),
        unknown=len(everything) - len(nets),
        wins=len(wins),
        losses=len(losses),
        break_even=len(nets) - len(wins) - len(losses),
        longest_win_streak=_longest([net > 0 for net in nets]),
        longest_loss_streak=_longest([net < 0 for net in nets]),
    )
    if not nets:
        return counts
    grosses = [trip.gross for trip in counted if trip.gross is not None]
    return msgspec.structs.replace(
        counts,
        win_rate=_ratio(Decimal(len(wins)), Decimal(len(nets))),
        total_gross=_total(grosses),
        total_net=_total(nets),
        total_fees=_total(trip.fees for trip in counted),
        total_commissions=_total(trip.commissions for trip in counted),
        average_gross=_average(grosses),
        average_net=_average(nets),
        average_win=_average(wins),
        average_loss=_average(losses),
        largest_win=max(wins, default=None),
        largest_loss=min(losses, default=None),
        profit_factor=_ratio(_total(wins), -_total(losses)) if losses else None,
        expectancy=_average(nets),
        max_drawdown=_deepest_fall(nets),
        average_duration_ms=_average_ms([trip.duration for trip in counted if trip.duration is not None]),
    )


def _total(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, Decimal(0))


def _average(amounts: Sequence[Decimal]) -> Decimal | None:
    return (_total(amounts) / len(amounts)).quantize(_CENT, ROUND_HALF_EVEN) if amounts else None


def _ratio(a: Decimal, b: Decimal) -> Decimal:
    return (a / b).quantize(_RATIO, ROUND_HALF_EVEN)


def _average_ms(durations: Sequence[timedelta]) -> int | None:
    return round(sum(durations, timedelta(0)) / len(durations) / timedelta(milliseconds=1)) if durations else None


def _longest(are_so: Sequence[bool]) -> int:
    longest = run = 0
    for is_so in are_so:
        run = run + 1 if is_so else 0
        longest = max(longest, run)
    return longest


def _deepest_fall(nets: Sequence[Decimal]) -> Decimal:
    total = peak = deepest = Decimal(0)
    for net in nets:
        total += net
        peak = max(peak, total)
        deepest = max(deepest, peak - total)
    return deepest
