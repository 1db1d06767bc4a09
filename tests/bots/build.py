"""A bot, its contract and messages, for the tests of what an alert means."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from desk.bots import BotConfig, Meaning, Nothing, Refusal, Situation, Wanted, interpret
from desk.core.alert import (
    Action,
    Alert,
    AlertPosition,
    Distance,
    PositionSide,
    StopSpec,
    TargetSpec,
    Unit,
)
from desk.core.ids import AccountId, ContractId
from desk.core.intents import Enter, Intent
from desk.core.symbols import parse_symbol
from desk.core.words import Contract
from desk.risk import Reason

NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)
MNQ = Contract(
    contract_id=ContractId("CON.F.US.MNQ.Z26"),
    name="MNQZ6",
    description="",
    tick_size=Decimal("0.25"),
    tick_value=Decimal("0.5"),
    symbol_id="F.US.MNQ",
    is_active=True,
)
BOT = BotConfig(
    name="default",
    account_id=AccountId(1),
    symbols=frozenset({"MNQ"}),
    default_qty=1,
    max_position=5,
    max_alert_age_s=15,
)
SIDE = {0: PositionSide.FLAT, 1: PositionSide.LONG, -1: PositionSide.SHORT}


def distance(value: object, unit: Unit = Unit.POINTS) -> Distance:
    return Distance(unit=unit, value=Decimal(str(value)))


def stop_at(value: object, unit: Unit = Unit.POINTS, kind: str = "stop") -> StopSpec:
    return StopSpec(distance=distance(value, unit), kind=kind)


def target_at(value: object, unit: Unit = Unit.POINTS, **more: Any) -> TargetSpec:
    parts = {name: Decimal(str(part)) if name.startswith("qty") else part for name, part in more.items()}
    return TargetSpec(distance=distance(value, unit), **parts)


STOP = stop_at(20)
TARGET = target_at(40)


def where(
    qty: int = 0, entering: int = 0, symbol: str = "CME_MINI:MNQ1!", has_working: bool = False, **more: Any
) -> Situation:
    return Situation(MNQ, parse_symbol(symbol), qty, entering, has_working, **more)


def alert(action: Action = Action.ENTER_LONG, **more: Any) -> Alert:
    return Alert(**({"symbol": "CME_MINI:MNQ1!", "stop": STOP, "targets": (TARGET,)} | more), action=action)


def target(size: int, action: Action = Action.SET_POSITION, **more: Any) -> Alert:
    now = SIDE[(size > 0) - (size < 0)]
    return alert(action, position=AlertPosition(now=now, size=Decimal(abs(size))), **more)


def ask(message: Alert, qty: int = 0, **more: Any) -> Meaning:
    return interpret(message, BOT, where(qty, **more), NOW)


def wanted(meaning: Meaning) -> Intent:
    assert isinstance(meaning, Wanted), meaning
    return meaning.intent


def entry(meaning: Meaning) -> Enter:
    intent = wanted(meaning)
    assert isinstance(intent, Enter), intent
    return intent


def reason(meaning: Meaning) -> Reason:
    assert isinstance(meaning, Refusal | Nothing), meaning
    assert meaning.text
    return meaning.reason
