"""kill -9 at any moment: only whole batches are in the journal, and every acknowledged one is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from desk.store import open_journal
from tests.store.samples import Child

APPENDING = """
import asyncio, sys
from pathlib import Path
from desk.store import open_journal
from tests.store.samples import ACCEPTED, BUY, alerted, incident

async def main():
    async with open_journal(Path(sys.argv[1])) as journal:
        number = await journal.last_seq() // 5
        while True:
            records = [incident(f"B{number}", "x" * 300) for _ in range(4)]
            await journal.append([alerted(f"B{number}", ACCEPTED, alert=BUY), *records])
            print(number, flush=True)
            number += 1

asyncio.run(main())
"""


@pytest.mark.parametrize("acknowledged", [1, 60])
async def test_a_kill_leaves_whole_batches_and_all_acknowledged_ones(
    tmp_path: Path, child: Callable[..., Child], acknowledged: int
) -> None:
    process = child(APPENDING, tmp_path)
    assert process.stdout is not None
    for _ in range(acknowledged):
        assert process.stdout.readline()
    process.kill()
    said = [int(line) for line in process.communicate()[0].split()]  # acknowledged before the kill, read after it
    last = said[-1] if said else acknowledged - 1
    async with open_journal(tmp_path) as journal:
        batches = Counter(record.cause for _, record in await journal.read())
        assert set(batches.values()) == {5}
        assert {f"B{number}" for number in range(last + 1)} <= batches.keys()
        assert len(batches) <= last + 2  # at most the one that was under way
        assert {row.alert_id for row in await journal.recent_alerts(10_000)} == batches.keys()
