"""Round trips as plain values: what ``GET /api/trades`` answers and what the table and the file are made of.

A name once given stays; ``null`` is what nobody measured, with the reason beside it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

import msgspec

from desk.core.ids import AccountId, ContractId
from desk.core.records import FillRecorded
from desk.core.words import Contract, Side
from desk.engine.state import Place, State
from desk.ledger import (
    Book,
    DayResult,
    LedgerRecord,
    Mark,
    OpenTrade,
    RoundTrip,
    Statistics,
    UnknownContract,
    keep_ledger,
    results_by_day,
    statistics_of,
    sum_of,
    unrealised,
)
from desk.runtime.desk import Desk
from desk.surfaces import view
from desk.surfaces.shapes import PositionView
from desk.surfaces.spans import Span

__all__ = ["AccountFigures", "DayView", "OpenTradeView", "TradeView", "TradesView", "view_trades"]

LOOK_BACK = timedelta(days=7)  # a position that is closed in the span may have been opened so long before
LATE = timedelta(days=31)  # a fill that was read so long after it happened is still found


class TradeView(msgspec.Struct, frozen=True, kw_only=True):
    """Entry to flat. Prices in points, money in dollars."""

    account_id: AccountId
    account: str
    contract_id: ContractId
    symbol: str
    side: str  # long | short
    qty: int  # the most that was held
    entry_price: Decimal | None  # null: it began before the first fill that is known
    exit_price: Decimal | None  # null: its end was not seen; closed_at is the fill that showed it
    opened_at: datetime | None
    closed_at: datetime
    duration_ms: int | None
    gross_usd: Decimal | None
    fees_usd: Decimal
    commissions_usd: Decimal
    net_usd: Decimal | None
    exit_reason: str
    cause: str  # id for the command why; venue: made by hand or by another tool
    fills: int


class OpenTradeView(msgspec.Struct, frozen=True, kw_only=True):
    """Still held at the end of the span."""

    account_id: AccountId
    account: str
    contract_id: ContractId
    symbol: str
    qty: int  # signed
    avg_price: Decimal
    opened_at: datetime
    realised_usd: Decimal | None  # by partial closes, before costs
    fees_usd: Decimal
    commissions_usd: Decimal
    unrealised_usd: Decimal | None  # before costs
    mark: Decimal | None
    mark_age_ms: int | None
    unrealised_note: str | None  # why there is none
    cause: str
    fills: int


class DayView(msgspec.Struct, frozen=True, kw_only=True):
    """One account on one trading day, each fill counted on its own day."""

    day: date
    account_id: AccountId
    account: str
    gross_usd: Decimal | None
    fees_usd: Decimal
    commissions_usd: Decimal
    net_usd: Decimal | None
    fills: int


class AccountFigures(msgspec.Struct, frozen=True, kw_only=True):
    account_id: AccountId
    account: str
    statistics: Statistics


class AccountPnl(msgspec.Struct, frozen=True, kw_only=True):
    """What an account made in the span, each fill counted, and what its open positions stand at now."""

    account_id: AccountId
    account: str
    realised_usd: Decimal | None  # before costs; also of trades that are open still
    fees_usd: Decimal
    commissions_usd: Decimal
    net_usd: Decimal | None
    unrealised_usd: Decimal | None  # before costs; 0: nothing is open; None: not all of it is known


class TradesView(msgspec.Struct, frozen=True, kw_only=True, rename={"start": "from", "end": "to"}):
    start: datetime
    end: datetime
    trades: tuple[TradeView, ...]  # closed in the span, oldest end first
    open: tuple[OpenTradeView, ...]
    statistics: Statistics
    by_account: tuple[AccountFigures, ...]
    days: tuple[DayView, ...]
    pnl: tuple[AccountPnl, ...]
    notes: tuple[str, ...]  # what the numbers lack


@dataclass(frozen=True, slots=True)
class _Known:
    """What the desk knew when it was asked: frozen, so that another thread may read it."""

    state: State
    contracts: Mapping[ContractId, Contract]
    held: Mapping[Place, PositionView]  # empty for a span that ends before now
    is_now: bool

    def account(self, account_id: AccountId) -> str:
        known = self.state.accounts.get(account_id)
        return known.account.name if known is not None else str(account_id)

    def symbol(self, contract_id: ContractId) -> str:
        contract = self.contracts.get(contract_id)
        return contract.name if contract is not None else contract_id


async def view_trades(desk: Desk, span: Span) -> TradesView:
    """Reads the journal and counts in a thread: a year of fills must not keep an alert waiting. Raises StoreError."""
    written = await desk.journal.ledger(span.start - LOOK_BACK, span.end + LATE)
    is_now = span.end > desk.clock.now()
    held = {(position.account_id, position.contract_id): position for position in view.view_positions(desk)}
    known = _Known(desk.state, dict(desk.catalogue), held if is_now else {}, is_now)
    return await asyncio.to_thread(_counted, written, span, known)


def _counted(written: Sequence[LedgerRecord], span: Span, known: _Known) -> TradesView:
    book = keep_ledger(_until(written, span.end), known.contracts)
    trips = [trip for trip in book.trips if span.start <= trip.closed_at]
    still_open = tuple(_open_trades(book, span, known))
    by_account: dict[AccountId, list[RoundTrip]] = {}
    for trip in trips:
        by_account.setdefault(trip.account_id, []).append(trip)
    days = tuple(_day(day, known) for day in results_by_day(b for b in book.fills if b.fill.ts_event >= span.start))
    return TradesView(
        start=span.start,
        end=span.end,
        trades=tuple(_trade(trip, known) for trip in trips),
        open=still_open,
        statistics=statistics_of(trips),
        by_account=tuple(
            AccountFigures(account_id=a, account=known.account(a), statistics=statistics_of(by_account[a]))
            for a in sorted(by_account)
        ),
        days=days,
        pnl=tuple(_pnl(days, still_open, known)),
        notes=tuple(_notes(trips, still_open, known)),
    )


def _until(records: Sequence[LedgerRecord], end: datetime) -> list[LedgerRecord]:
    return [record for record in records if not isinstance(record, FillRecorded) or record.fill.ts_event < end]


def _trade(trip: RoundTrip, known: _Known) -> TradeView:
    return TradeView(
        account_id=trip.account_id,
        account=known.account(trip.account_id),
        contract_id=trip.contract_id,
        symbol=known.symbol(trip.contract_id),
        side="long" if trip.side is Side.BUY else "short",
        qty=trip.qty,
        entry_price=trip.entry_avg,
        exit_price=trip.exit_avg,
        opened_at=trip.opened_at,
        closed_at=trip.closed_at,
        duration_ms=None if trip.duration is None else round(trip.duration / timedelta(milliseconds=1)),
        gross_usd=trip.gross,
        fees_usd=trip.fees,
        commissions_usd=trip.commissions,
        net_usd=trip.net,
        exit_reason=trip.exit_reason.value,
        cause=trip.cause,
        fills=trip.fills,
    )


def _day(day: DayResult, known: _Known) -> DayView:
    return DayView(
        day=day.day,
        account_id=day.account_id,
        account=known.account(day.account_id),
        gross_usd=day.gross,
        fees_usd=day.fees,
        commissions_usd=day.commissions,
        net_usd=day.net,
        fills=day.fills,
    )


def _pnl(days: Sequence[DayView], still_open: Sequence[OpenTradeView], known: _Known) -> Iterator[AccountPnl]:
    explained = {(trade.account_id, trade.contract_id) for trade in still_open}
    unseen = {account_id for account_id, contract_id in known.held if (account_id, contract_id) not in explained}
    traded = {day.account_id for day in days} | {trade.account_id for trade in still_open}
    for account_id in sorted(traded | unseen):
        mine = [day for day in days if day.account_id == account_id]
        values = [trade.unrealised_usd for trade in still_open if trade.account_id == account_id]
        yield AccountPnl(
            account_id=account_id,
            account=known.account(account_id),
            realised_usd=sum_of(day.gross_usd for day in mine),
            fees_usd=sum((day.fees_usd for day in mine), Decimal(0)),
            commissions_usd=sum((day.commissions_usd for day in mine), Decimal(0)),
            net_usd=sum_of(day.net_usd for day in mine),
            unrealised_usd=sum_of([*values, *([None] if account_id in unseen else [])]),
        )


def _open_trades(book: Book, span: Span, known: _Known) -> Iterator[OpenTradeView]:
    """Of the positions that the fills leave open those that were traded in the span, or that the venue still has."""
    for trade in book.open:
        position = known.held.get((trade.account_id, trade.contract_id))
        if trade.last_fill_at >= span.start or position is not None:
            yield _open_trade(trade, position, known)


def _open_trade(trade: OpenTrade, position: PositionView | None, known: _Known) -> OpenTradeView:
    mark = age_ms = usd = None
    if not known.is_now:
        note: str | None = "the span ends before now"
    elif position is None or position.qty != trade.qty:
        there = "none" if position is None else f"{position.qty:+d}"
        note = f"the fills leave {trade.qty:+d} and the venue holds {there}: a fill is missing so far"
    else:
        mark, age_ms, note = position.mark, position.mark_age_ms, position.unrealised_note
    if mark is not None and age_ms is not None:
        try:
            usd = unrealised(trade, Mark(price=mark, age_ms=age_ms), known.contracts)
        except UnknownContract as error:
            note = str(error)
    return OpenTradeView(
        account_id=trade.account_id,
        account=known.account(trade.account_id),
        contract_id=trade.contract_id,
        symbol=known.symbol(trade.contract_id),
        qty=trade.qty,
        avg_price=trade.avg_price,
        opened_at=trade.opened_at,
        realised_usd=trade.gross,
        fees_usd=trade.fees,
        commissions_usd=trade.commissions,
        unrealised_usd=usd,
        mark=mark,
        mark_age_ms=age_ms,
        unrealised_note=note,
        cause=trade.cause,
        fills=trade.fills,
    )


def _notes(trips: Sequence[RoundTrip], still_open: Sequence[OpenTradeView], known: _Known) -> Iterator[str]:
    unseen = sum(1 for trip in trips if trip.entry_avg is None)
    if unseen:
        yield (
            f"{unseen} of the trades began before the first fill that is known: entry and duration are not known, "
            "and the costs of the entry are not counted"
        )
    lost = sum(1 for trip in trips if trip.exit_avg is None)
    if lost:
        yield f"{lost} of the trades ended by fills that are not known (yet): statistics leave them out"
    lacking = sorted({trip.contract_id for trip in trips if trip.gross is None and trip.exit_avg is not None})
    if lacking:
        yield (
            f"No P&L of {', '.join(lacking)}: the gateway told none, and its tick value is not in the contract list. "
            "Statistics leave these trades out"
        )
    explained = {(trade.account_id, trade.contract_id) for trade in still_open}
    for place, position in known.held.items():
        if place not in explained:
            yield f"{position.symbol} {position.qty:+d} in {position.account} is open, and none of its fills is known"
