"""``quit`` and Ctrl-D: what ends with the daemon is named before it is stopped."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from prompt_toolkit.input import PipeInput

from desk.core.intents import Care, Enter, Trail
from desk.core.orders import OrderState
from desk.core.plans import CarePlan, TouchPlan
from desk.core.records import OrderChanged, PlanChanged, Record
from desk.core.words import OrderType, Side
from desk.surfaces.calls import Caller, Urls
from desk.surfaces.console import run_console
from tests.surfaces import room as rooms
from tests.surfaces.room import ACCOUNT, CAUSE, MNQ, T0, Room
from tests.surfaces.test_commands import run

URLS = Urls("http://127.0.0.1:8080", "http://127.0.0.1:8081")
CTRL_D = "\x04"


def resting() -> list[Record]:
    order = rooms.replaced(
        rooms.entry_order(OrderState.WORKING), type=OrderType.LIMIT, limit_price=Decimal("20990.25"), filled_qty=0
    )
    return [OrderChanged(cause=CAUSE, order=order, why="venue", ts=T0)]


def waiting() -> list[Record]:
    enter = Enter(
        side=Side.BUY, qty=1, stop_ticks=80, stages=(), touch_price=Decimal(20950), max_position=4,
        fresh_until=T0 + timedelta(seconds=15),
    )  # fmt: skip
    plan = TouchPlan(
        plan_id=f"touch:{CAUSE}", cause=CAUSE, account_id=ACCOUNT, contract_id=MNQ.contract_id, enter=enter,
        is_above=False, started_at=T0,
    )  # fmt: skip
    return [PlanChanged(cause=CAUSE, plan=plan, ts=T0)]


def trailing() -> list[Record]:
    entry = rooms.entry_order()
    plan = CarePlan(
        plan_id=f"care:{entry.client_order_id}", cause=CAUSE, account_id=ACCOUNT, contract_id=MNQ.contract_id,
        entry=entry.client_order_id, side=Side.BUY, care=Care(trail=Trail(distance_ticks=40)),
        basis=Decimal("21034.25"), tick_size=MNQ.tick_size, started_at=T0,
    )  # fmt: skip
    return [*rooms.position_records(), PlanChanged(cause=CAUSE, plan=plan, ts=T0)]


CASES = [
    (resting(), "1 resting entry is cancelled"),
    (waiting(), "1 order that waits for its price is dropped"),
    (trailing(), "break-even and trailing of MNQZ6 rest until the next start"),
    (rooms.position_records(stop=None), "MNQZ6 +2 in PAPER-50K stays open WITHOUT A STOP"),
]


@pytest.mark.parametrize(("records", "words"), CASES)
async def test_quit_names_what_ends_with_the_daemon(
    room: Room, caller: Caller, records: Sequence[Record], words: str
) -> None:
    room.tell(*records)
    asked: list[str] = []

    async def no(question: str) -> bool:
        asked.append(question)
        return False

    result = await run(room, "quit", replace(caller, confirm=no))
    assert words in asked[0]
    assert "Nothing was done" in result.text
    assert not room.desk.stop.is_set()
    await run(room, "quit yes", replace(caller, confirm=no))
    assert len(asked) == 1
    assert room.desk.stop.is_set()


async def test_quit_asks_nothing_where_only_what_the_venue_keeps_stays(room: Room, caller: Caller) -> None:
    room.tell(*rooms.position_records())

    async def no(question: str) -> bool:
        raise AssertionError(question)

    assert (await run(room, "quit", replace(caller, confirm=no))).ok
    assert room.desk.stop.is_set()


async def test_quit_takes_nothing_but_a_yes(room: Room, caller: Caller) -> None:
    result = await run(room, "quit now", caller)
    assert "Write quit [yes]" in result.text
    assert not room.desk.stop.is_set()


async def test_ctrl_d_asks_once_and_the_next_one_stops(
    room: Room, keys: PipeInput, tmp_path: Path, screen: io.StringIO, unit: float
) -> None:
    """Cause: a Ctrl-D too many after a question stopped the daemon and dropped what waited; a terminal that is gone
    gives Ctrl-D for ever, and must not be asked for ever."""
    room.tell(*waiting())
    async with asyncio.timeout(10):
        running = asyncio.create_task(run_console(room.desk, tmp_path, URLS, no_color=True))
        for _ in range(2):  # leave, and the answer
            keys.send_text(CTRL_D)
            await asyncio.sleep(4 * unit)
        assert not running.done()
        keys.send_text("accounts\n")
        await asyncio.sleep(4 * unit)
        for _ in range(3):
            assert not room.desk.stop.is_set()
            keys.send_text(CTRL_D)
            await asyncio.sleep(4 * unit)
        await running
    assert room.desk.stop.is_set()
    assert "waits for its price is dropped" in screen.getvalue().replace("\n", " ")


async def test_ctrl_c_twice_asks_nothing(room: Room, keys: PipeInput, tmp_path: Path, unit: float) -> None:
    room.tell(*waiting())
    async with asyncio.timeout(10):
        running = asyncio.create_task(run_console(room.desk, tmp_path, URLS, no_color=True))
        for _ in range(2):
            keys.send_text("\x03")
            await asyncio.sleep(unit)
        await running
    assert room.desk.stop.is_set()
