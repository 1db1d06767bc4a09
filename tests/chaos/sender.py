"""The senders: TradingView with patience. A message without a 2xx answer is sent again, the same bytes, until it has one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp

from tests.chaos.fleet import Desk
from tests.chaos.messages import Message
from tests.daemon import SCALE

PATIENCE_S = 120.0 * SCALE
AGAIN_AFTER_S = 0.25
ONE_TRY_S = 10.0 * SCALE


@dataclass
class Delivery:
    """One message on its way. ``answers`` are the 2xx bodies: one, or none while it is not answered."""

    message: Message
    began: float  # epoch seconds
    tries: int = 0
    answer: dict[str, Any] | None = None
    trouble: str = ""
    ended: float = 0.0


@dataclass
class Sender:
    """Sends what is due, each message on its own, so that a slow daemon does not slow the chart down."""

    fleet: dict[int, Desk]
    on_answer: Callable[[Desk], None] = lambda desk: None
    deliveries: list[Delivery] = field(default_factory=list)
    answered: int = 0

    @property
    def sent(self) -> int:
        return len(self.deliveries)

    async def send(self, messages: Iterable[Message]) -> None:
        """Returns when every one was answered or given up."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for message in messages:
                await asyncio.sleep(max(0.0, began + message.due_s - time.monotonic()))
                delivery = Delivery(message, time.time())
                self.deliveries.append(delivery)
                tasks.create_task(self._deliver(delivery), name=f"message {message.number}")

    async def _deliver(self, delivery: Delivery) -> None:
        """Ends with a 2xx answer, or when patience does."""
        desk = self.fleet[delivery.message.account_id]
        body = delivery.message.body(datetime.now(UTC))
        while time.time() - delivery.began < PATIENCE_S:
            doors = desk.doors
            if doors is not None:
                delivery.tries += 1
                try:
                    async with asyncio.timeout(ONE_TRY_S):
                        status, answer = await doors.post(body)
                    if 200 <= status < 300:
                        delivery.answer, delivery.ended = answer, time.time()
                        self.answered += 1
                        self.on_answer(desk)
                        return
                    delivery.trouble = f"HTTP {status} {answer}"
                except (aiohttp.ClientError, TimeoutError, ValueError) as lost:
                    delivery.trouble = repr(lost)
            await asyncio.sleep(AGAIN_AFTER_S)
