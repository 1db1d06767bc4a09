"""Carries effects out, after the commit. One ordered lane per account and contract; lanes run beside each other.

What comes back goes into the inbox as an event, whatever it is: a reply, a refusal, a lost connection. Nothing here decides.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar, assert_never

import structlog

from desk.core.clock import Clock
from desk.core.errors import AuthFailed, DeskError, GatewayError, RateLimited, Refused, Unavailable
from desk.core.events import (
    AccountReported,
    Event,
    Outcome,
    OutcomeKind,
    ReadFailed,
    ReduceSettled,
    SnapshotRead,
    SubmitSettled,
    TagSearched,
    TimerFired,
)
from desk.core.ids import AccountId, ContractId, GatewayOrderId
from desk.core.words import Fill, OrderStatus, VenueOrder
from desk.engine import Effect, ReadAccount, Reduce, SearchTag, StartTimer, Submit, Tell
from desk.gateway import GatewayClient
from desk.orders import CancelOrder, ClosePart, ClosePosition, ModifyOrder, PlaceStop, Reducing
from desk.risk import Approved
from desk.runtime.inbox import Inbox

__all__ = ["Executor"]

URGENT_READ_EVERY_S = 0.25  # on average, for one account
URGENT_READS_AT_ONCE = 3
ACCOUNTS_FRESH_S = 5.0  # the start reads them right before it reconciles; after any later gap they are read again

log = structlog.get_logger("desk.executor")

A = TypeVar("A")
B = TypeVar("B")
Place = tuple[AccountId, ContractId]
_Work = tuple[Submit, ...] | tuple[Reduce, ...]


@dataclass(slots=True)
class _Asked:
    """Reads of one account that were asked for and not begun: they become one."""

    by: set[str] = field(default_factory=set)
    is_full: bool = False
    since: datetime | None = None


class Executor:
    """The desk's hands. An async context manager that owns the lanes' tasks; leaving it cancels what still runs."""

    def __init__(self, gateway: GatewayClient, inbox: Inbox, clock: Clock) -> None:
        self._gateway = gateway
        self._inbox = inbox
        self._clock = clock
        self._lanes: dict[tuple[Place, str], asyncio.Queue[_Work]] = {}
        self._reads: dict[tuple[AccountId, bool], _Asked] = {}  # by account, and whether protection waits for it
        self._reading: set[tuple[AccountId, bool]] = set()
        self._read_at: dict[AccountId, deque[float]] = {}  # when the last urgent ones were begun
        self._refreshed: set[AccountId] = set()
        self._timers: set[asyncio.TimerHandle] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._group: asyncio.TaskGroup | None = None
        self.writes_in_flight = 0
        self._unanswered: Counter[str] = Counter()

    @property
    def in_flight(self) -> frozenset[str]:
        """Plans and client order ids with writes that are queued or on their way. Whoever is not here any more has its answer
        in the inbox."""
        return frozenset(self._unanswered)

    async def __aenter__(self) -> Self:
        self._group = asyncio.TaskGroup()
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._group is not None, "entered before"
        for timer in self._timers:
            timer.cancel()
        for task in self._tasks:
            task.cancel()
        group, self._group = self._group, None
        try:
            await group.__aexit__(kind, error, trace)
        except BaseExceptionGroup as failures:
            if any(one is not error for one in failures.exceptions):
                raise
            # only what the caller's own block raised, wrapped: it goes on as it was

    def carry_out(self, effects: Sequence[Effect]) -> None:
        """Starts the effects of one decision. Never blocks. Cancels that belong together go out side by side.

        After the executor was left nothing is started: what was decided then is in the journal, and the next start
        takes it up.
        """
        if self._group is None:
            if effects:
                log.warning("executor.left_undone", effects=[type(effect).__name__ for effect in effects])
            return
        reduces: dict[Place, list[Reduce]] = {}
        for effect in effects:
            match effect:
                case Submit(approved):
                    place = (approved.order.account_id, approved.order.contract_id)
                    self._queue(place, (effect,))
                case Reduce(reducing) if isinstance(reducing.what, PlaceStop):
                    # beside the others: a close must not wait for a stop that nobody answers
                    self._queue((reducing.account_id, reducing.contract_id), (effect,), "stop")
                case Reduce(reducing):
                    reduces.setdefault((reducing.account_id, reducing.contract_id), []).append(effect)
                case ReadAccount():
                    self._ask_read(effect)
                case SearchTag():
                    self._spawn(self._search(effect), f"search {effect.client_order_id}")
                case StartTimer(key, delay_s):
                    self._start_timer(key, delay_s)
                case Tell(kind, text, cause):
                    log.warning("incident", kind=kind, text=text, cause=cause)
                case _ as never:
                    assert_never(never)
        for place, together in reduces.items():
            self._queue(place, tuple(together))

    async def settle(self, timeout_s: float) -> bool:
        """Waits until no write is queued or in flight; False when ``timeout_s`` passed first."""
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.gather(*(queue.join() for queue in self._lanes.values()))
        except TimeoutError:
            return False
        return True

    # -- lanes ---------------------------------------------------------------------------------------------------------

    def _lane(self, place: Place, kind: str = "") -> asyncio.Queue[_Work]:
        queue = self._lanes.get((place, kind))
        if queue is None:
            queue = self._lanes[place, kind] = asyncio.Queue()
            self._spawn(self._run_lane(queue), f"lane {place[0]} {place[1]} {kind}".rstrip())
        return queue

    async def _run_lane(self, queue: asyncio.Queue[_Work]) -> None:
        """Ends when the executor is left."""
        while True:
            work = await queue.get()
            try:
                if len(work) == 1:  # no task of its own: a round of the event loop less on the way to the wire
                    await self._write_one(work[0])
                else:
                    await asyncio.gather(*(self._write_one(effect) for effect in work))
            finally:
                queue.task_done()

    async def _write_one(self, effect: Submit | Reduce) -> None:
        try:
            if isinstance(effect, Submit):
                await self._submit(effect.approved)
            else:
                await self._reduce(effect.reducing)
        finally:
            self._unanswered[effect.answers_to] -= 1
            if not self._unanswered[effect.answers_to]:
                del self._unanswered[effect.answers_to]

    def _queue(self, place: Place, work: _Work, kind: str = "") -> None:
        for effect in work:
            self._unanswered[effect.answers_to] += 1
        self._lane(place, kind).put_nowait(work)

    async def _submit(self, approved: Approved) -> None:
        order = approved.order
        now = self._clock.now()
        if approved.fresh_until is not None and now > approved.fresh_until:
            outcome = Outcome(kind=OutcomeKind.NOT_SENT, text="it waited in its lane beyond its age limit")
        else:
            outcome = await self._write(self._gateway.place(order))
        self._report(SubmitSettled(client_order_id=order.client_order_id, outcome=outcome, ts=self._clock.now()))

    async def _reduce(self, reducing: Reducing) -> None:
        what = reducing.what
        outcome = await self._write(self._request(reducing))
        now = self._clock.now()
        if isinstance(what, PlaceStop):
            self._report(SubmitSettled(client_order_id=what.order.client_order_id, outcome=outcome, ts=now))
            return
        order_id = what.gateway_order_id if isinstance(what, CancelOrder | ModifyOrder) else None
        self._report(ReduceSettled(plan_id=reducing.plan_id, gateway_order_id=order_id, outcome=outcome, ts=now))

    def _request(self, reducing: Reducing) -> Coroutine[Any, Any, GatewayOrderId] | Coroutine[Any, Any, None]:
        gateway, account_id, contract_id = self._gateway, reducing.account_id, reducing.contract_id
        match reducing.what:
            case PlaceStop(order=order):
                return gateway.place(order, reducing=True)
            case CancelOrder(gateway_order_id=order_id):
                return gateway.cancel(account_id, order_id)
            case ModifyOrder(gateway_order_id=order_id, qty=qty, limit_price=limit, stop_price=stop):
                return gateway.modify(account_id, order_id, qty=qty, limit_price=limit, stop_price=stop)
            case ClosePosition():
                return gateway.close_position(account_id, contract_id)
            case ClosePart(qty=qty):
                return gateway.close_partially(account_id, contract_id, qty)
            case _ as never:
                assert_never(never)

    async def _write(self, work: Coroutine[Any, Any, GatewayOrderId] | Coroutine[Any, Any, None]) -> Outcome:
        """One write, once. Every way it can end is an outcome; what is not surely one of the others is unclear."""
        self.writes_in_flight += 1
        try:
            order_id = await work
        except Refused as no:
            gateway_order_id = GatewayOrderId(no.gateway_order_id) if no.gateway_order_id is not None else None
            return Outcome(kind=OutcomeKind.REFUSED, gateway_order_id=gateway_order_id, code=no.code, text=no.text)
        except (RateLimited, Unavailable, AuthFailed) as not_sent:
            return Outcome(kind=OutcomeKind.NOT_SENT, text=str(not_sent))
        except DeskError as unclear:
            code = unclear.code if isinstance(unclear, GatewayError) else None
            return Outcome(kind=OutcomeKind.UNCLEAR, code=code, text=str(unclear))
        finally:
            self.writes_in_flight -= 1
        return Outcome(kind=OutcomeKind.DONE, gateway_order_id=order_id)

    # -- reads ---------------------------------------------------------------------------------------------------------

    def _ask_read(self, effect: ReadAccount) -> None:
        """Reads asked for while one is under way wait for the next: an answer must be younger than its question. Urgent ones
        never wait for a calm one, which may stand in line for a long time."""
        key = (effect.account_id, effect.is_urgent)
        asked = self._reads.setdefault(key, _Asked())
        asked.by.add(effect.asked_by)
        asked.is_full = asked.is_full or effect.is_full
        if effect.since is not None:
            asked.since = effect.since if asked.since is None else min(asked.since, effect.since)
        if key not in self._reading:
            self._reading.add(key)
            self._spawn(self._read_account(*key), f"read {effect.account_id}")

    async def _read_account(self, account_id: AccountId, urgent: bool) -> None:
        """Ends when nothing more was asked for meanwhile."""
        key = (account_id, urgent)
        try:
            while key in self._reads:
                if urgent:
                    await self._pace(account_id)
                self._report(await self._snapshot(account_id, self._reads.pop(key), urgent))
        finally:
            self._reading.discard(key)

    async def _pace(self, account_id: AccountId) -> None:
        """Exits of an account share their reads, and do not use up the requests that they need themselves. Not the first few:
        between the cancel of a stop and the close nothing shall wait."""
        begun = self._read_at.setdefault(account_id, deque(maxlen=URGENT_READS_AT_ONCE))
        if len(begun) == URGENT_READS_AT_ONCE:
            next_at = begun[0] + URGENT_READS_AT_ONCE * URGENT_READ_EVERY_S
            await asyncio.sleep(max(0.0, next_at - self._clock.monotonic()))
        begun.append(self._clock.monotonic())

    async def _snapshot(self, account_id: AccountId, asked: _Asked, urgent: bool) -> SnapshotRead | ReadFailed:
        by = tuple(sorted(asked.by))
        asked_at = self._clock.now()
        gateway, since = self._gateway, asked.since if asked.is_full else None
        finished: list[VenueOrder] = []
        fills: list[Fill] = []
        try:
            positions, working = await _all(
                gateway.positions(account_id, urgent=urgent), gateway.working_orders(account_id, urgent=urgent)
            )
            if since is not None:
                orders, fills = await _all(
                    gateway.orders_since(account_id, since, urgent=urgent),
                    gateway.fills_since(account_id, since, urgent=urgent),
                )
                finished = [order for order in orders if order.status.is_terminal]
                self._spawn(self._refresh(account_id), f"account {account_id}")
        except DeskError as failed:
            return ReadFailed(account_id=account_id, asked_by=by, reason=str(failed), ts=self._clock.now())
        return SnapshotRead(
            account_id=account_id,
            asked_by=by,
            is_full=since is not None,
            account=None,
            positions=tuple(positions),
            working=tuple(working),
            finished=tuple(finished),
            fills=tuple(fills),
            asked_at=asked_at,
            ts=self._clock.now(),
        )

    async def _refresh(self, account_id: AccountId) -> None:
        """Balance and permission of the account after a gap. Beside the snapshot: agreeing does not wait for them."""
        read_at, is_first = self._gateway.accounts_read_at, account_id not in self._refreshed
        self._refreshed.add(account_id)
        if is_first and read_at is not None and self._clock.monotonic() - read_at < ACCOUNTS_FRESH_S:
            return
        try:
            accounts = await self._gateway.accounts()
        except DeskError as failed:
            log.warning("account.not_refreshed", account=account_id, error=str(failed))
            return
        for account in accounts:
            if account.account_id == account_id:
                self._report(AccountReported(account=account, ts=self._clock.now()))

    async def _search(self, effect: SearchTag) -> None:
        """Looks in both lists; a refused repeat of the same tag is not the order that is looked for."""
        order: VenueOrder | None = None
        error: str | None = None
        gateway = self._gateway
        try:
            finished, working = await _all(
                gateway.orders_since(effect.account_id, effect.since), gateway.working_orders(effect.account_id)
            )
        except DeskError as failed:
            error = str(failed)
        else:
            found = [o for o in (*working, *finished) if o.tag == effect.client_order_id]
            found.sort(key=lambda o: o.status is OrderStatus.REJECTED)
            order = found[0] if found else None
        self._report(
            TagSearched(client_order_id=effect.client_order_id, order=order, error=error, ts=self._clock.now())
        )

    # -- timers and tasks ----------------------------------------------------------------------------------------------

    def _start_timer(self, key: str, delay_s: float) -> None:
        def fire() -> None:
            self._timers.discard(handle)
            self._report(TimerFired(key=key, ts=self._clock.now()))

        handle = asyncio.get_running_loop().call_later(delay_s, fire)
        self._timers.add(handle)

    def _report(self, event: Event) -> None:
        self._inbox.put(event)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        assert self._group is not None, "effects are carried out inside the executor's own 'async with'"
        task = self._group.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _all(first: Coroutine[Any, Any, A], second: Coroutine[Any, Any, B]) -> tuple[A, B]:
    """Both at once; when one fails the other is still waited for, and the failure is raised."""
    one, two = await asyncio.gather(first, second, return_exceptions=True)
    if isinstance(one, BaseException):
        raise one
    if isinstance(two, BaseException):
        raise two
    return one, two
