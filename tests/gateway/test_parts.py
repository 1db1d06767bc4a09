"""The small pure parts: clock offset, token life, subscriptions, hub health, shared reads."""

import asyncio
import base64
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.core.errors import ConfigError
from desk.core.secret import Secret
from desk.gateway import GatewayConfig
from desk.gateway.auth import lifetime_s
from desk.gateway.clockoffset import ClockOffset
from desk.gateway.config import SystemClock
from desk.gateway.hubhealth import HubHealth, HubTimings
from desk.gateway.sharing import SingleFlight
from desk.gateway.subscriptions import Subscription, Subscriptions

T0 = datetime(2026, 11, 18, 15, 0, tzinfo=UTC)


@given(st.floats(-5000, 5000), st.lists(st.floats(0, 100), min_size=20, max_size=20))
def test_many_whole_second_headers_narrow_the_clock_offset(true_offset_s: float, times: list[float]) -> None:
    offset = ClockOffset()
    for at_s in times:
        sent = T0 + timedelta(seconds=at_s)
        written = sent + timedelta(seconds=true_offset_s + 0.05)
        offset.observe(
            format_datetime(written.replace(microsecond=0), usegmt=True), sent, sent + timedelta(seconds=0.1)
        )
    assert offset.offset_s == pytest.approx(true_offset_s, abs=0.56)


def test_the_desks_time_never_goes_back_when_the_computers_clock_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """A place that was flat "later" than the next entry was sent made that entry's position somebody else's, without a guard."""
    wall, clocks = SimpleNamespace(s=T0.timestamp(), up_s=50.0), (SystemClock(), SystemClock())
    monkeypatch.setattr(SystemClock, "_told", (0.0, 0.0))
    monkeypatch.setattr("desk.gateway.config.time", SimpleNamespace(time=lambda: wall.s, monotonic=lambda: wall.up_s))

    def after(seconds: float, set_by: float = 0.0) -> float:
        wall.s, wall.up_s = wall.s + seconds + set_by, wall.up_s + seconds
        told = {clock.now() for clock in clocks}
        assert len(told) == 1, "everybody in the process reads the same time"
        return (told.pop() - T0).total_seconds()

    assert after(10) == 10
    assert after(2, set_by=-8) == 11, "set back: it goes on at half its pace"
    assert after(10) == 16
    assert after(4) == 18, "until it is right again"
    assert after(1) == 19
    assert after(1, set_by=3600) == 3620, "set forward, or after a sleep: at once"


def test_a_clock_that_was_set_is_followed() -> None:
    offset = ClockOffset()
    offset.observe(format_datetime(T0, usegmt=True), T0, T0)
    offset.observe(format_datetime(T0 + timedelta(hours=1), usegmt=True), T0, T0)
    assert offset.offset_s == pytest.approx(3600.5)


@pytest.mark.parametrize("header", [None, "", "yesterday"])
def test_an_unusable_date_header_says_nothing(header: str | None) -> None:
    offset = ClockOffset()
    offset.observe(header, T0, T0)
    assert offset.offset_s is None


def jwt(claims: object) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{payload}.c2ln"


@pytest.mark.parametrize(
    ("token", "expected_s"),
    [
        (jwt({"exp": T0.timestamp() + 3600}), 3600),
        (jwt({"iat": 1000, "exp": 1600}), 600),  # of whatever clock
        (jwt({"exp": T0.timestamp() - 3600}), 86400),  # our clock is wrong, not the new token
        (jwt({}), 86400),
        (jwt([1]), 86400),
        ("opaque", 86400),
        ("a.%%%.c", 86400),
    ],
)
def test_a_tokens_life_is_read_from_itself_or_taken_as_a_day(token: str, expected_s: float) -> None:
    assert lifetime_s(token, T0) == pytest.approx(expected_s)


QUOTES, TRADES = Subscription("ContractQuotes", "MNQ"), Subscription("ContractTrades", "MNQ")


def answer_all(subscriptions: Subscriptions, error: str | None = None) -> list[str]:
    calls = subscriptions.due()
    for call in calls:
        subscriptions.answered(call, error)
    return [call.method for call in calls]


def test_the_server_is_asked_by_the_first_subscriber_and_told_by_the_last() -> None:
    subscriptions = Subscriptions()
    assert (subscriptions.want(QUOTES), subscriptions.want(QUOTES)) == (True, False)
    assert answer_all(subscriptions) == ["SubscribeContractQuotes"]
    assert (subscriptions.unwant(QUOTES), subscriptions.unwant(QUOTES)) == (False, True)
    assert answer_all(subscriptions) == ["UnsubscribeContractQuotes"]
    assert not subscriptions.unwant(QUOTES)
    assert subscriptions.due() == []


def test_a_refused_subscription_is_not_asked_for_again_until_told_to() -> None:
    subscriptions = Subscriptions()
    subscriptions.want(QUOTES)
    answer_all(subscriptions, error="Account not found")
    assert (subscriptions.due(), subscriptions.refused) == ([], {QUOTES: "Account not found"})
    assert subscriptions.pending == {QUOTES}
    subscriptions.ask_refused_again()
    assert len(subscriptions.due()) == 1


def test_wishes_survive_a_disconnection_and_confirmations_do_not() -> None:
    subscriptions = Subscriptions()
    subscriptions.want(QUOTES)
    answer_all(subscriptions)
    subscriptions.disconnected()
    assert (subscriptions.active, subscriptions.pending) == (frozenset(), {QUOTES})


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([QUOTES, TRADES]), st.booleans()), max_size=40))
def test_after_the_calls_the_server_has_exactly_what_is_wanted(steps: list[tuple[bool, Subscription, bool]]) -> None:
    subscriptions, server = Subscriptions(), set[Subscription]()
    counts = {QUOTES: 0, TRADES: 0}

    def settle() -> None:
        for call in subscriptions.due():
            (server.add if call.is_subscribe else server.remove)(call.subscription)
            subscriptions.answered(call, None)

    for is_want, one, is_settled in steps:
        (subscriptions.want if is_want else subscriptions.unwant)(one)
        counts[one] = max(0, counts[one] + (1 if is_want else -1))
        if is_settled:
            settle()
    settle()
    assert server == subscriptions.wanted == {one for one, count in counts.items() if count}


def test_back_off_grows_to_its_last_step_and_stays_there() -> None:
    health = HubHealth(HubTimings())
    waits = []
    for _ in range(8):
        waits.append(health.backoff_s(0))
        health.ended("refused", was_opened=False, lived_s=0)
    assert waits == [0, 2, 5, 10, 30, 60, 60, 60]
    health.ended("closed", was_opened=True, lived_s=11)
    assert health.backoff_s(0) == 0, "a connection that lived proves that all is well"


def test_five_connections_that_die_young_ask_for_a_login_once() -> None:
    health = HubHealth(HubTimings())
    for _ in range(4):
        health.ended("closed", was_opened=True, lived_s=1)
    assert not health.take_login_due()
    health.ended("closed", was_opened=True, lived_s=1)
    assert (health.take_login_due(), health.take_login_due()) == (True, False)


def test_repeated_logouts_mean_that_the_login_is_contested() -> None:
    health = HubHealth(HubTimings())
    for at in range(6):
        health.logged_out(at)
    assert (health.is_contested(10), health.backoff_s(10)) == (True, 60)
    assert not health.is_contested(125)


async def test_callers_with_one_key_share_one_run_and_a_cancelled_one_leaves_the_others_alone() -> None:
    flight, go, runs = SingleFlight(), asyncio.Event(), 0

    async def work() -> int:
        nonlocal runs
        runs += 1
        await go.wait()
        return runs

    callers = [asyncio.create_task(flight.run("key", work)) for _ in range(3)]
    await asyncio.sleep(0)
    callers[0].cancel()
    await asyncio.sleep(0)
    go.set()
    assert await asyncio.gather(*callers[1:]) == [1, 1]
    assert await flight.run("key", work) == 2, "a later caller starts anew"


async def test_the_last_callers_cancellation_ends_the_shared_work() -> None:
    flight, ended = SingleFlight(), asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    caller = asyncio.create_task(flight.run("key", work))
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.wait([caller])
    assert ended.is_set()


def test_a_bad_configuration_names_every_bad_value_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        GatewayConfig("topstepx.com", "https://x?y=1", "wss://ok/hubs/market", "", Secret("k"), timeout_s=0)
    assert all(name in str(caught.value) for name in ("api_url", "user_hub_url", "username", "timeout_s"))
    assert "market_hub_url" not in str(caught.value)


def test_the_configuration_never_shows_the_key() -> None:
    config = GatewayConfig("https://a", "https://b", "https://c", "me", Secret("hunter2"))
    assert "hunter2" not in repr(config)


def test_reading_the_settings_costs_neither_aiohttp_nor_websockets() -> None:
    heavy = "{'aiohttp', 'websockets', 'numpy'}"
    code = f"import sys, desk.gateway; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=20)
    assert done.stdout.strip() == "[]"
