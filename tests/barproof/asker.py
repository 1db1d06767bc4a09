"""Asks the daemon for random bars through its private door, and keeps what it answered."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp

from tests.barproof.oracle import FRAMES, Frame, Rows, row_of
from tests.daemon import Daemon

__all__ = ["Answer", "Asker", "rows_in"]

PATIENCE_S = 60.0
LONG = 20_000
DAY_S = 86_400


@dataclass(frozen=True)
class Answer:
    """What came back. ``asked_at``: epoch seconds, before it was sent. The newest ``n``, or ``span``: one of the two is None."""

    line: str
    root: str
    frame: Frame
    asked_at: float
    n: int | None
    span: tuple[int, int] | None
    source: str
    problem: str | None
    rows: Rows


@dataclass
class Asker:
    """``ask`` runs until it is cancelled; several may at once."""

    daemon: Daemon
    roots: tuple[str, ...]
    is_long: bool
    pause_s: float = 0.6
    answers: list[Answer] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)

    async def ask(self, dice: random.Random) -> None:
        while True:
            await asyncio.sleep(dice.uniform(0.1, 2.0) * self.pause_s)
            root, frame = dice.choice(self.roots), dice.choice(list(FRAMES.values()))
            await self._wish(dice, root, frame)

    async def ask_one(
        self, line: str, root: str, frame: Frame, n: int | None = None, span: tuple[int, int] | None = None
    ) -> Answer | None:
        """None: the daemon was down, too slow, or had nothing to say."""
        asked_at, doors = time.time(), self.daemon.doors
        if doors is None:
            return None
        try:
            async with asyncio.timeout(PATIENCE_S):
                told = await doors.command(line)
        except (aiohttp.ClientError, ConnectionError, ValueError) as error:
            self.refused[f"{type(error).__name__} (the daemon was killed)"] += 1
            return None
        except TimeoutError:
            self.refused[f"no answer in {PATIENCE_S:g} s"] += 1
            return None
        if not told.get("ok"):
            self.refused[str(told.get("text"))[:80]] += 1
            return None
        data = told["data"]
        answer = Answer(line, root, frame, asked_at, n, span, data["source"], data.get("problem"), rows_in(data))
        self.answers.append(answer)
        return answer

    async def _wish(self, dice: random.Random, root: str, frame: Frame) -> Answer | None:
        kind = dice.random()
        if kind < 0.45:  # the newest, the one that is still forming included
            n = dice.choice((1, 2, 5, 20, 60))
        elif kind < 0.65:
            n = dice.randint(50, 600)
        elif kind < 0.68 and self.is_long:
            n = dice.randint(5_000, LONG)
        else:
            return await self._range(dice, root, frame)
        return await self.ask_one(f"history {root} {frame.text} {n}", root, frame, n)

    async def _range(self, dice: random.Random, root: str, frame: Frame) -> Answer | None:
        now = time.time()
        end = now - dice.choice(
            (0.0, 0.0, dice.uniform(0, 3_600), dice.uniform(0, 3 * DAY_S if self.is_long else 7_200))
        )
        span = int(end - dice.uniform(1, 400) * frame.seconds), int(end)
        line = f"history {root} {frame.text} {_stamp(span[0])} {_stamp(span[1])}"
        return await self.ask_one(line, root, frame, span=span)


def rows_in(data: dict[str, Any]) -> Rows:
    """The answer's bars. Raises AssertionError for two that open at once, or in no order."""
    rows: Rows = {}
    last = 0
    for bar in data["bars"]:
        at = int(datetime.fromisoformat(bar["ts_open"]).timestamp())
        assert at > last, f"not in order: {bar}"
        last = at
        rows[at] = row_of(bar["open"], bar["high"], bar["low"], bar["close"], bar["volume"])
    return rows


def _stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
