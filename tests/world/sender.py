"""Whoever sends alerts: entries, exits, repeats, late ones, notes, nonsense. It sends again what nobody answered."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from desk.core.alert import Action, Alert, AlertOrder, AlertPosition, Distance, PositionSide, StopSpec, TargetSpec, Unit
from desk.core.events import AlertReceived
from desk.core.ids import CauseId

SYMBOLS = {"alpha": ("CME_MINI:MNQ1!", "CME_MINI:MES1!"), "beta": ("CME_MINI:MNQ1!",)}
_WEIGHTS = {
    "long": 22,
    "short": 22,
    "goal": 8,
    "trailing": 0,  # for whoever wants entries that wait for a quote
    "exit": 20,
    "exit side": 4,
    "repeat": 7,
    "late entry": 4,
    "late exit": 2,
    "note": 4,
    "unreadable": 2,
    "no stop": 2,
    "no symbol": 1,
    "flatten": 2,
    "flatten all": 1,
}
_WINDOW_S = 120


class Sender:
    """Makes the next message, by seeded dice."""

    def __init__(self, dice: random.Random, new_cause: Callable[[], CauseId]) -> None:
        self._dice = dice
        self._new_cause = new_cause
        self._last: AlertReceived | None = None
        self._number = 0

    def next(self, now: datetime) -> AlertReceived:
        kind = self._dice.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
        if kind == "repeat" and self._last is not None and now - self._last.ts < timedelta(seconds=90):
            return self.again(self._last, now)
        bot = self._dice.choice(list(SYMBOLS))
        self._number += 1
        with_id = self._dice.random() < 0.3
        event = AlertReceived(
            cause=self._new_cause(),
            bot=bot,
            alert=None if kind == "unreadable" else self._alert(kind, self._dice.choice(SYMBOLS[bot]), now),
            problem="not JSON" if kind == "unreadable" else None,
            raw="",
            body_sha256=f"body-{self._number}",
            dedupe_key=f"{'id' if with_id else 'body'}-{self._number}",
            dedupe_window_s=None if with_id else _WINDOW_S,
            source="127.0.0.1",
            ts=now,
        )
        self._last = event
        return event

    def again(self, event: AlertReceived, now: datetime) -> AlertReceived:
        """The same message once more: another request, so another id of ours."""
        return AlertReceived(
            cause=self._new_cause(),
            bot=event.bot,
            alert=event.alert,
            problem=event.problem,
            raw=event.raw,
            body_sha256=event.body_sha256,
            dedupe_key=event.dedupe_key,
            dedupe_window_s=event.dedupe_window_s,
            source=event.source,
            ts=now,
        )

    def _alert(self, kind: str, symbol: str, now: datetime) -> Alert:
        fired_at = now - timedelta(seconds=self._dice.uniform(60, 600)) if kind.startswith("late") else now
        side = self._dice.choice(["long", "short"])
        match kind:
            case "note":
                return Alert(action=Action.NOTE, comment="hello", fired_at=fired_at)
            case "flatten" | "flatten all":
                return Alert(action=Action(kind.replace(" ", "_")), symbol=symbol, fired_at=fired_at)
            case "exit" | "late exit":
                return Alert(action=Action.EXIT, symbol=symbol, fired_at=fired_at)
            case "exit side":
                return Alert(action=Action(f"exit_{side}"), symbol=symbol, fired_at=fired_at)
            case "no symbol":
                return Alert(action=Action.EXIT, symbol="NYSE:F", fired_at=fired_at)
            case "no stop":
                return Alert(action=Action.ENTER_LONG, symbol=symbol, fired_at=fired_at)
            case "trailing":
                return msgspec.structs.replace(self._entry(side, symbol, fired_at, None), order=self._trailing())
            case _:
                side = kind if kind in {"long", "short"} else side
                goal = AlertPosition(now=PositionSide(side), size=Decimal(self._dice.choice([1, 2])))
                return self._entry(side, symbol, fired_at, goal if kind == "goal" else None)

    def _trailing(self) -> AlertOrder:
        """It needs a quote: while nobody shows a price it waits, and is denied."""
        ticks, rests_s = self._dice.choice([4, 12, 40]), self._dice.choice([60, 900])
        return AlertOrder(type="trailing_stop", trail_ticks=Decimal(ticks), expire_s=Decimal(rests_s))

    def _entry(self, side: str, symbol: str, fired_at: datetime, goal: AlertPosition | None) -> Alert:
        stop, target = self._dice.choice([(12, 18), (20, 30), (30, 12), (16, None), (60, 90)])
        return Alert(
            action=Action.SET_POSITION if goal is not None else Action(f"enter_{side}"),
            symbol=symbol,
            fired_at=fired_at,
            position=goal,
            stop=StopSpec(distance=Distance(unit=Unit.TICKS, value=Decimal(stop))),
            targets=() if target is None else (TargetSpec(distance=Distance(unit=Unit.TICKS, value=Decimal(target))),),
        )
