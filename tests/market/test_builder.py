"""Bars out of trades: every rule of ``desk.market.builder``, against a plain adding-up of the same trades."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.core.ids import ContractId
from desk.core.words import Side
from desk.market.bars import Bars, nanos_of
from desk.market.builder import Taken, Tape
from desk.market.tape import MarketTrade

MNQ = ContractId("CON.F.US.MNQ.Z26")
T0 = 1_794_999_600  # a full hour
TICK = Decimal("0.25")
LATER = 10**10


def trade(at: float, price: str | Decimal = "100", qty: int = 1) -> MarketTrade:
    when = datetime.fromtimestamp(T0, UTC) + timedelta(milliseconds=round(at * 1000))
    return MarketTrade(contract_id=MNQ, price=Decimal(price), qty=qty, aggressor=Side.BUY, ts_event=when, ts_recv=when)


def tape(step: int = 60, start: int = 0) -> Tape:
    return Tape(step, T0 + start, TICK)


def take(one: Tape, *trades: MarketTrade) -> list[Taken]:
    return [one.take(row, int(row.ts_event.timestamp())) for row in trades]


def rows(bars: Bars) -> list[tuple[int, ...]]:
    columns = (bars.ts - T0, bars.open, bars.high, bars.low, bars.close, bars.volume)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def bar(opens: int, o: str, h: str, low: str, c: str, v: int) -> tuple[int, ...]:
    return (opens, *(nanos_of(Decimal(price)) for price in (o, h, low, c)), v)


def bars_of(*given: tuple[int, ...]) -> Bars:
    import numpy as np

    columns = np.array(given, dtype=np.int64).reshape(-1, 6).T.copy()
    columns[0] += T0
    return Bars(*columns)


def naive(trades: list[MarketTrade], step: int, start: int) -> list[tuple[int, ...]]:
    found: dict[int, list[MarketTrade]] = {}
    for row in sorted(trades, key=lambda row: row.ts_event):
        found.setdefault(int(row.ts_event.timestamp()) // step * step, []).append(row)
    return [
        (
            opens - T0,
            nanos_of(group[0].price),
            max(nanos_of(row.price) for row in group),
            min(nanos_of(row.price) for row in group),
            nanos_of(group[-1].price),
            sum(row.qty for row in group),
        )
        for opens, group in sorted(found.items())
        if opens >= start
    ]


ticks = st.integers(1, 4000).map(lambda n: TICK * n)
moments = st.lists(
    st.tuples(st.integers(0, 600_000), ticks, st.integers(1, 500)), max_size=80, unique_by=lambda t: t[0]
)


@given(moments, st.sampled_from([5, 6, 9, 15, 60]), st.sampled_from([1, 2, 10]), st.randoms(use_true_random=False))
def test_bars_of_any_length_are_the_trades_added_up_whatever_order_they_come_in(
    told: list[tuple[int, Decimal, int]], step: int, times: int, dice: object
) -> None:
    one = tape(step)
    one.take(trade(-1), T0 - 1)  # the flow began before
    trades = [trade(ms / 1000, price, qty) for ms, price, qty in told]
    dice.shuffle(trades)  # type: ignore[attr-defined]
    assert {one.take(row, T0 + 600) for row in trades} <= {Taken.COUNTED}
    assert rows(one.bars(step * times, T0, LATER)) == naive(trades, step * times, T0)


@given(moments, st.integers(0, 600))
def test_closing_loses_nothing_and_what_comes_after_it_is_late(told: list[tuple[int, Decimal, int]], at: int) -> None:
    one = tape(5)
    one.take(trade(-1), T0 - 1)
    one.closed = T0 + at // 5 * 5
    trades = [trade(ms / 1000, price, qty) for ms, price, qty in told]
    for row in trades:
        is_late = row.ts_event.timestamp() < one.closed
        assert one.take(row, T0 + 600) is (Taken.LATE if is_late else Taken.COUNTED)
    assert rows(one.bars(5, T0, LATER)) == naive(trades, 5, T0)


def test_a_flow_is_whole_from_the_bar_after_its_first_trade_on() -> None:
    one = tape()
    assert one.whole_until(T0 + 120) == T0
    take(one, trade(10), trade(61, "101"))
    assert not one.is_live(T0 + 60)
    assert one.whole_until(T0 + 120) == T0, "nobody knows what came in the first ten seconds"
    assert one.hole(T0 + 120) == (T0, T0 + 60)
    one.fill((T0, T0 + 60), bars_of(bar(0, "100", "103", "99", "100", 7)))
    assert one.is_live(T0 + 120)
    assert rows(one.bars(60, T0, LATER)) == [
        bar(0, "100", "103", "99", "100", 7),
        bar(60, "101", "101", "101", "101", 1),
    ]


def test_a_bar_without_a_trade_does_not_exist_and_is_known_all_the_same() -> None:
    one = tape(5)
    take(one, trade(-1), trade(2), trade(17))
    assert one.whole_until(T0 + 60) == T0 + 60
    assert [row[0] for row in rows(one.bars(5, T0, LATER))] == [0, 15]


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        (trade(3, qty=0), Taken.NO_VOLUME),
        (trade(3, qty=-4), Taken.NO_VOLUME),
        (trade(3, "100.10"), Taken.BAD_PRICE),
        (trade(3, "NaN"), Taken.BAD_PRICE),
        (trade(3, "sNaN"), Taken.BAD_PRICE),
        (trade(3, "Infinity"), Taken.BAD_PRICE),
        (trade(3, "1E+30"), Taken.BAD_PRICE),
        (trade(30), Taken.AHEAD),
    ],
)
def test_what_cannot_be_is_left_out_and_a_wrong_price_or_time_ends_the_flow(bad: MarketTrade, expected: Taken) -> None:
    one = tape(5)
    take(one, trade(-1), trade(1))
    assert one.take(bad, T0 + 3) is expected
    assert one.is_flowing is (expected is Taken.NO_VOLUME)
    if one.is_flowing:
        return
    assert one.hole(T0 + 60) == (T0, T0 + 60)
    take(one, trade(4), trade(8), trade(11))
    assert one.hole(T0 + 60) == (T0, T0 + 5), "the next good trade begins anew"


def test_two_trades_that_look_the_same_are_two_and_a_negative_price_is_one() -> None:
    one = tape(5)
    assert take(one, trade(-1), trade(1, "-37.25"), trade(1, "-37.25"))[1:] == [Taken.COUNTED] * 2
    assert rows(one.bars(5, T0, LATER)) == [bar(0, "-37.25", "-37.25", "-37.25", "-37.25", 2)]


def test_after_a_loss_only_what_was_sure_stays_and_what_was_told_is_compared_with_history() -> None:
    one = tape(5)
    take(one, trade(-1), trade(1), trade(6, "101"), trade(12, "102"))
    one.closed = T0 + 15
    one.flow_ended(T0 + 8)  # the last data came before second 8
    assert one.whole_until(T0 + 15) == T0 + 5
    take(one, trade(21, "103"), trade(26, "104"))
    assert one.hole(T0 + 30) == (T0 + 5, T0 + 25)
    same, other = bar(5, "101", "101", "101", "101", 1), bar(10, "102", "102", "99", "99", 5)
    fresh = bar(20, "103", "103", "102", "103", 3)
    assert one.fill((T0 + 5, T0 + 25), bars_of(same, other, fresh)) == [T0 + 10]
    assert rows(one.bars(5, T0, LATER)) == [
        bar(0, "100", "100", "100", "100", 1), same, other, fresh, bar(25, "104", "104", "104", "104", 1),
    ]  # fmt: skip


def test_the_check_takes_historys_word_and_names_the_bars_that_were_different() -> None:
    one = tape(5)
    take(one, trade(-1), trade(1), trade(6, "101"), trade(12, "102"))
    right = [bar(0, "100", "100", "100", "100", 1), bar(5, "101", "105", "101", "101", 4)]
    assert one.check(T0 + 10, bars_of(*right)) == [T0 + 5]
    assert rows(one.bars(10, T0, LATER)) == [
        bar(0, "100", "105", "100", "101", 5), bar(10, "102", "102", "102", "102", 1),
    ]  # fmt: skip
    assert one.take(trade(7), T0 + 13) is Taken.TOO_LATE
    assert one.is_live(T0 + 15)
    assert one.check(T0 + 15, bars_of()) == [T0 + 10], "history knows no such bar"


def test_a_shorter_length_asks_history_again_and_keeps_the_trades() -> None:
    one = tape(60)
    take(one, trade(-1), trade(1), trade(61, "101"), trade(66, "102"))
    one.check(T0 + 60, bars_of(bar(0, "100", "100", "100", "100", 1)))
    finer = one.rebased(15, T0)
    assert finer.hole(T0 + 120) == (T0, T0 + 60)
    finer.fill((T0, T0 + 60), bars_of(bar(0, "100", "100", "100", "100", 1)))
    assert finer.is_live(T0 + 120)
    assert rows(finer.bars(60, T0, LATER)) == rows(one.bars(60, T0, LATER))


def test_old_bars_are_forgotten_and_seconds_that_nobody_checked_do_not_pile_up() -> None:
    one = tape(60)
    take(one, trade(-1))
    for minute in range(400):
        take(one, trade(minute * 60 + 1))
    one.forget(T0)
    assert one.solid_until > T0
    assert len(one._seconds) < 300
    assert len(one.bars(60, T0, LATER)) == 400
    one.check(T0 + 300 * 60, one.bars(60, T0, T0 + 300 * 60))
    one.forget(T0 + 200 * 60)
    assert one.solid_from == T0 + 200 * 60
    assert len(one.bars(60, T0, LATER)) == 200
