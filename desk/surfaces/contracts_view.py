"""``contracts``: what the gateway lists, by group, with what a tick is worth and when trading usually moves on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from desk.core.contractmonths import month_of_contract
from desk.core.errors import UnknownSymbol
from desk.core.sessions import group_of
from desk.core.symbols import ROOTS, root_of_contract
from desk.core.words import Contract
from desk.runtime.desk import Desk
from desk.surfaces.calls import Caller, CommandResult
from desk.surfaces.sheet import Cell, Line, Page, Sheet
from desk.surfaces.show import DASH

__all__ = ["contracts"]

OTHERS = "others"
_GROUPS = ("index", "energy", "metals", "rates", "fx", "crypto", "grains", "livestock", OTHERS)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_FOOT = "~ the day on which the next month usually takes over: the exchange's habit, not said by the gateway."


@dataclass(frozen=True, slots=True)
class _Row:
    """A contract with what is known of it. Unknown products stand among the others, without month and group."""

    contract: Contract
    root: str | None
    group: str
    month: str | None
    rolls_on: date | None
    name: str

    @property
    def haystack(self) -> str:
        contract = self.contract
        parts = (contract.name, self.root or "", self.group, self.name, contract.description, contract.contract_id)
        return " ".join(parts).lower()


async def contracts(desk: Desk, args: Sequence[str], caller: Caller) -> CommandResult:
    """``contracts [text]``: all, or those in whose name, group or id every word occurs."""
    del caller
    if not desk.catalogue:
        return CommandResult(True, [], (Line("The gateway's contract list was not read yet. See status.", "dim"),))
    words = [word.lower() for word in args]
    rows = [_row(contract) for contract in desk.catalogue.values()]
    found = [row for row in rows if all(word in row.haystack for word in words)]
    if not found:
        groups = ", ".join(group for group in _GROUPS if any(row.group == group for row in rows))
        asked = " ".join(args)[:40]
        return CommandResult.failed(
            f"No contract has {asked!a} in its name. Groups: {groups}. Write contracts gold", []
        )
    sheets = [_sheet(group, [row for row in found if row.group == group]) for group in _GROUPS]
    page: Page = (*(sheet for sheet in sheets if sheet.rows), Line(_FOOT, "dim"))
    return CommandResult(True, [_data(row) for row in sorted(found, key=_order)], page)


def _row(contract: Contract) -> _Row:
    try:
        root = root_of_contract(contract.symbol_id)
    except UnknownSymbol:
        return _Row(contract, None, OTHERS, None, None, contract.description)
    try:
        known = month_of_contract(contract.contract_id)
    except UnknownSymbol:
        return _Row(contract, root, group_of(root), None, None, ROOTS[root].name)
    month = f"{_MONTHS[known.month - 1]} {known.year}"
    return _Row(contract, root, group_of(root), month, known.rolls_on, ROOTS[root].name)


def _order(row: _Row) -> tuple[int, bool, str]:
    return _GROUPS.index(row.group), not row.contract.is_active, row.contract.name


def _sheet(group: str, rows: Sequence[_Row]) -> Sheet:
    drawn = [
        (
            row.contract.name,
            f"{row.contract.tick_size.normalize():f}",
            f"{row.contract.tick_value.normalize():f}",
            row.month or DASH,
            DASH if row.rolls_on is None else f"~{row.rolls_on}",
            Cell("yes") if row.contract.is_active else Cell("no", "yellow"),
            row.name,
        )
        for row in sorted(rows, key=_order)
    ]
    return Sheet.of("symbol,>tick,>$/tick,month,rolls,active,name", drawn, title=group)


def _data(row: _Row) -> dict[str, object]:
    contract = row.contract
    return {
        "contract_id": contract.contract_id,
        "name": contract.name,
        "description": contract.description,
        "tick_size": contract.tick_size,
        "tick_value": contract.tick_value,
        "point_value": contract.point_value,
        "symbol_id": contract.symbol_id,
        "is_active": contract.is_active,
        "root": row.root,
        "group": row.group,
        "month": row.month,
        "rolls_on": row.rolls_on,
        "rolls_on_is_estimated": None if row.rolls_on is None else True,
    }
