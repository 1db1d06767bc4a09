"""Candles as text: what stands where, at 80 columns and at any other size."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from desk.core.timeframe import parse_timeframe
from desk.market.bars import NANOS, Bars
from desk.surfaces.chart import Frame, candles, places_for
from desk.surfaces.sheet import Drawing, page_as_text, page_for_rich

TICK = Decimal("0.25")
START = int(datetime(2026, 11, 18, 14, 30, tzinfo=UTC).timestamp())
FIVE = parse_timeframe("5m")


def bars_of(*rows: tuple[float, float, float, float, int], step: int = 300) -> Bars:
    """open, high, low, close in points, volume."""
    columns = [(START + i * step, *(int(price * NANOS) for price in row[:4]), row[4]) for i, row in enumerate(rows)]
    return Bars(*np.array(columns, dtype=np.int64).T.copy())


def drawn(bars: Bars, frame: Frame, timeframe: str = "5m") -> list[str]:
    return page_as_text((Drawing(candles(bars, parse_timeframe(timeframe), frame)),)).split("\n")


STAIRS = bars_of(
    (100, 102, 99, 101, 50),
    (101, 104, 101, 104, 100),
    (104, 104, 101, 102, 200),
    (102, 103, 102, 102, 25),
)


def test_rising_falling_and_standing_still_look_different() -> None:
    assert drawn(STAIRS, Frame(30, 5, TICK, UTC)) == [
        "  ┃ █",
        "  ┃ █ │",
        "│ ┃ ▀ ╹  ┤ 102.00",
        "┃ ╹ ╵",
        "╿        ┤ 100.00",
        "14:30",
    ]


def test_without_box_characters_it_is_ascii_only() -> None:
    lines = drawn(STAIRS, Frame(30, 12, TICK, UTC, is_ascii=True))
    assert "\n".join(lines).isascii()
    assert any("#" in line for line in lines)
    assert any("o" in line for line in lines)


def test_the_volume_has_a_row_where_there_is_room() -> None:
    lines = drawn(STAIRS, Frame(30, 12, TICK, UTC))
    assert lines[-2] == "▂ ▄ █ ▁  ┤ 200"
    assert len(lines) == 14


def test_the_last_close_stands_in_bold_and_labels_are_on_the_grid() -> None:
    pieces = candles(STAIRS, FIVE, Frame(30, 12, TICK, UTC))
    assert [piece.text for piece in pieces if piece.style == "bold"] == [" ┤ 102.00"]
    for piece in pieces:
        if piece.style == "dim" and piece.text.startswith(" ┤ ") and "." in piece.text:
            assert Decimal(piece.text[3:]) % TICK == 0


def test_another_day_is_named_below() -> None:
    flat = [(100.0, 101.0, 99.0, 100.0, 5)] * 40
    line = drawn(bars_of(*flat, step=3600), Frame(80, 6, TICK, UTC), "1h")[-1]
    assert line.startswith("14:30")
    assert "11-19" in line


def test_colours_are_only_for_terminals() -> None:
    console = Console(width=80, force_terminal=True, record=True, file=io.StringIO())
    console.print(page_for_rich((Drawing(candles(STAIRS, FIVE, Frame(30, 5, TICK, UTC))),)), crop=False)
    with_styles = console.export_text(styles=True)
    assert "\x1b[32m" in with_styles
    assert "\x1b[31m" in with_styles


@st.composite
def series(draw: st.DrawFn) -> Bars:
    rows = draw(
        st.lists(
            st.tuples(*(st.integers(-200_000, 400_000) for _ in range(4)), st.integers(0, 10**9)),
            min_size=1,
            max_size=200,
        )
    )
    tick = int(TICK * NANOS)
    columns = [
        (START + i * 60, a * tick, max(a, b, c, d) * tick, min(a, b, c, d) * tick, b * tick, v)
        for i, (a, b, c, d, v) in enumerate(rows)
    ]
    return Bars(*np.array(columns, dtype=np.int64).T.copy())


@given(series(), st.integers(24, 240), st.integers(5, 60), st.booleans(), st.sampled_from(["30s", "1m", "1d", "1M"]))
def test_it_always_fits_its_frame(bars: Bars, width: int, height: int, is_ascii: bool, timeframe: str) -> None:
    frame = Frame(width, height, TICK, UTC, is_ascii)
    lines = drawn(bars, frame, timeframe)
    assert max(map(len, lines)) <= width
    assert height + 1 <= len(lines) <= height + 2
    shown = bars.newest(places_for(bars, frame))
    candles_in = [line.partition("+" if is_ascii else "┤")[0] for line in lines[:height]]
    assert any(line.strip() for line in candles_in) or len(shown) == 1


@pytest.mark.parametrize("tick", ["0.25", "0.015625", "0.0078125", "0.0000005", "0.005", "5", "0.1"])
def test_every_tick_of_the_root_table_has_labels(tick: str) -> None:
    size = float(tick)
    bars = bars_of(
        *((100 + i * size, 100 + (i + 3) * size, 100 + (i - 2) * size, 100 + (i + 1) * size, 1) for i in range(30))
    )
    labels = [line.partition("┤")[2].strip() for line in drawn(bars, Frame(80, 20, Decimal(tick), UTC))[:20]]
    found = [Decimal(label) for label in labels if label]
    assert len(found) >= 2
    assert all((price - 100) % Decimal(tick) == 0 for price in found)
    assert found == sorted(found, reverse=True)
