"""What a person or an alert may cancel and change by an order's number: nothing that protects, unless it stays protected."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal

import msgspec

from desk.core.ids import AccountId, CauseId, ContractId, GatewayOrderId
from desk.core.intents import Cancel, Modify
from desk.core.orders import OrderState, Role, StopTouch, TrackedOrder
from desk.core.plans import AmendPlan, ExitReason, TouchPlan
from desk.core.records import PlanEnded, Verdict, VerdictKind
from desk.core.words import Contract, OrderStatus, OrderType, Quote, Side
from desk.engine import touches
from desk.engine.amends import (
    LIVE,
    STOPS,
    Known,
    held_at,
    is_through,
    known,
    protects,
    start_amend,
    start_cancel,
    stop_of,
)
from desk.engine.draft import Context, Draft, fresh_quote
from desk.engine.naming import price_text
from desk.engine.rulings import Asker, Ruling, accepted, denied, would
from desk.engine.state import Place, State
from desk.orders.amend import is_tighter, plan_id_of
from desk.risk import Reason

__all__ = ["grid_problem", "rule_cancel", "rule_modify", "wrong_side_of_limit", "wrong_side_of_stop"]


def rule_cancel(state: State, wanted: Cancel, contract: Contract | None, asker: Asker, ctx: Context) -> Ruling:
    """Orders by id, or the resting entries of the place or account."""
    if wanted.order_ids or wanted.waiting:
        return _rule_cancel_ids(state, wanted, asker, ctx)
    contract_id = contract.contract_id if contract is not None else None
    where = contract.name if contract is not None else "the account"
    entries = _resting_entries(state, asker.account_id, contract_id)
    waiting = [
        plan
        for plan in state.plans.values()
        if isinstance(plan, TouchPlan)
        and plan.account_id == asker.account_id
        and contract_id in {None, plan.contract_id}
    ]
    if not entries and not waiting:
        text = f"no entry rests or waits for its price at {where}; protective stops and targets stay"
        return Ruling(Verdict(kind=VerdictKind.IGNORED, reason=Reason.NOTHING_TO_CANCEL, text=text))
    text = f"{_many(len(entries) + len(waiting), 'entry', 'entries')} of {where}"
    if ctx.is_shadow or asker.is_dry_run:
        return would(f"would cancel {text}", ctx)
    flying = [order for order in entries if order.state.is_unsettled or _is_without_number(order)]
    warnings = asker.warnings
    if flying:
        warnings = (*warnings, f"{len(flying)} of them are still in flight and have no number yet: cancel once more")

    def begin(draft: Draft) -> None:
        touches.end_touches(draft, asker.account_id, contract_id, asker.cause, "cancelled")
        for order in entries:
            _cancel_entry(draft, order, asker.cause)

    return Ruling(accepted(f"cancelling {text}", warnings=warnings), begin=begin)


def _rule_cancel_ids(state: State, wanted: Cancel, asker: Asker, ctx: Context) -> Ruling:
    orders: list[Known] = []
    touching: list[TouchPlan] = []
    ids = wanted.order_ids
    for waiting_id in wanted.waiting:
        plan = state.plans.get(waiting_id)
        if not isinstance(plan, TouchPlan) or plan.account_id != asker.account_id:
            return denied(Reason.NO_SUCH_ORDER, f"{waiting_id} does not wait any more; look at the orders")
        touching.append(plan)
    for order_id in ids:
        order = _mine(state, order_id, asker)
        if isinstance(order, Ruling):
            return order
        problem = _cancel_problem(state, order, set(ids), asker)
        if problem is not None:
            return problem
        orders.append(order)
    text = ", ".join([_name(order) for order in orders] + [_waiting_name(plan, ctx) for plan in touching])
    if ctx.is_shadow or asker.is_dry_run:
        return would(f"would cancel {text}", ctx)

    def begin(draft: Draft) -> None:
        for plan in touching:
            touches.end_touch(draft, plan, asker.cause, "cancelled")
        for order_id, order in zip(ids, orders, strict=True):
            start_cancel(draft, order_id, asker.cause, order.account_id, order.contract_id)

    plan_id = plan_id_of(ids[0]) if len(ids) == 1 and not touching else None
    return Ruling(accepted(f"cancelling {text}", plan_id=plan_id, warnings=asker.warnings), begin=begin)


def _cancel_problem(state: State, order: Known, ids: Collection[GatewayOrderId], asker: Asker) -> Ruling | None:
    """Why it may not be cancelled by itself: it protects something."""
    place = (order.account_id, order.contract_id)
    if _is_asleep(order) and isinstance(order, TrackedOrder) and order.role is Role.STOP:
        return denied(Reason.PROTECTS, f"{_name(order)} will protect its entry once that fills; cancel the entry")
    if order.type not in STOPS or not protects(state, place, order):
        return None
    held = held_at(state, place)
    if not held or order.side.sign * held > 0:
        return None
    if asker.reason is not ExitReason.MANUAL:
        return denied(Reason.PROTECTS, f"{_name(order)} protects the position; only a person may cancel it")
    left = _protected_qty(state, place, held, ids)
    if left >= abs(held):
        return None
    text = f"{_name(order)} protects the position of {held:+d}; without it stops for {left} would be left. Close the position"
    return denied(Reason.PROTECTS, text)


def _protected_qty(state: State, place: Place, held: int, without: Collection[GatewayOrderId]) -> int:
    """Contracts that working stops cover, not counted those that are to go or are on their way out."""
    qty = 0
    stops: list[Known] = [o for o in state.orders_at(place) if o.role is Role.STOP and o.state in LIVE]
    stops += [o for o in state.foreign_at(place) if o.type in STOPS and o.status is OrderStatus.OPEN]
    for order in stops:
        plan = state.plans.get(plan_id_of(order.gateway_order_id)) if order.gateway_order_id is not None else None
        is_leaving = order.gateway_order_id in without or (isinstance(plan, AmendPlan) and plan.is_cancel)
        if not is_leaving and order.side.sign * held < 0:
            qty += order.qty - order.filled_qty
    return qty


def _resting_entries(state: State, account_id: AccountId, contract_id: ContractId | None) -> list[TrackedOrder]:
    """Our entries that are not over, a market order that is being carried out excepted, and those that wait to be sent again."""
    return [
        order
        for order in state.orders.values()
        if order.account_id == account_id
        and contract_id in {None, order.contract_id}
        and order.role is Role.ENTRY
        and (_is_resting(order) or (_is_without_number(order) and f"enter:{order.client_order_id}" in state.plans))
    ]


def _is_resting(order: TrackedOrder) -> bool:
    return not order.state.is_over and (order.type is not OrderType.MARKET or order.state.is_unsettled)


def _is_without_number(order: TrackedOrder) -> bool:
    """Surely not sent, and to be tried again."""
    return order.state is OrderState.EXPIRED and order.gateway_order_id is None


def _cancel_entry(draft: Draft, order: TrackedOrder, cause: CauseId) -> None:
    plan_id = f"enter:{order.client_order_id}"
    if _is_without_number(order):
        if plan_id in draft.state.plans:
            draft.record(PlanEnded(cause=order.cause, plan_id=plan_id, result="not sent: cancelled", ts=draft.now))
        return
    if order.gateway_order_id is not None:
        start_cancel(draft, order.gateway_order_id, cause, order.account_id, order.contract_id)


def rule_modify(state: State, wanted: Modify, asker: Asker, ctx: Context) -> Ruling:
    """One working order."""
    order = _mine(state, wanted.order_id, asker)
    if isinstance(order, Ruling):
        return order
    contract = ctx.contracts.get(order.contract_id)
    if contract is None:
        return denied(Reason.UNKNOWN_SYMBOL, f"{order.contract_id} is not in the gateway's contract list")
    problem = _modify_problem(state, wanted, order, contract, ctx)
    if problem is not None:
        return problem
    if wanted.qty == order.qty:  # as it is: only the price is another one
        wanted = msgspec.structs.replace(wanted, qty=None)
    changes = []
    is_stop = order.type is OrderType.STOP
    if wanted.price is not None:
        before = contract.price_text(order.stop_price if is_stop else order.limit_price)
        changes.append(f"from {before} to {contract.price_text(wanted.price)}")
    if wanted.qty is not None:
        changes.append(f"from {order.qty} to {wanted.qty} contracts")
    text = f"{_name(order)} {' and '.join(changes)}"
    if ctx.is_shadow or asker.is_dry_run:
        return would(f"would move {text}", ctx)

    def begin(draft: Draft) -> None:
        start_amend(
            draft,
            wanted.order_id,
            asker.cause,
            order.account_id,
            order.contract_id,
            qty=wanted.qty,
            limit_price=None if is_stop else wanted.price,
            stop_price=wanted.price if is_stop else None,
            touch=StopTouch.MOVED if is_stop and wanted.price is not None else None,
        )

    return Ruling(accepted(f"moving {text}", plan_id=plan_id_of(wanted.order_id), warnings=asker.warnings), begin=begin)


def _modify_problem(state: State, wanted: Modify, order: Known, contract: Contract, ctx: Context) -> Ruling | None:
    if wanted.qty is None and wanted.price is None:
        return denied(Reason.UNREADABLE, "it says neither a price nor a quantity to change")
    if state.exit_plan((order.account_id, order.contract_id)) is not None:
        return denied(Reason.EXIT_RUNNING, f"an exit of {contract.name} cancels it")
    if _is_asleep(order):
        return denied(Reason.NO_SUCH_ORDER, f"{_name(order)} sleeps until its entry fills; change it then")
    is_same = wanted.qty == order.qty
    if is_same and wanted.price is None:
        text = f"{_name(order)} is for {order.qty} already"
        return Ruling(Verdict(kind=VerdictKind.IGNORED, reason=Reason.ALREADY_THERE, text=text))
    problem = _qty_problem(state, wanted.qty, order) if wanted.qty is not None and not is_same else None
    if problem is not None or wanted.price is None:
        return problem
    if order.type not in {OrderType.STOP, OrderType.LIMIT}:
        return denied(Reason.BAD_PRICE, f"{_name(order)} is a {order.type} order: it has no price to move")
    return grid_problem(contract, wanted.price) or _price_problem(state, wanted.price, order, contract, ctx)


def _qty_problem(state: State, qty: int, order: Known) -> Ruling | None:
    if isinstance(order, TrackedOrder) and order.role is not Role.ENTRY:
        text = "a bracket leg keeps its quantity; close a part of the position instead, its legs shrink with it"
        return denied(Reason.BAD_SIZE, text)
    if qty >= order.qty:
        return denied(Reason.ADDS_RISK, f"{_name(order)}: an order only gets smaller; for more, send another one")
    if qty <= order.filled_qty:
        text = f"{order.filled_qty} of {order.qty} are filled already: cancel the rest instead"
        return denied(Reason.BAD_SIZE, text)
    place = (order.account_id, order.contract_id)
    held = held_at(state, place)
    others = _protected_qty(state, place, held, [n for n in (order.gateway_order_id,) if n is not None])
    if protects(state, place, order) and others + qty - order.filled_qty < abs(held):
        text = (
            f"{_name(order)} protects the position of {held:+d}; stops for {others + qty - order.filled_qty} would be left. "
            "Close a part of the position first"
        )
        return denied(Reason.PROTECTS, text)
    return None


def _price_problem(state: State, price: Decimal, order: Known, contract: Contract, ctx: Context) -> Ruling | None:
    """A stop that protects only tightens; everything stays on its own side of the market."""
    place = (order.account_id, order.contract_id)
    quote = fresh_quote(ctx, contract.contract_id)
    if protects(state, place, order):
        at = stop_of(state, order)
        if at is not None and price == at:
            text = f"{_name(order)} is at {contract.price_text(at)} already"
            return Ruling(Verdict(kind=VerdictKind.IGNORED, reason=Reason.ALREADY_THERE, text=text))
        if at is not None and not is_tighter(order.side, price, at):
            text = f"a stop only moves towards less risk; the position's stop is at {contract.price_text(at)}"
            return denied(Reason.ADDS_RISK, text)
        return wrong_side_of_stop(quote, order.side, price, contract)
    is_leg = isinstance(order, TrackedOrder) and order.role is Role.TARGET
    is_stop = order.type is OrderType.STOP
    if quote is None and not is_leg:
        return denied(
            Reason.NO_QUOTE, f"no quote of {contract.name} is younger than 2 s: where the market is, is unknown"
        )
    if is_stop:
        return wrong_side_of_stop(quote, order.side, price, contract)
    problem = wrong_side_of_limit(quote, order.side, price, contract)
    if problem is not None or not isinstance(order, TrackedOrder) or order.care.stop_price is None or is_leg:
        return problem
    if (price - order.care.stop_price) * order.side.sign < 4 * contract.tick_size:
        stop = contract.price_text(order.care.stop_price)
        text = f"its stop at {stop} would be on the wrong side of the entry, or under 4 ticks away"
        return denied(Reason.STOP_TOO_CLOSE, text)
    return None


def grid_problem(contract: Contract, price: Decimal) -> Ruling | None:
    """The denial of a price between two ticks, with its neighbours."""
    if contract.is_on_grid(price):
        return None
    below = price - price % contract.tick_size
    near = f"{contract.price_text(below)} and {contract.price_text(below + contract.tick_size)}"
    text = f"{price} is not on the tick grid of {contract.name}; the nearest are {near}"
    return denied(Reason.BAD_PRICE, text)


def wrong_side_of_stop(quote: Quote | None, side: Side, price: Decimal, contract: Contract) -> Ruling | None:
    """A stop beyond the market would be refused by the venue. Without a fresh quote the venue itself decides."""
    if quote is None or not is_through(quote, side, price):
        return None
    best, where = (quote.ask, "below the best ask") if side is Side.SELL else (quote.bid, "above the best bid")
    best, where = (best, where) if best is not None else (quote.last, f"{where.split()[0]} the last price")
    at = contract.price_text(price)
    text = f"a {side} stop must be {where} {contract.price_text(best)}; it would be at {at}. To get out now, exit"
    return denied(Reason.WRONG_SIDE, text)


def wrong_side_of_limit(quote: Quote | None, side: Side, price: Decimal, contract: Contract) -> Ruling | None:
    """A limit beyond the market would fill at once."""
    if quote is None:
        return None
    best = quote.ask if side is Side.BUY else quote.bid
    market = best if best is not None else quote.last
    if market is None or (market - price) * side.sign > 0:
        return None
    where = "below the best ask" if side is Side.BUY else "above the best bid"
    at = contract.price_text(price)
    text = f"a {side} limit must be {where} {contract.price_text(market)}, or it fills at once; it would be at {at}"
    return denied(Reason.WRONG_SIDE, text)


def _mine(state: State, order_id: GatewayOrderId, asker: Asker) -> Known | Ruling:
    """The working order that the asker names and may touch."""
    order = known(state, order_id)
    if order is None or order.account_id != asker.account_id:
        return denied(Reason.NO_SUCH_ORDER, f"no order {order_id} is known on this account; look at the orders")
    if isinstance(order, TrackedOrder):
        if order.state.is_over:
            return denied(Reason.NO_SUCH_ORDER, f"{_name(order)} is over: {order.state}")
        return order
    if asker.reason is not ExitReason.MANUAL:
        return denied(Reason.NOT_OURS, f"order {order_id} was not placed by this desk; only a person may touch it")
    return order


def _is_asleep(order: Known) -> bool:
    if isinstance(order, TrackedOrder):
        return order.state is OrderState.SUSPENDED
    return order.status is OrderStatus.SUSPENDED


def _name(order: Known) -> str:
    role = order.role.value if isinstance(order, TrackedOrder) else "foreign"
    return f"{role} order {order.gateway_order_id} ({order.side} {order.qty} {order.contract_id})"


def _waiting_name(plan: TouchPlan, ctx: Context) -> str:
    at = price_text(plan.enter.touch_price, plan.contract_id, ctx)
    return f"the waiting order {plan.enter.side} {plan.enter.qty} {plan.contract_id} at a touch of {at}"


def _many(count: int, one: str, more: str) -> str:
    return f"1 {one}" if count == 1 else f"{count} {more}"
