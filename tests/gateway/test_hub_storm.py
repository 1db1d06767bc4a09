"""What must hold however often the hubs are lost: one connection each, all subscriptions, a sound login."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from desk.core.ids import AccountId, ContractId
from desk.core.secret import Secret
from desk.gateway import FeedWatch, GatewayClient, HubPool, HubTimings, Kind, MarketFeed, UserFeed
from desk.gateway.config import SystemClock
from desk.gateway.hub import HubConnection
from desk.sim import SimConfig, SimServer

from .conftest import ACCOUNT, MNQ, config_of, until
from .test_hub import QUICK, Log, OneToken

HOWS = ("abort", "close", "logout")
SECOND = AccountId(21000002)
ROOTS = ("MNQ", "EP", "MES")
CONTRACTS = [ContractId(f"CON.F.US.{root}.Z26") for root in ROOTS]


@pytest.mark.timeout(60)
async def test_after_a_hundred_forced_drops_there_is_one_connection_per_hub_with_every_subscription() -> None:
    market_log, user_log = Log(), Log()
    timings = HubTimings(backoff_s=(0.0,), early_death_s=0.0)
    config = SimConfig(market="manual", feed_interval_s=0.25)
    async with SimServer(config) as sim, GatewayClient(config_of(sim)) as client, HubPool(timings=timings) as pool:
        await client.login()
        market = MarketFeed(pool, sim.market_hub_url, client.tokens, watch=market_log.watch)
        for contract_id in CONTRACTS:
            await market.subscribe(contract_id, list(Kind))
        user = UserFeed(pool, sim.user_hub_url, client.tokens, [ACCOUNT, SECOND], watch=user_log.watch)
        await asyncio.gather(market.settled(), user.settled())
        wanted = [sim.connections(hub)[0].subscriptions for hub in ("market", "user")]
        assert [len(each) for each in wanted] == [3 * len(CONTRACTS), 7]
        for number in range(100):
            assert await sim.drop_hubs("both", HOWS[number % 3]) == 2
            await until(lambda: market_log.ups == user_log.ups == number + 2)  # noqa: B023 - awaited here
        assert [len(sim.connections(hub)) for hub in ("market", "user")] == [1, 1]
        assert [sim.connections(hub)[0].subscriptions for hub in ("market", "user")] == wanted
        assert (pool.size, market.status.active, user.status.active) == (2, 3 * len(CONTRACTS), 7)
        for log in (market_log, user_log):
            told = [line.partition(":")[0] for line in log.lines if not line.startswith("waiting")]
            assert told == ["up", *["lost", "up"] * 100], "every loss is a gap, and is told once"
        await until(lambda: market.quote(MNQ))


async def test_logouts_that_repeat_mean_another_program_and_are_told_once_and_taken_back(
    sim: SimServer, client: GatewayClient
) -> None:
    told: list[bool] = []
    log = Log()
    watch = replace(log.watch, on_contested=told.append)
    timings = HubTimings(backoff_s=(0.0,), early_death_s=0.0, logouts_window_s=1.0, look_every_s=0.01)
    async with HubPool(timings=timings) as pool:
        feed = UserFeed(pool, sim.user_hub_url, client.tokens, [ACCOUNT], watch=watch)
        await feed.settled()
        for number in range(7):
            assert told == ([] if number <= 5 else [True]), "more than five in the window"
            await sim.drop_hubs("user", "logout")
            await until(lambda: log.ups == number + 2)  # noqa: B023 - awaited here
        assert feed.status.is_contested
        await until(lambda: told == [True, False])
        assert not feed.status.is_contested


def test_while_the_login_is_contested_reconnecting_takes_its_longest_pause() -> None:
    timings = HubTimings()
    from desk.gateway.hubhealth import HubHealth

    health = HubHealth(timings)
    for at in range(6):
        health.logged_out(at * 10.0)
    assert (health.backoff_s(51), health.backoff_s(200)) == (60.0, 0.0)


class Ageing(OneToken):
    """A token that ends in so many hours."""

    def __init__(self, hours: float | None) -> None:
        super().__init__()
        self.expires_at = None if hours is None else datetime.now(UTC) + timedelta(hours=hours)


@pytest.mark.parametrize(
    ("hours_left", "rotated_after_h"), [(24, 12), (16, 12), (12.5, 9.375), (4, 3), (1, 0.75), (None, 12), (-1, 0)]
)
async def test_a_connection_is_rotated_well_before_the_token_that_opened_it_ends(
    hours_left: float | None, rotated_after_h: float
) -> None:
    timings = HubTimings(early_death_s=0)
    connection = HubConnection("ws://127.0.0.1/hubs/user", Ageing(hours_left), SystemClock(), timings)
    assert connection._rotate_after_s() == pytest.approx(rotated_after_h * 3600, abs=5)


async def test_every_attempt_carries_the_token_of_its_moment(sim: SimServer, client: GatewayClient) -> None:
    """Reference 5.5, 2: a URL made once would carry a dead token after a day."""
    used: list[Secret] = []

    class Noting:
        name = "paper"
        expires_at = None

        async def current(self) -> Secret:
            used.append(await client.tokens.current())
            return used[-1]

        async def replace(self, rejected: Secret) -> Secret:
            return await client.tokens.replace(rejected)

        def reject(self, rejected: Secret) -> None:
            client.tokens.reject(rejected)

    log = Log()
    async with HubPool(timings=QUICK) as pool:
        UserFeed(pool, sim.user_hub_url, Noting(), [ACCOUNT], watch=log.watch)
        await until(lambda: log.ups == 1)
        sim.expire_tokens()
        await sim.drop_hubs("user")
        await until(lambda: log.ups == 2)
        assert len(set(map(Secret.reveal, used))) == len({used[0].reveal(), client.token.reveal()}) == 2
        assert used[-1] == client.token


def test_a_watch_without_callbacks_hears_everything_in_silence() -> None:
    watch = FeedWatch()
    watch.on_contested(True)
    watch.on_lost("x")
