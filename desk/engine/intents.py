"""From an intent to a ruling: what is begun for it, or why nothing is. Alerts and commands come through here alike."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from desk.core.events import IntentGiven
from desk.core.intents import (
    BreakEvenNow,
    Cancel,
    Enter,
    EnterEither,
    Exit,
    Intent,
    Modify,
    MoveStop,
    MoveTarget,
    Reduce,
    Reverse,
    TrailOff,
    TrailOn,
)
from desk.core.orders import Role
from desk.core.plans import ExitReason
from desk.core.records import CommandDecided, WouldHaveSent
from desk.core.words import Contract
from desk.engine import changes, entries, exits, legs, reduces, reverses
from desk.engine.draft import Context, Decision, Draft
from desk.engine.naming import named_verdict
from desk.engine.rulings import Asker, Ruling, denied
from desk.engine.state import State
from desk.risk import Reason

__all__ = ["decide_intent", "rule_intent"]


def rule_intent(state: State, intent: Intent, contract: Contract | None, asker: Asker, ctx: Context) -> Ruling:
    """``contract`` None: only for an exit of everything, and for orders named by their id."""
    ruling = _rule(state, intent, contract, asker, ctx)
    return replace(ruling, verdict=named_verdict(ruling.verdict, ctx))


def _rule(state: State, intent: Intent, contract: Contract | None, asker: Asker, ctx: Context) -> Ruling:
    match intent:
        case Exit():
            return exits.rule_exit(state, intent, contract, asker, ctx)
        case Cancel():
            return changes.rule_cancel(state, intent, contract, asker, ctx)
        case Modify():
            return changes.rule_modify(state, intent, asker, ctx)
        case _ if contract is None:
            return denied(Reason.UNKNOWN_SYMBOL, "it names no symbol")
        case Enter():
            return entries.rule_enter(state, intent, contract, asker, ctx)
        case EnterEither():
            return entries.rule_either(state, intent, contract, asker, ctx)
        case Reverse():
            return reverses.rule_reverse(state, intent, contract, asker, ctx)
        case Reduce():
            return reduces.rule_reduce(state, intent, contract, asker, ctx)
        case MoveStop() | MoveTarget() | BreakEvenNow() | TrailOn() | TrailOff():
            return legs.rule_care(state, intent, contract, asker, ctx)
        case _ as never:
            assert_never(never)


def decide_intent(draft: Draft, event: IntentGiven) -> Decision:
    """A person's command. What cannot be decided now is denied with the reason: a person tries again, nothing waits."""
    ruling = _rule_command(draft, event)
    draft.record(
        CommandDecided(
            cause=event.cause,
            account_id=event.account_id,
            contract_id=event.contract_id,
            intent=event.intent,
            by=event.by,
            verdict=ruling.verdict,
            ts=draft.now,
        )
    )
    if ruling.incident is not None:
        draft.tell(event.cause, *ruling.incident)
    if ruling.would is not None:
        would_have = WouldHaveSent(cause=event.cause, account_id=event.account_id, text=ruling.would, ts=draft.now)
        draft.record(would_have)
    if ruling.begin is not None:
        ruling.begin(draft)
    return draft.finish(ruling.verdict)


def _rule_command(draft: Draft, event: IntentGiven) -> Ruling:
    if event.account_id not in draft.state.accounts:
        return denied(Reason.ACCOUNT_UNKNOWN, "the gateway does not list the account, or the desk is not logged in yet")
    if not draft.state.is_reconciled(event.account_id) and not _only_takes_away(draft.state, event):
        return denied(Reason.NOT_RECONCILED, "the account is not reconciled with the gateway; try again in a moment")
    contract = draft.ctx.contracts.get(event.contract_id) if event.contract_id is not None else None
    if event.contract_id is not None and contract is None:
        return denied(Reason.UNKNOWN_SYMBOL, f"{event.contract_id} is not in the gateway's contract list")
    asker = Asker(cause=event.cause, account_id=event.account_id, ts=event.ts, reason=ExitReason.MANUAL)
    return rule_intent(draft.state, event.intent, contract, asker, draft.ctx)


def _only_takes_away(state: State, event: IntentGiven) -> bool:
    """What cannot add risk, whatever the gateway knows that the desk does not: an exit, a cancel of nothing but entries."""
    if not isinstance(event.intent, Cancel):
        return isinstance(event.intent, Exit)
    tags = [state.by_gateway_id.get(order_id) for order_id in event.intent.order_ids]
    orders = [state.orders.get(tag) if tag is not None else None for tag in tags]
    return all(order is not None and order.role is Role.ENTRY for order in orders)
