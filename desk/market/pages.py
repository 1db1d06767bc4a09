"""The unit in which bars are kept, in memory as in Redis and in the archive: a *page*. Pure.

A page is one series (contract, timeframe) over one stretch of the calendar, in UTC: a day for bars of seconds, a month for
minutes, a year for hours, everything for days and longer. It holds bars that are final, and says for which seconds it knows
all of them: a covered stretch without a bar is a market in which nothing traded, and is not asked for again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from desk.core.ids import ContractId
from desk.core.timeframe import BarUnit, Timeframe
from desk.market.bars import COLUMNS, Bars, joined
from desk.market.spans import Span, Spans, missing, united, without

__all__ = ["EMPTY", "Page", "PageKey", "pages_of"]

_FIRST, _LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class PageKey:
    """``label`` is its name in a file or a key: ``2026-11-21``, ``2026-11``, ``2026``, ``all``. start, end: epoch seconds."""

    contract_id: ContractId
    timeframe: Timeframe
    label: str
    start: int
    end: int

    @property
    def span(self) -> Span:
        return self.start, self.end


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """``bars``: final ones, all inside ``covered``. ``imported``: what of ``covered`` did not come from the gateway."""

    bars: Bars
    covered: Spans
    imported: Spans = ()

    def merged(self, bars: Bars, covered: Spans, *, is_imported: bool = False) -> Page:
        """With more that is known: inside ``covered`` only ``bars`` count, also where there are none any more.

        is_imported: ``bars`` come from a file or from our own recording, not from the gateway.
        """
        believed = united(covered)
        imported = united(without(self.imported, believed), believed if is_imported else ())
        kept, fresh = _those(self.bars, believed, are_inside=False), _those(bars, believed, are_inside=True)
        return Page(joined(kept, fresh), united(self.covered, believed), imported)

    def lacks(self, window: Span) -> Spans:
        return missing(window, self.covered)


EMPTY = Page(Bars.empty(), ())


def pages_of(contract_id: ContractId, timeframe: Timeframe, window: Span) -> list[PageKey]:
    """The pages that touch ``start <= t < end``, oldest first."""
    found = []
    at, end = max(window[0], int(_FIRST.timestamp())), min(window[1], int(_LAST.timestamp()))
    while at < end:
        key = _page_at(contract_id, timeframe, at)
        found.append(key)
        at = key.end
    return found


def _page_at(contract_id: ContractId, timeframe: Timeframe, at: int) -> PageKey:
    day = datetime.fromtimestamp(at, UTC)
    if timeframe.unit is BarUnit.S:
        start = at - at % _DAY_S
        return PageKey(contract_id, timeframe, f"{day:%Y-%m-%d}", start, start + _DAY_S)
    if timeframe.unit is BarUnit.M:
        first = datetime(day.year, day.month, 1, tzinfo=UTC)
        after = datetime(day.year + day.month // 12, day.month % 12 + 1, 1, tzinfo=UTC)
        return PageKey(contract_id, timeframe, f"{day:%Y-%m}", int(first.timestamp()), int(after.timestamp()))
    if timeframe.unit is BarUnit.H:
        first, after = datetime(day.year, 1, 1, tzinfo=UTC), datetime(day.year + 1, 1, 1, tzinfo=UTC)
        return PageKey(contract_id, timeframe, f"{day.year}", int(first.timestamp()), int(after.timestamp()))
    return PageKey(contract_id, timeframe, "all", int(_FIRST.timestamp()), int(_LAST.timestamp()))


def _those(bars: Bars, spans: Spans, *, are_inside: bool) -> Bars:
    """Bars that opened inside the stretches, or outside of all of them."""
    if not spans:
        return Bars.empty() if are_inside else bars
    starts, ends = np.array(spans, dtype=np.int64).T
    place = np.searchsorted(starts, bars.ts, side="right") - 1
    inside = (place >= 0) & (bars.ts < ends[place])
    return Bars(*(getattr(bars, name)[inside == are_inside] for name in COLUMNS))
