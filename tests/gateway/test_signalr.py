from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.core.errors import ProtocolError
from desk.gateway.signalr import Closed, Completion, Handshake, HubMessage, HubProtocol, Invocation, Ping

RECORDS = [
    b"{}",
    b'{"type":6}',
    b'{"type":1,"target":"GatewayQuote","arguments":["CON.F.US.MNQ.U26",{"symbol":"F.US.MNQ","bestBid":29547}]}',
    '{"type":1,"target":"Ünïcode ∥","arguments":[]}'.encode(),
    b'{"type":3,"invocationId":"1","result":0}',
    b'{"type":3,"invocationId":"2","error":"Method does not exist."}',
    b'{"type":2,"invocationId":"9","item":1}',
    b'{"type":7,"error":"Connection closed with an error.","allowReconnect":true}',
]
STREAM = b"".join(record + b"\x1e" for record in RECORDS)


def plain(messages: list[HubMessage]) -> list[object]:
    """Messages in a form that compares: undecoded JSON has no equality of its own."""
    return [(m.target, [bytes(a) for a in m.arguments]) if isinstance(m, Invocation) else m for m in messages]


WHOLE = plain(HubProtocol().receive(STREAM))


def test_every_kind_of_message_is_understood_and_unknown_ones_are_skipped() -> None:
    assert [WHOLE[0], WHOLE[1], *WHOLE[4:]] == [
        Handshake(),
        Ping(),
        Completion("1", None),
        Completion("2", "Method does not exist."),
        Closed("Connection closed with an error."),
    ]
    assert WHOLE[2][0] == "GatewayQuote"  # type: ignore[index]


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_however_the_bytes_are_cut_the_same_messages_come_out(cuts: list[int]) -> None:
    protocol = HubProtocol()
    edges = [0, *sorted(cuts), len(STREAM)]
    messages = [m for a, b in pairwise(edges) for m in protocol.receive(STREAM[a:b])]
    assert plain(messages) == WHOLE


def test_text_frames_read_like_bytes() -> None:
    assert plain(HubProtocol().receive(STREAM.decode())) == WHOLE


def test_the_handshake_asks_for_version_one_and_goes_first() -> None:
    protocol = HubProtocol()
    protocol.invoke("SubscribeOrders", 21000002)
    handshake, call, rest = protocol.to_send().split(b"\x1e")
    assert msgspec.json.decode(handshake) == {"protocol": "json", "version": 1}
    assert msgspec.json.decode(call) == {
        "type": 1,
        "invocationId": "1",
        "target": "SubscribeOrders",
        "arguments": [21000002],
    }
    assert (rest, protocol.to_send()) == (b"", b"")


def test_calls_have_ids_of_their_own() -> None:
    protocol = HubProtocol()
    assert len({protocol.invoke("SubscribeAccounts") for _ in range(5)}) == 5


def test_a_refused_handshake_says_why_and_does_not_open() -> None:
    protocol = HubProtocol()
    assert protocol.receive(b'{"error":"version 0"}\x1e') == [Handshake("version 0")]
    assert not protocol.is_open


@pytest.mark.parametrize("record", [b"", b"[]", b'{"type":"1"}', b'{"type":1}', b'{"type":3}', b"\xff\xfe", b"{"])
def test_nonsense_raises_with_the_bytes(record: bytes) -> None:
    protocol = HubProtocol()
    protocol.receive(b"{}\x1e")
    with pytest.raises(ProtocolError) as caught:
        protocol.receive(record + b"\x1e")
    assert caught.value.data == record


@given(st.binary(max_size=200))
def test_no_bytes_make_the_parser_fail_in_another_way(data: bytes) -> None:
    protocol = HubProtocol()
    try:
        protocol.receive(b"{}\x1e" + data + b"\x1e")
    except ProtocolError:
        pass


def test_a_message_without_end_is_given_up() -> None:
    with pytest.raises(ProtocolError, match="without end"):
        HubProtocol().receive(b" " * (16 * 1024 * 1024 + 1))
