"""What a bot was told about when it may open. Exits are asked nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desk.bots.config import Window
from desk.core.alert import (
    Action,
    Alert,
    AlertOrder,
    AlertPolicy,
    AlertPosition,
    AlertQty,
    Distance,
    PositionSide,
    StopSpec,
    TargetSpec,
    Unit,
)
from desk.core.events import BotCommanded
from desk.core.orders import Role
from desk.core.records import AlertDecided, Verdict, VerdictKind
from desk.core.switches import Switch
from tests.engine.test_signals_order import incidents, sent
from tests.engine.test_world import calm, ready
from tests.engine.world import PLACE, World, enter, exit_, with_bot

ACCEPTED, DENIED, IGNORED = VerdictKind.ACCEPTED, VerdictKind.DENIED, VerdictKind.IGNORED


def command(world: World, switch: Switch, bot: str = "default") -> Verdict:
    verdict = world.give(BotCommanded(cause=world.new_cause(), bot=bot, switch=switch, by="console", ts=world.now))
    assert verdict is not None
    return verdict


def said(world: World, action: Action, **more: Any) -> Verdict:
    return world.alert(Alert(action=action, **more))


# -- stopped ------------------------------------------------------------------------------------------------------------


def by_message(world: World) -> Verdict:
    return said(world, Action.PAUSE, comment="news")


def by_pause(world: World) -> Verdict:
    return command(world, Switch.PAUSE)


def by_disarm(world: World) -> Verdict:
    return command(world, Switch.DISARM)


@pytest.mark.parametrize(("stop", "reason"), [(by_message, "PAUSED"), (by_pause, "PAUSED"), (by_disarm, "DISARMED")])
@pytest.mark.parametrize("is_killed", [False, True])
def test_a_stopped_bot_exits_and_does_not_enter(stop: Callable[[World], Verdict], reason: str, is_killed: bool) -> None:
    world = ready()
    world.alert(enter())
    world.run(3)
    assert stop(world).kind is ACCEPTED
    if is_killed:
        world.kill()
        world.run(3)
    reversal = world.alert(sent(2, -1))
    assert reversal.kind is ACCEPTED
    assert reason in reversal.warnings[-1], "closing only"
    assert calm(world).venue.qty(PLACE) == 0
    for message in (enter(), enter("enter_short"), sent(-1, 1), Alert(action=Action.ADD, symbol="MNQ1!")):
        verdict = world.alert(message)
        assert verdict.kind is DENIED
        assert verdict.reason in {reason, "REQUIRED_POSITION"}
    assert world.entries()[1:] == []


@pytest.mark.parametrize(
    ("stop", "lifted_by"),
    [(by_message, {"message", "resume", "arm"}), (by_pause, {"resume", "arm"}), (by_disarm, {"arm"})],
)
@pytest.mark.parametrize("how", ["message", "resume", "arm"])
def test_who_may_start_what_was_stopped(stop: Callable[[World], Verdict], lifted_by: set[str], how: str) -> None:
    """A message may only tighten: it takes back its own pause and nothing else."""
    world = ready()
    stop(world)
    verdict = said(world, Action.RESUME) if how == "message" else command(world, Switch(how))
    is_free = how in lifted_by
    assert (verdict.kind is ACCEPTED) is is_free
    assert (world.alert(enter()).kind is ACCEPTED) is is_free


def test_a_messages_pause_does_not_replace_a_persons() -> None:
    world = ready()
    by_pause(world)
    assert by_message(world).kind is IGNORED
    assert said(world, Action.RESUME).kind is DENIED
    assert world.alert(enter()).reason == "PAUSED"


def test_a_persons_pause_replaces_a_messages() -> None:
    world = ready()
    by_message(world)
    assert by_pause(world).kind is ACCEPTED
    assert said(world, Action.RESUME).kind is DENIED
    assert command(world, Switch.PAUSE).kind is IGNORED


def test_stopping_a_bot_says_what_stays_of_it() -> None:
    world = ready()
    world.alert(enter(order=AlertOrder(type="limit", price=Decimal(19000))))
    world.run(3)
    assert "1 entries in its account are under way, rest or wait" in by_disarm(world).text
    assert len(world.resting()) == 1


@pytest.mark.parametrize("on_gap", ["reduce_only", "halt_bot"])
def test_a_person_ends_what_a_gap_began(on_gap: Any) -> None:
    world = ready(bot=with_bot(on_gap=on_gap))
    world.alert(sent(0, 1))
    world.run(12)
    world.alert(sent(2, -1))
    world.run(3)
    assert world.state.bot("default").only_reduces == ("MNQ",)
    assert said(world, Action.RESUME).kind is not ACCEPTED
    assert command(world, Switch.RESUME).kind is ACCEPTED
    assert world.state.bot("default").only_reduces == ()
    assert world.alert(sent(-1, -2)).kind is ACCEPTED


def test_what_is_so_already_is_said_and_not_journalled() -> None:
    world = ready()
    before = len(world.journal)
    for switch in (Switch.ARM, Switch.RESUME):
        assert command(world, switch).reason == "ALREADY_THERE"
    unknown = command(world, Switch.PAUSE, "nobody")
    assert (unknown.kind, unknown.reason) == (DENIED, "UNKNOWN_BOT")
    assert "there are: default" in unknown.text
    assert len(world.journal) == before
    assert said(world, Action.RESUME).kind is IGNORED


def test_a_disarmed_bot_says_which_command_starts_it() -> None:
    world = ready()
    by_disarm(world)
    assert "arm default" in command(world, Switch.RESUME).text
    assert "arm default" in world.alert(enter()).text


def test_a_dry_run_pauses_nothing() -> None:
    world = ready()
    assert said(world, Action.PAUSE, dry_run=True).kind is VerdictKind.WOULD_SEND
    assert world.alert(enter()).kind is ACCEPTED


def test_an_entry_that_waited_while_the_bot_was_paused_is_denied() -> None:
    world = ready()
    world.hub(False)
    held = world.alert(enter())
    by_message(world)
    world.hub(True)
    assert held.kind is VerdictKind.HELD
    assert calm(world).entries() == []


# -- when ---------------------------------------------------------------------------------------------------------------

DAY = Window(start=time(8, 30), end=time(15))


def test_outside_its_windows_a_bot_exits_and_does_not_enter() -> None:
    world = ready()  # 12:00 UTC, 06:00 in Chicago
    world.alert(enter())
    world.run(3)
    world.bot = with_bot(windows=(DAY,))
    assert world.alert(exit_()).kind is ACCEPTED
    calm(world)
    verdict = world.alert(enter())
    assert (verdict.kind, verdict.reason) == (DENIED, "OUTSIDE_WINDOW")
    assert "opens Wed 2026-11-18 08:30 America/Chicago" in verdict.text


def test_a_reversal_outside_the_windows_only_closes() -> None:
    world = ready()
    world.alert(enter())
    world.run(3)
    world.bot = with_bot(windows=(DAY,))
    assert "OUTSIDE_WINDOW" in world.alert(sent(2, -2)).warnings[-1]
    assert calm(world).venue.qty(PLACE) == 0


def test_an_entry_that_was_held_until_its_window_closed_is_late() -> None:
    world = ready(bot=with_bot(windows=(Window(start=time(), end=time(6, 0, 10)),)))
    world.hub(False)
    assert world.alert(enter()).kind is VerdictKind.HELD, "six in the morning in Chicago, and it is open"
    world.run(8)
    world.hub(True)
    assert calm(world).entries() == []
    assert [r.verdict.reason for r in world.journal if isinstance(r, AlertDecided)] == ["OUTSIDE_WINDOW"]


def test_a_zone_that_nobody_knows_opens_nothing() -> None:
    world = ready(bot=with_bot(windows=(Window(start=time(0), end=time(0), zone="Mars/Base"),)))
    assert world.alert(enter()).reason == "OUTSIDE_WINDOW"


def test_a_repeated_entry_is_ignored_while_its_position_is_held() -> None:
    world = ready(bot=with_bot(debounce_s=60, same="add", max_position=4))
    assert world.alert(enter()).kind is ACCEPTED
    world.run(30)
    verdict = world.alert(enter())
    assert (verdict.kind, verdict.reason) == (IGNORED, "DEBOUNCED")
    world.run(31)
    assert world.alert(enter()).kind is ACCEPTED


@pytest.mark.parametrize("same", ["add", "replace"])
@pytest.mark.parametrize("is_of_bot", [True, False])
def test_an_entry_that_would_add_or_replace_is_a_repeat_whoever_says_so(is_of_bot: bool, same: Any) -> None:
    """Whatever a template says stands in its repeat, too."""
    world = ready(bot=with_bot(debounce_s=60, max_position=4, **({"same": same} if is_of_bot else {})))
    world.alert(enter())
    world.run(3)
    policy = AlertPolicy(same=None if is_of_bot else same)
    assert world.alert(enter(policy=policy)).reason == "DEBOUNCED"
    assert calm(world).venue.qty(PLACE) == 2


def test_the_action_add_is_no_repeat() -> None:
    world = ready(bot=with_bot(debounce_s=300, max_position=4))
    world.alert(enter())
    world.run(3)
    assert world.alert(enter("add")).kind is ACCEPTED
    assert calm(world).venue.qty(PLACE) == 4


def test_a_repeat_is_carried_out_when_the_position_is_gone() -> None:
    world = ready(bot=with_bot(debounce_s=60))
    world.alert(enter())
    world.run(2)
    world.trade(world.leg(Role.STOP).gateway_order_id)
    world.run(3)
    assert world.alert(enter()).kind is ACCEPTED


@pytest.mark.parametrize("how", [Role.STOP, Role.TARGET, None])
def test_after_an_exit_the_bot_waits_whatever_ended_the_position(how: Role | None) -> None:
    world = ready(bot=with_bot(cooldown_s=30))
    world.alert(enter())
    world.run(2)
    if how is None:
        world.alert(exit_())
    else:
        world.trade(world.leg(how).gateway_order_id)
    world.run(5)
    world.kill()
    world.run(3)
    verdict = world.alert(enter("enter_short"))
    assert (verdict.kind, verdict.reason) == (DENIED, "COOLDOWN")
    world.run(30)
    assert world.alert(enter("enter_short")).kind is ACCEPTED


def test_a_reversal_of_a_bot_that_waits_after_exits_only_closes() -> None:
    world = ready(bot=with_bot(cooldown_s=30))
    world.alert(enter())
    world.run(2)
    assert "COOLDOWN" in world.alert(sent(2, -2)).warnings[-1]
    assert calm(world).venue.qty(PLACE) == 0


def test_more_entries_in_a_minute_than_the_bot_may_are_refused() -> None:
    world = ready(bot=with_bot(entries_per_minute=2))
    for _ in range(2):
        assert world.alert(enter()).kind is ACCEPTED
        world.run(5)
        assert world.alert(exit_()).kind is ACCEPTED
        world.run(5)
    verdict = world.alert(enter())
    assert (verdict.kind, verdict.reason) == (DENIED, "TOO_MANY_ENTRIES")
    world.run(45)
    assert world.alert(enter()).kind is ACCEPTED


@pytest.mark.parametrize(
    ("age_s", "max_age_s", "kind"),
    [(10, None, ACCEPTED), (20, None, DENIED), (10, 5, DENIED), (4, 99, ACCEPTED), (20, 99, DENIED)],
)
def test_late_entries_are_refused_and_a_message_only_tightens(
    age_s: int, max_age_s: int | None, kind: VerdictKind
) -> None:
    world = ready()
    policy = AlertPolicy(max_age_s=None if max_age_s is None else Decimal(max_age_s))
    assert world.alert(enter(fired_at=world.now - timedelta(seconds=age_s), policy=policy)).kind is kind


# -- where --------------------------------------------------------------------------------------------------------------


def at_price(**more: Any) -> Alert:
    return enter(**more)


@pytest.mark.parametrize(
    "message",
    [
        at_price(price=Decimal(20300)),
        at_price(order=AlertOrder(type="limit", price=Decimal(19700))),
        at_price(order=AlertOrder(type="stop", stop_price=Decimal(20300))),
        Alert(
            action=Action.ENTER_LONG,
            symbol="MNQ1!",
            stop=StopSpec(distance=Distance(unit=Unit.PRICE, value=Decimal(19700))),
        ),
        Alert(
            action=Action.ENTER_LONG,
            symbol="MNQ1!",
            stop=StopSpec(distance=Distance(unit=Unit.POINTS, value=Decimal(20))),
            targets=(TargetSpec(distance=Distance(unit=Unit.PRICE, value=Decimal(20300))),),
        ),
    ],
)
def test_a_price_too_far_from_the_market_is_refused_with_both(message: Alert) -> None:
    world = ready(bot=with_bot(price_bound_pct=Decimal(1)))
    world.price(20000, bid=20000, ask=Decimal("20000.25"))
    verdict = world.alert(message)
    assert (verdict.kind, verdict.reason) == (DENIED, "PRICE_BOUND")
    assert "20000" in verdict.text
    assert "1.50 per cent" in verdict.text


def test_a_price_within_the_bound_is_taken_and_none_needs_no_quote() -> None:
    world = ready(bot=with_bot(price_bound_pct=Decimal(1), max_position=9))
    unquoted = world.alert(enter(price=Decimal(20000)))
    assert (unquoted.kind, unquoted.reason) == (VerdictKind.HELD, "NO_QUOTE")
    world.run(3)
    world.price(20000)
    assert world.alert(enter(price=Decimal(20150))).kind is ACCEPTED
    world.run(5)
    assert world.alert(exit_()).kind is ACCEPTED
    calm(world)
    assert world.alert(enter()).kind is ACCEPTED


@pytest.mark.parametrize("price", [1, 20300])
def test_an_exit_is_asked_for_no_price(price: int) -> None:
    world = ready(bot=with_bot(price_bound_pct=Decimal(1)))
    world.alert(enter())
    world.run(3)
    assert world.alert(Alert(action=Action.EXIT, symbol="MNQ1!", price=Decimal(price))).kind is ACCEPTED


@pytest.mark.parametrize(
    ("bot", "message", "contract", "reason"),
    [
        ("follow_gateway", None, "MNQH2027", ""),
        ("follow_gateway", None, "MNQZ2026", ""),
        ("follow_gateway", "reject", "MNQH2027", "CONTRACT_MISMATCH"),
        ("follow_gateway", "require_match", "MNQH2027", "CONTRACT_MISMATCH"),
        ("reject", None, "MNQH2027", "CONTRACT_MISMATCH"),
        ("reject", "follow_gateway", "MNQH2027", "CONTRACT_MISMATCH"),
        ("reject", None, "MNQZ6", ""),
        ("reject", None, None, ""),
        ("reject", None, "MNQ1!", ""),
        ("require_match", None, "MNQZ2026", ""),
        ("require_match", None, None, "CONTRACT_MISMATCH"),
        ("require_match", "reject", None, "CONTRACT_MISMATCH"),
        ("reject", None, "MESZ2026", "CONTRACT_MISMATCH"),
        ("reject", None, "nonsense", "CONTRACT_MISMATCH"),
    ],
)
def test_the_charts_contract_against_the_gateways(
    bot: Any, message: str | None, contract: str | None, reason: str
) -> None:
    world = ready(bot=with_bot(contract_policy=bot))
    verdict = world.alert(enter(contract=contract, policy=AlertPolicy(contract=message)))
    assert verdict.reason == reason, verdict.text
    told = [*verdict.warnings, verdict.text]
    is_next = contract == "MNQH2027"
    assert any("TradingView chart is on H27, Gateway trades Z26" in text for text in told) is is_next


# -- whatever is sent ---------------------------------------------------------------------------------------------------

SIZES = st.integers(0, 4)
MESSAGES = st.one_of(
    st.builds(
        lambda action, size, opposite, same: Alert(
            action=action,
            symbol="MNQ1!",
            qty=AlertQty(mode="contracts", value=Decimal(size)) if size else AlertQty(),
            stop=StopSpec(distance=Distance(unit=Unit.POINTS, value=Decimal(20))),
            policy=AlertPolicy(opposite=opposite, same=same),
        ),
        st.sampled_from(list(Action)),
        SIZES,
        st.sampled_from([None, "reverse", "close_only"]),
        st.sampled_from([None, "add"]),
    ),
    st.builds(sent, st.integers(-3, 3), st.integers(-3, 3)),
    st.builds(lambda now, prev: sent(prev, now), st.integers(-3, 3), st.just(0)),
    st.builds(
        lambda side, size: Alert(
            action=Action.SET_POSITION,
            symbol="MNQZ6",
            position=AlertPosition(now=side, size=Decimal(size)),
            stop=StopSpec(distance=Distance(unit=Unit.POINTS, value=Decimal(20))),
        ),
        st.sampled_from([PositionSide.LONG, PositionSide.SHORT]),
        st.integers(1, 3),
    ),
)
STEPS = st.lists(st.tuples(MESSAGES, st.sampled_from([0.0, 0.0, 0.02, 0.3, 4.0]), st.integers(0, 9)), max_size=10)


@given(steps=STEPS, mode=st.sampled_from(["target", "difference"]), bare=st.sampled_from(["refuse", "entry"]))
@settings(max_examples=60, deadline=None)
def test_no_sequence_of_messages_opens_more_than_the_ceiling(steps: list[Any], mode: Any, bare: Any) -> None:
    """World.check holds what the venue held against the bot's ceiling after every event, check_quiet what is left."""
    world = ready(bot=with_bot(mode=mode, bare_side=bare, max_position=2, default_qty=1))
    for message, pause_s, luck in steps:
        world.alert(message)
        world.run(pause_s)
        if luck == 0:
            world.kill()
        elif luck == 1:
            world.hub(False)
            world.hub(True)
    assert calm(world).venue.most_held <= 2
    assert not world.state.held


def test_the_incident_of_a_gap_names_the_bot_and_both_pairs() -> None:
    world = ready()
    world.alert(sent(0, 2))
    world.run(11)
    world.alert(sent(1, 2))
    world.run(1)
    assert incidents(world, "signal.gap")[0].startswith("bot default, MNQ: a message was lost")
