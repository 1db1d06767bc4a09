"""From an alert to a ruling: which order or exit it becomes, or why none. Then the ruling is written down and carried out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from desk.bots import BotConfig, Enter, Exit, Nothing, Refusal, Situation, interpret, may_open, wants_exit
from desk.core.alert import Action, Alert
from desk.core.errors import UnknownSymbol
from desk.core.events import AlertReceived
from desk.core.ids import AccountId, ClientOrderId, client_order_id
from desk.core.orders import OrderRequest
from desk.core.plans import ExitReason
from desk.core.records import AlertJournalled, Verdict, VerdictKind, WouldHaveSent
from desk.core.symbols import parse_symbol, resolve
from desk.core.words import Contract, OrderType
from desk.engine.draft import Context, Decision, Draft, entering_qty
from desk.engine.effects import StartTimer
from desk.engine.entries import account_view, submit
from desk.engine.exits import start_exit, start_flatten, supersede_held
from desk.engine.state import Place, State
from desk.risk import Approved, Denied, Limits, Reason, approve

__all__ = ["HELD_AGAIN_S", "Ruling", "carry_out", "decide_alert", "rule"]

HELD_AGAIN_S = 1.0  # what is held for something that is no event, the contract list, is tried again


@dataclass(frozen=True, slots=True)
class Ruling:
    """What is to be done about one alert."""

    verdict: Verdict
    approved: Approved | None = None
    max_position: int = 0  # the limit under which it was approved
    exit_at: Place | None = None
    flatten: AccountId | None = None
    would: str | None = None  # shadow or dry run: what would have been sent
    incident: tuple[str, str] | None = None


def decide_alert(draft: Draft, event: AlertReceived) -> Decision:
    """One new message. Journals it together with its verdict, and starts what it asks for."""
    ruling = _repeat(draft.state, event, draft.now) or rule(draft.state, event, draft.ctx)
    draft.record(AlertJournalled(cause=event.cause, alert=event, verdict=ruling.verdict, ts=draft.now))
    carry_out(draft, event, ruling)
    if ruling.verdict.kind is VerdictKind.HELD:
        draft.effects.append(StartTimer(f"held:{event.cause}", HELD_AGAIN_S))
    return draft.finish(ruling.verdict)


def _repeat(state: State, event: AlertReceived, now: datetime) -> Ruling | None:
    """The same message again is no second order; the same sender id with other content is no order at all."""
    seen = state.seen.get(f"{event.bot}|{event.dedupe_key}")
    if seen is None or (seen.until is not None and seen.until <= now):
        return None
    if seen.body_sha256 == event.body_sha256:
        text = f"the same message came at {seen.ts:%H:%M:%S} UTC as {seen.alert_id}; nothing new was done"
        return Ruling(Verdict(kind=VerdictKind.DUPLICATE, reason=Reason.DUPLICATE, text=text, of=seen.alert_id))
    text = f"its id was used by {seen.alert_id} with other content; nothing was done. Make the id unique per signal"
    verdict = Verdict(kind=VerdictKind.DENIED, reason=Reason.ID_CONFLICT, text=text, of=seen.alert_id)
    return Ruling(verdict, incident=("alert.id_conflict", text))


def rule(state: State, event: AlertReceived, ctx: Context) -> Ruling:
    """What is to be done about a message that is no repeat. Where the position is not known for sure: held."""
    alert = event.alert
    if alert is None:
        text = event.problem or "no alert could be read"
        return Ruling(_denied(Reason.UNREADABLE, text), incident=("alert.unreadable", text))
    bot = ctx.bots.get(event.bot)
    if bot is None or alert.bot not in {None, bot.name}:
        wanted = event.bot if bot is None else alert.bot
        return Ruling(_denied(Reason.UNKNOWN_BOT, f"no bot named {wanted} listens here", alert.warnings))
    needs_account = alert.action not in {Action.NOTE, Action.HEARTBEAT}
    if needs_account and (bot.account_id is None or not ctx.contracts):
        return Ruling(_held("the desk is starting: decided as soon as the gateway's accounts and contracts are known"))
    needs_place = needs_account and alert.action is not Action.FLATTEN_ALL and alert.symbol is not None
    situation = _situation(state, alert, bot, ctx) if needs_place else None
    if isinstance(situation, Refusal):
        return Ruling(_denied(situation.reason, situation.text, alert.warnings))
    return _rule_intent(state, event, alert, bot, situation, ctx)


def _rule_intent(
    state: State, event: AlertReceived, alert: Alert, bot: BotConfig, situation: Situation | None, ctx: Context
) -> Ruling:
    intent = interpret(alert, bot, situation, event.ts)
    is_known = bot.account_id is not None and state.is_reconciled(bot.account_id)
    match intent:
        case Refusal(reason, text, by_position):
            if by_position and not is_known:
                return Ruling(_held("decided as soon as the account is reconciled with the gateway"))
            return Ruling(_denied(reason, text, alert.warnings))
        case Nothing(reason, text):
            if reason is Reason.NOTED:
                return Ruling(Verdict(kind=VerdictKind.ACCEPTED, reason=reason, text=text, warnings=alert.warnings))
            if not is_known:
                return Ruling(_held("decided as soon as the account is reconciled with the gateway"))
            return Ruling(Verdict(kind=VerdictKind.IGNORED, reason=reason, text=text, warnings=alert.warnings))
        case Exit():
            if not is_known and not _runs_at_once(state, event, alert):
                return Ruling(_held("carried out as soon as the account is reconciled with the gateway"))
            return _rule_exit(state, event, bot, situation, intent, ctx)
        case Enter():
            assert situation is not None, "an entry needs a symbol: interpret refuses one without"
            if not is_known:
                return Ruling(_held("decided as soon as the account is reconciled, if it is young enough then"))
            return _rule_entry(state, event, bot, situation, intent, ctx)


def _runs_at_once(state: State, event: AlertReceived, alert: Alert) -> bool:
    """An exit that is right whatever the account really holds, and before which no other message of the bot waits."""
    if alert.action is Action.FLATTEN_ALL:
        return True
    is_for_any = alert.action not in {Action.EXIT_LONG, Action.EXIT_SHORT}
    is_first = not any(held.event.bot == event.bot for cause, held in state.held.items() if cause != event.cause)
    return wants_exit(alert) and is_for_any and is_first and alert.policy.require_position in {None, "any"}


def _situation(state: State, alert: Alert, bot: BotConfig, ctx: Context) -> Situation | Refusal:
    """The bot's place for the alert's symbol. Exits act on the contract that is held, whatever month the alert names."""
    assert bot.account_id is not None, "the caller checked it"
    assert alert.symbol is not None, "the caller checked it"
    try:
        symbol = parse_symbol(alert.symbol)
        contract = resolve(symbol, list(ctx.contracts.values()))
        if may_open(alert) and alert.contract is not None and alert.policy.contract == "require_match":
            named = resolve(parse_symbol(alert.contract), list(ctx.contracts.values()))
            if named.contract_id != contract.contract_id:
                text = (
                    f"the chart is on {named.name}, the gateway trades {contract.name}, and the alert requires a match"
                )
                return Refusal(Reason.CONTRACT_MISMATCH, text)
    except UnknownSymbol as problem:
        return Refusal(Reason.UNKNOWN_SYMBOL, str(problem))
    contract = _held_contract(state, bot.account_id, contract, ctx)
    place = (bot.account_id, contract.contract_id)
    return Situation(
        contract=contract,
        symbol=symbol,
        position_qty=state.position_qty(place),
        entering_qty=entering_qty(state, place),
        has_working_orders=any(state.orders_at(place)) or any(state.foreign_at(place)),
    )


def _held_contract(state: State, account_id: AccountId, contract: Contract, ctx: Context) -> Contract:
    if state.position_qty((account_id, contract.contract_id)):
        return contract
    for account, held_id in state.positions:
        held = ctx.contracts.get(held_id)
        if account == account_id and held is not None and held.symbol_id == contract.symbol_id:
            return held
    return contract


def _rule_exit(
    state: State, event: AlertReceived, bot: BotConfig, situation: Situation | None, wanted: Exit, ctx: Context
) -> Ruling:
    assert bot.account_id is not None, "the caller holds alerts of a bot without an account"
    assert event.alert is not None, "an unreadable message is no exit"
    warnings = (*event.alert.warnings, *wanted.warnings)
    what = "everything on the account" if wanted.everything or situation is None else situation.contract.name
    if ctx.is_shadow or event.alert.dry_run:
        return _would(event, f"would flatten {what}", ctx)
    if wanted.everything or situation is None:
        running_flatten = state.flatten_plan(bot.account_id)
        plan_id = running_flatten.plan_id if running_flatten else f"flatten:{event.cause}:{bot.account_id}"
        return Ruling(_accepted(f"flattening {what}", plan_id=plan_id, warnings=warnings), flatten=bot.account_id)
    place = (bot.account_id, situation.contract.contract_id)
    running = state.exit_plan(place)
    if running is not None:
        text = f"an exit of {what} is under way already"
        return Ruling(_accepted(text, plan_id=running.plan_id, warnings=warnings))
    plan_id = f"exit:{event.cause}:{place[0]}:{place[1]}"
    return Ruling(_accepted(f"exiting {what}", plan_id=plan_id, warnings=warnings), exit_at=place)


def _rule_entry(
    state: State, event: AlertReceived, bot: BotConfig, situation: Situation, wanted: Enter, ctx: Context
) -> Ruling:
    assert bot.account_id is not None, "the caller holds alerts of a bot without an account"
    assert event.alert is not None, "an unreadable message is no entry"
    place = (bot.account_id, situation.contract.contract_id)
    order = OrderRequest(
        client_order_id=client_order_id(event.cause, bot.account_id, "entry", 1),
        account_id=bot.account_id,
        contract_id=situation.contract.contract_id,
        type=OrderType.MARKET,
        side=wanted.side,
        qty=wanted.qty,
        stop_ticks=wanted.stop_ticks,
        target_ticks=wanted.target_ticks,
    )
    limits = Limits(max_position=wanted.max_position)
    answer = approve(order, situation.contract, account_view(state, place, ctx), limits, wanted.fresh_until, ctx.now)
    if isinstance(answer, Denied):
        return Ruling(_denied(answer.reason, answer.text, event.alert.warnings))
    target = f", target {wanted.target_ticks} ticks" if wanted.target_ticks is not None else ""
    text = f"{wanted.side} {wanted.qty} {situation.contract.name} at market, stop {wanted.stop_ticks} ticks{target}"
    if ctx.is_shadow or event.alert.dry_run:
        return _would(event, f"would send: {text}", ctx)
    return Ruling(
        _accepted(text, orders=(order.client_order_id,), warnings=event.alert.warnings),
        approved=answer,
        max_position=wanted.max_position,
    )


def carry_out(draft: Draft, event: AlertReceived, ruling: Ruling) -> None:
    if ruling.incident is not None:
        draft.tell(event.cause, *ruling.incident)
    if ruling.would is not None:
        bot = draft.ctx.bots[event.bot]
        account_id = bot.account_id if bot.account_id is not None else AccountId(0)
        draft.record(WouldHaveSent(cause=event.cause, account_id=account_id, text=ruling.would, ts=draft.now))
    if ruling.approved is not None:
        submit(draft, ruling.approved, event.cause, ruling.max_position)
    if ruling.exit_at is not None:
        start_exit(draft, ruling.exit_at, event.cause, ExitReason.ALERT)
    if ruling.flatten is not None:
        supersede_held(draft, ruling.flatten, event.ts)
        start_flatten(draft, ruling.flatten, event.cause, ExitReason.ALERT)


def _would(event: AlertReceived, text: str, ctx: Context) -> Ruling:
    reason = Reason.SHADOW if ctx.is_shadow else Reason.DRY_RUN
    return Ruling(Verdict(kind=VerdictKind.WOULD_SEND, reason=reason, text=text), would=text)


def _accepted(
    text: str, orders: tuple[ClientOrderId, ...] = (), plan_id: str | None = None, warnings: tuple[str, ...] = ()
) -> Verdict:
    return Verdict(kind=VerdictKind.ACCEPTED, text=text, orders=orders, plan_id=plan_id, warnings=warnings)


def _denied(reason: Reason, text: str, warnings: tuple[str, ...] = ()) -> Verdict:
    return Verdict(kind=VerdictKind.DENIED, reason=reason, text=text, warnings=warnings)


def _held(text: str) -> Verdict:
    return Verdict(kind=VerdictKind.HELD, reason=Reason.NOT_RECONCILED, text=text)
