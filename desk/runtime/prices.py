"""Wakes the engine for the prices that its plans wait for: emulated orders, break-even, trailing.

The event carries no price: the engine looks at the newest quote when it decides, so a burst costs one decision. Nobody waits:
a quote costs one look into an empty set, and nothing else runs.
"""

from __future__ import annotations

import asyncio

from immutables import Map

from desk.core.clock import Clock
from desk.core.events import PriceMoved
from desk.core.ids import ContractId
from desk.core.plans import Plan
from desk.core.words import Quote
from desk.engine import State
from desk.engine.cares import contracts_that_wait_for_prices
from desk.runtime.desk import QuoteSource
from desk.runtime.inbox import Inbox

__all__ = ["Prices"]

GAP_S = 0.1  # between two wake-ups for one contract
CHECK_S = 1.0  # without any quote: so that blindness is noticed


class Prices:
    """Hears every quote and every state. One wake-up per contract waits in the inbox at most, and one in 100 ms is put there."""

    def __init__(self, inbox: Inbox, clock: Clock, quotes: QuoteSource) -> None:
        self._inbox = inbox
        self._clock = clock
        self._quotes = quotes
        self._plans: Map[str, Plan] | None = None
        self._waiting: frozenset[ContractId] = frozenset()
        self._woken: dict[ContractId, float] = {}  # when last, in the loop's time
        self._later: dict[ContractId, asyncio.TimerHandle] = {}
        self._changed = asyncio.Event()
        self._is_running = False

    def on_state(self, state: State) -> None:
        """After each commit: who waits now. Plans that did not change are not looked at."""
        if state.plans is self._plans:
            return
        self._plans = state.plans
        waiting = contracts_that_wait_for_prices(state)
        if waiting != self._waiting:
            self._waiting = waiting
            self._changed.set()

    def on_quote(self, quote: Quote) -> None:
        """A new price: told at once, or as soon as the last wake-up is old enough."""
        contract_id = quote.contract_id
        if contract_id not in self._waiting or contract_id in self._later or not self._is_running:
            return
        loop = asyncio.get_running_loop()
        wait_s = self._woken.get(contract_id, -GAP_S) + GAP_S - loop.time()
        if wait_s <= 0:
            self._wake(contract_id)
        else:
            self._later[contract_id] = loop.call_later(wait_s, self._wake_late, contract_id)

    async def run(self) -> None:
        """Subscribes what is waited for and looks at it once a second. Ends when cancelled."""
        self._is_running = True
        try:
            while True:
                self._changed.clear()
                for contract_id in sorted(self._waiting):
                    await self._quotes.watch(contract_id)
                    self._wake(contract_id)
                if self._waiting:
                    await self._changed_or_pause()
                else:
                    await self._changed.wait()
        finally:
            self._is_running = False
            for timer in self._later.values():
                timer.cancel()
            self._later.clear()

    async def _changed_or_pause(self) -> None:
        try:
            async with asyncio.timeout(CHECK_S):
                await self._changed.wait()
        except TimeoutError:
            pass  # the pause is over

    def _wake_late(self, contract_id: ContractId) -> None:
        self._later.pop(contract_id, None)
        if contract_id in self._waiting:
            self._wake(contract_id)

    def _wake(self, contract_id: ContractId) -> None:
        self._woken[contract_id] = asyncio.get_running_loop().time()
        self._inbox.put_price(PriceMoved(contract_id=contract_id, ts=self._clock.now()))
