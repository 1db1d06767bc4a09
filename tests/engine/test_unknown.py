"""Every write that may end in every way, with what the hub tells before, after or never, and a kill at each of its moments.

The table is complete: whatever happens to one write, in the end the state is known, nothing was sent twice, no more was closed
than was asked for, and what is held has its stops.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from desk.core.events import Event, Outcome, OutcomeKind, ReduceSettled, SubmitSettled
from desk.engine import Reduce, Submit
from desk.orders import CancelOrder, ClosePart, ClosePosition, ModifyOrder, PlaceStop
from tests.engine import hands
from tests.engine.hands import stops
from tests.engine.test_guards import strip
from tests.engine.test_world import calm
from tests.engine.world import PLACE, World, exit_, with_bot
from tests.engine.world import enter as an_entry

ENDS = ["done", "refused", "not sent", "unclear, executed", "unclear, not executed"]
HUBS = ["before the reply", "after the reply", "never"]
KILLS = ["none", "before it is sent", "while it is under way", "after it was executed"]


@dataclass
class Case(World):
    """One write of a kind meets its fate, every other one goes well."""

    kind: type = Submit
    end: str = "done"
    hub_tells: str = "before the reply"
    kill_at: str = "none"
    is_armed: bool = False

    def _what(self, effect: Submit | Reduce) -> object:
        return effect if isinstance(effect, Submit) else effect.reducing.what

    def _write(self, effect: Submit | Reduce) -> None:
        if self.is_armed and isinstance(self._what(effect), self.kind) and self.kill_at == "before it is sent":
            self.is_armed = False
            self.later(0, self.kill)  # the commit is done, and what would leave now dies with the process
        super()._write(effect)

    def _reach(self, effect: Submit | Reduce) -> Event:
        if not self.is_armed or not isinstance(self._what(effect), self.kind):
            return super()._reach(effect)
        self.is_armed = False
        if self.kill_at == "while it is under way":
            self.later(0, self.kill)
        outcome = self._meets_its_end(effect)
        if self.kill_at == "after it was executed":
            self.later(0.02, self.kill)
        if isinstance(effect, Submit):
            return SubmitSettled(client_order_id=effect.approved.order.client_order_id, outcome=outcome, ts=self.now)
        what = effect.reducing.what
        if isinstance(what, PlaceStop):
            return SubmitSettled(client_order_id=what.order.client_order_id, outcome=outcome, ts=self.now)
        order_id = what.gateway_order_id if isinstance(what, CancelOrder | ModifyOrder) else None
        return ReduceSettled(plan_id=effect.reducing.plan_id, gateway_order_id=order_id, outcome=outcome, ts=self.now)

    def _meets_its_end(self, effect: Submit | Reduce) -> Outcome:
        match self.end:
            case "refused":
                return Outcome(kind=OutcomeKind.REFUSED, code=6, text="not now")
            case "not sent":
                return Outcome(kind=OutcomeKind.NOT_SENT, text="HTTP 429")
            case "unclear, not executed":
                return Outcome(kind=OutcomeKind.UNCLEAR, text="timeout")
        publish = self.publish
        self.publish = self._hub(publish)  # type: ignore[method-assign]
        outcome = self._execute(effect)
        self.later(0.4, lambda: setattr(self, "publish", publish))
        return outcome if self.end == "done" else Outcome(kind=OutcomeKind.UNCLEAR, text="timeout")

    def _hub(self, publish: Callable[[], None]) -> Callable[[], None]:
        """What it tells of this write and of what follows in the next moment."""
        if self.hub_tells == "before the reply":
            return publish

        def late() -> None:
            events = self.venue.take_events()
            if self.hub_tells == "after the reply":
                for event in events:
                    self.later(0.3, lambda event=event: self.give(event), is_ours=True)

        return late


def an_entry_story(world: Case) -> None:
    world.is_armed = True
    world.alert(an_entry())


def holding(world: Case, *qtys: int) -> None:
    for qty in qtys:
        hands.enter(world, qty)
        world.run(2)
    world.is_armed = True


def stop_story(world: Case) -> None:
    holding(world, 2)
    strip(world)


def exit_story(world: Case) -> None:
    holding(world, 2)
    world.alert(exit_())


def reduce_story(world: Case) -> None:
    holding(world, 3)
    hands.reduce(world, 1)


def stage_story(world: Case) -> None:
    holding(world, 1, 2)
    hands.reduce(world, 1)


def stand_in_story(world: Case) -> None:
    world.venue.resizes_legs = False
    reduce_story(world)


STORIES: dict[str, tuple[type, Callable[[Case], None], set[int]]] = {
    "entry": (Submit, an_entry_story, {0, 2}),
    "protective stop": (PlaceStop, stop_story, {0, 2}),
    "cancel of an exit": (CancelOrder, exit_story, {0}),
    "close": (ClosePosition, exit_story, {0}),
    "modify": (ModifyOrder, reduce_story, {2}),
    "partial close": (ClosePart, reduce_story, {2}),
    "cancel of a stage": (CancelOrder, stage_story, {2}),
    "smaller stop": (PlaceStop, stand_in_story, {2}),
    "cancel of the old pair": (CancelOrder, stand_in_story, {2}),
}


@pytest.mark.parametrize("story", STORIES)
@pytest.mark.parametrize("end", ENDS)
def test_whatever_becomes_of_one_write_the_end_is_known_and_safe(story: str, end: str) -> None:
    kind, tell, may_hold = STORIES[story]
    for hub_tells, kill_at in itertools.product(HUBS, KILLS):
        world = Case(bot=with_bot(max_position=9), kind=kind, end=end, hub_tells=hub_tells, kill_at=kill_at)
        world.venue.may_reverse = False
        world.run(3)
        tell(world)
        world.run(30)
        calm(world)
        said = f"{story}, {end}, the hub tells {hub_tells}, kill: {kill_at}"
        assert not world.is_armed, f"the write never left: {said}"
        assert world.venue.qty(PLACE) in may_hold, said
        assert sum(stops(world)) == abs(world.venue.qty(PLACE)), said
        tags = [
            order.tag for order in world.venue.orders.values() if order.tag is not None and order.status != "rejected"
        ]
        assert len(tags) == len(set(tags)), said
        assert sum(o.qty for o in world.venue.orders.values() if o.gateway_order_id in world.venue.parts) <= 1, said
        if story == "entry" and "executed" in end and "not" not in end:
            assert world.venue.qty(PLACE) == 2, said
