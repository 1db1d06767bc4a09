"""The words of the plans: what is kept in the journal of anything that takes several steps.

How they advance is decided in ``desk/orders``. A plan is a value, never a coroutine that holds its place in memory.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from desk.core.ids import AccountId, CauseId, ClientOrderId, ContractId, GatewayOrderId

__all__ = [
    "EnterPlan",
    "EnterStep",
    "ExitPlan",
    "ExitReason",
    "ExitStep",
    "FlattenPlan",
    "Plan",
    "ProtectPlan",
]


class ExitReason(StrEnum):
    """Why a position ended."""

    STOP = "stop"
    TARGET = "target"
    ALERT = "alert"
    MANUAL = "manual"  # a person: console, API, or another tool
    UNPROTECTED = "unprotected"  # we closed it, because no protective stop was confirmed in time
    UNKNOWN = "unknown"


class EnterStep(StrEnum):
    SUBMITTED = "submitted"  # in flight
    SEARCHING = "searching"  # outcome unknown: the tag is being looked up
    WAITING = "waiting"  # between two searches, or before another try
    ACCEPTED = "accepted"  # the venue has it; waits for its fill or its end


class EnterPlan(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """One entry from submission to fill. ``misses`` counts the searches that found nothing."""

    plan_id: str
    cause: CauseId
    account_id: AccountId
    contract_id: ContractId
    entry: ClientOrderId
    step: EnterStep
    misses: int = 0
    missed_at: datetime | None = None  # the last search that counted as a miss
    failures: int = 0  # searches that failed: the gateway could not be asked
    started_at: datetime


class ExitStep(StrEnum):
    CANCELLING = (
        "cancelling"  # working orders of the contract go first: a leg that fills during a close reverses the position
    )
    READING = "reading"  # the gateway's own word on position and orders
    WAITING = "waiting"  # a pause before the next read
    CLOSING = "closing"  # the close is in flight


class ExitPlan(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Cancel legs, confirm, re-read, close, sweep until position and orders are empty in two reads (gateway reference 3.9)."""

    plan_id: str
    cause: CauseId
    account_id: AccountId
    contract_id: ContractId
    reason: ExitReason
    step: ExitStep
    cancelling: tuple[GatewayOrderId, ...] = ()
    closed_at: datetime | None = None  # when the last close was sent, and then when it was answered
    empty_reads: int = 0  # reads in a row that showed nothing
    full_reads: int = 0  # reads since the last close settled that still showed the position
    counted_at: datetime | None = None  # when the last read that counted was asked for
    tries: int = 0  # rounds that did not get on, for the back-off
    is_announced: bool = False  # a person was told that it does not get on
    started_at: datetime


class FlattenPlan(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Everything of one account: an exit for each contract that holds something, until a read shows nothing."""

    plan_id: str
    cause: CauseId
    account_id: AccountId
    reason: ExitReason
    waits_for: tuple[str, ...] = ()  # exit plans
    tries: int = 0
    started_at: datetime


class ProtectPlan(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A position of ours without a confirmed working stop: an incident with a deadline."""

    plan_id: str
    cause: CauseId
    account_id: AccountId
    contract_id: ContractId
    naked_reads: int = 0  # reads in a row that showed the position and no stop
    last_read_at: datetime | None = None  # when the last naked read was asked for
    is_announced: bool = False
    started_at: datetime


Plan = EnterPlan | ExitPlan | FlattenPlan | ProtectPlan
