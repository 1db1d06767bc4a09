"""What the ledger answers with: trades that are over and trades that are not."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from desk.core.ids import AccountId, CauseId, ClientOrderId, ContractId
from desk.core.plans import ExitReason
from desk.core.words import Side

__all__ = ["OpenTrade", "RoundTrip"]


class RoundTrip(msgspec.Struct, frozen=True, kw_only=True):
    """Entry to flat in one contract of one account. ``side`` is the entry's.

    Where the fills begin in the middle of a position, its entry was never seen: ``entry_avg`` and ``opened_at`` are
    None, ``qty`` is what was seen closing, and fees and commissions lack the entry's. Where a later fill shows that it
    must have ended, the exit was never seen: ``exit_avg`` and ``gross`` are None, and ``closed_at`` is the later fill's.
    """

    account_id: AccountId
    contract_id: ContractId
    side: Side
    qty: int  # the most that was held
    entry_avg: Decimal | None  # points, weighted by size over all entries
    exit_avg: Decimal | None
    opened_at: datetime | None
    closed_at: datetime
    gross: Decimal | None  # USD; None: no exit, or no P&L from the gateway and an unknown contract
    fees: Decimal  # USD, both sides
    commissions: Decimal  # USD, both sides
    cause: CauseId  # what opened it, as the journal has it
    exit_reason: ExitReason = ExitReason.UNKNOWN
    fills: int
    entry_tag: ClientOrderId | None  # of the first fill; None: not an order of ours
    exit_tag: ClientOrderId | None  # of the last fill
    recorded_at: datetime  # when the last fill was written down: later than ``closed_at`` after a gap

    @property
    def is_whole(self) -> bool:
        """Its entry and its exit were seen."""
        return self.entry_avg is not None and self.exit_avg is not None

    @property
    def net(self) -> Decimal | None:
        return None if self.gross is None else self.gross - self.fees - self.commissions

    @property
    def duration(self) -> timedelta | None:
        return None if self.opened_at is None or self.exit_avg is None else self.closed_at - self.opened_at


class OpenTrade(msgspec.Struct, frozen=True, kw_only=True):
    """A position as the fills tell it, with what partial closes have realised so far."""

    account_id: AccountId
    contract_id: ContractId
    qty: int  # signed, never 0
    max_qty: int  # the most that was held, positive
    avg_price: Decimal  # points; what is left stands at
    opened_at: datetime
    last_fill_at: datetime
    gross: Decimal | None  # USD, realised so far; None as in RoundTrip
    fees: Decimal  # USD, so far
    commissions: Decimal
    cause: CauseId
    fills: int
    entry_tag: ClientOrderId | None
