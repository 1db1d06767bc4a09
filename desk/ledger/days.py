"""Realised results per account and trading day, as the account's balance moves: each fill counts on its own day."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal

import msgspec

from desk.core.ids import AccountId
from desk.core.trading_day import trading_day
from desk.ledger.book import BookedFill
from desk.ledger.money import sum_of

__all__ = ["DayResult", "results_by_day"]


class DayResult(msgspec.Struct, frozen=True, kw_only=True):
    """One account on one trading day. The fees of an entry count on the day of the entry."""

    account_id: AccountId
    day: date
    gross: Decimal | None  # USD realised; None: one of the fills closed for nobody knows how much
    fees: Decimal
    commissions: Decimal
    fills: int

    @property
    def net(self) -> Decimal | None:
        return None if self.gross is None else self.gross - self.fees - self.commissions


def results_by_day(fills: Iterable[BookedFill]) -> tuple[DayResult, ...]:
    """Oldest day first; days without a fill are left out."""
    found: dict[tuple[date, AccountId], list[BookedFill]] = {}
    for booked in fills:
        found.setdefault((trading_day(booked.fill.ts_event), booked.fill.account_id), []).append(booked)
    return tuple(
        DayResult(
            account_id=account_id,
            day=day,
            gross=sum_of(booked.gross for booked in group),
            fees=sum((booked.fill.fees for booked in group), Decimal(0)),
            commissions=sum((booked.fill.commissions for booked in group), Decimal(0)),
            fills=len(group),
        )
        for (day, account_id), group in sorted(found.items(), key=lambda item: item[0])
    )
