"""The watchdog on data: when a lack of quotes is a fault, and that a stale hub is rebuilt (reference 5.5, 6)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from desk.core.ids import ContractId
from desk.gateway import GatewayClient, HubPool, Kind, MarketFeed, SilenceConfig
from desk.gateway.silence import Silence
from desk.sim import SimServer

from .conftest import MNQ, until
from .test_hub import QUICK, Log

NOW = datetime(2026, 11, 18, 15, tzinfo=UTC)
CORN = ContractId("CON.F.US.ZCE.Z26")


def reasons(silence: Silence, seconds: range, *, is_expected: bool = True) -> list[tuple[int, str]]:
    """What a look in each of these seconds says."""
    return [(at, why) for at in seconds if (why := silence.check(at, NOW, is_expected=is_expected))]


def test_twenty_seconds_without_a_quote_are_silence() -> None:
    silence = Silence(SilenceConfig())
    assert reasons(silence, range(20)) == []
    assert reasons(silence, range(20, 30)) == [(20, "silent: no quote for 20 s")]


def test_a_quote_starts_the_count_anew() -> None:
    silence = Silence(SilenceConfig())
    assert reasons(silence, range(19)) == []
    silence.heard = True
    assert [at for at, _ in reasons(silence, range(19, 60))] == [39]


def test_silence_is_no_fault_while_the_market_is_closed_or_nobody_asked() -> None:
    is_open = False
    silence = Silence(SilenceConfig(is_open=lambda _: is_open))
    assert reasons(silence, range(100)) == []
    is_open = True
    assert reasons(silence, range(100, 119)) == []
    assert reasons(silence, range(119, 139), is_expected=False) == []
    assert [at for at, _ in reasons(silence, range(139, 160))] == [159], "counted from where quotes are expected again"


def test_each_rebuilding_that_brought_nothing_doubles_the_patience_and_a_quote_restores_it() -> None:
    silence = Silence(SilenceConfig(after_s=20, longest_s=100))
    assert [why.split()[-2] for _, why in reasons(silence, range(500))] == ["20", "40", "80", "100", "100", "100"]
    silence.heard = True
    assert [why.split()[-2] for _, why in reasons(silence, range(500, 525))] == ["20"]


def test_the_watchdog_can_be_switched_off() -> None:
    assert reasons(Silence(SilenceConfig(after_s=0)), range(1000)) == []


async def test_a_stale_hub_with_pings_only_is_rebuilt_and_serves_again(sim: SimServer, client: GatewayClient) -> None:
    log, timings = Log(), replace(QUICK, look_every_s=0.01)
    async with HubPool(timings=timings) as pool:
        quiet = SilenceConfig(after_s=0.2, longest_s=0.2)
        feed = MarketFeed(pool, sim.market_hub_url, client.tokens, watch=log.watch, silence=quiet)
        await feed.subscribe(MNQ)
        await until(lambda: feed.quote(MNQ))
        assert sim.connections_opened("market") == 1, "quotes flow"
        sim.faults.silence_hub("market")
        await until(lambda: log.ups == 2)
        assert log.lines[1] == "lost: silent: no quote for 0.2 s"
        assert feed.quote(MNQ) is None, "what was known is stale"
        sim.faults.silence_hub("market", False)
        await until(lambda: feed.quote(MNQ))
        assert {("quote", MNQ), ("trade", MNQ)} == sim.connections("market")[0].subscriptions


async def test_a_hub_of_which_no_quotes_are_expected_may_be_silent(sim: SimServer, client: GatewayClient) -> None:
    sim.faults.silence_hub("market")
    looks = 0

    def is_open(_: datetime) -> bool:
        nonlocal looks
        looks += 1
        return True

    async with HubPool(timings=replace(QUICK, look_every_s=0.01)) as pool:
        quiet = SilenceConfig(after_s=0.02, is_open=is_open)
        feed = MarketFeed(pool, sim.market_hub_url, client.tokens, silence=quiet)
        await feed.subscribe(MNQ, [Kind.TRADES])
        await feed.subscribe(CORN, [Kind.QUOTES])
        await feed.settled()
        await feed.unsubscribe(CORN, [Kind.QUOTES])
        await until(lambda: sim.connections("market")[0].subscriptions == {("trade", MNQ)})
        assert looks == 0, "the market's hours do not matter then"
        assert sim.connections_opened("market") == 1
