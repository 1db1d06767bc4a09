"""Pages of bars over all tiers: read from the nearest that knows, written to memory at once and to the slower ones behind.

A page in memory remembers which tiers it was compared with. A tier that did not answer then is asked again before its page is
replaced, so that nothing it knows is lost; a tier that fails rests, is named in ``troubles``, and is tried again later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import structlog

from desk.core.clock import Clock
from desk.core.contractmonths import month_of_contract
from desk.core.errors import TierDown, UnknownSymbol
from desk.gateway.sharing import SingleFlight
from desk.market.bars import COLUMNS, Bars
from desk.market.pages import EMPTY, Page, PageKey
from desk.market.spans import Spans, clipped, shared, without
from desk.runtime.tiers import MemoryTier, SeriesInfo, StoredSeries, Tier, TierStats, page_bytes

__all__ = ["PageStore", "both"]

log = structlog.get_logger("desk.history")

FLUSH_EVERY_S = 3.0
REST_S = 30.0  # of a tier that failed, before it is tried again
PATIENCE_S = 10.0  # for one page; loading a library for the first time is part of it
UNWRITTEN_BYTES = 64 * 2**20  # kept for tiers that are down; beyond, the oldest page is given up
_MEANING = "bars are kept and read without it"


@dataclass(slots=True)
class _Kept:
    """page: all that is known. seen: tiers whose page is part of it."""

    page: Page
    seen: frozenset[str] = frozenset()


class _Slow:
    """One slower tier, and what it is owed. failed_at: monotonic, None: it works."""

    def __init__(self, tier: Tier) -> None:
        self.tier = tier
        self.owed: dict[PageKey, None] = {}
        self.hits = self.misses = 0
        self.failed_at: float | None = None
        self.trouble: str | None = None


class PageStore:
    """slow: nearest first. troubles: what /health shows; an entry is put in and taken out here, see ``Desk.troubles``."""

    def __init__(
        self,
        clock: Clock,
        max_bytes: int,
        slow: Sequence[Tier] = (),
        troubles: MutableMapping[str, str] | None = None,
    ) -> None:
        self._clock = clock
        self.memory = MemoryTier(max_bytes)
        self._slow = [_Slow(tier) for tier in slow]
        self.troubles: MutableMapping[str, str] = {} if troubles is None else troubles
        self._seen: dict[PageKey, frozenset[str]] = {}
        self._unwritten: dict[PageKey, _Kept] = {}
        self._loading = SingleFlight()
        self._hits = self._misses = 0
        self._gave_up = 0

    @property
    def names(self) -> tuple[str, ...]:
        """Nearest first."""
        return (self.memory.name, *(slow.tier.name for slow in self._slow))

    @property
    def unwritten(self) -> int:
        return len(self._unwritten)

    async def read(self, key: PageKey, window: tuple[int, int]) -> tuple[Page, str]:
        """What is known of a page, asking slower tiers while it lacks part of the window; and the slowest that helped."""
        kept, source, told = self._kept(key), self.memory.name, list[tuple[_Slow, Spans]]()
        if not kept.page.lacks(window):
            self._hits += 1
            return kept.page, source
        for slow in self._slow:
            name = slow.tier.name
            if name in kept.seen or self._is_resting(slow):
                continue
            found = await self._loading.run((key, name), lambda slow=slow: self._get(slow, key))  # type: ignore[misc]
            now = self._kept(key)  # more may have been added meanwhile, or memory may not have room for it
            known = now.page if now.page is kept.page else both(now.page, kept.page)
            if found is None:
                kept = _Kept(known, kept.seen | now.seen)
                continue
            told.append((slow, found.covered))
            page = both(known, found)
            source = name if page.covered != known.covered else source
            kept = self._remember(key, page, kept.seen | now.seen | {name})
            if not page.lacks(window):
                break
        if source == self.memory.name:
            self._misses += 1
        else:
            self._promise(key, kept, upto=source)
        for slow, covered in told:
            if covered != kept.page.covered:  # it lost what a nearer one still has, or memory
                slow.owed[key], self._unwritten[key] = None, kept
        return kept.page, source

    async def read_all(self, key: PageKey) -> Page:
        """What every tier that answers knows of a page."""
        await self.read(key, (key.start - 1, key.end))  # the second before it is never known
        return self._kept(key).page

    def offer(self, key: PageKey, bars: Bars, covered: Spans) -> int:
        """An import: it counts only where the gateway said nothing. Returns how many bars differ from what the gateway said."""
        page = self._kept(key).page
        believed = shared(_from_gateway(page), covered)
        self.add(key, bars, without(covered, believed), is_imported=True)
        return sum(_differing(page.bars.between(*span), bars.between(*span)) for span in believed)

    def add(self, key: PageKey, bars: Bars, covered: Spans, *, is_imported: bool = False) -> None:
        """More that is known: in memory at once, in the slower tiers a moment later."""
        spans = clipped(covered, key.span)
        if not spans:
            return
        old = self._kept(key)
        kept = self._remember(key, old.page.merged(bars, spans, is_imported=is_imported), old.seen)
        self._promise(key, kept)

    # -- the slower tiers ----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Writes what is owed, every few seconds. Ends when cancelled; ``flush`` writes the rest."""
        while True:
            await asyncio.sleep(FLUSH_EVERY_S)
            try:
                await self.flush()
            except Exception:
                log.exception("history.flush_failed", meaning=_MEANING)  # a defect; trading does not end for it

    async def flush(self) -> None:
        """Writes what is owed to every tier that works. A page that changes meanwhile is written again next time."""
        for slow in self._slow:
            for key in list(slow.owed):
                if self._is_resting(slow):
                    break
                await self._write(slow, key)
                if self._is_resting(slow) and key in slow.owed:
                    slow.owed[key] = slow.owed.pop(key)  # it may be this page alone: another one goes first next time
        self._bound_unwritten()

    async def _write(self, slow: _Slow, key: PageKey) -> None:
        kept, name = self._unwritten.get(key), slow.tier.name
        if kept is None:
            return
        if name not in kept.seen:  # it may know more than we do
            found = await self._get(slow, key)
            if found is None:
                return
            kept = self._kept(key)
            kept = self._remember(key, both(kept.page, found), kept.seen | {name})
            if key in self._unwritten:
                self._unwritten[key] = kept
        try:
            async with asyncio.timeout(PATIENCE_S):
                await slow.tier.put(key, kept.page)
        except (TierDown, TimeoutError) as error:
            self._failed(slow, str(error) or "no answer")
            return
        except Exception as error:
            log.exception("history.tier_broken", tier=name)  # a defect; the other tiers and the bound go on
            self._failed(slow, f"{type(error).__name__}: {error}")
            return
        self._works(slow)
        newest = self._unwritten.get(key)
        if newest is None or newest.page is kept.page:
            slow.owed.pop(key, None)
            self._forget_written(key)

    async def _get(self, slow: _Slow, key: PageKey) -> Page | None:
        """None: it cannot be asked. EMPTY: it has nothing, or nothing that can be believed."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                page = await slow.tier.get(key)
        except (TierDown, TimeoutError) as error:
            self._failed(slow, str(error) or "no answer")
            return None
        except Exception as error:
            log.exception("history.tier_broken", tier=slow.tier.name)  # a defect, and no reason to answer nothing
            self._failed(slow, f"{type(error).__name__}: {error}")
            return None
        self._works(slow)
        if page is not None and not _is_sound(key, page):
            log.warning("history.page_unsound", tier=slow.tier.name, contract=key.contract_id, page=key.label)
            page = None
        if page is None:
            slow.misses += 1
            return EMPTY
        slow.hits += 1
        return page

    def _is_resting(self, slow: _Slow) -> bool:
        return slow.failed_at is not None and self._clock.monotonic() - slow.failed_at < REST_S

    def _failed(self, slow: _Slow, error: str) -> None:
        name = slow.tier.name
        if slow.trouble is None:
            log.warning("history.tier_down", tier=name, error=error, meaning=_MEANING)
        slow.failed_at, slow.trouble = self._clock.monotonic(), error
        self.troubles[f"bars in {name}"] = f"{error}; {_MEANING}; it is tried again every {REST_S:.0f} s"

    def _works(self, slow: _Slow) -> None:
        if slow.trouble is not None:
            log.info("history.tier_healed", tier=slow.tier.name)
            self.troubles.pop(f"bars in {slow.tier.name}", None)
        slow.failed_at = slow.trouble = None

    # -- what is known -------------------------------------------------------------------------------------------------

    def _kept(self, key: PageKey) -> _Kept:
        page = self.memory.get(key)
        if page is not None:
            return _Kept(page, self._seen.get(key, frozenset()))
        return self._unwritten.get(key) or _Kept(EMPTY)

    def _remember(self, key: PageKey, page: Page, seen: frozenset[str]) -> _Kept:
        self.memory.put(key, page)
        self._seen[key] = seen
        if len(self._seen) > 2 * len(self.memory) + 64:
            self._seen = {known: self._seen[known] for known, _ in self.memory.items()}
        return _Kept(page, seen)

    def _promise(self, key: PageKey, kept: _Kept, upto: str | None = None) -> None:
        """Owes the page to every slower tier; to those nearer than ``upto`` only, when that is where it was found.

        An empty page of years before the contract is remembered in memory alone: a file a month would say nothing.
        """
        if not len(kept.page.bars) and _is_before_its_time(key):
            return
        for slow in self._slow:
            if slow.tier.name == upto:
                break
            slow.owed[key] = None
            self._unwritten[key] = kept
        if key in self._unwritten:
            self._unwritten[key] = kept

    def _forget_written(self, key: PageKey) -> None:
        if not any(key in slow.owed for slow in self._slow):
            self._unwritten.pop(key, None)

    def _bound_unwritten(self) -> None:
        """What cannot be written for long is given up, oldest first: it can be fetched again."""
        total = sum(page_bytes(kept.page) for kept in self._unwritten.values())
        while total > UNWRITTEN_BYTES:
            key = next(iter(self._unwritten))
            total -= page_bytes(self._unwritten.pop(key).page)
            for slow in self._slow:
                slow.owed.pop(key, None)
            self._gave_up += 1

    # -- what is stored ------------------------------------------------------------------------------------------------

    def tier_stats(self) -> tuple[TierStats, ...]:
        slow = (TierStats(slow.tier.name, slow.hits, slow.misses, slow.trouble) for slow in self._slow)
        return (TierStats(self.memory.name, self._hits, self._misses), *slow)

    async def series(self) -> list[SeriesInfo]:
        """Over all tiers that answer, sorted."""
        listed: list[tuple[str, StoredSeries]] = [(self.memory.name, series) for series in self._in_memory()]
        for slow in self._slow:
            if self._is_resting(slow):
                continue
            try:
                async with asyncio.timeout(PATIENCE_S):
                    listed += [(slow.tier.name, series) for series in await slow.tier.series()]
            except (TierDown, TimeoutError) as error:
                self._failed(slow, str(error) or "no answer")
        found: dict[tuple[str, str], list[tuple[str, StoredSeries]]] = {}
        for name, series in listed:
            found.setdefault((series.contract_id, series.timeframe.text), []).append((name, series))
        return [_summary(rows) for _, rows in sorted(found.items())]

    def _in_memory(self) -> Iterator[SeriesInfo]:
        pages: dict[tuple[str, str], list[tuple[PageKey, Page]]] = {}
        for key, page in self.memory.items():
            if len(page.bars):
                pages.setdefault((key.contract_id, key.timeframe.text), []).append((key, page))
        for rows in pages.values():
            key = rows[0][0]
            yield SeriesInfo(
                contract_id=key.contract_id,
                timeframe=key.timeframe,
                bars=sum(len(page.bars) for _, page in rows),
                first=min(int(page.bars.ts[0]) for _, page in rows),
                last=max(int(page.bars.ts[-1]) for _, page in rows),
                bytes=sum(page_bytes(page) for _, page in rows),
                tiers=(self.memory.name,),
                origins=_origins(page for _, page in rows),
            )


def both(mine: Page, theirs: Page) -> Page:
    """All that two pages know; the gateway's word beats an import, and else mine beats theirs."""
    if not theirs.covered:
        return mine
    if not mine.covered:
        return theirs
    believed = _from_gateway(mine)
    page = theirs.merged(mine.bars, believed)
    open_to_imports = without(mine.imported, _from_gateway(page))
    return page.merged(mine.bars, open_to_imports, is_imported=True) if open_to_imports else page


def _differing(one: Bars, other: Bars) -> int:
    """Openings at which only one has a bar, or theirs are not equal."""
    _, mine, theirs = np.intersect1d(one.ts, other.ts, assume_unique=True, return_indices=True)
    pairs = [(getattr(one, name)[mine], getattr(other, name)[theirs]) for name in COLUMNS]
    equal = np.logical_and.reduce([left == right for left, right in pairs])
    return len(one) + len(other) - len(mine) - int(equal.sum())


def _from_gateway(page: Page) -> Spans:
    return without(page.covered, page.imported)


def _is_before_its_time(key: PageKey) -> bool:
    """More than two years before the month that the contract is called by."""
    try:
        month = month_of_contract(key.contract_id)
    except UnknownSymbol:
        return False
    return key.end <= datetime(month.year - 2, month.month, 1, tzinfo=UTC).timestamp()


def _is_sound(key: PageKey, page: Page) -> bool:
    """Bars in order, each inside what the page says to cover, all inside the key's stretch."""
    ts = page.bars.ts
    if any(len(getattr(page.bars, name)) != len(ts) for name in ("open", "high", "low", "close", "volume")):
        return False
    if any(start < key.start or end > key.end for start, end in page.covered) or (np.diff(ts) <= 0).any():
        return False
    return sum(len(page.bars.between(*span)) for span in page.covered) == len(ts)


def _summary(rows: list[tuple[str, StoredSeries]]) -> SeriesInfo:
    stored = [series for _, series in rows]
    return SeriesInfo(
        contract_id=stored[0].contract_id,
        timeframe=stored[0].timeframe,
        bars=max(series.bars for series in stored),
        first=min(series.first for series in stored),
        last=max(series.last for series in stored),
        bytes=sum(series.bytes for series in stored),
        tiers=tuple(name for name, _ in rows),
        origins=tuple(sorted({origin for series in stored for origin in series.origins})),
    )


def _origins(pages: Iterable[Page]) -> tuple[str, ...]:
    known = list(pages)
    is_told, is_imported = any(map(_from_gateway, known)), any(page.imported for page in known)
    return tuple(name for name, is_one in (("gateway", is_told), ("imported", is_imported)) if is_one)
