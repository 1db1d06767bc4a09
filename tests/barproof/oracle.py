"""The truth: the simulator's own bars, asked over its REST with a login of its own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import aiohttp

__all__ = ["FRAMES", "LOGIN", "Frame", "Oracle", "Row", "Rows", "Series", "row_of"]

LOGIN = "oracle"
NANOS = 10**9
MOST = 20_000
"""Bars of one reply (reference 3.4)."""

Row = tuple[int, int, int, int, int]
"""Open, high, low, close in billionths of a point, and volume."""
Rows = dict[int, Row]
"""By the epoch second at which the bar opens."""
Series = tuple[str, str]
"""Contract id and timeframe."""


@dataclass(frozen=True)
class Frame:
    """A timeframe as the wire knows it."""

    text: str
    unit: int
    number: int
    seconds: int


_KNOWN = (Frame("15s", 1, 15, 15), Frame("1m", 2, 1, 60), Frame("5m", 2, 5, 300), Frame("1h", 3, 1, 3600))
FRAMES = {frame.text: frame for frame in _KNOWN}


def row_of(opened: Any, high: Any, low: Any, close: Any, volume: Any) -> Row:
    """Raises AssertionError where billionths are not enough."""
    prices = [Decimal(str(price)) * NANOS for price in (opened, high, low, close)]
    assert all(price == int(price) for price in prices), f"more than nine decimals: {(opened, high, low, close)}"
    return (int(prices[0]), int(prices[1]), int(prices[2]), int(prices[3]), int(volume))


class Oracle:
    """Asks without pacing: the caller has lifted the rate limits."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http, self._url = http, url
        self._key: dict[str, str] = {}

    async def contracts(self, roots: tuple[str, ...]) -> dict[str, str]:
        """Root to the contract id of its front month. Logs in."""
        told = await self._post("/api/Auth/loginKey", {"userName": LOGIN, "apiKey": LOGIN})
        self._key = {"Authorization": f"Bearer {told['token']}"}
        listed = (await self._post("/api/Contract/available", {"live": False}))["contracts"]
        ids = {row["name"][:-2]: row["id"] for row in listed if row["activeContract"]}
        return {root: ids[root] for root in roots}

    async def bars(self, contract_id: str, frame: Frame, start: int, end: int) -> Rows:
        """Closed bars that open from ``start`` to before ``end``, epoch seconds."""
        rows: Rows = {}
        stride = MOST * frame.seconds
        for first in range(start, end, stride):
            body = {
                "contractId": contract_id, "live": False, "startTime": _stamp(first),
                "endTime": _stamp(min(end, first + stride)), "unit": frame.unit, "unitNumber": frame.number,
                "limit": MOST, "includePartialBar": False,
            }  # fmt: skip
            for bar in (await self._post("/api/History/retrieveBars", body))["bars"]:
                at = int(datetime.fromisoformat(bar["t"]).timestamp())
                rows[at] = row_of(bar["o"], bar["h"], bar["l"], bar["c"], bar["v"])
        return rows

    async def _post(self, path: str, body: dict[str, Any]) -> Any:
        async with self._http.post(self._url + path, json=body, headers=self._key) as answer:
            told = json.loads(await answer.read(), parse_float=Decimal)
        assert told["success"], f"{path} {body}: {told}"
        return told


def _stamp(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
