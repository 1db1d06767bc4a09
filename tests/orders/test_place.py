"""A stop by itself: found, surely not there, or refused; never anything between."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from desk.core.events import Outcome, OutcomeKind, TagSearched
from desk.core.ids import AccountId, CauseId, ClientOrderId, ContractId
from desk.core.orders import OrderState, Role, TrackedOrder
from desk.core.plans import StopPlan, StopStep
from desk.core.words import OrderType, Side
from desk.orders import place

T0 = datetime(2026, 11, 18, 14, 30, tzinfo=UTC)
ORDER = TrackedOrder(
    client_order_id=ClientOrderId("dsk-stop"),
    cause=CauseId("a"),
    account_id=AccountId(1),
    contract_id=ContractId("CON.F.US.MNQ.Z26"),
    role=Role.STOP,
    type=OrderType.STOP,
    side=Side.SELL,
    qty=2,
    state=OrderState.SUBMITTED,
    submitted_at=T0,
    updated_at=T0,
)
PLAN = place.begin(ORDER, T0)


def nothing(after_s: float, error: str | None = None) -> TagSearched:
    return TagSearched(
        client_order_id=ORDER.client_order_id, order=None, error=error, ts=T0 + timedelta(seconds=after_s)
    )


def known_as(state: OrderState) -> TrackedOrder:
    return TrackedOrder(**{name: getattr(ORDER, name) for name in ORDER.__struct_fields__} | {"state": state})


@pytest.mark.parametrize("kind", [OutcomeKind.DONE, OutcomeKind.REFUSED, OutcomeKind.NOT_SENT])
def test_a_clear_answer_ends_it(kind: OutcomeKind) -> None:
    assert place.on_settled(PLAN, Outcome(kind=kind)).plan is None


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(kind=OutcomeKind.UNCLEAR, text="timeout"),
        Outcome(kind=OutcomeKind.REFUSED, code=2, text="Specified custom tag is already in use"),
    ],
)
def test_an_unclear_answer_and_a_taken_tag_are_looked_up(outcome: Outcome) -> None:
    move = place.on_settled(PLAN, outcome)
    assert move.searches
    assert isinstance(move.plan, StopPlan)
    assert move.plan.step is StopStep.SEARCHING


def test_two_searches_a_second_apart_that_find_nothing_settle_it() -> None:
    searching = place.search(PLAN).plan
    assert isinstance(searching, StopPlan)
    first = place.on_search(searching, nothing(1)).plan
    assert isinstance(first, StopPlan)
    too_soon = place.on_search(first, nothing(1.5)).plan
    assert isinstance(too_soon, StopPlan)
    assert place.on_search(too_soon, nothing(2)).result == place.NEVER_ARRIVED


def test_a_search_that_fails_proves_nothing_and_is_told_once() -> None:
    searching = place.search(PLAN).plan
    told = 0
    for second in range(20):
        assert isinstance(searching, StopPlan)
        move = place.on_search(searching, nothing(second, "HTTP 503"))
        told += move.incident is not None
        searching = move.plan
    assert (told, isinstance(searching, StopPlan)) == (1, True)


def test_a_report_of_the_order_ends_it_but_not_a_rejection_before_the_reply() -> None:
    """That one may be of a repeat, refused because the first sending has the tag."""
    working, rejected = known_as(OrderState.WORKING), known_as(OrderState.REJECTED)
    assert place.on_order(PLAN, ORDER) is None
    assert place.on_order(PLAN, rejected) is None
    assert place.on_order(PLAN, working) is not None
    searching = place.search(PLAN).plan
    assert isinstance(searching, StopPlan)
    assert place.on_order(searching, rejected) is not None


def test_after_a_start_only_an_open_question_is_looked_up() -> None:
    assert place.on_resume(PLAN, ORDER).searches
    assert place.on_resume(PLAN, known_as(OrderState.WORKING)).plan is None
    assert place.on_resume(PLAN, None).plan is None
