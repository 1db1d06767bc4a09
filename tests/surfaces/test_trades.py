"""The command ``trades``: round trips of a span, its file, and what it says when something is missing."""

from __future__ import annotations

import csv
import errno
import io
import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.core.ids import AccountId, ClientOrderId, ContractId
from desk.core.plans import ExitReason
from desk.core.records import FillRecorded
from desk.surfaces import view
from desk.surfaces.calls import Caller, CommandResult
from desk.surfaces.commands import run_command
from desk.surfaces.trade_file import COLUMNS, FileNotWritten, trades_as_csv, write_trades
from desk.surfaces.trade_view import TradeView
from tests.ledger.samples import closed, fill
from tests.surfaces import room as rooms
from tests.surfaces.room import ACCOUNT, CAUSE, MNQ, T0, Room

DAY_S = 86_400.0
WON = [
    fill(1, "buy", 2, "21034.25", after_s=-600),
    fill(2, "sell", 1, "21044.25", "20", after_s=-300),
    fill(3, "sell", 1, "21054.25", "40", after_s=-60, tag=ClientOrderId("dsk-entry-TP")),
]
LOST = [fill(4, "sell", 1, "21050", after_s=-50), fill(5, "buy", 1, "21060.25", "-20.50", after_s=-10)]


async def run(room: Room, line: str, caller: Caller) -> CommandResult:
    result = await run_command(room.desk, line, caller)
    msgspec.json.decode(view.encode(result.data))
    result.renderable()
    return result


async def told(room: Room, line: str, caller: Caller) -> dict[str, Any]:
    """What a program gets."""
    data: dict[str, Any] = msgspec.json.decode(view.encode((await run(room, line, caller)).data))
    found: dict[str, Any] = data["trades"]
    return found


async def test_no_trade_is_a_sentence_and_dashes(room: Room, caller: Caller) -> None:
    lines = (await run(room, "trades", caller)).text.splitlines()
    assert lines[0] == (
        "Trading day 2026-11-18: Tue 2026-11-17 17:00 to Wed 2026-11-18 17:00 CST, "
        "which is Wed 2026-11-18 00:00 to Thu 2026-11-19 00:00 CET"
    )
    assert lines[1] == "No trade was closed in this time."
    assert {("win", "rate", "–"), ("profit", "factor", "–")} <= {tuple(line.split()) for line in lines}


async def test_trades_are_shown_on_both_clocks_with_costs_and_reason(room: Room, caller: Caller) -> None:
    await room.desk.journal.append([*WON, closed(-59.8, qty=2, reason=ExitReason.TARGET)])
    lines = (await run(room, "trades", caller)).text.splitlines()
    assert lines[1] == "PAPER-50K"
    assert lines[2].split()[:7] == ["day", "in", "CET", "out", "CET", "out", "CST"]
    assert lines[3].split() == [
        "Wed", "2026-11-18", "15:20:00", "15:29:00", "08:29:00", "MNQZ6", "long", "2", "21034.25", "21049.25",
        "+60.00", "2.44", "+57.56", "9", "min", CAUSE, "target",
    ]  # fmt: skip


async def test_statistics_stand_under_the_table(room: Room, caller: Caller) -> None:
    await room.desk.journal.append([*WON, *LOST])
    text = (await run(room, "trades", caller)).text
    for figure in ("1 / 1 / 0", "50.0 %", "+35.84", "+57.56 / -21.72", "2.65"):
        assert figure in text


async def test_a_program_gets_exact_numbers_and_stable_names(room: Room, caller: Caller) -> None:
    await room.desk.journal.append([*WON, *LOST])
    found = await told(room, "trades", caller)
    assert (found["from"], found["to"]) == ("2026-11-17T23:00:00Z", "2026-11-18T23:00:00Z")
    assert set(found["trades"][0]) == set(COLUMNS)
    assert [trade["net_usd"] for trade in found["trades"]] == [57.56, -21.72]
    assert found["statistics"]["total_net"] == 35.84
    assert [(day["day"], day["net_usd"]) for day in found["days"]] == [("2026-11-18", 35.84)]


async def test_a_trade_belongs_to_the_day_of_its_end(room: Room, caller: Caller) -> None:
    overnight = [fill(1, "buy", 1, "21000", after_s=-DAY_S), fill(2, "sell", 1, "21010", "20", after_s=-60)]
    await room.desk.journal.append(overnight)
    assert (await told(room, "trades yesterday", caller))["trades"] == []
    (trade,) = (await told(room, "trades", caller))["trades"]
    assert (trade["entry_price"], trade["duration_ms"]) == (21000, (DAY_S - 60) * 1000)
    lines = (await run(room, "trades 2026-11-17 2026-11-18", caller)).text.splitlines()
    assert "Tue 2026-11-17 15:30:00" in lines[3]
    assert [line.split()[1] for line in lines if line.startswith(("Tue ", "Wed "))] == [
        "2026-11-18",
        "2026-11-17",
        "2026-11-18",
    ]


async def test_a_trade_that_ended_later_was_still_open_then(room: Room, caller: Caller) -> None:
    records = [fill(1, "buy", 1, "21000", after_s=-DAY_S), fill(2, "sell", 1, "21010", "20", after_s=-60)]
    await room.desk.journal.append(records)
    (trade,) = (await told(room, "trades yesterday", caller))["open"]
    assert (trade["qty"], trade["unrealised_usd"]) == (1, None)
    assert "ends before now" in trade["unrealised_note"]


async def test_a_fill_that_was_read_late_stands_where_it_happened(room: Room, caller: Caller) -> None:
    opening, closing = (
        fill(1, "buy", 1, "21000", after_s=-2 * DAY_S, recorded_s=-30),
        fill(2, "sell", 1, "21010", "20", after_s=-2 * DAY_S + 60, recorded_s=-30),
    )
    await room.desk.journal.append([closing, opening])
    assert len((await told(room, "trades 2026-11-16", caller))["trades"]) == 1


async def test_an_entry_before_the_first_fill_is_a_dash_and_said(room: Room, caller: Caller) -> None:
    await room.desk.journal.append([fill(1, "sell", 1, "21010", "20", after_s=-60)])
    result = await run(room, "trades", caller)
    assert "the costs of the entry are not counted" in result.text
    (trade,) = (await told(room, "trades", caller))["trades"]
    assert (trade["entry_price"], trade["opened_at"], trade["duration_ms"]) == (None, None, None)
    assert trade["gross_usd"] == 20


async def test_an_end_that_was_not_seen_is_a_dash_and_said(room: Room, caller: Caller) -> None:
    records = [fill(1, "buy", 1, "21000", after_s=-60), fill(3, "buy", 1, "21010", "20", after_s=-50)]
    await room.desk.journal.append(records)
    result = await run(room, "trades", caller)
    assert "1 of the trades ended by fills that are not known (yet)" in result.text
    assert "No P&L of" not in result.text
    assert "1 (+1 without P&L)" in result.text


async def test_an_unknown_contract_is_named_and_left_out_of_the_sums(room: Room, caller: Caller) -> None:
    old = msgspec.structs.replace(MNQ, contract_id=ContractId("CON.F.US.MNQ.U26"))
    records = [
        fill(1, "buy", 1, "21000", after_s=-60, contract=old),
        fill(2, "sell", 1, "21010", after_s=-50, contract=old),
    ]
    await room.desk.journal.append(records)
    result = await run(room, "trades", caller)
    assert "No P&L of CON.F.US.MNQ.U26" in result.text
    assert "0 (+1 without P&L)" in result.text


async def test_several_accounts_have_a_column_each(room: Room, caller: Caller) -> None:
    other = [
        fill(8, "buy", 1, "21000", after_s=-60, account=AccountId(7002)),
        fill(9, "sell", 1, "21010", "20", after_s=-50, account=AccountId(7002)),
    ]
    await room.desk.journal.append([*WON, *other])
    text = (await run(room, "trades", caller)).text
    heads = next(line for line in text.splitlines() if line.startswith("statistics"))
    assert heads.split() == ["statistics", "all", "PAPER-50K", "7002"]
    assert "By trading day" in text
    assert [line.split()[-2] for line in text.splitlines() if "MNQZ6" in line] == ["PAPER-50K", "7002"]


# --- what is still open --------------------------------------------------------------------------------------------


OPENED = fill(1, "buy", 2, "21034.25", after_s=0)


async def test_an_open_trade_is_valued_at_what_a_close_would_get(room: Room, caller: Caller) -> None:
    room.tell(*rooms.position_records())
    await room.desk.journal.append([OPENED])
    room.clock.advance(60)
    room.desk.quotes.say("21040.25", room.clock.now())  # type: ignore[attr-defined]
    result = await run(room, "trades", caller)
    assert "Still open" in result.text
    (trade,) = (await told(room, "trades", caller))["open"]
    assert (trade["unrealised_usd"], trade["mark_age_ms"], trade["unrealised_note"]) == (24, 0, None)


async def test_each_account_has_what_it_realised_and_what_a_close_would(room: Room, caller: Caller) -> None:
    """A part that was closed is realised although its trade is open: no statistic has it yet."""
    room.tell(*rooms.position_records(qty=1))
    part = fill(2, "sell", 1, "21044.25", "20", after_s=10)
    await room.desk.journal.append([OPENED, part])
    room.clock.advance(60)
    room.desk.quotes.say("21040.25", room.clock.now())  # type: ignore[attr-defined]
    result = await run(room, "trades", caller)
    lines = result.text.splitlines()
    row = lines[lines.index("By account") + 2].split()
    (pnl,) = result.data["trades"].pnl  # type: ignore[index]
    costs = pnl.fees_usd + pnl.commissions_usd
    assert (pnl.realised_usd, pnl.net_usd, pnl.unrealised_usd) == (20, 20 - costs, 12)
    assert row == ["PAPER-50K", "+20.00", f"{costs:.2f}", f"{20 - costs:+.2f}", "+12.00"]
    room.clock.advance(60)
    (pnl,) = (await run(room, "trades", caller)).data["trades"].pnl  # type: ignore[index]
    assert pnl.unrealised_usd is None, "the quote is too old"


@pytest.mark.parametrize("is_old", [True, False])
async def test_without_a_fresh_quote_there_is_a_dash_and_the_reason(room: Room, caller: Caller, is_old: bool) -> None:
    room.tell(*rooms.position_records())
    await room.desk.journal.append([OPENED])
    if is_old:
        room.desk.quotes.say("21040.25", room.clock.now())  # type: ignore[attr-defined]
    room.clock.advance(60)
    text = (await run(room, "trades", caller)).text
    assert f"no unrealised P&L, {'the last quote is 60 s old' if is_old else 'no quote was seen yet'}" in text


async def test_a_position_that_the_venue_does_not_have_is_not_valued(room: Room, caller: Caller) -> None:
    await room.desk.journal.append([OPENED])
    room.clock.advance(1)
    assert "the venue holds none: a fill is missing" in (await run(room, "trades", caller)).text


async def test_a_position_without_a_known_fill_is_named(room: Room, caller: Caller) -> None:
    room.tell(*rooms.position_records())
    assert "MNQZ6 +2 in PAPER-50K is open, and none of its fills is known" in (await run(room, "trades", caller)).text
    assert "is open" not in (await run(room, "trades yesterday", caller)).text


# --- the file ------------------------------------------------------------------------------------------------------


async def test_csv_writes_all_trades_beside_the_journal_and_names_the_file(room: Room, caller: Caller) -> None:
    await room.desk.journal.append([*WON, *LOST])
    result = await run(room, "trades today CSV", caller)
    path = room.desk.journal.path.parent / "trades_2026-11-18_2026-11-18.csv"
    assert str(path) in result.text
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
    assert list(rows[0]) == list(COLUMNS)
    assert [(row["opened_at"], row["net_usd"], row["exit_reason"]) for row in rows] == [
        ("2026-11-18T14:20:00.000000Z", "57.56", "target"),
        ("2026-11-18T14:29:10.000000Z", "-21.72", "unknown"),
    ]
    assert not list(path.parent.glob("*.new"))


def test_the_document_describes_every_column_in_the_files_order() -> None:
    text = (Path(__file__).parents[2] / "docs" / "trades.md").read_text(encoding="utf-8")
    table = text.split("| column | |")[1].split("## The API")[0]
    named = [name for line in table.splitlines() for name in re.findall(r"`(\w+)`", line.partition(" | ")[0])]
    assert tuple(named) == COLUMNS


async def test_a_file_that_cannot_be_written_is_a_sentence(
    room: Room, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    result = await run_command(room.desk, "trades csv", caller)
    assert not result.ok
    assert "was not written: the disk is full" in result.text


def test_a_failure_leaves_the_file_from_before(tmp_path: Path) -> None:
    (tmp_path / "trades_all.csv").mkdir()
    with pytest.raises(FileNotWritten, match=r"trades_all\.csv was not written"):
        write_trades(tmp_path, "trades_all.csv", [])
    assert [path.name for path in tmp_path.iterdir()] == ["trades_all.csv"]


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_whatever_an_account_is_called_its_line_stays_one_row(name: str) -> None:
    trade = TradeView(
        account_id=ACCOUNT, account=name, contract_id=MNQ.contract_id, symbol="MNQZ6", side="long", qty=1,
        entry_price=None, exit_price=Decimal("21000"), opened_at=None, closed_at=T0, duration_ms=None,
        gross_usd=None, fees_usd=Decimal("0.72"), commissions_usd=Decimal("0.5"), net_usd=None,
        exit_reason="stop", cause="venue", fills=1,
    )  # fmt: skip
    rows = list(csv.reader(io.StringIO(trades_as_csv([trade]), newline="")))
    assert len(rows) == 2
    assert rows[1][1] == name
    assert rows[1][COLUMNS.index("net_usd")] == ""


# --- many ----------------------------------------------------------------------------------------------------------


async def test_of_many_trades_the_newest_are_drawn_and_all_are_counted(room: Room, caller: Caller) -> None:
    records: list[FillRecorded] = []
    for i in range(250):
        at = -5000.0 + 10 * i
        records += [
            fill(2 * i, "buy", 1, "21000", after_s=at),
            fill(2 * i + 1, "sell", 1, "21001", "2", after_s=at + 5),
        ]
    await room.desk.journal.append(records)
    result = await run(room, "trades", caller)
    assert "The newest 200 of 250 are shown" in result.text
    assert (await told(room, "trades", caller))["statistics"]["trips"] == 250


async def test_a_bad_time_names_the_good_ones(room: Room, caller: Caller) -> None:
    result = await run_command(room.desk, "trades 20.11.2026", caller)
    assert not result.ok
    assert "2026-11-20T14:30" in result.text


async def test_the_clock_decides_what_today_is(room: Room, caller: Caller) -> None:
    await room.desk.journal.append(WON)
    room.clock.time = T0 + timedelta(hours=8, minutes=30)  # 17:00 in Chicago
    assert (await told(room, "trades", caller))["trades"] == []
    assert len((await told(room, "trades yesterday", caller))["trades"]) == 1
