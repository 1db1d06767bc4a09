"""Both hubs' feeds over the pool. Reports of the user hub go to the inbox, a hub's trouble to where health is shown."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Protocol

import structlog

from desk.core.errors import ProtocolError
from desk.core.events import (
    AccountReported,
    FillReported,
    HubChanged,
    OrderReported,
    PositionReported,
    ResyncRequested,
)
from desk.core.ids import AccountId, ContractId
from desk.core.words import Quote
from desk.gateway import FeedWatch, GatewayClient, HubPool, Kind, MarketFeed, SilenceConfig, UserFeed
from desk.gateway.subscriptions import Subscription
from desk.market import DepthRow, MarketTrade, cme_is_open
from desk.market.depth import DepthBook
from desk.runtime.desk import Desk

__all__ = ["MEANING", "Feeds", "MarketListener"]

log = structlog.get_logger("desk.feeds")

MEANING = {
    "market hub": "no live quotes: trailing stops, break-even and orders that wait for a price stand still; "
    "market entries with a stop in points still work",
    "user hub": "fills cannot be seen: alerts are held until it is up",
}
BAD_EVENTS_LOGGED_EVERY_S = 60.0
REFUSED = "reports of the user hub"
CONTESTED = "another program uses this login: the gateway keeps ending our session; close it there, or use another key"


class MarketListener(Protocol):
    """Called in the hub's task; must be quick."""

    def on_up(self) -> None: ...
    def on_lost(self, reason: str) -> None: ...
    def on_unreadable(self, contract_id: ContractId) -> None: ...


class Feeds:
    """The quote source of surfaces, and the venue's reports. Connections belong to the pool and reconnect by themselves.

    silence: when a market hub without quotes is rebuilt. Default: the paper market never closes, the real one keeps the
    exchange's week. on_quote, on_trade: hear every merged quote and every trade, in the hub's task, before anybody else, and
    must be quick. Wishes are counted per contract and kind; those from before the connections are opened wait.
    """

    def __init__(
        self,
        gateway: GatewayClient,
        pool: HubPool,
        desk: Desk,
        silence: SilenceConfig | None = None,
        on_quote: Callable[[Quote], None] = lambda _: None,
        on_trade: Callable[[MarketTrade], None] = lambda _: None,
    ) -> None:
        paper, live = SilenceConfig(), SilenceConfig(is_open=cme_is_open)
        self._silence = silence or (paper if desk.mode == "paper" else live)
        self._on_quote = on_quote
        self._gateway = gateway
        self._pool = pool
        self._inbox = desk.inbox
        self._clock = desk.clock
        self._troubles = desk.troubles
        self._on_trade = on_trade
        self._wishes: Counter[tuple[ContractId, Kind]] = Counter()
        self._kept: set[ContractId] = set()  # whose quotes the desk needs for good; one wish each
        self._books: dict[ContractId, DepthBook] = {}
        self._listeners: list[MarketListener] = []
        self._contested: set[str] = set()  # hubs
        self._bad: dict[str, tuple[float, int]] = {}  # hub: when its bad events were logged, and how many came since
        self._is_user_up = False
        self.market: MarketFeed | None = None
        self.user: UserFeed | None = None

    def open_connections(self) -> None:
        """Both hubs begin to connect; the user hub's subscriptions follow once the accounts are known. Raises PoolFull."""
        config, tokens = self._gateway.config, self._gateway.tokens
        self._pool.connection(config.user_hub_url, tokens)
        watch = self._watch("market hub")
        self.market = MarketFeed(
            self._pool,
            config.market_hub_url,
            tokens,
            on_quote=self._on_quote,
            on_trade=self._on_trade,
            on_unreadable=self._unreadable,
            on_depth=self._on_depth,
            watch=replace(watch, on_up=self._market_up(watch.on_up), on_lost=self._market_lost(watch.on_lost)),
            silence=self._silence,
        )
        for contract_id, kind in self._wishes:
            self.market.want(contract_id, kind)

    async def market_is_up(self, timeout_s: float) -> None:
        """Until the market hub answered every subscription. Raises TimeoutError."""
        assert self.market is not None, "the connections are opened first"
        await self.market.settled(timeout_s)

    async def user_is_up(self, accounts: tuple[AccountId, ...], timeout_s: float) -> None:
        """Until the user hub answered every subscription; then the engine is told, which makes it reconcile.

        Raises TimeoutError; the connection goes on trying.
        """
        if self.user is None:
            self.user = self._user_feed(accounts)
        await self.user.settled(timeout_s)
        self._user_up()

    def problem(self, hub: str) -> str:
        """Why that hub is not up, as far as it is known."""
        config = self._gateway.config
        url = config.market_hub_url if hub == "market hub" else config.user_hub_url
        return self._pool.connection(url, self._gateway.tokens).status.last_error or "no answer yet"

    def quote(self, contract_id: ContractId) -> Quote | None:
        return self.market.quote(contract_id) if self.market is not None else None

    @property
    def heard_at(self) -> datetime | None:
        """When the market hub last sent any data, on our clock."""
        return self.market.last_data_at if self.market is not None else None

    async def watch(self, contract_id: ContractId) -> None:
        """The contract's quotes, once and for good: whoever is in a position or waits for a price needs them."""
        if contract_id not in self._kept:
            self._kept.add(contract_id)
            self._wish(contract_id, Kind.QUOTES)

    async def unwatch(self, contract_id: ContractId) -> None:
        """The desk needs the contract's quotes no more: its month is over and nothing is held in it."""
        if contract_id in self._kept:
            self._kept.discard(contract_id)
            self._unwish(contract_id, Kind.QUOTES)

    async def watch_quotes(self, contract_id: ContractId) -> None:
        """Count one more who looks at the quotes for a while."""
        self._wish(contract_id, Kind.QUOTES)

    async def unwatch_quotes(self, contract_id: ContractId) -> None:
        self._unwish(contract_id, Kind.QUOTES)

    async def watch_trades(self, contract_id: ContractId) -> None:
        """Count one more who wants the trades."""
        self._wish(contract_id, Kind.TRADES)

    async def unwatch_trades(self, contract_id: ContractId) -> None:
        self._unwish(contract_id, Kind.TRADES)

    async def watch_depth(self, contract_id: ContractId) -> DepthBook:
        """Count one more who looks at the book; it is empty at first. Call :meth:`unwatch_depth` as often."""
        book = self._books.setdefault(contract_id, DepthBook())
        self._wish(contract_id, Kind.DEPTH)
        return book

    async def unwatch_depth(self, contract_id: ContractId) -> None:
        self._unwish(contract_id, Kind.DEPTH)
        if (contract_id, Kind.DEPTH) not in self._wishes:
            self._books.pop(contract_id, None)

    def depth(self, contract_id: ContractId) -> DepthBook | None:
        """None: nobody looks at it."""
        return self._books.get(contract_id)

    def subscriptions(self) -> dict[ContractId, dict[Kind, int]]:
        """How many want what of each contract."""
        found: dict[ContractId, dict[Kind, int]] = {}
        for (contract_id, kind), count in sorted(self._wishes.items()):
            found.setdefault(contract_id, {})[kind] = count
        return found

    def listen(self, listener: MarketListener) -> None:
        """Hears of the market hub's coming and going."""
        self._listeners.append(listener)

    def _wish(self, contract_id: ContractId, kind: Kind) -> None:
        self._wishes[contract_id, kind] += 1
        if self._wishes[contract_id, kind] == 1 and self.market is not None:
            self.market.want(contract_id, kind)

    def _unwish(self, contract_id: ContractId, kind: Kind) -> None:
        if self._wishes[contract_id, kind] > 1:
            self._wishes[contract_id, kind] -= 1
        elif self._wishes.pop((contract_id, kind), 0) and self.market is not None:
            self.market.unwant(contract_id, kind)

    def _on_depth(self, row: DepthRow) -> None:
        book = self._books.get(row.contract_id)
        if book is not None:
            book.apply(row)

    def _unreadable(self, contract_id: ContractId) -> None:
        for listener in self._listeners:
            listener.on_unreadable(contract_id)

    def _market_up(self, tell: Callable[[], None]) -> Callable[[], None]:
        def up() -> None:
            tell()
            for listener in self._listeners:
                listener.on_up()

        return up

    def _market_lost(self, tell: Callable[[str], None]) -> Callable[[str], None]:
        def lost(reason: str) -> None:
            tell(reason)
            for book in self._books.values():
                book.clear()
            for listener in self._listeners:
                listener.on_lost(reason)

        return lost

    def _user_feed(self, accounts: tuple[AccountId, ...]) -> UserFeed:
        watch = self._watch("user hub")

        def up() -> None:
            watch.on_up()
            self._user_up()

        def lost(reason: str) -> None:
            watch.on_lost(reason)
            self._user_lost(reason)

        inbox, now = self._inbox, self._clock.now
        return UserFeed(
            self._pool,
            self._gateway.config.user_hub_url,
            self._gateway.tokens,
            accounts,
            on_order=lambda order: inbox.put(OrderReported(order=order, ts=now())),
            on_position=lambda position: inbox.put(PositionReported(position=position, ts=now())),
            on_fill=lambda fill: inbox.put(FillReported(fill=fill, ts=now())),
            on_account=lambda account: inbox.put(AccountReported(account=account, ts=now())),
            watch=replace(
                watch, on_up=up, on_lost=lost, on_bad_event=self._user_not_understood, on_refused=self._user_refused
            ),
        )

    def _user_up(self) -> None:
        if not self._is_user_up:
            self._is_user_up = True
            self._inbox.put(HubChanged(is_up=True, reason="connected", ts=self._clock.now()))

    def _user_lost(self, reason: str) -> None:
        self._troubles.pop(REFUSED, None)
        if self._is_user_up:
            self._is_user_up = False
            self._inbox.put(HubChanged(is_up=False, reason=reason, ts=self._clock.now()))

    def _user_not_understood(self, error: ProtocolError) -> None:
        """A report was lost to us: what it said is read again."""
        self._not_understood("user hub", error)
        self._inbox.put(ResyncRequested(reason="a report of the user hub was not understood", ts=self._clock.now()))

    def _not_understood(self, hub: str, error: ProtocolError) -> None:
        """Logged at once, then at most once a minute with their number: an odd payload comes many times a second."""
        now_s, (since_s, count) = self._clock.monotonic(), self._bad.get(hub, (-math.inf, 0))
        if now_s - since_s < BAD_EVENTS_LOGGED_EVERY_S:
            self._bad[hub] = (since_s, count + 1)
            return
        self._bad[hub] = (now_s, 0)
        log.warning("hub.bad_event", hub=hub, error=str(error), count=count + 1)

    def _user_refused(self, refused: dict[Subscription, str]) -> None:
        """Some reports do not come although the hub is up. When they do, what happened meanwhile is read."""
        if refused:
            names = ", ".join(f"{one.what} of {one.argument or 'the login'}" for one in sorted(refused, key=str))
            why = next(iter(refused.values()))
            self._troubles[REFUSED] = f"the gateway refuses {names} ({why}): they are only read from time to time"
            log.warning("hub.refused", hub="user hub", refused=names, error=why)
        elif self._troubles.pop(REFUSED, None):
            log.info("hub.accepted", hub="user hub")
            self._inbox.put(ResyncRequested(reason="reports of the user hub began late", ts=self._clock.now()))

    def _watch(self, hub: str) -> FeedWatch:
        """Logs, and keeps the hub's trouble current for whoever looks at the desk's health."""

        def up() -> None:
            self._troubles.pop(hub, None)
            log.info("hub.up", hub=hub)

        def lost(reason: str) -> None:
            self._troubles[hub] = f"{reason}; {MEANING[hub]}"
            log.warning("hub.lost", hub=hub, reason=reason, meaning=MEANING[hub])

        return FeedWatch(
            on_up=up,
            on_lost=lost,
            on_waiting=lambda reason, wait_s: log.warning(
                "hub.waiting", hub=hub, reason=reason, wait_s=round(wait_s, 1)
            ),
            on_bad_event=lambda error: self._not_understood(hub, error),
            on_contested=lambda is_contested: self._login_contested(hub, is_contested),
        )

    def _login_contested(self, hub: str, is_contested: bool) -> None:
        """GatewayLogout again and again, or no more (gateway reference 5.4). A person has to end the other program."""
        was_contested = bool(self._contested)
        (self._contested.add if is_contested else self._contested.discard)(hub)
        if self._contested and not was_contested:
            self._troubles["gateway login"] = CONTESTED
            log.error("login.contested", hub=hub, meaning=CONTESTED)
        elif was_contested and not self._contested:
            self._troubles.pop("gateway login", None)
            log.info("login.undisturbed", hub=hub)
