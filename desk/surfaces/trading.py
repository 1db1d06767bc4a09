"""Commands that show what is held: ``accounts``, ``positions``, ``orders``."""

from __future__ import annotations

from collections.abc import Sequence

from desk.core.words import Contract
from desk.runtime.desk import Desk
from desk.surfaces import view
from desk.surfaces.calls import Caller, CommandResult
from desk.surfaces.shapes import ExitView, LegView, OrderView, PositionView
from desk.surfaces.sheet import Cell, Line, Page, Sheet
from desk.surfaces.show import DASH, age_text, clock_text, money_text, price_text, zone_names

__all__ = ["account_sheet", "accounts", "orders", "position_sheet", "positions"]


async def accounts(desk: Desk, args: Sequence[str], caller: Caller) -> CommandResult:
    del args, caller
    return CommandResult(True, view.view_accounts(desk), (account_sheet(desk),))


def account_sheet(desk: Desk) -> Sheet:
    rows = [
        (
            Cell("*" if account.is_default else "", "bold"),
            account.name,
            str(account.account_id),
            money_text(account.balance),
            Cell("yes") if account.can_trade else Cell("NO", "bold red"),
            Cell(f"{age_text(account.reconciled_age_ms)} ago")
            if account.is_reconciled
            else Cell("not confirmed yet", "yellow"),
        )
        for account in view.view_accounts(desk)
    ]
    empty = "No account is known yet: the gateway's list was not read. See status."
    return Sheet.of(",account,>id,>balance $,can trade,agrees with the gateway", rows, empty=empty)


async def positions(desk: Desk, args: Sequence[str], caller: Caller) -> CommandResult:
    """Open positions with their legs; under them the last exits with their reason."""
    del args
    held, exits = view.view_positions(desk), view.view_exits(desk)
    page: list[Line | Sheet] = [position_sheet(desk, held)]
    page += [Line(f"{p.symbol}: no unrealised P&L, {p.unrealised_note}.", "dim") for p in held if p.unrealised_note]
    page += _caveats(desk)
    if exits:
        page.append(_exit_sheet(exits[:10], caller))
    return CommandResult(True, {"positions": held, "last_exits": exits}, tuple(page))


def position_sheet(desk: Desk, held: Sequence[PositionView]) -> Sheet:
    rows = [_position_row(position, desk.catalogue.get(position.contract_id)) for position in held]
    titles = (
        "symbol,side,>qty,>avg price,>stop,stop is,>target,target is,>unrealised $,>quote age,protected,>age,account"
    )
    return Sheet.of(titles, rows, empty="No open position.")


def _position_row(position: PositionView, contract: Contract | None) -> tuple[Cell | str, ...]:
    unrealised = position.unrealised_usd
    colour = "" if unrealised is None else ("green" if unrealised >= 0 else "red")
    return (
        position.symbol,
        position.side,
        str(abs(position.qty)),
        price_text(position.avg_price, contract),
        *_leg_cells(position, position.stop, contract),
        *_leg_cells(position, position.target, contract),
        Cell(money_text(unrealised, is_signed=True), colour),
        age_text(position.mark_age_ms),
        Cell("yes", "green") if position.is_protected else Cell("NO", "bold white on red"),
        age_text(position.age_ms),
        position.account,
    )


def _leg_cells(position: PositionView, leg: LegView | None, contract: Contract | None) -> tuple[str, str]:
    if leg is None:
        return DASH, "none"
    others = sum(1 for other in position.legs if other.kind == leg.kind) - 1
    words = leg.state if leg.is_ours else f"{leg.state}, not ours"
    return price_text(leg.price, contract), words + (f" (+{others})" if others else "")


def _exit_sheet(exits: Sequence[ExitView], caller: Caller) -> Sheet:
    rows = [
        (
            last.symbol,
            "long" if last.qty > 0 else "short",
            str(abs(last.qty)),
            last.reason,
            clock_text(last.ts, caller.zone),
            age_text(last.age_ms),
            last.cause,
            last.account,
        )
        for last in exits
    ]
    zone = zone_names(exits[-1].ts, exits[0].ts, caller.zone)
    return Sheet.of(f"symbol,was,>qty,reason,at ({zone}),>ago,why,account", rows, title="Last exits")


async def orders(desk: Desk, args: Sequence[str], caller: Caller) -> CommandResult:
    """Everything that may still trade, ours and others'."""
    del args, caller
    working = view.view_orders(desk)
    rows = [_order_row(order, desk.catalogue.get(order.contract_id)) for order in working]
    titles = "symbol,role,side,>qty,>filled,type,>limit,>stop,state,>gateway id,tag,>age,account"
    page: Page = (Sheet.of(titles, rows, empty="No working order."), *_caveats(desk))
    return CommandResult(True, working, page)


def _order_row(order: OrderView, contract: Contract | None) -> tuple[Cell | str, ...]:
    return (
        order.symbol,
        order.role if order.is_ours else "not ours",
        order.side,
        str(order.qty),
        str(order.filled_qty),
        order.type,
        price_text(order.limit_price, contract),
        price_text(order.stop_price, contract),
        Cell(order.state, "bold yellow" if order.state == "unknown" else ""),
        DASH if order.gateway_order_id is None else str(order.gateway_order_id),
        order.tag or DASH,
        age_text(order.age_ms),
        order.account,
    )


def _caveats(desk: Desk) -> list[Line]:
    """Says so when what is shown may not be what the gateway has."""
    names = [account.name for account in view.view_accounts(desk) if not account.is_reconciled]
    if not desk.state.accounts:
        return [Line("No account was read yet, so nothing is known about positions and orders. See status.", "yellow")]
    if names:
        return [Line(f"Not confirmed by the gateway yet: {', '.join(names)}. This is what was last known.", "yellow")]
    return []
