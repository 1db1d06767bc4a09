"""Files of bars that other programs wrote: CSV in the ways that people have, and Parquet. Reads; judges no bar.

Understood by column names (:data:`_NAMES`), whatever their case: a chart exported from TradingView, Sierra Chart's text files,
whatever pandas or polars wrote, and our own. A file without a header is NinjaTrader's, ``20261118 143100;o;h;l;c;v``: its
times are UTC, and of the bar's *end* (its help, "Importing" and "How does NinjaTrader build chart bars"). Blocks: call it in
a thread.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from desk.market.bars import Ints
from desk.store.barfiles import BarFileError, disk_trouble
from desk.store.bartimes import Flags, Times, local_to_utc, times_of_numbers, times_of_text

__all__ = ["MOST_ROWS", "RawBars", "read_bars", "refused"]

Floats = NDArray[np.float64]
MOST_ROWS = 10_000_000
_MOST_BYTES = 2 * 1024**3
_LONGEST_LINE = 100_000
_PIECE = 1024 * 1024
_NAMED = 5  # bad lines that a refusal names
_NAMES: Mapping[str, tuple[str, ...]] = {
    "time": ("time", "timestamp", "datetime", "date_time", "date time", "t", "ts", "ts_event", "open_time", "time_open",
             "opentime", "__index_level_0__", "index"),
    "date": ("date", "day"),
    "open": ("open", "o"),
    "high": ("high", "h"),
    "low": ("low", "l"),
    "close": ("close", "c", "last"),
    "volume": ("volume", "v", "vol", "total volume"),
}  # fmt: skip
_PRICES = ("open", "high", "low", "close")
_NUMBER = r"^ *[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})? *$"
_NINJA = re.compile(r"\d{8} \d{6}(;-?\d+(\.\d+)?){4};\d+")


@dataclass(frozen=True, slots=True)
class RawBars:
    """As the file has them, row by row. ``ts``: epoch seconds; ``prices``: float64 (4, n), open, high, low, close, in points.

    ``is_end``: the times are of the bar's end. ``notes``: what was assumed, for a person. ``where``: place of a row in the file.
    """

    ts: Ints
    prices: Floats
    volume: Floats
    is_end: bool
    notes: tuple[str, ...]
    where: Callable[[int], str]

    def __len__(self) -> int:
        return len(self.ts)


class _Table(NamedTuple):
    columns: Mapping[str, Any]  # ours -> pyarrow array
    unused: tuple[str, ...]
    is_ninja: bool
    where: Callable[[int], str]


def refused(path: Path, faults: Sequence[tuple[str, str]], count: int) -> BarFileError:
    """faults: place and reason, the first few of ``count``."""
    named = "; ".join(f"{place}: {reason}" for place, reason in faults[:_NAMED])
    more = f" ... and {count - _NAMED:,} more" if count > _NAMED else ""
    return BarFileError(f"{path} was refused, nothing of it was taken over: {named}{more}")


def read_bars(path: Path, zone: ZoneInfo | None = None) -> RawBars:
    """zone: of times that carry no offset; None: UTC. Raises BarFileError, which names the first bad lines."""
    try:
        size = path.stat().st_size
        if size > _MOST_BYTES:
            raise BarFileError(f"{path} is larger than 2 GiB: cut it into several files")
        with path.open("rb") as file:
            is_parquet = file.read(4) == b"PAR1"
        table = _parquet(path) if is_parquet else _csv(path)
    except OSError as exc:
        raise BarFileError(f"{path} cannot be read: {disk_trouble(exc)}") from exc
    count = len(table.columns["open"])
    if not 0 < count <= MOST_ROWS:
        raise BarFileError(f"{path} has {count:,} bars: one file holds 1 to {MOST_ROWS:,}")
    times, notes = _times(path, table, zone)
    numbers = {name: _numbers(table.columns[name]) for name in (*_PRICES, "volume")}
    bad = [(times.is_bad, "the time cannot be read (2026-11-18T14:30:00Z is best)")]
    bad += [
        (is_bad, f"{name} is no number (29500.25: no thousands separator, no decimal comma)")
        for name, (_, is_bad) in numbers.items()
    ]
    _refuse_bad(path, bad, table.where)
    if table.unused:
        notes = (*notes, f"columns not used: {', '.join(table.unused)[:200]}")
    prices = np.stack([numbers[name][0] for name in _PRICES])
    return RawBars(times.seconds, prices, numbers["volume"][0], table.is_ninja, notes, table.where)


def _refuse_bad(path: Path, bad: Sequence[tuple[Flags, str]], where: Callable[[int], str]) -> None:
    count = sum(int(is_bad.sum()) for is_bad, _ in bad)
    if count:
        rows = sorted((int(row), text) for is_bad, text in bad for row in np.flatnonzero(is_bad)[:_NAMED])
        raise refused(path, [(where(row), text) for row, text in rows], count)


# -- columns -----------------------------------------------------------------------------------------------------------


def _chosen(path: Path, names: Sequence[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Ours -> theirs, and what of theirs is not used."""
    plain = [re.sub(r"[<>\[\]#\"]", "", name).strip().lower() for name in names]
    for name in plain:
        if name and plain.count(name) > 1 and any(name in known for known in _NAMES.values()):
            raise BarFileError(f"{path} has two columns {name!a}: leave one out")
    found = {}
    for ours, known in _NAMES.items():
        if theirs := next((name for name in known if name in plain), None):
            found[ours] = names[plain.index(theirs)]
    lacking = [ours for ours in (*_PRICES, "volume") if ours not in found]
    if "time" not in found and "date" not in found:
        lacking.insert(0, "time")
    if lacking:
        shown = ", ".join(name[:30] for name in names[:12])
        hint = (
            " (on TradingView put the Volume indicator on the chart before you export)" if lacking == ["volume"] else ""
        )
        raise BarFileError(f"{path} has no column {', '.join(lacking)}{hint}; it has: {shown}")
    return found, tuple(name for name in names if name not in found.values())


def _csv(path: Path) -> _Table:
    import pyarrow as pa
    import pyarrow.csv as pa_csv

    first = _first_line(path)
    is_ninja = _NINJA.fullmatch(first.strip()) is not None
    delimiter = max(",;\t|", key=first.count)
    names = (
        list(_NAMES["time"][:1] + _PRICES + ("volume",))
        if is_ninja
        else next(csv.reader([first], delimiter=delimiter), [])
    )
    found, unused = _chosen(path, names)
    wrong: list[str] = []

    def skip(row: Any) -> str:
        wrong.append(f"line {row.number}: {row.actual_columns} columns instead of {row.expected_columns}")
        return "skip"

    try:
        table = pa_csv.read_csv(
            path,
            read_options=pa_csv.ReadOptions(use_threads=False, column_names=names, skip_rows=0 if is_ninja else 1),
            parse_options=pa_csv.ParseOptions(delimiter=delimiter, invalid_row_handler=skip),
            convert_options=pa_csv.ConvertOptions(
                column_types={name: pa.string() for name in names},
                include_columns=list(found.values()),
                null_values=[],
                strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid as exc:
        raise BarFileError(f"{path} cannot be read as CSV: {str(exc)[:200]}") from exc
    if wrong:
        raise BarFileError(f"{path} was refused, nothing of it was taken over: {'; '.join(wrong[:_NAMED])}")
    columns = {ours: table.column(theirs).combine_chunks() for ours, theirs in found.items()}
    return _Table(columns, unused, is_ninja, lambda row: _line_of(path, row + (not is_ninja)))


def _first_line(path: Path) -> str:
    """Of those that are not empty. All of the file is looked at: the reader cannot report text that is not UTF-8."""
    decode = codecs.getincrementaldecoder("utf-8-sig")().decode
    head = ""
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                text = decode(piece)
                head = head or text.lstrip()
            decode(b"", final=True)
    except UnicodeDecodeError as exc:
        raise BarFileError(f"{path} is neither Parquet nor text in UTF-8: save it as CSV in UTF-8") from exc
    return head[:_LONGEST_LINE].partition("\n")[0]


def _line_of(path: Path, row: int) -> str:
    """Empty lines count for a person and not for the reader. Looked up for a refusal only."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        for number, line in enumerate(file, 1):
            if line.strip("\r\n"):
                if row == 0:
                    return f"line {number}"
                row -= 1
    return "the last line"


def _parquet(path: Path) -> _Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        if file.metadata.num_rows > MOST_ROWS:
            raise BarFileError(f"{path} has {file.metadata.num_rows:,} bars: one file holds 1 to {MOST_ROWS:,}")
        names = file.schema_arrow.names
        found, unused = _chosen(path, names)
        table = file.read(columns=list(found.values()), use_threads=False)
    except pa.ArrowException as exc:
        raise BarFileError(f"{path} cannot be read as Parquet: {str(exc)[:200]}") from exc
    columns = {ours: table.column(theirs).combine_chunks() for ours, theirs in found.items()}
    return _Table(columns, unused, False, lambda row: f"row {row + 1}")


# -- values ------------------------------------------------------------------------------------------------------------


def _times(path: Path, table: _Table, zone: ZoneInfo | None) -> tuple[Times, tuple[str, ...]]:
    try:
        times = _times_of(table.columns)
    except ValueError as exc:
        raise BarFileError(f"{path} was refused: {exc}") from exc
    if not times.is_local:
        return times, times.notes
    if zone is None:
        asked = "as NinjaTrader exports them" if table.is_ninja else "zone=America/Chicago says another one"
        return times, (*times.notes, f"times without an offset are read as UTC ({asked})")
    seconds, unclear = local_to_utc(times.seconds, zone)
    notes = (*times.notes, f"times without an offset are read as {zone.key}")
    if unclear[~times.is_bad].any():
        notes_text = f"{zone.key} has some of its times twice or never (clocks are changed): write the times in UTC"
        raise BarFileError(f"{path} was refused: {notes_text}")
    return Times(seconds, times.is_bad, is_local=False), notes


def _times_of(columns: Mapping[str, Any]) -> Times:
    """One column, or a date and a time of day."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if "time" not in columns:
        columns = {"time": columns["date"]}
    column = columns["time"]
    kind = column.type
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    # a file with both may carry whole instants in one of them: then the other says nothing new
    if (
        "date" in columns
        and is_text
        and not pc.any(pc.match_substring_regex(column, r"^ *(\d{4}[-/.]|\d{8,})")).as_py()
    ):
        column = pc.binary_join_element_wise(pc.cast(columns["date"], pa.string()), column, " ")
    if pa.types.is_timestamp(column.type):
        nanos = pc.cast(column, pa.timestamp("ns", tz=column.type.tz), safe=False)
        raw = pc.fill_null(pc.cast(nanos, pa.int64()), 0).to_numpy(zero_copy_only=False)
        is_bad = column.is_null().to_numpy(zero_copy_only=False) | (raw % 1_000_000_000 != 0)
        return Times(raw // 1_000_000_000, is_bad, is_local=column.type.tz is None)
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        return times_of_numbers(pc.fill_null(column, 0).to_numpy(zero_copy_only=False))
    return times_of_text(pc.cast(column, pa.string()))


def _numbers(column: Any) -> tuple[Floats, Flags]:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        is_number = pc.fill_null(pc.match_substring_regex(column, _NUMBER), False)
        text = pc.if_else(is_number, pc.utf8_trim_whitespace(column), "0")
        text = pc.replace_substring_regex(text, r"^\+", "")
        values = pc.cast(text, pa.float64()).to_numpy(zero_copy_only=False)
        return values, ~is_number.to_numpy(zero_copy_only=False)
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_decimal(column.type)):
        return np.zeros(len(column)), np.ones(len(column), dtype=bool)
    numbers: Floats = pc.cast(column, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return numbers, ~np.isfinite(numbers)
