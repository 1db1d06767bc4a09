"""Requests are kept for getting flat: entries are denied in time, and only what protection waits for may use them."""

from __future__ import annotations

from dataclasses import replace

from desk.core.events import AlertReceived
from desk.core.ids import ContractId
from desk.core.records import VerdictKind
from desk.engine import Context, Decision, ReadAccount, decide, requests_to_flat
from desk.engine.draft import Draft
from tests.engine.test_scenarios import holding
from tests.engine.test_world import ready
from tests.engine.world import ACCOUNT, MNQ, World, enter


def decided(world: World, event: AlertReceived, left: int | None) -> Decision:
    context: Context = replace(world.context, requests_left=left)
    return decide(world.state, event, context)


def entry(world: World) -> AlertReceived:
    cause = world.new_cause()
    return AlertReceived(
        cause=cause, bot=world.bot.name, alert=enter(), problem=None, raw="", body_sha256=cause, dedupe_key=cause,
        dedupe_window_s=120, source="127.0.0.1", ts=world.now,
    )  # fmt: skip


def test_an_entry_needs_room_for_its_own_way_out() -> None:
    world = ready()
    for left, kind in ((None, VerdictKind.ACCEPTED), (11, VerdictKind.ACCEPTED), (10, VerdictKind.DENIED)):
        verdict = decided(world, entry(world), left).verdict
        assert verdict is not None
        assert verdict.kind is kind
    assert verdict.reason == "BUDGET_LOW"


def test_a_position_with_its_pair_needs_ten_requests() -> None:
    assert requests_to_flat(ready().state) == 0
    assert requests_to_flat(holding().state) == 10


def test_the_reads_of_an_exit_are_urgent_only_where_something_may_be_open() -> None:
    mes = ContractId("CON.F.US.MES.Z26")
    for world, where, is_urgent in (
        (holding(), MNQ.contract_id, True),
        (holding(), None, True),
        (holding(), mes, False),
        (ready(), MNQ.contract_id, False),
        (ready(), None, False),
    ):
        draft = Draft(world.state, world.context)
        draft.read(ACCOUNT, "exit:a", where)
        (read,) = draft.effects
        assert isinstance(read, ReadAccount)
        assert read.is_urgent is is_urgent


def test_the_reads_of_an_account_that_is_not_reconciled_are_urgent() -> None:
    world = ready()
    world.hub(False)
    draft = Draft(world.state, world.context)
    draft.read(ACCOUNT, "exit:a")
    assert isinstance(draft.effects[0], ReadAccount)
    assert draft.effects[0].is_urgent
