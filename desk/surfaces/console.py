"""The interactive console: one prompt over the command table. Log lines that come meanwhile go above it.

Ctrl-C clears the line, or leaves a command that still waits; twice within two seconds stops the daemon; so do Ctrl-D
and ``quit``.
"""

from __future__ import annotations

import asyncio
import sys
import textwrap
import time
from collections.abc import Coroutine, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

from desk.runtime.desk import Desk
from desk.runtime.signals import Interrupts
from desk.surfaces import view
from desk.surfaces.attending import Attending
from desk.surfaces.calls import Caller, CommandResult, Sitting, Urls
from desk.surfaces.plan_words import account_name
from desk.surfaces.sheet import Page, page_as_text, page_for_rich, printable
from desk.surfaces.show import mode_words
from desk.surfaces.terminal import patient_terminal

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession

__all__ = ["print_page", "prompt_text", "run_console", "toolbar_text"]

HISTORY_FILE = "console_history"
LEAVE, LEAVE_AT_ONCE = "quit", "quit yes"  # the commands
TWICE_S = 2.0
ONCE_MORE = "Ctrl-C again within two seconds stops the daemon."
LEFT = "Not waited for any longer. What was begun goes on: positions, orders and plans show how far it is."

log = structlog.get_logger()

T = TypeVar("T")


class _Stopped(Exception):
    """The daemon stops: nobody is waited for any more."""


class _Interrupted(Exception):
    """Ctrl-C at a prompt."""


class _CtrlC:
    """Counts them: the first leaves a command that waits, the second one soon after stops the daemon."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._pressed_at: float | None = None
        self._command: asyncio.Task[CommandResult] | None = None
        self._has_left = False

    def is_second(self) -> bool:
        before, self._pressed_at = self._pressed_at, time.monotonic()
        return before is not None and self._pressed_at - before < TWICE_S

    def taken(self) -> None:
        """As a signal: no prompt reads keys just now."""
        if self.is_second():
            print("Stopping. Protective stops stay at the venue. Once more leaves at once.")
            self._desk.stop.set()
            return
        print(ONCE_MORE)
        if self._command is not None and not self._command.done():
            self._has_left = True
            self._command.cancel()

    async def left_alone(self, work: Coroutine[Any, Any, CommandResult]) -> CommandResult:
        """The result, or that it is not waited for: what the engine was asked it carries out."""
        self._has_left = False
        self._command = asyncio.create_task(_unless_stopped(self._desk, work), name="command")
        try:
            return await self._command
        except asyncio.CancelledError:
            if not self._has_left:
                raise
            return CommandResult.failed(LEFT)
        finally:
            self._command = None


def print_page(page: Page, *, no_color: bool = False) -> None:
    """To standard output: plain text into a pipe; on a terminal within its width, with colours or without."""
    if not sys.stdout.isatty():
        print(page_as_text(page), flush=True)
        return
    from rich.console import Console

    Console(highlight=False, color_system=None if no_color else "auto").print(page_for_rich(page), crop=False)


async def run_console(
    desk: Desk, data_dir: Path, urls: Urls, *, no_color: bool = False, interrupts: Interrupts | None = None
) -> None:
    """Reads commands until ``desk.stop`` is set, by whomever; sets it itself on ``quit``, Ctrl-D and Ctrl-C twice."""
    from prompt_toolkit.patch_stdout import patch_stdout

    from desk.surfaces.commands import run_command

    sitting, attending = Sitting(), Attending(no_color=no_color)
    caller = Caller(
        by="console",
        urls=urls,
        sitting=sitting,
        confirm=lambda question: _confirm(desk, question),
        say=print,
        paste=lambda text: _paste(desk, text),
        attend=attending.attend,
        show=attending.show,
        size=attending.size,
        is_ascii=attending.is_ascii,
    )
    ctrl_c, has_left = _CtrlC(desk), False
    with patient_terminal(), patch_stdout(raw=True), (interrupts or Interrupts()).taken_by(ctrl_c.taken):
        session = _session(desk, data_dir)
        try:
            while not desk.stop.is_set():
                try:
                    line, has_left = await _next_line(desk, session, sitting, ctrl_c), False
                except EOFError:  # a terminal that is gone gives them for ever: only the first one may be asked about
                    line, has_left = LEAVE_AT_ONCE if has_left else LEAVE, True
                try:
                    result = await ctrl_c.left_alone(run_command(desk, line, caller))
                except _Stopped:
                    raise
                except Exception:  # a fault in one command must not take the daemon's console away
                    log.exception("command.failed", line=line)
                    result = CommandResult.failed("That failed, which is a fault of this program; the log has more.")
                if result.page:
                    print_page(result.page, no_color=no_color)
        except _Stopped:
            pass
        except OSError:
            pass  # the terminal was closed; whether the daemon stops is for its signal to say


def _session(desk: Desk, data_dir: Path) -> PromptSession[str]:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import CompleteEvent, Completer, Completion
    from prompt_toolkit.document import Document
    from prompt_toolkit.history import FileHistory

    from desk.surfaces.completion import complete

    class Kept(FileHistory):
        def store_string(self, string: str) -> None:
            if not string.lstrip().lower().startswith("explain "):  # what follows may carry a bot's secret
                super().store_string(string)

    class Words(Completer):
        def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
            typed = document.text_before_cursor
            last = "" if typed.endswith(" ") else (typed.split() or [""])[-1]
            return [Completion(word, start_position=-len(last)) for word in complete(desk, typed)]

    return PromptSession(
        history=Kept(str(data_dir / HISTORY_FILE)),
        completer=Words(),
        complete_while_typing=False,
        bottom_toolbar=lambda: toolbar_text(desk),
        refresh_interval=1.0,
    )


def prompt_text(desk: Desk, sitting: Sitting) -> str:
    """Names the account once another than the bot's was chosen."""
    chosen = sitting.account_id
    return "desk> " if chosen is None or chosen == desk.account_id else f"desk {account_name(desk, chosen)}> "


async def _next_line(desk: Desk, session: PromptSession[str], sitting: Sitting, ctrl_c: _CtrlC) -> str:
    """The next line; the command to stop after Ctrl-C twice. Raises EOFError after Ctrl-D, _Stopped when the daemon stops."""
    while True:
        try:
            return await _unless_stopped(desk, _prompt(session, prompt_text(desk, sitting)))
        except _Interrupted:
            if ctrl_c.is_second():
                return LEAVE_AT_ONCE
            print(ONCE_MORE)


async def _prompt(session: PromptSession[str], text: str) -> str:
    """``handle_sigint`` off: a signal is for the daemon. The key is a KeyboardInterrupt, with which no task may end.

    ``set_exception_handler`` off: a fault elsewhere in the loop goes to the log, and not in place of the prompt.
    """
    try:
        return await session.prompt_async(text, handle_sigint=False, set_exception_handler=False)
    except KeyboardInterrupt:
        raise _Interrupted from None


async def _confirm(desk: Desk, question: str) -> bool:
    """y/N; anything but a y is a no, an interrupt too."""
    from prompt_toolkit import PromptSession

    session: PromptSession[str] = PromptSession()
    try:
        folded = textwrap.fill(f"{printable(question)} y/N", session.output.get_size().columns - 1)
        answer = await _unless_stopped(desk, _prompt(session, f"{folded} "))
    except (_Interrupted, EOFError):
        return False
    return answer.strip().lower() in {"y", "yes"}


async def _paste(desk: Desk, begun: str) -> str:
    """``begun`` and the lines that follow, until an empty one or Ctrl-D; Ctrl-C: nothing. They are in no history, for a
    message may carry a secret."""
    from prompt_toolkit import PromptSession

    session: PromptSession[str] = PromptSession()
    if not begun:
        print("Paste the message, then an empty line (Ctrl-C: leave).")
    lines = [begun] if begun else []
    while True:
        try:
            line = await _unless_stopped(desk, _prompt(session, "... "))
        except EOFError:
            break
        except _Interrupted:
            return ""
        if not line.strip():
            break
        lines.append(line)
    return "\n".join(lines)


async def _unless_stopped(desk: Desk, work: Coroutine[Any, Any, T]) -> T:
    """Result of ``work``, which is cancelled when the daemon stops first."""
    working, stopping = asyncio.create_task(work, name="console"), asyncio.create_task(desk.stop.wait())
    try:
        await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        if not working.done():
            working.cancel()
        await asyncio.wait([working, stopping])
    if working.cancelled():
        raise _Stopped
    return working.result()


def toolbar_text(desk: Desk) -> str:
    """Facts without a valuation: mode, phase, hub, what is held, what is wrong."""
    held, working = view.view_positions(desk), len(view.view_orders(desk))
    naked, waiting = sum(1 for position in held if not position.is_protected), len(view.view_waiting(desk))
    parts = [
        mode_words(desk.mode)[0],
        desk.phase.value,
        f"user hub {'up' if desk.state.user_hub_is_up else 'DOWN'}",
        f"{len(held)} position{'' if len(held) == 1 else 's'}" + (f", {naked} UNPROTECTED" if naked else ""),
        f"{working} order{'' if working == 1 else 's'}" + (f", {waiting} waiting" if waiting else ""),
    ]
    if desk.state.held:
        parts.append(f"{len(desk.state.held)} alerts held")
    if desk.troubles:
        parts.append(f"trouble: {', '.join(sorted(desk.troubles))}")
    return " " + " | ".join(parts)
