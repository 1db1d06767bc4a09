"""The measure of stalls sees work of the loop, and nothing else."""

from __future__ import annotations

import asyncio
import time

from tests.stalls import longest_turn


async def test_a_turn_that_computes_for_long_is_seen() -> None:
    async with longest_turn() as turns:
        await asyncio.sleep(0)
        until = time.thread_time() + 0.06
        while time.thread_time() < until:
            pass
        await asyncio.sleep(0)
    assert turns.worst_s >= 0.06


async def test_time_that_others_take_is_not_counted() -> None:
    async with longest_turn() as turns:
        await asyncio.sleep(0)
        time.sleep(0.06)  # noqa: ASYNC251 - the thread does not run, as when the processor is another's
        await asyncio.sleep(0)
    assert turns.worst_s < 0.06
