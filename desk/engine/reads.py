"""A read of the gateway: its differences are applied as if they had been reported, then what waits for it goes on.

A read may lag the hub by a second (gateway reference 6.3): what the hub told shortly before it was asked for is newer.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from desk.core.events import SnapshotRead
from desk.core.ids import AccountId, ContractId
from desk.core.orders import OrderState, Role
from desk.core.plans import AmendPlan, ExitPlan, FlattenPlan, ProtectPlan, ReducePlan
from desk.core.records import AccountReconciled, ForeignOrderChanged
from desk.core.words import OrderStatus, OrderType, VenueOrder, VenuePosition
from desk.engine import adoption, amends, blind, cares, reduces, reverses, stops, trims, untied
from desk.engine.draft import Draft, unreported_fill
from desk.engine.effects import StartTimer
from desk.engine.entries import sweep_orphans
from desk.engine.exits import exit_ended, flatten_saw, guard, saw_unprotected
from desk.engine.held import release_held
from desk.engine.reports import LOOK_AFTER_S, VENUE, end_order, on_account, on_fill, on_order, on_position, saw_flat
from desk.engine.resume import resume_plans
from desk.engine.state import Place, contracts_in_play
from desk.orders import Reading
from desk.orders import exit as exit_plan

__all__ = ["on_snapshot", "on_watch_timer"]

A_READ_MAY_LAG = timedelta(seconds=1)  # gateway reference 6.3: two consistent reads before repairing anything
FIRST_LOOK_S = 2.0  # what changed in the last second before the hub came up is in no report and in no read
LATELY = timedelta(minutes=1)
LOOK_AGAIN_S = 15.0  # events get lost; while anything is in play the gateway is asked (gateway reference 5.5)
LOOK_AGAIN_PER_ACCOUNT_S = 6.0  # a look is five requests: so all accounts together take a quarter of 200 in 60 s


def on_snapshot(draft: Draft, snapshot: SnapshotRead) -> None:
    """The gateway's own word on an account."""
    before = len(draft.records)
    if snapshot.account is not None:
        on_account(draft, snapshot.account)
    for order in (*snapshot.finished, *snapshot.working):
        on_order(draft, order, "read", snapshot.asked_at - A_READ_MAY_LAG)
    for fill in sorted(snapshot.fills, key=lambda fill: fill.fill_id):
        on_fill(draft, fill)
    is_agreed = _positions(draft, snapshot)
    _vanished(draft, snapshot)
    _orphans(draft, snapshot)
    differences = tuple(type(record).__name__ for record in draft.records[before:])
    for place in sorted(place for place in draft.state.positions if place[0] == snapshot.account_id):
        guard(draft, place)
        seen = _reading(draft, place[1], snapshot)
        stops.sweep_turned(draft, place, seen)
        stops.sweep_excess(draft, place, seen)
        adoption.saw_position(draft, place, seen)
        trims.saw_position(draft, place, seen)
        untied.saw_position(draft, place, seen)
        cares.saw_position(draft, place)
    if snapshot.is_full and "reconcile" in snapshot.asked_by:
        _reconciled(draft, snapshot, differences, is_agreed)
    blind.saw(draft, snapshot)
    for plan_id in snapshot.asked_by:
        _plan_saw(draft, plan_id, snapshot)


def _positions(draft: Draft, snapshot: SnapshotRead) -> bool:
    """Positions of the read against ours. What we learned at about the same time is newer than the read.

    False: the two differ there, and only a later read can tell who is right.
    """
    is_agreed = True
    account_id = snapshot.account_id
    reported = {position.contract_id: position for position in snapshot.positions}
    ours = {contract for account, contract in draft.state.positions if account == account_id}
    for contract_id in sorted(ours | set(reported) | contracts_in_play(draft.state, account_id)):
        place = (account_id, contract_id)
        position = draft.state.positions.get(place)
        touched = position.updated_at if position is not None else draft.state.flat_since.get(place)
        if touched is not None and touched > snapshot.asked_at - A_READ_MAY_LAG:
            shown = reported[contract_id].qty if contract_id in reported else 0
            is_agreed = is_agreed and shown == draft.state.position_qty(place)
            continue
        if contract_id in reported:
            on_position(draft, reported[contract_id], "read")
        elif position is not None:
            flat = VenuePosition(account_id=account_id, contract_id=contract_id, qty=0, avg_price=position.avg_price)
            on_position(draft, flat, "read")
        elif unreported_fill(draft.state, place)[1] and not _is_young(draft, place, snapshot.asked_at):
            saw_flat(draft, place, "read")
    return is_agreed


def _vanished(draft: Draft, snapshot: SnapshotRead) -> None:
    """Working orders that the read does not show any more. Only a full read proves the end of one of ours."""
    working = {order.gateway_order_id for order in snapshot.working}
    for foreign in list(draft.state.foreign_orders.values()):
        if foreign.account_id == snapshot.account_id and foreign.gateway_order_id not in working:
            gone = msgspec.structs.replace(foreign, status=OrderStatus.CANCELLED)
            draft.record(ForeignOrderChanged(cause=VENUE, order=gone, ts=draft.now))
    if not snapshot.is_full:
        return
    for order in list(draft.state.orders.values()):
        is_here = order.account_id == snapshot.account_id and not order.state.is_over
        if not is_here or order.gateway_order_id is None or order.gateway_order_id in working:
            continue
        if order.updated_at <= snapshot.asked_at - A_READ_MAY_LAG:
            end_order(draft, order, "read: not working any more")


def _orphans(draft: Draft, snapshot: SnapshotRead) -> None:
    """Where the read shows our legs at a place that it and we know to be flat."""
    held = {position.contract_id for position in snapshot.positions}
    working = {order.gateway_order_id for order in snapshot.working}
    for contract_id in sorted(contracts_in_play(draft.state, snapshot.account_id) - held):
        sweep_orphans(draft, (snapshot.account_id, contract_id), working, snapshot.asked_at - A_READ_MAY_LAG)


def _reconciled(draft: Draft, snapshot: SnapshotRead, differences: tuple[str, ...], is_agreed: bool) -> None:
    """State and gateway agree, provided that the hub was up when the read was asked for."""
    account_id = snapshot.account_id
    changed_at = draft.state.contact_changed_at
    if not draft.state.user_hub_is_up or (changed_at is not None and snapshot.asked_at < changed_at):
        return  # the hub's return asks for a new read
    known = draft.state.accounts.get(account_id)
    if known is not None and (not is_agreed or (not known.is_reconciled and _is_in_doubt(draft, snapshot))):
        draft.effects.append(StartTimer(f"look:{account_id}", LOOK_AFTER_S))
        return
    if known is None or (known.is_reconciled and not differences):
        return
    draft.record(AccountReconciled(cause=VENUE, account_id=account_id, differences=differences, ts=draft.now))
    _watch(draft, account_id, FIRST_LOOK_S)
    if known.is_reconciled:
        return
    if known.has_lost_track:
        resume_plans(draft, account_id)
    places = {place for place in draft.state.positions if place[0] == account_id}
    places |= {(order.account_id, order.contract_id) for order in draft.state.orders.values() if order.filled_qty}
    for place in sorted(places):
        if place[0] == account_id:
            guard(draft, place)
    release_held(draft, account_id)


def _is_in_doubt(draft: Draft, snapshot: SnapshotRead) -> bool:
    """Something happened so shortly before the gap that the read may not know it, and what followed was not heard."""
    contact = draft.state.contact_changed_at or snapshot.asked_at
    times = [
        position.updated_at for place, position in draft.state.positions.items() if place[0] == snapshot.account_id
    ]
    times += [ts for place, ts in draft.state.flat_since.items() if place[0] == snapshot.account_id]
    times += [o.updated_at for o in draft.state.orders.values() if o.account_id == snapshot.account_id]
    return any(snapshot.asked_at - A_READ_MAY_LAG < ts < contact for ts in times)


def _watch(draft: Draft, account_id: AccountId, delay_s: float) -> None:
    """Starts or goes on with the account's watch. Its key names the reconciliation: the next one begins another watch."""
    known = draft.state.accounts[account_id]
    if known.reconciled_at is not None:
        draft.effects.append(StartTimer(f"watch:{account_id}:{known.reconciled_at.isoformat()}", delay_s))


def on_watch_timer(draft: Draft, key: str) -> None:
    """While anything is in play, or was a moment ago, the account is read from time to time, for an event that never came."""
    _, number, since = key.split(":", 2)
    known = draft.state.accounts.get(AccountId(int(number)))
    if known is None or known.reconciled_at is None or known.reconciled_at.isoformat() != since:
        return
    account_id = known.account.account_id
    _watch(draft, account_id, max(LOOK_AGAIN_S, LOOK_AGAIN_PER_ACCOUNT_S * len(draft.state.accounts)))
    fills = [record.ts for place, record in draft.state.last_fills.items() if place[0] == account_id]
    given_up = [
        order.updated_at
        for order in draft.state.orders.values()
        if order.account_id == account_id and order.state is OrderState.EXPIRED and order.gateway_order_id is None
    ]  # "surely not sent" was sure enough to give it up, and not to forget it
    if contracts_in_play(draft.state, account_id) or any(ts > draft.now - LATELY for ts in (*fills, *given_up)):
        draft.read_fully(account_id)


def _plan_saw(draft: Draft, plan_id: str, snapshot: SnapshotRead) -> None:
    plan = draft.state.plans.get(plan_id)
    if isinstance(plan, FlattenPlan):
        found = {position.contract_id for position in snapshot.positions}
        flatten_saw(draft, plan, found | {order.contract_id for order in snapshot.working})
    elif isinstance(plan, ExitPlan):
        move = exit_plan.on_snapshot(plan, _reading(draft, plan.contract_id, snapshot), draft.now)
        draft.follow(plan, move)
        if move.plan is None:
            _finish_exit(draft, plan)
    elif isinstance(plan, ProtectPlan):
        saw_unprotected(draft, plan, _reading(draft, plan.contract_id, snapshot))
    elif isinstance(plan, AmendPlan):
        amends.on_read(draft, plan, snapshot)
    elif isinstance(plan, ReducePlan):
        reduces.on_read(draft, plan, _reading(draft, plan.contract_id, snapshot))


def _reading(draft: Draft, contract_id: ContractId, snapshot: SnapshotRead) -> Reading:
    """What the read says of one place, and what it cannot know yet."""
    place = (snapshot.account_id, contract_id)
    working = tuple(order for order in snapshot.working if order.contract_id == contract_id)
    ours = {order.client_order_id: order for order in draft.state.orders_at(place)}
    unseen = [
        order.gateway_order_id
        for order in ours.values()
        if order.gateway_order_id is not None
        and order.updated_at > snapshot.asked_at - A_READ_MAY_LAG
        and order.type is not OrderType.MARKET
        and not (order.state is OrderState.SUSPENDED and order.parent in ours)
    ]
    is_open_question = any(order.state.is_unsettled for order in ours.values())
    return Reading(
        asked_at=snapshot.asked_at,
        qty=sum(position.qty for position in snapshot.positions if position.contract_id == contract_id),
        working=working,
        unseen=tuple(unseen),
        entries=tuple(
            o.gateway_order_id for o in ours.values() if o.role is Role.ENTRY and o.gateway_order_id is not None
        ),
        is_settled=not is_open_question
        and not _is_young(draft, place, snapshot.asked_at)
        and not any(_has_just_ended(draft, order, snapshot.asked_at) for order in working),
        own=frozenset(order.gateway_order_id for order in working if _is_ours(draft, order)),
    )


def _is_ours(draft: Draft, shown: VenueOrder) -> bool:
    return shown.tag in draft.state.orders or shown.gateway_order_id in draft.state.by_gateway_id


def _has_just_ended(draft: Draft, shown: VenueOrder, asked_at: datetime) -> bool:
    """The read shows an order working of which we were told, too recently for the read to know, that it is over."""
    tag = draft.state.by_gateway_id.get(shown.gateway_order_id)
    order = draft.state.orders.get(tag) if tag is not None else None
    return order is not None and order.state.is_over and order.updated_at > asked_at - A_READ_MAY_LAG


def _is_young(draft: Draft, place: Place, asked_at: datetime) -> bool:
    """Something that is or may become a position there was reported too recently for the read to know of it."""
    limit = asked_at - A_READ_MAY_LAG
    position = draft.state.positions.get(place)
    if position is not None and position.updated_at > limit:
        return True
    return any(
        order.updated_at > limit and (not order.state.is_over or (order.role is Role.ENTRY and order.filled_qty > 0))
        for order in draft.state.remembered_at(place)
    )


def _finish_exit(draft: Draft, plan: ExitPlan) -> None:
    """Two reads in a row showed nothing: what we still believed to be there is over, whatever the hub did not tell."""
    place = (plan.account_id, plan.contract_id)
    for order in list(draft.state.orders_at(place)):
        end_order(draft, order, "read: not there any more")
    saw_flat(draft, place, "read")
    exit_ended(draft, plan)
    reverses.on_exit_ended(draft, plan)
