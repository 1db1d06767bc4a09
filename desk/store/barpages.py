"""A page of bars as the bytes of one Parquet file, and back. pyarrow is imported here, on first use, in the caller's thread.

Columns: ``ts`` timestamp[us, UTC] of the opening; ``open high low close`` float64 points; ``volume`` int64 contracts. What
the page covers, and whose page it is, stands in the key-value metadata of the same file (``desk.*``), and so does a
checksum over all its bytes: damaged bytes are known as such before the Parquet reader sees them. Any reader of Parquet
opens the file as it is.
"""

from __future__ import annotations

import importlib.util
import re
import sys
import zlib
from pathlib import Path
from typing import IO, Any

import msgspec
import numpy as np

from desk.core.timeframe import parse_timeframe
from desk.market.bars import COLUMNS, Bars, Ints
from desk.market.pages import Page, PageKey
from desk.market.spans import Spans
from desk.store.pagerules import BadPage, PageFacts, problem_of

__all__ = ["FORMAT", "decode", "encode", "facts_of", "import_pyarrow", "read_pyarrow_ahead"]

FORMAT = "1"
_PRICES = ("open", "high", "low", "close")
_SPANS = ("covered", "imported")
_MICROS = 1_000_000
_BINARY_STEP = 15_625_000
"""1/64 point. Prices that are multiples of it end in zero bits, which byte stream split packs best."""
_LIBRARY = re.compile(r"^(?!.*(flight|gandiva)).*\.(so|dll|pyd|dylib)(\.|$)")
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, OverflowError)
_MARK = b"crc32="
_NO_SUM = b"00000000"


def read_pyarrow_ahead() -> None:
    """Read pyarrow's native libraries once, so that its import finds them in memory. Never raises.

    The import holds the interpreter while the system maps 100 MB of libraries: from a cold disk the event loop stood still
    for 135 to 241 ms, after this for 15 to 33 (docs/decisions.md).
    """
    found = None if "pyarrow" in sys.modules else importlib.util.find_spec("pyarrow")
    if found is None or found.origin is None:
        return
    buffer = bytearray(1 << 20)
    try:
        for path in Path(found.origin).parent.iterdir():
            if _LIBRARY.search(path.name) and not path.is_symlink():
                with path.open("rb", buffering=0) as file:
                    while file.readinto(buffer):
                        pass
    except OSError:
        pass  # the import will say what is wrong


def import_pyarrow() -> tuple[Any, Any]:
    """``pyarrow`` and ``pyarrow.parquet``, which come without types. 50 to 150 ms the first time. Raises ImportError."""
    import pyarrow
    import pyarrow.parquet

    return pyarrow, pyarrow.parquet


def encode(key: PageKey, page: Page) -> bytes:
    """Raises BadPage for what ``decode`` would not give back."""
    if problem := problem_of(key, page):
        raise BadPage(problem)
    pa, parquet = import_pyarrow()
    table = _table(pa, page.bars)
    sink = pa.BufferOutputStream()
    how = _encodings(page.bars)
    with parquet.ParquetWriter(sink, table.schema, store_schema=False, compression="zstd", **how) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata(_metadata(key, page))
    return _sealed(sink.getvalue().to_pybytes())


def decode(key: PageKey, data: bytes) -> Page:
    """Raises BadPage: damaged, foreign, of another format, or not the page of that key."""
    pa, parquet = import_pyarrow()
    if not _is_whole(data):
        raise BadPage("its bytes are damaged, or the file is not ours")
    try:
        with parquet.ParquetFile(pa.BufferReader(data)) as file:
            said = _said(file.metadata.metadata)
            _check_owner(key, said)
            covered, imported = (_spans(said[f"desk.{name}"]) for name in _SPANS)
            page = Page(_bars(pa, file.read(use_threads=False)), covered, imported)
    except (pa.ArrowException, *_UNREADABLE) as exc:
        raise BadPage(f"it cannot be read: {type(exc).__name__}: {str(exc)[:120]}") from exc
    if problem := problem_of(key, page):
        raise BadPage(problem)
    return page


def facts_of(file: IO[bytes], size: int) -> PageFacts:
    """From the end of the file alone; no checksum is checked. size: of the file. Raises BadPage."""
    pa, parquet = import_pyarrow()
    try:
        with parquet.ParquetFile(file) as opened:
            said, bars = _said(opened.metadata.metadata), opened.metadata.num_rows
        first, last = (int(said[key]) if said[key] else None for key in ("desk.first", "desk.last"))
        covered, imported = (sum(end - start for start, end in _spans(said[f"desk.{key}"])) for key in _SPANS)
        timeframe = parse_timeframe(said["desk.timeframe"])
        return PageFacts(said["desk.contract"], timeframe, bars, first, last, size, covered, imported)
    except (pa.ArrowException, *_UNREADABLE) as exc:
        raise BadPage(f"it cannot be read: {type(exc).__name__}: {str(exc)[:120]}") from exc


def _encodings(bars: Bars) -> dict[str, Any]:
    """Chosen by measuring (docs/decisions.md): differences for the times and volumes; prices see ``_BINARY_STEP``."""
    differences = dict.fromkeys(("ts", "volume"), "DELTA_BINARY_PACKED")
    if all(not (getattr(bars, name) % _BINARY_STEP).any() for name in _PRICES):
        return {"use_dictionary": False, "column_encoding": differences | dict.fromkeys(_PRICES, "BYTE_STREAM_SPLIT")}
    return {"use_dictionary": list(_PRICES), "column_encoding": differences}


def _table(pa: Any, bars: Bars) -> Any:
    """From the columns' own memory: ``pa.array`` would import pandas where it is installed."""
    schema = _schema(pa)
    values = [bars.ts * _MICROS, *(getattr(bars, name) / 1e9 for name in _PRICES), np.ascontiguousarray(bars.volume)]
    arrays = [
        pa.Array.from_buffers(field.type, len(bars), [None, pa.py_buffer(column)])
        for field, column in zip(schema, values, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def _schema(pa: Any) -> Any:
    kinds = {"ts": pa.timestamp("us", "UTC"), "volume": pa.int64()}
    return pa.schema([(name, kinds.get(name, pa.float64())) for name in COLUMNS])


def _bars(pa: Any, table: Any) -> Bars:
    """Columns of their own memory. Raises ValueError."""
    if not table.schema.equals(_schema(pa)):
        raise ValueError("its columns are not those of bars")
    micros, volume = _values(table, "ts", np.int64), _values(table, "volume", np.int64)
    if (micros % _MICROS).any():
        raise ValueError("a bar opens inside a second")
    opened, high, low, close = (_nanos(_values(table, name, np.float64)) for name in _PRICES)
    return Bars(micros // _MICROS, opened, high, low, close, volume.copy())


def _values(table: Any, name: str, kind: type) -> Any:
    column = table.column(name)
    if column.null_count:
        raise ValueError(f"{name} has empty cells")
    array = column.combine_chunks()
    if not len(array):
        return np.zeros(0, dtype=kind)
    return np.frombuffer(array.buffers()[1], dtype=kind)[array.offset : array.offset + len(array)]


def _nanos(points: Any) -> Ints:
    """Exact, or ValueError: also for NaN and for digits that no venue writes."""
    with np.errstate(invalid="ignore", over="ignore"):
        nanos: Ints = np.rint(points * 1e9).astype(np.int64)
    if not (nanos / 1e9 == points).all():
        raise ValueError("a price is no number of at most nine decimals")
    return nanos


# --- metadata ------------------------------------------------------------------------------------------------------


def _metadata(key: PageKey, page: Page) -> dict[str, str]:
    ts = page.bars.ts
    return {
        "desk.format": FORMAT,
        "desk.contract": str(key.contract_id),
        "desk.timeframe": key.timeframe.text,
        "desk.page": key.label,
        "desk.first": str(ts[0]) if len(ts) else "",
        "desk.last": str(ts[-1]) if len(ts) else "",
        "desk.covered": _text(page.covered),
        "desk.imported": _text(page.imported),
        "desk.checksum": (_MARK + _NO_SUM).decode(),  # the last one, so that nothing behind it looks alike
    }


def _said(metadata: dict[bytes, bytes] | None) -> dict[str, str]:
    said = {name.decode(): text.decode() for name, text in (metadata or {}).items()}
    if said.get("desk.format") != FORMAT:
        raise ValueError(f"its format is {said.get('desk.format', 'not ours')[:20]}, this program reads {FORMAT}")
    return said


def _check_owner(key: PageKey, said: dict[str, str]) -> None:
    for name, expected in (("contract", key.contract_id), ("timeframe", key.timeframe.text), ("page", key.label)):
        if said[f"desk.{name}"] != expected:
            raise ValueError(f"it is of {name} {said[f'desk.{name}'][:40]}, not {expected}")


def _text(spans: Spans) -> str:
    return msgspec.json.encode([(int(start), int(end)) for start, end in spans]).decode()


def _spans(text: str) -> Spans:
    return msgspec.json.decode(text, type=tuple[tuple[int, int], ...])


# --- checksum ------------------------------------------------------------------------------------------------------


def _sealed(data: bytes) -> bytes:
    at = _place_of_sum(data)
    assert at is not None, "the metadata of a page ends with its checksum"
    return b"".join((data[:at], _sum(data, at), data[at + len(_NO_SUM) :]))


def _is_whole(data: bytes) -> bool:
    at = _place_of_sum(data)
    return at is not None and data[at : at + len(_NO_SUM)] == _sum(data, at)


def _place_of_sum(data: bytes) -> int | None:
    at = data.rfind(_MARK)
    return None if at < 0 else at + len(_MARK)


def _sum(data: bytes, at: int) -> bytes:
    """Over all bytes, with the place of the sum itself filled by zeros."""
    view = memoryview(data)
    return b"%08x" % zlib.crc32(view[at + len(_NO_SUM) :], zlib.crc32(_NO_SUM, zlib.crc32(view[:at])))
