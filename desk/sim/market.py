"""The market: prices of every contract at every instant, live prints, bars, and contracts held by hand.

A generated price is a pure function of (seed, contract, time). A contract can be frozen (all of them are in a
manual market); from then on it prints only where ``walk`` takes it, and its bars continue with those prints.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal

import numpy as np

from desk.sim.bars import Bars, prints_of, to_ticks
from desk.sim.catalogue import Product, product_of
from desk.sim.history import HAND_VOLUME, BarQuery, ByHand, bars_of, index_of, render, with_more
from desk.sim.hours import OpenMask
from desk.sim.model import Contract, Quote
from desk.sim.noise import PRINTS, PRINTS_PER_SECOND, Ints, Path, buyer_started
from desk.sim.steps import Steps, steps_of
from desk.sim.stream import Flags, Generated, Stream
from desk.sim.tempo import TEMPI, Tempo

MAX_WALK = 2000
"""A longer walk by hand takes strides, so that one call stays short."""


@dataclass(frozen=True)
class Print:
    """One trade on the tape; ``quote`` is the market right after it."""

    at: datetime
    quote: Quote
    volume: int
    buy: bool


@dataclass
class _Frozen:
    since: int
    ticks: int
    prints: list[tuple[float, int]] = field(default_factory=list)


@dataclass(frozen=True)
class _Minute:
    """The prints of one minute: price in ticks, contracts, aggressor; ``steps`` once somebody looks inside."""

    ticks: list[int]
    volumes: list[int]
    buys: list[bool]
    columns: tuple[Ints, Ints, Flags]


def instant(index: int) -> datetime:
    """When a print happens."""
    return datetime.fromtimestamp(index / PRINTS_PER_SECOND, UTC)


__all__ = ["BarQuery", "Market", "Print", "index_of", "instant"]


class Market:
    """Prices for the shell. Only ``walk``, ``freeze`` and ``add_volume`` change anything; bars may be asked in a thread.

    hours: ``exchange`` prints nothing while the product's session is shut. replayed: contract or symbol id to recorded
    prints that take the place of the generated ones.
    """

    def __init__(
        self, seed: int, *, manual: bool, started: datetime, spread_ticks: int = 1,
        hours: Literal["always", "exchange"] = "always", replayed: Mapping[str, Stream] | None = None,
    ) -> None:  # fmt: skip
        self.seed = seed
        self.manual = manual
        self.hours = hours
        self._replayed = dict(replayed or {})
        self._streams: dict[str, Stream] = {}
        self._steps: OrderedDict[tuple[str, int], Steps] = OrderedDict()
        self._more: dict[str, list[tuple[float, int]]] = {}
        self._started = index_of(started)
        self._spread = spread_ticks
        self._frozen: dict[str, _Frozen] = {}
        self._minutes: OrderedDict[tuple[str, int], _Minute] = OrderedDict()

    # -- live -------------------------------------------------------------------------------------------------

    def quote(self, contract: Contract, now: datetime) -> Quote:
        """Bid, ask and last trade at an instant."""
        held = self._held(contract)
        if held is not None:
            return self._by_hand(contract, held.ticks)
        return self._generated(contract, index_of(now))

    def prints(self, contract: Contract, after: int, upto: int) -> list[Print]:
        """Generated prints with ``after < index <= upto``, oldest first; none for a frozen contract."""
        if self._held(contract) is not None:
            return []
        result: list[Print] = []
        for index in range(after + 1, upto + 1):
            minute, place = self._minute(contract, index // PRINTS), index % PRINTS
            if minute.volumes[place]:
                quote = self._generated(contract, index)
                result.append(Print(instant(index), quote, minute.volumes[place], minute.buys[place]))
        return result

    def steps(self, contract: Contract, minute: int) -> Steps:
        """All that happens inside the prints of one minute; not for a frozen contract."""
        key = contract.id, minute
        found = self._steps.get(key)
        if found is None:
            columns = self._minute(contract, minute).columns
            made = steps_of((self.seed, contract.symbol_id), minute, *columns, self.tempo(contract), self._spread)
            found = self._steps[key] = made
            if len(self._steps) > 128:
                self._steps.popitem(last=False)
        return found

    def make_steps(self, contract: Contract, minute: int) -> bool:
        """Have them ready; False when they were."""
        if (contract.id, minute) in self._steps:
            return False
        self.steps(contract, minute)
        return True

    def tempo(self, contract: Contract) -> Tempo:
        """How busy the contract is."""
        return TEMPI[_product(contract).symbol]

    def add_volume(self, contract: Contract, at: datetime, volume: int) -> None:
        """Contracts that traded on top of the generated ones, so that bars know them, too."""
        self._more.setdefault(contract.symbol_id, []).append((at.timestamp(), volume))

    def freeze(self, contract: Contract, price: Decimal, now: datetime) -> None:
        """Hold a contract where it is told from now on, without a print."""
        self._frozen[contract.id] = _Frozen(index_of(now) + 1, int(price / contract.tick_size))

    def is_frozen(self, contract: Contract) -> bool:
        """True when only ``walk`` moves it."""
        return self._held(contract) is not None

    def walk(self, contract: Contract, price: Decimal, now: datetime) -> list[Print]:
        """Freeze the contract and let it trade tick by tick to a price; the last print is that price itself.

        Raises ValueError when the price is not on the tick grid.
        """
        if price % contract.tick_size:
            raise ValueError(f"{price} is not on the tick grid of {contract.id} ({contract.tick_size})")
        if self._held(contract) is None:
            self.freeze(contract, self.quote(contract, now).last, now)
        held = self._frozen[contract.id]
        target, start = int(price / contract.tick_size), held.ticks
        step = max(1, abs(target - start) // MAX_WALK) * (1 if target >= start else -1)
        visited = [*range(start + step, target, step), target]
        held.ticks = target
        held.prints.extend((now.timestamp(), ticks) for ticks in visited)
        return [Print(now, self._by_hand(contract, ticks), HAND_VOLUME, step > 0) for ticks in visited]

    def frozen_prices(self) -> dict[str, int]:
        """Where the frozen contracts stand, in ticks."""
        return {contract_id: held.ticks for contract_id, held in self._frozen.items()}

    # -- the past ---------------------------------------------------------------------------------------------

    def first_trigger(
        self, contract: Contract, after: int, upto: int, up: Decimal | None, down: Decimal | None
    ) -> int | None:
        """The first print index in ``(after, upto]`` at or beyond one of two prices, found hour by hour.

        up / down: a print at or above / at or below it counts; None: that side does not matter.
        """
        if self._held(contract) is not None or (up is None and down is None):
            return None
        stream, tick = self._stream(contract), float(contract.tick_size)
        top = np.inf if up is None else float(up / contract.tick_size)
        bottom = -np.inf if down is None else float(down / contract.tick_size)
        hour = 60
        for start in range((after + 1) // PRINTS, upto // PRINTS + 1, hour):
            minutes = np.arange(start, min(start + hour, upto // PRINTS + 1))
            knots = stream.knots(np.append(minutes, minutes[-1] + 1))
            reach = stream.reach + tick
            if knots.max() + reach < top * tick and knots.min() - reach > bottom * tick:
                continue
            prints, volumes = prints_of(stream, minutes)
            ticks = to_ticks(prints, tick)
            hits = np.flatnonzero(((ticks >= top) | (ticks <= bottom)) & (volumes > 0)) + start * PRINTS
            hits = hits[(hits > after) & (hits <= upto)]
            if len(hits):
                return int(hits[0])
        return None

    def bars_json(self, contract: Contract, query: BarQuery, now: datetime) -> bytes:
        """The ``bars`` array of reference 3.4 as JSON text, newest first. Long: call it in a thread."""
        return render(self.bars(contract, query, now), contract)

    def bars(self, contract: Contract, query: BarQuery, now: datetime) -> Bars:
        """Bars that open inside the window: closed ones and, when asked for, the one still forming."""
        held = self._held(contract)
        by_hand = ByHand(held.since, list(held.prints)) if held is not None else None
        made = bars_of(self._stream(contract), contract, query, now, by_hand)
        more = self._more.get(contract.symbol_id)
        return made if not more else with_more(made, query, list(more))

    # -- inside -----------------------------------------------------------------------------------------------

    def _held(self, contract: Contract) -> _Frozen | None:
        held = self._frozen.get(contract.id)
        if held is None and self.manual:
            ticks = int(self._generated(contract, self._started).last / contract.tick_size)
            held = self._frozen[contract.id] = _Frozen(self._started + 1, ticks)
        return held

    def _by_hand(self, contract: Contract, ticks: int) -> Quote:
        """A frozen market: the last trade is the bid, the ask stands ``spread_ticks`` above."""
        last = ticks * contract.tick_size
        return Quote(last, last + self._spread * contract.tick_size, last)

    def _generated(self, contract: Contract, index: int) -> Quote:
        """After an aggressive buy the last trade is the ask, after a sell it is the bid."""
        minute, place = self._minute(contract, index // PRINTS), index % PRINTS
        last = minute.ticks[place] * contract.tick_size
        gap = self._spread * contract.tick_size
        return Quote(last - gap, last, last) if minute.buys[place] else Quote(last, last + gap, last)

    def _minute(self, contract: Contract, minute: int) -> _Minute:
        key = contract.id, minute
        found = self._minutes.get(key)
        if found is None:
            stream, tick = self._stream(contract), float(contract.tick_size)
            prints, volumes = prints_of(stream, np.array([minute]))
            ticks = self._standing(stream, minute, to_ticks(prints, tick), volumes, tick)
            indexes: Ints = np.arange(minute * PRINTS, (minute + 1) * PRINTS)
            buys = buyer_started(self.seed, contract.symbol_id, indexes)
            found = _Minute(ticks.tolist(), volumes.tolist(), buys.tolist(), (ticks, volumes, buys))
            self._minutes[key] = found
            if len(self._minutes) > 256:
                self._minutes.popitem(last=False)
        return found

    def _standing(self, stream: Stream, minute: int, ticks: Ints, volumes: Ints, tick: float) -> Ints:
        """Where nothing traded, the market stands at the last trade before, hours ago perhaps."""
        if volumes.all():
            return ticks
        newest = np.maximum.accumulate(np.where(volumes > 0, np.arange(PRINTS), -1))
        before = stream.active_before(minute) if newest[0] < 0 else None
        start = ticks[:1] if before is None else to_ticks(stream.closes(np.array([before])), tick)
        return np.where(newest < 0, start[0], ticks[newest])

    def _stream(self, contract: Contract) -> Stream:
        found = self._streams.get(contract.id)
        if found is None:
            product = _product(contract)
            found = self._replayed.get(contract.id) or self._replayed.get(contract.symbol_id)
            if found is None:
                path = Path(self.seed, product.walk, product.price, product.daily_pct)
                mask = OpenMask(contract.group) if self.hours == "exchange" else None
                found = Generated(path, contract.symbol_id, TEMPI[product.symbol], mask)
            self._streams[contract.id] = found
        return found


def _product(contract: Contract) -> Product:
    product = product_of(contract.id)
    assert isinstance(product, Product), f"{contract.id} is not in the catalogue"
    return product
