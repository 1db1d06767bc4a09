"""The exchange itself: pure, time and prices are handed in, every mutation returns the user events it caused."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from desk.sim.admission import FillRules, place_refusal, size_refusal
from desk.sim.amending import Change, amended
from desk.sim.books import Books
from desk.sim.brackets import children_of
from desk.sim.floor import FindContract, Floor
from desk.sim.matching import trailing
from desk.sim.model import Account, Contract, Order, PlaceRequest, Quote, Reply, Row, UserEvent
from desk.sim.rules import trail_ticks
from desk.sim.sessions import FIRM_LEAD, listing_day, next_cut
from desk.sim.words import (
    FOLLOWER,
    LIVE,
    NOT_TRADING,
    TAG_IN_USE,
    Amend,
    Close,
    OrderType,
    PartialClose,
    Place,
    Side,
    Status,
)

__all__ = ["Answer", "Exchange", "FillRules", "FindContract"]

Answer = tuple[Reply, list[UserEvent]]
_JOINS = {OrderType.JOIN_BID, OrderType.JOIN_ASK}


class Exchange:
    """Accounts, orders and positions of the simulated venue.

    Life of an entry (reference 3.7): Pending (market) or Open (limit, stop, trailing) with Suspended children
    -> Filled, perhaps in parts -> children Open -> one leg Filled, the other Cancelled. A plain order knows no sibling.
    ``advance(now)`` does what is due, ``on_print`` lets a price trade; both may be called at any rate. With
    ``rules.hours`` "exchange" the firm's cut is among the things that are due (reference 6.4).
    """

    def __init__(self, accounts: Iterable[Account], find_contract: FindContract, rules: FillRules) -> None:
        self.books = Books()
        self.books.load(accounts)
        self.rules = rules
        self.floor = Floor(self.books, find_contract, rules)
        self.quotes = self.floor.quotes
        self._find = find_contract
        self._agenda = self.floor.agenda
        self._cuts: set[str] = set()

    # -- what the shell hands in ------------------------------------------------------------------------------

    def on_quote(self, contract_id: str, quote: Quote) -> None:
        """The market as of now; nothing trades by it until ``advance`` or ``on_print``."""
        self.quotes[contract_id] = quote

    def on_print(self, contract_id: str, quote: Quote, now: datetime) -> list[UserEvent]:
        """``quote.last`` traded: trigger stops and limits of that contract, oldest order first."""
        self._do_due_before(now)
        self.quotes[contract_id] = quote
        working = self.books.working.get(contract_id)
        if working and self._is_trading(contract_id, now):
            for order_id in list(working):
                order = self.books.orders[order_id]
                if order.status is Status.OPEN:
                    self.floor.touch(order, quote, now)
        return self.advance(now)

    def advance(self, now: datetime) -> list[UserEvent]:
        """Do all that is due by ``now``: market orders and marketable limits fill, children wake up, the day is cut."""
        while (item := self._agenda.take(now)) is not None:
            self._do(*item)
        return self.books.take_events()

    def next_due(self) -> datetime | None:
        """When ``advance`` has something to do next."""
        return self._agenda.next()

    def watched(self) -> set[str]:
        """Contracts whose prices matter: working orders or an open position."""
        resting = {contract_id for contract_id, orders in self.books.working.items() if orders}
        return resting | {contract_id for _, contract_id in self.books.positions}

    def restore(self, rows: Iterable[Row], now: datetime) -> None:
        """Take the rows of an earlier life; whatever was under way then is due now."""
        self.books.load(rows)
        for order in self.books.orders.values():
            if order.status in (Status.PENDING, Status.SUSPENDED) or order.status is Status.OPEN:
                self._agenda.add(now, order.id)
        for contract_id in self.watched():
            contract = self._find(contract_id, listing_day(now))
            if contract is not None:
                self._plan_cut(contract.group, now)

    # -- operations -------------------------------------------------------------------------------------------

    def place(self, request: PlaceRequest, now: datetime) -> Answer:
        """Order/place. A refused order exists all the same, with status 5 and its id in the reply."""
        account = self.books.accounts.get(request.account_id)
        if account is None:
            return Reply(Place.ACCOUNT_NOT_FOUND), []
        contract = self._find(request.contract_id, listing_day(now))
        if contract is None:
            return Reply(Place.CONTRACT_NOT_FOUND), []
        entry = self._new_order(request, contract, now)
        quote = self.quotes.get(contract.id)
        code, text = place_refusal(request, account, contract, quote, self.books, self.rules, now)
        if code is not Place.SUCCESS:
            tag = None if text == TAG_IN_USE else entry.custom_tag
            self.books.put_order(replace(entry, status=Status.REJECTED, custom_tag=tag))
            return Reply(code, text, entry.id), self.books.take_events()
        stop, target = children_of(entry, request, contract)
        if stop is not None:
            assert self.books.new_order_id() == stop.id, "the stop's id follows the entry's"
            self.books.put_order(stop)
        self.books.put_order(entry)
        if target is not None:
            assert self.books.new_order_id() == target.id, "the target's id follows the stop's"
            self.books.put_order(target)
        self._agenda.add(now + self.rules.fill_delay, entry.id)
        self._plan_cut(contract.group, now)
        return Reply(Place.SUCCESS, None, entry.id), self.advance(now)

    def cancel(self, account_id: int, order_id: int, now: datetime) -> Answer:
        """Order/cancel. A finished order answers 5 as bot logs of 2025 show; live accounts cannot (reference 3.8)."""
        code, order = self._own_order(account_id, order_id)
        if code is Amend.ACCOUNT_REJECTED:
            return Reply(code, FOLLOWER if self.books.accounts[account_id].follower else LIVE), []
        if order is None:
            return Reply(code), []
        if order.status is Status.PENDING:
            return Reply(Amend.PENDING), []
        self.floor.cancel(order, Status.CANCELLED, now)
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
        if order.status is Status.PENDING:
            return Reply(Amend.PENDING), []
        contract = self.floor.contract(order)
        if not self.rules.is_trading(contract, now):
            return Reply(Amend.REJECTED, NOT_TRADING), []
        change = Change(size, limit_price, stop_price, trail_price)
        result = amended(order, change, contract, self.quotes.get(contract.id), self.rules)
        if result.refused:
            return Reply(Amend.REJECTED, result.text), []
        if result.order.size > order.size and order.parent_id is None:
            account, more = self.books.accounts[account_id], result.order.left
            _, text = size_refusal(account, contract, order.side, more, self.books, self.rules)
            if text is not None:
                return Reply(Amend.REJECTED, text), []
        self._keep_amended(order, replace(result.order, updated=now), now)
        return Reply(Amend.SUCCESS), self.advance(now)

    def close(self, account_id: int, contract_id: str, now: datetime, size: int | None = None) -> Answer:
        """closeContract, or partialCloseContract with a size: a market order that leaves every other order alone.

        A contract that is not listed any more can be closed until it has expired.
        """
        codes = Close if size is None else PartialClose
        account = self.books.accounts.get(account_id)
        if account is None:
            return Reply(codes.ACCOUNT_NOT_FOUND), []
        if account.follower or (size is not None and not account.simulated):
            return Reply(codes.ACCOUNT_REJECTED), []
        contract = self._find(contract_id, listing_day(now))
        if contract is None:
            return Reply(codes.CONTRACT_NOT_FOUND), []
        net = self.books.net(account_id, contract_id)
        if net == 0:
            return Reply(codes.POSITION_NOT_FOUND), []
        if contract.ends is not None and now.date() >= contract.ends:
            return Reply(codes.CONTRACT_NOT_ACTIVE), []
        if size is not None and not 0 < size <= abs(net):
            return Reply(PartialClose.INVALID_CLOSE_SIZE), []
        if not self.rules.is_trading(contract, now) or contract_id not in self.quotes:
            return Reply(codes.ORDER_REJECTED), []
        order = self._closing_order(account_id, contract, size or abs(net), net, now)
        self._agenda.add(now + self.rules.fill_delay, order.id)
        return Reply(codes.SUCCESS), self.advance(now)

    def reject(self, order_id: int, now: datetime) -> list[UserEvent]:
        """Turn an accepted order down after all, as the venue may a moment after its reply (reference 3.6): status 5."""
        order = self.books.orders.get(order_id)
        if order is not None and order.is_working:
            self.floor.cancel(order, Status.REJECTED, now)
        return self.books.take_events()

    def set_account(self, account: Account) -> list[UserEvent]:
        """Change an account from outside: a lock-out, another bracket mode, a new balance."""
        self.books.put_account(account)
        return self.books.take_events()

    # -- inside -----------------------------------------------------------------------------------------------

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

    def _closing_order(self, account_id: int, contract: Contract, size: int, net: int, now: datetime) -> Order:
        """A market order of nobody's tag against a position."""
        side = Side.SELL if net > 0 else Side.BUY
        request = PlaceRequest(account_id, contract.id, OrderType.MARKET, side, size)
        return self.books.put_order(self._new_order(request, contract, now))

    def _own_order(self, account_id: int, order_id: int) -> tuple[Amend, Order | None]:
        account = self.books.accounts.get(account_id)
        if account is None:
            return Amend.ACCOUNT_NOT_FOUND, None
        if account.follower or not account.simulated:
            return Amend.ACCOUNT_REJECTED, None
        order = self.books.orders.get(order_id)
        if order is None or order.account_id != account_id:
            return Amend.ORDER_NOT_FOUND, None
        if not order.is_working:
            return Amend.UNKNOWN_ERROR, None
        return Amend.SUCCESS, order

    def _keep_amended(self, before: Order, after: Order, now: datetime) -> None:
        """The new version, and with another size the same for legs that still sleep."""
        self.books.put_order(after)
        if after.size != before.size:
            for leg in self.floor.legs(after.id):
                if leg.status is Status.SUSPENDED:
                    self.books.put_order(replace(leg, size=after.size, updated=now))
        if after.status is Status.OPEN:
            self._agenda.add(now + self.rules.fill_delay, after.id)

    def _is_trading(self, contract_id: str, now: datetime) -> bool:
        if self.rules.hours == "always":
            return True
        contract = self._find(contract_id, listing_day(now))
        return contract is not None and self.rules.is_trading(contract, now)

    def _do_due_before(self, now: datetime) -> None:
        """What was due before this instant must not see its price."""
        while (due := self._agenda.next()) is not None and due < now:
            item = self._agenda.take(now)
            assert item is not None, "what is due can be taken"
            self._do(*item)

    def _do(self, due: datetime, item: int | str) -> None:
        if isinstance(item, str):
            self._cut(item, due)
            return
        order = self.books.orders[item]
        self.floor.do_due(order, max(due, order.created))

    def _plan_cut(self, group: str, now: datetime) -> None:
        """Put the group's next cut on the agenda: the firm's own time, then the instant itself."""
        if self.rules.hours == "always" or group in self._cuts:
            return
        at = next_cut(group, now)
        self._cuts.add(group)
        self._agenda.add(at - FIRM_LEAD if now < at - FIRM_LEAD else at, group)

    def _cut(self, group: str, now: datetime) -> None:
        """The firm removes working orders (status 4, SIM choice) and closes positions of a group at market."""
        self._cuts.discard(group)
        concerned = {contract_id: self._find(contract_id, listing_day(now)) for contract_id in sorted(self.watched())}
        contracts = [row for row in concerned.values() if row is not None and row.group == group]
        for contract in contracts:
            for order_id in list(self.books.working.get(contract.id, ())):
                order = self.books.orders[order_id]
                if order.is_working:
                    self.floor.cancel(order, Status.EXPIRED, now)
            quote = self.quotes.get(contract.id)
            for (account_id, contract_id), position in list(self.books.positions.items()):
                if contract_id == contract.id and quote is not None:
                    order = self._closing_order(account_id, contract, position.size, position.net, now)
                    price = quote.ask if order.side is Side.BUY else quote.bid
                    while order.is_working:
                        order = self.floor.fill(order, price, now)
        if self.watched() & {contract.id for contract in contracts}:
            self._plan_cut(group, now)
