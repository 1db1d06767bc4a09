"""The daemon as its owner starts it: what it says when it cannot start, how it stops."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType

import aiohttp
import pytest

import trading_bot
from desk.sim import SimServer
from tests.daemon import (
    API_TOKEN,
    ROOT,
    SCALE,
    START_S,
    WEBHOOK_TOKEN,
    Daemon,
    Doors,
    agrees,
    alert,
    enter,
    is_protected,
    places,
    process,
    quiet_sim,
    requests_to,
    until,
    working,
)

CANCEL, CLOSE = "/api/Order/cancel", "/api/Position/closeContract"
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's limits are set from outside on Linux only")


@pytest.fixture
async def sim() -> AsyncIterator[SimServer]:
    async with quiet_sim() as server:
        yield server


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def daemon(sim: SimServer, tmp_path: Path) -> AsyncIterator[Daemon]:
    async with process(tmp_path, sim.url) as one:
        yield one


# -- stopped -----------------------------------------------------------------------------------------------------------


async def test_sigterm_ends_with_0_in_time_and_the_stops_stay_at_the_venue(
    sim: SimServer, daemon: Daemon, http: aiohttp.ClientSession
) -> None:
    doors = await daemon.start(http)
    await enter(doors)
    began = time.monotonic()
    assert await daemon.stop() == 0
    assert time.monotonic() - began < 5 * SCALE
    assert [position.size for position in sim.positions] == [2]
    assert len(working(sim)) == 2
    assert not requests_to(sim, CANCEL)
    assert "Traceback" not in daemon.err
    assert daemon.events("stop.stage_done")[0]["stage"] == "doors answer 503"


async def test_sigterm_during_a_slow_place_waits_for_its_answer(
    sim: SimServer, daemon: Daemon, http: aiohttp.ClientSession
) -> None:
    doors = await daemon.start(http)
    sim.faults.next("place").delays(1200)
    _, answer = await doors.post(alert())
    await until(lambda: places(sim))
    assert await daemon.stop() == 0
    assert daemon.events("stop.leftovers") == []
    doors = await daemon.start(http)
    state = await doors.state_when(lambda state: is_protected(state) and agrees(state, sim))
    assert state["positions"][0]["cause"] == answer["alert_id"]
    assert len(places(sim)) == 1


async def test_a_second_signal_leaves_at_once(sim: SimServer, daemon: Daemon, http: aiohttp.ClientSession) -> None:
    doors = await daemon.start(http)
    sim.faults.next("place").hangs()
    await doors.post(alert())
    await until(lambda: places(sim))
    daemon.ask_to_stop(signal.SIGINT)
    await until(lambda: "stopping" in daemon.err)
    status, _ = await doors.post(alert(id="while stopping"))
    assert status == 503
    daemon.ask_to_stop(signal.SIGINT)
    assert await daemon.exit_code(timeout_s=2 * SCALE) == 130


async def test_a_gateway_that_is_away_does_not_delay_the_stop(
    tmp_path: Path, unused_tcp_port: int, http: aiohttp.ClientSession
) -> None:
    async with process(tmp_path, f"http://127.0.0.1:{unused_tcp_port}") as daemon:
        doors = await daemon.start(http, lambda state: "login" in state["troubles"])
        assert (await doors.post(alert()))[1]["verdict"] == "held"
        assert await daemon.stop() == 0
        assert "Traceback" not in daemon.err


async def test_a_stop_during_an_exit_does_not_leave_the_position_without_a_stop(
    tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    """Cause: the exit had cancelled the legs and was reading; the settling stage gave it 0.9 s and ended the program."""
    async with quiet_sim(latency_ms={"positions": 1200}) as sim, process(tmp_path, sim.url) as daemon:
        doors = await daemon.start(http)
        await enter(doors)
        await doors.post(alert(id="out", action="exit"))
        await until(lambda: requests_to(sim, CANCEL))
        assert await daemon.stop() == 0
        assert not sim.positions or working(sim), "flat, or still with its stop"


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such signal")
@pytest.mark.usefixtures("_hang_up_ends")
async def test_a_terminal_that_goes_away_stops_it_in_order(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    """Cause: SIGHUP ended it like kill -9, here after the exit had cancelled the stop. Shell and system may both send it."""
    async with quiet_sim(latency_ms={"positions": 1200}) as sim, process(tmp_path, sim.url) as daemon:
        doors = await daemon.start(http)
        await enter(doors)
        await doors.post(alert(id="out", action="exit"))
        await until(lambda: requests_to(sim, CANCEL))
        daemon.ask_to_stop(signal.SIGHUP)
        daemon.ask_to_stop(signal.SIGHUP)
        assert await daemon.exit_code() == 0
        assert not sim.positions or working(sim), "flat, or still with its stop"


class Mute(Daemon):
    """Started as by pythonw.exe, or with closed descriptors."""

    program = ("-c", "import os, sys; os.close(1); os.close(2); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])",
               *Daemon.program)  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="another way leads there")
async def test_without_standard_streams_it_runs_as_well(
    sim: SimServer, tmp_path: Path, http: aiohttp.ClientSession, unused_tcp_port: int
) -> None:
    """Cause: the banner asked a stream that is not there whether it is a terminal, and that ended the program."""
    daemon = Mute(tmp_path, sim.url, API_PORT=str(unused_tcp_port))
    daemon.spawn()
    try:
        assert daemon.process is not None
        private, key = f"http://127.0.0.1:{unused_tcp_port}", {"Authorization": f"Bearer {API_TOKEN}"}
        is_ready = False
        async with asyncio.timeout(10 * SCALE):
            while not is_ready:
                await asyncio.sleep(0.05)
                assert daemon.process.poll() is None, "it ended"
                try:
                    async with http.get(f"{private}/api/state", headers=key) as answer:
                        is_ready = (await answer.json())["ready"]
                except aiohttp.ClientConnectionError:
                    pass  # not yet
        assert await daemon.stop() == 0
    finally:
        daemon.kill()


@pytest.mark.skipif(sys.platform == "win32", reason="another kind of pipe")
async def test_a_reader_that_stops_reading_does_not_stop_the_desk(
    sim: SimServer, daemon: Daemon, http: aiohttp.ClientSession
) -> None:
    """Cause: a pager, or a paused terminal: the next line of the log waited for it, and everything else for the line."""
    doors = await daemon.start(http)
    await daemon.stop()
    ours, its = os.pipe()
    os.set_blocking(its, False)
    try:
        while True:
            os.write(its, b"." * 65536)
    except BlockingIOError:
        os.set_blocking(its, True)  # it is full, and nobody reads
    daemon.log_to = its
    try:
        await trades_unread(daemon, doors)
    finally:
        os.close(ours)
        os.close(its)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
async def test_a_terminal_that_stands_still_does_not_stop_the_desk(
    sim: SimServer, daemon: Daemon, http: aiohttp.ClientSession
) -> None:
    """Cause: the console draws from the event loop, and waited there for the terminal."""
    import pty

    doors = await daemon.start(http)
    await daemon.stop()
    ours, its = pty.openpty()
    daemon.out_to = daemon.log_to = its
    try:
        await trades_unread(daemon, doors, terminal=its)
    finally:
        os.close(ours)
        os.close(its)


async def trades_unread(daemon: Daemon, doors: Doors, terminal: int | None = None) -> None:
    """Starts it once more, on the same ports, with output that nobody reads, and trades until it would have filled up."""
    daemon.settings |= {"API_PORT": doors.private.rpartition(":")[2], "WEBHOOK_PORT": doors.public.rpartition(":")[2]}
    daemon.spawn(with_console=terminal is not None, stdin=subprocess.DEVNULL if terminal is None else terminal)
    state: dict[str, object] = {}
    async with asyncio.timeout(10 * SCALE):
        while not state.get("ready"):
            await asyncio.sleep(0.05)
            try:
                state = await doors.get("/api/state")
            except aiohttp.ClientConnectionError:
                pass  # not yet
    for number in range(100):
        status, _ = await doors.post(alert("note", id=f"note {number}"))
        assert status == 200
    await enter(doors)
    assert await daemon.stop() == 0


async def test_whoever_leaves_at_once_during_an_exit_is_told_that_there_may_be_no_stop(
    tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    """Cause: it said that protective stops are at the venue, which the exit had just cancelled."""
    async with quiet_sim(latency_ms={"positions": 3000}) as sim, process(tmp_path, sim.url) as daemon:
        doors = await daemon.start(http)
        await enter(doors)
        await doors.post(alert(id="out", action="exit"))
        await until(lambda: requests_to(sim, CANCEL) and not working(sim))
        daemon.ask_to_stop(signal.SIGINT)
        await until(lambda: "stopping" in daemon.err)
        daemon.ask_to_stop(signal.SIGINT)
        assert await daemon.exit_code() == 130
        assert sim.positions, "this is about one that is left"
        said = next(line for line in daemon.err.splitlines() if line.startswith("second signal"))
        assert "NO STOP" in said, said
        assert "stops are at the venue" not in said


# -- refuses to start --------------------------------------------------------------------------------------------------


async def refused(daemon: Daemon, code: int) -> str:
    """What a daemon that does not start says to a person: standard error without log lines."""
    daemon.spawn()
    assert await daemon.exit_code(START_S) == code, daemon.err
    assert "Traceback" not in daemon.err
    return "\n".join(line for line in daemon.err.splitlines() if not line.startswith("{"))


async def test_a_second_start_names_the_first_ones_process(
    sim: SimServer, daemon: Daemon, http: aiohttp.ClientSession
) -> None:
    await daemon.start(http)
    assert daemon.process is not None
    (daemon.folder / "second").mkdir()
    async with process(daemon.folder / "second", sim.url, DATA_DIR=daemon.settings["DATA_DIR"]) as second:
        said = await refused(second, 1)
        assert str(daemon.process.pid) in said
        assert len(said.splitlines()) == 1


@pytest.mark.parametrize("setting", ["WEBHOOK_PORT", "API_PORT"])
async def test_a_taken_port_is_named_with_its_setting(sim: SimServer, tmp_path: Path, setting: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        async with process(tmp_path, sim.url, **{setting: port}) as daemon:
            said = await refused(daemon, 2)
    assert port in said
    assert setting in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
async def test_an_address_of_another_computer_is_named_with_its_setting(
    sim: SimServer, tmp_path: Path, host: str
) -> None:
    async with process(tmp_path, sim.url, WEBHOOK_HOST=host) as daemon:
        said = await refused(daemon, 2)
        assert "WEBHOOK_HOST" in said
        assert host in said


async def test_a_file_where_the_paper_accounts_belong_is_one_clear_refusal(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "paper").touch()
    async with process(tmp_path, None) as daemon:
        assert "DATA_DIR" in await refused(daemon, 2)


async def test_wrong_credentials_are_one_clear_line(tmp_path: Path) -> None:
    async with quiet_sim(users={"paper": "another-key"}) as sim, process(tmp_path, sim.url) as daemon:
        said = await refused(daemon, 1)
        assert "PROJECT_X_API_KEY" in said
        assert len(said.splitlines()) == 1
        assert len(requests_to(sim, "/api/Auth/loginKey")) == 1, "a final refusal is not repeated"


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
async def test_a_refused_login_ends_the_console_too(tmp_path: Path) -> None:
    import pty

    slow = quiet_sim(users={"paper": "another-key"}, latency_ms={"login": 700})
    async with slow as sim, process(tmp_path, sim.url) as daemon:
        ours, its = pty.openpty()
        try:
            daemon.spawn(with_console=True, stdin=its)
            assert await daemon.exit_code(START_S) == 1, daemon.err
            assert "PROJECT_X_API_KEY" in daemon.err
            assert "Traceback" not in daemon.err
        finally:
            os.close(its)
            os.close(ours)


async def test_bad_settings_are_all_named_at_once(tmp_path: Path) -> None:
    wrong = {"API_TIMEOUT": "soon", "POSITION_SIZE": "0", "TRADING_MODE": "real", "WEBHOOK_PORT": "99999"}
    async with process(tmp_path, None, **wrong) as daemon:
        said = await refused(daemon, 2)
        assert all(key in said for key in wrong), said
        assert not (tmp_path / "data").exists()


async def test_a_pool_that_is_too_small_for_both_hubs_is_a_wrong_setting(sim: SimServer, tmp_path: Path) -> None:
    async with process(tmp_path, sim.url, WEBSOCKET_POOL_MAX_SIZE="1") as daemon:
        assert "WEBSOCKET_POOL_MAX_SIZE" in await refused(daemon, 2)


async def test_paper_accounts_of_another_seed_are_one_clear_refusal(
    tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    async with process(tmp_path, None, PAPER_SEED="7") as daemon:
        await daemon.start(http)
        assert await daemon.stop() == 0
    async with process(tmp_path, None, PAPER_SEED="8") as daemon:
        said = await refused(daemon, 2)
        assert "PAPER_SEED" in said
        assert "DATA_DIR" in said


async def test_damaged_paper_accounts_are_one_clear_refusal(tmp_path: Path) -> None:
    (tmp_path / "data" / "paper").mkdir(parents=True)
    (tmp_path / "data" / "paper" / "gateway.sqlite3").write_bytes(b"not a database" * 100)
    async with process(tmp_path, None) as daemon:
        assert "cannot be used" in await refused(daemon, 2)


class Interrupted(ModuleType):
    def __getattr__(self, name: str) -> None:
        raise KeyboardInterrupt


def test_ctrl_c_while_it_reads_its_own_files_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "load_env", Interrupted("load_env"))
    assert trading_bot.main(["--no-console"]) == 130


def test_help_comes_at_once() -> None:
    before = os.times()
    shown = subprocess.run([sys.executable, "trading_bot.py", "--help"], cwd=ROOT, capture_output=True, text=True)
    assert shown.returncode == 0
    assert "--no-console" in shown.stdout
    after = os.times()
    assert after.children_user + after.children_system < before.children_user + before.children_system + 1, "seconds"


# -- live is shadow ----------------------------------------------------------------------------------------------------


def live(sim: SimServer, folder: Path, **more: str) -> dict[str, str]:
    return {
        "TRADING_MODE": "live",
        "PROJECT_X_USERNAME": "paper",
        "PROJECT_X_API_KEY": "paper",
        "PROJECT_X_ACCOUNT_ID": "21000002",
        "PROJECT_X_API_URL": sim.url,
        "PROJECT_X_USER_HUB_URL": sim.user_hub_url,
        "PROJECT_X_MARKET_HUB_URL": sim.market_hub_url,
        "WEBHOOK_ALLOWED_IPS": "any",
        "HOME": str(folder),
    } | more


READS = ("Auth", "Account", "Contract", "History", "Order/search", "Order/v2/query", "Position/search", "Trade/search")


async def test_live_decides_and_journals_and_writes_nothing(
    sim: SimServer, tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    async with process(tmp_path, None, **live(sim, tmp_path)) as daemon:
        doors = await daemon.start(http)
        status, answer = await doors.post(alert())
        assert (status, answer["verdict"], answer["reason"]) == (200, "would_send", "SHADOW")
        assert (await doors.post(alert()))[1]["verdict"] == "duplicate"
        assert (await doors.command("flatten yes"))["data"]["verdict"] == "would_send"
        assert "would send" in json.dumps(await doors.get(f"/api/alerts/{answer['alert_id']}"))
        assert await daemon.stop() == 0
    assert [row.path for row in sim.requests if not row.path.startswith(tuple(f"/api/{read}" for read in READS))] == []
    assert sim.orders == []


async def test_live_with_an_account_that_is_not_there_lists_those_that_are(sim: SimServer, tmp_path: Path) -> None:
    async with process(tmp_path, None, **live(sim, tmp_path, PROJECT_X_ACCOUNT_ID="4711")) as daemon:
        said = await refused(daemon, 2)
        assert "PROJECT_X_ACCOUNT_ID=4711" in said
        assert all(str(account.id) in said for account in sim.accounts)


# -- secrets ----------------------------------------------------------------------------------------------------------


async def test_secrets_appear_in_no_log_no_journal_and_no_answer(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    key = "a-gateway-key-of-tests"
    async with quiet_sim(users={"paper": key}) as sim:
        settings = live(sim, tmp_path, PROJECT_X_API_KEY=key, LOG_LEVEL="DEBUG")
        async with process(tmp_path, None, **settings) as daemon:
            doors = await daemon.start(http)
            answers = [await doors.post(alert(secret=WEBHOOK_TOKEN))]
            async with http.post(f"{doors.public}/webhook", json=alert(id="b", secret=WEBHOOK_TOKEN)) as answer:
                answers.append((answer.status, await answer.json()))
            answers.append(await doors.post(f'{{"secret": "{WEBHOOK_TOKEN}", broken'.encode()))
            assert [status for status, _ in answers] == [200] * 3
            await doors.post(alert(), token="wrong" + WEBHOOK_TOKEN)
            await sim.drop_hubs("user")
            told = json.dumps([answers, await doors.get("/api/alerts"), await doors.get("/api/state")])
            told += json.dumps([await doors.command(line) for line in ("status", "alerts", "accounts")])
            assert await daemon.stop() == 0
        kept = [path for path in tmp_path.rglob("*") if path.is_file() and not path.name.startswith("out")]
        data = b"".join(path.read_bytes() for path in kept) + told.encode()
    assert len(kept) > 3
    for secret in (WEBHOOK_TOKEN, API_TOKEN, key, "eyJ"):
        assert secret.encode() not in data, secret
