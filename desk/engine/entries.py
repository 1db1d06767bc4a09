"""Entries: what an intent to open becomes, and how one that is on its way goes on until it is over."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import msgspec

from desk.core.events import OutcomeKind, ReduceSettled, SubmitSettled
from desk.core.ids import GatewayOrderId
from desk.core.intents import Enter, EnterEither
from desk.core.orders import OrderState, Role, TrackedOrder
from desk.core.plans import EnterPlan, EntryEnd
from desk.core.records import OrderChanged, PlanEnded
from desk.core.words import Contract, OrderType
from desk.engine import doubts, eithers, groups
from desk.engine.apply import is_resting
from desk.engine.draft import SWEEPS_LAST_S, Context, Draft, fresh_quote, unreported_fill
from desk.engine.effects import Reduce, StartTimer
from desk.engine.pricing import (
    Priced,
    is_touched,
    nearest,
    price_entry,
    ticket_of,
    with_trail_price,
)
from desk.engine.rulings import Asker, Ruling, accepted, denied, place_of, would
from desk.engine.sending import account_view, approve_ticket, either_of, end_entry, follow_enter, group_of, submit
from desk.engine.state import Place, State
from desk.engine.waiting import end_waiting
from desk.orders import enter, settle, touch
from desk.risk import AccountView, Approved, Denied, Reason

__all__ = [
    "check",
    "on_cancel_settled",
    "on_enter_timer",
    "on_submit_settled",
    "resume_entry",
    "rule_either",
    "rule_enter",
    "sweep_orphans",
    "withdraw_entries",
]

STOPS = "the desk stops"
LOOK_AFTER_S = 1.2  # a read may lag by a second
_RESTING = {OrderType.LIMIT, OrderType.STOP, OrderType.TRAILING_STOP, OrderType.JOIN_BID, OrderType.JOIN_ASK}


# -- rulings ------------------------------------------------------------------------------------------------------------


def rule_enter(state: State, wanted: Enter, contract: Contract, asker: Asker, ctx: Context) -> Ruling:
    """One entry, in one order or in one per stage, approved by risk here and now; or one that waits for its price."""
    if wanted.touch_price is not None:
        return _rule_touch(state, wanted, contract, asker, ctx)
    priced = price_entry(wanted, contract, asker, ctx)
    if isinstance(priced, Denied):
        return denied(priced.reason, priced.text, asker.warnings)
    first = check(priced, contract, account_view(state, place_of(asker, contract), ctx), ctx)
    if isinstance(first, Denied):
        return denied(first.reason, first.text, asker.warnings)
    if ctx.is_shadow or asker.is_dry_run:
        return would(f"would send: {priced.text}", ctx)
    approved, tickets = first, priced.tickets
    orders = tuple(ticket.order.client_order_id for ticket in tickets)

    def begin(draft: Draft) -> None:
        if len(tickets) > 1:
            groups.begin(draft, asker.cause, wanted, tickets, approved)
        else:
            submit(draft, approved, asker.cause, tickets[0])

    verdict = accepted(priced.text, orders=orders, warnings=(*asker.warnings, *priced.warnings))
    return Ruling(verdict, begin=begin, opens=True)


def check(priced: Priced, contract: Contract, view: AccountView, ctx: Context) -> Approved | Denied:
    """Risk's word on the whole: every order by itself, and all of them together against the ceiling."""
    total = sum(ticket.order.qty for ticket in priced.tickets)
    for ticket in priced.tickets:
        answer = approve_ticket(ticket, contract, view, ctx, total=total)
        if isinstance(answer, Denied):
            return answer
    return approve_ticket(priced.tickets[0], contract, view, ctx)


def rule_either(state: State, wanted: EnterEither, contract: Contract, asker: Asker, ctx: Context) -> Ruling:
    """Two resting entries, of which one may fill: approved for the larger of the two, not for their sum."""
    for one in (wanted.first, wanted.second):
        if one.touch_price is not None or one.type not in _RESTING or len(one.stages) > 1:
            text = "the two entries of a pair rest at the venue: limit, stop, trailing stop or join, in one stage each"
            return denied(Reason.NOT_SUPPORTED, text, asker.warnings)
    first = price_entry(wanted.first, contract, asker, ctx)
    second = price_entry(wanted.second, contract, asker, ctx, first=2)
    for priced in (first, second):
        if isinstance(priced, Denied):
            return denied(priced.reason, priced.text, asker.warnings)
    assert isinstance(first, Priced), "denied otherwise"
    assert isinstance(second, Priced), "denied otherwise"
    tickets = (first.tickets[0], second.tickets[0])
    larger = max(ticket.order.qty for ticket in tickets)
    view = account_view(state, place_of(asker, contract), ctx)
    answers = [approve_ticket(ticket, contract, view, ctx, total=larger) for ticket in tickets]
    for answer in answers:
        if isinstance(answer, Denied):
            return denied(answer.reason, answer.text, asker.warnings)
    text = (
        f"either {first.text} or {second.text}; when one fills the other is cancelled, {larger} count against the limit"
    )
    if ctx.is_shadow or asker.is_dry_run:
        return would(f"would send: {text}", ctx)
    approved = answers[0]
    assert isinstance(approved, Approved), "denied otherwise"
    warnings = (*asker.warnings, *first.warnings, *second.warnings)
    return Ruling(
        accepted(text, orders=tuple(ticket.order.client_order_id for ticket in tickets), warnings=warnings),
        begin=lambda draft: eithers.begin(draft, asker.cause, tickets, approved),
        opens=True,
    )


def _rule_touch(state: State, wanted: Enter, contract: Contract, asker: Asker, ctx: Context) -> Ruling:
    """Nothing is sent yet; risk is asked now as a first check, and again when the price is there."""
    price = wanted.touch_price
    assert price is not None, "the caller checked it"
    if not contract.is_on_grid(price):
        text = f"touch price {price:f} is off the tick of {contract.tick_size:f}; {nearest(contract, price)} would do"
        return denied(Reason.BAD_PRICE, text, asker.warnings)
    if wanted.type not in {OrderType.MARKET, OrderType.LIMIT}:
        text = f"at a touch a market or a limit order can be sent, not {wanted.type}"
        return denied(Reason.NOT_SUPPORTED, text, asker.warnings)
    quote = fresh_quote(ctx, contract.contract_id)
    if quote is None:
        text = f"waiting for a price needs a quote of {contract.name} younger than 2 s, and there is none"
        return denied(Reason.NO_QUOTE, text, asker.warnings)
    at_touch = msgspec.structs.replace(quote, bid=price, ask=price, last=price)  # where it will be when it is sent
    then = replace(ctx, quote=lambda _: at_touch)
    priced = price_entry(msgspec.structs.replace(wanted, touch_price=None), contract, asker, then)
    if isinstance(priced, Denied):
        return denied(priced.reason, priced.text, asker.warnings)
    answer = check(priced, contract, account_view(state, place_of(asker, contract), ctx), ctx)
    if isinstance(answer, Denied):
        return denied(answer.reason, answer.text, asker.warnings)
    is_above = not is_touched(quote, price, from_below=True)
    where = "up" if is_above else "down"
    text = (
        f"waiting for {contract.name} to trade {where} to {contract.price_text(price)}, then {priced.text}. "
        "Nothing is at the venue until then; "
        "it counts against the limit only when it is sent, and is checked again"
    )
    if ctx.is_shadow or asker.is_dry_run:
        return would(f"would wait: {text}", ctx)
    wanted = msgspec.structs.replace(wanted, touch_price=Decimal(contract.price_text(price)))  # its plan writes it down
    move = touch.begin(asker.cause, asker.account_id, contract.contract_id, wanted, is_above=is_above, now=ctx.now)
    plan = move.plan
    assert plan is not None, "its expiry lies ahead, it was priced"
    verdict = accepted(text, plan_id=plan.plan_id, warnings=asker.warnings)
    return Ruling(verdict, begin=lambda draft: draft.follow(plan, move), opens=True)


# -- on their way -------------------------------------------------------------------------------------------------------


def on_submit_settled(draft: Draft, event: SubmitSettled) -> None:
    """The reply to a sending, which may come before or after the venue's own reports of the order."""
    order = draft.state.orders.get(event.client_order_id)
    if order is None:
        return
    if enter.is_tag_taken(event.outcome):
        _search_first_sending(draft, order)
        return
    outcome = doubts.doubted(draft.state, order, event.outcome)
    is_open_question = order.state.is_unsettled
    changed = settle(order, outcome, draft.now)
    is_refused = outcome.kind is OutcomeKind.REFUSED
    if changed is not None or is_refused:  # the reason of a refusal stands only in the reply (gateway reference 3.6)
        why = outcome.kind.value + (f": {outcome.text}" if outcome.text else "")
        draft.record(OrderChanged(cause=order.cause, order=changed or order, why=why, ts=draft.now))
    if is_refused or (outcome.kind is OutcomeKind.UNCLEAR and order.state is OrderState.REJECTED):
        text = f"{order.side} {order.qty} {order.contract_id}: {outcome.text or outcome.code}"
        draft.tell(order.cause, "order.rejected", text)
    plan = draft.state.plans.get(f"enter:{event.client_order_id}")
    if isinstance(plan, EnterPlan) and is_open_question:
        follow_enter(draft, plan, enter.on_settled(plan, outcome, changed or order, draft.now))
    _tell_brothers(draft, changed or order)


def on_cancel_settled(draft: Draft, plan: EnterPlan, event: ReduceSettled) -> None:
    """The cancel that an entry's own plan asked for came back."""
    follow_enter(draft, plan, enter.on_cancel_settled(plan, event.outcome))


def resume_entry(draft: Draft, plan: EnterPlan) -> None:
    """After a start."""
    follow_enter(draft, plan, enter.on_resume(plan, draft.state.orders.get(plan.entry), draft.now))


def _tell_brothers(draft: Draft, order: TrackedOrder) -> None:
    """A pair or a group learns what a reply, or our own giving up, made of one of theirs."""
    eithers.on_order(draft, order)
    groups.on_order(draft, order)


def _search_first_sending(draft: Draft, order: TrackedOrder) -> None:
    """Refused because its tag is in use: an earlier sending of the same order arrived after all. Find that one.

    The refused repeat is reported under the same tag, so a rejection that the hub told is not about the first sending.
    """
    if order.state not in {OrderState.SUBMITTED, OrderState.UNKNOWN, OrderState.REJECTED}:
        return
    unknown = msgspec.structs.replace(order, state=OrderState.UNKNOWN, gateway_order_id=None, updated_at=draft.now)
    draft.record(OrderChanged(cause=order.cause, order=unknown, why="unknown: its tag is in use", ts=draft.now))
    before = draft.state.plans.get(f"enter:{order.client_order_id}")
    move = enter.begin_search(unknown, before.ending if isinstance(before, EnterPlan) else None)
    assert isinstance(move.plan, EnterPlan), "a search belongs to a plan"
    follow_enter(draft, move.plan, move)


def on_enter_timer(draft: Draft, plan: EnterPlan) -> None:
    """A pause of an entry is over: search once more, read what became of it, cancel it, or, where it surely is not at the
    venue, ask risk again."""
    order = draft.state.orders.get(plan.entry)
    if order is None:
        draft.record(PlanEnded(cause=plan.cause, plan_id=plan.plan_id, result="its order is forgotten", ts=draft.now))
    elif enter.is_absent(plan, order):
        _send_again(draft, plan, order)
    else:
        follow_enter(draft, plan, enter.on_timer(plan, order, draft.now))


def _send_again(draft: Draft, plan: EnterPlan, order: TrackedOrder) -> None:
    """Approved anew and under the same tag, so that the venue takes it once at most. Only into a place that is as it was when
    it was sent: what brothers of its group opened does not count."""
    place = (order.account_id, order.contract_id)
    no_more = _no_more(draft, plan, order)
    if no_more is not None:
        _give_up(draft, plan, order, no_more)
        return
    contract, limit = draft.ctx.contracts.get(order.contract_id), _limit(draft, order)
    if contract is None and not draft.ctx.contracts:
        draft.follow(plan, enter.later(plan))  # the catalogue is being read
        return
    if contract is None or limit is None:
        _give_up(draft, plan, order, "its contract or its bot is gone")
        return
    ticket = with_trail_price(ticket_of(order, limit), contract, fresh_quote(draft.ctx, contract.contract_id))
    if ticket is None:
        draft.follow(plan, enter.later(plan))  # a trailing stop waits for a quote, while it is fresh
        return
    pair = either_of(draft.state, order.client_order_id)
    without = (order.client_order_id,) if pair is None else (pair.first, pair.second)
    total = None if pair is None else eithers.larger_qty(pair)
    answer = approve_ticket(ticket, contract, account_view(draft.state, place, draft.ctx, without), draft.ctx, total)
    if isinstance(answer, Denied):
        _give_up(draft, plan, order, f"{answer.reason}: {answer.text}")
        return
    draft.record(PlanEnded(cause=plan.cause, plan_id=plan.plan_id, result="sent again", ts=draft.now))
    submit(draft, answer, order.cause, ticket)


def _no_more(draft: Draft, plan: EnterPlan, order: TrackedOrder) -> str | None:
    """Why an order that is not at the venue shall not go there any more."""
    if plan.ending is not None:
        return str(plan.ending)
    if order.expires_at is not None and draft.now >= order.expires_at:
        return str(EntryEnd.EXPIRED)
    if order.fresh_until is not None and draft.now > order.fresh_until:
        return f"{Reason.TOO_OLD}: it could not be sent in time"
    position = draft.state.positions.get((order.account_id, order.contract_id))
    if position is not None:
        has_changed = position.updated_at > order.submitted_at
        is_of_others = position.qty * order.side.sign > _held_by_brothers(draft.state, order)
        if position.qty * order.side.sign < 0 or (has_changed and is_of_others):
            return f"the position is {position.qty:+d} meanwhile"
    plan_of_group = group_of(draft.state, order.client_order_id)
    if plan_of_group is not None and plan_of_group.held_back:
        return f"its group is not gone on with: {plan_of_group.held_back}"
    return None


def _held_by_brothers(state: State, order: TrackedOrder) -> int:
    """Contracts that other members of its group opened."""
    group = group_of(state, order.client_order_id)
    brothers = [state.orders.get(tag) for tag in group.members] if group is not None else []
    return sum(brother.filled_qty for brother in brothers if brother is not None and brother is not order)


def _limit(draft: Draft, order: TrackedOrder) -> int | None:
    """Never looser than when the order was first approved. A person's order brings its own; None: nothing says."""
    bots = [bot.max_position for bot in draft.ctx.bots.values() if bot.account_id == order.account_id]
    limits = [limit for limit in (order.max_position, max(bots, default=None)) if limit is not None]
    return min(limits, default=None)


def _give_up(draft: Draft, plan: EnterPlan, order: TrackedOrder, why: str) -> None:
    if not order.state.is_over:
        order = msgspec.structs.replace(order, state=OrderState.EXPIRED, updated_at=draft.now)
        draft.record(OrderChanged(cause=order.cause, order=order, why=f"never arrived; {why}", ts=draft.now))
    draft.record(PlanEnded(cause=plan.cause, plan_id=plan.plan_id, result=f"not sent again: {why}", ts=draft.now))
    draft.tell(order.cause, "entry.expired", f"{order.side} {order.qty} {order.contract_id} was not carried out: {why}")
    draft.read_fully(order.account_id)  # should it be there all the same, it is found and cancelled
    doubts.given_up(draft, order)
    _tell_brothers(draft, order)


# -- ends ---------------------------------------------------------------------------------------------------------------


def sweep_orphans(draft: Draft, place: Place, working: Collection[GatewayOrderId], as_of: datetime) -> None:
    """Legs of ours that a read shows working at a flat place would open a position: they go. A close by hand leaves them
    (gateway reference 3.9).

    as_of: nothing that the read shows is older. What we know to be flat must be older still, for a wrong "flat" would strip
    a position of its stop: only two witnesses count.
    """
    state = draft.state
    flat_since = state.flat_since.get(place)
    under_way = list(state.entries_at(place))
    partly = [o for o in under_way if o.state is OrderState.PARTIALLY_FILLED and o.updated_at <= as_of]
    is_clear = all(is_resting(order) or order in partly for order in under_way)
    is_flat = place not in state.positions and not unreported_fill(state, place)[1] and is_clear
    if not is_flat or state.exit_plan(place) is not None or (flat_since is not None and flat_since > as_of):
        return
    for entry in partly:  # its legs work for a position that is gone: first the rest of it goes, then they are orphans
        end_entry(draft, entry.client_order_id, EntryEnd.CLOSED)
        draft.effects.append(StartTimer(f"look:{place[0]}", LOOK_AFTER_S))
    kept = {entry.client_order_id for entry in under_way}  # and their sleeping legs
    ended = [o for o in state.orders_at(place) if o.role is not Role.ENTRY and o.parent not in kept]
    legs = [o for o in ended if o.gateway_order_id in working and o.updated_at <= as_of]
    cancels = [Reduce(cancel) for cancel in map(enter.withdraw, legs) if cancel is not None]
    if cancels and not draft.ctx.is_shadow:
        text = f"{place[1]}: flat, but {len(cancels)} protective orders of ours still work there. They are cancelled."
        draft.tell(legs[0].cause, "order.orphan", text)
        draft.effects += cancels
        flat_s = (draft.now - flat_since).total_seconds() if flat_since is not None else SWEEPS_LAST_S
        if flat_s < SWEEPS_LAST_S:  # a cancel may be lost on its way; rarer and rarer, then the watch goes on alone
            draft.effects.append(StartTimer(f"look:{place[0]}", max(LOOK_AFTER_S, flat_s / 4)))


def withdraw_entries(draft: Draft) -> None:
    """The desk stops: entries that rest at the venue go, what waits to be sent stays at home; protective stops stay."""
    for account_id in sorted(draft.state.accounts):
        end_waiting(draft, account_id, None, STOPS)
    for order in list(draft.state.orders.values()):
        plan = draft.state.plans.get(f"enter:{order.client_order_id}")
        if isinstance(plan, EnterPlan):
            follow_enter(draft, plan, enter.end(plan, order, EntryEnd.STOPPING))
        elif order.role is Role.ENTRY:
            cancel = enter.withdraw(order)
            draft.effects += [Reduce(cancel)] if cancel is not None else []
