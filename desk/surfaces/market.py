"""``quote``: the newest price of a contract, how old it is, and who said it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

from desk.core.errors import DeskError
from desk.core.ids import ContractId
from desk.core.timeframe import parse_timeframe
from desk.core.words import Bar, Contract, Quote
from desk.runtime.desk import Desk
from desk.surfaces.amounts import Ranging, names_atr
from desk.surfaces.arguments import Arguments
from desk.surfaces.calls import BadCall, Caller, CommandResult
from desk.surfaces.sheet import Cell, Line, Page, Sheet
from desk.surfaces.show import DASH, age_text, clock_text, price_text, zone_name

__all__ = ["FRESH", "fresh_quote", "newest_quote", "quote", "ranging_for"]

FRESH = timedelta(seconds=10)
QUOTE_WAIT_S = 2.0
RANGE_WAIT_S = 5.0
BAR_WAIT_S = 5.0
_LOOK_EVERY_S = 0.05
_MINUTE = parse_timeframe("1m")
_MS = timedelta(milliseconds=1)


async def quote(desk: Desk, args: Sequence[str], caller: Caller) -> CommandResult:
    """Subscribes where needed and waits up to two seconds for a quote that is not old; then the last bar may be newer."""
    if not args:
        raise BadCall("Which symbol? Write quote MNQ")
    contract = desk.contract(args[0])
    await desk.quotes.watch(contract.contract_id)
    newest = await newest_quote(desk, contract.contract_id)
    now = desk.clock.now()
    if newest is not None and now - newest.ts_recv < FRESH:
        return _told(desk, contract, newest, caller)
    bar = await _last_bar(desk, contract)
    if bar is not None and (newest is None or bar.ts_open > newest.ts_recv):
        return _told_by_bar(contract, bar, now, caller)
    if newest is None:
        return CommandResult.failed(
            f"Nothing is known of {contract.name}: no quote came within {QUOTE_WAIT_S:.0f} s, and there is no bar of it. "
            "Is the market open? status shows the hubs."
        )
    return _told(desk, contract, newest, caller)


def _told(desk: Desk, contract: Contract, newest: Quote, caller: Caller) -> CommandResult:
    age = max(timedelta(), desk.clock.now() - newest.ts_recv)
    is_fresh = age < FRESH
    row = (
        contract.name,
        price_text(newest.bid, contract),
        price_text(newest.ask, contract),
        price_text(newest.last, contract),
        DASH if newest.volume is None else f"{newest.volume:,}",
        Cell(age_text(age / _MS), "" if is_fresh else "yellow"),
        clock_text(newest.ts_event, caller.zone, has_ms=True),
        "hub" if is_fresh else Cell("hub, silent", "yellow"),
    )
    zone = zone_name(newest.ts_event, caller.zone)
    page: Page = (Sheet.of(f"symbol,>bid,>ask,>last,>volume,>age,exchange {zone},source", [row]),)
    data = {"symbol": contract.name, "quote": newest, "age_ms": round(age / _MS), "source": "hub", "is_fresh": is_fresh}
    return CommandResult(True, data, page)


def _told_by_bar(contract: Contract, bar: Bar, now: datetime, caller: Caller) -> CommandResult:
    """The last trade of a minute happened between its opening and now: its age is at most that."""
    age = max(timedelta(), now - bar.ts_open)
    zone = zone_name(bar.ts_open, caller.zone)
    row = (
        contract.name, DASH, DASH, price_text(bar.close, contract), DASH,
        Cell(f"up to {age_text(age / _MS)}", "yellow"), Cell(f"bar {clock_text(bar.ts_open, caller.zone)}"),
    )  # fmt: skip
    page: Page = (
        Sheet.of(f"symbol,>bid,>ask,>last,>volume,>age,{zone}", [row]),
        Line("Source: the last 1m bar, because the hub is silent. Bid and ask are not known.", "yellow"),
    )
    data = {
        "symbol": contract.name, "quote": None, "last": bar.close, "bar": bar, "age_ms": round(age / _MS),
        "source": "last bar", "is_fresh": False,
    }  # fmt: skip
    return CommandResult(True, data, page)


async def _last_bar(desk: Desk, contract: Contract) -> Bar | None:
    """None: there is none, or nobody can be asked."""
    try:
        async with asyncio.timeout(BAR_WAIT_S):
            reply = await desk.history.bars(contract.contract_id, _MINUTE, 1)
    except (DeskError, TimeoutError):
        return None
    return reply.bars[-1] if reply.bars else None


def fresh_quote(desk: Desk, contract_id: ContractId) -> Quote | None:
    """The newest quote, if it is not old."""
    newest = desk.quotes.quote(contract_id)
    return newest if newest is not None and desk.clock.now() - newest.ts_recv < FRESH else None


async def newest_quote(desk: Desk, contract_id: ContractId) -> Quote | None:
    """The newest quote, waited for while there is none or only an old one; then whatever there is."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + QUOTE_WAIT_S
    while True:
        newest = fresh_quote(desk, contract_id)
        if newest is not None or loop.time() >= deadline:
            return newest or desk.quotes.quote(contract_id)
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
