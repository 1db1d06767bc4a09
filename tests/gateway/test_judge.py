"""What an HTTP answer means, without a socket."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from desk.core.errors import DeskError, OutcomeUnknown, ProtocolError, RateLimited, Refused, Unavailable
from desk.gateway import endpoints as ep
from desk.gateway.calls import TokenRejected, judge
from desk.gateway.config import SystemClock
from desk.gateway.endpoints import Endpoint
from desk.gateway.pacing import Lane
from desk.gateway.replies import PlaceReply
from desk.gateway.transport import Reply

DECODER = msgspec.json.Decoder(PlaceReply)
OK = b'{"orderId":"3408995735","success":true,"errorCode":0,"errorMessage":null,"later":1}'


def verdict(endpoint: Endpoint, status: int, body: bytes = b"", retry_after: str | None = None) -> PlaceReply:
    return judge(endpoint, Reply(status, body, retry_after), DECODER, lane=endpoint.lane, clock=SystemClock())


def test_only_success_without_a_code_is_a_yes() -> None:
    assert verdict(ep.PLACE, 200, OK).order_id == "3408995735"


@pytest.mark.parametrize(
    ("status", "body", "of_write", "of_read"),
    [
        (200, b"", OutcomeUnknown, ProtocolError),
        (200, b"<html>maintenance</html>", OutcomeUnknown, ProtocolError),
        (200, b"[]", OutcomeUnknown, ProtocolError),
        (200, OK.replace(b"true", b"null"), OutcomeUnknown, ProtocolError),
        (200, OK.replace(b"true", b"false"), OutcomeUnknown, Refused),
        (200, OK.replace(b'Code":0', b'Code":1'), OutcomeUnknown, Refused),
        (204, b"", OutcomeUnknown, Unavailable),
        (302, b"", OutcomeUnknown, Unavailable),
        (400, b'{"title":"Bad","detail":"no accountId"}', Refused, Refused),
        (401, b"", OutcomeUnknown, TokenRejected),
        (403, b"", Unavailable, Unavailable),
        (404, b"", Unavailable, Unavailable),
        (408, b"", OutcomeUnknown, Unavailable),
        (429, b"", RateLimited, RateLimited),
        (500, OK, OutcomeUnknown, Unavailable),
        (503, b"", OutcomeUnknown, Unavailable),
    ],
)
def test_every_other_answer_says_what_to_do(
    status: int, body: bytes, of_write: type[DeskError], of_read: type[DeskError]
) -> None:
    for endpoint, expected in ((ep.PLACE, of_write), (ep.POSITIONS, of_read)):
        with pytest.raises(DeskError) as caught:
            verdict(endpoint, status, body)
        assert type(caught.value) is expected
        assert endpoint.path in str(caught.value)


def test_a_refusal_keeps_the_gateways_words_and_the_dead_orders_id() -> None:
    body = OK.replace(b"true", b"false").replace(b'Code":0', b'Code":2').replace(b"null", b'"Invalid stop price."')
    with pytest.raises(Refused, match=r"OrderRejected: Invalid stop price\.") as caught:
        verdict(ep.PLACE, 200, body)
    assert (caught.value.code, caught.value.gateway_order_id) == (2, 3408995735)


@pytest.mark.parametrize(
    ("header", "lane", "expected_s"),
    [
        (None, Lane.READ, 60),
        (None, Lane.HISTORY, 30),
        ("17", Lane.READ, 17),
        ("1.5", Lane.PLACE, 1.5),
        ("soon", Lane.READ, 60),
        ("9" * 20, Lane.READ, 600),
        ("-5", Lane.READ, 60),
    ],
)
def test_how_long_a_429_asks_to_wait(header: str | None, lane: Lane, expected_s: float) -> None:
    assert Reply(429, b"", header).retry_after_s(lane, SystemClock()) == expected_s


def test_a_429_may_name_a_date() -> None:
    at = (datetime.now(UTC) + timedelta(seconds=20)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    assert 15 < Reply(429, b"", at).retry_after_s(Lane.READ, SystemClock()) <= 20
