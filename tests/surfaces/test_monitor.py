"""``monitor``, ``plans`` and ``orders``: what protects, what is under way, what waits, in words."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from desk.core.events import ResyncRequested
from desk.core.ids import CauseId, ClientOrderId, FillId, GatewayOrderId, client_order_id
from desk.core.intents import BreakEven, Cancel, Care, Enter, Stage, Trail
from desk.core.orders import OrderRequest, OrderState, Role
from desk.core.plans import (
    AmendPlan,
    AmendStep,
    CarePlan,
    EitherPlan,
    EnterPlan,
    EnterStep,
    ExitPlan,
    ExitReason,
    ExitStep,
    FlattenPlan,
    GroupPlan,
    Plan,
    ProtectPlan,
    ReducePlan,
    ReduceStep,
    ReversePlan,
    StopPlan,
    StopStep,
    Ticket,
    TouchPlan,
)
from desk.core.records import AccountReconciled, FillRecorded, OrderChanged, PlanChanged, ResyncStarted
from desk.core.words import Fill, OrderType, Side
from desk.engine.reports import VENUE
from desk.orders.move import PlaceView, is_protected
from desk.surfaces import view
from desk.surfaces.calls import Caller
from desk.surfaces.deeds import deed
from tests.surfaces import room as rooms
from tests.surfaces.room import ACCOUNT, CAUSE, MNQ, T0, Room
from tests.surfaces.test_commands import run

TAG = ClientOrderId("dsk-entry")
ENTER = Enter(
    side=Side.BUY, qty=2, stop_ticks=80, touch_price=Decimal("20950"), max_position=4,
    stages=(Stage(qty=1, target_ticks=40), Stage(qty=1, target_ticks=80)), expires_at=T0 + timedelta(minutes=15),
)  # fmt: skip
PLACE = {"cause": CAUSE, "account_id": ACCOUNT, "contract_id": MNQ.contract_id, "started_at": T0}


def plan_of(kind: type[Plan], name: str, **terms: object) -> Plan:
    place = {key: value for key, value in PLACE.items() if key in kind.__struct_fields__}
    return kind(plan_id=f"{name}:{CAUSE}", **place, **terms)  # type: ignore[arg-type]


def ticket(tag: str) -> Ticket:
    order = OrderRequest(
        client_order_id=ClientOrderId(tag), account_id=ACCOUNT, contract_id=MNQ.contract_id, type=OrderType.STOP,
        side=Side.BUY, qty=1, stop_price=Decimal(21050), stop_ticks=80,
    )  # fmt: skip
    return Ticket(order=order, max_position=4)


TICKETS = (ticket("dsk-entry"), ticket("dsk-other"))
TOUCH = plan_of(TouchPlan, "touch", enter=ENTER, is_above=False)
PLANS = [
    (plan_of(EnterPlan, "enter", entry=TAG, step=EnterStep.SEARCHING, misses=1), "enter plan searching", "1 searches found"),
    (plan_of(ExitPlan, "exit", reason=ExitReason.MANUAL, step=ExitStep.CLOSING), "exit plan closing", "manual: 0 cancels"),
    (plan_of(FlattenPlan, "flatten", reason=ExitReason.RULE), "flatten plan", "PAPER-50K: waits for 0 exits"),
    (plan_of(ProtectPlan, "protect"), "protect plan", "MNQZ6 in PAPER-50K: 0 reads without a stop"),
    (TOUCH, "touch plan", "waits for the market to come down: buy 2 MNQZ6 at market once 20950.00 trades"),
    (plan_of(ReversePlan, "reverse", waits_for="exit:1", enter=ENTER), "reverse plan", "once exit:1 is flat: buy 2 MNQZ6"),
    (
        plan_of(AmendPlan, "amend", gateway_order_id=GatewayOrderId(502), step=AmendStep.SENDING, stop_price=Decimal(21020)),
        "amend plan sending",
        "order #502 to stop 21020.00",
    ),
    (
        plan_of(AmendPlan, "amend", gateway_order_id=GatewayOrderId(502), step=AmendStep.CONFIRMING, is_cancel=True),
        "amend plan confirming",
        "order #502 goes",
    ),
    (
        plan_of(
            CarePlan, "care", entry=TAG, side=Side.BUY, tick_size=MNQ.tick_size, basis=Decimal(21034),
            peak=Decimal(21060), is_at_break_even=True,
            care=Care(breakeven=BreakEven(trigger_ticks=40), trail=Trail(distance_ticks=40, trigger_ticks=20)),
        ),
        "care plan",
        "entry 21034.00; break-even once 40 ticks in favour; the stop trails 40 ticks behind from 20 ticks in favour on; "
        "break-even done; trailing, best price 21060.00",
    ),
    (
        plan_of(ReducePlan, "reduce", qty=1, keeps=2, reason=ExitReason.MANUAL, step=ReduceStep.RESIZING),
        "reduce plan resizing",
        "manual: 1 to close, +2 remain",
    ),
    (
        plan_of(StopPlan, "stop", order=ClientOrderId("dsk-stop"), step=StopStep.SEARCHING, misses=1),
        "stop plan searching",
        "dsk-stop, 1 searches found",
    ),
    (
        plan_of(GroupPlan, "group", enter=ENTER, tickets=TICKETS, members=(TAG,)),
        "group plan",
        "buy 2 in 2 stages: 1 sent, 0 targets filled",
    ),
    (
        plan_of(GroupPlan, "group", enter=ENTER, tickets=TICKETS, members=(TAG,), done=(0,)),
        "group plan",
        "buy 2 in 2 stages: 1 sent, 1 target filled",
    ),
    (
        plan_of(EitherPlan, "either", tickets=TICKETS, winner=TAG),
        "either plan",
        "dsk-entry filled, the other one goes",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("plan", "what", "words"), PLANS, ids=lambda part: getattr(part, "plan_id", ""))
async def test_every_plan_has_its_words(room: Room, caller: Caller, plan: Plan, what: str, words: str) -> None:
    told = deed(room.desk, PlanChanged(cause=CAUSE, plan=plan, ts=T0))
    assert told[0] == what
    assert words in told[1]
    room.tell(PlanChanged(cause=CAUSE, plan=plan, ts=T0))
    text = (await run(room, "plans", caller)).text
    assert what.replace(" plan", "") in text
    assert f"(why {CAUSE})" in text


async def test_an_emulated_order_is_shown_where_orders_are(room: Room, caller: Caller) -> None:
    room.tell(PlanChanged(cause=CAUSE, plan=TOUCH, ts=T0))
    text = (await run(room, "orders", caller)).text
    assert "No working order." in text
    assert text.splitlines()[-1].split() == ["MNQZ6", "buy", "2", "20950.00", "market", "15:45:00", CAUSE, "PAPER-50K"]
    assert view.state_view(room.desk).waiting[0].touch_price == Decimal("20950")
    assert f"cancel {CAUSE} takes it away" in (await run(room, f"modify {CAUSE} 1 yes", caller)).text


@pytest.mark.parametrize("text", [CAUSE, CAUSE.lower(), TOUCH.plan_id])
async def test_an_emulated_order_is_cancelled_by_the_id_that_is_shown(room: Room, caller: Caller, text: str) -> None:
    room.tell(PlanChanged(cause=CAUSE, plan=TOUCH, ts=T0))
    await run(room, f"cancel {text} yes", caller)
    (event,) = room.intents
    assert event.intent == Cancel(waiting=(TOUCH.plan_id,))
    assert (event.account_id, event.contract_id) == (TOUCH.account_id, TOUCH.contract_id)


async def test_cancel_all_names_what_waits_by_the_price_it_waits_for(room: Room, caller: Caller) -> None:
    room.tell(PlanChanged(cause=CAUSE, plan=TOUCH, ts=T0))
    asked: list[str] = []

    async def no(text: str) -> bool:
        asked.append(text)
        return False

    await run(room, "cancel_all MNQ", replace(caller, confirm=no))
    assert "MNQZ6: buy 2 MNQZ6 once 20950.00 trades. Protective" in asked[0]


async def test_a_break_even_that_was_reached_is_told_as_such(room: Room, caller: Caller) -> None:
    room.tell(*rooms.position_records())
    entry = rooms.entry_order().client_order_id
    care = Care(breakeven=BreakEven(trigger_ticks=40))
    for goal, words in ((Decimal("21014.25"), "stop is at 21014.25"), (Decimal(21036), "stop goes to 21036.00")):
        plan = plan_of(
            CarePlan, "care", entry=entry, side=Side.BUY, tick_size=MNQ.tick_size, basis=Decimal("21034.25"), care=care,
            is_at_break_even=True, stop_goal=goal,
        )  # fmt: skip
        assert words in deed(room.desk, PlanChanged(cause=CAUSE, plan=plan, ts=T0))[1]


@pytest.mark.parametrize(
    ("cause", "tag", "whose"),
    [(CAUSE, "dsk-entry", "#501"), (CAUSE, None, "#501, a close"), (VENUE, None, "#501, not an order of ours")],
)
async def test_a_fill_says_whose_it_was(room: Room, cause: CauseId, tag: str | None, whose: str) -> None:
    fill = Fill(
        fill_id=FillId(1), account_id=ACCOUNT, contract_id=MNQ.contract_id, gateway_order_id=GatewayOrderId(501),
        side=Side.SELL, qty=1, price=Decimal(21040), gross_pnl=Decimal(0), fees=Decimal(0), commissions=Decimal(0),
        ts_event=T0,
    )  # fmt: skip
    record = FillRecorded(cause=cause, fill=fill, client_order_id=None if tag is None else ClientOrderId(tag), ts=T0)
    assert deed(room.desk, record)[1].endswith(whose)


async def test_an_order_that_rests_shows_until_when(room: Room, caller: Caller) -> None:
    resting = rooms.replaced(
        rooms.entry_order(OrderState.WORKING), type=OrderType.LIMIT, limit_price=Decimal("20990.25"), filled_qty=0,
        expires_at=T0 + timedelta(minutes=15),
    )  # fmt: skip
    room.tell(OrderChanged(cause=CAUSE, order=resting, why="venue", ts=T0))
    row = (await run(room, "orders", caller)).text.splitlines()[-1].split()
    assert row == ["501", "MNQZ6", "entry", "limit", "buy", "2", "0", "20990.25", "working", "15:45:00"]


# --- coverage ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("held", "stop", "shown"),
    [(2, 2, "yes"), (3, 2, "2 of 3"), (2, None, "NO"), (1, 2, "2 of 1: TOO MUCH"), (-2, 2, "NO")],
)
async def test_coverage_says_how_much_is_protected(
    room: Room, caller: Caller, held: int, stop: int | None, shown: str
) -> None:
    room.tell(*rooms.position_records(qty=held, stop=None))
    if stop is not None:
        leg = rooms.replaced(rooms.leg_order(Role.STOP, "21014.25"), qty=stop)
        room.tell(OrderChanged(cause=CAUSE, order=leg, why="venue", ts=T0))
    assert (await run(room, "positions", caller)).text.splitlines()[2].endswith(f" {shown}")
    (position,) = view.view_positions(room.desk)
    place = (ACCOUNT, MNQ.contract_id)
    ours = tuple(room.desk.state.orders_at(place))
    assert (
        position.is_protected == is_protected(PlaceView(*place, held, ours, ())) == (position.covered_qty >= abs(held))
    )


async def test_monitor_reads_the_gateway_before_it_says_anything(room: Room, caller: Caller) -> None:
    room.tell(*rooms.position_records(qty=3))
    events: list[ResyncRequested] = []

    def reread(event: ResyncRequested) -> None:
        events.append(event)
        room.tell(ResyncStarted(cause=CAUSE, reason=event.reason, ts=T0))
        room.tell(AccountReconciled(cause=CAUSE, account_id=ACCOUNT, differences=(), ts=event.ts))

    room.on_resync = reread
    result = await run(room, "monitor", caller)
    assert [event.reason for event in events] == ["monitor, asked for by api"]
    words = " ".join(result.text.split())
    assert "1 MNQZ6 long 3 2 of 3 2 of 3 2 at 21014.25 2 at 21074.25" in words
    assert "1 position checked, 0 protected" in words
    assert "No orphan" in words
    assert isinstance(result.data, dict)
    assert (result.data["is_confirmed"], result.data["checked"], result.data["protected"]) == (True, 1, 0)
    assert room.intents == []


async def test_monitor_names_orphans_and_what_was_not_confirmed(
    room: Room, caller: Caller, monkeypatch: pytest.MonkeyPatch, unit: float
) -> None:
    monkeypatch.setattr("desk.surfaces.monitor.READ_WAIT_S", unit)
    room.clock.advance(1)
    leg = rooms.replaced(rooms.leg_order(Role.STOP, "21014.25"), parent=client_order_id(CAUSE, ACCOUNT, "gone", 1))
    room.tell(OrderChanged(cause=CAUSE, order=leg, why="venue", ts=T0))
    result = await run(room, "monitor", caller)
    assert isinstance(result.data, dict)
    assert (len(result.data["orphans"]), result.data["is_confirmed"]) == (1, False)
    assert "502" in result.text
    assert "did not confirm" in result.text
