"""The reading side, for the one reader thread: never waits for a writer, never changes anything."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Row

from desk.core.errors import StoreError
from desk.core.ids import AccountId, CauseId
from desk.core.records import Record
from desk.ledger import LedgerRecord
from desk.store import codec
from desk.store.database import connect, errors_in_words
from desk.store.rows import AlertRow, JournalRow
from desk.store.schema import QUERIES

__all__ = ["Reader"]

T = TypeVar("T")


class Reader:
    """Owns the reading connection. After a failure it is given up, and the next call opens a new one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: Connection | None = connect(path, writes=False)

    def read(self, after_seq: int) -> list[tuple[int, Record]]:
        return self._rows("after", lambda row: (row.seq, _record(row)), after_seq=after_seq)

    def last_seq(self) -> int:
        return self._rows("last_seq", _as_it_is)[0][0] or 0

    def newest_snapshot(self, format: int) -> tuple[int, bytes] | None:  # noqa: A002 - the column's name
        for row in self._rows("newest_snapshot", _as_it_is, format=format):
            return row.seq, row.state
        return None

    def recent_alerts(self, limit: int, before: str | None) -> list[AlertRow]:
        if before is None:
            return self._rows("recent_alerts", _alert, limit=limit)
        for first in self._rows("alert", _as_it_is, alert_id=before):
            return self._rows("alerts_before", _alert, ts=first.ts, alert_id=before, limit=limit)
        return []

    def alert(self, alert_id: str) -> AlertRow | None:
        for alert in self._rows("alert", _alert, alert_id=alert_id):
            return alert
        return None

    def story(self, cause: str) -> list[JournalRow]:
        return self._rows("story", _journal, cause=cause)

    def between(self, start: datetime, end: datetime, limit: int) -> list[JournalRow]:
        return self._rows("between", _journal, start=codec.ts_text(start), end=codec.ts_text(end), limit=limit)

    def ledger(self, start: datetime, end: datetime) -> list[LedgerRecord]:
        records = self._rows("ledger", _record, start=codec.ts_text(start), end=codec.ts_text(end))
        return [record for record in records if isinstance(record, LedgerRecord)]

    def close(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            with errors_in_words(self._path):
                connection.close()

    def _rows(self, query: str, parse: Callable[[Row[Any]], T], **values: object) -> list[T]:
        try:
            with errors_in_words(self._path):
                if self._connection is None:
                    self._connection = connect(self._path, writes=False)
                with self._connection.begin():
                    rows = self._connection.execute(QUERIES[query].statement, values).all()
                return [parse(row) for row in rows]
        except StoreError:
            try:
                self.close()
            except StoreError:
                pass  # the first failure is the one to tell
            raise


def _as_it_is(row: Row[Any]) -> Row[Any]:
    return row


def _record(row: Row[Any]) -> Record:
    return codec.parse_record(row.seq, row.type, row.body)


def _journal(row: Row[Any]) -> JournalRow:
    return JournalRow(
        seq=row.seq,
        ts=codec.parse_ts(row.ts),
        type=row.type,
        cause=CauseId(row.cause),
        account_id=None if row.account_id is None else AccountId(row.account_id),
        record=_record(row),
    )


def _alert(row: Row[Any]) -> AlertRow:
    return AlertRow(
        alert_id=CauseId(row.alert_id),
        ts=codec.parse_ts(row.ts),
        bot=row.bot,
        source=row.source,
        body_sha256=row.body_sha256,
        dedupe_key=row.dedupe_key,
        raw=row.raw,
        alert=None if row.canonical is None else codec.parse_alert(row.alert_id, row.canonical),
        verdict=row.verdict,
        reason=row.reason,
        text=row.text,
        of=None if row.of is None else CauseId(row.of),
    )
