"""What a stored page must be, in the archive as in Redis: checked before it is written and after it was read. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from hashlib import sha256

import numpy as np

from desk.core.ids import ContractId
from desk.core.timeframe import Timeframe
from desk.market.bars import NANOS, Bars
from desk.market.pages import Page, PageKey
from desk.market.spans import Spans, missing, united

__all__ = ["MAX_PRICE", "BadPage", "PageFacts", "StoredSeries", "folder_of", "problem_of", "summed"]

MAX_PRICE = 1_000_000 * NANOS
"""Nano points. A float64 holds every price up to here so that ``rint(x * 1e9)`` gives it back: both roundings together
are off by less than 10**15 * 2**-52 = 0.23 nano points."""


_MAX_NAME = 120  # characters of a directory, far below what any file system takes


class BadPage(Exception):
    """Bytes that are no page of ours, or not the page that was asked for. The text says why."""


@dataclass(frozen=True, slots=True)
class PageFacts:
    """What a stored page says of itself, without its bars.

    first, last: openings, epoch seconds; None when it has no bar. bytes: as it is stored. covered_s, imported_s: seconds.
    """

    contract_id: str
    timeframe: Timeframe
    bars: int
    first: int | None
    last: int | None
    bytes: int
    covered_s: int
    imported_s: int


@dataclass(frozen=True, slots=True)
class StoredSeries:
    """What is stored of one series that has bars. first, last: openings, epoch seconds. bytes: of all its pages.

    origins: ``gateway``, ``imported`` or both.
    """

    contract_id: ContractId
    timeframe: Timeframe
    bars: int
    first: int
    last: int
    bytes: int
    pages: int
    origins: tuple[str, ...]


def summed(pages: Iterable[PageFacts]) -> list[StoredSeries]:
    """By contract and timeframe, shorter bars first. A series in which nothing traded is left out."""
    found: dict[tuple[str, Timeframe], list[PageFacts]] = {}
    for page in pages:
        found.setdefault((page.contract_id, page.timeframe), []).append(page)
    by_name = sorted(found.items(), key=lambda item: (item[0][0], item[0][1].seconds))
    return [_series(pages) for _, pages in by_name if any(page.bars for page in pages)]


def _series(pages: list[PageFacts]) -> StoredSeries:
    imported, covered = sum(page.imported_s for page in pages), sum(page.covered_s for page in pages)
    origins = [name for name, is_one in (("gateway", imported < covered), ("imported", imported > 0)) if is_one]
    return StoredSeries(
        ContractId(pages[0].contract_id), pages[0].timeframe, sum(page.bars for page in pages),
        min(page.first for page in pages if page.first is not None),
        max(page.last for page in pages if page.last is not None),
        sum(page.bytes for page in pages), len(pages), tuple(origins),
    )  # fmt: skip


def problem_of(key: PageKey, page: Page) -> str | None:
    """Why this is no page for ``key``; None when it is one. Neither the order of prices nor their size is judged:
    what the gateway says is kept."""
    bars, covered = page.bars, page.covered
    columns = [getattr(bars, field.name) for field in fields(Bars)]
    if any(column.dtype != np.int64 or column.shape != bars.ts.shape or column.ndim != 1 for column in columns):
        return "its columns differ in length or kind"
    if not key.contract_id.isprintable():
        return "its contract has no plain name"
    if united(covered) != covered or (covered and not key.start <= covered[0][0] < covered[-1][1] <= key.end):
        return "what it covers is not inside the page, or out of order"
    if united(page.imported) != page.imported or any(missing(span, covered) for span in page.imported):
        return "what was imported is not covered"
    if len(bars) and not (bars.ts[1:] > bars.ts[:-1]).all():
        return "its bars are out of order or doubled"
    if not _are_inside(bars, covered):
        return "it has bars outside of what it covers"
    if any(
        abs(int(edge)) > MAX_PRICE for column in columns[1:5] if len(column) for edge in (column.min(), column.max())
    ):
        return "it has a price beyond 1,000,000 points"
    if len(bars) and bars.volume.min() < 0:
        return "it has a negative volume"
    return None


def folder_of(text: str) -> str:
    """A name for a contract or a timeframe that every file system takes, and no two of them share.

    ``CON.F.US.MNQ.Z26`` is ``CON-F-US-MNQ-Z26``: Windows takes a name that begins with ``CON.`` for the console. The month
    ``1M`` is ``1mo``, since ``1m`` is the same directory where case does not count.
    """
    if text[:-1].isascii() and text[:-1].isdigit() and text[-1] in "smhdwM":
        return text[:-1] + text[-1].replace("M", "mo")
    safe = (char if char.isascii() and (char.isupper() or char.isdigit()) else _escaped(char) for char in text)
    name = "".join(safe) or "%"
    return name if len(name) <= _MAX_NAME else f"{name[:80]}%{sha256(name.encode()).hexdigest()[:32]}"


def _escaped(char: str) -> str:
    return "-" if char == "." else "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogatepass"))


def _are_inside(bars: Bars, covered: Spans) -> bool:
    if not len(bars):
        return True
    edges = np.array(covered, dtype=np.int64).reshape(-1, 2)
    at = np.searchsorted(edges[:, 0], bars.ts, side="right") - 1
    return bool(len(edges) and (at >= 0).all() and (bars.ts < edges[at, 1]).all())
