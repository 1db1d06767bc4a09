"""In which order one sender's messages about one symbol belong (TradingView reference 7). Pure.

Messages that were sent in one moment arrive in any order, and some are lost. What tells the order: the time of firing, then
the time of the bar; within one moment the chain, for the ``prev`` pair of a message is the pair after the one before it.

A message *follows* when its ``prev`` pair is the last known one. Else one in between is missing: that is a *gap*, and after the
re-order window the bot's policy decides. A message is *late* when a newer one was carried out before it: older by time, or of
the same moment and of the chain that the gap left out. A late target is not carried out, the newer one counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

import msgspec

from desk.bots import goal_of
from desk.core.alert import Action, Alert, PositionSide
from desk.core.events import AlertReceived
from desk.core.ids import CauseId

__all__ = [
    "Gap",
    "Pair",
    "Signal",
    "Turn",
    "after",
    "before",
    "continues",
    "follow",
    "in_order",
    "is_late",
    "is_trading",
    "turn_of",
    "wanted_side",
]

FUTURE_TOLERANCE = timedelta(seconds=5)  # a time further ahead is a wrong clock, and orders nothing
UNTIMED_FOR = timedelta(seconds=10)  # how long messages without a time may belong together, as for duplicates
_SIGNS = {PositionSide.LONG: 1, PositionSide.SHORT: -1, PositionSide.FLAT: 0}
_TRADING = {
    Action.ENTER_LONG, Action.ENTER_SHORT, Action.EXIT, Action.EXIT_LONG, Action.EXIT_SHORT, Action.BUY, Action.SELL,
    Action.SET_POSITION, Action.ADD, Action.REDUCE, Action.REVERSE,
}  # fmt: skip


_WANTS = {
    Action.ENTER_LONG: PositionSide.LONG,
    Action.BUY: PositionSide.LONG,
    Action.ENTER_SHORT: PositionSide.SHORT,
    Action.SELL: PositionSide.SHORT,
    Action.EXIT: PositionSide.FLAT,
    Action.EXIT_LONG: PositionSide.FLAT,
    Action.EXIT_SHORT: PositionSide.FLAT,
}


class Pair(msgspec.Struct, frozen=True):
    """market_position and market_position_size. size None: the message gave none."""

    side: PositionSide
    size: Decimal | None = None

    def matches(self, other: Pair) -> bool:
        return self.side is other.side and (self.size == other.size or self.size is None or other.size is None)

    def __str__(self) -> str:
        return str(self.side) if self.side is PositionSide.FLAT else f"{self.side} {self.size or ''}".rstrip()


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """Messages that lead from ``start`` to ``end`` did not come. ``cause``: the message behind them."""

    start: Pair
    end: Pair
    cause: CauseId
    ts: datetime
    policy: str | None = None  # what that message says is to be done
    is_past: bool = False  # what is missing of it was sent in an earlier moment than the newest message
    is_told: bool = False  # the policy was applied and a person was told


class Signal(msgspec.Struct, frozen=True, kw_only=True):
    """The newest message of a bot about one symbol that was decided, whatever the verdict: it tells where the sender is.

    wants: the side that the newest one asked for; None: it does not say. pair, prev: of the newest that had a pair. fired_at,
    bar_time: the newest ones. only_reduces: a gap under ``reduce_only`` or ``halt_bot`` lasts until the sender is flat.
    """

    wants: PositionSide | None = None
    pair: Pair | None = None
    prev: Pair | None = None
    fired_at: datetime | None = None
    bar_time: datetime | None = None
    cause: CauseId
    ts: datetime
    gap: Gap | None = None
    only_reduces: bool = False


class Turn(StrEnum):
    FOLLOWS = "follows"
    EARLY = "early"  # waits for the one in between
    GAP = "gap"
    LATE = "late"


def is_trading(alert: Alert) -> bool:
    return alert.action in _TRADING


def wanted_side(alert: Alert) -> PositionSide | None:
    """The side that a message asks for, by its pair, else by its action."""
    return goal_of(alert) or _WANTS.get(alert.action)


def before(alert: Alert) -> Pair | None:
    position = alert.position
    if position is None or position.prev is None:
        return None
    return _pair(position.prev, position.prev_size)


def after(alert: Alert) -> Pair | None:
    side = goal_of(alert)
    return None if side is None or alert.position is None else _pair(side, alert.position.size)


def _pair(side: PositionSide, size: Decimal | None) -> Pair:
    return Pair(side, Decimal(0) if side is PositionSide.FLAT else size)


def turn_of(signal: Signal | None, event: AlertReceived, now: datetime, reorder_ms: int, held: int) -> Turn:
    """held: signed contracts at the bot's place, entries under way included. An exit of what is held never waits."""
    alert = event.alert
    if signal is None or alert is None or not is_trading(alert):
        return Turn.FOLLOWS
    if is_late(signal, event):
        return Turn.LATE
    if not _has_gap(signal, alert):
        return Turn.FOLLOWS
    is_waiting = now - event.ts < timedelta(milliseconds=reorder_ms)
    return Turn.EARLY if is_waiting and not _gets_out(alert, held) else Turn.GAP


def follow(signal: Signal | None, event: AlertReceived) -> Signal | None:
    """What is known after a message was decided. A late one only closes the gap that it belongs to; a dry run says nothing."""
    alert = event.alert
    if alert is None or alert.dry_run or not is_trading(alert):
        return signal
    if signal is None:
        signal = Signal(cause=event.cause, ts=event.ts)
    if is_late(signal, event):
        return msgspec.structs.replace(signal, gap=_narrowed(signal, event))
    fired_at, bar_time = _times(event)
    pair, prev = after(alert), before(alert)
    if pair is None:
        return msgspec.structs.replace(
            signal,
            wants=wanted_side(alert),
            fired_at=fired_at or signal.fired_at,
            bar_time=bar_time or signal.bar_time,
            ts=event.ts,
        )
    gap = None
    if prev is not None and signal.pair is not None and not prev.matches(signal.pair):
        gap = Gap(start=signal.pair, end=prev, cause=event.cause, ts=event.ts, policy=alert.policy.on_gap)
    return Signal(
        wants=pair.side,
        pair=pair,
        prev=prev,
        fired_at=fired_at or signal.fired_at,
        bar_time=bar_time or signal.bar_time,
        cause=event.cause,
        ts=event.ts,
        gap=gap,
        only_reduces=signal.only_reduces and pair.side is not PositionSide.FLAT,
    )


def is_late(signal: Signal, event: AlertReceived) -> bool:
    """A newer message was decided before this one."""
    alert = event.alert
    assert alert is not None, "an unreadable message is no signal"
    age = _compare(signal, event)
    if age:
        return age < 0
    prev, pair = before(alert), after(alert)
    if prev is None or pair is None or signal.pair is None or not _is_of_one_moment(signal, event):
        return False
    gap = None if signal.gap is None or signal.gap.is_past else signal.gap
    if gap is not None and prev.matches(gap.start) and pair.matches(gap.end):
        return True
    if prev.matches(signal.pair):
        return False
    if gap is not None and (prev.matches(gap.start) or pair.matches(gap.end)):
        return True
    return _began(signal, pair)


def _began(signal: Signal, pair: Pair) -> bool:
    """The newest message went on from there to somewhere else: what leads there came before it, in a loop that was left out."""
    return (
        signal.prev is not None
        and signal.pair is not None
        and pair.matches(signal.prev)
        and not pair.matches(signal.pair)
    )


def in_order(signal: Signal | None, events: Sequence[AlertReceived]) -> list[AlertReceived]:
    """Messages of one bot about one symbol that waited together: by time, within one moment along the chain, else as they
    came."""
    left, found = list(events), []
    while left:
        oldest = min(left, key=lambda event: _times(event)[0] or event.ts)
        here = [event for event in left if _same_moment(event, oldest)]
        heads = [event for event in here if not any(continues(event, other) for other in here if other is not event)]
        fitting = [event for event in heads or here if _fits(signal, event)]
        event = (fitting or heads or [oldest])[0]
        left.remove(event)
        found.append(event)
        signal = follow(signal, event)
    return found


def continues(event: AlertReceived, other: AlertReceived) -> bool:
    """``event`` goes on from where ``other`` leaves its sender."""
    if event.alert is None or other.alert is None:
        return False
    prev, left_at = before(event.alert), after(other.alert)
    return prev is not None and left_at is not None and prev.matches(left_at)


def _fits(signal: Signal | None, event: AlertReceived) -> bool:
    if signal is None or signal.pair is None or event.alert is None:
        return False
    prev = before(event.alert)
    return prev is not None and prev.matches(signal.pair)


def _has_gap(signal: Signal, alert: Alert) -> bool:
    prev = before(alert)
    return after(alert) is not None and prev is not None and signal.pair is not None and not prev.matches(signal.pair)


def _gets_out(alert: Alert, held: int) -> bool:
    """It closes something of what is held: the sender had that side, and has less of it now."""
    prev, pair = before(alert), after(alert)
    if pair is None or not held or (prev is not None and _SIGNS[prev.side] * held <= 0):
        return False
    if pair.side is PositionSide.FLAT:
        return True
    return _SIGNS[pair.side] * held > 0 and pair.size is not None and pair.size < abs(held)


def _narrowed(signal: Signal, event: AlertReceived) -> Gap | None:
    """The gap without the message that came late after all; a loop that was left out opens one."""
    gap, is_older = signal.gap, _compare(signal, event) < 0
    prev, pair = (None, None) if event.alert is None else (before(event.alert), after(event.alert))
    if prev is None or pair is None:
        return gap
    if gap is None:
        if is_older or signal.prev is None or prev.matches(pair) or not _began(signal, pair):
            return None
        return Gap(start=signal.prev, end=prev, cause=signal.cause, ts=signal.ts, is_told=True)
    start = pair if prev.matches(gap.start) else gap.start
    end = prev if pair.matches(gap.end) and not prev.matches(gap.start) else gap.end
    is_past = gap.is_past or (is_older and pair.matches(gap.end))
    return None if start.matches(end) else msgspec.structs.replace(gap, start=start, end=end, is_past=is_past)


def _times(event: AlertReceived) -> tuple[datetime | None, datetime | None]:
    """When it was fired and its bar's time, as far as they can be true."""
    alert = event.alert
    if alert is None:
        return None, None
    latest = event.ts + FUTURE_TOLERANCE
    fired_at = alert.fired_at if alert.fired_at is not None and alert.fired_at <= latest else None
    return fired_at, alert.bar_time if alert.bar_time is not None and alert.bar_time <= latest else None


def _compare(signal: Signal, event: AlertReceived) -> int:
    """-1 older, 1 newer, 0 nobody can say."""
    for mine, known in zip(_times(event), (signal.fired_at, signal.bar_time), strict=True):
        if mine is not None and known is not None and mine != known:
            return -1 if mine < known else 1
    return 0


def _is_of_one_moment(signal: Signal, event: AlertReceived) -> bool:
    """Sent in the same second. Without times: close together, and then an exit always counts as new."""
    fired_at, _ = _times(event)
    if fired_at is not None and signal.fired_at is not None:
        return True  # equal: the caller compared them
    is_exit = event.alert is not None and goal_of(event.alert) is PositionSide.FLAT
    return not is_exit and event.ts - signal.ts < UNTIMED_FOR


def _same_moment(event: AlertReceived, other: AlertReceived) -> bool:
    mine, theirs = _times(event)[0], _times(other)[0]
    return mine is None or theirs is None or mine == theirs
