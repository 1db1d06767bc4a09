"""Which order an entry is: type, prices on the grid, and until when it may be sent and may rest. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from desk.bots.config import BotConfig
from desk.bots.distances import price_on_grid
from desk.bots.words import CannotHave
from desk.core.alert import Alert, AlertOrder
from desk.core.words import Contract, OrderType, Side
from desk.risk import Reason

__all__ = ["OrderTerms", "order_terms"]

FUTURE_TOLERANCE = timedelta(seconds=5)
_LONGEST_REST_S = 366 * 86_400.0
_PRICES = ("price", "stop_price", "trail_ticks")
_TAKES = {  # what each type needs; what it cannot use is refused, for somebody meant something by it
    "market": (),
    "limit": ("price",),
    "stop": ("stop_price",),
    "stop_limit": ("price", "stop_price"),
    "trailing_stop": ("trail_ticks",),
    "join": (),
    "market_if_touched": ("price",),
}


@dataclass(frozen=True, slots=True)
class OrderTerms:
    """``reference``: the price at which the entry is expected, for what is measured from it; None: not known."""

    type: OrderType
    fresh_until: datetime
    expires_at: datetime | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_ticks: int | None = None
    touch_price: Decimal | None = None
    reference: Decimal | None = None


def order_terms(
    alert: Alert, bot: BotConfig, contract: Contract, side: Side, received: datetime, warnings: list[str]
) -> OrderTerms:
    """Raises CannotHave by the name of the field."""
    order = alert.order
    _check_fields(order)
    began = _began(alert, received)
    until = began + _age_limit(alert, bot)
    is_buy = side is Side.BUY
    if order.type == "market":
        life_s = order.expire_s
        until = until if life_s is None else min(until, began + _seconds(life_s))
        if order.max_slippage_ticks is None:
            return OrderTerms(OrderType.MARKET, until, reference=alert.price)
        worst = _slippage_limit(alert, order.max_slippage_ticks, contract, side, warnings)
        return OrderTerms(OrderType.LIMIT, until, expires_at=until, limit_price=worst, reference=alert.price)
    expires = _expires_at(order, began, received)
    limit = _level(order.price, "order.price", contract, warnings, up=not is_buy)
    stop = _level(order.stop_price, "order.stop_price", contract, warnings, up=is_buy)
    match order.type:
        case "limit":
            return OrderTerms(OrderType.LIMIT, until, expires, limit_price=limit, reference=limit)
        case "stop":
            return OrderTerms(OrderType.STOP, until, expires, stop_price=stop, reference=stop)
        case "stop_limit":
            return OrderTerms(OrderType.LIMIT, until, expires, limit_price=limit, touch_price=stop, reference=limit)
        case "market_if_touched":
            return OrderTerms(OrderType.MARKET, until, expires, touch_price=limit, reference=limit)
        case "trailing_stop":
            ticks = _trail_ticks(order.trail_ticks, warnings)
            return OrderTerms(OrderType.TRAILING_STOP, until, expires, trail_ticks=ticks, reference=alert.price)
        case "join":
            join = OrderType.JOIN_BID if is_buy else OrderType.JOIN_ASK
            return OrderTerms(join, until, expires, reference=alert.price)
        case _:
            raise CannotHave(Reason.NOT_SUPPORTED, f"order type {order.type}: not known")


def _check_fields(order: AlertOrder) -> None:
    takes = _TAKES.get(order.type, ())
    for name in _PRICES:
        is_there = getattr(order, name) is not None
        if is_there and name not in takes:
            raise CannotHave(Reason.NOT_SUPPORTED, f"order {name} with order type {order.type}: which one is meant?")
        if not is_there and name in takes:
            raise CannotHave(Reason.BAD_PRICE, f"order.{name} is missing; order type {order.type} needs it")
    if order.offset_ticks is not None:
        raise CannotHave(Reason.NOT_SUPPORTED, "order offset_ticks: not available; send the price itself")
    if order.max_slippage_ticks is not None and order.type != "market":
        text = f"order max_slippage_ticks with order type {order.type}: only a market order can have it"
        raise CannotHave(Reason.NOT_SUPPORTED, text)


def _slippage_limit(alert: Alert, slippage: Decimal, contract: Contract, side: Side, warnings: list[str]) -> Decimal:
    """A market order that may cost at most so much is a limit order; what does not fill in time is cancelled."""
    if alert.price is None:
        text = "order max_slippage_ticks needs price, the price from which slippage is counted"
        raise CannotHave(Reason.BAD_PRICE, text)
    far = alert.price + side.sign * slippage * contract.tick_size
    limit = price_on_grid(far, "order.max_slippage_ticks", contract, [], up=side is Side.SELL)
    warnings.append(
        f"market with max_slippage_ticks {slippage}: sent as a limit at {limit}, cancelled when it gets too old"
    )
    return limit


def _level(price: Decimal | None, name: str, contract: Contract, warnings: list[str], *, up: bool) -> Decimal | None:
    return None if price is None else price_on_grid(price, name, contract, warnings, up=up)


def _trail_ticks(asked: Decimal | None, warnings: list[str]) -> int:
    assert asked is not None, "the caller checked that the type has its fields"
    ticks = int(asked) if asked.is_finite() else 0
    if ticks < 1:
        raise CannotHave(Reason.BAD_SIZE, f"order.trail_ticks {asked}: whole ticks, at least 1")
    if ticks != asked:
        warnings.append(f"order.trail_ticks {asked} is {ticks} ticks")
    return ticks


def _began(alert: Alert, received: datetime) -> datetime:
    """From when age and life are counted: when it was fired, where that was said."""
    if alert.fired_at is None:
        return received
    if alert.fired_at > received + FUTURE_TOLERANCE:
        ahead = (alert.fired_at - received).total_seconds()
        text = f"fired_at is {ahead:.0f} s ahead of this computer's clock; check the clock"
        raise CannotHave(Reason.FROM_THE_FUTURE, text)
    return alert.fired_at


def _age_limit(alert: Alert, bot: BotConfig) -> timedelta:
    asked = alert.policy.max_age_s
    return timedelta(seconds=bot.max_alert_age_s if asked is None else min(bot.max_alert_age_s, float(asked)))


def _expires_at(order: AlertOrder, began: datetime, received: datetime) -> datetime | None:
    if order.expire_s is None:
        return None
    expires = began + _seconds(order.expire_s)
    if expires <= received:
        raise CannotHave(
            Reason.TOO_OLD, f"order.expire_s {order.expire_s}: it is over already; late entries are not taken"
        )
    return expires


def _seconds(seconds: Decimal) -> timedelta:
    return timedelta(seconds=min(float(seconds), _LONGEST_REST_S))
