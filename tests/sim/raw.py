"""Hand-written HTTP and SignalR, as the reference describes them; no code of the simulator or of the client in it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from websockets.asyncio.client import ClientConnection

END = "\x1e"
MNQ = "CON.F.US.MNQ.Z26"
COMBINE, PRACTICE, POSITION_BRACKETS = 21000001, 21000002, 21000003


async def until(claim: Callable[[], bool]) -> None:
    """Wait until something is true; fails after five seconds."""
    for _ in range(500):
        if claim():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came true")


@dataclass
class Rest:
    """One user's REST calls."""

    session: aiohttp.ClientSession
    url: str
    token: str | None = None

    async def raw(self, method: str, path: str, **kwargs: Any) -> tuple[int, dict[str, str], str]:
        async with self.session.request(method, self.url + path, **kwargs) as response:
            return response.status, dict(response.headers), await response.text()

    async def post(self, path: str, body: object = None) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        status, _, text = await self.raw("POST", path, json=body, headers=headers)
        return status, json.loads(text) if text else None

    async def ok(self, path: str, body: object = None) -> Any:
        status, reply = await self.post(path, body)
        assert status == 200
        assert reply["success"] is True, reply
        assert reply["errorCode"] == 0
        assert reply["errorMessage"] is None
        return reply

    async def login(self) -> str:
        reply = await self.ok("/api/Auth/loginKey", {"userName": "paper", "apiKey": "paper"})
        self.token = reply["token"]
        return str(self.token)

    async def place(self, account: int = COMBINE, **members: Any) -> Any:
        body = {"accountId": account, "contractId": MNQ, "type": 2, "side": 0, "size": 1} | members
        status, reply = await self.post("/api/Order/place", body)
        assert status == 200
        return reply


@dataclass
class RawHub:
    """One WebSocket with the JSON protocol spoken by hand (reference 5.1)."""

    socket: ClientConnection
    waiting: list[dict[str, Any]] = field(default_factory=list)
    buffer: str = ""

    async def send(self, message: dict[str, Any]) -> None:
        await self.socket.send(json.dumps(message) + END)

    async def receive(self) -> dict[str, Any]:
        async with asyncio.timeout(5):
            while not self.waiting:
                frame = await self.socket.recv()
                assert isinstance(frame, str)
                *whole, self.buffer = (self.buffer + frame).split(END)
                self.waiting += [json.loads(text) for text in whole]
        return self.waiting.pop(0)

    async def shake_hands(self) -> None:
        await self.send({"protocol": "json", "version": 1})
        assert await self.receive() == {}

    async def invoke(self, target: str, *arguments: Any, identity: str = "1") -> dict[str, Any]:
        await self.send({"type": 1, "invocationId": identity, "target": target, "arguments": list(arguments)})
        return await self.until(lambda message: message.get("type") == 3)

    async def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        while True:
            message = await self.receive()
            if wanted(message):
                return message

    async def event(self, target: str) -> list[Any]:
        message = await self.until(lambda one: one.get("target") == target)
        arguments: list[Any] = message["arguments"]
        return arguments
