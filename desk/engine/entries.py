"""Entries on their way: what risk sees, how an approved one is written down and sent, and how its plan goes on."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import msgspec

from desk.bots import BotConfig
from desk.core.events import OutcomeKind, SubmitSettled
from desk.core.ids import CauseId, ClientOrderId, GatewayOrderId, client_order_id
from desk.core.intents import Enter, EnterEither
from desk.core.orders import OrderRequest, OrderState, Role, TrackedOrder
from desk.core.plans import EnterPlan
from desk.core.records import OrderChanged, PlanChanged, PlanEnded
from desk.core.words import Contract
from desk.engine.draft import Context, Draft, unreported_fill
from desk.engine.effects import Reduce, Submit
from desk.engine.rulings import Asker, Ruling, accepted, denied, place_of, would
from desk.engine.state import Place, State
from desk.orders import enter, settle
from desk.risk import AccountView, Approved, Denied, Limits, approve

__all__ = [
    "account_view",
    "on_enter_timer",
    "on_submit_settled",
    "rule_either",
    "rule_enter",
    "submit",
    "sweep_orphans",
    "withdraw_entries",
]


def account_view(state: State, place: Place, ctx: Context, without: ClientOrderId | None = None) -> AccountView:
    """What risk sees of an account. ``without``: an order that is approved again does not count against itself."""
    known = state.accounts.get(place[0])
    opening = sum(order.qty - order.filled_qty for order in state.entries_at(place) if order.client_order_id != without)
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
        position_qty=state.position_qty(place),
        opening_qty=opening + abs(unreported),
        has_exit_running=has_exit,
        unprotected=naked[0].contract_id if naked else None,
        is_stopping=state.is_stopping,
        is_journal_ok=ctx.is_journal_ok,
        orphan_orders=0 if state.position_qty(place) or unreported else _legs_without_entry(state, place),
    )


def _legs_without_entry(state: State, place: Place) -> int:
    under_way = {order.client_order_id for order in state.entries_at(place)}
    return sum(order.role is not Role.ENTRY and order.parent not in under_way for order in state.orders_at(place))


def rule_enter(state: State, wanted: Enter, contract: Contract, asker: Asker, ctx: Context) -> Ruling:
    """One opening order, approved by risk here and now."""
    place = place_of(asker, contract)
    target_ticks = wanted.stages[0].target_ticks if wanted.stages else None
    order = OrderRequest(
        client_order_id=client_order_id(asker.cause, asker.account_id, "entry", 1),
        account_id=asker.account_id,
        contract_id=contract.contract_id,
        type=wanted.type,
        side=wanted.side,
        qty=wanted.qty,
        stop_ticks=wanted.stop_ticks,
        target_ticks=target_ticks,
    )
    limits = Limits(max_position=wanted.max_position)
    answer = approve(order, contract, account_view(state, place, ctx), limits, wanted.fresh_until, ctx.now)
    if isinstance(answer, Denied):
        return denied(answer.reason, answer.text, asker.warnings)
    target = f", target {target_ticks} ticks" if target_ticks is not None else ""
    text = f"{wanted.side} {wanted.qty} {contract.name} at market, stop {wanted.stop_ticks} ticks{target}"
    if ctx.is_shadow or asker.is_dry_run:
        return would(f"would send: {text}", ctx)
    approved = answer
    return Ruling(
        accepted(text, orders=(order.client_order_id,), warnings=asker.warnings),
        begin=lambda draft: submit(draft, approved, asker.cause, wanted.max_position),
        opens=True,
    )


def rule_either(state: State, wanted: EnterEither, contract: Contract, asker: Asker, ctx: Context) -> Ruling:
    """Two resting entries, of which one may fill."""
    raise NotImplementedError


def submit(draft: Draft, approved: Approved, cause: CauseId, max_position: int) -> None:
    """Journals the order as submitted, with its plan, and asks for its sending after the commit."""
    asked = approved.order
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
        submitted_at=draft.now,
        updated_at=draft.now,
        fresh_until=approved.fresh_until,
        max_position=max_position,
    )
    draft.record(OrderChanged(cause=cause, order=order, why="submitted", ts=draft.now))
    draft.record(PlanChanged(cause=cause, plan=enter.begin(order), ts=draft.now))
    draft.effects.append(Submit(approved))


def on_submit_settled(draft: Draft, event: SubmitSettled) -> None:
    """The reply to a sending, which may come before or after the venue's own reports of the order."""
    order = draft.state.orders.get(event.client_order_id)
    if order is None:
        return
    if enter.is_tag_taken(event.outcome):
        _search_first_sending(draft, order)
        return
    is_open_question = order.state.is_unsettled
    changed = settle(order, event.outcome, draft.now)
    if changed is not None:
        why = event.outcome.kind.value + (f": {event.outcome.text}" if event.outcome.text else "")
        draft.record(OrderChanged(cause=order.cause, order=changed, why=why, ts=draft.now))
    if event.outcome.kind is OutcomeKind.REFUSED:
        text = f"{order.side} {order.qty} {order.contract_id}: {event.outcome.text or event.outcome.code}"
        draft.tell(order.cause, "order.rejected", text)
    plan = draft.state.plans.get(f"enter:{event.client_order_id}")
    if isinstance(plan, EnterPlan) and is_open_question:
        move = enter.on_settled(plan, event.outcome)
        draft.follow(plan, move)
        if move.searches:
            draft.search(order.account_id, order.client_order_id)


def _search_first_sending(draft: Draft, order: TrackedOrder) -> None:
    """Refused because its tag is in use: an earlier sending of the same order arrived after all. Find that one.

    The refused repeat is reported under the same tag, so a rejection that the hub told is not about the first sending.
    """
    if order.state not in {OrderState.SUBMITTED, OrderState.UNKNOWN, OrderState.REJECTED}:
        return
    unknown = msgspec.structs.replace(order, state=OrderState.UNKNOWN, gateway_order_id=None, updated_at=draft.now)
    draft.record(OrderChanged(cause=order.cause, order=unknown, why="unknown: its tag is in use", ts=draft.now))
    move = enter.begin_search(unknown)
    assert isinstance(move.plan, EnterPlan), "a search belongs to a plan"
    draft.follow(move.plan, move)
    draft.search(order.account_id, order.client_order_id)


def on_enter_timer(draft: Draft, plan: EnterPlan) -> None:
    """A pause of an entry is over: search once more, read what became of it, or, where it surely is not at the venue,
    ask risk again."""
    order = draft.state.orders.get(plan.entry)
    if order is not None and enter.resends(plan, order):
        _send_again(draft, plan, order)
        return
    move = enter.on_timer(plan)
    if move.reads:
        draft.read_fully(plan.account_id)
    elif move.searches:
        draft.follow(plan, move)
        draft.search(plan.account_id, plan.entry)


def _send_again(draft: Draft, plan: EnterPlan, order: TrackedOrder) -> None:
    """Approved anew and under the same tag, so that the venue takes it once at most. Only into a place that is still empty."""
    place = (order.account_id, order.contract_id)
    if not draft.ctx.contracts and not _is_too_late(draft, order):
        draft.follow(plan, enter.later(plan))  # the catalogue is being read
        return
    contract = draft.ctx.contracts.get(order.contract_id)
    bot = next((b for b in draft.ctx.bots.values() if b.account_id == order.account_id), None)
    if contract is None or bot is None:
        _give_up(draft, plan, order, "its contract or its bot is gone")
        return
    held = draft.state.position_qty(place)
    if held:
        _give_up(draft, plan, order, f"the position is {held:+d} meanwhile")
        return
    answer = _approve_again(draft, order, contract, bot)
    if isinstance(answer, Denied):
        _give_up(draft, plan, order, f"{answer.reason}: {answer.text}")
        return
    draft.record(PlanEnded(cause=plan.cause, plan_id=plan.plan_id, result="sent again", ts=draft.now))
    submit(draft, answer, order.cause, _limits(order, bot).max_position)


def _approve_again(draft: Draft, order: TrackedOrder, contract: Contract, bot: BotConfig) -> Approved | Denied:
    place = (order.account_id, order.contract_id)
    view = account_view(draft.state, place, draft.ctx, without=order.client_order_id)
    return approve(order.request, contract, view, _limits(order, bot), order.fresh_until, draft.now)


def _limits(order: TrackedOrder, bot: BotConfig) -> Limits:
    """Never looser than when the order was first approved."""
    return Limits(bot.max_position if order.max_position is None else min(order.max_position, bot.max_position))


def _is_too_late(draft: Draft, order: TrackedOrder) -> bool:
    return order.fresh_until is not None and draft.now > order.fresh_until


def _give_up(draft: Draft, plan: EnterPlan, order: TrackedOrder, why: str) -> None:
    if not order.state.is_over:
        expired = msgspec.structs.replace(order, state=OrderState.EXPIRED, updated_at=draft.now)
        draft.record(OrderChanged(cause=order.cause, order=expired, why=f"never arrived; {why}", ts=draft.now))
    draft.record(PlanEnded(cause=plan.cause, plan_id=plan.plan_id, result=f"not sent again: {why}", ts=draft.now))
    draft.tell(order.cause, "entry.expired", f"{order.side} {order.qty} {order.contract_id} was not carried out: {why}")


def sweep_orphans(draft: Draft, place: Place, working: Collection[GatewayOrderId], as_of: datetime) -> None:
    """Legs of ours that a read shows working at a flat place would open a position: they go. A close by hand leaves them
    (gateway reference 3.9).

    as_of: nothing that the read shows is older. What we know to be flat must be older still, for a wrong "flat" would strip
    a position of its stop: only two witnesses count.
    """
    state = draft.state
    flat_since = state.flat_since.get(place)
    is_flat = place not in state.positions and not unreported_fill(state, place)[1] and not any(state.entries_at(place))
    if not is_flat or state.exit_plan(place) is not None or (flat_since is not None and flat_since > as_of):
        return
    legs = [o for o in state.orders_at(place) if o.gateway_order_id in working and o.updated_at <= as_of]
    cancels = [Reduce(cancel) for cancel in map(enter.withdraw, legs) if cancel is not None]
    if cancels and not draft.ctx.is_shadow:
        text = f"{place[1]}: flat, but {len(cancels)} protective orders of ours still work there. They are cancelled."
        draft.tell(legs[0].cause, "order.orphan", text)
        draft.effects += cancels


def withdraw_entries(draft: Draft) -> None:
    """The desk stops: entries that rest at the venue go; protective stops stay."""
    for order in draft.state.orders.values():
        cancel = enter.withdraw(order) if order.role is Role.ENTRY else None
        if cancel is not None:
            draft.effects.append(Reduce(cancel))
