"""How one order meets the market: which print fills it, at which price, and how a trailing stop follows."""

from dataclasses import replace
from decimal import Decimal
from typing import Literal

from desk.sim.model import Contract, Order, Quote
from desk.sim.words import OrderType, Side, Status


def trailing(order: Order, ticks: int, contract: Contract, quote: Quote) -> Order:
    """An order that trails by so many ticks from the last trade on."""
    distance = ticks * contract.tick_size
    level = quote.last + order.side.sign * distance
    return replace(order, trail_ticks=ticks, trail_price=distance, stop_price=level)


def is_marketable(order: Order, quote: Quote) -> bool:
    """An open limit that the other side of the market would fill now."""
    if order.status is not Status.OPEN or order.limit_price is None:
        return False
    return quote.ask <= order.limit_price if order.side is Side.BUY else quote.bid >= order.limit_price


def is_triggered(order: Order) -> bool:
    """A market order or a stop that has traded in part: the rest follows at the market."""
    return order.status is Status.OPEN and order.fill_volume > 0 and order.limit_price is None


def limit_trades(order: Order, last: Decimal, rule: Literal["through", "touch"]) -> bool:
    """Whether a print fills a resting limit: beyond it, or with ``touch`` already at it."""
    assert order.limit_price is not None
    beyond = (order.limit_price - last) * order.side.sign
    return beyond > 0 or (rule == "touch" and beyond == 0)


def stop_trades(order: Order, last: Decimal) -> bool:
    """Whether a print triggers a stop: at its level or beyond."""
    assert order.stop_price is not None
    return (last - order.stop_price) * order.side.sign >= 0


def stop_fill_price(order: Order, quote: Quote, slip: Decimal) -> Decimal:
    """The stop's level or, when the market jumped over it, the market; then the slip against the order."""
    assert order.stop_price is not None
    if order.side is Side.BUY:
        return max(order.stop_price, quote.last) + slip
    return min(order.stop_price, quote.last) - slip


def followed(order: Order, last: Decimal) -> Order | None:
    """A trailing stop one step nearer to a price that moved away from it; None when it stays."""
    if order.type is not OrderType.TRAILING_STOP or order.trail_price is None or order.stop_price is None:
        return None
    level = last + order.side.sign * order.trail_price
    nearer = (order.stop_price - level) * order.side.sign > 0
    return replace(order, stop_price=level) if nearer else None
