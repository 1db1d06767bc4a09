"""A guard announces a position without a stop when its time has come, and not before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from desk.core.ids import AccountId, CauseId, ContractId
from desk.core.plans import ProtectPlan
from desk.orders import Reading, protect

T0 = datetime(2026, 11, 18, 14, 30, tzinfo=UTC)
NAKED = {"qty": 2, "working": (), "unseen": (), "is_settled": True}


def plan() -> ProtectPlan:
    begun = protect.begin(AccountId(1), ContractId("CON.F.US.MNQ.Z26"), CauseId("a"), T0).plan
    assert isinstance(begun, ProtectPlan)
    return begun


def test_a_read_before_the_confirming_time_announces_nothing_and_looks_again() -> None:
    early = T0 + timedelta(milliseconds=12)
    move = protect.on_snapshot(plan(), Reading(asked_at=early, **NAKED), early)
    assert move.incident is None
    assert move.plan == plan()
    assert move.timer is not None
    assert 1.9 < move.timer.delay_s < 2.0


def test_a_read_after_it_announces_the_naked_position() -> None:
    late = T0 + timedelta(seconds=2.1)
    move = protect.on_snapshot(plan(), Reading(asked_at=late, **NAKED), late)
    assert move.incident is not None
    assert move.incident[0] == "position.unprotected"


def test_two_naked_reads_and_five_seconds_close_the_position() -> None:
    first = protect.on_snapshot(plan(), Reading(asked_at=T0 + timedelta(seconds=3), **NAKED), T0 + timedelta(seconds=3))
    assert isinstance(first.plan, ProtectPlan)
    last = T0 + timedelta(seconds=5.1)
    assert protect.on_snapshot(first.plan, Reading(asked_at=last, **NAKED), last).result == protect.CLOSING
