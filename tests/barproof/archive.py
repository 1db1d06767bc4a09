"""What lies in the archive, read with pyarrow and nothing of the desk's."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

from tests.barproof.judge import Stored
from tests.barproof.oracle import Series, row_of

__all__ = ["files_in", "read_archive"]

MARK = b"crc32="
COLUMNS = ("ts", "open", "high", "low", "close", "volume")


def files_in(data_dir: Path) -> list[Path]:
    """Every file of bars that is in use, by name."""
    return sorted(data_dir.glob("paper/bars/**/*.parquet"))


def read_archive(data_dir: Path) -> tuple[dict[Series, Stored], list[Path]]:
    """What the files vouch for, and the files whose checksum says that they vouch for nothing: nobody asked for them since."""
    found, damaged = dict[Series, Stored](), list[Path]()
    for path in files_in(data_dir):
        if _is_whole(path.read_bytes()):
            _read(path, found)
        else:
            damaged.append(path)
    return found, damaged


def _is_whole(data: bytes) -> bool:
    """CRC-32 over all bytes, in which its own eight digits, behind the last mark, count as zeros."""
    at = data.rfind(MARK) + len(MARK)
    if at < len(MARK):
        return False
    return data[at : at + 8] == f"{zlib.crc32(data[:at] + b'0' * 8 + data[at + 8 :]):08x}".encode()


def _read(path: Path, found: dict[Series, Stored]) -> None:
    from pyarrow import parquet

    table: Any = parquet.read_table(path)
    said = {name.decode(): text.decode() for name, text in (table.schema.metadata or _metadata(path)).items()}
    stored = found.setdefault((said["desk.contract"], said["desk.timeframe"]), Stored())
    stored.covered += [(start, end) for start, end in json.loads(said["desk.covered"])]
    stored.files += 1
    stored.bytes += path.stat().st_size
    for values in zip(*(table.column(name).to_pylist() for name in COLUMNS), strict=True):
        at = int(values[0].timestamp())
        assert at == values[0].timestamp(), f"{path}: a bar opens inside a second: {values}"
        assert at not in stored.rows, f"{path}: {at} is there twice"
        stored.rows[at] = row_of(*values[1:])


def _metadata(path: Path) -> dict[bytes, bytes]:
    from pyarrow import parquet

    told: dict[bytes, bytes] = parquet.read_metadata(path).metadata
    return told
