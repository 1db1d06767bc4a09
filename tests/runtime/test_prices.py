"""Wake-ups for prices: one waits at most, one in 100 ms is put, none where nobody waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from immutables import Map

from desk.core.events import PriceMoved, TimerFired
from desk.core.ids import AccountId, CauseId, ClientOrderId, ContractId
from desk.core.intents import Care, Trail
from desk.core.plans import CarePlan
from desk.core.words import Quote, Side
from desk.engine import State
from desk.gateway.config import SystemClock
from desk.runtime.inbox import Inbox
from desk.runtime.prices import Prices
from tests.conftest import UNIT_S

MNQ, ES = ContractId("CON.F.US.MNQ.Z26"), ContractId("CON.F.US.EP.Z26")
NOW = datetime(2026, 11, 18, 14, tzinfo=UTC)


class Source:
    def __init__(self) -> None:
        self.watched: list[ContractId] = []

    def quote(self, contract_id: ContractId) -> Quote | None:
        return None

    async def watch(self, contract_id: ContractId) -> None:
        self.watched.append(contract_id)


def quote(contract_id: ContractId = MNQ) -> Quote:
    return Quote(contract_id=contract_id, last=Decimal(1), ts_event=NOW, ts_recv=NOW)


def state(*contracts: ContractId) -> State:
    plans = {
        f"care:{contract_id}": CarePlan(
            plan_id=f"care:{contract_id}",
            cause=CauseId("a"),
            account_id=AccountId(1),
            contract_id=contract_id,
            entry=ClientOrderId("e"),
            side=Side.BUY,
            care=Care(trail=Trail(distance_ticks=10)),
            basis=Decimal(1),
            tick_size=Decimal(1),
            started_at=NOW,
        )
        for contract_id in contracts
    }
    return State(plans=Map(plans))


async def waiting(inbox: Inbox) -> list[ContractId]:
    """What is in the inbox, without waiting for it."""
    inbox.put(TimerFired(key="now", ts=NOW))
    return [event.contract_id for event, _ in await inbox.drain() if isinstance(event, PriceMoved)]


@pytest.fixture
async def parts() -> AsyncIterator[tuple[Prices, Inbox, Source]]:
    inbox, source = Inbox(), Source()
    prices = Prices(inbox, SystemClock(), source)
    task = asyncio.create_task(prices.run(), name="prices")
    await asyncio.sleep(0)
    yield prices, inbox, source
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_nobody_waits_and_nothing_happens(parts: tuple[Prices, Inbox, Source]) -> None:
    prices, inbox, source = parts
    prices.on_quote(quote())
    prices.on_state(state())
    await asyncio.sleep(0)
    assert (await waiting(inbox), source.watched) == ([], [])


async def test_who_waits_is_subscribed_and_looked_at_at_once(parts: tuple[Prices, Inbox, Source]) -> None:
    prices, inbox, source = parts
    prices.on_state(state(MNQ))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert (await waiting(inbox), source.watched) == ([MNQ], [MNQ])


async def test_a_burst_is_one_wake_up_now_and_one_after_it(parts: tuple[Prices, Inbox, Source]) -> None:
    prices, inbox, _ = parts
    prices.on_state(state(MNQ))
    for _ in range(50):
        prices.on_quote(quote())
    assert await waiting(inbox) == [MNQ]
    for _ in range(50):
        prices.on_quote(quote())
        prices.on_quote(quote(ES))
    assert await waiting(inbox) == []
    await asyncio.sleep(0.1 + UNIT_S)
    assert await waiting(inbox) == [MNQ], "the last price of the burst is not lost"


async def test_one_waits_in_the_inbox_at_most() -> None:
    inbox = Inbox()
    for _ in range(3):
        inbox.put_price(PriceMoved(contract_id=MNQ, ts=NOW))
        inbox.put_price(PriceMoved(contract_id=ES, ts=NOW))
    assert await waiting(inbox) == [MNQ, ES]
    inbox.put_price(PriceMoved(contract_id=MNQ, ts=NOW))
    assert await waiting(inbox) == [MNQ]


async def test_a_full_inbox_takes_no_prices_and_counts_no_loss() -> None:
    inbox = Inbox(limit=1)
    inbox.put(TimerFired(key="a", ts=NOW))
    inbox.put_price(PriceMoved(contract_id=MNQ, ts=NOW))
    assert (len(inbox), inbox.overflowed) == (1, 0)
