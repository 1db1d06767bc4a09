"""A message that replaces what is held, where the bot may not open: nothing is closed for an entry that cannot be had."""

from __future__ import annotations

from desk.core.alert import AlertPolicy
from desk.core.events import BotCommanded
from desk.core.records import VerdictKind
from desk.core.switches import Switch
from tests.engine.test_world import calm, ready
from tests.engine.world import PLACE, enter


def test_a_stopped_bot_keeps_what_a_message_would_replace() -> None:
    world = ready()
    world.alert(enter())
    held = calm(world).venue.qty(PLACE)
    assert held
    stop = BotCommanded(cause=world.new_cause(), bot="default", switch=Switch.PAUSE, by="console", ts=world.now)
    world.give(stop)
    verdict = world.alert(enter(policy=AlertPolicy(same="replace")))
    assert (verdict.kind, verdict.reason) == (VerdictKind.DENIED, "PAUSED")
    assert calm(world).venue.qty(PLACE) == held
