"""What a person asks about the market, over the private door of a desk at a simulated gateway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from desk.core.ids import ContractId
from desk.core.timeframe import parse_timeframe
from desk.sim import SimConfig, SimServer
from desk.surfaces.calls import Caller, Urls
from desk.surfaces.commands import run_command
from tests.daemon import MNQ, RunningDesk, running_desk, until
from tests.stalls import longest_turn


@pytest.fixture
async def sim() -> AsyncIterator[SimServer]:
    async with SimServer(SimConfig(feed_interval_s=0.02)) as server:
        yield server


@pytest.fixture
async def desk(sim: SimServer, tmp_path: Path) -> AsyncIterator[RunningDesk]:
    async with running_desk(sim.url, tmp_path) as running:
        await running.ready()
        yield running


async def test_depth_is_a_hint_and_leaves_nothing_subscribed(desk: RunningDesk) -> None:
    answer = await desk.command("depth MNQ 3")
    assert answer["ok"], answer
    assert [len(answer["data"][side]) for side in ("bids", "asks")] == [3, 3]
    assert answer["data"]["bids"][0]["price"] < answer["data"]["asks"][0]["price"]
    assert "Depth is a hint" in answer["text"]
    kinds = [one["kind"] for one in (await desk.command("subscriptions"))["data"]["subscriptions"]]
    assert "depth" not in kinds


async def test_one_look_at_several_symbols_ends_what_it_began(desk: RunningDesk) -> None:
    answer = await desk.command("watch MNQ MES 1m")
    assert answer["ok"], answer
    rows = {row["symbol"]: row for row in answer["data"]["rows"]}
    assert set(rows) == {"MNQZ6", "MESZ6"}
    assert rows["MESZ6"]["spread_ticks"] >= 1
    assert rows["MESZ6"]["age_ms"] < 5000
    assert max(map(len, answer["text"].splitlines())) <= 80
    wanted = (await desk.command("subscriptions"))["data"]["subscriptions"]
    assert "MESZ6" not in {one["symbol"] for one in wanted}


async def test_the_bar_in_progress_is_built_from_trades(desk: RunningDesk) -> None:
    async def building() -> bool:
        (row,) = (await desk.command("watch MNQ 1m"))["data"]["rows"]
        return row["bar"] is not None and row["bar"]["volume"] > 0 and row["bar_source"] in {"hub", "polled"}

    async with asyncio.timeout(10):
        while not await building():  # noqa: ASYNC110 - asked over HTTP
            await asyncio.sleep(0.05)
    listed = (await desk.command("subscriptions"))["data"]
    assert "1m" in listed["live_bars"][MNQ]
    assert listed["last_data_age_ms"] < 5000


async def test_a_position_keeps_its_quotes_when_somebody_stops_looking(desk: RunningDesk) -> None:
    await desk.command("watch MNQ")
    listed = (await desk.command("subscriptions"))["data"]["subscriptions"]
    (mine,) = [one for one in listed if (one["symbol"], one["kind"]) == ("MNQZ6", "quotes")]
    assert (mine["count"], mine["is_confirmed"]) == (1, True)
    before = desk.session.desk.quotes.quote(ContractId(MNQ))
    assert before is not None
    await until(lambda: desk.session.desk.quotes.quote(ContractId(MNQ)) != before)


async def test_watching_goes_on_in_place_until_a_key(desk: RunningDesk) -> None:
    """The terminal's part is played here: what is drawn changes, the loop is free, and an interrupt unsubscribes."""
    pages: list[str] = []

    async def show(draw: object) -> None:
        assert callable(draw)
        while len(set(pages)) < 3:
            pages.append(str(draw()))
            await asyncio.sleep(0.03)

    caller = Caller(by="console", urls=Urls("", ""), show=show)  # type: ignore[arg-type]
    result = await run_command(desk.session.desk, "watch MES", caller)
    assert result.ok, result.text
    assert "ends it" not in result.text

    async def for_ever(draw: object) -> None:
        del draw
        await asyncio.Event().wait()

    caller = Caller(by="console", urls=Urls("", ""), show=for_ever)  # type: ignore[arg-type]
    watching = asyncio.create_task(run_command(desk.session.desk, "watch MES", caller))
    market = desk.session.desk.market
    assert market is not None
    await until(lambda: "CON.F.US.MES.Z26" in {one.contract_id for one in market.status().subscribed})
    watching.cancel()
    await asyncio.wait([watching])
    assert "CON.F.US.MES.Z26" not in {one.contract_id for one in market.status().subscribed}


async def test_history_over_http_has_the_bars_as_numbers(desk: RunningDesk) -> None:
    data = (await desk.command("history MNQ 1m 300"))["data"]
    assert len(data["bars"]) == data["count"] == 300
    assert set(data["bars"][0]) == {"ts_open", "open", "high", "low", "close", "volume"}
    assert data["bars"][0]["ts_open"] < data["bars"][-1]["ts_open"]
    held = (await desk.session.desk.history.bars(ContractId(MNQ), parse_timeframe("1m"), 300)).bars
    assert data["bars"][0]["open"] == float(held[0].open)


async def test_twenty_thousand_bars_do_not_stop_the_loop(desk: RunningDesk) -> None:
    await desk.command("history MNQ 1m 20000 csv")  # read before, so that only the answer is measured
    async with (
        longest_turn() as turns,
        desk.http.post(
            f"{desk.private}/api/command",
            json={"line": "history MNQ 1m 20000"},
            headers={"Authorization": "Bearer an-api-token-of-tests"},
        ) as reply,
    ):
        body = await reply.read()
    assert body.count(b'"ts_open"') >= 20_000
    assert turns.worst_s < 0.2


async def test_files_hold_closed_bars_and_lie_in_exports(desk: RunningDesk, tmp_path: Path) -> None:
    for kind in ("csv", "parquet"):
        answer = await desk.command(f"history MNQ 1m 100 {kind}")
        assert answer["ok"], answer
        path = Path(answer["data"]["file"])
        assert path.parent == (tmp_path / "exports").absolute()
        assert path.name.startswith("MNQZ6_1m_")
        assert "100 closed bars" in answer["text"]
    assert len(list((tmp_path / "exports").iterdir())) == 2


async def test_a_chart_fits_eighty_columns_and_its_file_needs_no_network(desk: RunningDesk) -> None:
    pytest.importorskip("plotly")
    lines = (await desk.command("chart MNQ 5m 60"))["text"].splitlines()
    assert lines[0].startswith("MNQZ6 5m")
    assert max(map(len, lines)) <= 80
    answer = await desk.command("chart MNQ 5m 50 html")
    assert answer["ok"], answer
    text = await asyncio.to_thread(Path(answer["data"]["file"]).read_text, "utf-8")
    assert "<script src" not in text
    assert "<link" not in text
    assert text.count('"candlestick"') >= 1


async def test_the_cache_says_what_is_stored_and_who_answered(desk: RunningDesk) -> None:
    await desk.command("history MNQ 5m 100")
    await desk.command("history MNQ 5m 100")
    answer = await desk.command("cache MNQ 5m")
    assert answer["ok"], answer
    (one,) = [series for series in answer["data"]["series"] if series["timeframe"] == "5m"]
    assert one["symbol"] == "MNQZ6"
    assert one["bars"] >= 99
    assert "memory" in one["tiers"]
    stats = answer["data"]["stats"]
    assert stats["requests"] >= 1
    assert 0 < stats["memory_bytes"] <= stats["memory_most"]
    assert stats["tiers"][0]["name"] == "memory"
    assert max(map(len, answer["text"].splitlines())) <= 80
    nothing = await desk.command("cache lumber")
    assert "No stored series has that in its name." in nothing["text"]


async def test_days_are_those_of_the_caller_and_dates_reach_the_service(desk: RunningDesk) -> None:
    answer = await desk.command("history MNQ 1h 7d")
    assert answer["ok"], answer
    assert answer["data"]["count"] == 24 * 7
    again = await desk.command("history MNQ 1h 7d raw")
    assert again["data"]["requests"] <= 1
    assert len(again["text"].splitlines()) == 24 * 7 + 1


async def test_a_product_over_its_rolls_names_what_it_did(desk: RunningDesk, tmp_path: Path) -> None:
    answer = await desk.command("history MNQ 1d 5 stitch=adjusted")
    assert answer["ok"], answer
    assert answer["data"]["stitch"] == "adjusted"
    assert "stitch=adjusted" in answer["text"]
    assert answer["text"].startswith("MNQ 1d")
    assert answer["text"].splitlines()[6].endswith("forming")
    written = await desk.command("history MNQ 1d 5 stitch=none csv")
    assert written["ok"], written
    lines = await asyncio.to_thread(Path(written["data"]["file"]).read_text, "utf-8")
    assert len(lines.splitlines()) == 1 + written["data"]["count"]
    newest = answer["data"]["bars"][-1]["ts_open"]
    assert newest not in lines
    assert (tmp_path / "exports").is_dir()


async def test_more_than_an_answer_holds_is_refused_before_it_is_fetched(desk: RunningDesk) -> None:
    answer = await desk.command("history MNQ 1m 100001")
    assert not answer["ok"]
    assert "an answer holds 100,000. Add csv or parquet" in answer["text"]


async def test_more_days_than_were_read_before_come_whole(desk: RunningDesk) -> None:
    """A request that begins before known days asks beyond its end, for a bar that closes after it: these do not count."""
    assert (await desk.command("history MNQ 1d 30d"))["data"]["problem"] is None
    answer = await desk.command("history MNQ 1d 200")
    assert (answer["data"]["problem"], answer["data"]["count"]) == (None, 200)
