"""Messages of one sender in any order of arrival: the same final position, never more than allowed, and gaps are told."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desk.core.alert import Action, Alert, AlertPolicy, AlertPosition, AlertQty, Distance, PositionSide, StopSpec, Unit
from desk.core.intents import Exit
from desk.core.records import AlertDecided, AlertJournalled, IncidentRaised, Verdict, VerdictKind
from desk.engine.alerts import rule
from desk.engine.rulings import Ruling
from tests.engine.test_world import calm, ready
from tests.engine.world import PLACE, World, with_bot

SIDE = {0: PositionSide.FLAT, 1: PositionSide.LONG, -1: PositionSide.SHORT}
STOP = StopSpec(distance=Distance(unit=Unit.TICKS, value=Decimal(80)))


def pair(size: int) -> tuple[PositionSide, Decimal]:
    return SIDE[(size > 0) - (size < 0)], Decimal(abs(size))


def sent(prev: int, now: int, fired_at: datetime | None = None, **more: Any) -> Alert:
    """A message of the strategy template: both pairs, the order's side and its contracts."""
    (side, size), (prev_side, prev_size) = pair(now), pair(prev)
    return Alert(
        action=Action.BUY if now > prev else Action.SELL,
        symbol="CME_MINI:MNQ1!",
        fired_at=fired_at,
        position=AlertPosition(now=side, size=size, prev=prev_side, prev_size=prev_size),
        qty=AlertQty(mode="contracts", value=Decimal(abs(now - prev) or 1)),
        stop=STOP,
        **more,
    )


def incidents(world: World, kind: str) -> list[str]:
    return [r.text for r in world.journal if isinstance(r, IncidentRaised) and r.kind == kind]


def last_word(world: World, verdict: Verdict) -> Verdict:
    """What became of a message that may have waited."""
    if verdict.kind is not VerdictKind.HELD:
        return verdict
    waited = {r.cause for r in world.journal if isinstance(r, AlertJournalled) and r.verdict is verdict}
    return next(r.verdict for r in world.journal if isinstance(r, AlertDecided) and r.cause in waited)


# -- in one moment ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prev", [2, -2])
@pytest.mark.parametrize("goal", [2, -2, 1])
@pytest.mark.parametrize("is_swapped", [False, True])
@pytest.mark.parametrize("mode", ["target", "difference"])
def test_exit_and_entry_in_the_same_millisecond(prev: int, goal: int, is_swapped: bool, mode: Any) -> None:
    world = ready(bot=with_bot(mode=mode))
    world.alert(sent(0, prev, world.now))
    world.run(3)
    assert world.venue.qty(PLACE) == prev
    messages = [sent(prev, 0, world.now), sent(0, goal, world.now)]
    for message in reversed(messages) if is_swapped else messages:
        world.alert(message)
    assert calm(world).venue.qty(PLACE) == goal
    assert incidents(world, "signal.gap") == []
    assert world.venue.most_held <= 2


@pytest.mark.parametrize("is_timed", [True, False])
def test_an_exit_that_outran_its_entry_leaves_nothing(is_timed: bool) -> None:
    """The exit finds nothing and waits; when the entry comes, both are carried out in their order."""
    world = ready()
    fired_at = world.now if is_timed else None
    world.alert(sent(0, 0, fired_at))
    held = world.alert(sent(2, 0, fired_at))
    assert (held.kind, held.reason) == (VerdictKind.HELD, "OUT_OF_ORDER")
    world.run(0.1)
    world.alert(sent(0, 2, fired_at))
    assert calm(world).venue.qty(PLACE) == 0
    assert incidents(world, "signal.gap") == []


@pytest.mark.parametrize("is_timed", [True, False])
def test_an_entry_that_comes_after_the_window_of_its_exit_does_not_open(is_timed: bool) -> None:
    world = ready()
    fired_at = world.now if is_timed else None
    world.alert(sent(0, 0, fired_at))
    world.alert(sent(2, 0, fired_at))
    world.run(1)
    late = world.alert(sent(0, 2, fired_at))
    assert (late.kind, late.reason) == (VerdictKind.IGNORED, "SUPERSEDED")
    assert calm(world).venue.qty(PLACE) == 0
    assert len(incidents(world, "signal.gap")) == 1


def test_an_exit_never_waits_while_it_has_something_to_close() -> None:
    world = ready()
    world.alert(sent(0, 1, world.now))
    world.run(3)
    verdict = world.alert(sent(2, 0, world.now))  # the add in between is still on its way
    assert verdict.kind is VerdictKind.ACCEPTED
    assert incidents(world, "signal.gap") == [], "it may still come"
    world.run(0.1)
    assert world.alert(sent(1, 2, world.now - timedelta(seconds=0.1))).reason == "SUPERSEDED"
    assert calm(world).venue.qty(PLACE) == 0
    assert incidents(world, "signal.gap") == [], "it came within the window"


def test_what_never_came_is_told_also_behind_an_exit() -> None:
    world = ready()
    world.alert(sent(0, 1, world.now))
    world.run(3)
    world.alert(sent(2, 0, world.now))
    world.run(0.3)
    assert len(incidents(world, "signal.gap")) == 1
    assert calm(world).venue.qty(PLACE) == 0


def test_a_gap_is_told_although_the_process_died_meanwhile() -> None:
    world = ready()
    world.alert(sent(0, 1, world.now))
    world.run(3)
    world.alert(sent(2, 0, world.now))
    world.kill()
    world.run(70)
    assert len(incidents(world, "signal.gap")) == 1


def test_a_message_that_waits_is_decided_after_a_kill() -> None:
    world = ready()
    world.alert(sent(0, 2, world.now))
    world.run(3)
    assert world.alert(sent(0, -2, world.now)).reason == "OUT_OF_ORDER"
    world.kill()
    assert calm(world).venue.qty(PLACE) == -2
    assert len(incidents(world, "signal.gap")) == 1


def test_of_targets_that_waited_only_the_newest_is_carried_out() -> None:
    world = ready()
    world.alert(sent(0, 2, world.now))
    world.run(3)
    world.alert(sent(2, 0, world.now))
    waiting = [world.alert(sent(*step, world.now)) for step in ((0, 1), (1, 2))]
    assert [verdict.reason for verdict in waiting] == ["SETTLING", "SETTLING"]
    assert calm(world).venue.qty(PLACE) == 2
    assert [last_word(world, verdict).reason for verdict in waiting] == ["SUPERSEDED", ""]
    assert len(world.entries()) == 2


@pytest.mark.parametrize("action", [Action.EXIT, Action.FLATTEN, Action.FLATTEN_ALL])
def test_an_exit_takes_back_a_target_that_waits(action: Action) -> None:
    world = ready()
    world.alert(sent(0, 2, world.now))
    world.run(3)
    world.alert(sent(2, 0, world.now))
    waiting = world.alert(sent(0, 1, world.now))
    assert waiting.reason == "SETTLING"
    world.alert(Alert(action=action, symbol="CME_MINI:MNQ1!"))
    assert calm(world).venue.qty(PLACE) == 0
    assert last_word(world, waiting).reason == "EXIT_RUNNING"


@pytest.mark.parametrize("apart_s", [0, 2])
@pytest.mark.parametrize("is_known", [False, True])
def test_an_entry_whose_exit_came_while_both_waited_is_not_made(apart_s: int, is_known: bool) -> None:
    world = ready()
    if is_known:
        world.alert(sent(2, 0, world.now))
        world.run(1)
    world.hub(False)
    entry = world.alert(sent(0, 2, world.now))
    world.run(apart_s)
    world.alert(sent(2, 0, world.now))
    world.hub(True)
    assert calm(world).venue.qty(PLACE) == 0
    assert last_word(world, entry).reason == "EXIT_RUNNING"
    assert world.entries() == []


@pytest.mark.parametrize("is_timed", [False, True])
def test_many_that_wait_together_are_looked_at_together(is_timed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = Counter[str]()

    def counted(*args: Any) -> Ruling:
        looks["ruled"] += 1
        return rule(*args)

    monkeypatch.setattr("desk.engine.held.rule", counted)
    world = ready()
    world.is_checked = False
    world.hub(False)
    at = 0
    for goal in (1, 2, -1, 0) * 15 + (1, 2):
        world.alert(sent(at, goal, world.now if is_timed else None))
        at = goal
    world.hub(True)
    assert calm(world).venue.most_held <= 2
    assert looks["ruled"] < 62 * 20, "each timer of each of them looked at all of them"


@pytest.mark.parametrize("is_everything", [False, True])
def test_a_person_takes_back_a_target_that_waits(is_everything: bool) -> None:
    world = ready()
    world.alert(sent(0, 2, world.now))
    world.run(3)
    world.alert(sent(2, 0, world.now))
    assert world.alert(sent(0, 1, world.now)).reason == "SETTLING"
    world.flatten() if is_everything else world.command(Exit())
    assert calm(world).venue.qty(PLACE) == 0


# -- by time ------------------------------------------------------------------------------------------------------------


def test_an_older_target_is_not_carried_out_after_a_newer_one() -> None:
    world = ready()
    world.alert(sent(0, -2, world.now))
    world.run(3)
    verdict = world.alert(sent(0, 2, world.now - timedelta(seconds=8)))
    assert (verdict.kind, verdict.reason) == (VerdictKind.IGNORED, "SUPERSEDED")
    assert "newer message" in verdict.text
    assert calm(world).venue.qty(PLACE) == -2


def test_an_older_exit_does_not_close_what_the_newer_target_wants() -> None:
    world = ready()
    world.alert(sent(0, 2, world.now))
    world.run(3)
    assert world.alert(sent(2, 0, world.now - timedelta(seconds=8))).reason == "SUPERSEDED"
    assert calm(world).venue.qty(PLACE) == 2


def test_an_older_exit_closes_what_the_newer_target_does_not_want_either() -> None:
    """The newer one turned it round, and was refused: what the older one exits is still held."""
    world = ready(bot=with_bot(opposite="reject"))
    start = world.now
    world.alert(sent(0, 2, start))
    world.run(3)
    refused = world.alert(sent(0, -2, start + timedelta(seconds=3)))
    world.run(1)
    assert last_word(world, refused).reason == "OPPOSITE_POSITION"
    assert world.venue.qty(PLACE) == 2
    assert world.alert(sent(2, 0, start + timedelta(seconds=2))).kind is VerdictKind.ACCEPTED
    assert calm(world).venue.qty(PLACE) == 0


@pytest.mark.parametrize("action", [Action.EXIT, Action.EXIT_LONG, Action.FLATTEN])
def test_an_exit_by_its_action_knows_no_time(action: Action) -> None:
    world = ready()
    world.alert(sent(0, 2, world.now))
    world.run(3)
    late = Alert(action=action, symbol="MNQ1!", fired_at=world.now - timedelta(minutes=5))
    assert world.alert(late).kind is VerdictKind.ACCEPTED
    assert calm(world).venue.qty(PLACE) == 0


@pytest.mark.parametrize(
    ("newer", "older", "reason"),
    [
        (Action.EXIT, Action.ENTER_LONG, "SUPERSEDED"),
        (Action.ENTER_SHORT, Action.ENTER_LONG, "SUPERSEDED"),
        (Action.ENTER_LONG, Action.ENTER_LONG, ""),  # both agree: an add that was overtaken
        (Action.NOTE, Action.ENTER_LONG, ""),
        (Action.MOVE_STOP, Action.ENTER_LONG, ""),
    ],
)
def test_an_older_entry_by_its_action_does_not_undo_what_came_after_it(
    newer: Action, older: Action, reason: str
) -> None:
    world = ready(bot=with_bot(same="add", opposite="reverse", default_qty=1))
    world.alert(Alert(action=newer, symbol="MNQ1!", fired_at=world.now, stop=STOP))
    world.run(5)
    late = Alert(action=older, symbol="MNQ1!", fired_at=world.now - timedelta(seconds=8), stop=STOP)
    assert world.alert(late).reason == reason


def test_an_old_entry_after_a_newer_message_is_too_old() -> None:
    world = ready()
    world.alert(sent(2, 0, world.now))
    verdict = world.alert(sent(0, 2, world.now - timedelta(seconds=40)))
    assert (verdict.kind, verdict.reason) == (VerdictKind.DENIED, "TOO_OLD")


def test_a_clock_that_is_an_hour_ahead_orders_nothing() -> None:
    world = ready()
    world.alert(sent(2, 0, world.now + timedelta(hours=1)))
    world.alert(sent(0, 2, world.now))
    assert calm(world).venue.qty(PLACE) == 2


def test_the_bar_tells_the_order_where_nothing_else_does() -> None:
    world = ready()
    world.alert(sent(0, -2, None, bar_time=world.now))
    world.run(3)
    assert world.alert(sent(0, 2, None, bar_time=world.now - timedelta(minutes=5))).reason == "SUPERSEDED"


# -- gaps ---------------------------------------------------------------------------------------------------------------


def lost(on_gap: Any, message: str | None = None, mode: Any = "target") -> World:
    """Short 1, then a message is lost that went flat, and one comes that enters long 2."""
    world = ready(bot=with_bot(on_gap=on_gap, mode=mode))
    world.alert(sent(0, -1, world.now))
    world.run(5)
    world.alert(sent(0, 2, world.now, policy=AlertPolicy(on_gap=message)))
    return calm(world)


@pytest.mark.parametrize("mode", ["target", "difference"])
def test_following_the_target_is_right_after_a_lost_message(mode: Any) -> None:
    world = lost("follow_target", mode=mode)
    assert world.venue.qty(PLACE) == 2
    [text] = incidents(world, "signal.gap")
    assert "was short 1, the next one continues from flat" in text


@pytest.mark.parametrize(("bot", "message"), [("reduce_only", None), ("follow_target", "reduce_only")])
def test_only_reducing_lasts_until_the_sender_is_flat(bot: Any, message: Any) -> None:
    world = lost(bot, message)
    assert world.venue.qty(PLACE) == 0, "the old side goes"
    assert world.alert(sent(2, -1, world.now)).reason == "GAP"
    assert world.alert(sent(-1, 0, world.now)).reason == "NOTHING_TO_EXIT"
    assert world.alert(sent(0, 1, world.now)).kind is VerdictKind.ACCEPTED
    assert calm(world).venue.qty(PLACE) == 1


@pytest.mark.parametrize(
    ("bot", "message"), [("halt_bot", None), ("reduce_only", "halt_bot"), ("halt_bot", "follow_target")]
)
def test_a_halted_bot_exits_and_does_not_enter(bot: Any, message: Any) -> None:
    world = lost(bot, message)
    assert world.venue.qty(PLACE) == 0
    assert world.alert(sent(2, 0, world.now)).kind is VerdictKind.IGNORED
    verdict = world.alert(sent(0, 1, world.now))
    assert (verdict.kind, verdict.reason) == (VerdictKind.DENIED, "HALTED")
    world.kill()
    world.run(3)
    assert world.alert(sent(1, 0, world.now)).kind is VerdictKind.IGNORED
    assert world.alert(sent(0, 1, world.now)).reason == "HALTED", "kept over a restart"


def walk(dice: random.Random, length: int) -> list[int]:
    """Positions of a sender, without partial exits: those never open what a lost entry left out."""
    found: list[int] = []
    while len(found) < length:
        at, goal = found[-1] if found else 0, dice.choice([-2, -1, 0, 1, 2])
        if goal != at and not 0 < goal * at < at * at:
            found.append(goal)
    return found


@given(drop=st.integers(1, 7), seed=st.integers(0, 10_000), mode=st.sampled_from(["target", "difference"]))
@settings(max_examples=12, deadline=None)
def test_any_one_message_may_be_lost(drop: int, seed: int, mode: Any) -> None:
    world = ready(bot=with_bot(mode=mode), seed=seed)
    world.is_checked = False
    path, at = walk(random.Random(seed), 8), 0
    for number, goal in enumerate(path):
        if number != drop:
            world.alert(sent(at, goal, world.now))
            world.run(8)
            assert world.venue.qty(PLACE) == goal, "the next target after a lost message is right again"
        at = goal
    assert bool(incidents(world, "signal.gap")) == (drop < 7), "nobody misses the last one"


# -- any order ----------------------------------------------------------------------------------------------------------


def strategy(dice: random.Random, start: datetime) -> list[Alert]:
    """A run of messages, each in its own second, but exits with an entry in the same instant."""
    messages, at, fired_at = [], 0, start
    for _ in range(dice.randint(2, 4)):
        fired_at += timedelta(seconds=1)
        goal = dice.choice([size for size in (-2, -1, 0, 1, 2) if size != at])
        if at and goal and dice.random() < 0.6:
            messages += [sent(at, 0, fired_at), sent(0, goal, fired_at)]
        else:
            messages.append(sent(at, goal, fired_at))
        at = goal
    return messages


def deliver(world: World, messages: list[Alert], dice: random.Random, longest_s: float) -> int:
    """Over two connections, each in its own order and as slow as it likes. Returns the position that is meant."""
    lines: tuple[list[Alert], list[Alert]] = ([], [])
    for message in messages:
        dice.choice(lines).append(message)
    for line in lines:
        at_s = 0.0
        for message in line:
            at_s += dice.choice([0.0, 0.0, dice.uniform(0, 0.2), dice.uniform(0, longest_s)])  # 0.25 s is the window
            world.later(at_s, lambda message=message: world.alert(message))
    last = messages[-1].position
    assert last is not None
    assert last.now is not None
    assert last.size is not None
    return int(last.size) * {PositionSide.LONG: 1, PositionSide.SHORT: -1, PositionSide.FLAT: 0}[last.now]


def schedule(seed: int, longest_s: float = 0.8) -> tuple[int, int, int]:
    """(position, the one that is meant, most held)"""
    dice = random.Random(seed)
    world = ready(seed=seed)
    world.is_checked = False
    meant = deliver(world, strategy(dice, world.now - timedelta(seconds=6)), dice, longest_s)
    world.run(12)
    return world.venue.qty(PLACE), meant, world.venue.most_held


@pytest.mark.parametrize("part", range(10))
def test_a_thousand_schedules_of_two_connections_end_alike(part: int) -> None:
    wrong = []
    for seed in range(part * 100, part * 100 + 100):
        position, meant, most = schedule(seed)
        if position != meant or most > 2:
            wrong.append((seed, position, meant, most))
    assert not wrong, wrong


def paths(start: int, steps: int) -> list[list[int]]:
    """Every way of a sender through a few positions."""
    found = [[start]]
    for _ in range(steps):
        found = [[*path, goal] for path in found for goal in (0, 1, 2, -1) if goal != path[-1]]
    return found


def moment(path: list[int], arrivals: list[tuple[float, int]]) -> tuple[int, bool]:
    """(position, was told) after messages of one second, each so late; where the sender stood before was known."""
    world = ready()
    world.is_checked = False
    before = world.now - timedelta(seconds=5)
    world.alert(sent(0, path[0], before) if path[0] else sent(1, 0, before))
    world.run(3)
    fired_at = world.now
    for at_s, step in arrivals:
        message = sent(path[step], path[step + 1], fired_at)
        world.later(at_s, lambda message=message: world.alert(message))
    world.run(8)
    return world.venue.qty(PLACE), bool(incidents(world, "signal.gap"))


@pytest.mark.parametrize("start", [0, 2])
@pytest.mark.parametrize("steps", [2, 3])
def test_messages_of_one_second_outside_the_window_end_where_they_lead_or_flat_and_told(start: int, steps: int) -> None:
    """In every order. In the order in which they were sent, always where they lead."""
    wrong = []
    for path in paths(start, steps):
        for order in itertools.permutations(range(steps)):
            position, is_told = moment(path, [(0.4 * place, step) for place, step in enumerate(order)])
            is_right = position == path[-1]
            if not is_right and (position or not is_told or order == tuple(range(steps))):
                wrong.append((path, order, position, is_told))
    assert not wrong, wrong


@given(st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_however_late_each_message_of_one_second_is_nobody_holds_what_was_not_meant(dice: random.Random) -> None:
    path = dice.choice(paths(dice.choice([0, 1, 2, -1]), dice.randint(2, 5)))
    late = [(dice.choice([0.0, dice.uniform(0, 0.2), dice.uniform(0, 1.5)]), step) for step in range(len(path) - 1)]
    position, is_told = moment(path, late)
    assert position in {path[-1], 0}, (path, late, position)
    assert position == path[-1] or is_told or len(path) > 5, (path, late)


@given(st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_inside_the_window_two_messages_of_one_second_end_alike_in_either_order(dice: random.Random) -> None:
    path = dice.choice(paths(dice.choice([0, 1, 2, -1]), 2))
    late = [(dice.uniform(0, 0.2), step) for step in range(2)]
    assert moment(path, late) == (path[-1], False), (path, late)


@pytest.mark.parametrize("action", [Action.EXIT, Action.FLATTEN, Action.FLATTEN_ALL])
def test_an_exit_takes_back_an_entry_that_waits_for_the_one_in_between_also_when_both_waited(action: Action) -> None:
    """The account is read again meanwhile, and both are decided when it is."""
    world = ready()
    world.alert(sent(0, 2, world.now))
    world.run(3)
    world.hub(False)
    fired_at = world.now
    world.alert(sent(0, 1, fired_at))
    world.run(0.05)
    world.alert(Alert(action=action, symbol="CME_MINI:MNQ1!", fired_at=fired_at))
    world.hub(True)
    assert calm(world).venue.qty(PLACE) == 0
    assert not world.state.held


@pytest.mark.parametrize("is_read_meanwhile", [False, True])
@pytest.mark.parametrize(
    "message", [Alert(action=Action.EXIT, symbol="MNQ1!"), Alert(action=Action.CANCEL, symbol="MNQ1!")]
)
def test_a_dry_run_takes_nothing_back(message: Alert, is_read_meanwhile: bool) -> None:
    world = ready()
    world.alert(sent(0, 2, world.now))
    world.run(3)
    if is_read_meanwhile:
        world.hub(False)
    world.alert(sent(0, 1, world.now))
    world.alert(msgspec.structs.replace(message, dry_run=True))
    if is_read_meanwhile:
        world.hub(True)
    assert calm(world).venue.qty(PLACE) == 1


def test_an_exit_behind_an_entry_that_still_waits_is_not_lost() -> None:
    """In the order in which they were sent: the second entry waits for the first one, the exit comes before it is decided."""
    assert moment([0, 1, 2, 0], [(0.0, 0), (0.4, 1), (0.8, 2)]) == (0, False)


def test_where_the_order_is_unclear_no_more_is_held_than_either_reading_wants() -> None:
    late = [(0.0, 0), (0.0, 2), (0.14, 3), (0.89, 5), (0.91, 4), (1.1, 1)]
    position, is_told = moment([1, -2, 2, 1, 0, 2, 1], late)
    assert position in {1, 0}
    assert is_told


@pytest.mark.parametrize("is_timed", [True, False])
def test_what_fits_only_in_front_of_all_that_is_known_is_not_taken_for_late(is_timed: bool) -> None:
    """Short 1, then the message that turned it to long 2 is lost, and one comes that leaves long 1."""
    world = ready()
    fired_at = world.now if is_timed else None
    world.alert(sent(1, 0, fired_at))
    world.alert(sent(0, -1, fired_at))
    world.run(1)
    assert world.venue.qty(PLACE) == -1
    world.alert(sent(2, 1, fired_at))
    assert calm(world).venue.qty(PLACE) == 0
    assert len(incidents(world, "signal.gap")) == 1


PATH = (0, 1, 0, -2, 1)  # in, out and round in one instant, and round again


@pytest.mark.parametrize("apart_s", [0.0, 0.04])
def test_every_interleaving_of_two_connections_ends_alike(apart_s: float) -> None:
    """Each message on either connection, each connection in its own order: every order of arrival that can come of it."""
    wrong = []
    for order in arrivals(len(PATH) - 1):
        world = ready()
        world.is_checked = False
        start = world.now - timedelta(seconds=4)
        seconds = (0, 1, 1, 2)  # the exit and the entry behind it carry the same time
        steps = [sent(PATH[n], PATH[n + 1], start + timedelta(seconds=seconds[n])) for n in range(len(PATH) - 1)]
        for place, number in enumerate(order):
            world.later(place * apart_s, lambda to=world, message=steps[number]: to.alert(message))
        world.run(12)
        if world.venue.qty(PLACE) != PATH[-1] or world.venue.most_held > 2:
            wrong.append((order, world.venue.qty(PLACE), world.venue.most_held))
    assert not wrong, wrong


def arrivals(count: int) -> list[tuple[int, ...]]:
    """Orders in which ``count`` messages over two connections can arrive: merges of two rows that each ascend."""
    found = set()
    for lines in itertools.product((0, 1), repeat=count):
        rows = [[n for n in range(count) if lines[n] == line] for line in (0, 1)]
        for slots in itertools.combinations(range(count), len(rows[0])):
            left = [iter(row) for row in rows]
            found.add(tuple(next(left[0 if slot in slots else 1]) for slot in range(count)))
    return sorted(found)


def test_a_dry_run_is_no_word_about_where_the_sender_stands() -> None:
    world = ready(bot=with_bot(on_gap="halt_bot"))
    world.alert(sent(0, 2, world.now))
    world.run(3)
    assert world.alert(sent(0, 1, world.now, dry_run=True)).kind is VerdictKind.WOULD_SEND
    world.run(1)
    assert world.alert(sent(2, 0, world.now - timedelta(seconds=1.5))).kind is VerdictKind.ACCEPTED, "it left before"
    calm(world)
    assert world.venue.qty(PLACE) == 0
    assert incidents(world, "signal.gap") == []
    assert world.state.bot("default").stopped_by is None
