"""A guard announces a position without a stop when its time has come, and not before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from desk.core.ids import AccountId, CauseId, ContractId, GatewayOrderId
from desk.core.plans import ProtectPlan
from desk.core.words import OrderStatus, OrderType, Side, VenueOrder
from desk.orders import Reading, protect
from desk.orders.move import is_covered_by

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


def test_a_resting_entry_on_the_other_side_protects_nothing() -> None:
    """Cause: a buy stop that was an entry counted as the stop of a short position, which was left naked."""
    entry = VenueOrder(
        gateway_order_id=GatewayOrderId(1),
        account_id=AccountId(1),
        contract_id=ContractId("CON.F.US.MNQ.Z26"),
        status=OrderStatus.OPEN,
        type=OrderType.STOP,
        side=Side.BUY,
        qty=2,
        filled_qty=0,
        created_at=T0,
    )
    leg = msgspec.structs.replace(
        entry,
        gateway_order_id=GatewayOrderId(2),
        status=OrderStatus.SUSPENDED,
        side=Side.SELL,
        parent_id=GatewayOrderId(1),
    )
    assert is_covered_by((entry,), -1)
    assert not is_covered_by((entry, leg), -1)
    assert not is_covered_by((entry,), -1, (entry.gateway_order_id,)), "its legs are over, the rest of it still opens"
