"""One contract's market events as text (reference 5.3): fragments that never change are encoded once."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from desk.sim.bars import next_opening
from desk.sim.connection import END
from desk.sim.depth import HIGH, LOW, TRADE, Book
from desk.sim.model import Contract
from desk.sim.noise import PRINTS_PER_SECOND
from desk.sim.steps import STEPS, Steps

STEPS_PER_SECOND = STEPS * PRINTS_PER_SECOND
_DEPTH_RATE = 0.85
"""Changes of a level per quote of a step; with the moves of the quote itself MNQ comes to about 62 a second."""
_FRACTIONS = [f".{1000 * part // STEPS_PER_SECOND:03d}".rstrip("0") if part else "" for part in range(STEPS_PER_SECOND)]


@lru_cache(maxsize=256)
def _second_text(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).replace(tzinfo=None).isoformat()


def step_text(step: int) -> str:
    """When a step happens, as the wire writes it (reference 3.1)."""
    second, part = divmod(step, STEPS_PER_SECOND)
    return f"{_second_text(second)}{_FRACTIONS[part]}+00:00"


@dataclass
class Session:
    """The trading day so far, in ticks: what quotes show as open, high, low, volume and change.

    ``settled`` is the close before; ``upto``: the first step that is not in it yet; ``ends``: epoch second of the next.
    """

    open: int | None
    high: int
    low: int
    volume: int
    settled: int | None
    upto: int
    ends: int

    def trade(self, ticks: int, volume: int) -> int | None:
        """Take in a trade; the DomType of a new extreme, if it made one."""
        self.volume += volume
        if self.open is None:
            self.open = self.high = self.low = ticks
            return None
        if ticks > self.high:
            self.high = ticks
            return HIGH
        if ticks < self.low:
            self.low = ticks
            return LOW
        return None


@dataclass
class Events:
    """Texts of one beat, by kind, ready to be sent."""

    quote: list[str]
    trade: list[str]
    depth: list[str]


class Ticker:
    """What the subscribers of one contract have been told, and the texts that tell them more.

    Quotes are sparse against what was told last; a new subscriber gets ``whole`` first.
    """

    def __init__(self, contract: Contract, session: Session, seed: int) -> None:
        self.contract = contract
        self.session = session
        self.next_step = session.upto
        self._told: dict[str, str] = {}
        self._texts: dict[int, str] = {}
        self._dice = random.Random(f"{seed}|{contract.id}|depth")
        self._time = ""
        self.book = Book(self._dice, self._depth_row)
        self._quote_head = (
            f'{{"type":1,"target":"GatewayQuote","arguments":["{contract.id}",{{"symbol":"{contract.symbol_id}",'
        )
        self._trade_head = f'{{"type":1,"target":"GatewayTrade","arguments":["{contract.id}",['
        self._depth_head = f'{{"type":1,"target":"GatewayDepth","arguments":["{contract.id}",['
        self.last = self.bid = self.ask = 0

    # -- steps ------------------------------------------------------------------------------------------------

    def step(self, steps: Steps, place: int, step: int, now: str, events: Events) -> None:
        """Everything one step of the generated market brings."""
        if not steps.quoted[place]:
            return
        self._time = step_text(step)
        if step >= self.session.ends * STEPS_PER_SECOND:
            self.new_session()
        volume, rows = steps.volume[place], []
        if volume:
            rows = self.print(steps.last[place], volume, bool(steps.buy[place]), self._time, events)
        rows += self.stand(steps.last[place], steps.bid[place], steps.ask[place])
        events.quote.append(self.quote(self._time, now))
        if rows:
            events.depth.append(self.depth(rows))
        self.shuffle(events, _DEPTH_RATE)

    def shuffle(self, events: Events, rate: float) -> None:
        """Some levels of the book change their size, on average so many."""
        whole = int(rate)
        for _ in range(whole + (self._dice.random() < rate - whole)):
            events.depth.append(self.depth([self.book.change()]))

    def stand(self, last: int, bid: int, ask: int) -> list[str]:
        """The market stands there now; the depth rows that this takes."""
        self.last = last
        if (bid, ask) == (self.bid, self.ask):
            return []
        self.bid, self.ask = bid, ask
        return self.book.move(bid, ask)

    def print(self, ticks: int, volume: int, buy: bool, time: str, events: Events) -> list[str]:
        """One trade: its event, and the depth rows that tell of it."""
        self._time = time
        extreme = self.session.trade(ticks, volume)
        events.trade.append(f"{self._trade_head}{self.trade_row(ticks, volume, buy, time)}]]}}{END}")
        rows = [self._depth_row(TRADE, ticks, volume)]
        return rows if extreme is None else [*rows, self._depth_row(extreme, ticks, volume)]

    def trade_row(self, ticks: int, volume: int, buy: bool, time: str) -> str:
        """One element of the array of GatewayTrade; ``type`` is the aggressor."""
        contract = self.contract
        return (
            f'{{"symbolId":"{contract.symbol_id}","price":{self._text(ticks)},"timestamp":"{time}",'
            f'"type":{0 if buy else 1},"volume":{volume},"contractId":"{contract.id}"}}'
        )

    def trades(self, rows: list[str]) -> str:
        """Several trades as one event."""
        return f"{self._trade_head}{','.join(rows)}]]}}{END}"

    def new_session(self) -> None:
        """17:00 in Chicago: yesterday's last price is the one that changes are counted from."""
        session = self.session
        session.settled, session.open, session.volume = self.last, None, 0
        session.high = session.low = self.last
        session.ends = next_opening(session.ends)

    # -- texts ------------------------------------------------------------------------------------------------

    def quote(self, time: str, now: str) -> str:
        """A sparse quote: the members that changed, and always symbol and times."""
        told, changed = self._told, ""
        for name, text in self._members().items():
            if told.get(name) != text:
                told[name] = text
                changed += f'"{name}":{text},'
        return self._quote_text(changed, time, now)

    def whole(self, now: str) -> str:
        """All members, for a new subscriber, with the time of what was told last."""
        self._told = self._members()
        changed = "".join(f'"{name}":{text},' for name, text in self._told.items())
        return self._quote_text(changed, self._newest(now), now)

    def depth(self, rows: list[str]) -> str:
        """Rows as one event."""
        return f"{self._depth_head}{','.join(rows)}]]}}{END}"

    def whole_book(self, now: str) -> str:
        """Reset and all levels, for a new subscriber (SIM: an initial batch is plausible)."""
        self._time = self._newest(now)
        return self.depth(self.book.snapshot())

    def _newest(self, now: str) -> str:
        """When the last step that was told happened; a step may be told a little before its time."""
        return min(step_text(self.next_step - 1), now)

    def _members(self) -> dict[str, str]:
        session, text = self.session, self._text
        members = {"lastPrice": text(self.last), "bestBid": text(self.bid), "bestAsk": text(self.ask)}
        if session.settled is not None:
            change = self.last - session.settled
            members["change"] = text(change)
            members["changePercent"] = f"{100 * change / session.settled:.2f}" if session.settled else "0"
        if session.open is not None:
            members |= {"open": text(session.open), "high": text(session.high), "low": text(session.low)}
        members["volume"] = str(session.volume)
        return members

    def _quote_text(self, changed: str, time: str, now: str) -> str:
        return (
            f'{self._quote_head}{changed}"lastUpdated":"{now}","timestamp":"{time}",'
            f'"contract":"{self.contract.id}"}}]}}{END}'
        )

    def _depth_row(self, kind: int, ticks: int, volume: int) -> str:
        return (
            f'{{"contractId":"{self.contract.id}","timestamp":"{self._time}","type":{kind},'
            f'"price":{self._text(ticks)},"volume":{volume},"currentVolume":{volume}}}'
        )

    def _text(self, ticks: int) -> str:
        """A price as a JSON number without needless zeros."""
        found = self._texts.get(ticks)
        if found is None:
            price = ticks * self.contract.tick_size
            found = str(int(price)) if price == price.to_integral_value() else repr(float(price))
            if len(self._texts) > 8_000:
                self._texts.clear()
            self._texts[ticks] = found
        return found
