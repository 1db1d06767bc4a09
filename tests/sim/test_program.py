"""``python -m desk.sim`` from outside: its files, its set-up lines, and one clear line for each mistake."""

from __future__ import annotations

import asyncio
import sys
from decimal import Decimal
from pathlib import Path

import aiohttp
import pytest

from desk.sim import SimConfig, SimServer
from desk.sim.__main__ import _burst
from desk.sim.accountfile import AccountFileError, read_accounts

from .raw import Rest

ROOT = Path(__file__).parents[2]
ACCOUNTS = """
[[account]]
id = 4001
name = "PRAC-V2-1-1"
balance = 25000.50
[[account]]
id = 4002
name = "50KTC-V2-1-2"
balance = 50000
auto_oco = false
max_minis = 5
"""


async def ended(*arguments: str) -> tuple[int | None, str, str]:
    """Exit code, stdout and stderr of a start that fails."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "desk.sim", "--port", "0", *arguments, cwd=ROOT,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), 20)
    return process.returncode, out.decode(), err.decode()


async def test_each_mistake_is_one_clear_line(tmp_path: Path) -> None:
    """Exit code 2 and nothing on stdout; all at once, for each is a process."""
    bad = tmp_path / "bad.toml"
    bad.write_text("[[fault]]\nkind = 'hang'\n")
    cases = {
        ("--faults", str(bad)): "fault 1: name one of",
        ("--accounts", str(tmp_path / "none.toml")): "No such file",
        ("--replay", str(tmp_path / "MNQ.csv")): "No such file",
        ("--speed", "5"): "--speed goes with --replay",
        ("--latency", "logni=5"): "unknown latency keys",
        ("--hours", "sometimes"): "invalid choice",
        ("--bogus",): "unrecognized arguments: --bogus",
    }
    outcomes = []
    for chunk in (list(cases)[:4], list(cases)[4:]):
        outcomes += await asyncio.gather(*(ended(*arguments) for arguments in chunk))
    for (arguments, words), (code, out, err) in zip(cases.items(), outcomes, strict=True):
        assert (code, out, len(err.splitlines())) == (2, "", 1), (arguments, err)
        assert err.startswith("desk.sim: ")
        assert words in err


async def test_accounts_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "accounts.toml"
    path.write_text(ACCOUNTS)
    config = SimConfig(market="manual", accounts=read_accounts(path))
    async with SimServer(config) as sim, aiohttp.ClientSession() as session:
        rest = Rest(session, sim.url)
        await rest.login()
        rows = (await rest.ok("/api/Account/search", {"onlyActiveAccounts": True}))["accounts"]
        assert [(row["id"], row["name"], row["balance"]) for row in rows] == [
            (4001, "PRAC-V2-1-1", 25000.5), (4002, "50KTC-V2-1-2", 50000),
        ]  # fmt: skip
        assert [row.auto_oco for row in sim.accounts] == [True, False]
        assert sim.accounts[0].balance == Decimal("25000.50")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "write one [[account]] per account"),
        ("[[account]]\nid = 1\nname = 'a'", "account 1: balance missing"),
        ("[[account]]\nid = 1\nname = 'a'\nbalance = 'b'", "account 1: balance: 'b' is not a number"),
        ("[[account]]\nid = true\nname = 'a'\nbalance = 1", "id: True is not a whole number"),
        ("[[account]]\nid = 1\nname = 'a'\nbalance = nan", "balance"),
        ("[[account]]\nid = 0\nname = 'a'\nbalance = 1", "id: 0 is no 32-bit number"),
        ("[[account]]\nid = 1\nname = 'a'\nbalance = 1\nauto_oco = 1", "auto_oco: 1 is not true or false"),
        ("[[account]]\nid = 1\nname = 'a'\nbalance = 1\nowner = 1", "there is no owner"),
        (
            "[[account]]\nid = 1\nname = 'a'\nbalance = 1\n[[account]]\nid = 1\nname = 'b'\nbalance = 1",
            "id 1 is there twice",
        ),
    ],
)
def test_a_wrong_accounts_file_is_one_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "accounts.toml"
    path.write_text(text)
    with pytest.raises(AccountFileError) as error:
        read_accounts(path)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_a_burst_is_written_as_events_and_seconds() -> None:
    assert (_burst(None), _burst("20000/5"), _burst("300")) == (None, (20000, 5.0), (300, 10.0))
    for text in ("x", "0/5", "5/x", "10/0"):
        with pytest.raises(ValueError, match="EVENTS/SECONDS"):
            _burst(text)
