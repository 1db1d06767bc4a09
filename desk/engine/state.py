"""Everything the desk knows, as one frozen value. Only ``apply`` makes the next one.

Persistent maps: a failed commit throws the batch's states away for nothing, surfaces read any state without a lock, and
folding the journal gives an equal value.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

import msgspec
from immutables import Map

from desk.core.events import AlertReceived
from desk.core.ids import AccountId, CauseId, ClientOrderId, ContractId, FillId, GatewayOrderId
from desk.core.orders import Role, TrackedOrder
from desk.core.plans import ExitPlan, ExitReason, FlattenPlan, Plan, ProtectPlan, ReducePlan
from desk.core.records import FillRecorded
from desk.core.words import Account, VenueOrder
from desk.engine.bots import NEW_BOT, BotState, symbol_key

__all__ = ["AccountState", "Held", "LastExit", "Place", "Position", "SeenAlert", "State", "contracts_in_play"]

Place = tuple[AccountId, ContractId]
"""Where trading happens: one account, one contract. Lanes, positions and exits are per place."""


class AccountState(msgspec.Struct, frozen=True, kw_only=True):
    account: Account
    reconciled_at: datetime | None = None  # None: state and gateway may disagree, entries are denied
    has_lost_track: bool = False  # timers and answers of its plans may be lost: they are resumed when it is reconciled
    brackets_refused_at: datetime | None = None  # "Position Brackets" (gateway reference 3.14), until an entry is taken

    @property
    def is_reconciled(self) -> bool:
        return self.reconciled_at is not None


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """A non-flat position. ``cause`` opened it where that is known."""

    account_id: AccountId
    contract_id: ContractId
    qty: int  # signed, never 0
    avg_price: Decimal
    opened_at: datetime | None
    cause: CauseId
    entry: ClientOrderId | None  # our entry behind it, filled or still under way; None: made by hand or by another tool
    updated_at: datetime
    flat_before: datetime | None = None  # when the place was last known flat: an older entry is not behind it
    noted_qty: int = 0  # contracts in it that are not ours, of which a person was told
    theirs_qty: int = 0  # at least so many are not ours: the desk closed its own
    is_given_up: bool = False  # those cannot be protected, and a person was told


class LastExit(msgspec.Struct, frozen=True, kw_only=True):
    """``cause`` opened the position that ended."""

    cause: CauseId
    reason: ExitReason
    qty: int
    ended_by: CauseId | None = None  # alert or command that asked for the exit
    ts: datetime


class SeenAlert(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered of an alert for duplicates, until ``until`` (a sender's own id for seven days, see apply.py)."""

    alert_id: CauseId
    body_sha256: str
    until: datetime | None
    ts: datetime


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """``number``: in the order of arrival, which neither a coarse clock nor an id within one millisecond tells. ``reason``: what
    it waited for when it came."""

    event: AlertReceived
    number: int
    reason: str


class State(msgspec.Struct, frozen=True, kw_only=True):
    mode: str = "paper"
    accounts: Map[AccountId, AccountState] = Map()
    orders: Map[ClientOrderId, TrackedOrder] = Map()
    tags_at: Map[Place, tuple[ClientOrderId, ...]] = Map()  # index of ``orders`` by place
    by_gateway_id: Map[GatewayOrderId, ClientOrderId] = Map()
    foreign_orders: Map[GatewayOrderId, VenueOrder] = Map()  # working only
    positions: Map[Place, Position] = Map()
    flat_since: Map[Place, datetime] = Map()  # when a place was last reported flat
    carried: Map[Place, tuple[tuple[ClientOrderId, int], ...]] = Map()  # see filled_since
    last_positions: Map[Place, Position] = Map()  # what a flat place held: a report of it again means it still does
    last_exits: Map[Place, LastExit] = Map()
    plans: Map[str, Plan] = Map()
    seen: Map[str, SeenAlert] = Map()  # by "<bot>|<dedupe key>"
    held: Map[CauseId, Held] = Map()
    bots: Map[str, BotState] = Map()  # by name, since the first message or command of each
    fills_seen: Map[FillId, datetime] = Map()
    last_fills: Map[Place, FillRecorded] = Map()  # newest fill of each place
    user_hub_is_up: bool = False
    contact_changed_at: datetime | None = None  # a read asked before this reconciles nothing
    is_stopping: bool = False
    last_event_at: datetime | None = None  # newest thing the gateway told us, for the overlap of the next full read
    started_at: datetime | None = None  # when this process took over
    tidied_at: datetime | None = None  # when what nothing refers to any more was last forgotten

    def is_reconciled(self, account_id: AccountId) -> bool:
        account = self.accounts.get(account_id)
        return account is not None and account.is_reconciled

    def bot(self, name: str) -> BotState:
        return self.bots.get(name, NEW_BOT)

    def waiting_beside(self, event: AlertReceived) -> tuple[AlertReceived, ...]:
        """Other messages of the same sender about the same symbol that came and are not decided, as they came."""
        if not self.held or event.alert is None:
            return ()
        key = symbol_key(event.alert)
        rows = [
            row
            for row in self.held.values()
            if row.event.bot == event.bot
            and row.event.cause != event.cause
            and row.event.alert is not None
            and symbol_key(row.event.alert) == key
        ]
        return tuple(row.event for row in sorted(rows, key=lambda held: held.number))

    def position_qty(self, place: Place) -> int:
        position = self.positions.get(place)
        return position.qty if position is not None else 0

    def remembered_at(self, place: Place) -> Iterator[TrackedOrder]:
        """Our orders of a place, the finished ones that are still remembered included, oldest first."""
        return (self.orders[tag] for tag in self.tags_at.get(place, ()))

    def orders_at(self, place: Place) -> Iterator[TrackedOrder]:
        """Our orders of a place that are not over."""
        return (order for order in self.remembered_at(place) if not order.state.is_over)

    def entries_at(self, place: Place) -> Iterator[TrackedOrder]:
        """Our entries of a place that are under way: not over, or surely not sent and to be tried again."""
        return (order for order in self.remembered_at(place) if order.role is Role.ENTRY and self.is_under_way(order))

    def is_under_way(self, order: TrackedOrder) -> bool:
        """Not over, or surely not sent and to be tried again."""
        return not order.state.is_over or f"enter:{order.client_order_id}" in self.plans

    def is_since(self, order: TrackedOrder, flat_at: datetime | None) -> bool:
        """Whether it has to do with what came after the place was flat: sent since then, or still under way at that moment."""
        return flat_at is None or order.submitted_at >= flat_at or self._carried(order) is not None

    def filled_since(self, order: TrackedOrder, flat_at: datetime | None) -> int:
        """Contracts that it filled after the place was flat. What an entry that was under way then, or its leg, had filled
        by that moment is of the position before."""
        if flat_at is None or order.submitted_at >= flat_at:
            return order.filled_qty
        before = self._carried(order)
        return 0 if before is None else order.filled_qty - before

    def _carried(self, order: TrackedOrder) -> int | None:
        place = (order.account_id, order.contract_id)
        carried = dict(self.carried.get(place, ()))
        if order.client_order_id in carried:
            return carried[order.client_order_id]
        return 0 if order.parent in carried else None

    def foreign_at(self, place: Place) -> Iterator[VenueOrder]:
        return (order for order in self.foreign_orders.values() if (order.account_id, order.contract_id) == place)

    def protective_stops(self, place: Place) -> Iterator[TrackedOrder]:
        return (order for order in self.orders_at(place) if order.role is Role.STOP)

    def exit_plan(self, place: Place) -> ExitPlan | None:
        for plan in self.plans.values():
            if isinstance(plan, ExitPlan) and (plan.account_id, plan.contract_id) == place:
                return plan
        return None

    def reduce_plan(self, place: Place) -> ReducePlan | None:
        for plan in self.plans.values():
            if isinstance(plan, ReducePlan) and (plan.account_id, plan.contract_id) == place:
                return plan
        return None

    def flatten_plan(self, account_id: AccountId) -> FlattenPlan | None:
        for plan in self.plans.values():
            if isinstance(plan, FlattenPlan) and plan.account_id == account_id:
                return plan
        return None

    def protect_plan(self, place: Place) -> ProtectPlan | None:
        for plan in self.plans.values():
            if isinstance(plan, ProtectPlan) and (plan.account_id, plan.contract_id) == place:
                return plan
        return None


PER_PLACE = 8  # three pairs of reads and the close, and one of them once more
NEW_ENTRY = 11  # itself, its two legs, and its place


def requests_to_flat(state: State) -> int:
    """How many requests all that is open may need until it is verified flat, the cancels of its orders included."""
    live = [(order.account_id, order.contract_id) for order in state.orders.values() if not order.state.is_over]
    return PER_PLACE * len({*state.positions, *live}) + len(live)


def is_at_stake(state: State, account_id: AccountId, contract_id: ContractId | None) -> bool:
    """Something may be open there (None: anywhere on the account), so its reads must not wait. Known to be flat, they can."""
    places = {(order.account_id, order.contract_id) for order in state.orders.values() if not order.state.is_over}
    places |= {(order.account_id, order.contract_id) for order in state.foreign_orders.values()}
    places |= set(state.positions)
    here = (account_id, contract_id)
    is_here = here in places if contract_id is not None else any(account == account_id for account, _ in places)
    return is_here or not state.is_reconciled(account_id)


def contracts_in_play(state: State, account_id: AccountId) -> set[ContractId]:
    """Contracts of an account that hold a position, a working order, an order that may live, or that a plan is about."""
    found = {contract for account, contract in state.positions if account == account_id}
    for plan in state.plans.values():
        if plan.account_id == account_id and not isinstance(plan, FlattenPlan):
            found.add(plan.contract_id)
    found |= {o.contract_id for o in state.orders.values() if o.account_id == account_id and not o.state.is_over}
    found |= {o.contract_id for o in state.foreign_orders.values() if o.account_id == account_id}
    return found
