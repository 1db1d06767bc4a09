"""The answer to an alert comes before anything that touches the gateway, so the gateway cannot delay it (reference 1)."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.daemon import PLACE, SCALE, RunningDesk, alert, quiet_sim, requests_to, running_desk, until

ANSWER_S = 3.0 * SCALE  # then TradingView gives up; the gateway below never answers


async def answer_to(desk: RunningDesk, body: dict[str, Any]) -> str:
    """The verdict, which comes with 200 and in time."""
    began = asyncio.get_running_loop().time()
    status, answer = await desk.post(body)
    assert asyncio.get_running_loop().time() - began < ANSWER_S
    assert status == 200, answer
    return str(answer["verdict"])


@pytest.mark.parametrize("fault", ["hangs", "drops_after_execution"])
async def test_a_gateway_that_does_not_answer_delays_no_answer_and_makes_no_5xx(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unit: float, fault: str
) -> None:
    monkeypatch.setattr("desk.runtime.session.SETTLE_S", unit)  # nothing will settle here
    async with AsyncExitStack() as gateway:
        sim = await gateway.enter_async_context(quiet_sim())
        async with running_desk(sim.url, tmp_path, timeout_s=30) as desk:
            await desk.ready()
            getattr(sim.faults.next(PLACE), fault)()
            assert await answer_to(desk, alert(qty=1)) == "accepted"
            await until(lambda: requests_to(sim, PLACE))  # from now on an order may be there
            assert await answer_to(desk, alert(qty=1)) == "duplicate"
            assert await answer_to(desk, alert("exit")) == "accepted"
            await gateway.aclose()  # so that nothing hangs any longer when the desk stops


async def test_a_gateway_that_is_not_there_delays_no_answer(tmp_path: Path) -> None:
    with socket.socket() as taken:  # bound and not listening: every connection is refused
        taken.bind(("127.0.0.1", 0))
        async with running_desk(f"http://127.0.0.1:{taken.getsockname()[1]}", tmp_path) as desk:
            assert await answer_to(desk, alert()) == "held"
