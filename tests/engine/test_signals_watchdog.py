"""How alerts stop without telling you, and what is remembered of a bot: over restarts, and not for ever."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from desk.core.alert import Action, Alert, PositionSide
from desk.engine import State, fold
from desk.engine.bots import MOST_KEYS, NEW_BOT, BotState, tidied
from desk.engine.snapshot import decode_state, encode_state
from tests.engine import world as worlds
from tests.engine.test_signals_order import incidents, sent
from tests.engine.test_world import ready
from tests.engine.world import World, enter, exit_, with_bot

WEDNESDAY = datetime(2026, 11, 18, 15, tzinfo=UTC)  # 09:00 in Chicago
FRIDAY = datetime(2026, 11, 20, 21, 30, tzinfo=UTC)  # 15:30 in Chicago, half an hour before the week ends
HEARTBEAT = Alert(action=Action.HEARTBEAT)
HOUR = 3600


def at(monkeypatch: pytest.MonkeyPatch, start: datetime, **bot: Any) -> World:
    monkeypatch.setattr(worlds, "NOON", start)
    world = ready(bot=with_bot(**bot))
    world.is_checked = False
    return world


def memory(world: World) -> BotState:
    return world.state.bot("default")


# -- heartbeat ----------------------------------------------------------------------------------------------------------


def test_an_overdue_heartbeat_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    world = at(monkeypatch, WEDNESDAY, heartbeat_s=600)
    world.alert(HEARTBEAT)
    world.run(650)
    assert incidents(world, "bot.heartbeat_overdue") == []
    world.run(1200)
    [text] = incidents(world, "bot.heartbeat_overdue")
    assert "the last one came at 2026-11-18 15:00:03 UTC" in text
    world.kill()
    world.run(1200)
    assert len(incidents(world, "bot.heartbeat_overdue")) == 1, "once, over a restart, too"
    world.alert(HEARTBEAT)
    world.run(800)
    assert len(incidents(world, "bot.heartbeat_overdue")) == 2, "another silence"


def test_a_heartbeat_in_time_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    world = at(monkeypatch, WEDNESDAY, heartbeat_s=600)
    for _ in range(6):
        world.alert(HEARTBEAT)
        world.run(600)
    assert incidents(world, "bot.") == []
    assert memory(world).heartbeat_at is not None


def test_a_heartbeat_that_never_came_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    world = at(monkeypatch, WEDNESDAY, heartbeat_s=600)
    world.alert(enter())
    world.run(800)
    assert "none ever came" in incidents(world, "bot.heartbeat_overdue")[0]


def test_nothing_is_overdue_out_of_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """The week ends on Friday at 16:00 in Chicago; on Sunday at 17:00 the period begins anew."""
    world = at(monkeypatch, FRIDAY, heartbeat_s=HOUR)
    world.alert(HEARTBEAT)
    world.run(49.5 * HOUR)  # Sunday 17:00
    assert incidents(world, "bot.heartbeat_overdue") == []
    world.run(0.4 * HOUR)
    assert incidents(world, "bot.heartbeat_overdue") == [], "half an hour on Friday and less than half of one on Sunday"
    world.run(0.3 * HOUR)
    assert len(incidents(world, "bot.heartbeat_overdue")) == 1


def test_a_bot_whose_heartbeat_is_not_watched_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    world = at(monkeypatch, WEDNESDAY)
    world.alert(HEARTBEAT)
    world.run(24 * HOUR)
    assert incidents(world, "bot.heartbeat_overdue") == []


# -- too often, two versions --------------------------------------------------------------------------------------------


def fire(world: World, times: int, pause_s: float = 10, **more: Any) -> None:
    for _ in range(times):
        world.alert(Alert(action=Action.NOTE, symbol="MNQ1!", **more))
        world.run(pause_s)


def test_before_tradingview_stops_an_alert_a_person_is_warned_once() -> None:
    world = ready()
    fire(world, 9)
    assert incidents(world, "bot.too_many_triggers") == []
    fire(world, 7)
    [text] = incidents(world, "bot.too_many_triggers")
    assert "fired 10 times in 3 minutes" in text
    assert "MNQ" in text


def test_a_new_window_is_warned_of_again() -> None:
    world = ready()
    fire(world, 12)
    world.run(200)
    fire(world, 12)
    assert len(incidents(world, "bot.too_many_triggers")) == 2


def test_a_lasting_storm_is_warned_of_once_per_window() -> None:
    world = ready()
    fire(world, 36)  # six minutes
    assert len(incidents(world, "bot.too_many_triggers")) == 2


@pytest.mark.parametrize("field", ["alert_version", "comment", "interval"])
def test_each_alert_is_counted_by_itself(field: str) -> None:
    world = ready()
    for _ in range(9):
        fire(world, 1, 1, **{field: "5"})
        fire(world, 1, 1, **{field: "15"})
    assert incidents(world, "bot.too_many_triggers") == []


def test_slow_alerts_are_no_storm() -> None:
    world = ready()
    fire(world, 20, 21)
    assert incidents(world, "bot.too_many_triggers") == []


def test_repeats_and_unreadable_messages_count_too() -> None:
    """TradingView counts triggers, not what became of them."""
    world = ready()
    for _ in range(10):
        world.alert(enter(), key="same", body="same")
    assert len(incidents(world, "bot.too_many_triggers")) == 1


def test_two_versions_that_talk_at_once_are_told_once() -> None:
    world = ready()
    for version in ("6", "7", "6", "7"):
        world.alert(Alert(action=Action.NOTE, alert_version=version))
        world.run(30)
    [text] = incidents(world, "bot.two_versions")
    assert "alert_version 6 and 7 talk at once" in text
    assert memory(world).version == "7"


def test_a_new_version_after_ten_minutes_is_no_second_one() -> None:
    world = ready()
    world.alert(Alert(action=Action.NOTE, alert_version="6"))
    world.run(601)
    world.alert(Alert(action=Action.NOTE, alert_version="7"))
    assert incidents(world, "bot.two_versions") == []


# -- what is remembered -------------------------------------------------------------------------------------------------


def test_lateness_is_kept_for_percentiles() -> None:
    world = ready()
    assert memory(world).late_ms(50) is None
    for late_ms in (-300, 900, 1000, 1100, 45_000):
        world.alert(Alert(action=Action.NOTE, fired_at=world.now - timedelta(milliseconds=late_ms)))
    assert memory(world).lateness_ms == (-300, 900, 1000, 1100, 45_000)
    assert [memory(world).late_ms(share) for share in (0, 50, 95, 100)] == [-300, 1000, 1100, 45_000]
    for _ in range(300):
        world.alert(Alert(action=Action.NOTE, fired_at=world.now))
    assert len(memory(world).lateness_ms) == 100
    world.alert(Alert(action=Action.NOTE, fired_at=datetime(1, 1, 1, tzinfo=UTC)))
    assert memory(world).late_ms(100) == 86_400_000


def test_the_last_entry_of_each_side_is_remembered_over_a_restart() -> None:
    world = ready()
    world.alert(enter())
    entered_at = world.now
    world.run(5)
    world.alert(exit_())
    world.run(5)
    world.kill()
    assert memory(world).last_entry("MNQ", PositionSide.LONG) == entered_at
    assert memory(world).last_entry("MNQ", PositionSide.SHORT) is None


def test_every_spelling_of_a_symbol_is_one_sender() -> None:
    world = ready()
    for symbol in ("CME_MINI:MNQ1!", "MNQZ2026", "mnq", "nonsense"):
        world.alert(Alert(action=Action.EXIT, symbol=symbol))
    assert set(memory(world).signals) == {"MNQ", "nonsense"}


def test_the_memory_of_bots_is_in_the_journal_and_in_the_snapshot() -> None:
    world = ready()
    world.alert(enter(alert_version="7", fired_at=world.now, comment="breakout"))
    world.run(3)
    world.alert(sent(0, 1, world.now))
    world.alert(HEARTBEAT)
    world.alert(Alert(action=Action.PAUSE))
    assert fold(State(), world.journal) == world.state
    assert decode_state(encode_state(world.state)) == world.state
    assert memory(world).paused is not None
    assert memory(world).stopped_by is not None


def test_a_sender_cannot_fill_the_memory() -> None:
    world = ready()
    world.is_checked = False
    for number in range(120):
        world.alert(Alert(action=Action.EXIT, symbol=f"X{number}", comment=str(number), alert_version=str(number)))
    assert len(memory(world).triggers) <= MOST_KEYS
    assert len(memory(world).signals) <= MOST_KEYS
    assert len(memory(world).versions) <= MOST_KEYS
    assert len(encode_state(world.state)) < 400_000


def test_what_nothing_asks_for_any_more_is_forgotten() -> None:
    world = ready()
    world.alert(enter(alert_version="7", comment="x"))
    world.run(3)
    long_after = tidied(memory(world), world.now + timedelta(days=15))
    kept = {"seen_at", "version", "lateness_ms"}
    assert all(
        getattr(long_after, name) == getattr(NEW_BOT, name) for name in BotState.__struct_fields__ if name not in kept
    )


def test_a_bot_that_does_not_exist_leaves_no_memory() -> None:
    world = ready()
    world.alert(Alert(action=Action.EXIT, symbol="MNQ1!", bot="other"))
    assert len(world.state.bots) == 0
