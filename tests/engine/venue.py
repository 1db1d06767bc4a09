"""A venue in memory, written from the gateway reference: orders with brackets, OCO, parts, cancel, closeContract.

Pure: it has no clock. Every change is kept as a picture with its time, so that a read may be answered late, and returned as
the user events that it causes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

import msgspec

from desk.core.events import Event, FillReported, OrderReported, PositionReported
from desk.core.ids import AccountId, ClientOrderId, ContractId, FillId, GatewayOrderId, stop_leg_id, target_leg_id
from desk.core.orders import OrderRequest
from desk.core.words import Fill, OrderStatus, OrderType, Side, VenueOrder, VenuePosition

PRICE = Decimal(20000)
TICK = Decimal("0.25")
Place = tuple[AccountId, ContractId]
_JOINS = {OrderType.JOIN_BID, OrderType.JOIN_ASK}  # shown as limit orders at the price that they joined


@dataclass(frozen=True)
class Picture:
    """What a read may show: everything as it was at one moment."""

    at: datetime
    orders: dict[GatewayOrderId, VenueOrder]
    positions: dict[Place, VenuePosition]
    fills: tuple[Fill, ...]


@dataclass
class Venue:
    """``fill_delay_s`` and ``wake_delay_s``: between order and fill, between fill and working legs."""

    now: datetime
    orders: dict[GatewayOrderId, VenueOrder] = field(default_factory=dict)
    positions: dict[Place, VenuePosition] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    tags: set[tuple[AccountId, ClientOrderId]] = field(default_factory=set)
    next_id: int = 5_000_000_000
    naked: bool = False  # fault: legs are rejected when the entry fills
    refusals: list[str] = field(default_factory=list)  # of the next orders; empty: that one is taken
    keeps: bool = False  # fault: nothing is cancelled
    nets: bool = False  # legs may reverse: two entries that closed each other left them
    placed: list[OrderRequest] = field(default_factory=list)  # accepted ones
    most_held: int = 0
    resizes_legs: bool = True  # the gateway may refuse another size of a bracket's leg (gateway reference 3.7)
    refuses_stops: str = ""  # fault: the text with which a stop by itself is refused
    parts: set[GatewayOrderId] = field(default_factory=set)  # orders of partial closes
    may_reverse: bool = False  # a test lets stops and targets trade that are too many

    def at(self, now: datetime) -> None:
        self.now = now

    def place(self, order: OrderRequest) -> tuple[GatewayOrderId, str]:
        """Id, and why it was refused. A refused order exists all the same, with status rejected."""
        given = tuple(price is not None for price in (order.limit_price, order.stop_price, order.trail_price))
        needed = (order.type is OrderType.LIMIT, order.type is OrderType.STOP, order.type is OrderType.TRAILING_STOP)
        assert given == needed, f"wrong prices for {order.type}"
        key = (order.account_id, order.client_order_id)
        entry_id = self._id()
        refused = self.refusals.pop(0) if self.refusals else ""
        refused = "Specified custom tag is already in use" if key in self.tags else refused
        if order.type is OrderType.STOP and order.stop_ticks is None:
            refused = refused or self.refuses_stops
        self.tags.add(key)
        rests = order.type is not OrderType.MARKET
        status = OrderStatus.REJECTED if refused else OrderStatus.OPEN if rests else OrderStatus.PENDING
        made = self._order(entry_id, order, order.type, order.side, order.client_order_id, status)
        self._put(msgspec.structs.replace(made, stop_price=order.stop_price, limit_price=order.limit_price))
        if refused:
            return entry_id, refused
        self.placed.append(order)
        for tag, kind, ticks in (
            (stop_leg_id(order.client_order_id), OrderType.STOP, order.stop_ticks),
            (target_leg_id(order.client_order_id), OrderType.LIMIT, order.target_ticks),
        ):
            leg_id = self._id()
            if ticks is not None:
                self._put(
                    self._order(leg_id, order, kind, order.side.opposite, tag, OrderStatus.SUSPENDED, parent=entry_id)
                )
        return entry_id, ""

    def fill(self, order_id: GatewayOrderId, qty: int | None = None) -> None:
        """An entry, a close or a leg trades, in part with ``qty``; legs wake up, grow or are cancelled with it."""
        order = self.orders[order_id]
        if order.status.is_terminal:
            return
        part = min(qty or order.qty, order.qty - order.filled_qty)
        done = order.filled_qty + part
        status = OrderStatus.FILLED if done == order.qty else OrderStatus.OPEN
        self._put(msgspec.structs.replace(order, status=status, filled_qty=done, filled_price=PRICE))
        self._execute(order, part)
        for leg in list(self.orders.values()):
            if leg.parent_id == order_id and leg.status is OrderStatus.SUSPENDED:
                price = self._leg_price(order, leg)
                leg_status = OrderStatus.REJECTED if self.naked else OrderStatus.OPEN
                self._put(msgspec.structs.replace(leg, status=leg_status, qty=done, **price))
            elif leg.parent_id == order_id and leg.status.is_working:
                self._put(msgspec.structs.replace(leg, qty=done))
            elif order.parent_id is not None and leg.parent_id == order.parent_id and leg.status.is_working:
                self._put(msgspec.structs.replace(leg, status=OrderStatus.CANCELLED))

    def cancel(self, order_id: GatewayOrderId) -> bool:
        order = self.orders.get(order_id)
        if order is None or order.status.is_terminal or order.type is OrderType.MARKET:
            return False
        if self.keeps:
            return False
        self._put(msgspec.structs.replace(order, status=OrderStatus.CANCELLED))
        for leg in list(self.orders.values()):
            if leg.parent_id == order_id and leg.status is OrderStatus.SUSPENDED:
                self._put(msgspec.structs.replace(leg, status=OrderStatus.CANCELLED))
        return True

    def modify(
        self, order_id: GatewayOrderId, qty: int | None, limit_price: Decimal | None, stop_price: Decimal | None
    ) -> bool:
        order = self.orders.get(order_id)
        if order is None or order.status is not OrderStatus.OPEN:
            return False
        if qty is not None and order.parent_id is not None and not self.resizes_legs:
            return False
        changes = {"qty": qty, "limit_price": limit_price, "stop_price": stop_price}
        self._put(msgspec.structs.replace(order, **{name: v for name, v in changes.items() if v is not None}))
        return True

    def close(self, place: Place, size: int | None = None) -> int:
        """closeContract, or partialCloseContract with a size: a market order; legs stay. Returns the error code."""
        position = self.positions.get(place)
        if position is None:
            return 2
        if size is not None and not 0 < size <= abs(position.qty):
            return 5
        side = Side.SELL if position.qty > 0 else Side.BUY
        request = OrderRequest(
            client_order_id=ClientOrderId(""),
            account_id=place[0],
            contract_id=place[1],
            type=OrderType.MARKET,
            side=side,
            qty=size or abs(position.qty),
        )
        order_id = self._id()
        if size is not None:
            self.parts.add(order_id)
        self._put(self._order(order_id, request, OrderType.MARKET, side, None, OrderStatus.PENDING))
        return 0

    def due(self) -> list[GatewayOrderId]:
        """Market orders that wait for their fill."""
        return [o.gateway_order_id for o in self.orders.values() if o.status is OrderStatus.PENDING]

    def working(self, place: Place) -> list[VenueOrder]:
        here = [o for o in self.orders.values() if (o.account_id, o.contract_id) == place]
        return [order for order in here if order.status.is_working]

    def qty(self, place: Place) -> int:
        position = self.positions.get(place)
        return position.qty if position is not None else 0

    def picture(self, as_of: datetime) -> Picture:
        """The newest picture that is not younger than ``as_of``."""
        older = [picture for picture in self.pictures if picture.at <= as_of]
        return older[-1] if older else Picture(as_of, {}, {}, ())

    def take_events(self) -> list[Event]:
        taken, self.events = self.events, []
        if taken:
            self.pictures.append(Picture(self.now, dict(self.orders), dict(self.positions), tuple(self.fills)))
        return taken

    def _id(self) -> GatewayOrderId:
        self.next_id += 1
        return GatewayOrderId(self.next_id)

    def _order(
        self,
        order_id: GatewayOrderId,
        asked: OrderRequest,
        kind: OrderType,
        side: Side,
        tag: ClientOrderId | None,
        status: OrderStatus,
        parent: GatewayOrderId | None = None,
    ) -> VenueOrder:
        return VenueOrder(
            gateway_order_id=order_id,
            account_id=asked.account_id,
            contract_id=asked.contract_id,
            status=status,
            type=kind,
            side=side,
            qty=asked.qty,
            filled_qty=0,
            limit_price=(asked.limit_price or (PRICE if kind in _JOINS else None)) if parent is None else None,
            stop_price=(asked.stop_price or asked.trail_price) if parent is None else None,
            tag=tag,
            parent_id=parent,
            created_at=self.now,
        )

    def _leg_price(self, entry: VenueOrder, leg: VenueOrder) -> dict[str, Decimal]:
        """Where a leg wakes up: its ticks from the entry's fill."""
        asked = next(order for order in self.placed if order.client_order_id == entry.tag)
        if leg.type is OrderType.STOP:
            return {"stop_price": PRICE - entry.side.sign * (asked.stop_ticks or 0) * TICK}
        return {"limit_price": PRICE + entry.side.sign * (asked.target_ticks or 0) * TICK}

    def _put(self, order: VenueOrder) -> None:
        self.orders[order.gateway_order_id] = order
        self.events.append(OrderReported(order=order, ts=self.now))

    def _execute(self, order: VenueOrder, part: int) -> None:
        place = (order.account_id, order.contract_id)
        before = self.positions.get(place)
        was = before.qty if before is not None else 0
        qty = was + order.side.sign * part
        is_closing = was * order.side.sign < 0
        is_entry = any(leg.parent_id == order.gateway_order_id for leg in self.orders.values())
        may = is_entry or self.nets or self.may_reverse
        assert may or was * qty >= 0, f"an exit reverses: {was} becomes {qty}"
        fill = Fill(
            fill_id=FillId(len(self.fills) + 1),
            account_id=order.account_id,
            contract_id=order.contract_id,
            gateway_order_id=order.gateway_order_id,
            side=order.side,
            qty=part,
            price=PRICE,
            gross_pnl=Decimal(0) if is_closing else None,
            fees=Decimal(0),
            commissions=Decimal(0),
            ts_event=self.now,
        )
        self.fills.append(fill)
        opened_at = before.opened_at if before is not None and was * qty > 0 else self.now
        shown_at = before.opened_at if before is not None and qty == 0 else opened_at
        position = VenuePosition(
            account_id=order.account_id, contract_id=order.contract_id, qty=qty, avg_price=PRICE, opened_at=shown_at
        )
        if qty:
            self.positions[place] = position
        else:
            self.positions.pop(place, None)
        self.most_held = max(self.most_held, abs(qty))
        self.events += [FillReported(fill=fill, ts=self.now), PositionReported(position=position, ts=self.now)]
