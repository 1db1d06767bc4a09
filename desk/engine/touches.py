"""Emulated orders: what goes out once the market trades at a price."""

from __future__ import annotations

from desk.core.ids import AccountId, CauseId, ContractId
from desk.core.plans import TouchPlan
from desk.engine.draft import Draft


def end_touches(draft: Draft, account_id: AccountId, contract_id: ContractId | None, cause: CauseId, why: str) -> None:
    """What waits for its price at the contract, or anywhere on the account, is not sent any more."""


def on_price(draft: Draft, plan: TouchPlan) -> None:
    """The newest quote of the contract is in the context."""


def on_timer(draft: Draft, plan: TouchPlan) -> None:
    """It expired."""


def resume(draft: Draft, plan: TouchPlan) -> None:
    """After a start."""
