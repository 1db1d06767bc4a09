"""Trailing stops: the wire form of reference 3.6, and how the gateway makes a distance of the level."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from desk.core.errors import Refused
from desk.core.ids import AccountId, ClientOrderId
from desk.core.orders import OrderRequest
from desk.core.words import OrderStatus, OrderType, Side, VenueOrder
from desk.gateway import GatewayClient
from desk.gateway.requests import ModifyOrder, build_place, encode
from desk.sim import SimServer

from .conftest import ACCOUNT, MNQ, PRICE, market

HEAD = b'{"accountId":21000002,"contractId":"CON.F.US.MNQ.Z26",'


def request(tag: str, kind: OrderType, side: Side, qty: int, **more: Any) -> OrderRequest:
    ids: dict[str, Any] = {"client_order_id": ClientOrderId(tag), "account_id": AccountId(21000002), "contract_id": MNQ}
    return OrderRequest(**ids, type=kind, side=side, qty=qty, **more)


def trailing(tag: str, side: Side, level: Decimal) -> OrderRequest:
    return market(side, tag, type=OrderType.TRAILING_STOP, trail_price=level)


async def read(client: GatewayClient, tag: str) -> VenueOrder:
    (row,) = [row for row in await client.working_orders(ACCOUNT) if row.tag == tag]
    return row


@pytest.mark.parametrize(
    ("order", "golden"),
    [
        (
            request("b7-20261118-0001", OrderType.MARKET, Side.BUY, 1, stop_ticks=40, target_ticks=80),
            b'"type":2,"side":0,"size":1,"customTag":"b7-20261118-0001",'
            b'"stopLossBracket":{"ticks":-40,"type":4},"takeProfitBracket":{"ticks":80,"type":1}}',
        ),
        (
            request("b7-0002", OrderType.LIMIT, Side.BUY, 2, limit_price=Decimal("29500.25")),
            b'"type":1,"side":0,"size":2,"limitPrice":29500.25,"customTag":"b7-0002"}',
        ),
        (
            request("b7-0003", OrderType.STOP, Side.SELL, 2, stop_price=Decimal("29480.00")),
            b'"type":4,"side":1,"size":2,"stopPrice":29480.00,"customTag":"b7-0003"}',
        ),
        (
            request("b7-0004", OrderType.TRAILING_STOP, Side.SELL, 1, trail_price=Decimal("29490.00")),
            b'"type":5,"side":1,"size":1,"trailPrice":29490.00,"customTag":"b7-0004"}',
        ),
        (
            request("b7-0005", OrderType.JOIN_BID, Side.BUY, 1),
            b'"type":6,"side":0,"size":1,"customTag":"b7-0005"}',
        ),
        (
            request("t", OrderType.MARKET, Side.BUY, 1, stop_ticks=40, stop_is_trailing=True),
            b'"type":2,"side":0,"size":1,"customTag":"t","stopLossBracket":{"ticks":-40,"type":5}}',
        ),
        (
            request("t", OrderType.MARKET, Side.SELL, 1, stop_ticks=40, stop_is_trailing=True),
            b'"type":2,"side":1,"size":1,"customTag":"t","stopLossBracket":{"ticks":40,"type":5}}',
        ),
    ],
    ids=["bracketed", "limit", "stop", "trailing", "join", "bracket-trails-buy", "bracket-trails-sell"],
)
def test_orders_go_out_as_the_reference_shows_them(order: OrderRequest, golden: bytes) -> None:
    """The bytes of reference 3.6; a trailing bracket is signed as any other."""
    assert encode(build_place(order)) == HEAD + golden


@pytest.mark.parametrize(
    ("member", "field"),
    [("size", "size"), ("limitPrice", "limit_price"), ("stopPrice", "stop_price"), ("trailPrice", "trail_price")],
)
def test_a_modify_sends_the_one_member_that_changes(member: str, field: str) -> None:
    value: Any = 3 if field == "size" else Decimal("30190.25")
    body = encode(ModifyOrder(account_id=21000002, order_id=3408995736, **{field: value}))
    assert body == b'{"accountId":21000002,"orderId":3408995736,"%s":%s}' % (member.encode(), str(value).encode())


@pytest.mark.parametrize(
    "more",
    [
        {"type": OrderType.TRAILING_STOP, "stop_price": PRICE},
        {"type": OrderType.TRAILING_STOP, "trail_price": PRICE, "stop_price": PRICE},
        {"type": OrderType.STOP, "trail_price": PRICE},
        {"trail_price": PRICE},
        {"stop_is_trailing": True},
    ],
    ids=str,
)
def test_a_trail_that_makes_no_sense_is_never_built(more: dict[str, Any]) -> None:
    with pytest.raises(AssertionError):
        build_place(market(Side.SELL, **more))


@pytest.mark.parametrize("side", list(Side))
async def test_a_trailing_stop_follows_the_price_and_never_goes_back(
    sim: SimServer, client: GatewayClient, side: Side
) -> None:
    """A level 40 ticks away on arrival; a sell trails below the market, a buy above."""
    away = side.sign * Decimal(10)
    order_id = await client.place(trailing("dsk-t", side, PRICE + away))
    stop = await read(client, "dsk-t")
    assert (stop.type, stop.stop_price, stop.status) == (OrderType.TRAILING_STOP, PRICE + away, OrderStatus.OPEN)
    sim.set_price(MNQ, PRICE - away)
    assert (await read(client, "dsk-t")).stop_price == PRICE
    sim.set_price(MNQ, PRICE - away / 2)
    assert (await read(client, "dsk-t")).stop_price == PRICE, "a step back leaves it where it is"
    sim.set_price(MNQ, PRICE)
    done = await client.order(ACCOUNT, order_id)
    assert done is not None
    assert (done.status, done.filled_qty) == (OrderStatus.FILLED, 1)


@pytest.mark.parametrize("side", list(Side))
async def test_a_trailing_bracket_follows_its_position(sim: SimServer, client: GatewayClient, side: Side) -> None:
    entry = await client.order(
        ACCOUNT, await client.place(market(side, stop_ticks=40, stop_is_trailing=True, target_ticks=400))
    )
    assert entry is not None
    assert entry.filled_price is not None
    stop = await read(client, "dsk-1-SL")
    assert (stop.type, stop.parent_id) == (OrderType.TRAILING_STOP, entry.gateway_order_id)
    assert stop.stop_price == entry.filled_price - side.sign * 10
    sim.set_price(MNQ, PRICE + side.sign * 30)
    assert (await read(client, "dsk-1-SL")).stop_price == PRICE + side.sign * 20
    sim.set_price(MNQ, PRICE + side.sign * 20)
    assert (await client.positions(ACCOUNT), await client.working_orders(ACCOUNT)) == ([], [])


async def test_a_modify_sets_the_trail_anew_from_a_level(sim: SimServer, client: GatewayClient) -> None:
    order_id = await client.place(trailing("dsk-t", Side.SELL, PRICE - 10))
    await client.modify(ACCOUNT, order_id, trail_price=PRICE - 20)
    assert (await read(client, "dsk-t")).stop_price == PRICE - 20
    sim.set_price(MNQ, PRICE + 5)
    assert (await read(client, "dsk-t")).stop_price == PRICE - 15
    await client.modify(ACCOUNT, order_id, qty=2, trail_price=PRICE)
    both = await read(client, "dsk-t")
    assert (both.qty, both.stop_price) == (2, PRICE)


async def test_a_distance_instead_of_a_level_is_refused_on_place(client: GatewayClient) -> None:
    """Reference 3.6: several libraries send a distance; at 29 500 it means a trail of 118 000 ticks."""
    with pytest.raises(Refused, match=r"Trail Distance exceeds maximum \(1000\)") as caught:
        await client.place(trailing("dsk-t", Side.SELL, Decimal(10)))
    assert caught.value.code == 2
