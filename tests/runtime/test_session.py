"""One run as a whole: how it ends when a part of it dies, and what it leaves behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from desk.bots import BotSetup
from desk.core.errors import Unavailable
from desk.core.events import TimerFired
from desk.core.ids import GatewayOrderId
from desk.core.orders import OrderRequest
from desk.core.secret import Secret
from desk.engine import Context
from desk.gateway import GatewayClient, GatewayConfig, HubPool, auth
from desk.runtime import Executor, Phase
from desk.runtime.config import BarsConfig, StartConfig
from desk.runtime.session import Session, SessionConfig
from desk.runtime.stop import Stage, run_stages
from desk.runtime.tiers import Tier
from desk.sim import SimServer
from desk.store import Journal, open_journal
from tests.daemon import BOT, SCALE, alert, enter, is_flat, is_protected, places, quiet_sim, running_desk, until
from tests.runtime.test_pagestore import KEY, Shelf, page
from tests.runtime.words import alert_event


class Breaking(Session):
    """The engine meets a broken invariant as soon as ``breaks`` is set."""

    breaks = False

    def _context(self, is_journal_ok: bool) -> Context:
        assert not self.breaks, "a broken invariant"
        return super()._context(is_journal_ok)


@pytest.fixture
async def sim() -> AsyncIterator[SimServer]:
    async with quiet_sim() as server:
        yield server


@pytest.fixture
async def session(tmp_path: Path) -> AsyncIterator[Breaking]:
    async with open_journal(tmp_path) as journal:
        yield make(journal, tmp_path)


def make(journal: Journal, folder: Path, tiers: Sequence[Tier] = ()) -> Breaking:
    config = SessionConfig(
        mode="paper",
        data_dir=folder,
        bots=(BotSetup(BOT, token=Secret("a-token")),),
        start=StartConfig(None, False, ("MNQ",), (), ()),
    )
    return Breaking(journal, config, tiers)


async def serve(
    session: Session,
    sim: SimServer,
    surface: Coroutine[Any, Any, None],
    client: type[GatewayClient] = GatewayClient,
) -> None:
    """As ``trading_bot.py`` puts it together; never longer than the stages of the stop may take."""
    config = GatewayConfig(sim.url, sim.user_hub_url, sim.market_hub_url, "paper", Secret("paper"), timeout_s=5)
    async with asyncio.timeout(12 * SCALE), AsyncExitStack() as stack:
        await stack.enter_async_context(session.main_loop_running())
        gateway = await stack.enter_async_context(client(config))
        pool = await stack.enter_async_context(HubPool())
        executor = await stack.enter_async_context(Executor(gateway, session.desk.inbox, session.desk.clock))
        await session.serve(gateway, pool, executor, surface)


async def test_a_main_loop_that_dies_ends_the_run_with_its_error(session: Breaking, sim: SimServer) -> None:
    asked: list[BaseException] = []

    async def surface() -> None:
        await session.is_ready.wait()
        session.breaks = True
        for number in (1, 2):  # the one that it died of, and one that comes too late
            with pytest.raises(Unavailable) as refused:
                await session.desk.ask(alert_event(number, session.desk.clock.now()))
            asked.append(refused.value)

    with pytest.raises(AssertionError, match="a broken invariant"):
        await serve(session, sim, surface())
    assert len(asked) == 2
    assert session.desk.phase is Phase.STOPPING


async def test_a_background_task_that_dies_ends_the_run_with_its_error(session: Breaking, sim: SimServer) -> None:
    async def surface() -> None:
        await session.is_ready.wait()
        raise RuntimeError("a bug in a surface")

    with pytest.raises(RuntimeError, match="a bug in a surface"):
        await serve(session, sim, surface())
    assert session.desk.state.is_stopping


async def test_what_trading_does_not_need_may_die_without_ending_the_run(session: Breaking, sim: SimServer) -> None:
    async def breaks() -> None:
        raise OverflowError("a bug in the recorder")

    async def surface() -> None:
        await session.is_ready.wait()
        session._run_beside(breaks(), "tick recorder")
        await until(lambda: "tick recorder" in session.desk.troubles)
        assert "trading goes on" in session.desk.troubles["tick recorder"]
        assert not session.desk.stop.is_set()
        session.desk.stop.set()

    await serve(session, sim, surface())


async def test_bars_are_written_at_the_end_although_the_last_ones_do_not_come(
    session: Breaking, sim: SimServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[bool] = []

    async def never() -> None:
        await asyncio.Event().wait()

    async def flush() -> None:
        written.append(True)

    async def surface() -> None:
        await session.is_ready.wait()
        monkeypatch.setattr(session._keeper, "newest", never)
        monkeypatch.setattr(session.desk.history, "flush", flush)
        session.desk.stop.set()

    await serve(session, sim, surface())
    assert written


class BreakingClient(GatewayClient):
    async def place(self, order: OrderRequest) -> GatewayOrderId:
        raise RuntimeError("a bug in a lane")


async def test_a_lane_that_dies_ends_the_run_with_its_error(session: Breaking, sim: SimServer) -> None:
    async def surface() -> None:
        await session.is_ready.wait()
        await session.desk.ask(alert_event(1, session.desk.clock.now(), "enter_long"))
        await asyncio.Event().wait()

    with pytest.raises(BaseExceptionGroup) as failed:
        await serve(session, sim, surface(), BreakingClient)
    assert failed.group_contains(RuntimeError, match="a bug in a lane")


async def test_a_stop_before_the_start_is_done_ends_in_order(session: Breaking, sim: SimServer) -> None:
    sim.faults.next("login").hangs()

    async def surface() -> None:
        await until(lambda: sim.requests)
        session.desk.stop.set()

    await serve(session, sim, surface())
    assert not session.is_ready.is_set()


async def test_reports_after_the_stop_harm_nobody(session: Breaking, sim: SimServer) -> None:
    async def surface() -> None:
        await session.is_ready.wait()
        session.desk.stop.set()

    await serve(session, sim, surface())
    session.desk.inbox.put(TimerFired(key="late", ts=session.desk.clock.now()))


async def test_the_next_start_folds_what_the_last_one_knew(sim: SimServer, tmp_path: Path) -> None:
    async with running_desk(sim.url, tmp_path) as desk:
        await desk.ready()
        await desk.post(alert())
        await desk.state_when(is_protected)
    async with running_desk(sim.url, tmp_path) as desk:
        await desk.ready()
        assert is_protected(await desk.get("/api/state"))
        assert (await desk.post(alert()))[1]["verdict"] == "duplicate"
    assert len(places(sim)) == 1


async def test_a_stage_that_fails_or_is_late_does_not_keep_the_next_one_from_running(unit: float) -> None:
    ran: list[str] = []

    async def fails() -> str | None:
        ran.append("fails")
        raise RuntimeError("a bug in a stage")

    async def hangs() -> str | None:
        ran.append("hangs")
        await asyncio.Event().wait()
        return None

    async def works() -> str | None:
        ran.append("works")
        return None

    await run_stages((Stage("one", 1, fails), Stage("two", unit, hangs), Stage("three", 1, works)))
    assert ran == ["fails", "hangs", "works"]


async def test_the_trades_that_were_asked_for_are_on_disk_after_the_stop(tmp_path: Path) -> None:
    async with SimServer() as sim, open_journal(tmp_path) as journal:
        plain = make(journal, tmp_path)
        session = Session(journal, replace(plain.config, bars=BarsConfig(record_ticks=("MNQ",))))

        async def surface() -> None:
            await session.is_ready.wait()
            assert session._ticks is not None
            await until(lambda: session._ticks is not None and len(session._ticks._waiting) > 3)
            session.desk.stop.set()

        await serve(session, sim, surface())
    files = [path for path in (tmp_path / "paper" / "ticks").rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".parquet"}
    assert all(path.parent.name == "CON.F.US.MNQ.Z26" for path in files)


async def test_bars_are_written_at_the_stop_though_the_last_ones_never_come(tmp_path: Path) -> None:
    shelf = Shelf("archive", {})
    async with open_journal(tmp_path) as journal:
        session = make(journal, tmp_path, [shelf])
        session.desk.history.store.add(KEY, page(10).bars, page(10).covered)
        session._last_bars = asyncio.create_task(asyncio.Event().wait())
        await run_stages((Stage("bars are written", 0.1, session._write_bars),))
        assert list(shelf.pages) == [KEY]
        session._last_bars.cancel()


@pytest.mark.parametrize(("fault", "says"), [("no subscription", "subscription"), ("503", "not available")])
async def test_a_login_that_fails_later_is_shown_and_tried_again(
    sim: SimServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, says: str
) -> None:
    """Cause: a final refusal counted until the next start. No exit was sent any more, and health had no word of it."""
    monkeypatch.setattr(auth, "FINAL_COUNTS_S", 0.5)
    async with running_desk(sim.url, tmp_path) as desk:
        await desk.ready()
        await enter(desk)
        sim.expire_tokens()
        if fault == "503":
            sim.faults.next("login", times=3).refuses(503)
        else:
            sim.faults.next("login").rejects(9)
        await desk.post(alert("exit"))
        state = await desk.state_when(lambda state: "login" in state["troubles"])
        assert says in state["troubles"]["login"]
        state = await desk.state_when(is_flat)
        assert "login" not in state["troubles"]
        assert not sim.positions
