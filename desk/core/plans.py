"""The words of the plans: what is kept in the journal of anything that takes several steps.

How they advance is decided in ``desk/orders``. A plan is a value, never a coroutine that holds its place in memory.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

from desk.core.events import OutcomeKind
from desk.core.ids import AccountId, CauseId, ClientOrderId, ContractId, GatewayOrderId
from desk.core.intents import Care, Enter
from desk.core.orders import OrderRequest, StopTouch
from desk.core.words import Side

__all__ = [
    "AmendPlan",
    "AmendStep",
    "CarePlan",
    "EitherPlan",
    "EnterPlan",
    "EnterStep",
    "EntryEnd",
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
    "Ticket",
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


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """An entry as it goes out: its wire form, and what it carries into the order that is tracked."""

    order: OrderRequest
    max_position: int
    care: Care = Care()
    fresh_until: datetime | None = None
    expires_at: datetime | None = None
    trail_ticks: int | None = None


class EnterStep(StrEnum):
    SUBMITTED = "submitted"  # in flight
    SEARCHING = "searching"  # outcome unknown: the tag is being looked up
    WAITING = "waiting"  # between two searches, or before another try
    ACCEPTED = "accepted"  # the venue has it; waits for its fill or its end
    CANCELLING = "cancelling"  # it shall not fill any more: the cancel is in flight
    CONFIRMING = "confirming"  # the cancel was answered: the venue's own word on the order is awaited


class EntryEnd(StrEnum):
    """Why the desk itself ends an entry that has not filled."""

    EXPIRED = "its time is over"
    OTHER_FILLED = "the other one of its pair filled"
    OTHER_REFUSED = "the other one of its pair was refused"
    CLOSED = "the part of it that had filled was closed"
    STOPPING = "the desk stops"
    GIVEN_UP = "it had been given up, and arrived after all"
    ASKED = "it was asked for"


class EnterPlan(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """One entry from submission to its end: filled, cancelled, expired. ``misses`` counts the searches that found nothing."""

    plan_id: str
    cause: CauseId
    account_id: AccountId
    contract_id: ContractId
    entry: ClientOrderId
    step: EnterStep
    misses: int = 0
    missed_at: datetime | None = None  # the last search that counted as a miss
    failures: int = 0  # searches that failed: the gateway could not be asked
    ending: EntryEnd | None = None  # it is to be cancelled; where it is still in flight, as soon as it is known
    tries: int = 0  # cancels that did not end it, for the back-off
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
    cancelled_at: datetime | None = None  # when cancels were last sent
    gone: tuple[tuple[GatewayOrderId, datetime], ...] = ()  # whose cancel was answered "done" or "not there", and when
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
    """A trade group: one bracketed entry per stage, the later ones after the one before was accepted."""

    plan_id: str
    cause: CauseId
    account_id: AccountId
    contract_id: ContractId
    enter: Enter
    tickets: tuple[Ticket, ...]  # one per stage
    members: tuple[ClientOrderId, ...] = ()  # sent so far, in the order of the stages
    done: tuple[int, ...] = ()  # stages whose target filled, as they did
    held_back: str = ""  # why what was not sent yet stays at home; a person was told
    started_at: datetime

    @property
    def targets_done(self) -> int:
        return len(self.done)


class EitherPlan(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Two entries of which one may fill: the other goes."""

    plan_id: str
    cause: CauseId
    account_id: AccountId
    contract_id: ContractId
    tickets: tuple[Ticket, Ticket]
    is_second_sent: bool = False
    winner: ClientOrderId | None = None  # the one that filled first
    is_surplus: bool = False  # both filled: an exit of the place was asked for
    alone: str = ""  # why only one of them is left, or only one was sent; a person was told
    started_at: datetime

    @property
    def first(self) -> ClientOrderId:
        return self.tickets[0].order.client_order_id

    @property
    def second(self) -> ClientOrderId:
        return self.tickets[1].order.client_order_id


class ReversePlan(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An exit, and once it is verified flat the entry on the other side."""

    plan_id: str
    cause: CauseId
    account_id: AccountId
    contract_id: ContractId
    waits_for: str  # the exit plan
    enter: Enter
    flat_at: datetime | None = None  # flat since then: the entry waits a moment for a quote
    started_at: datetime


class AmendStep(StrEnum):
    SENDING = "sending"  # the modify or cancel is in flight
    CONFIRMING = "confirming"  # answered or lost: the venue's own word on the order is awaited
    WAITING = "waiting"  # surely not sent: a pause before another try


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
    tick_size: Decimal | None = None  # prices are compared in ticks; None: the contract is not known, exactly
    protects: Side | None = None  # of a protective stop: the order's side; its price only tightens
    touch: StopTouch | None = None  # what its stop is said to be moved by, once it is
    or_close: ExitReason | None = (
        None  # whoever wants this stop wants the position closed where the market is beyond it
    )
    is_goal_sent: bool = False  # the last write asked for the goal as it is now
    sends: int = 0  # writes for the goal as it is now
    refusals: int = 0
    delays: int = 0  # writes in a row that were surely not sent
    last: OutcomeKind | None = None  # the last answer; None: nobody knows, it may have been lost with a process
    settled_at: datetime | None = None  # when it came
    old_reads: int = 0  # reads since then that counted and still showed another value
    missing_reads: int = 0  # and that did not show the order at all
    failed_reads: int = 0
    counted_at: datetime | None = None  # when the last read that counted was asked for
    started_at: datetime


class CarePlan(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An entry's legs after its fill: exact prices, break-even, trailing. Advanced by prices, and only tightens."""

    plan_id: str
    cause: CauseId
    account_id: AccountId
    contract_id: ContractId
    entry: ClientOrderId  # or a protective stop that was placed by itself
    side: Side  # of the entry
    care: Care
    basis: Decimal  # the price from which ticks in favour are counted
    tick_size: Decimal
    stop_goal: Decimal | None = None  # the tightest price that was decided on, written down before its modify
    goal_by: StopTouch | None = None
    is_goal_due: bool = False  # decided on, to be sent as soon as the last move is old enough
    moved_at: datetime | None = None  # when the last move of the stop was sent
    target_goal: Decimal | None = None  # the exact target, until its leg works and is moved there, once
    is_exact: bool = False  # the exact stop was decided on, once
    is_at_break_even: bool = False
    is_trailing: bool = False  # the trail's trigger was reached
    peak: Decimal | None = None  # best price seen since then that moved the stop
    failures: int = 0  # moves in a row that the venue did not carry out
    blocked_until: datetime | None = None  # after a failure: no other move before
    unseen_since: datetime | None = None  # there is no quote at all since then
    is_blind: bool = False  # a person was told that there are no prices
    started_at: datetime


class ReduceStep(StrEnum):
    READING = "reading"  # the gateway's own word on position and orders
    RESIZING = "resizing"  # stops and targets get smaller, or a whole stage's go
    PLACING = "placing"  # a smaller stop is on its way, because a leg cannot be resized
    CLOSING = "closing"  # the partial close is in flight
    WAITING = "waiting"  # a pause before the next read


class ReducePlan(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A part of a position to be closed: its stops and targets first, then the contracts, until reads show what shall remain.

    ``qty`` 0: somebody else closed it, and only the stops and targets are to get smaller.
    """

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

    @property
    def is_trim(self) -> bool:
        return self.qty == 0

    @property
    def may_be_replaced(self) -> bool:
        """Nothing is lost when another plan goes on in its place: what it sent only made legs smaller."""
        return self.is_trim and self.stop is None


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
