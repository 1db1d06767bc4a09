"""Settings: what is read from where, what is refused in which words, and what never shows."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import load_env
from desk.core.errors import ConfigError
from desk.settings import why_refused
from load_env import SETTINGS, TRADINGVIEW_ADDRESSES, Settings, load_settings

ROOT = Path(__file__).parents[1]
LIVE = {
    "TRADING_MODE": "live",
    "PROJECT_X_USERNAME": "trader",
    "PROJECT_X_API_KEY": "key-of-the-gateway",
    "PROJECT_X_ACCOUNT_ID": "4711",
    "WEBHOOK_TOKEN": "a-long-enough-secret",
}


def load(**environ: str) -> Settings:
    return load_settings(environ, None)


def refusal(env_file: Path | None = None, **environ: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_settings(environ, env_file)
    return str(caught.value)


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    return tmp_path / ".env"


# --- where values come from ------------------------------------------------------------------------------------------


def test_an_empty_environment_is_paper_with_safe_defaults() -> None:
    settings = load()
    assert (settings.trading_mode, settings.webhook_host) == ("paper", "127.0.0.1")
    assert (settings.webhook_port, settings.api_port) == (8080, 8081)
    assert settings.symbols == ("MNQ", "MES", "NQ", "ES")
    assert (settings.position_size, settings.max_position_size) == (1, 2)
    assert settings.webhook_token is settings.api_token is settings.paper_gateway_url is None
    assert settings.webhook_allowed_ips is None
    assert settings.hints == ()


def test_importing_reads_no_environment_and_no_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("POSITION_SIZE=nonsense\n")
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", "import load_env"],
        cwd=tmp_path,
        env=os.environ | {"TRADING_MODE": "nonsense", "PYTHONPATH": str(ROOT)},
        capture_output=True,
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, b"", b"")


def test_the_real_environment_wins_over_the_file_and_is_not_changed(env_file: Path) -> None:
    env_file.write_text("POSITION_SIZE=3\nLOG_LEVEL=debug\n")
    before = dict(os.environ)
    settings = load_settings({"POSITION_SIZE": "2"}, env_file)
    assert (settings.position_size, settings.log_level) == (2, "DEBUG")
    assert dict(os.environ) == before


def test_without_arguments_the_process_environment_is_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, env_file: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    env_file.write_text("API_PORT=9001\n")
    monkeypatch.setenv("WEBHOOK_PORT", "9000")
    settings = load_settings()
    assert (settings.webhook_port, settings.api_port) == (9000, 9001)


@pytest.mark.parametrize("empty", ["", " ", "\t"])
def test_an_empty_value_counts_as_not_set_and_hides_nothing(empty: str, env_file: Path) -> None:
    env_file.write_text("POSITION_SIZE=3\nAPI_PORT=\n")
    settings = load_settings({"POSITION_SIZE": empty, "LOG_LEVEL": empty}, env_file)
    assert (settings.position_size, settings.log_level, settings.api_port) == (3, "INFO", 8081)


def test_a_missing_file_is_no_file(env_file: Path) -> None:
    assert load_settings({}, env_file) == load()


def test_a_file_that_somebody_named_must_be_there(env_file: Path) -> None:
    """A slip in --env-file started it with the defaults: paper, another DATA_DIR, twice the size."""
    with pytest.raises(ConfigError, match=re.escape(str(env_file))):
        load_settings({}, env_file, must_exist=True)
    env_file.write_text("POSITION_SIZE=3\n")
    assert load_settings({}, env_file, must_exist=True).position_size == 3


def test_a_file_beside_the_program_that_is_not_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program, elsewhere = tmp_path / "program", tmp_path / "elsewhere"
    program.mkdir()
    elsewhere.mkdir()
    monkeypatch.setattr(load_env, "__file__", str(program / "load_env.py"))
    monkeypatch.chdir(elsewhere)
    assert load_settings({}).hints == ()
    (program / ".env").touch()
    (hint,) = load_settings({}).hints
    assert str(program / ".env") in hint
    monkeypatch.chdir(program)
    assert load_settings({}).hints == ()


@pytest.mark.parametrize("written", ["POSITION_SIZE=3\n".encode("utf-16"), b"PROJECT_X_USERNAME=J\xfcrgen\n"])
def test_a_file_in_another_encoding_is_refused_with_what_to_do(env_file: Path, written: bytes) -> None:
    env_file.write_bytes(written)
    assert "save it as UTF-8" in refusal(env_file)


def test_a_slip_in_the_real_environment_is_told(env_file: Path) -> None:
    """It may be another program's name, so it is not refused; a limit that does not hold must show all the same."""
    settings = load_settings({"MAX_POSTION_SIZE": "1", "PATH": "/bin", "HOSTNAME": "x", "TOKEN": "secret"}, env_file)
    (hint,) = settings.hints
    assert "MAX_POSTION_SIZE" in hint
    assert "MAX_POSITION_SIZE" in hint


def test_the_file_may_come_from_any_editor(env_file: Path) -> None:
    env_file.write_bytes(b"\xef\xbb\xbf# mine\r\nexport POSITION_SIZE=3\r\nPROJECT_X_API_KEY='a$b${HOME}=='\r\n")
    settings = load_settings({}, env_file)
    assert settings.position_size == 3
    assert settings.project_x_api_key is not None
    assert settings.project_x_api_key.reveal() == "a$b${HOME}=="


def test_settings_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        load().position_size = 5  # type: ignore[misc]


def test_every_field_carries_the_name_of_its_key() -> None:
    names = [f.name.removesuffix("_s").upper() for f in dataclasses.fields(Settings) if f.metadata]
    assert names == [row.key for row in SETTINGS]


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        ({}, None),
        ({"REDIS_URL": "redis://:hunter2@h:6380/3"}, "redis://:hunter2@h:6380/3"),
        ({"REDIS_URL": "rediss://u:p%40@h"}, "rediss://u:p%40@h"),
        ({"REDIS_URL": "unix:///run/redis.sock"}, "unix:///run/redis.sock"),
        ({"REDIS_HOST": "h"}, "redis://h:6379/0"),
        ({"REDIS_HOST": "::1", "REDIS_PORT": "6380"}, "redis://[::1]:6380/0"),
    ],
)
def test_redis_has_one_address_that_never_shows(environ: dict[str, str], url: str | None) -> None:
    settings = load(**environ)
    assert (settings.redis_url and settings.redis_url.reveal()) == url
    assert "hunter2" not in repr(settings)


# --- what is refused -------------------------------------------------------------------------------------------------

BAD = {
    "TRADING_MODE": ["real", "paper,live"],
    "PROJECT_X_ACCOUNT_ID": ["0", "-1", "1.5", "PRAC-V2", "9" * 20, "١٢"],
    "PROJECT_X_API_URL": ["api.topstepx.com", "http://api.topstepx.com", "https://u:p@host", "https://", "https://h:x"],
    "PROJECT_X_USER_HUB_URL": ["wss://rtc.topstepx.com/hubs/user", "ws://127.0.0.1:1/hubs/user", "https://h/?a=b"],
    "PROJECT_X_MARKET_HUB_URL": ["http://rtc.topstepx.com", "https://a b"],
    "WEBSOCKET_POOL_MAX_SIZE": ["0", "51", "five"],
    "API_TIMEOUT": ["0", "121", "nan", "inf", "1e2", "30s"],
    "PAPER_SEED": ["-1", "1.0"],
    "PAPER_GATEWAY_URL": ["http://192.168.1.2:9100", "https://example.com", "127.0.0.1:9100"],
    "WEBHOOK_HOST": ["127.0.0.1:8080", "http://x", "300.1.1.1", "a b"],
    "WEBHOOK_PORT": ["-1", "65536", "80.0", "NaN", "8_080", "0x50"],
    "WEBHOOK_TOKEN": ["has/slash", "has space", "ümlaut"],
    "WEBHOOK_ALLOWED_IPS": ["52.89.214", "any,127.0.0.1", "host", "1.2.3.4,"],
    "WEBHOOK_PROXY_HEADER": ["X Forwarded", "X-Real-IP:"],
    "API_PORT": ["70000"],
    "API_TOKEN": ["line\nbreak"],
    "SYMBOLS": ["MNQ,,ES", "CME_MINI:MNQ1!", ","],
    "POSITION_SIZE": ["0", "101", "1.5", "nan", "-1", "one"],
    "MAX_POSITION_SIZE": ["0", "201"],
    "MAX_ALERT_AGE": ["0", "301", "-5"],
    "STOP_LOSS_TICKS": ["3", "1001", "off"],
    "TAKE_PROFIT_TICKS": ["3", "1.5"],
    "BOT_SIDES": ["up", "long,short"],
    "BARE_SIDE": ["guess"],
    "DEBOUNCE_SECONDS": ["-1", "86401", "5m"],
    "PRICE_BOUND_PCT": ["0", "51", "1%", "off"],
    "HEARTBEAT_MINUTES": ["0", "10081", "hourly"],
    "BOT_DIALECT": ["Telegram"],
    "PICKMYTRADE_DOLLAR_UNIT": ["euro"],
    "USE_STOP_ENTRY": ["maybe", "2"],
    "CLOSE_ENTIRE_POSITION_AT_TP1": ["half"],
    "TP1_FRACTION": ["0", "1.01", "75", "nan"],
    "IGNORE_NON_ENTRY_SIGNALS": ["some"],
    "FOREIGN_POSITIONS": ["close", "yes"],
    "FOREIGN_STOP_TICKS": ["3", "1001", "4.5"],
    "CACHE_INIT": ["true"],
    "PREFETCH_SYMBOLS": ["MNQ ES"],
    "PREFETCH_TIMEFRAMES": ["5", "0m", "1w", "5min"],
    "RECORD_TICKS": ["MNQ;ES", "MNQ,,ES", "M-Q"],
    "CACHE_TTL_MARKET_HOURS": ["0", "61", "3s"],
    "CACHE_TTL_OFF_HOURS": ["-1", "61", "never"],
    "BAR_MEMORY_MB": ["3", "4097", "1.5"],
    "REDIS_URL": [
        "localhost:6379",
        "http://h:1",
        "redis://",
        "redis://h:x",
        "redis://h/db",
        "redis://h/0?socket_timeout=9",
        "redis://a b",
        "unix://",
        "redis://:hunter2@:6379",
        "unix:///run/redis.sock?db=1",
    ],
    "REDIS_HOST": ["redis://h", "127.0.0.1:6379", "a b"],
    "REDIS_PORT": ["0", "65536", "tcp://10.0.0.1:6379"],
    "LOG_LEVEL": ["LOUD"],
    "LOG_FORMAT": ["xml"],
}


@pytest.mark.parametrize(("key", "text"), [(key, text) for key, texts in BAD.items() for text in texts])
def test_a_bad_value_is_refused_with_its_key_and_range_and_never_repeated(key: str, text: str) -> None:
    message = refusal(**{key: text})
    allowed = next(row.kind.allowed for row in SETTINGS if row.key == key)
    assert f"{key} (environment): must be {allowed}" in message
    assert text not in message.replace(allowed, "") or len(text) < 4
    assert message.count("\n") == 1


def test_every_bad_key_is_named_at_once_with_its_place(env_file: Path) -> None:
    env_file.write_text("# mine\n\nPOSITION_SIZE=1.5\nUSE_NATIVE_BRACKETS=1\nWEBHOOK_PRT=1\nno equals sign\n")
    message = refusal(env_file, TRADING_MODE="live", API_PORT="x", TOPSTEPX_API_KEY="k")
    for piece in (
        "POSITION_SIZE (.env line 3): must be a whole number from 1 to 100",
        "USE_NATIVE_BRACKETS (.env line 4): ",
        "WEBHOOK_PRT (.env line 5): no such setting, did you mean WEBHOOK_PORT?",
        ".env line 6: must be KEY=value",
        "API_PORT (environment): must be a whole number from 0 to 65535",
        "TOPSTEPX_API_KEY (environment): write PROJECT_X_API_KEY",
        "PROJECT_X_USERNAME is missing: live needs it.",
    ):
        assert piece in message


def test_a_key_that_stands_twice_is_refused(env_file: Path) -> None:
    env_file.write_text("POSITION_SIZE=1\nPOSITION_SIZE=3\n")
    assert "POSITION_SIZE (.env line 2): stands there twice, see .env line 1" in refusal(env_file)


def test_a_file_that_cannot_be_read_is_refused(env_file: Path) -> None:
    env_file.mkdir()
    assert "cannot be read" in refusal(env_file)


@pytest.mark.parametrize(
    ("environ", "piece"),
    [
        ({"WEBHOOK_PORT": "8081"}, "WEBHOOK_PORT and API_PORT must differ"),
        ({"POSITION_SIZE": "3", "MAX_POSITION_SIZE": "2"}, "MAX_POSITION_SIZE must be at least POSITION_SIZE"),
        ({"FOREIGN_POSITIONS": "protect"}, "FOREIGN_STOP_TICKS is missing"),
        ({"WEBHOOK_TOKEN": "same-token", "API_TOKEN": "same-token"}, "WEBHOOK_TOKEN and API_TOKEN must differ"),
        ({"REDIS_URL": "redis://h", "REDIS_HOST": "h"}, "REDIS_URL and REDIS_HOST name the server twice"),
        ({"REDIS_PORT": "6380"}, "REDIS_HOST, which is missing"),
        ({"REDIS_URL": "redis://h", "REDIS_PORT": "6380"}, "REDIS_HOST, which is missing"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(environ: dict[str, str], piece: str) -> None:
    assert piece in refusal(**environ)


# --- names of other bots ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "piece"),
    [
        ("TOPSTEPX_USERNAME", "PROJECT_X_USERNAME"),
        ("TOPSETPX_API_KEY", "PROJECT_X_API_KEY"),
        ("TOPSTEPX_ACCOUNT_ID", "PROJECT_X_ACCOUNT_ID"),
        ("TOPSTEPX_ENVIRONMENT", "PROJECT_X_"),
        ("PROJECT_X_QUOTE_EVENT", "protocol"),
        ("PROJECT_X_ACOUNT_ID", "did you mean PROJECT_X_ACCOUNT_ID?"),
        ("USE_NATIVE_BRACKETS", "every entry carries its stop"),
        ("DASHBOARD_AUTH_TOKEN", "API_TOKEN"),
        ("DAILY_LOSS_LIMIT", "not enforced yet"),
        ("OVERNIGHT_RANGE_ENABLED", "strategies"),
    ],
)
def test_a_familiar_name_is_refused_wherever_it_stands(key: str, piece: str, env_file: Path) -> None:
    env_file.write_text(f"{key}=1\n")
    assert f"{key} (environment): " in refusal(**{key: "1"})
    assert piece in refusal(**{key: "1"})
    assert f"{key} (.env line 1): " in refusal(env_file)


@pytest.mark.parametrize(
    "key",
    ["PORT", "JWT_TOKEN", "DATABASE_URL", "DISCORD_WEBHOOK_URL", "POSTGRES_HOST", "RAILWAY_URL", "NGROK_AUTHTOKEN"],
)
def test_a_name_that_another_program_may_own_is_refused_in_the_file_only(key: str, env_file: Path) -> None:
    assert load(**{key: "1"}) == load()
    env_file.write_text(f"{key}=1\n")
    assert f"{key} (.env line 1): " in refusal(env_file)
    assert f"{key} (.env line 1): " in refusal(env_file, **{key: "2"})


def test_strangers_in_the_real_environment_are_left_alone() -> None:
    assert load(PATH="/bin", EDITOR="vi", WEBHOOK_URL="x", SYMBOL="y") == load()


def test_no_setting_of_ours_is_refused_and_every_successor_exists() -> None:
    ours = {row.key for row in SETTINGS}
    assert not [key for key in ours if why_refused(key, in_file=True)]
    source = (ROOT / "desk" / "settings" / "refused.py").read_text(encoding="utf-8")
    successors = set(re.findall(r"\bwrite ([A-Z_]+)", source))
    assert successors
    assert successors <= ours


# --- live ------------------------------------------------------------------------------------------------------------


def test_live_starts_with_credentials_an_account_and_a_secret() -> None:
    settings = load(**LIVE)
    assert (settings.trading_mode, settings.project_x_account_id) == ("live", 4711)
    assert settings.webhook_allowed_ips == TRADINGVIEW_ADDRESSES


@pytest.mark.parametrize("key", [key for key in LIVE if key != "TRADING_MODE"])
def test_live_without_one_of_them_says_what_to_do(key: str) -> None:
    message = refusal(**{name: text for name, text in LIVE.items() if name != key})
    assert f"{key} is missing: live needs it. Set it to " in message
    assert "or leave TRADING_MODE out to trade on paper" in message
    assert message.count("\n") == 1


@pytest.mark.parametrize("key", ["WEBHOOK_TOKEN", "API_TOKEN"])
def test_live_refuses_a_secret_that_is_easily_guessed(key: str) -> None:
    message = refusal(**LIVE | {key: "fifteen-letters"})
    assert f"{key} must have at least 16 characters in live" in message
    assert "fifteen-letters" not in message


def test_credentials_alone_do_not_leave_paper() -> None:
    settings = load(**{key: text for key, text in LIVE.items() if key != "TRADING_MODE"})
    assert settings.trading_mode == "paper"
    assert "this is paper mode" in settings.hints[0]


def test_a_simulator_address_in_live_is_pointed_out() -> None:
    assert "no effect in live" in load(**LIVE, PAPER_GATEWAY_URL="http://localhost:9100").hints[0]


def test_live_behind_a_tunnel_that_hides_the_sender_gets_a_hint() -> None:
    assert "WEBHOOK_PROXY_HEADER" in load(**LIVE).hints[0]
    for cure in (
        {"WEBHOOK_PROXY_HEADER": "CF-Connecting-IP"},
        {"WEBHOOK_ALLOWED_IPS": "any"},
        {"WEBHOOK_HOST": "0.0.0.0"},
    ):
        assert load(**LIVE, **cure).hints == ()


def test_a_fraction_that_nothing_uses_is_pointed_out() -> None:
    assert "TP1_FRACTION" in load(TP1_FRACTION="0.5", CLOSE_ENTIRE_POSITION_AT_TP1="yes").hints[0]
    assert load(TP1_FRACTION="0.5").hints == load(CLOSE_ENTIRE_POSITION_AT_TP1="on").hints == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [("any", None), ("ANY", None), ("127.0.0.1, ::1,127.0.0.1", ("127.0.0.1", "::1"))],
)
def test_the_allowed_addresses_can_be_chosen_or_switched_off(text: str, expected: tuple[str, ...] | None) -> None:
    assert load(**LIVE, WEBHOOK_ALLOWED_IPS=text).webhook_allowed_ips == expected


# --- single values ---------------------------------------------------------------------------------------------------


def test_the_ceiling_is_twice_the_size_unless_given() -> None:
    assert load(POSITION_SIZE="3").max_position_size == 6
    assert load(POSITION_SIZE="3", MAX_POSITION_SIZE="3").max_position_size == 3


def test_lists_are_normalised_and_can_be_switched_off() -> None:
    settings = load(SYMBOLS=" mnq, es ,MNQ", PREFETCH_SYMBOLS="none", PREFETCH_TIMEFRAMES="30S,4h")
    assert (settings.symbols, settings.prefetch_symbols) == (("MNQ", "ES"), ())
    assert settings.prefetch_timeframes == ("30s", "4h")


@pytest.mark.parametrize("url", ["http://127.0.0.1:9100", "http://localhost:9100/", "http://[::1]:9100"])
def test_plain_http_is_for_this_computer(url: str) -> None:
    assert load(PROJECT_X_API_URL=url).project_x_api_url == url.rstrip("/")


def test_no_color_is_any_text() -> None:
    assert load(NO_COLOR="0").no_color
    assert not load(NO_COLOR="").no_color


def test_two_doors_on_any_free_port_do_not_collide() -> None:
    assert load(WEBHOOK_PORT="0", API_PORT="0").api_port == 0


def test_the_data_directory_may_be_in_the_home_directory() -> None:
    assert load(DATA_DIR="~/desk").data_dir == Path.home() / "desk"


def test_secrets_do_not_show() -> None:
    settings = load(**LIVE, API_TOKEN="another-long-secret")
    assert settings.webhook_token is not None
    assert settings.webhook_token.reveal() == LIVE["WEBHOOK_TOKEN"]
    for text in (repr(settings), str(settings), f"{settings}"):
        assert "secret" not in text
        assert "key-of-the-gateway" not in text


@given(st.dictionaries(st.sampled_from([row.key for row in SETTINGS]), st.text(max_size=30)))
def test_any_text_gives_settings_or_one_configuration_error(environ: dict[str, str]) -> None:
    try:
        assert isinstance(load_settings(environ, None), Settings)
    except ConfigError:
        pass  # anything else that is raised fails the test
