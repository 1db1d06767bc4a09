"""``arm``, ``disarm``, ``pause``, ``resume``: what is asked, what is handed to the engine, what is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from desk.core.errors import StoreError
from desk.core.events import BotCommanded
from desk.core.ids import CauseId
from desk.core.records import BotSwitched, Verdict, VerdictKind
from desk.core.switches import Switch
from desk.surfaces.calls import Caller
from desk.surfaces.commands import run_command
from desk.surfaces.completion import complete
from tests.surfaces.room import FULL, T0, Room


def commanded(room: Room) -> list[BotCommanded]:
    return [event for event in room.events if isinstance(event, BotCommanded)]


def answering(caller: Caller, answer: bool, asked: list[str]) -> Caller:
    async def confirm(question: str) -> bool:
        asked.append(question)
        return answer

    return replace(caller, confirm=confirm)


@pytest.mark.parametrize("line", ["pause default", "DISARM Default", "resume second", "arm second"])
async def test_a_command_reaches_the_engine(room: Room, caller: Caller, line: str) -> None:
    room.verdict = Verdict(kind=VerdictKind.ACCEPTED, text="so it is")
    result = await run_command(room.desk, line, caller)
    assert result.ok
    assert result.text == "accepted: so it is"
    [event] = commanded(room)
    assert [event.switch, event.bot] == line.lower().split()


@pytest.mark.parametrize(("switch", "asks"), [("pause", False), ("disarm", False), ("resume", True), ("arm", True)])
async def test_only_what_lets_a_bot_enter_asks(room: Room, caller: Caller, switch: str, asks: bool) -> None:
    asked: list[str] = []
    result = await run_command(room.desk, f"{switch} default", answering(caller, False, asked))
    assert bool(asked) is asks
    assert ("Nothing was done" in result.text) is asks
    assert bool(commanded(room)) is not asks


async def test_the_question_says_what_the_bot_was_stopped_for(room: Room, caller: Caller) -> None:
    room.tell(
        BotSwitched(cause=CauseId("c"), bot="default", switch=Switch.HALT, by="gap", why="a message was lost", ts=T0)
    )
    asked: list[str] = []
    await run_command(room.desk, "resume default", answering(caller, True, asked))
    assert "halted since 2026-11-18 14:30:00 UTC by gap (a message was lost)" in asked[0]
    assert commanded(room)
    asked.clear()
    await run_command(room.desk, "arm default yes", answering(caller, False, asked))
    assert asked == []


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("arm", "which bot? Write arm BOT; there are: default, second"),
        ("pause nobody", "There is no bot 'nobody'. There are: default, second"),
        ("pause default second", "which bot?"),
        ("disarm " + "x" * 500, "There is no bot"),
    ],
)
async def test_a_bot_that_is_not_meant_is_not_touched(room: Room, caller: Caller, line: str, hint: str) -> None:
    result = await run_command(room.desk, line, caller)
    assert not result.ok
    assert hint in result.text
    assert commanded(room) == []


async def test_the_only_bot_needs_no_name(room: Room, caller: Caller) -> None:
    room.desk.bots = room.desk.bots[:1]
    assert (await run_command(room.desk, "pause", caller)).ok
    assert [event.bot for event in commanded(room)] == ["default"]


@pytest.mark.parametrize("failure", [StoreError("disk full"), FULL])
async def test_what_could_not_be_done_is_said(room: Room, caller: Caller, failure: Exception) -> None:
    room.failure = failure
    result = await run_command(room.desk, "disarm default", caller)
    assert not result.ok
    assert "Nothing was done" in result.text


async def test_a_refusal_is_no_success(room: Room, caller: Caller) -> None:
    room.verdict = Verdict(kind=VerdictKind.DENIED, reason="DISARMED", text="bot default is disarmed")
    result = await run_command(room.desk, "resume default yes", caller)
    assert not result.ok
    assert "disarmed" in result.text


async def test_tab_offers_the_bots(room: Room) -> None:
    assert complete(room.desk, "arm ") == ["default", "second"]


@pytest.mark.parametrize(
    ("offset_s", "is_armed"), [(None, True), (0.9, True), (-1.9, True), (2.5, False), (-60, False)]
)
async def test_a_wrong_clock_arms_nothing(room: Room, caller: Caller, offset_s: float | None, is_armed: bool) -> None:
    room.desk.clock_offset = lambda: offset_s
    result = await run_command(room.desk, "arm default yes", caller)
    assert bool(commanded(room)) is is_armed
    assert is_armed or "set it, then arm" in result.text
