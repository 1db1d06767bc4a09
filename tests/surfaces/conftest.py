from __future__ import annotations

import io
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output.plain_text import PlainTextOutput

from desk.surfaces.calls import Caller, Urls
from tests.surfaces.room import Room, open_room


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    async with open_room(tmp_path) as opened:
        yield opened


@pytest.fixture
def caller() -> Caller:
    """A program over HTTP; times in a zone that is not the machine's."""
    return Caller(by="api", urls=Urls("http://127.0.0.1:8080", "http://127.0.0.1:8081"), zone=ZoneInfo("Europe/Berlin"))


@pytest.fixture
def screen() -> io.StringIO:
    """What a console of the test draws."""
    return io.StringIO()


@pytest.fixture
def keys(screen: io.StringIO) -> Iterator[PipeInput]:
    """What is typed into it."""
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=PlainTextOutput(screen)):
        yield pipe
