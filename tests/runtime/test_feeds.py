"""What the hubs' feeds tell whoever looks at the desk's health."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from desk.core.errors import ProtocolError
from desk.core.events import ResyncRequested
from desk.gateway import GatewayClient, HubPool
from desk.gateway.config import SystemClock
from desk.gateway.subscriptions import Subscription
from desk.runtime.feeds import CONTESTED, REFUSED, Feeds
from tests.world.times import ManualClock

SATURDAY, WEDNESDAY = datetime(2026, 11, 21, 15, tzinfo=UTC), datetime(2026, 11, 18, 15, tzinfo=UTC)


def feeds_of(mode: str) -> tuple[Feeds, dict[str, str]]:
    troubles: dict[str, str] = {}
    desk = SimpleNamespace(inbox=None, clock=None, troubles=troubles, mode=mode)
    return Feeds(cast(GatewayClient, None), cast(HubPool, None), cast(Any, desk)), troubles


def test_a_contested_login_is_a_trouble_until_both_hubs_are_left_alone() -> None:
    feeds, troubles = feeds_of("paper")
    user, market = feeds._watch("user hub"), feeds._watch("market hub")
    user.on_contested(True)
    market.on_contested(True)
    assert troubles == {"gateway login": CONTESTED}
    assert "another program uses this login" in CONTESTED
    user.on_contested(False)
    assert troubles
    market.on_contested(False)
    assert troubles == {}


def test_reports_that_the_gateway_refuses_are_a_trouble_and_are_read_when_they_come() -> None:
    feeds, troubles = feeds_of("paper")
    asked: list[Any] = []
    feeds._inbox = cast(Any, SimpleNamespace(put=asked.append))
    feeds._clock = SystemClock()
    feeds._user_refused({Subscription("Orders", 21000001): "try later", Subscription("Accounts"): "try later"})
    assert troubles[REFUSED].startswith("the gateway refuses Accounts of the login, Orders of 21000001 (try later)")
    assert asked == []
    feeds._user_refused({})
    assert troubles == {}
    assert isinstance(asked.pop(), ResyncRequested)
    feeds._user_refused({Subscription("Orders", 21000001): "try later"})
    feeds._user_lost("gone")
    assert troubles == {}, "the next connection asks anew and reads everything anyway"
    assert asked == []


def test_events_that_nobody_understands_are_counted_and_logged_once_a_minute() -> None:
    """A payload that changes its form comes many times a second, all day."""
    feeds, _ = feeds_of("paper")
    clock = ManualClock(WEDNESDAY)
    feeds._clock = clock
    market, user = feeds._watch("market hub"), feeds._watch("user hub")
    with capture_logs() as logged:
        for _ in range(400):
            market.on_bad_event(ProtocolError("a quote of another form"))
            clock.advance(0.25)
        user.on_bad_event(ProtocolError("an order of another form"))
    assert [(row["event"], row["hub"], row["count"]) for row in logged] == [
        ("hub.bad_event", "market hub", 1),
        ("hub.bad_event", "market hub", 240),
        ("hub.bad_event", "user hub", 1),
    ]


@pytest.mark.parametrize(("mode", "open_on_saturday"), [("paper", True), ("live", False)])
def test_the_paper_market_never_closes_and_the_real_one_keeps_its_week(mode: str, open_on_saturday: bool) -> None:
    silence = feeds_of(mode)[0]._silence
    assert silence.after_s == 20
    assert silence.is_open(SATURDAY) is open_on_saturday
    assert silence.is_open(WEDNESDAY)
