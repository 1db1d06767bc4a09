"""How soon the desk knows what is true: its answer while the gateway hangs, and both legs of an entry after its fill."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from benchmarks.client import Answer, Connection
from benchmarks.daemon import DaemonReport
from benchmarks.desk import PATH, RAISED, MeasuredDesk, entry, measured_desk, symbols
from benchmarks.figures import Counts, Figure, Group, at_most, percentile
from benchmarks.processes import one_free_account, running_simulator, simulator_state

__all__ = ["measure"]

OPERATIONS = (
    "login", "validate", "accounts", "contracts", "history", "place", "cancel", "modify", "orders", "positions",
    "close", "trades",
)  # fmt: skip
FROM_HUB = "venue"  # why an order changed, in the journal's words
ARRIVED_S = 0.2  # after the last alert of a round: its order is at the gateway, filled, its legs are awake
HOW = (
    "One desk in its own process, the simulator in its own; bracketed entries one at a time, each of another product. First "
    "while the gateway answers, flat again after each round; then every REST operation of the simulator takes the request and "
    "never answers, and one round of the same alerts comes again, all of whose orders stay in flight. The answer is timed at "
    "the sender. A fill is the simulator's own time stamp; the legs are confirmed when the desk's committed state has both "
    "working, heard over the user hub. The simulator wakes the legs 18 ms after the fill, as the gateway did in a capture; "
    "the floor is when it did."
)


async def measure(counts: Counts, folder: Path, profile: Path | None = None) -> Group:
    """Rounds with an answering gateway, then one with one that hangs."""
    names = symbols()[: counts.alerts_per_round]
    answered, orders = list[Answer](), dict[str, Any]()
    with ExitStack() as stack:
        gateway = stack.enter_context(running_simulator(folder, "--market", "manual", *one_free_account(folder)))
        async with measured_desk(folder, gateway, profile) as desk:
            for number in range(-counts.warm_ups, counts.alert_rounds):
                answers = await _round(desk, names, counts.pause_s)
                await desk.settle_entries()
                await asyncio.sleep(ARRIVED_S)
                if number >= 0:
                    answered += answers
                state = await asyncio.to_thread(simulator_state, gateway)  # before the flattening changes the legs
                orders = {row["customTag"]: row for row in state["orders"]} | orders
                await desk.flatten(names[0])
            await _hang(gateway)
            hanging = await _round(desk, names, counts.pause_s)
            await asyncio.sleep(ARRIVED_S)
            hung_place = _unanswered(await asyncio.to_thread(simulator_state, gateway))
            stack.close()  # so that nothing hangs any longer when the desk is told to stop
    if hung_place != len(hanging):
        raise RuntimeError(f"{len(hanging)} alerts came while the gateway hung and {hung_place} orders were in flight")
    assert desk.report is not None, "the daemon has ended"
    return Group(
        key="truth",
        title="A gateway that hangs, and a fill",
        how=HOW,
        figures=(
            _answer("alert → 200 while every gateway request hangs, p50", hanging, answered, 50, 2.0),
            _answer("alert → 200 while every gateway request hangs, p99", hanging, answered, 99, None),
            *_legs(orders, answered, desk.report),
        ),
        raised=(*RAISED, "the simulator has one account without a position limit"),
        notes=(
            f"While the gateway answered: {_verdicts(answered)}. While it hung: {_verdicts(hanging)}, "
            f"{hung_place} orders on their way without an answer.",
        ),
    )


async def _round(desk: MeasuredDesk, names: Sequence[str], pause_s: float) -> list[Answer]:
    connection = await Connection.open(desk.public)
    try:
        answers = []
        for name in names:
            answers.append(await connection.post(PATH, entry(name, uuid.uuid4().hex)))
            await asyncio.sleep(pause_s)
    finally:
        connection.close()
    if strange := [answer for answer in answers if answer.status != 200]:
        raise RuntimeError(f"an alert was answered with {strange[0].status}: {strange[0].body!r}")
    return answers


async def _hang(gateway: str) -> None:
    """From now on every request is taken and never answered."""
    async with aiohttp.ClientSession() as control:
        for name in OPERATIONS:
            fault = {"endpoint": name, "kind": "hang", "times": 0}
            async with control.post(f"{gateway}/sim/fault", json=fault) as reply:
                reply.raise_for_status()


def _unanswered(state: Any) -> int:
    return sum(row["path"] == "/api/Order/place" and row["ended"] is None for row in state["requests"])


def _verdicts(answers: Sequence[Answer]) -> str:
    """How many of which; the reason, where one was given."""
    bodies = [msgspec.json.decode(answer.body) for answer in answers]
    each = Counter(" ".join(filter(None, (body["verdict"], body.get("reason")))) for body in bodies)
    return ", ".join(f"{number} {verdict}" for verdict, number in each.most_common())


def _answer(
    name: str, hanging: Sequence[Answer], answered: Sequence[Answer], percent: float, ratio: float | None
) -> Figure:
    def ms(answers: Sequence[Answer]) -> list[float]:
        return [(answer.answered - answer.sent) * 1000 for answer in answers]

    return at_most(
        name,
        percentile(ms(hanging), percent),
        "ms",
        floor=percentile(ms(answered), percent),
        floor_name="the same desk while the gateway answers",
        ratio=ratio,
        spread=(min(ms(hanging)), max(ms(hanging))),
        samples=len(hanging),
    )


def _legs(orders: dict[str, Any], answered: Sequence[Answer], report: DaemonReport) -> tuple[Figure, ...]:
    """Of each accepted entry: fill to both legs working, at the desk and at the simulator."""
    wall_s = time.time() - time.monotonic()  # the simulator writes wall time, the desk's probes the monotonic one
    took, least = list[float](), list[float]()
    for answer in answered:
        for tag in msgspec.json.decode(answer.body).get("orders", ()):
            legs = [f"{tag}-SL", f"{tag}-TP"]
            heard = [report.working.get(leg) for leg in legs]
            if any(one is None or one[1] != FROM_HUB for one in heard):
                continue  # a read was quicker than the hub
            filled = _epoch_s(orders[tag])
            took.append((max(one[0] for one in heard if one is not None) + wall_s - filled) * 1000)
            least.append((max(_epoch_s(orders[leg]) for leg in legs) - filled) * 1000)
    if 2 * len(took) < len(answered):
        raise RuntimeError(f"of {len(answered)} entries only {len(took)} had both legs confirmed by the user hub")
    return tuple(
        at_most(
            f"fill at the gateway → both legs working in the desk's state, p{percent}",
            percentile(took, percent),
            "ms",
            floor=percentile(least, percent),
            floor_name="both legs working at the simulator",
            spread=(min(took), max(took)),
            samples=len(took),
        )
        for percent in (50, 99)
    )


def _epoch_s(row: Any) -> float:
    """Of an order's last change: an entry's fill, a leg's waking."""
    return datetime.fromisoformat(row["updateTimestamp"]).timestamp()
