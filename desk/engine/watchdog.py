"""How alerts stop without telling you (TradingView reference 3): what a person is warned of before and after. Pure, by timers
of the engine; each warning once.

A heartbeat that is overdue in the exchange's hours; an alert that fires so often that TradingView will stop it; two versions
of one script that talk at once; a gap that nothing filled.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from desk.bots import BotConfig
from desk.bots.steps import tighter_gap
from desk.core.events import AlertReceived
from desk.core.ids import CauseId
from desk.core.records import BotWarned
from desk.engine.bots import TRIGGERS_WITHIN, VERSIONS_WITHIN, BotState, symbol_key, trigger_key
from desk.engine.draft import Draft
from desk.engine.effects import StartTimer
from desk.engine.sequence import Gap
from desk.engine.turns import gap_facts, gap_text
from desk.market.sessions import cme_is_open

__all__ = ["WATCHDOG", "on_gap_timer", "on_watchdog", "start_watchdog", "watch_sender"]

WATCHDOG = "watchdog"
LOOKS_EVERY_S = 60.0
HEARTBEAT_GRACE_S = 60.0  # delays of a minute happen (TradingView reference 7)
TOO_OFTEN = 10  # of the 15 at which TradingView stops the alert
_SAMPLE_S = 600.0  # finer than the exchange's daily pause
_CAUSE = CauseId("watchdog")


def start_watchdog(draft: Draft) -> None:
    """Once in the life of a process; it goes on by itself."""
    draft.effects.append(StartTimer(WATCHDOG, LOOKS_EVERY_S))


def on_watchdog(draft: Draft) -> None:
    for name in sorted(draft.ctx.bots):
        bot, memory = draft.ctx.bots[name], draft.state.bot(name)
        _check_heartbeat(draft, bot, memory)
        for symbol, signal in memory.signals.items():
            gap = signal.gap
            if gap is not None and not gap.is_told and _is_over(bot, gap, draft.now):  # its timer died with the process
                _tell_gap(draft, bot, symbol, gap)
    draft.effects.append(StartTimer(WATCHDOG, LOOKS_EVERY_S))


# -- what a message shows -----------------------------------------------------------------------------------------------


def watch_sender(draft: Draft, event: AlertReceived) -> None:
    """After a message was written down."""
    bot = draft.ctx.bots.get(event.bot)
    if bot is None:
        return
    memory = draft.state.bot(event.bot)
    _check_triggers(draft, event, memory)
    _check_versions(draft, event, memory)
    if event.alert is None:
        return
    symbol = symbol_key(event.alert)
    signal = memory.signals.get(symbol)
    if signal is not None and signal.gap is not None and signal.gap.cause == event.cause and not signal.gap.is_told:
        draft.effects.append(StartTimer(f"gap:{event.bot}|{symbol}", bot.reorder_ms / 1000))


def _check_triggers(draft: Draft, event: AlertReceived, memory: BotState) -> None:
    key = trigger_key(event)
    count, last = len(memory.triggers.get(key, ())), memory.warned.get(f"triggers|{key}")
    if count < TOO_OFTEN or (last is not None and draft.now - last < TRIGGERS_WITHIN):
        return
    symbol, _, version, comment = (*key.split("|"), "", "", "")[:4]
    names = ", ".join(part for part in (symbol, version and f"version {version}", comment) if part)
    text = f"bot {event.bot}: an alert ({names or 'without a symbol'}) fired {count} times in 3 minutes"
    _warn(draft, event.bot, f"triggers|{key}", "bot.too_many_triggers",
          f"{text}. TradingView switches an alert off at 15; fire once per bar close, or split it", event.cause)  # fmt: skip


def _check_versions(draft: Draft, event: AlertReceived, memory: BotState) -> None:
    version = None if event.alert is None else event.alert.alert_version
    if version is None:
        return
    recent = [v for v, at in memory.versions.items() if v != version and event.ts - at < VERSIONS_WITHIN]
    for other in sorted(recent):
        about = f"versions|{'|'.join(sorted((version, other)))}"
        if about not in memory.warned:
            text = f"bot {event.bot}: alert_version {other} and {version} talk at once. An alert is a copy made when it was"
            _warn(draft, event.bot, about, "bot.two_versions", f"{text} saved: delete the old one", event.cause)


def _warn(draft: Draft, bot: str, about: str, kind: str, text: str, cause: CauseId) -> None:
    draft.record(BotWarned(cause=cause, bot=bot, about=about, ts=draft.now))
    draft.tell(cause, kind, text)


# -- what is missing ----------------------------------------------------------------------------------------------------


def _check_heartbeat(draft: Draft, bot: BotConfig, memory: BotState) -> None:
    """Only the exchange's open hours count, and a process that has just started gives it a whole period."""
    if bot.heartbeat_s is None or draft.state.started_at is None or not cme_is_open(draft.now):
        return
    last, told = memory.heartbeat_at, memory.warned.get("heartbeat")
    if told is not None and (last is None or told >= last):
        return
    since = draft.state.started_at if last is None else max(last, draft.state.started_at)
    if _open_s(since, draft.now) <= bot.heartbeat_s + HEARTBEAT_GRACE_S:
        return
    when = "none ever came" if last is None else f"the last one came at {last:%Y-%m-%d %H:%M:%S} UTC"
    text = (
        f"bot {bot.name}: no heartbeat for more than {bot.heartbeat_s:g} s of trading hours, {when}. Is the alert still"
    )
    _warn(draft, bot.name, "heartbeat", "bot.heartbeat_overdue", f"{text} active, and the tunnel open?", _CAUSE)


def _open_s(since: datetime, now: datetime) -> float:
    """Seconds between the two in which the exchange was open, as far as samples tell."""
    step = min(_SAMPLE_S, max(LOOKS_EVERY_S, (now - since).total_seconds() / 500))
    open_s, at = 0.0, now
    while at > since:
        part = min(step, (at - since).total_seconds())
        open_s += part if cme_is_open(at - timedelta(seconds=part / 2)) else 0.0
        at -= timedelta(seconds=part)
    return open_s


def on_gap_timer(draft: Draft, key: str) -> None:
    """An exit ran at once, and the message in between had its time to come."""
    name, _, symbol = key.removeprefix("gap:").partition("|")
    bot, signal = draft.ctx.bots.get(name), draft.state.bot(name).signals.get(symbol)
    gap = None if signal is None else signal.gap
    if bot is not None and gap is not None and not gap.is_told and _is_over(bot, gap, draft.now):
        _tell_gap(draft, bot, symbol, gap)


def _is_over(bot: BotConfig, gap: Gap, now: datetime) -> bool:
    return now - gap.ts >= timedelta(milliseconds=bot.reorder_ms)


def _tell_gap(draft: Draft, bot: BotConfig, symbol: str, gap: Gap) -> None:
    policy = tighter_gap(gap.policy, bot.on_gap)
    for fact in gap_facts(bot, symbol, gap, policy, draft.now):
        draft.record(fact)
    draft.tell(gap.cause, "signal.gap", gap_text(bot, symbol, gap, policy))
