"""One series of a product over its rolls: which contract months, when each took over, and their bars put together.

The rule of a roll, said in every reply: the trading day after the first one on which the next month traded more contracts
than the old one (``volume``); where day bars do not tell, the day on which the exchange's habit moves on (``calendar``).
Nothing of this is for orders: those go to the contract that the gateway lists.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Literal, Protocol

from desk.core.contractmonths import ContractMonth, contract_months
from desk.core.ids import ContractId
from desk.core.timeframe import Timeframe, parse_timeframe
from desk.core.trading_day import day_start, trading_day
from desk.core.words import Contract
from desk.market.bars import Bars
from desk.market.stitch import How, first_day_above, stitch

__all__ = ["ContractLookup", "Roll", "Segment", "StitchedReply", "stitched"]

_LOOKED_BACK = timedelta(days=45)  # before the usual roll, and after it: where the volume of two months may cross
_LOOKED_AHEAD = timedelta(days=12)
_SHARED = timedelta(days=5)  # the newer month's bars before the roll, for the difference
_ONE_DAY = timedelta(days=1)


class ContractLookup(Protocol):
    """``GatewayClient.contract``: one contract by id, expired ones included; None: there is none."""

    async def contract(self, contract_id: ContractId) -> Contract | None: ...


class BarsReply(Protocol):
    @property
    def columns(self) -> Bars: ...
    @property
    def problem(self) -> str | None: ...


class BarSource(Protocol):
    """``HistoryService``."""

    async def between(
        self, contract_id: ContractId, timeframe: Timeframe, start: datetime, end: datetime, *, partial: bool = True
    ) -> BarsReply: ...


@dataclass(frozen=True, slots=True)
class Roll:
    """``at``: from here on the newer month counts. ``difference``: new minus old price, nano points; None: not known."""

    at: datetime
    rule: Literal["volume", "calendar"]
    old: str
    new: str
    difference: int | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """What one contract gave. ``bars`` 0: a hole. ``shift``: nano points added to its prices; None: left out."""

    contract_id: ContractId
    name: str
    start: datetime
    end: datetime
    bars: int
    shift: int | None


@dataclass(frozen=True, slots=True)
class StitchedReply:
    """``problem``: what is missing or was not adjusted, in words; None: nothing is."""

    columns: Bars
    segments: tuple[Segment, ...]
    rolls: tuple[Roll, ...]
    how: How
    problem: str | None


async def stitched(
    history: BarSource,
    lookup: ContractLookup,
    root: str,
    timeframe: Timeframe,
    start: datetime,
    end: datetime,
    how: How,
) -> StitchedReply:
    """Bars of a product in ``start <= t < end`` (aware), each from the month that was the front one then.

    root: ``MNQ``. Raises UnknownSymbol, and what the gateway raises while contracts are looked up.
    """
    months, unknown = await _confirmed(lookup, root, start, end)
    found: list[Roll] = []
    for old, new in pairwise(months):
        found.append(await _roll(history, old, new, found[-1].at if found else None))
    rolls = [roll for roll in found if start < roll.at < end]
    months = _in_force(months, found, start, end)
    edges = [start, *(roll.at for roll in rolls), end]
    parts: list[Bars] = []
    problems = [f"{name}: the gateway does not know this contract" for name in unknown]
    for k, month in enumerate(months):
        reply = await history.between(month.contract_id, timeframe, edges[k] - _SHARED * (k > 0), edges[k + 1])
        parts.append(reply.columns)
        if reply.problem is not None:
            problems.append(f"{month.name}: {reply.problem}")
    return _reply(months, parts, rolls, edges, how, problems)


async def _confirmed(
    lookup: ContractLookup, root: str, start: datetime, end: datetime
) -> tuple[list[ContractMonth], list[str]]:
    """The months that may count in the window and that the gateway knows, and the names of those that it does not.

    One more on both sides than the calendar says, because volume may move earlier or later; none beyond the active month.
    """
    first = max(date(2001, 1, 1), start.astimezone(UTC).date() - _LOOKED_AHEAD)
    last = min(date(2098, 1, 1), end.astimezone(UTC).date() + _LOOKED_BACK)
    known, unknown = [], []
    for month in contract_months(root, first, last):
        contract = await lookup.contract(month.contract_id)
        if contract is None:
            unknown.append(month.name)
            continue
        known.append(month)
        if contract.is_active:
            break
    return known, unknown


async def _roll(history: BarSource, old: ContractMonth, new: ContractMonth, after: datetime | None) -> Roll:
    """after: when the old month took over itself."""
    usual = day_start(old.rolls_on)
    first, last = max(usual - _LOOKED_BACK, after or usual - _LOOKED_BACK), usual + _LOOKED_AHEAD
    days = parse_timeframe("1d")
    of_old = await history.between(old.contract_id, days, first, last, partial=False)
    of_new = await history.between(new.contract_id, days, first, last, partial=False)
    crossed = first_day_above(of_old.columns, of_new.columns)
    if crossed is None:
        return Roll(usual, "calendar", old.name, new.name)
    day = trading_day(datetime.fromtimestamp(crossed, UTC))
    return Roll(day_start(day + _ONE_DAY), "volume", old.name, new.name)


def _in_force(
    months: Sequence[ContractMonth], rolls: Sequence[Roll], start: datetime, end: datetime
) -> list[ContractMonth]:
    """Those between whose two rolls a part of the window lies."""
    begins = [None, *(roll.at for roll in rolls)]
    ends = [*(roll.at for roll in rolls), None]
    return [
        month
        for month, begin, stop in zip(months, begins, ends, strict=False)
        if (begin is None or begin < end) and (stop is None or stop > start)
    ]


def _reply(
    months: Sequence[ContractMonth],
    parts: Sequence[Bars],
    rolls: Sequence[Roll],
    edges: Sequence[datetime],
    how: How,
    problems: list[str],
) -> StitchedReply:
    whole = stitch(parts, [int(roll.at.timestamp()) for roll in rolls], how)
    segments = []
    for k, month in enumerate(months):
        inside = parts[k].between(int(edges[k].timestamp()), int(edges[k + 1].timestamp()))
        segments.append(Segment(month.contract_id, month.name, edges[k], edges[k + 1], len(inside), whole.shifts[k]))
        if not len(inside):
            problems.append(f"{month.name}: no bars from {edges[k]:%Y-%m-%d} to {edges[k + 1]:%Y-%m-%d}")
        elif whole.shifts[k] is None:
            problems.append(f"{month.name}: left out, its distance to the next month at the roll is not known")
    told = tuple(
        Roll(roll.at, roll.rule, roll.old, roll.new, difference)
        for roll, difference in zip(rolls, whole.differences, strict=True)
    )
    return StitchedReply(whole.columns, tuple(segments), told, how, "; ".join(problems) or None)
