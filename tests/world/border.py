"""Between the executor's lanes and the venue: the calls of the gateway client, with latencies and everything that gets lost."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeVar

from desk.core.errors import OutcomeUnknown, RateLimited, Refused, Unavailable
from desk.core.events import Event
from desk.core.ids import AccountId, ContractId, GatewayOrderId
from desk.core.orders import OrderRequest
from desk.core.words import Account, Fill, VenueOrder, VenuePosition
from desk.orders import ModifyOrder
from desk.sim.model import Reply
from tests.world.faults import Faults
from tests.world.times import ManualClock
from tests.world.venue import READS_LAG_S, Venue

GIVE_UP_S = 2.0  # a lost reply is noticed after so long
CLOSE_IS_LATE_S = 0.7  # at most; a close that arrives later than it settles reverses, and nobody could help it
ENTRY_IS_LATE_S = 4.0
ARM_S = (0.010, 0.060)  # one way
T = TypeVar("T")


class Border:
    """What the executor takes for its gateway client. Requests on the wire outlive the process that sent them."""

    def __init__(self, venue: Venue, clock: ManualClock, dice: random.Random, faults: Faults) -> None:
        self._venue = venue
        self._clock = clock
        self._dice = dice
        self._faults = faults
        self.failed_at: dict[AccountId, datetime] = {}  # newest read that failed
        self.is_down = False  # nothing is answered
        self.asked: Callable[[str, AccountId, ContractId | None, object], None] = lambda *_: None

    # -- writes --------------------------------------------------------------------------------------------------------

    async def place(self, order: OrderRequest, *, reducing: bool = False) -> GatewayOrderId:
        self.asked("protect" if reducing else "place", order.account_id, order.contract_id, order)
        fault = self._fault("lost_before", "lost_after", "delayed", "refused", "limited", "limited_falsely")
        reply = await self._write(
            lambda: self._venue.place(order, is_refused=fault == "refused"), fault, ENTRY_IS_LATE_S
        )
        if reply.code or reply.order_id is None:
            raise Refused(reply.message or "", code=reply.code, gateway_order_id=reply.order_id)
        return GatewayOrderId(reply.order_id)

    async def cancel(self, account_id: AccountId, gateway_order_id: GatewayOrderId) -> None:
        self.asked("cancel", account_id, None, gateway_order_id)
        fault = self._fault("lost_before", "lost_after", "delayed", "limited")
        reply = await self._write(lambda: self._venue.cancel(account_id, gateway_order_id), fault, CLOSE_IS_LATE_S)
        if reply.code:
            raise Refused(reply.message or "", code=reply.code)

    async def modify(
        self,
        account_id: AccountId,
        gateway_order_id: GatewayOrderId,
        *,
        qty: int | None = None,
        limit_price: Decimal | None = None,
        stop_price: Decimal | None = None,
    ) -> None:
        change = ModifyOrder(gateway_order_id=gateway_order_id, qty=qty, limit_price=limit_price, stop_price=stop_price)
        self.asked("modify", account_id, None, change)
        fault = self._fault("lost_before", "lost_after", "delayed", "limited")
        reply = await self._write(
            lambda: self._venue.modify(account_id, gateway_order_id, qty, limit_price, stop_price),
            fault,
            CLOSE_IS_LATE_S,
        )
        if reply.code:
            raise Refused(reply.message or "", code=reply.code)

    async def close_partially(self, account_id: AccountId, contract_id: ContractId, qty: int) -> None:
        self.asked("close part", account_id, contract_id, qty)
        fault = self._fault("lost_before", "lost_after", "delayed", "limited")
        reply = await self._write(lambda: self._venue.close(account_id, contract_id, qty), fault, CLOSE_IS_LATE_S)
        if reply.code:
            raise Refused(reply.message or "", code=reply.code)

    async def close_position(self, account_id: AccountId, contract_id: ContractId) -> None:
        self.asked("close", account_id, contract_id, None)
        fault = self._fault("lost_before", "lost_after", "delayed", "limited")
        reply = await self._write(lambda: self._venue.close(account_id, contract_id), fault, CLOSE_IS_LATE_S)
        if reply.code:
            raise Refused(reply.message or "", code=reply.code)

    def _fault(self, *names: str) -> str | None:
        return "limited_by_outage" if self.is_down else self._faults.one_of(*names)

    def _arm(self) -> float:
        return self._dice.uniform(*ARM_S)

    async def _write(self, work: Callable[[], Reply], fault: str | None, late_s: float) -> Reply:
        """One request and its answer. Arriving is an appointment of the loop, not of the task: a kill does not undo it."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Reply] = loop.create_future()
        there = self._arm()

        def arrive() -> None:
            reply = work()
            loop.call_later(self._arm(), lambda: None if answer.done() else answer.set_result(reply))

        match fault:
            case "limited":
                await asyncio.sleep(there)
                raise RateLimited("too many requests", retry_after_s=1.0)
            case "limited_by_outage":
                await asyncio.sleep(there)
                raise Unavailable("connection refused")
            case "limited_falsely":
                loop.call_later(there, work)
                await asyncio.sleep(there + self._arm())
                raise RateLimited("too many requests, it says", retry_after_s=1.0)
            case "lost_before" | "lost_after" | "delayed":
                if fault != "lost_before":
                    late = self._dice.uniform(0.0, late_s) if fault == "delayed" else -there
                    loop.call_later(there if fault == "lost_after" else GIVE_UP_S + late, work)
                await asyncio.sleep(GIVE_UP_S)
                raise OutcomeUnknown("no answer")
            case _:
                loop.call_later(there, arrive)
                return await answer

    # -- reads ---------------------------------------------------------------------------------------------------------

    async def positions(self, account_id: AccountId, *, urgent: bool = False) -> list[VenuePosition]:
        as_of = await self._read(account_id)
        return list(self._venue.picture(account_id, as_of).positions)

    async def working_orders(self, account_id: AccountId, *, urgent: bool = False) -> list[VenueOrder]:
        as_of = await self._read(account_id)
        return list(self._venue.picture(account_id, as_of).working)

    async def orders_since(self, account_id: AccountId, since: datetime, *, urgent: bool = False) -> list[VenueOrder]:
        return self._venue.orders_since(account_id, since, await self._read(account_id))

    async def fills_since(self, account_id: AccountId, since: datetime, *, urgent: bool = False) -> list[Fill]:
        return self._venue.fills_since(account_id, since, await self._read(account_id))

    accounts_read_at: float | None = None  # never: the world's start does not ask for them

    async def accounts(self) -> list[Account]:
        await self._read(None)
        return self._venue.accounts()

    async def _read(self, account_id: AccountId | None) -> datetime:
        """As of when the answer is: it was at the venue half-way, or it shows what was a moment before."""
        out, back = self._arm(), self._arm()
        await asyncio.sleep(out + back)
        if self.is_down:
            raise Unavailable("connection refused")
        fault = self._faults.one_of("failed_read", "lagging_read")
        if fault == "failed_read":
            if account_id is not None:
                self.failed_at[account_id] = self._clock.now()
            raise Unavailable("no answer")
        lag = self._dice.uniform(back, READS_LAG_S - out - 0.01) if fault == "lagging_read" else back
        return self._clock.now() - timedelta(seconds=lag)


class UserHub:
    """The user hub of one login: what it loses while it is down is lost for good."""

    def __init__(self, dice: random.Random, faults: Faults) -> None:
        self._dice = dice
        self._faults = faults
        self.is_up = False
        self.life = 0  # of the connection: what is on its way when it ends never comes
        self.give: Callable[[Event], None] = lambda event: None

    def tell(self, event: Event) -> None:
        """Lost, doubled, late and overtaken as the faults say."""
        if not self.is_up:
            return
        fault = self._faults.one_of("lost_event", "doubled_event", "late_event")
        if fault == "lost_event":
            return
        self._later(event, self._dice.uniform(0.1, 1.5) if fault == "late_event" else 0.008)
        if fault == "doubled_event":
            self._later(event, self._dice.uniform(0.008, 0.3))

    def _later(self, event: Event, delay_s: float) -> None:
        life = self.life
        asyncio.get_running_loop().call_later(delay_s, lambda: self.give(event) if life == self.life else None)
