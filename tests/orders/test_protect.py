"""A guard announces a position without a stop when its time has come, and not before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest

from desk.core.events import Outcome, OutcomeKind
from desk.core.ids import AccountId, CauseId, ClientOrderId, ContractId, GatewayOrderId
from desk.core.orders import OrderState, Role, TrackedOrder
from desk.core.plans import ProtectPlan
from desk.core.words import OrderStatus, OrderType, Side, VenueOrder
from desk.orders import Move, PlaceStop, Reading, protect
from desk.orders.move import Need, gap_seen
from desk.orders.protect import Level, Placed

T0 = datetime(2026, 11, 18, 14, 30, tzinfo=UTC)
NAKED = {"qty": 2, "working": (), "unseen": (), "is_settled": True}


def plan() -> ProtectPlan:
    begun = protect.begin(AccountId(1), ContractId("CON.F.US.MNQ.Z26"), CauseId("a"), T0).plan
    assert isinstance(begun, ProtectPlan)
    return begun


def test_a_read_before_the_confirming_time_announces_nothing_and_looks_again() -> None:
    early = T0 + timedelta(milliseconds=12)
    move = protect.on_snapshot(plan(), Reading(asked_at=early, **NAKED), Need(2), Level(), early)
    assert move.incident is None
    assert move.plan == plan()
    assert move.timer is not None
    assert 1.9 < move.timer.delay_s < 2.0


def test_a_read_after_it_announces_the_naked_position() -> None:
    late = T0 + timedelta(seconds=2.1)
    move = protect.on_snapshot(plan(), Reading(asked_at=late, **NAKED), Need(2), Level(), late)
    assert move.incident is not None
    assert move.incident[0] == "position.unprotected"


def test_two_naked_reads_and_five_seconds_close_the_position() -> None:
    soon = T0 + timedelta(seconds=3)
    first = protect.on_snapshot(plan(), Reading(asked_at=soon, **NAKED), Need(2), Level(), soon)
    assert isinstance(first.plan, ProtectPlan)
    last = T0 + timedelta(seconds=5.1)
    assert (
        protect.on_snapshot(first.plan, Reading(asked_at=last, **NAKED), Need(2), Level(), last).result
        == protect.CLOSING
    )


# --- a stop is placed for the gap ------------------------------------------------------------------------------------

LEVEL = Level(Decimal(19900))


def naked_since(seconds: float, placed: Placed | None = None, level: Level = LEVEL) -> Move:
    """The second naked read, so long after the start."""
    first = protect.on_snapshot(plan(), Reading(asked_at=at(2.1), **NAKED), Need(2), level, at(2.1))
    assert isinstance(first.plan, ProtectPlan)
    began = first.plan
    if placed is not None:
        fields = {name: getattr(began, name) for name in ProtectPlan.__struct_fields__}
        began = ProtectPlan(**fields | {"stop": placed.order.client_order_id})
    return protect.on_snapshot(began, Reading(asked_at=at(seconds), **NAKED), Need(2), level, at(seconds), placed)


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def tag_of(move: Move) -> str:
    (reducing,) = move.reducings
    assert isinstance(reducing.what, PlaceStop)
    return reducing.what.order.client_order_id


def stop(state: OrderState, number: int | None = None) -> TrackedOrder:
    tag = ClientOrderId(tag_of(naked_since(2.8)))
    return TrackedOrder(
        client_order_id=tag, cause=CauseId("a"), account_id=AccountId(1), contract_id=ContractId("CON.F.US.MNQ.Z26"),
        role=Role.STOP, type=OrderType.STOP, side=Side.SELL, qty=2, state=state, submitted_at=T0, updated_at=T0,
        gateway_order_id=GatewayOrderId(number) if number is not None else None,
    )  # fmt: skip


def test_the_second_naked_read_places_a_stop_and_the_first_does_not() -> None:
    assert naked_since(2.8).reducings[0].what.order.stop_price == Decimal(19900)  # type: ignore[union-attr]
    assert naked_since(2.3).reducings == (), "too soon after the first to be another witness"


def test_nothing_is_placed_without_a_price_and_nothing_through_the_market() -> None:
    assert naked_since(2.8, level=Level()).reducings == ()
    assert naked_since(2.8, level=Level(Decimal(19900), is_through=True)).result == protect.CLOSING


@pytest.mark.parametrize("state", [OrderState.SUBMITTED, OrderState.UNKNOWN, OrderState.WORKING, OrderState.REJECTED])
def test_no_second_stop_while_somebody_looks_for_the_first(state: OrderState) -> None:
    assert naked_since(3.5, Placed(stop(state), is_settled=False)).reducings == ()
    if not state.is_over:
        assert naked_since(3.5, Placed(stop(state), is_settled=True)).reducings == ()


def test_what_never_arrived_goes_out_under_its_tag_and_what_was_refused_under_another() -> None:
    never, refused = stop(OrderState.EXPIRED), stop(OrderState.REJECTED, number=7)
    assert tag_of(naked_since(3.5, Placed(never, is_settled=True))) == never.client_order_id
    assert tag_of(naked_since(3.5, Placed(refused, is_settled=True))) != refused.client_order_id


def test_contracts_of_others_are_given_up_instead_of_closed() -> None:
    begun = protect.begin(AccountId(1), ContractId("CON.F.US.MNQ.Z26"), CauseId("a"), T0, is_foreign=True).plan
    assert isinstance(begun, ProtectPlan)
    outcome = Outcome(kind=OutcomeKind.REFUSED, code=2, text="Order price is outside allowed range.")
    assert protect.on_stop_settled(begun, outcome).result == protect.UNPROTECTABLE
    assert protect.on_stop_settled(plan(), outcome).result == protect.CLOSING


@pytest.mark.parametrize(
    ("need", "own", "foreign", "gap"),
    [
        (Need(2), 0, 0, 2),
        (Need(2), 2, 0, 0),
        (Need(2), 0, 2, 0),
        (Need(2, 1), 0, 1, 2),
        (Need(2, 1), 2, 0, 0),
        (Need(2, 1), 1, 2, 0),
    ],
)
def test_stops_of_others_cover_ours_as_far_as_theirs_do_not_need_them(
    need: Need, own: int, foreign: int, gap: int
) -> None:
    assert need.gap(own, foreign) == gap


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

    def gap(*working: VenueOrder, entries: tuple[GatewayOrderId, ...] = ()) -> int:
        return gap_seen(Reading(asked_at=T0, qty=-1, working=working, entries=entries), Need(1))

    assert gap(entry) == 0
    assert gap(entry, leg) == 1
    assert gap(entry, entries=(entry.gateway_order_id,)) == 1, "its legs are over, the rest of it still opens"
