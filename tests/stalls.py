"""How long the event loop was busy without a pause, whatever else the machine does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

__all__ = ["Turns", "longest_turn"]


@dataclass
class Turns:
    """``worst_s``: the CPU seconds of the loop's thread in its longest turn so far. Time that other programs took of the
    processor is none of it, so that the suite may run beside anything."""

    worst_s: float = 0.0


@asynccontextmanager
async def longest_turn() -> AsyncIterator[Turns]:
    """Looks at every turn of the running loop while it is open."""
    turns = Turns()

    async def beat() -> None:
        before = time.thread_time()
        while True:
            await asyncio.sleep(0)
            now = time.thread_time()
            turns.worst_s = max(turns.worst_s, now - before)
            before = now

    beating = asyncio.create_task(beat())
    try:
        yield turns
    finally:
        beating.cancel()
        await asyncio.wait([beating])
