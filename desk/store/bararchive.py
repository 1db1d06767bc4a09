"""The archive of bars: one Parquet file per page, ``<root>/<contract>/<timeframe>/<page>.parquet``.

A file is written under another name, flushed to the disk and moved into place: bars and what they cover change together
or not at all, also when the process is killed meanwhile. A file that is not what it should be is moved aside and told
once; its page is fetched again, the others stay usable. One thread does all of it, the event loop never waits.
Cancelling any of the coroutines is safe: the thread finishes the page that it has.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog

from desk.core.errors import TierDown
from desk.market.pages import Page, PageKey
from desk.store import barpages
from desk.store.pagerules import BadPage, PageFacts, StoredSeries, folder_of, summed

__all__ = ["BarArchive", "open_bar_archive"]

log = structlog.get_logger("desk")

T = TypeVar("T")
_MAX_FILE_BYTES = 64 * 1024 * 1024
"""Far more than a day of seconds takes: what is larger is not ours and is not read into memory."""
_WRITING = ".writing"
_AT_ONCE = 32
CLOSE_S = 2.0
_REPLACE_TRIES, _REPLACE_WAIT_S = 5, 0.05


@asynccontextmanager
async def open_bar_archive(root: Path) -> AsyncIterator[BarArchive]:
    """root: made at the first write. Nothing is read and nothing heavy is imported before the first use."""
    archive = BarArchive(root)
    try:
        yield archive
    finally:
        await archive.close()


class BarArchive:
    """A tier of pages. ``get`` and ``put`` raise TierDown, its text a sentence for a person."""

    name = "archive"

    def __init__(self, root: Path) -> None:
        self._files = _Files(root)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="bar-archive")
        self._is_closed = False

    async def get(self, key: PageKey) -> Page | None:
        """None: not stored, or it was damaged and is set aside now."""
        return await self._run(lambda: self._files.read(key))

    async def put(self, key: PageKey, page: Page) -> None:
        """Returns when it is on the disk. A page that breaks the rules of pages is not written; the log says why."""
        await self._run(lambda: self._files.write(key, page))

    async def warm(self) -> None:
        """Import pyarrow and remove what a killed writer left, ahead of the first use."""
        await self._run(self._files.warm)

    async def series(self) -> list[StoredSeries]:
        """What is stored. Reads the end of every file; damaged ones are left out."""
        paths, found = await self._run(self._files.paths), list[PageFacts]()
        for at in range(0, len(paths), _AT_ONCE):  # in bits, so that nobody waits long for a page meanwhile
            found += await self._run(partial(self._files.facts, paths[at : at + _AT_ONCE]))
        return summed(found)

    async def close(self) -> None:
        """Ends the thread after the work that it has. A disk that hangs is not waited for: the journal closes after this."""
        self._is_closed = True
        closing = self._thread.submit(lambda: None)
        has_ended = False
        try:
            async with asyncio.timeout(CLOSE_S):
                await asyncio.shield(asyncio.wrap_future(closing))
                has_ended = True
        except TimeoutError:
            log.warning("archive.hangs", meaning="bars that were not written are fetched again when they are asked for")
        finally:
            self._thread.shutdown(wait=has_ended)

    async def _run(self, work: Callable[[], T]) -> T:
        if self._is_closed:
            raise TierDown("the archive of bars is closed")
        return await asyncio.wrap_future(self._thread.submit(work))


class _Files:
    """The blocking side, for the one thread."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._is_ready = False
        self._told: set[tuple[Path, int]] = set()

    def warm(self) -> None:
        with self._errors_in_words():
            self._ready()

    def read(self, key: PageKey) -> Page | None:
        path = self._path(key)
        with self._errors_in_words():
            try:
                data = _bytes_of(path)
            except FileNotFoundError:
                return None
            except BadPage as bad:
                self._quarantine(path, str(bad))
                return None
            self._ready()
            try:
                return barpages.decode(key, data)
            except BadPage as bad:
                self._quarantine(path, str(bad))
                return None

    def write(self, key: PageKey, page: Page) -> None:
        path = self._path(key)
        with self._errors_in_words():
            self._ready()
            try:
                data = barpages.encode(key, page)
            except BadPage as bad:
                log.error("archive.page_refused", file=str(path), reason=str(bad))
                return
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                self._write_whole(path, data)
            except FileNotFoundError:  # somebody swept: another process that opened the archive, or a person
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._write_whole(path, data)

    def paths(self) -> list[Path]:
        with self._errors_in_words():
            return sorted(self._root.glob("*/*/*.parquet"))

    def facts(self, paths: list[Path]) -> list[PageFacts]:
        found = []
        with self._errors_in_words():
            self._ready()
            for path in paths:
                try:
                    with path.open("rb") as file:
                        found.append(barpages.facts_of(file, os.fstat(file.fileno()).st_size))
                except (BadPage, FileNotFoundError, IsADirectoryError):
                    continue  # whoever asks for that page sets it aside
        return found

    # --- files -----------------------------------------------------------------------------------------------------

    def _path(self, key: PageKey) -> Path:
        folder = self._root / folder_of(key.contract_id) / folder_of(key.timeframe.text)
        return folder / f"{key.label}.parquet"

    def _ready(self) -> None:
        """Once: the import, and the leftovers of a writer that was killed (one daemon writes to a DATA_DIR)."""
        if self._is_ready:
            return
        barpages.read_pyarrow_ahead()
        barpages.import_pyarrow()
        if (self._root / _WRITING).is_dir():
            for leftover in (self._root / _WRITING).iterdir():
                leftover.unlink(missing_ok=True)
        self._is_ready = True

    def _write_whole(self, path: Path, data: bytes) -> None:
        """All of it or none: the old file stays until the new one is on the disk."""
        fresh = self._root / _WRITING / f"{path.parent.parent.name}.{path.parent.name}.{path.stem}.{os.getpid()}"
        fresh.parent.mkdir(mode=0o700, exist_ok=True)
        try:
            with fresh.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            _replace(fresh, path)
        except OSError:
            _remove(fresh)
            raise
        _sync_directory(path.parent)

    def _quarantine(self, path: Path, reason: str) -> None:
        aside = path.with_name(f"{path.name}.corrupt-{datetime.now(UTC):%Y%m%dT%H%M%S%f}")
        try:
            mark = path.stat().st_mtime_ns
            path.replace(aside)
            kept = str(aside)
        except OSError as exc:
            mark, kept = 0, f"left where it is: {exc.strerror or exc}"
        if (path, mark) not in self._told:  # one line, also where it cannot be moved
            self._told.add((path, mark))
            log.warning(
                "archive.quarantined", file=str(path), reason=reason, kept=kept, meaning="its bars are fetched again"
            )

    @contextmanager
    def _errors_in_words(self) -> Iterator[None]:
        try:
            yield
        except ImportError as exc:
            raise TierDown(f"the archive of bars needs pyarrow ({exc}): pip install pyarrow") from exc
        except OSError as exc:
            raise TierDown(
                f"the archive of bars in {self._root} cannot be used: {exc.strerror or exc}; "
                "check the room on the disk and the rights on DATA_DIR"
            ) from exc
        except MemoryError as exc:
            raise TierDown("there is not enough memory for a page of the archive") from exc


def _bytes_of(path: Path) -> bytes:
    """Raises BadPage for what is far too large, or no file."""
    if not path.is_file():
        if path.exists():
            raise BadPage("it is not a file")
        raise FileNotFoundError(path)
    if path.stat().st_size > _MAX_FILE_BYTES:
        raise BadPage("it is larger than any page")
    return path.read_bytes()


def _replace(fresh: Path, path: Path) -> None:
    """Windows refuses while somebody reads the old file (a scanner, a notebook): tried for a quarter of a second."""
    for left in reversed(range(_REPLACE_TRIES)):
        try:
            fresh.replace(path)
            return
        except PermissionError:
            if not left or os.name == "posix":
                raise
            time.sleep(_REPLACE_WAIT_S)


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        pass  # the failure before it is the one to tell; the next start removes it


def _sync_directory(directory: Path) -> None:
    """Make the new name durable, where the platform can do that."""
    if os.name != "posix":
        return
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
