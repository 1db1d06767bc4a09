"""Sparse quote updates merged into one quote per contract (reference 5.3): absent is not zero.

Order rule: an update that is older than the merged quote, by the gateway's own time, never overwrites a value; it may
only fill one that is still missing. Equal times overwrite. The order is taken from one clock of the sender
(``lastUpdated``, always there), never from ``timestamp``, which some updates lack and which runs on another clock.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import msgspec

from desk.core.ids import ContractId
from desk.core.words import Quote

__all__ = ["QuoteBook", "QuoteUpdate"]


class QuoteUpdate(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The members one message carried; ``None``: it did not say."""

    contract_id: ContractId
    bid: Decimal | None = None
    ask: Decimal | None = None
    last: Decimal | None = None
    volume: int | None = None
    ts_event: datetime  # when it happened at the source
    ts_order: datetime  # the sender's clock, by which updates are ordered
    ts_recv: datetime


class QuoteBook:
    """Newest merged quote of every contract. Empty after a gap: a bid from before never meets an ask from after."""

    def __init__(self) -> None:
        self._quotes: dict[ContractId, Quote] = {}
        self._order: dict[ContractId, datetime] = {}

    def apply(self, update: QuoteUpdate) -> Quote:
        """Merge one update and return the contract's quote."""
        old = self._quotes.get(update.contract_id)
        if old is None:
            quote = Quote(
                contract_id=update.contract_id,
                bid=update.bid,
                ask=update.ask,
                last=update.last,
                volume=update.volume,
                ts_event=update.ts_event,
                ts_recv=update.ts_recv,
            )
        elif update.ts_order < self._order[update.contract_id]:
            return self._fill_missing(old, update)
        else:
            quote = Quote(
                contract_id=update.contract_id,
                bid=old.bid if update.bid is None else update.bid,
                ask=old.ask if update.ask is None else update.ask,
                last=old.last if update.last is None else update.last,
                volume=old.volume if update.volume is None else update.volume,
                ts_event=max(old.ts_event, update.ts_event),
                ts_recv=update.ts_recv,
            )
        self._quotes[update.contract_id] = quote
        self._order[update.contract_id] = update.ts_order
        return quote

    def get(self, contract_id: ContractId) -> Quote | None:
        return self._quotes.get(contract_id)

    def age_s(self, contract_id: ContractId, now: datetime) -> float | None:
        """Seconds since a current update of this contract arrived, on our clock; None: there was none."""
        quote = self._quotes.get(contract_id)
        return None if quote is None else max(0.0, (now - quote.ts_recv).total_seconds())

    def forget(self, contract_id: ContractId) -> None:
        """Nobody listens to this contract any more."""
        self._quotes.pop(contract_id, None)
        self._order.pop(contract_id, None)

    def clear(self) -> None:
        """The feed was lost: nothing is known."""
        self._quotes.clear()
        self._order.clear()

    def _fill_missing(self, old: Quote, late: QuoteUpdate) -> Quote:
        """A late update knows nothing newer; what nobody said yet is better late than never.

        Does not count as fresh data.
        """
        quote = msgspec.structs.replace(
            old,
            bid=late.bid if old.bid is None else old.bid,
            ask=late.ask if old.ask is None else old.ask,
            last=late.last if old.last is None else old.last,
            volume=late.volume if old.volume is None else old.volume,
        )
        self._quotes[late.contract_id] = quote
        return quote
