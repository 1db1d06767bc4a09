"""Alerts that wait: for their account to be known and reconciled, for the message in between, for what runs at their place,
for a quote.

In the order in which they came, the targets of one sender as they were sent; exits run, entries if fresh.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from desk.bots import goal_of, may_open, wants_exit
from desk.bots.steps import step_of
from desk.core.alert import Action, Alert
from desk.core.events import AlertReceived
from desk.core.ids import AccountId, CauseId, ContractId
from desk.core.records import AlertDecided, Verdict, VerdictKind
from desk.core.symbols import ROOTS
from desk.engine.alerts import HELD_AGAIN_S, carry_out, rule, wait_for
from desk.engine.bots import symbol_key
from desk.engine.draft import Draft
from desk.engine.effects import StartTimer
from desk.engine.sequence import after, chain_end, in_order, same_moment
from desk.engine.state import State
from desk.engine.watchdog import watch_sender
from desk.risk import Reason

__all__ = ["follow_up", "on_held_timer", "on_turn_timer", "release_held", "take_back"]

MANY = 16  # that wait together: more are looked at together, for each look is about all of them
_AT_TURN = (Reason.OUT_OF_ORDER, Reason.SETTLING, Reason.NO_QUOTE)  # they have timers of their own
_OVERTAKEN = (Reason.SETTLING, Reason.NO_QUOTE)
_MAY_OPEN = (Action.BUY, Action.SELL, Action.SET_POSITION)


def release_held(draft: Draft, account_id: AccountId) -> None:
    """Decides the alerts that waited for this account. What still cannot be decided is tried again."""
    left = _decide(draft, [event for event in _in_order(draft.state) if _is_of(draft, event, account_id)])
    for cause, verdict in left.items():
        if verdict.reason in _AT_TURN:  # its timer may have died with the process, or never began
            wait_for(draft, draft.state.held[cause].event, verdict)
    _go_on(draft)


def follow_up(draft: Draft, event: AlertReceived, verdict: Verdict) -> None:
    """After a new message was decided: those of its sender that waited for it, or that it takes back."""
    if event.alert is None or verdict.of is not None or verdict.kind is VerdictKind.HELD or not draft.state.held:
        return
    mine = [held for held in _in_order(draft.state) if _is_beside(held, event)]
    if _ends_waits(event):
        _take_back(draft, [held for held in mine if _takes_back(event, held)])
    elif goal_of(event.alert) is not None:
        left = _decide(draft, mine)
        _take_back(draft, [held for held in mine if held.cause in left and _ends_wait(draft.state, event, held)])


def on_turn_timer(draft: Draft, key: str) -> None:
    """A message that waited for its turn; what still waits is looked at rarer and rarer."""
    cause, _, tried = key.removeprefix("turn:").partition(":")
    held = draft.state.held.get(CauseId(cause))
    if held is None:
        return
    beside = [other for other in draft.state.held.values() if _is_beside(other.event, held.event)]
    is_newest = held.number == max(other.number for other in beside)
    if len(beside) > MANY and not is_newest:  # the newest one's timer looks at all of them
        draft.effects.append(StartTimer(f"turn:{cause}:{int(tried) + 1}", HELD_AGAIN_S))
        return
    left = _decide(draft, [event for event in _in_order(draft.state) if _is_beside(event, held.event)])
    if held.event.cause in left:
        wait_for(draft, held.event, left[held.event.cause], int(tried))


def take_back(draft: Draft, account_id: AccountId, contract_id: ContractId | None) -> None:
    """A person wants out there: entries that wait do not come after it. contract_id None: anywhere on the account."""
    contract = None if contract_id is None else draft.ctx.contracts.get(contract_id)

    def is_there(alert: Alert) -> bool:
        product = ROOTS.get(symbol_key(alert))
        return contract is None or product is None or product.symbol_id == contract.symbol_id

    waiting = [event for event in _in_order(draft.state) if _is_of(draft, event, account_id)]
    _take_back(draft, [e for e in waiting if e.alert is not None and may_open(e.alert) and is_there(e.alert)])


def _take_back(draft: Draft, events: Iterable[AlertReceived]) -> None:
    for event in events:
        verdict = Verdict(
            kind=VerdictKind.DENIED, reason=Reason.EXIT_RUNNING, text="an exit or a cancel came while it waited"
        )
        draft.record(AlertDecided(cause=event.cause, verdict=verdict, ts=draft.now))


def _go_on(draft: Draft) -> None:
    newest = _newest(draft.state)
    if newest is not None:
        draft.effects.append(StartTimer(f"held:{newest}", HELD_AGAIN_S))


def _decide(draft: Draft, waiting: Sequence[AlertReceived]) -> dict[CauseId, Verdict]:
    """In their order. Returns those that still wait, and for what."""
    left: dict[CauseId, Verdict] = {}
    for place, event in enumerate(waiting):
        if event.cause not in draft.state.held:
            continue  # superseded by a flattening that one of them asked for
        ruling = rule(draft.state, event, draft.ctx)
        verdict = ruling.verdict
        later_ones = waiting[place + 1 :]
        is_held = verdict.kind is VerdictKind.HELD
        if is_held and verdict.reason in _OVERTAKEN and any(_overtakes(draft, later, event) for later in later_ones):
            text = "a newer target of its sender came while it waited, and counts"
            verdict = Verdict(kind=VerdictKind.IGNORED, reason=Reason.SUPERSEDED, text=text)
            draft.record(AlertDecided(cause=event.cause, verdict=verdict, ts=draft.now))
            continue
        is_unquoted = is_held and verdict.reason == Reason.NO_QUOTE
        may_go = ruling.opens or is_unquoted
        taken_back = _taken_back(draft.state, event, later_ones) if may_go else None
        if taken_back is not None:
            text = f"{taken_back} came after it while both waited"
            verdict = Verdict(kind=VerdictKind.DENIED, reason=Reason.EXIT_RUNNING, text=text)
        elif is_held:
            left[event.cause] = verdict
            continue
        draft.record(AlertDecided(cause=event.cause, verdict=verdict, ts=draft.now))
        if taken_back is None:
            carry_out(draft, event, ruling)
            watch_sender(draft, event)
            if _ends_waits(event):
                before = [early for early in waiting[:place] if early.cause in draft.state.held]
                _take_back(draft, [early for early in before if _takes_back(event, early)])
    still = draft.state.held  # a later one may have ended the wait of an earlier one
    return {cause: verdict for cause, verdict in left.items() if cause in still}


def _ends_waits(event: AlertReceived) -> bool:
    """An exit by its action alone, or a cancel: what came before it is not wanted any more, whatever it waits for."""
    alert = event.alert
    return alert is not None and (alert.action is Action.CANCEL or (wants_exit(alert) and goal_of(alert) is None))


def _overtakes(draft: Draft, later: AlertReceived, event: AlertReceived) -> bool:
    """Both say where the sender is, and the later one may open what it says: the earlier one need not be gone through."""
    bot = draft.ctx.bots.get(event.bot)
    if bot is None or bot.mode != "target" or later.alert is None or event.alert is None or later.alert.dry_run:
        return False
    step = step_of(later.alert.position)
    only_reduces = later.alert.action not in _MAY_OPEN or (step is not None and step.is_partial_exit)
    are_targets = goal_of(later.alert) is not None and goal_of(event.alert) is not None
    is_waiting = draft.now - event.ts < timedelta(milliseconds=bot.reorder_ms)  # the chain may still lead to it
    return (
        are_targets
        and not (only_reduces or is_waiting)
        and _is_beside(later, event)
        and not _is_last(draft.state, event, later)
    )


def _taken_back(state: State, event: AlertReceived, later_ones: Iterable[AlertReceived]) -> str | None:
    """By which of those that came later; None: it may go."""
    for later in later_ones:
        what = _takes_back(later, event)
        if what is not None and not _is_last(state, event, later):
            return what
    return None


def _is_last(state: State, event: AlertReceived, later: AlertReceived) -> bool:
    """Both are of one moment, and its chain leads to ``event``, in whatever order they came."""
    if event.alert is None or not same_moment(event, later):
        return False
    signal, pair = state.bot(event.bot).signals.get(symbol_key(event.alert)), after(event.alert)
    end = None if signal is None else chain_end(signal, event, state.waiting_beside(event))
    return end is not None and pair is not None and pair.matches(end)


def on_held_timer(draft: Draft, key: str) -> None:
    """Only the newest of those that wait for no turn keeps the timer going, so that there is one."""
    if key != f"held:{_newest(draft.state)}":
        return
    for account_id in sorted(draft.state.accounts):
        if draft.state.is_reconciled(account_id):
            _decide(draft, [event for event in _in_order(draft.state) if _is_of(draft, event, account_id)])
    _go_on(draft)


def _in_order(state: State) -> list[AlertReceived]:
    """As they came; the targets of one sender about one symbol among each other as they were sent."""
    events = [held.event for held in sorted(state.held.values(), key=lambda held: held.number)]
    groups: dict[tuple[str, str], list[AlertReceived]] = {}
    for event in events:
        if event.alert is not None and goal_of(event.alert) is not None:
            groups.setdefault((event.bot, symbol_key(event.alert)), []).append(event)
    sent = {
        key: iter(in_order(state.bot(key[0]).signals.get(key[1]), group)) for key, group in groups.items() if group[1:]
    }
    found = []
    for event in events:
        key = (event.bot, symbol_key(event.alert)) if event.alert is not None else (event.bot, "")
        is_target = event.alert is not None and goal_of(event.alert) is not None
        found.append(next(sent[key]) if is_target and key in sent else event)
    return found


def _newest(state: State) -> CauseId | None:
    waiting = [held for held in state.held.values() if held.reason not in _AT_TURN]
    return max(waiting, key=lambda held: held.number).event.cause if waiting else None


def _is_beside(held: AlertReceived, event: AlertReceived) -> bool:
    """Of the same sender about the same symbol; an exit of everything is about all of them."""
    if held.bot != event.bot or held.alert is None or event.alert is None:
        return False
    return event.alert.symbol is None or symbol_key(held.alert) == symbol_key(event.alert)


def _ends_wait(state: State, out: AlertReceived, held: AlertReceived) -> bool:
    """``held`` had its turn before ``out`` came, lacked only a quote, and was not fired later."""
    waiting = state.held.get(held.cause)
    if waiting is None or waiting.reason != Reason.NO_QUOTE or _takes_back(out, held) is None:
        return False
    times = [None if event.alert is None else event.alert.fired_at for event in (held, out)]
    return times[0] is None or times[1] is None or times[0] <= times[1]


def _is_of(draft: Draft, event: AlertReceived, account_id: AccountId) -> bool:
    bot = draft.ctx.bots.get(event.bot)
    return bot is None or bot.account_id in {None, account_id}


def _takes_back(later: AlertReceived, event: AlertReceived) -> str | None:
    """The later message wants what the earlier one would open to be closed again, or not to be opened: what it is called."""
    if later.alert is None or event.alert is None or not may_open(event.alert) or not _is_beside(event, later):
        return None
    if later.alert.dry_run:
        return None  # it is carried out nowhere
    if later.alert.action is Action.CANCEL:
        return "a cancel"
    return "an exit" if wants_exit(later.alert) else None
