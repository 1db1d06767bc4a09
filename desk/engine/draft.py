"""One decision in the making: records are applied as they are written, so later thoughts of the same event see earlier ones."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from desk.bots import BotConfig
from desk.core.ids import AccountId, CauseId, ClientOrderId, ContractId
from desk.core.orders import Role, TrackedOrder
from desk.core.plans import ExitPlan, FlattenPlan, Plan, ProtectPlan, ReducePlan
from desk.core.records import IncidentRaised, PlanChanged, PlanEnded, Record, Verdict
from desk.core.words import Contract, Quote
from desk.engine.apply import apply
from desk.engine.config import SHOWN, ForeignPolicy
from desk.engine.effects import Effect, ReadAccount, Reduce, SearchTag, StartTimer, Submit, Tell
from desk.engine.state import Place, State, is_at_stake
from desk.orders import Move, PlaceView

__all__ = [
    "QUOTE_IS_FRESH",
    "Context",
    "Decision",
    "Draft",
    "entering_qty",
    "fresh_quote",
    "named",
    "unreported_fill",
    "view_of",
]

QUOTE_IS_FRESH = timedelta(seconds=2)  # an older one decides nothing (design: protection lives at the venue)
SWEEPS_LAST_S = (
    60.0  # so long legs of ours at a flat place are looked for, rarer and rarer; then the watch goes on alone
)
FULL_READ_OVERLAP = timedelta(minutes=5)  # no sequence numbers, no replay (gateway reference 5.5)


@dataclass(frozen=True, slots=True)
class Context:
    """What a decision may look at besides the state: configuration, the gateway's catalogue, the time. Not journalled."""

    now: datetime
    bots: Mapping[str, BotConfig]
    contracts: Mapping[ContractId, Contract]
    is_shadow: bool = False
    is_journal_ok: bool = True
    quote: Callable[[ContractId], Quote | None] = lambda _: None  # the newest one; its ts_recv tells its age
    atr: Callable[[ContractId], Decimal | None] = lambda _: (
        None
    )  # average true range in points; what is journalled is ticks
    atr_name: str = "ATR(14, 5m)"
    foreign: ForeignPolicy = SHOWN  # what is done about positions that the desk did not open
    in_flight: Collection[str] = (
        frozenset()
    )  # plans and client order ids whose writes this process has not answered yet
    requests_left: int | None = None  # that the limiter would let exits send at this moment; None: no limit


@dataclass(frozen=True, slots=True)
class Decision:
    """``state`` is the given state with ``records`` applied."""

    state: State
    records: tuple[Record, ...]
    effects: tuple[Effect, ...]
    verdict: Verdict | None = None


@dataclass(slots=True)
class Draft:
    state: State
    ctx: Context
    records: list[Record] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)

    @property
    def now(self) -> datetime:
        return self.ctx.now

    def record(self, record: Record) -> None:
        self.state = apply(self.state, record)
        self.records.append(record)

    def tell(self, cause: CauseId, kind: str, text: str) -> None:
        text = named(text, self.ctx)
        self.record(IncidentRaised(cause=cause, kind=kind, text=text, ts=self.now))
        self.effects.append(Tell(kind, text, cause))

    def finish(self, verdict: Verdict | None = None) -> Decision:
        """In shadow nothing leaves the house, whatever a plan of an earlier mode may want."""
        effects = [e for e in self.effects if not (self.ctx.is_shadow and isinstance(e, Submit | Reduce))]
        return Decision(self.state, tuple(self.records), tuple(effects), verdict)

    def read(self, account_id: AccountId, asked_by: str, contract_id: ContractId | None = None) -> None:
        """contract_id: where something would have to be open for this to be urgent; None: anywhere on the account."""
        is_urgent = is_at_stake(self.state, account_id, contract_id)
        self.effects.append(ReadAccount(account_id, asked_by, is_urgent=is_urgent))

    def read_fully(self, account_id: AccountId, asked_by: str = "reconcile") -> None:
        """Ask for what a reconciliation needs: everything since the oldest thing that may have changed unseen.

        Urgent where a plan waits for it that got out or protected before: its stop may be cancelled already.
        """
        open_since = [
            order.submitted_at
            for order in self.state.orders.values()
            if order.account_id == account_id and not order.state.is_over
        ]
        newest = self.state.last_event_at or self.now
        since = min([newest, self.now, *open_since]) - FULL_READ_OVERLAP
        is_urgent = asked_by in self.state.plans or self._awaits_resuming(account_id)
        self.effects.append(ReadAccount(account_id, asked_by, is_full=True, since=since, is_urgent=is_urgent))

    def _awaits_resuming(self, account_id: AccountId) -> bool:
        known = self.state.accounts.get(account_id)
        if known is None or not known.has_lost_track:
            return False
        kinds = ExitPlan | FlattenPlan | ProtectPlan | ReducePlan
        return any(isinstance(plan, kinds) for plan in self.state.plans.values() if plan.account_id == account_id)

    def follow(self, plan: Plan, move: Move) -> None:
        """Writes down what a plan's step decided and passes on what it asks for."""
        if move.incident is not None:
            self.tell(plan.cause, *move.incident)
        if move.plan is None:
            result = named(move.result, self.ctx)
            self.record(PlanEnded(cause=plan.cause, plan_id=plan.plan_id, result=result, ts=self.now))
        elif move.plan != self.state.plans.get(plan.plan_id):
            self.record(PlanChanged(cause=plan.cause, plan=move.plan, ts=self.now))
        self.effects += [Reduce(reducing) for reducing in move.reducings]
        if move.reads:
            contract_id = None if isinstance(plan, FlattenPlan) else plan.contract_id
            self.read(plan.account_id, plan.plan_id, contract_id)
        if move.timer is not None:
            self.effects.append(StartTimer(move.timer.key, move.timer.delay_s))

    def search(self, account_id: AccountId, client_order_id: ClientOrderId) -> None:
        order = self.state.orders[client_order_id]
        since = order.submitted_at - FULL_READ_OVERLAP
        self.effects.append(SearchTag(account_id, order.client_order_id, since))


def named(text: str, ctx: Context) -> str:
    """The text with the names of contracts where it has their ids: what a plan writes for a person knows no others."""
    for contract_id, contract in ctx.contracts.items():
        text = text.replace(contract_id, contract.name)
    return text


def view_of(state: State, place: Place) -> PlaceView:
    return PlaceView(
        account_id=place[0],
        contract_id=place[1],
        qty=state.position_qty(place),
        ours=tuple(state.orders_at(place)),
        foreign=tuple(state.foreign_at(place)),
    )


def fresh_quote(ctx: Context, contract_id: ContractId) -> Quote | None:
    """The newest quote, unless it is too old to decide on."""
    quote = ctx.quote(contract_id)
    return quote if quote is not None and ctx.now - quote.ts_recv < QUOTE_IS_FRESH else None


def entering_qty(state: State, place: Place) -> int:
    """Signed contracts that are on their way into the position: unfilled parts of entries under way, and fills whose position
    report is still to come."""
    qty = sum(order.side.sign * (order.qty - order.filled_qty) for order in state.entries_at(place))
    _, missing = unreported_fill(state, place)
    return qty + missing


def unreported_fill(state: State, place: Place) -> tuple[TrackedOrder | None, int]:
    """The newest entry that filled since the place was last known flat, and signed what is left of such fills, as long as
    no position was reported: its report is late or lost."""
    if place in state.positions:
        return None, 0
    since = state.flat_since.get(place)
    newest: TrackedOrder | None = None
    qty = 0
    for order in state.remembered_at(place):
        filled = state.filled_since(order, since)
        if filled and not _came_late(state, order, since):
            qty += order.side.sign * filled
            if order.role is Role.ENTRY and (newest is None or order.updated_at > newest.updated_at):
                newest = order
    return (newest, qty) if newest is not None and qty * newest.side.sign > 0 else (None, 0)


def _came_late(state: State, order: TrackedOrder, flat_at: datetime | None) -> bool:
    """An entry that was under way when the place was reported flat, as far as was known then: what it filled is of the time
    before, when another order's execution is the newest there."""
    if flat_at is None or order.submitted_at >= flat_at:
        return False
    last = state.last_fills.get((order.account_id, order.contract_id))
    newest = None if last is None or last.client_order_id is None else state.orders.get(last.client_order_id)
    return newest is not None and (newest.parent or newest.client_order_id) != (order.parent or order.client_order_id)
