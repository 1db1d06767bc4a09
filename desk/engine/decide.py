"""Where everything is decided. Pure: a state, an event and the context give records and effects; nothing waits or mutates."""

from __future__ import annotations

from typing import assert_never

import msgspec

from desk.core.events import (
    AccountReported,
    AlertReceived,
    BotCommanded,
    BotsReloaded,
    Event,
    FillReported,
    FlattenRequested,
    HubChanged,
    IntentGiven,
    OrderReported,
    PositionReported,
    PriceMoved,
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
from desk.core.ids import AccountId, CauseId, ContractId
from desk.core.intents import Cancel, Exit
from desk.core.plans import (
    AmendPlan,
    CarePlan,
    EitherPlan,
    EnterPlan,
    EnterStep,
    ExitPlan,
    FlattenPlan,
    GroupPlan,
    ProtectPlan,
    ReducePlan,
    ReversePlan,
    StopPlan,
    StopStep,
    TouchPlan,
)
from desk.core.records import (
    BotsChanged,
    DaemonStarted,
    DaemonStopping,
    HubRecorded,
    ResyncStarted,
    Verdict,
    VerdictKind,
)
from desk.engine import amends, blind, cares, doubts, eithers, exits, groups, reduces, reverses, stops, touches, trims
from desk.engine.alerts import decide_alert
from desk.engine.draft import Context, Decision, Draft
from desk.engine.effects import StartTimer
from desk.engine.entries import on_cancel_settled, on_enter_timer, on_submit_settled, withdraw_entries
from desk.engine.exits import decide_flatten
from desk.engine.held import follow_up, on_held_timer, on_turn_timer, take_back
from desk.engine.intents import decide_intent
from desk.engine.reads import on_snapshot, on_watch_timer
from desk.engine.reports import FOUND, look_again, on_account, on_after_timer, on_fill, on_order, on_position
from desk.engine.state import State, contracts_in_play
from desk.engine.switches import decide_bot_command
from desk.engine.watchdog import WATCHDOG, on_gap_timer, on_watchdog, start_watchdog
from desk.orders import enter, flatten, protect
from desk.orders import exit as exit_plan

__all__ = ["decide"]

DESK = CauseId("desk")
RECONCILE_AGAIN_S = 2.0
RECONCILE_IDLE_AGAIN_S = 30.0  # where nothing is open and no bot trades: an account that a reset replaced never answers
ONCE_MORE = "once more"  # asks a read that is not repeated when it fails: the watch goes on by itself


def decide(state: State, event: Event, ctx: Context) -> Decision:
    """What happened, as records, and what the world should do about it, as effects. Never waits, reads a clock or mutates."""
    draft = Draft(state, ctx)
    match event:
        case AlertReceived():
            verdict = decide_alert(draft, event)
            follow_up(draft, event, verdict)
            return draft.finish(verdict)
        case BotCommanded():
            return draft.finish(decide_bot_command(draft, event))
        case FlattenRequested():
            return decide_flatten(draft, event)
        case IntentGiven():
            match event.intent:
                case Exit(everything=everything):
                    take_back(draft, event.account_id, None if everything else event.contract_id)
                case Cancel(order_ids=(), waiting=()):
                    take_back(draft, event.account_id, event.contract_id)
                case _:
                    pass
            return decide_intent(draft, event)
        case BotsReloaded():
            draft.record(BotsChanged(cause=event.cause, changes=event.changes, by=event.by, ts=ctx.now))
            return draft.finish(
                Verdict(
                    kind=VerdictKind.ACCEPTED,
                    text=f"{len(event.changes)} change{'s' * (len(event.changes) != 1)} of the bots",
                )
            )
        case PriceMoved():
            _price_moved(draft, event.contract_id)
        case OrderReported(order=order):
            on_order(draft, order, "venue")
        case PositionReported(position=position):
            on_position(draft, position, "hub")
        case FillReported(fill=fill):
            on_fill(draft, fill)
        case AccountReported(account=account):
            on_account(draft, account)
        case SubmitSettled():
            _submit_settled(draft, event)
        case ReduceSettled():
            _reduce_settled(draft, event)
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
            if not event.is_up:
                blind.begin(draft)
        case ResyncRequested():
            draft.record(ResyncStarted(cause=DESK, reason=event.reason, ts=ctx.now))
            _read_all(draft, True)
            if not draft.state.user_hub_is_up:
                blind.begin(draft)
        case Started():
            draft.record(
                DaemonStarted(cause=event.cause, mode=event.mode, version=event.version, pid=event.pid, ts=ctx.now)
            )
            start_watchdog(draft)
            blind.begin(draft)
            doubts.begin(draft)
        case Stopping():
            draft.record(DaemonStopping(cause=DESK, reason=event.reason, ts=ctx.now))
            withdraw_entries(draft)
        case _ as never:
            assert_never(never)
    return draft.finish()


def _submit_settled(draft: Draft, event: SubmitSettled) -> None:
    """An entry; or a stop by itself, then whoever placed it hears of it, too."""
    if not stops.is_by_itself(draft.state, event.client_order_id):
        on_submit_settled(draft, event)
        return
    outcome = stops.on_submit_settled(draft, event)
    for plan in stops.owners(draft.state, event.client_order_id):
        if isinstance(plan, ReducePlan):
            reduces.on_stop_settled(draft, plan, outcome)
        else:
            exits.on_stop_settled(draft, plan, outcome)


def _reduce_settled(draft: Draft, event: ReduceSettled) -> None:
    plan = draft.state.plans.get(event.plan_id)
    match plan:
        case ExitPlan():
            draft.follow(plan, exit_plan.on_settled(plan, event.gateway_order_id, event.outcome, draft.now))
        case EnterPlan():
            on_cancel_settled(draft, plan, event)
        case AmendPlan():
            amends.on_settled(draft, plan, event)
        case ReducePlan():
            reduces.on_settled(draft, plan, event)
        case _:
            pass  # of a plan that has ended, or of a cancel that nobody follows


def _price_moved(draft: Draft, contract_id: ContractId) -> None:
    for plan in [plan for plan in draft.state.plans.values() if isinstance(plan, TouchPlan | CarePlan)]:
        if plan.contract_id != contract_id or plan.plan_id not in draft.state.plans:
            continue
        if isinstance(plan, TouchPlan):
            touches.on_price(draft, plan)
        else:
            cares.on_price(draft, plan)


def _tag_searched(draft: Draft, event: TagSearched) -> None:
    """Found settles it. Nothing, an error, or an order of which the gateway itself tells nothing: search again."""
    if event.order is not None:
        on_order(draft, event.order, FOUND)
        event = msgspec.structs.replace(event, error="the gateway does not tell its state")
    stop = draft.state.plans.get(f"stop:{event.client_order_id}")
    if isinstance(stop, StopPlan) and stop.step is StopStep.SEARCHING:
        stops.on_search(draft, stop, event)
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
    elif key.startswith(f"{doubts.LATE}:"):
        doubts.on_timer(draft, key)
    elif blind.is_timer(key):
        blind.on_timer(draft, key)
    elif key.startswith("watch:"):
        on_watch_timer(draft, key)
    elif key.startswith("look:"):
        draft.read_fully(AccountId(int(key.partition(":")[2])))
    elif key.startswith("after:"):
        on_after_timer(draft, key)
    elif key.startswith("trim:"):
        trims.on_timer(draft, key)
    elif key.startswith("held:"):
        on_held_timer(draft, key)
    elif key.startswith("turn:"):
        on_turn_timer(draft, key)
    elif key.startswith("gap:"):
        on_gap_timer(draft, key)
    elif key == WATCHDOG:
        on_watchdog(draft)
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
        case StopPlan():
            stops.on_timer(draft, plan)
        case TouchPlan():
            touches.on_timer(draft, plan)
        case GroupPlan():
            groups.on_timer(draft, plan)
        case EitherPlan():
            eithers.on_timer(draft, plan)
        case ReversePlan():
            reverses.on_timer(draft, plan)
        case AmendPlan():
            amends.on_timer(draft, plan)
        case CarePlan():
            cares.on_timer(draft, plan)
        case ReducePlan():
            reduces.on_timer(draft, plan)
        case None:
            pass  # the plan ended meanwhile
        case _ as never:
            assert_never(never)


def _read_failed(draft: Draft, event: ReadFailed) -> None:
    """No answer proves nothing: whoever asked asks again."""
    again_s = _reconcile_again_s(draft, event.account_id)
    for asker in event.asked_by:
        plan = draft.state.plans.get(asker)
        match plan:
            case ExitPlan():
                draft.follow(plan, exit_plan.on_read_failed(plan, event.reason))
            case FlattenPlan():
                draft.follow(plan, flatten.on_read_failed(plan, event.reason))
            case ProtectPlan():
                draft.follow(plan, protect.on_read_failed(plan, event.reason))
            case AmendPlan():
                amends.on_read_failed(draft, plan, event.reason)
            case ReducePlan():
                reduces.on_read_failed(draft, plan, event.reason)
            case _:
                pass
        if asker == "reconcile":
            draft.effects.append(StartTimer(f"reconcile:{event.account_id}", again_s))
    blind.on_read_failed(draft, event, again_s)
    look_again(draft, event.account_id)


def _reconcile_again_s(draft: Draft, account_id: AccountId) -> float:
    is_traded = any(bot.account_id == account_id for bot in draft.ctx.bots.values())
    is_wanted = is_traded or contracts_in_play(draft.state, account_id)
    return RECONCILE_AGAIN_S if is_wanted else RECONCILE_IDLE_AGAIN_S


def _read_all(draft: Draft, is_contact: bool) -> None:
    if is_contact:
        for account_id in draft.state.accounts:
            draft.read_fully(account_id)
