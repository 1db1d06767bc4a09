"""Changing and cancelling single working orders, until the venue itself shows the change.

``start_amend`` and ``start_cancel`` are for every other part of the engine; what a person or an alert may change is ruled here.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from decimal import Decimal

import msgspec

from desk.core.events import ReduceSettled, SnapshotRead
from desk.core.ids import AccountId, CauseId, ContractId, GatewayOrderId
from desk.core.intents import Cancel, Modify
from desk.core.orders import OrderState, Role, StopTouch, TrackedOrder
from desk.core.plans import AmendPlan, ExitReason, TouchPlan
from desk.core.records import OrderChanged, PlanEnded, Verdict, VerdictKind
from desk.core.words import Contract, OrderStatus, OrderType, Quote, Side, VenueOrder
from desk.engine import cares, touches
from desk.engine.draft import Context, Draft, unreported_fill
from desk.engine.rulings import Asker, Ruling, accepted, denied, would
from desk.engine.state import Place, State
from desk.orders import amend
from desk.orders.amend import Goal, Seen, is_tighter, plan_id_of, seen_of
from desk.orders.move import Move
from desk.risk import Reason

__all__ = [
    "fresh_quote",
    "grid_problem",
    "is_through",
    "rule_cancel",
    "rule_modify",
    "start_amend",
    "start_cancel",
    "stop_of",
    "wrong_side_of_limit",
    "wrong_side_of_stop",
]

FRESH = timedelta(seconds=2)  # an older quote decides nothing
_LIVE = {OrderState.WORKING, OrderState.PARTIALLY_FILLED}
_STOPS = {OrderType.STOP, OrderType.TRAILING_STOP}

Known = TrackedOrder | VenueOrder


# --- for the rest of the engine ---------------------------------------------------------------------------------------


def start_amend(
    draft: Draft,
    order_id: GatewayOrderId,
    cause: CauseId,
    account_id: AccountId,
    contract_id: ContractId,
    *,
    qty: int | None = None,
    limit_price: Decimal | None = None,
    stop_price: Decimal | None = None,
    touch: StopTouch | None = None,
    or_close: ExitReason | None = None,
) -> str:
    """Brings one working order to new values; joins and overrules a plan that runs for it. Returns the plan's id.

    The caller checked that it adds no risk; a protective stop only tightens even so. There is no plan of that id afterwards
    where nothing is to be done: the order is over, shows the values already, or an exit runs at the place.
    touch: what the stop's exit is called by, once it moved. or_close: the exit to be begun where the market is beyond it.
    """
    goal = Goal(qty=qty, limit_price=limit_price, stop_price=stop_price, touch=touch, or_close=or_close)
    return _start(draft, order_id, cause, (account_id, contract_id), goal)


def start_cancel(
    draft: Draft, order_id: GatewayOrderId, cause: CauseId, account_id: AccountId, contract_id: ContractId
) -> str:
    """One working order goes. As :func:`start_amend`."""
    return _start(draft, order_id, cause, (account_id, contract_id), Goal(is_cancel=True))


def _start(draft: Draft, order_id: GatewayOrderId, cause: CauseId, place: Place, goal: Goal) -> str:
    plan_id = plan_id_of(order_id)
    order = _known(draft.state, order_id)
    running = draft.state.plans.get(plan_id)
    if order is None or draft.ctx.is_shadow or draft.state.exit_plan(place) is not None:
        return plan_id
    if isinstance(running, AmendPlan):
        _follow(draft, running, amend.change(running, goal, seen_of(order)))
        return plan_id
    contract = draft.ctx.contracts.get(place[1])
    move = amend.begin(
        order_id,
        cause,
        place,
        goal,
        seen_of(order),
        draft.now,
        protects=order.side if _protects(draft.state, place, order) else None,
        tick_size=contract.tick_size if contract is not None else None,
    )
    if isinstance(move.plan, AmendPlan):
        _follow(draft, move.plan, move)
    return plan_id


def stop_of(state: State, order: Known) -> Decimal | None:
    """Where a stop is, or is on its way to: nobody may ask for less than that."""
    running = state.plans.get(plan_id_of(order.gateway_order_id)) if order.gateway_order_id is not None else None
    goal = running.stop_price if isinstance(running, AmendPlan) else None
    if goal is None or order.stop_price is None:
        return order.stop_price
    return goal if is_tighter(order.side, goal, order.stop_price) else order.stop_price


def fresh_quote(ctx: Context, contract_id: ContractId) -> Quote | None:
    """The newest quote, unless it is too old to decide on."""
    quote = ctx.quote(contract_id)
    return quote if quote is not None and ctx.now - quote.ts_recv < FRESH else None


def is_through(quote: Quote | None, side: Side, stop: Decimal) -> bool:
    """The market is beyond a stop of ``side``: the venue would not take it (gateway reference 3.14)."""
    if quote is None:
        return False
    best = quote.ask if side is Side.SELL else quote.bid
    market = best if best is not None else quote.last
    return market is not None and (market - stop) * side.sign >= 0


def grid_problem(contract: Contract, price: Decimal) -> Ruling | None:
    """The denial of a price between two ticks, with its neighbours."""
    if contract.is_on_grid(price):
        return None
    below = price - price % contract.tick_size
    text = (
        f"{price} is not on the tick grid of {contract.name}; the nearest are {below} and {below + contract.tick_size}"
    )
    return denied(Reason.BAD_PRICE, text)


# --- what comes back --------------------------------------------------------------------------------------------------


def on_settled(draft: Draft, plan: AmendPlan, event: ReduceSettled) -> None:
    """The modify or cancel came back."""
    is_past = False
    if plan.protects is not None and plan.stop_price is not None:
        is_past = is_through(fresh_quote(draft.ctx, plan.contract_id), plan.protects, plan.stop_price)
    _follow(draft, plan, amend.on_settled(plan, event.outcome, _seen(draft.state, plan), is_past, draft.now))


def on_order(draft: Draft, order: TrackedOrder) -> None:
    """An order of ours changed; it may be what a plan waits for."""
    _reported(draft, order)


def on_foreign(draft: Draft, order: VenueOrder) -> None:
    """An order that is not ours changed."""
    _reported(draft, order)


def _reported(draft: Draft, order: Known) -> None:
    plan = draft.state.plans.get(plan_id_of(order.gateway_order_id)) if order.gateway_order_id is not None else None
    if isinstance(plan, AmendPlan) and plan.account_id == order.account_id:
        move = amend.on_report(plan, seen_of(order))
        if move is not None:
            _follow(draft, plan, move)


def on_read(draft: Draft, plan: AmendPlan, snapshot: SnapshotRead) -> None:
    """The read that it asked for."""
    shown = [o for o in (*snapshot.working, *snapshot.finished) if o.gateway_order_id == plan.gateway_order_id]
    seen = seen_of(shown[0]) if shown else None
    _follow(draft, plan, amend.on_read(plan, seen, snapshot.asked_at, draft.now))


def on_read_failed(draft: Draft, plan: AmendPlan, reason: str) -> None:
    """No answer proves nothing."""
    _follow(draft, plan, amend.on_read_failed(plan, reason))


def on_timer(draft: Draft, plan: AmendPlan) -> None:
    """A pause is over."""
    _follow(draft, plan, amend.on_timer(plan, _seen(draft.state, plan)))


def resume(draft: Draft, plan: AmendPlan) -> None:
    """After a start."""
    _follow(draft, plan, amend.on_resume(plan, draft.now))


def _follow(draft: Draft, plan: AmendPlan, move: Move) -> None:
    if move.reads and plan.missing_reads:  # how an order ended that no read shows working
        draft.read_fully(plan.account_id, plan.plan_id)
        move = Move(move.plan, timer=move.timer, incident=move.incident)
    draft.follow(plan, move)
    if move.plan is None:
        if move.result == amend.DONE and plan.touch is not None:
            _touched(draft, plan, plan.touch)
        cares.on_amended(draft, plan, move.result)


def _touched(draft: Draft, plan: AmendPlan, touch: StopTouch) -> None:
    """The stop was moved: the reason of its fill is named by it."""
    tag = draft.state.by_gateway_id.get(plan.gateway_order_id)
    order = draft.state.orders.get(tag) if tag is not None else None
    if order is not None and order.role is Role.STOP and not order.state.is_over and order.touched is not touch:
        moved = msgspec.structs.replace(order, touched=touch)
        draft.record(OrderChanged(cause=plan.cause, order=moved, why=f"moved: {touch}", ts=draft.now))


def _seen(state: State, plan: AmendPlan) -> Seen | None:
    order = _known(state, plan.gateway_order_id)
    return seen_of(order) if order is not None else None


def _known(state: State, order_id: GatewayOrderId) -> Known | None:
    """The order of that number: one of ours, or another one that works."""
    tag = state.by_gateway_id.get(order_id)
    order = state.orders.get(tag) if tag is not None else None
    if order is not None and order.gateway_order_id == order_id:
        return order
    return state.foreign_orders.get(order_id)


def _protects(state: State, place: Place, order: Known) -> bool:
    """A leg that is there to protect, or a stop against what is held, whoever placed it."""
    if isinstance(order, TrackedOrder) and order.role is not Role.ENTRY:
        return order.role is Role.STOP
    return order.type in _STOPS and order.side.sign * _held(state, place) < 0


def _held(state: State, place: Place) -> int:
    """Signed position; where its report is still to come, what filled."""
    return state.position_qty(place) or unreported_fill(state, place)[1]


# --- what a person or an alert asks for -------------------------------------------------------------------------------


def rule_cancel(state: State, wanted: Cancel, contract: Contract | None, asker: Asker, ctx: Context) -> Ruling:
    """Orders by id, or the resting entries of the place or account."""
    if wanted.order_ids:
        return _rule_cancel_ids(state, wanted.order_ids, asker, ctx)
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


def _rule_cancel_ids(state: State, ids: tuple[GatewayOrderId, ...], asker: Asker, ctx: Context) -> Ruling:
    orders: list[Known] = []
    for order_id in ids:
        order = _mine(state, order_id, asker)
        if isinstance(order, Ruling):
            return order
        problem = _cancel_problem(state, order, set(ids), asker)
        if problem is not None:
            return problem
        orders.append(order)
    text = ", ".join(_name(order) for order in orders)
    if ctx.is_shadow or asker.is_dry_run:
        return would(f"would cancel {text}", ctx)

    def begin(draft: Draft) -> None:
        for order_id, order in zip(ids, orders, strict=True):
            start_cancel(draft, order_id, asker.cause, order.account_id, order.contract_id)

    plan_id = plan_id_of(ids[0]) if len(ids) == 1 else None
    return Ruling(accepted(f"cancelling {text}", plan_id=plan_id, warnings=asker.warnings), begin=begin)


def _cancel_problem(state: State, order: Known, ids: Collection[GatewayOrderId], asker: Asker) -> Ruling | None:
    """Why it may not be cancelled by itself: it protects something."""
    place = (order.account_id, order.contract_id)
    if _is_asleep(order) and isinstance(order, TrackedOrder) and order.role is Role.STOP:
        return denied(Reason.PROTECTS, f"{_name(order)} will protect its entry once that fills; cancel the entry")
    if order.type not in _STOPS or not _protects(state, place, order):
        return None
    held = _held(state, place)
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
    stops: list[Known] = [o for o in state.orders_at(place) if o.role is Role.STOP and o.state in _LIVE]
    stops += [o for o in state.foreign_at(place) if o.type in _STOPS and o.status is OrderStatus.OPEN]
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
    changes = []
    is_stop = order.type is OrderType.STOP
    if wanted.price is not None:
        changes.append(f"from {order.stop_price if is_stop else order.limit_price} to {wanted.price}")
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
    problem = _qty_problem(wanted.qty, order) if wanted.qty is not None else None
    if problem is not None or wanted.price is None:
        return problem
    if order.type not in {OrderType.STOP, OrderType.LIMIT}:
        return denied(Reason.BAD_PRICE, f"{_name(order)} is a {order.type} order: it has no price to move")
    return grid_problem(contract, wanted.price) or _price_problem(state, wanted.price, order, contract, ctx)


def _qty_problem(qty: int, order: Known) -> Ruling | None:
    if isinstance(order, TrackedOrder) and order.role is not Role.ENTRY:
        text = "a bracket leg keeps its quantity; close a part of the position instead, its legs shrink with it"
        return denied(Reason.BAD_SIZE, text)
    if qty >= order.qty:
        return denied(Reason.ADDS_RISK, f"{_name(order)}: an order only gets smaller; for more, send another one")
    if qty <= order.filled_qty:
        text = f"{order.filled_qty} of {order.qty} are filled already: cancel the rest instead"
        return denied(Reason.BAD_SIZE, text)
    return None


def _price_problem(state: State, price: Decimal, order: Known, contract: Contract, ctx: Context) -> Ruling | None:
    """A stop that protects only tightens; everything stays on its own side of the market."""
    place = (order.account_id, order.contract_id)
    quote = fresh_quote(ctx, contract.contract_id)
    if _protects(state, place, order):
        at = stop_of(state, order)
        if at is not None and price == at:
            text = f"{_name(order)} is at {at} already"
            return Ruling(Verdict(kind=VerdictKind.IGNORED, reason=Reason.ALREADY_THERE, text=text))
        if at is not None and not is_tighter(order.side, price, at):
            return denied(Reason.ADDS_RISK, f"a stop only moves towards less risk; the position's stop is at {at}")
        return wrong_side_of_stop(quote, order.side, price)
    is_leg = isinstance(order, TrackedOrder) and order.role is Role.TARGET
    is_stop = order.type is OrderType.STOP
    if quote is None and not is_leg:
        return denied(
            Reason.NO_QUOTE, f"no quote of {contract.name} is younger than 2 s: where the market is, is unknown"
        )
    if is_stop:
        return wrong_side_of_stop(quote, order.side, price)
    problem = wrong_side_of_limit(quote, order.side, price)
    if problem is not None or not isinstance(order, TrackedOrder) or order.care.stop_price is None or is_leg:
        return problem
    if (price - order.care.stop_price) * order.side.sign < 4 * contract.tick_size:
        text = f"its stop at {order.care.stop_price} would be on the wrong side of the entry, or under 4 ticks away"
        return denied(Reason.STOP_TOO_CLOSE, text)
    return None


def wrong_side_of_stop(quote: Quote | None, side: Side, price: Decimal) -> Ruling | None:
    """A stop beyond the market would be refused by the venue. Without a fresh quote the venue itself decides."""
    if quote is None or not is_through(quote, side, price):
        return None
    where = f"below the best ask {quote.ask}" if side is Side.SELL else f"above the best bid {quote.bid}"
    return denied(Reason.WRONG_SIDE, f"a {side} stop must be {where}; it would be at {price}. To get out now, exit")


def wrong_side_of_limit(quote: Quote | None, side: Side, price: Decimal) -> Ruling | None:
    """A limit beyond the market would fill at once."""
    if quote is None:
        return None
    best = quote.ask if side is Side.BUY else quote.bid
    market = best if best is not None else quote.last
    if market is None or (market - price) * side.sign > 0:
        return None
    where = "below the best ask" if side is Side.BUY else "above the best bid"
    return denied(
        Reason.WRONG_SIDE, f"a {side} limit must be {where} {market}, or it fills at once; it would be at {price}"
    )


def _mine(state: State, order_id: GatewayOrderId, asker: Asker) -> Known | Ruling:
    """The working order that the asker names and may touch."""
    order = _known(state, order_id)
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


def _many(count: int, one: str, more: str) -> str:
    return f"1 {one}" if count == 1 else f"{count} {more}"
