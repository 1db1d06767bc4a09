"""``archive import``: the bars of a file, checked, and handed to the history service. All of the file or nothing of it."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from desk.core.contractmonths import ContractMonth, contract_months, month_of_contract
from desk.core.errors import DeskError, UnknownSymbol
from desk.core.ids import ContractId
from desk.core.symbols import MONTHS, parse_symbol
from desk.core.timeframe import Timeframe
from desk.core.trading_day import day_start
from desk.core.words import Contract
from desk.market.bars import Bars
from desk.market.importing import Checked, checked, spacing_of, stretches
from desk.market.pages import pages_of
from desk.market.spans import Spans
from desk.runtime.desk import Desk
from desk.store.barfiles import BarFileError
from desk.store.barreading import RawBars, read_bars, refused
from desk.surfaces.archive_terms import IMPORT, asked_contract, asked_timeframe, moment_text, series_of
from desk.surfaces.calls import BadCall, Caller, CommandResult
from desk.surfaces.sheet import Line

__all__ = ["archive_import"]

_EARLY = timedelta(days=21)  # before the usual roll: the next month is traded then, too
_FIRST_S = 946_684_800  # 2000: no bar is older


def _symbol_in(path: Path) -> str:
    """``MNQZ6_1m.csv``, ``CME_MINI_MNQ1!, 1.csv``, ``MNQ 12-26.Last.txt``. Raises BadCall."""
    stem = path.stem.upper()
    dated = re.match(r"[A-Z0-9]+ \d{2}-\d{2}", stem)
    for word in ([dated[0]] if dated else []) + re.split(r"[_,\s.-]+", stem):
        try:
            parse_symbol(word)
        except UnknownSymbol:
            continue
        return word
    raise BadCall(f"The name of the file does not say which contract it holds. Write archive import {path.name} MNQZ6")


@dataclass(frozen=True, slots=True)
class _Order:
    path: Path
    symbol: str | None
    timeframe: Timeframe | None
    zone: ZoneInfo | None
    stamp: str | None  # open | close


@dataclass(frozen=True, slots=True)
class _Portion:
    """What belongs into one page: it is taken over between two other things."""

    bars: Bars
    covered: Spans


def _order(words: Sequence[str]) -> _Order:
    plain, options = [], {}
    for word in words:
        name, sign, value = word.partition("=")
        if sign and name.lower() in {"zone", "stamp"}:
            options[name.lower()] = value
        else:
            plain.append(word)
    if not plain:
        raise BadCall(f'Which file? Write {IMPORT}, with "..." around a name that has blanks')
    if (stamp := options.get("stamp")) not in {None, "open", "close"}:
        raise BadCall(f"stamp={stamp}: write stamp=open when times are of a bar's beginning, stamp=close of its end")
    symbol: str | None = None
    timeframe: Timeframe | None = None
    for word in plain[1:]:
        if timeframe is None and re.fullmatch(r"\d+[A-Za-z]", word):
            timeframe = asked_timeframe(word)
        elif symbol is None:
            symbol = word
        else:
            raise BadCall(
                f'{word[:30]!a} is one word too many. Write {IMPORT}, with "..." around a name that has blanks'
            )
    return _Order(Path(plain[0]).expanduser(), symbol, timeframe, _zone(options.get("zone")), stamp)


def _zone(name: str | None) -> ZoneInfo | None:
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError) as exc:  # an unknown name is a KeyError, an odd one any of the others
        raise BadCall(f"zone={name[:40]}: write a name such as zone=America/Chicago, America/New_York or UTC") from exc


async def archive_import(desk: Desk, words: Sequence[str], caller: Caller) -> CommandResult:
    order = _order(words)
    if not await asyncio.to_thread(os.path.exists, order.path):
        where = order.path.absolute()
        raise BadCall(f'There is no such file: {where}. A name with blanks goes into quotes: archive import "..."')
    asked = await asked_contract(desk, order.symbol or _symbol_in(order.path))
    contract = asked.contract
    caller.say(f"Reading {order.path.name} ...")
    raw = await asyncio.to_thread(read_bars, order.path, order.zone)
    caller.say(f"Checking {len(raw):,} rows against {contract.name} ...")
    now = desk.clock.now()
    found, timeframe = await asyncio.to_thread(_judged, order, raw, contract, now)
    if not len(found.bars):
        raise BarFileError(f"{order.path} was refused: none of its bars is final yet")
    if not asked.is_dated:
        _refuse_several_months(order.path, found.bars, contract)
    portions = await asyncio.to_thread(_portions, found.bars, contract.contract_id, timeframe)
    before = await _stored(desk, contract.contract_id, timeframe)
    differ = await _taken_over(desk, contract, timeframe, portions, caller)
    await desk.history.flush()  # what is told to be here is on the disk
    after = await _stored(desk, contract.contract_id, timeframe)
    fresh = min(len(found.bars), max(0, after - before))
    return _summary(order, raw, found, contract, timeframe, fresh=fresh, differ=differ)


def _judged(order: _Order, raw: RawBars, contract: Contract, now: datetime) -> tuple[Checked, Timeframe]:
    """Raises BarFileError when one row is wrong. Blocks."""
    spacing = spacing_of(raw.ts)
    timeframe = order.timeframe or spacing
    if timeframe is None:
        raise BarFileError(f"{order.path}: one bar does not tell how long it is. Add its length, such as 1m")
    if spacing is not None and spacing.seconds != timeframe.seconds:
        raise BarFileError(f"{order.path} was refused: its bars are {spacing} apart, not {timeframe}")
    if not timeframe.is_on_the_hour:
        raise BarFileError(
            f"{order.path} was refused: bars of {timeframe} cannot be checked, because nobody documents when the gateway's "
            "open. Import 1m up to 1h; longer ones are fetched, or built from these"
        )
    is_end = raw.is_end if order.stamp is None else order.stamp == "close"
    opened = raw.ts - timeframe.seconds if is_end else raw.ts
    month = month_of_contract(contract.contract_id)
    listed = (_FIRST_S, _month_end(month))
    found = checked(opened, raw.prices, raw.volume, contract.tick_size, timeframe, int(now.timestamp()), listed)
    if found.faults:
        raise refused(order.path, [(raw.where(fault.row), fault.reason) for fault in found.faults], found.fault_count)
    return found, timeframe


def _month_end(month: ContractMonth) -> int:
    """The first moment after the month that the contract is called by: none trades longer."""
    year, number = month.year + month.month // 12, month.month % 12 + 1
    return int(datetime(year, number, 1, tzinfo=UTC).timestamp())


def _refuse_several_months(path: Path, bars: Bars, contract: Contract) -> None:
    """A chart of ``MNQ1!`` holds several contracts one after the other, and their bars must not be mixed up."""
    month = month_of_contract(contract.contract_id)
    first = datetime.fromtimestamp(int(bars.ts[0]), UTC)
    then = contract_months(month.root, first.date(), first.date())[0]
    if then.contract_id == month.contract_id:
        return
    following = contract_months(month.root, then.rolls_on, then.rolls_on)[0]
    if following.contract_id == month.contract_id and first >= day_start(then.rolls_on) - _EARLY:
        return
    letter = MONTHS[month.month - 1]
    raise BarFileError(
        f"{path} was refused: it begins on {first:%Y-%m-%d}, when {then.name} was the front month, so a continuous "
        f"chart would mix contracts. Where it holds {contract.name} alone, write {month.root}{letter}{month.year} for "
        "the symbol"
    )


def _portions(bars: Bars, contract_id: ContractId, timeframe: Timeframe) -> list[_Portion]:
    """Page by page, in order. Blocks."""
    found = []
    for key in pages_of(contract_id, timeframe, (int(bars.ts[0]), int(bars.ts[-1]) + 1)):
        inside = bars.between(*key.span)
        if len(inside):
            found.append(_Portion(inside, stretches(inside, timeframe.seconds)))
    return found


async def _taken_over(
    desk: Desk, contract: Contract, timeframe: Timeframe, portions: Sequence[_Portion], caller: Caller
) -> int:
    """How many bars the gateway tells otherwise. When it fails in the middle, what is kept is right, and the text says so."""
    differ = done = 0
    total, told = sum(len(portion.bars) for portion in portions), 0
    for portion in portions:
        try:
            differ += await desk.history.keep(
                contract.contract_id, timeframe, portion.bars, portion.covered, origin="import"
            )
        except DeskError as error:
            raise BarFileError(
                f"{done:,} of {total:,} bars were taken over, then: {error}. Write the same line again once that is mended"
            ) from error
        done += len(portion.bars)
        await asyncio.sleep(0)
        if done - told >= 100_000:
            caller.say(f"{done:,} of {total:,} bars ...")
            told = done
    return differ


async def _stored(desk: Desk, contract_id: ContractId, timeframe: Timeframe) -> int:
    one = await series_of(desk, contract_id, timeframe)
    return one.bars if one is not None else 0


def _summary(
    order: _Order, raw: RawBars, found: Checked, contract: Contract, timeframe: Timeframe, *, fresh: int, differ: int
) -> CommandResult:
    bars = found.bars
    counts = {
        "rows": len(raw),
        "bars": len(bars),
        "new": fresh,
        "known": len(bars) - fresh,
        "different": differ,
        "repeated": found.repeated,
        "unfinished": found.unfinished,
    }
    first, last = moment_text(int(bars.ts[0])), moment_text(int(bars.ts[-1]))
    lines = [
        Line(f"{len(bars):,} bars of {contract.name} {timeframe}, {first} to {last} UTC", "green"),
        Line(f"{fresh:,} new, {len(bars) - fresh:,} known already"),
    ]
    if differ:
        lines.append(Line(f"{differ:,} differ from what the gateway said: the gateway's stay.", "yellow"))
    if found.repeated:
        lines.append(Line(f"{found.repeated:,} rows stood there twice."))
    if found.unfinished:
        lines.append(Line(f"{found.unfinished:,} at the end were left out: not final yet.", "yellow"))
    if raw.is_end and order.stamp is None:
        lines.append(
            Line("Times were taken as the end of a bar, as NinjaTrader writes them (stamp=open if not).", "dim")
        )
    if order.timeframe is None:
        lines.append(Line(f"{timeframe}: from the distance of the rows.", "dim"))
    lines += [Line(f"{note[:1].upper()}{note[1:]}.", "dim") for note in raw.notes]
    data = {
        "file": str(order.path.absolute()),
        "contract_id": contract.contract_id,
        "timeframe": timeframe.text,
        **counts,
        "notes": raw.notes,
    }
    return CommandResult(True, data, tuple(lines))
