"""The archive of bars: exact, whole or absent, and never the reason that anything else stops."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from desk.core.errors import TierDown
from desk.market.bars import NANOS, Bars
from desk.market.pages import EMPTY, Page
from desk.store import bararchive
from desk.store.bararchive import BarArchive, open_bar_archive
from desk.store.barpages import _LIBRARY, decode, encode, facts_of
from desk.store.pagerules import MAX_PRICE, BadPage, folder_of, problem_of
from tests.store.bars import FULL, MNQ, NOVEMBER, files_of, key_of, keys_and_pages, month, same
from tests.store.samples import Child

PATH = Path("CON-F-US-MNQ-Z26/1m/2026-11.parquet")
SMALL = month(bars=300)


@pytest.fixture
async def archive(tmp_path: Path) -> AsyncIterator[BarArchive]:
    async with open_bar_archive(tmp_path / "bars") as archive:
        yield archive


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "bars" / PATH


# --- exact -------------------------------------------------------------------------------------------------------


@given(keys_and_pages())
def test_every_page_comes_back_as_it_was(pair: Any) -> None:
    key, page = pair
    assert problem_of(key, page) is None
    data = encode(key, page)
    assert same(decode(key, data), page)
    facts = facts_of(BytesIO(data), len(data))
    assert (facts.contract_id, facts.timeframe, facts.bars, facts.bytes) == (
        key.contract_id,
        key.timeframe,
        len(page.bars),
        len(data),
    )
    assert (facts.covered_s, facts.imported_s) == tuple(
        sum(end - start for start, end in spans) for spans in (page.covered, page.imported)
    )


@given(st.integers(-MAX_PRICE, MAX_PRICE) | st.integers(0, 1000).map(lambda less: MAX_PRICE - less))
def test_a_float_gives_back_every_nano_point_up_to_a_million_points(nanos: int) -> None:
    assert int(np.rint(np.float64(nanos) / 1e9 * 1e9)) == nanos


@pytest.mark.parametrize("name", ["open", "high", "low", "close"])
@pytest.mark.parametrize("nanos", [MAX_PRICE + 1, -MAX_PRICE - 1, 2**62])
async def test_a_price_beyond_that_is_not_stored(archive: BarArchive, file: Path, name: str, nanos: int) -> None:
    await archive.put(NOVEMBER, SMALL)
    too_high = replace(SMALL.bars, **{name: np.full(300, nanos)})
    with capture_logs() as logs:
        await archive.put(NOVEMBER, replace(SMALL, bars=too_high))
    assert [line["event"] for line in logs] == ["archive.page_refused"]
    assert same(await archive.get(NOVEMBER), SMALL)


BROKEN: dict[str, Callable[[Page], Page]] = {
    "bars out of order": lambda page: replace(page, bars=Bars(*(c[::-1].copy() for c in _columns(page)))),
    "a bar twice": lambda page: replace(page, bars=Bars(*(np.repeat(c, 2) for c in _columns(page)))),
    "a bar outside": lambda page: replace(page, covered=((NOVEMBER.start, NOVEMBER.start + 60 * 299),)),
    "bars in a hole": lambda page: replace(
        page, covered=((NOVEMBER.start, NOVEMBER.start + 60), (NOVEMBER.start + 120, NOVEMBER.end))
    ),
    "nothing covered": lambda page: replace(page, covered=()),
    "covered before the page": lambda page: replace(page, covered=((NOVEMBER.start - 1, NOVEMBER.end),)),
    "covered behind the page": lambda page: replace(page, covered=((NOVEMBER.start, NOVEMBER.end + 1),)),
    "spans that touch": lambda page: replace(
        page, covered=((NOVEMBER.start, NOVEMBER.start + 60), (NOVEMBER.start + 60, NOVEMBER.end))
    ),
    "imported and not covered": lambda page: replace(page, imported=((NOVEMBER.end, NOVEMBER.end + 60),)),
    "a negative volume": lambda page: replace(page, bars=replace(page.bars, volume=-page.bars.volume)),
    "columns of two lengths": lambda page: replace(page, bars=replace(page.bars, volume=page.bars.volume[1:])),
    "floats": lambda page: replace(page, bars=replace(page.bars, low=page.bars.low / 1.0)),
}


def _columns(page: Page) -> list[Any]:
    return [page.bars.ts, page.bars.open, page.bars.high, page.bars.low, page.bars.close, page.bars.volume]


@pytest.mark.parametrize("breaking", BROKEN.values(), ids=BROKEN)
async def test_what_is_no_page_is_never_written(archive: BarArchive, breaking: Callable[[Page], Page]) -> None:
    await archive.put(NOVEMBER, breaking(SMALL))
    assert await archive.get(NOVEMBER) is None


async def test_a_page_survives_a_restart_and_the_month_is_not_the_minute(tmp_path: Path) -> None:
    when = datetime(2026, 11, 20, tzinfo=UTC)
    keys = {text: key_of(MNQ, text, when) for text in ("1m", "1M", "15s", "4h", "1d", "1w")}
    pages = {text: month(key, bars=50 + at, step=60) for at, (text, key) in enumerate(keys.items())}
    async with open_bar_archive(tmp_path) as archive:
        for text, key in keys.items():
            await archive.put(key, pages[text])
    async with open_bar_archive(tmp_path) as archive:
        assert all([same(await archive.get(key), pages[text]) for text, key in keys.items()])
    found = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.parquet"))
    folder = "CON-F-US-MNQ-Z26"
    assert found == [
        f"{folder}/15s/2026-11-20.parquet", f"{folder}/1d/all.parquet", f"{folder}/1m/2026-11.parquet",
        f"{folder}/1mo/all.parquet", f"{folder}/1w/all.parquet", f"{folder}/4h/2026.parquet",
    ]  # fmt: skip


@given(st.lists(st.text(max_size=12), min_size=2, max_size=2, unique=True))
def test_no_two_names_share_a_directory_and_every_file_system_takes_them(names: list[str]) -> None:
    one, other = (folder_of(name).lower() for name in names if name) if all(names) else ("a", "b")
    assert one != other
    assert not set('/\\:*?"<>|. ') & set(one)
    assert one.isascii()


async def test_a_quiet_market_is_stored_as_such(archive: BarArchive) -> None:
    page = EMPTY.merged(Bars.empty(), ((NOVEMBER.start, NOVEMBER.start + 3600),))
    await archive.put(NOVEMBER, page)
    assert same(await archive.get(NOVEMBER), page)


# --- readable by others --------------------------------------------------------------------------------------------


@pytest.fixture(params=[0.25, 0.01], ids=["quarters", "cents"])
async def opened(request: pytest.FixtureRequest, archive: BarArchive, file: Path) -> tuple[Path, Page]:
    unit = round(request.param * NANOS)
    bars = Bars(SMALL.bars.ts, *(c // (NANOS // 4) * unit for c in _columns(SMALL)[1:5]), SMALL.bars.volume)
    page = replace(SMALL, bars=bars)
    await archive.put(NOVEMBER, page)
    return file, page


def _rows(page: Page) -> list[tuple[Any, ...]]:
    return [
        (row.ts_open, float(row.open), float(row.high), float(row.low), float(row.close), row.volume)
        for row in page.bars.rows()
    ]


def test_pandas_opens_a_file_as_it_is(opened: tuple[Path, Page]) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_parquet(opened[0])
    assert str(frame.dtypes["ts"]) == "datetime64[us, UTC]"
    assert [(row[0].to_pydatetime(), *row[1:]) for row in frame.itertuples(index=False, name=None)] == _rows(opened[1])


def test_polars_opens_a_file_as_it_is(opened: tuple[Path, Page]) -> None:
    polars = pytest.importorskip("polars")
    assert polars.read_parquet(opened[0]).rows() == _rows(opened[1])


def test_duckdb_opens_a_file_as_it_is(opened: tuple[Path, Page]) -> None:
    duckdb = pytest.importorskip("duckdb")
    with duckdb.connect() as connection:
        found = connection.execute(
            "SELECT epoch_us(ts), open, high, low, close, volume FROM read_parquet(?)", [str(opened[0])]
        ).fetchall()
    assert [(datetime.fromtimestamp(row[0] / 1_000_000, UTC), *row[1:]) for row in found] == _rows(opened[1])


# --- damaged -------------------------------------------------------------------------------------------------------

DATA = encode(NOVEMBER, SMALL)


@given(st.data())
@hypothesis_settings(max_examples=200)
def test_damaged_bytes_are_never_another_page(data: st.DataObject) -> None:
    damaged = bytearray(DATA)
    for _ in range(data.draw(st.integers(0, 4))):
        damaged[data.draw(st.integers(0, len(DATA) - 1))] ^= data.draw(st.integers(1, 255))
    cut = data.draw(st.just(len(DATA)) | st.integers(0, len(DATA)))
    try:
        assert same(decode(NOVEMBER, bytes(damaged[:cut])), SMALL)
    except BadPage:
        assert bytes(damaged[:cut]) != DATA


def _foreign(said: dict[str, str | None] | None = None, **changes: Any) -> bytes:
    """A file with our checksum, and other metadata or columns."""
    import pyarrow as pa
    from pyarrow import parquet

    from desk.store import barpages

    table = barpages._table(pa, SMALL.bars)
    for name, values in changes.items():
        at = table.schema.get_field_index(name)
        table = table.set_column(at, name, pa.array(values)) if values is not None else table.remove_column(at)
    sink = pa.BufferOutputStream()
    with parquet.ParquetWriter(sink, table.schema, store_schema=False) as writer:
        writer.write_table(table)
        metadata = barpages._metadata(NOVEMBER, SMALL) | (said or {})
        writer.add_key_value_metadata({name: text for name, text in metadata.items() if text is not None})
    return barpages._sealed(sink.getvalue().to_pybytes())


CORRUPT: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "text": lambda: b"not parquet",
    "half": lambda: DATA[: len(DATA) // 2],
    "zeros": lambda: bytes(len(DATA)),
    "one bit": lambda: DATA[:2000] + bytes([DATA[2000] ^ 1]) + DATA[2001:],
    "another contract": lambda: encode(key_of("CON.F.US.MES.Z26", "1m", datetime(2026, 11, 2, tzinfo=UTC)), SMALL),
    "another timeframe": lambda: encode(key_of(MNQ, "2m", datetime(2026, 11, 2, tzinfo=UTC)), SMALL),
    "another month": lambda: encode(key_of(MNQ, "1m", datetime(2026, 10, 2, tzinfo=UTC)), EMPTY),
    "the next format": lambda: _foreign({"desk.format": "2"}),
    "no format": lambda: _foreign({"desk.format": None}),
    "no contract": lambda: _foreign({"desk.contract": None}),
    "nothing covered": lambda: _foreign({"desk.covered": "[]"}),
    "covered by words": lambda: _foreign({"desk.covered": '[["a", "b"]]'}),
    "covered by half a stretch": lambda: _foreign({"desk.covered": "[[1]]"}),
    "covered for ever": lambda: _foreign({"desk.covered": f"[[0, {10**30}]]"}),
    "covered without end": lambda: _foreign({"desk.imported": "[[["}),
    "a column less": lambda: _foreign(volume=None),
    "another kind": lambda: _foreign(volume=[1.5] * 300),
    "NaN": lambda: _foreign(close=[float("nan")] * 300),
    "infinite": lambda: _foreign(close=[float("inf")] * 300),
    "empty cells": lambda: _foreign(close=[None] * 299 + [1.0]),
    "ten digits": lambda: _foreign(close=[1.00000000012] * 300),
}


@pytest.mark.parametrize("content", CORRUPT.values(), ids=CORRUPT)
async def test_a_bad_file_is_set_aside_told_once_and_written_anew(
    archive: BarArchive, file: Path, content: Callable[[], bytes]
) -> None:
    october = key_of(MNQ, "1m", datetime(2026, 10, 2, tzinfo=UTC))
    other = month(october, bars=10)
    await archive.put(october, other)
    file.write_bytes(content())
    with capture_logs() as logs:
        assert await archive.get(NOVEMBER) is None
        assert await archive.get(NOVEMBER) is None
    assert [line["event"] for line in logs] == ["archive.quarantined"]
    assert logs[0]["file"] == str(file)
    aside = [path for path in file.parent.iterdir() if ".corrupt-" in path.name]
    assert [path.read_bytes() for path in aside] == [content()]
    assert same(await archive.get(october), other)
    await archive.put(NOVEMBER, SMALL)
    assert same(await archive.get(NOVEMBER), SMALL)


def test_a_file_of_our_own_with_nothing_changed_is_read() -> None:
    assert same(decode(NOVEMBER, _foreign()), SMALL)  # so what is refused above is refused for its change


async def test_a_swept_directory_is_made_again(archive: BarArchive, file: Path) -> None:
    await archive.put(NOVEMBER, FULL)
    shutil.rmtree(file.parents[2])
    await archive.put(NOVEMBER, SMALL)
    assert same(await archive.get(NOVEMBER), SMALL)


async def test_a_directory_in_the_place_of_a_file_is_set_aside(archive: BarArchive, file: Path) -> None:
    file.mkdir(parents=True)
    assert await archive.get(NOVEMBER) is None
    await archive.put(NOVEMBER, SMALL)
    assert same(await archive.get(NOVEMBER), SMALL)


# --- down ----------------------------------------------------------------------------------------------------------


async def test_a_place_that_is_no_directory_takes_the_tier_down(tmp_path: Path) -> None:
    (tmp_path / "bars").write_text("in the way")
    async with open_bar_archive(tmp_path / "bars") as archive:
        with pytest.raises(TierDown, match=r"cannot be used.*check the room"):
            await archive.put(NOVEMBER, SMALL)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs a user for whom rights count, on POSIX")
async def test_without_rights_the_tier_is_down_and_the_old_file_stays(archive: BarArchive, file: Path) -> None:
    await archive.put(NOVEMBER, SMALL)
    writing = file.parents[2] / ".writing"
    writing.chmod(0o500)
    with pytest.raises(TierDown, match="Permission denied"):
        await archive.put(NOVEMBER, FULL)
    writing.chmod(0o700)
    assert same(await archive.get(NOVEMBER), SMALL)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
async def test_a_full_disk_takes_the_tier_down_and_the_old_file_stays(archive: BarArchive, file: Path) -> None:
    await archive.put(NOVEMBER, SMALL)
    fresh = file.parents[2] / ".writing" / f"CON-F-US-MNQ-Z26.1m.2026-11.{os.getpid()}"
    fresh.symlink_to("/dev/full")
    with pytest.raises(TierDown, match="No space left"):
        await archive.put(NOVEMBER, FULL)
    assert same(await archive.get(NOVEMBER), SMALL)
    await archive.put(NOVEMBER, FULL)
    assert same(await archive.get(NOVEMBER), FULL)


async def test_a_disk_that_hangs_does_not_keep_the_program_from_closing_what_comes_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bararchive, "CLOSE_S", 0.05)
    archive, hangs = BarArchive(tmp_path), threading.Event()
    archive._thread.submit(hangs.wait)
    try:
        async with asyncio.timeout(2):
            with capture_logs() as lines:
                await archive.close()
        assert [line["event"] for line in lines] == ["archive.hangs"]
    finally:
        hangs.set()


async def test_a_closed_archive_says_so(tmp_path: Path) -> None:
    async with open_bar_archive(tmp_path) as archive:
        pass
    with pytest.raises(TierDown, match="closed"):
        await archive.get(NOVEMBER)


# --- killed --------------------------------------------------------------------------------------------------------

WRITER = """
import asyncio, sys
from pathlib import Path
from desk.store import bararchive
from desk.store.bararchive import open_bar_archive
from tests.store.bars import NOVEMBER, month

async def main():
    pages = [month(bars=bars) for bars in (30_000, 2_000)]
    async with open_bar_archive(Path(sys.argv[1])) as archive:
        while True:
            for page in pages:
                await archive.put(NOVEMBER, page)
                print("written", flush=True)

asyncio.run(main())
"""


async def test_a_killed_writer_leaves_whole_pages_only(tmp_path: Path, child: Callable[..., Child]) -> None:
    allowed, dice = [month(bars=30_000), month(bars=2_000)], random.Random()
    writers = {tmp_path / str(number): child(WRITER, tmp_path / str(number)) for number in range(4)}
    for root, writer in writers.items():
        assert writer.stdout is not None
        for _ in range(dice.randrange(1, 9)):
            writer.stdout.readline()
        await asyncio.sleep(dice.random() * 0.02)  # a moment inside of a write, not a wait for something
        writer.kill()
        writer.wait()
        async with open_bar_archive(root) as archive:
            page = await archive.get(NOVEMBER)
            assert any(same(page, one) for one in allowed)
        assert files_of(root) == ["2026-11.parquet"]


# --- what is stored, and how long it takes --------------------------------------------------------------------------


async def test_the_series_tell_what_is_stored_and_where_it_came_from(
    archive: BarArchive, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await archive.series() == []
    day = (NOVEMBER.start, NOVEMBER.start + 86_400)
    await archive.put(NOVEMBER, EMPTY.merged(SMALL.bars, (day,), is_imported=True))
    daily = key_of(MNQ, "1d", datetime(2026, 11, 2, tzinfo=UTC))
    await archive.put(daily, month(daily, bars=3, step=86_400))
    october = key_of(MNQ, "1m", datetime(2026, 10, 2, tzinfo=UTC))
    await archive.put(october, EMPTY.merged(Bars.empty(), (october.span,)))
    (file.parent / "2026-01.parquet").write_bytes(b"damaged")
    monkeypatch.setattr(bararchive, "_AT_ONCE", 2)
    minutes, days = await archive.series()
    assert (days.timeframe.text, days.bars, days.origins) == ("1d", 3, ("gateway",))
    assert (days.first, days.last) == (daily.start, daily.start + 2 * 86_400)
    assert (minutes.contract_id, minutes.timeframe.text, minutes.bars, minutes.pages) == (MNQ, "1m", 300, 2)
    assert (minutes.first, minutes.last) == (NOVEMBER.start, NOVEMBER.start + 299 * 60)
    assert minutes.origins == ("gateway", "imported")
    assert minutes.bytes == sum(path.stat().st_size for path in file.parent.glob("2026-1?.parquet"))


async def test_the_loop_goes_on_while_the_thread_is_busy(archive: BarArchive) -> None:
    for work in (lambda: archive.put(NOVEMBER, FULL), lambda: archive.get(NOVEMBER), archive.series, archive.warm):
        gate = threading.Event()
        archive._thread.submit(gate.wait, 10)
        working = asyncio.ensure_future(work())
        for _ in range(20):
            await asyncio.sleep(0)
        assert not working.done()
        gate.set()
        await working


def test_reading_ahead_finds_the_libraries_and_imports_nothing(child: Callable[..., Child]) -> None:
    started = child(
        "import sys; from desk.store.barpages import *; read_pyarrow_ahead(); print('pyarrow' in sys.modules);"
        "import_pyarrow(); read_pyarrow_ahead(); print('pyarrow' in sys.modules)"
    )
    assert started.stdout is not None
    assert started.stdout.read().split() == ["False", "True"]
    libraries = ("libarrow.so.2600", "libparquet.2600.dylib", "arrow.dll", "_parquet.cp311-win_amd64.pyd")
    assert all(_LIBRARY.search(name) for name in libraries)
    assert not any(_LIBRARY.search(name) for name in ("libarrow_flight.so.2600", "__init__.py", "solver.py"))


def test_nothing_heavy_is_imported_before_the_first_use(child: Callable[..., Child]) -> None:
    source = "import sys, desk.store.bararchive; print('pyarrow' in sys.modules, 'redis' in sys.modules)"
    started = child(source)
    assert started.stdout is not None
    assert started.stdout.read().split() == ["False", "False"]
