"""The commands that trade, from the typed line to what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from desk.core.alert import PositionSide
from desk.core.errors import StoreError
from desk.core.events import FlattenRequested, IntentGiven
from desk.core.ids import AccountId, ClientOrderId, ContractId, FillId, GatewayOrderId, client_order_id
from desk.core.intents import (
    BreakEvenNow,
    Cancel,
    Enter,
    Exit,
    Intent,
    Modify,
    MoveStop,
    MoveTarget,
    Reduce,
    Reverse,
    TrailOff,
    TrailOn,
)
from desk.core.orders import OrderRequest, OrderState, Role
from desk.core.plans import (
    AmendPlan,
    AmendStep,
    EnterPlan,
    EnterStep,
    ExitPlan,
    ExitReason,
    ExitStep,
    GroupPlan,
    Ticket,
)
from desk.core.records import (
    AccountChanged,
    AccountReconciled,
    FillRecorded,
    OrderChanged,
    PlanChanged,
    PlanEnded,
    PositionChanged,
    Record,
    Verdict,
    VerdictKind,
)
from desk.core.words import Account, Fill, OrderType, Side, VenuePosition
from desk.runtime.ranges import Ranges
from desk.surfaces import giving
from desk.surfaces.calls import Caller, Sitting
from desk.surfaces.commands import COMMANDS
from tests.surfaces import room as rooms
from tests.surfaces.room import ACCOUNT, CAUSE, MNQ, T0, Room
from tests.surfaces.test_commands import run

OTHER = AccountId(7002)
ENTRIES = [
    "trade MNQ buy 1 stop=80",
    "limit MNQ buy 1 20990.25 stop=80",
    "bracket MNQ sell 1 80 160",
    "oco MNQ 1 21050 20950 stop=80",
]


@pytest.fixture
def person(caller: Caller) -> Caller:
    """Somebody at the console who says yes to everything."""

    async def yes(question: str) -> bool:
        del question
        return True

    return replace(caller, by="console", sitting=Sitting(), confirm=yes)


@pytest.fixture(autouse=True)
def no_long_wait(monkeypatch: pytest.MonkeyPatch, unit: float) -> None:
    monkeypatch.setattr(giving, "WAIT_S", unit)


def second_account(qty: int = 0) -> list[Record]:
    account = Account(account_id=OTHER, name="PRAC-2", balance=Decimal(1), can_trade=True)
    records: list[Record] = [
        AccountChanged(cause=CAUSE, account=account, ts=T0),
        AccountReconciled(cause=CAUSE, account_id=OTHER, differences=(), ts=T0),
    ]
    if qty:
        position = VenuePosition(
            account_id=OTHER, contract_id=MNQ.contract_id, qty=qty, avg_price=Decimal("21034.25"), opened_at=T0
        )
        records.append(PositionChanged(cause=CAUSE, position=position, source="hub", ts=T0))
    return records


def filled(event: IntentGiven) -> Sequence[Record]:
    """The entry and both legs, as the venue reports them; and the tag that the verdict would name."""
    tag = client_order_id(event.cause, event.account_id, "entry", 1)
    entry = rooms.replaced(rooms.entry_order(), client_order_id=tag, cause=event.cause)
    stop, target = (
        rooms.replaced(leg, client_order_id=f"{tag}-{suffix}", parent=tag, cause=event.cause)
        for leg, suffix in (
            (rooms.leg_order(Role.STOP, "21014.25"), "SL"),
            (rooms.leg_order(Role.TARGET, "21074.25"), "TP"),
        )
    )
    position = rooms.position_records(stop=None)[-1]
    changes = [OrderChanged(cause=event.cause, order=order, why="venue", ts=T0) for order in (entry, stop, target)]
    return [*changes, position]


def accept(room: Room, text: str = "buy 2 MNQZ6 at market", plan_id: str | None = None) -> None:
    room.verdict = Verdict(kind=VerdictKind.ACCEPTED, text=text, plan_id=plan_id)


# --- the question --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "question"),
    [
        (
            "trade MNQ buy 2 stop=20p target=40,80",
            "PAPER-50K: buy 2 MNQZ6 at market, stop 80 ticks, target 40 ticks for 1, target 80 ticks for 1; "
            "risk 80.00 $. Market 21034.25 / 21034.50. Really?",
        ),
        (
            "trade MNQ buy 1 stop=@21024.5 be=40",
            "PAPER-50K: buy 1 MNQZ6 at market, stop at 21024.50, break-even once 40 ticks in favour; "
            "risk about 20.00 $. Market 21034.25 / 21034.50. Really?",
        ),
        (
            "limit MNQ sell 2 21050 stop=@21060.25 expire=15m",
            "PAPER-50K: sell 2 MNQZ6 limit at 21050.00, stop at 21060.25, until 2026-11-18 14:45:00 UTC; "
            "risk 41.00 $. Market 21034.25 / 21034.50. Really?",
        ),
    ],
)
async def test_the_question_names_all_that_is_risked(room: Room, person: Caller, line: str, question: str) -> None:
    room.quotes.say("21034.25", T0)
    asked: list[str] = []

    async def no(text: str) -> bool:
        asked.append(text)
        return False

    result = await run(room, line, replace(person, confirm=no))
    assert asked == [question]
    assert (result.text, room.events) == ("Nothing was done.", [])


@pytest.mark.parametrize("line", [*ENTRIES, "close MNQ", "modify_stop MNQ 21020.25", "cancel 502", "flatten"])
@pytest.mark.parametrize("word", ["", " yes"])
async def test_over_http_nothing_is_asked(room: Room, caller: Caller, line: str, word: str) -> None:
    if line not in ENTRIES:
        room.tell(*rooms.position_records())
    room.on_flatten = lambda event: room.tell(*rooms.flat_records())
    assert (await run(room, line + word, caller)).ok
    assert len(room.events) == 1


async def test_a_stop_that_cannot_be_measured_has_no_risk_that_somebody_made_up(
    room: Room, person: Caller, monkeypatch: pytest.MonkeyPatch, unit: float
) -> None:
    monkeypatch.setattr("desk.surfaces.market.QUOTE_WAIT_S", unit)
    asked: list[str] = []

    async def no(text: str) -> bool:
        asked.append(text)
        return False

    await run(room, "trade MNQ buy 1 stop=@21000", replace(person, confirm=no))
    assert "risk not known: there is no fresh quote" in asked[0]
    assert room.quotes.watched == [MNQ.contract_id]


async def test_a_stop_on_the_wrong_side_of_the_market_is_refused(room: Room, person: Caller) -> None:
    room.quotes.say("21034.25", T0)
    text = (await run(room, "trade MNQ buy 1 stop=@21040", person)).text
    assert "has to lie below where it fills, and MNQZ6 is at 21034.50" in text
    assert room.events == []


# --- what the engine gets ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "intent"),
    [
        ("trade MNQ sell 2", Exit(side=PositionSide.LONG)),
        ("trade MNQ sell 1", Reduce(qty=1, side=PositionSide.LONG)),
        ("close MNQ", Exit(side=PositionSide.LONG)),
        ("close mnq 2", Exit(side=PositionSide.LONG)),
        ("close MNQ 1", Reduce(qty=1, side=PositionSide.LONG)),
        ("modify_stop MNQ 21020.25", MoveStop(price=Decimal("21020.25"))),
        ("modify_stop MNQ 2.6atr", MoveStop(price=Decimal("21029.25"))),  # 5.2 points, of which 5 are whole ticks
        ("modify_stop MNQ 40t", MoveStop(price=Decimal("21024.25"))),
        ("modify_tp MNQ 10atr", MoveTarget(price=Decimal("21054.25"))),
        ("modify_tp MNQ 20p", MoveTarget(price=Decimal("21054.25"))),
        ("breakeven MNQ 1atr", BreakEvenNow(offset_ticks=8)),
        ("MODIFY_TP MNQ @21090", MoveTarget(price=Decimal(21090))),
        ("breakeven MNQ", BreakEvenNow()),
        ("breakeven MNQ 2", BreakEvenNow(offset_ticks=2)),
        ("trail_off MNQ", TrailOff()),
        ("cancel 502", Cancel(order_ids=(GatewayOrderId(502),))),
        ("cancel #503", Cancel(order_ids=(GatewayOrderId(503),))),
        ("modify 502 1", Modify(order_id=GatewayOrderId(502), qty=1)),
        ("modify 502 21020.25", Modify(order_id=GatewayOrderId(502), price=Decimal("21020.25"))),
        ("modify 503 1 21080", Modify(order_id=GatewayOrderId(503), qty=1, price=Decimal(21080))),
        ("cancel_all MNQ", Cancel()),
    ],
)
async def test_a_command_about_what_is_held_reaches_the_engine(
    room: Room, caller: Caller, line: str, intent: Intent
) -> None:
    room.tell(*rooms.position_records())
    assert (await run(room, f"{line} yes", caller)).ok
    (event,) = room.intents
    assert event.intent == intent
    assert (event.account_id, event.contract_id, event.by) == (ACCOUNT, MNQ.contract_id, "api")


async def test_an_entry_takes_its_limit_from_the_bot_and_its_time_from_the_yes(room: Room, person: Caller) -> None:
    async def slow_yes(question: str) -> bool:
        room.clock.advance(30)
        return True

    await run(room, "trade MNQ buy 1 stop=80", replace(person, confirm=slow_yes))
    (event,) = room.intents
    assert isinstance(event.intent, Enter)
    assert event.intent.max_position == 4
    assert event.intent.fresh_until == T0 + timedelta(seconds=45)


async def test_cancel_all_without_a_symbol_is_about_the_account(room: Room, caller: Caller) -> None:
    await run(room, "cancel_all account=PAPER-50k yes", caller)
    assert (room.intents[0].contract_id, room.intents[0].intent) == (None, Cancel())


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("close", "which position? Write close POSITION|SYMBOL [QTY]"),
        ("close MNQ 3", "at most 2 can be closed"),
        ("close ES", "lists no ES contract"),
        ("modify_stop MNQ", "something is missing"),
        ("modify_stop MNQ 21020.3", "21020.25 or 21020.50"),
        ("cancel 999", "no working order has the id"),
        ("cancel abc", "is not an order id"),
        ("modify 502", "something is missing"),
        ("modify 502 21020", "A price is written with a point: 21020.0"),
        ("modify 502 -1", "whole contracts"),
        ("trade MNQ buy 1 stop=80 account=nope", "Write its name, id or number: 1 PAPER-50K (7001)"),
        ("close 1", "numbers belong to a list on a screen"),
        ("flatten MNQ ES", "too many words"),
        ("reverse MNQ", "an entry needs a protective stop"),
    ],
)
async def test_a_command_that_cannot_be_meant_says_why(room: Room, caller: Caller, line: str, hint: str) -> None:
    room.tell(*rooms.position_records())
    result = await run(room, f"{line} yes", caller)
    assert not result.ok
    assert hint in result.text
    assert room.events == []


# --- accounts and numbers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ref", ["PRAC-2", "prac-2", "7002", "2"])
async def test_another_account_is_named_by_the_command(room: Room, caller: Caller, ref: str) -> None:
    room.tell(*second_account())
    await run(room, f"trade MNQ buy 1 stop=80 account={ref} yes", caller)
    assert room.intents[0].account_id == OTHER


async def test_a_console_may_switch_its_account_and_nobody_elses(room: Room, person: Caller, caller: Caller) -> None:
    room.tell(*second_account(qty=-1))
    assert "PRAC-2" in (await run(room, "switch_account 2", person)).text
    assert "This console trades PRAC-2" in (await run(room, "accounts", person)).text
    await run(room, "trade MNQ buy 1", person)
    await run(room, "trade MNQ buy 1 stop=80 yes", caller)
    assert [event.account_id for event in room.intents] == [OTHER, ACCOUNT]
    assert room.intents[0].intent == Exit(side=PositionSide.SHORT)
    assert room.desk.account_id == ACCOUNT


async def test_over_http_no_account_is_chosen_for_later(room: Room, caller: Caller) -> None:
    assert "every request stands alone here" in (await run(room, "switch_account 1", caller)).text


async def test_a_number_means_the_position_that_was_shown_with_it(room: Room, person: Caller) -> None:
    room.tell(*rooms.position_records(), *second_account(qty=-1))
    assert "Write positions first" in (await run(room, "close 2", person)).text
    text = (await run(room, "positions", person)).text
    assert text.index("1  MNQZ6") < text.index("2  MNQZ6")
    room.tell(*rooms.flat_records())
    assert "is flat meanwhile" in (await run(room, "close 1", person)).text
    assert (await run(room, "close 2", person)).ok
    assert [(event.account_id, event.intent) for event in room.intents] == [(OTHER, Exit(side=PositionSide.SHORT))]


async def test_a_symbol_held_elsewhere_is_found_for_the_next_try(room: Room, caller: Caller) -> None:
    room.tell(*second_account(qty=-1))
    assert "it is held in PRAC-2: add account=NAME" in (await run(room, "close MNQ yes", caller)).text


@pytest.mark.parametrize(
    ("line", "account_id", "contract_id"),
    [
        ("flatten all yes", None, None),
        ("flatten account=PRAC-2 yes", OTHER, None),
        ("flatten prac-2 yes", OTHER, None),
        ("flatten MNQ account=2 yes", OTHER, MNQ.contract_id),
    ],
)
async def test_flatten_takes_a_symbol_an_account_or_both(
    room: Room, caller: Caller, line: str, account_id: AccountId | None, contract_id: ContractId | None
) -> None:
    room.tell(*second_account())
    assert (await run(room, line, caller)).ok
    (event,) = room.events
    assert isinstance(event, FlattenRequested)
    assert (event.account_id, event.contract_id) == (account_id, contract_id)


# --- what became of it ---------------------------------------------------------------------------------------------


async def test_an_entry_tells_its_fill_and_its_working_stop(room: Room, caller: Caller) -> None:
    accept(room)
    room.on_intent = filled
    result = await run(room, "trade MNQ buy 2 stop=80 yes", caller)
    words = " ".join(result.text.split())
    assert "accepted: buy 2 MNQZ6 at market" in words
    assert "entry filled buy 2 MNQZ6 market, filled at 21034.25" in words
    assert "stop working sell 2 MNQZ6 stop, stop 21014.25, #502" in words
    assert "position +2 MNQZ6 at 21034.25, protected 2 of 2" in words
    assert result.text.splitlines()[-1] == f"why {room.intents[0].cause}"
    assert isinstance(result.data, dict)
    assert [order["state"] for order in result.data["orders"]] == ["filled", "working", "working"]
    assert result.data["is_settled"]


async def test_what_takes_longer_is_not_called_done(room: Room, caller: Caller) -> None:
    room.verdict = Verdict(kind=VerdictKind.ACCEPTED, text="x", orders=(ClientOrderId("dsk-not-there-yet"),))
    result = await run(room, "trade MNQ buy 2 stop=80 yes", caller)
    assert "Not settled after" in result.text
    assert isinstance(result.data, dict)
    assert not result.data["is_settled"]


async def test_a_rejected_entry_is_no_success(room: Room, caller: Caller) -> None:
    def reject(event: IntentGiven) -> Sequence[Record]:
        tag = client_order_id(event.cause, ACCOUNT, "entry", 1)
        order = rooms.replaced(
            rooms.entry_order(OrderState.REJECTED), client_order_id=tag, cause=event.cause, filled_qty=0
        )
        return [OrderChanged(cause=event.cause, order=order, why="refused: market is closed", ts=T0)]

    accept(room)
    room.on_intent = reject
    result = await run(room, "trade MNQ buy 2 stop=80 yes", caller)
    assert not result.ok
    assert "refused: market is closed" in result.text


@pytest.mark.parametrize("is_sent_again", [True, False])
async def test_an_entry_that_goes_out_in_a_moment_is_not_called_expired(
    room: Room, caller: Caller, unit: float, is_sent_again: bool
) -> None:
    """Cause: at a rate limit the answer was "expired" at once, and a second later the entry was sent, as it had to be."""

    tasks: list[asyncio.Future[None]] = []

    async def send(event: IntentGiven, plan_id: str) -> None:
        await asyncio.sleep(unit / 4)
        ended = PlanEnded(cause=event.cause, plan_id=plan_id, result="sent again", ts=T0)
        records = [ended, *filled(event)]
        await room.desk.journal.append(records)
        room.tell(*records)

    def limited(event: IntentGiven) -> Sequence[Record]:
        tag = client_order_id(event.cause, ACCOUNT, "entry", 1)
        order = rooms.replaced(
            rooms.entry_order(OrderState.EXPIRED),
            client_order_id=tag, cause=event.cause, filled_qty=0, filled_price=None, gateway_order_id=None,
        )  # fmt: skip
        plan = EnterPlan(
            plan_id=f"enter:{tag}", cause=event.cause, account_id=ACCOUNT, contract_id=MNQ.contract_id, entry=tag,
            step=EnterStep.WAITING, started_at=T0,
        )  # fmt: skip
        if is_sent_again:
            tasks.append(asyncio.ensure_future(send(event, plan.plan_id)))
        why = "not_sent: /api/Order/place: rate limit (HTTP 429)"
        changed = OrderChanged(cause=event.cause, order=order, why=why, ts=T0)
        return [changed, PlanChanged(cause=event.cause, plan=plan, ts=T0)]

    accept(room)
    room.on_intent = limited
    result = await run(room, "trade MNQ buy 2 stop=80 yes", caller)
    await asyncio.gather(*tasks)
    assert result.ok
    assert ("Not settled after" in result.text) != is_sent_again
    assert "entry expired" not in result.text
    assert ("entry to be sent again" in result.text) != is_sent_again
    assert "position" in result.text
    assert ("to be sent again" in (await run(room, "orders", caller)).text) != is_sent_again


@pytest.mark.parametrize("has_ended", [True, False])
async def test_a_stage_that_stays_at_home_is_not_waited_for(room: Room, caller: Caller, has_ended: bool) -> None:
    later = ClientOrderId("dsk-second-stage")

    def reject(event: IntentGiven) -> Sequence[Record]:
        tag = client_order_id(event.cause, ACCOUNT, "entry", 1)
        order = rooms.replaced(
            rooms.entry_order(OrderState.REJECTED), client_order_id=tag, cause=event.cause, filled_qty=0
        )
        assert isinstance(event.intent, Enter)
        tickets = tuple(Ticket(order=a_stage(tag_), max_position=4) for tag_ in (tag, later))
        plan = GroupPlan(
            plan_id="group:1", cause=event.cause, account_id=ACCOUNT, contract_id=MNQ.contract_id, enter=event.intent,
            tickets=tickets, members=(tag,), held_back="a part of it was refused", started_at=T0,
        )  # fmt: skip
        ended = [PlanEnded(cause=event.cause, plan_id=plan.plan_id, result=plan.held_back, ts=T0)]
        refused = OrderChanged(cause=event.cause, order=order, why="refused: AccountRejected", ts=T0)
        return [refused, PlanChanged(cause=event.cause, plan=plan, ts=T0), *(ended if has_ended else [])]

    room.verdict = Verdict(kind=VerdictKind.ACCEPTED, text="x", orders=(later,))
    room.on_intent = reject
    result = await run(room, "trade MNQ buy 2 stop=80 target=40,80 yes", caller)
    assert not result.ok
    assert "Not settled" not in result.text


def a_stage(tag: ClientOrderId) -> OrderRequest:
    return OrderRequest(
        client_order_id=tag, account_id=ACCOUNT, contract_id=MNQ.contract_id, type=OrderType.MARKET, side=Side.BUY,
        qty=1, stop_ticks=80,
    )  # fmt: skip


async def test_an_exit_is_waited_for_until_its_plan_ends(room: Room, caller: Caller) -> None:
    room.tell(*rooms.position_records())

    def leave(event: IntentGiven) -> Sequence[Record]:
        plan = ExitPlan(
            plan_id=f"exit:{event.cause}", cause=event.cause, account_id=ACCOUNT, contract_id=MNQ.contract_id,
            reason=ExitReason.MANUAL, step=ExitStep.CLOSING, started_at=T0,
        )  # fmt: skip
        ended = PlanEnded(cause=event.cause, plan_id=plan.plan_id, result="flat", ts=T0)
        return [PlanChanged(cause=event.cause, plan=plan, ts=T0), *rooms.flat_records(), ended]

    accept(room, "exiting MNQZ6")
    room.on_intent = leave
    result = await run(room, "close MNQ yes", caller)
    assert [line.split() for line in result.text.splitlines()[2:4]] == [["exit", "flat"], ["position", "flat"]]


@pytest.mark.parametrize("kind", [VerdictKind.DENIED, VerdictKind.WOULD_SEND])
async def test_a_no_of_the_engine_is_told_with_its_reason(room: Room, caller: Caller, kind: VerdictKind) -> None:
    room.verdict = Verdict(kind=kind, reason="MAX_POSITION", text="5 contracts, allowed 4")
    result = await run(room, "trade MNQ buy 2 stop=80 yes", caller)
    assert not result.ok
    assert f"{kind.value}: 5 contracts, allowed 4 (MAX_POSITION)" in result.text


@pytest.mark.parametrize("failure", [StoreError("disk full"), rooms.FULL])
async def test_a_command_that_was_not_written_down_did_nothing(room: Room, caller: Caller, failure: Exception) -> None:
    room.failure = failure
    result = await run(room, "trade MNQ buy 2 stop=80 yes", caller)
    assert not result.ok
    assert "Nothing was done" in result.text


async def test_why_tells_a_command_in_words(room: Room, caller: Caller) -> None:
    accept(room)
    room.on_intent = filled
    await run(room, "trade MNQ buy 2 stop=80 yes", caller)
    text = " ".join((await run(room, f"why {room.intents[0].cause}", caller)).text.split())
    assert "command accepted api: buy 2 MNQZ6 at market, stop 80 ticks in PAPER-50K; buy 2 MNQZ6 at market" in text


# --- help ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name, command in COMMANDS.items() if command.does_change_exposure])
async def test_help_shows_forms_and_examples_within_80_columns(room: Room, caller: Caller, name: str) -> None:
    result = await run(room, f"help {name}", caller)
    assert "over HTTP it acts at once" in result.text
    assert all(len(line) <= 80 for line in result.text.splitlines())


async def test_reverse_and_trail_take_a_position(room: Room, caller: Caller) -> None:
    room.tell(*rooms.position_records())
    await run(room, "reverse MNQ stop=80 yes", caller)
    await run(room, "trail MNQ sell 2 10 yes", caller)
    assert [type(event.intent) for event in room.intents] == [Reverse, TrailOn]


async def test_a_change_says_what_it_was_about_and_legs_follow_their_entry(room: Room, caller: Caller) -> None:
    room.tell(*rooms.position_records())

    def moved(event: IntentGiven) -> Sequence[Record]:
        plan = AmendPlan(
            plan_id=f"amend:{event.cause}", cause=event.cause, account_id=ACCOUNT, contract_id=MNQ.contract_id,
            gateway_order_id=GatewayOrderId(503), step=AmendStep.SENDING, limit_price=Decimal(21090), started_at=T0,
        )  # fmt: skip
        ended = PlanEnded(cause=event.cause, plan_id=plan.plan_id, result="done", ts=T0)
        return [PlanChanged(cause=event.cause, plan=plan, ts=T0), ended, *filled(event)]

    accept(room, "moving the target")
    room.on_intent = moved
    text = (await run(room, "modify_tp MNQ 21090", caller)).text
    assert "change          order #503 to limit 21090.00: done" in text
    whats = [line.split("  ")[0] for line in text.splitlines()[2:]]
    assert whats[:4] == ["change", "entry filled", "stop working", "target working"]


async def test_one_number_that_stays_is_no_change(room: Room, caller: Caller) -> None:
    room.tell(*rooms.position_records())
    assert "is for 2 already" in (await run(room, "modify 503 2", caller)).text
    assert room.events == []
    await run(room, "modify 503 2 21080", caller)
    assert room.intents[0].intent == Modify(order_id=GatewayOrderId(503), price=Decimal(21080))


async def test_cancel_all_names_kind_and_price_of_what_goes(room: Room, person: Caller) -> None:
    resting = rooms.replaced(
        rooms.entry_order(OrderState.WORKING), type=OrderType.JOIN_BID, limit_price=Decimal("20990.25"), filled_qty=0
    )
    room.tell(OrderChanged(cause=CAUSE, order=resting, why="venue", ts=T0))
    asked: list[str] = []

    async def no(text: str) -> bool:
        asked.append(text)
        return False

    await run(room, "cancel_all MNQ", replace(person, confirm=no))
    assert "MNQZ6: buy 2 MNQZ6 join bid at 20990.25. Protective stops" in asked[0]
    await run(room, "modify 501 20980.25", replace(person, confirm=no))
    assert "price 20990.25 to 20980.25" in asked[1]


async def test_a_limit_through_the_market_is_looked_at_again_until_it_filled(room: Room, caller: Caller) -> None:
    late: list[asyncio.Task[None]] = []

    def working(event: IntentGiven) -> Sequence[Record]:
        tag = client_order_id(event.cause, event.account_id, "entry", 1)
        entry = rooms.replaced(
            rooms.entry_order(OrderState.WORKING), client_order_id=tag, cause=event.cause, type=OrderType.LIMIT,
            limit_price=Decimal(21050), filled_qty=0,
        )  # fmt: skip

        async def fill() -> None:
            await asyncio.sleep(0)
            records = list(filled(event))
            await room.desk.journal.append(records)
            room.tell(*records)

        late.append(asyncio.create_task(fill()))
        return [OrderChanged(cause=event.cause, order=entry, why="venue", ts=T0)]

    room.verdict = Verdict(kind=VerdictKind.ACCEPTED, text="buy 2", warnings=("through the market: it fills at once",))
    room.on_intent = working
    result = await run(room, "limit MNQ buy 2 21050 stop=80", caller)
    await asyncio.gather(*late)
    assert "entry filled" in result.text
    assert "position        +2 MNQZ6" in result.text


async def test_a_close_tells_at_what_price(room: Room, caller: Caller) -> None:
    room.tell(*rooms.position_records())

    def close(event: IntentGiven) -> Sequence[Record]:
        fill = Fill(
            fill_id=FillId(1), account_id=ACCOUNT, contract_id=MNQ.contract_id, gateway_order_id=GatewayOrderId(509),
            side=Side.SELL, qty=1, price=Decimal("21040.25"), gross_pnl=Decimal(12), fees=Decimal("0.61"),
            commissions=Decimal(0), ts_event=T0,
        )  # fmt: skip
        return [FillRecorded(cause=event.cause, fill=fill, client_order_id=None, ts=T0)]

    accept(room)
    room.on_intent = close
    text = (await run(room, "close MNQ 1", caller)).text
    assert "fill      sell 1 MNQZ6 at 21040.25, gross +12.00 $, costs 0.61 $, #509, a close" in text


# --- average true ranges ------------------------------------------------------------------------------------------------

SAID = "stop 2.6atr is 20 ticks (5.00 points), the ATR(14, 5m) is 2"


async def test_what_a_range_became_stands_in_the_question_and_in_the_answer(room: Room, person: Caller) -> None:
    room.quotes.say("21034.25", T0)
    accept(room)
    asked: list[str] = []

    async def yes(text: str) -> bool:
        asked.append(text)
        return True

    result = await run(room, "trade MNQ buy 2 stop=2.6atr", replace(person, confirm=yes))
    assert f"stop 20 ticks; risk 20.00 $. Market 21034.25 / 21034.50. {SAID}. Really?" in asked[0]
    assert result.data["warnings"] == (SAID,)


class NoRanges(Ranges):
    async def read(self, contract_id: ContractId) -> None:
        del contract_id


async def test_a_range_that_is_not_known_trades_nothing(room: Room, person: Caller) -> None:
    room.desk.ranges = NoRanges(room.desk.history, room.clock, period=21, timeframe="1h")
    result = await run(room, "trade MNQ buy 2 stop=2atr", person)
    assert not result.ok
    assert "the ATR(21, 1h) of MNQZ6 is not known yet" in result.text
    assert room.intents == []
