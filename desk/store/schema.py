"""Tables of the journal file, each index beside the named query that uses it (a test asserts every plan).

The journal is what happened; ``alerts`` is a projection of it, written in the same transaction. A change of the tables
raises ``SCHEMA_VERSION``; a new record type does not, its name is the version.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import (
    Column,
    Delete,
    Index,
    Insert,
    Integer,
    LargeBinary,
    MetaData,
    Select,
    Table,
    Text,
    Update,
    bindparam,
    delete,
    func,
    insert,
    select,
    text,
    tuple_,
    update,
)

__all__ = ["METADATA", "NEEDS_PROGRAM", "QUERIES", "SCHEMA_VERSION", "Query"]

SCHEMA_VERSION = 1
NEEDS_PROGRAM = "0.1.0"  # the first program version that reads SCHEMA_VERSION; an older one names it when it refuses
KEPT_SNAPSHOTS = 3

METADATA = MetaData()

journal = Table(
    "journal",
    METADATA,
    Column("seq", Integer, primary_key=True),
    Column("ts", Text, nullable=False),  # ISO, UTC, microseconds
    Column("type", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("account_id", Integer),
    Column("body", Text, nullable=False),  # the record as JSON
    sqlite_autoincrement=True,  # a number is never used twice, not even after rows were removed by hand
)

alerts = Table(
    "alerts",
    METADATA,
    Column("alert_id", Text, primary_key=True),
    Column("ts", Text, nullable=False),
    Column("bot", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("body_sha256", Text, nullable=False),
    Column("dedupe_key", Text, nullable=False),
    Column("raw", Text, nullable=False),
    Column("canonical", Text),  # JSON; NULL: it could not be read
    Column("verdict", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("of", Text),
)

snapshots = Table(
    "snapshots",
    METADATA,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("format", Integer, nullable=False),
    Column("ts", Text, nullable=False),  # of the last record that is in it
    Column("state", LargeBinary, nullable=False),
)

meta = Table("meta", METADATA, Column("key", Text, primary_key=True), Column("value", Text, nullable=False))


class Query(NamedTuple):
    """A statement and the index that serves it; ``served_by`` None: the primary key, or a table of three rows."""

    statement: Select[Any]
    served_by: Index | None = None


_row = (journal.c.seq, journal.c.ts, journal.c.type, journal.c.cause, journal.c.account_id, journal.c.body)
_by_cause = Index("journal_by_cause", journal.c.cause)
_by_ts = Index("journal_by_ts", journal.c.ts)
# Fills and the ends of positions among everything else. The same words stand in index and query: with bound values
# SQLite could not see that the one serves the other.
_is_of_ledger = text("type IN ('ExitExplained', 'FillRecorded', 'PositionClosed')")
_ledger_by_ts = Index("journal_ledger_by_ts", journal.c.ts, sqlite_where=_is_of_ledger, postgresql_where=_is_of_ledger)
_newest_alerts = Index("alerts_by_ts", alerts.c.ts, alerts.c.alert_id)

_newest_first = (alerts.c.ts.desc(), alerts.c.alert_id.desc())

QUERIES = {
    "after": Query(
        select(journal.c.seq, journal.c.type, journal.c.body)
        .where(journal.c.seq > bindparam("after_seq"))
        .order_by(journal.c.seq)
    ),
    "last_seq": Query(select(func.max(journal.c.seq))),
    "story": Query(select(*_row).where(journal.c.cause == bindparam("cause")).order_by(journal.c.seq), _by_cause),
    "between": Query(
        select(*_row)
        .where(journal.c.ts >= bindparam("start"), journal.c.ts < bindparam("end"))
        .order_by(journal.c.ts, journal.c.seq)
        .limit(bindparam("limit")),
        _by_ts,
    ),
    "ledger": Query(
        select(*_row)
        .where(_is_of_ledger, journal.c.ts >= bindparam("start"), journal.c.ts < bindparam("end"))
        .order_by(journal.c.ts, journal.c.seq),
        _ledger_by_ts,
    ),
    "alert": Query(select(alerts).where(alerts.c.alert_id == bindparam("alert_id"))),
    "recent_alerts": Query(select(alerts).order_by(*_newest_first).limit(bindparam("limit")), _newest_alerts),
    "alerts_before": Query(
        select(alerts)
        .where(tuple_(alerts.c.ts, alerts.c.alert_id) < tuple_(bindparam("ts"), bindparam("alert_id")))
        .order_by(*_newest_first)
        .limit(bindparam("limit")),
        _newest_alerts,
    ),
    "newest_snapshot": Query(
        select(snapshots.c.seq, snapshots.c.state)
        .where(snapshots.c.format == bindparam("format"))
        .order_by(snapshots.c.seq.desc())
        .limit(1)
    ),
    "meta": Query(select(meta.c.value).where(meta.c.key == bindparam("key"))),
}

# Positional values in this order: the columns of the table. The writer sends these as prepared text.
INSERT_RECORD: Insert = insert(journal).values({c.name: bindparam(c.name) for c in journal.c if c is not journal.c.seq})
INSERT_ALERT: Insert = insert(alerts).values({c.name: bindparam(c.name) for c in alerts.c})
UPDATE_VERDICT: Update = (
    update(alerts)
    .where(alerts.c.alert_id == bindparam("key"))
    .values({name: bindparam(name) for name in ("verdict", "reason", "text", "of")})
)
SAVE_SNAPSHOT: Insert = insert(snapshots).prefix_with("OR REPLACE", dialect="sqlite")
DROP_OLD_SNAPSHOTS: Delete = delete(snapshots).where(
    snapshots.c.seq.not_in(select(snapshots.c.seq).order_by(snapshots.c.seq.desc()).limit(KEPT_SNAPSHOTS))
)
TS_OF_RECORD: Select[Any] = select(journal.c.ts).where(journal.c.seq == bindparam("seq"))
INSERT_META: Insert = insert(meta)
