"""``chart``: candles here, or as an HTML file."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from desk.core.words import Contract, decimals_text
from desk.market.bars import Bars, price_of
from desk.runtime.desk import Desk
from desk.surfaces.bars_json import BarRows
from desk.surfaces.calls import Caller, CommandResult, Interrupted
from desk.surfaces.chart import LEAST_HEIGHT, LEAST_WIDTH, VOLUME_FROM, Frame, candles, places_for
from desk.surfaces.history_command import EXPORTS, STOPPED, facts_line, first_contract, read_bars
from desk.surfaces.history_terms import HistoryTerms, parse_terms
from desk.surfaces.sheet import Drawing, Line
from desk.surfaces.show import decimals_of, zone_names

__all__ = ["chart"]

EXAMPLE = "chart MNQ 5m 100"
DEFAULT_BARS = 200  # of which a screen shows what fits
HTML_BARS = 500
MOST_HTML = 20_000  # more makes a page that browsers draw for minutes
_AROUND = 7  # rows of title, volume, times, facts and prompt
_MOST_HEIGHT = 40


async def chart(desk: Desk, args: Sequence[str], caller: Caller) -> CommandResult:
    """``chart MNQ 5m 100 | from to [html] [ascii]``; without html as many of the newest bars as fit."""
    contract = await first_contract(desk, args, EXAMPLE)
    words = [word for word in args[1:] if word.lower() not in {"ascii", "--ascii"}]
    is_html = any(word.lower() in {"html", "--html"} for word in words)
    terms = parse_terms(
        words, desk.clock.now(), caller.zone,
        allowed=("html",), options=(), n=HTML_BARS if is_html else DEFAULT_BARS, example=EXAMPLE,
    )  # fmt: skip
    if len(words) < len(args) - 1:
        caller = replace(caller, is_ascii=True)
    try:
        reply = await read_bars(desk, contract, terms, caller)
    except Interrupted:
        return CommandResult.failed(STOPPED)
    data = {
        "symbol": contract.name,
        "timeframe": terms.timeframe.text,
        "source": reply.source,
        "has_partial": reply.has_partial,
        "problem": reply.problem,
        "count": len(reply.columns),
    }
    foot = (*facts_line(reply, terms), *(Line(hint, "dim") for hint in terms.hints))
    if not len(reply.columns):
        return CommandResult(
            True, data, (Line(f"There are no {terms.timeframe} bars of {contract.name} to draw."), *foot)
        )
    if is_html:
        return await _file(desk, contract, terms, caller, reply.columns, data, foot)
    frame = _frame(contract, caller)
    shown = reply.columns.newest(places_for(reply.columns, frame))
    drawn = Drawing(candles(shown, terms.timeframe, frame))
    title = Line(_title(contract, terms, shown, caller), "bold")
    has_asked = any(word.isdecimal() for word in words) or terms.stretch is not None
    cut: tuple[Line, ...] = ()
    if has_asked and len(shown) < len(reply.columns):
        text = (
            f"The newest {len(shown):,} of {len(reply.columns):,} fit in {frame.width} columns; html has room for all."
        )
        cut = (Line(text, "dim"),)
    elif len(shown) < len(reply.columns):  # nobody asked for more than fit, so none are counted that are not to be seen
        foot = (*facts_line(replace(reply, columns=shown), terms), *(Line(hint, "dim") for hint in terms.hints))
    data |= {"shown": len(shown), "bars": BarRows(shown)}
    return CommandResult(True, data, (title, drawn, *cut, *foot))


def _frame(contract: Contract, caller: Caller) -> Frame:
    columns, rows = caller.size()
    height = max(LEAST_HEIGHT, min(_MOST_HEIGHT, rows - _AROUND))
    if height >= VOLUME_FROM:
        height -= 1
    return Frame(max(LEAST_WIDTH, columns), height, contract.tick_size, caller.zone, caller.is_ascii)


def _title(contract: Contract, terms: HistoryTerms, shown: Bars, caller: Caller) -> str:
    """``MNQZ6 5m  2026-11-18 15:20 to 16:25 CET  close 21034.25``."""
    first, last = (datetime.fromtimestamp(int(ts), UTC) for ts in shown.ts[[0, -1]])
    zone = zone_names(first, last, caller.zone)
    begin, end = (when.astimezone(caller.zone) for when in (first, last))
    form = "%H:%M" if begin.date() == end.date() else "%Y-%m-%d %H:%M"
    close = decimals_text(price_of(int(shown.close[-1])), contract.tick_size)
    return f"{contract.name} {terms.timeframe}  {begin:%Y-%m-%d %H:%M} to {end.strftime(form)} {zone}  close {close}"


async def _file(
    desk: Desk,
    contract: Contract,
    terms: HistoryTerms,
    caller: Caller,
    columns: Bars,
    data: dict[str, object],
    foot: Sequence[Line],
) -> CommandResult:
    from desk.surfaces.chart_file import write_chart

    shown = columns.newest(MOST_HTML)
    length = terms.timeframe.text.replace("M", "mo")  # some disks do not tell 1M from 1m
    name = f"{contract.name}_{length}_{desk.clock.now().astimezone(UTC):%Y%m%dT%H%M%SZ}.html"
    target = desk.journal.path.parent / EXPORTS / name
    title = _title(contract, terms, shown, caller)
    path = await asyncio.to_thread(write_chart, target, shown, title, caller.zone, decimals_of(contract) or 0)
    cut = "" if len(shown) == len(columns) else f" (the newest of {len(columns):,})"
    line = Line(f"{len(shown):,} bars{cut} are drawn in {path}", is_copied=True)
    return CommandResult(True, data | {"file": str(path), "shown": len(shown)}, (line, *foot))
