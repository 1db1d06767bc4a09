"""The words of the plans: what is kept in the journal of anything that takes several steps.

How they advance is decided in ``desk/orders``. A plan is a value, never a coroutine that holds its place in memory.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

from desk.core.ids import AccountId, CauseId, ClientOrderId, ContractId, GatewayOrderId
from desk.core.intents import Care, Enter

__all__ = [
    "AmendPlan",
    "AmendStep",
    "CarePlan",
    "EitherPlan",
    "EnterPlan",
    "EnterStep",
    "ExitPlan",
    "ExitReason",
    "ExitStep",
    "FlattenPlan",
    "GroupPlan",
    "Plan",
    "ProtectPlan",
    "ReducePlan",
    "ReduceStep",
    "ReversePlan",
    "StopPlan",
    "StopStep",
    "TouchPlan",
]


class ExitReason(StrEnum):
    """Why a position ended."""

    STOP = "stop"
    TARGET = "target"
    TRAILING = "trailing"  # a stop that had been trailed
    BREAK_EVEN = "break_even"  # a stop that had been moved to break-even
    ALERT = "alert"
    MANUAL = "manual"  # a person: console, API, or another tool
    RULE = "rule"  # a rule of the desk or of the firm asked for it
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


class StopStep(StrEnum):
    SUBMITTED = "submitted"  # in flight
    SEARCHING = "searching"  # outcome unknown: the tag is being looked up
    WAITING = "waiting"  # between two searches


class StopPlan(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A protective stop that was placed by itself, until the venue has it or surely has not."""

    plan_id: str
    cause: CauseId
    account_id: AccountId
    contract_id: ContractId
    order: ClientOrderId
    step: StopStep
    misses: int = 0
    missed_at: datetime | None = None  # the last search that counted as a miss
    failures: int = 0  # searches that failed: the gateway could not be asked
    started_at: datetime


class ProtectPlan(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Contracts without a confirmed working stop: an incident with a deadline."""

    plan_id: str
    cause: CauseId
    account_id: AccountId
    contract_id: ContractId
    naked_reads: int = 0  # reads in a row that showed the position and too few stops
    last_read_at: datetime | None = None  # when the last naked read was asked for
    is_announced: bool = False
    is_foreign: bool = False  # not ours, protected by policy: never closed
    attempt: int = 1  # of the stop that is placed; rises after a final refusal only
    stop: ClientOrderId | None = None  # placed for the gap
    started_at: datetime


class TouchPlan(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An emulated order: goes out once the market trades at ``enter.touch_price``, as long as it has not expired."""

    plan_id: str
    cause: CauseId
    account_id: AccountId
    contract_id: ContractId
    enter: Enter
    is_above: bool  # the price lies above the market at the start: it is touched from below
    started_at: datetime


class GroupPlan(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A trade group: one bracketed entry per stage, the later ones after the first was accepted."""

    plan_id: str
    cause: CauseId
    account_id: AccountId
    contract_id: ContractId
    enter: Enter
    members: tuple[ClientOrderId, ...] = ()  # sent so far, in the order of the stages
    targets_done: int = 0  # stages whose target filled
    started_at: datetime


class EitherPlan(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Two entries of which one may fill: the other goes."""

    plan_id: str
    cause: CauseId
    account_id: AccountId
    contract_id: ContractId
    first: ClientOrderId
    second: ClientOrderId
    winner: ClientOrderId | None = None
    started_at: datetime


class ReversePlan(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An exit, and once it is verified flat the entry on the other side."""

    plan_id: str
    cause: CauseId
    account_id: AccountId
    contract_id: ContractId
    waits_for: str  # the exit plan
    enter: Enter
    started_at: datetime


class AmendStep(StrEnum):
    SENDING = "sending"  # the modify or cancel is in flight
    CONFIRMING = "confirming"  # answered or lost: the venue's own word on the order is awaited


class AmendPlan(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """One working order on its way to what it shall be. ``is_cancel``: gone. None: unchanged."""

    plan_id: str
    cause: CauseId
    account_id: AccountId
    contract_id: ContractId
    gateway_order_id: GatewayOrderId
    step: AmendStep
    qty: int | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    is_cancel: bool = False
    tries: int = 0
    settled_at: datetime | None = None  # when the last answer came
    started_at: datetime


class CarePlan(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An entry's legs after its fill: exact prices, break-even, trailing. Advanced by prices, and only tightens."""

    plan_id: str
    cause: CauseId
    account_id: AccountId
    contract_id: ContractId
    entry: ClientOrderId
    care: Care
    basis: Decimal  # the price from which ticks in favour are counted
    stop_goal: Decimal | None = None
    target_goal: Decimal | None = None
    peak: Decimal | None = None  # best price seen since trailing began
    is_at_break_even: bool = False
    started_at: datetime


class ReduceStep(StrEnum):
    READING = "reading"  # the gateway's own word on position and orders
    RESIZING = "resizing"  # stops and targets get smaller, or a whole stage's go
    PLACING = "placing"  # a smaller stop is on its way, because a leg cannot be resized
    CLOSING = "closing"  # the partial close is in flight
    WAITING = "waiting"  # a pause before the next read


class ReducePlan(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A part of a position to be closed: its stops and targets first, then the contracts, until reads show what shall remain."""

    plan_id: str
    cause: CauseId
    account_id: AccountId
    contract_id: ContractId
    qty: int  # contracts that were asked to be closed
    keeps: int  # signed position that shall remain; entries that fill meanwhile come on top
    entered: int = 0  # signed contracts that entries of ours had filled when it began
    reason: ExitReason
    step: ReduceStep
    seen_qty: int = 0  # signed position of the newest read
    seen_at: datetime | None = None  # when the first read that showed it was asked for
    resizing: tuple[GatewayOrderId, ...] = ()  # cancels and modifies whose answers are still to come
    modifying: tuple[GatewayOrderId, ...] = ()  # which of them are modifies
    resized_at: datetime | None = None  # when the last of them came
    cannot_resize: bool = False  # the venue refused another size of a leg
    stop: ClientOrderId | None = None  # stands in for the stop of ``replaces``
    attempt: int = 1  # of that stop; rises after a final refusal only
    replaces: ClientOrderId | None = None  # an entry: its legs go once the new stop works
    closed_at: datetime | None = None  # when the last close was sent, and then when it was answered
    full_reads: int = 0  # reads since the last close settled that still showed too much
    done_reads: int = 0  # reads in a row that showed what shall remain
    counted_at: datetime | None = None  # when the last read that counted was asked for
    tries: int = 0  # rounds that did not get on, for the back-off
    is_announced: bool = False  # a person was told that it does not get on
    started_at: datetime


Plan = (
    EnterPlan
    | ExitPlan
    | FlattenPlan
    | StopPlan
    | ProtectPlan
    | TouchPlan
    | GroupPlan
    | EitherPlan
    | ReversePlan
    | AmendPlan
    | CarePlan
    | ReducePlan
)
