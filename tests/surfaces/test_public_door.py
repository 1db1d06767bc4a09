"""What the public door answers, row by row of TradingView reference 2, and to whom (reference 1 and 4)."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import zlib
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from multidict import CIMultiDict

from desk.alerts import DialectTerms
from desk.core.alert import Action
from desk.core.errors import StoreError
from desk.core.events import TimerFired
from desk.core.records import Verdict, VerdictKind
from desk.core.secret import Secret
from desk.runtime.desk import BotDoor, Desk, Phase
from desk.runtime.inbox import Inbox
from desk.surfaces import http_public
from desk.surfaces.door_sources import AllowedSources
from tests.surfaces.doorstep import SECOND_TOKEN, alert, config, connect, head, post, raw
from tests.surfaces.room import T0, TOKEN, Room
from webhook_server import Doors, open_doors


@pytest.fixture
async def doors(room: Room) -> AsyncIterator[Doors]:
    async with open_doors(room.desk, config()) as opened:
        yield opened


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


# --- reference 2, row by row -----------------------------------------------------------------------------------------


async def test_whatever_was_decided_is_200_and_says_which(
    room: Room, doors: Doors, http: aiohttp.ClientSession
) -> None:
    for kind, reason in (
        (VerdictKind.ACCEPTED, ""),
        (VerdictKind.DUPLICATE, "duplicate"),
        (VerdictKind.IGNORED, "no_order"),
        (VerdictKind.DENIED, "window"),
        (VerdictKind.DENIED, "unknown_bot"),
    ):
        room.verdict = Verdict(kind=kind, reason=reason, text="why")
        status, answer = await post(http, f"{doors.public_url}/tv/{TOKEN}")
        assert (status, answer["verdict"], answer["reason"], answer["text"]) == (200, kind.value, reason, "why")


async def test_a_journal_that_cannot_be_written_is_503(room: Room, doors: Doors, http: aiohttp.ClientSession) -> None:
    room.failure = StoreError("disk full")
    status, answer = await post(http, f"{doors.public_url}/tv/{TOKEN}")
    assert status == 503
    assert "nothing done" in answer["error"]


async def test_before_the_account_is_reconciled_it_is_200_and_held(
    room: Room, doors: Doors, http: aiohttp.ClientSession
) -> None:
    room.desk.phase, room.verdict = Phase.STARTING, Verdict(kind=VerdictKind.HELD, text="decided later")
    status, answer = await post(http, f"{doors.public_url}/tv/{TOKEN}")
    assert (status, answer["verdict"]) == (200, "held")
    assert await room.desk.journal.recent_alerts(1)


@pytest.mark.parametrize("sender", ["wrong secret", "wrong source"])
async def test_who_may_not_come_in_gets_404_and_the_same_bytes(
    room: Room, http: aiohttp.ClientSession, sender: str
) -> None:
    allowed, token = (None, "wrong") if sender == "wrong secret" else (("52.89.214.238",), TOKEN)
    async with open_doors(room.desk, config(allowed_ips=allowed)) as doors:
        by_path = await post(http, f"{doors.public_url}/tv/{token}")
        by_body = await post(http, f"{doors.public_url}/webhook", alert(secret=token))
    assert by_path == by_body == (404, {"error": "not found"})
    assert room.events == []


async def test_too_large_is_413_and_a_wrong_method_is_405(doors: Doors, http: aiohttp.ClientSession) -> None:
    assert (await post(http, f"{doors.public_url}/tv/{TOKEN}", b" " * (64 * 1024 + 1)))[0] == 413
    async with http.get(f"{doors.public_url}/tv/{TOKEN}") as reply:
        assert reply.status == 405


async def test_of_a_list_of_which_a_part_was_recorded_no_5xx_brings_the_rest_again(
    room: Room, doors: Doors, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask, answered = Desk.ask, 0

    async def ask_and_fail_at_the_second(self: Desk, event: Any) -> Verdict:
        nonlocal answered
        answered += 1
        if answered == 2:
            raise StoreError("disk full")
        return await ask(self, event)

    monkeypatch.setattr(Desk, "ask", ask_and_fail_at_the_second)
    status, answer = await post(http, f"{doors.public_url}/tv/{TOKEN}", [alert(id="a"), alert("exit", id="b")])
    assert status == 200
    assert [told["verdict"] for told in answer["alerts"]] == ["accepted", "not_recorded"]
    assert "disk full" in answer["alerts"][1]["text"]


async def test_of_a_list_of_which_nothing_was_recorded_all_comes_again(
    room: Room, doors: Doors, http: aiohttp.ClientSession
) -> None:
    room.failure = StoreError("disk full")
    assert (await post(http, f"{doors.public_url}/tv/{TOKEN}", [alert(id="a"), alert(id="b")]))[0] == 503


async def test_a_full_queue_is_503_at_once(room: Room, doors: Doors, http: aiohttp.ClientSession) -> None:
    room.desk.inbox = Inbox(limit=1)  # and nobody takes anything out
    room.desk.inbox.put(TimerFired(key="one", ts=T0))
    async with asyncio.timeout(1):
        assert (await post(http, f"{doors.public_url}/tv/{TOKEN}"))[0] == 503


# --- bodies ------------------------------------------------------------------------------------------------------------


async def test_a_body_of_10_mb_is_refused_before_the_sender_is_asked_for_it(room: Room, doors: Doors) -> None:
    answer = await raw(doors.public_url, head(f"/tv/{TOKEN}", 10_000_000, "Expect: 100-continue"))
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"100 Continue" not in answer


async def test_a_sender_that_waits_to_be_asked_is_asked(room: Room, doors: Doors) -> None:
    body = json.dumps(alert()).encode()
    for expect in ("100-continue", "something-else"):
        reader, writer = await connect(doors.public_url)
        writer.write(head(f"/tv/{TOKEN}", len(body), f"Expect: {expect}", "Connection: close"))
        if expect == "100-continue":
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(body)
        assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
        writer.close()


async def test_a_compressed_body_is_read_and_a_bomb_is_not(
    room: Room, doors: Doors, http: aiohttp.ClientSession
) -> None:
    packed = {"Content-Encoding": "gzip"}
    url = f"{doors.public_url}/tv/{TOKEN}"
    assert (await post(http, url, gzip.compress(json.dumps(alert()).encode()), headers=packed))[0] == 200
    assert (await post(http, url, gzip.compress(b" " * 10_000_000), headers=packed))[0] == 413
    assert len(room.alerts) == 1


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("gzip", gzip.compress),
        ("X-GZIP", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", lambda body: zlib.compress(body)[2:-4]),  # as some write it: without its head
        ("identity", lambda body: body),
    ],
)
async def test_every_usual_packing_is_read(
    room: Room, doors: Doors, http: aiohttp.ClientSession, encoding: str, pack: Callable[[bytes], bytes]
) -> None:
    sent, headers = pack(json.dumps(alert()).encode()), {"Content-Encoding": encoding}
    assert (await post(http, f"{doors.public_url}/tv/{TOKEN}", sent, headers=headers))[0] == 200
    assert [event.problem for event in room.alerts] == [None]


async def test_what_does_not_unpack_is_kept_as_unreadable(
    room: Room, doors: Doors, http: aiohttp.ClientSession
) -> None:
    half = gzip.compress(json.dumps(alert()).encode())[:-12]
    for encoding in ("gzip", "deflate", "br", "gzip, gzip"):
        url, headers = f"{doors.public_url}/tv/{TOKEN}", {"Content-Encoding": encoding}
        assert (await post(http, url, half, headers=headers))[0] == 200
    assert [event.alert for event in room.alerts] == [None] * 4


async def test_nothing_of_a_strangers_body_is_unpacked(
    room: Room, doors: Doors, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """58 KiB became 60 MB that nobody wanted: fifty of them kept every alert waiting for two seconds."""
    unpacked: list[object] = []
    monkeypatch.setattr("aiohttp.http_parser.ZLibDecompressor", lambda **told: unpacked.append(told))
    monkeypatch.setattr(http_public, "unpacked", lambda *told: unpacked.append(told))
    bomb, packed = gzip.compress(b"a" * 10_000_000), {"Content-Encoding": "gzip"}
    assert (await post(http, f"{doors.public_url}/tv/wrong", bomb, headers=packed))[0] == 404
    assert (await post(http, f"{doors.private_url}/api/command", bomb, headers=packed))[0] == 401
    assert not unpacked


async def test_a_key_that_stands_twice_is_journalled_as_unreadable(
    room: Room, doors: Doors, http: aiohttp.ClientSession
) -> None:
    await post(http, f"{doors.public_url}/tv/{TOKEN}", '{"v": 1, "action": "exit", "action": "enter_long"}')
    (event,) = room.alerts
    assert event.alert is None
    assert event.problem is not None
    assert "stands twice" in event.problem


async def test_what_is_no_http_gets_nothing_back_of_what_it_sent(doors: Doors) -> None:
    for sent in (b"\x16\x03\x01\x00\xa5\x01", b"GET\r\n\r\n", b"POST / HTTP/1.1\r\nX: " + b"x" * 9000):
        answer = await raw(doors.public_url, sent + b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.0 400 ")
        assert answer.endswith(b"\r\n\r\n")
        assert b"aiohttp" not in answer


ODD_VALUES = [
    "",
    "0",
    "20",
    "-1",
    "9" * 30,
    "gzip",
    "identity, chunked",
    "chunked",
    "100-continue",
    "a\tb",
    "ä" * 20,
    "x" * 5000,
]
ODD_NAMES = [
    "Content-Length",
    "Transfer-Encoding",
    "Content-Encoding",
    "Expect",
    "X-Forwarded-For",
    "Upgrade",
    "Cookie",
    "X",
]


def odd_head(dice: random.Random) -> bytes:
    """A request with the right secret, and headers that nobody sends in earnest; one in four is damaged besides."""
    lines = [f"{dice.choice(ODD_NAMES)}: {dice.choice(ODD_VALUES)}" for _ in range(dice.randint(0, 3))]
    text = "\r\n".join([f"POST /tv/{TOKEN} HTTP/1.1", "Host: x", "Connection: close", *lines])
    if dice.random() < 0.25:
        at = dice.randrange(len(text))
        text = text[:at] + dice.choice(["\x00", ":", " ", "\n", "é"]) + text[at + 1 :]
    return text.encode("latin-1") + b"\r\n\r\n" + dice.choice([b"", b"hello", dice.randbytes(20)])


async def test_whatever_headers_come_nothing_is_traded_and_the_next_alert_is(
    room: Room, doors: Doors, http: aiohttp.ClientSession
) -> None:
    sent = [odd_head(random.Random(seed)) for seed in range(80)]
    answers = await asyncio.gather(*(raw(doors.public_url, one) for one in sent))
    for one, answer in zip(sent, answers, strict=True):
        assert not answer or answer.startswith((b"HTTP/1.1 ", b"HTTP/1.0 ")), one
        assert not answer.startswith((b"HTTP/1.1 5", b"HTTP/1.0 5")), one
    assert not [event for event in room.alerts if event.alert is not None and event.alert.action is not Action.NOTE]
    assert (await post(http, f"{doors.public_url}/tv/{TOKEN}"))[0] == 200


@pytest.mark.parametrize(
    ("peer", "source"),
    [("127.0.0.1", "52.89.214.238"), ("::1", "52.89.214.238"), ("6.6.6.6", "6.6.6.6"), ("192.168.1.9", "192.168.1.9")],
)
def test_a_forwarded_address_counts_only_from_this_computer(peer: str, source: str) -> None:
    """The proxy runs here; whoever reaches the door from elsewhere wrote the header himself (reference 4)."""
    sources = AllowedSources.of(("52.89.214.238",), "X-Forwarded-For")
    headers = CIMultiDict({"X-Forwarded-For": "1.2.3.4, 52.89.214.238"})
    request: Any = SimpleNamespace(remote=peer, headers=headers)
    assert sources.source(request) == source
    assert sources.allows(source) is (source == "52.89.214.238")


# --- bots, their secrets and their terms are those of the moment -----------------------------------------------------


async def test_a_replaced_secret_opens_at_once_and_the_old_one_no_longer(
    room: Room, doors: Doors, http: aiohttp.ClientSession
) -> None:
    for path, secret in ((f"/tv/{TOKEN}", None), ("/webhook", TOKEN)):
        assert (await post(http, doors.public_url + path, alert(secret=secret)))[0] == 200
    room.desk.bots = (BotDoor("default", Secret("a-new-token-of-22-chars")),)
    for path, secret in ((f"/tv/{TOKEN}", None), ("/webhook", TOKEN), ("/webhook", SECOND_TOKEN)):
        assert (await post(http, doors.public_url + path, alert(secret=secret)))[0] == 404
    assert (await post(http, f"{doors.public_url}/tv/a-new-token-of-22-chars"))[0] == 200


async def test_a_secret_replaced_while_its_body_comes_in_is_taken_and_kept_nowhere(room: Room, doors: Doors) -> None:
    body = json.dumps(alert(comment=f"made by {TOKEN} and a-new-token-of-22-chars")).encode()
    reader, writer = await connect(doors.public_url)
    writer.write(head(f"/tv/{TOKEN}", len(body), "Expect: 100-continue", "Connection: close"))
    await reader.readuntil(b"\r\n\r\n")  # the door waits for the body
    room.desk.bots = (BotDoor("default", Secret("a-new-token-of-22-chars")),)
    writer.write(body)
    assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
    writer.close()
    (event,) = room.alerts
    assert event.bot == "default"
    assert "made by *** and ***" in event.raw


async def test_each_bots_messages_are_read_by_its_own_terms(
    room: Room, doors: Doors, http: aiohttp.ClientSession
) -> None:
    pinned = BotDoor("pinned", Secret("the-token-of-a-pinned-bot"), DialectTerms(pinned="3Commas"))
    room.desk.bots = (*room.desk.bots, pinned)
    await post(http, f"{doors.public_url}/tv/the-token-of-a-pinned-bot")
    await post(http, f"{doors.public_url}/webhook", alert(secret="the-token-of-a-pinned-bot"))
    await post(http, f"{doors.public_url}/webhook", alert(secret=SECOND_TOKEN))
    by_path, by_body, other = room.alerts
    for event in (by_path, by_body):
        assert (event.bot, event.alert) == ("pinned", None)
        assert "reads 3Commas only" in str(event.problem)
    assert (other.bot, other.problem) == ("second", None)


async def test_the_paths_bot_reads_by_its_terms_whatever_secret_the_body_carries(
    room: Room, doors: Doors, http: aiohttp.ClientSession
) -> None:
    room.desk.bots = (
        BotDoor("pinned", Secret(TOKEN), DialectTerms(pinned="3Commas")),
        BotDoor("second", Secret(SECOND_TOKEN)),
    )
    await post(http, f"{doors.public_url}/tv/{TOKEN}", alert(secret=SECOND_TOKEN))
    assert room.alerts[0].bot == "pinned"
    assert "reads 3Commas only" in str(room.alerts[0].problem)


# --- probes --------------------------------------------------------------------------------------------------------------


async def test_probes_are_answered_and_change_nothing(room: Room, doors: Doors, http: aiohttp.ClientSession) -> None:
    for method, path, status in (
        ("GET", "/health", 200),
        ("HEAD", "/health", 200),
        ("GET", "/", 404),
        ("HEAD", "/", 404),
        ("GET", "/webhook", 405),
        ("HEAD", f"/tv/{TOKEN}", 405),
        ("GET", "/tv/wrong", 405),  # the same as for a right one
        ("PUT", "/webhook", 405),
        ("POST", "/health", 405),
    ):
        async with http.request(method, doors.public_url + path, allow_redirects=False) as reply:
            assert (method, path, reply.status) == (method, path, status)
    assert room.events == []
