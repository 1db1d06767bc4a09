"""An intent in words: in the question before it, in the journal after it. And what its stop risks in dollars."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import assert_never

from desk.core.intents import (
    BreakEvenNow,
    Cancel,
    Care,
    Enter,
    EnterEither,
    Exit,
    Intent,
    Modify,
    MoveStop,
    MoveTarget,
    Reduce,
    Reverse,
    Stage,
    Trail,
    TrailOff,
    TrailOn,
)
from desk.core.words import Contract, OrderType, Quote, Side
from desk.surfaces.show import money_text, price_text

__all__ = [
    "at_once_words",
    "care_words",
    "enter_words",
    "entries_of",
    "expected_fill",
    "intent_words",
    "market_words",
    "risk_words",
    "stop_risk",
]


def intent_words(intent: Intent, contract: Contract | None, symbol: str) -> str:
    """symbol: how the contract is called where its record is not known, or what stands for it (``the account``)."""
    match intent:
        case Enter():
            return enter_words(intent, contract, symbol)
        case EnterEither(first=first, second=second):
            return f"{enter_words(first, contract, symbol)}; or {enter_words(second, contract, symbol)}: one of the two"
        case Reverse(enter=enter, replaces=replaces):
            what = "replace what is there in" if replaces else "reverse"
            return f"{what} {symbol}: flat first, then {enter_words(enter, contract, symbol)}"
        case Exit(everything=True):
            return "flatten the account"
        case Exit(side=side):
            return f"close all {symbol}{f' {side}' if side else ''} at market"
        case Reduce(qty=qty, side=side):
            return f"close {qty} {symbol}{f' {side}' if side else ''} at market, never more than is held"
        case MoveStop(price=price):
            return f"{symbol}: stop to {price_text(price, contract)}"
        case MoveTarget(price=price):
            return f"{symbol}: target to {price_text(price, contract)}"
        case BreakEvenNow(offset_ticks=offset):
            return f"{symbol}: stop to the average price" + (f" plus {_ticks(offset)} in favour" if offset else "")
        case TrailOn(trail=trail):
            return f"{symbol}: {_trail(trail)}"
        case TrailOff():
            return f"{symbol}: no more trailing, the stop stays where it is"
        case Cancel(waiting=waiting) if waiting:
            return f"cancel what waits for its price in {symbol}"
        case Cancel(order_ids=ids):
            if not ids:
                return f"cancel the resting entries of {symbol}"
            return f"cancel {symbol} order " + ", ".join(f"#{order_id}" for order_id in ids)
        case Modify(order_id=order_id, qty=qty, price=price):
            words = [
                f"quantity {qty}" if qty is not None else "",
                f"price {price_text(price, contract)}" if price else "",
            ]
            return f"{symbol} order #{order_id} to {' and '.join(word for word in words if word)}"
        case _ as never:
            assert_never(never)


def enter_words(enter: Enter, contract: Contract | None, symbol: str) -> str:
    """``buy 2 MNQZ6 at market, stop 80 ticks, target 160 ticks``."""
    parts = [
        f"{enter.side} {enter.qty} {symbol} {_how(enter, contract)}",
        _stop(enter, contract),
        *_targets(enter.stages, contract),
        *care_words(enter.care),
    ]
    if enter.expires_at is not None:
        parts.append(f"until {enter.expires_at:%Y-%m-%d %H:%M:%S} UTC")
    return ", ".join(parts)


def care_words(care: Care) -> Iterator[str]:
    """What is done with the legs after the fill, besides exact prices."""
    if care.breakeven is not None:
        offset = f" plus {_ticks(care.breakeven.offset_ticks)}" if care.breakeven.offset_ticks else ""
        yield f"break-even{offset} once {_ticks(care.breakeven.trigger_ticks)} in favour"
    if care.trail is not None:
        yield _trail(care.trail)


def _how(enter: Enter, contract: Contract | None) -> str:
    how = _by_type(enter, contract)
    return how if enter.touch_price is None else f"{how} once {price_text(enter.touch_price, contract)} trades"


def _by_type(enter: Enter, contract: Contract | None) -> str:
    limit, stop = price_text(enter.limit_price, contract), price_text(enter.stop_price, contract)
    match enter.type:
        case OrderType.MARKET:
            return "at market"
        case OrderType.LIMIT:
            return f"limit at {limit}"
        case OrderType.STOP:
            return f"stop entry at {stop}"
        case OrderType.STOP_LIMIT:
            return f"stop entry at {stop}, limit {limit}"
        case OrderType.TRAILING_STOP:
            return f"by a trailing stop {_ticks(enter.trail_ticks or 0)} from the market"
        case OrderType.JOIN_BID:
            return "joining the best bid"
        case OrderType.JOIN_ASK:
            return "joining the best ask"
        case OrderType.UNKNOWN:
            return "in a way that nobody knows"
        case _ as never:
            assert_never(never)


def _stop(enter: Enter, contract: Contract | None) -> str:
    kind = "trailing stop" if enter.is_stop_trailing else "stop"
    if enter.care.stop_price is not None:
        return f"{kind} at {price_text(enter.care.stop_price, contract)}"
    return f"{kind} {_ticks(enter.stop_ticks)}" if enter.stop_ticks is not None else "NO STOP"


def _targets(stages: tuple[Stage, ...], contract: Contract | None) -> Iterator[str]:
    for stage in stages:
        what = "no target" if stage.target_ticks is None else f"target {_ticks(stage.target_ticks)}"
        if stage.target_price is not None:
            what = f"target at {price_text(stage.target_price, contract)}"
        yield what + (f" for {stage.qty}" if len(stages) > 1 else "")


def _trail(trail: Trail) -> str:
    begins = f" from {_ticks(trail.trigger_ticks)} in favour on" if trail.trigger_ticks else ""
    steps = f", in steps of {_ticks(trail.step_ticks)}" if trail.step_ticks > 1 else ""
    return f"the stop trails {_ticks(trail.distance_ticks)} behind{begins}{steps}"


def _ticks(n: int) -> str:
    return f"{n} tick{'' if n == 1 else 's'}"


# --- the risk ------------------------------------------------------------------------------------------------------


def entries_of(intent: Intent) -> tuple[Enter, ...]:
    """What may be opened by it."""
    match intent:
        case Enter():
            return (intent,)
        case EnterEither(first=first, second=second):
            return first, second
        case Reverse(enter=enter):
            return (enter,)
        case _:
            return ()


def risk_words(intent: Intent, contract: Contract, quote: Quote | None) -> str:
    """What the stop risks, fees not counted; empty where nothing is opened. Of two entries one fills: the larger counts."""
    entries = entries_of(intent)
    if not entries:
        return ""
    risks = [stop_risk(entry, contract, quote) for entry in entries]
    known = [risk for risk in risks if risk is not None]
    if len(known) < len(risks):
        return "risk not known: there is no fresh quote to measure the stop from"
    is_about = any(entry.stop_ticks is None and _fills_at_market(entry, quote) for entry in entries)
    return f"risk {'about ' if is_about else ''}{money_text(max(known))} $"


def stop_risk(enter: Enter, contract: Contract, quote: Quote | None) -> Decimal | None:
    """USD that its stop loses over all contracts; None where an exact stop cannot be measured without a quote."""
    ticks = Decimal(enter.stop_ticks) if enter.stop_ticks is not None else None
    entry = expected_fill(enter, quote)
    if enter.care.stop_price is not None and entry is not None:
        ticks = (entry - enter.care.stop_price) * enter.side.sign / contract.tick_size
    return None if ticks is None else max(Decimal(0), ticks) * contract.tick_value * enter.qty


def expected_fill(enter: Enter, quote: Quote | None) -> Decimal | None:
    """The entry's own price; where the market is for it if it has none, or a limit through the market."""
    return _best(enter.side, quote) if _fills_at_market(enter, quote) else _own_price(enter)


def at_once_words(side: Side, limit: Decimal | None, contract: Contract, quote: Quote | None) -> str:
    """A sentence for a limit that is through the market and does not rest; else nothing."""
    best = _best(side, quote)
    if limit is None or best is None or (limit - best) * side.sign < 0:
        return ""
    return (
        f" The limit {price_text(limit, contract)} is through the market: it fills at once, "
        f"at about {price_text(best, contract)}."
    )


def market_words(contract: Contract, quote: Quote | None) -> str:
    if quote is None:
        return ""
    return f" Market {price_text(quote.bid, contract)} / {price_text(quote.ask, contract)}."


def _fills_at_market(enter: Enter, quote: Quote | None) -> bool:
    if _own_price(enter) is None:
        return True
    best, limit = _best(enter.side, quote), enter.limit_price
    if enter.type is not OrderType.LIMIT or enter.touch_price is not None or limit is None or best is None:
        return False
    return (limit - best) * enter.side.sign >= 0


def _best(side: Side, quote: Quote | None) -> Decimal | None:
    """What an order at market would get."""
    if quote is None:
        return None
    best = quote.ask if side.sign > 0 else quote.bid
    return best if best is not None else quote.last


def _own_price(enter: Enter) -> Decimal | None:
    return next((p for p in (enter.limit_price, enter.stop_price, enter.touch_price) if p is not None), None)
