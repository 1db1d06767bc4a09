"""From an alert to a ruling: which order or exit it becomes, or why none. Then the ruling is written down and carried out."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from desk.bots import BotConfig, Nothing, Refusal, Situation, Wanted, interpret, may_open, wants_exit
from desk.core.alert import Action, Alert, PositionSide
from desk.core.errors import UnknownSymbol
from desk.core.events import AlertReceived
from desk.core.ids import AccountId
from desk.core.intents import Enter, Exit, Intent, Reverse
from desk.core.plans import ExitReason
from desk.core.records import AlertJournalled, BotEntered, Verdict, VerdictKind, WouldHaveSent
from desk.core.symbols import ROOTS, parse_symbol, resolve
from desk.core.words import Contract, Side
from desk.engine.bots import symbol_key
from desk.engine.draft import Context, Draft, entering_qty
from desk.engine.effects import StartTimer
from desk.engine.gates import Asked, gated
from desk.engine.intents import rule_intent
from desk.engine.rulings import Asker, Ruling, denied, held
from desk.engine.state import State
from desk.engine.switches import SWITCHES, rule_switch
from desk.engine.turns import AtTurn, settles, turn_at
from desk.engine.waiting import has_waiting, waiting_qty
from desk.engine.watchdog import watch_sender
from desk.risk import Reason

__all__ = ["HELD_AGAIN_S", "carry_out", "decide_alert", "rule", "wait_for"]

TURN_S = 0.05
QUOTE_COMES_WITHIN = timedelta(seconds=2)  # so long an entry waits for the quote that it needs
QUOTE_AGAIN_S = 0.25
HELD_AGAIN_S = 1.0  # what is held for something that is no event, the contract list, is tried again


def decide_alert(draft: Draft, event: AlertReceived) -> Verdict:
    """One new message. Journals it together with its verdict, and starts what it asks for."""
    ruling = _repeat(draft.state, event, draft.now) or rule(draft.state, event, draft.ctx)
    draft.record(AlertJournalled(cause=event.cause, alert=event, verdict=ruling.verdict, ts=draft.now))
    carry_out(draft, event, ruling)
    if ruling.verdict.kind is VerdictKind.HELD:
        wait_for(draft, event, ruling.verdict)
    watch_sender(draft, event)
    return ruling.verdict


def wait_for(draft: Draft, event: AlertReceived, verdict: Verdict, tried: int = 0) -> None:
    """When a held message is looked at again. tried: how often it was, for what may last."""
    match verdict.reason:
        case Reason.OUT_OF_ORDER:
            bot = draft.ctx.bots.get(event.bot)
            window_s = (0 if bot is None else bot.reorder_ms) / 1000
            left_s = window_s - (draft.now - event.ts).total_seconds()
            draft.effects.append(StartTimer(f"turn:{event.cause}:{tried + 1}", max(left_s, TURN_S)))
        case Reason.SETTLING:
            draft.effects.append(StartTimer(f"turn:{event.cause}:{tried + 1}", min(TURN_S * 2**tried, HELD_AGAIN_S)))
        case Reason.NO_QUOTE:
            left_s = (event.ts + QUOTE_COMES_WITHIN - draft.now).total_seconds()
            pause_s = max(min(QUOTE_AGAIN_S, left_s), TURN_S)
            draft.effects.append(StartTimer(f"turn:{event.cause}:{tried + 1}", pause_s))
        case _:
            draft.effects.append(StartTimer(f"held:{event.cause}", HELD_AGAIN_S))


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
        verdict = Verdict(kind=VerdictKind.DENIED, reason=Reason.UNREADABLE, text=text)
        return Ruling(verdict, incident=("alert.unreadable", text))
    bot = ctx.bots.get(event.bot)
    if bot is None or alert.bot not in {None, bot.name}:
        wanted = event.bot if bot is None else alert.bot
        return denied(Reason.UNKNOWN_BOT, f"no bot named {wanted} listens here", alert.warnings)
    if alert.action in SWITCHES:
        return rule_switch(state, event, alert, bot, ctx)
    needs_account = alert.action not in {Action.NOTE, Action.HEARTBEAT}
    if needs_account and (bot.account_id is None or not ctx.contracts):
        return _held("the desk is starting: decided as soon as the gateway's accounts and contracts are known")
    needs_place = needs_account and alert.action is not Action.FLATTEN_ALL and alert.symbol is not None
    situation = _situation(state, alert, bot, ctx) if needs_place else None
    if isinstance(situation, Refusal):
        return denied(situation.reason, situation.text, alert.warnings)
    return replace(_rule_there(state, event, alert, bot, situation, ctx), situation=situation)


def _rule_there(
    state: State, event: AlertReceived, alert: Alert, bot: BotConfig, situation: Situation | None, ctx: Context
) -> Ruling:
    if situation is None or bot.account_id is None or not state.is_reconciled(bot.account_id):
        return _rule_intent(state, event, alert, bot, situation, ctx)
    turn = turn_at(state, event, bot, situation, ctx.now)
    if turn.ruling is not None:
        return turn.ruling
    ruling = _rule_intent(state, event, turn.alert, turn.bot, situation, ctx, turn)
    return turn.finish(_until_quoted(state, event, ruling, ctx.now), event, ctx.now)


def _until_quoted(state: State, event: AlertReceived, ruling: Ruling, now: datetime) -> Ruling:
    """An entry that needs a quote and has none waits for it for two seconds, and the sender's next entries behind it. Nothing
    that gets out comes here: a reversal without a quote closes at once."""
    alert, verdict = event.alert, ruling.verdict
    if alert is None or not may_open(alert):
        return ruling
    if verdict.kind is VerdictKind.DENIED and verdict.reason == Reason.NO_QUOTE:
        if now - event.ts >= QUOTE_COMES_WITHIN:
            return ruling
        waits = held(Reason.NO_QUOTE, f"{verdict.text}; waits up to 2 s for one", verdict.warnings)
        return replace(waits, intent=ruling.intent)
    is_entry = isinstance(ruling.intent, Enter) and verdict.kind in {VerdictKind.ACCEPTED, VerdictKind.WOULD_SEND}
    if is_entry and _is_behind_unquoted(state, event, alert):
        return held(Reason.NO_QUOTE, "the entry before it waits for a quote", verdict.warnings)
    return ruling


def _is_behind_unquoted(state: State, event: AlertReceived, alert: Alert) -> bool:
    mine = state.held.get(event.cause)
    return any(
        other.reason == Reason.NO_QUOTE
        and cause != event.cause
        and (mine is None or other.number < mine.number)
        and other.event.bot == event.bot
        and other.event.alert is not None
        and symbol_key(other.event.alert) == symbol_key(alert)
        for cause, other in state.held.items()
    )


def _rule_intent(
    state: State,
    event: AlertReceived,
    alert: Alert,
    bot: BotConfig,
    situation: Situation | None,
    ctx: Context,
    turn: AtTurn | None = None,
) -> Ruling:
    """turn: where the account agrees with the gateway; else only what is right whatever is held runs at once."""
    is_known = bot.account_id is not None and state.is_reconciled(bot.account_id)
    meaning = interpret(alert, bot, situation, event.ts)
    if situation is not None and situation.not_listed and may_open(alert) and not isinstance(meaning, Wanted):
        meaning = Refusal(Reason.UNKNOWN_SYMBOL, situation.not_listed, by_position=True)
    if turn is not None and situation is not None:
        waits = settles(state, alert, bot, meaning, situation, ctx.now)
        if waits is not None:
            return held(Reason.SETTLING, waits, alert.warnings)
        if isinstance(meaning, Wanted):
            meaning = gated(meaning, Asked(state, alert, bot, situation, ctx, turn.only_reduces))
    match meaning:
        case Refusal(reason, text, by_position):
            if by_position and not is_known:
                return _held("decided as soon as the account is reconciled with the gateway")
            return denied(reason, text, alert.warnings)
        case Nothing(reason, text):
            if reason is Reason.NOTED:
                return Ruling(Verdict(kind=VerdictKind.ACCEPTED, reason=reason, text=text, warnings=alert.warnings))
            if not is_known and reason is not Reason.NO_ORDER:
                return _held("decided as soon as the account is reconciled with the gateway")
            return Ruling(Verdict(kind=VerdictKind.IGNORED, reason=reason, text=text, warnings=alert.warnings))
        case Wanted(intent, warnings):
            if not is_known and not (isinstance(intent, Exit) and _runs_at_once(state, event, alert)):
                return _held("decided as soon as the account is reconciled with the gateway; entries only while young")
            contract = situation.contract if situation is not None else None
            asker = _asker(event, bot, (*alert.warnings, *warnings))
            ruling = replace(rule_intent(state, intent, contract, asker, ctx), intent=intent)
            return _noted(ruling, intent, event, alert, ctx)


def _noted(ruling: Ruling, intent: Intent, event: AlertReceived, alert: Alert, ctx: Context) -> Ruling:
    """An accepted entry is remembered for what is asked about the next one."""
    if not isinstance(intent, Enter | Reverse) or ruling.verdict.kind is not VerdictKind.ACCEPTED:
        return ruling
    side = (intent if isinstance(intent, Enter) else intent.enter).side
    position = PositionSide.LONG if side is Side.BUY else PositionSide.SHORT
    fact = BotEntered(cause=event.cause, bot=event.bot, symbol=symbol_key(alert), side=position, ts=ctx.now)
    return replace(ruling, facts=(*ruling.facts, fact))


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
    not_listed = None
    try:
        symbol = parse_symbol(alert.symbol)
        contract = resolve(symbol, list(ctx.contracts.values()))
    except UnknownSymbol as problem:
        product = _whatever_month(state, bot.account_id, alert.symbol, ctx)
        if product is None:
            return Refusal(Reason.UNKNOWN_SYMBOL, str(problem))
        symbol, contract, not_listed = parse_symbol(product.symbol_id), product, str(problem)
    contract = _held_contract(state, bot.account_id, contract, ctx)
    if not may_open(alert):
        contract = _month_in_play(state, bot.account_id, contract, ctx)
    place = (bot.account_id, contract.contract_id)
    return Situation(
        contract=contract,
        symbol=symbol,
        position_qty=state.position_qty(place),
        entering_qty=entering_qty(state, place) + waiting_qty(state, place),
        has_working_orders=any(state.orders_at(place)) or any(state.foreign_at(place)),
        has_entries=has_waiting(state, place),
        avg_price=state.positions[place].avg_price if place in state.positions else None,
        balance=state.accounts[bot.account_id].account.balance if bot.account_id in state.accounts else None,
        atr_points=ctx.atr(contract.contract_id),
        atr_name=ctx.atr_name,
        not_listed=not_listed,
    )


def _held_contract(state: State, account_id: AccountId, contract: Contract, ctx: Context) -> Contract:
    if state.position_qty((account_id, contract.contract_id)):
        return contract
    return _held_of(state, account_id, contract.symbol_id, ctx) or contract


def _month_in_play(state: State, account_id: AccountId, contract: Contract, ctx: Context) -> Contract:
    """Of what only gets out: where nothing is held or waits in that month, the one in which something of ours waits."""
    if state.position_qty((account_id, contract.contract_id)) or has_waiting(state, (account_id, contract.contract_id)):
        return contract
    months = [c for c in ctx.contracts.values() if c.symbol_id == contract.symbol_id]
    return next((c for c in months if has_waiting(state, (account_id, c.contract_id))), contract)


def _held_of(state: State, account_id: AccountId, symbol_id: str, ctx: Context) -> Contract | None:
    """The product's contract that the account holds, whatever month."""
    for account, held_id in state.positions:
        held = ctx.contracts.get(held_id)
        if account == account_id and held is not None and held.symbol_id == symbol_id:
            return held
    return None


def _whatever_month(state: State, account_id: AccountId, named: str, ctx: Context) -> Contract | None:
    """The product's held or active contract for a message that names a month that the gateway does not list: its chart has
    rolled and the position has not, or the other way round (TradingView reference 9.3). What it opens is refused, what it
    closes is not."""
    try:
        product = ROOTS[parse_symbol(named).root]
        return _held_of(state, account_id, product.symbol_id, ctx) or resolve(
            parse_symbol(product.root), list(ctx.contracts.values())
        )
    except UnknownSymbol:
        return None


def _asker(event: AlertReceived, bot: BotConfig, warnings: tuple[str, ...]) -> Asker:
    assert bot.account_id is not None, "the caller holds alerts of a bot without an account"
    assert event.alert is not None, "an unreadable message asks for nothing"
    return Asker(
        cause=event.cause,
        account_id=bot.account_id,
        ts=event.ts,
        reason=ExitReason.ALERT,
        warnings=warnings,
        is_dry_run=event.alert.dry_run,
    )


def carry_out(draft: Draft, event: AlertReceived, ruling: Ruling) -> None:
    for fact in ruling.facts:
        draft.record(fact)
    if ruling.incident is not None:
        draft.tell(event.cause, *ruling.incident)
    if ruling.would is not None:
        bot = draft.ctx.bots[event.bot]
        account_id = bot.account_id if bot.account_id is not None else AccountId(0)
        draft.record(WouldHaveSent(cause=event.cause, account_id=account_id, text=ruling.would, ts=draft.now))
    if ruling.begin is not None:
        ruling.begin(draft)


def _held(text: str) -> Ruling:
    return held(Reason.NOT_RECONCILED, text)
