"""One contract's live bars: its tape, who watches which timeframe, and what they were told. Nothing here waits or asks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from math import gcd

from desk.core.ids import ContractId
from desk.core.timeframe import Timeframe, parse_timeframe
from desk.core.words import Bar
from desk.market.bars import Bars, aggregated, joined
from desk.market.builder import Taken, Tape
from desk.market.spans import Span
from desk.market.tape import MarketTrade

__all__ = ["BarClosed", "BarCorrected", "BarsInDoubt", "Developing", "LiveEvent", "LiveSeries"]

_LONGEST_STEP = 60
_FAR = 2**62


@dataclass(frozen=True, slots=True)
class BarClosed:
    """source: ``hub`` made of trades, ``history`` read from the gateway."""

    contract_id: ContractId
    timeframe: Timeframe
    bar: Bar
    source: str


@dataclass(frozen=True, slots=True)
class BarCorrected:
    """A bar that was told has other values now; ``bar`` None: there is no such bar. why: ``late trade`` or ``history``."""

    contract_id: ContractId
    timeframe: Timeframe
    ts_open: datetime
    bar: Bar | None
    why: str


@dataclass(frozen=True, slots=True)
class BarsInDoubt:
    """Trades were lost since then: the next closed bars come once history has filled the gap."""

    contract_id: ContractId
    since: datetime
    reason: str


LiveEvent = BarClosed | BarCorrected | BarsInDoubt


@dataclass(frozen=True, slots=True)
class Developing:
    """The bar in progress. bar: None where nothing traded in it yet, or nothing is known.

    source: ``hub`` exact; ``polled`` as the gateway said at ``as_of``; ``anchored`` the gateway's own with later trades added
    (its volume may be off by the trades of a second or two); ``unknown``.
    """

    bar: Bar | None
    source: str
    as_of: datetime


@dataclass(slots=True)
class Anchor:
    """The gateway's own partial bar of a length whose openings nobody knows, and the trades since it was asked for."""

    bar: Bar | None = None
    read_at: float = float("-inf")
    last: Decimal | None = None
    high: Decimal = Decimal(0)
    low: Decimal = Decimal(0)
    qty: int = 0

    def add(self, price: Decimal, qty: int) -> None:
        if self.last is None:
            self.high = self.low = price
        self.last, self.high, self.low = price, max(self.high, price), min(self.low, price)
        self.qty += qty

    def forget_trades(self) -> None:
        self.last, self.qty = None, 0

    def developing(self) -> Bar | None:
        if self.bar is None or self.last is None:
            return self.bar
        return Bar(
            ts_open=self.bar.ts_open,
            open=self.bar.open,
            high=max(self.bar.high, self.high),
            low=min(self.bar.low, self.low),
            close=self.last,
            volume=self.bar.volume + self.qty,
        )


@dataclass(slots=True)
class LiveSeries:
    """Times are epoch seconds of the venue's clock. ``told``: per timeframe the opening of the next bar to be told."""

    contract_id: ContractId
    tick: Decimal | None
    tape: Tape
    watched: Counter[Timeframe] = field(default_factory=Counter)
    told: dict[Timeframe, int] = field(default_factory=dict)
    anchors: dict[Timeframe, Anchor] = field(default_factory=dict)
    polled: Bars = field(default_factory=Bars.empty)  # the gateway's newest bars, the last one still forming
    polled_at: float = 0.0
    next_read: float = 0.0
    next_check: float = 0.0
    looked_at: float = float("-inf")  # when somebody last wanted to see its newest bars

    @classmethod
    def begun(cls, contract_id: ContractId, tick: Decimal | None, now: float) -> LiveSeries:
        start = int(now) // _LONGEST_STEP * _LONGEST_STEP
        return cls(contract_id, tick, Tape(_LONGEST_STEP, start, tick), next_check=now)

    def begin_anew(self, now: float) -> None:
        """Without anything that is known; openings that were told are not told again."""
        opens = {timeframe: max(self.told[timeframe], timeframe.opening(int(now))) for timeframe in self.told}
        start = min(opens.values(), default=int(now)) // self.tape.step * self.tape.step
        self.told, self.tape = opens, Tape(self.tape.step, start, self.tick)
        self.polled, self.polled_at, self.next_read = Bars.empty(), 0.0, now

    def watch(self, timeframe: Timeframe, now: float) -> None:
        """One more who wants it. What is known begins with the bar that is in progress."""
        self.watched[timeframe] += 1
        if self.watched[timeframe] > 1:
            return
        if not timeframe.is_on_the_hour:
            self.anchors[timeframe] = Anchor()
            return
        opens = self.told[timeframe] = timeframe.opening(int(now))
        step = gcd(self.tape.step, timeframe.seconds)
        if step != self.tape.step or opens < self.tape.solid_from:
            self.tape = self.tape.rebased(step, min(self.told.values()))
            self.next_read = now

    def unwatch(self, timeframe: Timeframe) -> bool:
        """One less; True: nobody wants anything of this contract any more."""
        self.watched[timeframe] -= 1
        if self.watched[timeframe] <= 0:
            del self.watched[timeframe]
            self.told.pop(timeframe, None)
            self.anchors.pop(timeframe, None)
        return not self.watched

    @property
    def step(self) -> Timeframe:
        """In which history is asked."""
        step = self.tape.step
        return parse_timeframe(f"{step // 60}m" if step % 60 == 0 else f"{step}s")

    def line(self, now: float) -> int:
        """The newest boundary at or before ``now``."""
        return int(now) // self.tape.step * self.tape.step

    def take(self, trade: MarketTrade, now: int) -> Taken:
        taken = self.tape.take(trade, now)
        if self.anchors and taken in (Taken.COUNTED, Taken.LATE):
            for anchor in self.anchors.values():
                anchor.add(trade.price, trade.qty)
        return taken

    def close(self, now: float) -> list[BarClosed]:
        """The bars that closed by the clock and can be told, in order; each once."""
        line = self.line(now)
        self.tape.closed = max(self.tape.closed, line)
        whole = self.tape.whole_until(line)
        found: list[BarClosed] = []
        for timeframe, start in self.told.items():
            end = whole // timeframe.seconds * timeframe.seconds
            if end > start:
                self.told[timeframe] = end
                bars = self.tape.bars(timeframe.seconds, start, end)
                live_from = self.tape.live_from
                found += [
                    BarClosed(
                        self.contract_id, timeframe, bar, "hub" if bar.ts_open.timestamp() >= live_from else "history"
                    )
                    for bar in bars.rows()
                ]
        return found

    def corrected(self, seconds: Iterable[int], why: str) -> list[BarCorrected]:
        """What those who were told a bar that holds one of these seconds have to be told now."""
        found: list[BarCorrected] = []
        for timeframe, until in self.told.items():
            length = timeframe.seconds
            for opens in sorted({second // length * length for second in seconds if second < until}):
                bars = self.tape.bars(length, opens, opens + length).rows()
                at = datetime.fromtimestamp(opens, UTC)
                if opens + length <= until:
                    found.append(BarCorrected(self.contract_id, timeframe, at, bars[0] if bars else None, why))
        return found

    def hole(self, now: float) -> Span | None:
        """What history has to say before later bars can be told; only what ended before ``now``."""
        return self.tape.hole(self.line(now))

    def has_traded_since_check(self) -> bool:
        return self.tape.has_trades

    def is_live(self, now: float) -> bool:
        return self.tape.is_live(self.line(now))

    def tail(self, timeframe: Timeframe, since: int, now: float) -> Bars | None:
        """Bars that opened at or after ``since``, the developing one included; None: not all of it is sure."""
        length = timeframe.seconds
        first = -(-since // length) * length
        if timeframe not in self.told or first < self.tape.solid_from or not self.is_live(now):
            return None
        return self.tape.bars(length, first, _FAR)

    def developing(self, timeframe: Timeframe, now: float, is_live: bool) -> Developing:
        if timeframe in self.anchors:
            anchor = self.anchors[timeframe]
            at = datetime.fromtimestamp(max(0.0, now if is_live else anchor.read_at), UTC)
            return Developing(anchor.developing(), "anchored" if anchor.bar is not None else "unknown", at)
        opens = timeframe.opening(int(now))
        if is_live and opens >= self.tape.solid_from:
            return Developing(
                _last(self.tape.bars(timeframe.seconds, opens, _FAR)), "hub", datetime.fromtimestamp(now, UTC)
            )
        known = self.tape.bars(self.tape.step, opens, max(opens, self.tape.whole_until(self.line(now))))
        parts = joined(known, self.polled.between(opens, _FAR))
        source = "polled" if self.polled_at else "unknown"
        bar = _last(aggregated(parts, timeframe.seconds))
        return Developing(bar, source, datetime.fromtimestamp(self.polled_at, UTC))

    def anchor_read(self, timeframe: Timeframe, bars: tuple[Bar, ...], sent_at: float) -> list[BarClosed]:
        """The gateway's newest bars of such a length. A new opening means that the bar before it has closed."""
        anchor, closed = self.anchors[timeframe], []
        if anchor.bar is not None and bars:
            closed = [bar for bar in bars if anchor.bar.ts_open <= bar.ts_open < bars[-1].ts_open]
        anchor.bar = bars[-1] if bars else anchor.bar
        anchor.read_at = sent_at
        return [BarClosed(self.contract_id, timeframe, bar, "history") for bar in closed]


def _last(bars: Bars) -> Bar | None:
    rows = bars.newest(1).rows()
    return rows[0] if rows else None
