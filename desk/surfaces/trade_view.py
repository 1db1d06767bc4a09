"""Round trips as plain values: what ``GET /api/trades`` answers and what the table and the file are made of.

A name once given stays; ``null`` is what nobody measured, with the reason beside it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

import msgspec

from desk.core.ids import AccountId, ContractId
from desk.core.records import FillRecorded
from desk.core.words import Side
from desk.ledger import (
    Book,
    LedgerRecord,
    Mark,
    OpenTrade,
    RoundTrip,
    Statistics,
    UnknownContract,
    keep_ledger,
    results_by_day,
    statistics_of,
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
    exit_price: Decimal
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


class TradesView(msgspec.Struct, frozen=True, kw_only=True, rename={"start": "from", "end": "to"}):
    start: datetime
    end: datetime
    trades: tuple[TradeView, ...]  # closed in the span, oldest end first
    open: tuple[OpenTradeView, ...]
    statistics: Statistics
    by_account: tuple[AccountFigures, ...]
    days: tuple[DayView, ...]
    notes: tuple[str, ...]  # what the numbers lack


async def view_trades(desk: Desk, span: Span) -> TradesView:
    """Reads the journal and counts in a thread: a year of fills must not keep an alert waiting. Raises StoreError."""
    written = await desk.journal.ledger(span.start - LOOK_BACK, span.end + LATE)
    catalogue = dict(desk.catalogue)
    book = await asyncio.to_thread(lambda: keep_ledger(_until(written, span.end), catalogue))
    trips = [trip for trip in book.trips if span.start <= trip.closed_at]
    held = {(position.account_id, position.contract_id): position for position in view.view_positions(desk)}
    is_now = span.end > desk.clock.now()
    still_open = _open_trades(desk, book, span, held if is_now else {}, is_now)
    fills = [booked for booked in book.fills if booked.fill.ts_event >= span.start]
    accounts = sorted({trip.account_id for trip in trips})
    return TradesView(
        start=span.start,
        end=span.end,
        trades=tuple(_trade(desk, trip) for trip in trips),
        open=still_open,
        statistics=statistics_of(trips),
        by_account=tuple(
            AccountFigures(
                account_id=account_id,
                account=_account_name(desk, account_id),
                statistics=statistics_of(trip for trip in trips if trip.account_id == account_id),
            )
            for account_id in accounts
        ),
        days=tuple(
            DayView(
                day=day.day,
                account_id=day.account_id,
                account=_account_name(desk, day.account_id),
                gross_usd=day.gross,
                fees_usd=day.fees,
                commissions_usd=day.commissions,
                net_usd=day.net,
                fills=day.fills,
            )
            for day in results_by_day(fills)
        ),
        notes=_notes(trips, still_open, held if is_now else {}),
    )


def _until(records: Sequence[LedgerRecord], end: datetime) -> list[LedgerRecord]:
    return [record for record in records if not isinstance(record, FillRecorded) or record.fill.ts_event < end]


def _trade(desk: Desk, trip: RoundTrip) -> TradeView:
    return TradeView(
        account_id=trip.account_id,
        account=_account_name(desk, trip.account_id),
        contract_id=trip.contract_id,
        symbol=_symbol(desk, trip.contract_id),
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


_Held = dict[tuple[AccountId, ContractId], PositionView]


def _open_trades(desk: Desk, book: Book, span: Span, held: _Held, is_now: bool) -> tuple[OpenTradeView, ...]:
    """Of the positions that the fills leave open those that were traded in the span, or that the venue still has."""
    found = []
    for trade in book.open:
        position = held.get((trade.account_id, trade.contract_id))
        if trade.last_fill_at >= span.start or position is not None:
            found.append(_open_trade(desk, trade, position, is_now))
    return tuple(found)


def _open_trade(desk: Desk, trade: OpenTrade, position: PositionView | None, is_now: bool) -> OpenTradeView:
    mark = age_ms = usd = None
    if not is_now:
        note: str | None = "the span ends before now"
    elif position is None or position.qty != trade.qty:
        there = "none" if position is None else f"{position.qty:+d}"
        note = f"the fills leave {trade.qty:+d} and the venue holds {there}: a fill is missing so far"
    else:
        mark, age_ms, note = position.mark, position.mark_age_ms, position.unrealised_note
    if mark is not None and age_ms is not None:
        try:
            usd = unrealised(trade, Mark(price=mark, age_ms=age_ms), desk.catalogue)
        except UnknownContract as error:
            note = str(error)
    return OpenTradeView(
        account_id=trade.account_id,
        account=_account_name(desk, trade.account_id),
        contract_id=trade.contract_id,
        symbol=_symbol(desk, trade.contract_id),
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


def _notes(trips: Sequence[RoundTrip], still_open: Sequence[OpenTradeView], held: _Held) -> tuple[str, ...]:
    notes = []
    unseen = sum(1 for trip in trips if not trip.is_whole)
    if unseen:
        notes.append(
            f"{unseen} of the trades began before the first fill that is known: entry and duration are not known, "
            "and the costs of the entry are not counted"
        )
    lacking = sorted({trip.contract_id for trip in trips if trip.gross is None})
    if lacking:
        notes.append(
            f"No P&L of {', '.join(lacking)}: the gateway told none, and its tick value is not in the contract list. "
            "Statistics leave these trades out"
        )
    known = {(trade.account_id, trade.contract_id) for trade in still_open}
    notes += [
        f"{position.symbol} {position.qty:+d} in {position.account} is open, and none of its fills is known"
        for place, position in held.items()
        if place not in known
    ]
    return tuple(notes)


def _account_name(desk: Desk, account_id: AccountId) -> str:
    known = desk.state.accounts.get(account_id)
    return known.account.name if known is not None else str(account_id)


def _symbol(desk: Desk, contract_id: ContractId) -> str:
    contract = desk.catalogue.get(contract_id)
    return contract.name if contract is not None else contract_id
