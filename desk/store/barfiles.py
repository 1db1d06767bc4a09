"""Bars as files for other programs: CSV and Parquet that pandas, polars and duckdb open as they are.

Columns: ``time`` (UTC, when the bar opened), ``open``, ``high``, ``low``, ``close`` in points, ``volume`` in contracts. They are
described in docs/history.md. Everything here blocks for as long as a disk takes: call it in a thread.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import numpy as np

from desk.core.errors import DeskError
from desk.market.bars import NANOS, Bars, Ints

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["BarFileError", "FileKind", "bar_file_name", "disk_trouble", "write_bars"]

FileKind = Literal["csv", "parquet"]
_AT_ONCE = 50_000  # rows: what holds the interpreter for a moment stays far below what the loop notices
_PRICES = ("open", "high", "low", "close")
_DECIMALS = 9  # of a nano point
_TROUBLES = {
    errno.ENOSPC: "the disk is full: make room and try again",
    errno.EDQUOT: "the disk quota is used up: make room and try again",
    errno.EACCES: "this user may not do that there: check the rights",
    errno.EPERM: "this user may not do that there, or another program has the file open: close it there",
    errno.EROFS: "that disk is read-only",
    errno.ENOENT: "there is no such file or directory",
    errno.EISDIR: "that is a directory",
}


class BarFileError(DeskError):
    """A file of bars could not be written or read. The text names the file, the cause and the next step."""


def disk_trouble(exc: OSError) -> str:
    """What went wrong, for a person."""
    return _TROUBLES.get(exc.errno or 0, exc.strerror or str(exc))


def bar_file_name(contract: str, timeframe: str, columns: Bars, kind: FileKind) -> str:
    """``MNQZ6_1m_20261101_20261121.csv``. A month is ``1mo``: some disks do not tell ``1M`` from ``1m``."""
    days = [f"{datetime.fromtimestamp(int(at), UTC):%Y%m%d}" for at in columns.ts[[0, -1]]] if len(columns) else []
    frame = f"{timeframe[:-1]}mo" if timeframe.endswith("M") else timeframe
    return "_".join([contract, frame, *days]) + f".{kind}"


def write_bars(path: Path, columns: Bars, contract: str, timeframe: str, kind: FileKind) -> Path:
    """Writes all of ``columns`` whole or not at all, and returns the absolute path of the file.

    path: the file; where there is one of that name already, a number is added and it stays as it is. A directory: the file
    gets :func:`bar_file_name` in it. Its name begins with the contract, as the simulator's replay wants it. Prices in CSV are
    exact, in Parquet the nearest float64. Raises BarFileError.
    """
    if path.is_dir():
        path /= bar_file_name(contract, timeframe, columns, kind)
    fresh = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with fresh.open("wb") as file:
                (_write_csv if kind == "csv" else _write_parquet)(file, columns, contract, timeframe)
                file.flush()
                os.fsync(file.fileno())
            return _moved(fresh, path).absolute()
        finally:
            fresh.unlink(missing_ok=True)
    except OSError as exc:
        raise BarFileError(f"{path} was not written: {disk_trouble(exc)}") from exc


def _moved(fresh: Path, path: Path) -> Path:
    """To the first name that is free. The name is taken first, so that two writers never get the same one."""
    for number in count(1):
        target = path if number == 1 else path.with_name(f"{path.stem}_{number}{path.suffix}")
        try:
            target.open("xb").close()
        except FileExistsError:
            continue
        try:
            fresh.replace(target)
        except OSError:
            target.unlink(missing_ok=True)
            raise
        return target
    raise AssertionError("numbers never end")


def _pieces(columns: Bars) -> Iterator[Bars]:
    for start in range(0, len(columns), _AT_ONCE):
        yield columns.cut(start, start + _AT_ONCE)


def _write_csv(file: BinaryIO, columns: Bars, contract: str, timeframe: str) -> None:
    del contract, timeframe  # the name of the file says them
    import pyarrow as pa
    import pyarrow.csv as pa_csv

    names = ["time", *_PRICES, "volume"]
    schema = pa.schema([(name, pa.int64() if name == "volume" else pa.string()) for name in names])
    decimals = _decimals_of(columns)
    options = pa_csv.WriteOptions(include_header=False, quoting_style="none")
    file.write(b"time,open,high,low,close,volume\n")
    with pa_csv.CSVWriter(file, schema, write_options=options) as writer:
        for piece in _pieces(columns):
            prices = [_decimal_text(getattr(piece, name), decimals) for name in _PRICES]
            writer.write_table(pa.table([_time_text(piece.ts), *prices, piece.volume], schema=schema))


def _write_parquet(file: BinaryIO, columns: Bars, contract: str, timeframe: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema(
        [
            ("time", pa.timestamp("us", tz="UTC")),
            *((name, pa.float64()) for name in _PRICES),
            ("volume", pa.int64()),
        ],
        metadata={"contract": contract, "timeframe": timeframe},
    )
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for piece in _pieces(columns):
            times = pa.array(piece.ts * 1_000_000).cast(schema.field("time").type)
            prices = [pa.array(getattr(piece, name) / NANOS) for name in _PRICES]
            writer.write_table(pa.table([times, *prices, piece.volume], schema=schema))


def _time_text(ts: Ints) -> pa.Array:
    """``2026-11-18T14:30:00Z``."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.strftime(pa.array(ts).cast(pa.timestamp("s")), format="%Y-%m-%dT%H:%M:%SZ")


def _decimals_of(columns: Bars) -> int:
    """How many digits behind the point the prices of the whole file need."""
    prices = [getattr(columns, name) for name in _PRICES]
    step = int(np.gcd.reduce([np.gcd.reduce(column) for column in prices])) if len(columns) else 0
    return next(digits for digits in range(_DECIMALS + 1) if step % 10 ** (_DECIMALS - digits) == 0)


def _decimal_text(nanos: Ints, decimals: int) -> pa.Array:
    """Exact: no float is on the way."""
    import pyarrow as pa
    import pyarrow.compute as pc

    # pyarrow makes its functions when it is imported, which a type checker does not see
    compute: Any = pc
    units = np.abs(nanos) // 10 ** (_DECIMALS - decimals)
    whole = compute.cast(pa.array(units // 10**decimals), pa.string())
    sign = compute.if_else(pa.array(nanos < 0), "-", "")
    if not decimals:
        return compute.binary_join_element_wise(sign, whole, "")
    part = compute.utf8_lpad(compute.cast(pa.array(units % 10**decimals), pa.string()), decimals, "0")
    return compute.binary_join_element_wise(sign, whole, ".", part, "")
