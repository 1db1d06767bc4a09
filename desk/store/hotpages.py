"""A page of bars as one value of Redis, and back: a header, who it is, what it covers, the columns. Pure.

Little endian: magic, version, lengths, checksum over everything else; then ``contract\\0timeframe\\0page``; then ``covered``
and ``imported`` as int64; then six columns. A column is ``base + unit * number``: base and unit as int64, the bytes of one
number (1, 2, 4 or 8), and the numbers, unsigned. A minute takes 12 bytes instead of 48, and Redis is faster by as much.
Each part is filled up to eight bytes.
"""

from __future__ import annotations

import struct
import zlib
from itertools import chain

import numpy as np

from desk.core.timeframe import parse_timeframe
from desk.market.bars import COLUMNS, Bars, Ints
from desk.market.pages import Page, PageKey
from desk.market.spans import Spans
from desk.store.pagerules import BadPage, PageFacts, problem_of

__all__ = ["HEAD_BYTES", "MAX_BYTES", "VERSION", "decode", "encode", "facts_of"]

VERSION = 1
MAX_BYTES = 5_000_000
"""A day of seconds whose numbers cannot be packed at all."""
HEAD_BYTES = 512
"""Enough for the header and the names; the covered stretches may be cut off."""
_HEAD = struct.Struct(
    "<4sHHIIIIqqQQ"
)  # magic, version, identity, bars, covered, imported, sum, first, last, imported_s, covered_s
_SUM_AT = struct.calcsize("<4sHHIII")
_MAGIC = b"DBAR"
_COLUMN = struct.Struct("<qqQ")  # base, unit, bytes of a number
_WIDTHS = (1, 2, 4, 8)


def encode(key: PageKey, page: Page) -> bytes:
    """Raises BadPage for what ``decode`` would not give back."""
    if problem := problem_of(key, page):
        raise BadPage(problem)
    identity, bars = _identity(key), page.bars
    first, last = (int(bars.ts[0]), int(bars.ts[-1])) if len(bars) else (0, 0)
    lengths = (len(identity), len(bars), len(page.covered), len(page.imported))
    seconds = (_seconds(page.imported), _seconds(page.covered))
    head = _HEAD.pack(_MAGIC, VERSION, *lengths, 0, first, last, *seconds)
    columns = [part for name in COLUMNS for part in _packed(getattr(bars, name))]
    data = bytearray(b"".join((head, identity, _flat(page.covered), _flat(page.imported), *columns)))
    if len(data) > MAX_BYTES:
        raise BadPage("it is larger than any page")
    struct.pack_into("<I", data, _SUM_AT, _checksum(data))
    return bytes(data)


def decode(key: PageKey, data: bytes) -> Page:
    """Raises BadPage."""
    if len(data) < _HEAD.size or data[:4] != _MAGIC:
        raise BadPage("it is not ours")
    _, version, named, bars, covered, imported, stored_sum, *_ = _HEAD.unpack_from(data)
    if version != VERSION:
        raise BadPage(f"its format is {version}, this program reads {VERSION}")
    if stored_sum != _checksum(data):
        raise BadPage("its bytes are damaged")
    try:
        rest = _Rest(data, _HEAD.size)
        if rest.take(named) != _identity(key):
            raise BadPage("it is another page")
        page = Page(
            covered=_spans(rest.ints(2 * covered)),
            imported=_spans(rest.ints(2 * imported)),
            bars=Bars(*(_unpacked(rest, bars) for _ in COLUMNS)),
        )
    except ValueError as exc:
        raise BadPage(str(exc)) from exc
    if not rest.is_used_up:
        raise BadPage("it is longer than it says")
    if problem := problem_of(key, page):
        raise BadPage(problem)
    return page


def facts_of(head: bytes, size: int) -> PageFacts | None:
    """From the first ``HEAD_BYTES`` of a value of ``size`` bytes, unproven; None when they are not ours."""
    if len(head) < _HEAD.size or head[:4] != _MAGIC:
        return None
    _, version, named, bars, _, _, _, first, last, imported_s, covered_s = _HEAD.unpack_from(head)
    names = head[_HEAD.size : _HEAD.size + named].rstrip(b"\0").split(b"\0")
    if version != VERSION or len(names) != 3:
        return None
    try:
        contract, timeframe = names[0].decode(), parse_timeframe(names[1].decode())
    except ValueError:
        return None
    oldest, newest = (first, last) if bars else (None, None)
    return PageFacts(contract, timeframe, bars, oldest, newest, size, covered_s, imported_s)


def _identity(key: PageKey) -> bytes:
    text = "\0".join((key.contract_id, key.timeframe.text, key.label)).encode()
    return text + bytes(-len(text) % 8)


def _flat(spans: Spans) -> bytes:
    return np.array(list(chain.from_iterable(spans)), dtype="<i8").tobytes()


def _spans(ints: Ints) -> Spans:
    return tuple((start, end) for start, end in ints.reshape(-1, 2).tolist())


def _seconds(spans: Spans) -> int:
    return sum(end - start for start, end in spans)


# --- columns -------------------------------------------------------------------------------------------------------


def _packed(values: Ints) -> tuple[bytes, bytes]:
    base = int(values.min()) if len(values) else 0
    above = values - base
    unit = int(np.gcd.reduce(above)) if len(values) else 0
    unit = unit or 1
    most = int(above.max()) // unit if len(values) else 0
    width = next(width for width in _WIDTHS if most < 1 << (8 * width))
    numbers = (above // unit).astype(f"<u{width}").tobytes()
    return _COLUMN.pack(base, unit, width), numbers + bytes(-len(numbers) % 8)


def _unpacked(rest: _Rest, length: int) -> Ints:
    base, unit, width = _COLUMN.unpack(rest.take(_COLUMN.size))
    if width not in _WIDTHS or unit < 1:
        raise ValueError("a column is of no known kind")
    numbers = np.frombuffer(rest.take(length * width), f"<u{width}").astype(np.int64)
    rest.take(-length * width % 8)
    numbers *= unit
    numbers += base
    return numbers


class _Rest:
    """What of the bytes is not read yet. Raises ValueError where they end too early."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data = memoryview(data)
        self._at = at

    @property
    def is_used_up(self) -> bool:
        return self._at == len(self._data)

    def take(self, length: int) -> memoryview:
        taken = self._data[self._at : self._at + length]
        if len(taken) != length:
            raise ValueError("it is cut short")
        self._at += length
        return taken

    def ints(self, length: int) -> Ints:
        return np.frombuffer(self.take(8 * length), "<i8").astype(np.int64)


def _checksum(data: bytes | bytearray) -> int:
    """Over all bytes but those of the sum."""
    view = memoryview(data)
    return zlib.crc32(view[_SUM_AT + 4 :], zlib.crc32(view[:_SUM_AT]))
