"""When an exit cancels once more, when it closes, and how long it pauses while nothing protects the position."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from desk.core.events import Outcome, OutcomeKind
from desk.core.ids import AccountId, CauseId, ContractId, GatewayOrderId
from desk.core.plans import ExitPlan, ExitReason, ExitStep
from desk.core.words import OrderStatus, OrderType, Side, VenueOrder
from desk.orders import CancelOrder, ClosePosition, Move, PlaceView, Reading
from desk.orders import exit as exit_plan

T0 = datetime(2026, 11, 18, 14, 30, tzinfo=UTC)
ACCOUNT, MNQ = AccountId(1), ContractId("CON.F.US.MNQ.Z26")
LEG = GatewayOrderId(7)
STOP = VenueOrder(
    gateway_order_id=LEG,
    account_id=ACCOUNT,
    contract_id=MNQ,
    type=OrderType.STOP,
    side=Side.SELL,
    qty=2,
    filled_qty=0,
    status=OrderStatus.OPEN,
    stop_price=Decimal(20000),
    created_at=T0,
)
DONE = Outcome(kind=OutcomeKind.DONE)
LOST = Outcome(kind=OutcomeKind.UNCLEAR)
GONE = [DONE, Outcome(kind=OutcomeKind.REFUSED, code=2), Outcome(kind=OutcomeKind.UNCLEAR, code=5)]


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def plan_of(move: Move) -> ExitPlan:
    assert isinstance(move.plan, ExitPlan)
    return move.plan


def cancelled(outcome: Outcome) -> ExitPlan:
    """The cancel of the one leg was sent at 0 s and answered at 0.1 s."""
    view = PlaceView(ACCOUNT, MNQ, 2, foreign=(STOP,))
    begun = exit_plan.begin(view, CauseId("a"), ExitReason.ALERT, T0)
    assert asked(begun) == [CancelOrder]
    move = exit_plan.on_settled(plan_of(begun), LEG, outcome, at(0.1))
    assert move.reads
    return plan_of(move)


def asked(move: Move) -> list[type]:
    return [type(reducing.what) for reducing in move.reducings]


@pytest.mark.parametrize("outcome", GONE)
def test_a_leg_that_was_answered_gone_is_not_waited_for_because_its_report_is_young(outcome: Outcome) -> None:
    seen = Reading(at(0.1), 2, unseen=(LEG,), is_settled=False)
    assert asked(exit_plan.on_snapshot(cancelled(outcome), seen, at(0.12))) == [ClosePosition]


def test_a_leg_whose_cancel_is_unclear_is_cancelled_again_and_not_closed_over() -> None:
    seen = Reading(at(0.1), 2, unseen=(LEG,), is_settled=False)
    assert asked(exit_plan.on_snapshot(cancelled(LOST), seen, at(0.12))) == [CancelOrder]


def test_a_read_that_may_be_older_than_the_answer_neither_cancels_again_nor_closes() -> None:
    move = exit_plan.on_snapshot(cancelled(DONE), Reading(at(1.0), 2, working=(STOP,)), at(1.02))
    assert asked(move) == []
    assert (move.timer and move.timer.delay_s, plan_of(move).tries) == (exit_plan.BUSY_S, 0)


def test_a_leg_that_a_later_read_still_shows_is_cancelled_again() -> None:
    move = exit_plan.on_snapshot(cancelled(DONE), Reading(at(1.2), 2, working=(STOP,)), at(1.22))
    assert asked(move) == [CancelOrder]


def test_rounds_of_a_cancel_that_helps_nothing_are_paced_and_short() -> None:
    """For a minute every cancel is lost and every read still shows the leg."""
    plan, now, sent, pauses = cancelled(LOST), at(0.1), [], []
    while now < at(60):
        now += timedelta(milliseconds=20)
        move = exit_plan.on_snapshot(plan, Reading(now, 2, working=(STOP,)), now)
        if asked(move):
            sent.append(now)
            move = exit_plan.on_settled(plan_of(move), LEG, LOST, now)
        else:
            assert move.timer is not None
            pauses.append(move.timer.delay_s)
            now += timedelta(seconds=move.timer.delay_s)
            move = exit_plan.on_timer(plan_of(move))
        plan = plan_of(move)
        assert plan.step is ExitStep.READING
    soon = [one for one in sent if one < at(9)]
    assert 15 <= len(soon) <= 20
    assert max(pauses[: len(soon) - 1]) <= exit_plan.MOST_NAKED_S
    assert len(sent) - len(soon) < 20, "and then it leaves the others their requests"


def test_a_close_that_is_refused_is_tried_again_within_half_a_second() -> None:
    plan = cancelled(DONE)
    for number in range(10):
        move = exit_plan.on_snapshot(plan, Reading(at(2 + number), 2), at(2 + number))
        assert asked(move) == [ClosePosition]
        refused = Outcome(kind=OutcomeKind.REFUSED, code=5, text="rejected")
        move = exit_plan.on_settled(plan_of(move), None, refused, at(2 + number))
        assert move.timer is not None
        assert move.timer.delay_s <= exit_plan.MOST_NAKED_S
        plan = plan_of(exit_plan.on_timer(plan_of(move)))
