"""Every rule that stands between an alert and its order, with the engine's own answer to each. Pure.

Nothing here decides: the noes are the engine's (``explain_trials``), and the numbers beside them are read from the message,
the bot and the clock. What the engine could not reach behind a no that cannot be lifted is unknown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from desk.bots import BotConfig, Situation, may_open
from desk.core.alert import Alert
from desk.core.intents import Intent
from desk.core.records import Verdict, VerdictKind
from desk.risk import Reason
from desk.surfaces.explain_trials import SILENT, Trial, Tried
from desk.surfaces.explain_words import settings_of, windows_text
from desk.surfaces.intent_words import entries_of
from desk.surfaces.show import age_text

__all__ = ["OTHER", "RULES", "Answer", "Case", "Finding", "findings_of"]


class Answer(StrEnum):
    """``not_asked``: the rule does not bind such a message."""

    PASS = "pass"  # noqa: S105 - not a password
    FAIL = "fail"
    UNKNOWN = "unknown"
    NOT_ASKED = "not_asked"


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule's answer. reason: the engine's code where it said no, else empty."""

    rule: str
    answer: Answer
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class Case:
    """What the numbers beside the answers are read from. situation, intent: None where nobody can say."""

    trial: Trial  # as it is, before anything was lifted
    alert: Alert
    bot: BotConfig
    situation: Situation | None
    intent: Intent | None

    @property
    def is_entry(self) -> bool:
        return bool(entries_of(self.intent)) if self.intent is not None else may_open(self.alert)


_Fact = Callable[[Case], tuple[Answer, str]]


@dataclass(frozen=True, slots=True)
class Rule:
    """reasons: the engine's codes that mean a no of this rule. fact: its answer and numbers where the engine said none.

    is_sure: the fact holds even where the engine did not get as far. is_for_entries: other messages are not asked.
    """

    name: str
    reasons: frozenset[Reason]
    fact: _Fact
    is_sure: bool = False
    is_for_entries: bool = False


def _age(case: Case) -> tuple[Answer, str]:
    """Entries only: an exit is never too late (docs/alerts.md, fired_at)."""
    fired_at, asked = case.alert.fired_at, case.alert.policy.max_age_s
    most_s = case.bot.max_alert_age_s if asked is None else min(case.bot.max_alert_age_s, float(asked))
    if fired_at is None:
        return Answer.UNKNOWN, 'no fired_at, so its age is not checked; send "fired_at":"{{timenow}}"'
    age = case.trial.ctx.now - fired_at
    text = f"{age_text(age / timedelta(milliseconds=1))} old, at most {most_s:g} s"
    return (Answer.PASS if age.total_seconds() <= most_s else Answer.FAIL), text


def _symbol(case: Case) -> tuple[Answer, str]:
    if case.alert.symbol is None:
        return Answer.NOT_ASKED, "it names no symbol"
    if case.situation is None:
        return Answer.UNKNOWN, "the contract is not known"
    contract = case.situation.contract
    tick = f"a tick of {contract.tick_size.normalize():f} is {contract.tick_value.normalize():f} $"
    return Answer.PASS, f"{case.alert.symbol} is {contract.name}; {tick}"


def _delayed(case: Case) -> tuple[Answer, str]:
    if case.situation is None:
        return Answer.UNKNOWN, "the symbol is not known"
    if not case.situation.symbol.delayed:
        return Answer.PASS, "real-time symbol"
    if case.bot.takes_delayed_data:
        return Answer.PASS, "delayed data, taken in paper mode and refused in live"
    return Answer.FAIL, f"{case.alert.symbol} is delayed data"


def _position(case: Case) -> tuple[Answer, str]:
    if case.situation is None:
        return Answer.NOT_ASKED, "it is about no single contract"
    here = case.situation
    held = f"{here.position_qty:+d} held" if here.position_qty else "flat"
    return Answer.PASS, held + (f", entries of {here.entering_qty:+d} under way" if here.entering_qty else "")


def _size(case: Case) -> tuple[Answer, str]:
    asked = " or ".join(dict.fromkeys(str(entry.qty) for entry in entries_of(case.intent))) if case.intent else ""
    ceiling = f"the ceiling of {case.bot.name} is {case.bot.max_position}"
    return Answer.PASS, f"{asked} contracts, {ceiling}" if asked else ceiling


def _stop(case: Case) -> tuple[Answer, str]:
    stop = case.alert.stop
    return Answer.PASS, "there" if stop is None else f"{stop.distance.value:f} {stop.distance.unit.value}"


def _sides(case: Case) -> tuple[Answer, str]:
    return Answer.PASS, " and ".join(sorted(side.value for side in case.bot.sides))


def _passed(text: str) -> _Fact:
    return lambda case: (Answer.PASS, text)


def _reasons(*reasons: Reason) -> frozenset[Reason]:
    return frozenset(reasons)


# In the order in which a person asks; the engine's own order shows in what it could not reach.
RULES: tuple[Rule, ...] = (
    Rule(
        "readable",
        _reasons(Reason.UNREADABLE),
        lambda case: (Answer.PASS, "plain text" if case.alert.is_text else f"{case.alert.dialect} form"),
        is_sure=True,
    ),
    Rule("bot", _reasons(Reason.UNKNOWN_BOT), lambda case: (Answer.PASS, settings_of(case.bot)), is_sure=True),
    Rule("not seen before", _reasons(Reason.DUPLICATE, Reason.ID_CONFLICT), _passed("neither text nor id"), is_sure=True),
    Rule("symbol", _reasons(Reason.UNKNOWN_SYMBOL, Reason.CONTRACT_MISMATCH, Reason.CONTRACT_INACTIVE), _symbol, is_sure=True),
    Rule(
        "symbol allowed",
        _reasons(Reason.SYMBOL_NOT_ALLOWED),
        lambda case: (Answer.PASS, ", ".join(sorted(case.bot.symbols))),
        is_for_entries=True,
    ),
    Rule("real-time data", _reasons(Reason.DELAYED_DATA), _delayed, is_sure=True, is_for_entries=True),
    Rule("age", _reasons(Reason.TOO_OLD, Reason.FROM_THE_FUTURE), _age, is_sure=True, is_for_entries=True),
    Rule("side", _reasons(Reason.AMBIGUOUS_SIDE), _sides, is_for_entries=True),
    Rule(
        "trading hours",
        _reasons(),
        lambda case: (Answer.PASS, windows_text(case.bot.windows)),
        is_for_entries=True,
    ),
    Rule(
        "account",
        _reasons(Reason.NOT_RECONCILED, Reason.ACCOUNT_UNKNOWN, Reason.ACCOUNT_LOCKED, Reason.ACCOUNT_NOT_ALLOWED),
        _passed("agrees with the gateway, may trade"),
    ),
    Rule("supported", _reasons(Reason.NOT_SUPPORTED), _passed("all that it asks for can be done")),
    Rule(
        "position",
        _reasons(
            Reason.REQUIRED_POSITION, Reason.OPPOSITE_POSITION, Reason.OPPOSITE_ENTRY, Reason.ALREADY_THERE,
            Reason.NOTHING_TO_EXIT, Reason.NOTHING_TO_CANCEL, Reason.NO_POSITION, Reason.NO_LEG, Reason.NO_SUCH_ORDER,
            Reason.NOT_OURS, Reason.PROTECTS, Reason.ADDS_RISK, Reason.ENTRY_IN_FLIGHT, Reason.EXIT_RUNNING,
            Reason.ORPHAN_ORDERS, Reason.UNPROTECTED,
        ),
        _position,
    ),
    Rule("size", _reasons(Reason.BAD_SIZE, Reason.MAX_POSITION), _size, is_for_entries=True),
    Rule("prices", _reasons(Reason.BAD_PRICE, Reason.WRONG_SIDE, Reason.NO_QUOTE), _passed("on their sides of the market")),
    Rule(
        "stop",
        _reasons(Reason.NO_STOP, Reason.STOP_TOO_CLOSE, Reason.STOP_TOO_FAR, Reason.TARGET_TOO_CLOSE),
        _stop,
        is_for_entries=True,
    ),
    Rule(
        "desk",
        _reasons(Reason.STOPPING, Reason.JOURNAL_DOWN, Reason.BUDGET_LOW, Reason.POSITION_BRACKETS),
        _passed("the journal can be written, requests are left"),
        is_for_entries=True,
    ),
    Rule("sent for real", _reasons(Reason.SHADOW, Reason.DRY_RUN), _passed("orders go out")),
)  # fmt: skip
OTHER = "the bot's terms"
_NAMED = frozenset(reason for rule in RULES for reason in rule.reasons)


def findings_of(case: Case | None, found: Tried) -> tuple[Finding, ...]:
    """All rules in their order. case: None for a message that cannot be read or whose bot does not exist."""
    findings = [_finding(rule, case, found) for rule in RULES]
    others = [verdict for verdict in found.said if verdict.reason not in _NAMED]
    return (*findings, *(_no(OTHER, verdict) for verdict in others))


def _finding(rule: Rule, case: Case | None, found: Tried) -> Finding:
    for verdict in found.said:
        if verdict.reason in rule.reasons:
            return _no(rule.name, verdict)
    if case is None:
        return Finding(rule.name, Answer.UNKNOWN, "", "not reached")
    is_silent = case.alert.action in SILENT
    if is_silent and not (rule.is_sure and not rule.is_for_entries):
        return Finding(rule.name, Answer.NOT_ASKED, "", "it asks for no order")
    if rule.is_for_entries and not case.is_entry:
        return Finding(rule.name, Answer.NOT_ASKED, "", "asked of entries only")
    if found.is_stuck and not rule.is_sure:
        return Finding(rule.name, Answer.UNKNOWN, "", "not reached")
    return Finding(rule.name, *_with_reason(rule.fact(case)))


def _with_reason(fact: tuple[Answer, str]) -> tuple[Answer, str, str]:
    return fact[0], "", fact[1]


def _no(name: str, verdict: Verdict) -> Finding:
    """What is held is not refused: nobody knows yet."""
    answer = Answer.UNKNOWN if verdict.kind is VerdictKind.HELD else Answer.FAIL
    return Finding(name, answer, verdict.reason, verdict.text)
