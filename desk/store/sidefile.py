"""Where records go that had to be acted upon although the journal refused them: protection outranks bookkeeping."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from desk.core.records import Record

__all__ = ["FILE_NAME", "write_unjournalled"]

FILE_NAME = "unjournalled.jsonl"


def write_unjournalled(data_dir: Path, records: Sequence[Record], reason: str) -> None:
    """Append ``records`` as JSON lines to the side file and to standard error. Never raises, whatever fails.

    A line is ``{"reason", "record"}``. Blocks for one small write without fsync, so that a close or a stop is not kept
    waiting by a bad disk.
    """
    lines = b"".join(_line(record, reason) for record in records)
    _write_to_stderr(lines)
    try:
        with (data_dir / FILE_NAME).open("a+b") as file:
            if file.tell() > 0:
                file.seek(-1, 2)
                if file.read(1) != b"\n":  # a full disk cut the last line short
                    lines = b"\n" + lines
            file.write(lines)
    except OSError as exc:
        _write_to_stderr(f"{FILE_NAME}: {exc.strerror or exc}\n".encode())


def _line(record: Record, reason: str) -> bytes:
    try:
        return msgspec.json.encode({"reason": reason, "record": record}) + b"\n"
    except (TypeError, ValueError, OverflowError) as exc:
        return (
            msgspec.json.encode({"reason": ascii(reason), "record": type(record).__name__, "error": str(type(exc))})
            + b"\n"
        )


def _write_to_stderr(lines: bytes) -> None:
    try:
        sys.stderr.write(lines.decode())
        sys.stderr.flush()
    except (AttributeError, OSError, ValueError):
        pass  # there is none (a windowless start), or its reader went away
