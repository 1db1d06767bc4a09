"""What one bot may do. Messages may only tighten it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import time
from decimal import Decimal
from typing import Literal

from desk.alerts.terms import NO_TERMS, DialectTerms
from desk.core.alert import PositionSide
from desk.core.ids import AccountId

__all__ = ["BotConfig", "Sizing", "Window"]

BOTH_SIDES = frozenset({PositionSide.LONG, PositionSide.SHORT})


@dataclass(frozen=True, slots=True)
class Sizing:
    """How many contracts an entry has (TradingView reference 8 and 11).

    mode: ``as_sent`` the message's quantity, else the bot's default; ``fixed`` always the bot's default; ``factor`` the
    message's times ``value``; ``risk_usd`` as many as lose ``value`` USD at the stop. Rounded down; none left is refused.
    """

    mode: Literal["as_sent", "fixed", "factor", "risk_usd"] = "as_sent"
    value: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """When a bot may open: from ``start`` (inclusive) to ``end`` (exclusive) on ``days`` (Monday is 0), in ``zone``.

    An end before the start reaches into the next day. Exits know no window.
    """

    start: time
    end: time
    days: frozenset[int] = frozenset(range(7))
    zone: str = "America/Chicago"


@dataclass(frozen=True, slots=True)
class BotConfig:
    """A named receiver.

    account_id: None until the gateway listed the accounts; its alerts are held until then.
    symbols: exchange roots it may open positions in. default_qty, max_position: contracts. max_alert_age_s: for entries.
    sides: on which it may open. windows: none means always. cooldown_s: after an exit, until the next entry of that symbol.
    debounce_s: a repeated entry of one symbol and side within it is ignored while a position is held.
    bare_side: what a message that says only buy or sell means: refused, an entry (which turns a position round as
    ``opposite`` says), or the exit of an opposite position and nothing else. opposite, same: what is done where the message
    says nothing; None: what docs/alerts.md says. mode: whether position fields are the target, or the order's own
    quantity is traded. on_gap: what is done when a message was lost, doubled or came out of order (reference 7).
    reorder_ms: how long a message that does not fit the last one waits for the one in between.
    price_bound_pct: an entry whose price is further from the live price is refused. contract_policy: what is done when the
    message's ``contract`` is not the gateway's. entries_per_minute: beyond it entries are refused.
    heartbeat_s: how often a heartbeat is due in trading hours; None: not watched. others_symbols: roots that other bots of
    the same account trade; filled in at the start, and this bot's messages leave them alone.
    """

    name: str
    account_id: AccountId | None
    symbols: frozenset[str]
    default_qty: int
    max_position: int
    max_alert_age_s: float
    takes_delayed_data: bool = False  # paper only
    sizing: Sizing = field(default_factory=Sizing)
    sides: frozenset[PositionSide] = BOTH_SIDES
    windows: tuple[Window, ...] = ()
    cooldown_s: float = 0
    debounce_s: float = 0
    bare_side: Literal["refuse", "entry", "exit_opposite"] = "refuse"
    opposite: Literal["reverse", "close_only", "ignore", "reject"] | None = None
    same: Literal["ignore", "add", "reject"] | None = None
    mode: Literal["target", "difference"] = "target"
    on_gap: Literal["follow_target", "reduce_only", "halt_bot"] = "follow_target"
    reorder_ms: int = 250
    price_bound_pct: Decimal | None = None
    contract_policy: Literal["follow_gateway", "require_match", "reject"] = "follow_gateway"
    entries_per_minute: int | None = None
    heartbeat_s: float | None = None
    dialect: DialectTerms = NO_TERMS
    others_symbols: frozenset[str] = frozenset()
