"""Whose turn it is: what the order of a sender's messages means for one of them, and what must end at its place first.

The decisions behind ``sequence``: a message waits for the one in between, is superseded, or comes behind a gap, where the
bot's policy decides. A target waits until what runs at its place has ended: never two signals of one instrument at once
(TradingView reference 7).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from desk.bots import BotConfig, Meaning, Nothing, Refusal, Situation, Wanted, goal_of, may_open
from desk.bots.steps import tighter_gap
from desk.core.alert import Action, Alert, AlertPosition, AlertQty, PositionSide
from desk.core.events import AlertReceived
from desk.core.intents import Enter, Reduce, Reverse
from desk.core.orders import Role
from desk.core.plans import ReversePlan
from desk.core.records import BotSwitched, Record, SignalGap, Verdict, VerdictKind
from desk.core.switches import Switch
from desk.engine.apply import is_resting
from desk.engine.bots import symbol_key
from desk.engine.draft import unreported_fill
from desk.engine.rulings import Ruling, denied, held
from desk.engine.sequence import (
    Gap,
    Signal,
    Turn,
    after,
    before,
    chain_end,
    continues,
    gets_out,
    turn_of,
    wanted_side,
)
from desk.engine.state import Place, State
from desk.engine.walk import Pair
from desk.risk import Reason

__all__ = ["AtTurn", "gap_facts", "gap_text", "settles", "turn_at"]

REPORT_COMES_WITHIN = timedelta(seconds=2)
_PASSING = {Reason.EXIT_RUNNING, Reason.ORPHAN_ORDERS, Reason.UNPROTECTED}
_DONE = {
    "follow_target": "its target is followed",
    "reduce_only": "until its sender is flat the bot only reduces",
    "halt_bot": "the bot is halted: its exits run, and the console's resume lets it enter again",
}


@dataclass(frozen=True, slots=True)
class AtTurn:
    """alert, bot: as they are to be read here. ruling: made already, nothing more is asked. facts, incident: of a gap."""

    alert: Alert
    bot: BotConfig
    ruling: Ruling | None = None
    only_reduces: bool = False
    facts: tuple[Record, ...] = ()
    incident: tuple[str, str] | None = None

    def finish(self, ruling: Ruling, event: AlertReceived, now: datetime) -> Ruling:
        """What the message became, with what its turn brings. A target that something passing stands in the way of waits."""
        alert, verdict = event.alert, ruling.verdict
        is_target = alert is not None and goal_of(alert) is not None
        is_passing = verdict.kind is VerdictKind.DENIED and verdict.reason in _PASSING
        if is_target and is_passing and not _is_too_old(event, self.bot, now):
            return held(Reason.SETTLING, f"{verdict.text}; tried again while it is young", verdict.warnings)
        if verdict.kind is VerdictKind.HELD:
            return ruling
        return replace(ruling, facts=(*self.facts, *ruling.facts), incident=ruling.incident or self.incident)


def turn_at(state: State, event: AlertReceived, bot: BotConfig, now_at: Situation, now: datetime) -> AtTurn:
    """The account agrees with the gateway."""
    alert = event.alert
    assert alert is not None, "an unreadable message has no turn"
    key = symbol_key(alert)
    signal = state.bot(bot.name).signals.get(key)
    if alert.dry_run:  # no word about where its sender stands: it neither waits nor finds a gap
        return AtTurn(alert, bot, only_reduces=signal is not None and signal.only_reduces)
    turn = turn_of(signal, event, now, bot.reorder_ms, now_at.held, state.waiting_beside(event))
    is_target = goal_of(alert) not in {None, PositionSide.FLAT}
    if turn is not Turn.FOLLOWS and is_target and _follows_waiting(state, event, key):
        if turn is Turn.GAP and gets_out(alert, now_at.held):  # that one is not lost, and less is held in any case
            return AtTurn(alert, replace(bot, mode="target"), only_reduces=True)
        return AtTurn(alert, bot, held(Reason.SETTLING, "the message that it follows waits, too", alert.warnings))
    match turn:
        case Turn.EARLY:
            assert signal is not None, "the first message is never early"
            text = f"its sender was {signal.pair}, this continues from {before(alert)}: waits for the one in between"
            return AtTurn(alert, bot, held(Reason.OUT_OF_ORDER, text, alert.warnings))
        case Turn.LATE:
            assert signal is not None, "the first message is never late"
            end = chain_end(signal, event, state.waiting_beside(event)) or signal.pair
            return _late(state, event, bot, now_at, signal, end, now)
        case Turn.UNCLEAR:
            assert signal is not None, "the first message is never unclear"
            end, pair = chain_end(signal, event, state.waiting_beside(event)), after(alert)
            if end is not None and _is_part_of(end, pair):  # whatever came last, it was at least this
                return _late(state, event, bot, now_at, signal, end, now, is_most=True)
            return _unclear(event, bot, signal, key)
        case Turn.GAP:
            assert signal is not None, "the first message has no gap"
            return _behind_gap(event, bot, signal, key, now)
        case _:
            return AtTurn(alert, bot, only_reduces=signal is not None and signal.only_reduces)


def _follows_waiting(state: State, event: AlertReceived, key: str) -> bool:
    """One that came before it waits, and it goes on from there."""
    mine = state.held.get(event.cause)
    return any(
        other.event.bot == event.bot
        and other.event.alert is not None
        and symbol_key(other.event.alert) == key
        and (mine is None or other.number < mine.number)
        and continues(event, other.event)
        for cause, other in state.held.items()
        if cause != event.cause
    )


def _late(
    state: State,
    event: AlertReceived,
    bot: BotConfig,
    now_at: Situation,
    signal: Signal,
    newest: Pair | None,
    now: datetime,
    *,
    is_most: bool = False,
) -> AtTurn:
    """A newer message counts. What the newer one does not want either is left even by a late one; exits by their action alone
    know no time at all, nor do entries by their action that agree with the newer one. An entry by its pair on the side of the
    newer one, which only reduced, goes as far as that one went. is_most: more than that is not held, either.
    """
    alert = event.alert
    assert alert is not None, "an unreadable message is never late"
    goal = goal_of(alert)
    if goal is None and (not may_open(alert) or wanted_side(alert) is signal.wants is not None):
        return AtTurn(alert, bot, only_reduces=signal.only_reduces)
    is_wanted = newest is not None and _is_on(newest.side, now_at.position_qty)
    is_leaving = state.exit_plan(_place(bot, now_at)) is not None
    if goal is PositionSide.FLAT and now_at.position_qty and not is_wanted and not is_leaving:
        return AtTurn(alert, bot)
    if may_open(alert) and _is_too_old(event, bot, now):
        text = f"fired {_age(event, now).total_seconds():.0f} s ago, and a newer message came before it"
        return AtTurn(alert, bot, denied(Reason.TOO_OLD, f"{text}; late entries are not taken", alert.warnings))
    text = f"a newer message of its sender came at {signal.ts:%H:%M:%S} UTC ({signal.cause}) and counts"
    is_short_of = newest is not None and newest.side is goal and newest.size is not None
    is_there = newest is not None and _is_on(newest.side, now_at.held) and not is_leaving
    held_there = abs(now_at.held) if is_there else 0
    goes_there = newest is not None and newest.size is not None and held_there < newest.size
    if is_most and newest is not None and newest.size is not None:
        goes_there = held_there != newest.size
    if is_short_of and goes_there and newest is not None:
        position = AlertPosition(now=newest.side, size=newest.size)
        note = (*alert.warnings, f"{text}: carried out as far as {newest}")
        read_as = msgspec.structs.replace(alert, position=position, warnings=note)
        return AtTurn(read_as, replace(bot, mode="target"), only_reduces=signal.only_reduces)
    verdict = Verdict(kind=VerdictKind.IGNORED, reason=Reason.SUPERSEDED, text=text, warnings=alert.warnings)
    return AtTurn(alert, bot, Ruling(verdict))


def _unclear(event: AlertReceived, bot: BotConfig, signal: Signal, key: str) -> AtTurn:
    """Either the messages of this moment came in another order than they were sent, or one more is lost: out, and told."""
    alert = event.alert
    assert alert is not None, "an unreadable message is never unclear"
    said = f"the last one carried out says {signal.pair}, this one leads from {before(alert)} to {after(alert)}"
    what = "messages of one second came out of order, or one more is lost"
    text = f"bot {bot.name}, {key}: {what}; {said}. Nothing is held until the next message"
    flat = AlertPosition(now=PositionSide.FLAT, size=Decimal(0))
    note = (*alert.warnings, "the order of its second is unclear: read as flat")
    read_as = msgspec.structs.replace(alert, action=Action.EXIT, position=flat, qty=AlertQty(), warnings=note)
    return AtTurn(read_as, replace(bot, mode="target"), incident=("signal.gap", text))


def _behind_gap(event: AlertReceived, bot: BotConfig, signal: Signal, key: str, now: datetime) -> AtTurn:
    """What gets out at once says nothing of a gap yet: the one in between may still come (``watchdog.on_gap_timer``)."""
    alert = event.alert
    assert alert is not None, "an unreadable message has no gap"
    policy, said = tighter_gap(alert.policy.on_gap, bot.on_gap), before(alert)
    follows = replace(bot, mode="target")
    assert said is not None, "a gap is seen by the pair before"
    assert signal.pair is not None, "and by the one that was known"
    if now - event.ts < timedelta(milliseconds=bot.reorder_ms):
        return AtTurn(alert, follows, only_reduces=True)
    gap = Gap(start=signal.pair, end=said, cause=event.cause, ts=event.ts)
    facts = gap_facts(bot, key, gap, policy, now)
    return AtTurn(
        alert,
        follows,
        only_reduces=policy != "follow_target" or signal.only_reduces,
        facts=facts,
        incident=("signal.gap", gap_text(bot, key, gap, policy)),
    )


def gap_facts(bot: BotConfig, symbol: str, gap: Gap, policy: str, now: datetime) -> tuple[Record, ...]:
    record = SignalGap(
        cause=gap.cause, bot=bot.name, symbol=symbol, known=str(gap.start), said=str(gap.end), policy=policy, ts=now
    )
    if policy != "halt_bot":
        return (record,)
    why = f"a message about {symbol} was lost"
    return (record, BotSwitched(cause=gap.cause, bot=bot.name, switch=Switch.HALT, by="gap", why=why, ts=now))


def gap_text(bot: BotConfig, symbol: str, gap: Gap, policy: str) -> str:
    return (
        f"bot {bot.name}, {symbol}: a message was lost, doubled or came out of order. Its sender was {gap.start}, the next one "
        f"continues from {gap.end}; {_DONE[policy]}"
    )


# -- what must end first ------------------------------------------------------------------------------------------------


def settles(
    state: State, alert: Alert, bot: BotConfig, meaning: Meaning, now_at: Situation, now: datetime
) -> str | None:
    """Why a target cannot be compared with what is held yet. None: it can, or it goes on with what runs.

    A way to flat never waits, and a reversal joins the exit that runs.
    """
    if goal_of(alert) in {None, PositionSide.FLAT}:
        return None
    place = _place(bot, now_at)
    is_leaving = state.exit_plan(place) is not None or state.flatten_plan(place[0]) is not None
    is_turning = any(
        isinstance(plan, ReversePlan) and (plan.account_id, plan.contract_id) == place for plan in state.plans.values()
    )
    is_closing_part = state.reduce_plan(place) is not None
    is_behind = _is_behind(state, place, now, is_sure=True)
    match meaning:
        case Wanted(Reverse()):
            is_early = is_turning and not is_leaving
        case Nothing(reason=Reason.ALREADY_THERE):
            is_early = (is_leaving and not is_turning) or is_closing_part or is_behind
        case Wanted(Enter()):
            is_early = is_leaving or is_turning or is_closing_part or _is_behind(state, place, now, is_sure=False)
        case Refusal(by_position=True):
            is_early = is_leaving or is_turning or is_closing_part or is_behind
        case Wanted(Reduce()):
            is_early = is_leaving or is_turning or is_closing_part or is_behind or _is_filling(state, place)
        case _:
            is_early = False
    if not is_early:
        return None
    what = (
        "an exit" if is_leaving else "a reversal" if is_turning else "a partial exit" if is_closing_part else "an entry"
    )
    return f"{what} of {now_at.contract.name} is under way; decided as soon as it has ended"


def _is_behind(state: State, place: Place, now: datetime, *, is_sure: bool) -> bool:
    """An entry filled, and the position may not tell of it yet: nothing was heard of it since (is_sure), or at that moment.
    For two seconds only: the report may also have come first."""
    position = state.positions.get(place)
    if position is None:
        return False
    filled = [o.updated_at for o in state.remembered_at(place) if o.role is Role.ENTRY and o.filled_qty]
    newest = max(filled, default=None)
    if newest is None or newest <= now - REPORT_COMES_WITHIN:
        return False
    return position.updated_at < newest or (position.updated_at == newest and not is_sure)


def _is_filling(state: State, place: Place) -> bool:
    """A part cannot be closed of what is not reported yet."""
    is_under_way = any(not is_resting(entry) for entry in state.entries_at(place))
    return is_under_way or unreported_fill(state, place)[1] != 0


def _place(bot: BotConfig, now_at: Situation) -> Place:
    assert bot.account_id is not None, "a message of a bot without an account is held"
    return (bot.account_id, now_at.contract.contract_id)


def _is_part_of(end: Pair, pair: Pair | None) -> bool:
    is_open = pair is not None and pair.side is end.side is not PositionSide.FLAT
    return is_open and pair is not None and None not in {end.size, pair.size} and (end.size or 0) <= (pair.size or 0)


def _is_on(side: PositionSide, qty: int) -> bool:
    return (side is PositionSide.LONG and qty > 0) or (side is PositionSide.SHORT and qty < 0)


def _age(event: AlertReceived, now: datetime) -> timedelta:
    fired_at = None if event.alert is None else event.alert.fired_at
    return now - (event.ts if fired_at is None else fired_at)


def _is_too_old(event: AlertReceived, bot: BotConfig, now: datetime) -> bool:
    asked = None if event.alert is None else event.alert.policy.max_age_s
    limit_s = bot.max_alert_age_s if asked is None else min(bot.max_alert_age_s, float(asked))
    return _age(event, now).total_seconds() > limit_s
