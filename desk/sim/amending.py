"""What Order/modify does to one order: absent members stay, prices that do not belong to its type mean nothing."""

from dataclasses import dataclass, replace
from decimal import Decimal

from desk.sim.admission import FillRules
from desk.sim.matching import trailing
from desk.sim.model import Contract, Order, Quote
from desk.sim.rules import limit_refusal, stop_refusal, trail_refusal, trail_ticks
from desk.sim.words import NO_LAST_PRICE, RESIZE_LEG, OrderType, Status


@dataclass(frozen=True)
class Change:
    """The members of Order/modify that were given (reference 3.8); prices are absolute."""

    size: int | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_price: Decimal | None = None


@dataclass(frozen=True)
class Amended:
    """The order as it would be, and why it may not be: with ``refused`` the text may still be missing."""

    order: Order
    refused: bool = False
    text: str | None = None


def amended(order: Order, change: Change, contract: Contract, quote: Quote | None, rules: FillRules) -> Amended:
    """The changed order, or the refusal. A sleeping leg takes a price only where ``modify_suspended`` is on."""
    if order.status is Status.SUSPENDED and (not rules.modify_suspended or change.size is not None):
        return Amended(order, refused=True)
    texts: list[str | None] = []
    if change.size is not None and change.size != order.size:
        texts.append(_resize_refusal(order, change.size, rules))
        order = replace(order, size=change.size)
    if change.limit_price is not None and _has_limit(order):
        texts.append(limit_refusal(change.limit_price, contract))
        order = replace(order, limit_price=change.limit_price)
    if change.stop_price is not None and order.type is OrderType.STOP:
        texts.append(stop_refusal(change.stop_price, order.side, contract, quote) if quote else NO_LAST_PRICE)
        order = replace(order, stop_price=change.stop_price)
    if change.trail_price is not None and order.type is OrderType.TRAILING_STOP:
        text = trail_refusal(change.trail_price, contract, quote, limited=False) if quote else NO_LAST_PRICE
        if quote and text is None and order.status is not Status.SUSPENDED:
            order = trailing(order, trail_ticks(change.trail_price, contract, quote), contract, quote)
        texts.append(text)
    text = next(filter(None, texts), None)
    return Amended(order, refused=text is not None, text=text)


def _has_limit(order: Order) -> bool:
    return order.limit_price is not None or (order.type is OrderType.LIMIT and order.status is Status.SUSPENDED)


def _resize_refusal(order: Order, size: int, rules: FillRules) -> str | None:
    """Texts of the simulator's own. Whether the gateway resizes bracket legs is unknown (reference 3.7)."""
    if size <= order.fill_volume:
        return f"Invalid order size ({size})."
    if order.parent_id is not None and not rules.resize_legs:
        return RESIZE_LEG
    return None
