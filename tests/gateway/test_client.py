"""The REST client against the simulated gateway: conversions, and what each kind of trouble becomes."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import traceback
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from desk.core.errors import (
    AuthFailed,
    GatewayError,
    OutcomeUnknown,
    RateLimited,
    Refused,
    Unavailable,
)
from desk.core.ids import AccountId, ContractId, GatewayOrderId
from desk.core.secret import Secret
from desk.core.timeframe import BarUnit
from desk.core.words import OrderStatus, OrderType, Side
from desk.gateway import GatewayClient, GatewayConfig, PacingConfig, ReadOnlyGateway, RequestDone
from desk.sim import SimConfig, SimServer

from .conftest import ACCOUNT, MNQ, PRICE, Sleeper, config_of, count, market, until

PLACE, CANCEL, CLOSE = "/api/Order/place", "/api/Order/cancel", "/api/Position/closeContract"
LOGIN, ACCOUNTS, BARS = "/api/Auth/loginKey", "/api/Account/search", "/api/History/retrieveBars"

Write = Callable[[GatewayClient], Awaitable[Any]]
WRITES: dict[str, Write] = {
    PLACE: lambda c: c.place(market()),
    CANCEL: lambda c: c.cancel(ACCOUNT, GatewayOrderId(7)),
    "/api/Order/modify": lambda c: c.modify(ACCOUNT, GatewayOrderId(7), stop_price=PRICE),
    CLOSE: lambda c: c.close_position(ACCOUNT, MNQ),
    "/api/Position/partialCloseContract": lambda c: c.close_partially(ACCOUNT, MNQ, 1),
}


async def test_accounts_and_contracts_arrive_as_core_words(client: GatewayClient) -> None:
    account = (await client.accounts())[0]
    assert (account.account_id, account.balance) == (ACCOUNT, Decimal(50000))
    mnq = next(one for one in await client.contracts() if one.contract_id == MNQ)
    assert (mnq.tick_size, mnq.tick_value, mnq.is_active) == (Decimal("0.25"), Decimal("0.5"), True)
    assert mnq == await client.contract(MNQ)
    assert mnq in await client.search_contracts("MNQ")
    assert await client.contract(ContractId("CON.F.US.NONE.Z26")) is None
    assert await client.ping()


async def test_bars_come_oldest_first_and_once(client: GatewayClient) -> None:
    end = datetime.now(UTC)
    bars = await client.bars(MNQ, BarUnit.M, 5, end - timedelta(hours=6), end, limit=20)
    times = [bar.ts_open for bar in bars]
    assert len(bars) == 20
    assert times == sorted(set(times))
    assert all(bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high for bar in bars)


@pytest.mark.parametrize("side", list(Side))
async def test_a_bracketed_entry_is_filled_protected_and_readable(client: GatewayClient, side: Side) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    order_id = await client.place(market(side, qty=2, stop_ticks=40, target_ticks=80))
    await asyncio.sleep(0)  # the venue fills at once
    (position,) = await client.positions(ACCOUNT)
    legs = {leg.type: leg for leg in await client.working_orders(ACCOUNT)}
    entry = await client.order(ACCOUNT, order_id)
    assert entry is not None
    assert entry.filled_price is not None
    assert (entry.status, position.qty, position.avg_price) == (OrderStatus.FILLED, 2 * side.sign, entry.filled_price)
    assert legs[OrderType.STOP].stop_price == entry.filled_price - side.sign * 10
    assert legs[OrderType.LIMIT].limit_price == entry.filled_price + side.sign * 20
    assert {leg.parent_id for leg in legs.values()} == {order_id}
    assert {leg.tag for leg in legs.values()} == {"dsk-1-SL", "dsk-1-TP"}
    (fill,) = await client.fills_since(ACCOUNT, before)
    assert (fill.gateway_order_id, fill.side, fill.qty, fill.gross_pnl) == (order_id, side, 2, None)
    assert {row.gateway_order_id for row in await client.orders_since(ACCOUNT, before)} >= {order_id}
    assert await client.order(ACCOUNT, GatewayOrderId(7)) is None


async def test_a_leg_is_moved_and_a_position_closed(client: GatewayClient) -> None:
    await client.place(market(stop_ticks=40, target_ticks=80))
    stop = next(leg for leg in await client.working_orders(ACCOUNT) if leg.type is OrderType.STOP)
    assert stop.stop_price is not None
    await client.modify(ACCOUNT, stop.gateway_order_id, stop_price=stop.stop_price + 5)
    moved = await client.order(ACCOUNT, stop.gateway_order_id)
    assert moved is not None
    assert moved.stop_price == stop.stop_price + 5
    for leg in await client.working_orders(ACCOUNT):
        await client.cancel(ACCOUNT, leg.gateway_order_id)
    await client.close_position(ACCOUNT, MNQ)
    assert (await client.positions(ACCOUNT), await client.working_orders(ACCOUNT)) == ([], [])


# --- writes: exactly once, or nobody knows ---------------------------------------------------------------------------


@pytest.mark.parametrize("is_fresh_connection", [True, False])
async def test_a_lost_reply_is_an_unknown_outcome_and_never_a_second_order(
    sim: SimServer, client: GatewayClient, is_fresh_connection: bool
) -> None:
    if is_fresh_connection:
        sim.faults.next(ACCOUNTS, times=1).drops_before_execution()  # the kept connection dies
        await client.accounts()
    sim.faults.next(PLACE).drops_after_execution()
    with pytest.raises(OutcomeUnknown) as caught:
        await client.place(market())
    assert caught.value.client_order_id == "dsk-1"
    assert [order.custom_tag for order in sim.orders] == ["dsk-1"]
    assert count(sim, PLACE) == 1


async def test_a_kept_connection_that_died_meanwhile_never_doubles_a_write() -> None:
    """The gateway restarts under idle connections. Whatever becomes of the write, it arrives at most once."""
    async with AsyncExitStack() as stack:
        async with SimServer(SimConfig(market="manual")) as first:
            client = await stack.enter_async_context(GatewayClient(config_of(first)))
            await client.login()
            await asyncio.gather(*(client.positions(ACCOUNT) for _ in range(3)))
        second = await stack.enter_async_context(SimServer(SimConfig(market="manual", port=first.port)))
        try:
            await client.place(market())
        except OutcomeUnknown:
            pass
        else:
            assert len(second.orders) == 1
        assert count(second, PLACE) <= 1


@pytest.mark.parametrize("path", list(WRITES))
@pytest.mark.parametrize("fault", ["drop_before", "drop_after", "refuse_503", "refuse_401", "hang"])
async def test_whatever_happens_to_a_write_it_is_sent_once(sim: SimServer, path: str, fault: str) -> None:
    async with GatewayClient(config_of(sim, timeout_s=0.3)) as client:
        await client.login()
        planned = sim.faults.next(path, times=3)
        {
            "drop_before": planned.drops_before_execution,
            "drop_after": planned.drops_after_execution,
            "refuse_503": lambda: planned.refuses(503),
            "refuse_401": lambda: planned.refuses(401),
            "hang": planned.hangs,
        }[fault]()
        with pytest.raises(OutcomeUnknown):
            await WRITES[path](client)
    assert count(sim, path) == 1


AMBIGUOUS = {PLACE: {6, 7}, CANCEL: {4, 5}, "/api/Order/modify": {4, 5}, CLOSE: {6, 7}}
AMBIGUOUS["/api/Position/partialCloseContract"] = {7, 8}
LISTED = {PLACE: 10, CANCEL: 6, "/api/Order/modify": 7, CLOSE: 8, "/api/Position/partialCloseContract": 9}


@pytest.mark.parametrize("path", list(WRITES))
async def test_error_numbers_are_definite_or_ambiguous_as_the_matrix_says(
    sim: SimServer, client: GatewayClient, path: str
) -> None:
    """Reference 3.13; every unlisted number is ambiguous, too."""
    for code in (*range(1, LISTED[path] + 2), 99):
        sim.faults.next(path).rejects(code, "because")
        is_definite = code <= LISTED[path] and code not in AMBIGUOUS[path]
        with pytest.raises(Refused if is_definite else OutcomeUnknown, match="because") as caught:
            await WRITES[path](client)
        assert caught.value.code == code


async def test_a_refused_place_carries_the_reason_and_the_id_of_the_dead_order(client: GatewayClient) -> None:
    first = await client.place(market())
    with pytest.raises(Refused, match="tag is already in use") as caught:
        await client.place(market())
    assert caught.value.code == 2
    assert caught.value.gateway_order_id is not None
    assert caught.value.gateway_order_id > first


async def test_in_shadow_no_write_ever_leaves(sim: SimServer) -> None:
    async with GatewayClient(config_of(sim, read_only=True)) as client:
        await client.login()
        for write in WRITES.values():
            with pytest.raises(ReadOnlyGateway):
                await write(client)
        await client.positions(ACCOUNT)
    assert {row.path for row in sim.requests} == {LOGIN, "/api/Position/searchOpen"}


async def test_with_nobody_listening_a_write_was_surely_not_sent_and_costs_no_budget() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        config = GatewayConfig(url, url + "/hubs/user", url + "/hubs/market", "paper", Secret("paper"), timeout_s=0.3)
        async with GatewayClient(config) as client:
            with pytest.raises(Unavailable, match="no connection"):
                await client.place(market())
            assert client.limiter.pacer.used(0) == (0, 0)
            assert not await client.ping()


# --- reads: again, inside a budget -----------------------------------------------------------------------------------


async def test_a_read_is_repeated_until_it_answers(sim: SimServer, client: GatewayClient) -> None:
    sim.faults.next(ACCOUNTS).drops_before_execution()
    sim.faults.next(ACCOUNTS).drops_after_execution()
    sim.faults.next(ACCOUNTS).refuses(503)
    assert len(await client.accounts()) == 4
    assert count(sim, ACCOUNTS) == 4


@pytest.mark.parametrize("status", [500, 404])
async def test_a_read_gives_up_when_its_budget_is_used_up(sim: SimServer, status: int) -> None:
    async with GatewayClient(config_of(sim, timeout_s=0.4)) as client:
        await client.login()
        sim.faults.next(ACCOUNTS, times=100).refuses(status)
        with pytest.raises(Unavailable) as caught:
            await client.accounts()
    assert (caught.value.status, caught.value.endpoint) == (status, ACCOUNTS)


async def test_a_hanging_read_is_asked_again_at_half_of_its_budget(sim: SimServer) -> None:
    async with GatewayClient(config_of(sim, timeout_s=0.8)) as client:
        await client.login()
        sim.faults.next(ACCOUNTS).hangs()
        assert await client.accounts()


async def test_identical_reads_in_flight_are_one_request_and_state_reads_are_not(
    sim: SimServer, client: GatewayClient
) -> None:
    sim.faults.set_latency({"contracts": 50})
    answers = await asyncio.gather(*(client.contracts() for _ in range(10)))
    assert all(answer == answers[0] for answer in answers)
    assert count(sim, "/api/Contract/available") == 1
    await asyncio.gather(*(client.positions(ACCOUNT) for _ in range(3)))
    assert count(sim, "/api/Position/searchOpen") == 3


async def test_an_unknown_account_is_a_refusal(client: GatewayClient) -> None:
    with pytest.raises(Refused, match="AccountNotFound"):
        await client.positions(AccountId(1))


# --- the token --------------------------------------------------------------------------------------------------------


async def test_a_wrong_key_is_final_and_not_asked_about_again(sim: SimServer) -> None:
    async with GatewayClient(config_of(sim, api_key=Secret("wrong-key"))) as client:
        for _ in range(3):
            with pytest.raises(AuthFailed, match="wrong user name or API key") as caught:
                await client.accounts()
            assert caught.value.fatal
        assert count(sim, LOGIN) == 1
        with pytest.raises(AuthFailed):
            await client.login()
        assert count(sim, LOGIN) == 2, "asked on purpose"


async def test_ten_reads_with_a_dead_token_cost_one_login(sim: SimServer, client: GatewayClient) -> None:
    sim.expire_tokens()
    rows = await asyncio.gather(*(client.positions(ACCOUNT) for _ in range(10)))
    assert rows == [[]] * 10
    assert count(sim, LOGIN) == 2


async def test_a_write_with_a_dead_token_is_not_repeated_and_the_next_one_logs_in_first(
    sim: SimServer, client: GatewayClient
) -> None:
    sim.expire_tokens()
    with pytest.raises(OutcomeUnknown, match="token refused"):
        await client.place(market())
    assert (sim.orders, count(sim, PLACE)) == ([], 1)
    await client.place(market())
    assert (len(sim.orders), count(sim, LOGIN)) == (1, 2)


async def test_the_token_is_refreshed_at_half_of_its_life() -> None:
    async with (
        SimServer(SimConfig(market="manual", token_lifetime_s=0.6)) as sim,
        GatewayClient(config_of(sim)) as client,
    ):
        await client.login()
        first = client.token
        keeper = asyncio.create_task(client.keep_token_fresh(), name="token-keeper")
        await until(lambda: count(sim, "/api/Auth/validate") >= 3)
        keeper.cancel()
        await asyncio.wait([keeper])
        await client.accounts()
        assert client.token != first
        assert count(sim, LOGIN) == 1


async def test_refreshing_a_dead_token_is_one_login_and_no_storm(sim: SimServer, client: GatewayClient) -> None:
    sim.expire_tokens()
    await client.tokens.refresh()
    assert (count(sim, "/api/Auth/validate"), count(sim, LOGIN)) == (1, 2)
    await client.accounts()
    assert count(sim, LOGIN) == 2


async def test_a_failed_login_is_shared_by_those_who_waited_for_it(sim: SimServer) -> None:
    async with GatewayClient(config_of(sim, api_key=Secret("wrong-key"))) as client:
        results = await asyncio.gather(*(client.positions(ACCOUNT) for _ in range(5)), return_exceptions=True)
    assert {type(result) for result in results} == {AuthFailed}
    assert count(sim, LOGIN) == 1


async def test_neither_key_nor_token_shows_in_errors_logs_or_reprs(
    sim: SimServer, client: GatewayClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    token = client.token.reveal()
    seen: list[str] = [repr(client), repr(client.config), repr(client.tokens), str(client.token), repr(vars(client))]
    for plan in (lambda f: f.refuses(503), lambda f: f.drops_after_execution(), lambda f: f.rejects(2, "no")):
        plan(sim.faults.next(PLACE))
        with pytest.raises(GatewayError) as caught:
            await client.place(market())
        seen += [repr(caught.value), "".join(traceback.format_exception(caught.value)), repr(vars(caught.value))]
    seen += [record.getMessage() for record in caplog.records]
    assert not [text for text in seen if token in text or re.search(r"Bearer \w", text)]


# --- pacing -----------------------------------------------------------------------------------------------------------


async def test_a_storm_of_reads_never_meets_a_429_of_its_own() -> None:
    limits = SimConfig(market="manual", general_limit=(12, 0.4), history_limit=(4, 0.4))
    pacing = PacingConfig(
        general_limit=12,
        general_window_s=0.4,
        history_limit=4,
        history_window_s=0.4,
        exit_reserve=3,
        write_reserve=1,
        place_reserve=2,
    )
    async with SimServer(limits) as sim, GatewayClient(config_of(sim, pacing=pacing)) as client:
        await client.login()
        end = datetime.now(UTC)
        starts = [end - timedelta(minutes=10 + number) for number in range(9)]
        async with asyncio.TaskGroup() as group:
            for start in starts:
                group.create_task(client.bars(MNQ, BarUnit.M, 1, start, end, 5))
            for _ in range(20):
                group.create_task(client.positions(ACCOUNT))
        assert {row.status for row in sim.requests} == {200}


async def test_a_429_pauses_reads_and_entries_while_exits_go_on(sim: SimServer, client: GatewayClient) -> None:
    await client.place(market())
    sim.faults.next("/api/Position/searchOpen").refuses(429, retry_after_s=40)
    with pytest.raises(RateLimited) as caught:
        await client.positions(ACCOUNT)
    assert caught.value.retry_after_s == 40
    with pytest.raises(RateLimited, match="not sent"):
        await client.place(market(tag="dsk-2"))
    assert len(await client.positions(ACCOUNT, urgent=True)) == 1
    await client.close_position(ACCOUNT, MNQ)
    assert await client.positions(ACCOUNT, urgent=True) == []
    assert count(sim, PLACE) == 1


async def test_a_429_without_a_header_waits_as_the_reference_says(sim: SimServer, client: GatewayClient) -> None:
    sim.faults.next(PLACE).refuses(429)
    with pytest.raises(RateLimited) as caught:
        await client.place(market())
    assert (caught.value.retry_after_s, caught.value.client_order_id) == (60, "dsk-1")


async def test_a_short_429_on_a_read_is_waited_for(sim: SimServer, client: GatewayClient) -> None:
    sim.faults.next(ACCOUNTS).refuses(429, retry_after_s=0)
    assert await client.accounts()


async def test_every_request_is_reported_with_its_times(sim: SimServer) -> None:
    done: list[RequestDone] = []
    async with GatewayClient(config_of(sim), on_request=done.append) as client:
        await client.login()
        await client.accounts()
        with pytest.raises(Refused):
            await client.cancel(ACCOUNT, GatewayOrderId(7))
    assert [(one.path, one.error) for one in done] == [(LOGIN, None), (ACCOUNTS, None), (CANCEL, "Refused")]
    assert all(0 <= one.waited_s < 1 and 0 <= one.took_s < 1 for one in done)


async def test_the_gateways_clock_is_compared_with_ours(client: GatewayClient) -> None:
    assert client.clock_offset_s is not None
    assert abs(client.clock_offset_s) <= 1


# --- after a sleep ------------------------------------------------------------------------------------------------


class Wire:
    """Between client and simulator: what goes over connections of before ``forget`` reaches nobody, and nobody says so."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._born: list[int] = []
        self.era = 0

    @property
    def opened(self) -> int:
        return len(self._born)

    def forget(self) -> None:
        self.era += 1

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        born = self.era
        self._born.append(born)
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pass(reader, there_writer, born))
                both.create_task(self._pass(there_reader, writer, born))
        finally:
            for end in (writer, there_writer):
                end.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, born: int) -> None:
        while data := await reader.read(65536):
            if born == self.era:
                writer.write(data)
        writer.close()


@pytest.mark.parametrize(("slept_s", "opened"), [(20.0, 1), (3600.0, 2)])
async def test_after_a_sleep_no_request_goes_over_a_connection_of_before(
    sim: SimServer, slept_s: float, opened: int
) -> None:
    """Cause: monotonic time had stood still, and the pool took what the gateway had long forgotten for young: the first flatten
    of the morning waited for its whole time, and its outcome was unknown."""
    wire, clock = Wire(int(sim.url.rsplit(":", 1)[1])), Sleeper()
    async with await asyncio.start_server(wire.carry, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with GatewayClient(replace(config_of(sim), api_url=url), clock) as client:
            await client.login()
            if opened > 1:
                wire.forget()
            clock.slept_s = slept_s
            sim.set_price(MNQ, PRICE)
            await client.place(market())
            await client.close_position(ACCOUNT, MNQ)
            assert wire.opened == opened
