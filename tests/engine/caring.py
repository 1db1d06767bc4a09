"""The world with a market: prices, legs at their distances, modify, resting orders, and quotes that may stop coming."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec

from desk.core.events import Event, IntentGiven, Outcome, OutcomeKind, PriceMoved, ReduceSettled
from desk.core.ids import GatewayOrderId
from desk.core.intents import Care, Intent
from desk.core.orders import OrderRequest, Role, TrackedOrder
from desk.core.plans import AmendPlan, CarePlan
from desk.core.records import IncidentRaised, OrderChanged, PlanEnded, Verdict, VerdictKind
from desk.core.words import OrderStatus, OrderType, Quote, Side, VenueOrder
from desk.engine import Context, Reduce, Submit
from desk.orders import ModifyOrder
from tests.engine.venue import PRICE, Venue
from tests.engine.world import ACCOUNT, MNQ, PLACE, Faults, World, enter

TICK = MNQ.tick_size
BELOW_ASK = "Order price is outside allowed range. Please set price below best ask."
ABOVE_BID = "Order price is outside allowed range. Please set price above best bid."


@dataclass
class MarketVenue(Venue):
    """``bid``: the market, one tick wide. Legs wake up at their distance from the fill, entries fill at ``PRICE``."""

    bid: Decimal = PRICE
    refuses: str | None = None  # every modify, with this text
    stops: dict[GatewayOrderId, list[Decimal]] = field(default_factory=dict)  # where each stop has been
    distances: dict[str, tuple[int | None, int | None]] = field(default_factory=dict)

    def place(self, order: OrderRequest) -> tuple[GatewayOrderId, str]:
        self.distances[order.client_order_id] = order.stop_ticks, order.target_ticks
        return super().place(order)

    def _put(self, order: VenueOrder) -> None:
        """A leg that wakes up gets its price; every row its time."""
        before = self.orders.get(order.gateway_order_id)
        if order.status is OrderStatus.OPEN and before is not None and before.status is OrderStatus.SUSPENDED:
            stop, target = self.distances[str(order.tag)[:-3]]
            if order.type is OrderType.STOP and stop is not None:
                order = msgspec.structs.replace(order, stop_price=PRICE + order.side.sign * stop * TICK)
            elif target is not None:
                order = msgspec.structs.replace(order, limit_price=PRICE - order.side.opposite.sign * -target * TICK)
        if order.stop_price is not None:
            self.stops.setdefault(order.gateway_order_id, []).append(order.stop_price)
        super()._put(msgspec.structs.replace(order, updated_at=self.now))

    def rest(
        self, side: Side, qty: int, *, stop: Decimal | None = None, limit: Decimal | None = None
    ) -> GatewayOrderId:
        """An order by hand."""
        kind = OrderType.STOP if stop is not None else OrderType.LIMIT
        order = VenueOrder(
            gateway_order_id=self._id(), account_id=ACCOUNT, contract_id=MNQ.contract_id, status=OrderStatus.OPEN,
            type=kind, side=side, qty=qty, filled_qty=0, stop_price=stop, limit_price=limit, created_at=self.now,
        )  # fmt: skip
        self._put(order)
        return order.gateway_order_id

    def modify(self, what: ModifyOrder) -> Outcome:
        order = self.orders.get(what.gateway_order_id)
        if order is None or order.status is not OrderStatus.OPEN:
            return Outcome(kind=OutcomeKind.REFUSED, code=2)
        if self.refuses is not None:
            return Outcome(kind=OutcomeKind.REFUSED, code=3, text=self.refuses)
        stop = what.stop_price
        if stop is not None and order.side is Side.SELL and stop >= self.bid + TICK:
            return Outcome(kind=OutcomeKind.REFUSED, code=3, text=BELOW_ASK)
        if stop is not None and order.side is Side.BUY and stop <= self.bid:
            return Outcome(kind=OutcomeKind.REFUSED, code=3, text=ABOVE_BID)
        changes: dict[str, Any] = {"qty": what.qty, "stop_price": stop, "limit_price": what.limit_price}
        self._put(msgspec.structs.replace(order, **{k: v for k, v in changes.items() if v is not None}))
        return Outcome(kind=OutcomeKind.DONE)


@dataclass
class MarketWorld(World):
    """``care``: what every entry that is sent asks for. Quotes come with ``price``, unless ``is_blind``."""

    care: Care = field(default_factory=Care)
    is_blind: bool = False

    def __post_init__(self) -> None:
        self.quote: Quote | None = None
        super().__post_init__()
        self.venue: MarketVenue = MarketVenue(self.now)

    @property
    def context(self) -> Context:
        base = super().context
        return Context(
            now=base.now,
            bots=base.bots,
            contracts=base.contracts,
            is_shadow=base.is_shadow,
            is_journal_ok=base.is_journal_ok,
            quote=lambda _: self.quote,
            atr=base.atr,
        )

    def price(self, bid: Decimal | float) -> None:
        """The market is there: orders trade, and whoever waits for a price hears of it."""
        self.venue.bid = Decimal(str(bid))
        for order in self.venue.working(PLACE):
            if order.status is OrderStatus.OPEN and self._trades(order):
                self.trade(order.gateway_order_id)
        if not self.is_blind:
            self.quote = Quote(
                contract_id=MNQ.contract_id,
                bid=self.venue.bid,
                ask=self.venue.bid + TICK,
                last=self.venue.bid,
                ts_event=self.now,
                ts_recv=self.now,
            )
        self.look()

    def ticks(self, in_favour: int) -> None:
        """The market at so many ticks above ``PRICE``."""
        self.price(PRICE + in_favour * TICK)

    def look(self) -> None:
        self.give(PriceMoved(contract_id=MNQ.contract_id, ts=self.now))

    def _trades(self, order: VenueOrder) -> bool:
        bid, ask = self.venue.bid, self.venue.bid + TICK
        market = bid if order.side is Side.SELL else ask
        if order.type is OrderType.STOP and order.stop_price is not None:
            return (market - order.stop_price) * order.side.sign >= 0
        return order.limit_price is not None and (market - order.limit_price) * order.side.sign <= 0

    def command(self, intent: Intent) -> Verdict:
        verdict = self.give(
            IntentGiven(
                cause=self.new_cause(), account_id=ACCOUNT, contract_id=MNQ.contract_id, intent=intent, by="console",
                ts=self.now,
            )
        )  # fmt: skip
        assert verdict is not None, "a command gets a verdict"
        return verdict

    def give(self, event: Event) -> Verdict | None:
        before = len(self.journal)
        verdict = super().give(event)
        for record in self.journal[before:]:
            wants = (
                isinstance(record, OrderChanged) and record.order.role is Role.ENTRY and record.order.care != self.care
            )
            if wants and isinstance(record, OrderChanged):  # as if the alert had asked for it
                cared = msgspec.structs.replace(record.order, care=self.care)
                again = OrderChanged(cause=record.cause, order=cared, why="test", ts=self.now)
                self.journal.append(again)
                self.state = msgspec.structs.replace(
                    self.state, orders=self.state.orders.set(cared.client_order_id, cared)
                )
        return verdict

    def check(self) -> None:
        plans = self.state.plans
        for plan_id, plan in plans.items():
            if isinstance(plan, CarePlan):  # waits for prices
                self.state = msgspec.structs.replace(self.state, plans=self.state.plans.delete(plan_id))
        super().check()
        self.state = msgspec.structs.replace(self.state, plans=plans)

    def _execute(self, effect: Submit | Reduce) -> Outcome:
        if isinstance(effect, Reduce) and isinstance(effect.reducing.what, ModifyOrder):
            outcome = self.venue.modify(effect.reducing.what)
            self.publish()
            return outcome
        return super()._execute(effect)

    def _reach(self, effect: Submit | Reduce) -> Event:
        answer = super()._reach(effect)
        if isinstance(effect, Reduce) and isinstance(effect.reducing.what, ModifyOrder):
            assert isinstance(answer, ReduceSettled)
            return msgspec.structs.replace(answer, gateway_order_id=effect.reducing.what.gateway_order_id)
        return answer

    # -- looking -----------------------------------------------------------------------------------------------------------

    @property
    def modifies(self) -> list[ModifyOrder]:
        what = [effect.reducing.what for effect in self.sent if isinstance(effect, Reduce)]
        return [one for one in what if isinstance(one, ModifyOrder)]

    @property
    def stop(self) -> VenueOrder:
        return self.leg(Role.STOP)

    @property
    def stop_ticks(self) -> Decimal:
        """Where the stop is, in ticks above ``PRICE``."""
        assert self.stop.stop_price is not None
        return (self.stop.stop_price - PRICE) / TICK

    def incidents(self) -> list[str]:
        return [record.kind for record in self.journal if isinstance(record, IncidentRaised)]

    def plans(self, kind: type) -> list[Any]:
        return [plan for plan in self.state.plans.values() if isinstance(plan, kind)]

    def ended(self, prefix: str) -> list[str]:
        return [r.result for r in self.journal if isinstance(r, PlanEnded) and r.plan_id.startswith(prefix)]

    def legs(self) -> Sequence[TrackedOrder]:
        return [order for order in self.state.orders_at(PLACE) if order.role is not Role.ENTRY]


def at_market(**given: Any) -> MarketWorld:
    world = MarketWorld(**given)
    world.run(3)
    return world


def holding(side: str = "enter_long", **given: Any) -> MarketWorld:
    """Two contracts from ``PRICE``: stop 80 ticks away, target 160."""
    world = entered(side, **given)
    assert abs(world.venue.qty(PLACE)) == 2
    return world


def entered(side: str = "enter_long", refuses: str | None = None, **given: Any) -> MarketWorld:
    """The same, whatever became of it. refuses: what the venue says to every modify."""
    world = at_market(**given)
    world.venue.refuses = refuses
    assert world.alert(enter(side)).kind is VerdictKind.ACCEPTED
    world.run(3)
    return world


def amends(world: MarketWorld) -> list[AmendPlan]:
    return world.plans(AmendPlan)


__all__ = ["TICK", "Faults", "MarketVenue", "MarketWorld", "amends", "at_market", "entered", "holding"]
