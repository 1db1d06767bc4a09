"""Alert to wire: from the alert's bytes at the sender to Order/place at the gateway, serial and at 50 alerts a second."""

from __future__ import annotations

import asyncio
import gc
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.client import Answer, Connection
from benchmarks.daemon import DaemonReport
from benchmarks.desk import PATH, RAISED, MeasuredDesk, entry, measured_desk, symbols
from benchmarks.figures import Counts, Figure, Group, Part, at_most, median, parts_of, percentile
from benchmarks.processes import child, one_free_account, running_simulator, simulator_state
from benchmarks.stalls import pauses_in_words, stall_figure
from benchmarks.stamps import STAGES

__all__ = ["measure"]

RATE_PER_S = 50.0
CONNECTIONS = 8
APART_S = 1.0  # after flattening: the desk looks after the stop of a position for two seconds
PLACE = "/api/Order/place"
FLOOR_NAME = "bare aiohttp handler that forwards the body"
FLOOR_STAGES = ("sender to handler (kernel, aiohttp server)", "read the body", STAGES[-1])
HOW = (
    "Real entries: one alert, one bracketed market order of one contract, filled, with both legs working. Each alert of "
    "a round names another product, so that every one opens a position; between the rounds `flatten_all` makes the "
    "account flat, outside the measured time. Simulator (`--market manual`), daemon and floor are three processes, the "
    "generator a fourth. A time is the request's arrival in the simulator's log (after its body was read) minus the "
    "moment the generator handed the alert to its socket; both are CLOCK_MONOTONIC of one machine. The floor is measured "
    "by the same generator against the same simulator and endpoint, in rounds that alternate with the desk's. "
    "Connections are kept alive on both sides; one round of each kind warms up and is not counted. Garbage collection "
    "is off in the generator during a round and untouched in the daemon. The time stamps inside the daemon, a dozen per "
    "alert, are part of what is measured."
)


@dataclass
class _Sent:
    """What one alert or forwarded body went through."""

    key: str
    answer: Answer
    late_s: float  # how far behind its schedule the generator was
    wire: float = float("nan")

    @property
    def ms(self) -> float:
        return (self.wire - self.answer.sent) * 1000

    @property
    def answer_ms(self) -> float:
        return (self.answer.answered - self.answer.sent) * 1000


@dataclass
class _Series:
    """All rounds of one kind at one target. ``windows``: from the first byte to a second after the last, per round."""

    rounds: list[list[_Sent]] = field(default_factory=list)
    windows: list[tuple[float, float]] = field(default_factory=list)

    @property
    def all(self) -> list[_Sent]:
        return [sent for one in self.rounds for sent in one]

    def ms(self, percent: float) -> float:
        return percentile([sent.ms for sent in self.all], percent)

    def answer_ms(self, percent: float) -> float:
        return percentile([sent.answer_ms for sent in self.all], percent)

    def spread(self, percent: float) -> tuple[float, float]:
        each = [percentile([sent.ms for sent in one], percent) for one in self.rounds]
        return min(each), max(each)


async def measure(counts: Counts, folder: Path, profile: Path | None = None) -> Group:
    """Alternating rounds at the desk and at its floor."""
    desk_serial, desk_rate, floor_serial, floor_rate = _Series(), _Series(), _Series(), _Series()
    products = deque(symbols())
    names = list(products)[: counts.alerts_per_round]
    with running_simulator(folder, "--market", "manual", *one_free_account(folder)) as gateway:
        arguments = ("-m", "benchmarks.sinks", gateway + PLACE)
        with child(arguments, folder / "sinks.log") as sinks:
            floor = sinks.wait_for("listening: ").rpartition(" ")[2]
            async with measured_desk(folder, gateway, profile) as desk:
                for number in range(-counts.warm_ups, counts.alert_rounds):
                    kept = number >= 0
                    for series, rate, pause in (
                        (desk_serial, None, counts.pause_s),
                        (desk_rate, RATE_PER_S, 0.0),
                    ):
                        names = list(products)[: counts.alerts_per_round]
                        await _desk_round(desk, names, series if kept else _Series(), rate, pause)
                        products.rotate(-len(names))
                        if 2 * len(names) > len(products):  # the next round names some of them again
                            await asyncio.sleep(APART_S)
                    for series, rate, pause in (
                        (floor_serial, None, counts.pause_s),
                        (floor_rate, RATE_PER_S, 0.0),
                    ):
                        await _floor_round(floor, names, series if kept else _Series(), rate, pause)
                requests = simulator_state(gateway)["requests"]
    _match(requests, (desk_serial, desk_rate), "customTag")
    _match(requests, (floor_serial, floor_rate), "id")
    assert desk.report is not None, "the daemon has ended"
    return _group(desk_serial, desk_rate, floor_serial, floor_rate, desk.report)


# -- rounds ------------------------------------------------------------------------------------------------------------


async def _desk_round(
    desk: MeasuredDesk, names: Sequence[str], series: _Series, rate: float | None, pause_s: float
) -> None:
    sent, window = await _round(desk.public, PATH, names, rate, pause_s)
    accepted = []
    for one in sent:
        verdict: Any = msgspec.json.decode(one.answer.body)
        if one.answer.status != 200 or verdict.get("verdict") != "accepted" or len(verdict["orders"]) != 1:
            raise RuntimeError(f"an entry was not taken ({one.answer.status}): {verdict}")
        accepted.append(_Sent(verdict["orders"][0], one.answer, one.late_s))
    await desk.settle_entries()
    series.rounds.append(accepted)
    series.windows.append((window[0], time.monotonic()))
    await desk.flatten(names[0])


async def _floor_round(url: str, names: Sequence[str], series: _Series, rate: float | None, pause_s: float) -> None:
    sent, window = await _round(url, "/forward", names, rate, pause_s)
    series.rounds.append(sent)
    series.windows.append(window)


async def _round(
    url: str, path: str, names: Sequence[str], rate: float | None, pause_s: float
) -> tuple[list[_Sent], tuple[float, float]]:
    """One alert per name: one after the other, or ``rate`` per second whatever the answers do."""
    idle = [await Connection.open(url) for _ in range(1 if rate is None else CONNECTIONS)]
    opened = list(idle)

    async def send(name: str, due: float) -> _Sent:
        key = uuid.uuid4().hex
        body = entry(name, key)
        if not idle:
            opened.append(await Connection.open(url))
            idle.append(opened[-1])
        connection = idle.pop()
        answer = await connection.post(path, body)
        idle.append(connection)
        return _Sent(key, answer, answer.sent - due)

    began = time.monotonic()
    with _no_collections():
        try:
            if rate is None:
                sent = []
                for name in names:
                    sent.append(await send(name, time.monotonic()))
                    await asyncio.sleep(pause_s)
            else:
                sent = await _at_rate(names, rate, send)
        finally:
            for connection in opened:
                connection.close()
    return sent, (began, time.monotonic())


async def _at_rate(names: Sequence[str], rate: float, send: Callable[..., Any]) -> list[_Sent]:
    began = time.monotonic() + 0.02
    async with asyncio.TaskGroup() as tasks:
        sending = []
        for number, name in enumerate(names):
            due = began + number / rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            sending.append(tasks.create_task(send(name, due)))
    return [task.result() for task in sending]


@contextmanager
def _no_collections() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _match(requests: Sequence[Any], all_series: Sequence[_Series], member: str) -> None:
    """Finds each body in the simulator's log. Raises RuntimeError for one that never came, or came twice."""
    arrived: dict[str, float] = {}
    for row in requests:
        if row["path"] == PLACE:
            key = msgspec.json.decode(row["body"].encode()).get(member)
            if key is not None and key in arrived:
                raise RuntimeError(f"{key} reached the gateway twice")
            arrived[key] = row["started"]
    for series in all_series:
        for sent in series.all:
            if sent.key not in arrived:
                raise RuntimeError(f"{sent.key} never reached the gateway")
            sent.wire = arrived[sent.key]


# -- results -----------------------------------------------------------------------------------------------------------


def _group(
    desk_serial: _Series, desk_rate: _Series, floor_serial: _Series, floor_rate: _Series, report: DaemonReport
) -> Group:
    def to_wire(name: str, desk: _Series, floor: _Series, percent: float, ratio: float | None) -> Figure:
        return at_most(
            name,
            desk.ms(percent),
            "ms",
            floor=floor.ms(percent),
            floor_name=FLOOR_NAME,
            ratio=ratio,
            spread=desk.spread(percent),
            samples=len(desk.all),
            parts=_desk_parts(desk, report) if percent == 50 else (),
            floor_parts=_floor_parts(floor) if percent == 50 else (),
        )

    def answered(name: str, desk: _Series, floor: _Series, percent: float) -> Figure:
        return at_most(
            name,
            desk.answer_ms(percent),
            "ms",
            floor=floor.answer_ms(percent),
            floor_name="the same handler, which answers after the gateway did",
            samples=len(desk.all),
        )

    rate = f"{RATE_PER_S:.0f} alerts/s"
    return Group(
        key="alert",
        title="Alert to wire",
        how=HOW,
        figures=(
            to_wire("alert → Order/place, one at a time, p50", desk_serial, floor_serial, 50, 2.0),
            to_wire("alert → Order/place, one at a time, p99", desk_serial, floor_serial, 99, None),
            to_wire(f"alert → Order/place at {rate}, p50", desk_rate, floor_rate, 50, None),
            at_most(
                f"alert → Order/place at {rate}, p99",
                desk_rate.ms(99),
                "ms",
                floor=desk_rate.ms(50),
                floor_name=f"its own p50 (the forwarding handler's p99: {floor_rate.ms(99):.2f} ms)",
                ratio=3.0,
                spread=desk_rate.spread(99),
                samples=len(desk_rate.all),
            ),
            answered("alert → 200, one at a time, p50", desk_serial, floor_serial, 50),
            answered("alert → 200, one at a time, p99", desk_serial, floor_serial, 99),
            answered(f"alert → 200 at {rate}, p50", desk_rate, floor_rate, 50),
            answered(f"alert → 200 at {rate}, p99", desk_rate, floor_rate, 99),
            stall_figure("longest event-loop stall in the daemon, one at a time", report, desk_serial.windows),
            stall_figure(f"longest event-loop stall in the daemon at {rate}", report, desk_rate.windows),
        ),
        raised=RAISED,
        notes=(
            _growth(desk_serial, report),
            pauses_in_words(report, [*desk_serial.windows, *desk_rate.windows]),
            f"The generator was at most {max(sent.late_s for sent in [*desk_rate.all, *floor_rate.all]) * 1000:.1f} ms "
            f"behind its schedule of {rate}; times count from the real sending.",
        ),
    )


def _desk_parts(series: _Series, report: DaemonReport) -> tuple[Part, ...]:
    rows = []
    for sent in series.all:
        alert_id = msgspec.json.decode(sent.answer.body)["alert_id"]
        row = [sent.answer.sent, *report.stamps.get(alert_id, ()), sent.wire]
        if len(row) == len(STAGES) + 1:  # an entry that was sent again has more
            rows.append(row)
    if 2 * len(rows) < len(series.all):
        raise RuntimeError("the stamps do not fit the stages: a seam of the daemon moved, see benchmarks/stamps.py")
    return parts_of(rows, STAGES)


def _floor_parts(series: _Series) -> tuple[Part, ...]:
    rows = [[sent.answer.sent, *msgspec.json.decode(sent.answer.body), sent.wire] for sent in series.all]
    return parts_of(rows, FLOOR_STAGES)


def _growth(series: _Series, report: DaemonReport) -> str:
    """Whether deciding gets slower as the day's orders pile up."""
    each = [median(_deciding_ms(one, report)) for one in series.rounds]
    return (
        f"`decide`, one at a time: {each[0]:.3f} ms in the first counted round, {each[-1]:.3f} ms in the last (medians); "
        f"between them lie {2 * len(series.all) * (len(each) - 1) // len(each):,} entries with their legs and exits."
    )


def _deciding_ms(sent: Sequence[_Sent], report: DaemonReport) -> list[float]:
    began = STAGES.index("decide") - 1
    stamps = [report.stamps[msgspec.json.decode(one.answer.body)["alert_id"]] for one in sent]
    return [(row[began + 1] - row[began]) * 1000 for row in stamps]
