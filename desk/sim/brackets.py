"""Brackets of an entry: what is refused, how the legs are born suspended, and at which price they wake up."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from desk.sim.model import Bracket, Contract, Order, PlaceRequest
from desk.sim.words import MIN_BRACKET_TICKS, POSITION_BRACKETS, OrderType, Side, Status


def bracket_refusal(request: PlaceRequest, *, auto_oco: bool) -> str | None:
    """The exact text with which the gateway refuses these brackets, or None (reference 3.6 and 3.14)."""
    if request.stop_loss is None and request.take_profit is None:
        return None
    if not auto_oco:
        return POSITION_BRACKETS
    side = Side(request.side)
    if request.stop_loss is not None:
        if request.stop_loss.type not in (OrderType.STOP, OrderType.TRAILING_STOP):
            return f"Invalid stop loss type ({_type_name(request.stop_loss.type)})"
        if text := _ticks_refusal("stop loss", request.stop_loss, side, wanted=-side.sign):
            return text
    if request.take_profit is not None:
        if request.take_profit.type != OrderType.LIMIT:
            return f"Invalid take profit type ({_type_name(request.take_profit.type)})"
        if text := _ticks_refusal("take profit", request.take_profit, side, wanted=side.sign):
            return text
    return None


def _ticks_refusal(leg: str, bracket: Bracket, side: Side, wanted: int) -> str | None:
    """Sign first, then distance. ``wanted`` is the sign of correct ticks. The wordings of two cases are mirrored."""
    ticks = bracket.ticks
    if ticks * wanted < 0:
        than = "less" if wanted < 0 else "greater"
        when = "when longing" if side is Side.BUY else "when going short"
        return f"Invalid {leg} ticks ({ticks}). Ticks should be {than} than zero {when}."
    if abs(ticks) < MIN_BRACKET_TICKS:
        return f"Invalid {leg} ticks ({ticks}). Price should be at least 4 ticks away."
    return None


def _type_name(number: int) -> str:
    known = {kind.value: "".join(part.title() for part in kind.name.split("_")) for kind in OrderType}
    return known.get(number, str(number))


def tags_of(request: PlaceRequest) -> list[str]:
    """Every tag the request would use: its own and those of its legs (reference 3.7)."""
    tag = request.custom_tag
    if tag is None:
        return []
    legs = ((request.stop_loss, "-SL"), (request.take_profit, "-TP"))
    return [tag, *(tag + suffix for bracket, suffix in legs if bracket is not None)]


def children_of(entry: Order, request: PlaceRequest, contract: Contract) -> tuple[Order | None, Order | None]:
    """Stop and target of an accepted entry, suspended: no price yet, the signed distance in the trail members.

    Ids are consecutive (entry, stop, target); ``linked_id`` stands on the target only (reference 3.7).
    """
    stop = target = None
    if request.stop_loss is not None:
        stop = _leg(entry, request.stop_loss, "-SL", entry.id + 1, contract)
    if request.take_profit is not None:
        identity = entry.id + (2 if stop else 1)
        target = replace(
            _leg(entry, request.take_profit, "-TP", identity, contract), linked_id=stop.id if stop else None,
        )  # fmt: skip
    return stop, target


def _leg(entry: Order, bracket: Bracket, suffix: str, identity: int, contract: Contract) -> Order:
    return Order(
        id=identity,
        account_id=entry.account_id,
        contract_id=entry.contract_id,
        symbol_id=entry.symbol_id,
        created=entry.created,
        updated=entry.updated,
        status=Status.SUSPENDED,
        type=OrderType(bracket.type),
        side=entry.side.opposite,
        size=entry.size,
        trail_price=bracket.ticks * contract.tick_size,
        trail_ticks=bracket.ticks,
        custom_tag=entry.custom_tag + suffix if entry.custom_tag is not None else None,
        parent_id=entry.id,
    )


def activated(leg: Order, fill_price: Decimal, contract: Contract, now: datetime) -> Order:
    """The leg as it starts to work: fill price plus its signed ticks, or the price it was given while it slept.

    A trailing stop keeps its distance.
    """
    assert leg.trail_ticks is not None, f"bracket leg {leg.id} lost its distance"
    price = leg.limit_price or leg.stop_price or fill_price + leg.trail_ticks * contract.tick_size
    if leg.type is OrderType.LIMIT:
        return replace(
            leg, status=Status.OPEN, updated=now, limit_price=price, trail_price=None, trail_ticks=None,
        )  # fmt: skip
    if leg.type is OrderType.STOP:
        return replace(
            leg, status=Status.OPEN, updated=now, stop_price=price, trail_price=None, trail_ticks=None,
        )  # fmt: skip
    distance = abs(leg.trail_ticks)
    return replace(
        leg, status=Status.OPEN, updated=now, stop_price=price, trail_ticks=distance,
        trail_price=distance * contract.tick_size,
    )  # fmt: skip
