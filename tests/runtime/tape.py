"""Live bars on a simulated gateway whose time runs fast, and a history that asks it for every bar."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

from desk.core.errors import GatewayError
from desk.core.ids import ContractId
from desk.core.secret import Secret
from desk.core.timeframe import Timeframe, parse_timeframe
from desk.gateway import GatewayClient, GatewayConfig, HubPool
from desk.gateway.hubhealth import HubTimings
from desk.market.bars import Bars
from desk.runtime.feeds import Feeds
from desk.runtime.history import HistoryReply, HistoryService
from desk.runtime.livebars import LiveBars, LiveConfig
from desk.runtime.liveseries import BarClosed, BarCorrected, LiveEvent
from desk.sim import SimConfig, SimServer

MNQ, ES = ContractId("CON.F.US.MNQ.Z26"), ContractId("CON.F.US.EP.Z26")
T0 = datetime(2026, 11, 18, 15, 0, 30, tzinfo=UTC)  # a Wednesday
SPEED = 30.0
LONGEST_S = 1.0
FAST = LiveConfig(tick_s=0.02, settled_s=12.0, read_after_s=4.0, check_s=15.0, quiet_s=90.0, burst=1000)
TIMINGS = HubTimings(dead_after_s=1e6, backoff_s=(0.0, 2.0, 4.0), early_death_s=0.0)


class FastClock:
    """``SPEED`` seconds in one. A pause of this process is no more than ``LONGEST_S`` of them: else a moment in which the
    processor is another's would be seconds in which the hub says nothing."""

    def __init__(self, start: datetime = T0, speed: float = SPEED) -> None:
        self._start, self._speed = start, speed
        self._seen, self._passed = time.monotonic(), 0.0

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        seen = time.monotonic()
        self._passed += min((seen - self._seen) * self._speed, LONGEST_S)
        self._seen = seen
        return self._passed

    __call__ = now


class Asking:
    """A history without any memory."""

    def __init__(self, gateway: GatewayClient) -> None:
        self.gateway = gateway
        self.asked = 0
        self.failure: GatewayError | None = None

    async def between(
        self,
        contract_id: ContractId,
        timeframe: Timeframe,
        start: datetime,
        end: datetime,
        *,
        partial: bool = True,
        is_asked: bool = True,
    ) -> HistoryReply:
        assert not is_asked, "no person asked for it"
        self.asked += 1
        if self.failure is not None:
            raise self.failure
        bars = await self.gateway.bars(contract_id, timeframe.unit, timeframe.number, start, end, 20_000, partial)
        columns = Bars.of(bars).between(int(start.timestamp()), int(end.timestamp()))
        return HistoryReply(columns, "gateway", 0.0, partial, None, 1)

    async def bars(
        self, contract_id: ContractId, timeframe: Timeframe, n: int, *, partial: bool = True, is_asked: bool = True
    ) -> HistoryReply:
        now = clock_of(self.gateway).now()
        bars = await self.gateway.bars(
            contract_id, timeframe.unit, timeframe.number, now - timeframe.step * n, now, n, partial
        )
        return HistoryReply(Bars.of(bars), "gateway", 0.0, partial, None, 1)


def clock_of(gateway: GatewayClient) -> Any:
    return gateway._clock


@dataclass
class Stage:
    sim: SimServer
    gateway: GatewayClient
    history: Any  # Asking, or a HistoryService
    feeds: Feeds
    live: LiveBars
    clock: FastClock
    troubles: dict[str, str]
    heard: list[LiveEvent] = field(default_factory=list)

    def told(self, contract_id: ContractId, timeframe: str) -> list[Bars]:
        """The closed bars as they were told, with their corrections."""
        wanted = parse_timeframe(timeframe)
        found: dict[datetime, Any] = {}
        for event in self.heard:
            if event.contract_id != contract_id:
                continue
            if isinstance(event, BarClosed) and event.timeframe == wanted:
                assert event.bar.ts_open not in found, "told twice"
                assert not found or event.bar.ts_open > max(found), "out of order"
                found[event.bar.ts_open] = event.bar
            elif isinstance(event, BarCorrected) and event.timeframe == wanted:
                found[event.ts_open] = event.bar
        return [Bars.of(bar for bar in found.values() if bar is not None)]

    def checked(self, contract_id: ContractId, timeframe: str) -> Bars:
        """Those of them that history has confirmed by now."""
        (bars,) = self.told(contract_id, timeframe)
        until = self.live._series[contract_id].tape.checked_until
        return bars.between(0, until - parse_timeframe(timeframe).seconds + 1)

    async def theirs(self, contract_id: ContractId, timeframe: str, like: Bars) -> Bars:
        """The gateway's own bars over the same stretch."""
        wanted = parse_timeframe(timeframe)
        first, last = int(like.ts[0]), int(like.ts[-1]) + wanted.seconds
        start, end = datetime.fromtimestamp(first, UTC), datetime.fromtimestamp(last, UTC)
        bars = await self.gateway.bars(contract_id, wanted.unit, wanted.number, start, end, 20_000, False)
        return Bars.of(bars).between(first, last)

    async def until(self, claim: Callable[[], object], timeout_s: float = 20.0) -> None:
        async with asyncio.timeout(timeout_s):
            while not claim():  # noqa: ASYNC110 - what is waited for has no event of its own
                await asyncio.sleep(0.01)


class _Tail:
    """History is made before the live bars that it asks."""

    live: LiveBars | None = None

    def tail(self, contract_id: ContractId, timeframe: Timeframe, since: int) -> Bars | None:
        return self.live.tail(contract_id, timeframe, since) if self.live is not None else None


@asynccontextmanager
async def stage(
    config: LiveConfig = FAST, speed: float = SPEED, *, has_memory: bool = False, **sim: Any
) -> AsyncIterator[Stage]:
    """has_memory: with the desk's own history service."""
    clock = FastClock(speed=speed)
    troubles: dict[str, str] = {}
    desk = SimpleNamespace(inbox=None, clock=clock, troubles=troubles, mode="paper")
    options = {"market": "generated", "feed_interval_s": 0.02, **sim}
    async with (
        SimServer(SimConfig(clock=clock, seed=7, **options)) as server,
        GatewayClient(
            GatewayConfig(
                server.url, server.user_hub_url, server.market_hub_url, username="paper", api_key=Secret("paper")
            ),
            clock,
        ) as gateway,
        HubPool(clock=clock, timings=TIMINGS) as pool,
    ):
        server.set_limits(history=(100_000, 30.0))
        await gateway.login()
        tail = _Tail()
        history: Any = Asking(gateway)
        if has_memory:
            history = HistoryService(gateway.bar_columns, clock, live=tail)
        feeds = Feeds(gateway, pool, cast(Any, desk), on_trade=lambda trade: live.on_trade(trade))  # noqa: PLW0108 - made below
        live = LiveBars(
            history, clock, feeds, troubles=troubles, tick_of=lambda _: Decimal("0.25"),
            heard_at=lambda: feeds.heard_at, config=config,
        )  # fmt: skip
        feeds.listen(live)
        tail.live = live
        one = Stage(server, gateway, history, feeds, live, clock, troubles)
        live.listen(one.heard.append)
        running = asyncio.create_task(live.run(), name="live bars")
        try:
            feeds.open_connections()
            yield one
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
