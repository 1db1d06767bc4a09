"""What a question says, and what becomes of a yes that was given to a world that has changed meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from desk.core.alert import PositionSide
from desk.core.intents import Enter, Exit, Intent, Reduce
from desk.core.orders import OrderState
from desk.core.records import OrderChanged, PositionChanged, Record
from desk.core.words import OrderType, VenuePosition
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
