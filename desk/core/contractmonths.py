"""The contract months of a product, one after the other, and when trading usually moves from one to the next. Pure.

Ids are built by the grammar of reference 3.3, which is inferred: whoever uses one asks the gateway whether it exists. The
calendar here is the exchanges' habit and no promise; volume decides where it is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from desk.core.errors import UnknownSymbol
from desk.core.ids import ContractId
from desk.core.symbols import MONTHS, ROOTS, expiry_of_contract, root_of_contract

__all__ = ["ContractMonth", "contract_months", "month_of_contract"]

_GOLD = "GJMQZ"  # October is listed and hardly traded: the gateway goes from Q to Z (reference 3.3)
_TRADED: Mapping[str, str] = {"GC": _GOLD, "MGC": _GOLD}
_FX = frozenset({"6A", "6B", "6C", "6E", "6J", "6M", "6N", "6S"})
_RATES = frozenset({"ZT", "ZF", "ZN", "TN", "ZB", "UB"})
_METALS_AND_GRAINS = frozenset({"GC", "SI", "HG", "PL", "ZC", "ZW", "ZS", "ZM", "ZL", "LE"})
_ENERGY_DAY = {"CL": 19, "NG": 24, "RB": 24, "HO": 24}
_CRYPTO = frozenset({"MBT", "MET"})
_WEDNESDAY, _FRIDAY = 2, 4


@dataclass(frozen=True, slots=True)
class ContractMonth:
    """One contract of a product. ``rolls_on``: the first trading day on which the next month usually is the front one."""

    contract_id: ContractId
    root: str
    year: int
    month: int
    rolls_on: date

    @property
    def name(self) -> str:
        """``MNQZ26``."""
        return f"{self.root}{MONTHS[self.month - 1]}{self.year % 100:02d}"


def month_of_contract(contract_id: ContractId) -> ContractMonth:
    """Raises UnknownSymbol."""
    letter, year = expiry_of_contract(contract_id)
    return _month(root_of_contract(contract_id), year, MONTHS.index(letter) + 1)


def contract_months(root: str, start: date, end: date) -> tuple[ContractMonth, ...]:
    """Those that usually are the front month on any day in ``start <= day <= end``, oldest first.

    start, end: years 2001 to 2098. Raises UnknownSymbol for a root that is not in the table.
    """
    if root not in ROOTS:
        raise UnknownSymbol(f"{root[:20]!a} is not a root known here")
    letters = _TRADED.get(root, ROOTS[root].months)
    found, year, month = [], start.year - 1, 1
    while True:
        if MONTHS[month - 1] in letters:
            one = _month(root, year, month)
            if one.rolls_on > start:
                found.append(one)
            if one.rolls_on > end:
                return tuple(found)
        year, month = year + month // 12, month % 12 + 1


def _month(root: str, year: int, month: int) -> ContractMonth:
    contract_id = ContractId(f"CON.{ROOTS[root].symbol_id}.{MONTHS[month - 1]}{year % 100:02d}")
    return ContractMonth(contract_id, root, year, month, _rolls_on(ROOTS[root].family, year, month))


def _rolls_on(family: str, year: int, month: int) -> date:
    """Index: Monday before the third Friday. FX: Monday before the third Wednesday. Rates, metals, grains and cattle: a few
    days before the first notice at the end of the month before. Energy: about the last trading day, in the month before.
    """
    if family in _FX:
        return _third(_WEDNESDAY, year, month) - timedelta(days=2)
    if family in _RATES or family in _METALS_AND_GRAINS:
        return _month_before(year, month, 26)
    if family in _ENERGY_DAY:
        return _month_before(year, month, _ENERGY_DAY[family])
    if family in _CRYPTO:
        return date(year, month, 25)
    if family == "HE":
        return date(year, month, 8)
    return _third(_FRIDAY, year, month) - timedelta(days=4)


def _third(weekday: int, year: int, month: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 14)


def _month_before(year: int, month: int, day: int) -> date:
    return date(year - 1, 12, day) if month == 1 else date(year, month - 1, day)
