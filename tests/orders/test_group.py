"""Groups, pairs, touches and reversals as values: what each does next, whatever is known of its orders."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.core.ids import AccountId, CauseId, ClientOrderId, ContractId, GatewayOrderId, stop_leg_id, target_leg_id
from desk.core.intents import Enter
from desk.core.orders import OrderRequest, OrderState, Role, TrackedOrder
from desk.core.plans import EitherPlan, EntryEnd, GroupPlan, ReversePlan, Ticket, TouchPlan
from desk.core.words import OrderType, Side
from desk.orders import either, group, reverse, touch
from desk.orders.group import Part

NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)
ACCOUNT, CONTRACT, CAUSE = AccountId(1), ContractId("CON.F.US.MNQ.Z26"), CauseId("c")
ENTER = Enter(side=Side.BUY, qty=3, stop_ticks=80, max_position=3)
S = OrderState
STATES = [
    S.SUBMITTED,
    S.UNKNOWN,
    S.ACCEPTED,
    S.WORKING,
    S.PARTIALLY_FILLED,
    S.FILLED,
    S.CANCELED,
    S.EXPIRED,
    S.REJECTED,
]


def ticket(number: int, qty: int = 1, side: Side = Side.BUY) -> Ticket:
    request = OrderRequest(
        client_order_id=ClientOrderId(f"dsk-{number}"),
        account_id=ACCOUNT,
        contract_id=CONTRACT,
        type=OrderType.LIMIT,
        side=side,
        qty=qty,
        stop_ticks=80,
        target_ticks=40,
    )
    return Ticket(order=request, max_position=3)


def part(
    number: int,
    state: OrderState,
    side: Side = Side.BUY,
    *,
    legs: OrderState | None = None,
    waits: bool = False,
) -> Part:
    asked = ticket(number).order
    entry = TrackedOrder(
        client_order_id=asked.client_order_id,
        cause=CAUSE,
        account_id=ACCOUNT,
        contract_id=CONTRACT,
        role=Role.ENTRY,
        type=asked.type,
        side=side,
        qty=2,
        state=state,
        stop_ticks=80,
        target_ticks=40,
        gateway_order_id=None if waits else GatewayOrderId(number),
        filled_qty={S.FILLED: 2, S.PARTIALLY_FILLED: 1}.get(state, 0),
        submitted_at=NOW,
        updated_at=NOW,
    )

    def leg(tag: ClientOrderId, role: Role) -> TrackedOrder | None:
        if legs is None:
            return None
        done = 2 if legs is S.FILLED else 0
        return msgspec.structs.replace(
            entry, client_order_id=tag, role=role, parent=asked.client_order_id, state=legs, filled_qty=done
        )

    return Part(
        entry=entry,
        is_under_way=waits or not state.is_over,
        stop=leg(stop_leg_id(asked.client_order_id), Role.STOP),
        target=leg(target_leg_id(asked.client_order_id), Role.TARGET),
    )


def begun(*members: int) -> GroupPlan:
    plan = group.begin(CAUSE, ACCOUNT, CONTRACT, ENTER, [ticket(n) for n in (1, 2, 3)], NOW)
    for number in members:
        plan = group.sent(plan, ClientOrderId(f"dsk-{number}"))
    return plan


# --- groups ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("waits", [False, True])
def test_the_next_member_goes_out_only_after_the_last_was_taken(state: OrderState, waits: bool) -> None:
    following = group.next_ticket(begun(1), [part(1, state, waits=waits)])
    is_taken = state in {S.ACCEPTED, S.WORKING, S.PARTIALLY_FILLED, S.FILLED}
    assert (following is not None) is is_taken


@given(
    st.lists(
        st.tuples(st.sampled_from(STATES), st.booleans(), st.sampled_from([None, S.WORKING, S.FILLED])), max_size=12
    )
)
def test_a_group_never_sends_more_than_its_stages_and_tells_once(news: list[tuple[OrderState, bool, Any]]) -> None:
    plan: GroupPlan | None = begun(1)
    parts = [part(1, S.SUBMITTED)]
    told, number = 0, 1
    for state, is_last, legs in news:
        if plan is None:
            return
        parts[-1 if is_last else 0] = part(len(parts) if is_last else 1, state, legs=legs)
        move = group.look(plan, parts, is_flat=False)
        told += move.incident is not None
        plan = move.plan if isinstance(move.plan, GroupPlan) else None
        following = group.next_ticket(plan, parts) if plan is not None else None
        if plan is not None and following is not None:
            assert not plan.held_back
            number += 1
            assert following.order.client_order_id == f"dsk-{number}"
            plan = group.sent(plan, following.order.client_order_id)
            parts.append(part(number, S.SUBMITTED))
        assert number <= 3
        assert told <= 1


def test_one_member_too_many_is_a_mistake() -> None:
    with pytest.raises(AssertionError, match="never sends more"):
        group.sent(begun(1, 2, 3), ClientOrderId("dsk-4"))
    with pytest.raises(AssertionError, match="order of the stages"):
        group.sent(begun(1), ClientOrderId("dsk-3"))


@pytest.mark.parametrize(
    ("parts", "is_flat", "is_over"),
    [
        ([part(1, S.FILLED), part(2, S.FILLED), part(3, S.FILLED)], False, False),
        ([part(1, S.FILLED), part(2, S.FILLED), part(3, S.FILLED)], True, True),
        ([part(n, S.FILLED, legs=S.CANCELED) for n in (1, 2, 3)], False, True),
        ([part(1, S.FILLED, legs=S.CANCELED), part(2, S.CANCELED), part(3, S.FILLED, legs=S.WORKING)], False, False),
        ([part(1, S.FILLED, legs=S.CANCELED), part(2, S.CANCELED), part(3, S.WORKING)], True, False),
        ([part(n, S.CANCELED) for n in (1, 2, 3)], False, True),
        ([Part(entry=None), Part(entry=None), Part(entry=None)], False, True),
    ],
)
def test_a_group_is_over_when_nothing_of_it_is_left(parts: list[Part], is_flat: bool, is_over: bool) -> None:
    assert (group.look(begun(1, 2, 3), parts, is_flat=is_flat).plan is None) is is_over


def test_a_target_is_counted_once() -> None:
    plan, parts = begun(1, 2, 3), [part(1, S.FILLED, legs=S.FILLED), part(2, S.FILLED), part(3, S.FILLED)]
    assert group.stages_done(plan, parts) == [0]
    plan = group.with_done(plan, 0)
    assert (group.stages_done(plan, parts), plan.targets_done) == ([], 1)


# --- pairs -------------------------------------------------------------------------------------------------------------


def pair(*, sent: bool = True) -> EitherPlan:
    plan = either.begin(CAUSE, ACCOUNT, CONTRACT, (ticket(1), ticket(2, side=Side.SELL)), NOW)
    return either.second_sent(plan) if sent else plan


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("waits", [False, True])
def test_the_second_goes_out_only_while_the_first_rests(state: OrderState, waits: bool) -> None:
    step = either.look(pair(sent=False), part(1, state, waits=waits), None)
    assert step.sends is (state in {S.ACCEPTED, S.WORKING})


@pytest.mark.parametrize("first", STATES)
@pytest.mark.parametrize("second", STATES)
def test_of_two_never_both_are_kept_once_one_has_any_fill(first: OrderState, second: OrderState) -> None:
    one, two = part(1, first), part(2, second, Side.SELL)
    step = either.look(pair(), one, two)
    filled = [p for p in (one, two) if p.entry is not None and p.entry.filled_qty]
    if len(filled) == 2:
        assert step.exits
        assert step.move.incident is not None
        assert isinstance(step.move.plan, EitherPlan)
        assert not either.look(step.move.plan, one, two).exits, "once"
    elif len(filled) == 1:
        other = two if filled[0] is one else one
        assert other.entry is not None
        expected = (other.entry.client_order_id, EntryEnd.OTHER_FILLED) if other.is_under_way else None
        assert step.ends == expected
    if not one.is_under_way and not two.is_under_way:
        assert step.move.timer is not None, "a fill may still cross"


@pytest.mark.parametrize(("failed", "is_refused"), [(S.REJECTED, True), (S.CANCELED, False), (S.EXPIRED, False)])
@pytest.mark.parametrize("which", [1, 2])
def test_a_refused_one_takes_the_other_along_and_a_cancelled_one_does_not(
    failed: OrderState, is_refused: bool, which: int
) -> None:
    parts = [part(n, failed if n == which else S.WORKING) for n in (1, 2)]
    step = either.look(pair(), parts[0], parts[1])
    assert step.move.incident is not None
    assert (step.ends is not None) is is_refused
    assert isinstance(step.move.plan, EitherPlan)
    assert either.look(step.move.plan, parts[0], parts[1]).move.incident is None, "told once"


def test_a_pair_of_which_both_are_over_ends_after_a_while() -> None:
    parts = part(1, S.FILLED), part(2, S.CANCELED)
    plan = either.look(pair(), *parts).move.plan
    assert isinstance(plan, EitherPlan)
    assert either.look(plan, *parts).move.plan == plan
    assert either.look(plan, *parts, is_timer=True).move.plan is None
    crossed = either.look(plan, parts[0], part(2, S.FILLED), is_timer=True)
    assert crossed.exits, "the cancel and a fill had crossed"


# --- touches and reversals -----------------------------------------------------------------------------------------------


def test_a_touch_ends_when_its_time_is_over_and_not_before() -> None:
    wanted = msgspec.structs.replace(ENTER, touch_price=Decimal(20010), expires_at=NOW + timedelta(seconds=10))
    begin = touch.begin(CAUSE, ACCOUNT, CONTRACT, wanted, is_above=True, now=NOW)
    assert isinstance(begin.plan, TouchPlan)
    assert begin.timer is not None
    assert begin.timer.delay_s == 10
    early = touch.on_time(begin.plan, NOW + timedelta(seconds=9))
    assert early.timer is not None
    assert early.timer.delay_s == 1
    late = touch.on_time(begin.plan, NOW + timedelta(seconds=10))
    assert late.plan is None
    assert late.incident is not None
    unlimited = msgspec.structs.replace(wanted, expires_at=None)
    assert touch.begin(CAUSE, ACCOUNT, CONTRACT, unlimited, is_above=True, now=NOW).timer is None


def test_a_reversal_waits_two_seconds_for_a_quote_after_it_is_flat() -> None:
    plan = reverse.begin(CAUSE, ACCOUNT, CONTRACT, ENTER, "exit:1", NOW)
    flat = reverse.on_flat(plan, NOW + timedelta(seconds=5))
    assert reverse.on_flat(flat, NOW + timedelta(seconds=9)) == flat
    waiting = reverse.on_no_quote(flat, "no quote", NOW + timedelta(seconds=6))
    assert isinstance(waiting.plan, ReversePlan)
    assert waiting.timer is not None
    ended = reverse.on_no_quote(flat, "no quote", NOW + timedelta(seconds=7))
    assert ended.plan is None
    assert ended.incident is not None
