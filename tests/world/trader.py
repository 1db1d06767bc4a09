"""A person at the console: entries of every type, staged exits, pairs, and whatever can be changed afterwards. Some of it is
nonsense and has to be denied.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

from desk.core.alert import PositionSide
from desk.core.events import IntentGiven
from desk.core.ids import AccountId, CauseId, ContractId
from desk.core.intents import (
    BreakEven,
    BreakEvenNow,
    Cancel,
    Care,
    Enter,
    EnterEither,
    Exit,
    Intent,
    Modify,
    MoveStop,
    MoveTarget,
    Reduce,
    Reverse,
    Stage,
    Then,
    Trail,
    TrailOff,
    TrailOn,
)
from desk.core.words import OrderStatus, OrderType, Quote, Side
from tests.world.laws import MAX_POSITION
from tests.world.venue import ALPHA, BETA, Venue

_OPENING = {
    "market": 14, "limit": 12, "stop": 10, "trailing": 4, "join": 4, "touch": 6, "staged": 12, "either": 8,
    "cared": 10, "reverse": 8,
}  # fmt: skip
_CHANGING = {
    "reduce": 16, "exit side": 4, "move stop": 10, "move target": 8, "break even": 8, "trail on": 8, "trail off": 3,
    "cancel all": 6, "cancel one": 5, "modify": 6,
}  # fmt: skip
_FRESH = timedelta(seconds=15)


class Trader:
    """Makes the next command, by seeded dice, from what the venue shows."""

    def __init__(self, dice: random.Random, new_cause: Callable[[], CauseId], venue: Venue) -> None:
        self._dice = dice
        self._new_cause = new_cause
        self._venue = venue

    def next(self, now: datetime) -> IntentGiven | None:
        """None: nothing can be asked for while nobody shows a price."""
        account_id = self._dice.choice([ALPHA, BETA])
        contract_id = self._dice.choice(
            sorted(one.contract_id for one in self._venue.contracts.values() if one.is_active)
        )
        quote = self._venue.quote(contract_id)
        if quote is None or quote.last is None:
            return None
        has_position = bool(self._venue.qty(account_id, contract_id))
        weights = _CHANGING if has_position and self._dice.random() < 0.7 else _OPENING
        kind = self._dice.choices(list(weights), list(weights.values()))[0]
        intent = self._intent(kind, account_id, contract_id, quote, now)
        if intent is None:
            return None
        return IntentGiven(
            cause=self._new_cause(), account_id=account_id, contract_id=contract_id, intent=intent, by="console", ts=now
        )

    def _intent(
        self, kind: str, account_id: AccountId, contract_id: ContractId, quote: Quote, now: datetime
    ) -> Intent | None:
        if kind in _OPENING:
            return self._opening(kind, contract_id, quote, now)
        if kind in {"cancel one", "modify"}:
            return self._one_order(kind, account_id, contract_id)
        position = self._venue.positions[account_id].get(contract_id)
        if position is None:
            return None
        sign = 1 if position.qty > 0 else -1
        side = PositionSide.LONG if position.qty > 0 else PositionSide.SHORT
        match kind:
            case "reduce":
                return Reduce(qty=self._dice.choice([1, 1, 2]))
            case "exit side":
                return Exit(side=self._dice.choice([side, PositionSide.LONG]))
            case "move stop":
                return MoveStop(price=self._off(quote, contract_id, -sign * self._dice.randint(2, 25)))
            case "move target":
                return MoveTarget(price=self._off(quote, contract_id, sign * self._dice.randint(-2, 30)))
            case "break even":
                return BreakEvenNow(offset_ticks=self._dice.choice([0, 1, 4]))
            case "trail on":
                return TrailOn(trail=self._trail())
            case "trail off":
                return TrailOff()
            case _:
                return Cancel()

    def _opening(self, kind: str, contract_id: ContractId, quote: Quote, now: datetime) -> Intent:
        side = self._dice.choice([Side.BUY, Side.SELL])
        away = self._dice.randint(6, 20)
        behind, beyond = (self._off(quote, contract_id, side.sign * ticks) for ticks in (-away, away))
        match kind:
            case "limit":
                return self._enter(now, side, type=OrderType.LIMIT, limit_price=behind)
            case "stop":
                return self._enter(now, side, type=OrderType.STOP, stop_price=beyond)
            case "trailing":
                return self._enter(now, side, type=OrderType.TRAILING_STOP, trail_ticks=away)
            case "join":
                return self._enter(now, side, type=OrderType.JOIN_BID if side is Side.BUY else OrderType.JOIN_ASK)
            case "touch":
                is_limit = self._dice.random() < 0.5
                if is_limit:
                    return self._enter(now, side, type=OrderType.LIMIT, limit_price=beyond, touch_price=beyond)
                return self._enter(now, side, touch_price=behind)
            case "staged":
                then = self._dice.choice([None, *Then])
                stages = (Stage(qty=1, target_ticks=10, then=then), Stage(qty=1, target_ticks=24))
                care = Care(trail=self._trail() if then is Then.TRAIL_ON else None)
                return self._enter(now, side, qty=2, stages=stages, care=care)
            case "either":
                return EnterEither(
                    first=self._enter(
                        now, Side.BUY, type=OrderType.STOP, stop_price=self._off(quote, contract_id, away)
                    ),
                    second=self._enter(
                        now, Side.SELL, type=OrderType.STOP, stop_price=self._off(quote, contract_id, -away)
                    ),
                )
            case "cared":
                return self._enter(now, side, care=self._care(side, quote, contract_id))
            case "reverse":
                return Reverse(enter=self._enter(now, side))
            case _:
                return self._enter(now, side)

    def _care(self, side: Side, quote: Quote, contract_id: ContractId) -> Care:
        if self._dice.random() < 0.3:
            return Care(stop_price=self._off(quote, contract_id, -side.sign * 15))
        breakeven = BreakEven(trigger_ticks=self._dice.randint(4, 12), offset_ticks=self._dice.choice([0, 1]))
        return Care(breakeven=breakeven, trail=self._trail() if self._dice.random() < 0.5 else None)

    def _trail(self) -> Trail:
        dice = self._dice
        return Trail(
            distance_ticks=dice.randint(5, 15), trigger_ticks=dice.choice([0, 8]), step_ticks=dice.randint(1, 4)
        )

    def _enter(
        self,
        now: datetime,
        side: Side,
        *,
        qty: int = 1,
        type: OrderType = OrderType.MARKET,  # noqa: A002 - the order's own word
        limit_price: Decimal | None = None,
        stop_price: Decimal | None = None,
        trail_ticks: int | None = None,
        touch_price: Decimal | None = None,
        stages: tuple[Stage, ...] = (),
        care: Care | None = None,
    ) -> Enter:
        care = care or Care()
        rests = timedelta(seconds=self._dice.choice([20, 120, 600]))
        target = self._dice.choice([None, 12, 30])
        if not stages and target is not None:
            stages = (Stage(qty=qty, target_ticks=target),)
        return Enter(
            side=side,
            qty=qty,
            stop_ticks=None if care.stop_price is not None else self._dice.choice([10, 20, 40]),
            stages=stages,
            type=type,
            limit_price=limit_price,
            stop_price=stop_price,
            trail_ticks=trail_ticks,
            touch_price=touch_price,
            care=care,
            max_position=MAX_POSITION,
            fresh_until=now + _FRESH,
            expires_at=None if type is OrderType.MARKET and touch_price is None else now + rests,
        )

    def _one_order(self, kind: str, account_id: AccountId, contract_id: ContractId) -> Intent | None:
        """Any working order of the place: an entry, a leg, a stop that must not go."""
        here = [
            order
            for order in self._venue.working[account_id].values()
            if order.contract_id == contract_id and order.status is OrderStatus.OPEN
        ]
        if not here:
            return None
        order = self._dice.choice(here)
        if kind == "cancel one":
            return Cancel(order_ids=(order.gateway_order_id,))
        price = order.stop_price if order.stop_price is not None else order.limit_price
        if price is None:
            return None
        tick = self._venue.contracts[contract_id].tick_size
        return Modify(order_id=order.gateway_order_id, price=price + tick * self._dice.randint(-10, 10))

    def _off(self, quote: Quote, contract_id: ContractId, ticks: int) -> Decimal:
        assert quote.last is not None, "the caller looked"
        return quote.last + ticks * self._venue.contracts[contract_id].tick_size
