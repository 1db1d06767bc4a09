"""Keeps the 1-minute bars of the watched contracts complete: once a month has expired, the gateway does not have them any more
(reference 3.3).

Every few minutes history is asked for what closed since the last time, at the first time for as many days as are wanted, newest
first. What history was told it keeps for ever. At most 5 of the 50 requests in 30 s: a request is followed by 6 s of rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from desk.core.clock import Clock
from desk.core.errors import DeskError
from desk.core.ids import ContractId
from desk.core.timeframe import Timeframe, parse_timeframe
from desk.runtime.livereads import BarReply

__all__ = ["Barkeeper", "KeeperConfig", "Recorded"]

log = structlog.get_logger("desk.barkeeper")

_MINUTE = parse_timeframe("1m")
_OVERLAP = timedelta(
    minutes=5
)  # where the clocks differ, the newest may not have been final for history; else it is known


class _History(Protocol):
    async def between(
        self,
        contract_id: ContractId,
        timeframe: Timeframe,
        start: datetime,
        end: datetime,
        *,
        partial: bool = True,
        is_asked: bool = True,
    ) -> BarReply: ...


@dataclass(frozen=True, slots=True)
class KeeperConfig:
    """days: how far back at the first time. Seconds: settled_s is when a bar is final; first_s how long after the start."""

    days: int = 30
    first_s: float = 60.0
    every_s: float = 180.0
    settled_s: float = 40.0
    rest_s: float = 6.0  # after each request
    chunk: timedelta = timedelta(days=7)  # one request of the gateway brings 20,000 bars: 13 days


@dataclass(frozen=True, slots=True)
class Recorded:
    """What is known to be complete of one contract."""

    since: datetime
    until: datetime
    bars: int  # read in this run, some of them from the archive


class Barkeeper:
    """watched: the contracts, asked for at each round; one that is not watched any more stays as it is."""

    def __init__(
        self,
        history: _History,
        clock: Clock,
        watched: Callable[[], Iterable[ContractId]],
        config: KeeperConfig | None = None,
    ) -> None:
        self._history = history
        self._clock = clock
        self._watched = watched
        self._config = config or KeeperConfig()
        self._known: dict[ContractId, Recorded] = {}
        self._failing: set[ContractId] = set()

    @property
    def recorded(self) -> dict[ContractId, Recorded]:
        return dict(self._known)

    async def run(self) -> None:
        """Ends when cancelled; at once with ``days`` 0."""
        if self._config.days <= 0:
            return
        await asyncio.sleep(self._config.first_s)
        while True:
            await self.round()
            await asyncio.sleep(self._config.every_s)

    async def round(self) -> None:
        """Everything that closed since the last time, contract by contract. Never raises for the gateway: the log names it."""
        if self._config.days <= 0:
            return
        for contract_id in sorted(self._watched()):
            try:
                await self._newest(contract_id)
                await self._older(contract_id)
            except DeskError as problem:
                self._failed(contract_id, str(problem))

    async def newest(self) -> None:
        """Once more before the end, without rest: what closed since the last round, of what was recorded so far."""
        for contract_id in sorted(self._known):
            try:
                await self._newest(contract_id, rest_s=0.0)
            except DeskError as problem:
                self._failed(contract_id, str(problem))

    async def _newest(self, contract_id: ContractId, rest_s: float | None = None) -> None:
        end = self._sure()
        known = self._known.get(contract_id)
        if known is None:
            begins = end - min(self._config.chunk, timedelta(days=self._config.days))
            if (bars := await self._ask(contract_id, begins, end, rest_s)) is not None:
                self._known[contract_id] = Recorded(begins, end, bars)
        elif (
            end > known.until
            and (bars := await self._ask(contract_id, known.until - _OVERLAP, end, rest_s)) is not None
        ):
            self._known[contract_id] = Recorded(known.since, end, known.bars + bars)

    async def _older(self, contract_id: ContractId) -> None:
        """Back to the first day that is wanted, as long as the gateway answers."""
        oldest = self._sure() - timedelta(days=self._config.days)
        while (known := self._known.get(contract_id)) is not None and known.since > oldest + self._config.chunk / 100:
            begins = max(oldest, known.since - self._config.chunk)
            bars = await self._ask(contract_id, begins, known.since)
            if bars is None:
                return
            newest = self._known[contract_id]
            self._known[contract_id] = Recorded(begins, newest.until, newest.bars + bars)

    async def _ask(
        self, contract_id: ContractId, start: datetime, end: datetime, rest_s: float | None = None
    ) -> int | None:
        """How many bars there are; None: not all of them could be had, or it is not sure that there are none."""
        reply = await self._history.between(contract_id, _MINUTE, start, end, partial=False, is_asked=False)
        if reply.problem is not None:
            self._failed(contract_id, reply.problem)
            return None
        if contract_id in self._failing:
            self._failing.discard(contract_id)
            log.info("bars.record_healed", contract=contract_id)
        if reply.requests:
            log.debug("bars.recorded", contract=contract_id, bars=len(reply.columns), until=end.isoformat())
            await asyncio.sleep((self._config.rest_s if rest_s is None else rest_s) * reply.requests)
            if not len(reply.columns):
                return (
                    None  # history may not have believed it yet: the next round asks again, until no request is needed
                )
        return len(reply.columns)

    def _failed(self, contract_id: ContractId, problem: str) -> None:
        if contract_id not in self._failing:  # said once, until it heals
            self._failing.add(contract_id)
            log.warning(
                "bars.record_failed", contract=contract_id, problem=problem, meaning="tried again in a few minutes"
            )

    def _sure(self) -> datetime:
        """Until when bars are final: a full minute."""
        now = self._clock.now() - timedelta(seconds=self._config.settled_s)
        return now.replace(second=0, microsecond=0)
