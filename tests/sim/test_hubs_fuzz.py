"""Whatever a client sends: a hub answers, closes in good order, or keeps quiet; it never breaks (reference 5.1, 5.2)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from desk.sim import SimConfig, SimServer

from .raw import COMBINE, END, MNQ, RawHub, Rest

HANDSHAKE = '{"protocol":"json","version":1}' + END
TARGETS = ["SubscribeOrders", "subscribeorders", "SubscribeAccounts", "UnsubscribeTrades", "SubscribeContractQuotes",
           "SubscribeContractDepth", "UnsubscribeContractMarketDepth", "Unsubscribe", "", "🦆"]  # fmt: skip
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.sampled_from([COMBINE, MNQ]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
_CALLS = st.fixed_dictionaries(
    {"type": st.sampled_from([1, 1, 1, 1, 2, 3, 4, 5, 6, 8, 9, "1", None])},
    optional={
        "invocationId": st.sampled_from(["1", "x", 7, None]),
        "target": st.sampled_from(TARGETS) | _VALUES,
        "arguments": st.lists(_VALUES, max_size=3) | _VALUES,
    },
)
_MESSAGES = st.lists(_CALLS.map(json.dumps) | _VALUES.map(json.dumps) | st.text(max_size=20), min_size=1, max_size=5)


def collected(strategy: st.SearchStrategy[Any], count: int) -> list[Any]:
    """Examples, drawn outside the loop: hypothesis and a running loop do not share a test function."""
    found: list[Any] = []

    @settings(max_examples=count, database=None)
    @given(one=strategy)
    def draw(one: Any) -> None:
        found.append(one)

    draw()
    return found


async def test_no_message_breaks_a_hub(rest: Rest, caplog: pytest.LogCaptureFixture) -> None:
    """Every invocation with a text id is completed, unless the connection was closed for nonsense before."""
    cases = await asyncio.get_running_loop().run_in_executor(None, collected, _MESSAGES, 150)
    caplog.set_level(logging.ERROR, "desk.sim")
    async with SimServer(SimConfig(market="manual", feed_interval_s=5)) as sim:
        rest.url = sim.url
        await rest.login()
        for number, messages in enumerate(cases):
            hub = ("user", "market")[number % 2]
            async with connect(url(sim, hub, rest.token), close_timeout=0.1) as socket:
                last = json.dumps({"type": 1, "invocationId": "last", "target": "Nothing", "arguments": []})
                await socket.send(HANDSHAKE + "".join(text + END for text in [*messages, last]))
                seen: list[dict[str, Any]] = []
                try:
                    while not any(one.get("invocationId") == "last" for one in seen):
                        frame = await asyncio.wait_for(socket.recv(), 5)
                        assert isinstance(frame, str)
                        seen += [json.loads(text) for text in frame.split(END)[:-1]]
                except ConnectionClosed:
                    assert seen[-1] == {"type": 7, "error": "Connection closed with an error.", "allowReconnect": True}
                assert seen[0] == {}
                for one in seen[1:]:
                    assert one["type"] in (1, 3, 7)
                    assert (one["type"] != 3) or (("result" in one) != ("error" in one))
    assert [row.getMessage() for row in caplog.records if row.name == "desk.sim"] == []


@pytest.mark.parametrize(
    "first",
    ["", "{}", "[]", "null", '{"protocol":"json"}', '{"protocol":"json","version":0}', '{"version":1}', "[" * 30_000,
     '{"type":6}', '{"protocol":"json","version":"1"}', '{"protocol":"json","version":2}', "\x00"],
)  # fmt: skip
async def test_a_bad_handshake_ends_the_connection(sim: SimServer, rest: Rest, first: str) -> None:
    """Reference 5.1: version 1 of json, or nothing."""
    async with connect(url(sim, "market", rest.token), close_timeout=0.2) as socket:
        await socket.send(first + END)
        async with asyncio.timeout(5):
            frames = [str(frame) async for frame in socket]
        assert all(json.loads(frame.removesuffix(END)).keys() == {"error"} for frame in frames)
    assert sim.connections("market") == []


async def test_too_long_a_message_ends_the_connection(sim: SimServer, rest: Rest) -> None:
    """Reference 5.1: client messages are at most 32 KB, in one frame or in many."""
    for pieces in (1, 40):
        async with connect(url(sim, "user", rest.token), close_timeout=0.2) as socket:
            raw = RawHub(socket)
            await raw.shake_hands()
            with contextlib.suppress(ConnectionClosed):
                for _ in range(pieces):
                    await socket.send("x" * (40_000 // pieces))
            async with asyncio.timeout(5):
                await socket.wait_closed()


async def test_binary_frames_count_as_text_and_a_close_message_closes(sim: SimServer, rest: Rest) -> None:
    async with connect(url(sim, "user", rest.token), close_timeout=0.2) as socket:
        await socket.send(HANDSHAKE.encode())
        assert await socket.recv() == "{}" + END
        await socket.send('{"type":7}' + END)
        with pytest.raises(ConnectionClosed):
            await socket.recv()


async def test_names_of_methods_have_no_case_and_need_no_id(sim: SimServer, rest: Rest) -> None:
    """SignalR compares without case; without an id there is no completion (reference 5.1)."""
    async with connect(url(sim, "user", rest.token)) as socket:
        raw = RawHub(socket)
        await raw.shake_hands()
        await raw.send({"type": 1, "target": "subscribeORDERS", "arguments": [COMBINE]})
        await raw.send({"type": 4, "invocationId": "s", "target": "SubscribeOrders", "arguments": [COMBINE]})
        assert (await raw.receive())["error"].endswith("Method does not exist.")
        assert sim.connections("user")[0].subscriptions == {("order", COMBINE)}


def url(sim: SimServer, hub: str, token: str | None) -> str:
    return f"{sim.url.replace('http', 'ws')}/hubs/{hub}?access_token={token}"
