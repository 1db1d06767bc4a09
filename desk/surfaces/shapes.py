"""The JSON shapes of the private API, stable from the first version on: fields are added, never renamed.

Numbers are exact; ``null`` is what nobody measured. ``view.py`` fills them.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import msgspec

from desk.core.ids import AccountId, ContractId

__all__ = ["AccountView", "ExitView", "LegView", "OrderView", "PlanView", "PositionView", "StateView", "WaitingView"]


class AccountView(msgspec.Struct, frozen=True, kw_only=True):
    account_id: AccountId
    name: str
    balance: Decimal
    can_trade: bool
    simulated: bool | None
    is_default: bool  # the default bot trades it
    is_reconciled: bool  # state and gateway agree; entries are denied until they do
    reconciled_age_ms: int | None


class LegView(msgspec.Struct, frozen=True, kw_only=True):
    """A protective order of a position. ``price`` is its stop or limit price, None while the venue has not told it."""

    kind: str  # stop | target
    price: Decimal | None
    qty: int
    state: str
    is_ours: bool
    gateway_order_id: int | None
    client_order_id: str | None


class PositionView(msgspec.Struct, frozen=True, kw_only=True):
    account_id: AccountId
    account: str
    contract_id: ContractId
    symbol: str
    side: str  # long | short
    qty: int  # signed
    avg_price: Decimal
    stop: LegView | None  # the one nearest to the market
    target: LegView | None
    legs: tuple[LegView, ...]
    is_protected: bool  # working stops for the whole position
    covered_qty: int  # contracts that working stops cover; more than is held would turn the position around
    number: int  # in a list by account and symbol
    unrealised_usd: Decimal | None  # before fees
    mark: Decimal | None
    mark_age_ms: int | None
    unrealised_note: str | None  # why there is none
    opened_at: datetime | None
    age_ms: int | None
    cause: str
    entry: str | None  # client_order_id

    @property
    def coverage(self) -> str:
        """``2 of 3`` contracts have a working stop."""
        return f"{self.covered_qty} of {abs(self.qty)}"

    def qty_of(self, kind: str) -> int:
        """Contracts that the legs of a kind are for."""
        return sum(leg.qty for leg in self.legs if leg.kind == kind)


class OrderView(msgspec.Struct, frozen=True, kw_only=True):
    account_id: AccountId
    account: str
    contract_id: ContractId
    symbol: str
    is_ours: bool
    role: str  # entry | stop | target | foreign
    side: str
    type: str
    qty: int
    filled_qty: int
    limit_price: Decimal | None
    stop_price: Decimal | None
    state: str
    gateway_order_id: int | None
    tag: str | None  # client_order_id of ours
    parent: str | None
    cause: str | None
    age_ms: int
    expires_at: datetime | None = None  # of an entry: it may rest until then


class WaitingView(msgspec.Struct, frozen=True, kw_only=True):
    """An emulated order: the desk sends it once the market trades at ``touch_price``; the venue knows nothing of it yet."""

    plan_id: str
    account_id: AccountId
    account: str
    contract_id: ContractId
    symbol: str
    side: str
    qty: int
    touch_price: Decimal | None
    type: str  # of the order that then goes out
    limit_price: Decimal | None
    words: str
    expires_at: datetime | None
    cause: str
    age_ms: int


class PlanView(msgspec.Struct, frozen=True, kw_only=True):
    plan_id: str
    kind: str
    account_id: AccountId
    contract_id: ContractId | None
    symbol: str | None
    step: str | None
    cause: str
    age_ms: int
    words: str  # how far it is


class ExitView(msgspec.Struct, frozen=True, kw_only=True):
    account_id: AccountId
    account: str
    contract_id: ContractId
    symbol: str
    qty: int  # signed, before the end
    reason: str
    cause: str
    ts: datetime
    age_ms: int


class StateView(msgspec.Struct, frozen=True, kw_only=True):
    mode: str
    ready: bool
    phase: str
    version: str
    ts: datetime
    started_at: datetime
    user_hub_is_up: bool
    held: int  # alerts that wait for a decision
    accounts: tuple[AccountView, ...]
    positions: tuple[PositionView, ...]
    orders: tuple[OrderView, ...]
    plans: tuple[PlanView, ...]
    waiting: tuple[WaitingView, ...]
    last_exits: tuple[ExitView, ...]
    troubles: dict[str, str]
