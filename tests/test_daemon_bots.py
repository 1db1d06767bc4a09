"""Several bots of one daemon over real sockets: each behind its own secret, on its own account; and changed while it runs."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from desk.core.errors import ConfigError
from desk.runtime.config import session_config
from desk.sim import SimServer
from load_env import Settings, load_settings
from tests.daemon import RunningDesk, alert, places, quiet_sim, running_desk, until

DEFAULT, ORB = "a-webhook-token-of-tests", "a-token-of-the-orb-bot"
FIRST, SECOND, THIRD = 21000001, 21000002, 21000004
ENV = f"WEBHOOK_TOKEN={DEFAULT}\nSYMBOLS=MNQ\nMAX_POSITION_SIZE=4\nPROJECT_X_ACCOUNT_ID={FIRST}\n"
BOT_ORB = f'[bots.orb]\naccount = {SECOND}\nsymbols = ["MNQ"]\ntoken = "{ORB}"\nmax_position_size = 2\n'


@pytest.fixture
async def sim() -> AsyncIterator[SimServer]:
    async with quiet_sim() as server:
        yield server


class Files:
    """``.env`` and ``desk.toml`` of a daemon."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.write()

    def write(self, toml: str = BOT_ORB, env: str = ENV) -> None:
        (self.folder / "desk.toml").write_text(toml)
        (self.folder / ".env").write_text(env)

    def read(self) -> Settings:
        return load_settings({"DESK_TOML": str(self.folder / "desk.toml")}, self.folder / ".env")


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@asynccontextmanager
async def up(sim: SimServer, files: Files) -> AsyncIterator[RunningDesk]:
    config = session_config(files.read(), files.read)
    data_dir = files.folder / "data"
    async with running_desk(
        sim.url, data_dir, bots=config.bots, read_again=config.read_again, account_id=config.start.account_id
    ) as desk:
        run = desk.session
        await until(lambda: run.is_ready.is_set() or run.desk.stop.is_set())
        yield desk


def held(state: dict[str, Any]) -> dict[int, int]:
    """Signed contracts by account, of positions that have their stop."""
    return {row["account_id"]: row["qty"] for row in state["positions"] if row["is_protected"]}


async def status_of(desk: RunningDesk, token: str) -> int:
    async with desk.http.post(f"{desk.public}/tv/{token}", data=json.dumps({"v": 1, "action": "note"})) as answer:
        return answer.status


async def test_two_bots_trade_their_own_accounts_each_by_its_own_url(sim: SimServer, files: Files) -> None:
    async with up(sim, files) as desk:
        _, refused = await desk.post(alert("enter_short", id="1", qty=3), token=ORB)
        assert "allowed is a position of 2 contracts" in refused["text"]
        await desk.post(alert(qty=3))
        async with desk.http.post(f"{desk.public}/webhook", json=alert("enter_short", qty=2, secret=ORB)) as answer:
            assert (await answer.json())["verdict"] == "accepted"
        await desk.state_when(lambda state: held(state) == {FIRST: 3, SECOND: -2})
        assert {place["accountId"]: place["size"] for place in places(sim)} == {FIRST: 3, SECOND: 2}


async def test_each_door_reads_by_the_terms_of_its_bot(sim: SimServer, files: Files) -> None:
    files.write(BOT_ORB + 'dialect = "TradersPost"\n')
    async with up(sim, files) as desk:
        _, ours = await desk.post(alert("note"))
        _, theirs = await desk.post(alert("note", id="2"), token=ORB)
        async with desk.http.post(f"{desk.public}/webhook", json=alert("note", id="3", secret=ORB)) as answer:
            by_body = await answer.json()
        assert ours["verdict"] == "accepted"
        assert "the bot reads TradersPost only" in theirs["text"]
        assert "the bot reads TradersPost only" in by_body["text"]


async def test_an_account_that_is_not_listed_and_a_collision_stop_the_start(sim: SimServer, files: Files) -> None:
    files.write(BOT_ORB.replace(str(SECOND), '"nobody"') + f'[bots.twin]\naccount = {FIRST}\nsymbols = ["NQ"]\n')
    with pytest.raises(ConfigError) as refused:
        async with up(sim, files):
            pass
    text = str(refused.value)
    assert f"desk.toml [bots.orb] account is not among the accounts of this login: {FIRST} (" in text
    assert "desk.toml [bots.twin]: twin and default (.env) would both trade MNQ, NQ on account" in text


# --- reload ----------------------------------------------------------------------------------------------------------


async def test_reload_replaces_secrets_and_sizes_and_brings_new_bots_at_once(sim: SimServer, files: Files) -> None:
    async with up(sim, files) as desk:
        new = BOT_ORB.replace(ORB, "another-token-of-orb").replace("size = 2", "size = 3")
        files.write(new + f'[bots.es]\naccount = {THIRD}\nsymbols = ["ES"]\n', ENV.replace("SIZE=4", "SIZE=1"))
        result = await desk.command("reload")
        assert result["ok"], result
        assert [tuple(row.values()) for row in result["data"]["changes"]] == [
            ("default", "max_position_size", "4", "1", False),
            ("orb", "max_position_size", "2", "3", True),
            ("orb", "token", "***", "replaced", False),
            ("es", "", "not there", f"account {THIRD} (50KTC-V2-100001-87654412), symbols ES, at most 2 contracts", True),
        ]  # fmt: skip
        assert [await status_of(desk, token) for token in (ORB, "another-token-of-orb", DEFAULT)] == [404, 200, 200]
        es = (files.folder / "data/bot_es.token").read_text().strip()
        assert await status_of(desk, es) == 200
        await desk.post(alert("enter_short", qty=3), token="another-token-of-orb")
        await desk.state_when(lambda state: held(state) == {SECOND: -3})
        _, refused = await desk.post(alert(id="2", qty=2))
        assert "allowed is a position of 1 contracts" in refused["text"]
        assert (await desk.command("reload"))["text"] == "The bots are configured as the files say."


async def test_reload_with_one_wrong_part_changes_nothing(sim: SimServer, files: Files) -> None:
    async with up(sim, files) as desk:
        before = desk.session.desk.bots, desk.session.desk.bot_configs
        files.write(BOT_ORB.replace("size = 2", "size = 3").replace(ORB, "x y"), ENV + "BARE_SIDE=maybe\n")
        result = await desk.command("reload")
        assert not result["ok"]
        assert "desk.toml [bots.orb] token: must be" in result["text"]
        assert "BARE_SIDE (.env line 5): must be one of" in result["text"]
        files.write(BOT_ORB + f'[bots.twin]\naccount = {SECOND}\nsymbols = ["MNQ"]\n')
        assert "twin and orb" in (await desk.command("reload"))["text"]
        assert (desk.session.desk.bots, desk.session.desk.bot_configs) == before


async def test_what_a_bot_has_open_keeps_its_account_and_its_symbol(sim: SimServer, files: Files) -> None:
    moved = BOT_ORB.replace(str(SECOND), str(THIRD))
    taken = BOT_ORB.replace('["MNQ"]', '["ES"]') + f'[bots.two]\naccount = {SECOND}\nsymbols = ["MNQ"]\n'
    async with up(sim, files) as desk:
        for toml in (moved, BOT_ORB):  # there and back while it is flat
            files.write(toml)
            assert (await desk.command("reload"))["ok"]
        await desk.post(alert(qty=1), token=ORB)
        await desk.state_when(lambda state: held(state) == {SECOND: 1})
        for toml, words in (
            (moved, "account cannot change"),
            ("", "cannot be taken away"),
            (taken, "MNQ cannot go to two"),
        ):
            files.write(toml)
            result = await desk.command("reload")
            assert not result["ok"]
            assert words in result["text"]
        assert desk.session.desk.bot_configs["orb"].account_id == SECOND


async def test_a_reload_is_in_the_journal_and_names_what_waits_for_a_restart(sim: SimServer, files: Files) -> None:
    async with up(sim, files) as desk:
        files.write(env=ENV.replace("SIZE=4", "SIZE=3") + "LOG_LEVEL=DEBUG\n")
        result = await desk.command("reload")
        assert "Changed too, and looked at when the program starts: LOG_LEVEL" in result["text"]
        rows = await desk.session.desk.journal.read(after_seq=0)
        changes = [record.changes for _, record in rows if type(record).__name__ == "BotsChanged"]
        assert changes == [("default max_position_size: 4 -> 3",)]
