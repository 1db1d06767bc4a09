"""The reply envelopes of REST (reference 3.1): ``success``, ``errorCode``, ``errorMessage`` and at most one payload."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from desk.core.errors import ProtocolError
from desk.core.words import Contract
from desk.gateway.wire import (
    WireAccount,
    WireBar,
    WireContract,
    WireId,
    WireOrder,
    WirePosition,
    WireTrade,
    decode,
)

__all__ = ["Envelope", "parse_contracts", "proven"]

_T = TypeVar("_T")


class Envelope(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Every reply. Only ``success is True and errorCode == 0`` is a yes; HTTP 200 says nothing."""

    success: bool
    error_code: int
    error_message: str | None = None

    @property
    def is_ok(self) -> bool:
        return self.success and self.error_code == 0


class LoginReply(Envelope, frozen=True, rename="camel", kw_only=True):
    token: str | None = None


class ValidateReply(Envelope, frozen=True, rename="camel", kw_only=True):
    new_token: str | None = None  # null: keep the old one


class AccountsReply(Envelope, frozen=True, rename="camel", kw_only=True):
    accounts: list[WireAccount] | None = None


class ContractsReply(Envelope, frozen=True, rename="camel", kw_only=True):
    """Rows are decoded one by one: a contract that nobody can read must not take the others away."""

    contracts: list[msgspec.Raw] | None = None


class ContractReply(Envelope, frozen=True, rename="camel", kw_only=True):
    contract: WireContract | None = None


class BarsReply(Envelope, frozen=True, rename="camel", kw_only=True):
    bars: list[WireBar] | None = None


class BarColumnsReply(Envelope, frozen=True, rename="camel", kw_only=True):
    """The same as bytes: 20,000 rows are read elsewhere, in a thread."""

    bars: msgspec.Raw = msgspec.Raw(b"null")


class PlaceReply(Envelope, frozen=True, rename="camel", kw_only=True):
    order_id: WireId | None = None  # also there when the order was refused


class OrdersReply(Envelope, frozen=True, rename="camel", kw_only=True):
    orders: list[WireOrder] | None = None
    total_count: int | None = None  # v2/query only


class OrderReply(Envelope, frozen=True, rename="camel", kw_only=True):
    order: WireOrder | None = None


class PositionsReply(Envelope, frozen=True, rename="camel", kw_only=True):
    positions: list[WirePosition] | None = None


class TradesReply(Envelope, frozen=True, rename="camel", kw_only=True):
    trades: list[WireTrade] | None = None


def proven(rows: list[_T] | None, field: str) -> list[_T]:
    """The list, if there was one. Raises ProtocolError for null or absent.

    That proves nothing, only ``[]`` is empty.
    """
    if rows is None:
        raise ProtocolError(f"{field} is missing or null: nothing is proven")
    return rows


_contract_decoder = msgspec.json.Decoder(WireContract)


def parse_contracts(rows: list[msgspec.Raw]) -> tuple[list[Contract], list[ProtocolError]]:
    """The contracts that can be read, and why the others cannot (3.3). A symbol of theirs is unknown, never guessed."""
    contracts: list[Contract] = []
    skipped: list[ProtocolError] = []
    for row in rows:
        try:
            contracts.append(decode(row, _contract_decoder).to_core())
        except ProtocolError as exc:
            skipped.append(ProtocolError(f"contract row skipped: {exc}", exc.data))
    return contracts, skipped
