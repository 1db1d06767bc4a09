"""Market trades on disk: ``<root>/<contract>/<UTC day>.parquet``, in the columns that the simulator's replay reads.

While a day runs, its trades are appended to a *part* beside it, an Arrow stream that grows by whole batches: a process that is
killed leaves every batch that it had written. At the end of a day, and when a recording begins or ends, parts are folded into
the day's file, which is written under another name and moved into place. The file remembers which parts it holds, so a part
that outlived a kill is never counted twice. Everything here blocks: call it in one thread at a time.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from desk.core.errors import DeskError
from desk.core.ids import ContractId
from desk.market.tape import MarketTrade
from desk.store.barfiles import disk_trouble

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["COLUMNS", "TickFileError", "TickPart", "day_of_part", "fold_parts", "parts_of", "read_part"]

COLUMNS = ("ts_event", "ts_recv", "price", "size", "aggressor", "contract")
_PART = ".ticks"
_FOLDED = b"parts"  # key in the metadata of a day's file


class TickFileError(DeskError):
    """Trades could not be written. The text names the file and the cause."""


class TickPart:
    """One growing part of one contract's day. After an error it takes nothing more: begin another one."""

    def __init__(self, root: Path, contract_id: ContractId, day: date, began: datetime) -> None:
        """began: UTC, for the order of names; none is ever used twice. Raises TickFileError."""
        import pyarrow as pa

        directory = root / contract_id
        self.path = directory / f"{day}_{began:%Y%m%dT%H%M%S%f}_{secrets.token_hex(4)}{_PART}"
        self._contract_id = contract_id
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("xb", buffering=0)
        except OSError as exc:
            raise TickFileError(f"{self.path}: {disk_trouble(exc)}") from exc
        try:
            self._stream = pa.ipc.new_stream(self._file, _schema())
        except OSError as exc:
            self._file.close()
            raise TickFileError(f"{self.path}: {disk_trouble(exc)}") from exc

    def append(self, trades: Sequence[MarketTrade]) -> None:
        """All of them or none that anybody will read. Raises TickFileError; the part is closed then."""
        try:
            self._stream.write_batch(_batch(self._contract_id, trades))
        except OSError as exc:
            self._file.close()
            raise TickFileError(f"{self.path}: {disk_trouble(exc)}") from exc

    def close(self) -> None:
        """The end of the stream is not written: a part is complete without it."""
        self._file.close()


def parts_of(root: Path) -> list[Path]:
    """Every part of every contract, oldest first."""
    return sorted(root.glob(f"*/*{_PART}"))


def day_of_part(part: Path) -> str:
    """``2026-11-18``."""
    return part.name.partition("_")[0]


def fold_parts(parts: Sequence[Path]) -> list[Path]:
    """Puts parts into the files of their days and takes them away. Returns the files. Raises TickFileError.

    A day's file that cannot be read is set aside as ``.damaged`` and a new one begun.
    """
    days: dict[Path, list[Path]] = {}
    for part in parts:
        days.setdefault(part.with_name(f"{day_of_part(part)}.parquet"), []).append(part)
    for path, own in days.items():
        try:
            _fold(path, own)
            for part in own:
                part.unlink(missing_ok=True)
        except OSError as exc:
            raise TickFileError(f"{path}: {disk_trouble(exc)}") from exc
    return list(days)


def _fold(path: Path, parts: Sequence[Path]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    tables, folded = _stored(path)
    fresh = [part for part in parts if part.name not in folded]
    batches = [batch for part in fresh for batch in read_part(part)]
    if not batches:
        return
    whole = pa.concat_tables([*tables, pa.Table.from_batches(batches, _schema())])
    # by time, and where that is the same in the order in which they came
    whole = whole.append_column("row", pa.array(np.arange(len(whole))))
    whole = whole.sort_by([("ts_event", "ascending"), ("row", "ascending")]).drop_columns(["row"])
    whole = whole.replace_schema_metadata({_FOLDED: "\n".join([*folded, *(part.name for part in fresh)])})
    fresh_file = path.with_name(f".{path.name}.writing")
    try:
        with fresh_file.open("wb") as file:
            pq.write_table(whole, file, compression="zstd")
            file.flush()
            os.fsync(file.fileno())
        fresh_file.replace(path)
    finally:
        fresh_file.unlink(missing_ok=True)


def _stored(path: Path) -> tuple[list[pa.Table], list[str]]:
    """What the day's file holds by now, and the parts that went into it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.exists():
        return [], []
    try:
        table = pq.read_table(path, schema=_schema())
        told = (pq.read_schema(path).metadata or {}).get(_FOLDED, b"").decode()
    except (pa.ArrowException, OSError, ValueError) as exc:
        if isinstance(exc, OSError) and exc.errno is not None:  # the disk; damaged bytes have no number
            raise
        path.replace(path.with_suffix(".damaged"))
        return [], []
    return [table.replace_schema_metadata(None)], [name for name in told.split("\n") if name]


def read_part(part: Path) -> Iterator[pa.RecordBatch]:
    """Whole batches, up to where the writer was stopped. What is cut off there was never complete."""
    import pyarrow as pa

    with part.open("rb") as file:
        try:
            stream = pa.ipc.open_stream(file)
            while True:
                batch = stream.read_next_batch()
                batch.validate(full=True)
                yield batch
        except (StopIteration, pa.ArrowException, ValueError, MemoryError):  # damaged bytes may ask for any length
            return
        except OSError as exc:
            if exc.errno is not None:  # the disk; what ends too early has no number
                raise


def _schema() -> Any:
    import pyarrow as pa

    kinds = {"price": pa.float64(), "size": pa.int64(), "aggressor": pa.string(), "contract": pa.string()}
    return pa.schema([(name, kinds.get(name, pa.timestamp("us", tz="UTC"))) for name in COLUMNS])


def _batch(contract_id: ContractId, trades: Sequence[MarketTrade]) -> pa.RecordBatch:
    import pyarrow as pa

    columns = [
        [trade.ts_event for trade in trades],
        [trade.ts_recv for trade in trades],
        [float(trade.price) for trade in trades],
        [trade.qty for trade in trades],
        [None if trade.aggressor is None else trade.aggressor.value for trade in trades],
        [str(contract_id)] * len(trades),
    ]
    schema = _schema()
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.record_batch(arrays, schema=schema)
