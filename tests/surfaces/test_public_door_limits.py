"""Floods, strangers and slow clients: what they cost, and that a real alert passes between them."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from desk.alerts import read_body
from desk.core.secret import Secret
from desk.surfaces import http_public, http_server
from desk.surfaces.door_limits import BotPace, DoorLimits, Strangers, counted
from desk.surfaces.door_sources import AllowedSources
from desk.surfaces.http_server import most_connections
from tests.daemon import until
from tests.surfaces.doorstep import SECOND_TOKEN, alert, config, connect, head, post
from tests.surfaces.room import TOKEN, Room
from webhook_server import open_doors

REAL_ALERT_S = 0.05 * float(os.environ.get("TEST_TIME_SCALE", "1"))
WRONG = 10_000
TRIES = 10  # the best one counts: the machine may have other things to do


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def turned_away(lines: list[Any]) -> list[Any]:
    return [line for line in lines if line["event"] == "door.turned_away"]


# --- strangers ---------------------------------------------------------------------------------------------------------


async def test_ten_thousand_wrong_secrets_are_one_line_a_minute_and_the_right_one_still_works(room: Room) -> None:
    """Without sockets, to be quick; tests/test_webhook_server.py sends two hundred over HTTP."""
    door = http_public.PublicDoor(room.desk, AllowedSources())
    with capture_logs() as lines:
        for number in range(WRONG):
            assert (await _guess(door, f"guess-{number}", source=f"6.6.6.{number % 4}")).status == 404
        assert len(turned_away(lines)) == 1
        door.porter.log_refusals(asyncio.get_running_loop().time() + 60)
    first, second = turned_away(lines)
    assert (first["counts"], second["counts"]) == ({"404": 1}, {"404": WRONG - 1})
    assert (second["sources"], second["most_from"][1]) == (4, WRONG // 4)
    assert (await _guess(door, TOKEN, source="6.6.6.1")).status == 413  # let in, and its body is too large


@dataclass
class Guess:
    """As much of a request as the door looks at before it asks for the body, which is announced as too large."""

    match_info: dict[str, str]
    remote: str
    method: str = "POST"
    protocol: object = None
    content_length: int = 10_000_000


async def _guess(door: http_public.PublicDoor, token: str, source: str) -> Any:
    request: Any = Guess({"token": token}, source)
    return await door.porter.watch(request, door._on_path)


@pytest.mark.parametrize("offered", [TOKEN, SECOND_TOKEN, "", "x", TOKEN[:-1], TOKEN + "x", TOKEN[:-1] + "x"])
async def test_a_secret_is_compared_with_every_bots_whatever_is_offered(
    monkeypatch: pytest.MonkeyPatch, offered: str
) -> None:
    """Constant time: no early end, neither inside one comparison (hmac.compare_digest) nor between two."""
    compared: list[str] = []
    monkeypatch.setattr(Secret, "matches", lambda self, other: compared.append(self.reveal()) or self.reveal() == other)
    desk: Any = type("Bots", (), {"bots": [_bot("default", TOKEN), _bot("second", SECOND_TOKEN)]})
    door = http_public.PublicDoor(desk, AllowedSources())
    door._bot(offered)
    assert compared == [TOKEN, SECOND_TOKEN]


def _bot(name: str, token: str) -> Any:
    return http_public.BotDoor(name, Secret(token))


async def test_of_a_source_with_many_wrong_secrets_only_the_secret_is_read(
    room: Room, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[bytes] = []

    def counting(body: bytes, *more: Any) -> Any:
        read.append(body)
        return read_body(body, *more)

    monkeypatch.setattr(http_public, "read_body", counting)
    async with open_doors(room.desk, config(limits=DoorLimits(strangers_per_minute=2))) as doors:
        url = f"{doors.public_url}/webhook"
        for _ in range(5):
            assert (await post(http, url, alert(secret="wrong")))[0] == 404
        assert len(read) == 3
        assert (await post(http, url, alert(secret=TOKEN)))[0] == 200
        assert (await post(http, url, alert("exit", comment="secret: none", token=TOKEN)))[0] == 200
    assert len(read) == 5


def test_strangers_are_counted_by_source_and_forgotten_after_a_minute() -> None:
    strangers = Strangers(DoorLimits(strangers_per_minute=2))
    for number in range(3):
        strangers.note("6.6.6.6", float(number))
    assert strangers.is_many("6.6.6.6", 3.0)
    assert not strangers.is_many("52.89.214.238", 3.0)
    assert not strangers.is_many("6.6.6.6", 61.0)


def test_sources_without_number_are_one_and_cost_no_memory() -> None:
    strangers = Strangers(DoorLimits(strangers_per_minute=2))
    for number in range(5_000):
        strangers.note(f"source-{number}", 0.0)
    assert len(strangers._counts) <= 1_001
    assert strangers.is_many("source-4999", 0.0)
    assert not strangers.is_many("source-1", 0.0)


# --- floods of one bot ---------------------------------------------------------------------------------------------------


async def test_a_flood_is_503_so_that_it_comes_again_and_an_exit_is_never_part_of_it(
    room: Room, http: aiohttp.ClientSession
) -> None:
    """4xx would lose the alert for ever, 200 as well; after 503 TradingView re-sends (reference 2), and nothing was done."""
    with capture_logs() as lines:
        async with open_doors(room.desk, config(limits=DoorLimits(bot_burst=2, bot_per_second=0.0))) as doors:
            url = f"{doors.public_url}/tv/{TOKEN}"
            assert [(await post(http, url, alert(id=f"{n}")))[0] for n in range(4)] == [200, 200, 503, 503]
            assert (await post(http, url, "not json {"))[0] == 503
            for action in ("exit", "flatten_all", "reduce"):
                assert (await post(http, url, alert(action, qty=1, id=action)))[0] == 200
            assert (await post(http, url, [alert(), alert("exit")]))[0] == 200
            assert (await post(http, f"{doors.public_url}/webhook", alert(secret=SECOND_TOKEN)))[0] == 200
    counts = [line["counts"] for line in turned_away(lines)]
    assert counts == [{"too many alerts for default": 1}, {"too many alerts for default": 2}]


def test_a_bots_pace_fills_up_again_and_never_over_its_burst() -> None:
    pace = BotPace(DoorLimits(bot_burst=3, bot_per_second=0.5))
    assert [pace.takes("a", 1, 0.0) for _ in range(4)] == [True, True, True, False]
    assert not pace.takes("a", 1, 1.0)
    assert pace.takes("a", 1, 2.0)
    assert [pace.takes("a", 1, 1_000.0) for _ in range(4)] == [True, True, True, False]
    assert pace.takes("b", 3, 1_000.0)
    assert pace.takes("a", 0, 1_000.0)


def test_what_takes_risk_away_does_not_count() -> None:
    def count(body: str) -> int:
        return counted(read_body(body.encode()))

    entry, leave = '{"v":1,"symbol":"MNQ1!","action":"enter_long"}', '{"v":1,"symbol":"MNQ1!","action":"exit"}'
    assert (count(entry), count(leave), count(f"[{entry},{entry}]"), count(f"[{entry},{leave}]")) == (1, 0, 2, 0)
    assert (count("some text"), count("{"), count(leave.replace("exit", "move_stop"))) == (1, 1, 0)
    assert count('{"v":1,"symbol":"MNQ1!","action":"sell","position":{"now":"flat","size":0}}') == 0


def test_the_defaults_are_above_all_alerts_of_the_largest_plan_at_one_bar_close() -> None:
    pace = BotPace(DoorLimits())
    for minute in range(5):  # a thousand alerts on one-minute bars, all to one bot
        assert all(pace.takes("a", 1, 60.0 * minute) for _ in range(1_000))


def test_the_bounds_stand_in_the_page_of_the_receiver() -> None:
    page = (Path(__file__).parents[2] / "docs" / "receiver.md").read_text(encoding="utf-8")
    limits = DoorLimits()
    assert f"| {limits.bot_burst:,} at once, {limits.bot_per_second:g} a second after that |" in page
    assert f"| {limits.strangers_per_minute} a minute |" in page
    assert f"| {http_server._MOST_CONNECTIONS:,}, or half of the open files" in page
    assert f"| {http_server.IDLE_S:g} s | closed |" in page
    assert f"| {http_server._KEPT_S:g} s | closed;" in page


@pytest.mark.skipif(sys.platform == "win32", reason="has no such bound")
@pytest.mark.parametrize(("files", "connections"), [(20_000, 1_000), (1_024, 512), (256, 128), (8, 16), (-1, 1_000)])
def test_half_of_the_open_files_is_left_for_everything_else(
    monkeypatch: pytest.MonkeyPatch, files: int, connections: int
) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda kind: (files, files))
    assert most_connections() == connections


# --- slow clients ----------------------------------------------------------------------------------------------------------


async def test_five_hundred_slow_clients_do_not_hold_up_a_real_alert(room: Room, http: aiohttp.ClientSession) -> None:
    loop, slow = asyncio.get_running_loop(), min(500, most_connections() // 2)
    begun = (b"POST /webhook HTTP/1.1\r\nHost: x\r\nX-Slow: ", head("/webhook", 500) + b"{", b"")
    async with open_doors(room.desk, config(body_timeout_s=60)) as doors:
        host, port = doors.public_url.removeprefix("http://").split(":")
        with ExitStack() as clients:

            async def come(number: int) -> None:
                client = clients.enter_context(socket.socket())
                client.setblocking(False)
                await loop.sock_connect(client, (host, int(port)))
                await loop.sock_sendall(client, begun[number % len(begun)])

            await asyncio.gather(*(come(number) for number in range(slow)))
            took = [await _timed(http, doors.public_url, number) for number in range(TRIES)]
    assert min(took) < REAL_ALERT_S
    assert len(room.alerts) == TRIES


async def _timed(http: aiohttp.ClientSession, url: str, number: int) -> float:
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert (await post(http, f"{url}/tv/{TOKEN}", alert(id=f"real-{number}")))[0] == 200
    return loop.time() - began


async def test_where_connections_run_out_the_slowest_makes_room(
    room: Room, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("desk.surfaces.http_server._MOST_CONNECTIONS", 3)
    async with open_doors(room.desk, config(body_timeout_s=60)) as doors:
        body, never = await connect(doors.public_url), await connect(doors.public_url)
        body[1].write(head("/webhook", 500, "Expect: 100-continue"))
        await body[0].readuntil(b"\r\n\r\n")
        url = f"{doors.public_url}/tv/{TOKEN}"
        assert (await post(http, url, alert(id="1")))[0] == 200  # the third, kept alive by its sender
        async with aiohttp.ClientSession() as second, aiohttp.ClientSession() as third:
            assert (await post(second, url, alert(id="2")))[0] == 200
            assert await never[0].read() == b""  # first the one that never asked
            assert (await post(third, url, alert(id="3")))[0] == 200
            assert await body[0].read() == b""  # then the one whose body does not come
            async with aiohttp.ClientSession() as fourth:
                assert (await post(fourth, url, alert(id="4")))[0] == 200  # then whoever was silent longest
            assert (await post(http, url, alert(id="5")))[0] == 200
        for _, writer in (body, never):
            writer.close()


async def test_a_connection_whose_alert_is_in_hand_never_makes_room(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("desk.surfaces.http_server._MOST_CONNECTIONS", 1)
    room.gate.clear()
    async with (
        open_doors(room.desk, config()) as doors,
        aiohttp.ClientSession() as one,
        aiohttp.ClientSession() as other,
    ):
        url = f"{doors.public_url}/tv/{TOKEN}"
        first = asyncio.create_task(post(one, url, alert(id="1")))
        await room.taken.wait()
        second = asyncio.create_task(post(other, url, alert(id="2")))
        await until(lambda: len(room.desk.inbox))  # the second is there, too
        room.gate.set()
        assert [status for status, _ in await asyncio.gather(first, second)] == [200, 200]
