"""The one queue into the engine. Bounded; its answer to "full" depends on who is asking.

Alerts and commands get an error at once (nothing was journalled, the sender may repeat). Reports of the gateway are never
refused: when there are too many, the oldest story is cheaper to re-read than to keep, so the inbox drops them and says so
once, and the engine reconciles from the gateway's own word.
"""

from __future__ import annotations

import asyncio
from collections import deque

from desk.core.errors import Unavailable
from desk.core.events import (
    AlertReceived,
    BotCommanded,
    BotsReloaded,
    Event,
    FlattenRequested,
    HubChanged,
    IntentGiven,
    PriceMoved,
    ReduceSettled,
    SubmitSettled,
    TimerFired,
)
from desk.core.ids import ContractId
from desk.core.records import Verdict

__all__ = ["Asked", "Inbox"]

Asked = tuple[Event, asyncio.Future[Verdict] | None]


class Inbox:
    """Events on their way to the engine, in order of arrival."""

    def __init__(self, limit: int = 20_000, batch_limit: int = 500) -> None:
        self._limit = limit
        self._batch_limit = batch_limit
        self._waiting: deque[Asked] = deque()
        self._filled = asyncio.Event()
        self._priced: set[ContractId] = set()  # of which a price waits
        self._closed = ""  # why nobody decides any more
        self.overflowed = 0  # reports dropped; the drive loop turns this into a re-read

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, event: Event) -> None:
        """An event nobody waits for. Never fails, never blocks.

        Answers to our own writes are never dropped: no read tells them again, and there are no more of them than writes. Nor are
        timers: what watches sets the next one when one came; nor that the hub came or went: no read tells that, and without
        its return nothing is reconciled.
        """
        is_kept = isinstance(event, SubmitSettled | ReduceSettled | TimerFired | HubChanged)
        if len(self._waiting) >= self._limit and not is_kept:
            self.overflowed += 1
        else:
            self._waiting.append((event, None))
        self._filled.set()

    def put_price(self, event: PriceMoved) -> None:
        """A price that somebody waits for: one per contract at most waits here, and none where too much does already."""
        if event.contract_id not in self._priced and len(self._waiting) < self._limit:
            self._priced.add(event.contract_id)
            self.put(event)

    async def ask(self, event: AlertReceived | FlattenRequested | IntentGiven | BotCommanded | BotsReloaded) -> Verdict:
        """An event whose verdict is awaited. Raises Unavailable when full or closed, StoreError when not journalled."""
        if self._closed:
            raise Unavailable(self._closed)
        if len(self._waiting) >= self._limit:
            raise Unavailable(f"{len(self._waiting)} events are waiting; nothing was done, send it again")
        answer: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self._waiting.append((event, answer))
        self._filled.set()
        return await answer

    def close(self, reason: str) -> None:
        """Nobody decides any more: whoever waits, and whoever asks later, is told so at once."""
        self._closed = reason
        for _, answer in self._waiting:
            if answer is not None and not answer.done():
                answer.set_exception(Unavailable(reason))
        self._waiting.clear()
        self._priced.clear()

    async def drain(self) -> list[Asked]:
        """All that is waiting, up to the batch limit; waits for the first. Cancelling loses nothing."""
        while not self._waiting and not self.overflowed:
            self._filled.clear()
            await self._filled.wait()
        batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._batch_limit))]
        if self._priced:
            self._priced -= {event.contract_id for event, _ in batch if isinstance(event, PriceMoved)}
        return batch
