"""What live bars ask of history: gaps first, then the bar in progress while there are no trades, then the check of what closed.

Budget: the gateway allows 50 history requests in 30 s. This room takes at most 15 of them, and checks, which can wait, only
while 8 are left of these 15; people and the warm-up keep 35.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import structlog

from desk.core.clock import Clock
from desk.core.errors import DeskError
from desk.core.ids import ContractId
from desk.core.timeframe import Timeframe
from desk.core.words import Bar
from desk.market.bars import Bars
from desk.runtime.liveseries import LiveEvent, LiveSeries

__all__ = ["BarReply", "BarSource", "LiveConfig", "LiveReads"]

log = structlog.get_logger("desk.livebars")


class BarReply(Protocol):
    """Of ``HistoryReply``: what is looked at here."""

    @property
    def columns(self) -> Bars: ...
    @property
    def bars(self) -> tuple[Bar, ...]: ...
    @property
    def problem(self) -> str | None: ...
    @property
    def requests(self) -> int: ...


class BarSource(Protocol):
    """Of ``HistoryService``: what is asked here."""

    async def between(
        self,
        contract_id: ContractId,
        timeframe: Timeframe,
        start: datetime,
        end: datetime,
        *,
        partial: bool = True,
        is_asked: bool = True,
    ) -> BarReply: ...

    async def bars(
        self, contract_id: ContractId, timeframe: Timeframe, n: int, *, partial: bool = True, is_asked: bool = True
    ) -> BarReply: ...


@dataclass(frozen=True, slots=True)
class LiveConfig:
    """Seconds, on the venue's clock unless said otherwise.

    grace_s: how long after its end a bar waits for trades that are still on their way. settled_s: when the gateway's own bar
    is final (reference 3.4 knows of a second or two; see ``SETTLED_S`` of history). read_after_s: how old a bar's end must be
    to be read into a gap. sure_s: how much before the last data of a lost hub its trades are sure. quiet_s: without any data
    for so long nobody vouches for the newest bars. hold_s, still_s: no bar is closed whose end came so long after the last data,
    until there is data again, the hub is given up, or the market is just still: a line that is dead looks the same at first.
    """

    tick_s: float = 0.25  # of the loop: how often the clock is looked at
    grace_s: float = 0.25
    settled_s: float = 31.0
    read_after_s: float = 5.0
    sure_s: float = 2.0
    quiet_s: float = 10.0
    hold_s: float = 2.0
    still_s: float = 60.0
    poll_s: float = 5.0
    looking_s: float = 60.0  # who looked so long ago still looks
    idle_poll_s: float = 30.0  # the hub is up, and the contract does not trade
    check_s: float = 60.0
    idle_check_s: float = 600.0  # nothing traded since the last check
    anchor_s: float = 60.0
    keep_s: float = 4 * 3600.0
    burst: int = 15  # requests
    window_s: float = 30.0  # in which so many come back
    kept_for_gaps: int = 7


class LiveReads:
    """One question per contract at a time. tell: to the listeners. close: tells what can be told of a contract's closed bars.

    counts: ``checked``, ``corrected``, ``requests``.
    """

    def __init__(
        self,
        history: BarSource,
        clock: Clock,
        now: Callable[[], float],
        config: LiveConfig,
        *,
        tell: Callable[[Sequence[LiveEvent]], None],
        close: Callable[[LiveSeries], None],
        counts: Counter[str],
    ) -> None:
        self._history = history
        self._clock = clock
        self._now = now
        self._config = config
        self._tell = tell
        self._close = close
        self._counts = counts
        self._asking: dict[ContractId, asyncio.Task[None]] = {}
        self._left = float(config.burst)
        self._refilled = clock.monotonic()
        self._failing = False

    def ask_if_due(self, series: LiveSeries, *, is_hub_up: bool, has_listeners: bool) -> None:
        """Starts the next question about a contract, if there is one and the budget has room.

        The bar in progress is polled while somebody looks or listens; a closed bar that is missing is read in any case.
        """
        now, config = self._now(), self._config
        if series.contract_id in self._asking or not self._has_left(1):
            return
        if not series.is_live(now - config.grace_s):
            is_wanted = has_listeners or now - series.looked_at < config.looking_s
            if now >= series.next_read and (is_wanted or series.hole(now - config.read_after_s) is not None):
                series.next_read = now + config.poll_s
                if is_hub_up:  # nobody waits for more than the end of the next bar, which then can be told
                    next_end = series.line(now) + series.tape.step + config.read_after_s
                    series.next_read = min(now + config.idle_poll_s, next_end)
                self._start(series, self._read(series))
        elif self._has_left(config.kept_for_gaps + 1) and now >= series.next_check:
            has_traded = series.has_traded_since_check()
            series.next_check = now + (config.check_s if has_traded else config.idle_check_s)
            self._start(series, self._check(series))
        if self._has_left(config.kept_for_gaps + 1) and series.contract_id not in self._asking:
            due = [key for key, anchor in series.anchors.items() if now - anchor.read_at >= config.anchor_s]
            if due:
                series.anchors[due[0]].read_at = now
                self._start(series, self._read_anchor(series, due[0]))

    async def close(self) -> None:
        """Ends what is under way."""
        asking = list(self._asking.values())
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    def _start(self, series: LiveSeries, work: Awaitable[None]) -> None:
        contract_id = series.contract_id

        async def asked() -> None:
            try:
                await work
                if self._failing:
                    self._failing = False
                    log.info("bars.history_healed")
            except DeskError as problem:
                self._left -= 1  # at least one was sent: a gateway that fails is not asked more than one that answers
                if not self._failing:  # said once, until it heals
                    self._failing = True
                    log.warning("bars.history_failed", contract=contract_id, problem=str(problem))
            except Exception:
                log.exception("bars.history_failed", contract=contract_id)
            finally:
                del self._asking[contract_id]

        self._asking[contract_id] = asyncio.create_task(asked(), name=f"live bars {contract_id}")

    async def _read(self, series: LiveSeries) -> None:
        """What is missing up to now: closed bars fill the gap, the last one shows what is in progress."""
        sent_at, tape, step = self._now(), series.tape, series.step
        start = tape.whole_until(series.line(sent_at))
        reply = await self._between(series, step, start, int(sent_at) + 1, partial=True)
        if series.tape is not tape or reply is None:
            return  # somebody subscribed a shorter length meanwhile: the next question asks for that
        series.polled, series.polled_at = reply.columns, sent_at
        hole = series.hole(sent_at - self._config.read_after_s)
        if hole is not None and hole[0] == start:
            differing = tape.fill(hole, reply.columns.between(*hole))
            self._count_corrected(series, differing)
            self._close(series)

    async def _check(self, series: LiveSeries) -> None:
        """The bars that are final at the gateway against ours; theirs count."""
        tape, step = series.tape, series.step
        now = min(self._now(), self._clock.now().timestamp())  # younger ones history would take from here
        until = min(series.line(now - self._config.settled_s), tape.whole_until(series.line(self._now())))
        if until <= tape.checked_until:
            return
        reply = await self._between(series, step, tape.checked_until, until, partial=False)
        if reply is None or series.tape is not tape or tape.whole_until(until) < until:
            return
        self._counts["checked"] += (until - tape.checked_until) // tape.step
        self._count_corrected(series, tape.check(until, reply.columns.between(tape.checked_until, until)))

    async def _read_anchor(self, series: LiveSeries, timeframe: Timeframe) -> None:
        anchor, sent_at = series.anchors[timeframe], self._now()
        anchor.forget_trades()
        reply = await self._history.bars(series.contract_id, timeframe, 2, partial=True, is_asked=False)
        self._pay(reply)
        if reply.problem is None and series.anchors.get(timeframe) is anchor:
            self._tell(series.anchor_read(timeframe, reply.bars, sent_at))

    async def _between(
        self, series: LiveSeries, step: Timeframe, start: int, end: int, *, partial: bool
    ) -> BarReply | None:
        """None: the gateway did not say all of it."""
        first, last = datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end, UTC)
        reply = await self._history.between(series.contract_id, step, first, last, partial=partial, is_asked=False)
        self._pay(reply)
        return reply if reply.problem is None else None

    def _count_corrected(self, series: LiveSeries, differing: list[int]) -> None:
        if not differing:
            return
        self._counts["corrected"] += len(differing)
        log.info(
            "bars.corrected",
            contract=series.contract_id,
            length=str(series.step),
            bars=len(differing),
            first=datetime.fromtimestamp(differing[0], UTC).isoformat(),
        )
        self._tell(series.corrected(differing, "history"))

    # -- the budget ----------------------------------------------------------------------------------------------------

    def _has_left(self, requests: int) -> bool:
        config, now = self._config, self._clock.monotonic()
        self._left = min(config.burst, self._left + (now - self._refilled) * config.burst / config.window_s)
        self._refilled = now
        return self._left - len(self._asking) >= requests

    def _pay(self, reply: BarReply) -> None:
        self._left -= reply.requests
        self._counts["requests"] += reply.requests
