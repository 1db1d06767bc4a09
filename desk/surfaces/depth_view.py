"""``depth``: the best levels of both sides, as far as the feed told them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from desk.core.errors import Unavailable
from desk.core.words import Contract
from desk.market.depth import DepthBook, DepthTop, Level
from desk.runtime.desk import Desk
from desk.surfaces.calls import BadCall, Caller, CommandResult, whole_number
from desk.surfaces.sheet import Line, Sheet
from desk.surfaces.show import age_text, price_text

__all__ = ["depth"]

DEFAULT_LEVELS, MOST_LEVELS = 5, 50
WAIT_S = 2.0
EXAMPLE = f"depth MNQ {DEFAULT_LEVELS}"
HINT = "Depth is a hint: how the feed keeps its book is documented nowhere, and levels may be missing or gone."
_LOOK_EVERY_S = 0.05


async def depth(desk: Desk, args: Sequence[str], caller: Caller) -> CommandResult:
    """Subscribes, waits up to two seconds for both sides, and leaves again."""
    del caller
    if not args:
        raise BadCall(f"Which symbol? Write {EXAMPLE}")
    contract = desk.contract(args[0])
    n = whole_number(args[1], MOST_LEVELS) if len(args) > 1 else DEFAULT_LEVELS
    if n is None:
        raise BadCall(f"{args[1][:20]!a} levels: ask for 1 to {MOST_LEVELS}. Write {EXAMPLE}")
    if desk.market is None:
        raise Unavailable("the market hub is not there yet; try again in a moment")
    async with desk.market.looking_at_depth(contract.contract_id) as book:
        top = await _filled(desk, book, n)
    if top.age_s is None:
        return CommandResult.failed(
            f"No depth of {contract.name} came within {WAIT_S:.0f} s. Is the market open? subscriptions shows the hub."
        )
    data = {"symbol": contract.name, "bids": top.bids, "asks": top.asks, "age_s": top.age_s, "is_hint": True}
    age = Line(f"The newest row is {age_text(top.age_s * 1000)} old.", "dim")
    return CommandResult(True, data, (_sheet(top, contract), age, Line(HINT, "dim")))


async def _filled(desk: Desk, book: DepthBook, n: int) -> DepthTop:
    """Both sides with ``n`` levels, or what there is after the wait."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + WAIT_S
    while True:
        top = book.top(n, desk.clock.now())
        if min(len(top.bids), len(top.asks)) >= n or loop.time() >= deadline:
            return top
        await asyncio.sleep(_LOOK_EVERY_S)


def _sheet(top: DepthTop, contract: Contract) -> Sheet:
    rows = []
    for place in range(max(len(top.bids), len(top.asks))):
        age, qty, bid = _cells(top.bids, place, contract)
        ask_age, ask_qty, ask = _cells(top.asks, place, contract)
        rows.append((age, qty, bid, ask, ask_qty, ask_age))
    empty = "Neither side has a level."
    return Sheet.of(">age,>qty,>bid,>ask,>qty,>age", rows, title=contract.name, empty=empty)


def _cells(levels: Sequence[Level], place: int, contract: Contract) -> tuple[str, str, str]:
    if place >= len(levels):
        return "", "", ""
    level = levels[place]
    return age_text(level.age_s * 1000), f"{level.qty:,}", price_text(level.price, contract)
