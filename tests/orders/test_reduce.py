"""What of stops and targets goes before a part is closed, and when the part is closed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.core.events import Outcome, OutcomeKind
from desk.core.ids import AccountId, CauseId, ContractId, GatewayOrderId
from desk.core.plans import ExitReason, ReducePlan, ReduceStep
from desk.core.words import OrderStatus, OrderType, Side, VenueOrder
from desk.orders import CancelOrder, ClosePart, ModifyOrder, Move, PlaceStop, PlaceView, Reading
from desk.orders import reduce as reduce_plan
from desk.orders.fit import Sight, Unit, cuts

T0 = datetime(2026, 11, 18, 14, 30, tzinfo=UTC)
ACCOUNT, CONTRACT = AccountId(1), ContractId("CON.F.US.MNQ.Z26")


def order(number: int, qty: int, kind: OrderType) -> VenueOrder:
    return VenueOrder(
        gateway_order_id=GatewayOrderId(number), account_id=ACCOUNT, contract_id=CONTRACT, status=OrderStatus.OPEN,
        type=kind, side=Side.SELL, qty=qty, filled_qty=0, stop_price=19900 if kind is OrderType.STOP else None,
        created_at=T0,
    )  # fmt: skip


def pair(number: int, qty: int, target: int | None = None) -> Unit:
    return Unit(
        key=f"entry-{number}",
        stop=order(10 * number, qty, OrderType.STOP),
        target=order(10 * number + 1, qty if target is None else target, OrderType.LIMIT),
    )


def pairs(*qtys: int) -> tuple[Unit, ...]:
    return tuple(pair(number, qty) for number, qty in enumerate(qtys, 1))


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def plan(held: int = 3, qty: int = 1) -> ReducePlan:
    begun = reduce_plan.begin(PlaceView(ACCOUNT, CONTRACT, held), CauseId("c"), ExitReason.ALERT, qty, T0, held).plan
    assert isinstance(begun, ReducePlan)
    return begun


def see(now: ReducePlan, held: int, units: tuple[Unit, ...], seconds: float = 0.1, *, is_agreed: bool = True) -> Move:
    seen = Reading(asked_at=at(seconds), qty=held)
    sight = Sight(seen=seen, units=units, keeps=now.keeps, is_agreed=is_agreed)
    return reduce_plan.on_snapshot(now, sight, at(seconds))


def follow(move: Move) -> ReducePlan:
    assert isinstance(move.plan, ReducePlan)
    return move.plan


def what(move: Move) -> list[object]:
    return [reducing.what for reducing in move.reducings]


# --- which legs go ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("qtys", "rest", "expected"),
    [
        ((3,), 3, {}),
        ((3,), 2, {"entry-1": 2}),
        ((1, 2), 2, {"entry-1": 0}),
        ((2, 1), 2, {"entry-2": 0}),
        ((1, 1, 1), 1, {"entry-1": 0, "entry-2": 0}),
        ((3, 1), 2, {"entry-1": 1}),
        ((1, 3), 2, {"entry-2": 1}),
        ((2, 2, 2), 3, {"entry-1": 0, "entry-2": 1}),
        ((2, 2), 5, {}),
    ],
)
def test_whole_stages_first_in_first_out_else_one_gets_smaller(
    qtys: tuple[int, ...], rest: int, expected: dict[str, int]
) -> None:
    assert cuts(pairs(*qtys), rest) == expected


def test_a_target_that_is_larger_than_its_stop_gets_its_size() -> None:
    assert cuts((pair(1, 2, target=3),), 2) == {"entry-1": 2}


def test_a_target_without_a_stop_goes_as_far_as_it_is_too_many_and_never_a_stop_for_it() -> None:
    alone = Unit(key="alone", target=order(90, 3, OrderType.LIMIT))
    by_itself = Unit(key="stop", stop=order(91, 3, OrderType.STOP))
    assert cuts((alone, by_itself), 3) == {}
    assert cuts((alone, by_itself), 2) == {"stop": 2, "alone": 2}
    assert cuts((pair(1, 2), alone), 2) == {"alone": 0}


@given(st.lists(st.integers(1, 5), max_size=6), st.integers(1, 20))
def test_what_stays_covers_the_rest_and_never_more(qtys: list[int], rest: int) -> None:
    units = pairs(*qtys)
    sizes = cuts(units, rest)
    left = sum(sizes.get(unit.key, unit.stop_qty) for unit in units)
    assert left == min(rest, sum(qtys))
    assert all(0 <= size < next(u.stop_qty for u in units if u.key == key) for key, size in sizes.items())
    assert sum(size > 0 for size in sizes.values()) <= 1, "at most one has to be resized"


# --- the plan --------------------------------------------------------------------------------------------------------


def test_a_pair_is_resized_before_anything_is_closed() -> None:
    move = see(plan(), 3, pairs(3))
    assert what(move) == [
        ModifyOrder(gateway_order_id=GatewayOrderId(10), qty=2),
        ModifyOrder(gateway_order_id=GatewayOrderId(11), qty=2),
    ]


def test_a_position_that_just_got_smaller_is_looked_at_again_before_a_leg_goes() -> None:
    """Of two equal stages one traded; orders that lag would show both, and the wrong one would go."""
    young = Reading(asked_at=at(0.1), qty=1, is_settled=False)
    now = plan(2, 1)
    move = reduce_plan.on_snapshot(now, Sight(seen=young, units=pairs(1, 1), keeps=1, is_agreed=True), at(0.1))
    assert what(move) == []
    again = follow(reduce_plan.on_timer(follow(move)))
    assert see(again, 1, (pair(2, 1),), 0.5).result == "reduced to +1"


def test_one_leg_that_kept_its_size_holds_the_close_back() -> None:
    resized = follow(see(plan(), 3, pairs(3)))
    for number in (10, 11):
        resized = follow(
            reduce_plan.on_settled(resized, GatewayOrderId(number), Outcome(kind=OutcomeKind.DONE), at(0.2))
        )
    assert resized.step is ReduceStep.READING
    waits = see(resized, 3, (pair(1, 2, target=3),), 0.3)
    assert what(waits) == [], "a read may lag: not sent again at once"
    again = follow(reduce_plan.on_timer(follow(waits)))
    assert what(see(again, 3, (pair(1, 2, target=3),), 1.5)) == [
        ModifyOrder(gateway_order_id=GatewayOrderId(11), qty=2)
    ]
    assert what(see(again, 3, pairs(2), 1.5)) == [ClosePart(qty=1)]


def test_a_refused_resize_brings_a_smaller_stop_and_then_the_old_pair_goes() -> None:
    resized = follow(see(plan(), 3, pairs(3)))
    for number in (10, 11):
        outcome = Outcome(kind=OutcomeKind.REFUSED, code=3)
        resized = follow(reduce_plan.on_settled(resized, GatewayOrderId(number), outcome, at(0.2)))
    move = see(resized, 3, pairs(3), 0.3)
    (stop,) = what(move)
    assert isinstance(stop, PlaceStop)
    assert (stop.order.qty, stop.order.side, stop.order.stop_price) == (2, Side.SELL, 19900)
    read = follow(reduce_plan.on_stop_settled(follow(move), Outcome(kind=OutcomeKind.DONE)))
    assert what(see(read, 3, pairs(3), 0.4)) == [], "the old pair stays until the new stop is seen"
    new = Unit(key=stop.order.client_order_id, stop=order(99, 2, OrderType.STOP))
    cancels = see(read, 3, (*pairs(3), new), 0.4)
    assert what(cancels) == [CancelOrder(gateway_order_id=GatewayOrderId(n)) for n in (10, 11)]
    gone = follow(cancels)
    for number in (10, 11):
        gone = follow(reduce_plan.on_settled(gone, GatewayOrderId(number), Outcome(kind=OutcomeKind.DONE), at(0.5)))
    assert what(see(gone, 3, (new,), 0.6)) == [ClosePart(qty=1)]


def test_a_read_against_the_hub_is_not_enough_for_a_close() -> None:
    first = see(plan(), 3, pairs(2), 0.1, is_agreed=False)
    assert what(first) == []
    second = follow(reduce_plan.on_timer(follow(first)))
    assert what(see(second, 3, pairs(2), 0.7, is_agreed=False)) == [ClosePart(qty=1)]


def test_a_close_is_repeated_only_when_two_late_reads_still_show_the_contracts() -> None:
    closing = follow(see(plan(), 3, pairs(2), 0.1))
    closing = follow(reduce_plan.on_settled(closing, None, Outcome(kind=OutcomeKind.UNCLEAR), at(2)))
    for seconds, closes in ((2.5, 0), (3.1, 0), (3.3, 0), (3.7, 1)):
        reading = follow(reduce_plan.on_timer(closing))
        move = see(reading, 3, pairs(2), seconds)
        assert len(what(move)) == closes, seconds
        closing = follow(move)


@pytest.mark.parametrize("held", [2, 1, 0, -1])
def test_no_more_than_what_shall_remain_is_the_end(held: int) -> None:
    units = pairs(held) if held > 0 else ()
    move = see(plan(), held, units)
    assert (move.plan, what(move)) == (None, [])
    assert move.result.startswith("reduced")


def test_a_position_that_grew_for_no_known_reason_is_not_reduced_further_than_asked() -> None:
    now = plan()
    for second in range(40):
        move = see(now, 6, pairs(3), second)
        assert what(move) == []
        if move.plan is None:
            assert move.result.startswith(reduce_plan.GIVEN_UP)
            return
        now = follow(reduce_plan.on_timer(follow(move)))
    pytest.fail("it goes on for ever")


def test_reads_that_fail_are_repeated_for_as_long_as_it_takes() -> None:
    now, told = plan(), 0
    for _ in range(60):
        move = reduce_plan.on_read_failed(now, "HTTP 503")
        told += move.incident is not None
        now = follow(reduce_plan.on_timer(follow(move)))
    assert told == 1


@pytest.mark.parametrize("step", ReduceStep)
def test_what_it_did_not_ask_for_changes_nothing(step: ReduceStep) -> None:
    fields = {name: getattr(plan(), name) for name in ReducePlan.__struct_fields__}
    now = ReducePlan(**fields | {"step": step})
    if step is not ReduceStep.READING:
        assert see(now, 3, pairs(3)).plan == now
    if step is not ReduceStep.CLOSING:
        assert reduce_plan.on_settled(now, None, Outcome(kind=OutcomeKind.DONE), T0).plan == now
    if step is not ReduceStep.PLACING:
        assert reduce_plan.on_stop_settled(now, Outcome(kind=OutcomeKind.DONE)).plan == now
