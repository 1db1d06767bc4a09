"""The contracts that are watched by name: the month that is active now, and older ones as long as something is held in them.

A roll has no event (reference 3.3): the contract list is read again from time to time, and this is asked after each reading.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import structlog

from desk.core.errors import UnknownSymbol
from desk.core.ids import ContractId
from desk.core.timeframe import Timeframe, parse_timeframe
from desk.runtime.desk import Desk
from desk.runtime.feeds import Feeds
from desk.runtime.livebars import LiveBars

__all__ = ["Watching"]

log = structlog.get_logger("desk.watching")

_MINUTE = parse_timeframe("1m")


class Watching:
    """Keeps quotes of the symbols that may be traded, and live bars of these and of the recorded ones.

    quoted: roots that may be traded, as of now; recorded: roots. Both hold what is resolved at :meth:`follow`; a symbol that
    cannot be stays as it was.
    """

    def __init__(
        self,
        desk: Desk,
        feeds: Feeds,
        live: LiveBars,
        quoted: Callable[[], Iterable[str]],
        recorded: Iterable[str] = (),
        timeframe: Timeframe = _MINUTE,
    ) -> None:
        self._desk = desk
        self._feeds = feeds
        self._live = live
        self._quoted = quoted
        self._recorded = tuple(recorded)
        self._timeframe = timeframe
        self._month: dict[str, ContractId] = {}  # by root, as last resolved
        self._with_quotes: set[ContractId] = set()
        self._with_bars: set[ContractId] = set()

    @property
    def contracts(self) -> frozenset[ContractId]:
        """Whose bars are built and recorded."""
        return frozenset(self._with_bars)

    async def follow(self) -> None:
        """Subscribes the contracts that came, leaves those that went. Never raises for a symbol: health names it."""
        held = {contract_id for _, contract_id in self._desk.state.positions}
        traded = {self._resolved(root, is_traded=True) for root in self._quoted()}
        quoted = {month for month in traded if month is not None} | held
        bars = {month for root in self._recorded if (month := self._resolved(root)) is not None} | quoted
        for contract_id in quoted - self._with_quotes:
            await self._feeds.watch(contract_id)
        for contract_id in self._with_quotes - quoted:
            await self._feeds.unwatch(contract_id)
        for contract_id in bars - self._with_bars:
            await self._live.subscribe(contract_id, self._timeframe)
        for contract_id in self._with_bars - bars:
            await self._live.unsubscribe(contract_id, self._timeframe)
        self._with_quotes, self._with_bars = quoted, bars

    def _resolved(self, root: str, *, is_traded: bool = False) -> ContractId | None:
        known, trouble = self._month.get(root), f"symbol {root}"
        try:
            contract_id = self._desk.contract(root).contract_id
        except UnknownSymbol as problem:
            if known is None and is_traded:
                self._desk.troubles[trouble] = f"{problem}; alerts for it are refused"
            return known
        self._desk.troubles.pop(trouble, None)
        if known is not None and known != contract_id:
            log.info("contracts.rolled", symbol=root, before=known, now=contract_id)
        self._month[root] = contract_id
        return contract_id
