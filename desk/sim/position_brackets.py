"""The platform's own exits in Position-Brackets mode: one stop and one target per position, in dollars.

The reference (3.6, Topstep rules 15) says that they exist, have no parent and no tag, and stand at least 4 ticks away.
The rest is the simulator's choice: they follow the position's size, get a new price only when it grows, and go with it.
"""

from dataclasses import replace
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import TYPE_CHECKING

from desk.sim.model import Contract, Order, Position
from desk.sim.words import MIN_BRACKET_TICKS, OrderType, Side, Status

if TYPE_CHECKING:
    from desk.sim.floor import Floor


def attend(floor: "Floor", filled: Order, contract: Contract, now: datetime) -> None:
    """Bring the position's exits in line with the fill that just happened."""
    account = floor.books.accounts[filled.account_id]
    if account.auto_oco:
        return
    wishes = ((OrderType.STOP, account.position_stop_usd), (OrderType.LIMIT, account.position_target_usd))
    position = floor.books.positions.get((account.id, contract.id))
    held = [floor.books.orders[number] for number in floor.books.working.get(contract.id, ())]
    exits = [row for row in held if row.of_position and row.account_id == account.id]
    side = None if position is None else (Side.SELL if position.net > 0 else Side.BUY)
    for row in exits:
        if row.side is not side:
            floor.books.finish(row, Status.CANCELLED, now)
    if position is None or side is None:
        return
    grew = filled.side is not side
    for kind, usd in wishes:
        if usd is None:
            continue
        found = next((one for one in exits if one.type is kind and one.side is side), None)
        if found is None and grew:
            found = _new(floor, kind, side, position, contract, now)
        if found is not None:
            price = _price(kind, usd, position, contract) if grew else None
            _follow(floor, found, position, price, now)


def _follow(floor: "Floor", row: Order, position: Position, price: Decimal | None, now: datetime) -> None:
    """The exit with the position's size and, when there is one, a new price; it may be marketable there."""
    row = replace(row, size=row.fill_volume + position.size, updated=now)
    if price is not None:
        is_stop = row.type is OrderType.STOP
        row = replace(row, stop_price=price if is_stop else None, limit_price=None if is_stop else price)
    floor.books.put_order(row)
    floor.agenda.add(now, row.id)


def _new(
    floor: "Floor", kind: OrderType, side: Side, position: Position, contract: Contract, now: datetime
) -> Order:  # fmt: skip
    return Order(
        id=floor.books.new_order_id(),
        account_id=position.account_id,
        contract_id=contract.id,
        symbol_id=contract.symbol_id,
        created=now,
        updated=now,
        status=Status.OPEN,
        type=kind,
        side=side,
        size=position.size,
        of_position=True,
    )


def _price(kind: OrderType, usd: Decimal, position: Position, contract: Contract) -> Decimal:
    """As many whole ticks from the average price as the dollars allow for the whole position, at least four."""
    ticks = max(int(usd / (contract.tick_value * position.size)), MIN_BRACKET_TICKS)
    middle = (position.average_price / contract.tick_size).quantize(Decimal(1), ROUND_HALF_EVEN)
    away = ticks if (position.net > 0) == (kind is OrderType.LIMIT) else -ticks
    return (middle + away) * contract.tick_size
