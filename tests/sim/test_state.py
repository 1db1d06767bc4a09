"""What survives: the state file, replay of the down time, and the program around the server."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sqlite3
import sys
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from desk.sim import SimConfig, SimServer
from desk.sim.catalogue import Catalogue
from desk.sim.market import Market, index_of
from desk.sim.model import Account, Bracket, Order, PlaceRequest, Reply
from desk.sim.statefile import StateFile, StateFileError
from desk.sim.venue import Venue
from desk.sim.words import Status

from .raw import COMBINE, Rest, until

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 18, 15, tzinfo=UTC)
MNQ = "CON.F.US.MNQ.Z26"


class Clock:
    """A hand-set clock."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def venue(path: Path | None, clock: Clock, **settings: Any) -> Venue:
    return Venue(SimConfig(state_file=path, clock=clock, fill_delay_ms=0, **settings))


def place(world: Venue, **members: Any) -> Reply:
    request = PlaceRequest(COMBINE, MNQ, **({"type": 2, "side": 0, "size": 1} | members))
    return world.act(MNQ, lambda now: world.exchange.place(request, now))


def rows(world: Venue) -> list[Order]:
    return sorted(world.exchange.books.orders.values(), key=lambda row: row.id)


BRACKET = {"stop_loss": Bracket(-200, 4), "take_profit": Bracket(200, 1)}


@pytest.mark.parametrize("stop_type", [4, 5])
async def test_down_time_is_traded_as_if_it_had_been_lived_through(tmp_path: Path, stop_type: int) -> None:
    """The same orders in a world that stayed up, and in one that was away for two days."""
    bracket = BRACKET | {"stop_loss": Bracket(-200, stop_type)}
    clock = Clock()
    away = venue(tmp_path / "state.db", clock)
    place(away, custom_tag="a", **bracket)
    away.close()
    clock.now = NOW + timedelta(days=2)
    back = venue(tmp_path / "state.db", clock)
    back.close()

    clock.now = NOW
    present = venue(None, clock)
    place(present, custom_tag="a", **bracket)
    while clock.now < NOW + timedelta(days=2) and any(row.is_working for row in rows(present)):
        clock.now += timedelta(minutes=5)
        present.sync()
    present.close()
    assert not any(row.is_working for row in rows(back))
    assert rows(back) == rows(present)
    assert back.exchange.books.trades == present.exchange.books.trades
    assert back.exchange.books.accounts == present.exchange.books.accounts


async def test_days_of_down_time_take_about_a_second(tmp_path: Path) -> None:
    clock = Clock()
    away = venue(tmp_path / "state.db", clock)
    place(away, stop_loss=Bracket(-40_000, 4), take_profit=Bracket(40_000, 1))
    away.close()
    clock.now += timedelta(days=5)
    started = time.process_time()
    venue(tmp_path / "state.db", clock).close()
    assert time.process_time() - started < 3


async def test_ids_tags_positions_and_balances_go_on(tmp_path: Path) -> None:
    clock = Clock()
    first = venue(tmp_path / "state.db", clock, market="manual")
    place(first, custom_tag="burnt", **BRACKET)
    place(first, type=1, limit_price=Decimal("1.1"), custom_tag="rejected")
    before, trades = rows(first), list(first.exchange.books.trades)
    balance = first.exchange.books.accounts[COMBINE].balance
    first.close()
    second = venue(tmp_path / "state.db", clock, market="manual")
    assert rows(second) == before
    assert second.exchange.books.trades == trades
    assert second.exchange.books.accounts[COMBINE].balance == balance
    for tag in ("burnt", "rejected"):
        assert place(second, custom_tag=tag).message == "Specified custom tag is already in use"
    reply = place(second)
    assert reply.order_id == before[-1].id + 3
    assert second.exchange.books.trades[-1].id == trades[-1].id + 1
    assert second.exchange.books.net(COMBINE, MNQ) == 2
    second.close()


async def test_a_price_set_by_hand_is_kept(tmp_path: Path) -> None:
    clock = Clock()
    first = venue(tmp_path / "state.db", clock)
    first.set_price(MNQ, Decimal("30123.25"))
    first.close()
    second = venue(tmp_path / "state.db", clock)
    contract = second.find(MNQ)
    assert contract is not None
    assert second.market.quote(contract, clock.now).last == Decimal("30123.25")
    second.close()


@pytest.mark.parametrize(
    "content", [b"this is no database, whatever it is" * 200, b"SQLite format 3\x00" + bytes(4000)]
)
async def test_a_damaged_state_file_is_an_error_and_stays_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "state.db"
    path.write_bytes(content)
    with pytest.raises(StateFileError, match=r"state\.db cannot be used"):
        async with SimServer(SimConfig(state_file=path)):
            pass
    assert path.read_bytes() == content


def test_what_is_no_damage_is_no_reason_to_move_the_file_away(tmp_path: Path) -> None:
    """Cause: on a full disk it advised to give up the accounts."""
    (tmp_path / "state.db").mkdir()
    with pytest.raises(StateFileError, match="unable to open") as caught:
        StateFile(tmp_path / "state.db")
    assert "Move it away" not in str(caught.value)


async def test_a_row_that_makes_no_sense_is_an_error(tmp_path: Path) -> None:
    import sqlite3

    clock = Clock()
    first = venue(tmp_path / "state.db", clock)
    place(first)
    first.close()
    db = sqlite3.connect(tmp_path / "state.db")
    db.execute("UPDATE rows SET body = '{\"id\": 1}' WHERE kind = 'order'")
    db.commit()
    db.close()
    with pytest.raises(StateFileError):
        venue(tmp_path / "state.db", clock)


async def test_a_state_file_belongs_to_its_seed(tmp_path: Path) -> None:
    """Another market must not trade the orders that rested in this one."""
    venue(tmp_path / "state.db", Clock()).close()
    with pytest.raises(StateFileError, match="seed 7, not 8"):
        venue(tmp_path / "state.db", Clock(), seed=8)


async def test_resting_orders_trade_while_nobody_is_subscribed() -> None:
    """Prices drive fills for contracts with working orders alone, beat by beat."""
    clock = Clock()
    config = SimConfig(clock=clock, fill_delay_ms=0, feed_interval_s=0.01)
    async with SimServer(config) as sim, aiohttp.ClientSession() as session:
        rest = Rest(session, sim.url)
        await rest.login()
        quote = sim.quote(MNQ)
        level = float(quote.last - 2)
        await rest.place(contractId=MNQ, type=1, limitPrice=level, customTag="rest")
        market, contract = Market(7, manual=False, started=NOW), Catalogue().find(MNQ, NOW.date())
        assert contract is not None
        hit = market.first_trigger(contract, index_of(NOW), index_of(NOW) + 10**6, None, quote.last - Decimal("2.25"))
        assert hit is not None
        clock.now = NOW + timedelta(seconds=(hit - index_of(NOW)) / 4 - 0.25)
        await asyncio.sleep(0.05)
        assert sim.orders[0].status is Status.OPEN
        clock.now += timedelta(seconds=0.25)
        await until(lambda: sim.orders[0].status is not Status.OPEN)
        assert sim.orders[0].filled_price == quote.last - 2


# -- the program ------------------------------------------------------------------------------------------------------


async def started(*arguments: str) -> tuple[asyncio.subprocess.Process, str]:
    """The simulator in a process of its own, and its address from the set-up lines."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "desk.sim", "--port", "0", *arguments, cwd=ROOT,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout is not None
    line = (await asyncio.wait_for(process.stdout.readline(), 20)).decode()
    assert line.startswith("simulated ProjectX gateway: http://127.0.0.1:")
    return process, line.split()[-1]


async def post(url: str, body: object, token: str | None = None) -> Any:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)  # noqa: S310 - loopback

    def fetch() -> Any:
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310 - loopback
            return json.load(response)

    return await asyncio.to_thread(fetch)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
async def test_an_order_survives_kill_9_and_ctrl_c_is_clean(tmp_path: Path) -> None:
    state = str(tmp_path / "state.db")
    process, url = await started("--state", state, "--market", "manual")
    token = (await post(f"{url}/api/Auth/loginKey", {"userName": "paper", "apiKey": "paper"}))["token"]
    contracts = await post(f"{url}/api/Contract/search", {"searchText": "MNQ", "live": False}, token)
    contract = contracts["contracts"][0]["id"]
    body = {"accountId": COMBINE, "contractId": contract, "type": 1, "side": 0, "size": 1, "limitPrice": 100}
    reply = await post(f"{url}/api/Order/place", body | {"customTag": "kept"}, token)
    process.send_signal(signal.SIGKILL)
    await process.communicate()
    process, url = await started("--state", state, "--market", "manual")
    opened = await post(f"{url}/api/Order/searchOpen", {"accountId": COMBINE}, token)
    assert [(row["id"], row["customTag"]) for row in opened["orders"]] == [(reply["orderId"], "kept")]
    process.send_signal(signal.SIGINT)
    await asyncio.wait_for(process.communicate(), 5)
    assert process.returncode == 0


async def test_a_taken_port_is_one_clear_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "desk.sim", "--port", str(port), "--quiet", cwd=ROOT, env=os.environ.copy(),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 2
    assert out == b""
    assert err.decode().splitlines() == [f"desk.sim: cannot listen on 127.0.0.1:{port}: the port is taken"]


async def test_importing_the_room_loads_nothing_heavy() -> None:
    code = "import sys, desk.sim; print([name for name in ('numpy', 'aiohttp', 'sqlite3') if name in sys.modules])"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, cwd=ROOT, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate()
    assert out.strip() == b"[]"


def test_rows_that_a_full_disk_refused_are_written_with_the_next(tmp_path: Path) -> None:
    kept = StateFile(tmp_path / "state.db")
    full = kept._db.execute("PRAGMA page_count").fetchone()[0]
    kept._db.execute(f"PRAGMA max_page_count = {full}")
    many = [Account(number, "x" * 500, Decimal(number)) for number in range(100)]
    with pytest.raises(sqlite3.OperationalError, match="full"):
        kept.write(many, {})
    kept._db.execute(f"PRAGMA max_page_count = {full + 1000}")
    kept.write([Account(0, "newer", Decimal(1))], {})
    rows, _ = kept.read()
    kept.close()
    assert len(rows) == 100
    assert rows[0] == Account(0, "newer", Decimal(1))
