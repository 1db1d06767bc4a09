"""Live bars from trades, equal to the gateway's own once they are closed.

Every market trade comes here before it goes anywhere else. A bar is closed by the clock, told to whoever listens, and half a
minute later, when the gateway's own bar is final, compared with it. After a lost hub the gap is read from history before the
next bar is told; while there are no trades the bar in progress is read from the gateway every few seconds.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, MutableMapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Protocol

import structlog

from desk.core.clock import Clock
from desk.core.ids import ContractId
from desk.core.timeframe import Timeframe
from desk.market.bars import Bars
from desk.market.builder import DOUBTFUL, Taken
from desk.market.tape import MarketTrade
from desk.runtime.livereads import BarSource, LiveConfig, LiveReads
from desk.runtime.liveseries import BarsInDoubt, Developing, LiveEvent, LiveSeries

__all__ = ["LiveBars", "LiveConfig", "LiveStats", "TradeSource"]

log = structlog.get_logger("desk.livebars")

TROUBLE = "live bars"
ANEW = "its live bars begin anew"
DOWN = (
    "the market hub is down: bars in progress are read from the gateway every {:g} s, and are no more exact than that"
)


class TradeSource(Protocol):
    """The market hub: see ``feeds.Feeds``."""

    async def watch_trades(self, contract_id: ContractId) -> None: ...
    async def unwatch_trades(self, contract_id: ContractId) -> None: ...


@dataclass(frozen=True, slots=True)
class LiveStats:
    """Since the start. ``corrected``: closed bars of the shortest length that history said otherwise."""

    contracts: int
    live: int  # contracts whose trades flow without a gap
    trades: dict[str, int]  # by what became of them
    closed: int
    checked: int
    corrected: int
    gaps: int
    requests: int


class LiveBars:
    """Subscriptions are counted: the first one of a contract asks the hub for its trades, the last one leaves.

    troubles: ``Desk.troubles``. offset: the venue's clock minus ours. tick_of: a contract's tick, where it is known. heard_at:
    when the market hub last sent any data, on our clock.
    """

    def __init__(
        self,
        history: BarSource,
        clock: Clock,
        trades: TradeSource,
        *,
        troubles: MutableMapping[str, str] | None = None,
        offset: Callable[[], float | None] = lambda: None,
        tick_of: Callable[[ContractId], Decimal | None] = lambda _: None,
        heard_at: Callable[[], datetime | None] = lambda: None,
        config: LiveConfig | None = None,
    ) -> None:
        self._clock = clock
        self._trades = trades
        self._troubles = troubles if troubles is not None else {}
        self._offset = offset
        self._tick_of = tick_of
        self._heard_at = heard_at
        self._config = config or LiveConfig()
        self._series: dict[ContractId, LiveSeries] = {}
        self._listeners: list[Callable[[LiveEvent], None]] = []
        self._taken: Counter[Taken] = Counter()
        self._counts: Counter[str] = Counter()
        self._is_up = False
        self._reads = LiveReads(
            history, clock, self.now, self._config, tell=self._tell, counts=self._counts, close=self._close
        )

    # -- for everybody -------------------------------------------------------------------------------------------------

    async def subscribe(self, contract_id: ContractId, timeframe: Timeframe) -> None:
        """Count one more. Any timeframe from 5 s on that divides the hour is exact; longer ones follow the gateway's own bar.

        Raises ValueError for bars of less than five seconds.
        """
        if timeframe.seconds < 5:
            raise ValueError(f"{timeframe} is too short: live bars have 5 seconds or more")
        series, now = self._series.get(contract_id), self.now()
        if series is None:
            series = self._series[contract_id] = LiveSeries.begun(contract_id, self._tick_of(contract_id), now)
            series.watch(timeframe, now)
            await self._trades.watch_trades(contract_id)
        else:
            series.watch(timeframe, now)

    async def unsubscribe(self, contract_id: ContractId, timeframe: Timeframe) -> None:
        """Count one less. Nothing happens for what nobody subscribed."""
        series = self._series.get(contract_id)
        if series is not None and series.watched[timeframe] > 0 and series.unwatch(timeframe):
            del self._series[contract_id]
            await self._trades.unwatch_trades(contract_id)

    def listen(self, listener: Callable[[LiveEvent], None]) -> Callable[[], None]:
        """Every closed and corrected bar of every subscription, in order. The listener must be quick. Returns how to stop it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    def tail(self, contract_id: ContractId, timeframe: Timeframe, since: int) -> Bars | None:
        """Every bar that opened at or after ``since`` (epoch seconds), the developing one included.

        None: nobody vouches for all of it (not subscribed, a gap, the hub is down or silent).
        """
        series = self._series.get(contract_id)
        if series is None:
            return None
        series.looked_at = self.now()
        if not self._is_heard():
            return None
        return series.tail(timeframe, since, self.now())

    def developing(self, contract_id: ContractId, timeframe: Timeframe) -> Developing | None:
        """The bar in progress and where it comes from. None: not subscribed."""
        series, now = self._series.get(contract_id), self.now()
        if series is None or not series.watched[timeframe]:
            return None
        series.looked_at = now
        return series.developing(timeframe, now, series.is_live(now) and self._is_heard())

    def subscribed(self) -> dict[ContractId, dict[str, int]]:
        """Per contract, how many want which timeframe."""
        return {key: {str(one): n for one, n in series.watched.items()} for key, series in self._series.items()}

    def stats(self) -> LiveStats:
        now = self.now()
        return LiveStats(
            contracts=len(self._series),
            live=sum(series.is_live(now) for series in self._series.values()),
            trades={taken.value: self._taken[taken] for taken in Taken},
            closed=self._counts["closed"],
            checked=self._counts["checked"],
            corrected=self._counts["corrected"],
            gaps=self._counts["gaps"],
            requests=self._counts["requests"],
        )

    def now(self) -> float:
        """The venue's clock, epoch seconds."""
        return self._clock.now().timestamp() + (self._offset() or 0.0)

    # -- for the market hub; in its task -------------------------------------------------------------------------------

    def on_trade(self, trade: MarketTrade) -> None:
        series = self._series.get(trade.contract_id)
        if series is None:
            return
        try:
            self._take(series, trade)
        except Exception:  # the hub serves quotes, too: bars must never end it
            log.exception("bars.failed", contract=series.contract_id, meaning=ANEW)
            self._start_anew(series)

    def _take(self, series: LiveSeries, trade: MarketTrade) -> None:
        taken = series.take(trade, int(trade.ts_recv.timestamp() + (self._offset() or 0.0)))
        self._taken[taken] += 1
        if taken is Taken.LATE:
            self._tell(series.corrected([int(trade.ts_event.timestamp())], "late trade"))
        elif taken in DOUBTFUL:
            log.warning("bars.trade_refused", contract=trade.contract_id, why=taken.value, price=str(trade.price))
            self._in_doubt(series, f"a trade was refused: {taken.value}")

    def on_up(self) -> None:
        self._is_up = True
        self._say_trouble()  # the start's page may be printed before the next look at the clock

    def on_lost(self, reason: str) -> None:
        """Trades of the last moments may be missing, from a little before the last data on."""
        heard, now = self._heard_at(), self.now()
        heard_s = now if heard is None else heard.timestamp() + (self._offset() or 0.0)
        self._is_up = False
        self._end_flows(self._series.values(), min(heard_s - self._config.sure_s, now), reason)

    def on_unreadable(self, contract_id: ContractId) -> None:
        """Trades of this contract came that were not understood."""
        series = self._series.get(contract_id)
        if series is not None:
            self._end_flows([series], self.now() - self._config.sure_s, "trades that were not understood")

    def _end_flows(self, many: Iterable[LiveSeries], known_until: float, reason: str) -> None:
        for series in many:
            if not series.tape.is_flowing:
                continue
            try:
                series.tape.flow_ended(int(known_until))
                self._in_doubt(series, reason)
            except Exception:  # in the hub's task, as above
                log.exception("bars.failed", contract=series.contract_id, meaning=ANEW)
                self._start_anew(series)

    def _in_doubt(self, series: LiveSeries, reason: str) -> None:
        self._counts["gaps"] += 1
        series.next_read = 0.0
        since = datetime.fromtimestamp(series.tape.whole_until(series.line(self.now())), UTC)
        self._tell([BarsInDoubt(series.contract_id, since, reason)])

    # -- its own task --------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Closes bars, fills gaps, polls and checks. Ends when cancelled."""
        try:
            while True:
                for series in sorted(self._series.values(), key=lambda series: series.next_read):
                    try:
                        self._close(series)
                        self._reads.ask_if_due(series, is_hub_up=self._is_up, has_listeners=bool(self._listeners))
                    except Exception:  # of one contract; the desk goes on
                        log.exception("bars.failed", contract=series.contract_id, meaning=ANEW)
                        self._start_anew(series)
                self._say_trouble()
                await asyncio.sleep(self._config.tick_s)
        finally:
            await self._reads.close()

    def _start_anew(self, series: LiveSeries) -> None:
        """A fault of ours. Bars of this contract begin again with the next ones; what was told stays told."""
        self._counts["gaps"] += 1
        series.begin_anew(self.now())

    def _say_trouble(self) -> None:
        """Down: what is shown of bars in progress is not exact, and is up to so many seconds old."""
        if self._series and not self._is_up:
            self._troubles.setdefault(TROUBLE, f"{DOWN.format(self._config.poll_s)}")
        else:
            self._troubles.pop(TROUBLE, None)

    def _proven_until(self) -> float:
        """Until when the hub's data show that it lives; the venue's clock."""
        heard, config = self._heard_at(), self._config
        if not self._is_up or heard is None:
            return float("inf")  # there is no flow, or no trade came yet
        silent_s = (self._clock.now() - heard).total_seconds()
        return self.now() - silent_s + config.hold_s if config.hold_s < silent_s < config.still_s else float("inf")

    def _is_heard(self) -> bool:
        """A socket that is open and says nothing proves nothing (reference 5.5)."""
        heard = self._heard_at()
        return self._is_up and heard is not None and (self._clock.now() - heard).total_seconds() <= self._config.quiet_s

    def _tell(self, events: Sequence[LiveEvent]) -> None:
        for event in events:
            for listener in tuple(self._listeners):
                try:
                    listener(event)
                except Exception:
                    log.exception("bars.listener_failed", contract=event.contract_id)

    def _close(self, series: LiveSeries) -> None:
        now = self.now()
        closed = series.close(min(now, self._proven_until()) - self._config.grace_s)
        self._counts["closed"] += len(closed)
        self._tell(closed)
        if closed:
            series.tape.forget(int(now - self._config.keep_s))
