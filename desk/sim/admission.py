"""Whether an order may come in at all: the account, the contract, the hours, the tag, then shape, prices and size."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from desk.sim.books import Books
from desk.sim.brackets import bracket_refusal, tags_of
from desk.sim.model import Account, Contract, PlaceRequest, Quote
from desk.sim.rules import price_refusal, shape_refusal
from desk.sim.sessions import is_tradable
from desk.sim.words import MAX_POSITION, NO_LAST_PRICE, NO_MARGIN, NOT_TRADING, TAG_IN_USE, OrderType, Place, Side


@dataclass(frozen=True)
class FillRules:
    """How long things take, how generous the market is, and what the reference leaves open.

    lot: contracts one print fills of one order, None for all; the other switches are described in ``SimConfig``.
    """

    fill_delay: timedelta = timedelta(0)
    children_delay: timedelta = timedelta(0)
    slip_ticks: int = 0
    limit_fills: Literal["through", "touch"] = "through"
    hours: Literal["always", "exchange"] = "always"
    lot: int | None = None
    resize_legs: bool = True
    modify_suspended: bool = False
    margin_per_mini: Decimal | None = None

    def is_trading(self, contract: Contract, now: datetime) -> bool:
        """False while Topstep or the exchange is shut for it (reference 6.4)."""
        return self.hours == "always" or is_tradable(contract.group, now)


def place_refusal(
    request: PlaceRequest, account: Account, contract: Contract, quote: Quote | None, books: Books, rules: FillRules,
    now: datetime,
) -> tuple[Place, str | None]:  # fmt: skip
    """PlaceOrderErrorCode and text (reference 3.6, 3.13, 3.14). A shut market is code 2, not 5, as on the wire."""
    if account.follower:
        return Place.ACCOUNT_REJECTED, None
    if not contract.active:
        return Place.CONTRACT_NOT_ACTIVE, None
    if not account.can_trade:
        return Place.ACCOUNT_VIOLATION, None
    if any((account.id, tag) in books.tags for tag in tags_of(request)):
        return Place.REJECTED, TAG_IN_USE
    if not rules.is_trading(contract, now):
        return Place.REJECTED, NOT_TRADING
    if quote is None:
        return Place.REJECTED, NO_LAST_PRICE if request.type == OrderType.TRAILING_STOP else NOT_TRADING
    text = (
        shape_refusal(request)
        or price_refusal(request, contract, quote)
        or bracket_refusal(request, auto_oco=account.auto_oco)
    )
    if text is not None:
        return Place.REJECTED, text
    return size_refusal(account, contract, Side(request.side), request.size, books, rules)


def size_refusal(
    account: Account, contract: Contract, side: Side, size: int, books: Books, rules: FillRules
) -> tuple[Place, str | None]:
    """The account's limits, counted on the position this order alone would lead to; an exit is never refused.

    All products add up by absolute size (Topstep rules 5.1). The text for too many contracts is the simulator's own.
    """
    if account.max_minis is None and rules.margin_per_mini is None:
        return Place.SUCCESS, None
    held = books.net(account.id, contract.id)
    after = abs(held + side.sign * size)
    if after <= abs(held):
        return Place.SUCCESS, None
    minis = books.minis(account.id, except_for=contract.id) + after * contract.minis
    if account.max_minis is not None and minis > account.max_minis:
        return Place.REJECTED, MAX_POSITION
    if rules.margin_per_mini is not None and minis * rules.margin_per_mini > account.balance:
        return Place.INSUFFICIENT_FUNDS, NO_MARGIN
    return Place.SUCCESS, None
