"""The terminal under the console. One that is paused, or in which text is being selected, must not stop the desk."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from desk.runtime.logwriter import LogWriter

__all__ = ["patient_terminal"]

_LAST_S = 0.3


class _Screen(LogWriter):
    """As much of standard output as prompt_toolkit asks for; what is written goes there by a thread."""

    def __init__(self, terminal: TextIO) -> None:
        super().__init__(terminal)
        self.encoding = terminal.encoding
        self.isatty, self.fileno = terminal.isatty, terminal.fileno


@contextmanager
def patient_terminal() -> Iterator[None]:
    """While it is open, nothing that the console draws waits for the terminal."""
    from prompt_toolkit.application import create_app_session
    from prompt_toolkit.output import create_output

    if sys.platform == "win32" or not sys.stdout.isatty():  # its console is no stream; somebody else draws
        yield
        return
    screen = _Screen(sys.stdout)
    with create_app_session(output=create_output(stdout=screen)):  # type: ignore[arg-type]
        yield
    screen.drain(_LAST_S)
