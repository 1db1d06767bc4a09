"""Points to dollars, by the gateway's contract record and by nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from fractions import Fraction

import msgspec

from desk.core.errors import DeskError
from desk.core.ids import ContractId
from desk.core.words import Contract
from desk.ledger.words import OpenTrade

__all__ = ["Contracts", "Mark", "UnknownContract", "as_decimal", "economics_of", "sum_of", "unrealised", "usd_of"]

Contracts = Mapping[ContractId, Contract]
_FINEST = Decimal("1E-10")  # of what no Decimal can hold, such as a third


class UnknownContract(DeskError):
    """The gateway gave no record of this contract, so nobody knows what its ticks are worth."""


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """A price at which a position could be valued, and how old it is. Whoever hands it in answers for both."""

    price: Decimal
    age_ms: int


def economics_of(contract_id: ContractId, contracts: Contracts) -> Contract:
    """Raises UnknownContract by name: there is no default."""
    contract = contracts.get(contract_id)
    if contract is None:
        raise UnknownContract(f"{contract_id} is not in the gateway's contract list: its tick value is not known")
    return contract


def usd_of(points: Fraction, contract: Contract) -> Fraction:
    """Dollars of a signed distance in points times contracts. Exact."""
    return points * Fraction(contract.tick_value) / Fraction(contract.tick_size)


def unrealised(trade: OpenTrade, mark: Mark, contracts: Contracts) -> Decimal:
    """Dollars that closing at the mark would realise, before fees. Raises UnknownContract."""
    contract = economics_of(trade.contract_id, contracts)
    distance = Fraction(mark.price) - Fraction(trade.avg_price)
    return as_decimal(usd_of(distance * trade.qty, contract))


def sum_of(amounts: Iterable[Decimal | None]) -> Decimal | None:
    """None as soon as one of them is not known."""
    total = Decimal(0)
    for amount in amounts:
        if amount is None:
            return None
        total += amount
    return total


def as_decimal(number: Fraction) -> Decimal:
    """Exact where ten decimals are enough, else rounded to them; never with zeros at the end."""
    with localcontext() as context:
        context.prec = 50
        value = (Decimal(number.numerator) / Decimal(number.denominator)).quantize(_FINEST, ROUND_HALF_EVEN)
    if value == value.to_integral_value():
        return value.quantize(Decimal(1))
    return value.normalize()
