"""The exchange itself: pure, time and prices are handed in, every mutation returns the user events it caused."""

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Literal

from desk.sim.books import Books
from desk.sim.brackets import activated, bracket_refusal, children_of
from desk.sim.matching import (
    followed,
    is_marketable,
    limit_trades,
    stop_fill_price,
    stop_trades,
    trailing,
)
from desk.sim.model import Account, Contract, Order, PlaceRequest, Quote, Reply, Row, UserEvent
from desk.sim.rules import (
    limit_refusal,
    price_refusal,
    shape_refusal,
    stop_refusal,
    trail_refusal,
    trail_ticks,
)
from desk.sim.words import (
    FOLLOWER,
    MAX_POSITION,
    NOT_TRADING,
    TAG_IN_USE,
    Amend,
    Close,
    OrderType,
    Place,
    Side,
    Status,
)

FindContract = Callable[[str, date], Contract | None]
Answer = tuple[Reply, list[UserEvent]]
_JOINS = {OrderType.JOIN_BID, OrderType.JOIN_ASK}


@dataclass(frozen=True)
class FillRules:
    """How long things take and how generous the market is."""

    fill_delay: timedelta = timedelta(0)
    children_delay: timedelta = timedelta(0)
    slip_ticks: int = 0
    limit_fills: Literal["through", "touch"] = "through"


class Exchange:
    """Accounts, orders and positions of the simulated venue.

    Life of an entry (reference 3.7): Pending (market) or Open (limit, stop, trailing) with Suspended children
    -> Filled -> children Open -> one leg Filled, the other Cancelled. A plain order knows no sibling.
    ``advance(now)`` does what is due, ``on_print`` lets a price trade; both may be called at any rate.
    """

    def __init__(self, accounts: Iterable[Account], find_contract: FindContract, rules: FillRules) -> None:
        self.books = Books()
        self.books.load(accounts)
        self.rules = rules
        self.quotes: dict[str, Quote] = {}
        self._find = find_contract
        self._due: list[tuple[datetime, int, int]] = []
        self._turn = count()

    # -- what the shell hands in ------------------------------------------------------------------------------

    def on_quote(self, contract_id: str, quote: Quote) -> None:
        """The market as of now; nothing trades by it until ``advance`` or ``on_print``."""
        self.quotes[contract_id] = quote

    def on_print(self, contract_id: str, quote: Quote, now: datetime) -> list[UserEvent]:
        """``quote.last`` traded: trigger stops and limits of that contract, oldest order first."""
        self.quotes[contract_id] = quote
        for order_id in list(self.books.working.get(contract_id, ())):
            order = self.books.orders[order_id]
            if order.status is Status.OPEN:
                self._touch(order, quote, now)
        return self.advance(now)

    def advance(self, now: datetime) -> list[UserEvent]:
        """Do everything that is due by ``now``: market orders fill, marketable limits fill, children wake up."""
        while self._due and self._due[0][0] <= now:
            due, _, order_id = heapq.heappop(self._due)
            self._do_due(self.books.orders[order_id], max(due, self.books.orders[order_id].created))
        return self.books.take_events()

    def next_due(self) -> datetime | None:
        """When ``advance`` has something to do next."""
        return self._due[0][0] if self._due else None

    def watched(self) -> set[str]:
        """Contracts whose prices matter: working orders or an open position."""
        resting = {contract_id for contract_id, orders in self.books.working.items() if orders}
        return resting | {contract_id for _, contract_id in self.books.positions}

    def restore(self, rows: Iterable[Row], now: datetime) -> None:
        """Take the rows of an earlier life; whatever was under way then is due now."""
        self.books.load(rows)
        for order in self.books.orders.values():
            if order.status in (Status.PENDING, Status.SUSPENDED) or order.status is Status.OPEN:
                self._schedule(order.id, now)

    # -- operations -------------------------------------------------------------------------------------------

    def place(self, request: PlaceRequest, now: datetime) -> Answer:
        """Order/place. A refused order exists all the same, with status 5 and its id in the reply."""
        account = self.books.accounts.get(request.account_id)
        if account is None:
            return Reply(Place.ACCOUNT_NOT_FOUND), []
        contract = self._find(request.contract_id, now.date())
        if contract is None:
            return Reply(Place.CONTRACT_NOT_FOUND), []
        entry = self._new_order(request, contract, now)
        code, text = self._refusal(request, account, contract)
        if code is not Place.SUCCESS:
            tag = None if text == TAG_IN_USE else entry.custom_tag
            self.books.put_order(replace(entry, status=Status.REJECTED, custom_tag=tag))
            return Reply(code, text, entry.id), self.books.take_events()
        stop, target = children_of(entry, request, contract)
        if stop is not None:
            assert self.books.new_order_id() == stop.id
            self.books.put_order(stop)
        self.books.put_order(entry)
        if target is not None:
            assert self.books.new_order_id() == target.id
            self.books.put_order(target)
        self._schedule(entry.id, now + self.rules.fill_delay)
        return Reply(Place.SUCCESS, None, entry.id), self.advance(now)

    def cancel(self, account_id: int, order_id: int, now: datetime) -> Answer:
        """Order/cancel. A finished order answers 5 as bot logs of 2025 show (reference 3.8)."""
        code, order = self._own_order(account_id, order_id)
        if order is None:
            return Reply(code), []
        if self.books.accounts[account_id].follower:
            return Reply(Amend.ACCOUNT_REJECTED, FOLLOWER), []
        if order.status is Status.PENDING:
            return Reply(Amend.PENDING), []
        self._cancel(order, now)
        return Reply(Amend.SUCCESS), self.books.take_events()

    def modify(
        self,
        account_id: int,
        order_id: int,
        now: datetime,
        *,
        size: int | None = None,
        limit_price: Decimal | None = None,
        stop_price: Decimal | None = None,
        trail_price: Decimal | None = None,
    ) -> Answer:
        """Order/modify: absent members stay. Prices that do not belong to the order's type are ignored."""
        code, order = self._own_order(account_id, order_id)
        if order is None:
            return Reply(code), []
        if order.status is not Status.OPEN:
            return Reply(Amend.PENDING if order.status is Status.PENDING else Amend.REJECTED), []
        changed, text = self._modified(order, size, limit_price, stop_price, trail_price)
        if text is not None:
            return Reply(Amend.REJECTED, text), []
        self.books.put_order(replace(changed, updated=now))
        self._schedule(order_id, now + self.rules.fill_delay)
        return Reply(Amend.SUCCESS), self.advance(now)

    def close(self, account_id: int, contract_id: str, now: datetime, size: int | None = None) -> Answer:
        """closeContract, or partialCloseContract with a size: a market order that leaves every other order alone."""
        if account_id not in self.books.accounts:
            return Reply(Close.ACCOUNT_NOT_FOUND), []
        contract = self._find(contract_id, now.date())
        if contract is None:
            return Reply(Close.CONTRACT_NOT_FOUND), []
        net = self.books.net(account_id, contract_id)
        if net == 0:
            return Reply(Close.POSITION_NOT_FOUND), []
        if size is not None and not 0 < size <= abs(net):
            return Reply(Close.INVALID_CLOSE_SIZE), []
        side = Side.SELL if net > 0 else Side.BUY
        request = PlaceRequest(account_id, contract_id, OrderType.MARKET, side, size or abs(net))
        order = self.books.put_order(self._new_order(request, contract, now))
        self._schedule(order.id, now + self.rules.fill_delay)
        return Reply(Close.SUCCESS), self.advance(now)

    def set_account(self, account: Account) -> list[UserEvent]:
        """Change an account from outside: a lock-out, another bracket mode, a new balance."""
        self.books.put_account(account)
        return self.books.take_events()

    # -- inside -----------------------------------------------------------------------------------------------

    def _refusal(self, request: PlaceRequest, account: Account, contract: Contract) -> tuple[Place, str | None]:
        if not contract.active:
            return Place.CONTRACT_NOT_ACTIVE, None
        if not account.can_trade:
            return Place.ACCOUNT_VIOLATION, None
        if (request.account_id, request.custom_tag) in self.books.tags:
            return Place.REJECTED, TAG_IN_USE
        quote = self.quotes.get(contract.id)
        if quote is None:
            return Place.REJECTED, NOT_TRADING
        text = (
            shape_refusal(request)
            or price_refusal(request, contract, quote)
            or bracket_refusal(request, auto_oco=account.auto_oco)
            or self._size_refusal(request, account, contract)
        )
        return (Place.REJECTED, text) if text else (Place.SUCCESS, None)

    def _size_refusal(self, request: PlaceRequest, account: Account, contract: Contract) -> str | None:
        """The account's contract limit, counted on the position this order alone would lead to."""
        if account.max_minis is None:
            return None
        after = self.books.net(account.id, contract.id) + Side(request.side).sign * request.size
        return MAX_POSITION if abs(after) * contract.minis > account.max_minis else None

    def _new_order(self, request: PlaceRequest, contract: Contract, now: datetime) -> Order:
        """The order a request describes; Join becomes a limit at the best price of its side (reference 3.6)."""
        order_type = OrderType(request.type) if request.type in set(OrderType) else OrderType.UNKNOWN
        quote = self.quotes.get(contract.id)
        limit = request.limit_price if order_type is OrderType.LIMIT else None
        stop = request.stop_price if order_type is OrderType.STOP else None
        if order_type in _JOINS and quote is not None:
            limit = quote.bid if order_type is OrderType.JOIN_BID else quote.ask
        side = Side(request.side) if request.side in set(Side) else Side.BUY
        order = Order(
            id=self.books.new_order_id(),
            account_id=request.account_id,
            contract_id=contract.id,
            symbol_id=contract.symbol_id,
            created=now,
            updated=now,
            status=Status.PENDING if order_type is OrderType.MARKET else Status.OPEN,
            type=order_type,
            side=side,
            size=request.size,
            limit_price=limit,
            stop_price=stop,
            custom_tag=request.custom_tag,
        )
        if order_type is OrderType.TRAILING_STOP and request.trail_price is not None and quote is not None:
            return trailing(order, trail_ticks(request.trail_price, contract, quote), contract, quote)
        return order

    def _own_order(self, account_id: int, order_id: int) -> tuple[Amend, Order | None]:
        if account_id not in self.books.accounts:
            return Amend.ACCOUNT_NOT_FOUND, None
        order = self.books.orders.get(order_id)
        if order is None or order.account_id != account_id:
            return Amend.ORDER_NOT_FOUND, None
        if not order.is_working:
            return Amend.UNKNOWN_ERROR, None
        return Amend.SUCCESS, order

    def _modified(
        self, order: Order, size: int | None, limit: Decimal | None, stop: Decimal | None, trail: Decimal | None
    ) -> tuple[Order, str | None]:
        contract, quote = self._contract(order), self.quotes[order.contract_id]
        text = None
        if size is not None:
            text = None if size > 0 else f"Invalid order size ({size})."
            order = replace(order, size=size)
        if limit is not None and order.limit_price is not None:
            text = text or limit_refusal(limit, contract)
            order = replace(order, limit_price=limit)
        if stop is not None and order.type is OrderType.STOP:
            text = text or stop_refusal(stop, order.side, contract, quote)
            order = replace(order, stop_price=stop)
        if trail is not None and order.type is OrderType.TRAILING_STOP:
            text = text or trail_refusal(trail, contract, quote, limited=False)
            order = trailing(order, trail_ticks(trail, contract, quote), contract, quote)
        return order, text

    def _touch(self, order: Order, quote: Quote, now: datetime) -> None:
        """Let one print at ``quote.last`` act on one open order."""
        if order.limit_price is not None:
            if limit_trades(order, quote.last, self.rules.limit_fills):
                self._fill(order, order.limit_price, now)
        elif order.stop_price is not None:
            if stop_trades(order, quote.last):
                slip = self.rules.slip_ticks * self._contract(order).tick_size
                self._fill(order, stop_fill_price(order, quote, slip), now)
            elif (moved := followed(order, quote.last)) is not None:
                self.books.put_order(moved, quiet=True)

    def _do_due(self, order: Order, now: datetime) -> None:
        quote = self.quotes.get(order.contract_id)
        if order.status is Status.SUSPENDED:
            self._wake(order, now)
        elif quote is not None and (order.status is Status.PENDING or is_marketable(order, quote)):
            self._fill(order, quote.ask if order.side is Side.BUY else quote.bid, now)

    def _wake(self, leg: Order, now: datetime) -> None:
        parent = self.books.orders[leg.parent_id] if leg.parent_id is not None else None
        if parent is None or parent.filled_price is None:
            return
        leg = replace(leg, size=parent.fill_volume)
        self.books.put_order(activated(leg, parent.filled_price, self._contract(leg), now))
        self._schedule(leg.id, now)

    def _fill(self, order: Order, price: Decimal, now: datetime) -> None:
        """Fill, then what a fill means for relatives: children wake up, the sibling leg goes (reference 3.7)."""
        self.books.fill(order, price, self._contract(order), now)
        for relative in self._children(order.id):
            self._schedule(relative.id, now + self.rules.children_delay)
        if order.parent_id is not None:
            for sibling in self._children(order.parent_id):
                if sibling.id != order.id:
                    self.books.finish(sibling, Status.CANCELLED, now)

    def _cancel(self, order: Order, now: datetime) -> None:
        """Cancel one order; an entry takes its sleeping children along, a leg leaves its sibling alone."""
        self.books.finish(order, Status.CANCELLED, now)
        for child in self._children(order.id):
            self.books.finish(child, Status.CANCELLED, now)

    def _children(self, parent_id: int) -> list[Order]:
        """Working children, target first: in the captures the target opens a moment before the stop."""
        rows = (self.books.orders.get(parent_id + offset) for offset in (2, 1))
        return [row for row in rows if row is not None and row.parent_id == parent_id and row.is_working]

    def _schedule(self, order_id: int, when: datetime) -> None:
        heapq.heappush(self._due, (when, next(self._turn), order_id))

    def _contract(self, order: Order) -> Contract:
        contract = self._find(order.contract_id, order.created.date())
        assert contract is not None, f"order {order.id} is in unknown contract {order.contract_id}"
        return contract
