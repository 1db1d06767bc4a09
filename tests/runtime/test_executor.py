"""The lanes against a simulated gateway: ordered in one place, side by side across places, and an event for every end."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from desk.core.events import (
    AccountReported,
    Event,
    OutcomeKind,
    ReduceSettled,
    SnapshotRead,
    SubmitSettled,
    TagSearched,
    TimerFired,
)
from desk.core.ids import AccountId, ClientOrderId, ContractId, GatewayOrderId
from desk.core.orders import OrderRequest
from desk.core.secret import Secret
from desk.core.words import OrderType, Side
from desk.engine import ReadAccount, Reduce, SearchTag, StartTimer, Submit
from desk.gateway import GatewayClient, GatewayConfig
from desk.gateway.config import SystemClock
from desk.orders.reducing import cancel_order, close_position
from desk.risk import AccountView, Approved, Limits, approve
from desk.runtime import Executor, Inbox
from desk.runtime.executor import ACCOUNTS_FRESH_S, URGENT_READ_EVERY_S, URGENT_READS_AT_ONCE
from desk.sim import SimServer
from tests.daemon import ACCOUNT, MNQ, places, quiet_sim, requests_to, until, working
from tests.runtime.words import ACCOUNT as KNOWN
from tests.runtime.words import MNQ as CONTRACT

CLOCK = SystemClock()
MES = "CON.F.US.MES.Z26"


class Hands:
    """An executor, and everything that it reported."""

    def __init__(self, executor: Executor, inbox: Inbox) -> None:
        self.executor = executor
        self._inbox = inbox
        self.seen: list[Event] = []

    async def reports(self, kind: type[Any], count: int = 1) -> list[Any]:
        """The first ``count`` reports of that kind."""
        async with asyncio.timeout(10):
            while len(found := [event for event in self.seen if isinstance(event, kind)]) < count:
                self.seen += [event for event, _ in await self._inbox.drain()]
        return found


@pytest.fixture
async def sim() -> AsyncIterator[SimServer]:
    async with quiet_sim(fill_delay_ms=0, children_delay_ms=0) as server:
        server.set_price(MES, Decimal(5900))
        yield server


@pytest.fixture
async def gateway(sim: SimServer) -> AsyncIterator[GatewayClient]:
    config = GatewayConfig(sim.url, sim.user_hub_url, sim.market_hub_url, "paper", Secret("paper"), timeout_s=0.7)
    async with GatewayClient(config) as client:
        await client.login()
        yield client


@pytest.fixture
async def hands(gateway: GatewayClient) -> AsyncIterator[Hands]:
    inbox = Inbox()
    async with Executor(gateway, inbox, CLOCK) as executor:
        yield Hands(executor, inbox)


def submit(tag: str, contract_id: str = MNQ, age_s: float = 0.0, **more: Any) -> Submit:
    order = OrderRequest(
        client_order_id=ClientOrderId(tag),
        account_id=AccountId(ACCOUNT),
        contract_id=ContractId(contract_id),
        type=OrderType.MARKET,
        side=Side.BUY,
        qty=1,
        stop_ticks=80,
        target_ticks=160,
    )
    view = AccountView(
        account=KNOWN,
        is_reconciled=True,
        position_qty=0,
        opening_qty=0,
        has_exit_running=False,
        unprotected=None,
        is_stopping=False,
        **more,
    )
    born = CLOCK.now() - timedelta(seconds=age_s)
    approved = approve(order, CONTRACT, view, Limits(10), born + timedelta(seconds=5), born)
    assert isinstance(approved, Approved), approved
    return Submit(approved)


def close(contract_id: str = MNQ) -> Reduce:
    return Reduce(close_position("a-plan", AccountId(ACCOUNT), ContractId(contract_id), 1))


def cancel(order_id: int) -> Reduce:
    return Reduce(cancel_order("a-plan", AccountId(ACCOUNT), ContractId(MNQ), GatewayOrderId(order_id)))


async def test_one_place_is_worked_off_in_order(sim: SimServer, hands: Hands) -> None:
    sim.faults.next("place").delays(150)
    hands.executor.carry_out([submit("dsk-1")])
    hands.executor.carry_out([submit("dsk-2")])
    hands.executor.carry_out([close()])
    await hands.reports(ReduceSettled)
    rows = [row for row in sim.requests if "Order/place" in row.path or "closeContract" in row.path]
    assert [row.path.rpartition("/")[2] for row in rows] == ["place", "place", "closeContract"]
    assert all(earlier.ended <= later.started for earlier, later in itertools.pairwise(rows))
    assert sim.positions == []


async def test_two_places_do_not_wait_for_each_other(sim: SimServer, hands: Hands) -> None:
    sim.faults.next("place").delays(500)
    hands.executor.carry_out([submit("dsk-slow")])
    await until(lambda: places(sim))
    hands.executor.carry_out([submit("dsk-fast", MES)])
    (first,) = await hands.reports(SubmitSettled)
    assert first.client_order_id == "dsk-fast"
    await hands.reports(SubmitSettled, 2)


async def test_cancels_of_one_decision_go_out_side_by_side(sim: SimServer, hands: Hands) -> None:
    hands.executor.carry_out([submit("dsk-1")])
    await hands.reports(SubmitSettled)
    await until(lambda: len(working(sim)) == 2)
    sim.faults.set_latency({"cancel": 150})
    hands.executor.carry_out([cancel(order.id) for order in working(sim)])
    await hands.reports(ReduceSettled, 2)
    first, second = requests_to(sim, "/api/Order/cancel")
    assert second.started < first.ended


async def test_what_is_queued_or_on_its_way_is_in_flight_until_its_answer_is_in_the_inbox(
    sim: SimServer, hands: Hands
) -> None:
    """Cause: after a resync a plan was taken up again while its write still waited in the lane behind a hanging one."""
    sim.faults.set_latency({"place": 100})
    hands.executor.carry_out([submit("dsk-1"), close()])
    assert hands.executor.in_flight == {"dsk-1", "a-plan"}
    await hands.reports(SubmitSettled)
    assert "dsk-1" not in hands.executor.in_flight
    await hands.reports(ReduceSettled)
    assert not hands.executor.in_flight


async def test_an_entry_that_grew_old_in_its_lane_is_not_sent(sim: SimServer, hands: Hands) -> None:
    hands.executor.carry_out([submit("dsk-old", age_s=6)])
    (settled,) = await hands.reports(SubmitSettled)
    assert settled.outcome.kind is OutcomeKind.NOT_SENT
    assert places(sim) == []


OUTCOMES = {
    "drops_after_execution": OutcomeKind.UNCLEAR,
    "drops_before_execution": OutcomeKind.UNCLEAR,
    "hangs": OutcomeKind.UNCLEAR,
    "refuses": OutcomeKind.NOT_SENT,
    "rejects": OutcomeKind.REFUSED,
}


@pytest.mark.parametrize(("fault", "kind"), OUTCOMES.items())
async def test_every_way_a_write_can_end_is_one_report(
    sim: SimServer, hands: Hands, fault: str, kind: OutcomeKind
) -> None:
    arguments = {"refuses": (429,), "rejects": (2, "no")}
    getattr(sim.faults.next("place"), fault)(*arguments.get(fault, ()))
    hands.executor.carry_out([submit("dsk-1")])
    (settled,) = await hands.reports(SubmitSettled)
    assert (settled.outcome.kind, len(places(sim))) == (kind, 1)
    assert hands.executor.writes_in_flight == 0


async def test_reads_asked_for_during_a_read_become_one_that_is_younger_than_its_question(
    sim: SimServer, hands: Hands
) -> None:
    sim.faults.set_latency({"positions": 100})
    account = AccountId(ACCOUNT)
    hands.executor.carry_out([ReadAccount(account, "first")])
    await until(lambda: requests_to(sim, "/api/Position/searchOpen"))
    asked_at = CLOCK.now()
    for asker in ("second", "third", "fourth"):
        hands.executor.carry_out([ReadAccount(account, asker)])
    one, two = await hands.reports(SnapshotRead, 2)
    assert (one.asked_by, two.asked_by) == (("first",), ("fourth", "second", "third"))
    assert one.asked_at < asked_at <= two.asked_at
    assert len(requests_to(sim, "/api/Position/searchOpen")) == 2


async def test_an_urgent_read_does_not_wait_for_a_calm_one(sim: SimServer, hands: Hands) -> None:
    sim.faults.next("positions").delays(300)
    account = AccountId(ACCOUNT)
    hands.executor.carry_out([ReadAccount(account, "reconcile")])
    await until(lambda: requests_to(sim, "/api/Position/searchOpen"))
    hands.executor.carry_out([ReadAccount(account, "exit", is_urgent=True)])
    first, second = await hands.reports(SnapshotRead, 2)
    assert (first.asked_by, second.asked_by) == (("exit",), ("reconcile",))


async def test_urgent_reads_of_an_account_keep_apart_and_are_shared(sim: SimServer, hands: Hands) -> None:
    account = AccountId(ACCOUNT)
    for number in range(1, URGENT_READS_AT_ONCE + 1):
        hands.executor.carry_out([ReadAccount(account, f"at once {number}", is_urgent=True)])
        await hands.reports(SnapshotRead, number)
    for asker in ("one", "two", "three"):
        hands.executor.carry_out([ReadAccount(account, asker, is_urgent=True)])
        await asyncio.sleep(0.05)
    reads = await hands.reports(SnapshotRead, URGENT_READS_AT_ONCE + 1)
    assert reads[-1].asked_by == ("one", "three", "two")
    apart_s = (reads[-1].asked_at - reads[0].asked_at).total_seconds()
    assert apart_s >= URGENT_READS_AT_ONCE * URGENT_READ_EVERY_S - 0.01


async def test_accounts_that_the_start_has_just_read_are_not_read_again_and_after_a_gap_they_are(
    sim: SimServer, gateway: GatewayClient, hands: Hands
) -> None:
    await gateway.accounts()
    full = ReadAccount(AccountId(ACCOUNT), is_full=True, since=CLOCK.now(), asked_by="reconcile")
    hands.executor.carry_out([full])
    await hands.reports(SnapshotRead)
    await gateway.ping()  # whatever the read has started besides has reached the wire by now
    assert len(requests_to(sim, "/api/Account/search")) == 1
    hands.executor.carry_out([full])
    (account,) = await hands.reports(AccountReported)
    assert account.account.account_id == ACCOUNT
    assert len(requests_to(sim, "/api/Account/search")) == 2


async def test_accounts_that_were_read_long_ago_are_read_again_at_the_first_gap(
    sim: SimServer, gateway: GatewayClient, hands: Hands
) -> None:
    await gateway.accounts()
    assert gateway.accounts_read_at is not None
    gateway.accounts_read_at -= ACCOUNTS_FRESH_S
    hands.executor.carry_out([ReadAccount(AccountId(ACCOUNT), is_full=True, since=CLOCK.now(), asked_by="reconcile")])
    await hands.reports(AccountReported)
    assert len(requests_to(sim, "/api/Account/search")) == 2


async def test_an_order_is_found_by_its_tag_and_an_unknown_tag_is_not(sim: SimServer, hands: Hands) -> None:
    hands.executor.carry_out([submit("dsk-1")])
    await hands.reports(SubmitSettled)
    since = CLOCK.now() - timedelta(minutes=5)
    for tag in ("dsk-1", "dsk-2"):
        hands.executor.carry_out([SearchTag(AccountId(ACCOUNT), ClientOrderId(tag), since)])
    found = {event.client_order_id: event for event in await hands.reports(TagSearched, 2)}
    assert found[ClientOrderId("dsk-1")].order is not None
    assert (found[ClientOrderId("dsk-2")].order, found[ClientOrderId("dsk-2")].error) == (None, None)


async def test_a_search_that_fails_is_no_proof(sim: SimServer, hands: Hands) -> None:
    sim.faults.next("orders", times=50).refuses(500)
    hands.executor.carry_out([SearchTag(AccountId(ACCOUNT), ClientOrderId("dsk-1"), CLOCK.now())])
    (searched,) = await hands.reports(TagSearched)
    assert searched.error


async def test_a_timer_comes_back_as_an_event(hands: Hands, unit: float) -> None:
    hands.executor.carry_out([StartTimer("later", 2 * unit), StartTimer("soon", unit)])
    assert [event.key for event in await hands.reports(TimerFired, 2)] == ["soon", "later"]


async def test_settling_waits_for_what_is_on_its_way_and_gives_up_in_time(sim: SimServer, hands: Hands) -> None:
    sim.faults.next("place").delays(200)
    hands.executor.carry_out([submit("dsk-1")])
    assert not await hands.executor.settle(timeout_s=0.05)
    assert await hands.executor.settle(timeout_s=5)
    assert hands.executor.writes_in_flight == 0


async def test_leaving_cancels_lanes_reads_and_timers_and_starts_nothing_more(
    sim: SimServer, gateway: GatewayClient
) -> None:
    sim.faults.next("place").hangs()
    sim.faults.next("positions").hangs()
    inbox = Inbox()
    async with Executor(gateway, inbox, CLOCK) as executor:
        executor.carry_out([submit("dsk-1"), ReadAccount(AccountId(ACCOUNT), "me"), StartTimer("later", 60)])
        await until(lambda: places(sim) and requests_to(sim, "/api/Position/searchOpen"))
    executor.carry_out([submit("dsk-2", MES), StartTimer("later", 60)])  # the fixtures fail a task or timer that stays
    assert len(places(sim)) == 1
    assert len(inbox) == 0


async def test_what_the_block_raises_comes_out_as_it_was(gateway: GatewayClient) -> None:
    async def fails() -> None:
        async with Executor(gateway, Inbox(), CLOCK) as executor:
            executor.carry_out([submit("dsk-1")])
            raise KeyError("mine")

    with pytest.raises(KeyError):
        await fails()
