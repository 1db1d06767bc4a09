"""The simulated exchange with a market that moves, and what its reads and its user hub show of it."""

from __future__ import annotations

import asyncio
import random
from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from desk.core import words as core_words
from desk.core.events import AccountReported, Event, FillReported, OrderReported, PositionReported
from desk.core.ids import AccountId, ClientOrderId, ContractId, FillId, GatewayOrderId
from desk.core.orders import OrderRequest
from desk.core.words import Account, Contract, Fill, OrderStatus, OrderType, Side, VenueOrder, VenuePosition
from desk.sim.catalogue import Catalogue
from desk.sim.exchange import Exchange, FillRules
from desk.sim.model import Account as SimAccount
from desk.sim.model import Bracket, HalfTurn, Order, PlaceRequest, Position, Quote, Reply, UserEvent
from desk.sim.model import Contract as SimContract
from desk.sim.sessions import listing_day
from desk.sim.words import OrderType as SimType
from desk.sim.words import Side as SimSide
from desk.sim.words import Status
from tests.world.times import ManualClock

ALPHA, BETA = AccountId(21000001), AccountId(21000002)
ACCOUNTS = (ALPHA, BETA)
PRINT_EVERY_S = 5.0
READS_LAG_S = 1.0
LAST_DAYS = timedelta(days=3)  # before its expiry nobody holds a month any more
KEPT = timedelta(hours=6)  # finished rows; whoever asks for older ones gets none

_TYPES = {kind: OrderType[kind.name] for kind in SimType}
_STATUSES = {s: OrderStatus.PENDING_CANCEL if s is Status.PENDING_CANCELLATION else OrderStatus[s.name] for s in Status}
_NUMBERS = {type_: kind for kind, type_ in _TYPES.items()}
_SIDES = {SimSide.BUY: Side.BUY, SimSide.SELL: Side.SELL}


@dataclass(frozen=True)
class Picture:
    """What a read shows of one account at one moment."""

    at: datetime
    working: tuple[VenueOrder, ...]
    positions: tuple[VenuePosition, ...]


class Venue:
    """Two accounts, a few products. ``tell`` hears every event at once; ``moved`` is called after each print.

    The active months roll as the catalogue says; an older one is quoted until it expires, and what is still held in it on its
    last day a person closes.
    """

    def __init__(
        self, clock: ManualClock, dice: random.Random, roots: tuple[str, ...], resize_legs: bool = True
    ) -> None:
        self._clock = clock
        self._dice = dice
        self._catalogue = Catalogue()
        self._symbol_ids = {f"F.US.{root}" for root in roots}
        self._day = listing_day(clock.now())
        contracts = self._active()
        self._listed = {row.id: row for row in contracts}
        accounts = [SimAccount(id=number, name=f"PRACTICE-{number}", balance=Decimal(50_000)) for number in ACCOUNTS]
        rules = FillRules(
            fill_delay=timedelta(milliseconds=8), children_delay=timedelta(milliseconds=18), resize_legs=resize_legs
        )
        self.exchange = Exchange(accounts, self._find, rules)
        self.contracts = {ContractId(row.id): _contract(row) for row in contracts}
        self.tell: Callable[[UserEvent, Event], None] = lambda row, event: None
        self.moved: Callable[[], None] = lambda: None
        self.working: dict[AccountId, dict[GatewayOrderId, VenueOrder]] = {number: {} for number in ACCOUNTS}
        self.positions: dict[AccountId, dict[ContractId, VenuePosition]] = {number: {} for number in ACCOUNTS}
        self._finished: dict[AccountId, list[VenueOrder]] = defaultdict(list)
        self._fills: dict[AccountId, list[Fill]] = defaultdict(list)
        self._fill_times: dict[AccountId, list[datetime]] = defaultdict(list)
        self._pictures: dict[AccountId, deque[Picture]] = {
            number: deque([Picture(clock.now(), (), ())]) for number in ACCOUNTS
        }
        self._ticks = {row.id: 80_000 for row in contracts}
        self._timer: asyncio.TimerHandle | None = None
        self._prints = 0
        self.is_still = False  # nothing trades
        self.is_dark = False  # no quotes
        self.orders = self.fills = self.rolls = 0

    # -- the market ----------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """The market begins to move, on the running loop."""
        for contract in self._listed.values():
            self.exchange.on_quote(contract.id, self._quote(contract))
        self._print()

    def _print(self) -> None:
        asyncio.get_running_loop().call_later(PRINT_EVERY_S, self._print)
        now = self._clock.now()
        events: list[UserEvent] = []
        if listing_day(now) != self._day:
            self._day = listing_day(now)
            self._roll()
        for contract in () if self.is_still else self._listed.values():
            drift = (80_000 - self._ticks[contract.id]) // 1000
            self._ticks[contract.id] += drift + round(self._dice.gauss(0, 7))
            events += self.exchange.on_print(contract.id, self._quote(contract), now)
        self._prints += 1
        if self._prints % 720 == 0:
            self._forget(now)
        self._told(events)
        self.moved()

    def _active(self) -> list[SimContract]:
        return [row for row in self._catalogue.available(self._day) if row.symbol_id in self._symbol_ids]

    def _roll(self) -> None:
        """A new trading day: next months are listed at the price of the one before, expired ones go."""
        active = {row.id: row for row in self._active()}
        for row in active.values():
            if row.id not in self._listed:
                before = max(old.id for old in self._listed.values() if old.symbol_id == row.symbol_id and old.active)
                self._ticks[row.id] = self._ticks[before]
                self.exchange.on_quote(row.id, self._quote(row))
                self.rolls += 1
        for old in list(self._listed.values()):
            if old.id in active:
                continue
            row = self._find(old.id, self._day)
            assert row is not None
            assert row.ends is not None, "a dated contract ends"
            if self._day < row.ends:
                active[row.id] = row
            if self._day + LAST_DAYS >= row.ends:
                for account_id in ACCOUNTS:
                    if self.qty(account_id, ContractId(row.id)):
                        self.close(account_id, ContractId(row.id))
        self._listed = active
        self.contracts = {ContractId(row.id): _contract(row) for row in active.values()}

    def _quote(self, contract: SimContract) -> Quote:
        last = self._ticks[contract.id] * contract.tick_size
        return Quote(bid=last, ask=last + contract.tick_size, last=last)

    def _find(self, contract_id: str, day: date) -> SimContract | None:
        return self._catalogue.find(contract_id, day)

    # -- orders --------------------------------------------------------------------------------------------------------

    def place(self, order: OrderRequest, is_refused: bool = False) -> Reply:
        """``is_refused``: the account is in the wrong bracket mode at this moment, so that the order burns its tag."""
        sign = order.side.sign
        kind = SimType.TRAILING_STOP if order.stop_is_trailing else SimType.STOP
        stop = Bracket(-sign * order.stop_ticks, kind) if order.stop_ticks is not None else None
        target = Bracket(sign * order.target_ticks, SimType.LIMIT) if order.target_ticks is not None else None
        request = PlaceRequest(
            order.account_id, order.contract_id, _NUMBERS[order.type], SimSide.BUY if sign > 0 else SimSide.SELL,
            order.qty, limit_price=order.limit_price, stop_price=order.stop_price, trail_price=order.trail_price,
            custom_tag=order.client_order_id, stop_loss=stop, take_profit=target,
        )  # fmt: skip
        account = self.exchange.books.accounts[order.account_id]
        if is_refused:
            self.exchange.set_account(replace(account, auto_oco=False))
        reply, events = self.exchange.place(request, self._clock.now())
        if is_refused:
            self.exchange.set_account(account)
        self.orders += reply.code == 0
        self._told(events)
        return reply

    def cancel(self, account_id: AccountId, order_id: GatewayOrderId) -> Reply:
        reply, events = self.exchange.cancel(account_id, order_id, self._clock.now())
        self._told(events)
        return reply

    def modify(
        self,
        account_id: AccountId,
        order_id: GatewayOrderId,
        qty: int | None,
        limit_price: Decimal | None,
        stop_price: Decimal | None,
    ) -> Reply:
        reply, events = self.exchange.modify(
            account_id, order_id, self._clock.now(), size=qty, limit_price=limit_price, stop_price=stop_price
        )
        self._told(events)
        return reply

    def close(self, account_id: AccountId, contract_id: ContractId, qty: int | None = None) -> Reply:
        reply, events = self.exchange.close(account_id, contract_id, self._clock.now(), qty)
        self.orders += reply.code == 0
        self._told(events)
        return reply

    def quote(self, contract_id: ContractId) -> core_words.Quote | None:
        """The newest quote, as fresh as the hub of a good day shows it; None while nobody shows any."""
        shown = self.exchange.quotes.get(contract_id)
        if shown is None or self.is_dark:
            return None
        now = self._clock.now()
        return core_words.Quote(
            contract_id=contract_id, bid=shown.bid, ask=shown.ask, last=shown.last, ts_event=now, ts_recv=now
        )

    def qty(self, account_id: AccountId, contract_id: ContractId) -> int:
        return self.exchange.books.net(account_id, contract_id)

    # -- reads ---------------------------------------------------------------------------------------------------------

    def picture(self, account_id: AccountId, as_of: datetime) -> Picture:
        """The newest picture that is not younger than ``as_of``."""
        pictures = self._pictures[account_id]
        for picture in reversed(pictures):
            if picture.at <= as_of:
                return picture
        return pictures[0]

    def orders_since(self, account_id: AccountId, since: datetime, as_of: datetime) -> list[VenueOrder]:
        """Created since then, finished and working."""
        rows: list[VenueOrder] = []
        for order in reversed(self._finished[account_id]):
            assert order.updated_at is not None, "the exchange stamps every version"
            if order.updated_at < since:
                break
            if order.created_at >= since and order.updated_at <= as_of:
                rows.append(order)
        working = (order for order in self.picture(account_id, as_of).working if order.created_at >= since)
        return [*reversed(rows), *working]

    def fills_since(self, account_id: AccountId, since: datetime, as_of: datetime) -> list[Fill]:
        first = bisect_left(self._fill_times[account_id], since)
        return [fill for fill in self._fills[account_id][first:] if fill.ts_event <= as_of]

    def accounts(self) -> list[Account]:
        return [_account(row) for row in self.exchange.books.accounts.values()]

    # -- events --------------------------------------------------------------------------------------------------------

    def _told(self, events: list[UserEvent]) -> None:
        touched: dict[AccountId, None] = {}
        told: list[tuple[UserEvent, Event]] = []
        for event in events:
            touched[AccountId(event.account_id)] = None
            told.append((event, self._note(event)))
        now = self._clock.now()
        for account_id in touched:
            pictures = self._pictures[account_id]
            while len(pictures) > 1 and pictures[1].at < now - timedelta(seconds=2 * READS_LAG_S):
                pictures.popleft()
            working, positions = self.working[account_id], self.positions[account_id]
            pictures.append(Picture(now, tuple(working.values()), tuple(positions.values())))
        for row, event in told:
            self.tell(row, event)
        self._wind(now)

    def _note(self, told: UserEvent) -> Event:
        """Keeps the row for reads, and returns what the hub says of it."""
        now = self._clock.now()
        match told.row:
            case Order() as row:
                order = _order(row)
                working = self.working[order.account_id]
                working.pop(order.gateway_order_id, None)
                if order.status.is_working:
                    working[order.gateway_order_id] = order
                else:
                    self._finished[order.account_id].append(order)
                return OrderReported(order=order, ts=now)
            case Position() as row:
                position = _position(row)
                self.positions[position.account_id].pop(position.contract_id, None)
                if position.qty:
                    self.positions[position.account_id][position.contract_id] = position
                return PositionReported(position=position, ts=now)
            case HalfTurn() as row:
                fill = _fill(row)
                self.fills += 1
                self._fills[fill.account_id].append(fill)
                self._fill_times[fill.account_id].append(fill.ts_event)
                return FillReported(fill=fill, ts=now)
            case SimAccount() as row:
                return AccountReported(account=_account(row), ts=now)

    def _wind(self, now: datetime) -> None:
        due = self.exchange.next_due()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if due is not None:
            delay = max((due - now).total_seconds(), 0.0) + 1e-6
            self._timer = asyncio.get_running_loop().call_later(delay, self._advance)

    def _advance(self) -> None:
        self._timer = None
        self._told(self.exchange.advance(self._clock.now()))

    def _forget(self, now: datetime) -> None:
        """Rows that no read of the desk reaches any more, so that ten thousand hours fit into memory."""
        oldest = now - KEPT
        books = self.exchange.books
        for number in [n for n, row in books.orders.items() if row.status.is_terminal and row.updated < oldest]:
            del books.orders[number]
        books.trades.clear()
        for account_id in ACCOUNTS:
            kept = [row for row in self._finished[account_id] if row.updated_at is None or row.updated_at >= oldest]
            self._finished[account_id] = kept
            first = bisect_left(self._fill_times[account_id], oldest)
            del self._fill_times[account_id][:first], self._fills[account_id][:first]


def _contract(row: SimContract) -> Contract:
    return Contract(
        contract_id=ContractId(row.id),
        name=row.name,
        description=row.description,
        tick_size=row.tick_size,
        tick_value=row.tick_value,
        symbol_id=row.symbol_id,
        is_active=row.active,
    )


def _account(row: SimAccount) -> Account:
    return Account(account_id=AccountId(row.id), name=row.name, balance=row.balance, can_trade=row.can_trade)


def _order(row: Order) -> VenueOrder:
    return VenueOrder(
        gateway_order_id=GatewayOrderId(row.id),
        account_id=AccountId(row.account_id),
        contract_id=ContractId(row.contract_id),
        status=_STATUSES[row.status],
        type=_TYPES[row.type],
        side=_SIDES[row.side],
        qty=row.size,
        filled_qty=row.fill_volume,
        filled_price=row.filled_price,
        limit_price=row.limit_price,
        stop_price=row.stop_price,
        tag=ClientOrderId(row.custom_tag) if row.custom_tag is not None else None,
        parent_id=GatewayOrderId(row.parent_id) if row.parent_id is not None else None,
        created_at=row.created,
        updated_at=row.updated,
    )


def _position(row: Position) -> VenuePosition:
    return VenuePosition(
        account_id=AccountId(row.account_id),
        contract_id=ContractId(row.contract_id),
        qty=row.net,
        avg_price=row.average_price,
        opened_at=row.created,
    )


def _fill(row: HalfTurn) -> Fill:
    return Fill(
        fill_id=FillId(row.id),
        account_id=AccountId(row.account_id),
        contract_id=ContractId(row.contract_id),
        gateway_order_id=GatewayOrderId(row.order_id),
        side=_SIDES[row.side],
        qty=row.size,
        price=row.price,
        gross_pnl=row.profit,
        fees=row.fees,
        commissions=row.commissions,
        ts_event=row.created,
    )
