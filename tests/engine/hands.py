"""What a person does: commands at the desk, and trades on the platform beside it."""

from __future__ import annotations

from typing import Any

from desk.core.alert import PositionSide
from desk.core.events import IntentGiven
from desk.core.ids import ClientOrderId
from desk.core.intents import Enter, Intent, Reduce, Stage
from desk.core.orders import OrderRequest
from desk.core.records import IncidentRaised, Verdict
from desk.core.words import OrderType, Side
from desk.orders import ClosePart
from tests.engine.test_world import ready
from tests.engine.world import ACCOUNT, MNQ, PLACE, World, with_bot


def command(world: World, intent: Intent) -> Verdict:
    event = IntentGiven(
        cause=world.new_cause(),
        account_id=ACCOUNT,
        contract_id=MNQ.contract_id,
        intent=intent,
        by="console",
        ts=world.now,
    )
    verdict = world.give(event)
    assert verdict is not None, "a command gets a verdict"
    return verdict


def reduce(world: World, qty: int, side: PositionSide | None = None) -> Verdict:
    return command(world, Reduce(qty=qty, side=side))


def staged(*qtys: int, side: Side = Side.BUY, **given: Any) -> World:
    """A position of several bracketed entries, first in first, each with its own pair."""
    world = ready(bot=with_bot(max_position=9), **given)
    for qty in qtys:
        enter(world, qty, side)
        world.run(2)
    assert abs(world.venue.qty(PLACE)) == sum(qtys)
    return world


def enter(world: World, qty: int, side: Side = Side.BUY) -> None:
    wanted = Enter(side=side, qty=qty, stop_ticks=80, stages=(Stage(qty=qty, target_ticks=160),), max_position=9)
    assert command(world, wanted).kind == "accepted"


def trade_by_hand(world: World, side: Side, qty: int, kind: OrderType = OrderType.MARKET, **prices: Any) -> None:
    """Somebody else's order; a market order fills at once."""
    request = OrderRequest(
        client_order_id=ClientOrderId(f"hand-{len(world.venue.orders)}"),
        account_id=ACCOUNT,
        contract_id=MNQ.contract_id,
        type=kind,
        side=side,
        qty=qty,
        **prices,
    )
    order_id, _ = world.venue.place(request)
    world.publish()
    if kind is OrderType.MARKET:
        world.trade(order_id)
    world.run(0.05)


def incidents(world: World, kind: str = "") -> list[str]:
    return [r.text for r in world.journal if isinstance(r, IncidentRaised) and r.kind.startswith(kind)]


def stops(world: World) -> list[int]:
    """Sizes of the stops that work at the place."""
    return sorted(o.qty for o in world.venue.working(PLACE) if o.type is OrderType.STOP)


def targets(world: World) -> list[int]:
    return sorted(o.qty for o in world.venue.working(PLACE) if o.type is OrderType.LIMIT)


def parts_closed(world: World) -> list[int]:
    """Sizes of the partial closes that were sent."""
    writes = [effect.reducing.what for effect in world.sent if hasattr(effect, "reducing")]
    return [what.qty for what in writes if isinstance(what, ClosePart)]
