"""Bars in Redis: right or absent, whatever lies there, and quickly down when nobody answers."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from desk.core.errors import TierDown
from desk.core.secret import Secret
from desk.market.bars import Bars
from desk.market.pages import EMPTY, Page
from desk.store.hotbars import RETRY_S, TIMEOUT_S, HotBars, open_hot_bars
from desk.store.hotpages import HEAD_BYTES, decode, encode, facts_of
from desk.store.pagerules import BadPage
from tests.stalls import longest_turn
from tests.store.bars import FULL, MNQ, NOVEMBER, key_of, keys_and_pages, month, same
from tests.store.redisserver import RedisServer
from tests.world.times import ManualClock

SMALL = month(bars=300)
PATIENT_S = 5.0  # a slow machine is not what these tests are about
NAME = "desk:bars:live:v1:CON-F-US-MNQ-Z26:1m:2026-11"


# --- the value -----------------------------------------------------------------------------------------------------


@given(keys_and_pages())
def test_every_page_comes_back_as_it_was(pair: Any) -> None:
    key, page = pair
    data = encode(key, page)
    assert same(decode(key, data), page)
    facts = facts_of(data[:HEAD_BYTES], len(data))
    assert facts is not None
    assert (facts.contract_id, facts.timeframe) == (key.contract_id, key.timeframe)
    assert (facts.bars, facts.bytes) == (len(page.bars), len(data))


DATA = encode(NOVEMBER, SMALL)


@given(st.data())
@hypothesis_settings(max_examples=200)
def test_damaged_bytes_are_never_another_page(data: st.DataObject) -> None:
    damaged = bytearray(DATA)
    for _ in range(data.draw(st.integers(0, 4))):
        damaged[data.draw(st.integers(0, len(DATA) - 1))] ^= data.draw(st.integers(1, 255))
    cut = data.draw(st.just(len(DATA)) | st.integers(0, len(DATA)))
    facts_of(bytes(damaged[:cut][:HEAD_BYTES]), cut)  # never raises
    try:
        assert same(decode(NOVEMBER, bytes(damaged[:cut])), SMALL)
    except BadPage:
        assert bytes(damaged[:cut]) != DATA


# --- a real server -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.kill()


@pytest.fixture
def server(running: RedisServer) -> RedisServer:
    with running.client() as client:
        client.flushall()
    return running


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def tier(server: RedisServer, clock: ManualClock) -> AsyncIterator[HotBars]:
    async with at(server.port, clock) as tier:
        yield tier


@asynccontextmanager
async def at(
    port: int, clock: ManualClock, place: str = "live", password: str = "", timeout_s: float = PATIENT_S
) -> AsyncIterator[HotBars]:
    who = f":{password}@" if password else ""
    async with open_hot_bars(Secret(f"redis://{who}127.0.0.1:{port}/0"), place, clock, timeout_s=timeout_s) as tier:
        yield tier


async def test_pages_outlive_the_program_and_are_shared(server: RedisServer, clock: ManualClock, tier: HotBars) -> None:
    daily = key_of(MNQ, "1d", datetime(2026, 11, 2, tzinfo=UTC))
    days = replace(month(daily, bars=3, step=86_400), imported=((daily.start, daily.start + 86_400),))
    assert await tier.get(NOVEMBER) is None
    await asyncio.gather(tier.put(NOVEMBER, FULL), tier.put(daily, days))
    async with at(server.port, clock) as other:
        assert same(await other.get(NOVEMBER), FULL)
        assert same(await other.get(daily), days)
        await other.put(NOVEMBER, SMALL)
    assert same(await tier.get(NOVEMBER), SMALL)


async def test_a_full_month_takes_the_loop_for_a_moment_only(tier: HotBars) -> None:
    await tier.put(NOVEMBER, FULL)
    async with longest_turn() as turns:
        for _ in range(3):
            await tier.put(NOVEMBER, FULL)
            assert same(await tier.get(NOVEMBER), FULL)
    assert turns.worst_s < 0.1


async def test_places_never_meet_and_every_key_has_an_end(
    server: RedisServer, clock: ManualClock, tier: HotBars
) -> None:
    async with at(server.port, clock, place="paper:seed-7") as paper:
        await tier.put(NOVEMBER, SMALL)
        assert await paper.get(NOVEMBER) is None
        await paper.put(NOVEMBER, FULL)
        assert same(await tier.get(NOVEMBER), SMALL)
    with server.client() as client:
        assert {name.decode() for name in client.scan_iter()} == {NAME, NAME.replace("live", "paper:seed-7")}
        assert all(0 < client.ttl(name) <= 30 * 86_400 for name in client.scan_iter())


async def test_keys_of_others_are_left_alone(server: RedisServer, tier: HotBars) -> None:
    foreign = {b"bars:MNQ": b"theirs", b"desk:bars:livelier:v1:x:1m:2026-11": DATA, b"desk:bars": b"?"}
    with server.client() as client:
        client.mset(foreign)
        client.rpush("queue", "a", "b")
        for page in (SMALL, FULL):
            await tier.put(NOVEMBER, page)
            await tier.get(NOVEMBER)
        assert [(one.contract_id, one.bars) for one in await tier.series()] == [(MNQ, 30_000)]
        assert {name: client.get(name) for name in foreign} == foreign
        assert client.lrange("queue", 0, -1) == [b"a", b"b"]
        assert client.dbsize() == 5


GARBAGE: dict[str, bytes] = {
    "text": b"hello",
    "half a header": DATA[:20],
    "half": DATA[: len(DATA) // 2],
    "one bit": DATA[:2000] + bytes([DATA[2000] ^ 1]) + DATA[2001:],
    "a later format": DATA[:4] + b"\x02" + DATA[5:],
    "more": DATA + bytes(8),
    "another month": encode(key_of(MNQ, "1m", datetime(2026, 10, 2, tzinfo=UTC)), EMPTY),
    "another contract": encode(key_of("CON.F.US.MES.Z26", "1m", datetime(2026, 11, 2, tzinfo=UTC)), SMALL),
    "a page and far more": DATA + bytes(20_000_000),
}


@pytest.mark.parametrize("value", GARBAGE.values(), ids=GARBAGE)
async def test_garbage_under_our_key_counts_as_absent_and_is_replaced(
    server: RedisServer, tier: HotBars, value: bytes
) -> None:
    with server.client() as client:
        client.set(NAME, value)
    with capture_logs() as logs:
        assert await tier.get(NOVEMBER) is None
    assert [line["event"] for line in logs] == ["redis.bad_value"]
    await tier.series()
    await tier.put(NOVEMBER, SMALL)
    assert same(await tier.get(NOVEMBER), SMALL)


async def test_another_kind_under_our_key_is_replaced(server: RedisServer, tier: HotBars) -> None:
    with server.client() as client:
        client.rpush(NAME, "a", "b")
    assert await tier.get(NOVEMBER) is None
    assert await tier.series() == []
    await tier.put(NOVEMBER, SMALL)
    assert same(await tier.get(NOVEMBER), SMALL)


async def test_what_is_no_page_is_not_written(server: RedisServer, tier: HotBars) -> None:
    with capture_logs() as logs:
        await tier.put(NOVEMBER, Page(SMALL.bars, ()))
    assert [line["event"] for line in logs] == ["redis.page_refused"]
    with server.client() as client:
        assert client.dbsize() == 0


async def test_the_series_tell_what_is_stored(tier: HotBars) -> None:
    assert await tier.series() == []
    october = key_of(MNQ, "1m", datetime(2026, 10, 2, tzinfo=UTC))
    daily = key_of(MNQ, "1d", datetime(2026, 11, 2, tzinfo=UTC))
    await tier.put(NOVEMBER, SMALL)
    await tier.put(october, EMPTY.merged(Bars.empty(), (october.span,), is_imported=True))
    await tier.put(daily, EMPTY.merged(Bars.empty(), (daily.span,)))
    [minutes] = await tier.series()
    assert (minutes.contract_id, minutes.timeframe.text, minutes.bars, minutes.pages) == (MNQ, "1m", 300, 2)
    assert (minutes.first, minutes.last) == (NOVEMBER.start, NOVEMBER.start + 299 * 60)
    assert minutes.origins == ("gateway", "imported")


# --- down ----------------------------------------------------------------------------------------------------------


async def test_a_killed_server_is_down_at_once_and_tried_again(
    server: RedisServer, clock: ManualClock, tier: HotBars
) -> None:
    await tier.put(NOVEMBER, SMALL)
    server.kill()
    try:
        with pytest.raises(TierDown, match="cannot be used"):
            await tier.get(NOVEMBER)
    finally:
        server.start()
    with pytest.raises(TierDown, match="cannot be used"):  # it is back, but nobody looked yet
        await tier.get(NOVEMBER)
    clock.advance(RETRY_S)
    assert await tier.get(NOVEMBER) is None  # it kept nothing
    await tier.put(NOVEMBER, SMALL)
    assert same(await tier.get(NOVEMBER), SMALL)


async def test_a_server_that_never_answers_costs_a_moment_and_then_nothing(clock: ManualClock) -> None:
    asked: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(lambda _reader, writer: asked.append(writer), "127.0.0.1", 0)
    async with silent, at(silent.sockets[0].getsockname()[1], clock, timeout_s=TIMEOUT_S) as tier:
        began = time.monotonic()
        found = await asyncio.gather(*(tier.get(NOVEMBER) for _ in range(12)), return_exceptions=True)
        took_s = time.monotonic() - began
        assert all(isinstance(one, TierDown) and "no answer in time" in str(one) for one in found)
        assert took_s < 2
        connections = len(asked)
        assert connections <= 4
        began = time.monotonic()
        for _ in range(20):
            with pytest.raises(TierDown):
                await tier.put(NOVEMBER, SMALL)
        assert time.monotonic() - began < TIMEOUT_S, "none of them waited"
        assert len(asked) == connections
        clock.advance(RETRY_S)
        found = await asyncio.gather(*(tier.get(NOVEMBER) for _ in range(4)), return_exceptions=True)
        assert all(isinstance(one, TierDown) for one in found)
        assert len(asked) == connections + 1  # one of them tried
        for writer in asked:
            writer.close()


async def test_a_server_that_drips_is_down_soon(clock: ManualClock) -> None:
    dripping: list[asyncio.Task[None]] = []

    async def drip(writer: asyncio.StreamWriter) -> None:
        while not writer.is_closing():
            writer.write(b"x")
            try:
                await asyncio.sleep(0.01)
                await writer.drain()
            except ConnectionError:
                writer.close()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while b"GETRANGE" not in (asked := await reader.read(1000)):
            writer.write(b"+OK\r\n" * asked.count(b"SETINFO"))
        writer.write(b"$100000\r\n")
        dripping.append(asyncio.create_task(drip(writer)))

    slow = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with slow, at(slow.sockets[0].getsockname()[1], clock, timeout_s=0.1) as tier:
        began = time.monotonic()
        with pytest.raises(TierDown, match="no answer in time"):
            await tier.get(NOVEMBER)
        assert time.monotonic() - began < 2
        await asyncio.gather(*dripping)


async def test_nobody_there_is_down(clock: ManualClock) -> None:
    silent = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    async with silent, at(port, clock) as tier:
        with pytest.raises(TierDown, match="cannot be used"):
            await tier.get(NOVEMBER)
    await silent.wait_closed()
    async with at(port, clock) as tier:
        with pytest.raises(TierDown, match=rf"127\.0\.0\.1:{port}.*check that it runs"):
            await tier.series()


async def test_a_peer_that_speaks_something_else_is_down(clock: ManualClock) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 5)
        writer.close()

    web = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with web, at(web.sockets[0].getsockname()[1], clock) as tier:
        with pytest.raises(TierDown):
            await tier.get(NOVEMBER)


async def test_a_wrong_password_is_told_without_the_password(
    tmp_path_factory: pytest.TempPathFactory, clock: ManualClock
) -> None:
    server = RedisServer(tmp_path_factory.mktemp("locked"), password="right-one")
    try:
        for password in ("", "wr0ng-one"):
            async with at(server.port, clock, password=password) as tier:
                with pytest.raises(TierDown) as failed:
                    await tier.get(NOVEMBER)
                assert "uthenti" in str(failed.value) or "password" in str(failed.value).lower()
                assert failed.value.__cause__ is None
                for shown in (str(failed.value), repr(tier), tier.address):
                    assert "wr0ng-one" not in shown
        async with at(server.port, clock, password="right-one") as tier:
            await tier.put(NOVEMBER, SMALL)
            assert same(await tier.get(NOVEMBER), SMALL)
    finally:
        server.kill()


async def test_without_the_package_it_says_what_to_install(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    async with at(1, clock) as tier:
        with pytest.raises(TierDown, match="pip install redis"):
            await tier.get(NOVEMBER)
    with pytest.raises(TierDown, match="closed"):
        await tier.get(NOVEMBER)


async def test_cancelling_leaves_the_tier_usable(tier: HotBars) -> None:
    await tier.put(NOVEMBER, FULL)
    for turns in range(12):
        reading = asyncio.create_task(tier.get(NOVEMBER))
        for _ in range(turns):
            await asyncio.sleep(0)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    assert same(await tier.get(NOVEMBER), FULL)
