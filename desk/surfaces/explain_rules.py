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
from desk.bots.windows import is_open
from desk.core.alert import Action, Alert
from desk.core.intents import Intent
from desk.core.records import Verdict, VerdictKind
from desk.risk import Reason
from desk.surfaces.bot_life import life_of
from desk.surfaces.explain_trials import SILENT, Trial, Tried
from desk.surfaces.explain_words import settings_of, windows_text
from desk.surfaces.intent_words import entries_of
from desk.surfaces.show import age_text, money_text

__all__ = ["NOT_REACHED", "OTHER", "RULES", "Answer", "Case", "Finding", "findings_of"]

NOT_REACHED = "not reached"
MOVES = frozenset({Action.MOVE_STOP, Action.MOVE_TARGET, Action.BREAKEVEN, Action.TRAIL_ON})


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

    is_sure: the fact holds even where the engine did not get as far. is_early: so it does where the engine stopped at sizes,
    prices or what follows them. only: which messages are asked, and what is said of the others; None: all.
    """

    name: str
    reasons: frozenset[Reason]
    fact: _Fact
    is_sure: bool = False
    is_early: bool = False
    only: tuple[Callable[[Case], bool], str] | None = None


def _readable(case: Case) -> tuple[Answer, str]:
    if case.alert.is_text:
        return Answer.PASS, "plain text"
    return Answer.PASS, "our own form" if case.alert.dialect == "desk" else f"the form of {case.alert.dialect}"


def _armed(case: Case) -> tuple[Answer, str]:
    life = life_of(case.trial.state, case.bot)
    return (Answer.PASS if life.what == "armed" else Answer.FAIL), life.text


def _hours(case: Case) -> tuple[Answer, str]:
    """As the engine's gate asks it; a zone that nobody knows is its to tell."""
    text = windows_text(case.bot.windows)
    try:
        return (Answer.PASS if is_open(case.bot.windows, case.trial.ctx.now) else Answer.FAIL), text
    except (KeyError, ValueError):
        return Answer.UNKNOWN, text


def _symbol(case: Case) -> tuple[Answer, str]:
    if case.alert.symbol is None:
        return Answer.NOT_ASKED, "it names no symbol"
    if case.situation is None:
        return Answer.UNKNOWN, "the contract is not known"
    contract = case.situation.contract
    tick = f"a tick of {contract.tick_size.normalize():f} is {money_text(contract.tick_value)} $"
    if case.situation.not_listed is not None:
        return (
            Answer.PASS,
            f"{case.alert.symbol} is not listed: nothing is opened, and what is held of {contract.name} may go",
        )
    return Answer.PASS, f"{case.alert.symbol} is {contract.name}; {tick}"


def _is_allowed(case: Case) -> tuple[Answer, str]:
    allowed = ", ".join(sorted(case.bot.symbols))
    if case.situation is None:
        return Answer.UNKNOWN, f"allowed are {allowed}"
    root = case.situation.symbol.root
    if root in case.bot.symbols:
        return Answer.PASS, f"{root} is one of {allowed}"
    return Answer.FAIL, f"{root} is none of {allowed}"


def _delayed(case: Case) -> tuple[Answer, str]:
    if case.situation is None:
        return Answer.UNKNOWN, "the symbol is not known"
    if not case.situation.symbol.delayed:
        return Answer.PASS, "nothing says that the chart's data are delayed"
    if case.bot.takes_delayed_data:
        return Answer.PASS, "delayed data, taken in paper mode and refused in live"
    return Answer.FAIL, f"{case.alert.symbol} is delayed data"


def _age(case: Case) -> tuple[Answer, str]:
    """Entries only: an exit is never too late (docs/alerts.md, fired_at)."""
    fired_at, asked = case.alert.fired_at, case.alert.policy.max_age_s
    most_s = case.bot.max_alert_age_s if asked is None else min(case.bot.max_alert_age_s, float(asked))
    if fired_at is None:
        hint = '; send "fired_at":"{{timenow}}"' if case.alert.dialect == "desk" else ""
        return Answer.UNKNOWN, f"it does not say when it was fired, so its age is not checked{hint}"
    age = case.trial.ctx.now - fired_at
    text = f"{age_text(age / timedelta(milliseconds=1))} old, at most {most_s:g} s"
    return (Answer.PASS if age.total_seconds() <= most_s else Answer.FAIL), text


def _sides(case: Case) -> tuple[Answer, str]:
    return Answer.PASS, f"{' and '.join(sorted(side.value for side in case.bot.sides))} may be opened"


def _account(case: Case) -> tuple[Answer, str]:
    account_id, state = case.bot.account_id, case.trial.state
    known = state.accounts.get(account_id) if account_id is not None else None
    if known is None:
        return Answer.UNKNOWN, "the gateway did not list it yet"
    if not known.is_reconciled:
        return Answer.UNKNOWN, f"{known.account.name} is not compared with the gateway yet"
    if not known.account.can_trade:
        return Answer.FAIL, f"the gateway says that {known.account.name} may not trade"
    return Answer.PASS, f"{known.account.name} agrees with the gateway and may trade"


def _position(case: Case) -> tuple[Answer, str]:
    if case.situation is None:
        return Answer.NOT_ASKED, "it is about no single contract"
    here = case.situation
    held = f"{here.position_qty:+d} held" if here.position_qty else "flat"
    return Answer.PASS, held + (f", entries of {here.entering_qty:+d} under way" if here.entering_qty else "")


def _size(case: Case) -> tuple[Answer, str]:
    asked = " or ".join(dict.fromkeys(str(entry.qty) for entry in entries_of(case.intent))) if case.intent else ""
    ceiling = f"a position of {case.bot.max_position} is the most"
    return Answer.PASS, f"{asked} to be opened; {ceiling}" if asked else ceiling


def _stop(case: Case) -> tuple[Answer, str]:
    ticks = {entry.stop_ticks for entry in entries_of(case.intent) if entry.stop_ticks} if case.intent else set()
    return Answer.PASS, " or ".join(f"{n} ticks" for n in sorted(ticks)) or "at its price"


def _is_sent(case: Case) -> tuple[Answer, str]:
    if case.trial.ctx.is_shadow:
        return Answer.FAIL, "live is shadow for now: decided and written down, nothing is sent"
    if case.alert.dry_run:
        return Answer.FAIL, "dry_run: decided and written down, nothing is sent"
    return Answer.PASS, "orders go out"


def _passed(text: str) -> _Fact:
    return lambda case: (Answer.PASS, text)


_ENTRIES = (lambda case: case.is_entry, "asked of entries only")
_PRICED = (lambda case: case.is_entry or case.alert.action in MOVES, "it has no price")
_SEQUENCE = frozenset({Reason.GAP, Reason.OUT_OF_ORDER, Reason.SUPERSEDED, Reason.SETTLING})
_PACE = frozenset({Reason.COOLDOWN, Reason.DEBOUNCED, Reason.TOO_MANY_ENTRIES})
_SIZES = frozenset({Reason.BAD_SIZE, Reason.MAX_POSITION})
_PRICES = frozenset({Reason.BAD_PRICE, Reason.WRONG_SIDE, Reason.NO_QUOTE, Reason.NO_ATR, Reason.PRICE_BOUND})
_STOPS = frozenset({Reason.NO_STOP, Reason.STOP_TOO_CLOSE, Reason.STOP_TOO_FAR, Reason.TARGET_TOO_CLOSE})
_DESK = frozenset({Reason.STOPPING, Reason.JOURNAL_DOWN, Reason.BUDGET_LOW, Reason.POSITION_BRACKETS})
_LATE = _SIZES | _PRICES | _STOPS | _DESK

# In the order in which a person asks; the engine's own order shows in what it could not reach.
RULES: tuple[Rule, ...] = (
    Rule(
        "readable",
        frozenset({Reason.UNREADABLE}),
        _readable,
        is_sure=True,
    ),
    Rule(
        "bot",
        frozenset({Reason.UNKNOWN_BOT}),
        lambda case: (Answer.PASS, settings_of(case.bot)),
        is_sure=True,
    ),
    Rule(
        "armed",
        frozenset({Reason.DISARMED, Reason.PAUSED, Reason.HALTED}),
        _armed,
        is_sure=True,
        only=_ENTRIES,
    ),
    Rule(
        "not seen before",
        frozenset({Reason.DUPLICATE, Reason.ID_CONFLICT}),
        lambda case: (Answer.PASS, "its id is new" if case.alert.sender_id else "no id; its text is new"),
        is_sure=True,
    ),
    Rule(
        "symbol",
        frozenset({Reason.UNKNOWN_SYMBOL, Reason.CONTRACT_MISMATCH, Reason.CONTRACT_INACTIVE}),
        _symbol,
        is_sure=True,
    ),
    Rule("symbol allowed", frozenset({Reason.SYMBOL_NOT_ALLOWED}), _is_allowed, is_sure=True, only=_ENTRIES),
    Rule("real-time data", frozenset({Reason.DELAYED_DATA}), _delayed, is_sure=True, only=_ENTRIES),
    Rule("age", frozenset({Reason.TOO_OLD, Reason.FROM_THE_FUTURE}), _age, is_sure=True, only=_ENTRIES),
    Rule("side", frozenset({Reason.AMBIGUOUS_SIDE, Reason.SIDE_NOT_ALLOWED}), _sides, is_early=True, only=_ENTRIES),
    Rule(
        "trading hours",
        frozenset({Reason.OUTSIDE_WINDOW}),
        _hours,
        is_sure=True,
        only=_ENTRIES,
    ),
    Rule("in order", _SEQUENCE, _passed("no message of its sender is missing")),
    Rule("pace", _PACE, _passed("far enough from the last entry"), only=_ENTRIES),
    Rule(
        "account",
        frozenset({Reason.NOT_RECONCILED, Reason.ACCOUNT_UNKNOWN, Reason.ACCOUNT_LOCKED, Reason.ACCOUNT_NOT_ALLOWED}),
        _account,
        is_sure=True,
    ),
    Rule(
        "supported",
        frozenset({Reason.NOT_SUPPORTED}),
        _passed("all that it asks for can be done"),
        is_early=True,
    ),
    Rule(
        "position",
        frozenset(
            {
                Reason.REQUIRED_POSITION, Reason.OPPOSITE_POSITION, Reason.OPPOSITE_ENTRY, Reason.ALREADY_THERE,
                Reason.NOTHING_TO_EXIT, Reason.NOTHING_TO_CANCEL, Reason.NO_POSITION, Reason.NO_LEG, Reason.NO_SUCH_ORDER,
                Reason.NOT_OURS, Reason.PROTECTS, Reason.ADDS_RISK, Reason.ENTRY_IN_FLIGHT, Reason.EXIT_RUNNING,
                Reason.ORPHAN_ORDERS, Reason.UNPROTECTED,
            }
        ),
        _position,
        is_early=True,
    ),
    Rule("size", _SIZES, _size, only=_ENTRIES),
    Rule("prices", _PRICES, _passed("on their sides of the market"), only=_PRICED),
    Rule("stop", _STOPS, _stop, only=_ENTRIES),
    Rule("desk", _DESK, _passed("the journal can be written, requests are left"), only=_ENTRIES),
    Rule("sent for real", frozenset({Reason.SHADOW, Reason.DRY_RUN}), _is_sent, is_sure=True),
)  # fmt: skip
OTHER = "the bot's terms"
_NAMED = frozenset(reason for rule in RULES for reason in rule.reasons)


def findings_of(case: Case | None, found: Tried) -> tuple[Finding, ...]:
    """All rules in their order. case: None for a message that cannot be read."""
    findings = [_finding(rule, case, found) for rule in RULES]
    others = [verdict for verdict in found.said if verdict.reason not in _NAMED]
    return (*findings, *(_no(OTHER, verdict) for verdict in others))


def _finding(rule: Rule, case: Case | None, found: Tried) -> Finding:
    for verdict in found.said:
        if verdict.reason in rule.reasons:
            return _no(rule.name, verdict)
    if case is None:
        return Finding(rule.name, Answer.UNKNOWN, "", NOT_REACHED)
    if case.alert.action in SILENT and rule.name not in {"readable", "bot", "not seen before"}:
        return Finding(rule.name, Answer.NOT_ASKED, "", "it asks for no order")
    if rule.only is not None and not rule.only[0](case):
        return Finding(rule.name, Answer.NOT_ASKED, "", rule.only[1])
    is_reached = not found.is_stuck or rule.is_sure or (rule.is_early and found.said[-1].reason in _LATE)
    answer, text = rule.fact(case) if is_reached else (Answer.UNKNOWN, NOT_REACHED)
    return Finding(rule.name, answer, "", text)


def _no(name: str, verdict: Verdict) -> Finding:
    """What is held is not refused: nobody knows yet."""
    answer = Answer.UNKNOWN if verdict.kind is VerdictKind.HELD else Answer.FAIL
    return Finding(name, answer, verdict.reason, verdict.text)
