"""Bars as files: other programs open them as they are, nothing is overwritten, nothing is written by half."""

from __future__ import annotations

import asyncio
import errno
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desk.market.bars import NANOS, Bars, price_of
from desk.sim.replay import read_recording
from desk.store import barfiles
from desk.store.barfiles import BarFileError, FileKind, bar_file_name, write_bars
from desk.store.barreading import read_bars

START = int(datetime(2026, 11, 18, 14, 30, tzinfo=UTC).timestamp())
KINDS: tuple[FileKind, ...] = ("csv", "parquet")


def sample(count: int = 5, start: int = START, step: int = 60) -> Bars:
    """Minutes of a market on a grid of a quarter point."""
    at = np.arange(count)
    close = (118_000 + at * 7 % 90) * (NANOS // 4)
    point = NANOS // 4
    return Bars(start + at * step, close - point, close + 3 * point, close - 2 * point, close, 100 + at % 50)


def test_csv_is_what_the_page_says(tmp_path: Path) -> None:
    path = write_bars(tmp_path / "MNQZ6_1m.csv", sample(2), "MNQZ6", "1m", "csv")
    assert path.read_bytes().decode() == (
        "time,open,high,low,close,volume\n"
        "2026-11-18T14:30:00Z,29499.75,29500.75,29499.50,29500.00,100\n"
        "2026-11-18T14:31:00Z,29501.50,29502.50,29501.25,29501.75,101\n"
    )


@pytest.mark.parametrize("kind", KINDS)
def test_pandas_polars_and_duckdb_open_it_as_it_is(tmp_path: Path, kind: FileKind) -> None:
    bars = sample(500)
    path = write_bars(tmp_path, bars, "MNQZ6", "1m", kind)
    assert path.name == f"MNQZ6_1m_20261118_20261118.{kind}"
    prices = {name: (getattr(bars, name) / NANOS).tolist() for name in ("open", "high", "low", "close")}
    if kind == "csv":
        pandas: pd.DataFrame = pd.read_csv(path, parse_dates=["time"])
        polars: pl.DataFrame = pl.read_csv(path, try_parse_dates=True)
    else:
        pandas, polars = pd.read_parquet(path), pl.read_parquet(path)
    assert str(pandas["time"].dt.tz) == "UTC"
    assert (pandas["time"].astype("datetime64[s, UTC]").astype("int64") == bars.ts).all()
    assert polars.schema["time"].time_zone == "UTC"  # type: ignore[attr-defined]
    assert polars["time"].dt.epoch("s").to_list() == bars.ts.tolist()
    opened: Any = duckdb.read_csv(str(path)) if kind == "csv" else duckdb.read_parquet(str(path))
    rows: list[Any] = opened.project("epoch(time), typeof(time), typeof(volume)").fetchall()
    assert [row[0] for row in rows] == bars.ts.tolist()
    assert rows[0][1:] == ("TIMESTAMP WITH TIME ZONE", "BIGINT")
    for name, wanted in prices.items():
        assert pandas[name].tolist() == polars[name].to_list() == wanted
        assert [row[0] for row in opened.project(name).fetchall()] == wanted
    assert pandas["volume"].tolist() == polars["volume"].to_list() == bars.volume.tolist()
    assert (pandas["volume"].dtype, polars.schema["volume"]) == (np.int64, pl.Int64)


@pytest.mark.parametrize("kind", KINDS)
def test_the_replay_of_the_simulator_reads_it(tmp_path: Path, kind: FileKind) -> None:
    bars = sample(30)
    recording = read_recording(write_bars(tmp_path, bars, "MNQZ6", "1m", kind))
    stream = recording.streams["F.US.MNQ"]
    assert recording.first.timestamp() == START
    minutes = bars.ts // 60
    assert (stream.opens(minutes) * NANOS).astype(np.int64).tolist() == bars.open.tolist()
    high, low = stream.extremes(minutes)
    assert (high * NANOS).astype(np.int64).tolist() == bars.high.tolist()
    assert (low * NANOS).astype(np.int64).tolist() == bars.low.tolist()
    assert stream.volumes(minutes).tolist() == bars.volume.tolist()


nanos = st.integers(-(10**14), 10**14)


@settings(max_examples=30, deadline=None)
@given(rows=st.lists(st.tuples(nanos, nanos, nanos, nanos, st.integers(0, 10**9)), min_size=1, max_size=20))
def test_csv_loses_no_digit(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, ...]]) -> None:
    columns = np.array(rows, dtype=np.int64).T.copy()
    bars = Bars(START + np.arange(len(rows)) * 60, *columns)
    path = write_bars(tmp_path_factory.mktemp("x"), bars, "X", "1m", "csv")
    lines = path.read_text().splitlines()[1:]
    told = [[Decimal(cell) for cell in line.split(",")[1:5]] for line in lines]
    assert told == [[price_of(value) for value in row[:4]] for row in rows]


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_written_is_read_back(tmp_path: Path, kind: FileKind) -> None:
    bars = sample(1000)
    raw = read_bars(write_bars(tmp_path, bars, "MNQZ6", "1m", kind))
    assert raw.ts.tolist() == bars.ts.tolist()
    assert (raw.prices[3] * NANOS).astype(np.int64).tolist() == bars.close.tolist()
    assert raw.volume.tolist() == bars.volume.tolist()
    assert not raw.is_end


@pytest.mark.parametrize("kind", KINDS)
def test_no_bars_make_a_file_without_rows(tmp_path: Path, kind: FileKind) -> None:
    path = write_bars(tmp_path / f"x.{kind}", Bars.empty(), "MNQZ6", "1m", kind)
    opened = pd.read_csv(path) if kind == "csv" else pd.read_parquet(path)
    assert (len(opened), list(opened)) == (0, ["time", "open", "high", "low", "close", "volume"])


def test_a_file_that_is_there_stays_and_a_number_is_added(tmp_path: Path) -> None:
    (tmp_path / "MNQZ6_1m.csv").write_text("mine")
    made = [write_bars(tmp_path / "MNQZ6_1m.csv", sample(1), "MNQZ6", "1m", "csv") for _ in range(2)]
    assert [path.name for path in made] == ["MNQZ6_1m_2.csv", "MNQZ6_1m_3.csv"]
    assert (tmp_path / "MNQZ6_1m.csv").read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 3  # nothing half written is left


def test_a_month_and_a_minute_never_share_a_name() -> None:
    names = {bar_file_name("MNQZ6", frame, Bars.empty(), "csv").lower() for frame in ("1m", "1M")}
    assert names == {"mnqz6_1m.csv", "mnqz6_1mo.csv"}


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(barfiles, "_write_csv", full)
    with pytest.raises(BarFileError, match="the disk is full: make room"):
        write_bars(tmp_path / "x.csv", sample(), "MNQZ6", "1m", "csv")
    assert list(tmp_path.iterdir()) == []


async def test_a_million_bars_do_not_stall_the_loop(tmp_path: Path) -> None:
    """The loop looks at the clock all the time, and no look is late."""
    bars = sample(1_000_000)
    worst, is_over = 0.0, False

    async def watch() -> None:
        nonlocal worst
        while not is_over:
            before = time.process_time()  # what other programs take of the processor is no stall of ours
            await asyncio.sleep(0.002)
            worst = max(worst, time.process_time() - before)

    await asyncio.to_thread(write_bars, tmp_path, sample(10), "WARM", "1m", "csv")  # imports are paid for once
    watching = asyncio.create_task(watch())
    path = await asyncio.to_thread(write_bars, tmp_path, bars, "MNQZ6", "1m", "parquet")
    raw = await asyncio.to_thread(read_bars, path)
    is_over = True
    await watching
    assert len(raw) == len(bars)
    assert worst < 0.25, f"the loop stood still for {worst * 1000:.0f} ms"
