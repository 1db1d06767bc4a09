"""Persistence in one SQLite file: written before a reply goes out and before events are pushed.

A commit appends to the write-ahead log and leaves the syncing to the system, so it survives the death of this
process at any instant. The log is folded into the file by ``checkpoint``, which may be called from a thread.
"""

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from desk.sim.model import Account, HalfTurn, Order, Position, Row
from desk.sim.words import OrderType, Side, Status

SCHEMA = "desk.sim/1"
_KINDS: dict[str, type[Row]] = {"account": Account, "order": Order, "position": Position, "trade": HalfTurn}
_NAMES = {kind: name for name, kind in _KINDS.items()}
_READERS: Mapping[str, Callable[[Any], Any]] = {
    "created": datetime.fromisoformat,
    "updated": datetime.fromisoformat,
    "status": Status,
    "type": OrderType,
    "side": Side,
    **dict.fromkeys(
        (
            "balance", "limit_price", "stop_price", "trail_price", "filled_price", "average_price", "price",
            "profit", "fees", "commissions", "minis", "position_stop_usd", "position_target_usd",
        ),
        Decimal,
    ),
}  # fmt: skip


class StateFileError(Exception):
    """The state file cannot be used; nothing in it was changed."""


class StateFile:
    """Rows by kind and id, and a few named values, among them the time of the last commit."""

    def __init__(self, path: Path) -> None:
        """Open or create. Raises StateFileError for a file that is damaged, locked or not ours."""
        self.path = path
        self.commits = 0
        self._owed: dict[tuple[str, int], str] = {}  # rows that are not in the file yet
        try:
            self._db = sqlite3.connect(
                path, isolation_level=None, timeout=2.0, check_same_thread=False
            )  # opened in a thread at the start, used by the loop alone
        except sqlite3.Error as exc:
            raise self._unusable(exc) from exc
        try:
            self._prepare()
        except sqlite3.Error as exc:
            self._db.close()
            raise self._unusable(exc) from exc
        except StateFileError:
            self._db.close()
            raise

    def read(self) -> tuple[list[Row], dict[str, Any]]:
        """Everything kept, rows in the order of their ids. Raises StateFileError when a row makes no sense."""
        try:
            rows = [
                _row(kind, json.loads(body))
                for kind, body in self._db.execute("SELECT kind, body FROM rows ORDER BY kind, id")
            ]
            values = {name: json.loads(body) for name, body in self._db.execute("SELECT name, body FROM named")}
        except (sqlite3.Error, ValueError, KeyError, TypeError, InvalidOperation) as exc:
            raise self._unusable(exc) from exc
        return rows, values

    def write(self, rows: Iterable[Row], named: Mapping[str, Any]) -> None:
        """One transaction; when this returns, a kill does no harm. What a full disk refuses is written with the next one."""
        for row in rows:
            self._owed[_NAMES[type(row)], row.id] = json.dumps(_plain(row))
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(
                "INSERT OR REPLACE INTO rows VALUES (?, ?, ?)", [(*key, body) for key, body in self._owed.items()]
            )
            self._db.executemany(
                "INSERT OR REPLACE INTO named VALUES (?, ?)",
                [(name, json.dumps(value)) for name, value in named.items()],
            )
            self._db.execute("COMMIT")
        except sqlite3.Error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        self._owed.clear()
        self.commits += 1

    def checkpoint(self) -> None:
        """Fold the log into the file over a connection of its own."""
        db = sqlite3.connect(self.path, timeout=2.0)
        try:
            db.execute("PRAGMA wal_checkpoint(PASSIVE)")
        finally:
            db.close()

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def _prepare(self) -> None:
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute("PRAGMA wal_autocheckpoint=0")
        tables = {name for (name,) in self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("CREATE TABLE rows (kind TEXT, id INTEGER, body TEXT, PRIMARY KEY (kind, id))")
            self._db.execute("CREATE TABLE named (name TEXT PRIMARY KEY, body TEXT)")
            self._db.execute("INSERT INTO named VALUES ('schema', ?)", (json.dumps(SCHEMA),))
            self._db.execute("COMMIT")
        elif not {"rows", "named"} <= tables:
            raise self._unusable("it belongs to another program")
        (verdict,) = self._db.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise self._unusable(verdict)
        found = self._db.execute("SELECT body FROM named WHERE name = 'schema'").fetchone()
        if found is None or json.loads(found[0]) != SCHEMA:
            raise self._unusable(f"it was written as {found[0] if found else 'nothing known'}, this is {SCHEMA}")

    def _unusable(self, why: object) -> StateFileError:
        is_whole = isinstance(why, sqlite3.OperationalError)  # a full disk, missing rights, another program's lock
        advice = "Nothing in it is damaged." if is_whole else "Move it away to start afresh."
        return StateFileError(f"state file {self.path} cannot be used: {why}. {advice}")


def _plain(row: Row) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for one in fields(row):
        value = getattr(row, one.name)
        if isinstance(value, Decimal):
            value = str(value)
        elif isinstance(value, datetime):
            value = value.isoformat()
        result[one.name] = value
    return result


def _row(kind: str, members: dict[str, Any]) -> Row:
    made = {
        name: _READERS[name](value) if value is not None and name in _READERS else value
        for name, value in members.items()
    }
    return _KINDS[kind](**made)
