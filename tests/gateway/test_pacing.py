import asyncio
import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.core.errors import ConfigError, RateLimited
from desk.gateway import Lane, PacingConfig
from desk.gateway.config import SystemClock
from desk.gateway.pacing import Limiter, Pacer

SMALL = PacingConfig(
    general_limit=10,
    general_window_s=60,
    history_limit=3,
    history_window_s=30,
    exit_reserve=3,
    place_reserve=2,
    write_reserve=1,
)


class StoppedClock:
    """A clock that stands where it was put."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return datetime(2026, 11, 18, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


def drain(pacer: Pacer, lane: Lane, now: float) -> int:
    """Send on this lane as long as it may; every reply comes at once."""
    sent = 0
    while pacer.ready_at(lane, now) <= now:
        pacer.finish(pacer.take(lane), now)
        sent += 1
    return sent


def test_reads_leave_room_for_entries_and_entries_leave_room_for_exits() -> None:
    pacer = Pacer(SMALL)
    assert drain(pacer, Lane.READ, 0) == 5
    assert drain(pacer, Lane.PLACE, 0) == 2
    assert drain(pacer, Lane.EXIT, 0) == 3
    assert pacer.ready_at(Lane.EXIT, 0) == 60, "and no 429 of our own, even for exits"


def test_the_reads_of_exits_leave_room_for_their_closes() -> None:
    pacer = Pacer(SMALL)
    assert drain(pacer, Lane.URGENT, 0) == 9
    assert drain(pacer, Lane.EXIT, 0) == 1


def test_what_is_open_keeps_entries_and_calm_reads_from_what_it_needs_to_get_flat() -> None:
    pacer = Pacer(SMALL)
    pacer.keep_for_exits(6)
    assert drain(pacer, Lane.READ, 0) == 1
    assert drain(pacer, Lane.PLACE, 0) == 2
    assert pacer.room_for_exits(0) == 6
    assert drain(pacer, Lane.URGENT, 0) == 6
    pacer.keep_for_exits(0)
    assert drain(pacer, Lane.READ, 60) == 5


def test_however_much_is_open_a_read_comes_through() -> None:
    pacer = Pacer(SMALL)
    pacer.keep_for_exits(1000)
    assert drain(pacer, Lane.READ, 0) == 1


def test_history_has_a_budget_of_its_own() -> None:
    pacer = Pacer(SMALL)
    assert drain(pacer, Lane.HISTORY, 0) == 3
    assert pacer.ready_at(Lane.HISTORY, 0) == 30
    assert pacer.ready_at(Lane.PLACE, 0) == 0


def test_a_slot_is_freed_one_window_after_the_reply() -> None:
    pacer = Pacer(PacingConfig(general_limit=3, exit_reserve=1, place_reserve=1, write_reserve=1))
    ticket = pacer.take(Lane.READ)
    assert pacer.ready_at(Lane.READ, 500) == math.inf, "its reply is still to come"
    pacer.finish(ticket, 7)
    assert pacer.ready_at(Lane.READ, 8) == 67


def test_a_request_that_never_left_frees_its_slot() -> None:
    pacer = Pacer(PacingConfig(general_limit=3, exit_reserve=1, place_reserve=1, write_reserve=1))
    pacer.finish(pacer.take(Lane.READ), 0, was_sent=False)
    assert pacer.ready_at(Lane.READ, 0) == 0


@given(st.lists(st.tuples(st.sampled_from(list(Lane)), st.floats(0, 20), st.floats(0, 5)), max_size=60))
def test_the_gateways_sliding_window_never_overflows(steps: list[tuple[Lane, float, float]]) -> None:
    """However long each request travels, the gateway never counts more than its limit in any window."""
    pacer, now, arrivals = Pacer(SMALL), 0.0, []
    for lane, pause_s, travel_s in steps:
        now += pause_s
        now = max(now, pacer.ready_at(lane, now))
        ticket = pacer.take(lane)
        # it may arrive at once or just before its reply
        arrivals += [(now, lane is Lane.HISTORY), (now + travel_s, lane is Lane.HISTORY)]
        now += travel_s
        pacer.finish(ticket, now)
    for is_history, limit, window_s in ((False, 10, 60.0), (True, 3, 30.0)):
        for use in (0, 1):  # all early, all late
            times = sorted(at for at, history in arrivals[use::2] if history is is_history)
            assert all(b - a >= window_s - 1e-6 for a, b in zip(times, times[limit:], strict=False))


def test_a_429_pauses_reads_and_entries_and_not_the_exits() -> None:
    pacer = Pacer(PacingConfig())
    pacer.throttled(Lane.READ, 0, 60)
    assert [pacer.ready_at(lane, 0) for lane in Lane] == [0, 0, 60, 60, 0]


def test_an_exit_that_meets_a_429_itself_waits_two_seconds_at_most() -> None:
    pacer = Pacer(PacingConfig())
    waits = []
    for _ in range(6):
        pacer.throttled(Lane.EXIT, 0, 60)
        waits.append(pacer.ready_at(Lane.EXIT, 0))
    assert waits == [0.25, 0.5, 1, 2, 2, 2]
    assert pacer.ready_at(Lane.PLACE, 0) == 60
    pacer.accepted(Lane.EXIT)
    pacer.throttled(Lane.EXIT, 100, 60)
    assert pacer.ready_at(Lane.EXIT, 100) == 100.25


def test_a_429_of_the_history_pauses_only_the_history() -> None:
    pacer = Pacer(PacingConfig())
    pacer.throttled(Lane.HISTORY, 0, 30)
    assert [pacer.ready_at(lane, 0) for lane in Lane] == [0, 0, 0, 0, 30]


@pytest.mark.parametrize("numbers", [{"general_limit": 50}, {"history_limit": 0}, {"general_window_s": 0}])
def test_budgets_that_leave_nothing_are_refused(numbers: dict[str, int]) -> None:
    with pytest.raises(ConfigError):
        PacingConfig(**numbers)  # type: ignore[arg-type]


async def test_a_wait_that_would_be_too_long_is_refused_at_once() -> None:
    limiter = Limiter(SMALL, StoppedClock())
    drain(limiter.pacer, Lane.PLACE, 0)
    with pytest.raises(RateLimited) as caught:
        async with limiter.slot(Lane.PLACE, 5):
            raise AssertionError("there was no slot")
    assert caught.value.retry_after_s == 60


async def test_a_place_does_not_wait_behind_a_queue_of_history_requests(unit: float) -> None:
    limiter, clock = Limiter(PacingConfig(), SystemClock()), SystemClock()
    hold = asyncio.Event()

    async def request_history() -> None:
        async with limiter.slot(Lane.HISTORY, 60):
            await hold.wait()

    queue = [asyncio.create_task(request_history()) for _ in range(300)]
    await asyncio.sleep(0)
    asked = clock.monotonic()
    async with limiter.slot(Lane.PLACE, 5):
        waited_s = clock.monotonic() - asked
    for task in queue:
        task.cancel()
    await asyncio.wait(queue)
    assert waited_s < unit


async def test_waiters_of_a_lane_are_served_in_their_order() -> None:
    limiter = Limiter(PacingConfig(history_in_flight=1), SystemClock())
    served: list[int] = []

    async def request(number: int) -> None:
        async with limiter.slot(Lane.HISTORY, 10):
            served.append(number)
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for number in range(10):
            group.create_task(request(number))
    assert served == list(range(10))


async def test_a_cancelled_waiter_takes_no_slot() -> None:
    limiter = Limiter(PacingConfig(history_in_flight=1), SystemClock())
    async with limiter.slot(Lane.HISTORY, 10):
        waiter = asyncio.create_task(limiter.slot(Lane.HISTORY, 10).__aenter__())
        await asyncio.sleep(0)
        waiter.cancel()
        await asyncio.wait([waiter])
    assert limiter.pacer.used(SystemClock().monotonic()) == (0, 1)
