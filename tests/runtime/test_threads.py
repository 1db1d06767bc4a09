"""Names of hosts are looked up although every thread for work is taken."""

from __future__ import annotations

import asyncio
import threading

from desk.runtime.threads import keep_loop_first


def test_a_name_is_looked_up_while_all_work_threads_hang() -> None:
    end = threading.Event()

    async def run() -> None:
        loop = asyncio.get_running_loop()
        keep_loop_first()
        hanging = [asyncio.create_task(asyncio.to_thread(end.wait)) for _ in range(3)]
        await asyncio.sleep(0)  # they are handed to the threads
        try:
            async with asyncio.timeout(2):
                assert await loop.getaddrinfo("localhost", 80)
            assert not any(task.done() for task in hanging)
        finally:
            end.set()
            await asyncio.gather(*hanging)

    asyncio.run(run())
