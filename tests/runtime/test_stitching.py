"""A product over its rolls, against the simulated gateway: which months, which rule, and every hole named."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from desk.core.errors import Unavailable, UnknownSymbol
from desk.core.ids import ContractId
from desk.core.timeframe import Timeframe, parse_timeframe
from desk.core.words import Contract
from desk.gateway import GatewayClient
from desk.market.bars import NANOS, Bars
from desk.runtime.history import HistoryService
from desk.runtime.stitching import stitched
from desk.sim import SimConfig, SimServer
from tests.gateway.conftest import config_of

NOW = datetime(2026, 11, 18, 14, 30, tzinfo=UTC)
H1, H4, D1 = (parse_timeframe(text) for text in ("1h", "4h", "1d"))


@dataclass(frozen=True)
class Reply:
    columns: Bars
    problem: str | None = None


def service(client: GatewayClient) -> HistoryService:
    return HistoryService(client.bar_columns, Clock())


class Clock:
    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return 0.0


@dataclass
class Written:
    """Bars that a test wrote down. ``daily``: contract id to volume per day from 2026-09-01 on."""

    daily: dict[str, list[int]] = field(default_factory=dict)
    hours: dict[str, Bars] = field(default_factory=dict)
    problem: str | None = None
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def between(
        self, contract_id: ContractId, timeframe: Timeframe, start: datetime, end: datetime, *, partial: bool = True
    ) -> Reply:
        self.asked.append((contract_id, timeframe.text))
        if timeframe == D1:
            volumes = np.array(self.daily.get(contract_id, []), dtype=np.int64)
            first = int(datetime(2026, 9, 1, 22, tzinfo=UTC).timestamp())  # 17:00 in Chicago: the session of the 2nd
            flat = np.full(len(volumes), 100 * NANOS)
            return Reply(Bars(first + np.arange(len(volumes)) * 86_400, flat, flat, flat, flat, volumes))
        found = self.hours.get(contract_id, Bars.empty())
        return Reply(found.between(int(start.timestamp()), int(end.timestamp())), self.problem)


@dataclass
class Listed:
    """The gateway's word about contracts. ``unknown``: those that it does not have."""

    active: str = "CON.F.US.MNQ.Z26"
    unknown: set[str] = field(default_factory=set)

    async def contract(self, contract_id: ContractId) -> Contract | None:
        from tests.surfaces.room import MNQ

        if contract_id in self.unknown:
            return None
        return Contract(
            contract_id=contract_id, name=contract_id, description="", tick_size=MNQ.tick_size,
            tick_value=MNQ.tick_value, symbol_id=MNQ.symbol_id, is_active=contract_id == self.active,
        )  # fmt: skip


def hourly(first: datetime, count: int, points: int) -> Bars:
    ts = int(first.timestamp()) + np.arange(count) * 3600
    price = np.full(count, points * NANOS)
    return Bars(ts, price, price, price, price, np.full(count, 5))


@pytest.fixture
async def client() -> AsyncIterator[GatewayClient]:
    async with SimServer(SimConfig(clock=lambda: NOW)) as sim, GatewayClient(config_of(sim)) as gateway:
        await gateway.login()
        yield gateway


async def test_half_a_year_over_every_roll(client: GatewayClient) -> None:
    start = NOW - timedelta(days=200)
    reply = await stitched(service(client), client, "MNQ", H4, start, NOW, "adjusted")
    assert reply.problem is None
    assert [segment.name for segment in reply.segments] == ["MNQM26", "MNQU26", "MNQZ26"]
    assert [(roll.old, roll.new) for roll in reply.rolls] == [("MNQM26", "MNQU26"), ("MNQU26", "MNQZ26")]
    assert {roll.rule for roll in reply.rolls} <= {"volume", "calendar"}
    assert (np.diff(reply.columns.ts) == 4 * 3600).all()  # the paper market never closes, and no opening is there twice
    assert sum(segment.bars for segment in reply.segments) == len(reply.columns)
    newest = Bars.of(
        await client.bars(reply.segments[-1].contract_id, H4.unit, 4, reply.rolls[-1].at, NOW, partial=True)
    )
    told = reply.columns.between(int(reply.rolls[-1].at.timestamp()), int(NOW.timestamp()))
    assert told.equals(newest.between(int(reply.rolls[-1].at.timestamp()), int(NOW.timestamp())))


async def test_one_contract_needs_no_roll(client: GatewayClient) -> None:
    reply = await stitched(service(client), client, "MNQ", H1, NOW - timedelta(days=3), NOW, "none")
    assert [segment.name for segment in reply.segments] == ["MNQZ26"]
    assert (reply.rolls, reply.problem, len(reply.columns)) == ((), None, 72)


async def test_a_root_that_nobody_knows_is_refused(client: GatewayClient) -> None:
    with pytest.raises(UnknownSymbol):
        await stitched(service(client), client, "XYZ", H1, NOW - timedelta(days=3), NOW, "none")


WINDOW = datetime(2026, 9, 5, tzinfo=UTC), datetime(2026, 9, 25, tzinfo=UTC)
OLD, NEW = "CON.F.US.MNQ.U26", "CON.F.US.MNQ.Z26"


def two_months(daily: dict[str, list[int]]) -> Written:
    first = WINDOW[0] - timedelta(days=2)
    return Written(daily, {OLD: hourly(first, 24 * 30, 100), NEW: hourly(first, 24 * 30, 110)})


async def test_the_roll_is_the_day_after_the_next_month_first_trades_more() -> None:
    history = two_months({OLD: [100] * 20, NEW: [1] * 10 + [101] * 10})
    reply = await stitched(history, Listed(), "MNQ", H1, *WINDOW, "adjusted")
    (roll,) = reply.rolls
    assert roll.rule == "volume"
    assert roll.at == datetime(2026, 9, 12, 22, tzinfo=UTC)  # the session after the one that opened on the 11th
    assert roll.difference == 10 * NANOS
    assert set(reply.columns.close.tolist()) == {110 * NANOS}
    assert [segment.shift for segment in reply.segments] == [10 * NANOS, 0]


async def test_without_day_bars_the_calendar_decides_and_says_so() -> None:
    reply = await stitched(two_months({}), Listed(), "MNQ", H1, *WINDOW, "none")
    assert [(roll.rule, roll.at) for roll in reply.rolls] == [("calendar", datetime(2026, 9, 13, 22, tzinfo=UTC))]
    assert set(reply.columns.close.tolist()) == {100 * NANOS, 110 * NANOS}


async def test_expired_minutes_that_are_gone_are_a_named_hole() -> None:
    history = two_months({})
    del history.hours[OLD]
    for how in ("none", "adjusted"):
        reply = await stitched(history, Listed(), "MNQ", H1, *WINDOW, how)  # type: ignore[arg-type]
        assert reply.problem == "MNQU26: no bars from 2026-09-05 to 2026-09-13"
        assert int(reply.columns.ts[0]) == int(reply.rolls[0].at.timestamp())


async def test_an_older_month_that_cannot_be_adjusted_is_left_out_and_named() -> None:
    history = two_months({})
    history.hours[NEW] = history.hours[NEW].between(int(datetime(2026, 9, 14, tzinfo=UTC).timestamp()), 2**40)
    reply = await stitched(history, Listed(), "MNQ", H1, *WINDOW, "adjusted")
    assert reply.problem == "MNQU26: left out, its distance to the next month at the roll is not known"
    assert [segment.shift for segment in reply.segments] == [None, 0]
    assert len((await stitched(history, Listed(), "MNQ", H1, *WINDOW, "none")).columns) > len(reply.columns)


async def test_what_the_history_or_the_gateway_lacks_is_named() -> None:
    history = two_months({})
    history.problem = "the gateway did not answer"
    listed = Listed(unknown={"CON.F.US.MNQ.M26", OLD})
    reply = await stitched(history, listed, "MNQ", H1, datetime(2026, 5, 1, tzinfo=UTC), WINDOW[1], "none")
    assert reply.problem is not None
    assert "MNQM26: the gateway does not know this contract" in reply.problem
    assert "MNQZ26: the gateway did not answer" in reply.problem


async def test_a_gateway_that_is_away_is_an_error_and_no_empty_answer() -> None:
    class Away:
        async def contract(self, contract_id: ContractId) -> Contract | None:
            raise Unavailable("not connected")

    with pytest.raises(Unavailable):
        await stitched(Written(), Away(), "MNQ", H1, *WINDOW, "none")
