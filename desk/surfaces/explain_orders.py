"""What an intent would send, order by order, with each distance in ticks, points and dollars. Pure.

Prices come from the engine's own pricing. Where an entry fills at the market, its price and those of its legs are where the
market is now (``is_about``), or unknown without a quote; distances in ticks hold all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from desk.core.intents import Care, Enter, Intent, MoveStop, MoveTarget, Stage
from desk.core.orders import OrderRequest
from desk.core.plans import Ticket
from desk.core.words import Contract, OrderType, Side
from desk.engine import Context
from desk.engine.draft import fresh_quote
from desk.engine.pricing import Priced, price_entry
from desk.engine.rulings import Asker
from desk.surfaces.intent_words import entries_of, expected_fill
from desk.surfaces.show import money_text

__all__ = ["Part", "parts_of", "sums_text"]


@dataclass(frozen=True, slots=True)
class Part:
    """One order, or one thing that is done with the legs. qty: contracts. price: points. usd_each: per contract.

    ticks, points, usd_*: from the entry; None where that is not known or has no meaning. is_about: the price moves with the
    market until the fill.
    """

    what: str  # entry, stop, target, break-even, trail, moved stop, moved target
    side: str | None = None
    qty: int | None = None
    type: str | None = None
    price: Decimal | None = None
    is_about: bool = False
    ticks: int | None = None
    points: Decimal | None = None
    usd_each: Decimal | None = None
    usd_total: Decimal | None = None
    note: str = ""


def parts_of(
    intent: Intent, contract: Contract | None, asker: Asker, ctx: Context, avg_price: Decimal | None
) -> tuple[Part, ...]:
    """Empty for what sends nothing of its own price: exits, cancels, trailing off. avg_price: of the position, for moves."""
    if contract is None:
        return ()
    match intent:
        case MoveStop(price=price):
            return (_moved("moved stop", price, avg_price, contract),)
        case MoveTarget(price=price):
            return (_moved("moved target", price, avg_price, contract),)
        case _:
            entries = entries_of(intent)
            return tuple(part for entry in entries for part in _entry(entry, contract, asker, ctx))


def sums_text(parts: Sequence[Part]) -> str:
    """What all stops lose and all targets earn; empty where nothing is opened."""
    stops = [part for part in parts if part.what == "stop"]
    targets = [part for part in parts if part.what == "target"]
    if not stops:
        return ""
    risk = _sum(stops)
    text = f"At the stop it loses {money_text(risk)} $" if risk is not None else "What the stop loses is not known"
    gain = _sum(targets)
    if targets and gain is not None:
        text += f", at the target{'s' if len(targets) > 1 else ''} it earns {money_text(gain)} $"
    return f"{text}; fees and slippage not counted."


def _sum(parts: Sequence[Part]) -> Decimal | None:
    known = [part.usd_total for part in parts if part.usd_total is not None]
    return sum(known, Decimal(0)) if len(known) == len(parts) else None


def _entry(enter: Enter, contract: Contract, asker: Asker, ctx: Context) -> Iterator[Part]:
    priced = price_entry(enter, contract, asker, ctx)
    basis = expected_fill(enter, fresh_quote(ctx, contract.contract_id))
    is_about = enter.type in {OrderType.MARKET, OrderType.JOIN_BID, OrderType.JOIN_ASK, OrderType.TRAILING_STOP}
    is_about = is_about and enter.touch_price is None
    stages = enter.stages or (Stage(qty=enter.qty, target_price=enter.care.target_price),)
    tickets: Sequence[Ticket | None] = priced.tickets if isinstance(priced, Priced) else [None] * len(stages)
    for stage, ticket in zip(stages, tickets, strict=True):
        order = ticket.order if ticket is not None else None
        yield _opening(enter, stage.qty, order, basis, is_about=is_about)
        legs = _Legs(contract, enter.side, stage.qty, basis, is_about)
        stop_ticks = order.stop_ticks if order is not None else enter.stop_ticks
        kind = "trailing stop" if enter.is_stop_trailing else "stop"
        yield legs.leg("stop", kind, stop_ticks, enter.care.stop_price)
        target_ticks = order.target_ticks if order is not None else stage.target_ticks
        if target_ticks is not None or stage.target_price is not None:
            then = f"then {stage.then.value}" if stage.then is not None else ""
            yield legs.leg("target", "limit", target_ticks, stage.target_price, then)
    yield from _care(enter.care, contract, enter.qty)


def _opening(enter: Enter, qty: int, order: OrderRequest | None, basis: Decimal | None, *, is_about: bool) -> Part:
    own = enter.limit_price if enter.type is OrderType.LIMIT else enter.stop_price
    if own is None and order is not None:
        own = order.trail_price
    notes = []
    if enter.touch_price is not None:
        notes.append(f"waits here until {enter.touch_price:f} trades")
    if enter.expires_at is not None:
        notes.append(f"until {enter.expires_at:%Y-%m-%d %H:%M:%S} UTC")
    return Part(
        what="entry",
        side=enter.side.value,
        qty=qty,
        type=enter.type.value.replace("_", " "),
        price=own if own is not None else basis,
        is_about=is_about,
        note=", ".join(notes),
    )


@dataclass(frozen=True, slots=True)
class _Legs:
    contract: Contract
    entry: Side
    qty: int
    basis: Decimal | None
    is_about: bool

    def leg(self, what: str, kind: str, ticks: int | None, exact: Decimal | None, note: str = "") -> Part:
        """A bracket leg: so many ticks from the fill, or moved to an exact price."""
        away = self.entry.sign * (-1 if what == "stop" else 1)
        price = exact
        if price is None and ticks is not None and self.basis is not None:
            price = self.basis + away * ticks * self.contract.tick_size
        distance = _Distance.of(ticks, self.contract)
        return Part(
            what=what,
            side=self.entry.opposite.value,
            qty=self.qty,
            type=kind,
            price=price,
            is_about=self.is_about and exact is None,
            ticks=ticks,
            points=distance.points,
            usd_each=distance.usd,
            usd_total=None if distance.usd is None else distance.usd * self.qty,
            note=note,
        )


@dataclass(frozen=True, slots=True)
class _Distance:
    points: Decimal | None
    usd: Decimal | None  # per contract

    @classmethod
    def of(cls, ticks: int | None, contract: Contract) -> _Distance:
        if ticks is None:
            return cls(None, None)
        return cls(ticks * contract.tick_size, ticks * contract.tick_value)


def _care(care: Care, contract: Contract, qty: int) -> Iterator[Part]:
    if care.breakeven is not None:
        offset = care.breakeven.offset_ticks
        goes = "then the stop to the entry" + (f", {offset} ticks in favour" if offset else "")
        yield _rule("break-even", care.breakeven.trigger_ticks, contract, qty, goes)
    if care.trail is not None:
        begins = (
            f"from {care.trail.trigger_ticks} ticks in favour on" if care.trail.trigger_ticks else "from the fill on"
        )
        yield _rule("trail", care.trail.distance_ticks, contract, qty, f"{begins}, steps of {care.trail.step_ticks}")


def _rule(what: str, ticks: int, contract: Contract, qty: int, note: str) -> Part:
    distance = _Distance.of(ticks, contract)
    assert distance.usd is not None, "its ticks are known"
    return Part(
        what=what, qty=qty, ticks=ticks, points=distance.points, usd_each=distance.usd, usd_total=distance.usd * qty, note=note
    )  # fmt: skip


def _moved(what: str, price: Decimal, avg_price: Decimal | None, contract: Contract) -> Part:
    """Its distance is from the average price of the position, without a sign."""
    if avg_price is None:
        return Part(what=what, price=price)
    points = abs(price - avg_price)
    ticks = points / contract.tick_size
    return Part(
        what=what,
        price=price,
        ticks=int(ticks),
        points=points,
        usd_each=points * contract.point_value,
        note=f"from the average price {avg_price.normalize():f}",
    )
