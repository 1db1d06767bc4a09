"""The canonical alert (TradingView reference 11): what a sender wants, before anybody decided about it.

Only ``desk/alerts`` builds one from bytes. A field that was missing, empty, NaN or an unreplaced placeholder is
``None``, never zero. Fields that this version cannot honour are kept, so that the decision can refuse them by name.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

__all__ = [
    "Action",
    "Alert",
    "AlertAccount",
    "AlertOrder",
    "AlertPolicy",
    "AlertPosition",
    "AlertQty",
    "BreakEvenSpec",
    "Distance",
    "PositionSide",
    "StopSpec",
    "TargetSpec",
    "TrailSpec",
    "Unit",
]


class Action(StrEnum):
    ENTER_LONG = "enter_long"
    ENTER_SHORT = "enter_short"
    EXIT = "exit"
    EXIT_LONG = "exit_long"
    EXIT_SHORT = "exit_short"
    BUY = "buy"
    SELL = "sell"
    SET_POSITION = "set_position"
    ADD = "add"
    REDUCE = "reduce"
    REVERSE = "reverse"
    MOVE_STOP = "move_stop"
    MOVE_TARGET = "move_target"
    BREAKEVEN = "breakeven"
    TRAIL_ON = "trail_on"
    TRAIL_OFF = "trail_off"
    CANCEL = "cancel"
    FLATTEN = "flatten"
    FLATTEN_ALL = "flatten_all"
    PAUSE = "pause"
    RESUME = "resume"
    HEARTBEAT = "heartbeat"
    NOTE = "note"


class Unit(StrEnum):
    """Unit of a distance. ``usd`` is per contract."""

    PRICE = "price"
    POINTS = "points"
    TICKS = "ticks"
    PCT = "pct"
    USD = "usd"
    USD_TOTAL = "usd_total"
    ATR = "atr"
    R = "r"


class PositionSide(StrEnum):
    LONG = "long"
    SHORT = "short"
    FLAT = "flat"


class Distance(msgspec.Struct, frozen=True, kw_only=True):
    unit: Unit
    value: Decimal


class StopSpec(msgspec.Struct, frozen=True, kw_only=True):
    distance: Distance
    kind: str = "stop"  # stop | trailing_stop


class TargetSpec(msgspec.Struct, frozen=True, kw_only=True):
    distance: Distance
    qty: Decimal | None = None
    qty_pct: Decimal | None = None
    qty_ratio: Decimal | None = None
    then: str | None = None


class BreakEvenSpec(msgspec.Struct, frozen=True, kw_only=True):
    """``trigger`` None: only in the action breakeven, which acts at once. ``offset`` in favour, may be 0."""

    trigger: Distance | None = None
    offset: Distance | None = None


class TrailSpec(msgspec.Struct, frozen=True, kw_only=True):
    """``trigger`` None or 0: from the fill on. ``step`` None: every tick."""

    distance: Distance
    trigger: Distance | None = None
    step: Distance | None = None


class AlertQty(msgspec.Struct, frozen=True, kw_only=True):
    mode: str = "default"  # contracts | default | factor | risk_usd | ...
    value: Decimal | None = None
    max: Decimal | None = None


class AlertOrder(msgspec.Struct, frozen=True, kw_only=True):
    type: str = "market"
    price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_ticks: Decimal | None = None
    offset_ticks: Decimal | None = None
    max_slippage_ticks: Decimal | None = None
    expire_s: Decimal | None = None


class AlertPosition(msgspec.Struct, frozen=True, kw_only=True):
    """Target state after the signal; sizes are never negative."""

    now: PositionSide | None = None
    size: Decimal | None = None
    prev: PositionSide | None = None
    prev_size: Decimal | None = None


class AlertPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """``None``: the sender left it to the bot."""

    opposite: str | None = None  # reverse | close_only | ignore | reject
    same: str | None = None  # ignore | add | replace | reject
    require_position: str | None = None  # flat | long | short | any
    max_position: Decimal | None = None
    cancel_working: bool | None = None
    max_age_s: Decimal | None = None
    contract: str | None = None  # follow_gateway | require_match | reject
    on_gap: str | None = None
    window: str | None = None  # a trading window, JSON as sent; whoever cannot honour it refuses


class AlertAccount(msgspec.Struct, frozen=True, kw_only=True):
    """An account entry that changes the size there. Who cannot honour it must refuse: dropping it would oversize."""

    ref: str
    factor: Decimal | None = None
    qty: Decimal | None = None
    risk_usd: Decimal | None = None


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One canonical message. ``extras`` is everything not understood, verbatim JSON values as texts."""

    action: Action
    symbol: str | None = None  # as sent; grammar in core/symbols.py
    sender_id: str | None = None  # the sender's own idempotency key ("id")
    bot: str | None = None
    alert_version: str | None = None
    fired_at: datetime | None = None
    bar_time: datetime | None = None
    interval: str | None = None
    contract: str | None = None
    price: Decimal | None = None
    position: AlertPosition | None = None
    qty: AlertQty = AlertQty()
    order: AlertOrder = AlertOrder()
    stop: StopSpec | None = None
    targets: tuple[TargetSpec, ...] = ()
    has_breakeven: bool = False
    has_trail: bool = False
    breakeven: BreakEvenSpec | None = None  # None with has_breakeven: kept by a version that could not read it
    trail: TrailSpec | None = None
    policy: AlertPolicy = AlertPolicy()
    accounts: tuple[str, ...] = ()
    account_terms: tuple[AlertAccount, ...] = ()  # the entries of accounts that carry factor, qty or risk_usd
    comment: str | None = None
    tags: tuple[str, ...] = ()
    dry_run: bool = False
    is_text: bool = False  # the body was plain text: nobody can say what it asks for
    dialect: str = "desk"  # whose form it came in, see desk/alerts/dialects
    extras: dict[str, str] = {}
    warnings: tuple[str, ...] = ()  # what a person should know, e.g. "no fired_at: the age was not checked"
