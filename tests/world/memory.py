"""The journal in memory: what MainLoop takes for the store, folded beside it by nobody else's hands."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Sequence

from desk.core.errors import StoreError
from desk.core.records import Record
from desk.engine import State, apply
from tests.world.faults import Faults

COMMIT_S = (0.001, 0.006)
SHOWN = 40  # newest records, for whoever asks what happened


class MemoryJournal:
    """Keeps what came after the last snapshot but one. ``written`` hears every record once, in order."""

    def __init__(self, dice: random.Random, faults: Faults) -> None:
        self._dice = dice
        self._faults = faults
        self._rows: deque[tuple[int, Record]] = deque()
        self._snapshots: list[tuple[int, int, bytes]] = []
        self.seq = 0
        self.folded = State()
        self.newest: deque[Record] = deque(maxlen=SHOWN)
        self.kill: Callable[[], object] = lambda: None
        self.written: Callable[[Record], None] = lambda record: None

    async def append(self, records: Sequence[Record]) -> int:
        """Lands before or after the wait, so that a kill finds it done or not."""
        is_early = self._dice.random() < 0.5
        if self._faults.strikes("lost_commit"):
            raise StoreError("the disk is full")
        if self._faults.strikes("killed_commit"):
            self.kill()
        if is_early:
            self._land(records)
        await asyncio.sleep(self._dice.uniform(*COMMIT_S))
        if not is_early:
            self._land(records)
        return self.seq

    def _land(self, records: Sequence[Record]) -> None:
        for record in records:
            self.seq += 1
            self._rows.append((self.seq, record))
            self.folded = apply(self.folded, record)
            self.newest.append(record)
            self.written(record)

    async def read(self, after_seq: int = 0) -> list[tuple[int, Record]]:
        return [row for row in self._rows if row[0] > after_seq]

    async def newest_snapshot(self, format: int) -> tuple[int, bytes] | None:  # noqa: A002 - as the store's
        kept = [(seq, state) for seq, number, state in self._snapshots if number == format]
        return kept[-1] if kept else None

    async def save_snapshot(self, seq: int, format: int, state: bytes) -> None:  # noqa: A002 - as the store's
        self._snapshots = [*self._snapshots[-1:], (seq, format, state)]
        while self._rows and self._rows[0][0] <= self._snapshots[0][0]:
            self._rows.popleft()
