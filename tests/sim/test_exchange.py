"""The pure exchange: bracket life, fills, and refusals in the known words."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from desk.sim.catalogue import Catalogue
from desk.sim.exchange import Exchange, FillRules
from desk.sim.model import Account, Bracket, Order, PlaceRequest, Quote, Reply, UserEvent
from desk.sim.words import OrderType, Side, Status

NOW = datetime(2026, 11, 18, 15, tzinfo=UTC)
MNQ, MES = "CON.F.US.MNQ.Z26", "CON.F.US.MES.Z26"
TICK = Decimal("0.25")
START = Decimal(50_000)
AUTO, MANUAL = 1, 2


def at(price: Decimal | int | str) -> Quote:
    last = Decimal(price)
    return Quote(last, last + TICK, last)


def exchange(**rules: object) -> Exchange:
    accounts = [Account(AUTO, "A", START), Account(MANUAL, "B", START, auto_oco=False)]
    made = Exchange(accounts, Catalogue().find, FillRules(**rules))  # type: ignore[arg-type]
    made.on_quote(MNQ, at(30000))
    return made


def request(**members: object) -> PlaceRequest:
    plain = PlaceRequest(AUTO, MNQ, OrderType.MARKET, Side.BUY, 1)
    return replace(plain, **members)  # type: ignore[arg-type]


def place(venue: Exchange, **members: object) -> tuple[Reply, list[UserEvent]]:
    return venue.place(request(**members), NOW)


def shown(events: list[UserEvent]) -> list[tuple[str, int]]:
    """Events as (kind, status or action)."""
    return [(one.kind, int(one.row.status) if isinstance(one.row, Order) else one.action) for one in events]


BOTH = {"stop_loss": Bracket(-40, OrderType.STOP), "take_profit": Bracket(80, OrderType.LIMIT)}


def test_a_bracket_lives_as_the_captures_show() -> None:
    """Reference 3.7: ids entry, stop, target; 8, 6, 8 at once, 2 after the fill delay, then target and stop open."""
    venue = exchange(fill_delay=timedelta(milliseconds=8), children_delay=timedelta(milliseconds=18))
    reply, events = place(venue, custom_tag="t", **BOTH)
    assert shown(events) == [("order", 8), ("order", 6), ("order", 8)]
    orders = [one.row for one in events if isinstance(one.row, Order)]
    assert [row.id - orders[1].id for row in orders] == [1, 0, 2]
    assert [row.custom_tag for row in orders] == ["t-SL", "t", "t-TP"]
    assert [row.parent_id for row in orders] == [reply.order_id, None, reply.order_id]
    assert [row.linked_id for row in orders] == [None, None, orders[0].id]
    assert [(row.trail_ticks, row.trail_price) for row in orders] == [(-40, -10), (None, None), (80, 20)]
    assert venue.next_due() == NOW + timedelta(milliseconds=8)
    assert venue.advance(NOW + timedelta(milliseconds=7)) == []
    filled = venue.advance(NOW + timedelta(milliseconds=8))
    assert shown(filled) == [("order", 2), ("trade", 0), ("position", 1), ("account", 1)]
    awake = [one.row for one in venue.advance(NOW + timedelta(milliseconds=26)) if isinstance(one.row, Order)]
    assert [(row.type, row.status) for row in awake] == [(OrderType.LIMIT, 1), (OrderType.STOP, 1)]
    assert [row.limit_price or row.stop_price for row in awake] == [Decimal("30020.25"), Decimal("29990.25")]


@pytest.mark.parametrize(("price", "filled", "gone"), [("30020.5", 2, 1), ("29990.25", 1, 2)])
def test_one_leg_fills_and_the_other_is_cancelled(price: str, filled: int, gone: int) -> None:
    """Reference 3.7: the server keeps the OCO pair."""
    venue = exchange()
    reply, _ = place(venue, **BOTH)
    assert reply.order_id is not None
    venue.on_print(MNQ, at(price), NOW)
    orders = venue.books.orders
    assert orders[reply.order_id + filled].status is Status.FILLED
    assert orders[reply.order_id + gone].status is Status.CANCELLED
    assert venue.books.positions == {}


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({"stop_loss": Bracket(40, 4)}, "Invalid stop loss ticks (40). Ticks should be less than zero when longing."),
        (
            {"side": 1, "take_profit": Bracket(30, 1)},
            "Invalid take profit ticks (30). Ticks should be less than zero when going short.",
        ),
        (
            {"side": 1, "stop_loss": Bracket(-40, 4)},
            "Invalid stop loss ticks (-40). Ticks should be greater than zero when going short.",
        ),
        ({"stop_loss": Bracket(-1, 4)}, "Invalid stop loss ticks (-1). Price should be at least 4 ticks away."),
        ({"take_profit": Bracket(3, 1)}, "Invalid take profit ticks (3). Price should be at least 4 ticks away."),
        ({"stop_loss": Bracket(-40, 1)}, "Invalid stop loss type (Limit)"),
        ({"account_id": MANUAL, **BOTH}, "Brackets cannot be used with Position Brackets. You must enable Auto OCO Brackets."),
        ({"type": 1, "limit_price": Decimal("4134.900000000001")}, "Invalid limit price. Price is not aligned to tick size."),
        ({"type": 4, "stop_price": Decimal("30100.1")}, "Invalid stop price. Price is not aligned to tick size."),
        ({"type": 5, "trail_price": Decimal("29990.1")}, "Invalid trail price. Price is not aligned to tick size."),
        ({"type": 5}, "Trail Distance not set."),
        ({"type": 5, "trail_price": Decimal(29700)}, "Trail Distance exceeds maximum (1000)"),
        (
            {"type": 4, "stop_price": Decimal(30000)},
            "Order price is outside allowed range. Please set price above best bid.",
        ),
        (
            {"type": 4, "side": 1, "stop_price": Decimal("30000.25")},
            "Order price is outside allowed range. Please set price below best ask.",
        ),
    ],
)  # fmt: skip
def test_a_refusal_has_the_exact_words_and_leaves_a_rejected_order(members: dict[str, object], text: str) -> None:
    """Reference 3.14; the order exists with status 5 and its tag is burnt."""
    venue = exchange()
    reply, events = place(venue, custom_tag="once", **members)
    assert (reply.code, reply.message) == (2, text)
    assert reply.order_id is not None
    assert venue.books.orders[reply.order_id].status is Status.REJECTED
    assert shown(events) == [("order", 5)]
    account = int(str(members.get("account_id", AUTO)))
    again, _ = place(venue, account_id=account, custom_tag="once")
    assert again.message == "Specified custom tag is already in use"
    other, _ = place(venue, account_id=MANUAL + AUTO - account, custom_tag="once")
    assert other.code == 0


def test_a_limit_rests_until_the_price_trades_through_it() -> None:
    """The default rule; ``touch`` is the generous one."""
    for rule_, price in (("through", Decimal("29989.75")), ("touch", Decimal(29990))):
        venue = exchange(limit_fills=rule_)
        reply, _ = place(venue, type=OrderType.LIMIT, limit_price=Decimal(29990))
        assert reply.order_id is not None
        venue.on_print(MNQ, at(price + TICK), NOW)
        assert venue.books.orders[reply.order_id].status is Status.OPEN
        venue.on_print(MNQ, at(price), NOW)
        assert venue.books.orders[reply.order_id].filled_price == Decimal(29990)


def test_a_marketable_limit_fills_at_once_at_the_market() -> None:
    """Reference 3.6."""
    venue = exchange()
    reply, _ = place(venue, type=OrderType.LIMIT, limit_price=Decimal(30010))
    assert reply.order_id is not None
    assert venue.books.orders[reply.order_id].filled_price == Decimal("30000.25")


@pytest.mark.parametrize(
    ("slip", "price", "filled"), [(0, "29990", "29990"), (2, "29990", "29989.5"), (0, "29980", "29980")]
)
def test_a_stop_fills_at_its_level_or_worse(slip: int, price: str, filled: str) -> None:
    """Reference 3.7: stop fills slip, and a gap fills where the market is."""
    venue = exchange(slip_ticks=slip)
    reply, _ = place(venue, type=OrderType.STOP, side=Side.SELL, stop_price=Decimal(29990))
    assert reply.order_id is not None
    venue.on_print(MNQ, at(price), NOW)
    assert venue.books.orders[reply.order_id].filled_price == Decimal(filled)


def test_a_trailing_stop_follows_by_ticks_of_its_distance_on_arrival() -> None:
    """Reference 3.6: floor(abs(last - trailPrice) / tick); read back, trailPrice is the distance."""
    venue = exchange()
    place(venue)
    reply, _ = place(venue, type=OrderType.TRAILING_STOP, side=Side.SELL, trail_price=Decimal(29990))
    assert reply.order_id is not None
    order = venue.books.orders[reply.order_id]
    assert (order.trail_ticks, order.trail_price, order.stop_price) == (40, Decimal(10), Decimal(29990))
    venue.on_print(MNQ, at(30030), NOW)
    venue.on_print(MNQ, at(30025), NOW)
    assert venue.books.orders[reply.order_id].stop_price == 30020
    venue.on_print(MNQ, at(30020), NOW)
    assert venue.books.orders[reply.order_id].filled_price == 30020


def test_join_orders_rest_at_the_best_price_of_their_side() -> None:
    """Reference 3.6."""
    venue = exchange()
    for kind, side, price in ((OrderType.JOIN_BID, Side.BUY, "30000"), (OrderType.JOIN_ASK, Side.SELL, "30000.25")):
        reply, _ = place(venue, type=kind, side=side)
        assert reply.order_id is not None
        assert venue.books.orders[reply.order_id].limit_price == Decimal(price)
        assert venue.books.orders[reply.order_id].status is Status.OPEN


def test_cancelling_an_entry_takes_its_sleeping_children_along() -> None:
    """Reference 3.7, SIM choice."""
    venue = exchange()
    reply, _ = place(venue, type=OrderType.LIMIT, limit_price=Decimal(29900), **BOTH)
    assert reply.order_id is not None
    answer, events = venue.cancel(AUTO, reply.order_id, NOW)
    assert answer.code == 0
    assert shown(events) == [("order", 3)] * 3


def test_cancelling_one_leg_leaves_its_sibling() -> None:
    """Reference 3.7, SIM choice."""
    venue = exchange()
    reply, _ = place(venue, **BOTH)
    assert reply.order_id is not None
    venue.cancel(AUTO, reply.order_id + 2, NOW)
    assert venue.books.orders[reply.order_id + 1].status is Status.OPEN


def test_closing_a_position_leaves_its_legs_working_and_a_left_stop_opens_a_new_one() -> None:
    """Reference 3.9: the trap every client must know."""
    venue = exchange()
    reply, _ = place(venue, **BOTH)
    assert reply.order_id is not None
    assert venue.close(AUTO, MNQ, NOW)[0].code == 0
    assert venue.books.positions == {}
    assert venue.books.orders[reply.order_id + 1].status is Status.OPEN
    venue.on_print(MNQ, at(29990), NOW)
    assert venue.books.net(AUTO, MNQ) == -1


def test_a_reversing_fill_writes_two_rows_close_first() -> None:
    """Reference 3.10, SIM choice: same order, the profit on the closing row only."""
    venue = exchange()
    place(venue, size=1)
    venue.on_print(MNQ, at(30010), NOW)
    reply, events = place(venue, side=Side.SELL, size=3)
    first, second = venue.books.trades[-2:]
    assert (first.order_id, second.order_id) == (reply.order_id, reply.order_id)
    assert (first.size, first.profit, second.size, second.profit) == (1, Decimal("19.5"), 2, None)
    assert venue.books.net(AUTO, MNQ) == -2
    kinds = [("order", 6), ("order", 2), ("trade", 0), ("trade", 0), ("position", 2), ("position", 1), ("account", 1)]
    assert shown(events) == kinds


def test_the_average_price_is_weighted_by_size() -> None:
    """Reference 3.9."""
    venue = exchange()
    place(venue, size=1)
    venue.on_quote(MNQ, at(30010))
    place(venue, size=2)
    position = venue.books.positions[AUTO, MNQ]
    assert position.average_price == Decimal("30006.916666667")


def test_a_locked_account_and_too_many_contracts_are_refused() -> None:
    """Reference 3.2 and 3.14."""
    venue = exchange()
    venue.set_account(replace(venue.books.accounts[AUTO], can_trade=False))
    assert place(venue)[0].code == 4
    venue.set_account(replace(venue.books.accounts[AUTO], can_trade=True, max_minis=5))
    assert place(venue, size=51)[0].message == "Maximum position size exceeded"
    assert place(venue, size=50)[0].code == 0
