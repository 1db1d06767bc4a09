"""Stops and targets of ours that are more than the position: somebody closed a part of it, and what is too much would open the
other side. They get smaller; nothing is closed."""

from __future__ import annotations

from desk.core.ids import AccountId, ContractId
from desk.core.orders import OrderState, Role, TrackedOrder
from desk.engine import reduces
from desk.engine.cover import entered_qty
from desk.engine.draft import Draft, view_of
from desk.engine.effects import StartTimer
from desk.engine.state import Place, State
from desk.orders import Reading
from desk.orders import reduce as reduce_plan

__all__ = ["look_soon", "on_timer", "saw_position"]

LOOK_AFTER_S = 1.2  # a read may lag by a second


def look_soon(draft: Draft, place: Place) -> None:
    """The position got smaller. Where a leg of ours did it, the rest of its pair is gone by then."""
    if _may_trim(draft, place) and _is_too_much(draft.state, place):
        draft.effects.append(StartTimer(f"trim:{place[0]}:{place[1]}", LOOK_AFTER_S))


def on_timer(draft: Draft, key: str) -> None:
    _, account, contract = key.split(":", 2)
    place = (AccountId(int(account)), ContractId(contract))
    if _may_trim(draft, place) and _is_too_much(draft.state, place):
        draft.read_fully(place[0])


def saw_position(draft: Draft, place: Place, seen: Reading) -> None:
    """The first witness: a read that agrees with what is known, with nothing under way. The plan waits for the second one."""
    position = draft.state.positions.get(place)
    if position is None or seen.qty != position.qty or not seen.is_settled or not _may_trim(draft, place):
        return
    ours = [unit for unit in reduces.units_of(draft.state, seen) if unit.is_ours]
    if max(sum(unit.stop_qty for unit in ours), sum(unit.target_qty for unit in ours)) <= abs(position.qty):
        return
    move = reduce_plan.begin_trim(
        view_of(draft.state, place), position.cause, draft.now, entered_qty(draft.state, place)
    )
    assert move.plan is not None, "it begins with a plan"
    draft.follow(move.plan, move)


def _may_trim(draft: Draft, place: Place) -> bool:
    """Nothing else is at work there. The legs of an entry that fills in parts may be larger than what it filled so far."""
    state = draft.state
    is_filling = any(order.filled_qty and not order.state.is_over for order in state.entries_at(place))
    is_leaving = state.exit_plan(place) is not None or state.flatten_plan(place[0]) is not None
    is_busy = is_leaving or state.reduce_plan(place) is not None or is_filling
    return not is_busy and not draft.ctx.is_shadow and state.is_reconciled(place[0])


def _is_too_much(state: State, place: Place) -> bool:
    """As far as the hub told."""
    qty = state.position_qty(place)
    legs = [order for order in state.orders_at(place) if _works_against(order, qty)]
    return any(
        sum(o.qty - o.filled_qty for o in legs if o.role is role) > abs(qty) for role in (Role.STOP, Role.TARGET)
    )


def _works_against(order: TrackedOrder, qty: int) -> bool:
    is_live = order.state in {OrderState.WORKING, OrderState.PARTIALLY_FILLED}
    return is_live and order.role is not Role.ENTRY and order.side.sign * qty < 0
