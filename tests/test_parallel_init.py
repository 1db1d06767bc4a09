"""The start: login first, then everything at once, each part on its own, the history cache never in the way.

What overlaps is read from the simulator's request log, not from our own timers.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from desk.bots import BotSetup
from desk.core.errors import AuthFailed
from desk.core.secret import Secret
from desk.gateway import GatewayClient, GatewayConfig, HubPool
from desk.runtime.config import StartConfig
from desk.runtime.executor import Executor
from desk.runtime.session import Session, SessionConfig
from desk.sim import SimServer
from desk.store import open_journal
from tests.daemon import BOT, WEBHOOK_TOKEN, RunningDesk, quiet_sim, requests_to, running_desk, until

LOGIN, ACCOUNTS = "/api/Auth/loginKey", "/api/Account/search"
CONTRACTS, HISTORY = "/api/Contract/available", "/api/History/retrieveBars"
LATENCY_MS = {"login": 120, "accounts": 800, "contracts": 300, "history": 800}  # long beside what a busy machine adds


@pytest.fixture
async def slow_sim() -> AsyncIterator[SimServer]:
    async with quiet_sim(latency_ms=LATENCY_MS) as sim:
        yield sim


def first(sim: SimServer, path: str) -> Any:
    return requests_to(sim, path)[0]


def do_overlap(*rows: Any) -> bool:
    return max(row.started for row in rows) < min(row.ended for row in rows)


def steps(desk: RunningDesk) -> dict[str, Any]:
    """The parts that have ended, or failed so far."""
    return {step.name: step for step in desk.session.desk.steps if not step.is_running}


async def started(desk: RunningDesk) -> None:
    """Ready, and the parts that readiness does not wait for have ended, too."""
    await desk.ready()
    await until(lambda: {"history cache", "market hub"} <= set(steps(desk)))


async def test_nothing_is_asked_before_the_login_has_ended(slow_sim: SimServer, tmp_path: Path) -> None:
    async with running_desk(slow_sim.url, tmp_path) as desk:
        await started(desk)
        login = first(slow_sim, LOGIN)
        assert slow_sim.requests[0] is login
        assert all(row.started >= login.ended for row in slow_sim.requests[1:])
        hubs = slow_sim.hub_history("user") + slow_sim.hub_history("market")
        assert len(requests_to(slow_sim, LOGIN)) == 1
        assert len(hubs) == 2


async def test_a_start_asks_for_each_thing_once_and_for_each_accounts_state_once(
    slow_sim: SimServer, tmp_path: Path
) -> None:
    """Every request counts against the gateway's budget; history has one of its own."""
    async with running_desk(slow_sim.url, tmp_path) as desk:
        await started(desk)
        await desk.gateway.ping()
    asked = Counter(row.path for row in slow_sim.requests)
    state = ("Position/searchOpen", "Order/v2/query", "Order/search", "Trade/search")
    assert {path: asked[path] for path in (LOGIN, ACCOUNTS, CONTRACTS)} == {LOGIN: 1, ACCOUNTS: 1, CONTRACTS: 1}
    assert {path: asked[f"/api/{path}"] for path in state} == dict.fromkeys(state, len(slow_sim.accounts))


async def test_accounts_and_contracts_really_overlap_at_the_gateway(slow_sim: SimServer, tmp_path: Path) -> None:
    async with running_desk(slow_sim.url, tmp_path) as desk:
        await started(desk)
    assert do_overlap(first(slow_sim, ACCOUNTS), first(slow_sim, CONTRACTS))


async def test_the_history_cache_overlaps_with_the_accounts(slow_sim: SimServer, tmp_path: Path) -> None:
    async with running_desk(slow_sim.url, tmp_path) as desk:
        await started(desk)
    assert do_overlap(first(slow_sim, ACCOUNTS), first(slow_sim, HISTORY))


async def test_both_hubs_connect_while_the_accounts_are_read(slow_sim: SimServer, tmp_path: Path) -> None:
    async with running_desk(slow_sim.url, tmp_path) as desk:
        await started(desk)
    accounts = first(slow_sim, ACCOUNTS)
    for hub in ("user", "market"):
        (connection,) = slow_sim.hub_history(hub)
        assert accounts.started <= connection.opened <= accounts.ended, hub


async def test_every_parallel_part_starts_and_is_on_the_timeline(slow_sim: SimServer, tmp_path: Path) -> None:
    async with running_desk(slow_sim.url, tmp_path) as desk:
        await started(desk)
        names = {"login", "accounts", "contracts", "market hub", "user hub", "history cache", "reconcile"}
        assert set(steps(desk)) == names
        assert all(step.error is None for step in steps(desk).values())
        login, accounts, contracts = (steps(desk)[name] for name in ("login", "accounts", "contracts"))
        assert accounts.began_s >= login.ended_s
        assert contracts.began_s < accounts.ended_s


async def test_a_slow_history_never_delays_readiness(tmp_path: Path) -> None:
    async with quiet_sim(latency_ms={"history": 10_000}) as sim, running_desk(sim.url, tmp_path) as desk:
        await desk.ready(timeout_s=8.0)  # before the history is there
        await until(lambda: requests_to(sim, HISTORY))
        assert "history cache" not in steps(desk)


async def test_a_history_that_fails_is_named_and_trading_goes_on(tmp_path: Path) -> None:
    async with quiet_sim() as sim:
        sim.faults.next("history", times=100).rejects(1, "no data today")
        async with running_desk(sim.url, tmp_path) as desk:
            await started(desk)
            trouble = desk.session.desk.troubles["history cache"]
            assert "no data today" in trouble
            assert "trading is not affected" in trouble


async def test_a_lazy_cache_is_filled_at_the_first_history(tmp_path: Path) -> None:
    async with quiet_sim() as sim, running_desk(sim.url, tmp_path, is_cache_lazy=True) as desk:
        await desk.ready()
        await until(lambda: "market hub" in steps(desk))
        assert (await desk.command("accounts"))["ok"]
        assert "history cache" not in steps(desk)
        assert (await desk.command("history MNQ 5m 5"))["ok"]
        await until(lambda: "history cache" in steps(desk))


@pytest.mark.parametrize(("broken", "name"), [("accounts", "accounts"), ("contracts", "contracts")])
async def test_a_part_that_fails_hides_none_of_the_others_and_heals(tmp_path: Path, broken: str, name: str) -> None:
    async with quiet_sim() as sim:
        sim.faults.next(broken, times=1000).refuses(500)
        async with running_desk(sim.url, tmp_path, timeout_s=2.0) as desk:
            part = await until(lambda: steps(desk).get(name))
            assert part.error is not None
            assert "alerts are held" in part.meaning
            healthy = {"accounts", "contracts", "market hub"} - {name}
            await until(lambda: healthy <= set(steps(desk)))
            assert all(steps(desk)[other].error is None for other in healthy)
            assert len(sim.connections("user")) == 1
            state = await desk.get("/api/state")
            assert (state["ready"], state["troubles"].keys()) == (False, {name})
            status, answer = await desk.post({"v": 1, "action": "exit", "symbol": "MNQ"})
            assert (status, answer["verdict"]) == (200, "held")
            sim.faults.clear()
            await started(desk)
            assert desk.session.desk.troubles == {}
            assert steps(desk)[name].error is None


@pytest.mark.parametrize("hub", ["market", "user"])
async def test_a_refused_hub_says_what_it_means_and_only_the_user_hub_holds_trading(tmp_path: Path, hub: str) -> None:
    async with quiet_sim() as sim:
        sim.faults.refuse_hub(hub, times=1000)
        async with running_desk(sim.url, tmp_path) as desk:
            state = await desk.state_when(lambda state: f"{hub} hub" in state["troubles"])
            assert "503" in state["troubles"][f"{hub} hub"]
            assert {"accounts", "contracts", "history cache"} <= set(steps(desk))
            if hub == "market":
                assert "still work" in state["troubles"]["market hub"]
                await desk.ready()
            else:
                assert "alerts are held" in state["troubles"]["user hub"]
                assert not state["ready"]


async def test_a_part_without_an_answer_says_so_while_it_waits(tmp_path: Path) -> None:
    async with quiet_sim() as sim:
        sim.faults.next("contracts").hangs()
        async with running_desk(sim.url, tmp_path) as desk:
            state = await desk.state_when(lambda state: "contracts" in state["troubles"])
            assert "no answer yet" in state["troubles"]["contracts"]
            await started(desk)  # the read was asked again
            assert desk.session.desk.troubles == {}


async def serve(session: Session, config: GatewayConfig) -> None:
    """As ``trading_bot.py`` does it, beside something that never ends by itself, like a console."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(session.main_loop_running())
        gateway = await stack.enter_async_context(GatewayClient(config))
        pool = await stack.enter_async_context(HubPool())
        executor = await stack.enter_async_context(Executor(gateway, session.desk.inbox, session.desk.clock))
        await session.serve(gateway, pool, executor, asyncio.sleep(3600))


async def test_a_refused_login_ends_the_start_at_once(tmp_path: Path) -> None:
    token = Secret(WEBHOOK_TOKEN)
    start = StartConfig(None, False, ("MNQ",), (), ())
    async with quiet_sim() as sim, open_journal(tmp_path) as journal:
        hubs = (sim.user_hub_url, sim.market_hub_url)
        wrong = GatewayConfig(sim.url, *hubs, "paper", Secret("a wrong key"))
        config = SessionConfig(
            mode="paper",
            data_dir=tmp_path,
            bots=(BotSetup(BOT, token=token),),
            start=start,
        )
        session = Session(journal, config)
        with pytest.raises(AuthFailed, match="login refused"):
            await serve(session, wrong)
        assert [row.path for row in sim.requests] == [LOGIN]


async def test_the_public_door_takes_alerts_before_the_login(tmp_path: Path) -> None:
    async with quiet_sim(latency_ms={"login": 800}) as sim, running_desk(sim.url, tmp_path) as desk:
        status, answer = await desk.post({"v": 1, "action": "exit", "symbol": "MNQ"})
        assert (status, answer["verdict"]) == (200, "held")
        assert all(row.path == LOGIN for row in sim.requests)
        async with aiohttp.ClientSession() as http, http.get(f"{desk.public}/health") as health:
            assert (health.status, await health.text()) == (200, "ok")
        await desk.ready()
        await desk.state_when(lambda state: not state["held"])
