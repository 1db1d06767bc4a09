"""The generated market: pure, the same in every timeframe, and continued by the live prints."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import groupby

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desk.sim.bars import Bars
from desk.sim.catalogue import PRODUCTS, Catalogue
from desk.sim.market import BarQuery, Market, index_of, instant

NOW = datetime(2026, 11, 18, 15, 2, 17, 400_000, tzinfo=UTC)
CATALOGUE = Catalogue()
MNQ = next(row for row in CATALOGUE.available(NOW.date()) if row.name == "MNQZ6")
TICK = MNQ.tick_size


def market(seed: int = 7, *, manual: bool = False) -> Market:
    return Market(seed, manual=manual, started=NOW)


def bars(
    unit: int, number: int = 1, limit: int = 50, *, forming: bool = True, now: datetime = NOW, of: Market | None = None
) -> Bars:
    query = BarQuery(unit, number, now - timedelta(days=380), now + timedelta(days=1), limit, forming)
    return (of or market()).bars(MNQ, query, now)


def rows(made: Bars) -> list[tuple[int, ...]]:
    columns = (made.start, made.open, made.high, made.low, made.close, made.volume)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def folded(fine: Bars, starts: list[int]) -> list[tuple[int, ...]]:
    """Bars of a coarser timeframe made of finer ones."""
    edges = np.array(starts)
    result: list[tuple[int, ...]] = []
    for number, group in groupby(rows(fine), key=lambda row: int(np.searchsorted(edges, row[0], side="right")) - 1):
        part = list(group)
        if number < 0:
            continue
        high, low = max(row[2] for row in part), min(row[3] for row in part)
        result.append((starts[number], part[0][1], high, low, part[-1][4], sum(row[5] for row in part)))
    return result


@settings(max_examples=15)
@given(
    seconds=st.integers(0, 20_000_000),
    pair=st.sampled_from([((1, 1), (1, 5), 600), ((1, 10), (2, 1), 400), ((2, 1), (2, 5), 90), ((2, 1), (3, 1), 200),
                          ((2, 5), (3, 4), 200), ((3, 1), (4, 1), 100), ((4, 1), (5, 1), 30)]),
)  # fmt: skip
def test_every_timeframe_agrees_with_every_other(
    seconds: int, pair: tuple[tuple[int, int], tuple[int, int], int]
) -> None:
    """Also with the forming bar, and whatever the shortcut over long bars leaves out."""
    (unit, number), (coarse_unit, coarse_number), limit = pair
    now = NOW - timedelta(seconds=seconds)
    fine = bars(unit, number, limit, now=now)
    coarse = rows(bars(coarse_unit, coarse_number, limit, now=now))
    coarse = [row for row in coarse if row[0] >= fine.start[0]]
    assert coarse
    assert folded(fine, [row[0] for row in coarse]) == coarse


@settings(max_examples=20)
@given(first=st.integers(0, 3000), length=st.integers(1, 400))
def test_a_print_is_the_same_whoever_asks_and_when(first: int, length: int) -> None:
    """Live prints, one by one or many, on any machine that was started at any time."""
    begin = index_of(NOW) - 4000 + first
    together = market().prints(MNQ, begin, begin + length)
    alone = [market().quote(MNQ, instant(begin + 1 + number)) for number in range(length)][:: max(1, length // 5)]
    assert [one.quote for one in together][:: max(1, length // 5)] == alone
    for one in together:
        assert one.quote.bid <= one.quote.last <= one.quote.ask
        assert one.quote.ask - one.quote.bid == TICK
        assert one.quote.last % TICK == 0


def test_live_prints_continue_the_last_bar() -> None:
    """The forming bar's close is the last print; later prints fall into it."""
    made = market()
    forming = rows(bars(2, 1, 1))[0]
    minute = made.prints(MNQ, forming[0] * 4 - 1, index_of(NOW))
    ticks = [int(one.quote.last / TICK) for one in minute]
    assert forming[1:] == (ticks[0], max(ticks), min(ticks), ticks[-1], sum(one.volume for one in minute))
    later = NOW + timedelta(seconds=5)
    assert rows(bars(2, 1, 1, now=later))[0][:2] == forming[:2]
    assert rows(bars(2, 1, 1, now=later))[0][4] == int(made.quote(MNQ, later).last / TICK)


def test_another_seed_is_another_market_and_mini_and_micro_share_one() -> None:
    nq = next(row for row in CATALOGUE.available(NOW.date()) if row.name == "NQZ6")
    assert market().quote(nq, NOW).last == market().quote(MNQ, NOW).last
    assert market(8).quote(MNQ, NOW).last != market().quote(MNQ, NOW).last


def test_minutes_have_a_plausible_range_and_no_gap() -> None:
    made = bars(2, 1, 3000)
    points = (made.high - made.low) * float(TICK)
    assert 8 < np.median(points) < 25
    assert 20_000 < made.close.mean() * float(TICK) < 40_000
    assert set(np.diff(made.start).tolist()) == {60}
    assert (made.volume > 0).all()
    assert (np.maximum(made.open, made.close) <= made.high).all()
    assert (np.minimum(made.open, made.close) >= made.low).all()


def test_every_product_has_a_price_on_its_grid() -> None:
    for contract in CATALOGUE.available(NOW.date()):
        quote = market().quote(contract, NOW)
        product = next(row for row in PRODUCTS if row.symbol_id == contract.symbol_id)
        assert quote.last % contract.tick_size == 0
        assert 0.5 < float(quote.last) / product.price < 2


def test_twenty_thousand_minutes_take_about_a_second() -> None:
    """The goal is one second; three here, of this process alone, for processors differ."""
    made = market()
    query = BarQuery(2, 1, NOW - timedelta(days=30), NOW, 20_000, False)
    started = time.process_time()
    text = made.bars_json(MNQ, query, NOW)
    assert time.process_time() - started < 3
    assert text.count(b'"t"') == 20_000


@settings(max_examples=20)
@given(up=st.integers(1, 200), down=st.integers(1, 200), back=st.integers(10, 20_000))
def test_the_first_trigger_is_the_first_print_that_would_have_done_it(up: int, down: int, back: int) -> None:
    made = market()
    after, upto = index_of(NOW) - back, index_of(NOW)
    last = made.quote(MNQ, instant(after)).last
    high, low = last + up * TICK, last - down * TICK
    brute = [
        index_of(one.at) for one in made.prints(MNQ, after, upto) if one.quote.last >= high or one.quote.last <= low
    ]
    assert made.first_trigger(MNQ, after, upto, high, low) == (brute[0] if brute else None)


def test_a_frozen_contract_stands_still_and_walks_tick_by_tick() -> None:
    made = market(manual=True)
    start = made.quote(MNQ, NOW).last
    assert made.quote(MNQ, NOW + timedelta(hours=3)).last == start
    later = NOW + timedelta(seconds=70)
    walked = [one.quote.last for one in made.walk(MNQ, start + 3 * TICK, later)]
    assert walked == [start + TICK, start + 2 * TICK, start + 3 * TICK]
    with pytest.raises(ValueError, match="tick grid"):
        made.walk(MNQ, start + Decimal("0.1"), later)
    before, here = rows(bars(2, 1, 2, now=later, of=made))
    assert (here[1] * TICK, here[4] * TICK) == (start + TICK, start + 3 * TICK)
    assert before[4] * TICK == start
    day = rows(bars(4, 1, 1, now=later, of=made))[0]
    assert day[4] * TICK == start + 3 * TICK


def test_the_listed_months_fit_the_reference() -> None:
    """Reference 7: what the table shows for November 2026, and the roll of CL seen in August."""
    names = {row.id.rsplit(".", 2)[1]: row.id.rsplit(".", 1)[1] for row in CATALOGUE.available(NOW.date())}
    for root, month in {"MNQ": "Z26", "GCE": "Z26", "SIE": "Z26", "ZSE": "F27", "PLE": "F27", "MBT": "X26"}.items():
        assert names[root] == month
    august = {row.name for row in CATALOGUE.available(datetime(2026, 8, 19, tzinfo=UTC).date())}
    assert {"NQU6", "CLV6", "MCLV6", "GCZ6", "NGU6", "PLV6", "LEV6", "MBTQ6"} <= august
    assert {"ZCZ6", "ZWZ6", "ZMZ6", "ZLZ6", "ZSX6"} <= august, "the harvest's month comes before its turn"
    september = CATALOGUE.find("CON.F.US.ZCE.U26", datetime(2026, 8, 19, tzinfo=UTC).date())
    assert september is not None
    assert not september.active
