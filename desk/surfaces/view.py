"""The desk as plain values: what ``GET /api/state`` answers and what the console's tables are made of.

Flat lists with ages. Numbers are exact (a Decimal is written as a JSON number, digit by digit); what nobody measured is
``null``, with the reason beside it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from desk.core.ids import GatewayOrderId
from desk.core.orders import OrderState, Role, TrackedOrder
from desk.core.plans import Plan, TouchPlan
from desk.core.words import OrderStatus, OrderType, Quote, Side, VenueOrder
from desk.engine.state import Place, Position, State
from desk.orders.move import PlaceView, is_protected
from desk.runtime.desk import Desk, Phase
from desk.surfaces.bars_json import BarRows, bars_as_json
from desk.surfaces.intent_words import enter_words
from desk.surfaces.plan_words import account_name, plan_kind, plan_step, plan_words, symbol_of
from desk.surfaces.shapes import (
    AccountView,
    ExitView,
    LegView,
    OrderView,
    PlanView,
    PositionView,
    StateView,
    WaitingView,
)

__all__ = [
    "encode",
    "goes_out_again",
    "numbered",
    "state_view",
    "view_accounts",
    "view_exits",
    "view_orders",
    "view_plans",
    "view_positions",
    "view_waiting",
]

FRESH_QUOTE = timedelta(seconds=10)


def _foreign_as_json(value: object) -> msgspec.Raw:
    if isinstance(value, BarRows):
        return msgspec.Raw(bars_as_json(value.columns))
    raise NotImplementedError(f"nobody said how {type(value).__name__} is written as JSON")


_encoder = msgspec.json.Encoder(decimal_format="number", enc_hook=_foreign_as_json)


def encode(value: object) -> bytes:
    """JSON. Decimals become numbers with all their digits, bars an array of objects. Many bars: call it in a thread."""
    return _encoder.encode(value)


def state_view(desk: Desk) -> StateView:
    return StateView(
        mode=desk.mode,
        ready=desk.phase is Phase.READY,
        phase=desk.phase.value,
        version=desk.version,
        ts=desk.clock.now(),
        started_at=desk.started_at,
        user_hub_is_up=desk.state.user_hub_is_up,
        held=len(desk.state.held),
        accounts=view_accounts(desk),
        positions=view_positions(desk),
        orders=view_orders(desk),
        plans=view_plans(desk),
        waiting=view_waiting(desk),
        last_exits=view_exits(desk),
        troubles=dict(desk.troubles),
    )


def view_accounts(desk: Desk) -> tuple[AccountView, ...]:
    return tuple(
        AccountView(
            account_id=account_id,
            name=known.account.name,
            balance=known.account.balance,
            can_trade=known.account.can_trade,
            simulated=known.account.simulated,
            is_default=account_id == desk.account_id,
            is_reconciled=known.is_reconciled,
            reconciled_age_ms=_age_ms(desk, known.reconciled_at),
        )
        for account_id, known in sorted(desk.state.accounts.items())
    )


def numbered(desk: Desk) -> tuple[Position, ...]:
    """Open positions by account and symbol; a list shows them with numbers from 1."""
    return tuple(
        sorted(
            desk.state.positions.values(),
            key=lambda p: (
                account_name(desk, p.account_id),
                symbol_of(desk, p.contract_id),
                p.account_id,
                p.contract_id,
            ),
        )
    )


def view_positions(desk: Desk) -> tuple[PositionView, ...]:
    """Open positions, by account and symbol."""
    return tuple(_position(desk, position, number) for number, position in enumerate(numbered(desk), 1))


def view_orders(desk: Desk) -> tuple[OrderView, ...]:
    """Orders that are not over, ours and others', oldest first."""
    tracked = desk.state.orders.values()
    ours = [_order(desk, o) for o in tracked if not o.state.is_over or goes_out_again(desk.state, o)]
    others = [_foreign(desk, order) for order in desk.state.foreign_orders.values()]
    return tuple(sorted([*ours, *others], key=lambda order: (-order.age_ms, order.gateway_order_id or 0)))


def goes_out_again(state: State, order: TrackedOrder) -> bool:
    """An entry that was surely not sent, at a rate limit or without a line: it counts as expired until its plan sends it."""
    return order.state is OrderState.EXPIRED and f"enter:{order.client_order_id}" in state.plans


def view_plans(desk: Desk) -> tuple[PlanView, ...]:
    return tuple(_plan(desk, plan) for plan in sorted(desk.state.plans.values(), key=lambda plan: plan.started_at))


def view_waiting(desk: Desk) -> tuple[WaitingView, ...]:
    """Emulated orders that wait for their price, oldest first."""
    plans = [plan for plan in desk.state.plans.values() if isinstance(plan, TouchPlan)]
    return tuple(_waiting(desk, plan) for plan in sorted(plans, key=lambda plan: plan.started_at))


def view_exits(desk: Desk) -> tuple[ExitView, ...]:
    """The last exit of each account and contract, newest first."""
    exits = sorted(desk.state.last_exits.items(), key=lambda item: item[1].ts, reverse=True)
    return tuple(
        ExitView(
            account_id=account_id,
            account=account_name(desk, account_id),
            contract_id=contract_id,
            symbol=symbol_of(desk, contract_id),
            qty=last.qty,
            reason=last.reason.value,
            cause=last.cause,
            ts=last.ts,
            age_ms=_age_ms(desk, last.ts) or 0,
        )
        for (account_id, contract_id), last in exits
    )


def _position(desk: Desk, position: Position, number: int) -> PositionView:
    place = (position.account_id, position.contract_id)
    gone = _cancelled_by_exit(desk, place)
    ours = tuple(order for order in desk.state.orders_at(place) if order.gateway_order_id not in gone)
    foreign = tuple(order for order in desk.state.foreign_at(place) if order.gateway_order_id not in gone)
    legs = _legs(position, ours, foreign)
    mark, mark_age_ms, note = _mark(desk, position)
    contract = desk.catalogue.get(position.contract_id)
    unrealised = None
    if mark is not None and contract is not None:
        unrealised = (mark - position.avg_price) * position.qty * contract.point_value
    return PositionView(
        account_id=position.account_id,
        account=account_name(desk, position.account_id),
        contract_id=position.contract_id,
        symbol=symbol_of(desk, position.contract_id),
        side="long" if position.qty > 0 else "short",
        qty=position.qty,
        avg_price=position.avg_price,
        stop=next((leg for leg in legs if leg.kind == "stop"), None),
        target=next((leg for leg in legs if leg.kind == "target"), None),
        legs=legs,
        is_protected=is_protected(PlaceView(*place, position.qty, ours, foreign)),
        covered_qty=_covered_qty(position, ours, foreign),
        number=number,
        unrealised_usd=unrealised,
        mark=mark,
        mark_age_ms=mark_age_ms,
        unrealised_note=note if contract is not None else "the contract's tick value is not known yet",
        opened_at=position.opened_at,
        age_ms=_age_ms(desk, position.opened_at),
        cause=position.cause,
        entry=position.entry,
    )


def _cancelled_by_exit(desk: Desk, place: Place) -> set[GatewayOrderId]:
    """Orders whose cancel was answered: they protect nothing, however late their report comes."""
    plan = desk.state.exit_plan(place)
    return {order_id for order_id, _ in plan.gone} if plan is not None else set()


def _covered_qty(position: Position, ours: tuple[TrackedOrder, ...], foreign: tuple[VenueOrder, ...]) -> int:
    """Contracts for which a stop surely works; counted as ``orders.move.is_protected`` does, which says yes or no."""
    works = {OrderState.WORKING, OrderState.PARTIALLY_FILLED}
    stops = {OrderType.STOP, OrderType.TRAILING_STOP}
    orders: list[TrackedOrder | VenueOrder] = [o for o in ours if o.role is Role.STOP and o.state in works]
    orders += [o for o in foreign if o.type in stops and o.status is OrderStatus.OPEN]
    return sum(order.qty - order.filled_qty for order in orders if order.side.sign * position.qty < 0)


def _mark(desk: Desk, position: Position) -> tuple[Decimal | None, int | None, str | None]:
    """Price that the position could be valued at, its age, and why there is none."""
    quote = desk.quotes.quote(position.contract_id)
    if quote is None:
        return None, None, "no quote was seen yet"
    age_ms = _age_ms(desk, quote.ts_recv) or 0
    if timedelta(milliseconds=age_ms) >= FRESH_QUOTE:
        return None, age_ms, f"the last quote is {age_ms // 1000} s old"
    price = _exit_price(quote, position.qty)
    return price, age_ms, None if price is not None else "the quote has no price yet"


def _exit_price(quote: Quote, qty: int) -> Decimal | None:
    """What a close would get: the bid for a long, the ask for a short; the last trade where that side is missing."""
    side = quote.bid if qty > 0 else quote.ask
    return side if side is not None else quote.last


def _legs(position: Position, ours: tuple[TrackedOrder, ...], foreign: tuple[VenueOrder, ...]) -> tuple[LegView, ...]:
    """Protective orders, the nearest to the market first; ours before others'."""
    sign = 1 if position.qty > 0 else -1
    resting = {o.client_order_id for o in ours if o.role is Role.ENTRY and not o.filled_qty}  # their legs still sleep
    found = [
        LegView(
            kind=order.role.value,
            price=order.stop_price if order.role is Role.STOP else order.limit_price,
            qty=order.qty - order.filled_qty,
            state=order.state.value,
            is_ours=True,
            gateway_order_id=order.gateway_order_id,
            client_order_id=order.client_order_id,
        )
        for order in ours
        if order.role is not Role.ENTRY and order.parent not in resting
    ]
    exit_side = Side.SELL if position.qty > 0 else Side.BUY
    kinds = {OrderType.STOP: "stop", OrderType.TRAILING_STOP: "stop", OrderType.LIMIT: "target"}
    found += [
        LegView(
            kind=kinds[order.type],
            price=order.limit_price if order.type is OrderType.LIMIT else order.stop_price,
            qty=order.qty - order.filled_qty,
            state=order.status.value,
            is_ours=False,
            gateway_order_id=order.gateway_order_id,
            client_order_id=None,
        )
        for order in foreign
        if order.side is exit_side and order.type in kinds
    ]

    def nearness(leg: LegView) -> tuple[bool, Decimal]:
        distance = (leg.price or Decimal(0)) * sign
        return leg.price is None, -distance if leg.kind == "stop" else distance

    return tuple(sorted(found, key=lambda leg: (not leg.is_ours, *nearness(leg))))


def _order(desk: Desk, order: TrackedOrder) -> OrderView:
    return OrderView(
        account_id=order.account_id,
        account=account_name(desk, order.account_id),
        contract_id=order.contract_id,
        symbol=symbol_of(desk, order.contract_id),
        is_ours=True,
        role=order.role.value,
        side=order.side.value,
        type=order.type.value,
        qty=order.qty,
        filled_qty=order.filled_qty,
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        state="to be sent again" if order.state.is_over else order.state.value,
        gateway_order_id=order.gateway_order_id,
        tag=order.client_order_id,
        parent=order.parent,
        cause=order.cause,
        age_ms=_age_ms(desk, order.submitted_at) or 0,
        expires_at=order.expires_at,
    )


def _foreign(desk: Desk, order: VenueOrder) -> OrderView:
    return OrderView(
        account_id=order.account_id,
        account=account_name(desk, order.account_id),
        contract_id=order.contract_id,
        symbol=symbol_of(desk, order.contract_id),
        is_ours=False,
        role="foreign",
        side=order.side.value,
        type=order.type.value,
        qty=order.qty,
        filled_qty=order.filled_qty,
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        state=order.status.value,
        gateway_order_id=order.gateway_order_id,
        tag=order.tag,
        parent=None if order.parent_id is None else str(order.parent_id),
        cause=None,
        age_ms=_age_ms(desk, order.created_at) or 0,
    )


def _plan(desk: Desk, plan: Plan) -> PlanView:
    contract_id = getattr(plan, "contract_id", None)
    return PlanView(
        plan_id=plan.plan_id,
        kind=plan_kind(plan),
        account_id=plan.account_id,
        contract_id=contract_id,
        symbol=None if contract_id is None else symbol_of(desk, contract_id),
        step=plan_step(plan),
        cause=plan.cause,
        age_ms=_age_ms(desk, plan.started_at) or 0,
        words=plan_words(desk, plan),
    )


def _waiting(desk: Desk, plan: TouchPlan) -> WaitingView:
    enter, symbol = plan.enter, symbol_of(desk, plan.contract_id)
    return WaitingView(
        plan_id=plan.plan_id,
        account_id=plan.account_id,
        account=account_name(desk, plan.account_id),
        contract_id=plan.contract_id,
        symbol=symbol,
        side=enter.side.value,
        qty=enter.qty,
        touch_price=enter.touch_price,
        type=enter.type.value,
        limit_price=enter.limit_price,
        words=enter_words(enter, desk.catalogue.get(plan.contract_id), symbol),
        expires_at=enter.expires_at,
        cause=plan.cause,
        age_ms=_age_ms(desk, plan.started_at) or 0,
    )


def _age_ms(desk: Desk, since: datetime | None) -> int | None:
    """Whole milliseconds since then; 0 when the other clock is ahead of ours."""
    if since is None:
        return None
    return max(0, round((desk.clock.now() - since) / timedelta(milliseconds=1)))
