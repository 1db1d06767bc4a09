"""What of a position is ours, what of it must have a stop, and where a missing stop belongs. Reads the state, changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from desk.core.ids import stop_leg_id, target_leg_id
from desk.core.orders import OrderState, Role, TrackedOrder
from desk.core.plans import ReducePlan
from desk.core.words import Contract
from desk.engine.config import ForeignPolicy
from desk.engine.draft import Context, fresh_quote, unreported_fill
from desk.engine.state import Place, Position, State
from desk.orders.move import Need
from desk.orders.protect import Level

__all__ = ["by_hand", "entered_qty", "keeps_now", "need_of", "our_need", "stop_level", "wrong_side_qty"]

_WORKS = {OrderState.WORKING, OrderState.PARTIALLY_FILLED}


def by_hand(state: State, place: Place) -> int:
    """Contracts of the position at the place that none of our orders explains. What somebody closed by hand counts as ours."""
    position = state.positions.get(place)
    if position is None:
        return 0
    entry = state.orders.get(position.entry) if position.entry is not None else None
    if entry is None:
        return abs(position.qty)
    if entry.role is not Role.ENTRY:
        return 0  # a leg of ours opened it
    sign = 1 if position.qty > 0 else -1
    ours = _net(state, place, position.flat_before, hoped_for=sign) * sign
    return max(position.theirs_qty, abs(position.qty) - max(0, ours))


def wrong_side_qty(state: State, place: Place) -> int:
    """Contracts on a side on which no entry of ours asked for a position, and which our stops and targets opened: both legs
    of a pair filled, or one filled after its position had ended (gateway reference 6.3)."""
    position = state.positions.get(place)
    if position is None:
        return 0
    entry = state.orders.get(position.entry) if position.entry is not None else None
    if entry is not None:
        return abs(position.qty) if entry.role is not Role.ENTRY else 0
    net = _net(state, place, position.flat_before, hoped_for=0)
    by_net = abs(net) if net * position.qty > 0 else 0
    return min(abs(position.qty), max(by_net, _crossed_by_leg(state, place, position)))


def _crossed_by_leg(state: State, place: Place, position: Position) -> int:
    """Contracts of the newest execution there, where it is of a leg of ours, on the position's side, and the place was not flat
    since: it was larger than what somebody had left of the position. Whether its row tells an opening is unknown (3.10)."""
    last = state.last_fills.get(place)
    order = state.orders.get(last.client_order_id) if last is not None and last.client_order_id is not None else None
    if last is None or order is None or order.role is Role.ENTRY or last.fill.side.sign * position.qty < 0:
        return 0
    return last.fill.qty if position.flat_before is None or last.ts > position.flat_before else 0


def need_of(state: State, place: Place, policy: ForeignPolicy) -> Need | None:
    """What must have a stop there; None: nothing of which the desk takes care."""
    position = state.positions.get(place)
    if position is None:
        entry, qty = unreported_fill(state, place)
        return Need(abs(qty)) if entry is not None else None
    need = our_need(state, place)
    if policy.stop_ticks is not None and not position.is_given_up:
        need = Need(abs(position.qty))
    running = state.reduce_plan(place)
    if running is not None:
        need = Need(min(need.qty, abs(keeps_now(state, running))), need.spare)
    return need if need.qty else None


def our_need(state: State, place: Place) -> Need:
    """Only what the desk opened."""
    position = state.positions.get(place)
    if position is None or position.entry is None:
        return Need(0)
    spare = by_hand(state, place)
    return Need(abs(position.qty) - spare, spare)


def keeps_now(state: State, plan: ReducePlan) -> int:
    """Signed position that shall remain: what entries of ours filled meanwhile is not a part of what was asked for."""
    return plan.keeps + entered_qty(state, (plan.account_id, plan.contract_id)) - plan.entered


def entered_qty(state: State, place: Place) -> int:
    """Signed contracts that the remembered entries of the place filled."""
    return sum(o.side.sign * o.filled_qty for o in state.remembered_at(place) if o.role is Role.ENTRY)


def stop_level(state: State, place: Place, ctx: Context) -> Level:
    """Where the missing stop had been or should have been: the one nearest to the market where several are missing."""
    position = state.positions.get(place)
    qty = position.qty if position is not None else unreported_fill(state, place)[1]
    contract = ctx.contracts.get(place[1])
    if qty == 0:
        return Level()
    prices = list(_missing(state, place, position, qty, contract))
    if not prices and position is not None and contract is not None:
        entry = state.orders.get(position.entry) if position.entry is not None else None
        ticks = entry.stop_ticks if entry is not None else None
        if by_hand(state, place) and ctx.foreign.stop_ticks is not None:
            ticks = ctx.foreign.stop_ticks
        if ticks is not None:
            prices = [_below(position.avg_price, ticks, qty, contract)]
    if not prices:
        return Level()
    price = max(prices) if qty > 0 else min(prices)
    price = Decimal(contract.price_text(price)) if contract is not None else price  # it is written down for a person
    return Level(price, _is_through(price, qty, place, ctx))


def _missing(
    state: State, place: Place, position: Position | None, qty: int, contract: Contract | None
) -> Iterator[Decimal]:
    """Prices of the stops that entries behind the position should have and have not."""
    for entry in _behind(state, place, position.flat_before if position is not None else state.flat_since.get(place)):
        if entry.role is not Role.ENTRY or entry.side.sign * qty < 0 or not entry.filled_qty:
            continue
        stop, target = (state.orders.get(leg(entry.client_order_id)) for leg in (stop_leg_id, target_leg_id))
        has_ended = any(leg is not None and leg.state is OrderState.FILLED for leg in (stop, target))
        if has_ended or (stop is not None and stop.state in _WORKS):
            continue
        if stop is not None and stop.stop_price is not None:
            yield stop.stop_price
        elif contract is not None and entry.stop_ticks is not None:
            base = entry.filled_price or (position.avg_price if position is not None else None)
            if base is not None:
                yield _below(base, entry.stop_ticks, qty, contract)


def _below(base: Decimal, ticks: int, qty: int, contract: Contract) -> Decimal:
    """``ticks`` against a position of ``qty``, on the grid, rounded towards less risk."""
    sign = 1 if qty > 0 else -1
    price = (base - sign * ticks * contract.tick_size) / contract.tick_size
    return price.to_integral_value(ROUND_CEILING if sign > 0 else ROUND_FLOOR) * contract.tick_size


def _is_through(price: Decimal, qty: int, place: Place, ctx: Context) -> bool:
    """The newest quote lies beyond the stop: it would be refused (gateway reference 3.14)."""
    quote = fresh_quote(ctx, place[1])
    if quote is None:
        return False
    if qty > 0:
        return any(p is not None and p <= price for p in (quote.bid, quote.last))
    return any(p is not None and p >= price for p in (quote.ask, quote.last))


def _behind(state: State, place: Place, since: datetime | None) -> Iterator[TrackedOrder]:
    return (order for order in state.remembered_at(place) if state.is_since(order, since))


def _net(state: State, place: Place, since: datetime | None, *, hoped_for: int) -> int:
    """Signed contracts that our orders traded since then. hoped_for: the sign of entries that count as if they had, where they
    are not over. Those on the other side count not at all then: none may open against a position, so what is told of one is
    late word of the time before, and one that rests or was lost on its way took nothing."""
    net = 0
    for order in _behind(state, place, since):
        if order.role is Role.ENTRY and order.side.sign == -hoped_for:
            continue
        may_have = order.side.sign == hoped_for and order.role is Role.ENTRY and not order.state.is_over
        filled = state.filled_since(order, since)
        net += order.side.sign * (filled + order.qty - order.filled_qty if may_have else filled)
    return net
