"""Where everything is decided. Pure: a state, an event and the context give records and effects; nothing waits or mutates."""

from __future__ import annotations

from typing import assert_never

import msgspec

from desk.core.events import (
    AccountReported,
    AlertReceived,
    Event,
    FillReported,
    FlattenRequested,
    HubChanged,
    OrderReported,
    PositionReported,
    ReadFailed,
    ReduceSettled,
    ResyncRequested,
    SnapshotRead,
    Started,
    Stopping,
    SubmitSettled,
    TagSearched,
    TimerFired,
)
from desk.core.ids import AccountId, CauseId
from desk.core.plans import EnterPlan, EnterStep, ExitPlan, FlattenPlan, ProtectPlan
from desk.core.records import DaemonStarted, DaemonStopping, HubRecorded, ResyncStarted
from desk.engine.alerts import decide_alert
from desk.engine.draft import Context, Decision, Draft
from desk.engine.effects import StartTimer
from desk.engine.entries import on_enter_timer, on_submit_settled, withdraw_entries
from desk.engine.exits import decide_flatten
from desk.engine.held import on_held_timer
from desk.engine.reads import on_snapshot, on_watch_timer
from desk.engine.reports import FOUND, on_account, on_fill, on_order, on_position
from desk.engine.state import State, contracts_in_play
from desk.orders import enter, flatten, protect
from desk.orders import exit as exit_plan

__all__ = ["decide"]

DESK = CauseId("desk")
RECONCILE_AGAIN_S = 2.0
ONCE_MORE = "once more"  # asks a read that is not repeated when it fails: the watch goes on by itself


def decide(state: State, event: Event, ctx: Context) -> Decision:
    """What happened, as records, and what the world should do about it, as effects. Never waits, reads a clock or mutates."""
    draft = Draft(state, ctx)
    match event:
        case AlertReceived():
            return decide_alert(draft, event)
        case FlattenRequested():
            return decide_flatten(draft, event)
        case OrderReported(order=order):
            on_order(draft, order, "venue")
        case PositionReported(position=position):
            on_position(draft, position, "hub")
        case FillReported(fill=fill):
            on_fill(draft, fill)
        case AccountReported(account=account):
            on_account(draft, account)
        case SubmitSettled():
            on_submit_settled(draft, event)
        case ReduceSettled():
            plan = state.plans.get(event.plan_id)
            if isinstance(plan, ExitPlan):
                draft.follow(plan, exit_plan.on_settled(plan, event.gateway_order_id, event.outcome, ctx.now))
        case SnapshotRead():
            on_snapshot(draft, event)
        case ReadFailed():
            _read_failed(draft, event)
        case TagSearched():
            _tag_searched(draft, event)
        case TimerFired(key=key):
            _timer(draft, key)
        case HubChanged():
            draft.record(HubRecorded(cause=DESK, is_up=event.is_up, reason=event.reason, ts=ctx.now))
            _read_all(draft, event.is_up)
        case ResyncRequested():
            draft.record(ResyncStarted(cause=DESK, reason=event.reason, ts=ctx.now))
            _read_all(draft, True)
        case Started():
            draft.record(
                DaemonStarted(cause=event.cause, mode=event.mode, version=event.version, pid=event.pid, ts=ctx.now)
            )
        case Stopping():
            draft.record(DaemonStopping(cause=DESK, reason=event.reason, ts=ctx.now))
            withdraw_entries(draft)
        case _ as never:
            assert_never(never)
    return draft.finish()


def _tag_searched(draft: Draft, event: TagSearched) -> None:
    """Found settles it. Nothing, an error, or an order of which the gateway itself tells nothing: search again."""
    if event.order is not None:
        on_order(draft, event.order, FOUND)
        event = msgspec.structs.replace(event, error="the gateway does not tell its state")
    plan = draft.state.plans.get(f"enter:{event.client_order_id}")
    order = draft.state.orders.get(event.client_order_id)
    if not isinstance(plan, EnterPlan) or order is None or plan.step is not EnterStep.SEARCHING:
        return
    if order.state.is_unsettled:
        draft.follow(plan, enter.on_search(plan, event))


def _timer(draft: Draft, key: str) -> None:
    if key.startswith("reconcile:"):
        account_id = AccountId(int(key.partition(":")[2]))
        if not draft.state.is_reconciled(account_id):
            draft.read_fully(account_id)
        elif contracts_in_play(draft.state, account_id):  # the failed one was to find what no event told: once more
            draft.read_fully(account_id, ONCE_MORE)
    elif key.startswith("watch:"):
        on_watch_timer(draft, key)
    elif key.startswith("look:"):
        draft.read_fully(AccountId(int(key.partition(":")[2])))
    elif key.startswith("held:"):
        on_held_timer(draft, key)
    plan = draft.state.plans.get(key)
    match plan:
        case ExitPlan():
            draft.follow(plan, exit_plan.on_timer(plan))
        case FlattenPlan():
            draft.read(plan.account_id, plan.plan_id)
        case ProtectPlan():
            draft.follow(plan, protect.on_timer(plan))
        case EnterPlan():
            on_enter_timer(draft, plan)
        case None:
            pass  # the plan ended meanwhile


def _read_failed(draft: Draft, event: ReadFailed) -> None:
    """No answer proves nothing: whoever asked asks again."""
    for asker in event.asked_by:
        plan = draft.state.plans.get(asker)
        match plan:
            case ExitPlan():
                draft.follow(plan, exit_plan.on_read_failed(plan, event.reason))
            case FlattenPlan():
                draft.follow(plan, flatten.on_read_failed(plan, event.reason))
            case ProtectPlan():
                draft.follow(plan, protect.on_read_failed(plan, event.reason))
            case EnterPlan() | None:
                pass
        if asker == "reconcile":
            draft.effects.append(StartTimer(f"reconcile:{event.account_id}", RECONCILE_AGAIN_S))


def _read_all(draft: Draft, is_contact: bool) -> None:
    if is_contact:
        for account_id in draft.state.accounts:
            draft.read_fully(account_id)
