"""When a lack of quotes means something: the exchange's hours, and the contracts that always trade in them. Pure.

The hours themselves are in :mod:`desk.core.sessions`; here is what asks for no product. Whoever acts on these must be able
to be wrong for a day: holidays are known as far as they are published.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

from desk.core.errors import UnknownSymbol
from desk.core.ids import ContractId
from desk.core.sessions import is_open, session_open, shut_spans
from desk.core.symbols import ROOTS, root_of_contract
from desk.market.spans import Span, Spans, missing

__all__ = ["cme_is_open", "cme_open_since", "contract_is_open", "is_liquid", "may_trade"]

_LIQUID_ROOTS = ("ES", "MES", "NQ", "MNQ", "YM", "MYM", "RTY", "M2K", "CL", "MCL", "GC", "MGC")
_LIQUID = frozenset(ROOTS[root].symbol_id for root in _LIQUID_ROOTS)


def cme_is_open(now: datetime) -> bool:
    """Whether any product trades: Sunday 17:00 to Friday 16:00 in Chicago, without the daily pause and full holidays."""
    return is_open(None, now)


def cme_open_since(now: datetime) -> datetime | None:
    """When the session began that is running at ``now``; None while the exchange is closed. UTC."""
    return session_open(None, now)


def contract_is_open(contract_id: ContractId, now: datetime) -> bool:
    """Whether its product trades, as far as that is known; of an unknown product: whether any does."""
    return is_open(_root(contract_id), now)


def may_trade(contract_id: ContractId, span: Span) -> Spans:
    """The span without the hours that surely are shut: weekends, and full holidays that were published."""
    return missing(span, shut_spans(_root(contract_id), *span))


@lru_cache(maxsize=512)
def _root(contract_id: ContractId) -> str | None:
    try:
        return root_of_contract(contract_id)
    except UnknownSymbol:
        return None


def is_liquid(contract_id: ContractId) -> bool:
    """Whether it is quoted many times a minute in any hour of the session; unknown products are not."""
    symbol_id = contract_id.removeprefix("CON.").rpartition(".")[0]  # grammar of reference 3.3
    return symbol_id in _LIQUID
