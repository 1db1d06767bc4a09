"""Bars as JSON: number for number what the encoder would write of the rows."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from desk.market.bars import NANOS, Bars
from desk.surfaces import view
from desk.surfaces.bars_json import BarRows, bars_as_json


def exact(text: bytes) -> Any:
    return json.loads(text, parse_float=Decimal)


prices = st.integers(-50 * NANOS, 40_000 * NANOS)
row = st.tuples(prices, prices, prices, prices, st.integers(0, 2**40))


@given(st.lists(row, max_size=30))
def test_it_is_what_the_encoder_writes_of_rows(rows: list[tuple[int, int, int, int, int]]) -> None:
    columns = np.array([(1_794_700_000 + i * 15, *one) for i, one in enumerate(rows)], dtype=np.int64)
    bars = Bars(*columns.reshape(-1, 6).T.copy())
    assert exact(bars_as_json(bars)) == exact(view.encode(bars.rows()))
    assert msgspec.json.decode(view.encode({"bars": BarRows(bars)}))["bars"] == msgspec.json.decode(bars_as_json(bars))


def test_more_than_one_piece_is_one_array() -> None:
    n = 2500
    tick = Decimal("0.25")
    price = np.arange(n, dtype=np.int64) * int(tick * NANOS)
    bars = Bars(np.arange(n, dtype=np.int64) * 60, price, price, price, price, np.ones(n, dtype=np.int64))
    assert bars_as_json(bars) == view.encode(bars.rows())
    assert bars_as_json(Bars.empty()) == b"[]"
