"""One run of the desk: its parts put together, up, serving, and down again. ``trading_bot.py`` gives it its surroundings."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Coroutine, MutableMapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import structlog

from desk.core.clock import Clock
from desk.core.errors import DeskError, Unavailable, UnknownSymbol
from desk.core.events import Stopping
from desk.core.ids import ContractId
from desk.core.plans import ExitPlan, FlattenPlan, ProtectPlan, ReducePlan
from desk.core.timeframe import BarUnit, Timeframe
from desk.core.version import VERSION
from desk.core.words import Quote
from desk.engine import Context, State, requests_to_flat
from desk.engine.config import ForeignPolicy
from desk.gateway import GatewayClient, HubPool
from desk.gateway.config import SystemClock
from desk.market import cme_open_since
from desk.market.bars import Bars
from desk.market.sessions import contract_is_open, may_trade
from desk.market.spans import Span, Spans
from desk.market.tape import MarketTrade
from desk.runtime.barkeeper import Barkeeper, KeeperConfig
from desk.runtime.config import SessionConfig
from desk.runtime.desk import Desk, Phase
from desk.runtime.executor import Executor
from desk.runtime.feeds import Feeds
from desk.runtime.history import HistoryService
from desk.runtime.inbox import Inbox
from desk.runtime.journaltime import go_on_after
from desk.runtime.livebars import LiveBars
from desk.runtime.loop import MainLoop
from desk.runtime.marketview import MarketView
from desk.runtime.prices import Prices
from desk.runtime.ranges import Ranges
from desk.runtime.reload import Reloader
from desk.runtime.roster import doors_of, waiting
from desk.runtime.start import MEANING, StartSequence
from desk.runtime.stop import Stage, run_stages
from desk.runtime.tickrecorder import TickRecorder
from desk.runtime.tiers import Tier
from desk.runtime.watching import Watching
from desk.store import Journal

__all__ = ["Session", "SessionConfig"]

SETTLE_S = 5.0  # with the other stages under 10 s
LAST_BARS_S = 0.25  # of the half second that bars have; the rest is for writing them
ASIDE = frozenset({"bars to slower tiers", "live bars", "bar keeper", "tick recorder", "history cache"})

log = structlog.get_logger("desk.session")


class Session:
    """Owns the desk and its main loop."""

    def __init__(self, journal: Journal, config: SessionConfig, tiers: Sequence[Tier] = ()) -> None:
        clock = SystemClock()
        self.config = config
        self.is_ready = asyncio.Event()
        self._lines = _Lines()
        self._troubles: dict[str, str] = {}
        history = HistoryService(
            self._lines.bars,
            clock,
            memory_bytes=config.bars.memory_bytes,
            tail_s=config.bars.tail_s,
            quiet_tail_s=config.bars.quiet_tail_s,
            tiers=tiers,
            live=self._lines,
            is_open=contract_is_open if config.is_shadow else _always,
            open_spans=may_trade if config.is_shadow else _all_of_it,
            troubles=self._troubles,
            offset_s=self._lines.clock_offset_s,
        )
        self.desk = Desk(
            mode=config.mode,
            version=VERSION,
            started_at=clock.now(),
            clock=clock,
            inbox=Inbox(),
            journal=journal,
            quotes=self._lines,
            history=history,
            ranges=Ranges(
                history,
                clock,
                period=config.atr[0],
                timeframe=config.atr[1],
                wanted=self._ranged,
                open_since=cme_open_since if config.is_shadow else _always_open,
            ),
            bots=doors_of(config.bots, config.data_dir),
            bot_configs=waiting(config.bots),
            max_position=config.bots[0].config.max_position,
            troubles=self._troubles,
        )
        self._live = self._lines.live = LiveBars(
            history,
            clock,
            self._lines,
            troubles=self._troubles,
            offset=self._lines.clock_offset_s,
            tick_of=self._tick_of,
            heard_at=lambda: self._lines.feeds.heard_at if self._lines.feeds is not None else None,
        )
        self._keeper: Barkeeper | None = None
        self._ticks = _tick_recorder(config, clock, self._troubles)
        self._last_bars: asyncio.Task[None] | None = None
        self.desk.reloader = Reloader(self.desk, config) if config.read_again is not None else None
        self._prices = Prices(self.desk.inbox, clock, self._lines)
        self._loop = MainLoop(
            journal,
            self.desk.inbox,
            clock,
            self._context,
            self._publish,
            config.data_dir,
            self._troubles,
            go_on_after,
        )
        self.desk.context = lambda: self._context(self._loop.is_journal_ok)
        self._background: set[asyncio.Task[None]] = set()
        self._failed: tuple[asyncio.Task[None], ...] = ()

    def _publish(self, state: State) -> None:
        self.desk.publish(state)
        if self._lines.gateway is not None:
            self._lines.gateway.limiter.pacer.keep_for_exits(requests_to_flat(state))
        self._prices.on_state(state)

    def _context(self, is_journal_ok: bool) -> Context:
        """What decisions may look at besides the state, as it is at this moment."""
        return Context(
            now=self.desk.clock.now(),
            bots=self.desk.bot_configs,
            contracts=self.desk.catalogue,
            is_shadow=self.config.is_shadow,
            is_journal_ok=is_journal_ok,
            quote=self.desk.quotes.quote,
            atr=self.desk.ranges.get,
            atr_name=self.desk.ranges.name,
            foreign=ForeignPolicy(self.config.foreign_stop_ticks),
            requests_left=self._lines.gateway.room_for_exits if self._lines.gateway is not None else None,
        )

    def _on_login(self, failed: DeskError | None) -> None:
        """Also long after the start: without a token nothing gets out, and a person must know."""
        if failed is None:
            self._troubles.pop("login", None)
            return
        if "login" not in self._troubles:
            log.error("login.failed", error=str(failed), meaning=MEANING["login"])
        self._troubles["login"] = f"{failed}; {MEANING['login']}"

    def _on_trade(self, trade: MarketTrade) -> None:
        self._live.on_trade(trade)
        if self._ticks is not None:
            self._ticks.on_trade(trade)

    def _tick_of(self, contract_id: ContractId) -> Decimal | None:
        contract = self.desk.catalogue.get(contract_id)
        return contract.tick_size if contract is not None else None

    def _traded(self) -> set[str]:
        """Roots that the bots may trade, as of the last reload."""
        return {root for bot in self.desk.bot_configs.values() for root in bot.symbols}

    def _ranged(self) -> set[ContractId]:
        """What the bot may trade, and what its account holds: an older month of it, too."""
        held = {
            contract_id for account_id, contract_id in self.desk.state.positions if account_id == self.desk.account_id
        }
        for symbol in self._traded():
            try:
                held.add(self.desk.contract(symbol).contract_id)
            except UnknownSymbol:
                pass  # the start said it
        return held

    @asynccontextmanager
    async def main_loop_running(self) -> AsyncIterator[None]:
        """Recovers the state from the journal and decides what comes in, until the block ends and the inbox is empty."""
        await self._loop.recover(self.config.mode, VERSION)
        main = asyncio.create_task(self._loop.run(), name="main loop")
        main.add_done_callback(lambda _: self.desk.stop.set())  # nothing may go on without it
        try:
            yield
        finally:
            self._loop.close()
            await main

    async def serve(
        self, gateway: GatewayClient, pool: HubPool, executor: Executor, surface: Coroutine[Any, Any, None]
    ) -> None:
        """Comes up, runs until ``desk.stop`` is set, goes down in stages. Raises what made the start impossible."""
        self._loop.executor = executor
        self._lines.gateway = self.desk.lookup = gateway
        gateway.tokens.on_login = self._on_login
        self.desk.clock_offset = lambda: gateway.clock_offset_s
        feeds = Feeds(gateway, pool, self.desk, on_quote=self._prices.on_quote, on_trade=self._on_trade)
        feeds.listen(self._live)
        self._lines.feeds = feeds
        self.desk.market = MarketView(feeds, pool, self._live)
        config = self.config.start
        watching = Watching(self.desk, feeds, self._live, self._traded, config.prefetch_symbols)

        async def follow() -> None:
            await watching.follow()
            if self._ticks is not None:
                await self._ticks.follow(self.desk.catalogue, feeds)

        start = StartSequence(self.desk, gateway, feeds, config, self.config.bots, self._run_beside, follow)
        days = KeeperConfig(days=self.config.bars.record_days)
        self._keeper = Barkeeper(self.desk.history, self.desk.clock, lambda: watching.contracts, days)
        try:
            self._run_beside(gateway.keep_token_fresh(), "token refresh")
            self._run_beside(start.keep_catalogue(), "contract list")
            self._run_beside(self._prices.run(), "prices")
            self._run_beside(self.desk.history.run(), "bars to slower tiers")
            self._run_beside(self._live.run(), "live bars")
            self._run_beside(self._keeper.run(), "bar keeper")
            if self._ticks is not None:
                self._run_beside(self._ticks.run(), "tick recorder")
            self._run_beside(surface, "surface")
            self._run_beside(self._come_up(start), "start")
            await self.desk.stop.wait()
        finally:
            await self._go_down(executor)
            gc.unfreeze()
        for task in self._failed:
            task.result()

    async def _come_up(self, start: StartSequence) -> None:
        await start.run()
        self.is_ready.set()
        self._run_beside(self.desk.ranges.run(), "average ranges")
        gc.collect()
        gc.freeze()  # what the start made stays: later collections need not look at it, and stall the loop less

    def _run_beside(self, work: Coroutine[Any, Any, None] | Awaitable[None], name: str) -> None:
        """A task of this run. When one dies, the program stops, unless trading does not need it."""
        task: asyncio.Task[None] = asyncio.ensure_future(work)
        task.set_name(name)
        self._background.add(task)

        def ended(done: asyncio.Task[None]) -> None:
            self._background.discard(done)
            if not done.cancelled() and (error := done.exception()) is not None:
                if name in ASIDE:
                    log.error("task.died", task=name, exc_info=error, meaning="trading goes on without it")
                    why = f"ended by a fault ({type(error).__name__}: {error})"
                    self._troubles[name] = f"{why}; trading goes on, and the next start has it again"
                    return
                if not isinstance(error, DeskError):  # those are said in one sentence at the end
                    log.error("task.died", task=name, exc_info=error)
                self._failed = (*self._failed, done)
                self.desk.stop.set()

        task.add_done_callback(ended)

    async def _go_down(self, executor: Executor) -> None:
        if self._keeper is not None:
            self._last_bars = asyncio.create_task(self._keeper.newest(), name="last bars")
            self._background.add(self._last_bars)
        await run_stages(
            (
                Stage("doors answer 503", 0.5, self._close_doors),
                Stage("no more entries", 1.0, self._deny_entries),
                Stage("orders in flight settle", SETTLE_S + 0.5, lambda: self._settle(executor)),
                Stage("bars are written", 0.5, self._write_bars),
                Stage("tasks end", 2.0, self._end_background),
            )
        )

    async def _close_doors(self) -> str | None:
        self.desk.phase = Phase.STOPPING
        return None

    async def _deny_entries(self) -> str | None:
        self.desk.inbox.put(Stopping(reason="asked to stop", ts=self.desk.clock.now()))
        is_told = await self.desk.until(lambda state: state.is_stopping, timeout_s=0.9)
        return None if is_told else "the main loop did not take note"

    async def _settle(self, executor: Executor) -> str | None:
        """Sent orders get their answers, running exits and guards their end; what remains is found again at the next start.

        An exit has taken the stops away before it closes, and a guard looks for one that is missing: they get all the time
        that there is.
        """
        _, is_settled = await asyncio.gather(
            self.desk.until(_is_quiet, timeout_s=SETTLE_S), executor.settle(timeout_s=SETTLE_S)
        )
        if left := self.last_words():
            return left
        if not is_settled:
            return f"{executor.writes_in_flight} orders without an answer; looked up at the next start"
        return None

    def last_words(self) -> str:
        """What whoever ends the program at this moment must know of its positions; empty: nothing."""
        if _is_quiet(self.desk.state):
            return ""
        held = sorted({position.contract_id for position in self.desk.state.positions.values()})
        what = f"; {', '.join(held)} may have NO STOP: start again, or close it in TopstepX" if held else ""
        return f"an exit or a guard is under way{what}; it goes on at the next start"

    async def _write_bars(self) -> str | None:
        """What does not get there is fetched again when it is asked for. First what is there: the last ones may never come."""
        await self.desk.history.flush()
        if self._last_bars is not None:
            await asyncio.wait([self._last_bars], timeout=LAST_BARS_S)
        await self.desk.history.flush()
        return None

    async def _end_background(self) -> str | None:
        tasks = list(self._background)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return None


def _is_quiet(state: State) -> bool:
    """No plan runs that took stops away, or that looks for one."""
    kinds = ExitPlan | FlattenPlan | ReducePlan | ProtectPlan
    return not any(isinstance(plan, kinds) for plan in state.plans.values())


def _tick_recorder(config: SessionConfig, clock: Clock, troubles: MutableMapping[str, str]) -> TickRecorder | None:
    """Simulated markets have a place of their own."""
    if not config.bars.record_ticks:
        return None
    place = config.data_dir / "ticks" if config.is_shadow else config.data_dir / "paper" / "ticks"
    return TickRecorder(place, config.bars.record_ticks, clock, troubles)


def _always(contract_id: ContractId, now: datetime) -> bool:
    """The paper market never closes."""
    del contract_id, now
    return True


def _all_of_it(contract_id: ContractId, span: Span) -> Spans:
    del contract_id
    return (span,)


def _always_open(now: datetime) -> datetime:
    """The paper market never closes."""
    del now
    return datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class _Lines:
    """Where quotes and bars come from, once the gateway is there. Before that there are none."""

    gateway: GatewayClient | None = None
    feeds: Feeds | None = field(default=None)
    live: LiveBars | None = None

    def clock_offset_s(self) -> float | None:
        return self.gateway.clock_offset_s if self.gateway is not None else None

    def tail(self, contract_id: ContractId, timeframe: Timeframe, since: int) -> Bars | None:
        return self.live.tail(contract_id, timeframe, since) if self.live is not None else None

    async def watch_trades(self, contract_id: ContractId) -> None:
        if self.feeds is not None:
            await self.feeds.watch_trades(contract_id)

    async def unwatch_trades(self, contract_id: ContractId) -> None:
        if self.feeds is not None:
            await self.feeds.unwatch_trades(contract_id)

    def quote(self, contract_id: ContractId) -> Quote | None:
        return self.feeds.quote(contract_id) if self.feeds is not None else None

    async def watch(self, contract_id: ContractId) -> None:
        if self.feeds is not None:
            await self.feeds.watch(contract_id)

    async def bars(
        self,
        contract_id: ContractId,
        unit: BarUnit,
        unit_number: int,
        start: datetime,
        end: datetime,
        limit: int,
        partial: bool,
    ) -> Bars:
        if self.gateway is None:
            raise Unavailable("the gateway is not connected yet; try again in a moment")
        return await self.gateway.bar_columns(contract_id, unit, unit_number, start, end, limit, partial)
