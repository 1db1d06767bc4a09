"""The places where pages of bars are kept, nearest first: memory, then whatever is slower and lasts longer.

Every tier speaks pages. The nearest one lives here, in memory, bounded by bytes; the others are in ``desk/store`` and match
:class:`Tier` without knowing this file.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from desk.core.ids import ContractId
from desk.core.timeframe import Timeframe
from desk.market.bars import Bars
from desk.market.pages import Page, PageKey

__all__ = ["CacheStats", "LiveTail", "MemoryTier", "Progress", "SeriesInfo", "Tier", "TierStats", "page_bytes"]

_PAGE_OVERHEAD = 1_000  # objects around the columns: key, page, six arrays, spans


class Tier(Protocol):
    """A place for pages. ``name``: one word for people, such as redis or archive.

    Both methods raise TierDown when the tier cannot be used now. They never block the loop, and cancelling them is safe.
    """

    @property
    def name(self) -> str: ...

    async def get(self, key: PageKey) -> Page | None:
        """The page, or None where there is none or it cannot be read any more."""
        ...

    async def put(self, key: PageKey, page: Page) -> None:
        """Stores the page in place of what was there."""
        ...

    async def series(self) -> Sequence[StoredSeries]:
        """What is stored. Raises TierDown."""
        ...


class StoredSeries(Protocol):
    """What a tier says of one series. ``first``, ``last``: epoch seconds of the oldest and newest bar's opening.

    ``origins``: ``gateway``, ``imported`` or both.
    """

    @property
    def contract_id(self) -> ContractId: ...
    @property
    def timeframe(self) -> Timeframe: ...
    @property
    def bars(self) -> int: ...
    @property
    def first(self) -> int: ...
    @property
    def last(self) -> int: ...
    @property
    def bytes(self) -> int: ...
    @property
    def origins(self) -> tuple[str, ...]: ...


class LiveTail(Protocol):
    """What is built from trades as they happen."""

    def tail(self, contract_id: ContractId, timeframe: Timeframe, since: int) -> Bars | None:
        """Every bar that opened at or after ``since`` (epoch seconds), the developing one included.

        None: it cannot vouch for all of them (a gap, a hub that is down, nobody subscribed).
        """
        ...


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a long question is. bars: fetched so far; fetched_s, wanted_s: seconds of the series, done and in all."""

    bars: int
    fetched_s: int
    wanted_s: int


@dataclass(frozen=True, slots=True)
class SeriesInfo:
    """One stored series. bars: at least so many (of the tier that has most); bytes: over all tiers. Epoch seconds.

    origins: ``gateway``, ``imported`` or both.
    """

    contract_id: ContractId
    timeframe: Timeframe
    bars: int
    first: int
    last: int
    bytes: int
    tiers: tuple[str, ...]
    origins: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TierStats:
    """hits, misses: pages that were looked for here. trouble: why it cannot be used now."""

    name: str
    hits: int
    misses: int
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class CacheStats:
    """tiers: memory first. answers: by source. requests: to the gateway. unwritten: pages on their way to slower tiers.

    memory_most: bytes, the bound.
    """

    tiers: tuple[TierStats, ...]
    answers: dict[str, int]
    requests: int
    fetched_bars: int
    memory_bytes: int
    memory_most: int
    memory_pages: int
    memory_bars: int
    unwritten: int


def page_bytes(page: Page) -> int:
    return page.bars.nbytes + _PAGE_OVERHEAD + 64 * (len(page.covered) + len(page.imported))


class MemoryTier:
    """Pages in memory, at most ``max_bytes`` of them; the one not asked for longest goes first. Never down.

    Whoever assembles an answer holds what was touched since it began, for a page dropped in between would be fetched again and
    again; so a long answer may take more than the bound while it lasts.
    """

    name = "memory"

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.bytes = 0
        self.bars = 0
        self._pages: OrderedDict[PageKey, Page] = OrderedDict()
        self._touched: dict[PageKey, int] = {}
        self._tick = 0
        self._holding: list[int] = []

    def __len__(self) -> int:
        return len(self._pages)

    def get(self, key: PageKey) -> Page | None:
        page = self._pages.get(key)
        if page is not None:
            self._touch(key)
        return page

    def put(self, key: PageKey, page: Page) -> None:
        self._forget(key)
        self._pages[key] = page
        self.bytes += page_bytes(page)
        self.bars += len(page.bars)
        self._touch(key)
        self._trim()

    def items(self) -> Iterator[tuple[PageKey, Page]]:
        return iter(self._pages.items())

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Keeps what is touched inside the block, until it ends."""
        self._tick += 1
        began = self._tick
        self._holding.append(began)
        try:
            yield
        finally:
            self._holding.remove(began)
            self._trim()

    def _touch(self, key: PageKey) -> None:
        self._tick += 1
        self._touched[key] = self._tick
        self._pages.move_to_end(key)

    def _trim(self) -> None:
        held_since = min(self._holding, default=self._tick + 1)
        while self.bytes > self.max_bytes and self._touched[oldest := next(iter(self._pages))] < held_since:
            self._forget(oldest)

    def _forget(self, key: PageKey) -> None:
        page = self._pages.pop(key, None)
        if page is not None:
            del self._touched[key]
            self.bytes -= page_bytes(page)
            self.bars -= len(page.bars)
