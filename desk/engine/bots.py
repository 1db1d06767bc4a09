"""What is remembered of each bot and its senders. ``State.bots`` holds one ``BotState`` per name; ``apply`` alone changes it.

What surfaces may read of a ``BotState``:

* ``disarmed``, ``paused``, ``halted``: why its entries are denied, by whom and since when; ``stopped_by`` is the first of them
* ``seen_at``, ``heartbeat_at``, ``version`` (the newest ``alert_version``), ``versions`` (when each was last seen)
* ``late_ms(50)``, ``late_ms(95)``: percentiles of ``lateness_ms``, received minus fired; negative: fired ahead of our clock
* ``only_reduces``: symbols in which a gap lets it do no more
* ``signals``: by symbol root, where its sender says that it stands, and what was lost on the way
* ``entries``: when it last entered, within a minute; ``last_entry(symbol, side)``

When a position of its account last ended is ``State.last_exits``, by place: it is the account's, whoever ended it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TypeVar

import msgspec
from immutables import Map

from desk.core.alert import Action, Alert, PositionSide
from desk.core.errors import UnknownSymbol
from desk.core.events import AlertReceived
from desk.core.ids import CauseId
from desk.core.records import BotEntered, BotSwitched, BotWarned, SignalGap, Verdict, VerdictKind
from desk.core.switches import Switch
from desk.core.symbols import parse_symbol
from desk.engine.sequence import Signal, follow

__all__ = [
    "A_MINUTE",
    "NEW_BOT",
    "TRIGGERS_WITHIN",
    "BotState",
    "Stop",
    "entered",
    "found_gap",
    "heard",
    "settled",
    "switched",
    "symbol_key",
    "tidied",
    "trigger_key",
    "warned",
]

A_MINUTE = timedelta(minutes=1)
TRIGGERS_WITHIN = timedelta(minutes=3)  # TradingView stops an alert after 15 triggers in it (TradingView reference 3)
VERSIONS_WITHIN = timedelta(minutes=10)
SIGNALS_ARE_REMEMBERED = timedelta(days=14)  # a strategy may hold a position over a holiday
ENTRIES_ARE_REMEMBERED = timedelta(days=1)
WARNINGS_ARE_REMEMBERED = timedelta(days=1)
MOST_LATENESSES = 100
MOST_TRIGGERS = 16  # of one alert: more changes nothing
MOST_KEYS = 64  # of anything that a sender's own words tell apart
_LONGEST_MS = 86_400_000


class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """Why a bot's entries are denied. by: message | console | api | gap."""

    by: str
    why: str
    cause: CauseId
    ts: datetime


class BotState(msgspec.Struct, frozen=True, kw_only=True):
    disarmed: Stop | None = None
    paused: Stop | None = None
    halted: Stop | None = None
    seen_at: datetime | None = None
    heartbeat_at: datetime | None = None
    version: str | None = None
    versions: Map[str, datetime] = Map()
    lateness_ms: tuple[int, ...] = ()  # oldest first
    signals: Map[str, Signal] = Map()  # by symbol root
    entered: Map[str, datetime] = Map()  # newest accepted entry, by "<symbol root>|<side>"
    entries: tuple[datetime, ...] = ()  # within the last minute, oldest first
    triggers: Map[str, tuple[datetime, ...]] = Map()  # by alert, see trigger_key; oldest first
    warned: Map[str, datetime] = Map()  # what a person was told, by what it was about

    @property
    def stopped_by(self) -> tuple[Switch, Stop] | None:
        """What denies its entries; a person's word comes first."""
        stops = ((Switch.DISARM, self.disarmed), (Switch.HALT, self.halted), (Switch.PAUSE, self.paused))
        return next(((switch, stop) for switch, stop in stops if stop is not None), None)

    @property
    def only_reduces(self) -> tuple[str, ...]:
        """Symbols about which a message was lost, so that it only reduces there until its sender is flat."""
        return tuple(sorted(symbol for symbol, signal in self.signals.items() if signal.only_reduces))

    def late_ms(self, per_cent: int) -> int | None:
        """So many of its messages came at most so late; None: none told when it was fired."""
        known = sorted(self.lateness_ms)
        return known[(len(known) - 1) * per_cent // 100] if known else None

    def last_entry(self, symbol: str, side: PositionSide) -> datetime | None:
        return self.entered.get(f"{symbol}|{side}")


NEW_BOT = BotState()

_replace = msgspec.structs.replace
V = TypeVar("V")


def symbol_key(alert: Alert) -> str:
    """The root, so that MNQ1!, MNQZ2026 and CME_MINI:MNQ1! are one; what nobody knows stays as it was sent."""
    return "" if alert.symbol is None else _root(alert.symbol)


@lru_cache(maxsize=1024)  # senders say the same few, and of many that wait each one is asked often
def _root(symbol: str) -> str:
    try:
        return parse_symbol(symbol).root
    except UnknownSymbol:
        return symbol[:32]


def trigger_key(event: AlertReceived) -> str:
    """What one TradingView alert is told apart by: there is no name of it in a message."""
    alert = event.alert
    if alert is None:
        return "unreadable"
    parts = (symbol_key(alert), alert.interval, alert.alert_version, alert.comment)
    return "|".join((part or "")[:40] for part in parts)


def heard(bot: BotState, event: AlertReceived, verdict: Verdict, waiting: Sequence[AlertReceived] = ()) -> BotState:
    """After a message came in, repeats included: TradingView counts those, too. waiting: beside it, see ``sequence``."""
    key, since = trigger_key(event), event.ts - TRIGGERS_WITHIN
    times = (*(at for at in bot.triggers.get(key, ()) if at > since), event.ts)[-MOST_TRIGGERS:]
    triggers = _bounded(bot.triggers, key, times)
    alert = event.alert
    if alert is None or verdict.of is not None:
        return _replace(bot, triggers=triggers, seen_at=event.ts)
    version = alert.alert_version
    bot = _replace(
        bot,
        triggers=triggers,
        seen_at=event.ts,
        heartbeat_at=event.ts if alert.action is Action.HEARTBEAT else bot.heartbeat_at,
        version=version or bot.version,
        versions=bot.versions if version is None else _bounded(bot.versions, version, event.ts),
        lateness_ms=_latenesses(bot, alert, event.ts),
    )
    return bot if verdict.kind is VerdictKind.HELD else settled(bot, event, waiting)


def settled(bot: BotState, event: AlertReceived, waiting: Sequence[AlertReceived] = ()) -> BotState:
    """After a message was decided, at once or when it had waited."""
    if event.alert is None:
        return bot
    key = symbol_key(event.alert)
    before = bot.signals.get(key)
    after = follow(before, event, waiting)
    return bot if after is None or after is before else _replace(bot, signals=_bounded(bot.signals, key, after))


def _latenesses(bot: BotState, alert: Alert, received: datetime) -> tuple[int, ...]:
    if alert.fired_at is None:
        return bot.lateness_ms
    late_ms = round((received - alert.fired_at) / timedelta(milliseconds=1))
    return (*bot.lateness_ms, max(-_LONGEST_MS, min(_LONGEST_MS, late_ms)))[-MOST_LATENESSES:]


def entered(bot: BotState, record: BotEntered) -> BotState:
    recent = tuple(at for at in bot.entries if at > record.ts - A_MINUTE)
    key = f"{record.symbol}|{record.side}"
    return _replace(bot, entered=_bounded(bot.entered, key, record.ts), entries=(*recent, record.ts)[-600:])


def switched(bot: BotState, record: BotSwitched) -> BotState:
    """Starting takes away what it may: a message only a message's pause, a person's resume all but a disarming."""
    stop = Stop(by=record.by, why=record.why, cause=record.cause, ts=record.ts)
    match record.switch:
        case Switch.PAUSE:
            return _replace(bot, paused=stop)
        case Switch.HALT:
            return _replace(bot, halted=stop)
        case Switch.DISARM:
            return _replace(bot, disarmed=stop)
        case Switch.RESUME if record.by == "message":
            is_its_own = bot.paused is not None and bot.paused.by == "message"
            return _replace(bot, paused=None) if is_its_own else bot
        case Switch.RESUME:
            return _replace(bot, paused=None, halted=None, signals=_following(bot.signals))
        case _:
            return _replace(bot, paused=None, halted=None, disarmed=None, signals=_following(bot.signals))


def _following(signals: Map[str, Signal]) -> Map[str, Signal]:
    """A person looked at what was lost."""
    return Map((key, _replace(signal, only_reduces=False)) for key, signal in signals.items())


def found_gap(bot: BotState, record: SignalGap) -> BotState:
    """Told once; under a policy that does not follow, the bot only reduces until its sender is flat."""
    signal = bot.signals.get(record.symbol)
    if signal is None:
        return bot
    gap = None if signal.gap is None else _replace(signal.gap, is_told=True)
    is_flat = signal.pair is not None and signal.pair.side is PositionSide.FLAT
    only_reduces = signal.only_reduces or (record.policy != "follow_target" and not is_flat)
    return _replace(bot, signals=bot.signals.set(record.symbol, _replace(signal, gap=gap, only_reduces=only_reduces)))


def warned(bot: BotState, record: BotWarned) -> BotState:
    return _replace(bot, warned=_bounded(bot.warned, record.about, record.ts))


def tidied(bot: BotState, now: datetime) -> BotState:
    """Without what nothing asks for any more."""
    return _replace(
        bot,
        versions=_newer(bot.versions, now - VERSIONS_WITHIN),
        signals=Map((key, one) for key, one in bot.signals.items() if one.ts > now - SIGNALS_ARE_REMEMBERED),
        entered=_newer(bot.entered, now - ENTRIES_ARE_REMEMBERED),
        entries=tuple(at for at in bot.entries if at > now - A_MINUTE),
        triggers=Map((key, times) for key, times in bot.triggers.items() if times[-1] > now - TRIGGERS_WITHIN),
        warned=Map(
            (about, ts)
            for about, ts in bot.warned.items()
            if about == "heartbeat" or ts > now - WARNINGS_ARE_REMEMBERED
        ),
    )


def _newer(times: Map[str, datetime], than: datetime) -> Map[str, datetime]:
    return Map((key, ts) for key, ts in times.items() if ts > than)


def _bounded(known: Map[str, V], key: str, value: V) -> Map[str, V]:
    """With ``key``; where there are too many, without the one that sorts first."""
    known = known.set(key, value)
    return known if len(known) <= MOST_KEYS else known.delete(min(other for other in known if other != key))
