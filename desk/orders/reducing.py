"""The permission to lessen exposure. Only this room makes one, checked against the position; risk never refuses it."""

from __future__ import annotations

from typing import Final

import msgspec

from desk.core.ids import AccountId, ContractId, GatewayOrderId

__all__ = ["CancelOrder", "ClosePosition", "Reducing", "cancel_order", "close_position"]

_SEAL: Final = object()


class CancelOrder(msgspec.Struct, frozen=True, kw_only=True):
    gateway_order_id: GatewayOrderId


class ClosePosition(msgspec.Struct, frozen=True, kw_only=True):
    """Whole position of the contract at market; the venue sizes it, so it cannot reverse (gateway reference 3.9)."""


class Reducing:
    """A cancel or a close that may be sent. Belongs to a plan, which gets the outcome."""

    __slots__ = ("account_id", "contract_id", "plan_id", "what")

    def __init__(
        self,
        seal: object,
        plan_id: str,
        account_id: AccountId,
        contract_id: ContractId,
        what: CancelOrder | ClosePosition,
    ) -> None:
        assert seal is _SEAL, "only desk/orders makes a Reducing: protection is decided in one place"
        self.plan_id = plan_id
        self.account_id = account_id
        self.contract_id = contract_id
        self.what = what

    def __repr__(self) -> str:
        return f"Reducing({self.plan_id}, {self.account_id}, {self.contract_id}, {self.what})"


def cancel_order(plan_id: str, account_id: AccountId, contract_id: ContractId, order_id: GatewayOrderId) -> Reducing:
    return Reducing(_SEAL, plan_id, account_id, contract_id, CancelOrder(gateway_order_id=order_id))


def close_position(plan_id: str, account_id: AccountId, contract_id: ContractId, qty: int) -> Reducing:
    """``qty``: the signed position as just read; closing nothing is a mistake of the plan."""
    assert qty != 0, "a close needs a position: the plan must have read one"
    return Reducing(_SEAL, plan_id, account_id, contract_id, ClosePosition())
