"""Facts that were decided. The journal holds these and nothing else; ``engine/apply.py`` folds them into the state.

``cause`` is the id of what made the record, so one search tells a whole story. A record is never changed once written;
a new meaning gets a new record type. Names and fields are the journal's format: keep them stable.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

from desk.core.events import AlertReceived
from desk.core.ids import AccountId, CauseId, ClientOrderId, ContractId
from desk.core.intents import Intent
from desk.core.orders import TrackedOrder
from desk.core.plans import ExitReason, Plan
from desk.core.words import Account, Fill, VenueOrder, VenuePosition

__all__ = [
    "AccountChanged",
    "AccountReconciled",
    "AlertDecided",
    "AlertJournalled",
    "BotsChanged",
    "CommandDecided",
    "DaemonStarted",
    "DaemonStopping",
    "ExitExplained",
    "FillRecorded",
    "ForeignOrderChanged",
    "HubRecorded",
    "IncidentRaised",
    "OrderChanged",
    "PlanChanged",
    "PlanEnded",
    "PositionChanged",
    "PositionClosed",
    "PositionNoted",
    "Record",
    "ResyncStarted",
    "Verdict",
    "VerdictKind",
    "WouldHaveSent",
]


class VerdictKind(StrEnum):
    """What became of an alert or a command at once; the rest of the story follows under its id."""

    ACCEPTED = "accepted"
    DENIED = "denied"
    DUPLICATE = "duplicate"
    IGNORED = "ignored"
    HELD = "held"
    WOULD_SEND = "would_send"  # shadow: decided and journalled, nothing sent


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    kind: VerdictKind
    reason: str = ""  # code of risk/reasons.py, empty when accepted
    text: str = ""  # for a person: cause and next step
    orders: tuple[ClientOrderId, ...] = ()
    plan_id: str | None = None
    of: CauseId | None = None  # duplicate: the first one's id
    warnings: tuple[str, ...] = ()


class DaemonStarted(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Nothing is reconciled from here on, until an AccountReconciled says so."""

    cause: CauseId
    mode: str
    version: str
    pid: int
    ts: datetime


class DaemonStopping(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    cause: CauseId
    reason: str
    ts: datetime


class AlertJournalled(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An alert and the decision about it, in one record and so in one transaction."""

    cause: CauseId
    alert: AlertReceived
    verdict: Verdict
    ts: datetime


class AlertDecided(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A held alert was decided after all."""

    cause: CauseId
    verdict: Verdict
    ts: datetime


class CommandDecided(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A person's command and the decision about it."""

    cause: CauseId
    account_id: AccountId
    contract_id: ContractId | None
    intent: Intent
    by: str
    verdict: Verdict
    ts: datetime


class BotsChanged(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """From here on the bots are configured differently. ``changes``: one line each, without secrets."""

    cause: CauseId
    changes: tuple[str, ...]
    by: str
    ts: datetime


class WouldHaveSent(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Shadow: the order or exit that would have left the house."""

    cause: CauseId
    account_id: AccountId
    text: str
    ts: datetime


class OrderChanged(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """One of our orders is now as given. The first one of an order is written before it is sent (state submitted)."""

    cause: CauseId
    order: TrackedOrder
    why: str  # submitted | accepted | rejected: ... | venue | read | unknown: ... | adopted | never arrived
    ts: datetime


class ForeignOrderChanged(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An order that is not ours: made by hand, by another tool, or by the gateway's own close."""

    cause: CauseId
    order: VenueOrder
    ts: datetime


class FillRecorded(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    cause: CauseId
    fill: Fill
    client_order_id: ClientOrderId | None  # None: not an order of ours
    ts: datetime


class PositionChanged(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The venue's position. ``cause`` is the alert or command whose entry opened it, where that is known."""

    cause: CauseId
    position: VenuePosition
    source: str  # hub | read
    ts: datetime


class PositionClosed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A position ended. Gross P&L from the closing fills seen, None when none was seen."""

    cause: CauseId
    account_id: AccountId
    contract_id: ContractId
    qty: int  # signed, before the end
    avg_price: Decimal
    reason: ExitReason
    ended_by: CauseId | None  # alert or command that asked for the exit
    ts: datetime


class PositionNoted(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A person was told of contracts that the desk did not open, once for each position.

    is_given_up: they cannot be protected either, and nobody tries again. theirs: at least so many are not ours although our
    entries would explain them, because the desk closed its own.
    """

    cause: CauseId
    account_id: AccountId
    contract_id: ContractId
    qty: int  # contracts that are not ours
    is_given_up: bool = False
    theirs: int = 0
    ts: datetime


class ExitExplained(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The reason of an end that was unknown became known."""

    cause: CauseId
    account_id: AccountId
    contract_id: ContractId
    reason: ExitReason
    ts: datetime


class AccountChanged(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    cause: CauseId
    account: Account
    ts: datetime


class PlanChanged(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A plan started or advanced; it now is as given."""

    cause: CauseId
    plan: Plan
    ts: datetime


class PlanEnded(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    cause: CauseId
    plan_id: str
    result: str
    ts: datetime


class AccountReconciled(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """State and gateway agree about this account from here on. ``differences`` were applied before this record."""

    cause: CauseId
    account_id: AccountId
    differences: tuple[str, ...]
    ts: datetime


class HubRecorded(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The user hub went up or was lost; after a loss no account counts as reconciled."""

    cause: CauseId
    is_up: bool
    reason: str
    ts: datetime


class ResyncStarted(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """No account counts as reconciled from here on."""

    cause: CauseId
    reason: str
    ts: datetime


class IncidentRaised(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Asks a person to look."""

    cause: CauseId
    kind: str
    text: str
    ts: datetime


Record = (
    DaemonStarted
    | DaemonStopping
    | AlertJournalled
    | AlertDecided
    | CommandDecided
    | BotsChanged
    | WouldHaveSent
    | OrderChanged
    | ForeignOrderChanged
    | FillRecorded
    | PositionChanged
    | PositionClosed
    | PositionNoted
    | ExitExplained
    | AccountChanged
    | PlanChanged
    | PlanEnded
    | AccountReconciled
    | HubRecorded
    | ResyncStarted
    | IncidentRaised
)
