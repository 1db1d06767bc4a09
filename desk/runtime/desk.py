"""What surfaces may hold: frozen state, quotes, history, the journal for reading, and one way to ask for something.

The gateway is not among it: a surface that wants a thing done puts an event into the inbox with :meth:`Desk.ask`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from desk.alerts.terms import NO_TERMS, DialectTerms
from desk.bots import BotConfig
from desk.core.clock import Clock
from desk.core.errors import Unavailable, UnknownSymbol
from desk.core.events import AlertReceived, BotCommanded, BotsReloaded, FlattenRequested, IntentGiven
from desk.core.ids import AccountId, CauseId, ContractId, new_cause_id
from desk.core.records import Verdict
from desk.core.secret import Secret
from desk.core.symbols import parse_symbol, resolve
from desk.core.words import Account, Contract, Quote
from desk.engine import Context
from desk.engine.state import State
from desk.runtime.history import HistoryService
from desk.runtime.inbox import Inbox
from desk.runtime.ranges import Ranges
from desk.runtime.stitching import ContractLookup
from desk.store import Journal

if TYPE_CHECKING:
    from desk.runtime.marketview import MarketView
    from desk.runtime.reload import Reread

__all__ = ["BotDoor", "Desk", "Phase", "QuoteSource", "Reloads", "StartStep"]


class Phase(StrEnum):
    STARTING = "starting"  # alerts are held
    READY = "ready"
    STOPPING = "stopping"  # doors answer 503


class QuoteSource(Protocol):
    def quote(self, contract_id: ContractId) -> Quote | None:
        """Newest merged quote, None when none was seen."""
        ...

    async def watch(self, contract_id: ContractId) -> None:
        """Subscribes to the contract's quotes, once; waits in the pending set while the hub is down."""
        ...


@dataclass(frozen=True, slots=True)
class StartStep:
    """One part of the start. Times are monotonic seconds since the start of the login; a running part has not ended."""

    name: str
    began_s: float
    ended_s: float
    error: str | None = None  # what failed
    meaning: str | None = None  # and what that means for trading
    is_running: bool = False  # ``ended_s`` is when this was written down
    progress: str | None = None  # how far a running part is

    @property
    def took_ms(self) -> float:
        return (self.ended_s - self.began_s) * 1000


@dataclass(frozen=True, slots=True)
class BotDoor:
    """How a bot is reached: its name, the secret that opens it, and what its owner said about the messages that come in."""

    name: str
    token: Secret
    terms: DialectTerms = NO_TERMS


class Reloads(Protocol):
    """Reads the bots' configuration again, see ``reload.py``."""

    async def read(self) -> Reread:
        """What the files say now and how it differs. Raises ConfigError: nothing is taken over."""
        ...

    async def apply(self, reread: Reread, by: str) -> CauseId:
        """Journals the change, takes it over at once, and returns its id.

        Raises ConfigError, StoreError or Unavailable: then nothing was.
        """
        ...


def _no_context() -> Context:
    raise Unavailable("the desk does not decide anything yet; try again in a moment")


@dataclass(slots=True)
class Desk:
    """The running desk as its surfaces see it."""

    mode: str  # paper | live (shadow)
    version: str
    started_at: datetime
    clock: Clock
    inbox: Inbox
    journal: Journal
    quotes: QuoteSource
    history: HistoryService
    ranges: Ranges
    bots: tuple[BotDoor, ...]  # the default one first
    phase: Phase = Phase.STARTING
    catalogue: Mapping[ContractId, Contract] = field(default_factory=dict)
    account_id: AccountId | None = None  # the default bot's
    bot_configs: Mapping[str, BotConfig] = field(default_factory=dict)  # by name; replaced as a whole by `reload`
    listed: tuple[Account, ...] = ()  # the accounts of the login, as the gateway listed them at the start
    lookup: ContractLookup | None = None  # contracts that are not listed any more; None: no gateway yet
    market: MarketView | None = None  # depth, bars in progress, subscriptions; None: no hubs yet
    reloader: Reloads | None = None  # None: nothing to read again
    max_position: int = 0  # contracts per symbol to which a person's entry may lead; 0: none
    steps: list[StartStep] = field(default_factory=list)
    troubles: dict[str, str] = field(default_factory=dict)  # part -> what is wrong and what it means, shown in /health
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    clock_offset: Callable[[], float | None] = lambda: None  # the gateway's clock minus ours, seconds; None: not known
    context: Callable[[], Context] = _no_context  # what a decision would look at besides the state at this moment
    _state: State = field(default_factory=State)
    _waiters: set[asyncio.Event] = field(default_factory=set)

    @property
    def state(self) -> State:
        """The newest committed state; frozen."""
        return self._state

    def publish(self, state: State) -> None:
        """Called by the main loop after each commit."""
        self._state = state
        for waiter in list(self._waiters):
            waiter.set()

    async def until(self, is_so: Callable[[State], bool], timeout_s: float) -> bool:
        """Waits until the state satisfies ``is_so``; False when ``timeout_s`` passed first."""
        changed = asyncio.Event()
        self._waiters.add(changed)
        try:
            async with asyncio.timeout(timeout_s):
                while not is_so(self._state):
                    await changed.wait()
                    changed.clear()
        except TimeoutError:
            return is_so(self._state)
        finally:
            self._waiters.discard(changed)
        return True

    def new_cause(self) -> CauseId:
        """A fresh id for a command or an alert."""
        return new_cause_id(self.clock.now(), os.urandom(10))

    async def ask(self, event: AlertReceived | FlattenRequested | IntentGiven | BotCommanded | BotsReloaded) -> Verdict:
        """Hands an event to the engine and waits for what was decided, which then is in the journal.

        Raises StoreError when it could not be journalled (nothing was done), Unavailable when the inbox is full.
        """
        return await self.inbox.ask(event)

    def contract(self, text: str) -> Contract:
        """The gateway's contract for a symbol as people write it. Raises UnknownSymbol."""
        if not self.catalogue:
            raise UnknownSymbol("the gateway's contract list was not read yet; try again in a moment")
        return resolve(parse_symbol(text), list(self.catalogue.values()))
