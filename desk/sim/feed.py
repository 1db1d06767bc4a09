"""The live feed: the market's prints as hub events, sparse quotes, and user events with their faults."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from desk.sim.config import SimConfig
from desk.sim.connection import HubConnection, Subscription, invocation
from desk.sim.faults import Faults
from desk.sim.hubs import Hubs
from desk.sim.model import Contract, Quote, UserEvent
from desk.sim.wire import Json, number, stamp, user_event_json

if TYPE_CHECKING:
    from desk.sim.market import Print
    from desk.sim.venue import Venue

log = logging.getLogger("desk.sim")


@dataclass
class Feed:
    """Pushes. ``run`` beats for ever; ``flush`` sends at once what a walk by hand has printed."""

    config: SimConfig
    venue: "Venue"
    hubs: Hubs
    faults: Faults
    last: dict[str, Quote] = field(default_factory=dict)
    late: set[asyncio.TimerHandle] = field(default_factory=set)

    def attach(self) -> None:
        """Take the events of the venue and the subscriptions of the market hub."""
        self.venue.on_events = self.on_user_events
        self.venue.followed = self.hubs.followed
        self.hubs.on_market_subscribe = self.on_subscribe

    def close(self) -> None:
        """Events that were still to come late never come."""
        for timer in self.late:
            timer.cancel()

    async def run(self) -> None:
        """Beat until cancelled: time passes for the exchange, subscribers get quotes and trades."""
        while True:
            await asyncio.sleep(self.config.feed_interval_s)
            try:
                self.beat()
                await self.venue.checkpoint()
            except Exception:
                log.exception("feed.failed")

    def beat(self) -> None:
        """One beat: a print or not, there is a quote for every followed contract, if only with new times."""
        self.venue.sync()
        self.flush()
        now = self.config.clock()
        for contract_id in self.hubs.followed():
            contract = self.venue.find(contract_id)
            if contract is not None:
                self._push_quote(contract, self.venue.market.quote(contract, now), now)

    def flush(self) -> None:
        """Send the prints since the last time as arrays of trades (reference 5.3)."""
        for contract_id, prints in self.venue.tape.items():
            contract = self.venue.find(contract_id)
            if contract is not None and prints:
                self._push_trades(contract, prints)
                self._push_quote(contract, prints[-1].quote, prints[-1].at)
        self.venue.tape.clear()

    def _push_trades(self, contract: Contract, prints: list["Print"]) -> None:
        rows = [
            {
                "symbolId": contract.symbol_id,
                "price": number(one.quote.last),
                "timestamp": stamp(one.at),
                "type": 0 if one.buy else 1,
                "volume": one.volume,
                "contractId": contract.id,
            }
            for one in prints
            if one.volume
        ]
        if rows:
            self.hubs.push("market", ("trade", contract.id), "GatewayTrade", [contract.id, rows])

    def _push_quote(self, contract: Contract, quote: Quote, at: datetime) -> None:
        """Only what changed since the last quote of the contract, and always symbol and times."""
        before = self.last.get(contract.id)
        self.last[contract.id] = quote
        now = stamp(self.config.clock())
        payload: Json = {"symbol": contract.symbol_id, **_changes(before, quote)}
        payload |= {"lastUpdated": now, "timestamp": stamp(at), "contract": contract.id}
        self.hubs.push("market", ("quote", contract.id), "GatewayQuote", [contract.id, payload])

    def on_subscribe(self, one: HubConnection, subscription: Subscription) -> None:
        """A new subscriber of quotes gets one whole quote right after the completion."""
        kind, contract_id = subscription
        contract = self.venue.find(str(contract_id))
        if kind != "quote" or contract is None or "market" in self.faults.silent_hubs:
            return
        now = self.config.clock()
        quote = self.venue.market.quote(contract, now)
        payload = {"symbol": contract.symbol_id, **_changes(None, quote)}
        payload |= {"lastUpdated": stamp(now), "timestamp": stamp(now), "contract": contract.id}
        text = invocation("GatewayQuote", [contract.id, payload])
        asyncio.get_running_loop().call_soon(one.send_text, text)

    def on_user_events(self, events: list[UserEvent]) -> None:
        """Push what the exchange did, lost, doubled or late as the faults want it."""
        for event in events:
            fault = self.faults.take_event_fault()
            key = None if event.kind == "account" else event.account_id
            target, payload = user_event_json(event)
            for _ in range({None: 1, "lose": 0, "duplicate": 2}[fault]):
                self._later(self.hubs.push, "user", (event.kind, key), target, [payload])

    def _later(self, push: Callable[..., None], *arguments: Any) -> None:
        loop = asyncio.get_running_loop()
        if self.faults.event_delay_ms <= 0:
            push(*arguments)
        else:
            self.late = {timer for timer in self.late if timer.when() > loop.time()}
            self.late.add(loop.call_later(self.faults.event_delay_ms / 1000, push, *arguments))


def _changes(before: Quote | None, quote: Quote) -> Json:
    members = {"lastPrice": "last", "bestBid": "bid", "bestAsk": "ask"}
    return {
        name: number(getattr(quote, field))
        for name, field in members.items()
        if before is None or getattr(before, field) != getattr(quote, field)
    }
