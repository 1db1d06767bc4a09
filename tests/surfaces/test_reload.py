"""``reload`` as a person sees it: what is asked, what is said, and what a no leaves alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from desk.bots import BotConfig, BotSetup
from desk.core.errors import ConfigError, StoreError
from desk.core.events import BotsReloaded
from desk.core.ids import AccountId
from desk.core.secret import Secret
from desk.runtime.config import BotsRead, SessionConfig, StartConfig
from desk.runtime.reload import Reloader
from desk.runtime.roster import assigned, doors_of
from desk.surfaces.calls import Caller, CommandResult, Urls
from desk.surfaces.commands import run_command
from tests.surfaces.room import ACCOUNT, TOKEN, Room, position_records

BOT = BotConfig(
    name="default", account_id=None, symbols=frozenset({"MNQ"}), default_qty=1, max_position=4, max_alert_age_s=15
)  # fmt: skip
SETUP = BotSetup(BOT, ACCOUNT, Secret(TOKEN))
URLS = Urls("http://127.0.0.1:8080", "http://127.0.0.1:8081")


class Console:
    """A desk that can be reloaded, and a person at its console."""

    def __init__(self, room: Room, folder: Path) -> None:
        self.room = room
        self.desk = room.desk
        self.now: BotsRead | Exception = BotsRead((SETUP,))
        self.says_yes = True
        self.asked: list[str] = []
        self.said: list[str] = []
        start = StartConfig(ACCOUNT, False, ("MNQ",), (), ())
        config = SessionConfig(mode="paper", data_dir=folder, bots=(SETUP,), start=start, read_again=self.read)
        self.desk.listed = tuple(known.account for known in self.desk.state.accounts.values())
        self.desk.bots = doors_of(config.bots, folder)
        self.desk.bot_configs = assigned(config.bots, self.desk.listed, ACCOUNT, is_paper=True)
        self.desk.reloader = Reloader(self.desk, config)

    def read(self) -> BotsRead:
        if isinstance(self.now, Exception):
            raise self.now
        return self.now

    async def confirm(self, question: str) -> bool:
        self.asked.append(question)
        return self.says_yes

    async def type(self, line: str = "reload") -> CommandResult:
        return await run_command(self.desk, line, Caller("console", URLS, confirm=self.confirm, say=self.said.append))

    def changes(self, **changes: object) -> None:
        self.now = BotsRead((replace(SETUP, config=replace(BOT, **changes)),))  # type: ignore[arg-type]


@pytest.fixture
def console(room: Room, tmp_path: Path) -> Console:
    return Console(room, tmp_path)


async def test_more_than_before_is_shown_and_asked_and_a_no_changes_nothing(console: Console) -> None:
    console.changes(max_position=9)
    console.says_yes = False
    result = await console.type()
    assert console.asked == ["This may trade more than before. Really?"]
    assert any("max_position_size" in line and "4" in line and "9" in line for line in console.said)
    assert result.text == "Nothing was done."
    assert console.desk.bot_configs["default"].max_position == 4
    assert console.room.events == []


async def test_a_yes_takes_it_over_in_the_journal_first(console: Console) -> None:
    console.changes(max_position=9, symbols=frozenset({"MNQ", "XYZ"}))
    others = console.desk.troubles  # hubs and tiers write into it as long as they live
    result = await console.type()
    assert result.ok
    assert console.desk.troubles is others
    (event,) = console.room.events
    assert isinstance(event, BotsReloaded)
    assert event.changes == ("default symbols: MNQ -> MNQ,XYZ", "default max_position_size: 4 -> 9")
    assert console.desk.bot_configs["default"].max_position == console.desk.max_position == 9
    assert "alerts for it are refused" in console.desk.troubles["symbol XYZ"]
    console.changes(symbols=frozenset({"MNQ"}))
    await console.type()
    assert console.desk.troubles == {}


@pytest.mark.parametrize("line", ["reload yes", "RELOAD YES"])
async def test_a_yes_in_the_line_is_not_asked_again(console: Console, line: str) -> None:
    console.changes(max_position=9)
    assert (await console.type(line)).ok
    assert console.asked == []


async def test_less_than_before_and_a_new_secret_are_not_asked(console: Console) -> None:
    console.changes(max_position=1)
    assert isinstance(console.now, BotsRead)
    console.now = BotsRead((replace(console.now.bots[0], token=Secret("another-secret")),), ("LOG_LEVEL",))
    result = await console.type()
    assert (result.ok, console.asked) == (True, [])
    assert console.desk.bots[0].token.reveal() == "another-secret"
    assert "another-secret" not in result.text
    assert "looked at when the program starts: LOG_LEVEL" in result.text


async def test_no_change_is_said_so(console: Console) -> None:
    assert (await console.type()).text == "The bots are configured as the files say."
    assert console.room.events == []


@pytest.mark.parametrize("problem", [ConfigError("first wrong\nsecond wrong"), StoreError("disk full")])
async def test_what_is_wrong_leaves_everything(console: Console, problem: Exception) -> None:
    console.now = problem
    result = await console.type()
    assert not result.ok
    assert result.text.splitlines() == ["Nothing was changed.", *str(problem).splitlines()]


async def test_a_journal_that_cannot_be_written_leaves_everything(console: Console) -> None:
    console.changes(max_position=9)
    console.room.failure = StoreError("disk full")
    assert "disk full" in (await console.type("reload yes")).text
    assert console.desk.bot_configs["default"].max_position == 4


async def test_what_opened_while_the_person_thought_about_it_counts(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = msgspec.structs.replace(console.desk.listed[0], account_id=AccountId(ACCOUNT + 1), name="OTHER")
    console.desk.listed = (*console.desk.listed, other)
    console.now = BotsRead((replace(SETUP, account=other.account_id),))

    async def opens_meanwhile(question: str) -> bool:
        console.room.tell(*position_records())
        return True

    monkeypatch.setattr(console, "confirm", opens_meanwhile)
    result = await console.type()
    assert not result.ok
    assert "its account cannot change before that is closed" in result.text
    assert console.desk.bot_configs["default"].account_id == ACCOUNT
    assert console.room.events == []


async def test_while_the_desk_starts_there_is_nothing_to_compare_with(console: Console) -> None:
    console.desk.listed = ()
    assert "the desk is starting" in (await console.type()).text
    console.desk.reloader = None
    assert "without files" in (await console.type()).text
    assert "Write reload [yes]" in (await console.type("reload now")).text
