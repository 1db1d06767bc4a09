"""What must hold at every step (design.md 1), held against the exchange itself and not against what the desk believes.

An unprotected position is measured where it lasts: while the venue's own legs wake up, inside a journalled exit, under the
guard's deadline, unseen (the report was lost), unread (a read failed a moment ago), or while nobody could know (the process,
the hub or REST was down).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from desk.core.events import AlertReceived
from desk.core.ids import AccountId, ContractId
from desk.core.orders import OrderRequest, OrderState, Role, TrackedOrder
from desk.core.plans import (
    CarePlan,
    EitherPlan,
    EnterPlan,
    EnterStep,
    ExitStep,
    FlattenPlan,
    GroupPlan,
    Plan,
    ProtectPlan,
    ReducePlan,
    ReduceStep,
    TouchPlan,
)
from desk.core.records import (
    AlertDecided,
    AlertJournalled,
    CommandDecided,
    OrderChanged,
    PlanChanged,
    Record,
    Verdict,
    VerdictKind,
)
from desk.core.words import OrderStatus, OrderType, VenueOrder
from desk.engine import State
from desk.engine.snapshot import decode_state, encode_state
from desk.orders import ModifyOrder
from desk.sim.model import HalfTurn, Order, Position, UserEvent
from tests.world.times import ManualClock
from tests.world.venue import ACCOUNTS, Venue

MAX_POSITION = 3
LEGS_WAKE_S = 0.1
LIMITS_S = {"guard": 12.0, "unseen": 20.0, "unread": 120.0, "exit": 120.0, "reduce": 60.0}  # one stretch without a stop
READ_AGAIN_S = 17.0  # the watch comes by again after so long
DISAGREES_S = 60.0
PLAN_LASTS_S = 240.0
RESTS_S = 1_200.0  # the longest that anything of the sender or of the person may rest, and then some
ARRIVES_LATE = timedelta(seconds=2)  # an order that was looked for, twice, and given up
CANNOT_HELP = timedelta(seconds=5)  # what arrives after that and trades before the desk had so long to send a cancel
MEMORY = 5_000
WHOLE_EVERY = 200
_STOPS = {OrderType.STOP, OrderType.TRAILING_STOP}
Place = tuple[AccountId, ContractId]


@dataclass
class Stretch:
    """One stretch without a stop, and where it is now."""

    began: datetime
    counted: datetime
    where: str
    within: Counter[str] = field(default_factory=Counter)


class Laws:
    """Hears everything; says what broke."""

    def __init__(self, venue: Venue, clock: ManualClock, broke: Callable[[str], None]) -> None:
        self._venue = venue
        self._clock = clock
        self._broke = broke
        self.state: State | None = None  # None: no process lives
        self.has_contact = True  # REST answers
        self._acts_since: datetime | None = None  # a process lives, and REST answers it
        self.failed_at: Mapping[AccountId, datetime] = {}  # newest read that failed
        self.naked_s: Counter[str] = Counter()
        self.longest_s: Counter[str] = Counter()
        self.verdicts: Counter[str] = Counter()
        self.by_hand: set[Place] = set()  # somebody traded there on the platform: its legs may be orphans for a moment
        self.orphans_traded = 0
        self._naked: dict[Place, Stretch] = {}
        self._decisions: dict[tuple[str, str], datetime] = {}  # of a message, when last
        self._accepted: dict[str, None] = {}
        self._submitted: dict[str, TrackedOrder] = {}
        self._stops: dict[str, None] = {}  # placed by themselves
        self._taken_back: dict[int, datetime] = {}  # orders by number, and when their first cancel left
        self._paired: dict[str, None] = {}  # entries of which one may fill; both may, when a cancel was lost
        self._entered: dict[str, dict[str, int]] = {}  # contracts of the venue's entries, by cause and tag
        self._held: dict[str, None] = {}
        self._healthy_since: datetime | None = None
        self._moving_since: dict[str, datetime] = {}
        self._differs_since: dict[Place, datetime] = {}
        self._too_much_since: dict[Place, datetime] = {}
        self._states = 0

    # -- alerts and records --------------------------------------------------------------------------------------------

    def on_record(self, record: Record) -> None:
        match record:
            case AlertJournalled(alert=alert, verdict=verdict, ts=ts):
                self._decided(alert, verdict, ts)
            case AlertDecided(cause=cause, verdict=verdict):
                if cause not in self._held:
                    self._broke(f"a held alert is decided twice, or was never held: {record}")
                self._held.pop(cause, None)
                if verdict.kind is VerdictKind.ACCEPTED:
                    _keep(self._accepted, {cause: None})
            case CommandDecided(cause=cause, verdict=verdict):
                if verdict.kind is VerdictKind.ACCEPTED:
                    _keep(self._accepted, {cause: None})
            case OrderChanged(order=order) if order.state is OrderState.SUBMITTED and order.parent is None:
                _keep(self._submitted, {order.client_order_id: order})
            case PlanChanged(plan=EitherPlan() as plan):
                _keep(self._paired, {plan.first: None, plan.second: None})

    def _decided(self, alert: AlertReceived, verdict: Verdict, ts: datetime) -> None:
        self.verdicts[verdict.kind.value] += 1
        if verdict.kind is VerdictKind.ACCEPTED:
            _keep(self._accepted, {alert.cause: None})
        key = (alert.bot, alert.dedupe_key)
        if verdict.of is None:
            if key in self._decisions and _is_known(alert, self._decisions[key], ts):
                self._broke(f"one message is decided twice: {alert.dedupe_key}, now {verdict}")
            _keep(self._decisions, {key: ts})
        if verdict.kind is VerdictKind.HELD:
            self._held[alert.cause] = None

    def answered(self, event: AlertReceived) -> None:
        """The sender was told that its message is safe."""
        if (event.bot, event.dedupe_key) not in self._decisions:
            self._broke(f"an alert was answered and is not in the journal: {event}")

    # -- orders --------------------------------------------------------------------------------------------------------

    def on_asked(self, kind: str, account_id: AccountId, contract_id: ContractId | None, what: object) -> None:
        """A write leaves the house."""
        if kind == "place":
            assert isinstance(what, OrderRequest), "an entry is placed as an order request"
            order = self._submitted.get(what.client_order_id)
            if order is None or order.role is not Role.ENTRY or order.cause not in self._accepted:
                self._broke(f"an order that no journalled decision asked for: {what}")
            elif what.stop_ticks is None:
                self._broke(f"an entry without a stop: {what}")
        elif kind == "protect":
            assert isinstance(what, OrderRequest), "a protective stop is placed as an order request"
            known = self._submitted.get(what.client_order_id)
            if known is not None and known.role is not Role.STOP:
                self._broke(f"a protective stop under the name of an entry: {what}")
            _keep(self._stops, {what.client_order_id: None})  # protection outranks bookkeeping: the journal may be down
        elif kind == "cancel":
            assert isinstance(what, int), "a cancel names the venue's number"
            _keep(self._taken_back, {what: self._taken_back.get(what, self._clock.now())})
        elif kind == "modify":
            assert isinstance(what, ModifyOrder), "a modify tells what it changes"
            self._only_tightens(account_id, what)
        elif kind == "close" and self.state is not None and contract_id is not None:
            plan = self.state.exit_plan((account_id, contract_id))
            if plan is None or plan.step is not ExitStep.CLOSING:
                self._broke(f"a close outside an exit plan: {account_id} {contract_id} {plan}")
        elif kind == "close part" and self.state is not None and contract_id is not None:
            part = self.state.reduce_plan((account_id, contract_id))
            if part is None or part.step is not ReduceStep.CLOSING:
                self._broke(f"a partial close outside its plan: {account_id} {contract_id} {part}")

    def _only_tightens(self, account_id: AccountId, change: ModifyOrder) -> None:
        """No protective stop moves away from the market, whoever asks for it, and none gets larger."""
        order = self._venue.working[account_id].get(change.gateway_order_id)
        if order is None or order.type is not OrderType.STOP or self._is_entry(order):
            return
        new, old = change.stop_price, order.stop_price
        is_looser = new is not None and old is not None and (new - old) * order.side.sign > 0
        if is_looser or (change.qty is not None and change.qty > order.qty):
            self._broke(f"a protective stop is made looser or larger: {change} of {order}")

    def _reduce_plan(self, place: Place) -> ReducePlan | None:
        return self.state.reduce_plan(place) if self.state is not None else None

    def _is_reducing(self, place: Place) -> bool:
        """A part is being closed, and what shall remain has its stop."""
        plan = self._reduce_plan(place)
        if plan is None:
            return False
        qty = self._venue.qty(*place)
        stops = sum(
            order.qty - order.filled_qty
            for order in self._venue.working[place[0]].values()
            if order.contract_id == place[1] and order.type in _STOPS and order.side.sign * qty < 0
        )
        return stops >= min(abs(qty), abs(plan.keeps))

    def on_told(self, told: UserEvent) -> None:
        """Something happened at the exchange."""
        match told.row:
            case Order(custom_tag=str() as tag) as row if row.parent_id is None:
                if row.status.name != "REJECTED":
                    self._one_entry(tag, row)
            case Position() as row:
                place = (AccountId(row.account_id), ContractId(row.contract_id))
                if abs(row.net) > MAX_POSITION:
                    self._broke(f"the position is {row.net:+d}, at most {MAX_POSITION} are allowed: {row}")
                self.look_at(place)
            case HalfTurn() as row:
                self._traded(row)
        if isinstance(told.row, Order):
            self.look_at((AccountId(told.row.account_id), ContractId(told.row.contract_id)))

    def _one_entry(self, tag: str, row: Order) -> None:
        """No order of nobody, and never more contracts of one cause than it may hold: stages add up, a pair counts once."""
        if tag in self._stops:
            return
        order = self._submitted.get(tag)
        if order is None:
            self._broke(f"the venue has an order that nobody journalled: {tag}")
            return
        if order.role is not Role.ENTRY:
            return
        tags = self._entered.setdefault(order.cause, {})
        tags[tag] = row.size
        sizes = [size for one, size in tags.items() if one not in self._paired]
        if sum(sizes) > MAX_POSITION:
            self._broke(f"more entries than one alert asked for: {order.cause} {tags}")
        if len(self._entered) > MEMORY:
            del self._entered[next(iter(self._entered))]

    def loses_contact(self) -> None:
        """REST answers nobody."""
        self.has_contact, self._acts_since = False, None

    def has_contact_again(self) -> None:
        self.has_contact = True
        self._acts_since = self._clock.now() if self.state is not None else None

    def dies(self) -> None:
        """The process ended."""
        self.state = self._acts_since = None

    def _traded(self, row: HalfTurn) -> None:
        """Entries open, exits close, and never the other way round."""
        order = self._venue.exchange.books.orders[row.order_id]
        place = (AccountId(row.account_id), ContractId(row.contract_id))
        known = self._submitted.get(order.custom_tag or "")
        is_entry = known is not None and known.role is Role.ENTRY
        is_opening = row.profit is None
        if is_entry == is_opening:
            return
        is_known = order.custom_tag in self._paired or self._parent_is_paired(order)
        is_late = known is not None and order.created - known.submitted_at > ARRIVES_LATE
        is_too_soon = is_late and self._cannot_help(order.created, self._taken_back.get(order.id, self._clock.now()))
        if place in self.by_hand or is_known or is_too_soon or (not is_entry and self._is_replacing(place)):
            self.orphans_traded += 1
        else:
            self._broke(f"an {'entry closed' if is_entry else 'exit opened'} a position: {order}")

    def _cannot_help(self, since: datetime, acted_at: datetime) -> bool:
        """The desk acted in time, or had none; what passed without a process or without an answer of REST is none."""
        return self._acts_since is None or acted_at - max(since, self._acts_since) < CANNOT_HELP

    def _is_replacing(self, place: Place) -> bool:
        """A smaller stop works already beside the legs whose place it takes: for a moment they are too many."""
        plan = self._reduce_plan(place)
        return plan is not None and plan.replaces is not None

    def _parent_is_paired(self, order: Order) -> bool:
        return order.custom_tag is not None and order.custom_tag[:-3] in self._paired

    # -- positions -----------------------------------------------------------------------------------------------------

    def look_at(self, place: Place) -> None:
        """Counts the time since the last look, and sees whether the place has a stop now."""
        now = self._clock.now()
        stretch = self._naked.get(place)
        if stretch is not None:
            self._count(place, stretch, now)
        account_id, contract_id = place
        position = self._venue.positions[account_id].get(contract_id)
        qty = position.qty if position is not None else 0
        here = [order for order in self._venue.working[account_id].values() if order.contract_id == contract_id]
        if not qty and not here:
            self.by_hand.discard(place)
        stops = sum(
            order.qty - order.filled_qty
            for order in here
            if order.status is OrderStatus.OPEN
            and order.type in _STOPS
            and order.side.sign * qty < 0
            and not self._is_entry(order)
        )
        if stops >= abs(qty):
            self._naked.pop(place, None)
        elif stretch is None:
            self._naked[place] = Stretch(now, now, "waking")
            asyncio.get_running_loop().call_later(LEGS_WAKE_S, self.look_at, place)
        else:
            stretch.where = self._where(place, stretch, now)

    def _count(self, place: Place, stretch: Stretch, now: datetime) -> None:
        passed = (now - stretch.counted).total_seconds()
        where, stretch.counted = stretch.where, now
        self.naked_s[where] += passed  # type: ignore[assignment]
        stretch.within[where] += passed  # type: ignore[assignment]
        self.longest_s[where] = max(self.longest_s[where], stretch.within[where])
        if stretch.within[where] > LIMITS_S.get(where, float("inf")):
            self._broke(f"{place} has no stop since {stretch.began:%H:%M:%S}: {dict(stretch.within)}")

    def _where(self, place: Place, stretch: Stretch, now: datetime) -> str:
        state = self.state
        if state is None or not self.has_contact or not state.user_hub_is_up or not state.is_reconciled(place[0]):
            return "down"
        if state.exit_plan(place) is not None:
            return "exit"
        if self._is_reducing(place):
            return "reduce"
        failed_at = self.failed_at.get(place[0])
        if failed_at is not None and now - failed_at < timedelta(seconds=READ_AGAIN_S):
            return "unread"
        if any(isinstance(p, ProtectPlan) and (p.account_id, p.contract_id) == place for p in state.plans.values()):
            return "guard"
        return "waking" if (now - stretch.began).total_seconds() < LEGS_WAKE_S - 1e-3 else "unseen"

    # -- from time to time ---------------------------------------------------------------------------------------------

    def on_state(self, state: State, folded: State) -> None:
        """A batch was decided and committed."""
        self.state = state
        if self.has_contact and self._acts_since is None:
            self._acts_since = self._clock.now()
        self._states += 1
        is_whole = (
            self._states % WHOLE_EVERY == 0
        )  # the memory of messages and fills is large and compared now and then
        if not is_same(state, folded, is_whole):
            self._broke("the fold of the journal is not the live state")
        for place in list(self._naked):
            self.look_at(place)

    def look(self) -> None:
        """After each print: nothing lasts for ever, nothing differs for long."""
        now = self._clock.now()
        for place in list(self._naked):
            self.look_at(place)
        state = self.state
        is_healthy = (
            state is not None
            and self.has_contact
            and state.user_hub_is_up
            and all(state.is_reconciled(account_id) for account_id in ACCOUNTS)
        )
        if not is_healthy or state is None:
            self._healthy_since = None
            self._differs_since.clear()
            self._too_much_since.clear()
            self._moving_since.clear()
            return
        self._healthy_since = self._healthy_since or now
        self._advance(state, now)
        self._compare(state, now)

    def _advance(self, state: State, now: datetime) -> None:
        """What waits for the market may wait as long as anything rests; whatever else a plan waits for comes soon."""
        moving: dict[str, datetime] = {}
        for key, plan in state.plans.items():
            if not self._waits_for_the_market(state, plan):
                since = moving[key] = self._moving_since.get(key, now)
                is_stuck = now - since > timedelta(seconds=PLAN_LASTS_S)
            elif isinstance(plan, CarePlan | GroupPlan):
                continue  # as long as the position
            else:
                is_stuck = now - max(plan.started_at, self._healthy_since or now) > timedelta(seconds=RESTS_S)
            if is_stuck:
                self._broke(f"a plan goes on for ever: {plan}")
        self._moving_since = moving

    def _waits_for_the_market(self, state: State, plan: Plan) -> bool:
        match plan:
            case EnterPlan(step=EnterStep.ACCEPTED, entry=entry):
                order = state.orders.get(entry)
                return order is not None and order.type is not OrderType.MARKET
            case GroupPlan():
                return bool(plan.held_back) or len(plan.members) == len(plan.tickets)
            case EitherPlan():
                return plan.winner is None and (plan.is_second_sent or bool(plan.alone))
            case _:
                return isinstance(plan, CarePlan | TouchPlan)

    def _compare(self, state: State, now: datetime) -> None:
        for account_id in ACCOUNTS:
            for contract_id in self._venue.contracts:
                place = (account_id, contract_id)
                differs = state.position_qty(place) != self._venue.qty(*place) or self._has_orphans(place)
                if not differs:
                    self._differs_since.pop(place, None)
                elif now - self._differs_since.setdefault(place, now) > self._may_differ(account_id, now):
                    held, known = self._venue.qty(*place), state.position_qty(place)
                    self._broke(f"{place}: holds {held:+d} with {self._orders(place)}, the state says {known:+d}")

                if self._reduce_plan(place) is not None or not self._is_too_much(place):
                    self._too_much_since.pop(place, None)
                elif now - self._too_much_since.setdefault(place, now) > self._may_differ(account_id, now):
                    held = self._venue.qty(*place)
                    self._broke(f"{place}: its stops are more than the {held:+d} it holds: {self._orders(place)}")

    def _may_differ(self, account_id: AccountId, now: datetime) -> timedelta:
        """A report got lost, and then the reads that would tell fail one after the other: longer."""
        failed_at = self.failed_at.get(account_id)
        is_unread = failed_at is not None and now - failed_at < timedelta(seconds=READ_AGAIN_S)
        return timedelta(seconds=LIMITS_S["unread"] if is_unread else DISAGREES_S)

    def _is_too_much(self, place: Place) -> bool:
        """The stops over a position would open the other side. The legs of an entry that fills in parts may be larger."""
        qty = self._venue.qty(*place)
        here = [o for o in self._venue.working[place[0]].values() if o.contract_id == place[1]]
        if not qty or any(self._is_entry(order) and order.filled_qty for order in here):
            return False
        stops = [o for o in here if o.status is OrderStatus.OPEN and o.type in _STOPS and not self._is_entry(o)]
        return sum(o.qty - o.filled_qty for o in stops if o.side.sign * qty < 0) > abs(qty)

    def _orders(self, place: Place) -> list[object]:
        return [o for o in self._venue.working[place[0]].values() if o.contract_id == place[1]]

    def _has_orphans(self, place: Place) -> bool:
        if self._venue.qty(*place):
            return False
        return any(
            o.contract_id == place[1] and o.status is OrderStatus.OPEN and not self._is_entry(o)
            for o in self._venue.working[place[0]].values()
        )

    def _is_entry(self, order: VenueOrder) -> bool:
        known = self._submitted.get(order.tag or "")
        return known is not None and known.role is Role.ENTRY

    def quiet(self, folded: State) -> None:
        """Nothing happened for a while: protected or flat, no leftover, nothing waits, and the state knows the truth."""
        state = self.state
        if state is None:
            self._broke("no process lives although nothing kills it")
            return
        plans = [plan for plan in state.plans.values() if not self._waits_for_the_market(state, plan)]
        if plans or state.held:
            self._broke(f"not settled: plans {plans}, held {list(state.held)}")
        if self._held:
            self._broke(f"held alerts were never released: {list(self._held)[:3]}")
        for account_id in ACCOUNTS:
            for contract_id in self._venue.contracts:
                self._agrees(state, (account_id, contract_id))
        self._is_small(state)
        if not is_same(state, folded, is_whole=True) or decode_state(encode_state(state)) != state:
            self._broke("state, fold of the journal and snapshot differ")

    def _agrees(self, state: State, place: Place) -> None:
        qty, working = self._venue.qty(*place), self._orders(place)
        known = {order.gateway_order_id for order in (*state.orders_at(place), *state.foreign_at(place))}
        there = {order.gateway_order_id for order in self._venue.working[place[0]].values() if order in working}
        if state.position_qty(place) != qty or known != there:
            self._broke(f"{place}: holds {qty:+d} with {working}, the state has {state.position_qty(place):+d} {known}")
        entries = {order.tag for order in working if isinstance(order, VenueOrder) and self._is_entry(order)}
        legs = [
            o
            for o in working
            if isinstance(o, VenueOrder) and not self._is_entry(o) and (o.tag or "")[:-3] not in entries
        ]
        stops = sum(order.qty - order.filled_qty for order in legs if order.type in _STOPS)
        if bool(qty) != bool(legs) or place in self._naked or stops != abs(qty):
            self._broke(f"{place}: holds {qty:+d} with {working} once everything settled")

    def _is_small(self, state: State) -> None:
        sizes = {name: len(getattr(state, name)) for name in ("orders", "by_gateway_id", "tags_at", "foreign_orders")}
        too_many = {name: size for name, size in sizes.items() if size > 1_000}
        if too_many or any(isinstance(plan, FlattenPlan) for plan in state.plans.values()):
            self._broke(f"the state does not stay small: {sizes}")


def is_same(one: State, other: State, is_whole: bool) -> bool:
    """Equal; or, when not the whole is asked for, equal in everything that trading is decided on."""
    if is_whole:
        return one == other
    return all(getattr(one, name) == getattr(other, name) for name in ("accounts", "plans", "positions", "held"))


def _keep(memory: dict, more: dict) -> None:  # type: ignore[type-arg]
    """Adds, and forgets the oldest."""
    memory |= more
    while len(memory) > MEMORY:
        del memory[next(iter(memory))]


def _is_known(alert: AlertReceived, decided_at: datetime, now: datetime) -> bool:
    """A body without an id is a new message two minutes later (TradingView reference 7); an id is never forgotten here."""
    window_s = alert.dedupe_window_s
    return window_s is None or now - decided_at < timedelta(seconds=window_s)
