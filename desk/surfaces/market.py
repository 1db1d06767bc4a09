"""Commands about the market: ``contracts``, ``quote``, ``history``."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from desk.core.ids import ContractId
from desk.core.timeframe import Timeframe, parse_timeframe
from desk.core.words import Bar, Contract, Quote
from desk.runtime.desk import Desk
from desk.runtime.history import MAX_BARS, HistoryReply
from desk.surfaces.amounts import Ranging, names_atr
from desk.surfaces.arguments import Arguments
from desk.surfaces.calls import BadCall, Caller, CommandResult, whole_number
from desk.surfaces.sheet import Cell, Line, Page, Sheet
from desk.surfaces.show import DASH, age_text, clock_text, day_text, price_text, span_text, zone_names

__all__ = ["FRESH", "contracts", "history", "newest_quote", "quote", "ranging_for"]

DEFAULT_TIMEFRAME = "5m"
DEFAULT_BARS = 20
MOST_SHOWN = 1000  # drawing happens between two alerts: 20,000 rows would keep them waiting for seconds
FRESH = timedelta(seconds=10)
QUOTE_WAIT_S = 2.0
RANGE_WAIT_S = 5.0
_LOOK_EVERY_S = 0.05


async def contracts(desk: Desk, args: Sequence[str], caller: Caller) -> CommandResult:
    """What the gateway lists, by root."""
    del args, caller
    listed = sorted(desk.catalogue.values(), key=lambda contract: (not contract.is_active, contract.name))
    rows = [
        (
            contract.name,
            f"{contract.tick_size:f}",
            f"{contract.tick_value:f}",
            f"{contract.point_value.normalize():f}",
            "yes" if contract.is_active else "no",
            contract.contract_id,
            contract.description,
        )
        for contract in listed
    ]
    sheet = Sheet.of(
        "symbol,>tick size,>$ per tick,>$ per point,active,contract,description",
        rows,
        empty="The gateway's contract list was not read yet. See status.",
    )
    return CommandResult(True, listed, (sheet,))


async def quote(desk: Desk, args: Sequence[str], caller: Caller) -> CommandResult:
    """Subscribes where needed and waits up to two seconds for a quote that is not old."""
    if not args:
        raise BadCall("Which symbol? Write quote MNQ")
    contract = desk.contract(args[0])
    await desk.quotes.watch(contract.contract_id)
    newest = await newest_quote(desk, contract.contract_id)
    if newest is None:
        return CommandResult.failed(
            f"No quote of {contract.name} came within {QUOTE_WAIT_S:.0f} s. Is the market open? status shows the hubs."
        )
    age_ms = max(0.0, (desk.clock.now() - newest.ts_recv) / timedelta(milliseconds=1))
    row = (
        contract.name,
        price_text(newest.bid, contract),
        price_text(newest.ask, contract),
        price_text(newest.last, contract),
        DASH if newest.volume is None else f"{newest.volume:,}",
        Cell(age_text(age_ms), "" if age_ms < FRESH.total_seconds() * 1000 else "yellow"),
        clock_text(newest.ts_event, caller.zone, has_ms=True),
    )
    page: Page = (Sheet.of("symbol,>bid,>ask,>last,>volume,>age,exchange said", [row]),)
    return CommandResult(
        True, {"symbol": contract.name, "quote": newest, "age_ms": round(age_ms), "source": "hub"}, page
    )


async def newest_quote(desk: Desk, contract_id: ContractId) -> Quote | None:
    """The newest quote, waited for while there is none or only an old one; then whatever there is."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + QUOTE_WAIT_S
    while True:
        newest = desk.quotes.quote(contract_id)
        if newest is not None and desk.clock.now() - newest.ts_recv < FRESH:
            return newest
        if loop.time() >= deadline:
            return newest
        await asyncio.sleep(_LOOK_EVERY_S)


async def ranging_for(desk: Desk, contract: Contract, asked: Arguments) -> Ranging:
    """The average true range where a distance needs it; its bars are read where the desk does not keep them warm."""
    name = desk.ranges.name
    if not any(names_atr(text) for text in (*asked.words[1:], *asked.options.values())):
        return Ranging(name=name)
    try:
        async with asyncio.timeout(RANGE_WAIT_S):
            return Ranging(await desk.ranges.read(contract.contract_id), name)
    except TimeoutError:
        return Ranging(name=name)


async def history(desk: Desk, args: Sequence[str], caller: Caller) -> CommandResult:
    """``history MNQ 5m 20``; timeframe and number in either order."""
    if not args:
        raise BadCall(f"Which symbol? Write history MNQ {DEFAULT_TIMEFRAME} {DEFAULT_BARS}")
    contract = desk.contract(args[0])
    timeframe, n = _what_bars(args[1:])
    reply = await desk.history.bars(contract.contract_id, timeframe, n)
    data = {
        "symbol": contract.name,
        "contract_id": contract.contract_id,
        "timeframe": timeframe.text,
        "source": reply.source,
        "took_ms": round(reply.took_ms, 3),
        "has_partial": reply.has_partial,
        "problem": reply.problem,
        "bars": reply.bars,
    }
    return CommandResult(True, data, _bars_page(reply, contract, timeframe, caller))


def _what_bars(args: Sequence[str]) -> tuple[Timeframe, int]:
    frames = [arg for arg in args if not arg.isdecimal()]
    numbers = [arg for arg in args if arg.isdecimal()]
    if len(frames) > 1 or len(numbers) > 1:
        raise BadCall(f"One timeframe and one number. Write history MNQ {DEFAULT_TIMEFRAME} {DEFAULT_BARS}")
    n = whole_number(numbers[0], MAX_BARS) if numbers else DEFAULT_BARS
    if n is None:
        raise BadCall(f"{numbers[0][:20]} bars: ask for 1 to {MAX_BARS}")
    try:
        return parse_timeframe(frames[0] if frames else DEFAULT_TIMEFRAME), n
    except ValueError as error:
        raise BadCall(str(error)) from error


def _bars_page(reply: HistoryReply, contract: Contract, timeframe: Timeframe, caller: Caller) -> Page:
    rows, day = [], ""
    shown = reply.bars[-MOST_SHOWN:]
    for bar in shown:
        this_day = day_text(bar.ts_open, caller.zone)
        rows.append(_bar_row(bar, contract, this_day if this_day != day else "", caller))
        day = this_day
    if reply.has_partial:
        rows[-1] = (*rows[-1][:-1], "forming")
    zone = zone_names(shown[0].ts_open, shown[-1].ts_open, caller.zone) if shown else "local time"
    sheet = Sheet.of(
        f"day,{zone},>open,>high,>low,>close,>volume,",
        rows,
        title=f"{contract.name} {timeframe}",
        empty=f"The gateway has no {timeframe} bars of {contract.name}.",
    )
    cut = f" (the newest {MOST_SHOWN:,} are shown, POST /api/command has all)" if len(shown) < len(reply.bars) else ""
    foot = Line(f"{len(reply.bars)} bars{cut}, source: {reply.source}, {span_text(reply.took_ms)}", "dim")
    if reply.problem is None:
        return sheet, foot
    return sheet, foot, Line(f"Not up to date, from memory only: {reply.problem}", "yellow")


def _bar_row(bar: Bar, contract: Contract, day: str, caller: Caller) -> tuple[str, ...]:
    prices = (price_text(price, contract) for price in (bar.open, bar.high, bar.low, bar.close))
    return (day, clock_text(bar.ts_open, caller.zone), *prices, f"{bar.volume:,}", "")
