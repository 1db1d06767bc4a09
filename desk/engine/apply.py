"""The only place where state changes. Recovery folds this over the journal; it never decides again."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TypeVar, assert_never

import msgspec
from immutables import Map

from desk.core.ids import ClientOrderId
from desk.core.orders import OrderState, Role, TrackedOrder
from desk.core.plans import EitherPlan, GroupPlan, ReducePlan
from desk.core.records import (
    AccountChanged,
    AccountReconciled,
    AlertDecided,
    AlertJournalled,
    BotEntered,
    BotsChanged,
    BotSwitched,
    BotWarned,
    CommandDecided,
    DaemonStarted,
    DaemonStopping,
    ExitExplained,
    FillRecorded,
    ForeignOrderChanged,
    HubRecorded,
    IncidentRaised,
    OrderChanged,
    PlanChanged,
    PlanEnded,
    PositionChanged,
    PositionClosed,
    PositionNoted,
    Record,
    ResyncStarted,
    SignalGap,
    VerdictKind,
    WouldHaveSent,
)
from desk.core.words import OrderType, VenuePosition
from desk.engine import bots
from desk.engine.bots import BotState
from desk.engine.state import AccountState, Held, LastExit, Place, Position, SeenAlert, State
from desk.orders.enter import was_never_sent
from desk.risk import Reason

__all__ = ["apply", "entry_behind", "fold", "is_resting"]

SENDER_IDS_ARE_REMEMBERED = timedelta(days=7)
FINISHED_ORDERS_ARE_REMEMBERED = timedelta(minutes=30)  # late and repeated events still find them
FILLS_ARE_REMEMBERED = timedelta(days=2)
_TIDY_EVERY = timedelta(minutes=10)  # of record time: it looks at everything that is remembered

_replace = msgspec.structs.replace

K = TypeVar("K")
V = TypeVar("V")


def fold(state: State, records: Iterable[Record]) -> State:
    """``state`` after ``records``, oldest first."""
    for record in records:
        state = apply(state, record)
    return state


def apply(state: State, record: Record) -> State:
    """``state`` after one fact. Total over all record types; never fails on a fact that was once journalled."""
    match record:
        case AlertJournalled():
            return _alert(state, record)
        case AlertDecided():
            return _decided(state, record)
        case OrderChanged():
            return _brackets(_order(state, record.order), record)
        case ForeignOrderChanged():
            return _foreign(state, record)
        case FillRecorded():
            return _fill(state, record)
        case PositionChanged():
            return _position(state, record)
        case PositionClosed():
            return _tidied(_closed(state, record), record.ts)
        case PositionNoted():
            return _noted(state, record)
        case ExitExplained():
            place = (record.account_id, record.contract_id)
            last = state.last_exits.get(place)
            if last is None:
                return state
            return _replace(state, last_exits=state.last_exits.set(place, _replace(last, reason=record.reason)))
        case AccountChanged():
            known = state.accounts.get(record.account.account_id)
            account = _replace(known, account=record.account) if known else AccountState(account=record.account)
            return _replace(state, accounts=state.accounts.set(record.account.account_id, account))
        case PlanChanged():
            return _replace(state, plans=state.plans.set(record.plan.plan_id, record.plan))
        case PlanEnded():
            return _replace(state, plans=_without(state.plans, record.plan_id))
        case AccountReconciled():
            known = state.accounts.get(record.account_id)
            if known is None:
                return state
            known = _replace(known, reconciled_at=record.ts, has_lost_track=False)
            return _replace(
                state,
                accounts=state.accounts.set(record.account_id, known),
                last_event_at=_later(state.last_event_at, record.ts),
            )
        case HubRecorded():
            state = _replace(state, user_hub_is_up=record.is_up, contact_changed_at=record.ts)
            return state if record.is_up else _unreconciled(state)
        case ResyncStarted():
            return _unreconciled(_replace(state, contact_changed_at=record.ts), has_lost_track=True)
        case DaemonStarted():
            state = _replace(state, mode=record.mode, user_hub_is_up=False, is_stopping=False, started_at=record.ts)
            return _tidied(_unreconciled(state, has_lost_track=True), record.ts)
        case DaemonStopping():
            return _replace(state, is_stopping=True)
        case BotSwitched():
            return _with_bot(state, record.bot, bots.switched(state.bot(record.bot), record))
        case BotEntered():
            return _with_bot(state, record.bot, bots.entered(state.bot(record.bot), record))
        case SignalGap():
            return _with_bot(state, record.bot, bots.found_gap(state.bot(record.bot), record))
        case BotWarned():
            return _with_bot(state, record.bot, bots.warned(state.bot(record.bot), record))
        case CommandDecided() | BotsChanged() | WouldHaveSent() | IncidentRaised():
            return state
        case _ as never:
            assert_never(never)


def _alert(state: State, record: AlertJournalled) -> State:
    event, verdict = record.alert, record.verdict
    if verdict.reason != Reason.UNKNOWN_BOT:
        heard = bots.heard(state.bot(event.bot), event, verdict, state.waiting_beside(event))
        state = _with_bot(state, event.bot, heard)
    if verdict.kind is VerdictKind.HELD:
        number = 1 + max((held.number for held in state.held.values()), default=0)
        state = _replace(
            state, held=state.held.set(event.cause, Held(event=event, number=number, reason=verdict.reason))
        )
    if verdict.of is not None:
        return state  # a repeat never prolongs or replaces the memory of the first
    window = event.dedupe_window_s
    lifetime = SENDER_IDS_ARE_REMEMBERED if window is None else timedelta(seconds=window)
    seen = SeenAlert(alert_id=event.cause, body_sha256=event.body_sha256, until=record.ts + lifetime, ts=record.ts)
    state = _replace(state, seen=state.seen.set(f"{event.bot}|{event.dedupe_key}", seen))
    return _tidied(state, record.ts)


def _decided(state: State, record: AlertDecided) -> State:
    held = state.held.get(record.cause)
    if held is None:
        return state
    name = held.event.bot
    state = _with_bot(state, name, bots.settled(state.bot(name), held.event, state.waiting_beside(held.event)))
    return _replace(state, held=state.held.delete(record.cause))


def _with_bot(state: State, name: str, bot: BotState) -> State:
    return state if bot is state.bots.get(name) else _replace(state, bots=state.bots.set(name, bot))


def _order(state: State, order: TrackedOrder) -> State:
    tags = state.tags_at
    if order.client_order_id not in state.orders:
        place = (order.account_id, order.contract_id)
        tags = tags.set(place, (*tags.get(place, ()), order.client_order_id))
    ids = state.by_gateway_id
    if order.gateway_order_id is not None:
        ids = ids.set(order.gateway_order_id, order.client_order_id)
    return _replace(state, orders=state.orders.set(order.client_order_id, order), tags_at=tags, by_gateway_id=ids)


def _brackets(state: State, record: OrderChanged) -> State:
    """Whether the account takes stops in an entry: a refusal says no, an entry that it took says yes."""
    order, known = record.order, state.accounts.get(record.order.account_id)
    if known is None or order.role is not Role.ENTRY:
        return state
    if order.state is OrderState.REJECTED and "position brackets" in record.why.lower():
        known = _replace(known, brackets_refused_at=record.ts)
    elif known.brackets_refused_at is not None and _was_taken(order):
        known = _replace(known, brackets_refused_at=None)
    else:
        return state
    return _replace(state, accounts=state.accounts.set(order.account_id, known))


def _was_taken(order: TrackedOrder) -> bool:
    return order.state in {OrderState.ACCEPTED, OrderState.WORKING, OrderState.PARTIALLY_FILLED, OrderState.FILLED}


def _foreign(state: State, record: ForeignOrderChanged) -> State:
    order = record.order
    if order.status.is_working:
        return _replace(state, foreign_orders=state.foreign_orders.set(order.gateway_order_id, order))
    return _replace(state, foreign_orders=_without(state.foreign_orders, order.gateway_order_id))


def _fill(state: State, record: FillRecorded) -> State:
    fill, place = record.fill, (record.fill.account_id, record.fill.contract_id)
    last = state.last_fills.get(place)
    is_newest = last is None or (last.fill.ts_event, last.fill.fill_id) <= (fill.ts_event, fill.fill_id)
    return _replace(
        state,
        fills_seen=state.fills_seen.set(fill.fill_id, record.ts),
        last_fills=state.last_fills.set(place, record) if is_newest else state.last_fills,
        last_event_at=_later(state.last_event_at, fill.ts_event),
    )


def _position(state: State, record: PositionChanged) -> State:
    reported = record.position
    place = (reported.account_id, reported.contract_id)
    if reported.qty == 0:
        last = state.positions.get(place)
        entries = {order.client_order_id for order in state.remembered_at(place) if _may_fill_yet(state, order)}
        here = [order for order in state.remembered_at(place) if {order.client_order_id, order.parent} & entries]
        carried = tuple((order.client_order_id, order.filled_qty) for order in here)
        return _replace(
            state,
            positions=_without(state.positions, place),
            carried=state.carried.set(place, carried) if carried else _without(state.carried, place),
            last_positions=state.last_positions if last is None else state.last_positions.set(place, last),
            flat_since=state.flat_since.set(place, record.ts),
        )
    before = state.positions.get(place) or _still_there(state, reported)
    same_side = before is not None and before.qty * reported.qty > 0
    since = before.flat_before if before is not None else state.flat_since.get(place)
    entry = entry_behind(state, place, reported.qty, since)
    position = Position(
        account_id=reported.account_id,
        contract_id=reported.contract_id,
        qty=reported.qty,
        avg_price=reported.avg_price,
        opened_at=_opened_at(before, reported) if before is not None and same_side else reported.opened_at,
        cause=entry.cause if entry is not None else (before.cause if before and same_side else record.cause),
        entry=entry.client_order_id if entry is not None else None,
        updated_at=record.ts,
        flat_before=since,
        noted_qty=before.noted_qty if before is not None and same_side else 0,
        theirs_qty=min(before.theirs_qty, abs(reported.qty)) if before is not None and same_side else 0,
        is_given_up=before is not None and same_side and before.is_given_up and before.qty == reported.qty,
    )
    return _replace(state, positions=state.positions.set(place, position), flat_since=_without(state.flat_since, place))


def _may_fill_yet(state: State, order: TrackedOrder) -> bool:
    """An entry that is under way, or that was given up because nobody found it: it may arrive all the same."""
    return order.role is Role.ENTRY and (was_never_sent(order) or state.is_under_way(order))


def _opened_at(before: Position, reported: VenuePosition) -> datetime | None:
    """On the same side it may be another one, of which the end of the first was not told yet: the newer moment counts, so that
    the late word of that end does not end this one."""
    if before.opened_at is None or reported.opened_at is None:
        return before.opened_at or reported.opened_at
    return max(before.opened_at, reported.opened_at)


def _still_there(state: State, reported: VenuePosition) -> Position | None:
    """The position that was thought to have ended, when the venue reports the one that was opened at the same moment."""
    last = state.last_positions.get((reported.account_id, reported.contract_id))
    is_it = last is not None and last.opened_at is not None and last.opened_at == reported.opened_at
    return last if is_it else None


def entry_behind(state: State, place: Place, qty: int, since: datetime | None) -> TrackedOrder | None:
    """Our newest entry at the place, on the position's side and not of the time before ``since``, that filled or may have.

    One that is not over counts although no fill of it was seen: the report of its fill may be late or lost. Not so one that
    rests: somebody else's position beside it is not ours. A leg that traded after its position had ended opened another one:
    that is ours, too, and nothing protects it.
    """
    found: TrackedOrder | None = None
    for order in state.remembered_at(place):
        if order.role is not Role.ENTRY:
            continue
        if not state.is_since(order, since):
            continue  # an earlier round trip's
        may_have_filled = not order.state.is_over and not is_resting(order)
        is_possible = order.side.sign * qty > 0 and (state.filled_since(order, since) > 0 or may_have_filled)
        if is_possible and (found is None or order.updated_at > found.updated_at):
            found = order
    return found or _opened_by_leg(state, place, qty)


def is_resting(order: TrackedOrder) -> bool:
    """At the venue, and as far as was told without a fill."""
    return order.state is OrderState.WORKING and order.type is not OrderType.MARKET


def _opened_by_leg(state: State, place: Place, qty: int) -> TrackedOrder | None:
    """The newest execution of the place is of a leg of ours, and it closed nothing (gateway reference 3.10), or more than
    there was."""
    last = state.last_fills.get(place)
    if last is None or last.client_order_id is None:
        return None
    position, ended = state.positions.get(place), state.last_exits.get(place)
    closed = [known.qty for known in (position, ended) if known is not None and known.qty * last.fill.side.sign < 0]
    if last.fill.gross_pnl is not None and (not closed or last.fill.qty <= abs(closed[0])):
        return None
    return state.orders.get(last.client_order_id) if last.fill.side.sign * qty > 0 else None


def _closed(state: State, record: PositionClosed) -> State:
    place = (record.account_id, record.contract_id)
    last = LastExit(cause=record.cause, reason=record.reason, qty=record.qty, ended_by=record.ended_by, ts=record.ts)
    return _replace(state, last_exits=state.last_exits.set(place, last))


def _noted(state: State, record: PositionNoted) -> State:
    place = (record.account_id, record.contract_id)
    position = state.positions.get(place)
    if position is None:
        return state
    position = _replace(position, noted_qty=record.qty, theirs_qty=record.theirs, is_given_up=record.is_given_up)
    return _replace(state, positions=state.positions.set(place, position))


def _unreconciled(state: State, has_lost_track: bool = False) -> State:
    accounts = state.accounts
    for account_id, known in accounts.items():
        lost = known.has_lost_track or has_lost_track
        accounts = accounts.set(account_id, _replace(known, reconciled_at=None, has_lost_track=lost))
    return _replace(state, accounts=accounts)


def _tidied(state: State, now: datetime) -> State:
    if state.tidied_at is not None and timedelta(0) <= now - state.tidied_at < _TIDY_EVERY:
        return state
    return _replace(_tidy(state, now), tidied_at=now)


def _tidy(state: State, now: datetime) -> State:
    """Forgets what nothing can refer to any more, so that a state stays small over months."""
    orders = state.orders
    kept_entries = {tag for position in state.positions.values() for tag in _behind(state, position)}
    for plan in state.plans.values():
        if isinstance(plan, GroupPlan):
            kept_entries |= set(plan.members)
        elif isinstance(plan, EitherPlan):
            kept_entries |= {plan.first, plan.second}
        elif isinstance(plan, ReducePlan):  # it counts what they filled from before it began
            kept_entries |= set(state.tags_at.get((plan.account_id, plan.contract_id), ()))
    for tag, order in state.orders.items():
        is_old = order.state.is_over and order.updated_at < now - FINISHED_ORDERS_ARE_REMEMBERED
        if is_old and tag not in kept_entries and order.parent not in kept_entries:
            orders = orders.delete(tag)
    ids = Map((key, tag) for key, tag in state.by_gateway_id.items() if tag in orders)
    kept = ((place, tuple(tag for tag in tags if tag in orders)) for place, tags in state.tags_at.items())
    tags_at = Map((place, tags) for place, tags in kept if tags)
    seen = state.seen
    for key, alert in state.seen.items():
        if alert.until is not None and alert.until < now:
            seen = seen.delete(key)
    fills = state.fills_seen
    for fill_id, ts in state.fills_seen.items():
        if ts < now - FILLS_ARE_REMEMBERED:
            fills = fills.delete(fill_id)
    told = Map((name, bots.tidied(bot, now)) for name, bot in state.bots.items())
    return _replace(state, orders=orders, tags_at=tags_at, by_gateway_id=ids, seen=seen, fills_seen=fills, bots=told)


def _behind(state: State, position: Position) -> list[ClientOrderId]:
    """What the position is made of: its entry, and each order of ours that filled since the place was last flat."""
    since = position.flat_before
    here = state.remembered_at((position.account_id, position.contract_id))
    filled = [order.client_order_id for order in here if state.filled_since(order, since)]
    return filled if position.entry is None else [position.entry, *filled]


def _later(a: datetime | None, b: datetime) -> datetime:
    return b if a is None or b > a else a


def _without(mapping: Map[K, V], key: K) -> Map[K, V]:
    return mapping.delete(key) if key in mapping else mapping
