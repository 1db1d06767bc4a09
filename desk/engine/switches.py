"""Starting and stopping a bot's entries: by a message, by a person. Its exits always run.

A message may only tighten. It pauses; its ``resume`` takes back a message's pause and nothing else. What a person paused or
disarmed, and what a gap halted, a person starts again.
"""

from __future__ import annotations

from desk.bots import BotConfig
from desk.core.alert import Action, Alert
from desk.core.events import AlertReceived, BotCommanded
from desk.core.orders import Role
from desk.core.plans import ReversePlan, TouchPlan
from desk.core.records import BotSwitched, Verdict, VerdictKind
from desk.core.switches import Switch
from desk.engine.bots import BotState
from desk.engine.draft import Context, Draft
from desk.engine.rulings import Ruling, accepted, denied, would
from desk.engine.state import State
from desk.risk import Reason

__all__ = ["SWITCHES", "decide_bot_command", "rule_switch"]

SWITCHES = {Action.PAUSE: Switch.PAUSE, Action.RESUME: Switch.RESUME}
_REASONS = {Switch.PAUSE: Reason.PAUSED, Switch.HALT: Reason.HALTED, Switch.DISARM: Reason.DISARMED}
_WORDS = {Switch.PAUSE: "paused", Switch.HALT: "halted", Switch.DISARM: "disarmed"}
_FREES = {
    Switch.RESUME: (Switch.PAUSE, Switch.HALT),
    Switch.ARM: (Switch.PAUSE, Switch.HALT, Switch.DISARM),
}


def rule_switch(state: State, event: AlertReceived, alert: Alert, bot: BotConfig, ctx: Context) -> Ruling:
    """A message ``pause`` or ``resume``."""
    switch, memory = SWITCHES[alert.action], state.bot(bot.name)
    stopped = memory.stopped_by
    if switch is Switch.PAUSE:
        if memory.paused is not None:
            return _nothing(f"bot {bot.name} is paused already, by {memory.paused.by}", alert)
        text = f"bot {bot.name} is paused: its entries are denied, its exits run, until resume"
    elif stopped is None:
        return _nothing(f"bot {bot.name} is not paused", alert)
    elif memory.paused is None or memory.paused.by != "message":
        by, command = stopped[1].by, "arm" if stopped[0] is Switch.DISARM else "resume"
        text = f"bot {bot.name} is {_WORDS[stopped[0]]} by {by}; a message cannot start it, the console's {command} can"
        return denied(_REASONS[stopped[0]], text, alert.warnings)
    else:
        others = [name for name in (Switch.DISARM, Switch.HALT) if _stop_of(memory, name) is not None]
        still = f", and stays {' and '.join(_WORDS[name] for name in others)}" if others else ""
        text = f"bot {bot.name} is not paused any more{still}"
    if alert.dry_run:
        return would(f"would be: {text}", ctx)
    why = alert.comment or f"action {alert.action}"
    fact = BotSwitched(cause=event.cause, bot=bot.name, switch=switch, by="message", why=why, ts=ctx.now)
    return Ruling(accepted(text, warnings=alert.warnings), facts=(fact,))


def _nothing(text: str, alert: Alert) -> Ruling:
    verdict = Verdict(kind=VerdictKind.IGNORED, reason=Reason.ALREADY_THERE, text=text, warnings=alert.warnings)
    return Ruling(verdict)


def _stop_of(memory: BotState, switch: Switch) -> object | None:
    return {Switch.PAUSE: memory.paused, Switch.HALT: memory.halted, Switch.DISARM: memory.disarmed}.get(switch)


def decide_bot_command(draft: Draft, event: BotCommanded) -> Verdict:
    """A person's arm, disarm, pause or resume; journalled where it changes something."""
    if event.bot not in draft.ctx.bots:
        known = ", ".join(sorted(draft.ctx.bots)) or "none"
        return denied(Reason.UNKNOWN_BOT, f"no bot named {event.bot} is configured; there are: {known}").verdict
    memory, switch = draft.state.bot(event.bot), event.switch
    text = _told(event.bot, memory, switch)
    if text is not None and switch not in _FREES:
        text += _what_stays(draft, event.bot)
    if text is None:
        is_free = switch in _FREES
        word = "may enter already" if is_free and memory.stopped_by is None else "is so already"
        if switch is Switch.RESUME and memory.disarmed is not None:
            return denied(Reason.DISARMED, f"bot {event.bot} is disarmed: arm {event.bot} starts it").verdict
        return Verdict(kind=VerdictKind.IGNORED, reason=Reason.ALREADY_THERE, text=f"bot {event.bot} {word}")
    why = f"{switch} by a person"
    draft.record(BotSwitched(cause=event.cause, bot=event.bot, switch=switch, by=event.by, why=why, ts=draft.now))
    return accepted(text)


def _what_stays(draft: Draft, name: str) -> str:
    """Stopping is about what comes; a person should know of what was taken before."""
    account_id, state = draft.ctx.bots[name].account_id, draft.state
    orders = [o for o in state.orders.values() if o.role is Role.ENTRY and state.is_under_way(o)]
    plans = [plan for plan in state.plans.values() if isinstance(plan, TouchPlan | ReversePlan)]
    count = sum(1 for one in (*orders, *plans) if one.account_id == account_id)
    return (
        f". {count} entries in its account are under way, rest or wait, and stay: cancel_all ends them" if count else ""
    )


def _told(name: str, memory: BotState, switch: Switch) -> str | None:
    """What is so afterwards; None: it is so already. A person's pause takes the place of a message's."""
    if switch in _FREES:
        ended = [_WORDS[one] for one in _FREES[switch] if _stop_of(memory, one) is not None]
        ended += [f"only reducing in {symbol}" for symbol in memory.only_reduces]
        if not ended:
            return None
        still = "; it stays disarmed" if switch is Switch.RESUME and memory.disarmed is not None else ""
        return f"bot {name} is not {' and not '.join(ended)} any more{still}"
    was = memory.paused if switch is Switch.PAUSE else memory.disarmed
    if was is not None and was.by != "message":
        return None
    return f"bot {name} is {_WORDS[switch]}: its entries are denied, its exits run"
