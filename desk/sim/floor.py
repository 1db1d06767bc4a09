"""Where orders meet prices: what a print does to an order, what is due, and what a fill means for its relatives."""

import heapq
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import count

from desk.sim.admission import FillRules
from desk.sim.books import Books
from desk.sim.brackets import activated
from desk.sim.matching import followed, is_marketable, is_triggered, limit_trades, stop_fill_price, stop_trades
from desk.sim.model import Contract, Order, Quote
from desk.sim.position_brackets import attend
from desk.sim.sessions import next_tradable
from desk.sim.words import Side, Status

FindContract = Callable[[str, date], Contract | None]


class Agenda:
    """What has to happen when: an order's id, or the name of a product group whose day ends."""

    def __init__(self) -> None:
        self._heap: list[tuple[datetime, int, int | str]] = []
        self._turn = count()

    def add(self, when: datetime, item: int | str) -> None:
        """Put one item down; items of one instant happen in the order in which they came."""
        heapq.heappush(self._heap, (when, next(self._turn), item))

    def next(self) -> datetime | None:
        """When the first item is due."""
        return self._heap[0][0] if self._heap else None

    def take(self, now: datetime) -> tuple[datetime, int | str] | None:
        """The first item that is due by ``now``, with its own time."""
        if not self._heap or self._heap[0][0] > now:
            return None
        when, _, item = heapq.heappop(self._heap)
        return when, item


class Floor:
    """Fills. Four knobs may be turned while it runs:

    fill_limit: how many contracts of an order one fill may take, at least 1; None for all that are left.
    refuses_leg: True for a bracket leg that the exchange rejects at the moment it should start to work.
    cancel_delay: how long after a cancel was accepted the order is cancelled, if it did not fill until then (reference 3.9).
    oco_delay: how long after a leg filled its sibling is cancelled; until then it may fill, too (reference 3.7, 6.3).
    """

    def __init__(self, books: Books, find: FindContract, rules: FillRules) -> None:
        self.books = books
        self.rules = rules
        self.quotes: dict[str, Quote] = {}
        self.agenda = Agenda()
        self.fill_limit: Callable[[Order], int | None] = lambda order: rules.lot
        self.refuses_leg: Callable[[Order], bool] = lambda leg: False
        self.oco_delay = self.cancel_delay = timedelta(0)
        self._cancelling: set[int] = set()
        self._find = find

    def touch(self, order: Order, quote: Quote, now: datetime) -> None:
        """Let one print at ``quote.last`` act on one open order."""
        if order.limit_price is not None:
            if limit_trades(order, quote.last, self.rules.limit_fills):
                self.fill(order, order.limit_price, now)
        elif order.stop_price is not None and not is_triggered(order):
            if stop_trades(order, quote.last):
                slip = self.rules.slip_ticks * self.contract(order).tick_size
                self.fill(order, stop_fill_price(order, quote, slip), now)
            elif (moved := followed(order, quote.last)) is not None:
                self.books.put_order(moved, quiet=True)

    def do_due(self, order: Order, now: datetime) -> None:
        """A market order fills, a marketable limit fills, a triggered stop goes on, a sleeping leg wakes up."""
        if order.status is Status.SUSPENDED:
            self._wake(order, now)
            return
        if self._is_left_over(order):
            self.books.finish(order, Status.CANCELLED, now)
            return
        if order.id in self._cancelling:
            self._cancelling.discard(order.id)
            if order.is_working:
                self._end(order, Status.CANCELLED, now)
            return
        quote = self.quotes.get(order.contract_id)
        if quote is None or not (order.status is Status.PENDING or is_triggered(order) or is_marketable(order, quote)):
            return
        if self.rules.hours == "exchange":
            contract = self.contract(order)
            if not self.rules.is_trading(contract, now):
                self.agenda.add(next_tradable(contract.group, now), order.id)
                return
        filled = self.fill(order, quote.ask if order.side is Side.BUY else quote.bid, now)
        if filled.is_working and filled.limit_price is not None:
            self.agenda.add(now + self.rules.fill_delay, order.id)

    def fill(self, order: Order, price: Decimal, now: datetime) -> Order:
        """Fill an order or a part of it, then look after legs, sibling and the position's own brackets."""
        limit = self.fill_limit(order)
        size = order.left if limit is None else min(order.left, max(limit, 1))
        contract = self.contract(order)
        filled = self.books.fill(order, price, size, contract, now)
        if filled.is_working and filled.limit_price is None:
            self.agenda.add(now + self.rules.fill_delay, order.id)
        for leg in self.legs(order.id):
            if leg.status is Status.SUSPENDED:
                self.agenda.add(now + self.rules.children_delay, leg.id)
            else:
                self.books.put_order(replace(leg, size=leg.size + size, updated=now))
        if order.parent_id is not None:
            self._after_exit(filled, order.parent_id, size, now)
        attend(self, filled, contract, now)
        return filled

    def cancel(self, order: Order, status: Status, now: datetime) -> None:
        """End one order; an entry without a fill takes its sleeping legs along, a leg leaves its sibling alone."""
        if status is Status.CANCELLED and self.cancel_delay and order.status is Status.OPEN:
            self._cancelling.add(order.id)
            self.agenda.add(now + self.cancel_delay, order.id)
        else:
            self._end(order, status, now)

    def _end(self, order: Order, status: Status, now: datetime) -> None:
        self.books.finish(order, status, now)
        if order.fill_volume == 0:
            for leg in self.legs(order.id):
                self.books.finish(leg, status, now)

    def legs(self, parent_id: int) -> list[Order]:
        """Working legs, target first: in the captures the target opens a moment before the stop (reference 3.7)."""
        rows = (self.books.orders.get(parent_id + offset) for offset in (2, 1))
        return [row for row in rows if row is not None and row.parent_id == parent_id and row.is_working]

    def contract(self, order: Order) -> Contract:
        """The contract of an order that was accepted once."""
        contract = self._find(order.contract_id, order.created.date())
        assert contract is not None, f"order {order.id} is in unknown contract {order.contract_id}"
        return contract

    def _wake(self, leg: Order, now: datetime) -> None:
        parent = self.books.orders[leg.parent_id] if leg.parent_id is not None else None
        if parent is None or parent.filled_price is None:
            return
        exited = sum(row.fill_volume for row in self.legs(parent.id) if row.id != leg.id)
        leg = replace(leg, size=parent.fill_volume - exited)
        if leg.size <= 0 or self.refuses_leg(leg):
            self.books.finish(leg, Status.CANCELLED if leg.size <= 0 else Status.REJECTED, now)
            return
        self.books.put_order(activated(leg, parent.filled_price, self.contract(leg), now))
        self.agenda.add(now, leg.id)

    def _after_exit(self, leg: Order, parent_id: int, size: int, now: datetime) -> None:
        """One leg traded: the sibling goes, or shrinks while the leg is not through; so does the rest of the entry."""
        for sibling in self.legs(parent_id):
            if sibling.id == leg.id:
                continue
            if leg.is_working and sibling.left > size:
                self.books.put_order(replace(sibling, size=sibling.size - size, updated=now))
            elif self.oco_delay and sibling.status is Status.OPEN:
                self.agenda.add(now + self.oco_delay, sibling.id)
            else:
                self.books.finish(sibling, Status.CANCELLED, now)
        parent = self.books.orders[parent_id]
        if not leg.is_working and parent.is_working:
            self.books.finish(parent, Status.CANCELLED, now)

    def _is_left_over(self, leg: Order) -> bool:
        """The other leg of its pair has filled, and this one still works."""
        if leg.status is not Status.OPEN or leg.parent_id is None:
            return False
        pair = (self.books.orders.get(leg.parent_id + offset) for offset in (1, 2))
        return any(row is not None and row.id != leg.id and row.status is Status.FILLED for row in pair)
