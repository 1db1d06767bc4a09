"""What the journal answers with: one record with its place in the journal, or one alert with what became of it."""

from __future__ import annotations

from datetime import datetime

import msgspec

from desk.core.alert import Alert
from desk.core.ids import AccountId, CauseId
from desk.core.records import Record

__all__ = ["AlertRow", "JournalRow"]


class JournalRow(msgspec.Struct, frozen=True, kw_only=True):
    """One record. ``seq`` counts from 1 in the order of the commits and is never used twice."""

    seq: int
    ts: datetime
    type: str
    cause: CauseId
    account_id: AccountId | None  # None: the record is about no single account
    record: Record


class AlertRow(msgspec.Struct, frozen=True, kw_only=True):
    """One alert and the newest verdict about it."""

    alert_id: CauseId
    ts: datetime
    bot: str
    source: str  # peer address
    body_sha256: str
    dedupe_key: str
    raw: str  # secrets replaced
    alert: Alert | None  # None: it could not be read
    verdict: str  # a VerdictKind
    reason: str
    text: str
    of: CauseId | None  # duplicate: the first one's id
