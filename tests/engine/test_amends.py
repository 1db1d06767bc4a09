"""What may be cancelled and changed by its number, by whom, and that it is carried out until the venue shows it."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from desk.core.events import OrderReported
from desk.core.ids import ClientOrderId, GatewayOrderId
from desk.core.intents import Cancel, Care, Modify
from desk.core.orders import OrderState, Role, StopTouch, TrackedOrder
from desk.core.plans import ExitReason
from desk.core.records import OrderChanged, Verdict, VerdictKind
from desk.core.words import OrderStatus, OrderType, Side, VenueOrder
from desk.engine import Decision
from desk.engine.amends import start_amend
from desk.engine.changes import rule_cancel, rule_modify
from desk.engine.draft import Draft
from desk.engine.rulings import Asker
from tests.engine.caring import TICK, Faults, MarketWorld, amends, at_market, holding
from tests.engine.venue import PRICE
from tests.engine.world import ACCOUNT, MNQ, PLACE, enter, exit_


def at(ticks: int) -> Decimal:
    return PRICE + ticks * TICK


def resting(
    side: Side = Side.BUY, *, limit: int | None = -40, stop: int | None = None, care: Care | None = None
) -> MarketWorld:
    """An entry of ours that rests at the venue, with a leg that sleeps."""
    world = at_market()
    care = care or Care()
    kind = OrderType.LIMIT if stop is None else OrderType.STOP
    prices = {"limit_price": at(limit)} if stop is None and limit is not None else {"stop_price": at(stop or 0)}
    number = GatewayOrderId(900)
    row = VenueOrder(
        gateway_order_id=number, account_id=ACCOUNT, contract_id=MNQ.contract_id, status=OrderStatus.OPEN, type=kind,
        side=side, qty=2, filled_qty=0, tag=ClientOrderId("dsk-entry"), created_at=world.now, **prices,
    )  # fmt: skip
    leg = msgspec.structs.replace(
        row, gateway_order_id=GatewayOrderId(901), status=OrderStatus.SUSPENDED, type=OrderType.STOP,
        side=side.opposite, tag=ClientOrderId("dsk-entry-SL"), parent_id=number, limit_price=None, stop_price=None,
    )  # fmt: skip
    order = TrackedOrder(
        client_order_id=ClientOrderId("dsk-entry"), cause=world.new_cause(), account_id=ACCOUNT,
        contract_id=MNQ.contract_id, role=Role.ENTRY, type=kind, side=side, qty=2, state=OrderState.WORKING,
        gateway_order_id=number, stop_ticks=40, submitted_at=world.now, updated_at=world.now, care=care, **prices,
    )  # fmt: skip
    world.care = care
    record = OrderChanged(cause=order.cause, order=order, why="test", ts=world.now)
    world.journal.append(record)
    draft = Draft(world.state, world.context)
    draft.record(record)
    world.state = draft.state
    world.venue.distances["dsk-entry"] = 40, None
    for one in (row, leg):
        world.venue._put(one)
    world.publish()
    world.run(1)
    world.ticks(0)
    return world


def asked(world: MarketWorld, intent: Cancel | Modify, reason: ExitReason = ExitReason.ALERT) -> Verdict:
    """What the intent of an alert is answered, without being carried out."""
    asker = Asker(cause=world.new_cause(), account_id=ACCOUNT, ts=world.now, reason=reason)
    if isinstance(intent, Cancel):
        return rule_cancel(world.state, intent, MNQ, asker, world.context).verdict
    return rule_modify(world.state, intent, asker, world.context).verdict


def number_of(world: MarketWorld, role: Role) -> GatewayOrderId:
    return world.leg(role).gateway_order_id


# --- cancel -------------------------------------------------------------------------------------------------------------


def test_an_unknown_number_is_denied() -> None:
    verdict = holding().command(Cancel(order_ids=(GatewayOrderId(5),)))
    assert (verdict.kind, verdict.reason) == (VerdictKind.DENIED, "NO_SUCH_ORDER")
    assert "no order 5" in verdict.text


def test_a_target_may_go_and_the_stop_stays() -> None:
    world = holding()
    assert world.command(Cancel(order_ids=(number_of(world, Role.TARGET),))).kind is VerdictKind.ACCEPTED
    world.run(3)
    assert [o.type for o in world.venue.working(PLACE)] == [OrderType.STOP]
    assert amends(world) == []


def test_the_stop_of_a_held_position_stays() -> None:
    world = holding()
    verdict = world.command(Cancel(order_ids=(number_of(world, Role.STOP),)))
    assert (verdict.kind, verdict.reason) == (VerdictKind.DENIED, "PROTECTS")
    world.run(3)
    assert world.stop.status is OrderStatus.OPEN


@pytest.mark.parametrize(("qty", "kind"), [(1, VerdictKind.DENIED), (2, VerdictKind.ACCEPTED)])
def test_unless_other_stops_cover_the_whole_position(qty: int, kind: VerdictKind) -> None:
    world = holding()
    hand = world.venue.rest(Side.SELL, qty, stop=at(-60))
    world.publish()
    world.run(1)
    mine = number_of(world, Role.STOP)
    assert world.command(Cancel(order_ids=(mine, hand))).kind is VerdictKind.DENIED, "never both"
    assert asked(world, Cancel(order_ids=(mine,))).kind is VerdictKind.DENIED, "never by an alert"
    assert world.command(Cancel(order_ids=(mine,))).kind is kind
    if kind is VerdictKind.ACCEPTED:
        assert world.command(Cancel(order_ids=(hand,))).kind is VerdictKind.DENIED, "the other one is on its way out"
        world.run(3)
        assert [o.gateway_order_id for o in world.venue.working(PLACE) if o.type is OrderType.STOP] == [hand]


def test_a_foreign_order_is_a_persons_business() -> None:
    world = at_market()
    hand = world.venue.rest(Side.BUY, 1, limit=at(-50))
    world.publish()
    world.run(1)
    assert asked(world, Cancel(order_ids=(hand,))).reason == "NOT_OURS"
    assert world.command(Cancel(order_ids=(hand,))).kind is VerdictKind.ACCEPTED
    world.run(3)
    assert world.venue.working(PLACE) == []
    assert amends(world) == []


def test_a_sleeping_stop_is_not_taken_from_its_entry() -> None:
    world = resting()
    assert world.command(Cancel(order_ids=(GatewayOrderId(901),))).reason == "PROTECTS"


def test_without_numbers_the_resting_entries_go_and_legs_stay() -> None:
    world = resting()
    assert world.command(Cancel()).text == "cancelling 1 entry of MNQZ6"
    world.run(3)
    assert world.venue.orders[GatewayOrderId(900)].status is OrderStatus.CANCELLED
    assert holding().command(Cancel()).kind is VerdictKind.IGNORED


def test_an_entry_that_waits_to_be_sent_again_is_not_sent_any_more() -> None:
    world = at_market(faults=Faults(not_sent=1))
    world.alert(enter())
    world.run(0.5)
    assert world.command(Cancel()).kind is VerdictKind.ACCEPTED
    world.faults = Faults()
    world.run(20)
    assert world.entries() == []


@pytest.mark.parametrize(
    "faults", [Faults(lost_reply=1), Faults(lost_event=1), Faults(not_sent=0.7), Faults(read_lag_s=0.9)]
)
@pytest.mark.parametrize("kill_s", [None, 0.0, 0.05, 0.5])
def test_a_cancel_gets_there_whatever_goes_wrong(faults: Faults, kill_s: float | None) -> None:
    world = resting()
    world.faults = faults
    world.command(Cancel(order_ids=(GatewayOrderId(900),)))
    if kill_s is not None:
        world.run(kill_s)
        world.kill()
    world.run(30)
    assert world.venue.orders[GatewayOrderId(900)].status is OrderStatus.CANCELLED
    assert amends(world) == []


@pytest.mark.parametrize("wanted", [Cancel(), Cancel(order_ids=(GatewayOrderId(900),))])
def test_an_entry_is_cancelled_although_the_account_is_not_reconciled(wanted: Cancel) -> None:
    """Cause: as long as the hub or one read was away "try again in a moment" was the answer, and the entry could fill."""
    world = resting()
    world.hub(False)
    world.faults = Faults(failed_read=1)
    world.run(5)
    assert not world.state.is_reconciled(ACCOUNT)
    assert world.command(wanted).kind is VerdictKind.ACCEPTED
    world.run(1)
    assert world.venue.orders[GatewayOrderId(900)].status is OrderStatus.CANCELLED
    world.faults = Faults()
    world.hub(True)
    world.run(10)
    assert amends(world) == []
    assert world.entries() == []


@pytest.mark.parametrize("role", [Role.STOP, Role.TARGET, None])
def test_what_is_not_surely_an_entry_waits_until_the_account_is_reconciled(role: Role | None) -> None:
    """Whether another stop covers the position is known by then, and not before."""
    world = holding()
    world.hub(False)
    number = GatewayOrderId(12345) if role is None else number_of(world, role)
    assert world.command(Cancel(order_ids=(number,))).reason == "NOT_RECONCILED"


# --- modify -------------------------------------------------------------------------------------------------------------


def test_a_stop_is_tightened_by_its_number_and_remembers_it() -> None:
    world = holding()
    verdict = world.command(Modify(order_id=number_of(world, Role.STOP), price=at(-30)))
    assert f"from {at(-80)} to {at(-30)}" in verdict.text
    world.run(2)
    assert world.stop_ticks == -30
    assert {leg.touched for leg in world.legs() if leg.role is Role.STOP} == {StopTouch.MOVED}


@pytest.mark.parametrize("role", [Role.ENTRY, Role.TARGET])
def test_the_same_quantity_changes_nothing(role: Role) -> None:
    world = resting() if role is Role.ENTRY else holding()
    number = GatewayOrderId(900) if role is Role.ENTRY else number_of(world, role)
    same = asked(world, Modify(order_id=number, qty=2))
    assert (same.kind, same.reason) == (VerdictKind.IGNORED, "ALREADY_THERE")
    price = at(-60) if role is Role.ENTRY else at(90)
    moved = world.command(Modify(order_id=number, qty=2, price=price))
    assert moved.kind is VerdictKind.ACCEPTED, moved.text
    assert "contracts" not in moved.text
    world.run(3)
    order = world.venue.orders[number]
    assert (order.qty, order.limit_price) == (2, price)


@pytest.mark.parametrize(
    ("role", "change", "reason"),
    [
        (Role.STOP, {"price": at(-90)}, "ADDS_RISK"),
        (Role.STOP, {"price": at(1)}, "WRONG_SIDE"),
        (Role.STOP, {"price": Decimal("19990.1")}, "BAD_PRICE"),
        (Role.STOP, {"qty": 1}, "BAD_SIZE"),
        (Role.TARGET, {"qty": 1}, "BAD_SIZE"),
        (Role.TARGET, {"price": at(0)}, "WRONG_SIDE"),
        (Role.TARGET, {}, "UNREADABLE"),
    ],
)
def test_what_is_not_changed_at_a_leg(role: Role, change: dict[str, object], reason: str) -> None:
    world = holding()
    world.ticks(0)
    verdict = world.command(Modify(order_id=number_of(world, role), **change))  # type: ignore[arg-type]
    assert (verdict.kind, verdict.reason) == (VerdictKind.DENIED, reason)
    assert world.modifies == []


def test_a_target_goes_either_way() -> None:
    world = holding()
    world.ticks(0)
    for ticks in (200, 50):
        assert (
            world.command(Modify(order_id=number_of(world, Role.TARGET), price=at(ticks))).kind is VerdictKind.ACCEPTED
        )
        world.run(2)
        assert world.leg(Role.TARGET).limit_price == at(ticks)


def test_an_order_of_an_exit_is_not_changed() -> None:
    world = holding()
    number = number_of(world, Role.TARGET)
    world.alert(exit_())
    assert world.command(Modify(order_id=number, price=at(70))).reason == "EXIT_RUNNING"


@pytest.mark.parametrize(("ticks", "reason"), [(-10, ""), (-70, ""), (1, "WRONG_SIDE"), (50, "WRONG_SIDE")])
def test_a_resting_limit_stays_on_its_side_of_the_market(ticks: int, reason: str) -> None:
    world = resting()
    assert world.command(Modify(order_id=GatewayOrderId(900), price=at(ticks))).reason == reason
    world.run(2)
    assert world.venue.orders[GatewayOrderId(900)].limit_price == at(-40 if reason else ticks)


@pytest.mark.parametrize(("ticks", "reason"), [(30, ""), (70, ""), (0, "WRONG_SIDE")])
def test_a_resting_stop_entry_moves_both_ways_beyond_the_market(ticks: int, reason: str) -> None:
    world = resting(stop=40)
    assert world.command(Modify(order_id=GatewayOrderId(900), price=at(ticks))).reason == reason
    world.run(2)
    assert world.venue.orders[GatewayOrderId(900)].stop_price == at(40 if reason else ticks)


def test_an_entry_is_not_moved_through_its_own_exact_stop() -> None:
    world = resting(care=Care(stop_price=at(-60)))
    assert world.command(Modify(order_id=GatewayOrderId(900), price=at(-57))).reason == "STOP_TOO_CLOSE"
    assert world.command(Modify(order_id=GatewayOrderId(900), price=at(-50))).kind is VerdictKind.ACCEPTED


def test_an_entry_is_not_moved_blindly() -> None:
    world = resting()
    world.run(3)
    assert world.command(Modify(order_id=GatewayOrderId(900), price=at(-50))).reason == "NO_QUOTE"


def test_a_quantity_only_gets_smaller() -> None:
    world = resting()
    assert world.command(Modify(order_id=GatewayOrderId(900), qty=3)).reason == "ADDS_RISK"
    assert world.command(Modify(order_id=GatewayOrderId(900), qty=1)).kind is VerdictKind.ACCEPTED
    world.run(2)
    assert world.venue.orders[GatewayOrderId(900)].qty == 1


def test_a_stop_by_hand_against_the_position_only_tightens_too() -> None:
    world = holding()
    hand = world.venue.rest(Side.SELL, 1, stop=at(-60))
    world.publish()
    world.run(1)
    assert world.command(Modify(order_id=hand, price=at(-70))).reason == "ADDS_RISK"
    assert world.command(Modify(order_id=hand, price=at(-50))).kind is VerdictKind.ACCEPTED
    world.run(3)
    assert world.venue.orders[hand].stop_price == at(-50)
    assert amends(world) == []


def test_dry_runs_and_shadow_say_what_they_would_do() -> None:
    world = holding()
    world.is_shadow = True
    assert world.command(Cancel(order_ids=(number_of(world, Role.TARGET),))).kind is VerdictKind.WOULD_SEND
    assert world.command(Modify(order_id=number_of(world, Role.STOP), price=at(-3))).kind is VerdictKind.WOULD_SEND
    assert amends(world) == []


# --- for the rest of the engine -------------------------------------------------------------------------------------------


def started(world: MarketWorld, stop: Decimal) -> Decision:
    draft = Draft(world.state, world.context)
    plan_id = start_amend(draft, number_of(world, Role.STOP), world.new_cause(), *PLACE, stop_price=stop)
    assert plan_id == f"amend:{number_of(world, Role.STOP)}"
    return draft.finish()


def test_nothing_to_do_leaves_no_plan() -> None:
    world = holding()
    assert started(world, at(-80)).effects == ()
    assert started(world, at(-81)).effects == (), "a stop is never loosened, whoever asks"
    world.alert(exit_())
    assert started(world, at(-10)).records == (), "an exit runs"


def test_a_second_wish_joins_the_first() -> None:
    world = holding()
    world.command(Modify(order_id=number_of(world, Role.STOP), price=at(-50)))
    world.command(Modify(order_id=number_of(world, Role.STOP), price=at(-40)))
    assert len(amends(world)) == 1
    world.run(3)
    assert world.stop_ticks == -40
    assert [what.stop_price for what in world.modifies] == [at(-50), at(-40)]


def test_an_older_report_that_comes_late_does_not_put_the_price_back() -> None:
    """Cause: hub events are reordered; the state would show a looser stop, and a command in between would loosen it."""
    world = holding()
    old = world.stop
    world.command(Modify(order_id=old.gateway_order_id, price=at(-40)))
    world.run(2)
    world.give(OrderReported(order=old, ts=world.now))
    (stop,) = [leg for leg in world.legs() if leg.role is Role.STOP]
    assert stop.stop_price == at(-40)
