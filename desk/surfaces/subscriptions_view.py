"""``subscriptions``: what is wanted of the market hub, what it confirmed, and how old its last word is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from desk.core.errors import Unavailable
from desk.runtime.desk import Desk
from desk.runtime.marketview import HubLine, MarketStatus, Subscribed
from desk.surfaces.calls import Caller, CommandResult
from desk.surfaces.plan_words import symbol_of
from desk.surfaces.sheet import Cell, Line, Page, Sheet
from desk.surfaces.show import DASH, age_text, clock_text, zone_name

__all__ = ["subscriptions"]

_MS = timedelta(milliseconds=1)


async def subscriptions(desk: Desk, args: Sequence[str], caller: Caller) -> CommandResult:
    del args
    if desk.market is None:
        raise Unavailable("the hubs are not there yet; try again in a moment")
    status = desk.market.status()
    now = desk.clock.now()
    age_ms = None if status.heard_at is None else max(0.0, (now - status.heard_at) / _MS)
    hubs = Sheet.of(
        f"hub,since {zone_name(now, caller.zone)},>wanted,>confirmed,>opened,connection",
        [_hub_row(hub, caller) for hub in status.hubs],
        empty="No connection yet.",
    )
    wanted = Sheet.of(
        "symbol,data,>wanted by,state", [_row(desk, one) for one in status.subscribed], empty="Nothing is subscribed."
    )
    heard = "No market data came yet." if age_ms is None else f"The last market data is {age_text(age_ms)} old."
    pool = f"{len(status.hubs)} of {status.most_connections} connections are in use."
    errors = [
        Line(f"{hub.name}: {hub.last_error}", "yellow") for hub in status.hubs if not hub.is_up and hub.last_error
    ]
    page: Page = (hubs, *errors, wanted, *_bar_lines(desk, status), Line(f"{heard} {pool}", "dim"))
    data = {
        "subscriptions": [
            {"symbol": symbol_of(desk, one.contract_id), "contract_id": one.contract_id, "kind": one.kind,
             "count": one.count, "is_confirmed": one.is_confirmed, "refused": one.refused}
            for one in status.subscribed
        ],
        "live_bars": status.bars,
        "last_data_age_ms": None if age_ms is None else round(age_ms),
        "connections": status.hubs,
        "most_connections": status.most_connections,
    }  # fmt: skip
    return CommandResult(True, data, page)


def _hub_row(hub: HubLine, caller: Caller) -> tuple[Cell | str, ...]:
    state = Cell("up", "green") if hub.is_up else Cell("DOWN", "bold red")
    since = DASH if hub.since is None else clock_text(hub.since, caller.zone)
    return state, since, f"{hub.wanted}", f"{hub.active}", f"{hub.opened}", hub.name


def _row(desk: Desk, one: Subscribed) -> tuple[Cell | str, ...]:
    if one.refused is not None:
        state = Cell(f"refused: {one.refused}", "red")
    else:
        state = Cell("confirmed") if one.is_confirmed else Cell("pending", "yellow")
    return symbol_of(desk, one.contract_id), one.kind, f"{one.count}", state


def _bar_lines(desk: Desk, status: MarketStatus) -> list[Line]:
    """Bars that are built from trades, with how many want each."""
    return [
        Line(
            f"Live bars of {symbol_of(desk, key)}: " + ", ".join(f"{frame} x{n}" for frame, n in frames.items()), "dim"
        )
        for key, frames in sorted(status.bars.items())
        if frames
    ]
