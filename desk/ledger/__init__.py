"""Level 1: what was earned. Fills become positions and round trips, with fees, reasons and statistics. Pure.

The method is the venue's: the average price of a position is weighted by size, and closing does not move it. Must not
live here: the venue's own word on a position (that is the engine's), a limit, or a price that nobody handed in; and no
contract's economics but the gateway's. Start with ``keep_ledger``, then ``book.py`` (fills to round trips).
"""

from desk.ledger.book import Book, BookedFill, keep_book
from desk.ledger.days import DayResult, results_by_day
from desk.ledger.exits import LedgerRecord, keep_ledger
from desk.ledger.money import Mark, UnknownContract, economics_of, sum_of, unrealised
from desk.ledger.statistics import Statistics, statistics_of
from desk.ledger.words import OpenTrade, RoundTrip

__all__ = [
    "Book",
    "BookedFill",
    "DayResult",
    "LedgerRecord",
    "Mark",
    "OpenTrade",
    "RoundTrip",
    "Statistics",
    "UnknownContract",
    "economics_of",
    "keep_book",
    "keep_ledger",
    "results_by_day",
    "statistics_of",
    "sum_of",
    "unrealised",
]
