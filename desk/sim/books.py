"""The exchange's rows and their bookkeeping: ids, positions, half-turns, balances, and the events they cause."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal

from desk.sim.model import Account, Contract, HalfTurn, Kind, Order, Position, Row, UserEvent
from desk.sim.words import Side, Status

FIRST_ORDER_ID = 3_408_995_735
FIRST_TRADE_ID = 3_005_729_733
FIRST_POSITION_ID = 825_245_547
_NINE_PLACES = Decimal("0.000000001")
_FOUR_PLACES = Decimal("0.0001")


@dataclass
class Books:
    """All rows of all accounts. Every change goes through a method here and leaves an event in ``events``."""

    accounts: dict[int, Account] = field(default_factory=dict)
    orders: dict[int, Order] = field(default_factory=dict)
    positions: dict[tuple[int, str], Position] = field(default_factory=dict)
    trades: list[HalfTurn] = field(default_factory=list)
    tags: set[tuple[int, str]] = field(default_factory=set)
    working: dict[str, dict[int, None]] = field(default_factory=dict)
    events: list[UserEvent] = field(default_factory=list)
    next_order_id: int = FIRST_ORDER_ID
    next_trade_id: int = FIRST_TRADE_ID
    next_position_id: int = FIRST_POSITION_ID

    def take_events(self) -> list[UserEvent]:
        """What happened since the last call, oldest first."""
        taken, self.events = self.events, []
        return taken

    def load(self, rows: Iterable[Row]) -> None:
        """Take rows kept from an earlier life, without events; ids and burnt tags go on after them."""
        for row in rows:
            match row:
                case Account():
                    self.accounts[row.id] = row
                case Order():
                    self._index(row)
                    self.next_order_id = max(self.next_order_id, row.id + 1)
                case Position():
                    if row.net:
                        self.positions[row.account_id, row.contract_id] = row
                    self.next_position_id = max(self.next_position_id, row.id + 1)
                case HalfTurn():
                    self.trades.append(row)
                    self.next_trade_id = max(self.next_trade_id, row.id + 1)

    def new_order_id(self) -> int:
        """Ids rise by one; an entry and its children get consecutive ones (reference 3.7)."""
        self.next_order_id += 1
        return self.next_order_id - 1

    def put_order(self, order: Order, *, quiet: bool = False) -> Order:
        """Keep a new version of an order. A terminal one never changes again. ``quiet``: no event (a trail moved)."""
        before = self.orders.get(order.id)
        assert before is None or not before.status.is_terminal, f"order {order.id} left terminal state {before}"
        self._index(order)
        if not quiet:
            self._tell("order", 1, order)
        return order

    def finish(self, order: Order, status: Status, now: datetime) -> Order:
        """Move an order to a terminal state other than filled."""
        return self.put_order(replace(order, status=status, updated=now))

    def fill(self, order: Order, price: Decimal, size: int, contract: Contract, now: datetime) -> Order:
        """Fill an order or a part of it at one price: order, trades, position and account events, in that usual order.

        A part leaves the order Open with its ``fill_volume`` grown and its average price (reference 3.7).
        """
        volume = order.fill_volume + size
        done = Status.FILLED if volume == order.size else Status.OPEN
        filled = replace(
            order, status=done, updated=now, fill_volume=volume, filled_price=_average(order, price, size),
        )  # fmt: skip
        self.put_order(filled)
        key = order.account_id, order.contract_id
        held = self.positions[key].net if key in self.positions else 0
        closing = min(abs(held), size) if held * order.side.sign < 0 else 0
        opening = size - closing
        cash = Decimal(0)
        if closing:
            cash += self._trade(filled, price, closing, contract, now, self._profit(key, price, closing, contract))
        if opening:
            cash += self._trade(filled, price, opening, contract, now, None)
        if closing:
            self._reduce(key, closing)
        if opening:
            self._extend(key, order.side, opening, price, contract, now)
        account = self.accounts[order.account_id]
        self.put_account(replace(account, balance=account.balance + cash))
        return filled

    def put_account(self, account: Account) -> None:
        """Keep a new version of an account and say so."""
        self.accounts[account.id] = account
        self._tell("account", 1, account)

    def net(self, account_id: int, contract_id: str) -> int:
        """Signed contracts held."""
        position = self.positions.get((account_id, contract_id))
        return position.net if position else 0

    def minis(self, account_id: int, except_for: str) -> Decimal:
        """What the account holds in all contracts but one, counted in minis whatever the direction."""
        held = (row for row in self.positions.values() if row.account_id == account_id)
        return sum((row.size * row.minis for row in held if row.contract_id != except_for), Decimal(0))

    def _index(self, order: Order) -> None:
        self.orders[order.id] = order
        if order.custom_tag is not None:
            self.tags.add((order.account_id, order.custom_tag))
        rows = self.working.setdefault(order.contract_id, {})
        if order.is_working:
            rows[order.id] = None
        else:
            rows.pop(order.id, None)

    def _tell(self, kind: Kind, action: int, row: Order | Position | HalfTurn | Account) -> None:
        account_id = row.id if isinstance(row, Account) else row.account_id
        self.events.append(UserEvent(kind, action, account_id, row))

    def _profit(self, key: tuple[int, str], price: Decimal, size: int, contract: Contract) -> Decimal:
        """Gross money made by closing ``size`` contracts at ``price``."""
        position = self.positions[key]
        move = (price - position.average_price) * (1 if position.net > 0 else -1)
        money = move / contract.tick_size * contract.tick_value * size
        return money.quantize(_FOUR_PLACES, ROUND_HALF_EVEN)

    def _trade(
        self, order: Order, price: Decimal, size: int, contract: Contract, now: datetime, profit: Decimal | None
    ) -> Decimal:
        """Write one half-turn row and return what it does to the balance (reference 3.10)."""
        fees, commissions = contract.fees * size, contract.commissions * size
        row = HalfTurn(
            self.next_trade_id, order.account_id, order.contract_id, now, price, profit, fees, commissions,
            order.side, size, order.id,
        )  # fmt: skip
        self.next_trade_id += 1
        self.trades.append(row)
        self._tell("trade", 0, row)
        return (profit or Decimal(0)) - fees - commissions

    def _reduce(self, key: tuple[int, str], size: int) -> None:
        position = self.positions[key]
        left = position.net - size if position.net > 0 else position.net + size
        reduced = replace(position, net=left)
        if left:
            self.positions[key] = reduced
            self._tell("position", 1, reduced)
        else:
            del self.positions[key]
            self._tell("position", 2, reduced)

    def _extend(
        self, key: tuple[int, str], side: Side, size: int, price: Decimal, contract: Contract, now: datetime
    ) -> None:
        old = self.positions.get(key)
        if old is None:
            weight = contract.minis
            new = Position(self.next_position_id, *key, contract.display_name, now, side.sign * size, price, weight)
            self.next_position_id += 1
        else:
            total = old.average_price * old.size + price * size
            average = (total / (old.size + size)).quantize(_NINE_PLACES, ROUND_HALF_EVEN).normalize()
            new = replace(old, net=old.net + side.sign * size, average_price=average)
        self.positions[key] = new
        self._tell("position", 1, new)


def _average(order: Order, price: Decimal, size: int) -> Decimal:
    """The order's filled price after one more fill, weighted by size."""
    if order.filled_price is None:
        return price
    total = order.filled_price * order.fill_volume + price * size
    return (total / (order.fill_volume + size)).quantize(_NINE_PLACES, ROUND_HALF_EVEN).normalize()
