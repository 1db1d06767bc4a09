"""What the engine answers to an alert, and what it would answer if the rule that said no did not. Pure.

The engine names the first rule that says no. To hear the later ones, that one is lifted (the age made young, the bot's
ceiling raised) and the engine decides again, on a copy that nobody keeps, until it accepts or says a no that cannot be lifted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import msgspec
from immutables import Map

from desk.bots import BotConfig
from desk.core.alert import Action
from desk.core.events import AlertReceived
from desk.core.records import Verdict, VerdictKind
from desk.core.symbols import ROOTS
from desk.engine import Context, Decision, State, decide
from desk.risk import Reason

__all__ = ["SILENT", "Trial", "Tried", "tried"]

SILENT = frozenset({Action.NOTE, Action.HEARTBEAT})  # they ask for nothing
_MOST_LIFTS = 24
_UNLIMITED = 10**6  # contracts


@dataclass(frozen=True, slots=True)
class Trial:
    """What is decided on. A lifted rule makes another one; neither is ever published."""

    state: State
    event: AlertReceived
    ctx: Context

    @property
    def bot(self) -> BotConfig | None:
        return self.ctx.bots.get(self.event.bot)

    def with_alert(self, **changes: object) -> Trial:
        assert self.event.alert is not None, "an unreadable message is not lifted"
        alert = msgspec.structs.replace(self.event.alert, **changes)
        return replace(self, event=msgspec.structs.replace(self.event, alert=alert))

    def with_bot(self, **changes: object) -> Trial:
        assert self.bot is not None, "an unknown bot is not lifted"
        bot = replace(self.bot, **changes)  # type: ignore[arg-type]
        return replace(self, ctx=replace(self.ctx, bots={**self.ctx.bots, bot.name: bot}))

    def with_accounts(self, **changes: object) -> Trial:
        """Every account of the state with these fields."""
        accounts = Map({key: msgspec.structs.replace(one, **changes) for key, one in self.state.accounts.items()})
        return replace(self, state=msgspec.structs.replace(self.state, accounts=accounts))


@dataclass(frozen=True, slots=True)
class Tried:
    """``first`` is what the engine really answers. ``said``: each no that was lifted, and the last one if it stayed.

    trial, decision: after the last lift. is_stuck: the last no could not be lifted.
    """

    first: Decision
    said: tuple[Verdict, ...]
    trial: Trial
    decision: Decision
    is_stuck: bool


def tried(trial: Trial) -> Tried:
    """Decides, lifts the rule that said no, decides again."""
    first = decision = decide(trial.state, trial.event, trial.ctx)
    said: list[Verdict] = []
    for _ in range(_MOST_LIFTS):
        verdict = _verdict_of(decision)
        if verdict.kind is VerdictKind.ACCEPTED or (verdict.kind is VerdictKind.IGNORED and _is_silent(trial)):
            return Tried(first, tuple(said), trial, decision, is_stuck=False)
        is_said_again = any(one.reason == verdict.reason for one in said)
        if not is_said_again:
            said.append(verdict)
        lift = None if is_said_again else _LIFTS.get(verdict.reason, _own_terms)
        lifted = lift(trial) if lift is not None else None
        if lifted is None:
            break
        trial = lifted
        decision = decide(trial.state, trial.event, trial.ctx)
    return Tried(first, tuple(said), trial, decision, is_stuck=True)


def _verdict_of(decision: Decision) -> Verdict:
    assert decision.verdict is not None, "the engine answers every alert"
    return decision.verdict


def _is_silent(trial: Trial) -> bool:
    return trial.event.alert is not None and trial.event.alert.action in SILENT


# --- what is lifted ------------------------------------------------------------------------------------------------


def _stays(trial: Trial) -> None:
    """Without what is missing there is nothing to look at."""
    del trial


def _own_terms(trial: Trial) -> Trial | None:
    """What the bot's owner narrowed: sides, times, pauses between entries."""
    plain = BotConfig("", None, frozenset(), 1, 1, 1.0)
    names = ("sides", "windows", "cooldown_s", "debounce_s", "price_bound_pct", "contract_policy", "entries_per_minute")
    if trial.bot is None or trial.event.alert is None:
        return None
    return trial.with_bot(**{name: getattr(plain, name) for name in names})


def _remembering(trial: Trial, **changes: object) -> Trial:
    """The bot with another memory of its sender and of who stopped it."""
    state, name = trial.state, trial.event.bot
    memory = msgspec.structs.replace(state.bot(name), **changes)
    return replace(trial, state=msgspec.structs.replace(state, bots=state.bots.set(name, memory)))


def _armed(trial: Trial) -> Trial:
    return _remembering(trial, disarmed=None, paused=None, halted=None)


def _in_turn(trial: Trial) -> Trial:
    """As if its sender had never said anything."""
    return _remembering(trial, signals=Map())


def _tradable(trial: Trial) -> Trial:
    accounts = trial.state.accounts
    free = {
        key: msgspec.structs.replace(one, account=msgspec.structs.replace(one.account, can_trade=True))
        for key, one in accounts.items()
    }
    return replace(trial, state=msgspec.structs.replace(trial.state, accounts=Map(free)))


def _unlimited(trial: Trial) -> Trial:
    assert trial.event.alert is not None, "somebody asked for a size"
    alert = trial.event.alert
    free = trial.with_bot(max_position=_UNLIMITED)
    return free.with_alert(
        policy=msgspec.structs.replace(alert.policy, max_position=None),
        qty=msgspec.structs.replace(alert.qty, max=None),
    )


_Lift = Callable[[Trial], Trial | None]
_LIFTS: Mapping[str, _Lift] = {
    Reason.DUPLICATE: lambda t: replace(t, state=msgspec.structs.replace(t.state, seen=Map())),
    Reason.ID_CONFLICT: lambda t: replace(t, state=msgspec.structs.replace(t.state, seen=Map())),
    Reason.UNKNOWN_BOT: lambda t: t.with_alert(bot=None),
    Reason.NOT_RECONCILED: lambda t: t.with_accounts(reconciled_at=t.ctx.now),
    Reason.ACCOUNT_LOCKED: _tradable,
    Reason.POSITION_BRACKETS: lambda t: t.with_accounts(brackets_refused_at=None),
    Reason.SYMBOL_NOT_ALLOWED: lambda t: t.with_bot(symbols=frozenset(ROOTS)),
    Reason.DELAYED_DATA: lambda t: t.with_bot(takes_delayed_data=True),
    Reason.TOO_OLD: lambda t: t.with_alert(fired_at=t.ctx.now),
    Reason.FROM_THE_FUTURE: lambda t: t.with_alert(fired_at=t.ctx.now),
    Reason.ACCOUNT_NOT_ALLOWED: lambda t: t.with_alert(accounts=()),
    Reason.MAX_POSITION: _unlimited,
    Reason.STOPPING: lambda t: replace(t, state=msgspec.structs.replace(t.state, is_stopping=False)),
    Reason.JOURNAL_DOWN: lambda t: replace(t, ctx=replace(t.ctx, is_journal_ok=True)),
    Reason.BUDGET_LOW: lambda t: replace(t, ctx=replace(t.ctx, requests_left=None)),
    **dict.fromkeys((Reason.DISARMED, Reason.PAUSED, Reason.HALTED), _armed),
    **dict.fromkeys((Reason.GAP, Reason.OUT_OF_ORDER, Reason.SUPERSEDED), _in_turn),
    Reason.SHADOW: lambda t: replace(t, ctx=replace(t.ctx, is_shadow=False)),
    Reason.DRY_RUN: lambda t: t.with_alert(dry_run=False),
    **dict.fromkeys(
        (
            Reason.UNREADABLE, Reason.UNKNOWN_SYMBOL, Reason.NOT_SUPPORTED, Reason.BAD_SIZE, Reason.BAD_PRICE,
            Reason.SETTLING, Reason.NO_STOP,
            Reason.STOP_TOO_CLOSE, Reason.STOP_TOO_FAR, Reason.TARGET_TOO_CLOSE, Reason.WRONG_SIDE,
            Reason.REQUIRED_POSITION, Reason.ALREADY_THERE, Reason.NOTHING_TO_EXIT, Reason.NOTHING_TO_CANCEL,
        ),
        _stays,
    ),
}  # fmt: skip
