"""The writing side, for the one writer thread: every method is one transaction, committed when it returns."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql.expression import ClauseElement

from desk.core.errors import ConfigError, StoreError
from desk.core.records import AlertDecided, AlertJournalled, Record
from desk.store import codec, schema
from desk.store.database import connect, create_if_missing, create_missing_indexes, errors_in_words

__all__ = ["Writer"]


def _prepared(statement: ClauseElement) -> str:
    return str(statement.compile(dialect=sqlite.dialect()))


# As texts, for the driver itself: per row SQLAlchemy costs more than SQLite. The connection keeps them prepared.
_INSERT_RECORD = _prepared(schema.INSERT_RECORD)
_INSERT_ALERT = _prepared(schema.INSERT_ALERT)
_UPDATE_VERDICT = _prepared(schema.UPDATE_VERDICT)
_BEGIN = "BEGIN IMMEDIATE"  # a foreign lock shows here, before anything was written
_MOST_ROWS = 50  # of one statement: each number of rows is another text, and the driver keeps 128 of them prepared


@cache
def _for_rows(insert: str, count: int) -> str:
    """``INSERT ... VALUES (?, ?), (?, ?)``: so many rows at once."""
    before, values, row = insert.partition(" VALUES ")
    return before + values + ", ".join([row] * count)


def _insert(driver: sqlite3.Connection, statement: str, rows: Sequence[tuple[Any, ...]]) -> int:
    """In their order; returns the last one's rowid, 0 without any. In few statements: each lets go of the interpreter and
    may wait long to get it back from a busy event loop."""
    last = 0
    for start in range(0, len(rows), _MOST_ROWS):
        some = rows[start : start + _MOST_ROWS]
        values = [value for row in some for value in row]
        last = driver.execute(_for_rows(statement, len(some)), values).lastrowid or 0
    return last


class Writer:
    """Owns the writing connection. After a failure it is given up, and the next call opens a new one."""

    def __init__(self, path: Path) -> None:
        """Makes the file when there is none. Raises StoreError when it cannot be used."""
        self._path = path
        create_if_missing(path)
        self._connection: Connection | None = connect(path, writes=True)
        with self._transaction() as connection:
            create_missing_indexes(connection)

    def append(self, records: Sequence[Record]) -> int:
        """All of ``records`` or none of them; returns the last one's seq. Raises StoreError: none of them is kept."""
        rows = [codec.record_values(record) for record in records]
        alerts = [codec.alert_values(record) for record in records if isinstance(record, AlertJournalled)]
        verdicts = [codec.verdict_values(record) for record in records if isinstance(record, AlertDecided)]
        with self._driver_transaction() as driver:
            last = _insert(driver, _INSERT_RECORD, rows)
            _insert(driver, _INSERT_ALERT, alerts)
            for verdict in verdicts:  # after the alerts: one of them may be of this batch
                driver.execute(_UPDATE_VERDICT, verdict)
        return last

    def save_snapshot(self, seq: int, format: int, state: bytes) -> None:  # noqa: A002 - the column's name
        """Keep ``state``, the fold of all records up to ``seq``, and the two before it."""
        with self._transaction() as connection:
            ts = connection.execute(schema.TS_OF_RECORD, {"seq": seq}).scalar_one_or_none()
            if ts is None:
                raise StoreError(f"no snapshot at {seq}: the journal has no such record")
            row = {"seq": seq, "format": format, "ts": ts, "state": state}
            connection.execute(schema.SAVE_SNAPSHOT, row)
            connection.execute(schema.DROP_OLD_SNAPSHOTS)

    def claim(self, login: str) -> None:
        """Bind the file to one login for good. Raises ConfigError when it belongs to another."""
        with self._transaction() as connection:
            owner = connection.execute(schema.QUERIES["meta"].statement, {"key": "login"}).scalar_one_or_none()
            if owner is None:
                connection.execute(schema.INSERT_META, {"key": "login", "value": login})
        if owner not in (None, login):
            whose = "paper trading" if owner == "paper" else "another login"
            raise ConfigError(f"DATA_DIR {self._path.parent} holds the journal of {whose}: set another DATA_DIR")

    def close(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            with errors_in_words(self._path):
                connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with self._open() as connection, connection.begin():
            connection.exec_driver_sql(_BEGIN)
            yield connection

    @contextmanager
    def _driver_transaction(self) -> Iterator[sqlite3.Connection]:
        """For what is written all the time: SQLAlchemy's own work would make a commit of one record half as dear again."""
        with self._open() as connection:
            driver = connection.connection.driver_connection
            assert isinstance(driver, sqlite3.Connection), "made by database.connect"
            with driver:  # commits, or rolls back
                driver.execute(_BEGIN)
                yield driver

    @contextmanager
    def _open(self) -> Iterator[Connection]:
        try:
            with errors_in_words(self._path):
                if self._connection is None:
                    self._connection = connect(self._path, writes=True)
                yield self._connection
        except StoreError:
            self._give_up()
            raise

    def _give_up(self) -> None:
        """A connection that failed is not trusted with the next transaction; what it had open is rolled back."""
        try:
            self.close()
        except StoreError:
            pass  # the first failure is the one to tell
