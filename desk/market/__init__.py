"""Level 1: what the market did, as data. Pure.

``quotes`` merges sparse updates into one :class:`~desk.core.words.Quote` per contract, ``tape`` holds market trades and
depth rows, ``depth`` a best-effort book, ``builder`` makes bars of trades, ``bars`` holds many bars as columns, ``pages`` and
``spans`` say what of them is known, ``sessions`` when quotes are to be expected, ``ranges`` how far the market moves in a
bar. Must not live here: sockets, JSON, anything that decides about orders. Start with ``quotes.QuoteBook``.
"""

from desk.market.quotes import QuoteBook, QuoteUpdate
from desk.market.ranges import average_true_range, true_range
from desk.market.sessions import cme_is_open, cme_open_since, is_liquid
from desk.market.tape import DepthKind, DepthRow, MarketTrade

__all__ = [
    "DepthKind",
    "DepthRow",
    "MarketTrade",
    "QuoteBook",
    "QuoteUpdate",
    "average_true_range",
    "cme_is_open",
    "cme_open_since",
    "is_liquid",
    "true_range",
]
