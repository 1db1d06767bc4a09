"""Bars of one contract out of its trades. Pure: whoever holds it brings trades, the time, and what history says.

The tape is kept as bars of one second; every longer bar is made of them when somebody looks, so that a trade costs the same
however many timeframes are watched. Older bars are *solid*: bars of one ``step`` (a length that divides every watched
timeframe), as the gateway says they were, or as the trades said where nobody has asked it yet.

Rules for what comes in:
* A bar is the trades with ``open <= ts_event < open + step``. It is closed by the clock; without a trade there is none.
* Trades count in the order of their own time, equal times in the order of their coming; two that look the same are two.
* A trade that comes after its bar was closed corrects it (*late*). Before ``solid`` ends it is left to the check (*too late*).
* No volume, or a negative one: left out. A price that is no number, or off the tick grid: left out, and *doubtful*.
* Further than ``AHEAD_S`` ahead of the venue's clock: left out, and doubtful, for one of the two clocks is wrong.
* Doubtful means: the flow of trades ended there. It begins anew with the next good trade, and history fills what is between.
* A flow is whole from the first bar on that began after its first trade: nobody says what came before that.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import numpy as np

from desk.market.bars import Bars, aggregated, joined, nanos_of
from desk.market.spans import Span, Spans, clipped, united
from desk.market.tape import MarketTrade

__all__ = ["AHEAD_S", "DOUBTFUL", "Taken", "Tape"]

AHEAD_S = 5
_MOST_PRICES = 10_000
_HIGHEST = 10**9  # points; nano points of more do not fit a column
_MOST_SECONDS = 20_000  # with trades in them, behind a gap that nobody fills
_LONGEST_SECONDS = 4 * 3600  # kept in seconds when nobody can ask history; then they become solid unasked


class Taken(StrEnum):
    """What became of a trade."""

    COUNTED = "counted"
    LATE = "late"  # its bar was closed already: corrected
    TOO_LATE = "too_late"  # left to the check against history
    NO_VOLUME = "no_volume"
    BAD_PRICE = "bad_price"  # doubtful
    AHEAD = "ahead"  # doubtful


DOUBTFUL = frozenset({Taken.BAD_PRICE, Taken.AHEAD})


@dataclass(slots=True)
class _Second:
    """Prices in nano points. first, last: times of the trades that made ``open`` and ``close``."""

    open: int
    high: int
    low: int
    close: int
    volume: int
    first: datetime
    last: datetime

    def add(self, nanos: int, qty: int, at: datetime) -> None:
        self.high = max(self.high, nanos)
        self.low = min(self.low, nanos)
        if at >= self.last:
            self.close, self.last = nanos, at
        if at < self.first:
            self.open, self.first = nanos, at
        self.volume += qty


@dataclass(slots=True)
class _Flow:
    """Trades without a gap, from a bar's opening on; ``until`` None: it flows."""

    start: int
    until: int | None = None


class Tape:
    """``step``: seconds, divides every timeframe that is asked for. All times are epoch seconds of the venue's clock.

    [solid_from, solid_until) is solid. ``closed``: until where bars were closed by the clock.
    """

    def __init__(self, step: int, start: int, tick: Decimal | None = None) -> None:
        """start: a bar's opening; what is known begins there. tick: None: not known, no price is off its grid."""
        assert start % step == 0, "what is known begins with a bar"
        self.step = step
        self.solid_from = self.solid_until = self.checked_until = self.closed = start
        self._tick = tick
        self._solid = Bars.empty()
        self._told = Bars.empty()  # step bars that were closed and then fell into doubt
        self._doubt: Spans = ()  # when that was
        self._seconds: dict[int, _Second] = {}
        self._flows: list[_Flow] = []
        self._nanos: dict[Decimal, int | None] = {}

    # -- trades --------------------------------------------------------------------------------------------------------

    @property
    def is_flowing(self) -> bool:
        """Trades come without a gap. The bar in which that began is not whole, the ones after it are."""
        return bool(self._flows) and self._flows[-1].until is None

    def take(self, trade: MarketTrade, now: int) -> Taken:
        """One trade. now: the venue's clock."""
        nanos = self._nanos_of(trade.price)
        second = int(trade.ts_event.timestamp())
        if trade.qty <= 0:
            return Taken.NO_VOLUME
        if nanos is None or second > now + AHEAD_S:
            self.flow_ended(min(second, now))
            return Taken.BAD_PRICE if nanos is None else Taken.AHEAD
        if len(self._seconds) > _MOST_SECONDS:  # history will have to bring them
            self._seconds.clear()
            self._flows.clear()
        if not self.is_flowing:
            first = max(second, now) // self.step * self.step + self.step
            self._flows.append(_Flow(max(first, self.solid_until)))
        if second < self.solid_until:
            return Taken.TOO_LATE
        row = self._seconds.get(second)
        if row is None:
            at = trade.ts_event
            self._seconds[second] = _Second(nanos, nanos, nanos, nanos, trade.qty, at, at)
        else:
            row.add(nanos, trade.qty, trade.ts_event)
        return Taken.LATE if second < self.closed else Taken.COUNTED

    def flow_ended(self, known_until: int) -> None:
        """The hub was lost, or something was not understood: only what came before ``known_until`` is sure."""
        if not self.is_flowing:
            return
        until = max(known_until // self.step * self.step, self.solid_until)
        whole_from = max(until, self._flows[-1].start)
        if whole_from < self.closed:
            self._told = joined(self._told, self.bars(self.step, whole_from, self.closed))
            self._doubt = united(self._doubt, [(whole_from, self.closed)])
        self._flows[-1].until = until
        self._flows = [flow for flow in self._flows if flow.until is None or flow.until > flow.start]
        self._seconds = {second: row for second, row in self._seconds.items() if second < until}

    # -- what is known -------------------------------------------------------------------------------------------------

    @property
    def has_trades(self) -> bool:
        """Whether anything traded that history has not confirmed."""
        return bool(self._seconds)

    @property
    def live_from(self) -> float:
        """Since when the trades flow without a gap; infinite: they do not."""
        return self._flows[-1].start if self.is_flowing else float("inf")

    def is_live(self, line: int) -> bool:
        """Whether everything up to this moment is known: nothing is missing before ``line``, and the trades flow since then."""
        return self.is_flowing and self._flows[-1].start <= self.whole_until(line) and self.whole_until(line) >= line

    def whole_until(self, line: int) -> int:
        """Everything from ``solid_from`` to there is known; ``line``: what closed by the clock, a bar's opening."""
        known = self.solid_until
        for flow in self._flows:
            if flow.start <= known:
                known = max(known, line if flow.until is None else min(flow.until, line))
        return known

    def hole(self, line: int) -> Span | None:
        """What history has to fill next, up to ``line``; None: nothing."""
        start = self.whole_until(line)
        later = [flow.start for flow in self._flows if flow.start > start]
        end = min([line, *later])
        return (start, end) if start < end else None

    def bars(self, seconds: int, start: int, end: int) -> Bars:
        """Bars of so many seconds (a multiple of ``step``) out of what opened in ``start <= t < end``, as far as it is known."""
        live = sorted(second for second in self._seconds if start <= second < end)
        rows = [(at, (one := self._seconds[at]).open, one.high, one.low, one.close, one.volume) for at in live]
        columns = np.array(rows, dtype=np.int64).reshape(-1, 6).T
        return aggregated(joined(self._solid.between(start, end), Bars(*columns)), seconds)

    # -- history -------------------------------------------------------------------------------------------------------

    def fill(self, window: Span, theirs: Bars) -> list[int]:
        """History's bars for a hole. Returns the openings of step bars that had been closed with other values."""
        start, end = window
        assert start >= self.solid_until, "what is solid has no hole"
        before = self.bars(self.step, self.solid_until, start)
        doubt = clipped(self._doubt, window)
        differing = [ts for span in doubt for ts in _differing(self._told.between(*span), theirs.between(*span))]
        self._solid = joined(self._solid, before, theirs.between(start, end))
        self._doubt = clipped(self._doubt, (end, 2**62))
        self._told = self._told.between(end, 2**62)
        self._settle(end)
        return differing

    def check(self, until: int, theirs: Bars) -> list[int]:
        """History's final bars from ``checked_until`` on: they count. Returns the openings of step bars that were different."""
        start = self.checked_until
        ours = self.bars(self.step, start, until)
        differing = _differing(ours.between(start, until), theirs.between(start, until))
        later = self.bars(self.step, until, self.solid_until) if until < self.solid_until else Bars.empty()
        self._solid = joined(self._solid.between(self.solid_from, start), theirs.between(start, until), later)
        self.checked_until = until
        if until > self.solid_until:
            self._settle(until)
        return differing

    def rebased(self, step: int, start: int) -> Tape:
        """The same trades with what is known beginning at ``start``, in bars of ``step``, which divides the old one.

        What was solid is given up: history is asked for it in the new step.
        """
        assert self.step % step == 0, "longer bars are made of shorter ones, not the other way round"
        tape = Tape(step, start, self._tick)
        tape.closed = max(self.closed, start)
        tape._seconds = {second: row for second, row in self._seconds.items() if second >= start}
        tape._flows = [_Flow(max(flow.start, self.solid_until, start), flow.until) for flow in self._flows]
        tape._flows = [flow for flow in tape._flows if flow.until is None or flow.until > flow.start]
        return tape

    def forget(self, before: int) -> None:
        """Drops what is older. Seconds that were never checked become solid when they are too many."""
        unasked = (max(self._seconds, default=0) - _LONGEST_SECONDS) // self.step * self.step
        if unasked > self.solid_until and self.whole_until(unasked) >= unasked:
            self._solid = joined(self._solid, self.bars(self.step, self.solid_until, unasked))
            self._settle(unasked)
        before = min(before // self.step * self.step, self.checked_until)
        if before > self.solid_from:
            self._solid, self.solid_from = self._solid.between(before, 2**62), before

    def _settle(self, until: int) -> None:
        """Everything before ``until`` is solid now."""
        self.solid_until = until
        self._seconds = {second: row for second, row in self._seconds.items() if second >= until}
        self._flows = [flow for flow in self._flows if flow.until is None or flow.until > until]

    def _nanos_of(self, price: Decimal) -> int | None:
        """None: no price of this contract. Remembered: a tape says the same few prices again and again."""
        if not price.is_finite():  # first, for a signalling NaN cannot even be looked up
            return None
        try:
            return self._nanos[price]
        except KeyError:
            pass
        nanos = None
        if abs(price) < _HIGHEST and (self._tick is None or price % self._tick == 0):
            try:
                nanos = nanos_of(price)
            except ValueError:
                pass  # too many decimals
        if len(self._nanos) >= _MOST_PRICES:
            self._nanos.clear()
        self._nanos[price] = nanos
        return nanos


def _differing(ours: Bars, theirs: Bars) -> list[int]:
    """Openings of bars that only one side has, or that are not the same."""
    mine = {row[0]: row for row in _tuples(ours)}
    right = {row[0]: row for row in _tuples(theirs)}
    return sorted(ts for ts in mine.keys() | right.keys() if mine.get(ts) != right.get(ts))


def _tuples(bars: Bars) -> list[tuple[int, ...]]:
    columns = (bars.ts, bars.open, bars.high, bars.low, bars.close, bars.volume)
    return list(zip(*(column.tolist() for column in columns), strict=True))
