"""Writes down every market trade of some products (``RECORD_TICKS``), for a replay or a study. Trading never waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from typing import TypeVar

import structlog

from desk.core.clock import Clock
from desk.core.errors import UnknownSymbol
from desk.core.ids import ContractId
from desk.core.symbols import root_of_contract
from desk.market.tape import MarketTrade
from desk.runtime.livebars import TradeSource
from desk.store.tickfiles import TickFileError, TickPart, day_of_part, fold_parts, parts_of

__all__ = ["TROUBLE", "UNLISTED", "TickRecorder"]

log = structlog.get_logger("desk.ticks")

TROUBLE = "tick recorder"  # its place among the desk's troubles
UNLISTED = "ticks that nobody sends"
_MOST_KEPT = 100_000  # trades in memory; beyond it the newest are dropped and counted
_AT_ONCE = 5_000  # trades of one batch: turning them into columns holds the interpreter
_PAUSE_S = 60.0  # after a disk that took nothing
_STILL_YESTERDAYS = timedelta(minutes=2)  # so long after midnight a day's last prints may still come
_WRONG_CLOCK = timedelta(hours=12)  # a print of another day than ours by more than that belongs to ours

_Key = tuple[ContractId, date]
T = TypeVar("T")


class TickRecorder:
    """``on_trade`` for whoever hears trades, ``run`` as a task.

    A process that is killed loses what came since the last flush, at most ``flush_s`` seconds. ``written`` and ``lost`` count
    trades; of a batch that failed all are called lost.
    """

    def __init__(
        self,
        directory: Path,
        roots: Collection[str],
        clock: Clock,
        troubles: MutableMapping[str, str],
        *,
        flush_s: float = 5.0,
    ) -> None:
        """directory: ``DATA_DIR/ticks``. roots: such as MNQ. troubles: the desk's, for its health."""
        self._directory = directory
        self._roots = frozenset(roots)
        self._clock = clock
        self._troubles = troubles
        self._flush_s = flush_s
        self._wanted: dict[ContractId, bool] = {}
        self._followed: set[ContractId] = set()
        self._waiting: list[MarketTrade] = []
        self._parts: dict[_Key, TickPart] = {}
        self._not_before = 0.0  # monotonic: the disk is not tried before that
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ticks")
        self.written = 0
        self.lost = 0

    def wants(self, contract_id: ContractId) -> bool:
        if contract_id not in self._wanted:
            try:
                self._wanted[contract_id] = root_of_contract(contract_id) in self._roots
            except UnknownSymbol:
                self._wanted[contract_id] = False
        return self._wanted[contract_id]

    async def follow(self, listed: Iterable[ContractId], source: TradeSource) -> None:
        """Wants the trades of these contracts, and no longer those of months that are not listed any more."""
        wanted = {contract_id for contract_id in listed if self.wants(contract_id)}
        unlisted = sorted(self._roots - {root_of_contract(contract_id) for contract_id in wanted})
        if unlisted:
            self._troubles[UNLISTED] = f"the gateway lists no {', '.join(unlisted)}, named in RECORD_TICKS"
        else:
            self._troubles.pop(UNLISTED, None)
        for contract_id in sorted(wanted - self._followed):
            await source.watch_trades(contract_id)
        for contract_id in sorted(self._followed - wanted):
            await source.unwatch_trades(contract_id)
        self._followed = wanted

    def on_trade(self, trade: MarketTrade) -> None:
        """Quick: it only remembers."""
        if not self.wants(trade.contract_id):
            return
        if len(self._waiting) < _MOST_KEPT:
            self._waiting.append(trade)
        else:
            self.lost += 1

    async def run(self) -> None:
        """Flushes until it is cancelled; then once more, and the day's files are made. Never raises for a disk."""
        try:
            await self._fold(is_start=True)
            while True:
                await asyncio.sleep(self._flush_s)
                await self.flush()
                await self._fold()
        finally:
            # a stop that is cancelled itself still leaves parts, which the next start folds
            await self.flush(is_last=True)
            await self._fold(is_end=True)
            self._thread.shutdown(wait=False)

    async def flush(self, *, is_last: bool = False) -> None:
        """What waits goes to the disk, unless that refused a moment ago."""
        now_s = self._clock.monotonic()
        if not self._waiting or (now_s < self._not_before and not is_last):
            return
        while self._waiting:
            batch, self._waiting = self._waiting[:_AT_ONCE], self._waiting[_AT_ONCE:]
            try:
                await self._in_thread(self._write, batch)
            except TickFileError as exc:
                self._refused(exc, batch)
                return
            self.written += len(batch)
        self._recovered()

    async def _in_thread(self, work: Callable[[T], None], what: T) -> None:
        """Whoever is cancelled meanwhile leaves the work to its end."""
        await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, work, what))

    def _refused(self, exc: TickFileError, batch: list[MarketTrade]) -> None:
        self.lost += len(batch)  # a part of it may be on the disk: nobody repeats it, for then it would be there twice
        self._not_before = self._clock.monotonic() + _PAUSE_S
        if TROUBLE not in self._troubles:
            log.warning(
                "ticks.paused", error=str(exc), retry_s=_PAUSE_S, meaning="trading goes on; trades are not recorded"
            )
        self._troubles[TROUBLE] = f"recording pauses, trading goes on: {exc}"

    def _recovered(self) -> None:
        if self._troubles.pop(TROUBLE, None) is not None:
            log.info("ticks.resumed", lost=self.lost)

    # -- in a thread, one call at a time ---------------------------------------------------------------------------

    def _write(self, batch: list[MarketTrade]) -> None:
        by_key: dict[_Key, list[MarketTrade]] = {}
        for trade in batch:
            by_key.setdefault((trade.contract_id, _day_of(trade)), []).append(trade)
        for key, trades in by_key.items():
            part = self._parts.pop(key, None) or TickPart(self._directory, *key, self._clock.now())
            part.append(trades)
            self._parts[key] = part  # not in case of an error: then the next one begins anew

    async def _fold(self, *, is_start: bool = False, is_end: bool = False) -> None:
        """Parts of days that are over become the day's file; when a recording begins or ends, all of them."""
        today = (self._clock.now() - _STILL_YESTERDAYS).date()
        if not is_start and not is_end and all(day >= today for _, day in self._parts):
            return
        try:
            await self._in_thread(self._fold_before, None if is_start or is_end else today)
        except TickFileError as exc:
            self._refused(exc, [])

    def _fold_before(self, today: date | None) -> None:
        for key in [key for key in self._parts if today is None or key[1] < today]:
            self._parts.pop(key).close()
        fold_parts([part for part in parts_of(self._directory) if today is None or day_of_part(part) < str(today)])


def _day_of(trade: MarketTrade) -> date:
    """The day it happened on, in UTC; the day on which it came where the sender's clock is far off."""
    is_far = abs(trade.ts_event - trade.ts_recv) > _WRONG_CLOCK
    return (trade.ts_recv if is_far else trade.ts_event).date()
