"""``archive``: bars out of files and into files, through a real history service."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest

from desk.core.ids import ContractId
from desk.core.timeframe import BarUnit, parse_timeframe
from desk.core.words import Contract
from desk.market.bars import NANOS, Bars
from desk.runtime.history import HistoryService
from desk.store.barfiles import write_bars
from desk.surfaces import view
from desk.surfaces.calls import Caller, CommandResult
from desk.surfaces.commands import run_command
from tests.surfaces.room import MNQ, T0, Room

M1 = parse_timeframe("1m")
FIRST = datetime(2026, 11, 17, 14, 0, tzinfo=UTC)
HEAD = "time,open,high,low,close,volume\n"


class Gateway:
    """Bars that a test gives it; none else."""

    def __init__(self) -> None:
        self.bars = Bars.empty()
        self.asked: list[tuple[datetime, datetime]] = []

    async def __call__(
        self,
        contract_id: ContractId,
        unit: BarUnit,
        unit_number: int,
        start: datetime,
        end: datetime,
        limit: int,
        partial: bool,
    ) -> Bars:
        self.asked.append((start, end))
        return self.bars.between(int(start.timestamp()), int(end.timestamp())).newest(limit)


@pytest.fixture
def gateway(room: Room) -> Gateway:
    made = Gateway()
    room.desk.history = HistoryService(made, room.clock)
    return made


async def run(room: Room, line: str, caller: Caller) -> CommandResult:
    result = await run_command(room.desk, line, caller)
    msgspec.json.decode(view.encode(result.data))
    result.renderable()
    return result


def minutes(count: int, first: datetime = FIRST, points: int = 21_000) -> Bars:
    ts = int(first.timestamp()) + np.arange(count) * 60
    close = (points + np.arange(count) % 7) * NANOS
    return Bars(ts, close, close + NANOS, close - NANOS, close, 10 + np.arange(count) % 5)


def put(tmp_path: Path, bars: Bars, name: str = "MNQZ6_1m.csv") -> Path:
    return write_bars(tmp_path / name, bars, "MNQZ6", "1m", "csv")


async def stored(room: Room, count: int, first: datetime = FIRST, contract: Contract = MNQ) -> Bars:
    reply = await room.desk.history.between(
        contract.contract_id, M1, first, first + timedelta(minutes=count), partial=False
    )
    return reply.columns


async def test_a_file_is_taken_over_and_tells_what_it_brought(
    room: Room, gateway: Gateway, caller: Caller, tmp_path: Path
) -> None:
    said: list[str] = []
    path = put(tmp_path, minutes(600))
    result = await run(room, f"archive import {path}", replace(caller, say=said.append))
    assert result.ok, result.text
    assert "600 bars of MNQZ6 1m, 2026-11-17 14:00 to 2026-11-17 23:59 UTC" in result.text
    assert "600 new, 0 known already" in result.text
    assert "from the distance of the rows" in result.text
    assert len(said) == 2
    assert (await stored(room, 600)).equals(minutes(600))
    assert gateway.asked == []  # nothing is asked for that the file proves
    again = await run(room, f"archive import {path} MNQ 1m", caller)
    assert "0 new, 600 known already" in again.text
    listed = await run(room, "archive", caller)
    assert "MNQZ6" in listed.text
    assert "600" in listed.text


async def test_the_gateways_word_stays_and_the_difference_is_told(
    room: Room, gateway: Gateway, caller: Caller, tmp_path: Path
) -> None:
    gateway.bars = minutes(10)
    assert len(await stored(room, 10)) == 10
    result = await run(room, f"archive import {put(tmp_path, minutes(20, points=22_000))} MNQZ6", caller)
    assert "10 differ from what the gateway said: the gateway's stay" in result.text
    assert "10 new, 10 known already" in result.text
    whole = await stored(room, 20)
    assert whole.between(0, int(FIRST.timestamp()) + 600).equals(minutes(10))
    assert len(whole) == 20


async def test_a_hole_in_a_file_is_not_taken_for_a_quiet_market(
    room: Room, gateway: Gateway, caller: Caller, tmp_path: Path
) -> None:
    bars = minutes(10)
    torn = Bars(*(np.delete(getattr(bars, name), [4, 5]) for name in ("ts", "open", "high", "low", "close", "volume")))
    gateway.bars = bars
    assert (await run(room, f"archive import {put(tmp_path, torn)}", caller)).ok
    assert (await stored(room, 10)).equals(bars)
    assert gateway.asked


@pytest.mark.parametrize(
    ("text", "words", "why"),
    [
        (
            f"{HEAD}2026-11-17T14:00Z,1,1,1,1,1\n2026-11-17T14:01Z,1.1,2,1,1,1\n",
            "",
            "line 3: a price is not on the grid",
        ),
        (f"{HEAD}2026-11-17T14:00Z,1,1,1,1,1\n2026-11-17T14:05Z,1,1,1,1,1\n", "1m", "its bars are 5m apart, not 1m"),
        (f"{HEAD}2026-11-17T14:00Z,1,1,1,1,1\n2026-11-17T18:00Z,1,1,1,1,1\n", "", "bars of 4h cannot be checked"),
        (f"{HEAD}2026-11-17T14:00Z,1,1,1,1,1\n", "", "one bar does not tell how long it is"),
        (f"{HEAD}2026-11-18T14:31Z,1,1,1,1,1\n", "1m", "line 2: it is in the future"),
        (f"{HEAD}2026-11-18T14:30Z,1,1,1,1,1\n", "1m", "none of its bars is final yet"),
        (f"{HEAD}2026-11-17T14:00Z,1,1,1,1,1\n", "1x", "not a timeframe"),
        (f"{HEAD}2026-11-17T14:00Z,1,1,1,1,1\n", "1m zone=Mars/Base", "zone=Mars/Base"),
        (f"{HEAD}2026-11-17T14:00Z,1,1,1,1,1\n", "1m stamp=middle", "stamp=middle"),
        (f"{HEAD}2026-11-17T14:00Z,1,1,1,1,1\n", "1m one more", "one word too many"),
        (HEAD, "1m", "has 0 bars"),
    ],
)
async def test_what_is_refused_leaves_nothing(
    room: Room, gateway: Gateway, caller: Caller, tmp_path: Path, text: str, words: str, why: str
) -> None:
    path = tmp_path / "bars.csv"
    path.write_text(text)
    result = await run(room, f"archive import {path} MNQ {words}", caller)
    assert not result.ok
    assert why in result.text
    assert await room.desk.history.series() == []


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("archive frob", "write archive, archive import"),
        ("archive import", "Which file?"),
        ("archive import none.csv MNQ", "no such file"),
        ("archive import none.csv", "There is no such file: /"),
        ("archive import CME_MINI_MNQ1!, 1.csv", "A name with blanks goes into quotes"),
        ("archive import .", "does not say which contract"),
        ("archive import . GME", "'GME' is not a futures symbol"),
        ("archive export", "Write archive export"),
        ("archive export MNQ 5m", "Write archive export"),
        ("archive export MNQ 5m csv parquet", "Write archive export"),
        ("archive export MNQ 5m csv", "No 5m bars of MNQZ6 are stored"),
        ("archive export MNQ 5m 20 csv", "Write archive export MNQ 5m 2026-11-18 2026-11-19 csv"),
        ("archive export MNQ 5m 2026-11-31 csv", "not a date that is understood"),
    ],
)
async def test_what_is_written_wrongly_says_how_it_is_right(
    room: Room, gateway: Gateway, caller: Caller, line: str, why: str
) -> None:
    result = await run(room, line, caller)
    assert not result.ok
    assert why in result.text


async def test_a_continuous_chart_over_a_roll_is_refused_unless_the_contract_is_named(
    room: Room, gateway: Gateway, caller: Caller, tmp_path: Path
) -> None:
    early = datetime(2026, 6, 1, 14, 0, tzinfo=UTC)
    path = put(tmp_path, minutes(10, early), "CME_MINI_MNQ1!, 1.csv")
    refused = await run(room, f'archive import "{path}"', caller)
    assert "when MNQM26 was the front month, so a continuous chart would mix contracts" in refused.text
    assert "write MNQZ2026 for the symbol" in refused.text
    assert (await run(room, f"archive import '{path}' MNQZ2026", caller)).ok


async def test_an_expired_contract_is_asked_of_the_gateway(
    room: Room, gateway: Gateway, caller: Caller, tmp_path: Path
) -> None:
    class Lookup:
        async def contract(self, contract_id: ContractId) -> Contract | None:
            known = contract_id == "CON.F.US.MNQ.M26"
            return replace_contract(contract_id) if known else None

    path = put(tmp_path, minutes(10, datetime(2026, 6, 1, 14, 0, tzinfo=UTC)))
    assert "the gateway is not connected yet" in (await run(room, f"archive import {path} MNQM6", caller)).text
    room.desk.lookup = Lookup()
    assert (await run(room, f"archive import {path} MNQM6", caller)).ok
    assert "does not know MNQH6" in (await run(room, f"archive import {path} MNQH6", caller)).text
    after = put(tmp_path, minutes(10, datetime(2026, 7, 2, 14, 0, tzinfo=UTC)))
    assert (
        "the contract trades from 2000-01-01 to 2026-07-01"
        in (await run(room, f"archive import {after} MNQM6", caller)).text
    )


def replace_contract(contract_id: ContractId) -> Contract:
    return msgspec.structs.replace(MNQ, contract_id=contract_id, name="MNQM6", is_active=False)


async def test_ninjatraders_times_are_moved_to_the_beginning_and_that_is_said(
    room: Room, gateway: Gateway, caller: Caller, tmp_path: Path
) -> None:
    path = tmp_path / "MNQ 12-26.Last.txt"
    path.write_text("20261117 140100;21000;21001;20999;21000;5\n20261117 140200;21000;21001;20999;21000;5\n")
    result = await run(room, f'archive import "{path}"', caller)
    assert "Times were taken as the end of a bar" in result.text
    assert (await stored(room, 2)).ts.tolist() == [int(FIRST.timestamp()), int(FIRST.timestamp()) + 60]


async def test_a_zone_is_taken_and_said(room: Room, gateway: Gateway, caller: Caller, tmp_path: Path) -> None:
    path = tmp_path / "MNQ.csv"
    path.write_text(f"{HEAD}2026-11-17 08:00,21000,21001,20999,21000,5\n")
    result = await run(room, f"archive import {path} 1m zone=America/Chicago", caller)
    assert "Times without an offset are read as America/Chicago." in result.text
    assert (await stored(room, 1)).ts.tolist() == [int(FIRST.timestamp())]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
async def test_what_is_exported_can_be_imported(
    room: Room, gateway: Gateway, caller: Caller, tmp_path: Path, kind: str
) -> None:
    await run(room, f"archive import {put(tmp_path, minutes(50))}", caller)
    first = await run(room, f"archive export MNQ 1m {kind}", caller)
    second = await run(room, f"archive export MNQ 1m 2026-11-17T14:10Z 2026-11-17T14:20Z {kind}", caller)
    assert "50 closed bars are in" in first.text
    assert "10 closed bars are in" in second.text
    path = Path(str(first.data["file"]))  # type: ignore[index]
    assert path.parent == room.desk.journal.path.parent / "exports"
    assert path.name == f"MNQZ6_1m_20261117_20261117.{kind}"
    table = pd.read_csv(path) if kind == "csv" else pd.read_parquet(path)
    assert len(table) == 50
    assert "0 new, 50 known already" in (await run(room, f"archive import {path}", caller)).text


async def test_a_day_of_an_export_is_the_day_of_history(
    room: Room, gateway: Gateway, caller: Caller, tmp_path: Path
) -> None:
    """Midnight to midnight in the user's zone; a trading day would begin at 23:00 UTC the day before."""
    caller = replace(caller, zone=UTC)
    room.clock.time = FIRST + timedelta(days=3)
    gateway.bars = minutes(2 * 1440, datetime(2026, 11, 16, 12, 0, tzinfo=UTC))
    exported = await run(room, "archive export MNQ 1m 2026-11-17 csv", caller)
    shown = await run(room, "history MNQ 1m 2026-11-17 csv", caller)
    files = [pd.read_csv(str(result.data["file"])) for result in (exported, shown)]  # type: ignore[index]
    assert files[0].equals(files[1])
    assert files[0]["time"].iloc[0] == "2026-11-17T00:00:00Z"
    assert len(files[0]) == 1440


async def test_imported_bars_are_named_where_the_stored_ones_are_listed(
    room: Room, gateway: Gateway, caller: Caller, tmp_path: Path
) -> None:
    await run(room, f"archive import {put(tmp_path, minutes(50))}", caller)
    assert "Imported from files: MNQZ6 1m." in (await run(room, "cache", caller)).text
    assert (await run(room, "archive", caller)).text.splitlines()[1].endswith("memory  imported")
    gateway.bars = minutes(10, FIRST - timedelta(minutes=10))
    await run(room, "history MNQ 1m 2026-11-17T13:50Z 2026-11-17T14:00Z", caller)
    assert "Imported from files: MNQZ6 1m in part." in (await run(room, "cache", caller)).text


async def test_history_of_an_expired_contract_is_asked_of_the_gateway(
    room: Room, gateway: Gateway, caller: Caller
) -> None:
    class Lookup:
        async def contract(self, contract_id: ContractId) -> Contract | None:
            return replace_contract(contract_id) if contract_id == "CON.F.US.MNQ.M26" else None

    room.desk.lookup = Lookup()
    gateway.bars = minutes(10, datetime(2026, 6, 1, 14, 0, tzinfo=UTC))
    asked = "1m 2026-06-01T14:00Z 2026-06-01T14:10Z"
    assert "MNQM6 1m" in (await run(room, f"history MNQM6 {asked}", caller)).text
    assert (await run(room, f"chart MNQM6 {asked}", caller)).ok
    assert "does not know MNQH6" in (await run(room, f"history MNQH6 {asked}", caller)).text
    long_ago = (await run(room, "history MNQ 1m 2025-01-06", caller)).text
    assert "By the calendar MNQH25 was the front month then: write that, or add stitch=none." in long_ago
    assert "Was the market open?" in (await run(room, "history MNQ 1m 2026-11-15", caller)).text
    assert "front month then" in (await run(room, "history MNQ 1m 2000-01-01 2000-01-02", caller)).text
    assert "MNQM26  1m" in (await run(room, "cache mnqm26", caller)).text, "as the rolls name it"


async def test_many_bars_do_not_stall_the_loop(room: Room, gateway: Gateway, caller: Caller, tmp_path: Path) -> None:
    """Ten months of minutes with a hole in every tenth hour."""
    room.clock.time = T0
    count = 400_000
    bars = minutes(count, T0 - timedelta(minutes=count + 5))
    kept = np.flatnonzero(np.arange(count) % 600 != 7)
    torn = Bars(*(getattr(bars, name)[kept] for name in ("ts", "open", "high", "low", "close", "volume")))
    path = write_bars(tmp_path / "MNQZ6.parquet", torn, "MNQZ6", "1m", "parquet")
    worst, is_over = 0.0, False

    async def watch() -> None:
        nonlocal worst
        while not is_over:
            before = time.process_time()  # what other programs take of the processor is no stall of ours
            await asyncio.sleep(0.002)
            worst = max(worst, time.process_time() - before)

    watching = asyncio.create_task(watch())
    result = await run(room, f"archive import {path} MNQZ2026", caller)
    is_over = True
    await watching
    assert result.ok, result.text
    assert worst < 0.3, f"the loop stood still for {worst * 1000:.0f} ms"
