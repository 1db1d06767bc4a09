"""The live feed: beat by beat the market's steps as hub events, for whoever follows a contract (reference 5.3)."""

import asyncio
import logging
import random
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from desk.sim.config import SimConfig
from desk.sim.connection import HubConnection, Subscription
from desk.sim.faults import Faults
from desk.sim.hubs import Hubs
from desk.sim.model import Contract, Quote
from desk.sim.userfeed import UserFeed
from desk.sim.wire import stamp

if TYPE_CHECKING:
    from desk.sim.ticker import Events, Session, Ticker
    from desk.sim.venue import Venue

log = logging.getLogger("desk.sim")

_LONG_AGO_S = 10
"""After a longer pause of the whole process a contract's session is read anew instead of caught up with."""
_CATCH_UP_STEPS = 200
"""Up to five seconds are told step by step."""
_SHARES = {"quote": 0.34, "trade": 0.16, "depth": 0.5}
"""Of the events of a burst; as in reference 5.3, 42 to 20 to 62."""


@dataclass
class Burst:
    """So many extra events in so many seconds, counted from the first beat in which somebody listens.

    For one contract, or for all that are followed then. ``until``: time of the loop, once it has begun.
    """

    left: int
    seconds: float
    contract_id: str | None = None
    until: float | None = None


@dataclass
class Feed:
    """Pushes. ``run`` beats for ever; ``flush`` sends at once what a walk by hand has printed."""

    config: SimConfig
    venue: "Venue"
    hubs: Hubs
    faults: Faults
    tickers: dict[str, "Ticker"] = field(default_factory=dict)
    opening: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    bursts: list[Burst] = field(default_factory=list)

    def __post_init__(self) -> None:
        """The user events have a file of their own."""
        self.user = UserFeed(self.hubs, self.faults, self.hubs.log)
        self._made_ahead = False
        self._beaten = self.config.clock()
        self._dice = random.Random(self.config.seed)

    def attach(self) -> None:
        """Take the events of the venue and the subscriptions of the market hub."""
        self.venue.on_events = self.user.on_events
        self.venue.followed = self.hubs.followed
        self.hubs.on_market_subscribe = self.on_subscribe

    async def close(self) -> None:
        """Events that were still to come late never come."""
        self.user.close()
        for task in self.opening.values():
            task.cancel()
        await asyncio.gather(*self.opening.values(), return_exceptions=True)

    async def run(self) -> None:
        """Beat until cancelled: time passes for the exchange, subscribers get quotes, trades and depth."""
        while True:
            await asyncio.sleep(self.config.feed_interval_s)
            try:
                self.beat()
                self.hubs.faulty_beat(self.config.feed_interval_s)
                await self.venue.checkpoint()
            except Exception:
                log.exception("feed.failed")

    def burst(self, events: int, seconds: float, contract_id: str | None = None) -> None:
        """So many extra events over so many seconds, as at 08:30 in Chicago when figures come out."""
        log.info("burst events=%d seconds=%g contract=%s", events, seconds, contract_id or "all")
        self.bursts.append(Burst(events, seconds, contract_id))

    # -- beats ------------------------------------------------------------------------------------------------

    def beat(self) -> None:
        """One beat: all steps since the last one, for every contract that somebody follows."""
        from desk.sim.ticker import STEPS_PER_SECOND

        now = self.config.clock()
        if now < self._beaten:
            self.venue.jumped()
            self.tickers.clear()
        self._beaten = now
        self.venue.sync()
        self.flush()
        step, told = int(now.timestamp() * STEPS_PER_SECOND), stamp(now)
        followed = self.hubs.followed()
        self._made_ahead = False  # one contract's next minute per beat, so that no beat is long
        for contract_id in self.tickers.keys() - followed:
            del self.tickers[contract_id]
        for contract_id in followed:
            ticker = self.tickers.get(contract_id)
            if ticker is None:
                self._open(contract_id)
            elif step - ticker.next_step > _LONG_AGO_S * STEPS_PER_SECOND * self.config.replay_speed:
                del self.tickers[contract_id]
            else:
                self._beat_one(ticker, step, told)
        self._burst(told)

    def _beat_one(self, ticker: "Ticker", step: int, told: str) -> None:
        """The steps of one contract; a frozen one tells its quote again, if only with new times."""
        from desk.sim.steps import STEPS
        from desk.sim.ticker import Events

        contract, events = ticker.contract, Events([], [], [])
        market = self.venue.market
        if market.is_frozen(contract):
            ticker.next_step = step + 1
            self._show(ticker, market.quote(contract, self.config.clock()), told, events)
            self._send(contract, events)
            return
        size = STEPS * 240
        if step - ticker.next_step > _CATCH_UP_STEPS:
            self._hurry(ticker, step, told)
            return
        for number in range(ticker.next_step, step + 1):
            minute, place = divmod(number, size)
            ticker.step(market.steps(contract, minute), place, number, told, events)
        ticker.next_step = max(ticker.next_step, step + 1)
        self._send(contract, events)
        if step % size > size // 4 and not self._made_ahead:
            self._made_ahead = market.make_steps(contract, step // size + 1)

    def _hurry(self, ticker: "Ticker", step: int, told: str) -> None:
        """A fast replay: all prints since the last beat in one event, and only the newest quote."""
        from desk.sim.steps import STEPS
        from desk.sim.ticker import STEPS_PER_SECOND, Events

        contract, events, tick = ticker.contract, Events([], [], []), ticker.contract.tick_size
        if step >= ticker.session.ends * STEPS_PER_SECOND:
            ticker.new_session()
        after = -(-ticker.next_step // STEPS) - 1
        for number in range(ticker.next_step, (after + 1) * STEPS):
            minute, place = divmod(number, STEPS * 240)
            ticker.step(self.venue.market.steps(contract, minute), place, number, told, events)
        prints = self.venue.market.prints(contract, after, step // STEPS)
        ticker.next_step = (step // STEPS + 1) * STEPS
        rows = []
        for one in prints:
            ticker.session.trade(int(one.quote.last / tick), one.volume)
            rows.append(ticker.trade_row(int(one.quote.last / tick), one.volume, one.buy, stamp(one.at)))
        if prints:
            events.trade.append(ticker.trades(rows))
            self._show(ticker, prints[-1].quote, told, events)
        self._send(contract, events)

    def _show(self, ticker: "Ticker", quote: Quote, told: str, events: "Events") -> None:
        tick = ticker.contract.tick_size
        rows = ticker.stand(int(quote.last / tick), int(quote.bid / tick), int(quote.ask / tick))
        events.quote.append(ticker.quote(told, told))
        if rows:
            events.depth.append(ticker.depth(rows))

    def flush(self) -> None:
        """Send what was walked by hand since the last time, as one array of trades and a quote."""
        from desk.sim.ticker import Events

        for contract_id, prints in self.venue.tape.items():
            ticker = self.tickers.get(contract_id)
            if ticker is None or not prints or not self.venue.market.is_frozen(ticker.contract):
                continue
            tick, events, rows = ticker.contract.tick_size, Events([], [], []), []
            for one in prints:
                ticker.session.trade(int(one.quote.last / tick), one.volume)
                rows.append(ticker.trade_row(int(one.quote.last / tick), one.volume, one.buy, stamp(one.at)))
            events.trade.append(ticker.trades(rows))
            self._show(ticker, prints[-1].quote, stamp(prints[-1].at), events)
            self._send(ticker.contract, events)
        self.venue.tape.clear()

    def _send(self, contract: Contract, events: "Events") -> None:
        for kind, texts in (("trade", events.trade), ("quote", events.quote), ("depth", events.depth)):
            if texts:
                self.hubs.push_text("market", (kind, contract.id), "".join(texts))

    # -- bursts -----------------------------------------------------------------------------------------------

    def _burst(self, told: str) -> None:
        """This beat's share of every burst that is on."""
        time = asyncio.get_running_loop().time()
        for burst in self.bursts:
            chosen = [one for key, one in self.tickers.items() if burst.contract_id in (None, key)]
            if not chosen:
                continue
            burst.until = burst.until or time + burst.seconds
            beats = max(1.0, (burst.until - time) / self.config.feed_interval_s)
            count = min(burst.left, round(burst.left / beats + 0.5))
            for number, ticker in enumerate(chosen):
                self._burst_one(ticker, (count + number) // len(chosen), told)
            burst.left -= count
        self.bursts = [one for one in self.bursts if one.left > 0]

    def _burst_one(self, ticker: "Ticker", count: int, told: str) -> None:
        from desk.sim.ticker import Events

        taken = {kind: share for kind, share in _SHARES.items() if self.hubs.has_takers((kind, ticker.contract.id))}
        if not taken or not count:
            return
        events, lots = Events([], [], []), 0
        for kind in self._dice.choices(list(taken), list(taken.values()), k=count):
            if kind == "trade":
                ticker.print(ticker.last, 1, self._dice.random() < 0.5, told, events)
                lots += 1
            elif kind == "quote":
                events.quote.append(ticker.quote(told, told))
            else:
                ticker.shuffle(events, 1.0)
        if lots:
            self.venue.market.add_volume(ticker.contract, self.config.clock(), lots)
        self._send(ticker.contract, events)

    # -- subscribers ------------------------------------------------------------------------------------------

    def on_subscribe(self, one: HubConnection, subscription: Subscription) -> None:
        """A new subscriber of quotes may get one whole quote after the completion, one of depth gets the whole book."""
        kind, contract_id = str(subscription[0]), str(subscription[1])
        if contract_id not in self.tickers:
            self._open(contract_id)
        ticker = self.tickers.get(contract_id)
        if ticker is not None:
            asyncio.get_running_loop().call_soon(self._welcome, ticker, one, kind)

    def _welcome(self, ticker: "Ticker", one: HubConnection, kind: str) -> None:
        if "market" in self.faults.silent_hubs:
            return
        now = stamp(self.config.clock())
        if kind == "quote" and self.faults.quote_snapshot:
            one.send_text(ticker.whole(now))
        elif kind == "depth":
            one.send_text(ticker.whole_book(now))

    def _open(self, contract_id: str) -> None:
        """Start following a contract: its session so far is read in a thread, then its first quote goes out.

        One that is held by hand is there at once, so that none of its few prints is missed.
        """
        from desk.sim.today import session_of

        contract = self.venue.find(contract_id)
        if contract is None or contract_id in self.opening:
            return
        now, market = self.config.clock(), self.venue.market
        if market.is_frozen(contract):
            self._start(contract, session_of(market, contract, now), now)
            return
        task = asyncio.create_task(self._opened(contract, now), name=f"sim-ticker-{contract_id}")
        self.opening[contract_id] = task
        task.add_done_callback(lambda _: self.opening.pop(contract_id, None))

    async def _opened(self, contract: Contract, now: datetime) -> None:
        """Ends when the ticker is there and everybody who waited has been welcomed."""
        from desk.sim.today import session_of

        market = self.venue.market

        def read() -> "Session":
            market.steps(contract, int(now.timestamp()) // 60)  # kept by the market, so that the beat finds it made
            return session_of(market, contract, now)

        ticker = self._start(contract, await self.venue.in_thread(read), now)
        for one in self.hubs.live("market"):
            for kind, key in tuple(one.subscriptions):
                if key == contract.id:
                    self._welcome(ticker, one, kind)

    def _start(self, contract: Contract, session: "Session", at: datetime) -> "Ticker":
        """at: when the session was read. The market is told as of then, for every step since then follows."""
        from desk.sim.ticker import Ticker

        market, tick = self.venue.market, contract.tick_size
        quote = market.quote(contract, at)
        ticker = Ticker(contract, session, self.config.seed)
        ticker.stand(int(quote.last / tick), int(quote.bid / tick), int(quote.ask / tick))
        if not self.faults.quote_snapshot:
            ticker.whole(stamp(self.config.clock()))  # told to others before: only what changes from now on is
        self.tickers[contract.id] = ticker
        return ticker
