"""How busy each product is: trades, contracts, quotes and depth events per second (reference 5.3, end).

MNQ in US hours is the measure: about 42 quotes, 20 trades and 62 depth events a second. The other figures are choices of
the simulator, ordered as the products are on a usual day; all of them are a quarter outside US hours.
"""

from dataclasses import dataclass

import numpy as np

from desk.sim.noise import Floats, Ints

QUIET = 0.25
"""Of the events and contracts of US hours, outside them."""


@dataclass(frozen=True)
class Tempo:
    """One product's pace.

    every: at most one move in so many quarter seconds; 1, or a divisor of 240; shared by all products of one price path.
    lively: events as a share of MNQ's, 0 to 1. contracts: average per minute in US hours.
    """

    every: int
    lively: float
    contracts: int


_TABLE = """
ES 1 0.9 3000|MES 1 0.8 2400|NQ 1 0.8 1500|MNQ 1 1.0 3000|RTY 1 0.4 900|M2K 1 0.35 700|YM 1 0.4 800|MYM 1 0.4 700
NKD 16 0.1 60|CL 1 0.6 1200|QM 1 0.15 400|MCL 1 0.5 900|NG 2 0.4 600|QG 2 0.1 250|MNG 2 0.2 300|RB 8 0.15 120
HO 8 0.15 120|GC 1 0.7 1200|MGC 1 0.7 1200|SI 2 0.4 600|SIL 2 0.35 500|HG 4 0.25 350|MHG 4 0.15 250|PL 8 0.15 120
6A 4 0.2 300|6B 4 0.2 300|6C 4 0.2 300|6E 2 0.3 700|E7 2 0.1 250|6J 2 0.25 500|6M 8 0.1 150|6N 8 0.1 150|6S 8 0.1 150
M6A 4 0.1 200|M6B 4 0.1 200|M6E 2 0.15 300|ZT 4 0.2 900|ZF 4 0.25 1500|ZN 2 0.35 2500|TN 4 0.2 800|ZB 4 0.25 800
UB 4 0.2 500|ZC 8 0.2 300|ZW 8 0.2 250|ZS 8 0.2 300|ZM 8 0.15 200|ZL 8 0.15 200|HE 16 0.1 60|LE 16 0.1 70
MBT 2 0.3 400|MET 2 0.3 500
"""


def _read(row: str) -> tuple[str, Tempo]:
    symbol, every, lively, contracts = row.split()
    return symbol, Tempo(int(every), float(lively), int(contracts))


TEMPI: dict[str, Tempo] = dict(_read(row) for row in _TABLE.replace("\n", "|").split("|") if row)
"""By exchange symbol (``Product.symbol``)."""


def business(minutes: Ints) -> Floats:
    """1 in US hours (13:00-21:00 UTC), ``QUIET`` outside, float64 (n,)."""
    hour = (minutes // 60) % 24
    return np.where((hour >= 13) & (hour < 21), 1.0, QUIET)
