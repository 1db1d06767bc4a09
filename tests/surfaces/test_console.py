"""The console with its keys pressed by a test: what is typed goes through a pipe, what is drawn into a text."""

from __future__ import annotations

import asyncio
import errno
import io
from pathlib import Path

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output.plain_text import PlainTextOutput

from desk.runtime.desk import Phase
from desk.runtime.signals import Interrupts
from desk.surfaces.calls import Sitting, Urls
from desk.surfaces.console import print_page, prompt_text, run_console, toolbar_text
from desk.surfaces.sheet import Line, Sheet
from tests.surfaces import room as rooms
from tests.surfaces.room import Room

URLS = Urls("http://127.0.0.1:8080", "http://127.0.0.1:8081")
CTRL_C, CTRL_D = "\x03", "\x04"


@pytest.mark.parametrize("typed", ["quit\n", "exit\n", CTRL_D, CTRL_C + CTRL_C, "half a li" + CTRL_C + CTRL_C])
async def test_the_person_can_leave_and_the_daemon_stops(
    room: Room, keys: PipeInput, tmp_path: Path, screen: io.StringIO, typed: str
) -> None:
    async with asyncio.timeout(5):
        running = asyncio.create_task(run_console(room.desk, tmp_path, URLS))
        for key in typed if typed.endswith(CTRL_C) else [typed]:
            keys.send_text(key)
            await asyncio.sleep(0.05)
        await running
    assert room.desk.stop.is_set()
    assert "Stopping. Protective stops stay at the venue." in screen.getvalue()


async def test_one_interrupt_only_clears_the_line(
    room: Room, keys: PipeInput, tmp_path: Path, screen: io.StringIO, unit: float
) -> None:
    async with asyncio.timeout(5):
        running = asyncio.create_task(run_console(room.desk, tmp_path, URLS, no_color=True))
        keys.send_text("flatten ye" + CTRL_C)
        await asyncio.sleep(4 * unit)
        assert not running.done()
        keys.send_text("accounts\n")
        await asyncio.sleep(4 * unit)
        keys.send_text("quit\n")
        await running
    assert not room.events
    assert "PAPER-50K" in screen.getvalue()


async def test_the_console_ends_when_the_daemon_stops_for_another_reason(
    room: Room, keys: PipeInput, tmp_path: Path, unit: float
) -> None:
    del keys
    running = asyncio.create_task(run_console(room.desk, tmp_path, URLS))
    await asyncio.sleep(2 * unit)
    room.desk.stop.set()
    async with asyncio.timeout(1):
        await running


@pytest.mark.parametrize(("answer", "asked"), [("y\n", 1), ("n\n", 0), ("\n", 0), (CTRL_C, 0)])
async def test_flatten_asks_and_takes_only_a_yes(
    room: Room, keys: PipeInput, tmp_path: Path, answer: str, asked: int, unit: float
) -> None:
    room.tell(*rooms.position_records())
    room.on_flatten = lambda event: room.tell(*rooms.flat_records())
    async with asyncio.timeout(5):
        running = asyncio.create_task(run_console(room.desk, tmp_path, URLS))
        keys.send_text("flatten\n")
        await asyncio.sleep(4 * unit)
        keys.send_text(answer)
        await asyncio.sleep(4 * unit)
        keys.send_text("quit\n")
        await running
    assert len(room.events) == asked


async def test_lines_are_remembered_over_a_restart(room: Room, keys: PipeInput, tmp_path: Path) -> None:
    async with asyncio.timeout(5):
        keys.send_text("help\nquit\n")
        await run_console(room.desk, tmp_path, URLS)
    assert "+help" in (tmp_path / "console_history").read_text()


async def test_a_fault_in_a_command_leaves_the_console_alive(
    room: Room, keys: PipeInput, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, screen: io.StringIO
) -> None:
    def fault(*args: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("desk.surfaces.view.view_accounts", fault)
    async with asyncio.timeout(5):
        keys.send_text("accounts\nquit\n")
        await run_console(room.desk, tmp_path, URLS)
    assert "a fault of this program" in screen.getvalue()


async def test_the_toolbar_names_what_a_person_must_see(room: Room) -> None:
    room.tell(*rooms.position_records(stop=None))
    room.desk.phase = Phase.STARTING
    room.desk.troubles["market hub"] = "down"
    text = toolbar_text(room.desk)
    assert text == (" PAPER | starting | user hub DOWN | 1 position, 1 UNPROTECTED | 1 order | trouble: market hub")
    room.desk.mode = "live"
    assert "LIVE-SHADOW" in toolbar_text(room.desk)


async def test_the_prompt_names_another_account_than_the_bots(room: Room) -> None:
    assert prompt_text(room.desk, Sitting()) == "desk> "
    assert prompt_text(room.desk, Sitting(account_id=rooms.ACCOUNT)) == "desk> "
    room.desk.account_id = None
    assert prompt_text(room.desk, Sitting(account_id=rooms.ACCOUNT)) == "desk PAPER-50K> "


def test_a_pipe_gets_plain_text(capsys: pytest.CaptureFixture[str]) -> None:
    print_page((Line("curl " + "x" * 300, "bold red"),))
    assert capsys.readouterr().out == "curl " + "x" * 300 + "\n"


def test_without_colours_a_terminal_keeps_its_width(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    print_page((Sheet.of("symbol,>price,>qty,at", [("MNQZ6", "30996.50", "2", "x" * 40)]),), no_color=True)
    out = capsys.readouterr().out
    assert "symbol MNQZ6  price 30996.50  qty 2" in out
    assert max(map(len, out.splitlines())) <= 46
    assert "\x1b" not in out


async def test_a_fault_in_the_loop_takes_no_prompt_away(room: Room, keys: PipeInput, tmp_path: Path) -> None:
    """prompt_toolkit would print it, and wait for Enter."""
    told: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: told.append(context["exception"]))
    async with asyncio.timeout(5):
        running = asyncio.create_task(run_console(room.desk, tmp_path, URLS))
        await asyncio.sleep(0.05)
        loop.call_soon(lambda: 1 // 0)
        await asyncio.sleep(0.05)
        keys.send_text("quit\n")
        await running
    assert [type(error) for error in told] == [ZeroDivisionError]


# --- Ctrl-C while no prompt reads keys, which is a signal ---------------------------------------------------------------


async def at_work(room: Room, keys: PipeInput, tmp_path: Path, interrupts: Interrupts) -> asyncio.Task[None]:
    """A console whose command waits for the engine's answer, which the room's gate holds back."""
    room.gate.clear()
    running = asyncio.create_task(run_console(room.desk, tmp_path, URLS, no_color=True, interrupts=interrupts))
    keys.send_text("flatten yes\n")
    await room.taken.wait()
    return running


async def test_an_interrupt_leaves_a_command_that_waits_and_stops_nothing(
    room: Room, keys: PipeInput, tmp_path: Path, screen: io.StringIO, unit: float
) -> None:
    """Cause: Ctrl-C while flatten waited stopped the daemon, and with it what waited for its price."""
    interrupts = Interrupts()
    async with asyncio.timeout(10):
        running = await at_work(room, keys, tmp_path, interrupts)
        assert interrupts.offer()
        room.gate.set()
        await room.heard.wait()
        await asyncio.sleep(2 * unit)
        assert not running.done()
        assert not room.desk.stop.is_set()
        keys.send_text("accounts\nquit\n")
        await running
    said = screen.getvalue()
    assert "Not waited for any longer. What was begun goes on" in said
    assert "Ctrl-C again within two seconds stops the daemon." in said
    assert len(room.events) == 1


async def test_a_second_interrupt_stops_the_daemon(room: Room, keys: PipeInput, tmp_path: Path) -> None:
    interrupts = Interrupts()
    async with asyncio.timeout(10):
        running = await at_work(room, keys, tmp_path, interrupts)
        interrupts.offer()
        interrupts.offer()
        await running
        room.gate.set()
    assert room.desk.stop.is_set()
    assert not interrupts.offer(), "nobody is there to take it any more"


class ClosableScreen(io.StringIO):
    is_gone = False

    def write(self, text: str) -> int:
        if self.is_gone:
            raise OSError(errno.EIO, "Input/output error")
        return super().write(text)


async def test_a_closed_terminal_ends_the_console_without_a_fault(room: Room, tmp_path: Path, unit: float) -> None:
    screen = ClosableScreen()
    async with asyncio.timeout(10):
        with create_pipe_input() as pipe, create_app_session(input=pipe, output=PlainTextOutput(screen)):
            running = asyncio.create_task(run_console(room.desk, tmp_path, URLS, no_color=True))
            await asyncio.sleep(2 * unit)
            screen.is_gone = True
            room.desk.stop.set()
            await running
