"""What a stored page must be, in the archive as in Redis: checked before it is written and after it was read. Pure."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from desk.market.bars import NANOS, Bars
from desk.market.pages import Page, PageKey
from desk.market.spans import Spans, missing, united

__all__ = ["MAX_PRICE", "BadPage", "folder_of", "problem_of"]

MAX_PRICE = 1_000_000 * NANOS
"""Nano points. A float64 holds every price up to here so that ``rint(x * 1e9)`` gives it back: both roundings together
are off by less than 10**15 * 2**-52 = 0.23 nano points."""


class BadPage(Exception):
    """Bytes that are no page of ours, or not the page that was asked for. The text says why."""


def problem_of(key: PageKey, page: Page) -> str | None:
    """Why this is no page for ``key``; None when it is one. Neither the order of prices nor their size is judged:
    what the gateway says is kept."""
    bars, covered = page.bars, page.covered
    columns = [getattr(bars, field.name) for field in fields(Bars)]
    if any(column.dtype != np.int64 or column.shape != bars.ts.shape or column.ndim != 1 for column in columns):
        return "its columns differ in length or kind"
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
    return "".join(safe) or "%"


def _escaped(char: str) -> str:
    return "-" if char == "." else "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogatepass"))


def _are_inside(bars: Bars, covered: Spans) -> bool:
    if not len(bars):
        return True
    edges = np.array(covered, dtype=np.int64).reshape(-1, 2)
    at = np.searchsorted(edges[:, 0], bars.ts, side="right") - 1
    return bool(len(edges) and (at >= 0).all() and (bars.ts < edges[at, 1]).all())
