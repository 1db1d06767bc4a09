"""What moves on the terminal while a command runs, with keys pressed by a test."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.data_structures import Size
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output.vt100 import Vt100_Output

from desk.core.errors import Unavailable
from desk.runtime.history import HistoryReply
from desk.runtime.tiers import Progress as Fetched
from desk.surfaces.attending import Attending
from desk.surfaces.calls import Caller, Interrupted, Urls
from desk.surfaces.console import run_console
from desk.surfaces.progress import Progress, progress_line
from desk.surfaces.sheet import Line
from tests.surfaces.room import Room

URLS = Urls("http://127.0.0.1:8080", "http://127.0.0.1:8081")
CTRL_C = "\x03"


@pytest.fixture
def screen() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def keys(screen: io.StringIO) -> Iterator[PipeInput]:
    output = Vt100_Output(screen, lambda: Size(rows=30, columns=80), enable_cpr=False)
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=output):
        yield pipe


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("desk.surfaces.attending.QUICK_S", 0.01)
    monkeypatch.setattr("desk.surfaces.attending.REFRESH_S", 0.02)


async def answer(after_s: float = 0.0) -> str:
    await asyncio.sleep(after_s)
    return "done"


@pytest.mark.usefixtures("keys")
async def test_quick_work_shows_nothing(screen: io.StringIO) -> None:
    assert await Attending().attend(answer(), lambda: "half way") == "done"
    assert "half way" not in screen.getvalue()


@pytest.mark.usefixtures("keys")
async def test_long_work_shows_how_far_it_is_and_gives_its_result(screen: io.StringIO, unit: float) -> None:
    assert await Attending().attend(answer(4 * unit), lambda: "half way") == "done"
    assert "half way" in screen.getvalue()


async def test_an_interrupt_cancels_the_work_and_waits_for_its_end(keys: PipeInput, unit: float) -> None:
    ended = False

    async def for_ever() -> None:
        nonlocal ended
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended = True

    asyncio.get_running_loop().call_later(2 * unit, keys.send_text, CTRL_C)
    with pytest.raises(Interrupted):
        async with asyncio.timeout(5):
            await Attending().attend(for_ever(), lambda: "half way")
    assert ended


@pytest.mark.usefixtures("keys")
async def test_a_failure_of_the_work_comes_out(unit: float) -> None:
    async def fails() -> None:
        await asyncio.sleep(unit)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await Attending().attend(fails(), lambda: "half way")


@pytest.mark.parametrize("key", ["q", CTRL_C, "\r", " "])
async def test_a_page_is_drawn_again_until_a_key(keys: PipeInput, screen: io.StringIO, key: str, unit: float) -> None:
    drawn = 0

    def draw() -> tuple[Line, ...]:
        nonlocal drawn
        drawn += 1
        if drawn == 3:
            keys.send_text(key)
        return (Line(f"picture {drawn}", "bold"),)

    async with asyncio.timeout(100 * unit):
        await Attending().show(draw)
    assert drawn >= 3
    assert "picture 1" in screen.getvalue()


async def test_a_long_fetch_is_interrupted_and_the_console_goes_on(
    room: Room, keys: PipeInput, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unit: float
) -> None:
    began, cancelled = asyncio.Event(), asyncio.Event()

    async def slow(*_: object, **__: object) -> HistoryReply:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        raise AssertionError("nobody sets it")

    monkeypatch.setattr(type(room.desk.history), "bars", slow)
    async with asyncio.timeout(10):
        running = asyncio.create_task(run_console(room.desk, tmp_path, URLS, no_color=True))
        keys.send_text("history MNQ\r")
        await began.wait()
        await asyncio.sleep(4 * unit)
        keys.send_text(CTRL_C)
        await cancelled.wait()
        await asyncio.sleep(2 * unit)
        assert not running.done()
        assert not room.desk.stop.is_set()
        keys.send_text("accounts\r")
        await asyncio.sleep(2 * unit)
        keys.send_text("quit\r")
        await running


@pytest.mark.parametrize(("interrupt", "runs"), [("", True), (CTRL_C, False)])
async def test_what_is_typed_during_a_long_fetch_is_the_next_line(
    room: Room, keys: PipeInput, tmp_path: Path, screen: io.StringIO, monkeypatch: pytest.MonkeyPatch, unit: float,
    interrupt: str, runs: bool,
) -> None:  # fmt: skip
    """Cause: the progress line took the keys and threw them away. After Ctrl-C it is as elsewhere: they are gone."""
    began, goes_on = asyncio.Event(), asyncio.Event()

    async def slow(*_: object, **__: object) -> HistoryReply:
        began.set()
        await goes_on.wait()
        raise Unavailable("the gateway is away")

    monkeypatch.setattr(type(room.desk.history), "bars", slow)
    async with asyncio.timeout(10):
        running = asyncio.create_task(run_console(room.desk, tmp_path, URLS, no_color=True))
        keys.send_text("history MNQ\r")
        await began.wait()
        await asyncio.sleep(4 * unit)
        keys.send_text("accounts\rhel" + interrupt)
        await asyncio.sleep(4 * unit)
        goes_on.set()
        await asyncio.sleep(4 * unit)
        keys.send_text("p quit\r")
        await asyncio.sleep(2 * unit)
        assert ("PAPER-50K" in screen.getvalue()) is runs
        assert ("stop the daemon; protective stops" in screen.getvalue()) is runs
        keys.send_text("quit\r")
        await running


def test_the_line_tells_share_bars_and_seconds() -> None:
    caller = Caller(by="console", urls=URLS)
    progress = Progress("MNQZ6 1m", began=100.0, has_end=True)
    assert progress_line(progress, 101.0, caller) == f"MNQZ6 1m  {'░' * 24}    0%  0 bars  1 s  Ctrl-C stops"
    progress.told(Fetched(bars=12_345, fetched_s=50, wanted_s=100))
    line = progress_line(progress, 103.4, caller)
    assert line == f"MNQZ6 1m  {'█' * 12}{'░' * 12}   50%  12,345 bars  3 s  Ctrl-C stops"
    assert len(line) < 80
    progress.told(Fetched(bars=1, fetched_s=500, wanted_s=100))
    assert "100%" in progress_line(progress, 99.0, caller)


def test_nobody_invents_a_share() -> None:
    line = progress_line(Progress("MNQZ6 1m", began=0.0), 2.0, Caller(by="console", urls=URLS))
    assert line == "MNQZ6 1m  2 s  Ctrl-C stops"
