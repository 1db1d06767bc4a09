"""In which order one sender's messages about one symbol belong (TradingView reference 7). Pure.

Messages that were sent in one moment arrive in any order, and some are lost. What tells the order: the time of firing, then
the time of the bar; within one moment the chain, for the ``prev`` pair of a message is the pair after the one before it.

A message *follows* when its ``prev`` pair is the last known one. Else one in between is missing: that is a *gap*, and after the
re-order window the bot's policy decides. A message is *late* when a newer one was carried out before it: older by time, or of
the same moment and of the chain that the gap left out. A late target is not carried out, the newer one counts.

Once the pairs of one moment form a whole chain from where the sender stood before it, its end is where the sender stands, in
whatever order they came. Where that is neither what was carried out last nor what the message itself wants, the order is
*unclear*: the same messages would have come if one more had been lost. Nobody can know then, so the bot gets out and tells. So
it is with a message that comes after the window and fits only in front of all that is known of a sender: it may be the newest.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from itertools import islice

import msgspec

from desk.bots import goal_of
from desk.core.alert import Action, Alert, PositionSide
from desk.core.events import AlertReceived
from desk.core.ids import CauseId
from desk.engine.walk import Pair, Steps, end_of

__all__ = [
    "Gap",
    "Signal",
    "Turn",
    "after",
    "before",
    "chain_end",
    "continues",
    "follow",
    "gets_out",
    "in_order",
    "is_late",
    "is_trading",
    "same_moment",
    "turn_of",
    "wanted_side",
]

FUTURE_TOLERANCE = timedelta(seconds=5)  # a time further ahead is a wrong clock, and orders nothing
MOST_STEPS = 16  # messages of one moment; of more nobody asks for their order
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
    steps: every message of the newest moment, from where to where, as they came; base: where the sender stood before it,
    by the message of base_at.
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
    base: Pair | None = None
    base_at: datetime | None = None
    steps: Steps = ()


class Turn(StrEnum):
    FOLLOWS = "follows"
    EARLY = "early"  # waits for the one in between
    GAP = "gap"
    LATE = "late"
    UNCLEAR = "unclear"


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


def turn_of(
    signal: Signal | None,
    event: AlertReceived,
    now: datetime,
    reorder_ms: int,
    held: int,
    waiting: Sequence[AlertReceived] = (),
) -> Turn:
    """held: signed contracts at the bot's place, entries under way included. An exit of what is held never waits.

    waiting: other messages of its sender about the symbol that came and are not decided.
    """
    alert = event.alert
    if signal is None or alert is None or not is_trading(alert):
        return Turn.FOLLOWS
    end, is_waiting = chain_end(signal, event, waiting), now - event.ts < timedelta(milliseconds=reorder_ms)
    if end is None and is_waiting and event.ts <= signal.ts and _has_gap(signal, alert):
        return Turn.EARLY  # newer ones came, and what lies in between still may
    if is_late(signal, event, waiting):
        is_sure = _is_based(signal, event) or event.ts - signal.ts < timedelta(milliseconds=reorder_ms)
        is_known = end is None or (_is_at(signal, end) and is_sure) or _is_waited_for(end, waiting)
        return Turn.LATE if is_known else Turn.UNCLEAR
    if (end is not None and _is_based(signal, event)) or not _has_gap(signal, alert):
        return Turn.FOLLOWS
    return Turn.EARLY if is_waiting and not gets_out(alert, held) else Turn.GAP


def follow(signal: Signal | None, event: AlertReceived, waiting: Sequence[AlertReceived] = ()) -> Signal | None:
    """What is known after a message was decided. A late one only closes the gap that it belongs to; a dry run says nothing.

    waiting: as ``turn_of`` was told.
    """
    alert = event.alert
    if alert is None or alert.dry_run or not is_trading(alert):
        return signal
    if signal is None:
        signal = Signal(cause=event.cause, ts=event.ts)
    if is_late(signal, event, waiting):
        return _after_late(signal, event, waiting)
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
    gap, is_one_moment = None, _compare(signal, event) == 0 and _is_of_one_moment(signal, event)
    if _has_gap(signal, alert) and chain_end(signal, event, waiting) is None:
        assert prev is not None, "a gap is seen by the pair before"
        assert signal.pair is not None, "and by the one that was known"
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
        base=signal.base if is_one_moment and signal.pair is not None else signal.pair or _unmoved(prev, pair),
        base_at=signal.base_at if is_one_moment and signal.pair is not None else signal.fired_at,
        steps=_steps(signal.steps if is_one_moment else (), event),
    )


def _unmoved(prev: Pair | None, pair: Pair) -> Pair | None:
    return pair if prev is not None and prev.matches(pair) else None


def _after_late(signal: Signal, event: AlertReceived, waiting: Sequence[AlertReceived]) -> Signal:
    """It belongs to the chain of its moment. A whole chain has no gap, and tells where the sender stands."""
    assert event.alert is not None, "an unreadable message is no signal"
    if _compare(signal, event) < 0:
        base, base_at = _base(signal, event)
        return msgspec.structs.replace(signal, gap=_narrowed(signal, event), base=base, base_at=base_at)
    end, (fired_at, bar_time) = chain_end(signal, event, waiting), _times(event)
    if _compare(signal, event) > 0:  # the first of its moment, and those that wait lead further
        signal = msgspec.structs.replace(
            signal, base=signal.pair, base_at=signal.fired_at, steps=(), fired_at=fired_at, bar_time=bar_time
        )
    steps = _steps(signal.steps, event)
    if end is None:
        return msgspec.structs.replace(signal, gap=_narrowed(signal, event), steps=steps)
    if _is_at(signal, end) or _is_waited_for(end, waiting):
        return msgspec.structs.replace(signal, gap=None, steps=steps)
    prev = next((start for start, there in reversed(steps) if there.matches(end)), None)
    return msgspec.structs.replace(signal, wants=end.side, pair=end, prev=prev, gap=None, steps=steps)


def _base(signal: Signal, event: AlertReceived) -> tuple[Pair | None, datetime | None]:
    """Where the sender stood before the newest moment, as an older message that came late tells it."""
    known, fired_at = (signal.base, signal.base_at), _times(event)[0]
    prev, pair = (None, None) if event.alert is None else (before(event.alert), after(event.alert))
    if pair is None or fired_at is None or (signal.base_at is not None and fired_at < signal.base_at):
        return known
    is_next = signal.base is None or signal.base_at is None or fired_at > signal.base_at
    return (pair, fired_at) if is_next or (prev is not None and prev.matches(signal.base or pair)) else known


def _steps(known: Steps, event: AlertReceived) -> Steps:
    prev, pair = (None, None) if event.alert is None else (before(event.alert), after(event.alert))
    return known if prev is None or pair is None else (*known, (prev, pair))[-MOST_STEPS:]


def _is_waited_for(end: Pair, waiting: Sequence[AlertReceived]) -> bool:
    pairs = [after(other.alert) for other in waiting if other.alert is not None]
    return any(pair is not None and pair.matches(end) for pair in pairs)


def chain_end(signal: Signal, event: AlertReceived, waiting: Sequence[AlertReceived]) -> Pair | None:
    """Where the messages of this moment lead from ``base``, this one and those that wait included, or without these, if they
    are a whole chain (``walk``). None: they are not, or nobody knows.
    """
    begun = _moment(signal, event)
    if event.alert is None or begun is None:
        return None
    steps = _steps(begun[1], event)
    if len(steps) != len(begun[1]) + 1:
        return None
    more = steps
    for other in waiting:
        if not same_moment(other, event):
            continue
        if len(more) == MOST_STEPS:  # one more would push out the first, and a walk without it may end elsewhere
            more = steps
            break
        more = _steps(more, other)
    return (end_of(begun[0], more) if len(more) > len(steps) else None) or end_of(begun[0], steps)


def _moment(signal: Signal, event: AlertReceived) -> tuple[Pair | None, Steps] | None:
    """Base and steps of the moment in which it was sent, without it. None: an older one, or nobody knows."""
    age = _compare(signal, event)
    if age > 0:
        return signal.pair, ()
    return (signal.base, signal.steps) if age == 0 and _is_near(signal, event) else None


def _is_based(signal: Signal, event: AlertReceived) -> bool:
    """False also where nobody knows its moment."""
    begun = _moment(signal, event)
    return begun is not None and begun[0] is not None


def _is_at(signal: Signal, pair: Pair) -> bool:
    return signal.pair is not None and signal.pair.matches(pair)


def is_late(signal: Signal, event: AlertReceived, waiting: Sequence[AlertReceived] = ()) -> bool:
    """A newer message was decided before this one."""
    alert = event.alert
    assert alert is not None, "an unreadable message is no signal"
    age, prev, pair = _compare(signal, event), before(alert), after(alert)
    if age < 0:
        return True
    if prev is None or pair is None or signal.pair is None:
        return False
    if (age == 0 and not _is_of_one_moment(signal, event)) or (waiting and not _has_gap(signal, alert)):
        return False  # those that wait follow it
    end = chain_end(signal, event, waiting)
    if age or end is not None:
        return end is not None and not pair.matches(end)
    gap = None if signal.gap is None or signal.gap.is_past else signal.gap
    if gap is not None and prev.matches(gap.start) and pair.matches(gap.end):
        return True
    if prev.matches(signal.pair):
        return False
    if gap is not None and (prev.matches(gap.start) or pair.matches(gap.end)):
        return True
    return event.ts <= signal.ts and _led_to(signal, pair)  # it came first, and waited


def _led_to(signal: Signal, pair: Pair) -> bool:
    """The newest message went on from there to somewhere else."""
    return signal.prev is not None and pair.matches(signal.prev) and not _is_at(signal, pair)


def in_order(signal: Signal | None, events: Sequence[AlertReceived]) -> list[AlertReceived]:
    """Messages of one bot about one symbol that waited together: by time, within one moment along the chain, else as they
    came; so are more than ``MOST_STEPS`` of one moment."""
    left, found = sorted(events, key=lambda event: _times(event)[0] or event.ts), []
    while left:
        here = list(islice((event for event in left if same_moment(event, left[0])), MOST_STEPS + 1))
        event = left[0] if len(here) > MOST_STEPS else _next(signal, here)
        left.remove(event)
        found.append(event)
        signal = follow(signal, event)
    return found


def _next(signal: Signal | None, here: Sequence[AlertReceived]) -> AlertReceived:
    """Of one moment: the one that goes on from where the sender stood, else one that follows no other of them."""
    heads = [event for event in here if not any(continues(event, other) for other in here if other is not event)]
    fitting = [event for event in heads or here if _fits(signal, event)]
    return (fitting or heads or here)[0]


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


def gets_out(alert: Alert, held: int) -> bool:
    """It closes something of what is held: the sender had that side, and has less of it now."""
    prev, pair = before(alert), after(alert)
    if pair is None or not held or (prev is not None and _SIGNS[prev.side] * held <= 0):
        return False
    if pair.side is PositionSide.FLAT:
        return True
    return _SIGNS[pair.side] * held > 0 and pair.size is not None and pair.size < abs(held)


def _narrowed(signal: Signal, event: AlertReceived) -> Gap | None:
    """The gap without the message that came late after all."""
    gap, is_older = signal.gap, _compare(signal, event) < 0
    prev, pair = (None, None) if event.alert is None else (before(event.alert), after(event.alert))
    if prev is None or pair is None or gap is None:
        return gap
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
    """Sent in the same second, as far as their order may make one late: without times an exit always counts as new."""
    is_exit = event.alert is not None and goal_of(event.alert) is PositionSide.FLAT
    return _is_near(signal, event) and not (is_exit and None in {signal.fired_at, _times(event)[0]})


def _is_near(signal: Signal, event: AlertReceived) -> bool:
    """Sent in the same second: the caller compared the times. Without times: came close together."""
    return (None not in {signal.fired_at, _times(event)[0]}) or event.ts - signal.ts < UNTIMED_FOR


def same_moment(event: AlertReceived, other: AlertReceived) -> bool:
    """Sent in the same second, as far as anybody can say."""
    mine, theirs = _times(event)[0], _times(other)[0]
    return mine is None or theirs is None or mine == theirs
