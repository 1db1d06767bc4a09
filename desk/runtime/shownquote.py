"""The price that is shown to a person: of the hub, or of the last bar while the hub says nothing. Never for orders."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from desk.core.errors import DeskError
from desk.core.ids import ContractId
from desk.core.timeframe import parse_timeframe
from desk.core.words import Quote
from desk.runtime.desk import Desk

__all__ = ["ShownQuote", "shown_quote"]

_MINUTE = parse_timeframe("1m")


@dataclass(frozen=True, slots=True)
class ShownQuote:
    """source: ``hub``, ``last bar`` (no bid and no ask, ``last`` is its close) or ``none``; age_s: since it came, or since the
    bar ended. problem: why there is nothing.
    """

    contract_id: ContractId
    source: str
    bid: Decimal | None = None
    ask: Decimal | None = None
    last: Decimal | None = None
    volume: int | None = None
    ts: datetime | None = None
    age_s: float | None = None
    problem: str | None = None


async def shown_quote(desk: Desk, contract_id: ContractId) -> ShownQuote:
    """The hub's newest merged quote, else the close of the newest minute that traded. Never raises for the gateway.

    Orders never look at this: they need a quote of the hub (``desk.quotes``).
    """
    quote = desk.quotes.quote(contract_id)
    if quote is not None:
        return _of_hub(quote, desk.clock.now())
    try:
        reply = await desk.history.bars(contract_id, _MINUTE, 1)
    except DeskError as problem:
        return ShownQuote(contract_id, "none", problem=str(problem))
    if not reply.bars:
        return ShownQuote(contract_id, "none", problem=reply.problem or "nothing traded")
    bar, now = reply.bars[-1], desk.clock.now()
    ends = min(bar.ts_open + _MINUTE.step, now)
    age_s = max(0.0, (now - ends).total_seconds())
    return ShownQuote(contract_id, "last bar", last=bar.close, ts=bar.ts_open, age_s=age_s, problem=reply.problem)


def _of_hub(quote: Quote, now: datetime) -> ShownQuote:
    return ShownQuote(
        quote.contract_id,
        "hub",
        bid=quote.bid,
        ask=quote.ask,
        last=quote.last,
        volume=quote.volume,
        ts=quote.ts_recv,
        age_s=max(0.0, (now - quote.ts_recv).total_seconds()),
    )
