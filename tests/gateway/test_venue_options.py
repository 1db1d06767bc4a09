"""The client at a venue that is shut, that refuses by an account's rules, fills in parts, or plays a recorded day."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from desk.core.errors import Refused
from desk.core.ids import AccountId, ContractId, GatewayOrderId
from desk.core.orders import OrderRequest
from desk.core.timeframe import BarUnit
from desk.core.words import OrderStatus, OrderType, Quote, Side, VenueOrder
from desk.gateway import GatewayClient, HubPool, Kind, MarketFeed
from desk.sim import SimConfig, SimServer

from .conftest import ACCOUNT, MNQ, PRICE, config_of, count, market, until

PLACE, CANCEL, MODIFY = "/api/Order/place", "/api/Order/cancel", "/api/Order/modify"
CLOSE = "/api/Position/closeContract"
CORN = ContractId("CON.F.US.ZCE.Z26")
POSITION_BRACKETS, FOLLOWER = AccountId(21000003), AccountId(21000004)
OPEN = datetime(2026, 11, 18, 20, 30, tzinfo=UTC)  # 14:30 in Chicago, a Wednesday
CUT = datetime(2026, 11, 18, 21, 30, tzinfo=UTC)  # 15:30: the exchange trades on, Topstep does not
EVENING = datetime(2026, 11, 18, 23, 0, tzinfo=UTC)  # 17:00: the next session
PAUSE = datetime(2026, 11, 18, 13, 50, tzinfo=UTC)  # 07:50, between the two sessions of the grains
SATURDAY = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
NOT_TRADING = r"Trading is currently unavailable\. The instrument is not in an active trading status\."


@asynccontextmanager
async def connected(**options: Any) -> AsyncIterator[tuple[SimServer, GatewayClient]]:
    config = SimConfig(**{"market": "manual", "fill_delay_ms": 0, "feed_interval_s": 0.02, **options})
    async with SimServer(config) as sim, GatewayClient(config_of(sim)) as client:
        await client.login()
        if config.market == "manual" and config.hours == "always":
            sim.set_price(MNQ, PRICE)
        yield sim, client


def limit(tag: str, price: Decimal, qty: int = 1, **more: Any) -> OrderRequest:
    return market(tag=tag, type=OrderType.LIMIT, limit_price=price, qty=qty, **more)


# --- hours ------------------------------------------------------------------------------------------------------------


async def test_out_of_session_a_place_is_refused_with_the_reason_once_and_taken_again_when_it_opens() -> None:
    """Reference 3.14: code 2, a passing state. Nothing repeats it, and nothing remembers it against the next order."""
    now = CUT
    async with connected(hours="exchange", feed_interval_s=3600, clock=lambda: now) as (sim, client):
        for number in (1, 2):
            with pytest.raises(Refused, match=NOT_TRADING) as caught:
                await client.place(market(tag=f"dsk-{number}"))
            assert (caught.value.code, caught.value.client_order_id) == (2, f"dsk-{number}")
            assert count(sim, PLACE) == number
        now = EVENING
        await client.place(market(tag="dsk-3"))
        assert [position.qty for position in await client.positions(ACCOUNT)] == [1]


async def test_out_of_session_a_modify_and_a_close_are_refused_and_a_cancel_works() -> None:
    """Corn pauses from 07:45 to 08:30 in Chicago; what is held and what works stays (reference 6.4)."""
    now = PAUSE - timedelta(hours=1)
    async with connected(hours="exchange", feed_interval_s=3600, clock=lambda: now) as (sim, client):
        last = sim.quote(CORN).last
        await client.place(replace(market(), contract_id=CORN))
        order_id = await client.place(replace(limit("dsk-rest", last - 20), contract_id=CORN))
        now = PAUSE
        with pytest.raises(Refused, match=NOT_TRADING) as caught:
            await client.modify(ACCOUNT, order_id, limit_price=last - 10)
        assert caught.value.code == 3
        with pytest.raises(Refused) as caught:
            await client.close_position(ACCOUNT, CORN)
        assert caught.value.code == 5
        await client.cancel(ACCOUNT, order_id)
        assert await client.working_orders(ACCOUNT) == []
        assert [count(sim, path) for path in (MODIFY, CLOSE, CANCEL)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (SATURDAY, SATURDAY + timedelta(hours=6)),
        (datetime(2026, 11, 18, 22, 0, tzinfo=UTC), datetime(2026, 11, 18, 22, 59, tzinfo=UTC)),  # 16:00 to 16:59
    ],
    ids=["weekend", "pause"],
)
async def test_history_over_a_closed_session_is_an_empty_list(start: datetime, end: datetime) -> None:
    now = SATURDAY + timedelta(days=3)
    async with connected(market="generated", hours="exchange", feed_interval_s=3600, clock=lambda: now) as (_, client):
        assert await client.bars(MNQ, BarUnit.M, 1, start, end) == []
        around = await client.bars(MNQ, BarUnit.H, 1, start - timedelta(days=2), end)
        assert around, "the sessions before it have bars"
        assert all(bar.ts_open < start for bar in around)


# --- recorded days ----------------------------------------------------------------------------------------------------


def recorded(path: Path, header: str, rows: Sequence[tuple[object, ...]]) -> Path:
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n", encoding="utf-8")
    return path


async def test_bars_of_a_replayed_file_come_through_the_client_as_they_were_recorded(tmp_path: Path) -> None:
    step = Decimal("0.25")
    rows = [
        (OPEN + timedelta(minutes=n), PRICE + n, PRICE + n + 3, PRICE + n - step, PRICE + n + 1, 100 + n)
        for n in range(8)
    ]
    file = recorded(tmp_path / "MNQ_1m.csv", "time,open,high,low,close,volume", [(t.isoformat(), *r) for t, *r in rows])
    end = OPEN + timedelta(minutes=len(rows))
    async with connected(market="generated", replay_file=file, replay_speed=1000.0) as (sim, client):
        await until(lambda: sim.config.clock() > end)
        bars = await client.bars(MNQ, BarUnit.M, 1, OPEN, end)
        read = [(bar.ts_open, bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in bars]
        assert read == rows
        (folded,) = await client.bars(MNQ, BarUnit.M, 15, OPEN, end, partial=True)
    assert (folded.open, folded.high, folded.low, folded.close) == (PRICE, PRICE + 10, PRICE - step, PRICE + 8)
    assert folded.volume == sum(row[5] for row in rows)


async def test_quotes_of_a_replayed_file_tell_its_prices_in_its_order(tmp_path: Path) -> None:
    prices = [PRICE + Decimal(n * 7 % 41) / 4 for n in range(40)]  # no two alike
    ticks = [((OPEN + timedelta(seconds=n)).isoformat(), price, 1) for n, price in enumerate(prices)]
    file = recorded(tmp_path / "MNQ.csv", "time,price,volume", ticks)
    heard: list[Quote] = []
    async with (
        connected(market="generated", replay_file=file, replay_speed=50.0) as (sim, client),
        HubPool() as pool,
    ):
        feed = MarketFeed(pool, sim.market_hub_url, client.tokens, on_quote=heard.append)
        await feed.subscribe(MNQ, [Kind.QUOTES])
        await until(lambda: sim.config.clock() > OPEN + timedelta(seconds=39))
        await until(lambda: heard and heard[-1].last == prices[-1])
    lasts = [quote.last for quote in heard if quote.last is not None]
    places = [prices.index(last) for last in lasts]  # raises for a price that was made up
    assert places == sorted(places)
    assert len(set(places)) >= 5, "a busy machine may leave some out"


# --- what the venue leaves open, and accounts of their own kind -------------------------------------------------------


@pytest.mark.parametrize("resize_legs", [True, False])
async def test_a_leg_is_resized_where_the_venue_allows_it_and_stays_as_it_is_where_not(resize_legs: bool) -> None:
    """Reference 3.7 knows neither, so both must be understood."""
    async with connected(resize_legs=resize_legs) as (sim, client):
        await client.place(market(qty=3, stop_ticks=40, target_ticks=80))
        stop = await _leg(client, "dsk-1-SL")
        if resize_legs:
            await client.modify(ACCOUNT, stop.gateway_order_id, qty=2)
        else:
            with pytest.raises(Refused, match="Order size cannot be changed for bracket orders") as caught:
                await client.modify(ACCOUNT, stop.gateway_order_id, qty=2, stop_price=stop.stop_price)
            assert caught.value.code == 3
        after = await _leg(client, "dsk-1-SL")
        assert (after.qty, after.stop_price) == (2 if resize_legs else 3, stop.stop_price)
        assert ((await _leg(client, "dsk-1-TP")).qty, count(sim, MODIFY)) == (3, 1)


async def test_a_partly_filled_order_shows_what_is_done_and_what_still_works() -> None:
    """Reference 3.7: it stays open while its volume grows; every part is a fill of its own."""
    async with connected(partial_fills=2) as (sim, client):
        before = datetime.now(UTC) - timedelta(seconds=1)
        order_id = await client.place(limit("dsk-1", PRICE - 10, qty=3, stop_ticks=40))
        sim.set_price(MNQ, PRICE - Decimal("10.25"))

        async def seen() -> tuple[OrderStatus, int, Decimal | None, list[int]]:
            (entry,) = [row for row in await client.orders_since(ACCOUNT, before) if row.tag == "dsk-1"]
            fills = await client.fills_since(ACCOUNT, before)
            assert {(fill.gateway_order_id, fill.side) for fill in fills} == {(order_id, Side.BUY)}
            return entry.status, entry.filled_qty, entry.filled_price, [fill.qty for fill in fills]

        assert await seen() == (OrderStatus.OPEN, 2, PRICE - 10, [2])
        working = {row.tag: (row.qty, row.filled_qty) for row in await client.working_orders(ACCOUNT)}
        assert working == {"dsk-1": (3, 2), "dsk-1-SL": (2, 0)}
        assert [position.qty for position in await client.positions(ACCOUNT)] == [2]
        sim.set_price(MNQ, PRICE - Decimal("10.5"))
        assert await seen() == (OrderStatus.FILLED, 3, PRICE - 10, [2, 1])
        assert (await _leg(client, "dsk-1-SL")).qty == 3


async def test_brackets_on_an_account_with_position_brackets_are_refused_by_name(
    sim: SimServer, client: GatewayClient
) -> None:
    """Reference 3.6 and 3.14; without brackets the account takes the order."""
    words = r"Brackets cannot be used with Position Brackets\. You must enable Auto OCO Brackets\."
    with pytest.raises(Refused, match=words) as caught:
        await client.place(replace(market(stop_ticks=40), account_id=POSITION_BRACKETS))
    assert (caught.value.code, caught.value.gateway_order_id is not None) == (2, True)
    assert await client.positions(POSITION_BRACKETS) == []
    await client.place(replace(market(tag="dsk-2"), account_id=POSITION_BRACKETS))
    assert len(await client.positions(POSITION_BRACKETS)) == 1


async def test_a_follower_account_neither_cancels_nor_places(sim: SimServer, client: GatewayClient) -> None:
    """Reference 3.8: a copy of another account; that one is to be asked."""
    with pytest.raises(Refused, match="Follower accounts cannot cancel orders") as caught:
        await client.cancel(FOLLOWER, GatewayOrderId(7))
    assert (caught.value.code, caught.value.endpoint) == (6, CANCEL)
    with pytest.raises(Refused, match="AccountRejected") as caught:
        await client.place(replace(market(), account_id=FOLLOWER))
    assert caught.value.code == 10
    assert (count(sim, CANCEL), count(sim, PLACE)) == (1, 1)


async def _leg(client: GatewayClient, tag: str) -> VenueOrder:
    (row,) = [row for row in await client.working_orders(ACCOUNT) if row.tag == tag]
    return row
