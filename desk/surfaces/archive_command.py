"""``archive``: the bars that are stored, bars out of files of other programs, and bars into files.

archive                                                       what is stored
archive import FILE [SYMBOL|CONTRACT] [timeframe] [zone=...] [stamp=open|close]
archive export SYMBOL timeframe [from] [to] csv|parquet
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from desk.core.timeframe import Timeframe
from desk.core.words import Contract
from desk.market.bars import Bars
from desk.runtime.desk import Desk
from desk.store.barfiles import BarFileError, FileKind, write_bars
from desk.surfaces.archive_import import archive_import
from desk.surfaces.archive_terms import EXPORT, IMPORT, asked_contract, asked_timeframe, moment_text, series_of
from desk.surfaces.cache_view import bytes_text
from desk.surfaces.calls import BadCall, Caller, CommandResult
from desk.surfaces.history_terms import parse_terms
from desk.surfaces.plan_words import symbol_of
from desk.surfaces.sheet import Line, Page, Sheet

__all__ = ["EXPORTS", "archive"]

EXPORTS = "exports"
_DATED = "archive export MNQ 5m 2026-11-18 2026-11-19 csv"
_WORD = re.compile(r'"([^"]*)"|\'([^\']*)\'|(\S+)')


async def archive(desk: Desk, args: Sequence[str], caller: Caller) -> CommandResult:
    """The rest of the line comes as one argument, because names of files have blanks."""
    words = ["".join(found) for found in _WORD.findall(args[0] if args else "")]
    match words[:1]:
        case []:
            return await _listed(desk)
        case ["import"]:
            return await archive_import(desk, words[1:], caller)
        case ["export"]:
            return await _export(desk, words[1:], caller)
        case _:
            raise BadCall(f"archive {words[0][:20]}: write archive, {IMPORT} or {EXPORT}")


# -- what is stored ----------------------------------------------------------------------------------------------------


async def _listed(desk: Desk) -> CommandResult:
    found = await desk.history.series()
    rows = [
        (
            symbol_of(desk, one.contract_id),
            one.timeframe.text,
            f"{one.bars:,}",
            moment_text(one.first),
            moment_text(one.last),
            bytes_text(one.bytes),
            ", ".join(one.tiers),
            ", ".join(one.origins),
        )
        for one in found
    ]
    sheet = Sheet.of(
        "symbol,bar,>bars,first (UTC),last,>size,in,from", rows, empty="No bars are stored yet. Write history MNQ 5m"
    )
    return CommandResult(True, found, (sheet,))


# -- export ------------------------------------------------------------------------------------------------------------


async def _export(desk: Desk, words: Sequence[str], caller: Caller) -> CommandResult:
    kinds: list[FileKind] = ["csv", "parquet"]
    chosen = [kind for kind in kinds if kind in (word.lower() for word in words)]
    plain = [word for word in words if word.lower() not in kinds]
    if len(chosen) != 1 or not 2 <= len(plain) <= 4:
        raise BadCall(f"Write {EXPORT}, or parquet in place of csv")
    contract, timeframe = (await asked_contract(desk, plain[0])).contract, asked_timeframe(plain[1])
    start, end = await _window(desk, contract, timeframe, plain[2:], caller)
    caller.say(f"Collecting {contract.name} {timeframe} ...")
    reply = await desk.history.between(contract.contract_id, timeframe, start, end, partial=False)
    columns = reply.columns
    if not len(columns):
        return CommandResult.failed(f"There are no {timeframe} bars of {contract.name} in that time.")
    directory = desk.journal.path.parent / EXPORTS
    caller.say(f"Writing {len(columns):,} bars ...")
    path = await asyncio.to_thread(_written, directory, columns, contract.name, timeframe.text, chosen[0])
    page: Page = (Line(f"{len(columns):,} closed bars are in {path} (times in UTC, of the bar's beginning)", "green"),)
    if reply.problem is not None:
        page = (*page, Line(f"Not complete: {reply.problem}", "yellow"))
    data = {
        "file": str(path),
        "contract_id": contract.contract_id,
        "timeframe": timeframe.text,
        "count": len(columns),
        "problem": reply.problem,
    }
    return CommandResult(True, data, page)


async def _window(
    desk: Desk, contract: Contract, timeframe: Timeframe, words: Sequence[str], caller: Caller
) -> tuple[datetime, datetime]:
    """Dates as ``history`` takes them. Without: from the first to the last stored bar."""
    if words and words[0].lower() != "all":
        terms = parse_terms(
            [timeframe.text, *words], desk.clock.now(), caller.zone, allowed=(), options=(), example=_DATED
        )
        if terms.stretch is None:
            raise BadCall(f"From when, and until when? Write {_DATED}")
        return terms.stretch.start, terms.stretch.end
    one = await series_of(desk, contract.contract_id, timeframe)
    if one is None:
        raise BadCall(f"No {timeframe} bars of {contract.name} are stored. Say from when: {EXPORT}")
    return datetime.fromtimestamp(one.first, UTC), datetime.fromtimestamp(one.last, UTC) + timeframe.step


def _written(directory: Path, columns: Bars, contract: str, timeframe: str, kind: FileKind) -> Path:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise BarFileError(f"{directory} cannot be made: {exc.strerror or exc}") from exc
    return write_bars(directory, columns, contract, timeframe, kind)
