"""A journal in a directory of its own, and child processes to kill."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from desk.store import Journal, open_journal
from tests.store.samples import Child

ROOT = Path(__file__).parents[2]


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    async with open_journal(tmp_path) as journal:
        yield journal


@pytest.fixture
def child() -> Iterator[Callable[..., Child]]:
    """Starts ``python -c source *args``; its output is a pipe, and it is dead when the test ends."""
    started: list[Child] = []

    def start(source: str, *args: object) -> Child:
        process = subprocess.Popen(
            [sys.executable, "-c", source, *map(str, args)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
