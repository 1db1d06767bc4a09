"""``monitor`` and ``plans``: what protects what is held, what is under way, and what is left over. They change nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby

from desk.core.events import ResyncRequested
from desk.core.orders import Role
from desk.engine.state import State
from desk.runtime.desk import Desk
from desk.surfaces import view
from desk.surfaces.calls import Caller, CommandResult
from desk.surfaces.plan_words import account_name
from desk.surfaces.shapes import LegView, OrderView, PlanView, PositionView
from desk.surfaces.sheet import Cell, Line, Page, Sheet
from desk.surfaces.show import DASH, age_text, price_text

__all__ = ["coverage_cell", "monitor", "plans"]

READ_WAIT_S = 10.0  # a full read of several accounts, behind the gateway's limits


async def monitor(desk: Desk, args: Sequence[str], caller: Caller) -> CommandResult:
    """Has every account read at the gateway, then compares positions with protective orders."""
    del args
    is_read = await _read_everything(desk, caller)
    held, orphans = view.view_positions(desk), _orphans(desk)
    running, waiting = view.view_plans(desk), view.view_waiting(desk)
    protected = sum(position.is_protected for position in held)
    page: list[Line | Sheet] = list(_coverage_sheets(desk, held)) or [Line("No open position.")]
    count = f"{len(held)} position{'' if len(held) == 1 else 's'} checked, {protected} protected"
    page.append(Line(count, "green" if protected == len(held) else "bold red"))
    page.append(_plan_sheet(desk, running) if running else Line("No plan is running."))
    if orphans:
        page.append(_orphan_sheet(desk, orphans))
    else:
        page.append(Line("No orphan: every protective order has its position."))
    if not is_read:
        text = "The gateway did not confirm this in time: it is what was last known. status shows what is wrong."
        page.append(Line(text, "yellow"))
    data = {
        "is_confirmed": is_read,
        "positions": held,
        "checked": len(held),
        "protected": protected,
        "plans": running,
        "waiting": waiting,
        "orphans": orphans,
    }
    return CommandResult(True, data, tuple(page))


async def _read_everything(desk: Desk, caller: Caller) -> bool:
    """Has the gateway read, or joins the reading that runs. False: not within the time, or there is no account yet."""
    asked_at: datetime | None = None
    if _agrees(desk.state):
        asked_at = desk.clock.now()
        desk.inbox.put(ResyncRequested(reason=f"monitor, asked for by {caller.by}", ts=asked_at))

    def is_read(state: State) -> bool:
        began_at = state.contact_changed_at
        has_begun = asked_at is None or (began_at is not None and began_at >= asked_at)
        return has_begun and _agrees(state)

    return await desk.until(is_read, READ_WAIT_S)


def _agrees(state: State) -> bool:
    return bool(state.accounts) and all(account.is_reconciled for account in state.accounts.values())


def _orphans(desk: Desk) -> tuple[OrderView, ...]:
    """Our protective orders at a place that is flat and where no entry is under way: filled, they would open something."""
    flat = {
        order.client_order_id
        for order in desk.state.orders.values()
        if order.role is not Role.ENTRY
        and (order.account_id, order.contract_id) not in desk.state.positions
        and not any(desk.state.entries_at((order.account_id, order.contract_id)))
    }
    return tuple(order for order in view.view_orders(desk) if order.is_ours and order.tag in flat)


def coverage_cell(position: PositionView) -> Cell:
    """``yes``, ``2 of 3`` where a part is naked, ``NO``; and what is too much."""
    if position.covered_qty > abs(position.qty):
        return Cell(f"{position.coverage}: TOO MUCH", "bold yellow")
    if position.is_protected:
        return Cell("yes", "green")
    return Cell(position.coverage if position.covered_qty else "NO", "bold white on red")


def _coverage_sheets(desk: Desk, held: Sequence[PositionView]) -> Iterator[Sheet]:
    for account, those in groupby(held, key=lambda position: position.account):
        rows = [
            (
                str(position.number),
                position.symbol,
                position.side,
                str(abs(position.qty)),
                position.coverage,
                coverage_cell(position),
                _leg_words(desk, position, "stop"),
                _leg_words(desk, position, "target"),
            )
            for position in those
        ]
        yield Sheet.of(">#,symbol,side,>qty,covered,protected,stop,target", rows, title=account)


def _leg_words(desk: Desk, position: PositionView, kind: str) -> str:
    contract = desk.catalogue.get(position.contract_id)

    def words(leg: LegView) -> str:
        state = "" if leg.state in {"working", "open"} else f" {leg.state}"
        return f"{leg.qty} at {price_text(leg.price, contract)}{state}"

    return ", ".join(words(leg) for leg in position.legs if leg.kind == kind) or DASH


def _orphan_sheet(desk: Desk, orphans: Sequence[OrderView]) -> Sheet:
    rows = [
        (
            str(order.gateway_order_id or order.tag),
            order.symbol,
            order.role,
            order.side,
            str(order.qty - order.filled_qty),
            price_text(order.stop_price or order.limit_price, desk.catalogue.get(order.contract_id)),
            order.state,
            order.account,
        )
        for order in orphans
    ]
    title = "Orphans: their position is gone. The desk cancels them once two reads agree; cancel ID does it now."
    return Sheet.of(">id,symbol,role,side,>qty,>price,state,account", rows, title=title)


async def plans(desk: Desk, args: Sequence[str], caller: Caller) -> CommandResult:
    """Everything that takes several steps: entries, exits, groups, break-even and trailing, emulated orders."""
    del args, caller
    running = view.view_plans(desk)
    page: Page = (_plan_sheet(desk, running),)
    return CommandResult(True, running, page)


def _plan_sheet(desk: Desk, running: Sequence[PlanView]) -> Sheet:
    rows = [
        (
            f"{plan.kind} {plan.step}" if plan.step else plan.kind,
            DASH if plan.symbol is None else plan.symbol,
            age_text(plan.age_ms),
            f"{account_name(desk, plan.account_id)}: {plan.words} (why {plan.cause})",
        )
        for plan in running
    ]
    return Sheet.of("plan,symbol,>since,what", rows, title="Running plans" if rows else "", empty="No plan runs.")
