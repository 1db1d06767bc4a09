"""One journal record in words: what happened, and its numbers. Total over all records."""

from __future__ import annotations

from decimal import Decimal
from typing import assert_never

from desk.core.ids import ContractId
from desk.core.orders import OrderState, Role, TrackedOrder
from desk.core.plans import FlattenPlan, Plan
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
    Verdict,
    WouldHaveSent,
)
from desk.core.words import VenueOrder
from desk.engine.reports import VENUE
from desk.runtime.desk import Desk
from desk.surfaces.intent_words import intent_words
from desk.surfaces.plan_words import account_name, plan_kind, plan_step, plan_words, symbol_of
from desk.surfaces.show import money_text, price_text

__all__ = ["deed"]


def deed(desk: Desk, record: Record) -> tuple[str, str]:
    """(what, numbers)."""
    match record:
        case AlertJournalled():
            return f"alert {record.verdict.kind.value}", _verdict(record.verdict)
        case AlertDecided():
            return f"held alert {record.verdict.kind.value}", _verdict(record.verdict)
        case CommandDecided():
            return _command(desk, record)
        case BotsChanged():
            return "bots changed", f"{record.by}: {'; '.join(record.changes)}"
        case WouldHaveSent():
            return "would have sent", record.text
        case OrderChanged():
            return f"{record.order.role.value} {record.order.state.value}", _order(desk, record.order, record.why)
        case ForeignOrderChanged():
            return f"order of others {record.order.status.value}", _venue_order(desk, record.order)
        case FillRecorded():
            return "fill", _fill(desk, record)
        case PositionChanged() | PositionClosed() | ExitExplained():
            return _position(desk, record)
        case PositionNoted():
            given_up = ", left without a stop" if record.is_given_up else ""
            return "told of", f"{record.qty} {symbol_of(desk, record.contract_id)} that the desk did not open{given_up}"
        case PlanChanged():
            return _plan(desk, record.plan)
        case PlanEnded():
            return "plan ended", f"{record.plan_id}: {record.result}"
        case BotSwitched() | BotEntered() | SignalGap() | BotWarned():
            return _bot(record)
        case IncidentRaised():
            return f"INCIDENT {record.kind}", record.text
        case DaemonStarted() | DaemonStopping() | HubRecorded() | ResyncStarted():
            return _house(record)
        case AccountChanged() | AccountReconciled():
            return _account_deed(record)
        case _ as never:
            assert_never(never)


def _bot(record: BotSwitched | BotEntered | SignalGap | BotWarned) -> tuple[str, str]:
    match record:
        case BotSwitched():
            return f"bot {record.switch.value}", f"{record.bot}, by {record.by}: {record.why}"
        case BotEntered():
            return "bot entered", f"{record.bot}: {record.side.value} {record.symbol}"
        case SignalGap():
            words = f"{record.bot}, {record.symbol}: known {record.known}, said {record.said}"
            return "message lost or out of order", f"{words}; {record.policy.replace('_', ' ')}"
        case BotWarned():
            return "warned", f"{record.bot}: {record.about.replace('|', ' ')}"
        case _ as never:
            assert_never(never)


def _verdict(verdict: Verdict) -> str:
    words = [verdict.reason, verdict.text, f"first: {verdict.of}" if verdict.of else "", *verdict.warnings]
    return "; ".join(word for word in words if word)


def _order(desk: Desk, order: TrackedOrder, why: str) -> str:
    words = [
        f"{order.side.value} {order.qty} {symbol_of(desk, order.contract_id)} {order.type.value.replace('_', ' ')}"
    ]
    if order.role is Role.ENTRY and order.state is OrderState.SUBMITTED:
        words.append(f"stop {_ticks(order.stop_ticks)}, target {_ticks(order.target_ticks)}")
    prices = {"limit": order.limit_price, "stop": order.stop_price, "filled at": order.filled_price}
    words += [f"{name} {_price(desk, order.contract_id, p)}" for name, p in prices.items() if p is not None]
    if order.filled_qty:
        words.append(f"{order.filled_qty} of {order.qty} filled")
    if order.attempt > 1:
        words.append(f"attempt {order.attempt}")
    words.append(f"#{order.gateway_order_id}" if order.gateway_order_id is not None else order.client_order_id)
    return f"{', '.join(words)} ({why})"


def _ticks(ticks: int | None) -> str:
    return "none" if ticks is None else f"{ticks} ticks"


def _venue_order(desk: Desk, order: VenueOrder) -> str:
    price = order.stop_price if order.stop_price is not None else order.limit_price
    at = "" if price is None else f" at {_price(desk, order.contract_id, price)}"
    symbol = symbol_of(desk, order.contract_id)
    return f"{order.side.value} {order.qty} {symbol} {order.type.value}{at}, #{order.gateway_order_id}"


def _fill(desk: Desk, record: FillRecorded) -> str:
    """A close of ours has no tag; the journal has it under the command that asked for it, what others did under none."""
    fill = record.fill
    whose = "" if record.client_order_id is not None else ", a close"
    if record.client_order_id is None and record.cause == VENUE:
        whose = ", not an order of ours"
    what = f"{fill.side.value} {fill.qty} {symbol_of(desk, fill.contract_id)}"
    words = [f"{what} at {_price(desk, fill.contract_id, fill.price)}"]
    if fill.gross_pnl is not None:
        words.append(f"gross {money_text(fill.gross_pnl, is_signed=True)} $")
    words.append(f"costs {money_text(fill.fees + fill.commissions)} $")
    words.append(f"#{fill.gateway_order_id}{whose}")
    return ", ".join(words) + (", VOIDED" if fill.voided else "")


def _position(desk: Desk, record: PositionChanged | PositionClosed | ExitExplained) -> tuple[str, str]:
    if isinstance(record, PositionChanged):
        position = record.position
        symbol, account = symbol_of(desk, position.contract_id), account_name(desk, position.account_id)
        if position.qty == 0:
            return "position flat", f"{symbol} in {account} ({record.source})"
        price = _price(desk, position.contract_id, position.avg_price)
        return "position", f"{position.qty:+d} {symbol} at {price} in {account} ({record.source})"
    symbol, account = symbol_of(desk, record.contract_id), account_name(desk, record.account_id)
    if isinstance(record, ExitExplained):
        return f"exit was {record.reason.value}", f"{symbol} in {account}"
    by = f", asked for by {record.ended_by}" if record.ended_by is not None else ""
    return f"exit {record.reason.value}", f"{record.qty:+d} {symbol} ended in {account}{by}"


def _plan(desk: Desk, plan: Plan) -> tuple[str, str]:
    step = plan_step(plan)
    what = f"{plan_kind(plan)} plan" + (f" {step}" if step is not None else "")
    account = account_name(desk, plan.account_id)
    where = account if isinstance(plan, FlattenPlan) else f"{symbol_of(desk, plan.contract_id)} in {account}"
    return what, f"{where}: {plan_words(desk, plan)}"


def _command(desk: Desk, record: CommandDecided) -> tuple[str, str]:
    contract = desk.catalogue.get(record.contract_id) if record.contract_id is not None else None
    symbol = "the account" if record.contract_id is None else symbol_of(desk, record.contract_id)
    words = intent_words(record.intent, contract, symbol)
    account = account_name(desk, record.account_id)
    verdict = _verdict(record.verdict)
    return f"command {record.verdict.kind.value}", f"{record.by}: {words} in {account}" + (
        f"; {verdict}" if verdict else ""
    )


def _account_deed(record: AccountChanged | AccountReconciled) -> tuple[str, str]:
    if isinstance(record, AccountReconciled):
        return "account agrees with the gateway", "; ".join(record.differences) or "no difference"
    account = record.account
    tradable = "" if account.can_trade else ", CANNOT TRADE"
    return "account", f"{account.name}: balance {money_text(account.balance)} ${tradable}"


def _house(record: DaemonStarted | DaemonStopping | HubRecorded | ResyncStarted) -> tuple[str, str]:
    match record:
        case DaemonStarted():
            return "daemon started", f"{record.mode}, version {record.version}, pid {record.pid}"
        case DaemonStopping():
            return "daemon stopping", record.reason
        case ResyncStarted():
            return "reading everything again", record.reason
        case HubRecorded():
            return f"user hub {'up' if record.is_up else 'lost'}", record.reason
        case _ as never:
            assert_never(never)


def _price(desk: Desk, contract_id: ContractId, price: Decimal) -> str:
    return price_text(price, desk.catalogue.get(contract_id))
