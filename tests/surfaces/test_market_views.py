"""What is said of quotes and contracts, and what is said where nothing is known."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

import pytest

from desk.core.errors import Unavailable
from desk.core.ids import ContractId
from desk.core.words import Contract
from desk.surfaces.calls import Caller, CommandResult
from desk.surfaces.commands import run_command
from tests.surfaces.room import MNQ, T0, Room


async def run(room: Room, line: str, caller: Caller) -> CommandResult:
    return await run_command(room.desk, line, caller)


@pytest.fixture(autouse=True)
def _no_long_waits(monkeypatch: pytest.MonkeyPatch, unit: float) -> None:
    monkeypatch.setattr("desk.surfaces.market.QUOTE_WAIT_S", unit)


# --- quote --------------------------------------------------------------------------------------------------------


async def test_a_fresh_quote_is_the_hubs(room: Room, caller: Caller) -> None:
    room.quotes.say("21040.5", T0 - timedelta(milliseconds=850))
    result = await run(room, "quote MNQ", caller)
    head, row = result.text.splitlines()
    assert head.split() == ["symbol", "bid", "ask", "last", "volume", "age", "exchange", "CET", "source"]
    assert row.split() == ["MNQZ6", "21040.50", "21040.75", "21040.50", "1,234", "850", "ms", "15:29:59.150", "hub"]
    assert isinstance(result.data, dict)
    assert (result.data["source"], result.data["is_fresh"]) == ("hub", True)


async def test_with_a_silent_hub_the_last_bar_answers_and_says_so(room: Room, caller: Caller) -> None:
    result = await run(room, "quote MNQ", caller)
    assert result.ok
    assert "21034.25" in result.text
    assert "up to" in result.text
    assert "Source: the last 1m bar, because the hub is silent. Bid and ask are not known." in result.text
    assert isinstance(result.data, dict)
    assert result.data["source"] == "last bar"


async def test_an_old_quote_is_better_than_an_older_bar(
    room: Room, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(*_: object, **__: object) -> None:
        raise Unavailable("the gateway is away")

    monkeypatch.setattr(type(room.desk.history), "bars", nothing)
    room.quotes.say("21040.5", T0 - timedelta(seconds=40))
    result = await run(room, "quote MNQ", caller)
    assert "21040.50" in result.text
    assert "40 s" in result.text
    assert "hub, silent" in result.text


async def test_where_nothing_is_known_nothing_is_invented(
    room: Room, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(*_: object, **__: object) -> None:
        raise Unavailable("the gateway is away")

    monkeypatch.setattr(type(room.desk.history), "bars", nothing)
    result = await run(room, "quote MNQ", caller)
    assert not result.ok
    assert result.text.startswith("Nothing is known of MNQZ6")


# --- contracts ----------------------------------------------------------------------------------------------------


def contract(name: str, contract_id: str, tick: str, value: str, *, is_active: bool = True) -> Contract:
    return Contract(
        contract_id=ContractId(contract_id),
        name=name,
        description=name,
        tick_size=Decimal(tick),
        tick_value=Decimal(value),
        symbol_id=contract_id.removeprefix("CON.").rpartition(".")[0],
        is_active=is_active,
    )


LISTED = (
    MNQ,
    contract("MNQU6", "CON.F.US.MNQ.U26", "0.25", "0.5", is_active=False),
    contract("CLF7", "CON.F.US.CLE.F27", "0.01", "10"),
    contract("MGCZ6", "CON.F.US.MGC.Z26", "0.1", "1"),
    contract("6JZ6", "CON.F.US.JY6.Z26", "0.0000005", "6.25"),
    contract("XXZ6", "CON.F.US.XX.Z26", "0.1", "1"),
)


@pytest.fixture
def listed(room: Room) -> Sequence[Contract]:
    room.desk.catalogue = {one.contract_id: one for one in LISTED}
    return LISTED


@pytest.mark.usefixtures("listed")
async def test_contracts_stand_in_groups_and_dates_by_rule_are_marked(room: Room, caller: Caller) -> None:
    text = (await run(room, "contracts", caller)).text
    assert text.splitlines()[:4] == [
        "index",
        "symbol  tick  $/tick  month     rolls        active  name",
        "MNQZ6   0.25     0.5  Dec 2026  ~2026-12-14  yes     Micro E-mini Nasdaq-100",
        "MNQU6   0.25     0.5  Sep 2026  ~2026-09-14  no      Micro E-mini Nasdaq-100",
    ]
    groups = [line for line in text.splitlines() if line in {"index", "energy", "metals", "fx", "others"}]
    assert groups == ["index", "energy", "metals", "fx", "others"]
    assert "0.0000005" in text
    assert text.splitlines()[-1].startswith("~ the day on which the next month usually takes over")
    assert max(map(len, text.splitlines()[:-1])) <= 80


@pytest.mark.usefixtures("listed")
async def test_a_product_that_nobody_knows_has_no_invented_month(room: Room, caller: Caller) -> None:
    result = await run(room, "contracts XX", caller)
    assert isinstance(result.data, list)
    (row,) = result.data
    assert (row["group"], row["month"], row["rolls_on"], row["rolls_on_is_estimated"]) == ("others", None, None, None)


@pytest.mark.usefixtures("listed")
@pytest.mark.parametrize(
    ("asked", "names"),
    [("gold", ["MGCZ6"]), ("INDEX", ["MNQZ6", "MNQU6"]), ("micro nasdaq", ["MNQZ6", "MNQU6"]), ("cle", ["CLF7"])],
)
async def test_a_word_finds_contracts(room: Room, caller: Caller, asked: str, names: list[str]) -> None:
    result = await run(room, f"contracts {asked}", caller)
    assert isinstance(result.data, list)
    assert [row["name"] for row in result.data] == names


@pytest.mark.usefixtures("listed")
async def test_a_word_that_finds_nothing_names_the_groups(room: Room, caller: Caller) -> None:
    result = await run(room, "contracts lumber", caller)
    assert not result.ok
    assert "Groups: index, energy, metals, fx, others" in result.text


# --- the live ones, before there is a hub -------------------------------------------------------------------------


@pytest.mark.parametrize("line", ["depth MNQ", "watch MNQ", "subscriptions"])
async def test_before_the_hubs_are_there_it_says_so(room: Room, caller: Caller, line: str) -> None:
    result = await run(room, line, caller)
    assert not result.ok
    assert "not there yet; try again" in result.text


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("depth", "Write depth MNQ 5"),
        ("depth MNQ 51", "1 to 50"),
        ("depth MNQ x", "1 to 50"),
        ("watch", "Write watch MNQ ES 1m"),
        ("watch 1m", "Write watch MNQ ES 1m"),
        ("watch MNQ 1m 5m", "One timeframe"),
        ("watch MNQ 1s", "too short"),
        ("watch MNQ 7x", "Write watch MNQ ES 1m"),
        ("watch NOPE", "not a futures symbol"),
        ("chart", "Write chart MNQ 5m 100"),
        ("chart MNQ raw", "Write chart MNQ 5m 100"),
        ("chart MNQ stitch=none", "Write chart MNQ 5m 100"),
    ],
)
async def test_a_mistake_is_answered_with_what_to_write(room: Room, caller: Caller, line: str, hint: str) -> None:
    result = await run(room, line, caller)
    assert not result.ok
    assert hint in result.text


# --- history and chart on a still clock ---------------------------------------------------------------------------


async def test_raw_is_lines_in_the_users_zone_with_count_and_time(room: Room, caller: Caller) -> None:
    lines = (await run(room, "history MNQ 5m 3 -r", caller)).text.splitlines()
    assert lines[:3] == [
        "2026-11-18 15:20:00 21034.25 21035.25 21033.25 21034.25 150",
        "2026-11-18 15:25:00 21034.25 21035.25 21033.25 21034.25 150",
        "2026-11-18 15:30:00 21034.25 21035.25 21033.25 21034.25 150",
    ]
    assert lines[3].startswith("3 bars, source: gateway")
    assert " ms" in lines[3]


async def test_an_html_chart_without_plotly_says_how_to_get_it(
    room: Room, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "plotly", None)
    result = await run(room, "chart MNQ 5m 10 html", caller)
    assert not result.ok
    assert "pip install plotly" in result.text


async def test_a_chart_takes_the_size_of_its_screen(room: Room, caller: Caller) -> None:
    result = await run(room, "chart MNQ 5m 500 ascii", caller)
    assert result.text.isascii()
    lines = result.text.splitlines()
    assert lines[0] == "MNQZ6 5m  2026-11-18 09:50 to 15:30 CET  close 21034.25"
    assert max(map(len, lines)) <= 80
    assert "of 500 fit in 80 columns" in result.text
    unasked = await run(room, "chart MNQ 5m ascii", caller)
    shown = unasked.data["shown"]  # type: ignore[index]
    assert unasked.text.splitlines()[-1].startswith(f"{shown} bars, source")
    assert shown < 200
