"""What others did in the market: prints and depth rows. Not ours: an execution of ours is a ``Fill``."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

from desk.core.ids import ContractId
from desk.core.words import Side

__all__ = ["DepthKind", "DepthRow", "MarketTrade"]


class MarketTrade(msgspec.Struct, frozen=True, kw_only=True):
    """One print on the tape. ``aggressor`` is who crossed the spread; None when the feed sent a number nobody knows."""

    contract_id: ContractId
    price: Decimal  # points
    qty: int  # contracts
    aggressor: Side | None
    ts_event: datetime
    ts_recv: datetime


class DepthKind(StrEnum):
    """DomType of the gateway (reference 4). The book's rules are not documented: a hint, not a book (reference 5.3)."""

    UNKNOWN = "unknown"
    ASK = "ask"
    BID = "bid"
    BEST_ASK = "best_ask"
    BEST_BID = "best_bid"
    TRADE = "trade"
    RESET = "reset"
    LOW = "low"
    HIGH = "high"
    NEW_BEST_BID = "new_best_bid"
    NEW_BEST_ASK = "new_best_ask"
    FILL = "fill"


class DepthRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a depth message as it came."""

    contract_id: ContractId
    kind: DepthKind
    price: Decimal  # points
    volume: int
    current_volume: int | None
    ts_event: datetime | None
    ts_recv: datetime
