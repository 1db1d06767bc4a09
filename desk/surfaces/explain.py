"""What one alert would do, told without doing it: read, decided by the pure engine on a state that is thrown away.

Nothing is journalled, sent, subscribed to or remembered. ``explain_page`` shows an :class:`Explanation`, ``explain_rules``
finds every rule's answer, ``explain_orders`` the orders.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from desk.alerts import Reading, dedupe_key, read_body
from desk.alerts.written import written
from desk.bots import BotConfig, Situation
from desk.core.alert import Alert
from desk.core.events import AlertReceived
from desk.core.ids import CauseId, new_cause_id
from desk.core.intents import Exit, Intent
from desk.core.plans import ExitReason
from desk.core.records import Verdict
from desk.core.secret import Secret
from desk.engine import Context, State
from desk.engine.alerts import rule
from desk.engine.rulings import Asker
from desk.surfaces.explain_orders import Part, parts_of, sums_text
from desk.surfaces.explain_rules import Case, Finding, findings_of
from desk.surfaces.explain_trials import Trial, tried
from desk.surfaces.intent_words import intent_words

__all__ = ["MAX_TEXT", "Explained", "Explanation", "explained"]

MAX_TEXT = 64 * 1024  # bytes, as the public door takes them


@dataclass(frozen=True, slots=True)
class Explanation:
    """One message. dialect, canonical: None where it could not be read.

    would: the order or exit in words, None where nobody can say; it is sent only with ``sends``, else it is what would be
    sent if the rules that say no did not. contract: name of what it is about. sums: dollars at stops and targets.
    """

    bot: str
    dialect: str | None
    canonical: dict[str, Any] | None
    verdict: str
    reason: str
    text: str
    sends: bool
    would: str | None
    contract: str | None
    orders: tuple[Part, ...]
    sums: str
    rules: tuple[Finding, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Explained:
    """A whole body: one message, or several in their order, each decided after the ones before. assumed: see there."""

    at: datetime
    messages: tuple[Explanation, ...]
    assumed: tuple[str, ...] = ()  # what was taken as given without anybody knowing it


def explained(
    text: str,
    bot: BotConfig,
    state: State,
    ctx: Context,
    secrets: Collection[Secret] = (),
    assumed: tuple[str, ...] = (),
) -> Explained:
    """``text`` as the body of an alert for ``bot``, which is in ``ctx.bots``. Never raises, whatever the text is.

    secrets: what must not survive in anything that is returned.
    """
    reading = read_body(text.encode("utf-8", "replace"), secrets, lambda _: bot.dialect)
    told = []
    for index in range(max(1, len(reading.alerts))):
        trial = Trial(state, _event(reading, index, bot.name, ctx), ctx)
        message, state = _one(trial, bot)
        told.append(message)
    return Explained(ctx.now, tuple(told), assumed)


def _event(reading: Reading, index: int, bot: str, ctx: Context) -> AlertReceived:
    """As the public door makes it; its id is seen by nobody."""
    key, window_s = dedupe_key(reading, index)
    return AlertReceived(
        cause=_cause(ctx, index),
        bot=bot,
        alert=reading.alerts[index] if reading.alerts else None,
        problem=reading.problem,
        raw=reading.raw,
        body_sha256=reading.body_sha256,
        dedupe_key=key,
        dedupe_window_s=window_s,
        source="explain",
        ts=ctx.now,
    )


def _cause(ctx: Context, index: int) -> CauseId:
    return new_cause_id(ctx.now, index.to_bytes(10, "big"))


def _one(trial: Trial, bot: BotConfig) -> tuple[Explanation, State]:
    """The message, and the state that it would leave behind for the next one of its body."""
    found = tried(trial)
    verdict = found.first.verdict
    assert verdict is not None, "the engine answers every alert"
    alert = trial.event.alert
    if alert is None:
        return _unreadable(bot, verdict, findings_of(None, found)), found.first.state
    lifted = found.trial
    ruling = rule(lifted.state, lifted.event, lifted.ctx)
    intent, situation = ruling.intent, ruling.situation
    case = Case(trial, alert, bot, situation, intent)
    orders: tuple[Part, ...] = ()
    if intent is not None and situation is not None:
        asker = _asker(lifted)
        orders = parts_of(intent, situation.contract, asker, lifted.ctx, situation.avg_price)
    message = Explanation(
        bot=bot.name,
        dialect=alert.dialect,
        canonical=written(alert),
        verdict=verdict.kind.value,
        reason=verdict.reason,
        text=verdict.text,
        sends=not found.said and intent is not None,
        would=_words(intent, situation, alert),
        contract=situation.contract.name if situation is not None else None,
        orders=orders,
        sums=sums_text(orders),
        rules=findings_of(case, found),
        warnings=tuple(dict.fromkeys((*alert.warnings, *verdict.warnings, *ruling.verdict.warnings))),
    )
    return message, found.first.state


def _unreadable(bot: BotConfig, verdict: Verdict, rules: tuple[Finding, ...]) -> Explanation:
    return Explanation(
        bot=bot.name,
        dialect=None,
        canonical=None,
        verdict=verdict.kind.value,
        reason=verdict.reason,
        text=verdict.text,
        sends=False,
        would=None,
        contract=None,
        orders=(),
        sums="",
        rules=rules,
        warnings=(),
    )


def _asker(trial: Trial) -> Asker:
    bot = trial.bot
    assert bot is not None, "its meaning is known"
    assert bot.account_id is not None, "its meaning is known"
    return Asker(cause=trial.event.cause, account_id=bot.account_id, ts=trial.event.ts, reason=ExitReason.ALERT)


def _words(intent: Intent | None, situation: Situation | None, alert: Alert) -> str | None:
    if intent is None:
        return None
    contract = situation.contract if situation is not None else None
    symbol = contract.name if contract is not None else alert.symbol or "the account"
    words = intent_words(intent, contract, symbol)
    if isinstance(intent, Exit) and situation is not None:
        orders = ", its working orders are cancelled" if situation.has_working_orders else ""
        words += f"; {situation.position_qty:+d} held{orders}"
    return words
