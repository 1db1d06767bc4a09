"""Orders at the pure exchange where the reference leaves a choice: each option and each of its ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from desk.sim.catalogue import Catalogue
from desk.sim.exchange import Exchange, FillRules
from desk.sim.model import Account, Bracket, Order, PlaceRequest, Quote, Reply
from desk.sim.words import OrderType, Side, Status

NOW = datetime(2026, 11, 18, 15, tzinfo=UTC)
MNQ, MES, SIL = "CON.F.US.MNQ.Z26", "CON.F.US.MES.Z26", "CON.F.US.SIL.Z26"
TICK = Decimal("0.25")
AUTO = 1
BOTH: dict[str, Any] = {"stop_loss": Bracket(-40, 4), "take_profit": Bracket(80, 1)}


def at(price: Decimal | int | str) -> Quote:
    last = Decimal(price)
    return Quote(last, last + TICK, last)


def exchange(**rules: Any) -> Exchange:
    made = Exchange([Account(AUTO, "A", Decimal(50_000))], Catalogue().find, FillRules(**rules))
    made.on_quote(MNQ, at(30000))
    made.on_quote(MES, at(7700))
    return made


def place(venue: Exchange, account: int = AUTO, contract: str = MNQ, **members: Any) -> Reply:
    plain = {"type": OrderType.MARKET, "side": Side.BUY, "size": 1}
    return venue.place(PlaceRequest(account, contract, **(plain | members)), NOW)[0]


def number(reply: Reply) -> int:
    assert reply.code == 0, reply
    assert reply.order_id is not None
    return reply.order_id


def order(venue: Exchange, identity: int) -> Order:
    return venue.books.orders[identity]


# -- trailing, joining, odd types -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "level", "last", "ticks", "stop"),
    [
        (Side.SELL, "29990", "30000", 40, "29990"),
        (Side.BUY, "30010", "30000", 40, "30010"),
        (Side.SELL, "30010", "30000", 40, "29990"),
        (Side.SELL, "29750", "30000", 1000, "29750"),
    ],
)
def test_a_trail_is_a_distance_in_whole_ticks_whatever_side_it_was_given_on(
    side: Side, level: str, last: str, ticks: int, stop: str
) -> None:
    """Reference 3.6: floor(abs(last - trailPrice) / tick); read back, trailPrice is in price units."""
    venue = exchange()
    venue.on_quote(MNQ, at(last))
    made = order(venue, number(place(venue, type=5, side=side, trail_price=Decimal(level))))
    assert (made.trail_ticks, made.trail_price, made.stop_price) == (ticks, ticks * TICK, Decimal(stop))


def test_the_distance_is_rounded_down_when_the_last_trade_is_off_the_level() -> None:
    """Reference 3.6: floor, on a contract whose last trade came from elsewhere than the grid."""
    venue = exchange()
    venue.on_quote(MNQ, Quote(Decimal(30000), Decimal("30000.25"), Decimal("30000.2")))
    made = order(venue, number(place(venue, type=5, side=Side.SELL, trail_price=Decimal(29990))))
    assert made.trail_ticks == 40


def test_a_modify_has_no_maximum_so_a_distance_becomes_a_huge_trail() -> None:
    """Reference 3.6: a value that was read back must never be sent."""
    venue = exchange()
    identity = number(place(venue, type=5, side=Side.SELL, trail_price=Decimal(29990)))
    assert venue.modify(AUTO, identity, NOW, trail_price=Decimal(10))[0].code == 0
    made = order(venue, identity)
    assert (made.trail_ticks, made.trail_price, made.stop_price) == (119_960, Decimal(29990), Decimal(10))
    assert place(venue, type=5, trail_price=Decimal("30250.25")).message == "Trail Distance exceeds maximum (1000)"


def test_a_trail_needs_a_last_price() -> None:
    """Reference 3.14."""
    venue = exchange()
    reply = place(venue, contract=SIL, type=5, trail_price=Decimal(50))
    assert (reply.code, reply.message) == (2, "Cannot trail without a last price")


def test_a_bracket_stop_may_trail() -> None:
    """Reference 3.6: type 5, signed the same way; it follows the market from the fill on."""
    venue = exchange()
    entry = number(place(venue, stop_loss=Bracket(-40, 5)))
    stop = order(venue, entry + 1)
    assert (stop.type, stop.status, stop.stop_price, stop.trail_ticks) == (5, 1, Decimal("29990.25"), 40)
    venue.on_print(MNQ, at(30020), NOW)
    assert order(venue, entry + 1).stop_price == 30010
    venue.on_print(MNQ, at(30010), NOW)
    assert venue.books.positions == {}
    assert place(venue, stop_loss=Bracket(40, 5)).message == (
        "Invalid stop loss ticks (40). Ticks should be less than zero when longing."
    )


@pytest.mark.parametrize("kind", [0, 3, 8, -1])
def test_stop_limit_and_unknown_types_are_refused(kind: int) -> None:
    """Reference 3.6: the documentation does not offer 3 for placing."""
    reply = place(exchange(), type=kind, limit_price=Decimal(29990), stop_price=Decimal(29995))
    assert (reply.code, reply.message) == (2, f"Invalid order type ({kind}).")


def test_a_join_on_the_far_side_trades_at_once() -> None:
    """Reference 3.6: it is a limit at the best price, so a sell that joins the bid is marketable."""
    venue = exchange()
    assert order(venue, number(place(venue, type=6, side=Side.SELL))).filled_price == 30000


@pytest.mark.parametrize("price", ["1e40", "1e-40", "1e400", "-0.1"])
def test_absurd_prices_are_off_the_grid(price: str) -> None:
    reply = place(exchange(), type=1, limit_price=Decimal(price))
    assert reply.message == "Invalid limit price. Price is not aligned to tick size."


# -- partial fills ----------------------------------------------------------------------------------------------------


def test_a_partial_fill_stays_open_and_its_volume_grows() -> None:
    """Reference 3.7: status 1, fillVolume growing, the average price weighted."""
    venue = exchange(lot=2)
    identity = number(place(venue, type=1, size=5, limit_price=Decimal(29990)))
    seen = []
    for price in ("29989.75", "29989", "29988"):
        venue.on_print(MNQ, at(price), NOW)
        made = order(venue, identity)
        seen.append((int(made.status), made.fill_volume))
    assert seen == [(1, 2), (1, 4), (2, 5)]
    assert venue.books.positions[AUTO, MNQ].net == 5
    assert [row.size for row in venue.books.trades] == [2, 2, 1]


def test_a_market_order_fills_part_after_part_at_the_market() -> None:
    venue = exchange(lot=1, fill_delay=timedelta(milliseconds=8))
    identity = number(place(venue, size=3))
    for step, price in enumerate(("30000", "30001", "30003")):
        venue.on_quote(MNQ, at(price))
        venue.advance(NOW + timedelta(milliseconds=8 * (step + 1)))
        assert order(venue, identity).fill_volume == step + 1
    assert order(venue, identity).filled_price == Decimal("30001.583333333")
    assert order(venue, identity).status is Status.FILLED


def test_a_stop_that_is_triggered_goes_on_at_the_market() -> None:
    venue = exchange(lot=1, fill_delay=timedelta(milliseconds=8))
    identity = number(place(venue, type=4, side=Side.SELL, size=2, stop_price=Decimal(29990)))
    venue.on_print(MNQ, at(29990), NOW)
    assert order(venue, identity).fill_volume == 1
    venue.on_print(MNQ, at(29995), NOW + timedelta(milliseconds=20))
    assert order(venue, identity).status is Status.FILLED
    assert [row.price for row in venue.books.trades] == [29990, 29990]


def test_legs_wake_with_the_first_part_and_grow_with_the_entry() -> None:
    """SIM choice: what is held is protected, no more and no less."""
    venue = exchange(lot=2)
    entry = number(place(venue, type=1, size=5, limit_price=Decimal(29990), **BOTH))
    sizes = []
    for price in ("29989.75", "29989.5", "29989.25"):
        venue.on_print(MNQ, at(price), NOW)
        sizes.append((order(venue, entry + 1).status, order(venue, entry + 1).size, order(venue, entry + 2).size))
    assert sizes == [(1, 2, 2), (1, 4, 4), (1, 5, 5)]


def test_the_sibling_shrinks_with_each_part_of_the_leg() -> None:
    venue = exchange(lot=2)
    entry = number(place(venue, size=4, **BOTH))
    target = order(venue, entry + 2)
    assert target.limit_price is not None
    venue.on_print(MNQ, at(target.limit_price + TICK), NOW)
    assert (order(venue, entry + 2).fill_volume, order(venue, entry + 1).size) == (2, 2)
    venue.on_print(MNQ, at(29980), NOW)
    assert venue.books.positions == {}
    assert order(venue, entry + 1).status is Status.FILLED
    assert order(venue, entry + 2).status is Status.CANCELLED


def test_a_cancelled_rest_keeps_the_legs_of_what_was_filled() -> None:
    venue = exchange(lot=2)
    entry = number(place(venue, type=1, size=5, limit_price=Decimal(29990), **BOTH))
    venue.on_print(MNQ, at("29989.75"), NOW)
    assert venue.cancel(AUTO, entry, NOW)[0].code == 0
    assert (order(venue, entry).status, order(venue, entry).fill_volume) == (3, 2)
    assert [order(venue, entry + leg).status for leg in (1, 2)] == [1, 1]


def test_a_leg_that_is_through_ends_the_rest_of_its_entry() -> None:
    venue = exchange(lot=2)
    entry = number(place(venue, type=1, size=5, limit_price=Decimal(29990), **BOTH))
    venue.on_print(MNQ, at("29989.75"), NOW)
    stop = order(venue, entry + 1).stop_price
    assert stop is not None
    venue.books.put_order(replace(order(venue, entry), limit_price=Decimal(29000)), quiet=True)
    venue.on_print(MNQ, at(stop), NOW)
    assert venue.books.positions == {}
    assert [int(order(venue, entry + leg).status) for leg in (0, 1, 2)] == [3, 2, 3]


def test_one_fill_can_be_limited_and_one_leg_rejected_while_it_runs() -> None:
    """The two knobs for trouble on request: a partial fill, a stop that the exchange rejects after the entry."""
    venue = exchange()
    venue.floor.refuses_leg = lambda leg: leg.type is OrderType.STOP
    entry = number(place(venue, **BOTH))
    assert [int(order(venue, entry + leg).status) for leg in (1, 2)] == [5, 1]
    venue.floor.fill_limit = lambda one: 1
    resting = number(place(venue, type=1, size=2, limit_price=Decimal(29990)))
    venue.on_print(MNQ, at(29989), NOW)
    assert order(venue, resting).fill_volume == 1


def test_a_pair_is_cancelled_a_moment_after_a_leg_filled() -> None:
    """Reference 3.7: some 15 ms lie between one leg's fill and the other's cancellation."""
    venue = exchange()
    venue.floor.oco_delay = timedelta(milliseconds=15)
    entry = number(place(venue, **BOTH))
    target = order(venue, entry + 2).limit_price
    assert target is not None
    told = venue.on_print(MNQ, at(target + TICK), NOW)
    assert [row.row.status for row in told if isinstance(row.row, Order)] == [Status.FILLED]
    assert order(venue, entry + 1).status is Status.OPEN
    due = NOW + timedelta(milliseconds=15)
    assert venue.next_due() == due
    assert [row.row.id for row in venue.advance(due) if isinstance(row.row, Order)] == [entry + 1]
    assert (order(venue, entry + 1).status, order(venue, entry + 1).updated) == (Status.CANCELLED, due)
    assert venue.books.positions == {}


@pytest.mark.parametrize("price", ["29980", "30000"])
def test_a_cancel_may_take_its_time_and_lose_the_race(price: str) -> None:
    """Reference 3.9: whoever cancels waits for status 3, for a leg may fill on the way."""
    venue = exchange()
    venue.floor.cancel_delay = timedelta(milliseconds=200)
    entry = number(place(venue, **BOTH))
    reply, told = venue.cancel(AUTO, entry + 1, NOW)
    assert (reply.code, told, order(venue, entry + 1).status) == (0, [], Status.OPEN)
    assert venue.cancel(AUTO, entry + 1, NOW)[0].code == 0, "asked twice while it is under way"
    venue.on_print(MNQ, at(price), NOW + timedelta(milliseconds=100))
    venue.advance(NOW + timedelta(milliseconds=200))
    is_filled = price == "29980"
    assert order(venue, entry + 1).status is (Status.FILLED if is_filled else Status.CANCELLED)
    assert len(venue.books.positions) == (0 if is_filled else 1)
    assert venue.cancel(AUTO, entry + 1, NOW)[0].code == 5
    assert venue.next_due() is None


def test_both_legs_fill_when_the_market_is_faster_than_the_pair() -> None:
    """Reference 6.3: a reversal that nobody wanted."""
    venue = exchange()
    venue.floor.oco_delay = timedelta(milliseconds=15)
    entry = number(place(venue, **BOTH))
    stop, target = order(venue, entry + 1).stop_price, order(venue, entry + 2).limit_price
    assert stop is not None
    assert target is not None
    venue.on_print(MNQ, at(target + TICK), NOW)
    venue.on_print(MNQ, at(stop), NOW + timedelta(milliseconds=10))
    assert [order(venue, entry + leg).status for leg in (1, 2)] == [Status.FILLED] * 2
    assert [row.net for row in venue.books.positions.values()] == [-1]
    venue.advance(NOW + timedelta(seconds=1))
    assert [row.net for row in venue.books.positions.values()] == [-1], "what was due meanwhile is over"


# -- modify -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("allowed", [True, False])
def test_resizing_a_leg_is_an_option(allowed: bool) -> None:
    """Reference 3.7: unknown, so both."""
    venue = exchange(resize_legs=allowed)
    entry = number(place(venue, size=3, **BOTH))
    reply, _ = venue.modify(AUTO, entry + 1, NOW, size=2)
    assert reply.code == (0 if allowed else 3)
    assert [order(venue, entry + leg).size for leg in (1, 2)] == [2 if allowed else 3, 3]
    assert venue.modify(AUTO, entry + 1, NOW, stop_price=Decimal(29980))[0].code == 0


@pytest.mark.parametrize("allowed", [True, False])
def test_a_price_for_a_sleeping_leg_is_an_option(allowed: bool) -> None:
    """Reference 3.7: unknown, so both; the entry rests while the legs sleep."""
    venue = exchange(modify_suspended=allowed)
    entry = number(place(venue, type=1, limit_price=Decimal(29990), **BOTH))
    stop, _ = venue.modify(AUTO, entry + 1, NOW, stop_price=Decimal(29975))
    target, _ = venue.modify(AUTO, entry + 2, NOW, limit_price=Decimal("29999.75"))
    assert (stop.code, target.code) == ((0, 0) if allowed else (3, 3))
    assert venue.modify(AUTO, entry + 1, NOW, size=2)[0].code == 3
    venue.on_print(MNQ, at("29989.75"), NOW)
    expected = (29975, Decimal("29999.75")) if allowed else (29980, 30010)
    assert (order(venue, entry + 1).stop_price, order(venue, entry + 2).limit_price) == expected


def test_sleeping_legs_follow_the_size_of_their_entry() -> None:
    venue = exchange()
    entry = number(place(venue, type=1, limit_price=Decimal(29990), **BOTH))
    assert venue.modify(AUTO, entry, NOW, size=3)[0].code == 0
    assert [order(venue, entry + leg).size for leg in (0, 1, 2)] == [3, 3, 3]


def test_a_size_not_above_what_was_filled_is_refused() -> None:
    venue = exchange(lot=2)
    identity = number(place(venue, type=1, size=5, limit_price=Decimal(29990)))
    venue.on_print(MNQ, at(29989), NOW)
    assert venue.modify(AUTO, identity, NOW, size=2)[0].code == 3
    assert venue.modify(AUTO, identity, NOW, size=3)[0].code == 0


# -- tags -------------------------------------------------------------------------------------------------------------


def test_a_tag_whose_leg_would_repeat_another_is_in_use() -> None:
    """Reference 3.7: the legs carry `<tag>-SL` and `<tag>-TP`, and tags are unique for ever."""
    venue = exchange()
    number(place(venue, custom_tag="a-SL"))
    assert place(venue, custom_tag="a", **BOTH).message == "Specified custom tag is already in use"
    number(place(venue, custom_tag="b", **BOTH))
    assert place(venue, custom_tag="b-TP").message == "Specified custom tag is already in use"
