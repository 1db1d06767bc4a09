"""One order on its way to a goal: every order of answer, report, read, pause and restart."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desk.core.events import Outcome, OutcomeKind
from desk.core.ids import AccountId, CauseId, ContractId, GatewayOrderId
from desk.core.plans import AmendPlan, AmendStep, ExitReason
from desk.core.words import Side
from desk.orders import CancelOrder, ModifyOrder, Move, amend
from desk.orders.amend import BEYOND, DONE, GONE, Goal, Seen

T0 = datetime(2026, 11, 18, 14, 30, tzinfo=UTC)
PLACE = (AccountId(1), ContractId("CON.F.US.MNQ.Z26"))
ORDER = GatewayOrderId(77)
OLD, NEW, NEWER = Decimal("19990"), Decimal("19995"), Decimal("19997.25")
TICK = Decimal("0.25")
OK = Outcome(kind=OutcomeKind.DONE)
LOST = Outcome(kind=OutcomeKind.UNCLEAR, text="timeout")
LIMITED = Outcome(kind=OutcomeKind.NOT_SENT, text="HTTP 429")
NO = Outcome(kind=OutcomeKind.REFUSED, code=3, text="no")
TOO_FAR = Outcome(
    kind=OutcomeKind.REFUSED, code=3, text="Order price is outside allowed range. Please set price below best ask."
)


def stop_at(price: Decimal | None, **more: object) -> Seen:
    return Seen(qty=2, stop_price=price, **more)  # type: ignore[arg-type]


def after(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def begun(goal: Goal | None = None, seen: Seen | None = None, protects: Side | None = Side.SELL) -> Move:
    goal = goal or Goal(stop_price=NEW)
    return amend.begin(
        ORDER, CauseId("a"), PLACE, goal, seen or stop_at(OLD), T0, protects=protects, tick_size=TICK
    )  # fmt: skip


def plan_of(move: Move) -> AmendPlan:
    assert isinstance(move.plan, AmendPlan), move.result
    return move.plan


def sent(move: Move) -> list[ModifyOrder | CancelOrder]:
    return [one.what for one in move.reducings]  # type: ignore[misc]


def confirming(outcome: Outcome = OK, at: float = 0.1) -> AmendPlan:
    return plan_of(amend.on_settled(plan_of(begun()), outcome, stop_at(OLD), False, after(at)))


# --- sending ----------------------------------------------------------------------------------------------------------


def test_the_change_goes_out_at_once() -> None:
    move = begun()
    assert sent(move) == [ModifyOrder(gateway_order_id=ORDER, stop_price=NEW)]
    assert plan_of(move).plan_id == "amend:77"


@pytest.mark.parametrize("price", [NEW, NEWER])
def test_nothing_is_sent_where_the_order_shows_it_already_or_is_tighter(price: Decimal) -> None:
    move = begun(seen=stop_at(price))
    assert (move.plan, move.result, sent(move)) == (None, DONE, [])


def test_an_order_that_is_over_is_left_alone() -> None:
    assert begun(seen=stop_at(OLD, is_over=True)).result == GONE


def test_prices_are_compared_in_ticks() -> None:
    assert begun(seen=stop_at(Decimal("19995.0000000001"))).result == DONE


def test_a_stop_to_buy_tightens_downwards() -> None:
    assert begun(seen=stop_at(OLD), protects=Side.BUY).result == DONE
    assert sent(begun(Goal(stop_price=OLD), stop_at(NEW), Side.BUY))


def test_an_entry_moves_either_way() -> None:
    assert sent(begun(Goal(stop_price=OLD), stop_at(NEW), protects=None))


# --- the answer, and the venue's own word -------------------------------------------------------------------------------


def test_the_answer_alone_proves_nothing_and_a_report_ends_it() -> None:
    plan = confirming()
    assert plan.step is AmendStep.CONFIRMING
    assert amend.on_report(plan, stop_at(OLD)) is None
    end = amend.on_report(plan, stop_at(NEW))
    assert end is not None
    assert end.result == DONE


@pytest.mark.parametrize("outcome", [OK, LOST, NO, LIMITED, TOO_FAR])
def test_a_report_before_the_answer_counts_with_the_answer(outcome: Outcome) -> None:
    plan = plan_of(begun())
    assert amend.on_report(plan, stop_at(NEW)) is None, "the answer of the write is still to come"
    assert amend.on_settled(plan, outcome, stop_at(NEW), False, after(0.1)).result == DONE


def test_the_orders_end_ends_it_at_any_step() -> None:
    for plan in (plan_of(begun()), confirming(), confirming(LOST), confirming(LIMITED)):
        move = amend.on_report(plan, stop_at(OLD, is_over=True))
        assert move is not None
        assert move.result == GONE


def test_a_read_ends_it_where_no_report_came() -> None:
    plan = confirming()
    pause = amend.on_timer(plan, stop_at(OLD))
    assert pause.reads
    assert not pause.reducings
    assert amend.on_read(plan, stop_at(NEW), after(1.2), after(1.3)).result == DONE


def test_a_read_that_was_asked_for_before_the_answer_proves_nothing() -> None:
    plan = confirming(at=1.0)
    move = amend.on_read(plan, stop_at(NEW), after(0.9), after(1.1))
    assert move.plan == plan
    assert move.timer is not None


@pytest.mark.parametrize("outcome", [OK, LOST])
def test_it_is_sent_again_only_after_two_reads_apart_and_old_enough(outcome: Outcome) -> None:
    plan = confirming(outcome, at=0.0)
    for asked_s in (0.2, 0.9):
        young = amend.on_read(plan, stop_at(OLD), after(asked_s), after(asked_s))
        assert plan_of(young) == plan, "too young to know of the write"
        assert young.timer is not None
    first = amend.on_read(plan, stop_at(OLD), after(1.1), after(1.2))
    assert not sent(first)
    soon = amend.on_read(plan_of(first), stop_at(OLD), after(1.3), after(1.4))
    assert not sent(soon), "no second witness"
    second = amend.on_read(plan_of(soon), stop_at(OLD), after(1.7), after(1.8))
    assert sent(second) == [ModifyOrder(gateway_order_id=ORDER, stop_price=NEW)]


def test_a_failed_read_proves_nothing_and_is_told_once() -> None:
    plan, told = confirming(), 0
    for _ in range(9):
        move = amend.on_read_failed(plan, "no answer")
        assert move.timer is not None
        assert not move.reducings
        told += move.incident is not None
        plan = plan_of(move)
    assert told == 1


def test_an_order_that_two_reads_do_not_show_is_over() -> None:
    first = amend.on_read(confirming(at=0), None, after(1.1), after(1.2))
    assert first.plan is not None
    assert amend.on_read(plan_of(first), None, after(1.8), after(1.9)).result == GONE


def test_a_late_answer_makes_earlier_reads_worthless() -> None:
    plan = plan_of(amend.on_resume(plan_of(begun()), T0))
    first = plan_of(amend.on_read(plan, stop_at(OLD), after(1.1), after(1.2)))
    assert first.old_reads == 1
    assert plan_of(amend.on_settled(first, OK, stop_at(OLD), False, after(1.3))).old_reads == 0


def test_a_venue_that_does_nothing_is_given_up_with_an_incident() -> None:
    move, now, writes = begun(), 0.0, 0
    while move.plan is not None:
        writes += len(move.reducings)
        plan = plan_of(amend.on_settled(plan_of(move), LOST, stop_at(OLD), False, after(now)))
        plan = plan_of(amend.on_read(plan, stop_at(OLD), after(now + 1.1), after(now + 1.2)))
        move = amend.on_read(plan, stop_at(OLD), after(now + 1.7), after(now + 1.8))
        now += 2
    assert writes == amend.SENDS
    assert move.incident is not None


# --- refusals -----------------------------------------------------------------------------------------------------------


def test_a_price_beyond_the_market_ends_it_at_once() -> None:
    assert amend.on_settled(plan_of(begun()), TOO_FAR, stop_at(OLD), False, after(0.1)).result == BEYOND
    assert amend.on_settled(plan_of(begun()), NO, stop_at(OLD), True, after(0.1)).result == BEYOND


def test_other_refusals_are_tried_three_times_each_after_a_read_and_then_told() -> None:
    move, now, pauses = begun(), 0.1, []
    for _ in range(2):
        move = amend.on_settled(plan_of(move), NO, stop_at(OLD), False, after(now))
        assert move.timer is not None
        assert not move.reducings
        pauses.append(move.timer.delay_s)
        assert amend.on_timer(plan_of(move), stop_at(OLD)).reads
        move = amend.on_read(plan_of(move), stop_at(OLD), after(now + 0.6), after(now + 0.7))
        assert sent(move)
        now += 1
    end = amend.on_settled(plan_of(move), NO, stop_at(OLD), False, after(now))
    assert end.result.startswith("refused")
    assert end.incident is not None
    assert pauses == sorted(pauses)


def test_a_refused_cancel_of_an_order_that_is_over_ends_well() -> None:
    plan = plan_of(begun(Goal(is_cancel=True)))
    plan = plan_of(amend.on_settled(plan, Outcome(kind=OutcomeKind.REFUSED, code=5), stop_at(OLD), True, after(0.1)))
    assert amend.on_read(plan, stop_at(OLD, is_over=True), after(1), after(1.1)).result == DONE


def test_what_was_surely_not_sent_is_sent_after_a_pause_for_as_long_as_it_takes() -> None:
    move, told = begun(), 0
    for _ in range(20):
        move = amend.on_settled(plan_of(move), LIMITED, stop_at(OLD), False, after(0.1))
        assert plan_of(move).step is AmendStep.WAITING
        assert move.timer is not None
        told += move.incident is not None
        move = amend.on_timer(plan_of(move), stop_at(OLD))
        assert len(sent(move)) == 1
    assert told == 1


# --- another goal -------------------------------------------------------------------------------------------------------


def test_a_new_goal_in_flight_is_sent_with_the_answer() -> None:
    move = amend.change(plan_of(begun()), Goal(stop_price=NEWER), stop_at(OLD))
    assert not move.reducings, "one write in flight"
    move = amend.on_settled(plan_of(move), OK, stop_at(NEW), False, after(0.1))
    assert sent(move) == [ModifyOrder(gateway_order_id=ORDER, stop_price=NEWER)]


def test_a_new_goal_after_the_answer_is_sent_at_once() -> None:
    assert len(sent(amend.change(confirming(), Goal(stop_price=NEWER), stop_at(OLD)))) == 1


@pytest.mark.parametrize("outcome", [LOST, NO, LIMITED])
def test_a_new_goal_waits_where_nobody_knows_what_became_of_the_last_write(outcome: Outcome) -> None:
    assert not amend.change(confirming(outcome), Goal(stop_price=NEWER), stop_at(OLD)).reducings


def test_a_looser_goal_changes_nothing() -> None:
    plan = confirming()
    move = amend.change(plan, Goal(stop_price=OLD), stop_at(OLD))
    assert move.plan == plan
    assert not move.reducings


def test_a_target_that_goes_back_is_not_taken_for_there_before_it_was_sent() -> None:
    at = Seen(qty=2, limit_price=OLD)
    plan = plan_of(begun(Goal(limit_price=NEW), at, protects=None))
    plan = plan_of(amend.change(plan, Goal(limit_price=OLD), at))
    assert sent(amend.on_settled(plan, OK, at, False, after(0.1))) == [
        ModifyOrder(gateway_order_id=ORDER, limit_price=OLD)
    ]


def test_a_cancel_overrules_and_stays() -> None:
    plan = plan_of(amend.change(confirming(), Goal(is_cancel=True), stop_at(OLD)))
    assert plan.is_cancel
    assert plan_of(amend.change(plan, Goal(stop_price=NEWER), stop_at(OLD))).is_cancel


def test_a_quantity_only_falls() -> None:
    plan = plan_of(begun(Goal(qty=1)))
    assert plan_of(amend.change(plan, Goal(qty=2), stop_at(OLD))).qty == 1
    end = amend.on_settled(plan, OK, Seen(qty=1, stop_price=OLD), False, after(0.1))
    assert end.result == DONE


def test_what_to_do_beyond_the_market_goes_with_the_goal_that_asked_for_it() -> None:
    plan = plan_of(amend.change(plan_of(begun()), Goal(stop_price=NEWER, or_close=ExitReason.TRAILING), stop_at(OLD)))
    assert plan.or_close is ExitReason.TRAILING
    assert plan_of(amend.change(plan, Goal(stop_price=OLD), stop_at(OLD))).or_close is ExitReason.TRAILING


# --- a restart ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "plan", [plan_of(begun()), confirming(), confirming(LOST), confirming(NO), confirming(LIMITED)]
)
def test_after_a_restart_it_reads_before_it_sends(plan: AmendPlan) -> None:
    move = amend.on_resume(plan, after(50))
    assert move.reads
    assert not move.reducings
    assert amend.on_read(plan_of(move), stop_at(NEW), after(50.1), after(50.2)).result == DONE
    first = amend.on_read(plan_of(move), stop_at(OLD), after(51.1), after(51.2))
    assert sent(amend.on_read(plan_of(first), stop_at(OLD), after(51.8), after(51.9)))


# --- whatever happens -------------------------------------------------------------------------------------------------------


@dataclass
class Driver:
    """The plan against a venue of one stop; ``said`` is what our state knows of it, which may be old."""

    stop: Decimal = OLD
    said: Decimal = OLD
    now_s: float = 0.0
    plan: AmendPlan | None = None
    flying: list[Decimal] = field(default_factory=list)
    writes: list[Decimal] = field(default_factory=list)
    timers: int = 0
    reads: int = 0

    def take(self, move: Move) -> None:
        assert len(move.reducings) + len(self.flying) <= 1, "one write in flight"
        for one in move.reducings:
            assert isinstance(one.what, ModifyOrder)
            assert one.what.stop_price is not None
            self.flying.append(one.what.stop_price)
            self.writes.append(one.what.stop_price)
        self.timers += move.timer is not None
        self.reads += move.reads
        self.plan = move.plan if isinstance(move.plan, AmendPlan) else None
        assert self.plan is None or self.flying or self.timers or self.reads, "something will come"


STEPS = st.sampled_from(
    ["goal", "done", "lost", "lost unheard", "limited", "report", "old report", "read", "old read", "wait", "kill"]
)


@settings(max_examples=300)
@given(st.lists(st.tuples(STEPS, st.integers(0, 40), st.sampled_from([0.0, 0.3, 0.6, 1.1])), max_size=40))
def test_whatever_comes_a_stop_never_loosens_and_no_write_is_without_a_change(
    story: list[tuple[str, int, float]],
) -> None:
    world = Driver()
    for what, ticks, pause in story:
        world.now_s += pause
        play(world, what, OLD + ticks * TICK)
        assert all(b >= a for a, b in zip(world.writes, world.writes[1:], strict=False)), "goals only tighten"


def play(world: Driver, what: str, price: Decimal) -> None:
    now, said = after(world.now_s), stop_at(world.said)
    plan = world.plan
    if what == "goal":
        goal, before = Goal(stop_price=price), len(world.writes)
        if plan is not None:
            world.take(amend.change(plan, goal, said))
        elif price > world.stop:
            world.take(amend.begin(ORDER, CauseId("a"), PLACE, goal, said, now, protects=Side.SELL, tick_size=TICK))
        assert len(world.writes) == before or abs(world.writes[-1] - world.said) >= TICK
    elif what in {"done", "lost", "lost unheard", "limited"} and world.flying and plan is not None:
        at = world.flying.pop()
        if what in {"done", "lost"}:
            assert at >= world.stop, "nothing loosens at the venue"
            world.stop = at
        outcome = {"done": OK, "limited": LIMITED}.get(what, LOST)
        world.take(amend.on_settled(plan, outcome, said, False, now))
    elif plan is None:
        return
    elif what in {"report", "old report"}:
        world.said = world.stop if what == "report" else world.said
        move = amend.on_report(plan, stop_at(world.said))
        if move is not None:
            world.take(move)
    elif what in {"read", "old read"} and world.reads:
        world.reads -= 1
        world.take(amend.on_read(plan, stop_at(world.stop if what == "read" else world.said), now, now))
    elif what == "wait" and world.timers:
        world.timers -= 1
        world.take(amend.on_timer(plan, said))
    elif what == "kill":
        if world.flying:
            world.stop = max(world.stop, world.flying.pop())
        world.timers = world.reads = 0
        world.take(amend.on_resume(plan, now))


def test_the_plan_survives_the_journal() -> None:
    plan = confirming()
    assert msgspec.json.decode(msgspec.json.encode(plan), type=AmendPlan) == plan
