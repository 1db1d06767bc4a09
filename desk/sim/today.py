"""The trading day so far, read from the bars: what a quote shows as open, high, low, volume and change."""

from datetime import datetime, timedelta

from desk.sim.bars import COLUMNS, opening_around
from desk.sim.history import BarQuery, index_of
from desk.sim.market import Market
from desk.sim.model import Contract
from desk.sim.steps import STEPS
from desk.sim.ticker import Session

_DAY_UNIT = 4
_LOOK_BACK = timedelta(days=6)
"""Over the longest weekend there is an earlier day in it."""


def session_of(market: Market, contract: Contract, now: datetime) -> Session:
    """Today's session up to and with the print at ``now``. May take some milliseconds: call it in a thread."""
    query = BarQuery(_DAY_UNIT, 1, now - _LOOK_BACK, now + timedelta(seconds=1), 2, True)
    bars = market.bars(contract, query, now)
    upto = (index_of(now) + 1) * STEPS
    started, ends = opening_around(now)
    days = list(zip(*(getattr(bars, name).tolist() for name in COLUMNS), strict=True))
    today = days.pop() if days and days[-1][0] == started else None
    settled = days[-1][4] if days else None
    if today is None:
        return Session(None, 0, 0, 0, settled, upto, ends)
    return Session(today[1], today[2], today[3], today[5], settled, upto, ends)
