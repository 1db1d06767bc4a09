"""How one order may change: every allowed transition with its reason, every other one refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.core.events import Outcome, OutcomeKind
from desk.core.ids import AccountId, CauseId, ClientOrderId, ContractId, GatewayOrderId
from desk.core.orders import OrderState, Role, TrackedOrder
from desk.core.words import OrderStatus, OrderType, Side, VenueOrder
from desk.orders import advance, leg_of, settle
from desk.orders.lifecycle import BACK, NEXT, state_of

NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)
ID, OTHER_ID = GatewayOrderId(5_000_000_001), GatewayOrderId(5_000_000_002)
S = OrderState

REASONS = {
    (S.SUBMITTED, S.UNKNOWN): "no clear reply",
    (S.SUBMITTED, S.ACCEPTED): "the reply",
    (S.SUBMITTED, S.SUSPENDED): "an event outran the reply",
    (S.SUBMITTED, S.WORKING): "an event outran the reply",
    (S.SUBMITTED, S.PARTIALLY_FILLED): "a fill outran the reply",
    (S.SUBMITTED, S.FILLED): "a fill outran the reply",
    (S.SUBMITTED, S.CANCELED): "cancelled by the venue at once",
    (S.SUBMITTED, S.EXPIRED): "surely not sent",
    (S.SUBMITTED, S.REJECTED): "refused",
    (S.UNKNOWN, S.SUBMITTED): "not there in two searches: sent again under the same tag",
    (S.UNKNOWN, S.ACCEPTED): "found",
    (S.UNKNOWN, S.SUSPENDED): "found",
    (S.UNKNOWN, S.WORKING): "found",
    (S.UNKNOWN, S.PARTIALLY_FILLED): "found",
    (S.UNKNOWN, S.FILLED): "found",
    (S.UNKNOWN, S.CANCELED): "found, over",
    (S.UNKNOWN, S.EXPIRED): "not found and too old",
    (S.UNKNOWN, S.REJECTED): "found, refused",
    (S.ACCEPTED, S.SUSPENDED): "a leg that waits for its entry",
    (S.ACCEPTED, S.WORKING): "open",
    (S.ACCEPTED, S.PARTIALLY_FILLED): "a fill",
    (S.ACCEPTED, S.FILLED): "a fill",
    (S.ACCEPTED, S.CANCELED): "cancelled",
    (S.ACCEPTED, S.EXPIRED): "end of its day",
    (S.ACCEPTED, S.REJECTED): "accepted, then rejected milliseconds later",
    (S.SUSPENDED, S.ACCEPTED): "wakes up",
    (S.SUSPENDED, S.WORKING): "wakes up",
    (S.SUSPENDED, S.PARTIALLY_FILLED): "wakes up and trades within one report",
    (S.SUSPENDED, S.FILLED): "wakes up and trades within one report",
    (S.SUSPENDED, S.CANCELED): "goes with its entry",
    (S.SUSPENDED, S.EXPIRED): "goes with its entry",
    (S.SUSPENDED, S.REJECTED): "the market ran through its price",
    (S.WORKING, S.PARTIALLY_FILLED): "a fill",
    (S.WORKING, S.FILLED): "a fill",
    (S.WORKING, S.CANCELED): "cancelled",
    (S.WORKING, S.EXPIRED): "end of its day",
    (S.WORKING, S.REJECTED): "rejected when triggered",
    (S.PARTIALLY_FILLED, S.PARTIALLY_FILLED): "another fill",
    (S.PARTIALLY_FILLED, S.FILLED): "the last fill",
    (S.PARTIALLY_FILLED, S.CANCELED): "the rest is cancelled",
    (S.PARTIALLY_FILLED, S.EXPIRED): "the rest expires",
    (S.CANCELED, S.PARTIALLY_FILLED): "cancel and fill crossed on the wire",
    (S.CANCELED, S.FILLED): "cancel and fill crossed on the wire",
    (S.EXPIRED, S.SUBMITTED): "surely not sent: sent again",
    (S.EXPIRED, S.ACCEPTED): "it arrived after all",
    (S.EXPIRED, S.SUSPENDED): "it arrived after all",
    (S.EXPIRED, S.WORKING): "it arrived after all",
    (S.EXPIRED, S.PARTIALLY_FILLED): "it arrived after all",
    (S.EXPIRED, S.FILLED): "it arrived after all",
    (S.EXPIRED, S.CANCELED): "it arrived after all and is over",
    (S.EXPIRED, S.REJECTED): "it arrived after all and was refused",
    (S.REJECTED, S.PARTIALLY_FILLED): "the refusal was of a repeated tag",
    (S.REJECTED, S.FILLED): "the refusal was of a repeated tag",
}
STATUS = {
    S.ACCEPTED: OrderStatus.PENDING,
    S.SUSPENDED: OrderStatus.SUSPENDED,
    S.WORKING: OrderStatus.OPEN,
    S.PARTIALLY_FILLED: OrderStatus.OPEN,
    S.FILLED: OrderStatus.FILLED,
    S.CANCELED: OrderStatus.CANCELLED,
    S.EXPIRED: OrderStatus.EXPIRED,
    S.REJECTED: OrderStatus.REJECTED,
}


def order(state: OrderState, gateway_order_id: GatewayOrderId | None = ID) -> TrackedOrder:
    return TrackedOrder(
        client_order_id=ClientOrderId("dsk-1"),
        cause=CauseId("c"),
        account_id=AccountId(1),
        contract_id=ContractId("CON.F.US.MNQ.Z26"),
        role=Role.ENTRY,
        type=OrderType.MARKET,
        side=Side.BUY,
        qty=2,
        state=state,
        gateway_order_id=gateway_order_id,
        filled_qty=1 if state is S.PARTIALLY_FILLED else 0,
        submitted_at=NOW,
        updated_at=NOW,
    )


def report(state: OrderState, gateway_order_id: GatewayOrderId = ID, tag: str = "dsk-1") -> VenueOrder:
    return VenueOrder(
        gateway_order_id=gateway_order_id,
        account_id=AccountId(1),
        contract_id=ContractId("CON.F.US.MNQ.Z26"),
        status=STATUS[state],
        type=OrderType.MARKET,
        side=Side.BUY,
        qty=2,
        filled_qty={S.PARTIALLY_FILLED: 1, S.FILLED: 2}.get(state, 0),
        tag=ClientOrderId(tag),
        created_at=NOW,
    )


def test_the_table_holds_exactly_the_transitions_that_have_a_reason() -> None:
    assert {(before, after) for before, allowed in NEXT.items() for after in allowed} == set(REASONS)


@pytest.mark.parametrize("before", S)
@pytest.mark.parametrize("after", STATUS)
def test_a_report_moves_an_order_only_along_the_table(before: OrderState, after: OrderState) -> None:
    moved = advance(order(before), report(after), NOW)
    if before is after:
        assert moved is None or moved.state is before
    elif (before, after) in REASONS:
        assert moved is not None
        assert moved.state is after
    else:
        assert moved is None, "old news"


@pytest.mark.parametrize("kind", OutcomeKind)
@pytest.mark.parametrize("before", S)
def test_a_reply_settles_only_what_is_an_open_question(before: OrderState, kind: OutcomeKind) -> None:
    moved = settle(order(before, None), Outcome(kind=kind, gateway_order_id=ID), NOW)
    assert moved is not None, "it brings the gateway's id at least"
    assert moved.gateway_order_id == ID
    if not before.is_unsettled:
        assert moved.state is before


@pytest.mark.parametrize("after", STATUS)
@pytest.mark.parametrize("before", [S.CANCELED, S.FILLED, S.REJECTED])
def test_only_a_younger_read_brings_back_what_was_thought_cancelled(before: OrderState, after: OrderState) -> None:
    late = NOW + timedelta(seconds=2)
    is_back = before is S.CANCELED and not after.is_over
    for as_of, may in ((NOW, True), (NOW - timedelta(seconds=1), False), (None, False)):
        moved = advance(order(before), report(after), late, as_of)
        if (before, after) in REASONS or before is after:
            continue
        assert (moved is not None) is (is_back and may)
    assert {state for allowed in BACK.values() for state in allowed} == {
        s for s in S if not s.is_over and not s.is_unsettled
    }


def test_a_status_outside_the_table_tells_nothing() -> None:
    for status in (OrderStatus.NONE, OrderStatus.UNKNOWN):
        assert state_of(msgspec.structs.replace(report(S.WORKING), status=status)) is None


def test_a_refused_repeat_changes_nothing_of_the_order_that_lives() -> None:
    assert advance(order(S.WORKING), report(S.REJECTED, OTHER_ID), NOW) is None


def test_when_the_repeat_was_the_known_one_the_living_order_takes_its_place() -> None:
    moved = advance(order(S.REJECTED), report(S.WORKING, OTHER_ID), NOW)
    assert moved is not None
    assert (moved.state, moved.gateway_order_id) == (S.WORKING, OTHER_ID)


@pytest.mark.parametrize("reports", list(permutations([S.ACCEPTED, S.WORKING, S.PARTIALLY_FILLED, S.FILLED])))
def test_reports_in_any_order_end_filled(reports: tuple[OrderState, ...]) -> None:
    known = order(S.SUBMITTED, None)
    for state in (*reports, *reports):
        known = advance(known, report(state), NOW) or known
    assert (known.state, known.filled_qty) == (S.FILLED, 2)


@given(st.lists(st.sampled_from(list(STATUS)), max_size=12))
def test_a_filled_quantity_never_shrinks_and_a_fill_is_final(states: list[OrderState]) -> None:
    known = order(S.SUBMITTED, None)
    for state in states:
        after = advance(known, report(state), NOW) or known
        assert after.filled_qty >= known.filled_qty
        assert known.state is not S.FILLED or after.state is S.FILLED
        known = after


def test_a_leg_is_known_by_its_tag_and_nothing_else_is() -> None:
    entry = order(S.ACCEPTED)
    stop = leg_of(entry, report(S.SUSPENDED, OTHER_ID, "dsk-1-SL"), NOW)
    assert stop is not None
    assert (stop.role, stop.parent) == (Role.STOP, entry.client_order_id)
    assert leg_of(entry, report(S.SUSPENDED, OTHER_ID, "dsk-1-XX"), NOW) is None
    assert leg_of(entry, msgspec.structs.replace(report(S.SUSPENDED), tag=None), NOW) is None
