"""``cache``: which bars are stored, where, how often each place had the answer, and what is wrong with one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from desk.runtime.desk import Desk
from desk.runtime.tiers import CacheStats, SeriesInfo, TierStats
from desk.surfaces.calls import Caller, CommandResult
from desk.surfaces.plan_words import symbol_of
from desk.surfaces.sheet import Cell, Line, Sheet
from desk.surfaces.show import DASH, span_text, zone_name

__all__ = ["bytes_text", "cache"]

_WARM_UP = "history cache"  # the step of the start


async def cache(desk: Desk, args: Sequence[str], caller: Caller) -> CommandResult:
    """``cache [text]``: all series, or those with that text in symbol or timeframe."""
    stats, stored = desk.history.stats(), await desk.history.series()
    wanted = [word.lower() for word in args]
    shown = [one for one in stored if all(word in _words(desk, one) for word in wanted)]
    shown.sort(key=lambda one: (symbol_of(desk, one.contract_id), one.timeframe.seconds))
    now = desk.clock.now()
    page: list[Line | Sheet] = [
        Sheet.of(
            f"symbol,bar,>bars,first ({zone_name(now, caller.zone)}),last,>size,in",
            [_series_row(desk, one, caller) for one in shown],
            empty="No bars are stored yet." if not stored else "No stored series has that in its name.",
        ),
        *_imported(desk, shown),
        Sheet.of("tier,>hits,>misses,>hit rate,trouble", [_tier_row(tier) for tier in stats.tiers]),
        Line(_facts(stats), "dim"),
        Line(_requests(stats), "dim"),
        *_warm_up(desk),
    ]
    data = {
        "series": [_series_data(desk, one) for one in shown],
        "stats": msgspec.to_builtins(stats),
        "warm_up": [line.text for line in _warm_up(desk)],
    }
    return CommandResult(True, data, tuple(page))


def bytes_text(size: int) -> str:
    """``812 B``, ``34.1 kB``, ``2.4 MB``; thousands."""
    if size < 1000:
        return f"{size} B"
    return f"{size / 1000:.1f} kB" if size < 1_000_000 else f"{size / 1_000_000:.1f} MB"


def _words(desk: Desk, one: SeriesInfo) -> str:
    return f"{symbol_of(desk, one.contract_id)} {one.timeframe} {one.contract_id} {' '.join(one.tiers)}".lower()


def _series_row(desk: Desk, one: SeriesInfo, caller: Caller) -> tuple[str, ...]:
    first, last = (
        f"{datetime.fromtimestamp(ts, UTC).astimezone(caller.zone):%Y-%m-%d %H:%M}" if one.bars else DASH
        for ts in (one.first, one.last)
    )
    symbol = symbol_of(desk, one.contract_id)
    return symbol, one.timeframe.text, f"{one.bars:,}", first, last, bytes_text(one.bytes), ", ".join(one.tiers)


def _series_data(desk: Desk, one: SeriesInfo) -> dict[str, object]:
    return {
        "symbol": symbol_of(desk, one.contract_id),
        "contract_id": one.contract_id,
        "timeframe": one.timeframe.text,
        "bars": one.bars,
        "first": datetime.fromtimestamp(one.first, UTC),
        "last": datetime.fromtimestamp(one.last, UTC),
        "bytes": one.bytes,
        "tiers": one.tiers,
        "origins": one.origins,
    }


def _imported(desk: Desk, shown: Sequence[SeriesInfo]) -> list[Line]:
    """Which of them have bars that the gateway did not send."""
    names = [
        f"{symbol_of(desk, one.contract_id)} {one.timeframe}{' in part' if 'gateway' in one.origins else ''}"
        for one in shown
        if "imported" in one.origins
    ]
    return [Line(f"Imported from files: {', '.join(names)}.")] if names else []


def _tier_row(tier: TierStats) -> tuple[Cell | str, ...]:
    asked = tier.hits + tier.misses
    rate = f"{tier.hits / asked:.0%}" if asked else DASH
    return tier.name, f"{tier.hits:,}", f"{tier.misses:,}", rate, Cell(tier.trouble or "", "yellow")


def _facts(stats: CacheStats) -> str:
    size = f"{bytes_text(stats.memory_bytes)} of at most {bytes_text(stats.memory_most)}"
    return f"In memory: {size}, {stats.memory_pages:,} pages, {stats.memory_bars:,} bars."


def _requests(stats: CacheStats) -> str:
    """Since the start."""
    waiting = f" {stats.unwritten:,} pages wait to be written." if stats.unwritten else ""
    answers = ", ".join(f"{source} {count:,}" for source, count in sorted(stats.answers.items()) if count)
    told = f" Answers: {answers}." if answers else ""
    return f"From the gateway: {stats.requests:,} requests, {stats.fetched_bars:,} bars.{told}{waiting}"


def _warm_up(desk: Desk) -> list[Line]:
    """How far the history cache of the start is."""
    step = next((step for step in desk.steps if step.name == _WARM_UP), None)
    if step is None:
        return []
    if step.is_running:
        return [Line(f"Warm-up: {step.progress or 'running'}, {span_text(step.took_ms)} so far.", "dim")]
    if step.error is not None:
        return [Line(f"Warm-up: {step.error}; {step.meaning}", "yellow")]
    return [Line(f"Warm-up: done in {span_text(step.took_ms)}.", "dim")]
