"""Golden rows are those of the gateway reference, with their section numbers."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.core.errors import ProtocolError
from desk.core.ids import AccountId, ClientOrderId, ContractId
from desk.core.orders import OrderRequest
from desk.core.words import OrderStatus, OrderType, Side
from desk.gateway.hubwire import (
    parse_contract_id,
    parse_depth,
    parse_quote,
    parse_trades,
    parse_user_event,
    user_decoder,
)
from desk.gateway.replies import OrdersReply, proven
from desk.gateway.requests import ModifyOrder, build_place, encode
from desk.gateway.wire import (
    WireAccount,
    WireBar,
    WireContract,
    WireOrder,
    WirePosition,
    WireTrade,
    decode,
    parse_price,
)
from desk.market import DepthKind, QuoteBook, QuoteUpdate

NOW = datetime(2026, 11, 18, 15, 0, tzinfo=UTC)
ORDER_3_8 = (
    b'{"id":3408995737,"accountId":21000002,"contractId":"CON.F.US.MNQ.U26","symbolId":"F.US.MNQ",'
    b'"creationTimestamp":"2026-08-16T23:26:02.15673+00:00","updateTimestamp":"2026-08-16T23:27:00.3017518+00:00",'
    b'"status":3,"type":1,"side":1,"size":1,"limitPrice":30203.5,"stopPrice":null,"fillVolume":0,"filledPrice":null,'
    b'"customTag":"b7-0001-TP","parentOrderId":3408995735,"linkedOrderId":3408995736}'
)
ORDER_5_4 = (
    b'{"id":"3425270858","accountId":21000002,"contractId":"CON.F.US.MNQ.U26","creationTimestamp":'
    b'"2026-08-19T20:49:25.3938333+00:00","status":5,"type":2,"side":1,"size":1,"fillVolume":0,"customTag":"x-33fa8e1e"}'
)


def read(kind: type[Any], data: bytes) -> Any:
    return decode(data, msgspec.json.Decoder(kind)).to_core()


def test_an_order_row_becomes_a_venue_order() -> None:
    order = read(WireOrder, ORDER_3_8)
    assert (order.gateway_order_id, order.parent_id, order.tag) == (3408995737, 3408995735, "b7-0001-TP")
    assert (order.status, order.type, order.side) == (OrderStatus.CANCELLED, OrderType.LIMIT, Side.SELL)
    assert (order.qty, order.filled_qty, order.limit_price, order.stop_price) == (1, 0, Decimal("30203.5"), None)
    assert order.created_at == datetime(2026, 8, 16, 23, 26, 2, 156730, UTC)
    assert order.updated_at == datetime(2026, 8, 16, 23, 27, 0, 301752, UTC)


def test_a_hub_order_without_null_members_and_with_its_id_as_text_is_read_too() -> None:
    order = read(WireOrder, ORDER_5_4)
    assert (order.gateway_order_id, order.status, order.filled_price) == (3425270858, OrderStatus.REJECTED, None)


def test_an_order_id_under_its_other_name_is_found_and_a_missing_one_raises() -> None:
    assert read(WireOrder, ORDER_5_4.replace(b'"id"', b'"orderId"')).gateway_order_id == 3425270858
    with pytest.raises(ProtocolError, match="without id"):
        read(WireOrder, ORDER_5_4.replace(b'"id"', b'"other"'))


def test_unknown_enum_numbers_are_kept_as_unknown() -> None:
    order = read(WireOrder, ORDER_3_8.replace(b'"status":3,"type":1', b'"status":42,"type":99'))
    assert (order.status, order.type) == (OrderStatus.UNKNOWN, OrderType.UNKNOWN)
    assert order.status.is_working, "nobody knows, so it may still trade"


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        (b'"side":1', b'"side":7', "side"),
        (b'"size":1', b'"size":"one"', "size"),
        (b'"size":1', b'"size":-1', "size"),
        (b'"accountId":21000002', b'"accountId":"12x"', "accountId"),
        (b'"limitPrice":30203.5', b'"limitPrice":"NaN"', "limitPrice"),
        (b'"limitPrice":30203.5', b'"limitPrice":1e999', "limitPrice"),
        (b'"creationTimestamp":"2026', b'"creationTimestamp":"x', "creationTimestamp"),
    ],
)
def test_a_bad_row_raises_naming_the_field(old: bytes, new: bytes, named: str) -> None:
    with pytest.raises(ProtocolError, match=named):
        read(WireOrder, ORDER_3_8.replace(old, new))


def test_what_is_not_json_raises_with_the_bytes() -> None:
    with pytest.raises(ProtocolError) as caught:
        read(WireOrder, b"<html>")
    assert caught.value.data == b"<html>"


def test_positions_are_signed_and_a_closed_one_is_zero() -> None:
    row = (
        b'{"id":825245547,"accountId":21000002,"contractId":"CON.F.US.MNQ.Z26","contractDisplayName":"MNQZ26",'
        b'"creationTimestamp":"2026-11-18T14:15:48.611387+00:00","type":2,"size":3,"averagePrice":29398.500000000}'
    )
    short = read(WirePosition, row)
    assert (short.qty, str(short.avg_price)) == (-3, "29398.5")
    assert read(WirePosition, row.replace(b'"type":2', b'"type":1')).qty == 3
    assert read(WirePosition, row.replace(b'"type":2,"size":3', b'"type":0,"size":0')).qty == 0
    with pytest.raises(ProtocolError, match="type 0"):
        read(WirePosition, row.replace(b'"type":2', b'"type":0'))


def test_a_trade_says_whether_it_closed_and_what_it_cost() -> None:
    row = (
        b'{"id":3005729833,"accountId":21000002,"contractId":"CON.F.US.MNQ.U26","creationTimestamp":'
        b'"2026-08-19T17:51:07.965787+00:00","price":29542.25,"profitAndLoss":6.5,"fees":0.36,"commissions":0.25,'
        b'"side":1,"size":1,"voided":false,"orderId":3424798599}'
    )
    fill = read(WireTrade, row)
    assert (fill.gross_pnl, fill.fees, fill.commissions, fill.voided) == (
        Decimal("6.5"),
        Decimal("0.36"),
        Decimal("0.25"),
        False,
    )
    assert (fill.side, fill.qty, fill.gateway_order_id, fill.fill_id) == (Side.SELL, 1, 3424798599, 3005729833)
    opening = read(WireTrade, row.replace(b'"profitAndLoss":6.5,', b"").replace(b'"commissions":0.25,', b""))
    assert (opening.gross_pnl, opening.commissions) == (None, Decimal(0))
    assert read(WireTrade, row.replace(b"false", b"true")).voided


def test_accounts_contracts_and_bars_become_core_words() -> None:
    account = read(WireAccount, b'{"id":21000001,"name":"50KTC","balance":49989.34,"canTrade":true,"isVisible":true}')
    assert (account.balance, account.simulated) == (Decimal("49989.34"), None)
    contract = read(
        WireContract,
        b'{"id":"CON.F.US.6J.Z26","name":"6JZ6","description":null,"tickSize":5E-7,"tickValue":6.25,'
        b'"activeContract":true,"symbolId":"F.US.JY6"}',
    )
    assert contract.point_value == Decimal(12500000)
    assert str(contract.tick_size) == "5E-7"
    bar = read(WireBar, b'{"t":"2026-11-18T15:29:00+00:00","o":29546,"h":29548.75,"l":29546,"c":29547.25,"v":148}')
    assert (bar.ts_open, bar.high, bar.volume) == (datetime(2026, 11, 18, 15, 29, tzinfo=UTC), Decimal("29548.75"), 148)


def test_a_contract_without_economics_raises() -> None:
    with pytest.raises(ProtocolError, match="tickSize"):
        read(
            WireContract,
            b'{"id":"C","name":"N","tickSize":0,"tickValue":1,"activeContract":true,"symbolId":"S"}',
        )


@pytest.mark.parametrize("body", [b'{"success":true,"errorCode":0,"orders":null}', b'{"success":true,"errorCode":0}'])
def test_a_missing_list_is_unproven_and_only_an_empty_one_is_empty(body: bytes) -> None:
    decoder = msgspec.json.Decoder(OrdersReply)
    with pytest.raises(ProtocolError, match="orders"):
        proven(decode(body, decoder).orders, "orders")
    assert proven(decode(b'{"success":true,"errorCode":0,"orders":[]}', decoder).orders, "orders") == []


@pytest.mark.parametrize(
    ("wire", "text"),
    [
        ("6335.250000000", "6335.25"),
        ("4134.900000000001", "4134.9"),
        ("6E+3", "6000"),
        ("0.00390625", "0.00390625"),
        ("5.68E-14", "0"),
        ("-0.0", "0"),
    ],
)
def test_prices_have_one_form(wire: str, text: str) -> None:
    assert str(parse_price(Decimal(wire), "price")) == text


@given(st.floats())
def test_any_number_is_a_price_or_nonsense(number: float) -> None:
    try:
        assert float(parse_price(Decimal(repr(number)), "price")) == pytest.approx(number, abs=1e-9)
    except ProtocolError as exc:
        assert "price" in str(exc)  # noqa: PT017 - both ends are right


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9, places=7))
def test_a_price_keeps_its_value(price: Decimal) -> None:
    assert parse_price(price, "price") == price


# --- requests ---------------------------------------------------------------------------------------------------------


def request(side: Side, **more: Any) -> OrderRequest:
    fields = {"type": OrderType.MARKET, "qty": 1, **more}
    return OrderRequest(
        client_order_id=ClientOrderId("dsk-1"),
        account_id=AccountId(21000002),
        contract_id=ContractId("CON.F.US.MNQ.Z26"),
        side=side,
        **fields,
    )


@pytest.mark.parametrize(("side", "stop", "target"), [(Side.BUY, -40, 80), (Side.SELL, 40, -80)])
def test_bracket_ticks_are_signed_from_the_entrys_side(side: Side, stop: int, target: int) -> None:
    body = msgspec.json.decode(encode(build_place(request(side, stop_ticks=40, target_ticks=80))))
    assert body == {
        "accountId": 21000002,
        "contractId": "CON.F.US.MNQ.Z26",
        "type": 2,
        "side": 0 if side is Side.BUY else 1,
        "size": 1,
        "customTag": "dsk-1",
        "stopLossBracket": {"ticks": stop, "type": 4},
        "takeProfitBracket": {"ticks": target, "type": 1},
    }


def test_prices_go_out_as_numbers() -> None:
    body = encode(build_place(request(Side.BUY, type=OrderType.LIMIT, limit_price=Decimal("29500.25"))))
    assert b'"limitPrice":29500.25' in body


def test_a_modify_leaves_out_what_stays() -> None:
    body = encode(ModifyOrder(account_id=1, order_id=2, stop_price=Decimal("30190.25")))
    assert msgspec.json.decode(body) == {"accountId": 1, "orderId": 2, "stopPrice": 30190.25}


@pytest.mark.parametrize(
    "more",
    [
        {"type": OrderType.TRAILING_STOP},
        {"type": OrderType.LIMIT},
        {"limit_price": Decimal(1)},
        {"qty": 0},
        {"stop_ticks": -4},
    ],
)
def test_an_order_that_makes_no_sense_is_never_built(more: dict[str, Any]) -> None:
    with pytest.raises(AssertionError):
        build_place(request(Side.BUY, **more))


# --- hubs -------------------------------------------------------------------------------------------------------------

QUOTE_5_3 = (
    b'["CON.F.US.MNQ.U26",{"symbol":"F.US.MNQ","bestBid":29547,"bestAsk":29547.5,"lastUpdated":'
    b'"2026-08-19T20:51:31.4347534+00:00","timestamp":"2026-08-19T20:51:31.348+00:00","contract":"CON.F.US.MNQ.U26"}]'
)


def arguments(data: bytes) -> list[msgspec.Raw]:
    return msgspec.json.decode(data, type=list[msgspec.Raw])


def test_a_sparse_quote_says_only_what_it_carried() -> None:
    contract_id, payload = parse_contract_id(arguments(QUOTE_5_3))
    update = parse_quote(contract_id, payload, NOW)
    assert (update.contract_id, update.bid, update.ask, update.last, update.volume) == (
        "CON.F.US.MNQ.U26",
        Decimal(29547),
        Decimal("29547.5"),
        None,
        None,
    )
    assert update.ts_event < update.ts_order, "source time and gateway time are two clocks"


def quote_at(updated: datetime, bid: int, ts_recv: datetime) -> QuoteUpdate:
    payload = f'{{"lastUpdated":"{updated.isoformat()}","bestBid":{bid}}}'.encode()
    return parse_quote(ContractId("C"), msgspec.Raw(payload), ts_recv)


@pytest.mark.parametrize("ahead_s", [10, 3600, 100_000_000])
def test_a_quote_of_the_future_does_not_silence_those_of_today(ahead_s: int) -> None:
    """One wrong ``lastUpdated`` would make every later quote old news until the hub is lost."""
    book = QuoteBook()
    book.apply(quote_at(NOW + timedelta(seconds=ahead_s), 1, NOW))
    later = NOW + timedelta(seconds=6)
    assert book.apply(quote_at(later, 2, later)).bid == 2


def test_a_gateway_whose_clock_is_ahead_is_heard_in_the_order_of_arrival() -> None:
    book = QuoteBook()
    for bid in range(3):
        recv = NOW + timedelta(seconds=bid)
        assert book.apply(quote_at(recv + timedelta(hours=1), bid, recv)).bid == bid


TRADE = b'{"symbolId":"F.US.MES","price":7730.5,"timestamp":"2026-08-19T20:51:30.052+00:00","type":1,"volume":2}'


@pytest.mark.parametrize("payload", [TRADE, b"[" + TRADE + b"]", b"[null," + TRADE + b",null]"])
def test_trades_come_as_object_or_array_and_nulls_are_skipped(payload: bytes) -> None:
    (trade,) = parse_trades(ContractId("C"), msgspec.Raw(payload), NOW)
    assert (trade.price, trade.qty, trade.aggressor) == (Decimal("7730.5"), 2, Side.SELL)


@pytest.mark.parametrize("volume", [b"10000000000000000000", b"2147483648", b"-2147483649"])
def test_a_trade_of_more_contracts_than_can_be_is_not_understood(volume: bytes) -> None:
    with pytest.raises(ProtocolError):
        parse_trades(ContractId("C"), msgspec.Raw(TRADE.replace(b'"volume":2', b'"volume":' + volume)), NOW)


def test_depth_rows_keep_unknown_kinds() -> None:
    row = b'{"contractId":"C","timestamp":"2026-08-19T20:51:31.4173693+00:00","type":4,"price":29547,"volume":2}'
    rows = parse_depth(ContractId("C"), msgspec.Raw(b"[" + row + b",null," + row.replace(b":4,", b":77,") + b"]"), NOW)
    assert [one.kind for one in rows] == [DepthKind.BEST_BID, DepthKind.UNKNOWN]


@pytest.mark.parametrize("data", [ORDER_5_4, b'{"action":1,"data":' + ORDER_5_4 + b"}"])
def test_user_events_come_bare_or_in_an_envelope(data: bytes) -> None:
    (order,) = parse_user_event([msgspec.Raw(b"null"), msgspec.Raw(data)], user_decoder(WireOrder))
    assert order.to_core().gateway_order_id == 3425270858


@given(st.binary(max_size=80))
def test_no_payload_makes_a_hub_parser_fail_in_another_way(data: bytes) -> None:
    for parse in (parse_quote, parse_trades, parse_depth):
        try:
            parse(ContractId("C"), msgspec.Raw(data), NOW)
        except ProtocolError:
            pass
    try:
        parse_user_event([msgspec.Raw(data)], user_decoder(WireOrder))
    except ProtocolError:
        pass


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(list("idvt")), inner, max_size=4),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["id", "accountId", "contractId", "side", "size", "price", "orderId"]), _json))
def test_no_row_makes_a_reply_parser_fail_in_another_way(row: dict[str, Any]) -> None:
    full = {"creationTimestamp": "2026-08-19T20:51:31Z", "averagePrice": 1, "type": 1, "status": 1, **row}
    for kind in (WireOrder, WirePosition, WireTrade, WireAccount, WireContract):
        try:
            read(kind, msgspec.json.encode(full))
        except ProtocolError:
            pass
