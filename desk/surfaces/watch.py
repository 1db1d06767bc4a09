"""``watch``: a table of prices that is drawn again in its place; without a terminal one look at it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from desk.core.errors import DeskError, Unavailable
from desk.core.ids import ContractId
from desk.core.timeframe import Timeframe, parse_timeframe
from desk.core.words import Bar, Contract
from desk.runtime.desk import Desk
from desk.surfaces.calls import BadCall, Caller, CommandResult
from desk.surfaces.market import FRESH
from desk.surfaces.sheet import Cell, Line, Page, Sheet
from desk.surfaces.show import DASH, age_text, clock_text, price_text, zone_name

__all__ = ["MarketRow", "watch"]

EXAMPLE = "watch MNQ ES 1m"
MOST_SYMBOLS = 12
SHORTEST_S = 5  # of a bar that is built from trades
SNAPSHOT_WAIT_S = 2.0
_LOOK_EVERY_S = 0.05
_DAY = parse_timeframe("1d")
_MS = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class MarketRow:
    """What is known of one contract now; None: nobody said it. spread_ticks: ask minus bid. session: since its open."""

    symbol: str
    contract_id: ContractId
    last: Decimal | None
    bid: Decimal | None
    ask: Decimal | None
    spread_ticks: Decimal | None
    session: Decimal | None
    volume: int | None
    age_ms: int | None
    bar: Bar | None
    bar_source: str | None


async def watch(desk: Desk, args: Sequence[str], caller: Caller) -> CommandResult:
    """``watch MNQ ES [1m]``. Subscribes while it is shown; the last picture stays on the screen."""
    listed, timeframe = _asked(desk, args)
    market = desk.market
    if market is None:
        raise Unavailable("the market hub is not there yet; try again in a moment")
    opens: dict[ContractId, Decimal] = {}
    reading = asyncio.create_task(_read_opens(desk, listed, opens), name="session opens")
    try:
        async with market.looking_at([contract.contract_id for contract in listed], timeframe):
            if caller.show is None:
                await _until_quoted(desk, listed, reading)
            else:
                await caller.show(lambda: (*_page(desk, listed, timeframe, opens, caller), _LEAVE))
            rows = _rows(desk, listed, timeframe, opens)
            page = _drawn(rows, listed, timeframe, caller, desk)
    finally:
        reading.cancel()
        await asyncio.wait([reading])
    return CommandResult(True, {"timeframe": timeframe.text, "rows": rows}, page)


_LEAVE = Line("q, Enter or Ctrl-C ends it.", "dim")


def _asked(desk: Desk, args: Sequence[str]) -> tuple[list[Contract], Timeframe]:
    """Symbols, each once, and at most one timeframe among them."""
    frames, found = [], {}
    for arg in args:
        if arg[:1].isdecimal():
            frames.append(_timeframe(arg))
        else:
            contract = desk.contract(arg)
            found[contract.contract_id] = contract
    if not found:
        raise BadCall(f"Which symbols? Write {EXAMPLE}")
    if len(frames) > 1:
        raise BadCall(f"One timeframe is enough. Write {EXAMPLE}")
    if len(found) > MOST_SYMBOLS:
        raise BadCall(f"{len(found)} symbols: up to {MOST_SYMBOLS} fit. Write {EXAMPLE}")
    return list(found.values()), frames[0] if frames else parse_timeframe("1m")


def _timeframe(text: str) -> Timeframe:
    try:
        timeframe = parse_timeframe(text)
    except ValueError as error:
        raise BadCall(f"{error} Write {EXAMPLE}") from error
    if timeframe.seconds < SHORTEST_S:
        raise BadCall(f"{timeframe} is too short to be built from trades: {SHORTEST_S}s or longer. Write {EXAMPLE}")
    return timeframe


async def _read_opens(desk: Desk, listed: Sequence[Contract], opens: dict[ContractId, Decimal]) -> None:
    """Where the running session opened, from its day bar. What cannot be read stays unknown."""
    for contract in listed:
        try:
            reply = await desk.history.bars(contract.contract_id, _DAY, 1)
        except DeskError:
            continue
        if reply.has_partial and reply.bars:
            opens[contract.contract_id] = reply.bars[-1].open


async def _until_quoted(desk: Desk, listed: Sequence[Contract], reading: asyncio.Task[None]) -> None:
    """Briefly, for whoever gets only one look."""
    try:
        async with asyncio.timeout(SNAPSHOT_WAIT_S):
            await asyncio.wait([reading])
            while any(desk.quotes.quote(one.contract_id) is None for one in listed):  # noqa: ASYNC110 - quotes set no event
                await asyncio.sleep(_LOOK_EVERY_S)
    except TimeoutError:
        pass  # what came is shown


def _rows(
    desk: Desk, listed: Sequence[Contract], timeframe: Timeframe, opens: Mapping[ContractId, Decimal]
) -> list[MarketRow]:
    return [_row(desk, contract, timeframe, opens.get(contract.contract_id)) for contract in listed]


def _row(desk: Desk, contract: Contract, timeframe: Timeframe, opened: Decimal | None) -> MarketRow:
    quote = desk.quotes.quote(contract.contract_id)
    building = desk.market.developing(contract.contract_id, timeframe) if desk.market is not None else None
    bid, ask = (quote.bid, quote.ask) if quote is not None else (None, None)
    last = quote.last if quote is not None else None
    return MarketRow(
        symbol=contract.name,
        contract_id=contract.contract_id,
        last=last,
        bid=bid,
        ask=ask,
        spread_ticks=None if bid is None or ask is None else (ask - bid) / contract.tick_size,
        session=None if last is None or opened is None else last - opened,
        volume=quote.volume if quote is not None else None,
        age_ms=None if quote is None else max(0, round((desk.clock.now() - quote.ts_recv) / _MS)),
        bar=building.bar if building is not None else None,
        bar_source=building.source if building is not None else None,
    )


def _page(
    desk: Desk,
    listed: Sequence[Contract],
    timeframe: Timeframe,
    opens: Mapping[ContractId, Decimal],
    caller: Caller,
) -> Page:
    return _drawn(_rows(desk, listed, timeframe, opens), listed, timeframe, caller, desk)


def _drawn(
    rows: Sequence[MarketRow], listed: Sequence[Contract], timeframe: Timeframe, caller: Caller, desk: Desk
) -> Page:
    now = desk.clock.now()
    cells = [_cells(row, contract) for row, contract in zip(rows, listed, strict=True)]
    under = [_bar_words(row, contract, timeframe, caller) for row, contract in zip(rows, listed, strict=True)]
    title = f"{clock_text(now, caller.zone)} {zone_name(now, caller.zone)}"
    return (Sheet.of("symbol,>last,>bid,>ask,>spread,>session,>volume,>age", cells, title=title, under=under),)


def _cells(row: MarketRow, contract: Contract) -> tuple[Cell | str, ...]:
    is_old = row.age_ms is None or row.age_ms >= FRESH / _MS
    return (
        row.symbol,
        Cell(price_text(row.last, contract), "bold"),
        price_text(row.bid, contract),
        price_text(row.ask, contract),
        DASH if row.spread_ticks is None else f"{row.spread_ticks.normalize():f}t",
        _signed(row.session, contract),
        DASH if row.volume is None else f"{row.volume:,}",
        Cell("no quote" if row.age_ms is None else age_text(row.age_ms), "yellow" if is_old else ""),
    )


def _signed(change: Decimal | None, contract: Contract) -> Cell:
    if change is None:
        return Cell(DASH)
    style = "green" if change > 0 else "red" if change < 0 else ""
    return Cell(("+" if change > 0 else "") + price_text(change, contract), style)


def _bar_words(row: MarketRow, contract: Contract, timeframe: Timeframe, caller: Caller) -> str:
    """The bar in progress: opening time, four prices, volume, and where it comes from."""
    bar = row.bar
    if bar is None:
        why = "no trade in it yet" if row.bar_source == "hub" else "not known"
        return f"{timeframe} bar in progress: {why}"
    prices = " ".join(price_text(price, contract) for price in (bar.open, bar.high, bar.low, bar.close))
    source = "" if row.bar_source == "hub" else f" ({row.bar_source})"
    return f"{timeframe} {clock_text(bar.ts_open, caller.zone)}  {prices}  {bar.volume:,}{source}"
