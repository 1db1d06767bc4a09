"""Level 1: what the market did, as data. Pure.

``quotes`` merges sparse updates into one :class:`~desk.core.words.Quote` per contract, ``tape`` holds market trades and
depth rows. Must not live here: sockets, JSON, anything that decides about orders. Start with ``quotes.QuoteBook``.
"""

from desk.market.quotes import QuoteBook, QuoteUpdate
from desk.market.tape import DepthKind, DepthRow, MarketTrade

__all__ = ["DepthKind", "DepthRow", "MarketTrade", "QuoteBook", "QuoteUpdate"]
