"""The file itself: made whole or not at all, opened only when it is ours, and its errors in words."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from desk.core.errors import StoreError
from desk.store import schema
from desk.store.codec import DamagedRow

__all__ = ["connect", "create_if_missing", "create_missing_indexes", "errors_in_words"]

BUSY_TIMEOUT_S = (
    1.0  # only this program writes here: a longer lock is an accident, and the webhook waits for the answer
)

_PRAGMAS = (
    "PRAGMA foreign_keys=ON",
    "PRAGMA synchronous=FULL",
    "PRAGMA fullfsync=ON",  # macOS: a plain fsync does not reach the disk there; no effect elsewhere
    "PRAGMA checkpoint_fullfsync=ON",
)


def create_if_missing(path: Path) -> None:
    """Make the journal under another name and move it into place, so that a half-made one is never taken for a journal.

    path: the file; its directory is made, too. An existing file is left alone, whatever is in it.
    """
    with errors_in_words(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists():
            return
        if _companion(path, "-wal").exists():
            # SQLite would replay the orphan into the new file.
            raise StoreError(
                f"{path} is missing, but {path.name}-wal is there: put the journal back beside it, "
                "or move both away to start with an empty journal"
            )
        fresh = path.with_name(path.name + ".new")
        for leftover in (fresh, *(_companion(fresh, ending) for ending in ("-wal", "-shm", "-journal"))):
            leftover.unlink(missing_ok=True)
        engine = create_engine("sqlite://", creator=lambda: _open(fresh, "rwc"), poolclass=NullPool)
        schema.METADATA.create_all(engine)
        with engine.begin() as connection:
            format_ = {"schema_version": str(schema.SCHEMA_VERSION), "needs_program": schema.NEEDS_PROGRAM}
            connection.execute(schema.INSERT_META, [{"key": k, "value": v} for k, v in format_.items()])
        with closing(_open(fresh, "rw")) as raw:
            raw.execute("PRAGMA journal_mode=WAL")
        fresh.replace(path)
        _sync_directory(path.parent)


def create_missing_indexes(connection: Connection) -> None:
    """Those that were declared after the file was made. They change no table: an older program goes on reading it."""
    there = {name for (name,) in connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'index'")}
    for table in schema.METADATA.tables.values():
        for index in table.indexes:
            if index.name not in there:
                index.create(connection)


def connect(path: Path, *, writes: bool) -> Connection:
    """One long-lived connection to an existing journal, for the calling thread only.

    Raises StoreError when the file is missing, damaged, not a journal, or of a newer version: nothing was changed then.
    """

    def open_checked() -> sqlite3.Connection:
        raw = _open(path, "rw")
        try:
            _check_format(raw, path)
            raw.execute("PRAGMA journal_mode=WAL" if writes else "PRAGMA query_only=ON")
        except BaseException:
            raw.close()
            raise
        return raw

    with errors_in_words(path):
        # hide_parameters: an error must not carry an alert's text into a log
        return create_engine("sqlite://", creator=open_checked, poolclass=NullPool, hide_parameters=True).connect()


@contextmanager
def errors_in_words(path: Path) -> Iterator[None]:
    """Whatever goes wrong with the file at ``path`` leaves as a StoreError that says what, and what to do."""
    try:
        yield
    except DBAPIError as exc:
        raise StoreError(_in_words(exc.orig, path)) from exc
    except (sqlite3.Error, OSError) as exc:
        raise StoreError(_in_words(exc, path)) from exc
    except (OverflowError, UnicodeError) as exc:
        # A number beyond 64 bits, half a character. Without the chain: the error carries the text it failed on.
        raise StoreError(f"{path} cannot hold a value: {type(exc).__name__}") from None
    except SQLAlchemyError as exc:
        raise StoreError(f"the journal {path} failed: {exc}") from exc
    except DamagedRow as exc:
        raise StoreError(_damaged(path, str(exc))) from exc


def _open(path: Path, mode: str) -> sqlite3.Connection:
    # isolation_level None: transactions begin where writer.py says so, not where the driver guesses.
    raw = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None
    )
    try:
        for pragma in _PRAGMAS:
            raw.execute(pragma)
    except BaseException:
        raw.close()
        raise
    return raw


def _check_format(raw: sqlite3.Connection, path: Path) -> None:
    if path.stat().st_size == 0:
        raise StoreError(_damaged(path, "it is empty"))
    tables = {name for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    found = dict(raw.execute("SELECT key, value FROM meta")) if "meta" in tables else {}
    version = str(found.get("schema_version", ""))
    if not version.isdecimal() or int(version) < 1:
        raise StoreError(
            f"{path} is a database, but not a journal of this program: move it away or set another DATA_DIR"
        )
    if int(version) > schema.SCHEMA_VERSION:
        raise StoreError(
            f"{path} has format {version}, this program reads up to {schema.SCHEMA_VERSION}: "
            f"it needs program version {found.get('needs_program', 'unknown')} or newer"
        )
    if missing := schema.METADATA.tables.keys() - tables:
        raise StoreError(_damaged(path, f"it lacks {', '.join(sorted(missing))}"))


def _in_words(error: BaseException | None, path: Path) -> str:
    code = getattr(error, "sqlite_errorcode", None)
    match code & 0xFF if isinstance(code, int) else None:
        case sqlite3.SQLITE_FULL:
            return f"the disk is full, {path} cannot grow: make room, it goes on by itself"
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return f"{path} is locked by another program: close what has it open"
        case sqlite3.SQLITE_IOERR:
            return f"the disk failed while {path} was used ({error}): check its room and its health"
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return _damaged(path, str(error))
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            return f"{path} cannot be opened for writing ({error}): check the rights on DATA_DIR, {path.parent}"
    if "Could not decode to UTF-8" in str(error):  # and then it quotes the text
        return _damaged(path, "a text in it is none")
    if isinstance(error, OSError):
        return f"DATA_DIR {path.parent} cannot be used: {error.strerror or error}"
    return f"the journal {path} failed: {error}"


def _damaged(path: Path, why: str) -> str:
    return (
        f"{path} is damaged ({why}): put a copy of it back, or move it away together with its -wal and -shm files "
        "to start with an empty journal; nothing was changed"
    )


def _companion(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def _sync_directory(directory: Path) -> None:
    """Make the new name durable, where the platform can do that."""
    if os.name != "posix":
        return
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
