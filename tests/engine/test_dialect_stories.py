"""Other bridges' messages all the way: bytes, alert, decision, and what stands at the venue afterwards."""

from __future__ import annotations

import json
from decimal import Decimal

from desk.alerts import DialectTerms, DiscordTerms, read_body
from desk.core.records import VerdictKind
from desk.core.words import OrderType
from tests.engine.hands import stops, targets
from tests.engine.test_world import calm, ready
from tests.engine.world import PLACE, World, with_bot

TERMS = DialectTerms(discord=DiscordTerms(uses_stop_entry=False))


def tell(world: World, text: str, terms: DialectTerms = TERMS) -> list[VerdictKind]:
    reading = read_body(text.encode(), terms_of=lambda _: terms)
    assert reading.problem is None, reading.problem
    return [world.alert(alert).kind for alert in reading.alerts]


def discord(title: str, **prices: str) -> str:
    fields = [{"name": name.replace("_", " "), "value": value} for name, value in prices.items()]
    return json.dumps({"embeds": [{"title": title, "fields": fields}]})


def at_21000(contracts: int = 4) -> World:
    world = ready(bot=with_bot(default_qty=contracts, max_position=4))
    world.price(Decimal(21000))
    return world


OPEN = discord("[MNQ1!] open long", Entry="21,000.00", Stop="🛑 20980", Target_1="21020", Target_2="21040")


def test_a_discord_position_is_trimmed_and_closed_with_its_stops_right_at_every_step() -> None:
    world = at_21000()
    assert tell(world, OPEN) == [VerdictKind.ACCEPTED]
    world.run(3)
    assert (world.venue.qty(PLACE), stops(world), targets(world)) == (4, [1, 3], [1, 3])
    tell(world, discord("[MNQ1!] tp1 hit for long"))
    world.run(3)
    assert (world.venue.qty(PLACE), stops(world)) == (1, [1])
    tell(world, discord("[MNQ1!] stop out short"))
    world.run(3)
    assert world.venue.qty(PLACE) == 1, "the other side is not ours to close"
    tell(world, discord("[MNQ1!] close long"))
    assert (calm(world).venue.qty(PLACE), world.venue.working(PLACE)) == (0, [])


def test_a_trim_after_the_stop_was_hit_opens_nothing() -> None:
    world = at_21000()
    tell(world, OPEN)
    world.run(3)
    tell(world, discord("[MNQ1!] stop out long"))
    calm(world)
    sent = len(world.sent)
    for title in (
        "trim",
        "trim long",
        "tp1 hit long",
        "tp2 hit long",
        "tp3 hit long",
        "close long",
        "exit short",
        "stop out long",
    ):
        assert tell(world, discord(f"[MNQ1!] {title}")) == [VerdictKind.IGNORED]
    assert (calm(world).venue.qty(PLACE), len(world.sent)) == (0, sent)


def test_a_stop_entry_rests_with_its_exits_and_the_session_close_takes_it_away() -> None:
    world = at_21000(1)
    text = discord("[MNQ1!] open long", Entry="21010", Stop="20990", Target_1="21030")
    tell(world, text, DialectTerms())
    world.run(3)
    (resting,) = world.resting()
    assert (resting.type, resting.stop_price) == (OrderType.STOP, 21010)
    tell(world, discord("[MNQ1!] session close"))
    assert (calm(world).venue.working(PLACE), world.venue.qty(PLACE)) == ([], 0)


def test_flatplace_turns_a_short_over_flat_and_holds_no_more_than_was_asked() -> None:
    world = at_21000()
    tell(world, "command=PLACE;instrument=MNQ1!;action=SELL;qty=3;require_market_position=flat;stop_loss=21020")
    world.run(3)
    assert world.venue.qty(PLACE) == -3
    flat_place = "command=FLATPLACE;instrument=MNQ 12-26;action=BUY;qty=2;order_type=MARKET"
    for _ in range(2):
        world.price(Decimal(21000))
        tell(world, f"{flat_place};stop_loss=20980;take_profit=21040")
        for _ in range(8):
            world.run(0.5)
            world.price(Decimal(21000))
        assert (world.venue.qty(PLACE), stops(world), targets(world)) == (2, [2], [2])
    calm(world)


def test_cancelandbracket_moves_what_protects_and_never_takes_it_away() -> None:
    world = at_21000()
    tell(world, "SYMBOL=MNQ1!;SIGNAL=BUY;VOLUME=2;STOP_PRICE=20980;TAKE_PROFIT_PRICE=21040")
    world.run(3)
    tell(world, "command=CANCELANDBRACKET;instrument=MNQ1!;stop_loss=20990;take_profit=21060")
    calm(world)
    prices = {order.type: order.stop_price or order.limit_price for order in world.venue.working(PLACE)}
    assert prices == {OrderType.STOP: 20990, OrderType.LIMIT: 21060}
    tell(world, "SYMBOL=MNQ1!;SIGNAL=SELL;REDUCE_ONLY=true;VOLUME=1")
    world.run(3)
    assert (world.venue.qty(PLACE), stops(world)) == (1, [1])
    tell(world, "s=MNQ1! c=position b=long")
    assert calm(world).venue.qty(PLACE) == 0
