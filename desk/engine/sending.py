"""The way out of every opening order: what risk sees of its place, and how an approved one is written down and sent."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta

from desk.core.ids import CauseId, ClientOrderId
from desk.core.orders import OrderState, Role, TrackedOrder
from desk.core.plans import EitherPlan, EnterPlan, EntryEnd, GroupPlan, Ticket
from desk.core.records import OrderChanged, PlanChanged
from desk.core.words import Contract, Side
from desk.engine.draft import Context, Draft, unreported_fill
from desk.engine.effects import Submit
from desk.engine.state import NEW_ENTRY, Place, State, requests_to_flat
from desk.orders import Move, enter
from desk.risk import AccountView, Approved, Denied, Limits, approve

__all__ = [
    "account_view",
    "approve_ticket",
    "either_of",
    "end_entry",
    "follow_enter",
    "group_of",
    "is_over_for_good",
    "submit",
    "unseen_fills",
]


REPORTS_COME_WITHIN = timedelta(seconds=2)


def account_view(state: State, place: Place, ctx: Context, without: Collection[ClientOrderId] = ()) -> AccountView:
    """What risk sees of an account: everything under way counts in full, resting entries too.

    without: orders that do not count: one that is approved again, or the other one of a pair.
    """
    known = state.accounts.get(place[0])
    entries = [order for order in state.entries_at(place) if order.client_order_id not in without]
    buying = sum(order.qty - order.filled_qty for order in entries if order.side is Side.BUY)
    selling = sum(order.qty - order.filled_qty for order in entries if order.side is Side.SELL)
    _, unreported = unreported_fill(state, place)
    naked = [
        plan
        for plan in (state.protect_plan(p) for p in state.positions if p[0] == place[0])
        if plan is not None and plan.is_announced
    ]
    has_exit = state.exit_plan(place) is not None or state.flatten_plan(place[0]) is not None
    return AccountView(
        account=known.account if known is not None else None,
        is_reconciled=known is not None and known.is_reconciled,
        position_qty=state.position_qty(place) + unreported,
        opening_qty=buying + selling + unseen_fills(state, place, ctx),
        has_exit_running=has_exit,
        unprotected=naked[0].contract_id if naked else None,
        is_stopping=state.is_stopping,
        is_journal_ok=ctx.is_journal_ok,
        is_budget_low=ctx.requests_left is not None and ctx.requests_left < requests_to_flat(state) + NEW_ENTRY,
        orphan_orders=0 if state.position_qty(place) or unreported else _legs_without_entry(state, place),
        buying_qty=buying,
        selling_qty=selling,
        brackets_refused_at=known.brackets_refused_at if known is not None else None,
    )


def unseen_fills(state: State, place: Place, ctx: Context) -> int:
    """Contracts that filled after the position there was last reported: its next report is on the way. Only for a moment, for
    the two may have come the other way round."""
    position = state.positions.get(place)
    if position is None:
        return 0
    since = max(position.updated_at, ctx.now - REPORTS_COME_WITHIN)
    entries = [order for order in state.remembered_at(place) if order.role is Role.ENTRY and order.updated_at > since]
    return sum(order.filled_qty for order in entries)


def _legs_without_entry(state: State, place: Place) -> int:
    under_way = {order.client_order_id for order in state.entries_at(place)}
    return sum(order.role is not Role.ENTRY and order.parent not in under_way for order in state.orders_at(place))


def approve_ticket(
    ticket: Ticket, contract: Contract, view: AccountView, ctx: Context, total: int | None = None
) -> Approved | Denied:
    """Risk's word on one entry, here and now. ``total``: the quantity that is held against the limit, if it is not its own."""
    limits, order = Limits(max_position=ticket.max_position), ticket.order
    more = 0 if total is None else max(0, total - order.qty)
    view = replace(view, opening_qty=view.opening_qty + more)
    return approve(order, contract, view, limits, ticket.fresh_until, ctx.now)


def submit(draft: Draft, approved: Approved, cause: CauseId, ticket: Ticket) -> None:
    """Journals the order as submitted, with its plan, and asks for its sending after the commit."""
    asked = approved.order
    assert asked.client_order_id == ticket.order.client_order_id, "what was approved is what is sent"
    order = TrackedOrder(
        client_order_id=asked.client_order_id,
        cause=cause,
        account_id=asked.account_id,
        contract_id=asked.contract_id,
        role=Role.ENTRY,
        type=asked.type,
        side=asked.side,
        qty=asked.qty,
        state=OrderState.SUBMITTED,
        stop_ticks=asked.stop_ticks,
        target_ticks=asked.target_ticks,
        limit_price=asked.limit_price,
        stop_price=asked.stop_price,
        submitted_at=draft.now,
        updated_at=draft.now,
        fresh_until=approved.fresh_until,
        max_position=ticket.max_position,
        care=ticket.care,
        expires_at=ticket.expires_at,
        trail_ticks=ticket.trail_ticks,
        is_stop_trailing=asked.stop_is_trailing,
    )
    draft.record(OrderChanged(cause=cause, order=order, why="submitted", ts=draft.now))
    draft.record(PlanChanged(cause=cause, plan=enter.begin(order), ts=draft.now))
    draft.effects.append(Submit(approved))


def follow_enter(draft: Draft, plan: EnterPlan, move: Move) -> None:
    """An entry's end may be in no event: its reads are full ones, with what is over."""
    order, contract = draft.state.orders.get(plan.entry), draft.ctx.contracts.get(plan.contract_id)
    if move.incident is not None and order is not None and contract is not None:
        kind, text = move.incident
        move = replace(move, incident=(kind, text.replace(enter.name_of(order), enter.name_of(order, contract))))
    draft.follow(plan, replace(move, reads=False))
    if move.reads:
        draft.read_fully(plan.account_id)
    if move.searches:
        draft.search(plan.account_id, plan.entry)


def end_entry(draft: Draft, tag: ClientOrderId, why: EntryEnd) -> None:
    """An entry under way shall not fill any more; its own plan sees to it."""
    plan, order = draft.state.plans.get(f"enter:{tag}"), draft.state.orders.get(tag)
    if isinstance(plan, EnterPlan) and order is not None:
        follow_enter(draft, plan, enter.end(plan, order, why))


def is_over_for_good(state: State, tag: ClientOrderId) -> bool:
    """Over, and not to be sent again; what nobody remembers any more is over, too."""
    order = state.orders.get(tag)
    return order is None or not state.is_under_way(order)


def group_of(state: State, tag: ClientOrderId) -> GroupPlan | None:
    for plan in state.plans.values():
        if isinstance(plan, GroupPlan) and tag in plan.members:
            return plan
    return None


def either_of(state: State, tag: ClientOrderId) -> EitherPlan | None:
    for plan in state.plans.values():
        if isinstance(plan, EitherPlan) and tag in {plan.first, plan.second}:
            return plan
    return None
