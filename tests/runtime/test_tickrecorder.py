"""The tick recorder: what one simulator prints, another one prints again; kills and full disks cost little, and are told."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from desk.core.ids import ContractId
from desk.core.words import Side
from desk.gateway import GatewayClient, HubPool, Kind, MarketFeed
from desk.market.tape import MarketTrade
from desk.runtime import tickrecorder
from desk.runtime.tickrecorder import TROUBLE, UNLISTED, TickRecorder
from desk.sim import SimConfig, SimServer
from desk.sim.replay import read_recording
from desk.store import tickfiles
from tests.gateway.conftest import config_of, until

MNQ, ES = ContractId("CON.F.US.MNQ.Z26"), ContractId("CON.F.US.EP.Z26")
T0 = datetime(2026, 11, 18, 23, 59, 50, tzinfo=UTC)
ROOT = Path(__file__).parents[2]


class Clock:
    def __init__(self, now: datetime = T0) -> None:
        self.time = now

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.time.timestamp()

    def advance(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


def trade(seconds: float = 0, contract_id: ContractId = MNQ, price: str = "29500.25", qty: int = 2) -> MarketTrade:
    at = T0 + timedelta(seconds=seconds)
    return MarketTrade(
        contract_id=contract_id, price=Decimal(price), qty=qty, aggressor=Side.BUY, ts_event=at,
        ts_recv=at + timedelta(milliseconds=20),
    )  # fmt: skip


@asynccontextmanager
async def recording(directory: Path, clock: Clock | None = None, **more: Any) -> AsyncIterator[TickRecorder]:
    recorder = TickRecorder(directory, {"MNQ"}, clock or Clock(), more.pop("troubles", {}), **more)
    running = asyncio.create_task(recorder.run(), name="ticks")
    try:
        await asyncio.sleep(0)
        yield recorder
    finally:
        running.cancel()
        await asyncio.wait([running])


def rows(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return found


async def prints_of(sim: SimServer, count: int, recorder: TickRecorder | None = None) -> list[MarketTrade]:
    """The first ``count`` trades that a client of this simulator hears."""
    heard: list[MarketTrade] = []

    def on_trade(one: MarketTrade) -> None:
        if len(heard) < count:
            heard.append(one)
            if recorder is not None:
                recorder.on_trade(one)

    async with GatewayClient(config_of(sim)) as client, HubPool() as pool:
        await client.login()
        feed = MarketFeed(pool, client.config.market_hub_url, client.tokens, on_trade=on_trade)
        await feed.subscribe(MNQ, (Kind.TRADES,))
        await until(lambda: len(heard) == count)
    return heard


async def test_what_was_recorded_is_replayed_print_for_print(tmp_path: Path) -> None:
    async with recording(tmp_path, Clock(datetime.now(UTC))) as recorder, SimServer(SimConfig()) as sim:
        heard = await prints_of(sim, 60, recorder)  # so many that somebody who comes late hears some of them
    (path,) = tmp_path.glob("*/*.parquet")
    assert path == tmp_path / MNQ / f"{heard[0].ts_event:%Y-%m-%d}.parquet"
    stream = read_recording(path).streams["F.US.MNQ"]
    assert stream is not None
    config = SimConfig(replay_file=path, replay_speed=1.0)
    async with SimServer(config) as replay:
        again = await prints_of(replay, 6)
    told = [(one.ts_event, one.price, one.qty) for one in heard]
    replayed = [(one.ts_event, one.price, one.qty) for one in again]
    start = told.index(replayed[0])
    assert replayed == told[start : start + len(replayed)]


async def test_a_day_is_one_file_that_duckdb_opens(tmp_path: Path) -> None:
    async with recording(tmp_path) as recorder:
        for second in range(20):
            recorder.on_trade(trade(second, qty=second + 1))
        recorder.on_trade(trade(5, ES))  # nobody asked for it
    files = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
    assert files == [f"{MNQ}/2026-11-18.parquet", f"{MNQ}/2026-11-19.parquet"]
    first = rows(tmp_path / files[0])
    assert list(first[0]) == list(tickfiles.COLUMNS)
    assert first[0]["price"] == 29500.25
    assert first[0]["ts_recv"] - first[0]["ts_event"] == timedelta(milliseconds=20)
    assert (first[0]["aggressor"], first[0]["contract"]) == ("buy", MNQ)
    found = duckdb.read_parquet(str(tmp_path / "*" / "*.parquet")).aggregate("count(*), sum(size)").fetchall()
    assert found == [(20, 210)]


async def test_a_second_run_adds_to_the_day(tmp_path: Path) -> None:
    for start in (0, 4):
        async with recording(tmp_path) as recorder:
            for second in range(start, start + 4):
                recorder.on_trade(trade(second))
    times = [row["ts_event"] for row in rows(tmp_path / MNQ / "2026-11-18.parquet")]
    assert times == [T0 + timedelta(seconds=second) for second in range(8)]


async def test_midnight_folds_the_day_that_is_over(tmp_path: Path) -> None:
    clock = Clock()
    async with recording(tmp_path, clock, flush_s=0.01) as recorder:
        recorder.on_trade(trade(0))
        await until(lambda: recorder.written == 1)
        assert [path.suffix for path in (tmp_path / MNQ).iterdir()] == [".ticks"]
        clock.advance(60)
        recorder.on_trade(trade(60))
        await until(lambda: recorder.written == 2)
        assert not list(tmp_path.rglob("*.parquet"))  # a late print of yesterday may still come
        clock.advance(120)
        await until(lambda: list(tmp_path.rglob("*.parquet")))
        await until(lambda: len(list(tmp_path.rglob("*.ticks"))) == 1)
    assert [len(rows(path)) for path in sorted(tmp_path.rglob("*.parquet"))] == [1, 1]


async def test_a_killed_process_loses_only_what_was_not_flushed(tmp_path: Path) -> None:
    """A real process, killed between two flushes and with half a batch behind the last whole one."""
    script = (
        "import asyncio, sys; from pathlib import Path\n"
        "from tests.runtime.test_tickrecorder import *\n"
        "async def main():\n"
        "    recorder = TickRecorder(Path(sys.argv[1]), {'MNQ'}, Clock(), {})\n"
        "    for second in range(3):\n"
        "        recorder.on_trade(trade(second)); await recorder.flush()\n"
        "    recorder.on_trade(trade(4)); print('ready', flush=True); await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.to_thread(
        subprocess.Popen, [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout is not None
    assert await asyncio.to_thread(process.stdout.readline) == b"ready\n"
    os.kill(process.pid, signal.SIGKILL if sys.platform != "win32" else signal.SIGTERM)
    await asyncio.to_thread(process.wait)
    process.stdout.close()
    (part,) = tmp_path.rglob("*.ticks")
    whole = part.read_bytes()
    part.write_bytes(whole + whole[-200:-50])
    async with recording(tmp_path):
        await until(lambda: list(tmp_path.rglob("*.parquet")) and not part.exists())
    assert len(rows(tmp_path / MNQ / "2026-11-18.parquet")) == 3


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8, 0.99])
def test_wherever_a_part_is_cut_its_whole_batches_are_read(tmp_path: Path, share: float) -> None:
    part = tickfiles.TickPart(tmp_path, MNQ, T0.date(), T0)
    ends = [part.path.stat().st_size]
    for second in range(6):
        part.append([trade(second), trade(second + 0.5)])
        ends.append(part.path.stat().st_size)
    part.close()
    cut = int(ends[-1] * share)
    os.truncate(part.path, cut)
    assert sum(batch.num_rows for batch in tickfiles.read_part(part.path)) == 2 * sum(end <= cut for end in ends[1:])


def test_a_part_that_outlived_a_kill_is_not_counted_twice(tmp_path: Path) -> None:
    """Killed between the day's file and taking the part away."""
    part = tickfiles.TickPart(tmp_path, MNQ, T0.date(), T0)
    part.append([trade(0), trade(1)])
    part.close()
    kept = part.path.read_bytes()
    (day,) = tickfiles.fold_parts([part.path])
    part.path.write_bytes(kept)
    tickfiles.fold_parts(tickfiles.parts_of(tmp_path))
    assert len(rows(day)) == 2
    assert not part.path.exists()


def test_a_damaged_day_is_set_aside_and_the_new_one_is_whole(tmp_path: Path) -> None:
    (tmp_path / MNQ).mkdir()
    (tmp_path / MNQ / "2026-11-18.parquet").write_bytes(b"PAR1 no more")
    part = tickfiles.TickPart(tmp_path, MNQ, T0.date(), T0)
    part.append([trade(0)])
    part.close()
    (day,) = tickfiles.fold_parts([part.path])
    assert len(rows(day)) == 1
    assert day.with_suffix(".damaged").read_bytes() == b"PAR1 no more"


def test_a_day_with_a_flipped_byte_is_set_aside_too(tmp_path: Path) -> None:
    """Parquet tells most damage as an error of the disk, without a number."""

    def fold(hour: int) -> Path:
        part = tickfiles.TickPart(tmp_path, MNQ, T0.date(), T0 + timedelta(hours=hour))
        part.append([trade(hour)])
        part.close()
        return tickfiles.fold_parts([part.path])[0]

    day = fold(0)
    data = bytearray(day.read_bytes())
    data[4] ^= 0xFF  # the head of the first column
    day.write_bytes(data)
    assert len(rows(fold(1))) == 1
    assert day.with_suffix(".damaged").read_bytes() == data


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full")
async def test_a_full_disk_is_told_once_and_recording_goes_on_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, troubles = Clock(), dict[str, str]()
    warnings: list[str] = []
    monkeypatch.setattr(tickrecorder.log, "warning", lambda event, **_: warnings.append(event))
    async with recording(tmp_path, clock, flush_s=60.0, troubles=troubles) as recorder:
        recorder.on_trade(trade(0))
        await recorder.flush()
        (part,) = recorder._parts.values()
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, part._file.fileno())
        os.close(full)
        for second in range(1, 4):
            recorder.on_trade(trade(second))
            await recorder.flush()
        assert "the disk is full" in troubles[TROUBLE]
        clock.advance(61)
        await recorder.flush()
        assert troubles == {}
        assert (warnings, recorder.written, recorder.lost) == (["ticks.paused"], 3, 1)
    assert [row["ts_event"] for row in rows(tmp_path / MNQ / "2026-11-18.parquet")] == [
        T0, T0 + timedelta(seconds=2), T0 + timedelta(seconds=3),
    ]  # fmt: skip


async def test_memory_is_bounded_while_nothing_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tickrecorder, "_MOST_KEPT", 10)
    async with recording(tmp_path, flush_s=60.0) as recorder:
        for second in range(15):
            recorder.on_trade(trade(second / 10))
        assert recorder.lost == 5
    assert len(rows(tmp_path / MNQ / "2026-11-18.parquet")) == 10


async def test_it_follows_the_months_that_are_listed(tmp_path: Path) -> None:
    class Source:
        def __init__(self) -> None:
            self.said: list[str] = []

        async def watch_trades(self, contract_id: ContractId) -> None:
            self.said.append(f"+{contract_id}")

        async def unwatch_trades(self, contract_id: ContractId) -> None:
            self.said.append(f"-{contract_id}")

    source, later = Source(), ContractId("CON.F.US.MNQ.H27")
    async with recording(tmp_path) as recorder:
        for listed in ([MNQ, ES], [MNQ, ES], [later, ES]):
            await recorder.follow(listed, source)
    assert source.said == [f"+{MNQ}", f"+{later}", f"-{MNQ}"]


async def test_a_market_that_the_gateway_does_not_list_is_told(tmp_path: Path) -> None:
    class Source:
        async def watch_trades(self, contract_id: ContractId) -> None: ...

        async def unwatch_trades(self, contract_id: ContractId) -> None: ...

    troubles: dict[str, str] = {}
    async with recording(tmp_path, troubles=troubles) as recorder:
        await recorder.follow([ES], Source())
        assert troubles == {UNLISTED: "the gateway lists no MNQ, named in RECORD_TICKS"}
        await recorder.follow([MNQ, ES], Source())
        assert not troubles


async def test_a_print_with_a_wrong_clock_belongs_to_the_day_on_which_it_came(tmp_path: Path) -> None:
    odd = trade(0)
    far = MarketTrade(
        contract_id=MNQ, price=odd.price, qty=1, aggressor=None, ts_event=datetime(1970, 1, 1, tzinfo=UTC), ts_recv=T0
    )
    async with recording(tmp_path) as recorder:
        recorder.on_trade(far)
    assert rows(tmp_path / MNQ / "2026-11-18.parquet")[0]["aggressor"] is None
