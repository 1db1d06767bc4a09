"""What a person calls things: contracts by their name, prices with the decimals of their tick. Plans know ids only; names and
ticks are the catalogue's, and what it does not list keeps its id."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from desk.core.ids import ContractId
from desk.core.records import Verdict
from desk.engine.draft import Context, named

__all__ = ["named", "named_verdict", "price_text"]


def named_verdict(verdict: Verdict, ctx: Context) -> Verdict:
    return msgspec.structs.replace(verdict, text=named(verdict.text, ctx))


def price_text(price: Decimal | None, contract_id: ContractId, ctx: Context) -> str:
    contract = ctx.contracts.get(contract_id)
    if contract is not None or price is None:
        return contract.price_text(price) if contract is not None else "none"
    return f"{price:f}"
