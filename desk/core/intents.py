"""What somebody wants done at one account and contract: an alert's or a command's meaning, before anybody approved it.

Distances are positive whole ticks, prices on the tick grid, quantities contracts and positive. An intent that opens names
its limits itself (``max_position``, ``fresh_until``); whoever made it took them from the bot and the message, the tighter one.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

from desk.core.alert import PositionSide
from desk.core.ids import GatewayOrderId
from desk.core.words import OrderType, Side

__all__ = [
    "BreakEven",
    "BreakEvenNow",
    "Cancel",
    "Care",
    "Enter",
    "EnterEither",
    "Exit",
    "Intent",
    "Modify",
    "MoveStop",
    "MoveTarget",
    "Reduce",
    "Reverse",
    "Stage",
    "Then",
    "Trail",
    "TrailOff",
    "TrailOn",
]


class Then(StrEnum):
    """What a stage's target does to the stops of the stages that are left, once it filled."""

    BREAKEVEN = "breakeven"
    STOP_TO_PREV_TARGET = "stop_to_prev_target"
    TRAIL_ON = "trail_on"


class BreakEven(msgspec.Struct, frozen=True, kw_only=True):
    """Once the market is ``trigger_ticks`` in favour, the stop goes to the entry plus ``offset_ticks`` in favour."""

    trigger_ticks: int
    offset_ticks: int = 0


class Trail(msgspec.Struct, frozen=True, kw_only=True):
    """From ``trigger_ticks`` in favour on (0: at once) the stop follows the best price at ``distance_ticks``, in steps."""

    distance_ticks: int
    trigger_ticks: int = 0
    step_ticks: int = 1


class Care(msgspec.Struct, frozen=True, kw_only=True):
    """What is done with an entry's legs after its fill. Exact prices: each leg is moved there once, a stop only to tighten."""

    stop_price: Decimal | None = None
    target_price: Decimal | None = None
    breakeven: BreakEven | None = None
    trail: Trail | None = None
    then: Then | None = None  # when this entry's target fills, for the later stages of its group


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """One part of a staged exit. Ticks or an exact price; neither: no target, the stop alone."""

    qty: int
    target_ticks: int | None = None
    target_price: Decimal | None = None
    then: Then | None = None


class Enter(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="what"):
    """Open or add. The stop is ``stop_ticks`` from the fill, or at ``care.stop_price``, or both (the price is exact then).

    stages: their quantities add up to ``qty``; empty: one order without a target.
    touch_price: emulated, the order goes out once the market trades there (stop-limit, market-if-touched).
    """

    side: Side
    qty: int
    stop_ticks: int | None
    stages: tuple[Stage, ...] = ()
    type: OrderType = OrderType.MARKET
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_ticks: int | None = None  # of a trailing-stop entry
    touch_price: Decimal | None = None
    is_stop_trailing: bool = False  # the venue trails the bracket's stop
    care: Care = Care()
    max_position: int
    fresh_until: datetime | None = None  # may be sent until then
    expires_at: datetime | None = None  # may rest until then


class EnterEither(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="what"):
    """Two resting entries of one contract: when one fills, the other goes."""

    first: Enter
    second: Enter


class Exit(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="what"):
    """To flat. ``everything``: the whole account. ``side``: only if the position is on that side."""

    everything: bool = False
    side: PositionSide | None = None


class Reduce(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="what"):
    """Close ``qty`` contracts of what is held, never more. ``side``: only if the position is on that side."""

    qty: int
    side: PositionSide | None = None


class Reverse(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="what"):
    """To verified flat, then the entry, if it is still fresh and risk approves it then.

    replaces: what is held, rests or waits on the entry's own side goes as well. What cannot be entered then closes nothing.
    """

    enter: Enter
    replaces: bool = False


class MoveStop(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="what"):
    """The protective stops of the position to ``price``; only towards less risk. None there: one is placed."""

    price: Decimal


class MoveTarget(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="what"):
    """The take profits of the position to ``price``."""

    price: Decimal


class BreakEvenNow(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="what"):
    """The stops to the average price plus ``offset_ticks`` in favour; refused while the market is not beyond it."""

    offset_ticks: int = 0


class TrailOn(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="what"):
    """The desk trails the position's stops from now on. It needs quotes; the venue's stop stays where it is without them."""

    trail: Trail


class TrailOff(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="what"):
    """The stops stay where they are."""


class Cancel(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="what"):
    """Working orders go. No ids: the resting entries of the place, or of the account without a contract.

    A protective stop is only cancelled by its id, by a person, and where another one covers the position.
    """

    order_ids: tuple[GatewayOrderId, ...] = ()


class Modify(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="what"):
    """One working order to another price or a smaller quantity. A stop of a position only tightens."""

    order_id: GatewayOrderId
    qty: int | None = None
    price: Decimal | None = None


Intent = (
    Enter
    | EnterEither
    | Exit
    | Reduce
    | Reverse
    | MoveStop
    | MoveTarget
    | BreakEvenNow
    | TrailOn
    | TrailOff
    | Cancel
    | Modify
)
