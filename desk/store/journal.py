"""The journal as the program sees it: coroutines over one writing and one reading thread.

Cancelling any of them is safe: the transaction still commits whole or not at all, and the journal stays usable. Whoever
cancels an append does not know which, as with a write to the gateway; the journal itself knows.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from desk.core.errors import StoreError
from desk.core.records import Record
from desk.ledger import LedgerRecord
from desk.store.rows import AlertRow, JournalRow

if TYPE_CHECKING:  # they import SQLAlchemy, which takes a quarter of a second: the threads do that
    from desk.store.reader import Reader
    from desk.store.writer import Writer

__all__ = ["FILE_NAME", "Journal", "open_journal"]

FILE_NAME = "journal.sqlite3"


class _Closable(Protocol):
    def close(self) -> None: ...


Owned = TypeVar("Owned", bound=_Closable)
T = TypeVar("T")


class _Lane(Generic[Owned]):
    """One thread and the one thing that lives in it, made at its first use; work is done in the order it came."""

    def __init__(self, name: str, make: Callable[[], Owned]) -> None:
        self._make = make
        self._owned: Owned | None = None
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._is_closed = False

    async def run(self, work: Callable[[Owned], T]) -> T:
        if self._is_closed:
            raise StoreError("the journal is closed")
        return await asyncio.wrap_future(self._executor.submit(self._call, work))

    async def close(self) -> None:
        """Ends the thread after the work that it has. Does so even when cancelled meanwhile."""
        self._is_closed = True
        closing = self._executor.submit(self._end)
        try:
            await asyncio.shield(asyncio.wrap_future(closing))
        finally:
            self._executor.shutdown(wait=True)

    def _call(self, work: Callable[[Owned], T]) -> T:
        if self._owned is None:
            self._owned = self._make()
        return work(self._owned)

    def _end(self) -> None:
        if self._owned is not None:
            self._owned.close()


class Journal:
    """Every record ever decided, in order. Every method raises StoreError, its text a sentence for a person."""

    def __init__(self, path: Path) -> None:
        self.path = path

        def make_writer() -> Writer:
            from desk.store.writer import Writer

            return Writer(path)

        def make_reader() -> Reader:
            from desk.store.reader import Reader

            return Reader(path)

        self._writer = _Lane("journal-writer", make_writer)
        self._reader = _Lane("journal-reader", make_reader)

    async def append(self, records: Sequence[Record]) -> int:
        """Write all of ``records`` in one transaction; returns the last one's seq once they are on the disk.

        Raises StoreError when that failed (disk full, locked, I/O): none of them is in the journal then, and a later
        append works again when its cause is gone.
        """
        batch = tuple(records)
        if not batch:
            return await self.last_seq()
        return await self._writer.run(lambda writer: writer.append(batch))

    async def save_snapshot(self, seq: int, format: int, state: bytes) -> None:  # noqa: A002 - the column's name
        """Keep ``state``, the fold of all records up to ``seq`` (which must exist). The newest three are kept."""
        await self._writer.run(lambda writer: writer.save_snapshot(seq, format, state))

    async def claim(self, login: str) -> None:
        """Bind the file to one login for good: ``paper``, or a ``login_key``. ConfigError: it has another one."""
        await self._writer.run(lambda writer: writer.claim(login))

    async def read(self, after_seq: int = 0) -> list[tuple[int, Record]]:
        """All records after ``after_seq`` with their seq, oldest first. StoreError: one of them is unknown here."""
        return await self._reader.run(lambda reader: reader.read(after_seq))

    async def last_seq(self) -> int:
        """Seq of the newest record; 0 when there is none."""
        return await self._reader.run(lambda reader: reader.last_seq())

    async def newest_snapshot(self, format: int) -> tuple[int, bytes] | None:  # noqa: A002 - the column's name
        """(seq, state) of the newest snapshot of that format; None: fold from the beginning."""
        return await self._reader.run(lambda reader: reader.newest_snapshot(format))

    async def recent_alerts(self, limit: int, before: str | None = None) -> list[AlertRow]:
        """Newest first. before: an alert_id, for the next page; one that nobody knows gives nothing."""
        return await self._reader.run(lambda reader: reader.recent_alerts(limit, before))

    async def alert(self, alert_id: str) -> AlertRow | None:
        return await self._reader.run(lambda reader: reader.alert(alert_id))

    async def story(self, cause: str) -> list[JournalRow]:
        """Every record that an alert, command or timer caused, oldest first."""
        return await self._reader.run(lambda reader: reader.story(cause))

    async def between(self, start: datetime, end: datetime, limit: int) -> list[JournalRow]:
        """Records with start <= ts < end (aware), oldest first, at most ``limit``."""
        return await self._reader.run(lambda reader: reader.between(start, end, limit))

    async def ledger(self, start: datetime, end: datetime) -> list[LedgerRecord]:
        """Fills and ends of positions that were written down at start <= ts < end (aware), oldest first.

        By the time of writing, not of happening: a fill that a gap hid is written when the next read finds it.
        """
        return await self._reader.run(lambda reader: reader.ledger(start, end))

    async def _open(self) -> None:
        await self._writer.run(lambda _: None)
        await self._reader.run(lambda _: None)

    async def _close(self) -> None:
        try:
            await self._reader.close()
        finally:
            await self._writer.close()  # the last connection tidies up: no -wal file stays


@asynccontextmanager
async def open_journal(data_dir: Path) -> AsyncIterator[Journal]:
    """The journal of ``data_dir``, made when there is none; the directory, too. Outermost, so it closes last.

    Raises StoreError, and has then changed nothing, when the file is damaged, foreign or newer, or the directory cannot
    be written. Whoever writes holds the ``instance_lock``.
    """
    journal = Journal(data_dir / FILE_NAME)
    try:
        await journal._open()
        yield journal
    finally:
        await journal._close()
