"""What an alert is told besides its verdict, and what a plain text is told."""

from __future__ import annotations

from decimal import Decimal

import pytest

from desk.core.alert import Action, Alert, Distance, StopSpec, Unit
from desk.core.records import VerdictKind
from tests.engine.test_world import calm, ready


@pytest.mark.parametrize("is_up", [True, False])
def test_a_plain_text_is_ignored_and_told_so_at_once(is_up: bool) -> None:
    world = ready()
    world.hub(is_up)
    verdict = world.alert(Alert(action=Action.NOTE, comment="hello", is_text=True), key="t", body="t")
    assert (verdict.kind, verdict.reason) == (VerdictKind.IGNORED, "NO_ORDER")
    assert "nothing was done" in verdict.text
    note = world.alert(Alert(action=Action.NOTE, comment="hello"), key="n", body="n")
    assert (note.kind, note.reason) == (VerdictKind.ACCEPTED, "NOTED")


def test_what_rounding_changed_is_said_beside_the_verdict() -> None:
    world = ready()
    stop = StopSpec(distance=Distance(unit=Unit.POINTS, value=Decimal("20.1")))
    message = Alert(action=Action.ENTER_LONG, symbol="MNQ1!", stop=stop, warnings=("from the sender",))
    verdict = world.alert(message, key="k", body="b")
    assert verdict.kind is VerdictKind.ACCEPTED
    assert verdict.warnings == ("from the sender", "stop 20.1 points is 80 ticks (20.00 points)")
    assert len(calm(world).entries()) == 1
