"""History over the real tiers: whatever happens to Redis and to the archive's files, an answer equals the simulator's."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from desk.core.secret import Secret
from desk.core.timeframe import parse_timeframe
from desk.runtime.history import HistoryService
from desk.store import open_bar_archive, open_hot_bars
from tests.runtime.test_history_sim import MNQ, NOW, Scene, scene
from tests.store.redisserver import RedisServer

__all__ = ["scene"]  # the fixture

FRAMES = tuple(parse_timeframe(text) for text in ("1m", "15s", "1h", "1d"))
STEPS = 12


@pytest.fixture
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.kill()


class House:
    """A service over real tiers that can be killed and started again."""

    def __init__(self, scene: Scene, redis: RedisServer, root: Path) -> None:
        self.scene, self.redis, self.root = scene, redis, root
        self.troubles: dict[str, str] = {}
        self._open = AsyncExitStack()

    async def start(self) -> None:
        await self._open.aclose()
        url = Secret(f"redis://127.0.0.1:{self.redis.port}/0")
        near = await self._open.enter_async_context(open_hot_bars(url, "live", self.scene.clock, timeout_s=5))
        far = await self._open.enter_async_context(open_bar_archive(self.root))
        self.history = HistoryService(
            self.scene.client.bar_columns,
            self.scene.clock,
            memory_bytes=2**23,
            tiers=(near, far),
            troubles=self.troubles,
        )

    async def stop(self) -> None:
        await self._open.aclose()


async def test_answers_stay_right_while_redis_and_files_fail(scene: Scene, redis: RedisServer, tmp_path: Path) -> None:
    dice = random.Random()
    house = House(scene, redis, tmp_path)
    await house.start()
    try:
        for _ in range(STEPS):
            await one_accident(house, dice)
            timeframe = dice.choice(FRAMES)
            end = NOW - dice.random() * 40 * timeframe.step
            start = end - dice.randrange(1, 400) * timeframe.step
            reply = await house.history.between(MNQ, timeframe, start, end)
            assert reply.problem is None
            assert reply.columns.equals(await scene.truth(MNQ, timeframe, start, end))
    finally:
        await house.stop()


async def one_accident(house: House, dice: random.Random) -> None:
    match dice.randrange(7):
        case 0:  # killed: what was not written is lost
            await house.start()
        case 1:
            await house.history.flush()
            await house.start()
        case 2:
            house.redis.kill()
        case 3:
            house.redis.kill()
            house.redis.start()
        case 4:
            for file in sorted(house.root.rglob("*.parquet")):
                data = bytearray(file.read_bytes())
                data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
                file.write_bytes(data[: dice.choice([len(data), dice.randrange(len(data))])])
        case 5:
            await house.history.flush()
        case 6:
            house.scene.clock.time += timedelta(seconds=30)  # tiers that failed are tried again


async def test_a_restart_needs_no_request_from_either_tier(scene: Scene, redis: RedisServer, tmp_path: Path) -> None:
    house = House(scene, redis, tmp_path)
    await house.start()
    try:
        start, end = NOW - timedelta(days=30), NOW - timedelta(hours=1)
        truth = await house.history.between(MNQ, FRAMES[0], start, end)
        await house.history.flush()
        sources = []
        for accident in (lambda: None, redis.kill):
            accident()
            await house.start()
            asked = scene.requests
            reply = await house.history.between(MNQ, FRAMES[0], start, end)
            sources.append(reply.source)
            assert reply.columns.equals(truth.columns)
            assert scene.requests == asked
        assert sources == ["redis", "archive"]
        assert "bars in redis" in house.troubles
    finally:
        await house.stop()
