"""What a question says, and what becomes of a yes that was given to a world that has changed meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from desk.core.alert import PositionSide
from desk.core.ids import ContractId
from desk.core.intents import Enter, Exit, Intent, Reduce
from desk.core.orders import OrderState
from desk.core.plans import TouchPlan
from desk.core.records import OrderChanged, PlanChanged, PositionChanged, Record
from desk.core.words import OrderType, Side, VenuePosition
from desk.surfaces.calls import Caller, Sitting
from tests.surfaces import room as rooms
from tests.surfaces.room import ACCOUNT, CAUSE, MNQ, T0, Room
from tests.surfaces.test_commands import run


def held(qty: int) -> Record:
    position = VenuePosition(
        account_id=ACCOUNT, contract_id=MNQ.contract_id, qty=qty, avg_price=Decimal("21034.25"), opened_at=T0
    )
    return PositionChanged(cause=CAUSE, position=position, source="hub", ts=T0)


def resting() -> Record:
    """A buy of 2 at 20990.25 that has not filled."""
    order = rooms.replaced(
        rooms.entry_order(OrderState.WORKING), type=OrderType.LIMIT, limit_price=Decimal("20990.25"), filled_qty=0
    )
    return OrderChanged(cause=CAUSE, order=order, why="venue", ts=T0)


class Person:
    """Somebody at the console who says yes to everything; ``meanwhile`` happens while the question stands there."""

    def __init__(self, caller: Caller) -> None:
        self.asked: list[str] = []
        self.meanwhile: Callable[[], None] = lambda: None
        self.caller = replace(caller, by="console", sitting=Sitting(), confirm=self._yes)

    async def _yes(self, question: str) -> bool:
        self.asked.append(question)
        self.meanwhile()
        return True


@pytest.fixture
def person(caller: Caller, room: Room) -> Person:
    room.quotes.say("21034.25", T0)
    return Person(caller)


# --- the position changes while the question stands there ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "now", "intent"),
    [
        ("trade MNQ sell 2", 5, Reduce(qty=2, side=PositionSide.LONG)),  # "closes 2 of long 2" never sells 5
        ("trade MNQ sell 2", 1, Exit(side=PositionSide.LONG)),
        ("trade MNQ sell 1", 5, Reduce(qty=1, side=PositionSide.LONG)),
        ("trade MNQ sell 1", 1, Exit(side=PositionSide.LONG)),
    ],
)
async def test_a_yes_sells_as_many_as_the_question_said_and_no_more(
    room: Room, person: Person, line: str, now: int, intent: Intent
) -> None:
    room.tell(held(2))
    person.meanwhile = lambda: room.tell(held(now))
    await run(room, line, person.caller)
    assert [event.intent for event in room.intents] == [intent]


@pytest.mark.parametrize(
    ("line", "was", "now", "words"),
    [
        ("trade MNQ sell 2", 2, 0, "long 2 MNQZ6 was held when this was asked, now it is flat"),
        ("trade MNQ sell 2", 2, -2, "long 2 MNQZ6 was held when this was asked, now it is short 2"),
        ("trade MNQ buy 1 stop=80", 0, 3, "no MNQZ6 was held when this was asked, now it is long 3"),
        ("trade MNQ buy 1 stop=80", 1, 0, "long 1 MNQZ6 was held when this was asked, now it is flat"),
        ("limit MNQ buy 1 20990.25 stop=80", 0, -1, "now it is short 1"),
        ("reverse MNQ stop=80", 2, 0, "now it is flat"),
        ("reverse MNQ stop=80", 2, -2, "now it is short 2"),
        ("trail MNQ sell 2 10", 2, -2, "now it is short 2"),
    ],
)
async def test_a_yes_to_what_is_not_so_any_more_does_nothing(
    room: Room, person: Person, line: str, was: int, now: int, words: str
) -> None:
    """Cause: after an alert's exit a yes to reverse opened the other side, for somebody who thought to turn a position."""
    room.tell(held(was))
    person.meanwhile = lambda: room.tell(held(now))
    result = await run(room, line, person.caller)
    assert not result.ok
    assert words in result.text
    assert "Nothing was done" in result.text
    assert room.events == []


async def test_what_did_not_change_is_done_as_asked(room: Room, person: Person) -> None:
    await run(room, "trade MNQ buy 1 stop=80", person.caller)
    assert [type(event.intent) for event in room.intents] == [Enter]


# --- a limit through the market ------------------------------------------------------------------------------------------


async def test_a_limit_through_the_market_is_told_before_the_yes_and_measured_where_it_fills(
    room: Room, person: Person
) -> None:
    """Cause: a digit too many bought at the market after a question that showed a limit, and a risk of 20,900 $."""
    await run(room, "limit MNQ sell 1 2100 stop=@21044.25", person.caller)
    (question,) = person.asked
    assert "The limit 2100.00 is through the market: it fills at once, at about 21034.25" in question
    assert "risk about 20.00 $" in question


async def test_a_limit_that_rests_is_measured_from_its_own_price(room: Room, person: Person) -> None:
    await run(room, "limit MNQ buy 1 20990.25 stop=@20980.25", person.caller)
    (question,) = person.asked
    assert "risk 20.00 $" in question
    assert "through the market" not in question


@pytest.mark.parametrize(("price", "is_through"), [("21050", True), ("20980.25", False)])
async def test_moving_an_entry_through_the_market_is_told_before_the_yes(
    room: Room, person: Person, price: str, is_through: bool
) -> None:
    room.tell(resting())
    await run(room, f"modify 501 2 {price}", person.caller)
    (question,) = person.asked
    assert ("is through the market: it fills at once, at about 21034.50" in question) is is_through
    assert "Market 21034.25 / 21034.50" in question


async def test_an_exact_stop_beyond_the_market_of_a_limit_that_fills_at_once_is_refused(
    room: Room, person: Person
) -> None:
    result = await run(room, "limit MNQ buy 1 40000 stop=@30000", person.caller)
    assert "has to lie below where it fills, and MNQZ6 is at 21034.50" in result.text
    assert person.asked == []


async def test_the_first_question_about_a_symbol_waits_for_its_market(
    room: Room, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cause: it was subscribed by the ticket itself, so a market order was confirmed without a price on the screen."""
    room.quotes.newest.clear()

    async def watch(contract_id: ContractId) -> None:
        assert contract_id == MNQ.contract_id
        asyncio.get_running_loop().call_soon(room.quotes.say, "21034.25", T0)

    monkeypatch.setattr(room.quotes, "watch", watch)
    await run(room, "trade MNQ buy 1 stop=80", person.caller)
    assert "Market 21034.25 / 21034.50" in person.asked[0]


# --- lines ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line", ["trade MNQ buy 1 stop=80\nyes", "close MNQ\n1", "positions\r\norders", "flatten\n\n y\n"]
)
async def test_lines_that_were_pasted_together_are_no_command(room: Room, person: Person, line: str) -> None:
    """Cause: a trade and the line below it were one command, whose yes had never been an answer."""
    room.tell(*rooms.position_records())
    result = await run(room, line, person.caller)
    assert "2 lines came at once, and nothing was done: write one command at a time" in result.text
    assert room.events == []
    assert person.asked == []


async def test_an_empty_line_below_a_command_is_no_second_line(room: Room, person: Person) -> None:
    assert (await run(room, "\n accounts \n\n", person.caller)).ok


# --- until when ----------------------------------------------------------------------------------------------------------


async def test_the_question_names_the_day_on_which_an_order_goes(room: Room, person: Person) -> None:
    """Cause: expire=2d was asked as "until 16:58:45 UTC", which was now."""
    await run(room, "limit MNQ buy 1 20990.25 stop=80 expire=2d", person.caller)
    assert "until 2026-11-20 14:30:00 UTC" in person.asked[0]


@pytest.mark.parametrize(
    ("expires_at", "head", "until"),
    [
        (T0 + timedelta(minutes=15), "until (CET)", "15:45:00"),
        (T0 + timedelta(days=2), "until (CET)", "Fri 11-20 15:30"),
        (T0 + timedelta(hours=9), "until (CET)", "Thu 11-19 00:30"),
        (None, "until", ""),
    ],
)
async def test_orders_tell_until_when_in_which_zone(
    room: Room, person: Person, expires_at: datetime | None, head: str, until: str
) -> None:
    record = resting()
    assert isinstance(record, OrderChanged)
    room.tell(OrderChanged(cause=CAUSE, order=rooms.replaced(record.order, expires_at=expires_at), why="venue", ts=T0))
    head_line, row = (await run(room, "orders", person.caller)).text.splitlines()[1:3]
    assert head_line.endswith(head)
    assert row.partition("working")[2].strip() == until


async def test_what_waits_tells_what_is_sent_then_and_until_when(room: Room, person: Person) -> None:
    """Cause: two rows looked alike, one of which sent a market order and the other a limit."""
    for name, kind, limit in (("a", OrderType.MARKET, None), ("b", OrderType.LIMIT, Decimal("21052.5"))):
        enter = Enter(
            side=Side.BUY, qty=1, stop_ticks=80, stages=(), type=kind, limit_price=limit, touch_price=Decimal(21050),
            max_position=4, fresh_until=T0, expires_at=T0 + timedelta(days=2),
        )  # fmt: skip
        plan = TouchPlan(
            plan_id=f"touch:{name}", cause=CAUSE, account_id=ACCOUNT, contract_id=MNQ.contract_id, enter=enter,
            is_above=True, started_at=T0,
        )  # fmt: skip
        room.tell(PlanChanged(cause=CAUSE, plan=plan, ts=T0))
    text = (await run(room, "orders", person.caller)).text
    assert "symbol  side  qty        at  then            until (CET)" in text
    assert "MNQZ6   buy     1  21050.00  market          Fri 11-20 15:30" in text
    assert "MNQZ6   buy     1  21050.00  limit 21052.50  Fri 11-20 15:30" in text


# --- what else goes, and what is really set ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "goes"),
    [("trade MNQ sell 2", True), ("reverse MNQ stop=80", True), ("trade MNQ sell 1", False), ("close MNQ", False)],
)
async def test_an_end_of_a_position_names_the_entries_that_go_with_it(
    room: Room, person: Person, line: str, goes: bool
) -> None:
    """Cause: reverse and a closing trade cancelled resting and waiting entries without a word; close says "orders go"."""
    room.tell(held(2), resting())
    await run(room, line, person.caller)
    assert ("1 resting entry of MNQZ6 goes, too." in person.asked[0]) is goes


async def test_break_even_names_the_price_on_the_grid_that_the_stop_gets(room: Room, person: Person) -> None:
    """Cause: an average of several fills was asked as "30361.1667, which keeps 0.00 $"."""
    position = VenuePosition(
        account_id=ACCOUNT, contract_id=MNQ.contract_id, qty=3, avg_price=Decimal("21034.1666667"), opened_at=T0
    )
    room.tell(PositionChanged(cause=CAUSE, position=position, source="hub", ts=T0))
    await run(room, "breakeven MNQ", person.caller)
    await run(room, "breakeven MNQ 4", person.caller)
    assert "stop to break-even, 21034.25, which keeps 0.50 $." in person.asked[0]
    assert "stop to break-even, 21035.25, which keeps 6.50 $." in person.asked[1]


async def test_a_target_for_a_part_is_not_shown_as_one_for_all(room: Room, person: Person) -> None:
    room.tell(*rooms.position_records(qty=3))
    assert "21074.25 for 2" in (await run(room, "positions", person.caller)).text
    await run(room, "modify_tp MNQ 21090", person.caller)
    assert "target from 21074.25 to 21090.00, for 2 of 3 contracts." in person.asked[0]


# --- a question that stood there for long --------------------------------------------------------------------------------


@pytest.mark.parametrize("line", ["trade MNQ buy 1 stop=80", "limit MNQ buy 1 20990.25 stop=80", "reverse MNQ stop=80"])
async def test_a_late_yes_opens_nothing_at_a_market_that_has_moved_on(room: Room, person: Person, line: str) -> None:
    """Cause: a question left open over lunch named the market and the risk of before lunch, and its yes traded."""
    room.tell(held(2 if line.startswith("reverse") else 0))
    person.meanwhile = lambda: room.clock.advance(12 * 60)
    result = await run(room, line, person.caller)
    assert not result.ok
    assert "asked 12 min ago, and the market has moved on. Nothing was done" in result.text
    assert room.events == []


@pytest.mark.parametrize("line", ["close MNQ", "trade MNQ sell 2", "modify_stop MNQ 21020.25"])
async def test_what_reduces_may_be_answered_late(room: Room, person: Person, line: str) -> None:
    room.tell(*rooms.position_records())
    person.meanwhile = lambda: room.clock.advance(12 * 60)
    assert (await run(room, line, person.caller)).ok
    assert len(room.intents) == 1


async def test_help_of_a_market_order_offers_nothing_that_it_refuses(room: Room, person: Person) -> None:
    assert "expire=" not in (await run(room, "help trade", person.caller)).text
    assert "expire=" in (await run(room, "help limit", person.caller)).text
