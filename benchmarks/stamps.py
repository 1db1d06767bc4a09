"""Time stamps along an alert's way through the daemon, at the seams between its rooms.

Each seam is one wrapped function that notes CLOCK_MONOTONIC under the alert's id; about ten notes per alert, under
20 microseconds together, part of what is measured. The functions themselves run unchanged.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any

from desk.core.events import AlertReceived
from desk.core.orders import OrderState
from desk.core.records import AccountReconciled, AlertJournalled, OrderChanged
from desk.engine import Submit
from desk.gateway import GatewayClient
from desk.gateway.transport import Transport
from desk.runtime import loop as main_loop
from desk.runtime.executor import Executor
from desk.runtime.inbox import Inbox
from desk.store import Journal
from desk.store.writer import Writer
from desk.surfaces import http_public

__all__ = ["STAGES", "Stamps"]

# What lies between two stamps, in the order of the way. The first begins at the sender, the last ends at the simulator.
STAGES = (
    "sender to door (kernel, aiohttp server)",
    "read the body",
    "to the inbox",
    "wait for the main loop",
    "decide",
    "rest of the batch decided",
    "hop to the writer thread",
    "commit (encode, SQLite, fsync)",
    "hop back to the loop",
    "publish, log, hand over",
    "hop to the lane",
    "token, limiter, encode",
    "to the gateway (aiohttp client, kernel, server)",
)
_reading: ContextVar[tuple[float, float]] = ContextVar("reading")


class Stamps:
    """``by_alert``: alert_id to stamps in the order of STAGES, without the first and the last."""

    def __init__(self) -> None:
        self.by_alert: dict[str, list[float]] = {}
        self.snapshots: list[tuple[float, float]] = []  # when the state was encoded on the loop, and how long it took
        self.working: dict[str, tuple[float, str]] = {}  # client_order_id -> when our state had it working, and why
        self.reconciled: list[float] = []  # when our state agreed with the gateway, per account
        self._alert_of: dict[str, str] = {}  # client_order_id -> alert_id

    def install(self) -> None:
        """For the life of this process."""
        _wrap(http_public, "read_body", self._around_reading)
        _wrap(Inbox, "ask", functools.partial(_before, self._asked))
        _wrap(main_loop, "decide", self._around_deciding)
        _wrap(Journal, "append", functools.partial(_before, self._journalled))
        _wrap(Writer, "append", self._around_writing)
        _wrap(main_loop.MainLoop, "_act", functools.partial(_before, self._acted))
        _wrap(main_loop, "encode_state", self._around_encoding)
        _wrap(Executor, "carry_out", functools.partial(_before, self._handed))
        _wrap(GatewayClient, "place", functools.partial(_before, self._placed))
        _wrap(Transport, "post", functools.partial(_before, self._posted))

    def _note(self, alert_id: str, now: float) -> None:
        stamps = self.by_alert.get(alert_id)
        if stamps is not None:
            stamps.append(now)

    # -- the seams, in order -------------------------------------------------------------------------------------------

    def _around_reading(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def read(*arguments: Any) -> Any:
            began = time.monotonic()
            result = function(*arguments)
            _reading.set((began, time.monotonic()))  # the tasks that ask the engine inherit it
            return result

        return read

    def _asked(self, now: float, _inbox: Inbox, event: Any) -> None:
        if isinstance(event, AlertReceived):
            self.by_alert[event.cause] = [*_reading.get(), now]

    def _around_deciding(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def decide(state: Any, event: Any, context: Any) -> Any:
            if not isinstance(event, AlertReceived):
                return function(state, event, context)
            self._note(event.cause, time.monotonic())
            decision = function(state, event, context)
            self._note(event.cause, time.monotonic())
            return decision

        return decide

    def _journalled(self, now: float, _journal: Journal, records: Sequence[Any]) -> None:
        self._note_alerts(records, now)

    def _around_writing(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def append(writer: Writer, records: Sequence[Any]) -> Any:
            self._note_alerts(records, time.monotonic())
            result = function(writer, records)
            self._note_alerts(records, time.monotonic())
            return result

        return append

    def _around_encoding(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def encode_state(state: Any) -> Any:
            began = time.monotonic()
            result = function(state)
            self.snapshots.append((began, time.monotonic() - began))
            return result

        return encode_state

    def _note_alerts(self, records: Sequence[Any], now: float) -> None:
        for record in records:
            if isinstance(record, AlertJournalled):
                self._note(record.cause, now)

    def _acted(self, now: float, _loop: Any, _batch: Any, _state: Any, _decisions: Any, records: Sequence[Any]) -> None:
        for record in records:
            if isinstance(record, AlertJournalled):
                self._note(record.cause, now)
                for tag in record.verdict.orders:
                    self._alert_of[tag] = record.cause
            elif isinstance(record, OrderChanged):
                if record.order.state is OrderState.WORKING:
                    self.working.setdefault(record.order.client_order_id, (now, record.why))
            elif isinstance(record, AccountReconciled):
                self.reconciled.append(now)

    def _handed(self, now: float, _executor: Executor, effects: Sequence[Any]) -> None:
        for effect in effects:
            if isinstance(effect, Submit):
                self._note(self._alert_of.get(effect.approved.order.client_order_id, ""), now)

    def _placed(self, now: float, _client: GatewayClient, order: Any, **_: Any) -> None:
        self._note(self._alert_of.get(order.client_order_id, ""), now)

    def _posted(
        self, now: float, _transport: Transport, *_: Any, client_order_id: str | None = None, **__: Any
    ) -> None:
        if client_order_id is not None:
            self._note(self._alert_of.get(client_order_id, ""), now)


def _before(note: Callable[..., None], function: Callable[..., Any]) -> Callable[..., Any]:
    """``note`` with the time, then the function itself; works for coroutine functions, too."""

    @functools.wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        note(time.monotonic(), *arguments, **named)
        return function(*arguments, **named)

    return call


def _wrap(owner: Any, name: str, around: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Puts ``around`` where the owner, a module or a class, looks the function up. A seam that is gone raises."""
    setattr(owner, name, around(getattr(owner, name)))
