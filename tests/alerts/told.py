"""One text message as a bot reads it, for the tests of the text dialects."""

from __future__ import annotations

from decimal import Decimal

from desk.alerts import read_body
from desk.bots import Meaning, interpret
from desk.core.alert import Alert, PositionSide
from tests.bots.build import BOT, NOW, where

LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
PLACE = "command=PLACE;instrument=MNQ1!;action=BUY;qty=2;order_type=MARKET;tif=DAY"
ATM = f"{PLACE};atm_targets=40,80;atm_stops=60"


def read_all(text: str) -> tuple[Alert, ...]:
    reading = read_body(text.encode())
    assert reading.problem is None, reading.problem
    return reading.alerts


def read(text: str) -> Alert:
    (alert,) = read_all(text)
    return alert


def problem(text: str) -> str:
    reading = read_body(text.encode())
    assert reading.alerts == (), reading.alerts
    assert reading.problem is not None
    return reading.problem


def meaning(alert: Alert, held: int = 0) -> Meaning:
    return interpret(alert, BOT, None if alert.symbol is None else where(held, avg_price=Decimal(21000)), NOW)
