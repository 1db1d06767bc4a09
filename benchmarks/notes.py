"""Durable notes: how many `note` alerts a second are journalled and answered, over 32 connections."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from itertools import count
from pathlib import Path

from benchmarks.client import Connection
from benchmarks.daemon import DaemonReport
from benchmarks.desk import PATH, RAISED, MeasuredDesk, measured_desk, note
from benchmarks.figures import Counts, Figure, Group, Part, median
from benchmarks.processes import child, running_simulator
from benchmarks.stalls import Window, pauses_in_words, stall_figure

__all__ = ["CONNECTIONS", "measure", "post_notes"]

CONNECTIONS = 32
GOAL = 0.2
_DECIDING, _WRITING = 3, 6  # where their stamps stand, see benchmarks/stamps.py
HOW = (
    f"{CONNECTIONS} kept-alive connections, each posts the next `note` alert (own id, 90 bytes) when the last was answered. "
    "Every alert is authenticated, read, deduplicated and in a committed SQLite transaction (WAL, synchronous=FULL) before its "
    "200; afterwards the rows in the journal are counted and must be as many as the answers. The floor answers `ok` to the "
    "same bodies from the same generator, in rounds that alternate; the generator shares the cores with both, so both "
    "are lower than with a sender elsewhere."
)


async def measure(counts: Counts, folder: Path, profile: Path | None = None) -> Group:
    """Alternating rounds at the desk and at its floor; the first of each warms up."""
    desk_rates: list[float] = []
    floor_rates: list[float] = []
    windows: list[Window] = []
    answered = 0
    numbers = count()
    with (
        running_simulator(folder, "--market", "manual") as gateway,
        child(("-m", "benchmarks.sinks", gateway), folder / "sinks.log") as sinks,
    ):
        floor = sinks.wait_for("listening: ").rpartition(" ")[2]
        async with measured_desk(folder, gateway, profile) as desk:
            for number in range(-counts.warm_ups, counts.notes_rounds):
                seconds = counts.notes_s if number >= 0 else min(counts.notes_s, 0.5)
                began = time.monotonic()
                posted, rate = await post_notes(desk.public, PATH, seconds, numbers)
                ended = time.monotonic()
                answered += posted
                _, floor_rate = await post_notes(floor, "/ok", seconds, numbers)
                if number >= 0:
                    windows.append((began, ended))
                    desk_rates.append(rate)
                    floor_rates.append(floor_rate)
    journalled = _rows(desk)
    if journalled != answered:
        raise RuntimeError(f"{answered} notes were answered with 200 and {journalled} are in the journal")
    assert desk.report is not None, "the daemon has ended"
    return _group(desk_rates, floor_rates, journalled, desk.report, windows)


async def post_notes(url: str, path: str, seconds: float, numbers: count[int]) -> tuple[int, float]:
    """Notes over so many connections, each as soon as the last was answered: (answered, per second)."""
    connections = [await Connection.open(url) for _ in range(CONNECTIONS)]
    gc.collect()
    gc.disable()
    began = time.monotonic()
    ends = began + seconds

    async def keep_posting(connection: Connection) -> int:
        posted = 0
        while time.monotonic() < ends:
            answer = await connection.post(path, note(f"note-{next(numbers)}"))
            if answer.status != 200 or b"denied" in answer.body:
                raise RuntimeError(f"a note was not taken ({answer.status}): {answer.body!r}")
            posted += 1
        return posted

    try:
        posted = sum(await asyncio.gather(*(keep_posting(connection) for connection in connections)))
        return posted, posted / (time.monotonic() - began)
    finally:
        gc.enable()
        for connection in connections:
            connection.close()


def _rows(desk: MeasuredDesk) -> int:
    """Notes in the journal of the ended daemon."""
    from desk.store.journal import FILE_NAME

    with closing(sqlite3.connect(desk.data_dir / FILE_NAME)) as journal:
        rows: int = journal.execute("SELECT count(*) FROM alerts").fetchone()[0]
    return rows


def _parts(report: DaemonReport, windows: Sequence[Window], rate: float) -> tuple[Part, ...]:
    """What one post costs the daemon: the time between two posts at this rate, split. Means, so that they add up."""
    rows = [row for row in report.stamps.values() if any(began <= row[0] <= ended for began, ended in windows)]
    posts, period_ms = len(rows), 1000 / rate
    writes = {(row[_WRITING], row[_WRITING + 1]) for row in rows}  # one commit has one pair of stamps
    reading = sum(row[1] - row[0] for row in rows) / posts * 1000
    deciding = sum(row[_DECIDING + 1] - row[_DECIDING] for row in rows) / posts * 1000
    writing = sum(ended - began for began, ended in writes) / posts * 1000
    rest = period_ms - reading - deciding - writing
    named = (
        ("read the body", reading),
        ("decide and apply", deciding),
        (f"its share of a commit (encode, SQLite, fsync); {posts / len(writes):.0f} posts each", writing),
        ("the rest: HTTP server, two log lines, tasks and wake-ups, less what ran while a commit did", rest),
    )
    return tuple(Part(name, ms, ms / period_ms) for name, ms in named)


def _group(
    desk_rates: list[float], floor_rates: list[float], journalled: int, report: DaemonReport, windows: Sequence[Window]
) -> Group:
    value, floor = median(desk_rates), median(floor_rates)
    return Group(
        key="notes",
        title="Durable notes",
        how=HOW,
        figures=(
            Figure(
                name=f"durable `note` posts, {CONNECTIONS} connections",
                value=value,
                unit="/s",
                floor=floor,
                floor_name="bare aiohttp handler that answers `ok`",
                ratio=value / floor,
                goal=f"≥ {GOAL:g}x",
                is_met=value >= GOAL * floor,
                spread=(min(desk_rates), max(desk_rates)),
                samples=len(desk_rates),
                parts=_parts(report, windows, value),
                floor_parts=(Part("everything", 1000 / floor, 1.0),),
            ),
            stall_figure("longest event-loop stall in the daemon meanwhile", report, windows),
        ),
        raised=RAISED,
        notes=(
            f"{journalled:,} notes were answered, and {journalled:,} are in the journal.",
            pauses_in_words(report, windows),
        ),
    )
