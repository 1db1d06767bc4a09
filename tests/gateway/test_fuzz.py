"""Whatever bytes come as a REST reply or as a hub frame, what is raised is of our error tree. Nothing else, ever."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.core.errors import AuthFailed, DeskError, OutcomeUnknown, ProtocolError, Refused
from desk.core.ids import GatewayOrderId
from desk.core.secret import Secret
from desk.core.timeframe import BarUnit
from desk.core.words import Account, Quote
from desk.gateway import (
    AppLogin,
    GatewayClient,
    GatewayConfig,
    HubPool,
    HubTimings,
    Kind,
    MarketFeed,
    UserFeed,
)
from desk.gateway.auth import lifetime_s
from desk.gateway.config import SystemClock
from desk.gateway.hub import HubConnection
from desk.gateway.signalr import HubProtocol, Invocation
from desk.gateway.transport import Reply

from .conftest import ACCOUNT, MNQ, market
from .test_hub import OneToken

NOW = datetime(2026, 11, 18, 15, tzinfo=UTC)
CONFIG = GatewayConfig(
    "http://x", "http://x/hubs/user", "http://x/hubs/market", "paper", Secret("paper"), timeout_s=0.05
)

# --- what may come ----------------------------------------------------------------------------------------------------

ENVELOPE = ["success", "errorCode", "errorMessage", "token", "newToken", "totalCount", "title", "detail"]
LISTS = ["accounts", "contracts", "bars", "orders", "positions", "trades"]
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([0, 1, -1, 2**63, 10**40])
TIMES = st.sampled_from(
    ["2026-08-19T20:51:31.4347534+00:00", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-08-19", "x"]
)
SCALARS = st.none() | st.booleans() | NUMBERS | TIMES | st.text(max_size=6) | st.sampled_from(["CON.F.US.MNQ.Z26", "7"])
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*ENVELOPE, *LISTS, "contract", "order", "data", "action", "id", "price"])
            | st.text(max_size=3),
            inner,
            max_size=9,
        )
    ),
    max_leaves=12,
)
RAW_NUMBERS = [b"1e999", b"-1e-999", b"1e99999999999", b"9" * 5000, b"0." + b"3" * 400, b"-0", b"NaN"]
NESTED = [b"[" * 20_000, b'{"a":' * 20_000, b"[" * 5000 + b"]" * 5000]

ROW = {
    "id": 1, "accountId": int(ACCOUNT), "contractId": str(MNQ), "name": "N", "balance": 1, "canTrade": True, "tickSize": 1,
    "tickValue": 1, "activeContract": True, "symbolId": "S", "creationTimestamp": "2026-08-19T20:51:31Z", "status": 1,
    "type": 1, "side": 0, "size": 1, "averagePrice": 1, "price": 1, "orderId": 1, "t": "2026-08-19T20:51:31Z", "o": 1,
    "h": 1, "l": 1, "c": 1, "v": 1, "lastUpdated": "2026-08-19T20:51:31Z", "timestamp": "2026-08-19T20:51:31Z", "volume": 1,
}  # fmt: skip
CHANGES = st.dictionaries(st.sampled_from(sorted(ROW)), JSON, max_size=3)


@st.composite
def almost_right(draw: st.DrawFn) -> bytes:
    """A good reply with some members spoilt, one of them perhaps by a number that no encoder would write."""
    row = {**ROW, **draw(CHANGES)}
    whole: dict[str, Any] = {"success": True, "errorCode": 0, **{name: [row] for name in LISTS}}
    whole |= {"contract": row, "order": row, "orderId": row["orderId"], "totalCount": 1}
    body = msgspec.json.encode(whole)
    if draw(st.booleans()):
        body = body.replace(b":1,", b":" + draw(st.sampled_from(RAW_NUMBERS)) + b",", draw(st.integers(1, 30)))
    return body


BODIES = (
    st.binary(max_size=60) | JSON.map(msgspec.json.encode) | almost_right() | st.sampled_from([*RAW_NUMBERS, *NESTED])
)

# --- REST -------------------------------------------------------------------------------------------------------------


class Canned:
    """In the place of the wire: every call gets this answer."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    async def post(self, *_: object, **__: object) -> Reply:
        return self._reply


def answered(reply: Reply) -> GatewayClient:
    """A logged-in client whose gateway says only this."""
    client = GatewayClient(CONFIG)
    client.tokens._accept("token")
    client._caller.transport = cast(Any, Canned(reply))
    return client


HOUR = timedelta(hours=1)
APP = AppLogin(Secret("secret"), "d-1", "app", Secret("verify"))
CALLS: dict[str, Callable[[GatewayClient], Awaitable[object]]] = {
    "login": lambda c: c.login(),
    "login_app": lambda c: c.login_app(APP),
    "validate": lambda c: c.validate(),
    "logout": lambda c: c.logout(),
    "accounts": lambda c: c.accounts(),
    "contracts": lambda c: c.contracts(),
    "search_contracts": lambda c: c.search_contracts("MNQ"),
    "contract": lambda c: c.contract(MNQ),
    "bars": lambda c: c.bars(MNQ, BarUnit.M, 1, NOW - HOUR, NOW),
    "bar_columns": lambda c: c.bar_columns(MNQ, BarUnit.M, 1, NOW - HOUR, NOW),
    "place": lambda c: c.place(market()),
    "cancel": lambda c: c.cancel(ACCOUNT, GatewayOrderId(7)),
    "modify": lambda c: c.modify(ACCOUNT, GatewayOrderId(7), qty=2),
    "close": lambda c: c.close_position(ACCOUNT, MNQ),
    "partial": lambda c: c.close_partially(ACCOUNT, MNQ, 1),
    "positions": lambda c: c.positions(ACCOUNT),
    "working": lambda c: c.working_orders(ACCOUNT),
    "open": lambda c: c.open_orders(ACCOUNT),
    "orders": lambda c: c.orders_since(ACCOUNT, NOW),
    "order": lambda c: c.order(ACCOUNT, GatewayOrderId(7)),
    "fills": lambda c: c.fills_since(ACCOUNT, NOW),
}
WRITES = {"place", "cancel", "modify", "close", "partial", "logout"}


@given(BODIES)
def test_no_reply_makes_an_operation_fail_outside_of_the_error_tree(body: bytes) -> None:
    async def call_all() -> None:
        for name, call in CALLS.items():
            try:
                await call(answered(Reply(200, body, None)))
            except ProtocolError:
                assert name not in WRITES, "what a write did is unknown then"
            except (Refused, AuthFailed):
                pass
            except OutcomeUnknown:
                assert name in WRITES

    asyncio.run(call_all())


@given(st.integers(100, 599), st.binary(max_size=60) | st.sampled_from(NESTED), st.none() | st.text(max_size=12))
def test_no_status_no_problem_body_and_no_retry_after_fail_outside_of_it(
    status: int, body: bytes, retry_after: str | None
) -> None:
    async def call_two() -> None:
        for name in ("place", "positions"):
            try:
                await CALLS[name](answered(Reply(status, body, retry_after)))
            except DeskError:
                pass

    asyncio.run(call_two())


@given(st.text(max_size=40) | st.text(alphabet="e30.AQ=_-", max_size=40))
def test_any_text_as_a_token_is_a_token_or_nonsense_and_has_a_life(token: str) -> None:
    assert 0 < lifetime_s(token, NOW) < 366 * 86400
    client = GatewayClient(CONFIG)
    try:
        client.tokens._accept(token)
    except ProtocolError:
        pass
    else:
        assert not set(token) & set(" \r\n\t"), "it goes into a header"


# --- hubs -------------------------------------------------------------------------------------------------------------


class OneConnection:
    """In the place of the pool: a connection that is never opened."""

    def connection(self, url: str, tokens: OneToken) -> HubConnection:
        return HubConnection(url, tokens, SystemClock(), HubTimings())


def feeds() -> tuple[MarketFeed, UserFeed, list[Any]]:
    pool, heard = cast(HubPool, OneConnection()), list[Any]()
    put = heard.append
    quiet = MarketFeed(pool, "ws://x/market", OneToken(), on_quote=put, on_trade=put, on_depth=put)
    user = UserFeed(
        pool, "ws://x/user", OneToken(), [ACCOUNT], on_order=put, on_position=put, on_fill=put, on_account=put
    )
    return quiet, user, heard


MARKET_EVENTS = ("GatewayQuote", "GatewayTrade", "GatewayDepth")
USER_EVENTS = ("GatewayUserOrder", "GatewayUserPosition", "GatewayUserTrade", "GatewayUserAccount")
ROWS = CHANGES.map(lambda changes: {**ROW, **changes})
ARGUMENTS = st.lists(JSON | ROWS | ROWS.map(lambda row: {"action": 1, "data": row}), max_size=3) | ROWS.map(
    lambda row: [str(MNQ), [row, None]]
)


@given(st.sampled_from([*MARKET_EVENTS, *USER_EVENTS, "", "GatewayNews"]), ARGUMENTS)
def test_no_event_makes_a_feed_fail_in_another_way(target: str, arguments: list[Any]) -> None:
    quotes, user, heard = feeds()
    asyncio.run(quotes.subscribe(MNQ, list(Kind)))
    raw = msgspec.json.decode(msgspec.json.encode(arguments), type=list[msgspec.Raw])
    for feed in (quotes, user):
        try:
            feed.on_event(target, raw, NOW)
        except ProtocolError:
            pass
    assert all(isinstance(one, msgspec.Struct) for one in heard)


@pytest.mark.parametrize("raw", [*RAW_NUMBERS, *NESTED], ids=lambda raw: raw[:9].decode())
@pytest.mark.parametrize("member", ["bestBid", "volume", "price", "type", "size", "balance", "id", "timestamp"])
def test_numbers_that_no_encoder_writes_are_read_or_refused(member: str, raw: bytes) -> None:
    quotes, user, _ = feeds()
    asyncio.run(quotes.subscribe(MNQ, list(Kind)))
    row = msgspec.json.encode({name: value for name, value in ROW.items() if name != member})[:-1]
    row += b',"' + member.encode() + b'":' + raw + b"}"
    for targets, feed, arguments in (
        (MARKET_EVENTS, quotes, [msgspec.Raw(b'"CON.F.US.MNQ.Z26"'), msgspec.Raw(row)]),
        (USER_EVENTS, user, [msgspec.Raw(row)]),
    ):
        for target in targets:
            try:
                feed.on_event(target, arguments, NOW)
            except ProtocolError:
                pass


FRAMES = st.lists(
    st.binary(max_size=30)
    | JSON.map(msgspec.json.encode)
    | st.tuples(st.integers(0, 9), ARGUMENTS).map(
        lambda pair: msgspec.json.encode({"type": pair[0], "target": "GatewayQuote", "arguments": pair[1]})
    )
    | st.sampled_from(NESTED),
    max_size=4,
).map(lambda records: b"\x1e".join([*records, b""]))


def heard_of(pieces: list[bytes]) -> list[object]:
    """What comes out of these pieces, up to the nonsense that ends the connection."""
    protocol, messages = HubProtocol(), list[object]()
    try:
        for piece in pieces:
            for message in protocol.receive(piece):
                is_event = isinstance(message, Invocation)
                messages.append((message.target, list(map(bytes, message.arguments))) if is_event else message)  # type: ignore[union-attr]
    except ProtocolError:
        messages.append("nonsense")
    return messages


@given(st.sampled_from([b"{}\x1e", b""]), FRAMES, st.lists(st.floats(0, 1), max_size=8))
def test_arbitrary_frames_end_in_messages_or_nonsense_however_they_are_cut(
    handshake: bytes, frames: bytes, cuts: list[float]
) -> None:
    stream = handshake + frames
    edges = [0, *sorted(int(cut * len(stream)) for cut in cuts), len(stream)]
    in_pieces, whole = heard_of([stream[a:b] for a, b in pairwise(edges)]), heard_of([stream])
    if "nonsense" in whole:  # the records before it in the same frame are dropped with the connection
        assert in_pieces[-1] == "nonsense"
    else:
        assert in_pieces == whole


def test_a_quote_of_absurd_volume_is_nonsense_or_a_number() -> None:
    quotes, _, heard = feeds()
    asyncio.run(quotes.subscribe(MNQ))
    payload = msgspec.json.encode({**ROW, "volume": 1e300, "bestBid": 1})
    quotes.on_event("GatewayQuote", [msgspec.Raw(b'"CON.F.US.MNQ.Z26"'), msgspec.Raw(payload)], NOW)
    assert isinstance(heard[0], Quote)


def test_one_bad_argument_of_a_user_event_is_nonsense() -> None:
    _, user, heard = feeds()
    with pytest.raises(ProtocolError):
        user.on_event("GatewayUserAccount", [msgspec.Raw(b'{"id":1}')], NOW)
    account = msgspec.json.encode({**ROW, "id": int(ACCOUNT)})
    user.on_event("GatewayUserAccount", [msgspec.Raw(account)], NOW)
    assert [type(one) for one in heard] == [Account]
