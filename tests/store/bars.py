"""Pages of bars to store, made by hand or by dice."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from desk.core.ids import ContractId
from desk.core.timeframe import parse_timeframe
from desk.market.bars import NANOS, Bars
from desk.market.pages import Page, PageKey, pages_of
from desk.market.spans import Spans, clipped, united

__all__ = ["FULL", "MNQ", "NOVEMBER", "files_of", "keys_and_pages", "month", "same"]

MNQ = ContractId("CON.F.US.MNQ.Z26")


def key_of(contract: str, timeframe: str, at: datetime) -> PageKey:
    second = int(at.timestamp())
    return pages_of(ContractId(contract), parse_timeframe(timeframe), (second, second + 1))[0]


NOVEMBER = key_of(MNQ, "1m", datetime(2026, 11, 20, tzinfo=UTC))


def month(key: PageKey = NOVEMBER, bars: int = 30_000, seed: int = 7, step: int = 60) -> Page:
    """A walk in quarter points; covered as a whole."""
    dice = np.random.default_rng(seed)
    ts = key.start + np.arange(bars, dtype=np.int64) * step
    close = (21_000 * 4 + np.cumsum(dice.integers(-3, 4, bars))) * (NANOS // 4)
    opened = np.r_[close[:1], close[:-1]]
    up, down = (dice.integers(0, 6, bars) * (NANOS // 4) for _ in range(2))
    high, low = np.maximum(opened, close) + up, np.minimum(opened, close) - down
    return Page(Bars(ts, opened, high, low, close, dice.integers(1, 900, bars)), ((key.start, key.end),))


FULL = month()


def same(page: Page | None, other: Page) -> bool:
    return (
        page is not None
        and page.bars.equals(other.bars)
        and (page.covered, page.imported) == (other.covered, other.imported)
    )


def files_of(root: Path) -> list[str]:
    return sorted(path.name for path in root.rglob("*") if path.is_file())


@st.composite
def keys_and_pages(draw: st.DrawFn) -> tuple[PageKey, Page]:
    """Any series, any page that the rules allow: prices of every tick, negative ones, up to a million points."""
    contract = draw(st.sampled_from(["CON.F.US.MNQ.Z26", "CON.F.US.CLE.F27", "x/..\\é", "con.f"]))
    timeframe = draw(st.sampled_from(["1s", "1m", "1M", "4h", "1d"]))
    key = key_of(contract, timeframe, datetime(2026, 11, 20, tzinfo=UTC))
    edges = st.integers(key.start, key.end)
    covered = _some(draw, st.lists(st.tuples(edges, edges), max_size=4), (key.span,))
    imported = _some(draw, st.lists(st.tuples(edges, edges), max_size=2), covered)
    inside = [at for start, end in covered for at in draw(st.lists(st.integers(start, end - 1), max_size=20))]
    ts = np.array(sorted(set(inside)), dtype=np.int64)
    price = st.integers(-(10**15), 10**15) | st.integers(1, 400_000).map(lambda ticks: ticks * NANOS // 4)
    columns = [draw(st.lists(price, min_size=len(ts), max_size=len(ts))) for _ in range(4)]
    volume = draw(st.lists(st.integers(0, 2**62), min_size=len(ts), max_size=len(ts)))
    return key, Page(Bars(ts, *(np.array(column, dtype=np.int64) for column in [*columns, volume])), covered, imported)


def _some(draw: st.DrawFn, spans: st.SearchStrategy[list[tuple[int, int]]], allowed: Spans) -> Spans:
    found = united((min(pair), max(pair)) for pair in draw(spans))
    return united(*(clipped(found, span) for span in allowed))
