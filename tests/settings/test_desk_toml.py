"""``desk.toml``: what its tables say, what is refused in which words, and how it stands beside ``.env``."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import time
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.alerts.dialects import OBJECT_DIALECTS, TEXT_DIALECTS
from desk.alerts.terms import DialectTerms, DiscordTerms
from desk.bots import BotConfig, BotSetup
from desk.bots.config import Sizing, Window
from desk.core.alert import Distance, PositionSide, Unit
from desk.core.errors import ConfigError
from desk.settings.botfields import BOT_FIELDS
from desk.settings.bots import ENV_KEYS
from desk.settings.deskfile import read_desk_file
from desk.settings.table import DIALECTS
from load_env import SETTINGS, Settings, load_settings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
ONE = '[bots.orb]\nsymbols = ["MNQ"]\n'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(text: str | None = None, env: str = "", **environ: str) -> Settings:
    if text is not None:
        Path("desk.toml").write_text(text, encoding="utf-8")
    Path(".env").write_text(env, encoding="utf-8")
    return load_settings(environ, Path(".env"))


def bot(lines: str, **environ: str) -> BotConfig:
    """The bot orb with ``lines`` in its table."""
    (found,) = [bot for bot in load(ONE + lines, **environ).bots if bot.name == "orb"]
    return found.config


def refusal(text: str, env: str = "", **environ: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(text, env, **environ)
    return str(caught.value)


# --- what is read ----------------------------------------------------------------------------------------------------


def test_without_the_file_there_is_the_default_bot_of_env() -> None:
    (only,) = load(env="POSITION_SIZE=3\nBOT_SIDES=long\nHEARTBEAT_MINUTES=30\nWEBHOOK_TOKEN=abc\n").bots
    assert (only.name, only.where) == ("default", ".env")
    assert only.token is not None
    assert only.token.reveal() == "abc"
    config = only.config
    assert (config.default_qty, config.max_position, config.sides) == (3, 6, {PositionSide.LONG})
    assert (config.heartbeat_s, config.debounce_s, config.price_bound_pct) == (1800, 300, Decimal(1))
    assert config.symbols == {"MNQ", "MES", "NQ", "ES"}


def test_a_bot_of_the_file_has_the_defaults_of_env_and_stands_beside_the_default_bot() -> None:
    default, orb = load(ONE, PROJECT_X_ACCOUNT_ID="4711").bots
    assert (default.name, orb.name, orb.where) == ("default", "orb", "desk.toml [bots.orb]")
    assert orb.config == replace(default.config, name="orb", symbols=frozenset({"MNQ"}))
    assert orb.account == default.account == 4711
    assert orb.token is None


def test_every_key_reaches_the_bot() -> None:
    config = bot(
        """
        position_size = 2
        max_position_size = 5
        sizing = "factor"
        sizing_value = 0.5
        sides = "short"
        max_alert_age = 7.5
        stop_loss_ticks = 80
        take_profit_ticks = 160
        windows = ["mon,wed-fri 08:30-15:00", "17:00-02:00 Europe/Berlin"]
        entries_per_minute = 4
        cooldown_seconds = 60
        debounce_seconds = 0
        same = "add"
        opposite = "close_only"
        bare_side = "entry"
        signal_mode = "difference"
        on_gap = "halt_bot"
        reorder_ms = 100
        price_bound_pct = "none"
        contract_policy = "require_match"
        heartbeat_minutes = 1.5
        dialect = "pickmytrade"
        pickmytrade_dollar_unit = "ticks"
        use_stop_entry = false
        close_entire_position_at_tp1 = true
        tp1_fraction = 0.5
        ignore_non_entry_signals = true
        """
    )
    assert config == BotConfig(
        name="orb",
        account_id=None,
        symbols=frozenset({"MNQ"}),
        default_qty=2,
        max_position=5,
        max_alert_age_s=7.5,
        sizing=Sizing("factor", Decimal("0.5")),
        sides=frozenset({PositionSide.SHORT}),
        windows=(
            Window(time(8, 30), time(15), frozenset({0, 2, 3, 4})),
            Window(time(17), time(2), zone="Europe/Berlin"),
        ),
        cooldown_s=60,
        debounce_s=0,
        bare_side="entry",
        opposite="close_only",
        same="add",
        mode="difference",
        on_gap="halt_bot",
        reorder_ms=100,
        price_bound_pct=None,
        contract_policy="require_match",
        entries_per_minute=4,
        stop=Distance(unit=Unit.TICKS, value=Decimal(80)),
        target=Distance(unit=Unit.TICKS, value=Decimal(160)),
        heartbeat_s=90,
        dialect=DialectTerms("PickMyTrade", "ticks", DiscordTerms(False, True, Decimal("0.5"), True)),
    )


@pytest.mark.parametrize(
    ("text", "days"),
    [("mon-fri", {0, 1, 2, 3, 4}), ("sat-mon", {5, 6, 0}), ("tue", {1}), ("mon,wed,fri-sun", {0, 2, 4, 5, 6})],
)
def test_days_are_lists_and_spans_that_may_go_over_the_weekend(text: str, days: set[int]) -> None:
    assert bot(f'windows = ["{text} 09:00-10:00"]').windows[0].days == days


def test_an_account_is_an_id_or_a_name() -> None:
    first, second = load('[bots.a]\naccount=21\nsymbols=[]\n[bots.b]\naccount="PRAC 1"\nsymbols=[]\n').bots[1:]
    assert (first.account, second.account) == (21, "PRAC 1")


def test_a_secret_may_stand_in_a_file_of_its_own(folder: Path) -> None:
    (folder / "gold.token").write_text("a-secret-of-many-letters\n")
    setup = load(ONE + 'token_file = "gold.token"').bots[1]
    assert setup.token is not None
    assert setup.token.reveal() == "a-secret-of-many-letters"


def test_the_file_may_lie_elsewhere_and_come_from_any_editor(folder: Path) -> None:
    (folder / "mine.toml").write_bytes(b"\xef\xbb\xbf# mine\r\n" + ONE.replace("\n", "\r\n").encode())
    assert [setup.name for setup in load(DESK_TOML="mine.toml").bots] == ["default", "orb"]
    assert "DESK_TOML: other.toml is not there" in refusal("", DESK_TOML="other.toml")


def test_the_default_bot_may_stand_in_the_file_and_then_nothing_of_it_in_env() -> None:
    text = ONE + '[bots.default]\nsymbols = ["ES"]\nposition_size = 3\n'
    first, second = load(text).bots
    assert (first.name, first.config.default_qty, second.name) == ("default", 3, "orb")
    message = refusal(text, "POSITION_SIZE=1\nWEBHOOK_TOKEN=abc\n", BOT_SIDES="long")
    assert "POSITION_SIZE (.env line 1): the default bot is described by [bots.default]" in message
    assert "move it there as position_size" in message
    assert "WEBHOOK_TOKEN (.env line 2)" in message
    assert "BOT_SIDES (environment)" in message


def test_in_live_a_default_bot_of_the_file_needs_no_token_in_env() -> None:
    live = {"TRADING_MODE": "live", "PROJECT_X_USERNAME": "u", "PROJECT_X_API_KEY": "k", "PROJECT_X_ACCOUNT_ID": "1"}
    assert load('[bots.default]\nsymbols = ["ES"]\n', **live).bots[0].token is None
    message = refusal('[bots.default]\nsymbols = ["ES"]\ntoken = "short"\n', **live)
    assert "[bots.default] token: must have at least 16 characters in live" in message
    assert "short" not in message


# --- what is refused -------------------------------------------------------------------------------------------------

BAD = {
    "account": ["0", "true", '""', "1.5", "[1]"],
    "token": ['"has space"', "5", '""'],
    "token_file": ['"nowhere.token"', "5"],
    "symbols": ['"MNQ"', '["MNQ,ES"]', "[5]", '["none"]', '["CME_MINI:MNQ1!"]'],
    "sides": ['"up"', '["long"]'],
    "position_size": ["0", "101", '"2"', "true", "1.5", "nan", "inf"],
    "max_position_size": ["0", '"none"'],
    "sizing": ['"all_in"', "2"],
    "sizing_value": ["0", "-1", "1e9", "nan"],
    "stop_loss_ticks": ["3", "1001", '"off"'],
    "take_profit_ticks": ["3", "4.5"],
    "max_alert_age": ["0", "301"],
    "windows": [
        '["08:30"]',
        '["mon 25:00-26:00"]',
        '["moon 08:00-09:00"]',
        '["08:00-09:00 Mars/Base"]',
        "5",
        '["a-b"]',
        "[]",  # never, or always? whoever takes the last window out means the one, and it was the other
    ],
    "entries_per_minute": ["0", '"many"'],
    "cooldown_seconds": ["-1"],
    "debounce_seconds": ["86401"],
    "same": ['"replace"'],
    "opposite": ['"flip"'],
    "bare_side": ['"guess"'],
    "signal_mode": ['"both"'],
    "on_gap": ['"panic"'],
    "reorder_ms": ["2001", "0.5"],
    "price_bound_pct": ["0", "51", '"off"'],
    "contract_policy": ['"follow"'],
    "heartbeat_minutes": ["0"],
    "dialect": ['"Telegram"'],
    "pickmytrade_dollar_unit": ['"euro"'],
    "use_stop_entry": ['"true"', "1"],
    "close_entire_position_at_tp1": ["0"],
    "tp1_fraction": ["0", "1.01"],
    "ignore_non_entry_signals": ['"no"'],
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in BAD.items() for value in values])
def test_a_bad_value_is_refused_with_table_key_and_what_is_allowed(key: str, value: str) -> None:
    needed = "" if key == "symbols" else 'symbols = ["MNQ"]\n'
    message = refusal(f"[bots.orb]\n{needed}{key} = {value}\n")
    found = "cannot be read" if value == '"nowhere.token"' else f"must be {BOT_FIELDS[key].allowed}"
    assert f"desk.toml [bots.orb] {key}: {found}" in message
    assert message.count("\n") == 1 + (key == "sizing_value")  # that one needs a sizing, too


def test_the_cases_above_know_every_key() -> None:
    assert set(BAD) == set(BOT_FIELDS)


@pytest.mark.parametrize(
    ("text", "piece"),
    [
        ("[bots.orb]\n", 'symbols: is missing; write the roots that it may trade, such as symbols = ["MNQ"]'),
        (ONE + "max_positon_size = 3", "max_positon_size: no such key, did you mean max_position_size?"),
        (ONE + "xyz = 3", "xyz: no such key, docs/settings.md has them all"),
        (ONE + "position_size = 3\nmax_position_size = 2", "max_position_size: must be at least position_size"),
        (ONE + 'sizing = "risk_usd"', "sizing_value: is missing; sizing risk_usd needs its number"),
        (ONE + "sizing_value = 3", "only sizing factor and risk_usd take a number"),
        ("[bots.Orb]\nsymbols = []", "a bot's name is 1 to 32 of a-z 0-9 _ -"),
        ("[bots.main]\nsymbols = []", "is not main"),
        ("bots = 3", "bots must be tables"),
        ("[bots]\norb = 3", "[bots.orb]: must be a table"),
        ("[bot.orb]", "desk.toml: bot is not known; bots stand in tables [bots.NAME]"),
        ("[bots.orb\n", "desk.toml is not TOML: line 1, column"),
        (ONE + ONE, "desk.toml is not TOML: line 3, column 10: this table or key stands there twice"),
        (ONE + 'symbols = ["ES"]', "end of document: this table or key stands there twice"),
        (ONE + "token = secret-without-quotes", "line 3, column 9 cannot be read; a text needs quotes"),
        ("x" * 2_000_000, "must be UTF-8 text under 1 MB"),
        ("a = " + "[" * 50_000, "desk.toml is not TOML"),
    ],
)
def test_what_does_not_fit_is_said_in_a_sentence(text: str, piece: str) -> None:
    assert piece in refusal(text)


def test_a_file_that_is_no_text_is_refused(folder: Path) -> None:
    (folder / "desk.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"desk\.toml cannot be read"):
        load_settings({}, None)


def test_every_problem_of_both_files_is_named_at_once() -> None:
    text = ONE + 'position_size = 0\nsides = "up"\n[bots.gold]\nsymbol = ["MGC"]\n'
    message = refusal(text, "POSITION_SIZE=1.5\n", API_PORT="x")
    for piece in (
        "POSITION_SIZE (.env line 1)",
        "API_PORT (environment)",
        "[bots.orb] position_size: must be a whole number from 1 to 100",
        "[bots.orb] sides: must be one of long, short, both",
        "[bots.gold] symbol: no such key, did you mean symbols?",
        "[bots.gold] symbols: is missing",
    ):
        assert piece in message


@pytest.mark.parametrize(
    ("lines", "environ", "owner"),
    [
        ('token = "the-same-secret"', {"WEBHOOK_TOKEN": "the-same-secret"}, "WEBHOOK_TOKEN"),
        ('token = "the-same-secret"', {"API_TOKEN": "the-same-secret"}, "API_TOKEN"),
        ('token = "x-1"\n[bots.b]\nsymbols = []\ntoken = "x-1"', {}, "that of [bots.orb]"),
    ],
)
def test_a_secret_opens_one_thing(lines: str, environ: dict[str, str], owner: str) -> None:
    message = refusal(ONE + lines, **environ)
    assert f"token: is the same as {owner}; every secret opens one thing" in message
    assert "the-same-secret" not in message


@pytest.mark.parametrize(
    ("content", "words"), [("tooshort", "at least 16"), ("with space in it, long", "must be 1 to")]
)
def test_a_token_file_with_a_bad_secret_is_refused_without_showing_it(folder: Path, content: str, words: str) -> None:
    (folder / "a.token").write_text(content)
    message = refusal(ONE + 'token_file = "a.token"')
    assert words in message
    assert content not in message


@given(st.recursive(
    st.text() | st.integers() | st.booleans() | st.floats(), lambda inner: st.lists(inner, max_size=3), max_leaves=5,
), st.sampled_from(sorted(BOT_FIELDS)))  # fmt: skip
def test_no_value_makes_a_field_raise_anything_but_value_error(value: object, key: str) -> None:
    if isinstance(value, float):
        value = Decimal(str(value))
    try:
        BOT_FIELDS[key].parse(value)
    except ValueError:
        pass


@given(text=st.text(st.characters(codec="utf-8"), max_size=60))
def test_no_text_makes_the_reader_raise(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text(text, encoding="utf-8")
    tables, problems = read_desk_file(path, must_exist=True)
    assert isinstance(tables, dict)
    assert all(isinstance(problem, str) for problem in problems)


# --- what the page says ----------------------------------------------------------------------------------------------


def test_the_page_has_every_key_with_its_default_range_and_meaning() -> None:
    rows = re.findall(r"^\| `([a-z0-9_]+)` \| (.*?) \| (.*?) \| (.*) \|$", PAGE, re.MULTILINE)
    assert rows == [(key, row.default or "–", row.allowed, row.meaning) for key, row in BOT_FIELDS.items()]


def test_the_example_of_the_page_is_read(folder: Path) -> None:
    (text,) = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (folder / "secrets").mkdir()
    (folder / "secrets/gold.token").write_text("a-secret-of-many-letters")
    bots = load(text).bots
    assert [setup.name for setup in bots] == ["default", "orb-mnq", "gold", "discord"]
    assert bots[1].config.sizing == Sizing("risk_usd", Decimal(100))
    assert len(bots[1].config.windows) == 2
    assert bots[3].config.dialect.discord.closes_all_at_tp1


def test_the_example_of_the_readme_is_read() -> None:
    (text,) = re.findall(r"^```toml\n(.*?)^```$", (ROOT / "README.md").read_text(encoding="utf-8"), re.M | re.S)
    assert isinstance(load(text).bots[1], BotSetup)


def test_what_env_can_say_of_the_default_bot_a_table_can_say_too_with_the_same_default() -> None:
    rows = {row.key: row for row in SETTINGS}
    for key, name in ENV_KEYS.items():
        if key not in {"symbols", "token"}:
            assert BOT_FIELDS[key].default == rows[name].default, key
            assert BOT_FIELDS[key].allowed == rows[name].kind.allowed, key


def test_every_dialect_that_is_translated_can_be_pinned() -> None:
    assert {*OBJECT_DIALECTS, *TEXT_DIALECTS} <= set(DIALECTS)


def test_an_account_id_in_quotes_is_still_an_id() -> None:
    assert load('[bots.a]\naccount="21"\nsymbols=[]\n').bots[1].account == "21"  # the list decides which one it is
