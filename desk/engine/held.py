"""Alerts that wait for their account to be known and reconciled: in the order in which they came, exits run, entries if fresh."""

from __future__ import annotations

from desk.bots import may_open, wants_exit
from desk.core.alert import Action
from desk.core.events import AlertReceived
from desk.core.ids import AccountId, CauseId
from desk.core.records import AlertDecided, Verdict, VerdictKind
from desk.engine.alerts import HELD_AGAIN_S, carry_out, rule
from desk.engine.draft import Draft
from desk.engine.effects import StartTimer
from desk.engine.state import State
from desk.risk import Reason

__all__ = ["on_held_timer", "release_held"]


def release_held(draft: Draft, account_id: AccountId) -> None:
    """Decides the alerts that waited for this account. What still cannot be decided is tried again."""
    _decide(draft, account_id)
    _go_on(draft)


def _go_on(draft: Draft) -> None:
    newest = _newest(draft.state)
    if newest is not None:
        draft.effects.append(StartTimer(f"held:{newest}", HELD_AGAIN_S))


def _decide(draft: Draft, account_id: AccountId) -> None:
    waiting = [held for held in _in_order(draft.state) if _is_of(draft, held, account_id)]
    for place, event in enumerate(waiting):
        if event.cause not in draft.state.held:
            continue  # superseded by a flattening that one of them asked for
        ruling = rule(draft.state, event, draft.ctx)
        if ruling.verdict.kind is VerdictKind.HELD:
            continue
        verdict = ruling.verdict
        after = [_takes_back(later, event) for later in waiting[place + 1 :]] if ruling.opens else []
        taken_back = next(filter(None, after), None)
        if taken_back is not None:
            text = f"{taken_back} came after it while both waited"
            verdict = Verdict(kind=VerdictKind.DENIED, reason=Reason.EXIT_RUNNING, text=text)
        draft.record(AlertDecided(cause=event.cause, verdict=verdict, ts=draft.now))
        if taken_back is None:
            carry_out(draft, event, ruling)


def on_held_timer(draft: Draft, key: str) -> None:
    """Only the newest held alert keeps the timer going, so that there is one."""
    if key != f"held:{_newest(draft.state)}":
        return
    for account_id in sorted(draft.state.accounts):
        if draft.state.is_reconciled(account_id):
            _decide(draft, account_id)
    _go_on(draft)


def _in_order(state: State) -> list[AlertReceived]:
    return [held.event for held in sorted(state.held.values(), key=lambda held: held.number)]


def _newest(state: State) -> CauseId | None:
    waiting = _in_order(state)
    return waiting[-1].cause if waiting else None


def _is_of(draft: Draft, event: AlertReceived, account_id: AccountId) -> bool:
    bot = draft.ctx.bots.get(event.bot)
    return bot is None or bot.account_id in {None, account_id}


def _takes_back(later: AlertReceived, event: AlertReceived) -> str | None:
    """The later message wants what the earlier one would open to be closed again, or not to be opened: what it is called."""
    if later.bot != event.bot or later.alert is None or event.alert is None or not may_open(event.alert):
        return None
    if later.alert.symbol not in {None, event.alert.symbol}:
        return None
    if later.alert.action is Action.CANCEL:
        return "a cancel"
    return "an exit" if wants_exit(later.alert) else None
