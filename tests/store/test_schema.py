"""Each named query is served by the index that is declared beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection
from sqlalchemy.dialects import sqlite

from desk.store.database import connect, create_if_missing
from desk.store.schema import METADATA, QUERIES


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    path = tmp_path / "journal.sqlite3"
    create_if_missing(path)
    with connect(path, writes=False) as connection:
        yield connection


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_uses_its_index(name: str, connection: Connection) -> None:
    query = QUERIES[name]
    compiled = query.statement.compile(dialect=sqlite.dialect())
    values = tuple(compiled.params[key] or "1" for key in compiled.positiontup or ())
    plan = [row.detail for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", values)]
    assert not [step for step in plan if "TEMP B-TREE" in step]
    if query.served_by is not None:
        assert any(f"INDEX {query.served_by.name}" in step for step in plan), plan
    elif name == "newest_snapshot":
        assert plan == ["SCAN snapshots"]  # three rows, newest first
    else:
        assert all(step.startswith("SEARCH") for step in plan), plan


def test_no_index_is_there_for_nothing() -> None:
    declared = {index.name for table in METADATA.tables.values() for index in table.indexes}
    assert declared == {query.served_by.name for query in QUERIES.values() if query.served_by is not None}
