"""The engine against the venue on a virtual clock: effects become venue calls, venue events become engine events, and
everything that may go wrong in between does. Seeded, no sockets. After every step the invariants are checked."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from desk.bots import BotConfig
from desk.core.alert import Action, Alert, Distance, StopSpec, TargetSpec, Unit
from desk.core.events import (
    AccountReported,
    AlertReceived,
    Event,
    FlattenRequested,
    HubChanged,
    IntentGiven,
    Outcome,
    OutcomeKind,
    PriceMoved,
    ReadFailed,
    ReduceSettled,
    ResyncRequested,
    SnapshotRead,
    Started,
    SubmitSettled,
    TagSearched,
    TimerFired,
)
from desk.core.ids import AccountId, CauseId, ContractId, new_cause_id
from desk.core.intents import Enter, Intent
from desk.core.orders import OrderRequest, OrderState, Role
from desk.core.plans import CarePlan, EitherPlan, EnterPlan, EnterStep, GroupPlan, TouchPlan
from desk.core.records import AlertJournalled, OrderChanged, PositionClosed, Record, Verdict, VerdictKind
from desk.core.words import Account, Contract, OrderStatus, OrderType, Quote, Side, VenueOrder
from desk.engine import Context, Effect, ReadAccount, Reduce, SearchTag, StartTimer, State, Submit, decide, fold
from desk.engine.snapshot import decode_state, encode_state
from desk.orders import CancelOrder, ClosePart, ModifyOrder, PlaceStop
from tests.engine.venue import Venue

NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)
MNQ = Contract(
    contract_id=ContractId("CON.F.US.MNQ.Z26"),
    name="MNQZ6",
    description="Micro E-mini Nasdaq-100",
    tick_size=Decimal("0.25"),
    tick_value=Decimal("0.5"),
    symbol_id="F.US.MNQ",
    is_active=True,
)
ACCOUNT = AccountId(1001)
OTHER = AccountId(2002)
PLACE = (ACCOUNT, MNQ.contract_id)
BOT = BotConfig(
    name="default",
    account_id=ACCOUNT,
    symbols=frozenset({"MNQ"}),
    default_qty=2,
    max_position=2,
    max_alert_age_s=15,
)


@dataclass
class Faults:
    """Chances, each 0 to 1, and delays in seconds."""

    lost_event: float = 0.0
    twice: float = 0.0
    shuffled: float = 0.0  # an event takes much longer than the one after it
    lost_reply: float = 0.0  # the write was carried out, nobody was told
    not_sent: float = 0.0
    failed_read: float = 0.0
    read_lag_s: float = 0.0
    slow_s: float = 0.05  # of a reply, at most
    is_limited_falsely: bool = False  # "not sent" is said although it was


def enter(side: str = "enter_long", **more: Any) -> Alert:
    stop = StopSpec(distance=Distance(unit=Unit.POINTS, value=Decimal(20)))
    target = TargetSpec(distance=Distance(unit=Unit.POINTS, value=Decimal(40)))
    return Alert(action=Action(side), symbol="CME_MINI:MNQ1!", stop=stop, targets=(target,), **more)


def opens(qty: int = 2, side: Side = Side.BUY, **more: Any) -> Enter:
    """An intent to open, as a command gives it."""
    return Enter(**{"side": side, "qty": qty, "stop_ticks": 80, "max_position": 4, **more})


def exit_() -> Alert:
    return Alert(action=Action.EXIT, symbol="CME_MINI:MNQ1!")


@dataclass
class World:
    seed: int = 0
    faults: Faults = field(default_factory=Faults)
    bot: BotConfig = BOT
    is_shadow: bool = False
    accounts: tuple[AccountId, ...] = (ACCOUNT,)
    has_contracts: bool = True
    is_journal_ok: bool = True
    is_checked: bool = True
    atr: Decimal | None = None  # points; None: not known
    most_beyond: int = 0  # contracts that may be held beyond the limit, for a moment

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        self.now = NOON
        self.venue = Venue(NOON)
        self.journal: list[Record] = []
        self.state = State()
        self.due: list[tuple[datetime, int, int, Callable[[], None]]] = []
        self.turn = 0
        self.life = 0  # of the process: what it waited for dies with it
        self.pending: Counter[str] = Counter()
        self.sent: list[Submit | Reduce] = []
        self.lane_free_at: dict[Any, datetime] = {}
        self.quote: Quote | None = None
        self.start()

    # -- life ------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        cause = self.new_cause()
        self.give(Started(cause=cause, mode="paper", version="0", pid=1, ts=self.now))
        for account_id in self.accounts:
            account = Account(account_id=account_id, name="PRACTICE", balance=Decimal(50000), can_trade=True)
            self.give(AccountReported(account=account, ts=self.now))
        self.hub(True)

    def kill(self) -> None:
        """The process is gone with its timers, questions and unread events; the journal is folded by the next one."""
        self.life += 1
        self.pending.clear()
        self.lane_free_at.clear()
        folded = fold(State(), self.journal)
        assert folded == self.state, "the fold of the journal is the live state"
        self.state = folded
        self.start()

    def hub(self, is_up: bool) -> None:
        self.give(HubChanged(is_up=is_up, reason="test", ts=self.now))

    def resync(self) -> None:
        self.give(ResyncRequested(reason="test", ts=self.now))

    # -- the sender ------------------------------------------------------------------------------------------------

    def alert(self, alert: Alert, key: str = "", body: str = "", window_s: int | None = 120) -> Verdict:
        cause = self.new_cause()
        event = AlertReceived(
            cause=cause,
            bot=self.bot.name,
            alert=alert,
            problem=None,
            raw="",
            body_sha256=body or cause,
            dedupe_key=key or cause,
            dedupe_window_s=window_s,
            source="127.0.0.1",
            ts=self.now,
        )
        verdict = self.give(event)
        assert verdict is not None, "an alert gets a verdict"
        return verdict

    def flatten(self, account_id: AccountId | None = ACCOUNT) -> Verdict:
        event = FlattenRequested(
            cause=self.new_cause(), account_id=account_id, contract_id=None, by="console", ts=self.now
        )
        verdict = self.give(event)
        assert verdict is not None, "a command gets a verdict"
        return verdict

    def command(self, intent: Intent, account_id: AccountId = ACCOUNT) -> Verdict:
        event = IntentGiven(
            cause=self.new_cause(), account_id=account_id, contract_id=MNQ.contract_id, intent=intent, by="console",
            ts=self.now,
        )  # fmt: skip
        verdict = self.give(event)
        assert verdict is not None, "a command gets a verdict"
        return verdict

    def price(self, last: Any, bid: Any = None, ask: Any = None) -> None:
        """The market is there now; nothing trades by that alone."""
        prices = [None if price is None else Decimal(price) for price in (last, bid, ask)]
        self.quote = Quote(
            contract_id=MNQ.contract_id,
            last=prices[0],
            bid=prices[1],
            ask=prices[2],
            ts_event=self.now,
            ts_recv=self.now,
        )
        self.give(PriceMoved(contract_id=MNQ.contract_id, ts=self.now))

    def resting(self) -> list[VenueOrder]:
        """Entries of ours that rest at the venue, oldest first."""
        ours = {order.client_order_id for order in self.entries()}
        return [o for o in self.venue.working(PLACE) if o.tag in ours and o.status is OrderStatus.OPEN]

    def new_cause(self) -> CauseId:
        return new_cause_id(self.now, self.dice.randbytes(10))

    # -- time ------------------------------------------------------------------------------------------------------

    def later(self, delay_s: float, what: Callable[[], None], *, is_ours: bool = False) -> None:
        self.turn += 1
        life = self.life if is_ours else -1
        heapq.heappush(self.due, (self.now + timedelta(seconds=delay_s), self.turn, life, what))

    def step(self) -> bool:
        """The next thing that is due; False when nothing is."""
        while self.due:
            at, _, life, what = heapq.heappop(self.due)
            if life in {-1, self.life}:
                self.now = max(self.now, at)
                self.venue.at(self.now)
                what()
                return True
        return False

    def run(self, seconds: float) -> None:
        until = self.now + timedelta(seconds=seconds)
        while self.due and self.due[0][0] <= until:
            self.step()
        self.now = until
        self.venue.at(until)

    # -- the engine ------------------------------------------------------------------------------------------------

    @property
    def context(self) -> Context:
        contracts = {MNQ.contract_id: MNQ} if self.has_contracts else {}
        return Context(
            now=self.now,
            bots={self.bot.name: self.bot},
            contracts=contracts,
            is_shadow=self.is_shadow,
            is_journal_ok=self.is_journal_ok,
            quote=lambda _: self.quote,
            atr=lambda _: self.atr,
        )

    def give(self, event: Event) -> Verdict | None:
        decision = decide(self.state, event, self.context)
        if self.is_checked:
            assert fold(self.state, decision.records) == decision.state
        self.state = decision.state
        self.journal += decision.records
        for effect in decision.effects:
            self._carry_out(effect)
        if self.is_checked:
            self.check()
        return decision.verdict

    def check(self) -> None:
        placed = Counter(order.client_order_id for order in self.venue.placed)
        assert max(placed.values(), default=0) <= 1, "one order per cause and leg"
        assert self.venue.most_held <= self.bot.max_position + self.most_beyond, "exposure stays within the limit"
        for account_id, account in self.state.accounts.items():
            is_asked = any(self.pending[key] for key in ("reconcile", f"reconcile:{account_id}", f"look:{account_id}"))
            assert account.is_reconciled or not self.state.user_hub_is_up or is_asked, "reconciling goes on"
            watch = account.reconciled_at and f"watch:{account_id}:{account.reconciled_at.isoformat()}"
            assert watch is None or self.pending[watch], "a reconciled account is watched"
        for pair in [plan for plan in self.state.plans.values() if isinstance(plan, EitherPlan)]:
            both = [self.state.orders[tag] for tag in (pair.first, pair.second) if tag in self.state.orders]
            is_surplus = len([order for order in both if order.filled_qty]) == 2
            assert not is_surplus or pair.is_surplus, "two fills of a pair are never left as they are"
        for plan in self.state.plans.values():
            is_waiting = self.pending[plan.plan_id] > 0 or getattr(plan, "waits_for", ())
            is_accepted = isinstance(plan, EnterPlan) and plan.step is EnterStep.ACCEPTED
            is_accepted = is_accepted or self._follows_orders(plan)
            is_resumed_later = not self.state.is_reconciled(plan.account_id)
            assert is_waiting or is_accepted or is_resumed_later, f"nothing is pending for {plan}"

    def check_quiet(self) -> None:
        """Once everything has settled: protected or flat, no leftover, and the state knows the truth."""
        assert decode_state(encode_state(self.state)) == self.state
        resting = {order.tag for order in self.resting()}
        endless = [plan for plan in self.state.plans.values() if not self._may_stay(plan, resting)]
        assert not endless, f"plans go on for ever: {endless}"
        assert not self.state.held
        for account_id in self.accounts:
            place = (account_id, MNQ.contract_id)
            qty, working = self.venue.qty(place), self.venue.working(place)
            sleeping = [o for o in working if o.status is OrderStatus.SUSPENDED]
            awake = [o for o in working if o.tag not in resting and o not in sleeping]
            stops = sum(o.qty for o in awake if o.type is OrderType.STOP and o.side.sign * qty < 0)
            assert stops >= abs(qty) if qty else not awake, f"holds {qty} with {awake}"
            assert all((o.tag or "")[:-3] in resting for o in sleeping), f"sleeping legs of nothing: {sleeping}"
            assert self.state.position_qty(place) == qty
            mine = {o.gateway_order_id for o in self.state.orders_at(place)}
            assert mine == {o.gateway_order_id for o in working}, "the state shows the venue's working orders"

    def _follows_orders(self, plan: Any) -> bool:
        """A plan that goes on with what becomes of its orders, or with the market."""
        tags = plan.members if isinstance(plan, GroupPlan) else ()
        tags = (plan.first, plan.second) if isinstance(plan, EitherPlan) else tags
        orders = [self.state.orders[tag] for tag in tags if tag in self.state.orders]
        orders += [o for o in self.state.orders.values() if o.parent in tags]
        is_alive = any(self.state.is_under_way(order) for order in orders)
        has_filled = isinstance(plan, GroupPlan) and any(order.filled_qty for order in orders)  # the watch reads for it
        return is_alive or has_filled or isinstance(plan, TouchPlan | CarePlan)

    def _may_stay(self, plan: Any, resting: set[Any]) -> bool:
        if isinstance(plan, EnterPlan):
            return plan.entry in resting and plan.step is EnterStep.ACCEPTED
        if isinstance(plan, EitherPlan):
            return plan.first in resting or plan.second in resting
        if isinstance(plan, GroupPlan):
            return bool(resting & set(plan.members)) or PLACE in self.state.positions
        if isinstance(plan, CarePlan):
            return PLACE in self.state.positions
        return isinstance(plan, TouchPlan)

    def closed(self) -> list[PositionClosed]:
        return [record for record in self.journal if isinstance(record, PositionClosed)]

    def entries(self) -> list[Any]:
        return [o for o in self.venue.placed if o.stop_ticks is not None]

    # -- effects ---------------------------------------------------------------------------------------------------

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case Submit() | Reduce():
                self.sent.append(effect)
                self._write(effect)
            case ReadAccount():
                self._read(effect)
            case SearchTag():
                is_stop = self.state.orders[effect.client_order_id].role is Role.STOP
                key = f"{'stop' if is_stop else 'enter'}:{effect.client_order_id}"
                self._expect(key, self._delay(), lambda: self._search(effect))
            case StartTimer(key, delay_s):
                self._expect(key, delay_s, lambda: TimerFired(key=key, ts=self.now))

    def _expect(self, key: str, delay_s: float, answer: Callable[[], Event]) -> None:
        self.pending[key] += 1

        def come() -> None:
            event = answer()
            self.pending[key] -= 1
            self.give(event)

        self.later(delay_s, come, is_ours=True)

    def _pend(self, key: str, delay_s: float) -> None:
        """Somebody else is answered, too, by what then comes."""
        self.pending[key] += 1
        self.later(delay_s, lambda: self.pending.subtract([key]), is_ours=True)

    def _delay(self) -> float:
        return self.dice.uniform(0.001, self.faults.slow_s)

    def _chance(self, chance: float) -> bool:
        return self.dice.random() < chance

    def _write(self, effect: Submit | Reduce) -> None:
        """One lane per place: the next write leaves when the last was answered."""
        thing = effect.approved.order if isinstance(effect, Submit) else effect.reducing
        place = (thing.account_id, thing.contract_id)
        key = f"enter:{thing.client_order_id}" if isinstance(effect, Submit) else effect.reducing.plan_id
        leaves = max(self.now, self.lane_free_at.get(place, self.now)) + timedelta(seconds=self._delay())
        arrives = leaves + timedelta(seconds=self._delay())
        if isinstance(effect, Submit):
            self.lane_free_at[place] = arrives
        if isinstance(effect, Reduce) and isinstance(effect.reducing.what, PlaceStop):
            self._pend(f"stop:{effect.reducing.what.order.client_order_id}", (arrives - self.now).total_seconds())
        answer: list[Event] = []
        self.later((leaves - self.now).total_seconds(), lambda: answer.append(self._reach(effect)), is_ours=True)
        self._expect(key, (arrives - self.now).total_seconds(), lambda: answer[0])

    def _reach(self, effect: Submit | Reduce) -> Event:
        """The write is at the venue."""
        if self._chance(self.faults.not_sent):
            if self.faults.is_limited_falsely:
                self._execute(effect)
            outcome = Outcome(kind=OutcomeKind.NOT_SENT, text="HTTP 429")
        else:
            outcome = self._execute(effect)
            if self._chance(self.faults.lost_reply):
                outcome = Outcome(kind=OutcomeKind.UNCLEAR, text="timeout")
        if isinstance(effect, Submit):
            return SubmitSettled(client_order_id=effect.approved.order.client_order_id, outcome=outcome, ts=self.now)
        what = effect.reducing.what
        if isinstance(what, PlaceStop):
            return SubmitSettled(client_order_id=what.order.client_order_id, outcome=outcome, ts=self.now)
        order_id = what.gateway_order_id if isinstance(what, CancelOrder | ModifyOrder) else None
        return ReduceSettled(plan_id=effect.reducing.plan_id, gateway_order_id=order_id, outcome=outcome, ts=self.now)

    def _execute(self, effect: Submit | Reduce) -> Outcome:
        done = Outcome(kind=OutcomeKind.DONE)
        what = effect.approved.order if isinstance(effect, Submit) else effect.reducing.what
        outcome = done
        match what:
            case OrderRequest() | PlaceStop():
                order_id, refused = self.venue.place(what.order if isinstance(what, PlaceStop) else what)
                outcome = Outcome(kind=OutcomeKind.DONE, gateway_order_id=order_id)
                if refused:
                    outcome = Outcome(kind=OutcomeKind.REFUSED, code=2, text=refused)
            case CancelOrder(gateway_order_id=order_id):
                outcome = done if self.venue.cancel(order_id) else Outcome(kind=OutcomeKind.REFUSED, code=5)
            case ModifyOrder(gateway_order_id=order_id, qty=qty):
                is_done = self.venue.modify(order_id, qty, what.limit_price, what.stop_price)
                outcome = done if is_done else Outcome(kind=OutcomeKind.REFUSED, code=3)
            case _:
                assert isinstance(effect, Reduce), "a close is a reducing"
                place = (effect.reducing.account_id, effect.reducing.contract_id)
                code = self.venue.close(place, what.qty if isinstance(what, ClosePart) else None)
                outcome = done if not code else Outcome(kind=OutcomeKind.REFUSED, code=code)
        self.publish()
        for order_id in self.venue.due():
            self.later(self._delay(), lambda order_id=order_id: self.trade(order_id))
        return outcome

    def trade(self, order_id: Any, qty: int | None = None) -> None:
        """A price traded: the order fills, or ``qty`` of it."""
        self.venue.fill(order_id, qty)
        self.publish()

    def close_by_hand(self) -> None:
        """Somebody presses "close" on the platform, where the legs stay."""
        if not self.venue.close(PLACE) and len(self.venue.due()) == 1:
            order_id = self.venue.due()[0]
            self.publish()
            self.trade(order_id)
        else:
            self.publish()
            for order_id in self.venue.due():
                self.later(0.001, lambda order_id=order_id: self.trade(order_id))

    def leg(self, role: Role) -> VenueOrder:
        suffix = {Role.STOP: "-SL", Role.TARGET: "-TP"}[role]
        return next(o for o in self.venue.working(PLACE) if (o.tag or "").endswith(suffix))

    def publish(self) -> None:
        """The user hub: lost, doubled and late as the faults say; nothing while it is down."""
        for event in self.venue.take_events():
            if not self.state.user_hub_is_up or self._chance(self.faults.lost_event):
                continue
            for _ in range(2 if self._chance(self.faults.twice) else 1):
                late = self.dice.uniform(0.05, 1.5) if self._chance(self.faults.shuffled) else 0.0
                self.later(0.01 + late, lambda event=event: self.give(event), is_ours=True)

    def _read(self, effect: ReadAccount) -> None:
        asked_at = self.now

        def answer() -> Event:
            if self._chance(self.faults.failed_read):
                return ReadFailed(
                    account_id=effect.account_id, asked_by=(effect.asked_by,), reason="no answer", ts=self.now
                )
            lag = timedelta(seconds=self.dice.uniform(0, self.faults.read_lag_s))
            seen = self.venue.picture(max(asked_at, self.now - timedelta(seconds=self.faults.slow_s)) - lag)
            mine = [o for o in seen.orders.values() if o.account_id == effect.account_id]
            return SnapshotRead(
                account_id=effect.account_id,
                asked_by=(effect.asked_by,),
                is_full=effect.is_full,
                account=None,
                positions=tuple(p for p in seen.positions.values() if p.account_id == effect.account_id),
                working=tuple(o for o in mine if o.status.is_working),
                finished=tuple(o for o in mine if o.status.is_terminal) if effect.is_full else (),
                fills=tuple(f for f in seen.fills if f.account_id == effect.account_id) if effect.is_full else (),
                asked_at=asked_at,
                ts=self.now,
            )

        self._expect(effect.asked_by, self._delay(), answer)

    def _search(self, effect: SearchTag) -> Event:
        if self._chance(self.faults.failed_read):
            return TagSearched(client_order_id=effect.client_order_id, order=None, error="no answer", ts=self.now)
        found = [o for o in self.venue.orders.values() if o.tag == effect.client_order_id]
        found.sort(key=lambda o: o.status is OrderStatus.REJECTED)
        return TagSearched(
            client_order_id=effect.client_order_id, order=found[0] if found else None, error=None, ts=self.now
        )


def submitted(world: World) -> list[OrderChanged]:
    return [r for r in world.journal if isinstance(r, OrderChanged) and r.order.state is OrderState.SUBMITTED]


def verdicts(world: World) -> list[VerdictKind]:
    return [r.verdict.kind for r in world.journal if isinstance(r, AlertJournalled)]


def with_bot(**changes: Any) -> BotConfig:
    return replace(BOT, **changes)
