"""The files that people have: what is understood, what is assumed and said, and what is refused with its line."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from desk.store.barfiles import BarFileError
from desk.store.barreading import read_bars

CHICAGO = ZoneInfo("America/Chicago")
WHEN = int(datetime(2026, 11, 18, 14, 30, tzinfo=UTC).timestamp())
ROW = "29546,29548.75,29545.5,29547.25,148"
HEAD = "time,open,high,low,close,volume"


def put(tmp_path: Path, text: str, name: str = "bars.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode("utf-8"))
    return path


@pytest.mark.parametrize(
    "text",
    [
        f"{HEAD}\n{WHEN},{ROW}\n",
        f"{HEAD}\n{WHEN}.0,{ROW}\n",
        f"{HEAD}\n{WHEN}000,{ROW}\n",
        f"{HEAD}\n{WHEN}000000,{ROW}\n",
        f"{HEAD}\n{WHEN}000000000,{ROW}\n",
        f"Timestamp,Open,High,Low,Close,Volume\n2026-11-18T14:30:00Z,{ROW}\n",
        f"t,o,h,l,c,v\n2026-11-18 14:30:00+00:00,{ROW}\n",
        f"DateTime,O,H,L,C,Vol\n2026-11-18T08:30:00.000-06:00,{ROW}\n",
        f"time,open,high,low,close,Volume,EMA,Plot,Plot\n2026-11-18T08:30:00-06:00,{ROW},1.5,,\n",  # TradingView
        "Date, Time, Open, High, Low, Last, Volume\n2026/11/18, 14:30:00, 29546, 29548.75, 29545.5, 29547.25, 148\n",
        f"date;time;open;high;low;close;volume\n11/18/2026;2:30 PM;{ROW.replace(',', ';')}\n",
        f"<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<VOL>\n20261118\t143000\t{ROW.replace(',', chr(9))}\n",
        f"\ufeff{HEAD}\r\n\r\n2026-11-18 14:30,{ROW}\r\n",
        f'"time","open","high","low","close","volume"\n"2026-11-18 14:30",{ROW}\n',
        f"date,open,high,low,close,volume\n2026-11-18 14:30,{ROW}\n",
        "volume,close,low,high,open,time\n148,29547.25,29545.5,29548.75,29546,2026-11-18T14:30Z\n",
        f"{HEAD}\n2026-11-18T14:30:00Z,2.9546e4,+29548.75,29545.50,29547.25,148.0\n",
    ],
)
def test_columns_and_times_as_people_have_them(tmp_path: Path, text: str) -> None:
    raw = read_bars(put(tmp_path, text))
    assert raw.ts.tolist() == [WHEN]
    assert raw.prices[:, 0].tolist() == [29546, 29548.75, 29545.5, 29547.25]
    assert raw.volume.tolist() == [148]
    assert not raw.is_end


def test_ninjatraders_file_tells_the_end_of_each_bar(tmp_path: Path) -> None:
    """``yyyyMMdd HHmmss;open;high;low;close;volume`` without a header, in UTC."""
    raw = read_bars(put(tmp_path, f"20261118 143000;{ROW.replace(',', ';')}\n", "MNQ 12-26.Last.txt"))
    assert raw.is_end
    assert raw.ts.tolist() == [WHEN]
    assert "as NinjaTrader exports them" in raw.notes[0]


def test_times_without_an_offset_are_utc_unless_a_zone_is_named_and_it_says_so(tmp_path: Path) -> None:
    path = put(tmp_path, f"{HEAD}\n2026-11-18 08:30,{ROW}\n2026-07-01 08:30,{ROW}\n")
    plain, local = read_bars(path), read_bars(path, CHICAGO)
    assert "read as UTC" in plain.notes[0]
    assert plain.ts.tolist()[0] == WHEN - 6 * 3600
    assert local.notes == ("times without an offset are read as America/Chicago",)
    assert local.ts.tolist() == [WHEN, int(datetime(2026, 7, 1, 13, 30, tzinfo=UTC).timestamp())]


@pytest.mark.parametrize("at", ["2026-11-01 01:30", "2026-03-08 02:30"])
def test_an_hour_that_the_clock_shows_twice_or_never_is_refused(tmp_path: Path, at: str) -> None:
    with pytest.raises(BarFileError, match="twice or never"):
        read_bars(put(tmp_path, f"{HEAD}\n{at},{ROW}\n"), CHICAGO)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ('"29,546",29548.75,29545.5,29547.25,148', "open is no number .*thousands"),
        ("nan,29548.75,29545.5,29547.25,148", "open is no number"),
        ("inf,29548.75,29545.5,29547.25,148", "open is no number"),
        (",29548.75,29545.5,29547.25,148", "open is no number"),
        ("29546,29548.75,29545.5,29547.25,", "volume is no number"),
        ("0x10,29548.75,29545.5,29547.25,1", "open is no number"),
    ],
)
def test_a_bad_number_is_named_with_its_line(tmp_path: Path, row: str, reason: str) -> None:
    text = f"{HEAD}\n2026-11-18T14:29:00Z,{ROW}\n\n2026-11-18T14:30:00Z,{row}\n"
    with pytest.raises(BarFileError, match=f"nothing of it was taken over: line 4: {reason}"):
        read_bars(put(tmp_path, text))


@pytest.mark.parametrize(
    "at",
    ["soon", "2026-02-30", "2026-11-18T25:00Z", "2026-11-18T14:61Z", "18/11/2026 14:30", "2026-11-18T14:30:00.5Z", "12", "",
     "99999999999999999999999", "-1795012200", "2026-13-01", "13:30 PM", "2026-11-18 13:30 PM"],
)  # fmt: skip
def test_a_bad_time_is_named_with_its_line(tmp_path: Path, at: str) -> None:
    with pytest.raises(BarFileError, match="line 3: the time cannot be read"):
        read_bars(put(tmp_path, f"{HEAD}\n2026-11-18T14:30:00Z,{ROW}\n{at},{ROW}\n"))


def test_only_the_first_bad_lines_are_named(tmp_path: Path) -> None:
    with pytest.raises(BarFileError, match=r"line 2.*line 6.* and 95 more") as caught:
        read_bars(put(tmp_path, f"{HEAD}\n" + "x,1,1,1,1,1\n" * 100))
    assert "line 7" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "has no column"),
        ("\n\n", "has no column"),
        (HEAD + "\n", "has 0 bars"),
        ("x,y,z\n1,2,3\n", "has no column time, open, high, low, close, volume; it has: x, y, z"),
        (f"time,open,high,low,close\n{WHEN},1,1,1,1\n", "put the Volume indicator on the chart"),
        (f"{HEAD}\n{WHEN},29,546,1,1,1,5\n", "line 2: 7 columns instead of 6"),
        (f"time,open,open,high,low,close,volume\n{WHEN},1,1,1,1,1,1\n", "two columns 'open'"),
        (f"{HEAD}\n2026-11-18T14:30Z,{ROW}\n2026-11-18T14:31,{ROW}\n", "some times have an offset and some have none"),
        (f"{HEAD}\n{WHEN},{ROW}\n{WHEN}000,{ROW}\n", "line 2: the time cannot be read"),
        ("PAR1 and nothing else", "cannot be read as Parquet"),
        ("x" * 300_000, "has no column"),
    ],
)
def test_what_is_no_file_of_bars_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(BarFileError, match=reason):
        read_bars(put(tmp_path, text))


def test_bytes_that_are_no_text_and_places_that_are_no_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    path.write_bytes("time;open".encode("utf-16"))
    with pytest.raises(BarFileError, match="neither Parquet nor text in UTF-8"):
        read_bars(path)
    path.write_bytes(f"{HEAD}\n{WHEN},{ROW}\n".encode() * 10_000 + b"\xff\xfe")
    with pytest.raises(BarFileError):
        read_bars(path)
    with pytest.raises(BarFileError, match="no such file"):
        read_bars(tmp_path / "none.csv")
    with pytest.raises(BarFileError, match=r"directory|rights"):
        read_bars(tmp_path)


def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {"time": pd.to_datetime([WHEN], unit="s", utc=True), "open": [29546.0], "high": [29548.75], "low": [29545.5],
         "close": [29547.25], "volume": [148]}
    )  # fmt: skip


def test_parquet_as_pandas_and_polars_write_it(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    for written in (frame(), frame().set_index("time"), frame().astype({"open": "float32", "volume": "float64"})):
        written.to_parquet(path)
        assert read_bars(path).ts.tolist() == [WHEN]
    naive = frame().assign(time=lambda table: table["time"].dt.tz_localize(None))
    naive.to_parquet(path)
    assert "read as UTC" in read_bars(path).notes[0]
    assert read_bars(path, CHICAGO).ts.tolist() == [WHEN + 6 * 3600]
    columns = {name: frame()[name].tolist() for name in ("open", "high", "low", "close", "volume")}
    pl.DataFrame({**columns, "ts": [WHEN]}).write_parquet(path)
    assert read_bars(path).ts.tolist() == [WHEN]


def test_parquet_with_nothing_or_text_in_a_price_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    for bad in (pa.array([None], pa.float64()), pa.array([True]), pa.array([float("nan")])):
        table = pa.table({"time": [WHEN], "open": bad, "high": [1.0], "low": [1.0], "close": [1.0], "volume": [1]})
        pq.write_table(table, path)
        with pytest.raises(BarFileError, match="row 1: open is no number"):
            read_bars(path)
