"""A page of bars as one value of Redis, and back: a header, who it is, what it covers, the columns. Pure.

Little endian: magic, version, lengths, checksum over everything else; then ``contract\\0timeframe\\0page`` filled up to
eight bytes; then int64 of ``covered``, ``imported`` and the six columns, one after the other.
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
MAX_BYTES = 16 * 1024 * 1024
HEAD_BYTES = 512
"""Enough for the header and the names; the covered stretches may be cut off."""
_HEAD = struct.Struct(
    "<4sHHIIIIqqQQ"
)  # magic, version, identity, bars, covered, imported, sum, first, last, imported_s, covered_s
_SUM_AT = struct.calcsize("<4sHHIII")
_MAGIC = b"DBAR"


def encode(key: PageKey, page: Page) -> bytes:
    """Raises BadPage for what ``decode`` would not give back."""
    if problem := problem_of(key, page):
        raise BadPage(problem)
    identity, bars = _identity(key), page.bars
    ints = np.concatenate([_flat(page.covered), _flat(page.imported), *(getattr(bars, name) for name in COLUMNS)])
    first, last = (int(bars.ts[0]), int(bars.ts[-1])) if len(bars) else (0, 0)
    lengths = (len(identity), len(bars), len(page.covered), len(page.imported))
    seconds = (_seconds(page.imported), _seconds(page.covered))
    head = _HEAD.pack(_MAGIC, VERSION, *lengths, 0, first, last, *seconds)
    data = bytearray(b"".join((head, identity, ints.astype("<i8", copy=False).tobytes())))
    if len(data) > MAX_BYTES:
        raise BadPage("it is larger than any page")
    struct.pack_into("<I", data, _SUM_AT, _checksum(data))
    return bytes(data)


def decode(key: PageKey, data: bytes) -> Page:
    """Columns share the memory of ``data``. Raises BadPage."""
    if len(data) < _HEAD.size or data[:4] != _MAGIC:
        raise BadPage("it is not ours")
    _, version, named, bars, covered, imported, stored_sum, *_ = _HEAD.unpack_from(data)
    if version != VERSION:
        raise BadPage(f"its format is {version}, this program reads {VERSION}")
    start = _HEAD.size + named
    if named % 8 or len(data) != start + 8 * (2 * covered + 2 * imported + len(COLUMNS) * bars):
        raise BadPage("it is cut short")
    if stored_sum != _checksum(data):
        raise BadPage("its bytes are damaged")
    if data[_HEAD.size : start] != _identity(key):
        raise BadPage("it is another page")
    ints = np.frombuffer(data, "<i8", offset=start).astype(np.int64, copy=False)
    spans, columns = ints[: 2 * (covered + imported)], ints[2 * (covered + imported) :].reshape(len(COLUMNS), bars)
    page = Page(Bars(*columns), _spans(spans[: 2 * covered]), _spans(spans[2 * covered :]))
    if problem := problem_of(key, page):
        raise BadPage(problem)
    return page


def facts_of(head: bytes) -> PageFacts | None:
    """From the first ``HEAD_BYTES`` of a value, unproven; None when they are not ours."""
    if len(head) < _HEAD.size or head[:4] != _MAGIC:
        return None
    _, version, named, bars, covered, imported, _, first, last, imported_s, covered_s = _HEAD.unpack_from(head)
    names = head[_HEAD.size : _HEAD.size + named].rstrip(b"\0").split(b"\0")
    if version != VERSION or len(names) != 3:
        return None
    try:
        contract, timeframe = names[0].decode(), parse_timeframe(names[1].decode())
    except ValueError:
        return None
    size = _HEAD.size + named + 8 * (2 * covered + 2 * imported + len(COLUMNS) * bars)
    oldest, newest = (first, last) if bars else (None, None)
    return PageFacts(contract, timeframe, bars, oldest, newest, size, covered_s, imported_s)


def _identity(key: PageKey) -> bytes:
    text = "\0".join((key.contract_id, key.timeframe.text, key.label)).encode()
    return text + bytes(-len(text) % 8)


def _flat(spans: Spans) -> Ints:
    return np.array(list(chain.from_iterable(spans)), dtype=np.int64)


def _spans(ints: Ints) -> Spans:
    return tuple((start, end) for start, end in ints.reshape(-1, 2).tolist())


def _seconds(spans: Spans) -> int:
    return sum(end - start for start, end in spans)


def _checksum(data: bytes | bytearray) -> int:
    """Over all bytes but those of the sum."""
    view = memoryview(data)
    return zlib.crc32(view[_SUM_AT + 4 :], zlib.crc32(view[:_SUM_AT]))
