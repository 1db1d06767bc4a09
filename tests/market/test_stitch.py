"""Several contract months as one series: no opening twice, nothing changed inside a segment, the newest one untouched."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from desk.market.bars import NANOS, Bars
from desk.market.stitch import How, first_day_above, stitch

TICK = NANOS // 4


def series(first: int, prices: list[int], volume: int = 10) -> Bars:
    """Minutes from ``first`` (a minute's number) on; prices in ticks."""
    close = np.array(prices, dtype=np.int64) * TICK
    ts = (first + np.arange(len(prices), dtype=np.int64)) * 60
    return Bars(
        ts, close - TICK, close + 2 * TICK, close - 2 * TICK, close, np.full(len(prices), volume, dtype=np.int64)
    )


def test_the_difference_at_the_roll_moves_what_is_older() -> None:
    old, new = series(0, [100, 101, 102, 103]), series(2, [110, 111, 112, 113])
    plain, adjusted = (stitch([old, new], [4 * 60], how) for how in ("none", "adjusted"))
    assert (plain.columns.close // TICK).tolist() == [100, 101, 102, 103, 112, 113]
    assert (adjusted.columns.close // TICK).tolist() == [108, 109, 110, 111, 112, 113]
    assert adjusted.differences == (8 * TICK,)
    assert adjusted.shifts == (8 * TICK, 0)
    assert plain.shifts == (0, 0)


def test_an_unknown_difference_leaves_out_what_is_older_and_never_guesses() -> None:
    old, between, new = series(0, [100, 101]), series(4, [110, 111, 112, 113]), series(6, [120, 121, 122])
    rolls = [3 * 60, 8 * 60]
    adjusted, plain = stitch([old, between, new], rolls, "adjusted"), stitch([old, between, new], rolls, "none")
    assert adjusted.differences == (None, 8 * TICK)
    assert adjusted.shifts == (None, 8 * TICK, 0)
    assert (adjusted.columns.close // TICK).tolist() == [118, 119, 120, 121, 122]
    assert (plain.columns.close // TICK).tolist() == [100, 101, 110, 111, 112, 113, 122]


def test_a_common_bar_of_long_ago_says_nothing_about_the_roll() -> None:
    week = 7 * 24 * 60
    found = stitch([series(0, [100]), series(0, [105])], [week * 60], "adjusted")
    assert found.differences == (None,)


def test_the_day_on_which_the_next_month_trades_more() -> None:
    old, new = series(0, [1] * 5, volume=100), series(1, [1] * 6, volume=99)
    assert first_day_above(old, new) is None
    new.volume[2] = 101
    assert first_day_above(old, new) == 3 * 60
    assert first_day_above(Bars.empty(), new) is None


moves = st.lists(st.integers(-50, 50), min_size=1, max_size=30)


@given(
    paths=st.lists(st.tuples(moves, st.integers(0, 20)), min_size=1, max_size=4),
    cuts=st.lists(st.integers(1, 120), min_size=3, max_size=3, unique=True),
    how=st.sampled_from(["none", "adjusted"]),
)
def test_laws(paths: list[tuple[list[int], int]], cuts: list[int], how: How) -> None:
    segments = [series(k * 15 + late, (1000 + np.cumsum(steps)).tolist()) for k, (steps, late) in enumerate(paths)]
    rolls = [minute * 60 for minute in sorted(cuts)[: len(segments) - 1]]
    whole = stitch(segments, rolls, how)
    assert (np.diff(whole.columns.ts) > 0).all()
    edges = [-(2**62), *rolls, 2**62]
    for k, segment in enumerate(segments):
        told, wanted = (bars.between(edges[k], edges[k + 1]) for bars in (whole.columns, segment))
        if whole.shifts[k] is None:
            assert len(told) == 0
            continue
        assert told.ts.tolist() == wanted.ts.tolist()
        assert told.volume.tolist() == wanted.volume.tolist()
        for name in ("open", "high", "low", "close"):
            ours, theirs = getattr(told, name), getattr(wanted, name)
            assert np.array_equal(np.diff(ours), np.diff(theirs))
            assert np.array_equal(ours - theirs, np.full(len(ours), whole.shifts[k]))
    assert whole.shifts[-1] == 0
    if how == "none":
        assert set(whole.shifts) == {0}
