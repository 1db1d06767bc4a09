"""The public door under siege: the answer to a real alert, and posts a second, while hundreds of slow clients are open."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.client import Answer, Connection
from benchmarks.desk import PATH, RAISED, MeasuredDesk, measured_desk, note
from benchmarks.figures import Counts, Figure, Group, median, percentile
from benchmarks.notes import CONNECTIONS, post_notes
from benchmarks.processes import running_simulator
from benchmarks.stalls import Window, stall_figure
from desk.surfaces.http_server import most_connections

__all__ = ["measure"]

GOAL_MS = 50.0
GOAL_POSTS = 0.5
GIVE_UP_S = 10.0
PARALLEL = 50
HOW = (
    "One desk in its own process. Slow clients hold connections to its public door: a third sends the beginning of a head and "
    "no more, a third a whole head and one byte of a body, a third nothing; one that the desk closes comes again at once. "
    "Meanwhile a durable `note` alert comes over a connection of its own, one after the other, each timed from the bytes at the "
    f"sender to the whole answer; then {CONNECTIONS} connections post as fast as they are answered. The floor is the same desk "
    f"before the slow clients came. Apart from them, {PARALLEL} alerts are sent at the same moment."
)
_BEGUN = (
    b"POST /webhook HTTP/1.1\r\nHost: slow\r\nX-Slow: ",
    b"POST /webhook HTTP/1.1\r\nHost: slow\r\nContent-Length: 500\r\n\r\n{",
    b"",
)


async def measure(counts: Counts, folder: Path, profile: Path | None = None) -> Group:
    """Rounds without and with slow clients alternate."""
    slow = min(counts.slow_clients, most_connections())
    alone, besieged = list[Answer](), list[Answer]()
    parallel = list[Answer]()
    alone_rates, besieged_rates = list[float](), list[float]()
    windows: list[Window] = []
    numbers = count()
    came_again = 0
    with running_simulator(folder, "--market", "manual") as gateway:
        async with measured_desk(folder, gateway, profile) as desk:
            for number in range(-counts.warm_ups, counts.notes_rounds):
                answers, rate = await _round(desk, counts, numbers)
                at_once = await _parallel(desk, numbers)
                began = time.monotonic()
                async with _slow_clients(desk.public, slow) as clients:
                    besieged_answers, besieged_rate = await _round(desk, counts, numbers)
                came_again += clients.came_again
                if number >= 0:
                    alone += answers
                    parallel += at_once
                    besieged += besieged_answers
                    alone_rates.append(rate)
                    besieged_rates.append(besieged_rate)
                    windows.append((began, time.monotonic()))
    assert desk.report is not None, "the daemon has ended"
    return Group(
        key="door",
        title="Slow clients at the public door",
        how=HOW,
        figures=(
            _answer(f"alert → 200 with {slow} slow clients open, p50", besieged, alone, 50),
            _answer(f"alert → 200 with {slow} slow clients open, p99", besieged, alone, 99),
            _answer(f"{PARALLEL} alerts at once → 200, p99", parallel, alone, 99, "one alert at a time"),
            _posts(slow, besieged_rates, alone_rates),
            stall_figure("longest event-loop stall in the daemon meanwhile", desk.report, windows),
        ),
        raised=RAISED,
        notes=(f"The desk closed slow clients {came_again:,} times, and they came again.",),
    )


async def _round(desk: MeasuredDesk, counts: Counts, numbers: count[int]) -> tuple[list[Answer], float]:
    """Single alerts, then posts per second."""
    answers = []
    connection = await Connection.open(desk.public)
    try:
        for _ in range(counts.alerts_per_round):
            answers.append(await connection.post(PATH, note(f"door-{next(numbers)}")))
            await asyncio.sleep(counts.pause_s)
    finally:
        connection.close()
    if strange := [answer for answer in answers if answer.status != 200]:
        raise RuntimeError(f"an alert was answered with {strange[0].status}: {strange[0].body!r}")
    _, rate = await post_notes(desk.public, PATH, min(counts.notes_s, 1.0), numbers)
    return answers, rate


async def _parallel(desk: MeasuredDesk, numbers: count[int]) -> list[Answer]:
    """So many alerts at the same moment, each over a connection of its own."""
    connections = [await Connection.open(desk.public) for _ in range(PARALLEL)]
    try:
        return await asyncio.gather(*(one.post(PATH, note(f"door-{next(numbers)}")) for one in connections))
    finally:
        for connection in connections:
            connection.close()


def _answer(
    name: str,
    besieged: Sequence[Answer],
    alone: Sequence[Answer],
    percent: float,
    floor_name: str = "the same desk without slow clients",
) -> Figure:
    ms, floor = ([(answer.answered - answer.sent) * 1000 for answer in answers] for answers in (besieged, alone))
    value = percentile(ms, percent)
    return Figure(
        name=name,
        value=value,
        unit="ms",
        floor=percentile(floor, percent),
        floor_name=floor_name,
        ratio=value / percentile(floor, percent),
        goal=f"< {GOAL_MS:.0f} ms",
        is_met=value < GOAL_MS,
        spread=(min(ms), max(ms)),
        samples=len(ms),
    )


def _posts(slow: int, besieged: Sequence[float], alone: Sequence[float]) -> Figure:
    value, floor = median(besieged), median(alone)
    return Figure(
        name=f"durable `note` posts with {slow} slow clients open",
        value=value,
        unit="/s",
        floor=floor,
        floor_name="the same desk without slow clients",
        ratio=value / floor,
        goal=f"≥ {GOAL_POSTS:g}x",
        is_met=value >= GOAL_POSTS * floor,
        spread=(min(besieged), max(besieged)),
        samples=len(besieged),
    )


class _SlowClients:
    """``came_again``: how often one was closed and opened anew."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None, "an absolute URL"
        assert parts.port is not None, "our own servers take free ports"
        self._host, self._port = parts.hostname, parts.port
        self._open: dict[int, asyncio.BaseTransport] = {}
        self._coming: set[asyncio.Task[None]] = set()
        self._is_over = False
        self.came_again = 0

    async def come(self, number: int) -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(lambda: _SlowClient(self, number), self._host, self._port)
        transport.write(_BEGUN[number % len(_BEGUN)])
        self._open[number] = transport

    def was_closed(self, number: int) -> None:
        if not self._is_over:
            self.came_again += 1
            task = asyncio.get_running_loop().create_task(self.come(number))
            self._coming.add(task)
            task.add_done_callback(self._coming.discard)

    async def leave(self) -> None:
        self._is_over = True
        await asyncio.gather(*self._coming, return_exceptions=True)
        for transport in self._open.values():
            transport.close()


class _SlowClient(asyncio.Protocol):
    def __init__(self, all_of_them: _SlowClients, number: int) -> None:
        self._all, self._number = all_of_them, number

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._all.was_closed(self._number)


@asynccontextmanager
async def _slow_clients(url: str, number: int) -> AsyncIterator[_SlowClients]:
    """So many as long as the block."""
    clients = _SlowClients(url)
    try:
        async with asyncio.timeout(GIVE_UP_S):
            await asyncio.gather(*(clients.come(one) for one in range(number)))
        yield clients
    finally:
        await clients.leave()
