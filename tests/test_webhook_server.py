"""Both doors on real loopback sockets, with a real inbox and journal behind them."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from desk.core.errors import ConfigError, StoreError
from desk.core.records import Verdict, VerdictKind
from desk.core.secret import Secret
from desk.runtime.desk import Phase
from tests.surfaces import room as rooms
from tests.surfaces.room import API_TOKEN, TOKEN, Room, open_room
from webhook_server import Doors, DoorsConfig, open_doors

ALERT = json.dumps({"v": 1, "id": "one", "symbol": "CME_MINI:MNQ1!", "action": "enter_long",
                    "qty": {"mode": "contracts", "value": 2}, "stop": {"unit": "points", "value": 20}})  # fmt: skip
BEARER = {"Authorization": f"Bearer {API_TOKEN}"}


def config(**changes: Any) -> DoorsConfig:
    return DoorsConfig(**{"api_token": Secret(API_TOKEN), "webhook_port": 0, "api_port": 0, **changes})


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    async with open_room(tmp_path) as opened:
        yield opened


@pytest.fixture
async def doors(room: Room, unit: float) -> AsyncIterator[Doors]:
    async with open_doors(room.desk, config(body_timeout_s=4 * unit)) as opened:
        yield opened


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def post(http: aiohttp.ClientSession, url: str, body: str | bytes = ALERT, **options: Any) -> tuple[int, Any]:
    async with http.post(url, data=body, **options) as reply:
        text = await reply.text()
        return reply.status, json.loads(text) if text.startswith(("{", "[")) else text


async def raw(url: str, sent: bytes, *, wait_s: float = 5) -> bytes:
    """What the server answers to these bytes until it closes."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(sent)
        async with asyncio.timeout(wait_s):
            return await reader.read()
    finally:
        writer.close()


# --- the public door: alerts ---------------------------------------------------------------------------------------


async def test_an_alert_is_answered_with_its_id_and_the_verdict(
    room: Room, doors: Doors, http: aiohttp.ClientSession
) -> None:
    status, answer = await post(http, f"{doors.public_url}/tv/{TOKEN}")
    assert status == 200
    assert (answer["verdict"], answer["text"]) == ("accepted", "buys 2 MNQZ6")
    (event,) = room.alerts
    assert answer["alert_id"] == event.cause
    assert (event.bot, event.source, event.dedupe_key, event.dedupe_window_s) == (
        "default",
        "127.0.0.1",
        "id:one",
        None,
    )
    assert event.alert is not None
    assert (await room.desk.journal.recent_alerts(1))[0].alert_id == event.cause


async def test_the_secret_may_stand_in_the_body_and_does_not_survive_there(
    room: Room, doors: Doors, http: aiohttp.ClientSession
) -> None:
    body = json.dumps({**json.loads(ALERT), "secret": "another-token-of-22-ch"})
    status, _ = await post(http, f"{doors.public_url}/webhook", body)
    assert status == 200
    assert room.alerts[0].bot == "second"
    assert "another-token" not in room.alerts[0].raw


@pytest.mark.parametrize("content_type", ["text/plain; charset=utf-8", "application/x-www-form-urlencoded", "nonsense"])
async def test_the_content_type_is_never_believed(
    room: Room, doors: Doors, http: aiohttp.ClientSession, content_type: str
) -> None:
    await post(http, f"{doors.public_url}/tv/{TOKEN}", ALERT, headers={"Content-Type": content_type})
    assert room.alerts[0].alert is not None


async def test_an_unreadable_alert_is_journalled_with_what_is_wrong(
    room: Room, doors: Doors, http: aiohttp.ClientSession
) -> None:
    room.verdict = Verdict(kind=VerdictKind.DENIED, reason="unreadable", text="not JSON")
    status, answer = await post(http, f"{doors.public_url}/tv/{TOKEN}", '{"v": 1, "action": ')
    assert (status, answer["verdict"]) == (200, "denied")
    assert room.alerts[0].alert is None
    assert room.alerts[0].problem


async def test_a_list_of_alerts_gets_a_list_of_answers_in_their_order(
    room: Room, doors: Doors, http: aiohttp.ClientSession
) -> None:
    one = json.loads(ALERT)
    body = json.dumps([{**one, "id": f"n{i}"} for i in range(5)])
    status, answer = await post(http, f"{doors.public_url}/tv/{TOKEN}", body)
    assert status == 200
    assert [event.dedupe_key for event in room.alerts] == [f"id:n{i}" for i in range(5)]
    assert [told["alert_id"] for told in answer["alerts"]] == [event.cause for event in room.alerts]


async def test_one_log_line_tells_the_answer_and_how_long_it_took(
    room: Room, doors: Doors, http: aiohttp.ClientSession
) -> None:
    with capture_logs() as lines:
        await post(http, f"{doors.public_url}/tv/{TOKEN}")
    (line,) = [line for line in lines if line["event"] == "alert.answered"]
    assert (line["alert_id"], line["verdict"]) == (room.alerts[0].cause, "accepted")
    assert line["latency_ms"] > 0
    assert TOKEN not in str(lines)


async def test_an_alert_that_cannot_be_journalled_gets_503(
    room: Room, doors: Doors, http: aiohttp.ClientSession
) -> None:
    room.failure = StoreError("disk full")
    assert (await post(http, f"{doors.public_url}/tv/{TOKEN}"))[0] == 503
    room.failure = rooms.FULL
    assert (await post(http, f"{doors.public_url}/tv/{TOKEN}"))[0] == 503


async def test_while_stopping_nothing_is_journalled_and_the_sender_shall_repeat(
    room: Room, doors: Doors, http: aiohttp.ClientSession
) -> None:
    room.desk.phase = Phase.STOPPING
    assert (await post(http, f"{doors.public_url}/tv/{TOKEN}"))[0] == 503
    body = json.dumps({**json.loads(ALERT), "secret": TOKEN})
    assert (await post(http, f"{doors.public_url}/webhook", body))[0] == 503
    assert (await post(http, f"{doors.public_url}/tv/wrong"))[0] == 404
    assert not room.events


async def test_while_starting_alerts_are_taken(room: Room, doors: Doors, http: aiohttp.ClientSession) -> None:
    room.desk.phase = Phase.STARTING
    room.verdict = Verdict(kind=VerdictKind.HELD, text="not reconciled yet")
    status, answer = await post(http, f"{doors.public_url}/tv/{TOKEN}")
    assert (status, answer["verdict"]) == (200, "held")


async def test_an_alert_whose_sender_hung_up_is_still_decided(room: Room, doors: Doors) -> None:
    room.gate.clear()
    host, port = doors.public_url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    head = f"POST /tv/{TOKEN} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(ALERT)}\r\n\r\n"
    writer.write(head.encode() + ALERT.encode())
    async with asyncio.timeout(5):
        await room.taken.wait()
    writer.close()
    room.gate.set()
    async with asyncio.timeout(5):
        await room.heard.wait()
    assert len(room.alerts) == 1


# --- the public door: who may not ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/tv/wrong", "/tv/", "/tv", f"/tv/{TOKEN}/", f"/tv/{TOKEN}x", "/tv/%FF%ED%A0%80", "/", "/api/state"]
)
async def test_what_is_not_a_bots_secret_learns_nothing(
    room: Room, doors: Doors, http: aiohttp.ClientSession, path: str
) -> None:
    async with http.post(f"{doors.public_url}{path}", data=ALERT) as reply:
        assert reply.status == 404
        assert await reply.json() == {"error": "not found"}
        assert "Server" not in reply.headers
    assert not room.events


@pytest.mark.parametrize(
    "body", [ALERT, '{"secret": "wrong", "v": 1}', "secret=wrong", "", "[[[", '{"secret": 5}', '{"secret": "\\ud800"}']
)
async def test_a_body_without_a_known_secret_is_not_found(
    room: Room, doors: Doors, http: aiohttp.ClientSession, body: str
) -> None:
    assert await post(http, f"{doors.public_url}/webhook", body) == (404, {"error": "not found"})
    assert not room.events


async def test_two_hundred_wrong_secrets_are_one_log_line_and_the_right_one_still_works(
    room: Room, doors: Doors, http: aiohttp.ClientSession
) -> None:
    with capture_logs() as lines:
        for i in range(200):
            assert (await post(http, f"{doors.public_url}/tv/{i}"))[0] == 404
    assert [line["event"] for line in lines] == ["door.turned_away"]
    assert (await post(http, f"{doors.public_url}/tv/{TOKEN}"))[0] == 200


async def test_the_rest_of_the_unwanted_is_counted_when_the_door_closes(
    room: Room, http: aiohttp.ClientSession
) -> None:
    with capture_logs() as lines:
        async with open_doors(room.desk, config()) as doors:
            for _ in range(4):
                await post(http, f"{doors.public_url}/tv/wrong")
    counts = [line["counts"] for line in lines if line["event"] == "door.turned_away"]
    assert counts == [{"404": 1}, {"404": 3}]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD", "OPTIONS"])
async def test_a_wrong_method_gets_405(doors: Doors, http: aiohttp.ClientSession, method: str) -> None:
    async with http.request(method, f"{doors.public_url}/tv/{TOKEN}") as reply:
        assert (reply.status, reply.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_health_is_one_word(room: Room, doors: Doors, http: aiohttp.ClientSession, method: str) -> None:
    async with http.request(method, f"{doors.public_url}/health") as reply:
        assert reply.status == 200
        assert await reply.text() == ("ok" if method == "GET" else "")
    room.desk.phase = Phase.STOPPING
    async with http.get(f"{doors.public_url}/health") as reply:
        assert (reply.status, await reply.text()) == (503, "stopping")


async def test_a_body_of_10_mb_is_refused_without_being_read(room: Room, doors: Doors) -> None:
    head = f"POST /tv/{TOKEN} HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n".encode()
    answer = await raw(doors.public_url, head + b"x" * 1000)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert not room.events


async def test_a_chunked_body_of_10_mb_is_cut_off(room: Room, doors: Doors, http: aiohttp.ClientSession) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(160):
            yield b"x" * 65536

    try:
        assert (await http.post(f"{doors.public_url}/tv/{TOKEN}", data=chunks())).status == 413
    except aiohttp.ClientConnectionError:
        pass  # it was still writing when the door closed
    assert not room.events


async def test_a_body_of_64_kib_is_read(room: Room, doors: Doors, http: aiohttp.ClientSession) -> None:
    padded = ALERT + " " * (64 * 1024 - len(ALERT))
    assert (await post(http, f"{doors.public_url}/tv/{TOKEN}", padded))[0] == 200
    assert room.alerts[0].alert is not None
    assert (await post(http, f"{doors.public_url}/tv/{TOKEN}", padded + " "))[0] == 413


async def test_a_slow_body_gets_503_and_the_connection_is_closed(room: Room, doors: Doors) -> None:
    """A way between that holds half of an alert back: after 408 TradingView never sends it again (reference 2)."""
    head = f"POST /tv/{TOKEN} HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n".encode()
    assert (await raw(doors.public_url, head + b'{"v"')).startswith(b"HTTP/1.1 503 ")
    assert not room.events


@pytest.mark.parametrize("pieces", [1, 2, 5])
async def test_a_body_is_read_whole_however_it_comes(room: Room, doors: Doors, pieces: int) -> None:
    body = ALERT.encode()
    head = f"POST /tv/{TOKEN} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    size = -(-len(body) // pieces)
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    host, port = doors.public_url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(head + parts[0] if pieces == 1 else head)
        for part in parts[1 if pieces == 1 else 0 :]:
            await asyncio.sleep(0.01)
            writer.write(part)
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
    finally:
        writer.close()
    assert [event.raw for event in room.alerts] == [ALERT]


async def test_a_body_that_ends_too_early_is_no_alert_and_no_fault(room: Room, doors: Doors) -> None:
    host, port = doors.public_url.removeprefix("http://").split(":")
    with capture_logs() as lines:
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"POST /tv/{TOKEN} HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n".encode() + b'{"v"')
        await writer.drain()
        await asyncio.sleep(0.01)
        writer.close()
        await writer.wait_closed()
        await asyncio.sleep(0.02)
    assert not room.events
    assert "request.failed" not in [line["event"] for line in lines]


async def test_a_connection_that_never_asks_is_closed(
    room: Room, monkeypatch: pytest.MonkeyPatch, http: aiohttp.ClientSession, unit: float
) -> None:
    monkeypatch.setattr("desk.surfaces.http_server.IDLE_S", unit)
    monkeypatch.setattr("desk.surfaces.http_server._SWEEP_EVERY_S", unit)
    async with open_doors(room.desk, config()) as doors:
        assert await raw(doors.public_url, b"POST /tv/x HTTP/1.1\r\nHost: x\r\nX-Slow: ") == b""
        assert (await post(http, f"{doors.public_url}/tv/{TOKEN}"))[0] == 200


async def test_a_proxys_idle_connection_is_kept_for_its_next_alert(
    room: Room, monkeypatch: pytest.MonkeyPatch, unit: float
) -> None:
    monkeypatch.setattr("desk.surfaces.http_server.IDLE_S", unit)
    monkeypatch.setattr("desk.surfaces.http_server._SWEEP_EVERY_S", unit)
    one_connection = aiohttp.TCPConnector(limit=1)
    async with open_doors(room.desk, config()) as doors, aiohttp.ClientSession(connector=one_connection) as proxy:
        await post(proxy, f"{doors.public_url}/tv/{TOKEN}")
        await asyncio.sleep(4 * unit)
        with capture_logs():
            assert (await post(proxy, f"{doors.public_url}/tv/{TOKEN}"))[0] == 200
    assert len(room.alerts) == 2


async def test_a_fault_of_ours_is_500_logged_without_the_secret(
    room: Room, doors: Doors, http: aiohttp.ClientSession
) -> None:
    room.failure = ZeroDivisionError("a fault")
    with capture_logs() as lines:
        assert await post(http, f"{doors.public_url}/tv/{TOKEN}") == (500, {"error": "internal error"})
    assert [line["event"] for line in lines] == ["request.failed"]
    assert TOKEN not in str(lines)


@pytest.mark.parametrize("sent", [b"\x16\x03\x01\x00\xa5\x01\x00", b"GET\r\n\r\n", b"\x00" * 300])
async def test_bytes_that_are_no_http_do_no_harm(
    doors: Doors, http: aiohttp.ClientSession, room: Room, sent: bytes
) -> None:
    await raw(doors.public_url, sent + b"\r\n\r\n")
    assert (await post(http, f"{doors.public_url}/tv/{TOKEN}"))[0] == 200


@pytest.mark.parametrize(
    ("allowed", "header", "sent", "status"),
    [
        (("127.0.0.1",), None, {}, 200),
        (("52.89.214.238",), None, {}, 404),
        (("52.89.214.238",), None, {"X-Forwarded-For": "52.89.214.238"}, 404),  # no proxy is configured: forged
        (("52.89.214.238",), "X-Forwarded-For", {"X-Forwarded-For": "52.89.214.238"}, 200),
        (("52.89.214.238",), "X-Forwarded-For", {"X-Forwarded-For": "52.89.214.238, 6.6.6.6"}, 404),  # forged front
        (("52.89.214.238",), "X-Forwarded-For", {"X-Forwarded-For": "6.6.6.6, 52.89.214.238"}, 200),
        (("52.89.214.238",), "X-Forwarded-For", {"X-Forwarded-For": "nonsense"}, 404),
        (("52.89.214.238",), "X-Forwarded-For", {}, 404),
        (("52.89.214.0/24",), "CF-Connecting-IP", {"CF-Connecting-IP": "::ffff:52.89.214.238"}, 200),
        (None, "X-Forwarded-For", {"X-Forwarded-For": "6.6.6.6"}, 200),
    ],
)
async def test_only_allowed_addresses_may_post(
    room: Room,
    http: aiohttp.ClientSession,
    allowed: tuple[str, ...] | None,
    header: str | None,
    sent: dict[str, str],
    status: int,
) -> None:
    async with open_doors(room.desk, config(allowed_ips=allowed, proxy_header=header)) as doors:
        got, _ = await post(http, f"{doors.public_url}/tv/{TOKEN}", headers=sent)
        body = json.dumps({**json.loads(ALERT), "id": "two", "secret": TOKEN})
        by_body, _ = await post(http, f"{doors.public_url}/webhook", body, headers=sent)
    assert (got, by_body) == (status, status)
    assert len(room.events) == (2 if status == 200 else 0)


# --- the private door ------------------------------------------------------------------------------------------------


async def get(http: aiohttp.ClientSession, url: str, **headers: str) -> tuple[int, Any]:
    async with http.get(url, headers={**BEARER, **headers}) as reply:
        assert reply.headers["Cache-Control"] == "no-store"
        assert "Server" not in reply.headers
        return reply.status, await reply.json()


@pytest.mark.parametrize("path", ["/api/state", "/api/accounts", "/api/command", "/health", "/nothing"])
@pytest.mark.parametrize("sent", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": API_TOKEN}])
async def test_without_the_token_there_is_only_a_hint(
    doors: Doors, http: aiohttp.ClientSession, path: str, sent: dict[str, str]
) -> None:
    async with http.get(f"{doors.private_url}{path}", headers=sent) as reply:
        assert (reply.status, reply.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert "Authorization: Bearer <API_TOKEN>" in (await reply.json())["error"]


@pytest.mark.parametrize(
    "sent",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Host": "evil.example"},
        {"Host": "evil.example:8081", "Origin": "http://evil.example:8081"},
        {"Host": "127.0.0.1.evil.example"},
    ],
)
async def test_pages_from_elsewhere_are_refused(
    doors: Doors, http: aiohttp.ClientSession, sent: dict[str, str]
) -> None:
    assert (await get(http, f"{doors.private_url}/api/state", **sent))[0] == 403


@pytest.mark.parametrize("token", [b"\xff\xfe", b"\xed\xa0\x80", b""])
async def test_a_token_that_is_no_text_is_a_wrong_one(doors: Doors, token: bytes) -> None:
    head = b"GET /api/state HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer "
    assert (await raw(doors.private_url, head + token + b"\r\n\r\n")).startswith(b"HTTP/1.1 401 ")


async def test_the_doors_own_pages_may_ask(doors: Doors, http: aiohttp.ClientSession) -> None:
    assert (await get(http, f"{doors.private_url}/api/state", Origin=doors.private_url))[0] == 200


async def test_the_state_shows_a_protected_position(room: Room, doors: Doors, http: aiohttp.ClientSession) -> None:
    room.tell(*rooms.position_records())
    status, state = await get(http, f"{doors.private_url}/api/state")
    assert (status, state["mode"], state["ready"]) == (200, "paper", True)
    (position,) = state["positions"]
    assert (position["qty"], position["is_protected"], position["avg_price"]) == (2, True, 21034.25)
    assert (position["stop"]["state"], position["target"]["price"]) == ("working", 21074.25)
    for part in ("accounts", "positions", "orders"):
        assert await get(http, f"{doors.private_url}/api/{part}") == (200, state[part])


async def test_an_alert_can_be_followed_by_its_id(room: Room, doors: Doors, http: aiohttp.ClientSession) -> None:
    _, answer = await post(http, f"{doors.public_url}/tv/{TOKEN}")
    status, story = await get(http, f"{doors.private_url}/api/alerts/{answer['alert_id']}")
    assert (status, story["verdict"], story["symbol"]) == (200, "accepted", "CME_MINI:MNQ1!")
    assert [told["what"] for told in story["story"]] == ["alert accepted"]
    assert story["story"][0]["since_first_ms"] == 0
    _, listed = await get(http, f"{doors.private_url}/api/alerts?limit=5")
    assert [row["alert_id"] for row in listed] == [answer["alert_id"]]
    assert (await get(http, f"{doors.private_url}/api/alerts/01KA"))[0] == 404
    assert (await get(http, f"{doors.private_url}/api/alerts?limit=x"))[0] == 400


async def test_a_command_gives_data_and_text(doors: Doors, http: aiohttp.ClientSession) -> None:
    url = f"{doors.private_url}/api/command"
    status, answer = await post(http, url, '{"line": "history MNQ 5m 20"}', headers=BEARER)
    assert (status, answer["ok"]) == (200, True)
    assert len(answer["data"]["bars"]) == 20
    assert answer["data"]["bars"][0]["open"] == 21034.25
    assert answer["text"].startswith("MNQZ6 5m   exchange time: ")
    status, answer = await post(http, url, '{"line": "histroy MNQ"}', headers=BEARER)
    assert (status, answer["ok"], answer["data"]) == (200, False, None)
    assert "history" in answer["text"]


@pytest.mark.parametrize("body", ["", "positions", "[]", '{"line": 5}', '{"command": "positions"}'])
async def test_a_command_that_is_no_json_gets_an_example(doors: Doors, http: aiohttp.ClientSession, body: str) -> None:
    status, answer = await post(http, f"{doors.private_url}/api/command", body, headers=BEARER)
    assert status == 400
    assert '{"line": "history MNQ 5m 20"}' in answer["error"]


@pytest.mark.parametrize("line", ["flatten", "flatten yes"])
async def test_flatten_over_http_works_at_once(
    room: Room, doors: Doors, http: aiohttp.ClientSession, line: str
) -> None:
    room.tell(*rooms.position_records())
    room.on_flatten = lambda event: room.tell(*rooms.flat_records())
    _, answer = await post(http, f"{doors.private_url}/api/command", f'{{"line": "{line}"}}', headers=BEARER)
    assert (answer["ok"], answer["data"]["is_flat"], answer["data"]["left"]) == (True, True, [])
    assert len(room.events) == 1


async def test_a_command_without_the_token_does_nothing(room: Room, doors: Doors, http: aiohttp.ClientSession) -> None:
    assert (await post(http, f"{doors.private_url}/api/command", '{"line": "flatten"}'))[0] == 401
    assert room.events == []


async def test_detailed_health_is_503_while_something_is_missing(
    room: Room, doors: Doors, http: aiohttp.ClientSession
) -> None:
    assert (await get(http, f"{doors.private_url}/health"))[0] == 200
    room.desk.troubles["market hub"] = "down; no live quotes"
    status, health = await get(http, f"{doors.private_url}/health")
    assert (status, health["ok"]) == (503, False)
    assert health["status"]["state"]["troubles"] == {"market hub": "down; no live quotes"}


async def test_the_private_door_has_no_webhook(doors: Doors, http: aiohttp.ClientSession) -> None:
    assert (await post(http, f"{doors.private_url}/tv/{TOKEN}", headers=BEARER))[0] == 404


# --- opening and closing ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("setting", "field"), [("WEBHOOK_PORT", "webhook_port"), ("API_PORT", "api_port")])
async def test_a_taken_port_is_named_with_its_setting(room: Room, doors: Doors, setting: str, field: str) -> None:
    port = int(doors.public_url.rpartition(":")[2])
    with pytest.raises(ConfigError, match=rf"port {port} on 127\.0\.0\.1 .*{re.escape(setting)}"):
        async with open_doors(room.desk, config(**{field: port})):
            pass


async def test_doors_close_within_a_second_although_somebody_waits(room: Room, http: aiohttp.ClientSession) -> None:
    loop = asyncio.get_running_loop()
    room.gate.clear()
    async with open_doors(room.desk, config()) as doors:
        waiting = asyncio.create_task(post(http, f"{doors.public_url}/tv/{TOKEN}"))
        async with asyncio.timeout(5):
            await room.taken.wait()
        began = loop.time()
    assert loop.time() - began < timedelta(seconds=1).total_seconds()
    with pytest.raises(aiohttp.ClientError):
        await waiting
    room.gate.set()
