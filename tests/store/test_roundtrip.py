"""Any sequence of records that the core can express comes back equal."""

from __future__ import annotations

import itertools
import types
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, NewType, Union, get_args, get_origin

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.core.records import AlertJournalled, Record
from desk.store.reader import Reader
from desk.store.writer import Writer

_zones = st.sampled_from([UTC, timezone(timedelta(hours=-5)), timezone(timedelta(hours=5, minutes=45))])
_plain: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(max_size=12),
    int: st.integers(-(2**63), 2**63 - 1),
    bool: st.booleans(),
    type(None): st.none(),
    Decimal: st.decimals(allow_nan=False, allow_infinity=False),
    datetime: st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2999, 1, 1), timezones=_zones),  # noqa: DTZ001
}


def values_of(hint: Any) -> st.SearchStrategy[Any]:
    """Any value of a type that records are made of."""
    if hint in _plain:
        return _plain[hint]
    if isinstance(hint, NewType):
        return values_of(hint.__supertype__)
    if get_origin(hint) in (Union, types.UnionType):
        return st.one_of([values_of(part) for part in get_args(hint)])
    if get_origin(hint) is tuple:
        kinds = get_args(hint)
        if kinds[-1] is not ...:
            return st.tuples(*map(values_of, kinds))
        return st.lists(values_of(kinds[0]), max_size=2).map(tuple)
    if get_origin(hint) is dict:
        return st.dictionaries(*map(values_of, get_args(hint)), max_size=2)
    if issubclass(hint, Enum):
        return st.sampled_from(hint)
    assert issubclass(hint, msgspec.Struct), f"teach this test {hint}"
    return st.builds(hint, **{field.name: values_of(field.type) for field in msgspec.structs.fields(hint)})


RECORDS = {kind: values_of(kind) for kind in get_args(Record)}
_fresh = itertools.count()


def with_a_new_id(record: Record) -> Record:
    """An alert is journalled once: its id is random, and no two are equal."""
    return msgspec.structs.replace(record, cause=f"A{next(_fresh)}") if isinstance(record, AlertJournalled) else record


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Writer, Reader]]:
    path: Path = tmp_path_factory.mktemp("roundtrip") / "journal.sqlite3"
    with closing(Writer(path)) as writer, closing(Reader(path)) as reader:
        yield writer, reader


@given(batch=st.lists(st.one_of(*RECORDS.values()), min_size=1, max_size=4))
def test_any_sequence_of_records_comes_back_equal(ends: tuple[Writer, Reader], batch: list[Record]) -> None:
    writer, reader = ends
    batch = [with_a_new_id(record) for record in batch]
    before = reader.last_seq()
    last = writer.append(batch)
    assert reader.read(before) == list(enumerate(batch, start=before + 1))
    assert reader.last_seq() == last
    for record in batch:
        rows = {row.seq: row for row in reader.story(record.cause) if row.seq > before}
        assert record in [row.record for row in rows.values()]
        if isinstance(record, AlertJournalled):
            row = reader.alert(record.cause)
            assert row is not None
            assert (row.alert, row.raw, row.ts) == (record.alert.alert, record.alert.raw, record.alert.ts)
