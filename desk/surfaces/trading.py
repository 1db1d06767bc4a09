"""Commands that show what is held: ``accounts``, ``positions``, ``orders``; and ``switch_account``, which account is meant.

Tables of positions and orders stand one under each account's name, so that they fit 80 columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby

from desk.core.words import Contract
from desk.runtime.desk import Desk
from desk.surfaces import view
from desk.surfaces.calls import BadCall, Caller, CommandResult
from desk.surfaces.monitor import coverage_cell
from desk.surfaces.places import chosen_account, find_account
from desk.surfaces.plan_words import account_name
from desk.surfaces.shapes import ExitView, LegView, OrderView, PositionView, WaitingView
from desk.surfaces.sheet import Cell, Line, Page, Sheet
from desk.surfaces.show import DASH, age_text, clock_text, money_text, price_text, until_text, zone_names

__all__ = ["account_sheet", "accounts", "orders", "positions", "switch_account"]


async def accounts(desk: Desk, args: Sequence[str], caller: Caller) -> CommandResult:
    del args
    page: list[Line | Sheet] = [account_sheet(desk)]
    chosen = caller.sitting.account_id if caller.sitting is not None else None
    if chosen is not None:
        page.append(Line(f"This console trades {account_name(desk, chosen)} (switch_account); * is the bot's.", "bold"))
    return CommandResult(True, view.view_accounts(desk), tuple(page))


def account_sheet(desk: Desk) -> Sheet:
    rows = [
        (
            Cell("*" if account.is_default else "", "bold"),
            str(number),
            account.name,
            str(account.account_id),
            money_text(account.balance),
            Cell("yes") if account.can_trade else Cell("NO", "bold red"),
            Cell(f"{age_text(account.reconciled_age_ms)} ago")
            if account.is_reconciled
            else Cell("not confirmed yet", "yellow"),
        )
        for number, account in enumerate(view.view_accounts(desk), 1)
    ]
    empty = "No account is known yet: the gateway's list was not read. See status."
    return Sheet.of(",>#,account,>id,>balance $,trades,agrees", rows, empty=empty)


async def switch_account(desk: Desk, args: Sequence[str], caller: Caller) -> CommandResult:
    """For what is typed at this console from now on. Bots keep their own account."""
    if caller.sitting is None:
        raise BadCall("every request stands alone here: write account=NAME in the command that needs it")
    if args:
        caller.sitting.account_id = find_account(desk, args[0])
    account_id = chosen_account(desk, caller)
    text = f"Commands of this console trade {account_name(desk, account_id)}. The bot keeps its own account."
    hint = Line("switch_account NAME, ID or NUMBER chooses; accounts lists them.", "dim")
    page: Page = (Line(text, "bold"),) if args else (Line(text, "bold"), hint)
    return CommandResult(True, {"account_id": account_id, "account": account_name(desk, account_id)}, page)


async def positions(desk: Desk, args: Sequence[str], caller: Caller) -> CommandResult:
    """Open positions with their legs; under them the last exits with their reason."""
    del args
    held, exits = view.view_positions(desk), view.view_exits(desk)
    if caller.sitting is not None:
        caller.sitting.listing = tuple((p.account_id, p.contract_id) for p in held)
    page: list[Line | Sheet] = list(_position_sheets(desk, held)) or [Line("No open position.", "dim")]
    page += [Line(text, "dim") for text in _value_notes(held)]
    page += _caveats(desk)
    page += _exit_sheets(exits[:10], caller)
    return CommandResult(True, {"positions": held, "last_exits": exits}, tuple(page))


def _position_sheets(desk: Desk, held: Sequence[PositionView]) -> Iterator[Sheet]:
    titles = ">#,symbol,side,>qty,>avg price,>stop,>target,>unrealised $,protected"
    for account, those in groupby(held, key=lambda position: position.account):
        rows = [_position_row(position, desk.catalogue.get(position.contract_id)) for position in those]
        yield Sheet.of(titles, rows, title=account)


def _position_row(position: PositionView, contract: Contract | None) -> tuple[Cell | str, ...]:
    unrealised = position.unrealised_usd
    colour = "" if unrealised is None else ("green" if unrealised >= 0 else "red")
    return (
        str(position.number),
        position.symbol,
        position.side,
        str(abs(position.qty)),
        price_text(position.avg_price, contract),
        _leg_text(position, position.stop, contract),
        _leg_text(position, position.target, contract),
        Cell(money_text(unrealised, is_signed=True), colour),
        coverage_cell(position),
    )


def _leg_text(position: PositionView, leg: LegView | None, contract: Contract | None) -> str:
    """Price of the nearest leg; what is not simply working is said."""
    if leg is None:
        return DASH
    others = sum(1 for other in position.legs if other.kind == leg.kind) - 1
    words = [price_text(leg.price, contract)]
    words += [leg.state] if leg.state not in {"working", "open"} else []
    words += ["not ours"] if not leg.is_ours else []
    covered = position.qty_of(leg.kind)
    is_part = leg.kind == "target" and covered < abs(position.qty)  # of a stop the last column tells it
    return ", ".join(words) + (f" (+{others})" if others else "") + (f" for {covered}" if is_part else "")


def _value_notes(held: Sequence[PositionView]) -> list[str]:
    """How old the prices are by which positions were valued, and which could not be."""
    ages = [p.mark_age_ms for p in held if p.unrealised_usd is not None and p.mark_age_ms is not None]
    notes = [f"Valued at quotes up to {age_text(max(ages))} old, before fees."] if ages else []
    return notes + [f"{p.symbol}: no unrealised P&L, {p.unrealised_note}." for p in held if p.unrealised_note]


def _exit_sheets(exits: Sequence[ExitView], caller: Caller) -> Iterator[Sheet]:
    if not exits:
        return
    zone = zone_names(min(e.ts for e in exits), max(e.ts for e in exits), caller.zone)
    for account, those in groupby(sorted(exits, key=lambda last: last.account), key=lambda last: last.account):
        rows = [
            (
                last.symbol,
                f"{last.qty:+d}",
                last.reason,
                clock_text(last.ts, caller.zone),
                age_text(last.age_ms),
                last.cause,
            )
            for last in those
        ]
        yield Sheet.of(f"symbol,>was,reason,at ({zone}),>ago,why", rows, title=f"Last exits of {account}")


async def orders(desk: Desk, args: Sequence[str], caller: Caller) -> CommandResult:
    """Everything that may still trade, ours and others'; and what waits at the desk for its price."""
    del args
    working, waiting = view.view_orders(desk), view.view_waiting(desk)
    page: list[Line | Sheet] = list(_order_sheets(desk, working, caller)) or [Line("No working order.", "dim")]
    if waiting:
        page.append(_waiting_sheet(desk, waiting, caller))
    return CommandResult(True, working, (*page, *_caveats(desk)))


def _order_sheets(desk: Desk, working: Sequence[OrderView], caller: Caller) -> Iterator[Sheet]:
    by_account = sorted(working, key=lambda order: order.account)
    for account, those in groupby(by_account, key=lambda order: order.account):
        listed = list(those)
        until = _until_title([order.expires_at for order in listed], caller)
        rows = [_order_row(desk, order, caller) for order in listed]
        yield Sheet.of(f">id,symbol,what,side,>qty,>filled,>price,state,{until}", rows, title=account)


def _until_title(times: Sequence[datetime | None], caller: Caller) -> str:
    known = [when for when in times if when is not None]
    return f"until ({zone_names(min(known), max(known), caller.zone)})" if known else "until"


def _order_row(desk: Desk, order: OrderView, caller: Caller) -> tuple[Cell | str, ...]:
    """The id is for ``cancel``, ``modify`` and ``why``; an order that the gateway has not named yet shows its tag."""
    contract = desk.catalogue.get(order.contract_id)
    role = order.role if order.is_ours else "not ours"
    kind = order.type.replace("_", " ")
    prices = [price_text(p, contract) for p in (order.stop_price, order.limit_price) if p is not None]
    return (
        order.tag or DASH if order.gateway_order_id is None else str(order.gateway_order_id),
        order.symbol,
        role if role in {"stop", "target"} else f"{role} {kind}",
        order.side,
        str(order.qty),
        str(order.filled_qty),
        "/".join(prices) or DASH,
        Cell(order.state, "bold yellow" if order.state == "unknown" else ""),
        until_text(order.expires_at, desk.clock.now(), caller.zone),
    )


def _waiting_sheet(desk: Desk, waiting: Sequence[WaitingView], caller: Caller) -> Sheet:
    rows = [
        (
            order.symbol,
            order.side,
            str(order.qty),
            price_text(order.touch_price, desk.catalogue.get(order.contract_id)),
            _then(desk, order),
            until_text(order.expires_at, desk.clock.now(), caller.zone) or DASH,
            order.cause,
            order.account,
        )
        for order in waiting
    ]
    title = "Waiting at the desk for their price (the gateway has no order of them yet; cancel ID takes one away)"
    until = _until_title([order.expires_at for order in waiting], caller)
    return Sheet.of(f"symbol,side,>qty,>at,then,{until},id,account", rows, title=title)


def _then(desk: Desk, order: WaitingView) -> str:
    """What is sent once the price was reached."""
    if order.limit_price is None:
        return order.type.replace("_", " ")
    return f"limit {price_text(order.limit_price, desk.catalogue.get(order.contract_id))}"


def _caveats(desk: Desk) -> list[Line]:
    """Says so when what is shown may not be what the gateway has."""
    names = [account.name for account in view.view_accounts(desk) if not account.is_reconciled]
    if not desk.state.accounts:
        return [Line("No account was read yet, so nothing is known about positions and orders. See status.", "yellow")]
    if names:
        return [Line(f"Not confirmed by the gateway yet: {', '.join(names)}. This is what was last known.", "yellow")]
    return []
