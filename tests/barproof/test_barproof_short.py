"""The proof of the bars in short, and its laws on bars that break them: a law that cannot be broken proves nothing."""

from __future__ import annotations

import asyncio
import json
import random
import zlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from tests.barproof.archive import read_archive
from tests.barproof.asker import Answer
from tests.barproof.gate import open_gate
from tests.barproof.judge import SeriesProof, Stored, judge_answers, judge_series, lacking, united
from tests.barproof.oracle import FRAMES, Row, Rows, row_of
from tests.barproof.run import ROOTS, Plan, run
from tests.barproof.trouble import damaged as hurt
from tests.daemon import SCALE

MINUTE = FRAMES["1m"]
T0 = 1_795_000_020 // 60 * 60
HOUR = 3_600


@pytest.mark.timeout(150 * SCALE)
async def test_a_kill_and_dropped_hubs_leave_no_wrong_bar_behind(tmp_path: Path) -> None:
    outcome = await run(Plan(seed=3, minutes=0.25, kills=1), tmp_path)
    print(outcome.text)
    assert outcome.is_good, outcome.text
    assert outcome.kills == 1
    assert sum(count for name, count in outcome.happened.items() if name.endswith("dropped")) >= 2
    assert len(outcome.series) == len(ROOTS) * len(FRAMES)
    assert outcome.heard.bars > 500
    assert outcome.faults.total() > 5, "the gateway had its faults"


# -- the laws ----------------------------------------------------------------------------------------------------------


def row(at: int, volume: int = 5) -> Row:
    return row_of(at, at + 2, at - 2, at + 1, volume)


def minutes(count: int, start: int = T0) -> Rows:
    return {start + 60 * n: row(start + 60 * n) for n in range(count)}


def stored(rows: Rows, covered: list[tuple[int, int]] | None = None) -> Stored:
    return Stored([(T0, T0 + HOUR)] if covered is None else covered, rows)


def judged(one: Stored, truth: Rows | None = None) -> SeriesProof:
    return judge_series("MNQ", MINUTE, one, minutes(60) if truth is None else truth, (T0, T0 + HOUR))


def test_the_whole_hour_as_it_was_is_good() -> None:
    proof = judged(stored(minutes(60)))
    assert proof.is_good
    assert proof.compared == 60


def test_one_contract_too_few_is_a_difference() -> None:
    proof = judged(stored(minutes(60) | {T0 + 120: row(T0 + 120, 4)}))
    assert not proof.is_good
    assert len(proof.different) == 1


def test_a_bar_that_is_left_out_of_what_is_covered_is_missing() -> None:
    rows = minutes(60)
    del rows[T0 + 600]
    assert judged(stored(rows)).missing == [T0 + 600]


def test_a_bar_where_nothing_traded_is_extra() -> None:
    truth = minutes(60)
    del truth[T0 + 600]
    assert judged(stored(minutes(60)), truth).extra == [T0 + 600]


def test_a_hole_in_the_hour_is_told() -> None:
    holed = stored(minutes(60), [(T0, T0 + 600), (T0 + 660, T0 + HOUR)])
    assert judged(holed).uncovered == [(T0 + 600, T0 + 660)]


def test_nothing_stored_is_no_proof() -> None:
    assert not judge_series("MNQ", MINUTE, Stored(), {}, None).is_good


def test_spans_are_united_and_cut() -> None:
    assert united([(5, 9), (0, 3), (3, 4), (8, 12), (20, 20)]) == [(0, 4), (5, 12)]
    assert lacking([(2, 4), (6, 8)], 0, 10) == [(0, 2), (4, 6), (8, 10)]
    assert lacking([(0, 10)], 2, 8) == []


def answer(
    rows: Rows, asked_at: float, n: int | None = None, problem: str | None = None, span: tuple[int, int] | None = None
) -> Answer:
    return Answer("history MNQ 1m", "MNQ", MINUTE, asked_at, n, span, "memory", problem, rows)


def wrongs(one: Answer, is_unknowable: Callable[[str, int, int], bool] = lambda root, start, end: False) -> int:
    return len(judge_answers([one], lambda root, frame: minutes(60), is_unknowable).wrong)


LATE = T0 + HOUR + 1_000.0


def test_an_answer_that_is_true_is_right() -> None:
    assert wrongs(answer(minutes(60), LATE, n=60)) == 0


def test_a_closed_bar_that_was_told_wrong_is_wrong() -> None:
    assert wrongs(answer(minutes(60) | {T0: row(T0, 9)}, LATE)) == 1


def test_the_bar_that_is_still_forming_is_not_judged() -> None:
    assert wrongs(answer(minutes(2) | {T0 + 60: row(T0 + 60, 9)}, T0 + 119.0)) == 0


def test_a_bar_left_out_of_an_answer_is_wrong() -> None:
    rows = minutes(10)
    del rows[T0 + 60]
    assert wrongs(answer(rows, LATE)) == 1


def test_an_answer_that_is_behind_without_saying_so_is_wrong() -> None:
    assert wrongs(answer(minutes(58), T0 + HOUR + 5.0, n=58)) == 2
    assert wrongs(answer(minutes(58), T0 + HOUR + 5.0, n=58, problem="the gateway is down")) == 0


def test_a_range_must_be_told_whole_and_so_must_n() -> None:
    rows = {at: told for at, told in minutes(60).items() if at >= T0 + 120}
    assert wrongs(answer(rows, LATE)) == 0
    assert wrongs(answer(rows, LATE, span=(T0 + 60, T0 + HOUR))) == 1
    assert wrongs(answer({}, LATE, span=(T0 + 60, T0 + 120))) == 1
    assert wrongs(answer({}, LATE, span=(T0 + 60, T0 + 120), problem="the gateway is down")) == 0
    assert wrongs(answer(rows, LATE, n=58)) == 0
    assert wrongs(answer(rows, LATE, n=59)) == 2


def test_a_young_bar_of_which_the_hub_lied_is_not_judged_but_an_old_one_is() -> None:
    false = minutes(60) | {T0 + 3_540: row(T0 + 3_540, 9)}
    assert wrongs(answer(false, T0 + HOUR + 5.0), lambda *_: True) == 0
    assert wrongs(answer(false, T0 + HOUR + 300.0), lambda *_: True) == 1


# -- the reader --------------------------------------------------------------------------------------------------------


def test_the_reader_gives_back_what_a_file_says(tmp_path: Path) -> None:
    pa, writer = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    folder = tmp_path / "paper" / "bars" / "seed-1" / "X" / "1m"
    folder.mkdir(parents=True)
    columns = {
        "ts": pa.array([T0 * 10**6, (T0 + 60) * 10**6], pa.timestamp("us", "UTC")),
        **{name: pa.array([21_000.25, 64.07]) for name in ("open", "high", "low", "close")},
        "volume": pa.array([3, 4]),
    }
    said = {"desk.contract": "CON.X", "desk.timeframe": "1m", "desk.covered": f"[[{T0},{T0 + 180}]]"}
    said["desk.checksum"] = "crc32=00000000"
    path = folder / "2026-11.parquet"
    with writer.ParquetWriter(path, pa.table(columns).schema) as file:
        file.write_table(pa.table(columns))
        file.add_key_value_metadata(said)
    data = path.read_bytes()
    at = data.rfind(b"crc32=") + 6
    path.write_bytes(data[:at] + f"{zlib.crc32(data):08x}".encode() + data[at + 8 :])
    found, damaged = read_archive(tmp_path)
    assert not damaged
    assert list(found) == [("CON.X", "1m")]
    one = found["CON.X", "1m"]
    assert one.covered == [(T0, T0 + 180)]
    assert one.rows == {T0: row_of(*["21000.25"] * 4, 3), T0 + 60: row_of(*["64.07"] * 4, 4)}
    for seed in range(20):
        whole = path.read_bytes()
        assert hurt([path], random.Random(seed)) == [path]
        assert read_archive(tmp_path) == ({}, [path])
        path.write_bytes(whole)


# -- the trouble -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(12))
def test_damage_really_changes_a_file(seed: int, tmp_path: Path) -> None:
    whole = random.Random(seed).randbytes(400)
    (tmp_path / "file").write_bytes(whole)
    assert hurt([tmp_path / "file"], random.Random(seed)) == [tmp_path / "file"]
    assert (tmp_path / "file").read_bytes() != whole


def trade(second: int) -> str:
    rows = [{"timestamp": f"2026-11-20T10:00:{second:02}+00:00"}]
    return json.dumps({"type": 1, "target": "GatewayTrade", "arguments": ["CON.X", rows]})


TRADES = [trade(second) for second in range(40)]


@pytest.fixture
async def source() -> AsyncIterator[str]:
    """A hub that says forty trades, then ends; and a call whose connection breaks."""

    async def hub(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        for record in TRADES:
            await socket.send_str(record + "\x1e")
        await asyncio.sleep(0.3)
        await socket.close()
        return socket

    async def broken(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    app = web.Application()
    app.router.add_get("/hubs/market", hub)
    app.router.add_post("/broken", broken)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}"
    await runner.cleanup()


async def heard_of(url: str) -> list[str]:
    async with aiohttp.ClientSession() as http, http.ws_connect(f"{url}/hubs/market") as socket:
        return [record async for message in socket for record in message.data.split("\x1e")[:-1]]


async def test_the_relay_passes_everything_on_while_it_is_good(source: str) -> None:
    async with open_gate(source, random.Random(1)) as gate:
        assert await heard_of(gate.url) == TRADES
        assert not gate.touched


async def test_the_relay_notes_every_trade_it_lies_about(source: str) -> None:
    async with open_gate(source, random.Random(1)) as gate:
        gate.badness = 0.5
        heard = await heard_of(gate.url)
        changed = [record for record in TRADES if heard.count(record) != 1]
        assert len(changed) > 5
        assert len(changed) <= gate.tampered.total() == len(gate.touched["CON.X"])


async def test_a_broken_call_breaks_at_the_relay_too(source: str) -> None:
    async with open_gate(source, random.Random(1)) as gate, aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.ClientError):
            await http.post(f"{gate.url}/broken", data=b"{}")
