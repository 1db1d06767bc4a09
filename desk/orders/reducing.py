"""The permission to lessen exposure or to protect. Only this room makes one, checked against the position or the order that it
changes; risk never refuses it.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

from desk.core.ids import AccountId, ContractId, GatewayOrderId
from desk.core.orders import OrderRequest
from desk.core.words import OrderType

__all__ = [
    "CancelOrder",
    "ClosePart",
    "ClosePosition",
    "ModifyOrder",
    "PlaceStop",
    "Reducing",
    "cancel_order",
    "close_part",
    "close_position",
    "modify_order",
    "place_stop",
]

_SEAL: Final = object()


class CancelOrder(msgspec.Struct, frozen=True, kw_only=True):
    gateway_order_id: GatewayOrderId


class ModifyOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A working order to other values; None: unchanged (gateway reference 3.8)."""

    gateway_order_id: GatewayOrderId
    qty: int | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None


class ClosePosition(msgspec.Struct, frozen=True, kw_only=True):
    """Whole position of the contract at market; the venue sizes it, so it cannot reverse (gateway reference 3.9)."""


class ClosePart(msgspec.Struct, frozen=True, kw_only=True):
    """``qty`` contracts of the position at market; the venue refuses more than is held (gateway reference 3.9)."""

    qty: int


class PlaceStop(msgspec.Struct, frozen=True, kw_only=True):
    """A protective stop by itself, where a position has none. Its outcome comes as that of an order with a tag."""

    order: OrderRequest


What = CancelOrder | ModifyOrder | ClosePosition | ClosePart | PlaceStop


class Reducing:
    """Something that may be sent without asking risk. Belongs to a plan, which gets the outcome."""

    __slots__ = ("account_id", "contract_id", "plan_id", "what")

    def __init__(self, seal: object, plan_id: str, account_id: AccountId, contract_id: ContractId, what: What) -> None:
        assert seal is _SEAL, "only desk/orders makes a Reducing: protection is decided in one place"
        self.plan_id = plan_id
        self.account_id = account_id
        self.contract_id = contract_id
        self.what = what

    def __repr__(self) -> str:
        return f"Reducing({self.plan_id}, {self.account_id}, {self.contract_id}, {self.what})"


def cancel_order(plan_id: str, account_id: AccountId, contract_id: ContractId, order_id: GatewayOrderId) -> Reducing:
    return Reducing(_SEAL, plan_id, account_id, contract_id, CancelOrder(gateway_order_id=order_id))


def modify_order(plan_id: str, account_id: AccountId, contract_id: ContractId, what: ModifyOrder) -> Reducing:
    """The caller checked that the change does not add risk: a stop tightens, a quantity gets smaller."""
    assert what.qty is None or what.qty > 0, "an order for nothing is a cancel"
    assert (what.qty, what.limit_price, what.stop_price) != (None, None, None), "a modify changes something"
    return Reducing(_SEAL, plan_id, account_id, contract_id, what)


def close_position(plan_id: str, account_id: AccountId, contract_id: ContractId, qty: int) -> Reducing:
    """``qty``: the signed position as just read; closing nothing is a mistake of the plan."""
    assert qty != 0, "a close needs a position: the plan must have read one"
    return Reducing(_SEAL, plan_id, account_id, contract_id, ClosePosition())


def close_part(plan_id: str, account_id: AccountId, contract_id: ContractId, held: int, qty: int) -> Reducing:
    """``held``: the signed position as just read. A part is less than all of it; all of it is a close."""
    assert 0 < qty < abs(held), "a partial close leaves something of what was read"
    return Reducing(_SEAL, plan_id, account_id, contract_id, ClosePart(qty=qty))


def place_stop(plan_id: str, order: OrderRequest, held: int) -> Reducing:
    """``held``: the signed position as just read; the stop is against it and at most as large."""
    assert order.type in {OrderType.STOP, OrderType.TRAILING_STOP}, "protection is a stop"
    assert order.side.sign * held < 0, "a protective stop is against the position"
    assert order.qty <= abs(held), "a protective stop never opens anything"
    assert (order.stop_ticks, order.target_ticks) == (None, None), "a protective stop has no bracket"
    return Reducing(_SEAL, plan_id, order.account_id, order.contract_id, PlaceStop(order=order))
