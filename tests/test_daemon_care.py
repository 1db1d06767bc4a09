"""The legs of a position over real sockets: the simulator's stop follows its market, and only tightens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from desk.core.events import IntentGiven
from desk.core.ids import AccountId, ContractId
from desk.core.intents import Intent, MoveStop, MoveTarget, Trail, TrailOn
from desk.core.records import Verdict
from desk.sim import SimServer
from tests.daemon import ACCOUNT, MNQ, PRICE, RunningDesk, enter, is_flat, quiet_sim, requests_to, running_desk, until

TICK = Decimal("0.25")
MODIFY = "/api/Order/modify"


@pytest.fixture
async def sim() -> AsyncIterator[SimServer]:
    async with quiet_sim() as server:
        yield server


@pytest.fixture
async def desk(sim: SimServer, tmp_path: Path) -> AsyncIterator[RunningDesk]:
    async with running_desk(sim.url, tmp_path) as running:
        await running.ready()
        yield running


async def ask(desk: RunningDesk, intent: Intent) -> Verdict:
    shown = desk.session.desk
    event: Any = IntentGiven(
        cause=shown.new_cause(),
        account_id=AccountId(ACCOUNT),
        contract_id=ContractId(MNQ),
        intent=intent,
        by="console",
        ts=shown.clock.now(),
    )
    return await shown.inbox.ask(event)


def leg(sim: SimServer, suffix: str) -> Any:
    return next(order for order in sim.orders if (order.custom_tag or "").endswith(suffix) and order.status == 1)


async def test_the_stop_follows_the_market_and_only_tightens(sim: SimServer, desk: RunningDesk) -> None:
    await enter(desk)
    first = leg(sim, "-SL").stop_price
    seen = [first]
    verdict = await ask(desk, TrailOn(trail=Trail(distance_ticks=20)))
    assert verdict.kind == "accepted", verdict.text
    for rise in (2, 6, 4, 9, 7):
        sim.set_price(MNQ, PRICE + rise)
        await asyncio.sleep(0.3)
        seen.append(leg(sim, "-SL").stop_price)
    best = PRICE + 9 - 20 * TICK
    await until(lambda: abs(leg(sim, "-SL").stop_price - best) <= TICK)
    seen.append(leg(sim, "-SL").stop_price)
    assert seen == sorted(seen)
    assert seen[-1] > first
    writes = len(requests_to(sim, MODIFY))
    assert 2 <= writes <= 6
    sim.set_price(MNQ, PRICE + 3)
    state = await desk.state_when(is_flat)
    assert [end["reason"] for end in state["last_exits"]] == ["trailing"]


async def test_a_person_moves_the_legs_and_the_simulator_shows_it(sim: SimServer, desk: RunningDesk) -> None:
    await enter(desk)
    assert (await ask(desk, MoveStop(price=PRICE - 10))).kind == "accepted"
    assert (await ask(desk, MoveTarget(price=PRICE + 30))).kind == "accepted"
    await until(lambda: leg(sim, "-SL").stop_price == PRICE - 10 and leg(sim, "-TP").limit_price == PRICE + 30)
    denied = await ask(desk, MoveStop(price=PRICE - 12))
    assert denied.text == f"a stop only moves towards less risk; the position's stop is at {PRICE - 10}"
    await desk.state_when(lambda state: not state["plans"])


@pytest.mark.parametrize("fault", ["reply lost", "not carried out", "429"])
async def test_a_move_gets_there_over_a_bad_wire(sim: SimServer, desk: RunningDesk, fault: str) -> None:
    await enter(desk)
    match fault:
        case "reply lost":
            sim.faults.next("modify").drops_after_execution()
        case "not carried out":
            sim.faults.next("modify").drops_before_execution()
        case _:
            sim.faults.next("modify").refuses(429, retry_after_s=0.2)
    await ask(desk, MoveStop(price=PRICE - 10))
    await until(lambda: leg(sim, "-SL").stop_price == PRICE - 10)
    await desk.state_when(lambda state: not state["plans"])
    assert len(requests_to(sim, MODIFY)) <= 2
