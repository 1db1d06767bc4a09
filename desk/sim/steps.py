"""What happens inside the prints: ten steps to each quarter second, with the tape, the quotes and their flicker.

The first step of a print is the print itself. Later trades of the same quarter second are at its price or on the other
side of its quote, never beyond what this second has already printed, and the last of them is back at the price: so the
tape stays inside every bar, its contracts add up to the bar's, and it ends each second on the bar's close.
"""

from array import array
from dataclasses import dataclass

import numpy as np

from desk.sim.noise import PRINTS, Floats, Ints, key_of, uniform
from desk.sim.stream import Flags
from desk.sim.tempo import Tempo, business

STEPS = 10
"""Steps in a print: 40 a second."""
_TRADES = 0.57
"""Share of the later steps that trade in the busiest product, given contracts enough."""
_FLICKER = 0.3
"""Share of the later steps in which one side of the quote stands a tick further away."""


@dataclass(frozen=True)
class Steps:
    """One minute, 2400 entries each, packed: prices in ticks; ``volume`` 0: no trade; ``quoted``: the quote is told anew."""

    last: "array[int]"
    bid: "array[int]"
    ask: "array[int]"
    volume: "array[int]"
    buy: bytes
    quoted: bytes


def steps_of(
    key: tuple[int, str], minute: int, ticks: Ints, shares: Ints, buys: Flags, tempo: Tempo, gap: int
) -> Steps:
    """The steps of one minute.

    key: seed and symbolId. ticks, shares, buys: price, contracts and aggressor of its 240 prints. gap: ticks of spread.
    """
    places = (minute * PRINTS + np.arange(PRINTS))[:, None] * STEPS + np.arange(STEPS)
    dice = uniform(key_of(*key, "steps"), places) * 0.5 + 0.5
    more = uniform(key_of(*key, "bounce"), places) * 0.5 + 0.5
    share = tempo.lively * float(business(np.array([minute]))[0])
    trades = _trades(dice, shares, share if tempo.every == 1 else 0.0)
    count = trades.sum(axis=1)
    lots = np.where(trades, (shares // np.maximum(count, 1))[:, None], 0)
    lots[:, 0] += shares - lots.sum(axis=1)
    bounced = trades & (more < 0.4) & _may_bounce(ticks, buys, gap)[:, None]
    bounced[:, 0] = False
    bounced[np.arange(PRINTS), STEPS - 1 - trades[:, ::-1].argmax(axis=1)] = False
    side = np.where(buys, 1, -1)[:, None]
    traded = np.where(bounced, (ticks[:, None] - side * gap), ticks[:, None])
    last = _standing(traded, trades)
    flicker = (more > 1.0 - _FLICKER * share) & (np.arange(STEPS) > 0)
    bid = np.where(buys, ticks - gap, ticks)[:, None] - (flicker & (dice < 0.5))
    ask = np.where(buys, ticks, ticks + gap)[:, None] + (flicker & (dice >= 0.5))
    quoted = (trades | (dice < share)) & bool(shares.any())
    buy = np.where(bounced, ~buys[:, None], buys[:, None])
    return Steps(_packed(last), _packed(bid), _packed(ask), _packed(lots), buy.tobytes(), quoted.tobytes())


def _packed(numbers: Ints) -> "array[int]":
    return array("q", numbers.astype(np.int64).tobytes())


def _trades(dice: Floats, shares: Ints, share: float) -> Flags:
    """Which steps trade: the print itself, and as many later ones as there are contracts for."""
    trades: Flags = dice < _TRADES * share
    trades[:, 0] = True
    trades &= np.cumsum(trades, axis=1) <= shares[:, None]
    return trades


def _may_bounce(ticks: Ints, buys: Flags, gap: int) -> Flags:
    """Where the other side of the quote has already been printed in this second."""
    seconds = ticks.reshape(-1, 4)
    high = np.maximum.accumulate(seconds, axis=1).reshape(-1)
    low = np.minimum.accumulate(seconds, axis=1).reshape(-1)
    other = np.where(buys, ticks - gap, ticks + gap)
    result: Flags = (low <= other) & (other <= high)
    return result


def _standing(traded: Ints, trades: Flags) -> Ints:
    """The last trade's price at every step: the print's own until a later one trades."""
    newest = np.maximum.accumulate(np.where(trades, np.arange(STEPS), 0), axis=1)
    return np.take_along_axis(traded, newest, axis=1)
