"""Positions and orders that the desk did not make: shown, told once, protected where a setting asks for it, never closed."""

from __future__ import annotations

from desk.core.ids import CauseId
from desk.core.words import OrderType, VenueOrder
from desk.engine.cover import by_hand
from desk.engine.draft import Draft
from desk.engine.exits import note
from desk.engine.naming import price_text
from desk.engine.state import Place
from desk.orders import Reading

__all__ = ["on_flat", "saw_foreign_order", "saw_position"]

VENUE = CauseId("venue")


def saw_position(draft: Draft, place: Place, seen: Reading) -> None:
    """A read and the state agree on the position, and nothing is under way there: contracts that none of our orders explains
    were opened by somebody else. Told once, and again when there are more of them."""
    position = draft.state.positions.get(place)
    if position is None or not seen.is_settled or seen.qty != position.qty or not draft.state.is_reconciled(place[0]):
        return
    if draft.state.exit_plan(place) is not None or draft.state.reduce_plan(place) is not None:
        return
    foreign = by_hand(draft.state, place)
    if foreign <= position.noted_qty:
        return
    what = (
        f"{foreign} of {abs(position.qty)} contracts" if foreign < abs(position.qty) else f"position {position.qty:+d}"
    )
    at = price_text(position.avg_price, place[1], draft.ctx)
    ticks = draft.ctx.foreign.stop_ticks
    then = f"a stop is placed {ticks} ticks from the average price" if ticks is not None else "no stop is placed for it"
    text = f"{place[1]}: {what} at {at} was not opened by the desk. It is shown and never closed; {then}."
    draft.tell(position.cause, "position.foreign", text)
    note(draft, place, position.cause)


def saw_foreign_order(draft: Draft, order: VenueOrder) -> None:
    """A new order that is not ours works against a position of ours: it does not go when the position ends."""
    qty = draft.state.position_qty((order.account_id, order.contract_id))
    if order.status.is_working and order.type is not OrderType.MARKET and order.side.sign * qty < 0:
        text = f"{_named(draft, order)} is not an order of the desk. It stays when the position ends, and would open another one."
        draft.tell(VENUE, "order.foreign", text)


def on_flat(draft: Draft, place: Place) -> None:
    """The position ended, and somebody else's orders are left."""
    if draft.state.exit_plan(place) is not None:
        return  # it takes them away
    for order in draft.state.foreign_at(place):
        if order.type is not OrderType.MARKET:
            text = "is left although the position ended: it would open another one. Cancel it, or flatten."
            text = f"{_named(draft, order)} {text}"
            draft.tell(VENUE, "order.foreign", text)


def _named(draft: Draft, order: VenueOrder) -> str:
    price = order.stop_price if order.stop_price is not None else order.limit_price
    at = f" at {price_text(price, order.contract_id, draft.ctx)}" if price is not None else ""
    return f"{order.contract_id}: {order.type} {order.side} {order.qty}{at} (number {order.gateway_order_id})"
