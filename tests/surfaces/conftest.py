from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

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
