"""The same message again, and how little of ten thousand messages remains."""

from __future__ import annotations

import pytest

from desk.core.alert import Action, Alert
from desk.core.records import VerdictKind
from desk.engine.snapshot import encode_state
from tests.engine.test_world import calm, ready
from tests.engine.world import PLACE, enter, exit_


@pytest.mark.parametrize("pause_s", [0, 5, 9.9])
def test_the_same_message_again_is_a_duplicate(pause_s: float) -> None:
    world = ready()
    first = world.alert(enter(), key="k", body="b", window_s=10)
    world.run(pause_s)
    again = world.alert(enter(), key="k", body="b", window_s=10)
    assert (first.kind, again.kind) == (VerdictKind.ACCEPTED, VerdictKind.DUPLICATE)
    assert len(calm(world).entries()) == 1


def test_a_duplicate_never_prolongs_the_window() -> None:
    world = ready()
    world.alert(exit_(), key="k", body="b", window_s=10)
    world.run(9)
    assert world.alert(exit_(), key="k", body="b", window_s=10).kind is VerdictKind.DUPLICATE
    world.run(1.1)
    assert world.alert(exit_(), key="k", body="b", window_s=10).kind is not VerdictKind.DUPLICATE


@pytest.mark.parametrize(("window_s", "lasts_s"), [(10, 10), (120, 120), (None, 7 * 86400)])
def test_each_kind_of_key_is_remembered_for_its_own_time(window_s: int | None, lasts_s: int) -> None:
    world = ready()
    world.alert(exit_(), key="k", body="b", window_s=window_s)
    world.run(lasts_s - 0.5)
    assert world.alert(exit_(), key="k", body="b", window_s=window_s).kind is VerdictKind.DUPLICATE
    world.run(0.5)
    assert world.alert(exit_(), key="k", body="b", window_s=window_s).kind is not VerdictKind.DUPLICATE


def test_the_same_sender_id_with_other_content_is_a_conflict_and_no_order() -> None:
    world = ready()
    world.alert(exit_(), key="id:1", body="one", window_s=None)
    verdict = world.alert(enter(), key="id:1", body="two", window_s=None)
    assert (verdict.kind, verdict.reason) == (VerdictKind.DENIED, "ID_CONFLICT")
    assert world.entries() == []


def test_a_repeat_after_a_kill_is_still_a_repeat() -> None:
    world = ready()
    world.alert(enter(), key="k", body="b")
    world.kill()
    assert world.alert(enter(), key="k", body="b").kind is VerdictKind.DUPLICATE
    assert len(calm(world).entries()) == 1


def test_a_repeat_of_a_held_message_is_a_duplicate() -> None:
    world = ready()
    world.hub(False)
    world.alert(enter(), key="k", body="b")
    assert world.alert(enter(), key="k", body="b").kind is VerdictKind.DUPLICATE
    world.hub(True)
    assert len(calm(world).entries()) == 1


def test_ten_thousand_messages_leave_a_small_state() -> None:
    world = ready()
    world.is_checked = False
    for number in range(10_000):
        world.alert(Alert(action=Action.NOTE), key=str(number), window_s=10)
        world.run(1)
    assert len(world.state.seen) < 1_000  # those of the last ten minutes, and then some
    assert len(encode_state(world.state)) < 300_000


def test_five_hundred_round_trips_leave_a_small_state() -> None:
    world = ready()
    world.is_checked = False
    for _ in range(250):
        world.alert(enter())
        world.run(60)
        world.alert(exit_())
        world.run(60)
        world.venue.pictures = world.venue.pictures[-1:]
        world.venue.orders = {key: order for key, order in world.venue.orders.items() if order.status.is_working}
        world.venue.fills = world.venue.fills[-4:]
    assert len(world.entries()) == 250
    assert len(world.state.orders) < 120
    assert len(world.state.by_gateway_id) < 120
    assert world.venue.qty(PLACE) == 0
