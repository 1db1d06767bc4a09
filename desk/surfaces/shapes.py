"""The JSON shapes of the private API, stable from the first version on: fields are added, never renamed.

Numbers are exact; ``null`` is what nobody measured. ``view.py`` fills them.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import msgspec

from desk.core.ids import AccountId, ContractId

__all__ = ["AccountView", "ExitView", "LegView", "OrderView", "PlanView", "PositionView", "StateView"]


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
    unrealised_usd: Decimal | None  # before fees
    mark: Decimal | None
    mark_age_ms: int | None
    unrealised_note: str | None  # why there is none
    opened_at: datetime | None
    age_ms: int | None
    cause: str
    entry: str | None  # client_order_id


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


class PlanView(msgspec.Struct, frozen=True, kw_only=True):
    plan_id: str
    kind: str
    account_id: AccountId
    contract_id: ContractId | None
    symbol: str | None
    step: str | None
    cause: str
    age_ms: int


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
    last_exits: tuple[ExitView, ...]
    troubles: dict[str, str]
