"""The two hubs as core types: quotes and prints of contracts; orders, positions, fills and balances of accounts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

import msgspec

from desk.core.errors import ProtocolError
from desk.core.ids import AccountId, ContractId
from desk.core.words import Account, Fill, Quote, VenueOrder, VenuePosition
from desk.gateway.hub import HubConnection
from desk.gateway.hubpool import HubPool
from desk.gateway.hubwire import (
    parse_contract_id,
    parse_depth,
    parse_quote,
    parse_trades,
    parse_user_event,
    user_decoder,
)
from desk.gateway.hubwords import HubStatus, TokenSource
from desk.gateway.silence import Silence, SilenceConfig
from desk.gateway.subscriptions import Subscription
from desk.gateway.wire import WireAccount, WireOrder, WirePosition, WireTrade
from desk.market import DepthRow, MarketTrade, QuoteBook

__all__ = ["FeedWatch", "Kind", "MarketFeed", "UserFeed"]


_Item = TypeVar("_Item", Account, Fill, VenueOrder, VenuePosition)


class Kind(StrEnum):
    """What can be subscribed of a contract."""

    QUOTES = "quotes"
    TRADES = "trades"
    DEPTH = "depth"

    @property
    def hub_name(self) -> str:
        """What the hub calls it (reference 5.2)."""
        return _METHODS[self]


_METHODS = {Kind.QUOTES: "ContractQuotes", Kind.TRADES: "ContractTrades", Kind.DEPTH: "ContractMarketDepth"}


def _nothing(*_: object) -> None:
    """A callback that nobody set."""


@dataclass(frozen=True)
class FeedWatch:
    """Callbacks about the connection itself, called in its tasks; see ``hubwords.HubListener``.

    A bad event of the user hub may have been news of an order: treat it like a gap and read the state again.
    """

    on_up: Callable[[], None] = _nothing
    on_lost: Callable[[str], None] = _nothing
    on_waiting: Callable[[str, float], None] = _nothing
    on_bad_event: Callable[[ProtocolError], None] = _nothing
    on_refused: Callable[[dict[Subscription, str]], None] = _nothing
    on_contested: Callable[[bool], None] = _nothing


class MarketFeed:
    """Market data over the pooled market hub. Callbacks are synchronous and must be quick; a slow consumer keeps the
    newest.

    Quotes are merged; after a lost connection they are forgotten, so that nobody mixes before and after.
    """

    def __init__(
        self,
        pool: HubPool,
        url: str,
        tokens: TokenSource,
        *,
        on_quote: Callable[[Quote], None] = _nothing,
        on_trade: Callable[[MarketTrade], None] = _nothing,
        on_unreadable: Callable[[ContractId], None] = _nothing,
        on_depth: Callable[[DepthRow], None] = _nothing,
        watch: FeedWatch | None = None,
        silence: SilenceConfig | None = None,
    ) -> None:
        """Opens the connection, or reuses it. on_unreadable: trades of a contract came that were not understood.

        Raises PoolFull.
        """
        self._on_quote = on_quote
        self._on_trade = on_trade
        self._on_unreadable = on_unreadable
        self._on_depth = on_depth
        self._watch = watch or FeedWatch()
        self._book = QuoteBook()
        self._quoted: Counter[ContractId] = Counter()  # subscribers of quotes
        self._silence_config = silence or SilenceConfig()
        self._silence = Silence(self._silence_config)
        self.last_data_at: datetime | None = None  # any market event, on our clock; staleness is measured on data (5.5)
        self.connection: HubConnection = pool.connection(url, tokens)
        self.connection.listen(self)
        self.connection.probe(self._is_silent)

    async def subscribe(self, contract_id: ContractId, kinds: Iterable[Kind] = (Kind.QUOTES, Kind.TRADES)) -> None:
        """Count one more subscriber per kind. Returns at once, connected or not.

        :meth:`settled` waits for the server.
        """
        for kind in kinds:
            self.want(contract_id, kind)

    async def unsubscribe(self, contract_id: ContractId, kinds: Iterable[Kind] = (Kind.QUOTES, Kind.TRADES)) -> None:
        """Count one subscriber less per kind; the last one's leaving is told to the server."""
        for kind in kinds:
            self.unwant(contract_id, kind)

    def want(self, contract_id: ContractId, kind: Kind) -> None:
        """Count one more subscriber."""
        self.connection.want(Subscription(_METHODS[kind], contract_id))
        if kind is Kind.QUOTES:
            self._quoted[contract_id] += 1

    def unwant(self, contract_id: ContractId, kind: Kind) -> None:
        """Count one subscriber less."""
        self.connection.unwant(Subscription(_METHODS[kind], contract_id))
        if kind is not Kind.QUOTES or contract_id not in self._quoted:
            return
        self._quoted[contract_id] -= 1
        if not self._quoted[contract_id]:
            del self._quoted[contract_id]
            self._book.forget(contract_id)

    async def settled(self, timeout_s: float = 30.0) -> None:
        """Until connected and every wish is confirmed or refused. Raises TimeoutError."""
        await self.connection.settled(timeout_s)

    @property
    def subscribed(self) -> frozenset[ContractId]:
        """Contracts that somebody wants anything of."""
        return _contracts(self.connection.wanted)

    @property
    def pending(self) -> frozenset[ContractId]:
        """Contracts with a wish that the server has not confirmed."""
        return _contracts(self.connection.pending)

    @property
    def is_up(self) -> bool:
        return self.connection.is_up

    @property
    def status(self) -> HubStatus:
        return self.connection.status

    def quote(self, contract_id: ContractId) -> Quote | None:
        """The newest merged quote since the connection is up; None: none yet."""
        return self._book.get(contract_id)

    def restart(self, reason: str) -> None:
        """Rebuild the connection, whatever it says of itself."""
        self.connection.restart(reason)

    def _is_silent(self, now_s: float, now: datetime) -> str | None:
        """The watchdog on data (5.5): asked by the connection once a second."""
        is_expected = self.connection.is_up and any(
            one.what == _METHODS[Kind.QUOTES] and self._silence_config.is_liquid(ContractId(str(one.argument)))
            for one in self.connection.active
        )
        return self._silence.check(now_s, now, is_expected=is_expected)

    # -- hub.HubListener -----------------------------------------------------------------------------------------------

    def on_event(self, target: str, arguments: list[msgspec.Raw], ts_recv: datetime) -> None:
        if target == "GatewayQuote":
            contract_id, payload = parse_contract_id(arguments)
            if contract_id in self._quoted:  # else: late, after unsubscribing
                self._on_quote(self._book.apply(parse_quote(contract_id, payload, ts_recv)))
                self._silence.heard = True
        elif target == "GatewayTrade":
            contract_id, payload = parse_contract_id(arguments)
            for trade in self._trades(contract_id, payload, ts_recv):
                self._on_trade(trade)
        elif target == "GatewayDepth":
            contract_id, payload = parse_contract_id(arguments)
            for row in parse_depth(contract_id, payload, ts_recv):
                self._on_depth(row)
        else:
            return
        self.last_data_at = ts_recv

    def _trades(self, contract_id: ContractId, payload: msgspec.Raw, ts_recv: datetime) -> list[MarketTrade]:
        try:
            return parse_trades(contract_id, payload, ts_recv)
        except ProtocolError:
            self._on_unreadable(contract_id)  # whoever adds trades up has to know that some are missing
            raise

    def on_up(self) -> None:
        self._silence.begin()
        self._watch.on_up()

    def on_lost(self, reason: str) -> None:
        self._book.clear()
        self._watch.on_lost(reason)

    def on_waiting(self, reason: str, wait_s: float) -> None:
        self._watch.on_waiting(reason, wait_s)

    def on_bad_event(self, error: ProtocolError) -> None:
        self._watch.on_bad_event(error)

    def on_refused(self, refused: dict[Subscription, str]) -> None:
        self._watch.on_refused(refused)

    def on_contested(self, is_contested: bool) -> None:
        self._watch.on_contested(is_contested)


def _contracts(subscriptions: frozenset[Subscription]) -> frozenset[ContractId]:
    return frozenset(ContractId(one.argument) for one in subscriptions if isinstance(one.argument, str))


_account_decoder = user_decoder(WireAccount)
_order_decoder = user_decoder(WireOrder)
_position_decoder = user_decoder(WirePosition)
_trade_decoder = user_decoder(WireTrade)


class UserFeed:
    """Orders, positions, fills and balances of the given accounts over the pooled user hub.

    Account events come for every account of the login (5.4): others are dropped by id, in every handler. There is no
    snapshot and no replay: after ``watch.on_up`` read the state over REST. A fill's order event may come before the
    reply of place.
    """

    def __init__(
        self,
        pool: HubPool,
        url: str,
        tokens: TokenSource,
        account_ids: Iterable[AccountId],
        *,
        on_order: Callable[[VenueOrder], None] = _nothing,
        on_position: Callable[[VenuePosition], None] = _nothing,
        on_fill: Callable[[Fill], None] = _nothing,
        on_account: Callable[[Account], None] = _nothing,
        watch: FeedWatch | None = None,
    ) -> None:
        """Opens the connection, or reuses it, and subscribes. Raises PoolFull."""
        self.account_ids = frozenset(account_ids)
        self._on_order = on_order
        self._on_position = on_position
        self._on_fill = on_fill
        self._on_account = on_account
        self._watch = watch or FeedWatch()
        self.connection: HubConnection = pool.connection(url, tokens)
        self.connection.want(Subscription("Accounts"))
        for account_id in sorted(self.account_ids):
            for what in ("Orders", "Positions", "Trades"):
                self.connection.want(Subscription(what, int(account_id)))
        self.connection.listen(self)

    async def settled(self, timeout_s: float = 30.0) -> None:
        """Until connected and every subscription is confirmed or refused. Raises TimeoutError."""
        await self.connection.settled(timeout_s)

    @property
    def is_up(self) -> bool:
        return self.connection.is_up

    @property
    def status(self) -> HubStatus:
        return self.connection.status

    # -- hub.HubListener -----------------------------------------------------------------------------------------------

    def on_event(self, target: str, arguments: list[msgspec.Raw], ts_recv: datetime) -> None:
        match target:
            case "GatewayUserOrder":
                for order in parse_user_event(arguments, _order_decoder):
                    self._hand_out(order.to_core(), self._on_order)
            case "GatewayUserPosition":
                for position in parse_user_event(arguments, _position_decoder):
                    self._hand_out(position.to_core(), self._on_position)
            case "GatewayUserTrade":
                for trade in parse_user_event(arguments, _trade_decoder):
                    self._hand_out(trade.to_core(), self._on_fill)
            case "GatewayUserAccount":
                for account in parse_user_event(arguments, _account_decoder):
                    self._hand_out(account.to_core(), self._on_account)
            case _:
                pass

    def _hand_out(self, item: _Item, callback: Callable[[_Item], None]) -> None:
        if item.account_id in self.account_ids:
            callback(item)

    def on_up(self) -> None:
        self._watch.on_up()

    def on_lost(self, reason: str) -> None:
        self._watch.on_lost(reason)

    def on_waiting(self, reason: str, wait_s: float) -> None:
        self._watch.on_waiting(reason, wait_s)

    def on_bad_event(self, error: ProtocolError) -> None:
        self._watch.on_bad_event(error)

    def on_refused(self, refused: dict[Subscription, str]) -> None:
        self._watch.on_refused(refused)

    def on_contested(self, is_contested: bool) -> None:
        self._watch.on_contested(is_contested)
