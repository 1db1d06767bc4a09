"""Fills to positions and round trips, place by place.

The fills may come in any order, more than once, and from the middle of a story. A fill is known by its account and id;
one that was voided counts for nothing. They are taken in the order of their time at the venue, then of their id.

    flat ──opening──▶ held ──adding, partial close──▶ held ──closing──▶ flat            one RoundTrip
                      held ──a fill larger than it──▶ held the other way               one RoundTrip, and another begins
    flat ──a fill that the gateway calls closing──▶ an entry that nobody saw           one RoundTrip without an entry
    held ──a fill that the gateway says cannot be its──▶ an end that nobody saw        one RoundTrip without an exit

To the gateway a fill with a P&L closes and one without opens (gateway reference 3.10). Where it tells an account's P&L,
that word counts more than our sum: a story that begins in the middle, or lacks a fill, falls into step again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

import msgspec

from desk.core.ids import AccountId, ClientOrderId, ContractId, FillId, GatewayOrderId
from desk.core.records import FillRecorded
from desk.core.words import Fill, Side
from desk.ledger.money import Contracts, as_decimal, usd_of
from desk.ledger.words import OpenTrade, RoundTrip

__all__ = ["Book", "BookedFill", "keep_book"]

_CENT = Fraction(1, 100)  # the gateway rounds, we do not
_CENT_FRACTION = Decimal("1E-6")  # to which a reversing fill's costs are split; nothing is lost, the rest is the rest


class BookedFill(msgspec.Struct, frozen=True, kw_only=True):
    """A fill and what it realised."""

    fill: Fill
    gross: Decimal | None  # USD, 0 for an opening one; None: it closed, and nobody knows for how much


class Book(msgspec.Struct, frozen=True, kw_only=True):
    trips: tuple[RoundTrip, ...]  # in the order of their ends
    open: tuple[OpenTrade, ...]  # in the order of their beginnings
    fills: tuple[BookedFill, ...]  # each once, in the order of their time


def keep_book(records: Iterable[FillRecorded], contracts: Contracts) -> Book:
    """contracts: the gateway's records. One that is missing matters only where the gateway gave no P&L."""
    places: dict[tuple[AccountId, ContractId], _Place] = {}
    trips: list[RoundTrip] = []
    booked: list[BookedFill] = []
    in_order = _in_order(records)
    telling = {record.fill.account_id for record in in_order if record.fill.gross_pnl is not None}
    for record in in_order:
        key = (record.fill.account_id, record.fill.contract_id)
        place = places.setdefault(key, _Place())
        place.end_unseen_by(record, trips, tells=record.fill.account_id in telling)
        booked.append(BookedFill(fill=record.fill, gross=_take(place, record, contracts, trips)))
    for place in places.values():
        place.end_unseen(trips)
    trips.sort(key=lambda trip: (trip.closed_at, trip.account_id, trip.contract_id))
    held = [_as_open(place.held) for place in places.values() if place.held is not None]
    held.sort(key=lambda trade: (trade.opened_at, trade.account_id, trade.contract_id))
    return Book(trips=tuple(trips), open=tuple(held), fills=tuple(booked))


def _in_order(records: Iterable[FillRecorded]) -> list[FillRecorded]:
    """Each fill once, without voided ones. Of two reports of one fill the one that says more counts."""
    known: dict[tuple[AccountId, FillId], FillRecorded] = {}
    voided: set[tuple[AccountId, FillId]] = set()
    for record in records:
        key = (record.fill.account_id, record.fill.fill_id)
        if record.fill.voided:
            voided.add(key)
        elif key not in known or _worth(record) < _worth(known[key]):
            known[key] = record
    kept = sorted(
        (record for key, record in known.items() if key not in voided),
        key=lambda record: (record.fill.ts_event, record.fill.fill_id, record.fill.account_id),
    )
    # The rows of one order at one instant stay together, closing ones first: it cannot open before it has closed.
    began: dict[tuple[datetime, AccountId, GatewayOrderId], int] = {}
    for number, record in enumerate(kept):
        began.setdefault(_order_at(record.fill), number)
    return sorted(kept, key=lambda record: (began[_order_at(record.fill)], record.fill.gross_pnl is None))


def _order_at(fill: Fill) -> tuple[datetime, AccountId, GatewayOrderId]:
    return fill.ts_event, fill.account_id, fill.gateway_order_id


def _worth(record: FillRecorded) -> tuple[bool, bool, datetime, datetime]:
    """Sorts the report to be kept first; the same whichever came first."""
    return record.fill.gross_pnl is None, record.client_order_id is None, record.ts, record.fill.ts_event


@dataclass(slots=True)
class _Running:
    """A trip on its way. ``cost`` is what is held times its average price: exact, for a third has no decimals."""

    first: FillRecorded
    last: FillRecorded
    sign: int  # of the position
    qty: int = 0
    max_qty: int = 0
    cost: Fraction = Fraction(0)
    entered_qty: int = 0
    entered: Decimal = Decimal(0)  # points times contracts
    exited_qty: int = 0
    exited: Decimal = Decimal(0)
    gross: Fraction | None = Fraction(0)
    fees: Decimal = Decimal(0)
    commissions: Decimal = Decimal(0)
    fills: int = 0
    has_unseen: bool = False  # more was closed than was seen opening


@dataclass(slots=True)
class _Place:
    held: _Running | None = None
    unseen: _Running | None = None  # closes a position whose entry was not seen

    def end_unseen_by(self, record: FillRecorded, trips: list[RoundTrip], *, tells: bool) -> None:
        """What is held is surely over when the gateway calls a fill closing that would add, or opening that would close.

        tells: it tells this account's P&L at all.
        """
        if self.held is None:
            return
        would_close = self.held.sign == -record.fill.side.sign
        if would_close != (record.fill.gross_pnl is not None) and tells:
            trips.append(_as_trip(self.held, over_by=record.fill.ts_event))
            self.held = None

    def end_unseen(self, trips: list[RoundTrip]) -> None:
        """No more fills come that close what nobody saw opening."""
        if self.unseen is not None:
            trips.append(_as_trip(self.unseen))
            self.unseen = None


@dataclass(frozen=True, slots=True)
class _Part:
    """A fill, or the half of one that ends a position and begins the opposite one."""

    qty: int
    fees: Decimal
    commissions: Decimal


def _take(place: _Place, record: FillRecorded, contracts: Contracts, trips: list[RoundTrip]) -> Decimal | None:
    """Adds one fill; returns what it realised."""
    fill, held = record.fill, place.held
    whole = _Part(fill.qty, fill.fees, fill.commissions)
    if held is not None and held.sign == -fill.side.sign:
        place.end_unseen(trips)
        closing, opening = _split(whole, held.qty)
        if opening is not None and not _is_reversal(held, fill, contracts):
            closing, opening, held.has_unseen = whole, None, True
        gross = _close(held, record, closing, contracts)
        if held.qty == 0:
            trips.append(_as_trip(held))
            place.held = None
        if opening is not None:
            place.held = _open(None, record, opening)
        return gross
    if fill.gross_pnl is not None:
        if place.unseen is not None and place.unseen.sign == fill.side.sign:
            place.end_unseen(trips)
        place.unseen = _close_unseen(place.unseen, record, whole, fill.gross_pnl)
        return fill.gross_pnl
    place.end_unseen(trips)
    place.held = _open(held, record, whole)
    return Decimal(0)


def _split(whole: _Part, held_qty: int) -> tuple[_Part, _Part | None]:
    """What of a fill closes, and what is left over to open the other way."""
    if whole.qty <= held_qty:
        return whole, None
    fees = (whole.fees * held_qty / whole.qty).quantize(_CENT_FRACTION)
    commissions = (whole.commissions * held_qty / whole.qty).quantize(_CENT_FRACTION)
    closing = _Part(held_qty, fees, commissions)
    return closing, _Part(whole.qty - held_qty, whole.fees - fees, whole.commissions - commissions)


def _is_reversal(held: _Running, fill: Fill, contracts: Contracts) -> bool:
    """Whether a fill larger than what is held turns it around; if not, more was held than was seen."""
    contract = contracts.get(fill.contract_id)
    if fill.gross_pnl is None or contract is None:
        return True
    gross = usd_of((Fraction(fill.price) * held.qty - held.cost) * held.sign, contract)
    return abs(gross - Fraction(fill.gross_pnl)) < _CENT


def _open(running: _Running | None, record: FillRecorded, part: _Part) -> _Running:
    if running is None:
        running = _Running(first=record, last=record, sign=record.fill.side.sign)
    _count(running, record, part)
    running.qty += part.qty
    running.max_qty = max(running.max_qty, running.qty)
    running.cost += Fraction(record.fill.price) * part.qty
    running.entered_qty += part.qty
    running.entered += record.fill.price * part.qty
    return running


def _close(running: _Running, record: FillRecorded, part: _Part, contracts: Contracts) -> Decimal | None:
    """Takes ``part`` from what is held; returns the dollars, the gateway's own where it gave them."""
    fill = record.fill
    seen = min(part.qty, running.qty)
    cost = running.cost * seen / running.qty
    gross = None if fill.gross_pnl is None else Fraction(fill.gross_pnl)
    contract = contracts.get(fill.contract_id)
    if gross is None and contract is not None:
        gross = usd_of((Fraction(fill.price) * part.qty - cost) * running.sign, contract)
    running.gross = None if gross is None or running.gross is None else running.gross + gross
    _count(running, record, part)
    _exit(running, fill, part)
    running.max_qty = max(running.max_qty, part.qty)
    running.qty -= seen
    running.cost -= cost
    return None if gross is None else as_decimal(gross)


def _close_unseen(running: _Running | None, record: FillRecorded, part: _Part, gross: Decimal) -> _Running:
    """The gateway says that this fill closes, and what it closes was not seen."""
    if running is None:
        running = _Running(first=record, last=record, sign=-record.fill.side.sign)
    _count(running, record, part)
    _exit(running, record.fill, part)
    running.max_qty = running.exited_qty
    running.gross = (running.gross or Fraction(0)) + Fraction(gross)
    return running


def _exit(running: _Running, fill: Fill, part: _Part) -> None:
    running.exited_qty += part.qty
    running.exited += fill.price * part.qty


def _count(running: _Running, record: FillRecorded, part: _Part) -> None:
    running.last = record
    running.fills += 1
    running.fees += part.fees
    running.commissions += part.commissions


def _as_trip(running: _Running, over_by: datetime | None = None) -> RoundTrip:
    """over_by: its end was not seen; at the latest it was then."""
    first, last = running.first.fill, running.last.fill
    was_seen = running.entered_qty > 0 and not running.has_unseen
    gross = running.gross if over_by is None else None
    return RoundTrip(
        account_id=first.account_id,
        contract_id=first.contract_id,
        side=Side.BUY if running.sign > 0 else Side.SELL,
        qty=running.max_qty,
        entry_avg=_average(running.entered, running.entered_qty) if was_seen else None,
        exit_avg=_average(running.exited, running.exited_qty) if over_by is None else None,
        opened_at=first.ts_event if was_seen else None,
        closed_at=over_by or last.ts_event,
        gross=None if gross is None else as_decimal(gross),
        fees=running.fees,
        commissions=running.commissions,
        cause=running.first.cause,
        fills=running.fills,
        entry_tag=running.first.client_order_id if was_seen else None,
        exit_tag=_tag(running.last) if over_by is None else None,
        recorded_at=running.last.ts,
    )


def _as_open(running: _Running) -> OpenTrade:
    first = running.first.fill
    return OpenTrade(
        account_id=first.account_id,
        contract_id=first.contract_id,
        qty=running.qty * running.sign,
        max_qty=running.max_qty,
        avg_price=as_decimal(running.cost / running.qty),
        opened_at=first.ts_event,
        last_fill_at=running.last.fill.ts_event,
        gross=None if running.gross is None else as_decimal(running.gross),
        fees=running.fees,
        commissions=running.commissions,
        cause=running.first.cause,
        fills=running.fills,
        entry_tag=_tag(running.first),
    )


def _tag(record: FillRecorded) -> ClientOrderId | None:
    return record.client_order_id


def _average(total: Decimal, qty: int) -> Decimal:
    return as_decimal(Fraction(total) / qty)
