"""When a lack of quotes means something: the exchange's week, and the contracts that always trade in it. Pure.

Not a calendar: holidays and early closes are unknown here, and a product's own hours are not looked at. Whoever acts on
these must be able to be wrong for a day.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from desk.core.ids import ContractId
from desk.core.symbols import ROOTS

__all__ = ["cme_is_open", "cme_open_since", "is_liquid"]

_CHICAGO = ZoneInfo("America/Chicago")
_CLOSE, _OPEN = time(16), time(17)
_FRIDAY, _SATURDAY, _SUNDAY = 4, 5, 6
_LIQUID_ROOTS = ("ES", "MES", "NQ", "MNQ", "YM", "MYM", "RTY", "M2K", "CL", "MCL", "GC", "MGC")
_LIQUID = frozenset(ROOTS[root].symbol_id for root in _LIQUID_ROOTS)


def cme_is_open(now: datetime) -> bool:
    """Sunday 17:00 to Friday 16:00 in Chicago, without the daily pause from 16:00 to 17:00 (reference 6.4). now: aware."""
    local = now.astimezone(_CHICAGO)
    day, at = local.weekday(), local.time()
    if day == _SATURDAY:
        return False
    if day == _SUNDAY:
        return at >= _OPEN
    if day == _FRIDAY:
        return at < _CLOSE
    return not _CLOSE <= at < _OPEN


def cme_open_since(now: datetime) -> datetime | None:
    """When the session began that is running at ``now``; None while the exchange is closed. UTC."""
    if not cme_is_open(now):
        return None
    local = now.astimezone(_CHICAGO)
    day = local.date() if local.time() >= _OPEN else local.date() - timedelta(days=1)
    return datetime.combine(day, _OPEN, _CHICAGO).astimezone(UTC)


def is_liquid(contract_id: ContractId) -> bool:
    """Whether it is quoted many times a minute in any hour of the session; unknown products are not."""
    symbol_id = contract_id.removeprefix("CON.").rpartition(".")[0]  # grammar of reference 3.3
    return symbol_id in _LIQUID
