"""What surfaces may look at and ask for of the live market, beyond quotes: books, bars in progress, who subscribed what.

Whoever looks counts as one subscriber while looking, and as none afterwards, however that ends.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from desk.core.ids import ContractId
from desk.core.timeframe import Timeframe
from desk.gateway import HubPool
from desk.gateway.hubwords import HubStatus
from desk.gateway.subscriptions import Subscription
from desk.market.depth import DepthBook
from desk.runtime.feeds import Feeds
from desk.runtime.livebars import LiveBars
from desk.runtime.liveseries import Developing

__all__ = ["HubLine", "MarketStatus", "MarketView", "Subscribed"]


@dataclass(frozen=True, slots=True)
class Subscribed:
    """One kind of data of one contract. count: who wants it. refused: the hub's words."""

    contract_id: ContractId
    kind: str  # quotes | trades | depth
    count: int
    is_confirmed: bool
    refused: str | None


@dataclass(frozen=True, slots=True)
class HubLine:
    """One connection of the pool. name: its URL and the login."""

    name: str
    is_up: bool
    since: datetime | None
    wanted: int
    active: int
    opened: int
    last_error: str | None


@dataclass(frozen=True, slots=True)
class MarketStatus:
    """heard_at: when the market hub last sent any data, on our clock. bars: live bars, subscribers by contract and timeframe."""

    subscribed: tuple[Subscribed, ...]
    bars: dict[ContractId, dict[str, int]]
    heard_at: datetime | None
    hubs: tuple[HubLine, ...]
    most_connections: int


class MarketView:
    """``live`` None: nobody builds bars from trades."""

    def __init__(self, feeds: Feeds, pool: HubPool, live: LiveBars | None = None) -> None:
        self._feeds = feeds
        self._pool = pool
        self._live = live

    @asynccontextmanager
    async def looking_at_depth(self, contract_id: ContractId) -> AsyncIterator[DepthBook]:
        """The book, empty at first where nobody else looks."""
        book = await self._feeds.watch_depth(contract_id)
        try:
            yield book
        finally:
            await self._feeds.unwatch_depth(contract_id)

    @asynccontextmanager
    async def looking_at(self, contract_ids: Iterable[ContractId], timeframe: Timeframe) -> AsyncIterator[None]:
        """Quotes and the bar in progress of each."""
        async with AsyncExitStack() as stack:
            for contract_id in contract_ids:
                await self._feeds.watch_quotes(contract_id)
                stack.push_async_callback(self._feeds.unwatch_quotes, contract_id)
                if self._live is not None:
                    await self._live.subscribe(contract_id, timeframe)
                    stack.push_async_callback(self._live.unsubscribe, contract_id, timeframe)
            yield

    def developing(self, contract_id: ContractId, timeframe: Timeframe) -> Developing | None:
        """The bar in progress. None: nobody builds it."""
        return self._live.developing(contract_id, timeframe) if self._live is not None else None

    def status(self) -> MarketStatus:
        market = self._feeds.market
        active = market.connection.active if market is not None else frozenset()
        refused = market.status.refused if market is not None else {}
        subscribed = []
        for contract_id, kinds in self._feeds.subscriptions().items():
            for kind, count in kinds.items():
                one = Subscription(kind.hub_name, contract_id)
                subscribed.append(Subscribed(contract_id, kind.value, count, one in active, refused.get(one)))
        return MarketStatus(
            subscribed=tuple(subscribed),
            bars=self._live.subscribed() if self._live is not None else {},
            heard_at=self._feeds.heard_at,
            hubs=tuple(_hub_line(name, status) for name, status in self._pool.statuses.items()),
            most_connections=self._pool.max_size,
        )


def _hub_line(name: str, status: HubStatus) -> HubLine:
    return HubLine(name, status.is_up, status.since, status.wanted, status.active, status.opened, status.last_error)
