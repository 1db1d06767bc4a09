"""The ways in: the console with paste, a file, the private door, and the program without a running desk."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prompt_toolkit.input import PipeInput

import trading_bot
from desk.core.secret import Secret
from desk.surfaces.calls import BadCall, Caller, CommandResult
from desk.surfaces.commands import run_command
from desk.surfaces.console import run_console
from desk.surfaces.explain_offline import ask_desk
from tests.daemon import alert, quiet_sim, running_desk
from tests.surfaces.room import API_TOKEN, TOKEN, Room
from tests.surfaces.test_bots_and_alerts import came
from tests.surfaces.test_console import CTRL_C, CTRL_D, URLS
from webhook_server import Doors, DoorsConfig, open_doors

ENTRY = '{"v":1,"symbol":"MNQ1!","action":"enter_long","comment":"two  blanks","stop":{"unit":"points","value":20}}'
BEARER = {"Authorization": f"Bearer {API_TOKEN}"}


def messages(result: CommandResult) -> list[dict[str, Any]]:
    assert result.ok, result.text
    assert isinstance(result.data, dict)
    return list(result.data["messages"])


async def run(room: Room, line: str, caller: Caller) -> CommandResult:
    return await run_command(room.desk, line, caller)


# --- the command ---------------------------------------------------------------------------------------------------


async def test_json_on_the_same_line_keeps_its_blanks(room: Room, caller: Caller) -> None:
    (message,) = messages(await run(room, f"explain {ENTRY}", caller))
    assert message["canonical"]["comment"] == "two  blanks"
    assert message["bot"] == "default"


async def test_a_bot_in_front_is_meant(room: Room, caller: Caller) -> None:
    (message,) = messages(await run(room, f"explain second {ENTRY}", caller))
    assert message["bot"] == "second"


async def test_a_bot_in_front_that_there_is_not_is_named(room: Room, caller: Caller) -> None:
    result = await run(room, f"explain nobody {ENTRY}", caller)
    assert not result.ok
    assert "There is no bot 'nobody'. Bots: default, second" in result.text
    (message,) = messages(await run(room, f"explain second\n{ENTRY}", caller))
    assert message["bot"] == "second"


async def test_text_of_another_kind_is_explained_too(room: Room, caller: Caller) -> None:
    (message,) = messages(await run(room, "explain order buy @ 2 filled on MNQ1!. New strategy position is 2", caller))
    assert message["reason"] == "NO_ORDER"


@pytest.mark.parametrize("line", ["explain", "explain   ", "explain second"])
async def test_without_a_text_or_a_keyboard_it_says_what_to_write(room: Room, caller: Caller, line: str) -> None:
    result = await run(room, line, caller)
    assert not result.ok
    assert "explain FILE" in result.text


async def test_a_program_cannot_have_files_read(room: Room, caller: Caller, tmp_path: Path) -> None:
    path = tmp_path / "alert.json"
    path.write_text(ENTRY)
    (message,) = messages(await run(room, f"explain {path}", caller))
    assert message["reason"] == "NO_ORDER", "the name was taken as the text"


@pytest.mark.parametrize("text", ["~nobody-of-this-name/x", "x" * 5000, "a\x00b", "/"])
async def test_what_is_no_file_is_a_text(room: Room, caller: Caller, text: str) -> None:
    (message,) = messages(await run(room, f"explain {text}", replace(caller, by="console")))
    assert message["reason"] == "NO_ORDER"


async def test_a_text_that_no_door_would_take_is_refused(room: Room, caller: Caller) -> None:
    assert "64 KiB" in (await run(room, "explain " + "x" * 70_000, caller)).text


# --- the console -----------------------------------------------------------------------------------------------------


async def typed(room: Room, keys: PipeInput, tmp_path: Path, *parts: str) -> None:
    """All of it ahead of the program, as a paste comes; then the end."""
    async with asyncio.timeout(10):
        keys.send_text("".join((*parts, "quit\n")))
        await run_console(room.desk, tmp_path, URLS, no_color=True)


async def test_the_console_takes_a_message_whole_in_pieces_or_from_a_file(
    room: Room, keys: PipeInput, tmp_path: Path, screen: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "alert.json"
    path.write_text(ENTRY)
    begun, rest = ENTRY.split(',"action', 1)
    await typed(
        room, keys, tmp_path,
        f"explain {begun}\n", f',"action{rest}\n\n',  # begun behind the word, its brackets still open
        f"explain {path}\n",
        "explain second\n", ENTRY[:40] + "\n", ENTRY[40:] + "\n\n",  # broken inside a text
        "explain\n", ENTRY + "\n", CTRL_D,
        "explain\n", CTRL_C,
    )  # fmt: skip
    shown = screen.getvalue() + capsys.readouterr().out
    assert shown.count("accepted: buy 2 MNQZ6 at market, stop 80 ticks") == 3
    assert shown.count("denied UNREADABLE: Not valid JSON: a line break inside a text value") == 1
    assert shown.count("Explain what?") == 1
    assert not room.events
    assert "MNQ" not in (tmp_path / "console_history").read_text(), "a message may carry a secret"


# --- the private door ----------------------------------------------------------------------------------------------


@pytest.fixture
async def doors(room: Room) -> AsyncIterator[Doors]:
    async with open_doors(room.desk, DoorsConfig(api_token=Secret(API_TOKEN), webhook_port=0, api_port=0)) as opened:
        yield opened


async def asked(doors: Doors, body: object, headers: dict[str, str] = BEARER) -> tuple[int, dict[str, Any]]:
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{doors.private_url}/api/explain", json=body, headers=headers) as reply,
    ):
        return reply.status, await reply.json()


async def test_the_private_door_gives_the_same_as_data_and_as_text(room: Room, doors: Doors) -> None:
    status, answer = await asked(doors, {"text": ENTRY, "bot": "second"})
    assert (status, answer["ok"]) == (200, True)
    (message,) = answer["messages"]
    assert (message["bot"], message["verdict"], message["sends"]) == ("second", "accepted", True)
    assert message["orders"][1]["usd_total"] == 80
    assert {rule["rule"] for rule in message["rules"]} >= {"age", "size", "stop"}
    assert "loses 80.00 $" in answer["text"]


@pytest.mark.parametrize(
    ("body", "headers", "status", "says"),
    [
        ({"text": ENTRY}, {}, 401, "Bearer"),
        ({"txt": ENTRY}, BEARER, 400, '"text"'),
        ({"text": 5}, BEARER, 400, '"text"'),
        ({"text": ENTRY, "bot": "nobody"}, BEARER, 400, "Bots: default, second"),
    ],
)
async def test_what_the_door_cannot_explain_gets_a_reason(
    doors: Doors, body: dict[str, Any], headers: dict[str, str], status: int, says: str
) -> None:
    got, answer = await asked(doors, body, headers)
    assert got == status
    assert says in answer["error"]


async def test_bots_and_filtered_alerts_come_over_the_private_door(room: Room, doors: Doors) -> None:
    await room.desk.journal.append([came(verdict="denied"), came(bot="second")])
    async with aiohttp.ClientSession(headers=BEARER) as http:
        async with http.get(f"{doors.private_url}/api/bots") as reply:
            bots = await reply.json()
        assert [(bot["name"], bot["today"]) for bot in bots] == [
            ("default", {"denied": 1}),
            ("second", {"accepted": 1}),
        ]
        for query, found in (("bot=second", 1), ("verdict=denied", 1), ("bot=second&verdict=denied", 0)):
            async with http.get(f"{doors.private_url}/api/alerts?{query}") as reply:
                assert len(await reply.json()) == found
        async with http.get(f"{doors.private_url}/api/alerts?verdict=great") as reply:
            assert reply.status == 400
            assert "Verdicts" in (await reply.json())["error"]


async def test_explaining_changes_nothing_and_the_alert_then_gets_the_same_verdict(tmp_path: Path) -> None:
    async with quiet_sim() as sim, running_desk(sim.url, tmp_path) as desk:
        await desk.ready()
        await desk.state_when(lambda state: not state["plans"])
        before, seq = desk.session.desk.state, await desk.session.desk.journal.last_seq()
        sent = len([row for row in sim.requests if "Order" in row.path or "Position/close" in row.path])
        line = "explain " + json.dumps(alert())
        (message,) = (await desk.command(line))["data"]["messages"]
        assert desk.session.desk.state is before, "the very same value is published"
        assert await desk.session.desk.journal.last_seq() == seq
        assert len([row for row in sim.requests if "Order" in row.path or "Position/close" in row.path]) == sent
        assert not sim.orders
        _, answer = await desk.post(alert())
        assert (answer["verdict"], answer["text"]) == (message["verdict"], message["text"])


# --- without a running desk ------------------------------------------------------------------------------------------


def explain_program(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    *arguments: str,
    **settings: str,
) -> tuple[int, str, str]:
    for key, value in {"DATA_DIR": str(tmp_path / "data"), "API_PORT": "0", **settings}.items():
        monkeypatch.setenv(key, value)
    (tmp_path / "empty.env").touch()
    code = trading_bot.main(["--env-file", str(tmp_path / "empty.env"), "explain", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def typed_in(text: str | bytes) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(text if isinstance(text, bytes) else text.encode()))


@pytest.mark.parametrize("body", [b"", b"\xff\xfe{", b"{" * 70_000, ENTRY.encode("utf-16")])
def test_any_bytes_get_an_answer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, body: bytes
) -> None:
    monkeypatch.setattr("sys.stdin", typed_in(body))
    code, out, err = explain_program(monkeypatch, capsys, tmp_path, "-")
    assert out.startswith(("denied UNREADABLE", "ignored NO_ORDER")) if code == 0 else "64 KiB" in err


def test_the_program_explains_from_the_settings_alone_and_says_what_it_assumed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "alert.json"
    path.write_text(ENTRY)
    code, out, _ = explain_program(monkeypatch, capsys, tmp_path, str(path), POSITION_SIZE="3")
    assert code == 0
    assert "buy 3 MNQ" in out
    assert "120.00" in out, "three contracts, 80 ticks, half a dollar each"
    assert "Assumed: the account agrees" in out
    assert "No running desk was asked" in out
    assert not (tmp_path / "data").exists(), "nothing was made"


def test_a_price_that_nobody_knows_is_unknown_and_the_alerts_own_price_is_taken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    at_price = ENTRY.replace('"points","value":20', '"price","value":21000')
    monkeypatch.setattr("sys.stdin", typed_in(at_price))
    _, out, _ = explain_program(monkeypatch, capsys, tmp_path, "-")
    assert out.startswith("unknown: no price is known without the running desk")
    monkeypatch.setattr("sys.stdin", typed_in(at_price.replace('"v":1', '"v":1,"price":21010')))
    _, out, _ = explain_program(monkeypatch, capsys, tmp_path, "-")
    assert out.startswith("accepted: buy 1 MNQ")
    assert "20.00 $" in out, "40 ticks"
    assert "Assumed: the market is at the alert's own price, 21010" in out


@pytest.mark.parametrize(
    ("arguments", "says"), [(["/no/such/file"], "cannot be read"), (["-", "--bot", "x"], "Bots: default")]
)
def test_what_the_program_cannot_explain_ends_with_a_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str], says: str
) -> None:
    monkeypatch.setattr("sys.stdin", typed_in(ENTRY))
    code, _, err = explain_program(monkeypatch, capsys, tmp_path, *arguments)
    assert code == 1
    assert says in err


async def test_a_running_desk_is_asked_instead(doors: Doors) -> None:
    port = int(doors.private_url.rpartition(":")[2])
    answer = await asyncio.to_thread(ask_desk, port, Secret(API_TOKEN), ENTRY, None)
    assert answer.text is not None
    assert "loses 80.00 $" in answer.text
    assert answer.note == f"Asked the running desk at {doors.private_url}."
    with pytest.raises(BadCall, match="Bots: default, second"):
        await asyncio.to_thread(ask_desk, port, Secret(API_TOKEN), ENTRY, "nobody")
    wrong = await asyncio.to_thread(ask_desk, port, Secret(TOKEN), ENTRY, None)
    assert wrong.text is None
    assert "status 401" in wrong.note


async def test_nobody_at_the_port_is_said(unused_port: int) -> None:
    answer = await asyncio.to_thread(ask_desk, unused_port, Secret(API_TOKEN), ENTRY, None)
    assert answer.text is None
    assert f"No desk answers at http://127.0.0.1:{unused_port}" in answer.note


@pytest.fixture
async def unused_port() -> int:
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port
