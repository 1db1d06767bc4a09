"""User events on their way to the hub: lost, doubled, late or out of order as the faults want it (reference 5.4, 6.5)."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from desk.sim.eventlog import EventLog
from desk.sim.faults import Faults
from desk.sim.hubs import Hubs
from desk.sim.model import Order, UserEvent
from desk.sim.wire import user_event_json
from desk.sim.words import OrderType, Status

_STOPS = (OrderType.STOP, OrderType.TRAILING_STOP)
_HELD_S = 0.25
"""An event that is to be overtaken goes after so long even when no other follows."""


@dataclass
class UserFeed:
    """Pushes what the exchange did. ``close`` before the loop ends."""

    hubs: Hubs
    faults: Faults
    log: EventLog
    late: set[asyncio.TimerHandle] = field(default_factory=set)
    held: list[UserEvent] = field(default_factory=list)
    on_reject: Callable[[int], object] | None = None

    def close(self) -> None:
        """Events that were still to come late never come."""
        for timer in self.late:
            timer.cancel()

    def on_events(self, events: list[UserEvent]) -> None:
        """In the order in which they happened, as far as no fault is planned."""
        for event in events:
            self._turn_down(event)
            fault = self.faults.take_event_fault(event.kind, event.account_id)
            self.log.event(event, "sent" if fault is None else fault.kind)
            if fault is None:
                self._push(event, 0.0)
            elif fault.kind == "duplicate":
                self._push(event, 0.0)
                self._push(event, fault.ms)
            elif fault.kind == "delay":
                self._push(event, fault.ms)
                continue
            elif fault.kind == "reorder":
                self.held.append(event)
                self._after(_HELD_S, self.release)
                continue
            self.release()

    def _turn_down(self, event: UserEvent) -> None:
        """A stop that just began to work may be rejected a moment later (reference 3.6)."""
        row = event.row
        if not isinstance(row, Order) or row.status is not Status.OPEN or row.type not in _STOPS or row.fill_volume:
            return
        fault = self.faults.take_event_fault("order", event.account_id, stop=True)
        if fault is not None and self.on_reject is not None:
            self._after(fault.ms / 1000, self.on_reject, row.id)

    def release(self) -> None:
        """Push what was held back, now that others went first."""
        held, self.held = self.held, []
        for event in held:
            self._push(event, 0.0)

    def _push(self, event: UserEvent, ms: float) -> None:
        target, payload = user_event_json(event)
        delay = ms + self.faults.event_delay_ms
        push: Callable[..., None] = self.hubs.push
        where: tuple[object, ...] = ("user", (event.kind, event.account_id))
        if event.kind == "account":
            push, where = self.hubs.push_account, (event.account_id,)
        if delay <= 0:
            push(*where, target, [payload])
        else:
            self._after(delay / 1000, push, *where, target, [payload])

    def _after(self, seconds: float, do: Callable[..., object], *arguments: Any) -> None:
        loop = asyncio.get_running_loop()
        self.late = {timer for timer in self.late if timer.when() > loop.time()}
        self.late.add(loop.call_later(seconds, do, *arguments))
