"""From a command to the engine: ask the person, ask the engine, wait briefly, tell what became of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import msgspec

from desk.core.errors import StoreError, Unavailable
from desk.core.events import IntentGiven
from desk.core.ids import AccountId, ClientOrderId, ContractId, stop_leg_id
from desk.core.intents import Intent
from desk.core.orders import OrderState, Role, TrackedOrder
from desk.core.plans import AmendPlan, EitherPlan, ExitPlan, FlattenPlan, GroupPlan, ReducePlan, ReversePlan
from desk.core.records import (
    FillRecorded,
    IncidentRaised,
    OrderChanged,
    PlanChanged,
    PlanEnded,
    Record,
    Verdict,
    VerdictKind,
)
from desk.core.words import OrderType
from desk.engine.state import State
from desk.runtime.desk import Desk
from desk.surfaces import view
from desk.surfaces.calls import BadCall, Caller, CommandResult
from desk.surfaces.deeds import deed
from desk.surfaces.intent_words import entries_of
from desk.surfaces.plan_words import amend_words
from desk.surfaces.shapes import PositionView
from desk.surfaces.sheet import Cell, Line, Sheet
from desk.surfaces.show import age_text, price_text
from desk.surfaces.ticket import later

__all__ = ["Wanted", "ask_person", "give"]

WAIT_S = 3.0
LOOK_AGAIN_S = 0.3
HOLDS_FOR = timedelta(seconds=60)  # the market and the risk that a question names
_ENDING = (AmendPlan, ExitPlan, FlattenPlan, ReducePlan, ReversePlan)  # the others may run for hours
_COLOURS = {OrderState.REJECTED: "red", OrderState.EXPIRED: "red", OrderState.UNKNOWN: "bold yellow"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """One command, understood. ``question``: everything that a person must see before saying yes, but for ``said``.

    said: how what was typed was understood, where it is not what it says; shown with the question and with the answer.
    still: what the yes means for what is held by then; raises BadCall where the question was about something else.
    """

    account_id: AccountId
    contract_id: ContractId | None
    intent: Intent
    question: str
    has_yes: bool
    said: tuple[str, ...] = ()
    still: Callable[[], Intent] | None = None


async def ask_person(caller: Caller, question: str, *, has_yes: bool) -> CommandResult | None:
    """None: go on. Else the answer for a person who said no. Over HTTP nothing is asked: the token is the permission."""
    if has_yes or caller.confirm is None or await caller.confirm(f"{question} Really?"):
        return None
    return CommandResult(True, {"verdict": None, "question": question}, (Line("Nothing was done."),))


async def give(desk: Desk, caller: Caller, wanted: Wanted) -> CommandResult:
    """Asks, hands the intent to the engine, and tells what became of it within three seconds."""
    asked_at = desk.clock.now()
    question = " ".join([wanted.question, *(f"{sentence}." for sentence in wanted.said)])
    answer = await ask_person(caller, question, has_yes=wanted.has_yes)
    if answer is not None:
        return answer
    now = desk.clock.now()
    if entries_of(wanted.intent) and now - asked_at > HOLDS_FOR:
        ago = age_text((now - asked_at) / timedelta(milliseconds=1))
        raise BadCall(f"That was asked {ago} ago, and the market has moved on. Nothing was done. Write it again")
    intent = wanted.intent if wanted.still is None else wanted.still()
    event = IntentGiven(
        cause=desk.new_cause(),
        account_id=wanted.account_id,
        contract_id=wanted.contract_id,
        intent=later(intent, now - asked_at),
        by=caller.by,
        ts=now,
    )
    try:
        verdict = await desk.ask(event)
    except StoreError as error:
        return CommandResult.failed(f"Nothing was done, the journal could not be written: {error}. Try again.")
    except Unavailable as error:
        return CommandResult.failed(f"Nothing was done: {error}")
    told = msgspec.structs.replace(verdict, warnings=(*wanted.said, *verdict.warnings))
    if verdict.kind is not VerdictKind.ACCEPTED:
        reason = f" ({verdict.reason})" if verdict.reason else ""
        line = Line(f"{verdict.kind.value}: {verdict.text}{reason}", "yellow")
        return CommandResult(False, _data(event, told), (line, *_foot(event, told)))
    is_settled = await desk.until(lambda state: _is_settled(state, event, verdict), WAIT_S)
    if is_settled and verdict.warnings:  # that a limit is through the market: it works for a moment, and fills
        await desk.until(lambda state: not _rests(state, event, verdict), LOOK_AGAIN_S)
        is_settled = _is_settled(desk.state, event, verdict)
    return await _told(desk, event, told, is_settled)


# --- waiting -------------------------------------------------------------------------------------------------------


def _is_settled(state: State, event: IntentGiven, verdict: Verdict) -> bool:
    """Nothing of it is in flight: orders rest, filled with a working stop, or are over; plans with an end have ended."""
    ids = (verdict.plan_id or "").split()
    plans = [plan for plan in state.plans.values() if plan.plan_id in ids or plan.cause == event.cause]
    if any(isinstance(plan, _ENDING) for plan in plans):
        return False
    entries = _entries(state, event, verdict.orders)
    if _is_to_come(state, event, verdict, has_begun=bool(entries)):
        return False
    return all(_is_order_settled(state, order) for order in entries)


def _is_to_come(state: State, event: IntentGiven, verdict: Verdict, *, has_begun: bool) -> bool:
    """An order of it is not there yet, and goes out: none that a group or a pair keeps at home for good."""
    if all(tag in state.orders for tag in verdict.orders):
        return False
    plans = [plan for plan in state.plans.values() if plan.cause == event.cause]
    sending = any(
        (isinstance(plan, GroupPlan) and not plan.held_back)
        or (isinstance(plan, EitherPlan) and not plan.is_second_sent and not plan.alone)
        for plan in plans
    )
    return sending or not has_begun


def _rests(state: State, event: IntentGiven, verdict: Verdict) -> bool:
    """An entry of it may still fill, or has filled and its stop does not work yet."""
    entries = _entries(state, event, verdict.orders)
    is_open = any(not entry.state.is_over for entry in entries)
    return is_open or not _is_settled(state, event, verdict)


def _entries(state: State, event: IntentGiven, tags: Sequence[ClientOrderId]) -> list[TrackedOrder]:
    orders = state.orders.values()
    return [o for o in orders if o.role is Role.ENTRY and (o.cause == event.cause or o.client_order_id in tags)]


def _is_order_settled(state: State, order: TrackedOrder) -> bool:
    if order.state is OrderState.FILLED:
        stop = state.orders.get(stop_leg_id(order.client_order_id))
        return stop is not None and (stop.state is OrderState.WORKING or stop.state.is_over)
    if view.goes_out_again(state, order):
        return False
    is_resting = order.state in {OrderState.WORKING, OrderState.PARTIALLY_FILLED} and order.type is not OrderType.MARKET
    return is_resting or order.state.is_over


# --- telling -------------------------------------------------------------------------------------------------------


async def _told(desk: Desk, event: IntentGiven, verdict: Verdict, is_settled: bool) -> CommandResult:
    records, amends = await _news(desk, event)
    orders = [record.order for record in records if isinstance(record, OrderChanged)]
    over = [o for o in orders if o.role is Role.ENTRY and not view.goes_out_again(desk.state, o)]
    has_failed = any(o.state in {OrderState.REJECTED, OrderState.EXPIRED} for o in over)
    position = _position(desk, event)
    rows = [_row(desk, record, amends) for record in records]
    if event.contract_id is not None and not has_failed:
        rows.append((Cell("position"), Cell(_position_words(desk, position))))
    lines: list[Line | Sheet] = [Line(f"accepted: {verdict.text}", "" if has_failed else "green")]
    if rows:
        lines.append(Sheet.of("what,is", rows))
    if not is_settled:
        lines.append(
            Line(f"Not settled after {WAIT_S:.0f} s; it goes on. orders and plans show how far it is.", "yellow")
        )
    data = _data(event, verdict) | {
        "is_settled": is_settled,
        "orders": [_order_data(record) for record in records if isinstance(record, OrderChanged)],
        "position": position,
    }
    return CommandResult(not has_failed, data, (*lines, *_foot(event, verdict)))


async def _news(desk: Desk, event: IntentGiven) -> tuple[list[Record], dict[str, AmendPlan]]:
    """From the journal under the command's id: each order as it is now, how plans ended, what needs a person.

    And the changes of orders, by plan. An entry is followed by its legs.
    """
    try:
        rows = await desk.journal.story(event.cause)
    except StoreError:
        return [], {}  # what was done is done; why tells it once the journal can be read
    newest: dict[str, Record] = {}
    amends: dict[str, AmendPlan] = {}
    for row in rows:
        match row.record:
            case OrderChanged(order=order):
                newest[order.client_order_id] = row.record
            case PlanEnded(plan_id=plan_id) if not plan_id.startswith(("enter:", "protect:")):  # orders tell it
                newest[plan_id] = row.record
            case PlanChanged(plan=AmendPlan() as plan):
                amends[plan.plan_id] = plan
            case FillRecorded(client_order_id=None):  # of a close; an order with a tag tells its own
                newest[f"fill {row.seq}"] = row.record
            case IncidentRaised():
                newest[f"incident {row.seq}"] = row.record
            case _:
                pass
    families = list(dict.fromkeys(_family(record) for record in newest.values()))
    return sorted(newest.values(), key=lambda record: families.index(_family(record))), amends


def _family(record: Record) -> str:
    """Of an order: the entry that it belongs to. Everything else stands by itself."""
    return (record.order.parent or record.order.client_order_id) if isinstance(record, OrderChanged) else ""


def _row(desk: Desk, record: Record, amends: Mapping[str, AmendPlan]) -> tuple[Cell, Cell]:
    if isinstance(record, PlanEnded) and record.plan_id in amends:
        plan = amends[record.plan_id]
        return Cell("cancel" if plan.is_cancel else "change"), Cell(f"{amend_words(desk, plan)}: {record.result}")
    if isinstance(record, PlanEnded):
        return Cell(record.plan_id.partition(":")[0]), Cell(record.result)
    what, numbers = deed(desk, record)
    if isinstance(record, OrderChanged) and view.goes_out_again(desk.state, record.order):
        return Cell("entry to be sent again", "yellow"), Cell(numbers)
    style = _COLOURS.get(record.order.state, "") if isinstance(record, OrderChanged) else ""
    return Cell(what, "bold red" if isinstance(record, IncidentRaised) else style), Cell(numbers)


def _position(desk: Desk, event: IntentGiven) -> PositionView | None:
    place = (event.account_id, event.contract_id)
    return next((p for p in view.view_positions(desk) if (p.account_id, p.contract_id) == place), None)


def _position_words(desk: Desk, position: PositionView | None) -> str:
    if position is None:
        return "flat"
    price = price_text(position.avg_price, desk.catalogue.get(position.contract_id))
    return f"{position.qty:+d} {position.symbol} at {price}, protected {position.coverage}"


def _order_data(record: OrderChanged) -> dict[str, object]:
    order = record.order
    return {
        "client_order_id": order.client_order_id,
        "gateway_order_id": order.gateway_order_id,
        "role": order.role.value,
        "side": order.side.value,
        "type": order.type.value,
        "qty": order.qty,
        "state": order.state.value,
        "filled_qty": order.filled_qty,
        "filled_price": order.filled_price,
        "limit_price": order.limit_price,
        "stop_price": order.stop_price,
        "why": record.why,
    }


def _data(event: IntentGiven, verdict: Verdict) -> dict[str, object]:
    return {
        "command_id": event.cause,
        "verdict": verdict.kind.value,
        "reason": verdict.reason,
        "text": verdict.text,
        "warnings": verdict.warnings,
        "plan_id": verdict.plan_id,
    }


def _foot(event: IntentGiven, verdict: Verdict) -> tuple[Line, ...]:
    return (*(Line(warning, "yellow") for warning in verdict.warnings), Line(f"why {event.cause}", "dim"))
