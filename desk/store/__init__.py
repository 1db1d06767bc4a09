"""Level 4: what outlives the process. The journal in SQLite, the bars, the lock of one daemon, token files, the side file.

Must not live here: a decision, or what a record means; the engine folds records and hands its snapshots in as bytes.
Nothing blocks the event loop: one thread writes, another reads. SQLAlchemy is imported in those threads, on first use.
Start with ``journal.py`` (what the program calls), then ``schema.py`` (tables, indexes and the queries that use them)
and ``writer.py`` (the one transaction that everything waits for). Bars: ``bararchive.py`` (Parquet) and ``hotbars.py`` (Redis).
"""

from desk.store.bararchive import BarArchive, open_bar_archive
from desk.store.hotbars import HotBars, open_hot_bars
from desk.store.journal import Journal, open_journal
from desk.store.lock import AlreadyRunning, instance_lock, login_key
from desk.store.pagerules import StoredSeries
from desk.store.rows import AlertRow, JournalRow
from desk.store.sidefile import write_unjournalled
from desk.store.tokens import load_or_make_token

__all__ = [
    "AlertRow",
    "AlreadyRunning",
    "BarArchive",
    "HotBars",
    "Journal",
    "JournalRow",
    "StoredSeries",
    "instance_lock",
    "load_or_make_token",
    "login_key",
    "open_bar_archive",
    "open_hot_bars",
    "open_journal",
    "write_unjournalled",
]
