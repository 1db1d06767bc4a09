"""The writing side, for the one writer thread: every method is one transaction, committed when it returns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

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


# As texts: per append they cost what the driver costs; SQLite keeps them prepared on the connection.
_INSERT_RECORD = _prepared(schema.INSERT_RECORD)
_INSERT_ALERT = _prepared(schema.INSERT_ALERT)
_UPDATE_VERDICT = _prepared(schema.UPDATE_VERDICT)


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
        values = [codec.record_values(record) for record in records]
        with self._transaction() as connection:
            connection.exec_driver_sql(_INSERT_RECORD, values)
            # executemany does not say; this connection's last insert does.
            last: int = connection.exec_driver_sql("SELECT last_insert_rowid()").scalar_one()
            for record in records:
                if isinstance(record, AlertJournalled):
                    connection.exec_driver_sql(_INSERT_ALERT, codec.alert_values(record))
                elif isinstance(record, AlertDecided):
                    connection.exec_driver_sql(_UPDATE_VERDICT, codec.verdict_values(record))
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
        try:
            with errors_in_words(self._path):
                if self._connection is None:
                    self._connection = connect(self._path, writes=True)
                with self._connection.begin():
                    # IMMEDIATE: a foreign lock shows here, before anything was written
                    self._connection.exec_driver_sql("BEGIN IMMEDIATE")
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
