"""The running desk and the market: a roll moves what is watched, and the newest bars come from the tape."""

from __future__ import annotations

from pathlib import Path

import pytest

from desk.core.ids import ContractId
from desk.core.timeframe import parse_timeframe
from desk.gateway import Kind
from desk.runtime import start
from desk.sim import SimConfig, SimServer
from tests.daemon import MNQ, quiet_sim, running_desk
from tests.gateway.conftest import until

H27, ES = ContractId("CON.F.US.MNQ.H27"), ContractId("CON.F.US.EP.Z26")


async def test_a_roll_is_noticed_by_the_next_reading_of_the_contract_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start, "CATALOGUE_EVERY_S", 0.1)
    async with quiet_sim() as sim, running_desk(sim.url, tmp_path) as desk:
        await desk.ready()
        feeds, live = desk.session._lines.feeds, desk.session._live
        assert feeds is not None
        wanted = {Kind.QUOTES: 1, Kind.TRADES: 1}
        assert feeds.subscriptions() == {MNQ: wanted, ES: wanted}
        sim.roll("MNQ")
        await until(lambda: feeds.subscriptions() == {H27: wanted, ES: wanted})
        assert live.subscribed() == {H27: {"1m": 1}, ES: {"1m": 1}}
        assert desk.session.desk.contract("MNQ").contract_id == H27


async def test_the_bar_in_progress_is_asked_of_the_gateway_until_the_tape_vouches_for_it(tmp_path: Path) -> None:
    m1 = parse_timeframe("1m")
    async with SimServer(SimConfig(feed_interval_s=0.02)) as sim, running_desk(sim.url, tmp_path) as desk:
        await desk.ready()
        live, mnq = desk.session._live, ContractId(MNQ)
        await until(lambda: live.stats().trades["counted"] > 3)
        reply = await desk.session.desk.history.bars(mnq, m1, 5)
        assert (len(reply.bars), reply.has_partial, reply.problem) == (5, True, None)
