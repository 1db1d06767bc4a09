"""The month rolls while a position is held in the old one, and the daemon starts after that: what gets out still finds it."""

from __future__ import annotations

from pathlib import Path

import pytest

from desk.runtime import start
from tests.daemon import MNQ, PRICE, alert, enter, is_flat, places, quiet_sim, running_desk, until

H27 = "CON.F.US.MNQ.H27"


@pytest.mark.parametrize("is_remembered", [True, False])
async def test_an_exit_gets_out_of_a_month_that_is_not_listed_any_more(is_remembered: bool, tmp_path: Path) -> None:
    """Cause: the start knew the listed months only. The exit found nothing in the new one, and an entry would have opened
    there, beside the old position."""
    async with quiet_sim() as sim:
        async with running_desk(sim.url, tmp_path / "before") as desk:
            await desk.ready()
            await enter(desk)
        sim.roll("MNQ")
        sim.set_price(H27, PRICE)
        async with running_desk(sim.url, tmp_path / ("before" if is_remembered else "after")) as desk:
            await desk.ready()
            _, answer = await desk.post(alert(id="again"))
            assert (answer["verdict"], answer["reason"]) == ("ignored", "ALREADY_THERE"), answer
            _, answer = await desk.post(alert("exit"))
            assert answer["verdict"] == "accepted", answer
            await desk.state_when(is_flat)
            assert not sim.positions
        assert [body["contractId"] for body in places(sim)] == [MNQ]


@pytest.mark.parametrize("is_remembered", [True, False])
async def test_a_month_that_cannot_be_looked_up_keeps_nothing_else_waiting(
    is_remembered: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cause: no symbol was known before that answer came. The desk was never ready, and held the exits of all the others."""
    monkeypatch.setattr(start, "HELD_GRACE_S", 0.3)
    async with quiet_sim() as sim:
        async with running_desk(sim.url, tmp_path / "before") as desk:
            await desk.ready()
            await enter(desk)
        sim.roll("MNQ")
        sim.set_price(H27, PRICE)
        sim.faults.next("/api/Contract/searchById", times=None).refuses(503)
        folder = tmp_path / ("before" if is_remembered else "after")
        async with running_desk(sim.url, folder, last_retry_s=0.2) as desk:
            await desk.ready()
            assert list(desk.session.desk.catalogue), "the listed months are known"
            assert MNQ not in desk.session.desk.catalogue
            sim.faults.clear()
            await until(lambda: MNQ in desk.session.desk.catalogue)
            _, answer = await desk.post(alert("exit"))
            assert answer["verdict"] == "accepted", answer
            await desk.state_when(is_flat)
            assert not sim.positions


async def test_flatten_by_the_symbol_means_the_month_that_is_held(tmp_path: Path) -> None:
    """Cause: it meant the active month, found nothing there, and said "verified flat" beside two contracts."""
    async with quiet_sim() as sim:
        async with running_desk(sim.url, tmp_path) as desk:
            await desk.ready()
            await enter(desk)
        sim.roll("MNQ")
        sim.set_price(H27, PRICE)
        async with running_desk(sim.url, tmp_path) as desk:
            await desk.ready()
            answer = await desk.command("flatten MNQH7 yes")
            assert (answer["ok"], len(sim.positions)) == (True, 1), "a month that is named is meant"
            answer = await desk.command("flatten MNQ yes")
            assert answer["ok"], answer
            assert not sim.positions
