"""Rows 9 to 12 of the checklist in reference 6.5: clock, hubs, limits and times; ``test_checklist.py`` has the others."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from desk.sim import SimConfig, SimServer

from .raw import COMBINE, END, RawHub, Rest, until

BRACKETS: dict[str, Any] = {"stopLossBracket": {"ticks": -40, "type": 4}, "takeProfitBracket": {"ticks": 80, "type": 1}}


def front(sim: SimServer) -> str:
    return next(row.id for row in sim.contracts if row.symbol_id == "F.US.MNQ")


async def test_row_9_the_days_cut(rest: Rest) -> None:
    """Session clock with 15:10 CT cut and the "not in an active trading status" text under code 2."""
    now = datetime(2026, 11, 18, 21, 9, tzinfo=UTC)
    config = SimConfig(hours="exchange", market="manual", fill_delay_ms=0, feed_interval_s=3600, clock=lambda: now)
    async with SimServer(config) as sim:
        other = Rest(rest.session, sim.url)
        await other.login()
        assert (await other.place())["success"]
        now += timedelta(minutes=1)
        reply = await other.place()
        assert (reply["errorCode"], reply["errorMessage"]) == (
            2, "Trading is currently unavailable. The instrument is not in an active trading status.",
        )  # fmt: skip
        assert (await other.ok("/api/Position/searchOpen", {"accountId": COMBINE}))["positions"] == []


async def test_row_10_the_hubs_manners(rest: Rest) -> None:
    """Handshake v1 enforced, 0x1E framing, pings, idle drop, type 7, GatewayLogout, stale mode, token at connect."""
    config = SimConfig(market="manual", hub_ping_s=0.1, hub_idle_s=0.6, handshake_s=5)
    async with SimServer(config) as sim:
        other = Rest(rest.session, sim.url)
        url = f"{sim.url.replace('http', 'ws')}/hubs/user?access_token={await other.login()}"
        async with connect(url) as socket:
            await socket.send('{"protocol":"json","version":0}' + END)
            with pytest.raises(ConnectionClosed):
                await socket.recv()
        async with connect(url) as socket:
            hub = RawHub(socket)
            await hub.shake_hands()
            assert await hub.receive() == {"type": 6}
            sim.faults.silence_hub("user")
            await hub.invoke("SubscribeOrders", COMBINE)
            await other.place(contractId=front(sim))
            heard = [await hub.receive() for _ in range(2)]
            assert heard == [{"type": 6}] * 2, "a stale hub pings and says nothing else"
            sim.faults.silence_hub("user", silent=False)
            with pytest.raises(ConnectionClosed):
                await hub.until(lambda one: one.get("type") == 8)
        async with connect(url) as socket:
            hub = RawHub(socket)
            await hub.shake_hands()
            await sim.drop_hubs("user", "logout")
            await hub.event("GatewayLogout")
            assert (await hub.until(lambda one: one.get("type") == 7))["type"] == 7
        sim.expire_tokens()
        with pytest.raises(InvalidStatus) as refused:
            await connect(url)
        assert refused.value.response.status_code == 401


async def test_row_11_rate_windows_and_bars(rest: Rest) -> None:
    """50 in 30 s and 200 in 60 s; bars newest first, at most 20000, ``limit`` from the new end."""
    assert (SimConfig().history_limit, SimConfig().general_limit) == ((50, 30.0), (200, 60.0))
    async with SimServer(SimConfig(history_limit=(3, 60.0), general_limit=(5, 60.0))) as sim:
        other = Rest(rest.session, sim.url)
        await other.login()
        end = datetime.now(UTC).replace(second=0, microsecond=0)
        body = {
            "contractId": front(sim), "live": False, "startTime": f"{end - timedelta(hours=2):%Y-%m-%dT%H:%M:%SZ}",
            "endTime": f"{end:%Y-%m-%dT%H:%M:%SZ}", "unit": 2, "unitNumber": 1, "limit": 5, "includePartialBar": False,
        }  # fmt: skip
        bars = (await other.ok("/api/History/retrieveBars", body))["bars"]
        times = [datetime.fromisoformat(bar["t"]) for bar in bars]
        assert times == sorted(times, reverse=True)
        assert len(times) == 5
        assert end - timedelta(minutes=30) < times[0] < end
        assert (await other.post("/api/History/retrieveBars", body | {"limit": 20_001}))[1]["errorCode"] == 4
        await other.ok("/api/History/retrieveBars", body)
        status, headers, text = await other.raw(
            "POST", "/api/History/retrieveBars", json=body, headers={"Authorization": f"Bearer {other.token}"}
        )
        assert (status, text) == (429, "")
        assert 0 < int(headers["Retry-After"]) <= 60
        statuses = [(await other.post("/api/Account/search", {"onlyActiveAccounts": True}))[0] for _ in range(5)]
        assert statuses == [200, 200, 200, 200, 429], "the login counted, the history did not"


async def test_row_12_how_long_things_take(rest: Rest) -> None:
    """Entry created -> fill ~7-10 ms, -> children open ~20-30 ms, event push < 100 ms, REST latency settable."""
    async with SimServer(SimConfig(market="manual", latency_ms={"place": 50})) as sim:
        other = Rest(rest.session, sim.url)
        url = f"{sim.url.replace('http', 'ws')}/hubs/user?access_token={await other.login()}"
        async with connect(url) as socket:
            hub = RawHub(socket)
            await hub.shake_hands()
            await hub.invoke("SubscribeOrders", COMBINE)
            started = time.monotonic()
            entry = (await other.place(contractId=front(sim), **BRACKETS))["orderId"]
            assert time.monotonic() - started >= 0.05
            await until(lambda: all(row.status in (1, 2) for row in sim.orders))
            rows = [(await hub.event("GatewayUserOrder"))[0]["data"] for _ in range(6)]
            assert time.monotonic() - started < 5

    def after(identity: int, status: int) -> float:
        row = next(one for one in rows if (one["id"], one["status"]) == (identity, status))
        at = datetime.fromisoformat(row["updateTimestamp"]) - datetime.fromisoformat(rows[0]["creationTimestamp"])
        return at.total_seconds() * 1000

    assert after(entry, 2) == pytest.approx(8, abs=0.01)
    assert after(entry + 1, 1) == pytest.approx(26, abs=0.01)
    assert after(entry + 2, 1) == pytest.approx(26, abs=0.01)
