"""Payloads of the hub events (reference 5.3, 5.4) and what becomes of them. Nulls in arrays are skipped."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, TypeVar

import msgspec

from desk.core.errors import ProtocolError
from desk.core.ids import ContractId
from desk.gateway.wire import (
    SIDES,
    WireAccount,
    WireOrder,
    WirePosition,
    WireTrade,
    decode,
    parse_price,
    parse_time,
)
from desk.market import DepthKind, DepthRow, MarketTrade, QuoteUpdate

__all__ = ["parse_contract_id", "parse_depth", "parse_quote", "parse_trades", "parse_user_event", "user_decoder"]

_T = TypeVar("_T")

_DEPTH_KINDS: Mapping[int, DepthKind] = {  # 4: DomType
    1: DepthKind.ASK,
    2: DepthKind.BID,
    3: DepthKind.BEST_ASK,
    4: DepthKind.BEST_BID,
    5: DepthKind.TRADE,
    6: DepthKind.RESET,
    7: DepthKind.LOW,
    8: DepthKind.HIGH,
    9: DepthKind.NEW_BEST_BID,
    10: DepthKind.NEW_BEST_ASK,
    11: DepthKind.FILL,
}


class WireQuote(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """GatewayQuote (5.3), sparse.

    ``timestamp`` is the source's time, ``lastUpdated`` the gateway's and always there. Prices stay bytes until they are
    looked up: a feed says the same few numbers again and again.
    """

    last_updated: datetime
    timestamp: datetime | None = None
    last_price: msgspec.Raw = msgspec.Raw()
    best_bid: msgspec.Raw = msgspec.Raw()
    best_ask: msgspec.Raw = msgspec.Raw()
    volume: int | float | None = None


class WireMarketTrade(msgspec.Struct, frozen=True, gc=False):
    """GatewayTrade (5.3); ``type`` is the aggressor: 0 buy, 1 sell. A volume beyond 32 bits is none."""

    price: Decimal
    timestamp: datetime
    type: int
    volume: Annotated[int, msgspec.Meta(ge=-(2**31), lt=2**31)]


class WireDepth(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """GatewayDepth (5.3); the rules of the book are not documented."""

    type: int
    price: Decimal
    volume: int
    current_volume: int | None = None
    timestamp: datetime | None = None


_ORDER_AHEAD = timedelta(seconds=5)  # further ahead of us a time is wrong, or their clock is: then arrival is the order

_contract_decoder = msgspec.json.Decoder(str)
_quote_decoder = msgspec.json.Decoder(WireQuote)
_trade_decoder = msgspec.json.Decoder(list[WireMarketTrade | None] | WireMarketTrade)
_depth_decoder = msgspec.json.Decoder(list[WireDepth | None] | WireDepth)


_price_decoder = msgspec.json.Decoder(Decimal | None)
_MOST_PRICES = 50_000
_prices: dict[bytes, Decimal | None] = {}


def _quoted_price(raw: msgspec.Raw, field: str) -> Decimal | None:
    """:func:`~desk.gateway.wire.parse_price` of undecoded JSON, remembered by its text; absent and null are None."""
    text = bytes(raw)
    try:
        return _prices[text]
    except KeyError:
        pass
    value = decode(text, _price_decoder) if text else None
    price = None if value is None else parse_price(value, field)
    if len(_prices) >= _MOST_PRICES:
        _prices.clear()
    _prices[text] = price
    return price


def parse_contract_id(arguments: list[msgspec.Raw]) -> tuple[ContractId, msgspec.Raw]:
    """The two arguments of a market event: contract id and payload."""
    if len(arguments) != 2:
        raise ProtocolError(f"a market event has 2 arguments, not {len(arguments)}", b",".join(map(bytes, arguments)))
    return ContractId(decode(arguments[0], _contract_decoder)), arguments[1]


def parse_quote(contract_id: ContractId, payload: msgspec.Raw, ts_recv: datetime) -> QuoteUpdate:
    """What this quote said, and nothing else."""
    wire = decode(payload, _quote_decoder)
    updated = parse_time(wire.last_updated, "quote.lastUpdated")
    return QuoteUpdate(
        contract_id=contract_id,
        bid=_quoted_price(wire.best_bid, "quote.bestBid"),
        ask=_quoted_price(wire.best_ask, "quote.bestAsk"),
        last=_quoted_price(wire.last_price, "quote.lastPrice"),
        volume=None if wire.volume is None else int(wire.volume),
        ts_event=updated if wire.timestamp is None else parse_time(wire.timestamp, "quote.timestamp"),
        ts_order=min(updated, ts_recv + _ORDER_AHEAD),
        ts_recv=ts_recv,
    )


def parse_trades(contract_id: ContractId, payload: msgspec.Raw, ts_recv: datetime) -> list[MarketTrade]:
    """Prints, in the order of the message; the docs show one object, the wire sends an array."""
    return [
        MarketTrade(
            contract_id=contract_id,
            price=parse_price(row.price, "trade.price"),
            qty=row.volume,
            aggressor=SIDES.get(row.type),
            ts_event=parse_time(row.timestamp, "trade.timestamp"),
            ts_recv=ts_recv,
        )
        for row in _rows(decode(payload, _trade_decoder))
    ]


def parse_depth(contract_id: ContractId, payload: msgspec.Raw, ts_recv: datetime) -> list[DepthRow]:
    """Depth rows as they came."""
    return [
        DepthRow(
            contract_id=contract_id,
            kind=_DEPTH_KINDS.get(row.type, DepthKind.UNKNOWN),
            price=parse_price(row.price, "depth.price"),
            volume=row.volume,
            current_volume=row.current_volume,
            ts_event=None if row.timestamp is None else parse_time(row.timestamp, "depth.timestamp"),
            ts_recv=ts_recv,
        )
        for row in _rows(decode(payload, _depth_decoder))
    ]


def _rows(payload: list[_T | None] | _T) -> list[_T]:
    if isinstance(payload, list):
        return [row for row in payload if row is not None]
    return [payload]


WireUser = WireAccount | WireOrder | WirePosition | WireTrade
_U = TypeVar("_U", bound=WireUser)


class _Enveloped(msgspec.Struct, frozen=True):
    """``{action, data}``. ``action`` is undocumented and not read: what happened shows in the data (4)."""

    data: msgspec.Raw = msgspec.Raw()


_enveloped_decoder = msgspec.json.Decoder(_Enveloped)


def user_decoder(kind: type[_U]) -> msgspec.json.Decoder[_U]:
    """A decoder for the data of one user event."""
    return msgspec.json.Decoder(kind)


def parse_user_event(arguments: list[msgspec.Raw], decoder: msgspec.json.Decoder[_U]) -> list[_U]:
    """Every argument of a user event: bare, or in its ``{action, data}`` envelope when ``data`` is an object (5.4)."""
    found: list[_U] = []
    for argument in arguments:
        if bytes(argument) == b"null":
            continue
        data = bytes(decode(argument, _enveloped_decoder).data)
        found.append(decode(data if data.startswith(b"{") else argument, decoder))
    return found
