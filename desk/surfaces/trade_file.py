"""Round trips as a CSV file in DATA_DIR, for a spreadsheet. Its columns are described in docs/trades.md."""

from __future__ import annotations

import csv
import errno
import io
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from desk.core.errors import DeskError
from desk.surfaces.trade_view import TradeView

__all__ = ["COLUMNS", "FileNotWritten", "trades_as_csv", "write_trades"]

COLUMNS = TradeView.__struct_fields__
_TROUBLES = {
    errno.ENOSPC: "the disk is full: make room and write it again",
    errno.EDQUOT: "the disk quota is used up: make room and write it again",
    errno.EACCES: "this user may not write there: check the rights on DATA_DIR",
    errno.EPERM: "this user may not write there, or another program has the file open: close it there",
    errno.EROFS: "that disk is read-only",
}


class FileNotWritten(DeskError):
    """The file could not be written; one of that name from before is as it was."""


def write_trades(directory: Path, name: str, trades: Sequence[TradeView]) -> Path:
    """Makes or replaces ``directory/name`` whole, or raises FileNotWritten. Blocks: call it in a thread."""
    path, fresh = directory / name, directory / f"{name}.new"
    try:
        try:
            fresh.write_text(trades_as_csv(trades), encoding="utf-8", newline="")
            fresh.replace(path)
        except OSError:
            fresh.unlink(missing_ok=True)
            raise
    except OSError as exc:
        trouble = _TROUBLES.get(exc.errno or 0, exc.strerror or str(exc))
        raise FileNotWritten(f"{path} was not written: {trouble}") from exc
    return path.absolute()


def trades_as_csv(trades: Sequence[TradeView]) -> str:
    """Header and one line per trade, RFC 4180; times UTC, an empty field is what nobody measured."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows([_field(getattr(trade, column)) for column in COLUMNS] for trade in trades)
    return text.getvalue()


def _field(value: object) -> str:
    match value:
        case None:
            return ""
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"
        case Decimal():
            return f"{value:f}"
        case _:
            return str(value)
