"""An error is never read as an empty list: whichever of the reads fails, the account was not read."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from desk.core.clock import Clock
from desk.core.errors import Unavailable
from desk.core.events import Event, ReadFailed, ReduceSettled, SnapshotRead, TagSearched
from desk.core.ids import AccountId, ClientOrderId, ContractId
from desk.core.orders import OrderRequest
from desk.core.words import OrderType, Side
from desk.engine import Effect, ReadAccount, Reduce, SearchTag
from desk.gateway.config import SystemClock
from desk.orders.reducing import close_position, place_stop
from desk.runtime import Executor, Inbox

ACCOUNT, CONTRACT = AccountId(1), ContractId("CON.F.US.MNQ.Z26")
CLOCK: Clock = SystemClock()
READS = ["positions", "working_orders", "orders_since", "fills_since"]


class Deaf:
    """A gateway of which one read fails, and every other one shows nothing."""

    def __init__(self, failing: str) -> None:
        self._failing = failing

    def __getattr__(self, name: str) -> Any:
        async def read(*_: object, **__: object) -> list[object]:
            if name == self._failing:
                raise Unavailable("HTTP 503")
            return []

        return read


async def first_event(failing: str, effect: Effect) -> Event:
    inbox = Inbox()
    async with Executor(Deaf(failing), inbox, CLOCK) as executor:  # type: ignore[arg-type]
        executor.carry_out([effect])
        async with asyncio.timeout(2):
            return (await inbox.drain())[0][0]


@pytest.mark.parametrize("failing", READS)
async def test_a_full_read_of_which_a_part_fails_was_no_read(failing: str) -> None:
    since = CLOCK.now() - timedelta(minutes=5)
    event = await first_event(failing, ReadAccount(ACCOUNT, "reconcile", is_full=True, since=since))
    assert isinstance(event, ReadFailed)
    assert "HTTP 503" in event.reason


@pytest.mark.parametrize("failing", READS[:2])
async def test_neither_is_a_plans_own_read(failing: str) -> None:
    assert isinstance(await first_event(failing, ReadAccount(ACCOUNT, "exit:x")), ReadFailed)


@pytest.mark.parametrize("failing", ["working_orders", "orders_since"])
async def test_a_search_of_which_a_part_fails_found_nothing_out(failing: str) -> None:
    event = await first_event(failing, SearchTag(ACCOUNT, ClientOrderId("dsk-a"), CLOCK.now()))
    assert isinstance(event, TagSearched)
    assert event.error is not None


async def test_without_a_failure_an_empty_account_is_empty() -> None:
    event = await first_event("", ReadAccount(ACCOUNT, "exit:x"))
    assert isinstance(event, SnapshotRead)
    assert (event.positions, event.working) == ((), ())


class Silent(Deaf):
    """A gateway that never answers a place, and everything else at once."""

    async def place(self, *_: object, **__: object) -> None:
        await asyncio.Event().wait()


async def test_a_close_does_not_wait_for_a_stop_that_nobody_answers() -> None:
    stop = OrderRequest(
        client_order_id=ClientOrderId("dsk-a"), account_id=ACCOUNT, contract_id=CONTRACT, type=OrderType.STOP,
        side=Side.SELL, qty=1, stop_price=Decimal(100),
    )  # fmt: skip
    inbox = Inbox()
    async with Executor(Silent(""), inbox, CLOCK) as executor:  # type: ignore[arg-type]
        executor.carry_out([Reduce(place_stop("protect:x", stop, 1))])
        executor.carry_out([Reduce(close_position("exit:x", ACCOUNT, CONTRACT, 1))])
        async with asyncio.timeout(2):
            ((event, _),) = await inbox.drain()
    assert isinstance(event, ReduceSettled)
