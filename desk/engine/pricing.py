"""An entry in the venue's terms: type and prices, and the bracket in ticks from where it will fill. Pure arithmetic.

The bracket is counted from the limit or stop price of the entry, else from a quote younger than 2 s. Exact exit prices off
the grid go to the next price towards the entry: never more risk than asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import msgspec

from desk.core.ids import client_order_id
from desk.core.intents import Care, Enter, Stage, Then
from desk.core.orders import OrderRequest, TrackedOrder
from desk.core.plans import Ticket
from desk.core.words import Contract, OrderType, Quote, Side
from desk.engine.draft import QUOTE_IS_FRESH, Context, fresh_quote
from desk.engine.rulings import Asker
from desk.risk import Denied, Reason

__all__ = [
    "Priced",
    "is_touched",
    "market_of",
    "nearest",
    "price_entry",
    "ticket_of",
    "with_trail_price",
]

MAX_TRAIL_TICKS = 1000  # of the venue (gateway reference 3.6)
_JOINS = {OrderType.JOIN_BID, OrderType.JOIN_ASK}


@dataclass(frozen=True, slots=True)
class Priced:
    """One ticket per stage, a sentence for the verdict, and what the sender should know."""

    tickets: tuple[Ticket, ...]
    text: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Leg:
    ticks: int | None
    price: Decimal | None  # exact, on the grid; None: ticks from the fill


def market_of(quote: Quote, side: Side) -> Decimal | None:
    """Where a market order would trade; the last price where that side of the book is missing."""
    best = quote.ask if side is Side.BUY else quote.bid
    return best if best is not None else quote.last


def is_touched(quote: Quote, price: Decimal, *, from_below: bool) -> bool:
    """The market trades at ``price``: by the last trade, without one by the side of the book that has to get there."""
    if quote.last is not None:
        return quote.last >= price if from_below else quote.last <= price
    if from_below:
        return quote.bid is not None and quote.bid >= price
    return quote.ask is not None and quote.ask <= price


def nearest(contract: Contract, price: Decimal) -> str:
    """The valid prices beside one that is off the grid."""
    below, above = _on_grid(contract, price, ROUND_FLOOR), _on_grid(contract, price, ROUND_CEILING)
    return f"{contract.price_text(below)} or {contract.price_text(above)}"


def price_entry(wanted: Enter, contract: Contract, asker: Asker, ctx: Context, first: int = 1) -> Priced | Denied:
    """``wanted`` as tickets, one per stage, or why it cannot be had. ``first``: number of its first order under the cause."""
    quote = fresh_quote(ctx, contract.contract_id)
    problem = _parts_problem(wanted) or _entry_problem(wanted, contract, quote) or _time_problem(wanted, ctx)
    if problem is not None:
        return problem
    basis = _basis(wanted, contract, quote)
    stop = _leg(wanted, contract, basis, wanted.stop_ticks, wanted.care.stop_price, "stop")
    if isinstance(stop, Denied):
        return stop
    tickets: list[Ticket] = []
    stages = wanted.stages or (Stage(qty=wanted.qty, target_price=wanted.care.target_price),)
    is_trailed_later = any(Then.TRAIL_ON in {stage.then, wanted.care.then} for stage in wanted.stages)
    trail = None if is_trailed_later else wanted.care.trail
    for number, stage in enumerate(stages, first):
        target = _leg(wanted, contract, basis, stage.target_ticks, stage.target_price, "target")
        if isinstance(target, Denied):
            return target
        care = msgspec.structs.replace(
            wanted.care,
            stop_price=stop.price,
            target_price=target.price,
            trail=trail,
            then=stage.then or wanted.care.then,
        )
        request = _request(wanted, contract, asker, number, stage.qty, stop, target)
        ticket = _ticket(wanted, request, care)
        priced = with_trail_price(ticket, contract, quote)
        assert priced is not None, "a trailing stop without a quote was denied"
        tickets.append(priced)
    how = _how(wanted, tickets[0].order, contract)
    text = f"{wanted.side} {wanted.qty} {contract.name} {how}{_exits(tickets, stop, contract)}"
    text += "".join(f", {words}" for words in _care_words(wanted.care, contract, is_trailed_later=is_trailed_later))
    if tickets[0].expires_at is not None:
        text += f", until {tickets[0].expires_at:%Y-%m-%d %H:%M:%S} UTC"
    return Priced(tuple(tickets), text, _warnings(wanted, contract, quote, tuple(tickets)))


def with_trail_price(ticket: Ticket, contract: Contract, quote: Quote | None) -> Ticket | None:
    """The level of a trailing-stop entry, from the newest price: last, away from the market by its ticks. None: no price."""
    if ticket.order.type is not OrderType.TRAILING_STOP:
        return ticket
    last = _mark(quote)
    if last is None or ticket.trail_ticks is None:
        return None
    level = last + ticket.order.side.sign * ticket.trail_ticks * contract.tick_size
    return msgspec.structs.replace(ticket, order=msgspec.structs.replace(ticket.order, trail_price=level))


def ticket_of(order: TrackedOrder, max_position: int) -> Ticket:
    """The ticket of an order that was sent before, to be approved again. Prices that only the venue's reports brought, the
    level of a trailing stop or of a joined price, are not part of it."""
    request = msgspec.structs.replace(
        order.request,
        limit_price=order.limit_price if order.type is OrderType.LIMIT else None,
        stop_price=order.stop_price if order.type is OrderType.STOP else None,
    )
    return Ticket(
        order=request,
        max_position=max_position,
        care=order.care,
        fresh_until=order.fresh_until,
        expires_at=order.expires_at,
        trail_ticks=order.trail_ticks,
    )


# -- what is refused ----------------------------------------------------------------------------------------------------


def _parts_problem(wanted: Enter) -> Denied | None:
    if wanted.qty < 1 or any(stage.qty < 1 for stage in wanted.stages):
        return Denied(Reason.BAD_SIZE, f"size {wanted.qty}: at least 1 contract, in every stage")
    total = sum(stage.qty for stage in wanted.stages)
    if wanted.stages and total != wanted.qty:
        return Denied(Reason.BAD_SIZE, f"the stages add up to {total} contracts, the entry has {wanted.qty}")
    return None


def _time_problem(wanted: Enter, ctx: Context) -> Denied | None:
    if wanted.expires_at is not None and wanted.expires_at <= ctx.now:
        return Denied(Reason.TOO_OLD, f"its time was over at {wanted.expires_at:%Y-%m-%d %H:%M:%S} UTC")
    return None


def _entry_problem(wanted: Enter, contract: Contract, quote: Quote | None) -> Denied | None:
    """What the venue would refuse, or carry out otherwise than meant, by the type of the entry."""
    match wanted.type:
        case OrderType.MARKET | OrderType.JOIN_BID | OrderType.JOIN_ASK:
            return None
        case OrderType.LIMIT:
            return _price_problem(wanted.limit_price, contract, "limit")
        case OrderType.STOP:
            return _price_problem(wanted.stop_price, contract, "stop") or _stop_side(wanted, contract, quote)
        case OrderType.TRAILING_STOP:
            if wanted.trail_ticks is None or not 1 <= wanted.trail_ticks <= MAX_TRAIL_TICKS:
                text = f"a trailing stop entry needs its distance: {wanted.trail_ticks} ticks, 1 to {MAX_TRAIL_TICKS} may be"
                return Denied(Reason.BAD_PRICE, text)
            return None if _mark(quote) is not None else _no_quote(contract, "a trailing stop")
        case _:
            text = f"order type {wanted.type} is not sent; a stop-limit is a limit order with a touch price"
            return Denied(Reason.NOT_SUPPORTED, text)


def _price_problem(price: Decimal | None, contract: Contract, what: str) -> Denied | None:
    if price is None:
        return Denied(Reason.BAD_PRICE, f"a {what} order needs its {what} price")
    if not contract.is_on_grid(price):
        text = f"{what} price {price:f} is off the tick of {contract.tick_size:f}; {nearest(contract, price)} would do"
        return Denied(Reason.BAD_PRICE, text)
    return None


def _stop_side(wanted: Enter, contract: Contract, quote: Quote | None) -> Denied | None:
    """The venue wants a buy stop above the best bid and a sell stop below the best ask (gateway reference 3.14)."""
    if quote is None:
        return None
    best = quote.bid if wanted.side is Side.BUY else quote.ask
    market = best if best is not None else quote.last
    if market is None or wanted.stop_price is None or (wanted.stop_price - market) * wanted.side.sign > 0:
        return None
    where, beyond = ("below", "above") if wanted.side is Side.BUY else ("above", "below")
    text = (
        f"a {wanted.side} stop at {contract.price_text(wanted.stop_price)} is at or {where} the market "
        f"({contract.price_text(market)}) and would trade at once; it has to lie {beyond} it"
    )
    return Denied(Reason.WRONG_SIDE, text)


def _no_quote(contract: Contract, what: str) -> Denied:
    text = f"{what} needs a quote of {contract.name} younger than {QUOTE_IS_FRESH.total_seconds():.0f} s, and there is none"
    return Denied(Reason.NO_QUOTE, text)


# -- prices -------------------------------------------------------------------------------------------------------------


def _basis(wanted: Enter, contract: Contract, quote: Quote | None) -> Decimal | None:
    """Where the entry is expected to fill; None: no fresh quote says so."""
    match wanted.type:
        case OrderType.LIMIT:
            return wanted.limit_price
        case OrderType.STOP:
            return wanted.stop_price
        case OrderType.TRAILING_STOP:
            mark, ticks = _mark(quote), wanted.trail_ticks
            return None if mark is None or ticks is None else mark + wanted.side.sign * ticks * contract.tick_size
        case OrderType.JOIN_BID | OrderType.JOIN_ASK:
            return market_of(quote, wanted.side.opposite) if quote is not None else None
        case _:
            return market_of(quote, wanted.side) if quote is not None else None


def _mark(quote: Quote | None) -> Decimal | None:
    """One price for the market: the last trade, without it a side of the book."""
    if quote is None:
        return None
    return next((price for price in (quote.last, quote.bid, quote.ask) if price is not None), None)


def _leg(
    wanted: Enter, contract: Contract, basis: Decimal | None, ticks: int | None, price: Decimal | None, what: str
) -> _Leg | Denied:
    """Whole ticks of one bracket leg and its exact price. A price counts more than ticks, which stand in without a quote."""
    if price is None:
        return _Leg(ticks, None)
    away = -wanted.side.sign if what == "stop" else wanted.side.sign  # of the leg, seen from the entry
    exact = _on_grid(contract, price, ROUND_FLOOR if away > 0 else ROUND_CEILING)  # towards the entry
    if basis is None:
        return _Leg(ticks, exact) if ticks is not None else _no_quote(contract, f"a {what} at an exact price")
    distance = (exact - basis) * away
    if distance <= 0:
        side = "below" if away < 0 else "above"
        prices = f"{contract.price_text(price)} with an entry at {contract.price_text(basis)}"
        text = f"the {what} of a {wanted.side} has to lie {side} the entry: {prices}"
        return Denied(Reason.WRONG_SIDE, text)
    return _Leg(contract.ticks_floor(distance), exact)


def _on_grid(contract: Contract, price: Decimal, rounding: str) -> Decimal:
    return (price / contract.tick_size).to_integral_value(rounding) * contract.tick_size


def _request(
    wanted: Enter, contract: Contract, asker: Asker, number: int, qty: int, stop: _Leg, target: _Leg
) -> OrderRequest:
    leg = "entry" if number == 1 else f"entry-{number}"
    kind = wanted.type
    if kind in _JOINS:
        kind = OrderType.JOIN_BID if wanted.side is Side.BUY else OrderType.JOIN_ASK
    return OrderRequest(
        client_order_id=client_order_id(asker.cause, asker.account_id, leg, 1),
        account_id=asker.account_id,
        contract_id=contract.contract_id,
        type=kind,
        side=wanted.side,
        qty=qty,
        limit_price=wanted.limit_price if kind is OrderType.LIMIT else None,
        stop_price=wanted.stop_price if kind is OrderType.STOP else None,
        stop_ticks=stop.ticks,
        target_ticks=target.ticks,
        stop_is_trailing=wanted.is_stop_trailing,
    )


def _ticket(wanted: Enter, request: OrderRequest, care: Care) -> Ticket:
    is_resting = request.type is not OrderType.MARKET
    return Ticket(
        order=request,
        max_position=wanted.max_position,
        care=care,
        fresh_until=wanted.fresh_until,
        expires_at=wanted.expires_at if is_resting else None,
        trail_ticks=wanted.trail_ticks if request.type is OrderType.TRAILING_STOP else None,
    )


# -- words --------------------------------------------------------------------------------------------------------------


def _how(wanted: Enter, order: OrderRequest, contract: Contract) -> str:
    match order.type:
        case OrderType.LIMIT:
            return f"limit at {contract.price_text(wanted.limit_price)}"
        case OrderType.STOP:
            return f"stop at {contract.price_text(wanted.stop_price)}"
        case OrderType.TRAILING_STOP:
            now_at = contract.price_text(order.trail_price)
            return f"trailing stop {wanted.trail_ticks} ticks from the market (now at {now_at})"
        case OrderType.JOIN_BID:
            return "joining the best bid"
        case OrderType.JOIN_ASK:
            return "joining the best ask"
        case _:
            return "at market"


def _exits(tickets: list[Ticket], stop: _Leg, contract: Contract) -> str:
    kind = "trailing stop" if tickets[0].order.stop_is_trailing else "stop"
    text = f", {kind} {_distance(stop.ticks, stop.price, contract)}"
    if len(tickets) == 1:
        order, exact = tickets[0].order, tickets[0].care.target_price
        return (
            text if order.target_ticks is None else f"{text}, target {_distance(order.target_ticks, exact, contract)}"
        )
    parts = []
    for ticket in tickets:
        ticks = ticket.order.target_ticks
        where = "without a target" if ticks is None else f"at {_distance(ticks, ticket.care.target_price, contract)}"
        parts.append(f"{ticket.order.qty} {where}")
    return f"{text}, targets in {len(tickets)} stages: {', '.join(parts)}"


def _care_words(care: Care, contract: Contract, *, is_trailed_later: bool) -> Iterator[str]:
    """What is done with the stop after the fill, besides its exact price."""
    breakeven, trail = care.breakeven, care.trail
    if breakeven is not None:
        offset = f" plus {contract.points_text(breakeven.offset_ticks)}" if breakeven.offset_ticks else ""
        yield f"break-even{offset} after {contract.points_text(breakeven.trigger_ticks)}"
    if trail is not None:
        begins = f" from +{contract.points_text(trail.trigger_ticks).split()[0]}" if trail.trigger_ticks else ""
        begins = " from a stage's target on" if is_trailed_later else begins
        yield f"trail {contract.points_text(trail.distance_ticks)}{begins}"


def _distance(ticks: int | None, price: Decimal | None, contract: Contract) -> str:
    return f"{ticks} ticks" + (f", moved to {contract.price_text(price)}" if price is not None else "")


def _warnings(wanted: Enter, contract: Contract, quote: Quote | None, tickets: tuple[Ticket, ...]) -> tuple[str, ...]:
    found = []
    market = market_of(quote, wanted.side) if quote is not None else None
    limit = wanted.limit_price
    is_limit = wanted.type is OrderType.LIMIT
    if is_limit and limit is not None and market is not None and (limit - market) * wanted.side.sign >= 0:
        prices = f"{contract.price_text(limit)} is through the market ({contract.price_text(market)})"
        found.append(f"the limit {prices}: it fills at once, there or better")
    asked = {wanted.care.stop_price, wanted.care.target_price, *(stage.target_price for stage in wanted.stages)}
    off = sorted(price for price in asked if price is not None and not contract.is_on_grid(price))
    found += [f"{price:f} is off the tick: taken to the next price towards the entry" for price in off]
    if wanted.expires_at is not None and tickets[0].expires_at is None:
        found.append("a market order does not rest: its expiry has no meaning")
    return tuple(found)
