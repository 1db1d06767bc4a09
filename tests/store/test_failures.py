"""A journal that cannot write says why in words, keeps nothing of the batch, and goes on when the cause is gone."""

from __future__ import annotations

import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from desk.core.errors import StoreError
from desk.store import Journal, open_journal
from tests.store.samples import ACCEPTED, Child, alerted, incident

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="resource limits and file modes are POSIX")

FULL_DISK = """
import asyncio, resource, sys
from pathlib import Path
from desk.core.errors import StoreError
from desk.store import open_journal
from tests.store.samples import incident

def room(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

async def main():
    async with open_journal(Path(sys.argv[1])) as journal:
        await journal.append([incident("before")])
        used = max(path.stat().st_size for path in Path(sys.argv[1]).iterdir())
        for extra in (0, 5000):
            room(used + extra)
            try:
                await journal.append([incident("refused", "x" * 400) for _ in range(100)])
            except StoreError as error:
                print(error, flush=True)
            assert len(await journal.read()) == 1
        room(resource.RLIM_INFINITY)
        print("then", await journal.append([incident("after")]), flush=True)
        print("causes", [record.cause for _, record in await journal.read()], flush=True)

asyncio.run(main())
"""


@posix_only
def test_a_file_that_cannot_grow_refuses_the_batch_and_takes_the_next_one_when_there_is_room(
    tmp_path: Path, child: Callable[..., Child]
) -> None:
    said = child(FULL_DISK, tmp_path).communicate(timeout=20)[0].splitlines()
    assert len(said) == 4
    assert all("room" in line and "journal.sqlite3" in line for line in said[:2])
    assert said[2:] == ["then 2", "causes ['before', 'after']"]


async def test_a_full_disk_is_called_a_full_disk(journal: Journal) -> None:
    await journal.append([incident("before")])

    def fill(writer: object) -> None:
        connection = writer._connection  # type: ignore[attr-defined]
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
        connection.commit()

    await journal._writer.run(fill)
    with pytest.raises(StoreError, match=r"disk is full.*goes on by itself"):
        await journal.append([incident("refused", "x" * 400) for _ in range(100)])
    assert await journal.append([incident("after")]) == 2  # a new connection has no such limit
    assert [record.cause for _, record in await journal.read()] == ["before", "after"]


async def test_a_locked_journal_gives_up_within_two_seconds(journal: Journal) -> None:
    await journal.append([incident("before")])
    with closing(sqlite3.connect(journal.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        with pytest.raises(StoreError, match="locked by another program"):
            await journal.append([incident("refused")])
        assert time.monotonic() - began < 2
        other.execute("ROLLBACK")
    assert await journal.append([incident("after")]) == 2


async def test_an_error_never_shows_what_a_record_holds(journal: Journal) -> None:
    await journal.append([alerted("A", ACCEPTED)])
    for batch in ([alerted("A", ACCEPTED)], [incident("A", "hush \ud800")]):
        with pytest.raises(StoreError) as caught:
            await journal.append(batch)
        error: BaseException | None = caught.value
        while error is not None:
            assert "hush" not in repr(error)
            assert "default" not in str(error)  # a parameter list would show the bot
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


# --- opening ---------------------------------------------------------------------------------------------------------


async def refusal(data_dir: Path) -> str:
    with pytest.raises(StoreError) as caught:
        async with open_journal(data_dir):
            pass
    return str(caught.value)


async def make(data_dir: Path, *statements: str) -> Path:
    async with open_journal(data_dir) as journal:
        await journal.append([incident(str(n)) for n in range(50)])
    with closing(sqlite3.connect(journal.path, isolation_level=None)) as other:
        for statement in statements:
            other.execute(statement)
    return journal.path


async def test_a_newer_file_names_the_program_version_it_needs(tmp_path: Path) -> None:
    path = await make(
        tmp_path,
        "UPDATE meta SET value = '2' WHERE key = 'schema_version'",
        "UPDATE meta SET value = '3.1.0' WHERE key = 'needs_program'",
    )
    before = path.read_bytes()
    assert "needs program version 3.1.0 or newer" in await refusal(tmp_path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"this is not a database, it is a poem. " * 200])
async def test_a_damaged_file_is_named_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "journal.sqlite3"
    path.write_bytes(content)
    text = await refusal(tmp_path)
    assert f"{path} is damaged" in text
    assert "move it away" in text
    assert path.read_bytes() == content


async def test_damage_inside_the_file_is_found_when_it_is_read(tmp_path: Path) -> None:
    path = await make(tmp_path)
    content = bytearray(path.read_bytes())
    content[4096 * 2 :] = b"\xff" * (len(content) - 4096 * 2)
    path.write_bytes(content)
    with pytest.raises(StoreError, match="is damaged"):
        async with open_journal(tmp_path) as journal:
            await journal.read()


@pytest.mark.parametrize("body", ['\'{"type": "Inci\'', "CAST(x'7bff7d' AS TEXT)"])
async def test_a_damaged_record_says_what_to_do_and_repeats_nothing_of_it(tmp_path: Path, body: str) -> None:
    """Cause: "JSON is malformed" alone, or the record's own text, was all that a person read at the start."""
    path = await make(
        tmp_path,
        f"INSERT INTO journal (ts, type, cause, body) VALUES ('2026', 'IncidentRaised', 'c', {body})",  # noqa: S608
    )
    async with open_journal(tmp_path) as journal:
        with pytest.raises(StoreError, match=r"is damaged .*: put a copy of it back, or move it away") as refused:
            await journal.read()
    assert str(path) in str(refused.value)
    assert 'Inci"' not in str(refused.value)
    assert "\ufffd" not in str(refused.value)


async def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "journal.sqlite3")) as other:
        other.execute("CREATE TABLE poems (line TEXT)")
    assert "not a journal of this program" in await refusal(tmp_path)


async def test_a_journal_whose_file_went_away_is_not_quietly_begun_again(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite3-wal").write_bytes(b"yesterday")
    assert "is missing" in await refusal(tmp_path)


async def test_a_first_start_that_was_killed_half_way_is_begun_again(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite3.new").write_bytes(b"half")
    async with open_journal(tmp_path) as journal:
        assert await journal.last_seq() == 0


async def test_a_record_of_a_newer_version_is_named(tmp_path: Path) -> None:
    await make(
        tmp_path,
        "INSERT INTO journal (ts, type, cause, body) VALUES ('2026', 'MoonLanded', 'c', '{\"type\": \"MoonLanded\"}')",
    )
    async with open_journal(tmp_path) as journal:
        with pytest.raises(StoreError, match=r"record 51 .* MoonLanded, which this version does not know"):
            await journal.read()
        assert await journal.append([incident("still usable")]) == 52


async def test_a_record_that_was_damaged_by_hand_is_named(tmp_path: Path) -> None:
    await make(tmp_path, 'UPDATE journal SET body = \'{"type": "IncidentRaised"}\' WHERE seq = 7')
    async with open_journal(tmp_path) as journal:
        with pytest.raises(StoreError, match="record 7, IncidentRaised, cannot be read"):
            await journal.read()


async def test_a_data_dir_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("no directory")
    assert "DATA_DIR" in await refusal(tmp_path / "data")


READ_ONLY = """
import asyncio, os, sys
from pathlib import Path
import desk.store.reader, desk.store.writer
from desk.core.errors import StoreError
from desk.store import open_journal
import sqlalchemy.dialects.sqlite.pysqlite

async def main():
    try:
        async with open_journal(Path(sys.argv[1])) as journal:
            pass
    except StoreError as error:
        print(error, flush=True)

if os.geteuid() == 0:
    os.setuid(65534)  # root may write everywhere
asyncio.run(main())
"""


@posix_only
@pytest.mark.parametrize("is_new", [True, False])
def test_a_directory_that_cannot_be_written_is_named(is_new: bool, child: Callable[..., Child]) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name) / "data"
        directory.mkdir()
        if not is_new:
            child("import sys; from pathlib import Path; from desk.store.database import create_if_missing as make\n"
                  "make(Path(sys.argv[1]) / 'journal.sqlite3')", directory).communicate(timeout=20)  # fmt: skip
        Path(name).chmod(0o711)
        directory.chmod(0o555)
        try:
            said = child(READ_ONLY, directory).communicate(timeout=20)[0]
        finally:
            directory.chmod(0o755)
    assert "DATA_DIR" in said
    assert str(directory) in said
