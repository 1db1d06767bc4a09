"""Words that every form of ``archive`` has, and partly ``history``: which contract, how long its bars are, what is stored."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from desk.core.errors import Unavailable, UnknownSymbol
from desk.core.ids import ContractId
from desk.core.symbols import ROOTS, Symbol, parse_symbol
from desk.core.timeframe import Timeframe, parse_timeframe
from desk.core.words import Contract
from desk.runtime.desk import Desk
from desk.runtime.tiers import SeriesInfo
from desk.surfaces.calls import BadCall

__all__ = ["EXPORT", "IMPORT", "Asked", "asked_contract", "asked_timeframe", "moment_text", "series_of"]

IMPORT, EXPORT = "archive import FILE [SYMBOL] [timeframe]", "archive export MNQ 5m [from] [to] csv"


class Asked(NamedTuple):
    """``is_dated``: the month was named, so nobody has to guess whether the file holds several."""

    contract: Contract
    is_dated: bool


async def asked_contract(desk: Desk, text: str) -> Asked:
    """A symbol, or one contract that may have expired. Raises UnknownSymbol, Unavailable and what the gateway raises."""
    symbol = parse_symbol(text)
    if symbol.month is None:
        return Asked(desk.contract(text), is_dated=False)
    wanted = _dated(symbol, desk.clock.now().year)
    listed = desk.catalogue.get(wanted)
    if listed is None:
        if desk.lookup is None:
            raise Unavailable("the gateway is not connected yet; try again in a moment")
        listed = await desk.lookup.contract(wanted)
    if listed is None:
        raise UnknownSymbol(f"The gateway does not know {text[:30]} ({wanted}).")
    return Asked(listed, is_dated=True)


def _dated(symbol: Symbol, this_year: int) -> ContractId:
    """By the grammar of reference 3.3. A year of one digit is the nearest such year."""
    year = symbol.year
    assert year is not None, "a month comes with its year"
    if year < 10:
        year = min((decade + year for decade in range(2000, 2100, 10)), key=lambda one: abs(one - this_year))
    return ContractId(f"CON.{ROOTS[symbol.root].symbol_id}.{symbol.month}{year % 100:02d}")


def asked_timeframe(text: str) -> Timeframe:
    try:
        return parse_timeframe(text)
    except ValueError as error:
        raise BadCall(str(error)) from error


async def series_of(desk: Desk, contract_id: ContractId, timeframe: Timeframe) -> SeriesInfo | None:
    stored = await desk.history.series()
    return next((one for one in stored if (one.contract_id, one.timeframe) == (contract_id, timeframe)), None)


def moment_text(at: int) -> str:
    """at: epoch seconds."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M}"
