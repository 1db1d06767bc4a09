"""A desk to look at: a real inbox, journal and history service, a state made of records, and a task that answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from desk.bots import BotConfig
from desk.core.errors import Unavailable
from desk.core.events import AlertReceived, Event, FlattenRequested, IntentGiven, ResyncRequested
from desk.core.ids import (
    AccountId,
    CauseId,
    ContractId,
    GatewayOrderId,
    client_order_id,
    stop_leg_id,
    target_leg_id,
)
from desk.core.orders import OrderState, Role, TrackedOrder
from desk.core.plans import ExitReason
from desk.core.records import (
    AccountChanged,
    AccountReconciled,
    AlertJournalled,
    CommandDecided,
    OrderChanged,
    PositionChanged,
    PositionClosed,
    Record,
    Verdict,
    VerdictKind,
)
from desk.core.secret import Secret
from desk.core.timeframe import BarUnit
from desk.core.words import Account, Bar, Contract, OrderType, Quote, Side, VenuePosition
from desk.engine import Context
from desk.engine.apply import fold
from desk.market.bars import Bars
from desk.runtime.desk import BotDoor, Desk, Phase, StartStep
from desk.runtime.history import HistoryService
from desk.runtime.inbox import Inbox
from desk.runtime.ranges import Ranges
from desk.store import Journal, open_journal

T0 = datetime(2026, 11, 18, 14, 30, tzinfo=UTC)
ACCOUNT = AccountId(7001)
MNQ = Contract(
    contract_id=ContractId("CON.F.US.MNQ.Z26"),
    name="MNQZ6",
    description="Micro E-mini Nasdaq-100: December 2026",
    tick_size=Decimal("0.25"),
    tick_value=Decimal("0.5"),
    symbol_id="F.US.MNQ",
    is_active=True,
)
CAUSE = CauseId("01KA0000000000000000000001")
TOKEN = "a-bot-token-of-22-chars"
API_TOKEN = "an-api-token-of-many-chars"


class StillClock:
    """Wall time that a test moves; monotonic time follows."""

    def __init__(self, now: datetime = T0) -> None:
        self.time = now

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return (self.time - T0).total_seconds()

    def advance(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


class Quotes:
    def __init__(self) -> None:
        self.newest: dict[ContractId, Quote] = {}
        self.watched: list[ContractId] = []

    def quote(self, contract_id: ContractId) -> Quote | None:
        return self.newest.get(contract_id)

    async def watch(self, contract_id: ContractId) -> None:
        self.watched.append(contract_id)

    def say(self, price: str, ts: datetime, contract: Contract = MNQ) -> None:
        last = Decimal(price)
        self.newest[contract.contract_id] = Quote(
            contract_id=contract.contract_id,
            bid=last,
            ask=last + contract.tick_size,
            last=last,
            volume=1234,
            ts_event=ts,
            ts_recv=ts,
        )


async def flat_bars(
    contract_id: ContractId, unit: BarUnit, unit_number: int, start: datetime, end: datetime, limit: int, partial: bool
) -> Bars:
    """Five-minute-like bars of a market that never sleeps."""
    del contract_id
    assert unit is BarUnit.M, "this market knows minutes"
    step = timedelta(minutes=unit_number)
    newest = end - (end - datetime(2026, 1, 1, tzinfo=UTC)) % step
    opens = [newest - step * i for i in range(limit)]
    price = Decimal("21034.25")
    bars = [
        Bar(ts_open=t, open=price, high=price + 1, low=price - 1, close=price, volume=150) for t in opens if t >= start
    ]
    return Bars.of(bars)


def entry_order(state: OrderState = OrderState.FILLED, cause: CauseId = CAUSE) -> TrackedOrder:
    return TrackedOrder(
        client_order_id=client_order_id(cause, ACCOUNT, "entry", 1),
        cause=cause,
        account_id=ACCOUNT,
        contract_id=MNQ.contract_id,
        role=Role.ENTRY,
        type=OrderType.MARKET,
        side=Side.BUY,
        qty=2,
        state=state,
        stop_ticks=80,
        target_ticks=160,
        gateway_order_id=GatewayOrderId(501),
        filled_qty=2,
        filled_price=Decimal("21034.25"),
        submitted_at=T0,
        updated_at=T0,
    )


def leg_order(role: Role, price: str, state: OrderState = OrderState.WORKING) -> TrackedOrder:
    entry, is_stop = entry_order(), role is Role.STOP
    return TrackedOrder(
        client_order_id=(stop_leg_id if is_stop else target_leg_id)(entry.client_order_id),
        cause=CAUSE,
        account_id=ACCOUNT,
        contract_id=MNQ.contract_id,
        role=role,
        type=OrderType.STOP if is_stop else OrderType.LIMIT,
        side=Side.SELL,
        qty=2,
        state=state,
        parent=entry.client_order_id,
        gateway_order_id=GatewayOrderId(502 if is_stop else 503),
        stop_price=Decimal(price) if is_stop else None,
        limit_price=None if is_stop else Decimal(price),
        submitted_at=T0,
        updated_at=T0,
    )


def account_records(*, is_reconciled: bool = True) -> list[Record]:
    account = Account(account_id=ACCOUNT, name="PAPER-50K", balance=Decimal("50000"), can_trade=True, simulated=True)
    records: list[Record] = [AccountChanged(cause=CAUSE, account=account, ts=T0)]
    if is_reconciled:
        records.append(AccountReconciled(cause=CAUSE, account_id=ACCOUNT, differences=(), ts=T0))
    return records


def position_records(qty: int = 2, stop: OrderState | None = OrderState.WORKING) -> list[Record]:
    """Long 2 MNQ with a stop 20 and a target 40 points away; ``stop`` None: without a stop."""
    orders = [entry_order(), leg_order(Role.TARGET, "21074.25")]
    if stop is not None:
        orders.append(leg_order(Role.STOP, "21014.25", stop))
    position = VenuePosition(
        account_id=ACCOUNT, contract_id=MNQ.contract_id, qty=qty, avg_price=Decimal("21034.25"), opened_at=T0
    )
    records: list[Record] = [OrderChanged(cause=CAUSE, order=order, why="venue", ts=T0) for order in orders]
    return [*records, PositionChanged(cause=CAUSE, position=position, source="hub", ts=T0)]


def flat_records() -> list[Record]:
    """The venue closed the position and both legs."""
    closed = PositionClosed(
        cause=CAUSE,
        account_id=ACCOUNT,
        contract_id=MNQ.contract_id,
        qty=2,
        avg_price=Decimal("21034.25"),
        reason=ExitReason.MANUAL,
        ended_by=None,
        ts=T0,
    )
    gone = [
        leg_order(Role.STOP, "21014.25", OrderState.CANCELED),
        leg_order(Role.TARGET, "21074.25", OrderState.CANCELED),
    ]
    position = VenuePosition(account_id=ACCOUNT, contract_id=MNQ.contract_id, qty=0, avg_price=Decimal(0))
    return [
        *(OrderChanged(cause=CAUSE, order=order, why="venue", ts=T0) for order in gone),
        PositionChanged(cause=CAUSE, position=position, source="hub", ts=T0),
        closed,
    ]


class Room:
    """A desk and the task that answers what is asked of it. ``answer`` may be replaced; it may raise."""

    def __init__(self, desk: Desk, clock: StillClock, quotes: Quotes) -> None:
        self.desk, self.clock, self.quotes = desk, clock, quotes
        self.events: list[Event] = []
        self.verdict = Verdict(kind=VerdictKind.ACCEPTED, text="buys 2 MNQZ6")
        self.on_flatten: Callable[[FlattenRequested], None] = lambda event: None
        self.on_intent: Callable[[IntentGiven], Sequence[Record]] = lambda event: ()  # what then happens, journalled
        self.on_resync: Callable[[ResyncRequested], None] = lambda event: None
        self.failure: Exception | None = None
        self.taken, self.heard = asyncio.Event(), asyncio.Event()  # an event was taken, and answered
        self.gate = asyncio.Event()
        self.gate.set()

    def tell(self, *records: Record) -> None:
        self.desk.publish(fold(self.desk.state, records))

    @property
    def alerts(self) -> list[AlertReceived]:
        return [event for event in self.events if isinstance(event, AlertReceived)]

    @property
    def intents(self) -> list[IntentGiven]:
        return [event for event in self.events if isinstance(event, IntentGiven)]

    async def _decide(self, event: IntentGiven) -> None:
        """Journals the command with the verdict, and what the test says that follows."""
        decided = CommandDecided(
            cause=event.cause, account_id=event.account_id, contract_id=event.contract_id, intent=event.intent,
            by=event.by, verdict=self.verdict, ts=event.ts,
        )  # fmt: skip
        records: list[Record] = [decided, *self.on_intent(event)]
        await self.desk.journal.append(records)
        self.tell(*records)

    async def answer_all(self) -> None:
        """Journals alerts with the verdict and answers. Ends when cancelled."""
        while True:
            for event, answer in await self.desk.inbox.drain():
                self.taken.set()
                await self.gate.wait()
                self.events.append(event)
                if isinstance(event, ResyncRequested):
                    self.on_resync(event)
                    continue
                assert answer is not None, "surfaces only ask"
                if self.failure is not None:
                    answer.set_exception(self.failure)
                    continue
                if isinstance(event, AlertReceived):
                    record = AlertJournalled(cause=event.cause, alert=event, verdict=self.verdict, ts=event.ts)
                    await self.desk.journal.append([record])
                if isinstance(event, FlattenRequested):
                    self.on_flatten(event)
                if isinstance(event, IntentGiven):
                    await self._decide(event)
                if not answer.done():
                    answer.set_result(self.verdict)
                self.heard.set()


@asynccontextmanager
async def open_room(data_dir: Path, clock: StillClock | None = None) -> AsyncIterator[Room]:
    clock, quotes = clock or StillClock(), Quotes()
    async with open_journal(data_dir) as journal:
        room = Room(_desk(journal, clock, quotes), clock, quotes)
        answering = asyncio.create_task(room.answer_all(), name="answering")
        try:
            yield room
        finally:
            answering.cancel()
            await asyncio.wait([answering])
            if not answering.cancelled():
                answering.result()


def _desk(journal: Journal, clock: StillClock, quotes: Quotes) -> Desk:
    history = HistoryService(flat_bars, clock)
    desk = Desk(
        mode="paper",
        version="0.1.0",
        started_at=T0,
        clock=clock,
        inbox=Inbox(),
        journal=journal,
        quotes=quotes,
        history=history,
        ranges=Ranges(history, clock),
        bots=(BotDoor("default", Secret(TOKEN)), BotDoor("second", Secret("another-token-of-22-ch"))),
        phase=Phase.READY,
        catalogue={MNQ.contract_id: MNQ},
        account_id=ACCOUNT,
        max_position=4,
        steps=[
            StartStep("login", 0.0, 0.27),
            StartStep("accounts", 0.27, 0.50),
            StartStep("contracts", 0.27, 0.33),
            StartStep("history cache", 0.27, 0.9, error="timed out", meaning="history is read on demand"),
        ],
    )
    bots = {door.name: bot_config(door.name) for door in desk.bots}
    desk.context = lambda: Context(clock.now(), bots, desk.catalogue, quote=quotes.quote)
    desk.publish(fold(desk.state, account_records()))
    return desk


def bot_config(name: str = "default", **changes: Any) -> BotConfig:
    settings: dict[str, Any] = {
        "account_id": ACCOUNT,
        "symbols": frozenset({"MNQ"}),
        "default_qty": 2,
        "max_position": 4,
        "max_alert_age_s": 15,
        "takes_delayed_data": True,
    }
    return BotConfig(name=name, **settings | changes)


FULL = Unavailable("20000 events are waiting; nothing was done, send it again")


def replaced(order: TrackedOrder, **changes: object) -> TrackedOrder:
    return msgspec.structs.replace(order, **changes)
