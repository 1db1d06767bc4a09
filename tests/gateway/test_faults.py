"""Every fault the simulator offers, and the one error class or outcome the client makes of it. A new kind fails here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, get_args

import pytest

from desk.core.errors import AuthFailed, DeskError, OutcomeUnknown, RateLimited, Refused, Unavailable
from desk.core.ids import GatewayOrderId
from desk.core.timeframe import BarUnit
from desk.core.words import OrderStatus, VenueOrder
from desk.gateway import GatewayClient, HubPool, HubTimings, MarketFeed, PacingConfig, SilenceConfig, UserFeed
from desk.sim import SimConfig, SimServer
from desk.sim.faults import EVENT_KINDS, HUB_KINDS, KINDS, EventFault, Fault, How, HubFault, Kind, WhenExpired

from .conftest import ACCOUNT, MNQ, PRICE, config_of, count, market, until
from .test_hub import QUICK, Log

HOUR = timedelta(hours=1)
Call = Callable[[GatewayClient], Awaitable[Any]]
READS: dict[str, Call] = {
    "/api/Account/search": lambda c: c.accounts(),
    "/api/Contract/available": lambda c: c.contracts(),
    "/api/Contract/search": lambda c: c.search_contracts("MNQ"),
    "/api/Contract/searchById": lambda c: c.contract(MNQ),
    "/api/History/retrieveBars": lambda c: c.bars(MNQ, BarUnit.M, 1, datetime.now(UTC) - HOUR, datetime.now(UTC), 5),
    "/api/Position/searchOpen": lambda c: c.positions(ACCOUNT),
    "/api/Order/v2/query": lambda c: c.working_orders(ACCOUNT),
    "/api/Order/searchOpen": lambda c: c.open_orders(ACCOUNT),
    "/api/Order/search": lambda c: c.orders_since(ACCOUNT, datetime.now(UTC) - HOUR),
    "/api/Order/searchById": lambda c: c.order(ACCOUNT, GatewayOrderId(7)),
    "/api/Trade/search": lambda c: c.fills_since(ACCOUNT, datetime.now(UTC) - HOUR),
}
WRITES: dict[str, Call] = {
    "/api/Order/place": lambda c: c.place(market()),
    "/api/Order/cancel": lambda c: c.cancel(ACCOUNT, GatewayOrderId(7)),
    "/api/Order/modify": lambda c: c.modify(ACCOUNT, GatewayOrderId(7), stop_price=PRICE),
    "/api/Position/closeContract": lambda c: c.close_position(ACCOUNT, MNQ),
    "/api/Position/partialCloseContract": lambda c: c.close_partially(ACCOUNT, MNQ, 1),
    "/api/Auth/logout": lambda c: c.logout(),
}
Outcome = type[DeskError] | None  # None: it works

# kind, details, what becomes of a read that meets it every time, of a read that meets it once, of a write
REST: list[tuple[Kind, dict[str, Any], Outcome, Outcome, Outcome]] = [
    ("drop_before", {}, Unavailable, None, OutcomeUnknown),
    ("drop_after", {}, Unavailable, None, OutcomeUnknown),
    ("refuse", {"status": 500}, Unavailable, None, OutcomeUnknown),
    ("refuse", {"status": 503}, Unavailable, None, OutcomeUnknown),
    ("refuse", {"status": 401}, AuthFailed, None, OutcomeUnknown),
    ("refuse", {"status": 429, "retry_after_s": 30}, RateLimited, RateLimited, RateLimited),
    ("refuse", {"status": 400}, Refused, Refused, Refused),
    ("refuse", {"status": 404}, Unavailable, None, Unavailable),
    ("refuse_after", {"status": 502}, Unavailable, None, OutcomeUnknown),
    ("reject", {"code": 1, "message": "no"}, Refused, Refused, Refused),
    ("reject", {"code": 99, "message": "new"}, Refused, Refused, OutcomeUnknown),
    ("hang", {}, Unavailable, None, OutcomeUnknown),
    ("delay", {"ms": 1_500}, Unavailable, None, OutcomeUnknown),
    ("delay_after", {"ms": 1_500}, Unavailable, None, OutcomeUnknown),
    ("delay", {"ms": 20}, None, None, None),
    ("delay_after", {"ms": 20}, None, None, None),
]


def test_every_kind_of_trouble_for_calls_has_its_row() -> None:
    assert {row[0] for row in REST} == set(KINDS)


async def outcome(call: Call, client: GatewayClient) -> Outcome:
    try:
        await call(client)
    except Unavailable:  # a kind of it says that nothing was sent
        return Unavailable
    except DeskError as exc:
        return type(exc)
    return None


def row_name(row: Any) -> str:
    return " ".join([row[0], *map(str, row[1].values())])


@pytest.mark.parametrize("row", REST, ids=row_name)
async def test_what_becomes_of_each_operation(
    row: tuple[Kind, dict[str, Any], Outcome, Outcome, Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All operations at the same time, each with a client of its own: one's pause after a 429 is not another's."""
    kind, details, always, once, write = row
    monkeypatch.setattr("desk.gateway.client._HISTORY_WAIT_S", 0.5)  # else history is patient for two minutes

    async def meets(sim: SimServer, path: str, call: Call, times: int | None, expected: Outcome) -> Outcome:
        waits_for_nothing = expected in (Unavailable, OutcomeUnknown)
        async with GatewayClient(config_of(sim, timeout_s=1.0 if waits_for_nothing else 2.5)) as client:
            async with one_by_one:
                await client.login()
            sim.faults.add(path, Fault(kind, times=times, **details))
            asked = count(sim, path)
            result = await outcome(call, client)
            if path in WRITES:
                assert count(sim, path) == asked + 1, "a write is sent once"
            return result

    one_by_one = asyncio.Lock()  # a crowd of new connections is not what is looked at here
    works = {"/api/Contract/searchById": None, "/api/Order/searchById": None}  # code 1 is an answer: there is none
    async with SimServer(SimConfig(market="manual", rate_limits=False)) as sim:
        sim.set_price(MNQ, PRICE)
        results = await asyncio.gather(*(meets(sim, path, call, None, always) for path, call in READS.items()))
        expected = {path: works.get(path, always) if details.get("code") == 1 else always for path in READS}
        if kind == "reject" and details["code"] == 1:  # accounts and contracts have no numbers of their own
            expected |= works
        assert dict(zip(READS, results, strict=True)) == expected
        sim.faults.clear()
        results = await asyncio.gather(*(meets(sim, path, call, 1, once) for path, call in READS.items()))
        expected = {path: works.get(path, once) if details.get("code") == 1 else once for path in READS}
        assert dict(zip(READS, results, strict=True)) == expected
        sim.faults.clear()
        results = await asyncio.gather(*(meets(sim, path, call, 1, write) for path, call in WRITES.items()))
        if write is not None:
            assert dict(zip(WRITES, results, strict=True)) == dict.fromkeys(WRITES, write)
        else:  # it came through: refused for what it asked, or done
            assert {one for one in results if one is not None} <= {Refused}


# --- the user hub's events --------------------------------------------------------------------------------------------

# what the feed hears of a filled bracketed entry's orders, of order statuses: at least, and how often each at most
EVENTS: dict[str, tuple[EventFault, int]] = {
    "lose": (EventFault("lose", times=None), 0),
    "duplicate": (EventFault("duplicate", times=None), 2),
    "delay": (EventFault("delay", times=None, ms=60), 1),
    "reorder": (EventFault("reorder", times=None, ms=20), 1),
    "reject_stop": (EventFault("reject_stop"), 1),
}


def test_every_kind_of_trouble_for_events_has_its_row() -> None:
    assert set(EVENTS) == set(EVENT_KINDS)


@pytest.mark.parametrize("kind", list(EVENTS))
async def test_whatever_happens_to_user_events_the_reads_tell_the_truth(
    sim: SimServer, client: GatewayClient, kind: str
) -> None:
    fault, times = EVENTS[kind]
    heard: list[VenueOrder] = []
    log = Log()
    async with HubPool(timings=QUICK) as pool:
        feed = UserFeed(pool, sim.user_hub_url, client.tokens, [ACCOUNT], on_order=heard.append, watch=log.watch)
        await feed.settled()
        sim.faults.event_faults.append(replace(fault))
        order_id = await client.place(market(stop_ticks=40, target_ticks=80))
        filled = [
            one for one in heard if one.gateway_order_id == order_id and one.status is OrderStatus.FILLED
        ]  # what was heard before anything else was waited for
        await until(
            lambda: [o.status for o in heard if o.gateway_order_id == order_id].count(OrderStatus.FILLED) >= times
        )
        entry = await client.order(ACCOUNT, order_id)
        assert entry is not None
        assert entry.status is OrderStatus.FILLED
        assert (await client.positions(ACCOUNT))[0].qty == 1
        working = {leg.tag for leg in await client.working_orders(ACCOUNT)}
        if kind == "reject_stop":
            await until(lambda: any(one.tag == "dsk-1-SL" and one.status is OrderStatus.REJECTED for one in heard))
            working = {leg.tag for leg in await client.working_orders(ACCOUNT)}
            assert "dsk-1-SL" not in working
        else:
            assert working == {"dsk-1-SL", "dsk-1-TP"}
        if kind == "lose":
            assert heard == filled == []
        assert (log.bad, log.ups) == ([], 1)
        assert any(kind in str(row["fault"]) for row in sim.faults.happened), "every fault names itself"


# --- the hubs ---------------------------------------------------------------------------------------------------------

HUBS: dict[str, tuple[str, ...]] = {
    "drop abort": ("lost: ConnectionClosedError",),
    "drop close": ("lost: closed by the server",),
    "drop logout": ("lost: GatewayLogout",),
    "silence": ("lost: silent: no quote for 0.2 s",),
    "refuse": ("waiting: HTTP 503 at the upgrade",),
}


def test_every_kind_of_trouble_for_hubs_has_its_row() -> None:
    assert {row.partition(" ")[0] for row in HUBS} == set(HUB_KINDS)
    assert {row.partition(" ")[2] for row in HUBS if row.startswith("drop")} == set(get_args(How))


@pytest.mark.parametrize("row", list(HUBS))
async def test_every_trouble_of_a_hub_ends_in_a_connection_that_serves(
    sim: SimServer, client: GatewayClient, row: str
) -> None:
    kind, _, how = row.partition(" ")
    log, timings = Log(), replace(QUICK, look_every_s=0.01)
    quiet = SilenceConfig(after_s=0.2, longest_s=0.2)
    planned = HubFault(kind, "market", times=1, every_s=0.001, how=how or "abort", for_s=0.4)  # type: ignore[arg-type]
    async with HubPool(timings=timings) as pool:
        feed = MarketFeed(pool, sim.market_hub_url, client.tokens, watch=log.watch, silence=quiet)
        await feed.subscribe(MNQ)
        await until(lambda: feed.quote(MNQ))
        sim.faults.hub_faults.append(planned)
        if kind == "refuse":
            await sim.drop_hubs("market")
        await until(lambda: log.ups >= 2)
        for begins in HUBS[row]:
            assert any(line.startswith(begins) for line in log.lines), log.lines
        await until(lambda: feed.quote(MNQ))
        await feed.settled()
        assert [one.subscriptions for one in sim.connections("market")] == [{("quote", MNQ), ("trade", MNQ)}]


@pytest.mark.parametrize("when", get_args(WhenExpired))
async def test_a_token_that_ends_leaves_a_serving_hub_and_a_working_client(when: WhenExpired) -> None:
    """Reference 2.3: the hub lives on, dies silently, or says GatewayLogout."""
    log = Log()
    config = SimConfig(market="manual", feed_interval_s=0.02, when_expired=when)
    async with SimServer(config) as sim, GatewayClient(config_of(sim)) as client, HubPool(timings=QUICK) as pool:
        await client.login()
        feed = UserFeed(pool, sim.user_hub_url, client.tokens, [ACCOUNT], watch=log.watch)
        await feed.settled()
        sim.expire_tokens()
        if when != "ignore":
            await until(lambda: log.ups == 2)
        assert await client.positions(ACCOUNT) == []
        await feed.settled()
        assert len(sim.connections("user")[0].subscriptions) == 4
        assert count(sim, "/api/Auth/loginKey") == 2, "one new login for all"


# --- standing trouble -------------------------------------------------------------------------------------------------


async def test_a_window_smaller_than_ours_is_met_as_a_429_and_then_kept(sim: SimServer) -> None:
    sim.set_limits(general=(10, 60.0))
    async with GatewayClient(config_of(sim, timeout_s=0.5)) as client:
        results = await asyncio.gather(*(outcome(lambda c: c.positions(ACCOUNT), client) for _ in range(30)))
        assert RateLimited in results
        refused = sum(row.status == 429 for row in sim.requests)
        asked = len(sim.requests)
        assert await outcome(lambda c: c.positions(ACCOUNT), client) is RateLimited
        assert (len(sim.requests), sum(row.status == 429 for row in sim.requests)) == (asked, refused), "not sent"


async def test_hub_messages_cut_into_pieces_are_read_whole(sim: SimServer, client: GatewayClient) -> None:
    log = Log()
    async with HubPool(timings=QUICK) as pool:
        feed = MarketFeed(pool, sim.market_hub_url, client.tokens, watch=log.watch)
        await feed.subscribe(MNQ)
        await feed.settled()
        sim.cut_frames(60)
        sim.set_price(MNQ, PRICE + 3)
        await until(lambda: (quote := feed.quote(MNQ)) and quote.last == PRICE + 3)
        assert (log.lines, log.bad) == (["up"], [])


@pytest.mark.parametrize("skew_s", [-7200.0, 7200.0])
async def test_a_gateway_whose_clock_is_wrong_is_measured_and_serves(sim: SimServer, skew_s: float) -> None:
    sim.faults.skew(skew_s)
    async with GatewayClient(config_of(sim)) as client:
        await client.login()
        assert client.clock_offset_s == pytest.approx(skew_s, abs=1)
        assert client.token_expires_at is not None
        assert client.token_expires_at - datetime.now(UTC) > timedelta(hours=23), "counted on our clock"
        assert await client.accounts()


async def test_fills_in_parts_are_told_as_they_come(sim: SimServer, client: GatewayClient) -> None:
    sim.fill_in_parts(1)
    order_id = await client.place(market(qty=3))
    async with asyncio.timeout(5):
        while (row := await client.order(ACCOUNT, order_id)) and row.status is not OrderStatus.FILLED:
            sim.set_price(MNQ, PRICE + Decimal("0.25"))
            sim.set_price(MNQ, PRICE)
    fills = await client.fills_since(ACCOUNT, datetime.now(UTC) - HOUR)
    assert [fill.qty for fill in fills] == [1, 1, 1]


def test_the_pacing_default_is_the_references() -> None:
    pacing = PacingConfig()
    assert (pacing.general_limit, pacing.general_window_s) == (200, 60)
    assert (pacing.history_limit, pacing.history_window_s) == (50, 30)
    assert HubTimings().backoff_s == (0, 2, 5, 10, 30, 60)
