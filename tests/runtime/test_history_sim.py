"""History against the simulator: whatever happened before, an answer equals what the gateway says when it is asked directly."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from desk.core.errors import DeskError, TierDown
from desk.core.ids import ContractId
from desk.core.secret import Secret
from desk.core.timeframe import Timeframe, parse_timeframe
from desk.gateway import GatewayClient, GatewayConfig
from desk.gateway.pacing import PacingConfig
from desk.market.bars import Bars, joined
from desk.market.pages import Page, PageKey
from desk.market.sessions import may_trade
from desk.runtime.history import HistoryService
from desk.runtime.tiers import Progress, SeriesInfo
from desk.sim import SimConfig, SimServer

MNQ, MCL = ContractId("CON.F.US.MNQ.Z26"), ContractId("CON.F.US.MCLE.Z26")
NOW = datetime(2026, 11, 18, 15, 7, 42, tzinfo=UTC)  # a Wednesday
BARS = "/api/History/retrieveBars"
FRAMES = tuple(parse_timeframe(text) for text in ("15s", "1m", "3m", "5m", "30m", "1h", "4h", "1d", "1w", "1M"))
M1 = parse_timeframe("1m")
PACING = PacingConfig(general_limit=100_000, history_limit=100_000, history_window_s=1.0)
STORIES = 6


class Clock:
    """Wall time that stands where it is put; monotonic follows."""

    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.time.timestamp()


class Shelf:
    """A tier in a dict that can be down, forget pages, and survives the service."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.pages: dict[PageKey, Page] = {}
        self.is_down = False

    async def get(self, key: PageKey) -> Page | None:
        await asyncio.sleep(0)
        if self.is_down:
            raise TierDown(f"{self.name} is away")
        return self.pages.get(key)

    async def put(self, key: PageKey, page: Page) -> None:
        await asyncio.sleep(0)
        if self.is_down:
            raise TierDown(f"{self.name} is away")
        self.pages[key] = page

    async def series(self) -> Sequence[SeriesInfo]:
        return []


class Live:
    """Live bars as they may be: right as long as the clock stands, and silent about what they did not see."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.seen: dict[tuple[ContractId, Timeframe], tuple[datetime, int, Bars]] = {}

    def tail(self, contract_id: ContractId, timeframe: Timeframe, since: int) -> Bars | None:
        at, start, bars = self.seen.get((contract_id, timeframe), (NOW, 2**40, Bars.empty()))
        return bars.between(since, 2**40) if at == self.clock.time and start <= since else None


class Scene:
    """One simulator with a standing clock, one client, and services over the same tiers that come and go."""

    def __init__(self, sim: SimServer, client: GatewayClient, clock: Clock) -> None:
        self.sim, self.client, self.clock = sim, client, clock
        self.live = Live(clock)
        self.near, self.far = Shelf("redis"), Shelf("archive")
        self.troubles: dict[str, str] = {}
        self.history = self.fresh()

    def fresh(self, memory_bytes: int = 2**23) -> HistoryService:
        """After a kill: what was not written is lost."""
        self.history = HistoryService(
            self.client.bar_columns,
            self.clock,
            memory_bytes=memory_bytes,
            tiers=(self.near, self.far),
            troubles=self.troubles,
            live=self.live,
            open_spans=may_trade if self.sim.config.hours == "exchange" else lambda contract_id, span: (span,),
        )
        return self.history

    @property
    def requests(self) -> int:
        return sum(row.path == BARS for row in self.sim.requests)

    async def truth(
        self, contract: ContractId, timeframe: Timeframe, start: datetime, end: datetime, *, partial: bool = True
    ) -> Bars:
        """The simulator's own answer, page by page backwards."""
        parts: list[Bars] = []
        while True:
            bars = await self.client.bar_columns(
                contract, timeframe.unit, timeframe.number, start, end, 20_000, partial
            )
            parts.insert(0, bars)
            if len(bars) < 20_000:
                return joined(*parts).between(-(-int(start.timestamp()) // 1), 2**40)
            end = datetime.fromtimestamp(int(bars.ts[0]), UTC)


@pytest.fixture
async def scene(request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    clock, hours = Clock(), getattr(request, "param", "always")
    async with SimServer(SimConfig(clock=clock.now, rate_limits=False, hours=hours)) as sim:
        config = GatewayConfig(
            sim.url, sim.user_hub_url, sim.market_hub_url, username="paper", api_key=Secret("paper"), pacing=PACING
        )
        async with GatewayClient(config) as client:
            await client.login()
            yield Scene(sim, client, clock)


async def test_thirty_days_of_minutes_are_as_few_requests_as_can_be_and_then_none(scene: Scene) -> None:
    reply = await scene.history.bars(MNQ, M1, 43_200)
    assert (len(reply.columns), reply.source, reply.requests, scene.requests) == (43_200, "gateway", 3, 3)
    assert reply.columns.equals((await scene.truth(MNQ, M1, NOW - timedelta(days=31), NOW)).newest(43_200))
    asked = scene.requests
    again = await scene.history.bars(MNQ, M1, 43_200)
    assert (again.source, scene.requests) == ("memory", asked)
    assert again.columns.equals(reply.columns)
    await scene.history.flush()
    restarted = await scene.fresh().bars(MNQ, M1, 43_200)
    assert restarted.columns.equals(reply.columns)
    assert scene.requests == asked + 1, "only the tail"


async def test_a_window_of_thirty_days_is_fetched_side_by_side(scene: Scene) -> None:
    said: list[Progress] = []
    start = datetime(2026, 10, 12, tzinfo=UTC)
    reply = await scene.history.between(MNQ, M1, start, start + timedelta(days=30), on_progress=said.append)
    assert (len(reply.columns), scene.requests) == (43_200, 3)
    assert [said[-1].fetched_s, said[-1].wanted_s] == [30 * 86_400, 30 * 86_400]
    rows = [row for row in scene.sim.requests if row.path == BARS]
    ends = [row.ended for row in rows if row.ended is not None]
    assert max(row.started for row in rows) < min(ends), "side by side"


@pytest.mark.parametrize("scene", ["exchange"], indirect=True)
async def test_shut_hours_need_no_room_in_a_request(scene: Scene) -> None:
    start = datetime(2026, 10, 19, tzinfo=UTC)
    reply = await scene.history.between(MNQ, M1, start, start + timedelta(days=28))
    assert reply.columns.equals(await scene.truth(MNQ, M1, start, start + timedelta(days=28)))
    assert reply.requests == -(-len(reply.columns) // 20_000) == 2
    asked = scene.requests
    saturday = datetime(2026, 11, 21, 0, tzinfo=UTC)
    scene.clock.time = datetime(2026, 11, 23, 12, tzinfo=UTC)
    assert len((await scene.history.between(MNQ, M1, saturday, saturday + timedelta(days=1))).columns) == 0
    assert scene.requests == asked, "nothing can have traded"


async def test_fifty_who_ask_the_same_and_others_who_ask_for_less_share_one_request(scene: Scene) -> None:
    replies = await asyncio.gather(
        *(scene.history.bars(MNQ, M1, 500) for _ in range(50)), *(scene.history.bars(MNQ, M1, 20) for _ in range(5))
    )
    assert scene.requests == 1
    assert all(reply.columns.equals(replies[0].columns.newest(len(reply.columns))) for reply in replies)


async def test_longer_bars_are_made_of_stored_minutes(scene: Scene) -> None:
    start, end = NOW - timedelta(days=3), NOW - timedelta(days=1)
    await scene.history.between(MNQ, M1, start - timedelta(hours=1), end + timedelta(hours=1))
    asked = scene.requests
    for text in ("2m", "5m", "30m", "1h"):
        timeframe = parse_timeframe(text)
        reply = await scene.history.between(MNQ, timeframe, start, end)
        assert (reply.source, scene.requests) == ("memory", asked)
        assert len(reply.columns) == 2 * 86_400 // timeframe.seconds
    for text in ("1h", "5m"):
        timeframe = parse_timeframe(text)
        reply = await scene.history.between(MNQ, timeframe, start, end)
        assert reply.columns.equals(await scene.truth(MNQ, timeframe, start, end))
    assert (await scene.history.between(MNQ, parse_timeframe("4h"), start, end)).source == "gateway"


async def test_a_forming_bar_and_a_young_one_never_enter_a_page(scene: Scene) -> None:
    for second in range(0, 130, 7):
        scene.clock.time = NOW + timedelta(seconds=second)
        reply = await scene.history.bars(MNQ, M1, 30)
        assert reply.has_partial
        await scene.history.flush()
        for key, page in scene.far.pages.items():
            newest = int(page.bars.ts[-1])
            assert newest + key.timeframe.seconds + 30 <= scene.clock.time.timestamp()
            assert page.covered[-1][1] <= scene.clock.time.timestamp() - 30


async def test_a_tier_that_is_away_is_named_and_its_pages_survive_it(scene: Scene) -> None:
    start, end = datetime(2026, 11, 3, tzinfo=UTC), datetime(2026, 11, 5, tzinfo=UTC)
    await scene.history.between(MNQ, M1, start, end)
    await scene.history.flush()
    scene.near.pages.clear()
    scene.far.is_down = True
    history = scene.fresh()
    await history.between(MNQ, M1, end, end + timedelta(days=1))  # the same page, and the archive cannot be asked
    await history.flush()
    assert set(scene.troubles) == {"bars in archive"}
    assert "archive is away" in scene.troubles["bars in archive"]
    scene.far.is_down = False
    scene.clock.time += timedelta(seconds=31)
    await history.flush()
    assert scene.troubles == {}
    (page,) = scene.far.pages.values()
    assert len(page.bars) == 3 * 1440, "what it knew, and what came while it was away"


async def test_what_others_know_never_overwrites_the_gateway(scene: Scene) -> None:
    start, end = datetime(2026, 11, 3, tzinfo=UTC), datetime(2026, 11, 3, 1, tzinfo=UTC)
    known = (await scene.history.between(MNQ, M1, start, end)).columns
    later = await scene.truth(MNQ, M1, end, end + timedelta(hours=1))
    file = joined(Bars(known.ts, known.open, known.high + 1, known.low, known.close, known.volume), later)
    span = (int(start.timestamp()), int(end.timestamp()) + 3600)
    assert await scene.history.keep(MNQ, M1, file, (span,), "a file") == 60
    asked = scene.requests
    both = await scene.history.between(MNQ, M1, start, end + timedelta(hours=1))
    assert both.columns.equals(joined(known, later))
    assert scene.requests == asked


async def test_a_long_fetch_can_be_interrupted_and_keeps_what_it_brought(scene: Scene) -> None:
    start = datetime(2026, 9, 1, tzinfo=UTC)
    scene.sim.faults.next("history", times=1).delays(0)
    scene.sim.faults.next("history", times=20).delays(3000)
    came = asyncio.Event()
    task = asyncio.create_task(
        scene.history.between(MNQ, M1, start, start + timedelta(days=60), on_progress=lambda _: came.set())
    )
    await asyncio.wait_for(came.wait(), 10)
    task.cancel()
    await asyncio.wait([task])
    scene.sim.faults.clear()
    assert task.cancelled()
    assert scene.history.stats().memory_bars >= 3_200


async def test_a_failed_fetch_shows_nothing_behind_the_hole(scene: Scene) -> None:
    start = datetime(2026, 10, 1, tzinfo=UTC)
    await scene.history.between(MNQ, M1, start, start + timedelta(hours=1))
    scene.sim.faults.next("history", times=1).rejects(1, "not now")
    reply = await scene.history.between(MNQ, M1, start, start + timedelta(hours=2))
    assert len(reply.columns) == 60
    assert reply.problem is not None
    assert "missing" in reply.problem
    whole = await scene.history.between(MNQ, M1, start, start + timedelta(hours=2))
    assert (len(whole.columns), whole.problem) == (120, None)


async def test_nothing_before_the_listing_is_searched_twice(scene: Scene) -> None:
    old = datetime(2010, 1, 1, tzinfo=UTC)
    hourly = parse_timeframe("1h")
    first = await scene.history.between(MNQ, hourly, old, NOW)
    asked = scene.requests
    again = await scene.history.between(MNQ, hourly, old, NOW)
    assert again.columns.equals(first.columns)
    assert scene.requests == asked
    fine = await scene.history.between(MNQ, parse_timeframe("15s"), old, old + timedelta(days=3650))
    assert len(fine.columns) == 0
    assert scene.requests < asked + 20


# --- whatever happened before -----------------------------------------------------------------------------------------

SPANS_S = {"15s": 7_200, "1m": 86_400 * 8, "3m": 86_400 * 9, "5m": 86_400 * 20, "30m": 86_400 * 60}
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["bars", "between", "kill", "flush", "fault", "near", "far", "rot", "wait", "crowd", "live"]),
        st.sampled_from(FRAMES),
        st.integers(0, 10_000),
        st.integers(1, 900),
        st.booleans(),
    ),
    min_size=3,
    max_size=14,
)


class Story:
    """One random history of questions, kills and faults; every answer without a problem must be the simulator's."""

    def __init__(self, scene: Scene, dice: int) -> None:
        self.scene = scene
        self.dice = random.Random(dice)
        scene.clock.time = NOW + timedelta(seconds=self.dice.randrange(0, 86_400 * 4))
        for shelf in (scene.near, scene.far):
            shelf.pages.clear()
            shelf.is_down = False
        scene.sim.faults.clear()
        scene.live.seen.clear()
        self.is_small = False  # memory that forgets most of it
        scene.fresh()

    async def step(self, what: str, timeframe: Timeframe, place: int, n: int, flag: bool) -> None:
        scene = self.scene
        n = n if timeframe.seconds < 3600 else n % 40 + 1 if timeframe.is_intraday else n % 4 + 1
        match what:
            case "bars":
                await self.check_bars(timeframe, n, flag)
            case "between":
                await self.check_between(timeframe, place, n, flag)
            case "crowd":
                await asyncio.gather(
                    self.check_bars(timeframe, n, flag),
                    self.check_between(timeframe, place, n, flag),
                    self.check_bars(timeframe, n // 2 + 1, True),
                    self.give_up(timeframe, n + 50),
                )
            case "live" if timeframe.is_on_the_hour:
                scene.sim.faults.clear()
                since = timeframe.opening(int(scene.clock.time.timestamp()) - n * timeframe.seconds)
                start = datetime.fromtimestamp(since, UTC)
                truth = await scene.truth(MNQ, timeframe, start, scene.clock.time)
                scene.live.seen[MNQ, timeframe] = (scene.clock.time, since, truth)
            case "kill":
                self.is_small = self.dice.random() < 0.3
                scene.fresh(memory_bytes=20_000 if self.is_small else 2**23)
            case "flush":
                await scene.history.flush()
            case "near" | "far":
                shelf = scene.near if what == "near" else scene.far
                shelf.is_down = not shelf.is_down
            case "rot":
                shelf = self.dice.choice([scene.near, scene.far])
                for key in list(shelf.pages):
                    if self.dice.random() < 0.5:
                        shelf.pages[key] = self.spoilt(shelf.pages[key])
            case "wait":
                scene.clock.time += timedelta(seconds=self.dice.choice([1, 2, 5, 31, 61, 299, 4000]))
            case _:
                self.fault()

    def fault(self) -> None:
        planned = self.scene.sim.faults.next("history", times=self.dice.randint(1, 3))
        self.dice.choice(
            [
                lambda: planned.refuses(429, retry_after_s=0),
                planned.drops_after_execution,
                planned.drops_before_execution,
                lambda: planned.refuses(503),
                lambda: planned.rejects(1, "no"),
            ]
        )()

    @staticmethod
    def spoilt(page: Page) -> Page:
        """What a broken disk may give: bars out of order, or outside of what the page says to know."""
        bars = page.bars
        return Page(Bars(bars.ts[::-1], bars.open, bars.high, bars.low, bars.close, bars.volume), page.covered)

    async def check_bars(self, timeframe: Timeframe, n: int, partial: bool) -> None:
        asked_at = self.scene.clock.time
        try:
            reply = await self.scene.history.bars(MNQ, timeframe, n, partial=partial)
        except DeskError:
            return
        await self.compare(reply.columns, timeframe, n, asked_at, partial, is_whole=reply.problem is None)

    async def compare(
        self, got: Bars, timeframe: Timeframe, n: int, now: datetime, partial: bool, *, is_whole: bool
    ) -> None:
        """Closed bars are the simulator's; without an answer they are a run of these, without a hole."""
        client = self.scene.client
        self.scene.sim.faults.clear()
        start = now - timedelta(seconds=(n + 3) * timeframe.seconds + 86_400 * 40)
        most = min(n + 500, 20_000)
        truth = await client.bar_columns(MNQ, timeframe.unit, timeframe.number, start, now, most, partial)
        truth = truth.newest(n) if is_whole else truth.between(int(got.ts[0]), int(got.ts[-1]) + 1)
        assert got.ts.tolist() == truth.ts.tolist()
        assert settled(got, timeframe, now).equals(settled(truth, timeframe, now))

    async def check_between(self, timeframe: Timeframe, place: int, n: int, partial: bool) -> None:
        now = self.scene.clock.time
        reach = timedelta(seconds=SPANS_S.get(timeframe.text, 86_400 * 300))
        start = now - reach * (place / 10_000)
        end = start + timedelta(seconds=timeframe.seconds * n + place % 61)
        try:
            reply = await self.scene.history.between(MNQ, timeframe, start, end, partial=partial)
        except DeskError:
            return
        self.scene.sim.faults.clear()
        truth = await self.scene.truth(MNQ, timeframe, start, min(end, now), partial=partial)
        got = reply.columns
        if reply.problem is not None:
            truth = truth.newest(0) if not len(got) else truth.between(0, int(got.ts[-1]) + 1)
        assert got.ts.tolist() == truth.ts.tolist()
        assert settled(got, timeframe, now).equals(settled(truth, timeframe, now))
        if reply.problem is None and end.timestamp() < now.timestamp() - 86_400 * 5 - timeframe.seconds:
            again = await self.scene.history.between(MNQ, timeframe, start, end)
            assert again.columns.equals(got)
            assert again.requests == 0 or self.is_small, "asked twice for what is known"

    async def give_up(self, timeframe: Timeframe, n: int) -> None:
        task = asyncio.create_task(self.scene.history.bars(MNQ, timeframe, n))
        for _ in range(self.dice.randrange(0, 30)):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def settled(bars: Bars, timeframe: Timeframe, now: datetime) -> Bars:
    return bars.between(0, int(now.timestamp()) - timeframe.seconds + 1)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("scene", ["always", "exchange"], indirect=True)
async def test_whatever_happened_before_an_answer_equals_the_simulators(scene: Scene) -> None:
    stories: list[tuple[list[tuple[str, Timeframe, int, int, bool]], int]] = []

    @settings(max_examples=STORIES, database=None, suppress_health_check=list(HealthCheck), deadline=None)
    @given(STEPS, st.integers(0, 10**6))
    def collect(steps: list[tuple[str, Timeframe, int, int, bool]], dice: int) -> None:
        stories.append((steps, dice))

    collect()
    for steps, dice in stories:
        story = Story(scene, dice)
        for step in steps:
            try:
                await story.step(*step)
            except AssertionError as error:
                raise AssertionError(f"story {dice}: {steps}\nat {step}") from error
