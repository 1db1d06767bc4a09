"""What one bot may do. Messages may only tighten it."""

from __future__ import annotations

from dataclasses import dataclass

from desk.core.ids import AccountId

__all__ = ["BotConfig"]


@dataclass(frozen=True, slots=True)
class BotConfig:
    """A named receiver.

    account_id: None until the gateway listed the accounts; its alerts are held until then.
    symbols: exchange roots it may open positions in. default_qty, max_position: contracts. max_alert_age_s: for entries.
    """

    name: str
    account_id: AccountId | None
    symbols: frozenset[str]
    default_qty: int
    max_position: int
    max_alert_age_s: float
    takes_delayed_data: bool = False  # paper only
