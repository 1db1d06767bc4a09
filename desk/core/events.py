"""What happened. Everything that enters the engine is one of these, through one inbox.

``ts`` is when we saw it (aware UTC). Quotes are not events: the newest per contract is handed to ``decide``.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from desk.core.alert import Alert
from desk.core.ids import AccountId, CauseId, ClientOrderId, ContractId, GatewayOrderId
from desk.core.intents import Intent
from desk.core.words import Account, Fill, VenueOrder, VenuePosition

__all__ = [
    "AccountReported",
    "AlertReceived",
    "BotsReloaded",
    "Event",
    "FillReported",
    "FlattenRequested",
    "HubChanged",
    "IntentGiven",
    "OrderReported",
    "Outcome",
    "OutcomeKind",
    "PositionReported",
    "PriceMoved",
    "ReadFailed",
    "ReduceSettled",
    "ResyncRequested",
    "SnapshotRead",
    "Started",
    "Stopping",
    "SubmitSettled",
    "TagSearched",
    "TimerFired",
]


class AlertReceived(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """One message from a sender. ``alert`` is None when it could not be read; ``problem`` then says why."""

    cause: CauseId  # the alert_id
    bot: str
    alert: Alert | None
    problem: str | None
    raw: str  # secrets replaced
    body_sha256: str
    dedupe_key: str
    dedupe_window_s: int | None  # None: the key is the sender's own and is remembered longest
    source: str  # peer address
    ts: datetime


class FlattenRequested(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A person asked for flat: one contract, one account, or (both None) everything."""

    cause: CauseId
    account_id: AccountId | None
    contract_id: ContractId | None
    by: str  # console | api
    ts: datetime


class IntentGiven(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A person's command at one account; ``contract_id`` None: the intent says by itself what it is about."""

    cause: CauseId
    account_id: AccountId
    contract_id: ContractId | None
    intent: Intent
    by: str  # console | api
    ts: datetime


class BotsReloaded(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A person had the bots' configuration read again. ``changes``: one line each, without secrets."""

    cause: CauseId
    changes: tuple[str, ...]
    by: str  # console | api
    ts: datetime


class PriceMoved(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The price of a contract moved that a plan waits for. The price itself is in the context: conflated, newest only."""

    contract_id: ContractId
    ts: datetime


class OrderReported(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    order: VenueOrder
    ts: datetime


class PositionReported(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    position: VenuePosition
    ts: datetime


class FillReported(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    fill: Fill
    ts: datetime


class AccountReported(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    account: Account
    ts: datetime


class OutcomeKind(StrEnum):
    """What is known after a write. Three answers, and a fourth that is as good as never having asked."""

    DONE = "done"
    REFUSED = "refused"  # the gateway said no: final
    NOT_SENT = "not_sent"  # surely not processed: rate limit, no connection
    UNCLEAR = "unclear"  # may have landed


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    kind: OutcomeKind
    gateway_order_id: GatewayOrderId | None = None
    code: int | None = None
    text: str = ""


class SubmitSettled(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    client_order_id: ClientOrderId
    outcome: Outcome
    ts: datetime


class ReduceSettled(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A cancel or a close of a plan came back. ``gateway_order_id`` is None for a close."""

    plan_id: str
    gateway_order_id: GatewayOrderId | None
    outcome: Outcome
    ts: datetime


class SnapshotRead(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The gateway's own word on one account. ``is_full``: with the finished orders and fills since ``since``, for reconciling.

    Asked at ``asked_at``: what a hub reported after that is newer than this.
    """

    account_id: AccountId
    asked_by: tuple[str, ...]
    is_full: bool
    account: Account | None
    positions: tuple[VenuePosition, ...]
    working: tuple[VenueOrder, ...]
    finished: tuple[VenueOrder, ...]
    fills: tuple[Fill, ...]
    asked_at: datetime
    ts: datetime


class ReadFailed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A snapshot could not be read. Not the same as an empty one."""

    account_id: AccountId
    asked_by: tuple[str, ...]
    reason: str
    ts: datetime


class TagSearched(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Answer to the search for one of our orders by its tag. ``error`` None and ``order`` None: the gateway does not know it."""

    client_order_id: ClientOrderId
    order: VenueOrder | None
    error: str | None
    ts: datetime


class TimerFired(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    key: str
    ts: datetime


class HubChanged(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The user hub went up or down. After a loss nothing is known until snapshots were read again."""

    is_up: bool
    reason: str
    ts: datetime


class ResyncRequested(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Something was lost on our side (reports dropped, a commit failed): read everything again before the next entry."""

    reason: str
    ts: datetime


class Started(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A process took over the journal. Nothing is reconciled yet."""

    cause: CauseId
    mode: str
    version: str
    pid: int
    ts: datetime


class Stopping(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The program ends: no more entries."""

    reason: str
    ts: datetime


Event = (
    AlertReceived
    | FlattenRequested
    | IntentGiven
    | BotsReloaded
    | PriceMoved
    | OrderReported
    | PositionReported
    | FillReported
    | AccountReported
    | SubmitSettled
    | ReduceSettled
    | SnapshotRead
    | ReadFailed
    | TagSearched
    | TimerFired
    | HubChanged
    | ResyncRequested
    | Started
    | Stopping
)
