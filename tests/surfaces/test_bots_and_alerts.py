"""``alerts`` and ``bots``: tables of what came, from the journal."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import datetime, time, timedelta
from typing import Any

import msgspec
import pytest
from rich.console import Console

from desk.bots.config import Window
from desk.core.alert import Action, Alert
from desk.core.events import AlertReceived
from desk.core.ids import new_cause_id
from desk.core.records import AlertJournalled, Record, Verdict, VerdictKind
from desk.surfaces import view
from desk.surfaces.bots_view import BotView, view_bots
from desk.surfaces.calls import Caller, CommandResult
from desk.surfaces.commands import run_command
from tests.surfaces import room as rooms
from tests.surfaces.room import T0, Room

COUNTER = iter(range(10**6))


def came(
    at: datetime = T0, *, late_s: float | None = 1.0, bot: str = "default", verdict: str = "accepted",
    alert: Alert | None = None, **more: Any,
) -> Record:  # fmt: skip
    """An alert as the journal has it."""
    number = next(COUNTER)
    if alert is None and not more.pop("is_unreadable", False):
        fired_at = None if late_s is None else at - timedelta(seconds=late_s)
        alert = Alert(action=Action.ENTER_LONG, symbol="CME_MINI:MNQ1!", fired_at=fired_at, **more)
    cause = new_cause_id(at, number.to_bytes(10, "big"))
    event = AlertReceived(
        cause=cause, bot=bot, alert=alert, problem=None, raw="", body_sha256="", dedupe_key=str(number),
        dedupe_window_s=10, source="127.0.0.1", ts=at,
    )  # fmt: skip
    reason = "TOO_OLD" if verdict == "denied" else ""
    text = "the entry is 20 s past its age limit; late entries are not taken" if reason else "buys 2 MNQZ6"
    return AlertJournalled(
        cause=cause, alert=event, verdict=Verdict(kind=VerdictKind(verdict), reason=reason, text=text), ts=at
    )  # fmt: skip


async def keep(room: Room, records: list[Record]) -> None:
    """Journalled and in the state, as the main loop does it."""
    await room.desk.journal.append(records)
    room.tell(*records)


async def run(room: Room, line: str, caller: Caller) -> CommandResult:
    result = await run_command(room.desk, line, caller)
    msgspec.json.decode(view.encode(result.data))
    return result


def drawn(result: CommandResult, width: int = 80) -> list[str]:
    """As a terminal of that width shows it."""
    out = io.StringIO()
    Console(file=out, width=width, highlight=False, no_color=True).print(result.renderable(), crop=False)
    return out.getvalue().rstrip("\n").split("\n")


# --- alerts ----------------------------------------------------------------------------------------------------------


async def test_alerts_are_a_table_of_eighty_columns_with_both_times_and_the_lateness(
    room: Room, caller: Caller
) -> None:
    day_before = T0 - timedelta(days=1)
    await keep(
        room,
        [
            came(day_before, late_s=None, is_unreadable=True, verdict="denied"),
            came(late_s=20, verdict="denied", bot="second"),
            came(T0 + timedelta(seconds=1), late_s=0.8, dialect="TradersPost"),
        ],
    )
    result = await run(room, "alerts", caller)
    lines = drawn(result)
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["day", "CET", "CST", "bot", "what", "verdict", "late"]
    assert " ".join(lines[1].split()) == "Wed 11-18 15:30:01 08:30:01 default enter_long MNQ1! accepted 800 ms"
    assert lines[2].endswith("TradersPost buys 2 MNQZ6")
    assert lines[3].split()[-3:] == ["denied", "20", "s"]
    assert lines[3].startswith(" " * 11), "the day is said once"
    assert "TOO_OLD: the entry is 20 s past its age limit;" in lines[4]
    assert lines[6].split() == ["Tue", "11-17", "15:30:00", "08:30:00", "default", "unreadable", "denied", "–"]
    assert isinstance(result.data, list)
    assert [(row["late_ms"], row["dialect"]) for row in result.data] == [
        (800.0, "TradersPost"),
        (20000.0, "desk"),
        (None, None),
    ]


async def test_what_fired_in_the_senders_future_is_not_late(room: Room, caller: Caller) -> None:
    await keep(room, [came(late_s=-0.4)])
    result = await run(room, "alerts 1", caller)
    assert isinstance(result.data, list)
    assert result.data[0]["late_ms"] == 0


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("alerts", 3), ("alerts 1", 1), ("alerts bot=second", 1), ("alerts verdict=DENIED", 2), ("alerts 1 verdict=denied", 1),
        ("alerts bot=second verdict=denied", 1), ("alerts bot=second verdict=accepted", 0),
    ],
)  # fmt: skip
async def test_alerts_of_one_bot_or_one_verdict(room: Room, caller: Caller, line: str, found: int) -> None:
    await keep(room, [came(), came(verdict="denied"), came(verdict="denied", bot="second")])
    result = await run(room, line, caller)
    assert isinstance(result.data, list)
    assert len(result.data) == found
    assert (found == 0) == ("is like that" in result.text)


async def test_filtering_goes_on_behind_the_newest_page(room: Room, caller: Caller) -> None:
    old = came(T0 - timedelta(hours=5), bot="second")
    await keep(room, [old, *(came(T0 + timedelta(seconds=n)) for n in range(501))])
    result = await run(room, "alerts bot=second", caller)
    assert isinstance(result.data, list)
    assert [row["alert_id"] for row in result.data] == [old.cause]


@pytest.mark.parametrize(
    ("line", "says"),
    [("alerts verdict=great", "Verdicts: accepted"), ("alerts 0", "1 to 500"), ("alerts colour=red", "Options: bot=")],
)
async def test_a_filter_that_there_is_not_gets_the_choice(room: Room, caller: Caller, line: str, says: str) -> None:
    result = await run(room, line, caller)
    assert not result.ok
    assert says in result.text


# --- bots ------------------------------------------------------------------------------------------------------------


async def bots_of(room: Room) -> dict[str, BotView]:
    return {bot.name: bot for bot in await view_bots(room.desk)}


async def test_bots_tell_lateness_counts_and_the_newest_alert(room: Room, caller: Caller) -> None:
    room.clock.advance(60)
    yesterday = T0 - timedelta(days=1)
    await keep(
        room,
        [
            came(yesterday, late_s=90, verdict="denied"),
            *(came(T0 + timedelta(seconds=n), late_s=n, alert_version="7") for n in range(1, 20)),
            came(T0 + timedelta(seconds=30), late_s=None, verdict="denied"),
        ],
    )
    bot = (await bots_of(room))["default"]
    assert (bot.late_n, bot.late_p50_ms, bot.late_p95_ms) == (20, 10000, 19000)
    assert bot.today == {"accepted": 19, "denied": 1}
    assert bot.last_age_ms == 30_000
    assert bot.alert_version == "7"
    assert bot.burst == 16, "as far as the engine counts one alert"
    assert (bot.state, bot.size, bot.max_position, bot.symbols) == ("armed", 2, 4, ("MNQ",))
    result = await run(room, "bots", caller)
    lines = drawn(result)
    assert max(map(len, lines)) <= 80
    assert lines[1].split() == ["default", "armed", "MNQ", "2", "4", "30", "s", "10", "s", "19", "s", "16"]
    assert "account PAPER-50K" in result.text
    assert "more than 15 times in 3 minutes" in " ".join(result.text.split())


async def test_a_bot_without_an_alert_has_dashes_and_no_zero(room: Room, caller: Caller) -> None:
    bot = (await bots_of(room))["second"]
    assert (bot.last_at, bot.late_p50_ms, bot.alert_version, bot.today, bot.burst) == (None, None, None, {}, 0)
    assert "today no alert" in (await run(room, "bots", caller)).text


async def test_a_heartbeat_is_due_so_long_after_the_last_one(room: Room, caller: Caller) -> None:
    ctx = room.desk.context()
    window = Window(time(9, 30), time(15), frozenset({0, 4}), "America/New_York")
    bot = rooms.bot_config(heartbeat_s=3600.0, windows=(window,))
    room.desk.context = lambda: replace(ctx, bots={"default": bot})
    assert "no heartbeat yet" in (await run(room, "bots", caller)).text
    await keep(room, [came(alert=Alert(action=Action.HEARTBEAT))])
    assert (await bots_of(room))["default"].heartbeat_due == T0 + timedelta(hours=1)
    text = (await run(room, "bots", caller)).text
    assert "heartbeat due Wed 2026-11-18 16:30:00 CET" in text
    assert "09:30-15:00 Mon Fri America/New_York" in text
    room.clock.advance(3601)
    assert "(overdue)" in (await run(room, "bots", caller)).text
