"""An entry's own plan, step by step: every reply, report, timer and start, in every state."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.core.events import Outcome, OutcomeKind, TagSearched
from desk.core.ids import AccountId, CauseId, ClientOrderId, ContractId, GatewayOrderId
from desk.core.orders import OrderState, Role, TrackedOrder
from desk.core.plans import EnterPlan, EnterStep, EntryEnd
from desk.core.words import OrderType, Side
from desk.orders import CancelOrder, Move, enter

NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)
S, E = OrderState, EnterStep
ORDER = TrackedOrder(
    client_order_id=ClientOrderId("dsk-1"),
    cause=CauseId("c"),
    account_id=AccountId(1),
    contract_id=ContractId("CON.F.US.MNQ.Z26"),
    role=Role.ENTRY,
    type=OrderType.LIMIT,
    side=Side.BUY,
    qty=2,
    state=S.SUBMITTED,
    limit_price=Decimal(19990),
    submitted_at=NOW,
    updated_at=NOW,
)
DONE = Outcome(kind=OutcomeKind.DONE, gateway_order_id=GatewayOrderId(7))
_replace = msgspec.structs.replace


def order(state: OrderState, **more: object) -> TrackedOrder:
    known = None if state in {S.SUBMITTED, S.UNKNOWN} else GatewayOrderId(7)
    return _replace(ORDER, state=state, **{"gateway_order_id": known, **more})  # type: ignore[arg-type]


def plan(step: EnterStep, **more: object) -> EnterPlan:
    return _replace(enter.begin(ORDER), step=step, **more)  # type: ignore[arg-type]


def cancels(move: Move) -> bool:
    return any(isinstance(reducing.what, CancelOrder) for reducing in move.reducings)


def step(move: Move) -> EnterStep | None:
    return move.plan.step if isinstance(move.plan, EnterPlan) else None


@pytest.mark.parametrize(
    ("kind", "after"),
    [
        (OutcomeKind.DONE, E.ACCEPTED),
        (OutcomeKind.REFUSED, None),
        (OutcomeKind.NOT_SENT, E.WAITING),
        (OutcomeKind.UNCLEAR, E.SEARCHING),
    ],
)
def test_the_reply_says_how_it_goes_on(kind: OutcomeKind, after: EnterStep | None) -> None:
    assert step(enter.on_settled(plan(E.SUBMITTED), Outcome(kind=kind), order(S.ACCEPTED), NOW)) is after


@pytest.mark.parametrize("kind", OutcomeKind)
def test_one_that_shall_go_is_never_left_whatever_the_reply(kind: OutcomeKind) -> None:
    going = plan(E.SUBMITTED, ending=EntryEnd.OTHER_FILLED)
    move = enter.on_settled(going, Outcome(kind=kind), order(S.ACCEPTED), NOW)
    assert step(move) in {OutcomeKind.DONE: {E.CANCELLING}, OutcomeKind.UNCLEAR: {E.SEARCHING}}.get(kind, {None})
    assert cancels(move) == (kind is OutcomeKind.DONE)


@pytest.mark.parametrize(
    ("at", "state", "after", "is_cancelled"),
    [
        (E.SUBMITTED, S.SUBMITTED, E.SUBMITTED, False),
        (E.SEARCHING, S.UNKNOWN, E.SEARCHING, False),
        (E.WAITING, S.UNKNOWN, E.WAITING, False),
        (E.WAITING, S.EXPIRED, None, False),
        (E.ACCEPTED, S.WORKING, E.CANCELLING, True),
        (E.ACCEPTED, S.PARTIALLY_FILLED, E.CANCELLING, True),
    ],
)
def test_what_ending_means_depends_on_where_it_is(
    at: EnterStep, state: OrderState, after: EnterStep | None, is_cancelled: bool
) -> None:
    known = order(state, gateway_order_id=None) if state is S.EXPIRED else order(state)
    move = enter.end(plan(at), known, EntryEnd.OTHER_FILLED)
    assert (step(move), cancels(move)) == (after, is_cancelled)
    if isinstance(move.plan, EnterPlan):
        assert move.plan.ending is EntryEnd.OTHER_FILLED
        assert not cancels(enter.end(move.plan, known, EntryEnd.EXPIRED)), "once"


def test_a_market_order_is_not_cancelled() -> None:
    move = enter.end(plan(E.ACCEPTED), order(S.ACCEPTED, type=OrderType.MARKET), EntryEnd.STOPPING)
    assert (step(move), cancels(move)) == (E.ACCEPTED, False)


@pytest.mark.parametrize("at", [E.SUBMITTED, E.SEARCHING, E.WAITING])
def test_one_that_is_found_alive_is_accepted_or_cancelled(at: EnterStep) -> None:
    found = enter.on_order(plan(at), order(S.WORKING), NOW)
    assert found is not None
    assert step(found) is E.ACCEPTED
    going = enter.on_order(plan(at, ending=EntryEnd.STOPPING), order(S.WORKING), NOW)
    assert going is not None
    assert cancels(going)


@pytest.mark.parametrize("left_s", [-5, 0, 0.5, 30])
def test_an_accepted_order_is_looked_after_and_goes_in_time(left_s: float) -> None:
    expires = order(S.ACCEPTED, expires_at=NOW + timedelta(seconds=left_s))
    move = enter.on_settled(plan(E.SUBMITTED), DONE, expires, NOW)
    if left_s <= 0:
        assert cancels(move)
    else:
        assert move.timer is not None
        assert move.timer.delay_s == min(left_s, enter.LOOK_S)


@pytest.mark.parametrize(
    ("state", "kind", "reads"),
    [
        (S.ACCEPTED, OrderType.LIMIT, True),
        (S.WORKING, OrderType.LIMIT, False),
        (S.PARTIALLY_FILLED, OrderType.STOP, False),
        (S.WORKING, OrderType.MARKET, True),
    ],
)
def test_only_what_is_not_known_to_rest_is_read(state: OrderState, kind: OrderType, reads: bool) -> None:
    assert enter.on_timer(plan(E.ACCEPTED), order(state, type=kind), NOW).reads is reads


def test_its_time_goes_on_after_the_look() -> None:
    resting = order(S.WORKING, expires_at=NOW + timedelta(seconds=30))
    move = enter.on_timer(plan(E.ACCEPTED), resting, NOW)
    assert move.timer is not None
    assert move.timer.delay_s == 30
    assert cancels(enter.on_timer(plan(E.ACCEPTED), resting, NOW + timedelta(seconds=30)))


@pytest.mark.parametrize("kind", OutcomeKind)
def test_an_answered_cancel_waits_for_the_venues_own_word(kind: OutcomeKind) -> None:
    move = enter.on_cancel_settled(plan(E.CANCELLING, ending=EntryEnd.EXPIRED), Outcome(kind=kind))
    assert step(move) is E.CONFIRMING
    assert move.timer is not None
    assert move.reads is (kind is not OutcomeKind.DONE)


@pytest.mark.parametrize("at", [E.SUBMITTED, E.SEARCHING, E.WAITING, E.ACCEPTED, E.CONFIRMING])
def test_a_cancels_late_answer_changes_nothing(at: EnterStep) -> None:
    assert enter.on_cancel_settled(plan(at), DONE).plan == plan(at)


def test_a_cancel_that_does_not_end_it_is_repeated_with_a_growing_pause_and_told_once() -> None:
    going = plan(E.CONFIRMING, ending=EntryEnd.EXPIRED)
    told = 0
    pauses = []
    for _ in range(8):
        move = enter.on_timer(going, order(S.WORKING), NOW)
        assert cancels(move)
        assert move.reads
        told += move.incident is not None
        assert isinstance(move.plan, EnterPlan)
        answered = enter.on_cancel_settled(move.plan, DONE)
        assert answered.timer is not None
        pauses.append(answered.timer.delay_s)
        assert isinstance(answered.plan, EnterPlan)
        going = answered.plan
    assert told == 1
    assert pauses == sorted(pauses)
    assert pauses[-1] <= 5


@pytest.mark.parametrize(
    ("at", "ending", "state", "kind"),
    [
        (E.ACCEPTED, None, S.FILLED, None),
        (E.ACCEPTED, None, S.CANCELED, "entry.ended"),
        (E.ACCEPTED, None, S.EXPIRED, "entry.ended"),
        (E.ACCEPTED, None, S.REJECTED, "order.rejected"),
        (E.SUBMITTED, None, S.REJECTED, None),
        (E.CONFIRMING, EntryEnd.EXPIRED, S.CANCELED, "entry.expired"),
        (E.CONFIRMING, EntryEnd.EXPIRED, S.FILLED, "entry.crossed"),
        (E.CONFIRMING, EntryEnd.OTHER_FILLED, S.CANCELED, None),
        (E.ACCEPTED, EntryEnd.STOPPING, S.FILLED, None),
    ],
)
def test_a_person_hears_of_an_end_that_nobody_asked_for(
    at: EnterStep, ending: EntryEnd | None, state: OrderState, kind: str | None
) -> None:
    move = enter.on_order(plan(at, ending=ending), order(state), NOW)
    assert move is not None
    assert move.plan is None
    assert (move.incident[0] if move.incident else None) == kind


@pytest.mark.parametrize("ending", [None, EntryEnd.EXPIRED])
@pytest.mark.parametrize("at", E)
@pytest.mark.parametrize("state", S)
def test_after_a_start_every_state_goes_on(at: EnterStep, state: OrderState, ending: EntryEnd | None) -> None:
    move = enter.on_resume(plan(at, ending=ending), order(state), NOW)
    if state.is_over:
        assert move.plan is None
    elif state.is_unsettled:
        assert move.searches
    else:
        assert cancels(move) if ending else move.timer is not None


def test_one_that_was_never_sent_is_tried_again_after_a_start() -> None:
    never = order(S.EXPIRED, gateway_order_id=None)
    move = enter.on_resume(plan(E.SUBMITTED), never, NOW)
    assert step(move) is E.WAITING
    assert isinstance(move.plan, EnterPlan)
    assert enter.is_absent(move.plan, never)


EVENTS = st.sampled_from(["timer", "done", "refused", "unclear", "nothing", "error", "working", "partly", "end"])


@given(st.lists(EVENTS, max_size=14))
def test_whatever_comes_it_waits_for_something_until_it_is_over(events: list[str]) -> None:
    """Every step of the plan leaves something that will come: a reply, a search, a timer."""
    going: EnterPlan | None = enter.begin(ORDER)
    known, now = order(S.SUBMITTED), NOW
    awaits = {"reply"}
    for event in events:
        if going is None:
            return
        now += timedelta(seconds=1)
        move: Move | None = None
        if event == "timer" and not enter.is_absent(going, known):
            move = enter.on_timer(going, known, now)
        elif event in {"done", "refused", "unclear"}:
            outcome = Outcome(kind=OutcomeKind(event))
            if going.step is E.SUBMITTED:
                known = order({"done": S.ACCEPTED, "refused": S.REJECTED, "unclear": S.UNKNOWN}[event])
                move = enter.on_settled(going, outcome, known, now)
            elif going.step is E.CANCELLING:
                move = enter.on_cancel_settled(going, outcome)
        elif event in {"nothing", "error"} and going.step is E.SEARCHING:
            error = "no answer" if event == "error" else None
            move = enter.on_search(
                going, TagSearched(client_order_id=ORDER.client_order_id, order=None, error=error, ts=now)
            )
        elif event in {"working", "partly"}:
            known = order(S.WORKING if event == "working" else S.PARTIALLY_FILLED, filled_qty=int(event == "partly"))
            move = enter.on_order(going, known, now)
        elif event == "end":
            move = enter.end(going, known, EntryEnd.OTHER_FILLED)
        if move is None or move.plan == going:
            continue
        awaits = {
            name
            for name, is_there in (
                ("timer", move.timer), ("search", move.searches), ("cancel", move.reducings), ("marked", event == "end")
            )
            if is_there
        }  # fmt: skip
        assert move.plan is None or awaits, f"nothing comes after {event} for {move.plan}"
        going = move.plan if isinstance(move.plan, EnterPlan) else None
