"""``history``: bars of a contract, or of a product over its rolls, as a table, as lines, or as a file."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from desk.core.contractmonths import contract_months, month_of_contract
from desk.core.errors import Unavailable, UnknownSymbol
from desk.core.symbols import parse_symbol
from desk.core.timeframe import Timeframe
from desk.core.words import Bar, Contract, decimals_text
from desk.market.bars import Bars, price_of
from desk.market.stitch import How
from desk.runtime.desk import Desk
from desk.runtime.history import HistoryReply
from desk.surfaces.archive_terms import asked_contract
from desk.surfaces.bars_json import BarRows
from desk.surfaces.calls import BadCall, Caller, CommandResult, Interrupted
from desk.surfaces.history_terms import EXAMPLE, HistoryTerms, Stretch, parse_terms
from desk.surfaces.progress import Progress, progress_line
from desk.surfaces.sheet import Cell, Drawing, Line, Page, Sheet
from desk.surfaces.show import EXCHANGE_ZONE, clock_text, day_text, price_text, span_text, zone_name, zone_names

if TYPE_CHECKING:
    from desk.runtime.stitching import StitchedReply
    from desk.store.barfiles import FileKind

__all__ = ["facts_line", "first_contract", "history", "read_bars"]

MOST_SHOWN = 1000  # rows of a table; drawing happens between two alerts
MOST_RAW = 20_000  # lines
MOST_AS_JSON = 100_000  # bars; more is a file's work
EXPORTS = "exports"
_WIDE = 8  # characters of a price
STOPPED = "Stopped. What was fetched until then is kept: the same line goes on from there."


async def history(desk: Desk, args: Sequence[str], caller: Caller) -> CommandResult:
    """``history MNQ 5m 20 | from to [raw] [csv|parquet] [stitch=none|adjusted]``, see ``history_terms``."""
    contract = await first_contract(desk, args, EXAMPLE)
    terms = parse_terms(args[1:], desk.clock.now(), caller.zone)
    _refuse_too_many(terms.n or 0, contract, terms, caller)
    try:
        if terms.stitch is not None:
            return await _stitched(desk, args[0], contract, terms, caller)
        reply = await read_bars(desk, contract, terms, caller)
    except Interrupted:
        return CommandResult.failed(STOPPED)
    foot = [*facts_line(reply, terms), *(Line(hint, "dim") for hint in terms.hints)]
    data = _reply_data(contract, terms, reply)
    return await _answer(desk, contract, terms, caller, reply.columns, data, reply.has_partial, foot)


async def first_contract(desk: Desk, args: Sequence[str], example: str) -> Contract:
    """The first word; a month that has expired is asked of the gateway. Raises BadCall, and as ``asked_contract``."""
    if not args:
        raise BadCall(f"Which symbol? Write {example}")
    return (await asked_contract(desk, args[0])).contract


async def read_bars(desk: Desk, contract: Contract, terms: HistoryTerms, caller: Caller) -> HistoryReply:
    """What is asked for, with a line that tells how far it is. A file gets closed bars only. Raises Interrupted."""
    partial = not _file_kind(terms)
    progress = Progress(f"{contract.name} {terms.timeframe}", desk.clock.monotonic(), terms.stretch is not None)
    if terms.stretch is not None:
        stretch = terms.stretch
        work = desk.history.between(
            contract.contract_id,
            terms.timeframe,
            stretch.start,
            stretch.end,
            partial=partial,
            on_progress=progress.told,
        )
    else:
        assert terms.n is not None, "a number or a stretch"
        work = desk.history.bars(contract.contract_id, terms.timeframe, terms.n, partial=partial)
    return await caller.attend(work, lambda: progress_line(progress, desk.clock.monotonic(), caller))


def facts_line(reply: HistoryReply, terms: HistoryTerms) -> list[Line]:
    """How many, from where, how long it took, what it cost, and what is wrong."""
    count, requests = len(reply.columns), reply.requests
    parts = [f"{count:,} bar{'' if count == 1 else 's'}", f"source: {reply.source}"]
    if requests:
        parts.append(f"{requests} request{'' if requests == 1 else 's'}")
    parts.append(span_text(reply.took_ms))
    if reply.has_partial:
        parts.append("the last bar is forming")
    lines = [Line(", ".join(parts), "dim")]
    if reply.problem is not None:
        lines.append(Line(f"Not up to date, or not complete: {reply.problem}", "yellow"))
    del terms
    return lines


def _refuse_too_many(count: int, contract: Contract, terms: HistoryTerms, caller: Caller) -> None:
    """An answer over HTTP has all bars or none: a part of them would be taken for all. Raises BadCall."""
    if count > MOST_AS_JSON and caller.by == "api" and _file_kind(terms) is None:
        raise BadCall(
            f"{count:,} bars: an answer holds {MOST_AS_JSON:,}. Add csv or parquet, and it is a file: "
            f"history {contract.name} {terms.timeframe} {count} parquet"
        )


def _reply_data(contract: Contract, terms: HistoryTerms, reply: HistoryReply) -> dict[str, Any]:
    return {
        "symbol": contract.name,
        "contract_id": contract.contract_id,
        "timeframe": terms.timeframe.text,
        **_asked(terms),
        "source": reply.source,
        "took_ms": round(reply.took_ms, 3),
        "requests": reply.requests,
        "has_partial": reply.has_partial,
        "problem": reply.problem,
    }


def _asked(terms: HistoryTerms) -> dict[str, Any]:
    stretch = terms.stretch
    return {
        "n": terms.n,
        "from": None if stretch is None else stretch.start,
        "to": None if stretch is None else stretch.end,
    }


def _file_kind(terms: HistoryTerms) -> FileKind | None:
    return "csv" if "csv" in terms.words else "parquet" if "parquet" in terms.words else None


async def _answer(
    desk: Desk,
    contract: Contract,
    terms: HistoryTerms,
    caller: Caller,
    columns: Bars,
    data: dict[str, Any],
    has_partial: bool,
    foot: Sequence[Line],
) -> CommandResult:
    """The same for one contract and for several: lines or a table, and the file that was asked for."""
    kind = _file_kind(terms)
    page: list[Line | Sheet | Drawing] = []
    if "raw" in terms.words:
        page += await asyncio.to_thread(_raw, columns, contract, caller)
    elif kind is None:
        page += await asyncio.to_thread(_table, columns, contract, terms, caller, has_partial=has_partial)
    if kind is not None:
        path = await _written(desk, contract, terms.timeframe, columns, kind)
        said = "no closed bar, so no file" if path is None else f"{len(columns):,} closed bars are in {path}"
        page.append(Line(said, "" if path else "yellow", is_copied=True))
        data |= {"file": path, "count": len(columns)}
    else:
        _refuse_too_many(len(columns), contract, terms, caller)
        data |= {"count": len(columns), "bars": BarRows(columns)}
    return CommandResult(True, data, (*page, *foot))


async def _written(desk: Desk, contract: Contract, timeframe: Timeframe, columns: Bars, kind: FileKind) -> str | None:
    """Path of the new file; None where there is nothing to write. Raises BarFileError."""
    from desk.store.barfiles import write_bars

    if not len(columns):
        return None
    length = timeframe.text.replace("M", "mo")  # some disks do not tell 1M from 1m
    name = f"{contract.name}_{length}_{desk.clock.now().astimezone(UTC):%Y%m%dT%H%M%SZ}.{kind}"
    target = desk.journal.path.parent / EXPORTS / name
    return str(await asyncio.to_thread(write_bars, target, columns, contract.name, timeframe.text, kind))


# --- one table, or lines -------------------------------------------------------------------------------------------


def _table(columns: Bars, contract: Contract, terms: HistoryTerms, caller: Caller, *, has_partial: bool) -> Page:
    shown = columns.newest(MOST_SHOWN).rows()
    timeframe = terms.timeframe
    has_seconds = timeframe.seconds % 60 != 0
    is_wide = not timeframe.is_intraday or any(len(price_text(bar.high, contract)) > _WIDE for bar in shown[-1:])
    rows: list[tuple[str, ...]] = []
    day = ""
    for bar in shown:
        this_day = day_text(bar.ts_open, caller.zone)[4 if is_wide else 0 :]  # without the weekday it fits 80 columns
        mark = "forming" if has_partial and bar is shown[-1] else ""
        prices = (price_text(price, contract) for price in (bar.open, bar.high, bar.low, bar.close))
        clock = clock_text(bar.ts_open, caller.zone)[: 8 if has_seconds else 5]
        rows.append((this_day if this_day != day else "", clock, *prices, f"{bar.volume:,}", mark))
        day = this_day
    zone = zone_names(shown[0].ts_open, shown[-1].ts_open, caller.zone) if shown else "local time"
    sheet = Sheet.of(
        f"day,{zone},>open,>high,>low,>close,>volume,",
        rows,
        title=_title(f"{contract.name} {timeframe}", shown),
        empty=_nothing_there(contract, terms),
    )
    if len(shown) == len(columns):
        return (sheet,)
    return sheet, Line(f"Only the newest {len(shown):,} are shown; add csv or parquet for all of them.", "dim")


def _title(name: str, shown: Sequence[Bar]) -> str:
    """With the exchange's time of the first and the last bar."""
    if not shown:
        return name
    first, last = (bar.ts_open.astimezone(EXCHANGE_ZONE) for bar in (shown[0], shown[-1]))
    form = "%H:%M" if first.date() == last.date() else "%Y-%m-%d %H:%M"
    return f"{name}   exchange time: {first:%Y-%m-%d %H:%M} to {last.strftime(form)} {zone_name(last, EXCHANGE_ZONE)}"


def _nothing_there(contract: Contract, terms: HistoryTerms) -> str:
    text = f"There are no {terms.timeframe} bars of {contract.name} in that time."
    earlier = _earlier_month(contract, terms.stretch) if terms.stitch is None else None
    if earlier is not None:
        return f"{text} By the calendar {earlier} was the front month then: write that, or add stitch=none."
    return f"{text} Was the market open?"


def _earlier_month(contract: Contract, stretch: Stretch | None) -> str | None:
    """Which one usually was the front month when the stretch began, if it came before this one."""
    if stretch is None:
        return None
    day = stretch.start.date()
    try:
        month = month_of_contract(contract.contract_id)
        then = contract_months(month.root, day, day)[0]
    except UnknownSymbol:
        return None
    return then.name if (then.year, then.month) < (month.year, month.month) else None


def _raw(columns: Bars, contract: Contract, caller: Caller) -> Page:
    """``2026-11-18 15:30:00 21034.25 21035.25 21033.25 21034.25 150`` per bar, in the caller's zone."""
    shown = columns.newest(MOST_RAW)
    texts: dict[int, str] = {}

    def text(nanos: int) -> str:
        if nanos not in texts:
            texts[nanos] = decimals_text(price_of(nanos), contract.tick_size)
        return texts[nanos]

    names = (shown.ts, shown.open, shown.high, shown.low, shown.close, shown.volume)
    lines = [
        f"{datetime.fromtimestamp(ts, UTC).astimezone(caller.zone):%Y-%m-%d %H:%M:%S} "
        f"{text(opened)} {text(high)} {text(low)} {text(close)} {volume}"
        for ts, opened, high, low, close, volume in zip(*(column.tolist() for column in names), strict=True)
    ]
    page: Page = (Drawing((Cell("\n".join(lines)),)),) if lines else ()
    if len(shown) == len(columns):
        return page
    return *page, Line(f"Only the newest {len(shown):,} are shown; add csv or parquet for all of them.", "dim")


# --- over the rolls of a product -----------------------------------------------------------------------------------


async def _stitched(desk: Desk, symbol: str, contract: Contract, terms: HistoryTerms, caller: Caller) -> CommandResult:
    from desk.runtime.stitching import stitched

    if desk.lookup is None:
        raise Unavailable("contracts cannot be looked up yet; try again in a moment, or leave stitch= out")
    began, now = desk.clock.monotonic(), desk.clock.now()
    root = parse_symbol(symbol).root
    stretch = terms.stretch
    start, end = (stretch.start, stretch.end) if stretch else (now - _reach(terms), now)
    how: How = "adjusted" if terms.stitch == "adjusted" else "none"
    work = stitched(desk.history, desk.lookup, root, terms.timeframe, start, end, how)
    progress = Progress(f"{root} {terms.timeframe}, stitched", began)
    reply = await caller.attend(work, lambda: progress_line(progress, desk.clock.monotonic(), caller))
    columns, is_forming = _newest_closed(reply.columns, terms, now)
    took_ms = (desk.clock.monotonic() - began) * 1000
    data = {
        "symbol": root,
        "timeframe": terms.timeframe.text,
        **_asked(terms),
        "stitch": reply.how,
        "segments": reply.segments,
        "rolls": reply.rolls,
        "took_ms": round(took_ms, 3),
        "problem": reply.problem,
    }
    foot = [Line(f"{len(columns):,} bars of {root}, stitch={reply.how}, {span_text(took_ms)}", "dim")]
    foot += [Line(text, "dim") for text in _roll_words(reply, contract, caller)]
    if reply.problem is not None:
        foot.append(Line(f"Not complete: {reply.problem}", "yellow"))
    named = msgspec.structs.replace(contract, name=root)
    return await _answer(desk, named, terms, caller, columns, data, is_forming, foot)


def _newest_closed(columns: Bars, terms: HistoryTerms, now: datetime) -> tuple[Bars, bool]:
    """As many as asked for, and whether the last one is forming; a file gets none that may be."""
    is_forming = len(columns) > 0 and int(columns.ts[-1]) + terms.timeframe.seconds > now.timestamp()
    if is_forming and _file_kind(terms) is not None:
        columns, is_forming = columns.cut(0, len(columns) - 1), False
    return (columns if terms.n is None else columns.newest(terms.n)), is_forming


def _reach(terms: HistoryTerms) -> timedelta:
    """How far back ``n`` bars surely lie: the market is open 115 of 168 hours, with a weekend at the edge."""
    assert terms.n is not None, "a number or a stretch"
    return min(terms.timeframe.step * terms.n * 1.6 + timedelta(days=5), timedelta(days=365 * 20))


def _roll_words(reply: StitchedReply, contract: Contract, caller: Caller) -> list[str]:
    """Which contract until when, by which rule, and by how much older prices were moved."""
    words = []
    for roll in reply.rolls:
        moved = "distance not known"
        if roll.difference is not None:
            moved = f"{decimals_text(price_of(roll.difference), contract.tick_size)} points"
        at = f"{roll.at.astimezone(caller.zone):%Y-%m-%d %H:%M}"
        words.append(f"{roll.old} to {roll.new} at {at} by {roll.rule}: {moved}")
    if not words:
        words.append("No roll in that time: one contract.")
    return words
