"""The one queue: bounded, with an answer for "full" that depends on who asks."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from desk.core.errors import Unavailable
from desk.core.events import HubChanged, ResyncRequested, TimerFired
from desk.runtime import Inbox
from tests.runtime.words import alert_event

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def timer(number: int) -> TimerFired:
    return TimerFired(key=str(number), ts=NOW)


async def test_events_come_out_in_the_order_of_arrival_in_bounded_batches() -> None:
    inbox = Inbox(batch_limit=3)
    for number in range(7):
        inbox.put(timer(number))
    batches = [[event for event, _ in await inbox.drain()] for _ in range(3)]
    assert [[int(event.key) for event in batch if isinstance(event, TimerFired)] for batch in batches] == [
        [0, 1, 2],
        [3, 4, 5],
        [6],
    ]


async def test_a_full_inbox_refuses_an_alert_at_once() -> None:
    inbox = Inbox(limit=2)
    inbox.put(timer(1))
    inbox.put(timer(2))
    with pytest.raises(Unavailable, match="2 events are waiting"):
        await inbox.ask(alert_event(1, NOW))
    assert len(inbox) == 2


async def test_a_full_inbox_counts_the_reports_that_it_drops_and_wakes_the_reader() -> None:
    inbox = Inbox(limit=2)
    for _ in range(5):
        inbox.put(ResyncRequested(reason="", ts=NOW))
    inbox.put(timer(1))
    assert inbox.overflowed == 3
    assert len(await inbox.drain()) == 3, "a timer is never dropped: what watches would end"
    assert await inbox.drain() == [], "the overflow alone wakes the reader, who re-reads everything"


@pytest.mark.parametrize("is_up", [True, False])
async def test_that_the_hub_came_or_went_is_never_dropped(is_up: bool) -> None:
    """No read tells it: without its return nothing is reconciled ever again, without its end reads seem to be the whole truth."""
    inbox = Inbox(limit=1)
    inbox.put(timer(1))
    change = HubChanged(is_up=is_up, reason="", ts=NOW)
    inbox.put(change)
    assert [event for event, _ in await inbox.drain()] == [timer(1), change]
    assert not inbox.overflowed


async def test_a_cancelled_drain_loses_nothing() -> None:
    inbox = Inbox()
    draining = asyncio.create_task(inbox.drain())
    await asyncio.sleep(0)
    draining.cancel()
    await asyncio.wait([draining])
    inbox.put(timer(1))
    assert len(await inbox.drain()) == 1


async def test_a_closed_inbox_tells_whoever_waits_and_whoever_comes() -> None:
    inbox = Inbox()
    waiting = asyncio.create_task(inbox.ask(alert_event(1, NOW)))
    await asyncio.sleep(0)
    inbox.close("over")
    with pytest.raises(Unavailable, match="over"):
        await waiting
    with pytest.raises(Unavailable, match="over"):
        await inbox.ask(alert_event(2, NOW))
