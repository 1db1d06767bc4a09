"""In front of both doors: what senders do there, the polite ones and the others."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp

from desk.core.secret import Secret
from tests.surfaces.room import API_TOKEN
from webhook_server import DoorsConfig

SECOND_TOKEN = "another-token-of-22-ch"


def config(**changes: Any) -> DoorsConfig:
    return DoorsConfig(**{"api_token": Secret(API_TOKEN), "webhook_port": 0, "api_port": 0, **changes})


def alert(action: str = "enter_long", **more: Any) -> dict[str, Any]:
    """An entry with a stop, or another action; None takes a field out."""
    body = {"v": 1, "symbol": "CME_MINI:MNQ1!", "action": action}
    if action.startswith("enter"):
        body |= {"qty": 1, "stop": {"unit": "points", "value": 20}}
    return {key: value for key, value in (body | more).items() if value is not None}


async def post(http: aiohttp.ClientSession, url: str, body: Any = None, **options: Any) -> tuple[int, Any]:
    """Status and decoded answer. body: bytes and text as they are, anything else as JSON; None: an entry."""
    sent = alert() if body is None else body
    data = sent if isinstance(sent, bytes | str) else json.dumps(sent)
    async with http.post(url, data=data, **options) as reply:
        text = await reply.text()
        return reply.status, json.loads(text) if text.startswith(("{", "[")) else text


async def connect(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = url.removeprefix("http://").split(":")
    return await asyncio.open_connection(host, int(port))


async def raw(url: str, sent: bytes, *, wait_s: float = 5) -> bytes:
    """What the server answers to these bytes until it closes."""
    reader, writer = await connect(url)
    try:
        writer.write(sent)
        async with asyncio.timeout(wait_s):
            return await reader.read()
    finally:
        writer.close()


def head(path: str, length: int, *more: str) -> bytes:
    """A request's head whose body is still to come."""
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {length}", *more]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
