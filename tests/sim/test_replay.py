"""Recorded bars and ticks take the place of the generated market, with the recording's own clock."""

from __future__ import annotations

import asyncio
import sys
import types
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import connect

from desk.sim import SimConfig, SimServer
from desk.sim.bars import Bars
from desk.sim.catalogue import Catalogue
from desk.sim.market import BarQuery, Market
from desk.sim.replay import RecordedBars, ReplayClock, ReplayError, read_recording
from tests.stalls import longest_turn

from .raw import RawHub, Rest, until

START = datetime(2026, 11, 18, 14, 30, tzinfo=UTC)
MNQ = next(row for row in Catalogue().available(START.date()) if row.name == "MNQZ6")


def bars(market: Market, unit: int, number: int = 1, limit: int = 500) -> Bars:
    query = BarQuery(unit, number, START - timedelta(days=20), START + timedelta(days=20), limit, False)
    return market.bars(MNQ, query, START + timedelta(days=10))


def rows(made: Bars) -> list[tuple[int, ...]]:
    columns = (made.start, made.open, made.high, made.low, made.close, made.volume)
    return list(zip(*(column.tolist() for column in columns), strict=True))


_ROW = st.tuples(
    st.integers(-40, 40), st.integers(-40, 40), st.integers(0, 30), st.integers(0, 30), st.integers(4, 900)
)


@settings(max_examples=40)
@given(
    moves=st.lists(_ROW, min_size=2, max_size=40),
    gaps=st.lists(st.integers(1, 5), min_size=40, max_size=40),
    span=st.sampled_from([1, 5, 30, 60, 300]),
)
def test_bars_come_back_as_they_were_recorded(moves: list[tuple[int, ...]], gaps: list[int], span: int) -> None:
    """Whatever the bar length and the gaps between them; and every print is inside its bar."""
    at, price, wanted = int(START.timestamp()), 100_000, []
    for number, ((drift, body, up, down, volume), gap) in enumerate(zip(moves, gaps, strict=False)):
        at += span * (1 if number == 1 else gap)
        opened, close = price + drift, price + drift + body
        wanted.append((at, opened, max(opened, close) + up, min(opened, close) - down, close, volume))
        price = close
    columns = np.array(wanted, dtype=np.float64).T
    tick = float(MNQ.tick_size)
    prices = (columns[1] * tick, columns[2] * tick, columns[3] * tick, columns[4] * tick)
    stream = RecordedBars(columns[0], prices, columns[5].astype(np.int64))
    market = Market(1, manual=False, started=START, replayed={MNQ.symbol_id: stream})
    unit, number = (1, span) if span < 60 else (2, span // 60)
    assert rows(bars(market, unit, number)) == wanted


def test_a_csv_of_minutes_is_read_and_folded(tmp_path: Path) -> None:
    path = tmp_path / "MNQ_1m.csv"
    lines = [f"{(START + timedelta(minutes=n)).isoformat()},{30000 + n},{30003 + n},{29999 + n},{30001 + n},{100 + n}"
             for n in range(10)]  # fmt: skip
    path.write_text("Time,Open,High,Low,Close,Volume\n" + "\n".join(lines) + "\n")
    recording = read_recording(path)
    assert recording.first == START
    market = Market(1, manual=False, started=START, replayed=recording.streams)
    five = rows(bars(market, 2, 5))
    assert [(row[1] / 4, row[2] / 4, row[3] / 4, row[4] / 4, row[5]) for row in five] == [
        (30000, 30007, 29999, 30005, 510), (30005, 30012, 30004, 30010, 535),
    ]  # fmt: skip
    assert market.quote(MNQ, START + timedelta(hours=5)).last == 30010
    assert market.prints(MNQ, int(START.timestamp()) * 4 + 2400, int(START.timestamp()) * 4 + 4800) == []


def test_ticks_become_prints_and_epochs_are_understood(tmp_path: Path) -> None:
    path = tmp_path / "tape.csv"
    base = int(START.timestamp() * 1000)
    ticks = [(0, 30000, 2), (100, 30001, 1), (400, 30000.5, 3), (1900, 29999, 1), (90_000, 29990.25, 7)]
    path.write_text(
        "ts,last,size,symbol\n" + "".join(f"{base + ms},{price},{size},MNQZ6\n" for ms, price, size in ticks)
    )
    market = Market(1, manual=False, started=START, replayed=read_recording(path).streams)
    assert [(row[1] / 4, row[2] / 4, row[3] / 4, row[4] / 4, row[5]) for row in rows(bars(market, 2))] == [
        (30001, 30001, 29999, 29999, 7), (29990.25, 29990.25, 29990.25, 29990.25, 7),
    ]  # fmt: skip
    assert [row[0] - int(START.timestamp()) for row in rows(bars(market, 1))] == [0, 1, 90]
    first = int(START.timestamp()) * 4
    assert [float(one.quote.last) for one in market.prints(MNQ, first - 1, first + 9)] == [30001, 30000.5, 29999]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("MNQ.csv", "", "it is empty"),
        ("MNQ.csv", "a,b\n1,2\n", "it needs a time and open, high, low, close"),
        ("MNQ.csv", "t,price\n", "no rows"),
        ("MNQ.csv", "t,price\nx,1\n", "line 2: 'x' is no time"),
        ("MNQ.csv", "t,price\n1763476200\n", "line 2 has not 2 columns"),
        ("MNQ.csv", "t,price\n1763476200,abc\n", "column price"),
        ("MNQ.csv", "t,price\n1763476200,nan\n", "column price: line 2"),
        ("prices.csv", "t,price\n1763476200,5\n", "no product 'prices'"),
        ("MNQ.csv", "t,o,h,l,c\n1763476200,5,4,3,4\n", "not inside its range"),
        ("MNQ.csv", "t,o,h,l,c\n1763476200,5,5,5,5\n1763476200,5,5,5,5\n", "less than a second apart"),
    ],
)
def test_a_wrong_recording_is_one_line(tmp_path: Path, name: str, text: str, words: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(ReplayError) as error:
        read_recording(path)
    assert words in str(error.value)
    assert str(error.value).startswith(f"replay file {path}: ")
    assert "\n" not in str(error.value)


def test_parquet_without_pyarrow_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    (tmp_path / "MNQ.parquet").write_bytes(b"PAR1")
    with pytest.raises(ReplayError, match="pip install pyarrow"):
        read_recording(tmp_path / "MNQ.parquet")


def test_parquet_is_read_through_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the few calls of pyarrow that are used stood in for, for it is not installed everywhere."""
    columns: dict[str, list[Any]] = {"t": [START, START + timedelta(minutes=1)], "price": [1.5, 2.5]}

    class Table:
        column_names = tuple(columns)

        def column(self, name: str) -> Any:
            return types.SimpleNamespace(to_pylist=lambda: columns[name])

    monkeypatch.setitem(sys.modules, "pyarrow.parquet", types.SimpleNamespace(read_table=lambda path: Table()))
    (tmp_path / "MNQ.parquet").write_bytes(b"PAR1")
    assert read_recording(tmp_path / "MNQ.parquet").last == START + timedelta(minutes=1)


def test_a_replay_clock_runs_from_the_recording_on() -> None:
    wall = [datetime(2030, 1, 1, tzinfo=UTC)]
    clock = ReplayClock(START, 60.0, lambda: wall[0])
    assert clock() == START
    wall[0] += timedelta(seconds=2)
    assert clock() == START + timedelta(minutes=2)


@pytest.mark.parametrize("speed", [1.0, 1000.0])
async def test_a_server_replays(tmp_path: Path, speed: float) -> None:
    """Bars, quotes and trades of the recorded day, tokens of today; fast, without holding the loop."""
    path = tmp_path / "MNQ.csv"
    lines = [f"{(START + timedelta(minutes=n)).isoformat()},{30000 + n},{30003 + n},{29999 + n},{30001 + n},{900}"
             for n in range(600)]  # fmt: skip
    path.write_text("t,o,h,l,c,v\n" + "\n".join(lines) + "\n")
    config = SimConfig(replay_file=path, replay_speed=speed, feed_interval_s=0.02)
    async with SimServer(config) as sim, aiohttp.ClientSession() as session:
        rest = Rest(session, sim.url)
        token = await rest.login()
        url = f"{sim.url.replace('http', 'ws')}/hubs/market?access_token={token}"
        async with connect(url, max_size=None, close_timeout=0.2) as socket:
            raw = RawHub(socket)
            await raw.shake_hands()
            await raw.invoke("SubscribeContractTrades", MNQ.id)
            await raw.invoke("SubscribeContractQuotes", MNQ.id)
            identity, trades = await raw.event("GatewayTrade")
            assert identity == MNQ.id
            assert trades[0]["timestamp"].startswith("2026-11-18T")
            assert 29999 <= trades[0]["price"] <= 30604
            if speed > 1:
                await until(lambda: sim.quote(MNQ.id).last > 30010)
                body = {"contractId": MNQ.id, "live": False, "startTime": START.isoformat(), "unit": 2, "unitNumber": 1,
                        "endTime": (START + timedelta(days=1)).isoformat(), "limit": 3, "includePartialBar": False}  # fmt: skip
                made = (await rest.ok("/api/History/retrieveBars", body))["bars"]
                for bar in made:
                    minute = datetime.fromisoformat(bar["t"]) - START
                    number = minute // timedelta(minutes=1)
                    assert (bar["o"], bar["h"], bar["l"], bar["c"], bar["v"]) == (
                        30000 + number, 30003 + number, 29999 + number, 30001 + number, 900,
                    )  # fmt: skip
                async with longest_turn() as turns:
                    await asyncio.sleep(0.3)
                assert turns.worst_s < 0.1


def test_a_replay_keeps_no_state_and_has_a_speed() -> None:
    with pytest.raises(ValueError, match="keeps no state"):
        SimConfig(replay_file="a.csv", state_file="b")
    with pytest.raises(ValueError, match="speed 0"):
        SimConfig(replay_file="a.csv", replay_speed=0)
