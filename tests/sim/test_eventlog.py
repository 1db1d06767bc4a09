"""The complete log, and accounts of a login of their own."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from desk.sim import SimConfig, SimServer
from desk.sim.accountfile import read_accounts
from desk.sim.config import AccountSpec

from .raw import MNQ, Rest

ANNA = AccountSpec(7, "PRAC-7", Decimal(50_000), login="Anna")
BERT = AccountSpec(8, "PRAC-8", Decimal(50_000), login="bert")
OURS = AccountSpec(9, "PRAC-9", Decimal(50_000))
PLACE, ORDERS = "/api/Order/place", {"accountId": 7, "contractId": MNQ, "type": 2, "side": 0, "size": 1}


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


async def test_the_log_tells_an_order_whose_reply_and_event_were_lost(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    config = SimConfig(market="manual", fill_delay_ms=0, accounts=(ANNA,), log_file=log)
    async with SimServer(config) as sim, aiohttp.ClientSession() as session:
        rest = Rest(session, sim.url)
        rest.token = (await rest.ok("/api/Auth/loginKey", {"userName": "anna", "apiKey": "Anna"}))["token"]
        sim.faults.next("place").drops_after_execution()
        sim.faults.lose_user_events(1)
        with pytest.raises(aiohttp.ClientError):
            await rest.post(PLACE, ORDERS)
        await rest.post("/api/Order/cancel", {"accountId": 7, "orderId": 1})
    told = lines(log)
    asked = {row["n"]: row for row in told if row["kind"] == "request"}
    answered = {row["path"]: row for row in told if row["kind"] == "reply"}
    assert json.loads(asked[answered[PLACE]["n"]]["body"]) == ORDERS
    assert (answered[PLACE]["status"], answered[PLACE]["user"], answered[PLACE]["body"]) == (0, "anna", None)
    assert json.loads(answered["/api/Order/cancel"]["body"])["errorCode"] != 0
    order, *_ = [row for row in told if row["kind"] == "order"]
    assert (order["fate"], order["data"]["accountId"]) == ("lose", 7)
    assert any(row["kind"] == "trade" and row["fate"] == "sent" for row in told)
    assert any(row["kind"] == "fault" for row in told)
    assert [row["at"] for row in told] == sorted(row["at"] for row in told)


async def test_a_log_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="log file"):
        async with SimServer(SimConfig(log_file=tmp_path / "missing" / "log.jsonl")):
            pass


async def test_an_account_of_a_login_is_shown_to_that_login_alone() -> None:
    async with (
        SimServer(SimConfig(market="manual", accounts=(ANNA, BERT, OURS))) as sim,
        aiohttp.ClientSession() as session,
    ):
        seen = {}
        for user, key in (("anna", "Anna"), ("bert", "bert"), ("paper", "paper")):
            rest = Rest(session, sim.url)
            rest.token = (await rest.ok("/api/Auth/loginKey", {"userName": user, "apiKey": key}))["token"]
            reply = await rest.ok("/api/Account/search", {"onlyActiveAccounts": True})
            seen[user] = [row["id"] for row in reply["accounts"]]
    assert seen == {"anna": [7, 9], "bert": [8, 9], "paper": [9]}


def test_an_accounts_file_names_logins(tmp_path: Path) -> None:
    file = tmp_path / "accounts.toml"
    file.write_text('[[account]]\nid = 7\nname = "PRAC-7"\nbalance = 5\nlogin = "anna"\n', encoding="utf-8")
    assert SimConfig(accounts=read_accounts(file)).logins == {"anna": "anna", "paper": "paper"}
