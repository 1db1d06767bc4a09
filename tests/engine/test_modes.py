"""Gaps, stopping, other accounts, shadow, and a journal that is down."""

from __future__ import annotations

from datetime import timedelta

import pytest

from desk.core.alert import Action, Alert
from desk.core.events import (
    FlattenRequested,
    HubChanged,
    OrderReported,
    Outcome,
    OutcomeKind,
    ReduceSettled,
    Stopping,
    SubmitSettled,
)
from desk.core.orders import Role
from desk.core.plans import ExitPlan, ExitStep
from desk.core.records import VerdictKind
from desk.core.words import OrderStatus
from desk.engine import Submit
from tests.engine.test_scenarios import holding
from tests.engine.test_world import calm, ready
from tests.engine.world import ACCOUNT, OTHER, PLACE, Faults, World, enter, exit_, opens, with_bot

# --- gaps, stops, accounts -------------------------------------------------------------------------------------------


def test_alerts_of_a_gap_are_held_and_then_decided_in_order() -> None:
    world = holding()
    world.hub(False)
    assert world.alert(enter("enter_short")).kind is VerdictKind.HELD
    assert world.alert(exit_()).kind is VerdictKind.HELD, "an earlier message of the bot waits"
    world.run(1)
    world.hub(True)
    world.run(10)
    assert calm(world).venue.qty(PLACE) == 0
    assert len(world.entries()) == 1


def test_an_exit_in_a_gap_runs_at_once_where_nothing_waits_before_it() -> None:
    world = holding()
    world.hub(False)
    assert world.alert(exit_()).kind is VerdictKind.ACCEPTED
    world.run(5)
    assert world.venue.qty(PLACE) == 0


def test_a_held_entry_is_not_taken_when_an_exit_or_a_flatten_came_after_it() -> None:
    world = ready()
    world.hub(False)
    world.alert(enter())
    world.alert(exit_())
    world.hub(True)
    assert calm(world).entries() == []
    world.hub(False)
    world.alert(enter("enter_short"))
    world.flatten()
    world.run(5)
    world.hub(True)
    assert calm(world).entries() == []


@pytest.mark.parametrize(
    ("symbol", "is_taken_back"),
    [("CME_MINI:MNQ1!", True), ("MNQ1!", True), ("MNQZ2026", True), (None, True), ("CME_MINI:MES1!", False)],
)
def test_a_held_entry_is_not_taken_when_a_cancel_came_after_it(symbol: str | None, is_taken_back: bool) -> None:
    world = ready()
    world.hub(False)
    world.alert(enter())
    world.alert(Alert(action=Action.CANCEL, symbol=symbol))
    world.hub(True)
    assert len(calm(world).entries()) == (0 if is_taken_back else 1)


def test_a_cancel_that_came_before_takes_nothing_back() -> None:
    world = ready()
    world.hub(False)
    world.alert(Alert(action=Action.CANCEL, symbol="CME_MINI:MNQ1!"))
    world.alert(enter())
    world.hub(True)
    assert len(calm(world).entries()) == 1


def flatten_symbol(world: World) -> list[str]:
    """The accounts on which an exit begins."""
    event = FlattenRequested(cause=world.new_cause(), account_id=None, contract_id=PLACE[1], by="console", ts=world.now)
    verdict = world.give(event)
    assert verdict is not None
    assert verdict.kind is VerdictKind.ACCEPTED
    return [plan_id.split(":")[2] for plan_id in (verdict.plan_id or "").split()]


def test_flattening_a_symbol_begins_only_where_something_is() -> None:
    world = holding(accounts=(ACCOUNT, OTHER))
    assert flatten_symbol(world) == [str(ACCOUNT)]
    assert calm(world).venue.qty(PLACE) == 0


def test_flattening_a_symbol_looks_everywhere_where_nothing_is_known() -> None:
    world = ready(accounts=(ACCOUNT, OTHER))
    assert flatten_symbol(world) == [str(ACCOUNT), str(OTHER)]
    calm(world)
    world = holding(accounts=(ACCOUNT, OTHER))
    world.hub(False)
    assert flatten_symbol(world) == [str(ACCOUNT), str(OTHER)], "nobody knows what is there"


def test_a_manual_entry_without_a_bot_is_sent_again_after_a_sure_no() -> None:
    world = ready(faults=Faults(not_sent=1), bot=with_bot(account_id=OTHER))
    fresh = world.now + timedelta(seconds=15)
    assert world.command(opens(max_position=2, fresh_until=fresh)).kind is VerdictKind.ACCEPTED
    world.run(0.5)
    world.faults = Faults()
    assert calm(world).venue.qty(PLACE) == 2


def test_a_held_entry_that_became_too_old_is_denied() -> None:
    world = ready()
    world.hub(False)
    world.alert(enter())
    world.run(20)
    world.hub(True)
    assert calm(world).entries() == []


def test_what_is_held_for_the_contract_list_is_decided_when_it_came() -> None:
    world = World(has_contracts=False)
    world.run(1)
    assert world.alert(enter()).kind is VerdictKind.HELD
    world.run(3)
    world.has_contracts = True
    world.run(3)
    assert calm(world).venue.qty(PLACE) == 2


def test_stopping_denies_entries_and_keeps_the_stops() -> None:
    world = holding()
    world.give(Stopping(reason="test", ts=world.now))
    world.run(2)
    assert world.venue.qty(PLACE) == 2
    assert world.leg(Role.STOP).status is OrderStatus.OPEN
    assert world.alert(enter()).kind is not VerdictKind.ACCEPTED
    world.alert(exit_())
    world.run(5)
    assert world.venue.qty(PLACE) == 0


def test_another_accounts_events_never_touch_this_one() -> None:
    world = holding(accounts=(ACCOUNT, OTHER))
    before = world.state.orders, world.state.positions
    for order in list(world.venue.orders.values()):
        copied = order.__class__(
            **{name: getattr(order, name) for name in order.__struct_fields__}
            | {"account_id": OTHER, "status": OrderStatus.CANCELLED, "gateway_order_id": order.gateway_order_id + 100}
        )
        world.give(OrderReported(order=copied, ts=world.now))
    assert (world.state.orders, world.state.positions) == before


def test_an_answer_to_a_plan_that_is_over_changes_nothing() -> None:
    world = holding()
    world.alert(exit_())
    world.run(10)
    before = world.state
    world.give(
        ReduceSettled(plan_id="exit:x", gateway_order_id=None, outcome=Outcome(kind=OutcomeKind.DONE), ts=world.now)
    )
    world.give(SubmitSettled(client_order_id="nobody", outcome=Outcome(kind=OutcomeKind.DONE), ts=world.now))
    assert world.state == before


# --- modes -----------------------------------------------------------------------------------------------------------


def test_shadow_decides_and_sends_nothing_whatever_it_finds() -> None:
    world = holding()
    world.alert(exit_())
    world.run(0.03)
    assert any(plan.step is ExitStep.CANCELLING for plan in world.state.plans.values() if isinstance(plan, ExitPlan))
    world.is_shadow = True
    world.kill()
    sent = len(world.sent)
    world.run(5)
    assert not world.state.plans
    assert world.alert(exit_()).kind is VerdictKind.WOULD_SEND
    assert world.flatten().kind is VerdictKind.WOULD_SEND
    assert len(world.sent) == sent


def test_while_the_journal_is_down_nothing_is_opened_and_exits_go_on() -> None:
    world = holding(faults=Faults(not_sent=0))
    world.is_journal_ok = False
    world.flatten()
    world.run(10)
    assert world.venue.qty(PLACE) == 0
    before = len(world.sent)
    assert world.alert(enter()).reason == "JOURNAL_DOWN"
    assert not any(isinstance(effect, Submit) for effect in world.sent[before:])


def test_a_dry_run_sends_nothing() -> None:
    world = ready()
    assert world.alert(enter(dry_run=True)).kind is VerdictKind.WOULD_SEND
    assert world.sent == []


def test_a_hub_that_comes_and_goes_keeps_one_watch_per_account() -> None:
    world = holding()
    for _ in range(50):
        world.give(HubChanged(is_up=False, reason="test", ts=world.now))
        world.hub(True)
        world.run(0.2)
    world.run(40)
    assert sum(count for key, count in world.pending.items() if key.startswith("watch:")) == 1
