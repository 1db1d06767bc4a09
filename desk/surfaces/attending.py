"""What moves on the terminal while a command runs: a line of progress, a table that is drawn again in its place.

Both are small prompt_toolkit applications without a prompt, so the terminal hands over keys as keys: Ctrl-C is for the
command and does not stop the daemon, and the line that comes after it is intact. Log lines go above them.
"""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from desk.surfaces.calls import Interrupted
from desk.surfaces.sheet import Page, page_for_rich

if TYPE_CHECKING:
    from prompt_toolkit import Application
    from prompt_toolkit.formatted_text import AnyFormattedText

__all__ = ["Attending"]

QUICK_S = 0.2  # what is done by then shows no progress
REFRESH_S = 0.5
_STOP_KEYS = ("c-c", "c-d")
_LEAVE_KEYS = (*_STOP_KEYS, "q", "escape", "enter", " ")

T = TypeVar("T")


class Attending:
    """``no_color``: neither colours nor bold."""

    def __init__(self, *, no_color: bool = False) -> None:
        self._no_color = no_color
        stream = sys.__stdout__
        encoding = (stream.encoding or "") if stream is not None else ""
        self.is_ascii = "utf" not in encoding.lower()

    def size(self) -> tuple[int, int]:
        """Columns and rows."""
        from prompt_toolkit.application import get_app_session

        size = get_app_session().output.get_size()
        return size.columns, size.rows

    async def attend(self, work: Coroutine[Any, Any, T], line: Callable[[], str]) -> T:
        """Result of the work. Raises Interrupted after Ctrl-C; the work was cancelled and has ended then."""
        working = asyncio.create_task(work, name="attended work")
        try:
            await asyncio.wait([working], timeout=QUICK_S)
            if not working.done() and await _shown(_application(line, _STOP_KEYS, keeps_typed=True), working):
                raise Interrupted("stopped by Ctrl-C")
            return await working
        finally:
            if not working.done():
                working.cancel()
                await asyncio.wait([working])

    async def show(self, draw: Callable[[], Page]) -> None:
        """Until one of the keys that leave. ``draw`` is called twice a second, and must be quick."""
        from prompt_toolkit.formatted_text import ANSI

        application = _application(lambda: ANSI(self._drawn(draw())), _LEAVE_KEYS)
        await application.run_async(handle_sigint=False, set_exception_handler=False)

    def _drawn(self, page: Page) -> str:
        from rich.console import Console

        text = io.StringIO()
        console = Console(
            file=text, force_terminal=True, highlight=False, width=self.size()[0],
            color_system=None if self._no_color else "auto",
        )  # fmt: skip
        console.print(page_for_rich(page), crop=False)
        return text.getvalue().rstrip("\n")


def _application(
    text: Callable[[], AnyFormattedText], keys: tuple[str, ...], *, keeps_typed: bool = False
) -> Application[bool]:
    """Shows ``text`` below everything else; its result is True once one of the keys was pressed. Leaves no trace.

    keeps_typed: other keys are for the prompt that comes after it, unless one of the keys was pressed.
    """
    from prompt_toolkit import Application
    from prompt_toolkit.input.typeahead import clear_typeahead, store_typeahead
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
    from prompt_toolkit.keys import Keys
    from prompt_toolkit.layout import FormattedTextControl, Layout, Window

    bindings = KeyBindings()

    def leave(event: KeyPressEvent) -> None:
        clear_typeahead(event.app.input)
        event.app.exit(result=True)

    def keep(event: KeyPressEvent) -> None:
        store_typeahead(event.app.input, event.key_sequence)

    for key in keys:
        bindings.add(key, eager=True)(leave)
    if keeps_typed:
        bindings.add(Keys.Any)(keep)
    window = Window(FormattedTextControl(text, show_cursor=False), dont_extend_height=True, always_hide_cursor=True)
    return Application(layout=Layout(window), key_bindings=bindings, refresh_interval=REFRESH_S, erase_when_done=True)


async def _shown(application: Application[bool], working: asyncio.Task[Any]) -> bool:
    """Until the work is done; True: a key was pressed before."""
    showing = asyncio.create_task(
        application.run_async(handle_sigint=False, set_exception_handler=False), name="progress"
    )
    try:
        await asyncio.wait([working, showing], return_when=asyncio.FIRST_COMPLETED)
    finally:
        if not showing.done():
            if application.is_running:
                application.exit(result=False)
            else:
                showing.cancel()
            await asyncio.wait([showing])
    return not showing.cancelled() and showing.result() and not working.done()
