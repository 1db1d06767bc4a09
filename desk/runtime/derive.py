"""Longer bars of shorter ones that are stored, where that is exact: inside the hour, seconds of seconds and minutes of minutes.

Not 4h and not days: where those open is not documented (reference 3.4).
"""

from __future__ import annotations

from collections.abc import Callable

from desk.core.timeframe import BarUnit, Timeframe, parse_timeframe
from desk.market.bars import Bars, aggregated, joined
from desk.market.pages import Page, PageKey, pages_of
from desk.market.spans import Span, Spans, clipped, missing, united, without
from desk.runtime.barfetch import Series
from desk.runtime.pagestore import PageStore

__all__ = ["bases_of", "derive"]

_MINUTES = tuple(parse_timeframe(text) for text in ("5m", "1m"))
_SECONDS = tuple(parse_timeframe(text) for text in ("15s", "5s", "1s"))


def bases_of(timeframe: Timeframe) -> tuple[Timeframe, ...]:
    """Of which shorter bars these can be made, the longest first."""
    if not timeframe.is_on_the_hour:
        return ()
    shorter = _SECONDS if timeframe.unit is BarUnit.S else _MINUTES
    return tuple(base for base in shorter if base.seconds < timeframe.seconds and not timeframe.seconds % base.seconds)


async def derive(store: PageStore, series: Series, span: Span) -> str | None:
    """Adds to the store what of the span stored shorter bars tell. Returns the slowest tier that helped; None: nothing did."""
    left: Spans = (span,)
    sources = list[str]()
    for base in bases_of(series.timeframe):
        for piece in left:
            page, source = await _stored(store, Series(series.contract_id, base), piece)
            whole = _whole(page.covered, series.timeframe.seconds)
            proven = _whole(without(page.covered, page.imported), series.timeframe.seconds)
            _keep(series, page.bars, proven, store.add)
            _keep(series, page.bars, without(whole, proven), store.offer)  # an import stays one
            left = tuple(gap for rest in left for gap in missing(rest, whole))
            sources += [source] if whole else []
    return max(sources, key=store.names.index) if sources else None


def _keep(series: Series, bars: Bars, spans: Spans, keep: Callable[[PageKey, Bars, Spans], object]) -> None:
    for start, end in spans:
        made = aggregated(bars.between(start, end), series.timeframe.seconds)
        for key in pages_of(series.contract_id, series.timeframe, (start, end)):
            keep(key, made.between(*key.span), clipped([(start, end)], key.span))


async def _stored(store: PageStore, series: Series, span: Span) -> tuple[Page, str]:
    """What is stored of the span, as one page, and the slowest tier that was needed."""
    parts, covered, imported, sources = list[Bars](), list[Span](), list[Span](), {store.names[0]}
    for key in pages_of(series.contract_id, series.timeframe, span):
        window = (max(span[0], key.start), min(span[1], key.end))
        page, source = await store.read(key, window)
        sources.add(source)
        parts.append(page.bars.between(*window))
        covered += clipped(page.covered, window)
        imported += clipped(page.imported, window)
    return Page(joined(*parts), united(covered), united(imported)), max(sources, key=store.names.index)


def _whole(covered: Spans, step_s: int) -> Spans:
    """What of it are whole bars of that length."""
    return united((-(-start // step_s) * step_s, end - end % step_s) for start, end in covered)
